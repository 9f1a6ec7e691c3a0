/* A host's disks: volumes under one tree, the faults that wait for their calls, what calls cost.
 *
 *   disk.c    faults, counts, costs, the crash
 *   path.c    folders and names (env_dir_*, env_path_*)
 *   file.c    open files (env_file_*)
 *   hands.c   what the experimenter does behind the node's back (sim_disk_*, sim_volume_*)
 *   volume.c, pages.c   the file system itself */
#ifndef KITH_ENV_SIM_DISK_H
#define KITH_ENV_SIM_DISK_H

#include "env/sim/volume.h"
#include "env/sim/world.h"

#define SIM_NAME_MAX 255 /* bytes, as on every Unix file system */
#define SIM_PATH_MAX 4096

struct sim_disk_trap {
    struct sim_disk_fault fault; /* its path is a copy */
    uint64_t seen, hits;
};

struct sim_disk {
    struct sim_host *host;
    struct sim_volume *volumes; /* the last one is "/" */
    uint64_t next_device;
    struct sim_rng rng;
    struct sim_disk_trap traps[SIM_DISK_FAULTS_MAX];
    int trap_count;
    uint64_t calls[SIM_DISK_CALLS];
    usec free_at; /* when the device has moved the bytes that it was asked for */
};

struct sim_dir {
    struct sim_handle handle;
    struct sim_inode *inode; /* held; NULL after a crash */
    unsigned generation;     /* of its volume */
    char *path;              /* absolute, as it was opened */
};

struct sim_file {
    struct sim_handle handle;
    struct sim_inode *inode; /* held; NULL after a crash */
    unsigned generation;
    bool writable;
    char *path;
};

struct sim_disk *sim_disk_new(struct sim_host *, uint64_t size_bytes);
void sim_disk_free(struct sim_disk *);
void sim_disk_crash(struct sim_disk *, enum sim_crash);

/* Every disk call begins here: counts it, lets time pass, springs the traps. 0: go on. Else the
 * call's error, *partial being how many bytes of a write must get through before. */
int sim_disk_begin(
    struct sim_env *, enum sim_disk_call, const char *path, size_t bytes, size_t *partial);

/* ---- walking (path.c) ---------------------------------------------------------------------- */

/* A place that a relative path names, beneath a folder, without following any symlink. */
struct sim_place {
    struct sim_inode *parent;    /* the folder that holds, or would hold, the name */
    char name[SIM_NAME_MAX + 1]; /* "" when the path names the starting folder itself */
    struct sim_inode *inode;     /* what is there; NULL: nothing */
};
enum sim_missing { SIM_MISSING_FAILS, SIM_MISSING_IS_MADE }; /* folders on the way */
int sim_walk(struct sim_inode *from, const char *path, enum sim_missing, struct sim_place *out);
/* As the kernel walks an absolute path: follows symlinks, crosses mounts. */
int sim_walk_absolute(
    struct sim_disk *, const char *path, enum sim_missing, struct sim_inode **folder);
/* The root of a volume that is mounted here, else the folder itself. */
struct sim_inode *sim_through(struct sim_inode *);

int sim_real_path(struct env *, const char *path, char **out);
int sim_dir_open(struct env *, const char *path, bool create, struct env_dir **out);
void sim_dir_close(struct env_dir *);
int sim_dir_stat(struct env_dir *, struct env_stat *out);
int sim_dir_free_space(struct env_dir *, uint64_t *bytes_out);
int sim_dir_sync(struct env_dir *, const char *path);
int sim_path_stat(struct env_dir *, const char *path, struct env_stat *out);
int sim_path_rename(
    struct env_dir *from_dir, const char *from, struct env_dir *to_dir, const char *to);
int sim_path_unlink(struct env_dir *, const char *path);
int sim_path_remove_folder(struct env_dir *, const char *path);
int sim_path_make_folder(struct env_dir *, const char *path);
int sim_path_symlink(struct env_dir *, const char *path, const char *target);
int sim_path_readlink(struct env_dir *, const char *path, char *out, size_t size);
int sim_path_list(struct env_dir *, const char *path,
    bool (*each)(void *user, const char *name, enum env_entry), void *user);
/* Begins a call on a place beneath an open folder: sim_disk_begin, then the walk. */
int sim_dir_reach(struct sim_dir *, enum sim_disk_call, const char *path, enum sim_missing,
    struct sim_place *out);

/* ---- file.c -------------------------------------------------------------------------------- */
int sim_file_open(struct env_dir *, const char *path, unsigned flags, struct env_file **out);
void sim_file_close(struct env_file *);
int sim_file_preadv(struct env_file *, const struct iovec *, int count, uint64_t offset);
int sim_file_pwritev(struct env_file *, const struct iovec *, int count, uint64_t offset);
int sim_file_sync(struct env_file *);
int sim_file_stat(struct env_file *, struct env_stat *out);
int sim_file_truncate(struct env_file *, uint64_t size);
int sim_file_allocate(struct env_file *, uint64_t offset, uint64_t size);
int sim_file_set_executable(struct env_file *);
int sim_file_warm(struct env_file *, uint64_t offset, uint64_t size);
void sim_file_ahead(struct env_file *, uint64_t offset, uint64_t size);
bool sim_file_is_warm(struct env_file *, uint64_t offset, uint64_t size);
int sim_file_next_data(struct env_file *, uint64_t from, uint64_t *start, uint64_t *end);
int sim_file_map(struct env_file *, uint64_t offset, size_t size, struct env_mapping *out);
void sim_unmap(struct env_mapping *);
int sim_file_view(struct env_file *, uint64_t offset, size_t size, struct env_view *out);
int sim_view_end(struct env_view *);

#endif
