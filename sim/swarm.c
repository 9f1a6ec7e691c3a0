/* See swarm.h. */
#include "swarm.h"
#include "checks/check.h"

#include "node/node_env.h"
#include "node/node_internal.h"
#include "store/create/create.h"
#include "swarm/torrent/torrent_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT 6881

/* A node that dies takes its memory with it, as a process would: that is no leak. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

bool swarm_fail(struct swarm *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!s->why[0])
        vsnprintf(s->why, sizeof s->why, format, args);
    va_end(args);
    return false;
}

/* ---- the data and its torrent -------------------------------------------------------------- */

static void fill(struct swarm *s, unsigned file, uint32_t size)
{
    uint64_t x = s->config.seed * 2654435761u + file + 1;
    s->content[file] = builder_heap(size + 1);
    uint8_t *out = builder_reserve(&s->content[file], size);
    for (uint32_t i = 0; i < size; i++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        out[i] = (uint8_t)(x >> 56);
    }
}

void swarm_file_path(char *out, size_t size, const char *folder, unsigned file)
{
    snprintf(out, size, "%s/Data/%c%s", folder, 'a' + file, file == 1 ? "/deep" : "");
}

static void put_data(struct swarm *s, struct sim_host *host, const char *folder)
{
    char path[128];
    for (unsigned i = 0; i < 4 && s->config.file_sizes[i]; i++) {
        swarm_file_path(path, sizeof path, folder, i);
        sim_disk_put(host, path, builder_bytes(&s->content[i]));
    }
}

static void created(void *user, int err, const struct create_result *r, const char *detail)
{
    struct swarm *s = user;
    if (err) {
        swarm_fail(s, "creation: %d %s", err, detail);
        return;
    }
    s->torrent = malloc(r->torrent.size);
    s->torrent_size = r->torrent.size;
    memcpy(s->torrent, r->torrent.data, r->torrent.size);
}

static bool is_created(void *user)
{
    struct swarm *s = user;
    return s->torrent || s->why[0];
}

static void make_torrent(struct swarm *s)
{
    struct sim_host *maker = sim_host_new(
        s->world, &(struct sim_host_config){.name = "maker", .addresses = {"10.9.9.9"}});
    struct create_options options = {.path = "/m/Data",
        .kind = s->config.format == KITH_FORMAT_V1   ? CREATE_V1
                : s->config.format == KITH_FORMAT_V2 ? CREATE_V2
                                                     : CREATE_HYBRID,
        .piece_length = s->config.piece_length};
    struct create_events events = {NULL, created};
    struct create *create;
    struct format_error error;
    put_data(s, maker, "/m");
    if (create_start(sim_host_env(maker), &options, &events, s, &create) != 0 ||
        sim_world_run_until(s->world, NEVER, is_created, s) != SIM_REACHED || !s->torrent ||
        metainfo_parse_torrent(bytes_of(s->torrent, s->torrent_size), &s->metainfo, &error) != 0)
        swarm_fail(s, "no torrent was made");
}

void swarm_new(struct swarm *s, const struct swarm_config *config)
{
    memset(s, 0, sizeof *s);
    struct sim_config world = config->world   ? *config->world
                              : config->rough ? sim_config_rough(config->seed)
                                              : sim_config_calm(config->seed);
    world.start_unix = 1700000000;
    if (config->lost_percent)
        world.packet_loss = config->lost_percent / 100.0;
    if (config->late_percent)
        world.udp_reorder = config->late_percent / 100.0;
    s->config = *config;
    s->world = sim_world_new(&world);
    for (unsigned i = 0; i < 4 && config->file_sizes[i]; i++)
        fill(s, i, config->file_sizes[i]);
    make_torrent(s);
}

/* ---- nodes --------------------------------------------------------------------------------- */

