/* Who may stay connected: one connection a peer, room for who is of use, the liar out and nobody
 * else, and what the rate limits let through. */
#include "torrent_bench.h"

#include "proto/ut_pex.h"

#include <stdlib.h>

#define PIECE 65536u
static struct bench b;

static const struct bench_config leech = {
    .pieces = 16, .piece_length = PIECE, .v1 = true, .have = 4, .peers_max = 10};
static const struct bench_config nearly = {
    .pieces = 16, .piece_length = PIECE, .v1 = true, .have = 15, .peers_max = 10};
static const struct bench_config seed = {
    .pieces = 16, .piece_length = PIECE, .v1 = true, .have = 16, .peers_max = 10};

/* ---- two connections to one peer ----------------------------------------------------------- */

static bool stays(char their_id, bool first_incoming, bool second_incoming)
{
    bench_new(&b, &leech);
    struct peer_intro intro = bench_intro(&b, their_id);
    intro.incoming = first_incoming;
    b.torrent->connecting += !first_incoming;
    struct bench_peer *first = bench_join_as(&b, &intro);
    intro.incoming = second_incoming;
    b.torrent->connecting += !second_incoming;
    struct bench_peer *second = bench_join_as(&b, &intro);
    assert_int_equal((first->peer != NULL) + (second->peer != NULL), 1);
    bool stayed = first->peer != NULL;
    bench_free(&b);
    return stayed;
}

/* Ours begins with '-'. */
static void of_two_connections_to_one_peer_the_greater_ids_own_is_kept_by_both(void **state)
{
    (void)state;
    assert_true(stays('!', false, true));  /* we are greater, and opened the first */
    assert_false(stays('!', true, false)); /* and here the second */
    assert_false(stays('z', false, true)); /* they are greater */
    assert_true(stays('z', true, false));
    assert_true(stays('z', true, true)); /* twice the same way: nothing is gained */
}

static void ourselves_are_no_peer(void **state)
{
    (void)state;
    bench_new(&b, &leech);
    struct peer_intro intro = bench_intro(&b, 'a');
    memcpy(intro.id.b, "-KH0000-mmmmmmmmmmmm", 20);
    assert_null(bench_join_as(&b, &intro)->peer);
    bench_free(&b);
}

/* ---- turnover ------------------------------------------------------------------------------ */

/* Time in which every peer shows that it lives. */
static void live(usec time)
{
    for (; time > 0; time -= SECONDS(50)) {
        for (unsigned i = 0; i < b.peer_count; i++)
            if (b.peers[i].peer)
                bench_say(&b.peers[i], WIRE_HAVE, 1, 0u);
        bench_pass(&b, SECONDS(50));
    }
}

static unsigned connected(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < b.peer_count; i++)
        count += b.peers[i].peer != NULL;
    return count;
}

static void fill(void)
{
    for (unsigned i = 0; i < 10; i++) {
        struct bench_peer *p = bench_join(&b, (char)('a' + i));
        if (i != 3)
            bench_say(p, WIRE_INTERESTED, 0);
    }
}

static void a_full_torrent_lets_go_of_the_idlest_when_somebody_was_turned_away(void **state)
{
    (void)state;
    bench_new(&b, &seed);
    fill();
    struct peer_intro late = bench_intro(&b, 'z');
    assert_null(bench_join_as(&b, &late)->peer);
    live(SECONDS(700));
    assert_int_equal(connected(), 9);
    assert_null(b.peers[3].peer); /* neither wants anything of the other */
    late = bench_intro(&b, 'z');
    assert_non_null(bench_join_as(&b, &late)->peer);
    bench_free(&b);
}

static void nobody_has_to_go_while_nobody_waits(void **state)
{
    (void)state;
    bench_new(&b, &seed);
    fill();
    live(SECONDS(1500));
    assert_int_equal(connected(), 10);
    bench_free(&b);
}

/* ---- half-open connections ----------------------------------------------------------------- */

