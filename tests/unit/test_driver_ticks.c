/* The batch clock and the sources: when a batch begins, what it is given, how the app ends. */
#include "driver/driver_state.h"

#include "unit/driver_kit.h"

#define ONE "'count': 1"
#define TWO "'count': 2"
#define SOCKET "'s': { 'type': 'socket', 'connect': '127.0.0.1:9' }"
#define STDIN "'s': { 'type': 'stdin' }"
#define FILES "'f': { 'type': 'files', 'dir': 'in' }"

/* An app over one source that goes to the console. */
static void open_app(driver_kit *k, const char *executors, const char *source, const char *streams,
                     const char *from)
{
    char *app = NULL;
    ck_assert_int_gt(asprintf(&app,
                              "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                              "'executors': { %s }, 'sources': { %s }, 'streams': { %s },"
                              "'sinks': { 'c': { 'from': '%s', 'type': 'console' } } }",
                              executors, source, streams, from),
                     0);
    kit_open(k, app);
    free(app);
}

/* Started, with one executor; the source's receiver (if it has one) runs. */
static void run_app(driver_kit *k, const char *source, const char *streams, const char *from)
{
    open_app(k, ONE, source, streams, from);
    kit_start_with(k, 1);
    if (kit_last(k, DS_MSG_RECEIVER_START) != NULL)
        kit_receiver(k, 1, kit_last(k, DS_MSG_RECEIVER_START)->number, DS_RECEIVER_RUNNING, DS_OK);
}

static ds_block block_of(uint64_t id, uint64_t records)
{
    return (ds_block){.block_id = id, .offset = 1000 * id, .length = 100, .records = records};
}

/* The batch of the last task sent, in seconds after the start; 0 if there is none. */
static int64_t last_batch_s(const driver_kit *k)
{
    const kit_sent *task = kit_last(k, DS_MSG_TASKS);
    return task == NULL ? 0 : (task->task.batch_ms - KIT_ZERO) / 1000;
}

/* ---- the clock ---- */

/* Batch times are multiples of the interval; the first is the next one after the start. */
START_TEST(batches_come_at_their_times)
{
    driver_kit k;
    open_app(&k, ONE, "'r': { 'type': 'rate', 'rows_per_second': 5 }", "", "r");
    k.wall_ms += 300; /* "zero" is 300 ms ago */
    kit_start_with(&k, 1);
    ck_assert_int_eq(kit_wants_ms(&k), 700);
    kit_wait_ms(&k, 699);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    kit_wait_ms(&k, 1);
    ck_assert_int_eq(last_batch_s(&k), 1);
    ck_assert_int_eq(kit_wants_ms(&k), 1000);
    kit_settle(&k);
    kit_wait_ms(&k, 1000);
    ck_assert_int_eq(last_batch_s(&k), 2);
    kit_close(&k);
}
END_TEST

/* After a restart without a checkpoint no output folder is written to again. */
START_TEST(batch_times_are_later_than_what_is_there)
{
    driver_kit k;
    open_app(&k, ONE, "'r': { 'type': 'rate', 'rows_per_second': 5 }", "", "r");
    k.config.not_before_ms = KIT_ZERO + 4500;
    kit_start_with(&k, 1);
    ck_assert_int_eq(kit_wants_ms(&k), 6000);
    kit_wait_ms(&k, 6000);
    ck_assert_int_eq(last_batch_s(&k), 6);
    kit_close(&k);
}
END_TEST

/* Batches wait in a bounded queue: then ticks wait, and none is left out. */
START_TEST(the_queue_is_bounded)
{
    driver_kit k;
    open_app(&k, ONE, "'r': { 'type': 'rate', 'rows_per_second': 5 }", "", "r");
    kit_start_with(&k, 1);
    for (uint32_t i = 0; i < DS_QUEUED_BATCHES + 3; i++)
        kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1); /* the first runs and does not end */
    ck_assert_int_gt(kit_wants_ms(&k), 1000);
    uint32_t done = 0;
    for (int64_t s = 1; s <= (int64_t)DS_QUEUED_BATCHES + 3; s++) {
        ck_assert_int_eq(last_batch_s(&k), s);
        kit_done_for(&k, kit_last(&k, DS_MSG_TASKS), 1);
        kit_done(&k, kit_last(&k, DS_MSG_TASKS)); /* its console */
        kit_committed(&k, DS_OK);
        done++;
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, done);
    kit_close(&k);
}
END_TEST

