/* Torrents found by their hashes, and by MSE's names for them. The index never looks into a
 * torrent: any address will do for one. */
#include "node/entry/entry_index.h"

#include "proto/mse.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t seed[16] = {1};
static char things[3];

static struct kith_torrent *torrent(int i)
{
    return (struct kith_torrent *)(void *)&things[i];
}

static struct info_hash hash_of(uint32_t i)
{
    struct info_hash h = {{0}};
    memcpy(h.b, &i, sizeof i);
    return h;
}

static void a_torrent_is_found_by_each_of_its_hashes_and_their_names(void **state)
{
    (void)state;
    struct entry_index *x = entry_index_new(seed);
    struct info_hash hashes[2] = {hash_of(1), hash_of(2)};
    assert_int_equal(entry_index_add(x, torrent(0), hashes, 2), 0);
    for (int i = 0; i < 2; i++) {
        struct sha1_digest name = mse_name(&hashes[i]);
        assert_ptr_equal(entry_index_find(x, &hashes[i]), torrent(0));
        assert_ptr_equal(entry_index_find_name(x, &name), torrent(0));
    }
    struct info_hash other = hash_of(3);
    struct sha1_digest other_name = mse_name(&other);
    assert_null(entry_index_find(x, &other));
    assert_null(entry_index_find_name(x, &other_name));
    entry_index_free(x);
}

static void a_hash_that_is_learned_later_is_added_to_the_first(void **state)
{
    (void)state;
    struct entry_index *x = entry_index_new(seed);
    struct info_hash hashes[2] = {hash_of(1), hash_of(2)};
    assert_int_equal(entry_index_add(x, torrent(0), hashes, 1), 0);
    assert_int_equal(entry_index_add(x, torrent(0), hashes, 2), 0);
    assert_ptr_equal(entry_index_find(x, &hashes[0]), torrent(0));
    assert_ptr_equal(entry_index_find(x, &hashes[1]), torrent(0));
    entry_index_free(x);
}

static void who_took_anothers_place_keeps_it_when_the_other_goes(void **state)
{
    (void)state;
    struct entry_index *x = entry_index_new(seed);
    struct info_hash h = hash_of(1);
    assert_int_equal(entry_index_add(x, torrent(0), &h, 1), 0);
    assert_int_equal(entry_index_add(x, torrent(1), &h, 1), 0);
    entry_index_remove(x, torrent(0), &h, 1);
    assert_ptr_equal(entry_index_find(x, &h), torrent(1));
    entry_index_remove(x, torrent(1), &h, 1);
    assert_null(entry_index_find(x, &h));
    struct sha1_digest name = mse_name(&h);
    assert_null(entry_index_find_name(x, &name));
    entry_index_free(x);
}

static void thousands_come_and_go(void **state)
{
    (void)state;
    struct entry_index *x = entry_index_new(seed);
    for (uint32_t i = 0; i < 5000; i++) {
        struct info_hash h = hash_of(i);
        assert_int_equal(entry_index_add(x, torrent((int)(i % 3)), &h, 1), 0);
    }
    for (uint32_t i = 0; i < 5000; i += 2) {
        struct info_hash h = hash_of(i);
        entry_index_remove(x, torrent((int)(i % 3)), &h, 1);
    }
    for (uint32_t i = 0; i < 5000; i++) {
        struct info_hash h = hash_of(i);
        assert_ptr_equal(entry_index_find(x, &h), i % 2 ? torrent((int)(i % 3)) : NULL);
    }
    entry_index_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torrent_is_found_by_each_of_its_hashes_and_their_names),
        cmocka_unit_test(a_hash_that_is_learned_later_is_added_to_the_first),
        cmocka_unit_test(who_took_anothers_place_keeps_it_when_the_other_goes),
        cmocka_unit_test(thousands_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
