/* See commands.h. */
#include "cli/commands.h"

#include <string.h>

static const struct command commands[] = {
    {cmd_share, &share_spec},
    {cmd_get, &get_spec},
    {cmd_create, &create_spec},
    {cmd_show, &show_spec},
    {cmd_verify, &verify_spec},
    {cmd_dht, &dht_spec},
    {cmd_completion, &completion_spec},
    {cmd_help, &help_spec},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

const struct command *command_at(size_t index)
{
    return index < COMMAND_COUNT ? &commands[index] : NULL;
}

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].spec->name, name) == 0)
            return &commands[i];
    return NULL;
}
