/* See help.h. `kith help` and the man pages are one text: cli/page.h writes it either way. */
#include "cli/help.h"

#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/page.h"
#include <stdlib.h>
#include <string.h>

static struct help_options {
    bool man;
} how;

static const struct option_spec help_specs[] = {
    {0, "man", NULL, OPTION_FLAG, offsetof(struct help_options, man), "the page as man(1) reads it",
        .no_environment = true},
    {'h', "help", NULL, OPTION_HELP, 0, "this text"},
    {0},
};

const struct command_spec help_spec = {
    .name = "help",
    .operands = "[COMMAND|exit-codes|all]",
    .summary = "explain a command",
    .text =
        "Prints what man kith-COMMAND shows; 'all' is kith(1): every command in a line, the exit "
        "codes, variables and files.",
    .examples = "  kith help get\n  kith help exit-codes",
    .groups = {{"Options", help_specs, &how}},
};

/* ---- a command ----------------------------------------------------------------------------- */

static void options(struct page *p, const struct command_spec *c)
{
    page_heading(p, "Options");
    for (const struct option_group *g = c->groups; g->title; g++) {
        page_subheading(p, g->title);
        page_list_begin(p);
        for (const struct option_spec *o = g->options; o->name; o++)
            page_option(p, option_letter(c, o), o->name, o->value, o->help);
        page_list_end(p);
    }
}

static const char environment[] =
    "Each option can also stand in the environment, as KITH_ and its name in capitals with _ for "
    "each -: KITH_PORT=6881, KITH_JSON=1. Lists are parted by blanks. The command line wins.";

static void json_lines(struct page *p, const struct command_spec *c)
{
    page_heading(p, "JSON output");
    page_text(p, "With --json, each line of standard output is one object, and its \"type\" says "
                 "what it is. Members are only ever added. Sizes are bytes, rates bytes a second.");
    page_list_begin(p);
    for (const struct json_doc *d = c->json; d->type; d++)
        page_item(p, d->type, d->text);
    page_list_end(p);
}

static void command(struct page *p, const struct command_spec *c)
{
    char name[32], synopsis[96];
    bool has_options = c->groups[0].title != NULL;
    snprintf(name, sizeof name, "kith %s", c->name);
    snprintf(synopsis, sizeof synopsis, "%s%s", has_options ? "[options] " : "", c->operands);
    page_begin(p, name, c->summary, synopsis);
    page_heading(p, "Description");
    page_text(p, c->text);
    if (has_options)
        options(p, c);
    if (c->json)
        json_lines(p, c);
    if (c->json) {
        page_heading(p, "Environment");
        page_text(p, environment);
    }
    page_heading(p, "Examples");
    page_literal(p, c->examples);
    page_see_also(p, "kith");
}

void help_command(const struct command_spec *c, FILE *out)
{
    struct page p = {out, PAGE_TEXT};
    command(&p, c);
}

/* ---- kith itself --------------------------------------------------------------------------- */

static void exit_codes(struct page *p)
{
    char number[8];
    page_list_begin(p);
    for (size_t i = 0; exit_code_at(i); i++) {
        snprintf(number, sizeof number, "%3d", exit_code_at(i)->code);
        page_item(p, number, exit_code_at(i)->text);
    }
    page_list_end(p);
}

static void commands(struct page *p)
{
    page_list_begin(p);
    for (size_t i = 0; command_at(i); i++)
        page_item(p, command_at(i)->spec->name, command_at(i)->spec->summary);
    page_list_end(p);
}

static void variables(struct page *p)
{
    page_text(p, environment);
    page_list_begin(p);
    page_item(p, "KITH_LINK", "the link for kith get, which then stands in no list of processes");
    page_item(p, "SOURCE_DATE_EPOCH", "the date that kith create writes");
    page_item(p, "NO_COLOR", "if not empty: no colours");
    page_item(p, "CLICOLOR_FORCE", "if neither empty nor 0: colours also without a terminal");
    page_item(p, "TERM", "dumb: nothing is redrawn");
    page_item(p, "LC_ALL, LC_CTYPE, LANG", "unless they say UTF-8, only ASCII is printed");
    page_item(p, "XDG_STATE_HOME, XDG_CACHE_HOME, HOME", "where the files below are");
    page_list_end(p);
}

