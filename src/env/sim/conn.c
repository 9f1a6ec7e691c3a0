/* The life of a TCP connection: the dial (SYN, its retries, its answer), the accept, closing,
 * resets, and the end of hosts and addresses. Its streams are in flow.c. */
#include "env/sim/conn.h"
#include "env/sim/net.h"
#include <stdlib.h>

#define DIAL_RETRY SECONDS(1) /* doubled each time, RFC 6298 */

static void dial_attempt(struct sim_event *);
static void dial_arrives(struct sim_event *);
static void dial_refused(struct sim_event *);
static void dial_answered(struct sim_event *);
static void dial_accepted(struct sim_event *);

bool sim_conn_passes(const struct sim_conn *conn)
{
    const struct sim_conn_end *a = &conn->ends[0], *b = &conn->ends[1];
    if (a->host == b->host)
        return a->host->powered;
    return !conn->silent && !a->unplugged && !b->unplugged && sim_net_passes(a->host, b->host);
}

static void reset_arrives(struct sim_event *event)
{
    struct sim_conn_end *end = container_of(event, struct sim_conn_end, reset);
    struct sim_conn *conn = end->conn;
    if (sim_conn_passes(conn))
        sim_conn_break(conn, end == &conn->ends[1], ERR_NETWORK);
    else
        sim_conn_settle(conn);
}

/* ---- dialling ------------------------------------------------------------------------------ */

struct sim_conn *sim_conn_dial(
    struct sim_env *env, const struct endpoint *source, const struct endpoint *to)
{
    struct sim_world *w = env->host->world;
    struct sim_conn *conn = sim_alloc(sizeof *conn);
    conn->world = w;
    list_push_back(&w->conns, &conn->link);
    list_init(&conn->in_flight);
    for (unsigned side = 0; side < 2; side++) {
        sim_flow_init(&conn->flows[side], conn, side);
        conn->ends[side].conn = conn;
        sim_event_init(&conn->ends[side].reset, "reset", NULL, reset_arrives);
    }
    conn->ends[0].host = env->host;
    conn->ends[0].env = env;
    conn->ends[0].local = *source;
    conn->ends[1].host = env->host; /* until it is known who answers */
    conn->ends[1].local = conn->ends[0].remote = *to;
    conn->ends[0].reset.host = env->host;
    conn->dial_give_up = w->now + w->config.connect_timeout;
    conn->dial_backoff = DIAL_RETRY;
    conn->silent =
        !sim_net_owns(env->host, to) && sim_rng_chance(&w->net_rng, w->config.connect_silence);
    sim_event_init(&conn->dial, "dial", env->host, dial_attempt);
    sim_schedule(w, &conn->dial, w->now);
    return conn;
}

static void dial_next(struct sim_conn *conn, void (*fire)(struct sim_event *), usec at)
{
    conn->dial.fire = fire;
    sim_schedule(conn->world, &conn->dial, at);
}

static usec latency(const struct sim_conn *conn)
{
    return sim_net_latency(conn->ends[0].host, conn->ends[1].host);
}

/* This SYN got no answer: another later, or the end. */
static void dial_again(struct sim_conn *conn)
{
    if (conn->world->now >= conn->dial_give_up) {
        sim_conn_break(conn, 0, ERR_TIMEOUT);
        return;
    }
    usec at = usec_min(conn->world->now + conn->dial_backoff, conn->dial_give_up);
    conn->dial_backoff *= 2;
    dial_next(conn, dial_attempt, at);
}

static void dial_attempt(struct sim_event *event)
{
    struct sim_conn *conn = container_of(event, struct sim_conn, dial);
    struct sim_world *w = conn->world;
    struct sim_conn_end *a = &conn->ends[0], *b = &conn->ends[1];
    struct sim_host *target = NULL;
    b->remote = a->local;
    if (sim_net_leave(a->host, SIM_TCP, &b->remote, &a->remote, &conn->crossing))
        target = sim_net_aim(w, &conn->crossing, SIM_TCP, &a->remote);
    if (w->now >= conn->dial_give_up || target == NULL) {
        dial_again(conn);
        return;
    }
    b->host = b->reset.host = target;
    b->unplugged = false;
    if (!sim_conn_passes(conn) || sim_rng_chance(&w->net_rng, sim_net_loss(a->host, b->host)))
        dial_again(conn);
    else
        dial_next(conn, dial_arrives, w->now + sim_net_delay(a->host, b->host));
}

