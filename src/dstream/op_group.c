/* The run-time half of op_group.h. */
#include "dstream/op_group.h"

#include "base/assert.h"
#include "columnar/piece.h"
#include "dstream/first_groups.h"
#include "dstream/op_where.h"
#include "dstream/pieces.h"
#include "dstream/window_feed.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct group_state {
    ds_groups *groups;
} group_state;

#define MORE 64u /* times as many rows as the first chunk has may come, for all that is known */

/* The table of a task, which mostly has as many groups as the one before. */
static group_state *state_of(ds_frame *frame, const ds_node *node, uint32_t n_rows)
{
    group_state *state = frame->states[node->id];
    if (state == NULL) {
        uint32_t usual = atomic_load_explicit(node->group->usual, memory_order_relaxed);
        state = ds_calloc(1, sizeof *state);
        state->groups = ds_groups_new(&node->group->spec, frame->budget);
        ds_groups_reserve(state->groups, usual < MORE * n_rows ? usual : MORE * n_rows);
        frame->states[node->id] = state;
    }
    return state;
}

void ds_group_state_free(void *p)
{
    group_state *state = p;
    if (state == NULL)
        return;
    ds_groups_free(state->groups);
    free(state);
}

size_t ds_group_state_bytes(const void *p)
{
    const group_state *state = p;
    return ds_groups_bytes(state->groups);
}

/* ---- first half ---- */

static const ds_column *bits_column(ds_frame *frame, uint64_t *bits, uint32_t n)
{
    ds_column *column = DS_ARENA_NEW(frame->chunk_arena, ds_column);
    *column = (ds_column){.type = DS_TYPE(DS_BOOL), .length = n, .bits = bits};
    return column;
}

static bool any_error(const uint64_t *errors, uint32_t n)
{
    return ds_bitmap_count(errors, n) > 0;
}

/* What failed in each of several expressions: n bits for each. */
typedef struct failures {
    uint64_t **errors;
    uint64_t **faults; /* those of them that functions of the user's own are to blame for */
} failures;

/* The failures of each input of its own. Only run when there are any. */
static failures failures_of_each(ds_frame *frame, ds_program *const *programs, uint32_t n,
                                 int64_t window_ms, const ds_chunk *chunk)
{
    ds_arena *arena = frame->chunk_arena;
    failures failed = {DS_ARENA_ARRAY(arena, uint64_t *, n + 1),
                       DS_ARENA_ARRAY(arena, uint64_t *, n + 1)};
    for (uint32_t i = 0; i < n; i++) {
        const ds_column *output;
        ds_frame_run(frame, programs[i], window_ms, chunk, &output, &failed.errors[i]);
        failed.faults[i] =
            frame->faults != NULL ? frame->faults : ds_frame_no_errors(frame, chunk->n_rows);
    }
    return failed;
}

/* The rows that spoil call i: its filter failed, or holds and an argument failed. With
 * of_functions only what those failed for. */
static uint64_t *spoiling_rows(ds_frame *frame, const ds_call_input *input,
                               const ds_column *const *inputs, const failures *failed,
                               bool of_functions, uint32_t n)
{
    size_t words = ds_bitmap_words(n);
    uint64_t *const *which = of_functions ? failed->faults : failed->errors;
    uint64_t *bad = ds_arena_calloc(frame->chunk_arena, words, 8);
    for (int a = 0; a < 2; a++)
        for (size_t w = 0; w < words && input->args[a] >= 0; w++)
            bad[w] |= which[input->args[a]][w];
    if (input->filter < 0)
        return bad;
    const uint64_t *held =
        ds_where_true(frame->chunk_arena, inputs[input->filter], failed->errors[input->filter], n);
    for (size_t w = 0; w < words; w++)
        bad[w] = (bad[w] & held[w]) | which[input->filter][w];
    return bad;
}

/* A filter without the rows that spoil the call. */
static const ds_column *without(ds_frame *frame, const ds_column *filter, const uint64_t *bad,
                                uint32_t n)
{
    size_t words = ds_bitmap_words(n);
    uint64_t *bits = ds_arena_alloc(frame->chunk_arena, words * 8);
    for (size_t w = 0; w < words; w++)
        bits[w] = (filter == NULL ? ~(uint64_t)0 : filter->bits[w]) & ~bad[w];
    ds_column *column = DS_ARENA_NEW(frame->chunk_arena, ds_column);
    *column = (ds_column){.type = DS_TYPE(DS_BOOL), .length = n, .bits = bits};
    if (filter != NULL)
        column->validity = filter->validity;
    return column;
}

