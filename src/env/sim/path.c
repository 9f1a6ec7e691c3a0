/* Folders and names of a simulated disk: the walks and env_dir_*, env_path_*. */
#include "env/sim/disk.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SYMLINKS_MAX 40 /* followed in one walk, as Linux */

/* ---- walking ------------------------------------------------------------------------------- */

struct sim_inode *sim_through(struct sim_inode *inode)
{
    while (inode->mounted != NULL && inode->mounted->present)
        inode = inode->mounted->root;
    return inode;
}

/* Takes the next component off *path, "." and empty ones skipped. False at the end. */
static bool component(const char **path, char name[SIM_NAME_MAX + 1], int *err)
{
    for (;;) {
        *path += strspn(*path, "/");
        size_t size = strcspn(*path, "/");
        if (size == 0)
            return false;
        if (size > SIM_NAME_MAX) {
            *err = err_from_errno(ENAMETOOLONG);
            return false;
        }
        memcpy(name, *path, size);
        name[size] = 0;
        *path += size;
        if (strcmp(name, ".") != 0)
            return true;
    }
}

static int may_change(const struct sim_inode *inode)
{
    if (!inode->volume->present)
        return ERR_ABSENT;
    return inode->volume->access == SIM_READ_ONLY ? err_from_errno(EROFS) : 0;
}

static int make_folder(struct sim_inode *parent, const char *name, struct sim_inode **out)
{
    int err = may_change(parent);
    return err != 0 ? err : sim_folder_create(parent, name, SIM_FOLDER, out);
}

/* One step down, onto a name that must become a folder. */
static int step_down(struct sim_place *place, enum sim_missing missing)
{
    if (place->inode == NULL) {
        if (missing == SIM_MISSING_FAILS)
            return err_from_errno(ENOENT);
        int err = make_folder(place->parent, place->name, &place->inode);
        if (err != 0)
            return err;
    }
    if (place->inode->kind == SIM_SYMLINK)
        return ERR_UNSAFE_PATH;
    if (place->inode->kind != SIM_FOLDER)
        return err_from_errno(ENOTDIR);
    place->parent = place->inode;
    return 0;
}

int sim_walk(
    struct sim_inode *from, const char *path, enum sim_missing missing, struct sim_place *out)
{
    char name[SIM_NAME_MAX + 1];
    *out = (struct sim_place){.parent = from, .inode = from};
    if (path[0] == '/')
        return ERR_UNSAFE_PATH;
    if (strlen(path) >= SIM_PATH_MAX)
        return err_from_errno(ENAMETOOLONG);
    int err = 0;
    while (err == 0 && component(&path, name, &err)) {
        if (strcmp(name, "..") == 0)
            return ERR_UNSAFE_PATH;
        err = step_down(out, missing);
        if (err != 0)
            break;
        strcpy(out->name, name);
        out->inode = sim_folder_find(out->parent, name);
        if (out->inode != NULL)
            out->inode = sim_through(out->inode);
    }
    return err;
}

static struct sim_inode *root_of(const struct sim_disk *disk)
{
    const struct sim_volume *v = disk->volumes;
    while (v->next != NULL)
        v = v->next;
    return v->root;
}

static struct sim_inode *parent_of(struct sim_inode *folder)
{
    if (folder->parent == NULL && folder->volume->mount_point != NULL)
        folder = folder->volume->mount_point;
    return folder->parent == NULL ? folder : folder->parent;
}

static int walk_links(struct sim_disk *disk, struct sim_inode **at, const char *path,
    enum sim_missing missing, int *links)
{
    char name[SIM_NAME_MAX + 1];
    int err = 0;
    if (path[0] == '/')
        *at = sim_through(root_of(disk));
    while (err == 0 && component(&path, name, &err)) {
        if (strcmp(name, "..") == 0) {
            *at = parent_of(*at);
            continue;
        }
        struct sim_inode *child = sim_folder_find(*at, name);
        if (child != NULL && child->kind == SIM_SYMLINK) {
            if (++*links > SYMLINKS_MAX)
                return err_from_errno(ELOOP);
            err = walk_links(disk, at, child->target, missing, links);
            continue;
        }
        struct sim_place place = {.parent = *at, .inode = child};
        strcpy(place.name, name);
        err = step_down(&place, missing);
        *at = sim_through(place.parent);
    }
    return err;
}

int sim_walk_absolute(
    struct sim_disk *disk, const char *path, enum sim_missing missing, struct sim_inode **folder)
{
    int links = 0;
    *folder = sim_through(root_of(disk)); /* also where a process of this world works */
    return walk_links(disk, folder, path, missing, &links);
}

/* ---- open folders -------------------------------------------------------------------------- */

static struct sim_dir *dir_of(struct env_dir *face)
{
    return (struct sim_dir *)(void *)face;
}

static void dir_crash(struct sim_handle *h, enum sim_crash kind)
{
    (void)kind;
    struct sim_dir *dir = container_of(h, struct sim_dir, handle);
    if (dir->inode != NULL)
        sim_inode_drop(dir->inode);
    dir->inode = NULL;
}

