/* See port_map.h. */
#include "proto/port_map.h"

#include "base/err.h"

#define EPOCH_SLACK 2 /* seconds; RFC 6887, section 8.5 */

static bool is_v6(const struct port_map *m)
{
    return m->config.client.family == ADDR_V6;
}

static void ask(struct port_map_task *t, usec now)
{
    t->state = PORT_MAP_ASKING;
    t->tries = 0;
    t->due = now;
}

void port_map_init(struct port_map *m, const struct port_map_config *config, usec now)
{
    /* NAT-PMP is IPv4's alone. */
    *m = (struct port_map){.config = *config,
        .dialect = config->client.family == ADDR_V6 ? PORT_MAP_PCP : PORT_MAP_UNKNOWN};
    for (unsigned i = 0; i < PORT_MAP_COUNT; i++) {
        m->tasks[i].due = NEVER;
        if (i < 2) {
            m->tasks[i].nonce = config->nonces[i];
            ask(&m->tasks[i], now);
        }
    }
}

/* ---- asking -------------------------------------------------------------------------------- */

/* Until the router has spoken, the first two tries are PCP's and then each has its turn: some
 * routers do not answer what they do not know. */
static bool speaks_pcp(const struct port_map *m, const struct port_map_task *t)
{
    if (m->dialect != PORT_MAP_UNKNOWN)
        return m->dialect == PORT_MAP_PCP;
    return t->tries < 2 || t->tries % 2 == 1;
}

static void put_pcp(const struct port_map *m, unsigned what, struct builder *b)
{
    const struct port_map_task *t = &m->tasks[what];
    if (what == PORT_MAP_CLOCK) {
        pcp_put_announce(b, &m->config.client);
        return;
    }
    struct pcp_map request = {.nonce = t->nonce,
        .protocol = what == PORT_MAP_TCP ? PCP_TCP : PCP_UDP,
        .internal_port = m->config.port,
        .external = t->external,
        .lifetime = t->state == PORT_MAP_REMOVING ? 0 : PORT_MAP_LIFETIME};
    if (request.external.port == 0)
        request.external.port = m->config.port;
    pcp_put_map(b, &m->config.client, &request);
}

static void put_natpmp(const struct port_map *m, unsigned what, struct builder *b)
{
    const struct port_map_task *t = &m->tasks[what];
    if (what == PORT_MAP_CLOCK) {
        natpmp_put_address_request(b);
        return;
    }
    natpmp_put_map_request(b, what == PORT_MAP_TCP ? NATPMP_MAP_TCP : NATPMP_MAP_UDP,
        m->config.port, t->external.port ? t->external.port : m->config.port,
        t->state == PORT_MAP_REMOVING ? 0 : PORT_MAP_LIFETIME);
}

static void rest(struct port_map_task *t, usec due)
{
    t->state = PORT_MAP_IDLE;
    t->due = due;
    t->tries = 0;
}

/* No answer came in all its time. */
static void give_up(struct port_map *m, unsigned what, usec now)
{
    struct port_map_task *t = &m->tasks[what];
    bool removing = t->state == PORT_MAP_REMOVING;
    m->silent = true;
    if (m->dialect == PORT_MAP_NATPMP && !is_v6(m))
        m->dialect = PORT_MAP_UNKNOWN; /* it may be another router now */
    rest(t, removing ? NEVER : what == PORT_MAP_CLOCK ? now + PORT_MAP_CHECK : now + PORT_MAP_REST);
}

bool port_map_send(struct port_map *m, struct builder *b, usec now)
{
    for (unsigned i = 0; i < PORT_MAP_COUNT; i++) {
        struct port_map_task *t = &m->tasks[i];
        if (t->due > now)
            continue;
        if (t->state == PORT_MAP_IDLE)
            ask(t, now); /* a renewal, or another try after a rest */
        unsigned most = t->state == PORT_MAP_REMOVING ? PORT_MAP_TRIES_REMOVE : PORT_MAP_TRIES;
        if (t->tries >= most) {
            give_up(m, i, now);
            continue;
        }
        if (speaks_pcp(m, t))
            put_pcp(m, i, b);
        else
            put_natpmp(m, i, b);
        t->due = now + (PORT_MAP_RETRY_FIRST << t->tries);
        t->tries++;
        m->silent |= t->tries > PORT_MAP_TRIES_SILENT;
        return true;
    }
    return false;
}

