/* A simulated file system: inodes, folders, names, free space, and what of the names survives a
 * power loss. Names are journalled as ext4, XFS and btrfs do: changes become durable in the order
 * in which they were made, up to a folder's sync or, at a power loss, up to a point that the seed
 * draws. A file's sync makes its content durable but, as POSIX has it, not its name. */
#ifndef KITH_ENV_SIM_VOLUME_H
#define KITH_ENV_SIM_VOLUME_H

#include "env/sim/pages.h"
#include "env/sim/sim.h"

enum sim_kind { SIM_FOLDER, SIM_FILE, SIM_SYMLINK };

struct sim_inode;

struct sim_entry {
    char *name;
    struct sim_inode *inode;
};

struct sim_inode {
    struct sim_volume *volume;
    struct sim_inode *next, *prev; /* all of the volume's */
    uint64_t number;
    enum sim_kind kind;
    uint32_t names; /* entries that lead here */
    uint32_t users; /* handles and journal records that hold it */
    bool executable;
    int64_t mtime_ns, durable_mtime_ns;
    struct sim_pages pages;    /* SIM_FILE */
    char *target;              /* SIM_SYMLINK */
    struct sim_entry *entries; /* SIM_FOLDER: sorted by name */
    size_t entry_count, entry_capacity;
    struct sim_inode *parent;   /* SIM_FOLDER; the root's own parent is NULL */
    struct sim_volume *mounted; /* SIM_FOLDER: another volume covers it */
};

struct sim_name_change; /* one record of the journal */

struct sim_volume {
    struct sim_host *host;
    struct sim_volume *next; /* of the host's */
    uint64_t device, next_inode;
    uint64_t capacity_pages, used_pages;
    enum sim_access access;
    bool present;
    unsigned generation; /* raised when it vanishes: older handles are lost */
    struct sim_inode *root, *inodes;
    struct sim_inode *mount_point; /* on another volume; held */
    char *mount_path;
    struct sim_name_change *journal;
    size_t journal_count, journal_capacity;
};

struct sim_volume *sim_volume_new(struct sim_host *, uint64_t device, uint64_t size_bytes);
void sim_volume_free(struct sim_volume *);

/* ---- names: each returns 0 or a negative enum kith_err ------------------------------------- */
struct sim_inode *sim_folder_find(const struct sim_inode *folder, const char *name);
/* A new inode under a new name. ERR_NO_SPACE. */
int sim_folder_create(
    struct sim_inode *folder, const char *name, enum sim_kind kind, struct sim_inode **out);
/* The name must be there; a folder must be empty (the caller has looked). */
void sim_folder_remove(struct sim_inode *folder, const char *name);
/* `from` must be there, `to` must not. */
void sim_folder_rename(
    struct sim_inode *from_folder, const char *from, struct sim_inode *to_folder, const char *to);
/* The folder's names are durable, and with them all changes that were made before. */
void sim_folder_sync(struct sim_inode *folder);
/* All names and contents are durable. */
void sim_volume_sync(struct sim_volume *);
/* Power is lost. */
void sim_volume_crash(struct sim_volume *, struct sim_rng *);

/* ---- inodes -------------------------------------------------------------------------------- */
void sim_inode_hold(struct sim_inode *);
void sim_inode_drop(struct sim_inode *);
void sim_inode_touch(struct sim_inode *);
void sim_inode_stat(const struct sim_inode *, struct env_stat *out);
/* As much as space allows; how much. *err says why not all. */
size_t sim_inode_write(
    struct sim_inode *, uint64_t offset, const void *data, size_t size, int *err);
int sim_inode_allocate(struct sim_inode *, uint64_t offset, uint64_t size);
void sim_inode_truncate(struct sim_inode *, uint64_t size);
void sim_inode_sync(struct sim_inode *);

#endif
