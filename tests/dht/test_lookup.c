/* One search's bookkeeping: whom it asks, when it is over, and what liars can do to it. */
#include "tests/base/check.h"

#include "dht/lookup.h"
#include "dht/random.h"

static struct lookup l;
static struct dht_random chance;
static struct node_id target, own;

static int set_up(void **state)
{
    (void)state;
    chance = (struct dht_random){.key = {4}};
    target = dht_random_id(&chance);
    own = dht_random_id(&chance);
    lookup_init(&l, &target, &own);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lookup_free(&l);
    return 0;
}

/* The n-th node of the open internet, in a network of its own. */
static struct endpoint address(unsigned n)
{
    return endpoint_v4(0x08000101 + n * 65536, 6881);
}

/* An id at `bits` shared bits with the target that its address may not bear. */
static struct node_id misfit_at(unsigned bits, const struct endpoint *at)
{
    struct node_id id;
    do {
        struct node_id random = dht_random_id(&chance);
        id = node_id_at_bits(&target, bits, &random);
    } while (node_id_fits(&id, at));
    return id;
}

/* A node of the local network, where any id fits. */
static struct endpoint local(unsigned n)
{
    return endpoint_v4(0x0a000000 + n, 6881);
}

static bool add_local(unsigned n, unsigned bits, const struct lookup_candidate *by)
{
    struct endpoint at = local(n);
    struct node_id random = dht_random_id(&chance), id = node_id_at_bits(&target, bits, &random);
    return lookup_add(&l, &id, &at, by);
}

static struct lookup_candidate *ask(void)
{
    struct lookup_candidate *c = lookup_next(&l);
    if (c)
        lookup_asked(&l, c);
    return c;
}

static void the_nearest_is_asked_first_and_few_at_a_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        assert_true(add_local(i, i, NULL));
    for (unsigned i = 0; i < LOOKUP_PARALLEL; i++) {
        struct lookup_candidate *c = ask();
        assert_int_equal(node_id_shared_bits(&target, &c->id), 19 - i);
    }
    assert_null(ask());
    struct endpoint at = local(18);
    lookup_answered(&l, lookup_find(&l, &at));
    assert_non_null(ask());
    assert_null(ask());
}

static void it_is_over_when_the_nearest_eight_have_answered(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 30; i++)
        add_local(i, i, NULL);
    unsigned asked = 0;
    struct lookup_candidate *c;
    while ((c = ask()) != NULL) {
        assert_false(lookup_is_over(&l));
        asked++;
        lookup_answered(&l, c);
    }
    assert_true(lookup_is_over(&l));
    assert_int_equal(asked, LOOKUP_K);
}

static void a_silent_node_gives_its_place_to_the_next_and_may_still_answer(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        add_local(i, i, NULL);
    struct lookup_candidate *first = ask();
    while (ask())
        ;
    lookup_late(&l, first);
    assert_non_null(ask());
    lookup_answered(&l, first);
    assert_int_equal(l.answered, 1);
}

static void who_is_late_is_asked_once_more_at_the_end(void **state)
{
    (void)state;
    add_local(1, 1, NULL);
    add_local(2, 2, NULL);
    struct lookup_candidate *a = ask(), *b = ask();
    lookup_late(&l, a);
    assert_false(lookup_is_over(&l));
    assert_null(ask()); /* others are still waited for */
    lookup_answered(&l, b);
    assert_ptr_equal(ask(), a);
    lookup_late(&l, a);
    assert_null(ask());
    assert_true(lookup_is_over(&l));
}

static void while_nobody_has_answered_the_late_are_waited_for(void **state)
{
    (void)state;
    add_local(1, 1, NULL);
    struct lookup_candidate *a = ask();
    lookup_late(&l, a);
    assert_ptr_equal(ask(), a);
    lookup_late(&l, a);
    assert_false(lookup_is_over(&l));
    lookup_failed(&l, a);
    assert_true(lookup_is_over(&l));
}

static void we_ourselves_and_known_addresses_are_not_added(void **state)
{
    (void)state;
    struct endpoint at = local(1), nowhere = local(2);
    nowhere.port = 0;
    struct node_id id = dht_random_id(&chance);
    assert_false(lookup_add(&l, &own, &at, NULL));
    assert_false(lookup_add(&l, &id, &nowhere, NULL));
    assert_true(lookup_add(&l, &id, &at, NULL));
    assert_false(lookup_add(&l, &id, &at, NULL));
}

