/* Names and HTTP servers of the simulated world. */
#include "env/sim/rng.h"
#include "env/sim/sim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CONTENT 300000

struct fetch {
    struct sim_world *world;
    struct sim_host *host;
    struct env_http *http;
    struct builder body;
    bool done, stop_early, broken;
    int err, status;
    unsigned chunks;
    usec done_at;
};

static uint8_t content[CONTENT];

static bool body(void *user, int status, struct bytes chunk)
{
    struct fetch *f = user;
    f->broken |= status != 200 && status != 206;
    builder_span(&f->body, chunk);
    f->chunks++;
    return !f->stop_early;
}

static void done(void *user, int err, int status, const char *detail)
{
    struct fetch *f = user;
    assert_non_null(detail);
    assert_false(f->done);
    f->done = true;
    f->err = err;
    f->status = status;
    f->done_at = sim_world_now(f->world);
}

static const struct env_http_events events = {.body = body, .done = done};

static void fetch_new(struct fetch *f, uint64_t seed)
{
    struct sim_config config = sim_config_calm(seed);
    *f = (struct fetch){.world = sim_world_new(&config), .body = builder_heap(1 << 20)};
    f->host = sim_host_new(
        f->world, &(struct sim_host_config){
                      .name = "h", .addresses = {"10.0.0.1"}, .down_bytes_per_second = 1000000});
    for (size_t i = 0; i < CONTENT; i++)
        content[i] = (uint8_t)sim_mix(i);
}

static void fetch_free(struct fetch *f)
{
    builder_free(&f->body);
    sim_world_free(f->world);
}

static void fetch_start(struct fetch *f, const char *url, enum addr_source source)
{
    f->done = false;
    f->body.size = 0;
    struct env_http_request request = {
        .url = url, .body_max = 1 << 20, .timeout = SECONDS(20), .source = source};
    assert_int_equal(env_http_start(sim_host_env(f->host), &request, &events, f, &f->http), 0);
    assert_false(f->done);
}

static void fetch_run(struct fetch *f, usec time)
{
    sim_world_run_until(f->world, sim_world_now(f->world) + time, NULL, NULL);
}

static void serves(void *user, const struct sim_http_request *request, struct sim_http_reply *reply)
{
    const struct sim_http_reply *like = user;
    if (like != NULL) {
        reply->redirect = like->redirect;
        reply->delay = like->delay;
        reply->err = like->err;
        reply->break_after = like->break_after;
        reply->bytes_per_second = like->bytes_per_second;
    }
    sim_http_reply_content(reply, request, bytes_of(content, CONTENT));
}

static void a_body_comes_whole_in_chunks_at_the_downlinks_rate(void **state)
{
    (void)state;
    struct fetch f;
    fetch_new(&f, 1);
    sim_http_serve(f.world, "http://seed.example/", serves, NULL);
    fetch_start(&f, "http://seed.example/file", ADDR_FROM_USER);
    fetch_run(&f, SECONDS(5));
    assert_true(f.done);
    assert_int_equal(f.err, 0);
    assert_int_equal(f.status, 200);
    assert_true(f.chunks > 10 && !f.broken);
    assert_int_equal(f.body.size, CONTENT);
    assert_memory_equal(f.body.data, content, CONTENT);
    assert_in_range(f.done_at, MSECS(300), MSECS(500));
    fetch_free(&f);
}

