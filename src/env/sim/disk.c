/* Faults, counts and costs of disk calls. See disk.h. */
#include "env/sim/disk.h"
#include <stdlib.h>

static const char *const call_names[SIM_DISK_CALLS] = {
    [SIM_DISK_ANY] = "any",
    [SIM_DISK_DIR_OPEN] = "dir_open",
    [SIM_DISK_DIR_STAT] = "dir_stat",
    [SIM_DISK_FREE_SPACE] = "free_space",
    [SIM_DISK_DIR_SYNC] = "dir_sync",
    [SIM_DISK_FILE_OPEN] = "file_open",
    [SIM_DISK_READ] = "read",
    [SIM_DISK_WRITE] = "write",
    [SIM_DISK_SYNC] = "sync",
    [SIM_DISK_FILE_STAT] = "file_stat",
    [SIM_DISK_TRUNCATE] = "truncate",
    [SIM_DISK_ALLOCATE] = "allocate",
    [SIM_DISK_SET_EXECUTABLE] = "set_executable",
    [SIM_DISK_WARM] = "warm",
    [SIM_DISK_NEXT_DATA] = "next_data",
    [SIM_DISK_PATH_STAT] = "path_stat",
    [SIM_DISK_RENAME] = "rename",
    [SIM_DISK_UNLINK] = "unlink",
    [SIM_DISK_REMOVE_FOLDER] = "remove_folder",
    [SIM_DISK_MAKE_FOLDER] = "make_folder",
    [SIM_DISK_SYMLINK] = "symlink",
    [SIM_DISK_READLINK] = "readlink",
    [SIM_DISK_LIST] = "list",
    [SIM_DISK_MAP] = "map",
};

const char *sim_disk_call_name(enum sim_disk_call call)
{
    return call_names[call];
}

/* ---- life ---------------------------------------------------------------------------------- */

struct sim_disk *sim_disk_new(struct sim_host *host, uint64_t size_bytes)
{
    struct sim_disk *disk = sim_alloc(sizeof *disk);
    disk->host = host;
    disk->rng = sim_rng_of(host->world->config.seed, SIM_STREAM_DISK, host->number);
    disk->next_device = 1; /* 0 never occurs */
    disk->volumes = sim_volume_new(host, disk->next_device++, size_bytes);
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    sim_disk_fault_clear(disk->host);
    for (struct sim_volume *v = disk->volumes, *next; v != NULL; v = next) {
        next = v->next;
        sim_volume_free(v);
    }
    free(disk);
}

void sim_disk_crash(struct sim_disk *disk, enum sim_crash kind)
{
    if (kind == SIM_KILLED)
        return; /* the page cache is the kernel's */
    for (struct sim_volume *v = disk->volumes; v != NULL; v = v->next)
        sim_volume_crash(v, &disk->rng);
}

/* ---- faults -------------------------------------------------------------------------------- */

int sim_disk_fault_add(struct sim_host *host, const struct sim_disk_fault *fault)
{
    struct sim_disk *disk = host->disk;
    if (disk->trap_count == SIM_DISK_FAULTS_MAX)
        return ERR_LIMIT;
    struct sim_disk_trap *trap = &disk->traps[disk->trap_count];
    *trap = (struct sim_disk_trap){.fault = *fault};
    if (fault->path != NULL)
        trap->fault.path = sim_dup(fault->path);
    return disk->trap_count++;
}

uint64_t sim_disk_fault_hits(const struct sim_host *host, int fault)
{
    return fault < 0 || fault >= host->disk->trap_count ? 0 : host->disk->traps[fault].hits;
}

void sim_disk_fault_clear(struct sim_host *host)
{
    for (int i = 0; i < host->disk->trap_count; i++)
        free((char *)host->disk->traps[i].fault.path);
    host->disk->trap_count = 0;
}

uint64_t sim_disk_calls(const struct sim_host *host, enum sim_disk_call call)
{
    return host->disk->calls[call];
}

static bool matches(const struct sim_disk_fault *f, enum sim_disk_call call, const char *path)
{
    return (f->call == SIM_DISK_ANY || f->call == call) &&
           (f->path == NULL || strncmp(path, f->path, strlen(f->path)) == 0);
}

/* Every trap counts the call; the first that is due springs. NULL: none. */
static const struct sim_disk_fault *spring(
    struct sim_disk *disk, enum sim_disk_call call, const char *path)
{
    struct sim_disk_trap *sprung = NULL;
    for (int i = 0; i < disk->trap_count; i++) {
        struct sim_disk_trap *t = &disk->traps[i];
        if (!matches(&t->fault, call, path))
            continue;
        t->seen++;
        if (sprung == NULL && t->seen >= t->fault.nth && t->seen - t->fault.nth < t->fault.times)
            sprung = t;
    }
    if (sprung == NULL)
        return NULL;
    sprung->hits++;
    return &sprung->fault;
}

/* ---- time ---------------------------------------------------------------------------------- */

static void spend(struct sim_env *env, usec time)
{
    usec *clock = env->job_clock;
    if (clock != NULL && *clock != NEVER)
        *clock = time == NEVER ? NEVER : *clock + time;
}

/* The device is one: bytes of all workers queue up. Latencies overlap. */
static void spend_call(struct sim_env *env, enum sim_disk_call call, size_t bytes)
{
    const struct sim_config *c = &env->host->world->config;
    struct sim_disk *disk = env->host->disk;
    usec *clock = env->job_clock;
    if (clock == NULL || *clock == NEVER)
        return;
    if (c->disk_bytes_per_second > 0 && bytes > 0) {
        usec start = disk->free_at > *clock ? disk->free_at : *clock;
        disk->free_at = start + (usec)(bytes * (uint64_t)USEC_PER_SEC / c->disk_bytes_per_second);
        *clock = disk->free_at;
    }
    spend(env, sim_rng_between(&disk->rng, c->disk_latency_min, c->disk_latency_max));
    if (call == SIM_DISK_SYNC || call == SIM_DISK_DIR_SYNC)
        spend(env, sim_rng_between(&disk->rng, 0, c->disk_sync_max));
}

/* ---- the beginning of every call ----------------------------------------------------------- */

int sim_disk_begin(
    struct sim_env *env, enum sim_disk_call call, const char *path, size_t bytes, size_t *partial)
{
    struct sim_host *host = env->host;
    *partial = 0;
    if (!env->alive || host->crash_pending)
        return ERR_IO;
    if (env->job_clock != NULL && *env->job_clock == NEVER)
        return ERR_IO; /* an earlier call of this job never returned */
    if (env->job_clock == NULL && call != SIM_DISK_MAP)
        host->stats.disk_calls_on_loop++;
    host->disk->calls[call]++;
    host->disk->calls[SIM_DISK_ANY]++;
    sim_record(host->world, host, call_names[call], bytes, 0);
    spend_call(env, call, bytes);
    const struct sim_disk_fault *fault = spring(host->disk, call, path);
    if (fault == NULL)
        return 0;
    spend(env, fault->hang);
    if (fault->crash) {
        sim_host_crash(host, fault->crash_kind);
        return ERR_IO;
    }
    if (fault->hang == NEVER)
        return ERR_IO;
    *partial = fault->written_bytes < bytes ? (size_t)fault->written_bytes : bytes;
    return fault->error == 0 ? 0 : err_from_errno(fault->error);
}
