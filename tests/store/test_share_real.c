/* Scan, creation and recheck on the real disk: files that are mapped, what the simulated one does
 * not have (pipes, sockets, owners), and the same info-hashes as there. */
#include "base/text.h"
#include "create_vectors.h"
#include "env/uv/uv_env.h"
#include "store/create/create.h"
#include "store/create/create_read.h"
#include "store/storage.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct real {
    struct env *env;
    char folder[64];
};

static void real_new_with(struct real *r, const struct uv_env_config *config)
{
    assert_int_equal(uv_env_new(config, &r->env), 0);
    strcpy(r->folder, "/tmp/kith-share-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    assert_int_equal(chmod(r->folder, 0755), 0);
}

static void real_new(struct real *r)
{
    real_new_with(r, NULL);
}

static void real_free(struct real *r)
{
    char command[128];
    uv_env_free(r->env);
    snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
    assert_int_equal(system(command), 0);
}

static const char *at(const struct real *r, const char *path)
{
    static char full[256];
    snprintf(full, sizeof full, "%s/%s", r->folder, path);
    return full;
}

static void put(const struct real *r, const char *path, size_t size, unsigned seed, mode_t mode)
{
    char full[256], *slash;
    strcpy(full, at(r, path));
    for (slash = full + strlen(r->folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    uint8_t *data = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 31 + (i >> 8) * 17 + seed);
    int fd = open(full, O_WRONLY | O_CREAT | O_EXCL, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    free(data);
}

struct outcome {
    bool ended;
    int err;
    char v1[41], v2[65], detail[256];
};

static void done(void *user, int err, const struct create_result *result, const char *detail)
{
    struct outcome *o = user;
    o->ended = true;
    o->err = err;
    snprintf(o->detail, sizeof o->detail, "%s", detail);
    if (err == 0 && result->has_v1)
        hex_encode(result->v1.b, sizeof result->v1.b, o->v1);
    if (err == 0 && result->has_v2)
        hex_encode(result->v2.b, sizeof result->v2.b, o->v2);
}

static struct outcome create(struct real *r, const struct create_options *options)
{
    static const struct create_events events = {.done = done};
    struct outcome o = {0};
    struct create *c;
    assert_int_equal(create_start(r->env, options, &events, &o, &c), 0);
    while (!o.ended)
        uv_env_run(r->env, -1);
    return o;
}

static void check_vectors(const struct uv_env_config *config)
{
    struct real r;
    real_new_with(&r, config);
    put(&r, "album/a.txt", 0, 0, 0644);
    put(&r, "album/b/c.bin", 100000, 1, 0644);
    put(&r, "album/b/d.bin", 16384, 2, 0644);
    put(&r, "album/b.txt", 5, 3, 0644);
    put(&r, "album/c.txt", 0, 4, 0644);
    put(&r, "album/e.bin", 1500000, 5, 0600);
    put(&r, "album/f/g/h.bin", 65536, 6, 0444);
    put(&r, "album/x.sh", 20, 7, 0755);
    put(&r, "album/z.txt", 0, 8, 0644);
    put(&r, "movie.bin", 5000003, 99, 0644);
    for (size_t i = 0; i < sizeof create_vectors / sizeof *create_vectors; i++) {
        const struct create_vector *v = &create_vectors[i];
        if (v->pieces != NULL)
            continue;
        struct outcome o = create(
            &r, &(struct create_options){
                    .path = at(&r, v->name), .kind = v->kind, .piece_length = v->piece_length});
        assert_int_equal(o.err, 0);
        assert_string_equal(o.v1, v->v1);
        assert_string_equal(o.v2, v->v2);
    }
    real_free(&r);
}

static void real_files_have_the_info_hashes_that_other_makers_give_them(void **state)
{
    (void)state;
    check_vectors(NULL);
}

static void files_that_are_mapped_have_them_too(void **state)
{
    (void)state;
    check_vectors(&(struct uv_env_config){.handle_sigbus = true});
}

enum { FILM = 1 << 20, SLICE = 65536 };

/* A film that is mapped, of which the first slice is being read. */
struct mapped {
    struct real r;
    struct scan *scan;
    struct create_reader reader;
    uint8_t room[SLICE];
    const uint8_t *data;
};

static void mapped_begin(struct mapped *m)
{
    real_new_with(&m->r, &(struct uv_env_config){.handle_sigbus = true});
    put(&m->r, "movie.bin", FILM, 1, 0644);
    assert_int_equal(scan_run(m->r.env, at(&m->r, "movie.bin"), NULL, &m->scan), 0);
    create_reader_begin(&m->reader, m->scan, 0, 0, FILM);
    assert_int_equal(create_reader_next(&m->reader, SLICE, m->room, &m->data), 0);
    assert_ptr_not_equal(m->data, m->room);
}

/* Whoever reads behind the cut reads zeros. */
static void mapped_cut(struct mapped *m)
{
    assert_int_equal(truncate(at(&m->r, "movie.bin"), 100), 0);
    assert_int_equal(*(const volatile uint8_t *)(m->data + SLICE - 1), 0);
}

static void mapped_end(struct mapped *m)
{
    scan_free(m->scan);
    real_free(&m->r);
}

static void a_file_that_is_cut_while_it_is_mapped_has_changed(void **state)
{
    (void)state;
    struct mapped m;
    mapped_begin(&m);
    mapped_cut(&m);
    assert_int_equal(create_reader_end(&m.reader), ERR_CHANGED);
    mapped_end(&m);
}

/* The file is whole again when it is asked about, as it is if it was the disk that failed. */
static void what_could_not_be_read_of_a_file_that_is_as_it_was_is_the_disks_failure(void **state)
{
    (void)state;
    struct mapped m;
    struct stat st;
    mapped_begin(&m);
    const char *path = at(&m.r, "movie.bin");
    assert_int_equal(stat(path, &st), 0);
    mapped_cut(&m);
    assert_int_equal(truncate(path, FILM), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){st.st_atim, st.st_mtim}, 0), 0);
    assert_int_equal(create_reader_end(&m.reader), ERR_IO);
    mapped_end(&m);
}

static void neighbours_in_a_file_share_one_window_and_both_hear_of_a_cut(void **state)
{
    (void)state;
    struct real r;
    struct scan *scan;
    struct create_share share = {0};
    struct create_reader readers[2];
    uint8_t room[SLICE];
    const uint8_t *data[2];
    real_new_with(&r, &(struct uv_env_config){.handle_sigbus = true});
    put(&r, "movie.bin", FILM, 1, 0644);
    assert_int_equal(scan_run(r.env, at(&r, "movie.bin"), NULL, &scan), 0);
    for (unsigned i = 0; i < 2; i++) {
        create_reader_begin(&readers[i], scan, 0, i * (FILM / 2), FILM / 2);
        readers[i].share = &share;
    }
    create_reader_share(&readers[0], FILM, &share);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(create_reader_next(&readers[i], SLICE, room, &data[i]), 0);
    assert_ptr_equal(data[1], data[0] + FILM / 2);
    assert_int_equal(data[1][5], (uint8_t)((FILM / 2 + 5) * 31 + ((FILM / 2 + 5) >> 8) * 17 + 1));
    assert_int_equal(truncate(at(&r, "movie.bin"), 100), 0);
    assert_int_equal(*(const volatile uint8_t *)(data[1] + SLICE - 1), 0);
    assert_int_equal(create_share_end(&share), ERR_CHANGED);
    assert_int_equal(create_reader_end(&readers[0]), ERR_CHANGED);
    assert_int_equal(create_reader_end(&readers[1]), ERR_CHANGED);
    scan_free(scan);
    real_free(&r);
}

/* ---- rechecking ---------------------------------------------------------------------------- */

struct recheck {
    unsigned right;
    bool ended;
};

static void piece_checked(void *user, uint32_t piece, bool right)
{
    (void)piece;
    ((struct recheck *)user)->right += right;
}

static void check_done(void *user, int err)
{
    assert_int_equal(err, 0);
    ((struct recheck *)user)->ended = true;
}

/* How many pieces of `m` are right in the folder. */
static unsigned right_pieces(struct real *r, struct metainfo *m)
{
    static const struct storage_check_events events = {piece_checked, check_done};
    struct recheck result = {0};
    struct file_cache *files = file_cache_new();
    struct chunk_pool *pool = chunk_pool_new(16 << 20);
    struct storage *s = storage_new(&(struct storage_config){
        .env = r->env, .metainfo = m, .pool = pool, .files = files, .folder = r->folder});
    struct bitfield all;
    bitfield_init(&all, m->piece_count);
    bitfield_set_all(&all);
    assert_int_equal(storage_check(s, &all, &events, &result), 0);
    bitfield_free(&all);
    while (!result.ended)
        uv_env_run(r->env, -1);
    storage_free(s);
    file_cache_free(files);
    chunk_pool_free(pool);
    return result.right;
}

static void keep_torrent(
    void *user, int err, const struct create_result *result, const char *detail)
{
    struct metainfo **m = user;
    struct format_error error;
    (void)detail;
    assert_int_equal(err, 0);
    assert_int_equal(metainfo_parse_torrent(result->torrent, m, &error), 0);
}

static struct metainfo *torrent_of(struct real *r, enum create_kind kind, uint32_t piece_length)
{
    static const struct create_events events = {.done = keep_torrent};
    struct metainfo *m = NULL;
    struct create *c;
    assert_int_equal(create_start(r->env,
                         &(struct create_options){
                             .path = at(r, "album"), .kind = kind, .piece_length = piece_length},
                         &events, &m, &c),
        0);
    while (m == NULL)
        uv_env_run(r->env, -1);
    return m;
}

/* Long and short files, mapped and read: all pieces are right, then those but of the changed byte,
 * then those before a cut. */
static void check_album(bool mapped, enum create_kind kind, uint32_t piece_length)
{
    struct real r;
    real_new_with(&r, &(struct uv_env_config){.handle_sigbus = mapped});
    put(&r, "album/a.bin", 3000000, 1, 0644);
    put(&r, "album/b.bin", 20, 2, 0644);
    put(&r, "album/c.bin", 2500000, 3, 0644);
    struct metainfo *m = torrent_of(&r, kind, piece_length);
    assert_int_equal(right_pieces(&r, m), m->piece_count);
    int fd = open(at(&r, "album/a.bin"), O_WRONLY);
    assert_int_equal(pwrite(fd, "changed", 7, 1500000), 7);
    close(fd);
    assert_int_equal(right_pieces(&r, m), m->piece_count - 1);
    assert_int_equal(truncate(at(&r, "album/a.bin"), 0), 0);
    unsigned gone = (3000000 + piece_length - 1) / piece_length;
    assert_int_equal(right_pieces(&r, m), m->piece_count - gone);
    metainfo_unref(m);
    real_free(&r);
}

static void a_recheck_finds_what_is_right_mapped_or_read(void **state)
{
    (void)state;
    static const enum create_kind kinds[] = {CREATE_V1, CREATE_V2, CREATE_HYBRID};
    static const uint32_t lengths[] = {65536, 262144, 1 << 20, 8 << 20};
    for (int mapped = 0; mapped < 2; mapped++)
        for (unsigned k = 0; k < 3; k++)
            for (unsigned l = 0; l < 4; l++)
                check_album(mapped, kinds[k], lengths[l]);
}

static void pipes_and_sockets_are_noted_and_never_opened(void **state)
{
    (void)state;
    struct real r;
    struct scan *s;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    real_new(&r);
    put(&r, "s/file", 10, 0, 0644);
    assert_int_equal(mkfifo(at(&r, "s/pipe"), 0644), 0); /* opening it would wait for ever */
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, at(&r, "s/socket"));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(scan_run(r.env, at(&r, "s"), NULL, &s), 0);
    assert_int_equal(s->count, 1);
    assert_int_equal(s->note_count, 2);
    assert_int_equal(s->notes[0].kind, SCAN_SPECIAL);
    assert_int_equal(s->notes[1].kind, SCAN_SPECIAL);
    scan_free(s);
    assert_int_equal(scan_run(r.env, at(&r, "s/pipe"), NULL, &s), ERR_UNSUPPORTED);
    scan_free(s);
    close(fd);
    real_free(&r);
}

