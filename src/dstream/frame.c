#include "dstream/frame.h"

#include "base/assert.h"
#include "columnar/piece.h"
#include "dstream/op_broadcast.h"
#include "dstream/op_having.h"
#include "dstream/op_join.h"
#include "dstream/op_order.h"
#include "dstream/op_rows.h"
#include "dstream/op_window.h"
#include "dstream/row_scatter.h"

/* What one chunk of the root may take before the budget is asked amid it. */
#define CHUNK_BYTES ((size_t)8 << 20)
#define LEAST_BYTES ((size_t)16 << 10) /* less would be all overhead */

void ds_frame_init(ds_frame *frame, const ds_plan *plan, const ds_stage *stage, const ds_due *due,
                   int64_t batch_ms, uint32_t partition, ds_budget *budget, const ds_frame_out *out)
{
    *frame = (ds_frame){.plan = plan,
                        .stage = stage,
                        .due = due,
                        .batch_ms = batch_ms,
                        .partition = partition,
                        .budget = budget,
                        .out = *out,
                        .flush_bytes = DS_FLUSH_BYTES,
                        .share_bytes = SIZE_MAX,
                        .load_bytes = SIZE_MAX,
                        .table_bytes = SIZE_MAX};
    frame->arena = ds_arena_new(budget);
    frame->chunk_arena = ds_arena_new(budget);
    frame->text_arena = ds_arena_new(budget);
    ds_heap_init(&frame->heap, frame->text_arena);
    frame->states = DS_ARENA_ARRAY(frame->arena, void *, plan->n_nodes);
}

/* How many nodes keep rows for stages that the frame's stage writes to. */
static size_t writers(const ds_frame *frame)
{
    size_t n = 0;
    for (uint32_t s = 0; s < frame->plan->n_stages; s++) {
        const ds_stage *stage = &frame->plan->stages[s];
        for (uint32_t p = 0; p < stage->n_parents; p++)
            n += stage->parents[p] == frame->stage->id ? stage->n_inputs : 0;
    }
    return n;
}

static size_t between(size_t least, size_t bytes, size_t most)
{
    return bytes < least ? least : bytes > most ? most : bytes;
}

/* Tables double: one that is just below its limit may take twice as much at once, and what leaves
 * is there twice for a moment. Some is left for chunks. */
void ds_frame_share(ds_frame *frame, size_t share_bytes)
{
    size_t n = writers(frame);
    frame->share_bytes = share_bytes;
    frame->table_bytes = between(LEAST_BYTES, share_bytes / 8 * 3, SIZE_MAX);
    frame->load_bytes = share_bytes / 8;
    frame->flush_bytes = between(LEAST_BYTES, share_bytes / 8 / (n > 0 ? n : 1), DS_FLUSH_BYTES);
}

static void free_state(const ds_node *node, void *state)
{
    switch (node->kind) {
    case DS_NODE_EXCHANGE: ds_row_scatter_free(state); break;
    case DS_NODE_JOIN:
        if (ds_node_is_broadcast(node))
            ds_join_probe_free(state);
        else
            ds_join_state_free(state);
        break;
    case DS_NODE_GROUP:
    case DS_NODE_STATE: ds_group_state_free(state); break;
    case DS_NODE_ORDER: ds_order_state_free(state); break;
    case DS_NODE_WINDOW:
    case DS_NODE_SINK: ds_collect_state_free(node, state); break;
    default: DS_ASSERT(state == NULL); break;
    }
}

/* The size of a state that can leave in parts. */
static size_t state_bytes(const ds_node *node, const void *state)
{
    if (state == NULL)
        return 0;
    switch (node->kind) {
    case DS_NODE_EXCHANGE: return ds_row_scatter_bytes(state);
    case DS_NODE_GROUP:
    case DS_NODE_STATE: return ds_group_state_bytes(state);
    case DS_NODE_WINDOW:
    case DS_NODE_SINK: return ds_collect_state_bytes(node, state);
    case DS_NODE_ORDER: return ds_order_state_bytes(state);
    default: return 0;
    }
}

