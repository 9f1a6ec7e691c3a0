/* Answers of trackers, over HTTP and UDP: whatever is taken from them is within its bounds and
 * usable as text and as addresses, and an exchange over UDP that is fed anything ends or waits. */
#include "proto/tracker_http.h"
#include "proto/tracker_udp.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_reply(const struct tracker_reply *r)
{
    check(r->peer_count <= TRACKER_PEERS_MAX);
    check(memchr(r->failure, 0, sizeof r->failure) && memchr(r->warning, 0, sizeof r->warning));
    check(memchr(r->id, 0, sizeof r->id) != NULL);
    for (uint32_t i = 0; i < r->peer_count; i++)
        check(r->peers[i].port != 0 && r->peers[i].family != ADDR_NONE);
    check(r->seeders >= -1 && r->leechers >= -1 && r->completed >= -1);
}

/* Datagrams of lengths that the input chooses; the first bytes are made to fit now and then. */
static void converse(const uint8_t *data, size_t size, struct tracker_reply *r)
{
    struct tracker_udp t;
    struct tracker_announce words = {.port = 1};
    uint8_t datagram[256];
    usec now = 1;
    struct info_hash hashes[3] = {{{0}}};
    struct tracker_counts counts[3];
    if (size > 0 && data[0] & 1)
        tracker_udp_begin_scrape(&t, hashes, 3, counts, ADDR_V4, 7, now);
    else
        tracker_udp_begin(&t, &words, "udp://x/announce?y", ADDR_V4, 7, now);
    while (size > 2 && t.state <= TRACKER_UDP_ASKING) {
        uint8_t packet[TRACKER_UDP_PACKET_MAX];
        struct builder b = builder_fixed(packet, sizeof packet);
        if (data[0] & 64)
            tracker_udp_lend(&t, 3, now - SECONDS(data[0] & 15), now);
        if (tracker_udp_send(&t, &b, now))
            check(builder_ok(&b) && b.size >= 16);
        size_t n = data[0] < size - 1 ? data[0] : size - 1;
        memcpy(datagram, data + 1, n);
        if (n >= 8 && data[1] & 1)
            store_u32(datagram + 4, t.transaction);
        if (tracker_udp_receive(&t, bytes_of(datagram, n), r, now))
            check_reply(r);
        now += SECONDS(data[0] & 31);
        tracker_udp_tick(&t, now);
        data += n + 1;
        size -= n + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tracker_reply r;
    struct info_hash hash = {{1}};
    struct tracker_counts counts;
    if (tracker_http_parse(bytes_of(data, size), &r) == 0)
        check_reply(&r);
    if (tracker_http_scrape_parse(bytes_of(data, size), &hash, 1, &counts) == 0)
        check(counts.seeders >= -1 && counts.leechers >= -1 && counts.completed >= -1);
    converse(data, size, &r);
    return 0;
}
