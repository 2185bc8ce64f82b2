/* The run-time half of op_state.h. */
#include "dstream/op_state.h"

#include "base/assert.h"
#include "columnar/piece.h"
#include "columnar/slice.h"
#include "dstream/op_where.h"
#include "dstream/pieces.h"

#include <stdlib.h>

struct ds_kept_state {
    ds_state *state;
    bool started;       /* has its initial rows */
    bool saved_started; /* when it was last saved */
    /* Of the last batch: a task that runs again counts them again. */
    uint64_t overflow_values, function_values;
    /* A batch that was applied in part: to keys whose hash is below. */
    int64_t part_ms;
    uint64_t part_end;
};

ds_kept_state *ds_kept_state_new(const ds_node *node, ds_budget *budget)
{
    ds_kept_state *kept = ds_calloc(1, sizeof *kept);
    kept->state = ds_state_new(&node->group->state->spec, budget);
    kept->part_ms = DS_NO_BATCH;
    return kept;
}

void ds_kept_state_free(ds_kept_state *kept)
{
    if (kept == NULL)
        return;
    ds_state_free(kept->state);
    free(kept);
}

ds_state *ds_kept_state_of(ds_kept_state *kept)
{
    return kept->state;
}

/* ---- As bytes ---- */

enum { FRAME_STARTED = 2 };

bool ds_kept_state_unsaved(const ds_kept_state *kept)
{
    return kept->started != kept->saved_started || ds_state_unsaved(kept->state);
}

ds_status ds_kept_state_save(ds_kept_state *kept, bool whole, ds_saver *saver, ds_error *error)
{
    const uint64_t started = kept->saved_started = kept->started;
    const ds_saved_bytes part = {&started, sizeof started};
    DS_TRY(ds_saver_put(saver, FRAME_STARTED, &part, 1, error));
    return ds_state_save(kept->state, whole, saver, error);
}

ds_status ds_kept_state_load(ds_kept_state *kept, bool whole, ds_loader *loader, ds_error *error)
{
    uint64_t started;
    uint32_t tag;
    size_t length;
    DS_TRY(ds_loader_next(loader, &tag, &length, error));
    if (tag != FRAME_STARTED || length != sizeof started)
        return ds_error_set(error, DS_ERR_PROTOCOL, "saved state is damaged");
    DS_TRY(ds_loader_take(loader, &started, error));
    kept->started = kept->saved_started = started != 0;
    return ds_state_load(kept->state, whole, loader, error);
}

/* True if rows of keys are wanted that had none. */
static bool shows_all(const ds_node *node)
{
    for (uint32_t i = 0; i < node->n_children; i++)
        if (node->children[i]->kind == DS_NODE_SNAPSHOT)
            return true;
    return node->group->state->emit_all;
}

bool ds_state_acts_alone(const ds_node *node)
{
    return shows_all(node) || node->group->state->spec.timeout_ms > 0;
}

int64_t ds_kept_state_acts_ms(const ds_node *node, const ds_kept_state *kept, int64_t version_ms)
{
    if (!kept->started && node->group->state->n_initial > 0)
        return DS_NO_BATCH;
    if (ds_state_count(kept->state) > 0 && shows_all(node))
        return version_ms;
    int64_t seen_ms = ds_state_oldest_ms(kept->state);
    return seen_ms == INT64_MAX ? INT64_MAX : seen_ms + node->group->state->spec.timeout_ms;
}

/* How many keys are looked at until pages of the state may have to go. */
static uint32_t most_rows(const ds_frame *frame)
{
    return ds_budget_step(frame->kept, DS_CHUNK_ROWS);
}

/* ---- A batch ---- */

typedef struct batch {
    ds_frame *frame;
    const ds_node *node;
    const ds_group_plan *group;
    const ds_state_plan *plan;
    ds_kept_state *kept;
    ds_state *state;
    const ds_piece_bytes *pieces;
    uint32_t n_pieces;
    ds_groups *groups;        /* of keys with rows */
    ds_groups *none;          /* of no rows; NULL: not asked for yet */
    ds_column **empty;        /* the calls of no rows: columns of one row */
    uint64_t **empty_misfits; /* by call: NULL, or it failed */
} batch;