static void dir_destroy(struct sim_handle *h)
{
    struct sim_dir *dir = container_of(h, struct sim_dir, handle);
    dir_crash(h, SIM_KILLED);
    free(dir->path);
    free(dir);
}

static const struct sim_handle_kind dir_kind = {dir_crash, dir_destroy};

static int dir_check(const struct sim_dir *dir)
{
    if (dir->inode == NULL)
        return ERR_IO;
    const struct sim_volume *v = dir->inode->volume;
    return v->present && v->generation == dir->generation ? 0 : ERR_ABSENT;
}

static int dir_begin(struct sim_dir *dir, enum sim_disk_call call, const char *path)
{
    char whole[SIM_PATH_MAX * 2];
    size_t partial;
    snprintf(whole, sizeof whole, "%s/%s", strcmp(dir->path, "/") == 0 ? "" : dir->path, path);
    int err = sim_disk_begin(dir->handle.env, call, whole, 0, &partial);
    return err != 0 ? err : dir_check(dir);
}

int sim_dir_reach(struct sim_dir *dir, enum sim_disk_call call, const char *path,
    enum sim_missing missing, struct sim_place *out)
{
    int err = dir_begin(dir, call, path);
    return err != 0 ? err : sim_walk(dir->inode, path, missing, out);
}

/* The place must hold something. */
static int reach_existing(
    struct sim_dir *dir, enum sim_disk_call call, const char *path, struct sim_place *out)
{
    int err = sim_dir_reach(dir, call, path, SIM_MISSING_FAILS, out);
    return err == 0 && out->inode == NULL ? err_from_errno(ENOENT) : err;
}

/* Paths of scenarios have no links in them. */
int sim_real_path(struct env *face, const char *path, char **out)
{
    size_t size = strlen(path);
    (void)face;
    while (size > 1 && path[size - 1] == '/')
        size--;
    *out = strndup(path, size);
    return *out != NULL ? 0 : ERR_NOMEM;
}

int sim_dir_open(struct env *face, const char *path, bool create, struct env_dir **out)
{
    struct sim_env *env = sim_env_of(face);
    struct sim_inode *folder;
    size_t partial;
    *out = NULL;
    int err = sim_disk_begin(env, SIM_DISK_DIR_OPEN, path, 0, &partial);
    if (err != 0)
        return err;
    err = sim_walk_absolute(
        env->host->disk, path, create ? SIM_MISSING_IS_MADE : SIM_MISSING_FAILS, &folder);
    if (err != 0)
        return err == err_from_errno(ENOENT) ? ERR_ABSENT : err;
    struct sim_dir *dir = sim_alloc(sizeof *dir);
    dir->inode = folder;
    dir->generation = folder->volume->generation;
    dir->path = sim_dup(path);
    sim_inode_hold(folder);
    sim_handle_open(&dir->handle, &dir_kind, env);
    *out = (struct env_dir *)(void *)dir;
    return 0;
}

void sim_dir_close(struct env_dir *face)
{
    sim_handle_close(&dir_of(face)->handle);
}

int sim_dir_stat(struct env_dir *face, struct env_stat *out)
{
    int err = dir_begin(dir_of(face), SIM_DISK_DIR_STAT, "");
    if (err == 0)
        sim_inode_stat(dir_of(face)->inode, out);
    return err;
}

int sim_dir_free_space(struct env_dir *face, uint64_t *bytes_out)
{
    int err = dir_begin(dir_of(face), SIM_DISK_FREE_SPACE, "");
    if (err != 0)
        return err;
    const struct sim_volume *v = dir_of(face)->inode->volume;
    *bytes_out =
        v->used_pages < v->capacity_pages ? (v->capacity_pages - v->used_pages) * SIM_PAGE : 0;
    return 0;
}

int sim_dir_sync(struct env_dir *face, const char *path)
{
    struct sim_place place;
    int err = reach_existing(dir_of(face), SIM_DISK_DIR_SYNC, path, &place);
    if (err == 0 && place.inode->kind != SIM_FOLDER)
        err = err_from_errno(ENOTDIR);
    if (err == 0)
        sim_folder_sync(place.inode);
    return err;
}

/* ---- names --------------------------------------------------------------------------------- */

int sim_path_stat(struct env_dir *face, const char *path, struct env_stat *out)
{
    struct sim_place place;
    int err = reach_existing(dir_of(face), SIM_DISK_PATH_STAT, path, &place);
    if (err == 0)
        sim_inode_stat(place.inode, out);
    return err;
}

/* Would a folder move into itself? */
static bool beneath(const struct sim_inode *folder, const struct sim_inode *top)
{
    while (folder != NULL && folder != top)
        folder = folder->parent;
    return folder != NULL;
}

