/* The small texts of the app file: durations, sizes, addresses, variables. */
#include "base/arena.h"
#include "dstream/address.h"
#include "dstream/units.h"
#include "dstream/variables.h"

#include "unit/app_unit.h"

#include <string.h>

START_TEST(durations)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0ms", 0},
        {"200ms", 200},
        {"10s", 10000},
        {"5m", 300000},
        {"1h", 3600000},
        {"1d", 86400000},
        {"007s", 7000},
        {"1d", 86400000},
        {"9223372036854775807ms", INT64_MAX},
        {"9223372036854775808ms", INT64_MAX},
        {"9223372036854775807s", INT64_MAX},
        {"99999999999999999999999d", INT64_MAX},
    };
    static const char *const bad[] = {"",    "s",  "10",   "10 s", " 10s", "10s ", "-1s",
                                      "+1s", "1S", "1.5s", "1sec", "1w",   "1m1s", "１s"};
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(ds_duration_parse(good[i].text, &ms), "%s", good[i].text);
        ck_assert_int_eq(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!ds_duration_parse(bad[i], &ms), "%s", bad[i]);
}
END_TEST

START_TEST(sizes)
{
    int64_t bytes;
    ck_assert(ds_size_parse("512B", &bytes) && bytes == 512);
    ck_assert(ds_size_parse("64KiB", &bytes) && bytes == 65536);
    ck_assert(ds_size_parse("1MiB", &bytes) && bytes == 1048576);
    ck_assert(ds_size_parse("2GiB", &bytes) && bytes == INT64_C(2147483648));
    ck_assert(ds_size_parse("9999999999999GiB", &bytes) && bytes == INT64_MAX);
    static const char *const bad[] = {"", "1", "1KB", "1kib", "1 KiB", "KiB", "1.5MiB", "1M"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!ds_size_parse(bad[i], &bytes), "%s", bad[i]);
}
END_TEST

