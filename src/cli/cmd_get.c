/* kith get: fetch what a link or torrent names, verify it, say where it is, and go on sharing it.
 */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/input.h"
#include "cli/options.h"
#include "cli/session.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static struct get_options {
    const char *folder, *files;
    bool exit_when_done, force, overwrite, rename, sequential, sparse, list;
    double ratio;
    int64_t seed_seconds;
} wanted = {.folder = "."};
static struct network_options network;
static struct output_options output;

#define AT(field) offsetof(struct get_options, field)
static const struct option_spec get_specs[] = {
    {'o', "output", "FOLDER", OPTION_TEXT, AT(folder), "where to put it (here)"},
    {0, "exit", NULL, OPTION_FLAG, AT(exit_when_done), "leave when it is complete, do not share"},
    {0, "ratio", "N", OPTION_REAL, AT(ratio), "leave when N times its size was sent"},
    {0, "for", "TIME", OPTION_DURATION, AT(seed_seconds), "share for so long: 30m, 2h"},
    {0, "files", "GLOB", OPTION_TEXT, AT(files), "only files whose path matches"},
    {0, "list", NULL, OPTION_FLAG, AT(list), "show what is in it and leave"},
    {0, "overwrite", NULL, OPTION_FLAG, AT(overwrite), "replace files that hold something else"},
    {0, "rename", NULL, OPTION_FLAG, AT(rename), "leave such files alone, use another name"},
    {0, "force", NULL, OPTION_FLAG, AT(force), "begin also when there is not room for all of it"},
    {0, "sequential", NULL, OPTION_FLAG, AT(sequential), "in order, for watching meanwhile"},
    {0, "sparse", NULL, OPTION_FLAG, AT(sparse), "do not reserve disk space"},
    {0},
};
#undef AT

static const struct command_spec spec = {
    .name = "get",
    .operands = "LINK|FILE|-",
    .summary = "fetch what a link or a .torrent file names",
    .text = "Fetches, verifies, says where the data is, and goes on sharing it until Ctrl-C. Data\n"
            "that is there already is checked and kept. A link can be a secret: without an\n"
            "operand it is read from KITH_LINK or asked for; '-' reads it from standard input.",
    .examples = "  kith get 'magnet:?xt=...'\n  kith get film.torrent -o ~/films --exit",
    .groups = {{"Fetching", get_specs, &wanted}, {"Network", network_specs, &network},
        {"Output", output_specs, &output}},
};

const struct command_spec *get_spec(void)
{
    return &spec;
}

/* ---- events
 * ------------------------------------------------------------------------------------------------
 */

static void show_name(struct session *s, struct kith_torrent *t)
{
    struct kith_status st;
    char size[16];
    KITH_INIT(st);
    if (kith_status(t, &st) != 0 || st.bytes_total == 0)
        return;
    char *name = term_escape(bytes_of_str(st.name));
    term_note(&s->term, "%s: %s in %u file%s", name, human_size(st.bytes_total, size),
        st.file_count, st.file_count == 1 ? "" : "s");
    free(name);
}

static void show_files(struct session *s, struct kith_torrent *t)
{
    struct kith_file f;
    char size[16];
    KITH_INIT(f);
    for (uint32_t i = 0; kith_file(t, i, &f) == 0; i++) {
        char *path = term_escape(bytes_of_str(f.path));
        if (f.priority > 0)
            printf("%10s  %s\n", human_size(f.length, size), path);
        free(path);
    }
    (void)s;
}

static void show_complete(struct session *s, struct kith_torrent *t)
{
    struct kith_status st;
    char where[PATH_MAX], size[16];
    KITH_INIT(st);
    if (kith_status(t, &st) != 0)
        return;
    const char *base = realpath(st.folder, where) ? where : st.folder;
    if (s->output->json) {
        session_json_status(s, "complete", &st);
        json_put_text(&s->json, "folder", base);
        json_close_object(&s->json);
        json_end_line(&s->json);
        return;
    }
    char *name = term_escape(bytes_of_str(st.name));
    term_note(&s->term, "complete and verified: %s/%s (%s)", base, name,
        human_size(st.bytes_total, size));
    free(name);
    if (!wanted.exit_when_done)
        term_note(&s->term, "Sharing it with others now; Ctrl-C stops.");
}

static bool under_way; /* the data is open: trouble from now on may pass */

static bool passes_by_itself(int error)
{
    return error == KITH_E_NO_SPACE || error == KITH_E_IO || error == KITH_E_ABSENT;
}

/* What cannot fit is not begun. */
static bool has_room(struct session *s, struct kith_torrent *t)
{
    struct kith_status st;
    struct statvfs disk;
    char need[16], there[16];
    KITH_INIT(st);
    if (wanted.force || kith_status(t, &st) != 0 || statvfs(st.folder, &disk) != 0)
        return true;
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (st.bytes_left <= room)
        return true;
    term_error(&s->term, "%s are needed and %s are free in %s (--force begins all the same)",
        human_size(st.bytes_left, need), human_size(room, there), st.folder);
    return false;
}

