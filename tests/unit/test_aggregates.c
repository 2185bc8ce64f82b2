/* Every aggregate: types, nulls, empty input, filters, order, merging, limits. */
#include "base/random.h"
#include "columnar/piece.h"
#include "unit/grouping.h"

#include <math.h>

#define NOTHING DS_TYPE(DS_NULL_TYPE)
#define BOOL DS_TYPE(DS_BOOL)
#define INT DS_TYPE(DS_INT)
#define FLOAT DS_TYPE(DS_FLOAT)
#define STRING DS_TYPE(DS_STRING)
#define TIME DS_TYPE(DS_TIMESTAMP)
#define LONG "'some text of more than twelve bytes'"
#define LONGER "'yet another text that is longer than twelve bytes'"

/* The result of one call over one column, without keys: from rows; and from the merged
 * partials of each half, which must be the same. */
static const char *result_of_bench(bench *b, const char *x, const char *y)
{
    static char text[4096];
    bench_start(b);
    feed(b, b->groups, x, y);
    snprintf(text, sizeof text, "%s", results(b, b->groups));
    ds_groups *merged = bench_groups(b), *empty = bench_groups(b);
    merge_groups(b, merged, empty);
    merge_groups(b, merged, b->groups);
    merge_groups(b, merged, empty);
    ck_assert_str_eq(results(b, merged), text);
    ds_groups_clear(merged);
    merge_groups(b, merged, b->groups);
    ck_assert_str_eq(results(b, merged), text);
    ds_groups_free(merged);
    ds_groups_free(empty);
    bench_close(b);
    return text;
}

static const char *result2(const char *name, ds_type tx, ds_type ty, const char *x, const char *y)
{
    bench b;
    bench_open(&b);
    bench_call2(&b, name, tx, ty);
    return result_of_bench(&b, x, y);
}

static const char *result(const char *name, ds_type type, const char *x)
{
    return result2(name, type, NOTHING, x, NULL);
}

static const char *quantile(double q, const char *x)
{
    bench b;
    bench_open(&b);
    bench_quantile(&b, q);
    return result_of_bench(&b, x, NULL);
}

static const char *string_agg(const char *separator, const char *x)
{
    bench b;
    bench_open(&b);
    bench_string_agg(&b, separator);
    return result_of_bench(&b, x, NULL);
}

START_TEST(counts)
{
    ck_assert_str_eq(result("count", INT, "1 null 3"), "2");
    ck_assert_str_eq(result("count", DS_LIST_OF(DS_INT), "[1] null [] [null]"), "3");
    ck_assert_str_eq(result("count", STRING, ""), "0");
    ck_assert_str_eq(result("count", BOOL, "null null"), "0");
    bench b;
    bench_open(&b);
    bench_call(&b, "count", NOTHING);
    bench_start(&b);
    feed_with(&b, b.groups, (feed_options){.n_rows = 5000}, NULL);
    ck_assert_str_eq(results(&b, b.groups), "5000");
    bench_close(&b);
}
END_TEST

START_TEST(sums)
{
    ck_assert_str_eq(result("sum", INT, "1 null -5 3"), "-1");
    ck_assert_str_eq(result("sum", INT, "null null"), "null");
    ck_assert_str_eq(result("sum", INT, ""), "null");
    ck_assert_str_eq(result("sum", FLOAT, "0.5 null 0.25"), "0.75");
    ck_assert_str_eq(result("sum", FLOAT, "null"), "null");
    ck_assert_str_eq(result("sum", FLOAT, "1e308 1e308"), "null"); /* not finite */
    ck_assert_str_eq(result("sum", FLOAT, "1e308 1e308 -1e308 -1e308"), "null");
}
END_TEST

START_TEST(int_sums_are_exact_beyond_64_bits)
{
    const char *most = "9223372036854775807", *least = "-9223372036854775808";
    char text[256];
    snprintf(text, sizeof text, "%s %s %s", most, most, most);
    ck_assert_str_eq(result("sum", INT, text), "null");
    ck_assert_str_eq(result("avg", INT, text), "9.2233720368547758e+18");
    snprintf(text, sizeof text, "%s %s %s -1", most, most, least);
    ck_assert_str_eq(result("sum", INT, text), "9223372036854775805");
    snprintf(text, sizeof text, "%s %s %s", least, least, most);
    ck_assert_str_eq(result("sum", INT, text), "null");
    snprintf(text, sizeof text, "%s %s %s 1 1 1 %s", least, least, most, most);
    ck_assert_str_eq(result("sum", INT, text), "1");
    ck_assert_str_eq(result("sum", INT, most), most);
    ck_assert_str_eq(result("sum", INT, least), least);
    snprintf(text, sizeof text, "%s -1", least);
    ck_assert_str_eq(result("sum", INT, text), "null");
}
END_TEST

