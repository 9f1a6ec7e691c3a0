/* Rows in and out, see state_rows.h. Each record's columns are named in four places that have to
 * agree: schema, statement, bind_torrent/read_torrent, and the sum. */
#include "store/state/state_rows.h"
#include "base/map.h"
#include <stdlib.h>

const char *const state_schema[STATE_VERSION] = {
    /* AUTOINCREMENT: the id of a removed torrent never comes back. */
    "CREATE TABLE torrents ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " v1 BLOB CHECK (v1 IS NULL OR length(v1) = 20),"
    " v2 BLOB CHECK (v2 IS NULL OR length(v2) = 32),"
    " flags INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " magnet TEXT NOT NULL,"
    " folder TEXT NOT NULL,"
    " root TEXT NOT NULL,"
    " added_unix INTEGER NOT NULL,"
    " completed_unix INTEGER NOT NULL,"
    " uploaded INTEGER NOT NULL,"
    " downloaded INTEGER NOT NULL,"
    " seeding_seconds INTEGER NOT NULL,"
    " limit_up INTEGER NOT NULL,"
    " limit_down INTEGER NOT NULL,"
    " ratio_stop REAL NOT NULL,"
    " seed_seconds_stop INTEGER NOT NULL,"
    " priorities BLOB NOT NULL,"
    " queue_position INTEGER NOT NULL,"
    " bytes_total INTEGER NOT NULL,"
    " piece_length INTEGER NOT NULL,"
    " piece_count INTEGER NOT NULL,"
    " file_count INTEGER NOT NULL,"
    " sum INTEGER NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX torrents_v1 ON torrents (v1) WHERE v1 IS NOT NULL;"
    "CREATE UNIQUE INDEX torrents_v2 ON torrents (v2) WHERE v2 IS NOT NULL;"
    /* Apart from torrents, so that a start reads only what it needs. */
    "CREATE TABLE blobs ("
    " torrent INTEGER NOT NULL REFERENCES torrents (id) ON DELETE CASCADE,"
    " kind INTEGER NOT NULL,"
    " sum INTEGER NOT NULL,"
    " body BLOB NOT NULL,"
    " PRIMARY KEY (torrent, kind)"
    ") STRICT;"
    "CREATE TABLE settings ("
    " key TEXT PRIMARY KEY NOT NULL,"
    " sum INTEGER NOT NULL,"
    " value BLOB NOT NULL"
    ") STRICT;"
    "CREATE TABLE shares ("
    " serial INTEGER PRIMARY KEY,"
    " key BLOB UNIQUE NOT NULL,"
    " path TEXT NOT NULL,"
    " sum INTEGER NOT NULL,"
    " torrent BLOB NOT NULL"
    ") STRICT;"};

#define TORRENT_COLUMNS                                                                            \
    "id, v1, v2, flags, name, magnet, folder, root, added_unix, completed_unix, uploaded, "        \
    "downloaded, seeding_seconds, limit_up, limit_down, ratio_stop, seed_seconds_stop, "           \
    "priorities, queue_position, bytes_total, piece_length, piece_count, file_count, sum"

