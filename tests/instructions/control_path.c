/*
 * The control plane of a batch of 64 tasks, without links and threads: the driver's pure control is
 * stepped from the batch's time to its commit. What it sends is encoded, and what executors answer
 * is encoded and decoded, as on links. The driver's ports only take notes (unit/driver_kit.h).
 */
#include "unit/driver_kit.h"

#include "counted.h"

#define TASKS 64u   /* one that reads the input, and one for each key partition */
#define AT_ONCE 16u /* results in a message */
#define BATCHES 5

/* Without the check of all that the driver knows, which would be most of what is counted. */
static void step(driver_kit *k, ds_driver_event event)
{
    event.now_us = k->now_us;
    event.wall_ms = k->wall_ms;
    event.text = "";
    ds_driver_step(k->driver, &event);
}

static ds_output pieces = {
    .kind = DS_OUTPUT_PIECES, .target = 1, .rows = 1, .ref = {1, 64, 64}, .length = 64, .path = ""};

static ds_task_result result_of(const kit_sent *to)
{
    return (ds_task_result){.batch_ms = to->task.batch_ms,
                            .plan_id = to->task.plan_id,
                            .stage = to->task.stage,
                            .partition = to->task.partition,
                            .attempt = to->task.attempt,
                            .message = "",
                            .rows_in = 1,
                            .busy_us = 10,
                            .outputs = &pieces,
                            .n_outputs = to->task.stage == 0 ? 1 : 0};
}

static void answer(driver_kit *k, ds_arena *arena, ds_task_result *results, uint32_t n)
{
    ds_buffer bytes = {0};
    ds_message sent = {.type = DS_MSG_TASK_RESULTS, .epoch = KIT_EPOCH}, came;
    sent.task_results = (ds_msg_task_results){results, n};
    ds_message_encode(&bytes, &sent);
    ck_assert_int_eq(ds_message_decode(arena, bytes.data, bytes.length, &came, NULL), DS_OK);
    step(k, (ds_driver_event){.kind = DS_DRIVER_MESSAGE, .peer = kit_peer(1), .message = &came});
    ds_buffer_fini(&bytes);
}

/* Answers the tasks that were sent since the place of before. */
static uint32_t answer_tasks(driver_kit *k, ds_arena *arena, uint32_t *from)
{
    ds_task_result results[AT_ONCE];
    uint32_t n = 0;
    for (; *from < k->n_sent && n < AT_ONCE; ++*from)
        if (k->sent[*from].type == DS_MSG_TASKS)
            results[n++] = result_of(&k->sent[*from]);
    if (n > 0)
        answer(k, arena, results, n);
    return n;
}

static void answer_journal(driver_kit *k)
{
    for (uint32_t i = k->n_journal; i-- > 0 && !k->journal[i].answered;) {
        k->journal[i].answered = true;
        step(k, (ds_driver_event){.kind = DS_DRIVER_JOURNALED, .ticket = k->journal[i].ticket});
    }
}

/* From its first task to the commit, with which the next batch begins; how many tasks it had.
 * *from: what was sent before is answered. */
static uint32_t run_batch(driver_kit *k, ds_arena *arena, uint32_t *from)
{
    uint32_t tasks = 0, commits = k->n_committed;
    for (uint32_t round = 0; round < 100 && k->n_committed == commits; round++) {
        answer_journal(k);
        tasks += answer_tasks(k, arena, from);
        if (k->n_commits > k->n_committed)
            step(k, (ds_driver_event){.kind = DS_DRIVER_COMMITTED,
                                      .batch_ms = k->commits[k->n_committed++]->batch_ms});
    }
    return tasks;
}

void count_control(void)
{
    driver_kit *k = ds_alloc(sizeof *k);
    ds_arena *arena = ds_arena_new(NULL);
    uint32_t tasks = 0, from = 0;
    kit_open(k, KIT_APP("'count': 1, 'key_partitions': 63",
                        KIT_QUEUE("[{'n':1}], [{'n':1}], [{'n':1}], [{'n':1}], [{'n':1}]"),
                        "'g': { 'from': 'q', 'window': { 'size': '9s', 'slide': '1s' },"
                        "  'group_by': ['n'] }",
                        KIT_CONSOLE("g")));
    k->config.virtual_time = true;
    k->config.n_batches = BATCHES;
    kit_start(k);
    kit_join(k, 1);
    for (int b = 0; b < BATCHES - 1; b++) {
        if (b == BATCHES - 2)
            count_begin("", "control");
        tasks = run_batch(k, arena, &from);
    }
    count_end();
    ck_assert_uint_eq(tasks, TASKS);
    ck_assert_uint_eq(k->n_committed, BATCHES - 1);
    ds_arena_free(arena);
    kit_close(k);
    free(k);
}
