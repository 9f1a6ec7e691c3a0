/* See peer_store.h. */
#include "dht/peer_store.h"

#include "dht/bloom.h"
#include "dht/shelf.h"
#include <stdlib.h>

struct stored_peer {
    uint8_t ip[16];
    uint16_t port;
    bool seed, v4;
    uint32_t until_s; /* seconds of our clock */
};

/* One info-hash. */
struct swarm {
    struct shelf_entry entry;
    struct endpoint from; /* who named it first */
    struct stored_peer *peers;
    uint32_t count, capacity;
};

struct peer_samples {
    struct info_hash hashes[PEER_STORE_SAMPLES_MAX];
    uint32_t count, all;
    usec until; /* when others are drawn */
};

struct peer_store {
    struct dht_random *random;
    struct shelf shelf;
    size_t total;
    struct peer_samples samples;
};

static struct swarm *swarm_of(struct shelf_entry *e)
{
    return container_of(e, struct swarm, entry);
}

static void free_swarm(struct shelf *shelf, struct shelf_entry *e)
{
    struct swarm *w = swarm_of(e);
    container_of(shelf, struct peer_store, shelf)->total -= w->count;
    free(w->peers);
    free(w);
}

struct peer_store *peer_store_new(struct dht_random *random)
{
    struct peer_store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->random = random;
    if (shelf_init(&s->shelf, PEER_STORE_HASHES_MAX, random, free_swarm) != 0) {
        free(s);
        return NULL;
    }
    return s;
}

void peer_store_free(struct peer_store *s)
{
    if (s)
        shelf_clear(&s->shelf);
    free(s);
}

/* ---- time ---------------------------------------------------------------------------------- */

static uint32_t seconds(usec t)
{
    return (uint32_t)(t / USEC_PER_SEC);
}

static void expire_peers(struct peer_store *s, struct swarm *w, usec now)
{
    for (uint32_t i = 0; i < w->count;) {
        if (seconds(now) < w->peers[i].until_s) {
            i++;
            continue;
        }
        w->peers[i] = w->peers[--w->count];
        s->total--;
    }
}

/* The swarm without what has expired; NULL if nothing is left of it. */
static struct swarm *find(struct peer_store *s, const struct info_hash *hash, usec now)
{
    struct node_id key = node_id_of_hash(hash);
    struct shelf_entry *e = shelf_find(&s->shelf, &key);
    if (!e)
        return NULL;
    expire_peers(s, swarm_of(e), now);
    if (swarm_of(e)->count > 0)
        return swarm_of(e);
    shelf_drop(&s->shelf, e);
    return NULL;
}

void peer_store_expire(struct peer_store *s, usec now)
{
    list_for_each_safe(at, &s->shelf.order)
    {
        struct info_hash hash = node_id_to_hash(&list_entry(at, struct shelf_entry, link)->key);
        find(s, &hash, now);
    }
}

/* ---- storing ------------------------------------------------------------------------------- */

static bool is_at(const struct stored_peer *p, const struct endpoint *e)
{
    return p->v4 == (e->family == ADDR_V4) && memcmp(p->ip, e->ip, sizeof p->ip) == 0;
}

static struct stored_peer *find_peer(struct swarm *w, const struct endpoint *at)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (is_at(&w->peers[i], at))
            return &w->peers[i];
    return NULL;
}

static bool has_enough(const struct peer_store *s, const struct endpoint *from)
{
    unsigned count = 0;
    if (node_address_is_local(from))
        return false;
    list_for_each(at, &s->shelf.order)
    {
        struct shelf_entry *e = list_entry(at, struct shelf_entry, link);
        count += node_address_same_owner(&swarm_of(e)->from, from);
    }
    return count >= PEER_STORE_FROM_ADDRESS_MAX;
}

static struct swarm *add_swarm(
    struct peer_store *s, const struct peer_store_announce *a, const struct node_id *own)
{
    if (has_enough(s, &a->at))
        return NULL;
    struct swarm *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->entry.key = node_id_of_hash(&a->hash);
    w->from = a->at;
    list_init(&w->entry.link);
    if (shelf_add(&s->shelf, &w->entry, own))
        return w;
    free(w);
    return NULL;
}

