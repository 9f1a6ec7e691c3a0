/* See stream.h. */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#define ROOM (1u << 20)

struct stream {
    struct env_tcp *from, *to;
    struct env_listener *listener;
    uint64_t left, got, size;
    uint8_t *room;
};

static void takes(void *user)
{
    struct stream *s = user;
    struct iovec iov = {s->room, ROOM};
    ssize_t n;
    while ((n = env_tcp_readv(s->to, &iov, 1)) > 0)
        s->got += (uint64_t)n;
}

static void gives(void *user)
{
    struct stream *s = user;
    ssize_t n = 1;
    while (s->left > 0 && n > 0) {
        struct iovec iov = {s->room, s->left < ROOM ? s->left : ROOM};
        n = env_tcp_writev(s->from, &iov, 1, false);
        s->left -= n > 0 ? (uint64_t)n : 0;
    }
    if (s->left == 0)
        env_tcp_want(s->from, false, false);
}

static void connected(void *user, int err)
{
    struct stream *s = user;
    if (err == 0)
        env_tcp_want(s->from, false, true);
}

static const struct env_tcp_events giver = {connected, NULL, gives}, taker = {NULL, takes, NULL};

static void accepted(void *user, struct env_tcp *tcp, const struct endpoint *from)
{
    struct stream *s = user;
    (void)from;
    s->to = tcp;
    env_tcp_set_events(tcp, &taker, s);
    env_tcp_want(tcp, true, false);
}

static bool all_got(void *user)
{
    const struct stream *s = user;
    return s->left == 0 && s->got == s->size;
}

double stream_seconds(const struct stream_config *c)
{
    struct sim_world *w = sim_world_new(c->world);
    struct sim_host *a =
        sim_host_new(w, &(struct sim_host_config){
                            .name = "a", .addresses = {"20.0.0.1"}, .up_bytes_per_second = c->up});
    struct sim_host *b = sim_host_new(
        w, &(struct sim_host_config){
               .name = "b", .addresses = {"20.0.0.2"}, .down_bytes_per_second = c->down});
    struct stream s = {.left = c->size, .size = c->size, .room = calloc(1, ROOM)};
    struct endpoint at = endpoint_v4(0, 80), to = sim_host_endpoint(b, ADDR_V4, 80);
    if (!s.room)
        abort();
    env_tcp_listen(sim_host_env(b), &at, NULL, accepted, &s, &s.listener);
    env_tcp_connect(sim_host_env(a), &to, NULL, &giver, &s, &s.from);
    if (sim_world_run_until(w, SECONDS(36000), all_got, &s) != SIM_REACHED)
        abort(); /* a path that carries no stream measures nothing */
    double seconds = (double)sim_world_now(w) / USEC_PER_SEC;
    env_tcp_close(s.from);
    if (s.to)
        env_tcp_close(s.to);
    env_listener_close(s.listener);
    sim_world_free(w);
    free(s.room);
    return seconds;
}
