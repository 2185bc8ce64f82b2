/* The set of released batches. */
#include "exec/batch_set.h"

#include "unit/unit.h"

START_TEST(each_batch_by_itself)
{
    ds_batch_set set = {0};
    ck_assert(!ds_batch_set_has(&set, 0));
    ds_batch_set_add(&set, 5000); /* it failed: those before it are kept */
    ck_assert(ds_batch_set_has(&set, 5000));
    ck_assert(!ds_batch_set_has(&set, 4000) && !ds_batch_set_has(&set, 6000));
    ds_batch_set_add(&set, 3000);
    ds_batch_set_add(&set, -1000);
    ds_batch_set_add(&set, 3000);
    ds_batch_set_add(&set, 7000);
    ck_assert_uint_eq(set.n, 4);
    for (int64_t t = -2000; t <= 8000; t += 1000)
        ck_assert_int_eq(ds_batch_set_has(&set, t),
                         t == -1000 || t == 3000 || t == 5000 || t == 7000);
    ds_batch_set_fini(&set);
    ds_batch_set_fini(&set);
}
END_TEST

START_TEST(it_stays_small)
{
    ds_batch_set set = {0};
    for (int64_t t = 1; t <= 10 * (int64_t)DS_BATCH_SET_KNOWN; t++) {
        if (t % 2 == 0)
            ds_batch_set_add(&set, t);
        ck_assert_uint_le(set.n, DS_BATCH_SET_KNOWN);
    }
    int64_t newest = 10 * (int64_t)DS_BATCH_SET_KNOWN;
    for (int64_t t = 0; t < (int64_t)DS_BATCH_SET_KNOWN - 2; t++)
        ck_assert_int_eq(ds_batch_set_has(&set, newest - t), t % 2 == 0);
    ck_assert(ds_batch_set_has(&set, 2) && ds_batch_set_has(&set, 1)); /* all that are old */
    ds_batch_set_add(&set, 3);
    ck_assert(!ds_batch_set_has(&set, newest + 1));
    ds_batch_set_fini(&set);
}
END_TEST

UNIT_MAIN("batch_set", each_batch_by_itself, it_stays_small)
