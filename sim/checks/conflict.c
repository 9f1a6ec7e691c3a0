/* A node never takes its own data for somebody else's, however it died before. */
#include "check.h"

static void event(struct swarm_node *n, const struct kith_event *e)
{
    if (kith_event_type(e) == KITH_EVENT_CONFLICT)
        swarm_fail(
            n->swarm, "%s takes its own data for somebody else's: %s", n->name, kith_event_text(e));
}

const struct check check_conflict = {"a node knows its own data", event, NULL};
