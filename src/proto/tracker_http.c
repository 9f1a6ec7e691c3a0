/* See tracker_http.h. */
#include "proto/tracker_http.h"

#include "base/err.h"
#include "base/text.h"
#include "format/bencode.h"
#include <inttypes.h>

#define TOKENS_MAX 16384u /* of an answer: 1000 peers as dictionaries are 9000 */
#define SCRAPE_URL_MAX 16384u

/* ---- asking -------------------------------------------------------------------------------- */

static const char *event_name(enum tracker_event event)
{
    switch (event) {
    case TRACKER_STARTED:
        return "&event=started";
    case TRACKER_COMPLETED:
        return "&event=completed";
    case TRACKER_STOPPED:
        return "&event=stopped";
    default:
        return "";
    }
}

/* The address without a fragment, and '?' or '&' behind it. */
static void begin_query(const char *tracker, struct builder *out)
{
    size_t size = strcspn(tracker, "#");
    builder_bytes_put(out, tracker, size);
    builder_u8(out, memchr(tracker, '?', size) ? '&' : '?');
}

void tracker_http_url(const char *tracker, const struct tracker_announce *a, struct builder *out)
{
    begin_query(tracker, out);
    builder_str(out, "info_hash=");
    percent_encode(bytes_of(a->info_hash.b, sizeof a->info_hash.b), out);
    builder_str(out, "&peer_id=");
    percent_encode(bytes_of(a->peer_id.b, sizeof a->peer_id.b), out);
    builder_format(out,
        "&port=%u&uploaded=%" PRIu64 "&downloaded=%" PRIu64 "&left=%" PRIu64 "&key=%08" PRIX32
        "&numwant=%" PRIu32 "&compact=1&no_peer_id=1&supportcrypto=1%s",
        a->port, a->uploaded, a->downloaded, a->left, a->key, a->numwant, event_name(a->event));
    if (a->id && *a->id) {
        builder_str(out, "&trackerid=");
        percent_encode(bytes_of_str(a->id), out);
    }
}

int tracker_http_scrape_url(
    const char *tracker, const struct info_hash *hashes, size_t count, struct builder *out)
{
    size_t path = strcspn(tracker, "?#"), last = path;
    while (last > 0 && tracker[last - 1] != '/')
        last--;
    if (path - last < 8 || strncmp(tracker + last, "announce", 8) != 0)
        return ERR_UNSUPPORTED;
    struct builder b = builder_heap(SCRAPE_URL_MAX);
    builder_bytes_put(&b, tracker, last);
    builder_str(&b, "scrape");
    builder_str(&b, tracker + last + 8);
    begin_query(builder_text(&b), out);
    for (size_t i = 0; i < count; i++) {
        builder_str(out, i == 0 ? "info_hash=" : "&info_hash=");
        percent_encode(bytes_of(hashes[i].b, sizeof hashes[i].b), out);
    }
    builder_free(&b);
    return 0;
}

/* ---- the answer ---------------------------------------------------------------------------- */

static void take_text(struct bencode_value root, const char *key, char *out, size_t max)
{
    struct bytes text;
    if (!bencode_get_string(root, key, &text))
        return;
    size_t size = text.size < max ? text.size : max;
    memcpy(out, text.data, size);
    out[size] = 0;
}

/* Sent back as it came or not at all: a part of it is not the tracker's. */
static void take_id(struct bencode_value root, char out[TRACKER_ID_MAX + 1])
{
    struct bytes id;
    if (!bencode_get_string(root, "tracker id", &id) || id.size == 0 || id.size > TRACKER_ID_MAX ||
        memchr(id.data, 0, id.size))
        return;
    memcpy(out, id.data, id.size);
    out[id.size] = 0;
}

static uint32_t take_seconds(struct bencode_value root, const char *key)
{
    int64_t value;
    if (!bencode_get_integer(root, key, &value) || value <= 0)
        return 0;
    return value < TRACKER_NEVER ? (uint32_t)value : TRACKER_NEVER - 1;
}

static int64_t take_count(struct bencode_value root, const char *key)
{
    int64_t value;
    return bencode_get_integer(root, key, &value) && value >= 0 ? value : -1;
}

