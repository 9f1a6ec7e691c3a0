/* kith show: what is in a torrent or a link, without touching the network. */
#include "base/err.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/input.h"
#include "cli/json.h"
#include "cli/link_text.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/term.h"
#include "format/magnet.h"
#include "format/metainfo.h"
#include "node/discovery/dht_io.h"
#include "swarm/announcer.h"
#include "swarm/torrent/torrent.h"
#include <kith.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct show_options {
    bool files_only, magnet_only;
} how;
static struct output_options output;

#define AT(field) offsetof(struct show_options, field)
static const struct option_spec show_specs[] = {
    {0, "files", NULL, OPTION_FLAG, AT(files_only), "only the list of files",
        .no_environment = true},
    {0, "magnet", NULL, OPTION_FLAG, AT(magnet_only), "only the link", .no_environment = true},
    {0},
};
#undef AT

static const struct json_doc show_json[] = {
    {"torrent",
        "name, on_disk, multi_file, info_hash_v1, info_hash_v2, magnet, size, piece_length, "
        "pieces, private, comment, created_by, source, created_unix, trackers (url, tier), "
        "trackers_unread, web_seeds, http_seeds, web_seeds_unread, nodes (host, port), "
        "nodes_unread, files "
        "(path, length, offset, pad, "
        "executable, hidden, symlink, pieces_root)"},
    {"link", "name, info_hash_v1, info_hash_v2, magnet, trackers, web_seeds, peers, hints_unread"},
    {NULL},
};

const struct command_spec show_spec = {
    .name = "show",
    .operands = "FILE|LINK|-",
    .summary = "show what is in a .torrent file or a link",
    .text = "Reads, checks and prints; touches no network and writes nothing. Names that could "
            "mislead a terminal are shown escaped.",
    .examples = "  kith show film.torrent\n  kith show --magnet film.torrent",
    .json = show_json,
    .groups = {{"Showing", show_specs, &how}, {"Output", output_specs, &output}},
};

/* ---- in words ------------------------------------------------------------------------------ */

static void line(const char *key, struct bytes foreign)
{
    if (foreign.size == 0)
        return;
    char *text = term_escape(foreign);
    printf("%-13s %s\n", key, text);
    free(text);
}

static void hex_line(const char *key, const uint8_t *bytes, size_t size)
{
    char hex[2 * JSON_HASH_MAX + 1];
    hex_encode(bytes, size, hex);
    printf("%-13s %s\n", key, hex);
}

static struct bytes text_of(const char *text)
{
    return text ? bytes_of_str(text) : bytes_of(NULL, 0);
}

static const char *kind_of(const struct metainfo *m)
{
    return m->has_v1 && m->has_v2 ? "hybrid (v1 and v2)" : m->has_v2 ? "v2" : "v1";
}

static void show_date(int64_t when)
{
    char text[64];
    struct tm t;
    time_t seconds = (time_t)when;
    if (when <= 0 || !gmtime_r(&seconds, &t) || !strftime(text, sizeof text, "%F %T UTC", &t))
        return;
    printf("%-13s %s\n", "created", text);
}

static void show_files(const struct metainfo *m)
{
    char size[16];
    for (uint32_t i = 0; i < m->file_count; i++) {
        const struct metainfo_file *f = &m->files[i];
        if (f->flags & METAINFO_PAD)
            continue;
        char *path = term_escape(bytes_of_str(f->path));
        char *target = f->target ? term_escape(bytes_of_str(f->target)) : NULL;
        printf("%10s  %s%s%s%s\n", human_size(f->length, size), path,
            f->flags & METAINFO_EXECUTABLE ? "*" : "", f->flags & METAINFO_SYMLINK ? " -> " : "",
            target ? target : "");
        free(path);
        free(target);
    }
}

