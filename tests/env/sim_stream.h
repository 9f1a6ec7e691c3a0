/* Two small programs for tests of the simulated network: a source that writes a known stream as
 * fast as it may, and a sink that reads and checks it. Both as a node would do it: callbacks,
 * interest, short counts. */
#ifndef KITH_TESTS_ENV_SIM_STREAM_H
#define KITH_TESTS_ENV_SIM_STREAM_H

#include "env/sim/sim.h"

struct stream_source {
    struct env *env;
    struct env_tcp *tcp;
    uint64_t seed, total, sent;
    size_t write_max;     /* bytes a call */
    int connect_result;   /* 1: not yet; else what connected() said */
    int error;            /* of a write; 0 */
    uint64_t again_count; /* how often the socket was full */
    bool done;            /* all is written, and the socket closed */
    bool keep_open;       /* do not close at the end */
};

struct stream_sink {
    struct env *env;
    struct env_listener *listener;
    struct env_tcp *tcp;
    struct endpoint at;
    uint64_t seed, received, mismatches;
    size_t read_max;
    int end;         /* 0: not yet; ERR_CLOSED, ERR_NETWORK */
    usec ended_at;   /* host clock */
    usec rest_until; /* reads nothing before, host clock */
    unsigned accepted;
};

/* The bytes at a position of the stream that a seed names. */
void stream_fill(uint64_t seed, uint64_t position, uint8_t *out, size_t size);
/* Listens at the port on every IPv4 address. */
void stream_sink_start(struct stream_sink *, struct env *, uint16_t port, uint64_t seed);
void stream_source_start(
    struct stream_source *, struct env *, const struct endpoint *to, uint64_t seed, uint64_t total);
void stream_sink_stop(struct stream_sink *);
void stream_source_stop(struct stream_source *);
/* Predicate for sim_world_run_until: the sink in `user` has seen the end. */
bool stream_sink_ended(void *user);

#endif
