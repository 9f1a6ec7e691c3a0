/* One torrent's data on a simulated disk: what is right is written and nothing else is, pieces
 * longer than memory are hashed in slices, and nothing of somebody else's is touched. */
#include "base/err.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "env/sim/sim.h"
#include "format/metainfo_write.h"
#include "store/storage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FILES 3u

static struct sim_world *world;
static struct sim_host *host;
static struct chunk_pool *pool;
static struct file_cache *cache;
static struct storage *storage;
static struct metainfo *metainfo;
static struct builder content[FILES];
static uint32_t piece_length;

/* ---- the torrent --------------------------------------------------------------------------- */

/* Files d/a, d/b, d/c; the stream of a hybrid is padded between them. */
static void make_torrent(bool v1, bool v2, const size_t sizes[FILES])
{
    static const char *const names[FILES] = {"a", "b", "c"};
    struct torrent_draft_file files[FILES] = {{0}};
    struct sha256_digest *layers[FILES] = {0};
    struct builder stream = builder_heap(64 << 20), out = builder_heap(1 << 20);
    struct format_error error;
    struct torrent_draft draft = {.name = "d",
        .v1 = v1,
        .v2 = v2,
        .piece_length = piece_length,
        .files = files,
        .file_count = FILES};
    for (unsigned f = 0; f < FILES; f++) {
        content[f] = builder_heap(sizes[f] + 1);
        for (size_t i = 0; i < sizes[f]; i++)
            builder_u8(&content[f], (uint8_t)(i * 13 + f * 101 + (i >> 10)));
        size_t blocks = (sizes[f] + MERKLE_BLOCK_SIZE - 1) / MERKLE_BLOCK_SIZE;
        struct sha256_digest *leaves = calloc(blocks + 1, sizeof *leaves);
        for (size_t i = 0; i < blocks; i++) {
            size_t at = i * MERKLE_BLOCK_SIZE, left = sizes[f] - at;
            leaves[i] =
                sha256(content[f].data + at, left < MERKLE_BLOCK_SIZE ? left : MERKLE_BLOCK_SIZE);
        }
        layers[f] = calloc(sizes[f] / piece_length + 2, sizeof **layers);
        merkle_layer_up(
            leaves, blocks, 0, merkle_height(piece_length / MERKLE_BLOCK_SIZE), layers[f]);
        files[f] = (struct torrent_draft_file){.path = names[f],
            .length = sizes[f],
            .root = merkle_root(leaves, blocks, 0, merkle_height(blocks)),
            .layer = sizes[f] > piece_length ? layers[f] : NULL};
        free(leaves);
    }
    for (unsigned f = 0; f < FILES; f++) {
        builder_span(&stream, builder_bytes(&content[f]));
        uint64_t pad = v1 ? torrent_draft_pad_after(&draft, f) : 0;
        memset(builder_reserve(&stream, pad), 0, pad);
    }
    size_t count = (stream.size + piece_length - 1) / piece_length;
    struct sha1_digest *pieces = calloc(count, sizeof *pieces);
    for (size_t i = 0; i < count; i++) {
        size_t at = i * piece_length, left = stream.size - at;
        pieces[i] = sha1(stream.data + at, left < piece_length ? left : piece_length);
    }
    draft.v1_pieces = pieces;
    assert_int_equal(torrent_write(&draft, &out, &error), 0);
    assert_int_equal(metainfo_parse_torrent(builder_bytes(&out), &metainfo, &error), 0);
    builder_free(&out);
    builder_free(&stream);
    free(pieces);
    for (unsigned f = 0; f < FILES; f++)
        free(layers[f]);
}

static void pass(void)
{
    sim_world_run_until(world, sim_world_now(world) + SECONDS(2), NULL, NULL);
}

static void begin(bool v1, bool v2, uint32_t length, const size_t sizes[FILES])
{
    struct sim_config calm = sim_config_calm(1);
    world = sim_world_new(&calm);
    host = sim_host_new(world, &(struct sim_host_config){.name = "h"});
    pool = chunk_pool_new(16 << 20);
    cache = file_cache_new();
    piece_length = length;
    make_torrent(v1, v2, sizes);
    storage = storage_new(&(struct storage_config){.env = sim_host_env(host),
        .metainfo = metainfo,
        .pool = pool,
        .files = cache,
        .folder = "/t"});
    assert_non_null(storage);
}

