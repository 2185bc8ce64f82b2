/* The format csv: app-format, section 3. */
#include "unit/format_fixture.h"

static fixture_spec made;

static ds_format_spec *csv(const char *columns)
{
    return make_spec(&made, DS_FORMAT_CSV, columns);
}

static ds_format_spec *with_header(const char *columns)
{
    ds_format_spec *spec = csv(columns);
    spec->header = true;
    return spec;
}

#define TEN "abcdefghij"
#define LONG_TEXT TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

START_TEST(fields_are_columns_in_order)
{
    expect(csv("s:string i:int f:float b:bool t:timestamp"),
           "a,1,2.5,true,2026-01-01T00:00:00Z\n"
           "\"b\",\"-2\",\".5\",\"FALSE\",\"2026-01-01\"\r\n"
           "x y , +3,5.,False,2026-01-01 00:00:01.5\n"
           "longer than twelve,+3,1e3,True,2026-01-01T00:00:00+01:00",
           "{\"s\":\"a\",\"i\":1,\"f\":2.5,\"b\":true,\"t\":\"2026-01-01T00:00:00Z\"}\n"
           "{\"s\":\"b\",\"i\":-2,\"f\":0.5,\"b\":false,\"t\":\"2026-01-01T00:00:00Z\"}\n"
           "{\"s\":\"longer than twelve\",\"i\":3,\"f\":1000.0,\"b\":true,"
           "\"t\":\"2025-12-31T23:00:00Z\"}\n",
           "type 70 x y , +3,5.,False,2026-01-01 00:00:01.5: field 2 \" +3\" is not an int "
           "(column i)\n");
}
END_TEST

START_TEST(an_empty_field_is_null_and_quotes_are_the_empty_string)
{
    expect(csv("a:string b:int c:string"), ",,\n\"\",1,\"\"\n,2,x\n",
           "{\"a\":null,\"b\":null,\"c\":null}\n{\"a\":\"\",\"b\":1,\"c\":\"\"}\n"
           "{\"a\":null,\"b\":2,\"c\":\"x\"}\n",
           "");
    expect_bad(csv("a:int b:int"), "\"\",1", DS_BAD_TYPE); /* the empty string is no int */
}
END_TEST

START_TEST(blank_lines_are_no_records)
{
    expect(csv("a:string"), "\n  \nx\n\t\n\"\"\n\" \"\n",
           "{\"a\":\"x\"}\n{\"a\":\"\"}\n{\"a\":\" \"}\n", "");
}
END_TEST

START_TEST(quotes_are_those_of_rfc_4180)
{
    expect(csv("a:string b:string"),
           "\"a,b\",\"say \"\"hi\"\"\"\n\"\"\"\",\"\"\"\"\"\"\n\"a long one, with \"\"quotes\"\" "
           "in it\",z\n",
           "{\"a\":\"a,b\",\"b\":\"say \\\"hi\\\"\"}\n{\"a\":\"\\\"\",\"b\":\"\\\"\\\"\"}\n"
           "{\"a\":\"a long one, with \\\"quotes\\\" in it\",\"b\":\"z\"}\n",
           "");
}
END_TEST

