/* Key partitions whose owner is lost: what they begin with, what is applied again, and in order. */
#include "unit/saves_kit.h"

/* Answers the map task of a batch and none of its keyed tasks. */
static void run_map(driver_kit *k, int64_t batch_ms)
{
    kit_journal_all(k);
    kit_done_for(k, kit_task(k, batch_ms, 0, 0), 1);
}

static void save_all(driver_kit *k, int64_t batch_ms)
{
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        kit_save(k, saves_task(k, batch_ms, p));
}

static void open_app(driver_kit *k, const char *every)
{
    saves_open(k, every);
    kit_start_with(k, 2);
}

/* Two batches, and what is kept is saved as it stands then. */
static void open_saved(driver_kit *k)
{
    open_app(k, "2s");
    saves_batch(k, 1000);
    saves_batch(k, 2000);
    save_all(k, 2000);
}

/* The executor that owns partition 0 is lost. Returns it. */
static uint64_t lose_owner(driver_kit *k)
{
    uint64_t owner = saves_owner(k, 1000, 0);
    kit_lose(k, owner);
    return owner;
}

/* Two batches, the second one not committed; then the third one goes on where they were. */
START_TEST(what_was_applied_is_applied_again)
{
    driver_kit k;
    open_app(&k, "1h");
    saves_batch(&k, 1000);
    saves_run(&k, 2000);
    uint64_t lost = lose_owner(&k);
    const kit_sent *replay = saves_replay(&k, 0);
    ck_assert_ptr_nonnull(replay);
    ck_assert_uint_ne(replay->peer, kit_peer(lost));
    ck_assert_int_eq(replay->task.batch_ms, 1000); /* the retained one first */
    ck_assert_int_eq(replay->task.keyed_ms, DS_NO_BATCH);
    ck_assert_uint_eq(replay->task.n_saved, 0); /* there is no save */
    ck_assert_uint_eq(replay->task.n_inputs, 1);
    ck_assert_uint_eq(saves_count_replays(&k), 2); /* of its two partitions, one at a time */
    kit_done(&k, replay);
    replay = saves_replay(&k, 0);
    ck_assert_int_eq(replay->task.batch_ms, 2000);
    ck_assert_int_eq(replay->task.keyed_ms, 1000);
    ck_assert_ptr_null(saves_task(&k, 3000, 0)); /* it waits */
    kit_done(&k, replay);
    for (uint32_t p = 1; p < SAVES_PARTITIONS; p++)
        for (int i = 0; i < 2 && saves_replay(&k, p) != NULL; i++)
            kit_done(&k, saves_replay(&k, p));
    run_map(&k, 3000);
    ck_assert_int_eq(saves_task(&k, 3000, 0)->task.keyed_ms, 2000);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    kit_close(&k);
}
END_TEST

START_TEST(others_do_not_wait)
{
    driver_kit k;
    open_app(&k, "1h");
    saves_batch(&k, 1000);
    run_map(&k, 2000);
    uint64_t lost = lose_owner(&k);
    uint32_t went_on = 0;
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        if (saves_owner(&k, 1000, p) != lost) {
            kit_done(&k, saves_task(&k, 2000, p));
            went_on++;
        }
    ck_assert_uint_eq(went_on, 2);
    ck_assert_uint_eq(k.n_commits, 1);
    kit_close(&k);
}
END_TEST

START_TEST(it_begins_with_what_was_saved)
{
    driver_kit k;
    open_saved(&k);
    saves_batch(&k, 3000);
    lose_owner(&k);
    const kit_sent *replay = saves_replay(&k, 0);
    ck_assert_int_eq(replay->task.batch_ms, 3000); /* the others are not needed any more */
    ck_assert_int_eq(replay->task.keyed_ms, 2000);
    ck_assert_uint_eq(replay->task.n_saved, 1);
    ck_assert(replay->task.saved[0].whole);
    ck_assert_uint_eq(replay->task.saved[0].length, 100);
    kit_fail(&k, replay, DS_ERR_UNAVAILABLE); /* it is tried again, with the same */
    kit_wait_ms(&k, 10000);
    const kit_sent *again = saves_replay(&k, 0);
    ck_assert_uint_gt(again->task.attempt, replay->task.attempt);
    ck_assert_uint_eq(again->task.n_saved, 1);
    kit_done(&k, again);
    run_map(&k, 4000);
    ck_assert_uint_eq(saves_task(&k, 4000, 0)->task.n_saved, 0); /* it has it now */
    kit_close(&k);
}
END_TEST

