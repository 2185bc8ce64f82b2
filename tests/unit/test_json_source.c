/* JSON sources: syntax errors with their places, places of keys and values, repeated keys. */
#include "base/json_path.h"
#include "base/json_source.h"

#include "unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ds_json_source *parse(const char *text)
{
    ds_json_source *source;
    ds_error error;
    ds_status status = ds_json_source_new("f", text, strlen(text), &source, &error);
    ck_assert_msg(status == DS_OK, "%s", error.message);
    return source;
}

static void check_fault(const char *text, size_t length, const char *message)
{
    ds_json_source *source;
    ds_error error;
    ck_assert_int_eq(ds_json_source_new("f", text, length, &source, &error), DS_ERR_APP);
    ck_assert_ptr_null(source);
    ck_assert_str_eq(error.message, message);
}

START_TEST(tree_is_that_of_the_text)
{
    static const char text[] =
        "{\"a\\u00e9\\n\": [1, -0, 2.5, 1e3, true, false, null, \"\\ud83d\\ude00/\\/\\\"\"],\r\n"
        "\t\"e\": {}, \"l\": [ ], \"max\": 9223372036854775807, \"min\": -9223372036854775808}";
    ds_json_source *source = parse(text);
    json_t *expected = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(expected);
    ck_assert(json_equal(ds_json_source_root(source), expected));
    ck_assert_str_eq(ds_json_source_name(source), "f");
    json_decref(expected);
    ds_json_source_free(source);
}
END_TEST