static const char *const texts[SQL_COUNT] = {
    [SQL_PUT_TORRENT] =
        "INSERT INTO torrents (" TORRENT_COLUMNS ")"
        " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,"
        "?22,?23,?24)"
        " ON CONFLICT (id) DO UPDATE SET v1=?2, v2=?3, flags=?4, name=?5, magnet=?6, folder=?7,"
        " root=?8, added_unix=?9, completed_unix=?10, uploaded=?11, downloaded=?12,"
        " seeding_seconds=?13, limit_up=?14, limit_down=?15, ratio_stop=?16, seed_seconds_stop=?17,"
        " priorities=?18, queue_position=?19, bytes_total=?20, piece_length=?21,"
        " piece_count=?22, file_count=?23, sum=?24",
    [SQL_DELETE_TORRENT] = "DELETE FROM torrents WHERE id = ?1",
    [SQL_PUT_BLOB] = "INSERT INTO blobs (torrent, kind, sum, body) VALUES (?1, ?2, ?3, ?4)"
                     " ON CONFLICT (torrent, kind) DO UPDATE SET sum=?3, body=?4",
    [SQL_DELETE_BLOB] = "DELETE FROM blobs WHERE torrent = ?1 AND kind = ?2",
    [SQL_GET_BLOB] = "SELECT sum, body FROM blobs WHERE torrent = ?1 AND kind = ?2",
    [SQL_PUT_SETTING] = "INSERT INTO settings (key, sum, value) VALUES (?1, ?2, ?3)"
                        " ON CONFLICT (key) DO UPDATE SET sum=?2, value=?3",
    [SQL_DELETE_SETTING] = "DELETE FROM settings WHERE key = ?1",
    [SQL_GET_SETTING] = "SELECT sum, value FROM settings WHERE key = ?1",
    [SQL_PUT_SHARE] = "INSERT OR REPLACE INTO shares (key, path, sum, torrent)"
                      " VALUES (?1, ?2, ?3, ?4)",
    /* Newest first: those past the bound on rows or on bytes go. */
    [SQL_TRIM_SHARES] =
        "DELETE FROM shares WHERE serial IN (SELECT serial FROM (SELECT serial,"
        " row_number() OVER newest AS place, sum(length(torrent)) OVER newest AS total"
        " FROM shares WINDOW newest AS (ORDER BY serial DESC))"
        " WHERE place > ?1 OR (total > ?2 AND place > 1))",
    [SQL_GET_SHARE] = "SELECT sum, torrent FROM shares WHERE key = ?1",
};

/* ---- sums ---------------------------------------------------------------------------------- */

static const uint8_t sum_key[16] = "kith state sums";

static uint64_t sum_bytes(struct bytes b)
{
    return siphash13(b.data, b.size, sum_key);
}

static uint64_t sum_text(const char *text)
{
    return sum_bytes(bytes_of_str(text != NULL ? text : ""));
}

/* A row that is a name of some sort and a body. */
static int64_t sum_of(const char *table, struct bytes key, struct bytes body)
{
    uint8_t raw[24];
    store_u64(raw, sum_text(table));
    store_u64(raw + 8, sum_bytes(key));
    store_u64(raw + 16, sum_bytes(body));
    return (int64_t)sum_bytes(bytes_of(raw, sizeof raw));
}

int64_t state_sum_of_blob(int64_t torrent, int kind, struct bytes body)
{
    uint8_t key[12];
    store_u64(key, (uint64_t)torrent);
    store_u32(key + 8, (uint32_t)kind);
    return sum_of("blobs", bytes_of(key, sizeof key), body);
}

int64_t state_sum_of_setting(const char *key, struct bytes value)
{
    return sum_of("settings", bytes_of_str(key), value);
}

static int64_t flags_of(const struct state_torrent *t)
{
    return (t->paused ? 1 : 0) | (t->sequential ? 2 : 0) | (t->super_seeding ? 4 : 0) |
           (t->stop_when_done ? 8 : 0) | (t->metadata_missing ? 16 : 0) | (t->complete ? 32 : 0) |
           (t->is_private ? 64 : 0) | (t->has_trackers ? 128 : 0);
}

static int64_t sum_of_torrent(const struct state_torrent *t)
{
    static const uint8_t none[32] = {0};
    uint64_t ratio;
    memcpy(&ratio, &t->ratio_stop, sizeof ratio);
    const uint64_t fields[] = {(uint64_t)t->id,
        t->has_v1 ? sum_bytes(bytes_of(t->v1.b, sizeof t->v1.b)) : sum_bytes(bytes_of(none, 20)),
        t->has_v2 ? sum_bytes(bytes_of(t->v2.b, sizeof t->v2.b)) : sum_bytes(bytes_of(none, 32)),
        (uint64_t)flags_of(t), sum_text(t->name), sum_text(t->magnet), sum_text(t->folder),
        sum_text(t->root), (uint64_t)t->added_unix, (uint64_t)t->completed_unix, t->uploaded,
        t->downloaded, t->seeding_seconds, t->limit_up, t->limit_down, ratio, t->seed_seconds_stop,
        sum_bytes(t->priorities), (uint64_t)t->queue_position, t->bytes_total, t->piece_length,
        t->piece_count, t->file_count};
    uint8_t raw[sizeof fields];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        store_u64(raw + 8 * i, fields[i]);
    return (int64_t)sum_bytes(bytes_of(raw, sizeof raw));
}

