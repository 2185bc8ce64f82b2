/* The functions of time. */
#include "base/random.h"
#include "columnar/time_format.h"

#include "unit/kernel_harness.h"

#include <time.h>

START_TEST(to_timestamp_reads_rfc3339)
{
    check("to_timestamp", "s",
          "[['2026-01-01T00:00:10Z'], ['2026-01-01 00:00:10.25'], ['2026-01-01T01:00:10+01:00'],"
          " ['2026-01-01'], ['x'], [''], [null], ['2026-02-30']]",
          "['2026-01-01T00:00:10Z','2026-01-01T00:00:10.25Z','2026-01-01T00:00:10Z',"
          "'2026-01-01T00:00:00Z',null,null,null,null]");
    check("to_timestamp", "n", "[[null]]", "[null]");
    refused("to_timestamp", "i", "[[1]]", "int");
}
END_TEST

/* Reads one text by one format. */
static void reads(const char *text, const char *format, const char *expected)
{
    char rows[300], result[100];
    snprintf(rows, sizeof rows, "[['%s', '%s']]", text, format);
    snprintf(result, sizeof result, expected == NULL ? "[null]" : "['%s']", expected);
    check("to_timestamp", "sS", rows, result);
}

START_TEST(to_timestamp_reads_every_letter)
{
    reads("17/May/2015:10:05:03 +0000", "%d/%b/%Y:%H:%M:%S %z", "2015-05-17T10:05:03Z");
    reads("17/May/2015:10:05:03 +0130", "%d/%b/%Y:%H:%M:%S %z", "2015-05-17T08:35:03Z");
    reads("17/May/2015:10:05:03 -01:30", "%d/%b/%Y:%H:%M:%S %z", "2015-05-17T11:35:03Z");
    reads("17/May/2015:10:05:03 Z", "%d/%b/%Y:%H:%M:%S %z", "2015-05-17T10:05:03Z");
    reads("17/May/2015:10:05:03 +02", "%d/%b/%Y:%H:%M:%S %z", "2015-05-17T08:05:03Z");
    reads("20260102030405", "%Y%m%d%H%M%S", "2026-01-02T03:04:05Z");
    reads("2026-1-2", "%Y-%m-%d", "2026-01-02T00:00:00Z");
    reads("70 69 68", "%y %y %y", "2068-01-01T00:00:00Z");
    reads("69", "%y", "1969-01-01T00:00:00Z");
    reads("february 3, 2001", "%B %e, %Y", "2001-02-03T00:00:00Z");
    reads("FEB  3 2001", "%b %e %Y", "2001-02-03T00:00:00Z");
    reads("Sept 3 2001", "%b %e %Y", NULL);
    reads("Mayor 2001", "%bor %Y", "2001-05-01T00:00:00Z");
    reads("2024 366", "%Y %j", "2024-12-31T00:00:00Z");
    reads("366 2024", "%j %Y", "2024-12-31T00:00:00Z");
    reads("2023 366", "%Y %j", NULL);
    reads("2023 0", "%Y %j", NULL);
    reads("12:30 AM", "%I:%M %p", "1970-01-01T00:30:00Z");
    reads("12:30 pm", "%I:%M %P", "1970-01-01T12:30:00Z");
    reads("11:30 PM", "%l:%M %p", "1970-01-01T23:30:00Z");
    reads("PM 1", "%p %I", "1970-01-01T13:00:00Z");
    reads("13:30 PM", "%I:%M %p", NULL);
    reads("0:30 AM", "%I:%M %p", NULL);
    reads("23:30 AM", "%H:%M %p", "1970-01-01T23:30:00Z");
    reads("10:20", "%R", "1970-01-01T10:20:00Z");
    reads("10:20:30", "%T", "1970-01-01T10:20:30Z");
    reads("10:20:30 PM", "%r", "1970-01-01T22:20:30Z");
    reads("02/03/26", "%D", "2026-02-03T00:00:00Z");
    reads("2026-02-03", "%F", "2026-02-03T00:00:00Z");
    reads("Tue Feb  3 04:05:06 2026", "%c", "2026-02-03T04:05:06Z");
    reads("02/03/26 04:05:06", "%x %X", "2026-02-03T04:05:06Z");
    reads("Wednesday, 3 Feb 2026", "%A, %d %h %Y", "2026-02-03T00:00:00Z");
    reads("wed 2026", "%a %Y", "2026-01-01T00:00:00Z");
    reads("Wex 2026", "%a %Y", NULL);
    reads("2026 UTC", "%Y %Z", "2026-01-01T00:00:00Z");
    reads("2026 gmt", "%Y %Z", "2026-01-01T00:00:00Z");
    reads("2026 CET", "%Y %Z", NULL);
    reads("05.5", "%S.%f", "1970-01-01T00:00:05.5Z");
    reads("05.1234567", "%S.%f", "1970-01-01T00:00:05.123456Z");
    reads("05.", "%S.%f", NULL);
    reads("1767225610", "%s", "2026-01-01T00:00:10Z");
    reads("-1.5", "%s.%f", "1969-12-31T23:59:59.5Z");
    reads("99999999999999999999", "%s", NULL);
    reads("999999999999", "%s", NULL);
    reads("100%", "%H0%%", "1970-01-01T10:00:00Z");
    reads("10", "%H%%", NULL);
    reads("10%", "%H%%", "1970-01-01T10:00:00Z");
    reads(" 7  8", "%k %l", "1970-01-01T08:00:00Z");
}
END_TEST

