/* kith dht: the DHT by hand: items (BEP 44), peers of an info-hash, what our node knows. Meant for
 * scripts and for those who want to see; `share` and `get` need none of it. */
#include "base/err.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/dht_show.h"
#include "cli/exit_codes.h"
#include "cli/kept.h"
#include "cli/options.h"
#include "cli/session.h"
#include "crypto/ed25519.h"
#include "dht/krpc.h"
#include "format/bencode.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOIN_MS 20000   /* to find a first node */
#define SETTLE_MS 2000  /* to find its neighbours */
#define STATUS_MS 10000 /* status: how long is looked around */

static struct dht_options {
    const char *salt, *key_file;
    int64_t seq, announce;
    bool cas, raw, keep;
} how;
static struct network_options network;
static struct output_options output;

#define AT(field) offsetof(struct dht_options, field)
static const struct option_spec dht_specs[] = {
    {0, "salt", "TEXT", OPTION_TEXT, AT(salt), "of a mutable item", .no_environment = true},
    {0, "key-file", "FILE", OPTION_TEXT, AT(key_file),
        "put: sign with this key; it is made if the file is not there", .no_environment = true},
    {0, "seq", "NUMBER", OPTION_NUMBER, AT(seq), "put: this sequence number (one more)",
        .no_environment = true, .min = 0, .max = INT64_MAX},
    {0, "cas", NULL, OPTION_FLAG, AT(cas), "put: only where nothing newer lies",
        .no_environment = true},
    {0, "keep", NULL, OPTION_FLAG, AT(keep),
        "put: and put it again every hour, in each later 'kith dht keep'", .no_environment = true},
    {0, "raw", NULL, OPTION_FLAG, AT(raw), "values are bencoded, in and out",
        .no_environment = true},
    {0, "announce", "PORT", OPTION_NUMBER, AT(announce), "peers: say that we have it, at this port",
        .no_environment = true, .min = 1, .max = 65535},
    {0},
};
#undef AT

const struct command_spec dht_spec = {
    .name = "dht",
    .operands = "get TARGET|KEY | put VALUE | keep [TARGET|KEY] | kept | forget TARGET | "
                "peers INFOHASH | status",
    .summary = "look into the DHT by hand",
    .text = "get prints an item: by its hash (40 digits), or by its key (64 digits) and --salt.\n"
            "put stores a text, under its hash or, with --key-file, under a key.\n"
            "An item is forgotten two hours after it was put. keep puts those that are kept again "
            "every\n"
            "hour until it is stopped: what put --keep put, and what it was told before; a key is\n"
            "enough, its owner's newest value is kept. kept lists them, forget takes one off the "
            "list.\n"
            "peers prints the addresses of an info-hash. status says what our node sees.",
    .examples =
        "  kith dht status\n  kith dht put 'hello' --key-file mine.key --salt greeting --keep\n"
        "  kith dht keep",
    .groups = {{"Items and peers", dht_specs, &how}, {"Network", network_specs, &network},
        {"Output", output_specs, &output}},
    .json = dht_show_json,
};

/* What the searches bring. */
struct outcome {
    struct session *session;
    bool done, has_item;
    struct kith_dht_result result;
    uint8_t item[KRPC_VALUE_MAX];
    size_t item_size;
};

static void on_peer(void *user, const char *address)
{
    struct outcome *o = user;
    dht_show_peer(o->session, address);
}

static void on_item(void *user, const void *value, size_t size, int64_t seq)
{
    struct outcome *o = user;
    (void)seq;
    memcpy(o->item, value, size);
    o->item_size = size;
    o->has_item = true;
}

static void on_done(void *user, const struct kith_dht_result *result)
{
    struct outcome *o = user;
    o->result = *result;
    o->done = true;
}

/* ---- being in it --------------------------------------------------------------------------- */

static uint32_t nodes_known(struct session *s)
{
    struct kith_dht_status st;
    KITH_INIT(st);
    return kith_dht_status(s->node, &st) == 0 ? st.nodes_v4 + st.nodes_v6 : 0;
}

static void drain(struct session *s)
{
    while (kith_next_event(s->node))
        ;
}

