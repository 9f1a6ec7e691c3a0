/* One torrent's life: from a link or a .torrent to seeding.
 *
 * Sans-I/O: the torrent decides, the node (through swarm/host.h) connects, and the store (through
 * env jobs) reads and writes. All on the loop's thread. The files torrent_*.c each hold one part of
 * that life; swarm/torrent/torrent_internal.h shows the whole object to them and to nobody else. */
#ifndef KITH_SWARM_TORRENT_H
#define KITH_SWARM_TORRENT_H

#include "base/addr.h"
#include "base/bitfield.h"
#include "base/ids.h"
#include "base/rate.h"
#include "base/time.h"
#include "swarm/host.h"
#include "swarm/peer/peer.h"
#include "swarm/peer_list.h"

#define TORRENT_PEERS_DEFAULT 200u /* connections of one torrent, if nobody says otherwise */
#define TORRENT_PEERS_MAX 10000u   /* whatever anybody says */
#define TORRENT_WEB_SEEDS_MAX 8u   /* in use */

struct torrent;
struct metainfo;
struct storage;
struct chunk_pool;

/* Chains of token buckets: a byte passes when all of them let it. */
struct rate_limits {
    struct token_bucket download, upload;
};

struct torrent_config {
    struct swarm_host host;
    struct metainfo *metainfo; /* taken over; NULL for a magnet */
    bool has_v1, has_v2;       /* which hashes are known */
    struct sha1_digest v1;
    struct sha256_digest v2;
    const char *name;                /* shown until the metadata is known; may be NULL */
    struct peer_id peer_id;          /* ours */
    uint16_t listen_port;            /* told to peers; 0: we do not listen */
    struct rate_limits *node_limits; /* shared by all torrents; outlives them */
    unsigned peers_max;              /* 0: TORRENT_PEERS_DEFAULT */
    uint64_t seed;                   /* for the choices that are left to chance */
    bool sequential, super_seeding;
    bool punches; /* the host can connect by uTP: holes are punched (BEP 55) */
};

enum torrent_state {
    TORRENT_NEW,      /* made, not started */
    TORRENT_METADATA, /* fetching the info dictionary */
    TORRENT_WAITING,  /* has metadata, has no storage yet: the node opens it */
    TORRENT_CHECKING, /* hashing what is on the disk */
    TORRENT_ACTIVE,   /* downloading or seeding */
    TORRENT_PAUSED,
    TORRENT_FAILED /* see torrent_error: a disk or data problem */
};

/* NULL: no memory. */
struct torrent *torrent_new(const struct torrent_config *);
/* Hangs up on all peers and frees. The storage must be idle (torrent_stop, TORRENT_STOPPED). */
void torrent_free(struct torrent *);

/* With metadata: takes over an opened storage and the pieces that it vouches for. Peers may have
 * been connected already. ERR_NOMEM. */
int torrent_start(struct torrent *, struct storage *, const struct bitfield *have);
/* Without: begins to fetch the metadata. */
void torrent_start_metadata(struct torrent *);
/* With metadata that lacks the hashes of its pieces (v2 alone, from a link): fetches them from
 * peers; TORRENT_LAYERS_KNOWN follows. ERR_NOMEM. */
bool torrent_lacks_layers(const struct torrent *);
int torrent_start_layers(struct torrent *);
void torrent_pause(struct torrent *);
void torrent_resume(struct torrent *);
/* Hangs up, spills partial pieces, syncs; TORRENT_STOPPED follows. */
void torrent_stop(struct torrent *);
/* After TORRENT_STOPPED: lets go of storage and pieces, to be started again with torrent_start. The
 * addresses of peers are kept. */
void torrent_rest(struct torrent *);
/* After TORRENT_TROUBLE: tries once more what failed, and goes on if it works (TORRENT_RECOVERED).
 */
void torrent_retry(struct torrent *);

/* The next time at which torrent_tick has something to do; NEVER for one that idles. */
usec torrent_deadline(const struct torrent *);
void torrent_tick(struct torrent *, usec now);

/* ---- peers --------------------------------------------------------------------------------- */

