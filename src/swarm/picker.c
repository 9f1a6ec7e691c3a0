/* See picker.h. The order array comes first, then pieces begun ("partials"), then picking. */
#include "swarm/picker.h"

#include "base/err.h"
#include <assert.h>
#include <stdlib.h>

#define AVAILABILITY_CAP 255u /* more copies than that are all the same */
#define GROUPS ((PICKER_PRIORITY_MAX) * (AVAILABILITY_CAP + 1))
#define NOT_ORDERED UINT32_MAX
#define NO_PARTIAL UINT16_MAX
/* What one decision looks at, at most: it has to take microseconds in any torrent. */
#define ENDGAME_LOOKS 512u /* blocks */
#define ORDER_LOOKS 512u   /* of the rarest pieces; then of those that the peer has */
#define OWN_LOOKS 1024u

struct piece {
    uint32_t position;     /* in order[]; NOT_ORDERED if had, unwanted or begun */
    uint16_t availability; /* seeds not counted */
    uint16_t partial;      /* index, or NO_PARTIAL */
    uint8_t priority;
};

/* Who was asked for a block. */
struct asked {
    uint32_t peers[PICKER_ENDGAME_PEERS]; /* 0: free place */
};

struct partial {
    uint32_t piece;
    uint32_t owner; /* the peer that opened it and has its blocks in a row; 0: nobody */
    uint32_t block_count;
    uint32_t alone;   /* only this peer's blocks come into it; 0: anybody's */
    uint32_t unasked; /* blocks neither here nor asked for */
    uint32_t next;    /* no block before it is unasked */
    struct bitfield received;
    struct asked *asked;
};

struct picker {
    struct picker_config config;
    struct piece *pieces;
    uint32_t *order;
    uint32_t ordered;
    uint32_t group_start[GROUPS + 1]; /* order[group_start[g] ... group_start[g + 1]) */
    bool dirty;                       /* the order must be made anew before it is used */
    bool sequential;
    uint32_t seeds;
    struct bitfield unneeded; /* had or unwanted */
    struct bitfield have;
    struct partial *partials[PICKER_PARTIALS_MAX];
    uint32_t partial_count;
    uint32_t endgame_at; /* where the end-game looks next, counted through `partials` */
    uint64_t random;
};

static uint32_t chance(struct picker *p, uint32_t bound)
{
    /* xorshift64*: the same seed makes the same choices */
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    return (uint32_t)(((p->random * 0x2545f4914f6cdd1dull) >> 32) * bound >> 32);
}

struct picker *picker_new(const struct picker_config *config)
{
    struct picker *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->config = *config;
    if (p->config.partials_wanted == 0 || p->config.partials_wanted > PICKER_PARTIALS_MAX)
        p->config.partials_wanted = PICKER_PARTIALS_MAX;
    p->random = config->seed | 1;
    p->dirty = true;
    uint32_t count = config->piece_count;
    p->pieces = calloc(count ? count : 1, sizeof *p->pieces);
    p->order = calloc(count ? count : 1, sizeof *p->order);
    if (!p->pieces || !p->order || bitfield_init(&p->unneeded, count) != 0 ||
        bitfield_init(&p->have, count) != 0) {
        picker_free(p);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++)
        p->pieces[i] = (struct piece){
            .position = NOT_ORDERED, .partial = NO_PARTIAL, .priority = PICKER_PRIORITY_NORMAL};
    return p;
}

static void partial_free(struct partial *a)
{
    bitfield_free(&a->received);
    free(a->asked);
    free(a);
}

void picker_free(struct picker *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->partial_count; i++)
        partial_free(p->partials[i]);
    bitfield_free(&p->unneeded);
    bitfield_free(&p->have);
    free(p->pieces);
    free(p->order);
    free(p);
}

/* ---- the order --------------------------------------------------------------------------------
 */

static unsigned group_of(const struct piece *piece)
{
    unsigned copies =
        piece->availability < AVAILABILITY_CAP ? piece->availability : AVAILABILITY_CAP;
    return (unsigned)(PICKER_PRIORITY_MAX - piece->priority) * (AVAILABILITY_CAP + 1) + copies;
}

