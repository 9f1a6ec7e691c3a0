/* Reads scenarios and plays them: one function for each kind of line. See scenario.h. */
#include "scenario.h"
#include "words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KB 1024u
#define GROUPS_MAX 8u
#define NATS_MAX 16u
#define PLANS_MAX 64u

enum state { COMPLETE, READY, TROUBLED };

struct group {
    const char *name;
    unsigned first, count;
};

/* Something that will happen to one of a group. */
struct plan {
    struct play *play;
    const struct group *group;
};

struct play {
    const struct scenario *scenario;
    struct swarm *swarm;
    struct group groups[GROUPS_MAX];
    unsigned group_count;
    struct {
        const char *name;
        struct sim_nat *nat;
    } nats[NATS_MAX];
    unsigned nat_count;
    struct plan plans[PLANS_MAX];
    unsigned plan_count;
    struct sim_volume *usb;
    const char *absent; /* a group that never comes; NULL */
    unsigned repeat_from, repeat_left;
    unsigned at;                 /* the line */
    const struct group *awaited; /* NULL: everybody */
    enum state awaited_state;
};

/* ---- who is meant -------------------------------------------------------------------------- */

static const struct group *group_of(struct play *p, struct words *w)
{
    const char *name = words_take(w);
    for (unsigned i = 0; i < p->group_count; i++)
        if (strcmp(p->groups[i].name, name) == 0)
            return &p->groups[i];
    w->wrong = true;
    return &p->groups[0];
}

static struct swarm_node *member(struct play *p, const struct group *g, unsigned i)
{
    return &p->swarm->nodes[g->first + i];
}

static struct sim_nat *nat_of(struct play *p, struct words *w)
{
    const char *name = words_take(w);
    for (unsigned i = 0; i < p->nat_count; i++)
        if (strcmp(p->nats[i].name, name) == 0)
            return p->nats[i].nat;
    w->wrong = true;
    return NULL;
}

/* ---- who and where ------------------------------------------------------------------------- */

static void line_nat(struct play *p, struct words *w)
{
    static const char *const kinds[] = {"full", "address", "port", "symmetric", NULL};
    const char *name = words_take(w);
    char address[32];
    struct sim_nat_config c = {.name = name, .kind = (enum sim_nat_kind)words_choose(w, kinds)};
    c.hairpin = words_accept(w, "hairpin");
    c.random_ports = words_accept(w, "scattering");
    if (words_accept(w, "behind"))
        c.behind = nat_of(p, w);
    if (words_accept(w, "lifetime"))
        c.udp_lifetime = c.tcp_lifetime = words_time(w);
    snprintf(address, sizeof address, c.behind ? "100.64.0.%u" : "11.0.0.%u", p->nat_count + 1);
    c.address = address;
    if (p->nat_count == NATS_MAX || w->wrong) {
        w->wrong = true;
        return;
    }
    p->nats[p->nat_count].name = name;
    p->nats[p->nat_count++].nat = sim_nat_new(p->swarm->world, &c);
}

static void line_nodes(struct play *p, struct words *w)
{
    struct group *g = &p->groups[p->group_count];
    struct swarm_node_config c = {.folder = "/d"};
    if (p->group_count++ == GROUPS_MAX) {
        w->wrong = true;
        return;
    }
    *g = (struct group){words_take(w), p->swarm->count, 1};
    if (w->at < w->line->count && w->line->words[w->at][0] <= '9')
        g->count = (unsigned)words_count(w);
    unsigned options = w->at;
    for (unsigned i = 0; i < g->count && !w->wrong; i++) { /* each draws its own */
        for (w->at = options; w->at < w->line->count && !w->wrong;) {
            if (words_accept(w, "up"))
                c.up = words_size(w);
            else if (words_accept(w, "down"))
                c.down = words_size(w);
            else if (words_accept(w, "queue"))
                c.queue = words_size(w);
            else if (words_accept(w, "behind"))
                c.nat = nat_of(p, w);
            else if (words_accept(w, "in"))
                c.folder = words_take(w);
            else if (words_accept(w, "wants"))
                c.wants = words_take(w);
            else if (words_accept(w, "by"))
                c.no_tcp = (words_want(w, "utp"), true);
            else if ((c.seeder = words_accept(w, "with")))
                words_want(w, "data");
            else
                w->wrong = true;
        }
        if (p->swarm->count == SWARM_NODES_MAX)
            w->wrong = true;
        else if (!w->wrong)
            swarm_add(p->swarm, &c);
    }
}

static bool is_absent(const struct play *p, const struct group *g)
{
    return p->absent && strcmp(p->absent, g->name) == 0;
}

