/* UTF-8: what is valid, how long it is, and how it is repaired. */
#include "base/random.h"
#include "columnar/text.h"
#include "columnar/text_simd.h"

#include "unit/unit.h"

#include <string.h>

#define MARK "\xEF\xBF\xBD"

static void check_repair(const char *text, size_t length, const char *expected, size_t replaced)
{
    ds_buffer out = {0};
    ck_assert_uint_eq(ds_utf8_repair(&out, text, length), replaced);
    ck_assert_str_eq(ds_buffer_text(&out), expected);
    ck_assert_uint_eq(out.length, strlen(expected));
    ds_buffer_fini(&out);
}

#define REPAIRED(text, expected, n) check_repair(text, sizeof(text) - 1, expected, n)

START_TEST(maximal_parts_become_one_mark)
{
    REPAIRED("", "", 0);
    REPAIRED("plain text", "plain text", 0);
    REPAIRED("h\xC3\xA9llo \xE2\x82\xAC \xF0\x9F\x98\x80",
             "h\xC3\xA9llo \xE2\x82\xAC \xF0\x9F\x98\x80", 0);
    REPAIRED("a\0b", "a" MARK "b", 1);
    REPAIRED("\x80", MARK, 1);
    REPAIRED("\xC3", MARK, 1);
    REPAIRED("\xC3z", MARK "z", 1);
    REPAIRED("\xC0\xAF", MARK MARK, 2);
    REPAIRED("\xE0\x80\xBF", MARK MARK MARK, 3);
    REPAIRED("\xE2\x82", MARK, 1);
    REPAIRED("\xE2\x82z", MARK "z", 1);
    REPAIRED("\xE2\x82\xE2\x82\xAC", MARK "\xE2\x82\xAC", 1);
    REPAIRED("\xED\xA0\x80", MARK MARK MARK, 3); /* half a surrogate pair */
    REPAIRED("\xED\x9F\xBF\xEE\x80\x80", "\xED\x9F\xBF\xEE\x80\x80", 0);
    REPAIRED("\xF0\x80\x80\x41", MARK MARK MARK "A", 3);
    REPAIRED("\xF0\x9F\x98", MARK, 1);
    REPAIRED("\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF", 0);
    REPAIRED("\xF4\x90\x80\x80", MARK MARK MARK MARK, 4);
    REPAIRED("\xF5\xFF", MARK MARK, 2);
    /* The example of the Unicode standard, table 3-8. */
    REPAIRED("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64",
             "a" MARK MARK MARK "b" MARK "c" MARK MARK "d", 6);
}
END_TEST

START_TEST(the_first_bad_part_is_found)
{
    size_t valid;
    ck_assert_uint_eq(ds_utf8_invalid("0123456789abcde\xFF rest", 21, &valid), 1);
    ck_assert_uint_eq(valid, 15);
    ck_assert_uint_eq(ds_utf8_invalid("01234567\xC3\xA9\xE2\x82", 12, &valid), 2);
    ck_assert_uint_eq(valid, 10);
    ck_assert_uint_eq(ds_utf8_invalid("0123456789\0", 11, &valid), 1);
    ck_assert_uint_eq(valid, 10);
    ck_assert_uint_eq(ds_utf8_invalid("fine", 4, &valid), 0);
    ck_assert_uint_eq(valid, 4);
}
END_TEST

START_TEST(code_points_are_counted)
{
    ck_assert_uint_eq(ds_utf8_length("", 0), 0);
    ck_assert_uint_eq(ds_utf8_length("abc", 3), 3);
    ck_assert_uint_eq(ds_utf8_length("h\xC3\xA9llo", 6), 5);
    ck_assert_uint_eq(ds_utf8_length("\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xE2\x82\xAC", 11), 3);
    ck_assert_uint_eq(ds_utf8_length("0123456789\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 18), 14);
}
END_TEST

static bool plain_by_definition(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\0' || (unsigned char)text[i] > 127)
            return false;
    return true;
}

START_TEST(all_versions_agree_on_plain_text)
{
    ds_random random;
    ds_random_init(&random, 31);
    static const ds_simd levels[] = {DS_SIMD_PLAIN, DS_SIMD_SSE2, DS_SIMD_AVX2};
    for (int round = 0; round < 30000; round++) {
        size_t length = ds_random_below(&random, round % 10 == 0 ? 300 : 70);
        char *text = malloc(length + 1); /* of its own, so that a read behind it shows */
        for (size_t i = 0; i < length; i++)
            text[i] = (char)(1 + ds_random_below(&random, 127));
        static const char odd[] = {0, (char)0x80, (char)0xFF, 1, 127};
        if (length > 0 && round % 3 != 0)
            text[ds_random_below(&random, length)] = odd[round % 5];
        char *exact = realloc(text, length == 0 ? 1 : length);
        bool expected = plain_by_definition(exact, length);
        for (size_t i = 0; i < 3; i++) {
            ds_simd_limit(levels[i]);
            ck_assert(ds_text_is_plain(exact, length) == expected);
        }
        free(exact);
    }
    ds_simd_limit(DS_SIMD_AVX2);
}
END_TEST

START_TEST(repaired_random_bytes_are_valid)
{
    ds_random random;
    ds_random_init(&random, 32);
    ds_buffer out = {0};
    for (int round = 0; round < 20000; round++) {
        char text[48];
        size_t length = ds_random_below(&random, sizeof text);
        for (size_t i = 0; i < length; i++) {
            uint64_t bits = ds_random_next(&random);
            text[i] = (char)(bits % 3 == 0 ? bits >> 8 & 0x7F : 0x80 | (bits >> 8));
        }
        out.length = 0;
        size_t valid, replaced = ds_utf8_repair(&out, text, length);
        ck_assert_uint_eq(ds_utf8_invalid(ds_buffer_text(&out), out.length, &valid), 0);
        ck_assert((replaced == 0) == (ds_utf8_invalid(text, length, &valid) == 0));
        ck_assert_uint_le(out.length, length + 2 * replaced);
    }
    ds_buffer_fini(&out);
}
END_TEST

UNIT_MAIN("utf8", maximal_parts_become_one_mark, the_first_bad_part_is_found,
          code_points_are_counted, all_versions_agree_on_plain_text,
          repaired_random_bytes_are_valid)
