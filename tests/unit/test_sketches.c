/* approx_count_distinct, approx_quantile, approx_top_k: values, merging, windows, memory. How far
 * they are off is measured in test_sketch_errors.c. */
#include "columnar/run_pool.h"
#include "dstream/slide_combine.h"
#include "unit/grouping.h"

#include <math.h>

#define BOOL DS_TYPE(DS_BOOL)
#define INT DS_TYPE(DS_INT)
#define FLOAT DS_TYPE(DS_FLOAT)
#define STRING DS_TYPE(DS_STRING)
#define TIME DS_TYPE(DS_TIMESTAMP)
#define LONG "'some text of more than twelve bytes'"

/* The result of one call over a column, from rows, and from partials of its table. */
static const char *result_of(bench *b, const char *x)
{
    static char text[4096];
    bench_start(b);
    feed(b, b->groups, x);
    snprintf(text, sizeof text, "%s", results(b, b->groups));
    ds_groups *merged = bench_groups(b), *empty = bench_groups(b);
    merge_groups(b, merged, empty);
    merge_groups(b, merged, b->groups);
    ck_assert_str_eq(results(b, merged), text);
    ds_groups_clear(merged);
    merge_groups(b, merged, b->groups);
    merge_groups(b, merged, empty);
    ck_assert_str_eq(results(b, merged), text);
    ds_groups_free(merged);
    ds_groups_free(empty);
    bench_close(b);
    return text;
}

static const char *distinct(ds_type type, const char *x)
{
    bench b;
    bench_open(&b);
    bench_call(&b, "approx_count_distinct", type);
    return result_of(&b, x);
}

static const char *quantile(double q, const char *x)
{
    bench b;
    bench_open(&b);
    bench_number(&b, "approx_quantile", FLOAT, DS_FLOAT, q);
    return result_of(&b, x);
}

static const char *top(ds_type type, int k, const char *x)
{
    bench b;
    bench_open(&b);
    bench_number(&b, "approx_top_k", type, DS_INT, k);
    return result_of(&b, x);
}

START_TEST(few_values_are_counted_exactly)
{
    ck_assert_str_eq(distinct(INT, "1 2 null 2 1 -1"), "3");
    ck_assert_str_eq(distinct(FLOAT, "0 -0.0 0.5 null"), "2");
    ck_assert_str_eq(distinct(BOOL, "true false true"), "2");
    ck_assert_str_eq(distinct(TIME, "5 5"), "1");
    ck_assert_str_eq(distinct(STRING, LONG " a '' a " LONG), "3");
    ck_assert_str_eq(distinct(STRING, "null null"), "0");
    ck_assert_str_eq(distinct(INT, ""), "0");
}
END_TEST

START_TEST(quantiles_of_few_values)
{
    ck_assert_str_eq(quantile(0.5, "5"), "5");
    ck_assert_str_eq(quantile(0.5, "7 null 7 7"), "7");
    ck_assert_str_eq(quantile(0, "5 3 null 9"), "3");
    ck_assert_str_eq(quantile(1, "5 3 9"), "9");
    ck_assert_str_eq(quantile(0.5, "-1 0 1"), "0");
    ck_assert_str_eq(quantile(0.5, "0 -0.0"), "0");
    ck_assert_str_eq(quantile(0.5, "1 2"), "1.5"); /* of the least and the greatest */
    ck_assert_str_eq(quantile(0.5, "-1.7e308 1.7e308"), "0");
    ck_assert_str_eq(quantile(0.5, "null null"), "null");
    ck_assert_str_eq(quantile(0.5, ""), "null");
    ck_assert_double_eq_tol(strtod(quantile(0.5, "1 100 10000"), NULL), 100, 0.78);
    ck_assert_double_eq_tol(strtod(quantile(0.5, "-1 -100 -10000"), NULL), -100, 0.78);
    ck_assert_double_eq_tol(strtod(quantile(0.25, "0 1000 2000"), NULL), 500, 3.9);
}
END_TEST

START_TEST(the_most_frequent_values)
{
    ck_assert_str_eq(top(STRING, 2, "b a c b null b a"), "[b a]");
    ck_assert_str_eq(top(STRING, 5, "b a " LONG " c " LONG), "[" LONG " a b c]");
    ck_assert_str_eq(top(INT, 3, "5 -5 7 7 -9 5"), "[5 7 -9]"); /* ties: the least first */
    ck_assert_str_eq(top(FLOAT, 3, "0.5 -0.5 2 2 -0.0 0"), "[0 2 -0.5]");
    ck_assert_str_eq(top(BOOL, 2, "true false true"), "[true false]");
    ck_assert_str_eq(top(TIME, 1, "1 2 2"), "[2]");
    ck_assert_str_eq(top(STRING, 1, "null null"), "null");
    ck_assert_str_eq(top(INT, 10000, ""), "null");
}
END_TEST

