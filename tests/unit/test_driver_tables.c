/* The driver and tables: who reads the file, which batch uses which version, what is lost. */
#include "unit/driver_kit.h"

#define ONE "'count': 1, 'key_partitions': 2"
#define TWO "'count': 2, 'key_partitions': 4"
#define LISTS KIT_QUEUE("[ { 'n': 1 } ], [ { 'n': 2 } ], [ { 'n': 3 } ]")
#define TABLE(more) "'t': { 'type': 'table', 'path': 'people.txt' " more " }"
#define SINKS                                                                                      \
    "'f': { 'from': 'q', 'type': 'file', 'dir': 'out' },"                                          \
    "'g': { 'from': 't', 'type': 'file', 'dir': 'all' }"

#define STAGE_T 1u /* the other source comes first */

static void open_table(driver_kit *k, const char *executors, const char *sources, const char *sinks)
{
    char *app = NULL;
    ck_assert_int_gt(asprintf(&app,
                              "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                              "'executors': { %s }, 'sources': { %s }, 'sinks': { %s } }",
                              executors, sources, sinks),
                     0);
    kit_open(k, app);
    free(app);
    k->config.virtual_time = true;
}

/* A queue of three batches, and a table; both are written as they are. */
static void open_both(driver_kit *k, const char *executors, const char *sources)
{
    open_table(k, executors, sources, SINKS);
}

static void join_all(driver_kit *k, uint64_t n)
{
    kit_start_with(k, n);
}

/* The newest load is done: a version of n blocks of 100 bytes. */
static void load(driver_kit *k, uint64_t checksum, uint32_t n)
{
    const kit_sent *to = kit_last(k, DS_MSG_TABLE_LOAD);
    ck_assert_ptr_nonnull(to);
    ds_input inputs[4];
    ck_assert_uint_le(n, 4);
    for (uint32_t i = 0; i < n; i++)
        inputs[i] = (ds_input){.kind = DS_INPUT_BLOCK,
                               .ref = {to->peer - 100, 4096 * to->version + 128 * i, 100},
                               .path = ""};
    kit_loaded(k, to,
               (ds_msg_table_loaded){.stamp = {1, 2, 100, (int64_t)checksum, 4},
                                     .checksum = checksum,
                                     .inputs = inputs,
                                     .n_inputs = n,
                                     .result = {.rows_in = 10 * n, .bytes_in = 100 * n}});
}

static void fail_load(driver_kit *k, ds_status status, const char *why)
{
    kit_loaded(k, kit_last(k, DS_MSG_TABLE_LOAD),
               (ds_msg_table_loaded){.result = {.status = (uint32_t)status, .message = why}});
}

static uint64_t version_of(const kit_sent *task)
{
    ck_assert_ptr_nonnull(task);
    ck_assert_uint_gt(task->task.n_inputs, 0);
    return task->task.inputs[0].ref.offset / 4096;
}

static const ds_source_counts *counts(const driver_kit *k)
{
    return &ds_driver_progress(k->driver)->sources[1];
}

/* ---- the start ---- */

START_TEST(nothing_runs_before_it_is_loaded)
{
    driver_kit k;
    open_both(&k, TWO, LISTS ", " TABLE(""));
    join_all(&k, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 1);
    const kit_sent *asked = kit_last(&k, DS_MSG_TABLE_LOAD);
    ck_assert_uint_eq(asked->load.source, 1);
    ck_assert_uint_eq(asked->load.version, 1);
    ck_assert_uint_eq(asked->load.checksum, 0);
    kit_wait_ms(&k, 5000);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 1);

    load(&k, 11, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE), 2); /* everybody is told */
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TABLE)->number, 2);
    const kit_sent *task = kit_task(&k, 1000, STAGE_T, 0);
    ck_assert_uint_eq(version_of(task), 1);
    ck_assert_uint_eq(task->task.n_inputs, 2);
    ck_assert_uint_eq(counts(&k)->rows, 20);
    ck_assert_uint_eq(counts(&k)->table_version, 1);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_ptr_nonnull(kit_task(&k, 3000, STAGE_T, 0)); /* whole in every batch */
    ck_assert_ptr_null(kit_task(&k, 4000, STAGE_T, 0));    /* and no reason for another */
    kit_close(&k);
}
END_TEST

