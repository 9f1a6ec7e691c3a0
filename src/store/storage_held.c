/* Do files hold anything where pieces are not the torrent's? Room that was reserved, by whatever
 * client, and never written reads as zeros: nobody's data is lost when it is written. See
 * storage.h. */
#include "store/storage_internal.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

#define READ_SIZE ((size_t)256 << 10)

struct held_job {
    struct env_job job;
    struct storage *storage;
    void (*done)(void *user, int err, size_t first);
    void *user;
    const struct storage_part *parts;
    size_t count, first;
    int err;
};

static bool is_blank(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* What the file has of a range, in its own offsets, holes left out. */
static int range_holds(
    struct storage *s, struct env_file *f, uint64_t at, uint64_t end, uint8_t *buffer, bool *holds)
{
    uint64_t first, last;
    int err = 0;
    while (at < end && !err && !*holds) {
        int none = env_file_next_data(f, at, &first, &last);
        if (none == ERR_NOT_FOUND)
            break;
        if (none) { /* it cannot be told */
            first = at;
            last = end;
        }
        at = first > at ? first : at;
        last = last < end ? last : end;
        while (at < last && !err && !*holds) {
            if (atomic_load_explicit(&s->gives_up, memory_order_relaxed))
                return ERR_CANCELLED;
            size_t size = last - at < READ_SIZE ? (size_t)(last - at) : READ_SIZE;
            struct iovec v = {buffer, size};
            err = env_file_preadv(f, &v, 1, at);
            *holds = !err && !is_blank(buffer, size);
            at += size;
        }
    }
    return err;
}

static int part_holds(
    struct storage *s, const struct storage_part *part, uint8_t *buffer, bool *holds)
{
    const struct metainfo_file *m = &s->metainfo->files[part->file];
    uint64_t begin = (uint64_t)part->piece * s->metainfo->piece_length;
    uint64_t end = begin + s->metainfo->piece_length;
    struct env_file *f;
    struct env_stat st;
    int err = file_cache_take(
        s->files, s, part->file, s->dir, s->file[part->file].path, ENV_OPEN_READ, &f);
    if (err)
        return err;
    err = env_file_stat(f, &st);
    begin = begin > m->offset ? begin - m->offset : 0;
    end -= m->offset;
    end = end < m->length ? end : m->length;
    if (!err)
        err = range_holds(s, f, begin, end < st.size ? end : st.size, buffer, holds);
    file_cache_give(s->files, f);
    return err;
}

/* What cannot be read may well be something. */
static void held_run(struct env_job *job)
{
    struct held_job *j = container_of(job, struct held_job, job);
    uint8_t *buffer = malloc(READ_SIZE);
    bool holds = false;
    j->err = buffer ? storage_open_folder(j->storage, false) : ERR_NOMEM;
    while (j->first < j->count && !j->err) {
        j->err = part_holds(j->storage, &j->parts[j->first], buffer, &holds);
        if (holds)
            break;
        j->first += !j->err;
    }
    if (j->err && buffer)
        storage_note_error(j->storage, j->err, "reading",
            j->first < j->count ? j->parts[j->first].file : UINT32_MAX);
    free(buffer);
}

static void held_done(struct env_job *job)
{
    struct held_job *j = container_of(job, struct held_job, job);
    j->storage->jobs--;
    storage_job_ended(j->storage);
    j->done(j->user, j->err, j->first);
    free(j);
}

int storage_find_held(struct storage *s, const struct storage_part *parts, size_t count,
    void (*done)(void *user, int err, size_t first), void *user)
{
    struct held_job *j = calloc(1, sizeof *j);
    if (!j)
        return ERR_NOMEM;
    *j = (struct held_job){.job = {.run = held_run, .done = held_done},
        .storage = s,
        .done = done,
        .user = user,
        .parts = parts,
        .count = count};
    atomic_store(&s->gives_up, false);
    s->jobs++;
    storage_submit(s, ENV_LANE_BACKGROUND, &j->job);
    return 0;
}
