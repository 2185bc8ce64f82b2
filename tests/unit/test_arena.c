/* Arenas and budgets: alignment, accounting, reset. */
#include "base/arena.h"

#include "unit/unit.h"

#include <stdint.h>
#include <string.h>

START_TEST(memory_is_aligned_and_separate)
{
    ds_arena *arena = ds_arena_new(NULL);
    char *last = NULL;
    for (size_t size = 1; size < 3000; size += 7) {
        char *p = ds_arena_alloc(arena, size);
        ck_assert_uint_eq((uintptr_t)p % (size >= 64 ? 64 : 16), 0);
        ck_assert_ptr_ne(p, last);
        memset(p, (int)size, size);
        last = p;
    }
    ds_arena_free(arena);
}
END_TEST

START_TEST(budget_follows_the_arena)
{
    ds_budget app, task;
    ds_budget_init(&app, NULL, 0);
    ds_budget_init(&task, &app, 100000);
    ds_arena *arena = ds_arena_new(&task);
    ck_assert(!ds_budget_exceeded(&task));
    ds_arena_alloc(arena, 90000);
    ck_assert(!ds_budget_exceeded(&task));
    ds_arena_alloc(arena, 90000);
    ck_assert(ds_budget_exceeded(&task));
    ck_assert(!ds_budget_exceeded(&app));
    ck_assert_int_eq(app.used_bytes, task.used_bytes);
    ds_arena_free(arena);
    ck_assert_int_eq(app.used_bytes, 0);
    ck_assert_int_ge(app.peak_bytes, 180000);
}
END_TEST

START_TEST(reset_keeps_one_piece)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_arena *arena = ds_arena_new(&budget);
    for (int i = 0; i < 100; i++)
        ds_arena_alloc(arena, 50000);
    int64_t before = budget.used_bytes;
    ds_arena_reset(arena);
    ck_assert_int_lt(budget.used_bytes, before);
    ck_assert_int_gt(budget.used_bytes, 0);
    int64_t kept = budget.used_bytes;
    for (int i = 0; i < 10; i++) {
        ds_arena_alloc(arena, 1000);
        ds_arena_reset(arena);
    }
    ck_assert_int_eq(budget.used_bytes, kept);
    ds_arena_free(arena);
}
END_TEST

START_TEST(reserve_is_refused_without_a_trace)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 100);
    ck_assert(ds_budget_reserve(&budget, 100));
    ck_assert(!ds_budget_reserve(&budget, 1));
    ck_assert_int_eq(budget.used_bytes, 100);
    ds_budget_charge(&budget, -100);
    ck_assert(ds_budget_reserve(&budget, 1));
}
END_TEST

UNIT_MAIN("arena", memory_is_aligned_and_separate, budget_follows_the_arena, reset_keeps_one_piece,
          reserve_is_refused_without_a_trace)
