/* The format logfmt: app-format, section 3. */
#include "unit/format_fixture.h"

#define COLUMNS "a:string n:int f:float ok:bool at:timestamp"

static fixture_spec made;

static const ds_format_spec *logfmt(const char *columns)
{
    return make_spec(&made, DS_FORMAT_LOGFMT, columns);
}

START_TEST(pairs_become_columns)
{
    expect(logfmt(COLUMNS),
           "a=x n=5 f=2.5 ok=true at=2026-01-01T00:00:00Z\n"
           "at=2026-01-01 ok=FALSE   f=1e3\tn=-7 a=longer-than-twelve-bytes other=1\r\n"
           "\n   \n"
           " n=+9 ",
           "{\"a\":\"x\",\"n\":5,\"f\":2.5,\"ok\":true,\"at\":\"2026-01-01T00:00:00Z\"}\n"
           "{\"a\":\"longer-than-twelve-bytes\",\"n\":-7,\"f\":1000.0,\"ok\":false,"
           "\"at\":\"2026-01-01T00:00:00Z\"}\n"
           "{\"a\":null,\"n\":9,\"f\":null,\"ok\":null,\"at\":null}\n",
           "");
}
END_TEST

START_TEST(a_key_without_a_value_is_null)
{
    const ds_format_spec *spec = logfmt("a:string n:int");
    expect(spec, "a n", "{\"a\":null,\"n\":null}\n", "");
    expect(spec, "a= n=", "{\"a\":null,\"n\":null}\n", "");
    expect(spec, "a=", "{\"a\":null,\"n\":null}\n", "");
    expect(spec, "nothing of ours", "{\"a\":null,\"n\":null}\n", "");
    expect(spec, "a=\"\" n=1", "{\"a\":\"\",\"n\":1}\n", "");
}
END_TEST

START_TEST(quotes_hold_anything)
{
    const ds_format_spec *spec = logfmt("a:string b:string");
    expect(spec, "a=\"x y=z\" b=\"\t\"", "{\"a\":\"x y=z\",\"b\":\"\\t\"}\n", "");
    expect(spec, "a=\"x \\\"y\\\" z\" b=\"\\\\\"", "{\"a\":\"x \\\"y\\\" z\",\"b\":\"\\\\\"}\n",
           "");
    expect(spec, "a=\"\\n\\t\\u0041\" b=\"\\\\n\"",
           "{\"a\":\"\\\\n\\\\t\\\\u0041\",\"b\":\"\\\\n\"}\n", "");
    expect(spec, "a=\"\\\\\\\"\\x\" b=c:\\d", "{\"a\":\"\\\\\\\"\\\\x\",\"b\":\"c:\\\\d\"}\n", "");
    expect(spec, "a=\"a long value with \\\"escapes\\\" in it\"",
           "{\"a\":\"a long value with \\\"escapes\\\" in it\",\"b\":null}\n", "");
}
END_TEST

START_TEST(of_a_repeated_key_the_last_counts)
{
    const ds_format_spec *spec = logfmt("a:string n:int");
    expect(spec, "a=1 a=2 n=x n=3", "{\"a\":\"2\",\"n\":3}\n", "");
    expect(spec, "a=1 a", "{\"a\":null,\"n\":null}\n", "");
    expect(spec, "a=\"x\\\"y\" a=z", "{\"a\":\"z\",\"n\":null}\n", "");
    expect(spec, "n=1 n=x", "", "type 0 n=1 n=x: n \"x\" is not an int\n");
}
END_TEST

START_TEST(an_equals_sign_may_stand_in_a_value)
{
    const ds_format_spec *spec = logfmt("url:string a:string");
    expect(spec, "url=http://x/?a=b&c=d a==", "{\"url\":\"http://x/?a=b&c=d\",\"a\":\"=\"}\n", "");
    expect(spec, "=x a=1 = ==", "{\"url\":null,\"a\":\"1\"}\n", "");
}
END_TEST

START_TEST(control_characters_are_text)
{
    expect(logfmt("a:string"), "a=\x01\x1b[0m\x1f b\n", "{\"a\":\"\\u0001\\u001b[0m\\u001f\"}\n",
           "");
    expect(logfmt("a:string"), "x=1\va=2\f", "{\"a\":\"2\"}\n", "");
}
END_TEST

