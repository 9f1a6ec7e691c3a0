/* What can still be read out of a damaged state database: see state_rows.h. */
#include "store/state/state_rows.h"

struct salvage {
    struct state_db *to;
    uint64_t rows;
};

static bool salvage_torrent(void *user, const struct state_torrent *t, bool damaged)
{
    struct salvage *v = user;
    if (!damaged && state_rows_replace_torrent(v->to, t) == 0)
        v->rows++;
    return true;
}

static void salvage_blob(struct salvage *v, sqlite3_stmt *row)
{
    int64_t torrent = sqlite3_column_int64(row, 0);
    int kind = sqlite3_column_int(row, 1);
    struct bytes body = state_column_bytes(row, 3);
    if (body.size > 0 && state_sum_of_blob(torrent, kind, body) == sqlite3_column_int64(row, 2) &&
        state_rows_put_blob(v->to, torrent, kind, body) == 0)
        v->rows++;
}

static void salvage_setting(struct salvage *v, sqlite3_stmt *row)
{
    const char *key = state_column_text(row, 0);
    struct bytes value = state_column_bytes(row, 2);
    if (value.size > 0 && state_sum_of_setting(key, value) == sqlite3_column_int64(row, 1) &&
        state_rows_put_setting(v->to, key, value) == 0)
        v->rows++;
}

/* Hands every row of a query on; false if it ended before its time. */
static bool salvage_rows(struct salvage *v, sqlite3 *from, const char *query,
    void (*row)(struct salvage *, sqlite3_stmt *))
{
    sqlite3_stmt *s;
    int rc;
    if (sqlite3_prepare_v2(from, query, -1, &s, NULL) != SQLITE_OK)
        return false;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        row(v, s);
    sqlite3_finalize(s);
    return rc == SQLITE_DONE;
}

#define BLOBS "SELECT torrent, kind, sum, body FROM blobs NOT INDEXED ORDER BY rowid "
#define SETTINGS "SELECT key, sum, value FROM settings NOT INDEXED ORDER BY rowid "

uint64_t state_rows_salvage(struct state_db *to, sqlite3 *from)
{
    struct salvage v = {.to = to};
    /* A walk ends at the first page that is beyond reading; a second one from the other end gets
     * what lies behind it. Shares are a cache: they are not worth it. */
    if (state_rows_each_torrent(from, false, salvage_torrent, &v) < 0)
        state_rows_each_torrent(from, true, salvage_torrent, &v);
    if (!salvage_rows(&v, from, BLOBS "ASC", salvage_blob))
        salvage_rows(&v, from, BLOBS "DESC", salvage_blob);
    if (!salvage_rows(&v, from, SETTINGS "ASC", salvage_setting))
        salvage_rows(&v, from, SETTINGS "DESC", salvage_setting);
    return v.rows;
}
