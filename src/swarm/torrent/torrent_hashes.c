/* BEP 52's hash requests: answering them out of the piece layers that we have, and fetching the
 * layers when a link alone is all we have. */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"
#include "crypto/merkle.h"
#include "proto/hash_message.h"
#include "proto/peer_wire.h"

#define LENGTH_MAX 512u /* hashes in one answer: what the BEP says a request SHOULD ask for */
/* That one peer gets in a minute, longer ones counted as several, and one for each file beyond
 * that: the layers of eight million pieces, or of as many files as there are. More are refused, and
 * are offences. */
#define ANSWERS_A_MINUTE 16384u

static void say(struct peer *p, uint8_t id, const struct hash_request *q)
{
    uint8_t buffer[HASH_MESSAGE_HEAD];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    hash_message_put(&b, id, q, 0);
    peer_say_raw(p, builder_bytes(&b));
}

void torrent_ask_hashes(struct peer *p, const struct hash_request *q)
{
    say(p, WIRE_HASH_REQUEST, q);
}

void torrent_reject_hashes(struct peer *p, const struct hash_request *q)
{
    say(p, WIRE_HASH_REJECT, q);
}

void torrent_say_hashes(struct peer *p, const struct hash_request *q,
    const struct sha256_digest *hashes, size_t there, const struct sha256_digest *uncles,
    size_t uncle_count)
{
    struct sha256_digest pad = merkle_pad(q->base);
    size_t count = q->length + uncle_count;
    struct builder b = builder_heap(HASH_MESSAGE_HEAD + count * sizeof pad);
    hash_message_put(&b, WIRE_HASHES, q, count);
    for (size_t i = 0; i < q->length; i++)
        builder_bytes_put(&b, i < there ? hashes[i].b : pad.b, sizeof pad.b);
    for (size_t i = 0; i < uncle_count; i++)
        builder_bytes_put(&b, uncles[i].b, sizeof uncles[i].b);
    if (builder_ok(&b))
        peer_say_raw(p, builder_bytes(&b));
    else
        torrent_reject_hashes(p, q);
    builder_free(&b);
}

/* Out of the piece layer; what lies below it is torrent_leaves.c's. */
static bool can_answer(const struct torrent *t, const struct hash_request *f, uint32_t *file)
{
    const struct metainfo *m = t->metainfo;
    if (!m || !m->has_v2 || f->base != metainfo_piece_height(m) || f->length < 2 ||
        f->length > LENGTH_MAX || (f->length & (f->length - 1)) || f->index % f->length)
        return false;
    *file = metainfo_file_of_root(m, &f->root);
    if (*file >= m->file_count || !m->files[*file].layer)
        return false;
    unsigned height = metainfo_file_height(&m->files[*file]);
    uint64_t width = (uint64_t)1 << (height - f->base);
    return (uint64_t)f->index + f->length <= width && f->proof_layers <= height - f->base;
}

struct merkle_tree torrent_tree(struct torrent *t, uint32_t file)
{
    if (!t->crowns)
        t->crowns = crowns_new(t->metainfo->file_count);
    return crowns_tree(t->crowns, t->metainfo, file);
}

static void answer(struct torrent *t, struct peer *p, const struct hash_request *f, uint32_t file)
{
    struct merkle_tree tree = torrent_tree(t, file);
    struct sha256_digest uncles[MERKLE_HEIGHT_MAX];
    size_t count = merkle_proof(
        &tree, merkle_height(f->length), f->index / f->length, uncles, hash_request_uncles(f));
    size_t there = f->index < tree.count ? tree.count - f->index : 0;
    torrent_say_hashes(p, f, tree.layer + (there ? f->index : 0), there, uncles, count);
}

/* What is asked for costs us hashing and sending that cost the peer 53 bytes. */
static bool may_ask_more(struct peer *p, const struct hash_request *q)
{
    bool allowed;
    uint32_t length = 0, most = ANSWERS_A_MINUTE + p->torrent->metainfo->file_count;
    do
        allowed = minute_allows(&p->hashes_asked, most, p->torrent->now);
    while (allowed && (length += LENGTH_MAX) < q->length);
    return allowed;
}

static int asked(struct torrent *t, struct peer *p, const struct hash_request *q)
{
    uint32_t file;
    if (!may_ask_more(p, q)) {
        torrent_reject_hashes(p, q);
        return peer_offend(p, "asks for too many hashes");
    }
    if (can_answer(t, q, &file))
        answer(t, p, q, file);
    else if (!torrent_leaves_asked(t, p, q))
        torrent_reject_hashes(p, q);
    return 0;
}

/* ---- fetching ------------------------------------------------------------------------------ */

bool torrent_lacks_layers(const struct torrent *t)
{
    return t->metainfo && t->metainfo->has_v2 && !t->metainfo->has_v1 &&
           !metainfo_has_layers(t->metainfo);
}

int torrent_start_layers(struct torrent *t)
{
    t->layers = layer_fetch_new(t->metainfo);
    t->state = TORRENT_WAITING;
    torrent_tick_at(t, t->host.ops->now(t->host.user));
    return t->layers ? 0 : ERR_NOMEM;
}

static void ask_for_hashes(struct torrent *t, struct peer *p)
{
    struct hash_request q;
    while (!p->gone && p->v2 && layer_fetch_next(t->layers, p->id, t->now, &q))
        torrent_ask_hashes(p, &q);
}

void torrent_layers_tick(struct torrent *t)
{
    for (uint32_t i = t->peer_count; i-- > 0 && t->layers;)
        if (i < t->peer_count)
            ask_for_hashes(t, t->peers[i]);
}

void torrent_layers_peer_left(struct torrent *t, struct peer *p)
{
    if (t->layers)
        layer_fetch_left(t->layers, p->id);
}

static int hear_answer(
    struct torrent *t, struct peer *p, const struct hash_request *q, struct bytes hashes)
{
    int result = layer_fetch_answer(t->layers, p->id, q, hashes);
    if (result == ERR_HASH) {
        peer_list_ban(t->candidates, &p->address);
        return ERR_PROTOCOL;
    }
    if (result < 0)
        return result;
    if (result == 0) {
        ask_for_hashes(t, p);
        return 0;
    }
    layer_fetch_free(t->layers);
    t->layers = NULL;
    torrent_tell(t, TORRENT_LAYERS_KNOWN, NULL);
    return 0;
}

int torrent_hear_hashes(struct torrent *t, struct peer *p, int id, struct bytes payload)
{
    struct hash_request q = hash_request_parse(payload);
    struct bytes hashes =
        bytes_of(payload.data + HASH_REQUEST_SIZE, payload.size - HASH_REQUEST_SIZE);
    if (id == WIRE_HASH_REQUEST)
        return asked(t, p, &q);
    if (id == WIRE_HASHES)
        return t->layers ? hear_answer(t, p, &q, hashes) : torrent_leaves_came(t, p, &q, hashes);
    if (t->layers)
        layer_fetch_rejected(t->layers, p->id, &q);
    else
        torrent_leaves_refused(t, p, &q);
    return 0;
}
