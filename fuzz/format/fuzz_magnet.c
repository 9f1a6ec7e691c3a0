/* Any text as a magnet link. What parses is written, and that must parse to an equal magnet within
 * the bounds of magnet.h. */
#include "base/text.h"
#include "format/magnet.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_selection(const struct magnet *m)
{
    check(m->has_selection == (m->selection_count > 0));
    for (size_t i = 0; i < m->selection_count; i++) {
        check(m->selection[i].first <= m->selection[i].last);
        check(i == 0 || m->selection[i].first > m->selection[i - 1].last + 1);
        check(magnet_selects(m, m->selection[i].first));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct magnet m, again;
    struct format_error error;
    int err = magnet_parse(&m, bytes_of(data, size), &error);
    check((err == 0) == (error.text[0] == '\0'));
    if (err < 0)
        return 0;
    check(m.has_v1 || m.has_v2);
    check(m.tracker_count <= MAGNET_TRACKERS_MAX && m.peer_count <= MAGNET_PEERS_MAX);
    check(m.name == NULL || utf8_valid(bytes_of_str(m.name)));
    check_selection(&m);
    struct builder b = builder_heap(4 * MAGNET_LENGTH_MAX);
    check(magnet_write(&m, &b) == 0);
    if (b.size <= MAGNET_LENGTH_MAX) { /* escapes may have made it longer than we would read */
        check(magnet_parse(&again, builder_bytes(&b), NULL) == 0);
        check(magnet_equal(&m, &again));
        magnet_free(&again);
    }
    builder_free(&b);
    magnet_free(&m);
    return 0;
}
