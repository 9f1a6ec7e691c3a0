/* Formats a message for the log's sink, and nothing when the level is not wanted. The sink (in
 * src/cli or src/node) escapes foreign text and adds the time. */
#include "base/log.h"

#include <stdio.h>

#define LOG_TEXT_MAX 1024 /* longer messages are cut */

void log_print(
    struct log *log, enum log_level level, const char *subsystem, const char *format, ...)
{
    if (!log || !log->write || level > log->level)
        return;
    char text[LOG_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log->write(log, level, subsystem, length < 0 ? format : text);
}
