/* See utp_drain.h. */
#include "utp/utp_drain.h"

void utp_drain_init(struct utp_drain *d, usec now)
{
    *d = (struct utp_drain){.empty_at = now, .until = NEVER};
}

void utp_drain_saw(struct utp_drain *d, usec rtt, usec rtt_min, usec now)
{
    if (rtt <= rtt_min + UTP_DRAIN_EMPTY)
        d->empty_at = now;
}

void utp_drain_look(struct utp_drain *d, usec srtt, usec now)
{
    if (utp_drain_runs(d) || now - d->empty_at < UTP_DRAIN_EVERY)
        return;
    d->empty_at = now;
    d->until = now + usec_min(2 * srtt, UTP_DRAIN_MAX);
}

void utp_drain_tick(struct utp_drain *d, usec now)
{
    if (now >= d->until)
        d->until = NEVER;
}
