/* The executor's control by itself: what it does about messages, seen at its ports. */
#include "exec/executor.h"

#include "unit/unit.h"

#include <string.h>

#define MOST 32
#define EPOCH 7
#define STORE_BYTES 65536

typedef struct kit {
    ds_store *store;
    ds_executor *executor;
    int64_t now_us;
    bool more;          /* the driver has others that wait for the tasks it gives */
    uint8_t sent[MOST]; /* types */
    uint32_t n_sent;
    ds_msg_task_results results; /* the last ones; only numbers are kept */
    ds_task_result result[MOST];
    ds_task ran[MOST];
    ds_task_env env;
    uint32_t n_ran;
    ds_msg_table_load load;
    ds_table_use prepared;
    uint32_t n_loads, n_prepared;
    ds_collected *saving[MOST]; /* what the saver was given */
    uint32_t n_saving;
    ds_msg_saved saved; /* the last one that was sent */
    uint64_t replicate; /* number of the newest request */
    uint32_t n_replicates;
    ds_msg_replicated replicated; /* the last one that was sent */
    uint32_t added, stopped, credits;
    uint64_t cut;
    bool ended;
    ds_status status;
} kit;

static void port_send(void *arg, const ds_message *message)
{
    kit *k = arg;
    ck_assert_uint_lt(k->n_sent, MOST);
    ds_buffer bytes = {0};
    ds_message_encode(&bytes, message); /* within the limits of messages */
    ds_buffer_fini(&bytes);
    k->sent[k->n_sent++] = message->type;
    if (message->type == DS_MSG_SAVED)
        k->saved = message->saved;
    if (message->type == DS_MSG_REPLICATED)
        k->replicated = message->replicated;
    if (message->type != DS_MSG_TASK_RESULTS)
        return;
    k->results.n_results = message->task_results.n_results;
    for (uint32_t i = 0; i < k->results.n_results; i++)
        k->result[i] = message->task_results.results[i];
}

/* A task takes some bytes of the store, as it would for its output. */
static void port_run(void *arg, const ds_task_env *env, const ds_task *task)
{
    kit *k = arg;
    uint64_t offset;
    ck_assert_uint_lt(k->n_ran, MOST);
    ck_assert_int_eq(ds_batch_ranges_take(env->ranges, task->batch_ms, 64, &offset, NULL), DS_OK);
    k->env = *env;
    k->ran[k->n_ran++] = *task;
}

/* A table is loaded as a block of the store. */
static void port_load(void *arg, const ds_task_env *env, const ds_msg_table_load *load)
{
    kit *k = arg;
    k->env = *env;
    k->load = *load;
    k->n_loads++;
}

static void port_prepare(void *arg, const ds_task_env *env, const ds_table_use *use)
{
    kit *k = arg;
    ck_assert_ptr_nonnull(env->tables);
    k->prepared = *use;
    k->n_prepared++;
}

static void port_save(void *arg, ds_collected *collected)
{
    kit *k = arg;
    ck_assert_ptr_null(collected->next);
    k->saving[k->n_saving++] = collected;
}

static void port_replicate(void *arg, const ds_replicate_env *env, const ds_msg_replicate *asked)
{
    kit *k = arg;
    ck_assert_uint_eq(env->executor_id, 3);
    ck_assert_ptr_eq(env->store, k->store);
    ck_assert_ptr_eq(env->ledger, ds_executor_ledger(k->executor));
    k->replicate = asked->number;
    k->n_replicates++;
}

static void port_receiver_add(void *arg, const ds_receiver_spec *spec)
{
    kit *k = arg;
    ck_assert_str_eq(spec->name, "l");
    k->added++;
}

static void port_receiver_stop(void *arg, uint64_t receiver_id)
{
    ck_assert_uint_eq(receiver_id, 5);
    ((kit *)arg)->stopped++;
}

static void port_cut(void *arg, uint64_t tick)
{
    ((kit *)arg)->cut = tick;
}

static void port_credit(void *arg)
{
    ((kit *)arg)->credits++;
}

static void port_end(void *arg, ds_status status, const char *reason)
{
    kit *k = arg;
    ck_assert_ptr_nonnull(reason);
    ck_assert(!k->ended);
    k->ended = true;
    k->status = status;
}

static void step(kit *k, ds_executor_event event)
{
    event.now_us = k->now_us;
    ds_executor_step(k->executor, &event);
}

static void get(kit *k, ds_message message)
{
    if (message.epoch == 0)
        message.epoch = EPOCH;
    step(k, (ds_executor_event){.kind = DS_EXECUTOR_MESSAGE, .message = &message});
}

