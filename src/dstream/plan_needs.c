#include "dstream/plan_needs.h"

#include "dstream/op_having.h"
#include "dstream/op_join.h"
#include "dstream/op_order.h"
#include "dstream/op_rows.h"

static void mark_needed(ds_node *node)
{
    if (node->needed)
        return;
    node->needed = true;
    for (uint32_t i = 0; i < node->n_parents; i++)
        mark_needed(node->parents[i]);
}

/* Links a node to its parents, to each of them once. */
static void add_child(ds_node *node)
{
    for (uint32_t p = 0; p < node->n_parents; p++) {
        ds_node *parent = node->parents[p];
        if (parent->n_children == 0 || parent->children[parent->n_children - 1] != node)
            parent->children[parent->n_children++] = node;
    }
}

void ds_plan_prune(ds_plan *plan)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        if (plan->nodes[i]->kind == DS_NODE_SINK)
            mark_needed(plan->nodes[i]);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        ds_node *node = plan->nodes[i];
        if (!node->needed)
            continue;
        node->id = n;
        plan->nodes[n++] = node;
        for (uint32_t p = 0; p < node->n_parents; p++)
            node->parents[p]->n_children++;
        node->wanted = DS_ARENA_ARRAY(plan->arena, bool, node->schema.n_fields + 1);
    }
    plan->n_nodes = n;
    for (uint32_t i = 0; i < n; i++) {
        ds_node *node = plan->nodes[i];
        node->children = DS_ARENA_ARRAY(plan->arena, ds_node *, node->n_children + 1);
        node->n_children = 0;
        add_child(node);
    }
}

static void want_all(bool *wanted, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        wanted[i] = true;
}

static void want(bool *to, const bool *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = to[i] || from[i];
}

/* Marks what a node reads of its parents' columns; node->wanted is complete. */
static void want_of_parents(ds_planner *planner, ds_node *node)
{
    ds_node *parent = node->n_parents > 0 ? node->parents[0] : NULL;
    uint32_t n = parent != NULL ? parent->schema.n_fields : 0;
    switch (node->kind) {
    case DS_NODE_SOURCE: break;
    case DS_NODE_ROWS:
        for (uint32_t p = 0; p < node->n_parents; p++)
            ds_rows_plan_want(planner, (ds_rows_plan *)node->rows, node->wanted,
                              node->letters && ds_rows_plan_may_fail(node->rows), p,
                              node->parents[p]->wanted);
        break;
    case DS_NODE_EXCHANGE: want(parent->wanted, node->wanted, n); break;
    case DS_NODE_JOIN: ds_join_plan_want(planner, node); break;
    case DS_NODE_GROUP:
    case DS_NODE_STATE: want(parent->wanted, node->group->reads, n); break;
    case DS_NODE_SNAPSHOT:
    case DS_NODE_WINDOW: want(parent->wanted, node->wanted, n); break;
    case DS_NODE_HAVING:
        want(parent->wanted, node->wanted, n);
        want(parent->wanted, node->having->reads, n);
        break;
    case DS_NODE_ORDER: want(parent->wanted, node->order->reads, n); break;
    case DS_NODE_SINK:
        want_all(node->wanted, n);
        want_all(parent->wanted, n);
        break;
    }
}

void ds_plan_propagate(ds_planner *planner, const ds_plan *plan)
{
    for (uint32_t i = plan->n_nodes; i-- > 0;) {
        ds_node *node = plan->nodes[i];
        bool ordered = node->ordered;
        if (node->kind == DS_NODE_GROUP || node->kind == DS_NODE_STATE)
            ordered = node->group->ordered;
        else if (node->kind == DS_NODE_ORDER || node->kind == DS_NODE_JOIN ||
                 node->kind == DS_NODE_EXCHANGE)
            ordered = false;
        for (uint32_t p = 0; p < node->n_parents; p++)
            node->parents[p]->ordered = node->parents[p]->ordered || ordered;
        want_of_parents(planner, node);
    }
}
