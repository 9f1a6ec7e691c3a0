/* Items that are to stay: put again, never put back, handed on without the private key. */
#include "tests/dht/net.h"

#include "dht/keeper.h"
#include "dht/lookup.h"

static struct net net;
static struct keeper *keeper;
static unsigned told;
static struct ed25519_seed seed = {{9}};

static void newer(void *user, const struct kept_item *i)
{
    (void)user;
    (void)i;
    told++;
}

static struct keeper *a_keeper(struct net_node *node)
{
    struct keeper_config config = {.seed = {1}, .newer = newer};
    struct keeper *k = keeper_new(&config);
    assert_non_null(k);
    keeper_use(k, node->dht);
    return k;
}

static int set_up(void **state)
{
    (void)state;
    net_init(&net, 11);
    net_grow(&net, 24);
    keeper = a_keeper(&net.nodes[3]);
    told = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    keeper_free(keeper);
    net_free(&net);
    return 0;
}

static void run(usec span)
{
    usec end = net.now + span;
    while (net.now < end) {
        if (keeper_deadline(keeper) <= net.now)
            keeper_tick(keeper, net.now);
        net_run(&net, SECONDS(10));
    }
}

static struct dht_item signed_item(int64_t seq, const char *value)
{
    struct dht_item item = {
        .is_mutable = true, .value = bytes_of_str(value), .salt = bytes_of_str("salt"), .seq = seq};
    dht_item_sign(&item, &seed);
    return item;
}

static struct node_id target_of(const struct dht_item *item)
{
    return dht_item_target(item);
}

static int keep(struct keeper *k, const struct dht_item *item)
{
    struct node_id target = target_of(item);
    return keeper_keep(k, &target, item, net.now);
}

/* ---- what the network says ----------------------------------------------------------------- */

static int64_t found_seq;

static void see_item(void *user, const struct dht_item *item)
{
    (void)user;
    found_seq = item->seq;
}

/* The newest that a member finds; -1: nothing. */
static int64_t look(const struct dht_item *like)
{
    struct dht_request r = {.aim = DHT_GET_ITEM,
        .target = target_of(like),
        .is_mutable = like->is_mutable,
        .salt = like->salt,
        .item = see_item};
    found_seq = -1;
    assert_non_null(dht_search(net.nodes[20].dht, &r, net.now));
    net_run(&net, SECONDS(40));
    return found_seq;
}

static struct dht_item to_put;

static bool give(void *user, const struct dht_item *found, struct dht_item *out)
{
    (void)user;
    (void)found;
    *out = to_put;
    return true;
}

/* Somebody else puts it, once. */
static void put(const struct dht_item *item)
{
    struct dht_request r = {.aim = DHT_GET_ITEM,
        .target = target_of(item),
        .is_mutable = item->is_mutable,
        .salt = item->salt,
        .put = give};
    to_put = *item;
    assert_non_null(dht_search(net.nodes[19].dht, &r, net.now));
    net_run(&net, SECONDS(40));
}

/* ---- */

static void what_is_kept_is_there_a_day_later_and_what_is_not_is_gone_in_hours(void **state)
{
    (void)state;
    struct dht_item kept = signed_item(1, "4:kept"), left = {.value = bytes_of_str("4:left")};
    assert_int_equal(keep(keeper, &kept), 0);
    put(&left);
    assert_int_equal(look(&left), 0);
    run(SECONDS(3 * 3600));
    assert_int_equal(look(&left), -1);
    run(SECONDS(24 * 3600));
    assert_int_equal(look(&kept), 1);
    struct node_id target = target_of(&kept);
    const struct kept_item *i = keeper_find(keeper, &target);
    assert_true(i->stored >= 7 && net.now - i->put_at < KEEPER_EVERY);
    assert_int_equal(told, 0);
}

static void a_newer_one_is_taken_over_told_once_and_put_on(void **state)
{
    (void)state;
    struct dht_item one = signed_item(1, "3:one"), two = signed_item(2, "3:two");
    keep(keeper, &one);
    run(SECONDS(60));
    put(&two);
    run(SECONDS(5 * 3600));
    assert_int_equal(told, 1);
    assert_int_equal(look(&one), 2);
}

