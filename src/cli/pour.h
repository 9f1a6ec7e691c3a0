/* `kith get -o -`: one file of a torrent to standard output, in order, while it comes; only what is
 * verified. The data itself is kept in a folder of the cache until the end. */
#ifndef KITH_CLI_POUR_H
#define KITH_CLI_POUR_H

#include <kith.h>
#include <limits.h>
#include <stdbool.h>

struct pour {
    struct kith_torrent *torrent;
    uint32_t file;
    uint64_t at, length; /* bytes that have left; of all */
    int in;              /* -1: not open yet */
    int hold;            /* the folder, locked: nobody tidies it away; -1: none */
    int flags;           /* standard output's, as they were */
    int error;           /* errno of what went wrong last; EPIPE: the reader has had enough */
};

/* Makes a folder for the data and holds it until pour_end; `name` sets it apart. False: there is no
 * place for it. One that was left behind, by a kith that was killed, goes after a day (tidy_cache).
 */
bool pour_folder(struct pour *, const char *name, char out[PATH_MAX]);
/* Once the metadata is there. 0; or an exit code after a message, e.g. when more than one file is
 * wanted. */
int pour_begin(struct pour *, struct kith_torrent *);
/* Writes what can be written without waiting. 1: all of it is out; 0: not yet; -1: it cannot go on,
 * and `error` says why. */
int pour_some(struct pour *);
/* Waits for the node, and for the reader if there is something for it. */
void pour_wait(struct pour *, struct kith_node *, int64_t milliseconds);
void pour_end(struct pour *);

#endif
