/* What `share` and `get` have in common: a node, the terminal, signals, and the loop that shows
 * progress until the work is done or the user has had enough. */
#ifndef KITH_CLI_SESSION_H
#define KITH_CLI_SESSION_H

#include "cli/json.h"
#include "cli/options.h"
#include "cli/term.h"
#include <kith.h>
#include <limits.h>

struct session_config {
    const struct network_options *network;
    const struct output_options *output;
    bool per_file;             /* progress shows each file */
    char state_file[PATH_MAX]; /* "": nothing is remembered; see session_remember */
};

struct session {
    const struct output_options *output;
    struct term term;
    struct json json;
    struct kith_node *node;
    bool per_file;
    int64_t alone_since; /* when the last peer left; 0: there is one, or nothing is wanted */
    bool advised;
    int64_t last_tick; /* when --json said the status last */
};

/* What this command learns is remembered under a name of these bytes, so that the same command goes
 * on where it was. Each has a file of its own under $XDG_STATE_HOME/kith: two kiths at a time do
 * not stand in each other's way. */
void session_remember(struct session_config *, const void *what, size_t size, const char *where);
/* A name made of what was asked for and where it goes: 32 hex digits. */
void session_name(const void *what, size_t size, const char *where, char out[33]);
/* The path from the root, also of what is not there yet. Returns out. */
const char *session_absolute(const char *path, char out[PATH_MAX]);
/* Opens the node and takes over SIGINT, SIGTERM and SIGWINCH. 0, or an exit code after a message.
 */
int session_open(struct session *, const struct session_config *);
/* Stops cleanly (at most about two seconds; a second Ctrl-C ends at once) and closes. */
void session_close(struct session *);
/* SIGINT, SIGTERM and SIGHUP ask to stop (the second time at once), SIGTSTP stops with a clean
 * screen, SIGPIPE is an error of write. */
void session_take_signals(void);
/* Does what they have asked for since, but stopping. */
void session_heed_signals(struct term *);
/* The user asked to stop, or is gone: nobody reads what we say. */
bool session_interrupted(void);
/* Waits for events at most this long; handles what signals have asked for. 1: an event waits. */
int session_wait(struct session *, int64_t milliseconds);
int64_t session_now_ms(void);

#endif
