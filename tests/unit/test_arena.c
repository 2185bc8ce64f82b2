/* Arenas and budgets: alignment, accounting, reset. */
#include "base/arena.h"

#include "unit/unit.h"

#include <pthread.h>
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

START_TEST(empty_keeps_nothing)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_arena *arena = ds_arena_new(&budget);
    for (int round = 0; round < 3; round++) {
        ds_arena_empty(arena); /* nothing was taken from it, or all of it went */
        ck_assert_int_eq(budget.used_bytes, 0);
        ck_assert_uint_eq(ds_arena_bytes(arena), 0);
        for (int i = 0; i < 100; i++)
            memset(ds_arena_alloc(arena, 50000), i, 50000);
        memset(ds_arena_alloc(arena, 3000000), 1, 3000000);
        ck_assert_int_ge(budget.used_bytes, 8000000);
    }
    ds_arena_empty(arena);
    ds_arena_alloc(arena, 1); /* what comes next is small again */
    ck_assert_int_lt(budget.used_bytes, 20000);
    ds_arena_free(arena);
    ck_assert_int_eq(budget.used_bytes, 0);
}
END_TEST

typedef struct called {
    int order[4];
    int n;
    const char *text; /* in the arena: must be good when the hook runs */
} called;

static called *calls;

static void note_call(void *arg)
{
    ck_assert_str_eq(calls->text, "still here");
    calls->order[calls->n++] = *(int *)arg;
}

START_TEST(hooks_run_once_newest_first)
{
    called c = {.n = 0};
    calls = &c;
    int one = 1, two = 2, three = 3;
    ds_arena *arena = ds_arena_new(NULL);
    c.text = ds_arena_strdup(arena, "still here");
    ds_arena_on_free(arena, note_call, &one);
    ds_arena_alloc(arena, 100000); /* hooks may lie in different pieces */
    ds_arena_on_free(arena, note_call, &two);
    ds_arena_reset(arena);
    ck_assert_int_eq(c.n, 2);
    ck_assert_int_eq(c.order[0], 2);
    ck_assert_int_eq(c.order[1], 1);
    ds_arena_reset(arena);
    ck_assert_int_eq(c.n, 2);
    c.text = ds_arena_strdup(arena, "still here");
    ds_arena_on_free(arena, note_call, &three);
    ds_arena_free(arena);
    ck_assert_int_eq(c.n, 3);
    ck_assert_int_eq(c.order[2], 3);
}
END_TEST

/* Small pieces that were given back are used again, by whoever comes, and charged to him. */
START_TEST(kept_pieces_are_charged_to_who_has_them)
{
    ds_budget first, second;
    ds_budget_init(&first, NULL, 0);
    ds_budget_init(&second, NULL, 0);
    for (int round = 0; round < 20; round++) {
        ds_arena *a[8];
        for (int i = 0; i < 8; i++) {
            a[i] = ds_arena_new(i % 2 == 0 ? &first : &second);
            memset(ds_arena_alloc(a[i], 100), 0xee, 100);
        }
        ck_assert_int_eq(first.used_bytes, second.used_bytes);
        ck_assert_int_ge(first.used_bytes, 400);
        for (int i = 0; i < 8; i++) {
            const unsigned char *zeros = ds_arena_calloc(a[i], 30, 10);
            for (int k = 0; k < 300; k++)
                ck_assert_uint_eq(zeros[k], 0);
        }
        for (int i = 0; i < 8; i++)
            ds_arena_free(a[(i + round) % 8]);
        ck_assert_int_eq(first.used_bytes, 0);
        ck_assert_int_eq(second.used_bytes, 0);
    }
}
END_TEST

static void *use_arenas(void *arg)
{
    ds_arena *arena = arg;
    for (int i = 0; i < 10; i++) {
        ds_arena *own = ds_arena_new(NULL);
        memset(ds_arena_alloc(own, 1000), i, 1000);
        ds_arena_free(own);
    }
    ds_arena_free(arena); /* of another thread */
    return NULL;
}

START_TEST(a_thread_may_end_with_kept_pieces)
{
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        ds_arena *arena = ds_arena_new(NULL);
        memset(ds_arena_alloc(arena, 1000), i, 1000);
        ck_assert_int_eq(pthread_create(&thread, NULL, use_arenas, arena), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
}
END_TEST

UNIT_MAIN("arena", kept_pieces_are_charged_to_who_has_them, a_thread_may_end_with_kept_pieces,
          memory_is_aligned_and_separate, budget_follows_the_arena, reset_keeps_one_piece,
          empty_keeps_nothing, reserve_is_refused_without_a_trace, hooks_run_once_newest_first)
