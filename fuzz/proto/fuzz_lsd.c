/* Local service discovery: what parses is within its bounds and, written again, is the same. */
#include "proto/lsd.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lsd_announce a, again;
    uint8_t packet[LSD_PACKET_MAX];
    struct builder b = builder_fixed(packet, sizeof packet);
    if (lsd_parse(bytes_of(data, size), &a) != 0)
        return 0;
    check(a.port != 0 && a.count > 0 && a.count <= LSD_HASHES_MAX);
    check(strlen(a.cookie) <= LSD_COOKIE_MAX);
    if (a.count > LSD_SEND_MAX)
        a.count = LSD_SEND_MAX;
    lsd_put(&b, ADDR_V6, &a);
    check(builder_ok(&b) && lsd_parse(builder_bytes(&b), &again) == 0);
    check(again.port == a.port && again.count == a.count);
    check(memcmp(again.hashes, a.hashes, a.count * sizeof *a.hashes) == 0);
    return 0;
}
