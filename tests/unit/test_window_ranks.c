/* Merits of a window's keys: against all its results, over panes and keys that come and go. */
#include "dstream/window_ranks.h"

#include "columnar/row_order.h"
#include "dstream/window.h"
#include "unit/grouping.h"

#include <stdlib.h>

#define INT DS_TYPE(DS_INT)
#define MOST_KEYS 40000u

static const ds_rank_order descending = {.call = 0, .descending = true};

typedef struct view {
    bench b;
    ds_window_spec spec;
    ds_window *window;
} view;

static void view_open(view *v)
{
    bench_open(&v->b);
    bench_key(&v->b, INT);
    bench_call(&v->b, "max", INT);
    v->spec = (ds_window_spec){&v->b.spec, 3000, 1000, 1000};
    v->window = ds_window_new(&v->spec, &v->b.budget);
    bench_start(&v->b);
}

static void view_close(view *v)
{
    ds_window_free(v->window);
    bench_close(&v->b);
}

/* A pane of the keys from .. from + n, with values that `random` gives, or nulls. */
static void slide(view *v, int64_t t, uint32_t from, uint32_t n, ds_random *random, uint32_t range)
{
    ds_column *key = ds_column_new(v->b.d.arena, INT, n),
              *value = ds_column_new(v->b.d.arena, INT, n);
    for (uint32_t i = 0; i < n; i++) {
        key->ints[i] = from + i;
        value->ints[i] = range == 0 ? 0 : (int64_t)ds_random_below(random, range);
    }
    if (range == 0)
        value = ds_column_nulls(v->b.d.arena, INT, n);
    const ds_column *columns[] = {key, value};
    if (n > 0)
        ds_window_add(v->window, t, &v->b.d.heap, columns, n);
    ds_window_slide(v->window, t);
}

/* Brings merits up to date, in small steps. Returns how many keys were stale. */
static uint32_t rank(view *v, const ds_rank_order *order, uint32_t most)
{
    ds_sort_key by = {0, order->descending, order->nulls_first};
    const ds_row_order prefixes_by = {&by, 1};
    uint32_t ids[DS_CHUNK_ROWS], from = 0, block = 0, n, total = 0;
    do {
        uint64_t prefixes[DS_CHUNK_ROWS];
        ds_column *call;
        n = ds_window_ranks_stale(v->window, &block, ids, most);
        ck_assert_uint_le(n, most < 64 ? 64 : most);
        ds_window_calls(v->window, v->b.d.arena, &v->b.d.heap, ids, n, &call, NULL);
        ds_row_order_prefixes_of(&prefixes_by, &v->b.d.heap, call, 0, n, prefixes);
        ds_window_ranks_set(v->window, from, block, ids, n, prefixes, NULL);
        from = block;
        total += n;
    } while (n > 0);
    return total;
}

/* Those that are as high as the bound: each once. Returns how many. */
static uint32_t firsts(view *v, uint64_t limit, uint32_t most, bool *found)
{
    uint64_t bound = ds_window_ranks_bound(v->window, limit);
    uint32_t ids[DS_CHUNK_ROWS], block = 0, n, total = 0;
    memset(found, 0, MOST_KEYS * sizeof *found);
    while ((n = ds_window_ranks_first(v->window, bound, &block, ids, most)) > 0)
        for (uint32_t i = 0; i < n; i++, total++) {
            ck_assert(!found[ids[i]]);
            found[ids[i]] = true;
        }
    return total;
}

/* All keys, and their values: nulls are INT64_MIN. Returns how many. */
static uint32_t all_values(view *v, uint32_t *ids, int64_t *values)
{
    uint32_t at = 0, n = 0, some;
    while ((some = ds_window_next(v->window, &at, ids + n, DS_CHUNK_ROWS)) > 0) {
        ds_column *call;
        ds_window_calls(v->window, v->b.d.arena, &v->b.d.heap, ids + n, some, &call, NULL);
        for (uint32_t i = 0; i < some; i++)
            values[n + i] = ds_column_is_null(call, i) ? INT64_MIN : call->ints[i];
        n += some;
    }
    ck_assert_uint_eq(n, ds_window_count(v->window));
    return n;
}