/* A chunk of keys, from the old state to the new. */
typedef struct keys {
    uint32_t n;
    uint32_t ids[DS_CHUNK_ROWS];
    ds_group_rows rows;       /* keys, old values, calls */
    const ds_column **output; /* keys, new values */
    const uint64_t *removed;  /* bits: remove_when holds; NULL: for none */
} keys;

static void begin_keys(batch *b, keys *k)
{
    ds_arena *arena = b->frame->chunk_arena;
    const ds_group_plan *group = b->group;
    uint32_t n_calls = group->spec.n_calls, n_columns = group->n_keys + group->n_old + n_calls;
    k->rows = (ds_group_rows){.n = k->n,
                              .columns = DS_ARENA_ARRAY(arena, ds_column *, n_columns + 1),
                              .overflows = DS_ARENA_ARRAY(arena, uint64_t *, n_calls + 1)};
    k->output = DS_ARENA_ARRAY(arena, const ds_column *, group->n_keys + group->n_results + 1);
}

/* The calls of keys without rows. */
static void take_empty(batch *b, keys *k)
{
    static const uint32_t zeros[DS_CHUNK_ROWS];
    ds_frame *frame = b->frame;
    const ds_group_spec *spec = &b->group->spec;
    if (b->none == NULL) {
        ds_group_spec *alone = DS_ARENA_NEW(frame->arena, ds_group_spec);
        *alone = (ds_group_spec){.calls = spec->calls, .n_calls = spec->n_calls};
        b->none = ds_groups_new(alone, frame->budget);
        b->empty = DS_ARENA_ARRAY(frame->arena, ds_column *, spec->n_calls + 1);
        b->empty_misfits = DS_ARENA_ARRAY(frame->arena, uint64_t *, spec->n_calls + 1);
        ds_groups_results(b->none, frame->arena, &frame->heap, zeros, 1, b->empty,
                          b->empty_misfits);
    }
    for (uint32_t c = 0; c < spec->n_calls; c++) {
        k->rows.columns[b->group->n_keys + b->group->n_old + c] =
            ds_column_gather(frame->chunk_arena, b->empty[c], zeros, k->n);
        if (b->empty_misfits[c] == NULL)
            continue;
        k->rows.overflows[c] = ds_arena_alloc(frame->chunk_arena, sizeof(uint64_t[DS_CHUNK_WORDS]));
        ds_bitmap_fill(k->rows.overflows[c], k->n);
    }
}

/* Computes the new state of keys, and which of them go. */
static void compute(batch *b, keys *k)
{
    ds_frame *frame = b->frame;
    ds_group_finish(frame, b->node, &k->rows, k->output);
    k->removed = NULL;
    if (b->plan->remove_when == NULL)
        return;
    const ds_chunk chunk = {k->n, b->node->schema.n_fields, k->output, NULL};
    const ds_column *condition;
    uint64_t *errors;
    ds_frame_run(frame, b->plan->remove_when, 0, &chunk, &condition, &errors);
    ds_frame_count_values(frame, errors, frame->faults, k->n);
    k->removed = ds_where_true(frame->chunk_arena, condition, errors, k->n);
}

/* Takes keys out for which remove_when holds; what is left of them are new ones. */
static void remove_keys(batch *b, keys *k)
{
    uint32_t gone[DS_CHUNK_ROWS];
    if (k->removed == NULL)
        return;
    for (uint32_t i = 0; i < k->n; i++) {
        bool removed = ds_bit_get(k->removed, i);
        gone[i] = removed ? k->ids[i] : DS_NEW_KEY;
        if (removed)
            k->ids[i] = DS_NEW_KEY;
    }
    ds_state_remove(b->state, gone, k->n);
}

static void set_values(batch *b, const keys *k)
{
    b->frame->overflow_values +=
        ds_state_set(b->state, &b->frame->heap, k->ids, k->output + b->group->n_keys, k->n);
}

/* The bits of the rows that stay. */
static const uint64_t *staying(batch *b, const keys *k)
{
    if (k->removed == NULL)
        return NULL;
    size_t words = ds_bitmap_words(k->n);
    uint64_t *bits = ds_arena_alloc(b->frame->chunk_arena, words * sizeof *bits);
    for (size_t w = 0; w < words; w++)
        bits[w] = ~k->removed[w];
    return bits;
}

