/* So many MiB of uTP from one end to the other in virtual time, over a line that neither queues nor
 * loses: what the code of src/utp spends on them, the same from run to run. Datagrams come a batch
 * at a time, as node/net/ports.c gets them. For bench/instructions.py, which counts it. utp_pair
 * MIB */
#include "utp/utp_socket.h"
#include <stdio.h>
#include <stdlib.h>

#define PART (64u << 10) /* of a read or write: about what a peer's are */
#define DELAY MSECS(1)   /* one way */
#define TURNS_MAX 1000u  /* without a byte: it hangs */

struct end {
    struct utp_socket *socket;
    struct utp_conn *conn;
    struct endpoint address;
};

static uint8_t bytes[PART];

/* A run is one piece of memory by the time it is received, and stands until the turn is over. */
static void carry(const struct utp_batch *batch, int r, struct end *from, struct end *to, usec now)
{
    static uint8_t received[UTP_RUNS_MAX][UTP_RUN_BYTES_MAX];
    const struct utp_run *run = &batch->runs[r];
    uint8_t *end = received[r];
    for (int i = 0; i < run->iov_count; i++) {
        memcpy(end, run->iov[i].iov_base, run->iov[i].iov_len);
        end += run->iov[i].iov_len;
    }
    utp_socket_lend(to->socket);
    for (uint8_t *at = received[r]; at < end; at += run->segment) {
        size_t left = (size_t)(end - at), size = left < run->segment ? left : run->segment;
        utp_socket_input(to->socket, &from->address, bytes_of(at, size), now);
    }
}

static uint64_t read_some(struct end *e)
{
    struct iovec v = {bytes, PART};
    uint64_t got = 0;
    for (ssize_t n; e->conn && (n = utp_readv(e->socket, e->conn, &v, 1)) > 0;)
        got += (uint64_t)n;
    return got;
}

static uint64_t write_some(struct end *e, uint64_t left, usec now)
{
    uint64_t put = 0;
    while (put < left) {
        struct iovec v = {bytes, left - put < PART ? left - put : PART};
        ssize_t n = utp_writev(e->socket, e->conn, &v, 1, false, now);
        if (n <= 0)
            break;
        put += (uint64_t)n;
    }
    return put;
}

/* All that one end has to say; what the other could read of it. */
static uint64_t turn(struct end *from, struct end *to, usec now)
{
    static struct utp_batch batch;
    uint64_t got = 0;
    utp_socket_tick(from->socket, now);
    while (utp_socket_output(from->socket, &batch, now)) {
        for (int r = 0; r < batch.run_count; r++)
            carry(&batch, r, from, to, now + DELAY);
        got += read_some(to);
        utp_socket_give_back(to->socket);
    }
    return got;
}

static void check(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

int main(int argc, char **argv)
{
    static const uint8_t seed[16] = {7};
    struct end a = {.address = {.family = ADDR_V4, .ip = {127, 0, 0, 1}, .port = 1}}, b = a;
    uint64_t unread = argc == 2 ? strtoull(argv[1], NULL, 10) << 20 : 0, unwritten = unread;
    usec now = SECONDS(1);
    int err;
    b.address.port = 2;
    a.socket = utp_socket_new(seed, now);
    b.socket = utp_socket_new(seed, now);
    check(a.socket && b.socket && utp_connect(a.socket, &b.address, now, &a.conn) == 0, "memory");
    unsigned idle = 0;
    for (; unread > 0 && idle < TURNS_MAX; now += DELAY) {
        if (utp_take_connected(a.conn, &err))
            check(err == 0, "it did not connect");
        if (!b.conn)
            b.conn = utp_accept(b.socket);
        unwritten -= write_some(&a, unwritten, now);
        uint64_t got = turn(&a, &b, now);
        unread -= got;
        idle = got ? 0 : idle + 1;
        now += DELAY;
        turn(&b, &a, now);
    }
    check(unread == 0, "it hangs");
    utp_socket_free(a.socket);
    utp_socket_free(b.socket);
    return 0;
}
