/* The driver and its executors: who takes part, what runs where, what is lost and what goes on. */
#include "unit/driver_kit.h"

#define ONE "'count': 1, 'key_partitions': 2"
#define TWO "'count': 2, 'key_partitions': 4"
#define LISTS KIT_QUEUE("[ { 'n': 1 } ], [ { 'n': 2 } ], [ { 'n': 3 } ]")

/* A queue in virtual time, its rows straight to a file. */
static void open_files(driver_kit *k, const char *executors)
{
    char *app = NULL;
    ck_assert_int_gt(asprintf(&app,
                              "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                              "'executors': { %s }, 'sources': { " LISTS " },"
                              "'sinks': { 'f': { 'from': 'q', 'type': 'file', 'dir': 'out' } } }",
                              executors),
                     0);
    kit_open(k, app);
    free(app);
    k->config.virtual_time = true;
}

/* An app with a group_by on two executors, in virtual time; its first batch is grouped next. */
static void start_grouped(driver_kit *k, const char *app)
{
    kit_open(k, app);
    k->config.virtual_time = true;
    kit_start_with(k, 2);
    kit_done_for(k, kit_task(k, 1000, 0, 0), 1);
}

/* ---- the start ---- */

START_TEST(it_waits_for_all_executors)
{
    driver_kit k;
    open_files(&k, TWO);
    kit_start(&k);
    ck_assert_uint_eq(k.n_launched, 2);
    ck_assert_mem_ne(k.tokens[1], k.tokens[2], DS_TOKEN_BYTES);
    kit_join(&k, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    ck_assert_int_eq(kit_wants_ms(&k), 10000); /* then one is enough */
    kit_introduce(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    kit_ready(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    kit_close(&k);
}
END_TEST

START_TEST(after_a_while_one_is_enough)
{
    driver_kit k;
    open_files(&k, TWO);
    kit_start(&k);
    kit_join(&k, 2);
    kit_wait_ms(&k, 9999);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    kit_wait_ms(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    kit_join(&k, 1); /* late, but welcome */
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors, 2);
    kit_settle(&k);
    ck_assert(k.ended);
    kit_close(&k);
}
END_TEST

START_TEST(executors_that_never_start)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start(&k);
    static const int64_t waits[] = {100, 200, 400, 800};
    for (uint64_t n = 1; n <= 5 && !k.ended; n++) {
        kit_step(&k, (ds_driver_event){
                         .kind = DS_DRIVER_EXECUTOR_EXITED, .executor_id = n, .text = "no"});
        if (n == 5)
            break;
        ck_assert_uint_eq(k.n_launched, n);
        ck_assert_int_eq(kit_wants_ms(&k), waits[n - 1]);
        kit_wait_ms(&k, waits[n - 1] - 1);
        ck_assert_uint_eq(k.n_launched, n);
        kit_wait_ms(&k, 1);
        ck_assert_uint_eq(k.n_launched, n + 1);
    }
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_UNAVAILABLE);
    ck_assert_str_eq(k.message, "no executor could be started");
    kit_close(&k);
}
END_TEST

START_TEST(a_plan_that_does_not_compile_there)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start(&k);
    kit_introduce(&k, 1);
    ds_message m = {.type = DS_MSG_PLAN_RESULT};
    m.plan_result = (ds_msg_plan_result){1, DS_ERR_APP, "it does not compile"};
    kit_message(&k, kit_peer(1), m);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_INTERNAL);
    ck_assert_str_eq(k.message, "it does not compile");
    kit_close(&k);
}
END_TEST

static void check_rejected(driver_kit *k, ds_message hello, const char *why)
{
    uint32_t before = kit_count(k, DS_MSG_REJECT);
    uint64_t closed = k->n_closed_peers;
    kit_message(k, 99, hello);
    ck_assert_uint_eq(kit_count(k, DS_MSG_REJECT), before + 1);
    ck_assert_uint_eq(k->n_closed_peers, closed + 1);
    ck_assert_msg(strstr(kit_last(k, DS_MSG_REJECT)->text, why) != NULL, "%s",
                  kit_last(k, DS_MSG_REJECT)->text);
}

START_TEST(who_is_rejected)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start(&k);
    ds_message m = kit_hello(&k, 1);
    m.hello.protocol++;
    check_rejected(&k, m, "another version");
    m = kit_hello(&k, 1);
    m.hello.build = "0.0.0";
    check_rejected(&k, m, "another version");
    m = kit_hello(&k, 1);
    m.hello.app_id = "y";
    check_rejected(&k, m, "does not belong to this app");
    m = kit_hello(&k, 1);
    m.hello.token[31] ^= 1;
    check_rejected(&k, m, "does not belong to this app");
    check_rejected(&k, kit_hello(&k, 7), "does not belong to this app");
    check_rejected(&k, kit_hello(&k, 0), "takes no executors from outside");
    k.no_stores = true;
    check_rejected(&k, kit_hello(&k, 1), "");
    k.no_stores = false;
    kit_join(&k, 1); /* nothing of this was held against it */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    check_rejected(&k, kit_hello(&k, 1), "given up and replaced");
    kit_close(&k);
}
END_TEST

