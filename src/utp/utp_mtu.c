/* See utp_mtu.h. */
#include "utp/utp_mtu.h"

void utp_mtu_init(struct utp_mtu *m, enum addr_family family)
{
    bool v6 = family == ADDR_V6;
    m->least = v6 ? UTP_MTU_FLOOR_V6 : UTP_MTU_FLOOR_V4;
    m->most = v6 ? UTP_MTU_CEILING_V6 : UTP_MTU_CEILING_V4;
    utp_mtu_black_hole(m);
}

void utp_mtu_black_hole(struct utp_mtu *m)
{
    m->floor = m->least;
    m->ceiling = m->most;
    m->probe = 0;
    m->tries = 0;
    m->again_at = NEVER;
}

static void look_on(struct utp_mtu *m, usec now)
{
    m->tries = 0;
    if (m->ceiling < m->floor + UTP_MTU_NEAR)
        m->again_at = now + UTP_MTU_AGAIN;
}

/* Most paths carry the most: that is asked first. */
static size_t next_size(const struct utp_mtu *m)
{
    return m->ceiling == m->most ? m->most : (m->floor + m->ceiling + 1u) / 2;
}

size_t utp_mtu_wanted(struct utp_mtu *m, usec now)
{
    if (m->probe)
        return 0;
    if (m->again_at != NEVER) {
        if (now < m->again_at || m->floor == m->most)
            return 0;
        m->ceiling = m->most;
        m->again_at = NEVER;
    }
    return next_size(m);
}

void utp_mtu_sent(struct utp_mtu *m, size_t size)
{
    m->probe = (uint16_t)size;
    m->tries++;
}

void utp_mtu_passed(struct utp_mtu *m, usec now)
{
    if (m->probe > m->floor)
        m->floor = m->probe;
    if (m->ceiling < m->floor)
        m->ceiling = m->floor;
    m->probe = 0;
    look_on(m, now);
}

void utp_mtu_refused(struct utp_mtu *m, usec now)
{
    if (m->probe > m->floor)
        m->ceiling = (uint16_t)(m->probe - 1);
    m->probe = 0;
    look_on(m, now);
}

void utp_mtu_lost(struct utp_mtu *m, usec now)
{
    if (m->tries >= UTP_MTU_TRIES)
        utp_mtu_refused(m, now);
    m->probe = 0;
}