/* A suspended machine, or a clock that was set: times in which nothing is due are not run ... */
START_TEST(idle_time_is_skipped)
{
    driver_kit k;
    run_app(&k, SOCKET, "'n': { 'from': 's' }", "n");
    k.wall_ms += 3600 * 1000;
    kit_wait_ms(&k, 0);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_CUT), 1);
    kit_cut_done(&k, 1, kit_last(&k, DS_MSG_CUT)->number);
    ck_assert_int_eq(kit_wants_ms(&k), 1000);
    kit_close(&k);
}
END_TEST

/* ... but all are where a window or a total could be. */
START_TEST(time_with_windows_is_not_skipped)
{
    driver_kit k;
    open_app(&k, ONE, STDIN, "'w': { 'from': 's', 'window': '3s', 'group_by': ['line'] }", "w");
    kit_start_with(&k, 1);
    kit_wait_ms(&k, 7000);
    for (int i = 0; i < 20; i++) {
        kit_settle(&k);
        kit_wait_ms(&k, 0);
    }
    /* Due at 3 and 6 seconds, empty or not. */
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 2);
    kit_close(&k);
}
END_TEST

/* ---- receivers ---- */

START_TEST(a_batch_is_cut_at_its_time)
{
    driver_kit k;
    run_app(&k, SOCKET, "", "s");
    uint64_t receiver = kit_last(&k, DS_MSG_RECEIVER_START)->number;
    kit_block(&k, 1, receiver, block_of(1, 5));
    ck_assert_uint_eq(kit_count(&k, DS_MSG_CUT), 0);
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_CUT), 1);
    uint64_t tick = kit_last(&k, DS_MSG_CUT)->number;
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0); /* it waits for what is cut */
    kit_block(&k, 1, receiver, block_of(2, 7));
    kit_cut_done(&k, 1, tick - 1); /* of another tick */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    kit_cut_done(&k, 1, tick);
    const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
    ck_assert_ptr_nonnull(task);
    ck_assert_uint_eq(task->task.n_inputs, 2);
    ck_assert_uint_eq(task->task.inputs[1].ref.offset, 2000);
    ck_assert_uint_eq(task->task.inputs[1].position, 5);
    kit_settle(&k);
    /* What belongs to the batch goes back when it is committed. */
    const kit_sent *release = kit_last(&k, DS_MSG_RELEASE);
    ck_assert_uint_eq(release->n_blocks, 1);
    ck_assert_uint_eq(release->blocks[0].first, 1);
    ck_assert_uint_eq(release->blocks[0].last, 2);
    kit_close(&k);
}
END_TEST

/* One that does not answer does not hold the batch for ever; what it cuts belongs to the next. */
START_TEST(a_cut_that_takes_too_long)
{
    driver_kit k;
    run_app(&k, SOCKET, "", "s");
    uint64_t receiver = kit_last(&k, DS_MSG_RECEIVER_START)->number;
    kit_block(&k, 1, receiver, block_of(1, 5));
    kit_wait_ms(&k, 1000);
    uint64_t tick = kit_last(&k, DS_MSG_CUT)->number;
    ck_assert_int_eq(kit_wants_ms(&k), 1000);
    kit_wait_ms(&k, 999);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    kit_wait_ms(&k, 1);
    ck_assert_int_eq(last_batch_s(&k), 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_CUT), 2); /* and the next is due by now */
    kit_block(&k, 1, receiver, block_of(2, 1));
    kit_cut_done(&k, 1, tick);
    ck_assert_int_eq(last_batch_s(&k), 1);
    kit_cut_done(&k, 1, tick + 1);
    kit_settle(&k);
    ck_assert_int_eq(last_batch_s(&k), 2);
    kit_close(&k);
}
END_TEST

