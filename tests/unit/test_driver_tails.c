/* The driver and the files of a `tail`: when it asks, what it gives to batches, how it ends. */
#include "driver/driver_state.h"

#include "unit/driver_kit.h"

#define SOURCE "'t': { 'type': 'tail', 'path': '%s', 'start_at': '%s' }"

static void open_app(driver_kit *k, const char *path, const char *start_at)
{
    char *app = NULL;
    ck_assert_int_gt(asprintf(&app,
                              "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                              "'executors': { 'count': 1 }, 'sources': { " SOURCE " },"
                              "'sinks': { 'c': { 'from': 't', 'type': 'console' } } }",
                              path, start_at),
                     0);
    kit_open(k, app);
    free(app);
}

static void run_app(driver_kit *k, const char *path)
{
    open_app(k, path, "beginning");
    kit_start_with(k, 1);
}

static ds_sighting sight(uint64_t number, const char *path, uint64_t complete, uint64_t size)
{
    return (ds_sighting){.number = number,
                         .path = path,
                         .id = {1, (uint64_t)path[0], 2, 3},
                         .same_head = true,
                         .named = true,
                         .size = size,
                         .complete = complete,
                         .pid = 7,
                         .fd = 8};
}

static void answer(driver_kit *k, const ds_sighting *list, uint32_t n)
{
    const ds_sightings seen = {list, n, 0};
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_FOLLOWED, .seen = &seen});
}

static const ds_input *last_input(const driver_kit *k, uint32_t n_inputs)
{
    const kit_sent *task = kit_last(k, DS_MSG_TASKS);
    ck_assert_ptr_nonnull(task);
    ck_assert_uint_eq(task->task.n_inputs, n_inputs);
    return &task->task.inputs[n_inputs - 1];
}

START_TEST(files_are_looked_at_at_each_batch)
{
    driver_kit k;
    run_app(&k, "*.log");
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(k.n_follows, 1);
    ck_assert_uint_eq(k.n_asked, 0);
    kit_wait_ms(&k, 5000); /* a slow folder is waited for */
    ck_assert_uint_eq(k.n_follows, 1);
    ds_sighting a = sight(0, "a.log", 10, 12);
    answer(&k, &a, 1);
    const ds_input *input = last_input(&k, 1);
    ck_assert_int_eq(input->kind, DS_INPUT_TAIL);
    ck_assert(input->from == 0 && input->to == 10 && input->tail.starts);
    ck_assert_str_eq(input->path, "a.log");
    ck_assert(input->tail.pid == 7 && input->tail.fd == 8);
    ck_assert(input->tail.awaited);
    ck_assert(input->tail.id.inode == 'a' && input->tail.id.head_bytes == 3);
    const ds_source_counts *counts = ds_driver_progress(k.driver)->sources;
    ck_assert(counts->follows && counts->files == 1 && counts->bytes_behind == 0);
    kit_settle(&k);
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(k.n_follows, 2);
    ck_assert_uint_eq(k.n_asked, 1);
    ck_assert_uint_eq(k.asked[0].number, 1);
    ck_assert_uint_eq(k.asked[0].taken, 10);
    a = sight(1, "a.log", 10, 12);
    answer(&k, &a, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1); /* nothing new */
    kit_close(&k);
}
END_TEST

START_TEST(a_batch_is_bounded)
{
    driver_kit k;
    run_app(&k, "log");
    kit_wait_ms(&k, 1000);
    ds_sighting a = sight(0, "log", 3 * DS_FILES_BATCH_BYTES, 3 * DS_FILES_BATCH_BYTES);
    answer(&k, &a, 1);
    uint64_t given = 0;
    for (uint32_t i = 0; i < k.n_sent; i++)
        for (uint32_t n = 0; k.sent[i].type == DS_MSG_TASKS && n < k.sent[i].task.n_inputs; n++)
            given = k.sent[i].task.inputs[n].to;
    ck_assert_uint_gt(given, 0);
    uint64_t behind = ds_driver_progress(k.driver)->sources[0].bytes_behind;
    ck_assert_uint_ge(behind, 2 * DS_FILES_BATCH_BYTES);
    ck_assert_uint_lt(behind, 3 * DS_FILES_BATCH_BYTES);
    kit_close(&k);
}
END_TEST