void ds_frame_fini(ds_frame *frame)
{
    for (uint32_t i = 0; i < frame->plan->n_nodes; i++)
        free_state(frame->plan->nodes[i], frame->states[i]);
    ds_heap_fini(&frame->heap);
    ds_arena_free(frame->chunk_arena);
    ds_arena_free(frame->text_arena);
    ds_arena_free(frame->arena);
}

void ds_frame_fail(ds_frame *frame, ds_status status, const ds_error *error)
{
    DS_ASSERT(status != DS_OK);
    if (frame->status != DS_OK)
        return;
    frame->status = status;
    frame->error = *error;
}

/* A sink that is not the root of its own stage is written where its parent's rows are made. */
static void push_sink(ds_frame *frame, const ds_node *sink, const ds_chunk *chunk)
{
    if (sink->stage != DS_NO_STAGE && !ds_frame_is_root(frame, sink)) {
        ds_collect_push(frame, sink, chunk);
        return;
    }
    ds_error error;
    ds_status status = frame->out.sink(frame->out.arg, sink, &frame->heap, chunk, &error);
    if (status != DS_OK)
        ds_frame_fail(frame, status, &error);
}

static void push_child(ds_frame *frame, const ds_node *child, uint32_t parent,
                       const ds_chunk *chunk)
{
    switch (child->kind) {
    case DS_NODE_ROWS: ds_rows_push(frame, child, parent, chunk); break;
    case DS_NODE_EXCHANGE: ds_exchange_push(frame, child, chunk); break;
    case DS_NODE_JOIN:
        if (ds_node_is_broadcast(child))
            ds_broadcast_push(frame, child, parent, chunk);
        else
            ds_join_push(frame, child, parent, chunk);
        break;
    case DS_NODE_GROUP:
    case DS_NODE_STATE: ds_group_push(frame, child, chunk); break;
    case DS_NODE_SNAPSHOT: break; /* its rows are pushed by the state (op_state.h) */
    case DS_NODE_WINDOW: ds_collect_push(frame, child, chunk); break;
    case DS_NODE_HAVING: ds_having_push(frame, child, chunk); break;
    case DS_NODE_ORDER: ds_order_push(frame, child, chunk); break;
    case DS_NODE_SINK: push_sink(frame, child, chunk); break;
    case DS_NODE_SOURCE: DS_UNREACHABLE();
    }
}

bool ds_frame_is_short(ds_frame *frame)
{
    if (!ds_budget_exceeded(frame->budget))
        return false;
    ds_plan_relieve(frame->plan);
    return ds_budget_exceeded(frame->budget);
}

static void check_budget(ds_frame *frame)
{
    if (frame->status != DS_OK || !ds_frame_is_short(frame))
        return;
    frame->status = DS_ERR_NO_MEMORY;
    ds_error_set(&frame->error, DS_ERR_NO_MEMORY,
                 "the memory limit is reached (executors.memory or limits.memory)");
}

ds_status ds_frame_check(ds_frame *frame)
{
    check_budget(frame);
    return frame->status;
}

void ds_frame_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    if (chunk->n_rows == 0)
        return;
    DS_ASSERT(chunk->n_rows <= DS_CHUNK_ROWS);
    /* Unions of unions can make very many chunks of one: its memory has a limit, too. */
    if (ds_arena_bytes(frame->chunk_arena) > CHUNK_BYTES)
        check_budget(frame);
    /* A collected sink is its stage's root and its own reader. */
    if (node->kind == DS_NODE_SINK) {
        push_sink(frame, node, chunk);
        return;
    }
    for (uint32_t i = 0; i < node->n_children; i++) {
        const ds_node *child = node->children[i];
        if (!frame->due->reads[child->id])
            continue;
        for (uint32_t p = 0; p < child->n_parents && frame->status == DS_OK; p++)
            if (child->parents[p] == node)
                push_child(frame, child, p, chunk);
    }
}