START_TEST(overflows_are_counted)
{
    bench b;
    bench_open(&b);
    bench_key(&b, STRING);
    bench_call(&b, "sum", INT);
    bench_start(&b);
    feed(&b, b.groups, "a a b b c", "9223372036854775807 1 -9223372036854775808 -1 5");
    ck_assert_uint_eq(ds_groups_overflows(b.groups), 0);
    ck_assert_str_eq(results(&b, b.groups), "a null; b null; c 5");
    ck_assert_uint_eq(ds_groups_overflows(b.groups), 2);
    bench_close(&b);
}
END_TEST

START_TEST(averages)
{
    ck_assert_str_eq(result("avg", INT, "1 2 null 4"), "2.3333333333333335");
    ck_assert_str_eq(result("avg", INT, "9007199254740993 9007199254740993"), "9007199254740992");
    ck_assert_str_eq(result("avg", INT, "null"), "null");
    ck_assert_str_eq(result("avg", FLOAT, "1 2 null 4.5"), "2.5");
    ck_assert_str_eq(result("avg", FLOAT, ""), "null");
}
END_TEST

START_TEST(least_and_greatest)
{
    ck_assert_str_eq(result("min", INT, "3 null -1 7"), "-1");
    ck_assert_str_eq(result("max", INT, "3 null -1 7"), "7");
    ck_assert_str_eq(result("min", FLOAT, "3.5 null -0.5"), "-0.5");
    ck_assert_str_eq(result("max", FLOAT, "-3.5 -1e300"), "-3.5");
    ck_assert_str_eq(result("min", BOOL, "true null false"), "false");
    ck_assert_str_eq(result("max", BOOL, "true null false"), "true");
    ck_assert_str_eq(result("min", BOOL, "true true"), "true");
    ck_assert_str_eq(result("min", TIME, "5 -5 null"), "-5");
    ck_assert_str_eq(result("max", TIME, "5 -5 null"), "5");
    ck_assert_str_eq(result("min", STRING, "b abc ab null"), "ab");
    ck_assert_str_eq(result("max", STRING, "b abc \xc3\xa9 null"), "\xc3\xa9");
    ck_assert_str_eq(result("max", STRING, LONG " b '' " LONGER), LONGER);
    ck_assert_str_eq(result("min", STRING, "a ''"), "''");
    ck_assert_str_eq(result("min", STRING, "null"), "null");
    ck_assert_str_eq(result("max", INT, ""), "null");
}
END_TEST

START_TEST(strings_that_are_replaced_do_not_pile_up)
{
    bench b;
    bench_open(&b);
    bench_call(&b, "max", STRING);
    bench_call2(&b, "min_by", STRING, INT);
    bench_call(&b, "last", STRING);
    bench_start(&b);
    for (int i = 0; i < 20000; i++) {
        char s[64], y[32];
        ds_arena_reset(b.d.arena);
        ds_heap_reset(&b.d.heap);
        snprintf(s, sizeof s, "'number %08d with a long tail of text'", i);
        snprintf(y, sizeof y, "%d", -i);
        feed(&b, b.groups, s, s, y, s);
    }
    ck_assert_str_eq(results(&b, b.groups), "'number 00019999 with a long tail of text' "
                                            "'number 00019999 with a long tail of text' "
                                            "'number 00019999 with a long tail of text'");
    ck_assert_uint_lt(ds_groups_bytes(b.groups), 600000); /* 2.2 MB went through */
    bench_close(&b);
}
END_TEST

START_TEST(moments)
{
    ck_assert_str_eq(result("variance", FLOAT, "2 4 4 null 4 5 5 7 9"), "4.5714285714285712");
    ck_assert_str_eq(result("stddev", FLOAT, "1 3"), "1.4142135623730951");
    ck_assert_str_eq(result("variance", FLOAT, "5"), "null");
    ck_assert_str_eq(result("variance", FLOAT, "5 null"), "null");
    ck_assert_str_eq(result("stddev", FLOAT, ""), "null");
    ck_assert_str_eq(result("variance", FLOAT, "3 3 3"), "0");
    /* Large and close together: the naive sum of squares loses everything here. */
    ck_assert_str_eq(result("variance", FLOAT, "1000000001 1000000002 1000000003"), "1");
    ck_assert_str_eq(result("variance", FLOAT, "1e308 -1e308"), "null");
}
END_TEST

START_TEST(moments_merge)
{
    bench b;
    bench_open(&b);
    bench_call(&b, "variance", FLOAT);
    bench_start(&b);
    ds_groups *other = bench_groups(&b);
    feed(&b, b.groups, "1000000001 1000000002 1000000003");
    feed(&b, other, "1000000011 1000000012");
    merge_groups(&b, b.groups, other);
    ck_assert_str_eq(results(&b, b.groups), "27.7");
    ds_groups_free(other);
    bench_close(&b);
}
END_TEST

