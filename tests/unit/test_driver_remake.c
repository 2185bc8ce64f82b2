/* The driver and outputs that are lost before they are in their place: the batch runs again for
 * them, and for nothing else. */
#include "unit/driver_kit.h"

#include "base/log.h"
#include "driver/driver_state.h"

#define LISTS KIT_QUEUE("[{ 'n': 1 }], [{ 'n': 2 }]")
#define SINKS                                                                                      \
    "'a': { 'from': 'q', 'type': 'append', 'path': 'a' },"                                         \
    "'b': { 'from': 'q', 'type': 'append', 'path': 'b' },"                                         \
    "'c': { 'from': 'q', 'type': 'file', 'dir': 'c' },"                                            \
    "'d': { 'from': 'q', 'type': 'file', 'dir': 'd' }"

static void open_kit(driver_kit *k)
{
    ds_log_setup(DS_LOG_OFF, false, "test");
    kit_open(k, KIT_APP("'count': 1", LISTS, "", SINKS));
    k->config.virtual_time = true;
    k->config.checkpoint = true;
}

static void answer_journal_with(driver_kit *k, ds_status status)
{
    for (uint32_t i = 0, n = k->n_journal; i < n; i++)
        if (!k->journal[i].answered)
            kit_journaled(k, i, status);
}

static void answer_journal(driver_kit *k)
{
    answer_journal_with(k, DS_OK);
}

/* The newest task is done, with a staged file RUN/SINK of so many bytes for each sink. */
static void run_task_of(driver_kit *k, const char *run, uint64_t length)
{
    ds_output outputs[4];
    char paths[4][32];
    for (uint32_t i = 0; i < 4; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%c", run, (char)('a' + i));
        outputs[i] = (ds_output){
            .kind = DS_OUTPUT_FILE, .target = i, .rows = 1, .length = length, .path = paths[i]};
    }
    kit_result(k, kit_last(k, DS_MSG_TASKS), DS_OK, outputs, 4);
    answer_journal(k);
}

static void run_task(driver_kit *k, const char *run)
{
    run_task_of(k, run, 10);
}

static const ds_commit *commit_of(const driver_kit *k)
{
    ck_assert_uint_gt(k->n_commits, k->n_committed);
    return k->commits[k->n_commits - 1];
}

static void begin(driver_kit *k)
{
    open_kit(k);
    kit_start_with(k, 1);
    answer_journal(k);
    run_task(k, "1");
    ck_assert_uint_eq(commit_of(k)->n_files, 2);
    ck_assert_uint_eq(commit_of(k)->n_appends, 2);
}

/* The disk says what is lost: of c, d, a and b. */
static void lose(driver_kit *k, const char *which, const ds_append_end *ends)
{
    bool lost[4] = {false};
    for (uint32_t i = 0; i < 4; i++)
        lost[i] = strchr(which, "cdab"[i]) != NULL;
    int64_t batch_ms = k->commits[k->n_committed++]->batch_ms;
    kit_step(k, (ds_driver_event){
                    .kind = DS_DRIVER_COMMITTED, .batch_ms = batch_ms, .ends = ends, .lost = lost});
}

static void check_staged(const ds_commit *commit, const char *c, const char *d, const char *a,
                         const char *b)
{
    const char *expected[] = {c, d};
    for (uint32_t s = 0; s < 2; s++) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < commit->n_files; i++)
            found += strcmp(commit->files[i].staged, expected[s]) == 0;
        ck_assert_uint_eq(found, 1);
    }
    ck_assert_uint_eq(commit->n_files, 2);
    ck_assert_uint_eq(commit->n_appends, 2);
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_str_eq(commit->appends[i].parts[0].staged,
                         commit->appends[i].path[0] == 'a' ? a : b);
}

static const ds_commit_append *append_of(const ds_commit *commit, const char *path)
{
    return strcmp(commit->appends[0].path, path) == 0 ? &commit->appends[0] : &commit->appends[1];
}

