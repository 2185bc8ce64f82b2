/* How much of a store its input may have, so that what is made of it fits beside it. */
#include "base/assert.h"
#include "driver/driver_state.h"
#include "dstream/op_order.h"

/* True if whole rows go through the stores: pieces of them, and the console's bytes, need room
 * beside the blocks that they come from. */
static bool moves_rows(const ds_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const ds_node *node = plan->nodes[i];
        if (node->stage != DS_NO_STAGE &&
            (node->kind == DS_NODE_SINK || node->kind == DS_NODE_WINDOW ||
             node->kind == DS_NODE_EXCHANGE ||
             (node->kind == DS_NODE_ORDER && node->order->limit < 0)))
            return true;
    }
    return false;
}

uint64_t ds_driver_input_share(const ds_driver *d, uint64_t store_bytes)
{
    uint64_t tables = ds_driver_table_bytes(d);
    uint64_t left = store_bytes > 2 * tables ? store_bytes - tables : store_bytes / 2;
    DS_ASSERT(left <= store_bytes);
    return left / (moves_rows(d->plan) ? 8 : 2);
}

uint64_t ds_driver_most_of_files(const ds_driver *d)
{
    uint64_t most = DS_FILES_BATCH_BYTES, block = (uint64_t)d->plan->app->limits_block;
    for (size_t i = 0; i < d->registry.n && moves_rows(d->plan); i++) {
        const ds_executor_entry *entry = d->registry.list[i];
        if (entry->state == DS_EXECUTOR_READY &&
            ds_driver_input_share(d, entry->store_bytes) < most)
            most = ds_driver_input_share(d, entry->store_bytes);
    }
    return most > block ? most : block;
}
