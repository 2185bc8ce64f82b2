/* Expressions as text: precedence, what is printed, errors and where they stand, limits. */
#include "columnar/expr.h"

#include "base/buffer.h"
#include "unit/unit.h"

#include <string.h>

static ds_arena *arena;
static ds_expr_error error;
static ds_buffer printed;

static void setup(void)
{
    arena = ds_arena_new(NULL);
    printed = (ds_buffer){0};
}

static void teardown(void)
{
    ds_buffer_fini(&printed);
    ds_arena_free(arena);
}

static const char *print_of(const char *text)
{
    ds_expr *expr;
    ds_status status = ds_expr_parse(arena, text, strlen(text), &expr, &error);
    ck_assert_msg(status == DS_OK, "%s: %s", text, error.message);
    printed.length = 0;
    ds_expr_print(expr, &printed);
    return ds_buffer_text(&printed);
}

/* Expects the canonical text, and that it reads back as itself. */
static void prints(const char *text, const char *canonical)
{
    ck_assert_str_eq(print_of(text), canonical);
    char *copy = ds_arena_strdup(arena, canonical);
    ck_assert_str_eq(print_of(copy), canonical);
}

static void fails(const char *text, uint32_t offset, uint32_t length, const char *part)
{
    ds_expr *expr;
    ck_assert_msg(ds_expr_parse(arena, text, strlen(text), &expr, &error) == DS_ERR_APP,
                  "%s: no error", text);
    ck_assert_msg(strstr(error.message, part) != NULL, "%s: %s", text, error.message);
    ck_assert_msg(error.offset == offset && error.length == length, "%s: %s at %u, %u", text,
                  error.message, error.offset, error.length);
}

START_TEST(literals)
{
    setup();
    prints("1", "1");
    prints("-1", "-1");
    prints("2.5", "2.5");
    prints(".5", "0.5");
    prints("5.", "5.0");
    prints("1e3", "1000.0");
    prints("-2.5E-1", "-0.25");
    prints("'it''s'", "'it''s'");
    prints("'back\\slash \"quote\"'", "'back\\slash \"quote\"'");
    prints("''", "''");
    prints("TRUE", "true");
    prints("False", "false");
    prints("NULL", "null");
    prints("interval '5m'", "interval '5m'");
    prints("INTERVAL '60s'", "interval '1m'");
    prints("interval '1500ms'", "interval '1500ms'");
    prints("interval '48h'", "interval '2d'");
    prints("9223372036854775807", "9223372036854775807");
    prints("-9223372036854775808", "-9223372036854775808");
    teardown();
}
END_TEST

START_TEST(names)
{
    setup();
    prints("status", "status");
    prints("Status_2", "Status_2");
    prints("\"odd name\"", "\"odd name\"");
    prints("\"a\"\"b\"", "\"a\"\"b\"");
    prints("\"plain\"", "plain");
    prints("\"Order\"", "Order");
    prints("\"case\"", "\"case\"");
    prints("\"NULL\"", "\"NULL\"");
    prints("größe", "größe");
    prints("b.x", "b.x");
    prints("\"b\".\"x\"", "b.x");
    prints("\"b.x\"", "\"b.x\"");
    prints("a . b . c", "a.\"b.c\"");
    prints("\"odd name\".x", "\"odd name\".x");
    prints("interval", "interval");
    prints("filter + first", "filter + first");
    teardown();
}
END_TEST

START_TEST(precedence)
{
    setup();
    prints("a or b and not c = d || e + f * -g", "a or b and not c = d || e + f * -g");
    prints("((((a or b) and (not c)) = d) || e)", "(((a or b) and not c) = d) || e");
    prints("(a + b) * c", "(a + b) * c");
    prints("a + (b * c)", "a + b * c");
    prints("a - b - c", "a - b - c");
    prints("a - (b - c)", "a - (b - c)");
    prints("a / b * c % d", "a / b * c % d");
    prints("a / (b * c)", "a / (b * c)");
    prints("-(-a)", "--a");
    prints("-(1)", "-(1)");
    prints("- -1", "-(-1)");
    prints("-(a + b)", "-(a + b)");
    prints("- a * b", "-a * b");
    prints("-(a * b)", "-(a * b)");
    prints("not a = b", "not a = b");
    prints("(not a) = b", "(not a) = b");
    prints("not (a and b)", "not (a and b)");
    prints("a and (b and c)", "a and (b and c)");
    prints("(a or b) or c", "(a or b) or c");
    prints("a or b or c", "a or b or c");
    prints("a || b || c", "a || b || c");
    prints("a || (b || c)", "a || (b || c)");
    prints("a + b || c + d", "a + b || c + d");
    prints("(a || b) + c", "(a || b) + c");
    prints("a = b and c <> d", "a = b and c != d");
    prints("(a = b) = c", "(a = b) = c");
    prints("a--1", "a - -1");
    teardown();
}
END_TEST

