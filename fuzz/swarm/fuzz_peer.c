/* A whole peer connection: a torrent with half of its pieces, whose data lies on a simulated disk,
 * and a peer that says whatever the input says, in reads of any size, while time passes.
 *
 * Properties: nothing crashes; a piece is vouched for only if it is right; what we send is
 * well-formed messages; buffers, requests and queues stay within their bounds. */
#include "base/err.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "env/sim/sim.h"
#include "format/metainfo_write.h"
#include "proto/peer_wire.h"
#include "swarm/torrent/torrent_internal.h"
#include <stdlib.h>

#define PIECES 12u
#define PIECE_LENGTH 32768u
#define SENT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

struct bench {
    struct sim_world *world;
    struct sim_host *host;
    struct env *env;
    struct chunk_pool *pool;
    struct file_cache *files;
    struct storage *storage;
    struct torrent *torrent;
    struct peer *peer; /* NULL: it was hung up */
    struct receiver_scratch scratch;
    bool stopped;
    uint8_t sent[SENT_MAX];
    size_t sent_size;
};

static uint8_t content[PIECES * PIECE_LENGTH];

/* ---- the host ------------------------------------------------------------------------------ */

static int host_connect(void *user, struct torrent *t, const struct endpoint *to)
{
    (void)user;
    (void)t;
    (void)to;
    return ERR_LIMIT;
}

static void host_pump(void *user, struct peer *p, void *link)
{
    (void)user;
    (void)p;
    (void)link;
}

static void host_hang_up(void *user, struct peer *p, void *link)
{
    struct bench *b = user;
    (void)p;
    (void)link;
    b->peer = NULL;
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
    b->stopped |= event == TORRENT_STOPPED;
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
    .random = host_random};

/* ---- setting up ---------------------------------------------------------------------------- */

static struct metainfo *make_metainfo(bool v2)
{
    struct sha1_digest pieces[PIECES];
    struct sha256_digest layer[PIECES], leaves[sizeof content / MERKLE_BLOCK_SIZE];
    struct torrent_draft_file file = {.path = "f", .length = sizeof content, .layer = layer};
    struct torrent_draft draft = {.name = "f",
        .single_file = true,
        .v1 = true,
        .v2 = v2,
        .piece_length = PIECE_LENGTH,
        .files = &file,
        .file_count = 1,
        .v1_pieces = pieces};
    struct builder b = builder_heap(65536);
    struct metainfo *m;
    struct format_error error;
    for (uint32_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 7 + (i >> 9));
    for (uint32_t i = 0; i < PIECES; i++)
        pieces[i] = sha1(content + i * PIECE_LENGTH, PIECE_LENGTH);
    for (uint32_t i = 0; i < sizeof content / MERKLE_BLOCK_SIZE; i++)
        leaves[i] = sha256(content + i * MERKLE_BLOCK_SIZE, MERKLE_BLOCK_SIZE);
    merkle_layer_up(leaves, sizeof content / MERKLE_BLOCK_SIZE, 0, 1, layer);
    file.root = merkle_root(layer, PIECES, 1, merkle_height(PIECES));
    check(torrent_write(&draft, &b, &error) == 0);
    check(metainfo_parse_torrent(builder_bytes(&b), &m, &error) == 0);
    builder_free(&b);
    return m;
}

static void opened(void *user, int err, const struct storage_opening *opening)
{
    (void)user;
    (void)opening;
    check(err == 0);
}

static void prepared(void *user, int err)
{
    struct bench *b = user;
    check(err == 0);
    b->stopped = true;
}

static void pass(struct bench *b, usec time)
{
    sim_world_run_until(b->world, sim_world_now(b->world) + time, NULL, NULL);
    if (b->torrent)
        torrent_tick(b->torrent, env_now(b->env));
}

