/* See resume.h. */
#include "store/resume.h"

#include "base/err.h"
#include <stdlib.h>

#define RESUME_MAGIC 0x6b726532u     /* "kre2" */
#define RESUME_MAGIC_OLD 0x6b726531u /* "kre1": its word on whose a file is was not kept */
#define RESUME_FILE_SIZE 25u

/* ---- the record on disk -------------------------------------------------------------------- */

void resume_free(struct resume *r)
{
    bitfield_free(&r->have);
    free(r->files);
    *r = (struct resume){0};
}

void resume_write(bool live, const struct bitfield *have, const struct storage_file_record *files,
    uint32_t file_count, struct builder *b)
{
    builder_u32(b, RESUME_MAGIC);
    builder_u8(b, live);
    builder_u32(b, have->size);
    builder_span(b, bitfield_wire(have));
    builder_u32(b, file_count);
    for (uint32_t i = 0; i < file_count; i++) {
        builder_u64(b, files[i].size);
        builder_u64(b, (uint64_t)files[i].mtime_ns);
        builder_u64(b, files[i].inode);
        builder_u8(b, files[i].ours);
    }
}

static int read_files(struct cursor *c, bool knows_whose, struct resume *out)
{
    if (c->left != (size_t)out->file_count * RESUME_FILE_SIZE)
        return ERR_SYNTAX;
    out->files = calloc(out->file_count ? out->file_count : 1, sizeof *out->files);
    if (!out->files)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < out->file_count; i++) {
        struct storage_file_record *f = &out->files[i];
        f->size = cursor_u64(c);
        f->mtime_ns = (int64_t)cursor_u64(c);
        f->inode = cursor_u64(c);
        f->ours = cursor_u8(c) != 0 || !knows_whose;
    }
    return 0;
}

static int read_record(struct cursor *c, const struct metainfo *m, struct resume *out)
{
    uint32_t magic = cursor_u32(c);
    out->live = cursor_u8(c) != 0;
    uint32_t pieces = cursor_u32(c);
    if (!cursor_ok(c) || (magic != RESUME_MAGIC && magic != RESUME_MAGIC_OLD))
        return ERR_SYNTAX;
    if (pieces != m->piece_count)
        return ERR_MISMATCH;
    struct bytes bits = cursor_take(c, bitfield_byte_count(pieces));
    out->file_count = cursor_u32(c);
    if (!cursor_ok(c))
        return ERR_SYNTAX;
    if (out->file_count != m->file_count)
        return ERR_MISMATCH;
    int err = bitfield_init(&out->have, pieces);
    if (!err)
        err = bitfield_load(&out->have, bits);
    return err ? err : read_files(c, magic == RESUME_MAGIC, out);
}

int resume_read(struct bytes record, const struct metainfo *m, struct resume *out)
{
    struct cursor c = cursor_of(record);
    *out = (struct resume){0};
    int err = read_record(&c, m, out);
    if (err)
        resume_free(out);
    return err;
}

/* ---- what it is worth ---------------------------------------------------------------------- */

void resume_verdict_free(struct resume_verdict *v)
{
    bitfield_free(&v->have);
    bitfield_free(&v->check);
}

enum trust {
    TRUST_ALL,    /* untouched: claims hold, and what is not claimed is not there */
    TRUST_CLAIMS, /* we were writing: claims hold, the rest must be hashed */
    TRUST_NOTHING /* somebody else touched it, or nothing is known: hash it */
};

static bool is_untouched(
    const struct storage_file_record *then, const struct storage_file_record *now)
{
    return then->size == now->size && then->mtime_ns == now->mtime_ns;
}

/* Could we have written to it after the record was saved? What is claimed is never written again.
 * (A power loss may bring back an older time: data is made durable, not the inode's times.) */
static bool was_being_written(const struct resume *r, const struct metainfo_file *f,
    const struct storage_file_record *then, const struct storage_file_record *now)
{
    bool whole = bitfield_next_clear(&r->have, f->first_piece) >= f->first_piece + f->piece_count;
    return r->live && now->size >= then->size && (!whole || now->mtime_ns < then->mtime_ns);
}

