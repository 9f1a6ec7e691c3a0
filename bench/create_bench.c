/* How fast a torrent is made: `create_bench PATH [v1|v2|hybrid [piece KiB]]`. Prints bytes a
 * second, CPU seconds and the most memory, and beside them what one core of OpenSSL needs for the
 * same hashes of as many bytes in memory. */
#include "crypto/hash.h"
#include "env/uv/uv_env.h"
#include "store/create/create.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct end {
    bool ended;
    int err;
    uint64_t bytes;
    uint32_t piece_length;
};

static void done(void *user, int err, const struct create_result *result, const char *detail)
{
    struct end *e = user;
    e->ended = true;
    e->err = err;
    e->bytes = result->scan != NULL ? result->scan->total_size : 0;
    e->piece_length = result->piece_length;
    if (err != 0)
        fprintf(stderr, "%s (%s)\n", err_text(err), detail);
}

/* One core of OpenSSL, in bytes a second: a stream of the pieces, and 16 KiB leaves. */
static double reference(enum create_kind kind)
{
    enum { SIZE = 64 << 20, EXTENT = 1 << 20 };
    uint8_t *data = malloc(EXTENT), digest[32];
    memset(data, 1, EXTENT);
    struct hash_stream *h = hash_stream_new(HASH_SHA1);
    double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (size_t at = 0; at < SIZE; at += EXTENT) {
        if (kind != CREATE_V2)
            hash_stream_update(h, data, EXTENT);
        for (size_t leaf = 0; kind != CREATE_V1 && leaf < EXTENT; leaf += 16384)
            (void)sha256(data + leaf, 16384);
    }
    hash_stream_final(h, digest);
    double took = seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
    hash_stream_free(h);
    free(data);
    return SIZE / took;
}

int main(int argc, char **argv)
{
    static const struct create_events events = {.done = done};
    struct create_options options = {.path = argc > 1 ? argv[1] : ""};
    struct end end = {0};
    struct create *c;
    struct env *env;
    if (argc > 2)
        options.kind = strcmp(argv[2], "v1") == 0   ? CREATE_V1
                       : strcmp(argv[2], "v2") == 0 ? CREATE_V2
                                                    : CREATE_HYBRID;
    if (argc > 3)
        options.piece_length = (uint32_t)strtoul(argv[3], NULL, 10) << 10;
    if (argc < 2 || uv_env_new(NULL, &env) < 0)
        return 2;
    double core = reference(options.kind);
    double begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (create_start(env, &options, &events, &end, &c) < 0)
        return 2;
    while (!end.ended)
        uv_env_run(env, -1);
    double took = seconds(CLOCK_MONOTONIC) - begin;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.2f GB in pieces of %u KiB: %.2f s, %.2f GB/s; %.2f CPU s, %.2f GB/s a core; "
           "OpenSSL %.2f GB/s a core; %ld MiB of memory\n",
        (double)end.bytes / 1e9, end.piece_length >> 10, took, (double)end.bytes / took / 1e9, cpu,
        (double)end.bytes / cpu / 1e9, core / 1e9, usage.ru_maxrss >> 10);
    uv_env_free(env);
    return end.err == 0 ? 0 : 1;
}
