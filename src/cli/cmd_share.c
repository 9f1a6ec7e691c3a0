/* kith share: hash a file or folder, print its link, and give it to whoever asks. */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/options.h"
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

static const struct command_spec spec = {
    .name = "share",
    .operands = "PATH",
    .summary = "share a file or folder and print its link",
    .text = "Reads the data where it stands, prints one line on standard output, the link, and\n"
            "shares until Ctrl-C. Whoever fetches it shares it too. Everything else goes to\n"
            "standard error, so link=$(kith share ...) works in the background.",
    .examples = "  kith share ~/trek\n  kith share -q film.mkv > link.txt",
    .groups = {{"Sharing", share_specs, &how}, {"Network", network_specs, &network},
        {"Torrent", torrent_specs, &torrent_is}, {"Output", output_specs, &output}},
};

const struct command_spec *share_spec(void)
{
    return &spec;
}

/* ---- events
 * ------------------------------------------------------------------------------------------- */

static void show_link(struct session *s, struct kith_torrent *t)
{
    const char *link = kith_link(t, 1);
    struct kith_status st;
    KITH_INIT(st);
    term_clear(&s->term);
    if (!link || kith_status(t, &st) != 0)
        return;
    if (s->output->json) {
        session_json_status(s, "link", &st);
        json_put_text(&s->json, "link", link);
        json_close_object(&s->json);
        json_end_line(&s->json);
        return;
    }
    if (s->term.interactive && s->term.unicode && !how.no_qr && !s->output->quiet)
        qr_print(stderr, link, s->term.columns);
    printf("%s\n", link);
    fflush(stdout);
    term_note(
        &s->term, "Send this link; keep kith running until somebody has it all. Ctrl-C stops.");
}

/* What the people who share want to know: is it safe to stop? */
static void show_copy(struct session *s, const struct kith_status *st)
{
    static uint32_t most;
    if (st->full_copies_elsewhere <= most)
        return;
    most = st->full_copies_elsewhere;
    term_note(
        &s->term, "%u complete cop%s elsewhere: you may stop.", most, most == 1 ? "y" : "ies");
}

/* -1: go on; else the exit code. */
static int handle(struct session *s, const struct kith_event *e)
{
    struct kith_torrent *t = kith_event_torrent(e);
    struct kith_status st;
    KITH_INIT(st);
    switch (kith_event_type(e)) {
    case KITH_EVENT_READY:
        show_link(s, t);
        for (size_t i = 0; i < network.peers.count; i++)
            if (kith_add_peer(t, network.peers.items[i]) != 0)
                term_error(&s->term, "%s is not a numeric HOST:PORT", network.peers.items[i]);
        return -1;
    case KITH_EVENT_PEER:
        term_note(&s->term, "%s is here", kith_event_text(e));
        return -1;
    case KITH_EVENT_COPY:
        if (kith_status(t, &st) == 0)
            show_copy(s, &st);
        return -1;
    case KITH_EVENT_TRACKER:
        if (kith_event_error(e) || s->output->verbose)
            term_note(&s->term, "tracker %s", kith_event_text(e));
        return -1;
    case KITH_EVENT_TROUBLE:
        term_error(&s->term, "%s", kith_event_text(e));
        return exit_code_of(kith_event_error(e));
    default:
        return -1;
    }
}

static int run(struct session *s, struct kith_torrent *t)
{
    while (!session_interrupted()) {
        session_wait(s, 250);
        const struct kith_event *e;
        while ((e = kith_next_event(s->node)) != NULL) {
            int code = handle(s, e);
            if (code >= 0)
                return code;
        }
        session_show_progress(s, t);
    }
    struct kith_status st;
    KITH_INIT(st);
    if (kith_status(t, &st) == 0 && st.peers_connected > st.full_copies_elsewhere)
        term_note(&s->term, "stopped; %u of %u peers still lack data",
            st.peers_connected - st.full_copies_elsewhere, st.peers_connected);
    return EXIT_OK;
}

int cmd_share(int argc, char **argv)
{
    const char *paths[2];
    struct session s;
    struct kith_share share;
    struct kith_torrent *torrent;
    int count = args_parse(&spec, argc, argv, paths, 2);
    if (count != 1) {
        if (count >= 0)
            fputs("kith share: say which file or folder (see 'kith help share')\n", stderr);
        return EXIT_USAGE;
    }
    struct session_config config = {.network = &network, .output = &output};
    session_remember(&config, "share", 5, paths[0]);
    int code = session_open(&s, &config);
    if (code)
        return code;
    KITH_INIT(share);
    share.path = paths[0];
    share.format = torrent_is.format;
    share.piece_length = (uint32_t)torrent_is.piece_length;
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
