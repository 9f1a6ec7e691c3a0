/* See delay.h. */
#include "utp/delay.h"

#define MINUTE SECONDS(60)

static bool is_less(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static void find_base(struct delay_history *h)
{
    h->base = h->minutes[0];
    for (unsigned i = 1; i < DELAY_BASE_MINUTES; i++)
        if (is_less(h->minutes[i], h->base))
            h->base = h->minutes[i];
}

static void start(struct delay_history *h, uint32_t sample, usec now)
{
    for (unsigned i = 0; i < DELAY_BASE_MINUTES; i++)
        h->minutes[i] = sample;
    for (unsigned i = 0; i < DELAY_RECENT; i++)
        h->recent[i] = sample;
    h->base = sample;
    h->stepped = now;
    h->started = true;
}

void delay_history_add(struct delay_history *h, uint32_t sample, usec now)
{
    if (!h->started)
        start(h, sample, now);
    h->recent[h->at] = sample;
    h->at = (h->at + 1) % DELAY_RECENT;
    if (now - h->stepped >= MINUTE) {
        h->stepped = now;
        h->minute = (h->minute + 1) % DELAY_BASE_MINUTES;
        h->minutes[h->minute] = sample;
        find_base(h);
    }
    if (is_less(sample, h->minutes[h->minute]))
        h->minutes[h->minute] = sample;
    if (is_less(sample, h->base))
        h->base = sample;
}

usec delay_history_queue(const struct delay_history *h)
{
    uint32_t lowest = h->recent[0];
    for (unsigned i = 1; i < DELAY_RECENT; i++)
        if (is_less(h->recent[i], lowest))
            lowest = h->recent[i];
    return is_less(lowest, h->base) ? 0 : lowest - h->base; /* less: the base has risen since */
}

void delay_history_shift(struct delay_history *h, uint32_t by)
{
    for (unsigned i = 0; i < DELAY_BASE_MINUTES; i++)
        h->minutes[i] += by;
    h->base += by;
}

void delay_history_raise(struct delay_history *h, uint32_t sample, uint32_t most)
{
    if (!h->started || !is_less(h->base, sample))
        return;
    uint32_t by = sample - h->base;
    delay_history_shift(h, by < most ? by : most);
}
