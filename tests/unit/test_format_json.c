/* The format json: app-format, section 3. */
#include "base/random.h"
#include "unit/format_fixture.h"

static fixture_spec made;

static const ds_format_spec *json(const char *columns)
{
    return make_spec(&made, DS_FORMAT_JSON, columns);
}

START_TEST(columns_are_found_by_key)
{
    const ds_format_spec *spec = json("s:string n:int x:float b:bool t:timestamp");
    expect(
        spec,
        "{\"s\":\"a\",\"n\":1,\"x\":2.5,\"b\":true,\"t\":\"2026-01-01T00:00:10Z\"}\n"
        " { \"t\" : \"2026-01-01T02:00:00.5+02:00\" , \"other\" : [ 1 , { } ] ,\t\"b\" : false , "
        "\"x\" : 3 , \"n\" : -12 , \"s\" : \"\" } \r\n"
        "{}\n"
        "{ }\n",
        "{\"s\":\"a\",\"n\":1,\"x\":2.5,\"b\":true,\"t\":\"2026-01-01T00:00:10Z\"}\n"
        "{\"s\":\"\",\"n\":-12,\"x\":3.0,\"b\":false,\"t\":\"2026-01-01T00:00:00.5Z\"}\n"
        "{\"s\":null,\"n\":null,\"x\":null,\"b\":null,\"t\":null}\n"
        "{\"s\":null,\"n\":null,\"x\":null,\"b\":null,\"t\":null}\n",
        "");
}
END_TEST

START_TEST(null_and_missing_are_null)
{
    expect(json("a:int b:string"), "{\"a\":null}\n{\"b\":null,\"a\":1}\n\n \t \n{\"b\":\"x\"}",
           "{\"a\":null,\"b\":null}\n{\"a\":1,\"b\":null}\n{\"a\":null,\"b\":\"x\"}\n", "");
}
END_TEST

START_TEST(blank_lines_count_as_positions)
{
    decoded d = decode_bytes(json("a:int"), NULL, "\n{}\n \n{}\nbad\n{}", 15);
    ck_assert_str_eq(ds_buffer_text(&d.positions), "101,103,105,");
    ck_assert_uint_eq(d.counts.records, 3);
    ck_assert_uint_eq(d.counts.bad[DS_BAD_SYNTAX], 1);
    decoded_fini(&d);
}
END_TEST

START_TEST(of_a_repeated_key_the_last_counts)
{
    const ds_format_spec *spec = json("a:int b:string");
    expect(spec, "{\"a\":1,\"b\":\"x\",\"a\":2}", "{\"a\":2,\"b\":\"x\"}\n", "");
    expect(spec, "{\"a\":1,\"a\":null}", "{\"a\":null,\"b\":null}\n", "");
    expect(spec, "{\"a\":null,\"a\":1}", "{\"a\":1,\"b\":null}\n", "");
    expect(spec, "{\"a\":\"wrong\",\"a\":1}", "{\"a\":1,\"b\":null}\n", "");
    expect(spec, "{\"b\":\"\\ud800\",\"b\":\"y\"}", "{\"a\":null,\"b\":\"y\"}\n", "");
    expect_bad(spec, "{\"a\":1,\"a\":\"wrong\"}", DS_BAD_TYPE);
}
END_TEST

START_TEST(paths_reach_into_objects)
{
    const ds_format_spec *spec = json("uid:int@user.id name:string@user.name.first ok:bool");
    expect(spec,
           "{\"user\":{\"id\":7,\"name\":{\"first\":\"Ann\",\"last\":\"B\"},\"x\":{\"id\":9}},"
           "\"ok\":true}\n"
           "{\"ok\":false,\"user\":{}}\n"
           "{\"user\":5}\n{\"user\":[{\"id\":1}]}\n{\"user\":null}\n{\"user\":\"id\"}\n"
           "{\"user\":{\"id\":null,\"name\":{}},\"id\":4}\n"
           "{\"user.id\":3}\n",
           "{\"uid\":7,\"name\":\"Ann\",\"ok\":true}\n"
           "{\"uid\":null,\"name\":null,\"ok\":false}\n"
           "{\"uid\":null,\"name\":null,\"ok\":null}\n{\"uid\":null,\"name\":null,\"ok\":null}\n"
           "{\"uid\":null,\"name\":null,\"ok\":null}\n{\"uid\":null,\"name\":null,\"ok\":null}\n"
           "{\"uid\":null,\"name\":null,\"ok\":null}\n"
           "{\"uid\":null,\"name\":null,\"ok\":null}\n",
           "");
}
END_TEST

