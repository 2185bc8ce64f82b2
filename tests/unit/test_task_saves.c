/* Tasks that save what they keep, and tasks that begin with what was saved. */
#include "base/claim.h"
#include "exec/fold.h"
#include "exec/save_writer.h"
#include "unit/engine.h"
#include "unit/scratch_dir.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xxhash.h>

#define MOST_PARTS 64
#define PARTITIONS 3

typedef struct kit {
    scratch_dir d;
    engine e;
    ds_saved_ranges *ranges;
    ds_save_writer *writer;
    char folder[100];
    ds_saved_part chains[PARTITIONS][MOST_PARTS]; /* by partition of the joined stage */
    uint32_t n_parts[PARTITIONS];
    uint64_t save; /* the next batch's; 0: none */
    bool whole;
    bool folds;
    bool bring;          /* tasks bring their chains */
    int64_t standing_ms; /* of the chains */
    const ds_stage *stage;
    uint32_t n_collected;
    bool gone; /* whoever bytes are fetched from */
} kit;

/* Tasks of the keyed stage are part of a save, or bring what was saved. */
static void shape(void *arg, ds_task *task)
{
    kit *k = arg;
    if (task->stage != k->stage->id)
        return;
    task->save = k->save;
    task->save_whole = k->whole;
    task->save_folds = k->folds;
    if (k->folds) {
        task->saved = k->chains[task->partition];
        task->n_saved = k->n_parts[task->partition];
    }
    if (!k->bring)
        return;
    task->keyed_ms = k->standing_ms;
    task->saved = k->chains[task->partition];
    task->n_saved = k->n_parts[task->partition];
}

/* Two windows of groups, joined, so that a partition keeps two things. */
static void kit_open_streams(kit *k, bool files, const char *streams)
{
    *k = (kit){0};
    scratch_open(&k->d);
    engine_open(&k->e,
                "'a': { 'type': 'socket', 'listen': '127.0.0.1:1', 'format': 'json',"
                "       'schema': { 'n': 'int' } },"
                "'b': { 'type': 'socket', 'listen': '127.0.0.1:2', 'format': 'json',"
                "       'schema': { 'n': 'int' } }",
                streams, "j");
    k->stage = plan_stage(k->e.plan, "w", DS_NODE_GROUP);
    ck_assert(k->stage->keyed && k->stage->n_inputs == 2);
    ck_assert_uint_eq(k->stage->n_partitions, PARTITIONS);
    k->ranges = ds_saved_ranges_new(k->e.others);
    const ds_save_target target = {k->e.others, k->ranges, false, false, NULL};
    k->writer = ds_save_writer_new(&target);
    snprintf(k->folder, sizeof k->folder, "%s/kept", k->d.path);
    k->e.env.kept_folder = files ? k->folder : "";
    k->e.env.executor_id = ENGINE_ID;
    k->e.shape = shape;
    k->e.shape_arg = k;
}

static void kit_open(kit *k, bool files)
{
    kit_open_streams(k, files,
                     "'w': { 'from': 'a', 'window': { 'size': '100s', 'slide': '1s' },"
                     "       'group_by': ['n'], 'aggregate': { 'c': 'count()' } },"
                     "'x': { 'from': 'b', 'window': { 'size': '100s', 'slide': '1s' },"
                     "       'group_by': ['n'], 'aggregate': { 'd': 'count()' } },"
                     "'j': { 'from': 'w', 'join': { 'with': 'x', 'on': ['n'] } }");
}

static void forget_chain(kit *k, uint32_t partition)
{
    for (uint32_t i = 0; i < k->n_parts[partition]; i++)
        free((char *)k->chains[partition][i].path);
    k->n_parts[partition] = 0;
}

static void kit_close(kit *k)
{
    for (uint32_t p = 0; p < PARTITIONS; p++)
        forget_chain(k, p);
    ds_save_writer_free(k->writer);
    ds_saved_ranges_clear(k->ranges);
    ds_saved_ranges_free(k->ranges);
    engine_close(&k->e);
    scratch_close(&k->d);
}

static void add_parts(kit *k, const ds_msg_saved *saved)
{
    ck_assert_str_eq(saved->message, "");
    ck_assert_uint_eq(saved->status, DS_OK);
    ck_assert_uint_eq(saved->save, k->save);
    ck_assert_uint_eq(saved->n_parts, 2);
    for (uint32_t i = 0; i < saved->n_parts; i++) {
        const ds_saved_part *part = &saved->parts[i];
        ck_assert(part->stage == k->stage->id && part->partition < PARTITIONS);
        ck_assert(part->input == i && part->batch_ms == k->e.time_ms);
        uint32_t *n = &k->n_parts[part->partition];
        ck_assert_uint_lt(*n, MOST_PARTS);
        ds_saved_part *kept = &k->chains[part->partition][(*n)++];
        *kept = *part;
        kept->path = ds_strdup(part->path);
        if (kept->ref.length > 0) /* the bytes are in a store that is not the engine's own */
            kept->ref.executor_id = ENGINE_OTHER;
    }
}

