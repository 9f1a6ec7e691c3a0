/* See workers.h. One lock over two queues and the list of finished jobs; a job is long against it. */
#include "env/uv/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct queue {
    struct env_job *first, **last;
};

struct real_workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct queue lanes[2]; /* by enum env_lane */
    struct queue finished;
    unsigned count, started;
    bool stopping;
    uv_async_t *async;
    pthread_t threads[REAL_WORKERS_MAX];
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_push(struct queue *q, struct env_job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
}

static struct env_job *queue_pop(struct queue *q)
{
    struct env_job *job = q->first;
    if (!job)
        return NULL;
    q->first = job->next;
    if (!q->first)
        q->last = &q->first;
    return job;
}

/* Data first. Background work may use every worker that data leaves: a data job then waits for one
 * background job at most, and those are a batch of a few MiB. */
static struct env_job *next_job(struct real_workers *w)
{
    struct env_job *job = queue_pop(&w->lanes[ENV_LANE_DATA]);
    return job ? job : queue_pop(&w->lanes[ENV_LANE_BACKGROUND]);
}

static void *work(void *arg)
{
    struct real_workers *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct env_job *job = next_job(w);
        if (!job) {
            if (w->stopping)
                break;
            pthread_cond_wait(&w->work, &w->lock);
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        job->run(job);
        pthread_mutex_lock(&w->lock);
        bool tell = w->finished.first == NULL;
        queue_push(&w->finished, job);
        if (tell)
            uv_async_send(w->async);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static unsigned core_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : (unsigned)cores;
}

int real_workers_new(uv_async_t *async, unsigned count, struct real_workers **out)
{
    struct real_workers *w = calloc(1, sizeof *w);
    if (!w)
        return ERR_NOMEM;
    count = count ? count : core_count();
    w->count = count < REAL_WORKERS_MAX ? count : REAL_WORKERS_MAX;
    w->async = async;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    queue_init(&w->lanes[0]);
    queue_init(&w->lanes[1]);
    queue_init(&w->finished);
    for (; w->started < w->count; w->started++)
        if (pthread_create(&w->threads[w->started], NULL, work, w) != 0)
            break;
    if (w->started == 0) {
        real_workers_free(w);
        return ERR_LIMIT;
    }
    w->count = w->started;
    *out = w;
    return 0;
}

void real_workers_free(struct real_workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->started; i++)
        pthread_join(w->threads[i], NULL);
    real_workers_reap(w);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void real_workers_submit(struct real_workers *w, enum env_lane lane, struct env_job *job)
{
    pthread_mutex_lock(&w->lock);
    if (w->stopping) {
        /* The threads are gone: a done() of the last reap asked for more. */
        pthread_mutex_unlock(&w->lock);
        job->run(job);
        pthread_mutex_lock(&w->lock);
        queue_push(&w->finished, job);
    } else {
        queue_push(&w->lanes[lane], job);
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
}

void real_workers_reap(struct real_workers *w)
{
    for (;;) {
        pthread_mutex_lock(&w->lock);
        struct env_job *job = w->finished.first;
        queue_init(&w->finished);
        pthread_mutex_unlock(&w->lock);
        if (!job)
            return;
        while (job) {
            struct env_job *next = job->next;
            job->done(job);
            job = next;
        }
    }
}

unsigned real_workers_count(const struct real_workers *w)
{
    return w->count;
}
