/* See utp_inbox.h. */
#include "utp/utp_inbox.h"

#include "base/copy.h"
#include "base/err.h"
#include <stdlib.h>

/* Room of so many bytes in one place is a block's in its piece buffer. It is looked at when the
 * whole piece is there, long after the cache has forgotten it; what is less is a message's. */
#define FAR_ROOM 4096u

struct utp_span {
    struct bytes bytes;
    unsigned next; /* if it is not the inbox's last */
};

void utp_loan_init(struct utp_loan *loan)
{
    *loan = (struct utp_loan){0};
    list_init(&loan->inboxes);
}

void utp_loan_free(struct utp_loan *loan)
{
    free(loan->spans);
    loan->spans = NULL;
}

void utp_inbox_init(struct utp_inbox *in)
{
    *in = (struct utp_inbox){0};
    list_init(&in->lender);
}

static void forget_lent(struct utp_inbox *in)
{
    in->lent = 0;
    list_remove(&in->lender);
}

void utp_inbox_free(struct utp_inbox *in)
{
    utp_ring_free(&in->ring);
    forget_lent(in);
}

static bool lend(struct utp_inbox *in, struct utp_loan *loan, struct bytes b)
{
    if (!loan->spans)
        loan->spans = malloc(UTP_SPANS_MAX * sizeof *loan->spans);
    if (!loan->spans || loan->count == UTP_SPANS_MAX)
        return false;
    loan->spans[loan->count].bytes = b;
    if (in->lent > 0) {
        loan->spans[in->last].next = loan->count;
    } else {
        in->first = loan->count;
        list_push_back(&loan->inboxes, &in->lender);
    }
    in->last = loan->count++;
    in->lent += b.size;
    return true;
}

/* Into the ring. */
static int keep(struct utp_inbox *in, struct utp_loan *loan, size_t max)
{
    int err = in->lent > 0 ? utp_ring_reserve(&in->ring, in->lent, max) : 0;
    for (unsigned at = in->first; !err && in->lent > 0; at = loan->spans[at].next) {
        struct bytes b = loan->spans[at].bytes;
        utp_ring_put(&in->ring, b);
        in->lent -= b.size;
    }
    if (!err)
        forget_lent(in);
    return err;
}

int utp_inbox_put(
    struct utp_inbox *in, struct utp_loan *loan, struct bytes b, bool stays, size_t max)
{
    if (b.size == 0)
        return 0;
    if (stays && loan->open && lend(in, loan, b))
        return 0;
    int err = keep(in, loan, max); /* it came before */
    if (!err)
        err = utp_ring_reserve(&in->ring, b.size, max);
    if (!err)
        utp_ring_put(&in->ring, b);
    return err;
}

static size_t take_lent(struct utp_inbox *in, struct utp_loan *loan, uint8_t *to, size_t size)
{
    bool far = size >= FAR_ROOM;
    size_t done = 0;
    while (done < size && in->lent > 0) {
        struct utp_span *span = &loan->spans[in->first];
        size_t n = span->bytes.size < size - done ? span->bytes.size : size - done;
        if (far)
            copy_past_cache(to + done, span->bytes.data, n);
        else
            memcpy(to + done, span->bytes.data, n);
        done += n;
        in->lent -= n;
        span->bytes = bytes_of(span->bytes.data + n, span->bytes.size - n);
        if (in->lent == 0)
            forget_lent(in);
        else if (span->bytes.size == 0)
            in->first = span->next;
    }
    return done;
}

size_t utp_inbox_take(struct utp_inbox *in, struct utp_loan *loan, const struct iovec *v, int count)
{
    size_t total = 0;
    for (int i = 0; i < count && utp_inbox_size(in) > 0; i++) {
        size_t n = in->ring.size > 0 ? utp_ring_take(&in->ring, &v[i], 1) : 0;
        total += n + take_lent(in, loan, (uint8_t *)v[i].iov_base + n, v[i].iov_len - n);
    }
    copy_settle();
    return total;
}

void utp_loan_end(struct utp_loan *loan, size_t max, void (*failed)(struct utp_inbox *))
{
    struct list_link *at;
    while ((at = list_pop_front(&loan->inboxes)) != NULL) {
        struct utp_inbox *in = list_entry(at, struct utp_inbox, lender);
        if (keep(in, loan, max) == 0)
            continue;
        forget_lent(in);
        failed(in);
    }
    loan->count = 0;
    loan->open = false;
}