START_TEST(bools)
{
    ck_assert_str_eq(result("bool_and", BOOL, "true null true"), "true");
    ck_assert_str_eq(result("bool_and", BOOL, "true false true"), "false");
    ck_assert_str_eq(result("bool_or", BOOL, "false null true"), "true");
    ck_assert_str_eq(result("bool_or", BOOL, "false null"), "false");
    ck_assert_str_eq(result("bool_and", BOOL, "null"), "null");
    ck_assert_str_eq(result("bool_or", BOOL, ""), "null");
}
END_TEST

START_TEST(distinct_values)
{
    ck_assert_str_eq(result("count_distinct", INT, "1 2 1 null 2"), "2");
    ck_assert_str_eq(result("count_distinct", FLOAT, "0 -0 0.5"), "2");
    ck_assert_str_eq(result("count_distinct", STRING, "a '' a " LONG " " LONG), "3");
    ck_assert_str_eq(result("count_distinct", BOOL, "true true"), "1");
    ck_assert_str_eq(result("count_distinct", TIME, "null"), "0");
    ck_assert_str_eq(result("count_distinct", INT, ""), "0");
    ck_assert_str_eq(result("collect_set", INT, "3 1 null 2 1 -4"), "[-4 1 2 3]");
    ck_assert_str_eq(result("collect_set", FLOAT, "2.5 -1 -0.0 0"), "[-1 0 2.5]");
    ck_assert_str_eq(result("collect_set", STRING, "b " LONG " a '' b"), "['' a b " LONG "]");
    ck_assert_str_eq(result("collect_set", BOOL, "true false true"), "[false true]");
    ck_assert_str_eq(result("collect_set", TIME, "9 null -9"), "[-9 9]");
    ck_assert_str_eq(result("collect_set", INT, "null"), "null");
    ck_assert_str_eq(result("collect_set", INT, ""), "null");
}
END_TEST

START_TEST(quantiles)
{
    ck_assert_str_eq(result("median", FLOAT, "3 1 2"), "2");
    ck_assert_str_eq(result("median", FLOAT, "4 1 null 2 3"), "2.5");
    ck_assert_str_eq(result("median", FLOAT, "1 1 1 9"), "1");
    ck_assert_str_eq(result("median", FLOAT, "7"), "7");
    ck_assert_str_eq(result("median", FLOAT, "null"), "null");
    ck_assert_str_eq(result("median", FLOAT, ""), "null");
    ck_assert_str_eq(quantile(0, "5 3 9"), "3");
    ck_assert_str_eq(quantile(1, "5 3 9"), "9");
    ck_assert_str_eq(quantile(0.25, "1 2 3 4 5"), "2");
    ck_assert_str_eq(quantile(0.1, "1 2 3 4 5"), "1.4");
    ck_assert_str_eq(quantile(0.9, "10 10 10 20"), "17");
    ck_assert_str_eq(quantile(0.75, "1 1 2 2 2 2 3 3"), "2.25");
    ck_assert_str_eq(quantile(0.5, "-1.7e308 1.7e308"), "0");
}
END_TEST

START_TEST(lists_and_joined_text)
{
    ck_assert_str_eq(result("collect_list", INT, "3 null 1 3"), "[3 1 3]");
    ck_assert_str_eq(result("collect_list", BOOL, "true null false"), "[true false]");
    ck_assert_str_eq(result("collect_list", FLOAT, "0.5 -0.5"), "[0.5 -0.5]");
    ck_assert_str_eq(result("collect_list", STRING, "b " LONG " a"), "[b " LONG " a]");
    ck_assert_str_eq(result("collect_list", TIME, "2 1"), "[2 1]");
    ck_assert_str_eq(result("collect_list", INT, "null"), "null");
    ck_assert_str_eq(result("collect_list", INT, ""), "null");
    ck_assert_str_eq(string_agg("+", "a b null c"), "a+b+c");
    ck_assert_str_eq(string_agg("", "a b"), "ab");
    ck_assert_str_eq(string_agg(", ", "one"), "one");
    ck_assert_str_eq(string_agg("/", "'' '' ''"), "//");
    ck_assert_str_eq(string_agg("/", "thisislong andthisislongtoo x"),
                     "thisislong/andthisislongtoo/x");
    ck_assert_str_eq(string_agg("/", "null"), "null");
    ck_assert_str_eq(string_agg("/", ""), "null");
}
END_TEST

