/* The state database's file and those that stand beside it: names, and what makes them durable. */
#ifndef KITH_STORE_STATE_FILES_H
#define KITH_STORE_STATE_FILES_H

#include <stdbool.h>

#define STATE_PATH_MAX 4096u
#define STATE_SUFFIX_MAX                                                                           \
    128u /* of a name beside the database: state_db_open leaves room for it                        \
          */

struct state_beside {
    char text[STATE_PATH_MAX];
};
/* The name of a file that stands beside the database: "state.db" + suffix. */
struct state_beside state_beside(const char *path, const char *suffix);
bool state_file_exists(const char *path);
/* An empty file that only we may read, unless there is one: states hold links, and links are
 * secrets. */
int state_create_private(const char *path);
/* The folders that lead to it, durable before it is made; where it stands already they are. */
int state_make_folders(const char *path);
/* Makes the names in its folder durable. */
int state_sync_folder(const char *path);
/* With what SQLite keeps beside it. */
void state_unlink(const char *path);

#endif