static void attempts_at_a_time_are_bounded(void **state)
{
    (void)state;
    struct bench_config many = leech;
    many.peers_max = 100;
    bench_new(&b, &many);
    for (uint32_t i = 0; i < 60; i++) {
        struct endpoint e = endpoint_v4(0x08000001 + i, 6881);
        torrent_add_candidate(b.torrent, &e, ADDR_FROM_STRANGER);
    }
    bench_pass(&b, SECONDS(10));
    assert_int_equal(b.connect_count, TORRENT_CONNECTING_MAX);
    torrent_connect_failed(b.torrent, &b.connects[0], ERR_TIMEOUT);
    bench_pass(&b, SECONDS(3));
    assert_int_equal(b.connect_count, TORRENT_CONNECTING_MAX + 1);
    bench_free(&b);
}

/* Those of whom somebody says that they are seeds come last: anybody can say it of anybody. */
static void a_seed_calls_leechers_few_at_a_time_and_seldom(void **state)
{
    (void)state;
    bench_new(&b, &seed);
    for (uint32_t i = 0; i < 60; i++) {
        struct endpoint e = endpoint_v4(0x08000001 + i, 6881);
        struct peer_hint is_seed = {.source = ADDR_FROM_STRANGER, .flags = UT_PEX_SEED};
        if (i < 30)
            torrent_add_hinted(b.torrent, &e, &is_seed);
        else
            torrent_add_candidate(b.torrent, &e, ADDR_FROM_STRANGER);
    }
    bench_pass(&b, SECONDS(10));
    assert_int_equal(b.connect_count, TORRENT_SEED_CONNECTING_MAX);
    for (unsigned i = 0; i < b.connect_count; i++) {
        bool leecher = b.connects[i].ip[3] > 30;
        assert_true(leecher == (i < 30));
        torrent_connect_failed(b.torrent, &b.connects[i], ERR_TIMEOUT);
        bench_pass(&b, SECONDS(1));
    }
    assert_int_equal(b.connect_count, 60); /* each once */
    bench_pass(&b, SECONDS(400));
    assert_int_equal(b.connect_count, 60 + TORRENT_SEED_CONNECTING_MAX);
    bench_free(&b);
}

static void two_seeds_part_if_we_called_and_do_not_meet_again(void **state)
{
    (void)state;
    bench_new(&b, &seed);
    struct endpoint at = endpoint_v4(0x08000001, 6881);
    torrent_add_candidate(b.torrent, &at, ADDR_FROM_STRANGER);
    bench_pass(&b, SECONDS(2));
    assert_int_equal(b.connect_count, 1);
    struct peer_intro intro = bench_intro(&b, 'q');
    intro.incoming = false;
    intro.address = at;
    struct bench_peer *p = bench_join_as(&b, &intro);
    bench_say_bytes(p, WIRE_HAVE_ALL, bytes_of(NULL, 0));
    assert_non_null(p->peer);
    bench_pass(&b, SECONDS(15));
    assert_null(p->peer);
    bench_pass(&b, SECONDS(4000));
    assert_int_equal(b.connect_count, 1);
    struct bench_peer *caller = bench_join(&b, 'r'); /* who calls knows why */
    bench_say_bytes(caller, WIRE_HAVE_ALL, bytes_of(NULL, 0));
    bench_pass(&b, SECONDS(15));
    assert_non_null(caller->peer);
    bench_free(&b);
}

static void who_cannot_be_called_keeps_nobody_behind_it_from_being_called(void **state)
{
    static const int errors[] = {ERR_NETWORK, ERR_BLOCKED, ERR_LIMIT};
    (void)state;
    for (unsigned e = 0; e < 3; e++) {
        struct bench_config many = leech;
        many.peers_max = 100;
        bench_new(&b, &many);
        b.connect_error = errors[e];
        for (uint32_t i = 0; i < 20; i++) {
            struct endpoint no_way = endpoint_v4(0x08000001 + i, BENCH_PORT_NO_WAY);
            torrent_add_candidate(b.torrent, &no_way, ADDR_FROM_USER);
        }
        struct endpoint good = endpoint_v4(0x09000001, 6881);
        torrent_add_candidate(b.torrent, &good, ADDR_FROM_USER);
        bench_pass(&b, SECONDS(2));
        if (errors[e] == ERR_NETWORK)
            assert_true(b.connect_count == 1 && endpoint_equal(&b.connects[0], &good));
        if (errors[e] == ERR_BLOCKED)
            assert_int_equal(b.tried_count, 21);
        if (errors[e] == ERR_LIMIT) /* nobody can be: one look a second says so */
            assert_true(b.tried_count <= 3);
        bench_free(&b);
    }
}

