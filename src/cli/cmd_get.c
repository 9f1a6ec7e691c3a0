/* kith get: fetch what a link or torrent names, verify it, say where it is, and go on sharing it.
 */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/getting.h"
#include "cli/input.h"
#include "cli/options.h"
#include "cli/progress.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct get_options wanted = {.folder = "."};
static struct network_options network;
static struct output_options output;

#define AT(field) offsetof(struct get_options, field)
static const struct option_spec get_specs[] = {
    {'o', "output", "FOLDER", OPTION_TEXT, AT(folder),
        "where to put it (here); - sends one file to standard output, in order"},
    {0, "files", "GLOB", OPTION_TEXT, AT(files), "only files whose path matches"},
    {0, "list", NULL, OPTION_FLAG, AT(list), "show what is in it and leave"},
    {0, "exit", NULL, OPTION_FLAG, AT(exit_when_done), "leave when it is complete, do not share"},
    {0, "seed", NULL, OPTION_FLAG, AT(seed),
        "share until stopped (so it is, unless said otherwise)"},
    {0, "ratio", "N", OPTION_REAL, AT(ratio), "leave when N times its size was sent"},
    {0, "for", "TIME", OPTION_DURATION, AT(seed_seconds), "share for so long: 30m, 2h"},
    {0, "overwrite", NULL, OPTION_FLAG, AT(overwrite),
        "fetch over what differs in files that are there"},
    {0, "rename", NULL, OPTION_FLAG, AT(rename), "leave such files alone, use another name"},
    {0, "force", NULL, OPTION_FLAG, AT(force), "begin also when there is not room for all of it"},
    {0, "sequential", NULL, OPTION_FLAG, AT(sequential), "in order, for watching meanwhile"},
    {0, "sparse", NULL, OPTION_FLAG, AT(sparse), "do not reserve disk space"},
    {0, "per-file", NULL, OPTION_FLAG, AT(per_file), "a line of progress for each file"},
    {0},
};
#undef AT

static const struct json_doc get_json[] = {
    {"torrent", "when it is known what is in it: name, size, files (of path and length), free"},
    {"progress", "once a second: " PROGRESS_MEMBERS},
    {"alone", "after ten seconds without a peer: waiting_for, advice"},
    {"tracker", "a tracker has answered or failed: text, error (a word, or null)"},
    {"warning", "something that one should know: text"},
    {"trouble", "error (in words), text; recovered: false"},
    {"recovered", "the trouble has passed by itself"},
    {"complete", "all of it is verified: as progress, and folder, path"},
    {NULL},
};

const struct command_spec get_spec = {
    .name = "get",
    .operands = "[LINK|FILE|URL|-]",
    .summary = "fetch what a link or a .torrent file names",
    .text =
        "Fetches, verifies, says where the data is, and goes on sharing it until Ctrl-C. Data that "
        "is there already is checked and kept; where it holds something else, or was edited since, "
        "nothing is replaced unless --overwrite says so. Stopped at any time, even by a power cut, "
        "the same command "
        "goes on where it was.\n\n"
        "What to fetch is a magnet link, a .torrent file, or the http or https address of one. A "
        "link can be a secret: without an operand it is read from KITH_LINK or asked for, unseen; "
        "- reads it from standard input; a link that was an argument is taken out of the list of "
        "processes.\n\n"
        "With -o -, one file goes to standard output in order while it comes, only what is "
        "verified, for a player to show; its data is kept in the cache until kith ends.",
    .examples = "  kith get 'magnet:?xt=...'\n"
                "  kith get film.torrent -o ~/films --exit\n"
                "  kith get https://example.org/film.torrent --files '*.mkv' -o - | mpv -",
    .groups = {{"Fetching", get_specs, &wanted}, {"Network", network_specs, &network},
        {"Output", output_specs, &output}},
    .json = get_json,
};

/* ---- events -------------------------------------------------------------------------------- */

