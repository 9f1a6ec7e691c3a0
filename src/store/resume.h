/* What is remembered of a torrent's data between two runs, and how far it can be trusted.
 *
 * A record claims pieces that were verified, written and synced before it was saved, with the files
 * as they stood then. It is `live` while the torrent may still write: after a crash a live record's
 * claims hold (nothing that was claimed is ever written again), and only what it does not claim has
 * to be hashed. The record of a clean stop is not live: whatever differs from it was changed by
 * somebody else, and is hashed. Pure; called by node/entry/entry_data.c. */
#ifndef KITH_STORE_RESUME_H
#define KITH_STORE_RESUME_H

#include "store/storage.h"

struct resume {
    bool live;
    struct bitfield have;
    uint32_t file_count;
    struct storage_file_record *files; /* one a file of the torrent */
};

void resume_free(struct resume *);
/* Appends the record. The builder goes bad when it does not fit. */
void resume_write(bool live, const struct bitfield *have, const struct storage_file_record *files,
    uint32_t file_count, struct builder *);
/* ERR_SYNTAX; ERR_MISMATCH: of another torrent; ERR_NOMEM. *out is empty then. */
int resume_read(struct bytes record, const struct metainfo *, struct resume *out);

/* Whose is what a file that stands there holds? */
enum resume_whose {
    RESUME_OURS,     /* as we left it, or half written when we were interrupted */
    RESUME_REPLACED, /* half written then, and another file now; or a disk that numbers them anew */
    RESUME_OTHERS /* nothing is known of it, or it was written to when it was not ours to write */
};
/* `record` may be NULL. */
enum resume_whose resume_whose(const struct resume *record, const struct metainfo *, uint32_t file,
    const struct storage_file_record *now);

/* Somebody else has written to the file: nothing in it is vouched for any more. */
void resume_distrust(struct resume *, uint32_t file);

/* What a record is worth against what opening found. */
struct resume_verdict {
    struct bitfield have;  /* vouched for: need not be hashed */
    struct bitfield check; /* may be there: must be hashed */
    bool absent;           /* nothing of what was claimed is there: the volume is away */
};
void resume_verdict_free(struct resume_verdict *);
/* `record` may be NULL: all that stands there must be hashed. ERR_NOMEM. */
int resume_judge(const struct resume *record, const struct metainfo *,
    const struct storage_opening *, struct resume_verdict *out);

#endif
