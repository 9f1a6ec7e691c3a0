/* Scenarios of whole nodes: `run [--seed N] [--count N] [NAME...]`. Each is a function of its seed:
 * a failure prints how to see it again. `make soak` runs new seeds as long as one likes. */
#include "swarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KB 1024u
#define MINUTES(n) SECONDS((n)*60)

static uint64_t draw(struct swarm *s, uint64_t below)
{
    return sim_world_draw(s->world, below);
}

static void begin(struct swarm *s, uint64_t seed, bool rough, int format)
{
    swarm_new(s, &(struct swarm_config){.seed = seed,
                     .rough = rough,
                     .file_sizes = {900 * KB + 17, 300 * KB, 5, 70 * KB},
                     .piece_length = 32 * KB,
                     .format = format,
                     .memory_max = 1024 * KB});
}

/* ---- one gives, one takes
 * ------------------------------------------------------------------------------- */

static bool pair(struct swarm *s, uint64_t seed)
{
    begin(s, seed, seed % 2, (int)(seed % 3));
    swarm_start(swarm_add(s, true, 0, 0));
    swarm_start(swarm_add(s, false, 0, 0));
    return swarm_run(s, MINUTES(30));
}

/* ---- fifty: loss, churn, a liar
 * -------------------------------------------------------------------------------- */

static struct swarm *churned;

static void crash_somebody(void *user)
{
    struct swarm *s = churned;
    unsigned victim = 2 + (unsigned)draw(s, s->count - 2); /* not the seeder, not the liar */
    (void)user;
    if (!s->nodes[victim].node)
        return;
    swarm_crash(&s->nodes[victim], draw(s, 2) ? SIM_KILLED : SIM_POWER_LOSS);
    swarm_start(&s->nodes[victim]);
}

static void somebody_comes(void *user)
{
    swarm_start(user);
}

static bool liar_is_ready(struct swarm *s)
{
    return s->nodes[0].complete && s->nodes[1].complete;
}

/* Its disk rots after it was checked: it sends bad pieces and knows nothing of it. */
static void rot(struct swarm_node *n)
{
    for (uint64_t at = 100; at < 900 * KB; at += 40 * KB)
        sim_disk_rot(n->host, "/d/Data/a", at);
    n->honest = false;
}

static bool fifty(struct swarm *s, uint64_t seed)
{
    begin(s, seed, true, (int)(seed % 3));
    churned = s;
    swarm_add(s, true, 256 * KB, 0);
    swarm_add(s, true, 512 * KB, 0);
    for (unsigned i = 2; i < 50; i++)
        swarm_add(s, false, (32 + draw(s, 512)) * KB, (128 + draw(s, 2048)) * KB);
    swarm_start(&s->nodes[0]);
    swarm_start(&s->nodes[1]);
    if (!swarm_run_until(s, MINUTES(5), liar_is_ready))
        return false;
    rot(&s->nodes[1]);
    for (unsigned i = 2; i < s->count; i++)
        sim_world_at(s->world, sim_world_now(s->world) + (usec)draw(s, SECONDS(40)) + 1,
            somebody_comes, &s->nodes[i]);
    for (unsigned i = 0; i < 12; i++)
        sim_world_at(s->world, sim_world_now(s->world) + SECONDS(15) + (usec)draw(s, SECONDS(90)),
            crash_somebody, NULL);
    swarm_pass(s, SECONDS(41));
    return swarm_run(s, MINUTES(240));
}

/* ---- a partition that heals
 * -------------------------------------------------------------------------------- */

static bool partition(struct swarm *s, uint64_t seed)
{
    begin(s, seed, true, KITH_FORMAT_HYBRID);
    swarm_start(swarm_add(s, true, 64 * KB, 0));
    for (unsigned i = 1; i < 8; i++)
        swarm_start(swarm_add(s, false, 64 * KB, 0));
    swarm_pass(s, SECONDS(8));
    for (unsigned i = 0; i < s->count; i++)
        sim_host_set_island(s->nodes[i].host, (unsigned)draw(s, 3));
    swarm_pass(s, MINUTES(4));
    sim_world_heal(s->world);
    return swarm_run(s, MINUTES(240));
}

/* ---- disks that fail
 * ----------------------------------------------------------------------------------------- */

/* One disk call of the leecher fails, once or for a while; which, is the seed's choice. It goes on
 * by itself, and another torrent's node is not touched by it. */
static bool disk_fault(struct swarm *s, uint64_t seed)
{
    static const int errors[] = {28 /* ENOSPC */, 5 /* EIO */};
    begin(s, seed, false, (int)(seed % 3));
    swarm_start(swarm_add(s, true, 0, 0));
    struct swarm_node *n = swarm_add(s, false, 0, 0);
    swarm_add(s, false, 0, 0);
    struct sim_disk_fault fault = {.call = SIM_DISK_ANY,
        .path = "/d",
        .nth = 1 + draw(s, 160),
        .times = draw(s, 2) ? 1 : 1 + draw(s, 6),
        .error = errors[draw(s, 2)],
        .written_bytes = draw(s, 2) ? draw(s, 20000) : 0};
    sim_disk_fault_add(n->host, &fault);
    swarm_start(n);
    swarm_start(&s->nodes[2]);
    return swarm_run(s, MINUTES(60));
}