static void spend(struct session *s, int64_t ms)
{
    for (int64_t stop = session_now_ms() + ms; session_now_ms() < stop && !session_interrupted();) {
        session_wait(s, 50);
        drain(s);
    }
}

static bool join(struct session *s)
{
    int64_t stop = session_now_ms() + JOIN_MS;
    while (nodes_known(s) == 0 && session_now_ms() < stop && !session_interrupted()) {
        session_wait(s, 50);
        drain(s);
    }
    if (nodes_known(s) == 0) {
        term_error(&s->term, "no node of the DHT answers (try --bootstrap HOST:PORT)");
        return false;
    }
    spend(s, SETTLE_MS);
    return true;
}

static int search(struct session *s, struct kith_dht_request *r, struct outcome *o)
{
    struct kith_dht_search *search;
    r->user = o;
    r->done = on_done;
    int err = kith_dht_start(s->node, r, &search);
    while (!err && !o->done && !session_interrupted()) {
        session_wait(s, 100);
        drain(s);
    }
    if (err)
        term_error(&s->term, "%s", kith_strerror(err));
    return err ? err : o->result.error;
}

/* ---- the verbs ----------------------------------------------------------------------------- */

static int run_get(struct session *s, const char *what)
{
    uint8_t bytes[32];
    struct outcome o = {.session = s};
    struct kith_dht_request r;
    KITH_INIT(r);
    r.kind = KITH_DHT_GET;
    r.item = on_item;
    r.salt = how.salt;
    r.salt_size = how.salt ? strlen(how.salt) : 0;
    if (hex_decode(bytes_of_str(what), bytes, 32) == 0) {
        r.public_key = bytes;
    } else if (hex_decode(bytes_of_str(what), bytes, 20) == 0) {
        r.target = bytes;
    } else {
        term_error(&s->term, "get wants a hash of 40 or a key of 64 digits");
        return EXIT_USAGE;
    }
    int err = search(s, &r, &o);
    if (!err && !o.has_item) {
        term_error(&s->term, "nothing is stored there");
        err = ERR_NOT_FOUND;
    }
    if (!err)
        dht_show_value(s, bytes_of(o.item, o.item_size), o.result.seq, how.raw);
    return exit_code_of(err);
}

/* 64 hex digits in a file that only its owner reads. */
static int read_key(struct session *s, struct ed25519_seed *seed)
{
    char text[65] = "";
    int fd = open(how.key_file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        bool whole = read(fd, text, 64) == 64;
        close(fd);
        if (whole && hex_decode(bytes_of(text, 64), seed->b, sizeof seed->b) == 0)
            return 0;
        term_error(&s->term, "%s: not a key (64 hex digits)", how.key_file);
        return ERR_SYNTAX;
    }
    if (getrandom(seed->b, sizeof seed->b, 0) != (ssize_t)sizeof seed->b)
        return ERR_IO;
    hex_encode(seed->b, sizeof seed->b, text);
    fd = open(how.key_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, text, 64) == 64;
    if (fd >= 0 && close(fd) != 0)
        written = false;
    if (!written)
        term_error(&s->term, "%s: cannot be written", how.key_file);
    return written ? 0 : ERR_IO;
}

/* Also where some took it: who lost a race wants to know. */
static void tell_refusal(struct session *s, const struct kith_dht_result *r)
{
    const char *what = r->stored == 0 ? "nobody took it" : "some did not take it";
    if (r->refusal == KRPC_E_CAS)
        term_error(&s->term, "%s: it was changed by somebody else meanwhile (error 301)", what);
    else if (r->refusal == KRPC_E_OLD_SEQ)
        term_error(&s->term, "%s: they have a newer one (error 302)", what);
    else if (r->refusal)
        term_error(&s->term, "%s (error %d)", what, (int)r->refusal);
    else
        term_error(&s->term, "%s", what);
}

