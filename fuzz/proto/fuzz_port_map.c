/* A router's answers, hostile: the input is a list of [what happens, how much, bytes]. Whatever
 * comes, there is always a deadline while something is under way, and sending ends. */
#include "proto/port_map.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void send_all(struct port_map *m, usec now)
{
    unsigned count = 0;
    uint8_t room[PORT_MAP_DATAGRAM_MAX];
    for (;;) {
        struct builder b = builder_fixed(room, sizeof room);
        if (!port_map_send(m, &b, now))
            return;
        check(builder_ok(&b) && b.size > 0);
        check(++count <= PORT_MAP_COUNT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(bytes_of(data, size));
    struct port_map m;
    struct port_map_config config = {.router = endpoint_v4(0xc0a80701, NATPMP_PORT),
        .client = endpoint_v4(0xc0a80702, 0),
        .port = 7000}; /* nonces of zeros: easily guessed */
    usec now = 0;
    struct endpoint e;
    port_map_init(&m, &config, now);
    while (c.left >= 2) {
        uint8_t what = cursor_u8(&c), amount = cursor_u8(&c);
        if (what & 1) {
            size_t n = amount < c.left ? amount : c.left;
            port_map_receive(&m, &config.router, bytes_of(c.at, n), now);
            cursor_skip(&c, n);
        } else if (what & 2) {
            now += MSECS(1) << (amount % 24);
        } else if (what == 0x80) {
            port_map_remove(&m, now);
        }
        send_all(&m, now);
        check(port_map_is_idle(&m) || port_map_deadline(&m) != NEVER);
        if (port_map_external(&m, PORT_MAP_TCP, now, &e))
            check(e.port != 0);
    }
    return 0;
}