static bool disk_has_told(struct swarm *s)
{
    return s->nodes[1].troubles > 0 && s->nodes[2].complete;
}

static bool full_disk(struct swarm *s, uint64_t seed)
{
    begin(s, seed, false, KITH_FORMAT_HYBRID);
    swarm_start(swarm_add(s, true, 0, 0));
    struct swarm_node *n = swarm_add(s, false, 0, 0);
    sim_volume_set_size(sim_host_volume(n->host), 200 * KB + draw(s, 800 * KB));
    swarm_start(n);
    swarm_start(swarm_add(s, false, 0, 0));
    if (!swarm_run_until(s, MINUTES(10), disk_has_told))
        return false;
    if (n->complete)
        return swarm_fail(s, "complete on a full disk");
    sim_volume_set_size(sim_host_volume(n->host), 64ull << 20);
    return swarm_run(s, MINUTES(30)) &&
           (n->recoveries > 0 || swarm_fail(s, "it does not say that it has recovered"));
}

/* ---- a volume that goes away
 * -------------------------------------------------------------------------------- */

static bool volume_missed(struct swarm *s)
{
    return s->nodes[0].troubles > 0;
}

static bool volume_away(struct swarm *s, uint64_t seed)
{
    begin(s, seed, false, KITH_FORMAT_HYBRID);
    s->config.remember = true;
    struct swarm_node *n = swarm_add(s, false, 0, 0);
    n->folder = "/usb/d";
    struct sim_volume *usb = sim_volume_mount(n->host, "/usb", 1ull << 30);
    swarm_start(swarm_add(s, true, 0, 0));
    swarm_start(n);
    if (!swarm_run(s, MINUTES(30)))
        return false;
    swarm_crash(&s->nodes[1], SIM_KILLED); /* n is the only one who has it now */
    sim_volume_vanish(usb, draw(s, 2) ? SIM_VANISH_EMPTY_FOLDER : SIM_VANISH_NO_FOLDER);
    swarm_start(swarm_add(s, false, 0, 0));
    if (!swarm_run_until(s, MINUTES(10), volume_missed))
        return false;
    struct env_stat st;
    if (sim_disk_stat(n->host, "/usb/d", &st) == 0)
        return swarm_fail(s, "something was made where the volume is not");
    sim_volume_return(usb);
    n->hashed_at_ready = 0;
    return swarm_run(s, MINUTES(30)) &&
           (n->hashed_at_ready == 0 || swarm_fail(s, "data was hashed again on its return"));
}

/* ---- a node that dies again and again
 * ---------------------------------------------------------------------------- */

static bool dies_and_resumes(struct swarm *s, uint64_t seed)
{
    begin(s, seed, false, (int)(seed % 3));
    s->config.remember = true;
    swarm_start(swarm_add(s, true, 20 * KB, 0));
    struct swarm_node *n = swarm_add(s, false, 0, 0);
    swarm_start(n);
    for (unsigned i = 0; i < 6 && !s->why[0]; i++) {
        swarm_pass(s, SECONDS(1) + (usec)draw(s, SECONDS(25)));
        swarm_crash(n, draw(s, 2) ? SIM_KILLED : SIM_POWER_LOSS);
        swarm_start(n);
    }
    return swarm_run(s, MINUTES(60));
}

/* A node that dies takes its memory with it, as a process would: that is no leak. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* ---- the program
 * --------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool (*run)(struct swarm *, uint64_t seed);
    unsigned share; /* seeds in a short run */
} scenarios[] = {
    {"pair", pair, 12},
    {"fifty", fifty, 1},
    {"partition", partition, 3},
    {"disk-fault", disk_fault, 60},
    {"full-disk", full_disk, 6},
    {"volume-away", volume_away, 6},
    {"dies-and-resumes", dies_and_resumes, 12},
};
#define SCENARIO_COUNT (sizeof scenarios / sizeof *scenarios)

static bool run_once(unsigned index, uint64_t seed)
{
    static struct swarm s;
    bool right = scenarios[index].run(&s, seed);
    uint64_t digest = sim_world_digest(s.world);
    swarm_free(&s);
    if (!right || s.why[0])
        printf("not ok - %s: %s\n    again: run --seed %llu --count 1 %s\n", scenarios[index].name,
            s.why, (unsigned long long)seed, scenarios[index].name);
    else if (getenv("KITH_SIM_DIGEST"))
        printf("%s %llu %016llx\n", scenarios[index].name, (unsigned long long)seed,
            (unsigned long long)digest);
    fflush(stdout);
    return right && !s.why[0];
}

static bool is_wanted(unsigned index, char **names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], scenarios[index].name) == 0)
            return true;
    return count == 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, passed = 0, failed = 0;
    unsigned count = 0;
    int at = 1;
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        if (strcmp(argv[at], "--seed") == 0)
            seed = strtoull(argv[at + 1], NULL, 10);
        else if (strcmp(argv[at], "--count") == 0)
            count = (unsigned)strtoul(argv[at + 1], NULL, 10);
    }
    for (unsigned i = 0; i < SCENARIO_COUNT; i++) {
        unsigned times = count ? count : scenarios[i].share;
        if (!is_wanted(i, argv + at, argc - at))
            continue;
        for (unsigned n = 0; n < times; n++)
            *(run_once(i, seed + n) ? &passed : &failed) += 1;
    }
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed > 0;
}
