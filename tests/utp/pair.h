/* Two uTP sockets and the line between them, in virtual time, for tests and the fuzzer: each
 * direction has a bottleneck with a queue, a delay, loss, reordering, doubling and an MTU; each end
 * has its own clock. A function of its seed. */
#ifndef KITH_TESTS_UTP_PAIR_H
#define KITH_TESTS_UTP_PAIR_H

#include "utp/utp_socket.h"

#define PAIR_FLIGHT_MAX 16384u
#define PAIR_ARRIVED_MAX 32u
#define PAIR_WAITS 4000u

struct pair_line {
    usec delay;           /* one way */
    uint64_t rate;        /* bytes a second; 0: unlimited */
    uint64_t rate_behind; /* of a line behind the bottleneck, no slower: nothing waits there. 0:
                             none */
    size_t queue_max;     /* bytes in the bottleneck's queue; more is dropped. 0: no bound */
    double loss, reorder, duplicate;
    usec reorder_max; /* how much later one arrives that is held back */
    size_t mtu;       /* UDP payload; larger ones that must not be cut up are dropped. 0: none */
    size_t mtu_local; /* larger ones the sender's own machine refuses. 0: none */
};

struct pair_packet {
    usec at;
    uint64_t number;
    int to;
    size_t size;
    uint8_t data[1600];
};

struct pair_end {
    struct utp_socket *socket;
    struct utp_conn *conn;
    struct endpoint address;
    usec clock_zero;
    double clock_rate;     /* 1: exact */
    struct pair_line line; /* from here to the other */
    usec line_free_at;
    usec queue_worst; /* the longest that a packet waited in the bottleneck, since reset */
    uint32_t waits[PAIR_WAITS]; /* packets by how many milliseconds they waited there */
    uint64_t packets_out, bytes_out, dropped, probes, refused;
    size_t largest; /* datagram that left and was no probe */
    bool corked;    /* nothing it sends arrives */
};

struct pair {
    uint64_t random;
    usec now;
    uint64_t numbered;
    struct pair_end end[2];
    struct pair_packet *flight; /* a heap by (at, number) */
    unsigned flight_count;
    struct pair_packet arrived[PAIR_ARRIVED_MAX]; /* lent to the ends until the next step */
    unsigned arrived_count;
    struct utp_batch batch;
    /* Looks at every packet that is about to arrive; false: it is dropped. */
    bool (*filter)(void *user, struct pair *, struct pair_packet *);
    void *filter_user;
};

void pair_new(struct pair *, uint64_t seed, const struct pair_line *line);
void pair_free(struct pair *);
/* The time as an end's clock shows it. */
usec pair_clock(const struct pair *, int end);
/* One end calls, the other takes the call. False: it came to nothing within ten seconds. */
bool pair_connect(struct pair *);
/* Sends what is to be sent, and moves on to the next thing that happens, at most to `until`. False:
 * nothing happens before. */
bool pair_step(struct pair *, usec until);
void pair_pass(struct pair *, usec time);
/* How long (milliseconds) the packets of an end waited in its bottleneck, all but so large a share.
 */
unsigned pair_wait(const struct pair *, int end, double share);
double pair_chance(struct pair *);
/* Puts a datagram on the way to an end, from whatever address. */
void pair_inject(struct pair *, int to, const struct endpoint *from, struct bytes datagram);

/* One direction of a stream: bytes made and checked on the fly. */
struct pair_stream {
    struct pair *pair;
    int from;
    uint64_t size, written, read;
    bool wrong;          /* a byte was not what was sent */
    bool closed;         /* the writer let go */
    int end;             /* what the reader saw at last: 0, or an error */
    size_t read_at_most; /* a call; 0: 64 KiB */
    usec read_from;      /* the reader does not read before */
};
/* Writes and reads as much as goes. */
void pair_stream_move(struct pair_stream *);
/* Both directions (sizes in bytes), until all is read or `at_most` has passed. */
bool pair_exchange(struct pair *, uint64_t forth, uint64_t back, usec at_most);

#endif