/* Applies the rows of keys that were made: the columns of the keys, then those of the calls. */
static void apply_made(batch *b, const uint64_t *hashes, ds_column **made, keys *k)
{
    ds_frame *frame = b->frame;
    const ds_group_plan *group = b->group;
    uint32_t n_keys = group->n_keys, n_calls = group->spec.n_calls;
    for (uint32_t c = 0; c < n_keys + n_calls; c++)
        k->rows.columns[c < n_keys ? c : c + group->n_old] = made[c];
    const ds_column *const *key_columns = (const ds_column *const *)made;
    ds_state_find(b->state, &frame->heap, key_columns, hashes, k->n, k->ids);
    ds_state_values(b->state, frame->chunk_arena, &frame->heap, k->ids, k->n,
                    k->rows.columns + n_keys);
    compute(b, k);
    remove_keys(b, k);
    ds_state_add(b->state, &frame->heap, key_columns, hashes, k->n, staying(b, k), frame->batch_ms,
                 k->ids);
    set_values(b, k);
    ds_state_see(b->state, k->ids, k->n, frame->batch_ms);
}

static ds_column **begin_made(batch *b, keys *k)
{
    begin_keys(b, k);
    return DS_ARENA_ARRAY(b->frame->chunk_arena, ds_column *,
                          b->group->n_keys + b->group->spec.n_calls + 1);
}

static void apply_rows(batch *b, uint32_t at, keys *k)
{
    uint32_t numbers[DS_CHUNK_ROWS];
    ds_column **made = begin_made(b, k);
    for (uint32_t i = 0; i < k->n; i++)
        numbers[i] = at + i;
    ds_groups_results(b->groups, b->frame->chunk_arena, &b->frame->heap, numbers, k->n, made,
                      k->rows.overflows);
    apply_made(b, ds_groups_hashes(b->groups) + at, made, k);
}

/* The same of partials, which are of different keys. */
static void apply_partials(batch *b, const ds_column *const *partials, keys *k)
{
    ds_frame *frame = b->frame;
    const ds_group_plan *group = b->group;
    uint64_t hashes[DS_CHUNK_ROWS];
    ds_column **made = begin_made(b, k);
    ds_groups *groups = ds_groups_new(&group->spec, frame->budget);
    ds_hash_rows(&frame->heap, partials, group->n_keys, k->n, hashes);
    for (uint32_t c = 0; c < group->n_keys; c++) {
        made[c] = DS_ARENA_NEW(frame->chunk_arena, ds_column);
        *made[c] = *partials[c];
    }
    ds_groups_results_of(groups, frame->chunk_arena, &frame->heap, partials, k->n,
                         made + group->n_keys, k->rows.overflows);
    apply_made(b, hashes, made, k);
    ds_groups_free(groups);
}

/* Keys that are in the state, and have no rows. */
static void compute_without_rows(batch *b, keys *k)
{
    ds_frame *frame = b->frame;
    begin_keys(b, k);
    ds_state_keys(b->state, frame->chunk_arena, &frame->heap, k->ids, k->n, k->rows.columns);
    ds_state_values(b->state, frame->chunk_arena, &frame->heap, k->ids, k->n,
                    k->rows.columns + b->group->n_keys);
    take_empty(b, k);
    compute(b, k);
}

/* With "emit": "all" only live keys are emitted: one that times out is just forgotten. */
static void apply_time_outs(batch *b, keys *k)
{
    b->frame->timed_out = true;
    while ((k->n = ds_state_due(b->state, b->frame->batch_ms, k->ids, most_rows(b->frame))) > 0) {
        compute_without_rows(b, k);
        remove_keys(b, k);
        if (b->plan->emit_all) {
            ds_state_remove(b->state, k->ids, k->n);
        } else {
            set_values(b, k);
            ds_state_end(b->state, k->ids, k->n);
        }
        ds_arena_reset(b->frame->chunk_arena);
    }
    b->frame->timed_out = false;
}