struct swarm_node *swarm_add(struct swarm *s, const struct swarm_node_config *config)
{
    struct swarm_node *n = &s->nodes[s->count];
    char address[32];
    *n = (struct swarm_node){.swarm = s,
        .folder = config->folder,
        .wants = config->wants,
        .no_tcp = config->no_tcp,
        .up = config->up,
        .honest = true,
        .seeder = config->seeder};
    snprintf(n->name, sizeof n->name, "n%u", s->count);
    snprintf(address, sizeof address, config->nat ? "192.168.%u.%u" : "20.%u.%u.1", s->count / 200,
        s->count % 200 + 1);
    n->host = sim_host_new(s->world, &(struct sim_host_config){.name = n->name,
                                         .addresses = {address},
                                         .up_bytes_per_second = config->up,
                                         .down_bytes_per_second = config->down,
                                         .queue_bytes = config->queue,
                                         .nat = config->nat,
                                         .user = n});
    if (config->seeder)
        put_data(s, n->host, n->folder);
    s->count++;
    return n;
}

/* The state file of a life is a copy of the last life's: the dead node's process would have let go
 * of its lock, and here it cannot. */
static void inherit_state(struct swarm_node *n)
{
    char old[128], command[1024];
    snprintf(old, sizeof old, "%s", n->state_file);
    snprintf(n->state_file, sizeof n->state_file, "/tmp/kith-sim-%ld-%s-%u.db", (long)getpid(),
        n->name, n->lives);
    if (!old[0])
        return;
    snprintf(command, sizeof command, "cp %s %s; [ ! -f %s-wal ] || cp %s-wal %s-wal; rm -f %s*",
        old, n->state_file, old, old, n->state_file, old);
    if (system(command) != 0)
        swarm_fail(n->swarm, "the state file was not copied");
}

/* The others in an order by lot (or as they are, if all are known); how many. */
static unsigned others_of(const struct swarm_node *n, const struct swarm_node *out[])
{
    struct swarm *s = n->swarm;
    unsigned count = 0;
    for (unsigned i = 0; i < s->count; i++)
        if (&s->nodes[i] != n)
            out[count++] = &s->nodes[i];
    if (s->config.known == 0)
        return count;
    for (unsigned i = count; i > 1; i--) {
        unsigned j = (unsigned)sim_world_draw(s->world, i);
        const struct swarm_node *t = out[i - 1];
        out[i - 1] = out[j];
        out[j] = t;
    }
    return count < s->config.known ? count : s->config.known;
}

static void add_torrent(struct swarm_node *n)
{
    struct swarm *s = n->swarm;
    struct kith_add add;
    char texts[SWARM_NODES_MAX][64];
    const char *peers[SWARM_NODES_MAX];
    const struct swarm_node *others[SWARM_NODES_MAX];
    KITH_INIT(add);
    add.torrent = s->torrent;
    add.torrent_size = s->torrent_size;
    add.folder = n->folder;
    bool wants_none = n->wants && strcmp(n->wants, "nothing") == 0;
    add.files_wanted = wants_none ? NULL : n->wants;
    /* Without a memory its own beginnings are somebody else's after a crash. */
    add.existing = s->config.remember ? KITH_EXISTING_REFUSE : KITH_EXISTING_OVERWRITE;
    add.peer_count = others_of(n, others);
    for (unsigned i = 0; i < add.peer_count; i++) {
        struct endpoint e = sim_host_endpoint(others[i]->host, ADDR_V4, PORT);
        endpoint_text(&e, texts[i]);
        peers[i] = texts[i];
    }
    add.peers = peers;
    int err = kith_add(n->node, &add, &n->torrent);
    if (err && !(err == KITH_E_EXISTS && n->torrent))
        swarm_fail(s, "%s: kith_add: %d", n->name, err);
    for (uint32_t f = 0; wants_none && n->torrent && kith_set_file_priority(n->torrent, f, 0) == 0;)
        f++;
}

/* False: it cannot be opened. */
static bool open_node(struct swarm_node *n)
{
    struct swarm *s = n->swarm;
    struct kith_options o;
    KITH_INIT(o);
    o.listen_port = PORT;
    o.memory_max = s->config.memory_max;
    o.encryption = s->config.plaintext ? KITH_ENCRYPTION_OFF : KITH_ENCRYPTION_PREFER;
    o.no_utp = s->config.no_utp;
    o.no_tcp = s->config.no_tcp || n->no_tcp;
    o.dht = s->config.no_dht ? KITH_DHT_OFF : KITH_DHT_ON;
    if (n->lives++ == 0)
        n->started_at = sim_world_now(s->world);
    n->complete = n->ready = false;
    if (s->config.remember) {
        inherit_state(n);
        o.state_file = n->state_file;
    }
    int err = node_open_in(sim_host_env(n->host), &o, &n->node);
    return !err || swarm_fail(s, "%s: open: %d", n->name, err);
}

