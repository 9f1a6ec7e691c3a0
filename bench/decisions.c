/* What one decision costs, in nanoseconds, by the number of pieces and peers: which blocks to ask a
 * peer for (swarm/pieces/picker.h), a peer's `have`, its coming and going, and a round of choking
 * (swarm/choker.h). Peers have a random half of the pieces; "sparse" ones a random hundredth of
 * what is left and everything that we have ourselves. Prints a table, columns between bars. */
#include "swarm/choker.h"
#include "swarm/pieces/picker.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PIECE_SIZE (1u << 20)
#define BLOCK_SIZE 16384u
#define WANT 16u /* blocks a decision */

static uint64_t state = 88172645463325252u;
static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t piece_size(const void *user, uint32_t piece)
{
    (void)user;
    (void)piece;
    return PIECE_SIZE;
}

/* The slowest counts as well as the mean: one decision holds up the loop. */
struct cost {
    double total, worst;
    unsigned count;
};

static void note(struct cost *c, double since)
{
    double took = now_ns() - since;
    c->total += took;
    c->worst = took > c->worst ? took : c->worst;
    c->count++;
}

static void print(const struct cost *c)
{
    printf("|%.2f (%.0f)", c->total / c->count / 1e3, c->worst / 1e3);
}

struct swarm {
    struct picker *picker;
    struct bitfield *have; /* by peer */
    uint32_t pieces, peers;
};

/* We have `ours` of 100 pieces. */
static void make_swarm(struct swarm *s, unsigned ours, bool sparse)
{
    struct picker_config config = {s->pieces, BLOCK_SIZE, piece_size, NULL, 7};
    s->picker = picker_new(&config);
    s->have = calloc(s->peers, sizeof *s->have);
    if (!s->picker || !s->have || picker_wake(s->picker) != 0)
        exit(1);
    for (uint32_t i = 0; i < s->pieces; i++)
        if (next_random() % 100 < ours)
            picker_set_have(s->picker, i);
    for (uint32_t p = 0; p < s->peers; p++) {
        if (bitfield_init(&s->have[p], s->pieces) != 0)
            exit(1);
        for (uint32_t i = 0; i < s->pieces; i++)
            if (sparse ? !picker_wants(s->picker, i) || next_random() % 100 == 0
                       : next_random() % 2)
                bitfield_set(&s->have[p], i);
        picker_add_peer(s->picker, &s->have[p]);
    }
}

static void free_swarm(struct swarm *s)
{
    for (uint32_t p = 0; p < s->peers; p++)
        bitfield_free(&s->have[p]);
    free(s->have);
    picker_free(s->picker);
}

/* All that was asked for comes: the next decision begins another piece. */
static void receive_all(
    struct swarm *s, const struct picker_block *blocks, uint32_t count, uint32_t id)
{
    uint32_t others[PICKER_ENDGAME_PEERS];
    for (uint32_t i = 0; i < count; i++) {
        picker_received(s->picker, blocks[i].piece, blocks[i].block, id, others);
        if (picker_piece_whole(s->picker, blocks[i].piece))
            picker_set_have(s->picker, blocks[i].piece);
    }
}

static void measure_picks(struct swarm *s, bool lagging)
{
    struct cost cost = {0};
    struct picker_block blocks[WANT];
    uint32_t decisions = s->pieces < 2000 ? s->pieces / 4 : 500;
    for (uint32_t i = 0; i < decisions; i++) {
        uint32_t p = (uint32_t)(next_random() % s->peers);
        struct picker_peer peer = {.id = p + 1, .have = &s->have[p]};
        double begun = now_ns();
        uint32_t count = picker_pick(s->picker, &peer, WANT, blocks);
        note(&cost, begun);
        receive_all(s, blocks, lagging ? count / 2 : count, p + 1);
    }
    print(&cost);
}

/* It finds the pieces in no order yet. */
static void measure_first(struct swarm *s, bool shown)
{
    struct cost cost = {0};
    struct picker_block blocks[WANT];
    struct picker_peer peer = {.id = 1, .have = &s->have[0]};
    double begun = now_ns();
    uint32_t count = picker_pick(s->picker, &peer, WANT, blocks);
    note(&cost, begun);
    receive_all(s, blocks, count, 1);
    if (shown)
        print(&cost);
}

static void measure_haves(struct swarm *s)
{
    struct cost cost = {0};
    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t p = (uint32_t)(next_random() % s->peers);
        uint32_t piece = (uint32_t)(next_random() % s->pieces);
        if (!bitfield_set(&s->have[p], piece))
            continue;
        double begun = now_ns();
        picker_peer_has(s->picker, piece);
        note(&cost, begun);
    }
    print(&cost);
}

/* One goes, one comes, and the next decision is made. */
static void measure_churn(struct swarm *s)
{
    struct cost cost = {0};
    struct picker_block blocks[WANT];
    for (uint32_t i = 0; i < 50; i++) {
        struct bitfield *have = &s->have[i % s->peers];
        struct picker_peer peer = {.id = i % s->peers + 1, .have = have};
        double begun = now_ns();
        picker_remove_peer(s->picker, have);
        picker_add_peer(s->picker, have);
        uint32_t count = picker_pick(s->picker, &peer, WANT, blocks);
        note(&cost, begun);
        receive_all(s, blocks, count, peer.id);
    }
    print(&cost);
}

static void measure_choker(uint32_t peers, bool seeding)
{
    struct choker choker;
    struct choker_peer *list = calloc(peers, sizeof *list);
    struct cost cost = {0};
    if (!list)
        exit(1);
    choker_init(&choker, 3);
    for (uint32_t p = 0; p < peers; p++)
        list[p] = (struct choker_peer){.interested = true, .gives_rate = next_random() % 1000000};
    for (usec now = 0; now < 100 * CHOKER_ROUND; now += CHOKER_ROUND) {
        double begun = now_ns();
        choker_run(&choker, list, peers, seeding, now);
        note(&cost, begun);
        for (uint32_t p = 0; p < peers; p++) {
            list[p].changed_at = list[p].unchoked == list[p].unchoke ? list[p].changed_at : now;
            list[p].unchoked = list[p].unchoke;
        }
    }
    print(&cost);
    free(list);
}

static void measure(uint32_t pieces, uint32_t peers)
{
    printf("%u|%u", pieces, peers);
    for (int kind = 0; kind < 3; kind++) { /* at the begin, in the middle, sparse near the end */
        struct swarm s = {.pieces = pieces, .peers = peers};
        make_swarm(&s, kind == 0 ? 0 : kind == 1 ? 50 : 90, kind == 2);
        measure_first(&s, kind == 0);
        measure_picks(&s, kind == 1);
        if (kind == 1) {
            measure_haves(&s);
            measure_churn(&s);
        }
        free_swarm(&s);
    }
    measure_choker(peers, false);
    measure_choker(peers, true);
    puts("");
}

int main(void)
{
    static const uint32_t pieces[] = {100, 1000, 10000, 100000}, peers[] = {1, 10, 100, 1000};
    puts("pieces|peers|the first pick|pick, nothing here yet|pick, half is here, pieces "
         "begun|have|leave, join, "
         "pick|pick, what peers have is hardly ours to want|choke, leeching|choke, seeding");
    for (unsigned i = 0; i < 4; i++)
        measure(pieces[i], 1000);
    for (unsigned i = 0; i < 3; i++)
        measure(100000, peers[i]);
    return 0;
}
