/* Sorting: types, nulls, directions, ties, limits, memory. */
#include "columnar/sort.h"

#include "base/random.h"
#include "unit/grouping.h"

#define INT DS_TYPE(DS_INT)
#define FLOAT DS_TYPE(DS_FLOAT)
#define STRING DS_TYPE(DS_STRING)
#define UP(c) ((ds_sort_key){.column = (c)})
#define DOWN(c) ((ds_sort_key){.column = (c), .descending = true, .nulls_first = true})

/* Sorts columns given as text, fed twice as halves of one sorter if `parts` says so. */
static const char *sorted(desk *d, uint32_t n_columns, const ds_type *types,
                          const ds_sort_key *keys, uint32_t n_keys, int64_t limit,
                          const char *const *texts)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_sorter *sorter = ds_sorter_new(types, n_columns, keys, n_keys, limit, &budget);
    ds_column *columns[8];
    for (uint32_t c = 0; c < n_columns; c++)
        columns[c] = column_of(d, types[c], texts[c]);
    uint32_t n = columns[0]->length;
    for (uint32_t row = 0; row < n; row++) { /* one at a time: blocks must not matter */
        ds_column *one[8];
        for (uint32_t c = 0; c < n_columns; c++)
            one[c] = ds_column_gather(d->arena, columns[c], &row, 1);
        ds_sorter_add(sorter, &d->heap, (const ds_column *const *)one, 1);
    }
    uint64_t rows = ds_sorter_finish(sorter);
    ds_column *out[8];
    ds_sorter_rows(sorter, d->arena, &d->heap, 0, (uint32_t)rows, out);
    const char *text = rows_text(d, out, n_columns, (uint32_t)rows);
    ds_sorter *whole = ds_sorter_new(types, n_columns, keys, n_keys, limit, &budget);
    ds_sorter_add(whole, &d->heap, (const ds_column *const *)columns, n);
    ck_assert_uint_eq(ds_sorter_finish(whole), rows);
    ds_sorter_rows(whole, d->arena, &d->heap, 0, (uint32_t)rows, out);
    ck_assert_str_eq(rows_text(d, out, n_columns, (uint32_t)rows), text);
    ds_sorter_free(whole);
    ds_sorter_free(sorter);
    ck_assert_int_eq(budget.used_bytes, 0);
    return text;
}

static const char *one_column(ds_type type, ds_sort_key key, int64_t limit, const char *rows)
{
    static char text[1024];
    desk d;
    desk_open(&d);
    snprintf(text, sizeof text, "%s", sorted(&d, 1, &type, &key, 1, limit, &rows));
    desk_close(&d);
    return text;
}

START_TEST(every_type_both_ways)
{
    ck_assert_str_eq(one_column(INT, UP(0), -1, "3 null -1 9223372036854775807 2"),
                     "-1; 2; 3; 9223372036854775807; null");
    ck_assert_str_eq(one_column(INT, DOWN(0), -1, "3 null -9223372036854775808 2"),
                     "null; 3; 2; -9223372036854775808");
    ck_assert_str_eq(one_column(FLOAT, UP(0), -1, "0.5 -1e300 null -0.5 1e-300 0"),
                     "-1e+300; -0.5; 0; 1e-300; 0.5; null");
    ck_assert_str_eq(one_column(FLOAT, DOWN(0), -1, "0.5 -2 1.25"), "1.25; 0.5; -2");
    ck_assert_str_eq(one_column(DS_TYPE(DS_BOOL), UP(0), -1, "true null false true"),
                     "false; true; true; null");
    ck_assert_str_eq(one_column(DS_TYPE(DS_TIMESTAMP), DOWN(0), -1, "5 -5 6"), "6; 5; -5");
    ck_assert_str_eq(one_column(STRING, UP(0), -1,
                                "b '' abcdefghi abcdefgh abcdefghj null 'a text that is long' "
                                "\xc3\xa9 'a text that is lang'"),
                     "''; 'a text that is lang'; 'a text that is long'; abcdefgh; abcdefghi; "
                     "abcdefghj; b; \xc3\xa9; null");
    ck_assert_str_eq(one_column(STRING, DOWN(0), -1, "ab a abc"), "abc; ab; a");
    ck_assert_str_eq(one_column(INT, UP(0), -1, ""), "");
}
END_TEST