/* ---- statements ---------------------------------------------------------------------------- */

int state_rows_prepare(struct state_db *db)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        bool reads = i == SQL_GET_BLOB || i == SQL_GET_SETTING || i == SQL_GET_SHARE;
        sqlite3 *sql = reads && db->reader ? db->reader : db->sql;
        int rc = sqlite3_prepare_v3(
            sql, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL);
        if (rc == SQLITE_ERROR) /* a table or column has another name than ours */
            return ERR_DATABASE;
        if (rc != SQLITE_OK)
            return state_db_err(sql, rc);
    }
    return 0;
}

void state_rows_finish(struct state_db *db)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
}

static void bind_bytes(sqlite3_stmt *s, int at, struct bytes b)
{
    /* A NULL pointer would bind NULL, not the empty blob. */
    sqlite3_bind_blob64(s, at, b.size > 0 ? b.data : (const uint8_t *)"", b.size, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text != NULL ? text : "", -1, SQLITE_STATIC);
}

/* Runs a statement that returns no rows, and gives its parameters back. */
static int finish(struct state_db *db, sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    int err = rc == SQLITE_DONE ? 0 : state_db_err(db->sql, rc);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return err;
}

struct bytes state_column_bytes(sqlite3_stmt *s, int column)
{
    /* In this order: column_bytes after column_blob, see sqlite3_column_blob. */
    const void *data = sqlite3_column_blob(s, column);
    return bytes_of(data, (size_t)sqlite3_column_bytes(s, column));
}

const char *state_column_text(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return text != NULL ? (const char *)text : "";
}

/* ---- torrents ------------------------------------------------------------------------------ */

int state_rows_put_torrent(struct state_db *db, const struct state_torrent *t)
{
    sqlite3_stmt *s = db->statements[SQL_PUT_TORRENT];
    sqlite3_bind_int64(s, 1, t->id);
    if (t->has_v1)
        bind_bytes(s, 2, bytes_of(t->v1.b, sizeof t->v1.b));
    if (t->has_v2)
        bind_bytes(s, 3, bytes_of(t->v2.b, sizeof t->v2.b));
    sqlite3_bind_int64(s, 4, flags_of(t));
    bind_text(s, 5, t->name);
    bind_text(s, 6, t->magnet);
    bind_text(s, 7, t->folder);
    bind_text(s, 8, t->root);
    sqlite3_bind_int64(s, 9, t->added_unix);
    sqlite3_bind_int64(s, 10, t->completed_unix);
    sqlite3_bind_int64(s, 11, (int64_t)t->uploaded);
    sqlite3_bind_int64(s, 12, (int64_t)t->downloaded);
    sqlite3_bind_int64(s, 13, (int64_t)t->seeding_seconds);
    sqlite3_bind_int64(s, 14, (int64_t)t->limit_up);
    sqlite3_bind_int64(s, 15, (int64_t)t->limit_down);
    sqlite3_bind_double(s, 16, t->ratio_stop);
    sqlite3_bind_int64(s, 17, (int64_t)t->seed_seconds_stop);
    bind_bytes(s, 18, t->priorities);
    sqlite3_bind_int64(s, 19, t->queue_position);
    sqlite3_bind_int64(s, 20, (int64_t)t->bytes_total);
    sqlite3_bind_int64(s, 21, t->piece_length);
    sqlite3_bind_int64(s, 22, t->piece_count);
    sqlite3_bind_int64(s, 23, t->file_count);
    sqlite3_bind_int64(s, 24, sum_of_torrent(t));
    return finish(db, s);
}

int state_rows_delete_torrent(struct state_db *db, int64_t id)
{
    sqlite3_stmt *s = db->statements[SQL_DELETE_TORRENT];
    sqlite3_bind_int64(s, 1, id);
    return finish(db, s);
}

