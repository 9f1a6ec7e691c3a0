/* The whole of a torrent, for the files of swarm/ that make up its life, and for nobody else.
 *
 *   torrent.c          birth, death, states, the clock, what watchers see
 *   torrent_peers.c    who is connected, who could be, who is unchoked
 *   torrent_turnover.c whom to let go when it is full
 *   torrent_silence.c  whom to call anew
 *   torrent_pieces.c   what to ask for, what arrived, what was proved
 *   torrent_blame.c    who gave what was bad, and how suspects are kept apart
 *   torrent_punch.c    holes through routers (BEP 55)
 *   torrent_unveil.c   super-seeding (BEP 16)
 *   torrent_suggest.c  which pieces a seed would rather give (BEP 6)
 *   torrent_reads.c    reading blocks for peers
 *   torrent_metadata.c the info dictionary: fetching and serving it (BEP 9)
 *   torrent_web.c      web seeds (BEP 17, 19)
 *   torrent_hashes.c   BEP 52's hash requests, both ways
 *   torrent_leaves.c   the same for the leaves below the pieces
 */
#ifndef KITH_SWARM_TORRENT_INTERNAL_H
#define KITH_SWARM_TORRENT_INTERNAL_H

#include "base/list.h"
#include "format/metainfo.h"
#include "proto/hash_message.h"
#include "store/piece_buffer.h"
#include "store/storage.h"
#include "swarm/choker.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/peer_list.h"
#include "swarm/pex_log.h"
#include "swarm/pieces/blame.h"
#include "swarm/pieces/picker.h"
#include "swarm/pieces/suspects.h"
#include "swarm/torrent/crowns.h"
#include "swarm/torrent/layer_fetch.h"
#include "swarm/torrent/metadata_fetch.h"
#include "swarm/torrent/torrent.h"
#include "swarm/torrent/web_seed.h"

#define TORRENT_CONNECTING_MAX 16u     /* attempts at a time ... */
#define TORRENT_SEED_CONNECTING_MAX 4u /* ... of one that has everything */
#define TORRENT_SEEDS_PART SECONDS(10) /* two that have everything, after time to say so */
#define TORRENT_BUFFERS_MAX 512u       /* pieces being assembled */
#define TORRENT_DEPARTED 64u           /* peers that left: whose what they gave was is remembered */
#define TORRENT_TICK SECONDS(1)
#define TORRENT_REST_AFTER SECONDS(10) /* without peers: what only they need is let go */
/* A whole piece waits for others to be hashed with. When so much waits that hashing is a cost that
 * shows (40 MB/s), until the lanes are full: a quarter of them costs as much as all. When less
 * comes, what counts is that others can have the piece: when it comes alone, almost at once. */
#define TORRENT_COMPANY_WAIT_ALONE MSECS(10)
#define TORRENT_COMPANY_LEAST 2u /* pieces to come in that time; fewer are no company */
#define TORRENT_COMPANY_WAIT MSECS(100)
#define TORRENT_COMPANY_MUCH (4u << 20)
#define TORRENT_COMPANY_WAIT_MUCH MSECS(400)
#define TORRENT_READ_CHUNKS 10u  /* what one read may need: 512 KiB and two pieces' edges */
#define TORRENT_PARTIALS_MIN 16u /* pieces begun, however long they are */
#define TORRENT_ENDGAME_SHARE 4u /* one of so many requests may be another's, too */
#define TORRENT_STARVED_EVERY MSECS(20)
#define TORRENT_THROTTLED_EVERY MSECS(100)
#define TORRENT_PRESUMED SECONDS(3) /* to say that it is interested, for whom a slot is held */
#define TORRENT_CONNECT_EVERY SECONDS(1)
#define TORRENT_KEEP_ALIVE SECONDS(100) /* peers drop silent ones after 120 s */
#define TORRENT_SILENCE_MAX SECONDS(150)
/* Of who owes us blocks: it is asked for a sign of life, so often; called anew; and its old
 * connection gives way to a new one, to whom it has said nothing for so long. Who lives and is only
 * busy has heard two of those questions by then. */