/* ---- what happens -------------------------------------------------------------------------- */

static void somebody_comes(void *user)
{
    struct swarm_node *n = user;
    const struct play *p = n->swarm->script;
    for (unsigned i = 0; i < p->group_count; i++)
        if (is_absent(p, &p->groups[i]) && n >= member((struct play *)p, &p->groups[i], 0) &&
            n < member((struct play *)p, &p->groups[i], p->groups[i].count))
            return;
    if (!n->node && !n->swarm->script_over)
        swarm_start(n);
}

static void line_start(struct play *p, struct words *w)
{
    const struct group *g = group_of(p, w);
    unsigned at = w->at;
    for (unsigned i = 0; i < g->count && !w->wrong; i++) {
        w->at = at;
        struct sim_world *world = p->swarm->world;
        if (words_accept(w, "over")) {
            usec span = words_time(w);
            sim_world_at(world,
                sim_world_now(world) + (usec)sim_world_draw(world, (uint64_t)span) + 1,
                somebody_comes, member(p, g, i));
        } else {
            somebody_comes(member(p, g, i));
        }
    }
}

static void line_wait(struct play *p, struct words *w)
{
    swarm_pass(p->swarm, words_time(w));
}

static void crash_somebody(void *user)
{
    struct plan *plan = user;
    struct swarm *s = plan->play->swarm;
    struct swarm_node *n =
        member(plan->play, plan->group, (unsigned)sim_world_draw(s->world, plan->group->count));
    if (!n->node || s->script_over)
        return;
    swarm_crash(n, sim_world_draw(s->world, 2) ? SIM_KILLED : SIM_POWER_LOSS);
    swarm_start(n);
}

static void line_crash(struct play *p, struct words *w)
{
    const struct group *g = group_of(p, w);
    struct sim_world *world = p->swarm->world;
    unsigned times = 1, at = w->at;
    bool later = w->at < w->line->count;
    if (later) {
        times = (unsigned)words_count(w);
        words_want(w, "times");
        words_want(w, "over");
        at = w->at;
    }
    for (unsigned i = 0; i < times && !w->wrong; i++) {
        if (p->plan_count == PLANS_MAX) {
            w->wrong = true;
            return;
        }
        struct plan *plan = &p->plans[p->plan_count++];
        *plan = (struct plan){p, g};
        w->at = at;
        if (later)
            sim_world_at(world, sim_world_now(world) + words_time(w), crash_somebody, plan);
        else
            crash_somebody(plan);
    }
    if (!later)
        p->plan_count--;
}

static void line_kill(struct play *p, struct words *w)
{
    const struct group *g = group_of(p, w);
    for (unsigned i = 0; i < g->count && !w->wrong; i++)
        if (member(p, g, i)->node)
            swarm_crash(member(p, g, i), SIM_KILLED);
}

static void line_repeat(struct play *p, struct words *w)
{
    p->repeat_left = (unsigned)words_count(w);
    p->repeat_from = p->at;
}

static void line_end(struct play *p, struct words *w)
{
    (void)w;
    if (p->repeat_left > 0 && --p->repeat_left > 0)
        p->at = p->repeat_from;
}

static void line_islands(struct play *p, struct words *w)
{
    uint64_t count = words_count(w);
    for (unsigned i = 0; i < p->swarm->count && count > 0; i++)
        sim_host_set_island(
            p->swarm->nodes[i].host, (unsigned)sim_world_draw(p->swarm->world, count));
}

static void line_heal(struct play *p, struct words *w)
{
    (void)w;
    sim_world_heal(p->swarm->world);
}

static void line_faults(struct play *p, struct words *w)
{
    words_want(w, "cease");
    w->wrong |= !p->scenario->liveness; /* in safety mode they never do */
    sim_world_heal(p->swarm->world);
    sim_world_calm_down(p->swarm->world);
}

static void line_nats(struct play *p, struct words *w)
{
    words_want(w, "forget");
    for (unsigned i = 0; i < p->nat_count; i++)
        sim_nat_forget(p->nats[i].nat);
}

static void line_suspend(struct play *p, struct words *w)
{
    const struct group *g = group_of(p, w);
    unsigned at = w->at;
    for (unsigned i = 0; i < g->count && !w->wrong; i++) {
        w->at = at;
        sim_host_suspend(member(p, g, i)->host, words_time(w));
    }
}

static void line_clock(struct play *p, struct words *w)
{
    const struct group *g = group_of(p, w);
    int64_t seconds = words_seconds(w);
    for (unsigned i = 0; i < g->count && !w->wrong; i++)
        sim_host_turn_wall_clock(member(p, g, i)->host, seconds);
}

