/* Extension messages: whatever parses is within its bounds, and what we write of it parses again.
 */
#include "proto/extension.h"
#include "proto/ut_holepunch.h"
#include "proto/ut_metadata.h"
#include "proto/ut_pex.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct extension_handshake h = {0}, again = {0};
    struct ut_metadata m;
    struct ut_holepunch p, p_again;
    static struct ut_pex pex;
    if (extension_handshake_parse(input, &h) == 0) {
        struct builder b = builder_heap(4096);
        extension_handshake_put(&b, &h);
        check(builder_ok(&b));
        check(extension_handshake_parse(builder_bytes(&b), &again) == 0);
        check(again.ids.ut_pex == h.ids.ut_pex && again.metadata_size == h.metadata_size);
        builder_free(&b);
    }
    if (ut_metadata_parse(input, &m) == 0)
        check(m.data.size <= size);
    if (ut_pex_parse(input, &pex) == 0)
        check(pex.added_count <= UT_PEX_ADDED_MAX && pex.dropped_count <= UT_PEX_ADDED_MAX);
    if (ut_holepunch_parse(input, &p) == 0) {
        uint8_t room[UT_HOLEPUNCH_SIZE_MAX];
        struct builder b = builder_fixed(room, sizeof room);
        ut_holepunch_put(&b, &p);
        check(builder_ok(&b) && ut_holepunch_parse(builder_bytes(&b), &p_again) == 0);
        check(p_again.type == p.type && endpoint_equal(&p_again.address, &p.address));
    }
    return 0;
}
