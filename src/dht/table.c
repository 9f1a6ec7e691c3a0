/* See table.h. */
#include "dht/table.h"

#include <stdlib.h>

struct bucket {
    struct table_node nodes[TABLE_K];
    struct table_node *spares; /* TABLE_SPARES of them, or NULL while there is none; oldest first */
    uint8_t count, spare_count;
    usec changed, refreshed; /* refreshed: looked for nodes in its range; 0: never */
};

/* An address whose id changed; `id` is the last one. */
struct suspect {
    struct endpoint at;
    struct node_id id;
    unsigned changes;
    usec until;
};

struct table {
    struct node_id own;
    enum addr_family family;
    /* Bucket i holds the nodes that share exactly i leading bits with us; the last one those that
     * share more as well. */
    struct bucket *buckets;
    unsigned count, capacity;
    struct suspect *suspects; /* TABLE_SUSPECTS, or NULL while there is none */
};

/* ---- birth --------------------------------------------------------------------------------- */

static bool add_bucket(struct table *t, usec now)
{
    if (t->count == t->capacity) {
        unsigned capacity = t->capacity ? t->capacity + 4 : 1;
        struct bucket *grown = realloc(t->buckets, capacity * sizeof *grown);
        if (!grown)
            return false;
        t->buckets = grown;
        t->capacity = capacity;
    }
    t->buckets[t->count++] = (struct bucket){.changed = now};
    return true;
}

struct table *table_new(const struct node_id *own, enum addr_family family)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->own = *own;
    t->family = family;
    if (!add_bucket(t, 0)) {
        free(t);
        return NULL;
    }
    return t;
}

static void free_buckets(struct table *t)
{
    for (unsigned i = 0; i < t->count; i++)
        free(t->buckets[i].spares);
    free(t->buckets);
}

void table_free(struct table *t)
{
    if (!t)
        return;
    free_buckets(t);
    free(t->suspects);
    free(t);
}

const struct node_id *table_own_id(const struct table *t)
{
    return &t->own;
}

/* ---- finding ------------------------------------------------------------------------------- */

static struct bucket *bucket_of(struct table *t, const struct node_id *id)
{
    unsigned shared = node_id_shared_bits(&t->own, id);
    return &t->buckets[shared < t->count ? shared : t->count - 1];
}

static struct table_node *find_in(struct bucket *b, const struct node_id *id)
{
    for (unsigned i = 0; i < b->count; i++)
        if (node_id_equal(&b->nodes[i].id, id))
            return &b->nodes[i];
    for (unsigned i = 0; i < b->spare_count; i++)
        if (node_id_equal(&b->spares[i].id, id))
            return &b->spares[i];
    return NULL;
}

/* A node as it is known: id and address agree. */
static struct table_node *find(struct table *t, const struct node_id *id, const struct endpoint *at)
{
    struct table_node *n = find_in(bucket_of(t, id), id);
    return n && endpoint_equal(&n->at, at) ? n : NULL;
}

static bool is_bad(const struct table_node *n)
{
    return n->fails >= TABLE_FAILS_BAD;
}

static usec last_sign(const struct table_node *n)
{
    return n->answered > n->asked_us ? n->answered : n->asked_us;
}

static bool is_good(const struct table_node *n, usec now)
{
    return n->fails == 0 && n->answered > 0 && now - last_sign(n) < TABLE_GOOD_FOR;
}

/* ---- leaving ------------------------------------------------------------------------------- */

static void drop_spare(struct bucket *b, unsigned i)
{
    b->spare_count--;
    memmove(&b->spares[i], &b->spares[i + 1], (b->spare_count - i) * sizeof *b->spares);
    if (b->spare_count == 0) {
        free(b->spares);
        b->spares = NULL;
    }
}

static bool crowds(
    const struct bucket *b, const struct table_node *n, const struct table_node *but);

/* The newest spare that the bucket may hold takes a place that became free. */
static void promote(struct bucket *b, usec now)
{
    for (unsigned i = b->spare_count; i-- > 0 && b->count < TABLE_K;) {
        if (crowds(b, &b->spares[i], NULL))
            continue;
        b->nodes[b->count++] = b->spares[i];
        b->changed = now;
        drop_spare(b, i);
    }
}

static void remove_node(struct bucket *b, struct table_node *n, usec now)
{
    if (b->spares && n >= b->spares && n < b->spares + b->spare_count) {
        drop_spare(b, (unsigned)(n - b->spares));
        return;
    }
    *n = b->nodes[--b->count];
    promote(b, now);
}

/* ---- the rules against crowds -------------------------------------------------------------- */

