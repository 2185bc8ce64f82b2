/* Slow tasks: which ones get a second copy, and whose result counts. */
#include "base/random.h"
#include "scheduler/copies.h"
#include "scheduler/speculation.h"

#include "unit/driver_kit.h"

/* ---- which ones ---- */

static const ds_app_speculation settings = {true, 1.5, 0.75, 100, 100};

typedef struct stage_of {
    ds_batch_task tasks[16];
    ds_batch_stage stage;
} stage_of;

/* Of n tasks the first ones took so many ms, the others run since 0. */
static void make_stage(stage_of *s, uint32_t n, const int64_t *took_ms, uint32_t n_done)
{
    *s = (stage_of){.stage = {.n_tasks = n, .n_done = n_done}};
    s->stage.tasks = s->tasks;
    for (uint32_t p = 0; p < n; p++) {
        s->tasks[p].state = p < n_done ? DS_TASK_DONE : DS_TASK_RUNNING;
        s->tasks[p].took_us = p < n_done ? took_ms[p] * 1000 : 0;
    }
}

static uint32_t find(const stage_of *s, int64_t now_ms, uint32_t *slow)
{
    return ds_speculation_find(&settings, &s->stage, now_ms * 1000, slow, 16);
}

START_TEST(most_are_done_and_one_takes_long)
{
    static const int64_t took[] = {400, 200, 300};
    uint32_t slow[16];
    stage_of s;
    make_stage(&s, 4, took, 3);
    ck_assert_uint_eq(find(&s, 450, slow), 0);
    ck_assert_uint_eq(find(&s, 451, slow), 1); /* 1.5 times the median */
    ck_assert_uint_eq(slow[0], 3);
    s.tasks[3].copied = true;
    ck_assert_uint_eq(find(&s, 1000, slow), 0);
    make_stage(&s, 5, took, 3); /* two run, one waits */
    s.tasks[4].state = DS_TASK_WAITING;
    ck_assert_uint_eq(find(&s, 1000, slow), 1); /* three of five: 0.75 is rounded down */
    make_stage(&s, 8, took, 3);
    ck_assert_uint_eq(find(&s, 100000, slow), 0); /* too few are done */
}
END_TEST

START_TEST(short_ones_and_single_ones_are_not_copied)
{
    static const int64_t took[] = {1, 1, 2, 0, 1};
    uint32_t slow[16];
    stage_of s;
    make_stage(&s, 6, took, 5);
    ck_assert_uint_eq(find(&s, 100, slow), 0);
    ck_assert_uint_eq(find(&s, 101, slow), 1);
    make_stage(&s, 1, took, 0);
    ck_assert_uint_eq(find(&s, 100000, slow), 0);
    make_stage(&s, 2, took, 1); /* of an even number the mean of two */
    ck_assert_uint_eq(find(&s, 101, slow), 1);
    make_stage(&s, 16, took, 0);
    ck_assert_uint_eq(find(&s, 100000, slow), 0);
}
END_TEST

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The one in the middle, whatever their order, as a sort finds it. */
START_TEST(the_median_of_many)
{
    static ds_batch_task tasks[400];
    int64_t took[400];
    uint32_t slow[2];
    ds_random random;
    ds_random_init(&random, 5);
    for (uint32_t n = 1; n < 400; n++) {
        for (uint32_t i = 0; i < n; i++) {
            took[i] = 1000000 + (int64_t)ds_random_below(&random, n % 3 == 0 ? 4 : 4000) * 1000;
            tasks[i] = (ds_batch_task){.state = DS_TASK_DONE, .took_us = took[i]};
        }
        tasks[n] = (ds_batch_task){.state = DS_TASK_RUNNING};
        const ds_batch_stage stage = {.tasks = tasks, .n_tasks = n + 1, .n_done = n};
        qsort(took, n, sizeof *took, by_size);
        int64_t median = (took[(n - 1) / 2] + took[n / 2]) / 2;
        int64_t limit_us = median / 2 * 3; /* they are even */
        const ds_app_speculation any = {true, 1.5, 0, 100, 100};
        ck_assert_uint_eq(ds_speculation_find(&any, &stage, limit_us, slow, 2), 0);
        ck_assert_uint_eq(ds_speculation_find(&any, &stage, limit_us + 1, slow, 2), 1);
        ck_assert_uint_eq(slow[0], n);
    }
}
END_TEST