static bool belongs_in_order(const struct picker *p, uint32_t piece)
{
    return !bitfield_get(&p->unneeded, piece) && p->pieces[piece].partial == NO_PARTIAL;
}

static void shuffle_group(struct picker *p, uint32_t start, uint32_t end)
{
    for (uint32_t i = end; i > start + 1; i--) {
        uint32_t j = start + chance(p, i - start), t = p->order[i - 1];
        p->order[i - 1] = p->order[j];
        p->order[j] = t;
    }
}

/* A counting sort: linear, and only after changes of many pieces at once. */
static void make_order(struct picker *p)
{
    if (!p->dirty)
        return;
    p->dirty = false;
    memset(p->group_start, 0, sizeof p->group_start);
    for (uint32_t i = 0; i < p->config.piece_count; i++)
        if (belongs_in_order(p, i))
            p->group_start[group_of(&p->pieces[i]) + 1]++;
    for (unsigned g = 0; g < GROUPS; g++)
        p->group_start[g + 1] += p->group_start[g];
    p->ordered = p->group_start[GROUPS];
    uint32_t fill[GROUPS];
    memcpy(fill, p->group_start, sizeof fill);
    for (uint32_t i = 0; i < p->config.piece_count; i++)
        if (belongs_in_order(p, i))
            p->order[fill[group_of(&p->pieces[i])]++] = i;
    for (unsigned g = 0; g < GROUPS; g++)
        shuffle_group(p, p->group_start[g], p->group_start[g + 1]);
    for (uint32_t i = 0; i < p->config.piece_count; i++)
        p->pieces[i].position = NOT_ORDERED;
    for (uint32_t i = 0; i < p->ordered; i++)
        p->pieces[p->order[i]].position = i;
}

static void swap_positions(struct picker *p, uint32_t a, uint32_t b)
{
    uint32_t x = p->order[a], y = p->order[b];
    p->order[a] = y;
    p->order[b] = x;
    p->pieces[y].position = a;
    p->pieces[x].position = b;
}

/* From its group to the next higher one: to the group's end, and the boundary moves over it. */
static void move_up(struct picker *p, uint32_t piece)
{
    struct piece *x = &p->pieces[piece];
    unsigned g = group_of(x);
    assert(!p->dirty && x->position != NOT_ORDERED && g + 1 < GROUPS);
    swap_positions(p, x->position, p->group_start[g + 1] - 1);
    p->group_start[g + 1]--;
}

/* The same the other way: to its group's begin. */
static void move_down(struct picker *p, uint32_t piece)
{
    struct piece *x = &p->pieces[piece];
    unsigned g = group_of(x);
    assert(!p->dirty && x->position != NOT_ORDERED && x->availability > 0);
    swap_positions(p, x->position, p->group_start[g]);
    p->group_start[g]++;
}

/* Out of the order altogether: swap towards the end, group by group. Only the boundaries behind it
 * move, so this costs one swap for each group that is not empty. */
static void take_out(struct picker *p, uint32_t piece)
{
    struct piece *x = &p->pieces[piece];
    if (p->dirty || x->position == NOT_ORDERED)
        return;
    for (unsigned g = group_of(x); g < GROUPS; g++) {
        uint32_t end = p->group_start[g + 1];
        if (x->position < end)
            swap_positions(p, x->position, end - 1);
        p->group_start[g + 1]--;
    }
    p->ordered--;
    x->position = NOT_ORDERED;
}

/* ---- availability
 * -------------------------------------------------------------------------------- */

void picker_add_peer(struct picker *p, const struct bitfield *have)
{
    if (bitfield_full(have)) {
        p->seeds++;
        return;
    }
    for (uint32_t i = bitfield_next_set(have, 0); i < have->size;
         i = bitfield_next_set(have, i + 1))
        p->pieces[i].availability++;
    p->dirty |= have->count > 0;
}

