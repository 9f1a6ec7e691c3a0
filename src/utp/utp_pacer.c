/* See utp_pacer.h. */
#include "utp/utp_pacer.h"

static double at_least(const struct utp_pacer *p, usec span, unsigned packets)
{
    double bytes = p->rate * (double)span / (double)USEC_PER_SEC;
    double least = (double)(packets * p->packet);
    return bytes > least ? bytes : least;
}

static void fill(struct utp_pacer *p, usec now)
{
    double most = at_least(p, UTP_PACE_BURST, UTP_PACE_BURST_PACKETS);
    if (now > p->filled_at)
        p->credit += p->rate * (double)(now - p->filled_at) / (double)USEC_PER_SEC;
    if (p->credit > most || p->rate == 0)
        p->credit = most;
    p->filled_at = now;
}

static void rest_if_spent(struct utp_pacer *p, usec now)
{
    double wanted = at_least(p, UTP_PACE_SPAN, UTP_PACE_PACKETS) - p->credit;
    if (p->credit >= (double)p->packet || p->rate == 0)
        p->again_at = NEVER;
    else
        p->again_at = now + (usec)(wanted / p->rate * (double)USEC_PER_SEC) + 1;
}

void utp_pacer_init(struct utp_pacer *p, size_t packet, usec now)
{
    *p = (struct utp_pacer){.packet = packet, .filled_at = now, .again_at = NEVER};
    fill(p, now);
}

void utp_pacer_set(struct utp_pacer *p, double rate, size_t packet, usec now)
{
    fill(p, now);
    p->rate = rate;
    p->packet = packet;
    if (utp_pacer_rests(p))
        rest_if_spent(p, now);
}

void utp_pacer_spend(struct utp_pacer *p, size_t bytes, usec now)
{
    fill(p, now);
    p->credit -= (double)bytes;
    rest_if_spent(p, now);
}

void utp_pacer_tick(struct utp_pacer *p, usec now)
{
    if (now < p->again_at)
        return;
    fill(p, now);
    p->again_at = NEVER;
}
