/* What everybody gets of the memory adds up to no more than there is, and is enough to begin. */
#include "dstream/memory_shares.h"

#include "unit/unit.h"

#define KIB (INT64_C(1) << 10)
#define MIB (INT64_C(1) << 20)

static ds_app app_of(int64_t memory, uint32_t count, uint32_t cores)
{
    return (ds_app){.limits_memory = memory,
                    .limits_record = 64 * KIB,
                    .limits_block = 4 * MIB,
                    .executors_memory = INT64_C(1) << 40,
                    .executors_count = count,
                    .executors_cores = cores};
}

START_TEST(executors_share_what_the_driver_leaves)
{
    ds_app app = app_of(32 * MIB, 4, 1);
    ck_assert_int_eq(ds_memory_of_executor(&app), 7 * MIB);
    app.executors_count = 0; /* others join: each has what one would have */
    ck_assert_int_eq(ds_memory_of_executor(&app), 28 * MIB);
    app = app_of(INT64_C(2) << 40, 2, 1);
    ck_assert_int_eq(ds_memory_of_executor(&app), (INT64_C(1) << 40) - 32 * MIB);
    app.executors_memory = 5 * MIB;
    ck_assert_int_eq(ds_memory_of_executor(&app), 5 * MIB);
    ck_assert_int_eq(ds_memory_of_tasks(16 * MIB), 7 * MIB);
}
END_TEST

START_TEST(a_block_leaves_room_for_its_task)
{
    ds_app app = app_of(2048 * MIB, 2, 1);
    ck_assert_int_eq(ds_memory_block(&app), 4 * MIB);
    app = app_of(32 * MIB, 4, 1); /* tasks have 3 MiB in all */
    ck_assert_int_eq(ds_memory_block(&app), ds_memory_of_tasks(ds_memory_of_executor(&app)) / 4);
    app.limits_record = 1 * MIB; /* one has to fit, whatever comes of it */
    ck_assert_int_eq(ds_memory_block(&app), app.limits_record);
}
END_TEST

START_TEST(what_cannot_do_is_said_with_what_could)
{
    const char *which;
    for (uint32_t count = 1; count <= 16; count *= 2)
        for (uint32_t cores = 1; cores <= 16; cores *= 2) {
            ds_app app = app_of(16 * MIB, count, cores);
            int64_t least = ds_memory_lacks(&app, &which);
            if (count * cores <= 4 && count <= 2)
                ck_assert_int_eq(least, 0);
            if (count * cores >= 16)
                ck_assert_int_gt(least, 16 * MIB);
            if (least == 0)
                continue;
            ck_assert_str_eq(which, "limits.memory");
            app.limits_memory = least;
            ck_assert_int_eq(ds_memory_lacks(&app, &which), 0);
            app.limits_memory = least - 2 * MIB * count;
            ck_assert_int_gt(ds_memory_lacks(&app, &which), 0);
        }
    ds_app app = app_of(1024 * MIB, 2, 16);
    app.executors_memory = 16 * MIB;
    int64_t least = ds_memory_lacks(&app, &which);
    ck_assert_str_eq(which, "executors.memory");
    app.executors_memory = least;
    ck_assert_int_eq(ds_memory_lacks(&app, &which), 0);
}
END_TEST

START_TEST(what_is_kept_leaves_tasks_their_share)
{
    for (int64_t bytes = 2 * MIB; bytes <= 512 * MIB; bytes *= 2)
        for (uint32_t cores = 1; cores <= 4; cores++) {
            const int64_t block = MIB;
            ds_memory_shares s = ds_memory_divide(bytes, cores, block, true);
            int64_t least = cores * (block + DS_LEAST_SHARE);
            ck_assert_int_ge(s.task, DS_LEAST_SHARE);
            ck_assert_int_gt(s.kept, s.pages);
            ck_assert_int_gt(s.pages, 0);
            ck_assert_int_ge(s.kept, bytes / 8);
            if (least + bytes / 4 <= bytes)
                ck_assert_int_le(s.kept + s.saving + least, bytes);
            if (s.task > DS_LEAST_SHARE) /* there is plenty: three eighths, an eighth, a half */
                ck_assert_int_le(s.kept + s.saving + cores * (s.task + block), bytes);
        }
    ds_memory_shares plenty = ds_memory_divide(64 * MIB, 1, MIB, true);
    ck_assert_int_eq(plenty.kept, 24 * MIB);
    ck_assert_int_eq(plenty.pages, 8 * MIB);
    ck_assert_int_eq(plenty.saving, 8 * MIB);
    ck_assert_int_eq(plenty.task, 31 * MIB);
    ck_assert_int_eq(ds_memory_divide(64 * MIB, 1, MIB, false).task, 63 * MIB);
}
END_TEST

UNIT_MAIN("memory_shares", executors_share_what_the_driver_leaves, a_block_leaves_room_for_its_task,
          what_cannot_do_is_said_with_what_could, what_is_kept_leaves_tasks_their_share)
