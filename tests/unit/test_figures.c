/* Figures: histograms, counts by sink and stream, slots of executors, and being behind. */
#include "unit/driver_kit.h"

START_TEST(durations_count_in_the_first_bucket_that_they_fit)
{
    ds_histogram h = {0};
    static const int64_t us[] = {-5, 0, 1000, 1001, 2500, 60000000, 60000001, INT64_C(3600000000)};
    for (size_t i = 0; i < sizeof us / sizeof *us; i++)
        ds_histogram_add(&h, us[i]);
    ck_assert_uint_eq(h.counts[0], 3); /* up to 1 ms */
    ck_assert_uint_eq(h.counts[1], 2); /* up to 2.5 ms */
    ck_assert_uint_eq(h.counts[DS_HISTOGRAM_BOUNDS - 1], 1);
    ck_assert_uint_eq(h.counts[DS_HISTOGRAM_BOUNDS], 2);
    ck_assert_uint_eq(h.n, 8);
    ck_assert_int_eq(h.sum_us, 1000 + 1001 + 2500 + 60000000 + 60000001 + INT64_C(3600000000));
    ck_assert_int_eq(h.last_us, INT64_C(3600000000));
    for (uint32_t i = 1; i < DS_HISTOGRAM_BOUNDS; i++)
        ck_assert_int_lt(ds_histogram_bounds_us[i - 1], ds_histogram_bounds_us[i]);
}
END_TEST

#define APP                                                                                        \
    KIT_APP("'count': 1", "'r': { 'type': 'rate', 'rows_per_second': 5 }",                         \
            "'g': { 'from': 'r', 'group_by': ['value'] }",                                         \
            KIT_CONSOLE("g") ", 'f': { 'from': 'g', 'type': 'file', 'dir': 'out' },"               \
                             "'a': { 'from': 'g', 'type': 'file', 'dir': 'more' }")

static const ds_sink_counts *sink(const driver_kit *k, const char *name)
{
    const ds_progress *p = ds_driver_progress(k->driver);
    for (uint32_t i = 0; i < p->n_sinks; i++)
        if (strcmp(p->sinks[i].name, name) == 0)
            return &p->sinks[i];
    ck_abort_msg("no sink %s", name);
}

static const ds_stream_counts *stream(const driver_kit *k, const char *name)
{
    const ds_progress *p = ds_driver_progress(k->driver);
    for (uint32_t i = 0; i < p->n_streams; i++)
        if (strcmp(p->streams[i].name, name) == 0)
            return &p->streams[i];
    ck_abort_msg("no stream %s", name);
}

static uint32_t sink_index(const driver_kit *k, const char *name)
{
    for (uint32_t i = 0; i < k->p.plan->n_sinks; i++)
        if (strcmp(k->p.plan->sinks[i]->name, name) == 0)
            return i;
    ck_abort_msg("no sink %s", name);
}

/* The task that runs has pieces for the next stage, or the output of a sink. */
static void done_with(driver_kit *k, ds_output output)
{
    const kit_sent *task = kit_last(k, DS_MSG_TASKS);
    output.path = output.path != NULL ? output.path : "";
    output.ref = (ds_ref){task->peer - 100, 64, 64};
    kit_result(k, task, DS_OK, &output, 1);
}

START_TEST(sinks_and_streams_are_counted)
{
    driver_kit k;
    kit_open(&k, APP);
    kit_start_with(&k, 1);
    kit_wait_ms(&k, 1000);
    kit_fail(&k, kit_last(&k, DS_MSG_TASKS), DS_ERR_INTERNAL);
    done_with(&k, (ds_output){.kind = DS_OUTPUT_PIECES, .target = 1, .rows = 7});
    for (uint32_t i = k.n_sent; i-- > 0;) {
        const kit_sent *task = &k.sent[i];
        if (task->type != DS_MSG_TASKS || task->task.stage != 1)
            continue;
        ds_output outputs[] = {{.kind = DS_OUTPUT_FILE,
                                .target = sink_index(&k, "f"),
                                .rows = 2,
                                .length = 30,
                                .path = "x"},
                               {.kind = DS_OUTPUT_FILE,
                                .target = sink_index(&k, "a"),
                                .rows = 3,
                                .length = 40,
                                .path = "y"}};
        bool first = task->task.partition == 0;
        kit_result(&k, task, DS_OK, outputs, first ? 2 : 0);
    }
    ck_assert_uint_eq(stream(&k, "r")->tasks, 1);
    ck_assert_uint_eq(stream(&k, "r")->failures, 1);
    ck_assert_uint_eq(stream(&k, "g")->rows, 7);
    ck_assert_uint_eq(stream(&k, "g")->tasks, k.p.plan->stages[1].n_partitions);
    ck_assert_uint_eq(sink(&k, "f")->rows, 0); /* not in place yet */
    for (uint32_t i = k.n_sent; i-- > 0 && k.n_commits == 0;)
        if (k.sent[i].type == DS_MSG_TASKS && k.sent[i].task.stage == 2)
            kit_done(&k, &k.sent[i]); /* the console's */
    kit_committed(&k, DS_ERR_IO);
    ck_assert_uint_eq(sink(&k, "f")->failures, 1);
    ck_assert_uint_eq(sink(&k, "a")->failures, 1);
    ck_assert_uint_eq(sink(&k, "c")->failures, 0); /* it has no rows in this batch */
    ck_assert_uint_eq(sink(&k, "f")->rows, 0);
    kit_wait_ms(&k, 400);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(sink(&k, "f")->rows, 2);
    ck_assert_uint_eq(sink(&k, "f")->bytes, 30);
    ck_assert_uint_eq(sink(&k, "a")->rows, 3);
    ck_assert_uint_eq(sink(&k, "a")->bytes, 40);
    ck_assert_uint_eq(sink(&k, "f")->failures, 1);
    const ds_progress *p = ds_driver_progress(k.driver);
    ck_assert_uint_eq(p->processing.n, 1);
    ck_assert_int_eq(p->processing.last_us, 400000);
    ck_assert_int_eq(p->delay.last_us, 400000);
    ck_assert_int_eq(p->scheduling.last_us, 0);
    kit_close(&k);
}
END_TEST