START_TEST(an_executor_is_lost_while_it_cuts)
{
    driver_kit k;
    open_app(&k, TWO, SOCKET, "", "s");
    kit_start_with(&k, 2);
    const kit_sent first = *kit_last(&k, DS_MSG_RECEIVER_START);
    uint64_t with = first.peer - 100, other = 3 - with;
    kit_receiver(&k, with, first.number, DS_RECEIVER_RUNNING, DS_OK);
    kit_block(&k, with, first.number, block_of(1, 5));
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    kit_lose(&k, with);
    /* What was reported is in the store that the driver holds: it is run. */
    const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
    ck_assert_uint_eq(task->peer, kit_peer(other));
    ck_assert_uint_eq(task->task.inputs[0].ref.executor_id, with);
    /* And its receiver starts elsewhere, as another one. */
    const kit_sent *second = kit_last(&k, DS_MSG_RECEIVER_START);
    ck_assert_uint_eq(second->peer, kit_peer(other));
    ck_assert_uint_ne(second->number, first.number);
    kit_block(&k, other, first.number, block_of(2, 1));   /* of the old one: passed over */
    kit_block(&k, other, second->number, block_of(1, 1)); /* numbers begin anew */
    ck_assert_uint_eq(k.n_closed_stores, 0);
    kit_settle(&k);
    ck_assert_uint_eq(k.n_closed_stores, 1);
    ck_assert_uint_eq(k.closed_stores[0], with);
    kit_close(&k);
}
END_TEST

START_TEST(blocks_that_mean_nothing)
{
    driver_kit k;
    open_app(&k, TWO, SOCKET, "", "s");
    kit_start_with(&k, 2);
    const kit_sent start = *kit_last(&k, DS_MSG_RECEIVER_START);
    uint64_t with = start.peer - 100, other = 3 - with;
    kit_receiver(&k, with, start.number, DS_RECEIVER_RUNNING, DS_OK);
    kit_block(&k, with, start.number, block_of(3, 5));
    kit_block(&k, with, start.number, block_of(3, 5));  /* twice */
    kit_block(&k, with, start.number, block_of(2, 5));  /* late */
    kit_block(&k, other, start.number, block_of(4, 5)); /* not its receiver */
    kit_block(&k, with, start.number + 7, block_of(4, 5));
    ds_block outside = block_of(5, 1);
    outside.offset = KIT_STORE - 50;
    kit_block(&k, with, start.number, outside);
    kit_wait_ms(&k, 1000);
    kit_cut_done(&k, with, kit_last(&k, DS_MSG_CUT)->number);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TASKS)->task.n_inputs, 1);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TASKS)->task.inputs[0].ref.offset, 3000);
    kit_close(&k);
}
END_TEST

/* Receivers share what the app allows, and none gets more than its executor's store bears:
 * less if whole rows have to be brought together beside the blocks. */
START_TEST(credits_are_shared)
{
    driver_kit k;
    open_app(&k, TWO,
             "'a': { 'type': 'socket', 'listen': '127.0.0.1:1' },"
             "'b': { 'type': 'socket', 'listen': '127.0.0.1:2' }",
             "'u': { 'from': ['a', 'b'], 'aggregate': { 'n': 'count()' } }", "u");
    k.config.credit_bytes = 300000;
    kit_start_with(&k, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_START), 2);
    uint64_t peers = 0;
    for (uint32_t i = 0; i < k.n_sent; i++) {
        if (k.sent[i].type != DS_MSG_RECEIVER_START)
            continue;
        ck_assert_uint_eq(k.sent[i].credit, 150000);
        peers += k.sent[i].peer;
    }
    ck_assert_uint_eq(peers, kit_peer(1) + kit_peer(2)); /* one on each */
    kit_close(&k);
    static const struct {
        const char *stream;
        uint64_t credit;
    } cases[] = {
        {"'n': { 'from': 's', 'aggregate': { 'n': 'count()' } }", KIT_STORE / 2},
        {"'n': { 'from': 's', 'order_by': 'line', 'limit': 3 }", KIT_STORE / 2},
        {"'n': { 'from': 's', 'order_by': 'line' }", KIT_STORE / 8},
        {"'n': { 'from': 's', 'window': '2s' }", KIT_STORE / 8},
        {"'n': { 'from': 's', 'where': 'true' }", KIT_STORE / 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_app(&k, ONE, SOCKET, cases[i].stream, "n");
        k.config.credit_bytes = UINT64_C(1) << 40;
        kit_start(&k);
        kit_join(&k, 1);
        ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->credit, cases[i].credit);
        kit_close(&k);
    }
}
END_TEST

