/* The driver and files that grow: every byte has a place that is noted before it is written. */
#include "unit/driver_kit.h"

#include "base/log.h"

#define LISTS KIT_QUEUE("[{ 'n': 1 }], [{ 'n': 2 }], [{ 'n': 3 }]")
#define APPENDS                                                                                    \
    "'a': { 'from': 'q', 'type': 'append', 'path': 'a' },"                                         \
    "'b': { 'from': 'q', 'type': 'append', 'path': 'b' }"
#define ROWS 10u /* bytes of each part */

static void open_appends(driver_kit *k)
{
    ds_log_setup(DS_LOG_OFF, false, "test");
    kit_open(k, KIT_APP("'count': 1", LISTS, "", APPENDS));
    k->config.virtual_time = true;
    k->config.checkpoint = true;
}

/* The newest task is done, with a staged file for each sink in `sinks`. */
static void run_task(driver_kit *k, const char *sinks)
{
    ds_output outputs[2];
    uint32_t n = 0;
    for (const char *s = sinks; *s != '\0'; s++)
        outputs[n++] = (ds_output){.kind = DS_OUTPUT_FILE,
                                   .target = (uint32_t)(*s - 'a'),
                                   .rows = 1,
                                   .length = ROWS,
                                   .path = "staged"};
    kit_result(k, kit_last(k, DS_MSG_TASKS), DS_OK, outputs, n);
}

/* Starts, and brings the first batch to its commit. */
static void start(driver_kit *k, const char *sinks)
{
    kit_start_with(k, 1);
    kit_journal_all(k);
    run_task(k, sinks);
    kit_journal_all(k);
}

static const ds_commit *commit_of(const driver_kit *k)
{
    ck_assert_uint_gt(k->n_commits, k->n_committed);
    return k->commits[k->n_commits - 1];
}

static void check_append(const driver_kit *k, uint32_t i, const char *path, uint64_t base,
                         bool begun)
{
    const ds_commit *commit = commit_of(k);
    ck_assert_uint_lt(i, commit->n_appends);
    ck_assert_str_eq(commit->appends[i].path, path);
    ck_assert_uint_eq(commit->appends[i].base.length, base);
    ck_assert_int_eq(commit->appends[i].begun, begun);
}

/* The disk says how long the files are. */
static void measured(driver_kit *k, uint64_t a, uint64_t b)
{
    const ds_append_end ends[] = {{a, 1}, {b, 2}};
    int64_t batch_ms = k->commits[k->n_committed++]->batch_ms;
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_COMMITTED, .batch_ms = batch_ms, .ends = ends});
}

static const char *last_record(const driver_kit *k)
{
    return k->journal[k->n_journal - 1].text;
}

START_TEST(a_base_is_noted_before_it_is_used)
{
    driver_kit k;
    open_appends(&k);
    start(&k, "ab");
    check_append(&k, 0, "a", DS_APPEND_UNKNOWN, false);
    check_append(&k, 1, "b", DS_APPEND_UNKNOWN, false);
    uint32_t commits = k.n_commits;
    measured(&k, 70, 0);
    ck_assert_uint_eq(k.n_commits, commits); /* not before the record is durable */
    ck_assert_ptr_nonnull(strstr(last_record(&k), "\"prepared\""));
    ck_assert_ptr_nonnull(strstr(last_record(&k), "\"path\":\"a\",\"base\":70,\"inode\":1,"));
    ck_assert_ptr_nonnull(strstr(last_record(&k), "\"path\":\"b\",\"base\":0"));
    ck_assert(k.journal[k.n_journal - 1].sync);
    kit_journal_all(&k);
    check_append(&k, 0, "a", 70, false);
    check_append(&k, 1, "b", 0, false);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 1);
    kit_close(&k);
}
END_TEST

