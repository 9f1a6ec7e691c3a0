/* What a torrent asks of the node that owns it. The node fills in the table; the swarm never learns
 * what stands behind it, so a test or the simulator can stand there too. */
#ifndef KITH_SWARM_HOST_H
#define KITH_SWARM_HOST_H

#include "base/addr.h"
#include "base/log.h"
#include "base/time.h"

struct torrent;
struct peer;

enum torrent_event {
    TORRENT_METADATA_KNOWN, /* the info dictionary arrived and is right */
    TORRENT_LAYERS_KNOWN,   /* the hashes of its pieces arrived and are right (v2 alone) */
    TORRENT_READY,          /* opened and checked: transfer may begin */
    TORRENT_COMPLETE,       /* every wanted piece is verified and written */
    TORRENT_TROUBLE,        /* stopped by a disk or data problem: torrent_error */
    TORRENT_RECOVERED,      /* the trouble passed by itself */
    TORRENT_PIECE_WRITTEN,  /* a piece was verified and written; not durable yet */
    TORRENT_PEER_JOINED,    /* about `peer` */
    TORRENT_PEER_COMPLETE,  /* `peer` has everything now */
    TORRENT_STOPPED         /* torrent_stop has finished */
};

struct swarm_host_ops {
    /* Opens a connection for the torrent; the outcome comes back through torrent_adopt or
     * torrent_connect_failed. Else why it was not begun: ERR_LIMIT, ERR_NOMEM and ERR_AGAIN (none
     * can be, now), ERR_BLOCKED (it must not be), or what ails this one. */
    int (*connect)(void *host, struct torrent *, const struct endpoint *);
    /* The peer has something to send, or wants to read again after it had paused: pump its link
     * before the loop sleeps. Never re-enters the swarm. */
    void (*pump)(void *host, struct peer *, void *link);
    /* The swarm is done with a peer: close its link. The peer is freed after this returns. */
    void (*hang_up)(void *host, struct peer *, void *link);
    /* The torrent's deadline moved nearer (see torrent_deadline). */
    void (*reschedule)(void *host, struct torrent *);
    void (*event)(void *host, struct torrent *, enum torrent_event, struct peer *);
    /* Fetches bytes for a web seed: `range` of them from `first`, or with range 0 all that the
     * address names, `size` bytes being expected. torrent_web_data and _done follow. False: not
     * now. NULL: the host cannot. */
    bool (*web_fetch)(void *host, struct torrent *, uint32_t seed, const char *url, uint64_t first,
        uint64_t range, uint64_t size);
    usec (*now)(void *host);
    void (*random)(void *host, void *out, size_t size);
    /* As connect, but by uTP and at once, because the other side does the same now (BEP 55). May
     * be NULL where the torrent was made without `punches`. */
    int (*punch)(void *host, struct torrent *, const struct endpoint *);
    /* `voter` says that it sees us at `ours` (port 0; BEP 10). May be NULL. */
    void (*seen_at)(void *host, const struct endpoint *voter, const struct endpoint *ours);
    /* Is this an address to have nothing to do with? NULL: there are none. */
    bool (*refuses)(void *host, const struct endpoint *);
    /* The UDP port of our DHT node of that family, to be told to peers that have one too (BEP 5,
     * 32); 0: none, or not for this torrent. NULL: there is none. */
    uint16_t (*dht_port)(void *host, enum addr_family);
    /* A peer has a DHT node there. May be NULL. */
    void (*dht_node)(void *host, const struct endpoint *);
    /* As connect, to a peer whose connection may be dead: with little patience, because the way may
     * be there again at any moment. torrent_connect_failed says ERR_REFUSED if it was reached. May
     * be NULL. */
    bool (*recall)(void *host, struct torrent *, const struct endpoint *);
};

struct swarm_host {
    const struct swarm_host_ops *ops;
    void *user;
    struct log *log;
};

#endif