static void ranges_and_limits_are_kept(void **state)
{
    (void)state;
    struct fetch f;
    fetch_new(&f, 2);
    sim_http_serve(f.world, "http://seed.example/", serves, NULL);
    struct env_http_request request = {.url = "http://seed.example/f",
        .body_max = 1000,
        .timeout = SECONDS(20),
        .range_first = 5000,
        .range_size = 1000};
    env_http_start(sim_host_env(f.host), &request, &events, &f, &f.http);
    fetch_run(&f, SECONDS(5));
    assert_int_equal(f.err, 0);
    assert_int_equal(f.status, 206);
    assert_int_equal(f.body.size, 1000);
    assert_memory_equal(f.body.data, content + 5000, 1000);
    request.range_first = CONTENT;
    f.done = false;
    env_http_start(sim_host_env(f.host), &request, &events, &f, &f.http);
    fetch_run(&f, SECONDS(5));
    assert_int_equal(f.status, 416);
    request.range_size = 0;
    f.done = false;
    env_http_start(sim_host_env(f.host), &request, &events, &f, &f.http);
    fetch_run(&f, SECONDS(5));
    assert_int_equal(f.err, ERR_LIMIT);
    fetch_free(&f);
}

static void faults_come_as_the_handler_says(void **state)
{
    (void)state;
    struct fetch f;
    fetch_new(&f, 3);
    struct sim_http_reply reply = {.err = ERR_NETWORK, .break_after = 1234};
    sim_http_serve(f.world, "http://t.example/", serves, &reply);
    fetch_start(&f, "http://t.example/", ADDR_FROM_USER);
    fetch_run(&f, SECONDS(5));
    assert_int_equal(f.err, ERR_NETWORK);
    assert_int_equal(f.body.size, 1234);
    reply = (struct sim_http_reply){.delay = NEVER};
    fetch_start(&f, "http://t.example/", ADDR_FROM_USER);
    fetch_run(&f, SECONDS(19));
    assert_false(f.done);
    fetch_run(&f, SECONDS(2));
    assert_int_equal(f.err, ERR_TIMEOUT);
    fetch_start(&f, "http://nobody.example/", ADDR_FROM_USER);
    fetch_run(&f, SECONDS(5));
    assert_true(f.done && f.err < 0);
    reply = (struct sim_http_reply){.bytes_per_second = 10000};
    fetch_start(&f, "http://t.example/", ADDR_FROM_USER);
    fetch_run(&f, SECONDS(25)); /* slow, but it moves: no timeout */
    assert_false(f.done);
    fetch_run(&f, SECONDS(10));
    assert_true(f.done && f.err == 0);
    fetch_free(&f);
}

static void every_redirect_is_judged(void **state)
{
    (void)state;
    struct fetch f;
    fetch_new(&f, 4);
    struct sim_http_reply outward = {.redirect = "http://192.168.1.1/admin"};
    struct sim_http_reply round = {.redirect = "http://loop.example/"};
    struct sim_http_reply fine = {.redirect = "http://seed.example/"};
    sim_name_add(f.world, "seed.example", "93.184.216.34");
    sim_http_serve(f.world, "http://seed.example/", serves, NULL);
    sim_http_serve(f.world, "http://out.example/", serves, &outward);
    sim_http_serve(f.world, "http://loop.example/", serves, &round);
    sim_http_serve(f.world, "http://fine.example/", serves, &fine);
    sim_http_serve(f.world, "http://192.168.1.1/", serves, NULL);
    fetch_start(&f, "http://out.example/", ADDR_FROM_STRANGER);
    fetch_run(&f, SECONDS(5));
    assert_int_equal(f.err, ERR_BLOCKED);
    assert_int_equal(f.body.size, 0);
    fetch_start(&f, "http://out.example/", ADDR_FROM_USER);
    fetch_run(&f, SECONDS(5));
    assert_int_equal(f.err, 0);
    fetch_start(&f, "http://loop.example/", ADDR_FROM_STRANGER);
    fetch_run(&f, SECONDS(5));
    assert_int_equal(f.err, ERR_LIMIT);
    fetch_start(&f, "http://fine.example/", ADDR_FROM_STRANGER);
    fetch_run(&f, SECONDS(5));
    assert_int_equal(f.err, 0);
    assert_int_equal(f.body.size, CONTENT);
    fetch_free(&f);
}

