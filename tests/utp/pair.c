/* See pair.h. */
#include "pair.h"

#include "base/err.h"
#include <stdlib.h>

unsigned pair_wait(const struct pair *p, int end, double share)
{
    const uint32_t *waits = p->end[end].waits;
    uint64_t all = 0, seen = 0;
    for (unsigned i = 0; i < PAIR_WAITS; i++)
        all += waits[i];
    for (unsigned i = 0; i < PAIR_WAITS; i++)
        if ((double)(seen += waits[i]) >= share * (double)all)
            return i;
    return PAIR_WAITS;
}

double pair_chance(struct pair *p)
{
    uint64_t z = (p->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) / (double)(1ull << 53);
}

void pair_new(struct pair *p, uint64_t seed, const struct pair_line *line)
{
    uint8_t key[16] = {0};
    *p = (struct pair){.random = seed, .now = SECONDS(1)};
    p->flight = malloc(sizeof *p->flight * PAIR_FLIGHT_MAX);
    for (int i = 0; i < 2; i++) {
        struct pair_end *e = &p->end[i];
        store_u64(key, seed * 2 + (uint64_t)i);
        *e = (struct pair_end){.line = *line,
            .clock_rate = 1,
            .address = endpoint_v4(0x0a000001u + (uint32_t)i, 6881)};
        e->clock_zero = (usec)(pair_chance(p) * 1e10);
        e->socket = utp_socket_new(key, pair_clock(p, i));
    }
}

void pair_free(struct pair *p)
{
    utp_socket_free(p->end[0].socket);
    utp_socket_free(p->end[1].socket);
    free(p->flight);
}

usec pair_clock(const struct pair *p, int end)
{
    return p->end[end].clock_zero + (usec)((double)p->now * p->end[end].clock_rate);
}

/* ---- packets on their way ------------------------------------------------------------------ */

