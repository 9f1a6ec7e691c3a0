/* A tracker that answers every announce at once, over UDP (BEP 15) and HTTP, and names nobody: what
 * is measured is who asks. It runs in a process of its own. Listens on 127.0.0.1. */
#ifndef KITH_BENCH_STUB_TRACKER_H
#define KITH_BENCH_STUB_TRACKER_H

#include <stdint.h>
#include <sys/types.h>

struct stub_tracker {
    pid_t process;
    uint16_t udp_port, http_port;
    volatile uint64_t *announces; /* answered so far; both kinds */
};

/* 0, or -1. */
int stub_tracker_start(struct stub_tracker *);
void stub_tracker_stop(struct stub_tracker *);

#endif
