/* A batch that runs again, as its outputs are lost before they are in their place, and the key
 * partitions that batches behind it were applied to: it is in each of them once, and in its turn.
 */
#include "unit/saves_kit.h"

#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>

static void make_app(driver_kit *k)
{
    ds_log_setup(DS_LOG_OFF, false, "test");
    kit_open(k, "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                "'checkpoint': { 'dir': 'state', 'every': '1h' },"
                "'executors': { 'count': 2, 'key_partitions': 4 }, 'sources': { " KIT_QUEUE(
                    "[ { 'n': 1 } ], [ { 'n': 2 } ], [ { 'n': 3 } ], [ { 'n': 4 } ], "
                    "[ { 'n': 5 } ]") " }, 'streams': { 'g': { 'from': 'q', 'window': { 'size': "
                                      "'9s', 'slide': '1s' }, 'group_by': ['n'] } },"
                                      "'sinks': { 'd': { 'from': 'g', 'type': 'file', "
                                      "'dir': 'd' } } }");
    k->config.virtual_time = k->config.saves = k->config.checkpoint = true;
    k->config.kept_folder = "kept";
    k->config.n_batches = 5;
}

/* A keyed task is done, with a staged file if it is to have one. */
static void stage_file(driver_kit *k, const kit_sent *to)
{
    ck_assert_ptr_nonnull(to);
    if (to->task.mode != DS_TASK_NORMAL) {
        kit_done(k, to);
        return;
    }
    char path[64];
    snprintf(path, sizeof path, "%" PRId64 "/%u.%u", to->task.batch_ms, to->task.partition,
             to->task.attempt);
    ds_output output = {.kind = DS_OUTPUT_FILE, .rows = 1, .length = 10, .path = path};
    kit_result(k, to, DS_OK, &output, 1);
}

static void run_map(driver_kit *k, int64_t batch_ms)
{
    kit_done_for(k, kit_task(k, batch_ms, 0, 0), 1);
}

/* All tasks of a batch that can run are done; its record is not written yet. */
static void run_batch(driver_kit *k, int64_t batch_ms)
{
    kit_journal_all(k);
    run_map(k, batch_ms);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        stage_file(k, saves_task(k, batch_ms, p));
}

/* The disk says that all that was staged is gone. */
static void lose_files(driver_kit *k, int64_t batch_ms)
{
    bool lost[SAVES_PARTITIONS] = {true, true, true, true};
    ck_assert_uint_eq(k->n_commits, k->n_committed + 1);
    ck_assert_int_eq(k->commits[k->n_committed++]->batch_ms, batch_ms);
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_COMMITTED, .batch_ms = batch_ms, .lost = lost});
}

/* Batch 1 is committed, 2 is about to be, 3 waits for its record, and 4 runs. */
static void begin(driver_kit *k)
{
    make_app(k);
    kit_start_with(k, 2);
    run_batch(k, 1000);
    kit_journal_all(k);
    kit_committed(k, DS_OK);
    run_batch(k, 2000);
    kit_journal_all(k);
    run_batch(k, 3000);
    ck_assert_uint_eq(k->n_commits, k->n_committed + 1);
    run_map(k, 4000);
}

/* The newest task of partition 0 that was sent, replay or not. */
static const kit_sent *newest(const driver_kit *k)
{
    for (uint32_t i = k->n_sent; i-- > 0;)
        if (k->sent[i].type == DS_MSG_TASKS && k->sent[i].task.stage == 1 &&
            k->sent[i].task.partition == 0)
            return &k->sent[i];
    return NULL;
}

static void check_newest(const driver_kit *k, int64_t batch_ms, int64_t stands_ms, bool replay)
{
    ck_assert_ptr_nonnull(newest(k));
    ck_assert_int_eq(newest(k)->task.batch_ms, batch_ms);
    ck_assert_int_eq(newest(k)->task.keyed_ms, stands_ms);
    ck_assert_int_eq(newest(k)->task.mode == DS_TASK_REPLAY, replay);
}