static void apply_rest(batch *b, keys *k)
{
    uint32_t n_changed, at = 0;
    const uint32_t *changed = ds_state_changed(b->state, &n_changed);
    size_t words = ds_bitmap_words(ds_state_limit(b->state));
    uint64_t *seen = ds_arena_calloc(b->frame->arena, words + 1, sizeof *seen);
    for (uint32_t i = 0; i < n_changed; i++)
        ds_bit_set(seen, changed[i]);
    uint32_t found;
    while ((found = ds_state_walk(b->state, &at, k->ids, most_rows(b->frame))) > 0) {
        k->n = 0;
        for (uint32_t i = 0; i < found; i++)
            if (!ds_bit_get(seen, k->ids[i]))
                k->ids[k->n++] = k->ids[i];
        if (k->n == 0)
            continue;
        compute_without_rows(b, k);
        remove_keys(b, k);
        set_values(b, k);
        ds_arena_reset(b->frame->chunk_arena);
    }
}

/* The rows of the app file that belong to this partition. */
static void add_initial(const ds_frame *frame, const ds_node *node, ds_state *state)
{
    const ds_state_plan *plan = node->group->state;
    uint32_t n_partitions = frame->plan->stages[node->stage].n_partitions;
    uint64_t hashes[DS_CHUNK_ROWS], wanted[DS_CHUNK_WORDS];
    uint32_t ids[DS_CHUNK_ROWS];
    for (uint32_t c = 0; c < plan->n_initial; c++) {
        const ds_chunk *chunk = &plan->initial[c];
        uint32_t n = chunk->n_rows;
        ds_hash_rows(&plan->heap, chunk->columns, plan->spec.n_keys, n, hashes);
        for (uint32_t i = 0; i < n; i++) {
            ids[i] = DS_NEW_KEY;
            ds_bit_put(wanted, i, ds_hash_partition(hashes[i], n_partitions) == frame->partition);
        }
        ds_state_add(state, &plan->heap, chunk->columns, hashes, n, wanted, frame->zero_ms, ids);
        ds_state_set(state, &plan->heap, ids, chunk->columns + plan->spec.n_keys, n);
    }
}

static void apply_groups(batch *b)
{
    keys k;
    uint32_t total = ds_groups_count(b->groups);
    for (uint32_t at = 0; at < total; at += k.n) {
        uint32_t most = most_rows(b->frame);
        k.n = total - at < most ? total - at : most;
        apply_rows(b, at, &k);
        ds_arena_reset(b->frame->chunk_arena);
    }
}

static ds_status no_rows(void *arg, const ds_column *const *columns, uint32_t n)
{
    (void)arg, (void)columns, (void)n;
    return DS_OK;
}

/* Before the first change. A table of some keys only may not have seen all rows: that these can
 * be read is made sure of. */
static ds_status begin_batch(batch *b, uint64_t end, ds_error *error)
{
    ds_kept_state *kept = b->kept;
    if (end < DS_ALL_HASHES)
        DS_TRY(ds_pieces_each(b->frame, b->node, b->pieces, b->n_pieces, no_rows, NULL, error));
    if (!kept->started)
        add_initial(b->frame, b->node, kept->state);
    kept->started = true;
    kept->overflow_values = kept->function_values = 0;
    ds_state_begin(kept->state);
    return DS_OK;
}

/* What is counted of a frame, before some keys are applied. */
typedef struct counted {
    uint64_t overflow_values, function_values;
} counted;

static counted count(const ds_frame *frame)
{
    return (counted){frame->overflow_values, frame->function_values};
}

/* The batch is applied to keys whose hash is below. */
static void end_part(batch *b, uint64_t end, counted before)
{
    ds_kept_state *kept = b->kept;
    kept->part_ms = b->frame->batch_ms;
    kept->part_end = end;
    kept->overflow_values += b->frame->overflow_values - before.overflow_values;
    kept->function_values += b->frame->function_values - before.function_values;
}

/* Applies the batch to some keys. Nothing in here fails once it has begun: the budget was asked
 * before, and is asked after it. */
static ds_status apply_pass(void *arg, ds_groups *groups, uint64_t first, uint64_t end,
                            ds_error *error)
{
    batch *b = arg;
    const ds_kept_state *kept = b->kept;
    counted before = count(b->frame);
    DS_ASSERT(kept->part_ms != b->frame->batch_ms || kept->part_end == first);
    if (kept->part_ms != b->frame->batch_ms)
        DS_TRY(begin_batch(b, end, error));
    b->groups = groups;
    apply_groups(b);
    end_part(b, end, before);
    return DS_OK;
}

/* ---- A batch of one piece ---- */

#define ALONE_BYTES ((size_t)8 << 20) /* of rows that are taken all at once */
#define ALONE_PART 8u                 /* of what a table may have */

