/* kith create: make a .torrent of a file or folder. */
#include "base/err.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/link_text.h"
#include "cli/options.h"
#include "cli/result_file.h"
#include "cli/work.h"
#include "format/metainfo.h"
#include "store/create/create.h"
#include <errno.h>
#include <kith.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CROSS_SEED_BYTES 16u
#define TRACKER_TEXT_MAX ((size_t)4 << 20) /* bytes */

static struct create_command {
    const char *file, *name;
    struct text_list exclude;
    bool no_date, dry_run, force, skip_problems, cross_seed;
} how;
static struct torrent_options torrent_is;
static struct output_options output;

#define AT(field) offsetof(struct create_command, field)
static const struct option_spec create_specs[] = {
    {'o', "output", "FILE", OPTION_TEXT, AT(file),
        "where to write it (NAME.torrent); - is standard output", "outfile",
        .no_environment = true},
    {'n', "name", "NAME", OPTION_TEXT, AT(name), "another name than that of the file or folder"},
    {'d', "no-date", NULL, OPTION_FLAG, AT(no_date), "no creation date: the same bytes each time"},
    {0, "skip-problems", NULL, OPTION_FLAG, AT(skip_problems), "leave out what cannot be read"},
    {'e', "exclude", "GLOB", OPTION_LIST, AT(exclude),
        "leave out what it matches: a name, or a path below PATH (repeat for more)"},
    {'x', "cross-seed", NULL, OPTION_FLAG, AT(cross_seed),
        "a random entry: another info-hash than anybody else's torrent of the same data",
        .no_environment = true},
    {0, "dry-run", NULL, OPTION_FLAG, AT(dry_run), "say what would be in it, hash nothing"},
    {'f', "force", NULL, OPTION_FLAG, AT(force), "replace an existing output file",
        .no_environment = true},
    {0},
};
#undef AT

static const struct json_doc create_json[] = {
    {"created", "file (null after a dry run), info_hash_v1, info_hash_v2, magnet, piece_length, "
                "files, size"},
    {NULL},
};

const struct command_spec create_spec = {
    .name = "create",
    .operands = "PATH",
    .summary = "make a .torrent of a file or folder",
    .text =
        "Hashes on all cores and writes a torrent that every client reads: both formats (a hybrid) "
        "unless --format says otherwise. Prints its hashes and its link. The same data and options "
        "give the same bytes, with --no-date or SOURCE_DATE_EPOCH also on another day.\n\n"
        "The letters are those of transmission-create and mktorrent, as far as they agree. A piece "
        "size below 16K without a unit counts KiB, as there.",
    .examples = "  kith create ~/trek\n"
                "  kith create -e '*.part' -e .git ~/project\n"
                "  kith create -p -t https://example.org/announce -o t.torrent film.mkv",
    .groups = {{"Creating", create_specs, &how}, {"Torrent", torrent_specs, &torrent_is},
        {"Output", output_specs, &output}},
    .json = create_json,
};

struct creation {
    struct work work;
    struct create *create;
    struct builder file; /* where it goes */
    struct result_file out;
    int code;
};

/* ---- what is to be made -------------------------------------------------------------------- */

static int64_t date(struct env *env)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    if (how.no_date)
        return 0;
    return epoch ? strtoll(epoch, NULL, 10) : env_time_unix(env);
}

static void draw_mark(struct env *env, char out[2 * CROSS_SEED_BYTES + 1])
{
    uint8_t raw[CROSS_SEED_BYTES];
    env_random(env, raw, sizeof raw);
    hex_encode(raw, sizeof raw, out);
}

/* ---- the result ---------------------------------------------------------------------------- */

static void show_note(struct creation *c, const struct scan_note *n)
{
    bool left_out = n->kind < SCAN_UNREADABLE || how.skip_problems;
    char *path = term_escape(bytes_of_str(n->path));
    term_note(&c->work.term, "%s%s %s%s%s", left_out ? "left out: " : "", path,
        scan_note_text(n->kind), n->kind == SCAN_UNREADABLE ? ": " : "",
        n->kind == SCAN_UNREADABLE ? kith_strerror(n->err) : "");
    free(path);
}

/* `told`: how many of them the error has named. */
static void show_notes(struct creation *c, const struct scan *scan, size_t told)
{
    for (size_t i = told; scan && i < scan->note_count; i++)
        show_note(c, &scan->notes[i]);
    if (scan && scan->excluded > 0)
        term_note(&c->work.term, "left out by --exclude: %llu file%s or folder%s",
            (unsigned long long)scan->excluded, scan->excluded == 1 ? "" : "s",
            scan->excluded == 1 ? "" : "s");
    else if (scan && how.exclude.count > 0)
        term_note(&c->work.term, "nothing matches --exclude");
}

