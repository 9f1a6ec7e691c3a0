/* What draft.c and metainfo_write.c share. Private to them. */
#ifndef KITH_FORMAT_DRAFT_PARTS_H
#define KITH_FORMAT_DRAFT_PARTS_H

#include "format/metainfo_write.h"

/* An entry of `piece layers`. */
struct draft_layer {
    const struct sha256_digest *root, *hashes;
    size_t count;
};

static inline uint64_t draft_pieces(uint64_t length, uint32_t piece_length)
{
    return length / piece_length + (length % piece_length != 0);
}

/* Is the draft what metainfo_write.h asks for? ERR_INVALID or ERR_LIMIT, and what is wrong. */
int draft_check(const struct torrent_draft *d, struct format_error *error);
/* Writes the info dictionary of a checked draft. */
void draft_put_info(const struct torrent_draft *d, struct builder *out);

#endif