static int run_put(struct session *s, const char *what)
{
    struct outcome o = {.session = s};
    struct ed25519_seed seed;
    struct ed25519_public key;
    struct kith_dht_request r;
    uint8_t value[KRPC_VALUE_MAX];
    struct builder b = builder_fixed(value, sizeof value);
    KITH_INIT(r);
    if (how.raw)
        builder_str(&b, what);
    else
        bencode_put_str(&b, what);
    if (!builder_ok(&b)) {
        term_error(&s->term, "the value is too long: at most %u bytes", KRPC_VALUE_MAX);
        return EXIT_USAGE;
    }
    if (how.key_file && read_key(s, &seed) != 0)
        return EXIT_FAILURE;
    r.kind = KITH_DHT_PUT;
    r.value = value;
    r.value_size = b.size;
    r.secret = how.key_file ? seed.b : NULL;
    r.salt = how.key_file ? how.salt : NULL;
    r.salt_size = r.salt ? strlen(how.salt) : 0;
    r.seq = how.seq;
    r.compare_and_swap = how.cas;
    r.keep = how.keep;
    int err = search(s, &r, &o);
    if (err && o.result.answered == 0)
        return exit_code_of(err);
    if (how.key_file)
        ed25519_public_of(&seed, &key);
    if (err)
        term_error(&s->term, "it is not kept: %s", kith_strerror(err));
    dht_show_put(s, &o.result, how.key_file ? key.b : NULL);
    if (o.result.refusal || o.result.stored == 0)
        tell_refusal(s, &o.result);
    return o.result.stored > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_peers(struct session *s, const char *what)
{
    uint8_t hash[20];
    struct outcome o = {.session = s};
    struct kith_dht_request r;
    KITH_INIT(r);
    if (hex_decode(bytes_of_str(what), hash, 20) != 0) {
        term_error(&s->term, "peers wants an info-hash of 40 digits");
        return EXIT_USAGE;
    }
    r.kind = KITH_DHT_PEERS;
    r.target = hash;
    r.peer = on_peer;
    r.announce_port = (int32_t)how.announce;
    int err = search(s, &r, &o);
    if (!err && o.result.crowd)
        term_note(&s->term, "somebody has put %u nodes around it, as one does to hide it",
            o.result.crowd);
    if (err || !how.announce)
        return exit_code_of(err);
    if (o.result.stored == 0) {
        tell_refusal(s, &o.result);
        return EXIT_FAILURE;
    }
    term_note(&s->term, "announced to %u nodes", o.result.stored);
    return EXIT_SUCCESS;
}

static int run_status(struct session *s, const char *none)
{
    struct kith_dht_status st;
    (void)none;
    spend(s, STATUS_MS);
    KITH_INIT(st);
    int err = kith_dht_status(s->node, &st);
    if (err)
        return exit_code_of(err);
    dht_show_status(s, &st);
    return EXIT_SUCCESS;
}

static int run_keep(struct session *s, const char *what)
{
    return kept_watch(s, what, how.salt);
}

static int run_kept(struct session *s, const char *none)
{
    (void)none;
    return kept_list(s);
}

static const struct verb {
    const char *name;
    int operands_min, operands_max;
    bool joins; /* needs other nodes at once */
    int (*run)(struct session *, const char *operand);
} verbs[] = {
    {"get", 1, 1, true, run_get},
    {"put", 1, 1, true, run_put},
    {"peers", 1, 1, true, run_peers},
    {"status", 0, 0, true, run_status},
    {"keep", 0, 1, false, run_keep},
    {"kept", 0, 0, false, run_kept},
    {"forget", 1, 1, false, kept_forget},
};

static const struct verb *find_verb(const char *name, int operands)
{
    for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0 && operands >= verbs[i].operands_min &&
            operands <= verbs[i].operands_max)
            return &verbs[i];
    return NULL;
}

int cmd_dht(int argc, char **argv)
{
    const char *words[2];
    struct session s;
    struct session_config config = {.network = &network, .output = &output};
    int count = args_parse(&dht_spec, argc, argv, words, 2);
    if (count < 0)
        return EXIT_USAGE;
    const struct verb *verb = count < 1 ? NULL : find_verb(words[0], count - 1);
    if (!verb) {
        fprintf(stderr, "kith dht: %s (see 'kith help dht')\n", dht_spec.operands);
        return EXIT_USAGE;
    }
    session_remember(&config, "dht", 3, "/");
    int code = session_open(&s, &config);
    if (code == 0 && verb->joins && !join(&s))
        code = exit_code_of(ERR_NETWORK);
    else if (code == 0)
        code = verb->run(&s, count > 1 ? words[1] : NULL);
    fflush(stdout);
    session_close(&s);
    return code;
}