/* Writes what was collected, and adds it to the chains. */
static void write_collected(kit *k)
{
    ds_collected *list = ds_collection_take(k->e.collection);
    ds_save_writer_write(k->writer, list);
    k->n_collected = 0;
    while (list != NULL) {
        ds_collected *collected = list;
        list = collected->next;
        add_parts(k, &collected->saved);
        ds_collected_free(collected);
        k->n_collected++;
    }
}

static void feed(kit *k, const char *a, const char *b)
{
    engine_feed(&k->e, "a", a);
    engine_feed(&k->e, "b", b);
    engine_batch(&k->e);
}

/* A batch that is saved. */
static void save(kit *k, uint64_t number, bool whole, const char *a, const char *b)
{
    k->save = number;
    k->whole = whole;
    feed(k, a, b);
    write_collected(k);
    ck_assert_uint_eq(k->n_collected, PARTITIONS); /* once, though each task ran twice */
    k->save = 0;
    k->standing_ms = k->e.time_ms;
}

/* The executor is gone; tasks of the next batch bring what was saved. */
static void lose(kit *k)
{
    engine_lose_panes(&k->e);
    k->bring = true;
}

#define A1 "{'n':1}\n{'n':2}\n{'n':3}\n{'n':4}"
#define B1 "{'n':1}\n{'n':1}\n{'n':3}"

static void check_saves_and_restores(bool files)
{
    kit k;
    kit_open(&k, files);
    feed(&k, A1, B1);
    save(&k, 1, false, "{'n':1}", "");
    ck_assert(k.chains[0][0].whole && k.chains[0][0].length > 0);
    ck_assert_int_eq(files, k.chains[0][0].path[0] != '\0');
    lose(&k);
    feed(&k, "{'n':4}", "{'n':4}");
    engine_rows(&k.e, "j",
                "[ { 'n': 1, 'c': 2, 'd': 2 }, { 'n': 3, 'c': 1, 'd': 1 },"
                "  { 'n': 4, 'c': 2, 'd': 1 } ]");
    k.bring = false;
    save(&k, 2, false, "{'n':2}", "{'n':2}");
    save(&k, 3, false, "", "{'n':3}");
    save(&k, 4, false, "", "");
    lose(&k);
    feed(&k, "", "");
    engine_rows(&k.e, "j",
                "[ { 'n': 1, 'c': 2, 'd': 2 }, { 'n': 2, 'c': 2, 'd': 1 },"
                "  { 'n': 3, 'c': 1, 'd': 2 }, { 'n': 4, 'c': 2, 'd': 1 } ]");
    ck_assert_ptr_null(ds_collection_take(k.e.collection));
    kit_close(&k);
}

START_TEST(partitions_are_saved_to_files_and_restored)
{
    check_saves_and_restores(true);
}
END_TEST

START_TEST(partitions_are_saved_to_a_store_and_restored)
{
    check_saves_and_restores(false);
}
END_TEST

/* What was lost is brought by the chain and by replays of later batches, in order. */
START_TEST(replays_after_a_chain)
{
    kit k;
    kit_open(&k, true);
    save(&k, 1, true, A1, B1);
    uint32_t s = k.stage->id;
    engine_lose_panes(&k.e);
    k.bring = true; /* to all of them, as the driver may: only the first one needs it */
    k.e.modes[s] = DS_TASK_REPLAY;
    feed(&k, "{'n':1}", "{'n':2}");
    ck_assert_uint_eq(engine_count_rows(&k.e, "j"), 0);
    feed(&k, "{'n':2}", "{'n':4}");
    k.e.modes[s] = DS_TASK_NORMAL;
    k.bring = false;
    feed(&k, "", "{'n':1}");
    engine_rows(&k.e, "j",
                "[ { 'n': 1, 'c': 2, 'd': 3 }, { 'n': 2, 'c': 2, 'd': 1 },"
                "  { 'n': 3, 'c': 1, 'd': 1 }, { 'n': 4, 'c': 1, 'd': 1 } ]");
    kit_close(&k);
}
END_TEST

