/* Blocks that two executors are to hold: who is asked, what waits for it, and what becomes of it
 * when one of them is lost. */
#include "driver/driver_state.h"

#include "unit/driver_kit.h"

#define APP(source)                                                                                \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' }, 'executors': { 'count': 3 },"     \
    "'sources': { 's': { 'type': 'socket', 'connect': '127.0.0.1:9' " source " } },"               \
    "'sinks': { 'o': { 'from': 's', 'type': 'console' } } }"
#define TWICE APP(", 'replicas': 2")
#define AT(id) (1000 * (id))      /* where a block is, */
#define THERE(id) (5000 + AT(id)) /* and where its replica */

/* Executors 1 to n, whose stores nobody else can open; the receiver runs on 1. */
static void run(driver_kit *k, const char *app, uint64_t n)
{
    kit_open(k, app);
    k->no_stores = k->fetches = true;
    kit_start_with(k, n);
    if (n < 3)
        kit_wait_ms(k, 10000); /* it does not wait for the others any longer */
    kit_receiver(k, 1, 1, DS_RECEIVER_RUNNING, DS_OK);
}

/* The receiver on 1 reports a block. */
static void report(driver_kit *k, uint64_t id)
{
    kit_block(k, 1, 1, (ds_block){.block_id = id, .offset = AT(id), .length = 100, .records = 7});
}

/* Answers a request: the first n of its blocks are held. */
static void answer(driver_kit *k, const kit_sent *to, uint32_t n, ds_status status)
{
    ds_replica held[8];
    ck_assert_ptr_nonnull(to);
    for (uint32_t i = 0; i < n; i++) {
        held[i] = to->replicas[i];
        held[i].ref.executor_id = to->peer - 100;
        held[i].ref.offset = THERE(held[i].block_id);
    }
    ds_message m = {.type = DS_MSG_REPLICATED};
    m.replicated = (ds_msg_replicated){to->number, (uint32_t)status, "so", held, n};
    kit_message(k, to->peer, m);
}

static const kit_sent *asked(const driver_kit *k)
{
    return kit_last(k, DS_MSG_REPLICATE);
}

/* Three of them, and block 1 has its replica: the request for it. */
static kit_sent run_with_one(driver_kit *k)
{
    run(k, TWICE, 3);
    report(k, 1);
    const kit_sent first = *asked(k);
    answer(k, &first, 1, DS_OK);
    return first;
}

/* The next batch is due, and all have cut. Its task, or NULL. */
static const kit_sent *pass(driver_kit *k)
{
    const uint32_t n = kit_count(k, DS_MSG_TASKS);
    kit_wait_ms(k, 1000 - k->wall_ms % 1000);
    if (kit_last(k, DS_MSG_CUT) != NULL)
        kit_cut_done(k, kit_last(k, DS_MSG_CUT)->peer - 100, kit_last(k, DS_MSG_CUT)->number);
    return kit_count(k, DS_MSG_TASKS) > n ? kit_last(k, DS_MSG_TASKS) : NULL;
}

static void check_input(const kit_sent *task, uint32_t i, uint64_t executor_id, uint64_t offset)
{
    ck_assert_ptr_nonnull(task);
    ck_assert_uint_lt(i, task->task.n_inputs);
    ck_assert_uint_eq(task->task.inputs[i].ref.executor_id, executor_id);
    ck_assert_uint_eq(task->task.inputs[i].ref.offset, offset);
    ck_assert_uint_eq(task->task.inputs[i].ref.length, 100);
}

/* What an executor was told last that it may give back: block id of receiver 1. */
static void check_released(const driver_kit *k, uint64_t executor_id, uint64_t first, uint64_t last)
{
    const kit_sent *s = NULL;
    for (uint32_t i = 0; i < k->n_sent; i++)
        if (k->sent[i].type == DS_MSG_RELEASE && k->sent[i].peer == kit_peer(executor_id))
            s = &k->sent[i];
    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->n_blocks, last == 0 ? 0 : 1);
    if (last == 0)
        return;
    ck_assert_uint_eq(s->blocks[0].receiver_id, 1);
    ck_assert_uint_eq(s->blocks[0].first, first);
    ck_assert_uint_eq(s->blocks[0].last, last);
}

static const ds_progress *progress(const driver_kit *k)
{
    return ds_driver_progress(k->driver);
}