START_TEST(who_joins_later_is_told)
{
    driver_kit k;
    open_both(&k, TWO, LISTS ", " TABLE(""));
    join_all(&k, 1);
    kit_wait_ms(&k, 10000);
    load(&k, 11, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE), 1);
    kit_introduce(&k, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE), 1); /* it has no plan yet */
    kit_ready(&k, 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE), 2);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TABLE)->peer, kit_peer(2));
    kit_close(&k);
}
END_TEST

#define LETTERS(executors, sources, rest)                                                          \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' }, 'dead_letters': 'dead',"          \
    "'executors': { " executors " }, 'sources': { " sources ", " TABLE(                            \
        ", 'format': 'csv', 'schema': { 'n': 'int' }, 'on_error': 'dead_letter'") " }, " rest " }"

#define JOINED                                                                                     \
    "'streams': { 'j': { 'from': 'q', 'join': { 'with': 't', 'on': [ 'n' ] } } },"                 \
    "'sinks': { 'f': { 'from': 'j', 'type': 'file', 'dir': 'out' } }"

/* The newest load is done, and left a file of dead letters. */
static void load_with_letters(driver_kit *k, uint64_t checksum)
{
    ds_output outputs[] = {{.kind = DS_OUTPUT_FILE,
                            .target = k->p.plan->dead_letters,
                            .rows = 3,
                            .length = 70,
                            .path = checksum == 1 ? "staged 1" : "staged 2"}};
    const kit_sent *to = kit_last(k, DS_MSG_TABLE_LOAD);
    ds_input input = {.kind = DS_INPUT_BLOCK, .ref = {to->peer - 100, 0, 100}, .path = ""};
    kit_loaded(k, to,
               (ds_msg_table_loaded){.checksum = checksum,
                                     .inputs = &input,
                                     .n_inputs = 1,
                                     .result = {.outputs = outputs, .n_outputs = 1}});
}

static void check_letters(const driver_kit *k, uint32_t commit, const char *staged)
{
    ck_assert_uint_gt(k->n_commits, commit);
    ck_assert_uint_eq(k->commits[commit]->n_appends, 1);
    const ds_commit_append *append = &k->commits[commit]->appends[0];
    ck_assert_str_eq(append->path, "dead");
    ck_assert_uint_eq(append->n_parts, 1);
    ck_assert_str_eq(append->parts[0].staged, staged);
    ck_assert_uint_eq(append->parts[0].length, 70);
}

static void committed_with_letters(driver_kit *k, int64_t batch_ms)
{
    k->n_committed++;
    kit_step(k, (ds_driver_event){.kind = DS_DRIVER_COMMITTED,
                                  .batch_ms = batch_ms,
                                  .ends = &(ds_append_end){5, 6}});
}

/* Dead letters of a load are committed with the next batch, once; with those of its tasks. */
START_TEST(dead_letters_of_loads)
{
    driver_kit k;
    kit_open(&k, LETTERS(ONE, LISTS, "'sinks': {" SINKS "}"));
    k.config.virtual_time = true;
    join_all(&k, 1);
    load_with_letters(&k, 1);
    kit_done(&k, kit_task(&k, 1000, 0, 0));
    kit_done(&k, kit_task(&k, 1000, STAGE_T, 0));
    ck_assert_uint_eq(k.n_commits, 1);
    check_letters(&k, 0, "staged 1");
    committed_with_letters(&k, 1000);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->dead_letters, 3);
    kit_done(&k, kit_task(&k, 2000, 0, 0));
    kit_done(&k, kit_task(&k, 2000, STAGE_T, 0));
    ck_assert_int_eq(k.commits[k.n_commits - 1]->batch_ms, 2000);
    ck_assert_uint_eq(k.commits[k.n_commits - 1]->n_appends, 0);
    kit_close(&k);
}
END_TEST

