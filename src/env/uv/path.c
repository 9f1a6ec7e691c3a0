/* Names beneath a folder. See disk.h. The parent is opened beneath, then the last component is used
 * with the *at calls, none of which follows it. */
#include "env/uv/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct real_dir *dir_of(struct env_dir *d)
{
    return (struct real_dir *)d;
}

static int result(int value)
{
    return value == 0 ? 0 : err_from_errno(errno);
}

/* Where a path's last component is. */
struct parent {
    struct env_dir *dir;
    int folder, fd; /* the same where the path has one component only */
    const char *name;
};

/* 0 or an ERR_ code. */
static int open_parent(struct env_dir *dir, const char *path, bool make, struct parent *p)
{
    *p = (struct parent){.dir = dir, .folder = real_dir_take(dir_of(dir))};
    if (p->folder < 0)
        return err_from_errno(-p->folder);
    p->fd = real_open_parent(p->folder, path, make, &p->name);
    if (p->fd >= 0)
        return 0;
    real_dir_give(dir_of(dir));
    return err_from_errno(-p->fd);
}

static void close_parent(const struct parent *p)
{
    if (p->fd != p->folder)
        close(p->fd);
    real_dir_give(dir_of(p->dir));
}

/* The same as open_parent; counts a call of this kind. */
static int parent_of(
    struct env_dir *dir, const char *path, enum uv_env_disk_call kind, bool make, struct parent *p)
{
    int error = real_disk_fault(dir_of(dir), kind, NULL);
    return error ? err_from_errno(error) : open_parent(dir, path, make, p);
}

int real_path_stat(struct env_dir *dir, const char *path, struct env_stat *out)
{
    struct stat st;
    struct parent p;
    if (path[0] == 0)
        return real_dir_stat(dir, out);
    int err = parent_of(dir, path, UV_ENV_DISK_STAT, false, &p);
    if (err)
        return err;
    err = result(fstatat(p.fd, p.name, &st, AT_SYMLINK_NOFOLLOW));
    close_parent(&p);
    if (!err)
        real_stat_convert(&st, out);
    return err;
}

int real_path_rename(
    struct env_dir *from_dir, const char *from, struct env_dir *to_dir, const char *to)
{
    struct parent a, b;
    int err = parent_of(from_dir, from, UV_ENV_DISK_RENAME, false, &a);
    if (err)
        return err;
    err = open_parent(to_dir, to, true, &b);
    if (err) {
        close_parent(&a);
        return err;
    }
    int error = renameat2(a.fd, a.name, b.fd, b.name, RENAME_NOREPLACE) == 0 ? 0 : errno;
    close_parent(&a);
    close_parent(&b);
    if (error == EXDEV || error == EINVAL)
        return ERR_UNSUPPORTED;
    return error ? err_from_errno(error) : 0;
}

static int remove_at(struct env_dir *dir, const char *path, int flags)
{
    struct parent p;
    int err = parent_of(dir, path, UV_ENV_DISK_UNLINK, false, &p);
    if (err)
        return err;
    int error = unlinkat(p.fd, p.name, flags) == 0 ? 0 : errno;
    close_parent(&p);
    if (error == ENOTEMPTY)
        return ERR_EXISTS;
    return error ? err_from_errno(error) : 0;
}

int real_path_unlink(struct env_dir *dir, const char *path)
{
    return remove_at(dir, path, 0);
}

int real_path_remove_folder(struct env_dir *dir, const char *path)
{
    return remove_at(dir, path, AT_REMOVEDIR);
}

int real_path_make_folder(struct env_dir *dir, const char *path)
{
    struct parent p;
    int err = parent_of(dir, path, UV_ENV_DISK_CREATE, true, &p);
    if (err)
        return err;
    int error = mkdirat(p.fd, p.name, 0777) == 0 ? 0 : errno;
    struct stat st;
    if (error == EEXIST && fstatat(p.fd, p.name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode))
        error = 0;
    close_parent(&p);
    return error ? err_from_errno(error) : 0;
}

int real_path_symlink(struct env_dir *dir, const char *path, const char *target)
{
    struct parent p;
    int err = parent_of(dir, path, UV_ENV_DISK_CREATE, true, &p);
    if (err)
        return err;
    err = result(symlinkat(target, p.fd, p.name));
    close_parent(&p);
    return err;
}

int real_path_readlink(struct env_dir *dir, const char *path, char *out, size_t size)
{
    struct parent p;
    int err = parent_of(dir, path, UV_ENV_DISK_STAT, false, &p);
    if (err)
        return err;
    ssize_t n = readlinkat(p.fd, p.name, out, size);
    int error = errno;
    close_parent(&p);
    if (n < 0)
        return err_from_errno(error);
    if ((size_t)n >= size)
        return ERR_LIMIT;
    out[n] = 0;
    return 0;
}

/* False: it is gone since it was listed. */
static bool entry_kind(int folder, const struct dirent *entry, enum env_entry *out)
{
    struct stat st;
    unsigned char type = entry->d_type;
    if (type == DT_UNKNOWN) { /* a file system that does not keep it in its folders */
        if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return false;
        type = IFTODT(st.st_mode);
    }
    *out = type == DT_REG   ? ENV_ENTRY_FILE
           : type == DT_DIR ? ENV_ENTRY_FOLDER
           : type == DT_LNK ? ENV_ENTRY_SYMLINK
                            : ENV_ENTRY_SPECIAL;
    return true;
}

int real_path_list(struct env_dir *dir, const char *path,
    bool (*each)(void *, const char *, enum env_entry), void *user)
{
    int error = real_disk_fault(dir_of(dir), UV_ENV_DISK_STAT, NULL);
    if (error)
        return err_from_errno(error);
    int folder = real_dir_take(dir_of(dir));
    if (folder < 0)
        return err_from_errno(-folder);
    int fd = real_open_beneath(folder, path, O_RDONLY | O_DIRECTORY, 0);
    real_dir_give(dir_of(dir));
    if (fd < 0)
        return err_from_errno(-fd);
    DIR *list = fdopendir(fd);
    if (!list) {
        error = errno;
        close(fd);
        return err_from_errno(error);
    }
    struct dirent *entry;
    bool more = true;
    while (more && (errno = 0, entry = readdir(list)) != NULL) {
        enum env_entry kind;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (entry_kind(dirfd(list), entry, &kind))
            more = each(user, entry->d_name, kind);
    }
    error = more ? errno : 0;
    closedir(list);
    return error ? err_from_errno(error) : 0;
}
