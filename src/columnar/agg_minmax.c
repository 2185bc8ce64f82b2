/* min and max of every type that has an order. Of equal values the first is kept. */
#include "columnar/agg_scalar.h"

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

static void combine(ds_agg_state *state, void *to, const void *older, const void *newer, int sign)
{
    const kept *a = older, *b = newer;
    const ds_heap *heap = &state->text->heap;
    int order = 0;
    if (a->has != 0 && b->has != 0)
        order = ds_scalar_order((ds_kind)state->call->type.kind, heap, &a->value, &b->value);
    bool second = a->has == 0 || (b->has != 0 && order * sign > 0);
    *(kept *)to = second ? *b : *a;
}

static void results(ds_agg_state *state, const ds_agg_out *out)
{
    const kept *records = (const kept *)(void *)state->records;
    uint32_t base = ds_text_store_export(state->text, out->heap);
    ds_column *column = ds_agg_column(out, 0, state->call->type);
    for (uint32_t i = 0; i < out->n; i++) {
        const kept *record = &records[out->ids[i]];
        if (record->has != 0)
            ds_scalar_put(column, i, &record->value, base);
        else
            ds_agg_null(out, column, i);
    }
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
    static const ds_agg_kernels name##_kernels = {.record = sizeof(kept),                          \
                                                  .n_scalars = 1,                                  \
                                                  .update = name##_update,                         \
                                                  .merge = name##_merge,                           \
                                                  .combine = name##_combine,                       \
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
     .null_on_empty = true,
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &min_ops},
    {.name = "max",
     .n_args = 1,
     .usage = "max(x)",
     .null_on_empty = true,
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &max_ops},
    {.name = NULL},
};
