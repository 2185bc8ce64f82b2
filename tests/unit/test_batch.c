/* Batches: stages and tasks from what was allotted, and the commit that comes of them. */
#include "scheduler/intake.h"

#include "unit/plan_unit.h"

#define IN "'a': { 'type': 'files', 'dir': 'in' }, 'b': { 'type': 'files', 'dir': 'more' }"

typedef struct kit {
    planned p;
    const ds_plan *plan;
    ds_batch *batch;
} kit;

static void kit_of(kit *k, planned p, int64_t time_ms)
{
    ck_assert_msg(p.plan != NULL, "%s", p.app.said.data);
    k->p = p;
    k->plan = k->p.plan;
    k->batch = ds_batch_new(k->plan, time_ms);
}

static void kit_open(kit *k, const char *streams, const char *tested, int64_t time_ms)
{
    kit_of(k, plan_well(IN, streams, tested), time_ms);
}

static void kit_close(kit *k)
{
    ds_batch_free(k->batch);
    plan_close(&k->p);
}

/* Allots files of these sizes to a source. */
static void allot(kit *k, uint32_t source, const uint64_t *sizes, uint32_t n)
{
    ds_allotment *a = &k->batch->allotments[k->batch->n_allotments++];
    *a = (ds_allotment){.source = source, .n_inputs = n};
    a->inputs = DS_ARENA_ARRAY(k->batch->arena, ds_input, n + 1);
    for (uint32_t i = 0; i < n; i++)
        a->inputs[i] = (ds_input){.kind = DS_INPUT_FILE, .to = sizes[i], .path = "in/x"};
}
#define ALLOT(k, source, ...)                                                                      \
    do {                                                                                           \
        static const uint64_t sizes_[] = {__VA_ARGS__};                                            \
        allot(k, source, sizes_, sizeof sizes_ / sizeof *sizes_);                                  \
    } while (0)

static const ds_batch_stage *stage_of(const kit *k, const char *stream, ds_node_kind kind)
{
    return &k->batch->stages[plan_stage(k->plan, stream, kind)->id];
}

/* A task is done, with a piece for each stage in targets (a string of digits). */
static bool done(kit *k, const ds_batch_stage *stage, uint32_t partition, const char *targets)
{
    ds_output outputs[8];
    uint32_t n = 0;
    for (const char *t = targets; *t != '\0'; t++, n++)
        outputs[n] = (ds_output){.kind = DS_OUTPUT_PIECES,
                                 .target = (uint32_t)(*t - '0'),
                                 .rows = 1,
                                 .ref = {1, 1000 * partition + n, 64},
                                 .path = ""};
    uint32_t id = (uint32_t)(stage - k->batch->stages);
    return ds_batch_task_done(k->batch, k->plan, id, partition, outputs, n);
}

/* ---- map tasks ---- */

START_TEST(inputs_join_up_to_a_block)
{
    kit k;
    kit_open(&k, "", "a", 1000);
    ALLOT(&k, 0, 40, 40, 30, 100, 1, 99, 1, 250, 10);
    ds_batch_make_stages(k.batch, k.plan, 100);
    const ds_batch_stage *map = stage_of(&k, "a", DS_NODE_SOURCE);
    static const uint32_t joined[] = {2, 1, 1, 2, 1, 1, 1};
    ck_assert_uint_eq(map->n_tasks, 7);
    const ds_input *next = k.batch->allotments[0].inputs;
    for (uint32_t t = 0; t < 7; t++) {
        ck_assert_uint_eq(map->tasks[t].n_inputs, joined[t]);
        ck_assert_ptr_eq(map->tasks[t].inputs, next);
        next += joined[t];
    }
    ck_assert(map->ready && !map->done);
    kit_close(&k);
}
END_TEST

