/* See ut_pex.h. */
#include "proto/ut_pex.h"

#include "base/err.h"
#include "format/bencode.h"

#define TOKENS_MAX 64u
#define COMPACT_MAX ((size_t)UT_PEX_ADDED_MAX * 18)

static void put_added(struct builder *b, const struct ut_pex *m, enum addr_family family)
{
    uint8_t compact[COMPACT_MAX], flags[UT_PEX_ADDED_MAX];
    struct builder list = builder_fixed(compact, sizeof compact);
    size_t count = 0;
    for (size_t i = 0; i < m->added_count; i++) {
        if (m->added[i].endpoint.family != family)
            continue;
        endpoint_put_compact(&m->added[i].endpoint, &list);
        flags[count++] = m->added[i].flags;
    }
    bencode_put_key(b, family == ADDR_V4 ? "added" : "added6");
    bencode_put_string(b, builder_bytes(&list));
    bencode_put_key(b, family == ADDR_V4 ? "added.f" : "added6.f");
    bencode_put_string(b, bytes_of(flags, count));
}

static void put_dropped(struct builder *b, const struct ut_pex *m, enum addr_family family)
{
    uint8_t compact[COMPACT_MAX];
    struct builder list = builder_fixed(compact, sizeof compact);
    for (size_t i = 0; i < m->dropped_count; i++)
        if (m->dropped[i].family == family)
            endpoint_put_compact(&m->dropped[i], &list);
    bencode_put_key(b, family == ADDR_V4 ? "dropped" : "dropped6");
    bencode_put_string(b, builder_bytes(&list));
}

void ut_pex_put(struct builder *b, const struct ut_pex *m)
{
    bencode_begin_dict(b);
    put_added(b, m, ADDR_V4);
    put_added(b, m, ADDR_V6);
    put_dropped(b, m, ADDR_V4);
    put_dropped(b, m, ADDR_V6);
    bencode_end(b);
}

static void take_added(
    struct bencode_value dict, const char *key, const char *flag_key, struct ut_pex *m)
{
    enum addr_family family = key[5] == '6' ? ADDR_V6 : ADDR_V4;
    size_t entry = family == ADDR_V4 ? 6 : 18;
    struct bytes list, flags;
    if (!bencode_get_string(dict, key, &list))
        return;
    bencode_get_string(dict, flag_key, &flags);
    struct cursor c = cursor_of(list);
    for (size_t i = 0; c.left >= entry && m->added_count < UT_PEX_ADDED_MAX; i++) {
        struct ut_pex_peer *p = &m->added[m->added_count++];
        p->endpoint = endpoint_take_compact(&c, family);
        p->flags = i < flags.size ? flags.data[i] : 0;
    }
}

static void take_dropped(struct bencode_value dict, const char *key, struct ut_pex *m)
{
    enum addr_family family = key[7] == '6' ? ADDR_V6 : ADDR_V4;
    size_t entry = family == ADDR_V4 ? 6 : 18;
    struct bytes list;
    if (!bencode_get_string(dict, key, &list))
        return;
    struct cursor c = cursor_of(list);
    while (c.left >= entry && m->dropped_count < UT_PEX_ADDED_MAX)
        m->dropped[m->dropped_count++] = endpoint_take_compact(&c, family);
}

int ut_pex_parse(struct bytes payload, struct ut_pex *m)
{
    struct bencode_token tokens[TOKENS_MAX];
    struct bencode doc;
    m->added_count = m->dropped_count = 0;
    int err = bencode_parse_into(&doc, payload, BENCODE_TOLERANT, tokens, TOKENS_MAX);
    if (err)
        return err;
    struct bencode_value dict = bencode_root(&doc);
    if (bencode_type(dict) != BENCODE_DICT)
        return ERR_SYNTAX;
    take_added(dict, "added", "added.f", m);
    take_added(dict, "added6", "added6.f", m);
    take_dropped(dict, "dropped", m);
    take_dropped(dict, "dropped6", m);
    return 0;
}
