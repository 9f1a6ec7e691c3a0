/* The peers that others announced to us (BEP 5): by info-hash, one an address (BEP 33), in bounds,
 * for 45 minutes. Gives back random ones, counts them into bloom filters (BEP 33), and samples of
 * the info-hashes (BEP 51). */
#ifndef KITH_DHT_PEER_STORE_H
#define KITH_DHT_PEER_STORE_H

#include "base/time.h"
#include "dht/krpc.h"
#include "dht/random.h"

#define PEER_STORE_HASHES_MAX 2000u
#define PEER_STORE_PEERS_MAX 500u        /* of one info-hash */
#define PEER_STORE_TOTAL_MAX 20000u      /* peers of all info-hashes */
#define PEER_STORE_FROM_ADDRESS_MAX 200u /* info-hashes that one address, or /64, named first */
#define PEER_STORE_LIFE SECONDS(45 * 60)
#define PEER_STORE_SAMPLES_MAX 20u
#define PEER_STORE_SAMPLE_LIFE SECONDS(60)

struct peer_store;

struct peer_store *peer_store_new(
    struct dht_random *); /* `random` must outlive it; NULL: no memory */
void peer_store_free(struct peer_store *);
struct peer_store_announce {
    struct info_hash hash;
    struct endpoint at;
    bool seed;
};
/* Stores or renews. False: no room. When there are too many, the info-hash farthest from `own`, our
 * id, makes room (shelf.h); one address alone cannot fill it, nor push out what others announced.
 */
bool peer_store_add(
    struct peer_store *, const struct peer_store_announce *, const struct node_id *own, usec now);
/* Which peers are given. */
enum peer_store_which {
    PEER_STORE_ALL = 0,
    PEER_STORE_NO_SEEDS = 1, /* as far as there are enough others */
    PEER_STORE_GLOBAL = 2    /* none of the local network: that is no stranger's business */
};
/* Random peers of one info-hash. How many. */
size_t peer_store_get(struct peer_store *, const struct info_hash *, unsigned which,
    struct endpoint *out, size_t max, usec now);
/* Is there room for more peers of this info-hash? If not, a token is not to be given (BEP 33). */
bool peer_store_has_room(struct peer_store *, const struct info_hash *);
/* Fills both filters; false if the info-hash is not known. */
bool peer_store_scrape(struct peer_store *, const struct info_hash *, unsigned which,
    uint8_t seeds[KRPC_BLOOM_SIZE], uint8_t peers[KRPC_BLOOM_SIZE], usec now);
/* Random info-hashes with peers of the open internet, and how many of them there are in all. Who
 * asks again within PEER_STORE_SAMPLE_LIFE is told the same: a question costs nothing (BEP 51). */
size_t peer_store_sample(
    struct peer_store *, const struct info_hash **samples, uint32_t *all, usec now);
/* Forgets what has expired; called now and then. */
void peer_store_expire(struct peer_store *, usec now);
size_t peer_store_hashes(const struct peer_store *);
size_t peer_store_peers(const struct peer_store *);

#endif
