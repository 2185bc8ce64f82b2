/* bool_and, bool_or: how many were true and false, so that rows can be taken out again. */
#include "columnar/agg_state.h"

typedef struct tally {
    int64_t n[2]; /* of false, of true */
} tally;

static void update(ds_agg_state *state, const ds_agg_rows *in)
{
    tally *tallies = (tally *)(void *)state->records;
    const uint64_t *bits = in->args[0]->bits;
    DS_AGG_EACH_ROW(in, tallies[id].n[ds_bit_get(bits, row)]++;);
}

static void add(ds_agg_state *state, const ds_agg_partials *in, bool subtract)
{
    tally *tallies = (tally *)(void *)state->records;
    for (uint32_t row = 0; row < in->n; row++) {
        for (int side = 0; side < 2; side++) {
            uint64_t n = (uint64_t)in->columns[side]->ints[row];
            int64_t *sum = &tallies[in->ids[row]].n[side];
            *sum = (int64_t)(subtract ? (uint64_t)*sum - n : (uint64_t)*sum + n);
        }
    }
}

static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    add(state, in, false);
}

static void subtract(ds_agg_state *state, const ds_agg_partials *in)
{
    add(state, in, true);
}

static void partials(ds_agg_state *state, const ds_agg_out *out)
{
    const tally *tallies = (const tally *)(void *)state->records;
    for (uint32_t side = 0; side < 2; side++) {
        ds_column *column = ds_agg_column(out, side, DS_TYPE(DS_INT));
        for (uint32_t i = 0; i < out->n; i++)
            column->ints[i] = tallies[out->ids[i]].n[side];
    }
}

/* One value of the deciding kind decides. */
static void decide(ds_agg_state *state, const ds_agg_out *out, bool deciding)
{
    const tally *tallies = (const tally *)(void *)state->records;
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_BOOL));
    for (uint32_t i = 0; i < out->n; i++) {
        const tally *t = &tallies[out->ids[i]];
        if (t->n[0] == 0 && t->n[1] == 0)
            ds_agg_null(out, column, i);
        ds_bit_put(column->bits, i, t->n[deciding] != 0 ? deciding : !deciding);
    }
}

static void and_results(ds_agg_state *state, const ds_agg_out *out)
{
    decide(state, out, false);
}

static void or_results(ds_agg_state *state, const ds_agg_out *out)
{
    decide(state, out, true);
}

#define KERNELS(finish)                                                                            \
    {                                                                                              \
        .record = sizeof(tally), .update = update, .merge = merge, .subtract = subtract,           \
        .partials = partials, .results = (finish)                                                  \
    }

static const ds_agg_kernels and_kernels = KERNELS(and_results), or_kernels = KERNELS(or_results);

static const struct ds_aggregate_ops and_ops = {&and_kernels, NULL}, or_ops = {&or_kernels, NULL};

static bool resolve(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_bool(r, 0) &&
           ds_agg_done(r, call, 1, DS_TYPE(DS_BOOL));
}

static uint32_t partial(const ds_agg_call *call, ds_type *types)
{
    (void)call;
    types[0] = types[1] = DS_TYPE(DS_INT);
    return 2;
}

static ds_slide slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_SUBTRACT;
}

const ds_aggregate ds_aggregates_bool[] = {
    {.name = "bool_and",
     .n_args = 1,
     .usage = "bool_and(x)",
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &and_ops},
    {.name = "bool_or",
     .n_args = 1,
     .usage = "bool_or(x)",
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &or_ops},
    {.name = NULL},
};
