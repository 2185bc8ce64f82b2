/* The rate estimator: every value here was computed by hand from the formula of the original. */
#include "scheduler/rate_estimator.h"

#include "unit/unit.h"

#define SECOND INT64_C(1000000)

static ds_rate_estimator make(double proportional, double integral, double derived, double min)
{
    const ds_rate_gains gains = {proportional, integral, derived, min};
    ds_rate_estimator e;
    ds_rate_estimator_init(&e, &gains, 1000);
    return e;
}

static ds_rate_estimator defaults(void)
{
    return make(1.0, 0.2, 0.0, 100);
}

START_TEST(the_first_batch_is_only_noted)
{
    ds_rate_estimator e = defaults();
    double rate = -7;
    ck_assert(!ds_rate_estimator_compute(&e, SECOND, 1000, SECOND / 2, 0, &rate));
    ck_assert_double_eq(rate, -7);
    ck_assert_double_eq(e.latest_rate, 2000); /* 1,000 records in half a second */
    ck_assert_double_eq(e.latest_error, 0);
}
END_TEST

START_TEST(what_tells_nothing_changes_nothing)
{
    ds_rate_estimator e = defaults();
    double rate;
    ds_rate_estimator_compute(&e, SECOND, 1000, SECOND, 0, &rate);
    ck_assert(!ds_rate_estimator_compute(&e, 2 * SECOND, 0, SECOND, 0, &rate));  /* no records */
    ck_assert(!ds_rate_estimator_compute(&e, 2 * SECOND, 10, 0, 0, &rate));      /* no time */
    ck_assert(!ds_rate_estimator_compute(&e, 2 * SECOND, 10, -5, 0, &rate));     /* nor less */
    ck_assert(!ds_rate_estimator_compute(&e, SECOND, 10, SECOND, 0, &rate));     /* not later */
    ck_assert(!ds_rate_estimator_compute(&e, SECOND / 2, 10, SECOND, 0, &rate)); /* earlier */
    ck_assert_double_eq(e.latest_rate, 1000);
    ck_assert_int_eq(e.latest_us, SECOND);
    ck_assert(ds_rate_estimator_compute(&e, SECOND + 1, 500, SECOND, 0, &rate));
}
END_TEST

START_TEST(without_waiting_the_rate_is_what_was_processed)
{
    ds_rate_estimator e = defaults();
    double rate;
    ds_rate_estimator_compute(&e, SECOND, 1000, SECOND, 0, &rate);
    /* 1000 - 1.0 * (1000 - 1600) */
    ck_assert(ds_rate_estimator_compute(&e, 2 * SECOND, 800, SECOND / 2, 0, &rate));
    ck_assert_double_eq_tol(rate, 1600, 1e-9);
    ck_assert_double_eq_tol(e.latest_error, -600, 1e-9);
    /* 1600 - 1.0 * (1600 - 400) */
    ck_assert(ds_rate_estimator_compute(&e, 3 * SECOND, 400, SECOND, 0, &rate));
    ck_assert_double_eq_tol(rate, 400, 1e-9);
}
END_TEST

START_TEST(waiting_takes_off_what_is_behind)
{
    ds_rate_estimator e = defaults();
    double rate;
    ds_rate_estimator_compute(&e, SECOND, 1000, SECOND, 0, &rate);
    /* processed 500 a second, waited 2 s: behind by 2000 * 500 / 1000 = 1000 records a second;
     * 1000 - 1.0 * 500 - 0.2 * 1000 */
    ck_assert(ds_rate_estimator_compute(&e, 3 * SECOND, 1000, 2 * SECOND, 2 * SECOND, &rate));
    ck_assert_double_eq_tol(rate, 300, 1e-9);
    /* processed 600 a second, waited 0.5 s: 300 - (300 - 600) - 0.2 * 300 */
    ck_assert(ds_rate_estimator_compute(&e, 4 * SECOND, 300, SECOND / 2, SECOND / 2, &rate));
    ck_assert_double_eq_tol(rate, 540, 1e-9);
}
END_TEST

START_TEST(gains_count_each_by_itself)
{
    ds_rate_estimator e = make(0.5, 0.1, 0.25, 10);
    double rate;
    ds_rate_estimator_compute(&e, SECOND, 1000, SECOND, 0, &rate);
    /* error 1000 - 600 = 400; history 250 * 600 / 1000 = 150; change (400 - 0) / 2 = 200;
     * 1000 - 0.5 * 400 - 0.1 * 150 - 0.25 * 200 = 735 */
    ck_assert(ds_rate_estimator_compute(&e, 3 * SECOND, 600, SECOND, SECOND / 4, &rate));
    ck_assert_double_eq_tol(rate, 735, 1e-9);
    /* error 735 - 800 = -65; history 0; change (-65 - 400) / 0.5 = -930;
     * 735 + 32.5 - 0 + 232.5 = 1000 */
    ck_assert(ds_rate_estimator_compute(&e, 3 * SECOND + SECOND / 2, 400, SECOND / 2, 0, &rate));
    ck_assert_double_eq_tol(rate, 1000, 1e-9);
}
END_TEST

START_TEST(the_least_rate_holds)
{
    ds_rate_estimator e = make(1.0, 0.2, 0.0, 250);
    double rate;
    ds_rate_estimator_compute(&e, SECOND, 1000, SECOND, 0, &rate);
    ck_assert(ds_rate_estimator_compute(&e, 2 * SECOND, 1, 60 * SECOND, 100 * SECOND, &rate));
    ck_assert_double_eq(rate, 250);
    /* The error is that of the rate before the limit: 1000 - 1/60. */
    ck_assert_double_eq_tol(e.latest_error, 1000 - 1.0 / 60, 1e-9);
    ck_assert_double_eq(e.latest_rate, 250);
}
END_TEST

START_TEST(an_interval_is_what_waiting_is_measured_by)
{
    const ds_rate_gains gains = {1.0, 0.2, 0.0, 1};
    ds_rate_estimator e;
    double rate;
    ds_rate_estimator_init(&e, &gains, 100);
    ds_rate_estimator_compute(&e, SECOND, 1000, SECOND, 0, &rate);
    /* 1000 - 0 - 0.2 * (50 * 1000 / 100) */
    ck_assert(ds_rate_estimator_compute(&e, 2 * SECOND, 1000, SECOND, SECOND / 20, &rate));
    ck_assert_double_eq_tol(rate, 900, 1e-9);
}
END_TEST

START_TEST(a_steady_load_settles)
{
    ds_rate_estimator e = defaults();
    double rate = 5000;
    double waiting = 3; /* seconds behind at first, of a machine that does 2,000 a second */
    for (int i = 1; i <= 200; i++) {
        double records = rate * 1.0, took = records / 2000;
        double next;
        if (ds_rate_estimator_compute(&e, i * SECOND, (uint64_t)records, (int64_t)(took * 1e6),
                                      (int64_t)(waiting * 1e6), &next))
            rate = next;
        waiting = waiting + took - 1 > 0 ? waiting + took - 1 : 0;
        ck_assert_double_ge(rate, 100);
    }
    ck_assert_double_eq_tol(rate, 2000, 20);
    ck_assert_double_le(waiting, 0.05);
}
END_TEST

UNIT_MAIN("rate_estimator", the_first_batch_is_only_noted, what_tells_nothing_changes_nothing,
          without_waiting_the_rate_is_what_was_processed, waiting_takes_off_what_is_behind,
          gains_count_each_by_itself, the_least_rate_holds,
          an_interval_is_what_waiting_is_measured_by, a_steady_load_settles)