static const char app[] = "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"
                          "\"sources\":{\"l\":{\"type\":\"stdin\"}},"
                          "\"sinks\":{\"s\":{\"from\":\"l\",\"type\":\"console\"}}}";

static const char windowed[] =
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"
    "\"sources\":{\"l\":{\"type\":\"stdin\"}},"
    "\"streams\":{\"w\":{\"from\":\"l\",\"window\":\"5s\",\"group_by\":[\"line\"]}},"
    "\"sinks\":{\"s\":{\"from\":\"w\",\"type\":\"console\"}}}";

static uint64_t hash_of_app(const char *text)
{
    ds_app *made;
    ds_plan *plan;
    ds_error error;
    ck_assert_int_eq(ds_app_from_canonical(text, strlen(text), &made, &error), DS_OK);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ck_assert_int_eq(ds_plan_new(made, NULL, diagnostics, &plan), DS_OK);
    uint64_t hash = plan->hash;
    ds_diagnostics_free(diagnostics);
    ds_plan_free(plan);
    ds_app_free(made);
    return hash;
}

static void make(kit *k)
{
    ds_error error;
    *k = (kit){.now_us = 1000};
    ck_assert_int_eq(ds_store_new(STORE_BYTES, &k->store, &error), DS_OK);
    const ds_executor_config config = {
        .app_id = "x", .executor_id = 3, .cores = 2, .host = "h", .store = k->store};
    const ds_executor_ports ports = {.arg = k,
                                     .send = port_send,
                                     .run = port_run,
                                     .load = port_load,
                                     .prepare = port_prepare,
                                     .save = port_save,
                                     .replicate = port_replicate,
                                     .receiver_add = port_receiver_add,
                                     .receiver_stop = port_receiver_stop,
                                     .receivers_cut = port_cut,
                                     .receivers_credit = port_credit,
                                     .end = port_end};
    k->executor = ds_executor_new(&config, &ports);
    step(k, (ds_executor_event){.kind = DS_EXECUTOR_STARTED});
    ck_assert_uint_eq(k->sent[0], DS_MSG_HELLO);
}

/* Welcomed, with a plan. */
static void start_app(kit *k, const char *text)
{
    make(k);
    ds_message welcome = {.type = DS_MSG_WELCOME};
    welcome.welcome = (ds_msg_welcome){.executor_id = 3, .app_id = "x", .heartbeat_ms = 300};
    get(k, welcome);
    ds_message plan = {.type = DS_MSG_PLAN};
    plan.plan = (ds_msg_plan){1, hash_of_app(text), text, "", "state/kept"};
    get(k, plan);
    ck_assert_uint_eq(k->sent[1], DS_MSG_PLAN_RESULT);
    k->n_sent = 0;
}

static void start(kit *k)
{
    start_app(k, app);
}

static void stop(kit *k)
{
    ds_executor_free(k->executor);
    ds_store_free(k->store);
}

static void give_task(kit *k, int64_t batch_ms, uint32_t partition, uint32_t plan_id)
{
    ds_task task = {.batch_ms = batch_ms, .plan_id = plan_id, .partition = partition};
    ds_message message = {.type = DS_MSG_TASKS};
    message.tasks = (ds_msg_tasks){&task, 1, k->more};
    get(k, message);
}

static void done(kit *k, int64_t batch_ms, uint32_t partition)
{
    ds_task_result result = {
        .batch_ms = batch_ms, .plan_id = 1, .partition = partition, .message = ""};
    step(k, (ds_executor_event){.kind = DS_EXECUTOR_TASK_DONE, .result = &result});
}

static void release(kit *k, int64_t batch_ms)
{
    ds_message message = {.type = DS_MSG_RELEASE};
    message.release = (ds_msg_release){.batches = &batch_ms, .n_batches = 1};
    get(k, message);
}

START_TEST(it_obeys_one_driver)
{
    kit k;
    make(&k);
    give_task(&k, 1000, 0, 1); /* not welcomed yet */
    ck_assert_uint_eq(k.n_sent, 1);
    stop(&k);
    start(&k);
    ds_message message = {.type = DS_MSG_STOP, .epoch = EPOCH + 1};
    message.stop.reason = "";
    get(&k, message);
    ck_assert(!k.ended);
    message.epoch = EPOCH;
    get(&k, message);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    stop(&k);
}
END_TEST

