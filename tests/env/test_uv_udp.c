/* Runs of datagrams over the real kernel's loopback: whole, in order, in batches where it can. */
#include "env/uv/uv_env.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define DATAGRAMS 60u
#define SEGMENT 1000u
#define TAIL 137u

struct world {
    struct env *env;
    struct env_udp *from, *to;
    struct endpoint to_at;
    uint8_t *room;
    uint32_t next; /* the number of the datagram that comes next */
    size_t last_size;
    bool broken;
};

static void take(struct world *w, const uint8_t *data, size_t size)
{
    w->broken |= size < 5 || load_u32(data) != w->next;
    for (size_t i = 4; i < size; i++)
        w->broken |= data[i] != (uint8_t)(w->next + i);
    w->next++;
    w->last_size = size;
}

static void readable(void *user)
{
    struct world *w = user;
    struct env_datagram d[4];
    int n;
    do {
        for (size_t i = 0; i < 4; i++)
            d[i] = (struct env_datagram){
                .data = w->room + i * ENV_UDP_BULK_ROOM, .size = ENV_UDP_BULK_ROOM};
        n = env_udp_receive(w->to, d, 4);
        for (int i = 0; i < n; i++)
            for (size_t at = 0, step; at < d[i].size; at += step) {
                step = d[i].segment ? d[i].segment : d[i].size;
                step = step < d[i].size - at ? step : d[i].size - at;
                take(w, (uint8_t *)d[i].data + at, step);
            }
    } while (n > 0);
}

static void deaf(void *user)
{
    (void)user;
}

static void begin(struct world *w, enum addr_family family)
{
    static const uint8_t v6[16] = {[15] = 1};
    struct endpoint at = family == ADDR_V4 ? endpoint_v4(0x7f000001, 0) : endpoint_from_ip6(v6, 0);
    *w = (struct world){.room = malloc((size_t)4 * ENV_UDP_BULK_ROOM)};
    assert_int_equal(uv_env_new(NULL, &w->env), 0);
    assert_int_equal(env_udp_open(w->env, &at, NULL, deaf, w, &w->from), 0);
    assert_int_equal(env_udp_open(w->env, &at, NULL, readable, w, &w->to), 0);
    env_udp_local(w->to, &w->to_at);
    env_udp_bulk(w->from);
    env_udp_bulk(w->to);
}

static void end(struct world *w)
{
    env_udp_close(w->from);
    env_udp_close(w->to);
    uv_env_free(w->env);
    free(w->room);
}

/* Each datagram is a header and a body, as uTP's are. */
static void make_run(
    struct env_udp_run *run, const struct world *w, struct iovec *iov, uint8_t (*bytes)[SEGMENT])
{
    for (uint32_t i = 0; i < DATAGRAMS; i++) {
        size_t size = i + 1 < DATAGRAMS ? SEGMENT : TAIL;
        store_u32(bytes[i], i);
        for (size_t k = 4; k < size; k++)
            bytes[i][k] = (uint8_t)(i + k);
        iov[2 * i] = (struct iovec){bytes[i], 20};
        iov[2 * i + 1] = (struct iovec){bytes[i] + 20, size - 20};
    }
    *run = (struct env_udp_run){
        .peer = w->to_at, .iov = iov, .iov_count = 2 * DATAGRAMS, .segment = SEGMENT};
}

static void a_run_arrives(enum addr_family family, size_t sent_before)
{
    static uint8_t bytes[DATAGRAMS][SEGMENT];
    struct iovec iov[2 * DATAGRAMS];
    struct env_udp_run run;
    struct world w;
    begin(&w, family);
    make_run(&run, &w, iov, bytes);
    run.sent = sent_before;
    w.next = (uint32_t)sent_before;
    assert_int_equal(env_udp_send_runs(w.from, &run, 1), 1);
    assert_int_equal(run.sent, DATAGRAMS);
    assert_int_equal(run.error, 0);
    while (w.next < DATAGRAMS)
        uv_env_run(w.env, -1);
    assert_int_equal(w.last_size, TAIL);
    assert_false(w.broken);
    end(&w);
}

static void a_run_arrives_whole_and_in_order(void **state)
{
    (void)state;
    a_run_arrives(ADDR_V4, 0);
    a_run_arrives(ADDR_V6, 0);
}

static void a_run_goes_on_where_it_stopped(void **state)
{
    (void)state;
    a_run_arrives(ADDR_V4, 41);
}

static void a_probe_that_this_machine_cannot_send_is_told(void **state)
{
    (void)state;
    struct world w;
    begin(&w, ADDR_V4);
    static uint8_t big[65520];
    struct iovec v = {big, sizeof big};
    struct env_udp_run run = {
        .peer = w.to_at, .iov = &v, .iov_count = 1, .segment = sizeof big, .dont_fragment = true};
    assert_int_equal(env_udp_send_runs(w.from, &run, 1), 1);
    assert_int_equal(run.error, ERR_LIMIT);
    assert_int_equal(run.sent, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_arrives_whole_and_in_order),
        cmocka_unit_test(a_run_goes_on_where_it_stopped),
        cmocka_unit_test(a_probe_that_this_machine_cannot_send_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
