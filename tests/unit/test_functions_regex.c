/* The functions of regular expressions. */
#include "columnar/text_simd.h"
#include "unit/kernel_harness.h"

#define LONG "a text of more than twelve bytes"

START_TEST(like_searches)
{
    check("regexp_like", "sS",
          "[['abc123', '\\\\d+'], ['abc', '\\\\d+'], ['', '\\\\d+'], [null, '\\\\d+'],"
          " ['" LONG " 7', '\\\\d+']]",
          "[true,false,false,null,true]");
    check("regexp_like", "sS", "[['abc', '^b'], ['bc', '^b'], ['a\\nbc', '^b']]",
          "[false,true,false]");
    check("regexp_like", "sS", "[['', ''], ['x', '']]", "[true,true]");
    check("regexp_like", "sS", "[['ABC', '(?i)b'], ['x', '(?i)b']]", "[true,false]");
    check("regexp_like", "nS", "[[null, 'x']]", "[null]");
}
END_TEST

START_TEST(classes_are_ascii_and_characters_code_points)
{
    check("regexp_like", "sS", "[['é', '^\\\\w$'], ['e', '^\\\\w$']]", "[false,true]");
    check("regexp_like", "sS", "[['\xD9\xA3', '^\\\\d$'], ['3', '^\\\\d$']]", "[false,true]");
    check("regexp_like", "sS", "[['\xC2\xA0', '^\\\\s$'], ['\\t', '^\\\\s$']]", "[false,true]");
    check("regexp_extract", "sS", "[['éa', '\\\\ba'], ['ba', '\\\\ba']]", "['a',null]");
    check("regexp_extract", "sS",
          "[['x😀y', 'x.y'], ['xy', 'x.y'], ['x\\ny', 'x.y'], ['x\\ry', 'x.y']]",
          "['x😀y',null,null,'x\\ry']");
}
END_TEST

START_TEST(extract_takes_group_one_or_all)
{
    check("regexp_extract", "sS",
          "[['k=v', '(\\\\w)=(\\\\w)'], ['x', '(\\\\w)=(\\\\w)'], [null, '(\\\\w)=(\\\\w)']]",
          "['k',null,null]");
    check("regexp_extract", "sS", "[['id 42', '\\\\d+'], ['', '\\\\d+']]", "['42',null]");
    check("regexp_extract", "sSI", "[['k=v', '(\\\\w)=(\\\\w)', 2], ['a=b', '(\\\\w)=(\\\\w)', 2]]",
          "['v','b']");
    check("regexp_extract", "sSI", "[['id k=v', '(\\\\w)=(\\\\w)', 0]]", "['k=v']");
    check("regexp_extract", "sS", "[['b', '(a)?b'], ['ab', '(a)?b']]", "[null,'a']");
    check("regexp_extract", "sS", "[['ab', '()b']]", "['']");
    check("regexp_extract", "sS", "[['key: " LONG "', ': (.*)']]", "['" LONG "']");
    check("regexp_extract", "sS", "[['foobar', 'foo\\\\Kbar']]", "['bar']");
    check("regexp_extract", "sS", "[['n 1', '(?<n>\\\\d)']]", "['1']");
}
END_TEST

#define CUTS "^(\\\\S+) \\\\[([^]]*)\\\\](.*)$"

/* Such a pattern is not searched for, but cut out, in text that is short and plain; what is found
 * is the same in all text. */
static void check_cuts(void)
{
    check("regexp_like", "sS",
          "[['a [b] c', '" CUTS "'], [' [b] c', '" CUTS "'], ['a [b', '" CUTS "'],"
          " ['a [é] c', '" CUTS "'], ['a [b\\nb] c', '" CUTS "'], ['a [b] c\\n', '" CUTS "'],"
          " ['a [b] c\\nd', '" CUTS "'], ['', '" CUTS "'], ['a []', '" CUTS "']]",
          "[true,false,false,true,true,true,false,false,true]");
    check("regexp_extract", "sSI",
          "[['a [b] c', '" CUTS "', 2], ['é [b] c', '" CUTS "', 2], ['a []', '" CUTS "', 2],"
          " ['a [" LONG "] c', '" CUTS "', 2], [null, '" CUTS "', 2], ['x', '" CUTS "', 2]]",
          "['b','b','','" LONG "',null,null]");
    check("regexp_extract", "sS", "[['a [b] c', '" CUTS "'], ['" LONG "', '" CUTS "']]",
          "['a',null]");
    check("regexp_extract", "sSI", "[['a [b] c', '" CUTS "', 0]]", "['a [b] c']");
    check("regexp_extract", "sSI", "[['a [b] c\\n', '" CUTS "', 3]]", "[' c']");
}

