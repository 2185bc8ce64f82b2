/* Mathematical functions over the rows of expr_table.h. */
#include "unit/expr_table.h"

#include <stdio.h>

/* Expects one value for every row: of an expression of literals. */
static void same(expr_table *t, const char *expression, const char *value)
{
    char all[512];
    snprintf(all, sizeof all, "%s|%s|%s|%s|%s|%s", value, value, value, value, value, value);
    EXPECT(t, expression, all);
}

START_TEST(abs_and_sign)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "abs(i)", "1|2|null|9223372036854775807|0|7");
    EXPECT(&t, "abs(-i - 1)", "2|1|null|!|1|8");
    EXPECT(&t, "abs(f)", "1.5|2.5|null|1e+308|0|100.25");
    EXPECT(&t, "sign(i)", "1|-1|null|1|0|1");
    EXPECT(&t, "sign(f)", "1|-1|null|1|0|1");
    EXPECT(&t, "sign(g)", "1|0|1|1|0|null");
    EXPECT(&t, "abs(null)", "null|null|null|null|null|null");
    EXPECT_ERROR(&t, "abs(s)", 4, 1, "abs wants a number");
    EXPECT_ERROR(&t, "sign(b)", 5, 1, "sign wants a number");
    table_close(&t);
}
END_TEST

START_TEST(to_whole_numbers)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "round(f)", "2|-3|null|!|0|100");
    EXPECT(&t, "floor(f)", "1|-3|null|!|0|100");
    EXPECT(&t, "ceil(f)", "2|-2|null|!|0|101");
    EXPECT(&t, "round(i)", "1|-2|null|9223372036854775807|0|7");
    EXPECT(&t, "ceil(i)", "1|-2|null|9223372036854775807|0|7");
    same(&t, "round(0.5)", "1");
    same(&t, "round(-0.5)", "-1");
    same(&t, "round(0.49999999999999994)", "0");
    same(&t, "round(2.5)", "3");
    same(&t, "round(9223372036854774784.0)", "9223372036854774784");
    same(&t, "round(-9223372036854775808.0)", "-9223372036854775808");
    same(&t, "floor(9223372036854775808.0)", "!");
    same(&t, "floor(null)", "null");
    EXPECT_ERROR(&t, "floor(t)", 6, 1, "floor wants a number");
    table_close(&t);
}
END_TEST

START_TEST(round_to_places)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "round(f, 1)", "1.5|-2.5|null|1e+308|0|100.3");
    EXPECT(&t, "round(f, 0)", "2|-3|null|1e+308|0|100");
    EXPECT(&t, "round(f, -1)", "0|-0|null|1e+308|0|100");
    EXPECT(&t, "round(f, j)", "1.5|-2.5|null|1e+308|0|null");
    same(&t, "round(2.675, 2)", "2.67");
    same(&t, "round(1.005, 2)", "1");
    same(&t, "round(0.125, 2)", "0.13");
    same(&t, "round(-0.125, 2)", "-0.13");
    same(&t, "round(0.375, 2)", "0.38");
    same(&t, "round(2.5, 0)", "3");
    same(&t, "round(1234.5678, 2)", "1234.57");
    same(&t, "round(1234.5678, -2)", "1200");
    same(&t, "round(1250.0, -2)", "1300");
    same(&t, "round(49.5, -2)", "0");
    same(&t, "round(50.0, -2)", "100");
    same(&t, "round(-60.0, -2)", "-100");
    same(&t, "round(9.5, -3)", "0");
    same(&t, "round(999.5, -1)", "1000");
    same(&t, "round(0.99999999999999999999, 30)", "1");
    same(&t, "round(4503599627370495.5, 1)", "4.5035996273705e+15");
    same(&t, "round(0.15, 1)", "0.1");
    same(&t, "round(0.25, 1)", "0.3");
    same(&t, "round(1e-10, 5)", "0");
    same(&t, "round(123456789.123456789, 300)", "123456789.123457");
    same(&t, "round(1.5, 9223372036854775807)", "1.5");
    same(&t, "round(1.5, -9223372036854775807 - 1)", "0");
    same(&t, "round(1.7976931348623157e308, -308)", "null");
    same(&t, "round(5e-324, 323)", "0");
    same(&t, "round(1.7e22, 22)", "1.7e+22");
    table_close(&t);
}
END_TEST

START_TEST(round_ints_to_tens)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "round(i, 1)", "1|-2|null|9223372036854775807|0|7");
    EXPECT(&t, "round(i, -1)", "0|0|null|!|0|10");
    same(&t, "round(15, -1)", "20");
    same(&t, "round(-15, -1)", "-20");
    same(&t, "round(14, -1)", "10");
    same(&t, "round(9223372036854775800, -1)", "9223372036854775800");
    same(&t, "round(-9223372036854775808, -1)", "!");
    same(&t, "round(-9223372036854775804, -1)", "-9223372036854775800");
    same(&t, "round(4999999999999999999, -19)", "0");
    same(&t, "round(5000000000000000000, -19)", "!");
    same(&t, "round(9223372036854775807, -20)", "0");
    same(&t, "round(9223372036854775807, -9223372036854775807)", "0");
    EXPECT_ERROR(&t, "round(i, 1.5)", 9, 3, "round wants an int, 1.5 is a float");
    table_close(&t);
}
END_TEST

START_TEST(powers_and_logarithms)
{
    expr_table t;
    table_open(&t);
    EXPECT(&t, "sqrt(f)", "1.22474487139159|null|null|1e+154|0|10.0124921972504");
    EXPECT(&t, "ln(f)", "0.405465108108164|null|null|709.196208642166|null|4.60766706618668");
    EXPECT(&t, "exp(g)", "1.64872127070013|1|7.38905609893065|null|1|null");
    EXPECT(&t, "power(f, 2)", "2.25|6.25|null|null|0|10050.0625");
    EXPECT(&t, "power(f, g)", "1.22474487139159|1|null|null|1|null");
    EXPECT(&t, "power(i, j)", "1|-8|null|1.0842021724855e-19|1|null");
    EXPECT(&t, "sqrt(i)", "1|null|null|3037000499.97605|0|2.64575131106459");
    same(&t, "log10(1000)", "3");
    same(&t, "log10(0)", "null");
    same(&t, "ln(-1)", "null");
    same(&t, "power(-8, 0.5)", "null");
    same(&t, "power(0, -1)", "null");
    same(&t, "exp(1000)", "null");
    same(&t, "mod(-7, 3)", "-1");
    same(&t, "mod(7.5, -2)", "1.5");
    same(&t, "mod(7, 0)", "null");
    EXPECT_ERROR(&t, "power(2, s)", 9, 1, "power wants a number");
    EXPECT_ERROR(&t, "mod(s, 1)", 4, 1, "wants numbers");
    table_close(&t);
}
END_TEST

UNIT_MAIN("functions_math", abs_and_sign, to_whole_numbers, round_to_places, round_ints_to_tens,
          powers_and_logarithms)
