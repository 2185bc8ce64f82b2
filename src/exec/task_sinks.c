#include "exec/task_sinks.h"

#include "base/assert.h"
#include "columnar/piece.h"
#include "dstream/row_buffer.h"
#include "dstream/staged_name.h"
#include "exec/shuffle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct sink_state {
    const ds_node *node; /* NULL: nothing came yet */
    uint64_t rows;
    ds_staged_file *file; /* file, append */
    ds_buffer bytes;      /* console as JSON or CSV */
    uint64_t bytes_rows;  /* how many rows they are */
    size_t charged;       /* of their room, to this: */
    ds_budget *budget;
    ds_row_buffer *kept; /* console as a table, test */
    ds_type *types;
} sink_state;

struct ds_task_sinks {
    ds_sink_context context;
    const ds_plan *plan;
    sink_state *states; /* by sink index */
    ds_output *outputs; /* that are complete */
    uint32_t n_outputs, capacity;
    bool reported; /* all outputs were handed over */
};

ds_task_sinks *ds_task_sinks_new(const ds_plan *plan, const ds_sink_context *context)
{
    ds_task_sinks *sinks = ds_calloc(1, sizeof *sinks);
    sinks->context = *context;
    sinks->plan = plan;
    sinks->states = ds_calloc(plan->n_sinks, sizeof *sinks->states);
    return sinks;
}

void ds_task_sinks_free(ds_task_sinks *sinks)
{
    if (sinks == NULL)
        return;
    for (uint32_t i = 0; i < sinks->plan->n_sinks; i++) {
        if (sinks->states[i].file != NULL && !sinks->reported)
            ds_staged_file_discard(sinks->states[i].file);
        ds_staged_file_free(sinks->states[i].file);
        ds_budget_charge(sinks->states[i].budget, -(int64_t)sinks->states[i].charged);
        ds_buffer_fini(&sinks->states[i].bytes);
        ds_row_buffer_free(sinks->states[i].kept);
        free(sinks->states[i].types);
    }
    free(sinks->states);
    free(sinks->outputs);
    free(sinks);
}

ds_status ds_sink_stage(const ds_sink_plan *sink, const ds_sink_context *context,
                        ds_staged_file **file, ds_error *error)
{
    DS_ASSERT(ds_sink_is_staged(sink));
    const ds_task *task = context->task;
    ds_buffer name = {0};
    ds_staged_name_begin(&name, context->epoch, context->durable);
    ds_buffer_printf(&name, "%" PRId64 "-%s-%u-%u-%u", task->batch_ms, sink->name, task->stage,
                     task->partition, task->attempt);
    ds_status status =
        ds_staged_file_new(sink->staging, ds_buffer_text(&name), !sink->hidden, file, error);
    ds_buffer_fini(&name);
    return status;
}

ds_status ds_sink_staged(const ds_sink_plan *sink, const ds_sink_context *context,
                         ds_staged_file *file, uint64_t rows, ds_arena *arena, ds_output *output,
                         ds_error *error)
{
    *output = (ds_output){.kind = DS_OUTPUT_FILE, .target = sink->index, .rows = rows, .path = ""};
    DS_TRY(
        ds_staged_file_complete(file, context->durable, &output->length, &output->checksum, error));
    output->path = ds_arena_strdup(arena, ds_staged_file_path(file));
    return DS_OK;
}

static void keep_rows(sink_state *state, ds_frame *frame, const ds_chunk *chunk)
{
    DS_ASSERT(chunk->n_columns == state->node->schema.n_fields);
    const ds_schema *schema = &state->node->schema;
    if (state->kept == NULL) {
        state->types = ds_calloc(schema->n_fields, sizeof *state->types);
        for (uint32_t c = 0; c < schema->n_fields; c++)
            state->types[c] = schema->fields[c].type;
        state->kept = ds_row_buffer_new(state->types, schema->n_fields, frame->budget);
        ds_row_buffer_own(state->kept, &frame->heap); /* they stay until the task ends */
    }
    ds_row_buffer_add(state->kept, chunk->columns, NULL, chunk->n_rows);
}

