/* What the files of the metainfo parser share. Private to them: nobody else includes it.
 *
 *     metainfo_parse.c   the order of things: outer dictionary, info dictionary, checks
 *     metainfo_v1.c      the v1 file list and its piece hashes
 *     metainfo_v2.c      the v2 file tree, and its comparison with v1 in a hybrid
 *     metainfo_names.c   paths and links
 *     metainfo_outer.c   trackers, web seeds, nodes, comments
 *     metainfo_layers.c  piece layers
 *     metainfo.c         what the finished thing answers */
#ifndef KITH_FORMAT_METAINFO_PARTS_H
#define KITH_FORMAT_METAINFO_PARTS_H

#include "base/arena.h"
#include "base/err.h"
#include "format/bencode.h"
#include "format/metainfo.h"

struct metainfo_memory {
    struct arena arena;
    uint8_t *info;               /* copy of the info dictionary */
    struct metainfo_file *files; /* capacity of them */
    uint32_t file_capacity;
    uint32_t layers_missing; /* files that need a layer and have none */
    const uint32_t *by_root; /* files that have a root: see metainfo_order_roots */
    uint32_t rooted_count;
};

/* A path that grows and shrinks by components, in its three forms at once. */
struct naming {
    struct builder raw, local, portable;
    unsigned depth;
    struct naming_mark {
        size_t raw, local, portable;
    } marks[PATH_DEPTH_MAX];
};

/* A link whose target waits until all files have their final names. */
struct pending_link {
    uint32_t file;
    struct bencode_value target;
};

struct metainfo_parser {
    struct metainfo *m;
    struct bencode_value info;
    struct format_error *error;
    struct naming naming;
    size_t path_bytes; /* of all files so far, towards METAINFO_PATHS_MAX */
    struct pending_link *links;
    uint32_t link_count, link_capacity;
    /* while a hybrid's tree is compared with its list */
    uint32_t next_v1;   /* file that the next leaf must be, pads aside */
    uint32_t next_link; /* of `links` */
    uint64_t v2_pieces; /* that the leaves so far take up */
};

/* What v1's entry and v2's leaf have in common. */
struct file_facts {
    uint64_t length;
    uint32_t flags;
    struct bencode_value target; /* a link's symlink path */
    bool has_root;
    struct sha256_digest root;
};

/* metainfo_names.c */
void naming_init(struct naming *n);
void naming_free(struct naming *n);
void naming_clear(struct naming *n);
/* ERR_LIMIT: too deep or too long; ERR_NOMEM. The text goes to `error`, for file `index`. */
int naming_push(struct naming *n, struct bytes component, uint32_t index, struct format_error *);
void naming_pop(struct naming *n);
/* Appends a file with the path that p->naming holds; its offset is the caller's to fill. */
int metainfo_add_file(struct metainfo_parser *p, const struct file_facts *facts);
/* Root, distinct paths and link targets, once all files are there. */
int metainfo_name_files(struct metainfo_parser *p);

/* metainfo_v1.c */
/* The keys of one file's dictionary must differ. ERR_SYNTAX, ERR_NOMEM. */
int metainfo_check_keys(struct metainfo_parser *p, struct bencode_value file, uint32_t index);
void metainfo_read_attr(struct bencode_value entry, struct file_facts *facts);
int metainfo_parse_v1(struct metainfo_parser *p);

/* metainfo_v2.c: fills the files of a v2 torrent; gives a hybrid's their roots, or ERR_MISMATCH. */
int metainfo_parse_v2(struct metainfo_parser *p);
int metainfo_match_v2(struct metainfo_parser *p);

/* metainfo_outer.c, metainfo_layers.c */
int metainfo_parse_outer(struct metainfo *m, struct bencode_value torrent);
void metainfo_count_layers(struct metainfo *m);
/* Once all files are known; before it, no file is found by its root. ERR_NOMEM. */
int metainfo_order_roots(struct metainfo *m);
int metainfo_parse_layers(
    struct metainfo *m, struct bencode_value torrent, struct format_error *error);

/* metainfo.c */
struct metainfo *metainfo_new(void);
/* The first file that has a byte behind `offset`; file_count if none. */
uint32_t metainfo_file_behind(const struct metainfo *m, uint64_t offset);

#endif
