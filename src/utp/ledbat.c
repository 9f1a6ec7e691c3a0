/* See ledbat.h. */
#include "utp/ledbat.h"

#define CAREFUL_PART 4 /* of slow start's growth */
#define SUSPECT_KEPT 0.625
#define GAIN_PART 8 /* of the window is the most that it grows by, but for LEDBAT_GAIN */

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
        .target = LEDBAT_TARGET,
        .cut_at = -LEDBAT_CUT_PAUSE};
}

void ledbat_set_packet(struct ledbat *l, size_t packet)
{
    l->packet = packet;
    l->window = bounded(l, l->window);
}

/* ---- slow start ---------------------------------------------------------------------------- */

static void become_careful(struct ledbat *l, usec queue)
{
    l->phase = LEDBAT_CAREFUL;
    l->suspect = l->round_left = l->window;
    l->round_queue = queue;
}

/* What is in flight now was sent with another window: its queue says nothing of this one. */
static void cut_to(struct ledbat *l, double window)
{
    l->round_left = l->window;
    l->window = bounded(l, window);
}

/* What made the queue was sent a round trip before it was seen, with a window about half as large;
 * and paced (utp_pacer.h), a queue begins a little before the window is what the line holds. What
 * of the rest the queue has no room for says the same once more, and is no reason to cut again. */
static void end_slow_start(struct ledbat *l, usec now)
{
    double kept = l->suspect * SUSPECT_KEPT;
    cut_to(l, kept < l->window ? kept : l->window);
    l->phase = LEDBAT_STEADY;
    l->cut_at = l->calm_since = now;
    l->before_cut = 0;
}

static void look_at_queue(struct ledbat *l, double bytes, usec queue, usec now)
{
    if (l->phase == LEDBAT_SLOW_START) {
        if (queue >= LEDBAT_QUEUE_SUSPECT)
            become_careful(l, queue);
        return;
    }
    l->round_queue = usec_min(l->round_queue, queue);
    l->round_left -= bytes;
    if (l->round_queue < LEDBAT_QUEUE_SUSPECT / 2)
        l->phase = LEDBAT_SLOW_START;
    else if (l->round_left <= 0 || queue >= LEDBAT_QUEUE_END)
        end_slow_start(l, now);
}

static void slow_start(struct ledbat *l, double bytes, usec queue, bool limited, usec now)
{
    look_at_queue(l, bytes, queue, now);
    if (l->phase == LEDBAT_STEADY || !limited)
        return;
    l->window = bounded(l, l->window + (l->phase == LEDBAT_CAREFUL ? bytes / CAREFUL_PART : bytes));
    if (l->window >= l->threshold) {
        l->phase = LEDBAT_STEADY;
        l->calm_since = now;
        l->round_left = 0;
    }
}

/* ---- afterwards ---------------------------------------------------------------------------- */

/* Bytes a round trip. In a short buffer a window may be four packets, and LEDBAT_GAIN half of that:
 * the buffer would be overfull before the queue is seen. There it grows by no more than it shrinks.
 */
static double gain(const struct ledbat *l, usec now)
{
    double least = LEDBAT_GAIN, quarter = l->window / 4, packet = (double)l->packet;
    if (l->target < LEDBAT_TARGET && quarter < least)
        least = quarter > packet ? quarter : packet;
    double calm = (double)(now - l->calm_since) / (double)USEC_PER_SEC - 1;
    if (calm <= 0)
        return least;
    double wanted = LEDBAT_GAIN * (1 + 5 * calm + calm * calm / 8), most = l->window / GAIN_PART;
    return wanted < most ? wanted : most > least ? most : least;
}

static void remember_queue(struct ledbat *l, usec queue, double share, usec now)
{
    l->queue_recent *= 1 - share / 2;
    if ((double)queue > l->queue_recent)
        l->queue_recent = (double)queue;
    if (l->queue_recent > l->queue_most)
        l->queue_most = l->queue_recent;
    if (now - l->target_at >= LEDBAT_TARGET_AGAIN) {
        l->target = usec_min(l->target * 5 / 4, LEDBAT_TARGET);
        l->queue_most *= 0.9;
        l->packet_time *= 1.1;
        l->target_at = now;
    }
}

/* Losses while the queue is shorter than the buffer is known to be are of other causes. A queue is
 * made of packets, and delays of packets of different sizes are compared (utp_conn_in.c): a target
 * below two packets would stop a slow line. How long the line takes for one is told by the largest
 * windows: beside others a window is only our share. */
static void learn_buffer(struct ledbat *l, usec rtt, usec now)
{
    double packet_time = (double)l->packet * (double)rtt / l->window;
    if (l->packet_time == 0 || packet_time < l->packet_time)
        l->packet_time = packet_time;
    if (l->queue_recent < l->queue_most * 3 / 4 || l->queue_most < 2 * LEDBAT_TARGET_MIN)
        return;
    double half = l->queue_most / 2, packets = 2 * l->packet_time;
    l->target = usec_min((usec)(half > packets ? half : packets), LEDBAT_TARGET);
    l->target_at = now;
}

void ledbat_acked(struct ledbat *l, size_t bytes, usec queue, bool limited, usec now)
{
    double share = (double)bytes < l->window ? (double)bytes / l->window : 1; /* of a round trip */
    remember_queue(l, queue, share, now);
    if (l->phase != LEDBAT_STEADY) {
        slow_start(l, (double)bytes, queue, limited, now);
        return;
    }
    double off_target = (double)(l->target - queue) / (double)l->target;
    if (queue > l->target / 2)
        l->calm_since = now;
    l->round_left -= (double)bytes;
    if (off_target >= 0) {
        if (limited)
            l->window = bounded(l, l->window + gain(l, now) * share * off_target);
        return;
    }
    if (l->round_left > 0)
        return;
    double step = l->window / 4 > LEDBAT_GAIN ? l->window / 4 : LEDBAT_GAIN;
    l->window = bounded(l, l->window - step * share * (off_target < -1 ? 1 : -off_target));
}

void ledbat_lost(struct ledbat *l, usec rtt, usec now)
{
    if (now - l->cut_at < (rtt > LEDBAT_CUT_PAUSE ? rtt : LEDBAT_CUT_PAUSE))
        return;
    double before = l->window;
    learn_buffer(l, rtt, now);
    if (l->phase == LEDBAT_CAREFUL) {
        end_slow_start(l, now); /* the queue that it had seen is full */
    } else {
        cut_to(l, l->window / 2);
        l->phase = LEDBAT_STEADY;
        l->cut_at = l->calm_since = now;
    }
    l->before_cut = before;
    l->threshold = l->window;
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
    l->before_cut = 0;
    l->cut_at = now;
    l->phase = LEDBAT_SLOW_START;
}

void ledbat_rested(struct ledbat *l)
{
    double first = (double)(LEDBAT_PACKETS_FIRST * l->packet);
    if (l->window <= first)
        return;
    if (l->phase == LEDBAT_STEADY || l->threshold > l->window)
        l->threshold = l->window;
    l->window = first;
    l->phase = LEDBAT_SLOW_START;
}