static void whom_the_user_names_is_called_by_a_seed_first(void **state)
{
    (void)state;
    bench_new(&b, &seed);
    struct endpoint stranger = endpoint_v4(0x08000001, 6881), mine = endpoint_v4(0x08000002, 6881);
    torrent_add_candidate(b.torrent, &stranger, ADDR_FROM_STRANGER);
    torrent_add_candidate(b.torrent, &mine, ADDR_FROM_USER);
    bench_pass(&b, SECONDS(10));
    assert_int_equal(b.connect_count, 2);
    assert_true(endpoint_equal(&b.connects[0], &mine));
    bench_free(&b);
}

/* ---- liars --------------------------------------------------------------------------------- */

static void whoever_alone_gave_a_bad_piece_is_out_and_stays_out(void **state)
{
    (void)state;
    bench_new(&b, &leech);
    struct bench_peer *liar = bench_join(&b, 'a');
    struct peer_intro again = bench_intro(&b, 'b');
    again.address = liar->peer->address;
    bench_say(liar, WIRE_HAVE_ALL, 0);
    bench_say(liar, WIRE_UNCHOKE, 0);
    for (int i = 0; i < 100 && liar->peer; i++) {
        struct bytes r;
        while (liar->peer && bench_heard(liar, WIRE_REQUEST, &r)) {
            struct cursor c = cursor_of(r);
            uint32_t piece = cursor_u32(&c);
            bench_say_block(liar, piece, cursor_u32(&c), false);
        }
        bench_pass(&b, MSECS(20));
    }
    assert_null(liar->peer);
    assert_true(b.torrent->have.count == 4);
    assert_null(bench_join_as(&b, &again)->peer);
    bench_free(&b);
}

static unsigned lies(struct bench_peer *p, bool truly, unsigned at_most)
{
    struct bytes r;
    unsigned count = 0;
    while (count < at_most && p->peer && bench_heard(p, WIRE_REQUEST, &r)) {
        struct cursor c = cursor_of(r);
        uint32_t piece = cursor_u32(&c);
        bench_say_block(p, piece, cursor_u32(&c), truly);
        count++;
    }
    return count;
}

/* One block is its gift, the rest of the piece another's. */
static void a_liar_that_leaves_before_its_lie_shows_is_banned_none_the_less(void **state)
{
    (void)state;
    struct bench_config one = {.pieces = 1, .piece_length = PIECE, .v1 = true};
    bench_new(&b, &one);
    struct bench_peer *liar = bench_join(&b, 'a'), *honest;
    struct endpoint address = liar->peer->address;
    bench_say(liar, WIRE_HAVE_ALL, 0);
    bench_say(liar, WIRE_UNCHOKE, 0);
    assert_int_equal(lies(liar, false, 1), 1);
    peer_link_lost(liar->peer, ERR_CLOSED);
    honest = bench_join(&b, 'b');
    bench_say(honest, WIRE_HAVE_ALL, 0);
    bench_say(honest, WIRE_UNCHOKE, 0);
    for (int i = 0; i < 100 && !b.torrent->completed; i++) {
        lies(honest, true, 64);
        bench_pass(&b, MSECS(100));
    }
    assert_true(b.torrent->completed);
    assert_true(peer_list_banned(b.torrent->candidates, &address));
    assert_non_null(honest->peer);
    assert_false(suspects_hold(&b.torrent->suspects, &honest->peer->address));
    bench_free(&b);
}

/* ---- floods -------------------------------------------------------------------------------- */

