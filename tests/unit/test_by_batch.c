/* Values by batch: in any order of coming and going. */
#include "exec/by_batch.h"

#include "base/random.h"
#include "unit/unit.h"

#include <stdbool.h>

#define MOST 300u

START_TEST(nothing)
{
    ds_by_batch list = {0};
    ck_assert_ptr_null(ds_by_batch_find(&list, 0));
    ck_assert_ptr_null(ds_by_batch_take(&list, INT64_MIN));
    ds_by_batch_fini(&list);
}
END_TEST

/* New ones come at the end, old ones go: as a rule. */
START_TEST(oldest_first)
{
    ds_by_batch list = {0};
    int values[MOST];
    for (uint32_t i = 0; i < MOST; i++) {
        ds_by_batch_add(&list, (int64_t)i * 1000 - 5000, &values[i]);
        ck_assert_ptr_eq(ds_by_batch_find(&list, (int64_t)i * 1000 - 5000), &values[i]);
        ck_assert_ptr_null(ds_by_batch_find(&list, (int64_t)i * 1000 - 4999));
    }
    for (uint32_t i = 0; i < MOST; i++) {
        ck_assert_uint_eq(list.n, MOST - i);
        ck_assert_ptr_eq(ds_by_batch_take(&list, (int64_t)i * 1000 - 5000), &values[i]);
        ck_assert_ptr_null(ds_by_batch_take(&list, (int64_t)i * 1000 - 5000));
    }
    ds_by_batch_fini(&list);
}
END_TEST

START_TEST(in_any_order)
{
    ds_by_batch list = {0};
    ds_random random;
    int values[MOST];
    bool here[MOST] = {false};
    size_t n = 0;
    ds_random_init(&random, 1);
    for (int round = 0; round < 5000; round++) {
        uint64_t i = ds_random_below(&random, MOST);
        int64_t batch = (int64_t)i - 100;
        ck_assert_ptr_eq(ds_by_batch_find(&list, batch), here[i] ? &values[i] : NULL);
        if (here[i])
            ck_assert_ptr_eq(ds_by_batch_take(&list, batch), &values[i]);
        else
            ds_by_batch_add(&list, batch, &values[i]);
        n = here[i] ? n - 1 : n + 1;
        here[i] = !here[i];
        ck_assert_uint_eq(list.n, n);
        for (size_t k = 1; k < n; k++)
            ck_assert_int_lt(list.items[k - 1].batch_ms, list.items[k].batch_ms);
    }
    ds_by_batch_fini(&list);
}
END_TEST

UNIT_MAIN("by_batch", nothing, oldest_first, in_any_order)