START_TEST(a_batch_waits_for_them)
{
    driver_kit k;
    run(&k, TWICE, 3);
    report(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 1);
    const kit_sent first = *asked(&k);
    ck_assert_uint_ne(first.peer, kit_peer(1));
    ck_assert_uint_eq(first.n_replicas, 1);
    ck_assert_uint_eq(first.replicas[0].receiver_id, 1);
    ck_assert_uint_eq(first.replicas[0].block_id, 1);
    ck_assert_uint_eq(first.replicas[0].ref.executor_id, 1);
    ck_assert_uint_eq(first.replicas[0].ref.offset, AT(1));
    ck_assert_uint_eq(first.replicas[0].ref.length, 100);
    report(&k, 2); /* these come together, with the next request */
    report(&k, 3);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 1);
    ck_assert_ptr_null(pass(&k));
    answer(&k, &first, 1, DS_OK);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 2);
    ck_assert_uint_eq(asked(&k)->n_replicas, 2);
    ck_assert_uint_gt(asked(&k)->number, first.number);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0); /* they were there when all had cut */
    report(&k, 4);                                     /* but not this one */
    answer(&k, asked(&k), 2, DS_OK);
    const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
    for (uint32_t i = 0; i < 3; i++)
        check_input(task, i, 1, AT(i + 1));
    ck_assert_uint_eq(task->task.n_inputs, 3);
    ck_assert_uint_eq(progress(&k)->blocks_replicated, 3);
    ck_assert_uint_eq(progress(&k)->records_replicated, 21);
    kit_settle(&k);
    check_released(&k, 1, 1, 3);
    check_released(&k, first.peer - 100, 1, 3);
    check_released(&k, first.peer == kit_peer(2) ? 3 : 2, 0, 0);
    ck_assert_uint_eq(progress(&k)->blocks_single, 0);
    kit_close(&k);
}
END_TEST

START_TEST(who_wants_none_gets_none)
{
    driver_kit k;
    run(&k, APP(""), 3);
    const uint64_t credit = kit_last(&k, DS_MSG_RECEIVER_START)->credit;
    report(&k, 1);
    check_input(pass(&k), 0, 1, AT(1));
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 0);
    kit_close(&k);
    /* Half of what receivers may fill is for blocks of others. */
    run(&k, TWICE, 3);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->credit, credit / 2);
    report(&k, 1);
    ck_assert_uint_eq(asked(&k)->credit, credit / 2);
    kit_close(&k);
}
END_TEST

/* The driver is the second one that holds it. */
START_TEST(stores_that_the_driver_holds_need_none)
{
    driver_kit k;
    kit_open(&k, TWICE);
    kit_start_with(&k, 3);
    kit_receiver(&k, 1, 1, DS_RECEIVER_RUNNING, DS_OK);
    report(&k, 1);
    report(&k, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 0);
    kit_lose(&k, 1);
    ck_assert_uint_eq(progress(&k)->blocks_lost, 0);
    check_input(pass(&k), 0, 1, AT(1));
    ck_assert_uint_eq(progress(&k)->blocks_single, 0);
    kit_close(&k);
}
END_TEST

START_TEST(one_executor_goes_on_alone)
{
    driver_kit k;
    run(&k, TWICE, 1);
    report(&k, 1);
    report(&k, 2);
    check_input(pass(&k), 1, 1, AT(2));
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 0);
    ck_assert_uint_eq(progress(&k)->blocks_single, 2);
    kit_settle(&k);
    /* What waits when another one comes is given to it, but does not wait for that. */
    report(&k, 3);
    kit_join(&k, 2);
    ck_assert_uint_eq(asked(&k)->peer, kit_peer(2));
    ck_assert_uint_eq(asked(&k)->replicas[0].block_id, 3);
    check_input(pass(&k), 0, 1, AT(3));
    ck_assert_uint_eq(progress(&k)->blocks_single, 3);
    answer(&k, asked(&k), 1, DS_OK); /* too late: it is given back */
    check_released(&k, 2, 3, 3);
    ck_assert_uint_eq(progress(&k)->blocks_replicated, 0);
    kit_close(&k);
}
END_TEST

START_TEST(a_waiting_block_outlives_its_receiver)
{
    driver_kit k;
    const kit_sent first = run_with_one(&k);
    report(&k, 2); /* is on its way */
    kit_lose(&k, 1);
    ck_assert_uint_eq(progress(&k)->blocks_lost, 1);
    ck_assert_uint_eq(progress(&k)->blocks_lost_unsafe, 1);
    ck_assert_uint_eq(progress(&k)->records_lost, 7);
    answer(&k, asked(&k), 1, DS_OK); /* it was counted as lost by then */
    /* The one that is left gets a second holder again. */
    const uint64_t holder = first.peer - 100, other = 5 - holder;
    ck_assert_uint_eq(asked(&k)->peer, kit_peer(other));
    ck_assert_uint_eq(asked(&k)->replicas[0].ref.executor_id, holder);
    ck_assert_uint_eq(asked(&k)->replicas[0].ref.offset, THERE(1));
    ds_replica held = {1, 1, {other, 77, 100}};
    ds_message m = {.type = DS_MSG_REPLICATED};
    m.replicated = (ds_msg_replicated){asked(&k)->number, DS_OK, "", &held, 1};
    kit_message(&k, kit_peer(other), m);
    kit_lose(&k, holder);
    ck_assert_uint_eq(progress(&k)->blocks_lost, 1);
    check_input(pass(&k), 0, other, 77);
    kit_settle(&k);
    check_released(&k, other, 1, 1);
    ck_assert_uint_eq(progress(&k)->blocks_single, 1); /* there was nobody left at last */
    kit_close(&k);
}
END_TEST

