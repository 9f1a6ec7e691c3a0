/* See greeting.h. */
#include "swarm/peer/greeting.h"

#include "base/err.h"
#include <assert.h>

static void say(struct greeting *g, const struct greeting_answer *answer)
{
    struct handshake ours = {.extensions = true,
        .fast = true,
        .v2 = answer->v2,
        .dht = answer->dht,
        .info_hash = answer->info_hash,
        .peer_id = g->config.our_id};
    uint8_t *at = g->out + g->out_size;
    assert(sizeof g->out - g->out_size >= HANDSHAKE_SIZE);
    handshake_encode(&ours, at);
    g->out_size += HANDSHAKE_SIZE;
    g->answered = true;
    if (g->state != GREETING_OPENING)
        mse_encrypt(&g->mse, at, HANDSHAKE_SIZE);
}

/* ---- MSE/PE -------------------------------------------------------------------------------- */

static bool find_name(void *user, const struct sha1_digest *name, struct info_hash *skey)
{
    struct greeting *g = user;
    return g->config.find_name(g->config.user, name, skey, &g->mse_torrent);
}

/* Offers RC4 alone, as one who prefers it must: offered both, others select plaintext. */
static int mse_begin(struct greeting *g, struct bytes ia)
{
    bool plain = g->config.incoming && g->config.encryption == GREETING_PREFER;
    struct mse_config config = {.initiator = !g->config.incoming,
        .methods = MSE_RC4 | (plain ? MSE_PLAIN : 0),
        .random = &g->config.random,
        .skey = g->config.say.info_hash,
        .ia = ia,
        .find = find_name,
        .user = g};
    struct builder out = builder_fixed(g->out, sizeof g->out);
    g->state = GREETING_MSE;
    int err = mse_init(&g->mse, &config, &out);
    g->out_size = out.size;
    return err;
}

static int mse_hear(struct greeting *g)
{
    struct builder out = builder_fixed(g->out, sizeof g->out);
    out.size = g->out_size;
    int err = mse_input(&g->mse, g->in, g->in_size, &out);
    g->out_size = out.size;
    if (err || !mse_done(&g->mse))
        return err;
    g->begin = g->mse.at;
    g->state = GREETING_WAITING;
    return 0;
}

/* The first bytes of a caller. */
static int open_up(struct greeting *g)
{
    if (!handshake_is_plain(bytes_of(g->in, g->in_size)))
        return g->config.encryption == GREETING_OFF ? ERR_PROTOCOL
                                                    : mse_begin(g, (struct bytes){0});
    /* A public value may begin with any byte. */
    if (g->in_size < HANDSHAKE_PROTOCOL_SIZE)
        return 0;
    g->state = GREETING_WAITING;
    return g->config.encryption == GREETING_REQUIRE ? ERR_REFUSED : 0;
}

/* ---- the handshake ------------------------------------------------------------------------- */

int greeting_init(struct greeting *g, const struct greeting_config *config)
{
    memset(g, 0, sizeof *g);
    g->config = *config;
    g->deadline = config->now + GREETING_PATIENCE;
    g->state = GREETING_OPENING;
    if (config->incoming)
        return 0;
    say(g, &config->say);
    g->state = GREETING_WAITING;
    if (config->encryption == GREETING_OFF)
        return 0;
    memcpy(g->ia, g->out, sizeof g->ia);
    g->out_size = 0;
    return mse_begin(g, bytes_of(g->ia, sizeof g->ia));
}

uint8_t *greeting_room(struct greeting *g, size_t *size)
{
    *size = sizeof g->in - g->in_size;
    return g->in + g->in_size;
}

/* The called side answers as soon as it knows the info-hash, before the peer id has come. */
static int answer(struct greeting *g)
{
    struct greeting_answer a;
    if (!g->config.find(g->config.user, &g->theirs, &a))
        return ERR_NOT_FOUND;
    if (g->mse_torrent && g->mse_torrent != a.torrent)
        return ERR_MISMATCH;
    g->torrent = a.torrent;
    g->is_v2 = a.is_v2;
    say(g, &a);
    return 0;
}

/* A hybrid is called by its v1 hash; an answer with the v2 hash upgrades the connection. */
static int check_answer(struct greeting *g)
{
    if (info_hash_equal(&g->theirs.info_hash, &g->config.say.info_hash)) {
        g->is_v2 = g->config.say.is_v2;
        return 0;
    }
    if (!g->config.has_other_hash || !info_hash_equal(&g->theirs.info_hash, &g->config.other_hash))
        return ERR_MISMATCH;
    g->is_v2 = true;
    return 0;
}

static int hear_handshake(struct greeting *g)
{
    struct bytes in = bytes_of(g->in + g->begin, g->in_size - g->begin);
    int known = handshake_decode(in, &g->theirs);
    if (known < 0)
        return known;
    if (known >= (int)HANDSHAKE_HASH_END && g->config.incoming && !g->answered) {
        int err = answer(g);
        if (err)
            return err;
    }
    if (known < (int)HANDSHAKE_SIZE)
        return 0;
    g->used = g->begin + HANDSHAKE_SIZE;
    g->state = GREETING_DONE;
    return g->config.incoming ? 0 : check_answer(g);
}

int greeting_input(struct greeting *g, size_t size)
{
    int err = 0;
    if (g->state == GREETING_WAITING || g->state == GREETING_DONE)
        mse_decrypt(&g->mse, g->in + g->in_size, size);
    g->in_size += size;
    if (g->state == GREETING_OPENING)
        err = open_up(g);
    if (!err && g->state == GREETING_MSE)
        err = mse_hear(g);
    if (!err && g->state == GREETING_WAITING)
        err = hear_handshake(g);
    return err;
}

struct bytes greeting_output(const struct greeting *g)
{
    return bytes_of(g->out + g->out_sent, g->out_size - g->out_sent);
}

void greeting_sent(struct greeting *g, size_t size)
{
    g->out_sent += size;
}

bool greeting_done(const struct greeting *g)
{
    return g->state == GREETING_DONE && g->answered && g->out_sent == g->out_size;
}

struct bytes greeting_leftover(const struct greeting *g)
{
    return bytes_of(g->in + g->used, g->in_size - g->used);
}

static bool ciphered(const struct greeting *g)
{
    return g->mse.selected == MSE_RC4;
}

const struct rc4 *greeting_encrypt(const struct greeting *g)
{
    return ciphered(g) ? &g->mse.encrypt : NULL;
}

const struct rc4 *greeting_decrypt(const struct greeting *g)
{
    return ciphered(g) ? &g->mse.decrypt : NULL;
}

bool greeting_may_fall_back(const struct greeting *g, int err)
{
    return !g->config.incoming && g->config.encryption == GREETING_PREFER && !mse_heard(&g->mse) &&
           (err == ERR_CLOSED || err == ERR_NETWORK);
}
