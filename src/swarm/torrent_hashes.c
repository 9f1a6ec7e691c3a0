/* BEP 52's hash requests: answering them out of the piece layers that we have. */
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
    if (!m || f->base != metainfo_piece_height(m) || f->length < 2 || f->length > LENGTH_MAX ||
        (f->length & (f->length - 1)) || f->index % f->length)
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

int torrent_hear_hashes(struct torrent *t, struct peer *p, int id, struct bytes payload)
{
    struct hash_fields f = parse_fields(payload);
    uint32_t file;
    if (id != WIRE_HASH_REQUEST)
        return 0;
    return can_answer(t, &f, &file) ? answer(t, p, &f, file) : reject(p, &f);
}
