/* See getting.h. */
#include "cli/getting.h"
#include "cli/progress.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

uint64_t get_free_space(const char *folder)
{
    char at[PATH_MAX];
    struct statvfs disk;
    snprintf(at, sizeof at, "%s", folder);
    while (statvfs(at, &disk) != 0) { /* not there yet: then where it will be made */
        char *slash = strrchr(at, '/');
        if (!slash || slash == at)
            return UINT64_MAX;
        *slash = 0;
    }
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}

bool get_may_write(const char *folder, const char *root)
{
    char at[PATH_MAX];
    snprintf(at, sizeof at, "%.2000s/%.2000s", folder, root);
    if (access(at, F_OK) == 0)
        return true; /* something is there already */
    snprintf(at, sizeof at, "%s", folder);
    while (access(at, W_OK | X_OK) != 0) {
        char *slash = strrchr(at, '/');
        if (errno != ENOENT || !slash || slash == at)
            return errno == ENOENT;
        *slash = 0;
    }
    return true;
}

static void put_files(struct json *j, struct kith_torrent *t)
{
    struct kith_file f;
    KITH_INIT(f);
    json_key(j, "files");
    json_open_array(j);
    for (uint32_t i = 0; kith_file(t, i, &f) == 0; i++) {
        if (f.priority == 0)
            continue;
        json_open_object(j);
        json_put_text(j, "path", f.path);
        json_put_unsigned(j, "length", f.length);
        json_close_object(j);
    }
    json_close_array(j);
}

static uint32_t count_wanted(struct kith_torrent *t)
{
    struct kith_file f;
    uint32_t count = 0;
    KITH_INIT(f);
    for (uint32_t i = 0; kith_file(t, i, &f) == 0; i++)
        count += f.priority > 0;
    return count;
}

static void show_contents(struct getting *g, const struct kith_status *st)
{
    struct json *j = &g->session.json;
    uint64_t room = get_free_space(st->folder);
    char size[16], left[16];
    if (g->session.output->json && !g->pours) {
        json_open_object(j);
        json_put_text(j, "type", "torrent");
        json_put_text(j, "name", st->name);
        json_put_unsigned(j, "size", st->bytes_total);
        json_put_unsigned(j, "free", room);
        put_files(j, g->torrent);
        json_close_object(j);
        json_end_line(j);
        return;
    }
    char *name = term_escape(bytes_of_str(st->name)), of[32] = "";
    uint32_t wanted = count_wanted(g->torrent);
    if (wanted < st->file_count)
        snprintf(of, sizeof of, " of %u", st->file_count);
    term_note(&g->session.term, "%s: %s in %u%s file%s; %s free", name,
        human_size(st->bytes_total, size), wanted, of, st->file_count == 1 ? "" : "s",
        human_size(room, left));
    free(name);
}

static void list_files(struct getting *g)
{
    struct kith_file f;
    char size[16];
    KITH_INIT(f);
    if (g->session.output->json)
        return;
    term_clear(&g->session.term);
    for (uint32_t i = 0; kith_file(g->torrent, i, &f) == 0; i++) {
        char *path = term_escape(bytes_of_str(f.path));
        if (f.priority > 0)
            printf("%10s  %s\n", human_size(f.length, size), path);
        free(path);
    }
}

void get_show_metadata(struct getting *g)
{
    struct kith_status st;
    KITH_INIT(st);
    if (kith_status(g->torrent, &st) == 0 && st.bytes_total > 0)
        show_contents(g, &st);
    if (g->wanted->list)
        list_files(g);
}

void get_show_complete(struct getting *g)
{
    struct session *s = &g->session;
    struct kith_status st;
    char where[PATH_MAX], size[16];
    KITH_INIT(st);
    if (kith_status(g->torrent, &st) != 0 || g->pours)
        return;
    const char *base = realpath(st.folder, where) ? where : st.folder;
    struct builder path = builder_heap((size_t)2 * PATH_MAX);
    builder_format(&path, "%s/%s", strcmp(base, "/") == 0 ? "" : base, st.root);
    if (s->output->json) {
        progress_json(s, "complete", &st);
        json_put_text(&s->json, "folder", base);
        json_put_text(&s->json, "path", builder_text(&path));
        json_close_object(&s->json);
        json_end_line(&s->json);
    } else {
        char *shown = term_escape(builder_bytes(&path));
        term_note(
            &s->term, "complete and verified: %s (%s)", shown, human_size(st.bytes_total, size));
        free(shown);
        if (!g->wanted->exit_when_done)
            term_note(&s->term, "Sharing it with others now; Ctrl-C stops.");
    }
    builder_free(&path);
}
