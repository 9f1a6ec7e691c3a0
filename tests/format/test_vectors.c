/* Torrents by libtorrent, mktorrent and transmission-create: we read in them what libtorrent does
 * (vectors/NAME.facts, see vectors/make-vectors.py), and writing them again loses nothing. */
#include "base/err.h"
#include "base/text.h"
#include "format/bencode.h"
#include "format/magnet.h"
#include "format/metainfo.h"
#include "format/metainfo_write.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "files.h"

static const char *const names[] = {"lt-v1-multi", "lt-v2-multi", "lt-hybrid-multi",
    "lt-hybrid-no-tail", "lt-v1-canonical", "lt-v2-layers", "lt-hybrid-single", "lt-hybrid-small",
    "lt-hybrid-exact", "lt-hybrid-links", "lt-v2-links", "mktorrent-multi", "mktorrent-single",
    "transmission-multi", "transmission-single"};
#define NAME_COUNT (sizeof names / sizeof names[0])

/* The same facts, in the same form, by us. */
static void put_facts(const struct metainfo *m, struct builder *b)
{
    char hex[65];
    hex_encode(m->v1.b, sizeof m->v1.b, hex);
    if (m->has_v1)
        builder_format(b, "v1 %s\n", hex);
    hex_encode(m->v2.b, sizeof m->v2.b, hex);
    if (m->has_v2)
        builder_format(b, "v2 %s\n", hex);
    builder_format(b, "piece_length %u\npieces %u\nprivate %d\nname ", m->piece_length,
        m->piece_count, m->is_private);
    builder_span(b, m->name);
    builder_u8(b, '\n');
    for (size_t i = 0; i < m->tracker_count; i++)
        builder_format(b, "tracker %u %s\n", m->trackers[i].tier, m->trackers[i].url);
    for (size_t i = 0; i < m->web_seed_count; i++)
        builder_format(b, "webseed %s\n", m->web_seeds[i]);
    for (uint32_t i = 0; i < m->file_count; i++) {
        const struct metainfo_file *f = &m->files[i];
        if ((f->flags & METAINFO_PAD) != 0)
            continue;
        builder_format(b, "file %s%s%s%s %llu ", f->flags & METAINFO_HIDDEN ? "h" : "",
            f->flags & METAINFO_EXECUTABLE ? "x" : "", f->flags & METAINFO_SYMLINK ? "l" : "",
            f->flags == 0 ? "-" : "", (unsigned long long)f->length);
        if (f->length > 0)
            builder_format(b, "%llu ", (unsigned long long)f->offset);
        else
            builder_str(b, "- ");
        hex_encode(f->root.b, sizeof f->root.b, hex);
        builder_format(b, "%s ", f->has_root ? hex : "-");
        metainfo_put_path(m, i, PATH_LOCAL, b);
        builder_u8(b, '\n');
    }
}

static struct metainfo *load(const char *name, struct bytes *raw)
{
    struct metainfo *m;
    struct format_error error;
    *raw = read_vector(name, ".torrent");
    assert_non_null(raw->data);
    int err = metainfo_parse_torrent(*raw, &m, &error);
    if (err < 0)
        print_error("%s: %s\n", name, error.text);
    assert_int_equal(err, 0);
    return m;
}

static void facts_are_those_that_libtorrent_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        struct bytes raw, facts = read_vector(names[i], ".facts");
        struct metainfo *m = load(names[i], &raw);
        struct builder b = builder_heap(1 << 16);
        put_facts(m, &b);
        assert_string_equal(builder_text(&b), (const char *)facts.data);
        builder_free(&b);
        metainfo_unref(m);
        free((void *)raw.data);
        free((void *)facts.data);
    }
}

static void layers_are_complete_and_every_piece_knows_its_hash(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        struct bytes raw;
        struct metainfo *m = load(names[i], &raw);
        assert_true(metainfo_has_layers(m));
        uint64_t covered = 0;
        for (uint32_t piece = 0; piece < m->piece_count; piece++) {
            struct metainfo_piece p;
            metainfo_piece(m, piece, &p);
            assert_int_equal(p.size, metainfo_piece_size(m, piece));
            assert_int_equal(p.v1 != NULL, m->has_v1);
            assert_int_equal(p.has_v2 && p.v2_known, m->has_v2);
            assert_true(!m->has_v2 || (p.v2_size > 0 && p.v2_size <= p.size));
            struct metainfo_slice s = metainfo_slices(m, piece, 0, p.size);
            uint64_t in_piece = 0;
            for (; metainfo_slice_next(m, &s); in_piece += s.length)
                covered += s.pad ? 0 : s.length;
            assert_int_equal(in_piece, p.size);
        }
        assert_int_equal(covered, m->content_length);
        metainfo_unref(m);
        free((void *)raw.data);
    }
}

static void what_is_written_again_is_the_same_torrent(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        struct bytes raw;
        struct format_error error;
        struct metainfo *again, *m = load(names[i], &raw);
        struct builder b = builder_heap(1 << 20), before = builder_heap(1 << 16);
        struct builder after = builder_heap(1 << 16);
        assert_int_equal(metainfo_write(m, &b), 0);
        assert_int_equal(metainfo_parse_torrent(builder_bytes(&b), &again, &error), 0);
        assert_true(metainfo_has_layers(again));
        put_facts(m, &before);
        put_facts(again, &after);
        assert_string_equal(builder_text(&before), builder_text(&after));
        assert_true(bytes_equal(m->comment, again->comment));
        assert_true(bytes_equal(m->created_by, again->created_by));
        assert_true(m->created_unix == again->created_unix);
        assert_int_equal(m->http_seed_count, again->http_seed_count);
        assert_int_equal(m->node_count, again->node_count);
        struct bencode doc;
        assert_int_equal(bencode_parse(&doc, builder_bytes(&b), BENCODE_STRICT, 0), 0);
        bencode_free(&doc);
        builder_free(&b);
        builder_free(&before);
        builder_free(&after);
        metainfo_unref(m);
        metainfo_unref(again);
        free((void *)raw.data);
    }
}

