/* Inside src/crypto (and its tests and bench) only: what hash.c, hash_many.c and the vector kernels
 * share. */
#ifndef KITH_CRYPTO_HASH_KERNEL_H
#define KITH_CRYPTO_HASH_KERNEL_H

#include "crypto/hash.h"

#if defined(__x86_64__)
#define HASH_X86 1
#else
#define HASH_X86 0
#endif

#define HASH_LANES_MAX 16
#define HASH_WORDS_MAX 8 /* 32-bit words of a state */
#define HASH_BLOCK_SIZE 64

/* The loops of the kernels index registers, and so have to be unrolled. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 80")
#endif

static inline unsigned hash_word_count(enum hash_algorithm algorithm)
{
    return algorithm == HASH_SHA1 ? 5 : 8;
}

/* One job through EVP on this thread's context. */
void hash_job_openssl(enum hash_algorithm algorithm, const struct hash_job *job);

/* Runs `count` blocks from each lane's pointer through the state of that lane, all in step. Every
 * pointer must be readable so far. The state is transposed: [word * lanes + lane]. */
typedef void hash_compress(uint32_t *state, const uint8_t *const *blocks, size_t count);

/* The same of blocks of zeros, which are not read. */
typedef void hash_zeros(uint32_t *state, size_t count);

struct hash_kernel {
    const char *name;
    unsigned lanes;
    hash_compress *compress;
    hash_zeros *zeros; /* NULL: there is none (nothing pads SHA-256 with zeros) */
};

/* By enum hash_algorithm; only on x86, and to be called only where the CPU can. */
extern const struct hash_kernel hash_kernels_avx2[2];
extern const struct hash_kernel hash_kernels_avx512[2];

/* Continues one message's state by whole blocks, with OpenSSL. */
void hash_serial(
    enum hash_algorithm algorithm, uint32_t *state, const uint8_t *data, size_t block_count);

/* All jobs through the lanes of `kernel`. `break_even`: the least number of messages in the lanes
 * that is faster there than one after the other; fewer are finished with hash_serial. */
void hash_many_in_lanes(const struct hash_kernel *kernel, unsigned break_even,
    enum hash_algorithm algorithm, const struct hash_job *jobs, size_t count);

/* How hash_many hashes, by what the CPU can and by measurement. */
struct hash_choice {
    const struct hash_kernel *kernel; /* NULL: OpenSSL for all */
    unsigned break_even;
};
struct hash_plan {
    struct hash_choice few;  /* for no more messages than its kernel has lanes */
    struct hash_choice many; /* for more */
};
/* What decides it of a CPU. */
struct hash_cpu {
    bool avx2, avx512;
    bool sha_ni; /* OpenSSL's streams use it */
};
struct hash_cpu hash_cpu_here(void);
/* Pure: the bench asks it for CPUs that are not this one, too. */
struct hash_plan hash_plan_for(const struct hash_cpu *cpu, enum hash_algorithm algorithm);
struct hash_choice hash_plan_choice(const struct hash_plan *plan, size_t count);

/* What is best for `count` messages side by side on this machine. */
struct hash_choice hash_choice_for(enum hash_algorithm algorithm, size_t count);
/* HASH_WORDS_MAX words. */
const uint32_t *hash_initial_state(enum hash_algorithm algorithm);

/* The kernels that this CPU can run, whether or not they are worth it: 0 to 2 of them. For tests
 * and the bench. */
#define HASH_KERNELS_MAX 2
size_t hash_kernels_runnable(
    enum hash_algorithm algorithm, const struct hash_kernel *out[HASH_KERNELS_MAX]);

#endif