static int higher_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Whoever is not found is behind at least `limit` others. Returns how many were found. */
static uint32_t check_firsts(view *v, uint64_t limit, uint32_t most)
{
    uint32_t *ids = malloc(MOST_KEYS * sizeof *ids);
    int64_t *values = malloc(MOST_KEYS * sizeof *values),
            *sorted = malloc(MOST_KEYS * sizeof *sorted);
    bool *found = malloc(MOST_KEYS * sizeof *found);
    uint32_t n = all_values(v, ids, values), total = firsts(v, limit, most, found), here = 0;
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, higher_first);
    for (uint32_t i = 0; i < n; i++) {
        here += found[ids[i]];
        ck_assert(found[ids[i]] || (limit < n && values[i] < sorted[limit - 1]));
    }
    ck_assert_uint_eq(here, total); /* none that is not in the window */
    free(ids);
    free(values);
    free(sorted);
    free(found);
    return total;
}

/* Panes that overlap, leave keys behind, and are empty at last. */
START_TEST(the_first_are_found)
{
    static const uint32_t range_of[] = {1000000, 5, 0};
    uint32_t most = _i % 2 == 0 ? DS_CHUNK_ROWS : 70, range = range_of[_i / 2];
    ds_random random;
    ds_random_init(&random, 7 + (uint64_t)_i);
    view v;
    view_open(&v);
    for (int64_t s = 1; s <= 14; s++) {
        uint32_t from = (uint32_t)(s % 4) * 3000, n = s > 10 ? 0 : 4000 + 1000 * (uint32_t)(s % 3);
        slide(&v, s * 1000, from, n, &random, range);
        if (s == 5) /* nobody reads these */
            continue;
        uint32_t keys = ds_window_count(v.window);
        ck_assert(ds_window_ranks_keep(v.window, &descending, 10));
        uint32_t stale = rank(&v, &descending, most);
        ck_assert_uint_le(stale, keys);
        ck_assert_uint_eq(rank(&v, &descending, most), 0);
        uint32_t total = check_firsts(&v, 10, most);
        if (range > 10 && keys > 0)
            ck_assert_uint_lt(total, 40);
        check_firsts(&v, 1, most);
    }
    ck_assert_uint_eq(ds_window_count(v.window), 0);
    view_close(&v);
}
END_TEST

START_TEST(only_what_changed_is_stale)
{
    ds_random random;
    ds_random_init(&random, 3);
    view v;
    view_open(&v);
    slide(&v, 1000, 0, 20000, &random, 1000);
    ck_assert(ds_window_ranks_keep(v.window, &descending, 100));
    ck_assert_uint_eq(rank(&v, &descending, DS_CHUNK_ROWS), 20000);
    slide(&v, 2000, 500, 1000, &random, 100000);
    ck_assert(ds_window_ranks_keep(v.window, &descending, 100));
    uint32_t stale = rank(&v, &descending, DS_CHUNK_ROWS);
    ck_assert_uint_eq(stale, 1000);
    check_firsts(&v, 100, DS_CHUNK_ROWS);
    slide(&v, 3000, 0, 0, &random, 1);
    ck_assert_uint_eq(rank(&v, &descending, DS_CHUNK_ROWS), 0);
    slide(&v, 4000, 0, 0, &random, 1); /* the first pane goes, and its keys but for 1,000 */
    stale = rank(&v, &descending, DS_CHUNK_ROWS);
    ck_assert_uint_eq(stale, 1000);
    ck_assert_uint_eq(ds_window_count(v.window), 1000);
    check_firsts(&v, 100, DS_CHUNK_ROWS);
    view_close(&v);
}
END_TEST

