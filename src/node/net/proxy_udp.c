/* See proxy_udp.h. The handle has a table of its own (env/ops.h), of which only the calls of UDP
 * are there: so that ports.c and all above it need not know. */
#include "node/net/proxy_udp.h"
#include "node/net/egress.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "env/ops.h"
#include "proto/socks5.h"
#include <stdlib.h>
#include <string.h>

#define DATAGRAM_MAX 65535u

enum association {
    RESTING,    /* no connection; the timer begins one */
    CONNECTING, /* to the proxy */
    TALKING,    /* socks5.h */
    STANDING    /* datagrams pass */
};

struct proxy_udp {
    const struct env_ops *ops; /* first: env.c */
    struct kith_node *node;
    enum association state;
    struct timer timer;
    struct env_tcp *control;
    struct socks5 talk;
    struct env_udp *udp;   /* towards the relay, while standing */
    struct endpoint relay; /* the only one that is listened to */
    usec heard_at;         /* or when the first was sent that nothing came back for */
    bool unanswered;
    usec pause; /* since it refused */
    void (*readable)(void *user);
    void *user;
    uint8_t waiting[PROXY_UDP_WAITING_MAX]; /* wrapped, each behind its length */
    size_t waiting_size;
    uint8_t scratch[DATAGRAM_MAX];
};

static struct proxy_udp *of(struct env_udp *u)
{
    return (struct proxy_udp *)u;
}

static void set_timer(struct proxy_udp *u, usec in)
{
    struct kith_node *n = u->node;
    timer_set(&n->timers, &u->timer, env_now(n->env) + in);
    node_arm(n);
}

/* ---- towards the relay --------------------------------------------------------------------- */

static void send_wrapped(struct proxy_udp *u, struct bytes wrapped)
{
    struct env_datagram d = {
        .peer = u->relay, .data = (void *)(uintptr_t)wrapped.data, .size = wrapped.size};
    env_udp_send(u->udp, &d, 1);
    if (!u->unanswered)
        u->heard_at = env_now(u->node->env);
    u->unanswered = true;
}

/* The first questions of a start come before the proxy has answered: they wait for it, so that
 * nobody waits out a tracker's 15 s. */
static void keep_waiting(struct proxy_udp *u, struct bytes wrapped)
{
    struct builder b =
        builder_fixed(u->waiting + u->waiting_size, sizeof u->waiting - u->waiting_size);
    if (u->state == RESTING)
        return;
    builder_u16(&b, (uint16_t)wrapped.size);
    builder_span(&b, wrapped);
    if (builder_ok(&b))
        u->waiting_size += b.size;
}

static void send_waiting(struct proxy_udp *u)
{
    struct cursor c = cursor_of(bytes_of(u->waiting, u->waiting_size));
    while (c.left > 0)
        send_wrapped(u, cursor_take(&c, cursor_u16(&c)));
    u->waiting_size = 0;
}

/* ---- the association ----------------------------------------------------------------------- */

static void let_go(struct proxy_udp *u)
{
    if (u->control)
        env_tcp_close(u->control);
    if (u->udp)
        env_udp_close(u->udp);
    u->control = NULL;
    u->udp = NULL;
    u->state = RESTING;
    u->unanswered = false;
    u->waiting_size = 0;
}

/* The proxy is not there, or not what it should be: everybody who needs it waits. */
static void rest(struct proxy_udp *u, int err)
{
    let_go(u);
    if (err)
        egress_proxy_failed(u->node, err);
    set_timer(u, EGRESS_REST_MIN);
}

/* It does the rest, but will not pass datagrams on: only they wait. */
static void refused(struct proxy_udp *u)
{
    if (!u->pause)
        node_event(u->node, KITH_EVENT_WARNING, NULL, ERR_UNSUPPORTED,
            "the proxy does not carry datagrams: no DHT, uTP or trackers over UDP");
    let_go(u);
    u->pause = u->pause ? usec_min(u->pause * 2, PROXY_UDP_PAUSE_MAX) : EGRESS_REST_MIN;
    set_timer(u, u->pause);
}

