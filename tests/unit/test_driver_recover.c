/*
 * A driver that goes on where another one was: the journal of a first one is read, cut off at any
 * record, as a crash would, and a second one is started on it.
 */
#include "unit/saves_kit.h"

#include "checkpoint/journal.h"

static void open_app(driver_kit *k)
{
    saves_open(k, "3s");
    k->config.checkpoint = true;
    k->config.kept_folder = "kept";
}

/* A driver on what another one had written in its first n records. */
static ds_recovered *go_on(driver_kit *k, const driver_kit *from, uint32_t n)
{
    open_app(k);
    ds_recovered *recovered = kit_recovered(from, n, k->p.plan);
    ds_error error = {0};
    ck_assert_msg(ds_recovered_check(recovered, k->p.plan, "state", &error) == DS_OK, "%s",
                  error.message);
    k->config.recovered = recovered;
    kit_start_with(k, 2);
    kit_journal_all(k);
    return recovered;
}

/* Four batches, of which the third one is saved; the fourth is committed. */
static void run_first(driver_kit *k)
{
    open_app(k);
    kit_start_with(k, 2);
    for (int64_t t = 1000; t <= 3000; t += 1000)
        saves_batch(k, t);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        kit_save(k, saves_task(k, 3000, p));
    kit_journal_all(k);
    saves_batch(k, 4000);
}

START_TEST(what_the_journal_says)
{
    driver_kit k;
    run_first(&k);
    ds_recovered *r = kit_recovered(&k, k.n_journal, k.p.plan);
    ck_assert_uint_eq(r->kept.save, 1);
    ck_assert_int_eq(r->kept.batch_ms, 3000);
    ck_assert_uint_eq(r->kept.n_streams, 1);
    ck_assert_str_eq(r->kept.streams[0].stream, "g");
    ck_assert_uint_eq(r->kept.streams[0].n_parts, SAVES_PARTITIONS);
    const ds_saved_part *part = &r->kept.streams[0].parts[0];
    ck_assert(part->whole);
    ck_assert_uint_eq(part->length, 100);
    ck_assert_uint_eq(part->checksum, 7);
    ck_assert_ptr_null(strchr(part->path, '/')); /* a name in the folder */
    ck_assert_uint_gt(r->n_batches, 0);
    ck_assert_int_eq(r->batches[0].time_ms, 4000);
    ck_assert(r->batches[0].committed);
    for (uint32_t i = 1; i < r->n_batches; i++)
        ck_assert(!r->batches[i].committed);
    ck_assert_int_eq(r->last_input_ms, r->last_ms);
    ds_recovered_free(r);
    kit_close(&k);
}
END_TEST

/* All batches behind the save run again: what is committed muted, what is allotted as always. */
START_TEST(batches_run_again)
{
    driver_kit first, k;
    run_first(&first);
    ds_recovered *r = go_on(&k, &first, first.n_journal);
    const kit_sent *map = kit_task(&k, 4000, 0, 0);
    ck_assert_ptr_nonnull(map);
    ck_assert_uint_eq(map->task.mode, DS_TASK_MUTED);
    kit_done_for(&k, map, 1);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++) {
        const kit_sent *task = saves_task(&k, 4000, p);
        ck_assert_uint_eq(task->task.mode, DS_TASK_MUTED);
        ck_assert_int_eq(task->task.keyed_ms, 3000);
        ck_assert_uint_eq(task->task.n_saved, 1);
        ck_assert_int_eq(strncmp(task->task.saved[0].path, "kept/", 5), 0);
        kit_done(&k, task);
    }
    ck_assert_uint_eq(k.n_commits, 0); /* it was committed */
    const kit_sent *next = kit_task(&k, 5000, 0, 0);
    ck_assert_ptr_nonnull(next);
    ck_assert_uint_eq(next->task.mode, DS_TASK_NORMAL);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->rows_in, 0);
    saves_batch(&k, 5000);
    ck_assert_uint_eq(k.n_commits, 1);
    ck_assert_int_eq(saves_task(&k, 5000, 0)->task.keyed_ms, 4000);
    /* The next save goes on from the chains. */
    saves_batch(&k, 6000);
    saves_batch(&k, 7000);
    saves_batch(&k, 8000);
    saves_batch(&k, 9000); /* up to 8000 they were allotted before */
    uint64_t save = 0;
    for (int64_t t = 5000; t <= 9000; t += 1000)
        save = saves_task(&k, t, 0)->task.save > 0 ? saves_task(&k, t, 0)->task.save : save;
    ck_assert_uint_eq(save, 2);
    kit_close(&k);
    ds_recovered_free(r);
    kit_close(&first);
}
END_TEST

