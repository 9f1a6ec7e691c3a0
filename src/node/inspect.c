/* What kith.h lets people look at: status, files, peers, links. See node_internal.h. */
#include "node/net/egress.h"
#include "node/net/network.h"
#include "node/net/outside.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "base/text.h"
#include "format/magnet.h"
#include "format/metainfo_write.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_MAX (256u << 10)
#define OWN_ADDRESSES_MAX 32u
#define LINK_PEERS_MAX 8u

/* Asked for one after the other, each costs one step. */
struct kith_torrent *kith_torrent_at(struct kith_node *n, size_t index)
{
    if (!n->walk_at || index < n->walk_index) {
        n->walk_at = n->torrents.next;
        n->walk_index = 0;
    }
    for (; n->walk_at != &n->torrents && n->walk_index < index; n->walk_index++)
        n->walk_at = n->walk_at->next;
    return n->walk_at == &n->torrents ? NULL : list_entry(n->walk_at, struct kith_torrent, link);
}

struct kith_torrent *kith_torrent_find(struct kith_node *n, const char *hex)
{
    struct sha256_digest wanted = {0};
    size_t size = strlen(hex) / 2;
    if ((size != 20 && size != 32) || hex_decode(bytes_of_str(hex), wanted.b, size) != 0)
        return NULL;
    struct info_hash name = info_hash_of_sha256(&wanted);
    struct kith_torrent *k = entry_find_hash(n, &name);
    if (k && size == 32 && !(k->has_v2 && sha256_equal(&k->v2, &wanted)))
        return NULL;
    return k;
}

/* ---- status -------------------------------------------------------------------------------- */

static int state_of(const struct kith_torrent *k, const struct torrent_stats *s)
{
    if (k->state)
        return k->state;
    switch (s->state) {
    case TORRENT_METADATA:
    case TORRENT_NEW:
        return KITH_STATE_METADATA;
    case TORRENT_WAITING:
    case TORRENT_CHECKING:
        return KITH_STATE_CHECKING;
    case TORRENT_ACTIVE:
        return s->complete ? KITH_STATE_SEEDING : KITH_STATE_DOWNLOADING;
    case TORRENT_PAUSED:
        return k->queued ? KITH_STATE_QUEUED : KITH_STATE_PAUSED;
    case TORRENT_FAILED:
        return KITH_STATE_TROUBLE;
    }
    return KITH_STATE_TROUBLE;
}

/* What somebody else says, made harmless. */
static const char *say(struct kith_torrent *k, const char *whose, const char *words)
{
    char said[NODE_TEXT_MAX];
    struct builder b = builder_fixed(said, sizeof said);
    builder_str(&b, whose);
    text_escape(bytes_of_str(words), &b);
    node_replace_text(&k->waiting_for, builder_text(&b));
    return k->waiting_for ? k->waiting_for : "";
}

static const char *why_alone(struct kith_torrent *k, const struct torrent_stats *s)
{
    if (torrent_web_seeds(k->torrent) > 0)
        return "waiting for the web seed";
    if (torrent_metadata_was_wrong(k->torrent))
        return "waiting for peers: what those so far sent as the torrent's description was not it";
    if (s->liars > 0 && s->liars + 1 >= s->known) /* and ourselves */
        return "waiting for peers: those that were here sent bad data and are not asked again";
    if (s->known > 0 && (s->connecting > 0 || s->attempts_failed == 0))
        return "connecting";
    if (network_is_offline(k->node))
        return "waiting for a network: this machine is on none";
    if (s->known == 0 && named_peers_wait(k))
        return "looking up the name of a peer";
    if (s->known == 0 && s->attempts_failed == 0)
        return k->dht.joined ? "waiting for peers: "
                             : "waiting for peers: the link names none, and none has been found";
    return "waiting for peers: nobody answers at the addresses known";
}