/* Another order, and the window without anything, begin anew; few keys are not worth it. */
START_TEST(merits_are_of_one_order)
{
    const ds_rank_order ascending = {.call = 0}, nulls = {.descending = true, .nulls_first = true};
    ds_random random;
    ds_random_init(&random, 5);
    view v;
    view_open(&v);
    slide(&v, 1000, 0, 10000, &random, 1000);
    ck_assert(!ds_window_ranks_keep(v.window, &descending, 100));
    ck_assert_uint_eq(ds_window_ranks_bytes(v.window), 0);
    ck_assert(ds_window_ranks_keep(v.window, &descending, 20));
    ck_assert_uint_eq(rank(&v, &descending, 128), 10000);
    ck_assert_uint_ge(ds_window_ranks_bytes(v.window), 80000);
    ck_assert(ds_window_ranks_keep(v.window, &ascending, 20));
    ck_assert_uint_eq(rank(&v, &ascending, 128), 10000);
    ck_assert(ds_window_ranks_keep(v.window, &nulls, 20));
    ck_assert_uint_eq(rank(&v, &nulls, 128), 10000);
    check_firsts(&v, 20, 128);
    size_t with = ds_window_bytes(v.window);
    ck_assert(!ds_window_ranks_keep(v.window, &nulls, 100));
    ck_assert_uint_eq(ds_window_ranks_bytes(v.window), 0);
    ck_assert_uint_lt(ds_window_bytes(v.window), with);
    ds_window_clear(v.window);
    ck_assert(!ds_window_ranks_keep(v.window, &descending, 1));
    view_close(&v);
}
END_TEST

/* Whose result does not fit is always found, until it fits. */
START_TEST(none_are_kept_of_nothing)
{
    view v;
    view_open(&v);
    for (uint64_t limit = 0; limit < 3; limit++)
        ck_assert(!ds_window_ranks_keep(v.window, &descending, limit));
    ck_assert_uint_eq(ds_window_ranks_bytes(v.window), 0);
    view_close(&v);
}
END_TEST

START_TEST(misfits_are_found)
{
    ds_random random;
    ds_random_init(&random, 11);
    view v;
    view_open(&v);
    slide(&v, 1000, 0, 20000, &random, 1000000);
    ck_assert(ds_window_ranks_keep(v.window, &descending, 3));
    uint32_t ids[DS_CHUNK_ROWS], block = 0;
    uint64_t prefixes[DS_CHUNK_ROWS], misfits[DS_CHUNK_WORDS];
    bool *found = malloc(MOST_KEYS * sizeof *found);
    uint32_t n = ds_window_ranks_stale(v.window, &block, ids, DS_CHUNK_ROWS);
    memset(prefixes, 0xff, sizeof prefixes);
    memset(misfits, 0, sizeof misfits);
    ds_bit_set(misfits, 77);
    ds_window_ranks_set(v.window, 0, block, ids, n, prefixes, misfits);
    rank(&v, &descending, DS_CHUNK_ROWS);
    uint32_t total = firsts(&v, 3, DS_CHUNK_ROWS, found);
    ck_assert(found[ids[77]]);
    slide(&v, 2000, 77, 1, &random, 1);
    ck_assert_uint_eq(rank(&v, &descending, DS_CHUNK_ROWS), 1);
    ck_assert_uint_eq(firsts(&v, 3, DS_CHUNK_ROWS, found), total - 1);
    ck_assert_uint_eq(firsts(&v, 0, DS_CHUNK_ROWS, found), 0);
    ck_assert_uint_eq(firsts(&v, 1000000, DS_CHUNK_ROWS, found), 20000);
    free(found);
    view_close(&v);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case("window_ranks", 30);
    tcase_add_loop_test(tcase, the_first_are_found, 0, 6);
    tcase_add_test(tcase, only_what_changed_is_stale);
    tcase_add_test(tcase, merits_are_of_one_order);
    tcase_add_test(tcase, none_are_kept_of_nothing);
    tcase_add_test(tcase, misfits_are_found);
    return unit_run_case(tcase, "window_ranks");
}