/* Wherever the journal ends, the driver behind it comes to the end, and nothing is lost. */
START_TEST(a_crash_after_any_record)
{
    driver_kit first;
    run_first(&first);
    for (uint32_t n = 1; n <= first.n_journal; n++) {
        driver_kit k;
        ds_recovered *r = go_on(&k, &first, n);
        kit_settle(&k);
        ck_assert(k.ended || k.status == DS_OK);
        ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
        ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
        for (uint32_t i = 0; i < k.n_commits; i++) /* no batch that was committed */
            for (uint32_t b = 0; b < r->n_batches; b++)
                ck_assert(!r->batches[b].committed ||
                          k.commits[i]->batch_ms != r->batches[b].time_ms);
        kit_close(&k);
        ds_recovered_free(r);
    }
    kit_close(&first);
}
END_TEST

/* What a second driver writes down at its start says the same as the first one's journal. */
START_TEST(a_crash_at_the_start)
{
    driver_kit first, second, k;
    run_first(&first);
    ds_recovered *r1 = go_on(&second, &first, first.n_journal);
    ck_assert(second.journal[0].whole);
    ds_recovered *r2 = kit_recovered(&second, 1, second.p.plan);
    ck_assert_uint_eq(r2->kept.save, 1);
    ck_assert_uint_eq(r2->kept.streams[0].n_parts, SAVES_PARTITIONS);
    ck_assert_uint_eq(r2->n_batches, r1->n_batches);
    for (uint32_t i = 0; i < r1->n_batches; i++) {
        ck_assert_int_eq(r2->batches[i].time_ms, r1->batches[i].time_ms);
        ck_assert_int_eq(r2->batches[i].committed, r1->batches[i].committed);
        ck_assert_uint_eq(r2->batches[i].n_allotments, r1->batches[i].n_allotments);
    }
    ck_assert_int_eq(r2->last_input_ms, r1->last_input_ms);
    ds_recovered *r3 = go_on(&k, &second, 1);
    ck_assert_uint_eq(kit_task(&k, 4000, 0, 0)->task.mode, DS_TASK_MUTED);
    kit_close(&k);
    ds_recovered_free(r3);
    ds_recovered_free(r2);
    kit_close(&second);
    ds_recovered_free(r1);
    kit_close(&first);
}
END_TEST

/* Whoever asks it to stop before it could run them is told that they are still to be run. */
START_TEST(a_stop_before_they_run)
{
    for (int recovered = 0; recovered < 2; recovered++) {
        driver_kit first, k;
        run_first(&first);
        open_app(&k);
        ds_recovered *from = recovered ? kit_recovered(&first, first.n_journal, k.p.plan) : NULL;
        k.config.recovered = from;
        kit_start(&k);
        kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
        ck_assert(k.ended);
        ck_assert_int_eq(k.status, recovered ? DS_ERR_IO : DS_OK);
        ck_assert(recovered == (strstr(k.message, "the next start runs ") != NULL));
        kit_close(&k);
        kit_close(&first);
        ds_recovered_free(from);
    }
}
END_TEST

/* A batch that runs again only for what is kept must not be given up. */
START_TEST(a_batch_that_cannot_be_applied)
{
    driver_kit first, k;
    run_first(&first);
    ds_recovered *r = go_on(&k, &first, first.n_journal);
    for (int i = 0; i < 4 && !k.ended; i++)
        kit_fail(&k, kit_task(&k, 4000, 0, 0), DS_ERR_INTERNAL);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_INTERNAL);
    kit_close(&k);
    ds_recovered_free(r);
    kit_close(&first);
}
END_TEST

