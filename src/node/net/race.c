/* See race.h. The race is the stream that its owner holds: once it is won, it passes everything on
 * to the winner. */
#include "node/net/race.h"

#include "base/err.h"
#include "node/net/utp_io.h"
#include "node/node_internal.h"
#include <stdlib.h>

struct race {
    struct stream stream; /* first: stream.h */
    struct kith_node *node;
    struct endpoint to;
    struct env_tcp_events events; /* the owner's */
    void *user;
    struct runner {
        struct race *race;
        struct stream *stream; /* NULL: not started, or out of the race */
        enum carrier carrier;
    } runners[2];
    struct stream *winner;
    bool both_started;
    struct timer head_start;
};

/* ---- what is remembered -------------------------------------------------------------------- */

static uint64_t hash_of(struct kith_node *n, const struct endpoint *to)
{
    return endpoint_hash(to, n->race_memory.key);
}

enum carrier race_remembered(struct kith_node *n, const struct endpoint *to)
{
    uint64_t h = hash_of(n, to);
    return n->race_memory.slots[h % RACE_MEMORY].tag == (uint32_t)(h >> 32)
               ? (enum carrier)n->race_memory.slots[h % RACE_MEMORY].carrier
               : CARRIER_NONE;
}

static void remember(struct kith_node *n, const struct endpoint *to, enum carrier carrier)
{
    uint64_t h = hash_of(n, to);
    n->race_memory.slots[h % RACE_MEMORY].tag = (uint32_t)(h >> 32);
    n->race_memory.slots[h % RACE_MEMORY].carrier = (uint8_t)carrier;
}

static enum carrier first_choice(struct kith_node *n, const struct endpoint *to)
{
    enum carrier before = race_remembered(n, to);
    if (before != CARRIER_NONE)
        return before;
    return endpoint_class(to) == ADDR_GLOBAL ? CARRIER_UTP : CARRIER_TCP;
}

/* ---- the race ------------------------------------------------------------------------------ */

static void leave(struct runner *r)
{
    if (r->stream)
        stream_close(r->stream);
    r->stream = NULL;
}

static void start_other(struct race *r);

static void win(struct runner *r)
{
    struct race *race = r->race;
    leave(&race->runners[r == &race->runners[0]]);
    timer_cancel(&race->node->timers, &race->head_start);
    race->winner = r->stream;
    remember(race->node, &race->to, r->carrier);
    stream_set_events(race->winner, &race->events, race->user);
    race->events.connected(race->user, 0);
}

static void on_connected(void *user, int err)
{
    struct runner *r = user;
    struct race *race = r->race;
    if (err == 0) {
        win(r);
        return;
    }
    leave(r);
    if (!race->both_started)
        start_other(race);
    if (race->runners[0].stream || race->runners[1].stream)
        return;
    race->events.connected(race->user, err);
}

/* Nobody wants them before the race is won. */
static void never(void *user)
{
    (void)user;
}

static const struct env_tcp_events runner_events = {on_connected, never, never};

static int start(struct runner *r)
{
    struct race *race = r->race;
    int err = r->carrier == CARRIER_UTP
                  ? utp_io_connect(race->node, &race->to, &runner_events, r, &r->stream)
                  : stream_connect_tcp(race->node, &race->to, &runner_events, r, &r->stream);
    if (err)
        r->stream = NULL;
    return err;
}

static void start_other(struct race *race)
{
    race->both_started = true;
    timer_cancel(&race->node->timers, &race->head_start);
    start(&race->runners[1]);
}

static void head_start_over(struct timer *timer, usec now)
{
    (void)now;
    start_other(container_of(timer, struct race, head_start));
}

/* ---- as a stream --------------------------------------------------------------------------- */

static struct race *race_of(struct stream *s)
{
    return container_of(s, struct race, stream);
}

static void race_set_events(struct stream *s, const struct env_tcp_events *events, void *user)
{
    struct race *race = race_of(s);
    race->events = *events;
    race->user = user;
    if (race->winner)
        stream_set_events(race->winner, events, user);
}

static void race_want(struct stream *s, bool read, bool write)
{
    if (race_of(s)->winner)
        stream_want(race_of(s)->winner, read, write);
}

static void race_expect(struct stream *s, size_t bytes)
{
    if (race_of(s)->winner)
        stream_expect(race_of(s)->winner, bytes);
}

static ssize_t race_readv(struct stream *s, const struct iovec *iov, int count)
{
    struct race *race = race_of(s);
    return race->winner ? stream_readv(race->winner, iov, count) : ERR_AGAIN;
}

static ssize_t race_writev(struct stream *s, const struct iovec *iov, int count, bool more)
{
    struct race *race = race_of(s);
    return race->winner ? stream_writev(race->winner, iov, count, more) : ERR_AGAIN;
}

static enum carrier race_carrier(struct stream *s)
{
    struct race *race = race_of(s);
    return race->winner ? stream_carrier(race->winner) : CARRIER_NONE;
}

static void race_close(struct stream *s)
{
    struct race *race = race_of(s);
    timer_cancel(&race->node->timers, &race->head_start);
    leave(&race->runners[0]);
    leave(&race->runners[1]);
    free(race);
}

static const struct stream_ops race_ops = {
    race_set_events, race_want, race_expect, race_readv, race_writev, race_close, race_carrier};

int race_connect(struct kith_node *n, const struct endpoint *to,
    const struct env_tcp_events *events, void *user, struct stream **out)
{
    struct race *race = calloc(1, sizeof *race);
    if (!race || timer_heap_reserve(&n->timers, n->timers.count + 64) != 0) {
        free(race);
        return ERR_NOMEM;
    }
    enum carrier first = first_choice(n, to);
    *race = (struct race){.stream = {&race_ops}, .node = n, .to = *to, .user = user};
    race->events = *events;
    race->head_start.fire = head_start_over;
    race->runners[0] = (struct runner){race, NULL, first};
    race->runners[1] =
        (struct runner){race, NULL, first == CARRIER_TCP ? CARRIER_UTP : CARRIER_TCP};
    int err = start(&race->runners[0]);
    if (err) {
        race->both_started = true;
        err = start(&race->runners[1]);
    } else {
        timer_set(&n->timers, &race->head_start, env_now(n->env) + RACE_HEAD_START);
        node_arm(n);
    }
    if (err) {
        free(race);
        return err;
    }
    *out = &race->stream;
    return 0;
}