/* Standard input is read on the driver's host: by an executor of its own. */
START_TEST(standard_input_is_local)
{
    driver_kit k;
    open_app(&k, ONE, STDIN, "", "s");
    k.config.external_executors = true;
    kit_start(&k);
    kit_message(&k, 300, kit_hello(&k, 0));
    ds_message m = {.type = DS_MSG_PLAN_RESULT};
    m.plan_result = (ds_msg_plan_result){1, DS_OK, ""};
    kit_message(&k, 300, m);
    kit_wait_ms(&k, 10000);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_START), 0);
    kit_join(&k, 1);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->peer, kit_peer(1));
    kit_close(&k);
}
END_TEST

START_TEST(a_receiver_that_fails_ends_the_app)
{
    driver_kit k;
    run_app(&k, SOCKET, "", "s");
    uint64_t receiver = kit_last(&k, DS_MSG_RECEIVER_START)->number;
    kit_receiver(&k, 1, receiver, DS_RECEIVER_RETRYING, DS_ERR_UNAVAILABLE);
    ck_assert(!k.ended);
    kit_receiver(&k, 1, receiver, DS_RECEIVER_FAILED, DS_ERR_UNAVAILABLE);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_UNAVAILABLE);
    ck_assert_str_eq(k.message, "source s: because");
    kit_close(&k);
}
END_TEST

/* The port of one that was killed may be in use for a moment more. */
START_TEST(a_receiver_that_moves_tries_again)
{
    driver_kit k;
    open_app(&k, TWO, SOCKET, "", "s");
    kit_start_with(&k, 2);
    kit_sent start = *kit_last(&k, DS_MSG_RECEIVER_START);
    kit_receiver(&k, start.peer - 100, start.number, DS_RECEIVER_RUNNING, DS_OK);
    kit_lose(&k, start.peer - 100);
    uint64_t other = start.peer == kit_peer(1) ? 2 : 1;
    kit_wait_ms(&k, 100); /* a third one is started */
    int64_t wait_ms = 20;
    for (uint32_t n = 2; n < 6; n++) {
        ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_START), n);
        start = *kit_last(&k, DS_MSG_RECEIVER_START);
        ck_assert_uint_eq(start.peer, kit_peer(other));
        kit_receiver(&k, other, start.number, DS_RECEIVER_FAILED,
                     n % 2 == 0 ? DS_ERR_UNAVAILABLE : DS_ERR_IO); /* no descriptors, say */
        ck_assert_int_eq(kit_wants_ms(&k), wait_ms);
        kit_wait_ms(&k, wait_ms);
        wait_ms *= 2;
    }
    start = *kit_last(&k, DS_MSG_RECEIVER_START);
    kit_receiver(&k, other, start.number, DS_RECEIVER_RUNNING, DS_OK);
    kit_receiver(&k, other, start.number, DS_RECEIVER_FAILED, DS_ERR_UNAVAILABLE);
    ck_assert(k.ended); /* it worked: this is another reason */
    kit_close(&k);
}
END_TEST

START_TEST(records_that_are_too_long)
{
    for (int fails = 0; fails < 2; fails++) {
        driver_kit k;
        run_app(&k, fails ? "'s': { 'type': 'stdin', 'on_error': 'fail' }" : STDIN, "", "s");
        uint64_t receiver = kit_last(&k, DS_MSG_RECEIVER_START)->number;
        ds_block b = block_of(1, 1);
        b.too_long = 3;
        b.cut_short = 1;
        kit_block(&k, 1, receiver, b);
        kit_wait_ms(&k, 1000);
        kit_cut_done(&k, 1, kit_last(&k, DS_MSG_CUT)->number);
        ck_assert_int_eq(k.ended, fails);
        const ds_progress *p = ds_driver_progress(k.driver);
        if (fails) {
            ck_assert_int_eq(k.status, DS_ERR_DATA);
            ck_assert_ptr_nonnull(
                strstr(k.message, "source s: bad record: longer than limits.record"));
        } else {
            ck_assert_uint_eq(p->bad_total, 3);
            ck_assert_uint_eq(p->sources[0].bad_total, 3);
            ck_assert_uint_eq(p->sources[0].cut_short, 1);
        }
        kit_close(&k);
    }
}
END_TEST