static void end(void)
{
    pass();
    storage_free(storage);
    metainfo_unref(metainfo);
    for (unsigned f = 0; f < FILES; f++)
        builder_free(&content[f]);
    file_cache_free(cache);
    chunk_pool_free(pool);
    sim_world_free(world);
}

static void put(unsigned f, size_t size)
{
    char path[16];
    snprintf(path, sizeof path, "/t/d/%c", 'a' + (int)f);
    sim_disk_put(host, path, bytes_of(content[f].data, size));
}

static bool is_on_disk(unsigned f)
{
    char path[16];
    struct builder b = builder_heap(64 << 20);
    snprintf(path, sizeof path, "/t/d/%c", 'a' + (int)f);
    bool right = sim_disk_get(host, path, &b) == 0 && b.size == content[f].size &&
                 memcmp(b.data, content[f].data, b.size) == 0;
    builder_free(&b);
    return right;
}

/* ---- checking ------------------------------------------------------------------------------ */

static unsigned right_count, checked_count;
static int check_err;

static void piece_checked(void *user, uint32_t piece, bool right)
{
    (void)user;
    (void)piece;
    checked_count++;
    right_count += right;
}

static void check_done(void *user, int err)
{
    (void)user;
    check_err = err;
}

/* How many pieces are right. */
static unsigned check(void)
{
    static const struct storage_check_events events = {piece_checked, check_done};
    struct bitfield all;
    bitfield_init(&all, metainfo->piece_count);
    bitfield_set_all(&all);
    right_count = checked_count = 0;
    check_err = 1;
    assert_int_equal(storage_check(storage, &all, &events, NULL), 0);
    bitfield_free(&all);
    while (check_err == 1)
        pass();
    assert_int_equal(check_err, 0);
    assert_int_equal(checked_count, metainfo->piece_count);
    return right_count;
}

static const struct {
    bool v1, v2;
} kinds[] = {{true, false}, {false, true}, {true, true}};

static const size_t sizes_long[FILES] = {(8u << 20) + 12345, 100, (9u << 20)};
static const size_t sizes_short[FILES] = {100000, 1, 70000};

static void pieces_longer_than_a_batch_are_checked_in_slices(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        begin(kinds[k].v1, kinds[k].v2, STORAGE_CHECK_BATCH * 2, sizes_long);
        for (unsigned f = 0; f < FILES; f++)
            put(f, content[f].size);
        assert_int_equal(check(), metainfo->piece_count);
        sim_disk_rot(host, "/t/d/a", (5 << 20) + 7);
        assert_int_equal(check(), metainfo->piece_count - 1);
        put(2, content[2].size - 1);
        unsigned expected = metainfo->piece_count - 2; /* the last of c, and the first of a */
        assert_int_equal(check(), expected);
        end();
    }
}

static void what_is_not_there_is_not_right_and_no_error(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        begin(kinds[k].v1, kinds[k].v2, 32768, sizes_short);
        assert_int_equal(check(), 0);
        put(0, content[0].size);
        assert_true(check() >= 3);
        assert_true(check() < metainfo->piece_count);
        end();
    }
}

/* ---- finishing ----------------------------------------------------------------------------- */

static int finished;

static void done(void *user, struct piece_buffer *pb, int err)
{
    (void)user;
    (void)pb;
    finished = err;
}

/* The piece's bytes as they go over the wire. */
static void arrive(struct piece_buffer *pb, uint32_t b, uint8_t *at, bool truly)
{
    struct metainfo_slice s =
        metainfo_slices(metainfo, pb->piece, b * PIECE_BLOCK_SIZE, piece_buffer_block_size(pb, b));
    while (metainfo_slice_next(metainfo, &s)) {
        unsigned f = s.pad ? 0 : (unsigned)(metainfo->files[s.file].path[0] - 'a');
        for (uint64_t i = 0; i < s.length; i++)
            *at++ = s.pad ? 0 : content[f].data[s.file_offset + i];
    }
    at[-1] ^= !truly;
    piece_buffer_mark(pb, b, 1);
}

static void fill(struct piece_buffer *pb, uint32_t from, uint32_t to, bool truly)
{
    for (uint32_t b = from; b < to; b++) {
        uint8_t *at = piece_buffer_place(pb, b);
        assert_non_null(at);
        arrive(pb, b, at, truly);
    }
}