START_TEST(no_more_than_wanted)
{
    static const int64_t took[12] = {0};
    uint32_t slow[16];
    stage_of s;
    make_stage(&s, 16, took, 12);
    ck_assert_uint_eq(find(&s, 1000, slow), 4);
    ck_assert_uint_eq(ds_speculation_find(&settings, &s.stage, 1000000, slow, 2), 2);
    ck_assert_uint_eq(slow[0], 12);
    ck_assert_uint_eq(slow[1], 13);
}
END_TEST

/* ---- what becomes of them ---- */

#define ROWS "{ 'n': 1 }, { 'n': 2 }, { 'n': 3 }"

/* A shuffle of four partitions, which is not kept, on two executors; its first half is done. */
static void open_shuffle(driver_kit *k)
{
    char *app = NULL;
    ck_assert_int_gt(
        asprintf(&app, "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                       "'executors': { 'count': 2, 'cores': 2, 'key_partitions': 4,"
                       "'speculation': true }, 'sources': { " KIT_QUEUE(
                           "[ " ROWS " ], [ " ROWS
                           " ]") " }, 'streams': { 'g': {"
                                 "'from': 'q', 'group_by': ['n'] } },"
                                 "'sinks': { 'f': { 'from': 'g', 'type': 'file', 'dir': 'o' } } }"),
        0);
    kit_open(k, app);
    free(app);
    k->config.virtual_time = true;
    kit_start_with(k, 2);
    kit_done_for(k, kit_task(k, 1000, 0, 0), 1);
}

/* Three of the four tasks are done; the other one is returned. */
static kit_sent leave_one(driver_kit *k)
{
    for (uint32_t p = 0; p < 3; p++)
        kit_done(k, kit_task(k, 1000, 1, p));
    return *kit_task(k, 1000, 1, 3);
}

static uint64_t copies(const driver_kit *k)
{
    return ds_driver_progress(k->driver)->copies;
}

/* The last task, and its copy. */
static void open_copied(driver_kit *k, kit_sent *own, kit_sent *copy)
{
    open_shuffle(k);
    *own = leave_one(k);
    kit_wait_ms(k, 99);
    ck_assert_uint_eq(copies(k), 0);
    kit_wait_ms(k, 100);
    ck_assert_uint_eq(copies(k), 1);
    *copy = *kit_task(k, 1000, 1, 3);
    ck_assert_uint_ne(copy->peer, own->peer);
    ck_assert_uint_eq(own->task.attempt, 0);
    ck_assert_uint_eq(copy->task.attempt, 1);
    kit_wait_ms(k, 5000); /* there is one at most */
    ck_assert_uint_eq(copies(k), 1);
}

static uint32_t releases(const driver_kit *k)
{
    return kit_count(k, DS_MSG_RELEASE);
}

START_TEST(the_copy_is_first)
{
    driver_kit k;
    kit_sent own, copy;
    open_copied(&k, &own, &copy);
    kit_done(&k, &copy);
    ck_assert_uint_eq(k.n_commits, 1);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 1);
    ck_assert_uint_eq(releases(&k), 0); /* it may read them still */
    ck_assert_int_eq(kit_last(&k, DS_MSG_TASKS)->task.batch_ms, 2000);
    ck_assert_uint_ne(kit_last(&k, DS_MSG_TASKS)->peer, own.peer); /* it is slow */
    kit_done(&k, &own);
    ck_assert_uint_eq(releases(&k), 2);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->rows_in, 5); /* each task once */
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    kit_close(&k);
}
END_TEST

