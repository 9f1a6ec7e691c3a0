/* See work.h. */
#include "cli/work.h"

#include "cli/exit_codes.h"
#include "cli/session.h"
#include "env/uv/uv_env.h"
#include <kith.h>

int work_open(struct work *w, const struct output_options *o)
{
    *w = (struct work){.json = json_to(stdout), .as_json = o->json, .verb = "hashing"};
    term_init(&w->term, (enum term_colour)o->colour, o->quiet || o->json);
    session_take_signals();
    int err = uv_env_new(&(struct uv_env_config){.handle_sigbus = true}, &w->env);
    if (err) {
        term_error(&w->term, "cannot start: %s", kith_strerror(err));
        return exit_code_of(err);
    }
    w->begun = env_now(w->env);
    return 0;
}

static void show(struct work *w)
{
    char rate[20], left[16];
    double seconds = (double)(env_now(w->env) - w->begun) / USEC_PER_SEC;
    if (w->total == 0 || seconds < 0.5)
        return;
    uint64_t speed = (uint64_t)((double)w->done / seconds);
    struct builder b = builder_heap(4096);
    builder_str(&b, w->verb);
    int percent = term_share(&w->term, w->done, w->total, &b);
    builder_format(&b, "  %s  %s left", human_rate(speed, rate),
        human_time(speed ? (int64_t)((w->total - w->done) / speed) : -1, left));
    term_progress(&w->term, builder_text(&b), percent, env_now(w->env));
    builder_free(&b);
}

void work_run(struct work *w, void (*cancel)(void *user), void *user)
{
    while (!w->ended) {
        uv_env_run(w->env, 100);
        session_heed_signals(&w->term);
        if (!w->ended)
            show(w);
        if (session_interrupted() && !w->cancelled) {
            w->cancelled = true;
            cancel(user);
        }
    }
    term_clear(&w->term);
}

void work_close(struct work *w)
{
    uv_env_free(w->env);
}
