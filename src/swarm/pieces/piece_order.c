/* See piece_order.h. */
#include "swarm/pieces/piece_order.h"

#include <assert.h>
#include <stdlib.h>

#define GROUPS (PIECE_ORDER_COPIES + 1)
#define OUTSIDE UINT32_MAX
#define TIDY_WORK 1024u   /* pieces looked at and moves, by one decision */
#define SETTLE_MOVES 256u /* of one piece: from any number of copies to any other */

/* The pieces of one priority: order[base + start[c] ... base + start[c + 1]) have c copies. */
struct level {
    uint32_t base;
    uint32_t start[GROUPS + 1];
};

struct piece_order {
    uint32_t piece_count;
    uint32_t *order;
    uint32_t *position; /* in `order`; OUTSIDE; anything else while it is to be sorted */
    uint16_t *copies;
    uint8_t *stands; /* with so many copies */
    uint8_t *priority;
    uint32_t count; /* of `order` */
    bool unsorted;
    uint32_t tidy_at, tidy_left; /* pieces that may not stand where they belong */
    uint64_t random, work;
    struct level levels[PIECE_ORDER_PRIORITIES]; /* the highest priority first */
};

static struct level *level_of(struct piece_order *o, uint32_t piece)
{
    return &o->levels[PIECE_ORDER_PRIORITIES - 1 - o->priority[piece]];
}

static uint8_t group_of(const struct piece_order *o, uint32_t piece)
{
    return (uint8_t)(o->copies[piece] < PIECE_ORDER_COPIES ? o->copies[piece] : PIECE_ORDER_COPIES);
}

uint32_t piece_order_chance(struct piece_order *o, uint32_t bound)
{
    /* xorshift64* */
    o->random ^= o->random >> 12;
    o->random ^= o->random << 25;
    o->random ^= o->random >> 27;
    return (uint32_t)(((o->random * 0x2545f4914f6cdd1dull) >> 32) * bound >> 32);
}

struct piece_order *piece_order_new(uint32_t piece_count, unsigned priority, uint64_t seed)
{
    struct piece_order *o = calloc(1, sizeof *o);
    size_t room = piece_count ? piece_count : 1;
    if (!o)
        return NULL;
    o->piece_count = piece_count;
    o->random = seed | 1;
    o->unsorted = true;
    o->order = malloc(room * sizeof *o->order);
    o->position = malloc(room * sizeof *o->position);
    o->copies = calloc(room, sizeof *o->copies);
    o->stands = calloc(room, sizeof *o->stands);
    o->priority = malloc(room * sizeof *o->priority);
    if (!o->order || !o->position || !o->copies || !o->stands || !o->priority) {
        piece_order_free(o);
        return NULL;
    }
    memset(o->position, 0xff, room * sizeof *o->position);
    memset(o->priority, (int)priority, room);
    return o;
}

void piece_order_free(struct piece_order *o)
{
    if (!o)
        return;
    free(o->order);
    free(o->position);
    free(o->copies);
    free(o->stands);
    free(o->priority);
    free(o);
}

/* ---- sorting ------------------------------------------------------------------------------- */

static void place(struct piece_order *o, uint32_t piece, uint32_t at)
{
    o->order[at] = piece;
    o->position[piece] = at;
}

static void shuffle(struct piece_order *o, uint32_t start, uint32_t end)
{
    for (uint32_t i = end; i > start + 1; i--) {
        uint32_t j = start + piece_order_chance(o, i - start), piece = o->order[i - 1];
        place(o, o->order[j], i - 1);
        place(o, piece, j);
    }
}

static void count_groups(struct piece_order *o)
{
    memset(o->levels, 0, sizeof o->levels);
    for (uint32_t i = 0; i < o->piece_count; i++)
        if (o->position[i] != OUTSIDE)
            level_of(o, i)->start[group_of(o, i) + 1]++;
    uint32_t base = 0;
    for (unsigned l = 0; l < PIECE_ORDER_PRIORITIES; l++) {
        struct level *level = &o->levels[l];
        level->base = base;
        for (unsigned c = 0; c < GROUPS; c++)
            level->start[c + 1] += level->start[c];
        base += level->start[GROUPS];
    }
    assert(base == o->count);
}

