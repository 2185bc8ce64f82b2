/* Operators over the rows of expr_table.h: values, nulls, limits, overflows. */
#include "base/random.h"
#include "unit/expr_table.h"

START_TEST(ints_add_and_overflow)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "i + j", "3|1|null|9223372036854775806|0|null");
    EXPECT(&t, "i + 1", "2|-1|null|!|1|8");
    EXPECT(&t, "1 + i", "2|-1|null|!|1|8");
    EXPECT(&t, "i - j", "-1|-5|null|!|0|null");
    EXPECT(&t, "-2 - i", "-3|0|null|!|-2|-9");
    EXPECT(&t, "i * 2", "2|-4|null|!|0|14");
    EXPECT(&t, "i * j", "2|-6|null|-9223372036854775807|0|null");
    EXPECT(&t, "nullif(null, 1) + i", "null|null|null|null|null|null");
    EXPECT(&t, "-i", "-1|2|null|-9223372036854775807|0|-7");
    EXPECT(&t, "-(-i - 1)", "2|-1|null|!|1|8");
    EXPECT(&t, "i + null", "null|null|null|null|null|null");
    EXPECT(&t, "n + i", "null|null|null|null|null|null");
    table_close(&t);
}
END_TEST

START_TEST(ints_divide)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "i / j", "0|0|null|-9223372036854775807|null|null");
    EXPECT(&t, "i % j", "1|-2|null|0|null|null");
    EXPECT(&t, "(i - 8) / 3", "-2|-3|null|3074457345618258599|-2|0");
    EXPECT(&t, "(i - 8) % 3", "-1|-1|null|2|-2|-1");
    EXPECT(&t, "i / 0", "null|null|null|null|null|null");
    EXPECT(&t, "i % 0", "null|null|null|null|null|null");
    EXPECT(&t, "(-i - 1) / -1", "2|-1|null|!|1|8");
    EXPECT(&t, "(-i - 1) % -1", "0|0|null|0|0|0");
    EXPECT(&t, "mod(i, 4)", "1|-2|null|3|0|3");
    table_close(&t);
}
END_TEST

START_TEST(floats_are_finite_or_null)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "f + g", "2|-2.5|null|null|0|null");
    EXPECT(&t, "f - g", "1|-2.5|null|0|0|null");
    EXPECT(&t, "f * 10", "15|-25|null|null|0|1002.5");
    EXPECT(&t, "f / g", "3|null|null|1|null|null");
    EXPECT(&t, "f / 0", "null|null|null|null|null|null");
    EXPECT(&t, "f % 1", "0.5|-0.5|null|0|0|0.25");
    EXPECT(&t, "f % 0.0", "null|null|null|null|null|null");
    EXPECT(&t, "-g", "-0.5|-0|-2|-1e+308|0|null");
    EXPECT(&t, "i + 0.5", "1.5|-1.5|null|9.22337203685478e+18|0.5|7.5");
    EXPECT(&t, "i / 2.0", "0.5|-1|null|4.61168601842739e+18|0|3.5");
    EXPECT(&t, "f + i", "2.5|-4.5|null|1e+308|0|107.25");
    table_close(&t);
}
END_TEST

