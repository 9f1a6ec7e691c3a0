/* The rows of the state database: how each record is written, read and checked against its sum.
 *
 * The sum of a row is a SipHash under a key that everybody knows: it finds flipped bits, and is no
 * protection against people. Called by state.c, and by state_db.c when it saves what it can out of
 * a damaged database. */
#ifndef KITH_STORE_STATE_ROWS_H
#define KITH_STORE_STATE_ROWS_H

#include "store/state/state_db.h"

#define STATE_PEERS_KIND 100 /* beside enum state_blob in table blobs */

/* The schema, one script a version: script [v] leads from version v to v + 1. */
extern const char *const state_schema[STATE_VERSION];

/* Prepares every statement. ERR_DATABASE if the schema is not what it should be. */
int state_rows_prepare(struct state_db *);
void state_rows_finish(struct state_db *);

/* Each writes one row, inside the caller's transaction. ERR_EXISTS: another torrent has the
 * info-hash; ERR_NOT_FOUND: blob of a torrent that is not there; else state_db_err's. */
int state_rows_put_torrent(struct state_db *, const struct state_torrent *);
/* The same, in the place of whatever torrent has one of its hashes: one that was removed and added
 * again since a copy was taken stands in the copy under its old id. */
int state_rows_replace_torrent(struct state_db *, const struct state_torrent *);
int state_rows_delete_torrent(struct state_db *, int64_t id);
int state_rows_put_blob(struct state_db *, int64_t torrent, int kind, struct bytes);
int state_rows_put_setting(struct state_db *, const char *key, struct bytes);
int state_rows_put_share(
    struct state_db *, const struct sha256_digest *key, const char *path, struct bytes torrent);

/* malloc'd. ERR_NOT_FOUND, ERR_DATABASE: the sum is wrong. */
int state_rows_get_blob(struct state_db *, int64_t torrent, int kind, uint8_t **, size_t *);
int state_rows_get_setting(struct state_db *, const char *key, uint8_t **, size_t *);
int state_rows_get_share(struct state_db *, const struct sha256_digest *, uint8_t **, size_t *);

/* See state_each_torrent. `backwards` walks from the highest id down. */
int state_rows_each_torrent(sqlite3 *, bool backwards,
    bool (*each)(void *user, const struct state_torrent *, bool damaged), void *user);

/* See state_each_setting. */
int state_rows_each_setting(sqlite3 *, const char *prefix,
    bool (*each)(void *user, const char *key, struct bytes value, bool damaged), void *user);

/* For who reads rows of a database that is not open as a state_db: what their sums have to be, and
 * their columns (never NULL). */
int64_t state_sum_of_blob(int64_t torrent, int kind, struct bytes body);
int64_t state_sum_of_setting(const char *key, struct bytes value);
struct bytes state_column_bytes(sqlite3_stmt *, int column);
const char *state_column_text(sqlite3_stmt *, int column);

/* state_salvage.c: copies every intact row that can be read out of the damaged database at `from`
 * into `to`, over older ones. How many. */
uint64_t state_rows_salvage(struct state_db *to, sqlite3 *from);

#endif