static void an_older_one_never_takes_the_place_of_a_newer(void **state)
{
    (void)state;
    struct dht_item old = signed_item(3, "3:old"), new = signed_item(5, "3:new");
    put(&new);
    keep(keeper, &old); /* as after a long sleep */
    for (unsigned i = 0; i < 10; i++) {
        run(SECONDS(1200));
        assert_int_equal(look(&old), 5);
    }
    struct node_id target = target_of(&old);
    assert_int_equal(keeper_find(keeper, &target)->item.seq, 5);
    assert_int_equal(keep(keeper, &old), ERR_CHANGED);
    assert_false(keeper_offer(keeper, &target, &old));
    assert_int_equal(keeper_find(keeper, &target)->item.seq, 5);
}

static void a_key_of_which_nothing_is_known_is_looked_for_until_it_is(void **state)
{
    (void)state;
    struct dht_item item = signed_item(4, "4:late"), key = item;
    struct node_id target = target_of(&item);
    key.value = bytes_of(NULL, 0);
    assert_int_equal(keep(keeper, &key), 0);
    run(SECONDS(600));
    assert_false(keeper_find(keeper, &target)->has_value);
    put(&item);
    run(SECONDS(2 * 3600));
    assert_int_equal(told, 1);
    assert_true(keeper_find(keeper, &target)->has_value);
    run(SECONDS(10 * 3600)); /* its author is away, and it needs no key */
    assert_int_equal(look(&item), 4);
}

static void an_item_that_nobody_took_is_tried_again_soon(void **state)
{
    (void)state;
    struct net_node *alone = net_add(&net, NULL);
    keeper_free(keeper);
    keeper = a_keeper(alone);
    struct dht_item item = signed_item(1, "1:a");
    struct node_id target = target_of(&item);
    keep(keeper, &item);
    run(SECONDS(30));
    const struct kept_item *i = keeper_find(keeper, &target);
    assert_true(i->stored == 0 && i->put_at == 0 && i->due < net.now + KEEPER_RETRY);
    dht_add_contact(alone->dht, &net.nodes[0].at, DHT_CONTACT_NODE, net.now);
    run(SECONDS(300));
    assert_int_equal(look(&item), 1);
}

static struct krpc_message answer;

static void say(struct net_node *to, struct krpc_message *m)
{
    static uint8_t text[KRPC_RECEIVE_MAX];
    struct endpoint from = endpoint_v4(0x09090909, 999);
    struct builder b = builder_fixed(text, sizeof text);
    m->kind = KRPC_QUERY;
    m->read_only = true;
    m->transaction = bytes_of_str("xx");
    memset(m->id.b, 0x44, sizeof m->id.b);
    krpc_write(m, &b);
    net_inject(&net, &from, &to->at, builder_bytes(&b));
    net_run(&net, MSECS(300));
    assert_int_equal(krpc_parse(&answer, bytes_of(net.last.data, net.last.size)), 0);
    assert_int_equal(answer.kind, KRPC_RESPONSE);
}

/* As one who looks for nobody: it goes to a node that is not among the nearest, too. */
static void put_at(struct net_node *node, const struct dht_item *item)
{
    struct krpc_message m;
    uint8_t token[KRPC_TOKEN_MAX];
    krpc_reset(&m);
    m.method = KRPC_GET;
    m.has_target = true;
    m.target = target_of(item);
    say(node, &m);
    size_t size = answer.token.size;
    memcpy(token, answer.token.data, size);
    krpc_reset(&m);
    m.method = KRPC_PUT;
    m.token = bytes_of(token, size);
    m.value = item->value;
    m.key = bytes_of(item->key.b, sizeof item->key.b);
    m.signature = bytes_of(item->signature.b, sizeof item->signature.b);
    m.salt = item->salt;
    m.has_seq = true;
    m.seq = item->seq;
    say(node, &m);
}

static void where_many_keep_it_nobody_puts_it_again(void **state)
{
    (void)state;
    struct dht_item item = signed_item(1, "1:a"), other = signed_item(1, "1:b");
    struct node_id target = target_of(&item);
    other.salt = bytes_of(NULL, 0);
    dht_item_sign(&other, &seed);
    struct node_id nowhere = target_of(&other);
    net_grow(&net, 150); /* so many that some are asked on the way that are not among the nearest */
    for (unsigned i = 0; i < net.count; i++)
        if (i != 3)
            put_at(&net.nodes[i], &item);
    keep(keeper, &item);
    keep(keeper, &other);
    run(SECONDS(60));
    const struct kept_item *i = keeper_find(keeper, &target);
    assert_true(i->holders > LOOKUP_K && i->spared && i->stored == 0 && i->put_at > 0);
    i = keeper_find(keeper, &nowhere);
    assert_true(!i->spared && i->stored >= LOOKUP_K - 1);
    run(KEEPER_EVERY); /* but not twice in a row: who keeps it may have left */
    assert_true(keeper_find(keeper, &target)->stored > 0);
}