START_TEST(times)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "t + interval '1s'",
           "1767225601000000|1000000|null|!|-62135596799000000|1767225602000000");
    EXPECT(&t, "interval '1ms' + t",
           "1767225600001000|1000|null|!|-62135596799999000|1767225601001000");
    EXPECT(&t, "t - interval '1d'",
           "1767139200000000|-86400000000|null|253402214399999999|!|1767139201000000");
    EXPECT(&t, "t - t", "0|0|null|0|0|0");
    EXPECT(&t, "t - cast(1767225600000000 as timestamp)",
           "0|-1767225600|null|251635075200|-63902822400|1");
    EXPECT(&t, "t - interval '106751991d'", "!|!|null|!|!|!");
    EXPECT(&t, "t = '2026-01-01T00:00:00Z'", "T|F|null|F|F|F");
    EXPECT(&t, "'2026-01-01T00:00:00Z' < t", "F|F|null|T|F|T");
    EXPECT(&t, "t in ('2026-01-01T00:00:00Z', '1970-01-01')", "T|T|null|F|F|F");
    EXPECT(&t, "'1970-01-01' in (t, batch_time())", "F|T|null|F|F|F");
    EXPECT(&t, "t between '1970-01-01' and '2026-01-01'", "T|T|null|F|F|F");
    EXPECT(&t, "case t when '1970-01-01' then 1 end", "null|1|null|null|null|null");
    EXPECT(&t, "t is distinct from '1970-01-01'", "T|F|T|T|T|T");
    EXPECT(&t, "t + null", "null|null|null|null|null|null");
    EXPECT(&t, "null - t", "null|null|null|null|null|null");
    EXPECT(&t, "t + if(b, interval '1s', interval '2s')",
           "1767225601000000|2000000|null|!|-62135596798000000|1767225602000000");
    EXPECT(&t, "batch_time()", "1000000|1000000|1000000|1000000|1000000|1000000");
    EXPECT(&t, "window_end() - window_start()", "1|1|1|1|1|1");
    table_close(&t);
}
END_TEST

START_TEST(wrong_times)
{
    expr_table t;
    table_open(&t);
    EXPECT_ERROR(&t, "t + 1", 0, 5, "+ cannot take a timestamp and an int");
    EXPECT_ERROR(&t, "t + t", 0, 5, "+ cannot take");
    EXPECT_ERROR(&t, "interval '1s' - t", 0, 17, "- cannot take");
    EXPECT_ERROR(&t, "interval '1s'", 0, 13, "an interval is no value of its own");
    EXPECT_ERROR(&t, "interval '1s' < interval '2s'", 0, 29, "intervals cannot be compared");
    EXPECT_ERROR(&t, "interval '1 s'", 9, 5, "an interval is a whole number and a unit");
    EXPECT_ERROR(&t, "t + interval '99999999999999999h'", 13, 20, "an interval is");
    EXPECT_ERROR(&t, "t > 'yesterday'", 4, 11, "this is not a timestamp");
    EXPECT_ERROR(&t, "t in ('1970-01-01', 'x')", 20, 3, "this is not a timestamp");
    EXPECT_ERROR(&t, "t > s", 0, 5, "> cannot compare \"t\", a timestamp, with \"s\", a string");
    EXPECT_ERROR(&t, "t in (1)", 6, 1, "in wants timestamps here");
    table_close(&t);
}
END_TEST

START_TEST(numbers_compare)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "i = j", "F|F|null|F|T|null");
    EXPECT(&t, "i != j", "T|T|null|T|F|null");
    EXPECT(&t, "i <> j", "T|T|null|T|F|null");
    EXPECT(&t, "i < j", "T|T|null|F|F|null");
    EXPECT(&t, "i <= j", "T|T|null|F|T|null");
    EXPECT(&t, "i > j", "F|F|null|T|F|null");
    EXPECT(&t, "i >= j", "F|F|null|T|T|null");
    EXPECT(&t, "1 >= i", "T|T|null|F|T|F");
    EXPECT(&t, "f = g", "F|F|null|T|T|null");
    EXPECT(&t, "f < g", "F|T|null|F|F|null");
    EXPECT(&t, "f >= 1.5", "T|F|null|T|F|T");
    EXPECT(&t, "i < 1.5", "T|T|null|F|T|F");
    EXPECT(&t, "f > i", "T|F|null|T|F|T");
    EXPECT(&t, "g = 0", "F|T|F|F|T|null");
    EXPECT(&t, "i = null", "null|null|null|null|null|null");
    EXPECT(&t, "null = null", "null|null|null|null|null|null");
    EXPECT(&t, "1 < 2", "T|T|T|T|T|T");
    table_close(&t);
}
END_TEST

