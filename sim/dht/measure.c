/* See measure.h. */
#include "measure.h"

#include <stdlib.h>

#define SETTLED SECONDS(300) /* members that take part in trials are at least that old */

/* ---- distributions ------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread spread_of(double *values, size_t count)
{
    if (count == 0)
        return (struct spread){0};
    double sum = 0;
    qsort(values, count, sizeof *values, by_value);
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return (struct spread){
        sum / (double)count, values[count / 2], values[count * 99 / 100], values[count - 1]};
}

/* ---- load ---------------------------------------------------------------------------------- */

struct load_snapshot *load_begin(struct crowd *c, size_t *count)
{
    struct load_snapshot *shots = calloc(c->live_count, sizeof *shots);
    if (!shots)
        abort();
    for (uint32_t i = 0; i < c->live_count; i++) {
        struct dht_status st;
        dht_status(c->live[i]->dht, &st, c->wheel.now);
        shots[i] =
            (struct load_snapshot){c->live[i], st.sent_packets, st.sent_bytes, st.received_bytes};
    }
    *count = c->live_count;
    return shots;
}

struct load load_end(struct crowd *c, struct load_snapshot *shots, size_t count, usec time)
{
    struct load l = {0};
    double seconds = (double)time / USEC_PER_SEC;
    double *packets = calloc(count, sizeof *packets), *bytes = calloc(count, sizeof *bytes);
    if (!packets || !bytes)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct dht_status st;
        if (!shots[i].member->dht)
            continue;
        dht_status(shots[i].member->dht, &st, c->wheel.now);
        packets[l.members] = (double)(st.sent_packets - shots[i].packets) / seconds;
        bytes[l.members] = (double)(st.sent_bytes - shots[i].bytes) / seconds;
        l.heard_bytes += (double)(st.received_bytes - shots[i].heard) / seconds;
        l.table_nodes += (double)st.nodes;
        l.table_good += (double)st.good;
        l.hashes += (double)st.hashes;
        l.fitting += st.id_fits && st.external.family != ADDR_NONE;
        l.members++;
    }
    double n = l.members > 0 ? (double)l.members : 1;
    l.packets = spread_of(packets, l.members);
    l.bytes = spread_of(bytes, l.members);
    l.heard_bytes /= n;
    l.table_nodes /= n;
    l.table_good /= n;
    l.hashes /= n;
    l.fitting /= n;
    free(packets);
    free(bytes);
    free(shots);
    return l;
}

/* ---- trials -------------------------------------------------------------------------------- */

static void looked(void *user, const struct dht_result *result)
{
    struct trial *t = user;
    t->get = *result;
    t->over = true;
}

static void heard_of(
    void *user, const struct endpoint *from, const struct endpoint *peers, size_t count)
{
    struct trial *t = user;
    (void)from;
    for (size_t i = 0; i < count; i++)
        t->found |= endpoint_equal(&peers[i], &t->announcer);
}

static void search(struct member *m, const struct dht_request *request)
{
    if (dht_search(m->dht, request, m->crowd->wheel.now) == NULL)
        abort();
    crowd_rearm(m);
}

static void looks(struct wheel_event *event)
{
    struct trial *t = container_of(event, struct trial, looks);
    struct member *m = crowd_pick(t->crowd, SETTLED);
    for (int i = 0; i < 16 && m && endpoint_equal(&m->at, &t->announcer); i++)
        m = crowd_pick(t->crowd, SETTLED);
    if (m)
        search(m, &(struct dht_request){.aim = DHT_GET_PEERS,
                      .target = t->target,
                      .user = t,
                      .peers = heard_of,
                      .done = looked});
}

static void announced(void *user, const struct dht_result *result)
{
    struct trial *t = user;
    t->announce = *result;
    t->announced = true;
    wheel_put(&t->crowd->wheel, &t->looks, t->crowd->wheel.now + t->delay);
}

static void begins(struct wheel_event *event)
{
    struct trial *t = container_of(event, struct trial, begins);
    struct member *m = crowd_pick(t->crowd, SETTLED);
    if (!m)
        return;
    t->announcer = m->at;
    search(m, &(struct dht_request){.aim = DHT_GET_PEERS,
                  .target = t->target,
                  .user = t,
                  .done = announced,
                  .announce = true,
                  .port = m->at.port});
}

