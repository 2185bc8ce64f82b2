#include "base/clock.h"

#include "unit/unit.h"

#include <stdint.h>

START_TEST(times_as_text)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59Z"},
        {INT64_C(1767225600250), "2026-01-01T00:00:00.250Z"},
        {INT64_MAX, "292278994-08-17T07:12:55.807Z"},
        {INT64_MIN, "-292275055-05-16T16:47:04.192Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[DS_CLOCK_TEXT];
        ck_assert_str_eq(ds_clock_text(cases[i].ms, text), cases[i].text);
    }
}
END_TEST

START_TEST(stamps_have_their_milliseconds)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {INT64_C(1767225600250), "2026-01-01T00:00:00.250Z"},
        {INT64_C(-96724434669), "1966-12-08T12:06:05.331Z"},
        {-1000, "1969-12-31T23:59:59.000Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[DS_CLOCK_TEXT];
        ck_assert_str_eq(ds_clock_stamp(cases[i].ms, text), cases[i].text);
    }
}
END_TEST

UNIT_MAIN("clock", times_as_text, stamps_have_their_milliseconds)