static bool was_dropped(const driver_kit *k, const char *path)
{
    for (uint32_t i = 0; i < k->n_dropped_files; i++)
        if (strcmp(k->dropped_files[i], path) == 0)
            return true;
    return false;
}

START_TEST(what_is_lost_is_made_again)
{
    driver_kit k;
    begin(&k);
    const ds_append_end ends[] = {{70, 1}, {50, 2}};
    uint32_t tasks = kit_count(&k, DS_MSG_TASKS);
    lose(&k, "ad", ends);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), tasks + 1);
    run_task(&k, "2");
    kit_wait_ms(&k, 10000);
    const ds_commit *commit = commit_of(&k);
    check_staged(commit, "1/c", "2/d", "2/a", "1/b");
    ck_assert_uint_eq(append_of(commit, "b")->base.length, 50); /* it was measured */
    ck_assert(!append_of(commit, "b")->begun);
    ck_assert(was_dropped(&k, "2/b") && was_dropped(&k, "2/c"));
    ck_assert(!was_dropped(&k, "2/a") && !was_dropped(&k, "2/d"));
    ck_assert_ptr_nonnull(strstr(k.journal[k.n_journal - 1].text, "\"1/b\""));
    kit_close(&k);
}
END_TEST

/* Lost again, and again; then it is done, and the marks go. */
/* At once the first time; then it waits before it runs, and is committed as soon as it has run. */
START_TEST(lost_again_and_again)
{
    driver_kit k;
    begin(&k);
    const ds_append_end ends[] = {{70, 1}, {50, 2}};
    lose(&k, "cdab", ends);
    run_task(&k, "2");
    check_staged(commit_of(&k), "2/c", "2/d", "2/a", "2/b");
    ck_assert_uint_eq(k.n_dropped_files, 0);
    const uint32_t tasks = kit_count(&k, DS_MSG_TASKS);
    lose(&k, "c", NULL);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), tasks);
    ck_assert_int_lt(kit_wants_ms(&k), 1000);
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), tasks + 1);
    run_task(&k, "3");
    check_staged(commit_of(&k), "3/c", "2/d", "2/a", "2/b");
    kit_close(&k);
}
END_TEST

/* Until the second commit is noted the first one counts: some of it is in place. */
START_TEST(a_crash_in_between)
{
    driver_kit k;
    begin(&k);
    lose(&k, "a", NULL);
    ds_journal_state state = {.plan = k.p.plan, .batches = k.driver->batches};
    ds_buffer line = {0};
    ds_journal_whole(&line, &state);
    ck_assert_ptr_nonnull(strstr(ds_buffer_text(&line), "\"1/a\""));
    ck_assert_ptr_nonnull(strstr(ds_buffer_text(&line), "\"1/b\""));
    ds_buffer_fini(&line);
    kit_close(&k);
}
END_TEST

/* The files of appends are measured once; then it is done. */
static void commit(driver_kit *k)
{
    const ds_append_end ends[] = {{70, 1}, {50, 2}};
    int64_t batch_ms = k->commits[k->n_committed++]->batch_ms;
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_COMMITTED, .batch_ms = batch_ms, .ends = ends});
    answer_journal(k);
    kit_committed(k, DS_OK);
}

/* What is made again may be of another length: then the next batch begins elsewhere, which is noted
 * before it does. */
START_TEST(the_next_batch_begins_where_it_ends)
{
    driver_kit k;
    begin(&k);
    run_task(&k, "2");
    const ds_append_end ends[] = {{70, 1}, {50, 2}};
    int64_t batch_ms = k.commits[k.n_committed++]->batch_ms;
    kit_step(&k,
             (ds_driver_event){.kind = DS_DRIVER_COMMITTED, .batch_ms = batch_ms, .ends = ends});
    answer_journal(&k);
    ck_assert_ptr_nonnull(strstr(k.journal[k.n_journal - 1].text, "\"base\":80,"));
    lose(&k, "a", NULL);
    run_task_of(&k, "3", 15);
    ck_assert_ptr_nonnull(strstr(k.journal[k.n_journal - 1].text, "\"2/a\""));
    ck_assert_ptr_nonnull(strstr(k.journal[k.n_journal - 1].text, "\"base\":85,"));
    ck_assert_ptr_nonnull(strstr(k.journal[k.n_journal - 1].text, "\"base\":60,"));
    kit_wait_ms(&k, 10000);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(append_of(commit_of(&k), "a")->base.length, 85);
    ck_assert_uint_eq(append_of(commit_of(&k), "b")->base.length, 60);
    kit_close(&k);
}
END_TEST