START_TEST(other_values_compare)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "b = c", "T|F|null|null|null|F");
    EXPECT(&t, "b < c", "F|T|null|null|null|F");
    EXPECT(&t, "b >= c", "T|F|null|null|null|T");
    EXPECT(&t, "b = false", "F|T|null|F|T|F");
    EXPECT(&t, "s = u", "F|F|null|F|T|null");
    EXPECT(&t, "s < u", "F|T|null|T|F|null");
    EXPECT(&t, "s >= u", "T|F|null|F|T|null");
    EXPECT(&t, "s = 'apple'", "T|F|null|F|F|F");
    EXPECT(&t, "'' = s", "F|T|null|F|F|F");
    EXPECT(&t, "s = 'a text of many bytes'", "F|F|null|T|F|F");
    EXPECT(&t, "s != 'a text of many bytez'", "T|T|null|T|T|T");
    EXPECT(&t, "s > 'appl'", "T|F|null|F|T|F");
    EXPECT(&t, "s < 'applf'", "T|T|null|T|F|T");
    EXPECT(&t, "'a text of many bytet' > s", "F|T|null|T|F|T");
    EXPECT(&t, "'a text of many bytes' <= s", "T|F|null|T|T|F");
    EXPECT(&t, "l = l", "T|T|null|T|T|T");
    EXPECT(&t, "l != l", "F|F|null|F|F|F");
    EXPECT(&t, "l = (l || l)", "F|T|null|F|F|F");
    EXPECT_ERROR(&t, "l < l", 0, 5, "lists compare with = only");
    EXPECT_ERROR(&t, "i = s", 0, 5, "= cannot compare \"i\", an int, with \"s\", a string");
    EXPECT_ERROR(&t, "b = 1", 0, 5, "= cannot compare \"b\", a bool, with 1, an int");
    table_close(&t);
}
END_TEST

START_TEST(nulls_are_distinct_or_not)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "i is null", "F|F|T|F|F|F");
    EXPECT(&t, "i is not null", "T|T|F|T|T|T");
    EXPECT(&t, "null is null", "T|T|T|T|T|T");
    EXPECT(&t, "i is distinct from j", "T|T|T|T|F|T");
    EXPECT(&t, "i is not distinct from j", "F|F|F|F|T|F");
    EXPECT(&t, "i is distinct from null", "T|T|F|T|T|T");
    EXPECT(&t, "i is not distinct from 7", "F|F|F|F|F|T");
    EXPECT(&t, "s is distinct from 'apple'", "F|T|T|T|T|T");
    EXPECT(&t, "s is not distinct from null", "F|F|T|F|F|F");
    EXPECT(&t, "s is not distinct from u", "F|F|T|F|T|F");
    EXPECT(&t, "b is distinct from c", "F|T|F|T|T|T");
    EXPECT(&t, "l is not distinct from l", "T|T|T|T|T|T");
    EXPECT(&t, "null is distinct from null", "F|F|F|F|F|F");
    EXPECT(&t, "'a' is distinct from null", "T|T|T|T|T|T");
    table_close(&t);
}
END_TEST

START_TEST(three_valued_logic)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "b and c", "T|F|null|null|F|F");
    EXPECT(&t, "b or c", "T|T|null|T|null|T");
    EXPECT(&t, "not b", "F|T|null|F|T|F");
    EXPECT(&t, "not not c", "T|T|null|null|null|F");
    EXPECT(&t, "b and null", "null|F|null|null|F|null");
    EXPECT(&t, "null or b", "T|null|null|T|null|T");
    EXPECT(&t, "b and c and i > 0", "T|F|null|null|F|F");
    EXPECT(&t, "not null", "null|null|null|null|null|null");
    EXPECT_ERROR(&t, "b and i", 6, 1, "and wants a condition (bool), \"i\" is an int");
    EXPECT_ERROR(&t, "s or b", 0, 1, "or wants a condition (bool), \"s\" is a string");
    EXPECT_ERROR(&t, "not i", 4, 1, "not wants a condition (bool)");
    table_close(&t);
}
END_TEST