static bool resolves(const char *name, ds_type x, ds_type y, ds_literal literal)
{
    bench b;
    bench_open(&b);
    ds_agg_call call;
    ds_type types[2] = {x, y};
    ds_literal literals[2] = {{0}, literal};
    uint32_t n = y.kind == DS_NULL_TYPE ? 1 : 2;
    bool ok = bench_resolve(&b, name, n, types, literals, &call);
    if (!ok)
        ck_assert_str_ne(b.message, "");
    bench_close(&b);
    return ok;
}

START_TEST(types_and_literals_are_checked)
{
    const ds_type none = DS_TYPE(DS_NULL_TYPE), list = DS_LIST_OF(DS_INT);
    const ds_literal one = {.is_literal = true, .integer = 1, .real = 1}, not_one = {0};
    ck_assert(resolves("approx_count_distinct", TIME, none, not_one));
    ck_assert(!resolves("approx_count_distinct", list, none, not_one));
    ck_assert(!resolves("approx_count_distinct", INT, INT, one));
    ck_assert(resolves("approx_quantile", INT, INT, one));
    ck_assert(resolves("approx_quantile", FLOAT, FLOAT, one));
    ck_assert(!resolves("approx_quantile", FLOAT, FLOAT, not_one));
    ck_assert(!resolves("approx_quantile", STRING, FLOAT, one));
    ck_assert(!resolves("approx_quantile", TIME, FLOAT, one));
    ck_assert(!resolves("approx_quantile", FLOAT, none, one));
    ck_assert(
        !resolves("approx_quantile", FLOAT, FLOAT, (ds_literal){.is_literal = true, .real = -0.1}));
    ck_assert(resolves("approx_top_k", STRING, INT, one));
    ck_assert(!resolves("approx_top_k", list, INT, one));
    ck_assert(!resolves("approx_top_k", STRING, FLOAT, one));
    ck_assert(!resolves("approx_top_k", STRING, INT, not_one));
    ck_assert(!resolves("approx_top_k", STRING, none, one));
    for (int64_t k = -1; k <= 10002; k += 1) {
        ds_literal literal = {.is_literal = true, .integer = k};
        ck_assert(resolves("approx_top_k", STRING, INT, literal) == (k >= 1 && k <= 10000));
        if (k == 1)
            k = 9998;
    }
}
END_TEST

START_TEST(filters_keep_rows_out)
{
    bench b;
    bench_open(&b);
    bench_call(&b, "approx_count_distinct", INT);
    bench_start(&b);
    feed_with(&b, b.groups, (feed_options){.filter = "true false null true"},
              (const char *const[]){"1 2 3 4"});
    ck_assert_str_eq(results(&b, b.groups), "2");
    bench_close(&b);
}
END_TEST

/* ---- Many values ---- */

/* Adds the ints from .. to of each of the first n_groups groups. */
static void feed_range(bench *b, ds_groups *groups, int64_t from, int64_t to, int64_t n_groups)
{
    enum { ROWS = 4096 };
    ds_arena *arena = ds_arena_new(NULL);
    ds_column *key = ds_column_new(arena, INT, ROWS), *x = ds_column_new(arena, INT, ROWS);
    ds_column *y = ds_column_new(arena, FLOAT, ROWS), *z = ds_column_new(arena, STRING, ROWS);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    const ds_column *keys[] = {key}, *const * args[BENCH_CALLS];
    const ds_column *ints[] = {x}, *floats[] = {y}, *strings[] = {z};
    for (uint32_t c = 0; c < b->spec.n_calls; c++) {
        ds_kind kind = (ds_kind)b->calls[c].arg_types[0].kind;
        args[c] = kind == DS_INT ? ints : kind == DS_FLOAT ? floats : strings;
    }
    uint32_t n = 0;
    for (int64_t value = from; value < to; value++) {
        for (int64_t group = 0; group < n_groups; group++) {
            char text[40];
            int length = snprintf(text, sizeof text, "text of number %d", (int)value);
            key->ints[n] = group;
            x->ints[n] = value;
            y->floats[n] = (double)value;
            z->views[n++] = ds_view_copy(&heap, text, (uint32_t)length);
            if (n == ROWS || (value == to - 1 && group == n_groups - 1)) {
                ds_groups_update(groups, &heap, keys, args, NULL, NULL, n);
                n = 0;
            }
        }
    }
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}

