/* Work on files that needs no node: the real world's env, signals, the terminal, and a loop that
 * shows progress until the work says that it is done. `create` and `verify` use it. */
#ifndef KITH_CLI_WORK_H
#define KITH_CLI_WORK_H

#include "cli/json.h"
#include "cli/options.h"
#include "cli/term.h"
#include "env/env.h"

struct work {
    struct env *env;
    struct term term;
    struct json json;
    bool as_json;
    bool ended; /* set by the work's own done() */
    bool cancelled;
    usec begun;
    uint64_t done, total; /* bytes, for progress */
    const char *verb;     /* "hashing" */
};

/* 0, or an exit code after a message. */
int work_open(struct work *, const struct output_options *);
/* Turns the loop until work->ended. At the first Ctrl-C calls cancel(user) once. */
void work_run(struct work *, void (*cancel)(void *user), void *user);
void work_close(struct work *);

#endif