/* A batch of nothing else is made for them. */
START_TEST(dead_letters_alone)
{
    driver_kit k;
    kit_open(&k, LETTERS(ONE, KIT_QUEUE("[ ], [ ], [ { 'n': 1 } ]"), JOINED));
    k.config.virtual_time = true;
    join_all(&k, 1);
    load_with_letters(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 0);
    check_letters(&k, 0, "staged 1");
    committed_with_letters(&k, 1000);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->dead_letters, 3);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 2);
    kit_close(&k);
}
END_TEST

/* A batch that begins anew with another version has the dead letters of both loads. */
START_TEST(dead_letters_of_two_loads)
{
    driver_kit k;
    kit_open(&k, LETTERS(TWO, LISTS, JOINED));
    k.config.virtual_time = k.no_stores = k.fetches = true;
    join_all(&k, 2);
    load_with_letters(&k, 1);
    uint64_t reader = kit_last(&k, DS_MSG_TABLE_LOAD)->peer;
    const kit_sent task = *kit_task(&k, 1000, 0, 0);
    kit_lose(&k, reader - 100);
    if (task.peer != reader)
        kit_fail(&k, &task, DS_ERR_LOST);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 2);
    load_with_letters(&k, 2);
    kit_done(&k, kit_task(&k, 1000, 0, 0));
    ck_assert_uint_eq(k.n_commits, 1);
    ck_assert_uint_eq(k.commits[0]->appends[0].n_parts, 2);
    ck_assert_str_eq(k.commits[0]->appends[0].parts[0].staged, "staged 1");
    ck_assert_str_eq(k.commits[0]->appends[0].parts[1].staged, "staged 2");
    kit_close(&k);
}
END_TEST

/* What a load says that failed at the start, and what the app ends with. */
START_TEST(a_table_that_cannot_be_had)
{
    static const struct {
        ds_status said, ends;
    } cases[] = {{DS_ERR_NO_INPUT, DS_ERR_NO_INPUT},
                 {DS_ERR_IO, DS_ERR_IO},
                 {DS_ERR_DATA, DS_ERR_DATA},
                 {DS_ERR_NO_MEMORY, DS_ERR_NO_MEMORY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        driver_kit k;
        open_both(&k, ONE, LISTS ", " TABLE(", 'reload': '1s'"));
        join_all(&k, 1);
        fail_load(&k, cases[i].said, "it cannot be");
        ck_assert(k.ended);
        ck_assert_int_eq(k.status, cases[i].ends);
        ck_assert_str_eq(k.message, "source t: it cannot be");
        kit_close(&k);
    }
}
END_TEST

START_TEST(a_file_that_is_just_being_written)
{
    driver_kit k;
    open_both(&k, ONE, LISTS ", " TABLE(""));
    join_all(&k, 1);
    uint32_t asked = 1;
    for (int64_t waited = 0; !k.ended; waited += 200) {
        ck_assert_int_lt(waited, 20000);
        ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), asked);
        fail_load(&k, DS_ERR_UNAVAILABLE, "it changes");
        while (!k.ended && kit_count(&k, DS_MSG_TABLE_LOAD) == asked)
            kit_wait_ms(&k, 100);
        asked++;
    }
    ck_assert_int_eq(k.status, DS_ERR_IO);
    ck_assert_uint_gt(asked, 3);
    kit_close(&k);
}
END_TEST

