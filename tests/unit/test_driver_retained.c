/* Committed batches that may run again: what stays of them, what is released, what is held. */
#include "scheduler/retained.h"
#include "unit/driver_kit.h"

#define TWO "'count': 2, 'key_partitions': 4"
#define LISTS                                                                                      \
    KIT_QUEUE("[ { 'n': 1 } ], [ { 'n': 2 } ], [ { 'n': 3 } ], [ { 'n': 4 } ], [ { 'n': 5 } ]")
#define WINDOW "'g': { 'from': 'q', 'window': { 'size': '9s', 'slide': '1s' }, 'group_by': ['n'] }"
#define PLAIN "'g': { 'from': 'q', 'group_by': ['n'] }"

static void open_app(driver_kit *k, const char *stream)
{
    char *app = NULL;
    ck_assert_int_gt(asprintf(&app,
                              "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                              "'executors': { " TWO " }, 'sources': { " LISTS " },"
                              "'streams': { %s }, 'sinks': { " KIT_CONSOLE("g") " } }",
                              stream),
                     0);
    kit_open(k, app);
    free(app);
    k->config.virtual_time = true;
    k->config.saves = true;
    k->config.n_batches = 7;
    kit_start_with(k, 2);
}

/* Answers what is under way until a batch is committed: its map tasks write pieces for stage 1. */
static void run_batch(driver_kit *k, int64_t batch_ms)
{
    kit_done_for(k, kit_task(k, batch_ms, 0, 0), 1);
    for (uint32_t p = 0; p < 4; p++)
        kit_done(k, kit_task(k, batch_ms, 1, p));
    kit_committed(k, DS_OK);
}

static uint32_t count_committed(const driver_kit *k, int64_t batch_ms)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n_sent; i++)
        n += k->sent[i].type == DS_MSG_RELEASE && k->sent[i].committed_ms == batch_ms;
    return n;
}

static uint32_t count_released(const driver_kit *k)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n_sent; i++)
        n += k->sent[i].type == DS_MSG_RELEASE ? k->sent[i].n_batches : 0;
    return n;
}

START_TEST(a_committed_batch_is_retained)
{
    driver_kit k;
    open_app(&k, WINDOW);
    run_batch(&k, 1000);
    run_batch(&k, 2000);
    ck_assert_uint_eq(count_committed(&k, 1000), 2); /* each executor is told */
    ck_assert_uint_eq(count_committed(&k, 2000), 2);
    ck_assert_uint_eq(count_released(&k), 0);
    kit_settle(&k);
    ck_assert(k.ended); /* then all is given back */
    ck_assert_uint_eq(count_released(&k), 2 * 7);
    kit_close(&k);
}
END_TEST

START_TEST(without_keyed_stages_nothing_is)
{
    driver_kit k;
    open_app(&k, PLAIN);
    run_batch(&k, 1000);
    ck_assert_uint_eq(count_committed(&k, 1000), 0);
    ck_assert_uint_eq(count_released(&k), 2);
    kit_close(&k);
}
END_TEST

START_TEST(stores_of_the_lost_are_held_for_them)
{
    driver_kit k;
    open_app(&k, WINDOW);
    uint64_t mapper = kit_task(&k, 1000, 0, 0)->peer - 100;
    run_batch(&k, 1000);
    uint32_t from = k.n_sent;
    kit_lose(&k, mapper);
    for (uint32_t i = from; i < k.n_sent; i++) /* batch 1 is applied again */
        if (k.sent[i].type == DS_MSG_TASKS && k.sent[i].task.mode == DS_TASK_REPLAY)
            kit_done(&k, &k.sent[i]);
    run_batch(&k, 2000);
    run_batch(&k, 3000);
    ck_assert_uint_eq(k.n_closed_stores, 0); /* it may have to be again */
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_uint_eq(k.n_closed_stores, 1);
    ck_assert_uint_eq(k.closed_stores[0], mapper);
    kit_close(&k);
}
END_TEST

/* ---- the list ---- */

static ds_batch *new_batch(const planned *p, int64_t time_ms)
{
    return ds_batch_new(p->plan, time_ms);
}