/* Whether all rows of a piece may be held at once. */
static bool is_small(const batch *b, uint32_t n_rows)
{
    size_t most = b->frame->table_bytes / ALONE_PART;
    size_t row = ds_plan_input(b->frame->plan, b->node)->n_types * sizeof(ds_view);
    return b->pieces[0].length + row * n_rows <= (most < ALONE_BYTES ? most : ALONE_BYTES);
}

/* A piece is what one table was handed out as: each of its keys is there once. So if it is the only
 * one, no table has to bring rows of a key together. Functions of the user's own are not run amid
 * the changes. */
static ds_status is_alone(const batch *b, bool *alone, ds_error *error)
{
    const ds_group_spec *spec = &b->group->spec;
    uint32_t n_rows;
    *alone = false;
    if (b->n_pieces != 1 || b->kept->part_ms == b->frame->batch_ms || spec->n_keys == 0 ||
        most_rows(b->frame) != DS_CHUNK_ROWS)
        return DS_OK;
    for (uint32_t c = 0; c < spec->n_calls; c++)
        if (spec->calls[c].aggregate->user)
            return DS_OK;
    DS_TRY(ds_frame_piece_rows(b->frame, &b->pieces[0], &n_rows, error));
    *alone = is_small(b, n_rows);
    return DS_OK;
}

/* Applies rows that were taken whole. */
static void apply_columns(batch *b, const ds_column *const *columns, uint32_t total)
{
    keys k;
    uint32_t n_columns = ds_plan_input(b->frame->plan, b->node)->n_types;
    for (uint32_t at = 0; at < total; at += k.n) {
        ds_arena *arena = b->frame->chunk_arena;
        ds_column *parts = DS_ARENA_ARRAY(arena, ds_column, n_columns);
        const ds_column **part = DS_ARENA_ARRAY(arena, const ds_column *, n_columns);
        k.n = total - at < DS_CHUNK_ROWS ? total - at : DS_CHUNK_ROWS;
        ds_columns_slice(columns, n_columns, at, k.n, parts, part);
        apply_partials(b, part, &k);
        ds_arena_reset(arena);
    }
}

/* All rows are taken, and the budget is asked, before the first change. */
static ds_status apply_taken(batch *b, ds_arena *arena, ds_error *error)
{
    ds_frame *frame = b->frame;
    const ds_stage_input *input = ds_plan_input(frame->plan, b->node);
    ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, input->n_types);
    const void *bytes;
    uint32_t n_rows;
    DS_TRY(ds_frame_piece(frame, arena, &b->pieces[0], &bytes, error));
    DS_TRY(ds_piece_read(arena, &frame->heap, bytes, b->pieces[0].length, input->types,
                         input->n_types, columns, &n_rows, error));
    DS_TRY(ds_frame_next_chunk(frame));
    counted before = count(frame);
    DS_TRY(begin_batch(b, DS_ALL_HASHES, error));
    apply_columns(b, (const ds_column *const *)columns, n_rows);
    end_part(b, DS_ALL_HASHES, before);
    return DS_OK;
}

static ds_status apply_alone(batch *b, ds_error *error)
{
    ds_arena *arena = ds_arena_new(b->frame->budget);
    ds_status status = apply_taken(b, arena, error);
    ds_arena_free(arena);
    return status;
}

/* ---- All of a batch ---- */

/* Of a batch that has no rows: no table is needed to bring them together. */
static ds_status apply_nothing(batch *b, ds_error *error)
{
    counted before = count(b->frame);
    DS_TRY(begin_batch(b, DS_ALL_HASHES, error));
    end_part(b, DS_ALL_HASHES, before);
    return DS_OK;
}

/* Keys without rows, when those with rows are done. */
static void apply_others(batch *b)
{
    keys k;
    counted before = count(b->frame);
    apply_time_outs(b, &k);
    if (b->plan->emit_all)
        apply_rest(b, &k);
    end_part(b, DS_ALL_HASHES, before);
    ds_groups_free(b->none);
}

