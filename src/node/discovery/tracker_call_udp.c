/* A question to a tracker over UDP: where it is, the datagrams, their repetition, and the id that
 * is shared with the node's other questions (tracker_ids.h). See tracker_call.h. */
#include "node/discovery/tracker_call_internal.h"

#include "base/err.h"
#include "base/text.h"
#include "node/net/egress.h"
#include "node/node_internal.h"
#include <stdlib.h>
#include <string.h>

/* ---- datagrams ----------------------------------------------------------------------------- */

/* The number by which it is known, and its next repetition, follow. */
static void rearm(struct tracker_call *c)
{
    struct kith_node *n = c->node;
    if (c->transaction != c->udp.transaction)
        tracker_calls_renumber(&n->calls, c, c->transaction, c->udp.transaction);
    c->transaction = c->udp.transaction;
    if (timer_heap_reserve(&n->timers, n->timers.count + 64) == 0)
        timer_set(&n->timers, &c->timer, c->udp.deadline);
    node_arm(n);
}

static void fail_as_silent(struct tracker_call *c)
{
    tracker_call_heard(c, ERR_TIMEOUT);
    c->kind->failed(c, ERR_TIMEOUT, "does not answer");
}

static void send_packet(struct tracker_call *c)
{
    uint8_t packet[TRACKER_UDP_PACKET_MAX];
    struct builder b = builder_fixed(packet, sizeof packet);
    if (!tracker_udp_send(&c->udp, &b, env_now(c->node->env)) || !builder_ok(&b))
        return;
    if (c->to.family != ADDR_NONE)
        ports_send(c->node, &c->to, bytes_of(packet, b.size));
    else
        ports_send_named(c->node, &c->named, bytes_of(packet, b.size));
    rearm(c);
}

/* ---- connection ids ------------------------------------------------------------------------ */

/* What tracker_ids.h has to say of a call that needs an id. */
typedef enum tracker_ids_step step_of(struct tracker_ids *, uint64_t, struct tracker_call *,
    struct list_link *, usec now, uint64_t *id, usec *given);

static void send_when_known(struct tracker_call *c, step_of *step)
{
    struct tracker_ids *ids = &c->node->calls.ids;
    usec now = env_now(c->node->env), given = 0;
    uint64_t id = 0;
    if (c->udp.state == TRACKER_UDP_CONNECTING) {
        if (c->udp.lent)
            tracker_ids_doubt(ids, c->tracker, c->udp.connection);
        c->udp.lent = false;
        switch (step(ids, c->tracker, c, &c->turn, now, &id, &given)) {
        case TRACKER_IDS_USE:
            tracker_udp_lend(&c->udp, id, given, now);
            break;
        case TRACKER_IDS_ASK:
            break;
        case TRACKER_IDS_WAIT:
            timer_cancel(&c->node->timers, &c->timer);
            return;
        case TRACKER_IDS_FAIL:
            fail_as_silent(c);
            return;
        }
    }
    send_packet(c);
}

static void send_udp(struct tracker_call *c)
{
    send_when_known(c, tracker_ids_step);
}

static void let_go_soon(struct kith_node *n, usec when)
{
    if (timer_armed(&n->calls.go))
        return;
    timer_set(&n->timers, &n->calls.go, when);
    node_arm(n);
}

void tracker_call_let_go(struct timer *timer, usec now)
{
    struct tracker_calls *calls = container_of(timer, struct tracker_calls, go);
    struct kith_node *n = container_of(calls, struct kith_node, calls);
    struct list_link *turn;
    for (unsigned i = 0; i < TRACKER_IDS_GO; i++) {
        turn = tracker_ids_next(&calls->ids, &calls->go_place);
        if (!turn)
            return;
        send_when_known(list_entry(turn, struct tracker_call, turn), tracker_ids_step_next);
    }
    if (tracker_ids_have_next(&calls->ids))
        let_go_soon(n, now + TRACKER_IDS_EVERY);
}

/* An answer came: with an id, if it was asked for one. */
static void take_id(struct tracker_call *c, bool asked)
{
    struct tracker_ids *ids = &c->node->calls.ids;
    usec now = env_now(c->node->env);
    bool others = false;
    if (asked && c->udp.state == TRACKER_UDP_ASKING)
        others = tracker_ids_given(ids, c->tracker, c, c->udp.connection, now);
    else if (asked)
        others = tracker_ids_leave(ids, c->tracker, c);
    if (others)
        let_go_soon(c->node, now);
}

void tracker_call_end_udp(struct tracker_call *c)
{
    struct kith_node *n = c->node;
    timer_cancel(&n->timers, &c->timer);
    tracker_calls_forget(&n->calls, c, c->transaction);
    if (tracker_ids_leave(&n->calls.ids, c->tracker, c))
        let_go_soon(n, env_now(n->env));
}

/* ---- what comes ---------------------------------------------------------------------------- */

/* From where it was asked; or, where only the proxy knows that, whoever knows the transaction's
 * number: he is the tracker from then on. */
static bool comes_from(const struct tracker_call *c, const struct endpoint *from)
{
    if (c->to.family != ADDR_NONE)
        return endpoint_equal(&c->to, from);
    return c->named.name[0] && from->port == c->named.port;
}

