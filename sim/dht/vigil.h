/* Items of BEP 44 through days of churn: each is put once by somebody who has its key, and then
 * either watched over by one keeper, who has no key, or by nobody. Half-way each gets a newer value
 * from a member that puts it once and is never heard of again; and a keeper that knows only the
 * first value comes back from sleep. All the while members look for them. */
#ifndef KITH_SIM_DHT_VIGIL_H
#define KITH_SIM_DHT_VIGIL_H

#include "crowd.h"
#include "dht/keeper.h"

#define VIGIL_LOOK_EVERY SECONDS(1200)
#define VIGIL_HOURS_MAX 128u

struct vigil_hour {
    unsigned looked, found, newest; /* newest: no older value than there is */
};

struct vigil {
    struct crowd *crowd;
    struct watch *watches;
    unsigned count;
    bool keepers;
    usec began, renewed; /* 0: not yet */
    struct vigil_hour hours[VIGIL_HOURS_MAX];
};

/* Watches over `count` items for so long, and then ends; the crowd runs meanwhile. */
void vigil_keep(struct vigil *, struct crowd *, unsigned count, bool keepers, usec span);
/* What was seen from one hour to another. */
struct vigil_hour vigil_between(const struct vigil *, unsigned first, unsigned end);

#endif
