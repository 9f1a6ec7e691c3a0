/* The whole of a peer, for the files of swarm/ that make up its life, and for nobody else.
 *
 *   peer.c           birth, death, and what links and watchers see
 *   peer_hear.c      messages that come in
 *   peer_say.c       messages that go out
 *   peer_blocks.c    what we ask of it and get: requests, the receiver's questions
 *   peer_uploads.c   what it asks of us: reading, sending, choking
 *   peer_extend.c    the extension protocol: handshake, metadata, donthave
 *   peer_pex.c       peer exchange
 */
#ifndef KITH_SWARM_PEER_INTERNAL_H
#define KITH_SWARM_PEER_INTERNAL_H

#include "base/bitfield.h"
#include "base/list.h"
#include "base/rate.h"
#include "proto/extension.h"
#include "store/storage.h"
#include "swarm/peer/peer.h"
#include "swarm/peer/pipeline.h"
#include "swarm/peer/request_ring.h"

#define PEER_REQUESTS_IN_MAX 2000u /* requests that one peer may have waiting (reqq, BEP 10) */
#define PEER_BLOCK_MAX STORAGE_BLOCK_MAX /* a request for more is a breach; rtorrent too */
#define PEER_OFFENCES_MAX 100u           /* small breaches before we hang up */
#define PEER_EARLY_BITS_MAX (1u << 20)   /* pieces remembered before the metadata is known */
#define PEER_SUGGESTED 4u                /* of its suggestions (BEP 6) the last so many count */
#define PEER_FAST_SET_SIZE 8u            /* pieces that a choked peer may still ask for (BEP 6) */
#define PEER_READ_BUDGET (512u << 10)    /* bytes of one read */
#define PEER_SEND_BUDGET (512u << 10)    /* bytes of one send */
#define PEER_UPLOADS_READ_MAX (2u << 20) /* block bytes being read or waiting in the send queue */
#define PEER_UPLOADS_READ_MIN (128u << 10)
#define PEER_UPLOADS_AHEAD MSECS(500) /* of them, at the rate at which it takes them */

/* A block that the peer asked us for and that is not in the send queue yet. */
struct upload_request {
    uint32_t piece, begin, length;
    enum storage_way way;
};

struct upload_queue {
    struct upload_request *slots; /* ring */
    uint32_t head, count, capacity;
};

/* Peer exchange with one peer (BEP 11): peer_pex.c. */
struct peer_pex {
    usec sent_at, heard_at;   /* the last message, and the last that counted */
    uint64_t told;            /* its place in the torrent's pex_log */
    struct endpoint known_at; /* what others are told of it; ADDR_NONE: nothing yet */
    unsigned too_soon;        /* messages since heard_at */
};

/* Something that may happen so often in a minute. Starts zeroed. */
struct minute_count {
    usec since;
    unsigned count;
};
static inline bool minute_allows(struct minute_count *m, unsigned max, usec now)
{
    if (now - m->since >= SECONDS(60) || m->count == 0)
        *m = (struct minute_count){.since = now};
    return m->count++ < max;
}

struct peer {
    struct torrent *torrent;
    void *link;
    uint32_t id;    /* unique in the torrent, never reused: what picker and blame know it by */
    uint32_t index; /* in torrent->peers */

    /* from the greeting */
    struct endpoint address;
    enum addr_source source;
    struct peer_id peer_id;
    bool incoming, fast, extensions, dht, v2, encrypted, can_lend;
    bool called_by_seed; /* we had everything when we connected to it */
    bool heard_port;     /* where its DHT node is (BEP 5) */
    struct rc4 encrypt, decrypt;

    /* BEP 3's four flags, and what the peer has */
    bool choking_us, choked_by_us, interested_in_us, interesting;
    bool presumed; /* to be interested, for a while: see torrent_presume_interest */
    bool upload_only;
    bool spoke;           /* it sent a message: bitfields must come first */
    bool has_all;         /* said before the metadata was known, or all bits set */
    struct bitfield have; /* size 0 until the metadata is known */
    uint8_t *early;       /* bitfield bytes from before the metadata */
    uint32_t early_size;
    bool counted; /* `have` is in the picker's availability */

    /* down */
    struct receiver receiver;
    struct request_ring requests;
    struct pipeline pipeline;
    struct rate_meter down_rate, up_rate;
    uint32_t predict_at;       /* where in the ring the receiver's next question begins */
    bool starved;              /* waits for buffer memory */
    bool throttled;            /* waits for the rate limit */
    uint32_t allowed_fast[32]; /* pieces that it lets us ask for while choked */
    unsigned allowed_fast_count;
    uint32_t suggested[PEER_SUGGESTED]; /* the last pieces that it suggested; UINT32_MAX: none */
    unsigned suggested_next;

    /* up */
    struct send_queue out;
    struct upload_queue uploads;
    size_t reading_bytes; /* of blocks that the store is reading for it */
    unsigned reads;       /* store reads under way: the peer is freed only after they end */
    uint32_t fast_set[PEER_FAST_SET_SIZE];
    unsigned fast_set_size;
    uint32_t taking;  /* the piece that it asked for last; UINT32_MAX: none */
    bool slot_by_lot; /* it holds the choker's slot of chance */

