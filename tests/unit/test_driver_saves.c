/* Saves of what is kept: when they are due, what makes them finished, what makes them fail. */
#include "unit/saves_kit.h"

/* Three batches, of which the last one is the saving one; what it saved has not come. */
static void run_to_save(driver_kit *k)
{
    saves_batch(k, 1000);
    saves_batch(k, 2000);
    ck_assert_uint_eq(saves_task(k, 2000, 0)->task.save, 0);
    saves_batch(k, 3000);
}

static void save_all(driver_kit *k, int64_t batch_ms)
{
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        kit_save(k, saves_task(k, batch_ms, p));
}

/* In a run of their own, in stores. */
static void open_in_stores(driver_kit *k)
{
    saves_open(k, "3s");
    kit_start_with(k, 2);
}

static void open_with_checkpoint(driver_kit *k)
{
    saves_open(k, "3s");
    k->config.checkpoint = true;
    k->config.kept_folder = "kept";
    kit_start_with(k, 2);
}

START_TEST(a_save_is_due_after_a_while)
{
    driver_kit k;
    open_in_stores(&k);
    run_to_save(&k);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++) {
        ck_assert_uint_eq(saves_task(&k, 3000, p)->task.save, 1);
        ck_assert(saves_task(&k, 3000, p)->task.save_whole); /* there is nothing yet */
    }
    saves_batch(&k, 4000);
    ck_assert_uint_eq(saves_task(&k, 4000, 0)->task.save, 0); /* one at a time */
    ck_assert_uint_eq(saves_released(&k), 0);
    save_all(&k, 3000);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1);
    ck_assert_uint_eq(saves_released(&k), 3); /* but not the fourth */
    kit_close(&k);
}
END_TEST

START_TEST(the_next_one_has_changes)
{
    driver_kit k;
    open_in_stores(&k);
    run_to_save(&k);
    save_all(&k, 3000);
    /* It was allotted when four batches were waiting: 8000 is the first one after the end. */
    for (int64_t t = 4000; t <= 7000; t += 1000)
        saves_batch(&k, t);
    saves_batch(&k, 8000);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++) {
        ck_assert_uint_eq(saves_task(&k, 8000, p)->task.save, 2);
        ck_assert(!saves_task(&k, 8000, p)->task.save_whole);
    }
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++) {
        const kit_sent *of = saves_task(&k, 8000, p);
        ds_saved_part part = kit_part(&k, of, p == 0 ? 0 : 10); /* nothing changed */
        kit_saved(&k, of, DS_OK, &part, 1);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 2);
    ck_assert_uint_eq(saves_given_back(&k), 0); /* chains need all of it */
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_uint_eq(saves_given_back(&k), 4 + 3);
    kit_close(&k);
}
END_TEST

/* A chain whose changes outgrew its whole is brought by the task, to be folded with the changes. */
START_TEST(a_full_chain_is_folded)
{
    driver_kit k;
    saves_open(&k, "1s");
    k.config.n_batches = 12; /* the last ones without input */
    kit_start_with(&k, 2);
    const uint64_t lengths[] = {100, 500, 100};
    uint32_t n = 0;
    for (int64_t t = 1000; t <= 12000 && n < 3; t += 1000) {
        saves_batch(&k, t);
        const ds_task *first = &saves_task(&k, t, 0)->task;
        if (first->save == 0)
            continue;
        ck_assert(first->save_whole == (n == 0) && first->save_folds == (n == 2));
        ck_assert_uint_eq(first->n_saved, n == 2 ? 2 : 0);
        for (uint32_t p = 0; p < SAVES_PARTITIONS; p++) {
            const kit_sent *of = saves_task(&k, t, p);
            ds_saved_part part = kit_part(&k, of, lengths[n]);
            part.whole = n != 1;
            kit_saved(&k, of, DS_OK, &part, 1);
        }
        n++;
    }
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_ge(saves_given_back(&k), 8); /* the chains before */
    kit_close(&k);
}
END_TEST

START_TEST(it_waits_for_the_commit)
{
    driver_kit k;
    open_in_stores(&k);
    saves_batch(&k, 1000);
    saves_batch(&k, 2000);
    saves_run(&k, 3000);
    save_all(&k, 3000);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 0);
    ck_assert_uint_eq(saves_released(&k), 0);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1);
    ck_assert_uint_eq(saves_released(&k), 3);
    kit_close(&k);
}
END_TEST

START_TEST(it_is_in_the_checkpoint)
{
    driver_kit k;
    open_with_checkpoint(&k);
    run_to_save(&k);
    ck_assert_ptr_nonnull(strstr(saves_record(&k, "committed")->text, "\"retained\":true"));
    save_all(&k, 3000);
    const kit_journal *record = saves_record(&k, "saved");
    ck_assert_ptr_nonnull(record);
    ck_assert(record->sync);
    ck_assert_ptr_nonnull(strstr(record->text, "\"save\":1,\"batch_ms\":3000"));
    ck_assert_ptr_nonnull(strstr(record->text, "\"stream\":\"g\""));
    ck_assert_ptr_nonnull(strstr(record->text, "\"file\":\"1-1.kept\""));
    kit_close(&k);
}
END_TEST

