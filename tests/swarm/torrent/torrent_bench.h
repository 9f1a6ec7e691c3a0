/* One torrent on a simulated disk, and peers that say what a test tells them to: whole messages in,
 * whole messages out. For tests of what a torrent does that no smaller part of it does alone. */
#ifndef KITH_TESTS_SWARM_TORRENT_BENCH_H
#define KITH_TESTS_SWARM_TORRENT_BENCH_H

#include "base/err.h"
#include "env/sim/sim.h"
#include "proto/peer_wire.h"
#include "swarm/torrent/torrent_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BENCH_PEERS_MAX 12u
#define BENCH_CONNECTS_MAX 64u
#define BENCH_PORT_NO_WAY 1u

struct bench;
struct bench_peer {
    struct bench *bench;
    struct peer *peer;   /* NULL: it was hung up, or was not taken */
    struct builder sent; /* what the torrent said to it and the test has not read */
    bool pumped;         /* it asked for its link to be pumped */
};

struct bench {
    struct sim_world *world;
    struct sim_host *host;
    struct env *env;
    struct chunk_pool *pool;
    struct file_cache *files;
    struct storage *storage;
    struct metainfo *metainfo;
    struct torrent *torrent;
    struct receiver_scratch scratch;
    struct builder content; /* the one file, "/d/f" */
    struct bench_peer peers[BENCH_PEERS_MAX];
    unsigned peer_count;
    struct endpoint connects[BENCH_CONNECTS_MAX]; /* that the torrent asked for */
    unsigned connect_count;
    int connect_error; /* what the host says; ERR_NETWORK: only to BENCH_PORT_NO_WAY */
    unsigned tried_count;
    struct endpoint punches[BENCH_CONNECTS_MAX]; /* that it asked for in this way (BEP 55) */
    unsigned punch_count;
    struct bench_peer *pumps[BENCH_PEERS_MAX]; /* who has asked for it, in their order */
    unsigned pump_count;
    struct endpoint seen_at; /* our address, as a peer said last */
    unsigned events[TORRENT_STOPPED + 1];
    bool opened, prepared;
};

struct bench_config {
    uint32_t pieces, piece_length;
    uint32_t cut; /* bytes that the last piece is short of */
    bool v1, v2;
    uint32_t have; /* the first so many pieces are there */
    size_t memory; /* of the chunk pool; 0: 4 MiB */
    unsigned peers_max;
    bool metadata_missing; /* a magnet: the torrent begins to fetch its metadata */
};

void bench_new(struct bench *, const struct bench_config *);
void bench_free(struct bench *);            /* stops the torrent first; fails if it does not stop */
void bench_pass(struct bench *, usec time); /* in steps of at most 100 ms */

/* An incoming peer at 10.0.0.(n + 1), its id beginning with `id`. Fast, extensions and v2 spoken.
 */
struct bench_peer *bench_join(struct bench *, char id);
struct bench_peer *bench_join_as(struct bench *, const struct peer_intro *);
struct peer_intro bench_intro(struct bench *, char id);

/* The peer says: a message of an id and so many 32-bit values, or any payload. */
void bench_say(struct bench_peer *, uint8_t id, unsigned count, ...);
void bench_say_bytes(struct bench_peer *, uint8_t id, struct bytes payload);
void bench_say_block(struct bench_peer *, uint32_t piece, uint32_t begin, bool truly);

/* The next message of this id that the torrent said to it; those before it are skipped. False:
 * there is none. `payload` is valid until the next bench_ call on the peer. */
bool bench_heard(struct bench_peer *, uint8_t id, struct bytes *payload);
/* Lets those that asked for it send, in the order of their asking, as a node does. */
void bench_pump(struct bench *);
/* Answers every request that it has had so far. `lie_at`: the piece whose blocks are not true. */
unsigned bench_serve(struct bench_peer *, uint32_t lie_at);

#endif