START_TEST(first_last_and_their_like)
{
    ck_assert_str_eq(result("first", INT, "null 5 7"), "5");
    ck_assert_str_eq(result("last", STRING, "a " LONG " null"), LONG);
    ck_assert_str_eq(result("first", BOOL, "false true"), "false");
    ck_assert_str_eq(result("last", FLOAT, "1.5 2.5"), "2.5");
    ck_assert_str_eq(result("last", TIME, "null"), "null");
    ck_assert_str_eq(result("first", INT, ""), "null");
    ck_assert_str_eq(result2("min_by", STRING, INT, "a b c d", "3 1 null 1"), "b");
    ck_assert_str_eq(result2("max_by", STRING, INT, "a b c d", "3 1 3 null"), "a");
    ck_assert_str_eq(result2("min_by", INT, STRING, "1 null 3", "b a " LONG), "1");
    ck_assert_str_eq(result2("max_by", STRING, STRING, "x " LONG " y", LONG " " LONGER " b"), LONG);
    ck_assert_str_eq(result2("max_by", FLOAT, BOOL, "1 2 3", "false true true"), "2");
    ck_assert_str_eq(result2("min_by", BOOL, FLOAT, "true false", "0.5 -0.5"), "false");
    ck_assert_str_eq(result2("min_by", INT, TIME, "null 2", "1 null"), "null");
    ck_assert_str_eq(result2("max_by", INT, INT, "", ""), "null");
}
END_TEST

START_TEST(lists_are_values_too)
{
    ds_type ints = DS_LIST_OF(DS_INT), strings = DS_LIST_OF(DS_STRING);
    ck_assert_str_eq(result("first", ints, "null [1 null 3] [4]"), "[1 null 3]");
    ck_assert_str_eq(result("last", strings, "[a] [b " LONG " '' null] null"),
                     "[b " LONG " '' null]");
    ck_assert_str_eq(result("last", strings, "[a] []"), "[]");
    ck_assert_str_eq(result("first", DS_LIST_OF(DS_BOOL), "null"), "null");
    ck_assert_str_eq(
        result2("min_by", strings, STRING, "[a " LONG "] [b] [" LONGER " c]", LONG " " LONGER " a"),
        "[" LONGER " c]");
    ck_assert_str_eq(result2("max_by", DS_LIST_OF(DS_FLOAT), INT, "[0.5] [1.5 2] null", "1 2 3"),
                     "[1.5 2]");
}
END_TEST

START_TEST(lists_by_group)
{
    bench b;
    bench_open(&b);
    bench_key(&b, STRING);
    bench_call(&b, "last", DS_LIST_OF(DS_STRING));
    bench_call2(&b, "min_by", DS_LIST_OF(DS_INT), INT);
    bench_start(&b);
    feed_with(
        &b, b.groups, (feed_options){.filter = "true true false true"},
        (const char *const[]){"a b a b", "[x] [y] [z] [" LONG "]", "[1] [2] [3] [4]", "5 6 4 7"});
    ck_assert_str_eq(results(&b, b.groups), "a [x] [3]; b [" LONG "] [2]");
    bench_close(&b);
}
END_TEST

/* ---- Order ---- */

static void ordered_calls(bench *b)
{
    bench_open(b);
    bench_key(b, STRING);
    bench_call(b, "first", INT);
    bench_call(b, "last", INT);
    bench_call(b, "collect_list", INT);
    bench_call2(b, "min_by", INT, INT);
    bench_call2(b, "max_by", INT, INT);
    bench_start(b);
}

START_TEST(positions_decide_whatever_the_arrival)
{
    bench b;
    ordered_calls(&b);
    const int64_t late[] = {50, 60, 70}, early[] = {10, 20, 30, 30};
#define FIVE(x, y) x, x, x, x, y, x, y
    feed_with(&b, b.groups, (feed_options){.positions = late},
              (const char *const[]){"a b a", FIVE("5 6 7", "1 1 1")});
    feed_with(&b, b.groups, (feed_options){.positions = early},
              (const char *const[]){"a b b b", FIVE("1 2 3 4", "1 1 1 1")});
    ck_assert_str_eq(results(&b, b.groups), "a 1 7 [1 5 7] 1 1; b 2 6 [2 3 4 6] 2 2");
    /* Merges come after, in their own order, even if rows follow. */
    ds_groups *other = bench_groups(&b);
    feed(&b, other, "b c", FIVE("100 101", "1 0"));
    merge_groups(&b, b.groups, other);
    merge_groups(&b, b.groups, other);
    const int64_t between[] = {15};
    feed_with(&b, b.groups, (feed_options){.positions = between},
              (const char *const[]){"b", FIVE("9", "1")});
    ck_assert_str_eq(results(&b, b.groups), "a 1 7 [1 5 7] 1 1; b 9 100 [9 2 3 4 6 100 100] 9 9; "
                                            "c 101 101 [101 101] 101 101");
    ds_groups_free(other);
    bench_close(&b);
}
END_TEST

