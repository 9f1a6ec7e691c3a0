/* See progress.h. */
#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>

#define ADVICE_AFTER_MS 10000
#define PROGRESS_TEXT_MAX 65536u /* bytes */

static const char *verb_of(int state)
{
    switch (state) {
    case KITH_STATE_HASHING:
        return "hashing";
    case KITH_STATE_METADATA:
        return "looking it up";
    case KITH_STATE_CHECKING:
        return "checking";
    case KITH_STATE_DOWNLOADING:
        return "getting";
    case KITH_STATE_SEEDING:
        return "sharing";
    case KITH_STATE_PAUSED:
        return "paused";
    case KITH_STATE_QUEUED:
        return "queued";
    default:
        return "stopped";
    }
}

static int describe(struct session *s, const struct kith_status *st, struct builder *b)
{
    char rate[20], left[16];
    bool working = st->state == KITH_STATE_HASHING || st->state == KITH_STATE_CHECKING;
    int percent = -1;
    builder_format(b, "%s", verb_of(st->state));
    if (st->state == KITH_STATE_SEEDING) {
        builder_format(b, "  %s sent, %s, %u peer%s", human_size(st->uploaded, left),
            human_rate(st->upload_rate, rate), st->peers_connected,
            st->peers_connected == 1 ? "" : "s");
        return -1;
    }
    if (working)
        percent = term_share(&s->term, st->work_done, st->work_total, b);
    else if (st->state != KITH_STATE_METADATA)
        percent = term_share(&s->term, st->bytes_done, st->bytes_total, b);
    if (st->state == KITH_STATE_TROUBLE)
        builder_format(b, "  %s", st->error_text);
    else if (st->waiting_for[0])
        builder_format(b, "  %s", st->waiting_for);
    else if (st->state == KITH_STATE_DOWNLOADING)
        builder_format(b, "  %s  %s left  %u peer%s", human_rate(st->download_rate, rate),
            human_time(st->eta_seconds, left), st->peers_connected,
            st->peers_connected == 1 ? "" : "s");
    return percent;
}

/* A line for each file that is on its way, as many as the screen has room for. */
static void put_files(struct session *s, struct kith_torrent *t, struct builder *b)
{
    struct kith_file f;
    char size[16];
    unsigned room = s->term.rows > 3 ? s->term.rows - 3 : 1, left_out = 0;
    KITH_INIT(f);
    for (uint32_t i = 0; kith_file(t, i, &f) == 0; i++) {
        if (f.priority == 0 || f.done == f.length)
            continue;
        if (room == 0) {
            left_out++;
            continue;
        }
        room--;
        char *path = term_escape(bytes_of_str(f.path));
        term_bar(&s->term, (double)f.done / (double)f.length, 10, b);
        builder_format(b, " %3d %%  %10s  %s\n", (int)((double)f.done * 100 / (double)f.length),
            human_size(f.length, size), path);
        free(path);
    }
    if (left_out > 0)
        builder_format(b, "and %u more files\n", left_out);
}

void progress_show(struct session *s, struct kith_torrent *t)
{
    struct kith_status st;
    KITH_INIT(st);
    if (kith_status(t, &st) != 0)
        return;
    struct builder b = builder_heap(PROGRESS_TEXT_MAX);
    if (s->per_file && s->term.interactive && st.state == KITH_STATE_DOWNLOADING)
        put_files(s, t, &b);
    int percent = describe(s, &st, &b);
    term_progress(&s->term, builder_text(&b), percent, MSECS(session_now_ms()));
    builder_free(&b);
}

/* ---- advice -------------------------------------------------------------------------------- */