/* One from outside: it is given an id; when it does not work the app goes on without it. */
START_TEST(executors_from_outside)
{
    driver_kit k;
    open_files(&k, ONE);
    k.config.external_executors = true;
    kit_start_with(&k, 1);
    kit_message(&k, 300, kit_hello(&k, 0));
    ck_assert_uint_eq(kit_last(&k, DS_MSG_WELCOME)->peer, 300);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_WELCOME)->number, 2);
    ds_message m = {.type = DS_MSG_PLAN_RESULT};
    m.plan_result = (ds_msg_plan_result){1, DS_ERR_APP, "it does not compile"};
    kit_message(&k, 300, m);
    ck_assert(!k.ended);
    ck_assert_str_eq(kit_last(&k, DS_MSG_REJECT)->text, "it does not compile");
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors_lost, 1);
    kit_message(&k, 301, kit_hello(&k, 0));
    m.plan_result.status = DS_OK;
    kit_message(&k, 301, m);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors, 2);
    kit_step(&k, (ds_driver_event){.kind = DS_DRIVER_PEER_LOST, .peer = 301});
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors, 1);
    kit_wait_ms(&k, 60);
    ck_assert_uint_eq(k.n_launched, 1); /* nobody replaces it */
    kit_settle(&k);
    ck_assert(k.ended);
    kit_close(&k);
}
END_TEST

START_TEST(messages_that_mean_nothing)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start(&k);
    kit_ready(&k, 1); /* before it is introduced */
    kit_join(&k, 1);
    const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
    ds_task_result r = {.batch_ms = 1000, .stage = 0, .message = ""};
    ds_message m = {.type = DS_MSG_TASK_RESULTS, .epoch = KIT_EPOCH + 1};
    m.task_results = (ds_msg_task_results){&r, 1};
    kit_message(&k, kit_peer(1), m); /* of another driver's time */
    ck_assert_uint_eq(k.n_commits, 0);
    m.epoch = KIT_EPOCH;
    kit_message(&k, 555, m); /* of nobody */
    r.stage = 99;
    kit_message(&k, kit_peer(1), m);
    r.stage = 0;
    r.partition = 1;
    kit_message(&k, kit_peer(1), m);
    r.partition = 0;
    r.batch_ms = 9000;
    kit_message(&k, kit_peer(1), m);
    r.batch_ms = 1000;
    r.attempt = 1;
    kit_message(&k, kit_peer(1), m);
    m = (ds_message){.type = DS_MSG_STOP};
    m.stop.reason = "";
    kit_message(&k, kit_peer(1), m); /* not for drivers */
    ck_assert_uint_eq(k.n_commits, 0);
    kit_done(&k, task);
    ck_assert_uint_eq(k.n_commits, 1);
    kit_close(&k);
}
END_TEST

/* Very many small files with long names, and threads for all of them at once: tasks leave in as
 * many messages as it takes (the kit encodes each, within their limits). */
START_TEST(tasks_with_many_inputs)
{
    driver_kit k;
    char *app = NULL, dir[3401];
    memset(dir, 'd', sizeof dir - 1);
    dir[sizeof dir - 1] = '\0';
    ck_assert_int_gt(asprintf(&app,
                              "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                              "'executors': { 'count': 1 },"
                              "'sources': { 'f': { 'type': 'files', 'dir': '%s' } },"
                              "'sinks': { 'c': { 'from': 'f', 'type': 'console' } } }",
                              dir),
                     0);
    kit_open(&k, app);
    free(app);
    k.config.virtual_time = true;
    kit_start(&k);
    ds_message big = kit_hello(&k, 1);
    big.hello.cores = 64;
    kit_message(&k, kit_peer(1), big);
    kit_ready(&k, 1);
    const uint32_t n = 9000;
    ds_listed_file *files = ds_calloc(n, sizeof *files);
    char(*names)[16] = ds_calloc(n, sizeof *names);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "%08u", i);
        files[i] = (ds_listed_file){names[i], 10};
    }
    kit_listed(&k, 0, files, n, DS_OK);
    uint32_t inputs = 0;
    for (uint32_t i = 0; i < k.n_sent; i++)
        if (k.sent[i].type == DS_MSG_TASKS)
            inputs += k.sent[i].task.n_inputs;
    ck_assert_uint_eq(inputs, n);
    free(names);
    free(files);
    kit_close(&k);
}
END_TEST

/* ---- loss ---- */

START_TEST(lost_before_it_is_ready)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start(&k);
    kit_introduce(&k, 1);
    kit_lose(&k, 1);
    ck_assert_uint_eq(k.n_killed, 1);
    kit_lose(&k, 1); /* twice: no effect */
    kit_step(&k,
             (ds_driver_event){.kind = DS_DRIVER_EXECUTOR_EXITED, .executor_id = 1, .text = "why"});
    ck_assert_uint_eq(ds_driver_progress(k.driver)->executors_lost, 1);
    kit_wait_ms(&k, 100);
    ck_assert_uint_eq(k.n_launched, 2);
    kit_join(&k, 2);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    kit_close(&k);
}
END_TEST

