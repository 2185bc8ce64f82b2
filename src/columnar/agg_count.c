/* count(), count(*), count(x): a number for each group. */
#include "columnar/agg_state.h"

static void update(ds_agg_state *state, const ds_agg_rows *in)
{
    int64_t *counts = (int64_t *)(void *)state->records;
    DS_AGG_EACH_ROW(in, counts[id]++;);
}

static void add(ds_agg_state *state, const ds_agg_partials *in, bool subtract)
{
    uint64_t *counts = (uint64_t *)(void *)state->records;
    const int64_t *values = in->columns[0]->ints;
    for (uint32_t row = 0; row < in->n; row++)
        counts[in->ids[row]] += subtract ? -(uint64_t)values[row] : (uint64_t)values[row];
}

static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    add(state, in, false);
}

static void subtract(ds_agg_state *state, const ds_agg_partials *in)
{
    add(state, in, true);
}

static void results(ds_agg_state *state, const ds_agg_out *out)
{
    const int64_t *counts = (const int64_t *)(void *)state->records;
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_INT));
    for (uint32_t i = 0; i < out->n; i++)
        column->ints[i] = counts[out->ids[i]];
}

static const ds_agg_kernels kernels = {
    .record = sizeof(int64_t),
    .update = update,
    .merge = merge,
    .subtract = subtract,
    .partials = results,
    .results = results,
};

static const struct ds_aggregate_ops ops = {&kernels, NULL};

static bool resolve(ds_resolve *r, ds_agg_call *call)
{
    if (!ds_agg_want_args(r, 0, 1))
        return false;
    if (r->n_args == 1 && r->types[0].kind == DS_NULL_TYPE)
        r->wanted[0] = DS_TYPE(DS_INT);
    return ds_agg_done(r, call, r->n_args, DS_TYPE(DS_INT));
}

static uint32_t partial(const ds_agg_call *call, ds_type *types)
{
    (void)call;
    types[0] = DS_TYPE(DS_INT);
    return 1;
}

static ds_slide slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_SUBTRACT;
}

const ds_aggregate ds_aggregates_count[] = {
    {.name = "count",
     .n_args = 1,
     .usage = "count([x])",
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &ops},
    {.name = NULL},
};
