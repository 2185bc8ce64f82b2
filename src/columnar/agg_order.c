/*
 * first, last, min_by, max_by: one row of the group, chosen by where it stands.
 *
 * A record keeps the position of its row. Rows without positions, and partials, come after
 * all rows with one, in order of arrival: they have the position LAST.
 *
 * Lists are kept as strings (boxes, see gather.h); so are they in partials.
 */
#include "columnar/agg_scalar.h"
#include "columnar/gather.h"

#define LAST INT64_MAX

static int64_t position_of(const ds_agg_rows *in, uint32_t row)
{
    return in->positions == NULL ? LAST : in->positions[row];
}

/* ---- Lists ---- */

static bool of_lists(const ds_agg_call *call)
{
    return call->arg_types[0].kind == DS_LIST;
}

typedef struct boxed {
    ds_agg_rows rows;
    const ds_column *args[2];
    ds_arena *arena;
    ds_heap heap;
} boxed;

/* The same rows with boxes as the first argument. The heap has the buffers of the rows' own
 * heap at their places, for the other argument, and then the boxes. */
static void box_rows(boxed *b, const ds_agg_state *state, const ds_agg_rows *in)
{
    b->arena = ds_arena_new(ds_budget_plain(state->budget));
    ds_heap_init(&b->heap, b->arena);
    for (uint32_t i = 0; i < in->heap->n_buffers; i++)
        ds_heap_add(&b->heap, in->heap->buffers[i]);
    b->rows = *in;
    b->rows.heap = &b->heap;
    b->rows.args = b->args;
    b->args[0] = ds_box_lists(b->arena, &b->heap, in->heap, in->args[0], in->rows, in->n);
    b->args[1] = state->call->n_args > 1 ? in->args[1] : NULL;
}

static void free_boxes(boxed *b)
{
    ds_heap_fini(&b->heap);
    ds_arena_free(b->arena);
}

/* The type in which values of an argument are kept. */
static ds_type kept_type(const ds_agg_call *call, uint32_t arg)
{
    return call->arg_types[arg].kind == DS_LIST ? DS_TYPE(DS_STRING) : call->arg_types[arg];
}

static void unbox_results(ds_agg_state *state, const ds_agg_out *out)
{
    if (of_lists(state->call))
        out->columns[0] = ds_unbox_lists(out->arena, out->heap, out->columns[0], state->call->type);
}

/* ---- first and last ---- */

typedef struct kept {
    ds_scalar value;
    int64_t position;
    uint64_t has;
} kept;

DS_SCALAR_INLINE void take(ds_kind kind, ds_text_store *text, kept *record, const ds_heap *heap,
                           const ds_column *column, uint32_t row, int64_t position, bool last)
{
    if (record->has != 0 && (last ? position < record->position : position >= record->position))
        return;
    ds_scalar value = ds_scalar_load(kind, column, row);
    ds_scalar_replace(kind, text, &record->value, heap, &value);
    record->position = position;
    record->has = 1;
}

DS_SCALAR_INLINE void update_kind(ds_kind kind, ds_agg_state *state, const ds_agg_rows *in,
                                  bool last)
{
    kept *records = (kept *)(void *)state->records;
    DS_AGG_EACH_ROW(in, take(kind, state->text, &records[id], in->heap, in->args[0], row,
                             position_of(in, row), last););
}

DS_SCALAR_INLINE void merge_kind(ds_kind kind, ds_agg_state *state, const ds_agg_partials *in,
                                 bool last)
{
    kept *records = (kept *)(void *)state->records;
    for (uint32_t row = 0; row < in->n; row++)
        if (!ds_column_is_null(in->columns[0], row))
            take(kind, state->text, &records[in->ids[row]], in->heap, in->columns[0], row, LAST,
                 last);
}

static void kept_partials(ds_agg_state *state, const ds_agg_out *out)
{
    const kept *records = (const kept *)(void *)state->records;
    uint32_t base = ds_text_store_export(state->text, out->heap);
    ds_column *column = ds_agg_column(out, 0, kept_type(state->call, 0));
    for (uint32_t i = 0; i < out->n; i++) {
        const kept *record = &records[out->ids[i]];
        if (record->has != 0)
            ds_scalar_put(column, i, &record->value, base);
        else
            ds_agg_null(out, column, i);
    }
}