static void a_paused_body_rests_without_timing_out(void **state)
{
    (void)state;
    struct fetch f;
    fetch_new(&f, 5);
    sim_http_serve(f.world, "http://seed.example/", serves, NULL);
    fetch_start(&f, "http://seed.example/file", ADDR_FROM_USER);
    fetch_run(&f, MSECS(150));
    assert_true(f.chunks > 0 && !f.done);
    env_http_pause(f.http, true);
    unsigned before = f.chunks;
    fetch_run(&f, SECONDS(100));
    assert_int_equal(f.chunks, before);
    assert_false(f.done);
    env_http_pause(f.http, false);
    fetch_run(&f, SECONDS(5));
    assert_true(f.done && f.err == 0);
    assert_memory_equal(f.body.data, content, CONTENT);
    fetch_free(&f);
}

static void a_cancelled_or_refused_body_ends_quietly(void **state)
{
    (void)state;
    struct fetch f;
    fetch_new(&f, 6);
    sim_http_serve(f.world, "http://seed.example/", serves, NULL);
    fetch_start(&f, "http://seed.example/file", ADDR_FROM_USER);
    fetch_run(&f, MSECS(150));
    env_http_cancel(f.http);
    fetch_run(&f, SECONDS(5));
    assert_false(f.done);
    f.stop_early = true;
    fetch_start(&f, "http://seed.example/file", ADDR_FROM_USER);
    fetch_run(&f, SECONDS(5));
    assert_int_equal(f.err, ERR_CANCELLED);
    fetch_free(&f);
}

/* ---- names --------------------------------------------------------------------------------- */

struct question {
    int err;
    size_t count;
    bool answered;
    struct endpoint found[ENV_RESOLVE_MAX];
};

static void resolved(void *user, int err, const struct endpoint *found, size_t count)
{
    struct question *q = user;
    q->answered = true;
    q->err = err;
    q->count = count;
    for (size_t i = 0; i < count; i++)
        q->found[i] = found[i];
}

static struct question ask(struct fetch *f, const char *name)
{
    struct question q = {0};
    struct env_resolve *r;
    assert_int_equal(env_resolve_start(sim_host_env(f->host), name, 80, resolved, &q, &r), 0);
    assert_false(q.answered);
    fetch_run(f, SECONDS(1));
    assert_true(q.answered);
    return q;
}

static void names_resolve_as_the_table_says(void **state)
{
    (void)state;
    struct fetch f;
    fetch_new(&f, 7);
    sim_name_add(f.world, "a.example", "10.0.0.7");
    sim_name_add(f.world, "a.example", "2001:db8::7");
    struct question q = ask(&f, "A.example");
    assert_int_equal(q.err, 0);
    assert_int_equal(q.count, 2);
    assert_int_equal(q.found[0].port, 80);
    assert_int_equal(q.found[1].family, ADDR_V6);
    assert_int_equal(ask(&f, "none.example").err, ERR_NOT_FOUND);
    assert_int_equal(ask(&f, "10.1.2.3").count, 1);
    sim_name_fail(f.world, "a.example", ERR_TIMEOUT);
    assert_int_equal(ask(&f, "a.example").err, ERR_TIMEOUT);
    struct question late = {0};
    struct env_resolve *r;
    env_resolve_start(sim_host_env(f.host), "a.example", 80, resolved, &late, &r);
    env_resolve_cancel(r);
    fetch_run(&f, SECONDS(1));
    assert_false(late.answered);
    fetch_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_comes_whole_in_chunks_at_the_downlinks_rate),
        cmocka_unit_test(ranges_and_limits_are_kept),
        cmocka_unit_test(faults_come_as_the_handler_says),
        cmocka_unit_test(every_redirect_is_judged),
        cmocka_unit_test(a_paused_body_rests_without_timing_out),
        cmocka_unit_test(a_cancelled_or_refused_body_ends_quietly),
        cmocka_unit_test(names_resolve_as_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
