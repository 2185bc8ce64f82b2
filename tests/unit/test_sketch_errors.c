/*
 * How far sketches are off: measured against exact answers, over several distributions and
 * numbers of different values, from rows and after 64 parts were merged in any order. The
 * bounds are those that docs/details.md gives.
 */
#include "unit/grouping.h"

#include <math.h>
#include <stdio.h>

#define FLOAT DS_TYPE(DS_FLOAT)
#define STRING DS_TYPE(DS_STRING)
#define INT DS_TYPE(DS_INT)
#define PARTS 64u

enum { QUANTILES = 4 };
static const double quantiles[QUANTILES] = {0.01, 0.25, 0.5, 0.999};

typedef struct sample {
    uint32_t n;
    int64_t *ids;   /* which value it is */
    double *floats; /* and as a number */
    uint32_t n_values;
} sample;

/* ---- Distributions ---- */

/* Numbers 0 .. n_values-1, number i as often as 1 / (i + 1). */
static int64_t zipf(ds_random *random, const double *sums, uint32_t n_values)
{
    double at = ds_random_unit(random) * sums[n_values - 1];
    uint32_t from = 0, to = n_values - 1;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (sums[middle] <= at)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static double normal(ds_random *random)
{
    double u = 1 - ds_random_unit(random), v = ds_random_unit(random);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

typedef enum shape { UNIFORM, ZIPF, LOGNORMAL, SIGNED, SHAPES } shape;

static sample make_sample(shape s, uint32_t n_values, uint32_t n, uint64_t seed)
{
    ds_random random;
    ds_random_init(&random, seed);
    sample made = {.n = n, .n_values = n_values};
    made.ids = ds_calloc(n, sizeof *made.ids);
    made.floats = ds_calloc(n, sizeof *made.floats);
    double *sums = ds_calloc(n_values, sizeof *sums), sum = 0;
    for (uint32_t i = 0; i < n_values; i++)
        sums[i] = sum += 1.0 / (i + 1);
    for (uint32_t i = 0; i < n; i++) {
        int64_t id = s == ZIPF      ? zipf(&random, sums, n_values)
                     : i < n_values ? (int64_t)i
                                    : (int64_t)ds_random_below(&random, n_values);
        made.ids[i] = id;
        double x = (double)id + 1;
        if (s == LOGNORMAL) {
            ds_random own;
            ds_random_init(&own, seed * 7919 + (uint64_t)id);
            x = exp(3 + 2 * normal(&own));
        } else if (s == SIGNED) {
            x = id % 10 == 0 ? 0 : id % 2 == 0 ? -sqrt(x) : x / 3;
        }
        made.floats[i] = x;
    }
    free(sums);
    return made;
}

static void free_sample(sample *s)
{
    free(s->ids);
    free(s->floats);
}

/* ---- Exact answers ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint32_t exact_distinct(const sample *s)
{
    bool *seen = ds_calloc(s->n_values, sizeof *seen);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        n += !seen[s->ids[i]];
        seen[s->ids[i]] = true;
    }
    free(seen);
    return n;
}

static void exact_quantiles(const sample *s, double *answers)
{
    double *sorted = ds_calloc(s->n, sizeof *sorted);
    memcpy(sorted, s->floats, s->n * sizeof *sorted);
    qsort(sorted, s->n, sizeof *sorted, by_value);
    for (int i = 0; i < QUANTILES; i++) {
        double at = (s->n - 1) * quantiles[i], low = floor(at);
        uint32_t place = (uint32_t)low, next = place + 1 < s->n ? place + 1 : place;
        answers[i] = sorted[place] + (at - low) * (sorted[next] - sorted[place]);
    }
    free(sorted);
}

/* ---- Measuring ---- */

static void open_measure(bench *b)
{
    bench_open(b);
    bench_call(b, "approx_count_distinct", STRING);
    for (int i = 0; i < QUANTILES; i++)
        bench_number(b, "approx_quantile", FLOAT, DS_FLOAT, quantiles[i]);
    bench_number(b, "approx_top_k", INT, DS_INT, 10);
    bench_start(b);
}

/* Adds the rows from .. from + n. */
static void add_rows(bench *b, ds_groups *groups, const sample *s, uint32_t from, uint32_t n)
{
    ds_arena *arena = ds_arena_new(NULL);
    for (uint32_t at = from; at < from + n; at += DS_CHUNK_ROWS) {
        ds_arena_reset(arena);
        ds_heap heap;
        ds_heap_init(&heap, arena);
        uint32_t rows = from + n - at < DS_CHUNK_ROWS ? from + n - at : DS_CHUNK_ROWS;
        ds_column *text = ds_column_new(arena, STRING, rows);
        for (uint32_t i = 0; i < rows; i++) {
            char value[40];
            int length = snprintf(value, sizeof value, "user-%d@example.net", (int)s->ids[at + i]);
            text->views[i] = ds_view_copy(&heap, value, (uint32_t)length);
        }
        ds_column number = {.type = FLOAT, .length = rows, .floats = s->floats + at};
        ds_column id = {.type = INT, .length = rows, .ints = s->ids + at};
        const ds_column *texts[] = {text}, *numbers[] = {&number}, *ids[] = {&id};
        const ds_column *const *args[BENCH_CALLS];
        for (uint32_t c = 0; c < b->spec.n_calls; c++)
            args[c] = c == 0 ? texts : c <= QUANTILES ? numbers : ids;
        ds_groups_update(groups, &heap, NULL, args, NULL, NULL, rows);
        ds_heap_fini(&heap);
    }
    ds_arena_free(arena);
}

/* In 64 parts of unequal size, merged in an order of the seed's. */
static ds_groups *merged_parts(bench *b, const sample *s, uint64_t seed)
{
    ds_groups *parts[PARTS], *merged = bench_groups(b);
    ds_random random;
    ds_random_init(&random, seed);
    uint32_t from = 0;
    for (uint32_t p = 0; p < PARTS; p++) {
        uint32_t left = s->n - from, share = left / (PARTS - p);
        uint32_t n = p == PARTS - 1 ? left : (uint32_t)ds_random_below(&random, 2 * share + 1);
        parts[p] = bench_groups(b);
        add_rows(b, parts[p], s, from, n);
        from += n;
    }
    for (uint32_t p = PARTS; p > 0; p--) {
        uint32_t chosen = (uint32_t)ds_random_below(&random, p);
        merge_groups(b, merged, parts[chosen]);
        ds_groups_free(parts[chosen]);
        parts[chosen] = parts[p - 1];
    }
    return merged;
}

static void check_top(const sample *s, const ds_column *lists)
{
    int64_t *counts = ds_calloc(s->n_values, sizeof *counts);
    for (uint32_t i = 0; i < s->n; i++)
        counts[s->ids[i]]++;
    uint32_t n = lists->offsets[1];
    const int64_t *top = lists->child->ints;
    uint32_t distinct = exact_distinct(s);
    ck_assert_uint_eq(n, distinct < 10 ? distinct : 10);
    /* No value that is left out is more frequent than one that is there by more than the
     * bound; and none is before another so. Up to the capacity the bound is 0. */
    int64_t bound = distinct <= 1024 ? 0 : s->n / 513;
    for (uint32_t i = 0; i + 1 < n; i++) {
        ck_assert_int_ge(counts[top[i]] + bound, counts[top[i + 1]]);
        if (bound == 0 && counts[top[i]] == counts[top[i + 1]])
            ck_assert_int_lt(top[i], top[i + 1]);
    }
    int64_t last = counts[top[n - 1]];
    for (uint32_t i = 0; i < n; i++)
        counts[top[i]] = 0;
    int64_t left_out = 0;
    for (uint32_t id = 0; id < s->n_values; id++)
        left_out = counts[id] > left_out ? counts[id] : left_out;
    ck_assert_int_le(left_out, last + bound);
    free(counts);
}

static double off(double answer, double exact)
{
    return exact == 0 ? fabs(answer) : fabs(answer - exact) / fabs(exact);
}

static double check_errors(bench *b, ds_groups *groups, const sample *s)
{
    ds_column *columns[BENCH_CALLS];
    ds_groups_results(groups, b->d.arena, &b->d.heap, all_ids(b, 1), 1, columns, NULL);
    double answers[QUANTILES], distinct = exact_distinct(s);
    exact_quantiles(s, answers);
    for (int i = 0; i < QUANTILES; i++)
        ck_assert_msg(off(columns[1 + i]->floats[0], answers[i]) <= 0.00776, "%g: %g, not %g",
                      quantiles[i], columns[1 + i]->floats[0], answers[i]);
    check_top(s, columns[1 + QUANTILES]);
    double error = off((double)columns[0]->ints[0], distinct);
    ck_assert_msg(error <= (distinct <= 1000 ? 1 / distinct : 0.065), "%g: %d", distinct,
                  (int)columns[0]->ints[0]);
    return error;
}

START_TEST(errors_are_within_their_bounds)
{
    static const uint32_t sizes[] = {10, 100, 1000, 10000, 100000, 1000000};
    uint32_t n_values = sizes[_i % 6];
    shape s = (shape)(_i / 6);
    uint32_t n = n_values < 50000 ? 30000 : 100000;
    if (s == UNIFORM && n_values == 1000000)
        n = 1000000; /* so that each is there */
    sample made = make_sample(s, n_values, n, (uint64_t)_i + 1);
    bench b;
    open_measure(&b);
    add_rows(&b, b.groups, &made, 0, made.n);
    check_errors(&b, b.groups, &made);
    ds_groups *merged = merged_parts(&b, &made, (uint64_t)_i + 100);
    check_errors(&b, merged, &made);
    /* All but the most frequent ones beyond their capacity are the same to the bit. */
    ds_column *x[BENCH_CALLS], *y[BENCH_CALLS];
    ds_groups_results(b.groups, b.d.arena, &b.d.heap, all_ids(&b, 1), 1, x, NULL);
    ds_groups_results(merged, b.d.arena, &b.d.heap, all_ids(&b, 1), 1, y, NULL);
    uint32_t exact = exact_distinct(&made) <= 1024;
    for (uint32_t c = 0; c < 1 + QUANTILES + exact; c++)
        ck_assert_msg(ds_value_equal(&b.d.heap, x[c], 0, &b.d.heap, y[c], 0), "call %u", c);
    ds_groups_free(merged);
    free_sample(&made);
    bench_close(&b);
}
END_TEST

/* The standard error of 1.6 %, over many sets. */
START_TEST(the_standard_error_of_distinct_counts)
{
    enum { SETS = 200, SIZE = 20000 };
    double squares = 0, sum = 0;
    for (int set = 0; set < SETS; set++) {
        bench b;
        bench_open(&b);
        bench_call(&b, "approx_count_distinct", INT);
        bench_start(&b);
        static int64_t values[SIZE];
        for (int64_t i = 0; i < SIZE; i++)
            values[i] = set * SIZE + i;
        ds_column column = {.type = INT, .length = SIZE, .ints = values};
        const ds_column *x[] = {&column}, *const * args[] = {x};
        ds_groups_update(b.groups, &b.d.heap, NULL, args, NULL, NULL, SIZE);
        ds_column *result;
        ds_groups_results(b.groups, b.d.arena, &b.d.heap, all_ids(&b, 1), 1, &result, NULL);
        double error = ((double)result->ints[0] - SIZE) / SIZE;
        squares += error * error;
        sum += error;
        bench_close(&b);
    }
    ck_assert_double_lt(sqrt(squares / SETS), 0.0190);
    ck_assert_double_gt(sqrt(squares / SETS), 0.0135);
    ck_assert_double_eq_tol(sum / SETS, 0, 0.0050); /* no bias */
}
END_TEST

/* Values over the whole range of floats need wider buckets: the table in the documentation. */
START_TEST(wide_ranges_widen_the_error)
{
    static const struct {
        double octaves; /* from 2^-octaves to 2^octaves, both signs */
        double error;
    } cases[] = {{7.9, 0.00776},  {15.9, 0.01539}, {31.9, 0.0304},  {63.9, 0.0589},
                 {127.9, 0.1112}, {255.9, 0.2001}, {511.9, 0.3334}, {1022, 0.6001}};
    enum { N = 100001 };
    sample made = {.n = N, .n_values = 1};
    made.ids = ds_calloc(N, sizeof *made.ids);
    made.floats = ds_calloc(N, sizeof *made.floats);
    ds_random random;
    ds_random_init(&random, 5);
    for (uint32_t i = 0; i < N; i++) {
        double x = exp2((ds_random_unit(&random) * 2 - 1) * cases[_i].octaves);
        made.floats[i] = ds_random_below(&random, 2) == 0 ? x : -x;
    }
    bench b;
    open_measure(&b);
    add_rows(&b, b.groups, &made, 0, N);
    ds_groups *merged = merged_parts(&b, &made, 7);
    ds_column *x[BENCH_CALLS], *y[BENCH_CALLS];
    ds_groups_results(b.groups, b.d.arena, &b.d.heap, all_ids(&b, 1), 1, x, NULL);
    ds_groups_results(merged, b.d.arena, &b.d.heap, all_ids(&b, 1), 1, y, NULL);
    double answers[QUANTILES];
    exact_quantiles(&made, answers);
    for (int i = 0; i < QUANTILES; i++) {
        ck_assert_double_eq(x[1 + i]->floats[0], y[1 + i]->floats[0]);
        ck_assert_msg(off(x[1 + i]->floats[0], answers[i]) <= cases[_i].error, "%g: %g, not %g",
                      quantiles[i], x[1 + i]->floats[0], answers[i]);
    }
    ds_groups_free(merged);
    free_sample(&made);
    bench_close(&b);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case("sketch_errors", 120);
    tcase_add_loop_test(tcase, errors_are_within_their_bounds, 0, 6 * SHAPES);
    tcase_add_test(tcase, the_standard_error_of_distinct_counts);
    tcase_add_loop_test(tcase, wide_ranges_widen_the_error, 0, 8);
    return unit_run_case(tcase, "sketch_errors");
}
