/* Many plain peers at once, out of one process, that connect to the engine under test. They say
 * when all of them are there ("here"), and stay until a signal comes or they are hung up on. crowd
 * hold TORRENT COUNT PORT          interested, and ask for nothing crowd seed TORRENT COUNT PORT
 * IMAGE    have everything and answer requests crowd tell TORRENT COUNT PORT          say of every
 * piece but the last, one by one in an order of their own, that they have it; then "told" */
#include "plain_peer.h"
#include <sys/epoll.h>
#include <sys/resource.h>

#define EVENTS 64

struct crowd {
    const struct metainfo *m;
    unsigned count;
    int *sockets;
    int epoll, image;
};

static void announce(const char *word)
{
    puts(word);
    fflush(stdout);
}

static void arrive(struct crowd *c, uint16_t port)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    c->sockets = calloc(c->count, sizeof *c->sockets);
    c->epoll = epoll_create1(0);
    check(c->sockets != NULL && c->epoll >= 0, "epoll");
    for (unsigned i = 0; i < c->count; i++) {
        int s = c->sockets[i] = meet(c->m, 100 + i, port);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = s};
        check(epoll_ctl(c->epoll, EPOLL_CTL_ADD, s, &e) == 0, "epoll_ctl");
        if (c->image >= 0) {
            say_have_everything(s, c->m);
            say(s, WIRE_UNCHOKE);
        } else {
            say(s, WIRE_INTERESTED);
        }
    }
    announce("here");
}

/* One message; requests are answered. False: hung up on. */
static bool hear(const struct crowd *c, int s)
{
    static uint8_t payload[WIRE_EXTENDED_MAX];
    uint32_t size;
    int id;
    if (!next_message(s, &id, payload, sizeof payload, &size))
        return false;
    if (id == WIRE_REQUEST && c->image >= 0)
        give(s, c->m, payload, c->image);
    return true;
}

static void listen_to_all(struct crowd *c)
{
    struct epoll_event events[EVENTS];
    for (unsigned left = c->count; left > 0;) {
        int n = epoll_wait(c->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (hear(c, events[i].data.fd))
                continue;
            close(events[i].data.fd);
            left--;
        }
    }
}

/* A step that is prime to the number of pieces visits each once, wherever it begins. */
static void tell(const struct crowd *c)
{
    uint32_t pieces = c->m->piece_count - 1, step = 7919;
    while (pieces % step == 0)
        step += 2;
    for (uint32_t i = 0; i < pieces; i++)
        for (unsigned peer = 0; peer < c->count; peer++) {
            uint8_t have[9] = {0, 0, 0, 5, WIRE_HAVE};
            store_u32(have + 5, (uint32_t)(((uint64_t)i * step + peer * 131) % pieces));
            send_all(c->sockets[peer], have, sizeof have, 0);
        }
    announce("told");
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    struct crowd c = {.m = read_torrent(argv[2]), .count = (unsigned)atoi(argv[3]), .image = -1};
    if (argc == 6) {
        c.image = open(argv[5], O_RDONLY);
        check(c.image >= 0, argv[5]);
    }
    arrive(&c, (uint16_t)atoi(argv[4]));
    if (strcmp(argv[1], "tell") == 0)
        tell(&c);
    listen_to_all(&c);
    return 0;
}