/* A task of a lost executor runs again, which is not held against it. */
START_TEST(tasks_of_a_lost_executor_run_again)
{
    driver_kit k;
    open_files(&k, TWO);
    kit_start_with(&k, 2);
    const kit_sent first = *kit_last(&k, DS_MSG_TASKS);
    uint64_t other = first.peer == kit_peer(1) ? 2 : 1;
    kit_lose(&k, first.peer - 100);
    const kit_sent *again = kit_last(&k, DS_MSG_TASKS);
    ck_assert_uint_eq(again->peer, kit_peer(other));
    ck_assert_uint_eq(again->task.attempt, 1);
    kit_done(&k, &first); /* its connection is closed: nothing comes of it */
    ck_assert_uint_eq(k.n_commits, 0);
    for (uint32_t i = 1; i <= 3; i++) { /* three more attempts fail, and the batch lives */
        const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
        ck_assert_uint_eq(task->task.attempt, i);
        kit_fail(&k, task, DS_ERR_PROTOCOL);
        ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
    }
    kit_done(&k, kit_last(&k, DS_MSG_TASKS));
    ck_assert_uint_eq(k.n_commits, 1);
    kit_close(&k);
}
END_TEST

static int64_t wait_a_little(driver_kit *k, uint64_t *newest)
{
    int64_t ms = kit_wants_ms(k);
    ms = ms < 1 ? 1 : ms > 100 ? 100 : ms;
    kit_wait_ms(k, ms);
    if (*newest < k->n_launched)
        kit_join(k, ++*newest);
    return ms;
}

/* Loses the executor that has the task; returns how long it waits for its next attempt. */
static int64_t lose_who_has_it(driver_kit *k, uint64_t *newest)
{
    uint32_t tasks = kit_count(k, DS_MSG_TASKS);
    uint64_t launched = k->n_launched;
    int64_t waited = 0;
    kit_lose(k, kit_last(k, DS_MSG_TASKS)->peer - 100);
    while (kit_count(k, DS_MSG_TASKS) == tasks && waited < 10000)
        waited += wait_a_little(k, newest);
    for (int i = 0; i < 100 && *newest <= launched; i++)
        wait_a_little(k, newest);
    return waited;
}

/* A task that every executor falls over is given up in the end. But if they are killed, one after
 * the other, that passes: it waits longer and longer. */
START_TEST(a_task_that_loses_executors)
{
    driver_kit k;
    open_files(&k, TWO);
    kit_start_with(&k, 2);
    uint64_t newest = 2;
    int64_t all = 0;
    for (int losses = 1; losses < 16; losses++) {
        int64_t waited = lose_who_has_it(&k, &newest);
        int64_t least = losses <= 4 ? 0 : losses <= 9 ? 100 << (losses - 5) : 2000;
        ck_assert_int_ge(waited, least);
        ck_assert_int_le(waited, least + 100); /* for an executor */
        all += waited;
        ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
    }
    ck_assert_int_ge(all, 15000);
    kit_lose(&k, kit_last(&k, DS_MSG_TASKS)->peer - 100);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 1);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->retries, 16);
    kit_close(&k);
}
END_TEST

/* The store of a lost executor is held until all that may refer to it is committed. */
START_TEST(stores_of_lost_executors_are_held)
{
    driver_kit k;
    kit_open(&k, KIT_APP(TWO,
                         KIT_QUEUE("[ { 'n': 1 } ], [ { 'n': 2 } ], [ { 'n': 3 } ], [ { 'n': 4 } ],"
                                   "[ { 'n': 5 } ], [ { 'n': 6 } ]"),
                         "'g': { 'from': 'q', 'group_by': ['n'] }", KIT_CONSOLE("g")));
    k.config.virtual_time = true;
    kit_start_with(&k, 2);
    const kit_sent map = *kit_task(&k, 1000, 0, 0);
    uint64_t lost = map.peer - 100, other = 3 - lost;
    kit_done_for(&k, &map, 1);
    kit_lose(&k, lost);
    uint32_t n = 0;
    for (uint32_t p = 0; p < 4; p++) { /* all reduce tasks go to the one that is left */
        const kit_sent *reduce = kit_task(&k, 1000, 1, p);
        n += reduce->peer == kit_peer(other);
        ck_assert_uint_eq(reduce->task.inputs[0].ref.executor_id, lost);
    }
    ck_assert_uint_eq(n, 4);
    ck_assert_uint_eq(k.n_closed_stores, 0);
    uint32_t from = 0;
    while (k.sent[from].type != DS_MSG_TASKS || k.sent[from].task.stage != 1)
        from++;
    kit_settle_from(&k, from);
    ck_assert_uint_eq(k.n_closed_stores, 1);
    ck_assert_uint_eq(k.closed_stores[0], lost);
    const kit_sent *gone = kit_last(&k, DS_MSG_PEER);
    ck_assert_uint_eq(gone->number, lost);
    ck_assert(gone->gone);
    kit_close(&k);
}
END_TEST

