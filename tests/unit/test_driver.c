/* The driver's control by itself: what it does about events, seen at its ports. */
#include "checkpoint/journal.h"

#include "unit/driver_kit.h"

#define EXECUTORS "'count': 1, 'cores': 1"
#define ONE "[ { 'n': 1 } ]"
#define TWO ONE ", [ { 'n': 2 } ]"
#define THREE TWO ", [ { 'n': 3 } ]"
#define QUEUE(batches) KIT_APP(EXECUTORS, KIT_QUEUE(batches), "", KIT_CONSOLE("q"))

static void open_app(driver_kit *k, const char *app, bool checkpoint)
{
    kit_open(k, app);
    k->config.virtual_time = true;
    k->config.n_batches = 3;
    k->config.checkpoint = checkpoint;
}

static void start(driver_kit *k, const char *app, bool checkpoint)
{
    open_app(k, app, checkpoint);
    kit_start(k);
}

/* The newest task that was sent. */
static const kit_sent *last_task(const driver_kit *k)
{
    return kit_last(k, DS_MSG_TASKS);
}

START_TEST(batches_run_one_by_one_and_commit_in_order)
{
    driver_kit k;
    start(&k, QUEUE(TWO ", []"), false);
    ck_assert_uint_eq(k.n_launched, 1);
    kit_join(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_WELCOME), 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    ck_assert_int_eq(last_task(&k)->task.batch_ms, 1000);
    kit_sent first = *last_task(&k);
    kit_done(&k, &first);
    ck_assert_uint_eq(k.n_commits, 1); /* and the next one runs meanwhile */
    ck_assert_int_eq(last_task(&k)->task.batch_ms, 2000);
    kit_done(&k, &first); /* a second time: no effect */
    kit_done(&k, last_task(&k));
    ck_assert_uint_eq(k.n_commits, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 0);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 1);
    ck_assert_int_eq(k.commits[1]->batch_ms, 2000);
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_COMMITTED,
                                   .batch_ms = 1000}); /* twice: no effect */
    ck_assert(!k.ended);
    kit_committed(&k, DS_OK);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    kit_close(&k);
}
END_TEST

START_TEST(strangers_and_second_comers_are_rejected)
{
    driver_kit k;
    start(&k, QUEUE(ONE), false);
    k.tokens[1][5] ^= 1;
    kit_join(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REJECT), 1);
    k.tokens[1][5] ^= 1;
    kit_join(&k, 9); /* no such executor */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REJECT), 2);
    kit_join(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_WELCOME), 1);
    kit_join(&k, 1); /* twice on one connection: no effect */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_WELCOME), 1);
    kit_lose(&k, 1);
    kit_join(&k, 1); /* it was given up */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REJECT), 3);
    kit_close(&k);
}
END_TEST

START_TEST(a_lost_executor_is_replaced_and_its_task_runs_again)
{
    driver_kit k;
    start(&k, QUEUE(ONE), false);
    kit_join(&k, 1);
    ck_assert_uint_eq(last_task(&k)->task.attempt, 0);
    kit_lose(&k, 1);
    ck_assert_uint_eq(k.n_launched, 1);
    kit_wait_ms(&k, 100);
    ck_assert_uint_eq(k.n_launched, 2);
    kit_join(&k, 2);
    ck_assert_uint_eq(last_task(&k)->peer, 102);
    ck_assert_uint_eq(last_task(&k)->task.attempt, 1);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors_lost, 1);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->retries, 1);
    kit_done(&k, last_task(&k));
    kit_committed(&k, DS_OK);
    ck_assert(k.ended);
    kit_close(&k);
}
END_TEST