#define TORRENT_SILENCE_ASKED SECONDS(2)
#define TORRENT_SILENCE_GIVES_WAY SECONDS(6)
#define TORRENT_SILENCE_CALLED SECONDS(8)
#define TORRENT_RECALL_EVERY SECONDS(1)  /* when the attempt before has failed */
#define TORRENT_RECALL_PAUSE SECONDS(60) /* when it did not want the call */

struct torrent {
    struct swarm_host host;
    struct metainfo *metainfo;
    bool has_v1, has_v2;
    struct sha1_digest v1;
    struct sha256_digest v2;
    char *name;
    struct peer_id peer_id;
    uint16_t listen_port; /* 0: none */
    enum torrent_state state, paused_from;
    int error;
    char *error_text; /* NULL: what the error is called */
    bool sequential, stopping, stop_told, completed;
    usec now; /* the time of the call that is under way */
    usec next_tick;
    usec next_walk; /* when the peers are looked at one by one: once a second */
    uint64_t seed;  /* of the choices left to chance */

    /* peers */
    struct peer **peers;
    uint32_t peer_count, peers_room, peers_max;
    uint32_t next_peer_id;
    struct list_link graveyard; /* peers that wait for their reads to end */
    struct peer_list *candidates;
    uint32_t connecting;
    struct pex_log *pex; /* made with the first peer */
    bool punches;
    struct minute_count introductions; /* that we asked for (BEP 55) */
    uint32_t attempts_failed;          /* connections that did not come about, ever */
    struct choker choker;
    uint32_t slots_used; /* peers that are interested and unchoked */
    bool choke_soon;     /* a slot is free, and somebody may want it */
    bool turned_away;    /* somebody, because it was full */
    usec left_at;        /* when the last peer did */
    usec next_turnover;

    /* pieces */
    struct storage *storage;
    struct bitfield have;
    struct picker *picker;
    uint32_t asked;                /* blocks, of all peers, that have not come */
    uint32_t asked_enough;         /* as many as the memory has room for beside what came */
    uint8_t *file_priorities;      /* one a file */
    struct piece_buffer **buffers; /* TORRENT_BUFFERS_MAX of them, with the first */
    uint32_t buffer_count;
    uint32_t finishing; /* buffers that the store verifies and writes */
    usec finish_since;  /* the first of those that wait there for company */
    uint32_t jobs;      /* of the storage, under way */
    bool pool_empty;  /* when it was looked at last: nobody looks again before something happens */
    bool throttled;   /* some peer is: the rate limit was met */
    uint32_t starved; /* peers that are */
    uint32_t wake_from;     /* of the starved, so that all have their turn */
    uint32_t throttle_from; /* of the throttled, likewise */
    struct blame blame;
    struct suspects suspects;
    uint32_t liars;            /* banned */
    struct departed *departed; /* TORRENT_DEPARTED of them, with the first: torrent_blame.c */
    unsigned next_departed;
    bool super_seeding;
    uint32_t suggest_at; /* where the next piece to suggest is looked for, counted on and on */

    /* metadata */
    struct metadata_fetch *fetch;
    unsigned metadata_lies;        /* wholes that were wrong */
    struct layer_fetch *layers;    /* while they are fetched */
    struct crowns *crowns;         /* NULL until somebody asks for a proof */
    struct torrent_leaves *leaves; /* NULL until somebody needs some */

    /* web seeds */
    struct web_seed *web[TORRENT_WEB_SEEDS_MAX];
    uint32_t web_count;
    struct bitfield web_have; /* all of it */

    struct rate_limits limits;
    struct rate_limits *node_limits;
    struct rate_meter down_rate, up_rate;
    uint64_t wasted;
    uint64_t checked, check_total;
};

/* ---- torrent.c ----------------------------------------------------------------------------- */
static inline void torrent_set_now(struct torrent *t, usec now)
{
    t->now = now;
}
bool torrent_is_downloading(const struct torrent *);
bool torrent_is_serving(const struct torrent *);
uint64_t torrent_download_budget(struct torrent *, uint64_t want);
uint64_t torrent_upload_budget(struct torrent *, uint64_t want);
void torrent_count_download(struct torrent *, uint64_t bytes);
void torrent_count_upload(struct torrent *, uint64_t bytes);
void torrent_tell(struct torrent *, enum torrent_event, struct peer *);
void torrent_tick_at(struct torrent *, usec when); /* moves the deadline nearer */
void torrent_fail(struct torrent *, int err, const char *text);
void torrent_maybe_stopped(struct torrent *);
void torrent_recover(struct torrent *); /* the disk works again */