static bool is_sooner(const struct pair_packet *a, const struct pair_packet *b)
{
    return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void swap(struct pair *p, unsigned a, unsigned b)
{
    struct pair_packet t = p->flight[a];
    p->flight[a] = p->flight[b];
    p->flight[b] = t;
}

static void flight_push(struct pair *p, const struct pair_packet *packet)
{
    unsigned at = p->flight_count;
    if (at == PAIR_FLIGHT_MAX)
        return; /* lost */
    p->flight_count++;
    p->flight[at] = *packet;
    p->flight[at].number = p->numbered++;
    for (; at > 0 && is_sooner(&p->flight[at], &p->flight[(at - 1) / 2]); at = (at - 1) / 2)
        swap(p, at, (at - 1) / 2);
}

static struct pair_packet flight_pop(struct pair *p)
{
    struct pair_packet first = p->flight[0];
    p->flight[0] = p->flight[--p->flight_count];
    for (unsigned at = 0, child; (child = 2 * at + 1) < p->flight_count; at = child) {
        if (child + 1 < p->flight_count && is_sooner(&p->flight[child + 1], &p->flight[child]))
            child++;
        if (!is_sooner(&p->flight[child], &p->flight[at]))
            break;
        swap(p, at, child);
    }
    return first;
}

/* Through the bottleneck: false if its queue is full. */
static bool queue(struct pair *p, struct pair_end *e, size_t size, usec *at)
{
    usec start = e->line_free_at > p->now ? e->line_free_at : p->now;
    *at = start;
    if (e->line.rate == 0)
        return true;
    if (e->line.queue_max > 0 &&
        (double)(start - p->now) * (double)e->line.rate / 1e6 > (double)e->line.queue_max)
        return false;
    usec wait = start - p->now;
    if (wait > e->queue_worst)
        e->queue_worst = wait;
    e->waits[wait < MSECS(PAIR_WAITS) ? wait / USEC_PER_MSEC : PAIR_WAITS - 1]++;
    e->line_free_at = start + (usec)((double)(size + 28) * 1e6 / (double)e->line.rate);
    *at = e->line_free_at;
    return true;
}

static void transmit(struct pair *p, int from, const uint8_t *data, size_t size, bool whole)
{
    struct pair_end *e = &p->end[from];
    const struct pair_line *l = &e->line;
    struct pair_packet packet = {.to = 1 - from, .size = size};
    e->packets_out++;
    e->bytes_out += size;
    if (!whole && size > e->largest)
        e->largest = size;
    if (e->corked || pair_chance(p) < l->loss || (whole && l->mtu > 0 && size > l->mtu) ||
        !queue(p, e, size, &packet.at)) {
        e->dropped++;
        return;
    }
    packet.at += l->delay;
    if (l->rate_behind > 0)
        packet.at += (usec)((double)(size + 28) * 1e6 / (double)l->rate_behind);
    if (pair_chance(p) < l->reorder)
        packet.at += (usec)(pair_chance(p) * (double)l->reorder_max);
    memcpy(packet.data, data, size);
    flight_push(p, &packet);
    if (pair_chance(p) < l->duplicate)
        flight_push(p, &packet);
}

void pair_inject(struct pair *p, int to, const struct endpoint *from, struct bytes datagram)
{
    utp_socket_input(p->end[to].socket, from, datagram, pair_clock(p, to));
}

/* Cuts a run into its datagrams, as the kernel would. */
static void send_run(struct pair *p, int from, const struct utp_run *run)
{
    struct pair_end *e = &p->end[from];
    uint8_t data[1600];
    size_t size = 0;
    if (run->probe) {
        e->probes++;
        if (e->line.mtu_local > 0 && run->bytes > e->line.mtu_local) {
            e->refused++;
            utp_probe_refused(e->socket, run->probe, pair_clock(p, from));
            return;
        }
    }
    for (int i = 0; i < run->iov_count; i++) {
        memcpy(data + size, run->iov[i].iov_base, run->iov[i].iov_len);
        size += run->iov[i].iov_len;
        if (size == run->segment || i + 1 == run->iov_count) {
            transmit(p, from, data, size, run->probe != NULL);
            size = 0;
        }
    }
}

static void send_all(struct pair *p)
{
    for (int i = 0; i < 2; i++)
        while (utp_socket_output(p->end[i].socket, &p->batch, pair_clock(p, i)))
            for (int r = 0; r < p->batch.run_count; r++)
                send_run(p, i, &p->batch.runs[r]);
}

/* ---- time ---------------------------------------------------------------------------------- */

/* When an end's clock shows `deadline`. */
static usec when(const struct pair *p, int end)
{
    usec deadline = utp_socket_deadline(p->end[end].socket);
    if (deadline == NEVER)
        return NEVER;
    const struct pair_end *e = &p->end[end];
    usec at = (usec)((double)(deadline - e->clock_zero) / e->clock_rate) + 1;
    return at > p->now ? at : p->now + 1;
}

/* Nobody may look any more at where the last packets lay. */
static void take_back(struct pair *p)
{
    for (int i = 0; i < 2; i++)
        utp_socket_give_back(p->end[i].socket);
    memset(p->arrived, 0xdd, p->arrived_count * sizeof *p->arrived);
    p->arrived_count = 0;
}

static void arrive(struct pair *p)
{
    while (p->flight_count > 0 && p->flight[0].at <= p->now) {
        if (p->arrived_count == PAIR_ARRIVED_MAX)
            take_back(p);
        struct pair_packet *packet = &p->arrived[p->arrived_count++];
        *packet = flight_pop(p);
        if (p->filter && !p->filter(p->filter_user, p, packet))
            continue;
        utp_socket_lend(p->end[packet->to].socket);
        utp_socket_input(p->end[packet->to].socket, &p->end[1 - packet->to].address,
            bytes_of(packet->data, packet->size), pair_clock(p, packet->to));
    }
}

bool pair_step(struct pair *p, usec until)
{
    take_back(p);
    send_all(p);
    usec next = usec_min(when(p, 0), when(p, 1));
    if (p->flight_count > 0)
        next = usec_min(next, p->flight[0].at);
    if (next > until) {
        p->now = until;
        return false;
    }
    p->now = next > p->now ? next : p->now;
    arrive(p);
    for (int i = 0; i < 2; i++)
        utp_socket_tick(p->end[i].socket, pair_clock(p, i));
    return true;
}

void pair_pass(struct pair *p, usec time)
{
    usec until = p->now + time;
    while (pair_step(p, until)) {
    }
}

bool pair_connect(struct pair *p)
{
    usec until = p->now + SECONDS(10);
    int err = ERR_AGAIN;
    if (utp_connect(p->end[0].socket, &p->end[1].address, pair_clock(p, 0), &p->end[0].conn) != 0)
        return false;
    while (!utp_take_connected(p->end[0].conn, &err))
        if (!pair_step(p, until))
            return false;
    if (err)
        return false;
    /* Who was called learns of it by the first packet that proves that the caller hears. */
    uint8_t zero = 0;
    struct iovec one = {&zero, 1};
    if (utp_writev(p->end[0].socket, p->end[0].conn, &one, 1, false, pair_clock(p, 0)) != 1)
        return false;
    while ((p->end[1].conn = utp_accept(p->end[1].socket)) == NULL)
        if (!pair_step(p, until))
            return false;
    uint8_t got;
    struct iovec in = {&got, 1};
    while (utp_readv(p->end[1].socket, p->end[1].conn, &in, 1) != 1)
        if (!pair_step(p, until))
            return false;
    return true;
}

/* ---- streams ------------------------------------------------------------------------------- */

static uint8_t byte_at(int from, uint64_t position)
{
    uint64_t z = (position >> 3) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)from;
    z = (z ^ z >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint8_t)(z >> (position & 7) * 8);
}