START_TEST(nulls_where_they_are_wanted)
{
    ds_sort_key first = {.nulls_first = true}, last = {.descending = true};
    ck_assert_str_eq(one_column(INT, first, -1, "1 null -1 null"), "null; null; -1; 1");
    ck_assert_str_eq(one_column(INT, last, -1, "1 null -1 null"), "1; -1; null; null");
    ck_assert_str_eq(one_column(INT, first, -1, "-9223372036854775808 null"),
                     "null; -9223372036854775808");
    ck_assert_str_eq(one_column(INT, UP(0), -1, "null 9223372036854775807"),
                     "9223372036854775807; null");
}
END_TEST

START_TEST(neighbours_that_share_a_prefix)
{
    /* The prefix drops the lowest bits of what is large. */
    ck_assert_str_eq(one_column(INT, UP(0), -1, "5 4 7 6"), "4; 5; 6; 7");
    ck_assert_str_eq(one_column(INT, DOWN(0), -1, "5 4 7 6"), "7; 6; 5; 4");
    ck_assert_str_eq(one_column(INT, UP(0), -1,
                                "1152921504606846979 1152921504606846976 1152921504606846975 "
                                "9223372036854775807 9223372036854775806 1152921504606846977"),
                     "1152921504606846975; 1152921504606846976; 1152921504606846977; "
                     "1152921504606846979; 9223372036854775806; 9223372036854775807");
    ck_assert_str_eq(one_column(INT, DOWN(0), -1,
                                "-1152921504606846979 -1152921504606846976 -1152921504606846977 "
                                "-9223372036854775808 -9223372036854775807 -1152921504606846975"),
                     "-1152921504606846975; -1152921504606846976; -1152921504606846977; "
                     "-1152921504606846979; -9223372036854775807; -9223372036854775808");
    ck_assert_str_eq(one_column(STRING, UP(0), -1, "aaaaaaac aaaaaaab aaaaaaabx"),
                     "aaaaaaab; aaaaaaabx; aaaaaaac");
}
END_TEST

START_TEST(several_keys_and_ties)
{
    desk d;
    desk_open(&d);
    ds_type types[] = {STRING, INT, DS_LIST_OF(DS_INT), FLOAT};
    const char *rows[] = {"b a b a b", "1 2 1 2 null", "[9] [8] [7] [] null", "2 3 1 3 0"};
    ds_sort_key by_n[] = {DOWN(1)};
    ck_assert_str_eq(sorted(&d, 4, types, by_n, 1, -1, rows),
                     "b null null 0; a 2 [8] 3; a 2 [] 3; b 1 [7] 1; b 1 [9] 2");
    ds_sort_key two[] = {UP(0), DOWN(3)};
    ck_assert_str_eq(sorted(&d, 4, types, two, 2, -1, rows),
                     "a 2 [8] 3; a 2 [] 3; b 1 [9] 2; b 1 [7] 1; b null null 0");
    /* Without any key: the columns from left to right. */
    ck_assert_str_eq(sorted(&d, 4, types, NULL, 0, 3, rows), "a 2 [8] 3; a 2 [] 3; b 1 [7] 1");
    /* A key named twice counts where it stands first. */
    ds_sort_key twice[] = {DOWN(0), UP(0)};
    ck_assert_str_eq(sorted(&d, 4, types, twice, 2, 1, rows), "b 1 [7] 1");
    desk_close(&d);
}
END_TEST

START_TEST(rows_of_lists_alone_stay_as_they_came)
{
    ck_assert_str_eq(one_column(DS_LIST_OF(DS_STRING), UP(0), -1, "[b] [] null [a a]"),
                     "[b]; []; null; [a a]");
    ck_assert_str_eq(one_column(DS_LIST_OF(DS_BOOL), UP(0), 2, "[true] [] null"), "[true]; []");
}
END_TEST

START_TEST(limits)
{
    ck_assert_str_eq(one_column(INT, UP(0), 2, "3 1 2"), "1; 2");
    ck_assert_str_eq(one_column(INT, UP(0), 9, "3 1 2"), "1; 2; 3");
    ck_assert_str_eq(one_column(INT, UP(0), 0, "3 1 2"), "");
    ck_assert_str_eq(one_column(INT, UP(0), INT64_MAX, "3 1 2"), "1; 2; 3");
}
END_TEST