/* ---- files ---- */

START_TEST(folders_are_listed_at_each_batch)
{
    driver_kit k;
    run_app(&k, FILES, "", "f");
    static const ds_listed_file some[] = {{"a", 10}, {"b", 20}};
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(k.n_lists, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    kit_wait_ms(&k, 5000); /* a slow folder is waited for */
    ck_assert_uint_eq(k.n_lists, 1);
    kit_listed(&k, 0, some, 2, DS_OK);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TASKS)->task.n_inputs, 2);
    ck_assert_str_eq(kit_last(&k, DS_MSG_TASKS)->task.inputs[1].path, "in/b");
    kit_settle(&k);
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(k.n_lists, 2);
    kit_listed(&k, 0, NULL, 0, DS_ERR_IO); /* later it may fail: that is tried again */
    ck_assert(!k.ended);
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(k.n_lists, 3);
    kit_close(&k);
}
END_TEST

/* Tasks of sources take who knows how long: of those one of several executors has two ahead, so
 * that another may have the rest. */
START_TEST(tasks_of_sources_ahead)
{
    static const struct {
        const char *executors;
        uint64_t n, tasks;
    } cases[] = {{ONE, 1, 8}, {TWO, 2, 4}};
    static const ds_listed_file large[] = {{"a", DS_FILES_BATCH_BYTES}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        driver_kit k;
        open_app(&k, cases[i].executors, FILES, "'g': { 'from': 'f', 'group_by': ['line'] }", "g");
        k.store_bytes = UINT64_C(4) << 30;
        kit_start(&k);
        for (uint64_t id = 1; id <= cases[i].n; id++)
            kit_join(&k, id);
        kit_wait_ms(&k, 1000);
        kit_listed(&k, 0, large, 1, DS_OK);
        ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), cases[i].tasks);
        kit_close(&k);
    }
}
END_TEST

/* Of those that take but a moment each has eight ahead: but no more than half of an even part of
 * what is left, and two at the end. */
START_TEST(short_tasks_of_sources_ahead)
{
    static const struct {
        uint64_t busy_us, tasks; /* what the first took; handed out by then */
    } cases[] = {{500, 1 + 16}, {1600, 1 + 10}, {5000, 1 + 4}};
    static const ds_listed_file large[] = {{"a", DS_FILES_BATCH_BYTES}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        driver_kit k;
        open_app(&k, TWO, FILES, "'g': { 'from': 'f', 'group_by': ['line'] }", "g");
        k.store_bytes = UINT64_C(4) << 30;
        kit_start(&k);
        kit_join(&k, 1);
        kit_join(&k, 2);
        kit_wait_ms(&k, 1000);
        kit_listed(&k, 0, large, 1, DS_OK);
        int64_t batch_ms = kit_last(&k, DS_MSG_TASKS)->task.batch_ms;
        k.busy_us = cases[i].busy_us;
        for (uint32_t done = 0, n; (n = kit_count(&k, DS_MSG_TASKS)) < 64; done++) {
            kit_done(&k, kit_task(&k, batch_ms, 0, done));
            uint32_t now = kit_count(&k, DS_MSG_TASKS), most = (64 - n) / 2 < 4 ? 4 : (64 - n) / 2;
            ck_assert(done > 0 || now == cases[i].tasks);
            ck_assert_uint_gt(now, done + 1);
            ck_assert(now == n || now - done - 1 <= most);
        }
        kit_close(&k);
    }
}
END_TEST

START_TEST(a_folder_that_is_not_there_at_the_start)
{
    driver_kit k;
    run_app(&k, FILES, "", "f");
    kit_wait_ms(&k, 1000);
    kit_listed(&k, 0, NULL, 0, DS_ERR_NO_INPUT);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_NO_INPUT);
    ck_assert_str_eq(k.message, "no such folder");
    kit_close(&k);
}
END_TEST

