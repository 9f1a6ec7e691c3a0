/* Suggestions of a seed (BEP 6). Those who take from it choose by what they see, and of one another
 * they see a part, and only what is whole: so several ask for the same piece that nobody has yet,
 * and a seed sends some pieces three times before others once. It knows better: each piece is
 * suggested to one of its takers before any is suggested again, until there are copies elsewhere.
 */
#include "swarm/torrent/torrent_internal.h"

#define AHEAD 2u /* suggestions that a taker has beyond the piece that it asks for */
#define LOOKS 64u
#define FEW 3u /* copies; of a piece with more, the others find one themselves */

/* From where the last search ended, the first piece with the fewest copies of those that the peer
 * lacks. piece_count: there are enough of all that were looked at. */
static uint32_t choose(struct torrent *t, const struct peer *p)
{
    uint32_t count = t->metainfo->piece_count, best = count, fewest = FEW;
    uint32_t looks = count < LOOKS ? count : LOOKS;
    for (uint32_t n = 0; n < looks && fewest > 0; n++) {
        uint32_t piece = (t->suggest_at + n) % count;
        uint32_t copies = picker_copies(t->picker, piece);
        if (copies >= fewest || (p->have.size > 0 && bitfield_get(&p->have, piece)))
            continue;
        best = piece;
        fewest = copies;
    }
    t->suggest_at = best < count ? best + 1 : t->suggest_at + looks;
    return best;
}

static void suggest(struct torrent *t, struct peer *p)
{
    uint32_t piece = choose(t, p);
    if (piece < t->metainfo->piece_count)
        peer_say_suggest(p, piece);
}

static bool may_suggest(const struct torrent *t, const struct peer *p)
{
    return p->fast && t->completed && t->picker && t->have.count == t->have.size &&
           t->have.size > 0 && !torrent_is_veiled(t);
}

void torrent_suggest_first(struct torrent *t, struct peer *p)
{
    for (unsigned i = 0; i < 1 + AHEAD && may_suggest(t, p) && !p->gone; i++)
        suggest(t, p);
}

void torrent_suggest_next(struct torrent *t, struct peer *p, uint32_t piece)
{
    if (piece == p->taking || !may_suggest(t, p))
        return;
    p->taking = piece;
    suggest(t, p);
}
