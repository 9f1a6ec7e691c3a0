/* See utp_socket.h. A connection that anything happened to is `touched`, and settled before anybody
 * looks again: its timer, whether it has something to send or to tell, and whether it is over. So a
 * batch of packets costs one settlement a connection. */
#include "utp/utp_socket.h"

#include "base/err.h"
#include "base/map.h"
#include <stdlib.h>

#define KEY_SIZE 25u
#define CALL_PERIOD SECONDS(32) /* an answer to a call is good for one to two of them */

struct reset {
    struct endpoint to;
    uint16_t id, ack, seq;
};

struct utp_socket {
    struct map *conns; /* by address and receive id */
    struct utp_pool pool;
    struct timer_heap timers;
    struct list_link all, touched, sending, ready, incoming, half_open;
    unsigned half_open_count;
    bool accepts;
    struct utp_conn *last; /* packets come in rows */
    uint8_t key[16];
    uint64_t drawn;
    uint32_t clock_offset;
    usec crowded_until; /* calls had to be forgotten before they were proved */
    struct reset resets[UTP_RESETS_MAX];
    unsigned reset_count, resets_left; /* of this second */
    usec second;
};

static uint16_t draw(struct utp_socket *s)
{
    s->drawn++;
    return (uint16_t)siphash13(&s->drawn, sizeof s->drawn, s->key);
}

/* ---- the table ----------------------------------------------------------------------------- */

static void make_key(uint8_t key[KEY_SIZE], const struct endpoint *remote, uint16_t id)
{
    key[0] = remote->family;
    memcpy(key + 1, remote->ip, 16);
    store_u16(key + 17, remote->port);
    store_u32(key + 19, remote->scope);
    store_u16(key + 23, id);
}

static struct utp_conn *find(struct utp_socket *s, const struct endpoint *remote, uint16_t id)
{
    uint8_t key[KEY_SIZE];
    if (s->last && s->last->id_in == id && endpoint_equal(&s->last->remote, remote))
        return s->last;
    make_key(key, remote, id);
    struct utp_conn *c = map_get(s->conns, key);
    if (c)
        s->last = c;
    return c;
}

static void touch(struct utp_socket *s, struct utp_conn *c)
{
    if (list_empty(&c->touched))
        list_push_back(&s->touched, &c->touched);
}

/* A connection with the id that it will have; initialised by the caller, then enrolled. */
static struct utp_conn *conn_new(struct utp_socket *s)
{
    size_t count = map_count(s->conns);
    if (count >= UTP_CONNS_MAX || timer_heap_reserve(&s->timers, count + 1) != 0)
        return NULL;
    return malloc(sizeof(struct utp_conn));
}

static bool enrol(struct utp_socket *s, struct utp_conn *c)
{
    uint8_t key[KEY_SIZE];
    make_key(key, &c->remote, c->id_in);
    if (map_put(s->conns, key, c) != 0)
        return false;
    list_push_back(&s->all, &c->all);
    touch(s, c);
    return true;
}

static void conn_free(struct utp_socket *s, struct utp_conn *c)
{
    uint8_t key[KEY_SIZE];
    make_key(key, &c->remote, c->id_in);
    map_remove(s->conns, key);
    if (s->last == c)
        s->last = NULL;
    timer_cancel(&s->timers, &c->timer);
    list_remove(&c->all);
    list_remove(&c->touched);
    list_remove(&c->sending);
    list_remove(&c->ready);
    utp_conn_free_memory(c);
    free(c);
}

/* ---- birth and end ------------------------------------------------------------------------- */

struct utp_socket *utp_socket_new(const uint8_t seed[16], usec now)
{
    struct utp_socket *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    memcpy(s->key, seed, sizeof s->key);
    s->conns = map_new(KEY_SIZE, seed);
    if (!s->conns) {
        free(s);
        return NULL;
    }
    timer_heap_init(&s->timers);
    utp_loan_init(&s->pool.loan);
    list_init(&s->all);
    list_init(&s->touched);
    list_init(&s->sending);
    list_init(&s->ready);
    list_init(&s->incoming);
    list_init(&s->half_open);
    s->clock_offset = (uint32_t)draw(s) << 16 | draw(s);
    s->accepts = true;
    s->second = now;
    s->resets_left = UTP_RESETS_PER_SECOND;
    return s;
}

