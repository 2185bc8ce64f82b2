/*
 * Stages: which roots there are, which of them share a stage, and what a stage reads.
 *
 * Every root begins with a stage of its own, its *group*, named by the id of the root. A join
 * makes the groups of its two sides one (a forest of groups, found by union and find): a side whose
 * rows are in the partitions of the keys already stays where it is, as long as no stage comes
 * to read what it makes itself; the exchange of another side becomes a root. Then groups are
 * numbered in topological order, of several that may come next always the one whose first root is
 * the earliest: so sources come first, by name.
 */
#include "dstream/plan_stages.h"

#include "base/assert.h"
#include "dstream/op_broadcast.h"
#include "dstream/op_order.h"
#include "dstream/op_window.h"
#include "dstream/plan_fuse.h"

#include <stdlib.h>

typedef struct stager {
    ds_planner *planner;
    ds_plan *plan;
    /* By node id: */
    bool *root;
    uint32_t *group; /* of a root: another member of its group, or itself */
    uint32_t *next;  /* of a root: the next member of its group, in a circle */
    uint32_t *home;  /* of a join: a root of the group that makes its rows */
} stager;

static uint32_t group_of(const stager *s, uint32_t root)
{
    while (s->group[root] != root)
        root = s->group[root];
    return root;
}

static void unite(stager *s, uint32_t a, uint32_t b)
{
    uint32_t x = group_of(s, a), y = group_of(s, b);
    if (x == y)
        return;
    s->group[x] = y;
    uint32_t next = s->next[x]; /* two circles become one */
    s->next[x] = s->next[y];
    s->next[y] = next;
}

/* ---- roots ---- */

static uint32_t partitions_of(const ds_plan *plan, const ds_node *node)
{
    switch (node->kind) {
    case DS_NODE_SOURCE: return 0;
    case DS_NODE_EXCHANGE:
        return node->exchange->keys == NULL ? node->exchange->n_partitions : plan->key_partitions;
    case DS_NODE_GROUP: return node->group->n_keys == 0 ? 1 : plan->key_partitions;
    case DS_NODE_WINDOW: return node->ordered ? 1 : plan->key_partitions;
    case DS_NODE_STATE: return plan->key_partitions;
    default: return 1;
    }
}

/* True if one task alone makes the rows of a node. */
static bool is_single(const stager *s, const ds_node *node)
{
    if (s->root[node->id])
        return partitions_of(s->plan, node) == 1;
    if (ds_node_is_broadcast(node))
        return is_single(s, ds_broadcast_stream(node));
    if (node->kind == DS_NODE_JOIN)
        return s->plan->key_partitions == 1;
    return node->n_parents == 1 && is_single(s, node->parents[0]);
}

static bool is_root(const stager *s, const ds_node *node)
{
    switch (node->kind) {
    case DS_NODE_SOURCE:
    case DS_NODE_GROUP:
    case DS_NODE_WINDOW:
    case DS_NODE_STATE:
    case DS_NODE_ORDER: return true;
    case DS_NODE_EXCHANGE: return node->exchange->keys == NULL; /* else the join decides */
    case DS_NODE_SINK: return !ds_sink_is_staged(node->sink) && !is_single(s, node->parents[0]);
    default: return false;
    }
}

/* ---- joins ---- */

/* True if rows of a group go into those of a node, on whatever way. seen: by node id. */
static bool comes_from(const stager *s, const ds_node *node, uint32_t group, bool *seen)
{
    if (seen[node->id])
        return false;
    seen[node->id] = true;
    if (!s->root[node->id]) {
        for (uint32_t p = 0; p < node->n_parents; p++)
            if (!node->parents[p]->held && comes_from(s, node->parents[p], group, seen))
                return true;
        return false;
    }
    if (group_of(s, node->id) == group)
        return true;
    uint32_t member = node->id;
    do { /* a stage waits for all that it reads */
        const ds_node *root = s->plan->nodes[member];
        for (uint32_t p = 0; p < root->n_parents; p++)
            if (comes_from(s, root->parents[p], group, seen))
                return true;
        member = s->next[member];
    } while (member != node->id);
    return false;
}

