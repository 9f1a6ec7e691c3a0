/* Hostile torrents on a real folder, from a real node to a real node: added by file or by link,
 * fetched, given another name for what is in the way, moved, checked again, deleted. Whatever their
 * paths and links say, nothing outside the folders that the user named is made, changed or removed,
 * and neither is what somebody else keeps in them.
 *
 *     hostile_campaign [SWAPS]
 *
 * Then a folder of the torrent is swapped for a link to elsewhere, and back, so many times while
 * the node downloads into it. */
#include "base/text.h"
#include "crypto/hash.h"
#include "format/metainfo.h"
#include "node/node_env.h"
#include "node/node_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOUND SECONDS(20)
#define PATH_ROOM 256
#define CANARY "somebody else's"

static char top[64];
static struct kith_node *seeder, *node;
static struct kith_torrent *wanted;
static unsigned completes, obstacles, moves, removals, readies;
static unsigned runs, refused, fetched, failed;

/* ---- hostile words ------------------------------------------------------------------------- */

static const char *const evil[] = {"..", ".", "/", "/etc", "../..", "../canary", "../../canary",
    "..\\canary", "\\", "C:", "C:\\x", "\\\\server\\c", "a/../../canary", "a\nb", "\x1b[31m",
    "exe\xe2\x80\xaegpj", "\xc0\xae\xc0\xae", "\xc0\xaf", "\xff\xfe", "CON", "nul.txt", "x.", "x ",
    " x", "-rf", "$(touch canary)", "`id`", "a;b", "%2e%2e%2f", "..%2f", "....//", ".kith-parts",
    "canary", "..;", "~root", "a\tb", "\xe2\x80\x8b", "\xef\xbc\x8e\xef\xbc\x8e", "*", "?", "",
    "con.", "LPT1", "a:b", "|", "\"", "'", "aux", ".git", ".ssh"};
#define EVIL (sizeof evil / sizeof *evil)

enum shape {
    NAME_ONLY,    /* a single file of that name */
    FOLDER_NAME,  /* the torrent's own folder */
    FIRST_FOLDER, /* of a file's path */
    LAST_NAME,    /* of a file's path */
    TWICE,        /* two files that wish for the same place */
    ALL_THE_WAY,  /* every component */
    LINK_TARGET,  /* where a link leads */
    LINK_NAME,    /* a link that stands where a file's folder should */
    SHAPES
};

static void put_string(struct builder *b, const char *s)
{
    builder_format(b, "%zu:", strlen(s));
    builder_str(b, s);
}

static void put_file(struct builder *b, const char *const *path, unsigned count)
{
    builder_str(b, "d6:lengthi100e4:pathl");
    for (unsigned i = 0; i < count; i++)
        put_string(b, path[i]);
    builder_str(b, "ee");
}

static void put_link(struct builder *b, const char *name, const char *target)
{
    builder_str(b, "d4:attr1:l6:lengthi0e4:pathl");
    put_string(b, name);
    builder_str(b, "e12:symlink pathl");
    put_string(b, target);
    builder_str(b, "ee");
}

/* So many files of 100 bytes in all. */
static unsigned put_files(struct builder *b, enum shape shape, const char *word)
{
    switch (shape) {
    case FOLDER_NAME:
        put_file(b, (const char *[]){"plain"}, 1);
        return 1;
    case FIRST_FOLDER:
        put_file(b, (const char *[]){word, "x"}, 2);
        return 1;
    case LAST_NAME:
        put_file(b, (const char *[]){"deep", word}, 2);
        return 1;
    case TWICE:
        put_file(b, (const char *[]){word}, 1);
        put_file(b, (const char *[]){word, "x"}, 2);
        put_file(b, (const char *[]){word}, 1);
        return 3;
    case ALL_THE_WAY:
        put_file(b, (const char *[]){word, word, word, word}, 4);
        return 1;
    case LINK_TARGET:
        put_link(b, "link", word);
        put_file(b, (const char *[]){"link", "x"}, 2);
        return 1;
    default:
        put_link(b, word, "..");
        put_file(b, (const char *[]){word, "x"}, 2);
        return 1;
    }
}

