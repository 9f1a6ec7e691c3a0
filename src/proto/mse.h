/* Message stream encryption (MSE/PE): the exchange that hides a peer connection from filters.
 *
 * A pure state machine for both roles: it is handed all bytes that have come since the connection
 * began, and random bytes; it appends what is to be sent. It is obfuscation: who knows the
 * info-hash can read along by stepping in between. Called by swarm/peer/greeting alone. */
#ifndef KITH_PROTO_MSE_H
#define KITH_PROTO_MSE_H

#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/dh768.h"
#include "crypto/rc4.h"

#define MSE_PAD_MAX 512u
#define MSE_IA_MAX 1024u /* initial payload that a stranger may send; engines send 68 bytes */
/* What an initiator may have to send: Ya, PadA, two hashes, the head, PadC, the length of IA. IA
 * comes on top of it. A responder sends less. */
#define MSE_OUT_MAX (DH768_SIZE + MSE_PAD_MAX + 20 + 20 + 14 + MSE_PAD_MAX + 2)
/* What must fit before a responder has got through to the end of IA; an initiator needs less. */
#define MSE_IN_MAX (MSE_OUT_MAX + MSE_IA_MAX)

enum mse_method { MSE_PLAIN = 1, MSE_RC4 = 2 }; /* bits of crypto_provide and crypto_select */

/* The caller fills all of it with random bytes. */
struct mse_random {
    uint8_t private_key[DH768_PRIVATE_SIZE];
    uint8_t pad_size[2][2]; /* modulo 513 */
    uint8_t pad[2][MSE_PAD_MAX];
};

struct mse_config {
    bool initiator;
    uint32_t methods; /* offered or accepted; RC4 is selected where there is a choice */
    const struct mse_random *random; /* stays valid until the exchange is over */
    struct info_hash skey;           /* initiator: the torrent */
    struct bytes ia;                 /* initiator: sent along, may be empty; stays valid */
    /* Responder: the info-hash whose mse_name this is. */
    bool (*find)(void *user, const struct sha1_digest *name, struct info_hash *skey);
    void *user;
};

enum mse_state { MSE_KEY, MSE_SYNC, MSE_NAME, MSE_HEAD, MSE_PAD, MSE_IA, MSE_DONE };

struct mse {
    struct mse_config config;
    enum mse_state state;
    uint8_t secret[DH768_SIZE];
    uint8_t sync[20]; /* what the other side's random pad ends with */
    size_t sync_size;
    struct rc4 encrypt, decrypt;
    uint32_t provided, selected;
    size_t pad_size, ia_size;
    size_t at; /* bytes that are read; once done, where the payload begins */
};

/* H('req2', SKEY): what a responder looks for. */
struct sha1_digest mse_name(const struct info_hash *skey);

/* ERR_NOMEM. An initiator appends to `out` at once, where MSE_OUT_MAX + IA bytes must fit in all.
 */
int mse_init(struct mse *, const struct mse_config *, struct builder *out);
/* `in` holds all that has come since the beginning: the same buffer each time, grown at its end. It
 * is decrypted in place. Once mse_done, in[at..size) is the other side's payload (a responder's
 * begins with IA), readable; what comes later goes through mse_decrypt.
 * ERR_PROTOCOL, ERR_LIMIT (IA), ERR_NOT_FOUND (SKEY), ERR_UNSUPPORTED (no common method),
 * ERR_NOMEM; the exchange is over after each of them. */
int mse_input(struct mse *, uint8_t *in, size_t size, struct builder *out);
static inline bool mse_done(const struct mse *m)
{
    return m->state == MSE_DONE;
}
/* Has the other side shown that it speaks MSE? (Its public value has come.) */
static inline bool mse_heard(const struct mse *m)
{
    return m->state != MSE_KEY;
}
/* In place, once done; nothing happens where plaintext was selected. */
void mse_encrypt(struct mse *, uint8_t *data, size_t size);
void mse_decrypt(struct mse *, uint8_t *data, size_t size);

#endif
