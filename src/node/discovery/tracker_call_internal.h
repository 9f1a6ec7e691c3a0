/* What tracker_call.c and tracker_call_udp.c know of each other. */
#ifndef KITH_NODE_TRACKER_CALL_INTERNAL_H
#define KITH_NODE_TRACKER_CALL_INTERNAL_H

#include "node/discovery/tracker_call.h"

/* ---- tracker_call.c ------------------------------------------------------------------------ */

/* What may be behind the address of a tracker: see endpoint_allowed. */
enum addr_source tracker_call_source(const char *url);
/* It needs its turn no longer; if it has one, somebody else does. */
void tracker_call_give_turn(struct tracker_call *);
/* The tracker answered (0), or this befell: who comes next learns from it. */
void tracker_call_heard(struct tracker_call *, int err);

/* ---- tracker_call_udp.c -------------------------------------------------------------------- */

/* The tracker goes by a name that we have to look up: that takes a turn. */
bool tracker_call_looks_up(const struct tracker_call *);
/* As tracker_call_begin. */
int tracker_call_ask_udp(struct tracker_call *);
/* Nothing happens to one that was never asked. */
void tracker_call_end_udp(struct tracker_call *);
/* Of node->calls.go: those that waited for an id ask. */
void tracker_call_let_go(struct timer *, usec now);

#endif