/* -1: go on; else the exit code. */
static int handle(struct session *s, const struct kith_event *e)
{
    struct kith_torrent *t = kith_event_torrent(e);
    switch (kith_event_type(e)) {
    case KITH_EVENT_METADATA:
        show_name(s, t);
        if (wanted.list)
            show_files(s, t);
        return wanted.list ? EXIT_OK : -1;
    case KITH_EVENT_COMPLETE:
        show_complete(s, t);
        return wanted.exit_when_done ? EXIT_OK : -1;
    case KITH_EVENT_CONFLICT:
        term_error(&s->term,
            "%s holds something else. Choose another folder with -o, --rename, or --overwrite.",
            kith_event_text(e));
        return EXIT_EXISTS;
    case KITH_EVENT_TROUBLE:
        term_error(&s->term, "%s", kith_event_text(e));
        if (under_way && passes_by_itself(kith_event_error(e))) {
            term_note(&s->term, "kith goes on by itself when that has passed");
            return -1;
        }
        if (kith_event_error(e) == KITH_E_ABSENT)
            term_note(&s->term, "If you deleted it, --overwrite fetches it again.");
        return exit_code_of(kith_event_error(e));
    case KITH_EVENT_READY:
        under_way = true;
        return has_room(s, t) ? -1 : EXIT_DISK_FULL;
    case KITH_EVENT_RECOVERED:
        term_note(&s->term, "going on");
        return -1;
    case KITH_EVENT_TRACKER:
        if (kith_event_error(e) || s->output->verbose)
            term_note(&s->term, "tracker %s", kith_event_text(e));
        return -1;
    default:
        return -1;
    }
}

static bool shared_enough(const struct kith_status *st, int64_t complete_since)
{
    if (st->state != KITH_STATE_SEEDING)
        return false;
    if (wanted.seed_seconds > 0 && session_now_ms() - complete_since >= wanted.seed_seconds * 1000)
        return true;
    return wanted.ratio > 0 && (double)st->uploaded >= wanted.ratio * (double)st->bytes_total;
}

static int run(struct session *s, struct kith_torrent *t)
{
    int64_t complete_since = 0, last_json = 0;
    for (;;) {
        struct kith_status st;
        KITH_INIT(st);
        session_wait(s, 250);
        const struct kith_event *e;
        while ((e = kith_next_event(s->node)) != NULL) {
            int code = handle(s, e);
            if (code >= 0)
                return code;
        }
        session_show_progress(s, t);
        kith_status(t, &st);
        if (st.state == KITH_STATE_SEEDING && complete_since == 0)
            complete_since = session_now_ms();
        if (s->output->json && session_now_ms() - last_json >= 1000) {
            last_json = session_now_ms();
            session_json_status(s, "progress", &st);
            json_close_object(&s->json);
            json_end_line(&s->json);
        }
        if (shared_enough(&st, complete_since))
            return EXIT_OK;
        if (!session_interrupted())
            continue;
        if (complete_since)
            return EXIT_OK;
        term_note(&s->term, "stopped; the same command goes on from here");
        return EXIT_UNFINISHED;
    }
}

static int start(struct session *s, const struct builder *input, struct kith_torrent **out)
{
    struct kith_add add;
    KITH_INIT(add);
    bool link = input_is_link((const char *)input->data);
    if (link) {
        add.link = (const char *)input->data;
    } else {
        add.torrent = input->data;
        add.torrent_size = input->size;
    }
    add.folder = wanted.folder;
    add.existing = wanted.overwrite ? KITH_EXISTING_OVERWRITE
                   : wanted.rename  ? KITH_EXISTING_RENAME
                                    : KITH_EXISTING_REFUSE;
    add.sequential = wanted.sequential;
    add.sparse = wanted.sparse;
    add.metadata_only = wanted.list;
    add.peers = network.peers.items;
    add.peer_count = network.peers.count;
    add.files_wanted = wanted.files;
    int err = kith_add(s->node, &add, out);
    if (err == 0 && !link) {
        show_name(s, *out);
        if (wanted.list)
            show_files(s, *out);
    }
    return err;
}

int cmd_get(int argc, char **argv)
{
    const char *operands[2];
    struct session s;
    struct kith_torrent *torrent;
    struct builder input;
    char where[PATH_MAX];
    int count = args_parse(&spec, argc, argv, operands, 1);
    if (count < 0)
        return EXIT_USAGE;
    if (count == 0 && !getenv("KITH_LINK") && !isatty(STDIN_FILENO)) {
        fputs("kith get: say what to fetch: a link, a .torrent file, or - (see 'kith help get')\n",
            stderr);
        return EXIT_USAGE;
    }
    if (input_take(count ? operands[0] : NULL, &input) != 0)
        return EXIT_NO_PEERS;
    session_take_signals();
    input_blank(count ? operands[0] : NULL);
    builder_text(&input);
    wanted.folder = session_absolute(wanted.folder, where);
    struct session_config config = {.network = &network, .output = &output};
    if (!wanted.list)
        session_remember(&config, input.data, input.size, wanted.folder);
    int code = session_open(&s, &config);
    if (code)
        return code;
    int err = start(&s, &input, &torrent);
    if (err && !(err == KITH_E_EXISTS && torrent)) {
        char *what = term_escape(bytes_of_str(kith_last_error(s.node)));
        term_error(&s.term, "%s%s%s", what, *what ? ": " : "", kith_strerror(err));
        free(what);
        code = err == KITH_E_HASH ? EXIT_BAD_LINK : exit_code_of(err);
    } else {
        code = wanted.list && torrent && input.data[0] == 'd' ? EXIT_OK : run(&s, torrent);
    }
    builder_free(&input);
    session_close(&s);
    return code;
}
