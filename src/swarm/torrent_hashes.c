/* BEP 52's hash requests: answering them out of the piece layers that we have, and fetching the
 * layers when a link alone is all we have. */
#include "swarm/torrent_internal.h"

#include "base/err.h"
#include "crypto/merkle.h"
#include "proto/peer_wire.h"

#define FIELDS_SIZE 48u /* root, base, index, length, proof layers */
#define LENGTH_MAX 512u /* hashes in one answer: what the BEP says a request SHOULD ask for */

struct hash_fields {
    struct sha256_digest root;
    uint32_t base, index, length, proof_layers;
};

static struct hash_fields parse_fields(struct bytes payload)
{
    struct hash_fields f;
    struct cursor c = cursor_of(payload);
    cursor_copy(&c, f.root.b, sizeof f.root.b);
    f.base = cursor_u32(&c);
    f.index = cursor_u32(&c);
    f.length = cursor_u32(&c);
    f.proof_layers = cursor_u32(&c);
    return f;
}

static void put_message(struct builder *b, uint8_t id, const struct hash_fields *f, size_t hashes)
{
    builder_u32(b, (uint32_t)(1 + FIELDS_SIZE + hashes * 32));
    builder_u8(b, id);
    builder_bytes_put(b, f->root.b, sizeof f->root.b);
    builder_u32(b, f->base);
    builder_u32(b, f->index);
    builder_u32(b, f->length);
    builder_u32(b, f->proof_layers);
}

static int reject(struct peer *p, const struct hash_fields *f)
{
    uint8_t buffer[4 + 1 + FIELDS_SIZE];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    put_message(&b, WIRE_HASH_REJECT, f, 0);
    peer_say_raw(p, builder_bytes(&b));
    return 0;
}

/* Only the piece layer is kept: requests for leaves are rejected. */
static bool can_answer(const struct torrent *t, const struct hash_fields *f, uint32_t *file)
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

static int answer(struct torrent *t, struct peer *p, const struct hash_fields *f, uint32_t file)
{
    const struct metainfo_file *m = &t->metainfo->files[file];
    unsigned height = metainfo_file_height(m), length_height = merkle_height(f->length);
    struct sha256_digest uncles[MERKLE_HEIGHT_MAX], pad = merkle_pad(f->base);
    /* The proof layers that the hashes themselves imply are not sent. */
    size_t skipped = length_height > 0 ? length_height - 1 : 0;
    size_t wanted = f->proof_layers > skipped ? f->proof_layers - skipped : 0;
    size_t count = merkle_proof(m->layer, m->piece_count, f->base, height - f->base, length_height,
        f->index / f->length, uncles, wanted);
    struct builder b = builder_heap(4 + 1 + FIELDS_SIZE + (LENGTH_MAX + MERKLE_HEIGHT_MAX) * 32);
    put_message(&b, WIRE_HASHES, f, f->length + count);
    for (uint32_t i = 0; i < f->length; i++) {
        uint64_t at = (uint64_t)f->index + i;
        builder_bytes_put(&b, at < m->piece_count ? m->layer[at].b : pad.b, 32);
    }
    for (size_t i = 0; i < count; i++)
        builder_bytes_put(&b, uncles[i].b, 32);
    if (builder_ok(&b))
        peer_say_raw(p, builder_bytes(&b));
    builder_free(&b);
    return 0;
}

/* ---- fetching
 * --------------------------------------------------------------------------------------------- */

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
    struct layer_request q;
    uint8_t buffer[4 + 1 + FIELDS_SIZE];
    while (!p->gone && p->v2 && layer_fetch_next(t->layers, p->id, t->now, &q)) {
        struct hash_fields f = {q.root, q.base, q.index, q.length, q.proof_layers};
        struct builder b = builder_fixed(buffer, sizeof buffer);
        put_message(&b, WIRE_HASH_REQUEST, &f, 0);
        peer_say_raw(p, builder_bytes(&b));
    }
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
    struct torrent *t, struct peer *p, const struct layer_request *q, struct bytes hashes)
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
    struct hash_fields f = parse_fields(payload);
    struct layer_request q = {f.root, f.base, f.index, f.length, f.proof_layers};
    uint32_t file;
    if (id == WIRE_HASH_REQUEST)
        return can_answer(t, &f, &file) ? answer(t, p, &f, file) : reject(p, &f);
    if (!t->layers)
        return 0;
    if (id == WIRE_HASHES)
        return hear_answer(
            t, p, &q, bytes_of(payload.data + FIELDS_SIZE, payload.size - FIELDS_SIZE));
    layer_fetch_rejected(t->layers, p->id, &q);
    return 0;
}
