/* The format combined: app-format, section 3. */
#include "unit/format_fixture.h"

static const ds_format_spec combined = {.kind = DS_FORMAT_COMBINED};

#define START "10.0.0.1 - ann [17/May/2015:10:05:03 +0000] "
#define REQUEST "\"GET /x HTTP/1.1\" "
#define LINE START REQUEST "200 2048"
#define HEAD                                                                                       \
    "{\"host\":\"10.0.0.1\",\"ident\":null,\"user\":\"ann\",\"time\":\"2015-05-17T10:05:03Z\","
#define GET_X "\"method\":\"GET\",\"path\":\"/x\",\"protocol\":\"HTTP/1.1\","
#define NO_REQUEST "\"method\":null,\"path\":null,\"protocol\":null,"

START_TEST(combined_and_common_lines)
{
    expect(&combined,
           LINE " \"http://example.com/from/here\" \"Mozilla/5.0 (X11; Linux)\"\n" LINE "\r\n\n",
           HEAD GET_X "\"status\":200,\"bytes\":2048,\"referer\":\"http://example.com/from/here\","
                      "\"agent\":\"Mozilla/5.0 (X11; Linux)\"}\n" HEAD GET_X
                      "\"status\":200,\"bytes\":2048,\"referer\":null,\"agent\":null}\n",
           "");
}
END_TEST

START_TEST(the_columns_are_those_of_the_contract)
{
    ds_arena *arena = ds_arena_new(NULL);
    const ds_format *format;
    ck_assert_int_eq(ds_format_new(arena, &combined, &format, NULL), DS_OK);
    const ds_schema *schema = ds_format_schema(format);
    static const char *const names[] = {"host",     "ident",  "user",  "time",    "method", "path",
                                        "protocol", "status", "bytes", "referer", "agent"};
    ck_assert_uint_eq(schema->n_fields, 11);
    for (uint32_t i = 0; i < 11; i++) {
        uint8_t kind = i == 3 ? DS_TIMESTAMP : i == 7 || i == 8 ? DS_INT : DS_STRING;
        ck_assert_str_eq(schema->fields[i].name, names[i]);
        ck_assert_uint_eq(schema->fields[i].type.kind, kind);
    }
    ds_arena_free(arena);
}
END_TEST

START_TEST(a_dash_is_null_in_every_column)
{
    const char *nulls = "{\"host\":null,\"ident\":null,\"user\":null,\"time\":null," NO_REQUEST
                        "\"status\":null,\"bytes\":null,\"referer\":null,\"agent\":null}\n";
    expect(&combined, "- - - [-] \"-\" - - \"-\" \"-\"", nulls, "");
    expect(&combined, "- - - - \"- - -\" - - \"-\" \"-\"", nulls, "");
    expect(&combined, "- - - - - - - - -", nulls, "");
    expect(&combined, "- - - - - - -", nulls, "");
    expect(&combined, START "\"GET - HTTP/1.1\" 200 -",
           HEAD "\"method\":\"GET\",\"path\":null,\"protocol\":\"HTTP/1.1\",\"status\":200,"
                "\"bytes\":null,\"referer\":null,\"agent\":null}\n",
           "");
}
END_TEST

START_TEST(empty_quotes_are_the_empty_string)
{
    expect(&combined, LINE " \"\" \"\"",
           HEAD GET_X "\"status\":200,\"bytes\":2048,\"referer\":\"\",\"agent\":\"\"}\n", "");
}
END_TEST

START_TEST(a_request_of_another_shape_is_null)
{
    static const char *const requests[] = {
        "",
        "GET",
        "GET /x",
        "GET /x y HTTP/1.1",
        " GET /x",
        "GET  /x HTTP/1.1",
        "GET /x ",
        " /x HTTP/1.1",
        "  ",
        "\\x16\\x03\\x01",
        "GET /x HTTP/1.1 ",
        "GET  HTTP/1.1",
    };
    char line[200];
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        snprintf(line, sizeof line, START "\"%s\" 400 0", requests[i]);
        expect(&combined, line,
               HEAD NO_REQUEST "\"status\":400,\"bytes\":0,\"referer\":null,\"agent\":null}\n", "");
    }
}
END_TEST

START_TEST(escapes_are_left_as_written)
{
    expect(&combined, START "\"GET /\\\"q\\\" HTTP/1.1\" 200 1 \"a\\\\\" \"\\\"x\\\" \\x41 y\"",
           HEAD "\"method\":\"GET\",\"path\":\"/\\\\\\\"q\\\\\\\"\",\"protocol\":\"HTTP/1.1\","
                "\"status\":200,\"bytes\":1,\"referer\":\"a\\\\\\\\\","
                "\"agent\":\"\\\\\\\"x\\\\\\\" \\\\x41 y\"}\n",
           "");
}
END_TEST