static uint8_t content_byte(size_t at)
{
    return (uint8_t)(at * 31 + 7);
}

static void make_torrent(struct builder *b, enum shape shape, const char *word, unsigned number)
{
    uint8_t stream[400];
    unsigned count = 1;
    builder_str(b, "d4:infod");
    if (shape == NAME_ONLY) {
        builder_str(b, "6:lengthi100e4:name");
        put_string(b, word);
    } else {
        builder_str(b, "5:filesl");
        count = put_files(b, shape, word);
        builder_str(b, "e4:name");
        put_string(b, shape == FOLDER_NAME || shape == ALL_THE_WAY ? word : "root");
    }
    for (size_t i = 0; i < sizeof stream; i++)
        stream[i] = content_byte(i);
    struct sha1_digest piece = sha1(stream, (size_t)count * 100);
    builder_str(b, "12:piece lengthi16384e6:pieces20:");
    builder_bytes_put(b, piece.b, sizeof piece.b);
    builder_format(b, "6:source%zu:%04uee", (size_t)4, number % 10000); /* each its own info-hash */
}

/* ---- files --------------------------------------------------------------------------------- */

static void path_of(char out[PATH_ROOM], const char *name)
{
    snprintf(out, PATH_ROOM, "%.63s/%.150s", top, name);
}

static void put(const char *name, const char *text)
{
    char path[PATH_ROOM];
    path_of(path, name);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        abort();
}

static void make_folder(const char *name)
{
    char path[PATH_ROOM];
    path_of(path, name);
    mkdir(path, 0777);
}

static bool holds(const char *name, const char *text)
{
    char path[PATH_ROOM], is[64] = "";
    path_of(path, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t n = fread(is, 1, sizeof is - 1, f);
    fclose(f);
    return n == strlen(text) && memcmp(is, text, n) == 0;
}

static unsigned entries_of(const char *name)
{
    char path[PATH_ROOM];
    unsigned count = 0;
    path_of(path, name);
    DIR *d = opendir(path);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d)
        closedir(d);
    return count;
}

static const char *const canaries[] = {
    "canary", "outside/canary", "target/canary", "moved/canary", "outside/x", "outside/sub/x"};

/* Nothing but what was there, and that as it was. */
static bool is_outside_whole(void)
{
    bool whole =
        entries_of("") == 5 && entries_of("outside") == 3 && entries_of("outside/sub") == 1;
    for (unsigned i = 0; i < sizeof canaries / sizeof *canaries; i++)
        whole &= holds(canaries[i], CANARY);
    return whole;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    return ftw->level == 0 ? 0 : remove(path);
}

/* Empties a folder but for its canary. */
static void clean(const char *name)
{
    char path[PATH_ROOM];
    path_of(path, name);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    snprintf(path, sizeof path, "%.100s/canary", name);
    if (strcmp(name, "source") != 0)
        put(path, CANARY);
}

static void make_world(void)
{
    static const char *const folders[] = {"source", "target", "moved", "outside", "outside/sub"};
    snprintf(
        top, sizeof top, "%s/kith-hostile-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(top))
        abort();
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++)
        make_folder(folders[i]);
    for (unsigned i = 0; i < sizeof canaries / sizeof *canaries; i++)
        put(canaries[i], CANARY);
}

/* ---- nodes --------------------------------------------------------------------------------- */

static void hear(struct kith_node *n)
{
    const struct kith_event *e;
    while ((e = kith_next_event(n)) != NULL) {
        if (kith_event_torrent(e) != wanted)
            continue;
        int type = kith_event_type(e);
        completes += type == KITH_EVENT_COMPLETE;
        moves += type == KITH_EVENT_MOVED && kith_event_error(e) == 0;
        removals += type == KITH_EVENT_REMOVED;
        readies += type == KITH_EVENT_READY;
        obstacles += type == KITH_EVENT_CONFLICT || type == KITH_EVENT_TROUBLE;
    }
}

