/* See torrent_bench.h. */
#include "torrent_bench.h"

#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "format/metainfo_write.h"
#include <stdlib.h>

/* ---- the host ------------------------------------------------------------------------------ */

static int host_connect(void *user, struct torrent *t, const struct endpoint *to)
{
    struct bench *b = user;
    (void)t;
    b->tried_count++;
    if (b->connect_error && (b->connect_error != ERR_NETWORK || to->port == BENCH_PORT_NO_WAY))
        return b->connect_error;
    assert_true(b->connect_count < BENCH_CONNECTS_MAX);
    b->connects[b->connect_count++] = *to;
    return 0;
}

static int host_punch(void *user, struct torrent *t, const struct endpoint *to)
{
    struct bench *b = user;
    (void)t;
    assert_true(b->punch_count < BENCH_CONNECTS_MAX);
    b->punches[b->punch_count++] = *to;
    return 0;
}

static void host_seen_at(void *user, const struct endpoint *voter, const struct endpoint *ours)
{
    struct bench *b = user;
    (void)voter;
    b->seen_at = *ours;
}

static void host_pump(void *user, struct peer *p, void *link)
{
    struct bench *b = user;
    struct bench_peer *of = link;
    (void)p;
    if (!of->pumped)
        b->pumps[b->pump_count++] = of;
    of->pumped = true;
}

static void host_hang_up(void *user, struct peer *p, void *link)
{
    struct bench_peer *of = link;
    (void)user;
    (void)p;
    of->peer = NULL;
}

static void host_reschedule(void *user, struct torrent *t)
{
    (void)user;
    (void)t;
}

static void host_event(void *user, struct torrent *t, enum torrent_event event, struct peer *p)
{
    struct bench *b = user;
    (void)t;
    (void)p;
    b->events[event]++;
}

static usec host_now(void *user)
{
    return env_now(((struct bench *)user)->env);
}

static void host_random(void *user, void *out, size_t size)
{
    env_random(((struct bench *)user)->env, out, size);
}

static const struct swarm_host_ops host_ops = {.connect = host_connect,
    .pump = host_pump,
    .hang_up = host_hang_up,
    .reschedule = host_reschedule,
    .event = host_event,
    .now = host_now,
    .random = host_random,
    .punch = host_punch,
    .seen_at = host_seen_at};

/* ---- the torrent --------------------------------------------------------------------------- */

static void fill_content(struct bench *b, size_t size)
{
    b->content = builder_heap(size + 1);
    for (size_t i = 0; i < size; i++)
        builder_u8(&b->content, (uint8_t)(i * 7 + (i >> 9) + (i >> 17)));
}

static struct metainfo *make_metainfo(struct bench *b, const struct bench_config *c)
{
    struct sha1_digest *v1 = calloc(c->pieces, sizeof *v1);
    struct sha256_digest *layer = calloc(c->pieces, sizeof *layer);
    size_t blocks = (b->content.size + MERKLE_BLOCK_SIZE - 1) / MERKLE_BLOCK_SIZE;
    struct sha256_digest *leaves = calloc(blocks, sizeof *leaves);
    for (size_t i = 0; i < c->pieces; i++) {
        size_t at = i * c->piece_length, left = b->content.size - at;
        v1[i] = sha1(b->content.data + at, left < c->piece_length ? left : c->piece_length);
    }
    for (size_t i = 0; i < blocks; i++) {
        size_t at = i * MERKLE_BLOCK_SIZE, left = b->content.size - at;
        leaves[i] =
            sha256(b->content.data + at, left < MERKLE_BLOCK_SIZE ? left : MERKLE_BLOCK_SIZE);
    }
    merkle_layer_up(leaves, blocks, 0, merkle_height(c->piece_length / MERKLE_BLOCK_SIZE), layer);
    struct torrent_draft_file file = {.path = "f",
        .length = b->content.size,
        .root = merkle_root(leaves, blocks, 0, merkle_height(blocks)),
        .layer = c->pieces > 1 ? layer : NULL};
    struct torrent_draft draft = {.name = "f",
        .single_file = true,
        .v1 = c->v1,
        .v2 = c->v2,
        .piece_length = c->piece_length,
        .files = &file,
        .file_count = 1,
        .v1_pieces = v1};
    struct builder out = builder_heap(1 << 20);
    struct metainfo *m;
    struct format_error error;
    assert_int_equal(torrent_write(&draft, &out, &error), 0);
    assert_int_equal(metainfo_parse_torrent(builder_bytes(&out), &m, &error), 0);
    builder_free(&out);
    free(v1);
    free(layer);
    free(leaves);
    return m;
}

static void opened(void *user, int err, const struct storage_opening *opening)
{
    (void)opening;
    assert_int_equal(err, 0);
    ((struct bench *)user)->opened = true;
}

