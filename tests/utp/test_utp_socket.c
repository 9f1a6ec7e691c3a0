/* What a hostile network can do to uTP, and what a good connection does to the network. */
#include "pair.h"

#include "base/check.h"
#include "base/err.h"
#include <stdlib.h>

static const struct pair_line calm = {.delay = MSECS(20), .rate = 2000000, .queue_max = 1000000};
static const struct endpoint stranger = {.family = ADDR_V4, .ip = {1, 2, 3, 4}, .port = 5};

struct meter {
    struct utp_socket *socket;
    uint64_t in, out;
    unsigned packets;
    struct utp_packet last;
    uint8_t room[64];
    struct utp_batch batch;
};

static void meter_new(struct meter *m)
{
    static const uint8_t seed[16] = {7};
    memset(m, 0, sizeof *m);
    m->socket = utp_socket_new(seed, 0);
}

static void drain(struct meter *m, usec now)
{
    utp_socket_tick(m->socket, now);
    while (utp_socket_output(m->socket, &m->batch, now))
        for (int r = 0; r < m->batch.run_count; r++) {
            const struct utp_run *run = &m->batch.runs[r];
            m->out += run->bytes;
            m->packets += (unsigned)run->packets;
            memcpy(m->room, run->iov[0].iov_base, run->iov[0].iov_len);
            utp_packet_parse(&m->last, bytes_of(m->room, run->iov[0].iov_len));
        }
}

static void hear(struct meter *m, const struct endpoint *from, const struct utp_packet *p, usec now)
{
    uint8_t out[UTP_STATE_MAX];
    size_t size = utp_packet_write(p, out);
    m->in += size;
    utp_socket_input(m->socket, from, bytes_of(out, size), now);
}

/* ---- strangers ----------------------------------------------------------------------------- */

static void nobody_can_make_us_send_more_than_he_sends(void **state)
{
    (void)state;
    struct meter *m = malloc(sizeof *m);
    uint64_t random = 3;
    meter_new(m);
    for (int i = 0; i < 20000; i++) {
        struct endpoint from = stranger;
        struct utp_packet p = {.type = (enum utp_type)(next_random(&random) % UTP_TYPES),
            .id = (uint16_t)next_random(&random),
            .seq = (uint16_t)next_random(&random),
            .ack = (uint16_t)next_random(&random),
            .window = 1 << 20};
        from.port = (uint16_t)(1 + next_random(&random) % 3000);
        hear(m, &from, &p, MSECS(i));
        drain(m, MSECS(i));
        assert_true(m->out <= m->in);
        assert_true(utp_socket_counts(m->socket).half_open <= UTP_HALF_OPEN_MAX);
    }
    drain(m, SECONDS(3600)); /* nor does anything go on by itself */
    assert_true(m->out <= m->in);
    assert_int_equal(utp_socket_counts(m->socket).conns, 0);
    assert_null(utp_accept(m->socket));
    utp_socket_free(m->socket);
    free(m);
}

static void a_call_is_answered_once_each_and_handed_out_when_the_caller_has_heard_us(void **state)
{
    (void)state;
    struct meter *m = malloc(sizeof *m);
    struct utp_packet syn = {.type = UTP_SYN, .id = 100, .seq = 1, .window = 1 << 20};
    meter_new(m);
    hear(m, &stranger, &syn, 0);
    drain(m, 0);
    assert_int_equal(m->packets, 1);
    assert_int_equal(m->last.type, UTP_STATE);
    assert_int_equal(m->last.id, 100);
    assert_int_equal(m->last.ack, 1);
    uint16_t seq = m->last.seq;
    drain(m, SECONDS(5));
    assert_int_equal(m->packets, 1);
    hear(m, &stranger, &syn, SECONDS(5));
    drain(m, SECONDS(5));
    assert_int_equal(m->packets, 2);
    assert_int_equal(m->last.seq, seq);
    struct utp_packet guess = {.type = UTP_DATA, .id = 101, .seq = 2, .ack = (uint16_t)(seq + 77)};
    hear(m, &stranger, &guess, SECONDS(5));
    assert_null(utp_accept(m->socket));
    guess.ack = (uint16_t)(seq - 1);
    hear(m, &stranger, &guess, SECONDS(5));
    assert_non_null(utp_accept(m->socket));
    utp_socket_free(m->socket);
    free(m);
}