START_TEST(to_timestamp_is_strict_about_the_rest)
{
    reads("2026x", "%Y", NULL);
    reads("", "%Y", NULL);
    reads("", "", "1970-01-01T00:00:00Z");
    reads("x", "", NULL);
    reads("202", "%Y", NULL);
    reads("0000", "%Y", NULL);
    reads("2026-13", "%Y-%m", NULL);
    reads("2026-00", "%Y-%m", NULL);
    reads("2026-02-29", "%F", NULL);
    reads("24:00:00", "%T", NULL);
    reads("23:59:60", "%T", NULL);
    reads("23:60:00", "%T", NULL);
    reads("2026 +2400", "%Y %z", NULL);
    reads("2026 +", "%Y %z", NULL);
    reads("2026", "%Y %z", NULL);
    reads("0001-01-01 +0001", "%F %z", NULL);
    reads("10   20", "%H %M", "1970-01-01T10:20:00Z");
    reads("1020", "%H %M", "1970-01-01T10:20:00Z");
    reads("10 20", "%H%n%t%M", "1970-01-01T10:20:00Z");
    reads("10:20", "%H-%M", NULL);
    reads("am", "%p", "1970-01-01T00:00:00Z");
    reads("m", "%p", NULL);
    check("to_timestamp", "sS", "[[null, '%Y'], ['2026', '%Y']]", "[null,'2026-01-01T00:00:00Z']");
}
END_TEST

START_TEST(formats_are_checked_at_load)
{
    refused("to_timestamp", "sS", "[['x', '%Y %q']]", "'%q'");
    refused("to_timestamp", "sS", "[['x', '%']]", "'%'");
    refused("to_timestamp", "sS", "[['x', '%é']]", "'%é'");
    refused("to_timestamp", "sS", "[['x', '%U']]", "'%U'");
    refused("to_timestamp", "ss", "[['x', '%Y']]", "literal");
    refused("to_timestamp", "sn", "[['x', null]]", "literal");
    refused("to_timestamp", "sI", "[['x', 1]]", "literal");
    refused("format_timestamp", "tS", "[['2026-01-01', '%E']]", "'%E'");
    refused("format_timestamp", "ts", "[['2026-01-01', '%Y']]", "literal");
    refused("format_timestamp", "sS", "[['2026-01-01', '%Y']]", "string");
    char row[2000];
    int n = snprintf(row, sizeof row, "[['x', '");
    memset(row + n, 'x', 1025);
    snprintf(row + n + 1025, 20, "']]");
    refused("to_timestamp", "sS", row, "longer than 1024");
}
END_TEST

