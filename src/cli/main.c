/* The executable: finds the command and hands over. */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/help.h"
#include <errno.h>
#include <fcntl.h>
#include <kith.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Who starts us with a standard descriptor closed would else find messages in the first file that
 * we open: it would get that number. */
static void fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* Who has closed the other end of a pipe wants no more, and no word about it. */
static bool nobody_reads(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* What could not be printed was not done, however well all else went. */
static int end(int code)
{
    bool lost = fflush(stdout) != 0;
    int why = errno;
    if ((!lost && !ferror(stdout)) || nobody_reads())
        return code;
    fprintf(stderr, "kith: standard output: %s\n",
        lost ? strerror(why) : "not all of it could be written");
    if (code != EXIT_OK)
        return code;
    return lost && (why == ENOSPC || why == EDQUOT) ? EXIT_DISK_FULL : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        help_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("kith %s\n", kith_version());
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_overview(stdout);
        return EXIT_OK;
    }
    const struct command *c = command_find(argv[1]);
    if (!c)
        return help_unknown(argv[1]);
    if (args_ask_help(c->spec, argc - 1, argv + 1)) {
        help_command(c->spec, stdout);
        return EXIT_OK;
    }
    return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    setlocale(LC_CTYPE, "");
    return end(run(argc, argv));
}
