/* Hashing what is on the disk: one batch of pieces a job, as many jobs as workers, background lane.
 * See storage.h. */
#include "crypto/merkle.h"
#include "store/hash_step.h"
#include "store/storage_internal.h"
#include "store/verify.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

#define BATCH_PIECES 64u

struct check {
    struct storage *storage;
    struct bitfield pieces; /* to do */
    uint32_t next;
    unsigned running;
    bool cancelled;
    int err;
    const struct storage_check_events *events;
    void *user;
};

struct check_job {
    struct env_job job;
    struct check *check;
    uint32_t pieces[BATCH_PIECES];
    bool right[BATCH_PIECES];
    unsigned count;
    int err;
};

static bool is_simply_missing(int err)
{
    return err == ERR_NOT_FOUND || err == ERR_CHANGED || err == ERR_ABSENT;
}

/* A piece read into memory whole; false (and not an error) if some of it is not there. */
static int read_piece(struct storage *s, uint32_t piece, uint32_t size, uint8_t *out, bool *there)
{
    struct iovec whole = {out, size};
    int err = storage_read_range(s, piece, 0, &whole, 1);
    *there = err == 0;
    return is_simply_missing(err) ? 0 : err;
}

static int check_batch(struct storage *s, struct check_job *j, uint8_t *buffer)
{
    struct verify_piece pieces[BATCH_PIECES];
    struct bytes parts[BATCH_PIECES];
    unsigned of[BATCH_PIECES], count = 0;
    size_t used = 0;
    for (unsigned i = 0; i < j->count; i++) {
        bool there;
        struct metainfo_piece info;
        metainfo_piece(s->metainfo, j->pieces[i], &info);
        int err = read_piece(s, j->pieces[i], info.size, buffer + used, &there);
        if (err)
            return err;
        if (!there)
            continue;
        parts[count] = bytes_of(buffer + used, info.size);
        pieces[count] =
            (struct verify_piece){.info = info, .parts = &parts[count], .part_count = 1};
        of[count++] = i;
        used += info.size;
    }
    int err = verify_pieces(pieces, count);
    for (unsigned i = 0; i < count && !err; i++)
        j->right[of[i]] = pieces[i].right;
    return err;
}

/* ---- pieces in step -------------------------------------------------------------------------
 */

static int step_read(void *user, unsigned i, uint32_t begin, uint8_t *out, uint32_t size)
{
    struct check_job *j = user;
    struct storage *s = j->check->storage;
    struct iovec v = {out, size};
    if (begin == 0)
        storage_read_ahead(s, j->pieces[i]);
    int err = storage_read_range(s, j->pieces[i], begin, &v, 1);
    return is_simply_missing(err) ? STEP_MISSING : err;
}

static bool is_right(const struct step_piece *p, const struct metainfo_piece *info)
{
    if (p->missing || (info->v1 && memcmp(p->v1, info->v1, 20) != 0))
        return false;
    if (p->v2_size == 0)
        return true;
    struct sha256_digest root = merkle_root(p->leaves, info->v2_block_count, 0, info->v2_height);
    return sha256_equal(&root, &info->v2_root);
}

static int check_in_step(struct check_job *j, struct hash_step *step, struct sha256_digest *leaves)
{
    struct metainfo_piece infos[HASH_STEP_PIECES];
    struct step_piece pieces[HASH_STEP_PIECES];
    uint8_t digests[HASH_STEP_PIECES][20];
    size_t room = j->check->storage->metainfo->piece_length / METAINFO_BLOCK_SIZE;
    for (unsigned i = 0; i < j->count; i++) {
        metainfo_piece(j->check->storage->metainfo, j->pieces[i], &infos[i]);
        bool v2 = infos[i].has_v2 && infos[i].v2_known;
        pieces[i] = (struct step_piece){.size = infos[i].size,
            .v1 = digests[i],
            .v2_size = v2 ? infos[i].v2_size : 0,
            .leaves = v2 ? leaves + i * room : NULL};
    }
    int err = hash_step_run(step, pieces, j->count, step_read, j);
    for (unsigned i = 0; i < j->count && !err; i++)
        j->right[i] = is_right(&pieces[i], &infos[i]);
    return err;
}

/* Pieces of v1 so long that few of them fit a batch are hashed in step. */
static bool is_in_step(const struct storage *s)
{
    return s->metainfo->has_v1 &&
           s->metainfo->piece_length > STORAGE_CHECK_BATCH / HASH_STEP_PIECES;
}

