/* Between the files that implement state.h: state.c opens, writes and copies, state_save.c takes
 * what is to be saved, state_load.c reads it back. */
#ifndef KITH_STORE_STATE_INTERNAL_H
#define KITH_STORE_STATE_INTERNAL_H

#include "store/state/state_db.h"
#include "store/state/state_queue.h"
#include <pthread.h>

#define STATE_PEER_RECORD_SIZE 28u /* family, ip, port, source, time */

struct state {
    struct env *env;
    struct log *log;
    struct state_db db;
    pthread_mutex_t lock; /* of db's reader; recursive, so that each() may load */

    struct state_queue queue;
    struct list_link batch; /* ops under way */
    size_t batch_count;
    bool writing;
    bool last_of_queue; /* nothing waited behind the batch: caches may go */
    int batch_err;
    struct env_job write_job;

    struct env_job copy_job;
    bool copying;
    int copy_err;
    usec copy_at;

    int trouble;
    usec retry_at, retry_after; /* retry_at NEVER: no reason to wait */
    void (*deadline_changed)(void *user);
    void *deadline_user;
    int64_t next_id;

    bool quiescing, last_write_done;
    void (*idle)(void *user);
    void *idle_user;
};

/* The op is the queue's, or freed: ERR_CLOSED, and state_queue_put's. */
int state_enqueue(struct state *, struct op *);

#endif
