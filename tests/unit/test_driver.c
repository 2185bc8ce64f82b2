/* The driver's control by itself: what it does about events, seen at its ports. */
#include "checkpoint/journal.h"
#include "driver/driver.h"

#include "unit/unit.h"

#include <string.h>

#define MOST 64

/* A sent message, as far as the tests look at it. */
typedef struct sent {
    uint64_t peer;
    uint8_t type;
    int64_t batch_ms;
    uint32_t stage, partition, attempt, n_tasks;
    uint64_t list; /* of a queue */
} sent;

typedef struct record {
    uint64_t ticket;
    bool whole, sync;
    char text[2000];
} record;

typedef struct kit {
    ds_app *app;
    ds_plan *plan;
    ds_plan_options options;
    ds_driver *driver;
    int64_t now_us;
    uint8_t tokens[MOST][DS_TOKEN_BYTES]; /* by executor */
    uint64_t n_launched;
    sent sent[MOST];
    uint32_t n_sent;
    record records[MOST];
    uint32_t n_records;
    int64_t commits[MOST];
    uint32_t n_commits;
    bool ended;
    ds_status status;
} kit;

#define EPOCH 77

/* ---- ports ---- */

static void port_send(void *arg, uint64_t peer, const ds_message *message)
{
    kit *k = arg;
    ck_assert_uint_lt(k->n_sent, MOST);
    sent *s = &k->sent[k->n_sent++];
    *s = (sent){.peer = peer, .type = message->type};
    if (message->type == DS_MSG_TASKS) {
        const ds_task *task = &message->tasks.tasks[0];
        s->n_tasks = message->tasks.n_tasks;
        s->batch_ms = task->batch_ms;
        s->stage = task->stage;
        s->partition = task->partition;
        s->attempt = task->attempt;
        if (task->n_inputs > 0)
            s->list = task->inputs[0].from;
    }
    if (message->type == DS_MSG_RELEASE)
        s->batch_ms = message->release.batches[0];
}

static void port_peer(void *arg, uint64_t peer)
{
    (void)arg;
    (void)peer;
}

static void port_launch(void *arg, uint64_t executor_id, const uint8_t *token)
{
    kit *k = arg;
    ck_assert_uint_eq(executor_id, ++k->n_launched);
    memcpy(k->tokens[executor_id], token, DS_TOKEN_BYTES);
}

static ds_status port_open_store(void *arg, uint64_t executor_id, const ds_msg_hello *hello,
                                 ds_store_paths *paths, ds_error *error)
{
    (void)arg, (void)executor_id, (void)hello, (void)error;
    snprintf(paths->memory, sizeof paths->memory, "/there");
    return DS_OK;
}

static void port_list(void *arg, uint32_t source)
{
    (void)arg;
    (void)source;
}

static void port_journal(void *arg, const char *line, size_t length, bool whole, bool sync,
                         uint64_t ticket)
{
    kit *k = arg;
    ck_assert_uint_lt(k->n_records, MOST);
    record *r = &k->records[k->n_records++];
    *r = (record){.ticket = ticket, .whole = whole, .sync = sync};
    snprintf(r->text, sizeof r->text, "%.*s", (int)length, line);
}

static void port_commit(void *arg, const ds_commit *commit)
{
    kit *k = arg;
    k->commits[k->n_commits++] = commit->batch_ms;
}

static void port_progress(void *arg, const ds_progress *progress)
{
    (void)arg;
    (void)progress;
}

static void port_end(void *arg, ds_status status, const char *message)
{
    (void)message;
    kit *k = arg;
    k->ended = true;
    k->status = status;
}

/* ---- events ---- */

static void step(kit *k, ds_driver_event event)
{
    event.now_us = k->now_us;
    event.wall_ms = k->now_us / 1000;
    if (event.text == NULL)
        event.text = "";
    ds_driver_step(k->driver, &event);
    ds_driver_check(k->driver);
}

static void message(kit *k, uint64_t executor_id, ds_message message)
{
    message.epoch = message.type == DS_MSG_HELLO ? 0 : EPOCH;
    step(k, (ds_driver_event){
                .kind = DS_DRIVER_MESSAGE, .peer = 100 + executor_id, .message = &message});
}