static bool reaches(const stager *s, uint32_t group, const ds_node *node)
{
    bool *seen = ds_calloc(s->plan->n_nodes, sizeof *seen);
    bool found = comes_from(s, node, group, seen);
    free(seen);
    return found;
}

/* A root of the group that makes the rows of a side which is where it is. */
static uint32_t home_of(const stager *s, const ds_keys_maker *maker)
{
    return maker->node->kind == DS_NODE_JOIN ? s->home[maker->node->id] : maker->node->id;
}

/* True if the rows of both sides can be used where they are. */
static bool both_stay(const stager *s, const ds_keys_maker sides[2], uint32_t n_keys)
{
    if (sides[0].node == NULL || sides[1].node == NULL ||
        !ds_keys_makers_agree(&sides[0], &sides[1], n_keys))
        return false;
    uint32_t left = group_of(s, home_of(s, &sides[0])), right = group_of(s, home_of(s, &sides[1]));
    return left == right ||
           (!reaches(s, left, s->plan->nodes[right]) && !reaches(s, right, s->plan->nodes[left]));
}

/* True if those of one side can, while the other one comes to them. */
static bool one_stays(const stager *s, const ds_keys_maker *side, const ds_node *other)
{
    return side->node != NULL && !reaches(s, group_of(s, home_of(s, side)), other);
}

static void place_side(stager *s, const ds_node *join, int side, const ds_keys_maker *maker,
                       bool stays)
{
    const ds_node *exchange = join->parents[side];
    uint32_t root = stays ? home_of(s, maker) : exchange->id;
    if (stays) {
        ((ds_exchange_plan *)exchange->exchange)->here = true;
        if (maker->any_order && maker->node->window->keys == NULL)
            ds_window_take_keys(s->planner, maker, join->join->n_keys);
    } else {
        s->root[exchange->id] = true;
    }
    if (side == DS_LEFT_SIDE)
        s->home[join->id] = root;
    else
        unite(s, s->home[join->id], root);
}

