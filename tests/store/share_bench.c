/* See share_bench.h. */
#include "share_bench.h"
#include <stdlib.h>

void share_bench_new(struct share_bench *b, uint64_t seed)
{
    struct sim_config config = sim_config_rough(seed);
    config.start_unix = 1700000000;
    b->world = sim_world_new(&config);
    b->host = sim_host_new(b->world, &(struct sim_host_config){.name = "sharer", .workers = 3});
    b->env = sim_host_env(b->host);
}

void share_bench_free(struct share_bench *b)
{
    sim_world_free(b->world);
}

void share_bench_wait(struct share_bench *b, usec time)
{
    sim_world_run_until(b->world, sim_world_now(b->world) + time, NULL, NULL);
}

void share_bench_put(struct share_bench *b, const char *path, size_t size, unsigned seed)
{
    uint8_t *data = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 31 + (i >> 8) * 17 + seed);
    assert_int_equal(sim_disk_put(b->host, path, bytes_of(data, size)), 0);
    free(data);
}

static struct env_dir *root(struct share_bench *b)
{
    struct env_dir *dir;
    assert_int_equal(env_dir_open(b->env, "/", false, &dir), 0);
    return dir;
}

void share_bench_symlink(struct share_bench *b, const char *path, const char *target)
{
    char folder[512];
    strcpy(folder, path);
    *strrchr(folder, '/') = '\0';
    share_bench_make_folder(b, folder);
    struct env_dir *dir = root(b);
    assert_int_equal(env_path_symlink(dir, path + 1, target), 0);
    env_dir_close(dir);
}

void share_bench_set_executable(struct share_bench *b, const char *path)
{
    struct env_dir *dir = root(b);
    struct env_file *f;
    assert_int_equal(env_file_open(dir, path + 1, ENV_OPEN_WRITE, &f), 0);
    assert_int_equal(env_file_set_executable(f), 0);
    env_file_close(f);
    env_dir_close(dir);
}

void share_bench_make_folder(struct share_bench *b, const char *path)
{
    struct env_dir *dir = root(b);
    assert_int_equal(env_path_make_folder(dir, path + 1), 0);
    env_dir_close(dir);
}

static void progress(void *user, const struct create_progress *p)
{
    struct share_end *end = user;
    assert_true(p->bytes_hashed >= end->last.bytes_hashed);
    assert_true(p->bytes_hashed <= p->bytes_total);
    end->progress_calls++;
    end->last = *p;
    if (end->on_progress != NULL)
        end->on_progress(end);
}

static void done(void *user, int err, const struct create_result *result, const char *detail)
{
    struct share_end *end = user;
    assert_false(end->ended);
    end->ended = true;
    end->err = err;
    end->result = *result;
    strncpy(end->detail, detail, sizeof end->detail - 1);
    end->torrent = create_take_torrent(end->create, &end->torrent_size);
    end->scan = create_take_scan(end->create);
    end->create = NULL;
}

static bool has_ended(void *user)
{
    return ((struct share_end *)user)->ended;
}

void share_bench_create(
    struct share_bench *b, const struct create_options *options, struct share_end *end)
{
    static const struct create_events events = {.progress = progress, .done = done};
    assert_int_equal(create_start(b->env, options, &events, end, &end->create), 0);
    assert_int_equal(sim_world_run_until(b->world, NEVER, has_ended, end), SIM_REACHED);
}

void share_end_free(struct share_end *end)
{
    free(end->torrent);
    scan_free(end->scan);
    *end = (struct share_end){0};
}