void picker_remove_peer(struct picker *p, const struct bitfield *have)
{
    if (bitfield_full(have)) {
        p->seeds--;
        return;
    }
    for (uint32_t i = bitfield_next_set(have, 0); i < have->size;
         i = bitfield_next_set(have, i + 1))
        p->pieces[i].availability--;
    p->dirty |= have->count > 0;
}

void picker_peer_has(struct picker *p, uint32_t piece)
{
    struct piece *x = &p->pieces[piece];
    if (!p->dirty && x->position != NOT_ORDERED && x->availability < AVAILABILITY_CAP)
        move_up(p, piece);
    x->availability++;
}

void picker_peer_lost(struct picker *p, uint32_t piece)
{
    struct piece *x = &p->pieces[piece];
    if (!p->dirty && x->position != NOT_ORDERED && x->availability <= AVAILABILITY_CAP)
        move_down(p, piece);
    x->availability--;
}

uint32_t picker_availability(const struct picker *p, uint32_t piece)
{
    return p->pieces[piece].availability + p->seeds;
}

/* ---- what we want
 * --------------------------------------------------------------------------------- */

static void update_need(struct picker *p, uint32_t piece)
{
    bool needed = p->pieces[piece].priority > 0 && !bitfield_get(&p->have, piece);
    bool changed = needed ? bitfield_clear(&p->unneeded, piece) : bitfield_set(&p->unneeded, piece);
    if (!changed)
        return;
    if (needed)
        p->dirty = true;
    else
        take_out(p, piece);
}

void picker_set_priority(struct picker *p, uint32_t piece, unsigned priority)
{
    assert(priority <= PICKER_PRIORITY_MAX);
    if (p->pieces[piece].priority == priority)
        return;
    p->dirty = true;
    p->pieces[piece].priority = (uint8_t)priority;
    update_need(p, piece);
}

void picker_set_sequential(struct picker *p, bool on)
{
    p->sequential = on;
}

static void drop_partial(struct picker *p, uint32_t piece)
{
    uint16_t index = p->pieces[piece].partial;
    if (index == NO_PARTIAL)
        return;
    partial_free(p->partials[index]);
    p->pieces[piece].partial = NO_PARTIAL;
    p->partials[index] = p->partials[--p->partial_count];
    if (index < p->partial_count)
        p->pieces[p->partials[index]->piece].partial = index;
}

void picker_set_have(struct picker *p, uint32_t piece)
{
    drop_partial(p, piece);
    bitfield_set(&p->have, piece);
    update_need(p, piece);
}

void picker_set_missing(struct picker *p, uint32_t piece)
{
    bitfield_clear(&p->have, piece);
    update_need(p, piece);
}

bool picker_wants(const struct picker *p, uint32_t piece)
{
    return !bitfield_get(&p->unneeded, piece);
}

uint32_t picker_left(const struct picker *p)
{
    return p->unneeded.size - p->unneeded.count;
}

bool picker_interesting(const struct picker *p, const struct bitfield *have)
{
    return have->size == p->unneeded.size && bitfield_any_missing(have, &p->unneeded);
}

/* ---- pieces begun
 * ------------------------------------------------------------------------------------ */

static struct partial *partial_of(const struct picker *p, uint32_t piece)
{
    uint16_t index = p->pieces[piece].partial;
    return index == NO_PARTIAL ? NULL : p->partials[index];
}

static struct partial *begin_piece(struct picker *p, uint32_t piece, uint32_t owner)
{
    uint32_t size = p->config.piece_size(p->config.user, piece);
    struct partial *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->piece = piece;
    a->owner = owner;
    a->block_count = a->unasked = (size + p->config.block_size - 1) / p->config.block_size;
    a->asked = calloc(a->block_count, sizeof *a->asked);
    if (!a->asked || bitfield_init(&a->received, a->block_count) != 0) {
        partial_free(a);
        return NULL;
    }
    take_out(p, piece);
    p->pieces[piece].partial = (uint16_t)p->partial_count;
    p->partials[p->partial_count++] = a;
    return a;
}

