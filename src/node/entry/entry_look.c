/* A seed's files in somebody else's hands: what was changed in place, at the same size, is noticed
 * soon, its pieces are hashed again, and nothing wrong is given on nor fetched over what somebody
 * may have written on purpose. See entry_data.h. */
#include "node/entry/entry_data.h"

#include "base/err.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>

#define LOOK_EVERY SECONDS(5)

static const char *name_of(const struct kith_torrent *k, uint32_t file, struct builder *b)
{
    text_escape(bytes_of_str(k->metainfo->files[file].path), b);
    return builder_text(b);
}

static void tell(struct kith_torrent *k, uint32_t file, size_t count)
{
    char name[NODE_TEXT_MAX], text[2 * NODE_TEXT_MAX];
    struct builder b = builder_fixed(name, sizeof name);
    snprintf(text, sizeof text, "somebody else has written to %s%s: what it holds is hashed again",
        name_of(k, file, &b), count > 1 ? " and other files" : "");
    node_event(k->node, KITH_EVENT_WARNING, k, ERR_CHANGED, text);
}

/* The record in memory is the reopening's, the saved one the next start's: neither may vouch for
 * what somebody else has written. */
static void distrust(struct kith_torrent *k, const uint32_t *files, size_t count)
{
    struct builder b = builder_heap(STATE_BLOB_MAX);
    struct resume *r = &k->awake->record;
    k->record_fits = false;
    if (!k->has_record)
        return;
    for (size_t i = 0; i < count; i++)
        resume_distrust(r, files[i]);
    resume_write(r->live, &r->have, r->files, r->file_count, &b);
    if (builder_ok(&b))
        (void)memory_save_record(k, builder_bytes(&b), NULL, NULL);
    builder_free(&b);
}

void entry_distrust_touched(struct kith_torrent *k)
{
    uint32_t count = 0, *files = calloc(k->metainfo->file_count + 1, sizeof *files);
    for (uint32_t f = 0; files && f < k->metainfo->file_count; f++)
        if (storage_is_touched(k->storage, f))
            files[count++] = f;
    if (!files) /* without memory nothing is vouched for */
        entry_drop_record(k);
    else if (count > 0)
        distrust(k, files, count);
    free(files);
}

void entry_files_touched(struct kith_torrent *k, const uint32_t *files, size_t count)
{
    bool asked = k->node->stopping || k->removing || k->reopening || k->stop_waits;
    if (count == 0 || asked || !k->torrent || !torrent_storage(k->torrent))
        return;
    tell(k, files[0], count);
    distrust(k, files, count);
    k->awake->touched = true;
    k->awake->touched_file = files[0];
    k->awake->had = torrent_have(k->torrent)->count;
    entry_reopen(k);
}

static void looked(void *user, const uint32_t *files, size_t count)
{
    struct kith_torrent *k = user;
    entry_files_touched(k, files, count);
    entry_look_soon(k); /* a look that met a sync is not over */
    entry_reopen_when_idle(k);
    entry_stop_when_idle(k);
}

void entry_look(struct timer *timer, usec now)
{
    struct entry_awake *a = container_of(timer, struct entry_awake, look);
    struct kith_torrent *k = a->entry;
    bool busy = k->reopening || k->moving || k->saving > 0 || k->falling_asleep;
    a->looked_at = now;
    if (k->removing || k->node->stopping || !k->storage || !k->torrent)
        return;
    if (busy || k->state != 0 || !torrent_is_complete(k->torrent) ||
        storage_look(k->storage, looked, k) != 0)
        entry_look_soon(k);
}

void entry_look_soon(struct kith_torrent *k)
{
    struct entry_awake *a = k->awake;
    usec now = env_now(k->node->env), due = a->looked_at + LOOK_EVERY;
    if (timer_armed(&a->look) || !k->storage || !storage_was_read(k->storage) || k->node->stopping)
        return;
    timer_set(&k->node->timers, &a->look, due > now ? due : now + LOOK_EVERY);
    node_arm(k->node);
}

bool entry_was_changed(struct kith_torrent *k)
{
    struct entry_awake *a = k->awake;
    bool touched = a->touched;
    a->touched = false;
    if (!touched || a->have.count >= a->had)
        return false;
    char name[NODE_TEXT_MAX], text[2 * NODE_TEXT_MAX];
    struct builder b = builder_fixed(name, sizeof name);
    snprintf(text, sizeof text,
        "somebody else has changed %s: %u of the pieces are not the torrent's any more",
        name_of(k, a->touched_file, &b), a->had - a->have.count);
    entry_trouble(k, ERR_CHANGED, text);
    return true;
}
