/* Between a stream and what stands behind it: first the greeting, then the peer. The only file that
 * knows both. docs/architecture.md, "Where a block goes". */
#include "node/net/block_list.h"
#include "node/net/outside.h"
#include "node/net/stream.h"
#include "node/net/utp_io.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "dht/node_id.h"
#include <assert.h>
#include <stdlib.h>

#define READS_PER_TURN 8 /* then others get their turn */
#define SEND_CHUNKS_MAX 64
/* Until the connection stands, to a peer that is called anew: the system sends its second SYN after
 * one second, the third after three, and the fourth would be as late as seven. */
#define RECALL_PATIENCE SECONDS(4)

enum link_way {
    LINK_BY_ANY,   /* as the node's settings have it */
    LINK_BY_UTP,   /* and nothing else: a hole is being punched */
    LINK_BY_RECALL /* as LINK_BY_ANY, while the way is looked for */
};

struct link {
    struct list_link all;
    struct list_link pump; /* in node->to_pump */
    struct kith_node *node;
    struct kith_torrent *torrent; /* outgoing: who asked; incoming: once it is known */
    struct stream *stream;
    struct endpoint remote;
    bool incoming;
    enum link_way way;
    bool in_plaintext;         /* a second attempt, after one with MSE came to nothing */
    struct greeting *greeting; /* until there is a peer */
    struct peer *peer;
    bool wants_read, wants_write;
    bool dead;          /* closed; freed when no caller can still hold it */
    struct timer timer; /* the greeting's patience */
};

static void want(struct link *l, bool read, bool write)
{
    if (l->wants_read == read && l->wants_write == write)
        return;
    l->wants_read = read;
    l->wants_write = write;
    stream_want(l->stream, read, write);
}

/* ---- birth and death ----------------------------------------------------------------------- */

static void greeting_late(struct timer *timer, usec now);

static struct link *link_new(struct kith_node *n, const struct endpoint *remote, bool incoming)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->greeting = malloc(sizeof *l->greeting);
    if (!l->greeting || timer_heap_reserve(&n->timers, n->timers.count + 64) != 0) {
        free(l->greeting);
        free(l);
        return NULL;
    }
    l->node = n;
    l->remote = *remote;
    l->incoming = incoming;
    l->timer.fire = greeting_late;
    list_init(&l->pump);
    list_push_back(&n->links, &l->all);
    n->connections++;
    return l;
}

/* Closes it at once; the memory lives until links_bury, because callers up the stack hold it. */
static void link_close(struct link *l)
{
    if (l->dead)
        return;
    l->dead = true;
    l->peer = NULL;
    timer_cancel(&l->node->timers, &l->timer);
    list_remove(&l->pump);
    list_remove(&l->all);
    list_push_back(&l->node->dead_links, &l->all);
    if (l->stream)
        stream_close(l->stream);
    l->stream = NULL;
    l->node->connections--;
    node_arm(l->node);
}

void links_bury(struct kith_node *n)
{
    struct list_link *at;
    while ((at = list_pop_front(&n->dead_links)) != NULL) {
        struct link *l = list_entry(at, struct link, all);
        free(l->greeting);
        free(l);
    }
}

static int open_link(struct kith_node *, struct kith_torrent *, const struct endpoint *,
    enum greeting_encryption, enum link_way);

/* There will be no peer. Whoever asked for it counts on being told. */
static void fail(struct link *l, int err)
{
    struct kith_torrent *k = l->incoming ? NULL : l->torrent;
    link_close(l);
    if (k && k->torrent)
        torrent_connect_failed(k->torrent, &l->remote, err);
}

/* The greeting came to nothing. Some peers close when they meet MSE: those are tried once more in
 * plaintext. */
static void give_up(struct link *l, int err)
{
    struct kith_torrent *k = l->incoming ? NULL : l->torrent;
    bool again =
        k && k->torrent && l->greeting && greeting_may_fall_back(l->greeting, err) && l->wants_read;
    if (again) {
        link_close(l);
        again = open_link(l->node, k, &l->remote, GREETING_OFF, l->way) == 0;
    }
    if (again)
        return;
    bool answered = l->way == LINK_BY_RECALL && l->wants_read && err != ERR_TIMEOUT;
    fail(l, answered ? ERR_REFUSED : err);
}

static void greeting_late(struct timer *timer, usec now)
{
    (void)now;
    give_up(container_of(timer, struct link, timer), ERR_TIMEOUT);
}

void link_hang_up(struct link *l)
{
    link_close(l);
}