static void requests_past_the_bound_are_rejected_and_those_for_nothing_end_it(void **state)
{
    struct bytes m;
    unsigned rejects = 0;
    (void)state;
    bench_new(&b, &seed);
    struct bench_peer *p = bench_join(&b, 'a');
    for (uint32_t i = 0; i < 3 * PEER_REQUESTS_IN_MAX && p->peer; i++)
        bench_say(p, WIRE_REQUEST, 3, i % 16, 0u, 16384u); /* while it is choked */
    if (p->peer)
        assert_true(p->peer->uploads.count <= PEER_REQUESTS_IN_MAX);
    while (bench_heard(p, WIRE_REJECT, &m))
        rejects++;
    assert_true(rejects > 0 || !p->peer);
    struct bench_peer *giant = bench_join(&b, 'b');
    for (unsigned i = 0; i < PEER_OFFENCES_MAX; i++) {
        assert_non_null(giant->peer);
        bench_say(giant, WIRE_REQUEST, 3, 0u, 0u, PEER_BLOCK_MAX + 1);
    }
    assert_null(giant->peer);
    struct bench_peer *beyond = bench_join(&b, 'c');
    bench_say(beyond, WIRE_HAVE, 1, 16u);
    assert_null(beyond->peer);
    bench_free(&b);
}

/* ---- what is late -------------------------------------------------------------------------- */

static void a_slow_taker_may_still_change_its_mind_about_most_of_what_it_asked(void **state)
{
    struct bytes m;
    unsigned pieces = 0, rejects = 0;
    (void)state;
    bench_new(&b, &seed);
    struct bench_peer *p = bench_join(&b, 'a');
    bench_say(p, WIRE_INTERESTED, 0);
    bench_pass(&b, SECONDS(2));
    for (uint32_t i = 0; i < 64; i++)
        bench_say(p, WIRE_REQUEST, 3, i / 4, i % 4 * 16384, 16384u);
    bench_pass(&b, SECONDS(1)); /* in which it takes nothing */
    assert_true(p->peer->reading_bytes + p->peer->out.block_bytes <= PEER_UPLOADS_READ_MIN);
    for (uint32_t i = 0; i < 64; i++)
        bench_say(p, WIRE_CANCEL, 3, i / 4, i % 4 * 16384, 16384u);
    bench_pass(&b, SECONDS(1));
    while (bench_heard(p, WIRE_REJECT, &m))
        rejects++;
    assert_true(rejects >= 64 - PEER_UPLOADS_READ_MIN / 16384);
    bench_pass(&b, SECONDS(1));
    while (bench_heard(p, WIRE_PIECE, &m))
        pieces++;
    assert_int_equal(pieces, 0); /* they came before the rejects, and were skipped with them */
    bench_free(&b);
}

static void give_piece(struct bench_peer *p, uint32_t piece)
{
    for (uint32_t begin = 0; begin < PIECE; begin += 16384)
        bench_say_block(p, piece, begin, true);
}

/* Another node may wait for a piece that is proved: hashing many at once is for those that come
 * many at once. */
static void a_piece_that_comes_alone_waits_for_nobody(void **state)
{
    struct bytes m;
    (void)state;
    bench_new(&b, &leech);
    struct bench_peer *p = bench_join(&b, 'a');
    bench_say(p, WIRE_HAVE_ALL, 0);
    bench_say(p, WIRE_UNCHOKE, 0);
    assert_true(bench_heard(p, WIRE_REQUEST, &m));
    struct cursor c = cursor_of(m);
    give_piece(p, cursor_u32(&c));
    bench_pass(&b, TORRENT_COMPANY_WAIT / 2);
    assert_int_equal(storage_finish_waiting(b.storage), 0);
    bench_pass(&b, SECONDS(1));
    assert_int_equal(b.torrent->have.count, leech.have + 1);
    bench_free(&b);
}

