/* See result_file.h. */
#include "cli/result_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_TRIED 100u

/* The real place of what a link leads to; a name that is not there yet stays as it is. */
static bool find_place(struct result_file *f, const char *path)
{
    char real[PATH_MAX];
    const char *place = realpath(path, real) ? real : path;
    return (size_t)snprintf(f->path, sizeof f->path, "%s", place) < sizeof f->path - 32;
}

static int check_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    return access(*folder ? folder : "/", W_OK | X_OK) == 0 ? 0 : errno;
}

int result_file_plan(struct result_file *f, const char *path, bool replaces)
{
    struct stat st;
    *f = (struct result_file){.replaces = replaces, .is_file = true};
    f->is_stdout = strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0;
    if (f->is_stdout)
        return 0;
    bool there = stat(path, &st) == 0;
    if (there && S_ISDIR(st.st_mode))
        return EISDIR;
    f->is_file = !there || S_ISREG(st.st_mode);
    if (there && f->is_file && !replaces)
        return EEXIST;
    if (!find_place(f, path))
        return ENAMETOOLONG;
    return f->is_file ? check_folder(f->path) : 0;
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

static int put_into(const char *path, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int err = write_all(fd, content);
    return close(fd) != 0 && !err ? errno : err;
}

/* Beside it, under a name that is free: one that was killed may have left its own. */
static int open_beside(const struct result_file *f, char part[PATH_MAX])
{
    int fd = -1;
    for (unsigned i = 0; i < NAMES_TRIED && fd < 0 && (i == 0 || errno == EEXIST); i++) {
        snprintf(part, PATH_MAX, "%.4000s.part%ld-%u", f->path, (long)getpid(), i);
        fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    return fd;
}

/* Under its own name. One that has come meanwhile is somebody else's: taking the name first tells,
 * and needs no hard links, which a USB stick does not have. */
static int put_in_place(const struct result_file *f, const char *part)
{
    int claim = -1;
    if (!f->replaces) {
        claim = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (claim < 0)
            return errno;
        close(claim);
    }
    if (rename(part, f->path) == 0)
        return 0;
    int err = errno;
    if (claim >= 0)
        unlink(f->path);
    return err;
}

int result_file_put(const struct result_file *f, struct bytes content)
{
    char part[PATH_MAX];
    if (f->is_stdout)
        return write_all(STDOUT_FILENO, content);
    if (!f->is_file)
        return put_into(f->path, content);
    int fd = open_beside(f, part);
    if (fd < 0)
        return errno;
    int err = write_all(fd, content);
    if (!err && fsync(fd) != 0)
        err = errno;
    if (close(fd) != 0 && !err)
        err = errno;
    if (!err)
        err = put_in_place(f, part);
    if (err)
        unlink(part);
    return err;
}