START_TEST(a_table_alone_is_one_batch)
{
    driver_kit k;
    open_table(&k, ONE, TABLE(", 'reload': '1s'"),
               "'g': { 'from': 't', 'type': 'file', 'dir': 'all' }");
    join_all(&k, 1);
    load(&k, 11, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    kit_close(&k);
}
END_TEST

/* ---- reload ---- */

/* Blocks of a queue never end here: time passes on a wall clock. */
static void open_clock(driver_kit *k, const char *executors, const char *more)
{
    char *sources = NULL;
    ck_assert_int_gt(asprintf(&sources,
                              "'r': { 'type': 'rate', 'rows_per_second': 1 }, "
                              "'t': { 'type': 'table', 'path': 'people.txt' %s }",
                              more),
                     0);
    open_table(k, executors, sources,
               "'f': { 'from': 'r', 'type': 'file', 'dir': 'out' },"
               "'g': { 'from': 't', 'type': 'file', 'dir': 'all' }");
    free(sources);
    k->config.virtual_time = false;
}

START_TEST(it_is_looked_at_again)
{
    driver_kit k;
    open_clock(&k, ONE, ", 'reload': '250ms'");
    join_all(&k, 1);
    load(&k, 11, 1);
    ck_assert_int_eq(kit_wants_ms(&k), 250);
    kit_wait_ms(&k, 249);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 1);
    kit_wait_ms(&k, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 2);
    const kit_sent *asked = kit_last(&k, DS_MSG_TABLE_LOAD);
    ck_assert_uint_eq(asked->load.version, 2);
    ck_assert_uint_eq(asked->load.checksum, 11);
    ck_assert_int_eq(asked->load.known.modified_ns, 11);
    kit_wait_ms(&k, 700);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 2); /* one at a time */

    kit_loaded(&k, asked, (ds_msg_table_loaded){.same = true, .stamp.modified_ns = 12});
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE), 1);
    kit_wait_ms(&k, 250);
    asked = kit_last(&k, DS_MSG_TABLE_LOAD);
    ck_assert_int_eq(asked->load.known.modified_ns, 12); /* it was touched */
    ck_assert_uint_eq(asked->load.version, 2);
    ck_assert_uint_gt(asked->load.load_id, 2);
    kit_loaded(&k, asked, (ds_msg_table_loaded){.same = true});
    kit_close(&k);
}
END_TEST

START_TEST(without_reload_it_is_not)
{
    driver_kit k;
    open_clock(&k, ONE, "");
    join_all(&k, 1);
    load(&k, 11, 1);
    for (int i = 0; i < 10; i++) {
        kit_wait_ms(&k, 1000);
        kit_beat(&k, 1);
        kit_settle(&k);
    }
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 1);
    kit_close(&k);
}
END_TEST

/* A new version holds from the next batch on; the old one is there as long as a batch needs it. */
START_TEST(versions_change_between_batches)
{
    driver_kit k;
    open_clock(&k, TWO, ", 'reload': '100ms'");
    join_all(&k, 2);
    load(&k, 11, 1);
    kit_wait_ms(&k, 1000);
    int64_t first = KIT_ZERO + 1000;
    const kit_sent *task = kit_task(&k, first, STAGE_T, 0);
    ck_assert_uint_eq(version_of(task), 1);
    load(&k, 22, 2);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TABLE)->version, 2);
    kit_fail(&k, task, DS_ERR_IO);
    kit_wait_ms(&k, 200);
    const kit_sent *again = kit_task(&k, first, STAGE_T, 0);
    ck_assert_uint_eq(again->task.attempt, 1);
    ck_assert_uint_eq(version_of(again), 1); /* a rerun sees what the first attempt saw */

    kit_wait_ms(&k, 800);
    ck_assert_uint_eq(counts(&k)->rows, 30);
    kit_done(&k, kit_task(&k, first, 0, 0));
    kit_done(&k, again);
    ck_assert_uint_eq(version_of(kit_task(&k, first + 1000, STAGE_T, 0)), 2);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_DROP), 0);
    kit_committed(&k, DS_OK);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_DROP), 2);
    ck_assert_uint_eq(kit_last(&k, DS_MSG_TABLE_DROP)->version, 1);
    kit_close(&k);
}
END_TEST

START_TEST(the_last_good_one_stays)
{
    driver_kit k;
    open_clock(&k, ONE, ", 'reload': '100ms'");
    join_all(&k, 1);
    load(&k, 11, 1);
    const ds_status said[] = {DS_ERR_NO_INPUT, DS_ERR_DATA, DS_ERR_IO, DS_ERR_UNAVAILABLE,
                              DS_ERR_NO_MEMORY};
    for (uint32_t i = 0; i < 5; i++) {
        kit_wait_ms(&k, 100);
        ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 2 + i);
        fail_load(&k, said[i], "because");
        ck_assert(!k.ended);
        ck_assert_uint_eq(counts(&k)->table_failures, i + 1);
    }
    kit_wait_ms(&k, 500);
    ck_assert_uint_eq(version_of(kit_task(&k, KIT_ZERO + 1000, STAGE_T, 0)), 1);
    load(&k, 22, 1);
    kit_settle(&k);
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(version_of(kit_task(&k, KIT_ZERO + 2000, STAGE_T, 0)), 2);
    ck_assert_uint_eq(counts(&k)->table_failures, 5);
    kit_close(&k);
}
END_TEST

