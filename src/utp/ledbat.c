/* See ledbat.h. */
#include "utp/ledbat.h"

#define SLOW_START_END (LEDBAT_TARGET * 3 / 4)

static double bounded(const struct ledbat *l, double window)
{
    double min = (double)(LEDBAT_PACKETS_MIN * l->packet);
    return window < min ? min : window > LEDBAT_WINDOW_MAX ? LEDBAT_WINDOW_MAX : window;
}

void ledbat_init(struct ledbat *l, size_t packet)
{
    *l = (struct ledbat){.packet = packet,
        .window = (double)(LEDBAT_PACKETS_FIRST * packet),
        .threshold = LEDBAT_WINDOW_MAX,
        .slow_start = true,
        .cut_at = -LEDBAT_CUT_PAUSE};
}

void ledbat_set_packet(struct ledbat *l, size_t packet)
{
    l->packet = packet;
    l->window = bounded(l, l->window);
}

/* What is in flight now was sent with a window twice as large as what made this queue: half of it
 * is the window that keeps the queue as it is. What of it the queue has no room for says the same
 * once more, and is no reason to halve again. */
static void slow_start(struct ledbat *l, double bytes, usec queue, bool limited, usec now)
{
    if (queue >= SLOW_START_END) {
        l->window = bounded(l, l->window / 2);
        l->slow_start = false;
        l->cut_at = now;
        l->before_cut = 0;
    } else if (limited) {
        l->window = bounded(l, l->window + bytes);
        l->slow_start = l->window < l->threshold;
    }
}

void ledbat_acked(struct ledbat *l, size_t bytes, usec queue, bool limited, usec now)
{
    double share = (double)bytes / l->window; /* of a round trip */
    double off_target = (double)(LEDBAT_TARGET - queue) / (double)LEDBAT_TARGET;
    if (l->slow_start) {
        slow_start(l, (double)bytes, queue, limited, now);
        return;
    }
    share = share > 1 ? 1 : share;
    if (off_target >= 0) {
        if (limited)
            l->window = bounded(l, l->window + LEDBAT_GAIN * share * off_target);
        return;
    }
    double step = l->window / 4 > LEDBAT_GAIN ? l->window / 4 : LEDBAT_GAIN;
    l->window = bounded(l, l->window - step * share * (off_target < -1 ? 1 : -off_target));
}

void ledbat_lost(struct ledbat *l, usec rtt, usec now)
{
    if (now - l->cut_at < (rtt > LEDBAT_CUT_PAUSE ? rtt : LEDBAT_CUT_PAUSE))
        return;
    l->before_cut = l->window;
    l->cut_at = now;
    l->window = bounded(l, l->window / 2);
    l->threshold = l->window;
    l->slow_start = false;
}

void ledbat_not_lost(struct ledbat *l)
{
    if (l->before_cut > l->window)
        l->window = l->before_cut;
    l->before_cut = 0;
}

void ledbat_timeout(struct ledbat *l, usec now)
{
    l->threshold = bounded(l, l->window / 2);
    l->window = bounded(l, 0);
    l->slow_start = true;
    l->before_cut = 0;
    l->cut_at = now;
}

void ledbat_rested(struct ledbat *l)
{
    double first = (double)(LEDBAT_PACKETS_FIRST * l->packet);
    if (l->window <= first)
        return;
    if (!l->slow_start || l->threshold > l->window)
        l->threshold = l->window;
    l->window = first;
    l->slow_start = true;
}
