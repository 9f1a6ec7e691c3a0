/* A torrent's files and somebody else's. What stands there and is not the torrent's is refused, or
 * ours gets another name: not a byte of it is replaced unless its user says so. Another client's
 * unfinished download, adopted, is what is right in it and room that was never written. See
 * entry_data.h. */
#include "node/entry/entry_data.h"

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RENAMES_MAX 1000u

/* ---- refused, or by another name ----------------------------------------------------------- */

static uint32_t count_wrong(const struct kith_torrent *k, const struct metainfo_file *f)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < f->piece_count; i++)
        wrong += !bitfield_get(&k->awake->have, f->first_piece + i);
    return wrong;
}

static void tell(struct kith_torrent *k, uint32_t file)
{
    const struct metainfo_file *f = &k->metainfo->files[file];
    const struct entry_found *found = &k->awake->found[file];
    char path[NODE_TEXT_MAX], sentence[2 * NODE_TEXT_MAX];
    uint32_t wrong = count_wrong(k, f);
    snprintf(path, sizeof path, "%s/%s%s%s", k->folder, k->root ? k->root : k->metainfo->root,
        k->metainfo->multi_file ? "/" : "", k->metainfo->multi_file ? f->path : "");
    if (found->state == STORAGE_FILE_NOT_A_FILE)
        snprintf(sentence, sizeof sentence, "%.200s is not a file", path);
    else if (wrong == 0 && found->state == STORAGE_FILE_LONGER)
        snprintf(sentence, sizeof sentence, "%.200s is longer than the torrent's file", path);
    else if (wrong < f->piece_count)
        snprintf(sentence, sizeof sentence,
            "%.200s holds something else in %u of its %u pieces: it was changed, or is another "
            "program's unfinished download",
            path, wrong, f->piece_count);
    else
        snprintf(sentence, sizeof sentence, "%.200s holds something else", path);
    k->error = KITH_E_EXISTS;
    k->state = KITH_STATE_TROUBLE;
    node_replace_text(&k->error_text, sentence);
    node_event(k->node, KITH_EVENT_CONFLICT, k, KITH_E_EXISTS, path);
    entry_queue(k);
}

/* "name (1)", "name (2)", ... for a file "name (1).ext". */
static char *next_name(const struct kith_torrent *k)
{
    const char *name = k->metainfo->root;
    const char *dot = k->metainfo->multi_file ? NULL : strrchr(name, '.');
    int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    char *out;
    if (asprintf(&out, "%.*s (%u)%s", stem, name, k->renames, name + stem) < 0)
        return NULL;
    return out;
}

static void open_under_other_name(struct kith_torrent *k)
{
    if (++k->renames > RENAMES_MAX) {
        entry_trouble(k, ERR_EXISTS, "no free name was found");
        return;
    }
    free(k->root);
    k->root = next_name(k);
    entry_drop_record(k); /* it is of what stands by the name that is taken */
    storage_free(k->storage);
    k->storage = NULL;
    bitfield_free(&k->awake->have);
    if (!k->root)
        entry_trouble(k, ERR_NOMEM, NULL);
    else
        entry_open_data(k);
}

static void found_conflict(struct kith_torrent *k, uint32_t file)
{
    if (k->existing == KITH_EXISTING_RENAME)
        open_under_other_name(k);
    else
        tell(k, file);
}

/* ---- what may be somebody else's ----------------------------------------------------------- */

static bool is_there(const struct kith_torrent *k, uint32_t file)
{
    return k->awake->found[file].state != STORAGE_FILE_ABSENT;
}

/* A folder, or whatever else: it cannot be written to. */
static bool is_in_the_way(const struct kith_torrent *k, uint32_t file)
{
    return k->awake->found[file].state == STORAGE_FILE_NOT_A_FILE;
}

bool entry_is_wanted(const struct kith_torrent *k, uint32_t file)
{
    return !k->priorities || k->priorities[file] > 0;
}

bool entry_is_ours(const struct kith_torrent *k, uint32_t file)
{
    return !is_there(k, file) || k->awake->found[file].whose == RESUME_OURS;
}

bool entry_has_made(const struct kith_torrent *k, uint32_t file)
{
    return storage_is_ours(k->storage, file) &&
           (entry_is_wanted(k, file) || entry_is_ours(k, file));
}

bool entry_is_unjudged(const struct kith_torrent *k, uint32_t file)
{
    return k->awake->found && is_there(k, file) &&
           (!entry_is_ours(k, file) || is_in_the_way(k, file) ||
               k->awake->found[file].state == STORAGE_FILE_LONGER);
}

/* Pieces that may be written: those of what is wanted. */
static int wanted_pieces(const struct kith_torrent *k, struct bitfield *out)
{
    const struct metainfo *m = k->metainfo;
    int err = bitfield_init(out, m->piece_count);
    for (uint32_t f = 0; f < m->file_count && !err; f++)
        for (uint32_t i = 0; i < m->files[f].piece_count && entry_is_wanted(k, f); i++)
            bitfield_set(out, m->files[f].first_piece + i);
    return err;
}

