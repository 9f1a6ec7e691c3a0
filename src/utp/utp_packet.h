/* uTP's packets (BEP 29): one header of 20 bytes, extensions, payload. Reading and writing, no
 * state. Integers are big-endian on the wire, host order here. */
#ifndef KITH_UTP_PACKET_H
#define KITH_UTP_PACKET_H

#include "base/bytes.h"

#define UTP_VERSION 1u
#define UTP_HEADER_SIZE 20u
#define UTP_SACK_BYTES_MAX 252u /* of ours: 2016 packets past the first gap, a multiple of 4 */
#define UTP_STATE_MAX (UTP_HEADER_SIZE + 2 + UTP_SACK_BYTES_MAX)
#define UTP_EXTENSIONS_MAX 8u /* in a row; more is no packet of ours to read */

enum utp_type { UTP_DATA, UTP_FIN, UTP_STATE, UTP_RESET, UTP_SYN, UTP_TYPES };

/* Extensions: a chain, each names the next, 0 ends it. Unknown ones are skipped by their length. */
enum utp_extension { UTP_EXT_NONE, UTP_EXT_SACK, UTP_EXT_BITS, UTP_EXT_CLOSE_REASON };

struct utp_packet {
    enum utp_type type;
    uint16_t id;         /* the receiver's receive id; in a SYN the sender's */
    uint32_t timestamp;  /* the sender's clock when it left, microseconds */
    uint32_t difference; /* what the sender measured of our last packet; 0: nothing yet */
    uint32_t window;     /* bytes that the sender of this has room for */
    uint16_t seq, ack;
    struct bytes sack; /* bit i, least significant first: ack + 2 + i has arrived. Empty: none */
    uint16_t close_reason; /* libtorrent's; 0: none */
    struct bytes payload;
};

/* False: not a uTP packet. Spans point into the datagram. */
bool utp_packet_parse(struct utp_packet *, struct bytes datagram);
/* Header and sack (a multiple of 4 bytes, at most UTP_SACK_BYTES_MAX), not the payload: returns how
 * many bytes were written, at most UTP_STATE_MAX. */
size_t utp_packet_write(const struct utp_packet *, uint8_t *out);

/* Sequence numbers wrap: how far `b` is ahead of `a`, -32768 to 32767. */
static inline int utp_seq_distance(uint16_t a, uint16_t b)
{
    return (int16_t)(uint16_t)(b - a);
}

#endif