static const char *advice_for(const char *why)
{
    if (strstr(why, "this machine is on none"))
        return "kith goes on by itself when there is one";
    if (strstr(why, "the tracker says"))
        return "'kith get -v' shows all that trackers say; '-p HOST:PORT' adds a peer by hand";
    if (strstr(why, "the link names none"))
        return "ask the sharer for the link that 'kith share' prints, or add '-p HOST:PORT'";
    if (strstr(why, "bad data"))
        return "the data there has changed since the link was made, or somebody lies: the sharer "
               "can share it anew";
    if (strstr(why, "web seed"))
        return "'kith get -v' shows what it says; '-p HOST:PORT' adds a peer by hand";
    return "does 'kith share' still run there, on a port that lets us in? kith goes on trying; a "
           "link made now has the sharer's addresses of now";
}

void progress_advise(struct session *s, const struct kith_status *st)
{
    bool wants = st->state == KITH_STATE_DOWNLOADING || st->state == KITH_STATE_METADATA;
    int64_t now = session_now_ms();
    if (!wants || st->peers_connected > 0 || st->download_rate > 0) {
        s->alone_since = 0;
        return;
    }
    if (s->alone_since == 0)
        s->alone_since = now;
    if (s->advised || now - s->alone_since < ADVICE_AFTER_MS)
        return;
    s->advised = true;
    const char *advice = advice_for(st->waiting_for);
    if (s->output->json) {
        json_open_object(&s->json);
        json_put_text(&s->json, "type", "alone");
        json_put_text(&s->json, "waiting_for", st->waiting_for);
        json_put_text(&s->json, "advice", advice);
        json_close_object(&s->json);
        json_end_line(&s->json);
        return;
    }
    term_note(&s->term, "no peer so far: %s\n  %s", st->waiting_for, advice);
}

void progress_json(struct session *s, const char *type, const struct kith_status *st)
{
    struct json *j = &s->json;
    json_open_object(j);
    json_put_text(j, "type", type);
    json_put_text(j, "state", verb_of(st->state));
    json_put_text(j, "name", st->name);
    if (st->has_v1)
        json_put_hash(j, "info_hash_v1", true, st->info_hash_v1, 20);
    if (st->has_v2)
        json_put_hash(j, "info_hash_v2", true, st->info_hash_v2, 32);
    json_put_unsigned(j, "bytes_total", st->bytes_total);
    json_put_unsigned(j, "bytes_done", st->bytes_done);
    json_put_unsigned(j, "work_done", st->work_done);
    json_put_unsigned(j, "work_total", st->work_total);
    json_put_unsigned(j, "downloaded", st->downloaded);
    json_put_unsigned(j, "uploaded", st->uploaded);
    json_put_unsigned(j, "download_rate", st->download_rate);
    json_put_unsigned(j, "upload_rate", st->upload_rate);
    json_put_integer(j, "eta_seconds", st->eta_seconds);
    json_put_unsigned(j, "peers", st->peers_connected);
    json_put_text(j, "waiting_for", st->waiting_for);
    json_put_text(j, "trouble", st->error ? st->error_text : NULL);
}

void progress_event(struct session *s, const char *type, const struct kith_event *e)
{
    struct json *j = &s->json;
    int err = kith_event_error(e);
    if (!s->output->json)
        return;
    json_open_object(j);
    json_put_text(j, "type", type);
    json_put_text(j, "error", err ? kith_strerror(err) : NULL);
    json_put_text(j, "text", kith_event_text(e));
    json_close_object(j);
    json_end_line(j);
}

void progress_news(struct session *s, const struct kith_event *e)
{
    bool of_tracker = kith_event_type(e) == KITH_EVENT_TRACKER;
    bool fine = kith_event_error(e) == 0;
    progress_event(s, of_tracker ? "tracker" : "warning", e);
    if (!of_tracker)
        term_note(&s->term, "%s", kith_event_text(e));
    else if (!fine || s->output->verbose)
        term_note(&s->term, "tracker %s", kith_event_text(e));
}

void progress_tick(struct session *s, const struct kith_status *st)
{
    int64_t now = session_now_ms();
    if (!s->output->json || now - s->last_tick < 1000)
        return;
    s->last_tick = now;
    progress_json(s, "progress", st);
    json_close_object(&s->json);
    json_end_line(&s->json);
}