START_TEST(the_list)
{
    planned p = plan_whole(KIT_APP(TWO, LISTS, WINDOW, KIT_CONSOLE("g")), NULL);
    ds_retained list = {0};
    ck_assert_ptr_null(ds_retained_oldest(&list));
    ck_assert_ptr_null(ds_retained_find(&list, 5));
    for (int64_t i = 1; i <= 300; i++) {
        ds_retained_add(&list, new_batch(&p, i * 10));
        if (i > 100) { /* a moving window of a hundred */
            ds_batch *oldest = ds_retained_take_oldest(&list);
            ck_assert_int_eq(oldest->time_ms, (i - 100) * 10);
            ds_batch_free(oldest);
        }
    }
    ck_assert_uint_eq(ds_retained_count(&list), 100);
    ck_assert_uint_le(list.capacity, 256); /* what is gone leaves room */
    ck_assert_int_eq(ds_retained_oldest(&list)->time_ms, 2010);
    ck_assert_ptr_null(ds_retained_find(&list, 2000));
    ck_assert_int_eq(ds_retained_find(&list, 2500)->time_ms, 2500);
    ck_assert_ptr_null(ds_retained_find(&list, 2505));
    ck_assert_int_eq(list.list[ds_retained_after(&list, 2500)]->time_ms, 2510);
    ck_assert_int_eq(list.list[ds_retained_after(&list, 0)]->time_ms, 2010);
    ck_assert_uint_eq(ds_retained_after(&list, 3000), list.n);
    ds_retained_fini(&list);
    plan_close(&p);
}
END_TEST

/* ---- what stays of a batch ---- */

static ds_output output(uint8_t kind, uint32_t target, uint64_t offset)
{
    return (ds_output){
        .kind = kind, .target = target, .ref = {7, offset, 64}, .length = 64, .path = ""};
}

START_TEST(what_stays_of_a_batch)
{
    planned p = plan_whole(KIT_APP(TWO, LISTS, WINDOW, KIT_CONSOLE("g")), NULL);
    ck_assert_ptr_nonnull(p.plan);
    ds_batch *batch = ds_batch_new(p.plan, 1000);
    ds_input inputs[] = {{.kind = DS_INPUT_QUEUE, .from = 0, .to = 1, .path = ""},
                         {.kind = DS_INPUT_QUEUE, .from = 1, .to = 2, .path = ""}};
    ds_batch_allot(batch, 0, inputs, 2);
    ds_batch_make_stages(batch, p.plan, 1 << 20);
    ck_assert_uint_eq(batch->stages[0].n_tasks, 2);
    ds_output outputs[] = {output(DS_OUTPUT_PIECES, 1, 0), output(DS_OUTPUT_BYTES, 0, 64)};
    ds_batch_task_done(batch, p.plan, 0, 0, outputs, 2);
    ds_batch_task_done(batch, p.plan, 0, 1, outputs, 1);
    ck_assert(!ds_batch_is_done(batch));
    for (uint32_t i = 0; i < 4; i++)
        ds_batch_task_done(batch, p.plan, 1, i, outputs + 1, 1);
    for (uint32_t s = 2; s < p.plan->n_stages; s++)
        ck_assert(batch->stages[s].done);
    ck_assert(ds_batch_applied(batch, p.plan));
    ds_batch_retain(batch, p.plan);
    ck_assert_int_eq(batch->state, DS_BATCH_RETAINED);
    ck_assert(batch->muted);
    ck_assert_uint_eq(batch->stages[0].tasks[0].n_outputs, 1); /* the rows were printed */
    ck_assert_uint_eq(batch->stages[1].tasks[0].n_outputs, 0);
    ck_assert_uint_eq(batch->stages[1].n_tasks, 4);
    ck_assert_uint_eq(batch->stages[1].n_inputs, 2);
    ck_assert_uint_eq(batch->stages[1].inputs[1].ref.executor_id, 7);
    ck_assert_uint_eq(batch->allotments[0].n_inputs, 2);
    ck_assert_ptr_eq(batch->stages[0].tasks[1].inputs, &batch->allotments[0].inputs[1]);
    ck_assert_uint_eq(batch->stages[0].tasks[1].inputs->from, 1);
    ck_assert_uint_eq(batch->n_held, 1);
    ck_assert_uint_eq(batch->held[0].bytes, 128);
    ds_batch_free(batch);
    plan_close(&p);
}
END_TEST

UNIT_MAIN("driver_retained", a_committed_batch_is_retained, without_keyed_stages_nothing_is,
          stores_of_the_lost_are_held_for_them, the_list, what_stays_of_a_batch)