static void all_sketches(bench *b)
{
    bench_key(b, INT);
    bench_call(b, "approx_count_distinct", INT);
    bench_call(b, "approx_count_distinct", STRING);
    bench_number(b, "approx_quantile", FLOAT, DS_FLOAT, 0.5);
    bench_number(b, "approx_top_k", STRING, DS_INT, 2);
    bench_start(b);
}

START_TEST(up_to_1024_values_are_told_apart)
{
    bench b;
    bench_open(&b);
    all_sketches(&b);
    for (int64_t n = 0; n < 1000; n++) {
        feed_range(&b, b.groups, n, n + 1, 1);
        ds_column *columns[5];
        ds_groups_results(b.groups, b.d.arena, &b.d.heap, all_ids(&b, 1), 1, columns, NULL);
        ck_assert_int_ge(columns[1]->ints[0], n);
        ck_assert_int_le(columns[1]->ints[0], n + 1);
        ck_assert_int_ge(columns[2]->ints[0], n);
        ck_assert_int_le(columns[2]->ints[0], n + 1);
        double middle = (double)n / 2;
        ck_assert_double_eq_tol(columns[3]->floats[0], middle, middle * 0.0078 + 1e-9);
    }
    bench_close(&b);
}
END_TEST

/* Ranges that overlap, merged in any order, are the same as the whole, whether they have few
 * values or many, and whether their tables do. */
START_TEST(parts_are_the_whole)
{
    enum { PARTS = 7 };
    static const int64_t sizes[] = {1, 3, 300, 1020, 1030, 2000, 100000};
    bench b;
    bench_open(&b);
    all_sketches(&b);
    int64_t size = sizes[_i];
    feed_range(&b, b.groups, -size / 3, size - size / 3, 2);
    ds_groups *parts[PARTS], *merged = bench_groups(&b);
    for (int64_t p = 0; p < PARTS; p++) {
        parts[p] = bench_groups(&b);
        int64_t from = size * p / (PARTS + 1), to = size * (p + 2) / (PARTS + 1);
        feed_range(&b, parts[p], from - size / 3, to - size / 3, 2);
    }
    for (uint32_t p = 0; p < PARTS; p++)
        merge_groups(&b, merged, parts[(p * 3 + 2) % PARTS]);
    ds_column *x[5], *y[5];
    ds_groups_results(b.groups, b.d.arena, &b.d.heap, all_ids(&b, 2), 2, x, NULL);
    ds_groups_results(merged, b.d.arena, &b.d.heap, all_ids(&b, 2), 2, y, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(x[1]->ints[i], y[1]->ints[i]);
        ck_assert_int_eq(x[2]->ints[i], y[2]->ints[i]);
        /* Overlaps count values twice, all but those at the ends: that leaves the middle. */
        double middle = x[3]->floats[i];
        ck_assert_double_eq_tol(y[3]->floats[i], middle, fabs(middle) * 0.2 + 1);
    }
    for (uint32_t p = 0; p < PARTS; p++)
        ds_groups_free(parts[p]);
    ds_groups_free(merged);
    bench_close(&b);
}
END_TEST

static size_t bytes_for(const char *name, ds_type type, int64_t values, int64_t groups)
{
    bench b;
    bench_open(&b);
    bench_key(&b, INT);
    if (strcmp(name, "approx_quantile") == 0)
        bench_number(&b, name, type, DS_FLOAT, 0.5);
    else if (strcmp(name, "approx_top_k") == 0)
        bench_number(&b, name, type, DS_INT, 10);
    else
        bench_call(&b, name, type);
    bench_start(&b);
    feed_range(&b, b.groups, 0, values, groups);
    size_t bytes = ds_groups_bytes(b.groups);
    ck_assert_uint_le(bytes, (size_t)b.budget.used_bytes);
    bench_close(&b);
    return bytes;
}

START_TEST(memory)
{
    /* Nearly nothing for few values: some hundred bytes a group, with its key. */
    ck_assert_uint_lt(bytes_for("approx_count_distinct", INT, 2, 10000), 1000000);
    ck_assert_uint_lt(bytes_for("approx_count_distinct", INT, 10, 10000), 4000000);
    ck_assert_uint_lt(bytes_for("approx_quantile", FLOAT, 1, 10000), 1200000);
    ck_assert_uint_lt(bytes_for("approx_quantile", FLOAT, 10, 10000), 5000000);
    ck_assert_uint_lt(bytes_for("approx_top_k", INT, 2, 10000), 4000000);
    /* Bounded for many. */
    ck_assert_uint_lt(bytes_for("approx_count_distinct", INT, 200000, 1), 32000);
    ck_assert_uint_lt(bytes_for("approx_quantile", FLOAT, 200000, 1), 80000);
    ck_assert_uint_lt(bytes_for("approx_top_k", STRING, 200000, 1), 1000000);
}
END_TEST

