/* What kith says about itself, out of the tables: on a terminal and as man pages. */
#ifndef KITH_CLI_HELP_H
#define KITH_CLI_HELP_H

#include "cli/args.h"
#include <stdio.h>

void help_command(const struct command_spec *, FILE *out);
/* What `kith` alone says. */
void help_overview(FILE *out);
/* "kith: there is no command 'shar'; did you mean 'share'?" on stderr. Returns EXIT_USAGE. */
int help_unknown(const char *name);

#endif
