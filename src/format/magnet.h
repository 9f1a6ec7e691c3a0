/* Magnet links: xt=urn:btih (hex, base32) and urn:btmh (BEP 9, BEP 52), both for hybrids; dn, tr,
 * ws, x.pe, so (BEP 53). Unknown parameters are ignored; xs, as, mt and kt are never followed.
 *
 * Reads and writes text; connects to nothing. x.pe may carry names, which somebody else resolves
 * and passes to the address classifier. */
#ifndef KITH_FORMAT_MAGNET_H
#define KITH_FORMAT_MAGNET_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/ids.h"
#include "format/detail.h"

#define MAGNET_LENGTH_MAX 65536u    /* bytes of the link */
#define MAGNET_PARAMETERS_MAX 2000u /* more is ERR_LIMIT; so are the bounds below exceeded */
#define MAGNET_TRACKERS_MAX 500u
#define MAGNET_WEB_SEEDS_MAX 500u
#define MAGNET_PEERS_MAX 500u
#define MAGNET_RANGES_MAX 1000u
#define MAGNET_NAME_MAX 1024u /* bytes of dn after decoding: longer ones are cut */

struct magnet_peer {
    struct endpoint endpoint; /* family ADDR_NONE if the host is a name; port is set either way */
    const char *host;         /* the name; NULL if numeric */
};

/* File indexes first to last, both included (BEP 53: positions in the torrent, pads counted). */
struct magnet_range {
    uint32_t first, last;
};

/* Arrays and strings belong to the arena. To write one, point them wherever you like. */
struct magnet {
    bool has_v1, has_v2; /* one at least */
    struct sha1_digest v1;
    struct sha256_digest v2;
    const char *name; /* dn, valid UTF-8 without NUL: escape before showing. NULL if none */
    const char **trackers;
    size_t tracker_count;
    const char **web_seeds;
    size_t web_seed_count;
    struct magnet_peer *peers;
    size_t peer_count;
    bool has_selection;             /* so was given, and says something */
    struct magnet_range *selection; /* ascending, disjoint, not adjacent */
    size_t selection_count;
    struct arena arena;  /* of a parsed one */
    size_t hints_unread; /* x.pe, and ranges of so, that are malformed */
};

/* Parses a link; leading and trailing white space is allowed. A malformed xt is ERR_SYNTAX; a
 * malformed tr, ws, x.pe or range of so is left out: without it the link still names its data, and
 * other clients take it. A so of which nothing is left asks for everything. ERR_SYNTAX also for:
 * not a magnet link, no info-hash. ERR_UNSUPPORTED: only topics of other networks. ERR_MISMATCH:
 * two different info-hashes of one kind. ERR_LIMIT, ERR_NOMEM. On failure there is nothing to free.
 */
int magnet_parse(struct magnet *out, struct bytes text, struct format_error *error);
void magnet_free(struct magnet *m);
/* Appends the link: xt (v1, then v2), dn, tr, ws, x.pe, so. ERR_INVALID without an info-hash;
 * ERR_LIMIT if the builder is full. What is written parses to an equal magnet. */
int magnet_write(const struct magnet *m, struct builder *out);
/* Same hashes, name, trackers, web seeds, peers, selection, in the same order? */
bool magnet_equal(const struct magnet *a, const struct magnet *b);
/* Is this file of the torrent selected? True for all without so. */
bool magnet_selects(const struct magnet *m, uint32_t file);

struct metainfo;
/* The link of a torrent: hashes, name, trackers, web seeds; add peers afterwards. What it points to
 * belongs to the arena, so that the metainfo may go. ERR_NOMEM. Free with magnet_free. */
int magnet_of_metainfo(struct magnet *out, const struct metainfo *m);

#endif