/* ---- failures ---- */

/* A batch that finds no memory waits for those before it, which hold some: no attempt of its
 * counts until it is the first. */
START_TEST(memory_is_waited_for)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start_with(&k, 1);
    kit_done(&k, kit_last(&k, DS_MSG_TASKS));
    ck_assert_uint_eq(k.n_commits, 1); /* nobody takes the rows */
    const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
    ck_assert_int_eq(task->task.batch_ms, 2000);
    for (uint32_t attempt = 0; attempt < 10; attempt++) {
        task = kit_last(&k, DS_MSG_TASKS);
        ck_assert_uint_eq(task->task.attempt, attempt);
        uint32_t sent = k.n_sent;
        kit_fail(&k, task, DS_ERR_NO_MEMORY);
        ck_assert_uint_eq(k.n_sent, sent); /* not at once */
        ck_assert_int_le(kit_wants_ms(&k), 200);
        kit_wait_ms(&k, 200);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
    kit_committed(&k, DS_OK);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
        kit_fail(&k, kit_last(&k, DS_MSG_TASKS), DS_ERR_NO_MEMORY);
        kit_wait_ms(&k, 200 << i); /* it may still pass: other tasks end, saves are written */
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 1);
    kit_close(&k);
}
END_TEST

/* Fails the task that was sent last as often as a batch has attempts. */
static void find_no_memory(driver_kit *k)
{
    for (uint32_t i = 0; i < 4 && !k->ended; i++) {
        kit_fail(k, kit_last(k, DS_MSG_TASKS), DS_ERR_NO_MEMORY);
        kit_wait_ms(k, 200 << i);
    }
}

/* One batch after the other that finds no memory: the app ends, before all of its input is gone. */
START_TEST(input_is_not_raced_through)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start_with(&k, 1);
    find_no_memory(&k);
    find_no_memory(&k);
    ck_assert(!k.ended);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 2);
    ck_assert_int_eq(kit_last(&k, DS_MSG_TASKS)->task.batch_ms, 3000);
    find_no_memory(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(k.message, "found no memory: so"));
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 2); /* a restart has it again */
    kit_close(&k);
}
END_TEST

START_TEST(a_failed_task_goes_elsewhere)
{
    driver_kit k;
    open_files(&k, TWO);
    kit_start_with(&k, 2);
    for (uint32_t attempt = 0; attempt < 3; attempt++) {
        const kit_sent *task = kit_last(&k, DS_MSG_TASKS);
        uint64_t where = task->peer;
        ck_assert_uint_eq(task->task.attempt, attempt);
        kit_fail(&k, task, DS_ERR_PROTOCOL);
        ck_assert_uint_ne(kit_last(&k, DS_MSG_TASKS)->peer, where);
    }
    kit_fail(&k, kit_last(&k, DS_MSG_TASKS), DS_ERR_PROTOCOL); /* four in all */
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 1);
    ck_assert_int_eq(kit_last(&k, DS_MSG_TASKS)->task.batch_ms, 2000); /* the app goes on */
    kit_settle_from(&k, k.n_sent - 2);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_PROTOCOL); /* but its status tells */
    ck_assert_ptr_nonnull(strstr(k.message, "was given up: so"));
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 2);
    kit_close(&k);
}
END_TEST

/* A disk that is full may have room again: a batch waits for it, however long. */
START_TEST(a_full_disk_is_waited_for)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start_with(&k, 1);
    static const int64_t waits[] = {200, 400, 800, 1600, 3200, 6400, 6400, 6400};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        uint32_t sent = k.n_sent;
        kit_fail(&k, kit_last(&k, DS_MSG_TASKS), DS_ERR_IO);
        ck_assert_uint_eq(k.n_sent, sent);
        ck_assert_int_eq(kit_wants_ms(&k), waits[i]);
        kit_wait_ms(&k, waits[i] - 1);
        ck_assert_uint_eq(k.n_sent, sent);
        kit_wait_ms(&k, 1);
        kit_beat(&k, 1);
        ck_assert_uint_eq(k.n_sent, sent + 1);
        ck_assert_uint_eq(kit_last(&k, DS_MSG_TASKS)->task.attempt, i + 1);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
    kit_settle_from(&k, k.n_sent - 1);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    kit_close(&k);
}
END_TEST

START_TEST(bad_data_ends_the_app)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start_with(&k, 1);
    kit_fail(&k, kit_last(&k, DS_MSG_TASKS), DS_ERR_DATA);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_DATA);
    ck_assert_str_eq(k.message, "so");
    ck_assert_uint_eq(kit_count(&k, DS_MSG_STOP), 1);
    kit_close(&k);
}
END_TEST