static void kept_results(ds_agg_state *state, const ds_agg_out *out)
{
    kept_partials(state, out);
    unbox_results(state, out);
}

static void combine_kept(ds_agg_state *state, void *to, const void *older, const void *newer,
                         bool last)
{
    (void)state;
    const kept *a = older, *b = newer;
    bool second = a->has == 0 || (last && b->has != 0);
    *(kept *)to = second ? *b : *a;
}

/* ---- min_by and max_by ---- */

typedef struct best {
    ds_scalar x, y; /* x of the row where y is least (or greatest) */
    int64_t position;
    uint64_t has;
} best;

/* x is loaded only for the rows that win: its kind need not be a constant. */
static void replace_x(ds_agg_state *state, best *record, const ds_heap *heap,
                      const ds_column *column, uint32_t row)
{
    ds_kind kind = (ds_kind)column->type.kind;
    ds_scalar value = ds_scalar_load(kind, column, row);
    ds_scalar_replace(kind, state->text, &record->x, heap, &value);
}

DS_SCALAR_INLINE void take_best(ds_kind kind, ds_agg_state *state, best *record,
                                const ds_heap *heap, const ds_column *const *columns, uint32_t row,
                                int64_t position, int sign)
{
    ds_scalar y = ds_scalar_load(kind, columns[1], row);
    if (record->has != 0) {
        int order = sign * ds_scalar_compare(kind, heap, &y, &state->text->heap, &record->y);
        if (order > 0 || (order == 0 && position >= record->position))
            return;
    }
    replace_x(state, record, heap, columns[0], row);
    ds_scalar_replace(kind, state->text, &record->y, heap, &y);
    record->position = position;
    record->has = 1;
}

DS_SCALAR_INLINE void update_best(ds_kind kind, ds_agg_state *state, const ds_agg_rows *in,
                                  int sign)
{
    best *records = (best *)(void *)state->records;
    DS_AGG_EACH_ROW(in, take_best(kind, state, &records[id], in->heap, in->args, row,
                                  position_of(in, row), sign););
}

DS_SCALAR_INLINE void merge_best(ds_kind kind, ds_agg_state *state, const ds_agg_partials *in,
                                 int sign)
{
    best *records = (best *)(void *)state->records;
    for (uint32_t row = 0; row < in->n; row++)
        if (!ds_column_is_null(in->columns[0], row) && !ds_column_is_null(in->columns[1], row))
            take_best(kind, state, &records[in->ids[row]], in->heap, in->columns, row, LAST, sign);
}

static void combine_best(ds_agg_state *state, void *to, const void *older, const void *newer,
                         int sign)
{
    const best *a = older, *b = newer;
    const ds_heap *heap = &state->text->heap;
    bool second = a->has == 0;
    if (a->has != 0 && b->has != 0)
        second =
            sign * ds_scalar_order((ds_kind)state->call->arg_types[1].kind, heap, &b->y, &a->y) < 0;
    *(best *)to = second ? *b : *a;
}

/* The columns x, or x and y. */
static void put_best(ds_agg_state *state, const ds_agg_out *out, uint32_t n_columns)
{
    const best *records = (const best *)(void *)state->records;
    uint32_t base = ds_text_store_export(state->text, out->heap);
    for (uint32_t c = 0; c < n_columns; c++) {
        ds_column *column = ds_agg_column(out, c, kept_type(state->call, c));
        for (uint32_t i = 0; i < out->n; i++) {
            const best *record = &records[out->ids[i]];
            if (record->has != 0)
                ds_scalar_put(column, i, c == 0 ? &record->x : &record->y, base);
            else
                ds_agg_null(out, column, i);
        }
    }
}

static void best_partials(ds_agg_state *state, const ds_agg_out *out)
{
    put_best(state, out, 2);
}

static void best_results(ds_agg_state *state, const ds_agg_out *out)
{
    put_best(state, out, 1);
    unbox_results(state, out);
}

