/* The leaves of v2's trees (BEP 52, base layer 0): answering those who ask for them, and asking for
 * them when a piece of several givers was bad, so that the block's giver is known at once
 * (swarm/pieces/blame.h).
 *
 * Nobody keeps leaves: a request costs reading and hashing a piece in a job, one at a time, of
 * pieces that we have, and what was hashed is remembered for a minute, because whoever met a bad
 * piece met more than one. libtorrent 2.0 never repeats such a request and mishandles its rejection
 * (hash_picker.cpp), so it gets an answer whenever there is one. */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"
#include "crypto/merkle.h"
#include <stdlib.h>

#define LEAVES_MAX 8192u    /* blocks behind one answer: pieces of 128 MiB; libtorrent's bound */
#define WAITING_MAX 32u     /* requests of all peers */
#define WAITING_PER_PEER 8u /* one that asks for more is told no */
#define CACHE_RUNS 4u
#define CACHE_LIFE SECONDS(60)
#define QUESTIONS_MAX 8u /* bad pieces whose leaves we ask for */
#define QUESTION_TRIES 4u

struct waiting {
    uint32_t peer;
    struct hash_request request;
};

/* Hashed pieces of one file. */
struct run {
    uint32_t first, pieces;
    struct sha256_digest *leaves; /* NULL: empty */
    struct sha256_digest *crown;  /* of a single piece's tree; NULL: it is low, or no memory */
    size_t count;
    usec made_at;
};

/* A bad piece of which we ask for leaves. */
struct question {
    struct hash_request request;
    uint32_t piece;
    uint32_t tried[QUESTION_TRIES]; /* peers; the last is the one that was asked */
    unsigned tries;                 /* 0: no question */
};

struct torrent_leaves {
    struct waiting waiting[WAITING_MAX];
    unsigned waiting_count;
    bool reading;
    struct run run; /* what is being read */
    struct run cache[CACHE_RUNS];
    unsigned next_run;
    struct question questions[QUESTIONS_MAX];
    unsigned next_question;
};

static void clear_run(struct run *r)
{
    free(r->leaves);
    free(r->crown);
    *r = (struct run){0};
}

static struct torrent_leaves *desk(struct torrent *t)
{
    if (!t->leaves)
        t->leaves = calloc(1, sizeof *t->leaves);
    return t->leaves;
}

void torrent_leaves_free(struct torrent *t)
{
    for (unsigned i = 0; t->leaves && i < CACHE_RUNS; i++)
        clear_run(&t->leaves->cache[i]);
    free(t->leaves);
    t->leaves = NULL;
}

/* ---- answering ----------------------------------------------------------------------------- */

/* The pieces whose leaves a request needs: those that it covers, or the one that it lies in, for
 * its uncles are there as well. False: not a request for leaves that we have. */
static bool pieces_of(
    const struct torrent *t, const struct hash_request *q, uint32_t *file, struct run *out)
{
    const struct metainfo *m = t->metainfo;
    if (!m || !m->has_v2 || q->base != 0 || q->length < 1 || q->length > LEAVES_MAX ||
        (q->length & (q->length - 1)) || q->index % q->length)
        return false;
    uint64_t per_piece = (uint64_t)1 << metainfo_piece_height(m);
    *file = metainfo_file_of_root(m, &q->root);
    if (*file >= m->file_count || per_piece < 2 || per_piece > LEAVES_MAX)
        return false;
    const struct metainfo_file *f = &m->files[*file];
    unsigned height = metainfo_file_height(f);
    uint64_t first = q->index / per_piece,
             pieces = q->length > per_piece ? q->length / per_piece : 1;
    bool proved = metainfo_needs_layer(m, *file) ? f->layer != NULL : true;
    if ((uint64_t)q->index + q->length > (uint64_t)1 << height || q->proof_layers > height ||
        first >= f->piece_count || !proved)
        return false;
    if (pieces > f->piece_count - first)
        pieces = f->piece_count - first;
    *out = (struct run){.first = f->first_piece + (uint32_t)first, .pieces = (uint32_t)pieces};
    for (uint32_t i = 0; i < out->pieces; i++)
        if (!bitfield_get(&t->have, out->first + i))
            return false;
    return true;
}

/* The tree of a file inside one piece, or of a whole file that is no longer than one. */
static struct merkle_tree tree_within(
    const struct metainfo *m, const struct metainfo_file *f, const struct run *run)
{
    unsigned height = metainfo_file_height(f), piece_height = metainfo_piece_height(m);
    return (struct merkle_tree){.layer = run->leaves,
        .count = run->count,
        .height = piece_height < height ? piece_height : height,
        .crown = run->crown};
}