/* With no batch since then the first task brings the chain. */
START_TEST(a_chain_without_replays)
{
    driver_kit k;
    open_saved(&k);
    lose_owner(&k);
    ck_assert_uint_eq(saves_count_replays(&k), 0);
    run_map(&k, 3000);
    ck_assert_uint_eq(saves_task(&k, 3000, 0)->task.n_saved, 1);
    ck_assert_int_eq(saves_task(&k, 3000, 0)->task.keyed_ms, 2000);
    kit_close(&k);
}
END_TEST

START_TEST(its_new_owner_is_lost_too)
{
    driver_kit k;
    open_app(&k, "1h");
    saves_batch(&k, 1000);
    saves_batch(&k, 2000);
    lose_owner(&k);
    kit_done(&k, saves_replay(&k, 0));
    uint64_t second = saves_replay(&k, 0)->peer - 100;
    kit_lose(&k, second);
    kit_wait_ms(&k, 1000);
    kit_join(&k, 3);
    kit_join(&k, 4);
    ck_assert_int_eq(saves_replay(&k, 0)->task.batch_ms, 1000); /* from the beginning */
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
    kit_close(&k);
}
END_TEST

/* A partition that moves while it is saved is saved by its new owner. */
START_TEST(a_save_goes_on_elsewhere)
{
    driver_kit k;
    open_app(&k, "2s");
    saves_batch(&k, 1000);
    saves_batch(&k, 2000);
    uint64_t lost = saves_owner(&k, 1000, 0);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        if (saves_owner(&k, 2000, p) != lost)
            kit_save(&k, saves_task(&k, 2000, p));
    kit_lose(&k, lost);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++) {
        if (saves_owner(&k, 2000, p) != lost)
            continue;
        ck_assert_uint_eq(saves_replay(&k, p)->task.save, 0);
        kit_done(&k, saves_replay(&k, p));
        const kit_sent *replay = saves_replay(&k, p);
        ck_assert_int_eq(replay->task.batch_ms, 2000);
        ck_assert_uint_eq(replay->task.save, 1);
        kit_done(&k, replay);
        kit_save(&k, replay);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1);
    kit_close(&k);
}
END_TEST

/* A save that is whole while a batch that it covers is being applied again: the partition begins
 * with it, once that is over. */
START_TEST(a_save_overtakes_a_replay)
{
    driver_kit k;
    open_app(&k, "2s");
    saves_batch(&k, 1000);
    saves_batch(&k, 2000);
    uint32_t last = 0;
    uint64_t lost = saves_owner(&k, 1000, 0);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        if (saves_owner(&k, 2000, p) != lost)
            last = p;
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        if (p != last)
            kit_save(&k, saves_task(&k, 2000, p));
    kit_lose(&k, lost);
    const kit_sent *replay = saves_replay(&k, 0);
    ck_assert_int_eq(replay->task.batch_ms, 1000);
    kit_save(&k, saves_task(&k, 2000, last)); /* the last part */
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1 - 1);
    /* Nothing more is begun of what will be gone. */
    uint32_t n = saves_count_replays(&k);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        if (saves_replay(&k, p) != NULL)
            kit_done(&k, saves_replay(&k, p));
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1);
    ck_assert_uint_eq(saves_count_replays(&k), n);
    run_map(&k, 3000);
    ck_assert_int_eq(saves_task(&k, 3000, 0)->task.keyed_ms, 2000);
    ck_assert_uint_eq(saves_task(&k, 3000, 0)->task.n_saved, 1);
    kit_close(&k);
}
END_TEST

