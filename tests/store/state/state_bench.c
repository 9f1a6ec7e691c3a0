/* See state_bench.h. */
#include "state_bench.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void state_bench_new(struct state_bench *b)
{
    struct sim_config config = sim_config_calm(1);
    *b = (struct state_bench){0};
    config.start_unix = 1700000000;
    b->world = sim_world_new(&config);
    b->host = sim_host_new(b->world, &(struct sim_host_config){.name = "h"});
    b->env = sim_host_env(b->host);
    strcpy(b->folder, "/tmp/kith-state-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/state.db", b->folder);
}

static void deadline_changed(void *user)
{
    *(bool *)user = true;
}

int state_bench_open(struct state_bench *b)
{
    struct state_config config = {
        .path = b->path, .deadline_changed = deadline_changed, .user = &b->deadline_changed};
    state_report_free(&b->report);
    return state_open(b->env, &config, &b->state, &b->report);
}

static void now_idle(void *user)
{
    *(bool *)user = true;
}

static bool is_true(void *user)
{
    return *(bool *)user;
}

void state_bench_close(struct state_bench *b)
{
    bool idle = false;
    if (b->state == NULL)
        return;
    state_quiesce(b->state, now_idle, &idle);
    assert_int_equal(sim_world_run_until(b->world, NEVER, is_true, &idle), SIM_REACHED);
    assert_true(state_idle(b->state));
    assert_int_equal(state_close(b->state), 0);
    b->state = NULL;
}

static bool has_settled(void *user)
{
    return state_waiting(user) == 0;
}

void state_bench_settle(struct state_bench *b)
{
    assert_int_equal(sim_world_run_until(b->world, NEVER, has_settled, b->state), SIM_REACHED);
}

static bool is_idle(void *user)
{
    return state_idle(user);
}

void state_bench_copy(struct state_bench *b)
{
    state_tick(b->state, env_now(b->env));
    assert_int_equal(sim_world_run_until(b->world, NEVER, is_idle, b->state), SIM_REACHED);
}

void state_bench_run(struct state_bench *b, usec time)
{
    usec end = env_now(b->env) + time;
    while (env_now(b->env) < end) {
        /* As a loop does: a deadline that comes about by a job's end is not seen by itself. */
        usec next = usec_min(state_deadline(b->state), end);
        usec span = next - env_now(b->env);
        usec until = sim_world_now(b->world) + (span > 0 ? span : 1);
        b->deadline_changed = false;
        if (sim_world_run_until(b->world, until, is_true, &b->deadline_changed) == SIM_STUCK)
            sim_world_run_until(b->world, until, NULL, NULL); /* only the clock goes on */
        if (state_deadline(b->state) <= env_now(b->env))
            state_tick(b->state, env_now(b->env));
    }
}

void state_bench_free(struct state_bench *b)
{
    char command[128];
    state_bench_close(b);
    state_report_free(&b->report);
    sim_world_free(b->world);
    snprintf(command, sizeof command, "rm -rf '%s'", b->folder);
    assert_int_equal(system(command), 0);
}

struct state_torrent state_bench_torrent(int64_t id)
{
    static const uint8_t priorities[] = {0, 1, 2, 3, 4};
    struct state_torrent t = {.id = id,
        .has_v1 = id % 3 != 1,
        .has_v2 = id % 3 != 0,
        .paused = id & 1,
        .sequential = id & 2,
        .super_seeding = id & 4,
        .stop_when_done = id & 8,
        .metadata_missing = id & 16,
        .name = "a name",
        .magnet = id & 16 ? "magnet:?xt=urn:btih:..." : NULL,
        .folder = "/home/ana/\xff not UTF-8",
        .root = "root",
        .added_unix = 1700000000 + id,
        .completed_unix = id * 7,
        .uploaded = (uint64_t)id << 40,
        .downloaded = UINT64_MAX - (uint64_t)id,
        .seeding_seconds = 5,
        .limit_up = 1000,
        .limit_down = 2000,
        .ratio_stop = 1.5,
        .seed_seconds_stop = 3600,
        .priorities = {priorities, (size_t)id % 6},
        .queue_position = (int32_t)-id,
        .complete = id % 2,
        .is_private = id % 3 == 1,
        .has_trackers = id % 5 == 1,
        .bytes_total = UINT64_C(1) << 40 | (uint64_t)id,
        .piece_length = 1u << 20,
        .piece_count = (uint32_t)id + 7,
        .file_count = (uint32_t)id + 1};
    if (t.has_v1)
        memset(t.v1.b, (int)id, sizeof t.v1.b), memcpy(t.v1.b, &id, sizeof id);
    if (t.has_v2)
        memset(t.v2.b, (int)id, sizeof t.v2.b), memcpy(t.v2.b, &id, sizeof id);
    return t;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

bool state_bench_same_torrent(const struct state_torrent *a, const struct state_torrent *b)
{
    return a->id == b->id && a->has_v1 == b->has_v1 && a->has_v2 == b->has_v2 &&
           a->paused == b->paused && a->sequential == b->sequential &&
           a->super_seeding == b->super_seeding && a->stop_when_done == b->stop_when_done &&
           a->metadata_missing == b->metadata_missing && sha1_equal(&a->v1, &b->v1) &&
           sha256_equal(&a->v2, &b->v2) && same_text(a->name, b->name) &&
           same_text(a->magnet, b->magnet) && same_text(a->folder, b->folder) &&
           same_text(a->root, b->root) && a->added_unix == b->added_unix &&
           a->completed_unix == b->completed_unix && a->uploaded == b->uploaded &&
           a->downloaded == b->downloaded && a->seeding_seconds == b->seeding_seconds &&
           a->limit_up == b->limit_up && a->limit_down == b->limit_down &&
           a->ratio_stop == b->ratio_stop && a->seed_seconds_stop == b->seed_seconds_stop &&
           bytes_equal(a->priorities, b->priorities) && a->queue_position == b->queue_position &&
           a->complete == b->complete && a->is_private == b->is_private &&
           a->has_trackers == b->has_trackers && a->bytes_total == b->bytes_total &&
           a->piece_length == b->piece_length && a->piece_count == b->piece_count &&
           a->file_count == b->file_count;
}

uint8_t *state_bench_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*size + 1);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

void state_bench_write(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

unsigned state_bench_count(struct state_bench *b, const char *prefix)
{
    unsigned count = 0;
    DIR *d = opendir(b->folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        count += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    closedir(d);
    return count;
}
