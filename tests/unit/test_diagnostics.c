/* Diagnostics: their text, order and limits; the nearest name. */
#include "base/buffer.h"
#include "base/nearest.h"
#include "dstream/diagnostics.h"

#include "unit/unit.h"

#include <string.h>

static ds_json_source *source;
static ds_diagnostics *diagnostics;

static void start(const char *text)
{
    ck_assert_int_eq(ds_json_source_new("app.json", text, strlen(text), &source, NULL), DS_OK);
    diagnostics = ds_diagnostics_new(source);
}

/* Compares what is printed and frees all. */
static void finish(const char *expected)
{
    ds_buffer out = {0};
    ds_diagnostics_print(diagnostics, &out);
    ck_assert_str_eq(ds_buffer_text(&out), expected);
    ds_buffer_fini(&out);
    ds_diagnostics_free(diagnostics);
    ds_json_source_free(source);
    source = NULL;
}

START_TEST(value_key_and_missing)
{
    start("{\n  \"a\": {\"bc\": \"x\"}\n}");
    ds_diag_error(diagnostics, "a.bc", "must be %d", 5);
    ds_diag_error_key(diagnostics, "a.bc", "unknown key");
    ds_diag_error(diagnostics, "a", "an object");
    ds_diag_error_key(diagnostics, "a.d", "missing");
    ds_diag_error(diagnostics, "", "all of it");
    ck_assert_uint_eq(ds_diagnostics_errors(diagnostics), 5);
    finish("app.json:1:1: all of it\n"
           "    {\n"
           "    ^\n"
           "app.json:2:3: a.d: missing\n"
           "    \"a\": {\"bc\": \"x\"}\n"
           "    ^^^\n"
           "app.json:2:8: a: an object\n"
           "    \"a\": {\"bc\": \"x\"}\n"
           "         ^\n"
           "app.json:2:9: a.bc: unknown key\n"
           "    \"a\": {\"bc\": \"x\"}\n"
           "          ^^^^\n"
           "app.json:2:15: a.bc: must be 5\n"
           "    \"a\": {\"bc\": \"x\"}\n"
           "                ^^^\n");
}
END_TEST

START_TEST(secrets_are_not_shown)
{
    start("{\"x\": 1, \"s\": \"wonderful\", \"y\": 2}");
    ds_diag_hide(diagnostics, "s");
    ds_diag_hide(diagnostics, "not there");
    ds_diag_error(diagnostics, "s", "short");
    ds_diag_error(diagnostics, "y", "wrong");
    finish("app.json:1:15: s: short\n"
           "    {\"x\": 1, \"s\": ***********, \"y\": 2}\n"
           "                  ^^^^^^^^^^^\n"
           "app.json:1:33: y: wrong\n"
           "    {\"x\": 1, \"s\": ***********, \"y\": 2}\n"
           "                                    ^\n");
}
END_TEST

START_TEST(carets_in_strings)
{
    start("{\"w\": \"\\u00e9\\\"n\\\" > 1\"}");
    /* é"n" > 1: n and its quotes are bytes 2 to 5; written they take 5 columns. */
    ds_diag_error_in(diagnostics, "w", 2, 3, "no column \"n\"");
    ds_diag_error_in(diagnostics, "w", 9, 0, "more is expected");
    ds_diag_error_in(diagnostics, "w", 99, 5, "beyond the end");
    finish("app.json:1:14: w: no column \"n\"\n"
           "    {\"w\": \"\\u00e9\\\"n\\\" > 1\"}\n"
           "                 ^^^^^\n"
           "app.json:1:23: w: more is expected\n"
           "    {\"w\": \"\\u00e9\\\"n\\\" > 1\"}\n"
           "                          ^\n"
           "app.json:1:23: w: beyond the end\n"
           "    {\"w\": \"\\u00e9\\\"n\\\" > 1\"}\n"
           "                          ^\n");
}
END_TEST