/* Outputs that no executor of ours reports fail the task, and in the end the batch. */
START_TEST(outputs_that_do_not_fit)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start_with(&k, 1);
    ds_output wrong[] = {
        {.kind = DS_OUTPUT_PIECES, .target = 99, .ref = {1, 0, 8}, .path = ""},
        {.kind = DS_OUTPUT_FILE, .target = 1, .path = "x"},
        {.kind = DS_OUTPUT_BYTES, .target = 0, .ref = {1, KIT_STORE, 1}, .path = ""},
        {.kind = DS_OUTPUT_BYTES, .target = 0, .ref = {2, 0, 1}, .path = ""},
    };
    for (int i = 0; i < 4; i++)
        kit_result(&k, kit_last(&k, DS_MSG_TASKS), DS_OK, &wrong[i], 1);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 1);
    ck_assert_int_eq(kit_last(&k, DS_MSG_TASKS)->task.batch_ms, 2000);
    kit_settle_from(&k, k.n_sent - 2);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_PROTOCOL); /* never a success */
    kit_close(&k);
}
END_TEST

/* Pieces have to be for an input that their stage has. */
START_TEST(outputs_for_no_input)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start_with(&k, 1);
    ds_output wrong = {
        .kind = DS_OUTPUT_PIECES, .target = 0, .input = 1, .ref = {1, 0, 8}, .path = ""};
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
        kit_result(&k, kit_last(&k, DS_MSG_TASKS), DS_OK, &wrong, 1);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 1);
    kit_close(&k);
}
END_TEST

/* More pieces than a message can name: the batch is given up, and nothing worse. */
START_TEST(a_stage_with_too_many_inputs)
{
    driver_kit k;
    kit_open(&k, KIT_APP(ONE, LISTS, "'g': { 'from': 'q', 'group_by': ['n'] }", KIT_CONSOLE("g")));
    k.config.virtual_time = true;
    kit_start_with(&k, 1);
    const uint32_t n = DS_MESSAGE_LIST_LIMIT + 1;
    ds_output *outputs = ds_calloc(n, sizeof *outputs);
    for (uint32_t i = 0; i < n; i++)
        outputs[i] =
            (ds_output){.kind = DS_OUTPUT_PIECES, .target = 1, .ref = {1, 0, 64}, .path = ""};
    kit_result(&k, kit_task(&k, 1000, 0, 0), DS_OK, outputs, n);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 1);
    ck_assert_ptr_null(kit_task(&k, 1000, 1, 0));
    kit_result(&k, kit_task(&k, 2000, 0, 0), DS_OK, outputs, n - 1);
    ck_assert_ptr_nonnull(kit_task(&k, 2000, 1, 0));
    free(outputs);
    kit_close(&k);
}
END_TEST

/* How many tasks of stage 1 of a batch were handed out, once its map task is done. */
static uint32_t handed_out(driver_kit *k, int64_t batch_ms)
{
    uint32_t n = 0;
    kit_done_for(k, kit_task(k, batch_ms, 0, 0), 1);
    while (kit_task(k, batch_ms, 1, n) != NULL)
        n++;
    return n;
}

static void finish_all(driver_kit *k, int64_t batch_ms, uint32_t n_tasks, uint64_t busy_us)
{
    k->busy_us = busy_us;
    for (uint32_t p = 0; p < n_tasks; p++)
        kit_done(k, kit_task(k, batch_ms, 1, p));
}

/* An executor has a few tasks ahead; of those that take but a moment as many as take a millisecond.
 */
START_TEST(small_tasks_leave_together)
{
    driver_kit k;
    kit_open(&k,
             KIT_APP("'count': 1, 'key_partitions': 20",
                     KIT_QUEUE("[ { 'n': 1 } ], [ { 'n': 2 } ], [ { 'n': 3 } ], [ { 'n': 4 } ]"),
                     "'g': { 'from': 'q', 'group_by': ['n'] }", KIT_CONSOLE("g")));
    k.config.virtual_time = true;
    kit_start_with(&k, 1);
    ck_assert_uint_eq(handed_out(&k, 1000), 4); /* not known yet */
    finish_all(&k, 1000, 20, 100);
    ck_assert_uint_eq(handed_out(&k, 2000), 9);
    finish_all(&k, 2000, 20, 1);
    ck_assert_uint_eq(handed_out(&k, 3000), 20);
    finish_all(&k, 3000, 20, 5000);
    ck_assert_uint_eq(handed_out(&k, 4000), 4);
    kit_close(&k);
}
END_TEST

/* An executor that has nothing to do is not woken for what it may forget; when it beats it hears
 * of it. */
START_TEST(releases_without_haste)
{
    driver_kit k;
    start_grouped(&k,
                  KIT_APP(TWO, LISTS, "'g': { 'from': 'q', 'group_by': ['n'] }", KIT_CONSOLE("g")));
    for (uint32_t p = 0; p < 4; p++)
        kit_done(&k, kit_task(&k, 1000, 1, p));
    uint64_t busy = kit_task(&k, 2000, 0, 0)->peer;
    uint32_t before = k.n_sent;
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(k.n_sent, before + 2);
    for (uint32_t i = before; i < k.n_sent; i++) {
        ck_assert_uint_eq(k.sent[i].type, DS_MSG_RELEASE);
        ck_assert_int_eq(k.sent[i].batch_ms, 1000);
        ck_assert(k.sent[i].later == (k.sent[i].peer != busy));
    }
    ck_assert_uint_eq(k.n_flushes, 0);
    kit_beat(&k, 1);
    ck_assert_uint_eq(k.n_flushes, 1);
    kit_close(&k);
}
END_TEST

