/* One direction of a TCP connection: a reliable byte stream.
 *
 * A segment goes: writer's uplink -> latency -> reader's downlink -> reader -> (as its own
 * acknowledgement) latency -> writer. What the model keeps of TCP is what a peer protocol can feel:
 * slow start and a window that a loss or a long queue shrinks and acknowledgements grow; a receive
 * window, so that a reader who does not read stops the writer; a loss that holds back everything
 * behind it for a round trip (or a retransmission timeout, if little was in flight) and costs the
 * bytes a second time on the line; silence that is probed ever more rarely and given up at last.
 * It does not model headers, selective acknowledgements, or loss of acknowledgements alone. */
#include "env/sim/conn.h"
#include "env/sim/net.h"
#include <assert.h>
#include <stdlib.h>

#define WINDOW_FIRST ((uint64_t)10 * SIM_PACKET) /* RFC 6928 */
#define WINDOW_LEAST ((uint64_t)2 * SIM_PACKET)
#define SEND_BUFFER_LEAST (64u << 10) /* about what Linux begins with */
#define RTO_LEAST MSECS(200)          /* Linux */
#define RTO_MOST SECONDS(120)

struct sim_segment {
    struct sim_event event;
    struct list_link link; /* in flow->queued */
    struct list_link all;  /* in conn->in_flight */
    struct sim_flow *flow;
    uint64_t first;
    uint32_t size; /* payload; 0: FIN */
    uint32_t epoch;
    size_t on_line; /* bytes that the line carries, retransmissions included */
    usec sent_at, queued_at;
    usec repair; /* how long a loss holds it (and all behind it) back at the reader */
    uint64_t window_news;
};

static void arrives(struct sim_event *);
static void delivers(struct sim_event *);
static void acknowledged(struct sim_event *);

static struct sim_conn_end *writer(const struct sim_flow *f)
{
    return &f->conn->ends[f->from];
}

static struct sim_conn_end *reader(const struct sim_flow *f)
{
    return &f->conn->ends[1 - f->from];
}

static bool loopback(const struct sim_flow *f)
{
    return writer(f)->host == reader(f)->host;
}

static struct sim_link *uplink(const struct sim_flow *f)
{
    return loopback(f) ? &writer(f)->host->loop : &writer(f)->host->up;
}

/* Segments fit both lines, so that a fast sender's do not hog a slow downlink. */
static size_t segment_most(const struct sim_flow *f, size_t quantum)
{
    size_t down = loopback(f) ? quantum : sim_link_quantum(&reader(f)->host->down);
    return quantum < down ? quantum : down;
}

static usec timeout_of(const struct sim_flow *f)
{
    return f->round_trip * 2 > RTO_LEAST ? f->round_trip * 2 : RTO_LEAST;
}

static usec least_round_trip(const struct sim_flow *f)
{
    return 2 * sim_net_latency(writer(f)->host, reader(f)->host);
}

/* ---- the window ---------------------------------------------------------------------------- */

static void slow_down(struct sim_flow *f)
{
    usec now = f->conn->world->now;
    if (now < f->calm_until)
        return;
    f->calm_until = now + f->round_trip;
    f->threshold = f->window * 7 / 10; /* CUBIC's factor, RFC 9438 */
    if (f->threshold < WINDOW_LEAST)
        f->threshold = WINDOW_LEAST;
    f->window = f->threshold;
}

/* `size` bytes were acknowledged while `in_flight` were on their way. */
static void speed_up(struct sim_flow *f, uint64_t size, uint64_t in_flight)
{
    const struct sim_config *c = &f->conn->world->config;
    if (in_flight < f->window / 2)
        return; /* the writer, not the window, is what limits */
    if (f->window < f->threshold)
        f->window += size;
    else /* a packet a round trip, and faster where windows are large (as CUBIC) */
        f->window += size * SIM_PACKET / f->window + size / 64;
    uint64_t most = (uint64_t)c->send_buffer_bytes + c->receive_buffer_bytes;
    if (f->window > most)
        f->window = most;
}

/* ---- silence ------------------------------------------------------------------------------- */

/* What is in flight is given up; it will be sent again when a probe finds the path open. */
static void stall(struct sim_flow *f)
{
    struct sim_world *w = f->conn->world;
    f->epoch++;
    f->sent = f->delivered;
    if (f->fin == SIM_FIN_SENT)
        f->fin = SIM_FIN_WANTED;
    if (f->stalled || writer(f)->gone)
        return;
    f->stalled = true;
    f->stalled_since = w->now;
    f->backoff = timeout_of(f);
    sim_schedule(w, &f->retry, w->now + f->backoff);
}

