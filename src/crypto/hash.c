/* SHA-1 and SHA-256 through OpenSSL's EVP: one message, a running message, one job; and the door
 * to the vector kernels for many.
 *
 * Fetching an algorithm and allocating a context cost more than hashing a small message, so the
 * algorithms are fetched once for the process and each thread keeps one context per algorithm.
 * What is random or secret is no business of this file. */
#include "crypto/hash.h"

#include "base/err.h"
#include "crypto/hash_kernel.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ALGORITHM_COUNT 2

/* Constant after the first call; the only state of this library that nodes of one process share. */
static struct {
    pthread_once_t once;
    pthread_key_t key; /* frees a thread's contexts when it ends */
    EVP_MD *md[ALGORITHM_COUNT];
    struct hash_plan plan[ALGORITHM_COUNT];
    int err;
} shared = {.once = PTHREAD_ONCE_INIT};

struct thread_contexts {
    EVP_MD_CTX *context[ALGORITHM_COUNT];
};
static _Thread_local struct thread_contexts *thread_contexts;

static void free_contexts(void *pointer)
{
    struct thread_contexts *contexts = pointer;
    for (int i = 0; i < ALGORITHM_COUNT; i++)
        EVP_MD_CTX_free(contexts->context[i]);
    free(contexts);
    thread_contexts = NULL;
}

static void init_once(void)
{
    shared.md[HASH_SHA1] = EVP_MD_fetch(NULL, "SHA1", NULL);
    shared.md[HASH_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
    struct hash_cpu cpu = hash_cpu_here();
    for (int i = 0; i < ALGORITHM_COUNT; i++)
        shared.plan[i] = hash_plan_for(&cpu, (enum hash_algorithm)i);
    bool ready = shared.md[HASH_SHA1] && shared.md[HASH_SHA256] &&
                 pthread_key_create(&shared.key, free_contexts) == 0;
    shared.err = ready ? 0 : ERR_NOMEM;
}

int hash_init(void)
{
    pthread_once(&shared.once, init_once);
    return shared.err;
}

/* A digest has no way to say that it failed, and a node that cannot hash cannot do anything right:
 * without memory for a context (a few hundred bytes, once a thread) the process ends. */
static EVP_MD_CTX *checked(EVP_MD_CTX *context)
{
    if (!context)
        abort();
    return context;
}

static EVP_MD_CTX *thread_context(enum hash_algorithm algorithm)
{
    if (!thread_contexts) {
        if (hash_init() != 0)
            abort();
        thread_contexts = calloc(1, sizeof *thread_contexts);
        if (!thread_contexts || pthread_setspecific(shared.key, thread_contexts) != 0)
            abort();
        for (int i = 0; i < ALGORITHM_COUNT; i++)
            thread_contexts->context[i] = checked(EVP_MD_CTX_new());
    }
    return thread_contexts->context[algorithm];
}

static void begin(EVP_MD_CTX *context, enum hash_algorithm algorithm)
{
    if (EVP_DigestInit_ex2(context, shared.md[algorithm], NULL) != 1)
        abort();
}

static void add(EVP_MD_CTX *context, const void *data, size_t size)
{
    if (size && EVP_DigestUpdate(context, data, size) != 1)
        abort();
}

static void end(EVP_MD_CTX *context, uint8_t *out)
{
    if (EVP_DigestFinal_ex(context, out, NULL) != 1)
        abort();
}

void hash_job_openssl(enum hash_algorithm algorithm, const struct hash_job *job)
{
    EVP_MD_CTX *context = thread_context(algorithm);
    begin(context, algorithm);
    for (size_t i = 0; i < job->part_count; i++)
        add(context, job->parts[i].data, job->parts[i].size);
    end(context, job->digest);
}

static void hash_once(enum hash_algorithm algorithm, const void *data, size_t size, uint8_t *out)
{
    struct bytes message = bytes_of(data, size);
    hash_job_openssl(algorithm, &(struct hash_job){&message, 1, out});
}

struct sha1_digest sha1(const void *data, size_t size)
{
    struct sha1_digest digest;
    hash_once(HASH_SHA1, data, size, digest.b);
    return digest;
}

struct sha256_digest sha256(const void *data, size_t size)
{
    struct sha256_digest digest;
    hash_once(HASH_SHA256, data, size, digest.b);
    return digest;
}

struct hash_choice hash_choice_for(enum hash_algorithm algorithm, size_t count)
{
    hash_init();
    return hash_plan_choice(&shared.plan[algorithm], count);
}

void hash_many(enum hash_algorithm algorithm, const struct hash_job *jobs, size_t count)
{
    struct hash_choice choice = hash_choice_for(algorithm, count);
    if (choice.kernel) {
        hash_many_in_lanes(choice.kernel, choice.break_even, algorithm, jobs, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        hash_job_openssl(algorithm, &jobs[i]);
}

unsigned hash_lanes(enum hash_algorithm algorithm)
{
    hash_init();
    const struct hash_kernel *kernel = shared.plan[algorithm].many.kernel;
    return kernel ? kernel->lanes : 1;
}

const char *hash_kernel_name(enum hash_algorithm algorithm)
{
    hash_init();
    const struct hash_kernel *kernel = shared.plan[algorithm].many.kernel;
    return kernel ? kernel->name : "openssl";
}

struct hash_stream {
    enum hash_algorithm algorithm;
    EVP_MD_CTX *context;
};

struct hash_stream *hash_stream_new(enum hash_algorithm algorithm)
{
    if (hash_init() != 0)
        return NULL;
    struct hash_stream *stream = malloc(sizeof *stream);
    if (!stream)
        return NULL;
    stream->algorithm = algorithm;
    stream->context = EVP_MD_CTX_new();
    if (!stream->context || EVP_DigestInit_ex2(stream->context, shared.md[algorithm], NULL) != 1) {
        hash_stream_free(stream);
        return NULL;
    }
    return stream;
}

void hash_stream_free(struct hash_stream *stream)
{
    if (!stream)
        return;
    EVP_MD_CTX_free(stream->context);
    free(stream);
}

void hash_stream_reset(struct hash_stream *stream)
{
    begin(stream->context, stream->algorithm);
}

void hash_stream_update(struct hash_stream *stream, const void *data, size_t size)
{
    add(stream->context, data, size);
}

void hash_stream_number(struct hash_stream *stream, uint64_t v)
{
    uint8_t raw[8];
    store_u64(raw, v);
    hash_stream_update(stream, raw, sizeof raw);
}

void hash_stream_text(struct hash_stream *stream, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    hash_stream_number(stream, size);
    hash_stream_update(stream, text ? text : "", size);
}

void hash_stream_final(struct hash_stream *stream, uint8_t *out)
{
    end(stream->context, out);
}