/* A batch of one file of so many bytes: it finds memory, or not. */
static void run_one(driver_kit *k, const char *name, uint64_t bytes, bool fits)
{
    const ds_listed_file file = {name, bytes};
    kit_wait_ms(k, 1000);
    kit_listed(k, 0, &file, 1, DS_OK);
    for (uint32_t i = 0; i < 4 && !fits && !k->ended; i++) {
        kit_fail(k, kit_last(k, DS_MSG_TASKS), DS_ERR_NO_MEMORY);
        kit_wait_ms(k, 200 << i);
    }
    if (fits)
        kit_settle(k);
}

/* Small batches between large ones that find no memory do not let input be raced through. */
START_TEST(small_batches_say_nothing_about_memory)
{
    driver_kit k;
    run_app(&k, FILES, "", "f");
    run_one(&k, "a", 10000, false);
    run_one(&k, "b", 5000, true); /* this one does */
    run_one(&k, "c", 10000, false);
    run_one(&k, "d", 10, true);
    run_one(&k, "e", 10000, false);
    run_one(&k, "f", 4000, true);
    ck_assert(!k.ended);
    run_one(&k, "g", 10000, false);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_NO_MEMORY);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 3);
    kit_close(&k);
}
END_TEST

/* ---- the end ---- */

/* What is there now, in as many batches as it takes, without waiting; then it ends. */
START_TEST(available_now)
{
    driver_kit k;
    open_app(&k, ONE, FILES,
             "'w': { 'from': 'f', 'window': '10s', 'aggregate': { 'n': 'count()' } }", "w");
    k.config.available_now = true;
    kit_start_with(&k, 1);
    static const ds_listed_file large[] = {{"a", 3 * DS_FILES_BATCH_BYTES}};
    ck_assert_uint_eq(k.n_lists, 1); /* at once */
    kit_listed(&k, 0, large, 1, DS_OK);
    for (int i = 0; i < 30 && !k.ended; i++) {
        kit_settle(&k);
        kit_wait_ms(&k, 0);
    }
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(k.n_lists, 1);
    ck_assert_int_eq(k.wall_ms, KIT_ZERO); /* no time has passed */
    /* Three batches of input, and the one in which the window is due. */
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 4);
    ck_assert_int_eq(ds_driver_progress(k.driver)->batch_ms, KIT_ZERO + 10000);
    kit_close(&k);
}
END_TEST

/* An app with a socket that asks for what is there now, with blocks of so many bytes. */
static uint64_t run_now(driver_kit *k, uint64_t credit_bytes)
{
    open_app(k, ONE "}, 'limits': { 'block': '64KiB', 'record': '1KiB'", SOCKET, "", "s");
    k->config.available_now = true;
    k->config.credit_bytes = credit_bytes;
    k->store_bytes = 1 << 30;
    kit_start(k);
    kit_join(k, 1);
    const kit_sent *start = kit_last(k, DS_MSG_RECEIVER_START);
    ck_assert_uint_eq(start->credit,
                      credit_bytes < (32 << 20) + 65536 ? credit_bytes : (32 << 20) + 65536);
    kit_receiver(k, 1, start->number, DS_RECEIVER_RUNNING, DS_OK);
    ck_assert_int_eq(kit_wants_ms(k), 1000);
    return start->number;
}

