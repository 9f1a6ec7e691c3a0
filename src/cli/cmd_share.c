/* kith share: hash a file or folder, print its link, and give it to whoever asks. */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/qr.h"
#include "cli/session.h"
#include <stdlib.h>
#include <string.h>

static struct session_options options = {0};
static struct text_list trackers, web_seeds, peers;
static const char *comment;
static uint64_t piece_length;
static int format;
static bool is_private, super_seed;

static struct option_spec specs[] = {
    {'t', "tracker", "URL", OPTION_LIST, &trackers, "announce to this tracker (repeat for more)"},
    {'w', "web-seed", "URL", OPTION_LIST, &web_seeds, "also served at this address"},
    {'p', "peer", "HOST:PORT", OPTION_LIST, &peers, "also offer it to this peer"},
    {0, "private", NULL, OPTION_FLAG, &is_private, "peers only from the trackers (BEP 27)"},
    {0, "super-seed", NULL, OPTION_FLAG, &super_seed, "send little more than one copy (BEP 16)"},
    {0, "format", "hybrid|v1|v2", OPTION_CHOICE, &format, "kind of torrent (hybrid)"},
    {0, "piece-length", "SIZE", OPTION_SIZE, &piece_length, "16K to 16M; chosen if not given"},
    {0, "comment", "TEXT", OPTION_TEXT, &comment, "a comment in the torrent"},
    {'P', "port", "PORT", OPTION_NUMBER, &options.port, "listen on this port (any)", false, 0,
        65535},
    {0, "listen", "ADDRESS", OPTION_TEXT, &options.listen, "listen on this address only"},
    {0, "upload", "RATE", OPTION_SIZE, &options.upload_max, "at most this many bytes a second"},
    {0, "no-lsd", NULL, OPTION_FLAG, &options.no_lsd, "do not look for peers on the local network"},
    {0, "encryption", "prefer|require|off", OPTION_CHOICE, &options.encryption,
        "of connections (prefer)"},
    {0, "no-qr", NULL, OPTION_FLAG, &options.no_qr, "no QR code"},
    {0, "json", NULL, OPTION_FLAG, &options.json, "one JSON object a line on standard output"},
    {'q', "quiet", NULL, OPTION_FLAG, &options.quiet, "nothing but the link"},
    {'v', "verbose", NULL, OPTION_COUNT, &options.verbose, "say more; twice: much more"},
    {0, "color", "auto|always|never", OPTION_CHOICE, &options.colour, "colours (auto)"},
    {0},
};

static const struct command_spec spec = {
    .name = "share",
    .operands = "PATH",
    .summary = "share a file or folder and print its link",
    .text = "Reads the data where it stands, prints one line on standard output, the link, and\n"
            "shares until Ctrl-C. Whoever fetches it shares it too. Everything else goes to\n"
            "standard error, so link=$(kith share ...) works in the background.",
    .examples = "  kith share ~/trek\n  kith share -q film.mkv > link.txt",
    .options = specs,
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
    if (s->options.json) {
        session_json_status(s, "link", &st);
        json_put_text(&s->json, "link", link);
        json_close_object(&s->json);
        json_end_line(&s->json);
        return;
    }
    if (s->term.interactive && s->term.unicode && !s->options.no_qr && !s->options.quiet)
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
        for (size_t i = 0; i < peers.count; i++)
            if (kith_add_peer(t, peers.items[i]) != 0)
                term_error(&s->term, "%s is not a numeric HOST:PORT", peers.items[i]);
        return -1;
    case KITH_EVENT_PEER:
        term_note(&s->term, "%s is here", kith_event_text(e));
        return -1;
    case KITH_EVENT_COPY:
        if (kith_status(t, &st) == 0)
            show_copy(s, &st);
        return -1;
    case KITH_EVENT_TRACKER:
        if (kith_event_error(e) || s->options.verbose)
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
    session_remember(&options, "share", 5, paths[0]);
    int code = session_open(&s, &options);
    if (code)
        return code;
    KITH_INIT(share);
    share.path = paths[0];
    share.format = format;
    share.piece_length = (uint32_t)piece_length;
    share.is_private = is_private;
    share.trackers = trackers.items;
    share.tracker_count = trackers.count;
    share.web_seeds = web_seeds.items;
    share.web_seed_count = web_seeds.count;
    share.comment = comment;
    int err = kith_share(s.node, &share, &torrent);
    if (err) {
        term_error(&s.term, "%s: %s", kith_last_error(s.node), kith_strerror(err));
        code = exit_code_of(err);
    } else {
        kith_set_super_seeding(torrent, super_seed);
        code = run(&s, torrent);
    }
    session_close(&s);
    return code;
}
