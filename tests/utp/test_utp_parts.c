/* The parts of a connection: byte ring, reorder buffer, send window, path MTU. */
#include "base/check.h"
#include "base/err.h"
#include "utp/utp_drain.h"
#include "utp/utp_inbox.h"
#include "utp/utp_mtu.h"
#include "utp/utp_pacer.h"
#include "utp/utp_packet.h"
#include "utp/utp_reorder.h"
#include "utp/utp_ring.h"
#include "utp/utp_room.h"
#include "utp/utp_window.h"

static const struct bytes nothing = {NULL, 0};

/* ---- the ring ------------------------------------------------------------------------------ */

static void a_ring_gives_back_what_was_put_in_whatever_the_sizes(void **state)
{
    (void)state;
    struct utp_ring r = {0};
    uint64_t random = 1;
    uint32_t in = 0, out = 0;
    uint8_t data[3000], got[3000];
    for (int i = 0; i < 20000; i++) {
        size_t size = next_random(&random) % sizeof data;
        for (size_t k = 0; k < size; k++)
            data[k] = (uint8_t)((in + k) * 7 >> 2);
        if (utp_ring_reserve(&r, size, 65536) == 0) {
            utp_ring_put(&r, bytes_of(data, size));
            in += (uint32_t)size;
        } else {
            assert_true(r.size + size > 65536);
        }
        size = next_random(&random) % sizeof got;
        struct iovec v[2] = {{got, size / 2}, {got + size / 2, size - size / 2}};
        size = utp_ring_take(&r, v, 2);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(got[k], (uint8_t)((out + k) * 7 >> 2));
        out += (uint32_t)size;
        assert_int_equal(r.size, in - out);
    }
    utp_ring_free(&r);
}

static void an_empty_ring_gives_its_memory_back(void **state)
{
    (void)state;
    struct utp_ring r = {0};
    assert_int_equal(utp_ring_reserve(&r, 100, 65536), 0);
    utp_ring_put(&r, bytes_of_str("abc"));
    utp_ring_rest(&r);
    assert_non_null(r.data);
    utp_ring_drop(&r, 3);
    utp_ring_rest(&r);
    assert_null(r.data);
    assert_int_equal(utp_ring_reserve(&r, 65537, 65536), ERR_LIMIT);
}

/* ---- the inbox ----------------------------------------------------------------------------- */

static void no_memory(struct utp_inbox *in)
{
    (void)in;
    fail();
}

/* Bytes that are lent, bytes that are copied, of two connections, in turns at whose end the places
 * that were lent go bad. */
static void an_inbox_gives_back_what_came_wherever_it_lies(void **state)
{
    (void)state;
    struct utp_loan loan;
    struct utp_inbox inbox[2];
    uint8_t place[1500][16], got[3000];
    uint32_t in[2] = {0}, out[2] = {0};
    uint64_t random = 1, full = 0;
    utp_loan_init(&loan);
    utp_inbox_init(&inbox[0]);
    utp_inbox_init(&inbox[1]);
    for (int turn = 0; turn < 300; turn++) {
        unsigned packets = turn % 10 == 9 ? 1500 : (unsigned)(next_random(&random) % 50);
        for (unsigned i = 0; i < packets; i++) {
            int which = (int)(next_random(&random) % 2);
            bool stays = next_random(&random) % 16 != 0;
            size_t size = next_random(&random) % 17;
            loan.open = turn % 7 != 0;
            for (size_t k = 0; k < size; k++)
                place[i][k] = (uint8_t)((in[which]++) * 7 >> 2);
            assert_int_equal(
                utp_inbox_put(&inbox[which], &loan, bytes_of(place[i], size), stays, 65536), 0);
            if (!stays)
                memset(place[i], 0xdd, size);
            full += loan.count == UTP_SPANS_MAX;
            if (next_random(&random) % 8 != 0)
                continue;
            size = next_random(&random) % (turn % 3 ? 300 : 3);
            struct iovec v[2] = {{got, size / 2}, {got + size / 2, size - size / 2}};
            size = utp_inbox_take(&inbox[which], &loan, v, 2);
            for (size_t k = 0; k < size; k++)
                assert_int_equal(got[k], (uint8_t)((out[which]++) * 7 >> 2));
            assert_int_equal(utp_inbox_size(&inbox[which]), in[which] - out[which]);
        }
        utp_loan_end(&loan, 65536, no_memory);
        memset(place, 0xdd, sizeof place);
        for (int which = 0; which < 2; which++)
            while (turn % 5 == 0 && utp_inbox_size(&inbox[which]) > 0) {
                struct iovec v = {got, sizeof got};
                size_t size = utp_inbox_take(&inbox[which], &loan, &v, 1);
                for (size_t k = 0; k < size; k++)
                    assert_int_equal(got[k], (uint8_t)((out[which]++) * 7 >> 2));
            }
    }
    assert_true(full > 0);
    utp_inbox_free(&inbox[0]);
    utp_inbox_free(&inbox[1]);
    utp_loan_free(&loan);
}

