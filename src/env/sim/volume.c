/* A simulated file system. See volume.h. */
#include "env/sim/volume.h"
#include "env/sim/world.h"
#include <assert.h>
#include <stdlib.h>

enum change_kind { CHANGE_CREATE, CHANGE_REMOVE, CHANGE_RENAME };

struct sim_name_change {
    enum change_kind kind;
    struct sim_inode *folder, *to_folder; /* held */
    char *name, *to_name;
    struct sim_inode *inode; /* held */
};

/* ---- inodes -------------------------------------------------------------------------------- */

static struct sim_inode *inode_new(struct sim_volume *v, enum sim_kind kind)
{
    struct sim_inode *i = sim_alloc(sizeof *i);
    i->volume = v;
    i->number = ++v->next_inode;
    i->kind = kind;
    i->next = v->inodes;
    if (v->inodes != NULL)
        v->inodes->prev = i;
    v->inodes = i;
    v->used_pages += kind == SIM_FOLDER;
    sim_inode_touch(i);
    i->durable_mtime_ns = i->mtime_ns;
    return i;
}

static void inode_free(struct sim_inode *i)
{
    struct sim_volume *v = i->volume;
    assert(v->used_pages >= i->pages.occupied + (i->kind == SIM_FOLDER));
    v->used_pages -= i->pages.occupied + (i->kind == SIM_FOLDER);
    if (i->prev == NULL)
        v->inodes = i->next;
    else
        i->prev->next = i->next;
    if (i->next != NULL)
        i->next->prev = i->prev;
    for (size_t n = 0; n < i->entry_count; n++)
        free(i->entries[n].name);
    free(i->entries);
    free(i->target);
    sim_pages_free(&i->pages);
    free(i);
}

void sim_inode_hold(struct sim_inode *i)
{
    i->users++;
}

static void inode_settle(struct sim_inode *i)
{
    if (i->names == 0 && i->users == 0)
        inode_free(i);
}

void sim_inode_drop(struct sim_inode *i)
{
    assert(i->users > 0);
    i->users--;
    inode_settle(i);
}

void sim_inode_touch(struct sim_inode *i)
{
    struct sim_world *w = i->volume->host->world;
    i->mtime_ns = (w->config.start_unix * USEC_PER_SEC + w->now) * 1000;
}

void sim_inode_stat(const struct sim_inode *i, struct env_stat *out)
{
    *out = (struct env_stat){
        .size = i->kind == SIM_FILE      ? i->pages.size
                : i->kind == SIM_SYMLINK ? strlen(i->target)
                                         : SIM_PAGE,
        .mtime_ns = i->mtime_ns,
        .device = i->volume->device,
        .inode = i->number,
        .allocated = (i->kind == SIM_FILE ? i->pages.occupied : 1) * SIM_PAGE,
        .links = i->kind == SIM_FOLDER ? 2 : i->names,
        .is_folder = i->kind == SIM_FOLDER,
        .is_file = i->kind == SIM_FILE,
        .is_symlink = i->kind == SIM_SYMLINK,
        .executable = i->executable,
    };
}

/* ---- content ------------------------------------------------------------------------------- */

size_t sim_inode_write(
    struct sim_inode *i, uint64_t offset, const void *data, size_t size, int *err)
{
    struct sim_volume *v = i->volume;
    size_t done = 0;
    *err = 0;
    while (done < size) {
        size_t at = (size_t)((offset + done) % SIM_PAGE);
        size_t part = size - done < SIM_PAGE - at ? size - done : SIM_PAGE - at;
        bool more = !sim_pages_occupied(&i->pages, (offset + done) / SIM_PAGE);
        if (more && v->used_pages >= v->capacity_pages) {
            *err = ERR_NO_SPACE;
            break;
        }
        v->used_pages += more;
        sim_pages_write(&i->pages, offset + done, (const uint8_t *)data + done, part);
        done += part;
    }
    if (done > 0)
        sim_inode_touch(i);
    return done;
}

