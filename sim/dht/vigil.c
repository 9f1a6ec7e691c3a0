/* See vigil.h. */
#include "vigil.h"

#include <stdio.h>
#include <stdlib.h>

#define SETTLED SECONDS(300) /* members that put and look are at least that old */
#define KEEPER_TICK SECONDS(5)
#define SECOND_KEEPER 1 /* of a watch's two: the one that comes back with an old value */

struct watch {
    struct vigil *vigil;
    struct ed25519_seed secret;
    char values[2][16];
    struct dht_item items[2]; /* the first value and the newer one */
    struct node_id target;
    struct keeper *keepers[2];
    struct member *members[2]; /* theirs */
    struct wheel_event looks, ticks;
};

/* One look of one member. It outlives the watch's next turn. */
struct look {
    struct watch *watch;
    unsigned hour;
    bool renewed; /* the newer value was there when it began */
    int64_t seq;  /* the newest that was found; 0: nothing */
};

static void start(struct member *m, const struct dht_request *r)
{
    if (!dht_search(m->dht, r, m->crowd->wheel.now))
        abort();
    crowd_rearm(m);
}

static struct dht_request request_of(const struct watch *w)
{
    return (struct dht_request){.aim = DHT_GET_ITEM, .target = w->target, .is_mutable = true};
}

/* ---- looking ------------------------------------------------------------------------------- */

static void sees(void *user, const struct dht_item *item)
{
    ((struct look *)user)->seq = item->seq;
}

static void looked(void *user, const struct dht_result *r)
{
    struct look *l = user;
    struct vigil_hour *h = &l->watch->vigil->hours[l->hour];
    (void)r;
    h->looked++;
    h->found += l->seq > 0;
    h->newest += l->seq > 0 && (!l->renewed || l->seq == l->watch->items[1].seq);
    free(l);
}

/* A member that leaves in the midst of it takes its look along. */
static void looks(struct wheel_event *event)
{
    struct watch *w = container_of(event, struct watch, looks);
    struct vigil *v = w->vigil;
    struct crowd *c = v->crowd;
    struct member *m = crowd_pick(c, SETTLED);
    struct look *l = calloc(1, sizeof *l);
    unsigned hour = (unsigned)((c->wheel.now - v->began) / SECONDS(3600));
    if (!l || hour >= VIGIL_HOURS_MAX)
        abort();
    /* The newer one may take an hour to get to where the keeper looks next. */
    bool renewed = v->renewed && c->wheel.now - v->renewed > SECONDS(60);
    *l = (struct look){.watch = w, .hour = hour, .renewed = renewed};
    struct dht_request r = request_of(w);
    r.user = l;
    r.item = sees;
    r.done = looked;
    if (m)
        start(m, &r);
    wheel_put(&c->wheel, event, c->wheel.now + VIGIL_LOOK_EVERY);
}

/* ---- putting and keeping ------------------------------------------------------------------- */

static bool gives_first(void *user, const struct dht_item *found, struct dht_item *out)
{
    (void)found;
    *out = ((struct watch *)user)->items[0];
    return true;
}

static bool gives_newer(void *user, const struct dht_item *found, struct dht_item *out)
{
    (void)found;
    *out = ((struct watch *)user)->items[1];
    return true;
}

static void put_once(
    struct watch *w, bool (*gives)(void *, const struct dht_item *, struct dht_item *))
{
    struct member *m = crowd_pick(w->vigil->crowd, SETTLED);
    struct dht_request r = request_of(w);
    r.user = w;
    r.put = gives;
    if (!m)
        abort();
    start(m, &r);
}

static void ticks(struct wheel_event *event)
{
    struct watch *w = container_of(event, struct watch, ticks);
    struct wheel *wheel = &w->vigil->crowd->wheel;
    for (unsigned i = 0; i < 2; i++)
        if (w->keepers[i] && keeper_deadline(w->keepers[i]) <= wheel->now) {
            keeper_tick(w->keepers[i], wheel->now);
            crowd_rearm(w->members[i]);
        }
    wheel_put(wheel, event, wheel->now + KEEPER_TICK);
}

static void keeper_comes(struct watch *w, unsigned i)
{
    struct crowd *c = w->vigil->crowd;
    struct keeper_config config = {.user = w};
    store_u64(config.seed, sim_rng_next(&c->rng));
    w->members[i] = crowd_pick(c, SETTLED);
    w->keepers[i] = keeper_new(&config);
    if (!w->members[i] || !w->keepers[i])
        abort();
    crowd_stay(w->members[i]);
    keeper_use(w->keepers[i], w->members[i]->dht);
    if (keeper_keep(w->keepers[i], &w->target, &w->items[0], c->wheel.now) != 0)
        abort();
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void watch_begin(struct watch *w, struct vigil *v)
{
    struct crowd *c = v->crowd;
    w->vigil = v;
    store_u64(w->secret.b, sim_rng_next(&c->rng));
    for (unsigned i = 0; i < 2; i++) {
        snprintf(w->values[i], sizeof w->values[i], "i%ue", i + 1);
        w->items[i] = (struct dht_item){
            .is_mutable = true, .value = bytes_of_str(w->values[i]), .seq = i + 1};
        dht_item_sign(&w->items[i], &w->secret);
    }
    w->target = dht_item_target(&w->items[0]);
    put_once(w, gives_first);
    if (v->keepers)
        keeper_comes(w, 0);
    wheel_event_init(&w->looks, looks);
    wheel_event_init(&w->ticks, ticks);
    wheel_put(&c->wheel, &w->looks,
        c->wheel.now + SECONDS(60) + (usec)sim_rng_below(&c->rng, (uint64_t)VIGIL_LOOK_EVERY));
    wheel_put(&c->wheel, &w->ticks, c->wheel.now + KEEPER_TICK);
}

static void watch_end(struct watch *w)
{
    wheel_remove(&w->looks);
    wheel_remove(&w->ticks);
    keeper_free(w->keepers[0]);
    keeper_free(w->keepers[1]);
}

static void renew(struct vigil *v)
{
    for (unsigned i = 0; i < v->count; i++)
        put_once(&v->watches[i], gives_newer);
    v->renewed = v->crowd->wheel.now;
    crowd_run(v->crowd, v->renewed + SECONDS(7200));
    for (unsigned i = 0; i < v->count && v->keepers; i++)
        keeper_comes(&v->watches[i], SECOND_KEEPER);
}

void vigil_keep(struct vigil *v, struct crowd *c, unsigned count, bool keepers, usec span)
{
    *v = (struct vigil){.crowd = c, .count = count, .keepers = keepers, .began = c->wheel.now};
    v->watches = calloc(count, sizeof *v->watches);
    if (!v->watches)
        abort();
    for (unsigned i = 0; i < count; i++)
        watch_begin(&v->watches[i], v);
    if (keepers) {
        crowd_run(c, v->began + span / 2);
        renew(v);
    }
    crowd_run(c, v->began + span);
    for (unsigned i = 0; i < count; i++)
        watch_end(&v->watches[i]);
    crowd_run(c, c->wheel.now + SECONDS(60)); /* looks that are under way end */
    free(v->watches);
}

struct vigil_hour vigil_between(const struct vigil *v, unsigned first, unsigned end)
{
    struct vigil_hour sum = {0};
    for (unsigned i = first; i < end && i < VIGIL_HOURS_MAX; i++) {
        sum.looked += v->hours[i].looked;
        sum.found += v->hours[i].found;
        sum.newest += v->hours[i].newest;
    }
    return sum;
}
