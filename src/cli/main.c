/* The executable: finds the command and hands over. */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/help.h"
#include <fcntl.h>
#include <kith.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

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

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    setlocale(LC_CTYPE, "");
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
    if (asks_for_help(argc - 1, argv + 1)) {
        help_command(c->spec, stdout);
        return EXIT_OK;
    }
    return c->run(argc - 1, argv + 1);
}