/* ---- given up with tasks that run ---- */

/* What a batch used goes back only when none of its tasks can read it any more, wherever they run:
 * the others' memory would be used again under their hands. */
START_TEST(a_batch_given_up_waits_for_its_tasks)
{
    driver_kit k;
    start_grouped(&k, KIT_APP(TWO, LISTS, "'g': { 'from': 'q', 'window': '2s', 'group_by': ['n'] }",
                              KIT_CONSOLE("g")));
    const kit_sent slow = *kit_task(&k, 1000, 1, 3);
    for (uint32_t p = 1; p < 3; p++)
        kit_done(&k, kit_task(&k, 1000, 1, p));
    for (int i = 0; i < 4; i++)
        kit_fail(&k, kit_task(&k, 1000, 1, 0), DS_ERR_PROTOCOL);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 0); /* one of its tasks still runs */
    /* The next batch begins, but for the partitions that the other may still change. */
    kit_done_for(&k, kit_task(&k, 2000, 0, 0), 1);
    ck_assert_ptr_null(kit_task(&k, 2000, 1, 3));
    kit_done(&k, &slow);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 2); /* to both executors */
    ck_assert_int_eq(kit_last(&k, DS_MSG_RELEASE)->batch_ms, 1000);
    ck_assert_ptr_nonnull(kit_task(&k, 2000, 1, 3));
    kit_settle_from(&k, k.n_sent - 4);
    kit_close(&k);
}
END_TEST

/* An executor that is lost takes its tasks along: nobody waits for them. */
START_TEST(a_batch_given_up_does_not_wait_for_the_lost)
{
    driver_kit k;
    start_grouped(&k,
                  KIT_APP(TWO, LISTS, "'g': { 'from': 'q', 'group_by': ['n'] }", KIT_CONSOLE("g")));
    const kit_sent slow = *kit_task(&k, 1000, 1, 3);
    uint32_t failing = 0;
    while (kit_task(&k, 1000, 1, failing)->peer == slow.peer)
        failing++;
    for (uint32_t p = 0; p < 3; p++)
        if (p != failing)
            kit_done(&k, kit_task(&k, 1000, 1, p));
    for (int i = 0; i < 4; i++)
        kit_fail(&k, kit_task(&k, 1000, 1, failing), DS_ERR_PROTOCOL);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 0);
    kit_lose(&k, slow.peer - 100);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_RELEASE), 1); /* to the other */
    kit_close(&k);
}
END_TEST

/* ---- key partitions ---- */

/* Owners are spread by cores, and stay; panes of a lost owner begin anew elsewhere. */
START_TEST(partitions_have_owners)
{
    driver_kit k;
    kit_open(
        &k,
        KIT_APP(
            "'count': 3, 'key_partitions': 8", LISTS,
            "'g': { 'from': 'q', 'window': { 'size': '3s', 'slide': '1s' }, 'group_by': ['n'] }",
            KIT_CONSOLE("g")));
    k.config.virtual_time = true;
    kit_start(&k);
    ds_message big = kit_hello(&k, 1);
    big.hello.cores = 2;
    kit_message(&k, kit_peer(1), big);
    kit_ready(&k, 1);
    kit_join(&k, 2);
    kit_join(&k, 3);
    kit_done_for(&k, kit_task(&k, 1000, 0, 0), 1);
    uint64_t owners[8];
    uint32_t owned[4] = {0};
    for (uint32_t p = 0; p < 8; p++) {
        const kit_sent *task = kit_task(&k, 1000, 1, p);
        ck_assert(task->task.keyed_ms == DS_NO_BATCH);
        owners[p] = task->peer - 100;
        owned[owners[p]]++;
        kit_done(&k, task);
    }
    ck_assert_uint_eq(owned[1], 4);
    ck_assert_uint_eq(owned[2], 2);
    ck_assert_uint_eq(owned[3], 2);
    kit_committed(&k, DS_OK);
    kit_done_for(&k, kit_task(&k, 2000, 0, 0), 1);
    for (uint32_t p = 0; p < 8; p++) {
        const kit_sent *task = kit_task(&k, 2000, 1, p);
        ck_assert_uint_eq(task->peer - 100, owners[p]);
        ck_assert_int_eq(task->task.keyed_ms, 1000);
    }
    kit_lose(&k, 2);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 2);
    for (uint32_t p = 0; p < 8; p++) {
        const kit_sent *task = kit_task(&k, 2000, 1, p);
        bool moved = owners[p] == 2;
        ck_assert_uint_ne(task->peer, kit_peer(2));
        ck_assert_int_eq(task->task.keyed_ms, moved ? DS_NO_BATCH : 1000);
        ck_assert_uint_eq(task->task.attempt, moved ? 1 : 0);
    }
    kit_close(&k);
}
END_TEST