/* With a peer it is the torrent's, which hangs up itself. */
static bool greets_for(const struct link *l, const struct kith_torrent *of)
{
    const struct greeting *g = l->greeting;
    return !l->peer &&
           (!of || l->torrent == of || (g && (g->torrent == of || g->mse_torrent == of)));
}

void links_close_greetings(struct kith_node *n, const struct kith_torrent *of)
{
    list_for_each_safe(at, &n->links)
    {
        struct link *l = list_entry(at, struct link, all);
        if (greets_for(l, of))
            link_close(l);
    }
}

typedef bool concerns(struct kith_node *, const struct link *);

static struct link *first_of(struct kith_node *n, concerns *which)
{
    list_for_each(at, &n->links)
    {
        struct link *l = list_entry(at, struct link, all);
        if (which(n, l))
            return l;
    }
    return NULL;
}

/* From the beginning each time: whoever is told of one may hang up others. */
static void hang_up_those(struct kith_node *n, concerns *which)
{
    struct link *l;
    while ((l = first_of(n, which)) != NULL) {
        if (l->peer)
            peer_link_lost(l->peer, ERR_NETWORK);
        else
            fail(l, ERR_NETWORK);
    }
}

static bool every_one(struct kith_node *n, const struct link *l)
{
    (void)n;
    (void)l;
    return true;
}

static bool is_blocked(struct kith_node *n, const struct link *l)
{
    return block_list_has(n, &l->remote);
}

void links_hang_up_all(struct kith_node *n)
{
    hang_up_those(n, every_one);
}

void links_hang_up_blocked(struct kith_node *n)
{
    hang_up_those(n, is_blocked);
}

/* ---- the greeting -------------------------------------------------------------------------- */

static void become_peer(struct link *l)
{
    struct greeting *g = l->greeting;
    struct kith_torrent *k = l->incoming ? g->torrent : l->torrent;
    struct peer_intro intro = {.address = l->remote,
        .incoming = l->incoming,
        .extensions = g->theirs.extensions,
        .fast = g->theirs.fast,
        .dht = g->theirs.dht,
        .v2 = g->is_v2,
        .can_lend = stream_carrier(l->stream) == CARRIER_TCP,
        .utp = stream_carrier(l->stream) == CARRIER_UTP,
        .id = g->theirs.peer_id,
        .encrypt = greeting_encrypt(g),
        .decrypt = greeting_decrypt(g),
        .leftover = greeting_leftover(g),
        .scratch = l->node->scratch,
        .source = ADDR_FROM_STRANGER};
    timer_cancel(&l->node->timers, &l->timer);
    l->torrent = k;
    l->greeting = NULL;
    if (!k->paused)
        (void)entry_wake(k); /* if it cannot be, there is no torrent */
    struct peer *p = k->torrent ? torrent_adopt(k->torrent, &intro, l) : NULL;
    free(g);
    if (!p) { /* not wanted, or it broke the protocol at once */
        link_close(l);
        return;
    }
    l->peer = p;
    want(l, true, l->wants_write);
    link_pump_later(l->node, l);
}

/* Random bytes are only asked for when the greeting may need them. */
static int greet(struct link *l, struct greeting_config *config)
{
    if (config->encryption != GREETING_OFF)
        env_random(l->node->env, &config->random, sizeof config->random);
    int err = greeting_init(l->greeting, config);
    if (err)
        return err;
    timer_set(&l->node->timers, &l->timer, l->greeting->deadline);
    node_arm(l->node);
    return 0;
}

/* False: the link is gone. */
static bool send_greeting(struct link *l)
{
    struct bytes out = greeting_output(l->greeting);
    if (out.size == 0)
        return true;
    struct iovec v = {(void *)(uintptr_t)out.data, out.size};
    ssize_t n = stream_writev(l->stream, &v, 1, false);
    if (n < 0 && n != ERR_AGAIN) {
        give_up(l, (int)n);
        return false;
    }
    if (n > 0)
        greeting_sent(l->greeting, (size_t)n);
    want(l, true, greeting_output(l->greeting).size > 0);
    return true;
}

/* Who is called anew decides which connection stays, and speaks first where it takes the new one:
 * had we given up ours before, both could be gone. */
static bool is_over(const struct link *l)
{
    return greeting_done(l->greeting) &&
           (l->way != LINK_BY_RECALL || greeting_leftover(l->greeting).size > 0);
}

