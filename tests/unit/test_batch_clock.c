/* The clock of batches: forwards at once, a little back is waited for, far back is not followed. */
#include "scheduler/batch_clock.h"

#include "unit/unit.h"

#define START INT64_C(1767225600000)

/* Reads it after so many ms, and expects what it says, and whether it has just jumped. */
static void expect(ds_batch_clock *clock, int64_t after_ms, int64_t wall_ms, int64_t says_ms,
                   bool jumps)
{
    bool jumped;
    ck_assert_int_eq(ds_batch_clock_read(clock, after_ms * 1000, START + wall_ms, &jumped),
                     START + says_ms);
    ck_assert_int_eq(jumped, jumps);
}

START_TEST(it_follows_the_systems)
{
    ds_batch_clock clock = {0};
    expect(&clock, 0, 0, 0, false);
    expect(&clock, 10, 10, 10, false);
    expect(&clock, 20, 3600000, 3600000, false);
    ck_assert_int_eq(ds_batch_clock_when_us(&clock, START + 5000000), INT64_MAX);
}
END_TEST

START_TEST(a_little_back_is_waited_for)
{
    ds_batch_clock clock = {0};
    expect(&clock, 0, 100000, 100000, false);
    expect(&clock, 1, 40000, 40000, false);
    expect(&clock, 60001, 100001, 100001, false);
    expect(&clock, 60002, 70000, 70000, false);
    expect(&clock, 60003, 40001, 40001, false); /* in all a minute */
    expect(&clock, 60004, 40000, 100004, true); /* what passed meanwhile counts */
}
END_TEST

START_TEST(far_back_it_goes_on_by_itself)
{
    ds_batch_clock clock = {0};
    expect(&clock, 0, 7200000, 7200000, false);
    expect(&clock, 1000, 0, 7201000, true);
    expect(&clock, 1500, 500, 7201500, false);
    ck_assert_int_eq(ds_batch_clock_when_us(&clock, START + 7202000), 2000000);
    expect(&clock, 1600, -100000000, 7201600, false); /* farther back: no matter */
    expect(&clock, 2000, 7201900, 7202000, false);    /* set right, nearly */
    expect(&clock, 2100, 7202200, 7202200, false);    /* right: it is followed again */
    ck_assert_int_eq(ds_batch_clock_when_us(&clock, START + 7205000), INT64_MAX);
    expect(&clock, 2200, 7202100, 7202100, false);
    expect(&clock, 2300, 0, 7202400, true);
}
END_TEST

START_TEST(a_last_batch_ahead_of_it)
{
    ds_batch_clock clock = {0};
    expect(&clock, 0, 0, 0, false);
    ck_assert(!ds_batch_clock_begin(&clock, 0, START - 1000000));
    ck_assert(!ds_batch_clock_begin(&clock, 0, START + DS_CLOCK_BACK_MS));
    ck_assert(ds_batch_clock_begin(&clock, 0, START + 3600000));
    expect(&clock, 250, 250, 3600250, false);
    ck_assert_int_eq(ds_batch_clock_when_us(&clock, START + 3601000), 1000000);
    expect(&clock, 1000, 3700000, 3700000, false);
}
END_TEST

UNIT_MAIN("batch_clock", it_follows_the_systems, a_little_back_is_waited_for,
          far_back_it_goes_on_by_itself, a_last_batch_ahead_of_it)
