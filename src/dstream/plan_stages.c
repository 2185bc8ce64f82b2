/*
 * Stages: which roots there are, which of them share a stage, and what a stage reads.
 *
 * Every root begins with a stage of its own, its *group*, named by the id of the root. Groups
 * that have to be one stage are joined (a forest of groups, found by union and find). Then they
 * are numbered in topological order, of several that may come next always the one whose first
 * root is the earliest: so sources come first, by name.
 */
#include "dstream/plan_stages.h"

#include "base/assert.h"
#include "dstream/op_order.h"
#include "dstream/op_window.h"

#include <stdlib.h>

typedef struct stager {
    ds_planner *planner;
    ds_plan *plan;
    uint32_t *group; /* by node id: another member of the group of this root, or itself */
    bool *root;      /* by node id */
} stager;

static uint32_t group_of(const stager *s, uint32_t root)
{
    while (s->group[root] != root)
        root = s->group[root];
    return root;
}

/* ---- roots ---- */

static uint32_t partitions_of(const ds_plan *plan, const ds_node *node)
{
    switch (node->kind) {
    case DS_NODE_SOURCE: return 0;
    case DS_NODE_GROUP: return node->group->n_keys == 0 ? 1 : plan->key_partitions;
    case DS_NODE_WINDOW: return node->ordered ? 1 : plan->key_partitions;
    default: return 1;
    }
}

/* True if one task alone makes the rows of a node. */
static bool is_single(const stager *s, const ds_node *node)
{
    if (s->root[node->id])
        return partitions_of(s->plan, node) == 1;
    return node->n_parents == 1 && is_single(s, node->parents[0]);
}

static bool is_root(const stager *s, const ds_node *node)
{
    switch (node->kind) {
    case DS_NODE_SOURCE:
    case DS_NODE_GROUP:
    case DS_NODE_WINDOW:
    case DS_NODE_ORDER: return true;
    case DS_NODE_SINK: return !ds_sink_is_staged(node->sink) && !is_single(s, node->parents[0]);
    default: return false;
    }
}

/* ---- what a stage reads ---- */

static void set_types(const stager *s, ds_stage_input *input)
{
    const ds_node *node = input->root;
    ds_arena *arena = s->plan->arena;
    if (node->kind == DS_NODE_SOURCE)
        return;
    if (node->kind == DS_NODE_ORDER) {
        input->n_types = ds_order_types(s->planner, node->order, &node->schema, &input->types);
        return;
    }
    if (node->kind == DS_NODE_GROUP) {
        uint32_t n = ds_group_partial_types(&node->group->spec, NULL);
        ds_type *types = DS_ARENA_ARRAY(arena, ds_type, n + 1);
        ds_group_partial_types(&node->group->spec, types);
        input->types = types;
        input->n_types = n;
        return;
    }
    ds_type *types = DS_ARENA_ARRAY(arena, ds_type, node->schema.n_fields + 1);
    for (uint32_t c = 0; c < node->schema.n_fields; c++)
        if (node->wanted[c])
            types[input->n_types++] = node->schema.fields[c].type;
    input->types = types;
}

/* Marks the groups in which rows of a node are made: those of its parents, if it is no root.
 * seen: by node; each is looked at once, however many ways lead to it. */
static void mark_makers(const stager *s, const ds_node *node, bool *groups, bool *seen)
{
    if (seen[node->id])
        return;
    seen[node->id] = true;
    if (s->root[node->id])
        groups[group_of(s, node->id)] = true;
    else
        for (uint32_t i = 0; i < node->n_parents; i++)
            mark_makers(s, node->parents[i], groups, seen);
}

/* Marks the groups that write pieces for a group; both arrays are by node id. */
static void mark_parents(const stager *s, uint32_t group, bool *groups, bool *seen)
{
    for (uint32_t i = 0; i < s->plan->n_nodes; i++) {
        const ds_node *node = s->plan->nodes[i];
        if (!s->root[i] || group_of(s, i) != group)
            continue;
        for (uint32_t p = 0; p < node->n_parents; p++)
            mark_makers(s, node->parents[p], groups, seen);
    }
}

/* ---- stages ---- */

static void add_input(const stager *s, ds_stage *stage, ds_node *node)
{
    node->stage = stage->id;
    node->input = stage->n_inputs;
    ds_stage_input *input = &stage->inputs[stage->n_inputs++];
    input->root = node;
    set_types(s, input);
    bool keeps = ds_node_is_windowed(node);
    if (stage->root == NULL || (keeps && !stage->keyed))
        stage->root = node;
    stage->keyed = stage->keyed || keeps;
    s->plan->has_windows = s->plan->has_windows || keeps;
    DS_ASSERT(stage->n_inputs == 1 || stage->n_partitions == partitions_of(s->plan, node));
    stage->n_partitions = partitions_of(s->plan, node);
}

/* parents: by node id of a group; those that write pieces for this stage. */
static void add_stage(const stager *s, uint32_t group, const bool *parents)
{
    ds_plan *plan = s->plan;
    ds_stage *stage = &plan->stages[plan->n_stages];
    stage->id = plan->n_stages++;
    uint32_t n_inputs = 0, n_parents = 0;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        n_inputs += s->root[i] && group_of(s, i) == group;
        n_parents += parents[i];
    }
    stage->inputs = DS_ARENA_ARRAY(plan->arena, ds_stage_input, n_inputs);
    stage->parents = DS_ARENA_ARRAY(plan->arena, uint32_t, n_parents + 1);
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        if (s->root[i] && group_of(s, i) == group)
            add_input(s, stage, plan->nodes[i]);
    bool *reads = ds_calloc(plan->n_stages, sizeof *reads);
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        if (parents[i])
            reads[plan->nodes[i]->stage] = true;
    for (uint32_t id = 0; id < stage->id; id++)
        if (reads[id])
            stage->parents[stage->n_parents++] = id;
    free(reads);
}

/* Makes the stage of a group if those it reads are there; false: they are not. */
static bool place(const stager *s, uint32_t group)
{
    bool *parents = ds_calloc(s->plan->n_nodes, sizeof *parents);
    bool *seen = ds_calloc(s->plan->n_nodes, sizeof *seen);
    mark_parents(s, group, parents, seen);
    bool ready = true;
    for (uint32_t i = 0; i < s->plan->n_nodes; i++)
        ready = ready && (!parents[i] || s->plan->nodes[i]->stage != DS_NO_STAGE);
    if (ready)
        add_stage(s, group, parents);
    free(parents);
    free(seen);
    return ready;
}

/* Groups depend on each other in no circle: one of them can always be placed. */
static void place_next(const stager *s)
{
    for (uint32_t i = 0; i < s->plan->n_nodes; i++) {
        bool open = s->root[i] && s->plan->nodes[i]->stage == DS_NO_STAGE;
        if (open && place(s, group_of(s, i)))
            return;
    }
    DS_UNREACHABLE();
}

static void number_stages(const stager *s)
{
    ds_plan *plan = s->plan;
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        n += s->root[i] && group_of(s, i) == i;
    plan->stages = DS_ARENA_ARRAY(plan->arena, ds_stage, n + 1);
    while (plan->n_stages < n)
        place_next(s);
}

void ds_plan_make_stages(ds_planner *planner, ds_plan *plan)
{
    stager s = {planner, plan, ds_calloc(plan->n_nodes + 1, sizeof *s.group),
                ds_calloc(plan->n_nodes + 1, sizeof *s.root)};
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        s.group[i] = i;
        s.root[i] = is_root(&s, plan->nodes[i]);
    }
    number_stages(&s);
    free(s.group);
    free(s.root);
}