START_TEST(lines_of_another_shape_are_bad)
{
    static const char *const bad[] = {
        "x",
        "10.0.0.1",
        "10.0.0.1 - -",
        "10.0.0.1 - ann [17/May/2015:10:05:03 +0000]",
        "10.0.0.1 - ann [17/May/2015:10:05:03 +0000",
        "10.0.0.1 - ann 17/May/2015:10:05:03 \"GET / HTTP/1.1\" 200 1",
        "10.0.0.1  - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1",
        " 10.0.0.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1",
        START "GET /x HTTP/1.1 200 2048",
        START "\"GET /x HTTP/1.1 200 2048",
        START "\"GET /x HTTP/1.1\\\" 200 2048",
        START "\"GET /x HTTP/1.1\"200 2048",
        START REQUEST,
        START REQUEST "200",
        START REQUEST "200 ",
        LINE " ",
        LINE " \"referer\"",
        LINE " \"referer\" ",
        LINE " \"referer\" \"agent",
        LINE " \"referer\" \"agent\\\"",
        LINE " \"referer\" \"agent\\",
        LINE " \"referer\" \"agent\"x",
        LINE " \"referer\" \"agent\" \"more\"",
        LINE " \"referer\" \"agent\" 17",
        LINE " \"referer\"\"agent\"",
        LINE " referer agent",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_bad(&combined, bad[i], DS_BAD_SYNTAX);
}
END_TEST

START_TEST(numbers_have_to_be_ints)
{
    expect_bad(&combined, START REQUEST "OK 1", DS_BAD_TYPE);
    expect_bad(&combined, START REQUEST "200 1.5", DS_BAD_TYPE);
    expect_bad(&combined, START REQUEST "200 12kB", DS_BAD_TYPE);
    expect_bad(&combined, START REQUEST "200 9223372036854775808", DS_BAD_RANGE);
    expect(&combined, START REQUEST "+200 9223372036854775807",
           HEAD GET_X "\"status\":200,\"bytes\":9223372036854775807,\"referer\":null,"
                      "\"agent\":null}\n",
           "");
    expect(&combined, START REQUEST "x 1\n", "",
           "type 0 " START REQUEST "x 1: status \"x\" is not an int\n");
}
END_TEST

static void expect_time(const char *time, const char *want)
{
    char line[200], rows[400];
    snprintf(line, sizeof line, "h - - [%s] \"-\" - -", time);
    if (want == NULL) {
        decoded d = decode_bytes(&combined, NULL, line, strlen(line));
        ck_assert_msg(d.counts.bad[DS_BAD_TYPE] == 1, "%s", time);
        decoded_fini(&d);
        return;
    }
    snprintf(rows, sizeof rows,
             "{\"host\":\"h\",\"ident\":null,\"user\":null,\"time\":\"%s\"," NO_REQUEST
             "\"status\":null,\"bytes\":null,\"referer\":null,\"agent\":null}\n",
             want);
    expect(&combined, line, rows, "");
}

START_TEST(times_have_zones)
{
    expect_time("01/Jan/2026:00:00:00 +0000", "2026-01-01T00:00:00Z");
    expect_time("01/Jan/2026:00:00:00 +0130", "2025-12-31T22:30:00Z");
    expect_time("31/Dec/2025:23:30:00 -0100", "2026-01-01T00:30:00Z");
    expect_time("29/Feb/2024:23:59:59 -0000", "2024-02-29T23:59:59Z");
    expect_time("29/Feb/2000:00:00:00 +0000", "2000-02-29T00:00:00Z");
    expect_time("01/Jan/0001:00:00:00 +0000", "0001-01-01T00:00:00Z");
    expect_time("31/Dec/9999:23:59:59 +0000", "9999-12-31T23:59:59Z");
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char time[64], want[64];
    for (int i = 0; i < 12; i++) {
        snprintf(time, sizeof time, "02/%s/2021:03:04:05 +0000", months[i]);
        snprintf(want, sizeof want, "2021-%02d-02T03:04:05Z", i + 1);
        expect_time(time, want);
    }
}
END_TEST

START_TEST(times_are_checked)
{
    static const char *const bad[] = {
        "",
        "x",
        "17/May/2015:10:05:03",
        "17/May/2015:10:05:03 +000",
        "17/May/2015:10:05:03 +00000",
        "00/May/2015:10:05:03 +0000",
        "32/May/2015:10:05:03 +0000",
        "31/Apr/2015:10:05:03 +0000",
        "29/Feb/2015:10:05:03 +0000",
        "29/Feb/1900:10:05:03 +0000",
        "17/may/2015:10:05:03 +0000",
        "17/Mai/2015:10:05:03 +0000",
        "17/May/0000:10:05:03 +0000",
        "17/May/20x5:10:05:03 +0000",
        "17/May/x015:10:05:03 +0000",
        "1x/May/2015:10:05:03 +0000",
        "17-May-2015:10:05:03 +0000",
        "17/May/2015 10:05:03 +0000",
        "17/May/2015:24:05:03 +0000",
        "17/May/2015:10:60:03 +0000",
        "17/May/2015:10:05:60 +0000",
        "17/May/2015:10:05:03  0000",
        "17/May/2015:10:05:03+00000",
        "17/May/2015:10:05:03 +2400",
        "17/May/2015:10:05:03 +0060",
        "17/May/2015:1x:05:03 +0000",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_time(bad[i], NULL);
    expect_bad(&combined, "h - - [31/Dec/9999:23:59:59 -0001] \"-\" - -", DS_BAD_RANGE);
    expect_bad(&combined, "h - - [01/Jan/0001:00:00:00 +0001] \"-\" - -", DS_BAD_RANGE);
}
END_TEST

START_TEST(days_change_from_line_to_line)
{
    ds_buffer input = {0};
    for (int i = 0; i < 100; i++)
        ds_buffer_printf(&input, "h - - [%02d/%s/2020:00:00:%02d +0000] \"-\" - -\n", i % 35 + 1,
                         i % 3 == 0 ? "Feb" : "Mar", i % 60);
    ds_arena *arena = ds_arena_new(NULL);
    const ds_format *format;
    ck_assert_int_eq(ds_format_new(arena, &combined, &format, NULL), DS_OK);
    ds_decoder *decoder = ds_decoder_new(format, NULL, NULL, NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_decoder_open(decoder, &heap, input.data, input.length, 0);
    ds_chunk chunk;
    ck_assert(ds_decoder_next(decoder, arena, &chunk));
    uint32_t good = 0;
    for (int i = 0; i < 100; i++) {
        int day = i % 35 + 1, month_days = i % 3 == 0 ? 29 : 31;
        if (day > month_days)
            continue;
        int64_t days = 18293 + (i % 3 == 0 ? 0 : 29) + day - 1; /* 1 Feb 2020 is day 18293 */
        ck_assert_int_eq(chunk.columns[3]->ints[good], (days * 86400 + i % 60) * 1000000);
        ck_assert_int_eq(chunk.positions[good], i);
        good++;
    }
    ck_assert_uint_eq(good, chunk.n_rows);
    ds_decoder_free(decoder);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    ds_buffer_fini(&input);
}
END_TEST

START_TEST(nulls_of_a_bad_record_do_not_stay)
{
    expect(&combined, START "\"-\" 200 -\n" START "\"-\" - x\n" LINE "\n",
           HEAD NO_REQUEST
           "\"status\":200,\"bytes\":null,\"referer\":null,\"agent\":null}\n" HEAD GET_X
           "\"status\":200,\"bytes\":2048,\"referer\":null,\"agent\":null}\n",
           "type 54 " START "\"-\" - x: bytes \"x\" is not an int\n");
}
END_TEST

START_TEST(invalid_utf8_is_replaced)
{
    decoded d = decode_bytes(&combined, NULL, LINE " \"\xFF\" \"a\xC3\xBC\"\n",
                             strlen(LINE " \"x\" \"axx\"\n"));
    ck_assert_str_eq(ds_buffer_text(&d.rows),
                     HEAD GET_X "\"status\":200,\"bytes\":2048,\"referer\":\"\xEF\xBF\xBD\","
                                "\"agent\":\"a\xC3\xBC\"}\n");
    ck_assert_uint_eq(d.counts.replaced, 1);
    decoded_fini(&d);
}
END_TEST

/* Times that are those of the line before or nearly so, and lines that are spoilt. */
START_TEST(lines_in_a_block_are_read_as_if_alone)
{
    static const char *const times[] = {"17/May/2015:10:05:03 +0000", "17/May/2015:10:05:04 +0000",
                                        "18/May/2015:10:05:03 -0130", "31/Apr/2015:10:05:03 +0000",
                                        "18/May/2015:24:05:03 +0000"};
    fixture_spec made;
    const ds_format_spec *spec = make_spec(&made, DS_FORMAT_COMBINED, "");
    ds_random random;
    ds_random_init(&random, 5);
    for (int round = 0; round < 200; round++) {
        ds_buffer text = {0}, line = {0};
        for (int i = 0; i < 40; i++) {
            line.length = 0;
            ds_buffer_printf(&line, "10.0.0.%d - - [%s] \"GET /%d HTTP/1.1\" 200 %d", i,
                             times[ds_random_below(&random, i % 4 == 0 ? 5 : 1)], i, i * 100);
            if (i % 3 == 0)
                ds_buffer_append_text(&line, " \"-\" \"an \\\"agent\\\"\"");
            if (ds_random_below(&random, 3) == 0)
                spoil(&line, &random, "-- []\"\\:/1a");
            ds_buffer_printf(&text, "%.*s\n", (int)line.length, line.data);
        }
        expect_as_alone(spec, &text);
        ds_buffer_fini(&text);
        ds_buffer_fini(&line);
    }
}
END_TEST

/* Lines of the shape that most have (format_marked.h), or nearly. */
START_TEST(common_lines_are_read_as_if_alone)
{
    static const char *const times[] = {"17/May/2015:10:05:03 +0000", "17/May/2015:10:05:04 +0000",
                                        "17/May/2015:10:05:0x +0000", "01/Jan/0001:00:00:00 +0100"};
    static const char *const requests[] = {"GET / HTTP/1.1",
                                           "POST /a/rather/long/path/of/more/than/60/bytes/all/in"
                                           "/one/word/that/has/no/blank HTTP/1.1",
                                           "GET /twelve-12345 HTTP/1.1",
                                           "GET /eleven-1234 HTTP/1.1",
                                           "- - -",
                                           "GET /a b HTTP/1.1",
                                           "GET ",
                                           " GET x",
                                           "-",
                                           "",
                                           "GET  x",
                                           "\\x16\\x03"};
    static const char *const numbers[] = {"200 1",    "404 12345678", "200 123456789", "200 -",
                                          "20x 10",   "2 0",          "200 +5",        "000 007",
                                          "2000 1",   "200 1x",       ":00 5",         "200 5a",
                                          "2/0 12:4", "304 /1",       "200  7"};
    static const char *const ends[] = {"\"-\" \"agent\"",
                                       "\"https://www.example.org/\" \"Mozilla/5.0 (X11; Linux "
                                       "x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\"",
                                       "\"\" \"\"",
                                       "\"a\\\"b\" \"-\"",
                                       "- \"x\"",
                                       "\"x\" \"y\" ",
                                       "\"x\" y\"",
                                       "\"x\"  \"y\"",
                                       "\"x\" \"y\\\"",
                                       "\"x\" \"y\"\r"};
    fixture_spec made;
    const ds_format_spec *spec = make_spec(&made, DS_FORMAT_COMBINED, "");
    ds_random random;
    ds_random_init(&random, 9);
#define USUALLY(list) list[ds_random_below(&random, 3) > 0 ? 0 : ANY(list)]
#define ANY(list) ds_random_below(&random, sizeof list / sizeof *list)
    for (int round = 0; round < 300; round++) {
        ds_buffer text = {0}, line = {0};
        for (int i = 0; i < 40; i++) {
            line.length = 0;
            ds_buffer_printf(&line, "10.0.0.%d - - [%s] \"%s\" %s %s", i, USUALLY(times),
                             requests[ANY(requests)], USUALLY(numbers), USUALLY(ends));
            if (ds_random_below(&random, 8) == 0)
                spoil(&line, &random, "-- []\"\\:/1a\t\xc3");
            ds_buffer_printf(&text, "%.*s\n", (int)line.length, line.data);
        }
        expect_as_alone(spec, &text);
        ds_buffer_fini(&text);
        ds_buffer_fini(&line);
    }
#undef USUALLY
#undef ANY
}
END_TEST

UNIT_MAIN("format combined", combined_and_common_lines, the_columns_are_those_of_the_contract,
          a_dash_is_null_in_every_column, empty_quotes_are_the_empty_string,
          a_request_of_another_shape_is_null, escapes_are_left_as_written,
          lines_of_another_shape_are_bad, numbers_have_to_be_ints, times_have_zones,
          times_are_checked, days_change_from_line_to_line, nulls_of_a_bad_record_do_not_stay,
          invalid_utf8_is_replaced, lines_in_a_block_are_read_as_if_alone,
          common_lines_are_read_as_if_alone)
