/* Workers without threads: a free worker takes a job, runs its run() at once, and done() follows
 * when the virtual time is over that the job's disk calls took (disk.c adds it up in
 * env->job_clock). A call that hangs for ever costs the worker for ever, as a dead NFS server does.
 */
#include "env/sim/jobs.h"
#include <stdlib.h>

struct working {
    struct sim_event finished;
    struct list_link link; /* env->jobs.working */
    struct sim_env *env;
    struct env_job *job;
};

static void want_dispatch(struct sim_env *env)
{
    struct sim_world *w = env->host->world;
    if (env->jobs.dispatch.slot == 0)
        sim_schedule(w, &env->jobs.dispatch, w->now);
}

/* Takes the first job of the lane, or any one if workers are to race. */
static struct env_job *lane_take(struct sim_env *env, enum env_lane lane)
{
    struct sim_jobs *jobs = &env->jobs;
    size_t skip = 0;
    if (env->host->world->config.shuffle_jobs && jobs->count[lane] > 1)
        skip = sim_rng_below(&env->host->loop_rng, jobs->count[lane]);
    struct env_job *before = NULL, *job = jobs->first[lane];
    for (; skip > 0; skip--) {
        before = job;
        job = job->next;
    }
    if (before == NULL)
        jobs->first[lane] = job->next;
    else
        before->next = job->next;
    if (jobs->last[lane] == job)
        jobs->last[lane] = before;
    jobs->count[lane]--;
    job->next = NULL;
    return job;
}

static void finished(struct sim_event *event)
{
    struct working *working = container_of(event, struct working, finished);
    struct sim_env *env = working->env;
    struct env_job *job = working->job;
    list_remove(&working->link);
    free(working);
    env->jobs.busy--;
    if (env->jobs.first[ENV_LANE_DATA] != NULL || env->jobs.first[ENV_LANE_BACKGROUND] != NULL)
        want_dispatch(env);
    job->done(job);
}

static void run(struct sim_env *env, struct env_job *job)
{
    struct sim_world *w = env->host->world;
    usec clock = w->now + sim_rng_between(&env->host->loop_rng, 0, w->config.job_time_max);
    struct working *working = sim_alloc(sizeof *working);
    working->env = env;
    working->job = job;
    list_push_back(&env->jobs.working, &working->link);
    env->jobs.busy++;
    env->host->stats.jobs_run++;
    env->job_clock = &clock;
    job->run(job);
    env->job_clock = NULL;
    sim_node_event_init(&working->finished, "job done", env->host, finished);
    if (clock != NEVER)
        sim_schedule(w, &working->finished, clock);
}

/* One job an event, so that a crash that a job brings about comes before the next one. */
static void dispatch(struct sim_event *event)
{
    struct sim_env *env = container_of(event, struct sim_env, jobs.dispatch);
    struct sim_jobs *jobs = &env->jobs;
    if (jobs->busy >= env->host->config.workers)
        return;
    enum env_lane lane = jobs->first[ENV_LANE_DATA] != NULL ? ENV_LANE_DATA : ENV_LANE_BACKGROUND;
    if (jobs->first[lane] == NULL)
        return;
    run(env, lane_take(env, lane));
    want_dispatch(env);
}

void sim_jobs_init(struct sim_env *env)
{
    list_init(&env->jobs.working);
    sim_node_event_init(&env->jobs.dispatch, "job runs", env->host, dispatch);
}

void sim_jobs_crash(struct sim_env *env)
{
    struct sim_world *w = env->host->world;
    sim_unschedule(w, &env->jobs.dispatch);
    list_for_each_safe(link, &env->jobs.working)
    {
        struct working *working = list_entry(link, struct working, link);
        sim_unschedule(w, &working->finished);
        free(working);
    }
    list_init(&env->jobs.working);
    memset(env->jobs.first, 0, sizeof env->jobs.first);
    memset(env->jobs.last, 0, sizeof env->jobs.last);
    memset(env->jobs.count, 0, sizeof env->jobs.count);
}

void sim_submit(struct env *face, enum env_lane lane, struct env_job *job)
{
    struct sim_env *env = sim_env_of(face);
    if (!env->alive)
        return;
    struct sim_jobs *jobs = &env->jobs;
    job->next = NULL;
    if (jobs->last[lane] == NULL)
        jobs->first[lane] = job;
    else
        jobs->last[lane]->next = job;
    jobs->last[lane] = job;
    jobs->count[lane]++;
    want_dispatch(env);
}

unsigned sim_worker_count(struct env *face)
{
    return sim_env_of(face)->host->config.workers;
}
