/* The log of received blocks as the driver sees it: what is found comes first, what is gone is read
 * from it, and what nothing needs goes. */
#include "driver/driver_state.h"

#include "unit/driver_kit.h"

#define LOGGED_APP(more)                                                                           \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' }, 'executors': { 'count': 1 },"     \
    "'checkpoint': { 'dir': 'state' }, 'sources': {"                                               \
    "'s': { 'type': 'socket', 'connect': '127.0.0.1:9'" more " } },"                               \
    "'sinks': { 'o': { 'from': 's', 'type': 'file', 'dir': 'out' } } }"

static const ds_logged_blocks nothing;

static void open_logged(driver_kit *k, const char *app)
{
    kit_open(k, app);
    k->config.checkpoint = true;
    k->config.log_folder = "state/log";
}

static ds_block block_of(uint64_t receiver_id, uint64_t segment, uint64_t id)
{
    return (ds_block){.block_id = id,
                      .offset = 1000 * id,
                      .length = 100,
                      .records = 5,
                      .log = {receiver_id, segment, 32 + 164 * id}};
}

/* One executor, and a receiver that runs. Its id. */
static uint64_t run_logged(driver_kit *k)
{
    kit_start_with(k, 1);
    kit_logged(k, 0, &nothing);
    uint64_t id = kit_last(k, DS_MSG_RECEIVER_START)->number;
    kit_receiver(k, 1, id, DS_RECEIVER_RUNNING, DS_OK);
    return id;
}

/* A batch is cut and journaled: its task is handed out. */
static const kit_sent *pass(driver_kit *k)
{
    kit_wait_ms(k, 1000);
    if (kit_last(k, DS_MSG_CUT) != NULL)
        kit_cut_done(k, 1, kit_last(k, DS_MSG_CUT)->number);
    kit_journaled(k, k->n_journal - 1, DS_OK);
    return kit_last(k, DS_MSG_TASKS);
}

/* And comes to its end, but for the journal. */
static void commit(driver_kit *k, const kit_sent *task)
{
    kit_done(k, task);
    kit_journaled(k, k->n_journal - 1, DS_OK);
    kit_committed(k, DS_OK);
}

START_TEST(receivers_start_when_the_log_was_looked_through)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    kit_start_with(&k, 1);
    ck_assert_uint_eq(k.n_scans, 1);
    ck_assert_str_eq(k.scans[0].folder, "state/log/s");
    ck_assert_uint_eq(k.scans[0].place.receiver_id, 0);
    ck_assert_ptr_null(kit_last(&k, DS_MSG_RECEIVER_START));
    const ds_logged_blocks found = {.last_receiver = 41};
    kit_logged(&k, 0, &found);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->number, 42); /* never one of theirs */
    ck_assert_str_eq(kit_last(&k, DS_MSG_RECEIVER_START)->text, "state/log/s");
    kit_close(&k);
}
END_TEST

START_TEST(without_a_log_what_is_there_is_taken_all_the_same)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(", 'log': false"));
    kit_start_with(&k, 1);
    const ds_block blocks[] = {block_of(3, 1, 1)};
    const ds_logged_blocks found = {.blocks = blocks, .n_blocks = 1, .last_receiver = 3};
    kit_logged(&k, 0, &found);
    ck_assert_str_eq(kit_last(&k, DS_MSG_RECEIVER_START)->text, "");
    ck_assert_int_eq(pass(&k)->task.inputs[0].kind, DS_INPUT_LOG);
    kit_close(&k);
}
END_TEST

/* Once it could be read what is in the way passes: descriptors are short, a disk stumbles. */
START_TEST(a_log_that_could_be_read_is_read_again)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    run_logged(&k);
    kit_lose(&k, 1);
    kit_wait_ms(&k, 200);
    kit_join(&k, 2);
    const uint32_t starts = kit_count(&k, DS_MSG_RECEIVER_START);
    for (int i = 0; i < 3; i++) {
        const uint32_t scans = k.n_scans;
        kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_LOGGED,
                                       .logged = &nothing,
                                       .status = DS_ERR_IO,
                                       .text = "it hurts"});
        ck_assert(!k.ended);
        kit_wait_ms(&k, 500);
        ck_assert_uint_eq(k.n_scans, scans + 1);
        ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_START), starts);
    }
    kit_logged(&k, 0, &nothing);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_START), starts + 1);
    kit_close(&k);
}
END_TEST

