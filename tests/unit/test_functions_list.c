/* The functions of lists. */
#include "base/random.h"
#include "columnar/text_kernel.h"

#include "unit/kernel_harness.h"

#define LONG "a text of more than twelve bytes"

START_TEST(array_of_every_type)
{
    check("array", "ii", "[[1, 2], [null, 3], [4, null], [null, null]]",
          "[[1,2],[null,3],[4,null],[null,null]]");
    check("array", "s", "[['a'], ['" LONG "'], [null], ['']]", "[['a'],['" LONG "'],[null],['']]");
    check("array", "bbb", "[[true, false, null], [false, true, true]]",
          "[[true,false,null],[false,true,true]]");
    check("array", "t", "[['2026-01-01'], [null]]", "[['2026-01-01T00:00:00Z'],[null]]");
    check("array", "ifi", "[[1, 2.5, 3]]", "[[1.0,2.5,3.0]]");
    check("array", "in", "[[1, null]]", "[[1,null]]");
    refused("array", "n", "[[null]]", "no type");
    refused("array", "is", "[[1, 'a']]", "string");
    refused("array", "[i", "[[[1]]]", "list<int>");
    refused("array", "v", "[[1]]", "interval");
}
END_TEST

START_TEST(array_of_the_most_arguments)
{
    char types[DS_MAX_ARGS + 1];
    memset(types, 'i', DS_MAX_ARGS);
    types[DS_MAX_ARGS] = '\0';
    ds_buffer row = {0}, expected = {0};
    for (unsigned i = 0; i < DS_MAX_ARGS; i++) {
        ds_buffer_printf(&row, "%s%u", i == 0 ? "[[" : ",", i);
        ds_buffer_printf(&expected, "%s%u", i == 0 ? "[[" : ",", i);
    }
    ds_buffer_append_text(&row, "]]");
    ds_buffer_append_text(&expected, "]]");
    check("array", types, ds_buffer_text(&row), ds_buffer_text(&expected));
    ds_buffer_fini(&row);
    ds_buffer_fini(&expected);
}
END_TEST

START_TEST(element_counts_from_one)
{
    check("element", "[ii",
          "[[[7, 8, null], 1], [[7, 8], 2], [[7, 8, null], 3], [[7], 2], [[7], 0], [[7], -1],"
          " [[], 1], [null, 1], [[7], null], [[7], 9223372036854775807],"
          " [[7], -9223372036854775808]]",
          "[7,8,null,null,null,null,null,null,null,null,null]");
    check("element", "[si", "[[['a', '" LONG "'], 2], [['b'], 1]]", "['" LONG "','b']");
    check("element", "[bi", "[[[true, false], 1], [[true, false], 2]]", "[true,false]");
    check("element", "[fi", "[[[1.5], 1]]", "[1.5]");
    refused("element", "si", "[['a', 1]]", "list");
    refused("element", "ni", "[[null, 1]]", "no type");
    refused("element", "[is", "[[[1], 'a']]", "int");
}
END_TEST

START_TEST(size_of_lists)
{
    check("size", "[i", "[[[1, 2, null]], [[]], [null]]", "[3,0,null]");
    check("size", "[s", "[[['a']]]", "[1]");
    check("size", "n", "[[null]]", "[null]");
    refused("size", "s", "[['a']]", "list");
}
END_TEST

START_TEST(array_sort_puts_nulls_last)
{
    check("array_sort", "[i",
          "[[[3, 1, 2]], [[null, 2, null, 1]], [[]], [null], [[5]], [[1, 2, 3]], [[null]],"
          " [[9223372036854775807, -9223372036854775808, 0]]]",
          "[[1,2,3],[1,2,null,null],[],null,[5],[1,2,3],[null],"
          "[-9223372036854775808,0,9223372036854775807]]");
    check("array_sort", "[f", "[[[1.5, -2.0, 0.0, 1e300]]]", "[[-2.0,0.0,1.5,1e+300]]");
    check("array_sort", "[b", "[[[true, null, false, true]]]", "[[false,true,true,null]]");
    check("array_sort", "[s", "[[['b', 'é', 'a', 'ab', '', '" LONG "', null, 'B', '😀', '€']]]",
          "[['','B','a','" LONG "','ab','b','é','€','😀',null]]");
    check("array_sort", "[t", "[[['2026-01-02', '2026-01-01']]]",
          "[['2026-01-01T00:00:00Z','2026-01-02T00:00:00Z']]");
    refused("array_sort", "i", "[[1]]", "list");
    refused("array_sort", "n", "[[null]]", "no type");
}
END_TEST