    /* extension protocol (BEP 10) */
    struct extension_ids theirs; /* ids under which it wants to be told; 0: not at all */
    char client[64];
    uint32_t reqq;
    uint64_t metadata_size;
    bool extended;        /* its handshake came */
    uint16_t listen_port; /* what it said; 0: unknown */
    bool utp, prefers_encryption;
    struct peer_pex pex;
    struct minute_count introductions; /* that it asked us for, or made (BEP 55) */
    struct minute_count hashes_asked;  /* see torrent_hashes.c (BEP 52) */
    struct minute_count sent_about;    /* introductions that others asked us for, to it */

    /* time */
    usec joined_at, heard_at, said_at, unchoked_at, choked_at;
    bool recalled;   /* it is being called anew: torrent_silence.c */
    usec recall_due; /* not before */
    struct endpoint recalled_at;
    struct endpoint twin_at; /* a candidate that proved to be this peer */
    uint32_t unveiled;       /* super-seeding: the piece it was told of last; UINT32_MAX: none */
    unsigned offences;
    bool pump_wanted; /* the link was told to pump and has not yet */
    bool holds_haves; /* in the queue, for the next time that it is pumped */
    bool gone;        /* hung up: waits for its reads to end */
    struct list_link grave;
};

/* Unchoked, it holds a slot. */
static inline bool peer_wants_slot(const struct peer *p)
{
    return p->interested_in_us || p->presumed;
}

/* ---- peer_say.c: each queues a message; on overflow the peer hangs up ---------------------- */
void peer_say_opening(struct peer *); /* extension handshake, bitfield or have-all/none */
void peer_say_choke(struct peer *, bool choke);
void peer_say_interested(struct peer *, bool interested);
/* To who has the piece it is no news that hurries: it goes with what is said next, or the second.
 */
void peer_say_have(struct peer *, uint32_t piece);
void peer_say_dont_have(struct peer *, uint32_t piece);
void peer_say_suggest(struct peer *, uint32_t piece);
void peer_say_request(struct peer *, const struct request *);
void peer_say_cancel(struct peer *, uint32_t piece, uint32_t begin, uint32_t length);
void peer_say_reject(struct peer *, uint32_t piece, uint32_t begin, uint32_t length);
void peer_say_keep_alive(struct peer *);
void peer_say_extended(struct peer *, uint8_t id, struct bytes payload);
void peer_say_raw(struct peer *, struct bytes message);

/* ---- peer_hear.c --------------------------------------------------------------------------- */
int peer_hear(struct peer *, int id, struct bytes payload);
int peer_check_length(struct peer *, uint8_t id, uint32_t length);
/* The metadata has become known: what was said before is read again with it. */
void peer_learn_sizes(struct peer *);

/* ---- peer_blocks.c ------------------------------------------------------------------------- */
extern const struct receiver_ops peer_receiver_ops;
/* Asks for more blocks if the pipeline has room. */
void peer_ask(struct peer *, usec now);
/* Gives back everything that it was asked for. */
void peer_abandon_requests(struct peer *);
/* Blocks that are late go to others. Returns the next time to look. */
usec peer_check_timeouts(struct peer *, usec now);
void peer_rejected(struct peer *, uint32_t piece, uint32_t begin, uint32_t length);
void peer_cancel_block(struct peer *, uint32_t piece, uint32_t begin);
/* All that it was asked for of this piece. */
void peer_drop_piece(struct peer *, uint32_t piece);
void peer_update_interest(struct peer *);

/* ---- peer_uploads.c ------------------------------------------------------------------------ */
int peer_asked(struct peer *, uint32_t piece, uint32_t begin, uint32_t length);
void peer_ask_cancelled(struct peer *, uint32_t piece, uint32_t begin, uint32_t length);
/* Moves requests into reads and reads into the send queue as far as there is room. */
void peer_serve(struct peer *);
/* A read has ended: its blocks are sent, rejected, or, if lending failed, copied later. */
void peer_read_ended(struct peer *, struct storage_read *, int err);
void peer_set_choked(struct peer *, bool choked, usec now);
void peer_drop_uploads(struct peer *, bool say_reject);

/* ---- peer_extend.c ------------------------------------------------------------------------- */
int peer_hear_extended(struct peer *, uint8_t id, struct bytes payload);
void peer_say_extension_handshake(struct peer *);
void peer_tick_extensions(struct peer *, usec now);

/* ---- peer_pex.c ---------------------------------------------------------------------------- */
int peer_hear_pex(struct peer *, struct bytes payload);
void peer_tick_pex(struct peer *, usec now);
/* Its handshake came: others may be told of it. And it is gone. */
void peer_pex_joined(struct peer *);
void peer_pex_left(struct peer *);
/* Where others can reach it; false: nobody knows. */
bool peer_reachable_at(const struct peer *, struct endpoint *out);
/* Who may be contacted by its word: a peer on our own network may know of others there, a stranger
 * may not send us to it. */
enum addr_source peer_word(const struct peer *);

/* ---- peer.c -------------------------------------------------------------------------------- */
struct peer *peer_new(struct torrent *, const struct peer_intro *, void *link, usec now);
/* Ends it: everything it held is given back, the link is told, it is freed when its reads are done.
 */
void peer_hang_up(struct peer *, int err, const char *why);
/* The link should send or read again. */
void peer_pump(struct peer *);
/* A small breach; too many end the connection. 0 or ERR_PROTOCOL. */
int peer_offend(struct peer *, const char *what);
/* Frees the peers that have hung up and whose reads have ended. */
void peer_bury(struct torrent *);

#endif