/* What is named is not always what is used: nothing is left out without a word. */
static void show_trackers_note(size_t count, size_t unread)
{
    if (unread > 0)
        printf("%-13s %zu more, which are not read\n", "trackers", unread);
    if (count > ANNOUNCER_TRACKERS_MAX)
        printf("%-13s kith asks %u of these %zu, evenly of each tier\n", "trackers",
            ANNOUNCER_TRACKERS_MAX, count);
}

/* The same where the first ones are used. */
static void show_first_note(
    const char *label, const char *uses, unsigned most, size_t count, size_t unread)
{
    if (unread > 0)
        printf("%-13s %zu more, which are not read\n", label, unread);
    if (count > most)
        printf("%-13s kith %s the first %u of these %zu\n", label, uses, most, count);
}

static void show_web_seeds_note(size_t count, size_t unread)
{
    show_first_note("web seeds", "uses", TORRENT_WEB_SEEDS_MAX, count, unread);
}

static void show_outer(const struct metainfo *m)
{
    for (size_t i = 0; i < m->tracker_count; i++) {
        char key[32];
        snprintf(key, sizeof key, "tracker %u", m->trackers[i].tier + 1);
        line(key, bytes_of_str(m->trackers[i].url));
    }
    show_trackers_note(m->tracker_count, m->trackers_unread);
    for (size_t i = 0; i < m->web_seed_count; i++)
        line("web seed", bytes_of_str(m->web_seeds[i]));
    for (size_t i = 0; i < m->http_seed_count; i++)
        line("http seed", bytes_of_str(m->http_seeds[i]));
    show_web_seeds_note(m->web_seed_count + m->http_seed_count, m->web_seeds_unread);
    for (size_t i = 0; i < m->node_count; i++) {
        char *host = term_escape(bytes_of_str(m->nodes[i].host));
        printf("%-13s %s:%u\n", "DHT node", host, m->nodes[i].port);
        free(host);
    }
    show_first_note("DHT nodes", "asks", DHT_IO_TORRENT_NODES_MAX, m->node_count, m->nodes_unread);
}