/* Files share the descriptors that there are. */
START_TEST(files_share_the_room)
{
    static const uint32_t descriptors[] = {0, 100, 5000}, room[] = {500, 50, 500};
    for (int i = 0; i < 3; i++) {
        driver_kit k;
        kit_open(&k, "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                     "'executors': { 'count': 1 }, 'sources': { 't': { "
                     "'type': 'tail', 'path': 'a' }, 'u': { 'type': 'tail', 'path': 'b' } },"
                     "'streams': { 's': { 'from': ['t', 'u'] } },"
                     "'sinks': { 'c': { 'from': 's', 'type': 'console' } } }");
        k.config.open_files = descriptors[i];
        kit_start_with(&k, 1);
        for (int s = 0; s < 2; s++)
            ck_assert_uint_eq(k.driver->intakes[s].tail.room, room[i]);
        kit_close(&k);
    }
}
END_TEST

/* What a batch has yet to read stays in the question, so that it is held open. */
START_TEST(files_of_open_batches_stay)
{
    driver_kit k;
    run_app(&k, "log");
    kit_wait_ms(&k, 1000);
    ds_sighting a = sight(0, "log", 10, 10);
    answer(&k, &a, 1);
    for (int i = 0; i < 3; i++) {
        kit_wait_ms(&k, 1000);
        ck_assert_uint_eq(k.n_asked, 1);
        a = sight(1, "log", 10, 10);
        a.named = false;
        k.now_us += DS_TAIL_QUIET_US;
        answer(&k, &a, 1);
    }
    kit_settle(&k);
    for (int i = 0; i < 2; i++) {
        kit_wait_ms(&k, 1000);
        answer(&k, &a, k.n_asked);
    }
    ck_assert_uint_eq(k.n_asked, 0);
    kit_close(&k);
}
END_TEST

START_TEST(what_is_lost_is_counted)
{
    driver_kit k;
    run_app(&k, "log");
    kit_wait_ms(&k, 1000);
    ds_sighting a = sight(0, "log", 10, 30);
    answer(&k, &a, 1);
    const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
    ds_task_result r = {.batch_ms = task->task.batch_ms, .plan_id = 1, .message = ""};
    r.lost_bytes = 10; /* by a task */
    ds_message m = {.type = DS_MSG_TASK_RESULTS};
    m.task_results = (ds_msg_task_results){&r, 1};
    kit_message(&k, task->peer, m);
    kit_settle(&k);
    kit_wait_ms(&k, 1000);
    a = sight(1, "log", 5, 5); /* and by the driver */
    answer(&k, &a, 1);
    const ds_progress *p = ds_driver_progress(k.driver);
    ck_assert_uint_eq(p->sources[0].lost_bytes, 30);
    ck_assert_uint_eq(p->bytes_lost, 30);
    ck_assert_uint_eq(p->sources[0].begun_again, 1);
    ck_assert_uint_eq(p->failed_batches, 0);
    kit_close(&k);
}
END_TEST

static void fail_last(driver_kit *k)
{
    const kit_sent *task = kit_last(k, DS_MSG_TASKS);
    ds_task_result r = {.batch_ms = task->task.batch_ms,
                        .plan_id = 1,
                        .attempt = task->task.attempt,
                        .status = DS_ERR_IO,
                        .message = "its folder is not there"};
    ds_message m = {.type = DS_MSG_TASK_RESULTS};
    m.task_results = (ds_msg_task_results){&r, 1};
    kit_message(k, task->peer, m);
}

/* A batch waits for a folder that is away, but not for ever: it is looked for all the time. */
START_TEST(a_task_waits_an_hour_for_its_file)
{
    driver_kit k;
    run_app(&k, "log");
    kit_wait_ms(&k, 1000);
    ds_sighting a = sight(0, "log", 10, 30);
    answer(&k, &a, 1);
    const int64_t hour_ms = DS_FOLLOW_AWAY_US / 1000, step_ms = hour_ms / 6;
    ds_sighting away = sight(1, "log", 0, 0);
    away.what = DS_SIGHT_AWAY;
    for (int64_t waited_ms = 0; waited_ms <= hour_ms; waited_ms += step_ms) {
        ck_assert(last_input(&k, 1)->tail.awaited);
        uint32_t follows = k.n_follows;
        fail_last(&k);
        kit_wait_ms(&k, step_ms);
        ck_assert_uint_eq(k.n_follows, follows + 1);
        answer(&k, &away, 1);
    }
    fail_last(&k);
    kit_wait_ms(&k, step_ms);
    ck_assert(!last_input(&k, 1)->tail.awaited);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
    kit_close(&k);
}
END_TEST

static void open_checkpointed(driver_kit *k)
{
    open_app(k, "l*/log", "beginning");
    k->config.checkpoint = true;
}

/* Ten bytes of l1/log are given to a batch, which does not run before its driver dies. */
static void allot_first(driver_kit *first)
{
    open_checkpointed(first);
    kit_start_with(first, 1);
    kit_wait_ms(first, 1000);
    const ds_sighting a = sight(0, "l1/log", 10, 12);
    answer(first, &a, 1);
    kit_journal_all(first);
    ck_assert_str_eq(last_input(first, 1)->path, "l1/log");
}

/* The caller frees what it returns after k. */
static ds_recovered *go_on(const driver_kit *first, driver_kit *k)
{
    open_checkpointed(k);
    ds_recovered *recovered = kit_recovered(first, first->n_journal, k->p.plan);
    k->config.recovered = recovered;
    k->wall_ms = first->wall_ms;
    kit_start_with(k, 1);
    kit_journal_all(k);
    return recovered;
}

/* It moved while the app ran, and its folder is away at the restart: a batch that has its old name
 * waits for it at the new one. */
START_TEST(a_moved_file_that_is_away_is_awaited_where_it_is)
{
    driver_kit first, k;
    allot_first(&first);
    kit_wait_ms(&first, 1000);
    ds_sighting a = sight(1, "l2/log", 10, 10);
    answer(&first, &a, 1);
    ds_recovered *recovered = go_on(&first, &k);
    ck_assert_str_eq(recovered->batches[0].allotments[0].inputs[0].path, "l1/log");
    a = sight(1, "l2/log", 0, 0);
    a.what = DS_SIGHT_AWAY;
    answer(&k, &a, 1);
    const ds_input *input = last_input(&k, 1);
    ck_assert_str_eq(input->path, "l2/log");
    ck_assert(input->tail.awaited);
    kit_close(&k);
    ds_recovered_free(recovered);
    kit_close(&first);
}
END_TEST

/* However long a task waits by now before it tries again. */
START_TEST(a_task_reads_its_file_as_soon_as_it_is_back)
{
    driver_kit k;
    run_app(&k, "log");
    kit_wait_ms(&k, 1000);
    ds_sighting a = sight(0, "log", 10, 10), away = sight(1, "log", 0, 0);
    away.what = DS_SIGHT_AWAY;
    answer(&k, &a, 1);
    for (int i = 0; i < 8; i++) {
        fail_last(&k);
        kit_wait_ms(&k, 20000);
        answer(&k, &away, 1);
    }
    fail_last(&k);
    uint32_t tasks = kit_count(&k, DS_MSG_TASKS), follows = k.n_follows;
    kit_wait_ms(&k, 500);
    answer(&k, &away, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), tasks);
    kit_wait_ms(&k, 500);
    ck_assert_uint_eq(k.n_follows, follows + 2);
    a.number = 1;
    answer(&k, &a, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), tasks + 1);
    kit_close(&k);
}
END_TEST

