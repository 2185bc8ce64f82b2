/*
 * approx_quantile: counts of values by buckets of equal relative width.
 *
 * A bucket takes the exponent of a float and the first 6 bits of its mantissa, so a power of
 * two has 64. A value within is told by the point whose relative distance to both ends is
 * the same, at most 1/129 = 0.78 %. As in DDSketch (Masson, Rim, Lee, VLDB 2019) counts add up
 * exactly; but the index is cut from the bits and needs no logarithm, so it is the same on
 * every machine.
 *
 * If a group comes to more than 2,048 buckets, neighbours are joined two by two all over (as
 * in UDDSketch, Epicoco et al. 2020), as often as it needs: its level. The error doubles with each,
 * and holds for every quantile. The level follows from the set of values, not from their order or
 * from how they were spread, and so do the counts: the result depends on the values alone.
 *
 *     level        0        1        2        3        4        5      6
 *     error     0.78 %   1.54 %   3.03 %   5.88 %   11.1 %   20 %    33 %
 *
 * Buckets are kept as a sorted array of words: the bucket's number, then its count in 46
 * bits. Numbers of negative values are negative, 0 is the bucket of 0.0. The least and the
 * greatest value are kept as they are; no answer lies beyond them.
 *
 * A partial is a list of ints: none for no values; or the level, the bits of the least and the
 * greatest value, the buckets.
 */
#include "columnar/agg_runs.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define MAX_BUCKETS 2048u
#define MAX_LEVEL 8u
#define CUT_BITS 46u /* of a mantissa, that do not count */
#define COUNT_BITS 46u
#define MAX_COUNT (((uint64_t)1 << COUNT_BITS) - 1)
#define ZERO_BUCKET (1 << 17)     /* what is added to numbers, so that none is negative */
#define LAST_BUCKET ((2047 << 6)) /* of the greatest float, on level 0 */
#define HEAD_WORDS 3u

typedef struct buckets_record {
    double least, greatest;
    uint32_t n; /* buckets */
    uint16_t level;
    uint16_t size; /* of the run, if there is one */
    union {
        uint64_t inlined; /* one bucket */
        uint64_t *buckets;
    };
} buckets_record;

/* ---- Buckets ---- */

static int32_t number_of(uint64_t bucket)
{
    return (int32_t)(bucket >> COUNT_BITS) - ZERO_BUCKET;
}

static uint64_t count_of(uint64_t bucket)
{
    return bucket & MAX_COUNT;
}

static uint64_t bucket_of(int32_t number, uint64_t count)
{
    return (uint64_t)(number + ZERO_BUCKET) << COUNT_BITS | count;
}

/* Adds to a count, which stays at the most that it can be. */
static uint64_t with_more(uint64_t bucket, uint64_t count)
{
    uint64_t room = MAX_COUNT - count_of(bucket);
    return bucket + (count < room ? count : room);
}