/* A counting sort: linear, at the first look and after changes of priority. */
static void sort(struct piece_order *o)
{
    if (!o->unsorted)
        return;
    uint32_t fill[PIECE_ORDER_PRIORITIES][GROUPS];
    count_groups(o);
    for (unsigned l = 0; l < PIECE_ORDER_PRIORITIES; l++)
        for (unsigned c = 0; c < GROUPS; c++)
            fill[l][c] = o->levels[l].base + o->levels[l].start[c];
    for (uint32_t i = 0; i < o->piece_count; i++) {
        if (o->position[i] == OUTSIDE)
            continue;
        o->stands[i] = group_of(o, i);
        place(o, i, fill[level_of(o, i) - o->levels][o->stands[i]]++);
    }
    for (unsigned l = 0; l < PIECE_ORDER_PRIORITIES; l++)
        for (unsigned c = 0; c < GROUPS; c++)
            shuffle(o, o->levels[l].base + o->levels[l].start[c], fill[l][c]);
    o->unsorted = false;
    o->tidy_left = 0;
}

/* ---- moving -------------------------------------------------------------------------------- */

static void swap(struct piece_order *o, uint32_t a, uint32_t b)
{
    uint32_t x = o->order[a], y = o->order[b];
    place(o, x, b);
    place(o, y, a);
}

/* To the group of one copy more: to its group's end, and the boundary moves over it. */
static void move_up(struct piece_order *o, uint32_t piece)
{
    struct level *level = level_of(o, piece);
    uint32_t *boundary = &level->start[++o->stands[piece]];
    swap(o, o->position[piece], level->base + --*boundary);
}

/* The same the other way: to its group's begin. */
static void move_down(struct piece_order *o, uint32_t piece)
{
    struct level *level = level_of(o, piece);
    uint32_t *boundary = &level->start[o->stands[piece]--];
    swap(o, o->position[piece], level->base + (*boundary)++);
}

/* To where it belongs. Returns the moves that it took. */
static unsigned settle(struct piece_order *o, uint32_t piece)
{
    unsigned moves = 0;
    uint8_t group = group_of(o, piece);
    for (; o->stands[piece] < group; moves++)
        move_up(o, piece);
    for (; o->stands[piece] > group; moves++)
        move_down(o, piece);
    assert(moves <= SETTLE_MOVES);
    return moves;
}

/* The gap moves to the level's end, a group at a time. */
static uint32_t close_gap(struct piece_order *o, struct level *level, unsigned group, uint32_t gap)
{
    for (unsigned c = group; c < GROUPS; c++) {
        uint32_t last = level->base + level->start[c + 1] - 1;
        if (last != gap)
            place(o, o->order[last], gap);
        gap = last;
        level->start[c + 1]--;
    }
    return gap;
}

/* And back: from the place behind the level's last to the end of this group. */
static uint32_t open_gap(struct piece_order *o, struct level *level, unsigned group, uint32_t gap)
{
    for (unsigned c = GROUPS; c-- > group + 1;) {
        uint32_t first = level->base + level->start[c];
        if (first != gap)
            place(o, o->order[first], gap);
        gap = first;
        level->start[c + 1]++;
    }
    level->start[group + 1]++;
    return gap;
}

/* A level that is behind moves by one place: its groups keep their sizes. */
static uint32_t shift_left(struct piece_order *o, struct level *level, uint32_t gap)
{
    for (unsigned c = 0; level->start[GROUPS] > 0 && c < GROUPS; c++) {
        uint32_t last = level->base + level->start[c + 1] - 1;
        if (level->start[c + 1] == level->start[c])
            continue;
        place(o, o->order[last], gap);
        gap = last;
    }
    level->base--;
    return gap;
}

static uint32_t shift_right(struct piece_order *o, struct level *level, uint32_t gap)
{
    for (unsigned c = GROUPS; level->start[GROUPS] > 0 && c-- > 0;) {
        uint32_t first = level->base + level->start[c];
        if (level->start[c + 1] == level->start[c])
            continue;
        place(o, o->order[first], gap);
        gap = first;
    }
    level->base++;
    return gap;
}

void piece_order_put(struct piece_order *o, uint32_t piece)
{
    if (o->position[piece] != OUTSIDE || o->priority[piece] == 0)
        return;
    uint32_t gap = o->count++;
    o->position[piece] = gap;
    if (o->unsorted)
        return;
    struct level *own = level_of(o, piece), *level = &o->levels[PIECE_ORDER_PRIORITIES];
    while (--level > own)
        gap = shift_right(o, level, gap);
    o->stands[piece] = group_of(o, piece);
    place(o, piece, open_gap(o, own, o->stands[piece], gap));
}