/* Argument columns and filters of all calls for one chunk. */
static void call_columns(ds_frame *frame, const ds_group_plan *plan, const ds_chunk *chunk,
                         const ds_column ***args, const ds_column **filters)
{
    ds_arena *arena = frame->chunk_arena;
    uint32_t n = chunk->n_rows;
    const ds_column **inputs = DS_ARENA_ARRAY(arena, const ds_column *, plan->n_inputs + 1);
    uint64_t *any = NULL;
    failures failed = {0};
    if (plan->input_program != NULL)
        ds_frame_run(frame, plan->input_program, 0, chunk, inputs, &any);
    if (any != NULL && any_error(any, n))
        failed = failures_of_each(frame, plan->input_each, plan->n_inputs, 0, chunk);
    for (uint32_t i = 0; i < plan->spec.n_calls; i++) {
        const ds_call_input *input = &plan->inputs[i];
        args[i] = DS_ARENA_ARRAY(arena, const ds_column *, 2);
        for (int a = 0; a < 2; a++)
            args[i][a] = input->args[a] < 0 ? NULL : inputs[input->args[a]];
        filters[i] = input->filter < 0 ? NULL : inputs[input->filter];
        if (input->poisoned_by >= 0) { /* a companion: counts the rows that spoil its call */
            const ds_call_input *watched = &plan->inputs[input->poisoned_by];
            uint64_t *bad = failed.errors == NULL ? ds_arena_calloc(arena, ds_bitmap_words(n), 8)
                                                  : spoiling_rows(frame, watched, inputs, &failed,
                                                                  input->of_functions, n);
            filters[i] = bits_column(frame, bad, n);
        } else if (failed.errors != NULL && plan->watch[i] >= 0) {
            uint64_t *bad = spoiling_rows(frame, input, inputs, &failed, false, n);
            filters[i] = without(frame, filters[i], bad, n);
        }
    }
}

void ds_group_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    const ds_group_plan *plan = node->group;
    group_state *state = state_of(frame, node, chunk->n_rows);
    ds_arena *arena = frame->chunk_arena;
    const ds_column **keys = DS_ARENA_ARRAY(arena, const ds_column *, plan->n_keys + 1);
    for (uint32_t i = 0; i < plan->n_keys; i++)
        keys[i] = chunk->columns[plan->keys[i]];
    uint32_t n_calls = plan->spec.n_calls;
    const ds_column ***args = DS_ARENA_ARRAY(arena, const ds_column **, n_calls + 1);
    const ds_column **filters = DS_ARENA_ARRAY(arena, const ds_column *, n_calls + 1);
    call_columns(frame, plan, chunk, args, filters);
    ds_groups_update(state->groups, &frame->heap, keys, (const ds_column *const *const *)args,
                     filters, chunk->positions, chunk->n_rows);
    frame->full = frame->full || ds_groups_bytes(state->groups) > frame->flush_bytes;
}

/* The ids of all groups in the order of their partitions, each partition's in order of
 * appearance; starts[p] is where partition p begins. */
static uint32_t *ids_by_partition(ds_arena *arena, const ds_groups *groups, uint32_t n_partitions,
                                  uint32_t *starts)
{
    uint32_t n = ds_groups_count(groups);
    uint32_t *ids = ds_arena_alloc(arena, (size_t)n * sizeof *ids);
    if (n_partitions == 1) {
        for (uint32_t i = 0; i < n; i++)
            ids[i] = i;
        starts[0] = 0;
        starts[1] = n;
        return ids;
    }
    const uint64_t *hashes = ds_groups_hashes(groups);
    uint32_t *at = DS_ARENA_ARRAY(arena, uint32_t, n_partitions + 1);
    for (uint32_t i = 0; i < n; i++)
        at[ds_hash_partition(hashes[i], n_partitions) + 1]++;
    for (uint32_t p = 0; p < n_partitions; p++)
        at[p + 1] += at[p];
    for (uint32_t p = 0; p <= n_partitions; p++)
        starts[p] = at[p];
    for (uint32_t i = 0; i < n; i++)
        ids[at[ds_hash_partition(hashes[i], n_partitions)]++] = i;
    return ids;
}