START_TEST(cut_or_searched_for_is_the_same)
{
    check_cuts();
    ds_simd_limit(DS_SIMD_PLAIN);
    check_cuts();
    ds_simd_limit(DS_SIMD_AVX2);
}
END_TEST

/* Also around the length from which on it is searched for. */
START_TEST(cuts_of_any_length)
{
    for (size_t length = 1; length < 1100; length += length < 70 || length > 1010 ? 1 : 37) {
        ds_buffer rows = {0}, expected = {0};
        ds_buffer_append(&rows, "[['", 3);
        ds_buffer_append(&expected, "['", 2);
        for (size_t i = 0; i < length; i++)
            ds_buffer_append_char(&rows, (char)('a' + i % 26));
        for (size_t i = 0; i < length; i++)
            ds_buffer_append_char(&expected, (char)('a' + i % 26));
        ds_buffer_append(&rows, " [x]', '" CUTS "']]", strlen(" [x]', '" CUTS "']]"));
        ds_buffer_append(&expected, "']", 2);
        ds_buffer_append_char(&rows, '\0');
        ds_buffer_append_char(&expected, '\0');
        check("regexp_extract", "sS", rows.data, expected.data);
        ds_buffer_fini(&rows);
        ds_buffer_fini(&expected);
    }
}
END_TEST

START_TEST(replace_takes_all_matches)
{
    check("regexp_replace", "sSs",
          "[['a1b22', '\\\\d+', '#'], ['abc', '\\\\d+', '#'], ['', '\\\\d+', '#'],"
          " [null, '\\\\d+', '#'], ['1', '\\\\d+', null], ['12', '\\\\d+', '']]",
          "['a#b#','abc','',null,null,'']");
    check("regexp_replace", "sSS", "[['john smith', '(\\\\w+) (\\\\w+)', '$2, $1']]",
          "['smith, john']");
    check("regexp_replace", "sSS", "[['5', '\\\\d', '$$$0$'], ['a', '\\\\d', '$$$0$']]",
          "['$5$','a']");
    check("regexp_replace", "sSS", "[['ab', '(a)(x)?', '[$2$1]']]", "['[a]b']");
    check("regexp_replace", "sSS", "[['a', '(a)', '$10']]", "['a0']");
    check("regexp_replace", "sSS", "[['abcdefghijk', '(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)', '$10$1']]",
          "['jak']");
    check("regexp_replace", "sSS", "[['a-b', '-', 'cost: $ $x']]", "['acost: $ $xb']");
    check("regexp_replace", "sSs", "[['a', 'a', '$5'], ['a', 'a', '$0$0']]", "['','aa']");
    check("regexp_replace", "sSs", "[['" LONG "', 'e', 'é']]",
          "['a téxt of moré than twélvé bytés']");
    check("regexp_replace", "sSs", "[['" LONG "', 'zz', 'é']]", "['" LONG "']");
}
END_TEST

START_TEST(empty_matches_move_on)
{
    check("regexp_replace", "sSs", "[['abc', 'x*', '-'], ['', 'x*', '-'], ['xa', 'x*', '-']]",
          "['-a-b-c-','-','--a-']");
    check("regexp_replace", "sSs", "[['é€', '', '.']]", "['.é.€.']");
    check("regexp_replace", "sSs", "[['abc', '(?=b)', ''], ['abc', '(?=b)', '<']]",
          "['abc','a<bc']");
    check("regexp_replace", "sSs", "[['a\\nb', '(?m)^', '> '], ['x', '(?m)^', '> ']]",
          "['> a\\n> b','> x']");
    check("regexp_replace", "sSs", "[['ab', '$', '!']]", "['ab!']");
}
END_TEST