static ds_status flush(ds_frame *frame, const ds_node *node, ds_error *error)
{
    /* A root of this stage keeps what it merged; only writers to other stages are flushed. */
    if (frame->states[node->id] == NULL || ds_frame_is_root(frame, node))
        return DS_OK;
    switch (node->kind) {
    case DS_NODE_EXCHANGE: return ds_row_scatter_flush(frame->states[node->id], frame, node, error);
    case DS_NODE_GROUP:
    case DS_NODE_STATE: return ds_group_flush(frame, node, error);
    case DS_NODE_ORDER: return ds_order_flush(frame, node, error);
    case DS_NODE_WINDOW:
    case DS_NODE_SINK: return ds_collect_flush(frame, node, error);
    default: return DS_OK;
    }
}

/* True if it counts in which order rows come to a node, and in which parts they leave it. */
static bool keeps_order(const ds_node *node)
{
    return node->ordered || (node->kind == DS_NODE_GROUP && node->group->ordered);
}

/* Calls flush for the states that are large enough. */
static void flush_states(ds_frame *frame, size_t least, bool amid)
{
    for (uint32_t i = 0; i < frame->plan->n_nodes && frame->status == DS_OK; i++) {
        const ds_node *node = frame->plan->nodes[i];
        if (least > 0 && state_bytes(node, frame->states[i]) <= least)
            continue;
        if (amid && keeps_order(node))
            continue;
        ds_error error;
        ds_status status = flush(frame, node, &error);
        if (status != DS_OK)
            ds_frame_fail(frame, status, &error);
    }
}

/* Forgets the text that functions made for the chunks so far. */
static void empty_text(ds_frame *frame)
{
    if (frame->keeps_text || frame->reads_table || !ds_frame_settle(frame))
        return;
    ds_heap_forget_text(&frame->heap);
    ds_arena_reset(frame->text_arena);
}

ds_status ds_frame_next_chunk(ds_frame *frame)
{
    if (frame->full)
        flush_states(frame, frame->flush_bytes, false);
    else if (ds_frame_is_short(frame))
        flush_states(frame, LEAST_BYTES, false);
    frame->full = false;
    if (ds_arena_bytes(frame->text_arena) > frame->flush_bytes)
        empty_text(frame);
    ds_arena_reset(frame->chunk_arena);
    check_budget(frame);
    return frame->status;
}

void ds_frame_relieve(ds_frame *frame)
{
    if (frame->full)
        flush_states(frame, frame->flush_bytes, true);
    check_budget(frame);
}

ds_status ds_frame_piece(ds_frame *frame, ds_arena *arena, const ds_piece_bytes *piece,
                         const void **bytes, ds_error *error)
{
    *bytes = piece->bytes;
    if (piece->bytes != NULL)
        return DS_OK;
    DS_ASSERT(frame->out.load != NULL);
    void *loaded = ds_arena_alloc(arena, piece->length);
    *bytes = loaded;
    return frame->out.load(frame->out.arg, piece, piece->length, loaded, error);
}

ds_status ds_frame_piece_rows(ds_frame *frame, const ds_piece_bytes *piece, uint32_t *n_rows,
                              ds_error *error)
{
    char head[DS_PIECE_HEAD];
    const void *bytes = piece->bytes;
    size_t length = piece->length < sizeof head ? piece->length : sizeof head;
    if (bytes == NULL) {
        DS_TRY(frame->out.load(frame->out.arg, piece, length, head, error));
        bytes = head;
    }
    *n_rows = ds_piece_rows(bytes, length);
    return DS_OK;
}