static void retry(struct sim_event *event)
{
    struct sim_flow *f = container_of(event, struct sim_flow, retry);
    struct sim_world *w = f->conn->world;
    if (sim_conn_passes(f->conn)) {
        f->stalled = false;
        f->acked = f->delivered;
        f->read_known = f->read_told = f->read;
        f->threshold = f->window;
        f->window = WINDOW_LEAST;
        if (reader(f)->gone)
            sim_conn_send_reset(f->conn, f->from);
        else if (writer(f)->handle != NULL)
            sim_tcp_poke(writer(f)->handle);
        sim_flow_push(f);
    } else if (w->now - f->stalled_since >= w->config.stall_timeout) {
        sim_conn_break(f->conn, f->from, ERR_NETWORK);
    } else {
        f->backoff = usec_min(f->backoff * 2, RTO_MOST);
        sim_schedule(w, event, w->now + f->backoff);
    }
}

/* ---- sending ------------------------------------------------------------------------------- */

static struct sim_segment *segment_new(struct sim_flow *f, size_t size)
{
    struct sim_segment *s = sim_alloc(sizeof *s);
    list_init(&s->link);
    s->flow = f;
    s->first = f->sent;
    s->size = (uint32_t)size;
    s->epoch = f->epoch;
    s->sent_at = f->conn->world->now;
    s->on_line = size == 0 ? SIM_CONTROL : size;
    list_push_back(&f->conn->in_flight, &s->all);
    return s;
}

static void segment_free(struct sim_segment *s)
{
    struct sim_conn *conn = s->flow->conn;
    sim_unschedule(conn->world, &s->event);
    list_remove(&s->link);
    list_remove(&s->all);
    free(s);
    sim_conn_settle(conn);
}

/* How much may go now: by the window, by the reader's buffer, by what was written. */
static size_t sendable(const struct sim_flow *f, size_t quantum)
{
    uint64_t in_flight = f->sent - f->acked;
    uint64_t edge = f->read_known + f->conn->world->config.receive_buffer_bytes;
    uint64_t size = f->written - f->sent;
    uint64_t window = f->window > in_flight ? f->window - in_flight : 0;
    uint64_t buffer = edge > f->sent ? edge - f->sent : 0;
    uint64_t allowed = window < buffer ? window : buffer;
    if (allowed < size && allowed < SIM_PACKET && in_flight > 0)
        return 0; /* no crumbs while acknowledgements are due (RFC 1122, silly windows) */
    size = size < allowed ? size : allowed;
    return size < quantum ? size : quantum;
}

/* Draws the losses of a segment's packets. */
static void lose(struct sim_flow *f, struct sim_segment *s)
{
    struct sim_rng *rng = &f->conn->world->net_rng;
    double loss = sim_net_loss(writer(f)->host, reader(f)->host);
    if (loss <= 0)
        return;
    size_t lost = 0;
    for (size_t i = 0; i * SIM_PACKET < s->on_line; i++)
        lost += sim_rng_chance(rng, loss);
    if (lost == 0)
        return;
    bool noticed = f->sent - f->acked >= 4 * SIM_PACKET; /* duplicate acknowledgements will tell */
    s->repair = noticed ? f->round_trip : timeout_of(f);
    for (usec again = timeout_of(f); sim_rng_chance(rng, loss) && again < RTO_MOST; again *= 2)
        s->repair += again;
    s->on_line += lost * SIM_PACKET;
    slow_down(f);
    if (!noticed)
        f->window = WINDOW_LEAST;
}

/* The modem's queue has no room for it: it comes a round trip later. (Its bytes do not go a second
 * time, which is kinder than the world.) */
static void queue_lost(struct sim_flow *f, struct sim_segment *s)
{
    if (s->repair == 0)
        s->repair = f->round_trip;
    slow_down(f);
}

/* The misfortunes of a whole connection. True if one struck. */
static bool strike(struct sim_flow *f)
{
    struct sim_world *w = f->conn->world;
    if (loopback(f))
        return false;
    if (sim_rng_chance(&w->net_rng, w->config.tcp_reset)) {
        sim_conn_send_reset(f->conn, 0);
        sim_conn_send_reset(f->conn, 1);
        return true;
    }
    if (sim_rng_chance(&w->net_rng, w->config.tcp_silence))
        f->conn->silent = true;
    return !sim_conn_remembered(f->conn);
}