START_TEST(shuffled_rows_give_the_same)
{
    bench b;
    ordered_calls(&b);
    enum { ROWS = 600 };
    ds_random random;
    ds_random_init(&random, 5);
    ds_column *columns[3] = {ds_column_new(b.d.arena, STRING, ROWS),
                             ds_column_new(b.d.arena, INT, ROWS),
                             ds_column_new(b.d.arena, INT, ROWS)};
    int64_t positions[ROWS], shuffled[ROWS];
    uint32_t order[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) {
        char key[2] = {(char)('a' + ds_random_below(&random, 5)), 0};
        columns[0]->views[i] = ds_view_copy(&b.d.heap, key, 1);
        columns[1]->ints[i] = i;
        columns[2]->ints[i] = (int64_t)ds_random_below(&random, 6);
        positions[i] = i * 3;
        order[i] = i;
    }
    for (uint32_t i = ROWS; i-- > 1;) {
        uint32_t j = (uint32_t)ds_random_below(&random, i + 1), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    const ds_column *key[] = {columns[0]}, *x[] = {columns[1]}, *xy[] = {columns[1], columns[2]};
    const ds_column *const *args[] = {x, x, x, xy, xy};
    ds_groups_update(b.groups, &b.d.heap, key, args, NULL, positions, ROWS);
    ds_groups *mixed = bench_groups(&b);
    ds_column *m[3];
    for (int c = 0; c < 3; c++)
        m[c] = ds_column_gather(b.d.arena, columns[c], order, ROWS);
    for (uint32_t i = 0; i < ROWS; i++)
        shuffled[i] = positions[order[i]];
    const ds_column *mkey[] = {m[0]}, *mx[] = {m[1]}, *mxy[] = {m[1], m[2]};
    const ds_column *const *margs[] = {mx, mx, mx, mxy, mxy};
    ds_groups_update(mixed, &b.d.heap, mkey, margs, NULL, shuffled, ROWS);
    /* Groups appear in another order: look them up by one row of each. */
    for (uint32_t g = 0; g < 5; g++) {
        ds_column *a[6], *c[6];
        ds_groups_results(b.groups, b.d.arena, &b.d.heap, &g, 1, a, NULL);
        for (uint32_t h = 0; h < 5; h++) {
            ds_groups_results(mixed, b.d.arena, &b.d.heap, &h, 1, c, NULL);
            if (ds_value_equal(&b.d.heap, a[0], 0, &b.d.heap, c[0], 0))
                ck_assert_str_eq(rows_text(&b.d, a, 6, 1), rows_text(&b.d, c, 6, 1));
        }
    }
    ds_groups_free(mixed);
    bench_close(&b);
}
END_TEST

/* ---- All of them at once ---- */

/* Feeds the same random rows to several tables: one gets all of them. */
static void feed_random(bench *b, ds_random *random, ds_groups *whole, ds_groups *part, uint32_t n)
{
    const ds_column *key[] = {random_column(b, random, STRING, n)};
    const ds_column *columns[BENCH_CALLS][2], *const *args[BENCH_CALLS];
    const ds_column *filters[BENCH_CALLS];
    for (uint32_t c = 0; c < b->spec.n_calls; c++) {
        for (uint32_t a = 0; a < b->calls[c].n_args; a++)
            columns[c][a] = random_column(b, random, b->calls[c].arg_types[a], n);
        args[c] = columns[c];
        filters[c] = c % 3 == 0 ? random_column(b, random, BOOL, n) : NULL;
    }
    ds_groups_update(whole, &b->d.heap, key, args, filters, NULL, n);
    ds_groups_update(part, &b->d.heap, key, args, filters, NULL, n);
}

/* Through the bytes of a piece, as a shuffle does it. */
static void merge_through_piece(bench *b, ds_groups *to, ds_groups *from)
{
    ds_column *columns[100];
    ds_type types[100];
    uint32_t n = partials(b, from, columns), rows;
    ds_group_partial_types(&b->spec, types);
    size_t size =
        ds_piece_size(&b->d.heap, (const ds_column *const *)columns, n, ds_groups_count(from));
    char *bytes = ds_alloc(size);
    ds_piece_write(bytes, &b->d.heap, (const ds_column *const *)columns, n, ds_groups_count(from));
    desk other;
    desk_open(&other);
    ck_assert_int_eq(
        ds_piece_read(other.arena, &other.heap, bytes, size, types, n, columns, &rows, NULL),
        DS_OK);
    ds_groups_merge(to, &other.heap, (const ds_column *const *)columns, rows);
    desk_close(&other);
    free(bytes);
}

static void same_results(bench *b, ds_groups *one, ds_groups *two)
{
    uint32_t n = ds_groups_count(one), n_columns = b->spec.n_keys + b->spec.n_calls;
    ck_assert_uint_eq(n, ds_groups_count(two));
    ds_column *x[100], *y[100];
    ds_groups_results(one, b->d.arena, &b->d.heap, all_ids(b, n), n, x, NULL);
    ds_groups_results(two, b->d.arena, &b->d.heap, all_ids(b, n), n, y, NULL);
    for (uint32_t c = 0; c < n_columns; c++)
        for (uint32_t i = 0; i < n; i++)
            same_value(b, c, x[c], i, y[c], i);
}

/* Partials of different groups, a chunk at a time, give what a table of them gives. */
static void same_without_a_table(bench *b, ds_groups *groups)
{
    ds_column *in[100], *all[100], *made[100];
    uint64_t *all_bad[BENCH_CALLS], *bad[BENCH_CALLS];
    ds_groups *table = bench_groups(b), *none = bench_groups(b);
    uint32_t n = ds_groups_count(groups), n_keys = b->spec.n_keys;
    partials(b, groups, in);
    ds_groups_merge(table, &b->d.heap, (const ds_column *const *)in, n);
    ds_groups_results(table, b->d.arena, &b->d.heap, all_ids(b, n), n, all, all_bad);
    ds_groups_results_of(none, b->d.arena, &b->d.heap, (const ds_column *const *)in, n, made, bad);
    for (uint32_t c = 0; c < b->spec.n_calls; c++) {
        ck_assert_int_eq(bad[c] != NULL, all_bad[c] != NULL);
        for (uint32_t i = 0; i < n; i++) {
            same_value(b, n_keys + c, all[n_keys + c], i, made[c], i);
            ck_assert(bad[c] == NULL || ds_bit_get(bad[c], i) == ds_bit_get(all_bad[c], i));
        }
    }
    ds_groups_free(none);
    ds_groups_free(table);
}

START_TEST(merged_parts_are_the_whole)
{
    for (uint64_t seed = 0; seed < 6; seed++) {
        bench b;
        bench_open(&b);
        bench_key(&b, STRING);
        all_calls(&b);
        bench_start(&b);
        ds_random random;
        ds_random_init(&random, seed);
        ds_groups *merged = bench_groups(&b), *through = bench_groups(&b), *part = bench_groups(&b);
        for (int p = 0; p < 5; p++) {
            ds_groups_clear(part);
            for (uint64_t u = ds_random_below(&random, 3); u-- > 0;)
                feed_random(&b, &random, b.groups, part, (uint32_t)ds_random_below(&random, 300));
            merge_groups(&b, merged, part);
            merge_through_piece(&b, through, part);
        }
        same_results(&b, b.groups, merged);
        same_results(&b, b.groups, through);
        same_without_a_table(&b, b.groups);
        ds_groups_free(part);
        ds_groups_free(merged);
        ds_groups_free(through);
        bench_close(&b);
    }
}
END_TEST

START_TEST(the_same_input_gives_the_same_bits)
{
    bench b;
    bench_open(&b);
    bench_call(&b, "sum", FLOAT);
    bench_call(&b, "avg", FLOAT);
    bench_call(&b, "stddev", FLOAT);
    bench_start(&b);
    ds_groups *again = bench_groups(&b);
    for (int round = 0; round < 2; round++) {
        ds_groups *groups = round == 0 ? b.groups : again;
        feed(&b, groups, "0.1 0.2 0.3", "0.1 0.2 0.3", "0.1 0.2 0.3");
        feed(&b, groups, "1e16 1", "1e16 1", "1e16 1");
    }
    ck_assert_str_eq(results(&b, b.groups), results(&b, again));
    ds_groups_free(again);
    bench_close(&b);
}
END_TEST

START_TEST(lists_after_new_groups)
{
    /* The index of lists is made for the groups there were: more come without values. */
    bench b;
    bench_open(&b);
    bench_key(&b, INT);
    bench_call(&b, "collect_list", INT);
    bench_call(&b, "median", FLOAT);
    bench_start(&b);
    feed(&b, b.groups, "1 2", "5 6", "5 6");
    ck_assert_str_eq(results(&b, b.groups), "1 [5] 5; 2 [6] 6");
    feed(&b, b.groups, "3 4 5 6 7 8 9 10 11 12", "null null null null null null null null null 9",
         "null null null null null null null null null 8");
    ck_assert_str_eq(results(&b, b.groups),
                     "1 [5] 5; 2 [6] 6; 3 null null; 4 null null; 5 null null; 6 null null; "
                     "7 null null; 8 null null; 9 null null; 10 null null; 11 null null; "
                     "12 [9] 8");
    feed(&b, b.groups, "13 14", "null null", "null null");
    ck_assert_str_eq(strstr(results(&b, b.groups), "12 "), "12 [9] 8; 13 null null; 14 null null");
    bench_close(&b);
}
END_TEST

/* Partials of a peer that means no good, or is mad. */
START_TEST(wrong_partials_do_no_harm)
{
    bench b;
    bench_open(&b);
    bench_call(&b, "first", DS_LIST_OF(DS_INT));
    bench_call(&b, "median", FLOAT);
    bench_call(&b, "collect_list", STRING);
    bench_call(&b, "variance", FLOAT);
    bench_call(&b, "sum", INT);
    bench_start(&b);
    ds_type types[16];
    uint32_t n = ds_group_partial_types(&b.spec, types);
    ck_assert_uint_eq(n, 1 + 2 + 1 + 3 + 3);
    static const char *const texts[2][10] = {
        {"'no box at all'", "[1 2 null]", "[5]", "[a null]", "-3", "1e308", "1e308", "-1", "-1",
         "-9"},
        {"''", "[7 8 9 null]", "[9223372036854775807 0 -4 2]", "null", "9223372036854775807", "1",
         "1", "9223372036854775807", "9223372036854775807", "9223372036854775807"},
    };
    for (int round = 0; round < 6; round++) {
        const ds_column *columns[10];
        for (uint32_t c = 0; c < n; c++)
            columns[c] = column_of(&b.d, types[c], texts[round % 2][c]);
        ds_groups_merge(b.groups, &b.d.heap, columns, 1);
        ck_assert_ptr_nonnull(results(&b, b.groups));
    }
    bench_close(&b);
}
END_TEST

/* ---- Resolving ---- */

static bool resolves(bench *b, const char *name, uint32_t n, ds_type x, ds_type y, ds_literal l)
{
    ds_agg_call call;
    return bench_resolve(b, name, n, (ds_type[]){x, y}, (ds_literal[]){{0}, l}, &call);
}

START_TEST(types_of_results)
{
    static const struct {
        const char *name;
        ds_type x, y, wanted_x, result;
        uint32_t n_partials;
        ds_slide slide;
    } cases[] = {
        {"count", {0}, {0}, {0}, INT, 1, DS_SLIDE_SUBTRACT},
        {"count", STRING, {0}, STRING, INT, 1, DS_SLIDE_SUBTRACT},
        {"count_distinct", TIME, {0}, TIME, INT, 2, DS_SLIDE_SUBTRACT},
        {"sum", INT, {0}, INT, INT, 3, DS_SLIDE_SUBTRACT},
        {"sum", FLOAT, {0}, FLOAT, FLOAT, 2, DS_SLIDE_COMBINE},
        {"min", TIME, {0}, TIME, TIME, 1, DS_SLIDE_COMBINE},
        {"max", STRING, {0}, STRING, STRING, 1, DS_SLIDE_COMBINE},
        {"avg", INT, {0}, INT, FLOAT, 3, DS_SLIDE_SUBTRACT},
        {"avg", FLOAT, {0}, FLOAT, FLOAT, 2, DS_SLIDE_COMBINE},
        {"stddev", INT, {0}, FLOAT, FLOAT, 3, DS_SLIDE_COMBINE},
        {"variance", FLOAT, {0}, FLOAT, FLOAT, 3, DS_SLIDE_COMBINE},
        {"median", INT, {0}, FLOAT, FLOAT, 2, DS_SLIDE_SUBTRACT},
        {"first", BOOL, {0}, BOOL, BOOL, 1, DS_SLIDE_COMBINE},
        {"first",
         DS_LIST_OF(DS_INT),
         {0},
         DS_LIST_OF(DS_INT),
         DS_LIST_OF(DS_INT),
         1,
         DS_SLIDE_COMBINE},
        {"last", STRING, {0}, STRING, STRING, 1, DS_SLIDE_COMBINE},
        {"collect_list", INT, {0}, INT, DS_LIST_OF(DS_INT), 1, DS_SLIDE_SUBTRACT},
        {"collect_set", STRING, {0}, STRING, DS_LIST_OF(DS_STRING), 2, DS_SLIDE_SUBTRACT},
        {"min_by", STRING, INT, STRING, STRING, 2, DS_SLIDE_COMBINE},
        {"max_by", BOOL, STRING, BOOL, BOOL, 2, DS_SLIDE_COMBINE},
        {"bool_and", BOOL, {0}, BOOL, BOOL, 2, DS_SLIDE_SUBTRACT},
        {"bool_or", BOOL, {0}, BOOL, BOOL, 2, DS_SLIDE_SUBTRACT},
    };
    bench b;
    bench_open(&b);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        b.spec.n_calls = 0;
        ds_agg_call *call = bench_call2(&b, cases[i].name, cases[i].x, cases[i].y);
        ds_type types[DS_MAX_PARTIAL];
        ck_assert_msg(ds_type_equal(call->type, cases[i].result), "%s", cases[i].name);
        if (call->n_args > 0)
            ck_assert(ds_type_equal(call->arg_types[0], cases[i].wanted_x));
        ck_assert_uint_eq(call->aggregate->partial(call, types), cases[i].n_partials);
        ck_assert_int_eq(call->aggregate->slide(call), cases[i].slide);
    }
    b.spec.n_calls = 0;
    bench_close(&b);
}
END_TEST