/* ---- torrent_peers.c ----------------------------------------------------------------------- */
void torrent_peer_left(struct torrent *, struct peer *, int err);
/* A peer, interested in us until now or from now on, was choked or unchoked; or its interest
 * changed. */
void torrent_slot_taken(struct torrent *);
void torrent_slot_freed(struct torrent *);
void torrent_slot_wanted(struct torrent *);
void torrent_presume_interest(struct torrent *, struct peer *); /* of a newcomer */
void torrent_presume_no_more(struct torrent *, struct peer *);
void torrent_peers_tick(struct torrent *);
struct peer *torrent_peer_by_id(struct torrent *, uint32_t id);
void torrent_hang_up_all(struct torrent *, const char *why);
void torrent_wake_starved(struct torrent *);

/* ---- torrent_silence.c --------------------------------------------------------------------- */
void torrent_mind_silence(struct torrent *, struct peer *); /* every second */
/* Was that a call to a silent peer? */
bool torrent_recall_failed(struct torrent *, const struct endpoint *, int err);
/* Is a peer's connection given up for another one that it makes, or takes? */
bool torrent_gives_way(const struct torrent *, const struct peer *old, const struct peer_intro *by);

/* ---- torrent_turnover.c -------------------------------------------------------------------- */
void torrent_turnover(struct torrent *);

/* A candidate of which more is known. */
void torrent_add_hinted(struct torrent *, const struct endpoint *, const struct peer_hint *);

/* ---- torrent_punch.c ----------------------------------------------------------------------- */
bool torrent_punches(const struct torrent *);
int torrent_hear_holepunch(struct torrent *, struct peer *, struct bytes payload);
/* It does not answer, or hardly will: asks whoever named it to introduce us, if that may help. */
void torrent_ask_introduction(struct torrent *, const struct endpoint *);

/* ---- torrent_pieces.c ---------------------------------------------------------------------- */
int torrent_pieces_init(struct torrent *, const struct bitfield *have);
void torrent_pieces_rest(struct torrent *); /* there are no peers, and will not be soon */
void torrent_pieces_free(struct torrent *);
void torrent_peer_known(struct torrent *, struct peer *);  /* its bitfield is complete */
void torrent_peer_forget(struct torrent *, struct peer *); /* its bitfield counts no more */
void torrent_peer_has(struct torrent *, struct peer *, uint32_t piece);
void torrent_peer_lost(struct torrent *, struct peer *, uint32_t piece);
bool torrent_finds_interesting(struct torrent *, struct peer *);
uint32_t torrent_pick(struct torrent *, struct peer *, uint32_t want, struct picker_block *out);
uint32_t torrent_block_size(const struct torrent *, uint32_t piece, uint32_t block);
uint8_t *torrent_block_place(struct torrent *, uint32_t piece, uint32_t begin);
/* False: it is here already, or being written: the rest of it must go nowhere. */
bool torrent_block_begun(struct torrent *, uint32_t piece, uint32_t begin);
void torrent_block_unbegun(struct torrent *, uint32_t piece, uint32_t begin);
void torrent_block_abandoned(struct torrent *, struct peer *, uint32_t piece, uint32_t begin);
bool torrent_block_came(
    struct torrent *, uint32_t giver, uint32_t piece, uint32_t begin, uint32_t length);
void torrent_finish_piece(struct torrent *, struct piece_buffer *);
usec torrent_company_wait(struct torrent *); /* of whole pieces for others, from the first on */
struct piece_buffer *torrent_buffer_of(const struct torrent *, uint32_t piece); /* or NULL */
void torrent_drop_buffer(struct torrent *, struct piece_buffer *);
bool torrent_finish_kept(struct torrent *); /* pieces that a disk refused; false: none */
void torrent_progress(const struct torrent *, struct torrent_stats *);
bool torrent_memory_ready(struct torrent *); /* false: spilling, the peer is woken later */
void torrent_spill_all(struct torrent *);

