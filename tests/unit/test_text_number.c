/* Ints, floats and bools as text and back. */
#include "base/random.h"
#include "columnar/text.h"
#include "columnar/text_shortest.h"

#include "unit/unit.h"

#include <math.h>
#include <stdio.h>

static const char *float_text(double value)
{
    static char text[DS_FLOAT_TEXT + 1];
    size_t n = ds_format_float(value, text);
    ck_assert_uint_lt(n, DS_FLOAT_TEXT);
    text[n] = '\0';
    return text;
}

static double read_float(const char *text)
{
    double value = NAN;
    ck_assert_msg(ds_parse_float(text, strlen(text), &value), "%s", text);
    return value;
}

static bool is_float(const char *text)
{
    double value;
    return ds_parse_float(text, strlen(text), &value);
}

START_TEST(floats_have_the_documented_layout)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {2.0, "2.0"},
        {-2.5, "-2.5"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e-4, "0.0001"},
        {1.5e-4, "0.00015"},
        {0.00012345678901234567, "0.00012345678901234567"},
        {9.99e-5, "9.99e-05"},
        {1e-5, "1e-05"},
        {1e-7, "1e-07"},
        {1e15, "1000000000000000.0"},
        {123456789012345.6, "123456789012345.6"},
        {9007199254740991.0, "9007199254740991.0"},
        {9007199254740992.0, "9007199254740992.0"},
        {9007199254740994.0, "9007199254740994.0"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e16, "1e+16"},
        {1.5e16, "1.5e+16"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {1.5e300, "1.5e+300"},
        {1e-100, "1e-100"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {2.225073858507201e-308, "2.225073858507201e-308"},
        {5e-324, "5e-324"},
        {1.5e-323, "1.5e-323"},
        {4.35, "4.35"},
        {100.0, "100.0"},
        {123.0, "123.0"},
        {5e20, "5e+20"},
        {9.5367431640625e-07, "9.5367431640625e-07"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(float_text(cases[i].value), cases[i].text);
    ck_assert_str_eq(float_text(INFINITY), "inf");
    ck_assert_str_eq(float_text(-INFINITY), "-inf");
}
END_TEST

/* The fewest digits of which printf makes a text that strtod reads back. */
static int fewest_digits(double value)
{
    char text[64];
    for (int digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            return digits;
    }
    return 17;
}

static int digits_of(double value)
{
    int power;
    uint64_t significand = ds_float_shortest(value, &power);
    while (significand % 10 == 0)
        significand /= 10;
    int n = 0;
    for (; significand != 0; significand /= 10)
        n++;
    return n;
}

static void check_round_trip(double value)
{
    char text[DS_FLOAT_TEXT + 1];
    size_t n = ds_format_float(value, text);
    text[n] = '\0';
    double back;
    ck_assert(ds_parse_float(text, n, &back));
    ck_assert_msg(memcmp(&back, &value, sizeof value) == 0, "%a became %s", value, text);
    ck_assert_msg(strtod(text, NULL) == value, "%a became %s", value, text);
    if (value != 0)
        ck_assert_msg(digits_of(fabs(value)) <= fewest_digits(value), "%a became %s", value, text);
}

START_TEST(random_floats_survive_and_are_shortest)
{
    ds_random random;
    ds_random_init(&random, 11);
    for (int i = 0; i < 60000; i++) {
        uint64_t bits = ds_random_next(&random);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_round_trip(value);
    }
}
END_TEST

START_TEST(everyday_floats_survive_and_are_shortest)
{
    ds_random random;
    ds_random_init(&random, 12);
    for (int i = 0; i < 20000; i++) {
        double value = (double)(int64_t)(ds_random_next(&random) >> (10 + i % 50));
        check_round_trip(value / 100);
        check_round_trip(-value / 8192);
        check_round_trip(value * 3.7);
    }
    for (int exponent = -1074; exponent < 1024; exponent++) {
        double power = ldexp(1, exponent);
        check_round_trip(power);
        check_round_trip(nextafter(power, 0));
        check_round_trip(nextafter(power, INFINITY) < INFINITY ? nextafter(power, INFINITY) : 1);
    }
}
END_TEST

START_TEST(of_the_shortest_the_nearest_is_taken)
{
    /* printf rounds correctly: with as many digits it says the same. */
    ds_random random;
    ds_random_init(&random, 13);
    int different = 0;
    for (int i = 0; i < 30000; i++) {
        double value = ds_random_unit(&random) * 1e5;
        if (value == 0)
            continue;
        int power;
        uint64_t significand = ds_float_shortest(value, &power);
        char expected[64], text[64];
        snprintf(expected, sizeof expected, "%.*e", fewest_digits(value) - 1, value);
        snprintf(text, sizeof text, "%llue%d", (unsigned long long)significand, power);
        different += strtod(text, NULL) != strtod(expected, NULL);
        while (significand % 10 == 0)
            significand /= 10;
        snprintf(text, sizeof text, "%llu", (unsigned long long)significand);
        size_t at = 0; /* the expected digits without point, zeros and exponent */
        for (const char *c = expected; *c != 'e'; c++)
            if (*c != '.')
                expected[at++] = *c;
        expected[at] = '\0';
        ck_assert_str_eq(text, expected);
    }
    ck_assert_int_eq(different, 0);
}
END_TEST

START_TEST(floats_are_read_as_documented)
{
    ck_assert_double_eq(read_float("1"), 1);
    ck_assert_double_eq(read_float("+1"), 1);
    ck_assert_double_eq(read_float("-1.5"), -1.5);
    ck_assert_double_eq(read_float(".5"), 0.5);
    ck_assert_double_eq(read_float("5."), 5);
    ck_assert_double_eq(read_float("5.e1"), 50);
    ck_assert_double_eq(read_float("1e3"), 1000);
    ck_assert_double_eq(read_float("1E+3"), 1000);
    ck_assert_double_eq(read_float("1e-3"), 0.001);
    ck_assert_double_eq(read_float("0001.250"), 1.25);
    ck_assert_double_eq(read_float("1e-400"), 0);
    ck_assert_double_eq(read_float("0e99999999999999999999999"), 0);
    ck_assert_double_eq(read_float("1e-99999999999999999999999"), 0);
    ck_assert_double_eq(read_float("9007199254740993"), 9007199254740992.0);
    ck_assert_double_eq(read_float("9007199254740993.00000000000000000001"), 9007199254740994.0);
    ck_assert_double_eq(read_float("18446744073709551616"), 18446744073709551616.0);
    ck_assert_double_eq(read_float("1.7976931348623157e308"), 1.7976931348623157e308);
    ck_assert_double_eq(read_float("2.2250738585072011e-308"), 2.2250738585072011e-308);
    ck_assert(signbit(read_float("-0")));
    ck_assert(signbit(read_float("-0.0e5")));
}
END_TEST

START_TEST(what_is_no_float_is_refused)
{
    static const char *const bad[] = {
        "",
        "+",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        ".e1",
        "1.2.3",
        " 1",
        "1 ",
        "1,5",
        "0x10",
        "inf",
        "nan",
        "INF",
        "-inf",
        "infinity",
        "1e5x",
        "1e5.0",
        "1e400",
        "-1e400",
        "--1",
        "+-1",
        "1_000",
        "1e+-3",
        "1f",
        "1.7976931348623159e308",
        "1e99999999999999999999",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!is_float(bad[i]), "%s", bad[i]);
    double value;
    ck_assert(!ds_parse_float("1\0", 2, &value));
}
END_TEST

START_TEST(very_long_digits_are_exact)
{
    /* The exact middle between 1 and the next float rounds to even; a last digit decides. */
    char text[3000];
    int n = snprintf(text, sizeof text, "1.00000000000000011102230246251565404236316680908203125");
    ck_assert_double_eq(read_float(text), 1.0);
    memset(text + n, '0', 2500);
    text[n + 2500] = '\0';
    ck_assert_double_eq(read_float(text), 1.0);
    text[n + 2499] = '1';
    ck_assert_double_eq(read_float(text), 1.0000000000000002);

    char *many = malloc(200011);
    memset(many, '0', 200000);
    memcpy(many + 200000, "7e0", 4);
    ck_assert_double_eq(read_float(many), 7);
    many[1] = '.';
    memcpy(many + 200000, "7e199999", 9);
    ck_assert_double_eq(read_float(many), 7);
    memset(many, '9', 200000);
    many[200000] = '\0';
    ck_assert(!is_float(many));
    memcpy(many + 200000, "e-200000", 9);
    ck_assert_double_eq(read_float(many), 1);
    free(many);
}
END_TEST

START_TEST(random_texts_are_read_as_strtod_reads_them)
{
    ds_random random;
    ds_random_init(&random, 14);
    for (int i = 0; i < 50000; i++) {
        char text[64];
        uint64_t whole = ds_random_next(&random) >> ds_random_below(&random, 64);
        uint64_t part = ds_random_next(&random) >> ds_random_below(&random, 64);
        int exponent = (int)ds_random_below(&random, 60) - 30;
        snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)whole,
                 (unsigned long long)part, exponent);
        ck_assert_double_eq(read_float(text), strtod(text, NULL));
    }
}
END_TEST

