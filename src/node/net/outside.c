/* See outside.h. */
#include "node/net/outside.h"
#include "node/net/port_mapping.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <string.h>

void outside_seen_at(struct kith_node *n, const struct endpoint *voter, const struct endpoint *ours)
{
    address_vote_cast(&n->address_votes[ours->family == ADDR_V6], voter, ours, env_now(n->env));
}

void outside_tracker_said(struct kith_node *n, const struct endpoint *ours)
{
    address_vote_cast_by_trackers(
        &n->address_votes[ours->family == ADDR_V6], ours, env_now(n->env));
}

void outside_reached_by(struct kith_node *n, const struct endpoint *from)
{
    n->reached_from_outside |= endpoint_class(from) == ADDR_GLOBAL;
}

bool outside_address(const struct kith_node *n, enum addr_family family, struct endpoint *out)
{
    struct endpoint mapped = {0};
    bool is_mapped = port_mapping_external(n, family, &mapped);
    if (is_mapped && endpoint_class(&mapped) == ADDR_GLOBAL) {
        *out = mapped;
        return true;
    }
    struct address_tally t =
        address_vote_count(&n->address_votes[family == ADDR_V6], env_now(n->env));
    if (t.votes < OUTSIDE_VOTES_NEEDED || t.address.family == ADDR_NONE)
        return false;
    *out = t.address;
    out->port = is_mapped ? mapped.port : n->port;
    return out->port != 0;
}

/* Trackers and peers take one port for both families; only IPv4's is ever another than ours. */
uint16_t outside_port(const struct kith_node *n)
{
    struct endpoint mapped;
    return port_mapping_external(n, ADDR_V4, &mapped) ? mapped.port : n->port;
}

bool outside_is_reachable(const struct kith_node *n)
{
    struct endpoint mapped;
    return n->reached_from_outside || port_mapping_external(n, ADDR_V4, &mapped);
}

int kith_network(struct kith_node *n, struct kith_network *given)
{
    struct kith_network out = {.size = given->size,
        .mapping = port_mapping_kind(n),
        .asking_router = port_mapping_is_asking(n),
        .reachable = outside_is_reachable(n)};
    struct endpoint e;
    if (outside_address(n, ADDR_V4, &e))
        endpoint_text(&e, out.address_v4);
    if (outside_address(n, ADDR_V6, &e))
        endpoint_text(&e, out.address_v6);
    node_fill(given, given->size, &out, sizeof out);
    return 0;
}

void outside_network_changed(struct kith_node *n)
{
    memset(n->address_votes, 0, sizeof n->address_votes);
    n->reached_from_outside = false;
}