static void hear(struct tracker_call *c, const struct endpoint *from, struct bytes datagram)
{
    struct tracker_reply *reply = malloc(sizeof *reply);
    if (!reply)
        return;
    c->udp.family = from->family;
    bool asked_for_id = c->udp.state == TRACKER_UDP_CONNECTING;
    if (tracker_udp_receive(&c->udp, datagram, reply, env_now(c->node->env))) {
        c->to = *from;
        tracker_call_heard(c, 0);
        take_id(c, asked_for_id);
        if (c->udp.state == TRACKER_UDP_ANSWERED)
            c->kind->udp_answered(c, reply);
        else
            send_udp(c);
    }
    free(reply);
}

void tracker_call_datagram(struct kith_node *n, const struct endpoint *from, struct bytes datagram)
{
    uint32_t transaction;
    if (tracker_udp_transaction(datagram, &transaction) != 0)
        return;
    struct tracker_call *c = tracker_calls_find(&n->calls, transaction);
    if (c && comes_from(c, from))
        hear(c, from, datagram);
}

static void fired(struct timer *timer, usec now)
{
    struct tracker_call *c = container_of(timer, struct tracker_call, timer);
    struct kith_node *n = c->node;
    tracker_udp_tick(&c->udp, now);
    if (c->udp.state != TRACKER_UDP_SILENT) {
        send_udp(c);
        return;
    }
    if (tracker_ids_silent(&n->calls.ids, c->tracker, c))
        let_go_soon(n, now);
    fail_as_silent(c);
}

static void begin_udp(struct tracker_call *c, enum addr_family family)
{
    struct env *env = c->node->env;
    uint64_t random;
    env_random(env, &random, sizeof random);
    c->timer.fire = fired;
    c->tracker = tracker_calls_key(&c->node->calls, &c->to, &c->named);
    c->kind->udp_begin(c, family, random, env_now(env));
    send_udp(c);
}

/* False: that is no place for a tracker, or not ours to reach. */
static bool reach(struct tracker_call *c, const struct endpoint *at)
{
    enum addr_family family = (enum addr_family)at->family;
    if (!endpoint_allowed(at, tracker_call_source(c->url)) || !ports_of(c->node, family))
        return false;
    c->to = *at;
    c->local = endpoint_class(at) != ADDR_GLOBAL;
    begin_udp(c, family);
    return true;
}

static void resolved(void *user, int err, const struct endpoint *found, size_t count)
{
    struct tracker_call *c = user;
    c->resolve = NULL;
    tracker_call_give_turn(c);
    if (err) {
        tracker_call_heard(c, err); /* a name whose servers are silent holds up the other names */
        c->kind->failed(c, err, "its name is not known");
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (reach(c, &found[i]))
            return;
    c->kind->failed(c, ERR_BLOCKED, tracker_call_trouble(c->node, ERR_INVALID));
}

/* Asks it, by what the address says of it. A name is for the proxy to look up, or for us. */
static int find_udp(struct tracker_call *c, const char *name, uint16_t port)
{
    struct kith_node *n = c->node;
    struct endpoint numeric;
    if (!egress_carries_datagrams(n))
        return ERR_UNSUPPORTED;
    if (endpoint_parse_ip(&numeric, bytes_of_str(name), port) == 0)
        return reach(c, &numeric) ? 0 : ERR_INVALID;
    if (!egress_is_proxied(n))
        return egress_resolve(n, name, port, resolved, c, &c->resolve);
    if (!proxy_target_name(&c->named, name, port))
        return ERR_SYNTAX;
    begin_udp(c, ADDR_V4);
    return 0;
}

/* "udp://name:port/...": the name is the caller's. ERR_SYNTAX, ERR_NOMEM. */
static int udp_host(const char *url, char **name, uint16_t *port)
{
    struct bytes all = tracker_call_host(url), host = all;
    uint64_t number = 0;
    size_t colon = all.size;
    while (colon > 0 && all.data[colon - 1] != ':' && all.data[colon - 1] != ']')
        colon--;
    if (colon == 0 || all.data[colon - 1] != ':' ||
        parse_u64(bytes_of(all.data + colon, all.size - colon), 65535, &number) != 0 || number == 0)
        return ERR_SYNTAX;
    host.size = colon - 1;
    if (host.size >= 2 && host.data[0] == '[')
        host = bytes_of(host.data + 1, host.size - 2);
    *port = (uint16_t)number;
    *name = bytes_dup_str(host);
    return *name ? 0 : ERR_NOMEM;
}

int tracker_call_ask_udp(struct tracker_call *c)
{
    char *name;
    uint16_t port;
    int err = udp_host(c->url, &name, &port);
    if (err)
        return err;
    err = find_udp(c, name, port);
    free(name);
    return err;
}

bool tracker_call_looks_up(const struct tracker_call *c)
{
    struct endpoint numeric;
    char *name;
    uint16_t port;
    if (egress_is_proxied(c->node) || udp_host(c->url, &name, &port) != 0)
        return false;
    bool is_name = endpoint_parse_ip(&numeric, bytes_of_str(name), port) != 0;
    free(name);
    return is_name;
}