START_TEST(forms)
{
    setup();
    prints("a IS NULL", "a is null");
    prints("a is not null and b", "a is not null and b");
    prints("a is distinct from b + 1", "a is distinct from b + 1");
    prints("a is not Distinct From b", "a is not distinct from b");
    prints("a between 1 and 2 and c", "a between 1 and 2 and c");
    prints("a not between b - 1 and b + 1", "not a between b - 1 and b + 1");
    prints("a in (1, 'x', b or c)", "a in (1, 'x', b or c)");
    prints("a not in (1)", "not a in (1)");
    prints("a like '%x_'", "a like '%x_'");
    prints("a not like 'x'", "not a like 'x'");
    prints("case when a then 1 when b then 2 else 3 end",
           "case when a then 1 when b then 2 else 3 end");
    prints("case a when 1 then 'x' end", "case a when 1 then 'x' end");
    prints("case when a then b else null end", "case when a then b end");
    prints("cast(a as Int)", "cast(a as int)");
    prints("Substr(s, 1, 2)", "substr(s, 1, 2)");
    prints("now ( )", "now()");
    prints("count(*)", "count(*)");
    prints("count(*) filter (where a > 1 and b)", "count(*) filter (where a > 1 and b)");
    prints("sum(a) Filter(Where b) / 2", "sum(a) filter (where b) / 2");
    prints("extract(Hour from t)", "extract('hour', t)");
    prints("extract('hour', t)", "extract('hour', t)");
    prints("extract(unit, t)", "extract(unit, t)");
    teardown();
}
END_TEST

START_TEST(syntax_errors)
{
    setup();
    fails("", 0, 1, "an expression is missing");
    fails("  \n", 0, 3, "an expression is missing");
    fails("a b", 2, 1, "an operator is missing before this");
    fails("a +", 3, 1, "the expression ends where a value should follow");
    fails("(a", 2, 1, "the expression ends where ) should follow");
    fails("f(a", 3, 1, "the expression ends where , or ) should follow");
    fails("f(a b)", 4, 1, ", or ) is missing before this");
    fails("a)", 1, 1, "an operator is missing");
    fails("+ a", 0, 1, "a value is missing before this");
    fails("a = b = c", 6, 1, "comparisons do not chain");
    fails("a < b is null", 6, 2, "comparisons do not chain");
    fails("a between 1 and 2 in (1)", 18, 2, "comparisons do not chain");
    fails("a = not b", 4, 3, "not binds weaker than this place");
    fails("a not b", 6, 1, "in, between or like is missing");
    fails("a is b", 5, 1, "null, not null or distinct from is missing");
    fails("a is distinct b", 14, 1, "from is missing");
    fails("a in 1", 5, 1, "( is missing");
    fails("a in ()", 6, 1, "a value is missing");
    fails("a between 1 or 2", 12, 2, "and is missing");
    fails("case a end", 7, 3, "when is missing");
    fails("case when a end", 12, 3, "then is missing");
    fails("case when a then b", 18, 1, "the expression ends where end should follow");
    fails("cast(a)", 6, 1, "as is missing");
    fails("cast(a as text)", 10, 4, "cast goes to bool, int, float, string or timestamp");
    fails("and a", 0, 3,
          "a value is missing before and (a column of that name is written \"and\")");
    fails("a.1", 1, 2, "an operator is missing");
    fails("a. + b", 3, 1, "a column's name is missing");
    fails("count(distinct x)", 6, 8, "use count_distinct(x)");
    fails("sum(x) filter (x)", 15, 1, "where is missing");
    teardown();
}
END_TEST