static size_t up_take(struct sim_source *source, size_t quantum)
{
    struct sim_flow *f = container_of(source, struct sim_flow, up);
    if (f->conn->dead || writer(f)->gone || f->stalled || !f->conn->established[f->from])
        return 0;
    quantum = segment_most(f, quantum);
    size_t size = sendable(f, quantum);
    bool fin = size == 0 && f->fin == SIM_FIN_WANTED && f->sent == f->written;
    if (size == 0 && !fin)
        return 0;
    if (!sim_conn_passes(f->conn) || strike(f)) {
        stall(f);
        return 0;
    }
    f->leaving = segment_new(f, size);
    f->sent += size;
    if (fin)
        f->fin = SIM_FIN_SENT;
    lose(f, f->leaving);
    if (sim_link_full(uplink(f), f->leaving->on_line))
        queue_lost(f, f->leaving);
    if (sendable(f, quantum) > 0 || (f->fin == SIM_FIN_WANTED && f->sent == f->written))
        sim_link_want(uplink(f), &f->up);
    return f->leaving->on_line;
}

static void up_sent(struct sim_source *source, usec at)
{
    struct sim_flow *f = container_of(source, struct sim_flow, up);
    struct sim_segment *s = f->leaving;
    usec arrival = at + sim_net_delay(writer(f)->host, reader(f)->host);
    if (arrival < f->arrive_floor)
        arrival = f->arrive_floor;
    f->arrive_floor = arrival;
    f->leaving = NULL;
    writer(f)->host->stats.bytes_sent += s->size;
    sim_event_init(&s->event, "segment arrives", reader(f)->host, arrives);
    sim_schedule(f->conn->world, &s->event, arrival);
}

/* ---- arriving ------------------------------------------------------------------------------ */

/* False (and the segment is gone) if the segment has no future. */
static bool still_good(struct sim_segment *s)
{
    struct sim_flow *f = s->flow;
    if (!f->conn->dead && s->epoch == f->epoch) {
        if (reader(f)->gone && sim_conn_passes(f->conn))
            sim_conn_send_reset(f->conn, f->from);
        else if (!sim_conn_passes(f->conn) || !f->conn->established[1 - f->from])
            stall(f);
        else
            return true;
    }
    segment_free(s);
    return false;
}

static void land(struct sim_segment *s, usec at)
{
    struct sim_flow *f = s->flow;
    at += s->repair;
    if (at < f->deliver_floor)
        at = f->deliver_floor;
    f->deliver_floor = at;
    sim_event_init(&s->event, "segment delivered", reader(f)->host, delivers);
    sim_schedule(f->conn->world, &s->event, at);
}

static void arrives(struct sim_event *event)
{
    struct sim_segment *s = container_of(event, struct sim_segment, event);
    struct sim_flow *f = s->flow;
    if (!still_good(s))
        return;
    struct sim_link *down = &reader(f)->host->down;
    if (loopback(f) || down->rate == 0) {
        land(s, f->conn->world->now);
        return;
    }
    s->queued_at = f->conn->world->now;
    if (sim_link_full(down, s->on_line))
        queue_lost(f, s);
    list_push_back(&f->queued, &s->link);
    sim_link_want(down, &f->down);
}

static size_t down_take(struct sim_source *source, size_t quantum)
{
    struct sim_flow *f = container_of(source, struct sim_flow, down);
    struct sim_world *w = f->conn->world;
    (void)quantum; /* segments were cut to the uplink's */
    f->landing = list_entry(list_pop_front(&f->queued), struct sim_segment, link);
    if (w->now - f->landing->queued_at > w->config.queue_max)
        slow_down(f); /* as if the router had marked it (RFC 3168) */
    if (!list_empty(&f->queued))
        sim_link_want(&reader(f)->host->down, &f->down);
    return f->landing->size == 0 ? SIM_CONTROL : f->landing->size;
}

static void down_sent(struct sim_source *source, usec at)
{
    struct sim_flow *f = container_of(source, struct sim_flow, down);
    struct sim_segment *s = f->landing;
    f->landing = NULL;
    land(s, at);
}

/* ---- delivery and its acknowledgement ------------------------------------------------------ */

static void delivers(struct sim_event *event)
{
    struct sim_segment *s = container_of(event, struct sim_segment, event);
    struct sim_flow *f = s->flow;
    struct sim_world *w = f->conn->world;
    if (!still_good(s))
        return;
    if (reader(f)->handle == NULL && s->size > 0) {
        /* The reader closed: its kernel answers data with a reset and forgets the connection. */
        sim_conn_send_reset(f->conn, f->from);
        sim_conn_break(f->conn, 1 - f->from, ERR_CLOSED);
        segment_free(s);
        return;
    }
    assert(s->first == f->delivered);
    sim_record(w, reader(f)->host, "bytes", s->size,
        sim_ring_fingerprint(&f->ring, (size_t)(s->first - f->read), s->size));
    f->delivered += s->size;
    reader(f)->host->stats.bytes_received += s->size;
    if (s->size == 0)
        f->fin = SIM_FIN_DELIVERED;
    if (reader(f)->handle != NULL)
        sim_tcp_poke(reader(f)->handle);
    s->window_news = f->read_told = f->read;
    sim_event_init(&s->event, "segment acknowledged", writer(f)->host, acknowledged);
    sim_schedule(w, &s->event, w->now + sim_net_latency(reader(f)->host, writer(f)->host));
}

