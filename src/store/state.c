/* The queue in front of the state database, see state.h: copies what is to be saved, lets a later
 * save of a record take the place of one that waits, and has one job at a time write everything
 * that waits in one transaction.
 *
 * The queue is the loop's alone. A batch belongs to the job from its submission to its done(). The
 * connection is shared by the job and by loads, under a lock. */
#include "store/state.h"
#include "base/list.h"
#include "base/map.h"
#include "crypto/hash.h"
#include "store/state_db.h"
#include "store/state_rows.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PEER_RECORD_SIZE 28u /* family, ip, port, flags, time */

enum op_kind { OP_TORRENT, OP_BLOB, OP_PEERS, OP_REMOVE, OP_SETTING, OP_SHARE };

/* Somebody who waits for a save to be durable. */
struct ack {
    state_done *done;
    void *user;
    struct ack *next;
};

/* What makes two saves saves of the same record. */
struct op_key {
    uint8_t kind, blob;
    uint8_t name[32]; /* id, big-endian; or digest */
};

/* One record that waits to be written. Its strings and bytes stand in `memory`. */
struct op {
    struct list_link link;
    struct op_key key;
    struct ack *acks;
    int64_t torrent;
    struct state_torrent record; /* OP_TORRENT */
    struct sha256_digest share;
    const char *text; /* a setting's key, a share's path */
    struct bytes body;
    uint8_t *memory;
    size_t memory_size;
    int err; /* this record's own, after it was tried */
};

struct state {
    struct env *env;
    struct log *log;
    struct state_db db;
    pthread_mutex_t lock; /* of db; recursive, so that each() may load */

    struct list_link queue; /* ops that wait, in order */
    struct map *by_key;     /* the same, by op_key */
    size_t queue_bytes, queue_count;
    struct list_link batch; /* ops under way */
    size_t batch_count;
    bool writing;
    int batch_err;
    struct env_job write_job;

    struct env_job copy_job;
    bool copying;
    int copy_err;
    usec copy_at;

    int trouble;
    usec retry_at, retry_after; /* retry_at NEVER: no reason to wait */
    int64_t next_id;

    bool quiescing, last_write_done;
    void (*idle)(void *user);
    void *idle_user;
};

static_assert(sizeof(struct op_key) <= 64, "fits a map key");

static void pump(struct state *s);

/* ---- ops ------------------------------------------------------------------------------------- */

static struct op_key key_of_id(enum op_kind kind, int blob, int64_t id)
{
    struct op_key k = {.kind = (uint8_t)kind, .blob = (uint8_t)blob};
    store_u64(k.name, (uint64_t)id);
    return k;
}

static struct op_key key_of_digest(enum op_kind kind, const struct sha256_digest *d)
{
    struct op_key k = {.kind = (uint8_t)kind};
    memcpy(k.name, d->b, sizeof k.name);
    return k;
}

static void op_free(struct op *op)
{
    for (struct ack *a = op->acks, *next; a != NULL; a = next) {
        next = a->next;
        free(a);
    }
    free(op->memory);
    free(op);
}

/* A new op with `size` bytes to copy into; NULL without memory. */
static struct op *op_new(struct op_key key, size_t size, state_done *done, void *user)
{
    struct op *op = calloc(1, sizeof *op);
    if (op == NULL)
        return NULL;
    list_init(&op->link);
    op->key = key;
    op->memory_size = size;
    op->memory = malloc(size + 1);
    op->acks = done != NULL ? malloc(sizeof *op->acks) : NULL;
    if (op->memory == NULL || (done != NULL && op->acks == NULL)) {
        op_free(op);
        return NULL;
    }
    if (done != NULL)
        *op->acks = (struct ack){done, user, NULL};
    return op;
}

static const char *copy_text(uint8_t **at, const char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;
    char *copy = (char *)*at;
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    *at += size + 1;
    return copy;
}

