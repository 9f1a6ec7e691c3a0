/* See result_file.h. */
#include "cli/result_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The real place of what a link leads to; a name that is not there yet stays as it is. */
static bool find_place(struct result_file *f, const char *path)
{
    char real[PATH_MAX];
    const char *place = realpath(path, real) ? real : path;
    return (size_t)snprintf(f->path, sizeof f->path, "%s", place) < sizeof f->path;
}

static int open_beside(struct result_file *f)
{
    snprintf(f->part, sizeof f->part, "%s.part%ld", f->path, (long)getpid());
    f->fd = open(f->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    f->beside = f->fd >= 0;
    return f->beside ? 0 : errno;
}

int result_file_open(struct result_file *f, const char *path, bool replaces)
{
    struct stat st;
    *f = (struct result_file){.fd = -1, .replaces = replaces};
    f->is_stdout = strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0;
    if (f->is_stdout) {
        f->fd = STDOUT_FILENO;
        return 0;
    }
    bool there = stat(path, &st) == 0;
    if (there && S_ISDIR(st.st_mode))
        return EISDIR;
    if (there && !S_ISREG(st.st_mode)) {
        f->fd = open(path, O_WRONLY | O_CLOEXEC);
        return f->fd >= 0 ? 0 : errno;
    }
    if (there && !replaces)
        return EEXIST;
    return find_place(f, path) ? open_beside(f) : ENAMETOOLONG;
}

/* Under its own name. One that has come meanwhile is somebody else's: taking the name first tells,
 * and needs no hard links, which a USB stick does not have. */
static int put_in_place(struct result_file *f)
{
    if (!f->replaces) {
        int claim = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (claim < 0)
            return errno;
        close(claim);
    }
    if (rename(f->part, f->path) != 0)
        return errno;
    f->beside = false;
    return 0;
}

static int write_all(int fd, struct bytes content)
{
    for (size_t at = 0; at < content.size;) {
        ssize_t n = write(fd, content.data + at, content.size - at);
        if (n < 0 && errno != EINTR)
            return errno;
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int result_file_put(struct result_file *f, struct bytes content)
{
    int err = write_all(f->fd, content);
    if (!err && f->beside && fsync(f->fd) != 0)
        err = errno;
    if (!err && f->beside)
        err = put_in_place(f);
    result_file_drop(f);
    return err;
}

void result_file_drop(struct result_file *f)
{
    if (f->beside)
        unlink(f->part);
    if (f->fd >= 0 && !f->is_stdout)
        close(f->fd);
    f->fd = -1;
    f->beside = false;
}