ds_status ds_group_flush(ds_frame *frame, const ds_node *node, ds_error *error)
{
    group_state *state = frame->states[node->id];
    if (state == NULL || ds_groups_count(state->groups) == 0)
        return DS_OK;
    atomic_store_explicit(node->group->usual, ds_groups_count(state->groups), memory_order_relaxed);
    uint32_t n_partitions = frame->plan->stages[node->stage].n_partitions;
    uint32_t n_columns = ds_group_partial_types(&node->group->spec, NULL);
    ds_arena *arena = ds_arena_new(frame->budget);
    uint32_t *starts = DS_ARENA_ARRAY(arena, uint32_t, n_partitions + 1);
    uint32_t *ids = ids_by_partition(arena, state->groups, n_partitions, starts);
    ds_partition_rows *rows = DS_ARENA_ARRAY(arena, ds_partition_rows, n_partitions);
    for (uint32_t p = 0; p < n_partitions; p++) {
        rows[p].n_rows = starts[p + 1] - starts[p];
        rows[p].narrow = true;
        rows[p].columns = DS_ARENA_ARRAY(arena, ds_column *, n_columns);
        ds_groups_partials(state->groups, arena, &frame->heap, ids + starts[p], rows[p].n_rows,
                           rows[p].columns);
    }
    ds_status status = frame->out.shuffle(frame->out.arg, node, &frame->heap, rows, n_partitions,
                                          n_columns, error);
    ds_arena_free(arena);
    ds_group_state_free(state); /* mostly nothing follows: to empty it would be in vain */
    frame->states[node->id] = NULL;
    return status;
}

/* ---- second half ---- */

/* Nulls the results whose aggregate overflowed: bits of rows in `bad`. */
static void null_rows(ds_frame *frame, const ds_column **column, const uint64_t *bad, uint32_t n)
{
    ds_column *copy = DS_ARENA_NEW(frame->chunk_arena, ds_column);
    *copy = **column;
    size_t words = ds_bitmap_words(n);
    copy->validity = ds_arena_alloc(frame->chunk_arena, words * 8);
    for (size_t w = 0; w < words; w++)
        copy->validity[w] =
            ((*column)->validity == NULL ? ~(uint64_t)0 : (*column)->validity[w]) & ~bad[w];
    *column = copy;
}

typedef ds_group_rows group_rows;

static void add_bits(uint64_t *to, const uint64_t *bits, size_t words)
{
    for (size_t w = 0; w < words && bits != NULL; w++)
        to[w] |= bits[w];
}

/* Adds the rows for which a companion counted something. */
static void add_counted(uint64_t *to, const ds_group_plan *plan, const group_rows *rows,
                        int companion)
{
    if (companion < 0)
        return;
    const ds_column *failed = rows->columns[plan->n_keys + plan->n_old + (uint32_t)companion];
    for (uint32_t i = 0; i < rows->n; i++)
        if (failed->ints[i] > 0)
            ds_bit_set(to, i);
}

/* Rows where result r is spoilt: its own expression failed, or a call it reads does not fit,
 * or was poisoned by an argument. bad and faults have the failures of the expression. */
static void add_spoilt(const ds_group_plan *plan, uint32_t r, const group_rows *rows, uint64_t *bad,
                       uint64_t *faults)
{
    size_t words = ds_bitmap_words(rows->n);
    for (uint32_t c = 0; c < plan->n_visible; c++) {
        if (!plan->uses[r][c])
            continue;
        add_bits(bad, rows->overflows[c], words);
        if (plan->spec.calls[c].aggregate->user)
            add_bits(faults, rows->overflows[c], words);
        add_counted(bad, plan, rows, plan->watch[c]);
        add_counted(faults, plan, rows, plan->blame[c]);
    }
}

void ds_group_finish(ds_frame *frame, const ds_node *node, const ds_group_rows *rows,
                     const ds_column **output)
{
    uint32_t n = rows->n;
    const ds_group_plan *plan = node->group;
    for (uint32_t k = 0; k < plan->n_keys; k++)
        output[k] = rows->columns[k];
    if (plan->finish == NULL)
        return;
    const ds_chunk chunk = {n, plan->n_keys + plan->n_old + plan->n_visible,
                            (const ds_column *const *)rows->columns, NULL};
    uint64_t *any;
    failures failed = {0};
    const ds_column **results = output + plan->n_keys;
    ds_frame_run(frame, plan->finish, node->window_ms, &chunk, results, &any);
    if (any_error(any, n))
        failed =
            failures_of_each(frame, plan->finish_each, plan->n_results, node->window_ms, &chunk);
    for (uint32_t r = 0; r < plan->n_results; r++) {
        uint64_t *bad = failed.errors != NULL ? failed.errors[r] : ds_frame_no_errors(frame, n);
        uint64_t *faults = failed.errors != NULL ? failed.faults[r] : ds_frame_no_errors(frame, n);
        add_spoilt(plan, r, rows, bad, faults);
        ds_frame_count_values(frame, bad, faults, n);
        if (any_error(bad, n))
            null_rows(frame, &results[r], bad, n);
    }
}

