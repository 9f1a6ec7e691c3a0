/* See peer_store.h. */
#include "dht/peer_store.h"

#include "base/list.h"
#include "base/map.h"
#include "dht/bloom.h"
#include <stdlib.h>

struct stored_peer {
    uint8_t ip[16];
    uint16_t port;
    bool seed, v4;
    uint32_t until_s; /* seconds of our clock */
};

/* One info-hash. */
struct swarm {
    struct list_link link; /* in the order of their last announces, oldest first */
    struct info_hash hash;
    struct stored_peer *peers;
    uint32_t count, capacity;
};

struct peer_store {
    struct dht_random *random;
    struct map *swarms;
    struct list_link order;
    size_t total;
};

struct peer_store *peer_store_new(struct dht_random *random)
{
    struct peer_store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    uint8_t key[16];
    dht_random_fill(random, key, sizeof key);
    s->random = random;
    list_init(&s->order);
    s->swarms = map_new(sizeof(struct info_hash), key);
    if (!s->swarms) {
        free(s);
        return NULL;
    }
    return s;
}

static void drop_swarm(struct peer_store *s, struct swarm *w)
{
    map_remove(s->swarms, &w->hash);
    list_remove(&w->link);
    s->total -= w->count;
    free(w->peers);
    free(w);
}

void peer_store_free(struct peer_store *s)
{
    if (!s)
        return;
    list_for_each_safe(at, &s->order) drop_swarm(s, list_entry(at, struct swarm, link));
    map_free(s->swarms);
    free(s);
}

/* ---- time
 * ------------------------------------------------------------------------------------------------
 */

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
    struct swarm *w = map_get(s->swarms, hash);
    if (!w)
        return NULL;
    expire_peers(s, w, now);
    if (w->count > 0)
        return w;
    drop_swarm(s, w);
    return NULL;
}

void peer_store_expire(struct peer_store *s, usec now)
{
    list_for_each_safe(at, &s->order) find(s, &list_entry(at, struct swarm, link)->hash, now);
}

/* ---- storing
 * --------------------------------------------------------------------------------------------- */

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

/* The one farthest from us, save `but`; NULL if there is none. */
static struct swarm *farthest(
    const struct peer_store *s, const struct node_id *own, const struct swarm *but)
{
    struct swarm *far = NULL;
    struct node_id of_far = {0};
    list_for_each(at, &s->order)
    {
        struct swarm *w = list_entry(at, struct swarm, link);
        struct node_id id = node_id_of_hash(&w->hash);
        if (w == but || (far && node_id_compare(own, &id, &of_far) <= 0))
            continue;
        far = w;
        of_far = id;
    }
    return far;
}

static bool is_farther(
    const struct node_id *own, const struct info_hash *hash, const struct swarm *than)
{
    struct node_id a = node_id_of_hash(hash), b = node_id_of_hash(&than->hash);
    return node_id_compare(own, &a, &b) > 0;
}

static struct swarm *add_swarm(
    struct peer_store *s, const struct info_hash *hash, const struct node_id *own)
{
    if (map_count(s->swarms) >= PEER_STORE_HASHES_MAX) {
        struct swarm *far = farthest(s, own, NULL);
        if (is_farther(own, hash, far))
            return NULL;
        drop_swarm(s, far);
    }
    struct swarm *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->hash = *hash;
    list_init(&w->link);
    if (map_put(s->swarms, hash, w) != 0) {
        free(w);
        return NULL;
    }
    return w;
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
        w = add_swarm(s, &a->hash, own);
    if (!w)
        return false;
    list_remove(&w->link);
    list_push_back(&s->order, &w->link);
    struct stored_peer *p = find_peer(w, &a->at);
    if (!p)
        p = add_peer(s, w);
    if (!p) {
        if (w->count == 0)
            drop_swarm(s, w);
        return false;
    }
    *p = (struct stored_peer){.port = a->at.port,
        .seed = a->seed,
        .v4 = a->at.family == ADDR_V4,
        .until_s = seconds(now + PEER_STORE_LIFE)};
    memcpy(p->ip, a->at.ip, sizeof p->ip);
    while (s->total > PEER_STORE_TOTAL_MAX && s->order.next != s->order.prev)
        drop_swarm(s, farthest(s, own, w));
    return true;
}

bool peer_store_has_room(struct peer_store *s, const struct info_hash *hash)
{
    const struct swarm *w = map_get(s->swarms, hash);
    return !w || w->count < PEER_STORE_PEERS_MAX;
}

/* ---- giving
 * ---------------------------------------------------------------------------------------------- */

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

size_t peer_store_get(struct peer_store *s, const struct info_hash *hash, bool no_seeds,
    struct endpoint *out, size_t max, usec now)
{
    struct swarm *w = find(s, hash, now);
    if (!w)
        return 0;
    uint32_t leading = w->count; /* those to choose from first stand first */
    if (no_seeds) {
        leading = 0;
        for (uint32_t i = 0; i < w->count; i++)
            if (!w->peers[i].seed)
                swap(&w->peers[leading++], &w->peers[i]);
    }
    size_t count = 0;
    for (uint32_t i = 0; i < w->count && count < max; i++) {
        uint32_t end = i < leading ? leading : w->count;
        swap(&w->peers[i], &w->peers[i + dht_random_below(s->random, end - i)]);
        out[count++] = endpoint_of(&w->peers[i]);
    }
    return count;
}

bool peer_store_scrape(struct peer_store *s, const struct info_hash *hash,
    uint8_t seeds[KRPC_BLOOM_SIZE], uint8_t peers[KRPC_BLOOM_SIZE], usec now)
{
    struct swarm *w = find(s, hash, now);
    if (!w)
        return false;
    memset(seeds, 0, KRPC_BLOOM_SIZE);
    memset(peers, 0, KRPC_BLOOM_SIZE);
    for (uint32_t i = 0; i < w->count; i++) {
        struct endpoint e = endpoint_of(&w->peers[i]);
        bloom_add(w->peers[i].seed ? seeds : peers, &e);
    }
    return true;
}

size_t peer_store_sample(
    struct peer_store *s, struct info_hash out[PEER_STORE_SAMPLES_MAX], uint32_t *all, usec now)
{
    peer_store_expire(s, now);
    size_t count = 0, seen = 0;
    list_for_each(at, &s->order)
    {
        const struct swarm *w = list_entry(at, struct swarm, link);
        seen++;
        size_t place = count;
        if (count == PEER_STORE_SAMPLES_MAX)
            place = (size_t)dht_random_below(s->random, seen);
        else
            count++;
        if (place < PEER_STORE_SAMPLES_MAX)
            out[place] = w->hash;
    }
    *all = (uint32_t)seen;
    return count;
}

size_t peer_store_hashes(const struct peer_store *s)
{
    return map_count(s->swarms);
}

size_t peer_store_peers(const struct peer_store *s)
{
    return s->total;
}