static void what_is_read_in_its_turn_needs_no_ring(void **state)
{
    (void)state;
    struct utp_loan loan;
    struct utp_inbox in;
    uint8_t got[8];
    struct iovec v = {got, sizeof got};
    utp_loan_init(&loan);
    utp_inbox_init(&in);
    loan.open = true;
    assert_int_equal(utp_inbox_put(&in, &loan, bytes_of_str("abc"), true, 65536), 0);
    assert_int_equal(utp_inbox_put(&in, &loan, bytes_of_str("de"), true, 65536), 0);
    assert_int_equal(utp_inbox_take(&in, &loan, &v, 1), 5);
    assert_memory_equal(got, "abcde", 5);
    utp_loan_end(&loan, 65536, no_memory);
    assert_null(in.ring.data);
    utp_inbox_free(&in);
    utp_loan_free(&loan);
}

static unsigned failures;
static void count_failure(struct utp_inbox *in)
{
    assert_int_equal(utp_inbox_size(in), 0);
    failures++;
}

static void an_inbox_holds_no_more_than_its_bound(void **state)
{
    (void)state;
    static uint8_t much[65537];
    struct utp_loan loan;
    struct utp_inbox in;
    utp_loan_init(&loan);
    utp_inbox_init(&in);
    assert_int_equal(
        utp_inbox_put(&in, &loan, bytes_of(much, sizeof much), false, 65536), ERR_LIMIT);
    loan.open = true;
    assert_int_equal(utp_inbox_put(&in, &loan, bytes_of(much, sizeof much), true, 65536), 0);
    utp_loan_end(&loan, 65536, count_failure);
    assert_int_equal(failures, 1);
    utp_inbox_free(&in);
    utp_loan_free(&loan);
}

/* ---- the reorder buffer -------------------------------------------------------------------- */

static void what_came_early_is_kept_once_and_told_in_the_mask(void **state)
{
    (void)state;
    struct utp_pool pool = {0};
    struct utp_reorder r = {0};
    uint8_t mask[UTP_SACK_BYTES_MAX];
    uint16_t ack = 65530; /* the next in order is 65531 */
    assert_int_equal(utp_reorder_mask(&r, ack, mask, sizeof mask), 0);
    assert_true(utp_reorder_put(&r, &pool, 65532, 1, bytes_of_str("a")));
    assert_false(utp_reorder_put(&r, &pool, 65532, 1, bytes_of_str("b")));
    assert_true(utp_reorder_put(&r, &pool, 4, 9, bytes_of_str("ccc")));
    assert_true(utp_reorder_put(&r, &pool, 200, 205, nothing)); /* the table grows */
    assert_int_equal(r.count, 3);
    assert_int_equal(r.bytes, 4);
    assert_int_equal(utp_reorder_mask(&r, ack, mask, sizeof mask), 28);
    assert_int_equal(mask[0], 1);
    assert_int_equal(mask[1], 1);
    assert_int_equal(mask[204 / 8], 1 << 204 % 8);
    struct utp_held *h = utp_reorder_take(&r, 4);
    assert_memory_equal(h->data, "ccc", 3);
    utp_pool_give(&pool, h);
    assert_null(utp_reorder_take(&r, 4));
    utp_reorder_free(&r, &pool);
    assert_int_equal(pool.used, 0);
    utp_pool_free(&pool);
}