START_TEST(a_block_of_a_batch_is_read_from_the_replica)
{
    driver_kit k;
    const kit_sent first = run_with_one(&k);
    const kit_sent before = *pass(&k);
    check_input(&before, 0, 1, AT(1));
    kit_lose(&k, 1);
    ck_assert_uint_eq(progress(&k)->blocks_single, 1);
    if (before.peer != kit_peer(1)) /* it was being read elsewhere */
        kit_fail(&k, &before, DS_ERR_LOST);
    const kit_sent *task = kit_task(&k, before.task.batch_ms, 0, 0);
    ck_assert_uint_gt(task->task.attempt, before.task.attempt);
    check_input(task, 0, first.peer - 100, THERE(1));
    ck_assert_uint_eq(progress(&k)->blocks_lost, 0);
    kit_settle_from(&k, (uint32_t)(task - k.sent));
    check_released(&k, first.peer - 100, 1, 1);
    ck_assert_uint_eq(progress(&k)->batches, 1);
    ck_assert_uint_eq(progress(&k)->failed_batches, 0);
    kit_close(&k);
}
END_TEST

START_TEST(both_may_be_lost)
{
    driver_kit k;
    const kit_sent first = run_with_one(&k);
    const kit_sent before = *pass(&k);
    kit_lose(&k, first.peer - 100);
    ck_assert_uint_eq(progress(&k)->blocks_single, 1);
    kit_lose(&k, 1);
    if (before.peer != kit_peer(1) && before.peer != first.peer)
        kit_fail(&k, &before, DS_ERR_LOST);
    ck_assert_uint_eq(progress(&k)->blocks_single, 1);
    ck_assert_uint_eq(progress(&k)->blocks_lost, 1);
    ck_assert_uint_eq(progress(&k)->blocks_lost_unsafe, 0);
    ck_assert_uint_eq(kit_task(&k, before.task.batch_ms, 0, 0)->task.n_inputs, 0);
    kit_close(&k);
}
END_TEST

START_TEST(a_replica_that_is_lost_is_made_anew)
{
    driver_kit k;
    const kit_sent first = run_with_one(&k);
    kit_lose(&k, first.peer - 100);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 2);
    ck_assert_uint_ne(asked(&k)->peer, first.peer);
    ck_assert_uint_eq(asked(&k)->replicas[0].ref.executor_id, 1);
    answer(&k, asked(&k), 1, DS_OK);
    check_input(pass(&k), 0, 1, AT(1));
    ck_assert_uint_eq(progress(&k)->blocks_single, 0);
    /* One that is lost while it fetches is not waited for. */
    report(&k, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 3);
    kit_lose(&k, asked(&k)->peer - 100);
    kit_settle(&k);
    check_input(pass(&k), 0, 1, AT(2));
    ck_assert_uint_ge(progress(&k)->blocks_single, 1);
    kit_close(&k);
}
END_TEST

START_TEST(who_has_no_room_is_not_asked_at_once)
{
    driver_kit k;
    run(&k, TWICE, 3);
    report(&k, 1);
    report(&k, 2);
    const kit_sent first = *asked(&k);
    answer(&k, &first, 1, DS_OK);
    const kit_sent second = *asked(&k);
    answer(&k, &second, 0, DS_ERR_NO_MEMORY);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 2);
    ck_assert_int_eq(kit_wants_ms(&k), 20);
    kit_wait_ms(&k, 19);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 2);
    kit_wait_ms(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 3);
    ck_assert_uint_ne(asked(&k)->peer, second.peer); /* another one may have room */
    /* However long it takes: the sender is slowed down, and batches come without the block. */
    for (uint32_t i = 0; i < 20; i++) {
        answer(&k, asked(&k), 0, DS_ERR_NO_MEMORY);
        kit_wait_ms(&k, 20);
    }
    const kit_sent *task = pass(&k);
    ck_assert_ptr_null(task);
    kit_wait_ms(&k, 1000);
    task = kit_last(&k, DS_MSG_TASKS);
    check_input(task, 0, 1, AT(1));
    ck_assert_uint_eq(task->task.n_inputs, 1);
    ck_assert_uint_eq(progress(&k)->blocks_single, 0);
    kit_close(&k);
}
END_TEST