static void line_rot(struct play *p, struct words *w)
{
    const struct group *g = group_of(p, w);
    words_want(w, "every");
    uint64_t every = words_size(w);
    for (unsigned i = 0; i < g->count && !w->wrong && every > 0; i++) {
        for (uint64_t at = 100; at < p->swarm->config.file_sizes[0]; at += every)
            sim_disk_rot(member(p, g, i)->host, "/d/Data/a", at);
        member(p, g, i)->honest = false;
    }
}

static void disk_fails(struct play *p, const struct group *g, struct words *w)
{
    static const char *const names[] = {"ENOSPC", "EIO", NULL};
    static const int errors[] = {ENOSPC, EIO};
    struct sim_disk_fault fault = {.call = SIM_DISK_ANY, .path = "/d"};
    words_want(w, "at");
    fault.nth = words_count(w);
    words_want(w, "for");
    fault.times = words_count(w);
    words_want(w, "with");
    fault.error = errors[words_choose(w, names)];
    if (words_accept(w, "after")) {
        fault.written_bytes = words_size(w);
        words_want(w, "written");
    }
    for (unsigned i = 0; i < g->count && !w->wrong; i++)
        sim_disk_fault_add(member(p, g, i)->host, &fault);
}

static void line_disk(struct play *p, struct words *w)
{
    const struct group *g = group_of(p, w);
    if (words_accept(w, "fails")) {
        disk_fails(p, g, w);
        return;
    }
    words_want(w, "holds");
    uint64_t size = words_size(w);
    for (unsigned i = 0; i < g->count && !w->wrong; i++)
        sim_volume_set_size(sim_host_volume(member(p, g, i)->host), size);
}

static void line_volume(struct play *p, struct words *w)
{
    static const enum sim_vanish ways[] = {SIM_VANISH_EMPTY_FOLDER, SIM_VANISH_NO_FOLDER};
    struct swarm_node *n = member(p, group_of(p, w), 0);
    if (words_accept(w, "vanishes")) {
        sim_volume_vanish(p->usb, ways[sim_world_draw(p->swarm->world, 2)]);
    } else if (words_accept(w, "returns")) {
        sim_volume_return(p->usb);
        n->hashed_at_ready = 0;
    } else {
        p->usb = sim_volume_mount(n->host, "/usb", words_size(w));
    }
}

/* ---- what must hold ------------------------------------------------------------------------ */

static bool has_come(struct swarm *s)
{
    struct play *p = s->script;
    if (!p->awaited)
        return swarm_all_complete(s);
    for (unsigned i = 0; i < p->awaited->count; i++) {
        const struct swarm_node *n = member(p, p->awaited, i);
        if (p->awaited_state == COMPLETE && !n->complete)
            return false;
        if (p->awaited_state == READY && !n->ready)
            return false;
        if (p->awaited_state == TROUBLED && n->troubles == 0)
            return false;
    }
    return true;
}

static void line_until(struct play *p, struct words *w)
{
    static const char *const states[] = {"complete", "ready", "troubled", NULL};
    p->awaited = words_accept(w, "everybody") ? NULL : group_of(p, w);
    p->awaited_state = (enum state)words_choose(w, states);
    words_want(w, "within");
    usec time = words_time(w);
    if (!w->wrong && !(p->awaited && is_absent(p, p->awaited)))
        swarm_run_until(p->swarm, time, has_come);
}

/* At this moment. */
static void expect_peers(struct play *p, const struct swarm_node *n, uint64_t count)
{
    struct kith_status st;
    KITH_INIT(st);
    if (!n->node || kith_status(n->torrent, &st) != 0)
        swarm_fail(p->swarm, "%s is not up", n->name);
    else if (st.peers_connected != count)
        swarm_fail(p->swarm, "%s has %u peers", n->name, st.peers_connected);
}

static void expect_word(struct play *p, const struct swarm_node *n, const char *word)
{
    struct kith_status st;
    KITH_INIT(st);
    if (!n->node || kith_status(n->torrent, &st) != 0)
        swarm_fail(p->swarm, "%s is not up", n->name);
    else if (!strstr(st.waiting_for, word))
        swarm_fail(p->swarm, "%s says: %s", n->name, st.waiting_for);
}

/* Since it began. */
static void expect_sent_at_most(struct play *p, const struct swarm_node *n, uint64_t bytes)
{
    uint64_t sent = sim_host_stats(n->host).bytes_sent;
    if (sent > bytes)
        swarm_fail(p->swarm, "%s has sent %llu bytes", n->name, (unsigned long long)sent);
}

