/* An accepted piece always is the piece: byte for byte on the disk of whoever vouches for it,
 * whenever a node says that it is ready or complete. */
#include "check.h"

#include "node/node_internal.h"
#include "swarm/torrent/torrent_internal.h"

static bool on_disk(struct swarm_node *n, uint32_t piece, const struct builder *disk)
{
    const struct metainfo *m = n->swarm->metainfo;
    const uint8_t *priorities = n->torrent->priorities;
    struct metainfo_slice slice = metainfo_slices(m, piece, 0, metainfo_piece_size(m, piece));
    while (metainfo_slice_next(m, &slice)) {
        if (slice.pad || (priorities && priorities[slice.file] == 0)) /* that is in the sidecar */
            continue;
        unsigned f = (unsigned)(m->files[slice.file].path[0] - 'a');
        if (disk[f].size < slice.file_offset + slice.length ||
            memcmp(disk[f].data + slice.file_offset, n->swarm->content[f].data + slice.file_offset,
                slice.length) != 0)
            return false;
    }
    return true;
}

static void look(struct swarm_node *n, const char *when)
{
    struct swarm *s = n->swarm;
    const struct bitfield *have = torrent_have(n->torrent->torrent);
    struct builder disk[4];
    char path[128];
    for (unsigned i = 0; i < 4; i++) {
        disk[i] = builder_heap((size_t)512 << 20);
        swarm_file_path(path, sizeof path, n->folder, i);
        if (s->config.file_sizes[i])
            sim_disk_get(n->host, path, &disk[i]);
    }
    for (uint32_t p = bitfield_next_set(have, 0); p < have->size;
         p = bitfield_next_set(have, p + 1))
        if (!on_disk(n, p, disk))
            swarm_fail(
                s, "%s vouches for piece %u, which is not on its disk (%s)", n->name, p, when);
    for (unsigned i = 0; i < 4; i++)
        builder_free(&disk[i]);
}

static void event(struct swarm_node *n, const struct kith_event *e)
{
    if (!n->honest)
        return; /* its disk rotted after it had looked */
    if (kith_event_type(e) == KITH_EVENT_READY)
        look(n, "ready");
    if (kith_event_type(e) == KITH_EVENT_COMPLETE)
        look(n, "complete");
}

const struct check check_pieces = {"an accepted piece is on the disk as it should be", event, NULL};