/* The numbers of inputs of the tasks of the batch, as text; threads is what the app is made for. */
static const char *split(kit *k, uint32_t threads, uint64_t block_bytes)
{
    static char text[64];
    ((ds_plan *)(uintptr_t)k->plan)->key_partitions = 4 * threads;
    ds_batch_make_stages(k->batch, k->plan, block_bytes);
    const ds_batch_stage *map = stage_of(k, "a", DS_NODE_SOURCE);
    text[0] = '\0';
    for (uint32_t t = 0; t < map->n_tasks; t++)
        snprintf(text + strlen(text), sizeof text - strlen(text), t == 0 ? "%u" : " %u",
                 map->tasks[t].n_inputs);
    return text;
}
#define CHECK_SPLIT(expected, threads, block, ...)                                                 \
    do {                                                                                           \
        kit k_;                                                                                    \
        kit_open(&k_, "", "a", 1000);                                                              \
        ALLOT(&k_, 0, __VA_ARGS__);                                                                \
        ck_assert_str_eq(split(&k_, threads, block), expected);                                    \
        kit_close(&k_);                                                                            \
    } while (0)

START_TEST(what_is_not_much_is_shared_by_all_threads)
{
    const uint64_t k = 1024, block = 4096 * k;
    CHECK_SPLIT("6", 1, block, 400000, 400000, 400000, 400000, 400000, 400000);
    CHECK_SPLIT("3 3", 2, block, 400000, 400000, 400000, 400000, 400000, 400000);
    CHECK_SPLIT("2 3", 2, block, 400000, 400000, 400000, 400000, 400000);
    CHECK_SPLIT("1 1 1 1", 8, block, 524288, 524288, 524288, 524288); /* each is large enough */
    CHECK_SPLIT("4", 2, block, 100000, 100000, 100000, 100000);       /* not worth it */
    CHECK_SPLIT("1 5", 2, block, 1000000, 200000, 200000, 200000, 200000, 200000);
    CHECK_SPLIT("4", 8, block, 260000, 260000, 260000, 260000);
    CHECK_SPLIT("2 2 1", 2, 1000000, 400000, 400000, 400000, 400000, 400000); /* much */
    CHECK_SPLIT("1 1 1", 4, 1000000, 900000, 900000, 900000); /* no more than a block each */
    CHECK_SPLIT("1", 4, block, 4000000);
}
END_TEST

/* A message holds only so many inputs: very small files make more tasks, not larger ones. */
START_TEST(a_task_has_a_bounded_number_of_inputs)
{
    kit k;
    kit_open(&k, "", "a", 1000);
    const uint32_t n = 100000;
    uint64_t *sizes = ds_calloc(n, sizeof *sizes);
    for (uint32_t i = 0; i < n; i++)
        sizes[i] = 10;
    allot(&k, 0, sizes, n);
    free(sizes);
    ds_batch_make_stages(k.batch, k.plan, (uint64_t)4 << 20);
    const ds_batch_stage *map = stage_of(&k, "a", DS_NODE_SOURCE);
    uint32_t sum = 0;
    for (uint32_t t = 0; t < map->n_tasks; t++) {
        ck_assert_uint_le(map->tasks[t].n_inputs, DS_TASK_INPUTS);
        sum += map->tasks[t].n_inputs;
    }
    ck_assert_uint_eq(sum, n);
    ck_assert_uint_le(map->n_tasks, n / DS_TASK_INPUTS + 1);
    kit_close(&k);
}
END_TEST

START_TEST(lists_of_a_queue_are_never_joined)
{
    kit k;
    kit_open(&k, "", "a", 1000);
    ALLOT(&k, 0, 1, 1);
    k.batch->allotments[0].inputs[0].kind = k.batch->allotments[0].inputs[1].kind = DS_INPUT_QUEUE;
    ds_batch_make_stages(k.batch, k.plan, UINT64_MAX / 2);
    ck_assert_uint_eq(stage_of(&k, "a", DS_NODE_SOURCE)->n_tasks, 2);
    kit_close(&k);
}
END_TEST

START_TEST(input_sizes)
{
    ck_assert_uint_eq(ds_input_size(&(ds_input){.kind = DS_INPUT_FILE, .from = 5, .to = 12}), 7);
    ck_assert_uint_eq(ds_input_size(&(ds_input){.kind = DS_INPUT_BLOCK, .ref = {1, 2, 30}}), 30);
    ck_assert_uint_gt(ds_input_size(&(ds_input){.kind = DS_INPUT_RATE, .from = 5, .to = 6}), 0);
}
END_TEST

/* ---- stages ---- */