void piece_order_take(struct piece_order *o, uint32_t piece)
{
    uint32_t gap = o->position[piece];
    if (gap == OUTSIDE)
        return;
    o->position[piece] = OUTSIDE;
    o->count--;
    if (o->unsorted)
        return;
    struct level *level = level_of(o, piece), *end = &o->levels[PIECE_ORDER_PRIORITIES];
    gap = close_gap(o, level, o->stands[piece], gap);
    while (++level < end)
        gap = shift_left(o, level, gap);
}

bool piece_order_holds(const struct piece_order *o, uint32_t piece)
{
    return o->position[piece] != OUTSIDE;
}

unsigned piece_order_priority(const struct piece_order *o, uint32_t piece)
{
    return o->priority[piece];
}

void piece_order_set_priority(struct piece_order *o, uint32_t piece, unsigned priority)
{
    assert(priority < PIECE_ORDER_PRIORITIES);
    o->unsorted = true;
    if (priority == 0)
        piece_order_take(o, piece);
    o->priority[piece] = (uint8_t)priority;
}

/* ---- copies -------------------------------------------------------------------------------- */

/* Eight pieces a step and no branch, so that the compiler makes vectors of it: a bitfield of
 * 100,000 pieces takes some 20 us. `sign` is 1, or -1 in the arithmetic of 16 bits. */
static void count_bits(uint16_t *copies, const struct bitfield *have, uint16_t sign)
{
    uint32_t whole = have->size / 8;
    for (uint32_t at = 0; at < whole; at++)
        for (unsigned bit = 0; bit < 8; bit++)
            copies[at * 8 + bit] += (uint16_t)(have->bits[at] >> (7 - bit) & 1u) * sign;
    for (uint32_t i = whole * 8; i < have->size; i++)
        copies[i] += bitfield_get(have, i) ? sign : 0;
}

static void count_peer(struct piece_order *o, const struct bitfield *have, uint16_t sign)
{
    if (have->count == 0)
        return;
    count_bits(o->copies, have, sign);
    o->tidy_left = o->piece_count;
}

void piece_order_add_peer(struct piece_order *o, const struct bitfield *have)
{
    count_peer(o, have, 1);
}

void piece_order_remove_peer(struct piece_order *o, const struct bitfield *have)
{
    count_peer(o, have, UINT16_MAX);
}

static void copies_changed(struct piece_order *o, uint32_t piece)
{
    if (!o->unsorted && o->position[piece] != OUTSIDE)
        o->work += settle(o, piece);
}

void piece_order_add_copy(struct piece_order *o, uint32_t piece)
{
    o->copies[piece]++;
    copies_changed(o, piece);
}

void piece_order_remove_copy(struct piece_order *o, uint32_t piece)
{
    o->copies[piece]--;
    copies_changed(o, piece);
}

uint32_t piece_order_copies(const struct piece_order *o, uint32_t piece)
{
    return o->copies[piece];
}

/* ---- looking ------------------------------------------------------------------------------- */

void piece_order_tidy(struct piece_order *o)
{
    sort(o);
    unsigned work = 0;
    for (; o->tidy_left > 0 && work < TIDY_WORK; o->tidy_left--, work++) {
        o->tidy_at = o->tidy_at + 1 < o->piece_count ? o->tidy_at + 1 : 0;
        if (o->position[o->tidy_at] != OUTSIDE)
            work += settle(o, o->tidy_at);
    }
    o->work += work;
}

uint32_t piece_order_count(const struct piece_order *o)
{
    return o->count;
}

uint32_t piece_order_at(struct piece_order *o, uint32_t index)
{
    sort(o);
    return o->order[index];
}

/* What has become more common goes back, and another takes its place; what has become rarer goes to
 * the front, and is the better find. */
uint32_t piece_order_settled_at(struct piece_order *o, uint32_t index)
{
    sort(o);
    uint32_t piece = o->order[index];
    for (unsigned work = 0; o->tidy_left > 0 && work < TIDY_WORK; piece = o->order[index]) {
        unsigned moves = settle(o, piece);
        o->work += moves;
        work += moves;
        if (o->position[piece] <= index)
            break;
    }
    return piece;
}

bool piece_order_before(struct piece_order *o, uint32_t a, uint32_t b)
{
    sort(o);
    return o->position[a] < o->position[b];
}

uint64_t piece_order_work(const struct piece_order *o)
{
    return o->work;
}
