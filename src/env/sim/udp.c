/* UDP in the simulated world: datagrams that may be lost, doubled, held back, or dropped where a
 * queue is full. One goes: socket's queue -> uplink -> latency -> downlink -> socket's buffer. */
#include "env/sim/udp.h"
#include "env/sim/net.h"
#include "env/sim/tcp.h"
#include <stdlib.h>

struct sim_datagram {
    struct sim_event event;
    struct list_link all;                 /* world->datagrams */
    struct list_link link;                /* in one socket's queue, or lone while it flies */
    struct sim_host *from_host, *to_host; /* to_host: once it has left the NATs of its sender */
    struct endpoint from, to;             /* rewritten by each NAT that it passes */
    struct sim_crossing crossing;
    size_t size;
    bool dont_fragment;
    uint8_t data[];
};

struct packet_queue {
    struct list_link head;
    size_t bytes;
};

struct sim_udp {
    struct sim_handle handle;
    struct list_link bound; /* host->udps */
    struct endpoint at;
    char device[16];
    void (*readable)(void *user);
    void *user;
    struct sim_event notify;
    struct sim_source up, down;
    struct packet_queue out, landing, in; /* for the uplink; at the downlink; for the node */
    struct sim_datagram *leaving, *arrived;
};

static struct sim_udp *udp_of(struct env_udp *face)
{
    return (struct sim_udp *)(void *)face;
}

static struct sim_host *host_of(const struct sim_udp *u)
{
    return u->handle.env->host;
}

/* ---- queues -------------------------------------------------------------------------------- */

static void queue_put(struct packet_queue *q, struct sim_datagram *d)
{
    list_push_back(&q->head, &d->link);
    q->bytes += d->size;
}

static struct sim_datagram *queue_take(struct packet_queue *q)
{
    struct list_link *link = list_pop_front(&q->head);
    if (link == NULL)
        return NULL;
    struct sim_datagram *d = list_entry(link, struct sim_datagram, link);
    q->bytes -= d->size;
    return d;
}

static void datagram_free(struct sim_datagram *d)
{
    sim_unschedule(d->from_host->world, &d->event);
    list_remove(&d->all);
    list_remove(&d->link);
    free(d);
}

static void datagram_lost(struct sim_datagram *d)
{
    d->from_host->stats.datagrams_lost++;
    datagram_free(d);
}

static void queue_clear(struct packet_queue *q)
{
    for (struct sim_datagram *d; (d = queue_take(q)) != NULL;)
        datagram_free(d);
}

void sim_datagrams_free(struct sim_world *w)
{
    list_for_each_safe(link, &w->datagrams)
        datagram_free(list_entry(link, struct sim_datagram, all));
}

/* ---- arriving ------------------------------------------------------------------------------ */

static void poke(struct sim_udp *u)
{
    if (!list_empty(&u->in.head) && u->notify.slot == 0 && !u->handle.busy)
        sim_schedule(host_of(u)->world, &u->notify, host_of(u)->world->now);
}

static void notify(struct sim_event *event)
{
    struct sim_udp *u = container_of(event, struct sim_udp, notify);
    struct sim_world *w = host_of(u)->world;
    sim_handle_enter(&u->handle);
    u->readable(u->user);
    if (sim_handle_leave(&u->handle) && !list_empty(&u->in.head))
        sim_schedule(w, &u->notify, w->now + w->config.turn);
}

static struct sim_udp *socket_find(struct sim_host *host, const struct endpoint *to)
{
    list_for_each(link, &host->udps)
    {
        struct sim_udp *u = list_entry(link, struct sim_udp, bound);
        if (sim_net_hears(host, &u->at, u->device, to))
            return u;
    }
    return NULL;
}

static void delivered(struct sim_event *event)
{
    struct sim_datagram *d = container_of(event, struct sim_datagram, event);
    struct sim_world *w = d->to_host->world;
    struct sim_udp *u = socket_find(d->to_host, &d->to); /* may have closed meanwhile */
    if (u == NULL || u->in.bytes + d->size > w->config.udp_buffer_bytes) {
        datagram_lost(d);
        return;
    }
    sim_record(w, d->to_host, "datagram", d->size, sim_fingerprint(d->data, d->size));
    d->to_host->stats.bytes_received += d->size;
    queue_put(&u->in, d);
    poke(u);
}

