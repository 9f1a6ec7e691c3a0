/* One connected peer, as its link and the torrent's watchers see it: bytes in, bytes out.
 *
 * A peer begins after the greeting (swarm/peer/greeting.h) and ends with hang_up (swarm/host.h). */
#ifndef KITH_SWARM_PEER_H
#define KITH_SWARM_PEER_H

#include "base/addr.h"
#include "base/ids.h"
#include "base/time.h"
#include "crypto/rc4.h"
#include "swarm/peer/receiver.h"
#include "swarm/peer/send_queue.h"
#include <sys/uio.h>

struct peer;

/* What the greeting learned. */
struct peer_intro {
    struct endpoint address;
    bool incoming;
    bool extensions, fast, dht, v2; /* as both sides said in the handshake */
    bool can_lend;                  /* the link writes by env_tcp_writev alone */
    struct peer_id id;
    const struct rc4 *encrypt, *decrypt; /* copied; NULL: plaintext */
    struct bytes leftover;               /* decrypted bytes behind the handshake */
    struct receiver_scratch *scratch;    /* the node's */
    enum addr_source source;
    bool utp; /* the link is uTP: its remote port is where the peer is reached by it */
};

/* ---- for the link -------------------------------------------------------------------------- */

/* Where to read to: 0 vectors when it does not want to read now (no memory, rate limit); then the
 * link drops its read interest until pump() is called. */
int peer_receive_layout(struct peer *, struct iovec iov[RECEIVER_IOV_MAX], usec now);
/* ERR_*: the peer is gone (it has hung up already). */
int peer_received(struct peer *, const struct iovec *, int count, size_t size, usec now);
/* Bytes that it was asked for and that it will send without a further word. */
size_t peer_expects(const struct peer *);
/* What to send: 0 when there is nothing, or the rate limit forbids it. */
int peer_send_chunks(struct peer *, struct iovec *out, int max, usec now);
void peer_sent(struct peer *, size_t size, usec now);
/* The first byte of all that is to be sent lies in a file that was cut or failed (ERR_CHANGED): the
 * peer is hung up, the piece rechecked. */
void peer_send_failed(struct peer *, int err);
/* The link is dead. The peer is gone afterwards (hang_up is called). */
void peer_link_lost(struct peer *, int err);

/* ---- for those who look -------------------------------------------------------------------- */

struct peer_info {
    struct endpoint address;
    char client[64];
    uint64_t download_rate, upload_rate, downloaded, uploaded;
    uint32_t pieces_have, pieces_total;
    uint32_t requests_out, requests_in;
    bool encrypted, incoming, is_seed;
    bool choking_us, interested_in_us, choked_by_us, interesting;
};
void peer_info(struct peer *, usec now, struct peer_info *out);

#endif