START_TEST(wrong_arguments_are_told)
{
    bench b;
    bench_open(&b);
    ds_type list = DS_LIST_OF(DS_INT);
    ds_literal none = {0}, text = {.is_literal = true, .text = ",", .length = 1};
    ds_literal null = {.is_literal = true, .is_null = true};
    ck_assert(!resolves(&b, "sum", 1, STRING, NOTHING, none));
    ck_assert_str_eq(b.message, "sum() takes an int or a float, not string");
    ck_assert(!resolves(&b, "sum", 0, NOTHING, NOTHING, none));
    ck_assert_str_eq(b.message, "sum() takes one argument");
    ck_assert(!resolves(&b, "sum", 1, NOTHING, NOTHING, none));
    ck_assert_str_eq(b.message, "null has no type here: write cast(null as ...)");
    ck_assert(!resolves(&b, "avg", 1, TIME, NOTHING, none));
    ck_assert(!resolves(&b, "stddev", 1, BOOL, NOTHING, none));
    ck_assert(!resolves(&b, "min", 1, list, NOTHING, none));
    ck_assert(!resolves(&b, "count", 2, INT, INT, none));
    ck_assert_str_eq(b.message, "count() takes at most one argument");
    ck_assert(!resolves(&b, "count_distinct", 1, list, NOTHING, none));
    ck_assert(!resolves(&b, "collect_list", 1, list, NOTHING, none));
    ck_assert(!resolves(&b, "min_by", 1, INT, NOTHING, none));
    ck_assert(!resolves(&b, "min_by", 2, INT, list, none));
    ck_assert(!resolves(&b, "bool_or", 1, INT, NOTHING, none));
    ck_assert(!resolves(&b, "string_agg", 2, STRING, STRING, none));
    ck_assert_str_eq(b.message, "the separator must be a string literal");
    ck_assert(!resolves(&b, "string_agg", 2, STRING, STRING, null));
    ck_assert(!resolves(&b, "string_agg", 2, INT, STRING, text));
    ck_assert(!resolves(&b, "string_agg", 1, STRING, NOTHING, none));
    ck_assert(resolves(&b, "string_agg", 2, STRING, STRING, text));
    ck_assert(resolves(&b, "count", 1, NOTHING, NOTHING, none));
    bench_close(&b);
}
END_TEST