/* What runs of a batch that is given up must not keep its executor busy for ever. */
START_TEST(a_batch_that_is_given_up_frees_its_executors)
{
    driver_kit k;
    start(&k, QUEUE(THREE), false);
    kit_join(&k, 1);
    for (int64_t batch = 1; batch <= 3; batch++) {
        for (uint32_t attempt = 0; attempt < 4; attempt++) {
            kit_sent task = *last_task(&k);
            ck_assert_int_eq(task.task.batch_ms, batch * 1000);
            ck_assert_uint_eq(task.task.attempt, attempt);
            kit_fail(&k, &task, DS_ERR_PROTOCOL);
        }
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 3);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 3);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_PROTOCOL);
    kit_close(&k);
}
END_TEST

/* A word count, whose reduce stage has two tasks: one fails for good while the other runs, which
 * is waited for. */
START_TEST(given_up_with_tasks_that_run)
{
    static const char app[] =
        KIT_APP(EXECUTORS ", 'key_partitions': 2", KIT_QUEUE(THREE),
                "'s': { 'from': 'q', 'window': '1s', 'group_by': ['n'] }", KIT_CONSOLE("s"));
    driver_kit k;
    start(&k, app, false);
    kit_join(&k, 1);
    for (uint64_t batch = 1; batch <= 3; batch++) {
        kit_done(&k, last_task(&k));
        kit_sent task = *kit_task(&k, (int64_t)batch * 1000, 1, 0);
        ck_assert_ptr_nonnull(kit_task(&k, (int64_t)batch * 1000, 1, 1));
        for (task.task.attempt = 0; task.task.attempt < 4; task.task.attempt++)
            kit_fail(&k, &task, DS_ERR_PROTOCOL);
        ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, batch);
        ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), batch - 1);
        task.task.partition = 1;
        task.task.attempt = 0;
        kit_done(&k, &task);
        ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), batch);
    }
    ck_assert(k.ended);
    kit_close(&k);
}
END_TEST

/* ---- the journal ---- */

/* A batch runs when its allotment is being written, and is output when its commit record, and with
 * it all that stands before it, is on the disk. */
START_TEST(commits_wait_for_the_journal)
{
    driver_kit k;
    start(&k, QUEUE(ONE), true);
    kit_join(&k, 1);
    ck_assert_uint_eq(k.n_journal, 2); /* the whole, and the first batch */
    ck_assert(k.journal[0].whole && !k.journal[1].whole);
    ck_assert_ptr_nonnull(strstr(k.journal[1].text, "\"allotted\""));
    ck_assert(!k.journal[1].sync);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    kit_done(&k, last_task(&k));
    ck_assert_ptr_nonnull(strstr(k.journal[2].text, "\"prepared\""));
    ck_assert(k.journal[2].sync);
    kit_journaled(&k, 0, DS_OK);
    kit_journaled(&k, 1, DS_OK);
    ck_assert_uint_eq(k.n_commits, 0);
    kit_journaled(&k, 2, DS_OK);
    ck_assert_uint_eq(k.n_commits, 1);
    kit_committed(&k, DS_OK);
    ck_assert_ptr_nonnull(strstr(k.journal[3].text, "\"committed\""));
    kit_close(&k);
}
END_TEST

/* What has to be noted while the whole record is being written comes in another one. */
START_TEST(nothing_is_missed_when_the_journal_fails)
{
    driver_kit k;
    start(&k, QUEUE(TWO), true);
    kit_join(&k, 1);
    kit_journaled(&k, 0, DS_OK);
    kit_journaled(&k, 1, DS_OK); /* the first batch runs */
    uint32_t n = k.n_journal;
    kit_journaled(&k, n - 1, DS_ERR_IO); /* the second waits */
    ck_assert_uint_eq(k.n_journal, n);
    kit_wait_ms(&k, 200);
    ck_assert_uint_eq(k.n_journal, n + 1);
    ck_assert(k.journal[n].whole);
    ck_assert_ptr_null(strstr(k.journal[n].text, "\"commit\""));
    kit_done(&k, last_task(&k)); /* prepared: to be noted, too */
    ck_assert_uint_eq(k.n_journal, n + 1);
    kit_journaled(&k, n, DS_OK);
    ck_assert_uint_eq(k.n_journal, n + 2);
    ck_assert(k.journal[n + 1].whole);
    ck_assert_uint_eq(k.n_commits, 0);
    kit_journaled(&k, n + 1, DS_OK);
    ck_assert_uint_eq(k.n_commits, 1);
    kit_committed(&k, DS_OK);
    ck_assert(!k.journal[k.n_journal - 1].whole); /* the failure is over */
    ck_assert_int_eq(last_task(&k)->task.batch_ms, 2000);
    kit_close(&k);
}
END_TEST

