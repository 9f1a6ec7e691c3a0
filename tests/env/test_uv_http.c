/* The HTTP client against a server that says what a test tells it to, and names that nobody looks
 * up in time. */
#include "base/err.h"
#include "env/uv/uv_env.h"
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a server ------------------------------------------------------------------------------ */

#define REDIRECT                                                                                   \
    "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 14\r\nConnection: close\r\n\r\n"    \
    "<html>no</html"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ncontent"

static int listener;
static unsigned short port;
static pthread_t server;

/* One connection, one exchange; ends when the listener is shut down. */
static void *serve(void *unused)
{
    char request[4096];
    int fd;
    (void)unused;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        ssize_t n = read(fd, request, sizeof request - 1);
        request[n > 0 ? n : 0] = 0;
        const char *answer = strncmp(request, "GET /there ", 11) == 0 ? ANSWER : REDIRECT;
        assert_int_equal(write(fd, answer, strlen(answer)), (ssize_t)strlen(answer));
        close(fd);
    }
    return NULL;
}

static void begin_serving(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(listener, 8), 0);
    getsockname(listener, (struct sockaddr *)&at, &size);
    port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
}

static void end_serving(void)
{
    shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
    close(listener);
}

/* ---- names --------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned asked, answered;
static bool silent;

/* In place of the C library's, for libcurl, too: no server answers until it is let go. */
__attribute__((visibility("default"))) int getaddrinfo(
    const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    (void)name;
    (void)service;
    (void)hints;
    (void)out;
    pthread_mutex_lock(&lock);
    asked++;
    pthread_cond_broadcast(&changed);
    while (silent)
        pthread_cond_wait(&changed, &lock);
    answered++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return EAI_AGAIN;
}

static void wait_for(const unsigned *what)
{
    pthread_mutex_lock(&lock);
    while (*what == 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void answer_all(void)
{
    pthread_mutex_lock(&lock);
    silent = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    wait_for(&answered);
}

/* ---- the client ---------------------------------------------------------------------------- */

static struct builder body;
static int result_err, result_status;
static bool done;

static bool on_body(void *user, int status, struct bytes chunk)
{
    (void)user;
    (void)status;
    builder_span(&body, chunk);
    return true;
}

static void on_done(void *user, int err, int status, const char *detail)
{
    (void)user;
    (void)detail;
    result_err = err;
    result_status = status;
    done = true;
}

static const struct env_http_events events = {on_body, on_done};

static struct env_http *start(struct env *env, const char *url)
{
    struct env_http *http;
    struct env_http_request request = {
        .url = url, .source = ADDR_FROM_USER, .body_max = 1000, .timeout = SECONDS(60)};
    body = builder_heap(1000);
    done = false;
    assert_int_equal(env_http_start(env, &request, &events, NULL, &http), 0);
    return http;
}

static void what_a_redirect_says_is_no_part_of_what_it_leads_to(void **state)
{
    struct env *env;
    char url[64];
    (void)state;
    begin_serving();
    assert_int_equal(uv_env_new(NULL, &env), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/here", port);
    (void)start(env, url);
    while (!done)
        uv_env_run(env, -1);
    assert_int_equal(result_err, 0);
    assert_int_equal(result_status, 200);
    assert_string_equal(builder_text(&body), "content");
    builder_free(&body);
    uv_env_free(env);
    end_serving();
}

/* If it did, this test would never end: the name is found only afterwards. */
static void nobody_waits_for_a_name_that_is_still_looked_up(void **state)
{
    struct env *env;
    (void)state;
    silent = true;
    assert_int_equal(uv_env_new(NULL, &env), 0);
    struct env_http *http = start(env, "http://slow.example/announce");
    wait_for(&asked);
    env_http_cancel(http);
    uv_env_free(env);
    assert_int_equal(answered, 0);
    assert_false(done);
    builder_free(&body);
    answer_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_redirect_says_is_no_part_of_what_it_leads_to),
        cmocka_unit_test(nobody_waits_for_a_name_that_is_still_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