static void a_flood_of_calls_leaves_room_for_those_that_come_later(void **state)
{
    (void)state;
    struct meter *m = malloc(sizeof *m);
    meter_new(m);
    for (uint32_t i = 0; i < 20000; i++) {
        struct endpoint from = endpoint_v4(0x08000000u + i, 1000);
        hear(m, &from, &(struct utp_packet){.type = UTP_SYN, .id = 7, .seq = 1}, 0);
        if (i % 100 == 0)
            drain(m, 0);
    }
    drain(m, 0);
    assert_int_equal(utp_socket_counts(m->socket).half_open, UTP_HALF_OPEN_MAX);
    hear(m, &stranger, &(struct utp_packet){.type = UTP_SYN, .id = 100, .seq = 1}, 0);
    drain(m, 0);
    struct utp_packet proof = {
        .type = UTP_DATA, .id = 101, .seq = 2, .ack = (uint16_t)(m->last.seq - 1)};
    hear(m, &stranger, &proof, 0);
    assert_non_null(utp_accept(m->socket));
    utp_socket_free(m->socket);
    free(m);
}

/* Strangers call until whoever called before has been forgotten. */
static void crowd(struct meter *m, usec now)
{
    for (uint32_t i = 0; i < 2000; i++) {
        struct endpoint from = endpoint_v4(0x08000000u + i, 1000);
        hear(m, &from, &(struct utp_packet){.type = UTP_SYN, .id = 7, .seq = 1}, now);
        if (i % 50 == 0)
            drain(m, now);
    }
    drain(m, now);
}

static void who_was_forgotten_in_a_flood_still_gets_in_when_he_proves_himself(void **state)
{
    (void)state;
    struct meter *m = malloc(sizeof *m);
    meter_new(m);
    hear(m, &stranger, &(struct utp_packet){.type = UTP_SYN, .id = 100, .seq = 500}, 0);
    drain(m, 0);
    uint16_t seq = m->last.seq;
    crowd(m, MSECS(50));
    unsigned packets = m->packets;
    /* His second packet overtakes his first: no reset tells him that all is over. */
    struct utp_packet proof = {.type = UTP_DATA, .id = 101, .seq = 502, .ack = (uint16_t)(seq - 1)};
    hear(m, &stranger, &proof, MSECS(400));
    drain(m, MSECS(400));
    assert_int_equal(m->packets, packets);
    assert_null(utp_accept(m->socket));
    proof.seq = 501;
    hear(m, &stranger, &proof, MSECS(401));
    struct utp_conn *c = utp_accept(m->socket);
    assert_non_null(c);
    assert_true(endpoint_equal(&c->remote, &stranger));
    drain(m, MSECS(401));
    assert_int_equal(m->last.type, UTP_STATE);
    assert_int_equal(m->last.ack, 501);
    assert_true(utp_socket_counts(m->socket).half_open <= UTP_HALF_OPEN_MAX);
    utp_socket_free(m->socket);
    free(m);
}

static void in_a_flood_too_only_one_number_in_thousands_is_taken_for_a_proof(void **state)
{
    (void)state;
    struct meter *m = malloc(sizeof *m);
    unsigned taken = 0;
    meter_new(m);
    crowd(m, 0);
    for (unsigned ack = 0; ack < 65536; ack++) {
        struct utp_packet guess = {.type = UTP_DATA, .id = 101, .seq = 501, .ack = (uint16_t)ack};
        hear(m, &stranger, &guess, SECONDS(1));
        struct utp_conn *c = utp_accept(m->socket);
        taken += c != NULL;
        if (!c)
            continue;
        utp_close(m->socket, c, SECONDS(1));
        drain(m, SECONDS(1));
    }
    assert_true(taken > 0 && taken <= 4);
    /* And long after the flood none is. */
    struct endpoint other = stranger;
    other.port = 99;
    for (unsigned ack = 0; ack < 65536; ack++) {
        struct utp_packet late = {.type = UTP_DATA, .id = 101, .seq = 501, .ack = (uint16_t)ack};
        hear(m, &other, &late, SECONDS(60));
        assert_null(utp_accept(m->socket));
    }
    utp_socket_free(m->socket);
    free(m);
}