/* In words, why nothing moves. */
static const char *explain(struct kith_torrent *k, const struct torrent_stats *s, int state)
{
    node_replace_text(&k->waiting_for, NULL);
    if ((state != KITH_STATE_DOWNLOADING && state != KITH_STATE_METADATA) || s->download_rate > 0)
        return "";
    const char *why = egress_trouble(k->node), *tracker = trackers_trouble(k);
    if (why)
        return say(k, "", why);
    why = "";
    const char *web = torrent_web_trouble(k->torrent);
    if (s->peers == 0 && web)
        return say(k, "waiting for peers: the web seed says: ", web);
    if (s->peers == 0 && s->known == 0 && tracker)
        return say(k, "waiting for peers: the tracker says: ", tracker);
    if (s->peers == 0)
        why = why_alone(k, s);
    else if (state == KITH_STATE_METADATA)
        why = torrent_metadata_waits(k->torrent);
    else if (s->useful == 0)
        why = "connected; nobody has what is missing";
    else if (s->useful_unchoked == 0)
        why = "connected; peers have not given us a turn yet";
    else
        why = "connected; what was asked for has not come yet";
    if (s->peers > 0 || s->connecting > 0 || !k->dht.joined)
        return why;
    char text[NODE_TEXT_MAX];
    struct builder b = builder_fixed(text, sizeof text);
    builder_str(&b, why);
    builder_str(&b, why[strlen(why) - 1] == ' ' ? "" : "; ");
    dht_io_words(k, &b);
    return say(k, "", builder_text(&b));
}

static void fill_transfer(struct kith_torrent *k, struct kith_status *out)
{
    struct torrent_stats s;
    torrent_stats(k->torrent, env_now(k->node->env), &s);
    out->state = state_of(k, &s);
    if (s.state == TORRENT_FAILED && !k->error) {
        out->error = s.error;
        out->error_text = torrent_error_text(k->torrent);
    }
    out->bytes_total = s.bytes_total;
    out->bytes_done = s.bytes_done;
    out->bytes_left = s.bytes_left;
    out->downloaded = k->downloaded_before + s.downloaded;
    out->uploaded = k->uploaded_before + s.uploaded;
    out->wasted = s.wasted;
    out->download_rate = s.download_rate;
    out->upload_rate = s.upload_rate;
    out->eta_seconds = s.complete        ? 0
                       : s.download_rate ? (int64_t)(s.bytes_left / s.download_rate)
                                         : -1;
    out->pieces_total = s.pieces_total;
    out->pieces_done = s.pieces_done;
    out->peers_connected = s.peers;
    out->peers_known = s.known;
    out->peers_connecting = s.connecting;
    out->seeds_connected = out->full_copies_elsewhere = s.seeds;
    out->peers_sending = s.sending;
    out->peers_receiving = s.receiving;
    out->waiting_for = explain(k, &s, out->state);
}

/* What is known without its metainfo. */
static void fill_sleeper(const struct kith_torrent *k, struct kith_status *out)
{
    const struct entry_outline *o = &k->outline;
    out->state = k->paused ? KITH_STATE_PAUSED : KITH_STATE_SEEDING;
    out->bytes_total = out->bytes_done = o->bytes_total;
    out->downloaded = k->downloaded_before;
    out->uploaded = k->uploaded_before;
    out->eta_seconds = 0;
    out->pieces_total = out->pieces_done = o->piece_count;
    out->piece_length = o->piece_length;
    out->file_count = o->file_count;
}

static void fill_hashes(const struct kith_torrent *k, struct kith_status *out)
{
    out->has_v1 = k->has_v1;
    memcpy(out->info_hash_v1, k->v1.b, sizeof k->v1.b);
    out->has_v2 = k->has_v2;
    memcpy(out->info_hash_v2, k->v2.b, sizeof k->v2.b);
}

int kith_status(struct kith_torrent *k, struct kith_status *given)
{
    struct kith_status out = {.size = given->size,
        .state = k->state,
        .error = k->error,
        .root = k->root       ? k->root
                : k->metainfo ? k->metainfo->root
                              : "",
        .error_text = k->error_text ? k->error_text : "",
        .name = k->name,
        .folder = k->folder,
        .eta_seconds = -1,
        .waiting_for = ""};
    fill_hashes(k, &out);
    trackers_counts(k, &out.swarm_seeders, &out.swarm_leechers, &out.swarm_completed);
    if (k->torrent)
        fill_transfer(k, &out);
    else if (k->asleep)
        fill_sleeper(k, &out);
    if (k->state == KITH_STATE_HASHING) {
        out.work_done = k->awake->create_progress.bytes_hashed;
        out.work_total = k->awake->create_progress.bytes_total;
    } else if (k->metainfo) {
        out.work_done = k->awake->check_done;
        out.work_total = k->awake->check_total;
    }
    if (k->metainfo) {
        out.piece_length = k->metainfo->piece_length;
        out.pieces_total = k->metainfo->piece_count;
        out.file_count = k->metainfo->file_count - k->metainfo->pad_count;
        if (!k->torrent || !torrent_storage(k->torrent)) /* nothing is counted yet */
            out.bytes_total = out.bytes_left = entry_bytes_wanted(k);
    }
    node_fill(given, given->size, &out, sizeof out);
    return 0;
}