/* The first rows of chunk, as many as the sink's limit leaves. */
static ds_chunk within_limit(const sink_state *state, ds_frame *frame, const ds_chunk *chunk)
{
    int64_t limit = state->node->sink->limit;
    if (limit < 0 || state->rows + chunk->n_rows <= (uint64_t)limit)
        return *chunk;
    uint32_t n = state->rows >= (uint64_t)limit ? 0 : (uint32_t)((uint64_t)limit - state->rows);
    uint32_t *indexes = ds_arena_alloc(frame->chunk_arena, DS_CHUNK_ROWS * sizeof *indexes);
    for (uint32_t i = 0; i < n; i++)
        indexes[i] = i;
    return ds_frame_gather(frame, chunk, NULL, indexes, n);
}

static ds_output *add_output(ds_task_sinks *sinks, const ds_sink_plan *plan, uint64_t rows)
{
    if (sinks->n_outputs == sinks->capacity) {
        sinks->capacity = sinks->capacity == 0 ? 8 : sinks->capacity * 2;
        sinks->outputs = ds_realloc(sinks->outputs, sinks->capacity, sizeof *sinks->outputs);
    }
    ds_output *output = &sinks->outputs[sinks->n_outputs++];
    *output = (ds_output){.target = plan->index, .rows = rows, .path = ""};
    return output;
}

static ds_status take_bytes(ds_task_sinks *sinks, uint64_t length, ds_output *output,
                            ds_error *error)
{
    const ds_sink_context *context = &sinks->context;
    output->kind = DS_OUTPUT_BYTES;
    output->ref = (ds_ref){context->executor_id, 0, length};
    output->length = length;
    return ds_batch_ranges_take(context->ranges, context->task->batch_ms, length,
                                &output->ref.offset, error);
}

/* Hands out the rows that were written so far. */
static ds_status put_bytes(ds_task_sinks *sinks, sink_state *state, ds_error *error)
{
    if (state->bytes.length == 0)
        return DS_OK;
    DS_ASSERT(state->bytes_rows > 0);
    ds_output *output = add_output(sinks, state->node->sink, state->bytes_rows);
    DS_TRY(take_bytes(sinks, state->bytes.length, output, error));
    DS_TRY(ds_store_put(sinks->context.store, output->ref.offset, state->bytes.data,
                        state->bytes.length, error));
    state->bytes.length = 0;
    state->bytes_rows = 0;
    return DS_OK;
}

static void charge_bytes(sink_state *state, ds_frame *frame)
{
    state->budget = frame->budget;
    ds_budget_charge(state->budget, (int64_t)state->bytes.capacity - (int64_t)state->charged);
    state->charged = state->bytes.capacity;
}

/* Rows of a console leave in parts. */
static ds_status write_bytes(ds_task_sinks *sinks, sink_state *state, ds_frame *frame,
                             const ds_chunk *chunk, ds_error *error)
{
    const ds_node *node = state->node;
    ds_rows_write(&state->bytes, node->sink->format, &node->schema, &frame->heap, chunk);
    state->bytes_rows += chunk->n_rows;
    charge_bytes(state, frame);
    return state->bytes.length > frame->flush_bytes ? put_bytes(sinks, state, error) : DS_OK;
}

ds_status ds_task_sinks_write(ds_task_sinks *sinks, ds_frame *frame, const ds_node *node,
                              const ds_chunk *all, ds_error *error)
{
    const ds_sink_plan *plan = node->sink;
    sink_state *state = &sinks->states[plan->index];
    state->node = node;
    DS_ASSERT(plan->index < sinks->plan->n_sinks && !sinks->reported);
    ds_chunk chunk = within_limit(state, frame, all);
    if (chunk.n_rows == 0)
        return DS_OK;
    state->rows += chunk.n_rows;
    if (plan->kind == DS_TO_TEST || plan->format == DS_ROWS_TABLE) {
        keep_rows(state, frame, &chunk);
        return DS_OK;
    }
    if (plan->kind == DS_TO_CONSOLE) {
        return write_bytes(sinks, state, frame, &chunk, error);
    }
    if (state->file == NULL)
        DS_TRY(ds_sink_stage(plan, &sinks->context, &state->file, error));
    ds_rows_write(ds_staged_file_buffer(state->file), plan->format, &node->schema, &frame->heap,
                  &chunk);
    return ds_staged_file_drain(state->file, error);
}