/* BEP 31: "retry in" is minutes, or "never". */
static uint32_t take_retry(struct bencode_value root)
{
    struct bytes text;
    int64_t minutes;
    uint64_t value;
    if (bencode_get_string(root, "retry in", &text)) {
        if (bytes_equal_str(text, "never"))
            return TRACKER_NEVER;
        return parse_u64(text, 1u << 20, &value) == 0 ? (uint32_t)value * 60 : 0;
    }
    if (!bencode_get_integer(root, "retry in", &minutes) || minutes <= 0 || minutes > 1 << 20)
        return 0;
    return (uint32_t)minutes * 60;
}

/* The original form (BEP 3): dictionaries with "ip" (an address; names are not looked up) and
 * "port". */
static void take_dictionaries(struct tracker_reply *r, struct bencode_value list)
{
    struct bencode_iterator i = bencode_iterate(list);
    while (bencode_next(&i) && r->peer_count < TRACKER_PEERS_MAX) {
        struct bytes ip;
        int64_t port;
        if (bencode_get_string(i.value, "ip", &ip) && bencode_get_integer(i.value, "port", &port) &&
            port > 0 && port < 65536 &&
            endpoint_parse_ip(&r->peers[r->peer_count], ip, (uint16_t)port) == 0)
            r->peer_count++;
    }
}

static void take_peers(struct tracker_reply *r, struct bencode_value root)
{
    struct bytes compact;
    if (bencode_get_string(root, "peers", &compact))
        tracker_reply_compact(r, compact, ADDR_V4);
    else
        take_dictionaries(r, bencode_get(root, "peers"));
    if (bencode_get_string(root, "peers6", &compact))
        tracker_reply_compact(r, compact, ADDR_V6);
}

/* BEP 24: 4 or 16 bytes. */
static void take_external(struct tracker_reply *r, struct bencode_value root)
{
    struct bytes ip;
    if (!bencode_get_string(root, "external ip", &ip) || (ip.size != 4 && ip.size != 16))
        return;
    r->external = ip.size == 4 ? endpoint_from_ip4(ip.data, 0) : endpoint_from_ip6(ip.data, 0);
}

static int parse(struct bencode *doc, struct bytes body, struct bencode_value *root)
{
    int err = body.size > TRACKER_HTTP_BODY_MAX
                  ? ERR_LIMIT
                  : bencode_parse(doc, body, BENCODE_TOLERANT, TOKENS_MAX);
    if (err)
        return err == ERR_TRUNCATED ? ERR_SYNTAX : err;
    *root = bencode_root(doc);
    if (bencode_type(*root) == BENCODE_DICT)
        return 0;
    bencode_free(doc);
    return ERR_SYNTAX;
}

int tracker_http_parse(struct bytes body, struct tracker_reply *r)
{
    struct bencode doc;
    struct bencode_value root;
    tracker_reply_init(r);
    int err = parse(&doc, body, &root);
    if (err)
        return err;
    r->failed = bencode_present(bencode_get(root, "failure reason"));
    take_text(root, "failure reason", r->failure, TRACKER_TEXT_MAX);
    take_text(root, "warning message", r->warning, TRACKER_TEXT_MAX);
    r->retry_in = take_retry(root);
    r->interval = take_seconds(root, "interval");
    r->min_interval = take_seconds(root, "min interval");
    r->seeders = take_count(root, "complete");
    r->leechers = take_count(root, "incomplete");
    r->completed = take_count(root, "downloaded");
    take_id(root, r->id);
    take_external(r, root);
    take_peers(r, root);
    bencode_free(&doc);
    return 0;
}

int tracker_http_scrape_parse(
    struct bytes body, const struct info_hash *hashes, size_t count, struct tracker_counts *out)
{
    struct bencode doc;
    struct bencode_value root;
    int err = parse(&doc, body, &root);
    if (err)
        return err;
    struct bencode_value files = bencode_get(root, "files");
    for (size_t i = 0; i < count; i++) {
        struct bencode_value file =
            bencode_get_bytes(files, bytes_of(hashes[i].b, sizeof hashes[i].b));
        out[i] = (struct tracker_counts){take_count(file, "complete"),
            take_count(file, "incomplete"), take_count(file, "downloaded")};
    }
    if (bencode_present(bencode_get(root, "failure reason")))
        err = ERR_REFUSED;
    else if (!bencode_present(files))
        err = ERR_SYNTAX;
    bencode_free(&doc);
    return err;
}