/* What cannot fit is not begun. */
static bool has_room(struct getting *g)
{
    struct kith_status st;
    char need[16], there[16];
    KITH_INIT(st);
    if (wanted.force || kith_status(g->torrent, &st) != 0)
        return true;
    uint64_t room = get_free_space(st.folder);
    if (st.bytes_left <= room)
        return true;
    term_error(&g->session.term,
        "%s are needed and %s are free in %s (--force begins all the same)",
        human_size(st.bytes_left, need), human_size(room, there), st.folder);
    return false;
}

/* Nor what cannot be written: the first block would tell, but it may be long in coming. */
static bool may_write(struct getting *g)
{
    struct kith_status st;
    KITH_INIT(st);
    if (kith_status(g->torrent, &st) != 0 || st.bytes_left == 0 ||
        get_may_write(st.folder, st.root))
        return true;
    term_error(&g->session.term, "nothing can be written in %s: %s", st.folder, strerror(errno));
    return false;
}

/* The data is open, and what is there has been checked. -1: go on; else the exit code. */
static int ready(struct getting *g)
{
    struct kith_status st;
    KITH_INIT(st);
    g->under_way = true;
    if (!may_write(g))
        return EXIT_PERMISSION;
    if (!has_room(g))
        return EXIT_DISK_FULL;
    if (kith_status(g->torrent, &st) == 0 && st.bytes_done > 0 && st.bytes_left > 0)
        term_note(&g->session.term, "resuming at %d %%",
            (int)((double)st.bytes_done * 100 / (double)st.bytes_total));
    return -1;
}

static int metadata_known(struct getting *g)
{
    get_show_metadata(g);
    if (wanted.list)
        return EXIT_OK;
    int code = g->pours ? pour_begin(&g->pour, g->torrent) : 0;
    g->pouring = g->pours && code == 0;
    return code ? code : -1;
}

static int trouble(struct getting *g, const struct kith_event *e)
{
    struct session *s = &g->session;
    int err = kith_event_error(e);
    bool passes = err == KITH_E_NO_SPACE || err == KITH_E_IO || err == KITH_E_ABSENT;
    progress_event(s, "trouble", e);
    term_error(&s->term, "%s", kith_event_text(e));
    if (g->under_way && passes) {
        term_note(&s->term, "kith goes on by itself when that has passed");
        return -1;
    }
    if (err == KITH_E_ABSENT)
        term_note(&s->term, "If you deleted it, --overwrite fetches it again.");
    return exit_code_of(err);
}

static int conflict(struct getting *g, const struct kith_event *e)
{
    struct kith_status st;
    KITH_INIT(st);
    progress_event(&g->session, "trouble", e);
    kith_status(g->torrent, &st);
    char *what = term_escape(bytes_of_str(st.error_text));
    term_error(&g->session.term, "%s. Nothing was written.", what);
    free(what);
    term_note(&g->session.term, "--overwrite fetches what is wrong there over it, --rename and -o "
                                "FOLDER leave it alone.");
    return EXIT_EXISTS;
}

/* -1: go on; else the exit code. */
static int handle(struct getting *g, const struct kith_event *e)
{
    struct session *s = &g->session;
    switch (kith_event_type(e)) {
    case KITH_EVENT_METADATA:
        return metadata_known(g);
    case KITH_EVENT_COMPLETE:
        get_show_complete(g);
        return wanted.exit_when_done && !g->pours ? EXIT_OK : -1;
    case KITH_EVENT_CONFLICT:
        return conflict(g, e);
    case KITH_EVENT_TROUBLE:
        return trouble(g, e);
    case KITH_EVENT_READY:
        return ready(g);
    case KITH_EVENT_RECOVERED:
        progress_event(s, "recovered", e);
        term_note(&s->term, "going on");
        return -1;
    case KITH_EVENT_TRACKER:
    case KITH_EVENT_WARNING:
    case KITH_EVENT_DHT_CROWD:
        progress_news(s, e);
        return -1;
    default:
        return -1;
    }
}

/* ---- the loop ------------------------------------------------------------------------------ */

