/* See pex_log.h. */
#include "swarm/pex_log.h"

static void append(struct pex_log *l, struct pex_event e)
{
    l->events[l->next++ % PEX_LOG_EVENTS] = e;
}

void pex_log_joined(struct pex_log *l, const struct endpoint *who, uint8_t flags)
{
    append(l, (struct pex_event){.who = *who, .flags = flags, .joined = true});
}

void pex_log_left(struct pex_log *l, const struct endpoint *who)
{
    append(l, (struct pex_event){.who = *who});
}

static const struct pex_event *at(const struct pex_log *l, uint64_t number)
{
    return &l->events[number % PEX_LOG_EVENTS];
}

/* Does another event of `number`'s peer stand in [from, to)? */
static bool named_in(const struct pex_log *l, uint64_t number, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        if (endpoint_equal(&at(l, i)->who, &at(l, number)->who))
            return true;
    return false;
}

/* The first event of the peer in the window that is about it as the last one leaves it: a peer that
 * joined and left, or left and came back, is as it was. */
static bool changes(const struct pex_log *l, uint64_t number, uint64_t first, uint64_t end)
{
    if (named_in(l, number, first, number))
        return false; /* judged at its first event */
    bool joined = at(l, number)->joined;
    for (uint64_t i = number + 1; i < end; i++)
        if (endpoint_equal(&at(l, i)->who, &at(l, number)->who))
            joined = at(l, i)->joined;
    return joined == at(l, number)->joined;
}

bool pex_log_since(
    const struct pex_log *l, uint64_t *position, const struct endpoint *but, struct ut_pex *out)
{
    uint64_t first = *position, end = l->next;
    out->added_count = out->dropped_count = 0;
    if (end - first > PEX_LOG_EVENTS) {
        *position = end;
        return false;
    }
    /* What does not fit waits for the next message, and is judged with what comes until then. */
    if (end - first > UT_PEX_SEND_MAX)
        end = first + UT_PEX_SEND_MAX;
    for (uint64_t i = first; i < end; i++) {
        const struct pex_event *e = at(l, i);
        if (endpoint_equal(&e->who, but) || !changes(l, i, first, end))
            continue;
        if (e->joined)
            out->added[out->added_count++] = (struct ut_pex_peer){e->who, e->flags};
        else
            out->dropped[out->dropped_count++] = e->who;
    }
    *position = end;
    return true;
}