START_TEST(quantiles_are_checked_when_resolved)
{
    static const double good[] = {0, 0.5, 1}, bad[] = {-0.1, 1.1, NAN};
    bench b;
    bench_open(&b);
    for (int i = 0; i < 3; i++) {
        ck_assert(resolves(&b, "quantile", 2, INT, FLOAT,
                           (ds_literal){.is_literal = true, .real = good[i]}));
        ck_assert(!resolves(&b, "quantile", 2, INT, FLOAT,
                            (ds_literal){.is_literal = true, .real = bad[i]}));
        ck_assert_str_eq(b.message, "q must be a number literal from 0 to 1");
    }
    ck_assert(
        resolves(&b, "quantile", 2, FLOAT, INT, (ds_literal){.is_literal = true, .integer = 1}));
    ck_assert(
        !resolves(&b, "quantile", 2, FLOAT, INT, (ds_literal){.is_literal = true, .integer = 2}));
    ck_assert(!resolves(&b, "quantile", 2, FLOAT, FLOAT, (ds_literal){.real = 0.5}));
    ck_assert(!resolves(&b, "quantile", 2, FLOAT, STRING, (ds_literal){.is_literal = true}));
    ck_assert(!resolves(&b, "quantile", 1, FLOAT, NOTHING, (ds_literal){0}));
    bench_close(&b);
}
END_TEST

