/* See copy.h. SSE2 is part of x86-64, so there is nothing to choose at run time; wider stores are
 * no faster by more than a tenth. */
#include "base/copy.h"

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

#define LINE 64u

/* A line must be filled by stores that follow one another, or it goes to memory in parts. */
static void put_line(uint8_t *to, const uint8_t *from)
{
    __m128i a = _mm_loadu_si128((const __m128i *)from);
    __m128i b = _mm_loadu_si128((const __m128i *)(from + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(from + 32));
    __m128i d = _mm_loadu_si128((const __m128i *)(from + 48));
    _mm_stream_si128((__m128i *)to, a);
    _mm_stream_si128((__m128i *)(to + 16), b);
    _mm_stream_si128((__m128i *)(to + 32), c);
    _mm_stream_si128((__m128i *)(to + 48), d);
}

void copy_past_cache(void *restrict to, const void *restrict from, size_t size)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    size_t head = -(uintptr_t)out % LINE; /* up to where the first line begins */
    if (size < head + LINE) {
        memcpy(out, in, size);
        return;
    }
    memcpy(out, in, head);
    size_t at = head;
    for (; size - at >= LINE; at += LINE)
        put_line(out + at, in + at);
    memcpy(out + at, in + at, size - at);
}

/* Such stores are not ordered with those that tell others of them. */
void copy_settle(void)
{
    _mm_sfence();
}

#else

void copy_past_cache(void *restrict to, const void *restrict from, size_t size)
{
    memcpy(to, from, size);
}

void copy_settle(void)
{
}

#endif
