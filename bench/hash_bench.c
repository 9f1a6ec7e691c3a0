/* Prints how fast messages are hashed on one core: OpenSSL one after the other, each vector kernel
 * that this CPU can run, and what kith chooses, over several numbers and sizes of messages. The
 * thresholds in src/crypto/hash_plan.c come from here.
 *   hash_bench [--without-sha-ni] [--without-avx512]   as on a machine that lacks them; OpenSSL
 * does without SHA-NI too */
#include "crypto/hash_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BENCH_SECONDS 0.15
#define JOBS_MAX 4096
#define MEMORY ((size_t)16 << 20)

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct work {
    enum hash_algorithm algorithm;
    struct hash_choice choice;
    struct hash_job jobs[JOBS_MAX];
    struct bytes parts[JOBS_MAX];
    uint8_t digests[JOBS_MAX][32];
    size_t count;
};

static void hash_all(const struct work *w)
{
    if (w->choice.kernel)
        hash_many_in_lanes(w->choice.kernel, w->choice.break_even, w->algorithm, w->jobs, w->count);
    else
        for (size_t i = 0; i < w->count; i++)
            hash_job_openssl(w->algorithm, &w->jobs[i]);
}

/* Gigabytes a second: the best of three, because others use the machine too. */
static double measure(const struct work *w)
{
    double bytes = 0, best = 0;
    for (size_t i = 0; i < w->count; i++)
        bytes += (double)w->parts[i].size;
    hash_all(w);
    for (int round = 0; round < 3; round++) {
        double start = now_seconds(), seconds;
        int times = 0;
        do {
            hash_all(w);
            times++;
            seconds = now_seconds() - start;
        } while (seconds < BENCH_SECONDS / 3);
        double speed = bytes * times / seconds / 1e9;
        best = speed > best ? speed : best;
    }
    return best;
}

static void lay_out(struct work *w, uint8_t *memory, size_t count, size_t size)
{
    w->count = count;
    for (size_t i = 0; i < count; i++) {
        w->parts[i] = bytes_of(memory + i * size % (MEMORY - size + 1), size);
        w->jobs[i] = (struct hash_job){&w->parts[i], 1, w->digests[i]};
    }
}

static void print(struct work *w, struct hash_choice choice)
{
    w->choice = choice;
    printf("|%.2f", measure(w));
}

/* A table: a line of columns, and lines of values. */
static void bench(struct work *w, uint8_t *memory, const struct hash_cpu *cpu)
{
    static const struct {
        size_t count, size;
    } shapes[] = {{1, 1 << 18}, {2, 1 << 16}, {3, 1 << 16}, {4, 1 << 16}, {5, 1 << 16},
        {6, 1 << 16}, {7, 1 << 16}, {8, 1 << 16}, {9, 1 << 16}, {10, 1 << 16}, {11, 1 << 16},
        {12, 1 << 16}, {14, 1 << 16}, {16, 1 << 16}, {17, 1 << 16}, {24, 1 << 16}, {16, 1 << 20},
        {64, 16384}, {1024, 16384}, {16, 64}, {128, 64}, {1024, 64}, {128, 300}};
    const struct hash_kernel *kernels[HASH_KERNELS_MAX];
    size_t kernel_count = hash_kernels_runnable(w->algorithm, kernels);
    struct hash_plan plan = hash_plan_for(cpu, w->algorithm);
    printf("\n%s\nmessages|OpenSSL", w->algorithm == HASH_SHA1 ? "SHA-1" : "SHA-256");
    for (size_t k = 0; k < kernel_count; k++)
        printf("|%s", kernels[k]->name);
    printf("|chosen|is\n");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct hash_choice choice = hash_plan_choice(&plan, shapes[i].count);
        lay_out(w, memory, shapes[i].count, shapes[i].size);
        printf("%zu x %zu", shapes[i].count, shapes[i].size);
        print(w, (struct hash_choice){NULL, 0});
        for (size_t k = 0; k < kernel_count; k++)
            print(w, (struct hash_choice){kernels[k], 1});
        print(w, choice);
        printf("|%s\n", choice.kernel ? choice.kernel->name : "OpenSSL");
    }
}

/* OpenSSL has looked at the CPU before main() began: this process begins anew. */
static void without_sha_ni(char **argv)
{
    static const char name[] = "OPENSSL_ia32cap";
    if (getenv(name))
        return;
    setenv(name, ":~0x20000000", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    struct hash_cpu cpu = hash_cpu_here();
    uint8_t *memory = malloc(MEMORY);
    struct work *work = calloc(1, sizeof *work);
    if (!memory || !work)
        return 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--without-sha-ni") == 0) {
            without_sha_ni(argv);
            cpu.sha_ni = false;
        } else if (strcmp(argv[i], "--without-avx512") == 0) {
            cpu.avx512 = false;
        } else {
            return 2;
        }
    }
    memset(memory, 0x5a, MEMORY);
    for (int algorithm = HASH_SHA1; algorithm <= HASH_SHA256; algorithm++) {
        work->algorithm = (enum hash_algorithm)algorithm;
        bench(work, memory, &cpu);
    }
    free(work);
    free(memory);
    return 0;
}