static int finish(struct piece_buffer *pb)
{
    finished = 1;
    assert_int_equal(storage_finish(storage, pb, done, NULL), 0);
    storage_finish_now(storage);
    while (finished == 1)
        pass();
    return finished;
}

static struct piece_buffer *make(uint32_t piece)
{
    return piece_buffer_new(pool, piece, metainfo_piece_size(metainfo, piece));
}

static void only_what_is_right_is_written(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        begin(kinds[k].v1, kinds[k].v2, 32768, sizes_short);
        for (uint32_t i = 0; i < metainfo->piece_count; i++) {
            struct piece_buffer *pb = make(i);
            fill(pb, 0, pb->block_count, false);
            assert_int_equal(finish(pb), ERR_HASH);
            piece_buffer_free(pb);
            assert_false(is_on_disk(0));
        }
        struct env_stat st;
        assert_int_not_equal(sim_disk_stat(host, "/t/d/a", &st), 0); /* not even made */
        for (uint32_t i = 0; i < metainfo->piece_count; i++) {
            struct piece_buffer *pb = make(i);
            fill(pb, 0, pb->block_count, true);
            assert_int_equal(finish(pb), 0);
            piece_buffer_free(pb);
        }
        for (unsigned f = 0; f < FILES; f++)
            assert_true(is_on_disk(f));
        end();
    }
}

static struct piece_buffer *make_half_spilled(uint32_t piece, bool truly)
{
    struct piece_buffer *pb = make(piece);
    uint32_t half = pb->block_count / 2;
    fill(pb, 1, half, truly);
    finished = 1;
    assert_int_equal(storage_spill(storage, pb, done, NULL), 0);
    while (finished == 1)
        pass();
    assert_int_equal(finished, 0);
    assert_int_equal(pb->on_disk, half - 1);
    fill(pb, 0, 1, true);
    fill(pb, half, pb->block_count, true);
    return pb;
}

static void a_piece_that_was_spilled_in_part_is_judged_as_a_whole(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        begin(kinds[k].v1, kinds[k].v2, 4 << 20, sizes_long);
        struct piece_buffer *bad = make_half_spilled(0, false);
        assert_int_equal(finish(bad), ERR_HASH);
        piece_buffer_free(bad);
        struct piece_buffer *good = make_half_spilled(0, true);
        assert_int_equal(finish(good), 0);
        piece_buffer_free(good);
        assert_int_equal(check(), 1);
        end();
    }
}

/* It had its place in the buffer before. */
static void a_block_that_comes_while_others_are_spilled_stays_in_memory(void **state)
{
    (void)state;
    begin(true, true, 4 << 20, sizes_long);
    struct piece_buffer *pb = make(0);
    fill(pb, 0, 3, true);
    uint8_t *place = piece_buffer_place(pb, 3);
    piece_buffer_begin(pb, 3);
    finished = 1;
    assert_int_equal(storage_spill(storage, pb, done, NULL), 0);
    arrive(pb, 3, place, true);
    while (finished == 1)
        pass();
    assert_int_equal(pb->on_disk, 3);
    assert_int_equal(pb->in_memory, 1);
    fill(pb, 4, pb->block_count, true);
    assert_int_equal(finish(pb), 0);
    piece_buffer_free(pb);
    assert_int_equal(check(), 1);
    end();
}

/* Nobody may be blamed for what our own disk has lost. */
static void what_was_spilled_and_is_gone_is_not_a_lie(void **state)
{
    (void)state;
    begin(true, false, 4 << 20, sizes_long);
    struct piece_buffer *pb = make_half_spilled(0, true);
    sim_disk_put(host, "/t/d/a", bytes_of(content[0].data, 1000));
    assert_int_equal(finish(pb), ERR_CHANGED);
    piece_buffer_free(pb);
    end();
}

/* ---- somebody else's ----------------------------------------------------------------------- */

static int simple_err;

static void simple(void *user, int err)
{
    (void)user;
    simple_err = err;
}

static uint32_t touched_file;
static size_t touched_files;

static void moved(void *user, int err, const uint32_t *files, size_t count)
{
    (void)user;
    touched_files = count;
    touched_file = count > 0 ? files[0] : UINT32_MAX;
    simple_err = err;
}

