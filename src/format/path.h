/* Paths out of torrents: the one function that turns names written by a stranger into a relative
 * path that stays where it is put, and the table that keeps the paths of one torrent apart.
 *
 * Hostile names are made harmless, not refused: ".." is a name like any other once it is "__".
 * What comes out never begins with '/', holds no empty, "." or ".." component, no NUL, '\\',
 * control or bidi character, no component over 255 bytes, and is well-formed UTF-8. It names no
 * folder: the store puts it beneath the target, and checks again there.
 *
 * Two rules, because renaming has a price (a sharer's own file must be found again, a source tree
 * must build): LOCAL is what a POSIX file system needs; PORTABLE is for those that fold case or
 * come from Windows (exFAT, NTFS, SMB). Called by metainfo only; the store takes the results. */
#ifndef KITH_FORMAT_PATH_H
#define KITH_FORMAT_PATH_H

#include "base/bytes.h"

#define PATH_COMPONENT_MAX 255u /* bytes; NAME_MAX everywhere. Longer ones keep their extension */
#define PATH_DEPTH_MAX 100u     /* components of one path, the torrent's own folder not counted */
#define PATH_LENGTH_MAX 4000u   /* bytes of one path, made safe */

enum path_rule {
    /* Repairs UTF-8; replaces by '_': '/', '\\', control characters (C0, DEL, C1), bidi controls,
     * line separators and invisible characters (not the joiners that scripts are spelt with); ""
     * becomes "_", "." "_", ".." "__", "C:" "C_"; over 255 bytes are cut before the extension. */
    PATH_LOCAL,
    /* The same, and: < > : " | ? * replaced; trailing dots and spaces replaced; CON, NUL, COM1 and
     * their like, with or without an extension, get a '_' in front. */
    PATH_PORTABLE
};

/* Appends one component made safe: 1 to PATH_COMPONENT_MAX bytes. Linear. */
void path_sanitise(struct bytes raw, enum path_rule rule, struct builder *out);
/* True if path_sanitise would change nothing: for those who make torrents of existing files. */
bool path_is_safe(struct bytes component, enum path_rule rule);
/* True if every component of this '/'-separated path is safe and none is missing. */
bool path_is_safe_relative(struct bytes path, enum path_rule rule);

/* Appends the form under which PORTABLE paths are compared: canonically decomposed and case-folded,
 * as far as a table goes (no reordering of combining marks). Two names that a case-insensitive or
 * normalising file system takes for one fold to the same bytes. */
void path_fold(struct bytes path, struct builder *out);

/* The paths of one torrent. Folders first, then files: a file whose path is taken, by another file
 * or by a folder, becomes "name (2).ext", "name (3).ext", ... Folders never change their names:
 * where two become one, their files are kept apart. The outcome depends on the order of calls only.
 * Under PATH_LOCAL paths collide when equal, under PATH_PORTABLE when they fold to the same. */
struct path_set;
/* `seed` keys the hash table against aimed collisions: anything the torrent's author cannot choose
 * is good, its info-hash is good enough. NULL: no memory. */
struct path_set *path_set_new(enum path_rule rule, const unsigned char seed[16]);
void path_set_free(struct path_set *);
/* Registers every folder above a file with this safe relative path. ERR_NOMEM. */
int path_set_add_parents(struct path_set *, const char *path);
/* Gives the path that a file may have: `path` itself when it is free. Appends it to `out`, without
 * a NUL. ERR_NOMEM; ERR_LIMIT if the distinct path would be longer than PATH_LENGTH_MAX. */
int path_set_add_file(struct path_set *, const char *path, struct builder *out);

#endif
