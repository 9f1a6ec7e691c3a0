/* Reads the block lists that people have, into a set of address ranges. Bytes are fed as they come
 * from the file; gzip is recognised by its first two bytes.
 *
 * One range a line, the kind of each line decided by itself:
 *   eMule .dat      001.002.003.000 - 001.002.003.255 , 000 , words   (levels over 127 allow)
 *   P2P plaintext   words:1.2.3.0-1.2.3.255
 *   CIDR, ranges    1.2.3.0/24   2001:db8::/32   1.2.3.4   1.2.3.4 - 1.2.3.9   ...  # words
 * Lines that begin with #, ; or // are comments. What does not parse is skipped and counted: one
 * damaged line must not unblock all the others. */
#ifndef KITH_FORMAT_IP_LIST_H
#define KITH_FORMAT_IP_LIST_H

#include "base/bytes.h"
#include "base/ip_ranges.h"

#define IP_LIST_LINE_MAX 1024u                  /* longer lines are skipped */
#define IP_LIST_TEXT_MAX (128ull * 1024 * 1024) /* after decompression: more is ERR_LIMIT */

struct ip_list;

struct ip_list_counts {
    uint64_t ranges;  /* taken, before merging */
    uint64_t allowed; /* .dat lines whose level says so */
    uint64_t skipped; /* lines that are none of the kinds */
};

struct ip_list *ip_list_new(void); /* NULL: no memory */
void ip_list_free(struct ip_list *);
/* The next bytes of the file. ERR_LIMIT, ERR_NOMEM, ERR_SYNTAX (a damaged gzip): then it is over.
 */
int ip_list_feed(struct ip_list *, struct bytes);
/* The end of the file. Gives away the sealed set (drop it). ERR_SYNTAX if there was not one range
 * among lines that are something else: not a list; ERR_TRUNCATED if the gzip stops in the middle.
 * An empty list is a list. */
int ip_list_finish(struct ip_list *, struct ip_ranges **out, struct ip_list_counts *counts);

#endif
