/* The driver and rates: what receivers are told, and what files give to a batch. */
#include "unit/driver_kit.h"

#define APP(more, sources)                                                                         \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' }, 'executors': { 'count': 1 },"     \
    "'sources': { " sources " }, 'streams': { 'n': { 'from': 's' } },"                             \
    "'sinks': { 'c': { 'from': 'n', 'type': 'console' } }" more "}"
#define STDIN(more) "'s': { 'type': 'stdin' " more "}"
#define PRESSURE(more) ", 'backpressure': { 'min_rate': 10 " more "}"

static void run(driver_kit *k, const char *app)
{
    kit_open(k, app);
    kit_start_with(k, 1);
    if (kit_last(k, DS_MSG_RECEIVER_START) != NULL)
        kit_receiver(k, 1, 1, DS_RECEIVER_RUNNING, DS_OK);
}

/* A batch of so many records that takes so long. */
static void batch(driver_kit *k, uint64_t id, uint64_t records, int64_t took_ms)
{
    if (records > 0)
        kit_block(k, 1, 1, (ds_block){.block_id = id, .length = 64, .records = records});
    kit_wait_ms(k, 1000 - k->wall_ms % 1000);
    kit_cut_done(k, 1, kit_last(k, DS_MSG_CUT)->number);
    k->now_us += took_ms * 1000;
    k->wall_ms += took_ms;
    kit_beat(k, 1);
    kit_settle(k);
}

static uint64_t rate_of(const driver_kit *k)
{
    return ds_driver_progress(k->driver)->sources[0].rate;
}

START_TEST(a_receiver_is_told_its_rate_at_the_start)
{
    driver_kit k;
    run(&k, APP("", STDIN("")));
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->rate, 0);
    kit_close(&k);
    run(&k, APP("", STDIN(", 'max_rate': 70")));
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->rate, 70);
    kit_close(&k);
    run(&k, APP(PRESSURE(""), STDIN(", 'max_rate': 70")));
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->rate, 70);
    kit_close(&k);
    run(&k, APP(PRESSURE(", 'initial_rate': 50"), STDIN(", 'max_rate': 70")));
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->rate, 50);
    kit_close(&k);
    run(&k, APP(PRESSURE(", 'initial_rate': 90"), STDIN(", 'max_rate': 70")));
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->rate, 70);
    kit_close(&k);
}
END_TEST

START_TEST(rates_follow_what_batches_process)
{
    driver_kit k;
    run(&k, APP(PRESSURE(""), STDIN("")));
    batch(&k, 1, 1000, 500); /* noted only: 2,000 a second */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_RATE), 0);
    ck_assert_uint_eq(rate_of(&k), 0);
    batch(&k, 2, 300, 500); /* 2000 - (2000 - 600) */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_RATE), 1);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_RATE)->number, 1);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_RATE)->rate, 600);
    ck_assert_uint_eq(rate_of(&k), 600);
    batch(&k, 2, 0, 500); /* nothing came: nothing is learned */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_RATE), 1);
    batch(&k, 3, 300, 500); /* the same again: nothing to tell */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_RATE), 1);
    batch(&k, 4, 1, 900); /* not below the least */
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_RATE)->rate, 10);
    kit_close(&k);
}
END_TEST

START_TEST(waiting_counts)
{
    driver_kit k;
    run(&k, APP(PRESSURE(""), STDIN("")));
    batch(&k, 1, 1000, 500);
    /* This one is due while the receiver's executor takes its time to cut: a second. */
    kit_block(&k, 1, 1, (ds_block){.block_id = 2, .length = 64, .records = 1000});
    kit_wait_ms(&k, 500);
    kit_wait_ms(&k, 500);
    kit_cut_done(&k, 1, kit_last(&k, DS_MSG_CUT)->number);
    k.now_us += 500000;
    k.wall_ms += 500;
    kit_settle(&k);
    /* 2000 - (2000 - 2000) - 0.2 * (500 ms * 2000 / 1000 ms) */
    ck_assert_uint_eq(rate_of(&k), 1800);
    kit_close(&k);
}
END_TEST

