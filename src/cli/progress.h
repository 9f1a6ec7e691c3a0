/* What share and get say while they are at it: the progress, why nothing moves, and both as JSON.
 */
#ifndef KITH_CLI_PROGRESS_H
#define KITH_CLI_PROGRESS_H

#include "cli/session.h"

/* "name  63 %  1.2 GB of 1.9 GB  45 MB/s  12 s left  3 peers", or why nothing moves. */
void progress_show(struct session *, struct kith_torrent *);
/* After ten seconds without a peer says why, and what could be done about it; once. */
void progress_advise(struct session *, const struct kith_status *);
/* With --json: an event of the node, {"type": type, "error": ..., "text": ...}. */
void progress_event(struct session *, const char *type, const struct kith_event *);
/* An object with the status as --json has it, without its end. */
void progress_json(struct session *, const char *type, const struct kith_status *);

#endif