/* A partition that has gone on goes back, and makes an earlier batch's results once more. */
START_TEST(back_in_time)
{
    kit k;
    kit_open(&k, true);
    save(&k, 1, true, A1, B1);
    feed(&k, "{'n':1}", "");
    feed(&k, "{'n':1}", "");
    feed(&k, "{'n':1}", "");
    k.e.time_ms -= 3000; /* the same batches again: a replay, one that counts, and on */
    k.bring = true;
    k.e.modes[k.stage->id] = DS_TASK_REPLAY;
    feed(&k, "{'n':1}", "");
    k.bring = false;
    k.e.modes[k.stage->id] = DS_TASK_MUTED;
    feed(&k, "{'n':1}", "");
    k.e.modes[k.stage->id] = DS_TASK_NORMAL;
    feed(&k, "{'n':1}", "");
    engine_rows(&k.e, "j", "[ { 'n': 1, 'c': 4, 'd': 2 }, { 'n': 3, 'c': 1, 'd': 1 } ]");
    kit_close(&k);
}
END_TEST

/* Runs a task of the last batch's time by itself. */
static ds_status run_one(kit *k, ds_task task, char *message, size_t size)
{
    ds_task_result result;
    ds_arena *arena = ds_arena_new(NULL);
    ds_task_run(&k->e.env, &task, &k->e.scratch, arena, &result);
    snprintf(message, size, "%s", result.message);
    ds_arena_free(arena);
    ds_batch_ranges_release(k->e.ranges, task.batch_ms);
    return (ds_status)result.status;
}

/* A replay for which the partition is too new is done at once; a save of that batch cannot be. */
START_TEST(a_replay_that_comes_late)
{
    kit k;
    char message[400];
    kit_open(&k, true);
    feed(&k, A1, B1);
    feed(&k, A1, B1);
    ds_input gone = {.kind = DS_INPUT_PIECES, .ref = {99, 0, 64}, .path = ""};
    ds_task task = {.batch_ms = 1000,
                    .stage = k.stage->id,
                    .keyed_ms = 500,
                    .mode = DS_TASK_REPLAY,
                    .save = 5,
                    .inputs = &gone,
                    .n_inputs = 1};
    ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_OK);
    ds_collected *c = ds_collection_take(k.e.collection);
    ck_assert_uint_eq(c->saved.status, DS_ERR_LOST);
    ck_assert_uint_eq(c->saved.n_parts, 2);
    ck_assert_uint_eq(c->saved.parts[1].input, 1);
    ds_collected_free(c);
    feed(&k, "", "");
    engine_rows(&k.e, "j", "[ { 'n': 1, 'c': 2, 'd': 4 }, { 'n': 3, 'c': 2, 'd': 2 } ]");
    kit_close(&k);
}
END_TEST

/* Many keys, so that what is saved is larger than what a task needs. */
static void feed_many(kit *k)
{
    ds_buffer records = {0};
    for (int i = 0; i < 3000; i++)
        ds_buffer_printf(&records, "{'n':%d}\n", i);
    engine_feed(&k->e, "a", ds_buffer_text(&records));
    ds_buffer_fini(&records);
    engine_batch(&k->e);
}

START_TEST(a_save_that_cannot_be_afforded)
{
    kit k;
    char message[400];
    kit_open(&k, true);
    feed_many(&k);
    /* It was applied: the task only makes its results anew, and saves. */
    ds_task task = {
        .batch_ms = 1000, .stage = k.stage->id, .partition = 1, .keyed_ms = DS_NO_BATCH};
    ds_budget_recent_peak(&k.e.budget);
    ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_OK);
    k.e.budget.limit_bytes = ds_budget_recent_peak(&k.e.budget);
    task.save = 1;
    ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_OK);
    ds_collected *c = ds_collection_take(k.e.collection);
    ck_assert_uint_eq(c->saved.status, DS_OK); /* there was room in the store */
    ck_assert_uint_gt(ds_store_used(k.e.store), 0);
    ds_collected_free(c);
    uint64_t all, most = ENGINE_STORE - (1 << 19) - ds_store_used(k.e.store);
    ck_assert(ds_store_take(k.e.store, most, &all));
    task.save = 2;
    task.save_whole = true;
    ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_OK);
    c = ds_collection_take(k.e.collection);
    ck_assert_uint_eq(c->saved.status, DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(c->saved.message, "memory limit"));
    ck_assert_uint_eq(c->saved.n_parts, 2);
    ds_collected_free(c);
    k.e.budget.limit_bytes = 0;
    ds_store_give(k.e.store, all, most);
    task.save = 3; /* next time it is all of it */
    task.save_whole = false;
    ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_OK);
    c = ds_collection_take(k.e.collection);
    ck_assert_uint_eq(c->saved.status, DS_OK);
    ck_assert(c->saved.parts[0].whole && c->saved.parts[1].whole);
    ds_collected_free(c);
    kit_close(&k);
}
END_TEST

/* ---- folds ---- */

