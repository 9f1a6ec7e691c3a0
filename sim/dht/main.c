/* The DHT at scale: `run-dht [options]`, one line of a table each time; `make sim-dht` runs them
 * all. Without --hostile: the cost and success of a peaceful network under churn. With it: how
 * often one info-hash, at which the hostile ones aim, is still found. With --vigil: for how long
 * items live, with a keeper and without. */
#include "hostile.h"
#include "measure.h"
#include "vigil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct options {
    uint64_t seed;
    unsigned nodes, trials, lookups;
    double minutes, session, grow, settle, loss, natted, hostile, vigil;
    bool chosen_ids, slander, head;
};

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static double memory_mib(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* ---- peace --------------------------------------------------------------------------------- */

static void peace(const struct options *o, struct crowd *c)
{
    usec window = (usec)(o->minutes * 60e6 / 3); /* one without searches, two with */
    size_t count;
    struct load_snapshot *shots = load_begin(c, &count);
    double before = cpu_seconds();
    crowd_run(c, c->wheel.now + window);
    double cpu = cpu_seconds() - before, memory = memory_mib();
    struct load l = load_end(c, shots, count, window);
    struct trial *trials = trials_begin(c, o->trials, window, window - SECONDS(60));
    crowd_run(c, c->wheel.now + 2 * window);
    struct trials_report r = trials_end(trials, o->trials);
    if (o->head)
        printf("| nodes | found | hops mean, p99 | questions mean, p99 | seconds median, p99 | "
               "packets/s mean, p99, max | bytes/s mean, p99, max | known, good | fit | "
               "KiB a node | CPU us a node and s |\n"
               "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    printf("| %u | %.2f %% of %zu | %.2f, %.0f | %.1f, %.0f | %.2f, %.2f | %.2f, %.2f, %.2f | "
           "%.0f, %.0f, %.0f | %.0f, %.0f | %.1f %% | %.0f | %.1f |\n",
        o->nodes, 100.0 * (double)r.found / (double)(r.over ? r.over : 1), r.over, r.hops.mean,
        r.hops.p99, r.questions.mean, r.questions.p99, r.seconds.median, r.seconds.p99,
        l.packets.mean, l.packets.p99, l.packets.max, l.bytes.mean, l.bytes.p99, l.bytes.max,
        l.table_nodes, l.table_good, 100 * l.fitting, memory * 1024 / o->nodes,
        cpu * 1e6 / o->nodes / ((double)window / USEC_PER_SEC));
    fprintf(stderr,
        "  announces: %.1f questions, stored by %.1f (median %.0f); cut off %zu; crowds seen %zu; "
        "heard %.0f "
        "bytes/s; "
        "%zu members all the time\n",
        r.announce_questions.mean, r.stored.mean, r.stored.median, r.cut_off, r.crowd_said,
        l.heard_bytes, l.members);
}

/* ---- war ----------------------------------------------------------------------------------- */

static void war(const struct options *o, struct crowd *c)
{
    struct hostile h;
    struct siege s;
    struct node_id target;
    unsigned count = (unsigned)(o->hostile / (1 - o->hostile) * o->nodes + 0.5);
    for (unsigned k = 0; k < 20; k++)
        target.b[k] = (uint8_t)sim_rng_next(&c->rng);
    hostile_join(&h, c, count, o->chosen_ids ? HOSTILE_CHOSEN : HOSTILE_FITTING,
        o->slander ? HOSTILE_SLANDER : HOSTILE_PRAISE, &target);
    crowd_run(c, c->wheel.now + (usec)(o->minutes * 60e6));
    siege_lay(&s, c, &target, o->lookups);
    if (o->head)
        printf("| nodes | hostile | their ids | they name | lookups that found a peer | "
               "announcers found | questions mean, p99 | said |\n| --- | --- | --- | --- | --- | "
               "--- | --- | --- |\n");
    double over = s.over ? s.over : 1;
    printf("| %u | %.0f %% (%u) | %s | %s | %.1f %% of %u | %.1f %% | %.1f, %.0f | %.0f %% |\n",
        o->nodes, 100 * o->hostile, count, o->chosen_ids ? "at the target" : "as BEP 42 allows",
        o->slander ? "the honest, falsely" : "one another", 100 * s.found_any / over, s.over,
        100 * s.found_pairs / over / s.announcer_count, s.questions.mean, s.questions.p99,
        100 * s.said / over);
    fprintf(stderr, "  %llu announces were swallowed\n", (unsigned long long)h.swallowed);
    hostile_free(&h);
}

/* ---- items --------------------------------------------------------------------------------- */

static void vigil(const struct options *o, struct crowd *c)
{
    static const char *const names[] = {"nobody", "one keeper"};
    struct vigil v;
    if (o->head)
        printf("| nodes | kept by | hours | looks | found | the newest |\n"
               "| --- | --- | --- | --- | --- | --- |\n");
    for (unsigned kept = 0; kept < 2; kept++) {
        double hours = kept ? o->vigil : 6;
        vigil_keep(&v, c, 40, kept, (usec)(hours * 3600e6));
        static const unsigned steps[] = {0, 1, 2, 3, 6, 12, 24, 48, 72, 96, 120};
        for (unsigned i = 0; i + 1 < sizeof steps / sizeof *steps && steps[i] < hours; i++) {
            struct vigil_hour h = vigil_between(&v, steps[i], steps[i + 1]);
            double looked = h.looked ? h.looked : 1;
            printf("| %u | %s | %u to %u | %u | %.2f %% | %.2f %% |\n", o->nodes, names[kept],
                steps[i], steps[i + 1], h.looked, 100 * h.found / looked, 100 * h.newest / looked);
        }
    }
}

/* ---- the program --------------------------------------------------------------------------- */

static void usage(void)
{
    fprintf(stderr,
        "run-dht [--nodes N] [--seed N] [--trials N] [--minutes M] [--session MINUTES, "
        "0: no churn]\n"
        "        [--grow M] [--settle M] [--loss SHARE] [--natted SHARE] [--head]\n"
        "        [--hostile SHARE [--chosen-ids] [--slander] [--lookups N]] [--vigil HOURS]\n");
    exit(2);
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.seed = 1,
        .nodes = 1000,
        .trials = 1000,
        .lookups = 200,
        .minutes = 30,
        .session = 60,
        .grow = 15,
        .settle = 15,
        .loss = 0.01};
    struct {
        const char *name;
        double *value;
    } numbers[] = {{"--minutes", &o.minutes}, {"--session", &o.session}, {"--grow", &o.grow},
        {"--settle", &o.settle}, {"--loss", &o.loss}, {"--natted", &o.natted},
        {"--hostile", &o.hostile}, {"--vigil", &o.vigil}};
    for (int i = 1; i < argc; i++) {
        bool known = true;
        if (strcmp(argv[i], "--chosen-ids") == 0)
            o.chosen_ids = true;
        else if (strcmp(argv[i], "--head") == 0)
            o.head = true;
        else if (strcmp(argv[i], "--slander") == 0)
            o.slander = true;
        else if (i + 1 == argc)
            usage();
        else if (strcmp(argv[i], "--nodes") == 0)
            o.nodes = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            o.seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--trials") == 0)
            o.trials = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--lookups") == 0)
            o.lookups = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            known = false;
        for (size_t k = 0; !known && k < sizeof numbers / sizeof *numbers; k++) {
            if (strcmp(argv[i], numbers[k].name) == 0) {
                *numbers[k].value = strtod(argv[++i], NULL);
                known = true;
            }
        }
        if (!known)
            usage();
    }
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct crowd_config config = crowd_config_default(o.seed, o.nodes);
    struct crowd crowd;
    config.loss = o.loss;
    config.natted = o.natted;
    config.grow = (usec)(o.grow * 60e6);
    config.session_median = o.session > 0 ? (usec)(o.session * 60e6) : NEVER;
    crowd_init(&crowd, &config);
    crowd_run(&crowd, config.grow + (usec)(o.settle * 60e6));
    if (o.hostile > 0)
        war(&o, &crowd);
    else if (o.vigil > 0)
        vigil(&o, &crowd);
    else
        peace(&o, &crowd);
    fprintf(stderr,
        "  %llu datagrams, %llu lost, %llu to nobody, %llu shut out; %llu needed a second address; "
        "%.0f s of CPU\n",
        (unsigned long long)crowd.datagrams, (unsigned long long)crowd.lost,
        (unsigned long long)crowd.to_nobody, (unsigned long long)crowd.shut_out,
        (unsigned long long)crowd.alone, cpu_seconds());
    crowd_free(&crowd);
    return 0;
}