START_TEST(it_ends_when_rejected_or_alone)
{
    kit k;
    make(&k);
    ds_message message = {.type = DS_MSG_REJECT};
    message.reject.reason = "no";
    get(&k, message);
    ck_assert_int_eq(k.status, DS_ERR_UNAVAILABLE);
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_DRIVER_LOST}); /* nothing any more */
    stop(&k);
    start(&k);
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_DRIVER_LOST});
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_UNAVAILABLE);
    stop(&k);
}
END_TEST

START_TEST(a_task_told_twice_runs_once)
{
    kit k;
    start(&k);
    give_task(&k, 1000, 0, 1);
    give_task(&k, 1000, 0, 1);
    give_task(&k, 1000, 1, 1);
    ck_assert_uint_eq(k.n_ran, 2);
    ck_assert_uint_eq(k.n_sent, 0);
    done(&k, 1000, 0);
    ck_assert_uint_eq(k.n_sent, 0); /* the other one may be done soon */
    done(&k, 1000, 1);
    ck_assert_uint_eq(k.n_sent, 1);
    ck_assert_uint_eq(k.results.n_results, 2);
    ck_assert_uint_eq(k.result[1].partition, 1);
    ck_assert_uint_eq(ds_executor_known_tasks(k.executor), 2);
    release(&k, 1000);
    ck_assert_uint_eq(ds_executor_known_tasks(k.executor), 0);
    ck_assert_uint_eq(ds_store_used(k.store), 0);
    stop(&k);
}
END_TEST

START_TEST(results_do_not_wait_long)
{
    kit k;
    start(&k);
    k.more = true;
    give_task(&k, 1000, 0, 1);
    give_task(&k, 1000, 1, 1);
    done(&k, 1000, 0);
    ck_assert_int_eq(ds_executor_deadline_us(k.executor), 1200);
    k.now_us = 1200;
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_TIME});
    ck_assert_uint_eq(k.n_sent, 1);
    ck_assert_uint_eq(k.results.n_results, 1);
    stop(&k);
}
END_TEST

/* The driver gave it enough for the time being; once half of that is done it wants to know. */
START_TEST(results_wait_longer_while_most_is_to_be_done)
{
    kit k;
    start(&k);
    k.more = true;
    for (uint32_t p = 0; p < 6; p++)
        give_task(&k, 1000, p, 1);
    int64_t first_us = k.now_us;
    done(&k, 1000, 0);
    ck_assert_int_eq(ds_executor_deadline_us(k.executor), first_us + 1000);
    k.now_us += 300;
    done(&k, 1000, 1);
    ck_assert_uint_eq(k.n_sent, 0);
    done(&k, 1000, 2);
    ck_assert_uint_eq(k.n_sent, 1);
    ck_assert_uint_eq(k.results.n_results, 3);
    done(&k, 1000, 3);
    ck_assert_int_eq(ds_executor_deadline_us(k.executor), k.now_us + 1000);
    done(&k, 1000, 4);
    ck_assert_int_eq(ds_executor_deadline_us(k.executor), k.now_us + 200);
    done(&k, 1000, 5);
    ck_assert_uint_eq(k.n_sent, 2);
    stop(&k);
}
END_TEST

/* It gave all it had: nothing goes on before the last one is done. */
START_TEST(results_leave_together_if_the_driver_has_no_more)
{
    kit k;
    start(&k);
    for (uint32_t p = 0; p < 4; p++)
        give_task(&k, 1000, p, 1);
    for (uint32_t p = 0; p < 3; p++) {
        done(&k, 1000, p);
        ck_assert_int_eq(ds_executor_deadline_us(k.executor), 2000);
        k.now_us += 300;
    }
    ck_assert_uint_eq(k.n_sent, 0);
    k.now_us = 2000;
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_TIME});
    ck_assert_uint_eq(k.results.n_results, 3);
    done(&k, 1000, 3);
    ck_assert_uint_eq(k.n_sent, 2);
    ck_assert_uint_eq(k.results.n_results, 1);
    stop(&k);
}
END_TEST

/* A second copy of the message comes when all is over: it must not take memory, or run on
 * panes that have gone on. */