/* Many random rows, with and without a limit, against each other; with so many numbers. */
static void compare_the_first(uint32_t n_numbers)
{
    enum { ROWS = 60000, LIMIT = 150 };
    desk d;
    desk_open(&d);
    ds_budget all_budget, top_budget;
    ds_budget_init(&all_budget, NULL, 0);
    ds_budget_init(&top_budget, NULL, 0);
    ds_type types[] = {STRING, INT, DS_LIST_OF(DS_INT)};
    ds_sort_key keys[] = {DOWN(1)};
    ds_sorter *all = ds_sorter_new(types, 3, keys, 1, -1, &all_budget);
    ds_sorter *top = ds_sorter_new(types, 3, keys, 1, LIMIT, &top_budget);
    ds_random random;
    ds_random_init(&random, 1);
    ds_column *s = ds_column_new(d.arena, STRING, ROWS), *n = ds_column_new(d.arena, INT, ROWS);
    ds_column *l = ds_column_new(d.arena, DS_LIST_OF(DS_INT), ROWS);
    l->child = ds_column_new(d.arena, INT, ROWS);
    ds_column_need_validity(n, d.arena);
    for (uint32_t i = 0; i < ROWS; i++) {
        char text[48];
        int length = snprintf(text, sizeof text, "%s%u", i % 2 ? "some text that is long " : "",
                              (uint32_t)ds_random_below(&random, 100));
        s->views[i] = ds_view_copy(&d.heap, text, (uint32_t)length);
        n->ints[i] = (int64_t)ds_random_below(&random, n_numbers);
        ds_bit_put(n->validity, i, ds_random_below(&random, 1000) > 0);
        l->offsets[i + 1] = i + 1;
        l->child->ints[i] = i;
    }
    const ds_column *columns[] = {s, n, l};
    ds_sorter_add(all, &d.heap, columns, ROWS);
    ds_sorter_add(top, &d.heap, columns, ROWS);
    ck_assert_uint_eq(ds_sorter_finish(all), ROWS);
    ck_assert_uint_eq(ds_sorter_finish(top), LIMIT);
    ds_column *a[3], *b[3];
    ds_sorter_rows(all, d.arena, &d.heap, 0, LIMIT, a);
    ds_sorter_rows(top, d.arena, &d.heap, 0, LIMIT, b);
    ck_assert_str_eq(rows_text(&d, a, 3, LIMIT), rows_text(&d, b, 3, LIMIT));
    ck_assert_int_gt(all_budget.peak_bytes, 3000000);
    ck_assert_int_lt(top_budget.peak_bytes, 1500000);
    /* In order to the end, read in the middle and by chunks. */
    for (uint64_t from = 0; from < ROWS; from += 2000) {
        ds_sorter_rows(all, d.arena, &d.heap, from, 2000, a);
        for (uint32_t i = 1; i < 2000; i++) {
            bool null_before = ds_column_is_null(a[1], i - 1), null = ds_column_is_null(a[1], i);
            ck_assert(null_before || !null);
            if (!null_before)
                ck_assert_int_ge(a[1]->ints[i - 1], a[1]->ints[i]);
        }
    }
    ds_sorter_free(all);
    ds_sorter_free(top);
    ck_assert_int_eq(all_budget.used_bytes, 0);
    ck_assert_int_eq(top_budget.used_bytes, 0);
    desk_close(&d);
}

START_TEST(the_first_of_many)
{
    compare_the_first(3000);
}
END_TEST

START_TEST(the_first_of_many_ties)
{
    compare_the_first(1); /* the text decides, and then the order in which they came */
    compare_the_first(2);
}
END_TEST

START_TEST(adding_after_reading)
{
    desk d;
    desk_open(&d);
    ds_type type = INT;
    ds_sort_key key = UP(0);
    ds_sorter *sorter = ds_sorter_new(&type, 1, &key, 1, 2, NULL);
    const ds_column *first = column_of(&d, INT, "5 3 4"), *second = column_of(&d, INT, "1");
    ds_column *out;
    ds_sorter_add(sorter, &d.heap, &first, 3);
    ck_assert_uint_eq(ds_sorter_finish(sorter), 2);
    ds_sorter_add(sorter, &d.heap, &second, 1);
    ck_assert_uint_eq(ds_sorter_finish(sorter), 2);
    ds_sorter_rows(sorter, d.arena, &d.heap, 0, 2, &out);
    ck_assert_str_eq(text_of(&d, out), "1 3");
    ds_sorter_free(sorter);
    desk_close(&d);
}
END_TEST

UNIT_MAIN("sort", every_type_both_ways, nulls_where_they_are_wanted, neighbours_that_share_a_prefix,
          several_keys_and_ties, rows_of_lists_alone_stay_as_they_came, limits, the_first_of_many,
          the_first_of_many_ties, adding_after_reading)
