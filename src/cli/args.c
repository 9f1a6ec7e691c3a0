/* See args.h. */
#include "cli/args.h"

#include "cli/values.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading the tables -------------------------------------------------------------------- */

/* The next option at or after this place; past the last, none. */
static void settle(struct option_walk *w)
{
    while (w->group->title && !w->option->name) {
        w->group++;
        w->option = w->group->options;
    }
    if (!w->group->title)
        w->option = NULL;
}

struct option_walk option_first(const struct command_spec *c)
{
    struct option_walk w = {c->groups, c->groups[0].options};
    settle(&w);
    return w;
}

void option_next(struct option_walk *w)
{
    w->option++;
    settle(w);
}

static struct option_walk find_letter(const struct command_spec *c, char letter)
{
    struct option_walk w = option_first(c);
    while (w.option && w.option->letter != letter && w.option->also_letter != letter)
        option_next(&w);
    return w;
}

static bool is_called(const struct option_spec *o, const char *name)
{
    return strcmp(o->name, name) == 0 || (o->also && parse_choice(o->also, name) >= 0);
}

static struct option_walk find_long(const struct command_spec *c, const char *name)
{
    struct option_walk w = option_first(c);
    while (w.option && !is_called(w.option, name))
        option_next(&w);
    return w;
}

#define LONG_NAME_MAX 64

/* That of an argument "--name" or "--name=value". */
static struct option_walk find_argument(const struct command_spec *c, const char *arg)
{
    char name[LONG_NAME_MAX];
    const char *equals = strchr(arg, '=');
    snprintf(name, sizeof name, "%.*s", (int)(equals ? equals - arg - 2 : LONG_NAME_MAX), arg + 2);
    return find_long(c, name);
}

char option_letter(const struct command_spec *c, const struct option_spec *o)
{
    return o->letter && find_letter(c, o->letter).option == o ? o->letter : 0;
}

bool option_takes_value(const struct option_spec *o)
{
    return o->kind != OPTION_FLAG && o->kind != OPTION_COUNT && o->kind != OPTION_HELP;
}

bool option_has_variable(const struct option_spec *o)
{
    return !o->no_environment && o->kind != OPTION_HELP;
}

const char *option_variable(const struct option_spec *o, char out[OPTION_VARIABLE_MAX])
{
    size_t n = (size_t)snprintf(out, OPTION_VARIABLE_MAX, "KITH_");
    for (const char *c = o->name; *c && n + 1 < OPTION_VARIABLE_MAX; c++)
        out[n++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    out[n] = 0;
    return out;
}

/* ---- values -------------------------------------------------------------------------------- */

static int append(struct text_list *list, const char *text, bool inherited)
{
    if (list->inherited && !inherited)
        list->count = 0;
    list->inherited = inherited;
    if (list->count == TEXT_LIST_MAX)
        return -1;
    list->items[list->count++] = text;
    return 0;
}

static int store_number(const struct option_spec *o, const char *text, int64_t *out)
{
    if (parse_number(text, out) != 0)
        return -1;
    return (o->min || o->max) && (*out < o->min || *out > o->max) ? -1 : 0;
}

static int store_choice(const struct option_spec *o, const char *text, int *out)
{
    int choice = parse_choice(o->value, text);
    if (choice >= 0)
        *out = choice;
    return choice < 0 ? -1 : 0;
}

/* Stores a value; -1 if it does not parse. `text` is NULL for flags. */
static int store(const struct option_walk *w, const char *text)
{
    const struct option_spec *o = w->option;
    void *target = (char *)w->group->values + o->field;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)target = true;
        return 0;
    case OPTION_COUNT:
        ++*(int *)target;
        return 0;
    case OPTION_TEXT:
        *(const char **)target = text;
        return 0;
    case OPTION_LIST:
        return append(target, text, false);
    case OPTION_NUMBER:
        return store_number(o, text, target);
    case OPTION_SIZE:
        return parse_size(text, target);
    case OPTION_DURATION:
        return parse_duration(text, target);
    case OPTION_REAL:
        return parse_real(text, target);
    case OPTION_CHOICE:
        return store_choice(o, text, target);
    case OPTION_HELP:
        return 0;
    }
    return -1;
}

/* ---- the environment ----------------------------------------------------------------------- */

/* Words parted by blanks. They live as long as the process: a text_list holds pointers. */
static int inherit_list(struct text_list *list, const char *value)
{
    char *rest = strdup(value), *word;
    while (rest && (word = strsep(&rest, " \t\n")) != NULL)
        if (*word && append(list, word, true) != 0)
            return -1;
    return 0;
}

static int inherit(const struct option_walk *w, const char *value)
{
    void *target = (char *)w->group->values + w->option->field;
    int64_t count;
    switch (w->option->kind) {
    case OPTION_FLAG:
        *(bool *)target = parse_yes_no(value) == 1;
        return parse_yes_no(value) < 0 ? -1 : 0;
    case OPTION_COUNT:
        if (parse_number(value, &count) != 0 || count < 0 || count > 9)
            return -1;
        *(int *)target = (int)count;
        return 0;
    case OPTION_LIST:
        return inherit_list(target, value);
    default:
        return store(w, value);
    }
}