int state_rows_replace_torrent(struct state_db *db, const struct state_torrent *t)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db->sql, "DELETE FROM torrents WHERE id <> ?1 AND (v1 = ?2 OR v2 = ?3)",
            -1, &s, NULL) != SQLITE_OK)
        return ERR_DATABASE;
    sqlite3_bind_int64(s, 1, t->id);
    if (t->has_v1)
        bind_bytes(s, 2, bytes_of(t->v1.b, sizeof t->v1.b));
    if (t->has_v2)
        bind_bytes(s, 3, bytes_of(t->v2.b, sizeof t->v2.b));
    sqlite3_step(s);
    sqlite3_finalize(s);
    return state_rows_put_torrent(db, t);
}

/* Reads a row of TORRENT_COLUMNS; false if it is not what was written. */
static bool read_torrent(sqlite3_stmt *s, struct state_torrent *t)
{
    struct bytes v1 = state_column_bytes(s, 1), v2 = state_column_bytes(s, 2);
    int64_t flags = sqlite3_column_int64(s, 3);
    *t = (struct state_torrent){.id = sqlite3_column_int64(s, 0),
        .has_v1 = v1.size == sizeof t->v1.b,
        .has_v2 = v2.size == sizeof t->v2.b,
        .paused = flags & 1,
        .sequential = flags & 2,
        .super_seeding = flags & 4,
        .stop_when_done = flags & 8,
        .metadata_missing = flags & 16,
        .complete = flags & 32,
        .is_private = flags & 64,
        .has_trackers = flags & 128,
        .name = state_column_text(s, 4),
        .magnet = state_column_text(s, 5),
        .folder = state_column_text(s, 6),
        .root = state_column_text(s, 7),
        .added_unix = sqlite3_column_int64(s, 8),
        .completed_unix = sqlite3_column_int64(s, 9),
        .uploaded = (uint64_t)sqlite3_column_int64(s, 10),
        .downloaded = (uint64_t)sqlite3_column_int64(s, 11),
        .seeding_seconds = (uint64_t)sqlite3_column_int64(s, 12),
        .limit_up = (uint64_t)sqlite3_column_int64(s, 13),
        .limit_down = (uint64_t)sqlite3_column_int64(s, 14),
        .ratio_stop = sqlite3_column_double(s, 15),
        .seed_seconds_stop = (uint64_t)sqlite3_column_int64(s, 16),
        .priorities = state_column_bytes(s, 17),
        .queue_position = (int32_t)sqlite3_column_int64(s, 18),
        .bytes_total = (uint64_t)sqlite3_column_int64(s, 19),
        .piece_length = (uint32_t)sqlite3_column_int64(s, 20),
        .piece_count = (uint32_t)sqlite3_column_int64(s, 21),
        .file_count = (uint32_t)sqlite3_column_int64(s, 22)};
    if (t->has_v1)
        memcpy(t->v1.b, v1.data, sizeof t->v1.b);
    if (t->has_v2)
        memcpy(t->v2.b, v2.data, sizeof t->v2.b);
    return flags_of(t) == flags && sum_of_torrent(t) == sqlite3_column_int64(s, 23);
}

int state_rows_each_torrent(sqlite3 *sql, bool backwards,
    bool (*each)(void *user, const struct state_torrent *, bool damaged), void *user)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(sql,
        backwards ? "SELECT " TORRENT_COLUMNS " FROM torrents ORDER BY id DESC"
                  : "SELECT " TORRENT_COLUMNS " FROM torrents ORDER BY id",
        -1, &s, NULL);
    if (rc != SQLITE_OK)
        return state_db_err(sql, rc);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct state_torrent t;
        bool intact = read_torrent(s, &t);
        if (!each(user, &t, !intact))
            break;
    }
    int err = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : state_db_err(sql, rc);
    sqlite3_finalize(s);
    return err;
}

/* ---- blobs, settings, shares --------------------------------------------------------------- */

int state_rows_put_blob(struct state_db *db, int64_t torrent, int kind, struct bytes body)
{
    sqlite3_stmt *s = db->statements[body.size > 0 ? SQL_PUT_BLOB : SQL_DELETE_BLOB];
    sqlite3_bind_int64(s, 1, torrent);
    sqlite3_bind_int(s, 2, kind);
    if (body.size > 0) {
        sqlite3_bind_int64(s, 3, state_sum_of_blob(torrent, kind, body));
        bind_bytes(s, 4, body);
    }
    int err = finish(db, s);
    return err == ERR_EXISTS ? ERR_NOT_FOUND : err; /* the foreign key is the only constraint */
}

