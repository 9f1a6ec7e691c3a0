/* The real disk: POSIX calls beneath an open folder, with counted faults for tests. Thread-safe;
 * knows nothing of the loop. disk.c: folders and open files; folders.h: folders' descriptors;
 * page_cache.c; view.c: files as memory; path.c: names; beneath.c: how a path is opened without
 * leaving its folder. */
#ifndef KITH_ENV_UV_DISK_H
#define KITH_ENV_UV_DISK_H

#include "env/ops.h"
#include "env/uv/folders.h"
#include "env/uv/uv_env.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* Mappings at a time: a process has 65530 (vm.max_map_count), and others need some. */
#define REAL_MAPPINGS_MAX 4096u

struct real_disk {
    pthread_mutex_t lock;
    struct uv_env_fault fault;
    uint64_t calls, hits;
    atomic_uint mappings; /* that stand */
    bool views;           /* may be made */
    struct real_folders folders;
};

struct real_dir {
    const struct env_ops *ops;
    struct real_disk *disk;
    struct real_folder *folder;
    bool spared;            /* by the fault plan of the time when it was opened */
    atomic_uint references; /* the owner's, and one for each open file */
};

struct real_file {
    const struct env_ops *ops;
    struct real_dir *dir;
    int fd;
    struct env_job closing; /* loop.c's */
};

void real_disk_init(struct real_disk *, const struct uv_env_fault *);
void real_disk_free(struct real_disk *);
void real_disk_set_fault(struct real_disk *, const struct uv_env_fault *);
void real_disk_fault_counts(struct real_disk *, uint64_t *calls, uint64_t *hits);
/* Counts a call. Returns the errno that it must fail with, or 0. For writes *size may be cut. */
int real_disk_fault(const struct real_dir *, enum uv_env_disk_call, size_t *size);
/* The folder's descriptor, until it is given back; or -errno. */
int real_dir_take(struct real_dir *);
void real_dir_give(struct real_dir *);

/* ---- beneath.c: both return a descriptor or -errno ----------------------------------------- */
int real_open_beneath(int folder, const char *path, int flags, mode_t mode);
/* The folder of the path's last component, at which *name points; made if asked to. It is `folder`
 * itself where the path has one component only, else the caller closes it. */
int real_open_parent(int folder, const char *path, bool make, const char **name);

void real_stat_convert(const struct stat *, struct env_stat *out);

int real_dir_open(
    struct real_disk *, const struct env_ops *, const char *, bool, struct env_dir **);
void real_dir_close(struct env_dir *);
int real_dir_stat(struct env_dir *, struct env_stat *);
int real_dir_free_space(struct env_dir *, uint64_t *);
int real_dir_sync(struct env_dir *, const char *);
int real_file_open(struct env_dir *, const char *, unsigned, struct env_file **);
void real_file_close(struct env_file *);
/* The same in two steps: what may block, and then what may not. */
void real_file_let_go(struct real_file *);
void real_file_free(struct real_file *);
int real_file_preadv(struct env_file *, const struct iovec *, int, uint64_t);
int real_file_pwritev(struct env_file *, const struct iovec *, int, uint64_t);
int real_file_sync(struct env_file *);
int real_file_stat(struct env_file *, struct env_stat *);
int real_file_truncate(struct env_file *, uint64_t);
int real_file_allocate(struct env_file *, uint64_t, uint64_t);
int real_file_set_executable(struct env_file *);
int real_file_warm(struct env_file *, uint64_t, uint64_t);
void real_file_ahead(struct env_file *, uint64_t offset, uint64_t size);
bool real_file_is_warm(struct env_file *, uint64_t offset, uint64_t size);
int real_file_map(struct env_file *, uint64_t, size_t, struct env_mapping *);
void real_unmap(struct env_mapping *);
/* view.c. Views are allowed from now on: this process's SIGBUS is ours. */
void real_views_allow(struct real_disk *);
int real_file_view(struct env_file *, uint64_t, size_t, struct env_view *);
int real_view_end(struct env_view *);
int real_file_next_data(struct env_file *, uint64_t, uint64_t *, uint64_t *);
int real_path_stat(struct env_dir *, const char *, struct env_stat *);
int real_path_rename(struct env_dir *, const char *, struct env_dir *, const char *);
int real_path_unlink(struct env_dir *, const char *);
int real_path_remove_folder(struct env_dir *, const char *);
int real_path_make_folder(struct env_dir *, const char *);
int real_path_symlink(struct env_dir *, const char *, const char *);
int real_path_readlink(struct env_dir *, const char *, char *, size_t);
int real_path_list(
    struct env_dir *, const char *, bool (*)(void *, const char *, enum env_entry), void *);

#endif