/* The number on a level of a number of level 0, or that so many levels up of any. */
static int32_t number_up(int32_t number, uint32_t levels)
{
    if (number > 0)
        return ((number - 1) >> levels) + 1;
    return number < 0 ? -(((-number - 1) >> levels) + 1) : 0;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double float_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* On level 0. */
static int32_t number_of_value(double value)
{
    if (value == 0)
        return 0;
    int32_t number = (int32_t)((bits_of(value) & INT64_MAX) >> CUT_BITS) + 1;
    return value < 0 ? -number : number;
}

/* The value that stands for a bucket. */
static double value_of(int32_t number, uint32_t level)
{
    if (number == 0)
        return 0;
    uint64_t i = (uint64_t)(abs(number) - 1), last = bits_of(DBL_MAX);
    uint64_t end = (i + 1) << (CUT_BITS + level);
    double low = float_of(i << (CUT_BITS + level)), high = float_of(end < last ? end : last);
    double value = low * (2 / (1 + low / high)); /* 2 low high / (low + high), in range */
    return number < 0 ? -value : value;
}

/* ---- Records ---- */

static uint64_t *buckets_of(buckets_record *record)
{
    return record->n <= 1 ? &record->inlined : record->buckets;
}

static const uint64_t *buckets_in(const buckets_record *record)
{
    return record->n <= 1 ? &record->inlined : record->buckets;
}

static void release(ds_run_pool *pool, buckets_record *record)
{
    if (record->n > 1)
        ds_run_pool_give(pool, record->buckets, record->size);
}

/* Appends a bucket to an ascending array, or adds it to the last one; returns the length. */
static uint32_t append(uint64_t *buckets, uint32_t n, uint64_t bucket)
{
    if (n > 0 && buckets[n - 1] >> COUNT_BITS == bucket >> COUNT_BITS) {
        buckets[n - 1] = with_more(buckets[n - 1], count_of(bucket));
        return n;
    }
    buckets[n] = bucket;
    return n + 1;
}

static uint64_t bucket_up(uint64_t bucket, uint32_t levels)
{
    return levels == 0 ? bucket : bucket_of(number_up(number_of(bucket), levels), count_of(bucket));
}

/* Goes up a level, in place; returns how many are left. */
static uint32_t go_up(uint64_t *buckets, uint32_t n)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < n; i++)
        left = append(buckets, left, bucket_up(buckets[i], 1));
    return left;
}

/* Replaces the buckets (none of them the record's own). */
static void set_buckets(ds_run_pool *pool, buckets_record *record, const uint64_t *buckets,
                        uint32_t n)
{
    uint32_t size = ds_run_size(n * sizeof *buckets);
    if (n <= 1) {
        release(pool, record);
    } else if (record->n <= 1 || record->size < size) {
        release(pool, record);
        record->buckets = ds_run_pool_take(pool, size);
        record->size = (uint16_t)size;
    }
    record->n = n;
    memcpy(buckets_of(record), buckets, n * sizeof *buckets);
}

/* Makes room for one more bucket than there are. */
static uint64_t *grow_buckets(ds_run_pool *pool, buckets_record *record)
{
    uint32_t n = record->n, room = n <= 1 ? 1 : (16u << record->size) / 8;
    if (n < room)
        return buckets_of(record);
    uint32_t size = ds_run_size((n + 1) * sizeof(uint64_t));
    uint64_t *buckets = ds_run_pool_take(pool, size);
    memcpy(buckets, buckets_of(record), n * sizeof *buckets);
    release(pool, record);
    record->buckets = buckets;
    record->size = (uint16_t)size;
    return buckets;
}

/* The first place whose bucket has this number or a greater one. */
static uint32_t place_of(const uint64_t *buckets, uint32_t n, uint64_t wanted)
{
    uint32_t from = 0;
    while (n > 0) {
        uint32_t half = n / 2;
        bool later = buckets[from + half] < wanted;
        from += later ? half + 1 : 0;
        n = later ? n - half - 1 : half;
    }
    return from;
}

static void raise_level(ds_run_pool *pool, buckets_record *record)
{
    uint64_t joined[MAX_BUCKETS];
    memcpy(joined, buckets_of(record), record->n * sizeof *joined);
    set_buckets(pool, record, joined, go_up(joined, record->n));
    record->level++;
}

/* Counts a value that was not in the record's buckets, at its place. */
static void insert(ds_run_pool *pool, buckets_record *record, uint32_t at, uint64_t bucket)
{
    uint64_t *buckets = grow_buckets(pool, record);
    memmove(buckets + at + 1, buckets + at, (record->n - at) * sizeof *buckets);
    buckets[at] = bucket;
    record->n++;
}

