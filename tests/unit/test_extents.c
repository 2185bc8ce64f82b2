/* Free room in a run of bytes: first fit, joining, and random use against a map of bytes. */
#include "base/extents.h"

#include "base/random.h"
#include "unit/unit.h"

#define SIZE 500u

START_TEST(the_lowest_place_comes_first)
{
    ds_extents e;
    uint64_t a, b, c, d;
    ds_extents_init(&e, 100);
    ck_assert_uint_eq(ds_extents_end(&e), 0);
    ck_assert(ds_extents_take(&e, 30, &a) && ds_extents_take(&e, 30, &b));
    ck_assert(ds_extents_take(&e, 40, &c));
    ck_assert(!ds_extents_take(&e, 1, &d));
    ck_assert_uint_eq(a, 0);
    ck_assert_uint_eq(b, 30);
    ck_assert_uint_eq(c, 60);
    ck_assert_uint_eq(ds_extents_end(&e), 100);
    ds_extents_give(&e, b, 30);
    ck_assert_uint_eq(ds_extents_end(&e), 100);
    ck_assert(!ds_extents_take(&e, 31, &d));
    ck_assert(ds_extents_take(&e, 10, &d));
    ck_assert_uint_eq(d, 30);
    ds_extents_give(&e, c, 40);
    ck_assert_uint_eq(ds_extents_end(&e), 40);
    ck_assert_uint_eq(e.used, 40);
    ck_assert_uint_eq(e.peak, 100);
    ds_extents_fini(&e);
}
END_TEST

START_TEST(there_may_be_no_room_at_all)
{
    ds_extents e;
    uint64_t at;
    ds_extents_init(&e, 0);
    ck_assert(!ds_extents_take(&e, 1, &at));
    ck_assert_uint_eq(ds_extents_end(&e), 0);
    ds_extents_fini(&e);
}
END_TEST

typedef struct range {
    uint64_t offset, length;
} range;

static uint64_t end_of(const bool *taken)
{
    for (uint64_t i = SIZE; i > 0; i--)
        if (taken[i - 1])
            return i;
    return 0;
}

START_TEST(random_use_agrees_with_a_map)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        ds_random random;
        ds_random_init(&random, seed);
        ds_extents e;
        ds_extents_init(&e, SIZE);
        bool taken[SIZE] = {false};
        range ranges[SIZE];
        size_t n = 0;
        for (int step = 0; step < 1000; step++) {
            uint64_t length = 1 + ds_random_below(&random, 40), at;
            if (ds_random_below(&random, 2) == 0 && ds_extents_take(&e, length, &at)) {
                ranges[n++] = (range){at, length};
                for (uint64_t i = at; i < at + length; i++) {
                    ck_assert(!taken[i]);
                    taken[i] = true;
                }
            } else if (n > 0) {
                size_t which = (size_t)ds_random_below(&random, n);
                range r = ranges[which];
                ranges[which] = ranges[--n];
                ds_extents_give(&e, r.offset, r.length);
                for (uint64_t i = r.offset; i < r.offset + r.length; i++)
                    taken[i] = false;
            }
            ck_assert_uint_eq(ds_extents_end(&e), end_of(taken));
        }
        while (n > 0) {
            n--;
            ds_extents_give(&e, ranges[n].offset, ranges[n].length);
        }
        uint64_t all;
        ck_assert(ds_extents_take(&e, SIZE, &all)); /* one run again */
        ds_extents_fini(&e);
    }
}
END_TEST

UNIT_MAIN("extents", the_lowest_place_comes_first, there_may_be_no_room_at_all,
          random_use_agrees_with_a_map)