/* Makes the state of a node do without text that it does not own; false if it cannot. */
static bool settle(ds_frame *frame, const ds_node *node)
{
    void *state = frame->states[node->id];
    ds_error error;
    ds_status status;
    switch (node->kind) {
    case DS_NODE_GROUP:
    case DS_NODE_STATE:
    case DS_NODE_ORDER: return true; /* they copy what they keep */
    case DS_NODE_JOIN: return ds_join_settle(node, state, frame);
    case DS_NODE_EXCHANGE:
    case DS_NODE_WINDOW:
    case DS_NODE_SINK:
        status = flush(frame, node, &error);
        if (status != DS_OK)
            ds_frame_fail(frame, status, &error);
        return status == DS_OK && !ds_frame_is_root(frame, node);
    default: return false;
    }
}

bool ds_frame_settle(ds_frame *frame)
{
    bool settled = true;
    for (uint32_t i = 0; i < frame->plan->n_nodes && frame->status == DS_OK; i++)
        if (frame->states[i] != NULL)
            settled = settle(frame, frame->plan->nodes[i]) && settled;
    return settled && frame->status == DS_OK;
}

static void free_arena(void *arena)
{
    ds_arena_free(arena);
}

void ds_frame_let_go(ds_frame *frame, ds_arena *arena)
{
    if (ds_frame_settle(frame))
        ds_arena_free(arena);
    else
        ds_arena_on_free(frame->arena, free_arena, arena);
}

ds_status ds_frame_finish(ds_frame *frame)
{
    flush_states(frame, 0, false);
    return frame->status;
}

void ds_frame_run(ds_frame *frame, const ds_program *program, int64_t window_ms,
                  const ds_chunk *chunk, const ds_column **outputs, uint64_t **errors)
{
    size_t words = ds_bitmap_words(chunk->n_rows);
    uint64_t selected[DS_CHUNK_WORDS];
    ds_bitmap_fill(selected, chunk->n_rows);
    *errors = ds_arena_calloc(frame->chunk_arena, words, sizeof **errors);
    ds_eval ev = {.arena = frame->chunk_arena,
                  .heap = &frame->heap,
                  .n = chunk->n_rows,
                  .selected = selected,
                  .errors = *errors,
                  .batch_time_us = frame->batch_ms * 1000,
                  .window_start_us = (frame->batch_ms - window_ms) * 1000,
                  .window_end_us = frame->batch_ms * 1000,
                  .timed_out = frame->timed_out};
    ds_program_run(program, &ev, chunk, outputs);
    frame->faults = ev.faults;
}

uint64_t *ds_frame_no_errors(ds_frame *frame, uint32_t n)
{
    frame->faults = NULL;
    return ds_arena_calloc(frame->chunk_arena, ds_bitmap_words(n), 8);
}

void ds_frame_count_values(ds_frame *frame, const uint64_t *errors, const uint64_t *faults,
                           uint32_t n)
{
    size_t all = ds_bitmap_count(errors, n);
    size_t of_functions = faults == NULL ? 0 : ds_bitmap_count(faults, n);
    frame->function_values += of_functions;
    frame->overflow_values += all - of_functions;
}

ds_chunk ds_frame_gather(ds_frame *frame, const ds_chunk *chunk, const bool *wanted,
                         const uint32_t *indexes, uint32_t n)
{
    ds_arena *arena = frame->chunk_arena;
    const ds_column **columns = DS_ARENA_ARRAY(arena, const ds_column *, chunk->n_columns + 1);
    for (uint32_t c = 0; c < chunk->n_columns; c++)
        if (chunk->columns[c] != NULL && (wanted == NULL || wanted[c]))
            columns[c] = ds_column_gather(arena, chunk->columns[c], indexes, n);
    int64_t *positions = NULL;
    if (chunk->positions != NULL) {
        positions = ds_arena_alloc(arena, n * sizeof *positions);
        for (uint32_t i = 0; i < n; i++)
            positions[i] = chunk->positions[indexes[i]];
    }
    return (ds_chunk){n, chunk->n_columns, columns, positions};
}