static size_t down_take(struct sim_source *source, size_t quantum)
{
    struct sim_udp *u = container_of(source, struct sim_udp, down);
    (void)quantum;
    u->arrived = queue_take(&u->landing);
    if (!list_empty(&u->landing.head))
        sim_link_want(&host_of(u)->down, source);
    return u->arrived == NULL ? 0 : u->arrived->size + SIM_CONTROL;
}

static void down_sent(struct sim_source *source, usec at)
{
    struct sim_udp *u = container_of(source, struct sim_udp, down);
    struct sim_datagram *d = u->arrived;
    u->arrived = NULL;
    d->event.fire = delivered;
    sim_schedule(host_of(u)->world, &d->event, at);
}

static void arrives(struct sim_event *event)
{
    struct sim_datagram *d = container_of(event, struct sim_datagram, event);
    struct sim_world *w = d->to_host->world;
    struct sim_link *down = &d->to_host->down;
    bool in = sim_net_passes(d->from_host, d->to_host) &&
              sim_net_enter(w, &d->crossing, SIM_UDP, &d->from, &d->to) == d->to_host;
    struct sim_udp *u = in ? socket_find(d->to_host, &d->to) : NULL;
    if (u == NULL) {
        datagram_lost(d);
    } else if (d->from_host == d->to_host || down->rate == 0) {
        d->event.fire = delivered;
        sim_schedule(w, &d->event, w->now);
    } else if (down->queue_max > 0 ? sim_link_full(down, d->size + SIM_CONTROL)
                                   : u->landing.bytes * (uint64_t)USEC_PER_SEC >
                                         down->rate * (uint64_t)w->config.queue_max) {
        datagram_lost(d); /* the router's queue is full */
    } else {
        queue_put(&u->landing, d);
        sim_link_want(down, &u->down);
    }
}

/* ---- leaving ------------------------------------------------------------------------------- */

/* What is larger than the path's packets goes in fragments, of which each may be lost, or not at
 * all: silently, as where a firewall eats the ICMP that would say so. */
static bool gets_through(const struct sim_datagram *d)
{
    struct sim_rng *rng = &d->from_host->world->net_rng;
    double loss = sim_net_loss(d->from_host, d->to_host);
    size_t most = sim_net_datagram_max(d->from_host, d->to_host, d->to.family);
    size_t fragments = d->size <= most ? 1 : (d->size + most - 1) / most;
    if (d->dont_fragment && fragments > 1)
        return false;
    for (; fragments > 0; fragments--)
        if (sim_rng_chance(rng, loss))
            return false;
    return true;
}

static void fly(struct sim_datagram *d, usec at)
{
    struct sim_world *w = d->from_host->world;
    struct sim_rng *rng = &w->net_rng;
    if (d->crossing.self != NULL ||
        sim_net_leave(d->from_host, SIM_UDP, &d->from, &d->to, &d->crossing))
        d->to_host = sim_net_aim(w, &d->crossing, SIM_UDP, &d->to);
    if (d->to_host == NULL || !sim_net_passes(d->from_host, d->to_host) || !gets_through(d)) {
        datagram_lost(d);
        return;
    }
    usec arrival = at + sim_net_delay(d->from_host, d->to_host);
    if (d->from_host != d->to_host && sim_rng_chance(rng, w->config.udp_reorder))
        arrival += sim_rng_between(rng, 1, w->config.udp_reorder_max);
    sim_event_init(&d->event, "datagram arrives", d->to_host, arrives);
    sim_schedule(w, &d->event, arrival);
}

static struct sim_datagram *datagram_new(struct sim_host *from_host, const struct endpoint *from,
    const struct endpoint *to, struct bytes data)
{
    struct sim_datagram *d = sim_alloc(sizeof *d + data.size);
    list_init(&d->link);
    list_push_back(&from_host->world->datagrams, &d->all);
    d->from_host = from_host;
    d->from = *from;
    d->to = *to;
    d->size = data.size;
    if (data.size > 0)
        memcpy(d->data, data.data, data.size);
    return d;
}

static struct sim_datagram *datagram_copy(const struct sim_datagram *d)
{
    struct sim_datagram *copy =
        datagram_new(d->from_host, &d->from, &d->to, bytes_of(d->data, d->size));
    copy->dont_fragment = d->dont_fragment;
    return copy;
}

