/* A set of IP address ranges: built once, then looked up in by any thread.
 *
 * Hundreds of thousands of ranges are ordinary (block lists). They are held sorted and merged, 8
 * bytes each for IPv4 and 32 for IPv6, and found by binary search behind a small table. */
#ifndef KITH_BASE_IP_RANGES_H
#define KITH_BASE_IP_RANGES_H

#include "base/addr.h"

#define IP_RANGES_MAX                                                                              \
    4000000u /* ranges of each family that are taken, before merging: 32 MB of v4 */

struct ip_ranges;

/* Empty, open to additions, held once. NULL: no memory. */
struct ip_ranges *ip_ranges_new(void);
/* From first to last, both included; ports do not count. ERR_INVALID (two families, or the wrong
 * way round), ERR_LIMIT, ERR_NOMEM. Not after ip_ranges_seal. */
int ip_ranges_add(struct ip_ranges *, const struct endpoint *first, const struct endpoint *last);
/* Sorts and merges; from here on the set does not change and may be shared. */
void ip_ranges_seal(struct ip_ranges *);
/* A second holder, and the end of one; any thread. NULL is fine. */
struct ip_ranges *ip_ranges_hold(struct ip_ranges *);
void ip_ranges_drop(struct ip_ranges *);
/* Is the address in a range? Sealed sets only; NULL is the empty set. */
bool ip_ranges_contain(const struct ip_ranges *, const struct endpoint *);
/* Ranges after merging, and the bytes that they take. */
size_t ip_ranges_count(const struct ip_ranges *);
size_t ip_ranges_bytes(const struct ip_ranges *);

#endif
