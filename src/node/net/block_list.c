/* See block_list.h. */
#include "node/net/block_list.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "format/ip_list.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_STEP ((size_t)256 * 1024)
#define FILE_MAX ((uint64_t)256 * 1024 * 1024)

/* One reading of a file. */
struct reading {
    struct env_job job;
    struct kith_node *node; /* NULL: it is gone, and nobody wants the result */
    struct env *env;
    char *path;
    int err;
    struct ip_ranges *ranges;
    struct ip_list_counts counts;
};

struct block_list {
    struct ip_ranges *ranges;
    char *path;
    struct ip_list_counts counts;
    int64_t read_unix;
    uint64_t refused;
    struct reading *reading; /* under way */
};

/* ---- reading: on any thread ---------------------------------------------------------------- */

static int read_all(struct env_file *f, struct ip_list *list)
{
    struct env_stat stat;
    int err = env_file_stat(f, &stat);
    if (err || !stat.is_file || stat.size > FILE_MAX)
        return err ? err : stat.is_file ? ERR_LIMIT : ERR_INVALID;
    uint8_t *buffer = malloc(READ_STEP);
    if (!buffer)
        return ERR_NOMEM;
    for (uint64_t at = 0; at < stat.size && !err;) {
        struct iovec v = {
            buffer, stat.size - at < READ_STEP ? (size_t)(stat.size - at) : READ_STEP};
        err = env_file_preadv(f, &v, 1, at);
        if (!err)
            err = ip_list_feed(list, bytes_of(buffer, v.iov_len));
        at += v.iov_len;
    }
    free(buffer);
    return err;
}

static int read_file(struct reading *r)
{
    const char *slash = strrchr(r->path, '/');
    char *folder = slash ? bytes_dup_str(bytes_of(r->path, (size_t)(slash - r->path) + 1))
                         : bytes_dup_str(bytes_of_str("."));
    struct env_dir *dir = NULL;
    struct env_file *file = NULL;
    struct ip_list *list = ip_list_new();
    int err = folder && list ? env_dir_open(r->env, folder, false, &dir) : ERR_NOMEM;
    if (!err)
        err = env_file_open(dir, slash ? slash + 1 : r->path, ENV_OPEN_READ, &file);
    if (!err)
        err = read_all(file, list);
    if (!err)
        err = ip_list_finish(list, &r->ranges, &r->counts);
    if (file)
        env_file_close(file);
    if (dir)
        env_dir_close(dir);
    ip_list_free(list);
    free(folder);
    return err;
}

static void run(struct env_job *job)
{
    struct reading *r = container_of(job, struct reading, job);
    r->err = read_file(r);
}

/* ---- on the loop --------------------------------------------------------------------------- */

static void reading_free(struct reading *r)
{
    ip_ranges_drop(r->ranges);
    free(r->path);
    free(r);
}

static struct reading *reading_new(struct kith_node *n, const char *path)
{
    struct reading *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct reading){.node = n, .env = n->env, .path = strdup(path)};
    if (r->path)
        return r;
    free(r);
    return NULL;
}

/* The new list is in force from now on, also for those who are connected. */
static void adopt(struct kith_node *n, struct reading *r)
{
    struct block_list *b = n->block_list;
    ip_ranges_drop(b->ranges);
    free(b->path);
    b->ranges = r->ranges;
    b->path = r->path;
    b->counts = r->counts;
    b->read_unix = env_time_unix(n->env);
    r->ranges = NULL;
    r->path = NULL;
}

static void finished(struct env_job *job)
{
    struct reading *r = container_of(job, struct reading, job);
    struct kith_node *n = r->node;
    char text[NODE_TEXT_MAX];
    if (!n) {
        reading_free(r);
        return;
    }
    n->block_list->reading = NULL;
    if (r->err) {
        snprintf(
            text, sizeof text, "%.180s: %s; the list before it stays", r->path, err_text(r->err));
    } else {
        adopt(n, r);
        links_hang_up_blocked(n);
        snprintf(text, sizeof text, "%zu ranges of addresses are blocked",
            ip_ranges_count(n->block_list->ranges));
    }
    node_event(n, KITH_EVENT_BLOCK_LIST, NULL, r->err, text);
    reading_free(r);
}

int block_list_start(struct kith_node *n, const char *path)
{
    n->block_list = calloc(1, sizeof *n->block_list);
    if (!n->block_list)
        return ERR_NOMEM;
    if (!path)
        return 0;
    struct reading *r = reading_new(n, path);
    int err = r ? read_file(r) : ERR_NOMEM;
    if (!err)
        adopt(n, r);
    if (r)
        reading_free(r);
    return err;
}

void block_list_stop(struct kith_node *n)
{
    struct block_list *b = n->block_list;
    if (!b)
        return;
    if (b->reading)
        b->reading->node = NULL;
    ip_ranges_drop(b->ranges);
    free(b->path);
    free(b);
    n->block_list = NULL;
}

bool block_list_idle(const struct kith_node *n)
{
    return !n->block_list || !n->block_list->reading;
}

bool block_list_has(struct kith_node *n, const struct endpoint *e)
{
    if (!n->block_list->ranges || !ip_ranges_contain(n->block_list->ranges, e))
        return false;
    n->block_list->refused++;
    return true;
}

struct ip_ranges *block_list_ranges(const struct kith_node *n)
{
    return n->block_list->ranges;
}

/* ---- kith.h -------------------------------------------------------------------------------- */

int kith_load_block_list(struct kith_node *n, const char *path)
{
    struct block_list *b = n->block_list;
    if (b->reading)
        return node_fail(n, ERR_AGAIN, "a block list is being read");
    if (!path) {
        ip_ranges_drop(b->ranges);
        b->ranges = NULL;
        return 0;
    }
    b->reading = reading_new(n, path);
    if (!b->reading)
        return ERR_NOMEM;
    b->reading->job = (struct env_job){.run = run, .done = finished};
    env_submit(n->env, ENV_LANE_BACKGROUND, &b->reading->job);
    return 0;
}

int kith_block_list(struct kith_node *n, struct kith_block_list *given)
{
    const struct block_list *b = n->block_list;
    struct kith_block_list out = {.size = given->size,
        .path = b->ranges ? b->path : NULL,
        .ranges = ip_ranges_count(b->ranges),
        .lines_skipped = b->ranges ? b->counts.skipped : 0,
        .memory_bytes = ip_ranges_bytes(b->ranges),
        .read_unix = b->read_unix,
        .refused = b->refused};
    node_fill(given, given->size, &out, sizeof out);
    return 0;
}
