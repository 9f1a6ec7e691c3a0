/* Trackers as people write them. See create.h. */
#include "store/create/create.h"

#include "base/err.h"
#include "format/metainfo.h"
#include <assert.h>
#include <string.h>

static_assert(CREATE_TRACKERS_MAX <= METAINFO_TRACKERS_MAX, "no reader drops what we wrote");

static int add_tier(struct create_tracker *list, size_t *count, char *urls, unsigned tier)
{
    for (char *url; (url = strsep(&urls, ",")) != NULL;) {
        if (*url == '\0')
            continue;
        if (!strstr(url, "://"))
            return ERR_SYNTAX;
        if (*count == CREATE_TRACKERS_MAX)
            return ERR_LIMIT;
        list[(*count)++] = (struct create_tracker){url, tier};
    }
    return 0;
}

int create_read_tiers(struct arena *a, const char *const *texts, size_t text_count,
    struct create_tracker **out, size_t *count_out)
{
    struct create_tracker *list = arena_array(a, CREATE_TRACKERS_MAX, sizeof *list);
    int err = list ? 0 : ERR_NOMEM;
    *count_out = 0;
    for (size_t i = 0; i < text_count && !err; i++) {
        char *urls = arena_dup(a, bytes_of_str(texts[i]));
        err = urls ? add_tier(list, count_out, urls, (unsigned)i) : ERR_NOMEM;
    }
    *out = list;
    return err;
}