static void a_bare_info_dictionary_needs_its_layers_later(void **state)
{
    (void)state;
    struct bytes raw;
    struct metainfo *bare, *m = load("lt-v2-layers", &raw);
    struct format_error error;
    assert_int_equal(metainfo_info_matches(m->info, NULL, &m->v2), 0);
    assert_int_equal(metainfo_parse_info(m->info, &bare, &error), 0);
    assert_true(sha256_equal(&bare->v2, &m->v2));
    assert_false(metainfo_has_layers(bare));
    assert_true(metainfo_needs_layer(bare, 0));
    struct metainfo_piece p;
    metainfo_piece(bare, 3, &p);
    assert_true(p.has_v2 && !p.v2_known);

    uint8_t wrong[19 * 32];
    memcpy(wrong, m->files[0].layer, sizeof wrong);
    assert_int_equal(metainfo_set_piece_layer(bare, 0, bytes_of(wrong, 18 * 32)), ERR_SYNTAX);
    wrong[100] ^= 1;
    assert_int_equal(metainfo_set_piece_layer(bare, 0, bytes_of(wrong, sizeof wrong)), ERR_HASH);
    assert_false(metainfo_has_layers(bare));
    wrong[100] ^= 1;
    assert_int_equal(metainfo_set_piece_layer(bare, 0, bytes_of(wrong, sizeof wrong)), 0);
    assert_int_equal(metainfo_set_piece_layer(bare, 0, bytes_of(wrong, sizeof wrong)), 0);
    assert_true(metainfo_has_layers(bare));
    metainfo_piece(bare, 3, &p);
    assert_true(p.v2_known && memcmp(p.v2_root.b, wrong + 3 * 32, 32) == 0);
    metainfo_piece(bare, 18, &p);
    assert_int_equal(p.v2_size, 300000 - 18 * 16384);
    metainfo_unref(bare);
    metainfo_unref(m);
    free((void *)raw.data);
}

static void links_lead_to_files_and_folders_inside_or_nowhere(void **state)
{
    (void)state;
    static const struct {
        const char *path, *target;
    } links[] = {{"link", "c.bin"}, {"sub/up", NULL}, {"to-folder", "sub"}};
    static const char *const vectors[] = {"lt-hybrid-links", "lt-v2-links"};
    for (size_t v = 0; v < 2; v++) {
        struct bytes raw;
        struct metainfo *m = load(vectors[v], &raw);
        size_t found = 0;
        for (uint32_t i = 0; i < m->file_count; i++) {
            if ((m->files[i].flags & METAINFO_SYMLINK) == 0)
                continue;
            assert_true(found < 3);
            assert_string_equal(m->files[i].path, links[found].path);
            if (links[found].target == NULL)
                assert_null(m->files[i].target);
            else
                assert_string_equal(m->files[i].target, links[found].target);
            found++;
        }
        assert_int_equal(found, 3);
        metainfo_unref(m);
        free((void *)raw.data);
    }
}

static void outer_fields_are_read(void **state)
{
    (void)state;
    struct bytes raw;
    struct metainfo *m = load("lt-hybrid-multi", &raw);
    assert_true(bytes_equal_str(m->comment, "a comment, \xc3\xbcn\xc3\xaf"
                                            "code"));
    assert_true(bytes_equal_str(m->created_by, "libtorrent 2.0.8.0"));
    assert_true(m->created_unix == 1700000000);
    assert_int_equal(m->http_seed_count, 1);
    assert_string_equal(m->http_seeds[0], "http://seed.example/old");
    assert_int_equal(m->node_count, 1);
    assert_string_equal(m->nodes[0].host, "router.example");
    assert_int_equal(m->nodes[0].port, 6881);
    struct magnet link;
    struct builder b = builder_heap(4096);
    assert_int_equal(magnet_of_metainfo(&link, m), 0);
    assert_int_equal(magnet_write(&link, &b), 0);
    assert_string_equal(builder_text(&b),
        "magnet:?xt=urn:btih:d574bba98ae4d1adef6867816ce81a664586eda4"
        "&xt=urn:btmh:1220bf002fdc3f3e24fdc6000d2a4166a6abd208f5d1234c9d5672989462cafc5793"
        "&dn=top&tr=http%3A%2F%2Fone.example%2Fannounce"
        "&tr=udp%3A%2F%2Ftwo.example%3A6969%2Fannounce"
        "&tr=https%3A%2F%2Fthree.example%2Fannounce&ws=http%3A%2F%2Fseed.example%2Ffiles%2F");
    magnet_free(&link);
    builder_free(&b);
    metainfo_unref(m);
    free((void *)raw.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_those_that_libtorrent_reads),
        cmocka_unit_test(layers_are_complete_and_every_piece_knows_its_hash),
        cmocka_unit_test(what_is_written_again_is_the_same_torrent),
        cmocka_unit_test(a_bare_info_dictionary_needs_its_layers_later),
        cmocka_unit_test(links_lead_to_files_and_folders_inside_or_nowhere),
        cmocka_unit_test(outer_fields_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
