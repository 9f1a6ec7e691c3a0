/* See args.h. */
#include "cli/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- values -----------------------------------------------------------------------------------
 */

/* A number with a unit out of `units`; its factor is in `factors`. */
static int parse_scaled(
    const char *text, const char *units, const uint64_t *factors, double max, double *out)
{
    char *end;
    if (!isdigit((unsigned char)text[0]) && text[0] != '.')
        return -1;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text)
        return -1;
    if (*end) {
        const char *unit = strchr(units, tolower((unsigned char)*end));
        if (!unit)
            return -1;
        value *= (double)factors[unit - units];
        end++;
        if (*end == 'i' || *end == 'I')
            end++;
        if (*end == 'b' || *end == 'B')
            end++;
    }
    if (*end || value > max)
        return -1;
    *out = value;
    return 0;
}

int parse_size(const char *text, uint64_t *out)
{
    static const uint64_t factors[] = {1, 1ull << 10, 1ull << 20, 1ull << 30, 1ull << 40};
    double value;
    if (parse_scaled(text, "bkmgt", factors, 9e15, &value) != 0)
        return -1;
    *out = (uint64_t)value;
    return 0;
}

int parse_duration(const char *text, int64_t *out)
{
    static const uint64_t factors[] = {1, 60, 3600, 86400, 604800};
    double value;
    if (parse_scaled(text, "smhdw", factors, 1e11, &value) != 0)
        return -1;
    *out = (int64_t)value;
    return 0;
}

static int parse_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (int i = 0; choices; i++) {
        const char *bar = strchr(choices, '|');
        size_t size = bar ? (size_t)(bar - choices) : strlen(choices);
        if (size == length && memcmp(choices, text, size) == 0)
            return i;
        choices = bar ? bar + 1 : NULL;
    }
    return -1;
}

static int parse_number(const struct option_spec *o, const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return -1;
    if ((o->min || o->max) && (value < o->min || value > o->max))
        return -1;
    *out = value;
    return 0;
}

static int parse_real(const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return errno || end == text || *end || !(*out >= 0) ? -1 : 0;
}

static int append_text(struct text_list *list, const char *text)
{
    if (list->count == TEXT_LIST_MAX)
        return -1;
    list->items[list->count++] = text;
    return 0;
}

static int set_choice(const struct option_spec *o, const char *text)
{
    int choice = parse_choice(o->value, text);
    if (choice < 0)
        return -1;
    *(int *)o->target = choice;
    return 0;
}

/* Stores a value; -1 if it does not parse. `text` is NULL for flags. */
static int store(const struct option_spec *o, const char *text)
{
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->target = true;
        return 0;
    case OPTION_COUNT:
        ++*(int *)o->target;
        return 0;
    case OPTION_TEXT:
        *(const char **)o->target = text;
        return 0;
    case OPTION_LIST:
        return append_text(o->target, text);
    case OPTION_NUMBER:
        return parse_number(o, text, o->target);
    case OPTION_SIZE:
        return parse_size(text, o->target);
    case OPTION_DURATION:
        return parse_duration(text, o->target);
    case OPTION_REAL:
        return parse_real(text, o->target);
    case OPTION_CHOICE:
        return set_choice(o, text);
    }
    return -1;
}

/* ---- the environment ---------------------------------------------------------------------------
 */

static void environment_name(const char *option, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "KITH_");
    for (; *option && n + 1 < size; option++)
        out[n++] = *option == '-' ? '_' : (char)toupper((unsigned char)*option);
    out[n] = 0;
}

static bool is_flag(const struct option_spec *o)
{
    return o->kind == OPTION_FLAG || o->kind == OPTION_COUNT;
}

static int take_environment(const struct command_spec *c)
{
    char name[64];
    for (const struct option_spec *o = c->options; o->name; o++) {
        if (o->no_environment || o->kind == OPTION_LIST)
            continue;
        environment_name(o->name, name, sizeof name);
        const char *value = getenv(name);
        if (!value || !*value || (is_flag(o) && strcmp(value, "0") == 0))
            continue;
        if (store(o, value) != 0) {
            fprintf(stderr, "kith: %s=%s is not a %s\n", name, value, o->value ? o->value : "flag");
            return -1;
        }
    }
    return 0;
}

/* ---- the parser
 * ---------------------------------------------------------------------------------- */

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
    const struct parser *p, const struct option_spec *o, const char *shown, const char *value)
{
    if (store(o, value) == 0)
        return 0;
    char what[160];
    if (o->min || o->max)
        snprintf(what, sizeof what, "'%s' is not a number from %lld to %lld", value,
            (long long)o->min, (long long)o->max);
    else
        snprintf(what, sizeof what, "'%s' is not a valid %s", value, o->value);
    return complain(p, what, shown);
}

static const struct option_spec *find_long(
    const struct command_spec *c, const char *name, size_t size)
{
    for (const struct option_spec *o = c->options; o->name; o++)
        if (strlen(o->name) == size && memcmp(o->name, name, size) == 0)
            return o;
    return NULL;
}

static const struct option_spec *find_letter(const struct command_spec *c, char letter)
{
    for (const struct option_spec *o = c->options; o->name; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static int take_long(struct parser *p, const char *arg)
{
    const char *name = arg + 2;
    const char *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_spec *o = find_long(p->command, name, size);
    if (!o)
        return complain(p, "there is no such option", arg);
    if (is_flag(o))
        return equals ? complain(p, "takes no value", arg) : store(o, NULL);
    const char *value = equals ? equals + 1 : NULL;
    if (!value && p->at + 1 < p->argc)
        value = p->argv[++p->at];
    if (!value)
        return complain(p, "needs a value", arg);
    return store_or_complain(p, o, arg, value);
}

static int take_letters(struct parser *p, const char *arg)
{
    for (const char *letter = arg + 1; *letter; letter++) {
        char shown[3] = {'-', *letter, 0};
        const struct option_spec *o = find_letter(p->command, *letter);
        if (!o)
            return complain(p, "there is no such option", shown);
        if (is_flag(o)) {
            store(o, NULL);
            continue;
        }
        const char *value = letter[1] ? letter + 1 : NULL;
        if (!value && p->at + 1 < p->argc)
            value = p->argv[++p->at];
        if (!value)
            return complain(p, "needs a value", shown);
        return store_or_complain(p, o, shown, value);
    }
    return 0;
}

static int take_operand(struct parser *p, const char *arg)
{
    if (p->count == p->max)
        return complain(p, "one operand too many", arg);
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

/* ---- help
 * ------------------------------------------------------------------------------------------ */

#define HELP_COLUMN 28

static void help_option(const struct option_spec *o, FILE *out)
{
    char left[96];
    int n = o->letter ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "      --%s", o->name);
    if (o->value)
        snprintf(left + n, sizeof left - (size_t)n, " %s", o->value);
    if (strlen(left) < HELP_COLUMN - 1)
        fprintf(out, "%-*s%s\n", HELP_COLUMN, left, o->help);
    else
        fprintf(out, "%s\n%*s%s\n", left, HELP_COLUMN, "", o->help);
}

void args_help(const struct command_spec *c, FILE *out)
{
    fprintf(out, "kith %s: %s\n\nusage: kith %s [options] %s\n", c->name, c->summary, c->name,
        c->operands);
    if (c->text)
        fprintf(out, "\n%s\n", c->text);
    if (c->examples)
        fprintf(out, "\nexamples:\n%s\n", c->examples);
    if (c->options->name)
        fprintf(out, "\noptions (each also as KITH_NAME in the environment):\n");
    for (const struct option_spec *o = c->options; o->name; o++)
        help_option(o, out);
}
