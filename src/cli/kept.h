/* kith dht keep, forget and kept: items that this user keeps in the DHT. */
#ifndef KITH_CLI_KEPT_H
#define KITH_CLI_KEPT_H

#include "cli/session.h"

/* Keeps one more (a key of 64 digits, with `salt` or NULL, or a target of 40; NULL: none) and all
 * that were kept before, until the user stops it. An exit code, as of the others. */
int kept_watch(struct session *, const char *what, const char *salt);
int kept_forget(struct session *, const char *target);
/* Those that are kept, a line each. */
int kept_list(struct session *);

#endif