/* ---- the end ---- */

/* The rows of a table, cut into chunks, as text. */
static void write_table(sink_state *state, ds_frame *frame)
{
    const ds_schema *schema = &state->node->schema;
    ds_column **columns = DS_ARENA_ARRAY(frame->arena, ds_column *, schema->n_fields + 1);
    uint32_t n_rows = ds_row_buffer_rows(state->kept, columns);
    uint32_t n_chunks = (n_rows + DS_CHUNK_ROWS - 1) / DS_CHUNK_ROWS;
    ds_chunk *chunks = DS_ARENA_ARRAY(frame->arena, ds_chunk, n_chunks + 1);
    for (uint32_t i = 0; i < n_chunks; i++) {
        uint32_t from = i * DS_CHUNK_ROWS;
        uint32_t n = n_rows - from < DS_CHUNK_ROWS ? n_rows - from : DS_CHUNK_ROWS;
        uint32_t *indexes = ds_arena_alloc(frame->arena, n * sizeof *indexes);
        for (uint32_t r = 0; r < n; r++)
            indexes[r] = from + r;
        const ds_column **cut =
            DS_ARENA_ARRAY(frame->arena, const ds_column *, schema->n_fields + 1);
        for (uint32_t c = 0; c < schema->n_fields; c++)
            cut[c] = ds_column_gather(frame->arena, columns[c], indexes, n);
        chunks[i] = (ds_chunk){n, schema->n_fields, cut, NULL};
    }
    ds_rows_table(&state->bytes, schema, &frame->heap, chunks, n_chunks);
}

static ds_status finish_piece(ds_task_sinks *sinks, sink_state *state, ds_frame *frame,
                              ds_output *output, ds_error *error)
{
    uint32_t n_columns = state->node->schema.n_fields;
    ds_column **columns = DS_ARENA_ARRAY(frame->arena, ds_column *, n_columns + 1);
    uint32_t n_rows = ds_row_buffer_rows(state->kept, columns);
    const ds_column *const *read = (const ds_column *const *)columns;
    size_t size = ds_piece_size(&frame->heap, read, n_columns, n_rows);
    DS_TRY(take_bytes(sinks, size, output, error));
    return ds_store_put_piece(sinks->context.store, output->ref.offset, size, &frame->heap, read,
                              n_columns, n_rows, NULL, error);
}

static ds_status finish_one(ds_task_sinks *sinks, sink_state *state, ds_frame *frame,
                            ds_arena *arena, ds_error *error)
{
    const ds_sink_plan *plan = state->node->sink;
    if (plan->kind == DS_TO_CONSOLE && plan->format == DS_ROWS_TABLE) {
        write_table(state, frame);
        state->bytes_rows = state->rows;
        charge_bytes(state, frame);
    }
    if (plan->kind == DS_TO_CONSOLE)
        return put_bytes(sinks, state, error);
    ds_output *output = add_output(sinks, plan, state->rows);
    if (ds_sink_is_staged(plan))
        return ds_sink_staged(plan, &sinks->context, state->file, state->rows, arena, output,
                              error);
    DS_ASSERT(plan->kind == DS_TO_TEST);
    return finish_piece(sinks, state, frame, output, error);
}

ds_status ds_task_sinks_finish(ds_task_sinks *sinks, ds_frame *frame, ds_arena *arena,
                               const ds_output **outputs, uint32_t *n_outputs, ds_error *error)
{
    DS_ASSERT(!sinks->reported);
    for (uint32_t i = 0; i < sinks->plan->n_sinks; i++)
        if (sinks->states[i].rows > 0)
            DS_TRY(finish_one(sinks, &sinks->states[i], frame, arena, error));
    *outputs = sinks->outputs;
    *n_outputs = sinks->n_outputs;
    sinks->reported = true;
    return DS_OK;
}