static void a_prefix_has_few_candidates_and_the_failed_do_not_count(void **state)
{
    (void)state;
    struct endpoint at;
    for (unsigned i = 0; i <= LOOKUP_PREFIX_MAX; i++) {
        at = endpoint_v4(0x08080801 + i, 6881);
        struct node_id id = misfit_at(5, &at);
        assert_int_equal(lookup_add(&l, &id, &at, NULL), i < LOOKUP_PREFIX_MAX);
    }
    lookup_failed(&l, &l.candidates[0]);
    struct node_id id = misfit_at(5, &at);
    assert_true(lookup_add(&l, &id, &at, NULL));
}

/* An answer in which a slanderer names others, and the honest one's word after it. */
static struct lookup_candidate slanderer, witness;

static void meet_liar_and_witness(void)
{
    struct endpoint at = address(1);
    struct node_id id = node_id_for_address(&at, &target);
    lookup_add(&l, &id, &at, NULL);
    at = address(2);
    id = node_id_for_address(&at, &own);
    lookup_add(&l, &id, &at, NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct lookup_candidate *c = ask();
        lookup_answered(&l, c);
        *(endpoint_equal(&c->at, &at) ? &witness : &slanderer) = *c;
    }
}

static struct node_id honest_id(const struct endpoint *at)
{
    struct node_id random = dht_random_id(&chance);
    return node_id_for_address(at, &random);
}

static void who_is_named_falsely_stands_where_its_own_id_belongs(void **state)
{
    (void)state;
    struct endpoint at = address(50);
    struct node_id id = honest_id(&at), lie = node_id_at_bits(&target, 100, &id);
    meet_liar_and_witness();
    assert_true(lookup_add(&l, &lie, &at, &slanderer));
    struct lookup_candidate *c = ask();
    assert_true(endpoint_equal(&c->at, &at));
    c = lookup_known_as(&l, c, &id);
    lookup_answered(&l, c);
    assert_true(node_id_equal(&c->id, &id));
    assert_true(c->fits);
    for (unsigned i = 1; i < l.count; i++)
        assert_true(node_id_compare(&target, &l.candidates[i - 1].id, &l.candidates[i].id) <= 0);
    assert_int_equal(l.in_time, 0);
}

/* Far away from where it is looked for, it would never be asked. */
static void the_nearer_of_two_ids_that_an_address_is_named_with_counts(void **state)
{
    (void)state;
    struct endpoint at = address(50);
    struct node_id random = dht_random_id(&chance);
    struct node_id near = node_id_at_bits(&target, 100, &random),
                   far = node_id_at_bits(&target, 0, &random);
    meet_liar_and_witness();
    assert_true(lookup_add(&l, &far, &at, &slanderer));
    assert_false(lookup_add(&l, &near, &at, &witness)); /* known already */
    assert_true(node_id_equal(&lookup_find(&l, &at)->id, &near));
    assert_false(lookup_add(&l, &far, &at, &slanderer));
    assert_true(node_id_equal(&lookup_find(&l, &at)->id, &near));
}

static void an_id_that_fits_is_not_given_up_for_one_that_does_not(void **state)
{
    (void)state;
    struct endpoint at = address(50);
    struct node_id fits = honest_id(&at), lie = misfit_at(100, &at);
    meet_liar_and_witness();
    assert_true(lookup_add(&l, &fits, &at, &witness));
    assert_false(lookup_add(&l, &lie, &at, &slanderer));
    assert_true(node_id_equal(&lookup_find(&l, &at)->id, &fits));
}

static void false_ports_and_neighbours_keep_nobody_out(void **state)
{
    (void)state;
    struct endpoint at = address(50), lie = at;
    struct node_id id = honest_id(&at);
    unsigned taken = 0;
    meet_liar_and_witness();
    for (unsigned i = 0; i < 8; i++) {
        lie.port = (uint16_t)(at.port + 1 + i);
        lie.ip[3] = (uint8_t)(i < 4 ? at.ip[3] : at.ip[3] + i);
        struct node_id false_id = node_id_at_bits(&target, 60 + i, &id);
        taken += lookup_add(&l, &false_id, &lie, &slanderer);
    }
    assert_int_equal(taken, LOOKUP_PREFIX_MAX);
    assert_true(lookup_add(&l, &id, &at, &witness));
    struct lookup_candidate *c;
    while ((c = ask()) != NULL && !endpoint_equal(&c->at, &at))
        lookup_late(&l, c); /* nobody is there */
    assert_non_null(c);
}