static void links_to_the_system_are_left_out(void **state)
{
    (void)state;
    struct real r;
    struct scan *s;
    real_new(&r);
    put(&r, "s/file", 10, 0, 0644);
    assert_int_equal(symlink("/etc/passwd", at(&r, "s/passwd")), 0);
    assert_int_equal(symlink("../../../etc", at(&r, "s/etc")), 0);
    assert_int_equal(symlink("file", at(&r, "s/inside")), 0);
    assert_int_equal(scan_run(r.env, at(&r, "s"), NULL, &s), 0);
    assert_int_equal(s->count, 2);
    assert_string_equal(s->files[1].path, "inside");
    assert_string_equal(s->files[1].target, "file");
    assert_int_equal(s->note_count, 2);
    scan_free(s);
    real_free(&r);
}

static void files_of_others_are_named_when_they_cannot_be_read(void **state)
{
    (void)state;
    char folder[64];
    int status;
    strcpy(folder, "/tmp/kith-share-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    struct real r = {.env = NULL};
    strcpy(r.folder, folder);
    put(&r, "s/mine", 10, 0, 0644);
    put(&r, "s/secret", 10, 0, 0000);
    /* In a process without root's powers: they would not be refused anything. */
    pid_t child = fork();
    if (child == 0) {
        struct outcome o;
        if (getuid() == 0 && setuid(65534) != 0)
            _exit(2);
        if (uv_env_new(NULL, &r.env) != 0)
            _exit(3);
        o = create(&r, &(struct create_options){.path = at(&r, "s")});
        bool named = o.err == ERR_PERMISSION &&
                     strcmp(o.detail, "secret: cannot be read: permission denied") == 0;
        o = create(&r, &(struct create_options){.path = at(&r, "s"), .skip_problems = true});
        uv_env_free(r.env);
        _exit(named && o.err == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(uv_env_new(NULL, &r.env), 0);
    real_free(&r);
}

static void a_cancelled_creation_ends_and_leaves_nothing_open(void **state)
{
    (void)state;
    static const struct create_events events = {.done = done};
    struct real r;
    struct outcome o = {0};
    struct create *c;
    real_new(&r);
    put(&r, "movie.bin", 50 << 20, 1, 0644);
    assert_int_equal(
        create_start(r.env, &(struct create_options){.path = at(&r, "movie.bin")}, &events, &o, &c),
        0);
    uv_env_run(r.env, -1);
    if (!o.ended)
        create_cancel(c);
    while (!o.ended)
        uv_env_run(r.env, -1);
    assert_true(o.err == ERR_CANCELLED || o.err == 0);
    real_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_files_have_the_info_hashes_that_other_makers_give_them),
        cmocka_unit_test(files_that_are_mapped_have_them_too),
        cmocka_unit_test(a_file_that_is_cut_while_it_is_mapped_has_changed),
        cmocka_unit_test(what_could_not_be_read_of_a_file_that_is_as_it_was_is_the_disks_failure),
        cmocka_unit_test(neighbours_in_a_file_share_one_window_and_both_hear_of_a_cut),
        cmocka_unit_test(a_recheck_finds_what_is_right_mapped_or_read),
        cmocka_unit_test(pipes_and_sockets_are_noted_and_never_opened),
        cmocka_unit_test(links_to_the_system_are_left_out),
        cmocka_unit_test(files_of_others_are_named_when_they_cannot_be_read),
        cmocka_unit_test(a_cancelled_creation_ends_and_leaves_nothing_open),
    };
    return cmocka_run_group_tests_name("share on the real disk", tests, NULL, NULL);
}