static void show_metainfo(const struct metainfo *m, const char *link)
{
    char size[16];
    line("name", m->name);
    if (!bytes_equal_str(m->name, m->root))
        line("on disk", bytes_of_str(m->root));
    printf("%-13s %s (%llu bytes) in %u file%s\n", "size", human_size(m->content_length, size),
        (unsigned long long)m->content_length, m->file_count - m->pad_count,
        m->file_count - m->pad_count == 1 ? "" : "s");
    printf("%-13s %s\n", "format", kind_of(m));
    if (m->has_v1)
        hex_line("info-hash v1", m->v1.b, sizeof m->v1.b);
    if (m->has_v2)
        hex_line("info-hash v2", m->v2.b, sizeof m->v2.b);
    printf("%-13s %u of %u KiB\n", "pieces", m->piece_count, m->piece_length >> 10);
    printf("%-13s %s\n", "private", m->is_private ? "yes: peers only from its trackers" : "no");
    line("comment", m->comment);
    line("made by", m->created_by);
    line("source", m->source);
    show_date(m->created_unix);
    show_outer(m);
    printf("%-13s %s\n\n", "link", link ? link : "");
    show_files(m);
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static void json_files(struct json *j, const struct metainfo *m)
{
    json_key(j, "files");
    json_open_array(j);
    for (uint32_t i = 0; i < m->file_count; i++) {
        const struct metainfo_file *f = &m->files[i];
        json_open_object(j);
        json_put_text(j, "path", f->path);
        json_put_unsigned(j, "length", f->length);
        json_put_unsigned(j, "offset", f->offset);
        json_put_bool(j, "pad", f->flags & METAINFO_PAD);
        json_put_bool(j, "executable", f->flags & METAINFO_EXECUTABLE);
        json_put_bool(j, "hidden", f->flags & METAINFO_HIDDEN);
        json_put_text(j, "symlink", f->flags & METAINFO_SYMLINK ? f->target : NULL);
        json_put_hash(j, "pieces_root", f->has_root, f->root.b, sizeof f->root.b);
        json_close_object(j);
    }
    json_close_array(j);
}

static void json_texts(struct json *j, const char *key, const char *const *texts, size_t count)
{
    json_key(j, key);
    json_open_array(j);
    for (size_t i = 0; i < count; i++)
        json_text(j, texts[i]);
    json_close_array(j);
}

static void json_trackers(struct json *j, const struct metainfo *m)
{
    json_key(j, "trackers");
    json_open_array(j);
    for (size_t i = 0; i < m->tracker_count; i++) {
        json_open_object(j);
        json_put_text(j, "url", m->trackers[i].url);
        json_put_unsigned(j, "tier", m->trackers[i].tier);
        json_close_object(j);
    }
    json_close_array(j);
}

static void json_nodes(struct json *j, const struct metainfo *m)
{
    json_key(j, "nodes");
    json_open_array(j);
    for (size_t i = 0; i < m->node_count; i++) {
        json_open_object(j);
        json_put_text(j, "host", m->nodes[i].host);
        json_put_unsigned(j, "port", m->nodes[i].port);
        json_close_object(j);
    }
    json_close_array(j);
}

static void json_metainfo(const struct metainfo *m, const char *link)
{
    struct json json = json_to(stdout), *j = &json;
    json_open_object(j);
    json_put_text(j, "type", "torrent");
    json_put_string(j, "name", m->name);
    json_put_text(j, "on_disk", m->root);
    json_put_bool(j, "multi_file", m->multi_file);
    json_put_hash(j, "info_hash_v1", m->has_v1, m->v1.b, sizeof m->v1.b);
    json_put_hash(j, "info_hash_v2", m->has_v2, m->v2.b, sizeof m->v2.b);
    json_put_text(j, "magnet", link);
    json_put_unsigned(j, "size", m->content_length);
    json_put_unsigned(j, "piece_length", m->piece_length);
    json_put_unsigned(j, "pieces", m->piece_count);
    json_put_bool(j, "private", m->is_private);
    json_put_string(j, "comment", m->comment);
    json_put_string(j, "created_by", m->created_by);
    json_put_string(j, "source", m->source);
    json_put_integer(j, "created_unix", m->created_unix);
    json_trackers(j, m);
    json_put_unsigned(j, "trackers_unread", m->trackers_unread);
    json_texts(j, "web_seeds", m->web_seeds, m->web_seed_count);
    json_texts(j, "http_seeds", m->http_seeds, m->http_seed_count);
    json_put_unsigned(j, "web_seeds_unread", m->web_seeds_unread);
    json_nodes(j, m);
    json_put_unsigned(j, "nodes_unread", m->nodes_unread);
    json_files(j, m);
    json_close_object(j);
    json_end_line(j);
}

/* ---- links --------------------------------------------------------------------------------- */

static void peer_text(const struct magnet_peer *p, char *out, size_t size)
{
    char numeric[ENDPOINT_TEXT_MAX];
    if (p->endpoint.family != ADDR_NONE) {
        endpoint_text(&p->endpoint, numeric);
        snprintf(out, size, "%s", numeric);
    } else {
        snprintf(out, size, "%s:%u", p->host ? p->host : "", p->endpoint.port);
    }
}

static void show_magnet(const struct magnet *m)
{
    char text[300];
    line("name", text_of(m->name));
    if (m->has_v1)
        hex_line("info-hash v1", m->v1.b, sizeof m->v1.b);
    if (m->has_v2)
        hex_line("info-hash v2", m->v2.b, sizeof m->v2.b);
    for (size_t i = 0; i < m->tracker_count; i++)
        line("tracker", bytes_of_str(m->trackers[i]));
    show_trackers_note(m->tracker_count, 0);
    for (size_t i = 0; i < m->web_seed_count; i++)
        line("web seed", bytes_of_str(m->web_seeds[i]));
    show_web_seeds_note(m->web_seed_count, 0);
    for (size_t i = 0; i < m->peer_count; i++) {
        peer_text(&m->peers[i], text, sizeof text);
        line("peer", bytes_of_str(text));
    }
    if (m->hints_unread > 0)
        printf("%-13s %zu peers or ranges of files (x.pe, so) that cannot be read\n", "left out",
            m->hints_unread);
    puts("\nA link names the data; what is in it is learned from its peers ('kith get --list').");
}

static void json_magnet(const struct magnet *m, const char *link)
{
    struct json json = json_to(stdout), *j = &json;
    char text[300];
    json_open_object(j);
    json_put_text(j, "type", "link");
    json_put_text(j, "name", m->name);
    json_put_hash(j, "info_hash_v1", m->has_v1, m->v1.b, sizeof m->v1.b);
    json_put_hash(j, "info_hash_v2", m->has_v2, m->v2.b, sizeof m->v2.b);
    json_put_text(j, "magnet", link);
    json_texts(j, "trackers", (const char *const *)m->trackers, m->tracker_count);
    json_texts(j, "web_seeds", (const char *const *)m->web_seeds, m->web_seed_count);
    json_key(j, "peers");
    json_open_array(j);
    for (size_t i = 0; i < m->peer_count; i++) {
        peer_text(&m->peers[i], text, sizeof text);
        json_text(j, text);
    }
    json_close_array(j);
    json_put_unsigned(j, "hints_unread", m->hints_unread);
    json_close_object(j);
    json_end_line(j);
}

/* ---- the command --------------------------------------------------------------------------- */

static int bad(const char *what, const char *why, int err)
{
    char *text = term_escape(bytes_of_str(why));
    fprintf(stderr, "kith: the %s cannot be read: %s\n", what, *text ? text : kith_strerror(err));
    free(text);
    return EXIT_BAD_LINK;
}

static int show_link(struct bytes input)
{
    struct magnet m;
    struct format_error error;
    char *link;
    int err = magnet_parse(&m, input, &error);
    if (err)
        return bad("link", error.text, err);
    link = link_of_magnet(&m);
    if (how.magnet_only)
        puts(link ? link : "");
    else if (output.json)
        json_magnet(&m, link);
    else
        show_magnet(&m);
    free(link);
    magnet_free(&m);
    return EXIT_OK;
}

static int show_torrent(struct bytes input)
{
    struct metainfo *m;
    struct format_error error;
    int err = metainfo_parse_torrent(input, &m, &error);
    if (err)
        return bad("torrent", error.text, err);
    char *text = link_of_metainfo(m);
    if (how.magnet_only)
        puts(text ? text : "");
    else if (output.json)
        json_metainfo(m, text);
    else if (how.files_only)
        show_files(m);
    else
        show_metainfo(m, text);
    free(text);
    metainfo_unref(m);
    return EXIT_OK;
}

static int refuse_url(void)
{
    fputs("kith show: it touches no network: fetch the .torrent file first, or see "
          "'kith get --list URL'\n",
        stderr);
    return EXIT_USAGE;
}

int cmd_show(int argc, char **argv)
{
    const char *operands[2];
    struct builder input;
    int count = args_parse(&show_spec, argc, argv, operands, 1);
    if (count < 0)
        return EXIT_USAGE;
    if (count == 0) {
        fputs("kith show: say what to show: a .torrent file, a link, or - (see 'kith help show')\n",
            stderr);
        return EXIT_USAGE;
    }
    int code = input_take(operands[0], &input);
    if (code != EXIT_OK)
        return code;
    input_blank(operands[0]);
    const char *text = builder_text(&input);
    if (input_is_url(text))
        code = refuse_url();
    else if (input_is_link(text + strspn(text, " \t\r\n")))
        code = show_link(builder_bytes(&input));
    else
        code = show_torrent(builder_bytes(&input));
    builder_free(&input);
    return code;
}
