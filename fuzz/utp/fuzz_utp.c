/* Two uTP sockets, and a line that the input rules: what is written and read and when, which
 * packets are lost, doubled, held back or changed, what strangers and forgers inject, how time
 * passes.
 *
 * Properties: nothing crashes; bytes arrive as they were written as long as nobody forged a
 * plausible packet; a stranger gets no more bytes than he sent; buffers stay within their bounds.
 */
#include "utp/utp_socket.h"

#include "base/err.h"
#include <stdlib.h>

#define FLIGHT_MAX 256u
#define LENT_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

struct packet {
    int to;
    size_t size;
    uint8_t data[1600];
};

struct end {
    struct utp_socket *socket;
    struct utp_conn *conn;
    struct endpoint address;
    uint64_t written, read;
    bool closed;
};

struct world {
    struct end end[2];
    struct packet flight[FLIGHT_MAX];
    unsigned count;
    uint8_t *lent[LENT_MAX]; /* datagrams that the sockets may look at until the turn ends */
    unsigned lent_count;
    struct utp_batch batch;
    usec now;
    bool forged; /* streams may differ from now on */
    uint64_t stranger_in, stranger_out;
};

static const struct endpoint stranger = {.family = ADDR_V4, .ip = {9, 9, 9, 9}, .port = 9};

static uint8_t byte_at(int from, uint64_t position)
{
    return (uint8_t)(position * 7 + position / 251 + (uint64_t)from);
}

/* ---- the line ------------------------------------------------------------------------------ */

static void fly(struct world *w, int from, const struct utp_run *run)
{
    struct packet p = {.to = 1 - from};
    for (int i = 0; i < run->iov_count; i++) {
        memcpy(p.data + p.size, run->iov[i].iov_base, run->iov[i].iov_len);
        p.size += run->iov[i].iov_len;
        if (p.size < run->segment && i + 1 < run->iov_count)
            continue;
        if (endpoint_equal(&run->to, &stranger))
            w->stranger_out += p.size;
        else if (w->count < FLIGHT_MAX)
            w->flight[w->count++] = p;
        p.size = 0;
    }
}

static void take_back(struct world *w)
{
    for (int i = 0; i < 2; i++)
        utp_socket_give_back(w->end[i].socket);
    while (w->lent_count > 0)
        free(w->lent[--w->lent_count]);
}

static void pump(struct world *w)
{
    take_back(w);
    for (int i = 0; i < 2; i++) {
        utp_socket_tick(w->end[i].socket, w->now);
        for (int n = 0; n < 4 && utp_socket_output(w->end[i].socket, &w->batch, w->now); n++)
            for (int r = 0; r < w->batch.run_count; r++)
                fly(w, i, &w->batch.runs[r]);
        if (!w->end[i].conn && !w->end[i].closed)
            w->end[i].conn = utp_accept(w->end[i].socket);
    }
}

static struct packet take(struct world *w, unsigned index)
{
    struct packet p = w->flight[index];
    memmove(&w->flight[index], &w->flight[index + 1], (--w->count - index) * sizeof w->flight[0]);
    return p;
}

/* Every other packet stays in memory of its own until the end of the step: who looks at it later
 * is found by the address sanitizer. */
static void deliver(struct world *w, const struct packet *p)
{
    if (p->size > 0 && p->data[p->size - 1] % 2 && w->lent_count < LENT_MAX) {
        uint8_t *lent = w->lent[w->lent_count++] = malloc(p->size);
        memcpy(lent, p->data, p->size);
        utp_socket_lend(w->end[p->to].socket);
        utp_socket_input(
            w->end[p->to].socket, &w->end[1 - p->to].address, bytes_of(lent, p->size), w->now);
        return;
    }
    take_back(w);
    utp_socket_input(
        w->end[p->to].socket, &w->end[1 - p->to].address, bytes_of(p->data, p->size), w->now);
}

/* ---- the ends ------------------------------------------------------------------------------ */

static void write_some(struct world *w, int i, size_t size)
{
    struct end *e = &w->end[i];
    uint8_t data[8192];
    for (size_t k = 0; k < size; k++)
        data[k] = byte_at(i, e->written + k);
    struct iovec v = {data, size};
    if (!e->conn)
        return;
    ssize_t n = utp_writev(e->socket, e->conn, &v, 1, size & 1, w->now);
    check(n <= (ssize_t)size);
    if (n > 0)
        e->written += (uint64_t)n;
}

static void read_some(struct world *w, int i, size_t size)
{
    struct end *e = &w->end[i], *other = &w->end[1 - i];
    uint8_t data[8192];
    struct iovec v[2] = {{data, size / 2}, {data + size / 2, size - size / 2}};
    ssize_t n = e->conn ? utp_readv(e->socket, e->conn, v, 2) : ERR_AGAIN;
    for (ssize_t k = 0; k < n && !w->forged; k++)
        check(data[k] == byte_at(1 - i, e->read + (uint64_t)k));
    if (n > 0)
        e->read += (uint64_t)n;
    check(w->forged || e->read <= other->written);
}