void utp_socket_set_least(struct utp_socket *s, double bytes_per_second)
{
    s->pool.least_rate = bytes_per_second;
}

void utp_socket_stop_accepting(struct utp_socket *s)
{
    s->accepts = false;
}

void utp_socket_free(struct utp_socket *s)
{
    if (!s)
        return;
    list_for_each_safe(at, &s->all) conn_free(s, list_entry(at, struct utp_conn, all));
    utp_loan_free(&s->pool.loan);
    utp_pool_free(&s->pool);
    timer_heap_free(&s->timers);
    map_free(s->conns);
    free(s);
}

/* ---- settling ------------------------------------------------------------------------------ */

static void fire(struct timer *timer, usec now)
{
    struct utp_conn *c = container_of(timer, struct utp_conn, timer);
    utp_conn_tick(c, now);
    touch(c->socket, c);
}

bool utp_wants_readable(const struct utp_conn *c)
{
    return c->owned && c->want_read && utp_conn_is_readable(c);
}

bool utp_wants_writable(const struct utp_conn *c)
{
    return c->owned && c->want_write && utp_conn_is_writable(c);
}

static bool has_news(const struct utp_conn *c)
{
    bool outcome = c->owned && !c->told_connected && c->state != UTP_SYN_SENT;
    return outcome || utp_wants_readable(c) || utp_wants_writable(c);
}

/* On one of the lists half_open, incoming, ready, or none. */
static void settle_owner(struct utp_socket *s, struct utp_conn *c)
{
    if (c->half_open) {
        if (c->state == UTP_SYN_RECEIVED)
            return;
        c->half_open = false;
        s->half_open_count--;
        list_remove(&c->ready);
        if (c->state == UTP_OPEN)
            list_push_back(&s->incoming, &c->ready);
        return;
    }
    if (!c->owned)
        return;
    bool news = has_news(c);
    if (news && list_empty(&c->ready))
        list_push_back(&s->ready, &c->ready);
    else if (!news)
        list_remove(&c->ready);
}

static void settle(struct utp_socket *s, struct utp_conn *c)
{
    settle_owner(s, c);
    bool waits_for_owner = !list_empty(&c->ready);
    if (c->state == UTP_DEAD && !c->owned && !waits_for_owner) {
        conn_free(s, c);
        return;
    }
    timer_set(&s->timers, &c->timer, utp_conn_deadline(c));
    if (utp_conn_has_output(c)) {
        if (list_empty(&c->sending))
            list_push_back(&s->sending, &c->sending);
    } else {
        list_remove(&c->sending);
    }
}

static void settle_all(struct utp_socket *s)
{
    struct list_link *at;
    while ((at = list_pop_front(&s->touched)) != NULL)
        settle(s, list_entry(at, struct utp_conn, touched));
}

usec utp_socket_deadline(struct utp_socket *s)
{
    settle_all(s);
    if (!list_empty(&s->sending) || !list_empty(&s->ready) || !list_empty(&s->incoming) ||
        s->reset_count > 0)
        return 0;
    return timer_heap_deadline(&s->timers);
}

void utp_socket_tick(struct utp_socket *s, usec now)
{
    settle_all(s);
    timer_heap_run(&s->timers, now);
}

/* ---- callers and other strangers ----------------------------------------------------------- */

/* To what belongs to nothing, so that its sender does not wait in vain. Never to a reset, or two
 * ends could go on for ever. */
static void answer_stranger(
    struct utp_socket *s, const struct endpoint *from, const struct utp_packet *p, usec now)
{
    if (now - s->second >= SECONDS(1)) {
        s->second = now;
        s->resets_left = UTP_RESETS_PER_SECOND;
    }
    if (p->type == UTP_RESET || s->resets_left == 0 || s->reset_count >= UTP_RESETS_MAX)
        return;
    if (now < s->crowded_until)
        return; /* it may be of somebody whose call we have forgotten */
    s->resets_left--;
    s->resets[s->reset_count++] =
        (struct reset){.to = *from, .id = p->id, .ack = p->seq, .seq = draw(s)};
}

/* The sequence number that a caller is answered with: whoever repeats it has heard us, also if his
 * call has been forgotten since (as TCP's SYN cookies, RFC 4987). */
static uint16_t answer_seq(
    struct utp_socket *s, const struct endpoint *from, uint16_t id, uint16_t seq, usec period)
{
    uint8_t data[KEY_SIZE + 10];
    make_key(data, from, id);
    store_u16(data + KEY_SIZE, seq);
    store_u64(data + KEY_SIZE + 2, (uint64_t)period);
    return (uint16_t)siphash13(data, sizeof data, s->key);
}

