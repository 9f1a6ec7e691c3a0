/* Which of a torrent's files are wanted: as a glob or the link says (BEP 53), file by file, or as
 * it was in an earlier run. See node_internal.h. */
#include "node/entry/entry_data.h"

#include "base/err.h"
#include "format/magnet.h"
#include "swarm/pieces/picker.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_NORMAL 4

static bool is_pad(const struct kith_torrent *k, uint32_t file)
{
    return k->metainfo->files[file].flags & METAINFO_PAD;
}

static uint32_t content_files(const struct metainfo *m)
{
    return m->file_count - m->pad_count;
}

uint32_t entry_file_at(struct kith_torrent *k, uint32_t index)
{
    const struct metainfo *m = k->metainfo;
    if (!m || !k->awake || index >= content_files(m))
        return UINT32_MAX;
    if (m->pad_count == 0)
        return index;
    if (!k->awake->content) {
        k->awake->content = calloc(content_files(m), sizeof *k->awake->content);
        for (uint32_t f = 0, n = 0; k->awake->content && f < m->file_count; f++)
            if (!is_pad(k, f))
                k->awake->content[n++] = f;
    }
    return k->awake->content ? k->awake->content[index] : UINT32_MAX;
}

uint64_t entry_bytes_wanted(const struct kith_torrent *k)
{
    uint64_t sum = 0;
    for (uint32_t f = 0; f < k->metainfo->file_count; f++)
        if (!is_pad(k, f) && entry_is_wanted(k, f))
            sum += k->metainfo->files[f].length;
    return sum;
}

/* ---- by a glob or a link ------------------------------------------------------------------- */

/* A priority for each file, normal until somebody says otherwise. ERR_NOMEM. */
static int reserve_priorities(struct kith_torrent *k)
{
    size_t count = k->metainfo->file_count;
    if (k->priorities)
        return 0;
    k->priorities = malloc(count ? count : 1);
    if (!k->priorities)
        return ERR_NOMEM;
    memset(k->priorities, PRIORITY_NORMAL, count);
    return 0;
}

typedef bool wants_file(const struct kith_torrent *, uint32_t file, const void *by);

static bool glob_wants(const struct kith_torrent *k, uint32_t file, const void *by)
{
    return fnmatch(by, k->metainfo->files[file].path, 0) == 0;
}

static bool link_wants(const struct kith_torrent *k, uint32_t file, const void *by)
{
    (void)k;
    return magnet_selects(by, file);
}

/* How many files of content are wanted; if none is, nothing is changed. ERR_NOMEM. */
static int64_t select_those(struct kith_torrent *k, wants_file *wants, const void *by)
{
    uint32_t selected = 0, count = k->metainfo->file_count;
    for (uint32_t f = 0; f < count; f++)
        selected += !is_pad(k, f) && wants(k, f, by);
    if (selected == 0 || selected == content_files(k->metainfo))
        return selected;
    if (reserve_priorities(k) != 0)
        return ERR_NOMEM;
    for (uint32_t f = 0; f < count; f++)
        if (!wants(k, f, by))
            k->priorities[f] = 0;
    return selected;
}

/* A link that names none of the files there are is wrong, and not obeyed. */
static int select_by_link(struct kith_torrent *k, const struct magnet *link)
{
    char text[NODE_TEXT_MAX];
    int64_t selected = select_those(k, link_wants, link);
    if (selected < 0)
        return (int)selected;
    snprintf(text, sizeof text,
        selected > 0 ? "the link asks for %u of %u files; the others are not fetched"
                     : "the link asks for %u of %u files: all are fetched",
        (unsigned)selected, content_files(k->metainfo));
    node_event(k->node, KITH_EVENT_WARNING, k, 0, text);
    return 0;
}

/* Whoever added it has the first word, his link the second. */
static int select_by(struct kith_torrent *k, const char *glob, const struct magnet *link)
{
    if (!glob)
        return link && link->has_selection ? select_by_link(k, link) : 0;
    int64_t selected = select_those(k, glob_wants, glob);
    return selected < 0 ? (int)selected : selected == 0 ? ERR_NOT_FOUND : 0;
}

int entry_select_files(struct kith_torrent *k)
{
    struct magnet m;
    struct format_error error;
    bool linked = k->magnet && magnet_parse(&m, bytes_of_str(k->magnet), &error) == 0;
    int err = select_by(k, k->files_wanted, linked ? &m : NULL);
    if (linked)
        magnet_free(&m);
    return err;
}

