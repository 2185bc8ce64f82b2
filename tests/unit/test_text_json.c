/* Values as JSON. */
#include "columnar/text.h"

#include "unit/unit.h"

static ds_buffer out;

static void begin(void)
{
    ds_buffer_fini(&out);
}

static const char *json_of(const ds_heap *heap, const ds_column *column, uint32_t row)
{
    begin();
    ds_json_value(&out, heap, column, row);
    return ds_buffer_text(&out);
}

static const char *string_json(const char *text, size_t length)
{
    begin();
    ds_json_string(&out, text, length);
    return ds_buffer_text(&out);
}

START_TEST(strings_are_escaped)
{
    ck_assert_str_eq(string_json("", 0), "\"\"");
    ck_assert_str_eq(string_json("plain", 5), "\"plain\"");
    ck_assert_str_eq(string_json("a\"b\\c", 5), "\"a\\\"b\\\\c\"");
    ck_assert_str_eq(string_json("\b\f\n\r\t", 5), "\"\\b\\f\\n\\r\\t\"");
    ck_assert_str_eq(string_json("\0\x01\x1f\x7f", 4), "\"\\u0000\\u0001\\u001f\x7f\"");
    ck_assert_str_eq(string_json("0123456789 \xC3\xA9 \xF0\x9F\x98\x80\"", 19),
                     "\"0123456789 \xC3\xA9 \xF0\x9F\x98\x80\\\"\"");
    char text[1];
    for (int byte = 0; byte < 128; byte++) {
        text[0] = (char)byte;
        size_t n = strlen(string_json(text, 1));
        ck_assert_uint_eq(n, byte == '"' || byte == '\\' || (byte >= 8 && byte <= 13 && byte != 11)
                                 ? 4
                             : byte < 32 ? 8
                                         : 3);
    }
    begin();
}
END_TEST

START_TEST(an_escape_is_found_at_every_place)
{
    for (size_t length = 1; length < 40; length++)
        for (size_t at = 0; at < length; at++) {
            char text[40], expected[64];
            memset(text, 'x', sizeof text);
            text[at] = '\n';
            expected[0] = '"';
            memcpy(expected + 1, text, at);
            memcpy(expected + 1 + at, "\\n", 2);
            memcpy(expected + 3 + at, text + at + 1, length - at - 1);
            memcpy(expected + 2 + length, "\"", 2);
            ck_assert_str_eq(string_json(text, length), expected);
        }
    begin();
}
END_TEST

START_TEST(every_type_has_its_form)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_column *bools = ds_column_new(arena, DS_TYPE(DS_BOOL), 2);
    bools->bits[0] = 2;
    ck_assert_str_eq(json_of(&heap, bools, 0), "false");
    ck_assert_str_eq(json_of(&heap, bools, 1), "true");
    ds_column *ints = ds_column_new(arena, DS_TYPE(DS_INT), 1);
    ints->ints[0] = INT64_MIN;
    ck_assert_str_eq(json_of(&heap, ints, 0), "-9223372036854775808");
    ds_column *floats = ds_column_new(arena, DS_TYPE(DS_FLOAT), 2);
    floats->floats[0] = 2.0;
    floats->floats[1] = 1e-7;
    ck_assert_str_eq(json_of(&heap, floats, 0), "2.0");
    ck_assert_str_eq(json_of(&heap, floats, 1), "1e-07");
    ds_column *times = ds_column_new(arena, DS_TYPE(DS_TIMESTAMP), 1);
    times->ints[0] = 1500000;
    ck_assert_str_eq(json_of(&heap, times, 0), "\"1970-01-01T00:00:01.5Z\"");
    ds_column *strings = ds_column_new(arena, DS_TYPE(DS_STRING), 2);
    strings->views[0] = ds_view_copy(&heap, "short", 5);
    strings->views[1] = ds_view_copy(&heap, "quite a \"long\" text", 19);
    ck_assert_str_eq(json_of(&heap, strings, 0), "\"short\"");
    ck_assert_str_eq(json_of(&heap, strings, 1), "\"quite a \\\"long\\\" text\"");
    for (uint8_t kind = DS_BOOL; kind <= DS_TIMESTAMP; kind++)
        ck_assert_str_eq(json_of(&heap, ds_column_nulls(arena, DS_TYPE(kind), 1), 0), "null");
    ck_assert_str_eq(json_of(&heap, ds_column_nulls(arena, DS_LIST_OF(DS_INT), 1), 0), "null");
    begin();
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}
END_TEST

START_TEST(lists_hold_nulls)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_column *lists = ds_column_new(arena, DS_LIST_OF(DS_INT), 3);
    lists->child = ds_column_new(arena, DS_TYPE(DS_INT), 3);
    memcpy(lists->child->ints, (int64_t[]){1, 0, 3}, 24);
    ds_column_need_validity(lists->child, arena);
    ds_bit_clear(lists->child->validity, 1);
    memcpy(lists->offsets, (uint32_t[]){0, 3, 3, 3}, 16);
    ds_column_need_validity(lists, arena);
    ds_bit_clear(lists->validity, 2);
    ck_assert_str_eq(json_of(NULL, lists, 0), "[1,null,3]");
    ck_assert_str_eq(json_of(NULL, lists, 1), "[]");
    ck_assert_str_eq(json_of(NULL, lists, 2), "null");
    begin();
    ds_arena_free(arena);
}
END_TEST

UNIT_MAIN("text_json", strings_are_escaped, an_escape_is_found_at_every_place,
          every_type_has_its_form, lists_hold_nulls)
