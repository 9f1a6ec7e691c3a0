/* kith verify: is a folder what a torrent says? Writes nothing. */
#include "base/err.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/input.h"
#include "cli/options.h"
#include "cli/work.h"
#include "format/metainfo.h"
#include "store/storage.h"
#include <errno.h>
#include <kith.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct verify_options {
    bool list_pieces;
} how;
static struct output_options output;

static const struct option_spec verify_specs[] = {
    {0, "pieces", NULL, OPTION_FLAG, offsetof(struct verify_options, list_pieces),
        "also list the pieces that are wrong"},
    {0},
};

static const struct json_doc verify_json[] = {
    {"verified", "right, pieces, pieces_right, bad_pieces (their numbers), bad_files (path, fault, "
                 "pieces_wrong)"},
    {NULL},
};

const struct command_spec verify_spec = {
    .name = "verify",
    .operands = "TORRENT [FOLDER]",
    .summary = "check a folder against a .torrent file",
    .text = "Hashes everything and says which files and pieces are wrong or missing; exit code 5 "
            "if any is. FOLDER is the folder that holds the torrent's file or folder (here), or "
            "that file or folder itself. Nothing is ever written.",
    .examples = "  kith verify film.torrent ~/films",
    .json = verify_json,
    .groups = {{"Verifying", verify_specs, &how}, {"Output", output_specs, &output}},
};

struct check_up {
    struct work work;
    struct metainfo *metainfo;
    struct chunk_pool *pool;
    struct file_cache *files;
    struct storage *storage;
    struct bitfield right;
    uint8_t *states;
    int err;
};

/* ---- what was found ------------------------------------------------------------------------ */

static uint32_t wrong_pieces(const struct check_up *c, const struct metainfo_file *f)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < f->piece_count; i++)
        wrong += !bitfield_get(&c->right, f->first_piece + i);
    return wrong;
}

/* NULL: it is right. */
static const char *fault_of(const struct check_up *c, uint32_t file)
{
    const struct metainfo_file *f = &c->metainfo->files[file];
    if (f->flags & (METAINFO_PAD | METAINFO_SYMLINK))
        return NULL;
    switch (c->states[file]) {
    case STORAGE_FILE_ABSENT:
        return "missing";
    case STORAGE_FILE_NOT_A_FILE:
        return "not a file";
    case STORAGE_FILE_SHORTER:
        return "too short";
    case STORAGE_FILE_LONGER:
        return "too long";
    default:
        return wrong_pieces(c, f) > 0 ? "damaged" : NULL;
    }
}

static uint32_t say_files(struct check_up *c)
{
    uint32_t faults = 0;
    for (uint32_t i = 0; i < c->metainfo->file_count; i++) {
        const struct metainfo_file *f = &c->metainfo->files[i];
        const char *fault = fault_of(c, i);
        faults += fault != NULL;
        if (!fault || output.json || output.quiet)
            continue;
        char *path = term_escape(bytes_of_str(f->path));
        printf("%s: %s", path, fault);
        if (f->piece_count > 0 && c->states[i] != STORAGE_FILE_ABSENT)
            printf(", %u of %u pieces wrong", wrong_pieces(c, f), f->piece_count);
        putchar('\n');
        free(path);
    }
    return faults;
}

static void say_pieces(struct check_up *c)
{
    if (!how.list_pieces || output.json || output.quiet)
        return;
    for (uint32_t i = bitfield_next_clear(&c->right, 0); i < c->right.size;
         i = bitfield_next_clear(&c->right, i + 1))
        printf("piece %u\n", i);
}

static void say_json(struct check_up *c, uint32_t faults)
{
    struct json *j = &c->work.json;
    json_open_object(j);
    json_put_text(j, "type", "verified");
    json_put_bool(j, "right", faults == 0 && bitfield_full(&c->right));
    json_put_unsigned(j, "pieces", c->right.size);
    json_put_unsigned(j, "pieces_right", c->right.count);
    json_key(j, "bad_pieces");
    json_open_array(j);
    for (uint32_t i = bitfield_next_clear(&c->right, 0); i < c->right.size;
         i = bitfield_next_clear(&c->right, i + 1))
        json_unsigned(j, i);
    json_close_array(j);
    json_key(j, "bad_files");
    json_open_array(j);
    for (uint32_t i = 0; i < c->metainfo->file_count; i++) {
        if (!fault_of(c, i))
            continue;
        json_open_object(j);
        json_put_text(j, "path", c->metainfo->files[i].path);
        json_put_text(j, "fault", fault_of(c, i));
        json_put_unsigned(j, "pieces_wrong", wrong_pieces(c, &c->metainfo->files[i]));
        json_close_object(j);
    }
    json_close_array(j);
    json_close_object(j);
    json_end_line(j);
}

