#include "dstream/op_rows.h"

#include "base/assert.h"

#include <string.h>

/* ---- plan ---- */

/* Where the columns of `input` stand in another parent of the union; NULL if they differ. */
static uint32_t *match_columns(ds_planner *planner, const ds_app_stream *stream,
                               const ds_schema *input, const char *first, const ds_schema *other,
                               const char *name, uint32_t index)
{
    const char *path = ds_arena_printf(planner->arena, "%s.from[%u]", stream->path, index);
    uint32_t *at = DS_ARENA_ARRAY(planner->arena, uint32_t, input->n_fields + 1);
    bool fine = true;
    for (uint32_t c = 0; c < input->n_fields; c++) {
        const ds_field *field = &input->fields[c];
        int found = ds_schema_find(other, field->name);
        if (found < 0) {
            ds_diag_error(planner->diagnostics, path,
                          "a union wants the same columns: \"%s\" has \"%s\", \"%s\" has not",
                          first, field->name, name);
            fine = false;
        } else if (!ds_type_equal(field->type, other->fields[found].type)) {
            ds_diag_error(planner->diagnostics, path,
                          "a union wants the same types: \"%s\" is %s in \"%s\" and %s in \"%s\"",
                          field->name, ds_type_name(field->type), first,
                          ds_type_name(other->fields[found].type), name);
            fine = false;
        } else {
            at[c] = (uint32_t)found;
        }
    }
    for (uint32_t c = 0; c < other->n_fields; c++) {
        if (ds_schema_find(input, other->fields[c].name) < 0) {
            ds_diag_error(planner->diagnostics, path,
                          "a union wants the same columns: \"%s\" has \"%s\", \"%s\" has not", name,
                          other->fields[c].name, first);
            fine = false;
        }
    }
    return fine ? at : NULL;
}

ds_rows_plan *ds_union_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                const ds_schema *const *parents, uint32_t n_parents)
{
    ds_rows_plan *plan = DS_ARENA_NEW(planner->arena, ds_rows_plan);
    plan->input = plan->exploded = *parents[0];
    plan->permutation = DS_ARENA_ARRAY(planner->arena, uint32_t *, n_parents);
    for (uint32_t i = 1; i < n_parents; i++)
        plan->permutation[i] = match_columns(planner, stream, &plan->input, stream->from[0],
                                             parents[i], stream->from[i], i);
    return plan;
}

bool ds_rows_plan_clauses(ds_planner *planner, ds_rows_plan *plan, const ds_app_stream *stream,
                          const char *const *qualifiers, ds_schema *output)
{
    ds_schema now = plan->input;
    if (stream->flat_map.name != NULL) {
        plan->flat_map =
            ds_flat_map_plan_new(planner, &stream->flat_map, &plan->input, qualifiers, &now);
        if (plan->flat_map == NULL)
            return false;
    }
    plan->exploded = now;
    if (stream->where.text != NULL)
        plan->where = ds_where_plan_new(planner, &stream->where, &now, qualifiers);
    *output = now;
    if (stream->has_select)
        plan->select = ds_select_plan_new(planner, stream, &now, qualifiers, output);
    return !stream->has_select || plan->select != NULL;
}

static void mark(bool *to, const bool *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = to[i] || from[i];
}

static void mark_all(bool *to, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = true;
}

bool ds_rows_plan_may_fail(const ds_rows_plan *plan)
{
    return (plan->flat_map != NULL && plan->flat_map->may_fail) ||
           (plan->where != NULL && plan->where->may_fail) ||
           (plan->select != NULL && plan->select->may_fail);
}

void ds_rows_plan_want(ds_planner *planner, ds_rows_plan *plan, const bool *wanted, bool whole,
                       uint32_t parent, bool *wanted_parent)
{
    ds_arena *arena = planner->arena;
    uint32_t n = plan->exploded.n_fields, n_input = plan->input.n_fields;
    plan->wanted_kept = DS_ARENA_ARRAY(arena, bool, n + 1);
    plan->wanted_exploded = DS_ARENA_ARRAY(arena, bool, n + 1);
    plan->wanted_input = DS_ARENA_ARRAY(arena, bool, n_input + 1);
    if (plan->select != NULL) {
        mark(plan->wanted_kept, plan->select->reads, n);
        for (uint32_t c = 0; c < plan->select->n_columns; c++)
            if (wanted[c] && plan->select->from_input[c] >= 0)
                plan->wanted_kept[plan->select->from_input[c]] = true;
    } else {
        mark(plan->wanted_kept, wanted, n);
    }
    mark(plan->wanted_exploded, plan->wanted_kept, n);
    if (plan->where != NULL)
        mark(plan->wanted_exploded, plan->where->reads, n);
    mark(plan->wanted_input, plan->wanted_exploded, n_input);
    if (plan->flat_map != NULL) {
        if (plan->flat_map->column < n_input)
            plan->wanted_input[plan->flat_map->column] = false;
        mark(plan->wanted_input, plan->flat_map->reads, n_input);
    }
    if (whole)
        mark_all(plan->wanted_input, n_input);
    for (uint32_t c = 0; c < n_input; c++) {
        uint32_t at = plan->permutation[parent] != NULL ? plan->permutation[parent][c] : c;
        wanted_parent[at] = wanted_parent[at] || plan->wanted_input[c];
    }
}

