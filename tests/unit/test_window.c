/* Windows: every aggregate against a recomputation, panes, gaps, keys that go, work, memory. */
#include "dstream/window.h"

#include "unit/grouping.h"
#include "unit/paged_kit.h"

#define NOTHING DS_TYPE(DS_NULL_TYPE)
#define INT DS_TYPE(DS_INT)
#define FLOAT DS_TYPE(DS_FLOAT)
#define STRING DS_TYPE(DS_STRING)

/* ---- By hand ---- */

typedef struct pane_view {
    bench b;
    ds_window_spec spec;
    ds_window *window;
} pane_view;

static void view_open(pane_view *v)
{
    bench_open(&v->b);
}

static void view_start(pane_view *v, int64_t size, int64_t slide, int64_t step)
{
    v->spec = (ds_window_spec){&v->b.spec, size, slide, step};
    v->window = ds_window_new(&v->spec, &v->b.budget);
    bench_start(&v->b);
}

static void view_close(pane_view *v)
{
    ds_window_free(v->window);
    bench_close(&v->b);
}

/* Adds what is in the bench's table, and empties it. */
static void add_batch(pane_view *v, int64_t batch)
{
    ds_column *columns[BENCH_CALLS * DS_MAX_PARTIAL];
    partials(&v->b, v->b.groups, columns);
    ds_window_add(v->window, batch, &v->b.d.heap, (const ds_column *const *)columns,
                  ds_groups_count(v->b.groups));
    ds_groups_clear(v->b.groups);
}

#define add(v, batch, ...)                                                                         \
    do {                                                                                           \
        feed(&(v)->b, (v)->b.groups, __VA_ARGS__);                                                 \
        add_batch(v, batch);                                                                       \
    } while (0)

