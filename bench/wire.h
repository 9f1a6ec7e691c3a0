/* What floor.c and ref_peer.c share: blocking sockets on loopback. On error they end the process:
 * these are measuring instruments. */
#ifndef KITH_BENCH_WIRE_H
#define KITH_BENCH_WIRE_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 16384u
#define HEAD 13u /* a piece message's header */

static inline void check(bool right, const char *what)
{
    if (!right) {
        perror(what);
        exit(1);
    }
}

static inline int socket_for(bool listens, uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    check(s >= 0, "socket");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!listens) {
        check(connect(s, (struct sockaddr *)&at, sizeof at) == 0, "connect");
        return s;
    }
    check(bind(s, (struct sockaddr *)&at, sizeof at) == 0 && listen(s, 1) == 0, "listen");
    int peer = accept(s, NULL, NULL);
    check(peer >= 0, "accept");
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    close(s);
    return peer;
}

static inline void send_all(int s, const void *data, size_t size, int flags)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = send(s, at, size, flags | MSG_NOSIGNAL);
        check(n > 0, "send");
        at += n;
        size -= (size_t)n;
    }
}

/* A piece message: its header, and the block out of the page cache. */
static inline void send_block(int s, const uint8_t head[HEAD], int file, off_t offset, size_t size)
{
    send_all(s, head, HEAD, MSG_MORE);
    while (size > 0) {
        ssize_t n = sendfile(s, file, &offset, size);
        check(n > 0, "sendfile");
        size -= (size_t)n;
    }
}

/* False at the end of the stream. */
static inline bool read_all(int s, void *out, size_t size)
{
    char *at = out;
    while (size > 0) {
        ssize_t n = read(s, at, size);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

#endif
