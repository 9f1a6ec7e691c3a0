/* What the machine itself needs for what a peer does, without a protocol: the floor that kith is
 * measured against.
 *   floor send IMAGE PORT             listens; a header and 16 KiB by sendfile, again and again
 *   floor drain PORT                  connects and reads
 *   floor receive one|many OUT PORT   connects; reads, hashes with SHA-1, writes.
 * one: 16 KiB at a time, OpenSSL. many: 16 pieces of 2 MiB side by side, written 256 KiB at a time,
 * in huge pages and woken for 256 KiB, as kith does it. */
#include "crypto/hash.h"
#include "wire.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define PIECE (2u << 20)
#define PIECES 16u
#define WRITE (256u << 10)
#define BATCH (32 * BLOCK) /* of one readv */
#define HUGE_PAGE (2u << 20)
#define WOKEN_FOR (256 << 10)

static void floor_send(const char *image, uint16_t port)
{
    static const uint8_t head[HEAD] = {0};
    int file = open(image, O_RDONLY);
    off_t size = lseek(file, 0, SEEK_END);
    check(file >= 0 && size % BLOCK == 0, image);
    int s = socket_for(true, port);
    for (off_t at = 0; at < size; at += BLOCK)
        send_block(s, head, file, at, BLOCK);
    shutdown(s, SHUT_WR);
    char end;
    (void)!read(s, &end, 1);
}

static void floor_drain(uint16_t port)
{
    static char buffer[512 << 10];
    int s = socket_for(false, port);
    while (read(s, buffer, sizeof buffer) > 0) {
    }
}

/* One block behind the other, hashed and written as it comes. */
static void receive_one(int s, int file)
{
    static uint8_t message[HEAD + BLOCK];
    uint8_t digest[20];
    struct hash_stream *h = hash_stream_new(HASH_SHA1);
    for (off_t at = 0; read_all(s, message, sizeof message); at += BLOCK) {
        hash_stream_update(h, message + HEAD, BLOCK);
        check(pwrite(file, message + HEAD, BLOCK, at) == BLOCK, "pwrite");
        if ((at + BLOCK) % PIECE == 0) {
            hash_stream_final(h, digest);
            hash_stream_reset(h);
        }
    }
    hash_stream_free(h);
}

/* BATCH bytes of blocks to where they belong, their headers elsewhere; false at the end. */
static bool read_batch(int s, uint8_t *out)
{
    static uint8_t heads[BATCH / BLOCK][HEAD];
    struct iovec iov[2 * BATCH / BLOCK], *v = iov;
    size_t left = BATCH / BLOCK * (HEAD + BLOCK);
    for (unsigned i = 0; i < BATCH / BLOCK; i++) {
        iov[2 * i] = (struct iovec){heads[i], HEAD};
        iov[2 * i + 1] = (struct iovec){out + (size_t)i * BLOCK, BLOCK};
    }
    while (left > 0) {
        ssize_t n = readv(s, v, (int)(iov + 2 * BATCH / BLOCK - v));
        if (n <= 0)
            return false;
        left -= (size_t)n;
        for (; left > 0 && n >= (ssize_t)v->iov_len; v++)
            n -= (ssize_t)v->iov_len;
        v->iov_base = (char *)v->iov_base + n;
        v->iov_len -= (size_t)n;
    }
    return true;
}

static void receive_many(int s, int file)
{
    uint8_t *buffer = aligned_alloc(HUGE_PAGE, (size_t)PIECES * PIECE), digests[PIECES][20];
    int mark = WOKEN_FOR;
    check(buffer != NULL, "memory");
    madvise(buffer, (size_t)PIECES * PIECE, MADV_HUGEPAGE);
    setsockopt(s, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark);
    size_t got = PIECES * (size_t)PIECE;
    for (off_t at = 0; got == PIECES * (size_t)PIECE; at += (off_t)got) {
        struct bytes parts[PIECES];
        struct hash_job jobs[PIECES];
        for (got = 0; got < PIECES * (size_t)PIECE && read_batch(s, buffer + got); got += BATCH) {
        }
        for (unsigned i = 0; i < got / PIECE; i++) {
            parts[i] = bytes_of(buffer + (size_t)i * PIECE, PIECE);
            jobs[i] = (struct hash_job){&parts[i], 1, digests[i]};
        }
        hash_many(HASH_SHA1, jobs, got / PIECE);
        for (size_t w = 0; w < got; w += WRITE)
            check(pwrite(file, buffer + w, WRITE, at + (off_t)w) == WRITE, "pwrite");
    }
    free(buffer);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    uint16_t port = (uint16_t)(argc > 2 ? atoi(argv[argc - 1]) : 0);
    if (strcmp(what, "send") == 0 && argc == 4) {
        floor_send(argv[2], port);
    } else if (strcmp(what, "drain") == 0) {
        floor_drain(port);
    } else if (strcmp(what, "receive") == 0 && argc == 5) {
        int file = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0666);
        check(file >= 0, argv[3]);
        int s = socket_for(false, port);
        if (strcmp(argv[2], "one") == 0)
            receive_one(s, file);
        else
            receive_many(s, file);
    } else {
        return 2;
    }
    return 0;
}
