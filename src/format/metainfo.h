/* What a torrent describes: the info dictionary of v1 (BEP 3), v2 (BEP 52) or both, and what a
 * .torrent file carries around it.
 *
 * Everything here comes from a stranger and has been checked when metainfo_parse_* returns 0: sums
 * do not overflow, paths stay beneath their folder and differ from one another, both halves of a
 * hybrid describe the same files, piece layers match their roots. What is outside the info
 * dictionary is not covered by any hash: its malformed parts are left out, never a reason to
 * refuse.
 *
 * A metainfo is immutable but for metainfo_set_piece_layer and the reference count, both of which
 * belong to the loop's thread; other threads may read what does not change: everything but layers.
 * No file access: bytes in, facts out. Used by store, swarm, node and cli. */
#ifndef KITH_FORMAT_METAINFO_H
#define KITH_FORMAT_METAINFO_H

#include "base/bytes.h"
#include "base/ids.h"
#include "format/detail.h"
#include "format/path.h"

#define METAINFO_INFO_MAX ((size_t)32 << 20) /* bytes of an info dictionary */
/* Bytes of a .torrent: piece layers are outside the info dictionary. */
#define METAINFO_TORRENT_MAX ((size_t)192 << 20)
#define METAINFO_FILES_MAX 1000000u    /* files, pads and links */
#define METAINFO_PIECES_MAX (8u << 20) /* a bitfield of 1 MiB: what peers take (wire.md 1) */
#define METAINFO_PIECE_LENGTH_MAX (512u << 20)
#define METAINFO_PATHS_MAX ((size_t)128 << 20)  /* bytes of all paths: a tree shares its folders */
#define METAINFO_MEMORY_MAX ((size_t)1 << 30)   /* of one metainfo, layers included */
#define METAINFO_LENGTH_MAX ((uint64_t)1 << 62) /* bytes of the whole stream */
#define METAINFO_TRACKERS_MAX 1000u             /* the rest is left out, here and below */
#define METAINFO_WEB_SEEDS_MAX 1000u
#define METAINFO_NODES_MAX 1000u
#define METAINFO_URL_MAX 8192u
#define METAINFO_BLOCK_SIZE 16384u

/* Flags of a file (BEP 47 `attr`). */
enum metainfo_file_flag {
    METAINFO_PAD = 1,        /* p: zeros that exist on the wire (v1) and nowhere else */
    METAINFO_EXECUTABLE = 2, /* x */
    METAINFO_HIDDEN = 4,     /* h */
    METAINFO_SYMLINK = 8     /* l: length 0, `target` says where it leads */
};

struct metainfo_file {
    /* Safe and unique, '/' between components; relative to the torrent's own folder in a multi-file
     * torrent, the torrent's `root` itself in a single-file one. A pad's may repeat. */
    const char *path;
    /* The same under PATH_PORTABLE: for file systems that fold case or refuse Windows' names.
     * Often the same pointer. */
    const char *portable_path;
    /* The components as the torrent has them, joined by '/': for web seeds (BEP 19) and people.
     * May hold anything: escape before showing. */
    struct bytes raw_path;
    /* A link's: the path of the file or folder of this torrent that it leads to, under either rule,
     * relative to the torrent's folder. NULL: not a link, or a link that leads outside, to itself
     * or to nothing, of which nothing is made on disk. */
    const char *target;
    const char *portable_target;
    uint64_t length;
    uint64_t offset;      /* of its first byte in piece space: piece * piece_length + within */
    uint32_t first_piece; /* the piece at `offset`; for an empty file at the end: piece_count */
    uint32_t piece_count; /* pieces that hold a byte of it */
    uint32_t flags;       /* enum metainfo_file_flag */
    bool has_root;        /* v2 and not empty */
    struct sha256_digest root;         /* pieces root */
    const struct sha256_digest *layer; /* piece_count hashes; NULL: unknown, or not needed because
                                          the file is no longer than a piece */
};

struct metainfo_tracker {
    const char *url;
    uint32_t tier; /* 0 first; ascending in the array (BEP 12) */
};