/* A task that failed between two passes left the batch applied in part: the next one goes on. */
static ds_status apply(ds_frame *frame, const ds_node *node, ds_kept_state *kept,
                       const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error)
{
    batch b = {.frame = frame,
               .node = node,
               .group = node->group,
               .plan = node->group->state,
               .kept = kept,
               .state = kept->state,
               .pieces = pieces,
               .n_pieces = n_pieces};
    uint64_t from = 0;
    if (kept->part_ms == frame->batch_ms) {
        from = kept->part_end;
        frame->overflow_values += kept->overflow_values;
        frame->function_values += kept->function_values;
    }
    bool alone;
    DS_TRY(is_alone(&b, &alone, error));
    if (n_pieces == 0 && kept->part_ms != frame->batch_ms && b.group->spec.n_keys > 0)
        DS_TRY(apply_nothing(&b, error));
    else if (alone)
        DS_TRY(apply_alone(&b, error));
    else if (from < DS_ALL_HASHES)
        DS_TRY(ds_group_each_pass(frame, node, pieces, n_pieces, from, apply_pass, &b, error));
    apply_others(&b);
    kept->part_ms = DS_NO_BATCH;
    return DS_OK;
}

/* ---- What is emitted ---- */

static ds_status push_keys(ds_frame *frame, const ds_node *to, ds_state *state,
                           const ds_state_spec *spec, const uint32_t *ids, uint32_t n)
{
    ds_arena *arena = frame->chunk_arena;
    uint32_t n_columns = spec->n_keys + spec->n_values;
    ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, n_columns + 1);
    ds_state_rows(state, arena, &frame->heap, ids, n, to->wanted, columns);
    ds_chunk chunk = {n, n_columns, (const ds_column *const *)columns, NULL};
    ds_frame_push(frame, to, &chunk);
    return ds_frame_next_chunk(frame);
}

static ds_status push_list(ds_frame *frame, const ds_node *node, ds_state *state,
                           const uint32_t *ids, uint32_t total)
{
    const ds_state_spec *spec = &node->group->state->spec;
    for (uint32_t at = 0, n; at < total; at += n) {
        uint32_t most = most_rows(frame);
        n = total - at < most ? total - at : most;
        DS_TRY(push_keys(frame, node, state, spec, ids + at, n));
    }
    return DS_OK;
}

static ds_status push_all(ds_frame *frame, const ds_node *to, ds_state *state,
                          const ds_state_spec *spec)
{
    uint32_t ids[DS_CHUNK_ROWS], n, at = 0;
    while ((n = ds_state_walk(state, &at, ids, most_rows(frame))) > 0)
        DS_TRY(push_keys(frame, to, state, spec, ids, n));
    return DS_OK;
}

static ds_status push_changes(ds_frame *frame, const ds_node *node, ds_state *state)
{
    uint32_t n;
    const uint32_t *changed = ds_state_changed(state, &n);
    DS_TRY(push_list(frame, node, state, changed, n));
    const uint32_t *ended = ds_state_ended(state, &n);
    frame->timed_out = true;
    ds_status status = push_list(frame, node, state, ended, n);
    frame->timed_out = false;
    return status;
}

/* True if somebody other than snapshots reads what the state emits at this time. */
static bool is_read(const ds_frame *frame, const ds_node *node)
{
    for (uint32_t i = 0; i < node->n_children; i++)
        if (node->children[i]->kind != DS_NODE_SNAPSHOT && frame->due->reads[node->children[i]->id])
            return true;
    return false;
}

static ds_status emit(ds_frame *frame, const ds_node *node, ds_state *state)
{
    const ds_state_plan *plan = node->group->state;
    if (is_read(frame, node))
        DS_TRY(plan->emit_all ? push_all(frame, node, state, &plan->spec)
                              : push_changes(frame, node, state));
    for (uint32_t i = 0; i < node->n_children; i++) {
        const ds_node *child = node->children[i];
        if (child->kind == DS_NODE_SNAPSHOT && frame->due->reads[child->id])
            DS_TRY(push_all(frame, child, state, &plan->spec));
    }
    return DS_OK;
}

ds_status ds_state_reduce(ds_frame *frame, const ds_node *node, ds_kept_state *kept, bool *applied,
                          const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error)
{
    if (*applied) {
        frame->overflow_values += kept->overflow_values;
        frame->function_values += kept->function_values;
    } else {
        DS_TRY(apply(frame, node, kept, pieces, n_pieces, error));
    }
    *applied = true;
    DS_TRY(ds_frame_next_chunk(frame));
    return emit(frame, node, kept->state);
}
