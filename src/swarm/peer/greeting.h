/* The greeting: what happens on a connection before there is a peer.
 *
 * Sans-I/O: bytes in, bytes to send out, until both handshakes are known. The side that was called
 * learns the info-hash first and is told by its owner whether there is such a torrent. Both sides
 * may speak through MSE/PE: the first bytes of a caller tell. */
#ifndef KITH_SWARM_GREETING_H
#define KITH_SWARM_GREETING_H

#include "base/time.h"
#include "proto/handshake.h"
#include "proto/mse.h"

#define GREETING_PATIENCE SECONDS(10)
#define GREETING_BUFFER_MAX 4096u /* bytes that may come before the greeting is over */

#define GREETING_OUT_MAX (MSE_OUT_MAX + HANDSHAKE_SIZE)

_Static_assert(GREETING_BUFFER_MAX >= MSE_IN_MAX + HANDSHAKE_SIZE, "an MSE exchange fits");

enum greeting_encryption {
    GREETING_PREFER,  /* outgoing: MSE, and RC4 only; incoming: all */
    GREETING_REQUIRE, /* RC4 or nothing */
    GREETING_OFF      /* plaintext or nothing */
};

/* What a torrent answers with. */
struct greeting_answer {
    struct info_hash info_hash; /* for a hybrid whose caller speaks v2: the truncated v2 hash */
    bool v2;                    /* the reserved bit that we set */
    bool is_v2;                 /* the connection will speak v2 */
    bool dht;                   /* we have a DHT node (BEP 5) */
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
    /* incoming: the torrent whose MSE name this is, and that one of its hashes which it names. */
    bool (*find_name)(
        void *user, const struct sha1_digest *name, struct info_hash *skey, void **torrent);
    void *user;
    enum greeting_encryption encryption;
    struct mse_random random; /* unless encryption is off */
    usec now;
};

enum greeting_state {
    GREETING_OPENING, /* incoming: plaintext or MSE? */
    GREETING_MSE,
    GREETING_WAITING, /* for their handshake, or the rest of it */
    GREETING_DONE
};

struct greeting {
    struct greeting_config config;
    enum greeting_state state;
    uint8_t in[GREETING_BUFFER_MAX];
    size_t in_size;
    uint8_t out[GREETING_OUT_MAX];
    size_t out_size, out_sent;
    bool answered;
    bool is_v2;
    void *torrent; /* incoming: the one that was found */
    struct handshake theirs;
    struct mse mse;
    uint8_t ia[HANDSHAKE_SIZE]; /* our handshake, on its way into MSE */
    void *mse_torrent; /* incoming: the one that MSE named; the handshake must name it too */
    size_t begin;      /* where the handshake begins in `in` */
    size_t used;       /* bytes of `in` that the greeting took: the rest is the peer's */
    usec deadline;
};

/* The greeting stays where it is from here on. ERR_NOMEM. */
int greeting_init(struct greeting *, const struct greeting_config *);
/* Room for what comes next; *size is its length (0: none left, which is a breach). */
uint8_t *greeting_room(struct greeting *, size_t *size);
/* `size` bytes were put there. 0, or ERR_PROTOCOL, ERR_NOT_FOUND (no such torrent), ERR_MISMATCH
 * (another torrent answered), ERR_REFUSED (plaintext, where encryption is required), or one of
 * mse_input. */
int greeting_input(struct greeting *, size_t size);
struct bytes greeting_output(const struct greeting *);
void greeting_sent(struct greeting *, size_t size);
/* Both handshakes are known, and ours is sent. */
bool greeting_done(const struct greeting *);
struct bytes greeting_leftover(const struct greeting *); /* deciphered */
/* The ciphers of all that follows the greeting; NULL: plaintext. */
const struct rc4 *greeting_encrypt(const struct greeting *);
const struct rc4 *greeting_decrypt(const struct greeting *);
/* Failed with `err`: may the same be tried in plaintext? Some close when they meet MSE. */
bool greeting_may_fall_back(const struct greeting *, int err);

#endif
