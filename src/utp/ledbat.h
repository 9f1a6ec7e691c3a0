/* LEDBAT (RFC 6817): a congestion window that keeps the queue in the bottleneck near a target, so
 * that whoever else uses the line hardly feels it. Bytes in, window out; knows no packets.
 *
 * It begins with slow start, which doubles every round trip. When a queue appears it becomes
 * careful, and grows by a quarter; if the queue stands for a whole round, it ends (as HyStart++,
 * RFC 9406, does by round trips; here by one-way delays, whose zero is known). If the queue is gone
 * within the round it was a burst, or a radio's hiccup, and slow start goes on.
 *
 * Then, below the target, it grows by at most LEDBAT_GAIN a round trip, as libutp and libtorrent
 * have it; after a second without loss and with at most half of the target in the queue the line is
 * evidently larger, and it grows faster with time, as H-TCP does (Leith and Shorten 2004), or it
 * would take minutes to fill a long path. Above the target it shrinks in proportion (as LEDBAT++,
 * draft-irtf-iccrg-ledbat-plus-plus, because 3000 bytes a round trip drain a full queue too
 * slowly). It never falls below two packets: it yields, but does not starve.
 *
 * A bottleneck whose buffer is shorter than the target would never be seen to be full before it
 * loses, and LEDBAT would take from it what TCP does, or more. So when packets are lost while the
 * queue is about as long as it ever was, the target becomes half of that, and comes back with time.
 */
#ifndef KITH_UTP_LEDBAT_H
#define KITH_UTP_LEDBAT_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>

#define LEDBAT_TARGET MSECS(100)
#define LEDBAT_TARGET_MIN MSECS(8) /* of a short buffer; losses with less are of other causes */
#define LEDBAT_TARGET_AGAIN SECONDS(60) /* without loss: a quarter more */
#define LEDBAT_GAIN 3000.0              /* bytes a round trip */
#define LEDBAT_WINDOW_MAX (8u << 20)
#define LEDBAT_PACKETS_MIN 2u
#define LEDBAT_PACKETS_FIRST 10u    /* the first window (RFC 6928), and the one after a rest */
#define LEDBAT_CUT_PAUSE MSECS(100) /* losses within it, or a round trip, are one */
#define LEDBAT_QUEUE_SUSPECT MSECS(16)
#define LEDBAT_QUEUE_END MSECS(75) /* slow start is over at once */

enum ledbat_phase {
    LEDBAT_SLOW_START,
    LEDBAT_CAREFUL, /* slow start that has seen a queue */
    LEDBAT_STEADY
};

struct ledbat {
    double window;     /* bytes that may be in flight */
    double threshold;  /* where slow start ends at the latest */
    double before_cut; /* to go back to if the loss was none */
    size_t packet;     /* bytes of a full packet */
    enum ledbat_phase phase;
    usec target;         /* of the queue */
    usec target_at;      /* when it was set */
    double queue_recent; /* the longest of the last round trips, */
    double queue_most;   /* and of the last minutes */
    double packet_time;  /* microseconds that a packet takes on the line, the least lately; 0: no
                            loss yet */
    usec cut_at;         /* the last loss that counted, or the end of slow start */
    usec calm_since;     /* no loss and hardly a queue */
    double suspect;      /* careful: the window when the queue was seen */
    double round_left;   /* bytes to be acknowledged until a careful round, or the one after a cut,
                            ends */
    usec round_queue;    /* the shortest queue in a careful one */
};

void ledbat_init(struct ledbat *, size_t packet);
/* The path carries packets of that size. */
void ledbat_set_packet(struct ledbat *, size_t packet);
/* `bytes` arrived; they queued for `queue` on their way. `limited`: the window, and not the want of
 * data, is what holds the sender back: only then may it grow. */
void ledbat_acked(struct ledbat *, size_t bytes, usec queue, bool limited, usec now);
/* A packet was lost. */
void ledbat_lost(struct ledbat *, usec rtt, usec now);
/* It was not lost, only late: the window is as it was. */
void ledbat_not_lost(struct ledbat *);
/* Nothing came back for a whole timeout. */
void ledbat_timeout(struct ledbat *, usec now);
/* Nothing was sent for a while: what the path bears now is not known. */
void ledbat_rested(struct ledbat *);

#endif
