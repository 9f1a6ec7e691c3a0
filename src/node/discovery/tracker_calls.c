/* See tracker_calls.h. */
#include "node/discovery/tracker_calls.h"

#include "base/err.h"
#include "base/map.h"
#include <string.h>

int tracker_calls_init(struct tracker_calls *c, const uint8_t seed[16])
{
    *c = (struct tracker_calls){.by_transaction = map_new(sizeof(uint32_t), seed)};
    memcpy(c->seed, seed, sizeof c->seed);
    for (unsigned i = 0; i < TRACKER_LANES; i++)
        list_init(&c->waiting[i]);
    tracker_ids_init(&c->ids);
    return c->by_transaction ? 0 : ERR_NOMEM;
}

void tracker_calls_free(struct tracker_calls *c)
{
    map_free(c->by_transaction);
    c->by_transaction = NULL;
}

/* ---- whose an answer is -------------------------------------------------------------------- */

struct tracker_call *tracker_calls_find(const struct tracker_calls *c, uint32_t transaction)
{
    return map_get(c->by_transaction, &transaction);
}

void tracker_calls_forget(struct tracker_calls *c, struct tracker_call *call, uint32_t transaction)
{
    if (map_get(c->by_transaction, &transaction) == call)
        map_remove(c->by_transaction, &transaction);
}

void tracker_calls_renumber(
    struct tracker_calls *c, struct tracker_call *call, uint32_t before, uint32_t now)
{
    tracker_calls_forget(c, call, before);
    (void)map_put(c->by_transaction, &now, call);
}

uint64_t tracker_calls_key(
    const struct tracker_calls *c, const struct endpoint *at, const struct proxy_target *named)
{
    if (at->family != ADDR_NONE)
        return endpoint_hash(at, c->seed);
    return siphash13(named->name, strlen(named->name), c->seed) + named->port;
}

/* ---- who answers nobody -------------------------------------------------------------------- */

/* Where the host's silence is remembered, whoever is there now. */
static struct tracker_host *place_of(struct tracker_calls *c, struct bytes host, uint64_t *key)
{
    *key = siphash13(host.data, host.size, c->seed);
    return &c->hosts[*key % TRACKER_HOSTS];
}

bool tracker_hosts_may_ask(struct tracker_calls *c, struct bytes host, usec now)
{
    uint64_t key;
    struct tracker_host *h = place_of(c, host, &key);
    if (h->key != key || h->silences < TRACKER_HOSTS_SILENCES)
        return true;
    if (now < h->until)
        return false;
    h->until = now + TRACKER_HOSTS_PAUSE; /* this one tries */
    return true;
}

void tracker_hosts_answered(struct tracker_calls *c, struct bytes host)
{
    uint64_t key;
    struct tracker_host *h = place_of(c, host, &key);
    if (h->key == key)
        *h = (struct tracker_host){0};
}

void tracker_hosts_silent(struct tracker_calls *c, struct bytes host, usec now)
{
    uint64_t key;
    struct tracker_host *h = place_of(c, host, &key);
    if (h->key != key)
        *h = (struct tracker_host){.key = key};
    h->silences++;
    h->until = now + TRACKER_HOSTS_PAUSE;
}

void tracker_calls_forget_trackers(struct tracker_calls *c)
{
    tracker_ids_forget_all(&c->ids);
    memset(c->hosts, 0, sizeof c->hosts);
}
