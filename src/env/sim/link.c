/* A link: round robin over its sources, exact in time. See link.h. */
#include "env/sim/link.h"
#include "env/sim/world.h"

#define PACKET 1448 /* a TCP segment's payload on Ethernet with timestamps */
#define QUANTUM_MAX ((size_t)65536)

size_t sim_link_quantum(const struct sim_link *link)
{
    if (link->rate == 0 || link->rate / 1000 > QUANTUM_MAX)
        return QUANTUM_MAX;
    return link->rate / 1000 < PACKET ? PACKET : link->rate / 1000;
}

/* How long `size` bytes occupy the line. */
static usec occupy(struct sim_link *link, size_t size)
{
    if (link->rate == 0)
        return 0;
    unsigned __int128 work = (unsigned __int128)size * USEC_PER_SEC + link->remainder;
    link->remainder = (uint64_t)(work % link->rate);
    return (usec)(work / link->rate);
}

static uint64_t backlog(const struct sim_link *link)
{
    usec wait = link->free_at - link->world->now;
    return wait <= 0 ? 0 : (uint64_t)((unsigned __int128)wait * link->rate / USEC_PER_SEC);
}

bool sim_link_full(const struct sim_link *link, size_t size)
{
    return link->queue_max > 0 && link->rate > 0 && backlog(link) + size > link->queue_max;
}

/* When what is put on the line now will have left it. */
static usec leaves_at(struct sim_link *link, size_t size)
{
    usec from = link->world->now;
    if (link->queue_max > 0 && link->free_at > from)
        from = link->free_at;
    link->free_at = from + occupy(link, size);
    return link->free_at;
}

/* Something is on the line. (A modem's queue takes what comes, and says when it will have left.) */
static bool is_busy(const struct sim_link *link)
{
    return link->queue_max == 0 && link->free_at > link->world->now;
}

/* The end of what is on the line is an event only if somebody waits for it. */
static void serve(struct sim_link *link)
{
    if (link->serving)
        return; /* what take() adds must wait for its turn */
    link->serving = true;
    while (!is_busy(link) && !list_empty(&link->waiting)) {
        struct sim_source *source =
            list_entry(list_pop_front(&link->waiting), struct sim_source, link);
        size_t size = source->take(source, sim_link_quantum(link));
        usec at = leaves_at(link, size);
        if (size > 0)
            source->sent(source, at);
    }
    link->serving = false;
    if (!list_empty(&link->waiting) && link->idle_again.slot == 0)
        sim_schedule(link->world, &link->idle_again, link->free_at);
}

static void idle_again(struct sim_event *event)
{
    serve(container_of(event, struct sim_link, idle_again));
}

void sim_link_init(struct sim_link *link, struct sim_world *world, struct sim_host *host,
    uint64_t rate, uint64_t queue_max)
{
    *link = (struct sim_link){.world = world, .rate = rate, .queue_max = queue_max};
    list_init(&link->waiting);
    sim_event_init(&link->idle_again, "link", host, idle_again);
}

void sim_link_want(struct sim_link *link, struct sim_source *source)
{
    if (source->link.next != &source->link)
        return;
    list_push_back(&link->waiting, &source->link);
    serve(link);
}