/* Panes of three seconds; floats, of which the order of sums matters; text. */
static void kit_open_folding(kit *k)
{
    kit_open_streams(
        k, true,
        "'w': { 'from': 'a', 'window': { 'size': '9s', 'slide': '3s' },"
        "       'group_by': ['n'], 'aggregate': { 'c': 'count()', 'm': 'max(n)',"
        "       'f': 'sum(n * 0.1)', 't': 'max(cast(n as string))', 'l': 'collect_list(n)' } },"
        "'x': { 'from': 'b', 'window': { 'size': '12s', 'slide': '3s' },"
        "       'group_by': ['n'], 'aggregate': { 'd': 'avg(n / 3)' } },"
        "'j': { 'from': 'w', 'join': { 'with': 'x', 'on': ['n'] } }");
}

/* A batch of keys that come and go. */
static void feed_some(kit *k, int i)
{
    char a[200], b[100];
    snprintf(a, sizeof a, "{'n':%d}\n{'n':%d}\n{'n':%d}\n{'n':%d}", i, 3 * i % 7, i % 5, i % 2);
    snprintf(b, sizeof b, "{'n':%d}\n{'n':%d}", i % 5, i * i % 11);
    feed(k, a, i % 4 == 0 ? "" : b);
}

/* What a task saves when it saves all of it. */
static ds_collected *collect_whole(kit *k, uint32_t partition, uint64_t number)
{
    char message[400];
    ds_task task = {.batch_ms = k->e.time_ms,
                    .stage = k->stage->id,
                    .partition = partition,
                    .keyed_ms = k->e.time_ms,
                    .save = number,
                    .save_whole = true};
    ck_assert_int_eq(run_one(k, task, message, sizeof message), DS_OK);
    return ds_collection_take(k->e.collection);
}

/* A chain is folded with the changes: it is what the task would have saved, byte for byte. */
static void fold(kit *k, uint64_t number, int i)
{
    uint32_t before = k->n_parts[0];
    k->save = number;
    k->folds = true;
    feed_some(k, i);
    k->folds = false;
    ds_collected *list = ds_collection_take(k->e.collection), *c;
    for (c = list; c != NULL; c = c->next)
        ck_assert_ptr_nonnull(c->fold);
    ds_save_writer_write(k->writer, list);
    while ((c = list) != NULL) {
        list = c->next;
        forget_chain(k, c->saved.parts[0].partition);
        add_parts(k, &c->saved);
        ck_assert(c->saved.parts[0].whole && c->saved.parts[1].whole);
        ds_collected_free(c);
    }
    k->save = 0;
    k->standing_ms = k->e.time_ms;
    ck_assert(before > 2 && k->n_parts[0] == 2);
}

static void check_like_whole(kit *k, uint64_t number)
{
    ds_save_writer *writer =
        ds_save_writer_new(&(ds_save_target){k->e.others, k->ranges, false, false, NULL});
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        ds_collected *c = collect_whole(k, p, number);
        ck_assert_ptr_nonnull(c);
        ds_save_writer_write(writer, c);
        for (uint32_t i = 0; i < 2; i++) {
            ck_assert_uint_eq(c->saved.parts[i].length, k->chains[p][i].length);
            ck_assert_uint_eq(c->saved.parts[i].checksum, k->chains[p][i].checksum);
        }
        ds_collected_free(c);
    }
    ds_save_writer_free(writer);
}

START_TEST(folds_are_what_the_task_would_have_saved)
{
    kit k;
    kit_open_folding(&k);
    uint64_t number = 0;
    int i = 0;
    for (int round = 0; round < 8; round++) {
        for (int n = 0; n < 1 + round % 3; n++)
            feed_some(&k, i++);
        k.save = ++number;
        k.whole = round == 0;
        feed_some(&k, i++);
        write_collected(&k);
        k.save = 0;
        if (round % 2 == 0)
            continue;
        fold(&k, ++number, i++);
        if (round > 5)
            check_like_whole(&k, ++number);
    }
    kit_close(&k);
}
END_TEST

/* Changes after a fold follow it. */
START_TEST(what_is_saved_after_a_fold)
{
    kit k;
    kit_open(&k, true);
    save(&k, 1, true, A1, B1);
    save(&k, 2, false, "{'n':1}", "{'n':2}");
    k.folds = true;
    k.save = 3;
    feed(&k, "{'n':2}", "");
    k.folds = false;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        forget_chain(&k, p);
    write_collected(&k);
    k.save = 0;
    save(&k, 4, false, "{'n':3}", "{'n':4}");
    ck_assert(k.chains[0][0].whole);
    lose(&k);
    feed(&k, "", "{'n':1}");
    engine_rows(&k.e, "j",
                "[ { 'n': 1, 'c': 2, 'd': 3 }, { 'n': 2, 'c': 2, 'd': 1 },"
                "  { 'n': 3, 'c': 2, 'd': 1 }, { 'n': 4, 'c': 1, 'd': 1 } ]");
    kit_close(&k);
}
END_TEST