/* Results of very many files with very long names still fit into messages. */
START_TEST(large_results_do_not_wait_for_others)
{
    kit k;
    start(&k);
    static char path[3700];
    memset(path, 'x', sizeof path - 1);
    static ds_output outputs[900];
    for (int i = 0; i < 900; i++)
        outputs[i] = (ds_output){.kind = DS_OUTPUT_FILE, .path = path};
    for (uint32_t p = 0; p < 8; p++)
        give_task(&k, 1000, p, 1);
    for (uint32_t p = 0; p < 7; p++) {
        ds_task_result result = {.batch_ms = 1000,
                                 .plan_id = 1,
                                 .partition = p,
                                 .message = "",
                                 .outputs = outputs,
                                 .n_outputs = 900};
        step(&k, (ds_executor_event){.kind = DS_EXECUTOR_TASK_DONE, .result = &result});
    }
    ck_assert_uint_ge(k.n_sent, 3);
    done(&k, 1000, 7);
    release(&k, 1000);
    stop(&k);
}
END_TEST

START_TEST(a_task_of_a_released_batch_is_passed_over)
{
    kit k;
    start(&k);
    give_task(&k, 2000, 0, 1);
    done(&k, 2000, 0);
    release(&k, 2000);
    give_task(&k, 2000, 0, 1);
    ck_assert_uint_eq(k.n_ran, 1);
    ck_assert_uint_eq(ds_executor_known_tasks(k.executor), 0);
    give_task(&k, 3000, 0, 1);
    ck_assert_uint_eq(k.n_ran, 2);
    stop(&k);
}
END_TEST

START_TEST(memory_of_a_running_task_goes_back_when_it_is_done)
{
    kit k;
    start(&k);
    give_task(&k, 1000, 0, 1);
    give_task(&k, 1000, 1, 1);
    give_task(&k, 2000, 0, 1);
    release(&k, 1000); /* given up */
    ck_assert_uint_eq(ds_store_used(k.store), 192);
    done(&k, 1000, 1);
    ck_assert_uint_eq(ds_store_used(k.store), 192);
    uint64_t offset;
    ck_assert_int_eq(ds_batch_ranges_take(k.env.ranges, 1000, 64, &offset, NULL),
                     DS_OK); /* it goes on writing */
    done(&k, 1000, 0);
    ck_assert_uint_eq(ds_store_used(k.store), 64);
    ck_assert_uint_eq(k.n_sent, 0); /* nobody waits for these results */
    done(&k, 2000, 0);
    ck_assert_uint_eq(k.results.n_results, 1);
    ck_assert_int_eq(k.result[0].batch_ms, 2000);
    stop(&k);
}
END_TEST

static void commit(kit *k, int64_t batch_ms)
{
    ds_message message = {.type = DS_MSG_RELEASE};
    message.release = (ds_msg_release){.committed = &batch_ms, .n_committed = 1};
    get(k, message);
}

/* A batch that failed goes before those that are kept until they are saved. */
START_TEST(batches_are_released_in_any_order)
{
    kit k;
    start(&k);
    give_task(&k, 1000, 0, 1);
    give_task(&k, 2000, 0, 1);
    done(&k, 1000, 0);
    done(&k, 2000, 0);
    release(&k, 2000);
    ck_assert_uint_eq(ds_executor_known_tasks(k.executor), 1);
    ck_assert_uint_eq(ds_store_used(k.store), 64);
    give_task(&k, 1000, 1, 1);
    ck_assert_uint_eq(k.n_ran, 3);
    give_task(&k, 2000, 1, 1);
    ck_assert_uint_eq(k.n_ran, 3);
    done(&k, 1000, 1);
    release(&k, 1000);
    ck_assert_uint_eq(ds_store_used(k.store), 0);
    stop(&k);
}
END_TEST

/* Of a committed batch only what keyed stages read stays, and its tasks may run again. */
START_TEST(a_committed_batch_is_retained)
{
    kit k;
    uint64_t piece;
    start(&k);
    give_task(&k, 1000, 0, 1);
    ck_assert_int_eq(ds_batch_ranges_take(k.env.ranges, 1000, 128, &piece, NULL), DS_OK);
    ds_batch_ranges_retain(k.env.ranges, 1000, piece);
    commit(&k, 1000); /* a second copy of its task still runs */
    ck_assert_uint_eq(ds_store_used(k.store), 64 + 128);
    done(&k, 1000, 0);
    ck_assert_uint_eq(ds_store_used(k.store), 128);
    ck_assert_uint_eq(k.results.n_results, 1);
    ck_assert_uint_eq(ds_executor_known_tasks(k.executor), 1);
    give_task(&k, 1000, 0, 1); /* known */
    ck_assert_uint_eq(k.n_ran, 1);
    give_task(&k, 1000, 1, 1); /* one that runs again */
    ck_assert_uint_eq(k.n_ran, 2);
    done(&k, 1000, 1);
    commit(&k, 1000); /* the same message again: what it made stays for another stage */
    ck_assert_uint_eq(ds_store_used(k.store), 64 + 128);
    release(&k, 1000);
    ck_assert_uint_eq(ds_store_used(k.store), 0);
    ck_assert_uint_eq(ds_executor_known_tasks(k.executor), 0);
    commit(&k, 1000);
    stop(&k);
}
END_TEST