/* Files go when the checkpoint says that nothing needs them, not before. */
START_TEST(files_are_dropped_once_it_is_durable)
{
    driver_kit k;
    open_with_checkpoint(&k);
    run_to_save(&k);
    save_all(&k, 3000);
    kit_journal_all(&k);
    for (int64_t t = 4000; t <= 7000; t += 1000)
        saves_batch(&k, t);
    saves_run(&k, 8000);
    kit_committed(&k, DS_OK);
    kit_journal_all(&k);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++) {
        const kit_sent *of = saves_task(&k, 8000, p);
        ck_assert(!of->task.save_whole);
        ds_saved_part part = kit_part(&k, of, 500);
        part.whole = true; /* an executor may do more than it was asked to */
        kit_saved(&k, of, DS_OK, &part, 1);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 2);
    ck_assert_uint_eq(k.n_dropped_files, 0);
    kit_journaled(&k, (uint32_t)(saves_record(&k, "saved") - k.journal), DS_OK);
    ck_assert_uint_eq(k.n_dropped_files, 2);
    ck_assert_str_ne(k.dropped_files[0], k.dropped_files[1]);
    ck_assert_str_eq(k.dropped_files[0][5] == '1' ? "1" : "", "1"); /* of save 1 */
    kit_close(&k);
}
END_TEST

START_TEST(a_failed_save_is_tried_again)
{
    driver_kit k;
    open_with_checkpoint(&k);
    run_to_save(&k);
    kit_save(&k, saves_task(&k, 3000, 0));
    kit_saved(&k, saves_task(&k, 3000, 1), DS_ERR_IO, NULL, 0);
    ck_assert_uint_eq(k.n_dropped_files, 1); /* of the part that had come */
    kit_save(&k, saves_task(&k, 3000, 2));
    kit_save(&k, saves_task(&k, 3000, 2)); /* a second time */
    ck_assert_uint_ge(k.n_dropped_files, 1);
    ck_assert_uint_eq(saves_released(&k), 0);
    saves_batch(&k, 4000); /* the next ones are allotted: too early */
    saves_batch(&k, 5000);
    saves_batch(&k, 6000);
    k.now_us += 1000000;
    saves_batch(&k, 7000);
    saves_batch(&k, 8000);
    saves_batch(&k, 9000);
    ck_assert_uint_eq(saves_task(&k, 8000, 0)->task.save, 0);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 0);
    kit_close(&k);
}
END_TEST

/* After a failure all is saved anew, as nobody knows what it has told of. */
START_TEST(after_a_failure_all_is_saved)
{
    driver_kit k;
    open_in_stores(&k);
    run_to_save(&k);
    save_all(&k, 3000);
    for (int64_t t = 4000; t <= 7000; t += 1000)
        saves_batch(&k, t);
    k.now_us += 5000000;
    saves_run(&k, 8000);
    kit_saved(&k, saves_task(&k, 8000, 3), DS_ERR_NO_MEMORY, NULL, 0);
    k.now_us += 5000000;
    kit_committed(&k, DS_OK);
    ck_assert_ptr_nonnull(kit_task(&k, 9000, 0, 0));
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1);
    kit_close(&k);
}
END_TEST

START_TEST(parts_that_cannot_be)
{
    for (int i = 0; i < 6; i++) {
        driver_kit k;
        open_with_checkpoint(&k);
        run_to_save(&k);
        const kit_sent *of = saves_task(&k, 3000, 0);
        ds_saved_part part = kit_part(&k, of, 100);
        switch (i) {
        case 0: part.partition = 4; break;
        case 1: part.path = "elsewhere/1-1.kept"; break;
        case 2: part.path = "kept/../../etc/passwd"; break;
        case 3: part.input = 7; break;
        case 4: part.batch_ms = 2000; break;
        default: part.whole = false; break; /* changes to nothing */
        }
        kit_saved(&k, of, DS_OK, &part, 1);
        for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
            kit_save(&k, saves_task(&k, 3000, p));
        ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 0);
        ck_assert(!k.ended);
        kit_close(&k);
    }
}
END_TEST

START_TEST(of_somebody_else)
{
    driver_kit k;
    open_in_stores(&k);
    run_to_save(&k);
    const kit_sent *of = saves_task(&k, 3000, 0);
    ds_saved_part part = kit_part(&k, of, 100);
    ds_message m = {.type = DS_MSG_SAVED};
    m.saved = (ds_msg_saved){.plan_id = 1, .save = 1, .message = "", .parts = &part, .n_parts = 1};
    kit_message(&k, kit_peer(of->peer == kit_peer(1) ? 2 : 1), m);
    save_all(&k, 3000);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 0); /* it was given up */
    kit_close(&k);
}
END_TEST