static void begin(struct bench *b, uint8_t flags)
{
    struct sim_config config = sim_config_calm(1);
    struct bitfield have;
    b->world = sim_world_new(&config);
    b->host = sim_host_new(b->world, &(struct sim_host_config){.name = "h"});
    b->env = sim_host_env(b->host);
    b->pool = chunk_pool_new(1 << 20);
    b->files = file_cache_new();
    struct metainfo *m = make_metainfo(flags & 4);
    sim_disk_put(b->host, "/d/f", bytes_of(content, sizeof content / 2));
    b->storage = storage_new(&(struct storage_config){
        .env = b->env, .metainfo = m, .pool = b->pool, .files = b->files, .folder = "/d"});
    check(storage_open(b->storage, opened, b) == 0);
    sim_world_run_until(b->world, sim_world_now(b->world) + SECONDS(1), NULL, NULL);
    check(storage_prepare(b->storage, prepared, b) == 0);
    pass(b, SECONDS(1));
    check(b->stopped);
    b->stopped = false;
    b->torrent = torrent_new(&(struct torrent_config){
        .host = {&host_ops, b, NULL}, .metainfo = m, .seed = 1, .sequential = flags & 16});
    bitfield_init(&have, PIECES);
    for (uint32_t i = 0; i < PIECES / 2; i++)
        bitfield_set(&have, i);
    check(torrent_start(b->torrent, b->storage, &have) == 0);
    bitfield_free(&have);
    struct peer_intro intro = {.address = endpoint_v4(0x01020304, 6881),
        .incoming = true,
        .extensions = flags & 1,
        .fast = flags & 2,
        .v2 = flags & 4,
        .id = {"-XX0000-abcdefghijkl"},
        .scratch = &b->scratch};
    b->peer = torrent_adopt(b->torrent, &intro, b);
}

static void end(struct bench *b)
{
    torrent_stop(b->torrent);
    for (int i = 0; i < 100 && !b->stopped; i++)
        pass(b, MSECS(100));
    check(b->stopped);
    torrent_free(b->torrent);
    storage_free(b->storage);
    file_cache_free(b->files);
    chunk_pool_free(b->pool);
    sim_world_free(b->world);
}

/* ---- what must hold ------------------------------------------------------------------------ */

static void check_bounds(const struct bench *b)
{
    const struct torrent *t = b->torrent;
    check(t->buffer_count <= TORRENT_BUFFERS_MAX);
    check(t->peer_count <= 1);
    if (!b->peer)
        return;
    check(b->peer->requests.count <= REQUEST_RING_MAX);
    check(b->peer->uploads.count <= PEER_REQUESTS_IN_MAX);
    check(b->peer->out.bytes_end - b->peer->out.bytes_start <= SEND_MESSAGES_BYTES_MAX);
}

static void check_claims(struct bench *b)
{
    struct builder disk = builder_heap(sizeof content * 2);
    check(sim_disk_get(b->host, "/d/f", &disk) == 0);
    for (uint32_t i = 0; i < PIECES; i++)
        if (bitfield_get(&b->torrent->have, i))
            check(disk.size >= (i + 1) * PIECE_LENGTH &&
                  memcmp(disk.data + i * PIECE_LENGTH, content + i * PIECE_LENGTH, PIECE_LENGTH) ==
                      0);
    builder_free(&disk);
}

/* Takes whole messages off the front of what was sent. */
static void check_sent(struct bench *b)
{
    size_t at = 0;
    while (b->sent_size - at >= 4) {
        uint32_t length = load_u32(b->sent + at);
        check(length <= WIRE_HASHES_MAX);
        if (b->sent_size - at < 4 + (size_t)length)
            break;
        if (length > 0)
            check(b->sent[at + 4] <= WIRE_HASH_REJECT);
        at += 4 + length;
    }
    memmove(b->sent, b->sent + at, b->sent_size - at);
    b->sent_size -= at;
}

static void send_all(struct bench *b)
{
    struct iovec chunks[64];
    int count;
    while (b->peer && (count = peer_send_chunks(b->peer, chunks, 64, env_now(b->env))) > 0) {
        size_t total = 0;
        for (int i = 0; i < count; i++) {
            check(chunks[i].iov_base != NULL && b->sent_size + chunks[i].iov_len <= SENT_MAX);
            memcpy(b->sent + b->sent_size, chunks[i].iov_base, chunks[i].iov_len);
            b->sent_size += chunks[i].iov_len;
            total += chunks[i].iov_len;
        }
        peer_sent(b->peer, total, env_now(b->env));
        check_sent(b);
    }
}