START_TEST(the_first_one_is_first)
{
    driver_kit k;
    kit_sent own, copy;
    open_copied(&k, &own, &copy);
    kit_done(&k, &own);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(releases(&k), 0);
    kit_fail(&k, &copy, DS_ERR_IO); /* nobody cares */
    ck_assert_uint_eq(releases(&k), 2);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->retries, 0);
    kit_settle(&k);
    ck_assert(k.ended);
    kit_close(&k);
}
END_TEST

START_TEST(one_of_them_fails)
{
    driver_kit k;
    kit_sent own, copy;
    open_copied(&k, &own, &copy);
    kit_fail(&k, &copy, DS_ERR_IO);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->retries, 1);
    kit_done(&k, &own);
    ck_assert_uint_eq(k.n_commits, 1);
    kit_close(&k);
    open_copied(&k, &own, &copy);
    kit_fail(&k, &own, DS_ERR_IO);
    ck_assert_ptr_eq(kit_task(&k, 1000, 1, 3)->text, copy.text); /* no other was handed out */
    ck_assert_uint_eq(kit_task(&k, 1000, 1, 3)->task.attempt, 1);
    kit_fail(&k, &copy, DS_ERR_PROTOCOL); /* both: it begins again */
    ck_assert_uint_eq(kit_task(&k, 1000, 1, 3)->task.attempt, 3);
    kit_done(&k, kit_task(&k, 1000, 1, 3));
    ck_assert_uint_eq(k.n_commits, 1);
    kit_close(&k);
}
END_TEST

START_TEST(an_executor_is_lost)
{
    driver_kit k;
    kit_sent own, copy;
    open_copied(&k, &own, &copy); /* the slow one: the copy is all there is */
    kit_lose(&k, own.peer - 100);
    ck_assert_uint_eq(kit_task(&k, 1000, 1, 3)->task.attempt, 1);
    kit_done(&k, &copy);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(releases(&k), 1);
    kit_close(&k);
    open_copied(&k, &own, &copy); /* that of the copy */
    kit_lose(&k, copy.peer - 100);
    kit_done(&k, &own);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(releases(&k), 1);
    kit_close(&k);
    open_copied(&k, &own, &copy); /* the slow one, when the copy was first */
    kit_done(&k, &copy);
    kit_committed(&k, DS_OK);
    kit_lose(&k, own.peer - 100);
    ck_assert_uint_eq(releases(&k), 1);
    kit_close(&k);
}
END_TEST

START_TEST(one_that_does_not_end_is_given_up)
{
    driver_kit k;
    kit_sent own, copy;
    open_copied(&k, &own, &copy);
    kit_done(&k, &copy);
    kit_committed(&k, DS_OK);
    kit_wait_ms(&k, 9999);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors_lost, 0);
    ck_assert_int_ge(kit_wants_ms(&k), 1);
    kit_wait_ms(&k, 1);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors_lost, 1);
    ck_assert_uint_eq(releases(&k), 1);
    kit_close(&k);
}
END_TEST

START_TEST(what_is_kept_is_not_copied)
{
    driver_kit k;
    kit_open(&k,
             KIT_APP("'count': 2, 'key_partitions': 4, 'speculation': true",
                     KIT_QUEUE("[ " ROWS " ]"),
                     "'w': { 'from': 'q', 'window': '1s', 'group_by': ['n'] }", KIT_CONSOLE("w")));
    k.config.virtual_time = true;
    kit_start_with(&k, 2);
    kit_done_for(&k, kit_task(&k, 1000, 0, 0), 1);
    leave_one(&k);
    kit_wait_ms(&k, 60000);
    ck_assert_uint_eq(copies(&k), 0);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("speculation", most_are_done_and_one_takes_long,
          short_ones_and_single_ones_are_not_copied, the_median_of_many, no_more_than_wanted,
          the_copy_is_first, the_first_one_is_first, one_of_them_fails, an_executor_is_lost,
          one_that_does_not_end_is_given_up, what_is_kept_is_not_copied)