static struct bytes copy_bytes(uint8_t **at, struct bytes b)
{
    uint8_t *copy = *at;
    if (b.size > 0)
        memcpy(copy, b.data, b.size);
    *at += b.size;
    return bytes_of(copy, b.size);
}

/* Who waited for `from` waits for `to` from now on. */
static void hand_acks_over(struct op *to, struct op *from)
{
    struct ack **end = &from->acks;
    while (*end != NULL)
        end = &(*end)->next;
    *end = to->acks; /* the older ones are told first */
    to->acks = from->acks;
    from->acks = NULL;
}

static void unqueue(struct state *s, struct op *op)
{
    list_remove(&op->link);
    /* Without memory an op may be queued and not be in the map: see requeue. */
    if (map_get(s->by_key, &op->key) == op)
        map_remove(s->by_key, &op->key);
    s->queue_bytes -= op->memory_size;
    s->queue_count--;
}

static void link_before(struct state *s, struct list_link *at, struct op *op)
{
    list_insert_before(at, &op->link);
    s->queue_bytes += op->memory_size;
    s->queue_count++;
}

/* Queues an op, in the place of one that waits for the same record. Frees it on failure. */
static int place(struct state *s, struct op *op)
{
    struct op *older = map_get(s->by_key, &op->key);
    size_t freed = older != NULL ? older->memory_size : 0;
    int err = 0;
    if (s->last_write_done)
        err = ERR_CLOSED;
    else if (s->queue_bytes - freed + op->memory_size > STATE_QUEUE_BYTES_MAX)
        err = ERR_NO_SPACE;
    else
        err = map_put(s->by_key, &op->key, op);
    if (err < 0) {
        op_free(op);
        return err;
    }
    /* The older one's place: what has to follow the record (a torrent's blobs) still does. */
    link_before(s, older != NULL ? &older->link : &s->queue, op);
    if (older != NULL) {
        unqueue(s, older);
        hand_acks_over(op, older);
        op_free(older);
    }
    return 0;
}

