/* See session.h. */
#include "cli/session.h"

#include "base/text.h"
#include "cli/exit_codes.h"
#include "crypto/hash.h"
#include "proto/proxy.h"
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupts, resized;

static void on_signal(int number)
{
    if (number == SIGWINCH) {
        resized = 1;
        return;
    }
    /* The first asks, the second does not wait. */
    if (++interrupts > 1)
        _exit(EXIT_KILLED);
}

bool session_interrupted(void)
{
    return interrupts > 0;
}

void session_take_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGWINCH, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void write_log(void *user, int level, const char *subsystem, const char *text)
{
    struct session *s = user;
    (void)level;
    term_note(&s->term, "%s: %s", subsystem, text);
}

int64_t session_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* "" if there is no place for it: then nothing is remembered. */
static void state_folder(char *out, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && state[0] == '/')
        snprintf(out, size, "%s/kith", state);
    else if (home && home[0] == '/')
        snprintf(out, size, "%s/.local/state/kith", home);
    else
        out[0] = 0;
}

const char *session_absolute(const char *path, char out[PATH_MAX])
{
    char cwd[PATH_MAX], given[PATH_MAX];
    if (realpath(path, out))
        return out;
    snprintf(given, sizeof given, "%s", path);
    while (strlen(given) > 1 && given[strlen(given) - 1] == '/')
        given[strlen(given) - 1] = 0;
    if (given[0] == '/' || !getcwd(cwd, sizeof cwd))
        snprintf(out, PATH_MAX, "%s", given);
    else
        snprintf(out, PATH_MAX, "%.2000s/%.2000s", cwd, given);
    return out;
}

void session_remember(
    struct session_config *config, const void *what, size_t size, const char *where)
{
    char folder[PATH_MAX], absolute[PATH_MAX], name[33];
    struct sha1_digest digest;
    struct builder b = builder_heap(size + PATH_MAX + 1);
    state_folder(folder, sizeof folder);
    builder_bytes_put(&b, what, size);
    builder_u8(&b, 0);
    builder_str(&b, session_absolute(where, absolute));
    digest = sha1(b.data, b.size);
    hex_encode(digest.b, 16, name);
    if (folder[0] && builder_ok(&b))
        snprintf(config->state_file, sizeof config->state_file, "%.4000s/%s.db", folder, name);
    builder_free(&b);
}

/* Without a memory kith works the same, and checks what it finds. */
static int open_node(struct session *s, struct kith_options *o)
{
    int err = kith_open(o, &s->node);
    bool of_memory = err == KITH_E_BUSY || err == KITH_E_DATABASE || err == KITH_E_PERMISSION ||
                     err == KITH_E_NO_SPACE || err == KITH_E_IO || err == KITH_E_NOT_FOUND;
    if (!err || !o->state_file || !of_memory)
        return err;
    term_note(&s->term, "remembering nothing this time: %s: %s", o->state_file, kith_strerror(err));
    o->state_file = NULL;
    return kith_open(o, &s->node);
}

static bool is_address(const char *text)
{
    struct endpoint e;
    return endpoint_parse_ip(&e, bytes_of_str(text), 0) == 0;
}

/* What kith_open would refuse with a mere number is said here in words. */
static bool check_network(
    struct session *s, const struct network_options *network, struct kith_options *o)
{
    struct proxy proxy;
    const char *interface = network->interface;
    int err = network->proxy ? proxy_parse(&proxy, network->proxy) : 0;
    if (err) { /* its text may hold a password */
        term_error(&s->term, "the proxy is to be socks5:// or http://[USER:PASSWORD@]HOST[:PORT]");
        return false;
    }
    if (network->proxy && interface && !is_address(proxy.host)) {
        term_error(&s->term, "with --interface the proxy needs a numeric address: its name cannot "
                             "be looked up without a leak");
        return false;
    }
    if (network->block_list && access(network->block_list, R_OK) != 0) {
        term_error(&s->term, "%s: cannot be read", network->block_list);
        return false;
    }
    if (interface)
        *(is_address(interface) ? &o->bind_address : &o->bind_interface) = interface;
    return true;
}

static const char *hint_of(int err, const struct network_options *network)
{
    switch (err) {
    case KITH_E_EXISTS:
        return " (the port is taken: choose another with --port)";
    case KITH_E_INVALID:
        if (network->no_tcp && network->no_utp)
            return " (--no-tcp and --no-utp leave nothing)";
        return " (--listen takes addresses and interfaces of this machine, --interface one)";
    case KITH_E_SYNTAX:
        return " (the block list is none)";
    default:
        return "";
    }
}

int session_open(struct session *s, const struct session_config *config)
{
    struct kith_options o;
    memset(s, 0, sizeof *s);
    const struct network_options *network = config->network;
    const struct output_options *output = config->output;
    s->output = output;
    term_init(&s->term, (enum term_colour)output->colour, output->quiet || output->json);
    s->json = json_to(stdout);
    session_take_signals();
    KITH_INIT(o);
    o.listen_port = (int32_t)network->port;
    if (!check_network(s, network, &o))
        return EXIT_USAGE;
    o.listen_addresses = network->listen.items;
    o.listen_address_count = network->listen.count;
    o.proxy = network->proxy;
    o.block_list = network->block_list;
    o.encryption = network->encryption;
    o.download_rate_max = network->download_max;
    o.upload_rate_max = network->upload_max;
    if (output->verbose) {
        o.log = write_log;
        o.log_user = s;
        o.log_level = output->verbose > 1 ? KITH_LOG_DEBUG : KITH_LOG_INFO;
    }
    o.no_lsd = network->no_lsd;
    o.no_utp = network->no_utp;
    o.no_tcp = network->no_tcp;
    o.state_file = config->state_file[0] ? config->state_file : NULL;
    int err = open_node(s, &o);
    if (err == 0)
        return 0;
    term_error(&s->term, "cannot start: %s%s", kith_strerror(err), hint_of(err, network));
    return exit_code_of(err);
}

