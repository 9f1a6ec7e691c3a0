/* Texts that many hold and that are mostly the same, as the folder of 100,000 torrents: each is
 * kept once, and counted. */
#ifndef KITH_BASE_TEXT_POOL_H
#define KITH_BASE_TEXT_POOL_H

#include <stdint.h>

struct text_pool;

struct text_pool *text_pool_new(const uint8_t seed[16]); /* NULL: no memory */
/* Everything was given back. NULL is fine. */
void text_pool_free(struct text_pool *);
/* The pool's copy, which stays until as many have given it back as have taken it. NULL: no memory.
 */
const char *text_pool_take(struct text_pool *, const char *text);
/* One that was taken, or NULL. */
void text_pool_give(struct text_pool *, const char *text);

#endif