/* ---- The table ---- */

/* update and merge with the kind of the deciding argument (the last one) as a constant. `way`
 * tells first from last, and min_by from max_by. */
#define DEFINE(name, update_fn, merge_fn, combine_fn, way)                                         \
    static void name##_update(ds_agg_state *state, const ds_agg_rows *in)                          \
    {                                                                                              \
        const ds_agg_call *call = state->call;                                                     \
        ds_kind kind = (ds_kind)kept_type(call, call->n_args - 1).kind;                            \
        boxed b;                                                                                   \
        if (of_lists(call)) {                                                                      \
            box_rows(&b, state, in);                                                               \
            in = &b.rows;                                                                          \
        }                                                                                          \
        DS_SCALAR_SWITCH(kind, update_fn, state, in, way);                                         \
        if (of_lists(call))                                                                        \
            free_boxes(&b);                                                                        \
    }                                                                                              \
    static void name##_merge(ds_agg_state *state, const ds_agg_partials *in)                       \
    {                                                                                              \
        const ds_agg_call *call = state->call;                                                     \
        DS_SCALAR_SWITCH(kept_type(call, call->n_args - 1).kind, merge_fn, state, in, way);        \
    }                                                                                              \
    static void name##_combine(ds_agg_state *state, void *to, const void *older,                   \
                               const void *newer)                                                  \
    {                                                                                              \
        combine_fn(state, to, older, newer, way);                                                  \
    }

DEFINE(first, update_kind, merge_kind, combine_kept, false)
DEFINE(last, update_kind, merge_kind, combine_kept, true)
DEFINE(min_by, update_best, merge_best, combine_best, 1)
DEFINE(max_by, update_best, merge_best, combine_best, -1)

#define KEPT_KERNELS(name)                                                                         \
    {                                                                                              \
        .record = sizeof(kept), .n_scalars = 1, .update = name##_update, .merge = name##_merge,    \
        .combine = name##_combine, .partials = kept_partials, .results = kept_results              \
    }
#define BEST_KERNELS(name)                                                                         \
    {                                                                                              \
        .record = sizeof(best), .n_scalars = 2, .update = name##_update, .merge = name##_merge,    \
        .combine = name##_combine, .partials = best_partials, .results = best_results              \
    }

static const ds_agg_kernels first_kernels = KEPT_KERNELS(first), last_kernels = KEPT_KERNELS(last);
static const ds_agg_kernels min_by_kernels = BEST_KERNELS(min_by);
static const ds_agg_kernels max_by_kernels = BEST_KERNELS(max_by);

static const struct ds_aggregate_ops first_ops = {&first_kernels, NULL},
                                     last_ops = {&last_kernels, NULL},
                                     min_by_ops = {&min_by_kernels, NULL},
                                     max_by_ops = {&max_by_kernels, NULL};

static bool resolve_kept(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_any(r, 0) &&
           ds_agg_done(r, call, 1, r->wanted[0]);
}

static bool resolve_best(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 2, 2) && ds_agg_want_any(r, 0) && ds_agg_want_scalar(r, 1) &&
           ds_agg_done(r, call, 2, r->wanted[0]);
}

static uint32_t partial(const ds_agg_call *call, ds_type *types)
{
    for (uint32_t a = 0; a < call->n_args; a++)
        types[a] = kept_type(call, a);
    return call->n_args;
}

static ds_slide slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_COMBINE;
}

#define AGGREGATE(label, form, args, hook)                                                         \
    {                                                                                              \
        .name = #label, .n_args = (args), .usage = (form), .ordered = true, .resolve = (hook),     \
        .partial = partial, .slide = slide, .ops = &label##_ops                                    \
    }

const ds_aggregate ds_aggregates_order[] = {
    AGGREGATE(first, "first(x)", 1, resolve_kept),
    AGGREGATE(last, "last(x)", 1, resolve_kept),
    AGGREGATE(min_by, "min_by(x, y)", 2, resolve_best),
    AGGREGATE(max_by, "max_by(x, y)", 2, resolve_best),
    {.name = NULL},
};