static int take_environment(const struct command_spec *c)
{
    char name[OPTION_VARIABLE_MAX];
    for (struct option_walk w = option_first(c); w.option; option_next(&w)) {
        const char *value =
            option_has_variable(w.option) ? getenv(option_variable(w.option, name)) : NULL;
        if (!value || !*value || inherit(&w, value) == 0)
            continue;
        fprintf(stderr, "kith: the variable %s holds '%s', which is not a valid %s\n", name, value,
            w.option->value                  ? w.option->value
            : w.option->kind == OPTION_COUNT ? "number"
                                             : "0 or 1");
        return -1;
    }
    return 0;
}

/* ---- the parser ---------------------------------------------------------------------------- */

struct parser {
    const struct command_spec *command;
    char **argv;
    int argc, at;
    const char **operands;
    int count, max;
};

static int complain(const struct parser *p, const char *what, const char *option)
{
    fprintf(stderr, "kith %s: %s: %s (see 'kith help %s')\n", p->command->name, option, what,
        p->command->name);
    return -1;
}

static int store_or_complain(
    const struct parser *p, const struct option_walk *w, const char *shown, const char *value)
{
    const struct option_spec *o = w->option;
    char what[160];
    if (store(w, value) == 0)
        return 0;
    if (o->min || o->max)
        snprintf(what, sizeof what, "'%s' is not a number from %lld to %lld", value,
            (long long)o->min, (long long)o->max);
    else if (o->kind == OPTION_LIST)
        snprintf(what, sizeof what, "more than %d of them", TEXT_LIST_MAX);
    else
        snprintf(what, sizeof what, "'%s' is not a valid %s", value, o->value);
    return complain(p, what, shown);
}

/* The value of an option: what is glued to it, or the next argument. */
static int take_value(
    struct parser *p, const struct option_walk *w, const char *shown, const char *glued)
{
    const char *value = glued;
    if (!value && p->at + 1 < p->argc)
        value = p->argv[++p->at];
    return value ? store_or_complain(p, w, shown, value) : complain(p, "needs a value", shown);
}

static int take_long(struct parser *p, const char *arg)
{
    const char *equals = strchr(arg, '=');
    struct option_walk w = find_argument(p->command, arg);
    if (!w.option)
        return complain(p, "there is no such option", arg);
    if (option_takes_value(w.option))
        return take_value(p, &w, arg, equals ? equals + 1 : NULL);
    return equals ? complain(p, "takes no value", arg) : store(&w, NULL);
}

static int take_letters(struct parser *p, const char *arg)
{
    for (const char *letter = arg + 1; *letter; letter++) {
        char shown[3] = {'-', *letter, 0};
        struct option_walk w = find_letter(p->command, *letter);
        if (!w.option)
            return complain(p, "there is no such option", shown);
        if (option_takes_value(w.option))
            return take_value(p, &w, shown, letter[1] ? letter + 1 : NULL);
        store(&w, NULL);
    }
    return 0;
}

static int take_operand(struct parser *p, const char *arg)
{
    if (p->count == p->max)
        return complain(p, "one operand too many; a name with spaces wants quotes", arg);
    p->operands[p->count++] = arg;
    return 0;
}

int args_parse(
    const struct command_spec *command, int argc, char **argv, const char **operands, int max)
{
    struct parser p = {command, argv, argc, 1, operands, 0, max};
    if (take_environment(command) != 0)
        return -1;
    bool options_over = false;
    for (; p.at < argc; p.at++) {
        const char *arg = argv[p.at];
        int err;
        if (options_over || arg[0] != '-' || !arg[1])
            err = take_operand(&p, arg);
        else if (strcmp(arg, "--") == 0)
            err = 0, options_over = true;
        else
            err = arg[1] == '-' ? take_long(&p, arg) : take_letters(&p, arg);
        if (err)
            return -1;
    }
    return p.count;
}

/* ---- asking for the help ------------------------------------------------------------------- */

enum asked { ASKED_NOT, ASKED_HELP, ASKED_VALUE /* the next argument is a value */ };

static enum asked asked_by_letters(const struct command_spec *c, const char *arg)
{
    for (const char *letter = arg + 1; *letter; letter++) {
        struct option_walk w = find_letter(c, *letter);
        if (w.option ? w.option->kind == OPTION_HELP : *letter == 'h')
            return ASKED_HELP;
        if (w.option && option_takes_value(w.option))
            return letter[1] ? ASKED_NOT : ASKED_VALUE;
    }
    return ASKED_NOT;
}

static enum asked asked_by_name(const struct command_spec *c, const char *arg)
{
    if (strcmp(arg, "--help") == 0)
        return ASKED_HELP;
    struct option_walk w = find_argument(c, arg);
    bool wants_value = w.option && option_takes_value(w.option) && !strchr(arg, '=');
    return wants_value ? ASKED_VALUE : ASKED_NOT;
}

bool args_ask_help(const struct command_spec *c, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (argv[i][0] != '-')
            continue;
        enum asked asked =
            argv[i][1] == '-' ? asked_by_name(c, argv[i]) : asked_by_letters(c, argv[i]);
        if (asked == ASKED_HELP)
            return true;
        i += asked == ASKED_VALUE;
    }
    return false;
}