static void look(const ds_aggregate *aggregate, void *arg)
{
    ck_assert_ptr_eq(ds_aggregate_find(aggregate->name), aggregate);
    ck_assert_ptr_nonnull(aggregate->usage);
    ck_assert_int_eq(strncmp(aggregate->usage, aggregate->name, strlen(aggregate->name)), 0);
    ++*(int *)arg;
}

START_TEST(the_registry_knows_them_all)
{
    int n = 0;
    ds_aggregate_each(look, &n);
    ck_assert_int_eq(n, 22);
    ck_assert_ptr_null(ds_aggregate_find("Sum"));
    ck_assert_ptr_null(ds_aggregate_find(""));
}
END_TEST

UNIT_MAIN("aggregates", counts, sums, int_sums_are_exact_beyond_64_bits, overflows_are_counted,
          averages, least_and_greatest, strings_that_are_replaced_do_not_pile_up, moments,
          moments_merge, bools, distinct_values, quantiles, lists_and_joined_text,
          first_last_and_their_like, lists_are_values_too, lists_by_group,
          positions_decide_whatever_the_arrival, shuffled_rows_give_the_same,
          merged_parts_are_the_whole, the_same_input_gives_the_same_bits, lists_after_new_groups,
          wrong_partials_do_no_harm, types_of_results, wrong_arguments_are_told,
          quantiles_are_checked_when_resolved, the_registry_knows_them_all)