/* How many tasks of a stage an executor was given last. */
static uint32_t tasks_at(const driver_kit *k, int64_t batch_ms, uint32_t stage,
                         uint64_t executor_id)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < k->p.plan->key_partitions; p++) {
        const kit_sent *task = kit_task(k, batch_ms, stage, p);
        n += task != NULL && task->peer == kit_peer(executor_id);
    }
    return n;
}

static void finish_stage(driver_kit *k, int64_t batch_ms, uint32_t stage)
{
    for (uint32_t p = 0; p < k->p.plan->key_partitions; p++)
        kit_done(k, kit_task(k, batch_ms, stage, p));
}

/* The task of the source has rows for two stages. */
static void finish_source(driver_kit *k, int64_t batch_ms)
{
    const kit_sent *task = kit_task(k, batch_ms, 0, 0);
    ds_output outputs[2] = {{.kind = DS_OUTPUT_PIECES, .target = 1, .length = 64, .path = ""},
                            {.kind = DS_OUTPUT_PIECES, .target = 2, .length = 64, .path = ""}};
    outputs[0].ref = outputs[1].ref = (ds_ref){task->peer - 100, 64, 64};
    kit_result(k, task, DS_OK, outputs, 2);
}

/* What is kept stays where it is; one that replaces another has its part in all else at once. */
START_TEST(a_replacement_has_its_part)
{
    driver_kit k;
    kit_open(&k,
             KIT_APP("'count': 2, 'key_partitions': 8", LISTS,
                     "'kept': { 'from': 'q', 'window': '3s', 'group_by': ['n'] },"
                     "'plain': { 'from': 'q', 'group_by': ['n'], 'aggregate': { 'c': 'count()' } }",
                     KIT_CONSOLE("kept") ", 'p': { 'from': 'plain', 'type': 'console' }"));
    k.config.virtual_time = true;
    const uint32_t kept = k.p.plan->stages[1].keyed ? 1 : 2, plain = 3 - kept;
    ck_assert(!k.p.plan->stages[plain].keyed && k.p.plan->stages[kept].keyed);
    kit_start_with(&k, 2);
    finish_source(&k, 1000);
    ck_assert_uint_eq(tasks_at(&k, 1000, kept, 1), 4);
    ck_assert_uint_eq(tasks_at(&k, 1000, kept, 2), 4);
    kit_lose(&k, 2);
    ck_assert_uint_eq(tasks_at(&k, 1000, kept, 1), 8);
    ck_assert_uint_eq(tasks_at(&k, 1000, plain, 1), 0); /* it has enough to do */
    kit_wait_ms(&k, 100);
    kit_join(&k, 3);
    ck_assert_uint_eq(tasks_at(&k, 1000, plain, 3), 4);
    finish_stage(&k, 1000, kept);
    ck_assert_uint_eq(tasks_at(&k, 1000, plain, 1), 4);
    finish_stage(&k, 1000, plain);
    kit_committed(&k, DS_OK);
    finish_source(&k, 2000);
    ck_assert_uint_eq(tasks_at(&k, 2000, kept, 1), 8);
    ck_assert_int_eq(kit_task(&k, 2000, kept, 7)->task.keyed_ms, 1000);
    ck_assert_uint_eq(tasks_at(&k, 2000, plain, 3), 4);
    kit_close(&k);
}
END_TEST

/* A partition that is not where it should be begins anew, and is counted. */
START_TEST(a_partition_that_is_not_there)
{
    driver_kit k;
    kit_open(&k, KIT_APP(ONE, LISTS, "'g': { 'from': 'q', 'window': '3s', 'group_by': ['n'] }",
                         KIT_CONSOLE("g")));
    k.config.virtual_time = true;
    kit_start_with(&k, 1);
    kit_done_for(&k, kit_task(&k, 1000, 0, 0), 1);
    kit_done(&k, kit_task(&k, 1000, 1, 0));
    kit_done(&k, kit_task(&k, 1000, 1, 1));
    kit_committed(&k, DS_OK);
    kit_done_for(&k, kit_task(&k, 2000, 0, 0), 1);
    kit_fail(&k, kit_task(&k, 2000, 1, 1), DS_ERR_LOST);
    ck_assert(kit_task(&k, 2000, 1, 1)->task.keyed_ms == DS_NO_BATCH);
    ck_assert_int_eq(kit_task(&k, 2000, 1, 0)->task.keyed_ms, 1000);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->panes_lost, 1);
    kit_close(&k);
}
END_TEST

/* ---- commits ---- */

START_TEST(a_commit_that_fails_is_tried_again)
{
    driver_kit k;
    open_files(&k, ONE);
    kit_start_with(&k, 1);
    kit_done(&k, kit_last(&k, DS_MSG_TASKS));
    static const int64_t waits[] = {200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        kit_committed(&k, DS_ERR_IO);
        ck_assert_uint_eq(k.n_commits, i + 1);
        ck_assert_int_eq(kit_wants_ms(&k), waits[i]);
        kit_wait_ms(&k, waits[i] - 1);
        ck_assert_uint_eq(k.n_commits, i + 1);
        kit_wait_ms(&k, 1);
        kit_beat(&k, 1);
        ck_assert_uint_eq(k.n_commits, i + 2);
        ck_assert_int_eq(k.commits[i + 1]->batch_ms, 1000);
    }
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 0);
    kit_settle_from(&k, 1);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 3);
    kit_close(&k);
}
END_TEST