START_TEST(a_stage_is_ready_when_its_parents_are_done)
{
    kit k;
    kit_open(&k,
             "'g': { 'from': 'a', 'group_by': ['line'], 'aggregate': { 'c': 'count()' } },"
             "'o': { 'from': 'g', 'order_by': 'c' }",
             "o", 1000);
    ALLOT(&k, 0, 100, 100);
    ds_batch_make_stages(k.batch, k.plan, 100);
    const ds_batch_stage *map = stage_of(&k, "a", DS_NODE_SOURCE);
    const ds_batch_stage *group = stage_of(&k, "g", DS_NODE_GROUP);
    const ds_batch_stage *order = stage_of(&k, "o", DS_NODE_ORDER);
    ck_assert(map->ready && !group->ready && !order->ready);
    ck_assert(!done(&k, map, 1, "1"));
    ck_assert(!group->ready);
    ck_assert(done(&k, map, 0, "11"));
    ck_assert(map->done && group->ready && !order->ready);
    ck_assert_uint_eq(group->n_tasks, 3);
    /* In the order of the map partitions, not of arrival; a task may have written twice. */
    ck_assert_uint_eq(group->n_inputs, 3);
    ck_assert_uint_eq(group->inputs[0].ref.offset, 0);
    ck_assert_uint_eq(group->inputs[1].ref.offset, 1);
    ck_assert_uint_eq(group->inputs[2].ref.offset, 1000);
    ck_assert(!ds_batch_is_done(k.batch));
    for (uint32_t p = 0; p < 3; p++)
        ck_assert_int_eq(done(&k, group, p, p == 1 ? "2" : ""), p == 2);
    ck_assert_uint_eq(order->n_tasks, 1);
    ck_assert_uint_eq(order->n_inputs, 1);
    ck_assert(done(&k, order, 0, ""));
    ck_assert(ds_batch_is_done(k.batch));
    kit_close(&k);
}
END_TEST

/* Stages that get nothing have nothing to do, and neither have those behind them. */
START_TEST(stages_without_input_are_done)
{
    kit k;
    kit_open(&k, "'g': { 'from': 'a', 'group_by': ['line'] }, 'o': { 'from': 'g', 'limit': 3 }",
             "o", 1000);
    ALLOT(&k, 0, 10);
    ds_batch_make_stages(k.batch, k.plan, 100);
    ck_assert(done(&k, stage_of(&k, "a", DS_NODE_SOURCE), 0, "")); /* no row passed */
    ck_assert(ds_batch_is_done(k.batch));
    kit_close(&k);
    kit_open(&k, "'g': { 'from': 'a', 'group_by': ['line'] }", "g", 1000);
    ds_batch_make_stages(k.batch, k.plan, 100); /* nothing was allotted at all */
    ck_assert(ds_batch_is_done(k.batch));
    kit_close(&k);
}
END_TEST

/* A total has a row at every due time, and a window at its end, with input or without. */
START_TEST(some_stages_run_without_input)
{
    kit k;
    const char *streams = "'t': { 'from': 'a', 'aggregate': { 'c': 'count()' } },"
                          "'w': { 'from': 'a', 'window': '2s', 'group_by': ['line'] }";
    kit_open(&k, streams, "t w", 1000);
    ds_batch_make_stages(k.batch, k.plan, 100);
    ck_assert_uint_eq(stage_of(&k, "t", DS_NODE_GROUP)->n_tasks, 1);
    ck_assert_uint_eq(stage_of(&k, "w", DS_NODE_GROUP)->n_tasks, 0); /* not due, and no input */
    ck_assert(stage_of(&k, "w", DS_NODE_GROUP)->done);
    kit_close(&k);
    kit_open(&k, streams, "t w", 2000);
    ds_batch_make_stages(k.batch, k.plan, 100);
    ck_assert_uint_eq(stage_of(&k, "w", DS_NODE_GROUP)->n_tasks, 3);
    kit_close(&k);
    kit_open(&k, streams, "w", 1000);
    ALLOT(&k, 0, 10);
    ds_batch_make_stages(k.batch, k.plan, 100);
    done(&k, stage_of(&k, "a", DS_NODE_SOURCE), 0, "1"); /* not due, but input to keep */
    ck_assert_uint_eq(stage_of(&k, "w", DS_NODE_GROUP)->n_tasks, 3);
    kit_close(&k);
}
END_TEST

