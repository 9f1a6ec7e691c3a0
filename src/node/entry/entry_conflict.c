/* A torrent's files and somebody else's: what stood there before us and is not the torrent's is
 * refused, or ours gets another name. See entry_data.h. */
#include "node/entry/entry_data.h"

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RENAMES_MAX 1000u

/* A file that stood there before us and of which no piece is right is somebody else's. */
static bool is_conflict(const struct kith_torrent *k, uint32_t file)
{
    const struct metainfo_file *f = &k->metainfo->files[file];
    if (!k->awake->file_existed[file] || f->length == 0)
        return false;
    for (uint32_t i = 0; i < f->piece_count; i++)
        if (bitfield_get(&k->awake->have, f->first_piece + i))
            return false;
    return true;
}

bool entry_find_conflict(const struct kith_torrent *k, uint32_t *file)
{
    for (*file = 0; *file < k->metainfo->file_count; ++*file)
        if (is_conflict(k, *file))
            return true;
    return false;
}

void entry_tell_conflict(struct kith_torrent *k, uint32_t file)
{
    char text[NODE_TEXT_MAX], sentence[NODE_TEXT_MAX];
    snprintf(text, sizeof text, "%s/%s%s%s", k->folder, k->root ? k->root : k->metainfo->root,
        k->metainfo->multi_file ? "/" : "",
        k->metainfo->multi_file ? k->metainfo->files[file].path : "");
    k->error = KITH_E_EXISTS;
    k->state = KITH_STATE_TROUBLE;
    snprintf(sentence, sizeof sentence, "%.200s holds something else", text);
    node_replace_text(&k->error_text, sentence);
    node_event(k->node, KITH_EVENT_CONFLICT, k, KITH_E_EXISTS, text);
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

void entry_open_under_other_name(struct kith_torrent *k)
{
    if (++k->renames > RENAMES_MAX) {
        entry_trouble(k, ERR_EXISTS, "no free name was found");
        return;
    }
    free(k->root);
    k->root = next_name(k);
    storage_free(k->storage);
    k->storage = NULL;
    bitfield_free(&k->awake->have);
    if (!k->root)
        entry_trouble(k, ERR_NOMEM, NULL);
    else
        entry_open_data(k);
}