/* The task that saves partition 1, whose chain may be folded. */
static ds_task folding(kit *k, uint64_t save)
{
    return (ds_task){.batch_ms = k->e.time_ms,
                     .stage = k->stage->id,
                     .partition = 1,
                     .keyed_ms = k->e.time_ms,
                     .save = save,
                     .save_folds = true,
                     .saved = k->chains[1],
                     .n_saved = k->n_parts[1]};
}

/* Whether a fold begins; *later: the chain is to go on until there is memory. */
static bool folds(kit *k, const ds_task *task, uint64_t bytes, bool *later)
{
    ds_fold *fold = ds_fold_new(&k->e.env, task, bytes, later);
    ds_fold_free(fold);
    return fold != NULL;
}

/* It ends the save, and the next one has all of it. */
START_TEST(a_chain_that_cannot_be_read)
{
    kit k;
    kit_open(&k, true);
    save(&k, 1, true, A1, B1);
    ds_task task = folding(&k, 2);
    char message[400];
    k.chains[1][0].checksum++;
    ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_OK);
    ds_collected *c = ds_collection_take(k.e.collection);
    ds_save_writer_write(k.writer, c);
    ck_assert_uint_eq(c->saved.status, DS_ERR_LOST);
    ck_assert_ptr_nonnull(strstr(c->saved.message, "the checksum is wrong"));
    ck_assert_uint_ge(c->saved.n_parts, 1);
    ds_collected_free(c);
    kit_close(&k);
}
END_TEST

START_TEST(chains_that_folds_do_not_pay_for)
{
    kit k;
    bool later = false;
    kit_open(&k, true);
    save(&k, 1, true, A1, B1);
    ds_task task = folding(&k, 2);
    ck_assert(folds(&k, &task, 100, &later));
    k.e.env.fold_bytes = 1 << 20;
    ck_assert(!folds(&k, &task, 100, &later)); /* short */
    k.e.env.fold_bytes = 1 + k.chains[1][0].length;
    ck_assert(k.chains[1][0].whole);
    task.n_saved = 1;
    task.batch_ms = k.chains[1][0].batch_ms + 79 * k.stage->root->slide_ms;
    ck_assert(!folds(&k, &task, 100, &later) && !later);
    task.batch_ms += k.stage->root->slide_ms; /* but so old that it is seldom */
    ck_assert(folds(&k, &task, 100, &later));
    kit_close(&k);
}
END_TEST

START_TEST(folds_share_a_room)
{
    kit k;
    bool later = true;
    kit_open(&k, true);
    save(&k, 1, true, A1, B1);
    ds_task task = folding(&k, 2);
    k.e.env.fold_bytes = 0;
    k.e.budget.limit_bytes = k.e.budget.used_bytes + (4 << 20);
    ck_assert(!folds(&k, &task, 4 << 20, &later));
    ck_assert(!later); /* there never will be room */
    int64_t used = k.e.budget.used_bytes;
    ds_fold *fold = ds_fold_new(&k.e.env, &task, 2 << 20, &later);
    ds_fold *other = ds_fold_new(&k.e.env, &task, 1 << 20, &later);
    ck_assert(fold != NULL && other != NULL);
    ck_assert_int_gt(k.e.budget.used_bytes, used + (2 << 20));
    ds_fold_free(fold);
    ck_assert_int_gt(k.e.budget.used_bytes, used + (1 << 20));
    ds_fold_free(other);
    ck_assert_int_eq(k.e.budget.used_bytes, used);
    k.e.budget.limit_bytes = 0;
    kit_close(&k);
}
END_TEST

/* Memory that others have for now is waited for: the chain goes on, but not for ever. */
START_TEST(folds_without_memory_are_made_later)
{
    kit k;
    bool later = false;
    char message[400];
    kit_open(&k, true);
    save(&k, 1, true, A1, B1);
    ds_task task = folding(&k, 2);
    k.e.env.fold_bytes = 0;
    k.e.budget.limit_bytes = k.e.budget.used_bytes + (4 << 20);
    ds_budget_charge(&k.e.budget, 7 << 19);
    ck_assert(!folds(&k, &task, 2 << 20, &later) && later);
    ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_OK);
    ds_collected *c = ds_collection_take(k.e.collection);
    ck_assert_ptr_null(c->fold);
    ck_assert_uint_eq(c->saved.status, DS_OK);
    ck_assert(!c->saved.parts[0].whole && !c->saved.parts[1].whole);
    ds_collected_free(c);
    static ds_saved_part many[320];
    for (size_t i = 0; i < 320; i++)
        many[i] = (ds_saved_part){.whole = i == 0, .length = i == 0 ? 1000 : 5, .path = "p"};
    task.saved = many;
    task.n_saved = 319;
    ck_assert(!folds(&k, &task, 2 << 20, &later) && later);
    many[1].length = 1000;
    ck_assert(!folds(&k, &task, 2 << 20, &later) && !later);
    many[1].length = 5;
    task.n_saved = 320;
    ck_assert(!folds(&k, &task, 2 << 20, &later) && !later);
    ds_budget_charge(&k.e.budget, -(7 << 19));
    k.e.budget.limit_bytes = 0;
    kit_close(&k);
}
END_TEST