/* Sources that nothing reads at this time are not even read. */
START_TEST(what_no_window_holds_is_not_read)
{
    kit k;
    kit_open(&k, "'w': { 'from': 'a', 'window': { 'size': '1s', 'slide': '5s' } }", "w", 2000);
    ALLOT(&k, 0, 10);
    ds_batch_make_stages(k.batch, k.plan, 100);
    ck_assert(ds_batch_is_done(k.batch));
    kit_close(&k);
}
END_TEST

/* Of several parents: by stage, then by partition. */
START_TEST(inputs_of_several_stages)
{
    kit k;
    kit_open(&k, "'u': { 'from': ['b', 'a'], 'group_by': ['line'] }", "u", 1000);
    ALLOT(&k, 1, 100, 100);
    ALLOT(&k, 0, 100);
    ds_batch_make_stages(k.batch, k.plan, 100);
    const ds_batch_stage *a = stage_of(&k, "a", DS_NODE_SOURCE);
    const ds_batch_stage *b = stage_of(&k, "b", DS_NODE_SOURCE);
    done(&k, b, 1, "2");
    done(&k, b, 0, "2");
    done(&k, a, 0, "22");
    const ds_batch_stage *group = stage_of(&k, "u", DS_NODE_GROUP);
    ck_assert_uint_eq(group->n_inputs, 4);
    static const uint64_t offsets[] = {0, 1, 0, 1000};
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(group->inputs[i].ref.offset, offsets[i]);
    kit_close(&k);
}
END_TEST

/* ---- commit ---- */

static ds_output file_output(uint32_t sink, const char *path, uint64_t rows)
{
    return (ds_output){.kind = DS_OUTPUT_FILE,
                       .target = sink,
                       .rows = rows,
                       .length = rows * 10,
                       .checksum = rows * 100,
                       .path = path};
}

START_TEST(a_commit_has_all_outputs_in_order)
{
    kit k;
    kit_of(&k,
           plan_whole("{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' }, 'sources': { " IN
                      " }, 'sinks': {"
                      "'c': { 'from': 'a', 'type': 'console' },"
                      "'d': { 'from': 'a', 'type': 'file', 'dir': 'out/d', 'format': 'csv' },"
                      "'e': { 'from': 'a', 'type': 'file', 'dir': 'e' } } }",
                      NULL),
           INT64_C(1767225600000));
    ALLOT(&k, 0, 100, 100);
    ds_batch_make_stages(k.batch, k.plan, 100);
    char path[] = "staged";
    ds_output first[] = {
        file_output(2, path, 5),
        file_output(1, "d0", 3),
        {.kind = DS_OUTPUT_PIECES, .target = 1, .rows = 9, .ref = {1, 2, 3}, .path = ""}};
    ds_output second[] = {file_output(1, "d1", 4), file_output(2, "e1", 6)};
    ds_batch_task_done(k.batch, k.plan, 0, 1, second, 2);
    ds_batch_task_done(k.batch, k.plan, 0, 0, first, 3);
    memset(path, 'x', sizeof path - 1); /* outputs were copied */
    ds_output rows = {
        .kind = DS_OUTPUT_BYTES, .target = 0, .rows = 9, .ref = {1, 5, 7}, .length = 7, .path = ""};
    ds_batch_task_done(k.batch, k.plan, 1, 0, &rows, 1);
    ck_assert(ds_batch_is_done(k.batch));
    ds_commit commit = ds_batch_commit(k.batch, k.plan);
    ck_assert_int_eq(commit.batch_ms, INT64_C(1767225600000));
    ck_assert(!commit.again);
    ck_assert_uint_eq(commit.n_files, 4);
    static const struct {
        uint32_t sink;
        const char *staged, *folder, *name;
        uint64_t rows;
    } files[] = {{1, "d0", "out/d/1767225600000", "part-00000.csv", 3},
                 {1, "d1", "out/d/1767225600000", "part-00001.csv", 4},
                 {2, "staged", "e/1767225600000", "part-00000.json", 5},
                 {2, "e1", "e/1767225600000", "part-00001.json", 6}};
    for (int i = 0; i < 4; i++) {
        const ds_commit_file *f = &commit.files[i];
        ck_assert_uint_eq(f->sink, files[i].sink);
        ck_assert_str_eq(f->staged, files[i].staged);
        ck_assert_str_eq(f->folder, files[i].folder);
        ck_assert_str_eq(f->name, files[i].name);
        ck_assert_uint_eq(f->rows, files[i].rows);
        ck_assert_uint_eq(f->length, 10 * files[i].rows);
        ck_assert_uint_eq(f->checksum, 100 * files[i].rows);
    }
    ck_assert_uint_eq(commit.n_bytes, 1);
    ck_assert_uint_eq(commit.bytes[0].ref.offset, 5);
    ck_assert_uint_eq(k.batch->rows_out,
                      3 + 4 + 5 + 6 + 9); /* pieces between stages do not count */
    kit_close(&k);
}
END_TEST