START_TEST(what_waits_is_given_bit_by_bit)
{
    driver_kit k;
    run(&k, APP(PRESSURE(""), STDIN("")));
    batch(&k, 1, 1000, 500);
    batch(&k, 2, 300, 500); /* 600 a second */
    for (uint64_t id = 3; id < 13; id++)
        kit_block(&k, 1, 1, (ds_block){.block_id = id, .length = 64, .records = 500});
    batch(&k, 0, 0, 500); /* two blocks have that many, and more */
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RELEASE)->blocks[0].first, 3);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RELEASE)->blocks[0].last, 4);
    batch(&k, 0, 0, 500); /* now it is 2,000 */
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RELEASE)->blocks[0].last, 8);
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
    kit_receiver(&k, 1, 1, DS_RECEIVER_ENDED, DS_OK);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RELEASE)->blocks[0].last, 12); /* the last has the rest */
    kit_close(&k);
}
END_TEST

/* Before anything is known there is one batch at a time, whatever comes meanwhile. */
START_TEST(the_first_batch_is_alone)
{
    driver_kit k;
    run(&k, APP(PRESSURE(""), STDIN("")));
    kit_block(&k, 1, 1, (ds_block){.block_id = 1, .length = 64, .records = 1000});
    kit_wait_ms(&k, 1000);
    kit_cut_done(&k, 1, kit_last(&k, DS_MSG_CUT)->number);
    for (uint64_t id = 2; id < 5; id++) {
        kit_block(&k, 1, 1, (ds_block){.block_id = id, .length = 64, .records = 1500});
        kit_wait_ms(&k, 1000);
        kit_cut_done(&k, 1, kit_last(&k, DS_MSG_CUT)->number);
        kit_beat(&k, 1);
    }
    kit_settle(&k); /* three seconds: 333 a second */
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RELEASE)->blocks[0].last, 1);
    batch(&k, 0, 0, 500);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RELEASE)->blocks[0].last, 2);
    kit_close(&k);
}
END_TEST

/* At the end nothing is left. */
START_TEST(a_stop_amid_the_first_batch)
{
    driver_kit k;
    run(&k, APP(PRESSURE(""), STDIN("")));
    for (uint64_t id = 1; id < 3; id++) {
        kit_block(&k, 1, 1, (ds_block){.block_id = id, .length = 64, .records = 1000});
        kit_wait_ms(&k, 1000);
        kit_cut_done(&k, 1, kit_last(&k, DS_MSG_CUT)->number);
        kit_beat(&k, 1);
    }
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
    kit_receiver(&k, 1, 1, DS_RECEIVER_ENDED, DS_OK);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RELEASE)->blocks[0].last, 2);
    kit_close(&k);
}
END_TEST

START_TEST(blocks_that_wait_keep_their_store)
{
    driver_kit k;
    run(&k, APP(PRESSURE(""), STDIN("")));
    batch(&k, 1, 1000, 500);
    batch(&k, 2, 300, 500);
    for (uint64_t id = 3; id < 7; id++) /* one for each of four batches */
        kit_block(&k, 1, 1, (ds_block){.block_id = id, .length = 64, .records = 1200});
    kit_lose(&k, 1);
    kit_wait_ms(&k, 200);
    kit_join(&k, 2);
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(k.n_closed_stores, 0);
        kit_wait_ms(&k, 1000);
        k.now_us += 2000000; /* 600 a second */
        kit_settle(&k);
    }
    ck_assert_uint_eq(k.n_closed_stores, 1);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->blocks_waiting, 0);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->blocks_lost, 0);
    kit_close(&k);
}
END_TEST

START_TEST(max_rate_is_the_most)
{
    driver_kit k;
    run(&k, APP(PRESSURE(""), STDIN(", 'max_rate': 1500")));
    batch(&k, 1, 1000, 500);
    batch(&k, 2, 900, 500);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_RATE), 0); /* 1,800: it has less already */
    batch(&k, 3, 500, 500);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_RATE)->rate, 1000);
    kit_close(&k);
}
END_TEST

START_TEST(without_backpressure_nothing_is_told)
{
    driver_kit k;
    run(&k, APP("", STDIN(", 'max_rate': 1500")));
    batch(&k, 1, 1000, 500);
    batch(&k, 2, 10, 900);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_RATE), 0);
    ck_assert_uint_eq(rate_of(&k), 1500);
    kit_close(&k);
}
END_TEST

START_TEST(a_new_receiver_begins_with_the_rate_in_force)
{
    driver_kit k;
    run(&k, APP(PRESSURE(""), STDIN("")));
    batch(&k, 1, 1000, 500);
    batch(&k, 2, 300, 500);
    kit_lose(&k, 1);
    kit_wait_ms(&k, 200);
    kit_join(&k, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_START), 2);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->rate, 600);
    kit_close(&k);
}
END_TEST

