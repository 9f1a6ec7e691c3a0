/* See metadata_fetch.h. */
#include "swarm/torrent/metadata_fetch.h"

#include "base/err.h"
#include <stdlib.h>

struct part {
    uint32_t asked_of; /* 0: nobody */
    uint32_t given_by; /* 0: not here */
    usec asked_at;
};

/* One size that was claimed, and what came of it. */
struct attempt {
    uint32_t size; /* 0: none */
    uint32_t part_count, have;
    uint32_t alone; /* whose it is; 0: of all who claim the size */
    usec began;
    uint8_t *data;
    struct part *parts;
};

/* What is known of a peer's use. */
struct witness {
    uint32_t peer;
    bool liar;
    usec rests_until; /* it refused, or kept silent: others come first */
};

struct metadata_fetch {
    struct attempt attempts[METADATA_FETCH_ATTEMPTS];
    struct attempt *whole; /* whose last part came */
    bool apart;            /* what several gave together was wrong: each gives all, or nothing */
    struct witness witnesses[METADATA_FETCH_WITNESSES_MAX];
    unsigned next_witness;
};

struct metadata_fetch *metadata_fetch_new(void)
{
    return calloc(1, sizeof(struct metadata_fetch));
}

static void reset(struct attempt *a)
{
    free(a->data);
    free(a->parts);
    *a = (struct attempt){0};
}

void metadata_fetch_free(struct metadata_fetch *f)
{
    for (unsigned i = 0; f && i < METADATA_FETCH_ATTEMPTS; i++)
        reset(&f->attempts[i]);
    free(f);
}

/* ---- peers --------------------------------------------------------------------------------- */

static const struct witness *known(const struct metadata_fetch *f, uint32_t peer)
{
    for (unsigned i = 0; i < METADATA_FETCH_WITNESSES_MAX; i++)
        if (f->witnesses[i].peer == peer)
            return &f->witnesses[i];
    return NULL;
}

static struct witness *witness(struct metadata_fetch *f, uint32_t peer)
{
    struct witness *w = (struct witness *)known(f, peer);
    if (w)
        return w;
    w = &f->witnesses[f->next_witness];
    f->next_witness = (f->next_witness + 1) % METADATA_FETCH_WITNESSES_MAX;
    *w = (struct witness){.peer = peer};
    return w;
}

static bool may_ask(const struct metadata_fetch *f, uint32_t peer, usec now)
{
    const struct witness *w = known(f, peer);
    return !w || (!w->liar && now >= w->rests_until);
}

/* ---- attempts ------------------------------------------------------------------------------ */

/* A place for one of this size; those that have had their turn make room. */
static struct attempt *make_room(struct metadata_fetch *f, uint64_t size, usec now)
{
    for (;;) {
        struct attempt *place = NULL, *oldest = NULL;
        uint64_t used = size;
        for (unsigned i = 0; i < METADATA_FETCH_ATTEMPTS; i++) {
            struct attempt *a = &f->attempts[i];
            used += a->size;
            if (a->size == 0)
                place = a;
            else if (!oldest || a->began < oldest->began)
                oldest = a;
        }
        if (place && used <= METADATA_FETCH_MEMORY_MAX)
            return place;
        /* What has brought nothing is no loss. */
        for (unsigned i = 0; i < METADATA_FETCH_ATTEMPTS; i++)
            if (f->attempts[i].size > 0 && f->attempts[i].have == 0 && oldest->have > 0)
                oldest = &f->attempts[i];
        if (oldest->have > 0 && now - oldest->began < METADATA_FETCH_TURN)
            return NULL;
        reset(oldest);
    }
}

static struct attempt *begin(struct metadata_fetch *f, uint32_t alone, uint64_t size, usec now)
{
    struct attempt *a =
        size > 0 && size <= METADATA_FETCH_SIZE_MAX ? make_room(f, size, now) : NULL;
    if (!a)
        return NULL;
    a->part_count = (uint32_t)((size + METADATA_FETCH_PIECE - 1) / METADATA_FETCH_PIECE);
    a->data = malloc(size);
    a->parts = calloc(a->part_count, sizeof *a->parts);
    a->size = (uint32_t)size;
    a->alone = alone;
    a->began = now;
    if (a->data && a->parts)
        return a;
    reset(a);
    return NULL;
}

