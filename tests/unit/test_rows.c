/* Rows from JSON, and rows compared with what a test expects: app-format, section 8. */
#include "unit/rows_fixture.h"

#define ALL_TYPES "b:bool i:int f:float s:string t:timestamp l:list<int>"

START_TEST(all_types_are_read)
{
    fixture f;
    fixture_init(&f, ALL_TYPES);
    load_well(&f, "[{\"b\":true,\"i\":7,\"f\":3,\"s\":\"a string of some length\","
                  "\"t\":\"2026-01-01T01:00:00+01:00\",\"l\":[1,null,3]},"
                  "{\"f\":0.5,\"l\":[]},{\"b\":null,\"l\":null}]");
    ck_assert_str_eq(written(&f, DS_ROWS_JSON),
                     "{\"b\":true,\"i\":7,\"f\":3.0,\"s\":\"a string of some length\","
                     "\"t\":\"2026-01-01T00:00:00Z\",\"l\":[1,null,3]}\n"
                     "{\"b\":null,\"i\":null,\"f\":0.5,\"s\":null,\"t\":null,\"l\":[]}\n"
                     "{\"b\":null,\"i\":null,\"f\":null,\"s\":null,\"t\":null,\"l\":null}\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(rows_have_positions_and_fill_chunks)
{
    fixture f;
    ds_buffer rows = {0};
    fixture_init(&f, "n:int l:list<int>");
    for (int i = 0; i < 4100; i++)
        ds_buffer_printf(&rows, "%s{\"n\":%d,\"l\":[%d]}", i == 0 ? "[" : ",", i, i);
    ds_buffer_append_char(&rows, ']');
    ck_assert_int_eq(load(&f, ds_buffer_text(&rows), 1000), DS_OK);
    ck_assert_uint_eq(f.n_chunks, 3);
    ck_assert_uint_eq(f.chunks[2].n_rows, 4);
    ck_assert_int_eq(f.chunks[0].positions[0], 1000);
    ck_assert_int_eq(f.chunks[2].positions[3], 5099);
    ck_assert_int_eq(f.chunks[2].columns[0]->ints[3], 4099);
    ck_assert_int_eq(f.chunks[2].columns[1]->child->ints[3], 4099);
    ds_buffer_fini(&rows);
    fixture_fini(&f);
}
END_TEST

static void expect_refused(const char *rows, size_t row, const char *column, const char *message)
{
    fixture f;
    fixture_init(&f, ALL_TYPES);
    ck_assert_int_eq(load(&f, rows, 0), DS_ERR_APP);
    ck_assert_uint_eq(f.bad_row, row);
    if (column == NULL)
        ck_assert_ptr_null(f.bad_column);
    else
        ck_assert_str_eq(f.bad_column, column);
    ck_assert_msg(strstr(f.error.message, message) != NULL, "%s", f.error.message);
    fixture_fini(&f);
}

START_TEST(what_does_not_fit_is_an_error)
{
    expect_refused("[{},{\"x\":1}]", 1, "x", "no column \"x\"");
    expect_refused("[{},{},5]", 2, NULL, "object");
    expect_refused("[{\"i\":\"5\"}]", 0, "i", "\"5\" is not an int (column i)");
    expect_refused("[{\"i\":1.0}]", 0, "i", "1.0 is not an int");
    expect_refused("[{\"f\":\"1\"}]", 0, "f", "not a float");
    expect_refused("[{\"b\":1}]", 0, "b", "not a bool");
    expect_refused("[{\"s\":1}]", 0, "s", "not a string");
    expect_refused("[{\"t\":1}]", 0, "t", "not a timestamp");
    expect_refused("[{\"t\":\"soon\"}]", 0, "t", "\"soon\" is not a timestamp");
    expect_refused("[{\"l\":1}]", 0, "l", "not a list<int>");
    expect_refused("[{\"l\":[1,\"x\"]}]", 0, "l", "[1,\"x\"] is not a list<int>");
}
END_TEST

START_TEST(rows_have_to_be_a_list)
{
    fixture f;
    fixture_init(&f, "n:int");
    ck_assert_int_eq(load(&f, "{\"n\":1}", 0), DS_ERR_APP);
    ck_assert_int_eq(ds_rows_from_json(f.arena, &f.heap, &f.schema, f.json, 0, &f.chunks,
                                       &f.n_chunks, NULL, NULL, NULL),
                     DS_ERR_APP);
    fixture_fini(&f);
}
END_TEST

/* Comparison. */

static ds_rows_difference compare(fixture *f, const char *expected, bool ordered)
{
    ds_rows_difference difference;
    json_t *json = parse_json(expected);
    ds_status status = ds_rows_compare(f->arena, &f->schema, &f->heap, f->chunks, f->n_chunks, json,
                                       ordered, &difference, &f->error);
    ck_assert_msg(status == DS_OK, "%s", f->error.message);
    ck_assert_int_eq(difference.equal, difference.text[0] == '\0');
    json_decref(json);
    return difference;
}

static bool equal(const char *columns, const char *rows, const char *expected, bool ordered)
{
    fixture f;
    fixture_init(&f, columns);
    load_well(&f, rows);
    bool is = compare(&f, expected, ordered).equal;
    fixture_fini(&f);
    return is;
}

START_TEST(rows_compare_as_a_multiset_or_in_order)
{
    const char *rows = "[{\"n\":1,\"s\":\"a\"},{\"n\":2,\"s\":\"b\"},{\"n\":1,\"s\":\"a\"}]";
    const char *other = "[{\"n\":2,\"s\":\"b\"},{\"n\":1,\"s\":\"a\"},{\"n\":1,\"s\":\"a\"}]";
    ck_assert(equal("n:int s:string", rows, rows, true));
    ck_assert(equal("n:int s:string", rows, other, false));
    ck_assert(!equal("n:int s:string", rows, other, true));
    ck_assert(
        !equal("n:int s:string", rows, "[{\"n\":1,\"s\":\"a\"},{\"n\":2,\"s\":\"b\"}]", false));
    ck_assert(!equal("n:int s:string", rows,
                     "[{\"n\":1,\"s\":\"a\"},{\"n\":2,\"s\":\"b\"},{\"n\":2,\"s\":\"b\"}]", false));
    ck_assert(equal("n:int", "[]", "[]", true));
    ck_assert(!equal("n:int", "[{\"n\":1}]", "[]", false));
    ck_assert(!equal("n:int", "[]", "[{\"n\":1}]", true));
}
END_TEST

START_TEST(only_named_columns_compare)
{
    const char *rows = "[{\"n\":1,\"s\":\"a\"},{\"n\":2,\"s\":\"b\"}]";
    ck_assert(equal("n:int s:string", rows, "[{\"s\":\"b\"},{\"s\":\"a\"}]", false));
    ck_assert(!equal("n:int s:string", rows, "[{\"s\":\"b\"},{\"s\":\"c\"}]", false));
    ck_assert(equal("n:int s:string", rows, "[{},{}]", true));
    ck_assert(!equal("n:int s:string", rows, "[{}]", true));
}
END_TEST

START_TEST(numbers_compare_by_value)
{
    ck_assert(equal("n:int", "[{\"n\":2}]", "[{\"n\":2.0}]", false));
    ck_assert(equal("n:float", "[{\"n\":2}]", "[{\"n\":2}]", false));
    ck_assert(!equal("n:int", "[{\"n\":2}]", "[{\"n\":2.5}]", false));
    ck_assert(equal("n:float", "[{\"n\":0.3}]", "[{\"n\":0.30000000000000004}]", false));
    ck_assert(equal("n:float", "[{\"n\":1e300}]", "[{\"n\":1.0000000009e300}]", true));
    ck_assert(!equal("n:float", "[{\"n\":1e300}]", "[{\"n\":1.000000002e300}]", true));
    ck_assert(equal("n:float", "[{\"n\":0}]", "[{\"n\":9e-13}]", false));
    ck_assert(!equal("n:float", "[{\"n\":0}]", "[{\"n\":2e-12}]", false));
    ck_assert(equal("n:float", "[{\"n\":0.0}]", "[{\"n\":-0.0}]", false));
    ck_assert(!equal("n:int", "[{\"n\":9007199254740993}]", "[{\"n\":9007199254740992}]", false));
    ck_assert(equal("n:int", "[{\"n\":9007199254740993}]", "[{\"n\":9007199254740993}]", true));
}
END_TEST

START_TEST(other_values_compare_exactly)
{
    ck_assert(equal("t:timestamp", "[{\"t\":\"2026-01-01T00:00:00Z\"}]",
                    "[{\"t\":\"2026-01-01T02:00:00.000+02:00\"}]", false));
    ck_assert(!equal("t:timestamp", "[{\"t\":\"2026-01-01T00:00:00Z\"}]",
                     "[{\"t\":\"2026-01-01T00:00:00.000001Z\"}]", false));
    ck_assert(!equal("t:timestamp", "[{\"t\":\"2026-01-01T00:00:00Z\"}]", "[{\"t\":\"x\"}]", true));
    ck_assert(!equal("s:string", "[{\"s\":\"a\"}]", "[{\"s\":\"A\"}]", false));
    ck_assert(!equal("s:string", "[{\"s\":\"a\"}]", "[{\"s\":\"aa\"}]", true));
    ck_assert(!equal("s:string", "[{\"s\":\"1\"}]", "[{\"s\":1}]", true));
    ck_assert(!equal("b:bool", "[{\"b\":true}]", "[{\"b\":false}]", false));
    ck_assert(!equal("b:bool", "[{\"b\":true}]", "[{\"b\":1}]", false));
}
END_TEST

START_TEST(null_equals_null_only)
{
    ck_assert(equal("n:int", "[{\"n\":null}]", "[{\"n\":null}]", false));
    ck_assert(!equal("n:int", "[{\"n\":null}]", "[{\"n\":0}]", false));
    ck_assert(!equal("n:int", "[{\"n\":0}]", "[{\"n\":null}]", true));
    ck_assert(!equal("s:string", "[{\"s\":null}]", "[{\"s\":\"\"}]", false));
    ck_assert(!equal("l:list<int>", "[{\"l\":null}]", "[{\"l\":[]}]", false));
    ck_assert(!equal("l:list<int>", "[{\"l\":[null]}]", "[{\"l\":[{}]}]", false));
}
END_TEST

START_TEST(lists_compare_in_order)
{
    ck_assert(equal("l:list<int>", "[{\"l\":[1,2,null]}]", "[{\"l\":[1,2.0,null]}]", false));
    ck_assert(!equal("l:list<int>", "[{\"l\":[1,2]}]", "[{\"l\":[2,1]}]", false));
    ck_assert(!equal("l:list<int>", "[{\"l\":[1,2]}]", "[{\"l\":[1]}]", true));
    ck_assert(equal("l:list<float>", "[{\"l\":[0.3]},{\"l\":[]}]",
                    "[{\"l\":[]},{\"l\":[0.30000000000000004]}]", false));
    ck_assert(equal("l:list<string>", "[{\"l\":[\"a\"]}]", "[{\"l\":[\"a\"]}]", false));
    ck_assert(equal("l:list<timestamp>", "[{\"l\":[\"2026-01-01T00:00:00Z\"]}]",
                    "[{\"l\":[\"2026-01-01\"]}]", false));
}
END_TEST

START_TEST(floats_that_are_nearly_equal_do_not_hide_a_pairing)
{
    /* In the order of x the rows pair up wrongly: y decides. */
    ck_assert(equal("x:float y:float", "[{\"x\":0.3,\"y\":5},{\"x\":0.3,\"y\":4}]",
                    "[{\"x\":0.3,\"y\":5},{\"x\":0.30000000000000004,\"y\":4}]", false));
    ck_assert(equal("x:float y:float", "[{\"x\":1,\"y\":1},{\"x\":1.0000000005,\"y\":0}]",
                    "[{\"x\":1.0000000005,\"y\":1},{\"x\":1,\"y\":0}]", false));
    /* A chain: 1 pairs with both, 1 + 9e-10 with one only. */
    ck_assert(equal("x:float", "[{\"x\":1.0},{\"x\":1.0000000009}]",
                    "[{\"x\":1.0000000018},{\"x\":1.0000000009}]", false));
    ck_assert(!equal("x:float", "[{\"x\":1.0},{\"x\":1.0}]",
                     "[{\"x\":1.0000000018},{\"x\":1.0000000009}]", false));
    ck_assert(!equal("x:float y:float", "[{\"x\":0.3,\"y\":5},{\"x\":0.3,\"y\":4}]",
                     "[{\"x\":0.3,\"y\":5},{\"x\":0.30000000000000004,\"y\":3}]", false));
}
END_TEST

START_TEST(seconds_as_floats_are_told_apart)
{
    ck_assert(!equal("x:float", "[{\"x\":1431857103}]", "[{\"x\":1431857105}]", false));
}
END_TEST

START_TEST(the_difference_is_readable)
{
    fixture f;
    fixture_init(&f, "n:int s:string f:float t:timestamp l:list<int>");
    load_well(
        &f,
        "[{\"n\":1,\"s\":\"a\",\"f\":1,\"t\":\"2026-01-01\",\"l\":[1,2]},{\"n\":2,\"s\":\"b\"}]");
    ck_assert_str_eq(
        compare(&f, "[{\"s\":\"c\",\"n\":2},{\"n\":1,\"s\":\"a\"},{\"n\":null,\"s\":true}]", false)
            .text,
        "2 missing rows:\n  {\"n\": 2, \"s\": \"c\"}\n  {\"n\": null, \"s\": true}\n"
        "1 unexpected row:\n  {\"n\": 2, \"s\": \"b\"}\n");
    ck_assert_str_eq(
        compare(&f, "[]", true).text,
        "2 unexpected rows:\n"
        "  {\"n\": 1, \"s\": \"a\", \"f\": 1.0, \"t\": \"2026-01-01T00:00:00Z\", \"l\": [1, 2]}\n"
        "  {\"n\": 2, \"s\": \"b\", \"f\": null, \"t\": null, \"l\": null}\n");
    ck_assert_str_eq(compare(&f, "[{\"n\":2},{\"n\":1}]", true).text,
                     "the rows are right, but in another order; row 1\n"
                     "  should be {\"n\": 2}\n  but is    {\"n\": 1}\n");
    fixture_fini(&f);
}
END_TEST

START_TEST(the_difference_is_bounded)
{
    fixture f;
    ds_buffer rows = {0};
    fixture_init(&f, "n:int");
    for (int i = 0; i < 25; i++)
        ds_buffer_printf(&rows, "%s{\"n\":%d}", i == 0 ? "[" : ",", i);
    ds_buffer_append_char(&rows, ']');
    load_well(&f, ds_buffer_text(&rows));
    const char *text = compare(&f, "[]", false).text;
    ck_assert_ptr_nonnull(strstr(text, "{\"n\": 9}\n  ... and 15 more\n"));
    ck_assert_ptr_null(strstr(text, "{\"n\": 10}"));
    ds_buffer_fini(&rows);
    fixture_fini(&f);
}
END_TEST

START_TEST(many_rows_compare)
{
    fixture f;
    ds_buffer rows = {0}, expected = {0};
    fixture_init(&f, "x:float y:float");
    for (int i = 0; i < 6000; i++) {
        const char *before = i == 0 ? "[" : ",";
        int mixed = (i * 7919) % 6000;
        ds_buffer_printf(&rows, "%s{\"x\":%d.1,\"y\":%d}", before, i / 2, i);
        ds_buffer_printf(&expected, "%s{\"x\":%d.10000000001,\"y\":%d}", before, mixed / 2, mixed);
    }
    ds_buffer_append_char(&rows, ']');
    ds_buffer_append_char(&expected, ']');
    load_well(&f, ds_buffer_text(&rows));
    ck_assert(compare(&f, ds_buffer_text(&expected), false).equal);
    ck_assert(!compare(&f, ds_buffer_text(&expected), true).equal);
    ds_buffer_fini(&rows);
    ds_buffer_fini(&expected);
    fixture_fini(&f);
}
END_TEST

static void expect_wrong(const char *expected, const char *message)
{
    fixture f;
    ds_rows_difference difference;
    fixture_init(&f, "a:int b:int");
    load_well(&f, "[{\"a\":1,\"b\":2}]");
    json_t *json = parse_json(expected);
    ck_assert_int_eq(ds_rows_compare(f.arena, &f.schema, &f.heap, f.chunks, f.n_chunks, json, false,
                                     &difference, &f.error),
                     DS_ERR_APP);
    ck_assert_msg(strstr(f.error.message, message) != NULL, "%s", f.error.message);
    json_decref(json);
    fixture_fini(&f);
}

START_TEST(expectations_are_checked)
{
    expect_wrong("[{\"c\":1}]", "no column \"c\"");
    expect_wrong("[{\"a\":1},{\"c\":1}]", "no column \"c\"");
    expect_wrong("[{\"a\":1},{\"b\":1}]", "row 2 names other columns");
    expect_wrong("[{\"a\":1},{\"a\":1,\"b\":1}]", "row 2 names other columns");
    expect_wrong("[{\"a\":1,\"b\":1},{}]", "row 2 names other columns");
    expect_wrong("[5]", "row 1 is not an object");
    expect_wrong("{}", "list of objects");
}
END_TEST

UNIT_MAIN("rows", all_types_are_read, rows_have_positions_and_fill_chunks,
          what_does_not_fit_is_an_error, rows_have_to_be_a_list,
          rows_compare_as_a_multiset_or_in_order, only_named_columns_compare,
          numbers_compare_by_value, other_values_compare_exactly, null_equals_null_only,
          lists_compare_in_order, floats_that_are_nearly_equal_do_not_hide_a_pairing,
          seconds_as_floats_are_told_apart, the_difference_is_readable, the_difference_is_bounded,
          many_rows_compare, expectations_are_checked)