usec port_map_deadline(const struct port_map *m)
{
    usec due = NEVER;
    for (unsigned i = 0; i < PORT_MAP_COUNT; i++)
        due = usec_min(due, m->tasks[i].due);
    return due;
}

/* ---- being answered ------------------------------------------------------------------------ */

/* A router that was started anew has forgotten us, and its clock shows it (RFC 6887, section 8.5).
 */
static bool has_forgotten(const struct port_map *m, uint32_t epoch, usec now)
{
    if (!m->has_epoch)
        return false;
    int64_t client = (now - m->epoch_at) / USEC_PER_SEC;
    int64_t server = (int64_t)epoch - (int64_t)m->epoch;
    if (server < -1)
        return true;
    return client + EPOCH_SLACK < server - server / 16 ||
           server + EPOCH_SLACK < client - client / 16;
}

static void note_epoch(struct port_map *m, uint32_t epoch, usec now)
{
    bool forgotten = has_forgotten(m, epoch, now);
    m->has_epoch = true;
    m->epoch = epoch;
    m->epoch_at = now;
    m->silent = false;
    for (unsigned i = 0; i < PORT_MAP_CLOCK && forgotten; i++)
        if (m->tasks[i].mapped && m->tasks[i].state == PORT_MAP_IDLE)
            ask(&m->tasks[i], now);
}

static void refused(struct port_map *m, struct port_map_task *t, uint32_t seconds, usec now)
{
    usec pause = SECONDS(seconds) < PORT_MAP_REST ? PORT_MAP_REST : SECONDS(seconds);
    m->refused = true;
    t->mapped = false;
    rest(t, t->state == PORT_MAP_REMOVING ? NEVER : now + pause);
}

/* Of a mapping that was asked for, or was to be removed. True: a change. */
static bool granted(
    struct port_map *m, unsigned what, const struct endpoint *external, uint32_t lifetime, usec now)
{
    struct port_map_task *t = &m->tasks[what];
    bool was = t->mapped;
    struct endpoint before = t->external;
    if (t->state == PORT_MAP_REMOVING) {
        if (lifetime != 0)
            return false; /* the late answer to a renewal */
        t->mapped = false;
        rest(t, NEVER);
        return true;
    }
    if (lifetime == 0 || external->port == 0)
        return false;
    if (lifetime < PORT_MAP_LIFETIME_MIN)
        lifetime = PORT_MAP_LIFETIME_MIN;
    t->mapped = true;
    t->external = *external;
    t->expires = now + SECONDS(lifetime);
    m->refused = false;
    rest(t, now + SECONDS(lifetime) / 2);
    if (m->tasks[PORT_MAP_CLOCK].due == NEVER) /* NAT-PMP's tells the address, too */
        m->tasks[PORT_MAP_CLOCK].due = m->dialect == PORT_MAP_NATPMP ? now : now + PORT_MAP_CHECK;
    return !was || !endpoint_equal(&before, external);
}

static bool take_pcp(struct port_map *m, const struct pcp_answer *a, usec now)
{
    if (a->opcode == PCP_ANNOUNCE) {
        note_epoch(m, a->epoch, now);
        rest(&m->tasks[PORT_MAP_CLOCK], now + PORT_MAP_CHECK);
        return false;
    }
    unsigned what = a->protocol == PCP_TCP ? PORT_MAP_TCP : PORT_MAP_UDP;
    struct port_map_task *t = &m->tasks[what];
    bool ours = (a->protocol == PCP_TCP || a->protocol == PCP_UDP) &&
                a->internal_port == m->config.port &&
                memcmp(a->nonce.b, t->nonce.b, sizeof t->nonce.b) == 0;
    if (!ours || t->state == PORT_MAP_IDLE)
        return false;
    m->dialect = PORT_MAP_PCP;
    note_epoch(m, a->epoch, now);
    if (a->result != PCP_SUCCESS) {
        bool was = t->mapped;
        refused(m, t, a->lifetime, now);
        return was;
    }
    return granted(m, what, &a->external, a->lifetime, now);
}