START_TEST(ints_as_text)
{
    static const int64_t values[] = {0, 1, -1, 9, 10, -10, 1234567890, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[32], expected[32];
        text[ds_format_int(values[i], text)] = '\0';
        snprintf(expected, sizeof expected, "%lld", (long long)values[i]);
        ck_assert_str_eq(text, expected);
        int64_t back = 0;
        ck_assert(ds_parse_int(text, strlen(text), &back, NULL));
        ck_assert_int_eq(back, values[i]);
    }
}
END_TEST

START_TEST(text_as_ints)
{
    int64_t value = 0;
    bool overflow = true;
    ck_assert(ds_parse_int("+7", 2, &value, &overflow));
    ck_assert_int_eq(value, 7);
    ck_assert(!overflow);
    ck_assert(ds_parse_int("-0", 2, &value, NULL));
    ck_assert_int_eq(value, 0);
    ck_assert(ds_parse_int("0000000000000000000000000012", 28, &value, NULL));
    ck_assert_int_eq(value, 12);
    static const char *const bad[] = {"", "+", "-", " 1", "1 ", "1.0", "1e3", "0x1", "a", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        overflow = true;
        ck_assert_msg(!ds_parse_int(bad[i], strlen(bad[i]), &value, &overflow), "%s", bad[i]);
        ck_assert_msg(!overflow, "%s", bad[i]);
    }
    static const char *const big[] = {"9223372036854775808", "-9223372036854775809",
                                      "18446744073709551616", "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof big / sizeof *big; i++) {
        overflow = false;
        ck_assert_msg(!ds_parse_int(big[i], strlen(big[i]), &value, &overflow), "%s", big[i]);
        ck_assert_msg(overflow, "%s", big[i]);
    }
    overflow = true;
    ck_assert(!ds_parse_int("99999999999999999999999999x", 27, &value, &overflow));
    ck_assert(!overflow);
}
END_TEST