/* An executor joins: peer 100 + its id. */
static void join(kit *k, uint64_t executor_id)
{
    ds_message hello = {.type = DS_MSG_HELLO};
    hello.hello = (ds_msg_hello){.protocol = DS_PROTOCOL_VERSION,
                                 .build = DS_VERSION,
                                 .app_id = "x",
                                 .executor_id = executor_id,
                                 .cores = 1,
                                 .store_bytes = 1 << 20,
                                 .host = ""};
    memcpy(hello.hello.token, k->tokens[executor_id], DS_TOKEN_BYTES);
    message(k, executor_id, hello);
    ds_message ready = {.type = DS_MSG_PLAN_RESULT};
    ready.plan_result = (ds_msg_plan_result){1, DS_OK, ""};
    message(k, executor_id, ready);
}

static void make(kit *k, const char *text)
{
    static const char *const tested[] = {"s"};
    ds_error error;
    *k = (kit){.options = {.tested = tested, .n_tested = 1, .testing = true}};
    ck_assert_int_eq(ds_app_from_canonical(text, strlen(text), &k->app, &error), DS_OK);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ck_assert_int_eq(ds_plan_new(k->app, &k->options, diagnostics, &k->plan), DS_OK);
    ds_diagnostics_free(diagnostics);
}

static void start_on(kit *k, bool checkpoint, const ds_recovered *recovered)
{
    const ds_driver_config config = {.plan = k->plan,
                                     .epoch = EPOCH,
                                     .seed = 1,
                                     .checkpoint = checkpoint,
                                     .virtual_time = true,
                                     .n_batches = 3,
                                     .recovered = recovered};
    const ds_driver_ports ports = {.arg = k,
                                   .send = port_send,
                                   .close_peer = port_peer,
                                   .launch = port_launch,
                                   .kill = port_peer,
                                   .open_store = port_open_store,
                                   .close_store = port_peer,
                                   .list_files = port_list,
                                   .journal = port_journal,
                                   .commit = port_commit,
                                   .progress = port_progress,
                                   .end = port_end};
    k->driver = ds_driver_new(&config, &ports);
    step(k, (ds_driver_event){.kind = DS_DRIVER_STARTED});
}

static void start(kit *k, const char *text, bool checkpoint)
{
    make(k, text);
    start_on(k, checkpoint, NULL);
}

static void stop(kit *k)
{
    ds_driver_free(k->driver);
    ds_plan_free(k->plan);
    ds_app_free(k->app);
}

static void wait_us(kit *k, int64_t us)
{
    k->now_us += us;
    step(k, (ds_driver_event){.kind = DS_DRIVER_TIME});
}

static void journaled(kit *k, uint64_t ticket, ds_status status)
{
    step(k, (ds_driver_event){.kind = DS_DRIVER_JOURNALED, .ticket = ticket, .status = status});
}

static void committed(kit *k, int64_t batch_ms)
{
    step(k, (ds_driver_event){.kind = DS_DRIVER_COMMITTED, .batch_ms = batch_ms});
}

/* The answer to the first task of a sent bundle. */
static void result(kit *k, uint64_t executor_id, const sent *to, ds_status status)
{
    ds_task_result r = {.batch_ms = to->batch_ms,
                        .plan_id = 1,
                        .stage = to->stage,
                        .partition = to->partition,
                        .attempt = to->attempt,
                        .status = (uint32_t)status,
                        .message = "so"};
    ds_message m = {.type = DS_MSG_TASK_RESULTS};
    m.task_results = (ds_msg_task_results){&r, 1};
    message(k, executor_id, m);
}

/* The newest bundle of tasks that was sent. */
static const sent *last_tasks(const kit *k)
{
    for (uint32_t i = k->n_sent; i-- > 0;)
        if (k->sent[i].type == DS_MSG_TASKS)
            return &k->sent[i];
    return NULL;
}

static uint32_t count(const kit *k, uint8_t type)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n_sent; i++)
        n += k->sent[i].type == type;
    return n;
}

#define QUEUE(executors, batches)                                                                  \
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"                               \
    "\"executors\":{\"count\":" executors ",\"cores\":1},"                                         \
    "\"sources\":{\"q\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":" batches "}}," \
    "\"streams\":{\"s\":{\"from\":\"q\"}}}"

