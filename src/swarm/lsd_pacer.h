/* When local service discovery speaks (BEP 14), and how much of it we listen to.
 *
 * BEP 14 wants each torrent announced every five minutes. Somebody who has just begun to look is
 * not to wait for that, so a member is announced at once and twice more (a wireless network loses
 * multicasts), and who hears an announce of a torrent answers with its own. An answer is never
 * given within LSD_ANSWER_GAP after an own announce: so two nodes do not answer each other for
 * ever, and because a newcomer's announces span more than the gap, one of them is answered.
 *
 * Sans-I/O. The members' memory is their owner's. */
#ifndef KITH_SWARM_LSD_PACER_H
#define KITH_SWARM_LSD_PACER_H

#include "base/heap.h"
#include "base/ids.h"
#include "base/list.h"
#include "base/map.h"
#include "base/time.h"
#include "proto/lsd.h"

#define LSD_EVERY SECONDS(300)
#define LSD_REPEAT_FIRST SECONDS(2)  /* the second announce after the first */
#define LSD_REPEAT_SECOND SECONDS(4) /* the third after that */
#define LSD_ANSWER_GAP SECONDS(5)
#define LSD_ANSWER_SPREAD MSECS(250) /* not all answer at once */
#define LSD_BURST 8u                 /* datagrams that may leave together; then one a second */
#define LSD_DATAGRAM_EVERY SECONDS(1)
#define LSD_HEARD_MAX 50u /* datagrams that are looked at in a second */

/* One torrent; a hybrid has two hashes. Starts zeroed. */
struct lsd_member {
    struct timer timer;       /* in the pacer's heap */
    const uint8_t *hashes[2]; /* the bytes of its info-hashes, its owner's */
    usec announced_at;
    uint8_t count;
    uint8_t announces; /* since it joined or the network changed; 3: three or more */
    bool joined;
};

struct lsd_pacer {
    struct timer_heap due;
    struct map *by_hash; /* 64 bits of a keyed hash of it: members are many */
    uint8_t seed[16];
    uint64_t random;
    unsigned credit; /* datagrams that may leave now */
    usec credited_at;
    usec heard_since;
    unsigned heard;
};

enum lsd_haste {
    LSD_SEEKS, /* it wants data: before all others */
    LSD_SERVES
};

/* ERR_NOMEM. */
int lsd_pacer_init(struct lsd_pacer *, const uint8_t seed[16], usec now);
/* All members leave. */
void lsd_pacer_free(struct lsd_pacer *);
/* Announced from now on; again: nothing. The hashes stay where they are until it leaves.
 * ERR_NOMEM: not at all. */
int lsd_pacer_join(struct lsd_pacer *, struct lsd_member *, const uint8_t *const hashes[],
    unsigned count, enum lsd_haste, usec now);
void lsd_pacer_leave(struct lsd_pacer *, struct lsd_member *);
/* Everybody is announced anew: we are on another network. */
void lsd_pacer_restart(struct lsd_pacer *, usec now);
/* A datagram came: may it be looked at? */
bool lsd_pacer_hears(struct lsd_pacer *, usec now);
/* Somebody announced this torrent: the member, which answers if it is time; NULL: not ours. */
struct lsd_member *lsd_pacer_asked(struct lsd_pacer *, const struct info_hash *, usec now);
/* The hashes of the next datagram, and how many; 0: none is due. Ask until it is. */
unsigned lsd_pacer_next(struct lsd_pacer *, struct info_hash out[LSD_SEND_MAX], usec now);
usec lsd_pacer_deadline(const struct lsd_pacer *);

#endif
