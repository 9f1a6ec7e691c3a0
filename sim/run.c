/* Scenarios of whole nodes: `run [--list] [--seed N] [--count N] [--replay] [NAME...]`. Each is a
 * function of its seed: a failure prints how to see it again. `make soak` runs new seeds as long as
 * one likes; --replay runs each twice and compares the digests. */
#include "scenario.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SCENARIO_FOLDER
#define SCENARIO_FOLDER "sim/scenarios"
#endif
#define SCENARIOS_MAX 64

struct options {
    const char *folder;
    uint64_t seed;
    unsigned count; /* 0: as many seeds as the scenario says */
    bool list, replay;
    char **names;
    int name_count;
};

static bool play(const struct scenario *sc, uint64_t seed, uint64_t *digest)
{
    static struct swarm s;
    bool right = scenario_play(sc, &s, seed);
    *digest = sim_world_digest(s.world);
    swarm_free(&s);
    right = right && !s.why[0];
    if (!right)
        printf("not ok - %s: %s\n    again: run --seed %llu --count 1 %s\n", sc->name, s.why,
            (unsigned long long)seed, sc->name);
    else if (getenv("KITH_SIM_DIGEST"))
        printf(
            "%s %llu %016llx\n", sc->name, (unsigned long long)seed, (unsigned long long)*digest);
    fflush(stdout);
    return right;
}

static bool run_once(const struct scenario *sc, uint64_t seed, bool replay)
{
    uint64_t digest, again;
    if (!play(sc, seed, &digest))
        return false;
    if (!replay)
        return true;
    if (!play(sc, seed, &again))
        return false;
    if (digest != again)
        printf("not ok - %s: seed %llu gives %016llx, and then %016llx\n", sc->name,
            (unsigned long long)seed, (unsigned long long)digest, (unsigned long long)again);
    return digest == again;
}

static bool is_wanted(const struct options *o, const char *name)
{
    for (int i = 0; i < o->name_count; i++)
        if (strcmp(o->names[i], name) == 0)
            return true;
    return o->name_count == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct scenario *)a)->name, ((const struct scenario *)b)->name);
}

/* How many; -1: one of them is none. */
static int load_all(const struct options *o, struct scenario *out)
{
    DIR *dir = opendir(o->folder);
    int count = 0;
    if (!dir) {
        fprintf(stderr, "%s cannot be read\n", o->folder);
        return -1;
    }
    for (struct dirent *e; count >= 0 && count < SCENARIOS_MAX && (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && strcmp(dot, ".scn") == 0)
            count = scenario_load(&out[count], o->folder, e->d_name) ? count + 1 : -1;
    }
    closedir(dir);
    if (count > 0)
        qsort(out, (size_t)count, sizeof *out, by_name);
    return count;
}

static void parse(struct options *o, int argc, char **argv)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--list") == 0)
            o->list = true;
        else if (strcmp(argv[at], "--replay") == 0)
            o->replay = true;
        else if (strcmp(argv[at], "--seed") == 0 && at + 1 < argc)
            o->seed = strtoull(argv[++at], NULL, 10);
        else if (strcmp(argv[at], "--count") == 0 && at + 1 < argc)
            o->count = (unsigned)strtoul(argv[++at], NULL, 10);
        else if (strcmp(argv[at], "--folder") == 0 && at + 1 < argc)
            o->folder = argv[++at];
        else
            fprintf(stderr, "what is %s?\n", argv[at]);
    }
    o->names = argv + at;
    o->name_count = argc - at;
}

int main(int argc, char **argv)
{
    static struct scenario scenarios[SCENARIOS_MAX];
    struct options o = {.folder = SCENARIO_FOLDER, .seed = 1};
    uint64_t passed = 0, failed = 0;
    parse(&o, argc, argv);
    int count = load_all(&o, scenarios);
    for (int i = 0; i < count; i++) {
        const struct scenario *sc = &scenarios[i];
        if (!is_wanted(&o, sc->name))
            continue;
        if (o.list)
            printf("%-18s %-9s %s\n", sc->name, sc->liveness ? "liveness" : "safety", sc->about);
        for (unsigned n = 0; !o.list && n < (o.count ? o.count : sc->seeds); n++)
            *(run_once(sc, o.seed + n, o.replay) ? &passed : &failed) += 1;
    }
    for (int i = 0; i < count; i++)
        scenario_unload(&scenarios[i]);
    if (!o.list)
        printf(
            "%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed > 0 || count <= 0 || (!o.list && passed == 0);
}
