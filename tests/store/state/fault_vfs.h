/* A disk under SQLite that can fail and crash: wraps the VFS of states, and becomes that and the
 * default.
 *
 * For one thread at a time. Calls that change a file (write, sync, truncate, delete) are counted.
 */
#ifndef KITH_TESTS_STORE_FAULT_VFS_H
#define KITH_TESTS_STORE_FAULT_VFS_H

#include <stdint.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_FULL,      /* the call fails with SQLITE_FULL */
    FAULT_IO,        /* ... with SQLITE_IOERR_WRITE */
    FAULT_KILL,      /* the process ends there: what was written stays. A write gets half way */
    FAULT_POWER_LOSS /* the same, and each write that was not synced is undone, or not */
};

struct fault_plan {
    enum fault_kind kind;
    uint64_t first; /* the call that is hit, from 1 */
    uint64_t times; /* how many in a row; UINT64_MAX: for ever */
    uint64_t seed;  /* which unsynced writes a power loss takes */
};

void fault_vfs_install(void);
/* Starts to count at 1 again. */
void fault_vfs_plan(const struct fault_plan *);
uint64_t fault_vfs_calls(void);

#define FAULT_EXIT_STATUS 77 /* of a process that was killed so */

#endif
