/* See picker.h. What we want comes first, then pieces begun ("partials"), then picking. */
#include "swarm/pieces/picker.h"

#include "base/err.h"
#include "swarm/pieces/piece_order.h"
#include <assert.h>
#include <stdlib.h>

#define NO_PARTIAL UINT16_MAX
/* What one decision looks at, at most: it has to take microseconds in any torrent. */
#define ENDGAME_LOOKS 512u /* blocks */
#define ORDER_LOOKS 512u   /* of the rarest pieces; then of those that the peer has */
#define OWN_LOOKS 1024u

/* Who was asked for a block. */
struct asked {
    uint32_t peers[PICKER_ENDGAME_PEERS]; /* 0: free place */
    uint32_t at_ms;                       /* the last time; wraps */
};

struct partial {
    uint32_t piece;
    uint32_t owner; /* the peer that opened it and has its blocks in a row; 0: nobody */
    uint32_t block_count;
    uint32_t alone;   /* only this peer's blocks come into it; 0: anybody's */
    uint32_t unasked; /* blocks neither here nor asked for */
    uint32_t doubles; /* requests for blocks that somebody else was asked for, too */
    uint32_t next;    /* no block before it is unasked */
    struct bitfield received;
    struct asked *asked;
};

struct picker {
    struct picker_config config;
    bool sequential;
    uint32_t seeds;           /* peers that have everything: not counted in the order */
    struct bitfield unneeded; /* had or unwanted */
    struct bitfield have;
    uint8_t *priority;   /* by piece; NULL: normal, all of them */
    uint32_t endgame_at; /* where the end-game looks next, counted through `partials` */
    uint32_t partial_count;
    /* What only decisions need; NULL while it rests. */
    struct piece_order *order; /* holds what is wanted, not had and not begun */
    uint16_t *partial_at;      /* by piece: index in partials, or NO_PARTIAL */
    struct partial **partials; /* PICKER_PARTIALS_MAX of them */
};

/* ---- birth, rest and death ----------------------------------------------------------------- */

struct picker *picker_new(const struct picker_config *config)
{
    struct picker *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->config = *config;
    if (p->config.partials_wanted == 0 || p->config.partials_wanted > PICKER_PARTIALS_MAX)
        p->config.partials_wanted = PICKER_PARTIALS_MAX;
    if (bitfield_init(&p->unneeded, config->piece_count) != 0 ||
        bitfield_init(&p->have, config->piece_count) != 0) {
        picker_free(p);
        return NULL;
    }
    return p;
}

static void partial_free(struct partial *a)
{
    bitfield_free(&a->received);
    free(a->asked);
    free(a);
}

static void free_desk(struct picker *p)
{
    for (uint32_t i = 0; i < p->partial_count; i++)
        partial_free(p->partials[i]);
    p->partial_count = 0;
    free(p->partials);
    free(p->partial_at);
    piece_order_free(p->order);
    p->partials = NULL;
    p->partial_at = NULL;
    p->order = NULL;
}

void picker_free(struct picker *p)
{
    if (!p)
        return;
    free_desk(p);
    bitfield_free(&p->unneeded);
    bitfield_free(&p->have);
    free(p->priority);
    free(p);
}

static unsigned priority_of(const struct picker *p, uint32_t piece)
{
    return p->priority ? p->priority[piece] : PICKER_PRIORITY_NORMAL;
}

int picker_wake(struct picker *p)
{
    uint32_t count = p->config.piece_count;
    if (p->order)
        return 0;
    p->order = piece_order_new(count, PICKER_PRIORITY_NORMAL, p->config.seed);
    p->partial_at = malloc((count ? count : 1) * sizeof *p->partial_at);
    p->partials = malloc(PICKER_PARTIALS_MAX * sizeof *p->partials);
    if (!p->order || !p->partial_at || !p->partials) {
        free_desk(p);
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        p->partial_at[i] = NO_PARTIAL;
        if (p->priority)
            piece_order_set_priority(p->order, i, p->priority[i]);
        if (!bitfield_get(&p->unneeded, i))
            piece_order_put(p->order, i);
    }
    return 0;
}

void picker_rest(struct picker *p)
{
    if (p->partial_count > 0 || !p->order)
        return;
    p->config.seed += piece_order_chance(p->order, UINT32_MAX); /* not the same choices again */
    free_desk(p);
}

/* ---- availability -------------------------------------------------------------------------- */

void picker_add_peer(struct picker *p, const struct bitfield *have)
{
    if (bitfield_full(have))
        p->seeds++;
    else
        piece_order_add_peer(p->order, have);
}

void picker_remove_peer(struct picker *p, const struct bitfield *have)
{
    if (bitfield_full(have))
        p->seeds--;
    else
        piece_order_remove_peer(p->order, have);
}

void picker_peer_has(struct picker *p, uint32_t piece)
{
    piece_order_add_copy(p->order, piece);
}

void picker_peer_lost(struct picker *p, uint32_t piece)
{
    piece_order_remove_copy(p->order, piece);
}

uint32_t picker_availability(const struct picker *p, uint32_t piece)
{
    return picker_copies(p, piece) + p->seeds;
}