static void place_join(stager *s, const ds_node *join)
{
    uint32_t n_keys = join->join->n_keys;
    ds_keys_maker sides[2] = {ds_keys_maker_find(join->parents[0]),
                              ds_keys_maker_find(join->parents[1])};
    bool both = both_stay(s, sides, n_keys);
    bool left = both || one_stays(s, &sides[0], join->parents[1]->parents[0]);
    bool right = both || (!left && one_stays(s, &sides[1], join->parents[0]->parents[0]));
    const bool stays[2] = {left, right};
    for (int side = 0; side < 2; side++) {
        if (!stays[side] || sides[side].any_order)
            continue;
        ds_join_plan_reorder(s->planner, join, sides[side].order);
        break;
    }
    for (int side = 0; side < 2; side++) {
        ds_keys_maker maker = stays[side] ? ds_keys_maker_find(join->parents[side]) : sides[side];
        place_side(s, join, side, &maker, stays[side]);
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
    if (node->kind == DS_NODE_GROUP || node->kind == DS_NODE_STATE) {
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
            if (!node->parents[i]->held)
                mark_makers(s, node->parents[i], groups, seen);
}

/* Marks the groups that write pieces for a group; both arrays are by node id. */
static void mark_parents(const stager *s, uint32_t group, bool *groups, bool *seen)
{
    uint32_t member = group;
    do {
        const ds_node *root = s->plan->nodes[member];
        for (uint32_t p = 0; p < root->n_parents; p++)
            mark_makers(s, root->parents[p], groups, seen);
        member = s->next[member];
    } while (member != group);
}

/* ---- stages ---- */

static void add_input(const stager *s, ds_stage *stage, ds_node *node)
{
    node->stage = stage->id;
    node->input = stage->n_inputs;
    ds_stage_input *input = &stage->inputs[stage->n_inputs++];
    input->root = node;
    set_types(s, input);
    bool keeps = ds_node_keeps(node);
    if (stage->root == NULL || (keeps && !stage->keyed))
        stage->root = node;
    stage->keyed = stage->keyed || keeps;
    s->plan->has_windows = s->plan->has_windows || ds_node_is_windowed(node);
    s->plan->has_state = s->plan->has_state || node->kind == DS_NODE_STATE;
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

/* Joins in the order of their ids: one that reads another one comes later. */
static void add_joins(const stager *s)
{
    ds_plan *plan = s->plan;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < plan->n_nodes; i++) {
            if (plan->nodes[i]->kind != DS_NODE_JOIN || ds_node_is_broadcast(plan->nodes[i]))
                continue;
            ds_stage *stage = &plan->stages[plan->nodes[s->home[i]]->stage];
            if (pass == 1)
                stage->joins[stage->n_joins] = plan->nodes[i];
            stage->n_joins++;
        }
        for (uint32_t id = 0; id < plan->n_stages && pass == 0; id++) {
            ds_stage *stage = &plan->stages[id];
            stage->joins = DS_ARENA_ARRAY(plan->arena, ds_node *, stage->n_joins + 1);
            stage->n_joins = 0;
        }
    }
}

/* ---- joins with tables ---- */

/* The nodes whose rows go nowhere but to joins with a table, as those of the table. */
static void mark_held(ds_plan *plan)
{
    for (uint32_t i = plan->n_nodes; i-- > 0;) {
        ds_node *node = plan->nodes[i];
        node->held = node->n_children > 0;
        for (uint32_t c = 0; c < node->n_children && node->held; c++) {
            const ds_node *child = node->children[c];
            node->held =
                child->held || (ds_node_is_broadcast(child) && ds_broadcast_stream(child) != node);
        }
    }
}

static void add_lookup(const ds_plan *plan, ds_stage *stage, ds_node *join)
{
    if (stage->lookups == NULL) {
        stage->lookups = DS_ARENA_ARRAY(plan->arena, ds_node *, plan->n_nodes);
        stage->tables = DS_ARENA_ARRAY(plan->arena, uint32_t, plan->app->n_sources);
    }
    stage->lookups[stage->n_lookups++] = join;
    uint32_t source = (uint32_t)(join->join->table->source - plan->app->sources);
    for (uint32_t i = 0; i < stage->n_tables; i++)
        if (stage->tables[i] == source)
            return;
    stage->tables[stage->n_tables++] = source;
}

/* Each stage is told what its rows are looked up in. */
static void add_lookups(const stager *s)
{
    ds_plan *plan = s->plan;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        ds_node *node = plan->nodes[i];
        if (!ds_node_is_broadcast(node))
            continue;
        bool *groups = ds_calloc(plan->n_nodes, sizeof *groups);
        bool *seen = ds_calloc(plan->n_nodes, sizeof *seen);
        mark_makers(s, ds_broadcast_stream(node), groups, seen);
        for (uint32_t g = 0; g < plan->n_nodes; g++)
            if (groups[g])
                add_lookup(plan, &plan->stages[plan->nodes[g]->stage], node);
        free(groups);
        free(seen);
    }
}

void ds_plan_make_stages(ds_planner *planner, ds_plan *plan)
{
    size_t n = plan->n_nodes + 1;
    stager s = {planner,
                plan,
                ds_calloc(n, sizeof *s.root),
                ds_calloc(n, sizeof *s.group),
                ds_calloc(n, sizeof *s.next),
                ds_calloc(n, sizeof *s.home)};
    mark_held(plan);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        s.group[i] = s.next[i] = i;
        s.root[i] = is_root(&s, plan->nodes[i]);
        if (plan->nodes[i]->kind == DS_NODE_JOIN && !ds_node_is_broadcast(plan->nodes[i]))
            place_join(&s, plan->nodes[i]);
    }
    number_stages(&s);
    add_joins(&s);
    add_lookups(&s);
    free(s.root);
    free(s.group);
    free(s.next);
    free(s.home);
}
