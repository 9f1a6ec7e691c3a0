/* Which vector kernel beats OpenSSL on this CPU, and from how many messages on.
 *
 * The one place that asks the CPU what it can. hash.c calls it once for the process; machines other
 * than x86-64 have no kernels of ours, and hash with OpenSSL alone. */
#include "crypto/hash_kernel.h"

#if HASH_X86
#include <cpuid.h>

/* The compilers' own test also asks whether the system saves the vector registers. */
static bool cpu_has_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

static bool cpu_has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}

/* OpenSSL hashes a single stream with these instructions. GCC 12 and Clang 14 have no name for
 * them in __builtin_cpu_supports: leaf 7, EBX bit 29. */
static bool cpu_has_sha_ni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

struct hash_cpu hash_cpu_here(void)
{
    return (struct hash_cpu){cpu_has_avx2(), cpu_has_avx512(), cpu_has_sha_ni()};
}

size_t hash_kernels_runnable(
    enum hash_algorithm algorithm, const struct hash_kernel *out[HASH_KERNELS_MAX])
{
    struct hash_cpu cpu = hash_cpu_here();
    size_t count = 0;
    if (cpu.avx2)
        out[count++] = &hash_kernels_avx2[algorithm];
    if (cpu.avx512)
        out[count++] = &hash_kernels_avx512[algorithm];
    return count;
}

/* Break-evens by bench/hash_bench on a Zen 4 with OpenSSL 3.0, with its SHA-NI and without. On one
 * core, SHA-1 / SHA-256 in GB/s: SHA-NI 1.9 / 1.8, without it 1.2 / 0.55; 8 lanes of AVX2 3.9
 * / 1.7; 16 lanes of AVX-512 6.1 / 3.2. So SHA-NI leaves no room for SHA-256 in AVX2, and up to 8
 * messages are better off in AVX2, where no lane is idle. */
struct hash_plan hash_plan_for(const struct hash_cpu *cpu, enum hash_algorithm algorithm)
{
    const struct hash_kernel *avx2 = &hash_kernels_avx2[algorithm];
    const struct hash_kernel *avx512 = &hash_kernels_avx512[algorithm];
    struct hash_plan plan = {.few = {NULL, 0}, .many = {NULL, 0}};
    bool sha1 = algorithm == HASH_SHA1;
    if (cpu->avx2 && (sha1 || !cpu->sha_ni))
        plan.few = plan.many = (struct hash_choice){avx2, cpu->sha_ni ? 5 : 3};
    if (cpu->avx512)
        plan.many = (struct hash_choice){avx512, !cpu->sha_ni ? 4 : sha1 ? 6 : 10};
    return plan;
}

#else

size_t hash_kernels_runnable(
    enum hash_algorithm algorithm, const struct hash_kernel *out[HASH_KERNELS_MAX])
{
    (void)algorithm;
    (void)out;
    return 0;
}

struct hash_cpu hash_cpu_here(void)
{
    return (struct hash_cpu){0};
}

struct hash_plan hash_plan_for(const struct hash_cpu *cpu, enum hash_algorithm algorithm)
{
    (void)cpu;
    (void)algorithm;
    return (struct hash_plan){.few = {NULL, 0}, .many = {NULL, 0}};
}
#endif

struct hash_choice hash_plan_choice(const struct hash_plan *plan, size_t count)
{
    bool few = plan->few.kernel && count <= plan->few.kernel->lanes;
    struct hash_choice choice = few ? plan->few : plan->many;
    if (count < choice.break_even)
        choice.kernel = NULL;
    return choice;
}
