/* The command line: tables of options, in groups that commands share, give the parser, the help,
 * the man pages and the completions, so that they cannot drift apart.
 *
 * getopt_long's habits: options and operands in any order, `--` ends options, `--name=value` and
 * `--name value`, clusters (-qv), `-oDIR`. Each option can also come from the environment
 * (KITH_NAME), which the command line overrides. */
#ifndef KITH_CLI_ARGS_H
#define KITH_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,     /* no value: bool */
    OPTION_COUNT,    /* no value: int, one more each time */
    OPTION_TEXT,     /* const char * */
    OPTION_LIST,     /* struct text_list: may be repeated */
    OPTION_NUMBER,   /* int64_t, min to max */
    OPTION_SIZE,     /* uint64_t bytes: 512, 16K, 4M, 1.5G (powers of 1024) */
    OPTION_DURATION, /* int64_t seconds: 90, 45s, 30m, 2h, 1d */
    OPTION_REAL,     /* double, >= 0 */
    OPTION_CHOICE,   /* int: index into choices, "a|b|c" */
    OPTION_HELP      /* no value, no field: args_ask_help has seen it */
};

#define TEXT_LIST_MAX 256
struct text_list {
    const char *items[TEXT_LIST_MAX];
    size_t count;
    bool inherited; /* from the environment: the command line begins anew */
};

struct option_spec {
    char letter;       /* 0: none */
    const char *name;  /* without the dashes */
    const char *value; /* its name in the help: "FOLDER"; for choices "a|b|c"; NULL for flags */
    enum option_kind kind;
    size_t field; /* offsetof its field in the struct that the group fills */
    const char *help;
    const char *also;    /* other names that people know, "a|b"; may be NULL */
    char also_letter;    /* another letter that people know; 0: none */
    bool no_environment; /* never from KITH_NAME */
    int64_t min, max;    /* for numbers; both 0: no bounds */
};

/* Options that belong together and fill one struct. Of a letter that two groups of a command have,
 * the first group's is meant. */
struct option_group {
    const char *title;                 /* "Network" */
    const struct option_spec *options; /* ends with a NULL name */
    void *values;                      /* the struct whose fields they name */
};

/* A kind of line that --json prints. */
struct json_doc {
    const char *type; /* NULL ends the table */
    const char *text; /* when, and its members */
};

struct command_spec {
    const char *name;
    const char *operands;          /* "PATH..." */
    const char *summary;           /* one line, no full stop */
    const char *text;              /* paragraphs, parted by blank lines, ASCII */
    const char *examples;          /* lines, each "  kith ..." */
    struct option_group groups[6]; /* ends with a NULL title */
    const struct json_doc *json;   /* NULL: it has no --json */
};

/* Parses argv[1...]; operands are left in `operands` (pointers into argv). Returns their count, or
 * -1 after a message on stderr that names the option and what to do. */
int args_parse(const struct command_spec *, int argc, char **argv, const char **operands, int max);

/* Whether an option asks for the help, however else the line is wrong: -h, in a cluster (-qh), or
 * --help; not as the value of another option, nor after `--`. */
bool args_ask_help(const struct command_spec *, int argc, char **argv);

/* ---- reading the tables -------------------------------------------------------------------- */

/* `for (struct option_walk w = option_first(c); w.option; option_next(&w))` sees each option. */
struct option_walk {
    const struct option_group *group;
    const struct option_spec *option;
};
struct option_walk option_first(const struct command_spec *);
void option_next(struct option_walk *);
/* Its letter, 0 if it has none or an earlier group of this command has it. */
char option_letter(const struct command_spec *, const struct option_spec *);
bool option_takes_value(const struct option_spec *);
/* Whether KITH_NAME is looked at, and that name. `out` holds OPTION_VARIABLE_MAX. */
bool option_has_variable(const struct option_spec *);
#define OPTION_VARIABLE_MAX 64
const char *option_variable(const struct option_spec *, char out[OPTION_VARIABLE_MAX]);

#endif
