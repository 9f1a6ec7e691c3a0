/* Copying past the cache: the same bytes, whatever the lengths and places, and nothing beside them.
 */
#include "base/copy.h"
#include "check.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 4096u
#define PLACES 64u

static void fill(uint8_t *out, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)next_random(&seed);
}

static void every_length_arrives_at_every_place_and_nothing_beside_it(void **state)
{
    static uint8_t from[ROOM], to[ROOM], expected[ROOM];
    (void)state;
    fill(from, sizeof from, 1);
    for (size_t place = 0; place < PLACES; place++)
        for (size_t size = 0; size < 5 * PLACES; size++) {
            size_t source = (place * 7 + size) % PLACES;
            memset(to, 0xaa, sizeof to);
            memset(expected, 0xaa, sizeof expected);
            memcpy(expected + PLACES + place, from + source, size);
            copy_past_cache(to + PLACES + place, from + source, size);
            assert_memory_equal(to, expected, sizeof to);
        }
}

#define LONG ((size_t)4 << 20)

struct handed {
    uint8_t *bytes, *expected;
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool there, same;
};

static void *look(void *user)
{
    struct handed *h = user;
    pthread_mutex_lock(&h->lock);
    while (!h->there)
        pthread_cond_wait(&h->told, &h->lock);
    pthread_mutex_unlock(&h->lock);
    h->same = memcmp(h->bytes, h->expected, LONG) == 0;
    return NULL;
}

static void a_thread_that_is_told_after_settling_sees_the_bytes(void **state)
{
    struct handed h = {.bytes = calloc(1, LONG),
        .expected = malloc(LONG),
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .told = PTHREAD_COND_INITIALIZER};
    pthread_t reader;
    (void)state;
    assert_non_null(h.bytes);
    assert_non_null(h.expected);
    fill(h.expected, LONG, 2);
    assert_int_equal(pthread_create(&reader, NULL, look, &h), 0);
    for (size_t at = 0; at < LONG; at += 1439)
        copy_past_cache(h.bytes + at, h.expected + at, LONG - at < 1439 ? LONG - at : 1439);
    copy_settle();
    pthread_mutex_lock(&h.lock);
    h.there = true;
    pthread_cond_signal(&h.told);
    pthread_mutex_unlock(&h.lock);
    pthread_join(reader, NULL);
    assert_true(h.same);
    free(h.bytes);
    free(h.expected);
}

RUN(T(every_length_arrives_at_every_place_and_nothing_beside_it),
    T(a_thread_that_is_told_after_settling_sees_the_bytes))
