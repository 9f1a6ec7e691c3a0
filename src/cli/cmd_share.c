/* kith share: hash a file or folder, print its link, and give it to whoever asks. */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/qr.h"
#include "cli/session.h"
#include <stdlib.h>
#include <string.h>

static struct share_options {
    bool super_seed, no_qr;
} how;
static struct torrent_options torrent_is;
static struct network_options network;
static struct output_options output;

#define AT(field) offsetof(struct share_options, field)
static const struct option_spec share_specs[] = {
    {0, "super-seed", NULL, OPTION_FLAG, AT(super_seed), "send little more than one copy (BEP 16)"},
    {0, "no-qr", NULL, OPTION_FLAG, AT(no_qr), "no QR code"},
    {0},
};
#undef AT

static const struct json_doc share_json[] = {
    {"progress", "once a second while it hashes and shares: " PROGRESS_MEMBERS},
    {"link", "once the link is there: as progress, and link"},
    {"peer", "a peer has connected: text (its address)"},
    {"copy", "somebody else has all of it now: copies"},
    {"tracker", "a tracker has answered or failed: text, error (a word, or null)"},
    {"warning", "something that one should know: text"},
    {"trouble", "text, error"},
    {NULL},
};

const struct command_spec share_spec = {
    .name = "share",
    .operands = "PATH",
    .summary = "share a file or folder and print its link",
    .text = "Reads the data where it stands, prints one line on standard output, the link, and "
            "shares until Ctrl-C. Whoever fetches it shares it too. Everything else goes to "
            "standard error, so that kith share PATH > link works; on a terminal it shows the link "
            "as a QR code, too.\n\n"
            "It says when the first peer is here and when a complete copy is elsewhere: then it "
            "may be stopped. Data that has not changed is not hashed again next time.",
    .examples = "  kith share ~/trek\n  kith share -q film.mkv > link.txt",
    .groups = {{"Sharing", share_specs, &how}, {"Network", network_specs, &network},
        {"Torrent", torrent_specs, &torrent_is}, {"Output", output_specs, &output}},
    .json = share_json,
};

/* ---- events -------------------------------------------------------------------------------- */

static void show_link(struct session *s, struct kith_torrent *t)
{
    const char *link = kith_link(t, 1);
    struct kith_status st;
    KITH_INIT(st);
    term_clear(&s->term);
    if (!link || kith_status(t, &st) != 0)
        return;
    if (s->output->json) {
        progress_json(s, "link", &st);
        json_put_text(&s->json, "link", link);
        json_close_object(&s->json);
        json_end_line(&s->json);
        return;
    }
    if (s->term.interactive && !how.no_qr && !s->output->quiet)
        qr_print(stderr, link, s->term.columns, s->term.unicode);
    printf("%s\n", link);
    if (fflush(stdout) != 0) /* the end says why: what nobody can reach is not shared */
        return;
    term_note(
        &s->term, "Send this link; keep kith running until somebody has it all. Ctrl-C stops.");
}

/* A link that is sent to friends elsewhere should name the address that they can reach: the router
 * gets a moment to say it. */
#define ROUTER_PATIENCE_MS 3000
static int64_t link_due; /* 0: it is shown, or not there yet */

static void show_link_in_time(struct session *s, struct kith_torrent *t)
{
    struct kith_network n;
    KITH_INIT(n);
    if (link_due == 0)
        return;
    bool waits = kith_network(s->node, &n) == 0 && n.asking_router;
    if (waits && session_now_ms() < link_due)
        return;
    link_due = 0;
    show_link(s, t);
}

static uint32_t copies_seen; /* the most complete copies at a time */

/* What the people who share want to know: is it safe to stop? */
static void show_copy(struct session *s, const struct kith_status *st)
{
    if (st->full_copies_elsewhere <= copies_seen)
        return;
    copies_seen = st->full_copies_elsewhere;
    if (s->output->json) {
        json_open_object(&s->json);
        json_put_text(&s->json, "type", "copy");
        json_put_unsigned(&s->json, "copies", copies_seen);
        json_close_object(&s->json);
        json_end_line(&s->json);
    }
    term_note(&s->term, "%u complete cop%s elsewhere: you may stop.", copies_seen,
        copies_seen == 1 ? "y" : "ies");
}

/* The first is news; the rest is in the progress. */
static void show_peer(struct session *s, const struct kith_event *e)
{
    static bool any;
    progress_event(s, "peer", e);
    if (!any)
        term_note(&s->term, "the first peer is here: %s", kith_event_text(e));
    else if (s->output->verbose)
        term_note(&s->term, "%s is here", kith_event_text(e));
    any = true;
}