static void count_value(ds_run_pool *pool, buckets_record *record, int32_t number)
{
    for (;;) {
        uint64_t *buckets = buckets_of(record);
        uint64_t wanted = bucket_of(number_up(number, record->level), 0);
        uint32_t at = place_of(buckets, record->n, wanted);
        if (at < record->n && buckets[at] >> COUNT_BITS == wanted >> COUNT_BITS) {
            buckets[at] = with_more(buckets[at], 1);
            return;
        }
        if (record->n < MAX_BUCKETS) {
            insert(pool, record, at, wanted | 1);
            return;
        }
        raise_level(pool, record);
    }
}

static void take_limits(buckets_record *record, double least, double greatest)
{
    if (record->n == 0 || least < record->least)
        record->least = least;
    if (record->n == 0 || greatest > record->greatest)
        record->greatest = greatest;
}

static void add_value(ds_run_pool *pool, buckets_record *record, double value)
{
    value += 0.0; /* -0.0 becomes 0.0 */
    take_limits(record, value, value);
    count_value(pool, record, number_of_value(value));
}

/* Adds ascending buckets of a level (not the record's own). */
static void add_buckets(ds_run_pool *pool, buckets_record *record, const uint64_t *buckets,
                        uint32_t n_buckets, uint32_t level)
{
    uint64_t joined[2 * MAX_BUCKETS];
    const uint64_t *own = buckets_of(record);
    uint32_t i = 0, j = 0, n = 0, to = level > record->level ? level : record->level;
    uint32_t own_up = to - record->level, up = to - level;
    while (i < record->n || j < n_buckets) {
        uint64_t a = i < record->n ? bucket_up(own[i], own_up) : UINT64_MAX;
        uint64_t b = j < n_buckets ? bucket_up(buckets[j], up) : UINT64_MAX;
        n = append(joined, n, a <= b ? a : b);
        i += a <= b;
        j += a > b;
    }
    for (; n > MAX_BUCKETS; to++)
        n = go_up(joined, n);
    set_buckets(pool, record, joined, n);
    record->level = (uint16_t)to;
}

static void add_record(ds_run_pool *pool, buckets_record *record, const buckets_record *other)
{
    if (other->n == 0)
        return;
    take_limits(record, other->least, other->greatest);
    add_buckets(pool, record, buckets_in(other), other->n, other->level);
}

/* ---- The answer ---- */

/* The value at a place among the sorted values, from 0; *i and *seen (values before bucket i)
 * go on to its bucket. */
static double value_at(const buckets_record *record, double place, double rows, uint32_t *i,
                       double *seen)
{
    const uint64_t *buckets = buckets_in(record);
    while (*i + 1 < record->n && *seen + (double)count_of(buckets[*i]) <= place)
        *seen += (double)count_of(buckets[(*i)++]);
    if (place <= 0)
        return record->least;
    if (place >= rows - 1)
        return record->greatest;
    double value = value_of(number_of(buckets[*i]), record->level);
    return fmin(fmax(value, record->least), record->greatest);
}

/* As quantile() says: at (rows - 1) * q, linear between neighbours. */
static double answer(const buckets_record *record, double q)
{
    const uint64_t *buckets = buckets_in(record);
    double rows = 0, seen = 0;
    for (uint32_t i = 0; i < record->n; i++)
        rows += (double)count_of(buckets[i]);
    double at = (rows - 1) * q, place = floor(at), part = at - place;
    uint32_t i = 0;
    double low = value_at(record, place, rows, &i, &seen);
    if (part == 0)
        return low;
    double high = value_at(record, place + 1, rows, &i, &seen);
    return ds_agg_between(low, high, part);
}

/* ---- Kernels ---- */

static void forget(ds_agg_state *state, void *record)
{
    release(state->extra, record);
}

static void update(ds_agg_state *state, const ds_agg_rows *in)
{
    ds_run_pool *pool = state->extra;
    buckets_record *records = (buckets_record *)(void *)state->records;
    const double *values = in->args[0]->floats;
    DS_AGG_EACH_ROW(in, add_value(pool, &records[id], values[row]););
}