START_TEST(a_task_without_its_plan_is_refused)
{
    kit k;
    start(&k);
    give_task(&k, 1000, 0, 9);
    ck_assert_uint_eq(k.n_ran, 0);
    ck_assert_uint_eq(k.sent[0], DS_MSG_TASK_RESULTS);
    ck_assert_uint_eq(k.result[0].status, DS_ERR_LOST);
    stop(&k);
}
END_TEST

static void give_peer(kit *k, const char *path, uint64_t bytes)
{
    ds_message message = {.type = DS_MSG_PEER};
    message.peer = (ds_msg_peer){
        .executor_id = 9, .path = path, .store_bytes = bytes, .bulk_url = "", .gone = bytes == 0};
    get(k, message);
}

static bool can_read(kit *k, uint64_t executor_id)
{
    const char *bytes;
    const ds_ref ref = {executor_id, 0, 64};
    ds_arena *arena = ds_arena_new(NULL);
    ds_status status = ds_peers_bytes(k->env.peers, &ref, arena, NULL, &bytes, NULL);
    ds_arena_free(arena);
    return status == DS_OK;
}

START_TEST(stores_of_peers_come_and_go)
{
    kit k;
    ds_store *other;
    ds_error error;
    char path[64];
    start(&k);
    give_task(&k, 1000, 0, 1); /* which is given them */
    ck_assert_int_eq(ds_store_new(STORE_BYTES, &other, &error), DS_OK);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ds_store_fd(other));
    ck_assert(can_read(&k, 3) && !can_read(&k, 9));
    give_peer(&k, path, STORE_BYTES);
    give_peer(&k, path, STORE_BYTES);
    ck_assert(can_read(&k, 9));
    give_peer(&k, "", 0);
    ck_assert(!can_read(&k, 9));
    give_peer(&k, path, STORE_BYTES); /* a second copy that comes late */
    ck_assert(!can_read(&k, 9));
    ds_store_free(other);
    stop(&k);
}
END_TEST

START_TEST(a_store_that_is_gone_already_is_no_reason_to_end)
{
    kit k;
    start(&k);
    give_task(&k, 1000, 0, 1);
    give_peer(&k, "/proc/self/fd/9999", STORE_BYTES);
    ck_assert(!k.ended);
    ck_assert(!can_read(&k, 9));
    stop(&k);
}
END_TEST

START_TEST(receivers_are_started_once_and_served)
{
    kit k;
    start(&k);
    ds_message message = {.type = DS_MSG_RECEIVER_START};
    message.receiver_start =
        (ds_msg_receiver_start){.plan_id = 1, .receiver_id = 5, .credit_bytes = 1000};
    get(&k, message);
    get(&k, message);
    ck_assert_uint_eq(k.added, 1);
    message.receiver_start.receiver_id = 6;
    message.receiver_start.source = 1; /* there is none */
    get(&k, message);
    ck_assert_uint_eq(k.added, 1);
    ck_assert_uint_eq(k.sent[0], DS_MSG_RECEIVER_STATE);
    message = (ds_message){.type = DS_MSG_CUT};
    message.cut.tick = 12;
    get(&k, message);
    ck_assert_uint_eq(k.cut, 12);
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_CUT_DONE, .tick = 12});
    ck_assert_uint_eq(k.sent[1], DS_MSG_CUT_DONE);
    ds_executor_event block = {.kind = DS_EXECUTOR_BLOCK,
                               .block = {5, {.block_id = 1, .length = 10}}};
    step(&k, block);
    ck_assert_uint_eq(k.sent[2], DS_MSG_BLOCKS);
    message = (ds_message){.type = DS_MSG_RECEIVER_STOP};
    message.receiver_stop.receiver_id = 5;
    get(&k, message);
    ck_assert_uint_eq(k.stopped, 1);
    stop(&k);
}
END_TEST