/* What is received then waits for the batch's time until there is much of it ... */
START_TEST(available_now_collects)
{
    static const struct {
        uint64_t credit;
        uint32_t length, enough;
    } cases[] = {{1 << 30, 65536, 256},
                 {1 << 30, 50, 4096},            /* as many short ones as count as much */
                 {(4 << 20) + 65536, 65536, 32}, /* half of what can be received */
                 {65536, 50, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        driver_kit k;
        uint64_t receiver = run_now(&k, cases[i].credit);
        for (uint64_t id = 1; id <= cases[i].enough; id++) {
            ck_assert_int_eq(kit_wants_ms(&k), 1000);
            ck_assert_uint_eq(kit_count(&k, DS_MSG_CUT), 0);
            kit_block(&k, 1, receiver,
                      (ds_block){.block_id = id, .length = cases[i].length, .records = 1});
        }
        kit_wait_ms(&k, 0);
        ck_assert_uint_eq(kit_count(&k, DS_MSG_CUT), 1);
        kit_cut_done(&k, 1, kit_last(&k, DS_MSG_CUT)->number);
        ck_assert_int_eq(last_batch_s(&k), 1);
        kit_settle(&k);
        ck_assert_int_eq(kit_wants_ms(&k), 2000); /* the next one waits again, for its own time */
        kit_close(&k);
    }
}
END_TEST

/* ... or no more comes; or the time has come. */
START_TEST(available_now_waits_for_no_more)
{
    driver_kit k;
    uint64_t receiver = run_now(&k, 1 << 30);
    kit_block(&k, 1, receiver, block_of(1, 1));
    kit_wait_ms(&k, 1000);
    kit_cut_done(&k, 1, kit_last(&k, DS_MSG_CUT)->number);
    ck_assert_int_eq(last_batch_s(&k), 1);
    kit_settle(&k);
    kit_block(&k, 1, receiver, block_of(2, 1));
    ck_assert_int_eq(kit_wants_ms(&k), 1000);
    kit_receiver(&k, 1, receiver, DS_RECEIVER_ENDED, DS_OK);
    kit_wait_ms(&k, 0);
    ck_assert_int_eq(last_batch_s(&k), 2);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.wall_ms, KIT_ZERO + 1000);
    kit_close(&k);
}
END_TEST

START_TEST(standard_input_ends)
{
    driver_kit k;
    run_app(&k, STDIN, "'w': { 'from': 's', 'window': '5s', 'aggregate': { 'n': 'count()' } }",
            "w");
    uint64_t receiver = kit_last(&k, DS_MSG_RECEIVER_START)->number;
    kit_block(&k, 1, receiver, block_of(1, 5));
    kit_receiver(&k, 1, receiver, DS_RECEIVER_ENDED, DS_OK);
    kit_receiver(&k, 1, receiver, DS_RECEIVER_ENDED, DS_OK); /* twice: no effect */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    kit_wait_ms(&k, 1000); /* what it left is of the next batch */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_CUT), 0);
    ck_assert_int_eq(last_batch_s(&k), 1);
    for (int i = 0; i < 30 && !k.ended; i++) {
        kit_settle(&k);
        kit_wait_ms(&k, 0);
    }
    ck_assert(k.ended);
    ck_assert_int_eq(k.wall_ms, KIT_ZERO + 1000); /* and then nothing is waited for */
    ck_assert_int_eq(ds_driver_progress(k.driver)->batch_ms, KIT_ZERO + 5000);
    kit_close(&k);
}
END_TEST

/* ---- a stop ---- */

static void ask_to_stop(driver_kit *k)
{
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_STOP});
}

START_TEST(stopped_before_the_first_batch)
{
    driver_kit k;
    open_app(&k, ONE, STDIN, "", "s");
    kit_start(&k);
    kit_introduce(&k, 1);
    ask_to_stop(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_STOP), 1); /* whoever is there is told */
    kit_close(&k);
}
END_TEST

/* Reading stops, one last batch runs over what was received, and is committed. */
START_TEST(a_stop_runs_one_last_batch)
{
    driver_kit k;
    run_app(&k, SOCKET, "", "s");
    uint64_t receiver = kit_last(&k, DS_MSG_RECEIVER_START)->number;
    kit_block(&k, 1, receiver, block_of(1, 5));
    kit_wait_ms(&k, 300);
    ask_to_stop(&k);
    ask_to_stop(&k); /* twice: no effect (the loop ends the process then) */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_STOP), 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    ck_assert_int_eq(kit_wants_ms(&k), 5000);
    kit_block(&k, 1, receiver, block_of(2, 5)); /* what it still had */
    kit_receiver(&k, 1, receiver, DS_RECEIVER_ENDED, DS_OK);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TASKS)->task.n_inputs, 2);
    ck_assert_int_eq(last_batch_s(&k), 1);
    ck_assert(!k.ended);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 1);
    kit_close(&k);
}
END_TEST

