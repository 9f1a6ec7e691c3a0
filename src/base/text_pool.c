/* See text_pool.h. */
#include "base/text_pool.h"

#include "base/list.h"
#include "base/map.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct shared {
    size_t holders;
    char text[];
};

struct text_pool {
    uint8_t seed[16];
    struct map *by_hash; /* struct shared, by 64 bits of a keyed hash of the text */
};

struct text_pool *text_pool_new(const uint8_t seed[16])
{
    struct text_pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    memcpy(p->seed, seed, sizeof p->seed);
    p->by_hash = map_new(sizeof(uint64_t), seed);
    if (!p->by_hash) {
        free(p);
        return NULL;
    }
    return p;
}

void text_pool_free(struct text_pool *p)
{
    if (!p)
        return;
    assert(map_count(p->by_hash) == 0);
    map_free(p->by_hash);
    free(p);
}

static uint64_t key_of(const struct text_pool *p, const char *text)
{
    return siphash13(text, strlen(text), p->seed);
}

/* One that the map has no memory for, or whose place another text has, is its holder's alone. */
const char *text_pool_take(struct text_pool *p, const char *text)
{
    uint64_t key = key_of(p, text);
    struct shared *s = map_get(p->by_hash, &key);
    if (s && strcmp(s->text, text) == 0) {
        s->holders++;
        return s->text;
    }
    size_t size = strlen(text) + 1;
    struct shared *own = malloc(sizeof *own + size);
    if (!own)
        return NULL;
    own->holders = 1;
    memcpy(own->text, text, size);
    if (!s)
        (void)map_put(p->by_hash, &key, own);
    return own->text;
}

void text_pool_give(struct text_pool *p, const char *text)
{
    if (!text)
        return;
    struct shared *s = container_of((char *)(uintptr_t)text, struct shared, text);
    if (--s->holders > 0)
        return;
    uint64_t key = key_of(p, text);
    if (map_get(p->by_hash, &key) == s)
        map_remove(p->by_hash, &key);
    free(s);
}
