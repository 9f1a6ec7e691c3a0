/* The help of a command, out of its tables. */
#ifndef KITH_CLI_HELP_H
#define KITH_CLI_HELP_H

#include "cli/args.h"
#include <stdio.h>

void help_command(const struct command_spec *, FILE *out);

#endif