START_TEST(a_repeated_object_counts_whole)
{
    const ds_format_spec *spec = json("a:int@u.a b:int@u.b");
    expect(spec, "{\"u\":{\"a\":1},\"u\":{\"b\":2}}", "{\"a\":null,\"b\":2}\n", "");
    expect(spec, "{\"u\":{\"a\":1,\"b\":2},\"u\":3}", "{\"a\":null,\"b\":null}\n", "");
    expect(spec, "{\"u\":{\"a\":\"x\"},\"u\":{\"a\":2}}", "{\"a\":2,\"b\":null}\n", "");
    expect(spec, "{\"u\":3,\"u\":{\"a\":1}}", "{\"a\":1,\"b\":null}\n", "");
}
END_TEST

START_TEST(several_columns_may_read_one_key)
{
    const ds_format_spec *spec = json("i:int@v f:float@v o:int@u u:int@u.x");
    expect(
        spec, "{\"v\":3,\"u\":4}\n{\"u\":null}\n",
        "{\"i\":3,\"f\":3.0,\"o\":4,\"u\":null}\n{\"i\":null,\"f\":null,\"o\":null,\"u\":null}\n",
        "");
    expect_bad(spec, "{\"v\":3.5}", DS_BAD_TYPE);
    expect_bad(spec, "{\"u\":{\"x\":1}}", DS_BAD_TYPE); /* an object is no int */
}
END_TEST

START_TEST(a_name_without_path_is_one_key)
{
    made = (fixture_spec){.fields = {{"user.id", DS_TYPE(DS_INT)}}};
    made.spec = (ds_format_spec){.kind = DS_FORMAT_JSON, .schema = {made.fields, 1}};
    expect(&made.spec, "{\"user.id\":3,\"user\":{\"id\":4}}", "{\"user.id\":3}\n", "");
}
END_TEST

START_TEST(wrong_types_are_bad)
{
    static const char *const cases[][2] = {
        {"a:int", "\"5\""},
        {"a:int", "1.0"},
        {"a:int", "1e3"},
        {"a:int", "1E0"},
        {"a:int", "true"},
        {"a:int", "[1]"},
        {"a:int", "{}"},
        {"a:float", "\"1.5\""},
        {"a:float", "false"},
        {"a:string", "5"},
        {"a:string", "true"},
        {"a:string", "[]"},
        {"a:bool", "\"true\""},
        {"a:bool", "1"},
        {"a:timestamp", "12345"},
        {"a:timestamp", "\"\""},
        {"a:timestamp", "\"x\""},
        {"a:timestamp", "\"2026-02-30\""},
        {"a:list<int>", "1"},
        {"a:list<int>", "[1,2.0]"},
        {"a:list<int>", "[[1]]"},
        {"a:list<int>", "{}"},
        {"a:list<string>", "[\"a\",1]"},
        {"a:int", "1e999"}, /* not an int in the first place */
    };
    char line[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(line, sizeof line, "{\"a\":%s}", cases[i][1]);
        expect_bad(json(cases[i][0]), line, DS_BAD_TYPE);
    }
}
END_TEST

START_TEST(a_bad_record_is_explained)
{
    const ds_format_spec *spec = json("ms:float n:int");
    expect(spec, "{\"ms\":\"fast\"}\n{\"n\":99999999999999999999}\n{\"n\":1,}\n", "",
           "type 0 {\"ms\":\"fast\"}: \"\\\"fast\\\"\" is not a float (column ms)\n"
           "range 14 {\"n\":99999999999999999999}: \"99999999999999999999\" is out of range for an "
           "int (column n)\n"
           "syntax 41 {\"n\":1,}: not valid JSON: a key is missing\n");
}
END_TEST

