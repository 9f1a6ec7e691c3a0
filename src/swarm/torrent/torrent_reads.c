/* Reading blocks for peers: one read serves a run of a peer's requests (store/storage_read.c). */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"

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

void torrent_block_unreadable(struct torrent *t, uint32_t piece, int err)
{
    storage_read_failed(t->storage, piece, err);
    lose_piece(t, piece, err);
}

static void read_done(void *user, struct storage_read *read, int err)
{
    struct peer *p = user; /* it may have gone, but waits for its reads to end */
    struct torrent *t = p->torrent;
    t->now = t->host.ops->now(t->host.user);
    p->reading_bytes -= read->length;
    if (!p->gone)
        peer_read_ended(p, read, err);
    /* An absent volume ends the storage: what the others say then is no news. */
    for (unsigned i = 0; i < read->block_count && t->storage; i++)
        if (read->blocks[i].err)
            lose_piece(t, read->blocks[i].piece, read->blocks[i].err);
    storage_read_release(read);
    /* Only now: a torrent without jobs may stop and bury its peers. */
    t->jobs--;
    p->reads--;
    if (p->gone)
        torrent_tick_at(t, t->now);
    else
        peer_serve(p);
    torrent_maybe_stopped(t);
}

void torrent_read_for(struct torrent *t, struct peer *p, struct storage_read *read)
{
    if (storage_read_start(read, read_done, p)) {
        peer_read_ended(p, read, 0);
        storage_read_release(read);
        return;
    }
    t->jobs++;
    p->reads++;
    p->reading_bytes += read->length;
}
