/*
 * sum and avg of ints and floats.
 *
 * Int sums are exact: 128 bits hold any number of 64-bit values, so only a result can
 * overflow, and what went in can be taken out again. Float sums are added as they come.
 */
#include "columnar/agg_state.h"

/* ---- Ints ---- */

typedef struct int_sum {
    uint64_t low, high; /* of one two's complement number */
    int64_t n;
} int_sum;

static void int_add(int_sum *sum, uint64_t low, uint64_t high)
{
    sum->high += high + (uint64_t)__builtin_add_overflow(sum->low, low, &sum->low);
}

static __int128 int_total(const int_sum *sum)
{
    return (__int128)(((unsigned __int128)sum->high << 64) | sum->low);
}

static void int_update(ds_agg_state *state, const ds_agg_rows *in)
{
    int_sum *sums = (int_sum *)(void *)state->records;
    const int64_t *values = in->args[0]->ints;
    DS_AGG_EACH_ROW(in, {
        int64_t value = values[row];
        int_add(&sums[id], (uint64_t)value, value < 0 ? UINT64_MAX : 0);
        sums[id].n++;
    });
}

static void int_merge(ds_agg_state *state, const ds_agg_partials *in)
{
    int_sum *sums = (int_sum *)(void *)state->records;
    for (uint32_t row = 0; row < in->n; row++) {
        int_sum *sum = &sums[in->ids[row]];
        int_add(sum, (uint64_t)in->columns[0]->ints[row], (uint64_t)in->columns[1]->ints[row]);
        sum->n = (int64_t)((uint64_t)sum->n + (uint64_t)in->columns[2]->ints[row]);
    }
}

static void int_subtract(ds_agg_state *state, const ds_agg_partials *in)
{
    int_sum *sums = (int_sum *)(void *)state->records;
    for (uint32_t row = 0; row < in->n; row++) {
        int_sum *sum = &sums[in->ids[row]];
        uint64_t low = (uint64_t)in->columns[0]->ints[row];
        uint64_t high = (uint64_t)in->columns[1]->ints[row];
        sum->high -= high + (uint64_t)__builtin_sub_overflow(sum->low, low, &sum->low);
        sum->n = (int64_t)((uint64_t)sum->n - (uint64_t)in->columns[2]->ints[row]);
    }
}

static void int_partials(ds_agg_state *state, const ds_agg_out *out)
{
    const int_sum *sums = (const int_sum *)(void *)state->records;
    ds_column *low = ds_agg_column(out, 0, DS_TYPE(DS_INT));
    ds_column *high = ds_agg_column(out, 1, DS_TYPE(DS_INT));
    ds_column *n = ds_agg_column(out, 2, DS_TYPE(DS_INT));
    for (uint32_t i = 0; i < out->n; i++) {
        const int_sum *sum = &sums[out->ids[i]];
        low->ints[i] = (int64_t)sum->low;
        high->ints[i] = (int64_t)sum->high;
        n->ints[i] = sum->n;
    }
}

static void int_sum_results(ds_agg_state *state, const ds_agg_out *out)
{
    const int_sum *sums = (const int_sum *)(void *)state->records;
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_INT));
    for (uint32_t i = 0; i < out->n; i++) {
        const int_sum *sum = &sums[out->ids[i]];
        __int128 total = int_total(sum);
        bool fits = total >= INT64_MIN && total <= INT64_MAX;
        column->ints[i] = (int64_t)sum->low;
        if (!fits)
            ds_agg_overflow(state, out, column, i);
        else if (sum->n == 0)
            ds_agg_null(out, column, i);
    }
}

static void int_avg_results(ds_agg_state *state, const ds_agg_out *out)
{
    const int_sum *sums = (const int_sum *)(void *)state->records;
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_FLOAT));
    for (uint32_t i = 0; i < out->n; i++) {
        const int_sum *sum = &sums[out->ids[i]];
        if (sum->n == 0)
            ds_agg_null(out, column, i);
        else
            ds_agg_put_float(out, column, i, (double)int_total(sum) / (double)sum->n);
    }
}

/* ---- Floats ---- */

typedef struct float_sum {
    double sum;
    int64_t n;
} float_sum;

static void float_update(ds_agg_state *state, const ds_agg_rows *in)
{
    float_sum *sums = (float_sum *)(void *)state->records;
    const double *values = in->args[0]->floats;
    DS_AGG_EACH_ROW(in, {
        sums[id].sum += values[row];
        sums[id].n++;
    });
}