/* What lies with another executor, or nowhere that is known, is written as a whole. */
START_TEST(chains_of_others_are_not_folded)
{
    kit k;
    bool later = false;
    char message[400];
    kit_open(&k, true);
    save(&k, 1, true, A1, B1);
    ds_task task = folding(&k, 2);
    k.e.env.fold_bytes = 0;
    free((char *)k.chains[1][0].path);
    k.chains[1][0].path = ds_strdup("");
    ck_assert(!folds(&k, &task, 100, &later));
    ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_OK);
    ds_collected *c = ds_collection_take(k.e.collection);
    ck_assert_ptr_null(c->fold);
    ck_assert(c->saved.parts[0].whole && c->saved.parts[1].whole);
    ds_collected_free(c);
    kit_close(&k);
}
END_TEST

/* ---- chains that are not good ---- */

/* A partition that was saved in two parts a side and is not here, and the task that wants it. */
static ds_task kit_open_saved(kit *k, bool files)
{
    kit_open(k, files);
    save(k, 1, true, A1 "\n{'n':5}\n{'n':6}\n{'n':7}", B1 "\n{'n':5}\n{'n':6}\n{'n':7}");
    save(k, 2, false, A1 "\n{'n':5}\n{'n':6}\n{'n':7}", B1 "\n{'n':5}\n{'n':6}\n{'n':7}");
    engine_lose_panes(&k->e);
    ck_assert_uint_eq(k->n_parts[1], 4);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_gt(k->chains[1][i].length, 0);
    return (ds_task){.batch_ms = 3000,
                     .stage = k->stage->id,
                     .partition = 1,
                     .keyed_ms = 2000,
                     .saved = k->chains[1],
                     .n_saved = 4};
}

/* The task fails, says so, and leaves nothing behind; with the right chain it is well. */
static void check_fails(kit *k, ds_task task, ds_status status, const char *expected)
{
    char message[400];
    ck_assert_int_eq(run_one(k, task, message, sizeof message), status);
    ck_assert_msg(strstr(message, expected) != NULL, "%s", message);
    ck_assert_ptr_nonnull(strstr(message, "key partition 1 of stage"));
    task.n_saved = 0;
    ck_assert_int_eq(run_one(k, task, message, sizeof message), DS_ERR_LOST);
    ck_assert_ptr_nonnull(strstr(message, "is not here"));
}

/* Its bytes are there, and wrong; or are not where they have to be. */
static void check_lost(kit *k, ds_task task, const char *expected)
{
    check_fails(k, task, DS_ERR_LOST, expected);
}

/* That says nothing about them. */
static void check_unread(kit *k, ds_task task, const char *expected)
{
    check_fails(k, task, DS_ERR_NO_INPUT, expected);
}

/* The folder of files is in the checkpoint folder of a run. */
static void mark(const kit *k, uint64_t epoch)
{
    char path[200];
    snprintf(path, sizeof path, "%s/lock", k->d.path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ds_claim_write(fd, epoch, path, NULL), DS_OK);
    close(fd);
}

static void check_well(kit *k, ds_task task)
{
    char message[400];
    ds_status status = run_one(k, task, message, sizeof message);
    ck_assert_msg(status == DS_OK, "%s", message);
}

START_TEST(a_file_with_a_flipped_bit)
{
    kit k;
    ds_task task = kit_open_saved(&k, true);
    const ds_saved_part *part = &k.chains[1][2];
    FILE *file = fopen(part->path, "r+");
    for (uint64_t at = 0; at < part->length; at += part->length / 40 + 1) {
        fseek(file, (long)(part->offset + at), SEEK_SET);
        int byte = fgetc(file);
        for (int good = 0; good < 2; good++) {
            fseek(file, (long)(part->offset + at), SEEK_SET);
            fputc(good ? byte : byte ^ 0x10, file);
            fflush(file);
            if (!good)
                check_lost(&k, task, "2-e1-7.kept (bytes ");
            if (!good)
                check_lost(&k, task, "the checksum is wrong");
        }
    }
    fclose(file);
    check_well(&k, task);
    kit_close(&k);
}
END_TEST