/* Batches of a checkpoint read their files where these are now: no task goes out before that is
 * known. */
START_TEST(files_are_found_before_batches_run_again)
{
    driver_kit first, k;
    allot_first(&first);
    ds_recovered *recovered = go_on(&first, &k);
    ck_assert_uint_eq(k.n_follows, 1);
    ck_assert_uint_eq(k.n_asked, 1);
    ck_assert_str_eq(k.asked[0].path, "l1/log");
    kit_wait_ms(&k, 3000); /* a tick waits for that look, too, and asks for no other */
    ck_assert_uint_eq(k.n_follows, 1);
    ck_assert_ptr_null(kit_last(&k, DS_MSG_TASKS));
    ds_sighting a = sight(1, "l2/log", 20, 20);
    a.id = recovered->sources[0].tail.files[0].id;
    a.pid = 9;
    answer(&k, &a, 1);
    const kit_sent *task = kit_task(&k, recovered->batches[0].time_ms, 0, 0);
    ck_assert_ptr_nonnull(task);
    const ds_input *input = &task->task.inputs[0];
    ck_assert(input->from == 0 && input->to == 10 && input->tail.awaited);
    ck_assert(input->tail.pid == 9 && input->tail.fd == 8);
    ck_assert_str_eq(input->path, "l2/log");
    kit_settle(&k);
    input = last_input(&k, 1);
    ck_assert(input->from == 10 && input->to == 20);
    kit_close(&k);
    ds_recovered_free(recovered);
    kit_close(&first);
}
END_TEST