static size_t up_take(struct sim_source *source, size_t quantum)
{
    struct sim_udp *u = container_of(source, struct sim_udp, up);
    (void)quantum;
    u->leaving = queue_take(&u->out);
    if (!list_empty(&u->out.head))
        sim_link_want(&host_of(u)->up, source);
    return u->leaving == NULL ? 0 : u->leaving->size + SIM_CONTROL;
}

static void up_sent(struct sim_source *source, usec at)
{
    struct sim_udp *u = container_of(source, struct sim_udp, up);
    struct sim_datagram *d = u->leaving;
    struct sim_world *w = host_of(u)->world;
    u->leaving = NULL;
    if (sim_rng_chance(&w->net_rng, w->config.udp_duplicate))
        fly(datagram_copy(d), at);
    fly(d, at);
}

static struct sim_datagram *datagram_to_member(struct sim_host *to, const struct endpoint *from,
    struct sim_host *host, const struct env_datagram *datagram)
{
    struct sim_datagram *d =
        datagram_new(host, from, &datagram->peer, bytes_of(datagram->data, datagram->size));
    d->crossing.self = to; /* a multicast passes no NAT */
    return d;
}

/* To everybody of the network who is a member, ourselves included; the line carries it once. */
static void send_to_group(struct sim_udp *u, const struct env_datagram *datagram)
{
    struct sim_host *host = host_of(u);
    struct sim_world *w = host->world;
    struct endpoint from;
    if (host->config.lan == 0 || sim_net_source(host, &datagram->peer, NULL, &from) != 0)
        return;
    from.port = u->at.port;
    for (uint32_t i = 0; i < w->host_count; i++) {
        struct sim_host *to = w->hosts[i];
        if (to->config.lan == host->config.lan && socket_find(to, &datagram->peer) != NULL)
            fly(datagram_to_member(to, &from, host, datagram), w->now);
    }
}

static void send_one(struct sim_udp *u, const struct env_datagram *datagram, bool dont_fragment)
{
    struct sim_host *host = host_of(u);
    struct endpoint from = u->at;
    struct env_tcp_options options = {.bind_device = u->device[0] == 0 ? NULL : u->device};
    host->stats.datagrams_sent++;
    host->stats.bytes_sent += datagram->size;
    if (endpoint_class(&datagram->peer) == ADDR_MULTICAST) {
        send_to_group(u, datagram);
        return;
    }
    bool routed =
        !endpoint_is_any(&from) || sim_net_source(host, &datagram->peer, &options, &from) == 0;
    if (!routed || datagram->size > host->world->config.udp_size_max ||
        datagram->peer.family != u->at.family) {
        host->stats.datagrams_lost++;
        return;
    }
    from.port = u->at.port;
    struct sim_datagram *d =
        datagram_new(host, &from, &datagram->peer, bytes_of(datagram->data, datagram->size));
    d->dont_fragment = dont_fragment;
    if (sim_net_owns(host, &datagram->peer)) {
        fly(d, host->world->now);
    } else if (sim_link_full(&host->up, d->size + SIM_CONTROL)) {
        datagram_lost(d); /* the modem's queue */
    } else {
        queue_put(&u->out, d);
        sim_link_want(&host->up, &u->up);
    }
}

int sim_udp_send(struct env_udp *face, const struct env_datagram *datagrams, int count)
{
    struct sim_udp *u = udp_of(face);
    if (!u->handle.env->alive)
        return ERR_CLOSED;
    int sent = 0;
    for (; sent < count; sent++) {
        if (u->out.bytes + datagrams[sent].size > host_of(u)->world->config.udp_buffer_bytes)
            break; /* the socket's buffer is full: EAGAIN */
        send_one(u, &datagrams[sent], false);
    }
    return sent;
}

/* Nothing to tune: buffers are the world's, datagrams come one by one. */
void sim_udp_bulk(struct env_udp *face)
{
    (void)face;
}

/* Gathers the run's next datagram; how many of its bytes there are. */
static size_t gather(const struct env_udp_run *run, size_t skip, uint8_t *out)
{
    size_t size = 0;
    for (int i = 0; i < run->iov_count && size < run->segment; i++) {
        if (skip >= run->iov[i].iov_len) {
            skip -= run->iov[i].iov_len;
            continue;
        }
        size_t part = run->iov[i].iov_len - skip;
        memcpy(out + size, (const uint8_t *)run->iov[i].iov_base + skip, part);
        size += part;
        skip = 0;
    }
    return size;
}

