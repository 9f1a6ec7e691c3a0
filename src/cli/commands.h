/* The commands of the executable. Each takes its own name as argv[0] and returns an exit code. */
#ifndef KITH_CLI_COMMANDS_H
#define KITH_CLI_COMMANDS_H

#include "cli/args.h"

struct command {
    int (*run)(int argc, char **argv);
    const struct command_spec *spec;
};

/* The n-th, NULL past the last; by its name, NULL if there is none. */
const struct command *command_at(size_t index);
const struct command *command_find(const char *name);

int cmd_share(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_dht(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_help(int argc, char **argv);

extern const struct command_spec share_spec, get_spec, create_spec, show_spec, verify_spec,
    dht_spec, completion_spec, help_spec;

#endif