/* ---- partitions that are not where they should be ---- */

START_TEST(an_executor_does_not_have_it)
{
    driver_kit k;
    open_saved(&k);
    run_map(&k, 3000);
    kit_fail(&k, saves_task(&k, 3000, 0), DS_ERR_LOST);
    const kit_sent *again = saves_task(&k, 3000, 0);
    ck_assert_uint_eq(again->task.attempt, 1);
    ck_assert_uint_eq(again->task.n_saved, 1);
    ck_assert_int_eq(again->task.keyed_ms, 2000);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
    kit_settle(&k);
    ck_assert_int_eq(k.status, DS_OK);
    kit_close(&k);
}
END_TEST

/* ---- chains that cannot be loaded ---- */

/* The task of the third batch that has partition 0 load its chain fails as often as it comes, for
 * so long; all others are still out. Returns how often that was. */
static uint32_t fail_for(driver_kit *k, ds_status status, int64_t ms)
{
    uint32_t n = 0;
    const int64_t until_us = k->now_us + ms * 1000;
    while (k->now_us < until_us && !k->ended) {
        const kit_sent *task = saves_task(k, 3000, 0);
        if (task->task.n_saved == 0)
            break;
        kit_fail(k, task, status);
        n++;
        while (saves_task(k, 3000, 0) == task && k->now_us < until_us && !k->ended)
            kit_wait_ms(k, 10);
    }
    return n;
}

/* Partition 0 was saved, is not with its owner any more, and the third batch is there. */
static void open_unloaded(driver_kit *k, bool checkpoint)
{
    saves_open(k, "2s");
    k->config.checkpoint = checkpoint;
    k->config.kept_folder = checkpoint ? "kept" : NULL;
    kit_start_with(k, 2);
    saves_batch(k, 1000);
    saves_batch(k, 2000);
    save_all(k, 2000);
    kit_journal_all(k);
    run_map(k, 3000);
    kit_fail(k, saves_task(k, 3000, 0), DS_ERR_LOST);
    ck_assert_uint_eq(saves_task(k, 3000, 0)->task.n_saved, 1);
}

START_TEST(a_chain_that_cannot_be_read_for_long)
{
    driver_kit k;
    open_unloaded(&k, true);
    uint32_t n = fail_for(&k, DS_ERR_NO_INPUT, 600000);
    ck_assert(!k.ended);
    ck_assert_uint_ge(n, 300); /* it is tried every two seconds, */
    ck_assert_uint_le(n, 320); /* and more often only in the beginning */
    kit_settle(&k);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
    kit_close(&k);
}
END_TEST

/* At first it is tried where it is; then by the other one, which can, and gets what is next. */
START_TEST(an_owner_that_cannot_read)
{
    driver_kit k;
    open_unloaded(&k, true);
    uint64_t owner = saves_task(&k, 3000, 0)->peer;
    fail_for(&k, DS_ERR_NO_INPUT, 900);
    ck_assert_uint_eq(saves_task(&k, 3000, 0)->peer, owner);
    while (saves_task(&k, 3000, 0)->peer == owner && !k.ended)
        fail_for(&k, DS_ERR_NO_INPUT, 100);
    ck_assert_uint_eq(saves_task(&k, 3000, 0)->task.n_saved, 1);
    ck_assert_int_eq(saves_task(&k, 3000, 0)->task.keyed_ms, 2000);
    kit_settle(&k);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
    kit_close(&k);
}
END_TEST

/* With a checkpoint nothing begins anew. */
START_TEST(a_chain_that_is_damaged)
{
    driver_kit k;
    open_unloaded(&k, true);
    uint32_t n = fail_for(&k, DS_ERR_LOST, 9900);
    ck_assert_uint_ge(n, 10);
    ck_assert(!k.ended);
    fail_for(&k, DS_ERR_NO_INPUT, 2500); /* that says nothing about it */
    fail_for(&k, DS_ERR_LOST, 9900);
    ck_assert(!k.ended);
    fail_for(&k, DS_ERR_LOST, 5000);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.message, "put it back"));
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
    kit_close(&k);
}
END_TEST