/* Uncles from inside the piece come out of its leaves, those above out of the piece layer. */
static size_t prove(struct torrent *t, const struct hash_request *q, uint32_t file,
    const struct run *run, struct sha256_digest uncles[MERKLE_HEIGHT_MAX])
{
    const struct metainfo_file *f = &t->metainfo->files[file];
    unsigned low = merkle_height(q->length), piece_height = metainfo_piece_height(t->metainfo);
    struct merkle_tree tree = tree_within(t->metainfo, f, run);
    size_t wanted = hash_request_uncles(q), count = 0;
    uint32_t local = (q->index - (run->first - f->first_piece) * (1u << piece_height)) / q->length;
    if (low < tree.height)
        count = merkle_proof(&tree, low, local, uncles, wanted);
    if (metainfo_file_height(f) <= piece_height)
        return count;
    tree = torrent_tree(t, file);
    unsigned above = low > piece_height ? low - piece_height : 0;
    return count + merkle_proof(&tree, above, (run->first - f->first_piece) >> above,
                       uncles + count, wanted - count);
}

static void answer(struct torrent *t, struct peer *p, const struct hash_request *q, uint32_t file,
    const struct run *run)
{
    struct sha256_digest uncles[MERKLE_HEIGHT_MAX];
    size_t count = prove(t, q, file, run, uncles);
    uint64_t per_piece = (uint64_t)1 << metainfo_piece_height(t->metainfo);
    size_t skip = q->index % per_piece;
    size_t there = run->count > skip ? run->count - skip : 0;
    torrent_say_hashes(p, q, run->leaves + (there ? skip : 0), there, uncles, count);
}

static const struct run *find_run(const struct torrent *t, const struct run *wanted)
{
    for (unsigned i = 0; i < CACHE_RUNS; i++) {
        const struct run *r = &t->leaves->cache[i];
        if (r->leaves && r->first == wanted->first && r->pieces == wanted->pieces &&
            t->now - r->made_at < CACHE_LIFE)
            return r;
    }
    return NULL;
}

static void read_next(struct torrent *t);

/* Whoever waits for what is known now gets it; whoever waits for what we have lost is told. */
static void serve_waiting(struct torrent *t, const struct run *failed)
{
    struct torrent_leaves *l = t->leaves;
    unsigned kept = 0;
    for (unsigned i = 0; i < l->waiting_count; i++) {
        struct waiting w = l->waiting[i];
        struct peer *p = torrent_peer_by_id(t, w.peer);
        struct run wanted;
        uint32_t file;
        if (!p)
            continue;
        bool ours = pieces_of(t, &w.request, &file, &wanted);
        const struct run *run = ours ? find_run(t, &wanted) : NULL;
        if (run)
            answer(t, p, &w.request, file, run);
        else if (!ours || (failed && failed->first == wanted.first))
            torrent_reject_hashes(p, &w.request);
        else
            l->waiting[kept++] = w;
    }
    l->waiting_count = kept;
}

/* Whoever asked for one leaf may ask for the others, each with its proof. */
static void crown_run(const struct torrent *t, struct run *run)
{
    struct metainfo_piece piece;
    metainfo_piece(t->metainfo, run->first, &piece);
    struct merkle_tree tree = tree_within(t->metainfo, &t->metainfo->files[piece.v2_file], run);
    size_t size = merkle_crown_size(&tree);
    if (run->pieces == 1 && size > 0)
        run->crown = calloc(size, sizeof *run->crown);
    if (run->crown)
        merkle_crown(&tree, run->crown);
}

static void leaves_read(void *user, int err, struct sha256_digest *leaves, size_t count)
{
    struct torrent *t = user;
    struct torrent_leaves *l = t->leaves;
    t->jobs--;
    t->now = t->host.ops->now(t->host.user);
    struct run run = l->run;
    l->reading = false;
    if (!err) {
        run.leaves = leaves;
        run.count = count;
        run.made_at = t->now;
        crown_run(t, &run);
        clear_run(&l->cache[l->next_run]);
        l->cache[l->next_run] = run;
        l->next_run = (l->next_run + 1) % CACHE_RUNS;
    }
    serve_waiting(t, err ? &run : NULL);
    read_next(t);
    torrent_maybe_stopped(t);
}

static void read_next(struct torrent *t)
{
    struct torrent_leaves *l = t->leaves;
    uint32_t file;
    if (l->reading || l->waiting_count == 0 || !torrent_is_serving(t))
        return;
    if (!pieces_of(t, &l->waiting[0].request, &file, &l->run) ||
        storage_leaves(t->storage, l->run.first, l->run.pieces, leaves_read, t) != 0) {
        serve_waiting(t, &l->run);
        return;
    }
    l->reading = true;
    t->jobs++;
}

