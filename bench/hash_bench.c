/* Prints how fast messages are hashed on one core: OpenSSL one after the other, and each vector
 * kernel that this CPU can run, over several numbers and sizes of messages. The thresholds in
 * src/crypto/hash_plan.c come from here. `hash_bench [MiB]`: how much memory the messages fill. */
#include "crypto/hash_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BENCH_SECONDS 0.15
#define JOBS_MAX 4096

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct work {
    enum hash_algorithm algorithm;
    const struct hash_kernel *kernel; /* NULL: OpenSSL */
    bool chosen;                      /* what hash_many does, whatever that is */
    struct hash_job jobs[JOBS_MAX];
    struct bytes parts[JOBS_MAX];
    uint8_t digests[JOBS_MAX][32];
    size_t count;
};

static void hash_all(const struct work *w)
{
    if (w->chosen)
        hash_many(w->algorithm, w->jobs, w->count);
    else if (w->kernel)
        hash_many_in_lanes(w->kernel, 1, w->algorithm, w->jobs, w->count);
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

static void lay_out(struct work *w, uint8_t *memory, size_t memory_size, size_t count, size_t size)
{
    w->count = count;
    for (size_t i = 0; i < count; i++) {
        w->parts[i] = bytes_of(memory + i * size % (memory_size - size + 1), size);
        w->jobs[i] = (struct hash_job){&w->parts[i], 1, w->digests[i]};
    }
}

static void bench(struct work *w, uint8_t *memory, size_t memory_size)
{
    static const struct {
        size_t count, size;
    } shapes[] = {{1, 1 << 18}, {2, 1 << 16}, {3, 1 << 16}, {4, 1 << 16}, {5, 1 << 16},
        {6, 1 << 16}, {7, 1 << 16}, {8, 1 << 16}, {9, 1 << 16}, {10, 1 << 16}, {11, 1 << 16},
        {12, 1 << 16}, {14, 1 << 16}, {16, 1 << 16}, {17, 1 << 16}, {24, 1 << 16}, {16, 1 << 20},
        {64, 16384}, {1024, 16384}, {16, 64}, {128, 64}, {1024, 64}, {128, 300}};
    const struct hash_kernel *kernels[HASH_KERNELS_MAX];
    size_t kernel_count = hash_kernels_runnable(w->algorithm, kernels);
    printf("\n%s  (hash_many: %s)\n%14s %9s", w->algorithm == HASH_SHA1 ? "SHA-1" : "SHA-256",
        hash_kernel_name(w->algorithm), "messages", "openssl");
    for (size_t k = 0; k < kernel_count; k++)
        printf(" %9s", kernels[k]->name);
    printf(" %9s  GB/s\n", "hash_many");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (shapes[i].size > memory_size)
            continue;
        lay_out(w, memory, memory_size, shapes[i].count, shapes[i].size);
        printf("%5zu x %6zu", shapes[i].count, shapes[i].size);
        w->chosen = false;
        w->kernel = NULL;
        printf(" %9.2f", measure(w));
        for (size_t k = 0; k < kernel_count; k++) {
            w->kernel = kernels[k];
            printf(" %9.2f", measure(w));
        }
        w->chosen = true;
        printf(" %9.2f\n", measure(w));
    }
}

int main(int argc, char **argv)
{
    size_t size = (size_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 16) << 20;
    uint8_t *memory = malloc(size);
    struct work *work = calloc(1, sizeof *work);
    if (size == 0 || !memory || !work)
        return 1;
    memset(memory, 0x5a, size);
    for (int algorithm = HASH_SHA1; algorithm <= HASH_SHA256; algorithm++) {
        work->algorithm = (enum hash_algorithm)algorithm;
        bench(work, memory, size);
    }
    free(work);
    free(memory);
    return 0;
}