static bool take_address(struct port_map *m, const struct natpmp_answer *a, usec now)
{
    bool changed = !endpoint_same_ip(&m->router_address, &a->address);
    rest(&m->tasks[PORT_MAP_CLOCK], now + PORT_MAP_CHECK);
    if (a->result != NATPMP_SUCCESS)
        return false;
    m->router_address = a->address;
    return changed;
}

static bool take_natpmp(struct port_map *m, const struct natpmp_answer *a, usec now)
{
    unsigned what = a->opcode == NATPMP_ADDRESS   ? PORT_MAP_CLOCK
                    : a->opcode == NATPMP_MAP_TCP ? PORT_MAP_TCP
                                                  : PORT_MAP_UDP;
    struct port_map_task *t = &m->tasks[what];
    if (t->state == PORT_MAP_IDLE || m->dialect == PORT_MAP_PCP)
        return false;
    if (m->dialect == PORT_MAP_UNKNOWN && a->result == NATPMP_UNSUPPORTED_VERSION) {
        /* The answer to a PCP request: say it again in its own words. */
        m->dialect = PORT_MAP_NATPMP;
        for (unsigned i = 0; i < PORT_MAP_CLOCK; i++)
            if (m->tasks[i].state == PORT_MAP_ASKING)
                ask(&m->tasks[i], now);
        return false;
    }
    m->dialect = PORT_MAP_NATPMP;
    note_epoch(m, a->epoch, now);
    if (what == PORT_MAP_CLOCK)
        return take_address(m, a, now);
    if (a->result != NATPMP_SUCCESS) {
        bool was = t->mapped;
        refused(m, t, 0, now);
        return was;
    }
    if (a->internal_port != m->config.port)
        return false;
    struct endpoint external = {.port = a->external_port};
    return granted(m, what, &external, a->lifetime, now);
}

bool port_map_receive(
    struct port_map *m, const struct endpoint *from, struct bytes datagram, usec now)
{
    struct pcp_answer pcp;
    struct natpmp_answer natpmp;
    if (!endpoint_equal(from, &m->config.router))
        return false;
    if (pcp_parse(datagram, &pcp) == 0)
        return take_pcp(m, &pcp, now);
    if (!is_v6(m) && natpmp_parse(datagram, &natpmp) == 0)
        return take_natpmp(m, &natpmp, now);
    return false;
}

/* ---- the end ------------------------------------------------------------------------------- */

void port_map_remove(struct port_map *m, usec now)
{
    rest(&m->tasks[PORT_MAP_CLOCK], NEVER);
    for (unsigned i = 0; i < PORT_MAP_CLOCK; i++) {
        struct port_map_task *t = &m->tasks[i];
        /* A request whose answer has not come may have been granted all the same. */
        bool perhaps = t->mapped || (t->state == PORT_MAP_ASKING && m->has_epoch);
        rest(t, NEVER);
        if (!perhaps)
            continue;
        t->state = PORT_MAP_REMOVING;
        t->due = now;
    }
}

bool port_map_is_idle(const struct port_map *m)
{
    for (unsigned i = 0; i < PORT_MAP_COUNT; i++)
        if (m->tasks[i].state != PORT_MAP_IDLE)
            return false;
    return true;
}

bool port_map_external(
    const struct port_map *m, enum port_map_what what, usec now, struct endpoint *out)
{
    const struct port_map_task *t = &m->tasks[what];
    if (!t->mapped || now >= t->expires)
        return false;
    *out = t->external;
    if (out->family == ADDR_NONE && m->router_address.family != ADDR_NONE) {
        *out = m->router_address;
        out->port = t->external.port;
    }
    return true;
}