void swarm_start(struct swarm_node *n)
{
    if (open_node(n))
        add_torrent(n);
}

void swarm_start_again(struct swarm_node *n)
{
    if (open_node(n))
        n->torrent = kith_torrent_at(n->node, 0);
}

void swarm_crash(struct swarm_node *n, enum sim_crash how)
{
    sim_host_crash(n->host, how);
    n->node = NULL; /* its memory dies with it */
    n->torrent = NULL;
    sim_host_restart(n->host);
}

/* ---- what must hold ------------------------------------------------------------------------ */

static const struct check *const checks[] = {
    &check_pieces, &check_conflict, &check_bounds, &check_progress, &check_bans};
#define CHECK_COUNT (sizeof checks / sizeof *checks)

static void check_event(struct swarm_node *n, const struct kith_event *e)
{
    for (unsigned i = 0; i < CHECK_COUNT; i++)
        if (checks[i]->event)
            checks[i]->event(n, e);
}

static void check_each_second(struct swarm *s)
{
    usec now = sim_world_now(s->world);
    if (now < s->looked_at + SECONDS(1))
        return;
    s->looked_at = now;
    for (unsigned i = 0; i < CHECK_COUNT; i++)
        if (checks[i]->second)
            checks[i]->second(s);
}

/* For whoever looks for the reason. */
static void dump(struct swarm *s)
{
    for (unsigned i = 0; i < s->count && getenv("KITH_SIM_DUMP"); i++) {
        struct torrent *t = s->nodes[i].torrent ? s->nodes[i].torrent->torrent : NULL;
        if (!s->nodes[i].node || !t)
            continue;
        printf("%s: state %d/%d have %u buffers %u jobs %u chunks %zu\n", s->nodes[i].name,
            s->nodes[i].torrent->state, t->state, t->have.count, t->buffer_count, t->jobs,
            chunk_pool_available(s->nodes[i].node->pool));
        for (uint32_t b = 0; b < t->buffer_count; b++)
            printf("    piece %u: %u arriving %u in memory %u on disk of %u%s\n",
                t->buffers[b]->piece, t->buffers[b]->arriving, t->buffers[b]->in_memory,
                t->buffers[b]->on_disk, t->buffers[b]->block_count,
                t->buffers[b]->busy ? " busy" : "");
        for (uint32_t j = 0; j < t->peer_count; j++) {
            struct peer *p = t->peers[j];
            char text[ENDPOINT_TEXT_MAX];
            endpoint_text(&p->address, text);
            printf(
                "    %s has %u%s: we %s %s, it %s %s; asked %u waiting %u, uploads %u reads %u%s\n",
                text, p->have.count, p->counted ? "" : " uncounted", p->interesting ? "want" : "-",
                p->choked_by_us ? "choke" : "unchoke", p->interested_in_us ? "wants" : "-",
                p->choking_us ? "chokes" : "unchokes", p->requests.count, p->requests.waiting,
                p->uploads.count, p->reads, p->starved ? " starved" : "");
        }
    }
}

static void take_event(struct swarm_node *n, const struct kith_event *e)
{
    struct kith_status st;
    KITH_INIT(st);
    check_event(n, e);
    switch (kith_event_type(e)) {
    case KITH_EVENT_READY:
        kith_status(n->torrent, &st);
        n->ready = true;
        n->hashed_at_ready = st.work_total;
        break;
    case KITH_EVENT_COMPLETE:
        n->complete = true;
        n->completed_at = sim_world_now(n->swarm->world);
        break;
    case KITH_EVENT_TROUBLE:
        n->troubles++;
        break;
    case KITH_EVENT_RECOVERED:
        n->recoveries++;
        break;
    default:
        break;
    }
}

static void take_events_of(struct swarm_node *n)
{
    const struct kith_event *e;
    while (n->node && (e = kith_next_event(n->node)) != NULL)
        take_event(n, e);
}

/* What a host's event did, only its own node can tell of; a script may have spoken to any. */
static void take_events(struct swarm *s, const struct sim_host *of)
{
    struct swarm_node *n = of ? sim_host_user(of) : NULL;
    if (n) {
        take_events_of(n);
        return;
    }
    for (unsigned i = 0; i < s->count; i++)
        take_events_of(&s->nodes[i]);
}

