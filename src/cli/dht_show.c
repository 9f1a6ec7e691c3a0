/* See dht_show.h. */
#include "cli/dht_show.h"

#include "base/text.h"
#include "format/bencode.h"
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

const struct json_doc dht_show_json[] = {
    {"item", "get: value (the text; null if it is none), bencoded (in hex), seq"},
    {"put", "put: target, key (null: by its hash), seq, stored (nodes), refusal (an error code, 0: "
            "none)"},
    {"peer", "peers: address"},
    {"status", "status: nodes_v4, good_v4, id_v4, external_v4 (our address, null: not known), "
               "votes_v4 (networks that say so), the same of v6, searches, searches_done, crowds, "
               "hashes, peers, items (stored here for others), kept, answers, refused"},
    {"kept", "keep, kept: target, seq, found (false: not yet), put_seconds_ago (-1: not in this "
             "run), spared (others keep it), found_at, stored_at (nodes), refusal, next_seconds "
             "(-1: under way)"},
    {NULL},
};

static struct json *begin(struct session *s, const char *type)
{
    json_open_object(&s->json);
    json_put_text(&s->json, "type", type);
    return &s->json;
}

static void end(struct json *j)
{
    json_close_object(j);
    json_end_line(j);
}

/* ---- items --------------------------------------------------------------------------------- */

static void json_value(struct session *s, struct bytes value, const struct bytes *text, int64_t seq)
{
    struct json *j = begin(s, "item");
    struct builder hex = builder_heap(value.size * 2 + 1);
    for (size_t i = 0; i < value.size; i++)
        builder_format(&hex, "%02x", value.data[i]);
    if (text)
        json_put_string(j, "value", *text);
    else
        json_put_text(j, "value", NULL);
    json_put_text(j, "bencoded", builder_text(&hex));
    json_put_integer(j, "seq", seq);
    end(j);
    builder_free(&hex);
}

static void print_value(struct bytes text, bool raw)
{
    if (raw || !isatty(STDOUT_FILENO)) {
        fwrite(text.data, 1, text.size, stdout);
        return;
    }
    char *escaped = term_escape(text);
    puts(escaped);
    free(escaped);
}

void dht_show_value(struct session *s, struct bytes value, int64_t seq, bool raw)
{
    struct bencode doc;
    struct bytes text;
    bool parsed = bencode_parse(&doc, value, BENCODE_TOLERANT, 0) == 0;
    bool is_text = parsed && bencode_string(bencode_root(&doc), &text);
    if (s->output->json)
        json_value(s, value, is_text ? &text : NULL, seq);
    else
        print_value(is_text && !raw ? text : value, raw);
    if (parsed)
        bencode_free(&doc);
}

static void print_hex(const char *key, const uint8_t *bytes, size_t size)
{
    char hex[65];
    hex_encode(bytes, size, hex);
    printf("%s %s\n", key, hex);
}

void dht_show_put(struct session *s, const struct kith_dht_result *r, const uint8_t *key)
{
    if (s->output->json) {
        struct json *j = begin(s, "put");
        json_put_hash(j, "target", true, r->target, sizeof r->target);
        json_put_hash(j, "key", key != NULL, key, 32);
        json_put_integer(j, "seq", r->seq);
        json_put_unsigned(j, "stored", r->stored);
        json_put_integer(j, "refusal", r->refusal);
        end(j);
        return;
    }
    print_hex("target", r->target, sizeof r->target);
    if (key) {
        print_hex("key", key, 32);
        printf("seq %" PRId64 "\n", r->seq);
    }
    printf("stored %" PRIu32 "\n", r->stored);
}

/* ---- kept items ---------------------------------------------------------------------------- */

static void json_kept(struct session *s, const struct kith_dht_item *i)
{
    struct json *j = begin(s, "kept");
    json_put_hash(j, "target", true, i->target, sizeof i->target);
    json_put_integer(j, "seq", i->seq);
    json_put_bool(j, "found", i->value != NULL);
    json_put_integer(j, "put_seconds_ago", i->put_seconds_ago);
    json_put_bool(j, "spared", i->spared);
    json_put_unsigned(j, "found_at", i->found_at);
    json_put_unsigned(j, "stored_at", i->stored_at);
    json_put_integer(j, "refusal", i->refusal);
    json_put_integer(j, "next_seconds", i->next_seconds);
    end(j);
}