static void combine(ds_agg_state *state, void *to, const void *older, const void *newer)
{
    if (to != older)
        add_record(state->extra, to, older);
    if (to != newer)
        add_record(state->extra, to, newer);
}

/* Copies the buckets of a partial; false for what no state of ours has. */
static bool read_words(const uint64_t *words, uint32_t n_words, uint64_t *buckets)
{
    if (n_words <= HEAD_WORDS || n_words > HEAD_WORDS + MAX_BUCKETS || words[0] > MAX_LEVEL)
        return false;
    double least = float_of(words[1]), greatest = float_of(words[2]);
    int32_t last = number_up(LAST_BUCKET, (uint32_t)words[0]);
    uint32_t n = n_words - HEAD_WORDS;
    if (!isfinite(least) || !isfinite(greatest) || least > greatest)
        return false;
    memcpy(buckets, words + HEAD_WORDS, n * sizeof *buckets);
    for (uint32_t i = 0; i < n; i++)
        if (abs(number_of(buckets[i])) > last || count_of(buckets[i]) == 0 ||
            (i > 0 && buckets[i - 1] >> COUNT_BITS >= buckets[i] >> COUNT_BITS))
            return false;
    return true;
}

static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    uint64_t buckets[MAX_BUCKETS];
    for (uint32_t row = 0; row < in->n; row++) {
        const uint64_t *words;
        uint32_t n_words = ds_agg_runs_words(in, row, &words);
        if (!read_words(words, n_words, buckets))
            continue;
        buckets_record *record = ds_agg_record(state, in->ids[row]);
        take_limits(record, float_of(words[1]), float_of(words[2]));
        add_buckets(state->extra, record, buckets, n_words - HEAD_WORDS, (uint32_t)words[0]);
    }
}

static uint32_t words_of(const void *of)
{
    const buckets_record *record = of;
    return record->n == 0 ? 0 : HEAD_WORDS + record->n;
}

static void write(const void *of, uint64_t *words)
{
    const buckets_record *record = of;
    words[0] = record->level;
    words[1] = bits_of(record->least);
    words[2] = bits_of(record->greatest);
    memcpy(words + HEAD_WORDS, buckets_in(record), record->n * sizeof(uint64_t));
}

static void partials(ds_agg_state *state, const ds_agg_out *out)
{
    ds_agg_runs_partials(state, out, words_of, write);
}

static void results(ds_agg_state *state, const ds_agg_out *out)
{
    const buckets_record *records = (const buckets_record *)(void *)state->records;
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_FLOAT));
    for (uint32_t i = 0; i < out->n; i++) {
        const buckets_record *record = &records[out->ids[i]];
        if (record->n == 0)
            ds_agg_null(out, column, i);
        else
            ds_agg_put_float(out, column, i, answer(record, state->call->quantile));
    }
}

static const ds_agg_kernels kernels = {
    .record = sizeof(buckets_record),
    .update = update,
    .merge = merge,
    .combine = combine,
    .forget = forget,
    .partials = partials,
    .results = results,
    .open = ds_agg_runs_open,
    .close = ds_agg_runs_close,
    .clear = ds_agg_runs_clear,
    .bytes = ds_agg_runs_bytes,
};

static const struct ds_aggregate_ops ops = {&kernels, NULL};

static bool resolve(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 2, 2) && ds_agg_want_float(r, 0) && ds_agg_want_quantile(r, call) &&
           ds_agg_done(r, call, 1, DS_TYPE(DS_FLOAT));
}

const ds_aggregate ds_aggregates_buckets[] = {
    {.name = "approx_quantile",
     .n_args = 1,
     .usage = "approx_quantile(x, q)",
     .resolve = resolve,
     .partial = ds_agg_runs_partial,
     .slide = ds_agg_runs_slide,
     .ops = &ops},
    {.name = NULL},
};
