/* See session.h. */
#include "cli/session.h"

#include "base/text.h"
#include "cli/exit_codes.h"
#include "cli/tidy.h"
#include "crypto/hash.h"
#include "proto/proxy.h"
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 65536u

static volatile sig_atomic_t interrupts, resized, suspended;

static void on_signal(int number)
{
    if (number == SIGWINCH || number == SIGCONT)
        resized = 1;
    else if (number == SIGTSTP)
        suspended = 1;
    else if (++interrupts > 1) /* the first asks, the second does not wait */
        _exit(EXIT_KILLED);
}

bool session_interrupted(void)
{
    return interrupts > 0 || term_is_gone();
}

/* What was ignored when we were started stays so: nohup, jobs of a shell without job control. */
static void take_signal(int number)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void session_take_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    take_signal(SIGHUP);
    take_signal(SIGTSTP);
    take_signal(SIGCONT);
    take_signal(SIGWINCH);
    signal(SIGPIPE, SIG_IGN);
}

/* Stops as the user wished, with nothing half drawn left on the screen. */
static void suspend(struct term *t)
{
    suspended = 0;
    term_clear(t);
    signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);
    take_signal(SIGTSTP);
}

void session_heed_signals(struct term *t)
{
    if (suspended)
        suspend(t);
    if (resized) {
        resized = 0;
        t->lines_shown = 0; /* what the terminal made of them is anybody's guess */
        term_resized(t);
    }
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

void session_name(const void *what, size_t size, const char *where, char out[33])
{
    struct builder b = builder_heap(size + PATH_MAX + 1);
    builder_bytes_put(&b, what, size);
    builder_u8(&b, 0);
    builder_str(&b, where);
    struct sha1_digest digest = sha1(b.data, b.size);
    hex_encode(digest.b, 16, out);
    builder_free(&b);
}

void session_remember(
    struct session_config *config, const void *what, size_t size, const char *where)
{
    char folder[PATH_MAX], absolute[PATH_MAX], name[33];
    state_folder(folder, sizeof folder);
    session_name(what, size, session_absolute(where, absolute), name);
    if (!folder[0])
        return;
    tidy_records(folder);
    snprintf(config->state_file, sizeof config->state_file, "%.4000s/%s.db", folder, name);
}

/* The soft limit is low (1,024) for programs that call select(), which we do not. A library leaves
 * it alone: this process is ours. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS_MAX)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* then it stays as it is: kith keeps to it */
}

/* Without a memory kith works the same, and checks what it finds. */
static int open_node(struct session *s, struct kith_options *o)
{
    raise_descriptors();
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

/* Nodes that have answered newcomers for years: needed once, by who knows nobody. */
static const char *const well_known[] = {
    "dht.libtorrent.org:25401", "dht.transmissionbt.com:6881", "router.bittorrent.com:6881"};

static void fill_dht(struct kith_options *o, const struct network_options *network)
{
    const struct text_list *given = &network->bootstrap;
    o->dht = network->no_dht ? KITH_DHT_OFF : KITH_DHT_ON;
    o->dht_hosts = well_known;
    o->dht_host_count = sizeof well_known / sizeof *well_known;
    if (given->count == 0)
        return;
    o->dht_hosts = given->items;
    o->dht_host_count = strcmp(given->items[0], "none") == 0 ? 0 : given->count;
}

int session_open(struct session *s, const struct session_config *config)
{
    struct kith_options o;
    memset(s, 0, sizeof *s);
    const struct network_options *network = config->network;
    const struct output_options *output = config->output;
    s->output = output;
    s->per_file = config->per_file;
    term_init(&s->term, (enum term_colour)output->colour, output->quiet || output->json);
    s->json = json_to(stdout);
    session_take_signals();
    KITH_INIT(o);
    o.listen_port = (int32_t)network->port;
    o.handle_sigbus = 1;
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
    o.connections_max = o.torrent_connections_max = (int32_t)network->connections_max;
    o.no_lsd = network->no_lsd;
    fill_dht(&o, network);
    o.no_utp = network->no_utp;
    o.no_tcp = network->no_tcp;
    o.no_port_mapping = network->no_port_mapping;
    o.state_file = config->state_file[0] ? config->state_file : NULL;
    int err = open_node(s, &o);
    if (err == 0)
        return 0;
    term_error(&s->term, "cannot start: %s%s", kith_strerror(err), hint_of(err, network));
    return exit_code_of(err);
}

int session_wait(struct session *s, int64_t milliseconds)
{
    session_heed_signals(&s->term);
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