START_TEST(a_file_that_is_cut_short_or_gone)
{
    kit k;
    ds_task task = kit_open_saved(&k, true);
    ds_saved_part *parts = k.chains[1];
    char moved[200];
    snprintf(moved, sizeof moved, "%s/moved", k.d.path);
    ck_assert_int_eq(rename(parts[0].path, moved), 0);
    check_unread(&k, task, "1-e1-7.kept"); /* nobody says that this is the folder */
    mark(&k, 0xE0);
    check_unread(&k, task, "No such file"); /* another run's */
    mark(&k, 0xE1);
    check_lost(&k, task, "1-e1-7.kept");
    check_lost(&k, task, "No such file");
    ck_assert_int_eq(mkdir(parts[0].path, 0700), 0);
    check_unread(&k, task, "it is no file");
    ck_assert_int_eq(rmdir(parts[0].path), 0);
    ck_assert_int_eq(rename(moved, parts[0].path), 0);
    ds_task more = task;
    uint64_t length = parts[3].length;
    parts[3].length = 1 << 20;
    check_lost(&k, more, "the file is cut short");
    parts[3].offset = UINT64_MAX - 5;
    check_lost(&k, more, "no file is so long");
    parts[3].offset = 0; /* another part's place */
    parts[3].length = length;
    check_lost(&k, more, "the checksum is wrong");
    kit_close(&k);
}
END_TEST

/* All of it is away for a while, or there is no descriptor left. */
START_TEST(files_that_cannot_be_read_for_a_while)
{
    kit k;
    ds_task task = kit_open_saved(&k, true);
    char away[200];
    snprintf(away, sizeof away, "%s.away", k.d.path);
    mark(&k, 0xE1);
    ck_assert_int_eq(rename(k.d.path, away), 0);
    check_unread(&k, task, "No such file");
    ck_assert_int_eq(rename(away, k.d.path), 0);
    struct rlimit all, none;
    getrlimit(RLIMIT_NOFILE, &all);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = all.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    check_unread(&k, task, "Too many open files");
    setrlimit(RLIMIT_NOFILE, &all);
    check_well(&k, task);
    kit_close(&k);
}
END_TEST

START_TEST(a_checksum_or_length_that_is_wrong)
{
    kit k;
    ds_task task = kit_open_saved(&k, true);
    ds_saved_part *part = &k.chains[1][1];
    part->checksum++;
    check_lost(&k, task, "the checksum is wrong");
    part->checksum--;
    part->length--;
    check_lost(&k, task, "the checksum is wrong");
    part->length++;
    check_well(&k, task);
    kit_close(&k);
}
END_TEST

/* Parts with good checksums that are in the wrong order, doubled, or not all there. */
START_TEST(a_chain_that_is_none)
{
    kit k;
    char message[400];
    ds_task task = kit_open_saved(&k, true);
    ds_saved_part *good = k.chains[1];
    ds_saved_part whole0 = good[0], whole1 = good[1];
    const ds_saved_part of_other = k.chains[2][0];
    ds_saved_part parts[4];
    task.saved = parts;
    task.n_saved = 4;
#define NONE(change)                                                                               \
    do {                                                                                           \
        memcpy(parts, good, 4 * sizeof *parts);                                                    \
        change;                                                                                    \
        ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_ERR_PROTOCOL);             \
        ck_assert_ptr_nonnull(strstr(message, "no chain of its partition"));                       \
    } while (0)
    NONE(parts[0].whole = false);
    NONE(parts[0].length = 0);
    NONE(parts[1].input = 2);
    NONE(parts[1] = whole0); /* nothing of the other side but changes */
    NONE(parts[2].partition = 2);
    NONE(parts[2].stage++);
    NONE(parts[3].batch_ms = 2001);
    NONE(task.keyed_ms = DS_NO_BATCH);
    task.keyed_ms = 2000;
    task.n_saved = 1;
    NONE(parts[0] = whole1);
    task.n_saved = 4;
#undef NONE
    memcpy(parts, good, 4 * sizeof *parts);
    parts[1].input = 0; /* of the other side: it is loaded as a window of the same kind */
    parts[0].input = 1;
    parts[2] = good[3], parts[3] = good[2];
    ck_assert_int_eq(run_one(&k, task, message, sizeof message), DS_OK);
    engine_lose_panes(&k.e);
    memcpy(parts, good, 4 * sizeof *parts);
    parts[0].path = of_other.path; /* of another partition: the place has another checksum */
    parts[0].offset = of_other.offset;
    parts[0].length = of_other.length;
    check_lost(&k, task, "the checksum is wrong");
    kit_close(&k);
}
END_TEST

