/* What came in order on one connection and has not been read: first the bytes in a ring, then,
 * until the end of the turn in which they came, bytes that still lie in their datagrams. What is
 * read in its turn, nearly all on a fast path, is copied once and needs no ring.
 *
 * Where lent bytes lie is written down in a loan, one for all connections of a socket. Before the
 * datagrams go, utp_loan_end() moves what was not read into the rings. */
#ifndef KITH_UTP_INBOX_H
#define KITH_UTP_INBOX_H

#include "base/list.h"
#include "utp/utp_ring.h"

#define UTP_SPANS_MAX 1024u /* of a loan; what comes beyond them is copied at once */

struct utp_span;
struct utp_loan {
    struct utp_span *spans; /* NULL until needed */
    unsigned count;
    struct list_link inboxes; /* that have some */
    bool open;                /* what comes now stays where it is until utp_loan_end */
};

struct utp_inbox {
    struct utp_ring ring;
    struct list_link lender;
    unsigned first, last; /* spans, if `lent` */
    size_t lent;          /* bytes in spans */
};

void utp_loan_init(struct utp_loan *);
void utp_loan_free(struct utp_loan *);

void utp_inbox_init(struct utp_inbox *);
void utp_inbox_free(struct utp_inbox *);
static inline size_t utp_inbox_size(const struct utp_inbox *in)
{
    return in->ring.size + in->lent;
}
/* Appends: lent if `loan` is open and `stays` is set, else copied. ERR_LIMIT if the ring would be
 * larger than `max` (a power of two), ERR_NOMEM. */
int utp_inbox_put(struct utp_inbox *, struct utp_loan *, struct bytes, bool stays, size_t max);
/* Moves bytes out to where the vectors say; how many. */
size_t utp_inbox_take(struct utp_inbox *, struct utp_loan *, const struct iovec *, int count);
/* The datagrams are about to go. failed() is told of inboxes that had to forget their lent bytes:
 * there is no memory for them. */
void utp_loan_end(struct utp_loan *, size_t max, void (*failed)(struct utp_inbox *));

#endif
