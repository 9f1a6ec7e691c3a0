/* The worker pool: threads that run jobs in two lanes and hand them back to the loop in batches.
 * Intrusive: nothing is allocated for a job. */
#ifndef KITH_ENV_UV_WORKERS_H
#define KITH_ENV_UV_WORKERS_H

#include "env/env.h"
#include <uv.h>

#define REAL_WORKERS_MAX 64u

struct real_workers;

/* `count` threads (0: one per core); `async` is sent when jobs are done. ERR_NOMEM, ERR_LIMIT. */
int real_workers_new(uv_async_t *async, unsigned count, struct real_workers **out);
/* Runs what is left, calls every done(), and ends the threads. NULL is fine. */
void real_workers_free(struct real_workers *);
void real_workers_submit(struct real_workers *, enum env_lane, struct env_job *);
/* Calls done() of the jobs that have been run; on the loop. */
void real_workers_reap(struct real_workers *);
unsigned real_workers_count(const struct real_workers *);

#endif