static void prepared(void *user, int err)
{
    assert_int_equal(err, 0);
    ((struct bench *)user)->prepared = true;
}

void bench_pass(struct bench *b, usec time)
{
    while (time > 0) {
        usec step = time < MSECS(100) ? time : MSECS(100);
        sim_world_run_until(b->world, sim_world_now(b->world) + step, NULL, NULL);
        if (b->torrent && torrent_deadline(b->torrent) <= env_now(b->env))
            torrent_tick(b->torrent, env_now(b->env));
        time -= step;
    }
}

static void start(struct bench *b, const struct bench_config *c)
{
    struct bitfield have;
    size_t there = (size_t)c->have * c->piece_length;
    sim_disk_put(b->host, "/d/f",
        bytes_of(b->content.data, there < b->content.size ? there : b->content.size));
    b->storage = storage_new(&(struct storage_config){.env = b->env,
        .metainfo = b->metainfo,
        .pool = b->pool,
        .files = b->files,
        .folder = "/d"});
    assert_int_equal(storage_open(b->storage, opened, b), 0);
    bench_pass(b, SECONDS(1));
    assert_true(b->opened);
    assert_int_equal(storage_prepare(b->storage, prepared, b), 0);
    bench_pass(b, SECONDS(1));
    assert_true(b->prepared);
    bitfield_init(&have, c->pieces);
    for (uint32_t i = 0; i < c->have; i++)
        bitfield_set(&have, i);
    assert_int_equal(torrent_start(b->torrent, b->storage, &have), 0);
    bitfield_free(&have);
}

void bench_new(struct bench *b, const struct bench_config *c)
{
    struct sim_config calm = sim_config_calm(1);
    memset(b, 0, sizeof *b);
    b->world = sim_world_new(&calm);
    b->host = sim_host_new(b->world, &(struct sim_host_config){.name = "h"});
    b->env = sim_host_env(b->host);
    b->pool = chunk_pool_new(c->memory ? c->memory : 4 << 20);
    b->files = file_cache_new();
    fill_content(b, (size_t)c->pieces * c->piece_length - c->cut);
    b->metainfo = make_metainfo(b, c);
    struct torrent_config config = {.host = {&host_ops, b, NULL},
        .peer_id = {"-KH0000-mmmmmmmmmmmm"},
        .listen_port = 6881,
        .peers_max = c->peers_max,
        .seed = 1,
        .punches = true};
    if (c->metadata_missing) {
        config.has_v1 = b->metainfo->has_v1;
        config.has_v2 = b->metainfo->has_v2;
        config.v1 = b->metainfo->v1;
        config.v2 = b->metainfo->v2;
    } else {
        config.metainfo = metainfo_ref(b->metainfo);
    }
    b->torrent = torrent_new(&config);
    assert_non_null(b->torrent);
    if (c->metadata_missing)
        torrent_start_metadata(b->torrent);
    else
        start(b, c);
}

void bench_free(struct bench *b)
{
    torrent_stop(b->torrent);
    for (int i = 0; i < 100 && !b->events[TORRENT_STOPPED]; i++)
        bench_pass(b, MSECS(100));
    assert_true(b->events[TORRENT_STOPPED]);
    for (unsigned i = 0; i < b->peer_count; i++)
        builder_free(&b->peers[i].sent);
    torrent_free(b->torrent);
    storage_free(b->storage);
    metainfo_unref(b->metainfo);
    builder_free(&b->content);
    file_cache_free(b->files);
    chunk_pool_free(b->pool);
    sim_world_free(b->world);
}

/* ---- peers --------------------------------------------------------------------------------- */

struct peer_intro bench_intro(struct bench *b, char id)
{
    struct peer_intro intro = {.address = endpoint_v4(0x0a000001 + b->peer_count, 6881),
        .incoming = true,
        .extensions = true,
        .fast = true,
        .v2 = b->metainfo->has_v2,
        .id = {"-XX0000-abcdefghijkl"},
        .source = ADDR_FROM_STRANGER,
        .scratch = &b->scratch};
    intro.id.b[0] = (uint8_t)id;
    return intro;
}

struct bench_peer *bench_join_as(struct bench *b, const struct peer_intro *intro)
{
    assert_true(b->peer_count < BENCH_PEERS_MAX);
    struct bench_peer *p = &b->peers[b->peer_count++];
    p->bench = b;
    p->sent = builder_heap(64 << 20);
    p->peer = torrent_adopt(b->torrent, intro, p);
    return p;
}

struct bench_peer *bench_join(struct bench *b, char id)
{
    struct peer_intro intro = bench_intro(b, id);
    struct bench_peer *p = bench_join_as(b, &intro);
    assert_non_null(p->peer);
    return p;
}

