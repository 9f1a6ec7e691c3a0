/* What people do with a torrent's files: have them checked again, moved, deleted. See entry_data.h.
 */
#include "node/entry/entry_data.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

/* What is wrong in the torrent's own data, or in what is to be, is fetched over. */
static void repair_files(struct kith_torrent *k)
{
    for (uint32_t f = 0; k->awake->found && f < k->metainfo->file_count; f++)
        k->awake->found[f].repaired |= entry_is_wanted(k, f) || entry_has_made(k, f);
}

int kith_recheck(struct kith_torrent *k)
{
    bool slept = k->asleep;
    if (k->falling_asleep)
        return ERR_AGAIN;
    (void)entry_wake(k);
    bool opening = slept && k->state == KITH_STATE_CHECKING;
    bool refused = k->error == ERR_EXISTS; /* not ours to repair */
    bool rests = (k->error == ERR_CHANGED || refused) && k->storage && storage_idle(k->storage);
    bool started = k->torrent && torrent_storage(k->torrent);
    if (!opening && (!k->torrent || (!started && !rests) || k->reopening))
        return ERR_AGAIN;
    k->quiet = false;
    k->state = KITH_STATE_CHECKING;
    if (!refused)
        repair_files(k);
    if (opening) { /* without its record all of it is hashed */
        entry_drop_record(k);
        return 0;
    }
    if (!started) { /* it was given up over what stood there */
        entry_drop_record(k);
        entry_open_data(k);
        return 0;
    }
    k->forget_record = true;
    entry_reopen(k);
    return 0;
}

static void moved(void *user, int err, const uint32_t *touched, size_t count)
{
    struct kith_torrent *k = user;
    k->moving = false;
    if (!err) {
        text_pool_give(k->node->folders, k->folder);
        k->folder = text_pool_take(k->node->folders, storage_folder(k->storage));
        memory_save_entry(k);
        entry_save_record(k, true, NULL);
    }
    node_event(k->node, KITH_EVENT_MOVED, k, err, err ? storage_error(k->storage) : k->folder);
    entry_files_touched(k, touched, count);
    entry_stop_when_idle(k);
}

int kith_move(struct kith_torrent *k, const char *folder)
{
    (void)entry_wake(k);
    if (!k->storage || k->moving || k->reopening || k->falling_asleep)
        return ERR_AGAIN;
    int err = storage_move(k->storage, folder, moved, k);
    k->moving = err == 0;
    return err;
}

/* Only what kith wrote or verified is deleted: a file that was there before us, or that others have
 * written to, goes only if all of it is right. */
static void mark_deletable(const struct kith_torrent *k, uint8_t *which)
{
    const struct metainfo *m = k->metainfo;
    const struct bitfield *have = torrent_have(k->torrent);
    for (uint32_t f = 0; f < m->file_count; f++) {
        bool all =
            m->files[f].piece_count > 0 || k->awake->found[f].state == STORAGE_FILE_SAME_SIZE;
        for (uint32_t i = 0; i < m->files[f].piece_count; i++)
            all &= bitfield_get(have, m->files[f].first_piece + i);
        which[f] = !(m->files[f].flags & METAINFO_PAD) && (all || entry_has_made(k, f));
    }
}

static void deleted(void *user, int err)
{
    struct kith_torrent *k = user;
    if (err)
        node_event(k->node, KITH_EVENT_TROUBLE, k, err, storage_error(k->storage));
    k->delete_data = false;
    entry_stopped(k);
}

/* False: there is nothing to delete. */
bool entry_delete_data(struct kith_torrent *k)
{
    uint8_t *which = k->storage && k->torrent && torrent_storage(k->torrent)
                         ? calloc(k->metainfo->file_count ? k->metainfo->file_count : 1, 1)
                         : NULL;
    if (!which)
        return false;
    mark_deletable(k, which);
    int err = storage_delete(k->storage, which, deleted, k);
    free(which);
    return err == 0;
}