START_TEST(released_blocks_give_credit)
{
    kit k;
    uint64_t offset;
    start(&k);
    ds_block_ledger *ledger = ds_executor_ledger(k.executor);
    ds_block_ledger_open(ledger, 5, 128);
    ck_assert(ds_block_ledger_reserve(ledger, 5, 128, &offset));
    ds_block_ledger_report(ledger, 5, 1, offset, 128, 100);
    ck_assert(!ds_block_ledger_reserve(ledger, 5, 128, &offset));
    struct ds_block_range range = {.receiver_id = 5, .first = 1, .last = 1};
    ds_message message = {.type = DS_MSG_RELEASE};
    message.release = (ds_msg_release){.blocks = &range, .n_blocks = 1};
    get(&k, message);
    ck_assert_uint_eq(k.credits, 1);
    ck_assert_uint_eq(ds_block_ledger_bytes(ledger), 0);
    get(&k, message); /* a second time: no effect */
    ck_assert_uint_eq(k.credits, 1);
    stop(&k);
}
END_TEST

START_TEST(it_beats)
{
    kit k;
    start(&k);
    ck_assert_int_eq(ds_executor_deadline_us(k.executor), 301000);
    k.now_us = 301000;
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_TIME});
    ck_assert_uint_eq(k.sent[0], DS_MSG_HEARTBEAT);
    ck_assert_int_eq(ds_executor_deadline_us(k.executor), 601000);
    stop(&k);
}
END_TEST

/* ---- saves ---- */

/* A running task collects what its partition keeps. */
static void collect(kit *k, uint64_t save, uint32_t partition)
{
    const ds_task_env *env = &k->env;
    ck_assert_str_eq(env->kept_folder, "state/kept");
    const ds_save_order order = {env->epoch, env->executor_id, 1, save, env->kept_folder};
    const ds_collected_room room = {env->budget, env->store, env->collection};
    ds_collected *collected = ds_collected_new(&order, 1, &room);
    const ds_saved_part part = {.stage = 1, .partition = partition, .batch_ms = 1000};
    ds_save_to to;
    ds_error error;
    ds_collected_add(collected, &part, &to);
    ck_assert_int_eq(to.write(to.arg, "kept", 4, &error), DS_OK);
    ds_collection_add(env->collection, collected);
}

/* The saver is done with the one that it was given as number i. */
static void saved(kit *k, uint32_t i)
{
    step(k, (ds_executor_event){.kind = DS_EXECUTOR_SAVED, .saved = &k->saving[i]->saved});
    ds_collected_free(k->saving[i]);
    k->saving[i] = NULL;
}

START_TEST(what_a_task_collected_is_saved_once)
{
    kit k;
    start_app(&k, windowed);
    give_task(&k, 1000, 0, 1);
    give_task(&k, 1000, 1, 1);
    collect(&k, 7, 0);
    ck_assert_uint_eq(k.n_saving, 0);
    done(&k, 1000, 0);
    ck_assert_uint_eq(k.n_saving, 1);
    ck_assert_uint_eq(k.n_sent, 0);
    saved(&k, 0); /* before the result of its task has left: that goes first */
    ck_assert_uint_eq(k.n_sent, 2);
    ck_assert_uint_eq(k.sent[0], DS_MSG_TASK_RESULTS);
    ck_assert_uint_eq(k.sent[1], DS_MSG_SAVED);
    ck_assert(k.saved.plan_id == 1 && k.saved.save == 7 && k.saved.n_parts == 1);
    ck_assert_uint_eq(k.saved.status, DS_OK);
    done(&k, 1000, 1);
    ck_assert_uint_eq(k.n_saving, 1);
    stop(&k);
}
END_TEST

/* A task that fails after it collected, whose batch is given up even, has collected all the same:
 * its partition will not say that again. */
START_TEST(what_was_collected_is_not_lost_with_its_task)
{
    kit k;
    start_app(&k, windowed);
    give_task(&k, 1000, 0, 1);
    give_task(&k, 1000, 1, 1);
    collect(&k, 7, 0);
    collect(&k, 7, 1);
    release(&k, 1000);
    ds_task_result failed = {
        .batch_ms = 1000, .plan_id = 1, .status = DS_ERR_IO, .message = "no space left"};
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_TASK_DONE, .result = &failed});
    ck_assert_uint_eq(k.n_saving, 2);
    saved(&k, 1);
    saved(&k, 0);
    ck_assert_uint_eq(k.n_sent, 2);
    done(&k, 1000, 1);
    ck_assert_int_eq(k.env.budget->used_bytes, 0);
    give_task(&k, 2000, 0, 1);
    collect(&k, 8, 0); /* and is never done */
    stop(&k);
}
END_TEST