static bool shared_enough(const struct kith_status *st, int64_t complete_since)
{
    if (st->state != KITH_STATE_SEEDING || wanted.seed)
        return false;
    if (wanted.seed_seconds > 0 && session_now_ms() - complete_since >= wanted.seed_seconds * 1000)
        return true;
    return wanted.ratio > 0 && (double)st->uploaded >= wanted.ratio * (double)st->bytes_total;
}

static void say_progress(struct getting *g, const struct kith_status *st)
{
    progress_show(&g->session, g->torrent);
    progress_advise(&g->session, st);
    if (!g->pours)
        progress_tick(&g->session, st);
}

/* -1: go on; else the exit code. */
static int take_events(struct getting *g)
{
    const struct kith_event *e;
    int code = -1;
    while (code < 0 && (e = kith_next_event(g->session.node)) != NULL)
        code = handle(g, e);
    return code;
}

static void wait(struct getting *g)
{
    if (g->pouring) {
        session_heed_signals(&g->session.term);
        pour_wait(&g->pour, g->session.node, 250);
    } else {
        session_wait(&g->session, 250);
    }
}

/* A reader who has had enough need not be told. */
static int cannot_pour(struct getting *g)
{
    int error = g->pour.error;
    if (error == EPIPE)
        return EXIT_UNFINISHED;
    term_error(&g->session.term, "standard output: %s", strerror(error));
    return error == ENOSPC ? EXIT_DISK_FULL : EXIT_FAILED;
}

static int run(struct getting *g)
{
    struct kith_status st;
    for (;;) {
        KITH_INIT(st);
        wait(g);
        int code = take_events(g);
        if (code >= 0)
            return code;
        int poured = g->pouring ? pour_some(&g->pour) : 0;
        if (poured)
            return poured > 0 ? EXIT_OK : cannot_pour(g);
        kith_status(g->torrent, &st);
        say_progress(g, &st);
        if (st.state == KITH_STATE_SEEDING && g->complete_since == 0)
            g->complete_since = session_now_ms();
        if (shared_enough(&st, g->complete_since))
            return EXIT_OK;
        if (!session_interrupted())
            continue;
        if (g->complete_since && !g->pours)
            return EXIT_OK;
        term_note(&g->session.term, "stopped; the same command goes on from here");
        return EXIT_UNFINISHED;
    }
}

/* ---- the command --------------------------------------------------------------------------- */

/* Fetches the torrent that the address names. 0, or an exit code after a message. */
static int fetch(struct getting *g, struct builder *input)
{
    struct session *s = &g->session;
    const struct kith_event *e = NULL;
    int err = kith_fetch(s->node, (const char *)input->data, 0);
    while (!err && !session_interrupted()) {
        session_wait(s, 250);
        while ((e = kith_next_event(s->node)) != NULL && kith_event_type(e) != KITH_EVENT_FETCHED)
            ;
        if (e)
            break;
    }
    if (!err && !e)
        return EXIT_UNFINISHED;
    err = err ? err : kith_event_error(e);
    if (err) {
        char *url = term_escape(builder_bytes(input));
        char *why = term_escape(bytes_of_str(e ? kith_event_text(e) : kith_strerror(err)));
        term_error(&s->term, "%s: %s", url, why);
        free(url);
        free(why);
        bool unreachable = err == KITH_E_NETWORK || err == KITH_E_PROTOCOL || err == KITH_E_REFUSED;
        return unreachable ? EXIT_NO_PEERS : exit_code_of(err);
    }
    struct bytes got;
    got.data = kith_fetched(s->node, &got.size);
    builder_free(input);
    *input = builder_heap(got.size + 1);
    builder_span(input, got);
    return input_check(input);
}

/* What a state file remembers besides what is asked for now (an address that leads to another
 * torrent than last time) stays on the disk and is forgotten. */
static void forget_others(struct getting *g)
{
    struct kith_torrent *t;
    for (size_t i = 0; (t = kith_torrent_at(g->session.node, i)) != NULL; i++)
        if (t != g->torrent)
            kith_remove(t);
}