static void expect(struct play *p, struct swarm_node *n, const char *what, struct words *w)
{
    struct env_stat st;
    if (strcmp(what, "incomplete") == 0) {
        if (n->complete)
            swarm_fail(p->swarm, "%s is complete", n->name);
    } else if (strcmp(what, "recovered") == 0) {
        if (n->recoveries == 0)
            swarm_fail(p->swarm, "%s does not say that it has recovered", n->name);
    } else if (strcmp(what, "unhashed") == 0) {
        if (n->hashed_at_ready > 0)
            swarm_fail(p->swarm, "%s has hashed its data again", n->name);
    } else if (strcmp(what, "unmade") == 0) {
        if (sim_disk_stat(n->host, n->folder, &st) == 0)
            swarm_fail(p->swarm, "%s made something where its volume is not", n->name);
    } else if (strcmp(what, "peers") == 0) {
        expect_peers(p, n, words_count(w));
    } else if (strcmp(what, "says") == 0) {
        expect_word(p, n, words_take(w));
    } else if (strcmp(what, "sent") == 0) {
        words_want(w, "at");
        words_want(w, "most");
        expect_sent_at_most(p, n, words_size(w));
    } else {
        w->wrong = true;
    }
}

static bool play_through(
    const struct scenario *, struct swarm *, uint64_t seed, const char *absent);

static void expect_times_without(struct play *p, struct words *w)
{
    words_want(w, "done");
    words_want(w, "within");
    uint64_t times = words_count(w);
    words_want(w, "times");
    words_want(w, "the");
    words_want(w, "time");
    words_want(w, "without");
    const struct group *g = group_of(p, w);
    struct swarm *other = w->wrong || p->absent ? NULL : calloc(1, sizeof *other);
    if (!other)
        return;
    bool ends = play_through(p->scenario, other, p->swarm->config.seed, g->name);
    usec is = swarm_longest(p->swarm), was = swarm_longest(other);
    if (!ends)
        swarm_fail(p->swarm, "without %s: %s", g->name, other->why);
    else if (is > (usec)times * was)
        swarm_fail(p->swarm, "the last one needed %.1f s, and %.1f s without %s",
            (double)is / USEC_PER_SEC, (double)was / USEC_PER_SEC, g->name);
    swarm_free(other);
    free(other);
}

static void line_expect(struct play *p, struct words *w)
{
    if (words_accept(w, "everybody")) {
        expect_times_without(p, w);
        return;
    }
    const struct group *g = group_of(p, w);
    const char *what = words_take(w);
    unsigned at = w->at;
    for (unsigned i = 0; i < g->count && !w->wrong; i++) {
        w->at = at;
        expect(p, member(p, g, i), what, w);
    }
}

/* ---- the file ------------------------------------------------------------------------------ */

static const struct {
    const char *word;
    void (*play)(struct play *, struct words *);
} kinds[] = {
    {"nat", line_nat},
    {"nodes", line_nodes},
    {"start", line_start},
    {"wait", line_wait},
    {"crash", line_crash},
    {"kill", line_kill},
    {"repeat", line_repeat},
    {"end", line_end},
    {"islands", line_islands},
    {"heal", line_heal},
    {"faults", line_faults},
    {"nats", line_nats},
    {"suspend", line_suspend},
    {"clock", line_clock},
    {"rot", line_rot},
    {"disk", line_disk},
    {"volume", line_volume},
    {"until", line_until},
    {"expect", line_expect},
};

/* What the world is made with, before anybody is in it. False: the line is of another kind. */
static bool is_setting(
    struct words *w, const char *word, struct swarm_config *c, uint64_t seed, struct scenario *out)
{
    static const char *const modes[] = {"safety", "liveness", NULL};
    static const char *const worlds[] = {"calm", "rough", "either", NULL};
    static const char *const formats[] = {"hybrid", "v1", "v2", "any", NULL};
    static const char *const carriers[] = {"both", "tcp", "utp", NULL};
    if (strcmp(word, "mode") == 0) {
        bool liveness = words_choose(w, modes) == 1;
        if (out)
            out->liveness = liveness;
    } else if (strcmp(word, "world") == 0) {
        unsigned i = words_choose(w, worlds);
        c->rough = i == 2 ? seed % 2 : i == 1;
    } else if (strcmp(word, "format") == 0) {
        unsigned i = words_choose(w, formats);
        c->format = i == 3 ? (int)(seed % 3) : (int)i;
    } else if (strcmp(word, "seeds") == 0) {
        unsigned seeds = (unsigned)words_count(w);
        if (out)
            out->seeds = seeds;
    } else if (strcmp(word, "memory") == 0) {
        c->memory_max = words_size(w);
    } else if (strcmp(word, "data") == 0) {
        c->file_sizes[0] = (uint32_t)words_size(w);
        words_want(w, "pieces");
        c->piece_length = (uint32_t)words_size(w);
    } else if (strcmp(word, "remember") == 0) {
        c->remember = true;
    } else if (strcmp(word, "carrier") == 0) {
        unsigned i = words_choose(w, carriers);
        c->no_tcp = i == 2;
        c->no_utp = i == 1;
    } else if (strcmp(word, "datagrams") == 0) {
        words_want(w, "lost");
        c->lost_percent = (unsigned)words_count(w);
        words_want(w, "late");
        c->late_percent = (unsigned)words_count(w);
    } else {
        return false;
    }
    return true;
}

