/* See choker.h. */
#include "swarm/choker.h"

void choker_init(struct choker *c, uint64_t seed)
{
    *c = (struct choker){.random = seed | 1};
}

static uint32_t chance(struct choker *c, uint32_t bound)
{
    c->random = c->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((c->random >> 33) * bound >> 31);
}

/* The best of those who are interested and have no slot yet, one of them by lot if they are equal;
 * count if there is none. */
static size_t best(struct choker *c, const struct choker_peer *peers, size_t count,
    bool (*better)(const struct choker_peer *, const struct choker_peer *))
{
    size_t found = count;
    uint32_t equals = 0;
    for (size_t i = 0; i < count; i++) {
        if (!peers[i].interested || peers[i].unchoke)
            continue;
        if (found == count || better(&peers[i], &peers[found])) {
            found = i;
            equals = 1;
        } else if (!better(&peers[found], &peers[i]) && chance(c, ++equals) == 0) {
            found = i;
        }
    }
    return found;
}

static bool gives_more(const struct choker_peer *a, const struct choker_peer *b)
{
    if (a->snubbed != b->snubbed)
        return b->snubbed;
    if (a->gives_rate != b->gives_rate)
        return a->gives_rate > b->gives_rate;
    return a->unchoked && !b->unchoked; /* change nothing without a reason */
}

static usec waits_since(const struct choker_peer *p)
{
    return p->changed_at ? p->changed_at : p->joined_at - CHOKER_SEED_CREDIT;
}

/* Whoever holds a slot whose turn is over does not wait at all; of those, who began last stays. */
static bool waited_longer(const struct choker_peer *a, const struct choker_peer *b)
{
    if (a->unchoked != b->unchoked)
        return b->unchoked;
    return a->unchoked ? a->changed_at > b->changed_at : waits_since(a) < waits_since(b);
}

static void give_slots(struct choker *c, struct choker_peer *peers, size_t count, unsigned slots,
    bool (*better)(const struct choker_peer *, const struct choker_peer *))
{
    while (slots-- > 0) {
        size_t i = best(c, peers, count, better);
        if (i == count)
            return;
        peers[i].unchoke = true;
    }
}

/* Newcomers have nothing yet to give; who has little of what we have is mostly one who found all
 * slots taken, and cannot get at what it would trade with. */
static uint32_t lots_of(const struct choker_peer *p, usec now)
{
    return p->poor                                ? CHOKER_LOTS_POOR
           : now - p->joined_at < CHOKER_NEWCOMER ? CHOKER_LOTS_NEWCOMER
                                                  : 1;
}

/* One slot by lot. */
static void give_by_lot(struct choker *c, struct choker_peer *peers, size_t count, usec now)
{
    uint32_t lots = 0;
    for (size_t i = 0; i < count; i++)
        if (peers[i].interested && !peers[i].unchoke)
            lots += lots_of(&peers[i], now);
    if (lots == 0)
        return;
    uint32_t drawn = chance(c, lots);
    for (size_t i = 0; i < count; i++) {
        if (!peers[i].interested || peers[i].unchoke)
            continue;
        uint32_t own = lots_of(&peers[i], now);
        if (drawn < own) {
            peers[i].unchoke = peers[i].by_lot = true;
            c->optimistic_at = now;
            return;
        }
        drawn -= own;
    }
}

/* Whoever holds the slot of chance and still wants it, and did not earn another; count: nobody. */
static size_t lot_holder(const struct choker_peer *peers, size_t count)
{
    size_t i = 0;
    while (i < count && !(peers[i].by_lot && peers[i].unchoked && peers[i].interested))
        i++;
    return i;
}

/* In its first seconds a torrent learns who gives what: whoever came second finds all slots taken,
 * and would wait for a tenth of a small download. */
static bool is_young(const struct choker *c, usec now)
{
    return now - c->began_at < CHOKER_YOUTH;
}

static void run_leeching(struct choker *c, struct choker_peer *peers, size_t count, usec now)
{
    usec turn = is_young(c, now) ? CHOKER_ROUND_YOUNG : CHOKER_OPTIMISTIC;
    bool due = now - c->optimistic_at >= turn;
    give_slots(c, peers, count, CHOKER_SLOTS - 1, gives_more);
    /* The slot stays with its holder until its time is up. */
    size_t holder = lot_holder(peers, count);
    if (!due && holder < count && !peers[holder].unchoke) {
        peers[holder].unchoke = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        peers[i].by_lot = false;
    give_by_lot(c, peers, count, now);
}

static void run_seeding(struct choker *c, struct choker_peer *peers, size_t count, usec now)
{
    unsigned slots = CHOKER_SLOTS;
    for (size_t i = 0; i < count && slots > 0; i++) {
        if (peers[i].interested && peers[i].unchoked &&
            now - peers[i].changed_at < CHOKER_SEED_TURN) {
            peers[i].unchoke = true;
            slots--;
        }
    }
    /* Those whose turn is over wait behind everybody who is choked, but before an idle slot. */
    give_slots(c, peers, count, slots, waited_longer);
}

void choker_run(struct choker *c, struct choker_peer *peers, size_t count, bool seeding, usec now)
{
    for (size_t i = 0; i < count; i++) {
        peers[i].unchoke = false;
        if (c->began_at == 0 && peers[i].interested)
            c->began_at = now;
    }
    if (seeding)
        run_seeding(c, peers, count, now);
    else
        run_leeching(c, peers, count, now);
    c->next_round = now + (!seeding && is_young(c, now) ? CHOKER_ROUND_YOUNG : CHOKER_ROUND);
}

void choker_fill(struct choker *c, struct choker_peer *peers, size_t count, bool seeding, usec now)
{
    unsigned used = 0;
    for (size_t i = 0; i < count; i++) {
        peers[i].unchoke = peers[i].interested && peers[i].unchoked;
        used += peers[i].unchoke;
    }
    if (!seeding && used < CHOKER_SLOTS && lot_holder(peers, count) == count) {
        give_by_lot(c, peers, count, now);
        used++;
    }
    if (used < CHOKER_SLOTS)
        give_slots(c, peers, count, CHOKER_SLOTS - used, seeding ? waited_longer : gives_more);
}