START_TEST(replaced_strings_are_shown_as_evaluated)
{
    start("{\"w\": \"${A} > m\", \"v\": {\"x\": \"y\"}}");
    ds_diag_replaced(diagnostics, "w", "status\n> m\x1b", false);
    ds_diag_error_in(diagnostics, "w", 9, 1, "no column \"m\"");
    ds_diag_error(diagnostics, "w", "wrong");
    ds_diag_replaced(diagnostics, "v", NULL, true);
    ds_diag_replaced(diagnostics, "u", "a", true);
    ds_diag_replaced(diagnostics, "u", "é > m", true);
    ds_diag_error(diagnostics, "v.x", "must be 5");
    ds_diag_error_in(diagnostics, "u", 5, 1, "no column \"m\"");
    ck_assert_uint_eq(ds_diagnostics_usage(diagnostics), 2);
    finish("--set v.x: must be 5\n"
           "--set u: no column \"m\"\n"
           "    é > m\n"
           "        ^\n"
           "app.json:1:7: w: no column \"m\"\n"
           "    status > m \n"
           "             ^\n"
           "app.json:1:7: w: wrong\n"
           "    {\"w\": \"${A} > m\", \"v\": {\"x\": \"y\"}}\n"
           "          ^^^^^^^^^^\n");
}
END_TEST

START_TEST(warnings_usage_and_places)
{
    start("[1,\n2]");
    ds_diag_warning(diagnostics, "[1]", "not run");
    ds_diag_usage(diagnostics, "batch.intreval", "unknown key");
    ds_json_place place = ds_json_source_place(source, "[0]", false);
    ds_diag_error_place(diagnostics, "x", place, "repeated");
    ck_assert_uint_eq(ds_diagnostics_errors(diagnostics), 2);
    ck_assert_uint_eq(ds_diagnostics_warnings(diagnostics), 1);
    ck_assert_uint_eq(ds_diagnostics_usage(diagnostics), 1);
    finish("--set batch.intreval: unknown key\n"
           "app.json:1:2: x: repeated\n"
           "    [1,\n"
           "     ^\n"
           "app.json:2:1: warning: [1]: not run\n"
           "    2]\n"
           "    ^\n");
}
END_TEST

START_TEST(tabs_are_kept_and_long_lines_cut)
{
    char text[600], line[400];
    memset(line, 'x', sizeof line);
    snprintf(text, sizeof text, "{\"a\":\t1, \"%.200s\": 2, \"%.150s\": 3}", line, line);
    start(text);
    ds_diag_error(diagnostics, "a", "one");
    char path[300];
    snprintf(path, sizeof path, "%.200s", line);
    ds_diag_error(diagnostics, path, "two");
    ds_buffer out = {0};
    ds_diagnostics_print(diagnostics, &out);
    const char *said = ds_buffer_text(&out);
    char expected[600];
    snprintf(expected, sizeof expected,
             "app.json:1:7: a: one\n    {\"a\":\t1, \"%.90s…\n         \t^\n"
             "app.json:1:214: %.200s: two\n"
             "    …%.57s\": 2, \"%.36s…\n     %60s^\n",
             line, line, line, line, "");
    ck_assert_str_eq(said, expected);
    ds_buffer_fini(&out);
    ds_diagnostics_free(diagnostics);
    ds_json_source_free(source);
    source = NULL;
}
END_TEST

START_TEST(a_problem_is_shown_once)
{
    start("{\"a\": 1}");
    for (int i = 0; i < 3; i++)
        ds_diag_error(diagnostics, "a", "wrong");
    ds_diag_warning(diagnostics, "a", "wrong");
    ds_diag_warning(diagnostics, "a", "wrong");
    ck_assert_uint_eq(ds_diagnostics_errors(diagnostics), 1);
    ck_assert_uint_eq(ds_diagnostics_warnings(diagnostics), 1);
    finish("app.json:1:2: warning: a: wrong\n    {\"a\": 1}\n     ^^^\n"
           "app.json:1:7: a: wrong\n    {\"a\": 1}\n          ^\n");
}
END_TEST

