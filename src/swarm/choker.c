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

/* The best of those who are interested and have no slot yet; count if there is none. */
static size_t best(const struct choker_peer *peers, size_t count,
    bool (*better)(const struct choker_peer *, const struct choker_peer *))
{
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        if (!peers[i].interested || peers[i].unchoke)
            continue;
        if (found == count || better(&peers[i], &peers[found]))
            found = i;
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

/* Whoever holds a slot whose turn is over does not wait at all; of those, who began last stays. */
static bool waited_longer(const struct choker_peer *a, const struct choker_peer *b)
{
    if (a->unchoked != b->unchoked)
        return b->unchoked;
    return a->unchoked ? a->changed_at > b->changed_at : a->changed_at < b->changed_at;
}

static void give_slots(struct choker_peer *peers, size_t count, unsigned slots,
    bool (*better)(const struct choker_peer *, const struct choker_peer *))
{
    while (slots-- > 0) {
        size_t i = best(peers, count, better);
        if (i == count)
            return;
        peers[i].unchoke = true;
    }
}

/* One slot by lot, newcomers with three lots: they have nothing yet to give. */
static void give_by_lot(struct choker *c, struct choker_peer *peers, size_t count, usec now)
{
    uint32_t lots = 0;
    for (size_t i = 0; i < count; i++)
        if (peers[i].interested && !peers[i].unchoke)
            lots += now - peers[i].joined_at < CHOKER_NEWCOMER ? 3 : 1;
    if (lots == 0)
        return;
    uint32_t drawn = chance(c, lots);
    for (size_t i = 0; i < count; i++) {
        if (!peers[i].interested || peers[i].unchoke)
            continue;
        uint32_t own = now - peers[i].joined_at < CHOKER_NEWCOMER ? 3 : 1;
        if (drawn < own) {
            peers[i].unchoke = true;
            c->optimistic_at = now;
            return;
        }
        drawn -= own;
    }
}

static void run_leeching(struct choker *c, struct choker_peer *peers, size_t count, usec now)
{
    give_slots(peers, count, CHOKER_SLOTS - 1, gives_more);
    /* The optimistic slot stays with its holder until its time is up. */
    bool due = now - c->optimistic_at >= CHOKER_OPTIMISTIC;
    for (size_t i = 0; i < count && !due; i++) {
        if (!peers[i].unchoke && peers[i].interested && peers[i].unchoked) {
            peers[i].unchoke = true;
            return;
        }
    }
    give_by_lot(c, peers, count, now);
}

static void run_seeding(struct choker_peer *peers, size_t count, usec now)
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
    give_slots(peers, count, slots, waited_longer);
}

void choker_run(struct choker *c, struct choker_peer *peers, size_t count, bool seeding, usec now)
{
    for (size_t i = 0; i < count; i++)
        peers[i].unchoke = false;
    if (seeding)
        run_seeding(peers, count, now);
    else
        run_leeching(c, peers, count, now);
    c->next_round = now + CHOKER_ROUND;
}