static bool play_line(struct play *p, const struct scenario_line *line)
{
    struct words w = {.line = line, .world = p->swarm->world};
    const char *word = words_take(&w);
    struct swarm_config unused;
    if (is_setting(&w, word, &unused, 0, NULL))
        return true;
    w.wrong = true;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].word, word) == 0) {
            w.wrong = false;
            kinds[i].play(p, &w);
            break;
        }
    }
    if (!words_done(&w) && !p->swarm->why[0])
        swarm_fail(p->swarm, "line %u of the scenario is wrong: %s ...", line->number, word);
    return !p->swarm->why[0];
}

static bool play_through(
    const struct scenario *scenario, struct swarm *s, uint64_t seed, const char *absent)
{
    struct swarm_config c = {.seed = seed,
        .file_sizes = {900 * KB + 17, 300 * KB, 5, 70 * KB},
        .piece_length = 32 * KB,
        .memory_max = 2048 * KB};
    for (unsigned i = 0; i < scenario->count; i++) {
        struct words w = {.line = &scenario->lines[i]};
        is_setting(&w, words_take(&w), &c, seed, NULL);
    }
    swarm_new(s, &c);
    struct play *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->scenario = scenario;
    p->swarm = s;
    p->absent = absent;
    s->script = p;
    while (p->at < scenario->count && !s->why[0])
        play_line(p, &scenario->lines[p->at++]);
    if (!s->why[0] && scenario->liveness && !swarm_all_complete(s))
        swarm_fail(s, "not everybody is complete at the end");
    return !s->why[0];
}

bool scenario_play(const struct scenario *scenario, struct swarm *s, uint64_t seed)
{
    return play_through(scenario, s, seed, NULL);
}

static bool cut(struct scenario *sc, char *text, unsigned number)
{
    struct scenario_line line = {.number = number};
    char *comment = strchr(text, '#'), *rest = NULL;
    if (comment && !sc->about[0])
        snprintf(sc->about, sizeof sc->about, "%s", comment + 1 + strspn(comment + 1, " "));
    if (comment)
        *comment = 0;
    for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (line.count == SCENARIO_WORDS_MAX)
            return false;
        line.words[line.count++] = word;
    }
    if (line.count == 0)
        return true;
    if (sc->count == SCENARIO_LINES_MAX)
        return false;
    sc->lines[sc->count++] = line;
    struct words w = {.line = &sc->lines[sc->count - 1]};
    struct swarm_config unused;
    return !is_setting(&w, words_take(&w), &unused, 0, sc) || words_done(&w);
}

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 65536);
    if (f && text)
        text[fread(text, 1, 65535, f)] = 0;
    if (!f) {
        free(text);
        return NULL;
    }
    fclose(f);
    return text;
}

bool scenario_load(struct scenario *sc, const char *folder, const char *file)
{
    char path[1024];
    memset(sc, 0, sizeof *sc);
    snprintf(sc->name, sizeof sc->name, "%.*s", (int)strcspn(file, "."), file);
    snprintf(path, sizeof path, "%s/%s", folder, file);
    sc->seeds = 1;
    sc->text = read_all(path);
    if (!sc->text) {
        fprintf(stderr, "%s cannot be read\n", path);
        return false;
    }
    unsigned number = 1;
    for (char *at = sc->text, *end; at; at = end, number++) {
        end = strchr(at, '\n');
        if (end)
            *end++ = 0;
        if (!cut(sc, at, number)) {
            fprintf(stderr, "%s: line %u is wrong\n", path, number);
            scenario_unload(sc);
            return false;
        }
    }
    return true;
}

void scenario_unload(struct scenario *sc)
{
    free(sc->text);
    sc->text = NULL;
}