/* Is there another one of its /24 or /64 in the bucket? */
static bool crowds(const struct bucket *b, const struct table_node *n, const struct table_node *but)
{
    if (node_address_is_local(&n->at))
        return false;
    for (unsigned i = 0; i < b->count; i++)
        if (&b->nodes[i] != but && node_address_same_prefix(&b->nodes[i].at, &n->at))
            return true;
    return false;
}

/* Whoever in the whole table has this address (any port), or exactly this endpoint. */
static struct table_node *find_address(
    struct table *t, const struct endpoint *at, bool any_port, struct bucket **where)
{
    for (unsigned i = 0; i < t->count; i++) {
        struct bucket *b = &t->buckets[i];
        for (unsigned j = 0; j < b->count; j++)
            if (endpoint_same_ip(&b->nodes[j].at, at) &&
                (any_port || b->nodes[j].at.port == at->port)) {
                *where = b;
                return &b->nodes[j];
            }
    }
    return NULL;
}

static struct suspect *find_suspect(const struct table *t, const struct endpoint *at)
{
    for (unsigned i = 0; t->suspects && i < TABLE_SUSPECTS; i++)
        if (endpoint_equal(&t->suspects[i].at, at))
            return &t->suspects[i];
    return NULL;
}

bool table_is_suspect(const struct table *t, const struct endpoint *at, usec now)
{
    const struct suspect *s = find_suspect(t, at);
    return s && s->changes >= TABLE_SUSPECT_CHANGES && now < s->until;
}

static struct suspect *new_suspect(struct table *t, const struct endpoint *at)
{
    if (!t->suspects)
        t->suspects = calloc(TABLE_SUSPECTS, sizeof *t->suspects);
    if (!t->suspects)
        return NULL;
    struct suspect *s = &t->suspects[0];
    for (unsigned i = 1; i < TABLE_SUSPECTS; i++)
        if (t->suspects[i].until < s->until)
            s = &t->suspects[i];
    *s = (struct suspect){.at = *at};
    return s;
}

/* A node that was started anew has a new id too, once; others may name it by the old one for long.
 * So a change counts only if the id is again another one. */
bool table_note_change(
    struct table *t, const struct endpoint *at, const struct node_id *id, usec now)
{
    struct bucket *b = NULL;
    struct table_node *old = find_address(t, at, false, &b);
    if (old && !node_id_equal(&old->id, id))
        remove_node(b, old, now);
    struct suspect *s = find_suspect(t, at);
    if (!s)
        s = new_suspect(t, at);
    if (!s)
        return false;
    if (now >= s->until)
        s->changes = 0;
    if (s->changes == 0 || !node_id_equal(&s->id, id))
        s->changes++;
    s->id = *id;
    s->until = now + TABLE_SUSPECT_FOR;
    return s->changes >= TABLE_SUSPECT_CHANGES;
}

/* ---- entering ------------------------------------------------------------------------------ */

/* The last bucket, where our own id would be, becomes two. */
static bool split(struct table *t, usec now)
{
    if (t->count >= TABLE_BUCKETS_MAX || !add_bucket(t, now))
        return false;
    struct bucket *old = &t->buckets[t->count - 2], *new = &t->buckets[t->count - 1];
    struct bucket was = *old;
    old->count = 0;
    for (unsigned i = 0; i < was.count; i++) {
        bool nearer = node_id_shared_bits(&t->own, &was.nodes[i].id) >= t->count - 1;
        struct bucket *b = nearer ? new : old;
        b->nodes[b->count++] = was.nodes[i];
    }
    old->spare_count = 0;
    for (unsigned i = 0; i < was.spare_count; i++) {
        bool nearer = node_id_shared_bits(&t->own, &was.spares[i].id) >= t->count - 1;
        if (!nearer)
            old->spares[old->spare_count++] = was.spares[i];
        else if (new->spares || (new->spares = malloc(TABLE_SPARES * sizeof *new->spares)))
            new->spares[new->spare_count++] = was.spares[i];
    }
    if (old->spares && old->spare_count == 0) {
        free(old->spares);
        old->spares = NULL;
    }
    promote(old, now);
    promote(new, now);
    return true;
}

static void add_spare(struct bucket *b, const struct table_node *n)
{
    if (!b->spares)
        b->spares = malloc(TABLE_SPARES * sizeof *b->spares);
    if (!b->spares)
        return;
    if (b->spare_count == TABLE_SPARES) {
        memmove(b->spares, b->spares + 1, (TABLE_SPARES - 1) * sizeof *b->spares);
        b->spare_count--;
    }
    b->spares[b->spare_count++] = *n;
}

/* Whom a full bucket would give up for `n`: one that is bad; else, for one whose id fits, one whose
 * id does not. NULL: nobody. */
