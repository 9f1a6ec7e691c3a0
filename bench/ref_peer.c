/* A plain BEP 3 peer at the least possible cost, so that every engine is measured against the same
 * other end. It verifies nothing: run.py compares what the engine under test has written.
 *   ref_peer seed TORRENT IMAGE listen|connect PORT   IMAGE: the torrent's bytes end to end
 *   ref_peer leech TORRENT PORT                       connects; throws away what it gets
 *   ref_peer hold TORRENT COUNT PORT                  COUNT connections that are interested and ask
 *                                                     for nothing, until a signal comes */
#include "format/metainfo.h"
#include "proto/handshake.h"
#include "proto/peer_wire.h"
#include "wire.h"
#include <fcntl.h>
#include <sys/stat.h>

#define DEPTH 256u /* requests in flight */
#define REQUEST_SIZE 17u

static struct metainfo *read_torrent(const char *path)
{
    struct metainfo *m;
    struct format_error error;
    struct stat st;
    int file = open(path, O_RDONLY);
    check(file >= 0 && fstat(file, &st) == 0, path);
    uint8_t *data = malloc((size_t)st.st_size);
    check(read_all(file, data, (size_t)st.st_size), path);
    check(metainfo_parse_torrent(bytes_of(data, (size_t)st.st_size), &m, &error) == 0, path);
    free(data);
    close(file);
    return m;
}

static void greet(int s, const struct metainfo *m, unsigned number)
{
    uint8_t out[HANDSHAKE_SIZE];
    struct handshake h = {0};
    memcpy(h.info_hash.b, m->v1.b, sizeof h.info_hash.b);
    snprintf((char *)h.peer_id.b, sizeof h.peer_id.b, "-RP0001-%011u", number);
    handshake_encode(&h, out);
    send_all(s, out, sizeof out, 0);
    check(read_all(s, out, sizeof out), "handshake");
}

/* The next message's id, or -1 for a keep-alive; its payload in `out`. False: the end. */
static bool next_message(int s, int *id, uint8_t *out, size_t room, uint32_t *size)
{
    uint8_t head[5];
    *id = -1;
    *size = 0;
    if (!read_all(s, head, 4))
        return false;
    uint32_t length = load_u32(head);
    if (length == 0)
        return true;
    if (length - 1 > room || !read_all(s, head + 4, 1))
        return false;
    *id = head[4];
    *size = length - 1;
    return read_all(s, out, *size);
}

static void say(int s, uint8_t id)
{
    uint8_t message[5] = {0, 0, 0, 1, id};
    send_all(s, message, sizeof message, 0);
}

static void say_have_everything(int s, const struct metainfo *m)
{
    uint32_t size = (m->piece_count + 7) / 8;
    uint8_t *message = calloc(1, 5 + size);
    check(message != NULL, "memory");
    store_u32(message, 1 + size);
    message[4] = WIRE_BITFIELD;
    for (uint32_t i = 0; i < m->piece_count; i++)
        message[5 + i / 8] |= (uint8_t)(128 >> i % 8);
    send_all(s, message, 5 + size, 0);
    free(message);
}

static void seed(const struct metainfo *m, const char *image, bool listens, uint16_t port)
{
    static uint8_t payload[WIRE_EXTENDED_MAX];
    int file = open(image, O_RDONLY), s = socket_for(listens, port), id;
    check(file >= 0, image);
    greet(s, m, 1);
    say_have_everything(s, m);
    say(s, WIRE_UNCHOKE);
    for (uint32_t size; next_message(s, &id, payload, sizeof payload, &size);) {
        if (id != WIRE_REQUEST)
            continue;
        uint32_t piece = load_u32(payload), begin = load_u32(payload + 4);
        uint32_t length = load_u32(payload + 8);
        uint8_t head[HEAD];
        store_u32(head, 9 + length);
        head[4] = WIRE_PIECE;
        memcpy(head + 5, payload, 8);
        send_block(s, head, file, (off_t)piece * m->piece_length + begin, length);
    }
}

struct asking {
    const struct metainfo *m;
    int s;
    uint32_t piece, begin;
    uint64_t left; /* bytes not yet here */
};

static void ask(struct asking *a, uint32_t count)
{
    uint8_t out[DEPTH * REQUEST_SIZE];
    size_t size = 0;
    for (; count > 0 && a->piece < a->m->piece_count; count--) {
        uint32_t piece_size = metainfo_piece_size(a->m, a->piece);
        uint32_t length = piece_size - a->begin < BLOCK ? piece_size - a->begin : BLOCK;
        store_u32(out + size, 13);
        out[size + 4] = WIRE_REQUEST;
        store_u32(out + size + 5, a->piece);
        store_u32(out + size + 9, a->begin);
        store_u32(out + size + 13, length);
        size += REQUEST_SIZE;
        a->begin += length;
        if (a->begin == piece_size) {
            a->begin = 0;
            a->piece++;
        }
    }
    send_all(a->s, out, size, 0);
}

/* Whole messages out of the buffer; returns the bytes that are left over. */
static size_t take(struct asking *a, uint8_t *buffer, size_t size)
{
    size_t at = 0;
    uint32_t blocks = 0;
    while (size - at >= 5) {
        uint32_t length = load_u32(buffer + at);
        if (size - at - 4 < length)
            break;
        if (length > 9 && buffer[at + 4] == WIRE_PIECE) {
            a->left -= length - 9;
            blocks++;
        } else if (length == 1 && buffer[at + 4] == WIRE_UNCHOKE) {
            blocks += a->piece == 0 && a->begin == 0 ? DEPTH : 0;
        }
        at += 4 + length;
    }
    while (blocks > 0) {
        uint32_t n = blocks < DEPTH ? blocks : DEPTH;
        ask(a, n);
        blocks -= n;
    }
    memmove(buffer, buffer + at, size - at);
    return size - at;
}

static void leech(const struct metainfo *m, uint16_t port)
{
    static uint8_t buffer[512 << 10];
    size_t have = 0;
    struct asking a = {.m = m, .s = socket_for(false, port)};
    for (uint32_t i = 0; i < m->piece_count; i++)
        a.left += metainfo_piece_size(m, i);
    greet(a.s, m, 2);
    say(a.s, WIRE_INTERESTED);
    while (a.left > 0) {
        ssize_t n = read(a.s, buffer + have, sizeof buffer - have);
        check(n > 0, "read");
        have = take(&a, buffer, have + (size_t)n);
    }
}

static void hold(const struct metainfo *m, unsigned count, uint16_t port)
{
    for (unsigned i = 0; i < count; i++) {
        int s = socket_for(false, port);
        greet(s, m, 100 + i);
        say(s, WIRE_INTERESTED);
    }
    puts("held");
    fflush(stdout);
    pause();
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    struct metainfo *m = read_torrent(argv[2]);
    uint16_t port = (uint16_t)atoi(argv[argc - 1]);
    if (strcmp(argv[1], "seed") == 0 && argc == 6)
        seed(m, argv[3], strcmp(argv[4], "listen") == 0, port);
    else if (strcmp(argv[1], "leech") == 0)
        leech(m, port);
    else if (strcmp(argv[1], "hold") == 0 && argc == 5)
        hold(m, (unsigned)atoi(argv[3]), port);
    metainfo_unref(m);
    return 0;
}
