/* See metadata_fetch.h. */
#include "swarm/metadata_fetch.h"

#include "base/err.h"
#include <stdlib.h>

struct part {
    uint32_t asked_of; /* 0: nobody */
    uint32_t given_by; /* 0: not here */
    usec asked_at;
};

struct metadata_fetch {
    uint32_t size; /* 0: no attempt */
    uint32_t part_count, have;
    uint8_t *data;
    struct part *parts;
    uint32_t distrusted[METADATA_FETCH_DISTRUSTED_MAX];
    unsigned distrusted_count;
};

struct metadata_fetch *metadata_fetch_new(void)
{
    return calloc(1, sizeof(struct metadata_fetch));
}

static void reset(struct metadata_fetch *f)
{
    free(f->data);
    free(f->parts);
    f->data = NULL;
    f->parts = NULL;
    f->size = f->part_count = f->have = 0;
}

void metadata_fetch_free(struct metadata_fetch *f)
{
    if (!f)
        return;
    reset(f);
    free(f);
}

static bool distrusts(const struct metadata_fetch *f, uint32_t peer)
{
    for (unsigned i = 0; i < f->distrusted_count; i++)
        if (f->distrusted[i] == peer)
            return true;
    return false;
}

static bool begin(struct metadata_fetch *f, uint64_t size)
{
    if (size == 0 || size > METADATA_FETCH_SIZE_MAX)
        return false;
    f->part_count = (uint32_t)((size + METADATA_FETCH_PIECE - 1) / METADATA_FETCH_PIECE);
    f->data = malloc(size);
    f->parts = calloc(f->part_count, sizeof *f->parts);
    f->size = (uint32_t)size;
    if (f->data && f->parts)
        return true;
    reset(f);
    return false;
}

bool metadata_fetch_next(
    struct metadata_fetch *f, uint32_t peer, uint64_t claimed, usec now, uint32_t *piece)
{
    if (distrusts(f, peer))
        return false;
    /* A size that has brought nothing yet gives way to another peer's claim. */
    if (f->size && f->size != claimed && f->have == 0)
        reset(f);
    if (!f->size && !begin(f, claimed))
        return false;
    if (f->size != claimed)
        return false;
    for (uint32_t i = 0; i < f->part_count; i++) {
        struct part *p = &f->parts[i];
        if (p->given_by || (p->asked_of && now - p->asked_at < METADATA_FETCH_PATIENCE))
            continue;
        p->asked_of = peer;
        p->asked_at = now;
        *piece = i;
        return true;
    }
    return false;
}

int metadata_fetch_data(struct metadata_fetch *f, uint32_t peer, uint32_t piece, struct bytes data)
{
    if (!f->size || piece >= f->part_count)
        return ERR_PROTOCOL;
    struct part *p = &f->parts[piece];
    uint32_t begin_at = piece * METADATA_FETCH_PIECE;
    uint32_t expected = f->size - begin_at;
    if (expected > METADATA_FETCH_PIECE)
        expected = METADATA_FETCH_PIECE;
    if (p->asked_of != peer || data.size != expected)
        return ERR_PROTOCOL;
    if (p->given_by)
        return 0;
    memcpy(f->data + begin_at, data.data, data.size);
    p->given_by = peer;
    return ++f->have == f->part_count ? 1 : 0;
}

void metadata_fetch_rejected(struct metadata_fetch *f, uint32_t peer, uint32_t piece)
{
    if (piece < f->part_count && f->parts[piece].asked_of == peer && !f->parts[piece].given_by)
        f->parts[piece].asked_at = f->parts[piece].asked_at - METADATA_FETCH_PATIENCE / 2;
}

void metadata_fetch_left(struct metadata_fetch *f, uint32_t peer)
{
    for (uint32_t i = 0; i < f->part_count; i++)
        if (f->parts[i].asked_of == peer && !f->parts[i].given_by)
            f->parts[i].asked_of = 0;
}

struct bytes metadata_fetch_whole(const struct metadata_fetch *f)
{
    return bytes_of(f->data, f->size);
}

void metadata_fetch_wrong(struct metadata_fetch *f)
{
    for (uint32_t i = 0; i < f->part_count; i++)
        if (!distrusts(f, f->parts[i].given_by) &&
            f->distrusted_count < METADATA_FETCH_DISTRUSTED_MAX)
            f->distrusted[f->distrusted_count++] = f->parts[i].given_by;
    reset(f);
}