START_TEST(a_bad_record_under_fail_ends_the_app)
{
    driver_kit k;
    open_clock(&k, ONE, ", 'reload': '100ms', 'on_error': 'fail'");
    join_all(&k, 1);
    load(&k, 11, 1);
    kit_wait_ms(&k, 100);
    fail_load(&k, DS_ERR_NO_INPUT, "it is gone");
    ck_assert(!k.ended);
    kit_wait_ms(&k, 100);
    fail_load(&k, DS_ERR_DATA, "record 7");
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_DATA);
    kit_close(&k);
}
END_TEST

START_TEST(answers_that_are_not_believed)
{
    driver_kit k;
    open_clock(&k, TWO, ", 'reload': '100ms'");
    join_all(&k, 2);
    load(&k, 11, 1);
    const kit_sent first = *kit_last(&k, DS_MSG_TABLE_LOAD);
    kit_loaded(&k, &first, (ds_msg_table_loaded){.checksum = 5}); /* a second time */
    ck_assert_uint_eq(counts(&k)->table_version, 1);
    kit_wait_ms(&k, 100);
    kit_sent other = *kit_last(&k, DS_MSG_TABLE_LOAD);
    other.peer = other.peer == kit_peer(1) ? kit_peer(2) : kit_peer(1);
    kit_loaded(&k, &other, (ds_msg_table_loaded){.checksum = 5}); /* of somebody else */
    ck_assert_uint_eq(counts(&k)->table_version, 1);

    ds_input wrong[] = {{.kind = DS_INPUT_BLOCK, .ref = {99, 0, 1}, .path = ""},
                        {.kind = DS_INPUT_BLOCK, .ref = {1, KIT_STORE, 1}, .path = ""},
                        {.kind = DS_INPUT_BLOCK, .ref = {1, 1, KIT_STORE}, .path = ""},
                        {.kind = DS_INPUT_FILE, .path = "x"}};
    for (uint32_t i = 0; i < 4; i++) {
        const kit_sent *to = kit_last(&k, DS_MSG_TABLE_LOAD);
        if (wrong[i].ref.executor_id == 1)
            wrong[i].ref.executor_id = to->peer - 100;
        kit_loaded(&k, to,
                   (ds_msg_table_loaded){.checksum = 5, .inputs = &wrong[i], .n_inputs = 1});
        ck_assert_uint_eq(counts(&k)->table_failures, i + 1);
        kit_wait_ms(&k, 100);
    }
    ck_assert_uint_eq(counts(&k)->table_version, 1);
    kit_close(&k);
}
END_TEST

/* ---- joins ---- */

/* Tasks whose rows are looked up in the table say in which version; the table is no stage. */
START_TEST(tasks_name_versions)
{
    driver_kit k;
    kit_open(&k, "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                 "'executors': { 'count': 1 }, 'sources': { " LISTS
                 ", 't': { 'type': 'table', 'path': 'x', 'format': 'json', 'reload': '1ms',"
                 "         'schema': { 'n': 'int', 's': 'string' } } },"
                 "'streams': { 'j': { 'from': 'q', 'join': { 'with': 't', 'on': [ 'n' ] } } },"
                 "'sinks': { 'f': { 'from': 'j', 'type': 'file', 'dir': 'out' } } }");
    k.config.virtual_time = true;
    join_all(&k, 1);
    load(&k, 11, 1);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), 1);
    const kit_sent *first = kit_task(&k, 1000, 0, 0);
    ck_assert_uint_eq(first->task.n_tables, 1);
    ck_assert_uint_eq(first->task.tables[0].source, 1);
    ck_assert_uint_eq(first->task.tables[0].version, 1);
    kit_wait_ms(&k, 1);
    load(&k, 22, 1);
    kit_fail(&k, first, DS_ERR_PROTOCOL);
    ck_assert_uint_eq(kit_task(&k, 1000, 0, 0)->task.tables[0].version, 1);
    kit_settle(&k);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_OK);
    ck_assert_ptr_null(kit_task(&k, 1000, 1, 0));
    ck_assert_uint_eq(ds_driver_progress(k.driver)->batches, 3);
    kit_close(&k);
}
END_TEST

