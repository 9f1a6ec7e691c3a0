/* See exit_codes.h. */
#include "cli/exit_codes.h"

#include <kith.h>

const struct exit_doc *exit_code_at(size_t index)
{
    static const struct exit_doc table[] = {
        {EXIT_OK, "done"},
        {EXIT_FAILED, "failed"},
        {EXIT_USAGE, "wrong usage"},
        {EXIT_NO_PEERS, "not found, or nobody has it"},
        {EXIT_TIMEOUT, "too late"},
        {EXIT_BAD_DATA, "the data is not what the torrent says"},
        {EXIT_DISK_FULL, "the disk is full, or too small"},
        {EXIT_UNFINISHED, "interrupted; the same command goes on"},
        {EXIT_EXISTS, "something else stands where the data should go"},
        {EXIT_PERMISSION, "not allowed"},
        {EXIT_BAD_LINK, "a link or torrent that cannot be read"},
        {EXIT_REFUSED, "refused"},
        {EXIT_KILLED, "ended by a second Ctrl-C"},
    };
    return index < sizeof table / sizeof *table ? &table[index] : NULL;
}

int exit_code_of(int err)
{
    switch (err) {
    case 0:
        return EXIT_OK;
    case KITH_E_SYNTAX:
    case KITH_E_LIMIT:
    case KITH_E_TRUNCATED:
    case KITH_E_UNSUPPORTED:
    case KITH_E_MISMATCH:
        return EXIT_BAD_LINK;
    case KITH_E_NOT_FOUND:
    case KITH_E_ABSENT:
        return EXIT_NO_PEERS;
    case KITH_E_EXISTS:
        return EXIT_EXISTS;
    case KITH_E_PERMISSION:
    case KITH_E_UNSAFE_PATH:
        return EXIT_PERMISSION;
    case KITH_E_NO_SPACE:
        return EXIT_DISK_FULL;
    case KITH_E_HASH:
        return EXIT_BAD_DATA;
    case KITH_E_TIMEOUT:
        return EXIT_TIMEOUT;
    case KITH_E_REFUSED:
        return EXIT_REFUSED;
    default:
        return EXIT_FAILED;
    }
}