struct metainfo_node {
    const char *host; /* a name or a numeric address without brackets */
    uint16_t port;
};

struct metainfo {
    bool has_v1, has_v2;     /* one at least; both: a hybrid */
    struct sha1_digest v1;   /* info-hash of v1, if has_v1 */
    struct sha256_digest v2; /* info-hash of v2, if has_v2; the wire uses its first 20 bytes */
    struct bytes info;       /* the info dictionary as it stands */

    struct bytes name; /* as the torrent has it: escape before showing */
    const char *root;  /* the same, safe under PATH_LOCAL: top folder, or the single file */
    const char *portable_root;
    bool multi_file;     /* files lie in a folder called root */
    bool is_private;     /* BEP 27 */
    struct bytes source; /* empty if none; escape */

    uint32_t piece_length;
    uint32_t piece_count;
    uint64_t stream_length;      /* where piece space ends */
    uint64_t content_length;     /* bytes of all files but pads */
    struct metainfo_file *files; /* in order of offset; pads and links among them */
    uint32_t file_count;
    uint32_t pad_count;       /* files that are pads */
    const uint8_t *v1_pieces; /* piece_count * 20 bytes; NULL without v1 */

    /* Of the .torrent file; empty in a bare info dictionary. */
    const struct metainfo_tracker *trackers;
    size_t tracker_count, trackers_unread;   /* the second: those past the bound */
    const char *const *web_seeds;            /* url-list, BEP 19 */
    size_t web_seed_count, web_seeds_unread; /* the second: past the bound, of both kinds */
    const char *const *http_seeds;           /* httpseeds, BEP 17 */
    size_t http_seed_count;
    const struct metainfo_node *nodes; /* BEP 5 */
    size_t node_count, nodes_unread;   /* the second: past the bound, or no nodes */
    struct bytes comment, created_by;  /* UTF-8 not assured: escape */
    int64_t created_unix;              /* 0: not given */

    unsigned references;
    struct metainfo_memory *memory; /* what all of the above points into */
};

/* Parses a .torrent file. The bytes are copied as far as needed. *out has one reference.
 * ERR_SYNTAX; ERR_TRUNCATED; ERR_LIMIT; ERR_UNSUPPORTED (a later meta version); ERR_MISMATCH (the
 * halves of a hybrid disagree); ERR_HASH (a piece layer does not match its root); ERR_UNSAFE_PATH
 * is never returned: paths are made safe; ERR_NOMEM. `error` says what and where. */
int metainfo_parse_torrent(struct bytes torrent, struct metainfo **out, struct format_error *error);
/* Parses a bare info dictionary, as ut_metadata brings it. The caller has checked its hash (see
 * metainfo_info_matches). Errors as above, and ERR_SYNTAX for bytes behind it. */
int metainfo_parse_info(struct bytes info, struct metainfo **out, struct format_error *error);
struct metainfo *metainfo_ref(struct metainfo *m);
void metainfo_unref(struct metainfo *m); /* NULL is fine */

/* Do these bytes have the hashes that a magnet link named? NULL: not named. 0, or ERR_HASH if a
 * hash is wrong (with both named and one right: ERR_MISMATCH, the link itself is inconsistent). */
int metainfo_info_matches(
    struct bytes info, const struct sha1_digest *v1, const struct sha256_digest *v2);

/* The swarm's name: v1 if there is one, else the truncated v2 hash. */
struct info_hash metainfo_id(const struct metainfo *m);

/* ---- pieces ----------------------------------------------------------------------------------
 * Piece space is what piece indexes and offsets on the wire count in. In v1 it is the files end to
 * end, pads included; in v2 every file begins at a piece of its own, and what lies between a file's
 * end and the next piece is nothing: neither on disk nor on the wire. A hybrid is v1 with pads at
 * exactly those places, and its pieces have v1's sizes on the wire. */