/* The parts of an append, in order; where they go is not known yet. */
START_TEST(a_commit_has_all_parts_of_appends)
{
    kit k;
    kit_of(&k,
           plan_whole("{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' }, 'sources': { " IN
                      " }, 'sinks': {"
                      "'c': { 'from': 'a', 'type': 'append', 'path': 'c' },"
                      "'d': { 'from': 'a', 'type': 'file', 'dir': 'd' },"
                      "'e': { 'from': 'b', 'type': 'append', 'path': 'e' },"
                      "'f': { 'from': 'b', 'type': 'append', 'path': 'f' } } }",
                      NULL),
           1000);
    ALLOT(&k, 0, 100, 100);
    ALLOT(&k, 1, 100);
    ds_batch_make_stages(k.batch, k.plan, 100);
    ds_output first[] = {file_output(0, "c0", 1), file_output(1, "d0", 2)};
    ds_output second[] = {file_output(1, "d1", 3), file_output(0, "c1", 4)};
    ds_output third = file_output(3, "f0", 5);
    ck_assert(!ds_batch_is_prepared(k.batch));
    ds_batch_task_done(k.batch, k.plan, 0, 1, second, 2);
    ds_batch_task_done(k.batch, k.plan, 0, 0, first, 2);
    ds_batch_task_done(k.batch, k.plan, 1, 0, &third, 1);
    ds_commit commit = ds_batch_commit(k.batch, k.plan);
    ck_assert_uint_eq(commit.n_files, 2);
    ck_assert_uint_eq(commit.n_appends, 2); /* none for a sink without rows */
    const ds_commit_append *c = &commit.appends[0], *f = &commit.appends[1];
    ck_assert_uint_eq(c->sink, 0);
    ck_assert_str_eq(c->path, "c");
    ck_assert_uint_eq(c->base.length, DS_APPEND_UNKNOWN);
    ck_assert(!c->begun);
    ck_assert_uint_eq(c->n_parts, 2);
    ck_assert_str_eq(c->parts[0].staged, "c0");
    ck_assert_str_eq(c->parts[1].staged, "c1");
    ck_assert_uint_eq(c->parts[1].length, 40);
    ck_assert_uint_eq(c->parts[1].checksum, 400);
    ck_assert_str_eq(f->path, "f");
    ck_assert_uint_eq(f->n_parts, 1);
    ck_assert_str_eq(f->parts[0].staged, "f0");
    ck_assert_uint_eq(k.batch->rows_out, 1 + 2 + 3 + 4 + 5);
    kit_close(&k);
}
END_TEST

START_TEST(an_empty_commit)
{
    kit k;
    kit_open(&k, "", "a", 1000);
    k.batch->again = true;
    ds_batch_make_stages(k.batch, k.plan, 100);
    ds_commit commit = ds_batch_commit(k.batch, k.plan);
    ck_assert_uint_eq(commit.n_files + commit.n_bytes, 0);
    ck_assert(commit.again);
    kit_close(&k);
}
END_TEST

/* A task reads the pieces of its stage in the order of the stage's inputs, then of map stages, then
 * of map partitions, however the tasks finished. */