/* Nothing had changed in a partition, but what that adds to is gone with a store. */
START_TEST(what_it_adds_to_is_gone)
{
    driver_kit k;
    saves_open(&k, "3s");
    k.no_stores = k.fetches = true; /* what an executor has is gone with it */
    kit_start_with(&k, 2);
    run_to_save(&k);
    save_all(&k, 3000);
    for (int64_t t = 4000; t <= 8000; t += 1000)
        saves_batch(&k, t);
    const kit_sent *last = saves_task(&k, 8000, SAVES_PARTITIONS - 1);
    uint64_t lost = 3 - saves_owner(&k, 8000, SAVES_PARTITIONS - 1); /* the other one */
    for (uint32_t p = 0; p + 1 < SAVES_PARTITIONS; p++) {
        const kit_sent *of = saves_task(&k, 8000, p);
        ck_assert_uint_eq(of->task.save, 2);
        ds_saved_part part = kit_part(&k, of, 0);
        kit_saved(&k, of, DS_OK, &part, 1);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1);
    kit_lose(&k, lost);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1);
    ck_assert_uint_gt(ds_driver_progress(k.driver)->panes_lost, 0);
    ds_saved_part part = kit_part(&k, last, 0);
    kit_saved(&k, last, DS_OK, &part, 1); /* all have come, and it ends nothing */
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    kit_close(&k);
}
END_TEST

/* Pieces of very many batches would fill the stores. */
START_TEST(full_stores_make_a_save_due)
{
    driver_kit k;
    saves_open(&k, "1h");
    kit_start_with(&k, 2);
    int64_t t = 1000;
    for (; t <= 9000 && (t < 2000 || saves_task(&k, t - 1000, 0)->task.save == 0); t += 1000) {
        kit_journal_all(&k);
        const kit_sent *map = kit_task(&k, t, 0, 0);
        ds_output output = {.kind = DS_OUTPUT_PIECES,
                            .target = 1,
                            .ref = {map->peer - 100, 0, KIT_STORE / 15},
                            .path = ""};
        kit_result(&k, map, DS_OK, &output, 1);
        for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
            kit_done(&k, saves_task(&k, t, p));
        kit_committed(&k, DS_OK);
    }
    ck_assert_int_lt(t, 10000);
    kit_close(&k);
}
END_TEST

/* A batch whose map task wrote a lot. */
static void run_large(driver_kit *k, int64_t batch_ms)
{
    kit_journal_all(k);
    const kit_sent *map = kit_task(k, batch_ms, 0, 0);
    ds_output output = {.kind = DS_OUTPUT_PIECES,
                        .target = 1,
                        .ref = {map->peer - 100, 0, KIT_STORE / 3},
                        .path = ""};
    kit_result(k, map, DS_OK, &output, 1);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        kit_done(k, saves_task(k, batch_ms, p));
    kit_journal_all(k);
    kit_committed(k, DS_OK);
    kit_journal_all(k);
}

/* With a checkpoint nothing is given up: batches wait until something could be saved. */
START_TEST(batches_wait_when_nothing_can_be_saved)
{
    driver_kit k;
    saves_open(&k, "1h");
    k.config.checkpoint = true;
    k.config.kept_folder = "kept";
    kit_start_with(&k, 2);
    kit_journal_all(&k);
    int64_t t = 1000;
    for (; t <= 9000 && kit_task(&k, t, 0, 0) != NULL; t += 1000) {
        run_large(&k, t);
        if (saves_task(&k, t, 0)->task.save > 0)
            kit_saved(&k, saves_task(&k, t, 0), DS_ERR_IO, NULL, 0);
    }
    ck_assert_int_lt(t, 10000);
    ck_assert(!k.ended);
    ck_assert_int_gt(kit_wants_ms(&k), 0); /* then a save is tried again */
    kit_wait_ms(&k, kit_wants_ms(&k));
    kit_journal_all(&k);
    ck_assert_ptr_nonnull(kit_task(&k, t, 0, 0));
    run_large(&k, t);
    ck_assert_uint_gt(saves_task(&k, t, 0)->task.save, 0);
    for (uint32_t p = 0; p < SAVES_PARTITIONS; p++)
        kit_save(&k, saves_task(&k, t, p));
    kit_journal_all(&k);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1);
    ck_assert(t == 9000 || kit_task(&k, t + 1000, 0, 0) != NULL);
    kit_close(&k);
}
END_TEST

