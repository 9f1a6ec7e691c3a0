/* A web server that has the data: BEP 19 (url-list, "GetRight") and BEP 17 (httpseeds).
 *
 * A web seed is given blocks by the picker as a peer is, asks for them in long ranges of files, and
 * hands back blocks. Pure: it says which range of which address it wants next, is handed the bytes,
 * and gives blocks in order; torrent_web.c ties it to a torrent, the node fetches. */
#ifndef KITH_SWARM_WEB_SEED_H
#define KITH_SWARM_WEB_SEED_H

#include "base/time.h"
#include "format/metainfo.h"
#include "swarm/pieces/picker.h"

#define WEB_SEED_BLOCKS_MAX 256u /* asked for at a time: 4 MiB */
#define WEB_SEED_URL_MAX 16384u
#define WEB_SEED_PAUSE_MIN SECONDS(10)
#define WEB_SEED_PAUSE_MAX SECONDS(1800)
#define WEB_SEED_FAILURES_MAX 8u /* in a row: then it is given up */

enum web_seed_kind { WEB_SEED_FILES /* BEP 19 */, WEB_SEED_PIECES /* BEP 17 */ };

struct web_seed {
    char *url;
    enum web_seed_kind kind;
    uint32_t id; /* among the torrent's peers */
    struct picker_block blocks[WEB_SEED_BLOCKS_MAX];
    uint32_t count, next; /* blocks taken on; the one that is being filled */
    uint32_t filled;      /* bytes of it */
    uint8_t *block;       /* METAINFO_BLOCK_SIZE: the one that is being filled */
    struct builder body;  /* bytes that came and are not in a block yet */
    size_t body_at;
    uint64_t expected; /* bytes of the range under way that have not come */
    bool fetching, dead;
    unsigned failures;
    usec not_before;
    uint64_t downloaded;
    char words[128]; /* why it does not serve; "" */
};

/* What to fetch: a range of an address, or zeros that nobody need be asked for. */
struct web_range {
    struct builder *url; /* appended to */
    uint64_t first, size;
    uint64_t whole; /* bytes of all that the address names; 0: unknown (BEP 17) */
    bool zeros;
};

int web_seed_init(
    struct web_seed *, const char *url, enum web_seed_kind); /* ERR_NOMEM, ERR_LIMIT */
void web_seed_free(struct web_seed *);
/* The next range of the blocks that were taken on; false: all of them have been asked for. */
bool web_seed_range(const struct web_seed *, const struct metainfo *, struct web_range *out);
/* Bytes of the range. ERR_LIMIT: more than was asked for. */
int web_seed_data(struct web_seed *, struct bytes);
/* A whole block out of the bytes that came, in the order of asking; NULL: not yet. It is valid
 * until web_seed_block_taken. */
const uint8_t *web_seed_block(
    struct web_seed *, const struct metainfo *, struct picker_block *which, uint32_t *size);
void web_seed_block_taken(struct web_seed *);
/* The exchange has ended. False: it failed, and the blocks that are left are to be given back. */
bool web_seed_done(struct web_seed *, int err, int status, const char *detail, usec now);
/* Blocks taken on that were not delivered; forgets them. */
uint32_t web_seed_give_back(struct web_seed *, struct picker_block *out);
/* Its data was wrong. */
void web_seed_condemn(struct web_seed *, const char *why);

#endif