/* While nobody else writes, each batch begins where the one before it ended. */
START_TEST(bases_follow_each_other)
{
    driver_kit k;
    open_appends(&k);
    start(&k, "ab");
    measured(&k, 70, 5);
    kit_journal_all(&k);
    kit_committed(&k, DS_OK);
    kit_journal_all(&k);
    run_task(&k, "b");
    kit_journal_all(&k);
    check_append(&k, 0, "b", 5 + ROWS, false);
    kit_committed(&k, DS_OK);
    kit_journal_all(&k);
    run_task(&k, "ab");
    kit_journal_all(&k);
    check_append(&k, 0, "a", 70 + ROWS, false);
    check_append(&k, 1, "b", 5 + 2 * ROWS, false);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    kit_close(&k);
}
END_TEST

/* The second batch is prepared while the first one commits, and follows it when that moves. */
START_TEST(later_batches_move_too)
{
    driver_kit k;
    open_appends(&k);
    start(&k, "a");
    measured(&k, 70, 0);
    kit_journal_all(&k);
    check_append(&k, 0, "a", 70, false);
    run_task(&k, "a");
    kit_journal_all(&k);
    uint32_t before = k.n_journal;
    measured(&k, 3, 0); /* cut */
    ck_assert_uint_eq(k.n_journal, before + 2);
    ck_assert_ptr_nonnull(strstr(k.journal[before].text, "\"base\":3,"));
    ck_assert_ptr_nonnull(strstr(k.journal[before + 1].text, "\"base\":13,"));
    kit_journal_all(&k);
    check_append(&k, 0, "a", 3, false);
    kit_committed(&k, DS_OK);
    check_append(&k, 0, "a", 3 + ROWS, false);
    kit_close(&k);
}
END_TEST

/* Some of it may be in the file: the disk looks before it writes. */
START_TEST(a_commit_that_failed_was_begun)
{
    driver_kit k;
    open_appends(&k);
    start(&k, "ab");
    kit_committed(&k, DS_ERR_IO); /* nothing was measured even */
    kit_wait_ms(&k, 200);
    check_append(&k, 0, "a", DS_APPEND_UNKNOWN, false);
    measured(&k, 70, 5);
    kit_journal_all(&k);
    kit_wait_ms(&k, 200);
    check_append(&k, 0, "a", 70, false);
    kit_committed(&k, DS_ERR_IO);
    ck_assert_int_gt(kit_wants_ms(&k), 0);
    kit_wait_ms(&k, 400);
    check_append(&k, 0, "a", 70, true);
    check_append(&k, 1, "b", 5, true);
    measured(&k, 70, 0); /* a is done, b was renamed */
    kit_journal_all(&k);
    check_append(&k, 0, "a", 70, true);
    check_append(&k, 1, "b", 0, false);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 1);
    kit_close(&k);
}
END_TEST

/* Somebody writes to it all the time: a batch does not go round and round as fast as it can. */
START_TEST(a_file_that_never_rests)
{
    driver_kit k;
    open_appends(&k);
    start(&k, "a");
    for (uint64_t i = 1; i <= 3; i++) {
        measured(&k, i, 0);
        kit_journal_all(&k);
        check_append(&k, 0, "a", i, false);
    }
    uint32_t commits = k.n_commits;
    measured(&k, 99, 0);
    kit_journal_all(&k);
    ck_assert_uint_eq(k.n_commits, commits);
    ck_assert_int_eq(kit_wants_ms(&k), 200);
    kit_wait_ms(&k, 200);
    check_append(&k, 0, "a", 99, false);
    kit_close(&k);
}
END_TEST

START_TEST(others_in_the_file_end_the_app)
{
    driver_kit k;
    open_appends(&k);
    start(&k, "a");
    kit_committed(&k, DS_ERR_APP);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_APP);
    kit_close(&k);
}
END_TEST

/* Without a checkpoint nothing is noted, and all else is the same. */
START_TEST(without_a_checkpoint)
{
    driver_kit k;
    open_appends(&k);
    k.config.checkpoint = false;
    start(&k, "a");
    measured(&k, 70, 0);
    check_append(&k, 0, "a", 70, false);
    kit_committed(&k, DS_OK);
    run_task(&k, "a");
    check_append(&k, 0, "a", 70 + ROWS, false);
    ck_assert_uint_eq(k.n_journal, 0);
    kit_close(&k);
}
END_TEST

/* ---- after a crash ---- */

