/* Between the files that are the life of a torrent's data. What others call is in node_internal.h.
 *
 *   entry_open_data -> opened -> checked -> prepared -> started -> [checkpoint ...] -> stopped
 *        ^                                                 |
 *        +------------------ entry_reopen -----------------+   trouble, recheck, rename
 *
 *   entry_data.c      opened, checked, prepared, let go
 *   entry_record.c    synced, and what may be claimed remembered
 *   entry_trouble.c   what a disk refuses, and going on when it passes
 *   entry_conflict.c  somebody else's files
 *   entry_files.c     checked again, moved, deleted, as people ask
 *   entry_look.c      changed by others while it is seeded */
#ifndef KITH_NODE_ENTRY_DATA_H
#define KITH_NODE_ENTRY_DATA_H

#include "node/node_internal.h"

/* ---- entry_data.c -------------------------------------------------------------------------- */
/* A job with its data has ended: if nothing else is under way, what waited for that happens. */
void entry_reopen_when_idle(struct kith_torrent *);
void entry_prepare(struct kith_torrent *);
void entry_stop_when_idle(struct kith_torrent *);

/* ---- entry_record.c ------------------------------------------------------------------------ */
/* Syncs what was written and remembers what may be claimed; `live`: more will be written. 0: done()
 * (NULL: nobody waits) comes later, also on errors. ERR_NOMEM, or storage_sync's. */
int entry_save_record(
    struct kith_torrent *, bool live, void (*done)(struct kith_torrent *, int err));
/* Something is to be remembered that need not wait for the next checkpoint. */
void entry_checkpoint_soon(struct kith_torrent *);
/* After a sync that failed; false: it cannot be tried now. */
bool entry_sync_again(struct kith_torrent *);
/* Everything will be hashed. */
void entry_drop_record(struct kith_torrent *);

/* ---- entry_trouble.c ----------------------------------------------------------------------- */
void entry_retry_later(struct kith_torrent *);
void entry_recovered(struct kith_torrent *);

/* ---- entry_conflict.c ---------------------------------------------------------------------- */
/* Nothing that stands there is somebody else's, or its user gave it over: entry_prepare follows.
 * Else it is refused, or the same data is opened by the next name that may be free. */
void entry_judge_files(struct kith_torrent *);
bool entry_is_wanted(const struct kith_torrent *, uint32_t file);
/* Did nothing stand in the file's place, or what we had written? */
bool entry_is_ours(const struct kith_torrent *, uint32_t file);
/* Has kith made it, or been given it over? Not by the few bytes that a wanted neighbour's piece
 * has of it. */
bool entry_has_made(const struct kith_torrent *, uint32_t file);
/* A file became wanted that was passed over when the others were judged: is it to be judged now? */
bool entry_is_unjudged(const struct kith_torrent *, uint32_t file);

/* ---- entry_look.c -------------------------------------------------------------------------- */
/* Somebody else has written to them: told, and hashed again. Once it runs; what is being opened is
 * judged by the next record. */
void entry_files_touched(struct kith_torrent *, const uint32_t *files, size_t count);
/* What has been noticed of that so far: no record vouches for it. Before data is opened anew. */
void entry_distrust_touched(struct kith_torrent *);
/* After the check that a look has brought about. True: pieces are wrong, and it is told as trouble:
 * what somebody may have written on purpose is not fetched over. */
bool entry_was_changed(struct kith_torrent *);

#endif