START_TEST(between_and_in)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "i between 0 and 7", "T|F|null|F|T|T");
    EXPECT(&t, "i not between 0 and 7", "F|T|null|T|F|F");
    EXPECT(&t, "i between j and 7", "F|F|null|F|T|null");
    EXPECT(&t, "i between 8 and null", "F|F|null|null|F|F");
    EXPECT(&t, "i between 0.5 and 7", "T|F|null|F|F|T");
    EXPECT(&t, "s between 'a' and 'b'", "T|F|null|T|F|F");
    EXPECT(&t, "i in (1, 7, 100)", "T|F|null|F|F|T");
    EXPECT(&t, "i not in (1, 7, 100)", "F|T|null|T|T|F");
    EXPECT(&t, "i in (1, null)", "T|null|null|null|null|null");
    EXPECT(&t, "i not in (1, null)", "F|null|null|null|null|null");
    EXPECT(&t, "i in (null)", "null|null|null|null|null|null");
    EXPECT(&t, "i in (1.0, -2)", "T|T|null|F|F|F");
    EXPECT(&t, "f in (0, 1.5, null)", "T|null|null|null|T|null");
    EXPECT(&t, "g in (0.0)", "F|T|F|F|T|null");
    EXPECT(&t, "i in (j, 1, -2)", "T|T|null|F|T|null");
    EXPECT(&t, "i in (1,2,3,4,5,6,7,8,9,10)", "T|F|null|F|F|T");
    EXPECT(&t, "f in (1,1.5,3,4,5,6,7,8,9,100.25)", "T|F|null|F|F|T");
    EXPECT(&t, "s in ('apple', 'ähre')", "T|F|null|F|T|F");
    EXPECT(&t, "s in ('', 'a text of many bytes', 'a text of many bytez')", "F|T|null|T|F|F");
    EXPECT(&t, "s in ('1','2','3','4','5','6','7','8','apple','a text of many bytes')",
           "T|F|null|T|F|F");
    EXPECT(&t, "b in (true, null)", "T|null|null|T|null|T");
    EXPECT(&t, "b in (false)", "F|T|null|F|T|F");
    EXPECT(&t, "7 in (i, j)", "F|F|null|F|F|T");
    EXPECT(&t, "7 in (1, 7)", "T|T|T|T|T|T");
    EXPECT(&t, "l in (l)", "T|T|null|T|T|T");
    EXPECT_ERROR(&t, "i in (1, 'x')", 9, 3, "in wants values of one type");
    EXPECT_ERROR(&t, "i between 1 and 'x'", 0, 19, "<= cannot compare");
    table_close(&t);
}
END_TEST

START_TEST(like)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "s like 'apple'", "T|F|null|F|F|F");
    EXPECT(&t, "s like ''", "F|T|null|F|F|F");
    EXPECT(&t, "s like 'a%'", "T|F|null|T|F|F");
    EXPECT(&t, "s like '%e'", "T|F|null|F|T|F");
    EXPECT(&t, "s like '%p%'", "T|F|null|F|F|F");
    EXPECT(&t, "s like '%any byte%'", "F|F|null|T|F|F");
    EXPECT(&t, "s like '%'", "T|T|null|T|T|T");
    EXPECT(&t, "s like '%%'", "T|T|null|T|T|T");
    EXPECT(&t, "s like '____'", "F|F|null|F|T|T");
    EXPECT(&t, "s like '_hre'", "F|F|null|F|T|F");
    EXPECT(&t, "s like '%_r_'", "F|F|null|F|T|F");
    EXPECT(&t, "s like '_%_'", "T|F|null|T|T|T");
    EXPECT(&t, "s like 'a%text%y%s'", "F|F|null|T|F|F");
    EXPECT(&t, "s like 'a%_p%e'", "T|F|null|F|F|F");
    EXPECT(&t, "s like 'app%ple'", "F|F|null|F|F|F");
    EXPECT(&t, "s not like 'a%'", "F|T|null|F|T|T");
    EXPECT(&t, "s like null", "null|null|null|null|null|null");
    EXPECT(&t, "'100' like '1%'", "T|T|T|T|T|T");
    EXPECT_ERROR(&t, "s like u", 7, 1, "the pattern of like has to be a literal");
    EXPECT_ERROR(&t, "i like '1'", 0, 1, "like wants a string, \"i\" is an int");
    table_close(&t);
}
END_TEST