int sim_inode_allocate(struct sim_inode *i, uint64_t offset, uint64_t size)
{
    struct sim_volume *v = i->volume;
    uint64_t first = offset / SIM_PAGE, last = (offset + size + SIM_PAGE - 1) / SIM_PAGE;
    uint64_t need = 0;
    for (uint64_t n = first; n < last; n++)
        need += !sim_pages_occupied(&i->pages, n);
    if (v->used_pages + need > v->capacity_pages)
        return ERR_NO_SPACE; /* as fallocate: all or nothing */
    for (uint64_t n = first; n < last; n++)
        sim_pages_reserve(&i->pages, n);
    v->used_pages += need;
    return 0;
}

void sim_inode_truncate(struct sim_inode *i, uint64_t size)
{
    uint64_t before = i->pages.occupied;
    sim_pages_truncate(&i->pages, size);
    i->volume->used_pages -= before - i->pages.occupied;
    sim_inode_touch(i);
}

void sim_inode_sync(struct sim_inode *i)
{
    sim_pages_sync(&i->pages);
    i->durable_mtime_ns = i->mtime_ns;
}

/* ---- entries, without the journal ---------------------------------------------------------- */

static size_t entry_place(const struct sim_inode *folder, const char *name, bool *found)
{
    size_t low = 0, high = folder->entry_count;
    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(folder->entries[middle].name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void entry_put(struct sim_inode *folder, const char *name, struct sim_inode *inode)
{
    bool found;
    size_t at = entry_place(folder, name, &found);
    assert(!found);
    if (folder->entry_count == folder->entry_capacity) {
        folder->entry_capacity = folder->entry_capacity == 0 ? 4 : folder->entry_capacity * 2;
        folder->entries =
            sim_realloc(folder->entries, folder->entry_capacity * sizeof *folder->entries);
    }
    memmove(&folder->entries[at + 1], &folder->entries[at],
        (folder->entry_count - at) * sizeof *folder->entries);
    folder->entries[at] = (struct sim_entry){sim_dup(name), inode};
    folder->entry_count++;
    inode->names++;
    if (inode->kind == SIM_FOLDER)
        inode->parent = folder;
    sim_inode_touch(folder);
}

/* The inode that was there; the caller settles or re-enters it. */
static struct sim_inode *entry_take(struct sim_inode *folder, const char *name)
{
    bool found;
    size_t at = entry_place(folder, name, &found);
    assert(found);
    struct sim_inode *inode = folder->entries[at].inode;
    free(folder->entries[at].name);
    folder->entry_count--;
    memmove(&folder->entries[at], &folder->entries[at + 1],
        (folder->entry_count - at) * sizeof *folder->entries);
    inode->names--;
    if (inode->kind == SIM_FOLDER)
        inode->parent = NULL;
    sim_inode_touch(folder);
    return inode;
}

struct sim_inode *sim_folder_find(const struct sim_inode *folder, const char *name)
{
    bool found;
    size_t at = entry_place(folder, name, &found);
    return found ? folder->entries[at].inode : NULL;
}

/* ---- the journal of names ------------------------------------------------------------------ */

static void journal_add(struct sim_volume *v, struct sim_name_change change)
{
    if (v->journal_count == v->journal_capacity) {
        v->journal_capacity = v->journal_capacity == 0 ? 64 : v->journal_capacity * 2;
        v->journal = sim_realloc(v->journal, v->journal_capacity * sizeof *v->journal);
    }
    change.name = sim_dup(change.name);
    change.to_name = change.to_name == NULL ? NULL : sim_dup(change.to_name);
    sim_inode_hold(change.folder);
    sim_inode_hold(change.inode);
    if (change.to_folder != NULL)
        sim_inode_hold(change.to_folder);
    v->journal[v->journal_count++] = change;
}

static void change_free(struct sim_name_change *c)
{
    sim_inode_drop(c->inode);
    if (c->to_folder != NULL)
        sim_inode_drop(c->to_folder);
    sim_inode_drop(c->folder);
    free(c->name);
    free(c->to_name);
}

static void change_undo(struct sim_name_change *c)
{
    switch (c->kind) {
    case CHANGE_CREATE:
        entry_take(c->folder, c->name);
        break;
    case CHANGE_REMOVE:
        entry_put(c->folder, c->name, c->inode);
        break;
    case CHANGE_RENAME:
        entry_take(c->to_folder, c->to_name);
        entry_put(c->folder, c->name, c->inode);
        break;
    }
}

/* The first `count` changes are durable. */
static void journal_commit(struct sim_volume *v, size_t count)
{
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        change_free(&v->journal[i]);
    v->journal_count -= count;
    memmove(v->journal, v->journal + count, v->journal_count * sizeof *v->journal);
}

int sim_folder_create(
    struct sim_inode *folder, const char *name, enum sim_kind kind, struct sim_inode **out)
{
    struct sim_volume *v = folder->volume;
    if (kind == SIM_FOLDER && v->used_pages >= v->capacity_pages)
        return ERR_NO_SPACE;
    struct sim_inode *inode = inode_new(v, kind);
    entry_put(folder, name, inode);
    journal_add(
        v, (struct sim_name_change){
               .kind = CHANGE_CREATE, .folder = folder, .name = (char *)name, .inode = inode});
    *out = inode;
    return 0;
}

void sim_folder_remove(struct sim_inode *folder, const char *name)
{
    struct sim_inode *inode = sim_folder_find(folder, name);
    journal_add(folder->volume,
        (struct sim_name_change){
            .kind = CHANGE_REMOVE, .folder = folder, .name = (char *)name, .inode = inode});
    entry_take(folder, name); /* the journal holds it still */
}

void sim_folder_rename(
    struct sim_inode *from_folder, const char *from, struct sim_inode *to_folder, const char *to)
{
    struct sim_inode *inode = sim_folder_find(from_folder, from);
    journal_add(from_folder->volume, (struct sim_name_change){.kind = CHANGE_RENAME,
                                         .folder = from_folder,
                                         .name = (char *)from,
                                         .to_folder = to_folder,
                                         .to_name = (char *)to,
                                         .inode = inode});
    entry_take(from_folder, from);
    entry_put(to_folder, to, inode);
}

void sim_folder_sync(struct sim_inode *folder)
{
    struct sim_volume *v = folder->volume;
    size_t count = 0;
    for (size_t i = 0; i < v->journal_count; i++)
        if (v->journal[i].folder == folder || v->journal[i].to_folder == folder)
            count = i + 1;
    journal_commit(v, count);
}

void sim_volume_sync(struct sim_volume *v)
{
    journal_commit(v, v->journal_count);
    for (struct sim_inode *i = v->inodes; i != NULL; i = i->next)
        sim_inode_sync(i);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct sim_volume *sim_volume_new(struct sim_host *host, uint64_t device, uint64_t size_bytes)
{
    struct sim_volume *v = sim_alloc(sizeof *v);
    v->host = host;
    v->device = device;
    v->capacity_pages = size_bytes / SIM_PAGE;
    v->present = true;
    v->root = inode_new(v, SIM_FOLDER);
    sim_inode_hold(v->root);
    return v;
}

void sim_volume_free(struct sim_volume *v)
{
    journal_commit(v, v->journal_count);
    while (v->inodes != NULL)
        inode_free(v->inodes);
    free(v->journal);
    free(v->mount_path);
    free(v);
}

static void crash_inode(struct sim_inode *i, struct sim_rng *rng)
{
    uint64_t before = i->pages.occupied;
    sim_pages_crash(&i->pages, rng);
    i->volume->used_pages += i->pages.occupied - before;
    /* The time may be lost although data survived, and the other way round. */
    if (sim_rng_chance(rng, 0.5))
        i->mtime_ns = i->durable_mtime_ns;
    i->durable_mtime_ns = i->mtime_ns;
}

void sim_volume_crash(struct sim_volume *v, struct sim_rng *rng)
{
    size_t keep = (size_t)sim_rng_below(rng, v->journal_count + 1);
    while (v->journal_count > keep) {
        struct sim_name_change *c = &v->journal[--v->journal_count];
        change_undo(c);
        change_free(c);
    }
    journal_commit(v, v->journal_count);
    for (struct sim_inode *i = v->inodes; i != NULL; i = i->next)
        if (i->kind == SIM_FILE &&
            (i->pages.dirty_count > 0 || i->pages.size != i->pages.durable_size ||
                i->mtime_ns != i->durable_mtime_ns))
            crash_inode(i, rng);
}