static int report(struct check_up *c)
{
    if (c->work.cancelled) {
        term_error(&c->work.term, "stopped");
        return EXIT_UNFINISHED;
    }
    if (c->err) {
        term_error(&c->work.term, "%s",
            *storage_error(c->storage) ? storage_error(c->storage) : kith_strerror(c->err));
        return exit_code_of(c->err);
    }
    uint32_t faults = say_files(c);
    say_pieces(c);
    if (output.json)
        say_json(c, faults);
    else
        term_note(&c->work.term, "%u of %u pieces are right, %u file%s wrong", c->right.count,
            c->right.size, faults, faults == 1 ? " is" : "s are");
    return faults == 0 && bitfield_full(&c->right) ? EXIT_OK : EXIT_BAD_DATA;
}

/* ---- the work ------------------------------------------------------------------------------ */

static void piece(void *user, uint32_t index, bool right)
{
    struct check_up *c = user;
    c->work.done += metainfo_piece_size(c->metainfo, index);
    if (right)
        bitfield_set(&c->right, index);
}

static void checked(void *user, int err)
{
    struct check_up *c = user;
    c->err = err;
    c->work.ended = true;
}

static const struct storage_check_events events = {piece, checked};

static void opened(void *user, int err, const struct storage_opening *opening)
{
    struct check_up *c = user;
    struct bitfield all;
    if (!err)
        err = bitfield_init(&all, c->metainfo->piece_count);
    if (!err) {
        memcpy(c->states, opening->states, c->metainfo->file_count);
        bitfield_set_all(&all);
        err = storage_check(c->storage, &all, &events, c);
        bitfield_free(&all);
    }
    if (err)
        checked(c, err);
}

static void cancel(void *user)
{
    struct check_up *c = user;
    storage_check_cancel(c->storage);
}

/* The folder that holds the data, or the data itself: "films" or "films/Film". */
static void place(const struct metainfo *m, const char *given, char *folder, char **root)
{
    char inside[PATH_MAX], real[PATH_MAX];
    struct stat st;
    *root = NULL;
    snprintf(folder, PATH_MAX, "%s", realpath(given, real) ? real : given);
    snprintf(inside, sizeof inside, "%.3000s/%.1000s", folder, m->root);
    char *slash = strrchr(folder, '/');
    if (stat(inside, &st) == 0 || stat(folder, &st) != 0 || !slash || slash == folder ||
        S_ISDIR(st.st_mode) != m->multi_file)
        return;
    *root = strdup(slash + 1);
    *slash = 0;
}

static int run(struct check_up *c, const char *given)
{
    char folder[PATH_MAX], *root;
    struct stat st;
    if (stat(given, &st) != 0) {
        char *shown = term_escape(bytes_of_str(given));
        term_error(&c->work.term, "%s: %s", shown, strerror(errno));
        free(shown);
        return exit_code_of(err_from_errno(errno));
    }
    struct storage_config config = {.env = c->work.env,
        .metainfo = c->metainfo,
        .pool = c->pool = chunk_pool_new(1 << 20),
        .files = c->files = file_cache_new(),
        .folder = folder};
    if (!c->metainfo->has_v1 && !metainfo_has_layers(c->metainfo)) {
        term_error(&c->work.term, "the torrent lacks the hashes of its pieces (piece layers)");
        return EXIT_BAD_LINK;
    }
    place(c->metainfo, given, folder, &root);
    config.root = root;
    c->storage = storage_new(&config);
    free(root);
    c->states = calloc(c->metainfo->file_count + 1, 1);
    if (!c->storage || !c->states || bitfield_init(&c->right, c->metainfo->piece_count) != 0 ||
        storage_open(c->storage, opened, c) != 0)
        return EXIT_FAILED;
    c->work.verb = "checking";
    c->work.total = c->metainfo->stream_length;
    work_run(&c->work, cancel, c);
    return report(c);
}

int cmd_verify(int argc, char **argv)
{
    struct check_up c = {0};
    const char *operands[2];
    struct builder input;
    struct format_error error;
    int count = args_parse(&verify_spec, argc, argv, operands, 2);
    if (count < 1) {
        if (count == 0)
            fputs("kith verify: say which .torrent file (see 'kith help verify')\n", stderr);
        return EXIT_USAGE;
    }
    int code = input_take(operands[0], &input);
    if (code != EXIT_OK)
        return code;
    const char *text = builder_text(&input);
    if (input_is_link(text) || input_is_url(text)) {
        fputs("kith verify: the hashes of the pieces are in a .torrent file: name that\n", stderr);
        builder_free(&input);
        return EXIT_USAGE;
    }
    int err = metainfo_parse_torrent(builder_bytes(&input), &c.metainfo, &error);
    builder_free(&input);
    if (err) {
        fprintf(stderr, "kith: the torrent cannot be read: %s\n", error.text);
        return EXIT_BAD_LINK;
    }
    code = work_open(&c.work, &output);
    if (code == 0) {
        code = run(&c, count > 1 ? operands[1] : ".");
        storage_free(c.storage);
        file_cache_free(c.files);
        chunk_pool_free(c.pool);
        work_close(&c.work);
    }
    bitfield_free(&c.right);
    free(c.states);
    metainfo_unref(c.metainfo);
    return code;
}
