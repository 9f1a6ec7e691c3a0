/* kith completion: what a shell needs to complete kith's commands and options, out of the tables.
 */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/values.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

const struct command_spec completion_spec = {
    .name = "completion",
    .operands = "bash|zsh|fish",
    .summary = "print the completions for a shell",
    .text = "make install puts them where the shells look. By hand, for this shell only:",
    .examples = "  . <(kith completion bash)\n"
                "  kith completion zsh > \"${fpath[1]}/_kith\"\n"
                "  kith completion fish > ~/.config/fish/completions/kith.fish",
};

/* What can stand for a value, by its name in the tables. */
enum value_kind { VALUE_OTHER, VALUE_FOLDER, VALUE_FILE, VALUE_CHOICE };

static enum value_kind value_kind(const struct option_spec *o)
{
    if (o->kind == OPTION_CHOICE)
        return VALUE_CHOICE;
    if (o->value && strncmp(o->value, "FOLDER", 6) == 0)
        return VALUE_FOLDER;
    if (o->value && strncmp(o->value, "FILE", 4) == 0)
        return VALUE_FILE;
    return VALUE_OTHER;
}

static void put_replaced(const char *text, char from, char to)
{
    for (; *text; text++)
        putchar(*text == from ? to : *text);
}

/* For the inside of '...' */
static void put_single_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, 0}, stdout);
    putchar('\'');
}

static void put_commands(void)
{
    for (size_t i = 0; command_at(i); i++)
        printf("%s%s", i ? " " : "", command_at(i)->spec->name);
}

/* The first word of each alternative, if it is typed as it stands there: not what stands for
 * something. */
static void put_words(const char *operands)
{
    while (*operands) {
        operands += strspn(operands, "| ");
        size_t word = strcspn(operands, "| ");
        if (islower((unsigned char)*operands))
            printf("%.*s ", (int)word, operands);
        operands += strcspn(operands, "|");
    }
}

/* ---- bash ---------------------------------------------------------------------------------- */

static void bash_values(const struct command_spec *c, const struct option_spec *o)
{
    char letter = option_letter(c, o);
    printf("    %s/--%s", c->name, o->name);
    if (letter)
        printf("|%s/-%c", c->name, letter);
    fputs(") ", stdout);
    switch (value_kind(o)) {
    case VALUE_CHOICE:
        fputs("words='", stdout);
        put_replaced(o->value, '|', ' ');
        fputs("'", stdout);
        break;
    case VALUE_FOLDER:
        fputs("files=-d", stdout);
        break;
    case VALUE_FILE:
        fputs("files=-f", stdout);
        break;
    case VALUE_OTHER:
        fputs("return", stdout);
        break;
    }
    fputs(" ;;\n", stdout);
}

static bool takes_files(const struct command_spec *c)
{
    return strstr(c->operands, "PATH") || strstr(c->operands, "FILE") ||
           strstr(c->operands, "TORRENT");
}

static void bash_operands(const struct command_spec *c)
{
    printf("    %s) ", c->name);
    if (takes_files(c)) {
        fputs("files=-f", stdout);
    } else {
        fputs("words='", stdout);
        if (strcmp(c->name, "help") == 0)
            put_commands();
        else
            put_words(c->operands);
        fputs("'", stdout);
    }
    fputs(" ;;\n", stdout);
}

static void bash_options(const struct command_spec *c)
{
    printf("    %s) words='", c->name);
    for (struct option_walk w = option_first(c); w.option; option_next(&w))
        printf("--%s ", w.option->name);
    fputs("' ;;\n", stdout);
}

static void bash(void)
{
    fputs(
        "# bash completion for kith; made by 'kith completion bash'\n"
        "_kith() {\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words='' files=''\n"
        "  local command=${COMP_WORDS[1]}\n"
        "  COMPREPLY=()\n"
        "  if [[ $cur == = ]]; then cur=''\n"
        "  elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
        "  if ((COMP_CWORD == 1)); then\n    COMPREPLY=($(compgen -W '",
        stdout);
    put_commands();
    fputs(" --help --version' -- \"$cur\"))\n    return\n  fi\n  case $command/$prev in\n", stdout);
    for (size_t i = 0; command_at(i); i++) {
        const struct command_spec *c = command_at(i)->spec;
        for (struct option_walk w = option_first(c); w.option; option_next(&w))
            if (option_takes_value(w.option))
                bash_values(c, w.option);
    }
    fputs("    *) if [[ $cur == -* ]]; then case $command in\n", stdout);
    for (size_t i = 0; command_at(i); i++)
        bash_options(command_at(i)->spec);
    fputs("    esac; else case $command in\n", stdout);
    for (size_t i = 0; command_at(i); i++)
        bash_operands(command_at(i)->spec);
    fputs("    esac; fi ;;\n  esac\n"
          "  if [[ $files ]]; then\n"
          "    compopt -o filenames 2>/dev/null\n"
          "    mapfile -t COMPREPLY < <(compgen $files -- \"$cur\")\n"
          "  else\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n  fi\n"
          "}\ncomplete -F _kith kith\n",
        stdout);
}

/* ---- zsh ----------------------------------------------------------------------------------- */

/* A help text inside "[...]" of _arguments, itself inside '...'. */
static void zsh_help(const char *text)
{
    for (; *text; text++) {
        if (*text == '[' || *text == ']' || *text == '\\')
            putchar('\\');
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, 0}, stdout);
    }
}