/* The definition, tried in every way. */
static bool is_like(const char *text, const char *pattern)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '%')
        return is_like(text, pattern + 1) || (*text != '\0' && is_like(text + 1, pattern));
    if (*text == '\0' || (*pattern != '_' && *text != *pattern))
        return false;
    text++;
    while (*pattern == '_' && ((unsigned char)*text & 0xc0) == 0x80)
        text++;
    return is_like(text, pattern + 1);
}

static void random_text(ds_random *random, const char *const *parts, uint64_t n_parts, char *text)
{
    *text = '\0';
    for (uint64_t n = ds_random_below(random, 10); n > 0; n--)
        strcat(text, parts[ds_random_below(random, n_parts)]);
}

START_TEST(like_as_defined)
{
    static const char *const parts[] = {"a", "b", "\xc3\xa4", "_", "%"};
    expr_table t;
    ds_random random;
    uint32_t n_alike = 0;
    table_open(&t);
    ds_random_init(&random, 3);
    for (int round = 0; round < 5000; round++) {
        char text[64], pattern[64];
        random_text(&random, parts, 3, text);
        random_text(&random, parts, 5, pattern);
        bool alike = is_like(text, pattern);
        char *expression = ds_arena_printf(t.arena, "'%s' like '%s'", text, pattern);
        ds_expr *expr = table_bind(&t, expression);
        t.text.length = 0;
        ds_expr_print(expr, &t.text);
        ck_assert_msg(strcmp(ds_buffer_text(&t.text), alike ? "true" : "false") == 0, "%s",
                      expression);
        n_alike += alike;
    }
    ck_assert_uint_gt(n_alike, 300);
    table_close(&t);
}
END_TEST

START_TEST(texts_have_a_limit)
{
    expr_table t;
    table_open(&t);
    uint32_t length = 9u << 20;
    char *text = memset(ds_arena_alloc(t.arena, length), 'x', length);
    ds_view view = ds_view_at(text, length, ds_heap_add(&t.heap, text), 0);
    ((ds_view *)t.chunk.columns[6]->values)[3] = view;
    EXPECT(&t, "(s || s) = s", "F|T|null|!|F|F");
    EXPECT(&t, "(s || 'x') = s", "F|F|null|F|F|F");
    table_close(&t);
}
END_TEST

START_TEST(concatenation)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "s || '!'", "apple!|!|null|a text of many bytes!|\xc3\xa4hre!|100%!");
    EXPECT(&t, "s || '-' || u",
           "apple-Apple|-a%|null|a text of many bytes-a text of many bytez|\xc3\xa4hre-\xc3\xa4hre|"
           "null");
    EXPECT(&t, "'literals of more ' || 'than twelve bytes'",
           "literals of more than twelve bytes|literals of more than twelve bytes|"
           "literals of more than twelve bytes|literals of more than twelve bytes|"
           "literals of more than twelve bytes|literals of more than twelve bytes");
    EXPECT(&t, "s || null", "null|null|null|null|null|null");
    EXPECT(&t, "null || null", "null|null|null|null|null|null");
    EXPECT(&t, "l || l", "[1,2,1,2]|[]|null|[3,null,3,null]|[1,2,1,2]|[7,7]");
    EXPECT_ERROR(&t, "s || i", 5, 1, "|| wants strings or lists, \"i\" is an int");
    EXPECT_ERROR(&t, "s || l", 5, 1, "|| wants values of one type");
    table_close(&t);
}
END_TEST