static void nothing_is_kept_too_far_ahead_or_too_large(void **state)
{
    (void)state;
    static uint8_t big[UTP_HELD_SIZE + 1];
    struct utp_pool pool = {0};
    struct utp_reorder r = {0};
    assert_false(utp_reorder_put(&r, &pool, 5000, UTP_REORDER_PACKETS_MAX, bytes_of_str("a")));
    assert_false(utp_reorder_put(&r, &pool, 5, 5, bytes_of(big, sizeof big)));
    assert_true(utp_reorder_put(&r, &pool, 1023, 1023, bytes_of_str("a")));
    utp_reorder_free(&r, &pool);
    utp_pool_free(&pool);
}

static void one_connection_cannot_take_the_whole_pool(void **state)
{
    (void)state;
    enum { GREEDY = 12 };
    struct utp_pool pool = {0};
    struct utp_reorder greedy[GREEDY] = {{0}}, modest = {0};
    for (int g = 0; g < GREEDY; g++)
        for (unsigned i = 1; i < UTP_REORDER_PACKETS_MAX; i++)
            utp_reorder_put(&greedy[g], &pool, (uint16_t)i, i, bytes_of_str("x"));
    assert_true(pool.used < UTP_POOL_BUFFERS_MAX);
    assert_true(utp_reorder_put(&modest, &pool, 1, 1, bytes_of_str("x")));
    assert_true(pool.made <= UTP_POOL_BUFFERS_MAX);
    for (int g = 0; g < GREEDY; g++)
        utp_reorder_free(&greedy[g], &pool);
    utp_reorder_free(&modest, &pool);
    utp_pool_free(&pool);
}

/* ---- the room for what comes --------------------------------------------------------------- */

static void room_grows_while_the_path_fills_it_and_the_reader_keeps_up(void **state)
{
    (void)state;
    struct utp_room r;
    size_t extra = 0;
    utp_room_init(&r, 0);
    for (int i = 1; i <= 4; i++) /* a third of it each round trip */
        utp_room_came(&r, &extra, UTP_ROOM_FIRST / 3, 0, MSECS(100), MSECS(100 * i));
    assert_int_equal(r.size, UTP_ROOM_FIRST);
    for (int i = 5; i <= 8; i++) /* most of it, but nobody reads */
        utp_room_came(&r, &extra, UTP_ROOM_FIRST, UTP_ROOM_FIRST / 2, MSECS(100), MSECS(100 * i));
    assert_int_equal(r.size, UTP_ROOM_FIRST);
    for (int i = 9; i <= 16; i++)
        utp_room_came(&r, &extra, UTP_ROOM_MAX, 0, MSECS(100), MSECS(100 * i));
    assert_int_equal(r.size, UTP_ROOM_MAX);
    assert_int_equal(extra, UTP_ROOM_MAX - UTP_ROOM_FIRST);
    utp_room_rest(&r, &extra);
    assert_int_equal(r.size, UTP_ROOM_FIRST);
    assert_int_equal(extra, 0);
}

static void all_connections_share_the_room_beyond_their_first(void **state)
{
    (void)state;
    static struct utp_room rooms[200];
    size_t extra = 0, sum = 0;
    for (size_t i = 0; i < 200; i++) {
        utp_room_init(&rooms[i], 0);
        for (int k = 1; k < 8; k++)
            utp_room_came(&rooms[i], &extra, UTP_ROOM_MAX, 0, MSECS(10), MSECS(10 * k));
        sum += rooms[i].size - UTP_ROOM_FIRST;
        assert_true(extra <= UTP_ROOM_EXTRA_MAX);
    }
    assert_int_equal(sum, extra);
    assert_true(extra > UTP_ROOM_EXTRA_MAX / 2);
}

/* ---- running the queue empty --------------------------------------------------------------- */

static void a_queue_is_let_run_empty_once_a_minute_unless_it_was_seen_empty(void **state)
{
    (void)state;
    struct utp_drain d;
    usec began = 0;
    unsigned times = 0;
    utp_drain_init(&d, 0);
    for (usec now = 0; now < SECONDS(600); now += MSECS(100)) {
        utp_drain_saw(&d, MSECS(140), MSECS(40), now);
        utp_drain_tick(&d, now);
        bool ran = utp_drain_runs(&d);
        utp_drain_look(&d, MSECS(140), now);
        if (!ran && utp_drain_runs(&d)) {
            times++;
            began = now;
        }
        assert_true(!utp_drain_runs(&d) || now - began <= MSECS(300));
    }
    assert_int_equal(times, 9);
    for (usec now = SECONDS(600); now < SECONDS(1200); now += MSECS(100)) {
        utp_drain_saw(&d, MSECS(45), MSECS(40), now);
        utp_drain_tick(&d, now);
        utp_drain_look(&d, MSECS(45), now);
        assert_false(utp_drain_runs(&d));
    }
}

