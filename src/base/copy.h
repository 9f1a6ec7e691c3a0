/* memcpy for bytes that nobody reads soon: they go to memory past the cache. An ordinary store
 * fetches the line that it is about to overwrite; where the destination is not in the cache, that
 * is more than half of the cost (measured out of datagrams into 32 MiB of piece buffers: 0.21
 * s/GiB, and 0.08 this way; the SHA-1 that reads them later costs the same). Where the processor
 * has no such stores it is memcpy. */
#ifndef KITH_BASE_COPY_H
#define KITH_BASE_COPY_H

#include <stddef.h>

/* They may not overlap. This thread sees the bytes at once, others once copy_settle was called,
 * which costs as much as a short copy: after many of them. */
void copy_past_cache(void *restrict to, const void *restrict from, size_t size);
void copy_settle(void);

#endif