/* Until one of these counts; false: nothing did. */
static bool await(const unsigned *a, const unsigned *b)
{
    unsigned before_a = *a, before_b = *b;
    usec end = env_now(node->env) + BOUND;
    while (*a == before_a && *b == before_b) {
        if (env_now(node->env) > end)
            return false;
        kith_run(seeder, 1);
        hear(seeder);
        kith_run(node, 1);
        hear(node);
    }
    return true;
}

static struct kith_torrent *add(
    struct kith_node *n, struct bytes torrent, const char *folder, const char *link, int existing)
{
    struct kith_add a;
    struct kith_torrent *k = NULL;
    char path[PATH_ROOM], peer[32];
    const char *peers[] = {peer};
    KITH_INIT(a);
    path_of(path, folder);
    snprintf(peer, sizeof peer, "127.0.0.1:%u", kith_listen_port(seeder));
    a.folder = path;
    a.link = link;
    a.torrent = link ? NULL : torrent.data;
    a.torrent_size = link ? 0 : torrent.size;
    a.existing = existing;
    a.peers = peers;
    a.peer_count = n == seeder ? 0 : 1;
    return kith_add(n, &a, &k) == 0 ? k : NULL;
}

/* The content where the seeder will look for it. */
static bool put_content(struct bytes torrent)
{
    struct metainfo *m;
    struct format_error error;
    if (metainfo_parse_torrent(torrent, &m, &error) != 0)
        return false;
    for (uint32_t f = 0; f < m->file_count; f++) {
        if (m->files[f].flags & (METAINFO_PAD | METAINFO_SYMLINK))
            continue;
        struct builder b = builder_heap(65536);
        builder_format(&b, "%s/source/", top);
        size_t at = b.size;
        metainfo_put_path(m, f, PATH_LOCAL, &b);
        char *path = strdup(builder_text(&b));
        for (char *p = path + at; *p; p++)
            if (*p == '/') {
                *p = 0;
                mkdir(path, 0777);
                *p = '/';
            }
        FILE *out = fopen(path, "wb");
        for (size_t i = 0; out && i < m->files[f].length; i++)
            fputc(content_byte((size_t)m->files[f].offset + i), out);
        if (out)
            fclose(out);
        free(path);
        builder_free(&b);
    }
    metainfo_unref(m);
    return true;
}

static void forget(struct kith_torrent *k, bool data)
{
    wanted = k;
    if (data)
        kith_remove_with_data(k);
    else
        kith_remove(k);
    unsigned never = 0;
    await(&removals, &never);
}

static void open_nodes(void)
{
    struct kith_options o;
    KITH_INIT(o);
    o.listen_address = "127.0.0.1";
    o.worker_threads = 2;
    if (kith_open(&o, &seeder) != 0)
        abort();
    o.listen_port = -1;
    o.listen_address = NULL;
    if (kith_open(&o, &node) != 0)
        abort();
}

/* ---- one torrent --------------------------------------------------------------------------- */

static void tell(const char *what, enum shape shape, const char *word)
{
    struct builder b = builder_heap(1024);
    text_escape(bytes_of_str(word), &b);
    printf("not ok - %s: shape %d, \"%s\"\n", what, (int)shape, builder_text(&b));
    builder_free(&b);
    failed++;
}

static void live(struct bytes torrent, enum shape shape, const char *word, unsigned number)
{
    char folder[PATH_ROOM];
    struct kith_torrent *from = add(seeder, torrent, "source", NULL, KITH_EXISTING_REFUSE);
    wanted = from;
    if (!from || !await(&completes, &obstacles)) {
        tell("it is not seeded", shape, word);
        return;
    }
    char *link = strdup(kith_link(from, 0));
    int existing = number % 3 == 0 ? KITH_EXISTING_RENAME : KITH_EXISTING_REFUSE;
    struct kith_torrent *k = wanted =
        add(node, torrent, "target", number % 2 ? link : NULL, existing);
    unsigned before = completes;
    free(link);
    bool in_the_way = strcmp(word, "canary") == 0; /* ours stands where its own would */
    if (!k || !await(&completes, &obstacles) || (completes == before && !in_the_way))
        tell("it is not fetched", shape, word);
    if (k && completes > before) {
        fetched++;
        path_of(folder, "moved");
        if (kith_move(k, folder) != 0 || !await(&moves, &obstacles))
            tell("it is not moved", shape, word);
        if (kith_recheck(k) != 0 || !await(&readies, &obstacles))
            tell("it is not checked", shape, word);
    }
    if (k)
        forget(k, true);
    forget(from, false);
}