/* Writes one timestamp by one format. */
static void writes(const char *time, const char *format, const char *expected)
{
    char rows[300], result[300];
    snprintf(rows, sizeof rows, "[['%s', '%s']]", time, format);
    snprintf(result, sizeof result, "['%s']", expected);
    check("format_timestamp", "tS", rows, result);
}

START_TEST(format_timestamp_writes_every_letter)
{
    const char *time = "2026-02-03T14:05:06.07Z";
    writes(time, "%a %A %b %B %h", "Tue Tuesday Feb February Feb");
    writes(time, "%c|%x|%X", "Tue Feb  3 14:05:06 2026|02/03/26|14:05:06");
    writes(time, "%C %y %Y %g %G %V", "20 26 2026 26 2026 06");
    writes(time, "%d %e %j %m %u %w %U %W", "03  3 034 02 2 2 05 05");
    writes(time, "%D %F %R %T %r", "02/03/26 2026-02-03 14:05 14:05:06 02:05:06 PM");
    writes(time, "%H %I %k %l %M %S %f %p %P", "14 02 14  2 05 06 070000 PM pm");
    writes(time, "%s %z %Z %%", "1770127506 +0000 UTC %");
    writes(time, "%n%t", "\\n\\t");
    writes(time, "", "");
    writes(time, "é %Y", "é 2026");
    writes("0001-01-01", "%Y %C %y %G %s", "0001 00 01 0001 -62135596800");
    writes("9999-12-31T23:59:59Z", "%F %G", "9999-12-31 9999");
    check("format_timestamp", "tS", "[[null, '%Y'], ['2026-01-01', '%Y']]", "[null,'2026']");
    check("format_timestamp", "nS", "[[null, '%Y']]", "[null]");
}
END_TEST

START_TEST(letters_are_those_of_strftime)
{
    static const char shared[] = "aAbBCdDegGhHIjklmMpPrRsSTuUVwWxXyY";
    ds_random random;
    ds_random_init(&random, 51);
    ds_arena *arena = ds_arena_new(NULL);
    for (const char *letter = shared; *letter != '\0'; letter++) {
        char format_text[] = {'%', *letter, '\0'};
        size_t bad;
        const ds_time_format *format = ds_time_format_new(arena, format_text, 2, false, &bad);
        ck_assert_ptr_nonnull(format);
        for (int i = 0; i < 500; i++) {
            time_t seconds = (time_t)ds_random_below(&random, 253402300799) - 30000000000;
            struct tm parts;
            gmtime_r(&seconds, &parts);
            char expected[100], text[100];
            size_t n = strftime(expected, sizeof expected, format_text, &parts);
            if (*letter == 's') /* strftime takes local time */
                n = (size_t)snprintf(expected, sizeof expected, "%lld", (long long)seconds);
            ck_assert_uint_le(n, ds_time_format_room(format));
            ck_assert_uint_eq(ds_time_format_write(format, seconds * 1000000, text), n);
            ck_assert_msg(memcmp(text, expected, n) == 0, "%c: %.*s %s", *letter, (int)n, text,
                          expected);
        }
    }
    ds_arena_free(arena);
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    static const char *const formats[] = {
        "%Y-%m-%d %H:%M:%S.%f",
        "%d/%b/%Y:%I:%M:%S%p %f %z",
        "%j %Y %T.%f %A",
        "%s.%f",
        "%c %f",
        "%B %e %Y, %l.%M.%S %P %f %Z",
    };
    ds_random random;
    ds_random_init(&random, 52);
    ds_arena *arena = ds_arena_new(NULL);
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        size_t bad;
        const ds_time_format *format =
            ds_time_format_new(arena, formats[f], strlen(formats[f]), true, &bad);
        ck_assert_ptr_nonnull(format);
        for (int i = 0; i < 2000; i++) {
            uint64_t range = (uint64_t)(DS_TIMESTAMP_MAX - DS_TIMESTAMP_MIN) + 1;
            int64_t us = DS_TIMESTAMP_MIN + (int64_t)ds_random_below(&random, range), back;
            char text[200];
            size_t n = ds_time_format_write(format, us, text);
            ck_assert_uint_le(n, ds_time_format_room(format));
            ck_assert_msg(ds_time_format_read(format, text, n, &back), "%.*s", (int)n, text);
            ck_assert_int_eq(back, us);
        }
    }
    ds_arena_free(arena);
}
END_TEST