static int ended(void)
{
    while (simple_err == 1)
        pass();
    return simple_err;
}

static void a_move_replaces_nothing_and_leaves_all_where_it_was(void **state)
{
    (void)state;
    begin(true, false, 32768, sizes_short);
    for (unsigned f = 0; f < FILES; f++)
        put(f, content[f].size);
    assert_int_equal(check(), metainfo->piece_count);
    sim_disk_put(host, "/other/d/c", bytes_of_str("precious"));
    simple_err = 1;
    assert_int_equal(storage_move(storage, "/other", moved, NULL), 0);
    assert_int_equal(ended(), ERR_EXISTS);
    for (unsigned f = 0; f < FILES; f++)
        assert_true(is_on_disk(f));
    struct builder b = builder_heap(100);
    assert_int_equal(sim_disk_get(host, "/other/d/c", &b), 0);
    assert_string_equal(builder_text(&b), "precious");
    builder_free(&b);
    assert_int_equal(check(), metainfo->piece_count);
    end();
}

static void only_what_is_marked_is_deleted_and_a_folder_that_is_not_empty_stays(void **state)
{
    static const uint8_t which[FILES] = {1, 0, 1};
    struct env_stat st;
    (void)state;
    begin(true, false, 32768, sizes_short);
    for (unsigned f = 0; f < FILES; f++)
        put(f, content[f].size);
    sim_disk_put(host, "/t/d/notes", bytes_of_str("precious"));
    assert_int_equal(check(), metainfo->piece_count);
    simple_err = 1;
    assert_int_equal(storage_delete(storage, which, simple, NULL), 0);
    assert_int_equal(ended(), 0);
    assert_false(is_on_disk(0));
    assert_true(is_on_disk(1));
    assert_false(is_on_disk(2));
    assert_int_equal(sim_disk_stat(host, "/t/d/notes", &st), 0);
    end();
}

static void a_file_that_is_not_wanted_is_not_made_and_its_neighbours_are_whole(void **state)
{
    struct env_stat st;
    (void)state;
    begin(true, false, 32768, sizes_short);
    storage_set_wanted(storage, 1, false, NULL, NULL);
    simple_err = 1;
    assert_int_equal(storage_prepare(storage, simple, NULL), 0);
    assert_int_equal(ended(), 0);
    for (uint32_t i = 0; i < metainfo->piece_count; i++) {
        struct piece_buffer *pb = make(i);
        fill(pb, 0, pb->block_count, true);
        assert_int_equal(finish(pb), 0);
        piece_buffer_free(pb);
    }
    assert_true(is_on_disk(0) && is_on_disk(2));
    assert_int_not_equal(sim_disk_stat(host, "/t/d/b", &st), 0);
    assert_int_equal(check(), metainfo->piece_count); /* out of the sidecar */
    end();
}

static struct storage_file_record synced_record[FILES];

static void synced(void *user, int err, const struct storage_file_record *files)
{
    (void)user;
    memcpy(synced_record, files, sizeof synced_record);
    simple_err = err;
}

/* How often a sync asks the disk how a file stands. */
static uint64_t looks_of_a_sync(void)
{
    uint64_t paths = sim_disk_calls(host, SIM_DISK_PATH_STAT);
    uint64_t files = sim_disk_calls(host, SIM_DISK_FILE_STAT);
    simple_err = 1;
    assert_int_equal(storage_sync(storage, synced, NULL), 0);
    assert_int_equal(ended(), 0);
    return sim_disk_calls(host, SIM_DISK_PATH_STAT) - paths +
           sim_disk_calls(host, SIM_DISK_FILE_STAT) - files;
}

static void write_piece(uint32_t piece)
{
    struct piece_buffer *pb = make(piece);
    fill(pb, 0, pb->block_count, true);
    assert_int_equal(finish(pb), 0);
    piece_buffer_free(pb);
}

static uint32_t looked_at_file;
static size_t changed_files;

static void looked(void *user, const uint32_t *files, size_t count)
{
    (void)user;
    changed_files = count;
    looked_at_file = count > 0 ? files[0] : UINT32_MAX;
}

static void look(void)
{
    changed_files = SIZE_MAX;
    assert_int_equal(storage_look(storage, looked, NULL), 0);
    pass();
    assert_int_not_equal(changed_files, SIZE_MAX);
}