/* False: the socket's buffer is full. */
static bool send_run(struct sim_udp *u, struct env_udp_run *run)
{
    const struct sim_config *config = &host_of(u)->world->config;
    uint8_t data[65536];
    for (size_t size; (size = gather(run, run->sent * run->segment, data)) > 0; run->sent++) {
        struct env_datagram d = {.peer = run->peer, .data = data, .size = size};
        if (u->out.bytes + size > config->udp_buffer_bytes)
            return false;
        send_one(u, &d, run->dont_fragment);
    }
    return true;
}

int sim_udp_send_runs(struct env_udp *face, struct env_udp_run *runs, int count)
{
    struct sim_udp *u = udp_of(face);
    if (!u->handle.env->alive)
        return count;
    int done = 0;
    while (done < count && send_run(u, &runs[done]))
        done++;
    return done;
}

int sim_udp_receive(struct env_udp *face, struct env_datagram *datagrams, int count)
{
    struct sim_udp *u = udp_of(face);
    int got = 0;
    for (struct sim_datagram *d; got < count && (d = queue_take(&u->in)) != NULL; got++) {
        struct env_datagram *out = &datagrams[got];
        out->peer = d->from;
        out->size = d->size < out->size ? d->size : out->size; /* the rest is cut off */
        out->segment = 0;
        if (out->size > 0)
            memcpy(out->data, d->data, out->size);
        datagram_free(d);
    }
    return got > 0 ? got : ERR_AGAIN;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void udp_crash(struct sim_handle *h, enum sim_crash kind)
{
    (void)kind;
    struct sim_udp *u = container_of(h, struct sim_udp, handle);
    sim_unschedule(h->env->host->world, &u->notify);
    list_remove(&u->bound);
    list_remove(&u->up.link);
    list_remove(&u->down.link);
    queue_clear(&u->out);
    queue_clear(&u->landing);
    queue_clear(&u->in);
}

static void udp_destroy(struct sim_handle *h)
{
    free(container_of(h, struct sim_udp, handle));
}

static const struct sim_handle_kind udp_kind = {udp_crash, udp_destroy};

static bool taken(const struct sim_host *host, const struct endpoint *at)
{
    list_for_each(link, &host->udps)
    {
        const struct sim_udp *u = list_entry(link, struct sim_udp, bound);
        if (sim_net_conflict(&u->at, at))
            return true;
    }
    return false;
}

int sim_udp_open(struct env *face, const struct endpoint *at, const struct env_tcp_options *options,
    void (*readable)(void *user), void *user, struct env_udp **out)
{
    struct sim_env *env = sim_env_of(face);
    struct endpoint bound;
    *out = NULL;
    if (!env->alive)
        return ERR_CLOSED;
    if (sim_sockets_full(env->host))
        return ERR_LIMIT;
    int err = sim_net_bindable(env->host, at, options, &bound);
    if (err != 0)
        return err;
    while (at->port == 0 && (bound.port == 0 || taken(env->host, &bound)))
        bound.port = sim_net_port(env->host);
    if (taken(env->host, &bound))
        return ERR_EXISTS;
    struct sim_udp *u = sim_alloc(sizeof *u);
    u->at = bound;
    u->readable = readable;
    u->user = user;
    if (options != NULL && options->bind_device != NULL)
        strncpy(u->device, options->bind_device, sizeof u->device - 1);
    list_init(&u->out.head);
    list_init(&u->landing.head);
    list_init(&u->in.head);
    sim_source_init(&u->up, up_take, up_sent);
    sim_source_init(&u->down, down_take, down_sent);
    sim_node_event_init(&u->notify, "socket", env->host, notify);
    list_push_back(&env->host->udps, &u->bound);
    sim_handle_open(&u->handle, &udp_kind, env);
    env->host->stats.sockets++;
    *out = (struct env_udp *)(void *)u;
    return 0;
}

void sim_udp_local(struct env_udp *face, struct endpoint *out)
{
    *out = udp_of(face)->at;
}

void sim_udp_close(struct env_udp *face)
{
    struct sim_udp *u = udp_of(face);
    if (u->handle.env->alive)
        host_of(u)->stats.sockets--;
    udp_crash(&u->handle, SIM_KILLED);
    sim_handle_close(&u->handle);
}