START_TEST(pieces_in_the_order_of_inputs)
{
    kit k;
    kit_open(&k,
             "'g': { 'from': 'a', 'group_by': ['line'] },"
             "'u': { 'from': ['a', 'b'] },"
             "'j': { 'from': 'g', 'join': { 'with': 'u', 'on': ['line'] } }",
             "j", 1000);
    ALLOT(&k, 0, 10, 10);
    ALLOT(&k, 1, 10);
    ds_batch_make_stages(k.batch, k.plan, 1);
    const ds_batch_stage *a = stage_of(&k, "a", DS_NODE_SOURCE);
    const ds_batch_stage *b = stage_of(&k, "b", DS_NODE_SOURCE);
    const ds_stage *stage = plan_stage(k.plan, "g", DS_NODE_GROUP);
    const ds_node *exchange = k.plan->nodes[plan_node(k.plan, "j", DS_NODE_EXCHANGE)->id + 1];
    ck_assert_uint_eq(exchange->stage, stage->id);
    const uint32_t input = exchange->input, groups = 1 - input;
    for (uint32_t i = 0; i < 3; i++) { /* task 1 of a, then that of b, then task 0 of a */
        const ds_batch_stage *from = i == 1 ? b : a;
        uint32_t task = i == 0 ? 1 : 0, n = from == a ? 2 : 1;
        const ds_output outputs[] = {{.kind = DS_OUTPUT_PIECES,
                                      .target = stage->id,
                                      .input = input,
                                      .ref = {1, 100 * i, 64},
                                      .path = ""},
                                     {.kind = DS_OUTPUT_PIECES,
                                      .target = stage->id,
                                      .input = groups,
                                      .ref = {1, 100 * i + 50, 64},
                                      .path = ""}};
        ds_batch_task_done(k.batch, k.plan, (uint32_t)(from - k.batch->stages), task, outputs, n);
    }
    const ds_batch_stage *reduce = &k.batch->stages[stage->id];
    static const uint64_t of_groups[] = {250, 50}, of_exchange[] = {200, 0, 100};
    ck_assert(reduce->ready);
    ck_assert_uint_eq(reduce->n_inputs, 5);
    uint32_t n[2] = {0, 0};
    for (uint32_t i = 0; i < 5; i++) {
        const ds_input *piece = &reduce->inputs[i];
        ck_assert(i == 0 || piece->input >= reduce->inputs[i - 1].input);
        uint32_t at = n[piece->input]++;
        ck_assert_uint_eq(piece->ref.offset,
                          piece->input == input ? of_exchange[at] : of_groups[at]);
    }
    ck_assert_uint_eq(n[input], 3);
    kit_close(&k);
}
END_TEST

/* What is counted of the tasks, whatever their order. */
START_TEST(tasks_are_counted)
{
    kit k;
    kit_open(&k, "'s': { 'from': 'a' }", "s", 1000);
    ALLOT(&k, 0, 60, 60, 60, 60);
    ds_batch_make_stages(k.batch, k.plan, 100);
    ds_batch_stage *stage = &k.batch->stages[0];
    ck_assert_uint_eq(stage->n_tasks, 4);
    ds_batch_begin(stage, 0);
    ds_batch_begin(stage, 2); /* one is passed over */
    ck_assert_uint_eq(stage->fresh, 3);
    ck_assert_uint_eq(stage->n_again, 1);
    ck_assert_uint_eq(stage->n_running, 2);
    stage->again_us = 77;
    ds_batch_begin_again(stage, 0);
    ck_assert_int_eq(stage->again_us, 0); /* it is looked at */
    ck_assert_uint_eq(stage->n_again, 2);
    ck_assert_uint_eq(stage->n_running, 1);
    ck_assert_uint_eq(stage->tasks[0].attempt, 1);
    ds_batch_begin(stage, 1);
    ds_batch_begin(stage, 0);
    ck_assert_uint_eq(stage->n_again, 0);
    ck_assert(!done(&k, stage, 2, ""));
    ck_assert(!done(&k, stage, 0, ""));
    ck_assert(ds_batch_stage_runs(stage));
    ck_assert(!done(&k, stage, 1, ""));
    ck_assert(!ds_batch_stage_runs(stage));
    ds_batch_begin(stage, 3);
    ds_batch_end(stage, 3);
    ck_assert(!ds_batch_stage_runs(stage));
    ck_assert_uint_eq(stage->n_again, 1);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("batch", tasks_are_counted, pieces_in_the_order_of_inputs, inputs_join_up_to_a_block,
          what_is_not_much_is_shared_by_all_threads, a_task_has_a_bounded_number_of_inputs,
          lists_of_a_queue_are_never_joined, input_sizes,
          a_stage_is_ready_when_its_parents_are_done, stages_without_input_are_done,
          some_stages_run_without_input, what_no_window_holds_is_not_read, inputs_of_several_stages,
          a_commit_has_all_outputs_in_order, a_commit_has_all_parts_of_appends, an_empty_commit)
