/* Peers that have fallen silent while they owe us blocks: a cable was pulled, a router restarted.
 *
 * TCP says nothing more for a while then: it doubles its pauses, and after half a minute without
 * the way it may be as long again until it tries. (Where the system can bound those pauses, env
 * does.) So the peer is asked for a sign of life, and when none comes it is called anew, again and
 * again, while the old connection stands: whichever is heard first goes on. The other side takes
 * the new connection in the place of the old if that has been silent to it, too. Had it been busy,
 * it would have heard our questions: kith keeps the old one then, closes the new, and is left alone
 * (libtorrent may close the old one: by which id is greater). */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"

/* It is we who do not listen: the disk is slow, or the rate is limited. Its silence counts from
 * when we do again. */
static bool is_unheard(const struct peer *p)
{
    return p->starved || p->throttled;
}

static bool owes(const struct torrent *t, const struct peer *p)
{
    return torrent_is_downloading(t) && !p->gone && p->requests.waiting > 0;
}

static void call_anew(struct torrent *t, struct peer *p)
{
    struct endpoint at;
    if (!t->host.ops->recall || p->recalled || t->now < p->recall_due)
        return;
    if (t->connecting >= TORRENT_CONNECTING_MAX || !peer_reachable_at(p, &at))
        return;
    p->recall_due = t->now + TORRENT_RECALL_EVERY;
    p->recalled_at = at;
    p->recalled = t->host.ops->recall(t->host.user, t, &at);
    t->connecting += p->recalled;
}

void torrent_mind_silence(struct torrent *t, struct peer *p)
{
    if (is_unheard(p))
        p->heard_at = t->now;
    usec silence = t->now - p->heard_at;
    if (silence < TORRENT_SILENCE_ASKED || !owes(t, p))
        return;
    if (t->now - p->said_at >= TORRENT_SILENCE_ASKED)
        peer_say_keep_alive(p);
    if (silence >= TORRENT_SILENCE_CALLED && !p->gone)
        call_anew(t, p);
}

bool torrent_recall_failed(struct torrent *t, const struct endpoint *to, int err)
{
    for (uint32_t i = 0; i < t->peer_count; i++) {
        struct peer *p = t->peers[i];
        if (!p->recalled || !endpoint_equal(&p->recalled_at, to))
            continue;
        p->recalled = false;
        if (err == ERR_REFUSED) /* the way is there, and it does not want to be called */
            p->recall_due = t->now + TORRENT_RECALL_PAUSE;
        return true;
    }
    return false;
}

/* Whoever is called decides, and the caller follows. Anybody can say that he is the peer; from its
 * address, and while it is silent, hardly. What is idle is left as it is: two that want nothing of
 * one another are silent for minutes. */
bool torrent_gives_way(const struct torrent *t, const struct peer *old, const struct peer_intro *by)
{
    bool is_busy = old->requests.waiting > 0 || (old->interested_in_us && !old->choked_by_us);
    if (!by->incoming && old->recalled)
        return true;
    return is_busy && !is_unheard(old) && t->now - old->heard_at >= TORRENT_SILENCE_GIVES_WAY &&
           endpoint_same_ip(&old->address, &by->address);
}