/* All tasks but those of partition 0 are done, and those that come of it. */
static void run_others(driver_kit *k)
{
    kit_journal_all(k);
    for (uint32_t i = 0; i < k->n_sent; i++) {
        const kit_sent *s = &k->sent[i];
        if (s->type != DS_MSG_TASKS || (s->task.stage == 1 && s->task.partition == 0))
            continue;
        if (s->task.stage == 0)
            kit_done_for(k, s, 1);
        else
            stage_file(k, s);
    }
}

/* From here on all goes well. */
static void check_end(driver_kit *k)
{
    for (int i = 0; !k->ended && i < 20; i++) {
        kit_wait_ms(k, 1000);
        run_others(k);
        stage_file(k, newest(k));
        kit_journal_all(k);
        while (k->n_committed < k->n_commits && !k->ended) {
            ck_assert_uint_eq(k->commits[k->n_committed]->n_files, SAVES_PARTITIONS);
            kit_committed(k, DS_OK);
            kit_journal_all(k);
        }
    }
    ck_assert(k->ended);
    ck_assert_int_eq(k->status, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k->driver)->panes_lost, 0);
}

/* The checkpoint cannot be written, and the files of batch 2 are lost. */
static void lose_while_full(driver_kit *k)
{
    kit_lose(k, saves_owner(k, 1000, 0));
    check_newest(k, 1000, DS_NO_BATCH, true);
    ck_assert(!k->journal[k->n_journal - 1].answered);
    kit_journaled(k, k->n_journal - 1, DS_ERR_IO);
    lose_files(k, 2000);
}

/* It waits until the checkpoint can be written again, and so does what comes behind it. */
START_TEST(none_behind_it_overtakes_it)
{
    driver_kit k;
    begin(&k);
    lose_while_full(&k);
    kit_done(&k, newest(&k));
    check_newest(&k, 1000, DS_NO_BATCH, true); /* batch 3 is not the next one */
    kit_wait_ms(&k, 20000);
    run_others(&k);
    check_newest(&k, 2000, 1000, false);
    stage_file(&k, newest(&k));
    check_newest(&k, 3000, 2000, true);
    kit_done(&k, newest(&k));
    check_newest(&k, 4000, 3000, false);
    check_end(&k);
    kit_close(&k);
}
END_TEST

START_TEST(it_moves_twice)
{
    driver_kit k;
    begin(&k);
    lose_while_full(&k);
    kit_done(&k, newest(&k));
    kit_lose(&k, newest(&k)->peer - 100);
    kit_wait_ms(&k, 20000);
    kit_join(&k, 3);
    kit_join(&k, 4);
    run_others(&k);
    check_newest(&k, 1000, DS_NO_BATCH, true);
    kit_done(&k, newest(&k));
    check_newest(&k, 2000, 1000, false);
    stage_file(&k, newest(&k));
    check_newest(&k, 3000, 2000, true);
    check_end(&k);
    kit_close(&k);
}
END_TEST

/* The driver dies when it has found out; the next one applies the batches again, and finds it, too,
 * while an executor is lost and the checkpoint cannot be written. */
START_TEST(a_driver_dies_in_between)
{
    driver_kit first, k;
    begin(&first);
    lose_files(&first, 2000);
    make_app(&k);
    ds_recovered *recovered = kit_recovered(&first, first.n_journal, k.p.plan);
    k.config.recovered = recovered;
    kit_start_with(&k, 2);
    for (int64_t t = 1000; t <= 4000; t += 1000)
        run_batch(&k, t);
    ck_assert_uint_eq(kit_task(&k, 3000, 0, 0)->task.mode, DS_TASK_MUTED);
    lose_while_full(&k);
    kit_done(&k, newest(&k));
    check_newest(&k, 1000, DS_NO_BATCH, true);
    kit_wait_ms(&k, 20000);
    run_others(&k);
    check_newest(&k, 2000, 1000, false);
    ck_assert_uint_eq(newest(&k)->task.mode, DS_TASK_NORMAL);
    stage_file(&k, newest(&k));
    check_newest(&k, 3000, 2000, true);
    check_end(&k);
    ds_recovered_free(recovered);
    kit_close(&k);
    kit_close(&first);
}
END_TEST