static int add(struct getting *g, const struct builder *input)
{
    struct kith_add add;
    struct kith_status st;
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
    add.sequential = wanted.sequential || g->pours;
    add.sparse = wanted.sparse || g->pours;
    add.metadata_only = wanted.list;
    add.peers = network.peers.items;
    add.peer_count = network.peers.count;
    add.files_wanted = wanted.files;
    int err = kith_add(g->session.node, &add, &g->torrent);
    if (err && !(err == KITH_E_EXISTS && g->torrent)) {
        char *what = term_escape(bytes_of_str(kith_last_error(g->session.node)));
        term_error(&g->session.term, "%s%s%s", what, *what ? ": " : "", kith_strerror(err));
        free(what);
        return err == KITH_E_HASH ? EXIT_BAD_LINK : exit_code_of(err);
    }
    forget_others(g);
    /* Of a link it may be known from last time. */
    KITH_INIT(st);
    bool known = kith_status(g->torrent, &st) == 0 && st.file_count > 0;
    return known ? metadata_known(g) : -1;
}

/* The data that was only kept for the pipe goes. */
static void drop_poured(struct getting *g)
{
    int64_t end = session_now_ms() + 3000;
    pour_end(&g->pour);
    if (!g->torrent)
        return;
    kith_remove_with_data(g->torrent);
    for (bool gone = false; !gone && session_now_ms() < end;) {
        const struct kith_event *e;
        kith_run(g->session.node, 100);
        while ((e = kith_next_event(g->session.node)) != NULL)
            gone |= kith_event_type(e) == KITH_EVENT_REMOVED;
    }
    rmdir(wanted.folder);
}

static int get(struct getting *g, struct builder *input)
{
    struct session_config config = {
        .network = &network, .output = &output, .per_file = wanted.per_file};
    static char where[PATH_MAX];
    if (g->pours) {
        char name[33];
        session_name(input->data, input->size, "", name);
        if (!pour_folder(&g->pour, name, where)) {
            fputs("kith: '-o -' needs a cache: set XDG_CACHE_HOME\n", stderr);
            return EXIT_FAILED;
        }
        wanted.folder = where;
    } else {
        wanted.folder = session_absolute(wanted.folder, where);
    }
    if (!wanted.list && !g->pours)
        session_remember(&config, input->data, input->size, wanted.folder);
    int code = session_open(&g->session, &config);
    if (code)
        return code;
    code = input_is_url((const char *)input->data) ? fetch(g, input) : 0;
    if (!code) {
        code = add(g, input);
        code = code < 0 ? run(g) : code;
    }
    if (g->pours)
        drop_poured(g);
    session_close(&g->session);
    return code;
}

static bool may_be_folder(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISDIR(st.st_mode))
        return true;
    char *shown = term_escape(bytes_of_str(path));
    fprintf(stderr, "kith get: -o %s: this is no folder\n", shown);
    free(shown);
    return false;
}

int cmd_get(int argc, char **argv)
{
    struct getting g = {.wanted = &wanted, .pour = {.in = -1, .hold = -1, .flags = -1}};
    const char *operands[1];
    struct builder input;
    int count = args_parse(&get_spec, argc, argv, operands, 1);
    if (count < 0)
        return EXIT_USAGE;
    const char *operand = count ? operands[0] : NULL;
    if (count == 0 && !getenv("KITH_LINK") && !isatty(STDIN_FILENO)) {
        fputs("kith get: say what to fetch: a link, a .torrent file, or - (see 'kith help get')\n",
            stderr);
        return EXIT_USAGE;
    }
    g.pours = strcmp(wanted.folder, "-") == 0;
    if (!g.pours && !may_be_folder(wanted.folder))
        return EXIT_EXISTS;
    if (g.pours && !wanted.list && isatty(STDOUT_FILENO)) {
        fputs("kith get: '-o -' is for a pipe or a file: kith get ... -o - | mpv -\n", stderr);
        return EXIT_USAGE;
    }
    session_take_signals(); /* the prompt must not leave the terminal mute */
    int code = input_take(operand, &input);
    if (code != EXIT_OK)
        return code;
    input_blank(operand);
    code = get(&g, &input);
    builder_free(&input);
    return code;
}