START_TEST(a_store_that_is_gone)
{
    kit k;
    ds_task task = kit_open_saved(&k, false);
    ds_saved_part *part = &k.chains[1][1];
    part->ref.executor_id = 99;
    check_unread(&k, task, "cannot be restored from the store of executor 99");
    part->ref.executor_id = ENGINE_OTHER;
    uint64_t offset = part->ref.offset;
    part->ref.offset = ENGINE_STORE;
    check_unread(&k, task, "cannot be read");
    part->ref.offset = offset;
    part->ref.length++;
    check_lost(&k, task, "its place is of another length");
    part->ref.length--;
    ds_store_bytes(k.e.others, offset)[part->length / 2] ^= 1;
    check_lost(&k, task, "the checksum is wrong");
    ds_store_bytes(k.e.others, offset)[part->length / 2] ^= 1;
    check_well(&k, task);
    kit_close(&k);
}
END_TEST

#define REMOTE 50 /* an executor whose store cannot be opened: its bytes are those of the other */

static ds_status fetch(void *arg, const char *url, const ds_bulk_item *items, size_t n_items,
                       ds_error *error)
{
    const kit *k = arg;
    ck_assert_str_eq(url, "there");
    for (size_t i = 0; i < n_items; i++) {
        ck_assert_uint_le(items[i].ref.length, DS_FETCH_LIMIT);
        const char *bytes = ds_store_range(k->e.others, items[i].ref.offset, items[i].ref.length);
        if (bytes == NULL || k->gone)
            return ds_error_set(error, DS_ERR_LOST, "nobody is there");
        memcpy(items[i].to, bytes, items[i].ref.length);
    }
    return DS_OK;
}

START_TEST(what_is_saved_is_fetched_where_it_cannot_be_mapped)
{
    kit k;
    ds_task task = kit_open_saved(&k, false);
    const ds_fetcher fetcher = {.arg = &k, .fetch = fetch};
    const ds_msg_peer peer = {
        .executor_id = REMOTE, .path = "", .spill_path = "", .bulk_url = "there"};
    ds_peers_set_fetcher(k.e.peers, &fetcher, false);
    ds_peers_add(k.e.peers, &peer);
    for (int i = 0; i < 4; i++)
        k.chains[1][i].ref.executor_id = REMOTE;
    k.gone = true;
    check_unread(&k, task, "nobody is there");
    k.gone = false;
    check_well(&k, task);
    kit_close(&k);
}
END_TEST

/* A copy of a task has all that it refers to. */
START_TEST(tasks_are_copied_whole)
{
    char input[] = "input", saved[] = "saved";
    ds_input inputs[] = {{.kind = DS_INPUT_FILE, .to = 7, .path = input}};
    ds_table_use tables[] = {{3, 4}};
    ds_saved_part parts[] = {{.stage = 1, .length = 5, .path = saved}};
    ds_task task = {.batch_ms = 1000,
                    .save = 6,
                    .inputs = inputs,
                    .n_inputs = 1,
                    .tables = tables,
                    .n_tables = 1,
                    .saved = parts,
                    .n_saved = 1};
    ds_arena *arena = ds_arena_new(NULL);
    ds_task copy = ds_task_copy(arena, &task);
    memset(input, 'x', sizeof input - 1);
    memset(saved, 'x', sizeof saved - 1);
    memset(inputs, 0, sizeof inputs);
    memset(tables, 0, sizeof tables);
    memset(parts, 0, sizeof parts);
    ck_assert_str_eq(copy.inputs[0].path, "input");
    ck_assert_uint_eq(copy.inputs[0].to, 7);
    ck_assert_uint_eq(copy.tables[0].version, 4);
    ck_assert_str_eq(copy.saved[0].path, "saved");
    ck_assert_uint_eq(copy.saved[0].length, 5);
    ck_assert_uint_eq(copy.save, 6);
    ds_arena_free(arena);
}
END_TEST

UNIT_MAIN("task_saves", partitions_are_saved_to_files_and_restored,
          partitions_are_saved_to_a_store_and_restored, replays_after_a_chain, back_in_time,
          a_replay_that_comes_late, a_save_that_cannot_be_afforded,
          folds_are_what_the_task_would_have_saved, what_is_saved_after_a_fold,
          a_chain_that_cannot_be_read, chains_that_folds_do_not_pay_for, folds_share_a_room,
          folds_without_memory_are_made_later, chains_of_others_are_not_folded,
          a_file_with_a_flipped_bit, a_file_that_is_cut_short_or_gone,
          files_that_cannot_be_read_for_a_while, a_checksum_or_length_that_is_wrong,
          a_chain_that_is_none, a_store_that_is_gone,
          what_is_saved_is_fetched_where_it_cannot_be_mapped, tasks_are_copied_whole)
