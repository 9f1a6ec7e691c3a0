/* The env_tcp_* and env_listener_* calls of the simulated world, for its table (ops.c). */
#ifndef KITH_ENV_SIM_TCP_H
#define KITH_ENV_SIM_TCP_H

#include "env/sim/world.h"

bool sim_sockets_full(const struct sim_host *);

int sim_tcp_connect(struct env *, const struct endpoint *to, const struct env_tcp_options *,
    const struct env_tcp_events *, void *user, struct env_tcp **out);
void sim_tcp_set_events(struct env_tcp *, const struct env_tcp_events *, void *user);
void sim_tcp_want(struct env_tcp *, bool read, bool write);
void sim_tcp_expect(struct env_tcp *, size_t bytes);
ssize_t sim_tcp_readv(struct env_tcp *, const struct iovec *, int count);
ssize_t sim_tcp_writev(struct env_tcp *, const struct iovec *, int count, bool more);
void sim_tcp_local(struct env_tcp *, struct endpoint *out);
void sim_tcp_remote(struct env_tcp *, struct endpoint *out);
void sim_tcp_close(struct env_tcp *);

int sim_tcp_listen(struct env *, const struct endpoint *at, const struct env_tcp_options *,
    void (*accepted)(void *user, struct env_tcp *, const struct endpoint *from), void *user,
    struct env_listener **out);
void sim_listener_local(struct env_listener *, struct endpoint *out);
void sim_listener_close(struct env_listener *);

#endif
