/* See stub_tracker.h. One thread, one poll: HTTP answers close the connection. */
#include "stub_tracker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define INTERVAL 1800
#define CONNECTIONS_MAX 512
#define RECEIVE_BUFFER (8 << 20)

static int listen_on(int type, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int room = RECEIVE_BUFFER, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0 ||
        (type == SOCK_STREAM && listen(fd, 1024) != 0))
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    *port = ntohs(at.sin_port);
    return fd;
}

/* Connect: an id; announce: nobody is there. */
static void answer_datagram(int fd, volatile uint64_t *announces)
{
    uint8_t in[2048], out[20] = {0};
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(fd, in, sizeof in, 0, (struct sockaddr *)&from, &size);
    if (n < 16)
        return;
    bool connecting = in[11] == 0;
    memcpy(out + 3, in + 11, 1);
    memcpy(out + 4, in + 12, 4);
    if (connecting) {
        memset(out + 8, 7, 8);
    } else {
        uint32_t interval = htonl(INTERVAL);
        memcpy(out + 8, &interval, 4);
        ++*announces;
    }
    (void)!sendto(fd, out, connecting ? 16 : 20, 0, (struct sockaddr *)&from, size);
}

static void answer_http(int fd, volatile uint64_t *announces)
{
    static const char body[] =
        "d8:completei0e10:downloadedi0e10:incompletei1e8:intervali1800e5:peers0:e";
    char in[4096], out[256];
    if (read(fd, in, sizeof in) <= 0)
        return;
    ++*announces;
    int n = snprintf(out, sizeof out,
        "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", sizeof body - 1,
        body);
    (void)!write(fd, out, (size_t)n);
}

static void serve(int udp, int http, volatile uint64_t *announces)
{
    struct pollfd p[2 + CONNECTIONS_MAX] = {{udp, POLLIN, 0}, {http, POLLIN, 0}};
    nfds_t count = 2;
    while (poll(p, count, -1) > 0) {
        if (p[0].revents)
            answer_datagram(udp, announces);
        if (p[1].revents && count < 2 + CONNECTIONS_MAX) {
            int fd = accept(http, NULL, NULL);
            if (fd >= 0)
                p[count++] = (struct pollfd){fd, POLLIN, 0};
        }
        for (nfds_t i = count; i-- > 2;) {
            if (!p[i].revents)
                continue;
            answer_http(p[i].fd, announces);
            close(p[i].fd);
            p[i] = p[--count];
        }
    }
}

int stub_tracker_start(struct stub_tracker *t)
{
    int udp = listen_on(SOCK_DGRAM, &t->udp_port), http = listen_on(SOCK_STREAM, &t->http_port);
    void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (udp < 0 || http < 0 || shared == MAP_FAILED)
        return -1;
    t->announces = shared;
    t->process = fork();
    if (t->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(udp, http, t->announces);
        _exit(0);
    }
    close(udp);
    close(http);
    return t->process > 0 ? 0 : -1;
}

void stub_tracker_stop(struct stub_tracker *t)
{
    kill(t->process, SIGKILL);
    waitpid(t->process, NULL, 0);
}