ds_status ds_group_push_rows(ds_frame *frame, const ds_node *node, const ds_group_rows *rows)
{
    const ds_group_plan *plan = node->group;
    uint32_t n_output = plan->n_keys + plan->n_results;
    const ds_column **output = DS_ARENA_ARRAY(frame->chunk_arena, const ds_column *, n_output + 1);
    ds_group_finish(frame, node, rows, output);
    ds_chunk chunk = {rows->n, n_output, output, NULL};
    ds_frame_push(frame, node, &chunk);
    return ds_frame_next_chunk(frame);
}

typedef void (*take_fn)(void *from, ds_arena *arena, ds_heap *heap, uint32_t at,
                        const group_rows *rows);

static void take_groups(void *from, ds_arena *arena, ds_heap *heap, uint32_t at,
                        const group_rows *rows)
{
    uint32_t ids[DS_CHUNK_ROWS];
    for (uint32_t i = 0; i < rows->n; i++)
        ids[i] = at + i;
    ds_groups_results(from, arena, heap, ids, rows->n, rows->columns, rows->overflows);
}

static void take_window(void *from, ds_arena *arena, ds_heap *heap, uint32_t at,
                        const group_rows *rows)
{
    ds_window_results(from, arena, heap, at, rows->n, rows->columns, rows->overflows);
}

/* Results that are large themselves are known here, before they are written, which takes as much
 * again. */
static ds_status push_some(ds_frame *frame, const ds_node *node, take_fn take, void *from,
                           uint32_t at, uint32_t n, bool careful)
{
    uint32_t n_calls = node->group->spec.n_calls, n_columns = node->group->n_keys + n_calls;
    ds_arena *arena = frame->chunk_arena;
    group_rows rows = {.n = n,
                       .columns = DS_ARENA_ARRAY(arena, ds_column *, n_columns + 1),
                       .overflows = DS_ARENA_ARRAY(arena, uint64_t *, n_calls + 1)};
    take(from, arena, &frame->heap, at, &rows);
    if (careful)
        DS_TRY(ds_frame_check(frame));
    return ds_group_push_rows(frame, node, &rows);
}

static ds_status push_all(ds_frame *frame, const ds_node *node, take_fn take, void *from,
                          uint32_t total)
{
    for (uint32_t at = 0, n; at < total; at += n) {
        uint32_t most = ds_budget_step(frame->kept, DS_CHUNK_ROWS);
        n = total - at < most ? total - at : most;
        DS_TRY(push_some(frame, node, take, from, at, n, false));
    }
    return DS_OK;
}

ds_status ds_group_push_results(ds_frame *frame, const ds_node *node, ds_groups *groups)
{
    return push_all(frame, node, take_groups, groups, ds_groups_count(groups));
}

ds_status ds_group_push_some(ds_frame *frame, const ds_node *node, ds_groups *groups, uint32_t from,
                             uint32_t n)
{
    return push_some(frame, node, take_groups, groups, from, n, true);
}

static ds_status only_check(void *arg, const ds_column *const *columns, uint32_t n)
{
    (void)arg, (void)columns, (void)n;
    return DS_OK;
}

/* All pieces are checked before the first is added: a bad one leaves the window as it was. */
static ds_status apply_batch(ds_frame *frame, const ds_node *node, ds_window *window,
                             const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error)
{
    DS_TRY(ds_pieces_each(frame, node, pieces, n_pieces, only_check, NULL, error));
    DS_TRY(ds_window_feed(frame, node, window, pieces, n_pieces, error));
    if (frame->batch_ms % node->slide_ms == 0)
        ds_window_slide(window, frame->batch_ms);
    return DS_OK;
}

ds_status ds_group_reduce_window(ds_frame *frame, const ds_node *node, ds_window *window,
                                 bool *applied, const ds_piece_bytes *pieces, uint32_t n_pieces,
                                 ds_error *error)
{
    if (!*applied)
        DS_TRY(apply_batch(frame, node, window, pieces, n_pieces, error));
    *applied = true;
    DS_TRY(ds_frame_next_chunk(frame));
    if (!frame->due->emits[node->id])
        return DS_OK;
    return ds_window_slides(window) && ds_first_groups_wanted(frame, node)
               ? ds_first_groups_push(frame, node, window)
               : push_all(frame, node, take_window, window, ds_window_count(window));
}
