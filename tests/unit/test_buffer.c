/* Buffers of bytes: growth, text, formatting. */
#include "base/buffer.h"

#include "unit/unit.h"

#include <string.h>

START_TEST(an_empty_buffer_is_text)
{
    ds_buffer buffer = {0};
    ck_assert_str_eq(ds_buffer_text(&buffer), "");
    ck_assert_uint_eq(buffer.length, 0);
    ds_buffer_fini(&buffer);
    ck_assert_ptr_null(buffer.data);
    ck_assert_uint_eq(buffer.capacity, 0);
    ds_buffer_fini(&buffer); /* as often as one likes */
}
END_TEST

START_TEST(appends_in_order)
{
    ds_buffer buffer = {0};
    ds_buffer_append(&buffer, "ab", 2);
    ds_buffer_append(&buffer, NULL, 0);
    ds_buffer_append_char(&buffer, 'c');
    ds_buffer_append_text(&buffer, "");
    ds_buffer_append_text(&buffer, "de");
    ds_buffer_printf(&buffer, "%d%s", 42, "!");
    ds_buffer_printf(&buffer, "%s", "");
    ck_assert_uint_eq(buffer.length, 8);
    ck_assert_str_eq(ds_buffer_text(&buffer), "abcde42!");
    ck_assert_uint_eq(buffer.length, 8); /* the NUL does not count */
    ds_buffer_append(&buffer, "\0x", 2);
    ck_assert_uint_eq(buffer.length, 10);
    ck_assert_mem_eq(buffer.data, "abcde42!\0x", 10);
    ds_buffer_fini(&buffer);
}
END_TEST

START_TEST(reserve_makes_room_and_nothing_else)
{
    ds_buffer buffer = {0};
    ck_assert_ptr_nonnull(ds_buffer_reserve(&buffer, 0));
    ds_buffer_append_text(&buffer, "x");
    char *to = ds_buffer_reserve(&buffer, 1000);
    ck_assert_ptr_eq(to, buffer.data + 1);
    memset(to, 'y', 1000);
    ck_assert_uint_eq(buffer.length, 1);
    ck_assert_uint_ge(buffer.capacity, 1001);
    buffer.length += 1000;
    ck_assert_int_eq(buffer.data[1000], 'y');
    ds_buffer_fini(&buffer);
}
END_TEST

START_TEST(grows_by_doubling)
{
    ds_buffer buffer = {0};
    size_t moves = 0, capacity = 0;
    for (int i = 0; i < 100000; i++) {
        ds_buffer_append_char(&buffer, (char)('a' + i % 26));
        if (buffer.capacity != capacity) {
            capacity = buffer.capacity;
            moves++;
        }
    }
    ck_assert_uint_lt(moves, 16);
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(buffer.data[i], 'a' + i % 26);
    ds_buffer_fini(&buffer);
}
END_TEST

START_TEST(printf_of_any_length)
{
    ds_buffer buffer = {0};
    for (int n = 0; n < 300; n += 7)
        ds_buffer_printf(&buffer, "%*s|", n, "");
    size_t at = 0;
    for (size_t n = 0; n < 300; n += 7) {
        ck_assert_uint_eq(strspn(buffer.data + at, " "), n);
        at += n + 1;
    }
    ck_assert_uint_eq(at, buffer.length);
    ds_buffer_fini(&buffer);
}
END_TEST

UNIT_MAIN("buffer", an_empty_buffer_is_text, appends_in_order, reserve_makes_room_and_nothing_else,
          grows_by_doubling, printf_of_any_length)
