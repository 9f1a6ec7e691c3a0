/* A plain BEP 3 peer at the least possible cost, so that every engine is measured against the same
 * other end. It verifies nothing: run.py compares what the engine under test has written.
 *   ref_peer seed TORRENT IMAGE listen|connect PORT   IMAGE: the torrent's bytes end to end
 *   ref_peer leech TORRENT PORT                       connects; throws away what it gets */
#include "plain_peer.h"

#define DEPTH 256u /* requests in flight */
#define REQUEST_SIZE 17u

static void seed(const struct metainfo *m, const char *image, bool listens, uint16_t port)
{
    static uint8_t payload[WIRE_EXTENDED_MAX];
    int file = open(image, O_RDONLY), s, id;
    check(file >= 0, image);
    if (listens) {
        s = socket_for(true, port);
        check(greet(s, m, 1), "handshake");
    } else {
        s = meet(m, 1, port);
    }
    say_have_everything(s, m);
    say(s, WIRE_UNCHOKE);
    for (uint32_t size; next_message(s, &id, payload, sizeof payload, &size);) {
        if (id == WIRE_REQUEST)
            give(s, m, payload, file);
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
    check(greet(a.s, m, 2), "handshake");
    say(a.s, WIRE_INTERESTED);
    while (a.left > 0) {
        ssize_t n = read(a.s, buffer + have, sizeof buffer - have);
        check(n > 0, "read");
        have = take(&a, buffer, have + (size_t)n);
    }
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
    metainfo_unref(m);
    return 0;
}