static void given(void *user, struct storage_read *r, int err)
{
    (void)user;
    assert_int_equal(err, 0);
    storage_read_release(r);
}

static void give_piece(uint32_t piece)
{
    struct storage_read *r = storage_read_new(storage);
    assert_true(storage_read_add(r, STORAGE_COPY, piece, 0, 16384));
    if (storage_read_start(r, given, NULL))
        storage_read_release(r);
    pass();
}

static void a_look_tells_of_files_that_others_wrote_to_and_that_were_read(void **state)
{
    (void)state;
    begin(true, false, 32768, sizes_short);
    for (uint32_t i = 0; i < metainfo->piece_count; i++)
        write_piece(i);
    give_piece(0);
    look();
    assert_int_equal(changed_files, 0); /* we wrote it, and it was not synced yet */
    (void)looks_of_a_sync();
    give_piece(0);
    assert_true(storage_was_read(storage));
    look();
    assert_int_equal(changed_files, 0);
    assert_false(storage_was_read(storage));
    put(0, content[0].size);
    look();
    assert_int_equal(changed_files, 0); /* nobody was given anything of it */
    give_piece(0);
    look();
    assert_int_equal(changed_files, 1);
    assert_int_equal(looked_at_file, 0);
    end();
}

static void a_sync_looks_only_at_files_that_were_written_since(void **state)
{
    (void)state;
    begin(true, false, 32768, sizes_short);
    for (uint32_t i = 0; i < metainfo->piece_count; i++)
        write_piece(i);
    assert_true(looks_of_a_sync() >= FILES);
    struct storage_file_record first = synced_record[0], last = synced_record[2];
    assert_int_equal(looks_of_a_sync(), 0);
    assert_int_equal(synced_record[0].mtime_ns, first.mtime_ns);
    assert_true(synced_record[0].ours);
    put(2, content[2].size); /* somebody else: the old record stays, and tells at the next start */
    assert_int_equal(looks_of_a_sync(), 0);
    assert_int_equal(synced_record[2].mtime_ns, last.mtime_ns);
    write_piece(0);
    assert_int_equal(looks_of_a_sync(), 1);
    assert_true(synced_record[0].mtime_ns > first.mtime_ns);
    simple_err = 1;
    assert_int_equal(storage_move(storage, "/other", moved, NULL), 0);
    assert_int_equal(ended(), 0);
    assert_int_equal(looks_of_a_sync(), 0);
    pass();
    storage_let_go(storage);
    assert_true(check() > 0); /* opens the folder, and doubts what it reads */
    assert_int_equal(looks_of_a_sync(), FILES);
    end();
}

static int move_to(const char *folder)
{
    simple_err = 1;
    assert_int_equal(storage_move(storage, folder, moved, NULL), 0);
    return ended();
}

static void put_at(const char *path, unsigned f)
{
    sim_disk_put(host, path, bytes_of(content[f].data, content[f].size));
}

static void assert_vouched_as_it_stands(unsigned f, const char *path)
{
    struct env_stat st;
    assert_int_equal(sim_disk_stat(host, path, &st), 0);
    assert_int_equal(synced_record[f].size, st.size);
    assert_int_equal(synced_record[f].mtime_ns, st.mtime_ns);
    assert_int_equal(synced_record[f].inode, st.inode);
}

static void a_move_tells_of_files_that_others_wrote_to_and_no_sync_vouches_for_them(void **state)
{
    (void)state;
    begin(true, false, 32768, sizes_short);
    for (uint32_t i = 0; i < metainfo->piece_count; i++)
        write_piece(i);
    (void)looks_of_a_sync();
    put(1, content[1].size);
    assert_int_equal(move_to("/other"), 0);
    assert_int_equal(touched_files, 1);
    assert_int_equal(touched_file, 1);
    put_at("/other/d/c", 2); /* and one that is written to when it is there */
    (void)looks_of_a_sync();
    assert_int_equal(synced_record[1].size, UINT64_MAX);
    assert_vouched_as_it_stands(0, "/other/d/a");
    struct env_stat st;
    assert_int_equal(sim_disk_stat(host, "/other/d/c", &st), 0);
    assert_int_not_equal(synced_record[2].mtime_ns, st.mtime_ns);
    end();
}