static void an_id_is_nobodys_before_it_has_answered(void **state)
{
    (void)state;
    struct endpoint at = address(50), lie = address(51);
    struct node_id id = honest_id(&at);
    meet_liar_and_witness();
    assert_true(lookup_add(&l, &id, &lie, &slanderer));
    assert_true(lookup_add(&l, &id, &at, &witness));
    lookup_asked(&l, lookup_find(&l, &lie));
    lookup_asked(&l, lookup_find(&l, &at));
    lookup_answered(&l, lookup_find(&l, &at));
    assert_null(lookup_known_as(&l, lookup_find(&l, &lie), &id));
    assert_int_equal(lookup_find(&l, &lie)->state, LOOKUP_FAILED);
    struct endpoint third = address(52);
    assert_false(lookup_add(&l, &id, &third, &witness));
}

/* However many name them: of one network no more are asked at a time, nor in all that answer. */
static void few_of_one_network_are_asked(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct endpoint at = address(i);
        struct node_id id = honest_id(&at);
        lookup_add(&l, &id, &at, NULL);
    }
    unsigned asked = 0, named = 0;
    struct lookup_candidate *c;
    while ((c = ask()) != NULL) {
        struct lookup_candidate by = *c;
        bool is_crowd = node_address_same_prefix(
            &c->at, &(struct endpoint){.family = ADDR_V4, .ip = {66, 66, 66, 1}});
        asked += is_crowd;
        lookup_answered(&l, c);
        for (unsigned i = 0; i < LOOKUP_PREFIX_MAX && !is_crowd; i++) {
            struct endpoint at = endpoint_v4(0x42424201 + named++, 6881);
            struct node_id id = node_id_for_address(&at, &target);
            lookup_add(&l, &id, &at, &by);
        }
    }
    assert_true(named > 2 * LOOKUP_PREFIX_MAX);
    assert_int_equal(asked, LOOKUP_PREFIX_MAX);
    assert_true(lookup_is_over(&l));
}

/* BEP 42: who does not fit does not count towards the end, and few of them are asked. */
static void ids_that_do_not_fit_cannot_end_a_search(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        struct endpoint at = address(i);
        struct node_id id = misfit_at(40 + i % 100, &at);
        lookup_add(&l, &id, &at, NULL);
    }
    for (unsigned i = 0; i < LOOKUP_K; i++) {
        struct endpoint at = address(100 + i);
        struct node_id random = dht_random_id(&chance), id = node_id_for_address(&at, &random);
        assert_true(lookup_add(&l, &id, &at, NULL));
    }
    unsigned fitting = 0, others = 0;
    struct lookup_candidate *c;
    while ((c = ask()) != NULL) {
        fitting += c->fits;
        others += !c->fits;
        lookup_answered(&l, c);
    }
    assert_true(lookup_is_over(&l));
    assert_int_equal(fitting, LOOKUP_K);
    assert_true(others <= LOOKUP_MISFITS_MAX);
}

/* A liar names nodes that are nearer than all and do not exist. */
static void what_a_liar_names_has_to_prove_itself(void **state)
{
    (void)state;
    add_local(1, 2, NULL);
    add_local(2, 1, NULL);
    struct lookup_candidate *liar = ask();
    struct lookup_candidate *honest = ask();
    lookup_answered(&l, liar);
    struct lookup_candidate by = *liar, by_honest = *honest;
    for (unsigned i = 0; i < 20; i++)
        add_local(100 + i, 50 + i, &by);
    struct endpoint at = local(2);
    lookup_answered(&l, lookup_find(&l, &at));
    for (unsigned i = 0; i < 8; i++)
        add_local(200 + i, 10 + i, &by_honest);
    unsigned lies = 0, truths = 0;
    for (unsigned i = 0; i < 10; i++) {
        struct lookup_candidate *c = ask();
        if (!c)
            break;
        bool lie = load_u32(c->at.ip) - 0x0a000000 < 200;
        lies += lie;
        truths += !lie;
        if (lie)
            lookup_failed(&l, c);
        else
            lookup_answered(&l, c);
    }
    assert_int_equal(lies, LOOKUP_UNPROVEN_MAX);
    assert_true(truths >= 7);
}

