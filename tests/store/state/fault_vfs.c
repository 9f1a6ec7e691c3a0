/* See fault_vfs.h. */
#include "fault_vfs.h"
#include "store/state/state_db.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real;
};

/* What a write that is not yet synced replaced. */
struct undo {
    sqlite3_file *real;
    sqlite3_int64 offset, old_size;
    int size, kept;
    struct undo *next; /* the one before */
    uint8_t old[];
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    struct fault_plan plan;
    uint64_t calls;
    struct undo *undo;
} g; /* SQLite wants it global; this is a test */

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct fault_file *)f)->real;
}

static void forget(sqlite3_file *real)
{
    for (struct undo **at = &g.undo; *at != NULL;) {
        struct undo *u = *at;
        if (u->real != real) {
            at = &u->next;
            continue;
        }
        *at = u->next;
        free(u);
    }
}

static void remember(sqlite3_file *real, int size, sqlite3_int64 offset)
{
    struct undo *u = calloc(1, sizeof *u + (size_t)size);
    real->pMethods->xFileSize(real, &u->old_size);
    u->real = real;
    u->offset = offset;
    u->size = size;
    u->kept = offset >= u->old_size                        ? 0
              : u->old_size - offset < (sqlite3_int64)size ? (int)(u->old_size - offset)
                                                           : size;
    if (u->kept > 0)
        real->pMethods->xRead(real, u->old, u->kept, offset);
    u->next = g.undo;
    g.undo = u;
}

static void lose_power(void)
{
    uint64_t draw = g.plan.seed * 0x9e3779b97f4a7c15u + 1;
    for (struct undo *u = g.undo; u != NULL; u = u->next) {
        draw = draw * 6364136223846793005u + 1442695040888963407u;
        if (draw >> 63)
            continue; /* it had reached the disk all the same */
        static const uint8_t zeros[65536];
        if (u->kept > 0)
            u->real->pMethods->xWrite(u->real, u->old, u->kept, u->offset);
        if (u->kept < u->size) /* room that was added: its bytes never came */
            u->real->pMethods->xWrite(u->real, zeros, u->size - u->kept, u->offset + u->kept);
    }
}

/* True if this call is to be hit; does not return from a crash. */
static bool hit(void)
{
    uint64_t n = ++g.calls;
    if (g.plan.kind == FAULT_NONE || n < g.plan.first || n - g.plan.first >= g.plan.times)
        return false;
    if (g.plan.kind == FAULT_POWER_LOSS)
        lose_power();
    if (g.plan.kind == FAULT_POWER_LOSS || g.plan.kind == FAULT_KILL)
        _exit(FAULT_EXIT_STATUS);
    return true;
}

static int error(void)
{
    return g.plan.kind == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int f_close(sqlite3_file *f)
{
    sqlite3_file *real = real_of(f);
    forget(real);
    int rc = real->pMethods->xClose(real);
    free(real);
    return rc;
}

static int f_write(sqlite3_file *f, const void *data, int size, sqlite3_int64 offset)
{
    sqlite3_file *real = real_of(f);
    bool dies = g.plan.kind == FAULT_KILL || g.plan.kind == FAULT_POWER_LOSS;
    if (g.plan.kind == FAULT_POWER_LOSS)
        remember(real, size, offset);
    if (dies && g.calls + 1 == g.plan.first && size > 1)
        real->pMethods->xWrite(real, data, size / 2, offset);
    return hit() ? error() : real->pMethods->xWrite(real, data, size, offset);
}

static int f_sync(sqlite3_file *f, int flags)
{
    sqlite3_file *real = real_of(f);
    if (hit())
        return error();
    forget(real);
    return real->pMethods->xSync(real, flags);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return hit() ? error() : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

/* The rest only passes through. */
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 o)
{
    return real_of(f)->pMethods->xRead(real_of(f), p, n, o);
}
static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}
static int f_lock(sqlite3_file *f, int l)
{
    return real_of(f)->pMethods->xLock(real_of(f), l);
}
static int f_unlock(sqlite3_file *f, int l)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), l);
}
static int f_check_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int f_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}
static int f_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}
static int f_characteristics(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}
static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
static void f_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}
static int f_shm_unmap(sqlite3_file *f, int del)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), del);
}

static const sqlite3_io_methods methods = {.iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_characteristics,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap};

static int v_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    struct fault_file *ff = (struct fault_file *)f;
    ff->base.pMethods = NULL;
    ff->real = calloc(1, (size_t)g.real->szOsFile);
    int rc = g.real->xOpen(g.real, name, ff->real, flags, out);
    if (rc == SQLITE_OK)
        ff->base.pMethods = &methods;
    else
        free(ff->real);
    return rc;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return hit() ? error() : g.real->xDelete(g.real, name, sync);
}

void fault_vfs_install(void)
{
    g.real = sqlite3_vfs_find(STATE_VFS);
    g.vfs = *g.real; /* and its name, by which it is asked for */
    g.vfs.szOsFile = sizeof(struct fault_file);
    g.vfs.xOpen = v_open;
    g.vfs.xDelete = v_delete;
    sqlite3_vfs_register(&g.vfs, 1);
}

void fault_vfs_plan(const struct fault_plan *plan)
{
    g.plan = *plan;
    g.calls = 0;
}

uint64_t fault_vfs_calls(void)
{
    return g.calls;
}