/* ---- torrent_blame.c ----------------------------------------------------------------------- */
void torrent_blame_bad(struct torrent *, const struct piece_buffer *);
void torrent_blame_departed(struct torrent *, const struct peer *);
void torrent_forget_departed(struct torrent *); /* there is nothing that they gave */
void torrent_blame_good(struct torrent *, const struct piece_buffer *);
/* The leaves of a piece that was bad are known now. */
void torrent_blame_leaves(
    struct torrent *, uint32_t piece, const struct sha256_digest *leaves, size_t count);
/* A block of this giver may come into this piece: it is no suspect, or alone in it. */
bool torrent_may_give(struct torrent *, uint32_t giver, uint32_t piece);
/* There is nothing for this peer to do but what suspicion keeps from it: gives it a piece to begin
 * anew. False: there is none. */
bool torrent_take_over(struct torrent *, struct peer *, const struct picker_peer *);

/* ---- torrent_unveil.c ---------------------------------------------------------------------- */
bool torrent_is_veiled(const struct torrent *); /* peers are told of our pieces one by one */
void torrent_unveil_next(struct torrent *, struct peer *);
void torrent_unveil_seen(struct torrent *, struct peer *by, uint32_t piece);

/* ---- torrent_suggest.c --------------------------------------------------------------------- */
void torrent_suggest_first(struct torrent *, struct peer *);                /* it was unchoked */
void torrent_suggest_next(struct torrent *, struct peer *, uint32_t piece); /* that it asks for */

/* ---- torrent_web.c ------------------------------------------------------------------------- */
void torrent_web_tick(struct torrent *);
void torrent_web_stop(struct torrent *);
bool torrent_web_has_work(const struct torrent *);
bool torrent_web_condemn(struct torrent *, uint32_t id); /* false: it is no web seed's */
void torrent_web_free(struct torrent *);

/* ---- torrent_reads.c ----------------------------------------------------------------------- */
/* Takes over the read; peer_read_ended follows, perhaps inside the call. */
void torrent_read_for(struct torrent *, struct peer *, struct storage_read *);
/* A block that was lent could not be sent. */
void torrent_block_unreadable(struct torrent *, uint32_t piece, int err);

/* ---- torrent_metadata.c -------------------------------------------------------------------- */
int torrent_hear_metadata(struct torrent *, struct peer *, struct bytes payload);
void torrent_metadata_tick(struct torrent *);

/* ---- torrent_hashes.c ---------------------------------------------------------------------- */
int torrent_hear_hashes(struct torrent *, struct peer *, int id, struct bytes payload);
void torrent_layers_tick(struct torrent *);
void torrent_layers_peer_left(struct torrent *, struct peer *);
void torrent_ask_hashes(struct peer *, const struct hash_request *);
void torrent_reject_hashes(struct peer *, const struct hash_request *);
/* The tree above a file's piece layer, which is known. */
struct merkle_tree torrent_tree(struct torrent *, uint32_t file);
/* The first `there` hashes are given, the rest of the request's length is padding. */
void torrent_say_hashes(struct peer *, const struct hash_request *,
    const struct sha256_digest *hashes, size_t there, const struct sha256_digest *uncles,
    size_t uncle_count);

/* ---- torrent_leaves.c ---------------------------------------------------------------------- */
/* False: nothing that we can answer; true: answered, or it will be. */
bool torrent_leaves_asked(struct torrent *, struct peer *, const struct hash_request *);
/* A piece was bad and had several givers: asks for its leaves, if they prove anything. */
void torrent_leaves_want(struct torrent *, const struct piece_buffer *);
int torrent_leaves_came(
    struct torrent *, struct peer *, const struct hash_request *, struct bytes hashes);
void torrent_leaves_refused(struct torrent *, struct peer *, const struct hash_request *);
void torrent_leaves_peer_left(struct torrent *, struct peer *);
void torrent_leaves_free(struct torrent *);

/* BEP 27; not known before the metadata is. */
static inline bool torrent_is_private(const struct torrent *t)
{
    return t->metainfo && t->metainfo->is_private;
}

#endif