static char *link_of(struct bytes torrent)
{
    struct metainfo *m;
    struct format_error error;
    if (metainfo_parse_torrent(torrent, &m, &error) != 0)
        return NULL;
    char *link = link_of_metainfo(m);
    metainfo_unref(m);
    return link;
}

/* On standard output, unless the torrent itself is there. */
static void say_words(struct creation *c, const struct create_result *r, const char *link)
{
    FILE *to = c->out.is_stdout ? stderr : stdout;
    char hex[65], size[16];
    fprintf(to, "%s  %s in %zu file%s, pieces of %u KiB\n",
        how.dry_run ? "(nothing written)" : builder_text(&c->file),
        human_size(r->scan->total_size, size), r->scan->count, r->scan->count == 1 ? "" : "s",
        r->piece_length >> 10);
    hex_encode(r->v1.b, sizeof r->v1.b, hex);
    if (r->has_v1)
        fprintf(to, "info-hash v1  %s\n", hex);
    hex_encode(r->v2.b, sizeof r->v2.b, hex);
    if (r->has_v2)
        fprintf(to, "info-hash v2  %s\n", hex);
    if (link)
        fprintf(to, "%s\n", link);
}

static void say_result(struct creation *c, const struct create_result *r)
{
    bool said = c->work.as_json || !output.quiet;
    char *link = said && r->torrent.size ? link_of(r->torrent) : NULL;
    struct json *j = &c->work.json;
    if (c->work.as_json) {
        json_open_object(j);
        json_put_text(j, "type", "created");
        json_put_text(j, "file", how.dry_run ? NULL : builder_text(&c->file));
        json_put_hash(j, "info_hash_v1", r->has_v1, r->v1.b, sizeof r->v1.b);
        json_put_hash(j, "info_hash_v2", r->has_v2, r->v2.b, sizeof r->v2.b);
        json_put_text(j, "magnet", link);
        json_put_unsigned(j, "piece_length", r->piece_length);
        json_put_unsigned(j, "files", r->scan->count);
        json_put_unsigned(j, "size", r->scan->total_size);
        json_close_object(j);
        json_end_line(j);
    } else if (!output.quiet) {
        say_words(c, r, link);
    }
    free(link);
}

static int say_unwritten(struct creation *c, int error)
{
    char *shown = term_escape(bytes_of_str(builder_text(&c->file)));
    term_error(&c->work.term, "%s: %s%s", shown, strerror(error),
        error == EEXIST ? " (--force replaces it)" : "");
    free(shown);
    return exit_code_of(err_from_errno(error));
}

static bool is_problem(const struct scan *scan)
{
    return scan && scan->note_count > 0 && scan->notes[0].kind >= SCAN_UNREADABLE;
}

static int say_failed(
    struct creation *c, int err, const struct create_result *r, const char *detail)
{
    const struct scan *scan = r ? r->scan : NULL;
    char *text = term_escape(bytes_of_str(detail));
    term_error(&c->work.term, "%s", *text ? text : kith_strerror(err));
    free(text);
    show_notes(c, scan, is_problem(scan) ? 1 : 0);
    if (is_problem(scan) && !scan->single_file)
        term_note(&c->work.term,
            "-e GLOB leaves out what it matches, --skip-problems all that cannot be in a torrent");
    /* A name or a kind of file, not a torrent that cannot be read. */
    return err == ERR_SYNTAX || err == ERR_UNSUPPORTED ? EXIT_FAILED : exit_code_of(err);
}

static void progress(void *user, const struct create_progress *p)
{
    struct creation *c = user;
    c->work.done = p->bytes_hashed;
    c->work.total = p->bytes_total;
}

static void done(void *user, int err, const struct create_result *r, const char *detail)
{
    struct creation *c = user;
    c->create = NULL;
    c->work.ended = true;
    term_clear(&c->work.term);
    if (err == ERR_CANCELLED) {
        term_error(&c->work.term, "stopped; nothing was written");
        c->code = EXIT_UNFINISHED;
        return;
    }
    if (err) {
        c->code = say_failed(c, err, r, detail);
        return;
    }
    show_notes(c, r->scan, 0);
    int error = how.dry_run ? 0 : result_file_put(&c->out, r->torrent);
    c->code = error ? say_unwritten(c, error) : EXIT_OK;
    if (c->code == EXIT_OK)
        say_result(c, r);
}

static const struct create_events events = {progress, done};

