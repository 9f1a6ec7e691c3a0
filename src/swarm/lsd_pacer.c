/* See lsd_pacer.h. */
#include "swarm/lsd_pacer.h"

#include "base/bytes.h"
#include "base/err.h"

#include <assert.h>

/* Before everything that is merely due: clocks begin at 0. */
#define FRONT ((usec)-1)

/* A spread, not a secret: xorshift64*. */
static usec draw(struct lsd_pacer *p, usec below)
{
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    return (usec)((p->random * 0x2545f4914f6cdd1dull) >> 33) % below;
}

static uint64_t key_of(const struct lsd_pacer *p, const uint8_t *hash)
{
    return siphash13(hash, sizeof(struct info_hash), p->seed);
}

int lsd_pacer_init(struct lsd_pacer *p, const uint8_t seed[16], usec now)
{
    *p = (struct lsd_pacer){.credit = LSD_BURST, .credited_at = now, .heard_since = now};
    timer_heap_init(&p->due);
    p->random = load_u64(seed) | 1;
    memcpy(p->seed, seed, sizeof p->seed);
    p->by_hash = map_new(sizeof(uint64_t), seed);
    return p->by_hash ? 0 : ERR_NOMEM;
}

void lsd_pacer_free(struct lsd_pacer *p)
{
    if (!p->by_hash)
        return;
    for (struct timer *t; (t = timer_heap_first(&p->due)) != NULL;)
        lsd_pacer_leave(p, container_of(t, struct lsd_member, timer));
    timer_heap_free(&p->due);
    map_free(p->by_hash);
    p->by_hash = NULL;
}

int lsd_pacer_join(struct lsd_pacer *p, struct lsd_member *m, const uint8_t *const hashes[],
    unsigned count, enum lsd_haste haste, usec now)
{
    assert(count <= 2);
    if (m->joined || count == 0)
        return 0;
    int err = timer_heap_reserve(&p->due, p->due.count + 1);
    *m = (struct lsd_member){.count = (uint8_t)count, .joined = true};
    for (unsigned i = 0; i < count; i++)
        m->hashes[i] = hashes[i];
    for (unsigned i = 0; i < count && !err; i++) {
        uint64_t key = key_of(p, hashes[i]);
        err = map_put(p->by_hash, &key, m);
    }
    if (err) {
        lsd_pacer_leave(p, m);
        return err;
    }
    timer_set(&p->due, &m->timer, haste == LSD_SEEKS ? FRONT : now);
    return 0;
}

void lsd_pacer_leave(struct lsd_pacer *p, struct lsd_member *m)
{
    if (!m->joined)
        return;
    timer_cancel(&p->due, &m->timer);
    for (unsigned i = 0; i < m->count; i++) {
        uint64_t key = key_of(p, m->hashes[i]);
        if (map_get(p->by_hash, &key) == m)
            map_remove(p->by_hash, &key);
    }
    m->joined = false;
}

void lsd_pacer_restart(struct lsd_pacer *p, usec now)
{
    /* All are armed, and equal deadlines are as good a heap as any order of them. */
    for (size_t i = 1; i <= p->due.count; i++) {
        struct lsd_member *m = container_of(p->due.slots[i], struct lsd_member, timer);
        m->announces = 0;
        m->timer.deadline = now;
    }
}

/* ---- listening ----------------------------------------------------------------------------- */

bool lsd_pacer_hears(struct lsd_pacer *p, usec now)
{
    if (now - p->heard_since >= SECONDS(1)) {
        p->heard_since = now;
        p->heard = 0;
    }
    return p->heard++ < LSD_HEARD_MAX;
}

struct lsd_member *lsd_pacer_asked(struct lsd_pacer *p, const struct info_hash *hash, usec now)
{
    uint64_t key = key_of(p, hash->b);
    struct lsd_member *m = map_get(p->by_hash, &key);
    if (!m)
        return NULL;
    bool silent_enough = m->announces == 0 || now - m->announced_at >= LSD_ANSWER_GAP;
    usec when = now + draw(p, LSD_ANSWER_SPREAD);
    if (silent_enough && when < m->timer.deadline)
        timer_set(&p->due, &m->timer, when);
    return m;
}

/* ---- speaking ------------------------------------------------------------------------------ */

static void refill(struct lsd_pacer *p, usec now)
{
    while (p->credit < LSD_BURST && now - p->credited_at >= LSD_DATAGRAM_EVERY) {
        p->credit++;
        p->credited_at += LSD_DATAGRAM_EVERY;
    }
    if (p->credit == LSD_BURST)
        p->credited_at = now;
}

static void announced(struct lsd_pacer *p, struct lsd_member *m, usec now)
{
    static const usec repeats[] = {LSD_REPEAT_FIRST, LSD_REPEAT_SECOND};
    usec wait = m->announces < sizeof repeats / sizeof *repeats
                    ? repeats[m->announces]
                    : LSD_EVERY - draw(p, LSD_EVERY / 10);
    m->announced_at = now;
    m->announces += m->announces < 3;
    timer_set(&p->due, &m->timer, now + wait);
}

unsigned lsd_pacer_next(struct lsd_pacer *p, struct info_hash out[LSD_SEND_MAX], usec now)
{
    unsigned count = 0;
    refill(p, now);
    while (p->credit > 0) {
        struct timer *first = timer_heap_first(&p->due);
        if (!first || first->deadline > now)
            break;
        struct lsd_member *m = container_of(first, struct lsd_member, timer);
        if (count + m->count > LSD_SEND_MAX)
            break;
        for (unsigned i = 0; i < m->count; i++)
            memcpy(out[count++].b, m->hashes[i], sizeof out->b);
        announced(p, m, now);
    }
    p->credit -= count > 0;
    return count;
}

usec lsd_pacer_deadline(const struct lsd_pacer *p)
{
    usec due = timer_heap_deadline(&p->due);
    if (due == NEVER || p->credit > 0)
        return due;
    usec allowed = p->credited_at + LSD_DATAGRAM_EVERY;
    return due > allowed ? due : allowed;
}