int session_wait(struct session *s, int64_t milliseconds)
{
    if (resized) {
        resized = 0;
        term_resized(&s->term);
    }
    return kith_run(s->node, milliseconds);
}

void session_close(struct session *s)
{
    if (!s->node)
        return;
    term_clear(&s->term);
    kith_stop(s->node);
    int64_t end = session_now_ms() + 3000;
    for (bool stopped = false; !stopped && session_now_ms() < end;) {
        kith_run(s->node, 100);
        const struct kith_event *e;
        while ((e = kith_next_event(s->node)) != NULL)
            stopped |= kith_event_type(e) == KITH_EVENT_STOPPED;
    }
    kith_close(s->node);
    s->node = NULL;
}

/* ---- progress
 * ---------------------------------------------------------------------------------------- */

static const char *verb_of(int state)
{
    switch (state) {
    case KITH_STATE_HASHING:
        return "hashing";
    case KITH_STATE_METADATA:
        return "looking it up";
    case KITH_STATE_CHECKING:
        return "checking";
    case KITH_STATE_DOWNLOADING:
        return "getting";
    case KITH_STATE_SEEDING:
        return "sharing";
    case KITH_STATE_PAUSED:
        return "paused";
    case KITH_STATE_QUEUED:
        return "queued";
    default:
        return "stopped";
    }
}

static int percent_of(uint64_t done, uint64_t total)
{
    return total ? (int)((double)done * 100 / (double)total) : -1;
}

static void put_amounts(struct builder *b, uint64_t done, uint64_t total)
{
    char a[16], z[16];
    builder_format(b, "  %s of %s", human_size(done, a), human_size(total, z));
}

static int describe(struct session *s, const struct kith_status *st, struct builder *b)
{
    char rate[20], left[16];
    bool working = st->state == KITH_STATE_HASHING || st->state == KITH_STATE_CHECKING;
    uint64_t done = working ? st->work_done : st->bytes_done;
    uint64_t total = working ? st->work_total : st->bytes_total;
    int percent = percent_of(done, total);
    builder_format(b, "%s", verb_of(st->state));
    if (st->state == KITH_STATE_SEEDING) {
        builder_format(b, "  %s sent, %s, %u peer%s", human_size(st->uploaded, left),
            human_rate(st->upload_rate, rate), st->peers_connected,
            st->peers_connected == 1 ? "" : "s");
        return -1;
    }
    if (percent >= 0 && st->state != KITH_STATE_METADATA) {
        builder_str(b, "  ");
        if (s->term.interactive)
            term_bar(&s->term, percent / 100.0, 20, b);
        builder_format(b, " %3d %%", percent);
        put_amounts(b, done, total);
    }
    if (st->waiting_for[0])
        builder_format(b, "  %s", st->waiting_for);
    else if (st->state == KITH_STATE_DOWNLOADING)
        builder_format(b, "  %s  %s left  %u peer%s", human_rate(st->download_rate, rate),
            human_time(st->eta_seconds, left), st->peers_connected,
            st->peers_connected == 1 ? "" : "s");
    return percent;
}

void session_show_progress(struct session *s, struct kith_torrent *t)
{
    struct kith_status st;
    KITH_INIT(st);
    if (kith_status(t, &st) != 0)
        return;
    struct builder b = builder_heap(4096);
    int percent = describe(s, &st, &b);
    term_progress(&s->term, builder_text(&b), percent, MSECS(session_now_ms()));
    builder_free(&b);
}

void session_json_status(struct session *s, const char *type, const struct kith_status *st)
{
    struct json *j = &s->json;
    json_open_object(j);
    json_put_text(j, "type", type);
    json_put_text(j, "state", verb_of(st->state));
    json_put_text(j, "name", st->name);
    if (st->has_v1)
        json_put_hash(j, "info_hash_v1", true, st->info_hash_v1, 20);
    if (st->has_v2)
        json_put_hash(j, "info_hash_v2", true, st->info_hash_v2, 32);
    json_put_unsigned(j, "bytes_total", st->bytes_total);
    json_put_unsigned(j, "bytes_done", st->bytes_done);
    json_put_unsigned(j, "work_done", st->work_done);
    json_put_unsigned(j, "work_total", st->work_total);
    json_put_unsigned(j, "downloaded", st->downloaded);
    json_put_unsigned(j, "uploaded", st->uploaded);
    json_put_unsigned(j, "download_rate", st->download_rate);
    json_put_unsigned(j, "upload_rate", st->upload_rate);
    json_put_integer(j, "eta_seconds", st->eta_seconds);
    json_put_unsigned(j, "peers", st->peers_connected);
    json_put_text(j, "waiting_for", st->waiting_for);
}