static void dial_arrives(struct sim_event *event)
{
    struct sim_conn *conn = container_of(event, struct sim_conn, dial);
    struct sim_world *w = conn->world;
    struct sim_host *host = conn->ends[1].host;
    struct endpoint to = conn->ends[0].remote;
    if (!sim_conn_passes(conn) ||
        sim_net_enter(w, &conn->crossing, SIM_TCP, &conn->ends[1].remote, &to) != host) {
        dial_again(conn); /* a NAT that lets nobody in says nothing */
        return;
    }
    conn->ends[1].local = to;
    conn->passed_at = w->now;
    bool refuse =
        sim_listener_find(host, &conn->ends[1].local) == NULL ||
        (host != conn->ends[0].host && sim_rng_chance(&w->net_rng, w->config.connect_refuse));
    dial_next(conn, refuse ? dial_refused : dial_answered, w->now + latency(conn));
}

static void dial_refused(struct sim_event *event)
{
    struct sim_conn *conn = container_of(event, struct sim_conn, dial);
    sim_conn_break(conn, 0, ERR_REFUSED);
}

static void dial_answered(struct sim_event *event)
{
    struct sim_conn *conn = container_of(event, struct sim_conn, dial);
    usec at = conn->world->now + latency(conn);
    conn->established[0] = true;
    conn->ends[0].handle->tell_connected = true;
    sim_tcp_poke(conn->ends[0].handle);
    /* Whatever the dialler sends comes after the packet that completes the handshake. */
    conn->flows[0].arrive_floor = conn->flows[0].deliver_floor = at;
    conn->dial.host = conn->ends[1].host;
    dial_next(conn, dial_accepted, at);
}

static void dial_accepted(struct sim_event *event)
{
    struct sim_conn *conn = container_of(event, struct sim_conn, dial);
    struct sim_host *host = conn->ends[1].host;
    struct sim_listener *listener = sim_listener_find(host, &conn->ends[1].local);
    if (!sim_conn_passes(conn)) {
        dial_next(conn, dial_accepted, conn->world->now + DIAL_RETRY);
    } else if (listener == NULL || conn->ends[0].gone) {
        conn->ends[1].gone = true;
        sim_conn_send_reset(conn, 0);
        sim_conn_settle(conn);
    } else {
        conn->established[1] = true;
        conn->ends[1].env = host->env;
        sim_listener_accept(listener, conn);
    }
}

/* ---- ending -------------------------------------------------------------------------------- */

void sim_conn_close(struct sim_conn *conn, unsigned side)
{
    struct sim_conn_end *end = &conn->ends[side];
    const struct sim_flow *in = &conn->flows[1 - side];
    end->handle = NULL;
    if (!end->gone && !conn->established[side]) {
        end->gone = true; /* a dial that nobody waits for */
    } else if (!end->gone && in->delivered > in->read) {
        /* Closing with unread bytes: the kernel resets, so that the writer learns (RFC 2525). */
        sim_conn_send_reset(conn, 1 - side);
        end->gone = true;
    } else if (!end->gone) {
        conn->flows[side].fin = SIM_FIN_WANTED;
        sim_flow_push(&conn->flows[side]);
    }
    sim_conn_settle(conn);
}

void sim_conn_break(struct sim_conn *conn, unsigned side, int err)
{
    struct sim_conn_end *end = &conn->ends[side];
    if (!end->gone) {
        end->gone = true;
        end->host->stats.resets += err == ERR_NETWORK;
        sim_flow_stop(&conn->flows[side]);
        sim_unschedule(conn->world, &end->reset);
        if (!conn->established[0])
            sim_unschedule(conn->world, &conn->dial);
        if (end->handle != NULL) {
            end->handle->error = err;
            end->handle->tell_connected |= !conn->established[side];
            sim_tcp_poke(end->handle);
        }
    }
    sim_conn_settle(conn);
}

