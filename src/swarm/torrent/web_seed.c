/* See web_seed.h. */
#include "swarm/torrent/web_seed.h"

#include "base/err.h"
#include "base/text.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int web_seed_init(struct web_seed *w, const char *url, enum web_seed_kind kind)
{
    *w = (struct web_seed){.kind = kind};
    if (strlen(url) > WEB_SEED_URL_MAX / 2)
        return ERR_LIMIT;
    w->url = strdup(url);
    w->block = malloc(METAINFO_BLOCK_SIZE);
    w->body = builder_heap((size_t)WEB_SEED_BLOCKS_MAX * METAINFO_BLOCK_SIZE);
    if (w->url && w->block)
        return 0;
    web_seed_free(w);
    return ERR_NOMEM;
}

void web_seed_free(struct web_seed *w)
{
    free(w->url);
    free(w->block);
    builder_free(&w->body);
    *w = (struct web_seed){0};
}

/* ---- addresses ----------------------------------------------------------------------------- */

/* Each component by itself: a slash in a name must not become one of the path. */
static void put_path(struct builder *b, struct bytes path)
{
    struct cursor c = cursor_of(path);
    while (c.left > 0) {
        size_t n = 0;
        while (n < c.left && c.at[n] != '/')
            n++;
        percent_encode(cursor_take(&c, n), b);
        if (c.left > 0) {
            cursor_skip(&c, 1);
            builder_u8(b, '/');
        }
    }
}

static void put_file_url(
    const struct web_seed *w, const struct metainfo *m, uint32_t file, struct builder *b)
{
    size_t size = strlen(w->url);
    bool slash = size > 0 && w->url[size - 1] == '/';
    builder_str(b, w->url);
    if (!m->multi_file && !slash)
        return;
    if (!slash)
        builder_u8(b, '/');
    percent_encode(m->name, b);
    if (m->multi_file) {
        builder_u8(b, '/');
        put_path(b, m->files[file].raw_path);
    }
}

/* BEP 17: the server knows pieces, not files. */
static void put_piece_url(const struct web_seed *w, const struct metainfo *m, uint32_t piece,
    uint64_t first, uint64_t size, struct builder *b)
{
    builder_str(b, w->url);
    builder_u8(b, strchr(w->url, '?') ? '&' : '?');
    builder_str(b, "info_hash=");
    struct info_hash id = metainfo_id(m);
    percent_encode(bytes_of(id.b, sizeof id.b), b);
    builder_format(
        b, "&piece=%" PRIu32 "&ranges=%" PRIu64 "-%" PRIu64, piece, first, first + size - 1);
}

/* ---- ranges -------------------------------------------------------------------------------- */

static uint32_t size_of(const struct metainfo *m, const struct picker_block *b)
{
    uint32_t size = metainfo_piece_size(m, b->piece), begin = b->block * METAINFO_BLOCK_SIZE;
    return size - begin < METAINFO_BLOCK_SIZE ? size - begin : METAINFO_BLOCK_SIZE;
}

/* Does the block go on where the run ends, in the same piece? */
static bool follows(const struct picker_block *a, const struct picker_block *b)
{
    return a->piece == b->piece && a->block + 1 == b->block;
}

static bool piece_range(const struct web_seed *w, const struct metainfo *m, struct web_range *out)
{
    const struct picker_block *b = &w->blocks[w->next];
    uint64_t first = (uint64_t)b->block * METAINFO_BLOCK_SIZE + w->filled, size = 0;
    uint32_t i = w->next;
    do
        size += size_of(m, &w->blocks[i]);
    while (++i < w->count && follows(&w->blocks[i - 1], &w->blocks[i]));
    out->size = size - w->filled;
    put_piece_url(w, m, b->piece, first, out->size, out->url);
    return true;
}

/* The run of bytes from where we are that lies in one file, or is padding, across blocks and pieces
 * as long as it goes on without a gap. */
