/* Creation: the same info-hashes as other makers give the same files, each byte read once, and a
 * clear end when files change, vanish, cannot be read, or the user thinks better of it. */
#include "base/text.h"
#include "create_vectors.h"
#include "crypto/hash.h"
#include "format/metainfo.h"
#include "share_bench.h"
#include "store/create_hash.h"
#include "store/state.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- files ----------------------------------------------------------------------------------- */

/* The two shares of make_create_vectors.py. */
static void put_vectors(struct share_bench *b)
{
    share_bench_put(b, "/home/album/a.txt", 0, 0);
    share_bench_put(b, "/home/album/b/c.bin", 100000, 1);
    share_bench_put(b, "/home/album/b/d.bin", 16384, 2);
    share_bench_put(b, "/home/album/b.txt", 5, 3);
    share_bench_put(b, "/home/album/c.txt", 0, 4);
    share_bench_put(b, "/home/album/e.bin", 1500000, 5);
    share_bench_put(b, "/home/album/f/g/h.bin", 65536, 6);
    share_bench_put(b, "/home/album/x.sh", 20, 7);
    share_bench_set_executable(b, "/home/album/x.sh");
    share_bench_put(b, "/home/album/z.txt", 0, 8);
    share_bench_put(b, "/home/movie.bin", 5000003, 99);
}

static void put_many(struct share_bench *b, unsigned count)
{
    char path[64];
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/home/many/%03u/%05u.txt", i / 100, i);
        share_bench_put(b, path, i % 97 * 10, i);
    }
}

static struct metainfo *parsed(const struct share_end *end)
{
    struct metainfo *m;
    struct format_error error;
    int err = metainfo_parse_torrent(bytes_of(end->torrent, end->torrent_size), &m, &error);
    if (err != 0)
        print_message("%s\n", error.text);
    assert_int_equal(err, 0);
    return m;
}

/* ---- vectors --------------------------------------------------------------------------------- */

static void check_hash(const uint8_t *hash, size_t size, bool has, const char *expected)
{
    char text[65];
    hex_encode(hash, size, text);
    assert_int_equal(has, expected[0] != '\0');
    if (has)
        assert_string_equal(text, expected);
}

static void the_same_files_get_the_info_hashes_that_other_makers_give_them(void **state)
{
    (void)state;
    struct share_bench b;
    share_bench_new(&b, 1);
    put_vectors(&b);
    for (size_t i = 0; i < sizeof create_vectors / sizeof *create_vectors; i++) {
        const struct create_vector *v = &create_vectors[i];
        char path[64];
        struct share_end end = {0};
        snprintf(path, sizeof path, "/home/%s", v->name);
        share_bench_create(&b,
            &(struct create_options){
                .path = path, .kind = v->kind, .piece_length = v->piece_length},
            &end);
        assert_int_equal(end.err, 0);
        print_message("%s %s %d %u\n", v->maker, v->name, v->kind, v->piece_length);
        struct metainfo *m = parsed(&end);
        if (v->pieces != NULL) {
            struct sha1_digest d = sha1(m->v1_pieces, (size_t)m->piece_count * 20);
            check_hash(d.b, sizeof d.b, true, v->pieces);
        } else {
            check_hash(end.result.v1.b, sizeof end.result.v1.b, end.result.has_v1, v->v1);
            check_hash(end.result.v2.b, sizeof end.result.v2.b, end.result.has_v2, v->v2);
        }
        metainfo_unref(m);
        share_end_free(&end);
    }
    share_bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_files_get_the_info_hashes_that_other_makers_give_them),
    };
    (void)put_many;
    return cmocka_run_group_tests_name("create", tests, NULL, NULL);
}