/* As a socket gives it: into the vectors that the peer lays out, as far as they reach. */
static void deliver(struct bench_peer *p, const uint8_t *data, size_t size)
{
    struct bench *b = p->bench;
    while (p->peer && size > 0) {
        struct iovec iov[RECEIVER_IOV_MAX];
        int count = peer_receive_layout(p->peer, iov, env_now(b->env));
        size_t n = 0;
        if (count == 0) { /* no memory just now */
            bench_pass(b, MSECS(50));
            continue;
        }
        for (int i = 0; i < count && n < size; i++) {
            size_t part = iov[i].iov_len < size - n ? iov[i].iov_len : size - n;
            memcpy(iov[i].iov_base, data + n, part);
            n += part;
        }
        peer_received(p->peer, iov, count, n, env_now(b->env));
        data += n;
        size -= n;
    }
}

void bench_say_bytes(struct bench_peer *p, uint8_t id, struct bytes payload)
{
    struct builder b = builder_heap(payload.size + 16);
    builder_u32(&b, (uint32_t)payload.size + 1);
    builder_u8(&b, id);
    builder_span(&b, payload);
    deliver(p, b.data, b.size);
    builder_free(&b);
}

void bench_say(struct bench_peer *p, uint8_t id, unsigned count, ...)
{
    uint8_t payload[64];
    struct builder b = builder_fixed(payload, sizeof payload);
    va_list values;
    va_start(values, count);
    for (unsigned i = 0; i < count; i++)
        builder_u32(&b, va_arg(values, uint32_t));
    va_end(values);
    bench_say_bytes(p, id, builder_bytes(&b));
}

void bench_say_block(struct bench_peer *p, uint32_t piece, uint32_t begin, bool truly)
{
    const struct metainfo *m = p->bench->metainfo;
    uint32_t left = metainfo_piece_size(m, piece) - begin;
    uint32_t length = left < METAINFO_BLOCK_SIZE ? left : METAINFO_BLOCK_SIZE;
    struct builder b = builder_heap(length + 16);
    builder_u32(&b, piece);
    builder_u32(&b, begin);
    builder_bytes_put(&b, p->bench->content.data + (size_t)piece * m->piece_length + begin, length);
    if (!truly)
        b.data[8] ^= 1;
    bench_say_bytes(p, WIRE_PIECE, builder_bytes(&b));
    builder_free(&b);
}

static void take_sent(struct bench_peer *p)
{
    struct iovec chunks[64];
    int count;
    while (p->peer && (count = peer_send_chunks(p->peer, chunks, 64, env_now(p->bench->env))) > 0) {
        size_t total = 0;
        for (int i = 0; i < count; i++) {
            builder_bytes_put(&p->sent, chunks[i].iov_base, chunks[i].iov_len);
            total += chunks[i].iov_len;
        }
        peer_sent(p->peer, total, env_now(p->bench->env));
    }
    assert_true(builder_ok(&p->sent));
}

void bench_pump(struct bench *b)
{
    for (unsigned i = 0; i < b->pump_count; i++) { /* whoever asks meanwhile is last */
        b->pumps[i]->pumped = false;
        take_sent(b->pumps[i]);
    }
    b->pump_count = 0;
}

/* What was read of the last call is dropped with the next. */
bool bench_heard(struct bench_peer *p, uint8_t id, struct bytes *payload)
{
    take_sent(p);
    size_t at = 0;
    while (p->sent.size - at >= 4) {
        uint32_t length = load_u32(p->sent.data + at);
        if (p->sent.size - at < 4 + (size_t)length)
            break; /* the rest of it comes later */
        const uint8_t *message = p->sent.data + at + 4;
        at += 4 + length;
        if (length == 0 || message[0] != id)
            continue;
        /* A copy behind everything: the front is cut off. */
        static uint8_t held[1 << 20];
        assert_true(length <= sizeof held);
        memcpy(held, message + 1, length - 1);
        *payload = bytes_of(held, length - 1);
        memmove(p->sent.data, p->sent.data + at, p->sent.size - at);
        p->sent.size -= at;
        return true;
    }
    memmove(p->sent.data, p->sent.data + at, p->sent.size - at);
    p->sent.size -= at;
    return false;
}

unsigned bench_serve(struct bench_peer *p, uint32_t lie_at)
{
    struct bytes r;
    unsigned count = 0;
    while (bench_heard(p, WIRE_REQUEST, &r)) {
        struct cursor c = cursor_of(r);
        uint32_t piece = cursor_u32(&c), begin = cursor_u32(&c);
        bench_say_block(p, piece, begin, piece != lie_at);
        count++;
    }
    return count;
}
