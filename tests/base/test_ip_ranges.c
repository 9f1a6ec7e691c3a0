/* Sets of address ranges: merging, edges, and agreement with a plain walk over the same ranges. */
#include "base/err.h"
#include "base/ip_ranges.h"
#include "check.h"

static struct endpoint ip(const char *text)
{
    struct endpoint e;
    assert_int_equal(endpoint_parse_ip(&e, bytes_of_str(text), 0), 0);
    return e;
}

static void add(struct ip_ranges *r, const char *first, const char *last)
{
    struct endpoint a = ip(first), z = ip(last);
    assert_int_equal(ip_ranges_add(r, &a, &z), 0);
}

static bool has(const struct ip_ranges *r, const char *text)
{
    struct endpoint e = ip(text);
    return ip_ranges_contain(r, &e);
}

static void no_set_and_an_empty_set_hold_nothing(void **state)
{
    (void)state;
    assert_false(has(NULL, "1.2.3.4"));
    struct ip_ranges *r = ip_ranges_new();
    ip_ranges_seal(r);
    assert_false(has(r, "1.2.3.4"));
    assert_false(has(r, "::1"));
    assert_int_equal(ip_ranges_count(r), 0);
    ip_ranges_drop(r);
}

static void both_ends_of_a_range_are_in_it(void **state)
{
    (void)state;
    struct ip_ranges *r = ip_ranges_new();
    add(r, "10.0.0.1", "10.0.0.9");
    add(r, "2001:db8::", "2001:db8::ffff");
    ip_ranges_seal(r);
    assert_true(has(r, "10.0.0.1") && has(r, "10.0.0.5") && has(r, "10.0.0.9"));
    assert_false(has(r, "10.0.0.0") || has(r, "10.0.0.10"));
    assert_true(has(r, "2001:db8::") && has(r, "2001:db8::ffff"));
    assert_false(has(r, "2001:db8::1:0") || has(r, "2001:db7:ffff::"));
    /* An IPv4 peer that comes in over an IPv6 socket is the IPv4 peer. */
    assert_true(has(r, "::ffff:10.0.0.5"));
    ip_ranges_drop(r);
}

static void what_overlaps_or_touches_becomes_one(void **state)
{
    (void)state;
    struct ip_ranges *r = ip_ranges_new();
    add(r, "9.0.0.0", "9.0.0.255");
    add(r, "8.0.0.0", "8.255.255.255");
    add(r, "9.0.0.10", "9.0.0.20");
    add(r, "8.1.0.0", "8.2.0.0");
    add(r, "::", "::ffff:ffff:ffff:ffff");
    add(r, "0:0:0:1::", "0:0:0:2::");
    ip_ranges_seal(r);
    assert_int_equal(ip_ranges_count(r), 2);
    assert_true(has(r, "9.0.0.200") && has(r, "8.255.0.0") && has(r, "0:0:0:1:5::"));
    assert_false(has(r, "9.0.1.0") || has(r, "0:0:0:2::1"));
    ip_ranges_drop(r);
}

static void the_whole_of_each_family_can_be_blocked(void **state)
{
    (void)state;
    struct ip_ranges *r = ip_ranges_new();
    add(r, "0.0.0.0", "255.255.255.255");
    add(r, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    add(r, "1.0.0.0", "1.0.0.1");
    ip_ranges_seal(r);
    assert_int_equal(ip_ranges_count(r), 2);
    assert_true(has(r, "0.0.0.0") && has(r, "255.255.255.255"));
    assert_true(has(r, "::") && has(r, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    ip_ranges_drop(r);
}

static void ranges_that_are_none_are_refused(void **state)
{
    (void)state;
    struct ip_ranges *r = ip_ranges_new();
    struct endpoint a = ip("1.0.0.2"), b = ip("1.0.0.1"), c = ip("::1"), none = {0};
    assert_int_equal(ip_ranges_add(r, &a, &b), ERR_INVALID);
    assert_int_equal(ip_ranges_add(r, &a, &c), ERR_INVALID);
    assert_int_equal(ip_ranges_add(r, &none, &none), ERR_INVALID);
    ip_ranges_drop(r);
}

static void a_set_lives_until_its_last_holder_lets_go(void **state)
{
    (void)state;
    struct ip_ranges *r = ip_ranges_new();
    add(r, "1.0.0.0", "1.0.0.0");
    ip_ranges_seal(r);
    struct ip_ranges *mine = ip_ranges_hold(r);
    ip_ranges_drop(r);
    assert_true(has(mine, "1.0.0.0"));
    ip_ranges_drop(mine);
    ip_ranges_drop(NULL);
}

#define MODEL 300
#define MANY 40000

/* Enough of them for the table, spread over everything; the edges of each are tried. */
static void look_ups_in_many_ranges_know_their_edges(void **state)
{
    (void)state;
    struct ip_ranges *r = ip_ranges_new();
    const uint32_t step = UINT32_MAX / MANY;
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t first = i * step + i % 7, last = first + (i % 5) * 20000;
        struct endpoint a = endpoint_v4(first, 0), z = endpoint_v4(last, 0);
        assert_int_equal(ip_ranges_add(r, &a, &z), 0);
    }
    ip_ranges_seal(r);
    assert_int_equal(ip_ranges_count(r), MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t first = i * step + i % 7, last = first + (i % 5) * 20000;
        struct endpoint at[] = {endpoint_v4(first, 0), endpoint_v4(last, 0),
            endpoint_v4(last + 1, 0), endpoint_v4(first - 1, 0)};
        assert_true(ip_ranges_contain(r, &at[0]) && ip_ranges_contain(r, &at[1]));
        assert_false(ip_ranges_contain(r, &at[2]) || (first > 0 && ip_ranges_contain(r, &at[3])));
    }
    ip_ranges_drop(r);
}

static void look_ups_agree_with_a_walk_over_all_ranges(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 50; round++) {
        struct ip_ranges *r = ip_ranges_new();
        uint32_t first[MODEL], last[MODEL];
        for (unsigned i = 0; i < MODEL; i++) {
            first[i] = (uint32_t)next_random(&seed) & 0xffff;
            last[i] = first[i] + (uint32_t)(next_random(&seed) % (1u << round % 9));
            struct endpoint a = endpoint_v4(first[i], 0), z = endpoint_v4(last[i], 0);
            assert_int_equal(ip_ranges_add(r, &a, &z), 0);
        }
        ip_ranges_seal(r);
        for (uint32_t at = 0; at < 0x10200; at += 7) {
            bool expected = false;
            for (unsigned i = 0; i < MODEL; i++)
                expected |= first[i] <= at && at <= last[i];
            struct endpoint e = endpoint_v4(at, 9);
            assert_int_equal(ip_ranges_contain(r, &e), expected);
        }
        ip_ranges_drop(r);
    }
}

RUN(T(no_set_and_an_empty_set_hold_nothing), T(both_ends_of_a_range_are_in_it),
    T(what_overlaps_or_touches_becomes_one), T(the_whole_of_each_family_can_be_blocked),
    T(ranges_that_are_none_are_refused), T(a_set_lives_until_its_last_holder_lets_go),
    T(look_ups_agree_with_a_walk_over_all_ranges), T(look_ups_in_many_ranges_know_their_edges))