struct trial *trials_begin(struct crowd *c, size_t count, usec span, usec delay_max)
{
    struct trial *trials = calloc(count, sizeof *trials);
    if (!trials)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct trial *t = &trials[i];
        t->crowd = c;
        t->delay = sim_rng_between(&c->rng, SECONDS(1), delay_max);
        for (unsigned k = 0; k < 20; k++)
            t->target.b[k] = (uint8_t)sim_rng_next(&c->rng);
        wheel_event_init(&t->begins, begins);
        wheel_event_init(&t->looks, looks);
        wheel_put(&c->wheel, &t->begins, c->wheel.now + span * (usec)i / (usec)count);
    }
    return trials;
}

struct trials_report trials_end(struct trial *trials, size_t count)
{
    struct trials_report r = {0};
    double *v[5];
    for (int k = 0; k < 5; k++)
        if (!(v[k] = calloc(count, sizeof **v)))
            abort();
    for (size_t i = 0; i < count; i++) {
        struct trial *t = &trials[i];
        wheel_remove(&t->begins);
        wheel_remove(&t->looks);
        if (!t->over) {
            r.cut_off++;
            continue;
        }
        r.found += t->found;
        r.crowd_said += t->get.crowd > 0;
        v[0][r.over] = t->get.hops;
        v[1][r.over] = t->get.asked;
        v[2][r.over] = (double)t->get.took / USEC_PER_SEC;
        v[3][r.over] = t->announce.asked;
        v[4][r.over++] = t->announce.stored;
    }
    r.hops = spread_of(v[0], r.over);
    r.questions = spread_of(v[1], r.over);
    r.seconds = spread_of(v[2], r.over);
    r.announce_questions = spread_of(v[3], r.over);
    r.stored = spread_of(v[4], r.over);
    for (int k = 0; k < 5; k++)
        free(v[k]);
    free(trials);
    return r;
}

/* ---- a siege ------------------------------------------------------------------------------- */

struct sortie {
    struct siege *siege;
    unsigned found; /* announcers, a bit each */
    bool over, said;
    unsigned asked;
};

static void sortie_hears(
    void *user, const struct endpoint *from, const struct endpoint *peers, size_t count)
{
    struct sortie *s = user;
    (void)from;
    for (size_t i = 0; i < count; i++)
        for (unsigned k = 0; k < s->siege->announcer_count; k++)
            if (endpoint_equal(&peers[i], &s->siege->announcers[k]))
                s->found |= 1u << k;
}

static void sortie_over(void *user, const struct dht_result *result)
{
    struct sortie *s = user;
    s->over = true;
    s->asked = result->asked;
    s->said = result->crowd > 0;
}

static void siege_announce(struct siege *s)
{
    struct crowd *c = s->crowd;
    for (unsigned k = 0; k < 5; k++) {
        struct member *m = crowd_pick(c, SETTLED);
        struct sortie *done = calloc(1, sizeof *done);
        if (!m || !done)
            abort();
        s->announcers[s->announcer_count++] = m->at;
        search(m, &(struct dht_request){.aim = DHT_GET_PEERS,
                      .target = s->target,
                      .user = done,
                      .done = sortie_over,
                      .announce = true,
                      .port = m->at.port});
        crowd_run(c, c->wheel.now + SECONDS(60));
        free(done);
    }
}

void siege_lay(struct siege *s, struct crowd *c, const struct node_id *target, unsigned lookups)
{
    *s = (struct siege){.crowd = c, .target = *target};
    siege_announce(s);
    struct sortie *sorties = calloc(lookups, sizeof *sorties);
    s->asked = calloc(lookups, sizeof *s->asked);
    if (!sorties || !s->asked)
        abort();
    for (unsigned i = 0; i < lookups; i++) {
        struct member *m = crowd_pick(c, SETTLED);
        sorties[i].siege = s;
        if (m)
            search(m, &(struct dht_request){.aim = DHT_GET_PEERS,
                          .target = s->target,
                          .user = &sorties[i],
                          .peers = sortie_hears,
                          .done = sortie_over});
        crowd_run(c, c->wheel.now + SECONDS(2));
    }
    crowd_run(c, c->wheel.now + SECONDS(60));
    for (unsigned i = 0; i < lookups; i++) {
        if (!sorties[i].over)
            continue;
        s->asked[s->over++] = sorties[i].asked;
        s->found_any += sorties[i].found != 0;
        s->said += sorties[i].said;
        s->found_pairs += (unsigned)__builtin_popcount(sorties[i].found);
    }
    s->questions = spread_of(s->asked, s->over);
    free(s->asked);
    free(sorties); /* nobody is under way any more, save with members that have left */
}