START_TEST(wrong_patterns_are_refused_at_load)
{
    refused("regexp_like", "sS", "[['a', '(']]", "missing closing parenthesis");
    refused("regexp_like", "sS", "[['a', 'a**b(?']]", "byte");
    refused("regexp_like", "sS", "[['a', '\\\\C']]", "\\C");
    refused("regexp_like", "ss", "[['a', 'a']]", "literal");
    refused("regexp_like", "sn", "[['a', null]]", "literal");
    refused("regexp_like", "sS", "[['a', null]]", "literal");
    refused("regexp_like", "sI", "[['a', 1]]", "literal");
    refused("regexp_like", "iS", "[[1, 'a']]", "int");
    refused("regexp_extract", "sSI", "[['a', '(a)', 2]]", "no group 2");
    refused("regexp_extract", "sSI", "[['a', '(a)', -1]]", "no group -1");
    refused("regexp_extract", "sSi", "[['a', '(a)', 1]]", "int literal");
    refused("regexp_extract", "sSS", "[['a', '(a)', 'x']]", "int literal");
    refused("regexp_replace", "sSS", "[['a', '(a)', 'x$2']]", "no group 2");
    refused("regexp_replace", "sSS", "[['a', 'a', '$$$1']]", "no group 1");
    refused("regexp_replace", "sSi", "[['a', 'a', 1]]", "int");
}
END_TEST

/* A text of n times the same part, then an end, as the one row of a call. */
static json_t *repeated(const char *part, int n, const char *end, const char *pattern,
                        const char *by)
{
    ds_buffer text = {0};
    for (int i = 0; i < n; i++)
        ds_buffer_append_text(&text, part);
    ds_buffer_append_text(&text, end);
    json_t *rows = by == NULL ? json_pack("[[ss]]", ds_buffer_text(&text), pattern)
                              : json_pack("[[sss]]", ds_buffer_text(&text), pattern, by);
    ds_buffer_fini(&text);
    return rows;
}

START_TEST(no_pattern_hangs)
{
    /* Exponential: the limit makes it no match. */
    json_t *rows = repeated("a", 5000, "!", "^(a+)+$", NULL);
    harness h;
    harness_init(&h);
    ck_assert(harness_resolve(&h, "regexp_like", "sS", rows));
    ck_assert_str_eq(harness_text(&h, 1, false), "false");
    harness_fini(&h);
    harness_init(&h);
    ck_assert(harness_resolve(&h, "regexp_extract", "sS", rows));
    ck_assert_str_eq(harness_text(&h, 1, false), "null");
    harness_fini(&h);
    json_decref(rows);
    rows = repeated("a", 50, "!", "^(a+)+$", "x");
    harness_init(&h);
    ck_assert(harness_resolve(&h, "regexp_replace", "sSs", rows));
    ck_assert_str_eq(harness_text(&h, 1, false),
                     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"");
    harness_fini(&h);
    json_decref(rows);
}
END_TEST

START_TEST(long_text_that_matches_does)
{
    /* Needs more stack than there is at first. */
    json_t *rows = repeated("ab", 30000, "c", "^(?:a|b)*c$", NULL);
    harness h;
    harness_init(&h);
    ck_assert(harness_resolve(&h, "regexp_like", "sS", rows));
    ck_assert_str_eq(harness_text(&h, 1, false), "true");
    harness_fini(&h);
    json_decref(rows);
}
END_TEST

START_TEST(results_are_limited)
{
    json_t *rows = repeated("a", 20000, "", "a", "$0$0");
    ds_buffer by = {0};
    for (int i = 0; i < 2000; i++)
        ds_buffer_append_text(&by, "$0");
    json_array_set_new(json_array_get(rows, 0), 2, json_string(ds_buffer_text(&by)));
    harness h;
    harness_init(&h);
    ck_assert(harness_resolve(&h, "regexp_replace", "sSs", rows));
    ck_assert_str_eq(harness_text(&h, 1, false), "error");
    harness_fini(&h);
    json_array_set_new(json_array_get(rows, 0), 1, json_string("a+"));
    harness_init(&h); /* one replacement alone is too long */
    ck_assert(harness_resolve(&h, "regexp_replace", "sSs", rows));
    ck_assert_str_eq(harness_text(&h, 1, false), "error");
    harness_fini(&h);
    ds_buffer_fini(&by);
    json_decref(rows);
}
END_TEST

UNIT_MAIN("functions_regex", like_searches, classes_are_ascii_and_characters_code_points,
          extract_takes_group_one_or_all, cut_or_searched_for_is_the_same, cuts_of_any_length,
          replace_takes_all_matches, empty_matches_move_on, wrong_patterns_are_refused_at_load,
          no_pattern_hangs, long_text_that_matches_does, results_are_limited)