static unsigned asked_count(const struct asked *a)
{
    unsigned count = 0;
    for (unsigned i = 0; i < PICKER_ENDGAME_PEERS; i++)
        count += a->peers[i] != 0;
    return count;
}

static bool asked_of(const struct asked *a, uint32_t peer)
{
    for (unsigned i = 0; i < PICKER_ENDGAME_PEERS; i++)
        if (a->peers[i] == peer)
            return true;
    return false;
}

static void note_asked(struct partial *a, uint32_t block, uint32_t peer)
{
    struct asked *asked = &a->asked[block];
    if (asked_count(asked) == 0)
        a->unasked--;
    for (unsigned i = 0; i < PICKER_ENDGAME_PEERS; i++) {
        if (asked->peers[i] != 0)
            continue;
        asked->peers[i] = peer;
        return;
    }
}

void picker_abandoned(struct picker *p, uint32_t piece, uint32_t block, uint32_t peer)
{
    struct partial *a = partial_of(p, piece);
    if (!a || block >= a->block_count || bitfield_get(&a->received, block) ||
        !asked_of(&a->asked[block], peer))
        return;
    for (unsigned i = 0; i < PICKER_ENDGAME_PEERS; i++)
        if (a->asked[block].peers[i] == peer)
            a->asked[block].peers[i] = 0;
    if (asked_count(&a->asked[block]) > 0)
        return;
    a->unasked++;
    if (block < a->next)
        a->next = block;
    if (a->owner == peer)
        a->owner = 0;
}

bool picker_received(struct picker *p, uint32_t piece, uint32_t block, uint32_t peer,
    uint32_t others[PICKER_ENDGAME_PEERS])
{
    struct partial *a = partial_of(p, piece);
    unsigned count = 0;
    memset(others, 0, PICKER_ENDGAME_PEERS * sizeof *others);
    if (!a || block >= a->block_count || bitfield_get(&a->received, block))
        return false;
    if (asked_count(&a->asked[block]) == 0)
        a->unasked--;
    for (unsigned i = 0; i < PICKER_ENDGAME_PEERS; i++)
        if (a->asked[block].peers[i] != 0 && a->asked[block].peers[i] != peer)
            others[count++] = a->asked[block].peers[i];
    a->asked[block] = (struct asked){{0}};
    bitfield_set(&a->received, block);
    return true;
}

bool picker_has_block(const struct picker *p, uint32_t piece, uint32_t block)
{
    const struct partial *a = partial_of(p, piece);
    return bitfield_get(&p->have, piece) || (a && bitfield_get(&a->received, block));
}

bool picker_piece_whole(const struct picker *p, uint32_t piece)
{
    const struct partial *a = partial_of(p, piece);
    return a && bitfield_full(&a->received);
}

void picker_restart_piece(struct picker *p, uint32_t piece)
{
    drop_partial(p, piece);
    p->dirty = true;
}

const struct bitfield *picker_blocks(const struct picker *p, uint32_t piece)
{
    const struct partial *a = partial_of(p, piece);
    return a ? &a->received : NULL;
}

void picker_forget_block(struct picker *p, uint32_t piece, uint32_t block)
{
    struct partial *a = partial_of(p, piece);
    if (!a || !bitfield_clear(&a->received, block))
        return;
    a->unasked++;
    if (block < a->next)
        a->next = block;
}

bool picker_make_alone(struct picker *p, uint32_t piece, uint32_t peer)
{
    struct partial *a = partial_of(p, piece);
    for (uint32_t b = 0; a && b < a->block_count; b++)
        if (asked_count(&a->asked[b]) > asked_of(&a->asked[b], peer))
            return false;
    if (a)
        a->alone = a->owner = peer;
    return a != NULL;
}

bool picker_is_alone(const struct picker *p, uint32_t piece, uint32_t peer)
{
    const struct partial *a = partial_of(p, piece);
    return a && a->alone == peer;
}

uint32_t picker_partial_count(const struct picker *p)
{
    return p->partial_count;
}

