/* TCP over the real kernel's loopback: files that are sent as they lie in the page cache, and fast
 * streams that are told in parts. */
#include "env/uv/uv_env.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE 300000u
#define FROM 5000u /* within a page */

struct world {
    struct env *env;
    struct env_listener *listener;
    struct env_tcp *from, *to;
    bool connected;
    char folder[32];
    struct env_dir *dir;
    struct env_file *file;
};

static void on_connected(void *user, int err)
{
    assert_int_equal(err, 0);
    ((struct world *)user)->connected = true;
}

static void on_nothing(void *user)
{
    (void)user;
}

static void on_accepted(void *user, struct env_tcp *tcp, const struct endpoint *from)
{
    (void)from;
    ((struct world *)user)->to = tcp;
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 7 + i / 4096);
}

static void make_file(struct world *w)
{
    uint8_t *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = byte_at(i);
    snprintf(w->folder, sizeof w->folder, "/tmp/kith-test-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_int_equal(env_dir_open(w->env, w->folder, false, &w->dir), 0);
    unsigned flags = ENV_OPEN_WRITE | ENV_OPEN_CREATE;
    assert_int_equal(env_file_open(w->dir, "f", flags, &w->file), 0);
    assert_int_equal(env_file_pwritev(w->file, &(struct iovec){bytes, SIZE}, 1, 0), 0);
    free(bytes);
}

static void begin(struct world *w)
{
    static const struct env_tcp_events events = {on_connected, on_nothing, on_nothing};
    struct endpoint at = endpoint_v4(0x7f000001, 0);
    *w = (struct world){0};
    assert_int_equal(uv_env_new(NULL, &w->env), 0);
    assert_int_equal(env_tcp_listen(w->env, &at, NULL, on_accepted, w, &w->listener), 0);
    env_listener_local(w->listener, &at);
    assert_int_equal(env_tcp_connect(w->env, &at, NULL, &events, w, &w->from), 0);
    while (!w->connected || !w->to)
        uv_env_run(w->env, -1);
    make_file(w);
}

static void end(struct world *w)
{
    env_path_unlink(w->dir, "f");
    env_file_close(w->file);
    env_dir_close(w->dir);
    rmdir(w->folder);
    env_tcp_close(w->from);
    env_tcp_close(w->to);
    env_listener_close(w->listener);
    uv_env_free(w->env);
}

/* All that is there, which must be the file's bytes from `at` on; how many. */
static size_t take(struct world *w, size_t at)
{
    static uint8_t room[SIZE];
    struct iovec v = {room, sizeof room};
    ssize_t n = env_tcp_readv(w->to, &v, 1);
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(room[i], byte_at(at + (size_t)i));
    return n > 0 ? (size_t)n : 0;
}

static void a_mapped_file_goes_out_whole_when_its_handle_is_closed(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    struct env_mapping m;
    assert_int_equal(env_file_map(w.file, FROM, SIZE - FROM, &m), 0);
    size_t sent = 0, got = 0;
    while (got < SIZE - FROM) {
        struct iovec v = {(void *)(uintptr_t)(m.data + sent), SIZE - FROM - sent};
        ssize_t n = v.iov_len ? env_tcp_writev(w.from, &v, 1, false) : 0;
        assert_true(n >= 0 || n == ERR_AGAIN);
        sent += n > 0 ? (size_t)n : 0;
        got += take(&w, FROM + got);
    }
    env_unmap(&m);
    end(&w);
}

static void of_a_mapped_file_that_was_cut_what_is_left_goes_out_and_then_it_says_so(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    struct env_mapping m;
    assert_int_equal(env_file_map(w.file, 0, SIZE, &m), 0);
    assert_int_equal(env_file_truncate(w.file, 8192), 0);
    struct iovec v[2] = {
        {(void *)(uintptr_t)m.data, 8192}, {(void *)(uintptr_t)(m.data + 8192), 9}};
    assert_int_equal(env_tcp_writev(w.from, &v[1], 1, false), ERR_CHANGED);
    assert_int_equal(env_tcp_writev(w.from, v, 1, false), 8192);
    for (size_t got = 0; got < 8192;)
        got += take(&w, got);
    env_unmap(&m);
    end(&w);
}

/* ---- fast streams -------------------------------------------------------------------------- */

#define PART 100000u
static unsigned times_told;

static void on_told(void *user)
{
    (void)user;
    times_told++;
}

static void send_bytes(struct world *w, size_t size)
{
    static uint8_t zeros[PART];
    while (size > 0) {
        struct iovec v = {zeros, size < PART ? size : PART};
        ssize_t n = env_tcp_writev(w->from, &v, 1, false);
        assert_true(n > 0);
        size -= (size_t)n;
    }
}

/* Reads all that is there; how much. */
static size_t drain(struct world *w)
{
    static uint8_t room[PART];
    size_t got = 0;
    for (ssize_t n = 1; n > 0; got += n > 0 ? (size_t)n : 0)
        n = env_tcp_readv(w->to, &(struct iovec){room, sizeof room}, 1);
    return got;
}

/* Megabytes at once, of which the kernel makes room and the reader a fast stream. */
static void begin_fast(struct world *w)
{
    static const struct env_tcp_events events = {on_connected, on_told, on_nothing};
    begin(w);
    env_tcp_set_events(w->to, &events, w);
    env_tcp_want(w->to, true, false);
    for (unsigned i = 0; i < 200; i++) {
        send_bytes(w, PART);
        for (size_t got = 0; got < PART; got += drain(w))
            uv_env_run(w->env, 0);
    }
}

static void what_lies_below_the_mark_and_what_ends_the_stream_is_told_all_the_same(void **state)
{
    struct world w;
    (void)state;
    begin_fast(&w);
    env_tcp_expect(w.to, 64u << 20);
    send_bytes(&w, 1);
    for (times_told = 0; times_told == 0;)
        uv_env_run(w.env, -1);
    assert_int_equal(drain(&w), 1);
    for (unsigned i = 0; i < 200; i++) {
        send_bytes(&w, PART);
        for (size_t got = 0; got < PART; got += drain(&w))
            uv_env_run(w.env, 0);
    }
    env_tcp_expect(w.to, 64u << 20);
    env_tcp_close(w.from);
    for (times_told = 0; times_told == 0;)
        uv_env_run(w.env, -1);
    uint8_t byte;
    assert_int_equal(env_tcp_readv(w.to, &(struct iovec){&byte, 1}, 1), ERR_CLOSED);
    struct endpoint at;
    env_listener_local(w.listener, &at);
    static const struct env_tcp_events events = {on_connected, on_nothing, on_nothing};
    assert_int_equal(env_tcp_connect(w.env, &at, NULL, &events, &w, &w.from), 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapped_file_goes_out_whole_when_its_handle_is_closed),
        cmocka_unit_test(of_a_mapped_file_that_was_cut_what_is_left_goes_out_and_then_it_says_so),
        cmocka_unit_test(what_lies_below_the_mark_and_what_ends_the_stream_is_told_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
