/* The driver and executors whose stores it cannot hold: what they had is gone when they are. */
#include "driver/driver.h"

#include "base/memory.h"
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#define MOST 400u
#define MOST_INPUTS 8u
#define EXECUTORS 40u
#define EPOCH 77u
#define MIB ((uint64_t)1 << 20)
#define BULK "tcp://127.0.0.1:1"

/* What was sent, as far as the tests look at it; of a bundle each task is one. */
typedef struct sent {
    uint64_t executor_id;
    uint8_t type;
    ds_task task;
    ds_input inputs[MOST_INPUTS];
    uint64_t about; /* PEER */
    char path[64], url[64];
    bool gone;
} sent;

typedef struct kit {
    ds_app *app;
    ds_plan *plan;
    ds_plan_options options;
    ds_driver *driver;
    int64_t now_us;
    uint8_t tokens[EXECUTORS][DS_TOKEN_BYTES];
    uint64_t n_launched;
    bool holds[EXECUTORS]; /* their stores can be opened */
    sent sent[MOST];
    uint32_t n_sent;
    uint32_t n_lists;                  /* asked for */
    ds_output committing[MOST_INPUTS]; /* bytes of the newest commit */
    uint32_t n_commits, n_committing;
    int64_t commit_ms;
    uint64_t ticket; /* of the newest record */
    uint32_t n_prepared;
    uint64_t next_offset;
    bool ended;
    ds_status status;
} kit;

/* ---- ports ---- */

static void note_tasks(kit *k, uint64_t executor_id, const ds_msg_tasks *tasks)
{
    for (uint32_t i = 0; i < tasks->n_tasks; i++) {
        const ds_task *task = &tasks->tasks[i];
        ck_assert(k->n_sent < MOST && task->n_inputs <= MOST_INPUTS);
        sent *s = &k->sent[k->n_sent++];
        *s = (sent){.executor_id = executor_id, .type = DS_MSG_TASKS, .task = *task};
        for (uint32_t n = 0; n < task->n_inputs; n++)
            s->inputs[n] = task->inputs[n];
    }
}

static void port_send(void *arg, uint64_t peer, const ds_message *message)
{
    kit *k = arg;
    if (message->type == DS_MSG_TASKS) {
        note_tasks(k, peer - 100, &message->tasks);
        return;
    }
    ck_assert_uint_lt(k->n_sent, MOST);
    sent *s = &k->sent[k->n_sent++];
    *s = (sent){.executor_id = peer - 100, .type = message->type};
    if (message->type != DS_MSG_PEER)
        return;
    const ds_msg_peer *told = &message->peer;
    s->about = told->executor_id;
    s->gone = told->gone;
    snprintf(s->path, sizeof s->path, "%s", told->path != NULL ? told->path : "");
    snprintf(s->url, sizeof s->url, "%s", told->bulk_url != NULL ? told->bulk_url : "");
}

static void port_peer(void *arg, uint64_t peer)
{
    (void)arg;
    (void)peer;
}

static void port_launch(void *arg, uint64_t executor_id, const uint8_t *token)
{
    kit *k = arg;
    k->n_launched++;
    ck_assert_uint_lt(executor_id, EXECUTORS);
    memcpy(k->tokens[executor_id], token, DS_TOKEN_BYTES);
}

static ds_status port_open_store(void *arg, uint64_t executor_id, const ds_msg_hello *hello,
                                 ds_store_paths *paths, ds_error *error)
{
    kit *k = arg;
    (void)hello; /* paths are written even when it fails */
    snprintf(paths->memory, sizeof paths->memory, "/held/%d", (int)executor_id);
    if (k->holds[executor_id])
        return DS_OK;
    return ds_error_set(error, DS_ERR_LOST, "it cannot be opened");
}

static void port_list(void *arg, uint32_t source)
{
    kit *k = arg;
    (void)source;
    k->n_lists++;
}

static void port_journal(void *arg, const char *line, size_t length, bool whole, bool sync,
                         uint64_t ticket)
{
    (void)whole, (void)sync;
    kit *k = arg;
    k->ticket = ticket;
    k->n_prepared += memmem(line, length, "\"prepared\"", 10) != NULL && !whole;
}