/* Is all of a piece on the disk, so that a wrong one has something wrong in it? */
static bool is_whole(const struct kith_torrent *k, uint32_t piece, bool *is_shared)
{
    struct metainfo_slice s =
        metainfo_slices(k->metainfo, piece, 0, metainfo_piece_size(k->metainfo, piece));
    unsigned files = 0;
    bool whole = true;
    while (metainfo_slice_next(k->metainfo, &s)) {
        files += !s.pad;
        whole &= s.pad || (is_there(k, s.file) && !is_in_the_way(k, s.file) &&
                              k->awake->found[s.file].size >= s.file_offset + s.length);
    }
    *is_shared = files > 1;
    return whole;
}

struct suspicion {
    const struct kith_torrent *entry;
    struct bitfield written; /* pieces that may be */
    struct storage_part *parts;
    size_t count, room;
    bool shared; /* now those that files share, which name nobody */
};

static bool suspect(struct suspicion *s, uint32_t file, uint32_t piece)
{
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 16;
        struct storage_part *parts = realloc(s->parts, room * sizeof *parts);
        if (!parts)
            return false;
        s->parts = parts;
        s->room = room;
    }
    s->parts[s->count++] = (struct storage_part){file, piece};
    return true;
}

/* One of which nothing is right is judged by all that it has; else a piece that is not all there
 * proves nothing. */
static bool suspect_file(struct suspicion *s, uint32_t file)
{
    const struct kith_torrent *k = s->entry;
    const struct metainfo_file *f = &k->metainfo->files[file];
    const struct entry_found *found = &k->awake->found[file];
    bool strange = count_wrong(k, f) == f->piece_count, shared, fine = true;
    if (!is_there(k, file) || is_in_the_way(k, file) || found->whose == RESUME_OURS ||
        found->repaired || (found->whose == RESUME_REPLACED && !strange))
        return true;
    for (uint32_t i = 0; i < f->piece_count && fine; i++) {
        uint32_t piece = f->first_piece + i;
        if (bitfield_get(&k->awake->have, piece) || !bitfield_get(&s->written, piece))
            continue;
        bool whole = is_whole(k, piece, &shared);
        if (shared == s->shared && (whole || strange))
            fine = suspect(s, file, piece);
    }
    return fine;
}

static bool find_wanted(const struct kith_torrent *k, enum storage_file_state state, uint32_t *file)
{
    for (*file = 0; *file < k->metainfo->file_count; ++*file)
        if (k->awake->found[*file].state == state && entry_is_wanted(k, *file))
            return true;
    return false;
}

/* ---- the judgement ------------------------------------------------------------------------- */

/* Records say from now on that what is wanted is ours to write to. */
static void adopt(struct kith_torrent *k)
{
    for (uint32_t f = 0; f < k->metainfo->file_count; f++) {
        if (!is_there(k, f) || !entry_is_wanted(k, f))
            continue;
        storage_set_ours(k->storage, f, true);
        if (k->awake->found[f].state == STORAGE_FILE_LONGER) { /* overwritten */
            storage_cut_file(k->storage, f);
            k->record_fits = false;
        }
    }
    entry_prepare(k);
}

static void held_known(void *user, int err, size_t first)
{
    struct kith_torrent *k = user;
    struct suspicion s = {.parts = k->awake->suspects};
    k->awake->suspects = NULL;
    uint32_t file = s.parts[first].file; /* one more than are asked about */
    free(s.parts);
    if (k->node->stopping || k->removing)
        entry_stopped(k);
    else if (err)
        entry_trouble(k, err, storage_error(k->storage));
    else if (k->judge_again)
        entry_judge_files(k);
    else if (file < k->metainfo->file_count)
        found_conflict(k, file);
    else
        adopt(k);
}

/* Those that are one file's alone first: they say which file it is. */
static int list_suspects(struct suspicion *s)
{
    int err = wanted_pieces(s->entry, &s->written);
    for (unsigned pass = 0; pass < 2 && !err; pass++) {
        s->shared = pass > 0;
        for (uint32_t f = 0; f < s->entry->metainfo->file_count && !err; f++)
            err = suspect_file(s, f) ? 0 : ERR_NOMEM;
    }
    bitfield_free(&s->written);
    if (!err && s->count > 0 && !suspect(s, UINT32_MAX, 0))
        err = ERR_NOMEM;
    return err;
}

void entry_judge_files(struct kith_torrent *k)
{
    struct suspicion s = {.entry = k};
    uint32_t file;
    k->judge_again = false;
    bool overwrites = k->existing == KITH_EXISTING_OVERWRITE;
    if (find_wanted(k, STORAGE_FILE_NOT_A_FILE, &file) ||
        (!overwrites && find_wanted(k, STORAGE_FILE_LONGER, &file))) {
        found_conflict(k, file);
        return;
    }
    if (overwrites) {
        adopt(k);
        return;
    }
    int err = list_suspects(&s);
    if (!err && s.count == 0) {
        adopt(k);
        return;
    }
    if (!err)
        err = storage_find_held(k->storage, s.parts, s.count - 1, held_known, k);
    if (err) {
        free(s.parts);
        entry_trouble(k, err, NULL);
        return;
    }
    k->awake->suspects = s.parts;
}