/* ---- recovery ---- */

/* What the driver before this one left: batch 1 is prepared, batch 2 only allotted. */
typedef struct left_behind {
    ds_recovered recovered;
    ds_recovered_batch batches[2];
    ds_recovered_source source;
    ds_allotment allotments[2];
    ds_input inputs[2];
    ds_commit_file file;
} left_behind;

static void leave(left_behind *l)
{
    *l = (left_behind){.source = {.name = "q", .next = 2}};
    l->file = (ds_commit_file){
        .staged = "out/.dstream-x/old", .folder = "out/1000", .name = "part-00000.json"};
    for (int i = 0; i < 2; i++) {
        l->inputs[i] = (ds_input){.kind = DS_INPUT_QUEUE, .from = (uint64_t)i, .path = ""};
        l->allotments[i] = (ds_allotment){.source = 0, .inputs = &l->inputs[i], .n_inputs = 1};
        l->batches[i] = (ds_recovered_batch){
            .time_ms = 1000 * (i + 1), .allotments = &l->allotments[i], .n_allotments = 1};
    }
    l->batches[0].prepared = true;
    l->batches[0].commit =
        (ds_commit){.batch_ms = 1000, .files = &l->file, .n_files = 1, .again = true};
    l->recovered = (ds_recovered){.app = "x",
                                  .last_ms = 2000,
                                  .sources = &l->source,
                                  .n_sources = 1,
                                  .batches = l->batches,
                                  .n_batches = 2};
}

START_TEST(batches_of_the_driver_before)
{
    driver_kit k;
    left_behind l;
    leave(&l);
    open_files(&k, ONE);
    k.config.checkpoint = true;
    k.config.recovered = &l.recovered;
    kit_start(&k);
    ck_assert_int_gt(kit_wants_ms(&k), 1000); /* it waits for executors, and does not spin */
    kit_join(&k, 1);
    ck_assert(k.journal[0].whole);
    ck_assert_ptr_nonnull(strstr(k.journal[0].text, "out/.dstream-x/old"));
    /* The first only has to be put in place, as it may have been begun. */
    ck_assert_uint_eq(k.n_commits, 1);
    ck_assert_int_eq(k.commits[0]->batch_ms, 1000);
    ck_assert(k.commits[0]->again);
    ck_assert_str_eq(k.commits[0]->files[0].staged, "out/.dstream-x/old");
    ck_assert_ptr_null(kit_task(&k, 1000, 0, 0));
    /* The second runs again, with the same input. */
    const kit_sent *task = kit_task(&k, 2000, 0, 0);
    ck_assert_uint_eq(task->task.inputs[0].from, 1);
    kit_settle(&k);
    /* And the third is new. */
    ck_assert_uint_eq(kit_task(&k, 3000, 0, 0)->task.inputs[0].from, 2);
    ck_assert(k.ended);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 3);
    kit_close(&k);
}
END_TEST

/* The n-th list is the n-th batch, also if a list before it was empty and left no trace. */
START_TEST(lists_keep_their_batches)
{
    driver_kit k;
    left_behind l;
    leave(&l);
    l.recovered.n_batches = 0;
    l.recovered.last_ms = 2000; /* batch 2 was committed, for another source or a window */
    l.source.next = 1;
    open_files(&k, ONE);
    k.config.checkpoint = true;
    k.config.recovered = &l.recovered;
    kit_start_with(&k, 1);
    kit_settle(&k);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    ck_assert_int_eq(kit_last(&k, DS_MSG_TASKS)->task.batch_ms, 3000);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TASKS)->task.inputs[0].from, 2);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_life", it_waits_for_all_executors, after_a_while_one_is_enough,
          executors_that_never_start, a_plan_that_does_not_compile_there, who_is_rejected,
          executors_from_outside, messages_that_mean_nothing, tasks_with_many_inputs,
          lost_before_it_is_ready, tasks_of_a_lost_executor_run_again, a_task_that_loses_executors,
          stores_of_lost_executors_are_held, memory_is_waited_for, input_is_not_raced_through,
          a_failed_task_goes_elsewhere, a_full_disk_is_waited_for, bad_data_ends_the_app,
          outputs_that_do_not_fit, outputs_for_no_input, a_stage_with_too_many_inputs,
          small_tasks_leave_together, releases_without_haste, a_batch_given_up_waits_for_its_tasks,
          a_batch_given_up_does_not_wait_for_the_lost, partitions_have_owners,
          a_replacement_has_its_part, a_partition_that_is_not_there,
          a_commit_that_fails_is_tried_again, batches_of_the_driver_before,
          lists_keep_their_batches)
