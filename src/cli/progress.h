/* What share and get say while they are at it: the progress, why nothing moves, and both as JSON.
 */
#ifndef KITH_CLI_PROGRESS_H
#define KITH_CLI_PROGRESS_H

#include "cli/session.h"

/* "name  63 %  1.2 GB of 1.9 GB  45 MB/s  12 s left  3 peers", or why nothing moves. */
void progress_show(struct session *, struct kith_torrent *);
/* After ten seconds without a peer says why, and what could be done about it; once. */
void progress_advise(struct session *, const struct kith_status *);
/* What --json says of a status, for the help. */
#define PROGRESS_MEMBERS                                                                           \
    "state, name, info_hash_v1, info_hash_v2, bytes_total, bytes_done, work_done and work_total "  \
    "(hashed so far), downloaded, uploaded, download_rate, upload_rate, eta_seconds (-1: "         \
    "unknown), peers, waiting_for (why nothing moves), trouble (why it is stopped, or null)"

/* Trackers and warnings, which every command tells alike. */
void progress_news(struct session *, const struct kith_event *);
/* With --json: the status, once a second. */
void progress_tick(struct session *, const struct kith_status *);
/* With --json: an event of the node, {"type": type, "error": ..., "text": ...}. */
void progress_event(struct session *, const char *type, const struct kith_event *);
/* An object with the status as --json has it, without its end. */
void progress_json(struct session *, const char *type, const struct kith_status *);

#endif