START_TEST(batches_run_one_by_one_and_commit_in_order)
{
    kit k;
    start(&k, QUEUE("1", "[[{\"n\":1}],[{\"n\":2}],[]]"), false);
    ck_assert_uint_eq(k.n_launched, 1);
    join(&k, 1);
    ck_assert_uint_eq(count(&k, DS_MSG_WELCOME), 1);
    ck_assert_uint_eq(count(&k, DS_MSG_TASKS), 1);
    ck_assert_int_eq(last_tasks(&k)->batch_ms, 1000);
    sent first = *last_tasks(&k);
    result(&k, 1, &first, DS_OK);
    ck_assert_uint_eq(k.n_commits, 1); /* and the next one runs meanwhile */
    ck_assert_int_eq(last_tasks(&k)->batch_ms, 2000);
    result(&k, 1, &first, DS_OK); /* a second time: no effect */
    result(&k, 1, last_tasks(&k), DS_OK);
    ck_assert_uint_eq(k.n_commits, 1);
    ck_assert_uint_eq(count(&k, DS_MSG_RELEASE), 0);
    committed(&k, 1000);
    ck_assert_uint_eq(count(&k, DS_MSG_RELEASE), 1);
    ck_assert_int_eq(k.commits[1], 2000);
    committed(&k, 1000); /* a second time: no effect */
    ck_assert(!k.ended);
    committed(&k, 2000);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    stop(&k);
}
END_TEST

START_TEST(strangers_and_second_comers_are_rejected)
{
    kit k;
    start(&k, QUEUE("1", "[[{\"n\":1}]]"), false);
    k.tokens[1][5] ^= 1;
    join(&k, 1);
    ck_assert_uint_eq(count(&k, DS_MSG_REJECT), 1);
    k.tokens[1][5] ^= 1;
    join(&k, 9); /* no such executor */
    ck_assert_uint_eq(count(&k, DS_MSG_REJECT), 2);
    join(&k, 1);
    ck_assert_uint_eq(count(&k, DS_MSG_WELCOME), 1);
    join(&k, 1); /* twice on one connection: no effect */
    ck_assert_uint_eq(count(&k, DS_MSG_WELCOME), 1);
    step(&k, (ds_driver_event){.kind = DS_DRIVER_PEER_LOST, .peer = 101});
    join(&k, 1); /* it was given up */
    ck_assert_uint_eq(count(&k, DS_MSG_REJECT), 3);
    stop(&k);
}
END_TEST

START_TEST(a_lost_executor_is_replaced_and_its_task_runs_again)
{
    kit k;
    start(&k, QUEUE("1", "[[{\"n\":1}]]"), false);
    join(&k, 1);
    ck_assert_uint_eq(last_tasks(&k)->attempt, 0);
    step(&k, (ds_driver_event){.kind = DS_DRIVER_PEER_LOST, .peer = 101});
    ck_assert_uint_eq(k.n_launched, 1);
    wait_us(&k, 100000);
    ck_assert_uint_eq(k.n_launched, 2);
    join(&k, 2);
    ck_assert_uint_eq(last_tasks(&k)->peer, 102);
    ck_assert_uint_eq(last_tasks(&k)->attempt, 1);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors_lost, 1);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->retries, 1);
    result(&k, 2, last_tasks(&k), DS_OK);
    committed(&k, 1000);
    ck_assert(k.ended);
    stop(&k);
}
END_TEST

/* What runs of a batch that is given up must not keep its executor busy for ever. */
START_TEST(a_batch_that_is_given_up_frees_its_executors)
{
    kit k;
    start(&k, QUEUE("1", "[[{\"n\":1}],[{\"n\":2}],[{\"n\":3}]]"), false);
    join(&k, 1);
    for (int64_t batch = 1; batch <= 3; batch++) {
        for (uint32_t attempt = 0; attempt < 4; attempt++) {
            sent task = *last_tasks(&k);
            ck_assert_int_eq(task.batch_ms, batch * 1000);
            ck_assert_uint_eq(task.attempt, attempt);
            result(&k, 1, &task, DS_ERR_PROTOCOL);
        }
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 3);
    ck_assert_uint_eq(count(&k, DS_MSG_RELEASE), 3);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_PROTOCOL);
    stop(&k);
}
END_TEST