START_TEST(other_quotes_make_the_record_bad)
{
    static const char *const bad[] = {
        "a\"b,c", "a,b\"", "\"a\"b,c", "\"a\" ,b",  " \"a\",b", "\"a,b",
        "a,\"b",  "\"",    "\"\"\"",   "a,\"b\"\"", "a,b,\"", /* syntax goes before the number of
                                                                 fields */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_bad(csv("a:string b:string"), bad[i], DS_BAD_SYNTAX);
    /* No line breaks inside of quotes: two bad records. */
    decoded d = decode_bytes(csv("a:string"), NULL, "\"x\ny\"\nz\n", 8);
    ck_assert_uint_eq(d.counts.bad[DS_BAD_SYNTAX], 2);
    ck_assert_uint_eq(d.counts.records, 1);
    decoded_fini(&d);
}
END_TEST

START_TEST(the_number_of_fields_has_to_be_right)
{
    expect(csv("a:string b:int"), "x\nx,1,\ny,2\nq,1,2,3,4,5,6,7\n,\n",
           "{\"a\":\"y\",\"b\":2}\n{\"a\":null,\"b\":null}\n",
           "fields 0 x: 1 fields instead of 2\nfields 2 x,1,: 3 fields instead of 2\n"
           "fields 11 q,1,2,3,4,5,6,7: 8 fields instead of 2\n");
    expect_bad(csv("a:string b:int"), "x,y,z", DS_BAD_FIELDS); /* before wrong types */
}
END_TEST

START_TEST(values_that_do_not_fit_make_the_record_bad)
{
    static const struct {
        const char *column, *value;
        ds_bad_reason reason;
    } cases[] = {
        {"a:int", "1.0", DS_BAD_TYPE},
        {"a:int", "1 ", DS_BAD_TYPE},
        {"a:int", "x", DS_BAD_TYPE},
        {"a:int", "+", DS_BAD_TYPE},
        {"a:int", "9223372036854775808", DS_BAD_RANGE},
        {"a:int", "-99999999999999999999", DS_BAD_RANGE},
        {"a:float", "1e999", DS_BAD_RANGE},
        {"a:float", "-.5e+999", DS_BAD_RANGE},
        {"a:float", "inf", DS_BAD_TYPE},
        {"a:float", "nan", DS_BAD_TYPE},
        {"a:float", "0x10", DS_BAD_TYPE},
        {"a:float", "1e", DS_BAD_TYPE},
        {"a:float", ".", DS_BAD_TYPE},
        {"a:float", "1_0", DS_BAD_TYPE},
        {"a:bool", "yes", DS_BAD_TYPE},
        {"a:bool", "1", DS_BAD_TYPE},
        {"a:bool", "true ", DS_BAD_TYPE},
        {"a:timestamp", "yesterday", DS_BAD_TYPE},
        {"a:timestamp", "2026-13-01", DS_BAD_TYPE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_bad(csv(cases[i].column), cases[i].value, cases[i].reason);
}
END_TEST

START_TEST(a_row_after_a_bad_one_has_no_nulls_of_it)
{
    expect(csv("a:int b:int c:int"), ",1,2\n,1,x\n3,4,5\n",
           "{\"a\":null,\"b\":1,\"c\":2}\n{\"a\":3,\"b\":4,\"c\":5}\n",
           "type 5 ,1,x: field 3 \"x\" is not an int (column c)\n");
}
END_TEST

START_TEST(the_delimiter_can_be_chosen)
{
    ds_format_spec *spec = csv("a:string b:int");
    spec->delimiter = ';';
    expect(spec, "x,y;1\n\"a;b\";2\n", "{\"a\":\"x,y\",\"b\":1}\n{\"a\":\"a;b\",\"b\":2}\n", "");
    spec->delimiter = '\t';
    expect(spec, "x\t1\n\t2\n\t\n", "{\"a\":\"x\",\"b\":1}\n{\"a\":null,\"b\":2}\n", "");
    static const char bad[] = {'"', '\r', '\n', (char)0xC3};
    for (size_t i = 0; i < sizeof bad; i++) {
        spec->delimiter = bad[i];
        ck_assert_int_eq(refused(spec, "delimiter"), DS_ERR_APP);
    }
}
END_TEST

START_TEST(a_header_names_the_fields)
{
    expect(with_header("b:int a:string"), "a,other,b\nx,y,1\n\n\"z\",,2\n",
           "{\"b\":1,\"a\":\"x\"}\n{\"b\":2,\"a\":\"z\"}\n", "");
    expect(with_header("b:int a:string"), "\n \n\"a\",\"say \"\"x\"\"\",\"b\"\r\nx,y,1",
           "{\"b\":1,\"a\":\"x\"}\n", "");
    expect(with_header("b:int"), "a,b,b\n1,2,3\n", "{\"b\":3}\n", ""); /* the last of a name */
    expect(with_header("a:int"),
           "\xEF\xBB\xBF"
           "a,b\n1,2\n",
           "{\"a\":1}\n", ""); /* a BOM */
    expect(with_header("a:int"), "a", "", "");
    expect(with_header("a:int"), "", "", "");
}
END_TEST

START_TEST(fields_that_are_passed_over_count_and_need_right_quotes)
{
    const ds_format_spec *spec = with_header("b:int");
    expect(spec, "a,b,c\n1,2\n1,2,3,4\n\"x,2,3\nx,2,\"y\"\n", "{\"b\":2}\n",
           "fields 6 1,2: 2 fields instead of 3\nfields 10 1,2,3,4: 4 fields instead of 3\n"
           "syntax 18 \"x,2,3: field with a quote that does not end\n");
}
END_TEST

START_TEST(a_header_without_a_column_makes_all_records_bad)
{
    const ds_format_spec *spec = with_header("a:int b:int");
    expect(spec, "a,c\n1,2\n\n3,4\n", "",
           "header 4 1,2: the header has no column \"b\"\n"
           "header 9 3,4: the header has no column \"b\"\n");
    expect(spec, "a,\"b\n1,2\n", "", "header 5 1,2: the header has a quote that does not end\n");
    expect(spec, "a,B\n1,2\n", "", "header 4 1,2: the header has no column \"b\"\n");
}
END_TEST

START_TEST(a_header_that_is_too_long_makes_all_records_bad)
{
    ds_format_spec *spec = with_header("a:int");
    spec->record_limit = 4;
    expect(spec, "a,bbbbb\n1,2\n", "",
           "too_long 0 a,bbbbb: 7 bytes are more than the 4 that a record may have "
           "(limits.record)\nheader 8 1,2: the header is longer than limits.record\n");
    decoded d = decode_bytes(spec, "a,bbbbb", "1,2\n", 4);
    ck_assert_int_eq(d.header, DS_ERR_DATA);
    ck_assert_uint_eq(d.counts.bad[DS_BAD_HEADER], 1);
    decoded_fini(&d);
}
END_TEST

START_TEST(a_header_can_come_from_elsewhere)
{
    const ds_format_spec *spec = with_header("b:int");
    expect_bytes(spec, "a,b", "1,2\n3,4\n", 8, "{\"b\":2}\n{\"b\":4}\n", "");
    expect_bytes(spec,
                 "\xEF\xBB\xBF"
                 "b\r",
                 "1\n", 2, "{\"b\":1}\n", "");
    decoded d = decode_bytes(spec, "a,c", "1,2\n", 4);
    ck_assert_int_eq(d.header, DS_ERR_DATA);
    ck_assert_uint_eq(d.counts.bad[DS_BAD_HEADER], 1);
    decoded_fini(&d);
    expect_bytes(csv("b:int"), "ignored", "1\n", 2, "{\"b\":1}\n", ""); /* header: false */
}
END_TEST

/* Opens an input and returns its first int, or -1. */
static int64_t first_int(ds_decoder *decoder, ds_heap *heap, ds_arena *arena, const char *input)
{
    ds_chunk chunk;
    ds_decoder_open(decoder, heap, input, strlen(input), 0);
    return ds_decoder_next(decoder, arena, &chunk) ? chunk.columns[0]->ints[0] : -1;
}

START_TEST(a_header_holds_until_it_is_replaced)
{
    ds_arena *arena = ds_arena_new(NULL);
    const ds_format *format;
    ds_error error;
    ck_assert_int_eq(ds_format_new(arena, with_header("a:int"), &format, NULL), DS_OK);
    ds_decoder *decoder = ds_decoder_new(format, NULL, NULL, NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ck_assert_int_eq(first_int(decoder, &heap, arena, ""), -1);
    ck_assert_int_eq(first_int(decoder, &heap, arena, "x,a\n1,2\n"), 2);
    ck_assert_int_eq(first_int(decoder, &heap, arena, "3,4\n"), 4);
    ck_assert_int_eq(ds_decoder_header(decoder, "q", 1, &error), DS_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(error.message, "\"a\""));
    ck_assert_int_eq(first_int(decoder, &heap, arena, "5\n"), -1);
    ck_assert_int_eq(ds_decoder_header(decoder, "a,x", 3, &error), DS_OK);
    ck_assert_int_eq(first_int(decoder, &heap, arena, "5,6\n"), 5);
    ck_assert_int_eq(ds_decoder_header(decoder, NULL, 0, &error), DS_OK); /* forget it */
    ck_assert_int_eq(first_int(decoder, &heap, arena, "x,y,a\n7,8,9\n"), 9);
    ds_decoder_free(decoder);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_replaced)
{
    decoded d = decode_bytes(csv("a:string b:int"), NULL, "\xFF,1\na\0b,2\n\xC3\xBC,3\n", 14);
    ck_assert_str_eq(ds_buffer_text(&d.rows), "{\"a\":\"\xEF\xBF\xBD\",\"b\":1}\n"
                                              "{\"a\":\"a\xEF\xBF\xBD"
                                              "b\",\"b\":2}\n"
                                              "{\"a\":\"\xC3\xBC\",\"b\":3}\n");
    ck_assert_uint_eq(d.counts.replaced, 2);
    decoded_fini(&d);
}
END_TEST

START_TEST(what_is_shown_is_cut)
{
    char line[201], want[500];
    memset(line, 'x', 200);
    line[200] = '\0';
    snprintf(want, sizeof want, "type 0 %s: field 1 \"%.60s\"... is not an int (column a)\n", line,
             line);
    expect(csv("a:int"), line, "", want);
}
END_TEST

START_TEST(schemas_that_do_not_suit_are_refused)
{
    ck_assert_int_eq(refused(csv(""), "no columns"), DS_ERR_APP);
    ck_assert_int_eq(refused(csv("a:int b:list<int>"), "lists"), DS_ERR_APP);
    ck_assert_int_eq(refused(csv("a:int a:int"), "twice"), DS_ERR_APP);
}
END_TEST

/* Without quotes and far from the end records are split another way. */
START_TEST(records_in_a_block_are_read_as_if_alone)
{
    static const char *const fields[] = {
        "", "1", "-12", "abcdefghijklm", "\"q\"", "\"\"", "\"a,b\"", "\"do\"\"ble\"", "x y", "2.5"};
    const ds_format_spec *spec = csv("a:string b:int c:string d:float");
    ds_random random;
    ds_random_init(&random, 11);
    for (int round = 0; round < 300; round++) {
        ds_buffer text = {0}, line = {0};
        for (int i = 0; i < 40; i++) {
            line.length = 0;
            ds_buffer_printf(&line, "%s,%d,%s%.*s,%s", fields[ds_random_below(&random, 10)],
                             (int)ds_random_below(&random, 1000),
                             fields[ds_random_below(&random, 4)],
                             (int)ds_random_below(&random, 5) * 30, LONG_TEXT,
                             fields[ds_random_below(&random, 3)]);
            if (ds_random_below(&random, 3) == 0)
                spoil(&line, &random, ",,\"\"1 \r\xc3");
            ds_buffer_printf(&text, "%.*s\n", (int)line.length, line.data);
        }
        expect_as_alone(spec, &text);
        ds_buffer_fini(&text);
        ds_buffer_fini(&line);
    }
}
END_TEST

UNIT_MAIN("format csv", fields_are_columns_in_order,
          an_empty_field_is_null_and_quotes_are_the_empty_string, blank_lines_are_no_records,
          quotes_are_those_of_rfc_4180, other_quotes_make_the_record_bad,
          the_number_of_fields_has_to_be_right, values_that_do_not_fit_make_the_record_bad,
          a_row_after_a_bad_one_has_no_nulls_of_it, the_delimiter_can_be_chosen,
          a_header_names_the_fields, fields_that_are_passed_over_count_and_need_right_quotes,
          a_header_without_a_column_makes_all_records_bad,
          a_header_that_is_too_long_makes_all_records_bad, a_header_can_come_from_elsewhere,
          a_header_holds_until_it_is_replaced, bytes_that_are_not_utf8_are_replaced,
          what_is_shown_is_cut, schemas_that_do_not_suit_are_refused,
          records_in_a_block_are_read_as_if_alone)