START_TEST(a_receiver_that_does_not_end)
{
    driver_kit k;
    run_app(&k, SOCKET, "", "s");
    kit_block(&k, 1, kit_last(&k, DS_MSG_RECEIVER_START)->number, block_of(1, 5));
    ask_to_stop(&k);
    kit_wait_ms(&k, 4999);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    kit_wait_ms(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    kit_settle(&k);
    ck_assert(k.ended);
    kit_close(&k);
}
END_TEST

START_TEST(stopped_amid_a_tick)
{
    driver_kit k;
    run_app(&k, SOCKET, "", "s");
    uint64_t receiver = kit_last(&k, DS_MSG_RECEIVER_START)->number;
    kit_block(&k, 1, receiver, block_of(1, 5));
    kit_wait_ms(&k, 1000);
    ask_to_stop(&k);
    kit_block(&k, 1, receiver, block_of(2, 5));
    kit_receiver(&k, 1, receiver, DS_RECEIVER_ENDED, DS_OK);
    kit_cut_done(&k, 1, kit_last(&k, DS_MSG_CUT)->number);
    ck_assert_int_eq(last_batch_s(&k), 1); /* the batch of the tick has it all */
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TASKS)->task.n_inputs, 2);
    kit_settle(&k);
    ck_assert(k.ended);
    kit_close(&k);
}
END_TEST

/* A stop waits for batches under way, wherever they are, and for its executors. */
START_TEST(stopped_with_batches_under_way)
{
    driver_kit k;
    run_app(&k, "'r': { 'type': 'rate', 'rows_per_second': 5 }", "'n': { 'from': 'r' }", "n");
    kit_wait_ms(&k, 1000);
    kit_wait_ms(&k, 1000);
    const kit_sent first = *kit_last(&k, DS_MSG_TASKS);
    ck_assert_int_eq(last_batch_s(&k), 1);
    ask_to_stop(&k);
    kit_lose(&k, 1);
    kit_wait_ms(&k, 100);
    ck_assert_uint_eq(k.n_launched, 2);
    kit_join(&k, 2);
    ck_assert_int_eq(kit_last(&k, DS_MSG_TASKS)->task.batch_ms, first.task.batch_ms);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 3); /* two, and the last one */
    kit_close(&k);
}
END_TEST

START_TEST(stopped_while_a_commit_fails)
{
    driver_kit k;
    run_app(&k, "'r': { 'type': 'rate', 'rows_per_second': 5 }", "'n': { 'from': 'r' }", "n");
    kit_wait_ms(&k, 1000);
    kit_done_for(&k, kit_last(&k, DS_MSG_TASKS), 1);
    kit_done(&k, kit_last(&k, DS_MSG_TASKS));
    kit_committed(&k, DS_ERR_IO);
    ask_to_stop(&k);
    ck_assert(!k.ended);
    kit_wait_ms(&k, 200);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 2);
    kit_close(&k);
}
END_TEST

START_TEST(stopped_while_folders_are_listed)
{
    driver_kit k;
    run_app(&k, FILES, "", "f");
    kit_wait_ms(&k, 1000);
    ask_to_stop(&k);
    ck_assert(!k.ended);
    static const ds_listed_file some[] = {{"a", 10}};
    kit_listed(&k, 0, some, 1, DS_OK);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_uint_eq(k.n_lists, 1);
    ck_assert_uint_ge(ds_driver_progress(k.driver)->batches, 1);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_ticks", batches_come_at_their_times, batch_times_are_later_than_what_is_there,
          the_queue_is_bounded, idle_time_is_skipped, time_with_windows_is_not_skipped,
          a_batch_is_cut_at_its_time, a_cut_that_takes_too_long, an_executor_is_lost_while_it_cuts,
          blocks_that_mean_nothing, credits_are_shared, standard_input_is_local,
          a_receiver_that_fails_ends_the_app, a_receiver_that_moves_tries_again,
          records_that_are_too_long, folders_are_listed_at_each_batch, tasks_of_sources_ahead,
          short_tasks_of_sources_ahead, a_folder_that_is_not_there_at_the_start,
          small_batches_say_nothing_about_memory, available_now, available_now_collects,
          available_now_waits_for_no_more, standard_input_ends, stopped_before_the_first_batch,
          a_stop_runs_one_last_batch, a_receiver_that_does_not_end, stopped_amid_a_tick,
          stopped_with_batches_under_way, stopped_while_a_commit_fails,
          stopped_while_folders_are_listed)
