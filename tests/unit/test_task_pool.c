/* Task threads: every task once, results that stay, an end at any time. */
#include "exec/task_pool.h"

#include "base/mailbox.h"
#include "unit/engine.h"

typedef struct letter {
    ds_mail link;
    ds_task_done *done;
} letter;

static ds_mailbox *mailbox;

static void on_done(void *arg, ds_task_done *done)
{
    letter *l = ds_calloc(1, sizeof *l);
    l->done = done;
    ds_mailbox_post(arg, &l->link);
}

/* Takes n finished tasks; marks their partitions. */
static void take(uint32_t n, bool *seen)
{
    while (n > 0) {
        ds_mail *items = ds_mailbox_take(mailbox, INT64_MAX);
        while (items != NULL) {
            letter *l = (letter *)items;
            items = items->next;
            const ds_task_result *result = ds_task_done_result(l->done);
            ck_assert_int_eq(result->status, DS_OK);
            ck_assert_uint_eq(result->rows_in, 10 + result->partition);
            ck_assert_uint_eq(result->n_outputs, 1);
            ck_assert(!seen[result->partition]);
            seen[result->partition] = true;
            ds_task_done_free(l->done);
            free(l);
            n--;
        }
    }
}

#define TASKS 300

static void add_tasks(ds_task_pool *pool, engine *e, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        /* What the task refers to is gone when it runs: the pool has copies. */
        char *path = ds_strdup("");
        ds_input input = {.kind = DS_INPUT_RATE, .from = 0, .to = 10 + i, .path = path};
        ds_task task = {.batch_ms = 1000, .partition = i, .inputs = &input, .n_inputs = 1};
        ds_task_pool_put(pool, &e->env, &task);
        input.to = 0;
        free(path);
        if (i % 7 == 6) /* they come in several loads */
            ds_task_pool_go(pool);
    }
    ds_task_pool_go(pool);
}

static void open_rate(engine *e)
{
    engine_open(e, "'in': { 'type': 'rate', 'rows_per_second': 1 }",
                "'g': { 'from': 'in', 'group_by': ['value'] }", "g");
    mailbox = ds_mailbox_new();
}

static void close_rate(engine *e)
{
    ds_batch_ranges_release(e->ranges, 1000);
    ds_mailbox_free(mailbox);
    engine_close(e);
}

START_TEST(every_task_is_run_once)
{
    for (uint32_t threads = 1; threads <= 4; threads++) {
        engine e;
        open_rate(&e);
        bool seen[TASKS] = {false};
        ds_task_pool *pool = ds_task_pool_start(threads, on_done, mailbox);
        add_tasks(pool, &e, TASKS);
        take(TASKS, seen);
        for (uint32_t i = 0; i < TASKS; i++)
            ck_assert(seen[i]);
        ds_task_pool_stop(pool);
        ck_assert_ptr_null(ds_mailbox_take(mailbox, 0));
        ck_assert_int_eq(e.budget.used_bytes, 0);
        close_rate(&e);
    }
}
END_TEST

/* What they refer to lies in an arena that the pool has now: it is not copied, and goes with the
 * last of them, or at once if there are none. */
START_TEST(tasks_in_an_arena_that_is_lent)
{
    engine e;
    open_rate(&e);
    bool seen[TASKS] = {false};
    ds_task_pool *pool = ds_task_pool_start(2, on_done, mailbox);
    for (uint32_t i = 0; i < TASKS;) {
        ds_arena *arena = ds_arena_new(NULL);
        ds_task_pool_lend(pool, arena);
        for (uint32_t n = 0; n < 1 + i % 7 && i < TASKS; n++, i++) {
            ds_input *input = DS_ARENA_NEW(arena, ds_input);
            *input = (ds_input){.kind = DS_INPUT_RATE, .to = 10 + i, .path = ""};
            ds_task task = {.batch_ms = 1000, .partition = i, .inputs = input, .n_inputs = 1};
            ds_task_pool_put(pool, &e.env, &task);
        }
        if (i % 2 == 0)
            ds_task_pool_go(pool); /* else the next lending does it */
        ds_task_pool_lend(pool, ds_arena_new(NULL));
    }
    ds_task_pool_go(pool);
    take(TASKS, seen);
    ds_task_pool_lend(pool, ds_arena_new(NULL));
    ds_task_pool_stop(pool);
    close_rate(&e);
}
END_TEST