START_TEST(unix_time)
{
    check("from_unix", "i",
          "[[0], [1767225610], [-1], [null], [253402300799], [253402300800],"
          " [-62135596800], [-62135596801], [9223372036854775807]]",
          "['1970-01-01T00:00:00Z','2026-01-01T00:00:10Z','1969-12-31T23:59:59Z',null,"
          "'9999-12-31T23:59:59Z',error,'0001-01-01T00:00:00Z',error,error]");
    check("from_unix", "iS", "[[1500, 'ms'], [9223372036854775807, 'ms']]",
          "['1970-01-01T00:00:01.5Z',error]");
    check("from_unix", "iS", "[[1500, 'us'], [9223372036854775807, 'us']]",
          "['1970-01-01T00:00:00.0015Z',error]");
    check(
        "from_unix", "f", "[[1.5], [-0.25], [1e300], [null], [1.1]]",
        "['1970-01-01T00:00:01.5Z','1969-12-31T23:59:59.75Z',error,null,'1970-01-01T00:00:01.1Z']");
    check("from_unix", "fS", "[[1.5, 'ms']]", "['1970-01-01T00:00:00.0015Z']");
    check("to_unix", "t",
          "[['1970-01-01T00:00:01.9Z'], ['1969-12-31T23:59:59.5Z'], ['2026-01-01T00:00:10Z'], "
          "[null]]",
          "[1,-1,1767225610,null]");
    check("to_unix", "tS", "[['1969-12-31T23:59:59.9985Z', 'ms']]", "[-2]");
    check("to_unix", "tS", "[['1970-01-01T00:00:00.000007Z', 'us']]", "[7]");
    check("to_unix", "n", "[[null]]", "[null]");
    refused("from_unix", "iS", "[[1, 'min']]", "'ms'");
    refused("from_unix", "is", "[[1, 's']]", "literal");
    refused("from_unix", "s", "[['1']]", "string");
    refused("to_unix", "i", "[[1]]", "int");
}
END_TEST