void sim_conn_send_reset(struct sim_conn *conn, unsigned to_side)
{
    struct sim_conn_end *end = &conn->ends[to_side];
    if (!end->gone && end->reset.slot == 0)
        sim_schedule(conn->world, &end->reset, conn->world->now + latency(conn));
}

static void conn_free(struct sim_conn *conn)
{
    for (unsigned side = 0; side < 2; side++) {
        sim_flow_free(&conn->flows[side]);
        sim_unschedule(conn->world, &conn->ends[side].reset);
    }
    sim_unschedule(conn->world, &conn->dial);
    list_remove(&conn->link);
    free(conn);
}

void sim_conn_settle(struct sim_conn *conn)
{
    if (!conn->dead) {
        bool nobody = conn->ends[0].handle == NULL && conn->ends[1].handle == NULL;
        bool over =
            conn->ends[0].gone || conn->ends[1].gone ||
            (conn->flows[0].fin == SIM_FIN_DELIVERED && conn->flows[1].fin == SIM_FIN_DELIVERED);
        bool reset_due = conn->ends[0].reset.slot != 0 || conn->ends[1].reset.slot != 0;
        if (!nobody || !over || reset_due)
            return;
        conn->dead = true;
        sim_flow_stop(&conn->flows[0]);
        sim_flow_stop(&conn->flows[1]);
        sim_unschedule(conn->world, &conn->dial);
    }
    if (list_empty(&conn->in_flight))
        conn_free(conn);
}

void sim_conns_lose_power(struct sim_env *env)
{
    list_for_each_safe(link, &env->host->world->conns)
    {
        struct sim_conn *conn = list_entry(link, struct sim_conn, link);
        for (unsigned side = 0; side < 2; side++) {
            struct sim_conn_end *end = &conn->ends[side];
            if (end->host != env->host || (side == 1 && !conn->established[1]))
                continue;
            if (end->handle != NULL)
                end->handle->conn = NULL;
            end->handle = NULL;
            end->gone = true;
            sim_flow_stop(&conn->flows[side]);
            sim_unschedule(conn->world, &end->reset);
        }
        sim_conn_settle(conn);
    }
}

bool sim_conn_remembered(struct sim_conn *conn)
{
    usec now = conn->world->now;
    if (now - conn->passed_at > conn->crossing.tcp_lifetime)
        conn->silent = true;
    conn->passed_at = now;
    return !conn->silent;
}

void sim_conns_forgotten_by(struct sim_nat *nat)
{
    list_for_each(link, &nat->world->conns)
    {
        struct sim_conn *conn = list_entry(link, struct sim_conn, link);
        for (unsigned side = 0; side < 2; side++)
            if (sim_net_is_behind(conn->ends[side].host, nat, conn->crossing.realm))
                conn->silent = true;
    }
}

void sim_conns_replug(struct sim_host *host)
{
    list_for_each(link, &host->world->conns)
    {
        struct sim_conn *conn = list_entry(link, struct sim_conn, link);
        for (unsigned side = 0; side < 2; side++)
            if (conn->ends[side].host == host)
                conn->ends[side].unplugged = !sim_net_owns(host, &conn->ends[side].local);
    }
}

static void break_both(struct sim_conn *conn)
{
    bool more = conn->ends[1].handle != NULL; /* then breaking end 0 cannot free the connection */
    sim_conn_break(conn, 0, ERR_NETWORK);
    if (more)
        sim_conn_break(conn, 1, ERR_NETWORK);
}

unsigned sim_path_reset(struct sim_host *a, struct sim_host *b)
{
    unsigned count = 0;
    list_for_each_safe(link, &a->world->conns)
    {
        struct sim_conn *conn = list_entry(link, struct sim_conn, link);
        const struct sim_host *h0 = conn->ends[0].host, *h1 = conn->ends[1].host;
        if (!((h0 == a && h1 == b) || (h0 == b && h1 == a)) || !conn->established[1])
            continue;
        count++;
        break_both(conn);
    }
    return count;
}

void sim_conns_free(struct sim_world *w)
{
    list_for_each_safe(link, &w->conns) conn_free(list_entry(link, struct sim_conn, link));
}
