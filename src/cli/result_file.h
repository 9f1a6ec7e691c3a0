/* A file that a command makes: whole or not at all. What is there is replaced only if that was
 * asked for. That it cannot be made is told before the work and not after it, but nothing is made
 * before its end: it may lie in the folder that the work is about.
 *
 * A link is followed; what is no file (a pipe, /dev/stdout, /dev/null) is written into. */
#ifndef KITH_CLI_RESULT_FILE_H
#define KITH_CLI_RESULT_FILE_H

#include "base/bytes.h"
#include <limits.h>

struct result_file {
    bool is_stdout, is_file, replaces;
    char path[PATH_MAX];
};

/* Where it will be; "-" is standard output. 0, or errno: EEXIST without `replaces` where something
 * is, EACCES where nothing can be made. */
int result_file_plan(struct result_file *, const char *path, bool replaces);
/* Writes, syncs and puts it in place. 0, or errno, and nothing is left behind. */
int result_file_put(const struct result_file *, struct bytes content);

#endif
