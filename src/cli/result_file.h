/* A file that a command makes: whole or not at all. What is there is replaced only if that was
 * asked for; until the end it stands under another name beside it, so that a folder in which
 * nothing can be written is told before the work and not after it.
 *
 * A link is followed; what is no file (a pipe, /dev/stdout, /dev/null) is written into. */
#ifndef KITH_CLI_RESULT_FILE_H
#define KITH_CLI_RESULT_FILE_H

#include "base/bytes.h"
#include <limits.h>

struct result_file {
    int fd;
    bool is_stdout, beside, replaces; /* beside: it is written under the name `part` */
    char path[PATH_MAX], part[PATH_MAX + 32];
};

/* Opens it; "-" is standard output. 0, or errno: EEXIST without `replaces` where something is. */
int result_file_open(struct result_file *, const char *path, bool replaces);
/* Writes, syncs and puts it in place. 0, or errno; closed and nothing left behind in either case.
 */
int result_file_put(struct result_file *, struct bytes content);
/* Closes one that is not wanted any more, and leaves nothing behind. */
void result_file_drop(struct result_file *);

#endif
