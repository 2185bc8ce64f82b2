#include "exec/table_build.h"

#include "base/assert.h"
#include "exec/task_faults.h"

#include <stdlib.h>

const ds_node *ds_table_node(const ds_plan *plan, const ds_app_source *source)
{
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        if (plan->nodes[i]->kind == DS_NODE_SOURCE && plan->nodes[i]->source == source)
            return plan->nodes[i];
    return NULL;
}

static ds_broadcast **new_broadcasts(const ds_table_builder *builder, const ds_node *source)
{
    const ds_plan *plan = builder->plan;
    ds_broadcast **broadcasts = ds_calloc(plan->n_nodes, sizeof(ds_broadcast *));
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        if (ds_node_is_broadcast(plan->nodes[i]) && plan->nodes[i]->join->table == source)
            broadcasts[i] = ds_broadcast_new(plan->nodes[i], builder->budget);
    return broadcasts;
}

void ds_table_broadcasts_free(const ds_plan *plan, ds_broadcast **broadcasts)
{
    for (uint32_t i = 0; broadcasts != NULL && i < plan->n_nodes; i++)
        ds_broadcast_free(broadcasts[i]);
    free(broadcasts);
}

static ds_status on_dropped(void *arg, const ds_node *node, ds_drop_reason reason,
                            const ds_schema *schema, const ds_heap *heap, const ds_chunk *chunk,
                            ds_error *error)
{
    return ds_dead_letters_rows(arg, node->stream, reason, schema, heap, chunk, error);
}

static ds_status read_all(ds_frame *frame, const ds_table_builder *builder, const ds_node *source,
                          const ds_input *inputs, uint32_t n_inputs, ds_dead_letters *letters,
                          const ds_fault_notes *notes, ds_arena *arena, ds_task_result *result,
                          ds_error *error)
{
    ds_task task = {.inputs = (ds_input *)inputs, .n_inputs = n_inputs};
    ds_scratch scratch = {0};
    const ds_source_context context = {.frame = frame,
                                       .node = source,
                                       .task = &task,
                                       .peers = builder->peers,
                                       .scratch = &scratch,
                                       .letters = letters,
                                       .arena = arena};
    ds_status status = ds_task_source_run(&context, result, error);
    if (status == DS_OK)
        status = ds_task_faults_check(frame, notes, error);
    for (uint32_t i = 0; i < builder->plan->n_nodes && status == DS_OK; i++)
        if (frame->broadcasts[i] != NULL)
            ds_broadcast_finish(frame->broadcasts[i], &frame->heap);
    ds_scratch_fini(&scratch);
    if (status == DS_OK && ds_budget_exceeded(frame->budget))
        status = ds_error_set(error, DS_ERR_NO_MEMORY, "the memory limit is reached");
    return status;
}

ds_status ds_table_build(const ds_table_builder *builder, const ds_node *source,
                         const ds_input *inputs, uint32_t n_inputs, ds_dead_letters *letters,
                         ds_arena *arena, ds_task_result *result, ds_broadcast ***broadcasts,
                         ds_error *error)
{
    const ds_plan *plan = builder->plan;
    ds_budget budget;
    DS_ASSERT(source->kind == DS_NODE_SOURCE && source->source->type == DS_SOURCE_TABLE);
    ds_budget_init(&budget, builder->budget, 0);
    ds_arena *due_arena = ds_arena_new(NULL);
    ds_due due = {.reads = DS_ARENA_ARRAY(due_arena, bool, plan->n_nodes + 1)};
    ds_broadcast_reads(plan, source, due.reads);
    ds_broadcast **made = new_broadcasts(builder, source);
    ds_frame frame;
    ds_frame_out out = {.arg = letters, .dropped = letters != NULL ? on_dropped : NULL};
    ds_frame_init(&frame, plan, &plan->stages[source->stage], &due, 0, 0, &budget, &out);
    frame.broadcasts = made;
    frame.reads_table = true;
    ds_fault_notes notes = {0};
    ds_fault_notes *before = ds_fault_notes_use(&notes);
    ds_error why;
    ds_status status =
        read_all(&frame, builder, source, inputs, n_inputs, letters, &notes, arena, result, &why);
    ds_fault_notes_use(before);
    ds_task_faults_take(result, &frame, &notes, arena);
    ds_frame_fini(&frame);
    ds_arena_free(due_arena);
    if (status == DS_ERR_NO_MEMORY)
        ds_error_set(error, status,
                     "table %s does not fit into the memory of an executor, which half of "
                     "executors.memory is for (or of its share of limits.memory): %s",
                     source->stream, why.message);
    else if (status != DS_OK && error != NULL)
        *error = why;
    if (status != DS_OK) {
        ds_table_broadcasts_free(plan, made);
        made = NULL;
    }
    *broadcasts = made;
    return status;
}
