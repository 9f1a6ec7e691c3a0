/* The experimenter's hands on a host's disks: put, look, remove, rot; mount, vanish, return, fill.
 * No counts, no faults, no virtual time. */
#include "env/sim/disk.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static const char *relative(const char *path)
{
    return path + strspn(path, "/");
}

static int reach(
    struct sim_host *host, const char *path, enum sim_missing missing, struct sim_place *out)
{
    struct sim_inode *root;
    int err = sim_walk_absolute(host->disk, "/", missing, &root);
    return err != 0 ? err : sim_walk(root, relative(path), missing, out);
}

static int reach_file(struct sim_host *host, const char *path, struct sim_inode **out)
{
    struct sim_place place;
    int err = reach(host, path, SIM_MISSING_FAILS, &place);
    if (err == 0 && place.inode == NULL)
        err = ERR_NOT_FOUND;
    if (err == 0 && place.inode->kind != SIM_FILE)
        err = ERR_INVALID;
    if (err == 0)
        *out = place.inode;
    return err;
}

int sim_disk_put(struct sim_host *host, const char *path, struct bytes content)
{
    struct sim_place place;
    int err = reach(host, path, SIM_MISSING_IS_MADE, &place);
    if (err == 0 && place.inode == NULL)
        err = sim_folder_create(place.parent, place.name, SIM_FILE, &place.inode);
    if (err == 0 && place.inode->kind != SIM_FILE)
        err = ERR_EXISTS;
    if (err != 0)
        return err;
    sim_inode_truncate(place.inode, 0);
    sim_inode_write(place.inode, 0, content.data, content.size, &err);
    sim_inode_sync(place.inode);
    sim_folder_sync(place.parent);
    return err;
}

int sim_disk_get(struct sim_host *host, const char *path, struct builder *out)
{
    struct sim_inode *inode;
    int err = reach_file(host, path, &inode);
    if (err != 0)
        return err;
    uint8_t *room = builder_reserve(out, (size_t)inode->pages.size);
    if (room == NULL)
        return inode->pages.size == 0 ? 0 : ERR_LIMIT;
    sim_pages_read(&inode->pages, 0, room, (size_t)inode->pages.size);
    return 0;
}

int sim_disk_stat(struct sim_host *host, const char *path, struct env_stat *out)
{
    struct sim_place place;
    int err = reach(host, path, SIM_MISSING_FAILS, &place);
    if (err == 0 && place.inode == NULL)
        err = ERR_NOT_FOUND;
    if (err == 0)
        sim_inode_stat(place.inode, out);
    return err;
}

int sim_disk_remove(struct sim_host *host, const char *path)
{
    struct sim_place place;
    int err = reach(host, path, SIM_MISSING_FAILS, &place);
    if (err == 0 && place.inode == NULL)
        err = ERR_NOT_FOUND;
    if (err == 0 && place.inode->entry_count > 0)
        err = ERR_EXISTS;
    if (err != 0)
        return err;
    sim_folder_remove(place.parent, place.name);
    sim_folder_sync(place.parent);
    return 0;
}

int sim_disk_rot(struct sim_host *host, const char *path, uint64_t offset)
{
    struct sim_inode *inode;
    int err = reach_file(host, path, &inode);
    if (err == 0)
        sim_pages_rot(&inode->pages, offset);
    return err;
}

uint64_t sim_disk_dirty_pages(const struct sim_host *host)
{
    uint64_t count = 0;
    for (const struct sim_volume *v = host->disk->volumes; v != NULL; v = v->next)
        for (const struct sim_inode *i = v->inodes; i != NULL; i = i->next)
            count += sim_pages_dirty_count(&i->pages);
    return count;
}

/* ---- volumes ------------------------------------------------------------------------------- */

struct sim_volume *sim_host_volume(struct sim_host *host)
{
    struct sim_volume *v = host->disk->volumes;
    while (v->next != NULL)
        v = v->next;
    return v;
}

/* Makes the folder that the volume covers, if need be, and covers it. */
static void cover(struct sim_volume *v)
{
    struct sim_place place;
    int err = reach(v->host, v->mount_path, SIM_MISSING_IS_MADE, &place);
    if (err == 0 && place.inode == NULL) {
        err = sim_folder_create(place.parent, place.name, SIM_FOLDER, &place.inode);
        sim_folder_sync(place.parent);
    }
    if (err != 0 || place.inode->kind != SIM_FOLDER)
        abort(); /* the scenario is wrong */
    v->mount_point = place.inode;
    v->mount_point->mounted = v;
    sim_inode_hold(v->mount_point);
}

static void uncover(struct sim_volume *v)
{
    v->mount_point->mounted = NULL;
    sim_inode_drop(v->mount_point);
    v->mount_point = NULL;
}

struct sim_volume *sim_volume_mount(struct sim_host *host, const char *path, uint64_t size_bytes)
{
    struct sim_volume *v = sim_volume_new(host, host->disk->next_device++, size_bytes);
    v->mount_path = sim_dup(path);
    cover(v);
    v->next = host->disk->volumes;
    host->disk->volumes = v;
    return v;
}

void sim_volume_vanish(struct sim_volume *v, enum sim_vanish how)
{
    assert(v->present && v->mount_point != NULL);
    sim_volume_crash(v, &v->host->disk->rng); /* a pulled plug: what was not synced is at risk */
    v->present = false;
    v->generation++;
    uncover(v);
    if (how == SIM_VANISH_NO_FOLDER)
        sim_disk_remove(v->host, v->mount_path);
}

void sim_volume_return(struct sim_volume *v)
{
    assert(!v->present);
    v->present = true;
    cover(v);
}

void sim_volume_set_size(struct sim_volume *v, uint64_t size_bytes)
{
    v->capacity_pages = size_bytes / SIM_PAGE;
}

uint64_t sim_volume_used(const struct sim_volume *v)
{
    return v->used_pages * SIM_PAGE;
}

void sim_volume_set_access(struct sim_volume *v, enum sim_access access)
{
    v->access = access;
}