START_TEST(syntax_errors_have_places)
{
    static const char *const cases[][2] = {
        {"", "f:1:1: the file ends where a value is expected"},
        {"{", "f:1:2: the file ends where a key in double quotes is expected"},
        {"{\n  \"a\": 1,\n}", "f:2:9: a comma with nothing behind it"},
        {"[1,]", "f:1:3: a comma with nothing behind it"},
        {"{\"a\" 1}", "f:1:6: expected \":\""},
        {"{\"a\": 1 \"b\": 2}", "f:1:9: expected \",\" or \"}\""},
        {"[1 2]", "f:1:4: expected \",\" or \"]\""},
        {"{\"a\":}", "f:1:6: expected a value"},
        {"{a: 1}", "f:1:2: expected a key in double quotes"},
        {"{'a': 1}", "f:1:2: expected a key in double quotes (texts stand in double quotes)"},
        {"// x\n{}", "f:1:1: expected a value (there are no comments in JSON)"},
        {"{} {}", "f:1:4: something stands behind the end of the document"},
        {"[True]", "f:1:2: \"True\" is not a value; texts stand in double quotes"},
        {"[NaN]", "f:1:2: \"NaN\" is not a value; texts stand in double quotes"},
        {"[01]", "f:1:2: not a number of JSON"},
        {"[1.]", "f:1:2: not a number of JSON"},
        {"[.5]", "f:1:2: not a number of JSON"},
        {"[+1]", "f:1:2: not a number of JSON"},
        {"[1e]", "f:1:2: not a number of JSON"},
        {"[1s]", "f:1:2: not a number of JSON"},
        {"[-]", "f:1:2: not a number of JSON"},
        {"[1, 9223372036854775808]", "f:1:5: a number out of range"},
        {"[1e999]", "f:1:2: a number out of range"},
        {"[\"é\", \"a\nb\"]", "f:1:7: a string that does not end on its line"},
        {"[\"abc", "f:1:2: a string that does not end on its line"},
        {"[\"a\tb\"]", "f:1:4: a control character in a string (a tab is written \\t)"},
        {"[\"\\x\"]", "f:1:3: not an escape of JSON (a backslash itself is written \\\\)"},
        {"[\"\\u12g4\"]", "f:1:3: \\u needs four hexadecimal digits"},
        {"[\"\\u0000\"]", "f:1:3: \\u0000 cannot stand in a string"},
        {"[\"\\ud800x\"]", "f:1:3: half a surrogate pair"},
        {"[\"\\udc00\"]", "f:1:3: half a surrogate pair"},
        {"\xEF\xBB\xBF{}",
         "f:1:1: the file starts with a byte order mark; save it as UTF-8 without one"},
        {"[\"a\", \"\xC0\x80\"]", "f:1:8: not a text in UTF-8 (byte 0xC0)"},
        {"[\"\xED\xA0\x80\"]", "f:1:3: not a text in UTF-8 (byte 0xED)"},
        {"[\"\xF4\x90\x80\x80\"]", "f:1:3: not a text in UTF-8 (byte 0xF4)"},
        {"[\"\xC3", "f:1:3: not a text in UTF-8 (byte 0xC3)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_fault(cases[i][0], strlen(cases[i][0]), cases[i][1]);
    check_fault("[1,\n\0]", 6, "f:2:1: not a text in UTF-8 (byte 0x00)");
}
END_TEST

START_TEST(depth_and_size_are_bounded)
{
    char text[4 * 2049 + 1];
    memset(text, '[', 2049);
    memset(text + 2049, ']', 2049);
    check_fault(text, 2 * 2049, "f:1:2049: nested more than 2048 deep");
    ds_json_source *source;
    ck_assert_int_eq(ds_json_source_new("f", text + 1, 2 * 2048, &source, NULL), DS_OK);
    ds_json_source_free(source);
    size_t size = DS_JSON_SOURCE_BYTES + 1;
    char *large = malloc(size);
    memset(large, ' ', size);
    check_fault(large, size, "f: larger than the limit of 16 MiB");
    large[0] = '1';
    ck_assert_int_eq(ds_json_source_new("f", large, size - 1, &source, NULL), DS_OK);
    ds_json_source_free(source);
    ck_assert_int_eq(ds_json_source_new_limited("f", large, size, size, &source, NULL), DS_OK);
    ds_json_source_free(source);
    free(large);
}
END_TEST

static void check_place(const ds_json_source *source, const char *path, bool key, unsigned line,
                        unsigned column, unsigned length)
{
    ds_json_place place = ds_json_source_place(source, path, key);
    ck_assert_msg(place.line == line && place.column == column && place.length == length,
                  "%s: %u:%u+%u", path, place.line, place.column, place.length);
}

START_TEST(places_of_keys_and_values)
{
    ds_json_source *source = parse("{\n"
                                   "  \"a\": {\"b\": [10, {\"c\": \"ü\\\"x\"}]},\r\n"
                                   "\t\"odd \\\"key\\\\\": true, \"\\u0061\\u0062\": -1.5e3,\n"
                                   "  \"\": {\"x.y\": null}\n"
                                   "}");
    check_place(source, "", false, 1, 1, 1);
    check_place(source, "", true, 1, 1, 1);
    check_place(source, "a", true, 2, 3, 3);
    check_place(source, "a", false, 2, 8, 1);
    check_place(source, "a.b", true, 2, 9, 3);
    check_place(source, "a.b[0]", false, 2, 15, 2);
    check_place(source, "a.b[0]", true, 2, 15, 2);
    check_place(source, "a.b[1].c", true, 2, 20, 3);
    check_place(source, "a.b[1].c", false, 2, 25, 6);
    check_place(source, "[\"odd \\\"key\\\\\"]", true, 3, 2, 13);
    check_place(source, "[\"odd \\\"key\\\\\"]", false, 3, 17, 4);
    check_place(source, "ab", false, 3, 39, 6);
    check_place(source, "[\"\"][\"x.y\"]", false, 4, 15, 4);
    /* Not in the file: the nearest parent. */
    check_place(source, "a.z.y", false, 2, 8, 1);
    check_place(source, "a.z", true, 2, 3, 3);
    check_place(source, "a.b[7].c", false, 2, 14, 1);
    check_place(source, "a.b.c", false, 2, 14, 1);
    check_place(source, "z[0]", false, 1, 1, 1);
    check_place(source, "a..b", false, 1, 1, 1);
    ds_json_place place = ds_json_source_place(source, "a.b", false);
    ck_assert_uint_eq(place.line_length, strlen("  \"a\": {\"b\": [10, {\"c\": \"ü\\\"x\"}]},"));
    ck_assert_int_eq(strncmp(place.line_text, "  \"a\"", 5), 0);
    ds_json_source_free(source);
}
END_TEST

START_TEST(places_in_strings)
{
    ds_json_source *source = parse("{\"w\": \"a \\u00e9\\n\\ud83d\\ude00é=m\", \"n\": 12}");
    static const unsigned columns[][2] = {
        {0, 8},  {1, 9},  {2, 10}, {3, 10}, /* é takes two bytes: inside is its start */
        {4, 16}, {5, 18}, {8, 18}, {9, 30}, {11, 31}, {12, 32}, {13, 33}, {99, 33},
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        ds_json_place place = ds_json_source_place_in(source, "w", columns[i][0]);
        ck_assert_uint_eq(place.line, 1);
        ck_assert_uint_eq(place.column, columns[i][1]);
    }
    ck_assert_uint_eq(ds_json_source_place_in(source, "n", 1).column, 41);
    ck_assert_uint_eq(ds_json_source_place_in(source, "x", 1).column, 1);
    ds_json_source_free(source);
}
END_TEST

static void check_repeated(const ds_json_source *source, uint32_t i, const char *expected_path,
                           unsigned line, unsigned column, unsigned first_line,
                           unsigned first_column)
{
    ds_buffer path = {0};
    ds_json_place again, first;
    ds_json_source_repeated(source, i, &path, &again, &first);
    ck_assert_str_eq(ds_buffer_text(&path), expected_path);
    ck_assert_uint_eq(again.line, line);
    ck_assert_uint_eq(again.column, column);
    ck_assert_uint_eq(first.line, first_line);
    ck_assert_uint_eq(first.column, first_column);
    ds_buffer_fini(&path);
}

START_TEST(repeated_keys_are_told)
{
    ds_json_source *source =
        parse("{\"a\": 1,\n"
              " \"b\": [0, {\"x y\": 1, \"z\": {\"k\": 1}, \"x\\u0020y\": 2}],\n"
              " \"a\": 3, \"c\": {\"a\": 1}, \"a\": 4}");
    ck_assert_uint_eq(ds_json_source_n_repeated(source), 3);
    check_repeated(source, 0, "b[1][\"x y\"]", 2, 37, 2, 12);
    check_repeated(source, 1, "a", 3, 2, 1, 2);
    check_repeated(source, 2, "a", 3, 25, 1, 2);
    json_t *root = ds_json_source_root(source);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "a")), 1);
    ds_json_source_free(source);
    source = parse("{\"a\": {\"b\": 1}, \"b\": {\"a\": 2}}");
    ck_assert_uint_eq(ds_json_source_n_repeated(source), 0);
    ds_json_source_free(source);
}
END_TEST

