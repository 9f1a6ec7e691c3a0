/* The commands of the executable. Each takes its own name as argv[0] and returns an exit code. */
#ifndef KITH_CLI_COMMANDS_H
#define KITH_CLI_COMMANDS_H

#include "cli/args.h"

int cmd_share(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_verify(int argc, char **argv);

/* For `kith help NAME`. */
const struct command_spec *share_spec(void);
const struct command_spec *get_spec(void);
const struct command_spec *create_spec(void);
const struct command_spec *show_spec(void);
const struct command_spec *verify_spec(void);

#endif