static struct table_node *replaceable(struct bucket *b, const struct table_node *n)
{
    struct table_node *worst = NULL;
    for (unsigned i = 0; i < b->count; i++)
        if (is_bad(&b->nodes[i]) && (!worst || b->nodes[i].answered < worst->answered))
            worst = &b->nodes[i];
    for (unsigned i = 0; !worst && n->fits && i < b->count; i++)
        if (!b->nodes[i].fits)
            worst = &b->nodes[i];
    return worst;
}

/* Puts a node that is nowhere in the table where it belongs. */
static bool insert(struct table *t, const struct table_node *n, usec now)
{
    struct bucket *b = bucket_of(t, &n->id);
    while (b->count == TABLE_K && b == &t->buckets[t->count - 1] && !replaceable(b, n)) {
        if (!split(t, now))
            break;
        b = bucket_of(t, &n->id);
    }
    struct table_node *place = b->count < TABLE_K ? &b->nodes[b->count] : replaceable(b, n);
    if (!place || crowds(b, n, b->count < TABLE_K ? NULL : place)) {
        if (!crowds(b, n, NULL))
            add_spare(b, n);
        return false;
    }
    if (place == &b->nodes[b->count])
        b->count++;
    *place = *n;
    b->changed = now;
    return true;
}

/* A known endpoint or id comes in another pair. True: the newcomer may try to get in. */
static bool settle_claims(
    struct table *t, const struct node_id *id, const struct endpoint *at, usec now)
{
    struct bucket *b = NULL;
    struct table_node *other = find_address(t, at, false, &b);
    if (other && table_note_change(t, at, id, now))
        return false;
    b = bucket_of(t, id);
    other = find_in(b, id);
    if (other) { /* the same id at another endpoint: who was first stays while it is good */
        if (is_good(other, now))
            return false;
        remove_node(b, other, now);
    }
    if (node_address_is_local(at))
        return true;
    other = find_address(t, at, true, &b);
    if (other && !is_bad(other))
        return false;
    if (other)
        remove_node(b, other, now);
    return true;
}

static bool acceptable(
    const struct table *t, const struct node_id *id, const struct endpoint *at, usec now)
{
    return at->family == t->family && at->port != 0 && !node_id_equal(id, &t->own) &&
           !table_is_suspect(t, at, now);
}

bool table_answered(struct table *t, const struct node_id *id, const struct endpoint *at, usec now)
{
    if (!acceptable(t, id, at, now))
        return false;
    struct table_node *n = find(t, id, at);
    if (n) {
        struct bucket *b = bucket_of(t, id);
        n->answered = now;
        n->fails = 0;
        bool spare = b->spares && n >= b->spares && n < b->spares + b->spare_count;
        b->changed = spare ? b->changed : now;
        return !spare;
    }
    if (!settle_claims(t, id, at, now))
        return false;
    struct table_node new = {
        .id = *id, .at = *at, .fits = node_id_fits(id, at), .answered = now, .tried = now};
    return insert(t, &new, now);
}

bool table_would_take(
    struct table *t, const struct node_id *id, const struct endpoint *at, usec now)
{
    struct bucket *b = bucket_of(t, id), *where;
    struct table_node new = {.id = *id, .at = *at, .fits = node_id_fits(id, at)};
    if (!acceptable(t, id, at, now) || find_in(b, id) ||
        find_address(t, at, !node_address_is_local(at), &where) || crowds(b, &new, NULL))
        return false;
    return b->count < TABLE_K || b == &t->buckets[t->count - 1] || replaceable(b, &new);
}

bool table_heard(struct table *t, const struct node_id *id, const struct endpoint *at, usec now)
{
    if (!acceptable(t, id, at, now))
        return false;
    struct table_node *n = find(t, id, at);
    if (n) {
        n->asked_us = now;
        return false;
    }
    return table_would_take(t, id, at, now);
}

void table_tried(struct table *t, const struct node_id *id, const struct endpoint *at, usec now)
{
    struct table_node *n = find(t, id, at);
    if (n)
        n->tried = now;
}

void table_failed(struct table *t, const struct node_id *id, const struct endpoint *at, usec now)
{
    struct table_node *n = find(t, id, at);
    if (!n)
        return;
    if (n->fails < UINT8_MAX)
        n->fails++;
    struct bucket *b = bucket_of(t, id);
    if (is_bad(n) && b->spare_count > 0)
        remove_node(b, n, now);
}

int table_set_own_id(struct table *t, const struct node_id *own, usec now)
{
    struct table old = *t;
    t->own = *own;
    t->buckets = NULL;
    t->count = t->capacity = 0;
    if (!add_bucket(t, now)) {
        *t = old;
        return ERR_NOMEM;
    }
    for (unsigned i = 0; i < old.count; i++)
        for (unsigned j = 0; j < old.buckets[i].count; j++)
            insert(t, &old.buckets[i].nodes[j], now);
    free_buckets(&old);
    return 0;
}

