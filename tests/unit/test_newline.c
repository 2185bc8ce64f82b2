/* Line ends: the fast count against the plain one, at every alignment and length. */
#include "receiver/newline.h"

#include "base/random.h"
#include "unit/unit.h"

#include <string.h>

START_TEST(counts_agree)
{
    ds_random random;
    ds_random_init(&random, 1);
    char bytes[400];
    for (int round = 0; round < 50; round++) {
        uint64_t rarity = 1 + ds_random_below(&random, 20);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = ds_random_below(&random, rarity) == 0 ? '\n' : (char)ds_random_next(&random);
        for (size_t from = 0; from < 40; from++)
            for (size_t n = 0; n <= sizeof bytes - from; n += 1 + from % 7)
                ck_assert_uint_eq(ds_newline_count(bytes + from, n),
                                  ds_newline_count_plain(bytes + from, n));
    }
}
END_TEST

START_TEST(nothing_but_line_ends)
{
    size_t n = 100003; /* more than the lanes of a vector can count */
    char *bytes = malloc(n);
    memset(bytes, '\n', n);
    ck_assert_uint_eq(ds_newline_count(bytes, n), n);
    ck_assert_uint_eq(ds_newline_end(bytes, n), n);
    memset(bytes, '\n' + 1, n);
    ck_assert_uint_eq(ds_newline_count(bytes, n), 0);
    ck_assert_uint_eq(ds_newline_end(bytes, n), 0);
    free(bytes);
}
END_TEST

START_TEST(end_is_behind_the_last)
{
    ck_assert_uint_eq(ds_newline_end("", 0), 0);
    ck_assert_uint_eq(ds_newline_end("a", 1), 0);
    ck_assert_uint_eq(ds_newline_end("\n", 1), 1);
    ck_assert_uint_eq(ds_newline_end("a\nb\nc", 5), 4);
    ck_assert_uint_eq(ds_newline_end("a\0\nb", 4), 3);
    char bytes[200];
    for (size_t at = 0; at < sizeof bytes; at++) {
        memset(bytes, 'x', sizeof bytes);
        bytes[at] = '\n';
        ck_assert_uint_eq(ds_newline_end(bytes, sizeof bytes), at + 1);
        ck_assert_uint_eq(ds_newline_count(bytes, sizeof bytes), 1);
        ck_assert_uint_eq(ds_newline_count(bytes, at), 0);
    }
}
END_TEST

UNIT_MAIN("newline", counts_agree, nothing_but_line_ends, end_is_behind_the_last)