START_TEST(a_log_that_cannot_be_read_ends_the_app)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    kit_start_with(&k, 1);
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_LOGGED,
                                   .logged = &nothing,
                                   .status = DS_ERR_IO,
                                   .text = "it hurts"});
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_IO);
    ck_assert_str_eq(k.message, "source s: its log cannot be read: it hurts");
    kit_close(&k);
}
END_TEST

START_TEST(what_is_found_comes_first)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    kit_start_with(&k, 1);
    ds_block blocks[] = {block_of(3, 1, 1), block_of(3, 2, 2), block_of(4, 1, 1)};
    blocks[1].length = 0; /* only counters */
    blocks[1].too_long = 7;
    const ds_logged_blocks found = {.blocks = blocks, .n_blocks = 3, .last_receiver = 4};
    kit_logged(&k, 0, &found);
    kit_receiver(&k, 1, 5, DS_RECEIVER_RUNNING, DS_OK);
    kit_block(&k, 1, 5, block_of(5, 1, 1));
    const kit_sent *task = pass(&k);
    ck_assert_uint_eq(task->task.n_inputs, 3);
    static const char *const paths[] = {"state/log/s/0000000003-000001.log",
                                        "state/log/s/0000000004-000001.log",
                                        "state/log/s/0000000005-000001.log"};
    for (uint32_t i = 0; i < 3; i++) {
        const ds_input *input = &task->task.inputs[i];
        ck_assert_int_eq(input->kind, i < 2 ? DS_INPUT_LOG : DS_INPUT_BLOCK);
        ck_assert_uint_eq(input->ref.executor_id, i < 2 ? 0 : 1);
        ck_assert_uint_eq(input->ref.length, 100);
        ck_assert_uint_eq(input->position, 5 * i);
        ck_assert_str_eq(input->path, paths[i]);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->bad_total, 7);
    commit(&k, task);
    const kit_sent *release = kit_last(&k, DS_MSG_RELEASE);
    ck_assert_uint_eq(release->n_blocks, 1); /* of the store, there is only the one */
    ck_assert_uint_eq(release->blocks[0].receiver_id, 5);
    kit_close(&k);
}
END_TEST

START_TEST(places_go_up)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    uint64_t id = run_logged(&k);
    kit_block(&k, 1, id, block_of(id, 1, 3));
    kit_block(&k, 1, id, block_of(id + 1, 1, 4)); /* another receiver's */
    ds_block back = block_of(id, 1, 5);
    back.log.offset = 40;
    kit_block(&k, 1, id, back);
    ck_assert_uint_eq(pass(&k)->task.n_inputs, 1);
    kit_close(&k);
}
END_TEST

/* A receiver is lost: what it wrote and did not report is found, what it reported is read from
 * the log if its store is gone, and only then the next one starts. */
static void check_loss(bool no_stores)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    k.no_stores = no_stores;
    k.fetches = true;
    uint64_t id = run_logged(&k);
    kit_block(&k, 1, id, block_of(id, 1, 1));
    uint32_t n_starts = kit_count(&k, DS_MSG_RECEIVER_START);
    kit_lose(&k, 1);
    ck_assert_uint_eq(k.n_scans, 2);
    ck_assert_uint_eq(k.scans[1].place.receiver_id, id);
    ck_assert_uint_eq(k.scans[1].place.offset, 32 + 164);
    kit_wait_ms(&k, 200);
    kit_join(&k, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_START), n_starts);
    const ds_block blocks[] = {block_of(id, 1, 1), block_of(id, 1, 2)};
    const ds_logged_blocks found = {.blocks = blocks, .n_blocks = 2, .last_receiver = id};
    kit_logged(&k, 0, &found);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_START), n_starts + 1);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->number, id + 1);
    kit_wait_ms(&k, 800);
    kit_journaled(&k, k.n_journal - 1, DS_OK);
    const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
    ck_assert_uint_eq(task->task.n_inputs, 2);
    ck_assert_int_eq(task->task.inputs[0].kind, no_stores ? DS_INPUT_LOG : DS_INPUT_BLOCK);
    ck_assert_int_eq(task->task.inputs[1].kind, DS_INPUT_LOG);
    ck_assert_uint_eq(task->task.inputs[1].position, 5);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->blocks_lost, 0);
    kit_close(&k);
}