START_TEST(date_trunc_finds_the_start)
{
    static const struct {
        const char *unit, *start, *before;
    } cases[] = {
        {"second", "2026-08-06T14:35:56Z", "1969-12-31T23:59:59Z"},
        {"minute", "2026-08-06T14:35:00Z", "1969-12-31T23:59:00Z"},
        {"hour", "2026-08-06T14:00:00Z", "1969-12-31T23:00:00Z"},
        {"day", "2026-08-06T00:00:00Z", "1969-12-31T00:00:00Z"},
        {"week", "2026-08-03T00:00:00Z", "1969-12-29T00:00:00Z"},
        {"month", "2026-08-01T00:00:00Z", "1969-12-01T00:00:00Z"},
        {"quarter", "2026-07-01T00:00:00Z", "1969-10-01T00:00:00Z"},
        {"year", "2026-01-01T00:00:00Z", "1969-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rows[300], expected[300];
        const char *unit = cases[i].unit;
        snprintf(rows, sizeof rows,
                 "[['%s', '2026-08-06T14:35:56.789Z'], ['%s', '1969-12-31T23:59:59.5Z'],"
                 " ['%s', null], ['%s', '0001-01-01T00:00:00Z']]",
                 unit, unit, unit, unit);
        snprintf(expected, sizeof expected, "['%s','%s',null,'0001-01-01T00:00:00Z']",
                 cases[i].start, cases[i].before);
        check("date_trunc", "St", rows, expected);
    }
    check("date_trunc", "St", "[['Month', '2026-08-06']]", "['2026-08-01T00:00:00Z']");
    refused("date_trunc", "St", "[['dow', '2026-08-06']]", "quarter");
    refused("date_trunc", "St", "[['days', '2026-08-06']]", "day");
    refused("date_trunc", "st", "[['day', '2026-08-06']]", "literal");
    refused("date_trunc", "Si", "[['day', 1]]", "int");
}
END_TEST

START_TEST(extract_takes_parts)
{
    static const struct {
        const char *unit;
        int part, before;
    } cases[] = {
        {"second", 56, 59}, {"minute", 35, 59}, {"hour", 14, 23},          {"day", 6, 31},
        {"week", 32, 1},    {"month", 8, 12},   {"quarter", 3, 4},         {"year", 2026, 1969},
        {"dow", 4, 3},      {"doy", 218, 365},  {"epoch", 1786026956, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rows[300], expected[100];
        const char *unit = cases[i].unit;
        snprintf(rows, sizeof rows,
                 "[['%s', '2026-08-06T14:35:56.789Z'], ['%s', '1969-12-31T23:59:59.5Z'],"
                 " ['%s', null]]",
                 unit, unit, unit);
        snprintf(expected, sizeof expected, "[%d,%d,null]", cases[i].part, cases[i].before);
        check("extract", "St", rows, expected);
    }
    /* ISO weeks belong to the year of their Thursday. */
    check("extract", "St",
          "[['week', '2021-01-01'], ['week', '2021-01-04'], ['week', '2026-12-31'],"
          " ['week', '2024-12-30']]",
          "[53,1,53,1]");
    check("extract", "St", "[['dow', '2026-08-03'], ['dow', '2026-08-09']]", "[1,7]");
    check("extract", "Sn", "[['YEAR', null]]", "[null]");
    refused("extract", "St", "[['fortnight', '2026-08-06']]", "epoch");
}
END_TEST

START_TEST(any_bits_under_a_null_are_harmless)
{
    static const char *const names[] = {"date_trunc", "extract"};
    static const char *const unit_rows[] = {
        "[['second', null]]", "[['week', null]]", "[['month', null]]",
        "[['year', null]]",   "[['day', null]]",  "[['hour', null]]",
    };
    static const int64_t extremes[] = {INT64_MIN, INT64_MAX};
    for (size_t n = 0; n < 2; n++)
        for (size_t u = 0; u < sizeof unit_rows / sizeof *unit_rows; u++)
            for (size_t e = 0; e < 2; e++) {
                harness h;
                harness_init(&h);
                json_t *rows = harness_json(unit_rows[u]);
                ck_assert(harness_resolve(&h, names[n], "St", rows));
                h.columns[1]->ints[0] = extremes[e];
                uint64_t selected = 1, errors;
                ck_assert(ds_column_is_null(harness_run(&h, 1, &selected, &errors), 0));
                ck_assert_uint_eq(errors, 0);
                json_decref(rows);
                harness_fini(&h);
            }
}
END_TEST

UNIT_MAIN("functions_time", to_timestamp_reads_rfc3339, to_timestamp_reads_every_letter,
          to_timestamp_is_strict_about_the_rest, formats_are_checked_at_load,
          format_timestamp_writes_every_letter, letters_are_those_of_strftime,
          what_is_written_is_read_back, unix_time, date_trunc_finds_the_start, extract_takes_parts,
          any_bits_under_a_null_are_harmless)