static void port_commit(void *arg, const ds_commit *commit)
{
    kit *k = arg;
    k->n_commits++;
    k->commit_ms = commit->batch_ms;
    ck_assert_uint_le(commit->n_bytes, MOST_INPUTS);
    k->n_committing = commit->n_bytes;
    for (uint32_t i = 0; i < commit->n_bytes; i++)
        k->committing[i] = commit->bytes[i];
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

static void say_hello(kit *k, uint64_t executor_id, const char *url)
{
    ds_message hello = {.type = DS_MSG_HELLO};
    hello.hello = (ds_msg_hello){.protocol = DS_PROTOCOL_VERSION,
                                 .build = DS_VERSION,
                                 .app_id = "x",
                                 .executor_id = executor_id,
                                 .cores = 4,
                                 .store_fd = -1,
                                 .store_bytes = 1 << 28,
                                 .host = "",
                                 .bulk_url = url};
    memcpy(hello.hello.token, k->tokens[executor_id], DS_TOKEN_BYTES);
    message(k, executor_id, hello);
}

static void join(kit *k, uint64_t executor_id)
{
    char url[64];
    snprintf(url, sizeof url, "abstract://bulk-%d", (int)executor_id);
    say_hello(k, executor_id, url);
    ds_message ready = {.type = DS_MSG_PLAN_RESULT};
    ready.plan_result = (ds_msg_plan_result){1, DS_OK, ""};
    message(k, executor_id, ready);
}

static void lose(kit *k, uint64_t executor_id)
{
    step(k, (ds_driver_event){.kind = DS_DRIVER_PEER_LOST, .peer = 100 + executor_id});
}

/* Lets time pass; replacements are launched in it. */
static void wait_us(kit *k, int64_t us)
{
    k->now_us += us;
    step(k, (ds_driver_event){.kind = DS_DRIVER_TIME});
}

static void committed(kit *k, ds_status status)
{
    step(k, (ds_driver_event){
                .kind = DS_DRIVER_COMMITTED, .batch_ms = k->commit_ms, .status = status});
}

typedef struct settings {
    const char *app;
    const char *bulk_url;
    bool checkpoint, real_time;
    bool two; /* streams are tested: s and t */
} settings;

static void start(kit *k, settings with)
{
    static const char *const tested[] = {"s", "t"};
    ds_error error;
    *k = (kit){.options = {.tested = tested, .n_tested = with.two ? 2 : 1, .testing = true}};
    ck_assert_msg(ds_app_from_canonical(with.app, strlen(with.app), &k->app, &error) == DS_OK, "%s",
                  error.message);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ck_assert_int_eq(ds_plan_new(k->app, &k->options, diagnostics, &k->plan), DS_OK);
    ds_diagnostics_free(diagnostics);
    const ds_driver_config config = {.plan = k->plan,
                                     .epoch = EPOCH,
                                     .seed = 1,
                                     .checkpoint = with.checkpoint,
                                     .virtual_time = !with.real_time,
                                     .bulk_url = with.bulk_url};
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

static void stop(kit *k)
{
    ds_driver_free(k->driver);
    ds_plan_free(k->plan);
    ds_app_free(k->app);
}

/* ---- what was sent ---- */

static uint32_t count(const kit *k, uint8_t type)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n_sent; i++)
        n += k->sent[i].type == type;
    return n;
}

/* What the executor was told last about another. */
static const sent *last_peer(const kit *k, uint64_t executor_id, uint64_t about)
{
    for (uint32_t i = k->n_sent; i-- > 0;)
        if (k->sent[i].type == DS_MSG_PEER && k->sent[i].executor_id == executor_id &&
            k->sent[i].about == about)
            return &k->sent[i];
    return NULL;
}

/* The newest attempt of a task. */
static const sent *find_task(const kit *k, int64_t batch_ms, uint32_t stage, uint32_t partition)
{
    for (uint32_t i = k->n_sent; i-- > 0;) {
        const sent *s = &k->sent[i];
        if (s->type == DS_MSG_TASKS && s->task.batch_ms == batch_ms && s->task.stage == stage &&
            s->task.partition == partition)
            return s;
    }
    return NULL;
}

/* How many tasks were sent since (and with) a place in what was sent. */
static uint32_t tasks_since(const kit *k, uint32_t place)
{
    uint32_t n = 0;
    for (uint32_t i = place; i < k->n_sent; i++)
        n += k->sent[i].type == DS_MSG_TASKS;
    return n;
}

static const ds_progress *progress(const kit *k)
{
    return ds_driver_progress(k->driver);
}

/* ---- answers ---- */

static void answer(kit *k, const sent *to, ds_status status, ds_output *outputs, uint32_t n)
{
    ds_task_result r = {.batch_ms = to->task.batch_ms,
                        .plan_id = 1,
                        .stage = to->task.stage,
                        .partition = to->task.partition,
                        .attempt = to->task.attempt,
                        .status = (uint32_t)status,
                        .message = "so",
                        .rows_in = 10,
                        .outputs = outputs,
                        .n_outputs = n};
    ds_message m = {.type = DS_MSG_TASK_RESULTS};
    m.task_results = (ds_msg_task_results){&r, 1};
    message(k, to->executor_id, m);
}

/* The task is done and wrote 64 bytes into the store of its executor. Returns where. */
static uint64_t finish(kit *k, const sent *to, ds_output_kind kind, uint32_t target)
{
    ck_assert_ptr_nonnull(to);
    uint64_t offset = k->next_offset;
    k->next_offset += 64;
    ds_output output = {.kind = (uint8_t)kind,
                        .target = target,
                        .rows = 1,
                        .ref = {to->executor_id, offset, 64},
                        .length = 64,
                        .path = ""};
    answer(k, to, DS_OK, &output, 1);
    return offset;
}

static void check_input(const sent *task, uint32_t i, uint64_t executor_id, uint64_t offset)
{
    ck_assert_uint_lt(i, task->task.n_inputs);
    ck_assert_uint_eq(task->inputs[i].ref.executor_id, executor_id);
    ck_assert_uint_eq(task->inputs[i].ref.offset, offset);
}

/* ---- joining ---- */

