/* A torrent's web seeds: given blocks by the picker, rate-limited and verified like peers. */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"
#include <stdlib.h>

static bool may_fetch(struct torrent *t)
{
    return torrent_is_downloading(t) && t->picker && t->host.ops->web_fetch;
}

int torrent_add_web_seed(struct torrent *t, const char *url, bool by_pieces)
{
    if (t->web_count == TORRENT_WEB_SEEDS_MAX)
        return ERR_LIMIT;
    struct web_seed *w = malloc(sizeof *w);
    int err = w ? web_seed_init(w, url, by_pieces ? WEB_SEED_PIECES : WEB_SEED_FILES) : ERR_NOMEM;
    if (err) {
        free(w);
        return err;
    }
    w->id = ++t->next_peer_id;
    t->web[t->web_count++] = w;
    torrent_tick_at(t, t->host.ops->now(t->host.user));
    return 0;
}

void torrent_web_free(struct torrent *t)
{
    for (uint32_t i = 0; i < t->web_count; i++) {
        web_seed_free(t->web[i]);
        free(t->web[i]);
    }
    t->web_count = 0;
    bitfield_free(&t->web_have);
}

/* ---- blocks -------------------------------------------------------------------------------- */

static void give_back(struct torrent *t, struct web_seed *w)
{
    struct picker_block blocks[WEB_SEED_BLOCKS_MAX];
    uint32_t count = web_seed_give_back(w, blocks);
    for (uint32_t i = 0; i < count && t->picker; i++)
        picker_abandoned(t->picker, blocks[i].piece, blocks[i].block, w->id);
}

static bool is_here(const struct torrent *t, const struct picker_block *b)
{
    return bitfield_get(&t->have, b->piece) || picker_has_block(t->picker, b->piece, b->block);
}

/* What came goes into pieces as far as there is memory; false: not all of it. */
static bool deliver(struct torrent *t, struct web_seed *w)
{
    struct picker_block b;
    const uint8_t *data;
    uint32_t size;
    while ((data = web_seed_block(w, t->metainfo, &b, &size)) != NULL) {
        uint32_t begin = b.block * METAINFO_BLOCK_SIZE;
        uint8_t *place = torrent_block_place(t, b.piece, begin);
        if (!place && !is_here(t, &b)) {
            torrent_memory_ready(t);
            torrent_tick_at(t, t->now + MSECS(20));
            return false;
        }
        if (place) {
            memcpy(place, data, size);
            torrent_block_begun(t, b.piece, begin);
            torrent_block_came(t, w->id, b.piece, begin, size);
        } else {
            t->wasted += size;
        }
        web_seed_block_taken(w);
    }
    return true;
}

/* ---- fetching ------------------------------------------------------------------------------ */

static void add_zeros(struct web_seed *w, uint64_t size)
{
    static const uint8_t zeros[4096];
    w->expected = size;
    for (uint64_t left = size; left > 0;) {
        size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
        web_seed_data(w, bytes_of(zeros, n));
        left -= n;
    }
}

/* Asks for the next range of the blocks taken on; true: something is under way, or all was asked.
 */
static void ask_next(struct torrent *t, uint32_t index)
{
    struct web_seed *w = t->web[index];
    struct builder url = builder_heap(WEB_SEED_URL_MAX);
    struct web_range r = {.url = &url};
    while (web_seed_range(w, t->metainfo, &r)) {
        if (r.zeros) {
            add_zeros(w, r.size);
            if (!deliver(t, w))
                break;
            continue;
        }
        w->expected = r.size;
        w->fetching = builder_ok(&url) &&
                      t->host.ops->web_fetch(t->host.user, t, index, builder_text(&url), r.first,
                          w->kind == WEB_SEED_PIECES || r.size == r.whole ? 0 : r.size, r.size);
        if (!w->fetching) {
            web_seed_done(w, ERR_NETWORK, 0, "", t->now);
            give_back(t, w);
        }
        break;
    }
    builder_free(&url);
}

static bool take_on(struct torrent *t, struct web_seed *w)
{
    struct picker_peer view = {.id = w->id, .have = &t->web_have, .now = t->now};
    if (picker_wake(t->picker) != 0)
        return false;
    if (!t->web_have.bits) {
        if (bitfield_init(&t->web_have, t->metainfo->piece_count) != 0)
            return false;
        bitfield_set_all(&t->web_have);
        view.have = &t->web_have;
    }
    w->next = 0;
    w->count = picker_pick(t->picker, &view, WEB_SEED_BLOCKS_MAX, w->blocks);
    return w->count > 0;
}

static void fetch(struct torrent *t, uint32_t index)
{
    struct web_seed *w = t->web[index];
    if (!deliver(t, w) || w->fetching || w->dead)
        return;
    if (w->next < w->count) {
        ask_next(t, index);
        return;
    }
    if (t->now < w->not_before) {
        torrent_tick_at(t, w->not_before);
        return;
    }
    if (torrent_download_budget(t, METAINFO_BLOCK_SIZE) > 0 && take_on(t, w))
        ask_next(t, index);
}

void torrent_web_tick(struct torrent *t)
{
    for (uint32_t i = 0; i < t->web_count; i++)
        if (may_fetch(t))
            fetch(t, i);
        else if (t->web[i]->next < t->web[i]->count && !t->web[i]->fetching)
            give_back(t, t->web[i]);
}

/* The host has given up what was under way. */
void torrent_web_stop(struct torrent *t)
{
    for (uint32_t i = 0; i < t->web_count; i++) {
        t->web[i]->fetching = false;
        give_back(t, t->web[i]);
    }
}

bool torrent_web_has_work(const struct torrent *t)
{
    for (uint32_t i = 0; i < t->web_count; i++)
        if (!t->web[i]->dead && torrent_is_downloading(t))
            return true;
    return false;
}

uint32_t torrent_web_seeds(const struct torrent *t)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < t->web_count; i++)
        alive += !t->web[i]->dead;
    return alive;
}

const char *torrent_web_trouble(const struct torrent *t)
{
    for (uint32_t i = 0; i < t->web_count; i++)
        if (t->web[i]->words[0])
            return t->web[i]->words;
    return NULL;
}

bool torrent_web_data(struct torrent *t, uint32_t index, int status, struct bytes data)
{
    struct web_seed *w = t->web[index];
    t->now = t->host.ops->now(t->host.user);
    if (status != 200 && status != 206)
        return true; /* the text of an error: not data */
    torrent_count_download(t, data.size);
    return web_seed_data(w, data) == 0;
}

void torrent_web_done(struct torrent *t, uint32_t index, int err, int status, const char *detail)
{
    struct web_seed *w = t->web[index];
    t->now = t->host.ops->now(t->host.user);
    bool right = web_seed_done(w, err, status, detail, t->now);
    if (!may_fetch(t)) {
        give_back(t, w);
        return;
    }
    if (right || deliver(t, w)) {
        if (!right)
            give_back(t, w);
        fetch(t, index);
    }
    torrent_tick_at(t, t->now + TORRENT_TICK);
}

/* Alone responsible for a bad piece. */
bool torrent_web_condemn(struct torrent *t, uint32_t id)
{
    for (uint32_t i = 0; i < t->web_count; i++) {
        if (t->web[i]->id != id)
            continue;
        web_seed_condemn(t->web[i], "its data is not the torrent's");
        return true;
    }
    return false;
}
