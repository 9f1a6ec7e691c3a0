/* Whose turn it is to download, where only so many may at a time (downloads_max): of those that
 * want to, the ones that came first. Who is complete seeds without a place in the queue.
 *
 * Those that have their turn stand in one heap, the last of them first; those that wait in another,
 * the first of them first. So an event costs the logarithm of how many there are: whatever may
 * change whether a torrent wants a turn says so. The heaps are never run. See node_internal.h. */
#include "node/node_internal.h"

static bool wants_a_turn(struct kith_torrent *k)
{
    k->node->queue_looks++;
    return k->awake && k->torrent && !k->paused && !k->removing && !k->reopening && k->state == 0 &&
           torrent_storage(k->torrent) && !torrent_is_complete(k->torrent);
}

static struct kith_torrent *first_of(const struct timer_heap *heap)
{
    struct timer *first = timer_heap_first(heap);
    return first ? container_of(first, struct entry_awake, turn)->entry : NULL;
}

/* Without memory it stands nowhere, and nobody waits for it. */
static void stand_in(struct kith_torrent *k, struct timer_heap *heap, int64_t place)
{
    if (timer_heap_reserve(heap, heap->count + 1) == 0)
        timer_set(heap, &k->awake->turn, place);
}

static void give_turn(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    timer_cancel(&n->waiting, &k->awake->turn);
    k->awake->has_turn = true;
    stand_in(k, &n->downloading, -k->number);
    if (k->queued && !k->paused)
        torrent_resume(k->torrent);
    k->queued = false;
}

static void take_turn_back(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    timer_cancel(&n->downloading, &k->awake->turn);
    k->awake->has_turn = false;
    stand_in(k, &n->waiting, k->number);
}

static void make_wait(struct kith_torrent *k)
{
    k->queued = true;
    web_seeds_cancel(k);
    torrent_pause(k->torrent);
}

/* The first of those that wait goes before the last of those that have their turn. */
static void settle(struct kith_node *n)
{
    struct kith_torrent *next, *last;
    while ((next = first_of(&n->waiting)) != NULL) {
        last = first_of(&n->downloading);
        bool is_full = n->downloading.count >= n->downloads_max;
        if (is_full && last->number < next->number)
            return;
        if (is_full) {
            take_turn_back(last);
            make_wait(last);
        }
        give_turn(next);
    }
}

void entry_leave_queue(struct kith_torrent *k)
{
    if (!k->awake || !timer_armed(&k->awake->turn))
        return;
    timer_cancel(k->awake->has_turn ? &k->node->downloading : &k->node->waiting, &k->awake->turn);
    k->awake->has_turn = false;
}

void entry_queue(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    if (n->downloads_max == 0)
        return; /* nobody ever waits */
    if (!wants_a_turn(k)) {
        entry_leave_queue(k);
        if (k->queued && k->torrent && !k->paused)
            torrent_resume(k->torrent);
        k->queued = false;
    } else if (!timer_armed(&k->awake->turn)) {
        stand_in(k, &n->waiting, k->number);
    }
    settle(n);
    if (k->awake && timer_armed(&k->awake->turn) && !k->awake->has_turn)
        make_wait(k);
}