START_TEST(lexical_errors)
{
    setup();
    fails("'abc", 0, 4, "the string does not end");
    fails("a = 'it''s", 4, 6, "the string does not end");
    fails("\"abc", 0, 4, "the quoted name does not end");
    fails("\"\"", 0, 2, "a name cannot be empty");
    fails("1abc", 0, 4, "this is not a number");
    fails("1.2.3", 0, 5, "this is not a number");
    fails("0x10", 0, 4, "this is not a number");
    fails("1e999", 0, 5, "the number is out of range");
    fails("9223372036854775808", 0, 19, "an int lies between");
    fails("a - -9223372036854775809", 4, 20, "an int lies between");
    fails("a == b", 2, 2, "use = to compare");
    fails("a && b", 2, 2, "use and");
    fails("a | b", 2, 1, "use || to join");
    fails("!a", 0, 1, "use not");
    fails("a; b", 1, 1, "does not end with ;");
    fails("a ? b", 2, 1, "does not belong");
    fails("`a`", 0, 1, "names are quoted with");
    fails("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", 32, 1, "too many parts");
    ds_expr *expr;
    ck_assert_int_eq(ds_expr_parse(arena, "a\0b", 3, &expr, &error), DS_ERR_APP);
    ck_assert_uint_eq(error.offset, 1);
    ck_assert_int_eq(ds_expr_parse(arena, "a +", 3, &expr, NULL), DS_ERR_APP);
    teardown();
}
END_TEST

/* before, n times part, then after. */
static const char *repeat(const char *before, const char *part, uint32_t n, const char *after)
{
    printed.length = 0;
    ds_buffer_append_text(&printed, before);
    for (uint32_t i = 0; i < n; i++)
        ds_buffer_append_text(&printed, part);
    ds_buffer_append_text(&printed, after);
    return ds_arena_strdup(arena, ds_buffer_text(&printed));
}

static ds_status parse(const char *text)
{
    ds_expr *expr;
    return ds_expr_parse(arena, text, strlen(text), &expr, &error);
}

START_TEST(limits)
{
    setup();
    ck_assert_int_eq(parse(repeat("a", " + a", 400, "")), DS_OK);
    ck_assert_int_eq(parse(repeat("a", " + a", 600, "")), DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(error.message, "nested too deeply"));
    ck_assert_int_eq(parse(repeat("a", " and a", 5000, "")), DS_OK);
    ck_assert_int_eq(parse(repeat("a", " || a", 5000, "")), DS_OK);
    ck_assert_int_eq(parse(repeat("a", " and a", 20000, "")), DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(error.message, "too large"));
    ck_assert_int_eq(parse(repeat("", "not ", 150, "a")), DS_OK);
    const char *const deep[] = {"(", "not ", "- ", "f(", "case when ", "cast(", "a in ("};
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        ck_assert_int_eq(parse(repeat("", deep[i], 20000, "")), DS_ERR_APP);
        ck_assert_ptr_nonnull(strstr(error.message, "nested too deeply"));
    }
    ck_assert_int_eq(parse(repeat("'", "x", 300000, "'")), DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(error.message, "longer than"));
    teardown();
}
END_TEST

START_TEST(orders)
{
    setup();
    ds_order_item *items;
    uint32_t n;
    const char text[] = "n desc, word, a + b asc, c nulls first, d desc nulls last, e DESC Nulls "
                        "First, desc";
    ck_assert_int_eq(ds_order_parse(arena, text, strlen(text), &items, &n, &error), DS_OK);
    ck_assert_uint_eq(n, 7);
    const bool descending[] = {true, false, false, false, true, true, false};
    const bool nulls_first[] = {true, false, false, true, false, true, false};
    const char *const shown[] = {"n", "word", "a + b", "c", "d", "e", "desc"};
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_int_eq(items[i].descending, descending[i]);
        ck_assert_int_eq(items[i].nulls_first, nulls_first[i]);
        printed.length = 0;
        ds_expr_print(items[i].expr, &printed);
        ck_assert_str_eq(ds_buffer_text(&printed), shown[i]);
    }
    static const struct {
        const char *text;
        uint32_t offset;
        const char *part;
    } wrong[] = {{"", 0, "missing"},
                 {"n desc,", 7, "a value should follow"},
                 {"n down", 2, "a comma, asc, desc or nulls"},
                 {"n desc asc", 7, "a comma, asc, desc or nulls"},
                 {"n nulls", 7, "first or last should follow"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(
            ds_order_parse(arena, wrong[i].text, strlen(wrong[i].text), &items, &n, &error),
            DS_ERR_APP);
        ck_assert_uint_eq(error.offset, wrong[i].offset);
        ck_assert_ptr_nonnull(strstr(error.message, wrong[i].part));
    }
    teardown();
}
END_TEST

UNIT_MAIN("expr_parse", literals, names, precedence, forms, syntax_errors, lexical_errors, limits,
          orders)
