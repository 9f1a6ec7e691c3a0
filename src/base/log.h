/* The log: levels, subsystems, one sink per node. No globals: a log is passed where it is needed.
 * Foreign strings are escaped by the sink's writer (control and bidi characters never come out). */
#ifndef KITH_BASE_LOG_H
#define KITH_BASE_LOG_H

#include <stdarg.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

struct log {
    enum log_level level; /* messages above it are dropped before formatting */
    void (*write)(struct log *, enum log_level, const char *subsystem, const char *text);
    void *user;
};

/* `subsystem` is a short literal: "swarm", "store". log may be NULL (silent). */
void log_print(struct log *log, enum log_level level, const char *subsystem, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

#define log_error(log, sub, ...) log_print(log, LOG_ERROR, sub, __VA_ARGS__)
#define log_warn(log, sub, ...) log_print(log, LOG_WARN, sub, __VA_ARGS__)
#define log_info(log, sub, ...) log_print(log, LOG_INFO, sub, __VA_ARGS__)
#define log_debug(log, sub, ...) log_print(log, LOG_DEBUG, sub, __VA_ARGS__)

#endif