static void float_merge(ds_agg_state *state, const ds_agg_partials *in)
{
    float_sum *sums = (float_sum *)(void *)state->records;
    for (uint32_t row = 0; row < in->n; row++) {
        float_sum *sum = &sums[in->ids[row]];
        sum->sum += in->columns[0]->floats[row];
        sum->n = (int64_t)((uint64_t)sum->n + (uint64_t)in->columns[1]->ints[row]);
    }
}

static void float_combine(ds_agg_state *state, void *to, const void *older, const void *newer)
{
    (void)state;
    const float_sum *a = older, *b = newer;
    *(float_sum *)to = (float_sum){a->sum + b->sum, (int64_t)((uint64_t)a->n + (uint64_t)b->n)};
}

static void float_partials(ds_agg_state *state, const ds_agg_out *out)
{
    const float_sum *sums = (const float_sum *)(void *)state->records;
    ds_column *sum = ds_agg_column(out, 0, DS_TYPE(DS_FLOAT));
    ds_column *n = ds_agg_column(out, 1, DS_TYPE(DS_INT));
    for (uint32_t i = 0; i < out->n; i++) {
        sum->floats[i] = sums[out->ids[i]].sum;
        n->ints[i] = sums[out->ids[i]].n;
    }
}

static void float_results(ds_agg_state *state, const ds_agg_out *out, bool average)
{
    const float_sum *sums = (const float_sum *)(void *)state->records;
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_FLOAT));
    for (uint32_t i = 0; i < out->n; i++) {
        const float_sum *sum = &sums[out->ids[i]];
        if (sum->n == 0)
            ds_agg_null(out, column, i);
        else
            ds_agg_put_float(out, column, i, average ? sum->sum / (double)sum->n : sum->sum);
    }
}

static void float_sum_results(ds_agg_state *state, const ds_agg_out *out)
{
    float_results(state, out, false);
}

static void float_avg_results(ds_agg_state *state, const ds_agg_out *out)
{
    float_results(state, out, true);
}

/* ---- The table ---- */

#define INT_KERNELS(finish)                                                                        \
    {                                                                                              \
        .record = sizeof(int_sum), .update = int_update, .merge = int_merge,                       \
        .subtract = int_subtract, .partials = int_partials, .results = (finish)                    \
    }
#define FLOAT_KERNELS(finish)                                                                      \
    {                                                                                              \
        .record = sizeof(float_sum), .update = float_update, .merge = float_merge,                 \
        .combine = float_combine, .partials = float_partials, .results = (finish)                  \
    }

static const ds_agg_kernels int_sums = INT_KERNELS(int_sum_results);
static const ds_agg_kernels int_avgs = INT_KERNELS(int_avg_results);
static const ds_agg_kernels float_sums = FLOAT_KERNELS(float_sum_results);
static const ds_agg_kernels float_avgs = FLOAT_KERNELS(float_avg_results);

static const struct ds_aggregate_ops sum_ops = {&int_sums, &float_sums};
static const struct ds_aggregate_ops avg_ops = {&int_avgs, &float_avgs};

static bool of_floats(const ds_agg_call *call)
{
    return call->arg_types[0].kind == DS_FLOAT;
}

static bool resolve_sum(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_number(r, 0) &&
           ds_agg_done(r, call, 1, r->wanted[0]);
}

static bool resolve_avg(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_number(r, 0) &&
           ds_agg_done(r, call, 1, DS_TYPE(DS_FLOAT));
}

static uint32_t partial(const ds_agg_call *call, ds_type *types)
{
    if (of_floats(call)) {
        types[0] = DS_TYPE(DS_FLOAT);
        types[1] = DS_TYPE(DS_INT);
        return 2;
    }
    types[0] = types[1] = types[2] = DS_TYPE(DS_INT);
    return 3;
}

static ds_slide slide(const ds_agg_call *call)
{
    return of_floats(call) ? DS_SLIDE_COMBINE : DS_SLIDE_SUBTRACT;
}

const ds_aggregate ds_aggregates_sum[] = {
    {.name = "sum",
     .n_args = 1,
     .usage = "sum(x)",
     .resolve = resolve_sum,
     .partial = partial,
     .slide = slide,
     .ops = &sum_ops},
    {.name = "avg",
     .n_args = 1,
     .usage = "avg(x)",
     .resolve = resolve_avg,
     .partial = partial,
     .slide = slide,
     .ops = &avg_ops},
    {.name = NULL},
};
