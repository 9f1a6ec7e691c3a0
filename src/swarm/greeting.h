/* The greeting: what happens on a connection before there is a peer.
 *
 * Sans-I/O: bytes in, bytes to send out, until both handshakes are known. The side that was called
 * learns the info-hash first and is told by its owner whether there is such a torrent. */
#ifndef KITH_SWARM_GREETING_H
#define KITH_SWARM_GREETING_H

#include "base/time.h"
#include "proto/handshake.h"

#define GREETING_PATIENCE SECONDS(10)
#define GREETING_BUFFER_MAX 2048u /* bytes that may come before the greeting is over */

/* What a torrent answers with. */
struct greeting_answer {
    struct info_hash info_hash; /* for a hybrid whose caller speaks v2: the truncated v2 hash */
    bool v2;                    /* the reserved bit that we set */
    bool is_v2;                 /* the connection will speak v2 */
    void *torrent;
};

struct greeting_config {
    bool incoming;
    struct peer_id our_id;
    /* outgoing: what we say, and the v2 hash that a hybrid's answer may carry instead */
    struct greeting_answer say;
    bool has_other_hash;
    struct info_hash other_hash;
    /* incoming: is there such a torrent? Fills in the answer. */
    bool (*find)(void *user, const struct handshake *theirs, struct greeting_answer *out);
    void *user;
    usec now;
};

enum greeting_state {
    GREETING_WAITING, /* for their handshake, or the rest of it */
    GREETING_DONE
};

struct greeting {
    struct greeting_config config;
    enum greeting_state state;
    uint8_t in[GREETING_BUFFER_MAX];
    size_t in_size;
    uint8_t out[HANDSHAKE_SIZE];
    size_t out_size, out_sent;
    bool answered;
    bool is_v2;
    void *torrent; /* incoming: the one that was found */
    struct handshake theirs;
    size_t used; /* bytes of `in` that the greeting took: the rest is the peer's */
    usec deadline;
};

void greeting_init(struct greeting *, const struct greeting_config *);
/* Room for what comes next; *size is its length (0: none left, which is a breach). */
uint8_t *greeting_room(struct greeting *, size_t *size);
/* `size` bytes were put there. 0, or ERR_PROTOCOL, ERR_NOT_FOUND (no such torrent), ERR_MISMATCH
 * (another torrent answered). */
int greeting_input(struct greeting *, size_t size);
struct bytes greeting_output(const struct greeting *);
void greeting_sent(struct greeting *, size_t size);
/* Both handshakes are known, and ours is sent. */
bool greeting_done(const struct greeting *);
struct bytes greeting_leftover(const struct greeting *);

#endif