START_TEST(slots_are_used_again)
{
    driver_kit k;
    ds_executor_figures list[8];
    kit_open(&k, KIT_APP("'count': 3", "'r': { 'type': 'rate', 'rows_per_second': 5 }", "",
                         KIT_CONSOLE("r")));
    kit_start_with(&k, 3);
    ck_assert_uint_eq(ds_driver_executors(k.driver, list, 8), 3);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(list[i].slot, i);
    ck_assert_uint_eq(ds_driver_executors(k.driver, list, 2), 2);
    kit_lose(&k, 2);
    ck_assert_uint_eq(ds_driver_executors(k.driver, list, 8), 2);
    kit_wait_ms(&k, 200);
    kit_join(&k, 4);
    ck_assert_uint_eq(ds_driver_executors(k.driver, list, 8), 3);
    uint32_t slots = 0;
    for (uint32_t i = 0; i < 3; i++)
        slots |= 1u << list[i].slot;
    ck_assert_uint_eq(slots, 7);
    kit_close(&k);
}
END_TEST

START_TEST(memory_is_what_was_told_last)
{
    driver_kit k;
    ds_executor_figures list[8];
    kit_open(&k, KIT_APP("'count': 1", "'r': { 'type': 'rate', 'rows_per_second': 5 }", "",
                         KIT_CONSOLE("r")));
    kit_start_with(&k, 1);
    ds_message m = {.type = DS_MSG_HEARTBEAT};
    m.heartbeat = (ds_msg_heartbeat){.used_bytes = 100, .store_used = 40, .store_peak = 50};
    kit_message(&k, kit_peer(1), m);
    ck_assert_uint_eq(ds_driver_executors(k.driver, list, 8), 1);
    ck_assert_uint_eq(list[0].memory_bytes, 100);
    ck_assert_uint_eq(list[0].store_bytes, 40);
    ck_assert_uint_eq(list[0].store_limit_bytes, KIT_STORE);
    ck_assert(list[0].ready);
    kit_close(&k);
}
END_TEST

START_TEST(health_from_start_to_end)
{
    driver_kit k;
    kit_open(&k, KIT_APP("'count': 1", "'r': { 'type': 'rate', 'rows_per_second': 5 }", "",
                         KIT_CONSOLE("r")));
    kit_start(&k);
    ds_driver_health h = ds_driver_get_health(k.driver);
    ck_assert(!h.running && !h.ran && !h.behind);
    kit_join(&k, 1);
    h = ds_driver_get_health(k.driver);
    ck_assert(h.running && !h.ran);
    ck_assert_uint_eq(h.executors, 1);
    kit_wait_ms(&k, 1000);
    h = ds_driver_get_health(k.driver);
    ck_assert_uint_eq(h.batches, 1);
    ck_assert(!h.ran);
    kit_settle(&k);
    h = ds_driver_get_health(k.driver);
    ck_assert(h.ran && !h.behind);
    ck_assert_uint_eq(h.batches, 0);
    kit_close(&k);
}
END_TEST

START_TEST(batches_that_wait_are_told_of)
{
    driver_kit k;
    kit_open(&k, KIT_APP("'count': 1", "'r': { 'type': 'rate', 'rows_per_second': 5 }", "",
                         KIT_CONSOLE("r")));
    kit_start_with(&k, 1);
    const ds_progress *p = ds_driver_progress(k.driver);
    for (int s = 1; s <= 3; s++) /* nothing is done of them */
        kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(p->behind_reports, 0); /* 2 s behind */
    ck_assert_int_eq(ds_driver_get_health(k.driver).behind_ms, 2000);
    for (int s = 4; s <= 13; s++)
        kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(p->behind_reports, 1); /* not again for 10 s */
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(p->behind_reports, 2);
    ck_assert_int_eq(p->behind_ms, 13000);
    ck_assert(ds_driver_get_health(k.driver).behind);
    for (int i = 0; i < 30; i++) {
        kit_settle(&k);
        kit_wait_ms(&k, 0);
    }
    ck_assert(!ds_driver_get_health(k.driver).behind);
    ck_assert_int_eq(p->behind_ms, 0);
    ck_assert_uint_eq(p->behind_reports, 2);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("figures", durations_count_in_the_first_bucket_that_they_fit,
          sinks_and_streams_are_counted, slots_are_used_again, memory_is_what_was_told_last,
          health_from_start_to_end, batches_that_wait_are_told_of)