/* ---- picking
 * ------------------------------------------------------------------------------------------- */

struct pick {
    struct picker *picker;
    const struct picker_peer *peer;
    uint32_t want, count;
    struct picker_block *out;
};

static bool may_ask(const struct pick *k, uint32_t piece)
{
    if (!bitfield_get(k->peer->have, piece))
        return false;
    if (!k->peer->allowed_only)
        return true;
    for (uint32_t i = 0; i < k->peer->allowed_count; i++)
        if (k->peer->allowed_only[i] == piece)
            return true;
    return false;
}

static void take_blocks(struct pick *k, struct partial *a)
{
    for (; a->next < a->block_count && a->unasked > 0 && k->count < k->want; a->next++) {
        if (bitfield_get(&a->received, a->next) || asked_count(&a->asked[a->next]) > 0)
            continue;
        note_asked(a, a->next, k->peer->id);
        k->out[k->count++] = (struct picker_block){a->piece, a->next};
    }
}

/* Pieces begun, of one kind of owner. */
enum owner_kind { OWN, NOBODYS, OTHERS, CLOSED };

/* Closed: they are somebody's alone, or this peer must be. */
static enum owner_kind kind_of(const struct pick *k, const struct partial *a)
{
    uint32_t alone = k->peer->alone ? k->peer->id : 0;
    if (a->alone != alone)
        return CLOSED;
    return alone || a->owner == k->peer->id ? OWN : a->owner == 0 ? NOBODYS : OTHERS;
}

static void take_partials(struct pick *k, enum owner_kind kind)
{
    struct picker *p = k->picker;
    for (uint32_t i = 0; i < p->partial_count && k->count < k->want; i++) {
        struct partial *a = p->partials[i];
        enum owner_kind is = kind_of(k, a);
        if (is != kind || a->unasked == 0 || !picker_wants(p, a->piece) || !may_ask(k, a->piece))
            continue;
        if (is == NOBODYS)
            a->owner = k->peer->id;
        take_blocks(k, a);
    }
}

/* The earlier in the order of the two; piece_count is none. */
static uint32_t rarer(const struct pick *k, uint32_t a, uint32_t b)
{
    const struct picker *p = k->picker;
    if (b >= p->config.piece_count || p->pieces[b].position == NOT_ORDERED || !may_ask(k, b))
        return a;
    return a == p->config.piece_count || p->pieces[b].position < p->pieces[a].position ? b : a;
}

static uint32_t choose_allowed(struct pick *k)
{
    uint32_t best = k->picker->config.piece_count;
    for (uint32_t i = 0; i < k->peer->allowed_count; i++)
        best = rarer(k, best, k->peer->allowed_only[i]);
    return best;
}

/* The peer has none of the rarest: the rarest of a bounded number of those that it has, from
 * anywhere on. */
static uint32_t choose_of_its_own(struct pick *k)
{
    struct picker *p = k->picker;
    uint32_t count = p->config.piece_count, best = count, looks = 0, start = chance(p, count);
    for (int part = 0; part < 2; part++) {
        uint32_t from = part == 0 ? start : 0, end = part == 0 ? count : start;
        for (uint32_t i = bitfield_next_missing(k->peer->have, &p->unneeded, from);
             i < end && looks < OWN_LOOKS;
             i = bitfield_next_missing(k->peer->have, &p->unneeded, i + 1), looks++)
            best = rarer(k, best, i);
    }
    return best;
}

/* The next piece to begin with this peer, or piece_count. */
static uint32_t choose_new(struct pick *k)
{
    struct picker *p = k->picker;
    uint32_t count = p->config.piece_count;
    if (p->sequential) {
        for (uint32_t i = bitfield_next_clear(&p->unneeded, 0); i < count;
             i = bitfield_next_clear(&p->unneeded, i + 1))
            if (p->pieces[i].partial == NO_PARTIAL && may_ask(k, i))
                return i;
        return count;
    }
    make_order(p);
    if (k->peer->allowed_only)
        return choose_allowed(k);
    bool by_chance = p->have.count + p->partial_count < PICKER_RANDOM_FIRST && p->ordered > 0;
    uint32_t start = by_chance ? chance(p, p->ordered) : 0;
    uint32_t looks = p->ordered < ORDER_LOOKS ? p->ordered : ORDER_LOOKS;
    for (uint32_t i = 0; i < looks; i++) {
        uint32_t piece = p->order[(start + i) % p->ordered];
        if (may_ask(k, piece))
            return piece;
    }
    return looks < p->ordered ? choose_of_its_own(k) : count;
}

