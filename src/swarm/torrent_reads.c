/* Reading blocks for peers: one store job a block, sent out of the read's chunks. */
#include "swarm/torrent_internal.h"

#include "base/err.h"
#include "proto/peer_wire.h"
#include <stdlib.h>

/* What ties a read to its asker, who may leave before it ends. */
struct pending_read {
    struct torrent *torrent;
    struct peer *peer;
    uint32_t piece, begin, length;
};

static struct send_block block_of(struct storage_read *read)
{
    struct send_block b = {.hold = read};
    struct builder head = builder_fixed(b.head, sizeof b.head);
    builder_u32(&head, 9 + read->length);
    builder_u8(&head, WIRE_PIECE);
    builder_u32(&head, read->piece);
    builder_u32(&head, read->begin);
    uint32_t left = read->length;
    for (unsigned i = 0; i < read->chunk_count; i++) {
        uint32_t n = left < CHUNK_SIZE ? left : CHUNK_SIZE;
        b.parts[b.part_count++] = (struct send_chunk){.data = read->chunks[i]->data, .size = n};
        left -= n;
    }
    return b;
}

/* A piece that we vouched for cannot be read: it is not ours to offer any more. But a file that is
 * not there at all may be on a volume that is away for a while: nothing is given up for that. */
static void lose_piece(struct torrent *t, uint32_t piece, int err)
{
    if (err == ERR_NOT_FOUND || err == ERR_ABSENT) {
        torrent_fail(t, err, storage_error(t->storage));
        return;
    }
    if (!bitfield_clear(&t->have, piece))
        return;
    picker_set_missing(t->picker, piece);
    t->completed = false;
    for (uint32_t i = 0; i < t->peer_count; i++)
        peer_say_dont_have(t->peers[i], piece);
    torrent_fail(t, err, storage_error(t->storage));
}

static void read_done(void *user, struct storage_read *read, int err)
{
    struct pending_read *r = user;
    struct torrent *t = r->torrent;
    struct peer *p = r->peer;
    t->jobs--;
    t->now = t->host.ops->now(t->host.user);
    p->reads--;
    p->reading_bytes -= r->length;
    if (err) {
        peer_say_reject(p, r->piece, r->begin, r->length);
        lose_piece(t, r->piece, err);
    }
    struct send_block block = block_of(read);
    if (err || p->gone)
        storage_read_release(t->storage, read);
    else if (send_queue_block(&p->out, &block) != 0)
        peer_hang_up(p, ERR_NOMEM, "no memory");
    else
        peer_pump(p);
    free(r);
    if (p->gone)
        torrent_tick_at(t, t->now);
    else
        peer_serve(p);
    torrent_maybe_stopped(t);
}

bool torrent_read_for(
    struct torrent *t, struct peer *p, uint32_t piece, uint32_t begin, uint32_t length)
{
    /* The last chunks are for blocks that arrive: a node that both seeds and leeches must not
     * deadlock on its own memory. */
    size_t reserve = chunk_pool_size(storage_pool(t->storage)) / 8;
    if (chunk_pool_available(storage_pool(t->storage)) <= reserve)
        return false;
    struct pending_read *r = malloc(sizeof *r);
    if (!r)
        return false;
    *r = (struct pending_read){t, p, piece, begin, length};
    if (storage_read(t->storage, piece, begin, length, read_done, r) != 0) {
        free(r);
        return false;
    }
    t->jobs++;
    p->reads++;
    p->reading_bytes += length;
    return true;
}

void torrent_release_read(struct torrent *t, void *hold)
{
    storage_read_release(t->storage, hold);
}