/* A batch that runs again looks for what it had, and not for what the file has now. */
START_TEST(what_began_again_is_gone)
{
    driver_kit k;
    run_app(&k, "log");
    kit_wait_ms(&k, 1000);
    ds_sighting a = sight(0, "log", 10, 10);
    answer(&k, &a, 1);
    ck_assert(last_input(&k, 1)->tail.id.inode == 'l');
    kit_wait_ms(&k, 1000);
    a = sight(1, "log", 5, 5); /* cut off */
    answer(&k, &a, 1);
    fail_last(&k);
    kit_wait_ms(&k, 20000);
    const kit_sent *task = kit_task(&k, KIT_ZERO + 1000, 0, 0);
    ck_assert_uint_gt(task->task.attempt, 0);
    const ds_tail_input *input = &task->task.inputs[0].tail;
    ck_assert(input->number == 1 && !input->awaited);
    ck_assert(input->pid == 0 && input->id.inode == 0 && input->id.device == 0);
    kit_close(&k);
}
END_TEST

/* Where batches are rare a restart has to know all the same which names files have, and which of
 * them began again. */
START_TEST(what_is_new_is_noted_between_batches)
{
    driver_kit k;
    kit_open(&k, "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '60s' },"
                 "'executors': { 'count': 1 }, 'sources': { 't': { 'type': 'tail', 'path': 'log*' "
                 "} }, 'sinks': { 'c': { 'from': 't', 'type': 'console' } } }");
    k.config.checkpoint = true;
    kit_start_with(&k, 1);
    kit_settle(&k);
    kit_wait_ms(&k, 60000);
    ds_sighting a = sight(0, "log", 10, 10);
    answer(&k, &a, 1);
    kit_settle(&k);
    uint32_t follows = k.n_follows, records = k.n_journal;
    static const char *const names[] = {"log", "log.1", "log.1", "log.1"};
    for (uint32_t i = 0; i < 4; i++) {
        kit_wait_ms(&k, 1000);
        ck_assert_uint_eq(k.n_follows, follows + i + 1);
        uint64_t bytes = i < 2 ? 10 : 5;
        a = sight(i < 3 ? 1 : 2, names[i], bytes, bytes);
        answer(&k, &a, 1);
        ck_assert_uint_eq(k.n_journal, records + (i == 0 ? 0 : i == 1 ? 1 : 2));
    }
    ck_assert(k.journal[records].whole);
    ck_assert_ptr_nonnull(strstr(k.journal[records].text, "\"path\":\"log.1\""));
    ck_assert_ptr_nonnull(strstr(k.journal[records + 1].text, "\"number\":2,"));
    kit_close(&k);
}
END_TEST

START_TEST(what_is_there_now)
{
    driver_kit k;
    open_app(&k, "log*", "beginning");
    k.config.available_now = true;
    kit_start_with(&k, 1);
    ck_assert_uint_eq(k.n_follows, 1); /* at once */
    ds_sighting a = sight(0, "log", 10, 13);
    answer(&k, &a, 1);
    const ds_input *input = last_input(&k, 1);
    ck_assert(input->to == 13 && input->tail.stop == 13); /* the last line needs no end */
    for (int i = 0; i < 9 && !k.ended; i++) {
        kit_settle(&k);
        kit_wait_ms(&k, 0);
    }
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(k.n_follows, 1);
    kit_close(&k);
}
END_TEST

/* What was there at the start is there, even if it cannot be read for a while later. */
START_TEST(what_is_there_cannot_be_read_for_a_while)
{
    driver_kit k;
    open_app(&k, "l/log", "beginning");
    k.config.available_now = true;
    kit_start_with(&k, 1);
    ds_sighting a = sight(0, "l/log", 10, 13);
    answer(&k, &a, 1);
    for (int i = 0; i < 3; i++) {
        fail_last(&k);
        kit_wait_ms(&k, 20000);
        a = sight(1, "l/log", 0, 0);
        a.what = i == 1 ? DS_SIGHT_AWAY : DS_SIGHT_UNREADABLE;
        a.why = "so";
        answer(&k, &a, 1);
        ck_assert(!k.ended);
    }
    const ds_input *input = last_input(&k, 1);
    ck_assert(input->to == 13 && input->tail.awaited);
    kit_close(&k);
}
END_TEST

static void nothing_there(const char *path, const ds_sighting *list, uint32_t n, ds_status status,
                          const char *message)
{
    driver_kit k;
    open_app(&k, path, "beginning");
    k.config.available_now = true;
    kit_start_with(&k, 1);
    answer(&k, list, n);
    for (int i = 0; i < 9 && !k.ended; i++) {
        kit_settle(&k);
        kit_wait_ms(&k, 0);
    }
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, status);
    ck_assert_str_eq(k.message, message);
    kit_close(&k);
}