static void close_end(struct world *w, int i)
{
    if (w->end[i].conn)
        utp_close(w->end[i].socket, w->end[i].conn, w->now);
    w->end[i].conn = NULL;
    w->end[i].closed = true;
}

static void check_bounds(const struct world *w)
{
    for (int i = 0; i < 2; i++) {
        struct utp_counts counts = utp_socket_counts(w->end[i].socket);
        const struct utp_conn *c = w->end[i].conn;
        check(counts.half_open <= UTP_HALF_OPEN_MAX && counts.conns <= UTP_CONNS_MAX);
        check(counts.held <= UTP_POOL_BUFFERS_MAX);
        if (!c)
            continue;
        check(utp_inbox_size(&c->in) + c->reorder.bytes <= c->room.size + UTP_RECEIVE_SLACK);
        check(c->out.size <= UTP_SEND_MAX);
        check(c->state == UTP_DEAD || c->window.bytes <= c->out.size);
        check(c->window.in_flight <= c->window.bytes);
    }
    check(w->stranger_out <= w->stranger_in);
}

/* ---- the input ----------------------------------------------------------------------------- */

/* A packet of the input's own; ids and numbers near to the right ones, so that it gets somewhere.
 */
static void forge(struct world *w, int to, const uint8_t *in, size_t size, bool from_stranger)
{
    uint8_t data[300] = {0};
    const struct utp_conn *c = w->end[to].conn;
    memcpy(data, in, size);
    if (size >= UTP_HEADER_SIZE && c && !from_stranger) {
        store_u16(data + 2, (uint16_t)(c->id_in + (data[2] & 1)));
        store_u16(data + 16, (uint16_t)(c->ack + (int8_t)data[17]));
        store_u16(data + 18, (uint16_t)(c->window.next + (int8_t)data[19]));
    }
    if (from_stranger)
        w->stranger_in += size;
    else
        w->forged = true;
    take_back(w);
    utp_socket_input(w->end[to].socket, from_stranger ? &stranger : &w->end[1 - to].address,
        bytes_of(data, size), w->now);
}

static size_t step(struct world *w, const uint8_t *in, size_t size)
{
    int i = in[0] >> 7;
    unsigned pick = w->count ? in[1] % w->count : 0;
    size_t n = in[1] < size - 2 ? in[1] : size - 2;
    struct packet p;
    switch (in[0] & 15) {
    case 0:
        write_some(w, i, (size_t)in[1] * 32 + 1);
        return 2;
    case 1:
        read_some(w, i, (size_t)in[1] * 32 + 1);
        return 2;
    case 2: /* lost */
        if (w->count)
            take(w, pick);
        return 2;
    case 3: /* doubled */
        if (w->count)
            deliver(w, &w->flight[pick]);
        return 2;
    case 4: /* out of order */
        if (w->count) {
            p = take(w, pick);
            deliver(w, &p);
        }
        return 2;
    case 5: /* changed */
        if (w->count && n > 0) {
            w->flight[pick].data[in[2] % w->flight[pick].size] ^= (uint8_t)(in[0] | 1);
            w->forged = true;
        }
        return 3;
    case 6:
        w->now += MSECS(in[1]);
        return 2;
    case 7:
        w->now += SECONDS(in[1] % 64);
        return 2;
    case 8:
        forge(w, i, in + 2, n, false);
        return 2 + n;
    case 9:
        forge(w, i, in + 2, n, true);
        return 2 + n;
    case 10:
        if (in[1] == 0)
            close_end(w, i);
        return 2;
    case 11:
        if (w->end[i].conn)
            utp_want(w->end[i].socket, w->end[i].conn, in[1] & 1, in[1] & 2);
        return 2;
    default: /* as a good line does */
        for (unsigned k = 0; k < (in[1] & 31u) && w->count > 0; k++) {
            p = take(w, 0);
            deliver(w, &p);
        }
        if (in[0] & 64)
            read_some(w, i, (size_t)in[1] * 32 + 1);
        w->now += MSECS(1);
        return 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = calloc(1, sizeof *w);
    for (int i = 0; i < 2; i++) {
        uint8_t seed[16] = {(uint8_t)i};
        w->end[i].address = endpoint_v4(0x0a000001u + (uint32_t)i, 6881);
        w->end[i].socket = utp_socket_new(seed, 0);
    }
    check(utp_connect(w->end[0].socket, &w->end[1].address, 0, &w->end[0].conn) == 0);
    pump(w);
    while (size >= 3) {
        size_t used = step(w, data, size);
        used = used < size ? used : size;
        data += used;
        size -= used;
        pump(w);
        check_bounds(w);
    }
    utp_socket_free(w->end[0].socket);
    utp_socket_free(w->end[1].socket);
    free(w);
    return 0;
}