static void run(enum shape shape, const char *word)
{
    struct builder b = builder_heap(65536);
    make_torrent(&b, shape, word, runs++);
    if (put_content(builder_bytes(&b)))
        live(builder_bytes(&b), shape, word, runs);
    else
        refused++;
    builder_free(&b);
    if (!is_outside_whole()) {
        tell("something outside has changed", shape, word);
        exit(1);
    }
    clean("source");
    clean("target");
    clean("moved");
}

/* ---- a folder that is swapped for a link --------------------------------------------------- */

static atomic_uint swaps;
static atomic_bool enough;

/* target/root/sub is a folder, then a link to what is outside, then a folder again. */
static void *swap(void *unused)
{
    char sub[PATH_ROOM], aside[PATH_ROOM], outside[PATH_ROOM];
    (void)unused;
    path_of(sub, "target/root/sub");
    path_of(aside, "target/aside");
    path_of(outside, "outside/sub");
    while (!atomic_load(&enough)) {
        if (rename(sub, aside) != 0 && access(aside, F_OK) != 0)
            continue; /* it is not there yet */
        if (symlink(outside, sub) == 0)
            atomic_fetch_add(&swaps, 1);
        unlink(sub);
        rename(aside, sub);
    }
    return NULL;
}

static void download_while_it_is_swapped(unsigned at_least)
{
    struct builder b = builder_heap(65536);
    pthread_t thread;
    builder_str(&b, "d4:infod5:filesl");
    put_file(&b, (const char *[]){"sub", "x"}, 2);
    builder_str(&b, "e4:name4:root12:piece lengthi16384e6:pieces20:");
    uint8_t stream[100];
    for (size_t i = 0; i < sizeof stream; i++)
        stream[i] = content_byte(i);
    struct sha1_digest piece = sha1(stream, sizeof stream);
    builder_bytes_put(&b, piece.b, sizeof piece.b);
    builder_str(&b, "ee");
    put_content(builder_bytes(&b));
    struct kith_torrent *from =
        add(seeder, builder_bytes(&b), "source", NULL, KITH_EXISTING_REFUSE);
    wanted = from;
    await(&completes, &obstacles);
    pthread_create(&thread, NULL, swap, NULL);
    while (atomic_load(&swaps) < at_least) {
        struct kith_torrent *k = wanted =
            add(node, builder_bytes(&b), "target", NULL, KITH_EXISTING_OVERWRITE);
        if (k) {
            await(&completes, &obstacles);
            forget(k, true);
        }
        if (!holds("outside/sub/x", CANARY) || entries_of("outside/sub") != 1) {
            printf("not ok - a link that was swapped in was followed, after %u swaps\n",
                atomic_load(&swaps));
            failed++;
            break;
        }
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    forget(from, false);
    builder_free(&b);
}

int main(int argc, char **argv)
{
    unsigned at_least = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
    make_world();
    open_nodes();
    for (unsigned shape = 0; shape < SHAPES; shape++)
        for (unsigned i = 0; i < EVIL; i++)
            run((enum shape)shape, evil[i]);
    download_while_it_is_swapped(at_least);
    printf("%u hostile torrents: %u refused, %u fetched, moved, checked and deleted; %u swaps; "
           "%u failed\n",
        runs, refused, fetched, atomic_load(&swaps), failed);
    kith_close(node);
    kith_close(seeder);
    nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    rmdir(top);
    return failed > 0;
}