static void files(struct page *p)
{
    page_list_begin(p);
    page_item(p, "$XDG_STATE_HOME/kith/*.db",
        "What get and share remember of what they were asked for, so that the same command goes on "
        "where it was; ~/.local/state if the variable is not set. All of it may be deleted: data "
        "is "
        "checked again then. Records that nobody used for 90 days are removed.");
    page_item(p, "$XDG_CACHE_HOME/kith/",
        "Where kith get -o - keeps what it streams, until it ends; ~/.cache if not set. What one "
        "that was killed left there goes after a day.");
    page_list_end(p);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void see_all(struct page *p)
{
    const char *names[32];
    size_t count = 0;
    struct builder list = builder_heap(1024);
    for (; command_at(count) && count < sizeof names / sizeof *names; count++)
        names[count] = command_at(count)->spec->name;
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++)
        builder_format(&list, "%skith-%s", i ? " " : "", names[i]);
    page_see_also(p, builder_text(&list));
    builder_free(&list);
}

static void whole(struct page *p)
{
    page_begin(p, "kith", "share files with friends, with no server in the middle",
        "COMMAND [options] [operands]");
    page_heading(p, "Description");
    page_text(p, "kith share prints a link, kith get fetches what it names, and everyone who "
                 "fetches also shares. It speaks BitTorrent (v1, v2 and hybrid), so its links and "
                 "torrents work with other clients, and theirs with kith.");
    page_heading(p, "Commands");
    commands(p);
    page_heading(p, "Environment");
    variables(p);
    page_heading(p, "Files");
    files(p);
    page_heading(p, "Exit status");
    exit_codes(p);
    page_heading(p, "Examples");
    page_literal(p, "  kith share ~/trek\n  kith get 'magnet:?...' -o ~/films --exit\n"
                    "  kith get film.torrent -o - | mpv -");
    see_all(p);
}

void help_overview(FILE *out)
{
    struct page p = {out, PAGE_TEXT};
    fputs("kith shares files with friends, with no server in the middle.\n\n"
          "  kith share ~/trek            prints a link; send it\n"
          "  kith get 'magnet:?...'       fetches it, and shares it too\n"
          "  kith get LINK -o - | mpv -   watches it while it comes\n"
          "  kith create ~/trek           makes a .torrent\n"
          "  kith verify trek.torrent     checks what you have\n\n"
          "commands:\n",
        out);
    commands(&p);
    fputs("\n'kith help COMMAND' explains one, 'kith help all' the rest.\n", out);
}

/* ---- the command --------------------------------------------------------------------------- */

/* How many single changes of a letter lead from one word to the other (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], length = strlen(b);
    if (length >= 32)
        return 32;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= length; j++) {
            size_t change = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = best < change ? best : change;
        }
    }
    return row[length];
}

int help_unknown(const char *name)
{
    fprintf(stderr, "kith: there is no command '%.40s'", name);
    for (size_t i = 0; command_at(i); i++)
        if (distance(name, command_at(i)->spec->name) <= 2)
            fprintf(stderr, "; did you mean '%s'?", command_at(i)->spec->name);
    fputs(" (see 'kith help')\n", stderr);
    return EXIT_USAGE;
}

int cmd_help(int argc, char **argv)
{
    const char *topic[1];
    int count = args_parse(&help_spec, argc, argv, topic, 1);
    if (count < 0)
        return EXIT_USAGE;
    struct page p = {stdout, how.man ? PAGE_MAN : PAGE_TEXT};
    const struct command *c = count ? command_find(topic[0]) : NULL;
    if (c)
        command(&p, c->spec);
    else if (count && strcmp(topic[0], "exit-codes") == 0)
        exit_codes(&p);
    else if (how.man || (count && strcmp(topic[0], "all") == 0))
        whole(&p);
    else if (count)
        return help_unknown(topic[0]);
    else
        help_overview(stdout);
    return EXIT_OK;
}
