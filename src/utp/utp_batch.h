/* Datagrams on their way out, gathered: runs of many of one size to one destination, as the kernel
 * takes them with one call. Headers are the batch's own, payloads point to where they are kept;
 * both are valid until the next call that changes the connection or the batch. */
#ifndef KITH_UTP_BATCH_H
#define KITH_UTP_BATCH_H

#include "base/addr.h"
#include "utp/utp_packet.h"
#include <sys/uio.h>

#define UTP_RUNS_MAX 16
#define UTP_RUN_PACKETS_MAX 44 /* of 1472 bytes each: 64,768, below what one call takes */
#define UTP_RUN_BYTES_MAX 65000u
#define UTP_BATCH_PACKETS_MAX 256
#define UTP_BATCH_IOV_MAX (UTP_BATCH_PACKETS_MAX * 3)
#define UTP_BATCH_HEADERS_MAX (UTP_BATCH_PACKETS_MAX * UTP_HEADER_SIZE + 64 * UTP_STATE_MAX)

struct utp_conn;

struct utp_run {
    struct endpoint to;
    struct iovec *iov; /* none crosses from one datagram into the next */
    int iov_count;
    size_t segment; /* bytes of each datagram, of which the last may be shorter */
    size_t bytes;
    int packets;
    bool closed;            /* its last datagram was a shorter one */
    struct utp_conn *probe; /* an MTU probe of this connection: whole or not at all */
};

struct utp_batch {
    struct utp_run runs[UTP_RUNS_MAX];
    int run_count, packets;
    struct iovec iov[UTP_BATCH_IOV_MAX];
    int iov_count;
    size_t header_bytes;
    uint8_t headers[UTP_BATCH_HEADERS_MAX];
};

void utp_batch_clear(struct utp_batch *);
/* One more packet surely fits. */
bool utp_batch_has_room(const struct utp_batch *);
/* Appends a datagram: header and sack out of `packet`, payload where `iov` points. */
void utp_batch_put(struct utp_batch *, const struct endpoint *to, const struct utp_packet *packet,
    const struct iovec *payload, int count, struct utp_conn *probe);

#endif