START_TEST(numbers_out_of_range_are_bad)
{
    const ds_format_spec *spec = json("i:int f:float");
    expect(
        spec,
        "{\"i\":9223372036854775807}\n{\"i\":-9223372036854775808}\n{\"f\":1e308}\n{\"f\":1e-999}\n"
        "{\"i\":-0,\"f\":-0}\n{\"other\":1e999}\n{\"f\":123456789012345678901234567890}\n",
        "{\"i\":9223372036854775807,\"f\":null}\n{\"i\":-9223372036854775808,\"f\":null}\n"
        "{\"i\":null,\"f\":1e+308}\n{\"i\":null,\"f\":0.0}\n{\"i\":0,\"f\":-0.0}\n"
        "{\"i\":null,\"f\":null}\n{\"i\":null,\"f\":1.2345678901234568e+29}\n",
        "");
    expect_bad(spec, "{\"i\":9223372036854775808}", DS_BAD_RANGE);
    expect_bad(spec, "{\"i\":-9223372036854775809}", DS_BAD_RANGE);
    expect_bad(spec, "{\"f\":1e999}", DS_BAD_RANGE);
    expect_bad(spec, "{\"f\":-1e400}", DS_BAD_RANGE);
}
END_TEST

START_TEST(escapes_are_decoded)
{
    const ds_format_spec *spec = json("a:string t:timestamp");
    expect(spec,
           "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\uDE00!\"}\n"
           "{\"a\":\"\\u0078 and more than twelve bytes\",\"t\":\"2026-01-01T00:00:00\\u005a\"}\n",
           "{\"a\":\"\\\"\\\\/\\b\\f\\n\\r\\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80!\",\"t\":null}\n"
           "{\"a\":\"x and more than twelve bytes\",\"t\":\"2026-01-01T00:00:00Z\"}\n",
           "");
}
END_TEST

START_TEST(escaped_keys_match)
{
    const ds_format_spec *spec = json("user:string id:int@u.id");
    expect(spec,
           "{\"us\\u0065r\":\"a\",\"\\u0075\":{\"\\u0069d\":1}}\n{\"user\\u0000\":\"b\","
           "\"\\ud800\":1}",
           "{\"user\":\"a\",\"id\":1}\n{\"user\":null,\"id\":null}\n", "");
}
END_TEST

START_TEST(half_a_surrogate_pair_is_bad_in_a_column)
{
    static const char *const halves[] = {
        "\\ud800",        "\\udc00",        "\\ud800x", "\\ud800\\n",     "\\ud800\\u0041",
        "\\ud800\\ud800", "\\udc00\\ud800", "x\\u0000", "\\uDBFF\\uE000",
    };
    char line[64];
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        snprintf(line, sizeof line, "{\"a\":\"%s\"}", halves[i]);
        expect_bad(json("a:string"), line, DS_BAD_ENCODING);
        expect_bad(json("a:timestamp"), line, DS_BAD_ENCODING);
        expect(json("b:string"), line, "{\"b\":null}\n", ""); /* not a column: passed over */
        snprintf(line, sizeof line, "{\"a\":[\"%s\"]}", halves[i]);
        expect_bad(json("a:list<string>"), line, DS_BAD_ENCODING);
    }
}
END_TEST

START_TEST(invalid_bytes_make_the_record_bad)
{
    const ds_format_spec *spec = json("a:string");
    expect(spec, "{\"a\":\"gr\xC3\xBC\xC3\x9F\"}", "{\"a\":\"gr\xC3\xBC\xC3\x9F\"}\n", "");
    expect_bad(spec, "{\"a\":\"\xFF\"}", DS_BAD_ENCODING);
    expect_bad(spec, "{\"other\":\"\xC3\"}", DS_BAD_ENCODING);
    expect_bad(spec, "{\"a\":\"\xED\xA0\x80\"}", DS_BAD_ENCODING);
    expect_reason(spec, "{\"b\":\"\0\"}", 9, DS_BAD_ENCODING);
    expect_reason(spec, "{}\0", 3, DS_BAD_ENCODING);
    decoded d = decode_bytes(spec, NULL, "{\"a\":\"\xFF\"}", 9);
    ck_assert_uint_eq(d.counts.replaced, 0);
    decoded_fini(&d);
}
END_TEST