static bool is_awaited(const struct swarm_node *n)
{
    return n->honest && n->node && !n->complete;
}

bool swarm_all_complete(struct swarm *s)
{
    if (s->awaited && is_awaited(s->awaited)) /* asked after every event: mostly it is still so */
        return false;
    for (unsigned i = 0; i < s->count; i++) {
        s->awaited = &s->nodes[i];
        if (is_awaited(s->awaited))
            return false;
    }
    return true;
}

usec swarm_longest(const struct swarm *s)
{
    usec longest = 0;
    for (unsigned i = 0; i < s->count; i++) {
        const struct swarm_node *n = &s->nodes[i];
        if (n->honest && n->complete && n->completed_at - n->started_at > longest)
            longest = n->completed_at - n->started_at;
    }
    return longest;
}

struct wait {
    struct swarm *swarm;
    bool (*reached)(struct swarm *);
    bool under_way; /* events were fired since */
};

static bool never(struct swarm *s)
{
    (void)s;
    return false;
}

static bool step(void *user)
{
    struct wait *w = user;
    take_events(w->swarm, w->under_way ? sim_world_last(w->swarm->world) : NULL);
    w->under_way = true;
    check_each_second(w->swarm);
    return w->swarm->why[0] || w->reached(w->swarm);
}

bool swarm_run_until(struct swarm *s, usec at_most, bool (*reached)(struct swarm *))
{
    struct wait w = {.swarm = s, .reached = reached};
    if (s->why[0])
        return false;
    if (sim_world_run_until(s->world, sim_world_now(s->world) + at_most, step, &w) != SIM_REACHED) {
        for (unsigned i = 0; i < s->count; i++) {
            struct kith_status st;
            KITH_INIT(st);
            if (!s->nodes[i].node || kith_status(s->nodes[i].torrent, &st) != 0)
                continue;
            dump(s);
            if (s->nodes[i].honest && !s->nodes[i].complete)
                return swarm_fail(s, "%s: %s is in state %d with %u of %u pieces, %u peers: %s %s",
                    sim_world_complaint(s->world), s->nodes[i].name, st.state, st.pieces_done,
                    st.pieces_total, st.peers_connected, st.waiting_for, st.error_text);
        }
        return swarm_fail(s, "%s", sim_world_complaint(s->world));
    }
    return s->why[0] == 0;
}

void swarm_pass(struct swarm *s, usec time)
{
    struct wait w = {.swarm = s, .reached = never};
    sim_world_run_until(s->world, sim_world_now(s->world) + time, step, &w);
}

/* ---- the end ------------------------------------------------------------------------------- */

static bool all_stopped(void *user)
{
    struct swarm *s = user;
    bool all = true;
    for (unsigned i = 0; i < s->count; i++) {
        const struct kith_event *e;
        while (s->nodes[i].node && (e = kith_next_event(s->nodes[i].node)) != NULL) {
        }
        if (!s->nodes[i].node)
            continue;
        struct kith_torrent *k = s->nodes[i].torrent;
        all &= s->nodes[i].node->stopped && (!k || !k->storage || storage_idle(k->storage));
    }
    return all;
}

void swarm_free(struct swarm *s)
{
    s->script_over = true;
    for (unsigned i = 0; i < s->count; i++)
        if (s->nodes[i].node)
            kith_stop(s->nodes[i].node);
    if (sim_world_run_until(s->world, sim_world_now(s->world) + SECONDS(600), all_stopped, s) !=
        SIM_REACHED)
        swarm_fail(s, "not all nodes stop");
    for (unsigned i = 0; i < s->count; i++) {
        char command[160];
        if (s->nodes[i].node && !s->why[0])
            node_free(s->nodes[i].node);
        snprintf(command, sizeof command, "rm -f %s*", s->nodes[i].state_file);
        if (s->nodes[i].state_file[0] && system(command) != 0)
            swarm_fail(s, "the state file is still there");
    }
    for (unsigned i = 0; i < 4; i++)
        builder_free(&s->content[i]);
    metainfo_unref(s->metainfo);
    free(s->torrent);
    free(s->script);
    if (!s->why[0])
        sim_world_free(s->world);
}
