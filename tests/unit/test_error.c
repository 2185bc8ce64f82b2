/* Status codes, error texts. */
#include "base/error.h"

#include "unit/unit.h"

#include <string.h>

START_TEST(set_fills_and_returns)
{
    ds_error error;
    ck_assert_int_eq(ds_error_set(&error, DS_ERR_IO, "cannot %s %d", "read", 7), DS_ERR_IO);
    ck_assert_int_eq(error.status, DS_ERR_IO);
    ck_assert_str_eq(error.message, "cannot read 7");
    ck_assert_int_eq(ds_error_set(NULL, DS_ERR_LOST, "nobody %s", "asks"), DS_ERR_LOST);
}
END_TEST

START_TEST(long_texts_are_cut)
{
    char text[3 * DS_ERROR_TEXT];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    ds_error error;
    ds_error_set(&error, DS_ERR_IO, "%s", text);
    ck_assert_uint_eq(strlen(error.message), DS_ERROR_TEXT - 1);
    text[DS_ERROR_TEXT - 1] = '\0'; /* just fits */
    ds_error_set(&error, DS_ERR_IO, "%s", text);
    ck_assert_str_eq(error.message, text);
}
END_TEST

/* Wherever the cut falls in a character of 1 to 4 bytes, none is left in part. */
START_TEST(cut_at_a_whole_character)
{
    static const char *const characters[] = {"\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t c = 0; c < 3; c++) {
        size_t width = strlen(characters[c]);
        for (size_t before = 0; before < width; before++) {
            char text[2 * DS_ERROR_TEXT + 8] = "";
            memset(text, 'x', before);
            size_t length = before;
            while (length < 2 * DS_ERROR_TEXT - 8) {
                memcpy(text + length, characters[c], width + 1);
                length += width;
            }
            ds_error error;
            ds_error_set(&error, DS_ERR_IO, "%s", text);
            size_t kept = strlen(error.message);
            ck_assert_uint_eq((kept - before) % width, 0);
            ck_assert_uint_gt(kept, DS_ERROR_TEXT - 1 - 4);
            ck_assert_mem_eq(error.message, text, kept);
        }
    }
}
END_TEST

/* A whole character that ends exactly where the text has to stays. */
START_TEST(whole_character_at_the_cut_stays)
{
    char text[DS_ERROR_TEXT + 8];
    memset(text, 'x', sizeof text);
    memcpy(text + DS_ERROR_TEXT - 1 - 2, "\xC3\xA4", 2);
    text[DS_ERROR_TEXT] = '\0';
    ds_error error;
    ds_error_set(&error, DS_ERR_IO, "%s", text);
    ck_assert_uint_eq(strlen(error.message), DS_ERROR_TEXT - 1);
    ck_assert_mem_eq(error.message + DS_ERROR_TEXT - 3, "\xC3\xA4", 2);
}
END_TEST

START_TEST(exit_statuses_are_those_of_the_contract)
{
    static const int expected[][2] = {
        {DS_OK, 0},        {DS_ERR_USAGE, 64},       {DS_ERR_DATA, 65},     {DS_ERR_NO_INPUT, 66},
        {DS_ERR_IO, 74},   {DS_ERR_UNAVAILABLE, 69}, {DS_ERR_INTERNAL, 70}, {DS_ERR_APP, 78},
        {DS_ERR_LOST, 70}, {DS_ERR_NO_MEMORY, 70},   {DS_ERR_PROTOCOL, 70},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        ck_assert_int_eq(ds_status_exit((ds_status)expected[i][0]), expected[i][1]);
    ck_assert_int_eq(ds_status_exit((ds_status)999), 70); /* from a message of a stranger */
    ck_assert_int_eq(ds_status_exit((ds_status)-1), 70);
}
END_TEST

START_TEST(every_status_has_a_name)
{
    for (int s = DS_OK; s <= DS_ERR_LOST; s++) {
        ck_assert_ptr_nonnull(ds_status_name((ds_status)s));
        for (int other = DS_OK; other < s; other++)
            ck_assert_str_ne(ds_status_name((ds_status)s), ds_status_name((ds_status)other));
    }
    ck_assert_str_eq(ds_status_name(DS_ERR_IO), "io");
    ck_assert_str_eq(ds_status_name((ds_status)12345), "internal");
}
END_TEST

static ds_status tried(ds_status status, int *went_on)
{
    DS_TRY(status);
    (*went_on)++;
    return DS_OK;
}

START_TEST(try_returns_what_failed)
{
    int went_on = 0;
    ck_assert_int_eq(tried(DS_ERR_DATA, &went_on), DS_ERR_DATA);
    ck_assert_int_eq(went_on, 0);
    ck_assert_int_eq(tried(DS_OK, &went_on), DS_OK);
    ck_assert_int_eq(went_on, 1);
}
END_TEST

UNIT_MAIN("error", set_fills_and_returns, long_texts_are_cut, cut_at_a_whole_character,
          whole_character_at_the_cut_stays, exit_statuses_are_those_of_the_contract,
          every_status_has_a_name, try_returns_what_failed)