START_TEST(a_receiver_is_lost)
{
    check_loss(false);
    check_loss(true);
}
END_TEST

/* The same when a batch has the block already. */
START_TEST(blocks_of_a_batch_are_gone)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    k.no_stores = k.fetches = true;
    uint64_t id = run_logged(&k);
    kit_block(&k, 1, id, block_of(id, 1, 1));
    const kit_sent *task = pass(&k);
    ck_assert_int_eq(task->task.inputs[0].kind, DS_INPUT_BLOCK);
    kit_lose(&k, 1);
    kit_wait_ms(&k, 200);
    kit_join(&k, 2);
    const kit_sent *again = kit_last(&k, DS_MSG_TASKS);
    ck_assert_uint_eq(again->task.attempt, 1);
    ck_assert_uint_eq(again->task.n_inputs, 1);
    ck_assert_int_eq(again->task.inputs[0].kind, DS_INPUT_LOG);
    ck_assert_uint_eq(again->task.inputs[0].ref.length, 100);
    ck_assert_uint_eq(again->task.inputs[0].ref.executor_id, 0);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->records_lost, 0);
    kit_close(&k);
}
END_TEST

/* What is damaged in the log, or gone from it, is counted as that. */
START_TEST(what_the_log_lacks_is_counted)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    kit_start_with(&k, 1);
    const ds_block blocks[] = {block_of(1, 1, 5)};
    const ds_logged_blocks found = {.blocks = blocks,
                                    .n_blocks = 1,
                                    .last_receiver = 1,
                                    .damaged = {3, 10, 250},
                                    .unknown = 1,
                                    .missing = 2};
    kit_logged(&k, 0, &found);
    uint64_t id = kit_last(&k, DS_MSG_RECEIVER_START)->number;
    kit_receiver(&k, 1, id, DS_RECEIVER_RUNNING, DS_OK);
    const kit_sent *task = pass(&k);
    ds_task_result result = {.batch_ms = task->task.batch_ms,
                             .plan_id = task->task.plan_id,
                             .stage = task->task.stage,
                             .partition = task->task.partition,
                             .message = "",
                             .damaged = {1, 5, 100},
                             .missing = {1, 4, 80}};
    ds_message message = {.type = DS_MSG_TASK_RESULTS, .task_results = {&result, 1}};
    kit_message(&k, task->peer, message);
    const ds_progress *p = ds_driver_progress(k.driver);
    ck_assert_uint_eq(p->lost[DS_LOST_DAMAGED].blocks, 4);
    ck_assert_uint_eq(p->lost[DS_LOST_DAMAGED].records, 15);
    ck_assert_uint_eq(p->lost[DS_LOST_DAMAGED].bytes, 350);
    ck_assert_uint_eq(p->unknown_lost[DS_LOST_DAMAGED], 1);
    ck_assert_uint_eq(p->lost[DS_LOST_MISSING].blocks, 3);
    ck_assert_uint_eq(p->lost[DS_LOST_MISSING].records, 4);
    ck_assert_uint_eq(p->unknown_lost[DS_LOST_MISSING], 2);
    ck_assert_uint_eq(p->lost[DS_LOST_WITH_EXECUTORS].blocks, 0);
    ck_assert_uint_eq(p->blocks_lost, 7);
    ck_assert_uint_eq(p->records_lost, 19);
    ck_assert_uint_eq(p->bytes_lost, 430);
    kit_close(&k);
}
END_TEST

START_TEST(a_stop_waits_for_what_is_found)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    uint64_t id = run_logged(&k);
    kit_lose(&k, 1);
    kit_wait_ms(&k, 200);
    kit_join(&k, 2);
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    const ds_block blocks[] = {block_of(id, 1, 1)};
    const ds_logged_blocks found = {.blocks = blocks, .n_blocks = 1, .last_receiver = id};
    kit_logged(&k, 0, &found);
    kit_settle(&k);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    ck_assert(k.ended);
    kit_close(&k);
}
END_TEST

/* ---- segments ---- */

