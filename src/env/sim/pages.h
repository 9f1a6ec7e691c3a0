/* The content of one simulated file: pages of 4 KiB, sparse, each with what readers see now and,
 * where that was not synced, what lies on the platter. A power loss decides, sector by sector,
 * which of the two survives. Knows nothing of names, space or faults (volume.c, file.c do). */
#ifndef KITH_ENV_SIM_PAGES_H
#define KITH_ENV_SIM_PAGES_H

#include "env/sim/rng.h"
#include <stddef.h>

#define SIM_PAGE ((size_t)4096)
#define SIM_SECTOR ((size_t)512) /* the unit that a disk writes whole or not at all */

struct sim_page {
    uint8_t *now;     /* SIM_PAGE bytes; NULL: a hole */
    uint8_t *durable; /* only while dirty: what a power loss would leave; NULL: zeros */
    bool dirty;
    bool reserved; /* allocated, so that it takes space even as a hole */
};

struct sim_chunk; /* a run of pages; absent where all are holes */

struct sim_pages {
    struct sim_chunk **chunks;
    size_t chunk_count;
    uint64_t size, durable_size; /* of the file */
    uint64_t occupied;           /* pages that take space */
    uint64_t *dirty;             /* page numbers; may repeat, may be clean again */
    size_t dirty_count, dirty_capacity;
};

void sim_pages_free(struct sim_pages *);
/* Does this page take space? */
bool sim_pages_occupied(const struct sim_pages *, uint64_t page);
/* Grows the file where needed. Does not touch space: ask sim_pages_occupied before. */
void sim_pages_write(struct sim_pages *, uint64_t offset, const void *data, size_t size);
/* Holes and what lies past the end read as zeros. */
void sim_pages_read(const struct sim_pages *, uint64_t offset, void *out, size_t size);
void sim_pages_reserve(struct sim_pages *, uint64_t page);
void sim_pages_truncate(struct sim_pages *, uint64_t size);
/* All that is now is durable. */
void sim_pages_sync(struct sim_pages *);
/* Power is lost: `rng` says what survives. All is clean afterwards. */
void sim_pages_crash(struct sim_pages *, struct sim_rng *rng);
/* The next run of data pages at or after `from`; false past the last. */
bool sim_pages_next_data(const struct sim_pages *, uint64_t from, uint64_t *start, uint64_t *end);
uint64_t sim_pages_dirty_count(const struct sim_pages *);
/* Flips a bit now and on the platter, if there is a page. */
void sim_pages_rot(struct sim_pages *, uint64_t offset);

#endif
