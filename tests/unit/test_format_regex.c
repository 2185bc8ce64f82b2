/* The format regex: app-format, section 3. */
#include "columnar/regex.h"
#include "unit/format_fixture.h"

static fixture_spec made;

static const ds_format_spec *regex(const char *pattern, const char *types)
{
    make_spec(&made, DS_FORMAT_REGEX, types)->regex = pattern;
    return &made.spec;
}

START_TEST(named_groups_are_columns)
{
    const ds_format_spec *spec =
        regex("^(?<user>\\S+) (\\d+) (?P<ms>\\d+)(?: (?'note'.*))?$", "ms:int");
    expect(spec, "ann 1 25 a longer note than 12\r\nbob 2 3\n\n",
           "{\"user\":\"ann\",\"ms\":25,\"note\":\"a longer note than 12\"}\n"
           "{\"user\":\"bob\",\"ms\":3,\"note\":null}\n",
           "");
}
END_TEST

START_TEST(all_types_can_be_given)
{
    const ds_format_spec *spec = regex("(?<i>[^,]*),(?<f>[^,]*),(?<b>[^,]*),(?<t>[^,]*)",
                                       "t:timestamp b:bool f:float i:int");
    expect(spec, "+5,.5,TRUE,2026-01-01T00:00:00.5Z",
           "{\"i\":5,\"f\":0.5,\"b\":true,\"t\":\"2026-01-01T00:00:00.5Z\"}\n", "");
    expect_bad(spec, "x,.5,true,2026-01-01", DS_BAD_TYPE);
    expect_bad(spec, ",.5,true,2026-01-01", DS_BAD_TYPE);
    expect_bad(spec, "99999999999999999999,.5,true,2026-01-01", DS_BAD_RANGE);
    expect_bad(spec, "5,1e999,true,2026-01-01", DS_BAD_RANGE);
    expect_bad(spec, "5,.5,1,2026-01-01", DS_BAD_TYPE);
    expect_bad(spec, "5,.5,true,today", DS_BAD_TYPE);
    expect(spec, "5 ,1,true,2026-01-01\n", "",
           "type 0 5 ,1,true,2026-01-01: i \"5 \" is not an int\n");
}
END_TEST

START_TEST(the_pattern_is_searched_for)
{
    expect(regex("b(?<x>.)", ""), "aabcbd\nb\nbb\n", "{\"x\":\"c\"}\n{\"x\":\"b\"}\n",
           "syntax 7 b: the regular expression does not match\n");
}
END_TEST

START_TEST(a_group_that_took_no_part_is_null_and_an_empty_one_is_not)
{
    const ds_format_spec *spec = regex("(?<a>x)?(?<b>y*)(?<n>\\d+)?$", "n:int");
    expect(spec, "z\nxyy7\n",
           "{\"a\":null,\"b\":\"\",\"n\":null}\n{\"a\":\"x\",\"b\":\"yy\",\"n\":7}\n", "");
}
END_TEST

START_TEST(groups_of_one_name_are_one_column)
{
    const ds_format_spec *spec = regex("(?J)^(?:a(?<v>\\d+)|b(?<w>\\w)(?<v>\\d+))$", "v:int");
    expect(spec, "a1\nbx2\n", "{\"v\":1,\"w\":null}\n{\"v\":2,\"w\":\"x\"}\n", "");
    expect(regex("^(?|a(?<v>\\d)|b(?<v>\\w))$", ""), "a1\nbx\n", "{\"v\":\"1\"}\n{\"v\":\"x\"}\n",
           "");
}
END_TEST

START_TEST(groups_may_be_set_out_of_order)
{
    /* In a lookbehind a group may begin before the match. */
    expect(regex("(?<=(?<before>.))b(?=(?<behind>.))", ""), "abc\n",
           "{\"before\":\"a\",\"behind\":\"c\"}\n", "");
    expect_bad(regex("(?<a>x)y\\K(?<b>)", ""), "x", DS_BAD_SYNTAX);
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_replaced_before)
{
    const ds_format_spec *spec = regex("^(?<a>.)(?<b>.+)$", "");
    decoded d = decode_bytes(spec, NULL, "\xFF\x00z\n\xC3\xA4\xC3\xB6\n", 9);
    ck_assert_str_eq(ds_buffer_text(&d.rows), "{\"a\":\"\xEF\xBF\xBD\",\"b\":\"\xEF\xBF\xBDz\"}\n"
                                              "{\"a\":\"\xC3\xA4\",\"b\":\"\xC3\xB6\"}\n");
    ck_assert_uint_eq(d.counts.replaced, 2);
    decoded_fini(&d);
    expect(regex("(?<w>\\w+)", ""), "\xC3\xA4x\n", "{\"w\":\"x\"}\n", ""); /* \w is ASCII */
}
END_TEST