static void read_greeting(struct link *l)
{
    size_t room;
    uint8_t *at = greeting_room(l->greeting, &room);
    struct iovec v = {at, room};
    ssize_t n = room ? stream_readv(l->stream, &v, 1) : ERR_PROTOCOL;
    if (n == ERR_AGAIN)
        return;
    int err = n < 0 ? (int)n : greeting_input(l->greeting, (size_t)n);
    if (err) {
        give_up(l, err);
        return;
    }
    if (send_greeting(l) && is_over(l))
        become_peer(l);
}

/* ---- the peer ------------------------------------------------------------------------------ */

static size_t vectors_size(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

static void read_blocks(struct link *l)
{
    struct iovec iov[RECEIVER_IOV_MAX];
    for (int i = 0; i < READS_PER_TURN; i++) {
        usec now = env_now(l->node->env);
        int count = peer_receive_layout(l->peer, iov, now);
        if (count == 0) {
            want(l, false, l->wants_write);
            return;
        }
        ssize_t n = stream_readv(l->stream, iov, count);
        if (n == ERR_AGAIN)
            return;
        if (n < 0) {
            peer_link_lost(l->peer, (int)n);
            return;
        }
        bool drained = (size_t)n < vectors_size(iov, count);
        if (peer_received(l->peer, iov, count, (size_t)n, now) != 0 || drained)
            return;
    }
}

static void read_peer(struct link *l)
{
    read_blocks(l);
    if (l->peer)
        stream_expect(l->stream, peer_expects(l->peer));
}

/* Bytes, or the error of the first. Whose file is gone is found by sending one by one up to it. */
static ssize_t send_some(struct link *l, struct iovec *iov, int count)
{
    ssize_t n = stream_writev(l->stream, iov, count, false), sent = 0;
    if (n != ERR_CHANGED)
        return n;
    for (int i = 0; i < count; i++) {
        n = stream_writev(l->stream, &iov[i], 1, false);
        if (n < 0)
            return sent ? sent : n;
        sent += n;
        if ((size_t)n < iov[i].iov_len)
            break;
    }
    return sent;
}

static void write_peer(struct link *l)
{
    struct iovec chunks[SEND_CHUNKS_MAX];
    for (int i = 0; i < READS_PER_TURN; i++) {
        usec now = env_now(l->node->env);
        int count = peer_send_chunks(l->peer, chunks, SEND_CHUNKS_MAX, now);
        if (count == 0) {
            want(l, l->wants_read, false);
            return;
        }
        ssize_t n = send_some(l, chunks, count);
        if (n == ERR_AGAIN)
            break;
        if (n < 0) {
            if (n == ERR_CHANGED)
                peer_send_failed(l->peer, (int)n);
            else
                peer_link_lost(l->peer, (int)n);
            return;
        }
        peer_sent(l->peer, (size_t)n, now);
        if (l->dead)
            return;
    }
    want(l, l->wants_read, true);
}

/* ---- events -------------------------------------------------------------------------------- */

static void on_connected(void *user, int err)
{
    struct link *l = user;
    struct kith_node *n = l->node;
    if (err) {
        give_up(l, err);
    } else {
        timer_set(&n->timers, &l->timer, l->greeting->deadline);
        want(l, true, false);
        send_greeting(l);
    }
    links_pump(n);
}

static void on_readable(void *user)
{
    struct link *l = user;
    struct kith_node *n = l->node;
    if (l->peer)
        read_peer(l);
    else
        read_greeting(l);
    links_pump(n);
}

static void on_writable(void *user)
{
    struct link *l = user;
    struct kith_node *n = l->node;
    if (l->peer)
        write_peer(l);
    else if (send_greeting(l) && is_over(l))
        become_peer(l);
    links_pump(n);
}

static const struct env_tcp_events link_events = {on_connected, on_readable, on_writable};

void link_pump_later(struct kith_node *n, struct link *l)
{
    list_remove(&l->pump);
    list_push_back(&n->to_pump, &l->pump);
    node_arm(n);
}

void links_pump(struct kith_node *n)
{
    struct list_link *at;
    while ((at = list_pop_front(&n->to_pump)) != NULL) {
        struct link *l = list_entry(at, struct link, pump);
        if (!l->peer)
            continue;
        want(l, true, l->wants_write);
        write_peer(l);
    }
}

uint64_t links_tcp_upload_rate(struct kith_node *n)
{
    uint64_t sum = 0, count = 0;
    usec now = env_now(n->env);
    list_for_each(at, &n->links)
    {
        struct link *l = list_entry(at, struct link, all);
        struct peer_info info;
        if (!l->peer || !l->stream || stream_carrier(l->stream) != CARRIER_TCP)
            continue;
        peer_info(l->peer, now, &info);
        sum += info.upload_rate;
        count += info.upload_rate > 0;
    }
    return count ? sum / count : 0;
}

/* ---- in and out ---------------------------------------------------------------------------- */

/* Do those who came from its /24 or /64 hold all that one network may? A household's own and this
 * machine's are not counted. */
static bool comes_in_a_crowd(struct kith_node *n, const struct endpoint *from)
{
    unsigned most = n->connections_max / NODE_NETWORK_SHARE, count = 0;
    most = most < NODE_NETWORK_LINKS_MIN ? NODE_NETWORK_LINKS_MIN : most;
    if (endpoint_class(from) != ADDR_GLOBAL)
        return false;
    list_for_each(at, &n->links)
    {
        const struct link *l = list_entry(at, struct link, all);
        count += l->incoming && node_address_same_prefix(&l->remote, from);
    }
    return count >= most;
}

/* Room for one more that came by itself. Of those who have not said yet who they are, the one that
 * keeps silent for longest goes: who holds connections without a word drives out himself. */
static bool has_room(struct kith_node *n, const struct endpoint *from)
{
    bool crowded = comes_in_a_crowd(n, from);
    if (n->connections < n->connections_max && !crowded)
        return true;
    list_for_each(at, &n->links)
    {
        struct link *l = list_entry(at, struct link, all);
        if (!l->incoming || l->peer || (crowded && !node_address_same_prefix(&l->remote, from)))
            continue;
        link_close(l);
        return true;
    }
    return false;
}

static int open_link(struct kith_node *n, struct kith_torrent *k, const struct endpoint *to,
    enum greeting_encryption encryption, enum link_way way)
{
    if (n->connections >= n->connections_max)
        return ERR_LIMIT;
    struct link *l = link_new(n, to, false);
    if (!l)
        return ERR_NOMEM;
    l->torrent = k;
    struct greeting_config config = {
        .our_id = n->peer_id, .encryption = encryption, .now = env_now(n->env)};
    struct sha256_digest v2;
    bool has_v1 = torrent_hash_v1(k->torrent, &config.say.info_hash);
    bool has_v2 = torrent_hash_v2(k->torrent, &v2);
    struct info_hash short_v2 = info_hash_of_sha256(&v2);
    config.say.v2 = has_v2;
    config.say.dht = dht_io_may_tell(k);
    if (!has_v1) {
        config.say.info_hash = short_v2;
        config.say.is_v2 = true;
    }
    config.has_other_hash = has_v1 && has_v2;
    config.other_hash = short_v2;
    l->way = way;
    int err = way == LINK_BY_UTP ? utp_io_connect(n, to, &link_events, l, &l->stream)
                                 : stream_connect(n, to, &link_events, l, &l->stream);
    if (err)
        l->stream = NULL;
    else
        err = greet(l, &config);
    if (err)
        link_close(l);
    else if (way == LINK_BY_RECALL)
        timer_set(&n->timers, &l->timer, config.now + RECALL_PATIENCE);
    return err;
}

int link_open(struct kith_node *n, struct kith_torrent *k, const struct endpoint *to)
{
    return open_link(n, k, to, n->encryption, LINK_BY_ANY);
}

int link_punch(struct kith_node *n, struct kith_torrent *k, const struct endpoint *to)
{
    return open_link(n, k, to, n->encryption, LINK_BY_UTP);
}

bool link_recall(struct kith_node *n, struct kith_torrent *k, const struct endpoint *to)
{
    return open_link(n, k, to, n->encryption, LINK_BY_RECALL) == 0;
}

void link_take(struct kith_node *n, struct stream *stream, const struct endpoint *from)
{
    struct link *l = !n->stopping && has_room(n, from) ? link_new(n, from, true) : NULL;
    if (!l) {
        stream_close(stream);
        return;
    }
    outside_reached_by(n, from);
    l->stream = stream;
    stream_set_events(stream, &link_events, l);
    struct greeting_config config = {.incoming = true,
        .our_id = n->peer_id,
        .find = entry_find,
        .find_name = entry_find_name,
        .encryption = n->encryption,
        .user = n,
        .now = env_now(n->env)};
    if (greet(l, &config) != 0) {
        link_close(l);
        return;
    }
    want(l, true, false);
}

void link_accept(void *user, struct env_tcp *tcp, const struct endpoint *from)
{
    struct kith_node *n = user;
    if (block_list_has(n, from)) {
        env_tcp_close(tcp);
        return;
    }
    struct stream *stream = stream_of_tcp(tcp);
    if (stream)
        link_take(n, stream, from);
}