int kith_file(struct kith_torrent *k, uint32_t index, struct kith_file *given)
{
    (void)entry_wake(k);
    uint32_t number = entry_file_at(k, index);
    if (number == UINT32_MAX)
        return ERR_NOT_FOUND;
    const struct metainfo_file *f = &k->metainfo->files[number];
    struct kith_file out = {.size = given->size,
        .path = f->path,
        .length = f->length,
        .priority = k->priorities ? k->priorities[number] : 4};
    const struct bitfield *have = k->torrent ? torrent_have(k->torrent) : NULL;
    for (uint32_t i = 0; have && have->bits && i < f->piece_count; i++) {
        uint32_t piece = f->first_piece + i;
        uint64_t begin = (uint64_t)piece * k->metainfo->piece_length;
        uint64_t end = begin + k->metainfo->piece_length;
        if (!bitfield_get(have, piece))
            continue;
        begin = begin < f->offset ? f->offset : begin;
        end = end > f->offset + f->length ? f->offset + f->length : end;
        out.done += end - begin;
    }
    node_fill(given, given->size, &out, sizeof out);
    return 0;
}

uint64_t kith_file_ready(struct kith_torrent *k, uint32_t index, uint64_t offset)
{
    (void)entry_wake(k);
    const struct bitfield *have = k->torrent ? torrent_have(k->torrent) : NULL;
    uint32_t number = entry_file_at(k, index);
    if (!have || !have->bits || number == UINT32_MAX)
        return 0;
    const struct metainfo_file *f = &k->metainfo->files[number];
    if (offset >= f->length)
        return 0;
    uint64_t at = f->offset + offset;
    uint32_t piece = (uint32_t)(at / k->metainfo->piece_length);
    uint64_t end = (uint64_t)bitfield_next_clear(have, piece) * k->metainfo->piece_length;
    if (end > f->offset + f->length)
        end = f->offset + f->length;
    return end > at ? end - at : 0;
}

int kith_peer(struct kith_torrent *k, uint32_t index, struct kith_peer *given)
{
    struct peer *p = k->torrent ? torrent_peer_at(k->torrent, index) : NULL;
    struct peer_info i;
    if (!p)
        return ERR_NOT_FOUND;
    peer_info(p, env_now(k->node->env), &i);
    struct kith_peer out = {.size = given->size,
        .download_rate = i.download_rate,
        .upload_rate = i.upload_rate,
        .downloaded = i.downloaded,
        .uploaded = i.uploaded,
        .progress = i.pieces_total ? (double)i.pieces_have / i.pieces_total : 0,
        .encrypted = i.encrypted,
        .incoming = i.incoming,
        .choking_us = i.choking_us,
        .interested_in_us = i.interested_in_us,
        .we_choke = i.choked_by_us,
        .we_are_interested = i.interesting};
    endpoint_text(&i.address, out.address);
    memcpy(out.client, i.client, sizeof out.client);
    node_fill(given, given->size, &out, sizeof out);
    return 0;
}

/* ---- links and files ----------------------------------------------------------------------- */

/* The addresses at which a port is reached: its own, or those of its interface or of the machine.
 */
static size_t port_addresses(struct kith_node *n, const struct port *p, struct endpoint *out)
{
    struct endpoint all[OWN_ADDRESSES_MAX];
    const char *device = p->device[0] ? p->device : egress_device(n);
    size_t total, count = 0;
    if (!endpoint_is_any(&p->at)) {
        out[0] = p->at;
        return 1;
    }
    total = device ? env_device_addresses(n->env, device, all, OWN_ADDRESSES_MAX)
                   : env_local_addresses(n->env, all, OWN_ADDRESSES_MAX);
    for (size_t i = 0; i < total; i++)
        if (all[i].family == p->at.family)
            out[count++] = all[i];
    return count;
}