static void take_new(struct pick *k, uint32_t partials_max)
{
    struct picker *p = k->picker;
    while (k->count < k->want && p->partial_count < partials_max) {
        uint32_t piece = choose_new(k);
        if (piece == p->config.piece_count)
            return;
        struct partial *a = begin_piece(p, piece, k->peer->id);
        if (!a)
            return;
        a->alone = k->peer->alone ? k->peer->id : 0;
        take_blocks(k, a);
    }
}

static void take_endgame_blocks(struct pick *k, struct partial *a)
{
    for (uint32_t b = bitfield_next_clear(&a->received, 0);
         b < a->block_count && k->count < k->want; b = bitfield_next_clear(&a->received, b + 1)) {
        if (asked_of(&a->asked[b], k->peer->id) ||
            asked_count(&a->asked[b]) == PICKER_ENDGAME_PEERS)
            continue;
        note_asked(a, b, k->peer->id);
        k->out[k->count++] = (struct picker_block){a->piece, b};
    }
}

/* Every wanted block has been asked for: ask this peer too for some that have not come. With many
 * peers that may be most of a torrent: a decision looks at a bounded part of it, the next goes on
 * from there. */
static void take_endgame(struct pick *k)
{
    struct picker *p = k->picker;
    uint32_t looked = 0;
    for (uint32_t n = p->partial_count; n > 0 && looked < ENDGAME_LOOKS && k->count < k->want;
         n--) {
        struct partial *a = p->partials[p->endgame_at % p->partial_count];
        if (kind_of(k, a) != CLOSED && picker_wants(p, a->piece) && may_ask(k, a->piece)) {
            looked += a->block_count - a->received.count;
            take_endgame_blocks(k, a);
        }
        p->endgame_at += k->count < k->want;
    }
}

static bool all_asked(struct picker *p)
{
    make_order(p);
    if (p->ordered > 0)
        return false;
    for (uint32_t i = 0; i < p->partial_count; i++)
        if (p->partials[i]->unasked > 0 && picker_wants(p, p->partials[i]->piece))
            return false;
    return true;
}

uint32_t picker_take_over(const struct picker *p, const struct picker_peer *peer,
    bool (*gives_way)(void *user, uint32_t piece, uint32_t alone_of), void *user)
{
    struct pick k = {.picker = (struct picker *)p, .peer = peer};
    for (uint32_t i = 0; i < p->partial_count; i++) {
        const struct partial *a = p->partials[i];
        if (kind_of(&k, a) == CLOSED && !bitfield_full(&a->received) && picker_wants(p, a->piece) &&
            may_ask(&k, a->piece) && gives_way(user, a->piece, a->alone))
            return a->piece;
    }
    return p->config.piece_count;
}

uint32_t picker_pick(
    struct picker *p, const struct picker_peer *peer, uint32_t want, struct picker_block *out)
{
    assert(peer->id != 0);
    struct pick k = {p, peer, want, 0, out};
    if (peer->have->size != p->config.piece_count)
        return 0;
    take_partials(&k, OWN);
    take_partials(&k, NOBODYS);
    if (peer->slow)
        take_partials(&k, OTHERS);
    take_new(&k, p->config.partials_wanted);
    take_partials(&k, OTHERS);
    if (k.count == 0)
        take_new(&k, PICKER_PARTIALS_MAX);
    if (k.count == 0 && !peer->slow && all_asked(p))
        take_endgame(&k);
    return k.count;
}