/* ---- run ---- */

/* One chunk of rows on its way: where they come from in the chunk that came in. */
typedef struct carried {
    ds_chunk chunk;
    const uint32_t *origins; /* NULL: row i comes from row i */
} carried;

static uint32_t origin_of(const carried *rows, uint32_t i)
{
    return rows->origins == NULL ? i : rows->origins[i];
}

/* Rows of the chunk that came in for which something failed. */
typedef struct bad_rows {
    uint64_t *all;
    uint64_t *faults; /* those for which a function of the user's own did */
} bad_rows;

static void mark_origins(const carried *rows, const uint64_t *errors, uint64_t *bad)
{
    for (size_t w = 0; w < ds_bitmap_words(rows->chunk.n_rows); w++)
        for (uint64_t word = errors[w]; word != 0; word &= word - 1)
            ds_bit_set(bad, origin_of(rows, (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(word)));
}

/* Marks the errors of the program that ran last. */
static void mark_errors(ds_frame *frame, const carried *rows, const uint64_t *errors, bad_rows *bad)
{
    mark_origins(rows, errors, bad->all);
    if (frame->faults != NULL)
        mark_origins(rows, frame->faults, bad->faults);
}

static carried take_rows(ds_frame *frame, const carried *rows, const bool *wanted,
                         const uint32_t *indexes, uint32_t n)
{
    carried taken = {.chunk = ds_frame_gather(frame, &rows->chunk, wanted, indexes, n)};
    uint32_t *origins = ds_arena_alloc(frame->chunk_arena, n * sizeof *origins);
    for (uint32_t i = 0; i < n; i++)
        origins[i] = origin_of(rows, indexes[i]);
    taken.origins = origins;
    return taken;
}

/* where and select; errors go to bad, by origin. */
static carried filter_and_map(ds_frame *frame, const ds_rows_plan *plan, carried rows,
                              bad_rows *bad)
{
    uint64_t *errors;
    if (plan->where != NULL) {
        uint32_t *indexes = ds_arena_alloc(frame->chunk_arena, rows.chunk.n_rows * sizeof *indexes);
        uint32_t n = ds_where_run(frame, plan->where, &rows.chunk, indexes, &errors);
        mark_errors(frame, &rows, errors, bad);
        if (n < rows.chunk.n_rows)
            rows = take_rows(frame, &rows, plan->wanted_kept, indexes, n);
    }
    if (plan->select != NULL && rows.chunk.n_rows > 0) {
        carried mapped = {ds_select_run(frame, plan->select, &rows.chunk, &errors), rows.origins};
        mark_errors(frame, &rows, errors, bad);
        rows = mapped;
    }
    return rows;
}

/* Pushes the rows whose origin is not bad. */
static void push_good(ds_frame *frame, const ds_node *node, const carried *rows,
                      const uint64_t *bad, bool any_bad)
{
    if (rows->chunk.n_rows == 0)
        return;
    if (!any_bad) {
        ds_frame_push(frame, node, &rows->chunk);
        return;
    }
    uint32_t *indexes = ds_arena_alloc(frame->chunk_arena, rows->chunk.n_rows * sizeof *indexes);
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows->chunk.n_rows; i++)
        if (!ds_bit_get(bad, origin_of(rows, i)))
            indexes[n++] = i;
    if (n == 0)
        return;
    ds_chunk good = ds_frame_gather(frame, &rows->chunk, NULL, indexes, n);
    ds_frame_push(frame, node, &good);
}

static bad_rows no_bad_rows(ds_frame *frame, uint32_t n)
{
    size_t words = ds_bitmap_words(n);
    return (bad_rows){ds_arena_calloc(frame->chunk_arena, words, 8),
                      ds_arena_calloc(frame->chunk_arena, words, 8)};
}

/* Hands rows of input that are bad to whoever keeps dead letters. */
static void report_bad(ds_frame *frame, const ds_node *node, const ds_chunk *input,
                       const uint64_t *bad, ds_drop_reason reason)
{
    uint32_t *indexes = ds_arena_alloc(frame->chunk_arena, input->n_rows * sizeof *indexes);
    uint32_t n = ds_bitmap_indexes(bad, input->n_rows, indexes);
    if (n == 0)
        return;
    ds_chunk rows = ds_frame_gather(frame, input, NULL, indexes, n);
    ds_error error;
    ds_status status = frame->out.dropped(frame->out.arg, node, reason, &node->rows->input,
                                          &frame->heap, &rows, &error);
    if (status != DS_OK)
        ds_frame_fail(frame, status, &error);
}

