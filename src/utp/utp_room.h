/* How many bytes a peer may send ahead of our reader. It grows with what the path carries, as TCP's
 * receive buffers do: when more than half of it came within a round trip and the reader keeps up,
 * it is the room that limits the sender. All connections share one bound on what they have beyond
 * the first size. */
#ifndef KITH_UTP_ROOM_H
#define KITH_UTP_ROOM_H

#include "base/time.h"
#include <stddef.h>

#define UTP_ROOM_FIRST (1u << 20)      /* of each, always: as libutp and libtorrent have it */
#define UTP_ROOM_MAX (4u << 20)        /* of each */
#define UTP_ROOM_EXTRA_MAX (64u << 20) /* of all together, beyond the first */

struct utp_room {
    size_t size;
    size_t came; /* bytes, since `since` */
    usec since;
};

void utp_room_init(struct utp_room *, usec now);
/* Bytes came; so many wait for the reader. `extra` is the sum of all connections'. */
void utp_room_came(
    struct utp_room *, size_t *extra, size_t bytes, size_t waiting, usec rtt, usec now);
/* Back to the first size: nothing comes any more. */
void utp_room_rest(struct utp_room *, size_t *extra);

#endif