uint32_t picker_copies(const struct picker *p, uint32_t piece)
{
    return p->order ? piece_order_copies(p->order, piece) : 0;
}

/* ---- what we want -------------------------------------------------------------------------- */

static void update_need(struct picker *p, uint32_t piece)
{
    bool needed = priority_of(p, piece) > 0 && !bitfield_get(&p->have, piece);
    if (needed)
        bitfield_clear(&p->unneeded, piece);
    else
        bitfield_set(&p->unneeded, piece);
    if (!p->order)
        return;
    if (needed && p->partial_at[piece] == NO_PARTIAL)
        piece_order_put(p->order, piece);
    else
        piece_order_take(p->order, piece);
}

int picker_set_priority(struct picker *p, uint32_t piece, unsigned priority)
{
    assert(priority <= PICKER_PRIORITY_MAX);
    if (priority_of(p, piece) == priority)
        return 0;
    if (!p->priority) {
        p->priority = malloc(p->config.piece_count);
        if (!p->priority)
            return ERR_NOMEM;
        memset(p->priority, PICKER_PRIORITY_NORMAL, p->config.piece_count);
    }
    p->priority[piece] = (uint8_t)priority;
    if (p->order)
        piece_order_set_priority(p->order, piece, priority);
    update_need(p, piece);
    return 0;
}

void picker_set_sequential(struct picker *p, bool on)
{
    p->sequential = on;
}