void dht_show_kept(struct session *s, const struct kith_dht_item *i)
{
    char target[41], seq[32] = "", next[16];
    if (s->output->json) {
        json_kept(s, i);
        return;
    }
    hex_encode(i->target, sizeof i->target, target);
    if (i->is_mutable && i->value)
        snprintf(seq, sizeof seq, ", seq %" PRId64, i->seq);
    if (!i->value)
        printf("%s not found yet", target);
    else if (i->put_seconds_ago < 0)
        printf("%s%s, to be put", target, seq);
    else if (i->spared)
        printf("%s%s, kept by others: %" PRIu32 " nodes have it", target, seq, i->found_at);
    else
        printf("%s%s, stored by %" PRIu32 " nodes", target, seq, i->stored_at);
    if (i->refusal)
        printf(", refused by some (error %" PRId32 ")", i->refusal);
    if (i->next_seconds >= 0)
        printf(", again in %s", human_time(i->next_seconds, next));
    putchar('\n');
    fflush(stdout);
}

/* ---- the rest ------------------------------------------------------------------------------ */

void dht_show_peer(struct session *s, const char *address)
{
    if (!s->output->json) {
        puts(address);
        return;
    }
    struct json *j = begin(s, "peer");
    json_put_text(j, "address", address);
    end(j);
}

static void json_status(struct session *s, const struct kith_dht_status *st)
{
    struct json *j = begin(s, "status");
    json_put_unsigned(j, "nodes_v4", st->nodes_v4);
    json_put_unsigned(j, "good_v4", st->good_v4);
    json_put_hash(j, "id_v4", true, st->id_v4, sizeof st->id_v4);
    json_put_text(j, "external_v4", *st->external_v4 ? st->external_v4 : NULL);
    json_put_unsigned(j, "votes_v4", st->votes_v4);
    json_put_unsigned(j, "nodes_v6", st->nodes_v6);
    json_put_unsigned(j, "good_v6", st->good_v6);
    json_put_hash(j, "id_v6", true, st->id_v6, sizeof st->id_v6);
    json_put_text(j, "external_v6", *st->external_v6 ? st->external_v6 : NULL);
    json_put_unsigned(j, "votes_v6", st->votes_v6);
    json_put_unsigned(j, "searches", st->searches);
    json_put_unsigned(j, "searches_done", st->searches_done);
    json_put_unsigned(j, "crowds", st->crowds);
    json_put_unsigned(j, "hashes", st->hashes);
    json_put_unsigned(j, "peers", st->peers);
    json_put_unsigned(j, "items", st->items);
    json_put_unsigned(j, "kept", st->kept);
    json_put_unsigned(j, "answers", st->answers);
    json_put_unsigned(j, "refused", st->refused);
    end(j);
}

static void print_family(const char *name, uint32_t nodes, uint32_t good, const uint8_t id[20],
    const char *external, uint32_t votes)
{
    char hex[41];
    hex_encode(id, 20, hex);
    printf("%s: %u nodes, %u good; our id %s; ", name, nodes, good, hex);
    if (external[0])
        printf("our address %s, say %u networks\n", external, votes);
    else
        printf("our address is not known (%u say the same)\n", votes);
}

void dht_show_status(struct session *s, const struct kith_dht_status *st)
{
    if (s->output->json) {
        json_status(s, st);
        return;
    }
    print_family("IPv4", st->nodes_v4, st->good_v4, st->id_v4, st->external_v4, st->votes_v4);
    print_family("IPv6", st->nodes_v6, st->good_v6, st->id_v6, st->external_v6, st->votes_v6);
    printf("%u searches under way, %" PRIu64 " done", st->searches, st->searches_done);
    if (st->crowds)
        printf(", %" PRIu64 " of them found a crowd around what they looked for", st->crowds);
    printf("\nstored here: %u info-hashes with %u peers, %u items; kept: %u items\n", st->hashes,
        st->peers, st->items, st->kept);
    printf("answers given: %" PRIu64 "; questions over their budget: %" PRIu64 "\n", st->answers,
        st->refused);
}