static const char *const not_json[] = {
    "x",
    "[1]",
    "5",
    "\"a\"",
    "null",
    "{",
    "}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":}",
    "{\"a\":1}}",
    "{\"a\":1} x",
    "{\"a\":1}{}",
    "{\"a\":01}",
    "{\"a\":+1}",
    "{\"a\":.5}",
    "{\"a\":1.}",
    "{\"a\":1e}",
    "{\"a\":1e+}",
    "{\"a\":-}",
    "{\"a\":--1}",
    "{\"a\":0x1}",
    "{\"a\":NaN}",
    "{\"a\":Infinity}",
    "{\"a\":tru}",
    "{\"a\":True}",
    "{\"a\":nul}",
    "{\"a\":truex}",
    "{\"b\":[}",
    "{\"b\":[1,]}",
    "{\"b\":[1 2]}",
    "{\"b\":[1}",
    "{\"b\":{]}",
    "{\"b\":[1]]}",
    "{\"b\":{\"c\"}}",
    "{\"b\":{\"c\":1,}}",
    "{\"b\":{1:2}}",
    "{\"b\":{\"c\":1]}",
    "{\"b\":\"\t\"}",
    "{\"b\":\"\x01\"}",
    "{\"b\":\"\\x\"}",
    "{\"b\":\"\\u12\"}",
    "{\"b\":\"\\u12G4\"}",
    "{\"b\":\"\\",
    "{\"b\":\"\\\"}",
    "{\"b\":\"x}",
    "{\"b\":[\"\\q\"]}",
    "{\"u\":{\"x\":1}",
    "{\"u\":{\"x\":1,}}",
    "{\"u\":{\"x\" 1}}",
    "{\"u\":{",
    "{\"u\":{\"x\":1]}",
    "{\"b\":1\v}",
    "{\"\\x\":1}",
    "{\"a\":2 ,",
    "{\"b\":[1,{\"c\":[]}",
    "{\"b\":-01}",
};

START_TEST(the_whole_line_must_be_json)
{
    for (size_t i = 0; i < sizeof not_json / sizeof *not_json; i++)
        expect_bad(json("a:int x:int@u.x"), not_json[i], DS_BAD_SYNTAX);
}
END_TEST

START_TEST(other_values_are_passed_over)
{
    expect(
        json("z:int"),
        "{\"a\":[],\"b\":{},\"c\":[[],[{}],{\"z\":[1,\"]\",null]}],\"d\":-1.5e-7,\"e\":\"\\\"}\","
        "\"f\":true,\"g\":false,\"h\":null,\"\":0,\"z\":5,\"zz\":6}",
        "{\"z\":5}\n", "");
}
END_TEST

START_TEST(lists_hold_scalars_and_nulls)
{
    const ds_format_spec *spec = json("i:list<int> s:list<string> b:list<bool> t:list<timestamp>");
    expect(spec,
           "{\"i\":[1,null, -3 ],\"s\":[\"a\",\"longer than twelve bytes\",null,\"\\u0041\"],"
           "\"b\":[true,null,false],\"t\":[\"2026-01-01T00:00:00Z\",null]}\n"
           "{\"i\":[],\"s\":null}\n"
           "{\"i\":[ ],\"b\":[null]}\n",
           "{\"i\":[1,null,-3],\"s\":[\"a\",\"longer than twelve bytes\",null,\"A\"],"
           "\"b\":[true,null,false],\"t\":[\"2026-01-01T00:00:00Z\",null]}\n"
           "{\"i\":[],\"s\":null,\"b\":null,\"t\":null}\n"
           "{\"i\":[],\"s\":null,\"b\":[null],\"t\":null}\n",
           "");
}
END_TEST