/* Without one they go on, and a loss would be counted. */
START_TEST(without_a_checkpoint_they_go_on)
{
    driver_kit k;
    open_in_stores(&k);
    for (int64_t t = 1000; t <= 9000 && !k.ended; t += 1000) {
        ck_assert_ptr_nonnull(kit_task(&k, t, 0, 0));
        run_large(&k, t);
        if (saves_task(&k, t, 0)->task.save > 0)
            kit_saved(&k, saves_task(&k, t, 0), DS_ERR_NO_MEMORY, NULL, 0);
        if (t == 6000) {
            ck_assert_uint_gt(saves_released(&k), 0);
            uint32_t from = k.n_sent;
            kit_lose(&k, saves_owner(&k, 6000, 0));
            ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 2);
            kit_settle_from(&k, from);
            break;
        }
    }
    kit_close(&k);
}
END_TEST

/* A save that is under way at the end is waited for. */
START_TEST(the_end_waits_for_it)
{
    driver_kit k;
    open_in_stores(&k);
    run_to_save(&k);
    for (int64_t t = 4000; t <= 9000; t += 1000)
        saves_batch(&k, t);
    ck_assert(!k.ended);
    save_all(&k, 3000);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(saves_released(&k), 9);
    ck_assert_uint_eq(saves_given_back(&k), 4);
    kit_close(&k);
}
END_TEST

/* ---- the last one ---- */

/* It is stopped after three batches; the last one saves. Returns the time of the first after them
 * that is the saving one, once those before it are done. */
static int64_t stop(driver_kit *k, int64_t from_ms)
{
    for (int64_t t = from_ms; t < from_ms + 20000 && !k->ended; t += 1000) {
        kit_journal_all(k);
        const kit_sent *map = kit_task(k, t, 0, 0);
        if (map == NULL && saves_task(k, t, 0) == NULL)
            return 0; /* it waits */
        saves_batch(k, t);
        if (saves_task(k, t, 0)->task.save > ds_driver_progress(k->driver)->saves)
            return t;
    }
    return 0;
}

static void open_to_stop(driver_kit *k)
{
    saves_open(k, "3s");
    k->config.checkpoint = true;
    k->config.kept_folder = "kept";
    k->config.n_batches = 0;
    kit_start_with(k, 2);
}

/* A graceful stop comes while a save is under way: its last batch waits for that, and saves. */
START_TEST(a_stop_waits_for_a_save)
{
    driver_kit k;
    open_to_stop(&k);
    run_to_save(&k);
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
    ck_assert_int_eq(stop(&k, 4000), 0);
    ck_assert(!k.ended);
    save_all(&k, 3000);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->saves, 1);
    int64_t last_ms = 0;
    for (int64_t t = 4000; t < 20000 && last_ms == 0; t += 1000)
        if (saves_task(&k, t, 0) == NULL)
            last_ms = stop(&k, t);
    ck_assert_int_ne(last_ms, 0);
    ck_assert(!k.ended);
    save_all(&k, last_ms);
    ck_assert(!k.ended); /* before it is durable */
    kit_journal_all(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(saves_released(&k), (uint32_t)(last_ms / 1000));
    kit_close(&k);
}
END_TEST

/* Its own one fails: batches behind it try again, and in the end it is said. */
START_TEST(the_last_save_fails)
{
    enum { FEW = 3, ALL = 10 };
    for (uint32_t failures = 1; failures <= ALL; failures += failures < FEW ? 1 : ALL - FEW) {
        driver_kit k;
        open_to_stop(&k);
        saves_batch(&k, 1000);
        kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
        int64_t last_ms = stop(&k, 2000);
        for (uint32_t n = 0; n < failures && !k.ended; n++) {
            ck_assert_int_ne(last_ms, 0);
            kit_saved(&k, saves_task(&k, last_ms, 0), DS_ERR_IO, NULL, 0);
            kit_wait_ms(&k, 1000 << n); /* not at once */
            last_ms = stop(&k, last_ms + 1000);
        }
        ck_assert(k.ended == (failures == ALL));
        if (!k.ended) {
            save_all(&k, last_ms);
            kit_journal_all(&k);
        }
        ck_assert(k.ended);
        ck_assert_int_eq(k.status, failures < ALL ? DS_OK : DS_ERR_IO);
        kit_close(&k);
    }
}
END_TEST

UNIT_MAIN("driver_saves", a_save_is_due_after_a_while, the_next_one_has_changes,
          a_full_chain_is_folded, it_waits_for_the_commit, it_is_in_the_checkpoint,
          files_are_dropped_once_it_is_durable, a_failed_save_is_tried_again,
          after_a_failure_all_is_saved, parts_that_cannot_be, of_somebody_else,
          what_it_adds_to_is_gone, full_stores_make_a_save_due,
          batches_wait_when_nothing_can_be_saved, without_a_checkpoint_they_go_on,
          the_end_waits_for_it, a_stop_waits_for_a_save, the_last_save_fails)