START_TEST(a_chain_that_is_of_no_use)
{
    driver_kit k;
    open_unloaded(&k, false);
    fail_for(&k, DS_ERR_LOST, 20000);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 1);
    ck_assert_int_eq(saves_task(&k, 3000, 0)->task.keyed_ms, DS_NO_BATCH);
    ck_assert_uint_eq(saves_task(&k, 3000, 0)->task.n_saved, 0);
    kit_settle(&k);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 1);
    kit_close(&k);
}
END_TEST

START_TEST(a_replay_that_never_succeeds)
{
    driver_kit k;
    open_app(&k, "1h");
    saves_batch(&k, 1000);
    lose_owner(&k);
    for (int i = 0; i < 4 && !k.ended; i++) {
        kit_fail(&k, saves_replay(&k, 0), DS_ERR_INTERNAL);
        kit_wait_ms(&k, 20000);
        kit_beat(&k, 1);
        kit_beat(&k, 2);
    }
    ck_assert(k.ended); /* nothing is passed over */
    ck_assert_int_eq(k.status, DS_ERR_INTERNAL);
    kit_close(&k);
}
END_TEST

/* A batch is given up while it is applied again to one partition: executors drop what comes of a
 * batch that they are told to forget, so they are not told before. */
START_TEST(a_replay_of_a_batch_that_is_given_up)
{
    driver_kit k;
    open_app(&k, "1h");
    run_map(&k, 1000);
    kit_done(&k, saves_task(&k, 1000, 0));
    uint64_t lost = lose_owner(&k), left = 3 - lost;
    const kit_sent *replay = saves_replay(&k, 0);
    ck_assert_ptr_nonnull(replay);
    uint32_t bad = 1;
    while (saves_owner(&k, 1000, bad) != left)
        bad++;
    for (int i = 0; i < 4; i++) {
        kit_fail(&k, saves_task(&k, 1000, bad), DS_ERR_INTERNAL);
        kit_wait_ms(&k, 2000);
        kit_beat(&k, left);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 1);
    for (uint32_t p = 1; p < SAVES_PARTITIONS; p++)
        if (p != bad)
            kit_done(&k, saves_task(&k, 1000, p));
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 0);
    kit_done(&k, replay);
    ck_assert_uint_gt(kit_count(&k, DS_MSG_RELEASE), 0);
    saves_run(&k, 2000); /* all partitions go on */
    kit_close(&k);
}
END_TEST

/* ---- executors that cannot write ---- */

/* One from outside owns partition 0, and the task of the third batch fails there for so long.
 * Others fail as often, or not. */
static void fail_outside(driver_kit *k, bool others, int64_t ms)
{
    saves_open(k, "1h");
    k->config.external_executors = true;
    kit_start_with(k, 2);
    saves_batch(k, 1000);
    kit_message(k, kit_peer(3), kit_hello(k, 0));
    kit_ready(k, 3);
    lose_owner(k);
    kit_done(k, saves_replay(k, 0));
    run_map(k, 2000);
    ck_assert_uint_eq(saves_owner(k, 2000, 0), 3);
    const int64_t until_us = k->now_us + ms * 1000;
    while (k->now_us < until_us && kit_count(k, DS_MSG_REJECT) == 0) {
        for (uint32_t p = 0; p < (others ? SAVES_PARTITIONS : 1); p++)
            if (saves_task(k, 2000, p) != NULL)
                kit_fail(k, saves_task(k, 2000, p), DS_ERR_IO);
        kit_wait_ms(k, 100);
    }
}

START_TEST(one_from_outside_that_cannot_write)
{
    driver_kit k;
    fail_outside(&k, false, 20000);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REJECT), 1);
    ck_assert_str_eq(kit_last(&k, DS_MSG_REJECT)->text,
                     "its tasks fail, and those of others do not: so");
    ck_assert_uint_eq(kit_last(&k, DS_MSG_REJECT)->peer, kit_peer(3));
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors_lost, 2);
    ck_assert_uint_eq(saves_owner(&k, 2000, 0), 3);
    kit_done(&k, saves_replay(&k, 0));
    ck_assert_uint_ne(saves_owner(&k, 2000, 0), 3); /* at once */
    kit_settle(&k);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
    kit_close(&k);
}
END_TEST

