/* See link_text.h. */
#include "cli/link_text.h"

#include <string.h>

#define LINK_SIZE_MAX ((size_t)1 << 20) /* bytes */

char *link_of_magnet(const struct magnet *m)
{
    struct builder b = builder_heap(LINK_SIZE_MAX);
    char *text = magnet_write(m, &b) == 0 ? strdup(builder_text(&b)) : NULL;
    builder_free(&b);
    return text;
}

char *link_of_metainfo(const struct metainfo *m)
{
    struct magnet link;
    if (magnet_of_metainfo(&link, m) != 0)
        return NULL;
    char *text = link_of_magnet(&link);
    magnet_free(&link);
    return text;
}
