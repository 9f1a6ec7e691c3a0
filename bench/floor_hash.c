/* What the machine itself needs for creation and recheck: `floor_hash v1|v2|hybrid FILE`.
 *
 * The file is mapped a job at a time and the kernels run over it, on all cores; nothing else: no
 * padding, no trees, no result, and what does not fill a job is left out. A hybrid's bytes go
 * through both kernels, 64 KiB of each piece at a time, as kith takes them. */
#include "crypto/hash_kernel.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE ((size_t)2 << 20)
#define SLICE ((size_t)65536)
#define THREADS_MAX 64

struct floor {
    int file;
    size_t size;
    bool wanted[2]; /* by enum hash_algorithm */
    atomic_size_t next;
};

static void check(bool right, const char *what)
{
    if (right)
        return;
    perror(what);
    exit(1);
}

/* `size` bytes from each of the pieces on. */
static void run_kernel(
    enum hash_algorithm algorithm, uint32_t *state, const uint8_t *at, size_t size)
{
    const struct hash_kernel *kernel = hash_choice_for(algorithm, HASH_LANES_MAX).kernel;
    for (unsigned i = 0; i < HASH_LANES_MAX; i += kernel ? kernel->lanes : 1) {
        const uint8_t *lane[HASH_LANES_MAX];
        for (unsigned l = 0; kernel && l < kernel->lanes; l++)
            lane[l] = at + (i + l) * PIECE;
        if (kernel)
            kernel->compress(state, lane, size / HASH_BLOCK_SIZE);
        else
            hash_serial(algorithm, state, at + i * PIECE, size / HASH_BLOCK_SIZE);
    }
}

static void *work(void *user)
{
    struct floor *f = user;
    size_t job = HASH_LANES_MAX * PIECE;
    _Alignas(64) uint32_t state[2][HASH_WORDS_MAX * HASH_LANES_MAX] = {0};
    for (size_t at; (at = atomic_fetch_add(&f->next, job)) + job <= f->size;) {
        uint8_t *base = mmap(NULL, job, PROT_READ, MAP_SHARED, f->file, (off_t)at);
        check(base != MAP_FAILED, "mmap");
        madvise(base, job, MADV_SEQUENTIAL);
        for (size_t slice = 0; slice < PIECE; slice += SLICE)
            for (int algorithm = HASH_SHA1; algorithm <= HASH_SHA256; algorithm++)
                if (f->wanted[algorithm])
                    run_kernel(
                        (enum hash_algorithm)algorithm, state[algorithm], base + slice, SLICE);
        munmap(base, job);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct floor f = {.file = open(argv[2], O_RDONLY)};
    f.wanted[HASH_SHA1] = strcmp(argv[1], "v2") != 0;
    f.wanted[HASH_SHA256] = strcmp(argv[1], "v1") != 0;
    check(f.file >= 0, argv[2]);
    f.size = (size_t)lseek(f.file, 0, SEEK_END);
    pthread_t threads[THREADS_MAX];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores;
    for (unsigned i = 0; i < count; i++)
        check(pthread_create(&threads[i], NULL, work, &f) == 0, "pthread_create");
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
