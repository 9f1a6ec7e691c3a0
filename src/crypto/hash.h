/* SHA-1 and SHA-256: one message, a running message, and many messages side by side.
 *
 * OpenSSL's EVP (fetched once) is the portable path and the reference; hash_many may use our own
 * multi-buffer kernels, chosen at run time by CPU feature. Thread-safe after hash_init. */
#ifndef KITH_CRYPTO_HASH_H
#define KITH_CRYPTO_HASH_H

#include "base/bytes.h"
#include "base/ids.h"

/* Fetches algorithms and picks kernels. Idempotent and thread-safe; called by the others when
 * needed, so it is optional. ERR_NOMEM. */
int hash_init(void);

struct sha1_digest sha1(const void *data, size_t size);
struct sha256_digest sha256(const void *data, size_t size);

/* A running hash. Opaque; lives on the heap so that its size can change. */
enum hash_algorithm { HASH_SHA1, HASH_SHA256 };
struct hash_stream;
struct hash_stream *hash_stream_new(enum hash_algorithm); /* NULL: no memory */
void hash_stream_free(struct hash_stream *);
void hash_stream_reset(struct hash_stream *);
void hash_stream_update(struct hash_stream *, const void *data, size_t size);
/* For identities of more than one part, which must not run into one another: a number as 8 bytes,
 * and a text (NULL: an empty one) behind its length. */
void hash_stream_number(struct hash_stream *, uint64_t);
void hash_stream_text(struct hash_stream *, const char *text);
/* Writes 20 or 32 bytes; the stream must be reset before it is used again. */
void hash_stream_final(struct hash_stream *, uint8_t *out);

/* One of many independent messages: its bytes lie in `part_count` parts, in order. */
struct hash_job {
    const struct bytes *parts;
    size_t part_count;
    uint8_t *digest; /* out: 20 or 32 bytes */
};
/* Hashes all jobs, in the lanes of a vector where the CPU allows. Returns when all are done. Most
 * efficient with 16 jobs or more; one, or a few, are never slower than one after the other. Lengths
 * and parts may differ from job to job. */
void hash_many(enum hash_algorithm, const struct hash_job *jobs, size_t count);

/* How many messages hash_many hashes side by side at best; 1: one after the other. */
unsigned hash_lanes(enum hash_algorithm);
/* Which implementation hash_many uses where there are many messages: "openssl", "avx2", "avx512".
 */
const char *hash_kernel_name(enum hash_algorithm);

#endif