static void report_all(ds_frame *frame, const ds_node *node, const ds_chunk *input,
                       const bad_rows *bad)
{
    size_t words = ds_bitmap_words(input->n_rows);
    uint64_t *overflows = ds_arena_alloc(frame->chunk_arena, words * sizeof *overflows);
    for (size_t w = 0; w < words; w++)
        overflows[w] = bad->all[w] & ~bad->faults[w];
    report_bad(frame, node, input, overflows, DS_DROP_OVERFLOW);
    report_bad(frame, node, input, bad->faults, DS_DROP_FUNCTION);
}

/* Counts the rows of input that are bad, and sees to it that what is said of them comes to pass:
 * the strictest source above decides. Returns how many. */
static size_t drop_bad(ds_frame *frame, const ds_node *node, const ds_chunk *input,
                       const bad_rows *bad)
{
    uint32_t n = input->n_rows;
    size_t all = ds_bitmap_count(bad->all, n), faults = ds_bitmap_count(bad->faults, n);
    frame->overflow_rows += all - faults;
    frame->function_rows += faults;
    if (node->fails) {
        frame->overflow_fatal += all - faults;
        frame->function_fatal += faults;
    } else if (node->letters && all > 0 && frame->out.dropped != NULL) {
        report_all(frame, node, input, bad);
    }
    return all;
}

static ds_chunk permuted(ds_frame *frame, const ds_rows_plan *plan, uint32_t parent,
                         const ds_chunk *chunk)
{
    const uint32_t *at = plan->permutation[parent];
    if (at == NULL)
        return *chunk;
    uint32_t n = plan->input.n_fields;
    const ds_column **columns = DS_ARENA_ARRAY(frame->chunk_arena, const ds_column *, n + 1);
    for (uint32_t c = 0; c < n; c++)
        columns[c] = chunk->columns[at[c]];
    return (ds_chunk){chunk->n_rows, n, columns, chunk->positions};
}

/* True if it has to be known of elements which rows they come from: for other columns, or as
 * something may fail them. */
static bool is_traced(const ds_rows_plan *plan, const ds_chunk *chunk)
{
    if (plan->where != NULL || plan->select != NULL || chunk->positions != NULL)
        return true;
    for (uint32_t c = 0; c < plan->exploded.n_fields; c++)
        if (plan->wanted_exploded[c] && c != plan->flat_map->column)
            return true;
    return false;
}

static void push_exploded(ds_frame *frame, const ds_node *node, const ds_chunk *chunk,
                          bad_rows *bad)
{
    const ds_rows_plan *plan = node->rows;
    ds_flat_map_rows rows;
    uint64_t *errors;
    bool traced = is_traced(plan, chunk);
    ds_flat_map_run(frame, plan->flat_map, chunk, traced, &rows, &errors);
    mark_errors(frame, &(carried){.chunk = *chunk}, errors, bad);
    /* All pieces before any is pushed: the last element of a row may still fail it. */
    uint32_t n_pieces = (rows.n_rows + DS_CHUNK_ROWS - 1) / DS_CHUNK_ROWS;
    carried *pieces = DS_ARENA_ARRAY(frame->chunk_arena, carried, n_pieces + 1);
    for (uint32_t i = 0; i < n_pieces; i++) {
        uint32_t from = i * DS_CHUNK_ROWS;
        carried piece = {
            ds_flat_map_slice(frame, plan->flat_map, chunk, &rows, from, plan->wanted_exploded),
            traced ? rows.origins + from : NULL};
        pieces[i] = filter_and_map(frame, plan, piece, bad);
    }
    size_t n_bad = drop_bad(frame, node, chunk, bad);
    bool any_bad = traced && n_bad > 0; /* a row without its list has no elements */
    for (uint32_t i = 0; i < n_pieces; i++)
        push_good(frame, node, &pieces[i], bad->all, any_bad);
}

void ds_rows_push(ds_frame *frame, const ds_node *node, uint32_t parent, const ds_chunk *chunk)
{
    const ds_rows_plan *plan = node->rows;
    DS_ASSERT(parent < node->n_parents);
    ds_chunk input = permuted(frame, plan, parent, chunk);
    if (!node->ordered)
        input.positions = NULL; /* nobody asks for them: they need not be carried on */
    bad_rows bad = no_bad_rows(frame, input.n_rows);
    if (plan->flat_map != NULL) {
        push_exploded(frame, node, &input, &bad);
        return;
    }
    carried rows = filter_and_map(frame, plan, (carried){.chunk = input}, &bad);
    size_t n_bad = drop_bad(frame, node, &input, &bad);
    push_good(frame, node, &rows, bad.all, n_bad > 0);
}
