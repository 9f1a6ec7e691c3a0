/* Makes .torrent files: from a draft (files described and hashed by store/create) or from a
 * metainfo (fetched by magnet link, to be saved). Pure: no file access, no clock; the same draft
 * gives the same bytes.
 *
 * Keys are written in canonical order. The result of torrent_write parses with metainfo_parse_*. */
#ifndef KITH_FORMAT_METAINFO_WRITE_H
#define KITH_FORMAT_METAINFO_WRITE_H

#include "base/bytes.h"
#include "format/metainfo.h"

#define CREATE_PIECE_LENGTH_MIN 16384u
#define CREATE_PIECE_LENGTH_MAX (16u << 20)
#define CREATE_PIECES_AIM 2000u /* pieces that the rule stays below while it can */

/* The piece length for so many bytes in so many files: the smallest power of two from 16 KiB to
 * 16 MiB that gives fewer than CREATE_PIECES_AIM pieces. Many small files stop it earlier, at four
 * times as many pieces: in v2 and hybrids each file ends a piece of its own, so pieces longer than
 * the average file would save little and pad a lot. */
uint32_t metainfo_choose_piece_length(uint64_t total_size, uint64_t file_count);

/* One file of a draft. Pads are not listed: the writer puts them where they belong. */
struct torrent_draft_file {
    const char *path;   /* relative to the torrent's folder, '/' between components; ignored if
                           single_file. Every component passes path_is_safe's LOCAL rule or is any
                           name that a file may have: it is written as it stands */
    uint64_t length;    /* 0 for links */
    uint32_t flags;     /* METAINFO_EXECUTABLE, _HIDDEN, _SYMLINK */
    const char *target; /* a link's: relative to the torrent's folder, '/' between components */
    struct sha256_digest root;         /* v2, length > 0: root over the 16 KiB leaves */
    const struct sha256_digest *layer; /* v2, length > piece_length: ceil(length / piece_length) */
};

struct torrent_draft {
    const char *name;      /* top folder, or the single file */
    bool single_file;      /* files[0] is all */
    bool v1, v2;           /* one at least; both: hybrid */
    uint32_t piece_length; /* a power of two >= 16 KiB (v1 alone: any from 1 KiB) */
    /* Sorted by torrent_path_compare, unique, no file's path being another's folder: the order of
     * BEP 52's file tree, used for v1 too. */
    const struct torrent_draft_file *files;
    size_t file_count;
    const struct sha1_digest *v1_pieces; /* torrent_draft_v1_piece_count of them, over the stream
                                            that torrent_draft_pad_after describes */
    bool is_private;
    const char *source;     /* strings: NULL or "" leaves the key out */
    const char *cross_seed; /* "x_cross_seed", as mktorrent has it: another info-hash */

    /* outside the info dictionary */
    const struct metainfo_tracker *trackers; /* tiers ascending; announce is the first */
    size_t tracker_count;
    const char *const *web_seeds;
    size_t web_seed_count;
    const char *const *http_seeds;
    size_t http_seed_count;
    const struct metainfo_node *nodes;
    size_t node_count;
    const char *comment;
    const char *created_by;
    int64_t created_unix; /* 0: leave out */
};

/* Order of paths: component by component, bytes within ('a/b' before 'a.b'). */
int torrent_path_compare(const char *a, const char *b);

/* Zero bytes that follow a file in the v1 stream of a hybrid (BEP 47), up to the end of its last
 * piece; 0 in v1 alone, and in a torrent of one file. */
uint64_t torrent_draft_pad_after(const struct torrent_draft *d, size_t file);
/* Bytes of the v1 stream, pads included, and its pieces. Linear. */
uint64_t torrent_draft_stream_length(const struct torrent_draft *d);
uint64_t torrent_draft_v1_piece_count(const struct torrent_draft *d);

/* Writes the .torrent. ERR_INVALID: the draft breaks a rule above (error says which); ERR_LIMIT:
 * too many files or pieces, or the builder is full. */
int torrent_write(const struct torrent_draft *d, struct builder *out, struct format_error *error);

/* Writes a metainfo as a .torrent: the info dictionary as it stands, piece layers as far as they
 * are known, and all the outer fields it has. ERR_LIMIT if the builder is full. */
int metainfo_write(const struct metainfo *m, struct builder *out);
/* The same, with trackers and web seeds of the caller's (a magnet's, for instance) instead of the
 * metainfo's. */
struct torrent_outer {
    const struct metainfo_tracker *trackers;
    size_t tracker_count;
    const char *const *web_seeds;
    size_t web_seed_count;
};
int metainfo_write_with(
    const struct metainfo *m, const struct torrent_outer *outer, struct builder *out);

#endif