/* ---- files ---- */

/* Lets a batch time pass; returns how many bytes of the files the batch was given. */
static uint64_t bytes_of_batch(driver_kit *k, uint64_t size)
{
    const ds_listed_file file = {"f", size};
    uint32_t before = k->n_sent;
    uint64_t bytes = 0;
    kit_wait_ms(k, 1000);
    kit_listed(k, 0, &file, 1, DS_OK);
    for (uint32_t i = before; i < k->n_sent; i++)
        for (uint32_t n = 0; k->sent[i].type == DS_MSG_TASKS && n < k->sent[i].task.n_inputs; n++)
            bytes += k->sent[i].task.inputs[n].to - k->sent[i].task.inputs[n].from;
    return bytes;
}

/* All tasks under way are done, and had so many records and bytes in all. */
static void done_with(driver_kit *k, uint32_t from, uint64_t records, uint64_t bytes)
{
    for (; from < k->n_sent; from++) {
        const kit_sent *to = &k->sent[from];
        if (to->type != DS_MSG_TASKS)
            continue;
        ds_task_result r = {.batch_ms = to->task.batch_ms,
                            .plan_id = 1,
                            .stage = to->task.stage,
                            .partition = to->task.partition,
                            .attempt = to->task.attempt,
                            .message = "",
                            .rows_in = records,
                            .bytes_in = bytes};
        ds_message m = {.type = DS_MSG_TASK_RESULTS};
        m.task_results = (ds_msg_task_results){&r, 1};
        kit_message(k, to->peer, m);
    }
    kit_settle_from(k, k->n_sent);
}

START_TEST(files_give_so_many_records_a_batch)
{
    driver_kit k;
    run(&k, APP("", "'s': { 'type': 'files', 'dir': 'in', 'max_rate': 100 }"));
    uint32_t sent = k.n_sent;
    ck_assert_uint_eq(bytes_of_batch(&k, 1 << 20), 6400); /* nothing is known of its records */
    done_with(&k, sent, 320, 6400);                       /* of 20 bytes: 220 too many */
    sent = k.n_sent;
    ck_assert_uint_eq(bytes_of_batch(&k, 1 << 20), 0);
    ck_assert_uint_eq(bytes_of_batch(&k, 1 << 20), 0);
    ck_assert_uint_eq(bytes_of_batch(&k, 1 << 20), 80 * 20);
    done_with(&k, sent, 80, 1600);
    sent = k.n_sent;
    ck_assert_uint_eq(bytes_of_batch(&k, 1 << 20), 100 * 20);
    done_with(&k, sent, 100, 2000);
    ck_assert_uint_eq(rate_of(&k), 100);
    kit_close(&k);
}
END_TEST

START_TEST(files_that_are_read_late_owe_nothing_twice)
{
    driver_kit k;
    run(&k, APP("", "'s': { 'type': 'files', 'dir': 'in', 'max_rate': 100 }"));
    uint32_t sent = k.n_sent;
    bytes_of_batch(&k, 1 << 20);
    done_with(&k, sent, 100, 6400);
    sent = k.n_sent;
    ck_assert_uint_eq(bytes_of_batch(&k, 1 << 20), 6400);
    /* It is not done when the next one is due: that one waits for a place of its own. */
    ck_assert_uint_eq(bytes_of_batch(&k, 1 << 20), 0);
    done_with(&k, sent, 100, 6400);
    ck_assert_uint_eq(bytes_of_batch(&k, 1 << 20), 6400);
    kit_close(&k);
}
END_TEST

START_TEST(a_generator_makes_no_more)
{
    driver_kit k;
    run(&k, APP("", "'s': { 'type': 'rate', 'rows_per_second': 1000, 'max_rate': 30 }"));
    kit_wait_ms(&k, 1000);
    const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
    ck_assert_uint_eq(task->task.inputs[0].to - task->task.inputs[0].from, 30);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_rates", a_receiver_is_told_its_rate_at_the_start,
          rates_follow_what_batches_process, waiting_counts, what_waits_is_given_bit_by_bit,
          the_first_batch_is_alone, a_stop_amid_the_first_batch, blocks_that_wait_keep_their_store,
          max_rate_is_the_most, without_backpressure_nothing_is_told,
          a_new_receiver_begins_with_the_rate_in_force, files_give_so_many_records_a_batch,
          files_that_are_read_late_owe_nothing_twice, a_generator_makes_no_more)
