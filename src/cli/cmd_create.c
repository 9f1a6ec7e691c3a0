/* kith create: make a .torrent of a file or folder. */
#include "base/err.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/link_text.h"
#include "cli/options.h"
#include "cli/work.h"
#include "format/metainfo.h"
#include "store/create/create.h"
#include <errno.h>
#include <fcntl.h>
#include <kith.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CROSS_SEED_BYTES 16u
#define CREATED_BY "kith 0.1.0"
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
    {'o', "output", "FILE", OPTION_TEXT, AT(file), "where to write it (NAME.torrent)", "outfile",
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
    {'f', "force", NULL, OPTION_FLAG, AT(force), "replace an existing output file"},
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

static void show_notes(struct creation *c, const struct scan *scan)
{
    for (size_t i = 0; scan && i < scan->note_count; i++) {
        char *path = term_escape(bytes_of_str(scan->notes[i].path));
        term_note(&c->work.term, "%s %s", path, scan_note_text(scan->notes[i].kind));
        free(path);
    }
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

static void say_result(struct creation *c, const struct create_result *r)
{
    char v1[41] = "", v2[65] = "", size[16];
    bool said = c->work.as_json || !output.quiet;
    char *link = said && r->torrent.size ? link_of(r->torrent) : NULL;
    struct json *j = &c->work.json;
    hex_encode(r->v1.b, r->has_v1 ? 20 : 0, v1);
    hex_encode(r->v2.b, r->has_v2 ? 32 : 0, v2);
    if (c->work.as_json) {
        json_open_object(j);
        json_put_text(j, "type", "created");
        json_put_text(j, "file", how.dry_run ? NULL : builder_text(&c->file));
        json_put_text(j, "info_hash_v1", *v1 ? v1 : NULL);
        json_put_text(j, "info_hash_v2", *v2 ? v2 : NULL);
        json_put_text(j, "magnet", link);
        json_put_unsigned(j, "piece_length", r->piece_length);
        json_put_unsigned(j, "files", r->scan->count);
        json_put_unsigned(j, "size", r->scan->total_size);
        json_close_object(j);
        json_end_line(j);
    } else if (!output.quiet) {
        printf("%s  %s in %zu file%s, pieces of %u KiB\n",
            how.dry_run ? "(nothing written)" : builder_text(&c->file),
            human_size(r->scan->total_size, size), r->scan->count, r->scan->count == 1 ? "" : "s",
            r->piece_length >> 10);
        if (*v1)
            printf("info-hash v1  %s\n", v1);
        if (*v2)
            printf("info-hash v2  %s\n", v2);
        if (link)
            printf("%s\n", link);
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

/* Whole or not at all: written beside, synced, and put in place. */
static int write_file(struct creation *c, struct bytes torrent)
{
    const char *path = builder_text(&c->file);
    char part[PATH_MAX + 32];
    snprintf(part, sizeof part, "%.4000s.part%ld", path, (long)getpid());
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool ok = fd >= 0;
    for (size_t at = 0; ok && at < torrent.size;) {
        ssize_t n = write(fd, torrent.data + at, torrent.size - at);
        ok = n > 0;
        at += ok ? (size_t)n : 0;
    }
    ok = ok && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (ok && (how.force ? rename(part, path) : link(part, path)) != 0) {
        ok = false;
        error = errno;
    }
    if (!ok || !how.force)
        unlink(part);
    return ok ? EXIT_OK : say_unwritten(c, error);
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
    show_notes(c, r ? r->scan : NULL);
    if (err == ERR_CANCELLED) {
        term_error(&c->work.term, "stopped; nothing was written");
        c->code = EXIT_UNFINISHED;
        return;
    }
    if (err) {
        char *text = term_escape(bytes_of_str(detail));
        term_error(&c->work.term, "%s", *text ? text : kith_strerror(err));
        free(text);
        c->code = exit_code_of(err);
        return;
    }
    c->code = how.dry_run ? EXIT_OK : write_file(c, r->torrent);
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
    char mark[2 * CROSS_SEED_BYTES + 1] = "";
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
        .created_by = CREATED_BY,
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
        term_error(&c->work.term, "a piece size is a power of two from 16K to 16M");
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

int cmd_create(int argc, char **argv)
{
    struct creation c = {.code = EXIT_FAILED};
    const char *path;
    char real[PATH_MAX];
    int count = args_parse(&create_spec, argc, argv, &path, 1);
    if (count != 1) {
        if (count == 0)
            fputs("kith create: say which file or folder (see 'kith help create')\n", stderr);
        return EXIT_USAGE;
    }
    int code = work_open(&c.work, &output);
    if (code)
        return code;
    if (!realpath(path, real)) {
        char *shown = term_escape(bytes_of_str(path));
        term_error(&c.work.term, "%s: %s", shown, strerror(errno));
        c.code = exit_code_of(err_from_errno(errno));
        free(shown);
    } else {
        choose_output(&c, real);
        bool taken = !how.force && !how.dry_run && access(builder_text(&c.file), F_OK) == 0;
        int err = taken ? 0 : start(&c, real);
        if (taken) {
            c.code = say_unwritten(&c, EEXIST);
        } else if (err) {
            c.code = refuse(&c, err);
        } else {
            work_run(&c.work, cancel, &c);
        }
        builder_free(&c.file);
    }
    work_close(&c.work);
    return c.code;
}
