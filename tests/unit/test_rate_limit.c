/* Tokens for records, with time made by hand. */
#include "receiver/rate_limit.h"

#include "unit/unit.h"

#define SECOND INT64_C(1000000)

/* A source that always has more, of records of `length` bytes each: reads as a receiver does until
 * `until_us`. Returns how many records were read; *at_us is when it goes on. */
static uint64_t drink(ds_rate_limit *limit, int64_t *at_us, int64_t until_us, uint64_t length)
{
    uint64_t records = 0, carried = 0;
    while (*at_us < until_us) {
        if (!ds_rate_limit_allows(limit, *at_us)) {
            int64_t next = ds_rate_limit_when(limit);
            if (next < *at_us)
                ck_abort_msg("it is to go on in the past");
            *at_us = next > *at_us ? next : *at_us + 1;
            continue;
        }
        uint64_t bytes = ds_rate_limit_bytes(limit);
        if (bytes == 0)
            ck_abort_msg("it may read nothing");
        bytes = bytes < (256 << 10) ? bytes : 256 << 10;
        uint64_t whole = (carried + bytes) / length;
        carried = (carried + bytes) % length;
        records += whole;
        ds_rate_limit_took(limit, whole, bytes);
    }
    return records;
}

START_TEST(without_a_limit_all_may_come)
{
    ds_rate_limit limit;
    ds_rate_limit_init(&limit, 0, 5);
    for (int i = 0; i < 1000; i++) {
        ck_assert(ds_rate_limit_allows(&limit, 5));
        ck_assert_uint_eq(ds_rate_limit_bytes(&limit), SIZE_MAX);
        ds_rate_limit_took(&limit, 1000, 100000);
    }
}
END_TEST

START_TEST(the_rate_holds_over_time)
{
    static const uint64_t rates[] = {1, 7, 100, 5000, 50000};
    static const uint64_t lengths[] = {1, 20, 300, 65536};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            ds_rate_limit limit;
            int64_t at = 0;
            ds_rate_limit_init(&limit, rates[r], 0);
            uint64_t seconds = rates[r] > 1000 ? 3 : 100;
            uint64_t records = drink(&limit, &at, (int64_t)seconds * SECOND, lengths[l]);
            /* The burst, and what the first reads brought of short records before their length
             * was known. */
            uint64_t slack = rates[r] / 10 + 20;
            ck_assert_uint_le(records, rates[r] * seconds + slack);
            ck_assert_uint_ge(records + slack, rates[r] * seconds);
        }
    }
}
END_TEST

START_TEST(it_is_smooth)
{
    ds_rate_limit limit;
    int64_t at = 0;
    ds_rate_limit_init(&limit, 1000, 0);
    drink(&limit, &at, SECOND, 50);
    for (int i = 0; i < 50; i++) { /* each tenth of a second has its tenth, about */
        uint64_t records = drink(&limit, &at, at + SECOND / 10, 50);
        ck_assert_uint_ge(records, 70);
        ck_assert_uint_le(records, 130);
    }
}
END_TEST

START_TEST(what_was_not_used_is_not_kept)
{
    ds_rate_limit limit;
    ds_rate_limit_init(&limit, 1000, 0);
    ds_rate_limit_took(&limit, 1, 10);
    int64_t at = 3600 * SECOND; /* nothing came for an hour */
    uint64_t records = drink(&limit, &at, at + SECOND, 10);
    ck_assert_uint_le(records, 1060);
}
END_TEST

START_TEST(what_came_too_much_is_owed)
{
    ds_rate_limit limit;
    ds_rate_limit_init(&limit, 100, 0);
    ck_assert(ds_rate_limit_allows(&limit, 0));
    ds_rate_limit_took(&limit, 501, 501); /* one token was there */
    ck_assert(!ds_rate_limit_allows(&limit, 0));
    ck_assert(!ds_rate_limit_allows(&limit, 5 * SECOND));
    ck_assert_int_ge(ds_rate_limit_when(&limit), 5 * SECOND + 1);
    ck_assert(ds_rate_limit_allows(&limit, 5 * SECOND + SECOND / 100));
}
END_TEST

START_TEST(the_rate_may_change)
{
    ds_rate_limit limit;
    int64_t at = 0;
    ds_rate_limit_init(&limit, 10, 0);
    drink(&limit, &at, 10 * SECOND, 100);
    ds_rate_limit_set(&limit, 1000, at);
    int64_t begun = at;
    uint64_t records = drink(&limit, &at, begun + 10 * SECOND, 100);
    ck_assert_uint_ge(records, 9900);
    ck_assert_uint_le(records, 10100);
    ds_rate_limit_set(&limit, 0, at);
    ck_assert(ds_rate_limit_allows(&limit, at));
    ck_assert_int_le(ds_rate_limit_when(&limit), at); /* who waits goes on at once */
    ds_rate_limit_took(&limit, 1000000, 1000000);
    ds_rate_limit_set(&limit, 10, at); /* that time is not owed for */
    ck_assert(ds_rate_limit_allows(&limit, at));
}
END_TEST

START_TEST(a_clock_that_stands_still_gives_nothing)
{
    ds_rate_limit limit;
    ds_rate_limit_init(&limit, 5, SECOND);
    ds_rate_limit_took(&limit, 1, 10);
    ck_assert(!ds_rate_limit_allows(&limit, SECOND));
    ck_assert(!ds_rate_limit_allows(&limit, 0));
    ck_assert(ds_rate_limit_allows(&limit, SECOND + SECOND / 5 + 1));
}
END_TEST

UNIT_MAIN("rate_limit", without_a_limit_all_may_come, the_rate_holds_over_time, it_is_smooth,
          what_was_not_used_is_not_kept, what_came_too_much_is_owed, the_rate_may_change,
          a_clock_that_stands_still_gives_nothing)
