/* Hashing what is on the disk: one batch of pieces a job, as many jobs as workers, background lane.
 * See storage.h. */
#include "store/recheck.h"
#include "store/storage_internal.h"

#include "base/err.h"
#include <stdlib.h>

struct check {
    struct storage *storage;
    struct bitfield pieces; /* to do */
    uint32_t next;
    unsigned running;
    bool cancelled;
    int err;
    const struct storage_check_events *events;
    void *user;
    struct recheck_room *idle_rooms;
};

struct check_job {
    struct env_job job;
    struct check *check;
    struct recheck_room *room;
    uint32_t pieces[RECHECK_PIECES_MAX];
    bool right[RECHECK_PIECES_MAX];
    unsigned count;
    int err;
};

static void check_run(struct env_job *job)
{
    struct check_job *j = container_of(job, struct check_job, job);
    j->err = recheck_pieces(j->check->storage, j->room, j->pieces, j->count, j->right);
}

static bool start_check_job(struct check *c);

static void end_check(struct check *c)
{
    struct storage *s = c->storage;
    int err = c->err ? c->err : c->cancelled ? ERR_CANCELLED : 0;
    s->check = NULL;
    s->jobs--;
    c->events->done(c->user, err);
    while (c->idle_rooms) {
        struct recheck_room *room = c->idle_rooms;
        c->idle_rooms = room->next;
        recheck_room_free(room);
    }
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
    if (j->room) {
        j->room->next = c->idle_rooms;
        c->idle_rooms = j->room;
    }
    free(j);
    while (start_check_job(c)) {
    }
    if (c->running == 0)
        end_check(c);
}

/* A room that a job has left, or a new one. */
static struct recheck_room *take_room(struct check *c)
{
    struct recheck_room *room = c->idle_rooms;
    if (!room)
        return recheck_room_new();
    c->idle_rooms = room->next;
    return room;
}

/* Takes the next pieces, as many as a job may have; false if there is nothing to start. */
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
    struct recheck_room *room = j ? take_room(c) : NULL;
    if (!room) {
        free(j);
        c->err = ERR_NOMEM;
        return false;
    }
    j->room = room;
    j->job = (struct env_job){.run = check_run, .done = check_done};
    j->check = c;
    size_t bytes = 0;
    while (c->next < total) {
        uint32_t size = metainfo_piece_size(s->metainfo, c->next);
        if (!recheck_takes_more(s, j->count, bytes, size))
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
    atomic_store(&s->gives_up, true);
}
