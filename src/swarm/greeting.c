/* See greeting.h. */
#include "swarm/greeting.h"

#include "base/err.h"

static void say(struct greeting *g, const struct greeting_answer *answer)
{
    struct handshake ours = {.extensions = true,
        .fast = true,
        .v2 = answer->v2,
        .info_hash = answer->info_hash,
        .peer_id = g->config.our_id};
    handshake_encode(&ours, g->out);
    g->out_size = HANDSHAKE_SIZE;
    g->answered = true;
}

void greeting_init(struct greeting *g, const struct greeting_config *config)
{
    memset(g, 0, sizeof *g);
    g->config = *config;
    g->deadline = config->now + GREETING_PATIENCE;
    if (!config->incoming)
        say(g, &config->say);
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

int greeting_input(struct greeting *g, size_t size)
{
    g->in_size += size;
    int known = handshake_decode(bytes_of(g->in, g->in_size), &g->theirs);
    if (known < 0)
        return known;
    if (known >= (int)HANDSHAKE_HASH_END && g->config.incoming && !g->answered) {
        int err = answer(g);
        if (err)
            return err;
    }
    if (known < (int)HANDSHAKE_SIZE)
        return 0;
    g->used = HANDSHAKE_SIZE;
    g->state = GREETING_DONE;
    return g->config.incoming ? 0 : check_answer(g);
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