START_TEST(a_stray_quote_makes_the_record_bad)
{
    static const char *const bad[] = {
        "a=\"x",     "a=\"x\\\"",    "a=\"",        "a=x\"y",    "a=x\"",
        "a=\"x\"y",  "a=\"x\"\"y\"", "a=\"x\"b=\"", "\"",        "\"a\"=1",
        "a\"=1",     "a\"",          "a=1 \"x\"",   "other=\"x", "other=x\"y",
        "other\"=1", "a=\"x\"=1",    "a=\"\\",      "a=1 =\"x",  "a=\"x\\\\\\\"",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_bad(logfmt("a:string"), bad[i], DS_BAD_SYNTAX);
    expect(logfmt("a:string"), "a=\"x\n", "", "syntax 0 a=\"x: a quote that does not end\n");
    expect(logfmt("a:string"), "a=\"x\"y\n", "",
           "syntax 0 a=\"x\"y: text behind a closing quote\n");
    expect(logfmt("a:string"), "a=x\"\n", "", "syntax 0 a=x\": a quote inside a key or a value\n");
}
END_TEST

START_TEST(values_have_to_fit_their_type)
{
    static const struct {
        const char *record;
        ds_bad_reason reason;
    } bad[] = {
        {"n=x", DS_BAD_TYPE},         {"n=1.0", DS_BAD_TYPE},
        {"n=\"\"", DS_BAD_TYPE},      {"n=\" 1\"", DS_BAD_TYPE},
        {"n=\"1\\\"\"", DS_BAD_TYPE}, {"n=9223372036854775808", DS_BAD_RANGE},
        {"f=x", DS_BAD_TYPE},         {"f=nan", DS_BAD_TYPE},
        {"f=1e999", DS_BAD_RANGE},    {"ok=1", DS_BAD_TYPE},
        {"ok=yes", DS_BAD_TYPE},      {"at=now", DS_BAD_TYPE},
        {"at=\"\"", DS_BAD_TYPE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_bad(logfmt(COLUMNS), bad[i].record, bad[i].reason);
    expect(logfmt(COLUMNS), "n=\"5\" f=\".5\" ok=\"True\" at=\"2026-01-01 00:00:01\"",
           "{\"a\":null,\"n\":5,\"f\":0.5,\"ok\":true,\"at\":\"2026-01-01T00:00:01Z\"}\n", "");
    expect(
        logfmt("n:int"), "n=99999999999999999999\n", "",
        "range 0 n=99999999999999999999: n \"99999999999999999999\" is out of range for an int\n");
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_replaced)
{
    decoded d = decode_bytes(logfmt("a:string b:string"), NULL, "a=\xFFz b=\"\xC3\x00\"\n", 12);
    ck_assert_str_eq(ds_buffer_text(&d.rows), "{\"a\":\"\xEF\xBF\xBDz\",\"b\":\"\xEF\xBF\xBD"
                                              "\xEF\xBF\xBD\"}\n");
    ck_assert_uint_eq(d.counts.replaced, 3);
    decoded_fini(&d);
    expect(logfmt("\xC3\xBC:string"), "\xC3\xBC=\xC3\xA4\n", "{\"\xC3\xBC\":\"\xC3\xA4\"}\n", "");
}
END_TEST

START_TEST(keys_of_any_length_are_told_apart)
{
    const ds_format_spec *spec =
        logfmt("k:int ke:int eight-by:int sixteen-bytes-xy:int a-long-name-of-a-column-1:int "
               "a-long-name-of-a-column-2:int a-long-nam2-of-a-column-2:int");
    expect(spec,
           "ke=2 k=1 eight-by=8 eight-bx=0 sixteen-bytes-xy=16 sixteen-bytes-xyz=0 "
           "a-long-name-of-a-column-2=5 a-long-name-of-a-column-1=4 a-long-nam2-of-a-column-2=6 "
           "a-long-nam3-of-a-column-2=7",
           "{\"k\":1,\"ke\":2,\"eight-by\":8,\"sixteen-bytes-xy\":16,"
           "\"a-long-name-of-a-column-1\":4,\"a-long-name-of-a-column-2\":5,"
           "\"a-long-nam2-of-a-column-2\":6}\n",
           "");
}
END_TEST

START_TEST(nulls_of_a_bad_record_do_not_stay)
{
    expect(logfmt("a:string n:int"), "n=x\nn=1 a=y\nn=2\n",
           "{\"a\":\"y\",\"n\":1}\n{\"a\":null,\"n\":2}\n", "type 0 n=x: n \"x\" is not an int\n");
}
END_TEST

START_TEST(a_schema_of_lists_is_refused)
{
    ck_assert_int_eq(refused(logfmt("a:list<int>"), "logfmt has no lists"), DS_ERR_APP);
    ck_assert_int_eq(refused(logfmt(""), "the schema has no columns"), DS_ERR_APP);
    ck_assert_int_eq(refused(logfmt("a:int a:int"), "twice"), DS_ERR_APP);
}
END_TEST

START_TEST(records_that_are_too_long_are_bad)
{
    fixture_spec small;
    ds_format_spec *spec = make_spec(&small, DS_FORMAT_LOGFMT, "a:string");
    spec->record_limit = 5;
    expect(spec, "a=123\na=1234\na=\n", "{\"a\":\"123\"}\n{\"a\":null}\n",
           "too_long 6 a=1234: 6 bytes are more than the 5 that a record may have "
           "(limits.record)\n");
}
END_TEST

UNIT_MAIN("format logfmt", pairs_become_columns, a_key_without_a_value_is_null,
          quotes_hold_anything, of_a_repeated_key_the_last_counts,
          an_equals_sign_may_stand_in_a_value, control_characters_are_text,
          a_stray_quote_makes_the_record_bad, values_have_to_fit_their_type,
          bytes_that_are_not_utf8_are_replaced, keys_of_any_length_are_told_apart,
          nulls_of_a_bad_record_do_not_stay, a_schema_of_lists_is_refused,
          records_that_are_too_long_are_bad)