static void zsh_value(const struct option_spec *o)
{
    if (!option_takes_value(o))
        return;
    switch (value_kind(o)) {
    case VALUE_CHOICE:
        fputs(":choice:(", stdout);
        put_replaced(o->value, '|', ' ');
        putchar(')');
        break;
    case VALUE_FOLDER:
        printf(":folder:_files -/");
        break;
    case VALUE_FILE:
        printf(":file:_files");
        break;
    case VALUE_OTHER:
        putchar(':');
        put_replaced(o->value, ':', ' ');
        putchar(':');
        break;
    }
}

static void zsh_option(const char *repeat, const char *dashes, const char *name, const char *joint,
    const struct option_spec *o)
{
    printf("      '%s%s%s%s[", repeat, dashes, name, joint);
    zsh_help(o->help);
    putchar(']');
    zsh_value(o);
    fputs("' \\\n", stdout);
}

static void zsh_options(const struct command_spec *c)
{
    for (struct option_walk w = option_first(c); w.option; option_next(&w)) {
        const struct option_spec *o = w.option;
        char letter[2] = {option_letter(c, o), 0};
        bool value = option_takes_value(o);
        const char *repeat = o->kind == OPTION_LIST || o->kind == OPTION_COUNT ? "*" : "";
        zsh_option(repeat, "--", o->name, value ? "=" : "", o);
        if (letter[0])
            zsh_option(repeat, "-", letter, value ? "+" : "", o);
    }
}

static void zsh(void)
{
    fputs("#compdef kith\n# zsh completion for kith; made by 'kith completion zsh'\n"
          "_kith() {\n"
          "  if ((CURRENT == 2)); then\n    local -a commands=(\n",
        stdout);
    for (size_t i = 0; command_at(i); i++) {
        fputs("      ", stdout);
        char line[160];
        snprintf(
            line, sizeof line, "%s:%s", command_at(i)->spec->name, command_at(i)->spec->summary);
        put_single_quoted(line);
        putchar('\n');
    }
    fputs("    )\n    _describe command commands\n    return\n  fi\n"
          "  local command=$words[2]\n  shift words\n  ((CURRENT--))\n  case $command in\n",
        stdout);
    for (size_t i = 0; command_at(i); i++) {
        const struct command_spec *c = command_at(i)->spec;
        printf("    %s) _arguments -s -S \\\n", c->name);
        zsh_options(c);
        if (strcmp(c->name, "help") == 0)
            fputs("      ':command:(", stdout), put_commands(), fputs(")' ;;\n", stdout);
        else if (takes_files(c))
            fputs("      '*:file:_files' ;;\n", stdout);
        else
            fputs("      ':word:(", stdout), put_words(c->operands), fputs(")' ;;\n", stdout);
    }
    fputs("  esac\n}\n_kith \"$@\"\n", stdout);
}

/* ---- fish ---------------------------------------------------------------------------------- */

static void fish_option(const struct command_spec *c, const struct option_spec *o)
{
    char letter = option_letter(c, o);
    printf("complete -c kith -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
    if (letter)
        printf(" -s %c", letter);
    if (option_takes_value(o)) {
        enum value_kind kind = value_kind(o);
        fputs(kind == VALUE_FILE ? " -rF" : " -x", stdout);
        if (kind == VALUE_FOLDER)
            fputs(" -a '(__fish_complete_directories)'", stdout);
        if (kind == VALUE_CHOICE) {
            fputs(" -a '", stdout);
            put_replaced(o->value, '|', ' ');
            putchar('\'');
        }
    }
    fputs(" -d \"", stdout);
    for (const char *t = o->help; *t; t++)
        printf(strchr("\"$\\", *t) ? "\\%c" : "%c", *t);
    fputs("\"\n", stdout);
}

static void fish(void)
{
    fputs("# fish completion for kith; made by 'kith completion fish'\n", stdout);
    for (size_t i = 0; command_at(i); i++) {
        const struct command_spec *c = command_at(i)->spec;
        printf(
            "complete -c kith -n __fish_use_subcommand -f -a %s -d \"%s\"\n", c->name, c->summary);
        for (struct option_walk w = option_first(c); w.option; option_next(&w))
            fish_option(c, w.option);
    }
    for (size_t i = 0; command_at(i); i++) {
        const struct command_spec *c = command_at(i)->spec;
        if (takes_files(c) || strcmp(c->name, "help") == 0)
            continue;
        printf("complete -c kith -n '__fish_seen_subcommand_from %s' -f -a '", c->name);
        put_words(c->operands);
        fputs("'\n", stdout);
    }
    fputs("complete -c kith -n '__fish_seen_subcommand_from help' -f -a '", stdout);
    put_commands();
    fputs("'\n", stdout);
}

int cmd_completion(int argc, char **argv)
{
    static void (*const shells[])(void) = {bash, zsh, fish};
    const char *shell[1];
    int count = args_parse(&completion_spec, argc, argv, shell, 1);
    int which = count == 1 ? parse_choice(completion_spec.operands, shell[0]) : -1;
    if (which < 0) {
        if (count >= 0)
            fputs("kith completion: say for which shell: bash, zsh or fish\n", stderr);
        return EXIT_USAGE;
    }
    shells[which]();
    return EXIT_OK;
}
