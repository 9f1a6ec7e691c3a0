/* Scan and creation on the real disk: what the simulated one does not have (pipes, sockets,
 * owners), and the same info-hashes as there. */
#include "base/text.h"
#include "create_vectors.h"
#include "env/uv/uv_env.h"
#include "store/create.h"
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

static void real_new(struct real *r)
{
    assert_int_equal(uv_env_new(NULL, &r->env), 0);
    strcpy(r->folder, "/tmp/kith-share-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    assert_int_equal(chmod(r->folder, 0755), 0);
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

static void real_files_have_the_info_hashes_that_other_makers_give_them(void **state)
{
    (void)state;
    struct real r;
    real_new(&r);
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
        cmocka_unit_test(pipes_and_sockets_are_noted_and_never_opened),
        cmocka_unit_test(links_to_the_system_are_left_out),
        cmocka_unit_test(files_of_others_are_named_when_they_cannot_be_read),
        cmocka_unit_test(a_cancelled_creation_ends_and_leaves_nothing_open),
    };
    return cmocka_run_group_tests_name("share on the real disk", tests, NULL, NULL);
}
