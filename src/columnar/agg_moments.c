/*
 * variance and stddev of a sample: the mean and the sum of squared distances from it, by
 * Welford's method for rows and by Chan, Golub and LeVeque's for partials. Neither loses
 * digits when the values are large and close together.
 */
#include "columnar/agg_state.h"

#include <math.h>

typedef struct moments {
    int64_t n;
    double mean;
    double squares; /* sum of (x - mean)^2 */
} moments;

static void update(ds_agg_state *state, const ds_agg_rows *in)
{
    moments *records = (moments *)(void *)state->records;
    const double *values = in->args[0]->floats;
    DS_AGG_EACH_ROW(in, {
        moments *m = &records[id];
        double distance = values[row] - m->mean;
        m->n++;
        m->mean += distance / (double)m->n;
        m->squares += distance * (values[row] - m->mean);
    });
}

static moments joined(const moments *a, const moments *b)
{
    if (b->n <= 0)
        return *a;
    if (a->n <= 0)
        return *b;
    double n_a = (double)a->n, n_b = (double)b->n, n = n_a + n_b;
    double distance = b->mean - a->mean;
    return (moments){.n = (int64_t)((uint64_t)a->n + (uint64_t)b->n),
                     .mean = a->mean + distance * (n_b / n),
                     .squares = a->squares + b->squares + distance * distance * (n_a * n_b / n)};
}

static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    moments *records = (moments *)(void *)state->records;
    for (uint32_t row = 0; row < in->n; row++) {
        moments more = {in->columns[0]->ints[row], in->columns[1]->floats[row],
                        in->columns[2]->floats[row]};
        moments *m = &records[in->ids[row]];
        *m = joined(m, &more);
    }
}

static void combine(ds_agg_state *state, void *to, const void *older, const void *newer)
{
    (void)state;
    *(moments *)to = joined(older, newer);
}

static void partials(ds_agg_state *state, const ds_agg_out *out)
{
    const moments *records = (const moments *)(void *)state->records;
    ds_column *n = ds_agg_column(out, 0, DS_TYPE(DS_INT));
    ds_column *mean = ds_agg_column(out, 1, DS_TYPE(DS_FLOAT));
    ds_column *squares = ds_agg_column(out, 2, DS_TYPE(DS_FLOAT));
    for (uint32_t i = 0; i < out->n; i++) {
        const moments *m = &records[out->ids[i]];
        n->ints[i] = m->n;
        mean->floats[i] = m->mean;
        squares->floats[i] = m->squares;
    }
}

static void finish(ds_agg_state *state, const ds_agg_out *out, bool root)
{
    const moments *records = (const moments *)(void *)state->records;
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_FLOAT));
    for (uint32_t i = 0; i < out->n; i++) {
        const moments *m = &records[out->ids[i]];
        double variance = m->squares / (double)(m->n - 1);
        if (m->n < 2)
            ds_agg_null(out, column, i);
        else
            ds_agg_put_float(out, column, i, root ? sqrt(variance) : variance);
    }
}

static void variance_results(ds_agg_state *state, const ds_agg_out *out)
{
    finish(state, out, false);
}

static void stddev_results(ds_agg_state *state, const ds_agg_out *out)
{
    finish(state, out, true);
}

#define KERNELS(done)                                                                              \
    {                                                                                              \
        .record = sizeof(moments), .update = update, .merge = merge, .combine = combine,           \
        .partials = partials, .results = (done)                                                    \
    }

static const ds_agg_kernels variance_kernels = KERNELS(variance_results);
static const ds_agg_kernels stddev_kernels = KERNELS(stddev_results);

static const struct ds_aggregate_ops variance_ops = {&variance_kernels, NULL},
                                     stddev_ops = {&stddev_kernels, NULL};

static bool resolve(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_float(r, 0) &&
           ds_agg_done(r, call, 1, DS_TYPE(DS_FLOAT));
}

static uint32_t partial(const ds_agg_call *call, ds_type *types)
{
    (void)call;
    types[0] = DS_TYPE(DS_INT);
    types[1] = types[2] = DS_TYPE(DS_FLOAT);
    return 3;
}

static ds_slide slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_COMBINE;
}

const ds_aggregate ds_aggregates_moments[] = {
    {.name = "variance",
     .n_args = 1,
     .usage = "variance(x)",
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &variance_ops},
    {.name = "stddev",
     .n_args = 1,
     .usage = "stddev(x)",
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &stddev_ops},
    {.name = NULL},
};
