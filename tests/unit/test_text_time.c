/* Timestamps as text and back, and the calendar. */
#include "base/random.h"
#include "columnar/text.h"
#include "columnar/text_time.h"

#include "unit/unit.h"

static const char *time_text(int64_t us)
{
    static char text[DS_TIMESTAMP_TEXT + 1];
    size_t n = ds_format_timestamp(us, text);
    ck_assert_uint_le(n, DS_TIMESTAMP_TEXT);
    text[n] = '\0';
    return text;
}

static int64_t read_time(const char *text)
{
    int64_t us = INT64_MIN;
    ck_assert_msg(ds_parse_timestamp(text, strlen(text), &us), "%s", text);
    return us;
}

START_TEST(timestamps_as_text)
{
    ck_assert_str_eq(time_text(0), "1970-01-01T00:00:00Z");
    ck_assert_str_eq(time_text(INT64_C(1767225610000000)), "2026-01-01T00:00:10Z");
    ck_assert_str_eq(time_text(INT64_C(1767225610500000)), "2026-01-01T00:00:10.5Z");
    ck_assert_str_eq(time_text(INT64_C(1767225610000001)), "2026-01-01T00:00:10.000001Z");
    ck_assert_str_eq(time_text(-1), "1969-12-31T23:59:59.999999Z");
    ck_assert_str_eq(time_text(DS_TIMESTAMP_MIN), "0001-01-01T00:00:00Z");
    ck_assert_str_eq(time_text(DS_TIMESTAMP_MAX), "9999-12-31T23:59:59.999999Z");
    time_text(INT64_MIN); /* no column holds these, but they have room */
    time_text(INT64_MAX);
}
END_TEST

START_TEST(text_as_timestamps)
{
    ck_assert_int_eq(read_time("1970-01-01T00:00:00Z"), 0);
    ck_assert_int_eq(read_time("1970-01-01t00:00:00z"), 0);
    ck_assert_int_eq(read_time("1970-01-01 00:00:01"), 1000000);
    ck_assert_int_eq(read_time("1970-01-02"), DS_DAY_US);
    ck_assert_int_eq(read_time("1970-01-01T00:00:00.5Z"), 500000);
    ck_assert_int_eq(read_time("1970-01-01T00:00:00.1234567899Z"), 123456);
    ck_assert_int_eq(read_time("1969-12-31T23:59:59.9999999Z"), -1);
    ck_assert_int_eq(read_time("1970-01-01T01:30:00+01:30"), 0);
    ck_assert_int_eq(read_time("1969-12-31T19:00:00-05:00"), 0);
    ck_assert_int_eq(read_time("1970-01-01T00:00:00-00:00"), 0);
    ck_assert_int_eq(read_time("2000-02-29T00:00:00Z"), INT64_C(951782400000000));
    ck_assert_int_eq(read_time("0001-01-01T00:00:00Z"), DS_TIMESTAMP_MIN);
    ck_assert_int_eq(read_time("9999-12-31T23:59:59.999999Z"), DS_TIMESTAMP_MAX);
}
END_TEST

START_TEST(what_is_no_timestamp_is_refused)
{
    static const char *const bad[] = {
        "",
        "1970",
        "1970-01",
        "1970-1-1",
        "1970-01-01T",
        "1970-01-01T00:00",
        "70-01-01",
        "1970-01-01T00:00:00.",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00Zx",
        "1970-01-01T00:00:00 Z",
        " 1970-01-01",
        "1970-01-01 ",
        "1970-13-01",
        "1970-00-01",
        "1970-01-00",
        "1970-01-32",
        "1970-04-31",
        "1900-02-29",
        "2001-02-29",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "2016-12-31T23:59:60Z",
        "0000-01-01",
        "10000-01-01",
        "-001-01-01",
        "1970-01-01X00:00:00Z",
        "1970/01/01",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1970-01-01Z",
        "1970-01-01T00:00:00,5Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t us;
        ck_assert_msg(!ds_parse_timestamp(bad[i], strlen(bad[i]), &us), "%s", bad[i]);
    }
}
END_TEST

START_TEST(the_calendar_counts_every_day)
{
    int64_t days = ds_days_from_civil(1, 1, 1);
    for (int64_t year = 1; year <= 9999; year++)
        for (unsigned month = 1; month <= 12; month++) {
            ck_assert_int_eq(ds_days_from_civil(year, month, 1), days);
            int64_t y;
            unsigned m, d;
            ds_civil_from_days(days, &y, &m, &d);
            ck_assert(y == year && m == month && d == 1);
            days += ds_days_in_month(year, month);
            ds_civil_from_days(days - 1, &y, &m, &d);
            ck_assert(y == year && m == month && d == ds_days_in_month(year, month));
        }
    ck_assert_int_eq(ds_days_from_civil(1970, 1, 1), 0);
    ck_assert_int_eq(days, ds_days_from_civil(10000, 1, 1));
}
END_TEST

START_TEST(random_timestamps_survive)
{
    ds_random random;
    ds_random_init(&random, 21);
    for (int i = 0; i < 50000; i++) {
        uint64_t range = (uint64_t)(DS_TIMESTAMP_MAX - DS_TIMESTAMP_MIN) + 1;
        int64_t us = DS_TIMESTAMP_MIN + (int64_t)ds_random_below(&random, range);
        if (i % 2 == 0)
            us -= us % DS_SECOND_US;
        ck_assert_int_eq(read_time(time_text(us)), us);
        ds_civil civil = ds_civil_from_us(us);
        int64_t back;
        ck_assert(ds_civil_to_us(&civil, 0, &back));
        ck_assert_int_eq(back, us);
    }
}
END_TEST

UNIT_MAIN("text_time", timestamps_as_text, text_as_timestamps, what_is_no_timestamp_is_refused,
          the_calendar_counts_every_day, random_timestamps_survive)