#define QUEUE                                                                                      \
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"                               \
    "\"executors\":{\"count\":2,\"cores\":4},"                                                     \
    "\"sources\":{\"q\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":[[{\"n\":1}]"   \
    "]}},\"streams\":{\"s\":{\"from\":\"q\"}}}"

START_TEST(a_store_that_cannot_be_opened_is_no_reason_to_reject)
{
    kit k;
    start(&k, (settings){.app = QUEUE});
    k.holds[2] = true;
    join(&k, 1);
    join(&k, 2);
    ck_assert_uint_eq(count(&k, DS_MSG_WELCOME), 2);
    ck_assert_uint_eq(count(&k, DS_MSG_REJECT), 0);
    const sent *copied = last_peer(&k, 2, 1), *held = last_peer(&k, 1, 2);
    ck_assert_str_eq(copied->path, "");
    ck_assert_str_eq(copied->url, "abstract://bulk-1");
    ck_assert(!copied->gone);
    ck_assert_str_eq(held->path, "/held/2");
    ck_assert_str_eq(held->url, "abstract://bulk-2");
    ck_assert_str_eq(ds_driver_bulk_url(k.driver, 1), "abstract://bulk-1");
    ck_assert_ptr_null(ds_driver_bulk_url(k.driver, 2));
    ck_assert_ptr_null(ds_driver_bulk_url(k.driver, 3));
    stop(&k);
}
END_TEST

START_TEST(one_whose_bytes_cannot_be_had_at_all_is_rejected)
{
    static char long_url[400];
    memset(long_url, 'x', sizeof long_url - 1);
    kit k;
    start(&k, (settings){.app = QUEUE});
    say_hello(&k, 1, "");
    say_hello(&k, 2, long_url);
    ck_assert_uint_eq(count(&k, DS_MSG_REJECT), 2);
    ck_assert_uint_eq(count(&k, DS_MSG_WELCOME), 0);
    stop(&k);
}
END_TEST

START_TEST(peers_are_told_where_bytes_of_the_lost_are)
{
    kit k;
    start(&k, (settings){.app = QUEUE, .bulk_url = BULK});
    k.holds[2] = true;
    join(&k, 1);
    join(&k, 2);
    lose(&k, 1);
    ck_assert(last_peer(&k, 2, 1)->gone); /* nowhere */
    ck_assert_ptr_null(ds_driver_bulk_url(k.driver, 1));
    wait_us(&k, 100000);
    ck_assert_uint_eq(k.n_launched, 3);
    join(&k, 3);
    ck_assert_ptr_null(last_peer(&k, 3, 1));
    lose(&k, 2);
    const sent *held = last_peer(&k, 3, 2);
    ck_assert(!held->gone);
    ck_assert_str_eq(held->path, "/held/2");
    ck_assert_str_eq(held->url, BULK); /* the driver gives them */
    stop(&k);
}
END_TEST

/* ---- outputs ---- */

/* Two files of 4 MiB for each batch: two map tasks; then two key partitions, then one task that
 * orders. Stages 0, 1, 2. */
#define WORDS                                                                                      \
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"                               \
    "\"executors\":{\"count\":2,\"cores\":4,\"key_partitions\":2},"                                \
    "\"sources\":{\"f\":{\"type\":\"files\",\"dir\":\"d\"}},"                                      \
    "\"streams\":{\"s\":{\"from\":\"f\",\"group_by\":[\"line\"],\"aggregate\":{\"n\":\"count()\"}" \
    ",\"order_by\":\"n\"}}}"

static void give_files(kit *k, uint32_t n)
{
    static const ds_listed_file files[] = {
        {"a", 4 * MIB}, {"b", 4 * MIB}, {"c", 4 * MIB}, {"d", 4 * MIB}};
    ck_assert_uint_eq(k->n_lists, 1);
    step(k, (ds_driver_event){.kind = DS_DRIVER_FILES, .files = files, .n_files = n});
}

/* Executors 1 and 2 have a map task each. */
static void start_words(kit *k, bool checkpoint)
{
    start(k, (settings){.app = WORDS, .checkpoint = checkpoint});
    join(k, 1);
    join(k, 2);
    give_files(k, 2);
    if (checkpoint)
        step(k, (ds_driver_event){.kind = DS_DRIVER_JOURNALED, .ticket = k->ticket});
    ck_assert_uint_eq(find_task(k, 1000, 0, 0)->executor_id, 1);
    ck_assert_uint_eq(find_task(k, 1000, 0, 1)->executor_id, 2);
}

/* Both map tasks are done; returns where their outputs are. */
static void finish_maps(kit *k, uint64_t *offsets)
{
    for (uint32_t p = 0; p < 2; p++)
        offsets[p] = finish(k, find_task(k, 1000, 0, p), DS_OUTPUT_PIECES, 1);
}

START_TEST(map_tasks_run_again_and_their_readers_wait)
{
    kit k;
    uint64_t offsets[2];
    start_words(&k, false);
    finish_maps(&k, offsets);
    const sent *reduce[2] = {find_task(&k, 1000, 1, 0), find_task(&k, 1000, 1, 1)};
    ck_assert_uint_ne(reduce[0]->executor_id, reduce[1]->executor_id);
    for (uint32_t p = 0; p < 2; p++) {
        check_input(reduce[p], 0, 1, offsets[0]);
        check_input(reduce[p], 1, 2, offsets[1]);
    }
    uint32_t here = reduce[0]->executor_id == 2 ? 0 : 1;
    uint32_t before = k.n_sent;
    lose(&k, 1);
    const sent *again = find_task(&k, 1000, 0, 0);
    ck_assert_uint_eq(tasks_since(&k, before), 1);
    ck_assert_uint_eq(again->executor_id, 2);
    ck_assert_uint_eq(again->task.attempt, 1);
    answer(&k, reduce[here], DS_ERR_UNAVAILABLE, NULL, 0); /* it missed the pieces */
    ck_assert_uint_eq(tasks_since(&k, before), 1);         /* and waits for them */
    uint64_t offset = finish(&k, again, DS_OUTPUT_PIECES, 1);
    for (uint32_t p = 0; p < 2; p++) {
        const sent *now = find_task(&k, 1000, 1, p);
        ck_assert_uint_eq(now->task.attempt, 1);
        ck_assert_uint_eq(now->task.n_inputs, 2);
        check_input(now, 0, 2, offset); /* in the order of the map partitions, as before */
        check_input(now, 1, 2, offsets[1]);
    }
    ck_assert_uint_eq(progress(&k)->rows_in, 20); /* counted once */
    ck_assert_uint_eq(progress(&k)->failed_batches, 0);
    stop(&k);
}
END_TEST

START_TEST(only_what_is_gone_runs_again)
{
    kit k;
    start_words(&k, false);
    finish(&k, find_task(&k, 1000, 0, 1), DS_OUTPUT_PIECES, 1); /* of 2; that of 1 runs */
    uint32_t before = k.n_sent;
    lose(&k, 1);
    ck_assert_uint_eq(tasks_since(&k, before), 1);
    ck_assert_uint_eq(find_task(&k, 1000, 0, 0)->executor_id, 2);
    ck_assert_uint_eq(find_task(&k, 1000, 0, 1)->task.attempt, 0);
    stop(&k);
}
END_TEST

START_TEST(a_reader_that_had_its_pieces_is_done)
{
    kit k;
    uint64_t offsets[2];
    start_words(&k, false);
    finish_maps(&k, offsets);
    uint32_t here = find_task(&k, 1000, 1, 0)->executor_id == 2 ? 0 : 1;
    const sent *reduce = find_task(&k, 1000, 1, here);
    lose(&k, 1);
    finish(&k, reduce, DS_OUTPUT_PIECES, 2); /* it had read them before */
    uint32_t before = k.n_sent;
    finish(&k, find_task(&k, 1000, 0, 0), DS_OUTPUT_PIECES, 1);
    ck_assert_uint_eq(tasks_since(&k, before), 1); /* only the other one runs again */
    finish(&k, find_task(&k, 1000, 1, 1 - here), DS_OUTPUT_PIECES, 2);
    ck_assert_uint_eq(find_task(&k, 1000, 2, 0)->task.n_inputs, 2);
    stop(&k);
}
END_TEST

/* Map and reduce tasks are done, and the last one runs. Returns the reduce task of executor 1. */
static uint32_t run_to_the_last(kit *k)
{
    uint64_t offsets[2];
    finish_maps(k, offsets);
    uint32_t of_one = find_task(k, 1000, 1, 0)->executor_id == 1 ? 0 : 1;
    for (uint32_t p = 0; p < 2; p++)
        finish(k, find_task(k, 1000, 1, p), DS_OUTPUT_PIECES, 2);
    ck_assert_ptr_nonnull(find_task(k, 1000, 2, 0));
    return of_one;
}

START_TEST(what_was_read_to_its_end_is_not_made_again)
{
    kit k;
    start_words(&k, true);
    run_to_the_last(&k);
    const sent *last = find_task(&k, 1000, 2, 0);
    uint64_t lost = last->executor_id == 1 ? 2 : 1;
    finish(&k, last, DS_OUTPUT_BYTES, 0);
    ck_assert_uint_eq(k.n_prepared, 1);
    uint32_t before = k.n_sent;
    lose(&k, lost); /* pieces of two stages, which nobody reads any more */
    ck_assert_uint_eq(tasks_since(&k, before), 0);
    step(&k, (ds_driver_event){.kind = DS_DRIVER_JOURNALED, .ticket = k.ticket});
    ck_assert_uint_eq(k.n_commits, 1);
    committed(&k, DS_OK);
    ck_assert_uint_eq(progress(&k)->batches, 1);
    stop(&k);
}
END_TEST

START_TEST(what_made_it_runs_again_too)
{
    kit k;
    start_words(&k, false);
    uint32_t of_one = run_to_the_last(&k);
    uint32_t before = k.n_sent;
    lose(&k, 1); /* a reduce task of it, and the map task whose pieces that needs */
    ck_assert_uint_eq(tasks_since(&k, before), 1);
    ck_assert_uint_eq(find_task(&k, 1000, 0, 0)->task.attempt, 1);
    finish(&k, find_task(&k, 1000, 0, 0), DS_OUTPUT_PIECES, 1);
    ck_assert_uint_eq(find_task(&k, 1000, 1, of_one)->task.attempt, 1);
    ck_assert_uint_eq(find_task(&k, 1000, 1, 1 - of_one)->task.attempt, 0);
    const sent *last = find_task(&k, 1000, 2, 0);
    if (last->executor_id == 2 && last->task.attempt == 0)
        answer(&k, last, DS_ERR_UNAVAILABLE, NULL, 0);
    uint64_t offset = finish(&k, find_task(&k, 1000, 1, of_one), DS_OUTPUT_PIECES, 2);
    last = find_task(&k, 1000, 2, 0);
    ck_assert_uint_eq(last->task.attempt, 1);
    check_input(last, of_one, 2, offset);
    finish(&k, last, DS_OUTPUT_BYTES, 0);
    committed(&k, DS_OK);
    ck_assert_uint_eq(progress(&k)->batches, 1);
    ck_assert_uint_eq(progress(&k)->rows_in, 50); /* each of five tasks once */
    stop(&k);
}
END_TEST

/* Failures that came of a loss do not add up to those of the task itself. */
START_TEST(failures_before_the_loss_is_known_are_forgiven)
{
    kit k;
    uint64_t offsets[2];
    start_words(&k, false);
    finish_maps(&k, offsets);
    uint32_t here = find_task(&k, 1000, 1, 0)->executor_id == 2 ? 0 : 1;
    for (uint32_t failures = 0; failures < 3; failures++) {
        uint32_t before = k.n_sent;
        answer(&k, find_task(&k, 1000, 1, here), DS_ERR_UNAVAILABLE, NULL, 0);
        ck_assert_uint_eq(tasks_since(&k, before), 0); /* not at once: a loss may become known */
        wait_us(&k, 200000 << failures);
    }
    lose(&k, 1);
    finish(&k, find_task(&k, 1000, 0, 0), DS_OUTPUT_PIECES, 1);
    answer(&k, find_task(&k, 1000, 1, here), DS_ERR_UNAVAILABLE, NULL, 0); /* of before */
    wait_us(&k, 200000);
    for (uint32_t failures = 0; failures < 3; failures++) {
        ck_assert_uint_eq(progress(&k)->failed_batches, 0);
        answer(&k, find_task(&k, 1000, 1, here), DS_ERR_UNAVAILABLE, NULL, 0);
        wait_us(&k, 400000 << failures);
    }
    ck_assert_uint_eq(progress(&k)->failed_batches, 1); /* these are its own: four */
    stop(&k);
}
END_TEST

/* It is not its fault: it goes on, but waits longer and longer. */
START_TEST(a_batch_that_loses_again_and_again)
{
    kit k;
    start(&k, (settings){.app = WORDS});
    join(&k, 1);
    join(&k, 2);
    give_files(&k, 2);
    uint64_t next = 3;
    for (uint32_t loss = 1; loss <= 12; loss++) {
        ck_assert_uint_eq(progress(&k)->failed_batches, 0);
        const sent *map = find_task(&k, 1000, 0, 0);
        ck_assert_uint_eq(map->task.attempt, loss - 1);
        uint64_t holder = map->executor_id;
        finish(&k, map, DS_OUTPUT_PIECES, 1);
        const uint32_t before = k.n_sent;
        lose(&k, holder);
        if (loss > 5) /* the other executor is there, and is not given it at once */
            ck_assert_uint_eq(tasks_since(&k, before), 0);
        wait_us(&k, 20000000);
        join(&k, next++);
    }
    ck_assert_uint_eq(progress(&k)->failed_batches, 0);
    step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
    stop(&k);
}
END_TEST

START_TEST(held_stores_lose_nothing)
{
    kit k;
    uint64_t offsets[2];
    start(&k, (settings){.app = WORDS});
    k.holds[1] = k.holds[2] = true;
    join(&k, 1);
    join(&k, 2);
    give_files(&k, 2);
    finish_maps(&k, offsets);
    uint32_t of_one = find_task(&k, 1000, 1, 0)->executor_id == 1 ? 0 : 1;
    uint32_t before = k.n_sent;
    lose(&k, 1);
    ck_assert_uint_eq(tasks_since(&k, before), 1); /* what ran there */
    const sent *moved = find_task(&k, 1000, 1, of_one);
    check_input(moved, 0, 1, offsets[0]); /* it reads them where they are */
    stop(&k);
}
END_TEST

/* ---- rows on their way to the console ---- */

START_TEST(rows_of_a_prepared_batch_are_made_again)
{
    kit k;
    start_words(&k, true);
    run_to_the_last(&k);
    const sent *last = find_task(&k, 1000, 2, 0);
    uint64_t holder = last->executor_id;
    finish(&k, last, DS_OUTPUT_BYTES, 0);
    ck_assert_uint_eq(k.n_prepared, 1);
    uint64_t ticket = k.ticket;
    lose(&k, holder);
    step(&k, (ds_driver_event){.kind = DS_DRIVER_JOURNALED, .ticket = ticket}); /* too late */
    ck_assert_uint_eq(k.n_commits, 0);
    for (uint32_t s = 0; s < 2; s++)
        for (uint32_t p = 0; p < 2; p++)
            if (find_task(&k, 1000, s, p)->task.attempt > 0)
                finish(&k, find_task(&k, 1000, s, p), DS_OUTPUT_PIECES, s + 1);
    last = find_task(&k, 1000, 2, 0);
    ck_assert_uint_eq(last->task.attempt, 1);
    uint64_t offset = finish(&k, last, DS_OUTPUT_BYTES, 0);
    ck_assert_uint_eq(k.n_prepared, 2); /* in the checkpoint once more */
    ck_assert_uint_eq(k.n_commits, 0);
    step(&k, (ds_driver_event){.kind = DS_DRIVER_JOURNALED, .ticket = k.ticket});
    ck_assert_uint_eq(k.n_commits, 1);
    ck_assert_uint_eq(k.n_committing, 1);
    ck_assert_uint_eq(k.committing[0].ref.offset, offset);
    stop(&k);
}
END_TEST

START_TEST(a_commit_under_way_is_waited_for)
{
    kit k;
    start_words(&k, false);
    run_to_the_last(&k);
    const sent *last = find_task(&k, 1000, 2, 0);
    uint64_t holder = last->executor_id;
    finish(&k, last, DS_OUTPUT_BYTES, 0);
    ck_assert_uint_eq(k.n_commits, 1);
    uint32_t before = k.n_sent;
    lose(&k, holder);
    ck_assert_uint_eq(tasks_since(&k, before), 0); /* perhaps it had them */
    committed(&k, DS_ERR_LOST);                    /* no */
    ck_assert_uint_gt(tasks_since(&k, before), 0);
    for (uint32_t s = 0; s < 2; s++)
        for (uint32_t p = 0; p < 2; p++)
            if (find_task(&k, 1000, s, p)->task.attempt > 0)
                finish(&k, find_task(&k, 1000, s, p), DS_OUTPUT_PIECES, s + 1);
    uint64_t offset = finish(&k, find_task(&k, 1000, 2, 0), DS_OUTPUT_BYTES, 0);
    ck_assert_uint_eq(k.n_commits, 2);
    ck_assert_uint_eq(k.committing[0].ref.offset, offset);
    committed(&k, DS_OK);
    ck_assert_uint_eq(progress(&k)->batches, 1);
    stop(&k);
}
END_TEST

START_TEST(a_commit_that_fails_for_another_reason_is_tried_again)
{
    kit k;
    start_words(&k, false);
    run_to_the_last(&k);
    finish(&k, find_task(&k, 1000, 2, 0), DS_OUTPUT_BYTES, 0);
    uint32_t before = k.n_sent;
    committed(&k, DS_ERR_LOST); /* it could not be reached just now */
    ck_assert_uint_eq(tasks_since(&k, before), 0);
    wait_us(&k, 200000);
    ck_assert_uint_eq(k.n_commits, 2);
    stop(&k);
}
END_TEST

/* Two streams of one partition each read the same map task. Stages 0, 1, 2. */
#define TWO                                                                                        \
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"                               \
    "\"executors\":{\"count\":3,\"cores\":4,\"key_partitions\":1},"                                \
    "\"sources\":{\"q\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":[[{\"n\":1}]"   \
    "]}},\"streams\":{\"s\":{\"from\":\"q\",\"group_by\":[\"n\"]},"                                \
    "\"t\":{\"from\":\"q\",\"aggregate\":{\"n\":\"count()\"}}}}"

/* The map task is done where it is expected to run. */
static void finish_two(kit *k, const sent *map, uint64_t executor_id)
{
    ck_assert_uint_eq(map->executor_id, executor_id);
    ds_output outputs[] = {
        {.kind = DS_OUTPUT_PIECES, .target = 1, .ref = {executor_id, 0, 64}, .path = ""},
        {.kind = DS_OUTPUT_PIECES, .target = 2, .ref = {executor_id, 64, 64}, .path = ""},
    };
    answer(k, map, DS_OK, outputs, 2);
}

/* A stage that was done while its inputs were made again elsewhere finds them there. */
START_TEST(inputs_that_moved_are_found)
{
    kit k;
    start(&k, (settings){.app = TWO, .two = true, .checkpoint = true});
    for (uint64_t id = 1; id <= 3; id++)
        join(&k, id);
    step(&k, (ds_driver_event){.kind = DS_DRIVER_JOURNALED, .ticket = k.ticket});
    answer(&k, find_task(&k, 1000, 0, 0), DS_ERR_PROTOCOL, NULL, 0); /* not at 1, who owns all */
    finish_two(&k, find_task(&k, 1000, 0, 0), 2);
    finish(&k, find_task(&k, 1000, 1, 0), DS_OUTPUT_BYTES, 0);
    lose(&k, 2); /* stage 2 has not read it yet */
    finish_two(&k, find_task(&k, 1000, 0, 0), 3);
    finish(&k, find_task(&k, 1000, 2, 0), DS_OUTPUT_BYTES, 1);
    ck_assert_uint_eq(k.n_prepared, 1);
    uint32_t before = k.n_sent;
    lose(&k, 1);
    ck_assert_uint_eq(tasks_since(&k, before), 2);
    for (uint32_t s = 1; s <= 2; s++) {
        ck_assert_uint_eq(find_task(&k, 1000, s, 0)->executor_id, 3);
        ck_assert_uint_eq(find_task(&k, 1000, s, 0)->inputs[0].ref.executor_id, 3);
    }
    stop(&k);
}
END_TEST

/* ---- panes ---- */

#define WINDOW                                                                                     \
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"                               \
    "\"executors\":{\"count\":2,\"cores\":4,\"key_partitions\":2},"                                \
    "\"sources\":{\"q\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":[[{\"n\":1}]"   \
    ",[{\"n\":2}],[{\"n\":3}]]}},\"streams\":{\"s\":{\"from\":\"q\",\"window\":{\"size\":\"2s\","  \
    "\"slide\":\"1s\"},\"group_by\":[\"n\"]}}}"

/* A batch that has to make rows again changes its panes before the batch behind it. */
START_TEST(panes_change_in_the_order_of_time)
{
    kit k;
    start(&k, (settings){.app = WINDOW, .checkpoint = true});
    join(&k, 1);
    join(&k, 2);
    step(&k, (ds_driver_event){.kind = DS_DRIVER_JOURNALED, .ticket = k.ticket});
    finish(&k, find_task(&k, 1000, 0, 0), DS_OUTPUT_PIECES, 1);
    for (uint32_t p = 0; p < 2; p++)
        finish(&k, find_task(&k, 1000, 1, p), DS_OUTPUT_BYTES, 0);
    ck_assert_uint_eq(k.n_prepared, 1); /* and the next one begins */
    finish(&k, find_task(&k, 2000, 0, 0), DS_OUTPUT_PIECES, 1);
    uint32_t of_one = find_task(&k, 1000, 1, 0)->executor_id == 1 ? 0 : 1;
    ck_assert_int_eq(find_task(&k, 2000, 1, of_one)->task.keyed_ms, 1000);
    lose(&k, 1);
    for (int64_t ms = 1000; ms <= 2000; ms += 1000)
        if (find_task(&k, ms, 0, 0)->task.attempt > 0)
            finish(&k, find_task(&k, ms, 0, 0), DS_OUTPUT_PIECES, 1);
    const sent *first = find_task(&k, 1000, 1, of_one), *second = find_task(&k, 2000, 1, of_one);
    ck_assert_uint_eq(first->task.attempt, 1);
    ck_assert_int_eq(first->task.keyed_ms, DS_NO_BATCH);
    ck_assert_uint_eq(second->task.attempt, 0); /* it waits */
    ck_assert_uint_eq(progress(&k)->panes_lost, 1);
    finish(&k, first, DS_OUTPUT_BYTES, 0);
    second = find_task(&k, 2000, 1, of_one);
    ck_assert_uint_eq(second->task.attempt, 1);
    ck_assert_int_eq(second->task.keyed_ms, 1000);
    stop(&k);
}
END_TEST

/* ---- received blocks ---- */

#define SOCKET                                                                                     \
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"                               \
    "\"executors\":{\"count\":2,\"cores\":4},"                                                     \
    "\"sources\":{\"l\":{\"type\":\"socket\",\"connect\":\"127.0.0.1:9\"}},"                       \
    "\"streams\":{\"s\":{\"from\":\"l\"}}}"

/* The receiver runs on executor 1. */
static void start_socket(kit *k)
{
    start(k, (settings){.app = SOCKET, .real_time = true});
    join(k, 1);
    join(k, 2);
    ck_assert_uint_eq(k->sent[k->n_sent - 1].type, DS_MSG_RECEIVER_START);
    ck_assert_uint_eq(k->sent[k->n_sent - 1].executor_id, 1);
    ds_message state = {.type = DS_MSG_RECEIVER_STATE};
    state.receiver_state = (ds_msg_receiver_state){1, DS_RECEIVER_RUNNING, DS_OK, ""};
    message(k, 1, state);
}

/* It reports n blocks of 100 kB and 7 records. */
static void report_blocks(kit *k, uint32_t n, uint64_t first_id)
{
    ds_block blocks[MOST_INPUTS];
    for (uint32_t i = 0; i < n; i++)
        blocks[i] = (ds_block){
            .block_id = first_id + i, .offset = i * 100000, .length = 100000, .records = 7};
    ds_message m = {.type = DS_MSG_BLOCKS};
    m.blocks = (ds_msg_blocks){1, blocks, n};
    message(k, 1, m);
}

static void tick(kit *k, uint64_t number)
{
    wait_us(k, 1000000);
    ds_message m = {.type = DS_MSG_CUT_DONE};
    m.cut_done.tick = number;
    message(k, 1, m);
}

static void check_lost(const kit *k, uint64_t blocks)
{
    ck_assert_uint_eq(progress(k)->blocks_lost, blocks);
    ck_assert_uint_eq(progress(k)->records_lost, blocks * 7);
    ck_assert_uint_eq(progress(k)->bytes_lost, blocks * 100000);
}

START_TEST(waiting_blocks_are_lost)
{
    kit k;
    start_socket(&k);
    report_blocks(&k, 3, 1);
    check_lost(&k, 0);
    lose(&k, 2);
    check_lost(&k, 0);
    lose(&k, 1);
    check_lost(&k, 3);
    wait_us(&k, 1000000);
    ck_assert_ptr_null(find_task(&k, 1000, 0, 0));
    stop(&k);
}
END_TEST

START_TEST(blocks_of_a_batch_are_left_out)
{
    kit k;
    start_socket(&k);
    report_blocks(&k, 5, 1);
    tick(&k, 1);
    const sent *task = find_task(&k, 1000, 0, 0);
    ck_assert_uint_eq(task->task.n_inputs, 5); /* small ones join */
    ck_assert_uint_eq(task->executor_id, 1);
    lose(&k, 1);
    check_lost(&k, 5);
    task = find_task(&k, 1000, 0, 0);
    ck_assert_uint_eq(task->executor_id, 2);
    ck_assert_uint_eq(task->task.n_inputs, 0);
    answer(&k, task, DS_OK, NULL, 0);
    ck_assert_uint_eq(k.n_commits, 1);
    ck_assert_uint_eq(progress(&k)->failed_batches, 0);
    stop(&k);
}
END_TEST

/* Who is reading blocks when they are lost may have got them, or not. */
START_TEST(blocks_that_are_being_read_may_arrive)
{
    for (int arrives = 0; arrives < 2; arrives++) {
        kit k;
        start_socket(&k);
        report_blocks(&k, 2, 1);
        tick(&k, 1);
        answer(&k, find_task(&k, 1000, 0, 0), DS_ERR_PROTOCOL, NULL, 0);
        const sent *task = find_task(&k, 1000, 0, 0);
        ck_assert_uint_eq(task->executor_id, 2); /* tried elsewhere */
        lose(&k, 1);
        check_lost(&k, 0);
        if (arrives == 1) {
            answer(&k, task, DS_OK, NULL, 0);
            check_lost(&k, 0);
        } else {
            answer(&k, task, DS_ERR_LOST, NULL, 0);
            check_lost(&k, 2);
            answer(&k, task, DS_ERR_LOST, NULL, 0); /* a second copy: no effect */
            check_lost(&k, 2);
            task = find_task(&k, 1000, 0, 0);
            ck_assert_uint_eq(task->task.attempt, 2);
            ck_assert_uint_eq(task->task.n_inputs, 0);
            answer(&k, task, DS_OK, NULL, 0);
        }
        ck_assert_uint_eq(k.n_commits, 1);
        stop(&k);
    }
}
END_TEST

START_TEST(blocks_that_were_read_are_not_lost)
{
    kit k;
    start_socket(&k);
    report_blocks(&k, 2, 1);
    tick(&k, 1);
    const sent *task = find_task(&k, 1000, 0, 0);
    answer(&k, task, DS_ERR_PROTOCOL, NULL, 0);
    finish(&k, find_task(&k, 1000, 0, 0), DS_OUTPUT_BYTES, 0); /* into the store of 2 */
    ck_assert_uint_eq(k.n_commits, 1);
    lose(&k, 1);
    committed(&k, DS_OK);
    check_lost(&k, 0);
    ck_assert_uint_eq(progress(&k)->batches, 1);
    stop(&k);
}
END_TEST

START_TEST(held_blocks_are_read_after_the_loss)
{
    kit k;
    start(&k, (settings){.app = SOCKET, .real_time = true});
    k.holds[1] = true;
    join(&k, 1);
    join(&k, 2);
    ds_message state = {.type = DS_MSG_RECEIVER_STATE};
    state.receiver_state = (ds_msg_receiver_state){1, DS_RECEIVER_RUNNING, DS_OK, ""};
    message(&k, 1, state);
    report_blocks(&k, 2, 1);
    lose(&k, 1);
    wait_us(&k, 1000000);
    const sent *task = find_task(&k, 1000, 0, 0);
    ck_assert_uint_eq(task->executor_id, 2);
    ck_assert_uint_eq(task->task.n_inputs, 2);
    check_lost(&k, 0);
    stop(&k);
}
END_TEST

UNIT_MAIN("driver-copied", a_store_that_cannot_be_opened_is_no_reason_to_reject,
          one_whose_bytes_cannot_be_had_at_all_is_rejected,
          peers_are_told_where_bytes_of_the_lost_are, map_tasks_run_again_and_their_readers_wait,
          only_what_is_gone_runs_again, a_reader_that_had_its_pieces_is_done,
          what_was_read_to_its_end_is_not_made_again, what_made_it_runs_again_too,
          failures_before_the_loss_is_known_are_forgiven, a_batch_that_loses_again_and_again,
          held_stores_lose_nothing, rows_of_a_prepared_batch_are_made_again,
          a_commit_under_way_is_waited_for, a_commit_that_fails_for_another_reason_is_tried_again,
          inputs_that_moved_are_found, panes_change_in_the_order_of_time, waiting_blocks_are_lost,
          blocks_of_a_batch_are_left_out, blocks_that_are_being_read_may_arrive,
          blocks_that_were_read_are_not_lost, held_blocks_are_read_after_the_loss)
