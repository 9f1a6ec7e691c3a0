/* See utp_room.h. */
#include "utp/utp_room.h"

void utp_room_init(struct utp_room *r, usec now)
{
    *r = (struct utp_room){.size = UTP_ROOM_FIRST, .since = now};
}

static void grow(struct utp_room *r, size_t *extra)
{
    if (r->size * 2 > UTP_ROOM_MAX || *extra + r->size > UTP_ROOM_EXTRA_MAX)
        return;
    *extra += r->size;
    r->size *= 2;
}

void utp_room_came(
    struct utp_room *r, size_t *extra, size_t bytes, size_t waiting, usec rtt, usec now)
{
    r->came += bytes;
    if (rtt == 0 || now - r->since < rtt)
        return;
    if (r->came > r->size / 2 && waiting < r->size / 4 && now - r->since < 2 * rtt)
        grow(r, extra);
    r->came = 0;
    r->since = now;
}

void utp_room_rest(struct utp_room *r, size_t *extra)
{
    *extra -= r->size - UTP_ROOM_FIRST;
    r->size = UTP_ROOM_FIRST;
}