/* A driver goes on from what all but the last `missing` records say. */
static void go_on(driver_kit *k, driver_kit *next, uint32_t missing)
{
    k->n_journal -= missing;
    ds_recovered *recovered = kit_recovered(k, k->n_journal, k->p.plan);
    k->n_journal += missing;
    open_appends(next);
    next->config.recovered = recovered;
    kit_start_with(next, 1);
}

static void close_both(driver_kit *k, driver_kit *next)
{
    ds_recovered *recovered = (ds_recovered *)(uintptr_t)next->config.recovered;
    kit_close(next);
    ds_recovered_free(recovered);
    kit_close(k);
}

/* A prepared batch is only committed, wherever its first attempt stopped. */
START_TEST(a_prepared_batch_goes_on)
{
    driver_kit k, next;
    open_appends(&k);
    start(&k, "ab");
    measured(&k, 70, 5);
    kit_journal_all(&k);
    go_on(&k, &next, 0);
    kit_journal_all(&next);
    check_append(&next, 0, "a", 70, true);
    check_append(&next, 1, "b", 5, true);
    ck_assert_ptr_nonnull(strstr(next.journal[0].text, "\"base\":70,")); /* of the whole record */
    kit_committed(&next, DS_OK);
    kit_journal_all(&next);
    run_task(&next, "a");
    kit_journal_all(&next);
    check_append(&next, 0, "a", 70 + ROWS, false);
    close_both(&k, &next);
}
END_TEST

/* Nothing can have been begun where nobody knew where to begin. */
START_TEST(a_prepared_batch_without_a_base)
{
    driver_kit k, next;
    open_appends(&k);
    start(&k, "a");
    go_on(&k, &next, 0);
    kit_journal_all(&next);
    check_append(&next, 0, "a", DS_APPEND_UNKNOWN, false);
    measured(&next, 7, 0);
    kit_journal_all(&next);
    check_append(&next, 0, "a", 7, false);
    close_both(&k, &next);
}
END_TEST

/* The first batch moved, and the record that the second one does, too, was not written any more: it
 * was not begun where it was to begin before. */
START_TEST(a_crash_between_two_that_move)
{
    driver_kit k, next;
    open_appends(&k);
    start(&k, "a");
    measured(&k, 70, 0);
    kit_journal_all(&k);
    run_task(&k, "a");
    kit_journal_all(&k);
    measured(&k, 3, 0); /* renamed */
    go_on(&k, &next, 1);
    ck_assert_ptr_nonnull(strstr(next.journal[0].text, "\"base\":3,"));
    ck_assert_ptr_nonnull(strstr(next.journal[0].text, "\"base\":13,"));
    ck_assert_ptr_null(strstr(next.journal[0].text, "\"base\":80,"));
    check_append(&next, 0, "a", 3, true);
    kit_committed(&next, DS_OK);
    ck_assert_uint_eq(next.n_commits, 1); /* its base is not noted yet */
    ck_assert_int_gt(kit_wants_ms(&next), 0);
    kit_journal_all(&next);
    check_append(&next, 0, "a", 3 + ROWS, false);
    close_both(&k, &next);
}
END_TEST

/* The machine died, and the last records of commits were not on the disk: where bases follow each
 * other both may have been begun. */
START_TEST(two_that_were_begun)
{
    driver_kit k, next;
    open_appends(&k);
    start(&k, "a");
    measured(&k, 70, 0);
    kit_journal_all(&k);
    run_task(&k, "a");
    kit_journal_all(&k);
    go_on(&k, &next, 0);
    check_append(&next, 0, "a", 70, true);
    kit_committed(&next, DS_OK);
    check_append(&next, 0, "a", 70 + ROWS, true);
    close_both(&k, &next);
}
END_TEST

UNIT_MAIN("driver_appends", a_base_is_noted_before_it_is_used, bases_follow_each_other,
          later_batches_move_too, a_commit_that_failed_was_begun, a_file_that_never_rests,
          others_in_the_file_end_the_app, without_a_checkpoint, a_prepared_batch_goes_on,
          a_prepared_batch_without_a_base, a_crash_between_two_that_move, two_that_were_begun)