static void who_is_not_accepting_answers_no_call(void **state)
{
    (void)state;
    struct meter *m = malloc(sizeof *m);
    meter_new(m);
    utp_socket_stop_accepting(m->socket);
    hear(m, &stranger, &(struct utp_packet){.type = UTP_SYN, .id = 100, .seq = 1}, 0);
    drain(m, 0);
    assert_int_equal(m->packets, 0);
    utp_socket_free(m->socket);
    free(m);
}

/* ---- forgeries ----------------------------------------------------------------------------- */

/* Guesses about a connection whose ids and address he knows. */
static void forge(
    struct pair *p, enum utp_type type, uint16_t seq, uint16_t ack, const char *payload)
{
    uint8_t out[200];
    struct utp_packet f = {
        .type = type, .id = p->end[1].conn->id_in, .seq = seq, .ack = ack, .window = 1 << 20};
    size_t size = utp_packet_write(&f, out);
    memcpy(out + size, payload, strlen(payload));
    pair_inject(p, 1, &p->end[0].address, bytes_of(out, size + strlen(payload)));
}

static void a_reset_counts_only_with_a_number_that_was_sent(void **state)
{
    (void)state;
    struct pair p;
    pair_new(&p, 1, &calm);
    assert_true(pair_connect(&p));
    struct utp_conn *c = p.end[1].conn;
    unsigned accepted = 0;
    for (unsigned ack = 0; ack < 65536; ack++) {
        if ((uint16_t)(c->window.next - ack) <= UTP_RESET_SLACK + 2)
            continue;
        forge(&p, UTP_RESET, 0, (uint16_t)ack, "");
        accepted += c->state != UTP_OPEN;
    }
    assert_int_equal(accepted, 0);
    pair_inject(&p, 1, &stranger, bytes_of("\x31\0\0\0", 4));
    assert_true(pair_exchange(&p, 10000, 10000, SECONDS(60)));
    forge(&p, UTP_RESET, 0, (uint16_t)(c->window.next - 1), "");
    assert_int_equal(c->state, UTP_DEAD);
    pair_free(&p);
}

static void an_acknowledgement_of_what_was_never_sent_changes_nothing(void **state)
{
    (void)state;
    struct pair p;
    pair_new(&p, 1, &calm);
    assert_true(pair_connect(&p));
    struct pair_stream s = {.pair = &p, .from = 1, .size = 300000};
    usec until = p.now + SECONDS(60);
    while (s.read < s.size && pair_step(&p, until)) {
        struct utp_conn *c = p.end[1].conn;
        double window = c->ledbat.window;
        size_t in_flight = c->window.in_flight;
        for (uint16_t ahead = 0; ahead < 30000; ahead += 977)
            forge(&p, UTP_STATE, 0, (uint16_t)(c->window.next + ahead), "");
        assert_true(c->ledbat.window == window && c->window.in_flight == in_flight);
        pair_stream_move(&s);
    }
    assert_int_equal(s.read, s.size);
    assert_false(s.wrong);
    pair_free(&p);
}

static void data_with_a_wild_acknowledgement_is_not_taken(void **state)
{
    (void)state;
    struct pair p;
    pair_new(&p, 1, &calm);
    assert_true(pair_connect(&p));
    struct utp_conn *c = p.end[1].conn;
    for (unsigned ack = 0; ack < 65536; ack += 97)
        if (utp_seq_distance((uint16_t)(c->window.first - 1), (uint16_t)ack) > 0 ||
            utp_seq_distance((uint16_t)(c->window.first - 1), (uint16_t)ack) < -UTP_OLD_ACKS)
            forge(&p, UTP_DATA, (uint16_t)(c->ack + 1), (uint16_t)ack, "forged");
    assert_int_equal(utp_inbox_size(&c->in), 0);
    assert_true(pair_exchange(&p, 50000, 50000, SECONDS(60)));
    pair_free(&p);
}