/* ---- the pace ------------------------------------------------------------------------------ */

/* Sends for a second whenever it may, looking at the clock every `step`; bytes that left. */
static size_t paced(struct utp_pacer *p, usec from, usec step, size_t *burst)
{
    size_t all = 0;
    for (usec now = from; now < from + SECONDS(1); now += step) {
        size_t at_once = 0;
        for (utp_pacer_tick(p, now); !utp_pacer_rests(p); at_once += 1400)
            utp_pacer_spend(p, 1400, now);
        all += at_once;
        *burst = at_once > *burst ? at_once : *burst;
    }
    return all;
}

static void what_leaves_keeps_to_its_rate_in_small_bursts(void **state)
{
    (void)state;
    static const double rates[] = {30000, 300000, 3000000, 30000000};
    for (unsigned i = 0; i < 4; i++) {
        struct utp_pacer p;
        size_t burst = 0;
        utp_pacer_init(&p, 1400, 0);
        utp_pacer_set(&p, rates[i], 1400, 0);
        paced(&p, 0, 100, &burst); /* the first burst is over */
        burst = 0;
        size_t all = paced(&p, SECONDS(1), 100, &burst);
        assert_true((double)all > rates[i] * 0.9 && (double)all < rates[i] * 1.1);
        assert_true(burst <= 3 * 1400 || (double)burst <= rates[i] * 0.0012 + 1400);
    }
}

static void a_clock_that_is_late_does_not_slow_it_down(void **state)
{
    (void)state;
    struct utp_pacer p;
    size_t burst = 0;
    utp_pacer_init(&p, 1400, 0);
    utp_pacer_set(&p, 3000000, 1400, 0);
    paced(&p, 0, MSECS(2), &burst);
    size_t all = paced(&p, SECONDS(1), MSECS(2), &burst);
    assert_true(all > 2700000 && all < 3300000);
}

static void a_pause_is_not_made_up_for(void **state)
{
    (void)state;
    struct utp_pacer p;
    size_t burst = 0;
    utp_pacer_init(&p, 1400, 0);
    utp_pacer_set(&p, 3000000, 1400, 0);
    paced(&p, 0, 100, &burst);
    burst = 0;
    paced(&p, SECONDS(60), 100, &burst);
    assert_true(burst <= 3000000 / 1000 * 5);
}

static void without_a_rate_nothing_rests(void **state)
{
    (void)state;
    struct utp_pacer p;
    utp_pacer_init(&p, 1400, 0);
    for (int i = 0; i < 100; i++) {
        utp_pacer_spend(&p, 65000, 0);
        assert_false(utp_pacer_rests(&p));
    }
}

/* ---- the window ---------------------------------------------------------------------------- */

static struct utp_window w;

static void send_many(unsigned count, usec now)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(utp_window_send(&w, 100 + i, false, false, now), 0);
}

static void an_acknowledgement_releases_and_measures(void **state)
{
    (void)state;
    utp_window_init(&w, 65534);
    send_many(4, 0);
    assert_int_equal(w.in_flight, 406);
    struct utp_acked a = utp_window_ack(&w, 65535, nothing, MSECS(30));
    assert_int_equal(a.bytes, 201);
    assert_int_equal(a.released, 201);
    assert_int_equal(a.rtt, MSECS(30));
    assert_int_equal(a.latest_size, 101);
    assert_int_equal(w.srtt, MSECS(30));
    a = utp_window_ack(&w, 65535, nothing, MSECS(40));
    assert_false(a.any);
    assert_int_equal(a.latest_size, -1);
    a = utp_window_ack(&w, 1, nothing, MSECS(60));
    assert_int_equal(a.released, 205);
    assert_int_equal(w.in_flight, 0);
    assert_int_equal(utp_window_count(&w), 0);
    utp_window_free(&w);
}

