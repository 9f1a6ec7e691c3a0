/* The executable: finds the command and hands over. */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/help.h"
#include <kith.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const struct command_spec *(*spec)(void);
};

static const struct command commands[] = {
    {"share", cmd_share, share_spec},
    {"get", cmd_get, get_spec},
    {"create", cmd_create, create_spec},
    {"show", cmd_show, show_spec},
    {"verify", cmd_verify, verify_spec},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void overview(FILE *out)
{
    fputs("kith shares files with friends, with no server in the middle.\n\n"
          "  kith share ~/trek            prints a link; send it\n"
          "  kith get 'magnet:?...'       fetches it, and shares it too\n\n"
          "commands:\n",
        out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].spec()->summary);
    fputs("  help     'kith help COMMAND' explains one; 'kith help exit-codes'\n", out);
}

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

static int unknown(const char *name)
{
    fprintf(stderr, "kith: there is no command '%.40s'", name);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (distance(name, commands[i].name) <= 2)
            fprintf(stderr, "; did you mean '%s'?", commands[i].name);
    fputs(" (see 'kith help')\n", stderr);
    return EXIT_USAGE;
}

static void exit_codes(void)
{
    fputs("exit codes:\n"
          "    0  done\n"
          "    1  failed\n"
          "    2  wrong usage\n"
          "    3  not found, or nobody has it\n"
          "    4  too late\n"
          "    5  the data is not what the torrent says\n"
          "    6  the disk is full, or too small\n"
          "    7  interrupted; the same command goes on\n"
          "    8  something else stands where the data should go\n"
          "    9  not allowed\n"
          "   10  a link or torrent that cannot be read\n"
          "   12  refused\n"
          "  130  ended by a second Ctrl-C\n",
        stdout);
}

static int help(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exit-codes") == 0) {
        exit_codes();
        return EXIT_OK;
    }
    if (argc < 2) {
        overview(stdout);
        return EXIT_OK;
    }
    const struct command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    help_command(c->spec(), stdout);
    return EXIT_OK;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        overview(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("kith %s\n", kith_version());
        return EXIT_OK;
    }
    if (strcmp(argv[1], "help") == 0)
        return help(argc - 1, argv + 1);
    const struct command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    if (asks_for_help(argc - 1, argv + 1)) {
        help_command(c->spec(), stdout);
        return EXIT_OK;
    }
    return c->run(argc - 1, argv + 1);
}
