/* See ut_holepunch.h. */
#include "proto/ut_holepunch.h"

#include "base/err.h"

enum { ADDRESS_V4 = 0, ADDRESS_V6 = 1 };

void ut_holepunch_put(struct builder *b, const struct ut_holepunch *m)
{
    builder_u8(b, (uint8_t)m->type);
    builder_u8(b, m->address.family == ADDR_V6 ? ADDRESS_V6 : ADDRESS_V4);
    endpoint_put_compact(&m->address, b);
    /* The specification has the code always, libtorrent only in failures: both read both. */
    builder_u32(b, m->type == UT_HOLEPUNCH_FAILED ? m->error : 0);
}

int ut_holepunch_parse(struct bytes payload, struct ut_holepunch *m)
{
    struct cursor c = cursor_of(payload);
    uint8_t type = cursor_u8(&c), family = cursor_u8(&c);
    *m = (struct ut_holepunch){.type = (enum ut_holepunch_type)type};
    if (!cursor_ok(&c) || type > UT_HOLEPUNCH_FAILED || family > ADDRESS_V6)
        return ERR_SYNTAX;
    m->address = endpoint_take_compact(&c, family == ADDRESS_V6 ? ADDR_V6 : ADDR_V4);
    if (c.left > 0 || type == UT_HOLEPUNCH_FAILED)
        m->error = cursor_u32(&c);
    return cursor_done(&c) && m->address.port != 0 ? 0 : ERR_SYNTAX;
}