/* A candidate to connect to. */
void torrent_add_candidate(struct torrent *, const struct endpoint *, enum addr_source);
/* Those that were connected, the latest first, at most `max`; and one of an earlier run. */
size_t torrent_met(struct torrent *, struct peer_met *out, size_t max);
void torrent_meet_again(struct torrent *, const struct peer_met *);
/* Peers that could not be reached on the network before are tried again at once. */
void torrent_network_changed(struct torrent *);
/* The greeting is done: the connection becomes a peer, owned by the torrent until hang_up. NULL:
 * not wanted (too many, already connected, ourselves, banned); the caller closes. */
struct peer *torrent_adopt(struct torrent *, const struct peer_intro *, void *link);
void torrent_connect_failed(struct torrent *, const struct endpoint *, int err);
bool torrent_wants_incoming(const struct torrent *, const struct endpoint *from);

/* ---- web seeds ----------------------------------------------------------------------------- */

/* BEP 19's addresses of files, or BEP 17's of pieces. ERR_LIMIT, ERR_NOMEM. */
int torrent_add_web_seed(struct torrent *, const char *url, bool by_pieces);
/* What the host fetched for one: false to stop it. Then its end, also after false. A host that
 * pauses or stops a torrent cancels its exchanges first, and tells nothing of them. */
bool torrent_web_data(struct torrent *, uint32_t seed, int status, struct bytes);
void torrent_web_done(struct torrent *, uint32_t seed, int err, int status, const char *detail);
uint32_t torrent_web_seeds(const struct torrent *); /* that have not been given up */
/* What the first one that does not serve says; NULL: all is well. Foreign: escape. */
const char *torrent_web_trouble(const struct torrent *);

/* ---- control ------------------------------------------------------------------------------- */

/* 0: unwanted; 1 to 7. Takes effect at once; pieces shared with a wanted file stay wanted. */
int torrent_set_file_priority(struct torrent *, uint32_t file, int priority);
/* Of all files at once; NULL: all normal. ERR_NOMEM. */
int torrent_set_file_priorities(struct torrent *, const uint8_t *priorities);
void torrent_set_sequential(struct torrent *, bool on);
/* BEP 16; for who joins from now on. Off: everybody is told of everything. */
void torrent_set_super_seeding(struct torrent *, bool on);
/* What peers that join from now on are told. */
void torrent_set_listen_port(struct torrent *, uint16_t port);
struct rate_limits *torrent_limits(struct torrent *);
struct storage *torrent_storage(struct torrent *);

/* ---- looking ------------------------------------------------------------------------------- */

struct torrent_stats {
    enum torrent_state state;
    int error;                                    /* with FAILED */
    uint64_t bytes_total, bytes_done, bytes_left; /* wanted */
    uint64_t checked, check_total;
    uint64_t downloaded, uploaded, wasted;
    uint64_t download_rate, upload_rate;
    uint32_t pieces_total, pieces_done;
    uint32_t peers, connecting, seeds, known, sending, receiving;
    uint32_t interested_in_us;
    uint32_t useful, useful_unchoked; /* they have what we lack; and let us ask for it */
    uint32_t liars;                   /* peers that were banned for bad data, ever */
    uint32_t attempts_failed;         /* connections that did not come about, ever */
    bool complete;                    /* every wanted piece */
};
void torrent_stats(struct torrent *, usec now, struct torrent_stats *);
bool torrent_is_complete(const struct torrent *); /* every wanted piece */
int torrent_error(const struct torrent *);
const char *torrent_error_text(const struct torrent *);
const struct metainfo *torrent_metainfo(const struct torrent *); /* NULL until known */
const struct bitfield *torrent_have(const struct torrent *);
bool torrent_hash_v1(const struct torrent *, struct info_hash *out);
bool torrent_hash_v2(const struct torrent *, struct sha256_digest *out);
/* What it waits for while it fetches its metadata from the peers that are connected, in words. */
const char *torrent_metadata_waits(const struct torrent *);
bool torrent_metadata_was_wrong(const struct torrent *); /* and is still fetched */
/* The index-th connected peer, NULL past the last. */
struct peer *torrent_peer_at(const struct torrent *, uint32_t index);

#endif