static struct stored_peer *add_peer(struct peer_store *s, struct swarm *w)
{
    if (w->count >= PEER_STORE_PEERS_MAX)
        return NULL;
    if (w->count == w->capacity) {
        uint32_t capacity = w->capacity ? w->capacity * 2 : 2;
        struct stored_peer *grown = realloc(w->peers, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        w->peers = grown;
        w->capacity = capacity;
    }
    s->total++;
    return &w->peers[w->count++];
}

bool peer_store_add(
    struct peer_store *s, const struct peer_store_announce *a, const struct node_id *own, usec now)
{
    struct swarm *w = find(s, &a->hash, now);
    if (!w)
        w = add_swarm(s, a, own);
    if (!w)
        return false;
    shelf_touch(&s->shelf, &w->entry);
    struct stored_peer *p = find_peer(w, &a->at);
    if (!p)
        p = add_peer(s, w);
    if (!p) {
        if (w->count == 0)
            shelf_drop(&s->shelf, &w->entry);
        return false;
    }
    *p = (struct stored_peer){.port = a->at.port,
        .seed = a->seed,
        .v4 = a->at.family == ADDR_V4,
        .until_s = seconds(now + PEER_STORE_LIFE)};
    memcpy(p->ip, a->at.ip, sizeof p->ip);
    while (s->total > PEER_STORE_TOTAL_MAX && shelf_count(&s->shelf) > 1)
        shelf_drop(&s->shelf, shelf_farthest(&s->shelf, own, &w->entry));
    return true;
}

bool peer_store_has_room(struct peer_store *s, const struct info_hash *hash)
{
    struct node_id key = node_id_of_hash(hash);
    struct shelf_entry *e = shelf_find(&s->shelf, &key);
    return !e || swarm_of(e)->count < PEER_STORE_PEERS_MAX;
}

/* ---- giving -------------------------------------------------------------------------------- */

static struct endpoint endpoint_of(const struct stored_peer *p)
{
    return p->v4 ? endpoint_from_ip4(p->ip, p->port) : endpoint_from_ip6(p->ip, p->port);
}

static void swap(struct stored_peer *a, struct stored_peer *b)
{
    struct stored_peer t = *a;
    *a = *b;
    *b = t;
}

static bool is_given(const struct stored_peer *p, unsigned which)
{
    struct endpoint e = endpoint_of(p);
    return !(which & PEER_STORE_NO_SEEDS && p->seed) &&
           !(which & PEER_STORE_GLOBAL && node_address_is_local(&e));
}

/* Moves those that are given to the front, from `from` on. How many stand there then. */
static uint32_t gather(struct swarm *w, uint32_t from, unsigned which)
{
    uint32_t count = from;
    for (uint32_t i = from; i < w->count; i++)
        if (is_given(&w->peers[i], which))
            swap(&w->peers[count++], &w->peers[i]);
    return count;
}

size_t peer_store_get(struct peer_store *s, const struct info_hash *hash, unsigned which,
    struct endpoint *out, size_t max, usec now)
{
    struct swarm *w = find(s, hash, now);
    if (!w)
        return 0;
    uint32_t leading = which & PEER_STORE_NO_SEEDS ? gather(w, 0, which) : 0;
    uint32_t given = gather(w, leading, which & PEER_STORE_GLOBAL);
    size_t count = 0;
    for (uint32_t i = 0; i < given && count < max; i++) {
        uint32_t end = i < leading ? leading : given;
        swap(&w->peers[i], &w->peers[i + dht_random_below(s->random, end - i)]);
        out[count++] = endpoint_of(&w->peers[i]);
    }
    return count;
}

bool peer_store_scrape(struct peer_store *s, const struct info_hash *hash, unsigned which,
    uint8_t seeds[KRPC_BLOOM_SIZE], uint8_t peers[KRPC_BLOOM_SIZE], usec now)
{
    struct swarm *w = find(s, hash, now);
    if (!w)
        return false;
    memset(seeds, 0, KRPC_BLOOM_SIZE);
    memset(peers, 0, KRPC_BLOOM_SIZE);
    for (uint32_t i = 0; i < w->count; i++) {
        struct endpoint e = endpoint_of(&w->peers[i]);
        if (is_given(&w->peers[i], which & PEER_STORE_GLOBAL))
            bloom_add(w->peers[i].seed ? seeds : peers, &e);
    }
    return true;
}

/* ---- samples ------------------------------------------------------------------------------- */

static bool is_public(const struct swarm *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (is_given(&w->peers[i], PEER_STORE_GLOBAL))
            return true;
    return false;
}

/* Each with the same chance, in one pass. */
static void draw_samples(struct peer_store *s, usec now)
{
    struct peer_samples *drawn = &s->samples;
    *drawn = (struct peer_samples){.until = now + PEER_STORE_SAMPLE_LIFE};
    peer_store_expire(s, now);
    list_for_each(at, &s->shelf.order)
    {
        struct shelf_entry *e = list_entry(at, struct shelf_entry, link);
        if (!is_public(swarm_of(e)))
            continue;
        size_t place = drawn->all++;
        if (place < PEER_STORE_SAMPLES_MAX)
            drawn->count++;
        else
            place = (size_t)dht_random_below(s->random, drawn->all);
        if (place < PEER_STORE_SAMPLES_MAX)
            drawn->hashes[place] = node_id_to_hash(&e->key);
    }
}

size_t peer_store_sample(
    struct peer_store *s, const struct info_hash **samples, uint32_t *all, usec now)
{
    if (now >= s->samples.until)
        draw_samples(s, now);
    *samples = s->samples.hashes;
    *all = s->samples.all;
    return s->samples.count;
}

size_t peer_store_hashes(const struct peer_store *s)
{
    return shelf_count(&s->shelf);
}

size_t peer_store_peers(const struct peer_store *s)
{
    return s->total;
}