START_TEST(a_save_that_failed_is_told_and_the_next_is_whole)
{
    kit k;
    bool whole = true;
    start_app(&k, windowed);
    give_task(&k, 1000, 0, 1);
    const ds_stage *stage = &k.env.plan->stages[1];
    ck_assert(stage->keyed);
    ck_assert(ds_keyed_store_collects(k.env.keyed, stage, 0, 6, &whole));
    ck_assert(ds_keyed_store_collects(k.env.keyed, stage, 0, 7, &whole));
    ck_assert(!whole);
    collect(&k, 7, 0);
    done(&k, 1000, 0);
    ds_collected_fail(k.saving[0], DS_ERR_IO, "no space left");
    saved(&k, 0);
    ck_assert_uint_eq(k.sent[1], DS_MSG_SAVED);
    ck_assert_uint_eq(k.saved.status, DS_ERR_IO);
    ck_assert_uint_eq(k.saved.n_parts, 1);
    ck_assert(ds_keyed_store_collects(k.env.keyed, stage, 0, 8, &whole));
    ck_assert(whole);
    stop(&k);
}
END_TEST

START_TEST(a_plan_stays_while_it_is_saved)
{
    kit k;
    start_app(&k, windowed);
    give_task(&k, 1000, 0, 1);
    collect(&k, 7, 0);
    done(&k, 1000, 0);
    ds_message message = {.type = DS_MSG_DROP_PLAN};
    message.drop_plan.plan_id = 1;
    get(&k, message);
    saved(&k, 0);
    give_task(&k, 2000, 0, 1);
    ck_assert_uint_eq(k.n_ran, 2); /* it is still there */
    done(&k, 2000, 0);
    get(&k, message);
    give_task(&k, 3000, 0, 1);
    ck_assert_uint_eq(k.n_ran, 2);
    stop(&k);
}
END_TEST

START_TEST(saved_parts_in_the_store_stay_until_they_are_released)
{
    kit k;
    uint64_t a, b;
    start(&k);
    ds_saved_ranges *ranges = ds_executor_saved_ranges(k.executor);
    ck_assert_int_eq(ds_saved_ranges_take(ranges, 100, &a, NULL), DS_OK);
    ck_assert_int_eq(ds_saved_ranges_take(ranges, 100, &b, NULL), DS_OK);
    release(&k, 1000);
    ck_assert_uint_eq(ds_store_used(k.store), 256);
    ds_ref refs[] = {{3, a, 100}, {4, b, 100}, {3, a, 100}}; /* one is of another executor */
    ds_message message = {.type = DS_MSG_RELEASE};
    message.release = (ds_msg_release){.saved = refs, .n_saved = 3};
    get(&k, message);
    ck_assert_uint_eq(ds_store_used(k.store), 128);
    message = (ds_message){.type = DS_MSG_STOP};
    message.stop.reason = "";
    get(&k, message);
    ck_assert_uint_eq(ds_store_used(k.store), 0);
    stop(&k);
}
END_TEST

/* ---- tables ---- */

static void ask_load(kit *k, uint64_t load_id, uint32_t source, uint32_t plan_id)
{
    ds_message message = {.type = DS_MSG_TABLE_LOAD};
    message.table_load = (ds_msg_table_load){
        .plan_id = plan_id, .source = source, .load_id = load_id, .version = load_id};
    get(k, message);
}

START_TEST(a_load_is_asked_for_once)
{
    kit k;
    start(&k);
    ask_load(&k, 5, 0, 1);
    ask_load(&k, 5, 0, 1); /* a second copy */
    ask_load(&k, 4, 0, 1); /* that of an older one */
    ask_load(&k, 6, 1, 1); /* no such source */
    ask_load(&k, 6, 0, 9); /* nor plan */
    ck_assert_uint_eq(k.n_loads, 1);
    ck_assert_uint_eq(k.load.version, 5);
    ds_message drop = {.type = DS_MSG_DROP_PLAN, .drop_plan.plan_id = 1};
    get(&k, drop); /* not while somebody loads */
    const ds_msg_table_loaded loaded = {.load_id = 5, .result.message = ""};
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_TABLE_LOADED, .loaded = &loaded});
    ck_assert_uint_eq(k.n_sent, 1);
    ck_assert_uint_eq(k.sent[0], DS_MSG_TABLE_LOADED);
    ask_load(&k, 6, 0, 1);
    ck_assert_uint_eq(k.n_loads, 2);
    stop(&k);
}
END_TEST

