/* What one of many peers costs a torrent: what concerns one touches no others, and what all are
 * asked for together finds room in memory. Counted, not timed. */
#include "torrent_bench.h"

#define PIECE 65536u
#define CROWD (BENCH_PEERS_MAX - 1)
static struct bench b;

static const struct bench_config leech = {
    .pieces = 256, .piece_length = PIECE, .v1 = true, .have = 4, .memory = 1 << 20};

static void unchoke_all_who_have_everything(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct bench_peer *p = bench_join(&b, (char)('a' + i));
        bench_say(p, WIRE_HAVE_ALL, 0);
        bench_say(p, WIRE_UNCHOKE, 0);
    }
}

static uint32_t waiting_at_all(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < b.torrent->peer_count; i++)
        sum += b.torrent->peers[i]->requests.waiting;
    return sum;
}

static void what_a_crowd_is_asked_for_finds_room_in_memory(void **state)
{
    (void)state;
    bench_new(&b, &leech);
    assert_int_equal(b.torrent->asked_enough, chunk_pool_size(b.pool) * CHUNK_BLOCKS / 2);
    b.torrent->asked_enough = 2 * PIPELINE_DEPTH_START;
    unchoke_all_who_have_everything(CROWD);
    assert_int_equal(b.torrent->asked, waiting_at_all());
    /* The first two are asked for what they may, the others for two blocks each. */
    assert_int_equal(b.torrent->asked, 2 * PIPELINE_DEPTH_START + 2 * (CROWD - 2));
    for (uint32_t i = 0; i < b.torrent->peer_count; i++) /* nobody is left with nothing */
        assert_true(b.torrent->peers[i]->requests.waiting > 0);
    for (unsigned i = 0; i < 4; i++)
        bench_serve(&b.peers[i], UINT32_MAX);
    bench_say(&b.peers[5], WIRE_CHOKE, 0);
    peer_hang_up(b.peers[6].peer, 0, "by the test");
    assert_int_equal(b.torrent->asked, waiting_at_all());
    bench_free(&b);
}

static void a_have_hurries_to_who_wants_the_piece_alone(void **state)
{
    struct bytes m;
    (void)state;
    bench_new(&b, &leech);
    struct bench_peer *has = bench_join(&b, 'a'), *lacks = bench_join(&b, 'b');
    bench_say(has, WIRE_HAVE_ALL, 0);
    bench_say(lacks, WIRE_HAVE_NONE, 0);
    while (bench_heard(has, WIRE_HAVE, &m) || bench_heard(lacks, WIRE_HAVE, &m)) {
    }
    peer_say_have(has->peer, 9);
    peer_say_have(lacks->peer, 9);
    assert_true(lacks->peer->pump_wanted);
    assert_false(has->peer->pump_wanted);
    bench_pass(&b, TORRENT_TICK + MSECS(100));
    assert_true(has->peer->pump_wanted);
    assert_true(bench_heard(has, WIRE_HAVE, &m));
    assert_false(has->peer->holds_haves);
    bench_free(&b);
}

/* The peers are walked over once a second, whatever happens in between. */
static void a_change_of_interest_concerns_nobody_while_the_slots_are_taken(void **state)
{
    (void)state;
    bench_new(&b, &leech);
    for (unsigned i = 0; i < CROWD; i++)
        bench_join(&b, (char)('a' + i));
    for (unsigned i = 0; i < CHOKER_SLOTS; i++)
        bench_say(&b.peers[i], WIRE_INTERESTED, 0);
    bench_pass(&b, SECONDS(12));
    assert_int_equal(b.torrent->slots_used, CHOKER_SLOTS);
    usec now = env_now(b.env), walk = b.torrent->next_walk;
    bench_say(&b.peers[CROWD - 1], WIRE_INTERESTED, 0);
    assert_true(torrent_deadline(b.torrent) > now);
    bench_say(&b.peers[0], WIRE_NOT_INTERESTED, 0); /* now there is a slot, and who wants it */
    assert_int_equal(torrent_deadline(b.torrent), now);
    torrent_tick(b.torrent, now);
    assert_int_equal(b.torrent->next_walk, walk);
    assert_false(b.peers[CROWD - 1].peer->choked_by_us);
    bench_free(&b);
}

static void slots_are_counted_whoever_comes_goes_or_changes_its_mind(void **state)
{
    (void)state;
    bench_new(&b, &leech);
    for (unsigned i = 0; i < 6; i++)
        bench_say(bench_join(&b, (char)('a' + i)), WIRE_INTERESTED, 0);
    bench_pass(&b, SECONDS(1));
    assert_int_equal(b.torrent->slots_used, 6);
    bench_say(&b.peers[0], WIRE_NOT_INTERESTED, 0);
    assert_int_equal(b.torrent->slots_used, 5);
    peer_hang_up(b.peers[0].peer, 0, "by the test");
    assert_int_equal(b.torrent->slots_used, 5);
    peer_hang_up(b.peers[1].peer, 0, "by the test");
    assert_int_equal(b.torrent->slots_used, 4);
    torrent_hang_up_all(b.torrent, "by the test");
    assert_int_equal(b.torrent->slots_used, 0);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_crowd_is_asked_for_finds_room_in_memory),
        cmocka_unit_test(a_have_hurries_to_who_wants_the_piece_alone),
        cmocka_unit_test(a_change_of_interest_concerns_nobody_while_the_slots_are_taken),
        cmocka_unit_test(slots_are_counted_whoever_comes_goes_or_changes_its_mind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