static uint32_t window_columns(pane_view *v, ds_column **columns)
{
    uint32_t n = ds_window_count(v->window);
    ds_window_results(v->window, v->b.d.arena, &v->b.d.heap, 0, n, columns, NULL);
    return n;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The window's rows, sorted as text. */
static const char *at(pane_view *v, int64_t t)
{
    ds_window_slide(v->window, t);
    ds_column *columns[BENCH_CALLS + 4];
    uint32_t n = window_columns(v, columns);
    const char *lines[64];
    ds_buffer out = {0};
    ck_assert_uint_le(n, 64);
    for (uint32_t row = 0; row < n; row++) {
        ds_column *one[BENCH_CALLS + 4];
        for (uint32_t c = 0; c < v->b.spec.n_keys + v->b.spec.n_calls; c++)
            one[c] = ds_column_gather(v->b.d.arena, columns[c], &row, 1);
        lines[row] = rows_text(&v->b.d, one, v->b.spec.n_keys + v->b.spec.n_calls, 1);
    }
    qsort(lines, n, sizeof *lines, compare_lines);
    for (uint32_t row = 0; row < n; row++)
        ds_buffer_printf(&out, "%s%s", row > 0 ? "; " : "", lines[row]);
    const char *text = ds_arena_strdup(v->b.d.arena, ds_buffer_text(&out));
    ds_buffer_fini(&out);
    return text;
}

static void word_count(pane_view *v, int64_t size, int64_t slide, int64_t step)
{
    view_open(v);
    bench_key(&v->b, STRING);
    bench_call(&v->b, "count", NOTHING);
    bench_call(&v->b, "max", INT);
    view_start(v, size, slide, step);
}

START_TEST(counts_slide)
{
    pane_view v;
    word_count(&v, 3000, 1000, 1000);
    ck_assert_str_eq(at(&v, 0), "");
    add(&v, 1000, "a b a", "1 2 3");
    ck_assert_str_eq(at(&v, 1000), "a 2 3; b 1 2");
    add(&v, 2000, "b", "9");
    ck_assert_str_eq(at(&v, 2000), "a 2 3; b 2 9");
    ck_assert_str_eq(at(&v, 3000), "a 2 3; b 2 9");
    add(&v, 4000, "c b", "null 1");
    ck_assert_str_eq(at(&v, 4000), "b 2 9; c 1 null");
    ck_assert_uint_eq(ds_window_panes(v.window), 2);
    ck_assert_str_eq(at(&v, 5000), "b 1 1; c 1 null");
    ck_assert_str_eq(at(&v, 6000), "b 1 1; c 1 null");
    ck_assert_str_eq(at(&v, 7000), "");
    ck_assert_uint_eq(ds_window_panes(v.window), 0);
    view_close(&v);
}
END_TEST

START_TEST(a_batch_in_several_parts)
{
    pane_view v;
    word_count(&v, 2000, 1000, 1000);
    add(&v, 1000, "a b", "1 2");
    add(&v, 1000, "b c", "5 6");
    ck_assert_str_eq(at(&v, 1000), "a 1 1; b 2 5; c 1 6");
    view_close(&v);
}
END_TEST

START_TEST(tumbling_windows)
{
    pane_view v;
    word_count(&v, 3000, 3000, 1000);
    add(&v, 1000, "a", "1");
    add(&v, 3000, "a b", "2 3");
    ck_assert_str_eq(at(&v, 3000), "a 2 2; b 1 3");
    ck_assert_str_eq(at(&v, 6000), "");
    add(&v, 7000, "c", "1");
    add(&v, 8000, "c", "4");
    ck_assert_str_eq(at(&v, 9000), "c 2 4");
    add(&v, 10000, "d", "1");
    ck_assert_str_eq(at(&v, 12000), "d 1 1");
    ck_assert_uint_eq(ds_window_panes(v.window), 0);
    view_close(&v);
}
END_TEST

START_TEST(gaps_are_not_aggregated)
{
    pane_view v;
    word_count(&v, 1000, 3000, 1000); /* (2000, 3000], (5000, 6000] ... */
    add(&v, 1000, "a", "1");
    add(&v, 2000, "b", "1");
    add(&v, 3000, "c", "1");
    ck_assert_str_eq(at(&v, 3000), "c 1 1");
    add(&v, 4000, "d", "1");
    ck_assert_str_eq(at(&v, 6000), "");
    add(&v, 9000, "e", "1");
    ck_assert_str_eq(at(&v, 9000), "e 1 1");
    view_close(&v);
}
END_TEST

START_TEST(panes_end_where_windows_start)
{
    pane_view v;
    word_count(&v, 25000, 10000, 5000);
    for (int64_t b = 5000; b <= 40000; b += 5000) {
        char key[2] = {(char)('a' + b / 5000 - 1), 0};
        add(&v, b, key, "1");
        if (b == 10000)
            ck_assert_str_eq(at(&v, b), "a 1 1; b 1 1");
        if (b == 20000) {
            ck_assert_uint_eq(ds_window_panes(v.window), 3); /* that of 20000 is open */
            ck_assert_str_eq(at(&v, b), "a 1 1; b 1 1; c 1 1; d 1 1");
        }
        if (b == 30000)
            ck_assert_str_eq(at(&v, b), "b 1 1; c 1 1; d 1 1; e 1 1; f 1 1");
    }
    ck_assert_str_eq(at(&v, 40000), "d 1 1; e 1 1; f 1 1; g 1 1; h 1 1");
    view_close(&v);
}
END_TEST

START_TEST(times_before_1970)
{
    pane_view v;
    word_count(&v, 25000, 10000, 5000);
    add(&v, -25000, "a", "1");
    add(&v, -20000, "b", "1");
    ck_assert_str_eq(at(&v, -20000), "a 1 1; b 1 1");
    add(&v, -5000, "c", "1");
    ck_assert_str_eq(at(&v, 0), "b 1 1; c 1 1");
    view_close(&v);
}
END_TEST

START_TEST(without_keys_there_is_always_a_row)
{
    static const int64_t sizes[] = {3000, 1000};
    for (int i = 0; i < 2; i++) {
        pane_view v;
        view_open(&v);
        bench_call(&v.b, "count", NOTHING);
        bench_call(&v.b, "sum", INT);
        bench_call(&v.b, "sum", FLOAT);
        bench_call(&v.b, "first", STRING);
        view_start(&v, sizes[i], 1000, 1000);
        ck_assert_str_eq(at(&v, 0), "0 null null null");
        add(&v, 1000, "5 6", "0.5 1", "x y");
        ck_assert_str_eq(at(&v, 1000), "2 11 1.5 x");
        ck_assert_str_eq(at(&v, 5000), "0 null null null");
        add(&v, 6000, "7", "1", "z");
        ck_assert_str_eq(at(&v, 6000), "1 7 1 z");
        ds_window_clear(v.window);
        ck_assert_str_eq(at(&v, 2000), "0 null null null");
        view_close(&v);
    }
}
END_TEST

START_TEST(sums_after_an_overflow_fit_again)
{
    pane_view v;
    view_open(&v);
    bench_key(&v.b, STRING);
    bench_call(&v.b, "sum", INT);
    view_start(&v, 2000, 1000, 1000);
    add(&v, 1000, "a", "9223372036854775807");
    ck_assert_str_eq(at(&v, 1000), "a 9223372036854775807");
    add(&v, 2000, "a", "5");
    ck_assert_str_eq(at(&v, 2000), "a null");
    ck_assert_uint_eq(ds_window_overflows(v.window), 1);
    add(&v, 3000, "a", "null");
    ck_assert_str_eq(at(&v, 3000), "a 5");
    ck_assert_str_eq(at(&v, 4000), "a null"); /* present, but nothing to sum */
    ck_assert_uint_eq(ds_window_overflows(v.window), 1);
    view_close(&v);
}
END_TEST

START_TEST(subtracted_floats_would_drift)
{
    pane_view v;
    view_open(&v);
    bench_call(&v.b, "sum", FLOAT);
    view_start(&v, 2000, 1000, 1000);
    add(&v, 1000, "1e16");
    add(&v, 2000, "0.1");
    ck_assert_str_eq(at(&v, 2000), "1e+16");
    ck_assert_str_eq(at(&v, 3000), "0.1");
    view_close(&v);
}
END_TEST

START_TEST(lists_are_values_too)
{
    pane_view v;
    view_open(&v);
    bench_key(&v.b, STRING);
    bench_call(&v.b, "first", DS_LIST_OF(DS_STRING));
    bench_call2(&v.b, "max_by", DS_LIST_OF(DS_INT), INT);
    view_start(&v, 2000, 1000, 1000);
    add(&v, 1000, "a b", "[x 'a long text inside a list'] [y]", "[1] [2]", "9 5");
    ck_assert_str_eq(at(&v, 1000), "a [x 'a long text inside a list'] [1]; b [y] [2]");
    add(&v, 2000, "a", "[z]", "[3]", "4");
    ck_assert_str_eq(at(&v, 2000), "a [x 'a long text inside a list'] [1]; b [y] [2]");
    ck_assert_str_eq(at(&v, 3000), "a [z] [3]");
    view_close(&v);
}
END_TEST

START_TEST(long_jumps_cost_nothing)
{
    pane_view v;
    word_count(&v, 3600000, 1000, 1000);
    add(&v, 1000, "a", "1");
    ck_assert_str_eq(at(&v, 1000), "a 1 1");
    ck_assert_str_eq(at(&v, INT64_C(4000000000000)), "");
    add(&v, INT64_C(8000000000000), "b", "2");
    ck_assert_str_eq(at(&v, INT64_C(8000000000000)), "b 1 2");
    /* A pane that ends before any window that is looked at. */
    add(&v, INT64_C(8000000001000), "c", "3");
    ck_assert_str_eq(at(&v, INT64_C(9000000000000)), "");
    view_close(&v);
}
END_TEST

START_TEST(results_by_parts)
{
    pane_view v;
    word_count(&v, 2000, 1000, 1000);
    ds_buffer words = {0}, numbers = {0};
    for (int i = 0; i < 5000; i++) {
        ds_buffer_printf(&words, "a-rather-long-word-%d ", i);
        ds_buffer_printf(&numbers, "%d ", i);
    }
    const char *texts[] = {ds_buffer_text(&words), ds_buffer_text(&numbers)};
    feed_with(&v.b, v.b.groups, (feed_options){0}, texts);
    add_batch(&v, 1000);
    ds_window_slide(v.window, 1000);
    ck_assert_uint_eq(ds_window_count(v.window), 5000);
    int64_t sum = 0;
    for (uint32_t from = 0; from < 5000; from += 1000) {
        ds_column *columns[3];
        ds_window_results(v.window, v.b.d.arena, &v.b.d.heap, from, 1000, columns, NULL);
        for (uint32_t i = 0; i < 1000; i++) {
            char word[64];
            snprintf(word, sizeof word, "a-rather-long-word-%d", (int)columns[2]->ints[i]);
            ck_assert_uint_eq(columns[0]->views[i].length, strlen(word));
            ck_assert_mem_eq(ds_view_bytes(&v.b.d.heap, &columns[0]->views[i]), word, strlen(word));
            sum += columns[2]->ints[i];
        }
    }
    ck_assert_int_eq(sum, 5000 * 4999 / 2);
    ds_buffer_fini(&words);
    ds_buffer_fini(&numbers);
    view_close(&v);
}
END_TEST

/* More keys than a part of a pane may have. */
START_TEST(large_panes)
{
    pane_view v;
    view_open(&v);
    bench_key(&v.b, INT);
    bench_call(&v.b, "count", NOTHING);
    bench_call(&v.b, "max", STRING);
    view_start(&v, 2000, 1000, 1000);
    enum { KEYS = 40000 };
    ds_column *key = ds_column_new(v.b.d.arena, INT, KEYS);
    ds_column *text = ds_column_new(v.b.d.arena, STRING, KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        char t[40];
        int length = snprintf(t, sizeof t, "the text of key %u", i);
        key->ints[i] = i;
        text->views[i] = ds_view_copy(&v.b.d.heap, t, (uint32_t)length);
    }
    const ds_column *keys[] = {key}, *x[] = {text}, *const * args[] = {NULL, x};
    for (int64_t t = 1000; t <= 4000; t += 1000) {
        ds_groups_update(v.b.groups, &v.b.d.heap, keys, args, NULL, NULL, KEYS);
        add_batch(&v, t);
        ds_window_slide(v.window, t);
        ck_assert_uint_eq(ds_window_count(v.window), KEYS);
        ck_assert_uint_eq(ds_window_panes(v.window), t == 1000 ? 1 : 2);
        ds_column *columns[3];
        ds_window_results(v.window, v.b.d.arena, &v.b.d.heap, 0, KEYS, columns, NULL);
        for (uint32_t i = 0; i < KEYS; i++) {
            ck_assert_int_eq(columns[1]->ints[i], t == 1000 ? 1 : 2);
            ck_assert(ds_view_equal(&v.b.d.heap, &columns[2]->views[i],
                                    &text->views[columns[0]->ints[i]]));
        }
    }
    ds_window_slide(v.window, 9000);
    ck_assert_uint_eq(ds_window_count(v.window), 0);
    ck_assert_uint_eq(ds_window_panes(v.window), 0);
    view_close(&v);
}
END_TEST

/* ---- Against a recomputation ---- */

typedef struct batch {
    int64_t time;
    ds_column *columns[BENCH_CALLS * DS_MAX_PARTIAL];
    uint32_t n;
} batch;

static batch random_batch(pane_view *v, ds_random *random, int64_t time)
{
    bench *b = &v->b;
    uint32_t n = (uint32_t)ds_random_below(random, 40);
    const ds_column *key[] = {random_column(b, random, STRING, n)};
    const ds_column *columns[BENCH_CALLS][2], *const *args[BENCH_CALLS];
    for (uint32_t c = 0; c < b->spec.n_calls; c++) {
        for (uint32_t a = 0; a < b->calls[c].n_args; a++)
            columns[c][a] = random_column(b, random, b->calls[c].arg_types[a], n);
        args[c] = columns[c];
    }
    ds_groups *table = bench_groups(b);
    ds_groups_update(table, &b->d.heap, key, args, NULL, NULL, n);
    batch result = {.time = time, .n = ds_groups_count(table)};
    partials(b, table, result.columns);
    /* The table's memory goes: only a copy is left, as after a shuffle. */
    for (uint32_t c = 0; c < ds_group_partial_types(&b->spec, NULL); c++) {
        ds_column *column = result.columns[c];
        ds_column *strings = column->type.kind == DS_LIST ? column->child : column;
        for (uint32_t i = 0; strings->type.kind == DS_STRING && i < strings->length; i++)
            strings->views[i] =
                ds_view_copy(&b->d.heap, ds_view_bytes(&b->d.heap, &strings->views[i]),
                             strings->views[i].length);
    }
    ds_groups_free(table);
    return result;
}

static void same_as_recomputed(pane_view *v, const batch *batches, uint32_t n_batches, int64_t t)
{
    bench *b = &v->b;
    ds_groups *all = bench_groups(b);
    for (uint32_t i = 0; i < n_batches; i++)
        if (batches[i].time > t - v->spec.size_ms && batches[i].time <= t)
            ds_groups_merge(all, &b->d.heap, (const ds_column *const *)batches[i].columns,
                            batches[i].n);
    uint32_t n = ds_groups_count(all);
    ck_assert_uint_eq(ds_window_count(v->window), n);
    ds_column *x[BENCH_CALLS + 4], *y[BENCH_CALLS + 4];
    window_columns(v, x);
    ds_groups_results(all, b->d.arena, &b->d.heap, all_ids(b, n), n, y, NULL);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = 0;
        while (b->spec.n_keys > 0 && j < n &&
               !ds_value_equal(&b->d.heap, x[0], i, &b->d.heap, y[0], j))
            j++;
        ck_assert_uint_lt(j, n);
        for (uint32_t c = 0; c < b->spec.n_keys + b->spec.n_calls; c++)
            same_value(b, c, x[c], i, y[c], j);
    }
    ds_groups_free(all);
}

