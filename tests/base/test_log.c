/* The log's filter and cut. */
#include "base/log.h"
#include "check.h"

#include <stdio.h>
#include <string.h>

struct sink {
    struct log log;
    char last[2048];
    int lines;
};

static void keep(struct log *log, enum log_level level, const char *subsystem, const char *text)
{
    struct sink *sink = log->user;
    snprintf(sink->last, sizeof sink->last, "%d %s %s", (int)level, subsystem, text);
    sink->lines++;
}

static void a_message_reaches_the_sink_if_its_level_is_wanted(void **state)
{
    (void)state;
    struct sink sink = {.log = {.level = LOG_INFO, .write = keep, .user = &sink}};
    log_info(&sink.log, "swarm", "%d peers", 3);
    assert_string_equal(sink.last, "2 swarm 3 peers");
    log_debug(&sink.log, "swarm", "%d", 4);
    assert_int_equal(sink.lines, 1);
    log_error(&sink.log, "store", "plain");
    assert_string_equal(sink.last, "0 store plain");
}

static void a_missing_log_is_silent(void **state)
{
    (void)state;
    struct log no_sink = {.level = LOG_TRACE};
    log_warn(NULL, "swarm", "nobody hears %s", "this");
    log_warn(&no_sink, "swarm", "nor %s", "this");
}

static void a_long_message_is_cut_and_terminated(void **state)
{
    (void)state;
    struct sink sink = {.log = {.level = LOG_INFO, .write = keep, .user = &sink}};
    log_info(&sink.log, "x", "%3000d", 1);
    assert_int_equal(strlen(sink.last), strlen("2 x ") + 1023);
}

RUN(T(a_message_reaches_the_sink_if_its_level_is_wanted), T(a_missing_log_is_silent),
    T(a_long_message_is_cut_and_terminated))