static void pieces_that_come_fast_are_hashed_together(void **state)
{
    struct bytes m;
    (void)state;
    bench_new(&b, &leech);
    struct bench_peer *p = bench_join(&b, 'a');
    bench_say(p, WIRE_HAVE_ALL, 0);
    bench_say(p, WIRE_UNCHOKE, 0);
    for (unsigned i = 0; i < 12; i++) { /* blocks of three pieces, in one moment */
        assert_true(bench_heard(p, WIRE_REQUEST, &m));
        struct cursor c = cursor_of(m);
        uint32_t piece = cursor_u32(&c);
        bench_say_block(p, piece, cursor_u32(&c), true);
    }
    assert_true(storage_finish_waiting(b.storage) > 0);
    bench_pass(&b, SECONDS(1));
    assert_int_equal(storage_finish_waiting(b.storage), 0);
    bench_free(&b);
}

/* ---- the allowed-fast set (BEP 6) ---------------------------------------------------------- */

static void a_seed_offers_nothing_past_its_slots_and_a_leecher_does(void **state)
{
    struct bytes m;
    (void)state;
    bench_new(&b, &seed);
    assert_false(bench_heard(bench_join(&b, 'a'), WIRE_ALLOWED_FAST, &m));
    bench_free(&b);
    bench_new(&b, &nearly);
    assert_true(bench_heard(bench_join(&b, 'a'), WIRE_ALLOWED_FAST, &m));
    bench_free(&b);
}

static void who_refuses_what_it_offered_is_not_asked_for_it_again(void **state)
{
    struct bytes r;
    unsigned asked = 0;
    (void)state;
    bench_new(&b, &leech);
    struct bench_peer *p = bench_join(&b, 'a');
    bench_say(p, WIRE_HAVE_ALL, 0);
    bench_say(p, WIRE_ALLOWED_FAST, 1, 6u);
    for (int i = 0; i < 200 && p->peer; i++) {
        bench_pass(&b, MSECS(100));
        while (asked <= 4 && bench_heard(p, WIRE_REQUEST, &r)) {
            struct cursor c = cursor_of(r);
            uint32_t piece = cursor_u32(&c), begin = cursor_u32(&c);
            assert_int_equal(piece, 6);
            bench_say(p, WIRE_REJECT, 3, piece, begin, cursor_u32(&c));
            asked++;
        }
    }
    assert_in_range(asked, 1, 4); /* its blocks, each once */
    bench_free(&b);
}

static bool offers(uint32_t pieces_here)
{
    struct bytes m;
    struct bench_config some = leech;
    some.have = pieces_here;
    bench_new(&b, &some);
    bool offered = bench_heard(bench_join(&b, 'a'), WIRE_ALLOWED_FAST, &m);
    bench_free(&b);
    return offered;
}

static void who_has_the_first_pieces_does_not_offer_them_to_everybody_at_once(void **state)
{
    (void)state;
    assert_false(offers(0));
    assert_false(offers(7));
    assert_true(offers(8));
}

/* With seven pieces of its own it may have what was offered, with eight it has to trade. */
static void whoever_has_something_to_trade_gets_nothing_past_the_slots(void **state)
{
    struct bytes m;
    (void)state;
    for (uint32_t has = 7; has <= 8; has++) {
        bench_new(&b, &nearly);
        struct bench_peer *p = bench_join(&b, 'a');
        assert_true(bench_heard(p, WIRE_ALLOWED_FAST, &m));
        uint32_t piece = load_u32(m.data);
        bench_say(p, WIRE_HAVE_NONE, 0);
        peer_set_choked(p->peer, true, env_now(b.env));
        for (uint32_t i = 0; i < has; i++)
            bench_say(p, WIRE_HAVE, 1, 15 - i);
        bench_say(p, WIRE_REQUEST, 3, piece, 0u, METAINFO_BLOCK_SIZE);
        assert_true(bench_heard(p, WIRE_REJECT, &m) == (has == 8));
        bench_free(&b);
    }
}

/* ---- slots --------------------------------------------------------------------------------- */