START_TEST(lists_survive_bad_records_and_repeated_keys)
{
    expect(json("l:list<int> n:int"),
           "{\"l\":[1,null]}\n{\"l\":[null,null,3],\"n\":\"x\"}\n{\"l\":[4,5,null],\"l\":[6]}\n"
           "{\"l\":[null,7],\"l\":null}\n{\"l\":[null],\"l\":[8,9],\"n\":1}\n",
           "{\"l\":[1,null],\"n\":null}\n{\"l\":[6],\"n\":null}\n{\"l\":null,\"n\":null}\n"
           "{\"l\":[8,9],\"n\":1}\n",
           "type 15 {\"l\":[null,null,3],\"n\":\"x\"}: \"\\\"x\\\"\" is not an int (column n)\n");
}
END_TEST

START_TEST(long_lists_grow)
{
    ds_buffer input = {0}, want = {0};
    for (int row = 0; row < 20; row++) {
        ds_buffer_append_text(&input, "{\"l\":[");
        for (int i = 0; i < row * 7; i++)
            ds_buffer_printf(&input, i % 5 == 4 ? "%snull" : "%s%d", i == 0 ? "" : ",", i);
        ds_buffer_append_text(&input, "]}\n");
    }
    expect_bytes(json("l:list<int>"), NULL, input.data, input.length, ds_buffer_text(&input), "");
    ds_buffer_fini(&input);
    ds_buffer_fini(&want);
}
END_TEST

static void nest(ds_buffer *out, int levels, const char *before, const char *after)
{
    out->length = 0;
    ds_buffer_append_text(out, before);
    for (int i = 0; i < levels; i++)
        ds_buffer_append_text(out, i % 2 == 0 ? "[" : "{\"k\":");
    ds_buffer_append_text(out, "1");
    for (int i = levels - 1; i >= 0; i--)
        ds_buffer_append_text(out, i % 2 == 0 ? "]" : "}");
    ds_buffer_append_text(out, after);
}

START_TEST(nesting_has_a_limit)
{
    ds_buffer line = {0};
    nest(&line, 511, "{\"a\":", "}");
    expect(json("z:int"), ds_buffer_text(&line), "{\"z\":null}\n", "");
    nest(&line, 512, "{\"a\":", "}");
    expect_bad(json("z:int"), ds_buffer_text(&line), DS_BAD_SYNTAX);
    nest(&line, 510, "{\"u\":{\"a\":", "}}");
    expect(json("z:int@u.z"), ds_buffer_text(&line), "{\"z\":null}\n", "");
    nest(&line, 511, "{\"u\":{\"a\":", "}}");
    expect_bad(json("z:int@u.z"), ds_buffer_text(&line), DS_BAD_SYNTAX);
    nest(&line, 10000, "{\"a\":", "}");
    expect_bad(json("z:int"), ds_buffer_text(&line), DS_BAD_SYNTAX);
    ds_buffer_fini(&line);
}
END_TEST

START_TEST(keys_of_any_length_are_told_apart)
{
    const ds_format_spec *spec = json("a:int ab:int abcdefgh:int abcdefghi:int "
                                      "abcdefgh_a_abcdefgh:int abcdefgh_b_abcdefgh:int");
    expect(spec,
           "{\"abcdefgh_b_abcdefgh\":6,\"abcdefgh_a_abcdefgh\":5,\"abcdefghi\":4,\"abcdefgh\":3,"
           "\"ab\":2,\"a\":1,\"abc\":0,\"abcdefg\":0,\"b\":0,\"\":0,\"abcdefgh_c_abcdefgh\":0}",
           "{\"a\":1,\"ab\":2,\"abcdefgh\":3,\"abcdefghi\":4,\"abcdefgh_a_abcdefgh\":5,"
           "\"abcdefgh_b_abcdefgh\":6}\n",
           "");
}
END_TEST