static void add_peers(struct session *s, struct kith_torrent *t)
{
    for (size_t i = 0; i < network.peers.count; i++) {
        const char *peer = network.peers.items[i];
        int err = kith_add_peer(t, peer);
        if (err == KITH_E_SYNTAX)
            term_error(&s->term, "%s is not HOST:PORT", peer);
        else if (err == KITH_E_LIMIT)
            term_error(&s->term, "%s: too many peers by name", peer);
        else if (err)
            term_error(&s->term, "%s: %s", peer, kith_strerror(err));
    }
}

/* -1: go on; else the exit code. */
static int handle(struct session *s, const struct kith_event *e)
{
    struct kith_torrent *t = kith_event_torrent(e);
    struct kith_status st;
    KITH_INIT(st);
    switch (kith_event_type(e)) {
    case KITH_EVENT_READY:
        link_due = session_now_ms() + ROUTER_PATIENCE_MS;
        add_peers(s, t);
        return -1;
    case KITH_EVENT_PEER:
        show_peer(s, e);
        return -1;
    case KITH_EVENT_COPY:
        if (kith_status(t, &st) == 0)
            show_copy(s, &st);
        return -1;
    case KITH_EVENT_TROUBLE:
        progress_event(s, "trouble", e);
        term_error(&s->term, "%s", kith_event_text(e));
        return exit_code_of(kith_event_error(e));
    case KITH_EVENT_TRACKER:
    case KITH_EVENT_WARNING:
    case KITH_EVENT_DHT_CROWD:
        progress_news(s, e);
        return -1;
    default:
        return -1;
    }
}

/* Whoever is connected and has not got everything loses us now. */
static void say_goodbye(struct session *s, struct kith_torrent *t)
{
    struct kith_status st;
    KITH_INIT(st);
    if (kith_status(t, &st) != 0 || st.state != KITH_STATE_SEEDING)
        return;
    if (term_is_gone())
        return;
    uint32_t lacking = st.peers_connected - st.full_copies_elsewhere;
    if (st.peers_connected > st.full_copies_elsewhere)
        term_note(&s->term, "stopped; %u of %u peer%s still lack%s data", lacking,
            st.peers_connected, st.peers_connected == 1 ? "" : "s", lacking == 1 ? "s" : "");
    else if (copies_seen > 0)
        term_note(&s->term, "stopped; nobody who is connected lacks data");
    else
        term_note(
            &s->term, "stopped; nobody has all of it yet. The same command goes on sharing it.");
}

static int run(struct session *s, struct kith_torrent *t)
{
    struct kith_status st;
    while (!session_interrupted()) {
        const struct kith_event *e;
        KITH_INIT(st);
        session_wait(s, 250);
        while ((e = kith_next_event(s->node)) != NULL) {
            int code = handle(s, e);
            if (code >= 0)
                return code;
        }
        show_link_in_time(s, t);
        progress_show(s, t);
        if (kith_status(t, &st) == 0)
            progress_tick(s, &st);
    }
    say_goodbye(s, t);
    return EXIT_OK;
}

int cmd_share(int argc, char **argv)
{
    const char *path;
    struct session s;
    struct kith_share share;
    struct kith_torrent *torrent;
    int count = args_parse(&share_spec, argc, argv, &path, 1);
    if (count != 1) {
        if (count == 0)
            fputs("kith share: say which file or folder (see 'kith help share')\n", stderr);
        return EXIT_USAGE;
    }
    struct session_config config = {.network = &network, .output = &output};
    session_remember(&config, "share", 5, path);
    int code = session_open(&s, &config);
    if (code)
        return code;
    KITH_INIT(share);
    share.path = path;
    share.format = torrent_is.format;
    share.piece_length = torrent_piece_length(&torrent_is);
    share.is_private = torrent_is.is_private;
    share.trackers = torrent_is.trackers.items;
    share.tracker_count = torrent_is.trackers.count;
    share.web_seeds = torrent_is.web_seeds.items;
    share.web_seed_count = torrent_is.web_seeds.count;
    share.comment = torrent_is.comment;
    share.source = torrent_is.source;
    int err = kith_share(s.node, &share, &torrent);
    if (err) {
        term_error(&s.term, "%s: %s", kith_last_error(s.node), kith_strerror(err));
        code = exit_code_of(err);
    } else {
        kith_set_super_seeding(torrent, how.super_seed);
        code = run(&s, torrent);
    }
    session_close(&s);
    return code;
}