/* The batch is being applied again when it is to run again: that stays, and its results are what
 * is wanted next, before anything behind it. */
START_TEST(it_is_being_applied_again)
{
    driver_kit k;
    begin(&k);
    kit_lose(&k, saves_owner(&k, 1000, 0));
    kit_done(&k, newest(&k));
    check_newest(&k, 2000, 1000, true);
    lose_files(&k, 2000);
    run_others(&k);
    check_newest(&k, 2000, 1000, true);
    kit_done(&k, newest(&k));
    check_newest(&k, 2000, 2000, false);
    stage_file(&k, newest(&k));
    check_newest(&k, 3000, 2000, true);
    check_end(&k);
    kit_close(&k);
}
END_TEST

/* No executor is lost: it goes back to where the batch is in its turn. */
START_TEST(it_goes_back)
{
    driver_kit k;
    begin(&k);
    lose_files(&k, 2000);
    check_newest(&k, 4000, 3000, false); /* it ends first */
    run_others(&k);
    stage_file(&k, newest(&k));
    check_newest(&k, 1000, DS_NO_BATCH, true);
    kit_done(&k, newest(&k));
    check_newest(&k, 2000, 1000, false);
    stage_file(&k, newest(&k));
    check_newest(&k, 3000, 2000, true);
    kit_done(&k, newest(&k));
    check_newest(&k, 4000, 3000, true);
    check_end(&k);
    kit_close(&k);
}
END_TEST

/* What is known of the newest batch that was applied is not overwritten by one before it. */
START_TEST(what_is_known_of_later_ones)
{
    driver_kit k;
    begin(&k);
    lose_files(&k, 2000);
    run_others(&k);
    stage_file(&k, newest(&k)); /* batch 4 */
    ck_assert_int_eq(k.driver->stage_input_ms[1], 4000);
    kit_done(&k, newest(&k)); /* batch 1 */
    check_newest(&k, 2000, 1000, false);
    k.acts_ms = INT64_MAX; /* without batch 3 it had never acted */
    stage_file(&k, newest(&k));
    run_others(&k);
    ck_assert(ds_batch_is_prepared(k.driver->batches));
    ck_assert_int_eq(k.driver->stage_input_ms[1], 4000);
    check_newest(&k, 3000, 2000, true);
    k.acts_ms = 7000;
    kit_done(&k, newest(&k));
    check_newest(&k, 4000, 3000, true);
    ck_assert_int_eq(k.driver->acts_ms[1][0], 7000);
    check_end(&k);
    kit_close(&k);
}
END_TEST

/* Some of its outputs may be in their place, and what comes behind it has it: it is not given up.
 */
START_TEST(it_cannot_be_made_again)
{
    driver_kit k;
    begin(&k);
    lose_files(&k, 2000);
    run_others(&k);
    stage_file(&k, newest(&k)); /* batch 4 */
    kit_done(&k, newest(&k));
    check_newest(&k, 2000, 1000, false);
    for (int i = 0; i < 4; i++) {
        ck_assert(!k.ended);
        kit_fail(&k, newest(&k), DS_ERR_INTERNAL);
        kit_wait_ms(&k, 1000);
    }
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(k.message, "cannot be made again"));
    ck_assert_ptr_null(saves_record(&k, "failed"));
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_remade", none_behind_it_overtakes_it, it_moves_twice, a_driver_dies_in_between,
          it_is_being_applied_again, it_goes_back, what_is_known_of_later_ones,
          it_cannot_be_made_again)