static void cancel(void *user)
{
    struct creation *c = user;
    if (c->create)
        create_cancel(c->create);
}

/* ---- the command --------------------------------------------------------------------------- */

/* NAME.torrent in the current folder, unless said otherwise. */
static void choose_output(struct creation *c, const char *real)
{
    c->file = builder_heap(PATH_MAX * 2);
    if (how.file) {
        builder_str(&c->file, how.file);
        return;
    }
    const char *slash = strrchr(real, '/');
    builder_format(&c->file, "%s.torrent", how.name ? how.name : slash ? slash + 1 : real);
}

static int start(struct creation *c, const char *path)
{
    struct create_tracker *list;
    struct arena arena;
    char mark[2 * CROSS_SEED_BYTES + 1] = "", created_by[32];
    snprintf(created_by, sizeof created_by, "kith %s", kith_version());
    if (how.cross_seed)
        draw_mark(c->work.env, mark);
    struct create_options o = {.path = path,
        .name = how.name,
        .kind = torrent_is.format == KITH_FORMAT_V1   ? CREATE_V1
                : torrent_is.format == KITH_FORMAT_V2 ? CREATE_V2
                                                      : CREATE_HYBRID,
        .piece_length = torrent_piece_length(&torrent_is),
        .private_torrent = torrent_is.is_private,
        .web_seeds = torrent_is.web_seeds.items,
        .web_seed_count = torrent_is.web_seeds.count,
        .comment = torrent_is.comment,
        .created_by = created_by,
        .source = torrent_is.source,
        .cross_seed = mark,
        .exclude = how.exclude.items,
        .exclude_count = how.exclude.count,
        .creation_unix = date(c->work.env),
        .skip_problems = how.skip_problems,
        .scan_only = how.dry_run};
    arena_init(&arena, TRACKER_TEXT_MAX);
    int err = create_read_tiers(
        &arena, torrent_is.trackers.items, torrent_is.trackers.count, &list, &o.tracker_count);
    o.trackers = list;
    if (!err)
        err = create_start(c->work.env, &o, &events, c, &c->create);
    arena_free(&arena);
    return err;
}

static int refuse(struct creation *c, int err)
{
    switch (err) {
    case ERR_INVALID:
        term_error(&c->work.term, "%s",
            how.name && !create_name_is_good(how.name)
                ? "a name is that of one file or folder, as every system can have it"
                : "a piece size is a power of two from 16K to 512M");
        return EXIT_USAGE;
    case ERR_SYNTAX:
        term_error(&c->work.term, "a tracker is a URL: udp://host:port/announce, https://...");
        return EXIT_USAGE;
    case ERR_LIMIT:
        term_error(&c->work.term, "more than %u trackers", CREATE_TRACKERS_MAX);
        return EXIT_USAGE;
    default:
        term_error(&c->work.term, "%s", kith_strerror(err));
        return exit_code_of(err);
    }
}

/* The exit code where the work cannot even begin; -1: it runs. */
static int begin(struct creation *c, const char *path)
{
    char real[PATH_MAX];
    if (!realpath(path, real)) {
        int error = errno;
        char *shown = term_escape(bytes_of_str(path));
        term_error(&c->work.term, "%s: %s", shown, strerror(error));
        free(shown);
        return exit_code_of(err_from_errno(error));
    }
    choose_output(c, real);
    int error = how.dry_run ? 0 : result_file_plan(&c->out, builder_text(&c->file), how.force);
    if (error)
        return say_unwritten(c, error);
    int err = start(c, real);
    return err ? refuse(c, err) : -1;
}

/* What else would be between the bytes of the torrent. */
static bool check_output(void)
{
    if (!how.file || strcmp(how.file, "-") != 0)
        return true;
    if (output.json)
        fputs("kith create: --json and -o - both want standard output\n", stderr);
    else if (isatty(STDOUT_FILENO))
        fputs("kith create: '-o -' is for a pipe or a file\n", stderr);
    return !output.json && !isatty(STDOUT_FILENO);
}

int cmd_create(int argc, char **argv)
{
    struct creation c = {.code = EXIT_FAILED};
    const char *path;
    int count = args_parse(&create_spec, argc, argv, &path, 1);
    if (count == 0)
        fputs("kith create: say which file or folder (see 'kith help create')\n", stderr);
    if (count != 1 || !check_output())
        return EXIT_USAGE;
    int code = work_open(&c.work, &output);
    if (code)
        return code;
    code = begin(&c, path);
    if (code < 0)
        work_run(&c.work, cancel, &c);
    else
        c.code = code;
    builder_free(&c.file);
    work_close(&c.work);
    return c.code;
}