static int enqueue(struct state *s, struct op *op)
{
    int err = place(s, op);
    if (err == 0)
        pump(s);
    return err;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_op(struct state_db *db, struct op *op)
{
    switch ((enum op_kind)op->key.kind) {
    case OP_TORRENT:
        return state_rows_put_torrent(db, &op->record);
    case OP_BLOB:
        return state_rows_put_blob(db, op->torrent, op->key.blob, op->body);
    case OP_PEERS:
        return state_rows_put_blob(db, op->torrent, STATE_PEERS_KIND, op->body);
    case OP_REMOVE:
        return state_rows_delete_torrent(db, op->torrent);
    case OP_SETTING:
        return state_rows_put_setting(db, op->text, op->body);
    case OP_SHARE:
        return state_rows_put_share(db, &op->share, op->text, op->body);
    }
    return ERR_INVALID;
}

/* Errors that are the record's own fault, and leave the transaction as it was. */
static bool is_own_fault(int err)
{
    return err == ERR_EXISTS || err == ERR_NOT_FOUND || err == ERR_LIMIT || err == ERR_INVALID;
}

/* All ops of a list in one transaction. 0, or why nothing of it was written. */
static int write_ops(struct state_db *db, struct list_link *ops)
{
    int err = state_db_exec(db->sql, "BEGIN IMMEDIATE");
    if (err < 0)
        return err;
    list_for_each(link, ops)
    {
        struct op *op = list_entry(link, struct op, link);
        op->err = write_op(db, op);
        if (op->err < 0 && !is_own_fault(op->err)) {
            err = op->err;
            break;
        }
    }
    if (err == 0)
        err = state_db_exec(db->sql, "COMMIT");
    /* Some failures roll back by themselves; after a failed COMMIT the transaction may be open. */
    if (err < 0 && !sqlite3_get_autocommit(db->sql))
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

static void write_run(struct env_job *job)
{
    struct state *s = container_of(job, struct state, write_job);
    pthread_mutex_lock(&s->lock);
    s->batch_err = write_ops(&s->db, &s->batch);
    pthread_mutex_unlock(&s->lock);
}

/* Tells everybody who waits for these ops, and frees them. `err` where an op has none of its own.
 */
static void acknowledge(struct list_link *ops, int err)
{
    struct list_link *link;
    while ((link = list_pop_front(ops)) != NULL) {
        struct op *op = list_entry(link, struct op, link);
        for (struct ack *a = op->acks; a != NULL; a = a->next)
            a->done(a->user, err != 0 ? err : op->err);
        op_free(op);
    }
}

/* Puts a batch that could not be written back in front of what came in meanwhile. */
static void requeue(struct state *s)
{
    struct list_link *front = s->queue.next;
    struct list_link *link;
    while ((link = list_pop_front(&s->batch)) != NULL) {
        struct op *op = list_entry(link, struct op, link);
        struct op *newer = map_get(s->by_key, &op->key);
        if (newer != NULL) {
            /* The newer content at the older one's place. */
            if (&newer->link == front)
                front = front->next;
            list_remove(&newer->link);
            hand_acks_over(newer, op);
            list_insert_before(front, &newer->link);
            op_free(op);
        } else {
            /* Without memory for the map the op cannot be found; it is written all the same. */
            map_put(s->by_key, &op->key, op);
            link_before(s, front, op);
        }
    }
}

static void note_failure(struct state *s, int err)
{
    if (s->trouble != err)
        log_error(s->log, "state", "cannot save: %s; trying again", err_text(err));
    s->trouble = err;
    s->retry_after = s->retry_after == 0 ? STATE_RETRY_MIN : s->retry_after * 2;
    if (s->retry_after > STATE_RETRY_MAX)
        s->retry_after = STATE_RETRY_MAX;
    s->retry_at = env_now(s->env) + s->retry_after;
}

static void note_success(struct state *s)
{
    if (s->trouble != 0)
        log_info(s->log, "state", "saving works again");
    s->trouble = 0;
    s->retry_after = 0;
    s->retry_at = NEVER;
}

/* True if the state may have been freed by idle(). */
static bool maybe_idle(struct state *s)
{
    if (!s->quiescing || !s->last_write_done || s->writing || s->copying || s->idle == NULL)
        return false;
    void (*idle)(void *) = s->idle;
    s->idle = NULL;
    idle(s->idle_user);
    return true;
}

static void write_done(struct env_job *job)
{
    struct state *s = container_of(job, struct state, write_job);
    struct list_link written;
    list_init(&written);
    s->batch_count = 0;
    if (s->batch_err < 0) {
        note_failure(s, s->batch_err);
        requeue(s);
    } else {
        note_success(s);
        /* Moved aside first: callbacks may save again, and that may start the next batch. */
        struct list_link *link;
        while ((link = list_pop_front(&s->batch)) != NULL)
            list_push_back(&written, link);
    }
    s->writing = false;
    acknowledge(&written, 0);
    if (s->quiescing && !s->writing && (list_empty(&s->queue) || s->trouble != 0))
        s->last_write_done = true;
    if (!maybe_idle(s))
        pump(s);
}

static void start_write(struct state *s)
{
    struct list_link *link;
    assert(!s->writing && list_empty(&s->batch));
    while ((link = s->queue.next) != &s->queue) {
        unqueue(s, list_entry(link, struct op, link));
        list_push_back(&s->batch, link);
        s->batch_count++;
    }
    assert(s->queue_bytes == 0 && s->queue_count == 0);
    s->writing = true;
    s->write_job = (struct env_job){.run = write_run, .done = write_done};
    env_submit(s->env, ENV_LANE_DATA, &s->write_job);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static void copy_run(struct env_job *job)
{
    struct state *s = container_of(job, struct state, copy_job);
    s->copy_err = state_db_copy(s->db.path);
}

static void copy_done(struct env_job *job)
{
    struct state *s = container_of(job, struct state, copy_job);
    s->copying = false;
    if (s->copy_err < 0)
        log_warn(s->log, "state", "cannot copy the state database: %s", err_text(s->copy_err));
    /* After a failure sooner, but not at once: the disk is likely full. */
    usec wait = s->copy_err < 0 ? STATE_COPY_EVERY / 24 : STATE_COPY_EVERY;
    s->copy_at = env_now(s->env) + wait;
    maybe_idle(s);
}

static void start_copy(struct state *s)
{
    s->copying = true;
    s->copy_at = NEVER;
    s->copy_job = (struct env_job){.run = copy_run, .done = copy_done};
    env_submit(s->env, ENV_LANE_BACKGROUND, &s->copy_job);
}

/* Starts what is due. */
static void pump(struct state *s)
{
    if (s->last_write_done)
        return;
    if (!s->writing && !list_empty(&s->queue) &&
        (s->retry_at == NEVER || s->retry_at <= env_now(s->env)))
        start_write(s);
}

void state_tick(struct state *s, usec now)
{
    if (!s->copying && !s->quiescing && s->copy_at <= now)
        start_copy(s);
    pump(s);
}

usec state_deadline(const struct state *s)
{
    usec retry = s->writing || list_empty(&s->queue) ? NEVER : s->retry_at;
    return s->quiescing ? NEVER : usec_min(retry, s->copy_at);
}

size_t state_waiting(const struct state *s)
{
    return s->queue_count + s->batch_count;
}

int state_trouble(const struct state *s)
{
    return s->trouble;
}

bool state_idle(const struct state *s)
{
    return !s->writing && !s->copying;
}

void state_quiesce(struct state *s, void (*idle)(void *user), void *user)
{
    s->quiescing = true;
    s->idle = idle;
    s->idle_user = user;
    /* A last attempt now, whatever the retry timer says. With nothing to write it is an empty
     * transaction, which brings idle() about from the loop like any other. */
    if (!s->writing)
        start_write(s);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static int init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;
    if (pthread_mutexattr_init(&attr) != 0)
        return ERR_NOMEM;
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    int rc = pthread_mutex_init(lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return rc == 0 ? 0 : ERR_NOMEM;
}

/* Ids of removed torrents are not used again: AUTOINCREMENT remembers the highest. */
static int64_t first_free_id(sqlite3 *sql)
{
    int64_t given =
        state_db_number(sql, "SELECT seq FROM sqlite_sequence WHERE name = 'torrents'", 0);
    int64_t highest = state_db_number(sql, "SELECT max(id) FROM torrents", 0);
    return (given > highest ? given : highest) + 1;
}

static usec first_copy_at(struct state *s)
{
    if (s->db.path == NULL)
        return NEVER;
    int64_t age_s = env_time_unix(s->env) - state_db_copy_unix(s->db.path);
    if (age_s >= 0 && age_s < STATE_COPY_AGE_AT_START_S)
        return env_now(s->env) + STATE_COPY_EVERY - SECONDS(age_s);
    return env_now(s->env);
}

int state_open(struct env *env, const struct state_config *config, struct state **out,
    struct state_report *report)
{
    uint8_t seed[16];
    *out = NULL;
    struct state *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    s->env = env;
    s->log = config->log;
    s->retry_at = NEVER;
    list_init(&s->queue);
    list_init(&s->batch);
    env_random(env, seed, sizeof seed);
    s->by_key = map_new(sizeof(struct op_key), seed);
    int err = s->by_key != NULL ? init_lock(&s->lock) : ERR_NOMEM;
    if (err < 0)
        goto no_lock;
    err = state_db_open(&s->db, config->path, env_time_unix(env), report);
    if (err < 0)
        goto no_db;
    s->next_id = first_free_id(s->db.sql);
    s->copy_at = first_copy_at(s);
    *out = s;
    return 0;

no_db:
    pthread_mutex_destroy(&s->lock);
no_lock:
    map_free(s->by_key);
    free(s);
    return err;
}

int state_close(struct state *s)
{
    if (s == NULL)
        return 0;
    assert(state_idle(s));
    int err = list_empty(&s->queue) ? 0 : write_ops(&s->db, &s->queue);
    s->last_write_done = true; /* callbacks cannot save any more */
    acknowledge(&s->queue, err < 0 ? err : 0);
    state_db_close(&s->db);
    pthread_mutex_destroy(&s->lock);
    map_free(s->by_key);
    free(s);
    return err;
}

void state_report_free(struct state_report *r)
{
    for (size_t i = 0; i < r->warning_count; i++)
        free(r->warnings[i]);
    *r = (struct state_report){0};
}

/* ---- saving ---------------------------------------------------------------------------------- */

int64_t state_torrent_new_id(struct state *s)
{
    return s->next_id++;
}

static bool text_fits(const char *text)
{
    return text == NULL || strlen(text) <= STATE_TEXT_MAX;
}

static size_t text_room(const char *text)
{
    return (text != NULL ? strlen(text) : 0) + 1;
}

int state_save_torrent(struct state *s, const struct state_torrent *t, state_done *done, void *user)
{
    if (t->id <= 0)
        return ERR_INVALID;
    if (!text_fits(t->name) || !text_fits(t->magnet) || !text_fits(t->folder) ||
        !text_fits(t->root) || t->priorities.size > STATE_BLOB_MAX)
        return ERR_LIMIT;
    struct op *op = op_new(key_of_id(OP_TORRENT, 0, t->id),
        text_room(t->name) + text_room(t->magnet) + text_room(t->folder) + text_room(t->root) +
            t->priorities.size,
        done, user);
    if (op == NULL)
        return ERR_NOMEM;
    uint8_t *at = op->memory;
    op->torrent = t->id;
    op->record = *t;
    op->record.name = copy_text(&at, t->name);
    op->record.magnet = copy_text(&at, t->magnet);
    op->record.folder = copy_text(&at, t->folder);
    op->record.root = copy_text(&at, t->root);
    op->record.priorities = copy_bytes(&at, t->priorities);
    return enqueue(s, op);
}

int state_save_blob(struct state *s, int64_t torrent, enum state_blob blob, struct bytes body,
    state_done *done, void *user)
{
    if (torrent <= 0 || blob >= STATE_BLOB_COUNT)
        return ERR_INVALID;
    if (body.size > STATE_BLOB_MAX)
        return ERR_LIMIT;
    struct op *op = op_new(key_of_id(OP_BLOB, blob, torrent), body.size, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    uint8_t *at = op->memory;
    op->torrent = torrent;
    op->body = copy_bytes(&at, body);
    return enqueue(s, op);
}

int state_save_peers(struct state *s, int64_t torrent, const struct state_peer *peers, size_t count,
    state_done *done, void *user)
{
    if (torrent <= 0)
        return ERR_INVALID;
    if (count > STATE_PEERS_MAX)
        count = STATE_PEERS_MAX;
    struct op *op = op_new(key_of_id(OP_PEERS, 0, torrent), count * PEER_RECORD_SIZE, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    struct builder b = builder_fixed(op->memory, count * PEER_RECORD_SIZE);
    for (size_t i = 0; i < count; i++) {
        builder_u8(&b, peers[i].endpoint.family);
        builder_bytes_put(&b, peers[i].endpoint.ip, sizeof peers[i].endpoint.ip);
        builder_u16(&b, peers[i].endpoint.port);
        builder_u8(&b, peers[i].seed);
        builder_u64(&b, (uint64_t)peers[i].seen_unix);
    }
    assert(builder_ok(&b));
    op->torrent = torrent;
    op->body = builder_bytes(&b);
    return enqueue(s, op);
}

/* Takes out what waits for a torrent that is to be removed; who waited hears of the removal. */
static void drop_saves_of(struct state *s, int64_t torrent, struct op *removal)
{
    list_for_each_safe(link, &s->queue)
    {
        struct op *op = list_entry(link, struct op, link);
        if (op->torrent == torrent && op->key.kind != OP_REMOVE) {
            unqueue(s, op);
            hand_acks_over(removal, op);
            op_free(op);
        }
    }
}

int state_remove_torrent(struct state *s, int64_t torrent, state_done *done, void *user)
{
    if (torrent <= 0)
        return ERR_INVALID;
    struct op *op = op_new(key_of_id(OP_REMOVE, 0, torrent), 0, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    op->torrent = torrent;
    int err = place(s, op);
    if (err < 0)
        return err;
    drop_saves_of(s, torrent, op);
    pump(s);
    return 0;
}

int state_save_setting(
    struct state *s, const char *key, struct bytes value, state_done *done, void *user)
{
    if (!text_fits(key) || value.size > STATE_BLOB_MAX)
        return ERR_LIMIT;
    struct sha256_digest name = sha256(key, strlen(key));
    struct op *op =
        op_new(key_of_digest(OP_SETTING, &name), text_room(key) + value.size, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    uint8_t *at = op->memory;
    op->text = copy_text(&at, key);
    op->body = copy_bytes(&at, value);
    return enqueue(s, op);
}

int state_save_share(struct state *s, const struct sha256_digest *key, const char *path,
    struct bytes torrent, state_done *done, void *user)
{
    if (!text_fits(path) || torrent.size > STATE_BLOB_MAX)
        return ERR_LIMIT;
    struct op *op =
        op_new(key_of_digest(OP_SHARE, key), text_room(path) + torrent.size, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    uint8_t *at = op->memory;
    op->share = *key;
    op->text = copy_text(&at, path);
    op->body = copy_bytes(&at, torrent);
    return enqueue(s, op);
}

/* ---- loading --------------------------------------------------------------------------------- */

int state_each_torrent(struct state *s,
    bool (*each)(void *user, const struct state_torrent *, bool damaged), void *user)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_each_torrent(s->db.sql, false, each, user);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int state_load_blob(
    struct state *s, int64_t torrent, enum state_blob blob, uint8_t **out, size_t *size)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_get_blob(&s->db, torrent, blob, out, size);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int state_load_peers(struct state *s, int64_t torrent, struct state_peer *out, size_t max)
{
    uint8_t *raw;
    size_t size;
    pthread_mutex_lock(&s->lock);
    int err = state_rows_get_blob(&s->db, torrent, STATE_PEERS_KIND, &raw, &size);
    pthread_mutex_unlock(&s->lock);
    if (err < 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    struct cursor c = cursor_of(bytes_of(raw, size));
    size_t count = 0;
    while (count < max && c.left >= PEER_RECORD_SIZE) {
        struct state_peer p = {0};
        p.endpoint.family = cursor_u8(&c);
        cursor_copy(&c, p.endpoint.ip, sizeof p.endpoint.ip);
        p.endpoint.port = cursor_u16(&c);
        p.seed = cursor_u8(&c) != 0;
        p.seen_unix = (int64_t)cursor_u64(&c);
        out[count++] = p;
    }
    free(raw);
    return (int)count;
}

int state_load_setting(struct state *s, const char *key, uint8_t **out, size_t *size)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_get_setting(&s->db, key, out, size);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int state_each_setting(struct state *s, const char *prefix,
    bool (*each)(void *user, const char *key, struct bytes value, bool damaged), void *user)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_each_setting(&s->db, prefix, each, user);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int state_load_share(struct state *s, const struct sha256_digest *key, uint8_t **out, size_t *size)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_get_share(&s->db, key, out, size);
    pthread_mutex_unlock(&s->lock);
    return err;
}