/* ---- asking the table ---------------------------------------------------------------------- */

static size_t put_sorted(struct table_node *out, size_t count, size_t max,
    const struct node_id *target, const struct table_node *n)
{
    size_t at = count;
    while (at > 0 && node_id_compare(target, &n->id, &out[at - 1].id) < 0)
        at--;
    if (at == max)
        return count;
    size_t kept = count < max ? count : max - 1;
    memmove(&out[at + 1], &out[at], (kept - at) * sizeof *out);
    out[at] = *n;
    return kept + 1;
}

size_t table_closest(const struct table *t, const struct node_id *target, enum table_which which,
    struct table_node *out, size_t max, usec now)
{
    size_t count = 0;
    for (unsigned i = 0; i < t->count && max > 0; i++)
        for (unsigned j = 0; j < t->buckets[i].count; j++) {
            const struct table_node *n = &t->buckets[i].nodes[j];
            if (which == TABLE_GOOD ? is_good(n, now) : !is_bad(n))
                count = put_sorted(out, count, max, target, n);
        }
    return count;
}

/* When a node is to be asked again. Longer and longer pauses for one that is silent. */
static usec check_due(const struct table_node *n)
{
    if (n->fails == 0)
        return (last_sign(n) > n->tried ? last_sign(n) : n->tried) + TABLE_GOOD_FOR;
    usec pause = TABLE_RETRY_MIN << (2 * (n->fails < 6 ? n->fails - 1 : 5));
    return n->tried + (pause < TABLE_RETRY_MAX ? pause : TABLE_RETRY_MAX);
}

bool table_next_check(const struct table *t, struct table_node *out, usec *due, usec now)
{
    const struct table_node *first = NULL;
    for (unsigned i = 0; i < t->count; i++)
        for (unsigned j = 0; j < t->buckets[i].count; j++) {
            const struct table_node *n = &t->buckets[i].nodes[j];
            if (!first || check_due(n) < check_due(first))
                first = n;
        }
    *due = first ? check_due(first) : NEVER;
    if (!first || *due > now)
        return false;
    *out = *first;
    return true;
}

void table_doubt(struct table *t, usec now)
{
    for (unsigned i = 0; i < t->count; i++)
        for (unsigned j = 0; j < t->buckets[i].count; j++) {
            struct table_node *n = &t->buckets[i].nodes[j];
            n->fails = 1;
            n->tried = now - TABLE_RETRY_MIN;
        }
}

bool table_next_refresh(
    struct table *t, const struct node_id *random, struct node_id *target, usec now)
{
    for (unsigned i = 0; i < t->count; i++) {
        struct bucket *b = &t->buckets[i];
        bool sparse =
            b->count < TABLE_K / 2 && (b->refreshed == 0 || now - b->refreshed >= TABLE_GOOD_FOR);
        if (now - b->changed < TABLE_GOOD_FOR && !sparse)
            continue;
        b->changed = b->refreshed = now;
        bool last = i == t->count - 1;
        *target = node_id_at_bits(&t->own, i, random);
        if (last) /* its range begins with our own next bit as well */
            target->b[i / 8] ^= (uint8_t)((random->b[19] & 1) ? 0x80u >> (i % 8) : 0);
        return true;
    }
    return false;
}

struct table_counts table_count(const struct table *t, usec now)
{
    struct table_counts c = {.buckets = t->count};
    for (unsigned i = 0; i < t->count; i++) {
        c.nodes += t->buckets[i].count;
        c.spares += t->buckets[i].spare_count;
        for (unsigned j = 0; j < t->buckets[i].count; j++)
            c.good += is_good(&t->buckets[i].nodes[j], now);
    }
    return c;
}

const struct table_node *table_at(const struct table *t, size_t n)
{
    for (unsigned i = 0; i < t->count; i++) {
        if (n < t->buckets[i].count)
            return &t->buckets[i].nodes[n];
        n -= t->buckets[i].count;
    }
    return NULL;
}

/* ---- kept on disk -------------------------------------------------------------------------- */

static void save_those(const struct table *t, struct builder *b, bool good, size_t *room, usec now)
{
    for (unsigned i = 0; i < t->count; i++)
        for (unsigned j = 0; j<t->buckets[i].count && * room> 0; j++) {
            const struct table_node *n = &t->buckets[i].nodes[j];
            if (is_bad(n) || is_good(n, now) != good)
                continue;
            krpc_put_node(b, &(struct krpc_node){n->id, n->at});
            (*room)--;
        }
}

void table_save(const struct table *t, struct builder *b, usec now)
{
    size_t room = TABLE_SAVED_MAX;
    save_those(t, b, true, &room, now);
    save_those(t, b, false, &room, now);
}