/* A word count, whose reduce stage has two tasks: one fails for good while the other runs, which
 * is waited for. */
START_TEST(given_up_with_tasks_that_run)
{
    static const char app[] =
        "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"
        "\"executors\":{\"count\":1,\"cores\":1,\"key_partitions\":2},"
        "\"sources\":{\"q\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":"
        "[[{\"n\":1}],[{\"n\":2}],[{\"n\":3}]]}},"
        "\"streams\":{\"s\":{\"from\":\"q\",\"window\":\"1s\",\"group_by\":[\"n\"]}}}";
    kit k;
    start(&k, app, false);
    join(&k, 1);
    for (uint64_t batch = 1; batch <= 3; batch++) {
        result(&k, 1, last_tasks(&k), DS_OK);
        sent task = *last_tasks(&k);
        ck_assert_uint_eq(task.stage, 1);
        ck_assert_uint_eq(task.n_tasks, 2);
        for (task.attempt = 0; task.attempt < 4; task.attempt++)
            result(&k, 1, &task, DS_ERR_PROTOCOL);
        ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, batch);
        ck_assert_uint_eq(count(&k, DS_MSG_RELEASE), batch - 1);
        task.partition = 1;
        task.attempt = 0;
        result(&k, 1, &task, DS_OK);
        ck_assert_uint_eq(count(&k, DS_MSG_RELEASE), batch);
    }
    ck_assert(k.ended);
    stop(&k);
}
END_TEST

/* ---- the journal ---- */

/* A batch runs when its allotment is being written, and is output when its commit record, and with
 * it all that stands before it, is on the disk. */
START_TEST(commits_wait_for_the_journal)
{
    kit k;
    start(&k, QUEUE("1", "[[{\"n\":1}]]"), true);
    join(&k, 1);
    ck_assert_uint_eq(k.n_records, 2); /* the whole, and the first batch */
    ck_assert(k.records[0].whole && !k.records[1].whole);
    ck_assert_ptr_nonnull(strstr(k.records[1].text, "\"allotted\""));
    ck_assert(!k.records[1].sync);
    ck_assert_uint_eq(count(&k, DS_MSG_TASKS), 1);
    result(&k, 1, last_tasks(&k), DS_OK);
    ck_assert_ptr_nonnull(strstr(k.records[2].text, "\"prepared\""));
    ck_assert(k.records[2].sync);
    journaled(&k, k.records[0].ticket, DS_OK);
    journaled(&k, k.records[1].ticket, DS_OK);
    ck_assert_uint_eq(k.n_commits, 0);
    journaled(&k, k.records[2].ticket, DS_OK);
    ck_assert_uint_eq(k.n_commits, 1);
    committed(&k, 1000);
    ck_assert_ptr_nonnull(strstr(k.records[3].text, "\"committed\""));
    stop(&k);
}
END_TEST

/* What has to be noted while the whole record is being written comes in another one. */
START_TEST(nothing_is_missed_when_the_journal_fails)
{
    kit k;
    start(&k, QUEUE("1", "[[{\"n\":1}],[{\"n\":2}]]"), true);
    join(&k, 1);
    journaled(&k, k.records[0].ticket, DS_OK);
    journaled(&k, k.records[1].ticket, DS_OK); /* the first batch runs */
    uint32_t n = k.n_records;
    journaled(&k, k.records[n - 1].ticket, DS_ERR_IO); /* the second waits */
    ck_assert_uint_eq(k.n_records, n);
    wait_us(&k, 200000);
    ck_assert_uint_eq(k.n_records, n + 1);
    ck_assert(k.records[n].whole);
    ck_assert_ptr_null(strstr(k.records[n].text, "\"commit\""));
    result(&k, 1, last_tasks(&k), DS_OK); /* prepared: to be noted, too */
    ck_assert_uint_eq(k.n_records, n + 1);
    journaled(&k, k.records[n].ticket, DS_OK);
    ck_assert_uint_eq(k.n_records, n + 2);
    ck_assert(k.records[n + 1].whole);
    ck_assert_uint_eq(k.n_commits, 0);
    journaled(&k, k.records[n + 1].ticket, DS_OK);
    ck_assert_uint_eq(k.n_commits, 1);
    committed(&k, 1000);
    ck_assert(!k.records[k.n_records - 1].whole); /* the failure is over */
    ck_assert_int_eq(last_tasks(&k)->batch_ms, 2000);
    stop(&k);
}
END_TEST