/* ---- another app ---- */

#define APP(more, interval, partitions, streams)                                                   \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '" interval "' },"                        \
    "'checkpoint': { 'dir': 'state' }, 'executors': { 'count': 2" partitions " },"                 \
    "'sources': { " KIT_QUEUE("[ { 'n': 1 } ]") " }, 'streams': { " streams " },"                  \
                                                "'sinks': { 'c': { 'from': '" more                 \
                                                "', 'type': 'console' } } }"
#define SAME "'g': { 'from': 'q', 'window': { 'size': '9s', 'slide': '1s' }, 'group_by': ['n'] }"

/* Whether that app can go on, and what is said if not. */
static bool can_go_on(const driver_kit *first, const char *app, char *said)
{
    planned p = plan_whole(app, NULL);
    ck_assert_msg(p.plan != NULL, "%s", p.app.said.data);
    ds_recovered *r = kit_recovered(first, first->n_journal, p.plan);
    ds_error error = {.message = ""};
    ds_status status = ds_recovered_check(r, p.plan, "state", &error);
    ck_assert(status == DS_OK || status == DS_ERR_APP);
    snprintf(said, DS_ERROR_TEXT, "%s", error.message);
    ds_recovered_free(r);
    plan_close(&p);
    return status == DS_OK;
}

START_TEST(what_may_change)
{
    driver_kit first;
    char said[DS_ERROR_TEXT];
    run_first(&first);
    const struct {
        const char *app, *says; /* NULL: it can go on */
    } cases[] = {
        {APP("g", "1s", ", 'key_partitions': 4", SAME), NULL},
        {APP("h", "1s", ", 'key_partitions': 4", SAME ", 'h': { 'from': 'g', 'where': 'n > 0' }"),
         NULL},
        {APP("h", "1s", ", 'key_partitions': 4", "'h': { 'from': 'q', 'window': '2s' }"), NULL},
        {APP("q", "1s", ", 'key_partitions': 4", ""), NULL},
        {APP("g", "1s", ", 'key_partitions': 8", SAME), "4 key partitions"},
        {APP("g", "1s", ", 'cores': 4", SAME), "saved in 4 partitions, and now has"},
        {APP("g", "500ms", ", 'key_partitions': 4", SAME), "batch.interval was 1000 ms"},
        {APP("g", "1s", ", 'key_partitions': 4",
             "'g': { 'from': 'q', 'window': { 'size': '8s', 'slide': '1s' }, 'group_by': ['n'] }"),
         "stream g keeps something else now"},
        {APP("g", "1s", ", 'key_partitions': 4",
             "'g': { 'from': 'q', 'state': { 'key': ['n'], 'set': { 'c': 'count()' } } }"),
         "stream g keeps something else now"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool can = can_go_on(&first, cases[i].app, said);
        ck_assert_msg(can == (cases[i].says == NULL), "%zu: %s", i, said);
        ck_assert_msg(can || strstr(said, cases[i].says) != NULL, "%zu: %s", i, said);
    }
    kit_close(&first);
}
END_TEST

/* As many whole parts as partitions, and one of them is of another. */
START_TEST(a_partition_that_is_not_there)
{
    driver_kit first;
    run_first(&first);
    ds_recovered *r = kit_recovered(&first, first.n_journal, first.p.plan);
    ds_error error = {0};
    ck_assert_int_eq(ds_recovered_check(r, first.p.plan, "state", &error), DS_OK);
    r->kept.streams[0].parts[0].partition = SAVES_PARTITIONS;
    ck_assert_int_eq(ds_recovered_check(r, first.p.plan, "state", &error), DS_ERR_APP);
    ck_assert_msg(strstr(error.message, "stream g has no partition ") != NULL, "%s", error.message);
    ds_recovered_free(r);
    kit_close(&first);
}
END_TEST

UNIT_MAIN("driver_recover", what_the_journal_says, batches_run_again, a_crash_after_any_record,
          a_crash_at_the_start, a_stop_before_they_run, a_batch_that_cannot_be_applied,
          what_may_change, a_partition_that_is_not_there)
