/* Opening paths that strangers chose: nothing outside the folder is ever reached.
 *
 * openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS where the kernel has it (5.6); elsewhere
 * component by component with O_NOFOLLOW, which comes to the same. No `..`, no absolute path, no
 * empty component is let through in either case. */
#include "env/uv/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COMPONENT_MAX 256u

static int open_how(int folder, const char *path, int flags, mode_t mode)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    for (unsigned tries = 0; tries < 32; tries++) {
        long fd = syscall(SYS_openat2, folder, path, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        /* EAGAIN: a rename elsewhere raced with the walk; the kernel asks to try again. */
        if (errno != EINTR && errno != EAGAIN)
            return -errno;
    }
    return -EAGAIN;
}

/* The next component; 0 when the path is not one that may be opened. */
static size_t component(const char *path, char out[COMPONENT_MAX])
{
    size_t n = strcspn(path, "/");
    if (n == 0 || n >= COMPONENT_MAX)
        return 0;
    memcpy(out, path, n);
    out[n] = 0;
    return strcmp(out, ".") == 0 || strcmp(out, "..") == 0 ? 0 : n;
}

static bool is_plain(const char *path)
{
    char name[COMPONENT_MAX];
    for (;;) {
        size_t n = component(path, name);
        if (n == 0)
            return false;
        if (path[n] == 0)
            return true;
        path += n + 1;
    }
}

static int open_by_steps(int folder, const char *path, int flags, mode_t mode)
{
    char name[COMPONENT_MAX];
    int at = dup(folder);
    while (at >= 0) {
        size_t n = component(path, name);
        bool last = path[n] == 0;
        int next = last ? openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC, mode)
                        : openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        close(at);
        if (next < 0)
            return -(error == ENOTDIR && !last ? ELOOP : error);
        if (last)
            return next;
        at = next;
        path += n + 1;
    }
    return -errno;
}

/* The folder, once more. */
static int open_itself(int folder, int flags)
{
    int fd = openat(folder, ".", flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int real_open_beneath(int folder, const char *path, int flags, mode_t mode)
{
    if (path[0] == 0)
        return open_itself(folder, flags);
    if (!is_plain(path))
        return -EXDEV;
    int fd = open_how(folder, path, flags, mode);
    return fd == -ENOSYS ? open_by_steps(folder, path, flags, mode) : fd;
}

static int make_and_open(int at, const char *name)
{
    if (mkdirat(at, name, 0777) != 0 && errno != EEXIST)
        return -errno;
    return real_open_beneath(at, name, O_PATH | O_DIRECTORY, 0);
}

/* Folder after folder, as far as the last component. */
static int make_parents(int folder, const char *path)
{
    char part[COMPONENT_MAX];
    for (int at = folder;;) {
        size_t n = component(path, part);
        if (path[n] == 0)
            return at;
        int next = make_and_open(at, part);
        if (at != folder)
            close(at);
        if (next < 0)
            return next;
        at = next;
        path += n + 1;
    }
}

int real_open_parent(int folder, const char *path, bool make, const char **name)
{
    char parent[PATH_MAX];
    if (!is_plain(path))
        return -EXDEV;
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash)
        return folder;
    if (make)
        return make_parents(folder, path);
    size_t size = (size_t)(slash - path);
    if (size >= sizeof parent)
        return -ENAMETOOLONG;
    memcpy(parent, path, size);
    parent[size] = 0;
    return real_open_beneath(folder, parent, O_PATH | O_DIRECTORY, 0);
}