static void tiny_packets_out_of_order_cannot_fill_memory(void **state)
{
    (void)state;
    struct pair p;
    pair_new(&p, 1, &calm);
    assert_true(pair_connect(&p));
    struct utp_conn *c = p.end[1].conn;
    uint16_t ack = (uint16_t)(c->window.first - 1);
    for (unsigned i = 0; i < 70000; i++)
        forge(&p, UTP_DATA, (uint16_t)(c->ack + 2 + i), ack, "x");
    assert_true(utp_socket_counts(p.end[1].socket).held < UTP_REORDER_PACKETS_MAX);
    pair_free(&p);
}

static void a_fin_in_the_distance_ends_nothing_before_its_time(void **state)
{
    (void)state;
    struct pair p;
    pair_new(&p, 1, &calm);
    assert_true(pair_connect(&p));
    struct utp_conn *c = p.end[1].conn;
    uint8_t byte;
    struct iovec v = {&byte, 1};
    forge(&p, UTP_FIN, (uint16_t)(c->ack + 3), (uint16_t)(c->window.first - 1), "");
    assert_int_equal(utp_conn_readv(c, &v, 1), ERR_AGAIN);
    forge(&p, UTP_DATA, (uint16_t)(c->ack + 2), (uint16_t)(c->window.first - 1), "b");
    forge(&p, UTP_DATA, (uint16_t)(c->ack + 4), (uint16_t)(c->window.first - 1), "past the end");
    forge(&p, UTP_DATA, (uint16_t)(c->ack + 1), (uint16_t)(c->window.first - 1), "a");
    assert_int_equal(utp_conn_readv(c, &v, 1), 1);
    assert_int_equal(byte, 'a');
    assert_int_equal(utp_conn_readv(c, &v, 1), 1);
    assert_int_equal(byte, 'b');
    assert_int_equal(utp_conn_readv(c, &v, 1), ERR_CLOSED);
    pair_free(&p);
}

/* ---- liars --------------------------------------------------------------------------------- */

/* Every packet that arrives at the sender says what a liar wants it to say. */
static bool lie(void *user, struct pair *p, struct pair_packet *packet)
{
    int kind = *(int *)user;
    if (packet->to != 0)
        return true;
    if (kind == 0) /* clocks that jump about */
        store_u32(packet->data + 8, (uint32_t)(pair_chance(p) * 4e9));
    else if (kind == 1) /* a queue of half an hour */
        store_u32(packet->data + 8, (uint32_t)(p->now * 3));
    else if (kind == 2) /* no window, now and then */
        store_u32(packet->data + 12, pair_chance(p) < 0.5 ? 0 : 65536);
    else if (kind == 3) /* windows of a few bytes */
        store_u32(packet->data + 12, 10);
    else if (kind == 4) { /* no times at all */
        store_u32(packet->data + 4, 0);
        store_u32(packet->data + 8, 0);
    }
    return true;
}

static void whatever_a_peer_says_of_times_and_windows_the_stream_arrives(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        struct pair p;
        pair_new(&p, 9, &calm);
        p.filter = lie;
        p.filter_user = &kind;
        assert_true(pair_connect(&p));
        assert_true(pair_exchange(&p, 30000, 1000, SECONDS(3600)));
        pair_free(&p);
    }
}

/* ---- good manners -------------------------------------------------------------------------- */

/* Sends for so long, and says how many bytes a second arrived in the second half. */
static double saturate(struct pair_stream *s, usec time)
{
    struct pair *p = s->pair;
    usec half = p->now + time / 2, until = p->now + time;
    uint64_t before = 0;
    bool begun = false;
    while (p->now < until) {
        pair_stream_move(s);
        if (!begun && p->now >= half) {
            begun = true;
            before = s->read;
            p->end[0].queue_worst = 0;
        }
        pair_step(p, until);
    }
    assert_false(s->wrong);
    return (double)(s->read - before) * 1e6 / (double)(time / 2);
}