static void drop_oldest_call(struct utp_socket *s, usec now)
{
    if (s->half_open_count < UTP_HALF_OPEN_MAX)
        return;
    s->crowded_until = now + UTP_HALF_OPEN_LIFE;
    struct utp_conn *c = list_entry(s->half_open.next, struct utp_conn, ready);
    utp_conn_die(c, ERR_LIMIT);
    list_remove(&c->touched);
    settle(s, c);
}

/* NULL: there is no room, or no memory. */
static struct utp_conn *new_call(struct utp_socket *s, const struct endpoint *from,
    const struct utp_packet *syn, uint16_t seq, usec now)
{
    drop_oldest_call(s, now);
    struct utp_conn *c = conn_new(s);
    if (!c)
        return NULL;
    utp_conn_answer(c, &s->pool, from, syn, seq, s->clock_offset, now);
    c->socket = s;
    c->timer.fire = fire;
    c->half_open = true;
    if (!enrol(s, c)) {
        free(c);
        return NULL;
    }
    list_push_back(&s->half_open, &c->ready);
    s->half_open_count++;
    return c;
}

static void take_call(
    struct utp_socket *s, const struct endpoint *from, const struct utp_packet *p, usec now)
{
    struct utp_conn *c = find(s, from, (uint16_t)(p->id + 1));
    if (c) {
        utp_conn_input(c, p, now);
        touch(s, c);
    } else if (s->accepts) {
        new_call(s, from, p, answer_seq(s, from, p->id, p->seq, now / CALL_PERIOD), now);
    }
}

/* The first packet after a call that a flood of others has pushed out: what it repeats of our
 * answer proves it, and it names what the call said. */
static struct utp_conn *find_forgotten(
    struct utp_socket *s, const struct endpoint *from, const struct utp_packet *p, usec now)
{
    if (!s->accepts || now >= s->crowded_until || (p->type != UTP_DATA && p->type != UTP_STATE))
        return NULL;
    struct utp_packet syn = {.type = UTP_SYN,
        .id = (uint16_t)(p->id - 1),
        .seq = (uint16_t)(p->seq - 1),
        .timestamp = p->timestamp,
        .window = p->window};
    for (usec period = now / CALL_PERIOD; period >= now / CALL_PERIOD - 1; period--) {
        uint16_t seq = answer_seq(s, from, syn.id, syn.seq, period);
        if (p->ack != (uint16_t)(seq - 1))
            continue;
        struct utp_conn *c = new_call(s, from, &syn, seq, now);
        if (c)
            c->ack_due = false;
        return c;
    }
    return NULL;
}

/* A reset bears the id of what it answers, which may be the one that we send with (libutp's) or the
 * one that we receive with (libtorrent's). */
static struct utp_conn *find_reset(
    struct utp_socket *s, const struct endpoint *from, const struct utp_packet *p)
{
    struct utp_conn *c = find(s, from, p->id);
    for (int step = -1; !c && step <= 1; step += 2) {
        c = find(s, from, (uint16_t)(p->id + step));
        if (c && c->id_out != p->id)
            c = NULL;
    }
    return c;
}

bool utp_socket_input(
    struct utp_socket *s, const struct endpoint *from, struct bytes datagram, usec now)
{
    struct utp_packet p;
    if (!utp_packet_parse(&p, datagram))
        return false;
    if (p.type == UTP_SYN) {
        take_call(s, from, &p, now);
        return true;
    }
    struct utp_conn *c = p.type == UTP_RESET ? find_reset(s, from, &p) : find(s, from, p.id);
    if (!c)
        c = find_forgotten(s, from, &p, now);
    if (!c) {
        answer_stranger(s, from, &p, now);
        return true;
    }
    utp_conn_input(c, &p, now);
    touch(s, c);
    return true;
}

void utp_socket_lend(struct utp_socket *s)
{
    s->pool.loan.open = true;
}

static void no_memory(struct utp_inbox *in)
{
    struct utp_conn *c = container_of(in, struct utp_conn, in);
    utp_conn_die(c, ERR_NOMEM);
    touch(c->socket, c);
}

void utp_socket_give_back(struct utp_socket *s)
{
    utp_loan_end(&s->pool.loan, UTP_INBOX_MAX, no_memory);
}

