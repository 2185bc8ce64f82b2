/* min and max of every type that has an order. Of equal values the first is kept. */
#include "columnar/agg_scalar.h"

#define AHEAD 8u /* records that are fetched before they are combined */

typedef struct kept {
    ds_scalar value;
    uint64_t has; /* 0 or 1 */
} kept;

DS_SCALAR_INLINE void take(ds_kind kind, ds_text_store *text, kept *record, const ds_heap *heap,
                           const ds_scalar *value, int sign)
{
    bool worse = ds_scalar_compare(kind, heap, value, &text->heap, &record->value) * sign >= 0;
    if (kind != DS_STRING) { /* no branch: which of two is taken is hard to foresee */
        uint64_t kept_bits = 0 - ((uint64_t)worse & record->has);
        uint64_t both = (uint64_t)record->value.i ^ (uint64_t)value->i;
        record->value.i = (int64_t)((uint64_t)value->i ^ (both & kept_bits));
    } else if (record->has == 0 || !worse) {
        ds_scalar_replace(kind, text, &record->value, heap, value);
    }
    record->has = 1;
}

DS_SCALAR_INLINE void update_kind(ds_kind kind, ds_agg_state *state, const ds_agg_rows *in,
                                  int sign)
{
    kept *records = (kept *)(void *)state->records;
    const ds_column *column = in->args[0];
    DS_AGG_EACH_ROW(in, {
        ds_scalar value = ds_scalar_load(kind, column, row);
        take(kind, state->text, &records[id], in->heap, &value, sign);
    });
}

DS_SCALAR_INLINE void merge_kind(ds_kind kind, ds_agg_state *state, const ds_agg_partials *in,
                                 int sign)
{
    kept *records = (kept *)(void *)state->records;
    const ds_column *column = in->columns[0];
    for (uint32_t row = 0; row < in->n; row++) {
        if (ds_column_is_null(column, row))
            continue;
        ds_scalar value = ds_scalar_load(kind, column, row);
        take(kind, state->text, &records[in->ids[row]], in->heap, &value, sign);
    }
}

/* Which of two is better cannot be foreseen: no branch for it. */
DS_SCALAR_INLINE void combine_kind(ds_kind kind, const ds_heap *heap, kept *to, const kept *a,
                                   const kept *b, int sign)
{
    int order = 0;
    if (kind != DS_STRING || (a->has != 0 && b->has != 0))
        order = ds_scalar_compare(kind, heap, &a->value, heap, &b->value);
    bool second = (a->has == 0) | ((b->has != 0) & (order * sign > 0));
    if (kind == DS_STRING) {
        *to = second ? *b : *a;
        return;
    }
    uint64_t both = (uint64_t)a->value.i ^ (uint64_t)b->value.i;
    to->value.i = (int64_t)((uint64_t)a->value.i ^ (both & (0 - (uint64_t)second)));
    to->has = a->has | b->has;
}

static void combine(ds_agg_state *state, void *to, const void *older, const void *newer, int sign)
{
    DS_SCALAR_SWITCH(state->call->type.kind, combine_kind, &state->text->heap, to, older, newer,
                     sign);
}

DS_SCALAR_INLINE void combine_each_kind(ds_kind kind, ds_agg_state *state, uint32_t to,
                                        const uint32_t *older, const uint32_t *newer, uint32_t n,
                                        int sign)
{
    kept *records = (kept *)(void *)state->records;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t ahead = i + AHEAD < n ? i + AHEAD : i;
        __builtin_prefetch(&records[older[ahead]]);
        __builtin_prefetch(&records[newer[ahead]]);
        combine_kind(kind, &state->text->heap, &records[to + i], &records[older[i]],
                     &records[newer[i]], sign);
    }
}

DS_SCALAR_INLINE void results_kind(ds_kind kind, ds_agg_state *state, const ds_agg_out *out,
                                   ds_column *column, uint32_t base)
{
    const kept *records = (const kept *)(void *)state->records;
    for (uint32_t i = 0; i < out->n; i++) {
        const kept *record = &records[out->ids[i]];
        if (record->has == 0)
            ds_agg_null(out, column, i);
        else if (kind == DS_BOOL)
            ds_bit_put(column->bits, i, record->value.i != 0);
        else if (kind == DS_STRING)
            column->views[i] = ds_text_store_view(&record->value.v, base);
        else
            column->ints[i] = record->value.i; /* or the bits of a float */
    }
}

static void results(ds_agg_state *state, const ds_agg_out *out)
{
    uint32_t base = ds_text_store_export(state->text, out->heap);
    ds_column *column = ds_agg_column(out, 0, state->call->type);
    DS_SCALAR_SWITCH(state->call->type.kind, results_kind, state, out, column, base);
}

#define DEFINE(name, sign)                                                                         \
    static void name##_update(ds_agg_state *state, const ds_agg_rows *in)                          \
    {                                                                                              \
        DS_SCALAR_SWITCH(state->call->arg_types[0].kind, update_kind, state, in, sign);            \
    }                                                                                              \
    static void name##_merge(ds_agg_state *state, const ds_agg_partials *in)                       \
    {                                                                                              \
        DS_SCALAR_SWITCH(state->call->arg_types[0].kind, merge_kind, state, in, sign);             \
    }                                                                                              \
    static void name##_combine(ds_agg_state *state, void *to, const void *older,                   \
                               const void *newer)                                                  \
    {                                                                                              \
        combine(state, to, older, newer, sign);                                                    \
    }                                                                                              \
    static void name##_combine_each(ds_agg_state *state, uint32_t to, const uint32_t *older,       \
                                    const uint32_t *newer, uint32_t n)                             \
    {                                                                                              \
        DS_SCALAR_SWITCH(state->call->type.kind, combine_each_kind, state, to, older, newer, n,    \
                         sign);                                                                    \
    }                                                                                              \
    static const ds_agg_kernels name##_kernels = {.record = sizeof(kept),                          \
                                                  .n_scalars = 1,                                  \
                                                  .update = name##_update,                         \
                                                  .merge = name##_merge,                           \
                                                  .combine = name##_combine,                       \
                                                  .combine_each = name##_combine_each,             \
                                                  .partials = results,                             \
                                                  .results = results};                             \
    static const struct ds_aggregate_ops name##_ops = {&name##_kernels, NULL};

DEFINE(min, 1)
DEFINE(max, -1)

static bool resolve(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_scalar(r, 0) &&
           ds_agg_done(r, call, 1, r->wanted[0]);
}

static uint32_t partial(const ds_agg_call *call, ds_type *types)
{
    types[0] = call->type;
    return 1;
}

static ds_slide slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_COMBINE;
}

const ds_aggregate ds_aggregates_minmax[] = {
    {.name = "min",
     .n_args = 1,
     .usage = "min(x)",
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &min_ops},
    {.name = "max",
     .n_args = 1,
     .usage = "max(x)",
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &max_ops},
    {.name = NULL},
};