static void a_newcomer_finds_the_slot_open_that_is_free_and_asks_at_once(void **state)
{
    struct bytes m;
    (void)state;
    bench_new(&b, &seed);
    struct bench_peer *p = bench_join(&b, 'a');
    assert_true(bench_heard(p, WIRE_UNCHOKE, &m));
    bench_say(p, WIRE_INTERESTED, 0);
    bench_say(p, WIRE_REQUEST, 3, 0u, 0u, METAINFO_BLOCK_SIZE);
    bench_pass(&b, SECONDS(5));
    assert_true(bench_heard(p, WIRE_PIECE, &m));
    assert_false(p->peer->choked_by_us);
    assert_int_equal(b.torrent->slots_used, 1);
    bench_free(&b);
}

static void more_newcomers_than_slots_wait(void **state)
{
    (void)state;
    bench_new(&b, &seed);
    for (unsigned i = 0; i < CHOKER_SLOTS; i++)
        assert_false(bench_join(&b, (char)('a' + i))->peer->choked_by_us);
    assert_true(bench_join(&b, 'z')->peer->choked_by_us);
    bench_free(&b);
}

static void whoever_does_not_want_the_slot_holds_it_for_no_more_than_seconds(void **state)
{
    (void)state;
    bench_new(&b, &seed);
    struct bench_peer *silent = bench_join(&b, 'a'), *complete = bench_join(&b, 'b');
    bench_say(complete, WIRE_HAVE_ALL, 0);
    assert_int_equal(b.torrent->slots_used, 1);
    bench_pass(&b, MSECS(500));
    assert_true(complete->peer->choked_by_us);
    assert_false(silent->peer->choked_by_us);
    bench_pass(&b, TORRENT_PRESUMED + SECONDS(1));
    assert_true(silent->peer->choked_by_us);
    assert_int_equal(b.torrent->slots_used, 0);
    bench_say(silent, WIRE_INTERESTED, 0); /* after all */
    bench_pass(&b, SECONDS(1));
    assert_false(silent->peer->choked_by_us);
    bench_free(&b);
}

static void who_has_nothing_presumes_nothing(void **state)
{
    (void)state;
    struct bench_config empty = leech;
    empty.have = 0;
    bench_new(&b, &empty);
    assert_true(bench_join(&b, 'a')->peer->choked_by_us);
    bench_free(&b);
}

/* ---- rates --------------------------------------------------------------------------------- */

static void what_is_sent_keeps_within_the_limit(void **state)
{
    struct bytes m;
    uint64_t got = 0;
    (void)state;
    bench_new(&b, &seed);
    token_bucket_set(&torrent_limits(b.torrent)->upload, 100000, env_now(b.env));
    struct bench_peer *p = bench_join(&b, 'a');
    bench_say(p, WIRE_INTERESTED, 0);
    bench_pass(&b, SECONDS(2));
    for (uint32_t i = 0; i < 64; i++)
        bench_say(p, WIRE_REQUEST, 3, i / 4, i % 4 * 16384, 16384u);
    usec began = env_now(b.env);
    while (got < 40 * 16384) {
        bench_pass(&b, MSECS(100));
        while (bench_heard(p, WIRE_PIECE, &m))
            got += m.size - 8;
    }
    double took = (double)(env_now(b.env) - began) / USEC_PER_SEC;
    assert_in_range((uint64_t)((double)got / took), 70000, 140000);
    bench_free(&b);
}

/* Each gets about as much: whoever is asked for first takes all that there is at the time. */
static void those_that_the_limit_holds_back_take_turns(void **state)
{
    enum { PEERS = 3 };
    uint64_t got[PEERS] = {0}, sum = 0;
    struct bytes m;
    (void)state;
    bench_new(&b, &seed);
    token_bucket_set(&torrent_limits(b.torrent)->upload, 100000, env_now(b.env));
    for (unsigned i = 0; i < PEERS; i++)
        bench_say(bench_join(&b, (char)('a' + i)), WIRE_INTERESTED, 0);
    bench_pass(&b, SECONDS(2));
    for (unsigned i = 0; i < PEERS; i++)
        for (uint32_t r = 0; r < 64; r++)
            bench_say(&b.peers[i], WIRE_REQUEST, 3, r / 4, r % 4 * 16384, 16384u);
    for (unsigned step = 0; step < 150; step++) {
        bench_pass(&b, MSECS(100));
        bench_pump(&b);
    }
    for (unsigned i = 0; i < PEERS; i++)
        while (bench_heard(&b.peers[i], WIRE_PIECE, &m))
            got[i] += m.size - 8;
    for (unsigned i = 0; i < PEERS; i++)
        sum += got[i];
    for (unsigned i = 0; i < PEERS; i++)
        assert_in_range(got[i], sum / PEERS / 2, sum / PEERS * 2);
    bench_free(&b);
}