static int run_in_step(struct check_job *j)
{
    const struct metainfo *m = j->check->storage->metainfo;
    size_t leaf_count = HASH_STEP_PIECES * (size_t)(m->piece_length / METAINFO_BLOCK_SIZE);
    struct hash_step *step = hash_step_new();
    struct sha256_digest *leaves = m->has_v2 ? malloc(leaf_count * sizeof *leaves) : NULL;
    int err = step && (leaves || !m->has_v2) ? check_in_step(j, step, leaves) : ERR_NOMEM;
    hash_step_free(step);
    free(leaves);
    return err;
}

static int run_together(struct check_job *j)
{
    struct storage *s = j->check->storage;
    size_t size = 0;
    for (unsigned i = 0; i < j->count; i++)
        size += metainfo_piece_size(s->metainfo, j->pieces[i]);
    if (size > STORAGE_CHECK_BATCH) { /* one long piece */
        int err = storage_hash_piece(s, j->pieces[0], NULL, &j->right[0]);
        return is_simply_missing(err) ? 0 : err;
    }
    uint8_t *buffer = malloc(size ? size : 1);
    int err = buffer ? check_batch(s, j, buffer) : ERR_NOMEM;
    free(buffer);
    return err;
}

static void check_run(struct env_job *job)
{
    struct check_job *j = container_of(job, struct check_job, job);
    j->err = is_in_step(j->check->storage) ? run_in_step(j) : run_together(j);
}

static bool start_check_job(struct check *c);

static void end_check(struct check *c)
{
    struct storage *s = c->storage;
    int err = c->err ? c->err : c->cancelled ? ERR_CANCELLED : 0;
    s->check = NULL;
    s->jobs--;
    c->events->done(c->user, err);
    bitfield_free(&c->pieces);
    free(c);
}

static void check_done(struct env_job *job)
{
    struct check_job *j = container_of(job, struct check_job, job);
    struct check *c = j->check;
    c->running--;
    storage_job_ended(c->storage);
    if (j->err && !c->err)
        c->err = j->err;
    for (unsigned i = 0; i < j->count && !j->err; i++)
        if (j->right[i])
            storage_doubt(c->storage, j->pieces[i]);
    for (unsigned i = 0; i < j->count && !j->err && !c->cancelled; i++)
        c->events->piece(c->user, j->pieces[i], j->right[i]);
    free(j);
    while (start_check_job(c)) {
    }
    if (c->running == 0)
        end_check(c);
}

/* Takes the next pieces, up to a batch of bytes; false if there is nothing to start. */
static bool start_check_job(struct check *c)
{
    struct storage *s = c->storage;
    uint32_t total = s->metainfo->piece_count;
    if (c->cancelled || c->err || c->running >= env_worker_count(s->env))
        return false;
    c->next = bitfield_next_set(&c->pieces, c->next);
    if (c->next >= total)
        return false;
    struct check_job *j = calloc(1, sizeof *j);
    if (!j) {
        c->err = ERR_NOMEM;
        return false;
    }
    j->job = (struct env_job){.run = check_run, .done = check_done};
    j->check = c;
    size_t bytes = 0;
    bool in_step = is_in_step(s);
    while (c->next < total && j->count < (in_step ? HASH_STEP_PIECES : BATCH_PIECES)) {
        uint32_t size = metainfo_piece_size(s->metainfo, c->next);
        if (j->count > 0 && bytes + size > STORAGE_CHECK_BATCH && !in_step)
            break;
        bytes += size;
        j->pieces[j->count++] = c->next;
        c->next = bitfield_next_set(&c->pieces, c->next + 1);
    }
    c->running++;
    storage_submit(s, ENV_LANE_BACKGROUND, &j->job);
    return true;
}

/* For a check of nothing: done() still comes later, not inside the call. */
static void nothing_run(struct env_job *job)
{
    (void)job;
}

int storage_check(struct storage *s, const struct bitfield *pieces,
    const struct storage_check_events *events, void *user)
{
    if (s->check)
        return ERR_BUSY;
    struct check *c = calloc(1, sizeof *c);
    if (!c || bitfield_init(&c->pieces, pieces->size) != 0) {
        free(c);
        return ERR_NOMEM;
    }
    bitfield_load(&c->pieces, bitfield_wire(pieces));
    c->storage = s;
    c->events = events;
    c->user = user;
    s->check = c;
    s->jobs++;
    while (start_check_job(c)) {
    }
    if (c->running > 0)
        return 0;
    struct check_job *j = calloc(1, sizeof *j);
    if (!j) {
        s->check = NULL;
        s->jobs--;
        bitfield_free(&c->pieces);
        free(c);
        return ERR_NOMEM;
    }
    j->job = (struct env_job){.run = nothing_run, .done = check_done};
    j->check = c;
    c->running = 1;
    storage_submit(s, ENV_LANE_BACKGROUND, &j->job);
    return 0;
}

void storage_check_cancel(struct storage *s)
{
    if (s->check)
        s->check->cancelled = true;
}