bool torrent_leaves_asked(struct torrent *t, struct peer *p, const struct hash_request *q)
{
    struct run wanted;
    uint32_t file;
    if (!torrent_is_serving(t) || !pieces_of(t, q, &file, &wanted) || !desk(t))
        return false;
    const struct run *run = find_run(t, &wanted);
    if (run) {
        answer(t, p, q, file, run);
        return true;
    }
    unsigned own = 0;
    for (unsigned i = 0; i < t->leaves->waiting_count; i++)
        own += t->leaves->waiting[i].peer == p->id;
    if (own >= WAITING_PER_PEER || t->leaves->waiting_count == WAITING_MAX)
        return false;
    t->leaves->waiting[t->leaves->waiting_count++] = (struct waiting){p->id, *q};
    read_next(t);
    return true;
}

/* ---- asking -------------------------------------------------------------------------------- */

static bool may_ask(const struct question *q, const struct peer *p)
{
    if (p->gone || !p->v2 || !p->have.bits || !bitfield_get(&p->have, q->piece))
        return false;
    for (unsigned i = 0; i < q->tries; i++)
        if (q->tried[i] == p->id)
            return false;
    return true;
}

/* Somebody who gave nothing of the piece first: the liar may keep quiet. */
static struct peer *whom(struct torrent *t, const struct question *q, const struct piece_buffer *pb)
{
    struct peer *giver = NULL;
    for (uint32_t i = 0; i < t->peer_count; i++) {
        struct peer *p = t->peers[i];
        bool gave = false;
        if (!may_ask(q, p))
            continue;
        for (uint32_t b = 0; pb && b < pb->block_count; b++)
            gave |= pb->givers[b] == p->id;
        if (!gave)
            return p;
        giver = p;
    }
    return giver;
}

static void ask(struct torrent *t, struct question *q, const struct piece_buffer *pb)
{
    struct peer *p = q->tries < QUESTION_TRIES ? whom(t, q, pb) : NULL;
    if (!p) {
        q->tries = 0; /* it is known when the piece has come right */
        return;
    }
    q->tried[q->tries++] = p->id;
    torrent_ask_hashes(p, &q->request);
}

void torrent_leaves_want(struct torrent *t, const struct piece_buffer *pb)
{
    struct metainfo_piece info;
    metainfo_piece(t->metainfo, pb->piece, &info);
    if (!info.has_v2 || !info.v2_known || info.v2_height == 0 ||
        1u << info.v2_height > LEAVES_MAX || !desk(t))
        return;
    const struct metainfo_file *f = &t->metainfo->files[info.v2_file];
    struct question *q = &t->leaves->questions[t->leaves->next_question];
    t->leaves->next_question = (t->leaves->next_question + 1) % QUESTIONS_MAX;
    *q = (struct question){.piece = pb->piece,
        .request = {.root = f->root,
            .index = (pb->piece - f->first_piece) << metainfo_piece_height(t->metainfo),
            .length = 1u << info.v2_height,
            /* Up to the piece's own hash, which is known: no uncle need be sent. */
            .proof_layers = info.v2_height - 1}};
    ask(t, q, pb);
}

static struct question *asked_of(
    struct torrent *t, const struct peer *p, const struct hash_request *r)
{
    for (unsigned i = 0; t->leaves && i < QUESTIONS_MAX; i++) {
        struct question *q = &t->leaves->questions[i];
        if (q->tries > 0 && q->tried[q->tries - 1] == p->id && r->base == 0 &&
            r->index == q->request.index && sha256_equal(&r->root, &q->request.root))
            return q;
    }
    return NULL;
}

int torrent_leaves_came(
    struct torrent *t, struct peer *p, const struct hash_request *r, struct bytes hashes)
{
    struct question *q = asked_of(t, p, r);
    struct metainfo_piece info;
    if (!q)
        return 0; /* late */
    metainfo_piece(t->metainfo, q->piece, &info);
    if (r->length != q->request.length || hashes.size != r->length * sizeof info.v2_root)
        return ERR_PROTOCOL;
    struct sha256_digest *leaves = malloc(hashes.size); /* aligned */
    if (!leaves)
        return ERR_NOMEM;
    memcpy(leaves, hashes.data, hashes.size);
    struct sha256_digest root = merkle_root(leaves, r->length, 0, info.v2_height);
    bool right = sha256_equal(&root, &info.v2_root);
    uint32_t piece = q->piece;
    q->tries = 0;
    if (right)
        torrent_blame_leaves(t, piece, leaves, info.v2_block_count);
    else
        peer_list_ban(t->candidates, &p->address);
    free(leaves);
    return right ? 0 : ERR_PROTOCOL;
}

void torrent_leaves_refused(struct torrent *t, struct peer *p, const struct hash_request *r)
{
    struct question *q = asked_of(t, p, r);
    if (q)
        ask(t, q, NULL);
}

void torrent_leaves_peer_left(struct torrent *t, struct peer *p)
{
    for (unsigned i = 0; t->leaves && i < QUESTIONS_MAX; i++) {
        struct question *q = &t->leaves->questions[i];
        if (q->tries > 0 && q->tried[q->tries - 1] == p->id && !t->stopping)
            ask(t, q, NULL);
    }
}