static bool file_range(const struct web_seed *w, const struct metainfo *m, struct web_range *out)
{
    uint32_t file = UINT32_MAX, skip = w->filled;
    uint64_t end = 0;
    for (uint32_t i = w->next; i < w->count; i++, skip = 0) {
        const struct picker_block *b = &w->blocks[i];
        struct metainfo_slice s = metainfo_slices(
            m, b->piece, b->block * METAINFO_BLOCK_SIZE + skip, size_of(m, b) - skip);
        while (metainfo_slice_next(m, &s)) {
            if (file == UINT32_MAX) {
                file = s.file;
                out->zeros = s.pad;
                out->first = end = s.file_offset;
            }
            if (s.file != file || s.pad != out->zeros || s.file_offset != end)
                goto done;
            out->size += s.length;
            end += s.length;
        }
    }
done:
    if (!out->zeros)
        put_file_url(w, m, file, out->url);
    out->whole = m->files[file].length;
    return true;
}

bool web_seed_range(const struct web_seed *w, const struct metainfo *m, struct web_range *out)
{
    out->first = out->size = out->whole = 0;
    out->zeros = false;
    if (w->next == w->count)
        return false;
    return w->kind == WEB_SEED_PIECES ? piece_range(w, m, out) : file_range(w, m, out);
}

/* ---- bytes --------------------------------------------------------------------------------- */

int web_seed_data(struct web_seed *w, struct bytes data)
{
    if (data.size > w->expected)
        return ERR_LIMIT;
    w->expected -= data.size;
    if (w->body_at == w->body.size)
        w->body.size = w->body_at = 0;
    builder_span(&w->body, data);
    return builder_ok(&w->body) ? 0 : ERR_NOMEM;
}

const uint8_t *web_seed_block(
    struct web_seed *w, const struct metainfo *m, struct picker_block *which, uint32_t *size)
{
    if (w->next == w->count)
        return NULL;
    *which = w->blocks[w->next];
    *size = size_of(m, which);
    size_t there = w->body.size - w->body_at, lacks = *size - w->filled;
    size_t n = there < lacks ? there : lacks;
    if (n > 0) /* the body may not have begun */
        memcpy(w->block + w->filled, w->body.data + w->body_at, n);
    w->body_at += n;
    w->filled += (uint32_t)n;
    return w->filled == *size ? w->block : NULL;
}

void web_seed_block_taken(struct web_seed *w)
{
    w->downloaded += w->filled;
    w->filled = 0;
    w->next++;
}

/* ---- ends ---------------------------------------------------------------------------------- */

void web_seed_condemn(struct web_seed *w, const char *why)
{
    w->dead = true;
    snprintf(w->words, sizeof w->words, "%s", why);
}

static void pause_after_failure(struct web_seed *w, usec now)
{
    usec pause = WEB_SEED_PAUSE_MIN << (w->failures < 10 ? w->failures : 10);
    w->not_before = now + (pause < WEB_SEED_PAUSE_MAX ? pause : WEB_SEED_PAUSE_MAX);
    if (++w->failures >= WEB_SEED_FAILURES_MAX)
        w->dead = true;
}

bool web_seed_done(struct web_seed *w, int err, int status, const char *detail, usec now)
{
    w->fetching = false;
    if (!err && (status == 206 || status == 200) && w->expected == 0) {
        w->failures = 0;
        w->words[0] = 0;
        return true;
    }
    if (err)
        snprintf(w->words, sizeof w->words, "%s", *detail ? detail : err_text(err));
    else if (status == 206 || status == 200)
        snprintf(w->words, sizeof w->words, "it sent less than was asked for");
    else
        snprintf(w->words, sizeof w->words, "HTTP status %d", status);
    if (!err && status >= 400 && status < 500 && status != 408 && status != 429)
        w->dead = true; /* what is not there will not be there in a minute */
    else
        pause_after_failure(w, now);
    return false;
}

uint32_t web_seed_give_back(struct web_seed *w, struct picker_block *out)
{
    uint32_t count = w->count - w->next;
    memcpy(out, w->blocks + w->next, count * sizeof *out);
    w->count = w->next = w->filled = 0;
    w->body.size = w->body_at = 0;
    w->body.bad = false;
    w->expected = 0;
    return count;
}
