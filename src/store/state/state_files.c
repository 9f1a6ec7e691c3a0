/* See state_files.h. */
#include "store/state/state_files.h"
#include "base/bytes.h"
#include "base/err.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct state_beside state_beside(const char *path, const char *suffix)
{
    struct state_beside b;
    /* Never too long: state_db_open leaves room for every suffix that there is. */
    struct builder out = builder_fixed(b.text, sizeof b.text);
    builder_str(&out, path);
    builder_str(&out, suffix);
    builder_text(&out);
    return b;
}

bool state_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* A folder that others own may refuse to be opened by us: its names are their care. Some file
 * systems sync no folder. */
static bool may_be_unsynced(int error)
{
    return error == EACCES || error == EPERM || error == EINVAL || error == ENOTSUP;
}

int state_sync_folder(const char *path)
{
    struct state_beside folder = state_beside(path, "");
    char *slash = strrchr(folder.text, '/');
    if (slash != NULL)
        slash[slash == folder.text] = '\0';
    int fd = open(slash != NULL ? folder.text : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error == 0 || may_be_unsynced(error) ? 0 : err_from_errno(error);
}

/* From the innermost up: what leads to a folder that was made has to be durable, too. */
static int sync_folders(const char *path)
{
    struct state_beside at = state_beside(path, "");
    char *slash;
    int err;
    while ((err = state_sync_folder(at.text)) == 0 && (slash = strrchr(at.text, '/')) != NULL &&
           slash != at.text)
        *slash = '\0';
    return err;
}

int state_make_folders(const char *path)
{
    if (state_file_exists(path))
        return 0;
    struct state_beside folder = state_beside(path, "");
    for (char *at = folder.text + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (mkdir(folder.text, 0700) != 0 && errno != EEXIST)
            return err_from_errno(errno);
        *at = '/';
    }
    return sync_folders(path);
}

void state_unlink(const char *path)
{
    unlink(state_beside(path, "-wal").text);
    unlink(state_beside(path, "-shm").text);
    unlink(state_beside(path, "-journal").text);
    unlink(path);
}

int state_create_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_from_errno(errno);
    close(fd);
    return 0;
}