static void what_was_written_is_kept_again_and_forgeries_are_not(void **state)
{
    (void)state;
    uint8_t text[KEEPER_RECORD_MAX];
    struct dht_item items[2] = {signed_item(7, "1:a"), {.value = bytes_of_str("d1:xi1ee")}};
    for (unsigned n = 0; n < 2; n++) {
        struct builder b = builder_fixed(text, sizeof text);
        struct node_id target = target_of(&items[n]);
        keep(keeper, &items[n]);
        keeper_write(keeper_find(keeper, &target), &b);
        assert_true(builder_ok(&b));
        keeper_forget(keeper, &target);
        assert_null(keeper_find(keeper, &target));
        assert_int_equal(keeper_read(keeper, builder_bytes(&b), net.now), 0);
        const struct kept_item *i = keeper_find(keeper, &target);
        assert_true(i->has_value && i->item.seq == items[n].seq);
        assert_true(bytes_equal(i->item.value, items[n].value));
        assert_true(i->due <= net.now + KEEPER_AT_START);
        keeper_forget(keeper, &target);
        for (size_t k = 0; k < b.size; k++) { /* any byte is another */
            text[k] ^= 1;
            (void)keeper_read(keeper, builder_bytes(&b), net.now);
            text[k] ^= 1;
            for (size_t at = 0; at < keeper_count(keeper); at++) {
                const struct kept_item *is = keeper_at(keeper, at);
                assert_true(!is->has_value || dht_item_is_genuine(&is->item));
                struct node_id lies = dht_item_target(&is->item);
                assert_true(!is->has_value || node_id_equal(&lies, &is->target));
            }
            while (keeper_count(keeper) > 0) {
                struct node_id any = keeper_at(keeper, 0)->target;
                keeper_forget(keeper, &any);
            }
        }
    }
}

static void there_is_a_bound(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= KEEPER_ITEMS_MAX; i++) {
        struct node_id target = {{0}};
        store_u32(target.b, i);
        struct dht_item nothing = {0};
        assert_int_equal(
            keeper_keep(keeper, &target, &nothing, net.now), i < KEEPER_ITEMS_MAX ? 0 : ERR_LIMIT);
    }
    struct dht_status s;
    for (unsigned i = 0; i < 20; i++) {
        keeper_tick(keeper, net.now);
        dht_status(net.nodes[3].dht, &s, net.now);
        assert_true(s.searches <= KEEPER_ROUNDS_MAX + 2);
        net_run(&net, MSECS(200));
    }
}

static void one_may_be_forgotten_in_the_midst_of_its_round(void **state)
{
    (void)state;
    struct dht_item item = signed_item(1, "1:a");
    struct node_id target = target_of(&item);
    for (unsigned i = 0; i < 20; i++) {
        keep(keeper, &item);
        keeper_tick(keeper, net.now);
        net_run(&net, MSECS(50 * i));
        assert_int_equal(keeper_forget(keeper, &target), 0);
        assert_int_equal(keeper_forget(keeper, &target), ERR_NOT_FOUND);
        net_run(&net, SECONDS(1));
    }
    assert_int_equal(keeper_deadline(keeper), NEVER);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(TEST(what_is_kept_is_there_a_day_later_and_what_is_not_is_gone_in_hours),
    TEST(a_newer_one_is_taken_over_told_once_and_put_on),
    TEST(an_older_one_never_takes_the_place_of_a_newer),
    TEST(a_key_of_which_nothing_is_known_is_looked_for_until_it_is),
    TEST(an_item_that_nobody_took_is_tried_again_soon),
    TEST(where_many_keep_it_nobody_puts_it_again),
    TEST(what_was_written_is_kept_again_and_forgeries_are_not), TEST(there_is_a_bound),
    TEST(one_may_be_forgotten_in_the_midst_of_its_round))
