/* Names that are looked up while nobody answers: the C library's call cannot be interrupted, so
 * here it is one that waits until it is let go. Nobody else waits for it. */
#include "base/err.h"
#include "env/uv/uv_env.h"
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLOW "slow.example"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned asked, answered;
static bool silent; /* no server answers */

/* In place of the C library's. */
int getaddrinfo(
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

static void begin(void)
{
    asked = answered = 0;
    silent = true;
}

static void wait_asked(unsigned count)
{
    pthread_mutex_lock(&lock);
    while (asked < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void answer(unsigned count)
{
    pthread_mutex_lock(&lock);
    silent = false;
    pthread_cond_broadcast(&changed);
    while (answered < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static unsigned told, told_err;

static void resolved(void *user, int err, const struct endpoint *at, size_t count)
{
    (void)user;
    (void)at;
    (void)count;
    told++;
    told_err = (unsigned)-err;
}

static struct env_resolve *start(struct env *env)
{
    struct env_resolve *r;
    assert_int_equal(env_resolve_start(env, SLOW, 80, resolved, NULL, &r), 0);
    return r;
}

static void who_leaves_does_not_wait_for_a_server_that_is_silent(void **state)
{
    struct env *env;
    (void)state;
    begin();
    assert_int_equal(uv_env_new(NULL, &env), 0);
    for (int i = 0; i < 5; i++)
        start(env);
    wait_asked(2);
    told = 0;
    uv_env_free(env); /* a test that hangs has failed */
    answer(2);
    assert_int_equal(told, 0);
    assert_int_equal(asked, 2); /* the others were never asked for */
}

static void a_name_that_nobody_wants_any_more_is_not_asked_for(void **state)
{
    struct env *env;
    (void)state;
    begin();
    assert_int_equal(uv_env_new(NULL, &env), 0);
    struct env_resolve *first = start(env);
    start(env);
    wait_asked(2);
    struct env_resolve *third = start(env);
    start(env);
    env_resolve_cancel(first);
    env_resolve_cancel(third);
    told = 0;
    answer(3);
    while (told < 2)
        uv_env_run(env, 10);
    assert_int_equal(told_err, -ERR_TIMEOUT);
    assert_int_equal(asked, 3);
    uv_env_free(env);
    assert_int_equal(told, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_leaves_does_not_wait_for_a_server_that_is_silent),
        cmocka_unit_test(a_name_that_nobody_wants_any_more_is_not_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