/* The n-th list of every queue belongs to the n-th batch, after a restart, too. */
START_TEST(empty_lists_are_passed_in_the_checkpoint)
{
    static const char app[] =
        KIT_APP(EXECUTORS,
                "'p': { 'type': 'queue', 'schema': { 'n': 'int' }, 'batches': [ [], " ONE
                " ] }," KIT_QUEUE(ONE ", []"),
                "'s': { 'from': ['p', 'q'] }", KIT_CONSOLE("s"));
    driver_kit k, again;
    start(&k, app, true);
    kit_join(&k, 1);
    ck_assert_ptr_nonnull(strstr(k.journal[1].text, "\"next\":{\"p\":1,\"q\":1}"));
    k.n_journal = 2; /* it dies when the first batch is allotted */
    open_app(&again, app, false);
    ds_recovered *recovered = kit_recovered(&k, k.n_journal, k.p.plan);
    ck_assert_uint_eq(recovered->sources[0].next, 1);
    ck_assert_uint_eq(recovered->sources[1].next, 1);
    again.config.recovered = recovered;
    kit_start(&again);
    kit_join(&again, 1);
    ck_assert_int_eq(last_task(&again)->task.batch_ms, 1000);
    ck_assert_uint_eq(last_task(&again)->task.inputs[0].from, 0);
    kit_done(&again, last_task(&again));
    ck_assert_int_eq(last_task(&again)->task.batch_ms, 2000);
    ck_assert_uint_eq(last_task(&again)->task.stage, 0);
    ck_assert_uint_eq(last_task(&again)->task.inputs[0].from, 1);
    kit_close(&again);
    ds_recovered_free(recovered);
    kit_close(&k);
}
END_TEST

/* A prepared batch of rows to be printed, which are gone, runs again when executors are there;
 * until then nothing is to be done. */
START_TEST(a_restart_waits_quietly_for_executors)
{
    driver_kit k, again;
    start(&k, QUEUE(ONE), true);
    kit_join(&k, 1);
    kit_journaled(&k, 1, DS_OK);
    kit_done(&k, last_task(&k));
    open_app(&again, QUEUE(ONE), false);
    ds_recovered *recovered = kit_recovered(&k, k.n_journal, k.p.plan);
    ck_assert_uint_eq(recovered->n_batches, 1);
    ck_assert(recovered->batches[0].prepared);
    again.config.recovered = recovered;
    kit_start(&again);
    int64_t mono_us, wall_ms;
    ds_driver_deadline(again.driver, &mono_us, &wall_ms);
    ck_assert_int_gt(mono_us, again.now_us);
    ck_assert_uint_eq(again.n_commits, 0);
    kit_join(&again, 1);
    ck_assert_int_eq(last_task(&again)->task.batch_ms, 1000);
    kit_done(&again, last_task(&again));
    ck_assert_uint_eq(again.n_commits, 1);
    kit_close(&again);
    ds_recovered_free(recovered);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver", empty_lists_are_passed_in_the_checkpoint, a_restart_waits_quietly_for_executors,
          batches_run_one_by_one_and_commit_in_order, strangers_and_second_comers_are_rejected,
          a_lost_executor_is_replaced_and_its_task_runs_again,
          a_batch_that_is_given_up_frees_its_executors, given_up_with_tasks_that_run,
          commits_wait_for_the_journal, nothing_is_missed_when_the_journal_fails)
