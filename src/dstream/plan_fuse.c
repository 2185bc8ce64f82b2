#include "dstream/plan_fuse.h"

#include "dstream/op_broadcast.h"
#include "dstream/op_rows.h"
#include "dstream/op_window.h"

#include <string.h>

/* The column of the parent that a column of a rows node is, or -1. */
static int column_above(const ds_rows_plan *rows, uint32_t column)
{
    int at = rows->select != NULL ? rows->select->from_input[column] : (int)column;
    bool exploded = rows->flat_map != NULL && at == (int)rows->flat_map->column;
    return exploded ? -1 : at;
}

/* Turns columns of a join with a table into those of the rows that were looked up; false if some
 * are of the table, or were changed to meet its keys. */
static bool columns_looked_up(const ds_node *node, uint32_t *columns, uint32_t n)
{
    const ds_join_plan *join = node->join;
    const ds_exchange_plan *exchange = ds_broadcast_stream(node)->exchange;
    int side = !join->table_side;
    for (uint32_t i = 0; i < n; i++) {
        const ds_join_column *column = &join->columns[columns[i]];
        if (!column->is_key && column->side != side)
            return false;
        columns[i] = column->is_key ? join->keys[side][column->column] : column->column;
        if (exchange->to_float != NULL && exchange->to_float[columns[i]])
            return false;
    }
    return true;
}

/* Follows key columns up through nodes that hand them on, to the node that brought its rows
 * together; columns become its own. NULL: they are changed, or mixed with others, on the way. */
static const ds_node *follow(const ds_node *node, uint32_t *columns, uint32_t n)
{
    for (;; node = node->parents[0]) {
        if (node->kind == DS_NODE_HAVING || node->kind == DS_NODE_SNAPSHOT)
            continue;
        if (ds_node_is_broadcast(
                node)) { /* rows are looked up in a table, and stay where they are */
            if (!columns_looked_up(node, columns, n))
                return NULL;
            node = ds_broadcast_stream(node); /* its exchange: on with what is above it */
            continue;
        }
        if (node->kind != DS_NODE_ROWS)
            return node;
        if (node->n_parents != 1)
            return NULL;
        for (uint32_t i = 0; i < n; i++) {
            int at = column_above(node->rows, columns[i]);
            if (at < 0)
                return NULL;
            columns[i] = (uint32_t)at;
        }
    }
}

/* order[i]: which of the n columns is made[i]; false if they are not the same columns. */
static bool same_columns(const uint32_t *columns, const uint32_t *made, uint32_t n_made, uint32_t n,
                         uint32_t *order)
{
    if (n_made != n)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        order[i] = UINT32_MAX;
        for (uint32_t k = 0; k < n; k++)
            if (columns[k] == made[i])
                order[i] = k;
        if (order[i] == UINT32_MAX)
            return false;
    }
    return true;
}

/* The columns of a node by which its rows are in partitions, in the order of the hash. */
static uint32_t keys_of(const ds_node *node, uint32_t *columns)
{
    uint32_t n = 0;
    if (node->kind == DS_NODE_GROUP || node->kind == DS_NODE_STATE)
        for (; n < node->group->n_keys; n++)
            columns[n] = n;
    else if (node->kind == DS_NODE_WINDOW)
        for (; n < node->window->n_keys; n++)
            columns[n] = node->window->keys[n];
    else if (node->kind == DS_NODE_JOIN)
        for (uint32_t c = 0; c < node->schema.n_fields; c++) {
            const ds_join_column *column = &node->join->columns[c];
            n += column->is_key;
            if (column->is_key)
                columns[column->column] = c;
        }
    return n;
}

static bool are_different(const uint32_t *columns, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (columns[i] == columns[k])
                return false;
    return true;
}

/* Keys that become floats for the join have another hash than before. */
ds_keys_maker ds_keys_maker_find(const ds_node *exchange)
{
    const ds_exchange_plan *plan = exchange->exchange;
    ds_keys_maker maker = {0};
    uint32_t made[DS_MAX_KEYS], n = plan->n_keys;
    memcpy(maker.columns, plan->keys, n * sizeof *plan->keys);
    if (plan->to_float != NULL || !are_different(plan->keys, n))
        return maker;
    const ds_node *node = follow(exchange->parents[0], maker.columns, n);
    if (node == NULL || !are_different(maker.columns, n))
        return maker;
    if (node->kind == DS_NODE_WINDOW && node->window->keys == NULL) {
        maker.node = node->ordered ? NULL : node;
        maker.any_order = true;
        for (uint32_t i = 0; i < n; i++)
            maker.order[i] = i;
        return maker;
    }
    uint32_t n_made = keys_of(node, made);
    if (n_made > 0 && same_columns(maker.columns, made, n_made, n, maker.order))
        maker.node = node;
    return maker;
}

bool ds_keys_makers_agree(const ds_keys_maker *left, const ds_keys_maker *right, uint32_t n_keys)
{
    size_t size = n_keys * sizeof(uint32_t);
    if (left->node == right->node && left->any_order) /* it can only take one order */
        return memcmp(left->columns, right->columns, size) == 0;
    return left->any_order || right->any_order || memcmp(left->order, right->order, size) == 0;
}

void ds_window_take_keys(ds_planner *planner, const ds_keys_maker *window, uint32_t n_keys)
{
    ds_window_plan *plan = (ds_window_plan *)window->node->window;
    uint32_t *keys = DS_ARENA_ARRAY(planner->arena, uint32_t, n_keys);
    memcpy(keys, window->columns, n_keys * sizeof *keys);
    plan->keys = keys;
    plan->n_keys = n_keys;
}
