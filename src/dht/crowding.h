/* Is the neighbourhood of a key crowded by somebody's hand (Sybil)? Honest ids lie evenly; how
 * densely, a node sees around its own id. Several nodes that stand nearer to the key than one key
 * in hundreds has a single one were put there. */
#ifndef KITH_DHT_CROWDING_H
#define KITH_DHT_CROWDING_H

#include "dht/lookup.h"
#include "dht/table.h"

#define CROWDING_LEAST 5u
/* Nodes stand improbably near where only so small a part of one would by chance: the view of our
 * own neighbourhood may be wrong by a factor of ten, and five are still no chance. */
#define CROWDING_PART 256u

/* How many answerers of the search stand improbably near to its target; 0 if they are fewer than
 * CROWDING_LEAST, or we know too few to judge. */
unsigned crowding_count(const struct table *, const struct lookup *, usec now);

#endif
