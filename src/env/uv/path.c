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

/* The parent's descriptor, or -errno. */
static int open_parent(struct env_dir *dir, const char *path, bool make, const char **name)
{
    int folder = real_dir_take(dir_of(dir));
    if (folder < 0)
        return folder;
    int fd = real_open_parent(folder, path, make, name);
    real_dir_give(dir_of(dir));
    return fd;
}

/* The same, or an ERR_ code; counts a call of this kind. */
static int parent_of(
    struct env_dir *dir, const char *path, enum uv_env_disk_call kind, bool make, const char **name)
{
    int error = real_disk_fault(dir_of(dir), kind, NULL);
    if (error)
        return err_from_errno(error);
    int fd = open_parent(dir, path, make, name);
    return fd < 0 ? err_from_errno(-fd) : fd;
}

int real_path_stat(struct env_dir *dir, const char *path, struct env_stat *out)
{
    struct stat st;
    const char *name;
    if (path[0] == 0)
        return real_dir_stat(dir, out);
    int parent = parent_of(dir, path, UV_ENV_DISK_STAT, false, &name);
    if (parent < 0)
        return parent;
    int err = result(fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW));
    close(parent);
    if (!err)
        real_stat_convert(&st, out);
    return err;
}

int real_path_rename(
    struct env_dir *from_dir, const char *from, struct env_dir *to_dir, const char *to)
{
    const char *from_name, *to_name;
    int a = parent_of(from_dir, from, UV_ENV_DISK_RENAME, false, &from_name);
    if (a < 0)
        return a;
    int b = open_parent(to_dir, to, true, &to_name);
    if (b < 0) {
        close(a);
        return err_from_errno(-b);
    }
    int error = renameat2(a, from_name, b, to_name, RENAME_NOREPLACE) == 0 ? 0 : errno;
    close(a);
    close(b);
    if (error == EXDEV || error == EINVAL)
        return ERR_UNSUPPORTED;
    return error ? err_from_errno(error) : 0;
}

static int remove_at(struct env_dir *dir, const char *path, int flags)
{
    const char *name;
    int parent = parent_of(dir, path, UV_ENV_DISK_UNLINK, false, &name);
    if (parent < 0)
        return parent;
    int error = unlinkat(parent, name, flags) == 0 ? 0 : errno;
    close(parent);
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
    const char *name;
    int parent = parent_of(dir, path, UV_ENV_DISK_CREATE, true, &name);
    if (parent < 0)
        return parent;
    int error = mkdirat(parent, name, 0777) == 0 ? 0 : errno;
    struct stat st;
    if (error == EEXIST && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode))
        error = 0;
    close(parent);
    return error ? err_from_errno(error) : 0;
}

int real_path_symlink(struct env_dir *dir, const char *path, const char *target)
{
    const char *name;
    int parent = parent_of(dir, path, UV_ENV_DISK_CREATE, true, &name);
    if (parent < 0)
        return parent;
    int err = result(symlinkat(target, parent, name));
    close(parent);
    return err;
}

int real_path_readlink(struct env_dir *dir, const char *path, char *out, size_t size)
{
    const char *name;
    int parent = parent_of(dir, path, UV_ENV_DISK_STAT, false, &name);
    if (parent < 0)
        return parent;
    ssize_t n = readlinkat(parent, name, out, size);
    int error = errno;
    close(parent);
    if (n < 0)
        return err_from_errno(error);
    if ((size_t)n >= size)
        return ERR_LIMIT;
    out[n] = 0;
    return 0;
}

int real_path_list(struct env_dir *dir, const char *path,
    bool (*each)(void *, const char *, const struct env_stat *), void *user)
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
        struct stat st;
        struct env_stat converted;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(list), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue; /* gone since it was listed */
        real_stat_convert(&st, &converted);
        more = each(user, entry->d_name, &converted);
    }
    error = more ? errno : 0;
    closedir(list);
    return error ? err_from_errno(error) : 0;
}
