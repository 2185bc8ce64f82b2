/* Random numbers: the same for a seed, even, within bounds. */
#include "base/random.h"

#include "unit/unit.h"

/* The generator is xoshiro256** seeded by splitmix64: known numbers, so that a seed in a report
 * means the same on every machine and in every version. */
START_TEST(the_sequence_of_a_seed_is_fixed)
{
    ds_random random;
    ds_random_init(&random, 0);
    ck_assert_uint_eq(random.state[0], UINT64_C(0xE220A8397B1DCDAF));
    ck_assert_uint_eq(random.state[1], UINT64_C(0x6E789E6AA1B965F4));
    ck_assert_uint_eq(random.state[2], UINT64_C(0x06C45D188009454F));
    ck_assert_uint_eq(random.state[3], UINT64_C(0xF88BB8A8724C81EC));
    ck_assert_uint_eq(ds_random_next(&random), UINT64_C(0x99EC5F36CB75F2B4));
    ck_assert_uint_eq(ds_random_next(&random), UINT64_C(0xBF6E1F784956452A));
    ck_assert_uint_eq(ds_random_next(&random), UINT64_C(0x1A5F849D4933E6E0));
}
END_TEST

START_TEST(seeds_differ)
{
    ds_random a, b, c;
    ds_random_init(&a, 1);
    ds_random_init(&b, 1);
    ds_random_init(&c, 2);
    int equal = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t x = ds_random_next(&a);
        ck_assert_uint_eq(x, ds_random_next(&b));
        equal += x == ds_random_next(&c);
    }
    ck_assert_int_eq(equal, 0);
}
END_TEST

START_TEST(below_is_even_and_in_range)
{
    ds_random random;
    ds_random_init(&random, 7);
    unsigned counts[10] = {0};
    for (int i = 0; i < 100000; i++) {
        uint64_t x = ds_random_below(&random, 10);
        ck_assert_uint_lt(x, 10);
        counts[x]++;
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_gt(counts[i], 9500);
        ck_assert_uint_lt(counts[i], 10500);
    }
    ck_assert_uint_eq(ds_random_below(&random, 1), 0);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_lt(ds_random_below(&random, UINT64_MAX), UINT64_MAX);
}
END_TEST

START_TEST(unit_is_even_over_0_to_1)
{
    ds_random random;
    ds_random_init(&random, 9);
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        double x = ds_random_unit(&random);
        ck_assert(x >= 0 && x < 1);
        sum += x;
    }
    ck_assert(sum > 49500 && sum < 50500);
}
END_TEST

UNIT_MAIN("random", the_sequence_of_a_seed_is_fixed, seeds_differ, below_is_even_and_in_range,
          unit_is_even_over_0_to_1)