/* ---- out ----------------------------------------------------------------------------------- */

static void put_resets(struct utp_socket *s, struct utp_batch *b, usec now)
{
    while (s->reset_count > 0 && utp_batch_has_room(b)) {
        struct reset *r = &s->resets[--s->reset_count];
        struct utp_packet p = {.type = UTP_RESET,
            .id = r->id,
            .timestamp = (uint32_t)now + s->clock_offset,
            .seq = r->seq,
            .ack = r->ack};
        utp_batch_put(b, &r->to, &p, NULL, 0, NULL);
    }
}

bool utp_socket_output(struct utp_socket *s, struct utp_batch *b, usec now)
{
    struct list_link *at;
    settle_all(s);
    utp_batch_clear(b);
    put_resets(s, b, now);
    while (utp_batch_has_room(b) && (at = list_pop_front(&s->sending)) != NULL) {
        struct utp_conn *c = list_entry(at, struct utp_conn, sending);
        if (utp_conn_output(c, b, UTP_OUTPUT_PACKETS, now))
            list_push_back(&s->sending, &c->sending);
        touch(s, c);
    }
    return b->run_count > 0;
}

void utp_probe_refused(struct utp_socket *s, struct utp_conn *c, usec now)
{
    utp_conn_probe_refused(c, now);
    touch(s, c);
}

/* ---- owners -------------------------------------------------------------------------------- */

int utp_connect(struct utp_socket *s, const struct endpoint *to, usec now, struct utp_conn **out)
{
    uint16_t id = draw(s);
    while (find(s, to, id))
        id = draw(s);
    struct utp_conn *c = conn_new(s);
    if (!c)
        return map_count(s->conns) >= UTP_CONNS_MAX ? ERR_LIMIT : ERR_NOMEM;
    utp_conn_call(c, &s->pool, to, id, draw(s), s->clock_offset, now);
    c->socket = s;
    c->timer.fire = fire;
    c->owned = true;
    if (!enrol(s, c)) {
        free(c);
        return ERR_NOMEM;
    }
    *out = c;
    return 0;
}

struct utp_conn *utp_accept(struct utp_socket *s)
{
    settle_all(s);
    struct list_link *at = list_pop_front(&s->incoming);
    if (!at)
        return NULL;
    struct utp_conn *c = list_entry(at, struct utp_conn, ready);
    c->owned = c->told_connected = true;
    touch(s, c);
    return c;
}

void utp_close(struct utp_socket *s, struct utp_conn *c, usec now)
{
    c->owned = false;
    c->user = NULL;
    list_remove(&c->ready);
    utp_conn_close(c, now);
    touch(s, c);
}

unsigned utp_socket_ready(struct utp_socket *s, struct utp_conn **out, unsigned max)
{
    unsigned count = 0;
    struct list_link *at;
    settle_all(s);
    while (count < max && (at = list_pop_front(&s->ready)) != NULL) {
        out[count] = list_entry(at, struct utp_conn, ready);
        touch(s, out[count++]);
    }
    return count;
}

bool utp_socket_has_ready(struct utp_socket *s)
{
    settle_all(s);
    return !list_empty(&s->ready) || !list_empty(&s->incoming);
}

void utp_want(struct utp_socket *s, struct utp_conn *c, bool read, bool write)
{
    c->want_read = read;
    c->want_write = write;
    touch(s, c);
}

bool utp_take_connected(struct utp_conn *c, int *err)
{
    if (!c->owned || c->told_connected || c->state == UTP_SYN_SENT)
        return false;
    c->told_connected = true;
    *err = c->state == UTP_DEAD ? (c->error ? c->error : ERR_CLOSED) : 0;
    return true;
}

ssize_t utp_readv(struct utp_socket *s, struct utp_conn *c, const struct iovec *v, int count)
{
    touch(s, c);
    return utp_conn_readv(c, v, count);
}

ssize_t utp_writev(
    struct utp_socket *s, struct utp_conn *c, const struct iovec *v, int count, bool more, usec now)
{
    touch(s, c);
    return utp_conn_writev(c, v, count, more, now);
}

struct utp_counts utp_socket_counts(const struct utp_socket *s)
{
    return (struct utp_counts){.conns = (unsigned)map_count(s->conns),
        .half_open = s->half_open_count,
        .held = s->pool.used};
}
