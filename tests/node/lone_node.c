#include "lone_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void lone_begin(struct lone_node *l, const struct sim_config *config)
{
    l->world = sim_world_new(config);
    l->host =
        sim_host_new(l->world, &(struct sim_host_config){.name = "h", .addresses = {"40.1.2.3"}});
}

void lone_open(struct lone_node *l, const struct kith_options *options)
{
    assert_int_equal(node_open_in(sim_host_env(l->host), options, &l->node), 0);
}

void lone_pass(struct lone_node *l, usec time)
{
    sim_world_run_until(l->world, sim_world_now(l->world) + time, NULL, NULL);
}

void lone_end(struct lone_node *l)
{
    kith_stop(l->node);
    lone_pass(l, SECONDS(5));
    node_free(l->node);
    sim_world_free(l->world);
}
