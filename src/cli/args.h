/* The command line: one table per command gives the parser, `--help`, the man page's synopsis and
 * the completions, so that they cannot drift apart.
 *
 * getopt_long's habits: options and operands in any order, `--` ends options, `--name=value` and
 * `--name value`, clusters (-qv), `-oDIR`. Each option can also come from the environment
 * (KITH_NAME), which the command line overrides. */
#ifndef KITH_CLI_ARGS_H
#define KITH_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
    OPTION_FLAG,     /* no value: bool; repeated, for int: counts */
    OPTION_COUNT,    /* no value: int, one more each time */
    OPTION_TEXT,     /* const char * */
    OPTION_LIST,     /* struct text_list: may be repeated */
    OPTION_NUMBER,   /* int64_t, min to max */
    OPTION_SIZE,     /* uint64_t bytes: 512, 16K, 4M, 1.5G (powers of 1024) */
    OPTION_DURATION, /* int64_t seconds: 90, 45s, 30m, 2h, 1d */
    OPTION_REAL,     /* double, >= 0 */
    OPTION_CHOICE    /* int: index into choices, "a|b|c" */
};

#define TEXT_LIST_MAX 256
struct text_list {
    const char *items[TEXT_LIST_MAX];
    size_t count;
};

struct option_spec {
    char letter;       /* 0: none */
    const char *name;  /* without the dashes */
    const char *value; /* its name in the help: "FOLDER"; for choices "a|b|c"; NULL for flags */
    enum option_kind kind;
    void *target;
    const char *help;
    bool no_environment; /* never from KITH_NAME */
    int64_t min, max;    /* for numbers; both 0: no bounds */
};

struct command_spec {
    const char *name;
    const char *operands;        /* "PATH..." */
    const char *summary;         /* one line, no full stop */
    const char *text;            /* a paragraph or two for --help; may be NULL */
    const char *examples;        /* lines, each "  kith ..."; may be NULL */
    struct option_spec *options; /* ends with a NULL name */
};

/* Parses argv[1...]; operands are left in `operands` (pointers into argv). Returns their count, or
 * -1 after a message on stderr that names the option and what to do. */
int args_parse(const struct command_spec *, int argc, char **argv, const char **operands, int max);
/* The help text of a command. */
void args_help(const struct command_spec *, FILE *out);

int parse_size(const char *text, uint64_t *out);    /* 0 or -1 */
int parse_duration(const char *text, int64_t *out); /* seconds; 0 or -1 */

#endif