START_TEST(segments_go_when_the_journal_says_so)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    uint64_t id = run_logged(&k);
    kit_block(&k, 1, id, block_of(id, 1, 1));
    const kit_sent *first = pass(&k);
    kit_block(&k, 1, id, block_of(id, 2, 2));
    commit(&k, first);
    ck_assert_uint_eq(k.n_trims, 0); /* a restart would run it again */
    kit_journaled(&k, k.n_journal - 1, DS_OK);
    ck_assert_uint_eq(k.n_trims, 1);
    ck_assert_str_eq(k.trims[0].folder, "state/log/s");
    ck_assert_uint_eq(k.trims[0].place.receiver_id, id);
    ck_assert_uint_eq(k.trims[0].place.segment, 2); /* a block of it waits */
    const kit_sent *second = pass(&k);
    kit_block(&k, 1, id, block_of(id, 2, 3));
    commit(&k, second);
    kit_journaled(&k, k.n_journal - 1, DS_OK);
    ck_assert_uint_eq(k.n_trims, 1); /* it is still written to */
    kit_close(&k);
}
END_TEST

START_TEST(a_segment_stays_for_the_oldest_batch)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    uint64_t id = run_logged(&k);
    kit_block(&k, 1, id, block_of(id, 1, 1));
    kit_block(&k, 1, id, block_of(id, 2, 2));
    const kit_sent *first = pass(&k);
    kit_block(&k, 1, id, block_of(id, 3, 3));
    pass(&k);
    ck_assert_uint_eq(k.n_trims, 0);
    commit(&k, first);
    kit_settle_from(&k, k.n_sent);
    ck_assert_uint_eq(k.n_trims, 1);
    ck_assert_uint_eq(k.trims[0].place.segment, 3);
    kit_close(&k);
}
END_TEST

/* A disk that is full of what nobody needs any more: it goes, though nothing comes behind it. */
START_TEST(a_closed_segment_goes)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    uint64_t id = run_logged(&k);
    kit_block(&k, 1, id, block_of(id, 1, 1));
    const kit_sent *first = pass(&k);
    kit_receiver(&k, 1, id, DS_RECEIVER_RETRYING, DS_ERR_UNAVAILABLE); /* something else */
    kit_receiver(&k, 1, id, DS_RECEIVER_RETRYING, DS_ERR_IO);
    commit(&k, first);
    ck_assert_uint_eq(k.trims[k.n_trims - 1].place.segment, 1); /* the batch needs it */
    kit_journaled(&k, k.n_journal - 1, DS_OK);
    uint32_t n = k.n_trims;
    ck_assert_uint_eq(k.trims[n - 1].place.receiver_id, id);
    ck_assert_uint_eq(k.trims[n - 1].place.segment, 2);
    /* It goes on in the next one; when that is closed later, all is in the journal already. */
    kit_receiver(&k, 1, id, DS_RECEIVER_RUNNING, DS_OK);
    kit_block(&k, 1, id, block_of(id, 2, 2));
    const kit_sent *second = pass(&k);
    commit(&k, second);
    kit_journaled(&k, k.n_journal - 1, DS_OK);
    ck_assert_uint_eq(k.n_trims, n);
    kit_receiver(&k, 1, id, DS_RECEIVER_RETRYING, DS_ERR_IO);
    ck_assert_uint_eq(k.n_trims, n + 1);
    ck_assert_uint_eq(k.trims[n].place.segment, 3);
    kit_close(&k);
}
END_TEST

/* ---- after a restart ---- */

START_TEST(a_restart_goes_on_behind_what_batches_had)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    uint64_t id = run_logged(&k);
    kit_block(&k, 1, id, block_of(id, 1, 1));
    kit_block(&k, 1, id, block_of(id, 1, 2));
    pass(&k);
    ds_error error;
    ds_recovered *recovered = kit_recovered(&k, k.n_journal, k.p.plan);
    ck_assert_int_eq(ds_recovered_check(recovered, k.p.plan, "state", &error), DS_OK);
    kit_close(&k);
    open_logged(&k, LOGGED_APP(""));
    k.config.recovered = recovered;
    k.wall_ms += 5000;
    kit_start_with(&k, 1);
    ck_assert_uint_eq(k.scans[0].place.receiver_id, id);
    ck_assert_uint_eq(k.scans[0].place.offset, 32 + 2 * 164);
    const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
    ck_assert_int_eq(task->task.batch_ms, KIT_ZERO + 1000);
    ck_assert_uint_eq(task->task.n_inputs, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const ds_input *input = &task->task.inputs[i];
        ck_assert_int_eq(input->kind, DS_INPUT_LOG);
        ck_assert_str_eq(input->path, "state/log/s/0000000001-000001.log");
        ck_assert_uint_eq(input->log.offset, 32 + 164 * (i + 1));
        ck_assert_uint_eq(input->position, 5 * i);
        ck_assert_uint_eq(input->to, 5 * i + 5);
    }
    kit_logged(&k, 0, &nothing); /* all segments are gone: numbers go on all the same */
    ck_assert_uint_eq(kit_last(&k, DS_MSG_RECEIVER_START)->number, id + 1);
    kit_receiver(&k, 1, id + 1, DS_RECEIVER_RUNNING, DS_OK);
    kit_block(&k, 1, id + 1, block_of(id + 1, 1, 1));
    kit_settle(&k);
    for (int i = 0; i < 6 && kit_last(&k, DS_MSG_TASKS)->task.n_inputs != 1; i++)
        pass(&k);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TASKS)->task.inputs[0].position, 10);
    kit_close(&k);
    ds_recovered_free(recovered);
}
END_TEST

