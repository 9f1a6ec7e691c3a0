/* Turnover: a torrent that is full of peers of whom some are of no use to either side lets go of
 * the idlest now and then, when others wait to be tried or were turned away. Whoever gives or takes
 * anything stays, and so does whom the user named. */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"

#define TURNOVER_EVERY SECONDS(300)
#define TURNOVER_PATIENCE SECONDS(120) /* newcomers are left alone */
#define TURNOVER_SHARE 25u             /* one of so many goes, one at least */

static bool is_full(const struct torrent *t)
{
    return t->peer_count + t->connecting >= t->peers_max - t->peers_max / 10;
}

static bool is_idle(struct torrent *t, struct peer *p)
{
    return t->now - p->joined_at > TURNOVER_PATIENCE && p->source != ADDR_FROM_USER &&
           rate_meter_value(&p->down_rate, t->now) == 0 &&
           rate_meter_value(&p->up_rate, t->now) == 0;
}

/* Neither wants anything of the other: before those who may yet. */
static bool is_of_less_use(const struct peer *a, const struct peer *b)
{
    bool a_hopes = a->interesting || a->interested_in_us;
    bool b_hopes = b->interesting || b->interested_in_us;
    return a_hopes != b_hopes ? b_hopes : a->joined_at < b->joined_at;
}

static struct peer *idlest(struct torrent *t)
{
    struct peer *worst = NULL;
    for (uint32_t i = 0; i < t->peer_count; i++)
        if (is_idle(t, t->peers[i]) && (!worst || is_of_less_use(t->peers[i], worst)))
            worst = t->peers[i];
    return worst;
}

void torrent_turnover(struct torrent *t)
{
    if (t->now < t->next_turnover)
        return;
    t->next_turnover = t->now + TURNOVER_EVERY;
    bool wanted = t->turned_away || (!t->completed && peer_list_waiting(t->candidates) > 0);
    uint32_t go = is_full(t) && wanted ? 1 + t->peer_count / TURNOVER_SHARE : 0;
    for (struct peer *p; go > 0 && (p = idlest(t)) != NULL; go--) {
        peer_hang_up(p, ERR_BUSY, "makes room for others");
        t->turned_away = false;
    }
}
