/* See utp_batch.h. */
#include "utp/utp_batch.h"

#include <assert.h>

void utp_batch_clear(struct utp_batch *b)
{
    b->run_count = b->packets = b->iov_count = 0;
    b->header_bytes = 0;
}

bool utp_batch_has_room(const struct utp_batch *b)
{
    return b->run_count < UTP_RUNS_MAX && b->packets < UTP_BATCH_PACKETS_MAX &&
           b->iov_count + 3 <= UTP_BATCH_IOV_MAX &&
           b->header_bytes + UTP_STATE_MAX <= UTP_BATCH_HEADERS_MAX;
}

/* The run that takes a datagram of that size: the last one if it fits, or a new one. */
static struct utp_run *run_for(
    struct utp_batch *b, const struct endpoint *to, size_t size, struct utp_conn *probe)
{
    struct utp_run *last = b->run_count ? &b->runs[b->run_count - 1] : NULL;
    if (last && !probe && !last->probe && !last->closed && size <= last->segment &&
        last->packets < UTP_RUN_PACKETS_MAX && last->bytes + size <= UTP_RUN_BYTES_MAX &&
        endpoint_equal(&last->to, to))
        return last;
    struct utp_run *run = &b->runs[b->run_count++];
    *run =
        (struct utp_run){.to = *to, .iov = &b->iov[b->iov_count], .segment = size, .probe = probe};
    return run;
}

void utp_batch_put(struct utp_batch *b, const struct endpoint *to, const struct utp_packet *packet,
    const struct iovec *payload, int count, struct utp_conn *probe)
{
    assert(utp_batch_has_room(b) && count <= 2);
    uint8_t *header = b->headers + b->header_bytes;
    size_t size = utp_packet_write(packet, header);
    b->header_bytes += size;
    b->iov[b->iov_count] = (struct iovec){header, size};
    for (int i = 0; i < count; i++) {
        b->iov[b->iov_count + 1 + i] = payload[i];
        size += payload[i].iov_len;
    }
    struct utp_run *run = run_for(b, to, size, probe);
    run->iov_count += 1 + count;
    run->bytes += size;
    run->packets++;
    run->closed = size < run->segment;
    b->iov_count += 1 + count;
    b->packets++;
}