START_TEST(many_repeated_keys_are_bounded)
{
    ds_buffer text = {0};
    ds_buffer_append_text(&text, "{\"a\":0");
    for (int i = 0; i < 1000; i++)
        ds_buffer_append_text(&text, ",\"a\":0");
    ds_buffer_append_text(&text, "}");
    ds_json_source *source = parse(ds_buffer_text(&text));
    ck_assert_uint_eq(ds_json_source_n_repeated(source), 100);
    ds_json_source_free(source);
    ds_buffer_fini(&text);
}
END_TEST

START_TEST(files_are_read)
{
    char path[] = "/tmp/ds_json_source_XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "{\"a\": 1}\n", 9), 9);
    close(fd);
    ds_json_source *source;
    ds_error error;
    ck_assert_int_eq(ds_json_source_read(path, &source, &error), DS_OK);
    ck_assert_str_eq(ds_json_source_name(source), path);
    ck_assert_int_eq((int)json_object_size(ds_json_source_root(source)), 1);
    ds_json_source_free(source);
    unlink(path);
    ck_assert_int_eq(ds_json_source_read(path, &source, &error), DS_ERR_NO_INPUT);
    ck_assert_ptr_null(source);
    ck_assert_ptr_nonnull(strstr(error.message, "No such file"));
    ck_assert_int_eq(ds_json_source_read("/", &source, &error), DS_ERR_NO_INPUT);
    ck_assert_str_eq(error.message, "/: Is a directory");
    ck_assert_int_eq(ds_json_source_read("/dev/zero", &source, &error), DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(error.message, "larger than the limit"));
}
END_TEST

START_TEST(paths_go_there_and_back)
{
    static const char *const keys[] = {"a", "a-b_$1", "", "x.y", "[0]", "\"\\", "é", "a=b"};
    ds_buffer path = {0}, scratch = {0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        ds_json_path_key(&path, keys[i], strlen(keys[i]));
        ds_json_path_index(&path, i);
    }
    ck_assert_str_eq(ds_buffer_text(&path), "a[0].a-b_$1[1][\"\"][2][\"x.y\"][3][\"[0]\"][4]"
                                            "[\"\\\"\\\\\"][5][\"é\"][6][\"a=b\"][7]");
    ds_json_step step;
    const char *p = ds_buffer_text(&path);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        ck_assert(ds_json_path_next(&p, '=', &step, &scratch));
        ck_assert(!step.is_index);
        ck_assert_str_eq(step.key, keys[i]);
        ck_assert(ds_json_path_next(&p, '=', &step, &scratch));
        ck_assert(step.is_index);
        ck_assert_uint_eq(step.index, i);
    }
    ck_assert(!ds_json_path_next(&p, '=', &step, &scratch));
    ck_assert_int_eq(*p, '\0');
    ds_buffer_fini(&path);
    ds_buffer_fini(&scratch);
}
END_TEST

START_TEST(bad_paths_are_refused)
{
    static const char *const bad[] = {".a",      "a.",    "a..b",  "a[",
                                      "a[]",     "a[x]",  "a[1",   "a[\"b]",
                                      "a[\"b\"", "a[1]b", "a.[0]", "a[99999999999999999999]"};
    ds_buffer scratch = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *p = bad[i];
        ds_json_step step;
        while (ds_json_path_next(&p, '\0', &step, &scratch))
            continue;
        ck_assert_msg(*p != '\0', "%s", bad[i]);
    }
    ds_buffer_fini(&scratch);
}
END_TEST

UNIT_MAIN("json_source", tree_is_that_of_the_text, syntax_errors_have_places,
          depth_and_size_are_bounded, places_of_keys_and_values, places_in_strings,
          repeated_keys_are_told, many_repeated_keys_are_bounded, files_are_read,
          paths_go_there_and_back, bad_paths_are_refused)
