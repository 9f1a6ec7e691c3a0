/* A source and a sink of a known stream. See sim_stream.h. */
#include "sim_stream.h"
#include "env/sim/rng.h"

#define BUFFER 65536

void stream_fill(uint64_t seed, uint64_t position, uint8_t *out, size_t size)
{
    while (size > 0) {
        uint8_t word[8];
        size_t at = (size_t)(position % 8), part = size < 8 - at ? size : 8 - at;
        store_u64(word, sim_mix(seed + position / 8));
        memcpy(out, word + at, part);
        out += part;
        position += part;
        size -= part;
    }
}

/* ---- source -------------------------------------------------------------------------------- */

static void source_finish(struct stream_source *s)
{
    s->done = true;
    env_tcp_want(s->tcp, false, false);
    if (!s->keep_open) {
        env_tcp_close(s->tcp);
        s->tcp = NULL;
    }
}

static void source_writable(void *user)
{
    struct stream_source *s = user;
    uint8_t buffer[BUFFER];
    while (s->sent < s->total) {
        size_t size = s->write_max < BUFFER ? s->write_max : BUFFER;
        if (size > s->total - s->sent)
            size = (size_t)(s->total - s->sent);
        stream_fill(s->seed, s->sent, buffer, size);
        struct iovec iov[2] = {{buffer, size / 3}, {buffer + size / 3, size - size / 3}};
        ssize_t wrote = env_tcp_writev(s->tcp, iov, 2, false);
        if (wrote == ERR_AGAIN) {
            s->again_count++;
            return;
        }
        if (wrote < 0) {
            s->error = (int)wrote;
            env_tcp_want(s->tcp, false, false);
            return;
        }
        s->sent += (uint64_t)wrote;
    }
    source_finish(s);
}

static void source_connected(void *user, int err)
{
    struct stream_source *s = user;
    s->connect_result = err;
    if (err == 0)
        env_tcp_want(s->tcp, false, true);
}

static const struct env_tcp_events source_events = {
    .connected = source_connected, .writable = source_writable};

void stream_source_start(struct stream_source *s, struct env *env, const struct endpoint *to,
    uint64_t seed, uint64_t total)
{
    *s = (struct stream_source){
        .env = env, .seed = seed, .total = total, .write_max = BUFFER, .connect_result = 1};
    int err = env_tcp_connect(env, to, NULL, &source_events, s, &s->tcp);
    if (err != 0)
        s->connect_result = err;
}

void stream_source_stop(struct stream_source *s)
{
    if (s->tcp != NULL)
        env_tcp_close(s->tcp);
    s->tcp = NULL;
}

/* ---- sink ---------------------------------------------------------------------------------- */

static void sink_wakes(void *user, usec now)
{
    struct stream_sink *s = user;
    (void)now;
    if (s->tcp != NULL)
        env_tcp_want(s->tcp, true, false);
}

static void sink_readable(void *user)
{
    struct stream_sink *s = user;
    uint8_t buffer[BUFFER], wanted[BUFFER];
    if (env_now(s->env) < s->rest_until) {
        env_tcp_want(s->tcp, false, false);
        env_wake_at(s->env, s->rest_until, sink_wakes, s);
        return;
    }
    size_t size = s->read_max < BUFFER ? s->read_max : BUFFER;
    struct iovec iov[2] = {{buffer, size / 2}, {buffer + size / 2, size - size / 2}};
    ssize_t got = env_tcp_readv(s->tcp, iov, 2);
    if (got == ERR_AGAIN)
        return;
    if (got < 0) {
        s->end = (int)got;
        s->ended_at = env_now(s->env);
        env_tcp_want(s->tcp, false, false);
        return;
    }
    stream_fill(s->seed, s->received, wanted, (size_t)got);
    s->mismatches += memcmp(buffer, wanted, (size_t)got) != 0;
    s->received += (uint64_t)got;
}

static const struct env_tcp_events sink_events = {.readable = sink_readable};

static void sink_accepted(void *user, struct env_tcp *tcp, const struct endpoint *from)
{
    struct stream_sink *s = user;
    (void)from;
    s->accepted++;
    if (s->tcp != NULL) {
        env_tcp_close(tcp);
        return;
    }
    s->tcp = tcp;
    env_tcp_set_events(tcp, &sink_events, s);
    env_tcp_want(tcp, true, false);
}

void stream_sink_start(struct stream_sink *s, struct env *env, uint16_t port, uint64_t seed)
{
    *s = (struct stream_sink){.env = env, .seed = seed, .read_max = BUFFER};
    struct endpoint any = endpoint_v4(0, port);
    if (env_tcp_listen(env, &any, NULL, sink_accepted, s, &s->listener) == 0)
        env_listener_local(s->listener, &s->at);
}

void stream_sink_stop(struct stream_sink *s)
{
    if (s->tcp != NULL)
        env_tcp_close(s->tcp);
    if (s->listener != NULL)
        env_listener_close(s->listener);
    s->tcp = NULL;
    s->listener = NULL;
}

bool stream_sink_ended(void *user)
{
    return ((struct stream_sink *)user)->end != 0;
}