/* ---- the peer's side ----------------------------------------------------------------------- */

/* As a socket gives it: into the vectors that the peer lays out, as far as they reach. */
static void deliver(struct bench *b, const uint8_t *data, size_t size)
{
    while (b->peer && size > 0) {
        struct iovec iov[RECEIVER_IOV_MAX];
        int count = peer_receive_layout(b->peer, iov, env_now(b->env));
        size_t n = 0;
        if (count == 0) { /* no memory just now */
            pass(b, MSECS(50));
            return;
        }
        for (int i = 0; i < count && n < size; i++) {
            size_t part = iov[i].iov_len < size - n ? iov[i].iov_len : size - n;
            memcpy(iov[i].iov_base, data + n, part);
            n += part;
        }
        if (peer_received(b->peer, iov, count, n, env_now(b->env)) != 0)
            check(b->peer == NULL);
        data += n;
        size -= n;
    }
}

/* A block that was asked for, true or false. */
static void answer(struct bench *b, uint8_t which, bool truly)
{
    uint8_t message[13 + 16384];
    struct request *r = b->peer ? request_ring_at(&b->peer->requests, which) : NULL;
    if (!r || r->state == REQUEST_GAP || r->length > 16384)
        return;
    store_u32(message, 9 + r->length);
    message[4] = WIRE_PIECE;
    store_u32(message + 5, r->piece);
    store_u32(message + 9, r->begin);
    memcpy(message + 13, content + (size_t)r->piece * PIECE_LENGTH + r->begin, r->length);
    message[13] ^= !truly;
    deliver(b, message, 13 + r->length);
}

/* A question about a hash of the tree, with what the input says of it. */
static void ask_hashes(struct bench *b, uint8_t id, uint8_t where, uint8_t size)
{
    uint8_t message[4 + 1 + HASH_REQUEST_SIZE + 8 * 32] = {0};
    struct builder out = builder_fixed(message, sizeof message);
    struct hash_request q = {.root = b->torrent->metainfo->files[0].root,
        .base = size >> 7,
        .index = where,
        .length = 1u << (size & 3),
        .proof_layers = size >> 2 & 7};
    size_t hashes = id == WIRE_HASHES ? q.length : 0;
    hash_message_put(&out, id, &q, hashes);
    deliver(b, message, out.size + hashes * 32);
}

/* One step of the input: raw bytes, a framed message, a block, or time. */
static size_t step(struct bench *b, const uint8_t *data, size_t size)
{
    uint8_t message[300];
    size_t n = data[1] < size - 2 ? data[1] : size - 2;
    if (data[0] & 128) {
        ask_hashes(b, WIRE_HASH_REQUEST + data[0] % 3, data[0] >> 3 & 15, data[1]);
        return 2;
    }
    switch (data[0] & 7) {
    case 0:
        deliver(b, data + 2, n);
        return 2 + n;
    case 1:
    case 2:
        store_u32(message, (uint32_t)n);
        memcpy(message + 4, data + 2, n);
        deliver(b, message, 4 + n);
        return 2 + n;
    case 3:
    case 4:
        answer(b, data[1], (data[0] & 8) == 0);
        return 2;
    case 5:
        deliver(b, (const uint8_t[]){0, 0, 0, 1, WIRE_UNCHOKE}, 5);
        return 1;
    case 6:
        deliver(b, (const uint8_t[]){0, 0, 0, 3, WIRE_BITFIELD, 0xff, 0xf0}, 7);
        return 1;
    default:
        pass(b, MSECS(10) << (data[1] & 15));
        return 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bench b;
    if (size < 2)
        return 0;
    memset(&b, 0, sizeof b);
    begin(&b, data[0]);
    data++;
    size--;
    for (unsigned steps = 0; size >= 2 && b.peer && steps < 400; steps++) {
        size_t n = step(&b, data, size);
        data += n;
        size -= n;
        send_all(&b);
        check_bounds(&b);
    }
    pass(&b, SECONDS(1));
    check_claims(&b);
    end(&b);
    return 0;
}