static void what_three_later_ones_overtook_is_lost_and_sent_again(void **state)
{
    (void)state;
    uint8_t mask[4] = {0x03}; /* ack + 2 and ack + 3 */
    uint16_t seq;
    size_t offset;
    struct utp_sent sent;
    utp_window_init(&w, 10);
    send_many(6, 0);
    struct utp_acked a = utp_window_ack(&w, 10, bytes_of(mask, 4), MSECS(20)); /* 11 is missing */
    assert_false(a.lost);
    mask[0] = 0x07;
    a = utp_window_ack(&w, 10, bytes_of(mask, 4), MSECS(21));
    assert_true(a.lost);
    assert_int_equal(a.bytes, 104);
    assert_true(utp_window_lost(&w, &seq, &offset, &sent));
    assert_int_equal(seq, 11);
    assert_int_equal(offset, 0);
    assert_int_equal(sent.size, 101);
    utp_window_resent(&w, seq, MSECS(22));
    assert_false(utp_window_lost(&w, &seq, &offset, &sent));
    a = utp_window_ack(&w, 15, nothing, MSECS(50));
    assert_int_equal(a.latest_size, 101); /* not the last in order */
    assert_int_equal(a.released, 101 + 102 + 103 + 104 + 105);
    utp_window_free(&w);
}

static void a_retransmission_that_is_lost_too_is_found(void **state)
{
    (void)state;
    uint8_t mask[4] = {0xff, 0x0f};
    uint16_t seq;
    size_t offset;
    struct utp_sent sent;
    utp_window_init(&w, 1);
    send_many(10, 0);
    assert_true(utp_window_ack(&w, 0, bytes_of(mask, 4), MSECS(50)).lost);
    assert_true(utp_window_lost(&w, &seq, &offset, &sent));
    utp_window_resent(&w, seq, MSECS(51));
    send_many(4, MSECS(52));
    mask[1] = 0x7f;
    struct utp_acked a = utp_window_ack(&w, 0, bytes_of(mask, 4), MSECS(102));
    assert_true(a.lost);
    assert_true(utp_window_lost(&w, &seq, &offset, &sent));
    assert_int_equal(seq, 1);
    utp_window_free(&w);
}

static void what_was_only_late_makes_the_window_patient(void **state)
{
    (void)state;
    uint8_t mask[4] = {0x07};
    uint16_t seq;
    size_t offset;
    struct utp_sent sent;
    utp_window_init(&w, 1);
    send_many(5, 0);
    utp_window_rtt(&w, MSECS(50));
    assert_true(utp_window_ack(&w, 0, bytes_of(mask, 4), MSECS(50)).lost);
    assert_true(utp_window_lost(&w, &seq, &offset, &sent));
    utp_window_resent(&w, seq, MSECS(50));
    struct utp_acked a = utp_window_ack(&w, 5, nothing, MSECS(55));
    assert_true(a.not_lost);
    assert_int_equal(w.tolerance, 2 * UTP_TOLERANCE_MIN);
    utp_window_free(&w);
}

static void a_sack_bomb_changes_nothing(void **state)
{
    (void)state;
    uint8_t mask[255];
    memset(mask, 255, sizeof mask);
    utp_window_init(&w, 65000);
    struct utp_acked a = utp_window_ack(&w, 64999, bytes_of(mask, sizeof mask), 0);
    assert_false(a.any);
    send_many(3, 0);
    a = utp_window_ack(&w, 64999, bytes_of(mask, sizeof mask), 0);
    assert_int_equal(a.bytes, 101 + 102); /* only what was sent, and never the first */
    assert_int_equal(utp_window_count(&w), 3);
    a = utp_window_ack(&w, 64999, bytes_of(mask, sizeof mask), 0);
    assert_false(a.any);
    utp_window_free(&w);
}

static void timeouts_double_up_to_a_bound(void **state)
{
    (void)state;
    utp_window_init(&w, 0);
    assert_int_equal(utp_window_rto(&w, 0), UTP_RTO_FIRST);
    utp_window_rtt(&w, MSECS(1));
    assert_int_equal(utp_window_rto(&w, 0), UTP_RTO_MIN);
    assert_int_equal(utp_window_rto(&w, 2), 4 * UTP_RTO_MIN);
    assert_int_equal(utp_window_rto(&w, 60), UTP_RTO_MAX);
}