struct metainfo_piece {
    uint32_t size;        /* bytes on the wire; only the last is short in v1 and hybrids */
    uint32_t block_count; /* of 16 KiB, the last may be short */
    uint32_t
        first_file;    /* the first file with a byte in it (may be a pad's neighbour: see slices) */
    const uint8_t *v1; /* SHA-1 of all `size` bytes; NULL without v1 */
    /* v2 (and hybrids): the piece belongs to one file, and the hash covers that file's bytes only:
     * v2_size <= size. Hash its 16 KiB blocks (the last at its real length), pad the leaves with
     * zero hashes to 2^v2_height, and the root must be v2_root. */
    bool has_v2;   /* the torrent has v2, and this piece is not all padding */
    bool v2_known; /* v2_root is known: false until the file's piece layer has come */
    uint32_t v2_file;
    uint32_t v2_size;
    uint32_t v2_block_count;
    unsigned v2_height;
    struct sha256_digest v2_root;
};
/* index < piece_count. */
void metainfo_piece(const struct metainfo *m, uint32_t index, struct metainfo_piece *out);
/* Only the size on the wire: constant time in v1 and hybrids, log n in v2. */
uint32_t metainfo_piece_size(const struct metainfo *m, uint32_t index);

/* How far into a piece a peer's request may reach. More than its size only in v2 alone: there
 * libtorrent 2.0 asks for the gap behind a file as if it were padding (and answers requests that
 * end with the file as well as those that do not), so serve zeros there; metainfo_slices gives them
 * as a pad. Ask others for metainfo_piece_size only. */
uint32_t metainfo_request_size(const struct metainfo *m, uint32_t index);

/* The part of a range of piece space that lies in one file. */
struct metainfo_slice {
    uint32_t file;        /* of a gap behind a file (v2 alone): that file */
    bool pad;             /* a pad or a gap: read as zeros, write nowhere */
    uint64_t file_offset; /* meaningless for a gap */
    uint64_t length;
    /* private to metainfo_slice_next */
    uint64_t at, end;
    uint32_t next_file;
};
/* Walks the files under [offset, offset + length) of a piece, which is cut at
 * metainfo_request_size. Slices cover the range without holes. Empty files and links have none.
 *     struct metainfo_slice s = metainfo_slices(m, piece, 0, size);
 *     while (metainfo_slice_next(m, &s))
 *         use(s.file, s.file_offset, s.length); */
struct metainfo_slice metainfo_slices(
    const struct metainfo *m, uint32_t piece, uint32_t offset, uint32_t length);
bool metainfo_slice_next(const struct metainfo *m, struct metainfo_slice *s);

/* ---- piece layers (v2) --------------------------------------------------------------------- */

/* Does this file need a piece layer (longer than a piece)? Has it one? */
bool metainfo_needs_layer(const struct metainfo *m, uint32_t file);
/* Are there layers for all that need one? True for v1. Constant time. */
bool metainfo_has_layers(const struct metainfo *m);
/* A file's piece layer, from the network or from disk: exactly piece_count hashes of 32 bytes,
 * copied. Also serves other files with the same root. ERR_INVALID: not needed; ERR_SYNTAX: wrong
 * length; ERR_HASH: not this root's; ERR_NOMEM. Having it already is 0. */
int metainfo_set_piece_layer(struct metainfo *m, uint32_t file, struct bytes hashes);
/* The first file with this root (of several lengths, which is a lie of the torrent's: of the
 * longest); file_count if none. log n. */
uint32_t metainfo_file_of_root(const struct metainfo *m, const struct sha256_digest *root);
/* The first file with the root and length of this one, which has a root: the same layer serves
 * both. log n. */
uint32_t metainfo_first_twin(const struct metainfo *m, uint32_t file);
/* Leaves of 16 KiB in a file, and the height of its tree over them. */
uint64_t metainfo_file_blocks(const struct metainfo_file *f);
unsigned metainfo_file_height(const struct metainfo_file *f);
/* Layers between a leaf and a piece's hash: log2(piece_length / 16 KiB). v2 only. */
unsigned metainfo_piece_height(const struct metainfo *m);

/* Appends where a file lies relative to the save folder: "root/path", or "root". */
void metainfo_put_path(
    const struct metainfo *m, uint32_t file, enum path_rule, struct builder *out);

#endif
