/* The pool of threads for work that blocks: disk and hashing. Our own, because libuv's is one per
 * process and belongs to the embedder. Nothing is allocated per job.
 *
 * There is one thread more than a lane may use at once. So a lane that has work for every core gets
 * every core, and still one thread stays free for the other: a peer's block never waits for a
 * recheck to finish a piece, and a recheck moves on however busy the peers are. */
#include "env/uv/workers.h"
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS_PER_LANE_MAX 256
#define LANES 2

struct job_queue {
    struct env_job *head, **tail;
};

struct lane {
    struct job_queue waiting;
    unsigned running;
};

struct real_workers {
    uv_async_t *finished;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;
    struct lane lanes[LANES];
    struct job_queue done;
    unsigned per_lane_max;
    unsigned threads, idle, waiting; /* waiting: jobs */
    bool stopping;
    pthread_t ids[WORKERS_PER_LANE_MAX + 1];
};

static _Thread_local bool inside;

bool real_workers_inside(void)
{
    return inside;
}

static void queue_init(struct job_queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static void queue_push(struct job_queue *q, struct env_job *job)
{
    job->next = NULL;
    *q->tail = job;
    q->tail = &job->next;
}

static struct env_job *queue_pop(struct job_queue *q)
{
    struct env_job *job = q->head;
    q->head = job->next;
    if (q->head == NULL)
        q->tail = &q->head;
    return job;
}

/* The lane that a free thread serves next, or NULL: peers first, within each lane's share. */
static struct lane *next_lane(struct real_workers *w)
{
    for (int i = 0; i < LANES; i++) {
        struct lane *lane = &w->lanes[i];
        if (lane->waiting.head != NULL && lane->running < w->per_lane_max)
            return lane;
    }
    return NULL;
}

/* Called and returns with the lock held. */
static void run_one(struct real_workers *w, struct lane *lane)
{
    struct env_job *job = queue_pop(&lane->waiting);
    lane->running++;
    w->waiting--;
    pthread_mutex_unlock(&w->lock);
    job->run(job);
    pthread_mutex_lock(&w->lock);
    lane->running--;
    /* One wake-up serves all that finish until the loop looks. */
    bool first = w->done.head == NULL;
    queue_push(&w->done, job);
    if (first)
        uv_async_send(w->finished);
}

static void *worker_main(void *argument)
{
    struct real_workers *w = argument;
    pthread_setname_np(pthread_self(), "kith-worker");
    inside = true;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct lane *lane = next_lane(w);
        if (lane != NULL) {
            run_one(w, lane);
            continue;
        }
        if (w->stopping)
            break;
        w->idle++;
        pthread_cond_wait(&w->work, &w->lock);
        w->idle--;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Threads of ours take no signals: those are the embedder's business. But what a thread does itself
 * comes to itself: blocked, it would end the process past every handler. */
static bool start_thread(struct real_workers *w)
{
    static const int own[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE};
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&w->ids[w->threads], NULL, worker_main, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        w->threads++;
    return started;
}

void real_workers_submit(struct real_workers *w, enum env_lane lane, struct env_job *job)
{
    assert(lane == ENV_LANE_DATA || lane == ENV_LANE_BACKGROUND);
    pthread_mutex_lock(&w->lock);
    queue_push(&w->lanes[lane].waiting, job);
    /* Threads start as they are needed; one exists from the beginning, so that a failure to start
     * another costs speed only. One that was woken counts as idle until it runs. */
    if (++w->waiting > w->idle && w->threads <= w->per_lane_max)
        (void)start_thread(w);
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

void real_workers_reap(struct real_workers *w)
{
    pthread_mutex_lock(&w->lock);
    struct env_job *job = w->done.head;
    queue_init(&w->done);
    pthread_mutex_unlock(&w->lock);
    while (job != NULL) {
        struct env_job *next = job->next; /* done() may free it */
        job->done(job);
        job = next;
    }
}

unsigned real_workers_count(const struct real_workers *w)
{
    return w->per_lane_max;
}

static unsigned core_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : (unsigned)cores;
}

int real_workers_new(uv_async_t *finished, unsigned per_lane, struct real_workers **out)
{
    struct real_workers *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ERR_NOMEM;
    w->finished = finished;
    w->per_lane_max = per_lane != 0 ? per_lane : core_count();
    if (w->per_lane_max > WORKERS_PER_LANE_MAX)
        w->per_lane_max = WORKERS_PER_LANE_MAX;
    for (int i = 0; i < LANES; i++)
        queue_init(&w->lanes[i].waiting);
    queue_init(&w->done);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_mutex_lock(&w->lock);
    bool started = start_thread(w);
    pthread_mutex_unlock(&w->lock);
    if (!started) {
        real_workers_free(w);
        return ERR_LIMIT;
    }
    *out = w;
    return 0;
}

static bool has_jobs(struct real_workers *w)
{
    pthread_mutex_lock(&w->lock);
    bool any = w->done.head != NULL;
    for (int i = 0; i < LANES; i++)
        any = any || w->lanes[i].waiting.head != NULL || w->lanes[i].running > 0;
    pthread_mutex_unlock(&w->lock);
    return any;
}

void real_workers_free(struct real_workers *w)
{
    /* A done() may submit again; the last round ends with nothing queued. */
    do {
        pthread_mutex_lock(&w->lock);
        w->stopping = true;
        pthread_cond_broadcast(&w->work);
        unsigned threads = w->threads;
        pthread_mutex_unlock(&w->lock);
        for (unsigned i = 0; i < threads; i++)
            pthread_join(w->ids[i], NULL);
        pthread_mutex_lock(&w->lock);
        w->threads = 0;
        w->stopping = false;
        pthread_mutex_unlock(&w->lock);
        real_workers_reap(w);
    } while (has_jobs(w));
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