/* ---- the path's MTU ------------------------------------------------------------------------ */

/* Searches over a path that carries `path` bytes; how many probes it took. */
static unsigned search(struct utp_mtu *m, size_t path)
{
    unsigned probes = 0;
    for (size_t size; (size = utp_mtu_wanted(m, 0)) > 0; probes++) {
        utp_mtu_sent(m, size);
        assert_int_equal(utp_mtu_wanted(m, 0), 0); /* one at a time */
        if (size <= path)
            utp_mtu_passed(m, 0);
        else
            utp_mtu_lost(m, 0);
    }
    return probes;
}

static void the_mtu_is_found_by_bisection(void **state)
{
    (void)state;
    struct utp_mtu m;
    utp_mtu_init(&m, ADDR_V4);
    assert_int_equal(search(&m, 9000), 1); /* Ethernet at once */
    assert_int_equal(utp_mtu_size(&m), UTP_MTU_CEILING_V4);
    for (size_t path = 500; path < 1472; path += 7) {
        utp_mtu_init(&m, ADDR_V4);
        assert_true(search(&m, path) <= 16);
        assert_true(utp_mtu_size(&m) <= path || path < UTP_MTU_FLOOR_V4);
        assert_true(utp_mtu_size(&m) + UTP_MTU_NEAR >= path || path < UTP_MTU_FLOOR_V4);
    }
}

static void a_lost_probe_gets_a_second_chance(void **state)
{
    (void)state;
    struct utp_mtu m;
    utp_mtu_init(&m, ADDR_V6);
    assert_int_equal(utp_mtu_size(&m), UTP_MTU_FLOOR_V6);
    utp_mtu_sent(&m, utp_mtu_wanted(&m, 0));
    utp_mtu_lost(&m, 0);
    assert_int_equal(utp_mtu_wanted(&m, 0), UTP_MTU_CEILING_V6);
    utp_mtu_sent(&m, UTP_MTU_CEILING_V6);
    utp_mtu_passed(&m, 0);
    assert_int_equal(utp_mtu_size(&m), UTP_MTU_CEILING_V6);
}

static void paths_change_so_it_is_looked_again_and_a_black_hole_begins_anew(void **state)
{
    (void)state;
    struct utp_mtu m;
    utp_mtu_init(&m, ADDR_V4);
    search(&m, 1000);
    assert_int_equal(utp_mtu_wanted(&m, UTP_MTU_AGAIN - 1), 0);
    assert_int_equal(utp_mtu_wanted(&m, UTP_MTU_AGAIN), UTP_MTU_CEILING_V4);
    utp_mtu_black_hole(&m);
    assert_int_equal(utp_mtu_size(&m), UTP_MTU_FLOOR_V4);
}

RUN(T(a_ring_gives_back_what_was_put_in_whatever_the_sizes), T(an_empty_ring_gives_its_memory_back),
    T(an_inbox_gives_back_what_came_wherever_it_lies), T(what_is_read_in_its_turn_needs_no_ring),
    T(an_inbox_holds_no_more_than_its_bound), T(what_came_early_is_kept_once_and_told_in_the_mask),
    T(nothing_is_kept_too_far_ahead_or_too_large), T(one_connection_cannot_take_the_whole_pool),
    T(room_grows_while_the_path_fills_it_and_the_reader_keeps_up),
    T(all_connections_share_the_room_beyond_their_first),
    T(a_queue_is_let_run_empty_once_a_minute_unless_it_was_seen_empty),
    T(what_leaves_keeps_to_its_rate_in_small_bursts), T(a_clock_that_is_late_does_not_slow_it_down),
    T(a_pause_is_not_made_up_for), T(without_a_rate_nothing_rests),
    T(an_acknowledgement_releases_and_measures),
    T(what_three_later_ones_overtook_is_lost_and_sent_again),
    T(a_retransmission_that_is_lost_too_is_found), T(what_was_only_late_makes_the_window_patient),
    T(a_sack_bomb_changes_nothing), T(timeouts_double_up_to_a_bound),
    T(the_mtu_is_found_by_bisection), T(a_lost_probe_gets_a_second_chance),
    T(paths_change_so_it_is_looked_again_and_a_black_hole_begins_anew))
