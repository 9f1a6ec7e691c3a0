/* Messages that are hashed in step: a slice of each at a time, so that what is hashed is what was
 * read a moment ago and still in cache, however long the messages are. And messages that end with
 * many zeros, which cost less than other bytes. hash_many is for messages that lie in memory whole.
 */
#ifndef KITH_CRYPTO_HASH_GROUP_H
#define KITH_CRYPTO_HASH_GROUP_H

#include "crypto/hash.h"

struct hash_group;
/* Room for so many messages at a time. NULL: no memory. */
struct hash_group *hash_group_new(enum hash_algorithm, unsigned messages_max);
void hash_group_free(struct hash_group *);
/* A new set of messages, 1 to messages_max. */
void hash_group_begin(struct hash_group *, unsigned count);
/* The next slice of each message, `count` of them. Whole blocks of 64 bytes, but for the last slice
 * of a message; behind that only empty ones. */
void hash_group_update(struct hash_group *, const struct bytes *slices);
/* Zeros behind all slices of each message, `counts[i]` bytes. At most once, after the last update.
 */
void hash_group_zeros(struct hash_group *, const uint32_t *counts);
/* Writes message i's digest (20 or 32 bytes) to digests[i], unless that is NULL. */
void hash_group_final(struct hash_group *, uint8_t *const *digests);

#endif