/* While a copy of a task of it runs nothing is made again; the append that is done stays done. */
START_TEST(it_waits_for_copies)
{
    driver_kit k;
    begin(&k);
    const ds_append_end ends[] = {{70, 1}, {50, 2}};
    int64_t batch_ms = k.commits[k.n_committed++]->batch_ms;
    kit_step(&k,
             (ds_driver_event){.kind = DS_DRIVER_COMMITTED, .batch_ms = batch_ms, .ends = ends});
    answer_journal(&k);
    ck_assert(!append_of(commit_of(&k), "b")->begun);
    ds_copies_add(&k.driver->copies,
                  &(ds_copy){.batch_ms = batch_ms, .executor_id = 99, .give_up_us = INT64_MAX});
    lose(&k, "a", NULL);
    kit_wait_ms(&k, 10000);
    ck_assert_uint_eq(append_of(commit_of(&k), "b")->base.length, 50);
    ck_assert(append_of(commit_of(&k), "b")->begun);
    ds_copies_lose(&k.driver->copies, 99);
    kit_close(&k);
}
END_TEST

START_TEST(marks_go_once_it_is_committed)
{
    driver_kit k;
    begin(&k);
    ck_assert_uint_eq(k.n_dropped_files, 0);
    commit(&k);
    answer_journal(&k); /* `committed` was written, but is not synced yet */
    ck_assert_uint_eq(k.n_dropped_files, 0);
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(k.n_dropped_files, 0); /* a synced record was sent */
    answer_journal(&k);
    ck_assert(was_dropped(&k, "1/a.placed") && was_dropped(&k, "1/b.placed"));
    ck_assert(was_dropped(&k, "1/c.placed") && was_dropped(&k, "1/d.placed"));
    kit_close(&k);
}
END_TEST

START_TEST(marks_stay_while_nothing_can_be_noted)
{
    driver_kit k;
    begin(&k);
    commit(&k);
    answer_journal_with(&k, DS_ERR_IO);
    kit_wait_ms(&k, 1500);
    ck_assert_uint_eq(k.n_dropped_files, 0);
    answer_journal_with(&k, DS_ERR_IO); /* the whole record, tried again */
    ck_assert_uint_eq(k.n_dropped_files, 0);
    kit_wait_ms(&k, 10000);
    answer_journal(&k);
    ck_assert(was_dropped(&k, "1/a.placed"));
    kit_close(&k);
}
END_TEST

/* The end waits until the record is there: what is in place may have been taken away. */
START_TEST(a_graceful_end_waits_for_the_marks)
{
    driver_kit k;
    begin(&k);
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
    commit(&k);
    if (k.n_commits > k.n_committed) { /* the other list is the last batch */
        run_task(&k, "2");
        kit_committed(&k, DS_OK);
    }
    ck_assert(!k.ended);
    answer_journal_with(&k, DS_ERR_IO);
    kit_wait_ms(&k, 10000);
    ck_assert(!k.ended);
    ck_assert_uint_eq(k.n_dropped_files, 0);
    for (uint32_t i = 0; i < 3; i++) /* there may be more to note than when it was tried again */
        answer_journal(&k);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert(was_dropped(&k, "1/a.placed") && was_dropped(&k, "1/d.placed"));
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_remake", what_is_lost_is_made_again, lost_again_and_again, a_crash_in_between,
          the_next_batch_begins_where_it_ends, it_waits_for_copies, marks_go_once_it_is_committed,
          marks_stay_while_nothing_can_be_noted, a_graceful_end_waits_for_the_marks)
