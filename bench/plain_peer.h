/* What the plain peers of bench/ share: a torrent, greetings and messages over blocking sockets. */
#ifndef KITH_BENCH_PLAIN_PEER_H
#define KITH_BENCH_PLAIN_PEER_H

#include "format/metainfo.h"
#include "proto/handshake.h"
#include "proto/peer_wire.h"
#include "wire.h"
#include <fcntl.h>
#include <sys/stat.h>

static inline struct metainfo *read_torrent(const char *path)
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

/* False: it hung up, as one does that does not know the torrent yet. */
static inline bool greet(int s, const struct metainfo *m, unsigned number)
{
    uint8_t out[HANDSHAKE_SIZE];
    struct handshake h = {0};
    memcpy(h.info_hash.b, m->v1.b, sizeof h.info_hash.b);
    snprintf((char *)h.peer_id.b, sizeof h.peer_id.b, "-RP0001-%011u", number);
    handshake_encode(&h, out);
    send_all(s, out, sizeof out, 0);
    return read_all(s, out, sizeof out);
}

/* Connects and greets, until it is answered. */
static inline int meet(const struct metainfo *m, unsigned number, uint16_t port)
{
    for (int tries = 0; tries < 200; tries++) {
        int s = socket_for(false, port);
        if (greet(s, m, number))
            return s;
        close(s);
        usleep(50000);
    }
    check(false, "handshake");
    return -1;
}

/* The next message's id, or -1 for a keep-alive; its payload in `out`. False: the end. */
static inline bool next_message(int s, int *id, uint8_t *out, size_t room, uint32_t *size)
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

static inline void say(int s, uint8_t id)
{
    uint8_t message[5] = {0, 0, 0, 1, id};
    send_all(s, message, sizeof message, 0);
}

static inline void say_have_everything(int s, const struct metainfo *m)
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

/* Answers a request out of the image. */
static inline void give(int s, const struct metainfo *m, const uint8_t request[12], int file)
{
    uint32_t piece = load_u32(request), begin = load_u32(request + 4);
    uint32_t length = load_u32(request + 8);
    uint8_t head[HEAD];
    store_u32(head, 9 + length);
    head[4] = WIRE_PIECE;
    memcpy(head + 5, request, 8);
    send_block(s, head, file, (off_t)piece * m->piece_length + begin, length);
}

#endif
