/* Messages that go out. Each is queued, and the link is told once per turn (peer_pump). */
#include "base/err.h"
#include "proto/peer_wire.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"

#define MESSAGE_SMALL 64u

/* False: the peer is gone. */
static bool queue(struct peer *p, struct bytes message)
{
    if (p->gone)
        return false;
    int err = send_queue_message(&p->out, message);
    if (err)
        peer_hang_up(p, err, "does not read what we send");
    p->said_at = p->torrent->now;
    return !p->gone;
}

void peer_say_raw(struct peer *p, struct bytes message)
{
    if (queue(p, message))
        peer_pump(p);
}

/* A message of an id and up to four integers. False: the peer is gone. */
static bool queue_values(struct peer *p, uint8_t id, const uint32_t *values, unsigned count)
{
    uint8_t buffer[MESSAGE_SMALL];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    builder_u32(&b, 1 + 4 * count);
    builder_u8(&b, id);
    for (unsigned i = 0; i < count; i++)
        builder_u32(&b, values[i]);
    return queue(p, builder_bytes(&b));
}

static void say(struct peer *p, uint8_t id, const uint32_t *values, unsigned count)
{
    if (queue_values(p, id, values, count))
        peer_pump(p);
}

static void say_block(struct peer *p, uint8_t id, uint32_t piece, uint32_t begin, uint32_t length)
{
    say(p, id, (uint32_t[]){piece, begin, length}, 3);
}

static void say_bitfield(struct peer *p)
{
    struct bytes bits = bitfield_wire(&p->torrent->have);
    uint8_t head[5];
    store_u32(head, (uint32_t)bits.size + 1);
    head[4] = WIRE_BITFIELD;
    peer_say_raw(p, bytes_of(head, sizeof head));
    peer_say_raw(p, bits);
}

/* Exactly one of bitfield, have-all and have-none comes first with Fast (BEP 6); without it,
 * nothing need be said about having nothing (BEP 3). */
static void say_what_we_have(struct peer *p)
{
    const struct bitfield *have = &p->torrent->have;
    bool known = torrent_metainfo(p->torrent) != NULL;
    if (torrent_is_veiled(p->torrent)) {
        if (p->fast)
            say(p, WIRE_HAVE_NONE, NULL, 0);
        torrent_unveil_next(p->torrent, p);
    } else if (p->fast && (!known || have->count == 0))
        say(p, WIRE_HAVE_NONE, NULL, 0);
    else if (p->fast && bitfield_full(have))
        say(p, WIRE_HAVE_ALL, NULL, 0);
    else if (known && have->count > 0)
        say_bitfield(p);
}

/* BEP 5: to those whose handshake says that they have a DHT node. */
static void say_port(struct peer *p)
{
    const struct swarm_host *host = &p->torrent->host;
    enum addr_family family = (enum addr_family)p->address.family;
    uint16_t port = p->dht && host->ops->dht_port ? host->ops->dht_port(host->user, family) : 0;
    uint8_t message[7] = {0, 0, 0, 3, WIRE_PORT};
    store_u16(message + 5, port);
    if (port)
        peer_say_raw(p, bytes_of(message, sizeof message));
}

void peer_say_opening(struct peer *p)
{
    if (p->extensions)
        peer_say_extension_handshake(p);
    say_what_we_have(p);
    for (unsigned i = 0; i < p->fast_set_size; i++)
        say(p, WIRE_ALLOWED_FAST, &p->fast_set[i], 1);
    say_port(p);
}

void peer_say_choke(struct peer *p, bool choke)
{
    say(p, choke ? WIRE_CHOKE : WIRE_UNCHOKE, NULL, 0);
}

void peer_say_interested(struct peer *p, bool interested)
{
    say(p, interested ? WIRE_INTERESTED : WIRE_NOT_INTERESTED, NULL, 0);
}

void peer_say_have(struct peer *p, uint32_t piece)
{
    if (!queue_values(p, WIRE_HAVE, &piece, 1))
        return;
    if (bitfield_get(&p->have, piece))
        p->holds_haves = true;
    else
        peer_pump(p);
}

/* BEP 54. Peers that do not know it learn by a reject. */
void peer_say_dont_have(struct peer *p, uint32_t piece)
{
    uint8_t payload[4];
    store_u32(payload, piece);
    if (p->theirs.lt_donthave)
        peer_say_extended(p, p->theirs.lt_donthave, bytes_of(payload, sizeof payload));
}

void peer_say_suggest(struct peer *p, uint32_t piece)
{
    say(p, WIRE_SUGGEST, &piece, 1);
}

void peer_say_request(struct peer *p, const struct request *r)
{
    say_block(p, WIRE_REQUEST, r->piece, r->begin, r->length);
}

void peer_say_cancel(struct peer *p, uint32_t piece, uint32_t begin, uint32_t length)
{
    say_block(p, WIRE_CANCEL, piece, begin, length);
}

void peer_say_reject(struct peer *p, uint32_t piece, uint32_t begin, uint32_t length)
{
    if (p->fast)
        say_block(p, WIRE_REJECT, piece, begin, length);
}

void peer_say_keep_alive(struct peer *p)
{
    peer_say_raw(p, bytes_of((uint8_t[4]){0}, 4));
}

void peer_say_extended(struct peer *p, uint8_t id, struct bytes payload)
{
    uint8_t head[6];
    store_u32(head, (uint32_t)payload.size + 2);
    head[4] = WIRE_EXTENDED;
    head[5] = id;
    peer_say_raw(p, bytes_of(head, sizeof head));
    if (payload.size)
        peer_say_raw(p, payload);
}
