/* The real world: env.h on libuv's loop, our own POSIX sockets and disk calls, and libcurl.
 *
 * One uv_env is one node's world: a loop, a worker pool, a resolver, an HTTP client; nothing is
 * shared between two of them. Owned by whoever runs the node: the executable blocks in uv_env_run,
 * an embedder polls uv_env_fd and calls uv_env_process. All calls from one thread at a time. */
#ifndef KITH_ENV_UV_UV_ENV_H
#define KITH_ENV_UV_UV_ENV_H

#include "env/env.h"

/* Kinds of disk calls, for fault injection: bits of a mask. */
enum uv_env_disk_call {
    UV_ENV_DISK_OPEN = 1 << 0,   /* a folder, or a file that is not to be created */
    UV_ENV_DISK_CREATE = 1 << 1, /* a file that may be created; a folder or symlink that is made */
    UV_ENV_DISK_READ = 1 << 2,
    UV_ENV_DISK_WRITE = 1 << 3,
    UV_ENV_DISK_SYNC = 1 << 4, /* of a file or a folder */
    UV_ENV_DISK_STAT = 1 << 5, /* and free space, listing, readlink, next_data */
    UV_ENV_DISK_TRUNCATE = 1 << 6,
    UV_ENV_DISK_ALLOCATE = 1 << 7,
    UV_ENV_DISK_RENAME = 1 << 8,
    UV_ENV_DISK_UNLINK = 1 << 9,
    UV_ENV_DISK_ANY = (1 << 10) - 1
};

/* Makes real disk calls fail by count, for tests and fault campaigns. Calls of the kinds in the
 * mask are numbered from 1 in the order in which they are made. */
struct uv_env_fault {
    unsigned kinds;  /* mask of enum uv_env_disk_call; 0: off */
    uint64_t first;  /* number of the first call that is hit */
    uint64_t period; /* 0: only that one; 1: and all after it; n: and every n-th after it */
    int error;       /* errno that a hit call fails with; 0 only together with short_write */
    /* A hit write moves only half of its bytes (at least one). With an error as well, the calls
     * that are hit after the first fail with it; for period 0, the call right after the first:
     * what a disk does that is about to be full. */
    bool short_write;
    const char
        *beneath; /* only in folders whose path begins so when they are opened; NULL: in all */
};

struct uv_env_config {
    unsigned workers;         /* jobs of one lane that run at once; 0: one per core */
    unsigned descriptors_max; /* sockets that may be open at once; 0: 3/4 of RLIMIT_NOFILE */
    unsigned http_max;        /* exchanges in flight; 0: 50. Others wait in a queue */
    struct uv_env_fault fault;
    /* Jobs may read files where they are mapped (env_file_view): a quarter cheaper than reading
     * them. A file that is cut meanwhile is a SIGBUS, so this installs a handler for it, for the
     * whole process and for good; faults in other memory go to the handler that was there. */
    bool handle_sigbus;
};

/* ERR_NOMEM, ERR_LIMIT (no descriptors or threads left), ERR_NETWORK. NULL config: defaults. */
int uv_env_new(const struct uv_env_config *, struct env **out);
/* Every handle must have been closed before. HTTP exchanges and resolves still under way are
 * cancelled; jobs that were submitted are run, and their done() called, before it returns. Threads
 * that wait for a name server or a router are not waited for: they end by themselves, later. */
void uv_env_free(struct env *);

/* How many sockets may be open at once. */
unsigned uv_env_descriptors_max(struct env *);

/* One descriptor that is readable whenever uv_env_process has something to do, deadlines included.
 * Valid until uv_env_free; do not read from it. ERR_LIMIT, ERR_NOMEM. */
int uv_env_fd(struct env *);
/* How long uv_env_process need not be called, in milliseconds; 0: call it now; -1: for ever. */
int64_t uv_env_timeout_ms(struct env *);
/* Does what is to be done now, without blocking. */
int uv_env_process(struct env *);
/* Waits until something happens, at most timeout_ms (-1: for ever), and does it. */
int uv_env_run(struct env *, int64_t timeout_ms);

/* Replaces the fault plan (NULL: off) and starts counting at 1 again. Not while jobs run. */
void uv_env_set_fault(struct env *, const struct uv_env_fault *);
/* Calls of the plan's kinds made so far, and how many of them were hit. */
void uv_env_fault_counts(struct env *, uint64_t *calls, uint64_t *hits);

#endif