START_TEST(a_match_that_takes_too_long_is_given_up)
{
    expect(regex("^(?<a>(?:x+)+)$", ""),
           "xx\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy\nxxx\n",
           "{\"a\":\"xx\"}\n{\"a\":\"xxx\"}\n",
           "match_limit 3 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy: the regular expression "
           "takes too many steps or too much memory\n");
}
END_TEST

START_TEST(deep_patterns_find_their_stack)
{
    ds_buffer input = {0};
    for (int i = 0; i < 20000; i++)
        ds_buffer_append_text(&input, "ab");
    decoded d = decode_bytes(regex("^(?<a>(?:a(?=b)|b)*)$", ""), NULL, input.data, input.length);
    ck_assert_uint_eq(d.counts.records, 1);
    decoded_fini(&d);
    ds_buffer_fini(&input);
}
END_TEST

START_TEST(nulls_of_a_bad_record_do_not_stay)
{
    expect(regex("(?<a>x)?(?<n>\\w)", "n:int"), "y\nx1\n2\n",
           "{\"a\":\"x\",\"n\":1}\n{\"a\":null,\"n\":2}\n", "type 0 y: n \"y\" is not an int\n");
}
END_TEST

START_TEST(patterns_that_do_not_do_are_refused)
{
    ck_assert_int_eq(refused(regex("(?<a>x", ""), "at its byte 7: missing closing parenthesis"),
                     DS_ERR_APP);
    ck_assert_int_eq(refused(regex("(x)", ""), "has no named group"), DS_ERR_APP);
    ck_assert_int_eq(refused(regex("", ""), "has no named group"), DS_ERR_APP);
    ck_assert_int_eq(refused(regex("(?<a>x)", "b:int"), "has no group \"b\""), DS_ERR_APP);
    ck_assert_int_eq(refused(regex("(?<a>x)", "a:list<int>"), "regex has no lists"), DS_ERR_APP);
    ck_assert_int_eq(refused(regex("(?<a>\\C)", ""), "\\C"), DS_ERR_APP);
    ck_assert_int_eq(refused(regex("(?<a>x)(?<a>y)", ""), "same name"), DS_ERR_APP);
    ds_buffer many = {0};
    for (int i = 0; i < 1001; i++)
        ds_buffer_printf(&many, "(?<g%d>)", i);
    ck_assert_int_eq(refused(regex(ds_buffer_text(&many), ""), "more than 1000"), DS_ERR_APP);
    ds_buffer_fini(&many);
}
END_TEST

/* What a pattern is made of: a run, some characters that it may take, and the text behind it. */
typedef struct pattern_part {
    const char *run, *takes, *end, *end_pattern;
} pattern_part;

static const pattern_part parts[] = {
    {"\\S+", "ab7]-\"", " ", " "},  {"\\S+", "G", " ", " "},
    {"\\S+", "ab7]", "\" ", "\" "}, {"\\S*", "ab", "] [", "\\] \\["},
    {"\\S+", "-", " [", " \\["},    {"\\d*", "0123", "x", "x"},
    {"\\w+", "xyz7", " ", " "},     {"[^]]*", "ab \t,", "] \"", "\\] \""},
    {"[^ ]+", "a]\r", " ", " "},    {"[^,]*", "a b", ",", ","},
    {"[^,]*", "a]\r", ", ", ", "},  {"", "", "x ", "x "},
    {".*", "ab \t\r", "", "$"},     {"[^,]*", "ab ", "", ""},
};

#define N_PARTS 7
#define MOST_OF_PART 60

typedef struct made_pattern {
    char text[200];
    const pattern_part *parts[N_PARTS];
    char lines[N_PARTS][MOST_OF_PART + 1]; /* what a line has for each run */
} made_pattern;

static void make_pattern(made_pattern *pattern, ds_random *random)
{
    char *at = pattern->text;
    size_t kinds = sizeof parts / sizeof *parts;
    *at++ = '^';
    for (int i = 0; i < N_PARTS; i++) {
        const pattern_part *part =
            &parts[ds_random_below(random, i == N_PARTS - 1 ? kinds : kinds - 2)];
        uint64_t group = i % 4 == 2 ? 1 : ds_random_below(random, 6);
        const char *open = i == 2 ? "(?<n>" : i == 6 ? "(?<m>" : group < 2 ? "(" : "";
        at += sprintf(at, "%s%s%s%s%s", open, part->run, group == 1 ? ")" : "", part->end_pattern,
                      group == 0 ? ")" : "");
        pattern->parts[i] = part;
    }
}