static void the_whole_search_is_bounded(void **state)
{
    (void)state;
    unsigned asked = 0, n = 0;
    add_local(n++, 0, NULL);
    struct lookup_candidate *c;
    while ((c = ask()) != NULL) { /* each names nearer ones, for ever */
        asked++;
        lookup_answered(&l, c);
        struct lookup_candidate by = *c;
        for (unsigned i = 0; i < LOOKUP_PER_ANSWER_MAX; i++, n++)
            add_local(n, n / 12 < 160 ? n / 12 : 159, &by);
        assert_true(l.count <= LOOKUP_CANDIDATES_MAX);
    }
    assert_true(asked <= LOOKUP_QUERIES_MAX);
    assert_true(lookup_is_over(&l));
}

static void things_are_stored_where_a_token_was_given(void **state)
{
    (void)state;
    struct lookup_candidate *storers[2 * LOOKUP_K];
    for (unsigned i = 0; i < 12; i++)
        add_local(i, i, NULL);
    struct lookup_candidate *c;
    while ((c = ask()) != NULL) {
        c->token_size = node_id_shared_bits(&target, &c->id) != 11;
        lookup_answered(&l, c);
    }
    size_t count = lookup_storers(&l, storers);
    assert_int_equal(count, LOOKUP_K - 1);
    assert_int_equal(node_id_shared_bits(&target, &storers[0]->id), 10);
}

/* Who crowds around the target names only his own, who answer and name one another: the first path
 * ends among them. Another one began elsewhere, and goes on until its own nearest have answered. */
static void a_path_that_ends_among_liars_does_not_end_the_others(void **state)
{
    (void)state;
    struct endpoint honest = local(500);
    struct node_id random = dht_random_id(&chance), root = node_id_at_bits(&target, 2, &random);
    for (unsigned i = 0; i < 2 * LOOKUP_K; i++)
        add_local(i, 30 + i, NULL);
    assert_true(lookup_add_root(&l, &root, &honest, 1));
    unsigned hops = 0;
    while (!lookup_is_over(&l)) {
        struct lookup_candidate *c = ask(), by;
        assert_non_null(c);
        by = *c;
        lookup_answered(&l, c);
        if (by.path == 0 || hops >= 6)
            continue;
        hops++; /* each honest one knows one nearer; what the liars named first stays theirs */
        add_local(500 + hops, 2 + 3 * hops, &by);
        add_local(3, 33, &by);
    }
    assert_int_equal(hops, 6);
    struct endpoint last = local(506), liar = local(3);
    assert_int_equal(lookup_find(&l, &last)->state, LOOKUP_ANSWERED);
    assert_int_equal(lookup_find(&l, &liar)->path, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(TEST(the_nearest_is_asked_first_and_few_at_a_time),
    TEST(it_is_over_when_the_nearest_eight_have_answered),
    TEST(a_silent_node_gives_its_place_to_the_next_and_may_still_answer),
    TEST(who_is_late_is_asked_once_more_at_the_end),
    TEST(while_nobody_has_answered_the_late_are_waited_for),
    TEST(we_ourselves_and_known_addresses_are_not_added),
    TEST(a_prefix_has_few_candidates_and_the_failed_do_not_count),
    TEST(who_is_named_falsely_stands_where_its_own_id_belongs),
    TEST(the_nearer_of_two_ids_that_an_address_is_named_with_counts),
    TEST(an_id_that_fits_is_not_given_up_for_one_that_does_not),
    TEST(false_ports_and_neighbours_keep_nobody_out), TEST(an_id_is_nobodys_before_it_has_answered),
    TEST(few_of_one_network_are_asked), TEST(ids_that_do_not_fit_cannot_end_a_search),
    TEST(what_a_liar_names_has_to_prove_itself), TEST(the_whole_search_is_bounded),
    TEST(a_path_that_ends_among_liars_does_not_end_the_others),
    TEST(things_are_stored_where_a_token_was_given))