static void a_copy_to_another_volume_is_vouched_for_as_it_was_made(void **state)
{
    (void)state;
    begin(true, false, 32768, sizes_short);
    assert_non_null(sim_volume_mount(host, "/mnt", 1 << 30));
    for (uint32_t i = 0; i < metainfo->piece_count; i++)
        write_piece(i);
    (void)looks_of_a_sync();
    put(1, content[1].size);
    assert_int_equal(move_to("/mnt/other"), 0);
    assert_int_equal(touched_files, 1);
    assert_int_equal(touched_file, 1);
    (void)looks_of_a_sync();
    assert_int_equal(synced_record[1].size, UINT64_MAX);
    assert_vouched_as_it_stands(0, "/mnt/other/d/a");
    assert_vouched_as_it_stands(2, "/mnt/other/d/c");
    end();
}

/* It may be a checkpoint's, before the files are opened again and hashed. */
static void no_sync_vouches_for_what_a_look_has_found(void **state)
{
    (void)state;
    begin(true, false, 32768, sizes_short);
    for (uint32_t i = 0; i < metainfo->piece_count; i++)
        write_piece(i);
    (void)looks_of_a_sync();
    put(0, content[0].size);
    give_piece(0);
    look();
    assert_int_equal(changed_files, 1);
    (void)looks_of_a_sync();
    assert_int_equal(synced_record[0].size, UINT64_MAX);
    assert_vouched_as_it_stands(2, "/t/d/c");
    end();
}

static void what_a_look_misses_because_of_a_sync_the_next_one_finds(void **state)
{
    (void)state;
    begin(true, false, 32768, sizes_short);
    for (uint32_t i = 0; i < metainfo->piece_count; i++)
        write_piece(i);
    (void)looks_of_a_sync();
    write_piece(metainfo->piece_count - 1); /* so that there is something to sync */
    put(0, content[0].size);
    give_piece(0);
    changed_files = SIZE_MAX;
    assert_true(sim_disk_fault_add(host,
                    &(struct sim_disk_fault){
                        .call = SIM_DISK_SYNC, .nth = 1, .times = 1, .hang = MSECS(1500)}) >= 0);
    assert_int_equal(storage_look(storage, looked, NULL), 0);
    simple_err = 1;
    assert_int_equal(storage_sync(storage, synced, NULL), 0);
    while (changed_files == SIZE_MAX)
        sim_world_run_until(world, sim_world_now(world) + MSECS(1), NULL, NULL);
    assert_int_equal(simple_err, 1); /* it is under way */
    assert_int_equal(changed_files, 0);
    assert_int_equal(ended(), 0);
    assert_true(storage_was_read(storage));
    look();
    assert_int_equal(changed_files, 1);
    assert_int_equal(looked_at_file, 0);
    end();
}

static struct storage_file_record opened_record[FILES];
static void opened(void *user, int err, const struct storage_opening *o)
{
    (void)user;
    memcpy(opened_record, o->now, sizeof opened_record);
    simple_err = err;
}

/* Somebody who writes between the check and the first record of it is found out by that record. */
static void what_was_found_right_is_vouched_for_as_it_was_opened(void **state)
{
    (void)state;
    begin(true, false, 32768, sizes_short);
    for (unsigned f = 0; f < FILES; f++)
        put(f, content[f].size);
    simple_err = 1;
    assert_int_equal(storage_open(storage, opened, NULL), 0);
    assert_int_equal(ended(), 0);
    assert_int_equal(check(), metainfo->piece_count);
    pass();
    put(1, content[1].size);
    (void)looks_of_a_sync();
    assert_vouched_as_it_stands(0, "/t/d/a");
    assert_false(synced_record[0].ours); /* we have not written to it */
    assert_int_equal(synced_record[1].mtime_ns, opened_record[1].mtime_ns);
    struct env_stat st;
    assert_int_equal(sim_disk_stat(host, "/t/d/b", &st), 0);
    assert_int_not_equal(synced_record[1].mtime_ns, st.mtime_ns);
    end();
}

/* ---- reading for peers --------------------------------------------------------------------- */

static bool was_read_later;
static void read_ended(void *user, struct storage_read *read, int err)
{
    (void)user;
    (void)read;
    assert_int_equal(err, 0);
    was_read_later = true;
}