START_TEST(nothing_is_there_now)
{
    ds_sighting denied = {.what = DS_SIGHT_UNREADABLE, .path = "log", .why = "so"};
    nothing_there("log*", NULL, 0, DS_OK, "");
    nothing_there("log", NULL, 0, DS_ERR_NO_INPUT, "source t: there is no file log");
    nothing_there("log*", &denied, 1, DS_ERR_IO, "source t: log cannot be read: so");
    nothing_there("log", &denied, 1, DS_ERR_IO, "source t: log cannot be read: so");
    ds_sighting away = {.what = DS_SIGHT_AWAY, .number = 1, .path = "log"};
    nothing_there("l/log", &away, 1, DS_ERR_NO_INPUT,
                  "source t: there is no file l/log: its folder is not there");
    nothing_there("l*/log", &away, 1, DS_OK, "");
}
END_TEST

/* Where files began has to be known after a restart, even if nothing was read of them. */
START_TEST(the_end_is_noted)
{
    driver_kit k;
    open_app(&k, "log", "end");
    k.config.checkpoint = true;
    kit_start_with(&k, 1);
    kit_settle(&k);
    kit_wait_ms(&k, 1000);
    uint32_t before = k.n_journal;
    ds_sighting a = sight(0, "log", 10, 12);
    answer(&k, &a, 1);
    ck_assert_uint_eq(k.n_journal, before + 1);
    ck_assert(k.journal[before].whole && k.journal[before].sync);
    ck_assert_ptr_nonnull(strstr(k.journal[before].text, "\"taken\":10"));
    kit_settle(&k);
    kit_wait_ms(&k, 1000);
    a = sight(1, "log", 10, 12);
    answer(&k, &a, 1);
    ck_assert_uint_eq(k.n_journal, before + 1);
    kit_close(&k);
}
END_TEST

/* A stop takes what was found, and does not look again. */
START_TEST(a_stop_does_not_look_again)
{
    driver_kit k;
    run_app(&k, "log");
    kit_wait_ms(&k, 1000);
    ds_sighting a = sight(0, "log", 10, 12);
    answer(&k, &a, 1);
    kit_settle(&k);
    uint32_t follows = k.n_follows;
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
    for (int i = 0; i < 9 && !k.ended; i++) {
        kit_settle(&k);
        kit_wait_ms(&k, 1000);
    }
    ck_assert(k.ended);
    ck_assert_uint_eq(k.n_follows, follows);
    kit_close(&k);
}
END_TEST

/* Nor does it make a batch if there was nothing: a window that is due then is left to a restart. */
START_TEST(a_stop_to_which_nothing_came)
{
    for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
        driver_kit k;
        kit_open(&k, "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                     "'executors': { 'count': 1 }, 'sources': { 't': { 'type': 'tail', 'path': 'a' "
                     "} }, 'streams': { 'w': { 'from': 't', 'window': { 'size': '2s', 'slide': "
                     "'2s' }, 'aggregate': { 'n': 'count()' } } },"
                     "'sinks': { 'c': { 'from': 'w', 'type': 'console' } } }");
        k.config.checkpoint = checkpoint;
        kit_start_with(&k, 1);
        kit_settle(&k);
        kit_wait_ms(&k, 1000);
        ds_sighting a = sight(0, "a", 10, 10);
        answer(&k, &a, 1);
        kit_settle(&k);
        ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 1);
        kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_STOP});
        for (int i = 0; i < 9 && !k.ended; i++) {
            kit_settle(&k);
            kit_wait_ms(&k, 1000);
        }
        ck_assert(k.ended);
        ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, checkpoint ? 1 : 2);
        ck_assert_int_eq(k.driver->last_ms, KIT_ZERO + (checkpoint ? 1000 : 2000));
        kit_close(&k);
    }
}
END_TEST

UNIT_MAIN("driver_tails", files_are_looked_at_at_each_batch, a_batch_is_bounded,
          files_of_open_batches_stay, files_share_the_room, what_is_lost_is_counted,
          a_task_waits_an_hour_for_its_file, a_moved_file_that_is_away_is_awaited_where_it_is,
          a_task_reads_its_file_as_soon_as_it_is_back,

          files_are_found_before_batches_run_again, what_began_again_is_gone,
          what_is_new_is_noted_between_batches, what_is_there_now,
          what_is_there_cannot_be_read_for_a_while, nothing_is_there_now, the_end_is_noted,
          a_stop_does_not_look_again, a_stop_to_which_nothing_came)