static void on_datagrams(void *user)
{
    struct proxy_udp *u = user;
    u->readable(u->user);
}

/* RFC 1928 lets the relay be anywhere; a proxy that names another host could have us send anywhere,
 * and those behind NAT name an address that is no use: it is where the proxy is. */
static void stand(struct proxy_udp *u)
{
    struct kith_node *n = u->node;
    struct endpoint at;
    if (!egress_proxy_address(n, &at) || u->talk.bound.port == 0) {
        rest(u, ERR_PROTOCOL);
        return;
    }
    u->relay = at;
    u->relay.port = u->talk.bound.port;
    int err = egress_udp_open_proxy(n, on_datagrams, u, &u->udp);
    if (err) {
        u->udp = NULL;
        rest(u, err);
        return;
    }
    u->state = STANDING;
    u->pause = 0;
    egress_proxy_works(n);
    send_waiting(u);
    set_timer(u, PROXY_UDP_SILENCE);
}

static void say(struct proxy_udp *u)
{
    struct bytes out = socks5_output(&u->talk);
    struct iovec v = {(void *)(uintptr_t)out.data, out.size};
    ssize_t n = out.size > 0 ? env_tcp_writev(u->control, &v, 1, false) : 0;
    if (n < 0 && n != ERR_AGAIN) {
        rest(u, (int)n);
        return;
    }
    socks5_sent(&u->talk, n > 0 ? (size_t)n : 0);
    env_tcp_want(u->control, true, socks5_output(&u->talk).size > 0);
}

static void on_connected(void *user, int err)
{
    struct proxy_udp *u = user;
    struct proxy_target from_anywhere = {.name = ""};
    if (err) {
        rest(u, err);
        return;
    }
    u->state = TALKING;
    socks5_init(&u->talk, egress_proxy(u->node), SOCKS5_UDP_ASSOCIATE, &from_anywhere);
    say(u);
}

/* Nothing is said once datagrams pass: only the end can come, and noise is no matter. */
static void hear_end(struct proxy_udp *u)
{
    struct iovec v = {u->scratch, sizeof u->scratch};
    ssize_t n = env_tcp_readv(u->control, &v, 1);
    if (n < 0 && n != ERR_AGAIN)
        rest(u, 0);
}

static void on_readable(void *user)
{
    struct proxy_udp *u = user;
    if (u->state == STANDING) {
        hear_end(u);
        return;
    }
    size_t size;
    struct iovec v = {socks5_room(&u->talk, &size), size};
    ssize_t n = env_tcp_readv(u->control, &v, 1);
    if (n == ERR_AGAIN)
        return;
    int err = n < 0 ? (int)n : socks5_input(&u->talk, (size_t)n);
    if (err && socks5_is_proxys_fault(err))
        rest(u, err);
    else if (err)
        refused(u);
    else if (u->talk.state == SOCKS5_OPEN)
        stand(u);
    else
        say(u);
}

static void on_writable(void *user)
{
    say(user);
}

static const struct env_tcp_events control_events = {on_connected, on_readable, on_writable};

static void begin(struct proxy_udp *u)
{
    if (egress_connect_proxy(u->node, &control_events, u, &u->control) != 0) {
        u->control = NULL;
        set_timer(u, EGRESS_REST_MIN);
        return;
    }
    u->state = CONNECTING;
    set_timer(u, PROXY_UDP_PATIENCE);
}

static void fired(struct timer *timer, usec now)
{
    struct proxy_udp *u = container_of(timer, struct proxy_udp, timer);
    if (u->state == RESTING)
        begin(u);
    else if (u->state != STANDING)
        rest(u, ERR_TIMEOUT);
    else if (u->unanswered && now - u->heard_at >= PROXY_UDP_SILENCE)
        rest(u, 0);
    else
        set_timer(u, PROXY_UDP_SILENCE);
}

/* ---- datagrams ----------------------------------------------------------------------------- */

static void send_built(struct proxy_udp *u, struct builder *b)
{
    if (!builder_ok(b))
        return;
    if (u->state == STANDING)
        send_wrapped(u, builder_bytes(b));
    else
        keep_waiting(u, builder_bytes(b));
}

