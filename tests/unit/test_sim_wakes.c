/* Who is to be woken next. */
#include "base/random.h"
#include "sim/sim_wakes.h"
#include "unit/unit.h"

START_TEST(nobody)
{
    ds_sim_wakes wakes = {0};
    ck_assert_int_eq(ds_sim_wakes_next_us(&wakes), INT64_MAX);
    ds_sim_wakes_set(&wakes, 3, 5);
    ds_sim_wakes_set(&wakes, 3, INT64_MAX);
    ck_assert_int_eq(ds_sim_wakes_next_us(&wakes), INT64_MAX);
    ds_sim_wakes_fini(&wakes);
}
END_TEST

START_TEST(the_first_of_equals)
{
    ds_sim_wakes wakes = {0};
    ds_sim_wakes_set(&wakes, 200, 7);
    ds_sim_wakes_set(&wakes, 70, 7);
    ds_sim_wakes_set(&wakes, 5, 8);
    ck_assert_int_eq(ds_sim_wakes_next_us(&wakes), 7);
    ck_assert_uint_eq(ds_sim_wakes_first(&wakes), 70);
    ds_sim_wakes_set(&wakes, 70, 9);
    ck_assert_uint_eq(ds_sim_wakes_first(&wakes), 200);
    ds_sim_wakes_set(&wakes, 200, INT64_MAX);
    ck_assert_uint_eq(ds_sim_wakes_first(&wakes), 5);
    ds_sim_wakes_fini(&wakes);
}
END_TEST

START_TEST(as_a_search_finds_it)
{
    enum { MANY = 150 };
    int64_t times[MANY];
    ds_sim_wakes wakes = {0};
    ds_random random;
    ds_random_init(&random, 1);
    for (size_t i = 0; i < MANY; i++)
        times[i] = INT64_MAX;
    for (int step = 0; step < 2000; step++) {
        size_t index = (size_t)ds_random_below(&random, MANY), first = 0;
        times[index] = (int64_t)ds_random_below(&random, 50);
        ds_sim_wakes_set(&wakes, index, times[index]);
        for (size_t i = 0; i < MANY; i++)
            if (times[i] < times[first])
                first = i;
        ck_assert_int_eq(ds_sim_wakes_next_us(&wakes), times[first]);
        ck_assert_uint_eq(ds_sim_wakes_first(&wakes), first);
    }
    ds_sim_wakes_fini(&wakes);
}
END_TEST

UNIT_MAIN("sim_wakes", nobody, the_first_of_equals, as_a_search_finds_it)