/* Digit by digit: what ds_parse_int does eight at a time. */
static bool plain_int(const char *text, size_t length, int64_t *value)
{
    size_t at = length > 0 && (text[0] == '+' || text[0] == '-');
    bool negative = at == 1 && text[0] == '-', fine = length > at;
    __int128 number = 0;
    for (; at < length && fine; at++) {
        fine = text[at] >= '0' && text[at] <= '9';
        number = number * 10 + (text[at] - '0');
        fine = fine && number <= (__int128)INT64_MAX + negative;
    }
    *value = (int64_t)(negative ? -number : number);
    return fine;
}

/* At the end of their memory, with any byte in any place. */
START_TEST(ints_are_read_as_digit_by_digit)
{
    ds_random random;
    ds_random_init(&random, 3);
    for (size_t length = 0; length <= 22; length++)
        for (int round = 0; round < 3000; round++) {
            char *text = malloc(length > 0 ? length : 1);
            for (size_t i = 0; i < length; i++)
                text[i] = (char)('0' + ds_random_below(&random, 10));
            if (length > 0 && round % 3 == 0)
                text[ds_random_below(&random, length)] = (char)ds_random_below(&random, 256);
            if (length > 0 && round % 5 == 0)
                text[0] = "+-019"[ds_random_below(&random, 5)];
            int64_t expected, value = 0;
            bool overflow, fine = plain_int(text, length, &expected);
            ck_assert_int_eq(ds_parse_int(text, length, &value, &overflow), fine);
            if (fine)
                ck_assert_int_eq(value, expected);
            free(text);
        }
}
END_TEST

START_TEST(ints_of_all_lengths_survive)
{
    uint64_t power = 1;
    for (int digits = 1; digits <= 19; digits++, power *= 10)
        for (int off = -1; off <= 1; off++)
            for (int sign = -1; sign <= 1; sign += 2) {
                char text[24], expected[24];
                int64_t value = sign * ((int64_t)power + off), back = 0;
                size_t n = ds_format_int(value, text);
                snprintf(expected, sizeof expected, "%lld", (long long)value);
                ck_assert_uint_eq(n, strlen(expected));
                ck_assert_mem_eq(text, expected, n);
                ck_assert(ds_parse_int(text, n, &back, NULL));
                ck_assert_int_eq(back, value);
            }
}
END_TEST

START_TEST(text_as_bools)
{
    bool value = false;
    ck_assert(ds_parse_bool("true", 4, &value) && value);
    ck_assert(ds_parse_bool("TrUe", 4, &value) && value);
    ck_assert(ds_parse_bool("FALSE", 5, &value) && !value);
    ck_assert(!ds_parse_bool("", 0, &value));
    ck_assert(!ds_parse_bool("t", 1, &value));
    ck_assert(!ds_parse_bool("1", 1, &value));
    ck_assert(!ds_parse_bool("true ", 5, &value));
    ck_assert(!ds_parse_bool("false", 4, &value));
}
END_TEST

UNIT_MAIN("text_number", floats_have_the_documented_layout, random_floats_survive_and_are_shortest,
          everyday_floats_survive_and_are_shortest, of_the_shortest_the_nearest_is_taken,
          floats_are_read_as_documented, what_is_no_float_is_refused, very_long_digits_are_exact,
          random_texts_are_read_as_strtod_reads_them, ints_as_text, text_as_ints,
          ints_are_read_as_digit_by_digit, ints_of_all_lengths_survive, text_as_bools)