static void drop_partial(struct picker *p, uint32_t piece)
{
    uint16_t index = p->order ? p->partial_at[piece] : NO_PARTIAL;
    if (index == NO_PARTIAL)
        return;
    partial_free(p->partials[index]);
    p->partial_at[piece] = NO_PARTIAL;
    p->partials[index] = p->partials[--p->partial_count];
    if (index < p->partial_count)
        p->partial_at[p->partials[index]->piece] = index;
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

/* ---- pieces begun -------------------------------------------------------------------------- */

static struct partial *partial_of(const struct picker *p, uint32_t piece)
{
    uint16_t index = p->order ? p->partial_at[piece] : NO_PARTIAL;
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
    piece_order_take(p->order, piece);
    p->partial_at[piece] = (uint16_t)p->partial_count;
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

static uint32_t milliseconds(usec time)
{
    return (uint32_t)(time / MSECS(1));
}

static void note_asked(struct partial *a, uint32_t block, uint32_t peer, usec now)
{
    struct asked *asked = &a->asked[block];
    if (asked_count(asked) == 0)
        a->unasked--;
    else
        a->doubles++;
    asked->at_ms = milliseconds(now);
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
    if (asked_count(&a->asked[block]) > 0) {
        a->doubles--;
        return;
    }
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
    unsigned asked = asked_count(&a->asked[block]);
    if (asked == 0)
        a->unasked--;
    else
        a->doubles -= asked - 1;
    for (unsigned i = 0; i < PICKER_ENDGAME_PEERS; i++)
        if (a->asked[block].peers[i] != 0 && a->asked[block].peers[i] != peer)
            others[count++] = a->asked[block].peers[i];
    a->asked[block] = (struct asked){0};
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
    update_need(p, piece);
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

/* ---- picking ------------------------------------------------------------------------------- */

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
        note_asked(a, a->next, k->peer->id, k->peer->now);
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
    struct picker *p = k->picker;
    if (b >= p->config.piece_count || !piece_order_holds(p->order, b) || !may_ask(k, b))
        return a;
    return a == p->config.piece_count || piece_order_before(p->order, b, a) ? b : a;
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
    uint32_t count = p->config.piece_count, best = count, looks = 0,
             start = piece_order_chance(p->order, count);
    for (int part = 0; part < 2; part++) {
        uint32_t from = part == 0 ? start : 0, end = part == 0 ? count : start;
        for (uint32_t i = bitfield_next_missing(k->peer->have, &p->unneeded, from);
             i < end && looks < OWN_LOOKS;
             i = bitfield_next_missing(k->peer->have, &p->unneeded, i + 1), looks++)
            best = rarer(k, best, i);
    }
    return best;
}

static uint32_t choose_next(struct pick *k)
{
    struct picker *p = k->picker;
    uint32_t count = p->config.piece_count;
    for (uint32_t i = bitfield_next_missing(k->peer->have, &p->unneeded, 0); i < count;
         i = bitfield_next_missing(k->peer->have, &p->unneeded, i + 1))
        if (p->partial_at[i] == NO_PARTIAL && may_ask(k, i))
            return i;
    return count;
}

static uint32_t choose_by_chance(struct pick *k, uint32_t looks)
{
    struct piece_order *order = k->picker->order;
    uint32_t count = piece_order_count(order), start = piece_order_chance(order, count);
    for (uint32_t i = 0; i < looks; i++) {
        uint32_t piece = piece_order_at(order, (start + i) % count);
        if (may_ask(k, piece))
            return piece;
    }
    return k->picker->config.piece_count;
}

static uint32_t choose_rarest(struct pick *k, uint32_t looks)
{
    for (uint32_t i = 0; i < looks; i++) {
        uint32_t piece = piece_order_settled_at(k->picker->order, i);
        if (may_ask(k, piece))
            return piece;
    }
    return k->picker->config.piece_count;
}

/* Instead of this one: a piece that the peer suggests, if it is worth as much. */
static uint32_t suggested_for(const struct pick *k, uint32_t piece)
{
    struct piece_order *order = k->picker->order;
    uint32_t count = k->picker->config.piece_count;
    for (uint32_t i = 0; i < k->peer->suggested_count && piece < count; i++) {
        uint32_t s = k->peer->suggested[i];
        if (s < count && piece_order_holds(order, s) && may_ask(k, s) &&
            piece_order_priority(order, s) == piece_order_priority(order, piece) &&
            piece_order_copies(order, s) <= piece_order_copies(order, piece))
            return s;
    }
    return piece;
}

/* The next piece to begin with this peer, or piece_count. */
static uint32_t choose_new(struct pick *k)
{
    struct picker *p = k->picker;
    uint32_t count = p->config.piece_count, ordered = piece_order_count(p->order);
    if (p->sequential)
        return choose_next(k);
    if (k->peer->allowed_only)
        return choose_allowed(k);
    bool by_chance = p->have.count + p->partial_count < PICKER_RANDOM_FIRST && ordered > 0;
    uint32_t looks = ordered < ORDER_LOOKS ? ordered : ORDER_LOOKS;
    uint32_t piece = by_chance ? choose_by_chance(k, looks) : choose_rarest(k, looks);
    if (piece == count && looks < ordered)
        piece = choose_of_its_own(k);
    return suggested_for(k, piece);
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

/* There is nothing left but what the memory will not hold. */
static void take_spare(struct pick *k)
{
    uint32_t want = k->want, waiting = k->peer->waiting;
    uint32_t most = (waiting + want) / PICKER_SPARE_SHARE;
    most = most < PICKER_SPARE_MIN ? PICKER_SPARE_MIN : most;
    k->want = waiting >= most ? 0 : most - waiting < want ? most - waiting : want;
    take_new(k, PICKER_PARTIALS_MAX);
    k->want = want;
}

/* How many more may be asked for twice. Where all others have finished and give, what is missing
 * would come as often as it may be asked for, and fill the line that it should come by. */
static uint32_t doubles_left(const struct picker *p)
{
    uint32_t missing = 0, doubles = 0;
    for (uint32_t i = 0; i < p->partial_count; i++) {
        missing += p->partials[i]->block_count - p->partials[i]->received.count;
        doubles += p->partials[i]->doubles;
    }
    uint32_t most = missing / PICKER_DOUBLES_SHARE + PICKER_DOUBLES_MIN;
    return most > doubles ? most - doubles : 0;
}

static bool is_late(const struct asked *a, usec now)
{
    return milliseconds(now) - a->at_ms >= milliseconds(PICKER_DOUBLES_AFTER);
}

static void take_endgame_blocks(struct pick *k, struct partial *a, uint32_t doubles)
{
    for (uint32_t b = bitfield_next_clear(&a->received, 0);
         b < a->block_count && k->count < k->want; b = bitfield_next_clear(&a->received, b + 1)) {
        if (asked_of(&a->asked[b], k->peer->id) ||
            asked_count(&a->asked[b]) == PICKER_ENDGAME_PEERS ||
            (k->count >= doubles && !is_late(&a->asked[b], k->peer->now)))
            continue;
        note_asked(a, b, k->peer->id, k->peer->now);
        k->out[k->count++] = (struct picker_block){a->piece, b};
    }
}

/* Every wanted block has been asked for: ask this peer too for some that have not come. With many
 * peers that may be most of a torrent: a decision looks at a bounded part of it, the next goes on
 * from there. */
static void take_endgame(struct pick *k)
{
    struct picker *p = k->picker;
    uint32_t looked = 0, doubles = doubles_left(p);
    for (uint32_t n = p->partial_count; n > 0 && looked < ENDGAME_LOOKS && k->count < k->want;
         n--) {
        struct partial *a = p->partials[p->endgame_at % p->partial_count];
        if (kind_of(k, a) != CLOSED && picker_wants(p, a->piece) && may_ask(k, a->piece)) {
            looked += a->block_count - a->received.count;
            take_endgame_blocks(k, a, doubles);
        }
        p->endgame_at += k->count < k->want;
    }
}

static bool all_asked(const struct picker *p)
{
    if (piece_order_count(p->order) > 0)
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
    if (peer->have->size != p->config.piece_count || !p->order)
        return 0;
    if (!p->sequential)
        piece_order_tidy(p->order);
    take_partials(&k, OWN);
    take_partials(&k, NOBODYS);
    if (peer->slow)
        take_partials(&k, OTHERS);
    take_new(&k, p->config.partials_wanted);
    take_partials(&k, OTHERS);
    if (k.count == 0)
        take_spare(&k);
    if (k.count == 0 && want > peer->endgame_spared && !peer->slow && all_asked(p)) {
        k.want = want - peer->endgame_spared;
        take_endgame(&k);
    }
    return k.count;
}
