/* What runs at a batch time: the time half of plan.h. */
#include "base/assert.h"
#include "dstream/op_state.h"
#include "dstream/op_window.h"
#include "dstream/plan.h"

int64_t ds_floor_to(int64_t t, int64_t step)
{
    DS_ASSERT(step > 0);
    int64_t rest = t % step;
    return t - rest - (rest < 0 ? step : 0);
}

int64_t ds_ceil_to(int64_t t, int64_t step)
{
    int64_t floor = ds_floor_to(t, step);
    return floor == t ? t : floor + step;
}

bool ds_node_is_windowed(const ds_node *node)
{
    return node->kind == DS_NODE_WINDOW || (node->kind == DS_NODE_GROUP && node->group->windowed);
}

/* The source of a table has rows at any time. What only joins with tables read of it is no matter
 * of batches. */
static bool is_table(const ds_node *node)
{
    return node->kind == DS_NODE_SOURCE && node->table != NULL && !node->held;
}

bool ds_node_keeps(const ds_node *node)
{
    return ds_node_is_windowed(node) || node->kind == DS_NODE_STATE;
}

/* True for a node that has something to do without input: a window, a total without keys, a
 * table, a state with time-outs. */
static bool acts_alone(const ds_node *node)
{
    return ds_node_is_windowed(node) || is_table(node) ||
           (node->kind == DS_NODE_GROUP && node->group->n_keys == 0) ||
           (node->kind == DS_NODE_STATE && ds_state_acts_alone(node));
}

/* True if it has that to do now. Windows that nobody reads wait; a state goes on. */
static bool acts_now(const ds_node *node, const ds_due *due)
{
    return acts_alone(node) &&
           (due->emits[node->id] || (node->kind == DS_NODE_STATE && due->reads[node->id]));
}

/* Does the node take its parents' rows at t? They have rows then. */
static bool reads_at(const ds_node *node, int64_t t, bool emits)
{
    if (t % node->parents[0]->slide_ms != 0)
        return false;
    if (ds_node_is_windowed(node))
        return ds_window_covers(node->window_ms, node->slide_ms, t);
    return node->kind == DS_NODE_SINK || node->kind == DS_NODE_STATE || emits;
}

bool ds_node_runs(const ds_node *root, const ds_due *due)
{
    return due->emits[root->id] || (ds_node_keeps(root) && due->reads[root->id]);
}

void ds_plan_due(const ds_plan *plan, ds_arena *arena, int64_t t_ms, ds_due *due)
{
    due->stage_runs = DS_ARENA_ARRAY(arena, bool, plan->n_stages + 1);
    due->reads = DS_ARENA_ARRAY(arena, bool, plan->n_nodes + 1);
    due->emits = DS_ARENA_ARRAY(arena, bool, plan->n_nodes + 1);
    due->any = false;
    /* From the sinks up: children have larger ids. */
    for (uint32_t i = plan->n_nodes; i-- > 0;) {
        const ds_node *node = plan->nodes[i];
        for (uint32_t c = 0; c < node->n_children && !node->held; c++)
            due->emits[i] |= due->reads[node->children[c]->id] && t_ms % node->slide_ms == 0;
        if (node->kind != DS_NODE_SOURCE)
            due->reads[i] = reads_at(node, t_ms, due->emits[i]);
        if (node->kind == DS_NODE_SINK)
            due->emits[i] = due->reads[i];
        if (node->stage != DS_NO_STAGE)
            due->stage_runs[node->stage] |= ds_node_runs(node, due);
        due->any = due->any || acts_now(node, due);
    }
}

bool ds_stage_always(const ds_stage *stage)
{
    for (uint32_t i = 0; i < stage->n_inputs; i++)
        if (acts_alone(stage->inputs[i].root))
            return true;
    return false;
}

bool ds_stage_due_always(const ds_stage *stage, const ds_due *due)
{
    for (uint32_t i = 0; i < stage->n_inputs; i++)
        if (acts_now(stage->inputs[i].root, due))
            return true;
    return false;
}

bool ds_stage_reads_table(const ds_plan *plan, const ds_stage *stage, uint32_t source)
{
    for (uint32_t i = 0; i < stage->n_tables; i++)
        if (stage->tables[i] == source)
            return true;
    return stage->root->kind == DS_NODE_SOURCE &&
           stage->root->source == &plan->app->sources[source];
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t due_after(const ds_node *node, int64_t t)
{
    return ds_floor_to(t, node->slide_ms) + node->slide_ms;
}

/* The first time after the gap's beginning at which a node that acts alone matters. */
static int64_t matters_next(const ds_node *node, const ds_gap *gap)
{
    int64_t next = due_after(node, gap->after_ms);
    if (node->kind == DS_NODE_STATE) {
        int64_t acts_ms = gap->acts_ms[node->stage];
        if (acts_ms == INT64_MAX)
            return INT64_MAX;
        return acts_ms == DS_NO_BATCH ? next : later(next, due_after(node, acts_ms));
    }
    if (is_table(node))
        return INT64_MAX;
    if (gap->totals && node->kind == DS_NODE_GROUP && node->group->n_keys == 0)
        return next;
    int64_t input_ms = gap->input_ms[node->stage];
    bool holds =
        ds_node_is_windowed(node) && input_ms != DS_NO_BATCH && next - node->window_ms < input_ms;
    return holds ? next : INT64_MAX;
}

int64_t ds_plan_gap_next(const ds_plan *plan, const ds_gap *gap, bool *sure)
{
    int64_t matters = INT64_MAX, possible = INT64_MAX;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const ds_node *node = plan->nodes[i];
        if (!acts_alone(node) || is_table(node) || node->stage == DS_NO_STAGE)
            continue;
        int64_t next = matters_next(node, gap), due = due_after(node, gap->after_ms);
        matters = next < matters ? next : matters;
        possible = due < possible ? due : possible;
    }
    DS_ASSERT(matters > gap->after_ms && possible <= matters);
    *sure = matters == possible;
    return matters;
}

/* When every node has given its last output because of the input. */
static int64_t drain_end(const ds_plan *plan, int64_t last_input_ms)
{
    ds_arena *arena = ds_arena_new(NULL);
    int64_t *last = DS_ARENA_ARRAY(arena, int64_t, plan->n_nodes + 1);
    int64_t end = last_input_ms;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const ds_node *node = plan->nodes[i];
        int64_t input = last_input_ms;
        for (uint32_t p = 0; p < node->n_parents; p++)
            if (last[node->parents[p]->id] > input)
                input = last[node->parents[p]->id];
        last[i] = ds_ceil_to(input, node->slide_ms);
        if (last[i] > end)
            end = last[i];
    }
    ds_arena_free(arena);
    return end;
}

int64_t ds_plan_drain_next(const ds_plan *plan, int64_t last_input_ms, int64_t after_ms)
{
    int64_t end = drain_end(plan, last_input_ms), next = 0;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const ds_node *node = plan->nodes[i];
        int64_t due = ds_floor_to(after_ms, node->slide_ms) + node->slide_ms;
        if (acts_alone(node) && due <= end && (next == 0 || due < next))
            next = due;
    }
    return next;
}