/* ---- Hostile partials ---- */

static void merge_words(bench *b, ds_groups *to, const int64_t *words, uint32_t n)
{
    uint32_t offsets[2] = {0, n};
    ds_column child = {.type = INT, .length = n, .ints = (int64_t *)(uintptr_t)words};
    ds_column list = {.type = DS_LIST_OF(DS_INT), .length = 1, .offsets = offsets, .child = &child};
    const ds_column *columns[] = {&list};
    ds_groups_merge(to, &b->d.heap, columns, 1);
}

static uint64_t bits(double value)
{
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

START_TEST(words_that_nobody_writes_are_passed_over)
{
    bench b;
    bench_open(&b);
    bench_call(&b, "approx_count_distinct", INT);
    bench_start(&b);
    int64_t words[600] = {0};
    static const int64_t heads[] = {0, 1, 3, -1, 1024, 1025, UINT32_MAX, INT64_MAX};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (uint32_t n = 1; n < 600; n++) {
            words[0] = heads[i];
            memset(words + 1, 0xff, sizeof words - 8);
            merge_words(&b, b.groups, words, n);
            memset(words + 1, 0x6d, sizeof words - 8); /* not ascending, rank too high */
            merge_words(&b, b.groups, words, n);
        }
    ck_assert_str_eq(results(&b, b.groups), "0");
    words[0] = 2;
    words[1] = 65LL << 32 | 1; /* right ones */
    merge_words(&b, b.groups, words, 2);
    ck_assert_str_eq(results(&b, b.groups), "2");
    bench_close(&b);
}
END_TEST

START_TEST(buckets_that_nobody_writes_are_passed_over)
{
    bench b;
    bench_open(&b);
    bench_number(&b, "approx_quantile", FLOAT, DS_FLOAT, 0.5);
    bench_start(&b);
    int64_t one = (int64_t)((uint64_t)(1 << 17) << 46 | 1); /* one 0.0 */
    int64_t none = (int64_t)((uint64_t)(1 << 17) << 46), low = 1;
    int64_t nan = (int64_t)bits(NAN), inf = (int64_t)bits(INFINITY), two = (int64_t)bits(2);
    const int64_t wrong[][5] = {
        {9, 0, 0, one, 0},   {-1, 0, 0, one, 0},
        {0, nan, 0, one, 0}, {0, 0, nan, one, 0},
        {0, 0, inf, one, 0}, {0, two, 0, one, 0},
        {0, 0, 0, none, 0},  {0, 0, 0, low, 0},
        {0, 0, 0, -1, 0},    {8, 0, 0, one + (1LL << 56), 0},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        for (uint32_t n = 0; n <= 4; n++)
            merge_words(&b, b.groups, wrong[i], n);
    merge_words(&b, b.groups, (const int64_t[]){0, 0, 0, one, one}, 5); /* not ascending */
    int64_t *many = ds_calloc(3000, sizeof *many);
    for (int64_t i = 0; i < 2997; i++)
        many[i + 3] = one + (i << 46);
    merge_words(&b, b.groups, many, 3000);
    free(many);
    ck_assert_str_eq(results(&b, b.groups), "null");
    merge_words(&b, b.groups, (const int64_t[]){0, 0, 0, one}, 4);
    ck_assert_str_eq(results(&b, b.groups), "0");
    /* A count beyond all bounds stays at the most it can be. */
    for (int i = 0; i < 3; i++)
        merge_words(&b, b.groups, (const int64_t[]){8, 0, 0, one | ((1LL << 46) - 1)}, 4);
    ck_assert_str_eq(results(&b, b.groups), "0");
    bench_close(&b);
}
END_TEST

/* ---- Queues of windows ---- */

typedef struct sliding {
    bench b;
    ds_text_store text;
    ds_slide_combine *queues;
} sliding;

static void sliding_open(sliding *s)
{
    bench_open(&s->b);
    all_sketches(&s->b);
    ds_text_store_init(&s->text, NULL);
    ds_text_store_lend(&s->text);
    const ds_agg_call *calls[4];
    for (int c = 0; c < 4; c++)
        calls[c] = &s->b.calls[c];
    s->queues = ds_slide_combine_new(calls, 4, &s->text, &s->b.budget);
}

static void sliding_push(sliding *s, int64_t from, int64_t to)
{
    ds_groups_clear(s->b.groups);
    feed_range(&s->b, s->b.groups, from, to, 1);
    ds_column *columns[8];
    ds_heap heap;
    ds_heap_init(&heap, s->b.d.arena);
    ds_groups_partials(s->b.groups, s->b.d.arena, &heap, all_ids(&s->b, 1), 1, columns);
    for (uint32_t i = 0; i < heap.n_buffers; i++)
        ds_text_store_set(&s->text, i, heap.buffers[i]);
    const ds_column *const *partials[4];
    for (int c = 0; c < 4; c++)
        partials[c] = (const ds_column *const *)&columns[c + 1];
    uint32_t key = 0;
    ds_slide_combine_push(s->queues, &key, 1, partials);
    ds_heap_fini(&heap);
}

/* A window of 10 panes of 200 values each over a long time: what it answers, and that what
 * leaves gives its memory back. */
START_TEST(queues_give_memory_back)
{
    sliding s;
    sliding_open(&s);
    size_t bytes = 0;
    for (int64_t i = 0; i < 300; i++) {
        uint32_t key = 0;
        sliding_push(&s, i * 200, i * 200 + 200);
        if (i < 10)
            continue;
        ds_slide_combine_pop(s.queues, &key, 1);
        ds_column *columns[4];
        ds_slide_combine_results(s.queues, s.b.d.arena, &s.b.d.heap, &key, 1, columns, NULL);
        ck_assert_double_eq_tol((double)columns[0]->ints[0], 2000, 2000 * 0.06);
        ck_assert_double_eq_tol((double)columns[1]->ints[0], 2000, 2000 * 0.06);
        double middle = (double)(i - 9) * 200 + 999.5;
        ck_assert_double_eq_tol(columns[2]->floats[0], middle, middle * 0.0078);
        ck_assert_uint_eq(columns[3]->offsets[1], 2);
        if (i == 100)
            bytes = ds_slide_combine_bytes(s.queues);
        ds_arena_reset(s.b.d.arena);
        ds_heap_reset(&s.b.d.heap);
    }
    ck_assert_uint_le(ds_slide_combine_bytes(s.queues), bytes * 5 / 4);
    ds_slide_combine_free(s.queues);
    ds_text_store_fini(&s.text);
    bench_close(&s.b);
}
END_TEST

START_TEST(runs)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_run_pool pool;
    ds_run_pool_init(&pool, &budget);
    ck_assert_uint_eq(ds_run_size(1), 0);
    ck_assert_uint_eq(ds_run_size(16), 0);
    ck_assert_uint_eq(ds_run_size(17), 1);
    ck_assert_uint_eq(ds_run_size(4096), 8);
    ck_assert_uint_eq(ds_run_size(4097), 9);
    for (uint32_t size = 0; size < DS_RUN_SIZES; size++) {
        void *a = ds_run_pool_take(&pool, size), *b = ds_run_pool_take(&pool, size);
        ck_assert_ptr_ne(a, b);
        memset(a, 1, (size_t)16 << size);
        memset(b, 2, (size_t)16 << size);
        ds_run_pool_give(&pool, a, size);
        ds_run_pool_give(&pool, b, size);
        ck_assert_ptr_eq(ds_run_pool_take(&pool, size), b);
        ck_assert_ptr_eq(ds_run_pool_take(&pool, size), a);
    }
    ck_assert_uint_ge((size_t)budget.used_bytes, ds_run_pool_bytes(&pool));
    ds_run_pool_clear(&pool);
    ds_run_pool_take(&pool, 3);
    ds_run_pool_fini(&pool);
    ck_assert_int_eq(budget.used_bytes, 0);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case("sketches", 60);
    tcase_add_test(tcase, few_values_are_counted_exactly);
    tcase_add_test(tcase, quantiles_of_few_values);
    tcase_add_test(tcase, the_most_frequent_values);
    tcase_add_test(tcase, types_and_literals_are_checked);
    tcase_add_test(tcase, filters_keep_rows_out);
    tcase_add_test(tcase, up_to_1024_values_are_told_apart);
    tcase_add_loop_test(tcase, parts_are_the_whole, 0, 7);
    tcase_add_test(tcase, memory);
    tcase_add_test(tcase, words_that_nobody_writes_are_passed_over);
    tcase_add_test(tcase, buckets_that_nobody_writes_are_passed_over);
    tcase_add_test(tcase, queues_give_memory_back);
    tcase_add_test(tcase, runs);
    return unit_run_case(tcase, "sketches");
}