START_TEST(a_disk_that_is_full_for_all)
{
    driver_kit k;
    fail_outside(&k, true, 60000);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_REJECT), 0);
    ck_assert_uint_eq(saves_owner(&k, 2000, 0), 3);
    kit_settle(&k);
    ck_assert_int_eq(k.status, DS_OK);
    kit_close(&k);
}
END_TEST

/* ---- stores that nobody holds ---- */

static void open_copied(driver_kit *k, const char *every)
{
    saves_open(k, every);
    k->no_stores = k->fetches = true;
    kit_start_with(k, 2);
}

/* Pieces are made anew from the inputs, and then applied again. */
START_TEST(pieces_that_are_gone)
{
    driver_kit k;
    open_copied(&k, "1h");
    uint64_t mapper = kit_task(&k, 1000, 0, 0)->peer - 100;
    saves_batch(&k, 1000);
    uint32_t from = k.n_sent;
    kit_lose(&k, mapper);
    const kit_sent *again = kit_task(&k, 1000, 0, 0);
    ck_assert_ptr_nonnull(again);
    ck_assert(again >= &k.sent[from]);
    ck_assert_uint_eq(again->task.mode, DS_TASK_MUTED);
    ck_assert_uint_eq(again->task.attempt, 1);
    ck_assert_uint_eq(saves_count_replays(&k), 0); /* they wait for it */
    kit_done_for(&k, again, 1);
    ck_assert_uint_eq(saves_count_replays(&k), 2);
    ck_assert_uint_eq(saves_replay(&k, 0) != NULL
                          ? saves_replay(&k, 0)->task.inputs[0].ref.executor_id
                          : again->peer - 100,
                      again->peer - 100);
    kit_settle_from(&k, from);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
    kit_close(&k);
}
END_TEST

/* So are their inputs: what windows and state lack from now on is counted, each byte once. */
START_TEST(pieces_and_inputs_that_are_gone)
{
    driver_kit k;
    open_copied(&k, "1h");
    const ds_progress *p = ds_driver_progress(k.driver);
    const kit_sent *map = kit_task(&k, 1000, 0, 0);
    saves_batch(&k, 1000);
    static const uint64_t gone[] = {0, 20, 20, 50};
    for (uint64_t i = 0; i < 4; i++) {
        uint32_t from = k.n_sent;
        kit_lose(&k, map->peer - 100);
        kit_wait_ms(&k, 10000);
        kit_join(&k, 3 + i);
        map = kit_task(&k, 1000, 0, 0);
        ck_assert(map >= &k.sent[from]);
        k.lost_bytes = gone[i];
        k.missing = (ds_loss){gone[i] / 20, gone[i], 2 * gone[i]};
        kit_done_for(&k, map, 1);
        k.lost_bytes = 0;
        k.missing = (ds_loss){0};
        ck_assert_uint_eq(p->bytes_lost, 3 * gone[i]);
        ck_assert_uint_eq(p->sources[0].lost_bytes, gone[i]);
        ck_assert_uint_eq(p->blocks_lost, gone[i] / 20);
        ck_assert_uint_eq(p->records_lost, gone[i]);
        ck_assert_uint_eq(p->lost[DS_LOST_MISSING].blocks, gone[i] / 20);
    }
    ck_assert_uint_eq(p->panes_lost, 0);
    kit_close(&k);
}
END_TEST

/* While the disk is at work with the batch (nobody reads the console, say) its tasks stay as they
 * are, and what needs its pieces waits. */
