/* Tasks that are known until their batch is released. */
#include "exec/known_tasks.h"

#include "unit/unit.h"

static ds_task task_of(int64_t batch_ms, uint32_t stage, uint32_t partition, uint32_t attempt)
{
    return (ds_task){.batch_ms = batch_ms,
                     .plan_id = 1,
                     .stage = stage,
                     .partition = partition,
                     .attempt = attempt};
}

static bool add(ds_known_tasks *known, int64_t batch_ms, uint32_t stage, uint32_t partition,
                uint32_t attempt)
{
    ds_task task = task_of(batch_ms, stage, partition, attempt);
    return ds_known_tasks_add(known, &task);
}

START_TEST(a_task_is_new_once)
{
    ds_known_tasks *known = ds_known_tasks_new();
    ck_assert(add(known, 1000, 0, 0, 0));
    ck_assert(!add(known, 1000, 0, 0, 0));
    ck_assert(add(known, 2000, 0, 0, 0));
    ck_assert(add(known, 1000, 1, 0, 0));
    ck_assert(add(known, 1000, 0, 1, 0));
    ck_assert(add(known, 1000, 0, 0, 1));
    ds_task other = task_of(1000, 0, 0, 0);
    other.plan_id = 2;
    ck_assert(ds_known_tasks_add(known, &other));
    ck_assert_uint_eq(ds_known_tasks_count(known), 6);
    ds_known_tasks_forget(known, 1000);
    ck_assert_uint_eq(ds_known_tasks_count(known), 1);
    ck_assert(add(known, 1000, 0, 0, 0));
    ck_assert(!add(known, 2000, 0, 0, 0));
    ds_known_tasks_forget(known, 5000); /* none */
    ds_known_tasks_free(known);
    ds_known_tasks_free(NULL);
}
END_TEST

START_TEST(batches_run_while_their_tasks_do)
{
    ds_known_tasks *known = ds_known_tasks_new();
    ck_assert(!ds_known_tasks_runs(known, 1000));
    add(known, 1000, 0, 0, 0);
    ck_assert(!ds_known_tasks_runs(known, 1000));
    ds_known_tasks_begin(known, 1000);
    ds_known_tasks_begin(known, 1000);
    ds_known_tasks_begin(known, 2000);
    ds_known_tasks_end(known, 1000);
    ck_assert(ds_known_tasks_runs(known, 1000));
    ds_known_tasks_end(known, 1000);
    ck_assert(!ds_known_tasks_runs(known, 1000));
    ck_assert(ds_known_tasks_runs(known, 2000));
    ds_known_tasks_end(known, 2000);
    ds_known_tasks_free(known);
}
END_TEST

START_TEST(very_many)
{
    ds_known_tasks *known = ds_known_tasks_new();
    for (uint32_t round = 0; round < 2; round++)
        for (int64_t batch = 1; batch <= 4; batch++)
            for (uint32_t p = 0; p < 50000; p++)
                ck_assert_int_eq(add(known, batch, p % 3, p, p % 2), round == 0);
    ck_assert_uint_eq(ds_known_tasks_count(known), 200000);
    for (int64_t batch = 1; batch <= 4; batch++)
        ds_known_tasks_forget(known, batch);
    ck_assert_uint_eq(ds_known_tasks_count(known), 0);
    ds_known_tasks_free(known);
}
END_TEST

UNIT_MAIN("known_tasks", a_task_is_new_once, batches_run_while_their_tasks_do, very_many)