static const int64_t shapes[][3] = {
    {10, 10, 10}, {30, 30, 10}, {60, 10, 10}, {25, 10, 5},  {50, 20, 10},
    {35, 20, 5},  {10, 30, 5},  {20, 50, 10}, {20, 10, 10}, {130, 10, 10},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

static void random_windows(uint64_t seed, bool keyed, const int64_t *shape, ds_paged *paged)
{
    int64_t size = shape[0], slide = shape[1], step = shape[2];
    enum { BATCHES = 60 };
    static batch batches[BATCHES];
    pane_view v;
    view_open(&v);
    v.b.budget.paged = paged;
    if (keyed)
        bench_key(&v.b, STRING);
    all_calls(&v.b);
    view_start(&v, size, slide, step);
    ds_random random;
    ds_random_init(&random, seed);
    int64_t time = step * (int64_t)(100 + ds_random_below(&random, 10));
    uint32_t n = 0;
    while (n < BATCHES) {
        bool missing = ds_random_below(&random, 6) == 0;
        if (!missing) {
            batches[n] = random_batch(&v, &random, time);
            ds_window_add(v.window, time, &v.b.d.heap, (const ds_column *const *)batches[n].columns,
                          batches[n].n);
            n++;
        }
        bool due = time % slide == 0;
        if (due && ds_random_below(&random, 8) > 0) {
            ds_window_slide(v.window, time);
            same_as_recomputed(&v, batches, n, time);
        }
        time += step;
        if (ds_random_below(&random, 25) == 0 && time % slide == 0)
            time += slide * (int64_t)ds_random_below(&random, 8);
    }
    int64_t last = (time / slide + 1) * slide;
    for (int64_t t = last; t <= last + size + slide; t += slide) {
        ds_window_slide(v.window, t);
        same_as_recomputed(&v, batches, n, t);
    }
    ck_assert_uint_eq(ds_window_count(v.window), keyed ? 0 : 1);
    size_t bytes = ds_window_bytes(v.window);
    ck_assert_uint_gt(bytes, 0);
    view_close(&v);
}

START_TEST(all_aggregates_in_all_windows)
{
    random_windows((uint64_t)_i * 7 + 1, (size_t)_i < 3 * N_SHAPES, shapes[(size_t)_i % N_SHAPES],
                   NULL);
}
END_TEST

START_TEST(the_same_on_disk)
{
    paged_kit k;
    paged_open(&k, (uint64_t)256 << 20, 16384, 8192);
    random_windows((uint64_t)_i * 11 + 3, true, shapes[(size_t)_i % N_SHAPES], k.paged);
    ck_assert_uint_gt(ds_paged_recent(k.paged), (uint64_t)1 << 20);
    paged_close(&k);
}
END_TEST

/* ---- Work and memory ---- */

/* Slides over a window of so many panes with the same keys in each. */
static ds_window_work steady_work(uint32_t panes, uint32_t n_keys)
{
    pane_view v;
    view_open(&v);
    bench_key(&v.b, STRING);
    bench_call(&v.b, "avg", FLOAT);
    bench_call(&v.b, "min", INT);
    bench_call(&v.b, "variance", FLOAT);
    bench_call(&v.b, "count", NOTHING);
    view_start(&v, panes * 1000, 1000, 1000);
    ds_buffer keys = {0}, numbers = {0};
    for (uint32_t i = 0; i < n_keys; i++) {
        ds_buffer_printf(&keys, "k%u ", i);
        ds_buffer_printf(&numbers, "%u ", i);
    }
    const char *texts[] = {ds_buffer_text(&keys), ds_buffer_text(&numbers),
                           ds_buffer_text(&numbers), ds_buffer_text(&numbers)};
    feed_with(&v.b, v.b.groups, (feed_options){0}, texts);
    ds_column *columns[20];
    partials(&v.b, v.b.groups, columns);
    ds_arena *arena = ds_arena_new(NULL);
    for (uint32_t i = 1; i <= panes * 2 + 50; i++) {
        ds_window_add(v.window, i * 1000, &v.b.d.heap, (const ds_column *const *)columns, n_keys);
        ds_window_slide(v.window, i * 1000);
        ds_column *out[5];
        ds_heap heap;
        ds_heap_init(&heap, arena);
        ds_window_results(v.window, arena, &heap, 0, n_keys, out, NULL);
        ck_assert_int_eq(out[4]->ints[0], i < panes ? i : panes);
        ck_assert_int_eq(out[2]->ints[n_keys - 1], n_keys - 1);
        ds_heap_fini(&heap);
        ds_arena_reset(arena);
    }
    ds_window_work work = ds_window_work_done(v.window);
    ck_assert_uint_eq(ds_window_panes(v.window), panes);
    ds_arena_free(arena);
    ds_buffer_fini(&keys);
    ds_buffer_fini(&numbers);
    view_close(&v);
    return work;
}

/* For each key: 3 combines to push, 2 to pop, 1 to read; count adds and subtracts one. That
 * is all, whatever the length; very short queues need less. */
START_TEST(work_does_not_grow_with_the_window)
{
    enum { KEYS = 3, MOST = KEYS * (3 + 2 + 1 + 2) };
    ck_assert_uint_le(steady_work(2, KEYS).most, MOST);
    ck_assert_uint_eq(steady_work(5, KEYS).most, MOST);
    ck_assert_uint_eq(steady_work(60, KEYS).most, MOST);
    ck_assert_uint_eq(steady_work(3600, KEYS).most, MOST);
}
END_TEST

START_TEST(memory_stays_flat)
{
    pane_view v;
    view_open(&v);
    bench_key(&v.b, STRING);
    bench_call(&v.b, "max", STRING);
    bench_call(&v.b, "count_distinct", STRING);
    bench_call(&v.b, "collect_list", STRING);
    bench_call(&v.b, "avg", FLOAT);
    view_start(&v, 5000, 1000, 1000);
    ds_random random;
    ds_random_init(&random, 1);
    int64_t most = 0;
    for (int64_t t = 1000; t <= 4000000; t += 1000) {
        char key[80], text[80];
        ds_arena_reset(v.b.d.arena);
        ds_heap_reset(&v.b.d.heap);
        snprintf(key, sizeof key, "always key-number-%d-only-once", (int)t);
        snprintf(text, sizeof text, "a-value-of-its-own-%d a-value-of-its-own-%d", (int)t,
                 (int)ds_random_below(&random, 1000));
        add(&v, t, key, text, text, text, "1 2");
        ds_window_slide(v.window, t);
        int64_t used = v.b.budget.used_bytes;
        most = used > most ? used : most;
    }
    ck_assert_int_lt(most, 250000); /* 0.7 MB went through */
    ck_assert_uint_eq(ds_window_count(v.window), 6);
    ck_assert_uint_lt(ds_window_bytes(v.window), (size_t)v.b.budget.used_bytes);
    view_close(&v);
}
END_TEST

/* There is a window for each key partition: what is needed for a moment must not stay in each. */
START_TEST(nothing_stays_beside_what_is_kept)
{
    pane_view v;
    paged_kit k;
    ds_budget executor;
    paged_open(&k, (uint64_t)64 << 20, 65536, 32768);
    view_open(&v);
    ds_budget_init(&executor, NULL, 0);
    v.b.budget.parent = &executor;
    v.b.budget.paged = k.paged;
    bench_key(&v.b, INT);
    bench_call(&v.b, "median", FLOAT);
    bench_call(&v.b, "collect_list", INT);
    bench_number(&v.b, "approx_top_k", STRING, DS_INT, 3);
    view_start(&v, 2000, 1000, 1000);
    for (int64_t t = 1000; t <= 6000; t += 1000) {
        if (t <= 4000)
            add(&v, t, "1 2 3 4 1", "1.5 2.5 3.5 4.5 5.5", "1 2 3 4 5", "a b c d e");
        ds_window_slide(v.window, t);
        ck_assert_int_eq(executor.used_bytes, v.b.budget.used_bytes);
    }
    view_close(&v);
    paged_close(&k);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case("window", 30);
    tcase_add_test(tcase, counts_slide);
    tcase_add_test(tcase, a_batch_in_several_parts);
    tcase_add_test(tcase, tumbling_windows);
    tcase_add_test(tcase, gaps_are_not_aggregated);
    tcase_add_test(tcase, panes_end_where_windows_start);
    tcase_add_test(tcase, times_before_1970);
    tcase_add_test(tcase, without_keys_there_is_always_a_row);
    tcase_add_test(tcase, sums_after_an_overflow_fit_again);
    tcase_add_test(tcase, subtracted_floats_would_drift);
    tcase_add_test(tcase, lists_are_values_too);
    tcase_add_test(tcase, long_jumps_cost_nothing);
    tcase_add_test(tcase, results_by_parts);
    tcase_add_test(tcase, large_panes);
    tcase_add_loop_test(tcase, all_aggregates_in_all_windows, 0, 40);
    tcase_add_loop_test(tcase, the_same_on_disk, 0, 8);
    tcase_add_test(tcase, work_does_not_grow_with_the_window);
    tcase_add_test(tcase, memory_stays_flat);
    tcase_add_test(tcase, nothing_stays_beside_what_is_kept);
    return unit_run_case(tcase, "window");
}