static void a_line_is_filled_and_its_queue_stays_below_the_target(void **state)
{
    (void)state;
    static const double rates[] = {250000, 1000000};
    for (unsigned i = 0; i < 2; i++)
        for (usec delay = MSECS(5); delay <= MSECS(80); delay *= 4) {
            struct pair_line line = {.delay = delay, .rate = (uint64_t)rates[i]};
            struct pair p;
            pair_new(&p, i, &line);
            p.end[1].clock_rate = 1 + 1e-4; /* 100 ppm */
            assert_true(pair_connect(&p));
            struct pair_stream s = {.pair = &p, .from = 0, .size = UINT64_MAX};
            double rate = saturate(&s, SECONDS(80));
            assert_true(rate > rates[i] * 0.85);
            assert_true(p.end[0].queue_worst < LEDBAT_TARGET * 5 / 4);
            pair_free(&p);
        }
}

/* Over two lines of 1 Mbit/s a full packet takes 24 ms more than the one byte that was sent first,
 * and losses have made the target as short as that. */
static void that_a_full_packet_takes_longer_than_a_small_one_is_no_queue(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct pair_line line = {
            .delay = MSECS(50), .rate = 125000, .rate_behind = 125000, .loss = 0.01};
        struct pair p;
        pair_new(&p, seed, &line);
        assert_true(pair_connect(&p));
        struct pair_stream s = {.pair = &p, .from = 0, .size = UINT64_MAX};
        assert_true(saturate(&s, SECONDS(60)) > 125000 * 0.75);
        pair_free(&p);
    }
}

/* It is silent for two timeouts, and from then on carries no packet of the size that delays were
 * told of so far. */
static void the_queue_of_a_path_that_carries_smaller_packets_than_before_is_seen(void **state)
{
    (void)state;
    struct pair_line line = {.delay = MSECS(50), .rate = 250000};
    struct pair p;
    pair_new(&p, 5, &line);
    assert_true(pair_connect(&p));
    struct pair_stream s = {.pair = &p, .from = 0, .size = UINT64_MAX};
    saturate(&s, SECONDS(10));
    p.end[0].corked = true;
    p.end[0].line.mtu = 600;
    saturate(&s, SECONDS(3));
    p.end[0].corked = false;
    assert_true(saturate(&s, SECONDS(80)) > 250000 * 0.85);
    assert_true(utp_mtu_size(&p.end[0].conn->mtu) <= 600);
    assert_true(p.end[0].queue_worst < LEDBAT_TARGET * 5 / 4);
    pair_free(&p);
}

/* For forty minutes, which is longer than any base delay is believed: neither its own standing
 * queue nor clocks that drift apart by 200 ppm are taken for the path. */
static void however_long_it_sends_and_clocks_drift_the_queue_stays_what_it_was(void **state)
{
    (void)state;
    static const double drifts[2][2] = {{1 + 2e-4, 1}, {1, 1 + 2e-4}};
    for (int way = 0; way < 2; way++) {
        struct pair_line line = {.delay = MSECS(20), .rate = 250000};
        struct pair p;
        pair_new(&p, 7, &line);
        p.end[0].clock_rate = drifts[way][0];
        p.end[1].clock_rate = drifts[way][1];
        assert_true(pair_connect(&p));
        struct pair_stream s = {.pair = &p, .from = 0, .size = UINT64_MAX};
        assert_true(saturate(&s, SECONDS(2400)) > 250000 * 0.93);
        assert_true(p.end[0].queue_worst < LEDBAT_TARGET * 3 / 2);
        pair_free(&p);
    }
}