void entry_apply_files(struct kith_torrent *k)
{
    if (k->priorities)
        (void)torrent_set_file_priorities(k->torrent, k->priorities);
}

/* ---- otherwise than before ----------------------------------------------------------------- */

/* What the sidecar held of a file that became wanted is in its place now. */
static void file_completed(void *user, int err)
{
    struct kith_torrent *k = user;
    if (err)
        entry_torrent_failed(k, err, storage_error(k->storage));
    entry_reopen_when_idle(k);
    entry_stop_when_idle(k);
}

/* True: the file was passed over when the others were judged, and has to be now. ERR_NOMEM. */
static int change_file(struct kith_torrent *k, uint32_t file, int before, int now)
{
    int err = 0;
    if (k->storage && (before > 0) != (now > 0))
        err = storage_set_wanted(k->storage, file, now > 0, file_completed, k);
    if (err < 0)
        return err;
    return before == 0 && now > 0 && entry_is_unjudged(k, file);
}

/* More is wanted, or less: it may be complete no more, or by that. A file that may be made now is
 * known to be ours by a record that says so. */
static void changed(struct kith_torrent *k, bool judge)
{
    if (!torrent_is_complete(k->torrent))
        k->complete_told = false;
    if (judge && !torrent_storage(k->torrent))
        k->judge_again = true;
    else if (judge)
        entry_reopen(k);
    else if (torrent_storage(k->torrent) && !k->reopening)
        entry_checkpoint_soon(k);
    if (k->error == ERR_NOT_FOUND && k->metainfo && !k->storage) /* nothing was wanted: see below */
        entry_open_data(k);
    entry_queue(k);
    memory_save_entry(k);
}

/* Nor is anything else wanted, with the next start either. */
void entry_nothing_selected(struct kith_torrent *k)
{
    char text[NODE_TEXT_MAX];
    if (reserve_priorities(k) == 0) {
        memset(k->priorities, 0, k->metainfo->file_count);
        entry_apply_files(k);
        memory_save_entry(k);
    }
    snprintf(text, sizeof text, "no file in it matches '%s'", k->files_wanted);
    entry_trouble(k, ERR_NOT_FOUND, text);
}

/* From the priorities `before` to those that are now; NULL: all normal. */
static void change_files(struct kith_torrent *k, const uint8_t *before)
{
    int judge = 0;
    (void)torrent_set_file_priorities(k->torrent, k->priorities);
    for (uint32_t f = 0; f < k->metainfo->file_count; f++)
        judge |= change_file(k, f, before ? before[f] : PRIORITY_NORMAL,
                     k->priorities ? k->priorities[f] : PRIORITY_NORMAL) > 0;
    changed(k, judge);
}

int entry_select_again(struct kith_torrent *k, const char *glob, const struct magnet *link)
{
    char *copy = glob ? strdup(glob) : NULL;
    uint8_t *before = k->priorities;
    if (glob && !copy)
        return ERR_NOMEM;
    k->priorities = NULL;
    int err = k->metainfo && k->torrent ? select_by(k, glob, link) : 0;
    if (err) {
        k->priorities = before;
        free(copy);
        return err;
    }
    free(k->files_wanted);
    k->files_wanted = copy;
    if (k->metainfo && k->torrent)
        change_files(k, before);
    else
        memory_save_wanted(k);
    free(before);
    return 0;
}

int kith_set_file_priority(struct kith_torrent *k, uint32_t index, int priority)
{
    int err = k->falling_asleep ? ERR_AGAIN : entry_wake(k);
    if (err || !k->torrent || !k->metainfo)
        return err ? err : ERR_AGAIN;
    uint32_t file = entry_file_at(k, index);
    if (file == UINT32_MAX || priority < 0 || priority > PICKER_PRIORITY_MAX)
        return ERR_INVALID;
    err = reserve_priorities(k);
    if (err)
        return err;
    int before = k->priorities[file];
    k->priorities[file] = (uint8_t)priority;
    err = torrent_set_file_priority(k->torrent, file, priority);
    int judge = err ? err : change_file(k, file, before, priority);
    changed(k, judge > 0);
    return judge < 0 ? judge : 0;
}