/* The folder is away: nothing is known of what is in it, so nothing is received before it is back.
 */
START_TEST(a_log_that_is_away_is_waited_for)
{
    driver_kit k;
    open_logged(&k, LOGGED_APP(""));
    kit_start_with(&k, 1);
    const ds_driver_event away = {.kind = DS_DRIVER_LOGGED,
                                  .status = DS_ERR_UNAVAILABLE,
                                  .logged = &nothing,
                                  .text = "it was removed"};
    for (int i = 0; i < 3; i++) {
        kit_step(&k, away);
        ck_assert_ptr_null(kit_last(&k, DS_MSG_RECEIVER_START));
        ck_assert(!k.ended);
        ck_assert_int_gt(kit_wants_ms(&k), 0);
        uint32_t scans = k.n_scans;
        kit_wait_ms(&k, 499);
        ck_assert_uint_eq(k.n_scans, scans);
        kit_wait_ms(&k, 1);
        ck_assert_uint_eq(k.n_scans, scans + 1);
    }
    kit_logged(&k, 0, &nothing);
    ck_assert_ptr_nonnull(kit_last(&k, DS_MSG_RECEIVER_START));
    kit_close(&k);
}
END_TEST

/* An executor that does not see the folder, in a container for example, receives nothing. */
START_TEST(a_log_that_one_does_not_see)
{
    driver_kit k;
    open_logged(&k, "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                    "'executors': { 'count': 2 }, 'checkpoint': { 'dir': 'state' }, 'sources': {"
                    "'s': { 'type': 'socket', 'connect': '127.0.0.1:9' } },"
                    "'sinks': { 'o': { 'from': 's', 'type': 'file', 'dir': 'out' } } }");
    kit_start_with(&k, 2);
    kit_logged(&k, 0, &nothing);
    for (uint64_t blind = 1; blind <= 2; blind++) { /* the other one; then whoever is there */
        const kit_sent *start = kit_last(&k, DS_MSG_RECEIVER_START);
        ck_assert_uint_eq(start->peer, kit_peer(blind));
        kit_receiver(&k, blind, start->number, DS_RECEIVER_FAILED, DS_ERR_NO_INPUT);
        ck_assert(!k.ended);
        kit_wait_ms(&k, 1000);
        ck_assert_uint_eq(kit_count(&k, DS_MSG_RECEIVER_START), blind + 1);
    }
    kit_receiver(&k, 1, kit_last(&k, DS_MSG_RECEIVER_START)->number, DS_RECEIVER_RUNNING, DS_OK);
    ck_assert(!k.ended);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_log", receivers_start_when_the_log_was_looked_through,
          without_a_log_what_is_there_is_taken_all_the_same, a_log_that_could_be_read_is_read_again,
          a_log_that_cannot_be_read_ends_the_app, what_is_found_comes_first, places_go_up,
          a_receiver_is_lost, blocks_of_a_batch_are_gone, what_the_log_lacks_is_counted,
          a_stop_waits_for_what_is_found, segments_go_when_the_journal_says_so,
          a_segment_stays_for_the_oldest_batch, a_closed_segment_goes,
          a_restart_goes_on_behind_what_batches_had, a_log_that_is_away_is_waited_for,
          a_log_that_one_does_not_see)