static void a_clock_that_is_set_while_it_sends_is_found_out_within_minutes(void **state)
{
    (void)state;
    static const usec jumps[] = {MSECS(60), -MSECS(60), SECONDS(7), -SECONDS(7), SECONDS(86400)};
    for (unsigned i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        struct pair_line line = {.delay = MSECS(20), .rate = 250000};
        struct pair p;
        pair_new(&p, 7, &line);
        assert_true(pair_connect(&p));
        struct pair_stream s = {.pair = &p, .from = 0, .size = UINT64_MAX};
        saturate(&s, SECONDS(20));
        usec jump = jumps[i] < 0 && -jumps[i] > p.end[1].clock_zero ? 0 : jumps[i];
        p.end[1].clock_zero += jump;
        assert_true(saturate(&s, SECONDS(180)) > 250000 * 0.93);
        assert_true(p.end[0].queue_worst < LEDBAT_TARGET * 5 / 4);
        pair_free(&p);
    }
}

/* Windows beyond a megabyte, and a slow start that neither its own bursts nor a short queue end. */
static void a_long_path_is_filled_soon(void **state)
{
    (void)state;
    static const struct {
        usec delay;
        uint64_t rate;
        double queue; /* seconds of the rate */
        double most;  /* of the time that the line alone needs */
    } paths[] = {{MSECS(150), 2500000, 0.5, 1.42}, {MSECS(150), 2500000, 0.03, 1.85},
        {MSECS(25), 12500000, 0.03, 1.2}, {MSECS(150), 12500000, 0.5, 1.6}};
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct pair_line line = {.delay = paths[i].delay,
            .rate = paths[i].rate,
            .queue_max = (size_t)(paths[i].queue * (double)paths[i].rate)};
        struct pair p;
        uint64_t size = paths[i].rate * 12;
        pair_new(&p, i, &line);
        assert_true(pair_connect(&p));
        usec start = p.now;
        assert_true(pair_exchange(&p, size, 1, SECONDS(60)));
        assert_true((double)(p.now - start) / 1e6 < 12 * paths[i].most);
        pair_free(&p);
    }
}

static void it_yields_to_a_queue_that_somebody_else_fills_and_does_not_starve(void **state)
{
    (void)state;
    struct pair_line line = {.delay = MSECS(10), .rate = 1000000};
    struct pair p;
    pair_new(&p, 3, &line);
    assert_true(pair_connect(&p));
    struct pair_stream s = {.pair = &p, .from = 0, .size = UINT64_MAX};
    assert_true(saturate(&s, SECONDS(20)) > 800000);
    p.end[0].line.delay += MSECS(400); /* their queue */
    double rate = saturate(&s, SECONDS(40));
    assert_true(rate < 100000);
    assert_true(rate > 2000);
    pair_free(&p);
}

static void what_it_has_by_right_it_gets_beside_a_full_queue_too(void **state)
{
    (void)state;
    struct pair_line line = {.delay = MSECS(10), .rate = 1000000};
    struct pair p;
    pair_new(&p, 3, &line);
    assert_true(pair_connect(&p));
    struct pair_stream s = {.pair = &p, .from = 0, .size = UINT64_MAX};
    assert_true(saturate(&s, SECONDS(20)) > 800000);
    p.end[0].line.delay += MSECS(400); /* the queue of our own TCP */
    utp_socket_set_least(p.end[0].socket, 200000);
    double rate = saturate(&s, SECONDS(40));
    assert_true(rate > 150000 && rate < 250000);
    utp_socket_set_least(p.end[0].socket, 0);
    assert_true(saturate(&s, SECONDS(40)) < 100000);
    pair_free(&p);
}

static void packets_grow_to_what_the_path_carries_and_no_further(void **state)
{
    (void)state;
    for (size_t mtu = 600; mtu <= 1600; mtu += 100) {
        struct pair_line line = {.delay = MSECS(5), .mtu = mtu};
        struct pair p;
        pair_new(&p, mtu, &line);
        assert_true(pair_connect(&p));
        assert_true(pair_exchange(&p, 3000000, 0, SECONDS(60)));
        size_t most = mtu < UTP_MTU_CEILING_V4 ? mtu : UTP_MTU_CEILING_V4;
        size_t found = utp_mtu_size(&p.end[0].conn->mtu);
        assert_true(found <= most && found + UTP_MTU_NEAR >= most);
        assert_true(p.end[0].probes <= 24);
        pair_free(&p);
    }
}

