/* Inside env/uv: the pool of threads for work that blocks. Two lanes; see env.h's struct env_job.
 */
#ifndef KITH_ENV_UV_WORKERS_H
#define KITH_ENV_UV_WORKERS_H

#include "env/env.h"
#include <uv.h>

struct real_workers;

/* `per_lane`: jobs of one lane that run at once; 0: one per core. `finished` is sent when completed
 * jobs wait for real_workers_reap. ERR_NOMEM, ERR_LIMIT (no thread could be started). */
int real_workers_new(uv_async_t *finished, unsigned per_lane, struct real_workers **out);
/* Runs what is queued, hands all of it back, and ends the threads. */
void real_workers_free(struct real_workers *);
/* Any thread, so that a job may submit another. */
void real_workers_submit(struct real_workers *, enum env_lane, struct env_job *);
/* The loop's thread: calls done() of every job that has run. */
void real_workers_reap(struct real_workers *);
unsigned real_workers_count(const struct real_workers *);
/* Is this thread one of a pool's? */
bool real_workers_inside(void);

#endif