static bool is_there(const struct magnet_peer *peers, size_t count, const struct endpoint *e)
{
    for (size_t i = 0; i < count; i++)
        if (endpoint_equal(&peers[i].endpoint, e))
            return true;
    return false;
}

/* What the world sees of us, if the world can reach it. */
static size_t outer_peers(struct kith_node *n, struct magnet_peer *out)
{
    static const enum addr_family families[] = {ADDR_V4, ADDR_V6};
    size_t count = 0;
    for (unsigned i = 0; i < 2 && outside_is_reachable(n); i++)
        if (outside_address(n, families[i], &out[count].endpoint))
            out[count++].host = NULL;
    return count;
}

/* First what the world sees, then this machine's own addresses; loopback only when the user listens
 * there, or when there is no other. */
static size_t own_peers(struct kith_node *n, struct magnet_peer *out)
{
    struct endpoint all[OWN_ADDRESSES_MAX];
    size_t count = outer_peers(n, out);
    for (unsigned pass = 0; pass < 2 * n->port_count; pass++) {
        const struct port *p = &n->ports[pass % n->port_count];
        size_t total = port_addresses(n, p, all);
        for (size_t i = 0; i < total && count < LINK_PEERS_MAX; i++) {
            enum addr_class class = endpoint_class(&all[i]);
            bool good = class == ADDR_GLOBAL || class == ADDR_PRIVATE || class == ADDR_CGNAT ||
                        !endpoint_is_any(&p->at);
            bool last_resort = !good && class == ADDR_LOOPBACK && count == 0;
            if (pass < n->port_count ? !good : !last_resort)
                continue;
            all[i].port = n->port;
            if (is_there(out, count, &all[i]))
                continue;
            out[count++] = (struct magnet_peer){.endpoint = all[i]};
        }
    }
    return count;
}

const char *kith_link(struct kith_torrent *k, int with_peers)
{
    struct magnet m = {0};
    struct magnet_peer peers[LINK_PEERS_MAX];
    (void)entry_wake(k); /* its trackers and web seeds stand in the metainfo */
    if (!k->has_v1 && !k->has_v2)
        return NULL;
    m.has_v1 = k->has_v1;
    m.v1 = k->v1;
    m.has_v2 = k->has_v2;
    m.v2 = k->v2;
    m.name = k->name && *k->name ? k->name : NULL;
    const char *trackers[NODE_TRACKERS_MAX], *web_seeds[NODE_WEB_SEEDS_MAX];
    for (size_t i = 0; i < k->trackers.count; i++)
        trackers[m.tracker_count++] = k->trackers.items[i];
    for (size_t i = 0;
         k->metainfo && i < k->metainfo->tracker_count && m.tracker_count < NODE_TRACKERS_MAX; i++)
        trackers[m.tracker_count++] = k->metainfo->trackers[i].url;
    m.trackers = trackers;
    for (size_t i = 0; i < k->web_seeds.count; i++)
        web_seeds[m.web_seed_count++] = k->web_seeds.items[i];
    for (size_t i = 0;
         k->metainfo && i < k->metainfo->web_seed_count && m.web_seed_count < NODE_WEB_SEEDS_MAX;
         i++)
        web_seeds[m.web_seed_count++] = k->metainfo->web_seeds[i];
    m.web_seeds = web_seeds;
    if (with_peers && k->node->port && k->node->port_count > 0) {
        m.peer_count = own_peers(k->node, peers);
        m.peers = peers;
    }
    struct builder b = builder_heap(LINK_MAX);
    free(k->link_text);
    k->link_text = magnet_write(&m, &b) == 0 ? strdup(builder_text(&b)) : NULL;
    builder_free(&b);
    return k->link_text;
}

const void *kith_torrent_file(struct kith_torrent *k, size_t *size_out)
{
    if (entry_wake(k) != 0 || !k->awake)
        return NULL;
    bool provable = k->metainfo && (k->metainfo->has_v1 || metainfo_has_layers(k->metainfo));
    if (k->awake->torrent_file.size == 0 && provable &&
        metainfo_write(k->metainfo, &k->awake->torrent_file) != 0)
        return NULL;
    *size_out = k->awake->torrent_file.size;
    return k->awake->torrent_file.size ? k->awake->torrent_file.data : NULL;
}