static void a_probe_that_its_own_machine_refuses_costs_no_time(void **state)
{
    (void)state;
    struct pair_line line = {.delay = MSECS(5), .mtu_local = 1000, .mtu = 1000};
    struct pair p;
    pair_new(&p, 1, &line);
    assert_true(pair_connect(&p));
    assert_true(pair_exchange(&p, 3000000, 0, SECONDS(60)));
    assert_true(p.end[0].refused > 0);
    size_t found = utp_mtu_size(&p.end[0].conn->mtu);
    assert_true(found <= 1000 && found + UTP_MTU_NEAR >= 1000);
    pair_free(&p);
}

static void runs_are_of_one_size_so_that_the_kernel_can_cut_them(void **state)
{
    (void)state;
    struct pair p;
    struct pair_line line = {.delay = MSECS(5)};
    pair_new(&p, 1, &line);
    assert_true(pair_connect(&p));
    assert_true(pair_exchange(&p, 3000000, 0, SECONDS(60)));
    struct pair_stream s = {.pair = &p, .from = 0, .size = 60000};
    pair_stream_move(&s);
    assert_true(utp_socket_output(p.end[0].socket, &p.batch, pair_clock(&p, 0)));
    assert_int_equal(p.batch.runs[0].segment, UTP_MTU_CEILING_V4);
    assert_true(p.batch.runs[0].packets > 20);
    pair_free(&p);
}

static void a_batch_of_packets_is_acknowledged_by_one(void **state)
{
    (void)state;
    struct pair p;
    struct pair_line line = {.delay = MSECS(5)};
    pair_new(&p, 1, &line);
    assert_true(pair_connect(&p));
    assert_true(pair_exchange(&p, 3000000, 0, SECONDS(60)));
    pair_pass(&p, SECONDS(1));
    assert_true(p.end[1].packets_out * 8 < p.end[0].packets_out);
    pair_free(&p);
}

RUN(T(nobody_can_make_us_send_more_than_he_sends),
    T(a_call_is_answered_once_each_and_handed_out_when_the_caller_has_heard_us),
    T(a_flood_of_calls_leaves_room_for_those_that_come_later),
    T(who_was_forgotten_in_a_flood_still_gets_in_when_he_proves_himself),
    T(in_a_flood_too_only_one_number_in_thousands_is_taken_for_a_proof),
    T(who_is_not_accepting_answers_no_call), T(a_reset_counts_only_with_a_number_that_was_sent),
    T(an_acknowledgement_of_what_was_never_sent_changes_nothing),
    T(data_with_a_wild_acknowledgement_is_not_taken),
    T(tiny_packets_out_of_order_cannot_fill_memory),
    T(a_fin_in_the_distance_ends_nothing_before_its_time),
    T(whatever_a_peer_says_of_times_and_windows_the_stream_arrives),
    T(a_line_is_filled_and_its_queue_stays_below_the_target),
    T(that_a_full_packet_takes_longer_than_a_small_one_is_no_queue),
    T(the_queue_of_a_path_that_carries_smaller_packets_than_before_is_seen),
    T(however_long_it_sends_and_clocks_drift_the_queue_stays_what_it_was),
    T(a_clock_that_is_set_while_it_sends_is_found_out_within_minutes),
    T(a_long_path_is_filled_soon),
    T(it_yields_to_a_queue_that_somebody_else_fills_and_does_not_starve),
    T(what_it_has_by_right_it_gets_beside_a_full_queue_too),
    T(packets_grow_to_what_the_path_carries_and_no_further),
    T(a_probe_that_its_own_machine_refuses_costs_no_time),
    T(runs_are_of_one_size_so_that_the_kernel_can_cut_them),
    T(a_batch_of_packets_is_acknowledged_by_one))