/* ---- loss ---- */

START_TEST(an_executor_is_lost_while_it_reads)
{
    driver_kit k;
    open_clock(&k, TWO, "");
    join_all(&k, 2);
    for (uint32_t i = 0; i < 3; i++) {
        const kit_sent *asked = kit_last(&k, DS_MSG_TABLE_LOAD);
        ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), i + 1);
        kit_lose(&k, asked->peer - 100);
        kit_wait_ms(&k, 10000);
        kit_join(&k, k.n_launched);
        ck_assert(!k.ended);
    }
    kit_lose(&k, kit_last(&k, DS_MSG_TABLE_LOAD)->peer - 100);
    ck_assert(k.ended);
    ck_assert_int_eq(k.status, DS_ERR_LOST);
    kit_close(&k);
}
END_TEST

/* Its store is held open: nothing is lost, and it is held as long as the version is in use. */
START_TEST(the_store_of_a_lost_one_is_held)
{
    driver_kit k;
    open_clock(&k, TWO, ", 'reload': '5s'");
    join_all(&k, 2);
    load(&k, 11, 1);
    uint64_t reader = kit_last(&k, DS_MSG_TABLE_LOAD)->peer - 100;
    kit_lose(&k, reader);
    for (int64_t b = 1; b <= 3; b++) {
        kit_wait_ms(&k, 1000);
        ck_assert_uint_eq(version_of(kit_task(&k, KIT_ZERO + b * 1000, STAGE_T, 0)), 1);
        kit_settle(&k);
    }
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 1);
    ck_assert_uint_eq(k.n_closed_stores, 0);
    kit_join(&k, k.n_launched);
    for (int i = 0; i < 2; i++) {
        kit_wait_ms(&k, 1000);
        kit_settle(&k);
    }
    load(&k, 22, 1);
    for (int i = 0; i < 2; i++) {
        kit_wait_ms(&k, 1000);
        kit_settle(&k);
    }
    ck_assert_uint_eq(k.n_closed_stores, 1);
    ck_assert_uint_eq(k.closed_stores[0], reader);
    kit_close(&k);
}
END_TEST

/* Nobody holds its store: the file is read again, and batches that need it wait, and begin anew. */
START_TEST(the_only_copy_is_lost)
{
    driver_kit k;
    open_clock(&k, TWO, "");
    k.no_stores = k.fetches = true;
    join_all(&k, 2);
    load(&k, 11, 2);
    kit_wait_ms(&k, 1000);
    int64_t first = KIT_ZERO + 1000;
    const kit_sent task = *kit_task(&k, first, STAGE_T, 0);
    uint64_t reader = kit_last(&k, DS_MSG_TABLE_LOAD)->peer - 100, other = reader == 1 ? 2 : 1;
    uint32_t sent = kit_count(&k, DS_MSG_TASKS);
    kit_lose(&k, reader);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 2);
    const kit_sent *asked = kit_last(&k, DS_MSG_TABLE_LOAD);
    ck_assert_uint_eq(asked->peer, kit_peer(other));
    ck_assert_uint_eq(asked->load.checksum, 0); /* it is read whatever it holds */
    if (task.peer == kit_peer(other))
        kit_fail(&k, &task, DS_ERR_LOST); /* that is not held against it */
    fail_load(&k, DS_ERR_NO_INPUT, "it is gone");
    ck_assert(!k.ended);
    kit_wait_ms(&k, 1000);
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TASKS), sent); /* the next batch waits, too */
    ck_assert_uint_eq(kit_count(&k, DS_MSG_TABLE_LOAD), 3);
    load(&k, 22, 1);
    const kit_sent *again = kit_task(&k, first, STAGE_T, 0);
    ck_assert_uint_gt(again->task.attempt, task.task.attempt);
    ck_assert_uint_eq(version_of(again), 2);
    ck_assert_uint_eq(again->task.n_inputs, 1);
    kit_settle(&k);
    kit_wait_ms(&k, 1000);
    kit_settle(&k);
    ck_assert_uint_eq(ds_driver_progress(k.driver)->failed_batches, 0);
    ck_assert_uint_ge(ds_driver_progress(k.driver)->batches, 2);
    kit_close(&k);
}
END_TEST

