/* See help.h. */
#include "cli/help.h"

#include <string.h>

#define HELP_COLUMN 28

static void option(const struct command_spec *c, const struct option_spec *o, FILE *out)
{
    char left[96];
    char letter = option_letter(c, o);
    int n = letter ? snprintf(left, sizeof left, "  -%c, --%s", letter, o->name)
                   : snprintf(left, sizeof left, "      --%s", o->name);
    if (o->value)
        snprintf(left + n, sizeof left - (size_t)n, " %s", o->value);
    if (strlen(left) < HELP_COLUMN - 1)
        fprintf(out, "%-*s%s\n", HELP_COLUMN, left, o->help);
    else
        fprintf(out, "%s\n%*s%s\n", left, HELP_COLUMN, "", o->help);
}

void help_command(const struct command_spec *c, FILE *out)
{
    fprintf(out, "kith %s: %s\n\nusage: kith %s [options] %s\n", c->name, c->summary, c->name,
        c->operands);
    if (c->text)
        fprintf(out, "\n%s\n", c->text);
    if (c->examples)
        fprintf(out, "\nexamples:\n%s\n", c->examples);
    for (const struct option_group *g = c->groups; g->title; g++) {
        fprintf(out, "\n%s:\n", g->title);
        for (const struct option_spec *o = g->options; o->name; o++)
            option(c, o, out);
    }
    fputs("\nEach option can also stand in the environment: KITH_ and its name in capitals, with _ "
          "for\n"
          "each -, as in KITH_PORT=6881, KITH_JSON=1; lists are parted by blanks. The command line "
          "wins.\n",
        out);
}