/* ---- without peers ------------------------------------------------------------------------- */

static void what_comes_with_the_first_peer_goes_after_the_last_and_comes_again(void **state)
{
    (void)state;
    bench_new(&b, &leech);
    struct torrent *t = b.torrent;
    assert_true(!t->peers && !t->pex && !t->departed && !t->buffers);
    for (char id = 'a'; id < 'c'; id++) {
        struct bench_peer *p = bench_join(&b, id);
        bench_say_bytes(p, WIRE_BITFIELD, bytes_of("\xff\xff", 2));
        bench_say(p, WIRE_UNCHOKE, 0);
        bench_pass(&b, SECONDS(2));
        struct bytes request;
        assert_true(bench_heard(p, WIRE_REQUEST, &request));
        if (id == 'b')
            assert_true(bench_serve(p, UINT32_MAX) > 0);
        bench_pass(&b, SECONDS(2));
        assert_true(t->peers != NULL);
        peer_hang_up(p->peer, 0, "by the test");
        bench_pass(&b, TORRENT_REST_AFTER / 2);
        assert_non_null(t->peers); /* another may come */
        bench_pass(&b, TORRENT_REST_AFTER);
        assert_true(!t->peers && !t->pex);
    }
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_two_connections_to_one_peer_the_greater_ids_own_is_kept_by_both),
        cmocka_unit_test(ourselves_are_no_peer),
        cmocka_unit_test(a_full_torrent_lets_go_of_the_idlest_when_somebody_was_turned_away),
        cmocka_unit_test(nobody_has_to_go_while_nobody_waits),
        cmocka_unit_test(attempts_at_a_time_are_bounded),
        cmocka_unit_test(a_seed_calls_leechers_few_at_a_time_and_seldom),
        cmocka_unit_test(two_seeds_part_if_we_called_and_do_not_meet_again),
        cmocka_unit_test(who_cannot_be_called_keeps_nobody_behind_it_from_being_called),
        cmocka_unit_test(whom_the_user_names_is_called_by_a_seed_first),
        cmocka_unit_test(whoever_alone_gave_a_bad_piece_is_out_and_stays_out),
        cmocka_unit_test(a_liar_that_leaves_before_its_lie_shows_is_banned_none_the_less),
        cmocka_unit_test(requests_past_the_bound_are_rejected_and_those_for_nothing_end_it),
        cmocka_unit_test(a_slow_taker_may_still_change_its_mind_about_most_of_what_it_asked),
        cmocka_unit_test(a_piece_that_comes_alone_waits_for_nobody),
        cmocka_unit_test(pieces_that_come_fast_are_hashed_together),
        cmocka_unit_test(a_seed_offers_nothing_past_its_slots_and_a_leecher_does),
        cmocka_unit_test(who_refuses_what_it_offered_is_not_asked_for_it_again),
        cmocka_unit_test(who_has_the_first_pieces_does_not_offer_them_to_everybody_at_once),
        cmocka_unit_test(whoever_has_something_to_trade_gets_nothing_past_the_slots),
        cmocka_unit_test(a_newcomer_finds_the_slot_open_that_is_free_and_asks_at_once),
        cmocka_unit_test(more_newcomers_than_slots_wait),
        cmocka_unit_test(whoever_does_not_want_the_slot_holds_it_for_no_more_than_seconds),
        cmocka_unit_test(who_has_nothing_presumes_nothing),
        cmocka_unit_test(what_is_sent_keeps_within_the_limit),
        cmocka_unit_test(those_that_the_limit_holds_back_take_turns),
        cmocka_unit_test(what_comes_with_the_first_peer_goes_after_the_last_and_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
