/* The state of a node, see state.h: opened and closed, and one job at a time writes what waits, a
 * batch in one transaction; another takes the copies.
 *
 * The queue (state_queue.h) is the loop's alone. A batch belongs to the job from its submission to
 * its done(). */
#include "base/err.h"
#include "store/state/state_internal.h"
#include "store/state/state_rows.h"
#include <assert.h>
#include <stdlib.h>

static void pump(struct state *s);

int state_enqueue(struct state *s, struct op *op)
{
    bool removal = op->key.kind == OP_REMOVE;
    int err = 0;
    if (s->last_write_done) {
        op_free(op);
        return ERR_CLOSED;
    }
    err = state_queue_put(&s->queue, op);
    if (err < 0)
        return err;
    if (removal)
        state_queue_drop_saves(&s->queue, op->torrent, op);
    pump(s);
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------- */

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
    bool apart = state_db_reads_apart(&s->db);
    if (!apart)
        pthread_mutex_lock(&s->lock);
    s->batch_err = write_ops(&s->db, &s->batch);
    if (!apart)
        pthread_mutex_unlock(&s->lock);
    if (s->last_of_queue)
        sqlite3_db_release_memory(s->db.sql);
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

/* While a job runs there is nothing to wait for: its end sets the next deadline. */
static void tell_deadline(struct state *s)
{
    if (s->deadline_changed != NULL && state_deadline(s) != NEVER)
        s->deadline_changed(s->deadline_user);
}

static void write_done(struct env_job *job)
{
    struct state *s = container_of(job, struct state, write_job);
    struct list_link written;
    list_init(&written);
    s->batch_count = 0;
    if (s->batch_err < 0) {
        note_failure(s, s->batch_err);
        state_queue_put_back(&s->queue, &s->batch);
    } else {
        note_success(s);
        /* Moved aside first: callbacks may save again, and that may start the next batch. */
        struct list_link *link;
        while ((link = list_pop_front(&s->batch)) != NULL)
            list_push_back(&written, link);
    }
    s->writing = false;
    acknowledge(&written, 0);
    if (s->quiescing && !s->writing && (list_empty(&s->queue.ops) || s->trouble != 0))
        s->last_write_done = true;
    if (maybe_idle(s))
        return;
    pump(s);
    tell_deadline(s);
}

static void start_write(struct state *s)
{
    assert(!s->writing && list_empty(&s->batch));
    s->batch_count = state_queue_take(&s->queue, &s->batch);
    s->last_of_queue = list_empty(&s->queue.ops);
    s->writing = true;
    s->write_job = (struct env_job){.run = write_run, .done = write_done};
    env_submit(s->env, ENV_LANE_DATA, &s->write_job);
}

/* ---- copies -------------------------------------------------------------------------------- */

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
    if (!maybe_idle(s))
        tell_deadline(s);
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
    if (!s->writing && !list_empty(&s->queue.ops) &&
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
    usec retry = s->writing || list_empty(&s->queue.ops) ? NEVER : s->retry_at;
    return s->quiescing ? NEVER : usec_min(retry, s->copy_at);
}

size_t state_waiting(const struct state *s)
{
    return s->queue.count + s->batch_count;
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

/* ---- opening and closing ------------------------------------------------------------------- */

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
    s->deadline_changed = config->deadline_changed;
    s->deadline_user = config->user;
    s->retry_at = NEVER;
    list_init(&s->batch);
    env_random(env, seed, sizeof seed);
    int err = state_queue_init(&s->queue, seed);
    if (err == 0)
        err = init_lock(&s->lock);
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
    state_queue_free(&s->queue);
    free(s);
    return err;
}

int state_close(struct state *s)
{
    if (s == NULL)
        return 0;
    assert(state_idle(s));
    int err = list_empty(&s->queue.ops) ? 0 : write_ops(&s->db, &s->queue.ops);
    s->last_write_done = true; /* callbacks cannot save any more */
    acknowledge(&s->queue.ops, err < 0 ? err : 0);
    state_db_close(&s->db);
    pthread_mutex_destroy(&s->lock);
    state_queue_free(&s->queue);
    free(s);
    return err;
}

void state_report_free(struct state_report *r)
{
    for (size_t i = 0; i < r->warning_count; i++)
        free(r->warnings[i]);
    *r = (struct state_report){0};
}