static enum trust trust_file(const struct resume *r, const struct metainfo *m, uint32_t file,
    const struct storage_file_record *now)
{
    if (!r)
        return TRUST_NOTHING;
    const struct storage_file_record *then = &r->files[file];
    if (then->mtime_ns == 0 || then->inode != now->inode)
        return TRUST_NOTHING;
    if (is_untouched(then, now))
        return TRUST_ALL;
    return was_being_written(r, &m->files[file], then, now) ? TRUST_CLAIMS : TRUST_NOTHING;
}

enum resume_whose resume_whose(const struct resume *r, const struct metainfo *m, uint32_t file,
    const struct storage_file_record *now)
{
    if (!r)
        return RESUME_OTHERS;
    const struct storage_file_record *then = &r->files[file];
    if (!then->ours)
        return RESUME_OTHERS;
    if (then->mtime_ns == 0) /* what appeared while we were writing */
        return r->live && then->size == 0 ? RESUME_OURS : RESUME_OTHERS;
    if (is_untouched(then, now))
        return RESUME_OURS;
    if (!was_being_written(r, &m->files[file], then, now))
        return RESUME_OTHERS;
    return then->inode == now->inode ? RESUME_OURS : RESUME_REPLACED;
}

void resume_distrust(struct resume *r, uint32_t file)
{
    storage_distrust(&r->files[file]);
}

/* A file that is not there takes its pieces with it, save those at its ends, which may be in the
 * sidecar of what was not wanted. */
static void apply_absence(struct resume_verdict *v, const struct metainfo_file *f, bool parts_exist,
    struct bitfield *maybe)
{
    for (uint32_t i = 0; i < f->piece_count; i++) {
        uint32_t piece = f->first_piece + i;
        bitfield_clear(&v->have, piece);
        if (parts_exist && (i == 0 || i + 1 == f->piece_count))
            bitfield_set(&v->check, piece);
        else
            bitfield_clear(maybe, piece);
    }
}

/* Takes from the verdict what one file forbids. */
static void apply_presence(
    struct resume_verdict *v, const struct metainfo_file *f, enum trust trust)
{
    for (uint32_t i = 0; i < f->piece_count; i++) {
        uint32_t piece = f->first_piece + i;
        if (trust == TRUST_NOTHING) {
            bitfield_clear(&v->have, piece);
            bitfield_set(&v->check, piece);
        } else if (trust == TRUST_CLAIMS) {
            bitfield_set(&v->check, piece);
        }
    }
}

static bool claims_something(const struct resume *r, const struct metainfo_file *f)
{
    uint32_t first = bitfield_next_set(&r->have, f->first_piece);
    return f->length > 0 && first < f->first_piece + f->piece_count;
}

static bool is_data(const struct metainfo_file *f)
{
    return !(f->flags & (METAINFO_PAD | METAINFO_SYMLINK)) && f->length > 0;
}

static void judge_files(const struct resume *r, const struct metainfo *m,
    const struct storage_opening *o, struct resume_verdict *v, struct bitfield *maybe)
{
    bool claimed = false, found = false;
    for (uint32_t i = 0; i < m->file_count; i++) {
        const struct metainfo_file *f = &m->files[i];
        if (!is_data(f))
            continue;
        bool there = o->states[i] != STORAGE_FILE_ABSENT && o->states[i] != STORAGE_FILE_NOT_A_FILE;
        if (r && r->files[i].mtime_ns != 0 && claims_something(r, f)) {
            claimed = true;
            found |= there;
        }
        if (there)
            apply_presence(v, f, trust_file(r, m, i, &o->now[i]));
        else
            apply_absence(v, f, o->parts_exist, maybe);
    }
    v->absent = claimed && !found;
}

int resume_judge(const struct resume *r, const struct metainfo *m, const struct storage_opening *o,
    struct resume_verdict *v)
{
    struct bitfield maybe;
    *v = (struct resume_verdict){0};
    int err = bitfield_init(&maybe, m->piece_count);
    if (!err)
        err = bitfield_init(&v->have, m->piece_count);
    if (!err)
        err = bitfield_init(&v->check, m->piece_count);
    if (!err && r)
        err = bitfield_load(&v->have, bitfield_wire(&r->have));
    if (!err) {
        bitfield_set_all(&maybe);
        judge_files(r, m, o, v, &maybe);
        for (uint32_t i = 0; i < m->piece_count; i++)
            if (bitfield_get(&v->have, i) || !bitfield_get(&maybe, i))
                bitfield_clear(&v->check, i);
    } else {
        resume_verdict_free(v);
    }
    bitfield_free(&maybe);
    return err;
}