START_TEST(pieces_that_are_gone_while_it_commits)
{
    for (int fails = 0; fails < 2; fails++) {
        driver_kit k;
        open_copied(&k, "1h");
        uint64_t mapper = kit_task(&k, 1000, 0, 0)->peer - 100;
        saves_run(&k, 1000);
        ck_assert_uint_eq(k.n_commits, 1);
        uint32_t from = k.n_sent;
        kit_lose(&k, mapper);
        kit_wait_ms(&k, 60000);
        ck_assert_uint_eq(saves_count_replays(&k), 0);
        ck_assert(kit_task(&k, 1000, 0, 0) < &k.sent[from]);
        kit_committed(&k, fails ? DS_ERR_IO : DS_OK);
        const kit_sent *again = kit_task(&k, 1000, 0, 0);
        ck_assert(again >= &k.sent[from]);
        kit_done_for(&k, again, 1);
        ck_assert_uint_eq(saves_count_replays(&k), 2);
        kit_settle_from(&k, from);
        ck_assert(k.ended);
        ck_assert_int_eq(k.status, DS_OK);
        ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
        kit_close(&k);
    }
}
END_TEST

/* Answers the map task of batch 1, and the replays that come of it. Returns who ran it. */
static uint64_t map_again(driver_kit *k)
{
    uint32_t from = k->n_sent, n = 0;
    const kit_sent *map = kit_task(k, 1000, 0, 0);
    uint64_t mapper = map->peer - 100;
    kit_done_for(k, map, 1);
    for (uint32_t i = from; i < k->n_sent; i++) {
        if (k->sent[i].type != DS_MSG_TASKS || k->sent[i].task.mode != DS_TASK_REPLAY)
            continue;
        ck_assert_uint_eq(k->sent[i].task.inputs[0].ref.executor_id, mapper);
        kit_done(k, &k->sent[i]);
        n++;
    }
    ck_assert_uint_gt(n, 0);
    return mapper;
}

/* The last keyed tasks end while the pieces are made anew; later these are gone, too. */
START_TEST(pieces_that_are_gone_twice)
{
    driver_kit k;
    open_copied(&k, "1h");
    kit_journal_all(&k);
    uint64_t mapper = kit_task(&k, 1000, 0, 0)->peer - 100;
    kit_done_for(&k, kit_task(&k, 1000, 0, 0), 1);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        if (saves_owner(&k, 1000, p) == mapper)
            kit_done(&k, saves_task(&k, 1000, p));
    kit_lose(&k, mapper);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        if (saves_owner(&k, 1000, p) != mapper)
            kit_done(&k, saves_task(&k, 1000, p));
    kit_wait_ms(&k, 20000);
    kit_join(&k, 3);
    mapper = map_again(&k);
    kit_journal_all(&k);
    kit_committed(&k, DS_OK);
    uint32_t before = saves_count_replays(&k);
    kit_lose(&k, mapper);
    ck_assert_uint_eq(saves_count_replays(&k), before); /* they wait once more */
    map_again(&k);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 0);
    kit_close(&k);
}
END_TEST

/* What was saved lay with the owner: batches before it cannot be applied again. */
START_TEST(chains_that_are_gone)
{
    driver_kit k;
    open_copied(&k, "2s");
    saves_batch(&k, 1000);
    saves_batch(&k, 2000);
    save_all(&k, 2000);
    saves_batch(&k, 3000);
    uint32_t from = k.n_sent;
    lose_owner(&k);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 2);
    kit_settle_from(&k, from);
    ck_assert(!k.ended || k.status == DS_OK);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_replay", what_was_applied_is_applied_again, others_do_not_wait,
          it_begins_with_what_was_saved, a_chain_without_replays, its_new_owner_is_lost_too,
          a_save_goes_on_elsewhere, a_save_overtakes_a_replay, an_executor_does_not_have_it,
          a_chain_that_cannot_be_read_for_long, an_owner_that_cannot_read, a_chain_that_is_damaged,
          a_chain_that_is_of_no_use, a_replay_that_never_succeeds,
          a_replay_of_a_batch_that_is_given_up, one_from_outside_that_cannot_write,
          a_disk_that_is_full_for_all, pieces_that_are_gone, pieces_and_inputs_that_are_gone,
          pieces_that_are_gone_while_it_commits, pieces_that_are_gone_twice, chains_that_are_gone)