static void acknowledged(struct sim_event *event)
{
    struct sim_segment *s = container_of(event, struct sim_segment, event);
    struct sim_flow *f = s->flow;
    usec now = f->conn->world->now;
    if (f->conn->dead || s->epoch != f->epoch || writer(f)->gone) {
        segment_free(s);
        return;
    }
    if (!sim_conn_passes(f->conn)) {
        stall(f);
        segment_free(s);
        return;
    }
    uint64_t in_flight = f->sent - f->acked;
    f->acked = s->first + s->size;
    if (s->window_news > f->read_known)
        f->read_known = s->window_news;
    f->round_trip += (now - s->sent_at - s->repair - f->round_trip) / 8;
    if (f->round_trip < least_round_trip(f))
        f->round_trip = least_round_trip(f);
    speed_up(f, s->size, in_flight);
    if (writer(f)->handle != NULL)
        sim_tcp_poke(writer(f)->handle);
    sim_flow_push(f);
    segment_free(s);
}

/* ---- the receive window -------------------------------------------------------------------- */

void sim_flow_was_read(struct sim_flow *f)
{
    struct sim_world *w = f->conn->world;
    uint64_t news = f->read - f->read_told;
    uint64_t step = w->config.receive_buffer_bytes / 4;
    if (reader(f)->gone || news < (step < WINDOW_LEAST ? step : WINDOW_LEAST) || news == 0)
        return;
    if (f->window_update.slot != 0)
        return; /* one is on its way; when it arrives the next may go */
    f->window_news = f->read_told = f->read;
    sim_schedule(w, &f->window_update, w->now + sim_net_latency(reader(f)->host, writer(f)->host));
}

static void window_update(struct sim_event *event)
{
    struct sim_flow *f = container_of(event, struct sim_flow, window_update);
    if (writer(f)->gone)
        return;
    if (!sim_conn_passes(f->conn)) {
        stall(f);
        return;
    }
    if (f->window_news > f->read_known)
        f->read_known = f->window_news;
    sim_flow_was_read(f);
    sim_flow_push(f);
}

/* ---- life ---------------------------------------------------------------------------------- */

void sim_flow_init(struct sim_flow *f, struct sim_conn *conn, unsigned from)
{
    *f = (struct sim_flow){.conn = conn, .from = from, .window = WINDOW_FIRST};
    f->threshold = UINT64_MAX;
    list_init(&f->queued);
    sim_source_init(&f->up, up_take, up_sent);
    sim_source_init(&f->down, down_take, down_sent);
    sim_event_init(&f->retry, "retransmission timer", NULL, retry);
    sim_event_init(&f->window_update, "window update", NULL, window_update);
}

void sim_flow_push(struct sim_flow *f)
{
    if (f->retry.host == NULL) { /* both hosts are known from the first byte on */
        f->retry.host = f->window_update.host = writer(f)->host;
        f->round_trip = least_round_trip(f);
    }
    if (f->written > f->sent || f->fin == SIM_FIN_WANTED)
        sim_link_want(uplink(f), &f->up);
}

size_t sim_flow_send_buffer(const struct sim_flow *f)
{
    const struct sim_config *c = &f->conn->world->config;
    uint64_t tuned = 2 * f->window > SEND_BUFFER_LEAST ? 2 * f->window : SEND_BUFFER_LEAST;
    return c->send_buffer_tuned && tuned < c->send_buffer_bytes ? tuned : c->send_buffer_bytes;
}

size_t sim_flow_room(const struct sim_flow *f)
{
    uint64_t used = f->written - f->acked;
    uint64_t size = sim_flow_send_buffer(f);
    return used < size ? (size_t)(size - used) : 0;
}

void sim_flow_stop(struct sim_flow *f)
{
    sim_unschedule(f->conn->world, &f->retry);
    sim_unschedule(f->conn->world, &f->window_update);
    list_remove(&f->up.link);
}

void sim_flow_free(struct sim_flow *f)
{
    struct list_link *in_flight = &f->conn->in_flight;
    list_for_each_safe(link, in_flight)
    {
        struct sim_segment *s = list_entry(link, struct sim_segment, all);
        sim_unschedule(f->conn->world, &s->event);
        list_remove(&s->all);
        free(s);
    }
    sim_flow_stop(f);
    list_remove(&f->down.link);
    sim_ring_free(&f->ring);
}