static void make_part(char *line, const pattern_part *part, ds_random *random)
{
    size_t kinds = strlen(part->takes);
    uint64_t most = ds_random_below(random, 8) == 0 ? MOST_OF_PART : 4;
    uint64_t n = kinds == 0 ? 0 : 1 + ds_random_below(random, most);
    for (uint64_t i = 0; i < n; i++)
        line[i] = part->takes[ds_random_below(random, kinds)];
    line[n] = '\0';
}

/* Lines most of whose parts are as before, some of which are spoilt. */
static void make_lines(ds_buffer *text, made_pattern *pattern, ds_random *random)
{
    for (int i = 0; i < 300; i++) {
        size_t from = text->length;
        for (int k = 0; k < N_PARTS; k++) {
            if (i == 0 || ds_random_below(random, k % 3 == 0 ? 2 : 50) == 0)
                make_part(pattern->lines[k], pattern->parts[k], random);
            ds_buffer_append_text(text, pattern->lines[k]);
            ds_buffer_append_text(text, pattern->parts[k]->end);
        }
        if (ds_random_below(random, 12) == 0 && text->length > from)
            text->data[from + ds_random_below(random, text->length - from)] =
                "a7 ]\"\n\t\r,"[ds_random_below(random, 9)];
        ds_buffer_append_text(text, ds_random_below(random, 4) == 0 ? "\r\n" : "\n");
    }
}

/* decode_bytes compares them with those that are not cut (regex_cut.h). */
START_TEST(lines_that_are_cut_are_as_by_pcre)
{
    ds_random random;
    ds_random_init(&random, 11);
    uint64_t found = 0;
    for (int round = 0; round < 600; round++) {
        made_pattern pattern;
        ds_buffer text = {0};
        make_pattern(&pattern, &random);
        make_lines(&text, &pattern, &random);
        decoded d = decode_bytes(regex(pattern.text, ""), NULL, ds_buffer_text(&text), text.length);
        found += d.counts.records;
        decoded_fini(&d);
        ds_buffer_fini(&text);
    }
    ck_assert_uint_gt(found, 20000);
}
END_TEST

START_TEST(a_regex_tells_its_groups)
{
    ds_arena *arena = ds_arena_new(NULL);
    const ds_regex *re;
    size_t at;
    ck_assert_int_eq(ds_regex_compile(arena, "(a)(?<b>b)", 10, &re, &at, NULL), DS_OK);
    ck_assert_uint_eq(ds_regex_groups(re), 2);
    ck_assert_ptr_null(ds_regex_group_name(re, 1));
    ck_assert_str_eq(ds_regex_group_name(re, 2), "b");
    ds_matcher m;
    ds_matcher_init(&m, re);
    size_t from, to;
    ck_assert_int_eq(ds_matcher_search(&m, "xxabab", 6, 0, false), DS_MATCH_FOUND);
    ck_assert(ds_matcher_group(&m, 2, &from, &to) && from == 3 && to == 4);
    ck_assert_int_eq(ds_matcher_search(&m, "xxabab", 6, 3, false), DS_MATCH_FOUND);
    ck_assert(ds_matcher_group(&m, 0, &from, &to) && from == 4 && to == 6);
    ck_assert_int_eq(ds_matcher_search(&m, "xxabab", 6, 5, false), DS_MATCH_NONE);
    ds_matcher_fini(&m);
    ds_error error;
    ck_assert_int_eq(ds_regex_compile(arena, "ab[c", 4, &re, &at, &error), DS_ERR_APP);
    ck_assert_uint_eq(at, 4);
    ck_assert(strlen(error.message) > 0);
    ds_arena_free(arena);
}
END_TEST

UNIT_MAIN("format regex", lines_that_are_cut_are_as_by_pcre, named_groups_are_columns,
          all_types_can_be_given, the_pattern_is_searched_for,
          a_group_that_took_no_part_is_null_and_an_empty_one_is_not,
          groups_of_one_name_are_one_column, groups_may_be_set_out_of_order,
          bytes_that_are_not_utf8_are_replaced_before, a_match_that_takes_too_long_is_given_up,
          deep_patterns_find_their_stack, nulls_of_a_bad_record_do_not_stay,
          patterns_that_do_not_do_are_refused, a_regex_tells_its_groups)
