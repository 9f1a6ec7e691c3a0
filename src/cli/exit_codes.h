/* Exit codes that scripts can use; `kith help exit-codes` prints them. Append only. */
#ifndef KITH_CLI_EXIT_CODES_H
#define KITH_CLI_EXIT_CODES_H

#include <stddef.h>

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NO_PEERS = 3, /* not found, or nobody has it */
    EXIT_TIMEOUT = 4,
    EXIT_BAD_DATA = 5, /* verification failed */
    EXIT_DISK_FULL = 6,
    EXIT_UNFINISHED = 7, /* interrupted; the same command goes on */
    EXIT_EXISTS = 8,     /* something else stands where the data should go */
    EXIT_PERMISSION = 9,
    EXIT_BAD_LINK = 10, /* a link or torrent that cannot be read */
    EXIT_REFUSED = 12,
    EXIT_KILLED = 130 /* second Ctrl-C */
};

/* The table, for the help; NULL past the last. */
struct exit_doc {
    int code;
    const char *text;
};
const struct exit_doc *exit_code_at(size_t index);

/* For an error of the library. */
int exit_code_of(int err);

#endif