void proxy_udp_send_named(struct env_udp *udp, const struct proxy_target *to, struct bytes datagram)
{
    struct proxy_udp *u = of(udp);
    struct builder b = builder_fixed(u->scratch, sizeof u->scratch);
    socks5_put_header(&b, to);
    builder_span(&b, datagram);
    send_built(u, &b);
}

static int udp_send(struct env_udp *udp, const struct env_datagram *d, int count)
{
    for (int i = 0; i < count; i++) {
        struct proxy_target to = proxy_target_of(&d[i].peer);
        proxy_udp_send_named(udp, &to, bytes_of(d[i].data, d[i].size));
    }
    return count;
}

static void put_pieces(struct builder *b, const struct env_udp_run *run, int *at, size_t size)
{
    for (; *at < run->iov_count && run->iov[*at].iov_len <= size; ++*at) {
        builder_bytes_put(b, run->iov[*at].iov_base, run->iov[*at].iov_len);
        size -= run->iov[*at].iov_len;
    }
}

static int udp_send_runs(struct env_udp *udp, struct env_udp_run *runs, int count)
{
    struct proxy_udp *u = of(udp);
    for (int i = 0; i < count; i++) {
        struct proxy_target to = proxy_target_of(&runs[i].peer);
        runs[i].error = 0;
        for (int at = 0, before = -1; at < runs[i].iov_count && at != before;) {
            struct builder b = builder_fixed(u->scratch, sizeof u->scratch);
            before = at;
            socks5_put_header(&b, &to);
            put_pieces(&b, &runs[i], &at, runs[i].segment);
            send_built(u, &b);
            runs[i].sent++;
        }
    }
    return count;
}

/* The header goes; strangers' and broken ones too. How many are left, at the front. */
static int unwrap(struct proxy_udp *u, struct env_datagram *d, int count)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        struct endpoint from;
        struct bytes payload;
        if (!endpoint_equal(&d[i].peer, &u->relay) ||
            !socks5_take_header(bytes_of(d[i].data, d[i].size), &from, &payload))
            continue;
        memmove(d[i].data, payload.data, payload.size);
        struct env_datagram good = d[i], spare = d[kept];
        d[i] = spare;
        d[kept] = good;
        d[kept].peer = from;
        d[kept].size = payload.size;
        kept++;
    }
    return kept;
}

static int udp_receive(struct env_udp *udp, struct env_datagram *d, int count)
{
    struct proxy_udp *u = of(udp);
    size_t rooms = d[0].size;
    for (;;) {
        for (int i = 0; i < count; i++)
            d[i].size = rooms;
        int got = u->udp ? env_udp_receive(u->udp, d, count) : ERR_AGAIN;
        if (got <= 0)
            return ERR_AGAIN;
        int kept = unwrap(u, d, got);
        if (kept == 0)
            continue;
        u->unanswered = false;
        return kept;
    }
}

static void udp_local(struct env_udp *udp, struct endpoint *out)
{
    (void)udp;
    memset(out, 0, sizeof *out); /* what others see is the proxy's secret */
}

static void udp_bulk(struct env_udp *udp)
{
    (void)udp;
}

static void udp_close(struct env_udp *udp)
{
    struct proxy_udp *u = of(udp);
    timer_cancel(&u->node->timers, &u->timer);
    let_go(u);
    free(u);
}

static const struct env_ops proxied_ops = {.udp_local = udp_local,
    .udp_receive = udp_receive,
    .udp_send = udp_send,
    .udp_bulk = udp_bulk,
    .udp_send_runs = udp_send_runs,
    .udp_close = udp_close};

int proxy_udp_open(
    struct kith_node *n, void (*readable)(void *user), void *user, struct env_udp **out)
{
    struct proxy_udp *u = calloc(1, sizeof *u);
    if (!u || timer_heap_reserve(&n->timers, n->timers.count + 8) != 0) {
        free(u);
        return ERR_NOMEM;
    }
    u->ops = &proxied_ops;
    u->node = n;
    u->readable = readable;
    u->user = user;
    u->timer.fire = fired;
    begin(u);
    *out = (struct env_udp *)u;
    return 0;
}