START_TEST(only_wanted_columns_are_made)
{
    ds_arena *arena = ds_arena_new(NULL);
    const ds_format *format;
    bool wanted[] = {false, true};
    ck_assert_int_eq(ds_format_new(arena, json("a:list<int> b:int"), &format, NULL), DS_OK);
    ds_decoder *decoder = ds_decoder_new(format, wanted, NULL, NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    const char *input = "{\"a\":[1],\"b\":2}\n{\"a\":[\"x\"],\"b\":3}\n{\"b\":4}\n";
    ds_decoder_open(decoder, &heap, input, strlen(input), 0);
    ds_chunk chunk;
    ck_assert(ds_decoder_next(decoder, arena, &chunk));
    ck_assert_uint_eq(chunk.n_rows, 2);
    ck_assert_ptr_null(chunk.columns[0]);
    ck_assert_int_eq(chunk.columns[1]->ints[0], 2);
    ck_assert_int_eq(chunk.columns[1]->ints[1], 4);
    ds_decoder_counts counts;
    ds_decoder_count(decoder, &counts);
    ck_assert_uint_eq(counts.bad[DS_BAD_TYPE], 1); /* in a column that nobody reads */
    ds_decoder_free(decoder);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}
END_TEST

START_TEST(too_long_is_bad)
{
    fixture_spec limited;
    ds_format_spec *spec = make_spec(&limited, DS_FORMAT_JSON, "a:int");
    spec->record_limit = 7;
    expect(spec, "{\"a\":1}\n{\"a\":22}\n          \n", "{\"a\":1}\n",
           "too_long 8 {\"a\":22}: 8 bytes are more than the 7 that a record may have "
           "(limits.record)\n");
}
END_TEST

START_TEST(schemas_that_do_not_suit_are_refused)
{
    ck_assert_int_eq(refused(json(""), "no columns"), DS_ERR_APP);
    ck_assert_int_eq(refused(json("a:int a:int"), "twice"), DS_ERR_APP);
    ck_assert_int_eq(refused(json("a:int@"), "path"), DS_ERR_APP);
    ck_assert_int_eq(refused(json("a:int@x..y"), "path"), DS_ERR_APP);
    ck_assert_int_eq(refused(json("a:int@.x"), "path"), DS_ERR_APP);
    ck_assert_int_eq(refused(json("a:int@x."), "path"), DS_ERR_APP);
    ds_format_spec *spec = make_spec(&made, DS_FORMAT_JSON, "a:int");
    made.fields[0].type = DS_TYPE(DS_INTERVAL);
    ck_assert_int_eq(refused(spec, "interval"), DS_ERR_APP);
}
END_TEST

/* ---- Records that are like the one before (format_json_guide.h) ---- */

#define LINES 40

/* A record written as one program would, with values of many lengths; at times other keys. */
static void like_the_last(ds_buffer *line, ds_random *random)
{
    static const char *const numbers[] = {"0", "-12", "99999999999", "1.5", "null", "[1,2]", "{}"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    static const char *const others[] = {"", "\"z\": 1, ", "\"s\": \"twice\", "};
    ds_buffer_printf(line, "{\"s\": \"%.*s\", %s\"n\": %s, ", (int)ds_random_below(random, 40),
                     letters,
                     ds_random_below(random, 5) > 0 ? "" : others[ds_random_below(random, 3)],
                     numbers[ds_random_below(random, 3 + 4 * (ds_random_below(random, 8) == 0))]);
    ds_buffer_printf(
        line, "\"other\": \"%.*s%s\",\"x\":%s , \"l\": [%s]%s", (int)ds_random_below(random, 20),
        letters, ds_random_below(random, 6) == 0 ? "\\n\\\"" : "",
        numbers[ds_random_below(random, 5)], ds_random_below(random, 4) == 0 ? "" : "3, 4",
        ds_random_below(random, 9) == 0 ? ", \"u\": {\"k\": \"deep\"}}" : "}");
}

START_TEST(records_like_the_one_before_are_read_as_if_alone)
{
    const ds_format_spec *spec = json("s:string n:int x:float l:list<int> k:string@u.k m:int@n");
    ds_random random;
    ds_random_init(&random, 7);
    for (int round = 0; round < 300; round++) {
        ds_buffer text = {0}, line = {0};
        for (int i = 0; i < LINES; i++) {
            line.length = 0;
            like_the_last(&line, &random);
            if (ds_random_below(&random, 4) == 0)
                spoil(&line, &random, "\"\\{}[],: 0ae\t\x01\xc3");
            ds_buffer_printf(&text, "%.*s\n", (int)line.length, line.data);
        }
        expect_as_alone(spec, &text);
        ds_buffer_fini(&text);
        ds_buffer_fini(&line);
    }
}
END_TEST

/* Strings only, of which some are of the same length in many records. */
static void strings_like_the_last(ds_buffer *line, ds_random *random, uint32_t shape)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
                                  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    bool odd = ds_random_below(random, 30) == 0;
    ds_buffer_printf(line, "{\"no\": \"%.*s\", \"s\": \"%.*s\", ",
                     36 + (int)ds_random_below(random, odd ? 60 : 1), letters,
                     (int)ds_random_below(random, 2) * (int)(shape % 50), letters);
    ds_buffer_printf(line, "%s\"no\": \"%.*s\", \"k\": \"%.*s\"",
                     shape % 3 == 0 ? "\"s\": \"again\", " : "", (int)ds_random_below(random, 20),
                     letters, 12 + (int)(shape % 2), letters);
    ds_buffer_append_text(line, shape % 5 == 0 ? ", \"n\": 12}" : "}");
    if (ds_random_below(random, 40) == 0)
        ds_buffer_append_text(line, "\r");
}

START_TEST(strings_like_those_before_are_read_as_if_alone)
{
    const ds_format_spec *spec = json("s:string k:string");
    ds_random random;
    ds_random_init(&random, 17);
    for (uint32_t round = 0; round < 400; round++) {
        ds_buffer text = {0}, line = {0};
        for (uint32_t i = 0; i < LINES * 2; i++) {
            line.length = 0;
            strings_like_the_last(&line, &random, round);
            if (ds_random_below(&random, 12) == 0)
                spoil(&line, &random, "\"\\{}[],: 0ae\t\x01\xc3");
            ds_buffer_printf(&text, "%.*s\n", (int)line.length, line.data);
        }
        expect_as_alone(spec, &text);
        ds_buffer_fini(&text);
        ds_buffer_fini(&line);
    }
}
END_TEST

/* The bytes behind a value are those that were behind a string, but the value is none. */
START_TEST(a_number_does_not_end_like_a_string)
{
    const ds_format_spec *spec = json("a:int b:string");
    expect(spec,
           "{\"a\": \"x\", \"b\": \"1\"}\n{\"a\": 5, \"b\": \"2\"}\n"
           "{\"a\": \"x\", \"b\": \"3\"}\n{\"a\": 5\", \"b\": \"4\"}\n"
           "{\"a\": 6, \"b\": \"5\"}\n{\"a\": \"7, \"b\": \"6\"}\n                              \n",
           "{\"a\":5,\"b\":\"2\"}\n{\"a\":6,\"b\":\"5\"}\n",
           "type 0 {\"a\": \"x\", \"b\": \"1\"}: \"\\\"x\\\"\" is not an int (column a)\n"
           "type 40 {\"a\": \"x\", \"b\": \"3\"}: \"\\\"x\\\"\" is not an int (column a)\n"
           "syntax 61 {\"a\": 5\", \"b\": \"4\"}: not valid JSON: no comma between two values\n"
           "syntax 100 {\"a\": \"7, \"b\": \"6\"}: not valid JSON: no comma between two values\n");
}
END_TEST

UNIT_MAIN("format json", columns_are_found_by_key, null_and_missing_are_null,
          blank_lines_count_as_positions, of_a_repeated_key_the_last_counts,
          paths_reach_into_objects, a_repeated_object_counts_whole,
          several_columns_may_read_one_key, a_name_without_path_is_one_key, wrong_types_are_bad,
          a_bad_record_is_explained, numbers_out_of_range_are_bad, escapes_are_decoded,
          escaped_keys_match, half_a_surrogate_pair_is_bad_in_a_column,
          invalid_bytes_make_the_record_bad, the_whole_line_must_be_json,
          other_values_are_passed_over, lists_hold_scalars_and_nulls,
          lists_survive_bad_records_and_repeated_keys, long_lists_grow, nesting_has_a_limit,
          keys_of_any_length_are_told_apart, only_wanted_columns_are_made, too_long_is_bad,
          schemas_that_do_not_suit_are_refused, records_like_the_one_before_are_read_as_if_alone,
          strings_like_those_before_are_read_as_if_alone, a_number_does_not_end_like_a_string)