START_TEST(only_a_hundred_are_shown)
{
    start("{}");
    for (int i = 0; i < 1000; i++)
        ds_diag_error(diagnostics, "a", "number %d", i);
    ck_assert_uint_eq(ds_diagnostics_errors(diagnostics), 1000);
    ds_buffer out = {0};
    ds_diagnostics_print(diagnostics, &out);
    const char *said = ds_buffer_text(&out);
    ck_assert_ptr_nonnull(strstr(said, "number 99\n"));
    ck_assert_ptr_null(strstr(said, "number 100\n"));
    ck_assert_str_eq(said + out.length - strlen("and 900 more\n"), "and 900 more\n");
    ds_buffer_fini(&out);
    ds_diagnostics_free(diagnostics);
    ds_json_source_free(source);
    source = NULL;
}
END_TEST

START_TEST(without_a_source_there_are_paths)
{
    diagnostics = ds_diagnostics_new(NULL);
    ds_diag_error(diagnostics, "streams.a.where", "wrong");
    ds_diag_error_in(diagnostics, "streams.b.where", 3, 4, "wrong too");
    finish("streams.a.where: wrong\nstreams.b.where: wrong too\n");
}
END_TEST

START_TEST(control_characters_are_made_visible)
{
    start("{\"a\": \"\xC2\x9B"
          "31m\x7F\"}");
    ds_diag_error(diagnostics, "a", "\x1b[31m \"%s\"", "\xC2\x9B\n");
    finish("app.json:1:7: a: \\u001b[31m \"\\u009b\\u000a\"\n"
           "    {\"a\": \" 31m \"}\n"
           "          ^^^^^^^\n");
}
END_TEST

START_TEST(texts_are_cut_at_characters)
{
    start("{\"a\": 1}");
    ds_diag_error(diagnostics, "a", "\"%.5s\" and \"%.1s\" ü", "üüü", "\xE2\x82\xAC");
    finish("app.json:1:7: a: \"üü…\" and \"…\" ü\n    {\"a\": 1}\n          ^\n");
    start("{\"a\": 1}");
    char text[1200];
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = "\xC3\xBC"[i % 2];
    text[sizeof text - 1] = '\0';
    ds_diag_error(diagnostics, "a", "%s", text);
    char expected[1400];
    snprintf(expected, sizeof expected, "app.json:1:7: a: %.1000s…\n    {\"a\": 1}\n          ^\n",
             text);
    finish(expected);
}
END_TEST

START_TEST(nearest_names)
{
    static const char *const names[] = {"order_by", "limit", "from", "where", "n", "kb"};
    size_t n = sizeof names / sizeof *names;
    ck_assert_str_eq(ds_nearest_name("oder_by", names, n), "order_by");
    ck_assert_str_eq(ds_nearest_name("orderby", names, n), "order_by");
    ck_assert_str_eq(ds_nearest_name("ORDER_BY", names, n), "order_by");
    ck_assert_str_eq(ds_nearest_name("order-yb", names, n), "order_by");
    ck_assert_str_eq(ds_nearest_name("lmiit", names, n), "limit");
    ck_assert_str_eq(ds_nearest_name("form", names, n), "from");
    ck_assert_str_eq(ds_nearest_name("m", names, n), "n");
    ck_assert_ptr_null(ds_nearest_name("window", names, n));
    ck_assert_ptr_null(ds_nearest_name("fxxm", names, n));
    ck_assert_ptr_null(ds_nearest_name("", names, n));
    ck_assert_ptr_null(ds_nearest_name("limit", names, 0));
    char length[80];
    memset(length, 'a', 79);
    length[79] = '\0';
    ck_assert_ptr_null(ds_nearest_name(length, names, n));
    const char *one[] = {length};
    ck_assert_ptr_null(ds_nearest_name("limit", one, 1));
    length[64] = '\0';
    ck_assert_ptr_nonnull(ds_nearest_name(length, one, 1));
}
END_TEST

UNIT_MAIN("diagnostics", value_key_and_missing, secrets_are_not_shown, carets_in_strings,
          replaced_strings_are_shown_as_evaluated, warnings_usage_and_places,
          tabs_are_kept_and_long_lines_cut, a_problem_is_shown_once, only_a_hundred_are_shown,
          without_a_source_there_are_paths, control_characters_are_made_visible,
          texts_are_cut_at_characters, nearest_names)