START_TEST(random_lists_are_sorted)
{
    ds_random random;
    ds_random_init(&random, 61);
    for (size_t length = 0; length < 200; length++) {
        harness h;
        harness_init(&h);
        json_t *list = json_array(), *rows = json_array();
        int64_t sum = 0;
        for (size_t i = 0; i < length; i++) {
            int64_t value = (int64_t)ds_random_below(&random, 50);
            json_array_append_new(list, value == 0 ? json_null() : json_integer(value));
            sum += value;
        }
        json_array_append_new(rows, json_pack("[o]", list));
        ck_assert(harness_resolve(&h, "array_sort", "[i", rows));
        uint64_t selected = 1, errors;
        const ds_column *out = harness_run(&h, 1, &selected, &errors);
        ck_assert_uint_eq(out->offsets[1], length);
        for (size_t i = 0; i < length; i++) {
            bool null = ds_column_is_null(out->child, i);
            sum -= null ? 0 : out->child->ints[i];
            if (i > 0 && !null) {
                ck_assert(!ds_column_is_null(out->child, i - 1));
                ck_assert_int_le(out->child->ints[i - 1], out->child->ints[i]);
            }
        }
        ck_assert_int_eq(sum, 0);
        json_decref(rows);
        harness_fini(&h);
    }
}
END_TEST

START_TEST(array_join_passes_over_nulls)
{
    check("array_join", "[ss",
          "[[['a', 'b', 'c'], ','], [['a', null, 'c'], ', '], [[null, null], ','], [[], ','],"
          " [null, ','], [['a'], null], [['a', 'b'], ''], [['', ''], '-'], [[null, 'x'], '-'],"
          " [['" LONG "', 'é'], '€']]",
          "['a,b,c','a, c','','',null,null,'ab','-','x','" LONG "€é']");
    check("array_join", "ns", "[[null, ',']]", "[null]");
    refused("array_join", "[is", "[[[1], ',']]", "list<string>");
    refused("array_join", "[si", "[[['a'], 1]]", "int");
    refused("array_join", "ss", "[['a', ',']]", "list");
}
END_TEST

START_TEST(joined_text_is_limited)
{
    harness h;
    harness_init(&h);
    json_t *rows = harness_json("[[['', '', ''], 'x']]");
    ck_assert(harness_resolve(&h, "array_join", "[ss", rows));
    uint32_t length = DS_TEXT_LIMIT / 2 - 1;
    char *text = ds_arena_calloc(h.arena, length, 1);
    ds_view view = ds_view_at(text, length, ds_heap_add(&h.heap, text), 0);
    ds_view *views = h.columns[0]->child->views;
    views[0] = views[1] = view;
    uint64_t selected = 1, errors;
    const ds_column *out = harness_run(&h, 1, &selected, &errors);
    ck_assert_uint_eq(errors, 0);
    ck_assert_uint_eq(out->views[0].length, DS_TEXT_LIMIT);
    views[2] = ds_view_at("y", 1, 0, 0);
    harness_run(&h, 1, &selected, &errors);
    ck_assert_uint_eq(errors, 1);
    json_decref(rows);
    harness_fini(&h);
}
END_TEST

UNIT_MAIN("functions_list", array_of_every_type, array_of_the_most_arguments,
          element_counts_from_one, size_of_lists, array_sort_puts_nulls_last,
          random_lists_are_sorted, array_join_passes_over_nulls, joined_text_is_limited)