/* What runs is waited for, what only waits is forgotten; nothing leaks. */
START_TEST(an_end_with_tasks_that_wait)
{
    engine e;
    open_rate(&e);
    ds_task_pool *pool = ds_task_pool_start(2, on_done, mailbox);
    add_tasks(pool, &e, TASKS);
    for (uint32_t i = 0; i < 3; i++) { /* and with some that nobody was told of */
        ds_input input = {.kind = DS_INPUT_RATE, .to = 1, .path = ""};
        ds_task task = {.batch_ms = 1000, .partition = i, .inputs = &input, .n_inputs = 1};
        ds_task_pool_put(pool, &e.env, &task);
    }
    ds_task_pool_stop(pool);
    uint32_t n = 0;
    for (ds_mail *items = ds_mailbox_take(mailbox, 0); items != NULL; n++) {
        letter *l = (letter *)items;
        items = items->next;
        ds_task_done_free(l->done);
        free(l);
    }
    ck_assert_uint_le(n, TASKS);
    ds_task_pool_stop(ds_task_pool_start(3, on_done, mailbox)); /* without any */
    close_rate(&e);
}
END_TEST

/* ---- little memory ---- */

#define LARGE_ROWS 30000u
#define LARGE_TASKS 24u
#define LITTLE 20000 /* bytes: a table of groups cannot begin in it */

/* Runs large tasks in so much memory; returns how many found none. */
static uint32_t run_large(int64_t limit_bytes, uint32_t threads)
{
    engine e;
    uint32_t n_failed = 0, n = 0;
    open_rate(&e);
    e.budget.limit_bytes = limit_bytes;
    ds_task_pool *pool = ds_task_pool_start(threads, on_done, mailbox);
    for (uint32_t i = 0; i < LARGE_TASKS; i++) {
        ds_input input = {.kind = DS_INPUT_RATE, .from = 0, .to = LARGE_ROWS, .path = ""};
        ds_task task = {.batch_ms = 1000, .partition = i, .inputs = &input, .n_inputs = 1};
        ds_task_pool_put(pool, &e.env, &task);
    }
    ds_task_pool_go(pool);
    while (n < LARGE_TASKS)
        for (ds_mail *items = ds_mailbox_take(mailbox, INT64_MAX); items != NULL; n++) {
            letter *l = (letter *)items;
            items = items->next;
            const ds_task_result *result = ds_task_done_result(l->done);
            ck_assert(result->status == DS_OK || result->status == DS_ERR_NO_MEMORY);
            n_failed += result->status != DS_OK;
            ck_assert(result->status != DS_OK || result->rows_in == LARGE_ROWS);
            ds_task_done_free(l->done);
            free(l);
        }
    ds_task_pool_stop(pool);
    ck_assert_int_eq(e.budget.used_bytes, 0);
    close_rate(&e);
    return n_failed;
}

/* Tables are handed out early where memory is short: the least with which tasks can do. */
static int64_t least_for_one(void)
{
    int64_t limit = 50000;
    while (run_large(limit, 1) > 0)
        limit += limit / 4;
    return limit;
}

START_TEST(who_finds_no_memory_has_a_turn_alone)
{
    int64_t least = least_for_one();
    for (uint32_t threads = 2; threads <= 5; threads++)
        ck_assert_uint_eq(run_large(least, threads), 0);
}
END_TEST

START_TEST(what_finds_none_alone_fails)
{
    for (uint32_t threads = 1; threads <= 3; threads++)
        ck_assert_uint_eq(run_large(LITTLE, threads), LARGE_TASKS);
}
END_TEST

UNIT_MAIN("task_pool", every_task_is_run_once, tasks_in_an_arena_that_is_lent,
          an_end_with_tasks_that_wait, who_finds_no_memory_has_a_turn_alone,
          what_finds_none_alone_fails)
