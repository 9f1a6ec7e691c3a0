/* The addresses that a node speaks to under no circumstances: read from a file by a worker, looked
 * up in by everything that meets an address. */
#ifndef KITH_NODE_BLOCK_LIST_H
#define KITH_NODE_BLOCK_LIST_H

#include "base/ip_ranges.h"

struct kith_node;

/* Reads the file before anything is opened: nobody slips through while it loads. NULL: no list.
 * Errors of ip_list_finish and env_file_open. */
int block_list_start(struct kith_node *, const char *path);
void block_list_stop(struct kith_node *);
/* Is a reading under way? */
bool block_list_idle(const struct kith_node *);

/* Is it on the list? Counts, if so. */
bool block_list_has(struct kith_node *, const struct endpoint *);
/* The list as it is now, for another thread: hold it (ip_ranges_hold). NULL: none. */
struct ip_ranges *block_list_ranges(const struct kith_node *);

#endif