START_TEST(casts_of_numbers)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "cast(i as float)", "1|-2|null|9.22337203685478e+18|0|7");
    EXPECT(&t, "cast(f as int)", "1|-2|null|!|0|100");
    EXPECT(&t, "cast(9223372036854775807.0 as int)", "!|!|!|!|!|!");
    EXPECT(&t, "cast(-9223372036854775808.0 as int)",
           "-9223372036854775808|-9223372036854775808|-9223372036854775808|-9223372036854775808|"
           "-9223372036854775808|-9223372036854775808");
    EXPECT(&t, "cast(i as bool)", "T|T|null|T|F|T");
    EXPECT(&t, "cast(b as int)", "1|0|null|1|0|1");
    EXPECT(&t, "cast(j as timestamp)", "2|3|5|-1|0|null");
    EXPECT(&t, "cast(i as timestamp)", "1|-2|null|!|0|7");
    EXPECT(&t, "cast(t as int)",
           "1767225600000000|0|null|253402300799999999|-62135596800000000|1767225601000000");
    EXPECT(&t, "cast(i as int)", "1|-2|null|9223372036854775807|0|7");
    EXPECT(&t, "cast(null as int)", "null|null|null|null|null|null");
    EXPECT(&t, "CAST(i AS INT)", "1|-2|null|9223372036854775807|0|7");
    table_close(&t);
}
END_TEST

START_TEST(casts_of_text)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "cast(i as string)", "1|-2|null|9223372036854775807|0|7");
    EXPECT(&t, "cast(f as string)", "1.5|-2.5|null|1e+308|0.0|100.25");
    EXPECT(&t, "cast(b as string)", "true|false|null|true|false|true");
    EXPECT(&t, "cast(s as string)", "apple||null|a text of many bytes|\xc3\xa4hre|100%");
    EXPECT(&t, "cast(cast(i as string) as int)", "1|-2|null|9223372036854775807|0|7");
    EXPECT(&t, "cast(s as int)", "null|null|null|null|null|null");
    EXPECT(&t, "cast('99999999999999999999' as int)", "null|null|null|null|null|null");
    EXPECT(&t, "cast(cast(f as string) as float)", "1.5|-2.5|null|1e+308|0|100.25");
    EXPECT(&t, "cast(cast(b as string) as bool)", "T|F|null|T|F|T");
    EXPECT(&t, "cast('TRUE' as bool)", "T|T|T|T|T|T");
    EXPECT(&t, "cast('1970-01-01T00:00:01Z' as timestamp)",
           "1000000|1000000|1000000|1000000|1000000|1000000");
    EXPECT(&t, "cast(s as timestamp)", "null|null|null|null|null|null");
    EXPECT_ERROR(&t, "cast(l as string)", 5, 1,
                 "\"l\" is a list<int>, which cannot be cast to string");
    EXPECT_ERROR(&t, "cast(b as float)", 5, 1, "\"b\" is a bool, which cannot be cast to float");
    EXPECT_ERROR(&t, "cast(t as float)", 5, 1, "cannot be cast");
    EXPECT_ERROR(&t, "cast(i as list)", 10, 4, "cast goes to bool, int, float");
    table_close(&t);
}
END_TEST