int sim_path_rename(
    struct env_dir *from_dir, const char *from, struct env_dir *to_dir, const char *to)
{
    struct sim_place a, b;
    int err = reach_existing(dir_of(from_dir), SIM_DISK_RENAME, from, &a);
    if (err == 0)
        err = dir_check(dir_of(to_dir));
    if (err == 0)
        err = sim_walk(dir_of(to_dir)->inode, to, SIM_MISSING_FAILS, &b);
    if (err == 0)
        err = may_change(a.parent);
    if (err != 0)
        return err;
    if (a.name[0] == 0 || a.inode->parent == NULL ? a.inode->kind == SIM_FOLDER : false)
        return ERR_BUSY; /* the open folder itself, or a mount point */
    if (b.inode != NULL || b.name[0] == 0)
        return ERR_EXISTS;
    if (a.parent->volume != b.parent->volume)
        return ERR_UNSUPPORTED;
    if (a.inode->kind == SIM_FOLDER && beneath(b.parent, a.inode))
        return ERR_INVALID;
    sim_folder_rename(a.parent, a.name, b.parent, b.name);
    return 0;
}

int sim_path_unlink(struct env_dir *face, const char *path)
{
    struct sim_place place;
    int err = reach_existing(dir_of(face), SIM_DISK_UNLINK, path, &place);
    if (err == 0)
        err = may_change(place.parent);
    if (err == 0 && place.inode->kind == SIM_FOLDER)
        err = err_from_errno(EISDIR);
    if (err == 0)
        sim_folder_remove(place.parent, place.name);
    return err;
}

int sim_path_remove_folder(struct env_dir *face, const char *path)
{
    struct sim_place place;
    int err = reach_existing(dir_of(face), SIM_DISK_REMOVE_FOLDER, path, &place);
    if (err == 0)
        err = may_change(place.parent);
    if (err != 0)
        return err;
    if (place.inode->kind != SIM_FOLDER)
        return err_from_errno(ENOTDIR);
    if (place.name[0] == 0 || place.inode->parent == NULL)
        return ERR_BUSY;
    if (place.inode->entry_count > 0)
        return ERR_EXISTS;
    sim_folder_remove(place.parent, place.name);
    return 0;
}

int sim_path_make_folder(struct env_dir *face, const char *path)
{
    struct sim_place place;
    int err = sim_dir_reach(dir_of(face), SIM_DISK_MAKE_FOLDER, path, SIM_MISSING_IS_MADE, &place);
    if (err == 0 && place.inode == NULL)
        err = make_folder(place.parent, place.name, &place.inode);
    else if (err == 0 && place.inode->kind != SIM_FOLDER)
        err = ERR_EXISTS;
    return err;
}

int sim_path_symlink(struct env_dir *face, const char *path, const char *target)
{
    struct sim_place place;
    int err = sim_dir_reach(dir_of(face), SIM_DISK_SYMLINK, path, SIM_MISSING_FAILS, &place);
    if (err == 0 && place.inode != NULL)
        err = ERR_EXISTS;
    if (err == 0)
        err = may_change(place.parent);
    if (err == 0)
        err = sim_folder_create(place.parent, place.name, SIM_SYMLINK, &place.inode);
    if (err == 0)
        place.inode->target = sim_dup(target);
    return err;
}

int sim_path_readlink(struct env_dir *face, const char *path, char *out, size_t size)
{
    struct sim_place place;
    int err = reach_existing(dir_of(face), SIM_DISK_READLINK, path, &place);
    if (err != 0)
        return err;
    if (place.inode->kind != SIM_SYMLINK)
        return ERR_INVALID;
    if (strlen(place.inode->target) >= size)
        return ERR_LIMIT;
    strcpy(out, place.inode->target);
    return 0;
}

static enum env_entry entry_kind(const struct sim_inode *inode)
{
    return inode->kind == SIM_FOLDER    ? ENV_ENTRY_FOLDER
           : inode->kind == SIM_SYMLINK ? ENV_ENTRY_SYMLINK
                                        : ENV_ENTRY_FILE;
}

int sim_path_list(struct env_dir *face, const char *path,
    bool (*each)(void *user, const char *name, enum env_entry), void *user)
{
    struct sim_dir *dir = dir_of(face);
    struct sim_place place;
    int err = reach_existing(dir, SIM_DISK_LIST, path, &place);
    if (err != 0)
        return err;
    if (place.inode->kind == SIM_SYMLINK)
        return ERR_UNSAFE_PATH;
    if (place.inode->kind != SIM_FOLDER)
        return err_from_errno(ENOTDIR);
    /* A snapshot, so that `each` may change the folder, in an order that promises nothing. */
    size_t count = place.inode->entry_count;
    size_t first = count == 0 ? 0 : sim_rng_below(&dir->handle.env->host->disk->rng, count);
    struct sim_entry *entries = sim_alloc((count + 1) * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        const struct sim_entry *e = &place.inode->entries[(first + i) % count];
        entries[i] = (struct sim_entry){sim_dup(e->name), e->inode};
        sim_inode_hold(e->inode);
    }
    bool go_on = true;
    for (size_t i = 0; i < count; i++) {
        if (go_on)
            go_on = each(user, entries[i].name, entry_kind(sim_through(entries[i].inode)));
        sim_inode_drop(entries[i].inode);
        free(entries[i].name);
    }
    free(entries);
    return 0;
}
