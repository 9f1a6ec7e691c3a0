/* A whole DHT node, fed with datagrams from several addresses, with searches under way and time
 * passing. The input chooses; answers to the node's own questions are made to fit now and then, so
 * that what is behind the transaction id is reached. Nothing that it sends is longer than it may
 * be, and no answer is more than five times its question, items and filters aside. */
#include "dht/dht.h"
#include "dht/random.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct dht *dht;
    uint8_t transaction[16][2]; /* of its last questions */
    struct endpoint asked[16];
    unsigned questions;
    size_t heard, said; /* bytes, of the datagram that is being handed over */
    struct dht_search *searches[8];
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void send(void *user, const struct endpoint *to, struct bytes datagram)
{
    static struct krpc_message m;
    struct world *w = user;
    check(datagram.size <= KRPC_SEND_MAX && to->port != 0);
    check(krpc_parse(&m, datagram) == 0);
    if (m.kind == KRPC_QUERY) {
        unsigned i = w->questions++ % 16;
        memcpy(w->transaction[i], m.transaction.data, 2);
        w->asked[i] = *to;
    } else if (m.value.size == 0 && m.bloom_seeds.size == 0 && w->heard > 60) {
        check(datagram.size <= w->heard * DHT_AMPLIFICATION_MAX);
    }
}

static void peers(void *user, const struct endpoint *from, const struct endpoint *e, size_t count)
{
    (void)user;
    for (size_t i = 0; i < count; i++)
        check(e[i].port != 0 && e[i].family == from->family);
}

static void forget(struct world *w, unsigned i)
{
    w->searches[i] = NULL;
}

struct slot {
    struct world *w;
    unsigned i;
};
static struct slot slots[8];

static void done(void *user, const struct dht_result *r)
{
    struct slot *s = user;
    check(r->answered <= r->asked + 1);
    forget(s->w, s->i);
}

static bool put(void *user, const struct dht_item *found, struct dht_item *out)
{
    (void)user;
    check(!found || dht_item_is_genuine(found));
    *out = (struct dht_item){.value = bytes_of_str("5:hello")};
    return true;
}

static void search(struct world *w, uint8_t choice, usec now)
{
    unsigned i = choice % 8;
    if (w->searches[i]) {
        dht_search_cancel(w->dht, w->searches[i]);
        forget(w, i);
        return;
    }
    slots[i] = (struct slot){w, i};
    struct dht_request r = {.aim = choice / 8 % 3, .user = &slots[i], .done = done};
    memset(r.target.b, choice, sizeof r.target.b);
    r.announce = choice & 64;
    r.port = 1;
    r.scrape = choice & 128;
    if (r.aim == DHT_GET_PEERS)
        r.peers = peers;
    if (r.aim == DHT_GET_ITEM)
        r.put = put;
    w->searches[i] = dht_search(w->dht, &r, now);
}

/* "1:t2:??" is filled in with a question's own id. */
static void fit(const struct world *w, uint8_t *datagram, size_t size, struct endpoint *from)
{
    if (w->questions == 0)
        return;
    unsigned i = (w->questions - 1 - from->ip[3] % (w->questions < 16 ? w->questions : 16)) % 16;
    for (size_t at = 0; at + 7 <= size; at++)
        if (memcmp(datagram + at, "1:t2:??", 7) == 0) {
            memcpy(datagram + at + 5, w->transaction[i], 2);
            *from = w->asked[i];
            return;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {0};
    struct dht_config config = {.family = ADDR_V4, .seed = {1}, .send = send, .user = &w};
    usec now = SECONDS(100);
    if (size < 1)
        return 0;
    config.read_only = data[0] & 1;
    w.dht = dht_new(&config, now);
    check(w.dht != NULL);
    struct endpoint first = endpoint_v4(0x08080801, 6881);
    dht_add_contact(w.dht, &first, DHT_CONTACT_NODE, now);
    dht_tick(w.dht, now);
    data++;
    size--;
    while (size > 4) {
        uint8_t op = data[0], address = data[1];
        size_t length = load_u16(data + 2) % (KRPC_RECEIVE_MAX + 2);
        data += 4;
        size -= 4;
        length = length < size ? length : size;
        struct endpoint from = endpoint_v4(0x08080800u + address, 6881);
        if (op & 1) {
            static uint8_t copy[KRPC_RECEIVE_MAX + 2];
            memcpy(copy, data, length);
            fit(&w, copy, length, &from);
            w.heard = length;
            dht_receive(w.dht, &from, bytes_of(copy, length), now);
            w.heard = 0;
            data += length;
            size -= length;
        } else if (op & 2) {
            search(&w, address, now);
        } else {
            now += MSECS(1) << (address & 31);
            now = now < SECONDS(1000000) ? now : SECONDS(1000000);
        }
        if (dht_deadline(w.dht) <= now)
            dht_tick(w.dht, now);
    }
    static uint8_t saved[DHT_SAVED_MAX];
    struct builder b = builder_fixed(saved, sizeof saved);
    dht_save(w.dht, &b, now);
    check(builder_ok(&b) && dht_load(w.dht, builder_bytes(&b), now) == 0);
    dht_free(w.dht);
    return 0;
}