START_TEST(versions_come_and_go)
{
    kit k;
    uint64_t offset;
    start(&k);
    ask_load(&k, 1, 0, 1);
    ck_assert(ds_store_take(k.store, 100, &offset));
    ds_input block = {.kind = DS_INPUT_BLOCK, .ref = {3, offset, 100}, .path = ""};
    ds_message told = {.type = DS_MSG_TABLE};
    told.table = (ds_msg_table){1, 0, 1, &block, 1};
    get(&k, told);
    ck_assert_uint_eq(k.n_prepared, 1);
    ck_assert_uint_eq(k.prepared.version, 1);
    get(&k, told); /* a second copy */
    told.table.plan_id = 9;
    get(&k, told);
    ck_assert_uint_eq(k.n_prepared, 1);
    ck_assert_uint_eq(ds_tables_count(k.env.tables, NULL), 1);
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_TABLE_PREPARED});

    ds_message drop = {.type = DS_MSG_TABLE_DROP};
    drop.table_drop = (ds_msg_table_drop){9, 0, 1};
    get(&k, drop);
    ck_assert_uint_eq(ds_tables_count(k.env.tables, NULL), 1);
    drop.table_drop.plan_id = 1;
    get(&k, drop);
    get(&k, drop);
    ck_assert_uint_eq(ds_tables_count(k.env.tables, NULL), 0);
    ck_assert_uint_eq(ds_store_used(k.store), 0); /* its own block is given back */
    stop(&k);
}
END_TEST

/* What is in use until the end goes with it. */
START_TEST(a_stop_gives_tables_back)
{
    kit k;
    uint64_t offset;
    start(&k);
    ck_assert(ds_store_take(k.store, 100, &offset));
    ds_input block = {.kind = DS_INPUT_BLOCK, .ref = {3, offset, 100}, .path = ""};
    ds_message told = {.type = DS_MSG_TABLE};
    told.table = (ds_msg_table){1, 0, 1, &block, 1};
    get(&k, told);
    ds_message over = {.type = DS_MSG_STOP, .stop.reason = "over"};
    get(&k, over);
    ck_assert(k.ended);
    ck_assert_uint_eq(ds_store_used(k.store), 0);
    stop(&k);
}
END_TEST

START_TEST(blocks_of_others_are_held)
{
    kit k;
    start(&k);
    ds_replica block = {1, 2, {4, 64, 100}};
    ds_message asked = {.type = DS_MSG_REPLICATE};
    asked.replicate = (ds_msg_replicate){5, STORE_BYTES, &block, 1};
    get(&k, asked);
    get(&k, asked); /* a second copy */
    asked.replicate.number = 4;
    get(&k, asked);
    ck_assert_uint_eq(k.n_replicates, 1);
    ck_assert_uint_eq(k.replicate, 5);
    ck_assert_uint_eq(k.n_sent, 0);
    const ds_msg_replicated held = {5, DS_ERR_NO_MEMORY, "no room", &block, 1};
    step(&k, (ds_executor_event){.kind = DS_EXECUTOR_REPLICATED, .replicated = &held});
    ck_assert_uint_eq(k.n_sent, 1);
    ck_assert_uint_eq(k.sent[0], DS_MSG_REPLICATED);
    ck_assert_uint_eq(k.replicated.number, 5);
    ck_assert_uint_eq(k.replicated.status, DS_ERR_NO_MEMORY);
    ck_assert_uint_eq(k.replicated.n_blocks, 1);
    asked.replicate.number = 6;
    get(&k, asked);
    ck_assert_uint_eq(k.n_replicates, 2);
    stop(&k);
}
END_TEST

UNIT_MAIN("executor", blocks_of_others_are_held, it_obeys_one_driver,
          it_ends_when_rejected_or_alone, a_task_told_twice_runs_once, results_do_not_wait_long,
          results_wait_longer_while_most_is_to_be_done,
          results_leave_together_if_the_driver_has_no_more, large_results_do_not_wait_for_others,
          a_task_of_a_released_batch_is_passed_over, batches_are_released_in_any_order,
          a_committed_batch_is_retained, batches_are_released_in_any_order,
          a_committed_batch_is_retained, memory_of_a_running_task_goes_back_when_it_is_done,
          a_task_without_its_plan_is_refused, stores_of_peers_come_and_go,
          a_store_that_is_gone_already_is_no_reason_to_end, what_a_task_collected_is_saved_once,
          what_was_collected_is_not_lost_with_its_task,
          a_save_that_failed_is_told_and_the_next_is_whole, a_plan_stays_while_it_is_saved,
          saved_parts_in_the_store_stay_until_they_are_released,
          receivers_are_started_once_and_served, released_blocks_give_credit, it_beats,
          a_load_is_asked_for_once, versions_come_and_go, a_stop_gives_tables_back)
