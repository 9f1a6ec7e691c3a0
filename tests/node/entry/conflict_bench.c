#include "conflict_bench.h"

#include "node/node_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A seed, and somebody who will get it. */
void bench_begin(struct bench *b, int format)
{
    swarm_new(&b->s, &(struct swarm_config){.seed = 5,
                         .file_sizes = {SIZE_A, SIZE_B},
                         .piece_length = PIECE,
                         .memory_max = 1 << 20,
                         .format = format,
                         .remember = true});
    b->seed = swarm_add(&b->s, &(struct swarm_node_config){.seeder = true, .folder = "/d"});
    b->getter = swarm_add(&b->s, &(struct swarm_node_config){.folder = "/d"});
    swarm_file_path(b->path, sizeof b->path, "/d", 0);
    swarm_start(b->seed);
    assert_true(swarm_run_until(&b->s, SECONDS(60), swarm_all_complete));
}

void bench_end(struct bench *b)
{
    swarm_free(&b->s);
    assert_string_equal(b->s.why, "");
}

struct builder bench_content(const struct bench *b)
{
    struct builder out = builder_heap(2 * SIZE_A);
    builder_span(&out, builder_bytes(&b->s.content[0]));
    return out;
}

void bench_put(struct bench *b, struct builder *file)
{
    assert_int_equal(sim_disk_put(b->getter->host, b->path, builder_bytes(file)), 0);
}

void assert_holds(const struct bench *b, const struct builder *file)
{
    struct builder now = builder_heap(2 * SIZE_A);
    assert_int_equal(sim_disk_get(b->getter->host, b->path, &now), 0);
    assert_int_equal(now.size, file->size);
    assert_memory_equal(now.data, file->data, now.size);
    builder_free(&now);
}

void assert_gets(struct bench *b)
{
    assert_true(swarm_run_until(&b->s, SECONDS(120), swarm_all_complete));
    assert_holds(b, &b->s.content[0]);
}

/* Time passes, and the node says that something stands in its way; what stands there stays. */
void assert_refuses(struct bench *b, const struct builder *file, const char *words)
{
    struct kith_status st;
    swarm_pass(&b->s, SECONDS(120));
    KITH_INIT(st);
    kith_status(b->getter->torrent, &st);
    assert_int_equal(st.state, KITH_STATE_TROUBLE);
    assert_int_equal(st.error, KITH_E_EXISTS);
    assert_non_null(strstr(st.error_text, words));
    assert_non_null(strstr(b->s.why, "somebody else's")); /* sim/checks/conflict.c */
    b->s.why[0] = 0;
    assert_holds(b, file);
}

void bench_stop(struct bench *b)
{
    kith_stop(b->getter->node);
    swarm_pass(&b->s, SECONDS(5));
    node_free(b->getter->node);
    b->getter->node = NULL;
    b->getter->torrent = NULL;
}

void bench_again_with(struct bench *b, int existing)
{
    struct kith_add add;
    KITH_INIT(add);
    add.torrent = b->s.torrent;
    add.torrent_size = b->s.torrent_size;
    add.folder = "/d";
    add.existing = existing;
    assert_int_equal(kith_add(b->getter->node, &add, &b->getter->torrent), KITH_E_EXISTS);
}

bool bench_is_half(struct swarm *s)
{
    struct kith_status st;
    KITH_INIT(st);
    return kith_status(s->nodes[1].torrent, &st) == 0 && st.pieces_done >= 4;
}

/* Something short of his own stands where file b belongs. */
struct builder bench_put_own_b(struct bench *b)
{
    struct builder own = builder_heap(64);
    swarm_file_path(b->path, sizeof b->path, "/d", 1);
    builder_str(&own, "his own");
    bench_put(b, &own);
    return own;
}