/* Is what was read of block `i` what the torrent has there? */
static bool is_right(const struct storage_read *read, unsigned i)
{
    static const uint8_t zeros[STORAGE_BLOCK_MAX];
    const struct storage_block *b = &read->blocks[i];
    struct bytes runs[STORAGE_BLOCK_RUNS_MAX];
    struct builder got = builder_heap(STORAGE_BLOCK_MAX);
    int count = storage_read_runs(read, i, runs);
    for (int n = 0; n < count; n++)
        builder_span(&got, runs[n]);
    struct metainfo_slice slice = metainfo_slices(metainfo, b->piece, b->begin, b->length);
    bool right = got.size == b->length;
    for (size_t at = 0; right && metainfo_slice_next(metainfo, &slice); at += slice.length)
        right = memcmp(got.data + at,
                    slice.pad ? zeros : content[slice.file / 2].data + slice.file_offset,
                    slice.length) == 0;
    builder_free(&got);
    return right;
}

/* All blocks of a piece in one read. True: it was at hand at once. */
static bool read_piece(uint32_t piece, int expected)
{
    struct storage_read *read = storage_read_new(storage);
    uint32_t size = metainfo_piece_size(metainfo, piece);
    for (uint32_t begin = 0; begin < size; begin += 10000)
        assert_true(storage_read_add(
            read, STORAGE_COPY, piece, begin, size - begin < 10000 ? size - begin : 10000));
    was_read_later = false;
    bool now = storage_read_start(read, read_ended, NULL);
    while (!now && !was_read_later)
        pass();
    for (unsigned i = 0; i < read->block_count; i++) {
        assert_int_equal(read->blocks[i].err, expected);
        assert_true(expected || is_right(read, i));
    }
    storage_read_release(read);
    return now;
}

static void what_is_open_and_in_the_page_cache_is_copied_without_a_worker(void **state)
{
    (void)state;
    begin(true, true, 32768, sizes_short); /* every second file of it is a pad */
    for (unsigned f = 0; f < FILES; f++)
        put(f, content[f].size);
    unsigned at_once = 0, later = 0;
    assert_false(read_piece(0, 0)); /* no file is open */
    for (unsigned round = 0; round < 20; round++)
        for (uint32_t piece = 0; piece < metainfo->piece_count; piece++)
            *(read_piece(piece, 0) ? &at_once : &later) += 1;
    assert_true(at_once > 0 && later > 0); /* the simulated disk draws what is warm */
    put(0, 10);                            /* somebody cut it */
    file_cache_forget(cache, storage);
    for (unsigned round = 0; round < 20; round++)
        assert_false(read_piece(0, ERR_CHANGED));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_longer_than_a_batch_are_checked_in_slices),
        cmocka_unit_test(what_is_not_there_is_not_right_and_no_error),
        cmocka_unit_test(only_what_is_right_is_written),
        cmocka_unit_test(a_piece_that_was_spilled_in_part_is_judged_as_a_whole),
        cmocka_unit_test(a_block_that_comes_while_others_are_spilled_stays_in_memory),
        cmocka_unit_test(what_was_spilled_and_is_gone_is_not_a_lie),
        cmocka_unit_test(a_move_replaces_nothing_and_leaves_all_where_it_was),
        cmocka_unit_test(only_what_is_marked_is_deleted_and_a_folder_that_is_not_empty_stays),
        cmocka_unit_test(a_file_that_is_not_wanted_is_not_made_and_its_neighbours_are_whole),
        cmocka_unit_test(a_look_tells_of_files_that_others_wrote_to_and_that_were_read),
        cmocka_unit_test(a_sync_looks_only_at_files_that_were_written_since),
        cmocka_unit_test(a_move_tells_of_files_that_others_wrote_to_and_no_sync_vouches_for_them),
        cmocka_unit_test(a_copy_to_another_volume_is_vouched_for_as_it_was_made),
        cmocka_unit_test(no_sync_vouches_for_what_a_look_has_found),
        cmocka_unit_test(what_a_look_misses_because_of_a_sync_the_next_one_finds),
        cmocka_unit_test(what_was_found_right_is_vouched_for_as_it_was_opened),
        cmocka_unit_test(what_is_open_and_in_the_page_cache_is_copied_without_a_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
