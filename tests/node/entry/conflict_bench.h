/* Somebody who gets a torrent where something stands already, for tests of what comes of that. */
#ifndef KITH_TESTS_NODE_CONFLICT_BENCH_H
#define KITH_TESTS_NODE_CONFLICT_BENCH_H

#include "node/node_internal.h"
#include "sim/swarm.h"

#define PIECE 32768u
#define SIZE_A (10 * PIECE)
#define SIZE_B 70000u

struct bench {
    struct swarm s;
    struct swarm_node *seed, *getter;
    char path[64]; /* of the getter's file a, or b */
};

/* A seed, and somebody who will get it. */
void bench_begin(struct bench *b, int format);
void bench_end(struct bench *b);
struct builder bench_content(const struct bench *b);
void bench_put(struct bench *b, struct builder *file);
void assert_holds(const struct bench *b, const struct builder *file);
void assert_gets(struct bench *b);
/* Time passes, and the node says that something stands in its way; what stands there stays. */
void assert_refuses(struct bench *b, const struct builder *file, const char *words);
void bench_stop(struct bench *b);
void bench_again_with(struct bench *b, int existing);
bool bench_is_half(struct swarm *s);
/* Something short of his own stands where file b belongs. */
struct builder bench_put_own_b(struct bench *b);

#endif
