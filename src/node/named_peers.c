/* Peers that go by a name: of a link's x.pe, or of who runs us (-p). Each name is looked up when
 * its torrent begins, and again while that fails: the user's for ever, those of a link, which a
 * stranger may have filled with names of silent servers, a few times. None is while its torrent is
 * paused. Where names are not looked up at all (egress.h) that is said. See node_internal.h. */
#include "node/discovery/dht_io.h"
#include "node/net/egress.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_FIRST SECONDS(5)
#define RETRY_LAST SECONDS(300)
#define LINK_TRIES_MAX 3u

struct named_peer {
    struct list_link link; /* entry->named_peers */
    struct kith_torrent *entry;
    struct env_resolve *lookup; /* NULL: none is under way */
    struct timer retry;
    usec delay;     /* before the next try; 0: none has failed */
    unsigned tries; /* that failed, the resolver being at fault apart */
    bool waits;     /* for its torrent to be resumed */
    enum addr_source source;
    uint16_t port;
    char host[];
};

static void forget(struct named_peer *p)
{
    if (p->lookup)
        env_resolve_cancel(p->lookup);
    timer_cancel(&p->entry->node->timers, &p->retry);
    list_remove(&p->link);
    free(p);
}

/* Once of each name, though it is tried again. */
static void tell(struct named_peer *p, int err)
{
    char text[2 * NODE_TEXT_MAX];
    struct builder b = builder_fixed(text, sizeof text);
    builder_str(&b, "the peer ");
    text_escape(bytes_of_str(p->host), &b);
    builder_str(
        &b, err == ERR_BLOCKED
                ? ": names are not looked up with a proxy or --interface, its address is needed"
                : ": the name was not found; it is looked up again");
    node_event(p->entry->node, KITH_EVENT_WARNING, p->entry, err, builder_text(&b));
}

/* Nothing was asked: that says nothing of the name. */
static bool is_ours(int err)
{
    return err == ERR_LIMIT || err == ERR_NOMEM;
}

static void failed(struct named_peer *p, int err)
{
    struct kith_node *n = p->entry->node;
    if (!is_ours(err) && p->tries++ == 0)
        tell(p, err);
    if (err == ERR_BLOCKED || (p->source == ADDR_FROM_LINK && p->tries >= LINK_TRIES_MAX)) {
        forget(p);
        return;
    }
    p->delay = p->delay == 0 ? RETRY_FIRST : p->delay * 2 < RETRY_LAST ? p->delay * 2 : RETRY_LAST;
    if (timer_set(&n->timers, &p->retry, env_now(n->env) + p->delay) != 0)
        forget(p);
    node_arm(n);
}

void named_peers_found(struct kith_torrent *k, const struct endpoint *at, enum addr_source source)
{
    torrent_add_candidate(k->torrent, at, source);
    dht_io_guess(k->node, at, source); /* clients have the DHT at the same port */
}

static void resolved(void *user, int err, const struct endpoint *at, size_t count)
{
    struct named_peer *p = user;
    struct kith_torrent *k = p->entry;
    p->lookup = NULL;
    if (err) {
        failed(p, err);
        return;
    }
    for (size_t i = 0; k->torrent && i < count; i++) {
        named_peers_found(k, &at[i], p->source);
    }
    forget(p);
}

static void look_up(struct named_peer *p)
{
    p->waits = p->entry->paused;
    if (p->waits)
        return;
    int err = egress_resolve(p->entry->node, p->host, p->port, resolved, p, &p->lookup);
    if (err)
        failed(p, err);
}

static void retry(struct timer *timer, usec now)
{
    (void)now;
    look_up(container_of(timer, struct named_peer, retry));
}

static size_t count_of(const struct kith_torrent *k)
{
    size_t count = 0;
    list_for_each(at, &k->awake->named_peers) count++;
    return count;
}

int named_peers_add(
    struct kith_torrent *k, struct bytes host, uint16_t port, enum addr_source source)
{
    if (!k->awake || !k->torrent)
        return ERR_AGAIN;
    if (count_of(k) == NODE_NAMED_PEERS_MAX)
        return ERR_LIMIT;
    struct named_peer *p = calloc(1, sizeof *p + host.size + 1);
    if (!p)
        return ERR_NOMEM;
    memcpy(p->host, host.data, host.size);
    p->entry = k;
    p->port = port;
    p->source = source;
    p->retry.fire = retry;
    list_push_back(&k->awake->named_peers, &p->link);
    look_up(p);
    return 0;
}

int named_peers_meet(struct kith_torrent *k, struct bytes text)
{
    struct endpoint e;
    struct bytes host;
    uint16_t port;
    if (endpoint_parse(&e, text) != 0) {
        int err = host_port_parse(text, &host, &port);
        return err ? err : named_peers_add(k, host, port, ADDR_FROM_USER);
    }
    if (!k->torrent)
        return ERR_AGAIN;
    named_peers_found(k, &e, ADDR_FROM_USER);
    return 0;
}

void named_peers_resume(struct kith_torrent *k)
{
    if (!k->awake)
        return;
    list_for_each_safe(at, &k->awake->named_peers)
    {
        struct named_peer *p = list_entry(at, struct named_peer, link);
        if (p->waits)
            look_up(p);
    }
}

void named_peers_cancel(struct kith_torrent *k)
{
    if (!k->awake)
        return;
    list_for_each_safe(at, &k->awake->named_peers) forget(list_entry(at, struct named_peer, link));
}

bool named_peers_wait(const struct kith_torrent *k)
{
    return k->awake && !list_empty(&k->awake->named_peers);
}