START_TEST(units_as_text)
{
    char text[DS_UNIT_TEXT];
    static const struct {
        int64_t value;
        const char *duration, *size;
    } cases[] = {
        {0, "0ms", "0B"},
        {1500, "1500ms", "1500B"},
        {2000, "2s", "2000B"},
        {3600000, "1h", "3600000B"},
        {90000, "90s", "90000B"},
        {65536, "65536ms", "64KiB"},
        {172800000, "2d", "168750KiB"},
        {INT64_C(3) << 30, "3221225472ms", "3GiB"},
        {INT64_MAX, "9223372036854775807ms", "9223372036854775807B"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ds_duration_format(cases[i].value, text);
        ck_assert_str_eq(text, cases[i].duration);
        ds_size_format(cases[i].value, text);
        ck_assert_str_eq(text, cases[i].size);
    }
}
END_TEST

START_TEST(addresses)
{
    ds_arena *arena = ds_arena_new(NULL);
    const char *host;
    uint16_t port;
    static const struct {
        const char *text, *host;
        unsigned port;
    } good[] = {
        {"127.0.0.1:9999", "127.0.0.1", 9999},   {"0.0.0.0:1", "0.0.0.0", 1},
        {"localhost:65535", "localhost", 65535}, {"[::1]:80", "::1", 80},
        {"[fe80::1]:8080", "fe80::1", 8080},     {"a-b.example_1:7", "a-b.example_1", 7},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_ptr_null(ds_address_parse(arena, good[i].text, &host, &port));
        ck_assert_str_eq(host, good[i].host);
        ck_assert_uint_eq(port, good[i].port);
    }
    static const char *const bad[] = {
        "",           "localhost",     ":9999",       "h:",       "h:0",   "h:65536",
        "h:123456",   "h:+1",          "h: 1",        "::1:9999", "[::1]", "[::1:9999",
        "[x]:1",      "[::1]x:1",      "256.0.0.1:1", "1.2.3:1",  "a b:1", "h:1/x",
        "http://h:1", "[127.0.0.1]:1", "é:1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(ds_address_parse(arena, bad[i], &host, &port) != NULL, "%s", bad[i]);
    ds_arena_free(arena);
}
END_TEST

START_TEST(loopback)
{
    static const char *const yes[] = {"127.0.0.1", "127.9.8.7", "::1", "localhost", "LocalHost"};
    static const char *const no[] = {
        "0.0.0.0", "128.0.0.1", "::", "10.0.0.1", "localhost.example", "fe80::1"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        ck_assert_msg(ds_address_is_loopback(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        ck_assert_msg(!ds_address_is_loopback(no[i]), "%s", no[i]);
}
END_TEST

static void check_expanded(const char *text, const char *expected)
{
    ds_variables variables = {.getenv = unit_getenv, .left = 1000};
    ds_buffer out = {0};
    uint32_t offset, length;
    ds_error error;
    ds_status status = ds_variables_expand(&variables, text, &out, &offset, &length, &error);
    ck_assert_msg(status == DS_OK, "%s: %s", text, error.message);
    ck_assert_str_eq(ds_buffer_text(&out), expected);
    ds_buffer_fini(&out);
}

START_TEST(variables_are_replaced)
{
    check_expanded("", "");
    check_expanded("no variables: $ $$ {} $FIVE $(x)", "no variables: $ $$ {} $FIVE $(x)");
    check_expanded("${FIVE}", "5");
    check_expanded("a ${FIVE}${WORD} b", "a 5abc b");
    check_expanded("${EMPTY}", "");
    check_expanded("${EMPTY:-x y}", "x y");
    check_expanded("${UNSET:-}", "");
    check_expanded("${UNSET:-./state}", "./state");
    check_expanded("${UNSET:-:?-{$}", ":?-{$");
    check_expanded("${FIVE:-7}", "5");
    check_expanded("${FIVE:?must be set}", "5");
    check_expanded("$${FIVE}", "${FIVE}");
    check_expanded("$$${FIVE}", "$${FIVE}");
    check_expanded("$${", "${");
    check_expanded("${DOLLAR}", "${FIVE}");
    check_expanded("${DIR}/a}", "/data/a}");
}
END_TEST

static void check_fault(const char *text, const char *message, unsigned offset, unsigned length)
{
    ds_variables variables = {.getenv = unit_getenv, .left = 2};
    ds_buffer out = {0};
    uint32_t at, n;
    ds_error error;
    ck_assert_int_eq(ds_variables_expand(&variables, text, &out, &at, &n, &error), DS_ERR_APP);
    ck_assert_str_eq(error.message, message);
    ck_assert_uint_eq(at, offset);
    ck_assert_uint_eq(n, length);
    ds_buffer_fini(&out);
}

START_TEST(variables_that_cannot_be_replaced)
{
    check_fault("ab ${UNSET} c",
                "the variable UNSET is not set (${UNSET:-default} gives it a default)", 3, 8);
    check_fault("${UNSET:?say where}", "the variable UNSET is not set: say where", 0, 19);
    check_fault("${EMPTY:?}", "the variable EMPTY is not set", 0, 10);
    check_fault("x${FIVE", "a variable without its } (a literal ${ is $${)", 1, 6);
    check_fault("${}",
                "\"${}\" is not a variable: write ${NAME}, ${NAME:-default} or "
                "${NAME:?message} (a literal ${ is $${)",
                0, 3);
    check_fault("${1A}",
                "\"${1A}\" is not a variable: write ${NAME}, ${NAME:-default} or "
                "${NAME:?message} (a literal ${ is $${)",
                0, 5);
    check_fault("${A-b}",
                "\"${A-b}\" is not a variable: write ${NAME}, ${NAME:-default} or "
                "${NAME:?message} (a literal ${ is $${)",
                0, 6);
    check_fault("${A:+b}",
                "\"${A:+b}\" is not a variable: write ${NAME}, ${NAME:-default} or "
                "${NAME:?message} (a literal ${ is $${)",
                0, 7);
    check_fault("${A:-${B}}", "\"${A:-${B}…\": a variable cannot stand in another", 0, 9);
    check_fault("${FIVE}${WORD}", "the values of the variables are too long", 7, 7);
}
END_TEST

START_TEST(whole_variables)
{
    ck_assert(ds_variables_whole("${A}"));
    ck_assert(ds_variables_whole("${A:-5}"));
    ck_assert(!ds_variables_whole("${A}5"));
    ck_assert(!ds_variables_whole("5${A}"));
    ck_assert(!ds_variables_whole("${A}${B}"));
    ck_assert(!ds_variables_whole("$${A}"));
    ck_assert(!ds_variables_whole("${A"));
    ck_assert(!ds_variables_whole(""));
    ck_assert(ds_variables_in("a ${"));
    ck_assert(!ds_variables_in("a $ {"));
}
END_TEST

UNIT_MAIN("app_text", durations, sizes, units_as_text, addresses, loopback, variables_are_replaced,
          variables_that_cannot_be_replaced, whole_variables)