int state_rows_put_setting(struct state_db *db, const char *key, struct bytes value)
{
    sqlite3_stmt *s = db->statements[value.size > 0 ? SQL_PUT_SETTING : SQL_DELETE_SETTING];
    bind_text(s, 1, key);
    if (value.size > 0) {
        sqlite3_bind_int64(s, 2, state_sum_of_setting(key, value));
        bind_bytes(s, 3, value);
    }
    return finish(db, s);
}

int state_rows_put_share(
    struct state_db *db, const struct sha256_digest *key, const char *path, struct bytes torrent)
{
    sqlite3_stmt *s = db->statements[SQL_PUT_SHARE];
    struct bytes raw = bytes_of(key->b, sizeof key->b);
    bind_bytes(s, 1, raw);
    bind_text(s, 2, path);
    sqlite3_bind_int64(s, 3, sum_of("shares", raw, torrent));
    bind_bytes(s, 4, torrent);
    int err = finish(db, s);
    if (err < 0)
        return err;
    s = db->statements[SQL_TRIM_SHARES];
    sqlite3_bind_int64(s, 1, STATE_SHARES_MAX);
    sqlite3_bind_int64(s, 2, (int64_t)STATE_SHARE_BYTES_MAX);
    return finish(db, s);
}

/* Steps to the row of a statement that selects a sum and a body, copies the body out. `key` and
 * `table` are what the sum was made of. */
static int take_body(
    sqlite3_stmt *s, const char *table, struct bytes key, uint8_t **out, size_t *size)
{
    int err = 0;
    *out = NULL;
    *size = 0;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        struct bytes body = state_column_bytes(s, 1);
        if (sum_of(table, key, body) != sqlite3_column_int64(s, 0))
            err = ERR_DATABASE;
        else if ((*out = malloc(body.size + 1)) == NULL)
            err = ERR_NOMEM;
        else
            memcpy(*out, body.data, *size = body.size);
    } else {
        err = rc == SQLITE_DONE ? ERR_NOT_FOUND : state_db_err(sqlite3_db_handle(s), rc);
    }
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return err;
}

int state_rows_get_blob(struct state_db *db, int64_t torrent, int kind, uint8_t **out, size_t *size)
{
    sqlite3_stmt *s = db->statements[SQL_GET_BLOB];
    uint8_t key[12];
    store_u64(key, (uint64_t)torrent);
    store_u32(key + 8, (uint32_t)kind);
    sqlite3_bind_int64(s, 1, torrent);
    sqlite3_bind_int(s, 2, kind);
    return take_body(s, "blobs", bytes_of(key, sizeof key), out, size);
}

int state_rows_get_setting(struct state_db *db, const char *key, uint8_t **out, size_t *size)
{
    sqlite3_stmt *s = db->statements[SQL_GET_SETTING];
    bind_text(s, 1, key);
    return take_body(s, "settings", bytes_of_str(key), out, size);
}

int state_rows_get_share(
    struct state_db *db, const struct sha256_digest *key, uint8_t **out, size_t *size)
{
    sqlite3_stmt *s = db->statements[SQL_GET_SHARE];
    struct bytes raw = bytes_of(key->b, sizeof key->b);
    bind_bytes(s, 1, raw);
    return take_body(s, "shares", raw, out, size);
}

int state_rows_each_setting(sqlite3 *sql, const char *prefix,
    bool (*each)(void *user, const char *key, struct bytes value, bool damaged), void *user)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(sql,
        "SELECT key, sum, value FROM settings WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key",
        -1, &s, NULL);
    if (rc != SQLITE_OK)
        return state_db_err(sql, rc);
    bind_text(s, 1, prefix);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *key = state_column_text(s, 0);
        struct bytes value = state_column_bytes(s, 2);
        bool intact = state_sum_of_setting(key, value) == sqlite3_column_int64(s, 1);
        if (!each(user, key, value, !intact))
            break;
    }
    int err = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : state_db_err(sql, rc);
    sqlite3_finalize(s);
    return err;
}