static struct attempt *attempt_of(struct metadata_fetch *f, uint32_t peer, uint64_t size, usec now)
{
    uint32_t alone = f->apart ? peer : 0;
    for (unsigned i = 0; i < METADATA_FETCH_ATTEMPTS; i++)
        if (f->attempts[i].size == size && size > 0 && f->attempts[i].alone == alone)
            return &f->attempts[i];
    return begin(f, alone, size, now);
}

bool metadata_fetch_next(
    struct metadata_fetch *f, uint32_t peer, uint64_t claimed, usec now, uint32_t *piece)
{
    struct attempt *a = may_ask(f, peer, now) ? attempt_of(f, peer, claimed, now) : NULL;
    for (uint32_t i = 0; a && i < a->part_count; i++) {
        struct part *p = &a->parts[i];
        if (p->given_by || (p->asked_of && now - p->asked_at < METADATA_FETCH_PATIENCE))
            continue;
        if (p->asked_of)
            witness(f, p->asked_of)->rests_until = now + METADATA_FETCH_PATIENCE;
        bool itself = p->asked_of == peer;
        p->asked_of = 0;
        if (itself)
            return false;
        p->asked_of = peer;
        p->asked_at = now;
        *piece = i;
        return true;
    }
    return false;
}

/* The part that this peer was asked for, in whichever attempt that was. */
static struct attempt *asked_in(struct metadata_fetch *f, uint32_t peer, uint32_t piece)
{
    for (unsigned i = 0; i < METADATA_FETCH_ATTEMPTS; i++) {
        struct attempt *a = &f->attempts[i];
        if (piece < a->part_count && a->parts[piece].asked_of == peer)
            return a;
    }
    return NULL;
}

int metadata_fetch_data(struct metadata_fetch *f, uint32_t peer, uint32_t piece, struct bytes data)
{
    struct attempt *a = asked_in(f, peer, piece);
    if (!a)
        return ERR_PROTOCOL;
    struct part *p = &a->parts[piece];
    uint32_t begin_at = piece * METADATA_FETCH_PIECE;
    uint32_t expected = a->size - begin_at;
    if (expected > METADATA_FETCH_PIECE)
        expected = METADATA_FETCH_PIECE;
    if (data.size != expected)
        return ERR_PROTOCOL;
    if (p->given_by)
        return 0;
    memcpy(a->data + begin_at, data.data, data.size);
    p->given_by = peer;
    if (++a->have < a->part_count)
        return 0;
    f->whole = a;
    return 1;
}

void metadata_fetch_rejected(struct metadata_fetch *f, uint32_t peer, uint32_t piece)
{
    struct attempt *a = asked_in(f, peer, piece);
    if (!a || a->parts[piece].given_by)
        return;
    witness(f, peer)->rests_until = a->parts[piece].asked_at + METADATA_FETCH_PATIENCE;
    a->parts[piece].asked_of = 0;
}

void metadata_fetch_left(struct metadata_fetch *f, uint32_t peer)
{
    for (unsigned i = 0; i < METADATA_FETCH_ATTEMPTS; i++) {
        struct attempt *a = &f->attempts[i];
        if (a->alone == peer)
            reset(a);
        for (uint32_t p = 0; p < a->part_count; p++)
            if (a->parts[p].asked_of == peer && !a->parts[p].given_by)
                a->parts[p].asked_of = 0;
    }
}

struct bytes metadata_fetch_whole(const struct metadata_fetch *f)
{
    return bytes_of(f->whole->data, f->whole->size);
}

uint32_t metadata_fetch_wrong(struct metadata_fetch *f)
{
    struct attempt *a = f->whole;
    uint32_t giver = a->parts[0].given_by;
    for (uint32_t i = 1; i < a->part_count; i++)
        if (a->parts[i].given_by != giver)
            giver = 0;
    f->whole = NULL;
    reset(a);
    if (giver) {
        witness(f, giver)->liar = true;
        return giver;
    }
    f->apart = true;
    for (unsigned i = 0; i < METADATA_FETCH_ATTEMPTS; i++)
        if (f->attempts[i].alone == 0)
            reset(&f->attempts[i]);
    return 0;
}