START_TEST(choices)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "case when b then i else j end", "1|3|5|9223372036854775807|0|7");
    EXPECT(&t, "case when b then i end", "1|null|null|9223372036854775807|null|7");
    EXPECT(&t, "case when b then i when c then f else 0.5 end",
           "1|-2.5|0.5|9.22337203685478e+18|0.5|7");
    EXPECT(&t, "case i when 1 then 'one' when j then 'j' else s end",
           "one||null|a text of many bytes|j|100%");
    EXPECT(&t, "case null when null then 1 else 2 end", "2|2|2|2|2|2");
    EXPECT(&t, "if(b, s, 'a literal of many bytes')",
           "apple|a literal of many bytes|a literal of many bytes|a text of many bytes|"
           "a literal of many bytes|100%");
    EXPECT(&t, "if(null, 1, 2)", "2|2|2|2|2|2");
    EXPECT(&t, "if(b, b, c)", "T|T|null|T|null|T");
    EXPECT(&t, "if(b, l, l || l)", "[1,2]|[]|null|[3,null]|[1,2,1,2]|[7]");
    EXPECT(&t, "coalesce(i, j, 3)", "1|-2|5|9223372036854775807|0|7");
    EXPECT(&t, "coalesce(n, j, f)", "2|3|5|-1|0|100.25");
    EXPECT(&t, "coalesce(s, 'none')", "apple||none|a text of many bytes|\xc3\xa4hre|100%");
    EXPECT(&t, "coalesce(null, i)", "1|-2|null|9223372036854775807|0|7");
    EXPECT(&t, "nullif(i, j)", "1|-2|null|9223372036854775807|null|7");
    EXPECT(&t, "nullif(i, 7.0)", "1|-2|null|9223372036854775807|0|null");
    EXPECT(&t, "nullif(s, '')", "apple|null|null|a text of many bytes|\xc3\xa4hre|100%");
    EXPECT_ERROR(&t, "if(b, 1, 'x')", 9, 3,
                 "if wants values of one type: 1 is an int, 'x' is a string");
    EXPECT_ERROR(&t, "case when i then 1 end", 10, 1, "case wants a condition (bool)");
    EXPECT_ERROR(&t, "case when b then 1 else s end", 24, 1, "case wants values of one type");
    EXPECT_ERROR(&t, "nullif(i, s)", 0, 12, "= cannot compare");
    table_close(&t);
}
END_TEST

START_TEST(extremes_pass_over_nulls)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "greatest(i, j)", "2|3|5|9223372036854775807|0|7");
    EXPECT(&t, "least(i, j, 1)", "1|-2|1|-1|0|1");
    EXPECT(&t, "greatest(i, f)", "1.5|-2|null|1e+308|0|100.25");
    EXPECT(&t, "least(s, u)", "Apple||null|a text of many bytes|\xc3\xa4hre|100%");
    EXPECT(&t, "greatest(s, u)", "apple|a%|null|a text of many bytez|\xc3\xa4hre|100%");
    EXPECT(&t, "greatest(b, c)", "T|T|null|T|F|T");
    EXPECT(&t, "least(b, c)", "T|F|null|T|F|F");
    EXPECT(&t, "least(t, batch_time())", "1000000|0|1000000|1000000|-62135596800000000|1000000");
    EXPECT(&t, "least(f, g)", "0.5|-2.5|2|1e+308|0|100.25");
    EXPECT(&t, "greatest(n, null)", "null|null|null|null|null|null");
    EXPECT_ERROR(&t, "greatest(i, s)", 12, 1, "greatest wants values of one type");
    EXPECT_ERROR(&t, "least(l)", 0, 8, "least cannot compare list<int>s");
    table_close(&t);
}
END_TEST

UNIT_MAIN("operators", ints_add_and_overflow, ints_divide, floats_are_finite_or_null, times,
          wrong_times, numbers_compare, other_values_compare, nulls_are_distinct_or_not,
          three_valued_logic, between_and_in, like, like_as_defined, texts_have_a_limit,
          concatenation, casts_of_numbers, casts_of_text, choices, extremes_pass_over_nulls)