static void stream_write(struct pair_stream *s)
{
    struct pair_end *e = &s->pair->end[s->from];
    uint8_t data[8192];
    while (s->written < s->size && utp_conn_is_writable(e->conn)) {
        size_t size = 1 + (size_t)(pair_chance(s->pair) * sizeof data);
        if (size > s->size - s->written)
            size = (size_t)(s->size - s->written);
        for (size_t i = 0; i < size; i++)
            data[i] = byte_at(s->from, s->written + i);
        struct iovec v[2] = {{data, size / 3}, {data + size / 3, size - size / 3}};
        ssize_t n = utp_writev(
            e->socket, e->conn, v, 2, s->written + size < s->size, pair_clock(s->pair, s->from));
        if (n <= 0)
            return;
        s->written += (uint64_t)n;
    }
}

static void stream_read(struct pair_stream *s)
{
    struct pair_end *e = &s->pair->end[1 - s->from];
    uint8_t data[65536];
    if (s->pair->now < s->read_from)
        return;
    while (s->end == 0) {
        size_t most = s->read_at_most ? s->read_at_most : sizeof data;
        struct iovec v[2] = {{data, most / 2}, {data + most / 2, most - most / 2}};
        ssize_t n = utp_readv(e->socket, e->conn, v, 2);
        if (n == ERR_AGAIN)
            return;
        if (n < 0) {
            s->end = (int)n;
            return;
        }
        for (ssize_t i = 0; i < n; i++)
            s->wrong |= data[i] != byte_at(s->from, s->read + (uint64_t)i);
        s->read += (uint64_t)n;
    }
}

void pair_stream_move(struct pair_stream *s)
{
    if (!s->closed)
        stream_write(s);
    if (s->pair->end[1 - s->from].conn)
        stream_read(s);
}

bool pair_exchange(struct pair *p, uint64_t forth, uint64_t back, usec at_most)
{
    struct pair_stream a = {.pair = p, .from = 0, .size = forth};
    struct pair_stream b = {.pair = p, .from = 1, .size = back};
    usec until = p->now + at_most;
    for (;;) {
        pair_stream_move(&a);
        pair_stream_move(&b);
        if (a.wrong || b.wrong || a.read > forth || b.read > back)
            return false;
        if (a.read == forth && b.read == back)
            return true;
        if (!pair_step(p, until))
            return false;
    }
}