/* ---- checkpoints ---- */

START_TEST(a_person_sees_the_version)
{
    driver_kit k;
    open_clock(&k, ONE, ", 'reload': '100ms'");
    k.config.checkpoint = true;
    join_all(&k, 1);
    load(&k, 11, 1);
    kit_wait_ms(&k, 100);
    load(&k, 22, 1);
    kit_wait_ms(&k, 1000);
    const char *line = k.journal[k.n_journal - 1].text;
    ck_assert_ptr_nonnull(strstr(line, "\"allotted\""));
    ck_assert_ptr_null(strstr(line, "\"t\":["));
    ck_assert_ptr_nonnull(strstr(line, "\"tables\":{\"t\":{\"version\":2,\"file\":\"people.txt\","
                                       "\"bytes\":100,\"modified_ms\":0,\"checksum\":"
                                       "\"0000000000000016\"}}"));
    ds_recovered *recovered = kit_recovered(&k, k.n_journal, k.p.plan);
    ck_assert_uint_eq(recovered->n_batches, 1);
    ck_assert_uint_eq(recovered->batches[0].n_tables, 1);
    ck_assert_uint_eq(recovered->batches[0].tables[0].version, 2);
    ck_assert_uint_eq(recovered->batches[0].tables[0].checksum, 22);
    ck_assert(!recovered->batches[0].has_blocks);
    ds_recovered_free(recovered);
    kit_close(&k);
}
END_TEST

/* The batch of a driver that died waits for the table, which is another version now. */
START_TEST(after_a_restart)
{
    driver_kit k, next;
    open_clock(&k, ONE, ", 'reload': '100ms'");
    k.config.checkpoint = true;
    join_all(&k, 1);
    load(&k, 11, 1);
    kit_wait_ms(&k, 1000);
    ds_recovered *recovered = kit_recovered(&k, k.n_journal, k.p.plan);

    open_clock(&next, ONE, ", 'reload': '100ms'");
    next.config.checkpoint = true;
    next.config.recovered = recovered;
    join_all(&next, 1);
    ck_assert_uint_eq(kit_count(&next, DS_MSG_TASKS), 0);
    ck_assert_uint_eq(kit_last(&next, DS_MSG_TABLE_LOAD)->version, 2);
    load(&next, 33, 1);
    ck_assert_uint_eq(version_of(kit_task(&next, KIT_ZERO + 1000, STAGE_T, 0)), 2);
    kit_settle(&next);
    ck_assert_uint_eq(next.n_committed, 1);
    ck_assert_int_eq(ds_driver_progress(next.driver)->batch_ms, KIT_ZERO + 1000);
    kit_close(&next);
    ds_recovered_free(recovered);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("driver_tables", dead_letters_of_loads, dead_letters_alone, dead_letters_of_two_loads,
          nothing_runs_before_it_is_loaded, who_joins_later_is_told, a_table_that_cannot_be_had,
          a_file_that_is_just_being_written, a_table_alone_is_one_batch, it_is_looked_at_again,
          without_reload_it_is_not, versions_change_between_batches, the_last_good_one_stays,
          a_bad_record_under_fail_ends_the_app, answers_that_are_not_believed, tasks_name_versions,
          an_executor_is_lost_while_it_reads, the_store_of_a_lost_one_is_held,
          the_only_copy_is_lost, a_person_sees_the_version, after_a_restart)