/* What the records of a kit say. */
static ds_recovered *recover(const kit *k)
{
    ds_buffer text = {0};
    ds_recovered *recovered;
    ds_error error;
    for (uint32_t i = 0; i < k->n_records; i++)
        ds_buffer_append_text(&text, k->records[i].text);
    ck_assert_int_eq(
        ds_journal_read("journal", text.data, text.length, k->plan, &recovered, &error), DS_OK);
    ck_assert_ptr_null(recovered->warning);
    ds_buffer_fini(&text);
    return recovered;
}

/* The n-th list of every queue belongs to the n-th batch, after a restart, too. */
START_TEST(empty_lists_are_passed_in_the_checkpoint)
{
    static const char app[] =
        "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"
        "\"executors\":{\"count\":1,\"cores\":1},\"sources\":{"
        "\"p\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":[[],[{\"n\":1}]]},"
        "\"q\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":[[{\"n\":1}],[]]}},"
        "\"streams\":{\"s\":{\"from\":[\"p\",\"q\"]}}}";
    kit k, again;
    start(&k, app, true);
    join(&k, 1);
    ck_assert_ptr_nonnull(strstr(k.records[1].text, "\"next\":{\"p\":1,\"q\":1}"));
    k.n_records = 2; /* it dies when the first batch is allotted */
    make(&again, app);
    ds_recovered *recovered = recover(&k);
    ck_assert_uint_eq(recovered->sources[0].next, 1);
    ck_assert_uint_eq(recovered->sources[1].next, 1);
    start_on(&again, false, recovered);
    join(&again, 1);
    ck_assert_int_eq(last_tasks(&again)->batch_ms, 1000);
    ck_assert_uint_eq(last_tasks(&again)->list, 0);
    result(&again, 1, last_tasks(&again), DS_OK);
    ck_assert_int_eq(last_tasks(&again)->batch_ms, 2000);
    ck_assert_uint_eq(last_tasks(&again)->stage, 0);
    ck_assert_uint_eq(last_tasks(&again)->list, 1);
    stop(&again);
    ds_recovered_free(recovered);
    stop(&k);
}
END_TEST

/* A prepared batch of rows to be printed, which are gone, runs again when executors are there;
 * until then nothing is to be done. */
START_TEST(a_restart_waits_quietly_for_executors)
{
    kit k, again;
    start(&k, QUEUE("1", "[[{\"n\":1}]]"), true);
    join(&k, 1);
    journaled(&k, k.records[1].ticket, DS_OK);
    result(&k, 1, last_tasks(&k), DS_OK);
    make(&again, QUEUE("1", "[[{\"n\":1}]]"));
    ds_recovered *recovered = recover(&k);
    ck_assert_uint_eq(recovered->n_batches, 1);
    ck_assert(recovered->batches[0].prepared);
    start_on(&again, false, recovered);
    int64_t mono_us, wall_ms;
    ds_driver_deadline(again.driver, &mono_us, &wall_ms);
    ck_assert_int_gt(mono_us, again.now_us);
    ck_assert_uint_eq(again.n_commits, 0);
    join(&again, 1);
    ck_assert_int_eq(last_tasks(&again)->batch_ms, 1000);
    result(&again, 1, last_tasks(&again), DS_OK);
    ck_assert_uint_eq(again.n_commits, 1);
    stop(&again);
    ds_recovered_free(recovered);
    stop(&k);
}
END_TEST

UNIT_MAIN("driver", empty_lists_are_passed_in_the_checkpoint, a_restart_waits_quietly_for_executors,
          batches_run_one_by_one_and_commit_in_order, strangers_and_second_comers_are_rejected,
          a_lost_executor_is_replaced_and_its_task_runs_again,
          a_batch_that_is_given_up_frees_its_executors, given_up_with_tasks_that_run,
          commits_wait_for_the_journal, nothing_is_missed_when_the_journal_fails)