START_TEST(what_cannot_be_fetched_goes_without)
{
    driver_kit k;
    run(&k, TWICE, 3);
    report(&k, 1);
    uint64_t before = 0;
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), i + 1);
        ck_assert_uint_ne(asked(&k)->peer, before);
        before = asked(&k)->peer;
        answer(&k, asked(&k), 0, DS_ERR_LOST);
        kit_wait_ms(&k, 100);
    }
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REPLICATE), 3);
    check_input(pass(&k), 0, 1, AT(1));
    ck_assert_uint_eq(progress(&k)->blocks_single, 1);
    /* It is tried again with what comes next. */
    report(&k, 2);
    answer(&k, asked(&k), 1, DS_OK);
    kit_settle(&k);
    check_input(pass(&k), 0, 1, AT(2));
    ck_assert_uint_eq(progress(&k)->blocks_single, 1);
    kit_close(&k);
}
END_TEST

START_TEST(answers_may_come_twice_or_be_nonsense)
{
    driver_kit k;
    run(&k, TWICE, 3);
    report(&k, 1);
    const kit_sent first = *asked(&k);
    const uint64_t other = first.peer == kit_peer(2) ? 3 : 2;
    ds_replica held[] = {{1, 1, {first.peer - 100, KIT_STORE, 100}}, /* not in its store, */
                         {1, 1, {1, 0, 100}},                        /* another one's, */
                         {1, 1, {first.peer - 100, 0, 99}},          /* too short, */
                         {2, 1, {first.peer - 100, 0, 100}}};        /* and not asked for */
    ds_message m = {.type = DS_MSG_REPLICATED};
    m.replicated = (ds_msg_replicated){first.number, DS_OK, "", held, 4};
    kit_message(&k, kit_peer(other), m); /* who was not asked */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 0);
    kit_message(&k, first.peer, m);
    ck_assert_uint_eq(progress(&k)->blocks_replicated, 0);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 4);
    const kit_sent second = *asked(&k); /* it is asked once more */
    ck_assert_uint_gt(second.number, first.number);
    answer(&k, &second, 1, DS_OK);
    answer(&k, &second, 1, DS_OK);
    answer(&k, &first, 1, DS_OK);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 4);
    ck_assert_uint_eq(progress(&k)->blocks_replicated, 1);
    kit_close(&k);
}
END_TEST

START_TEST(another_host_is_better)
{
    for (uint64_t far = 2; far <= 3; far++) {
        driver_kit k;
        kit_open(&k, TWICE);
        k.no_stores = k.fetches = true;
        kit_start(&k);
        for (uint64_t id = 1; id <= 3; id++) {
            ds_message hello = kit_hello(&k, id);
            hello.hello.host = id == far ? "there" : "here";
            kit_message(&k, kit_peer(id), hello);
            kit_ready(&k, id);
        }
        kit_receiver(&k, 1, 1, DS_RECEIVER_RUNNING, DS_OK);
        report(&k, 1);
        ck_assert_uint_eq(asked(&k)->peer, kit_peer(far));
        kit_close(&k);
    }
}
END_TEST

START_TEST(a_stop_waits_for_them_and_not_for_ever)
{
    for (int comes = 0; comes < 2; comes++) {
        driver_kit k;
        run(&k, TWICE, 3);
        report(&k, 1);
        kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
        kit_receiver(&k, 1, 1, DS_RECEIVER_ENDED, DS_OK);
        ck_assert_ptr_null(kit_last(&k, DS_MSG_TASKS));
        if (comes)
            answer(&k, asked(&k), 1, DS_OK);
        else
            kit_wait_ms(&k, 5000);
        check_input(kit_last(&k, DS_MSG_TASKS), 0, 1, AT(1));
        ck_assert_uint_eq(progress(&k)->blocks_single, comes ? 0 : 1);
        kit_settle(&k);
        ck_assert(k.ended == (comes == 1)); /* what is held must be given back before the end */
        if (!comes)
            answer(&k, asked(&k), 1, DS_OK);
        ck_assert(k.ended);
        ck_assert_int_eq(k.status, DS_OK);
        kit_close(&k);
    }
}
END_TEST

UNIT_MAIN("driver_replicas", a_batch_waits_for_them, who_wants_none_gets_none,
          stores_that_the_driver_holds_need_none, one_executor_goes_on_alone,
          a_waiting_block_outlives_its_receiver, a_block_of_a_batch_is_read_from_the_replica,
          both_may_be_lost, a_replica_that_is_lost_is_made_anew,
          who_has_no_room_is_not_asked_at_once, what_cannot_be_fetched_goes_without,
          answers_may_come_twice_or_be_nonsense, another_host_is_better,
          a_stop_waits_for_them_and_not_for_ever)
