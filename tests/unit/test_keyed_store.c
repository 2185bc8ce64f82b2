/* The keyed store: who may use a partition, and where it stands. */
#include "columnar/piece.h"
#include "exec/keyed_store.h"

#include "unit/plan_unit.h"

typedef struct kit {
    planned p;
    const ds_stage *stage, *other;
    ds_budget budget;
    ds_keyed_store *store;
    ds_kept *kept;
    ds_error error;
} kit;

static void kit_open(kit *k)
{
    k->p = plan_well("'in': { 'type': 'queue', 'schema': { 'n': 'int' }, 'batches': [ [] ] }",
                     "'w': { 'from': 'in', 'window': '5s', 'group_by': ['n'] },"
                     "'r': { 'from': 'in', 'window': '5s' }",
                     "w r");
    k->stage = plan_stage(k->p.plan, "w", DS_NODE_GROUP);
    k->other = plan_stage(k->p.plan, "r", DS_NODE_WINDOW);
    ds_budget_init(&k->budget, NULL, 0);
    k->store = ds_keyed_store_new(&k->budget);
}

static void kit_close(kit *k)
{
    ds_keyed_store_free(k->store);
    ck_assert_int_eq(k->budget.used_bytes, 0);
    plan_close(&k->p);
}

static ds_status take(kit *k, const ds_stage *stage, uint32_t partition, int64_t expected_ms,
                      int64_t batch_ms)
{
    k->error.message[0] = '\0';
    const ds_keyed_wish wish = {.expected_ms = expected_ms, .batch_ms = batch_ms};
    return ds_keyed_store_take(k->store, stage, partition, &wish, &k->kept, &k->error);
}

/* Applies a batch without rows, as a task does. */
static void apply(kit *k, const ds_stage *stage, uint32_t partition, int64_t batch_ms)
{
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_arena *arena = ds_arena_new(NULL);
    ds_due due;
    ds_plan_due(k->p.plan, arena, batch_ms, &due);
    ds_frame frame;
    ds_frame_out out = {0};
    ds_frame_init(&frame, k->p.plan, stage, &due, batch_ms, partition, &budget, &out);
    ck_assert_int_eq(ds_stage_reduce(&frame, k->kept, NULL, 0, &k->error), DS_OK);
    ds_frame_fini(&frame);
    ds_arena_free(arena);
    ck_assert_int_eq(ds_kept_version(k->kept), batch_ms);
    ds_keyed_store_put(k->store, stage, partition);
}

START_TEST(partitions_stand_at_a_batch)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(take(&k, k.stage, 0, DS_NO_BATCH, 1000), DS_OK);
    ck_assert_int_eq(ds_kept_version(k.kept), DS_NO_BATCH);
    apply(&k, k.stage, 0, 1000);
    ck_assert_int_eq(take(&k, k.stage, 0, 1000, 2000), DS_OK);
    ck_assert_int_eq(ds_kept_version(k.kept), 1000);
    apply(&k, k.stage, 0, 2000);
    /* The same task again: it stands there already. */
    ck_assert_int_eq(take(&k, k.stage, 0, 1000, 2000), DS_OK);
    ds_keyed_store_put(k.store, k.stage, 0);
    /* It stands before where it should. */
    ck_assert_int_eq(take(&k, k.stage, 0, 3000, 4000), DS_ERR_LOST);
    ck_assert_str_eq(k.error.message,
                     "key partition 0 of stage 2 stands at batch 2000, not at 3000");
    ck_assert_int_eq(take(&k, k.stage, 0, 2000, 4000), DS_OK); /* times may be left out */
    apply(&k, k.stage, 0, 4000);
    kit_close(&k);
}
END_TEST

START_TEST(partitions_are_apart)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(take(&k, k.stage, 0, DS_NO_BATCH, 1000), DS_OK);
    apply(&k, k.stage, 0, 1000);
    ck_assert_int_eq(take(&k, k.stage, 1, 1000, 2000), DS_ERR_LOST);
    ck_assert_str_eq(k.error.message,
                     "key partition 1 of stage 2 is not here, and should stand at 1000");
    ck_assert_int_eq(take(&k, k.other, 0, 1000, 2000), DS_ERR_LOST);
    ck_assert_int_eq(take(&k, k.other, 0, DS_NO_BATCH, 2000), DS_OK);
    ds_kept *other = k.kept;
    ck_assert_int_eq(take(&k, k.stage, 0, 1000, 2000), DS_OK); /* both at a time */
    ck_assert_ptr_ne(other, k.kept);
    ds_keyed_store_put(k.store, k.stage, 0);
    ds_keyed_store_put(k.store, k.other, 0);
    kit_close(&k);
}
END_TEST

/* The driver says that it begins anew: what was kept is dropped. */
START_TEST(a_partition_begins_anew)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(take(&k, k.stage, 2, DS_NO_BATCH, 1000), DS_OK);
    apply(&k, k.stage, 2, 1000);
    ck_assert_int_eq(take(&k, k.stage, 2, DS_NO_BATCH, 2000), DS_OK);
    ck_assert_int_eq(ds_kept_version(k.kept), DS_NO_BATCH);
    apply(&k, k.stage, 2, 2000);
    /* But for a task that runs again it is that of its first run. */
    ck_assert_int_eq(take(&k, k.stage, 2, DS_NO_BATCH, 2000), DS_OK);
    ck_assert_int_eq(ds_kept_version(k.kept), 2000);
    ds_keyed_store_put(k.store, k.stage, 2);
    kit_close(&k);
}
END_TEST

/* One task at a time. That another one (of a batch that was given up) still uses it is no loss
 * of the partition: it can be had soon. */
START_TEST(a_partition_in_use_is_not_lost)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(take(&k, k.stage, 0, DS_NO_BATCH, 1000), DS_OK);
    ds_kept *kept = k.kept;
    ck_assert_int_eq(take(&k, k.stage, 0, DS_NO_BATCH, 2000), DS_ERR_UNAVAILABLE);
    ck_assert_str_eq(k.error.message, "key partition 0 of stage 2 is in use by another task");
    k.kept = kept;
    apply(&k, k.stage, 0, 1000);
    ck_assert_int_eq(take(&k, k.stage, 0, 1000, 2000), DS_OK);
    ds_keyed_store_put(k.store, k.stage, 0);
    kit_close(&k);
}
END_TEST

/* A batch that was given up may have been applied here: its rows are in, and the next batch goes
 * on from there rather than from nothing. Panes are never thrown away for it. */
START_TEST(a_batch_in_between_was_given_up)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(take(&k, k.stage, 0, DS_NO_BATCH, 1000), DS_OK);
    apply(&k, k.stage, 0, 1000);
    ck_assert_int_eq(take(&k, k.stage, 0, 1000, 2000), DS_OK);
    apply(&k, k.stage, 0, 2000); /* and then the batch failed elsewhere */
    ck_assert_int_eq(take(&k, k.stage, 0, 1000, 3000), DS_OK);
    ck_assert_int_eq(ds_kept_version(k.kept), 2000);
    apply(&k, k.stage, 0, 3000);
    ck_assert_int_eq(take(&k, k.stage, 0, 1000, 2000), DS_ERR_LOST); /* it is too late for that */
    kit_close(&k);
}
END_TEST

/* ---- chains and replays ---- */

static ds_status take_for(kit *k, int64_t expected_ms, int64_t batch_ms, bool chain, bool replay)
{
    const ds_keyed_wish wish = {expected_ms, batch_ms, chain, replay};
    k->error.message[0] = '\0';
    return ds_keyed_store_take(k->store, k->stage, 0, &wish, &k->kept, &k->error);
}

/* A partition that stands at batch 4000. */
static void kit_open_at_4000(kit *k)
{
    kit_open(k);
    ck_assert_int_eq(take(k, k->stage, 0, DS_NO_BATCH, 4000), DS_OK);
    apply(k, k->stage, 0, 4000);
}

/* What is taken stands at version_ms; DS_NO_BATCH: it is to be loaded. */
static void check_taken(kit *k, int64_t version_ms)
{
    ck_assert_ptr_nonnull(k->kept);
    ck_assert_int_eq(ds_kept_version(k->kept), version_ms);
    ds_keyed_store_put(k->store, k->stage, 0);
}

START_TEST(a_chain_is_wanted_only_where_nothing_better_is)
{
    static const struct {
        int64_t expected_ms, batch_ms, got_ms;
        bool replay;
    } cases[] = {
        {4000, 5000, 4000, false},        /* it stands there */
        {3000, 5000, 4000, false},        /* a batch in between was applied here */
        {2000, 4000, 4000, false},        /* the task runs again */
        {5000, 6000, DS_NO_BATCH, false}, /* behind */
        {2000, 3000, DS_NO_BATCH, false}, /* ahead: its results are to be made again */
        {3000, 5000, 4000, true},         {5000, 6000, DS_NO_BATCH, true},
        {2000, 3000, DS_NO_BATCH, true},  {2000, 4000, 4000, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit k;
        kit_open_at_4000(&k);
        ck_assert_int_eq(
            take_for(&k, cases[i].expected_ms, cases[i].batch_ms, true, cases[i].replay), DS_OK);
        check_taken(&k, cases[i].got_ms);
        kit_close(&k);
    }
}
END_TEST

START_TEST(a_replay_of_what_was_applied_does_nothing)
{
    kit k;
    kit_open_at_4000(&k);
    ck_assert_int_eq(take_for(&k, 2000, 3000, false, true), DS_OK);
    ck_assert_ptr_null(k.kept);
    ck_assert_int_eq(take(&k, k.stage, 0, 4000, 5000), DS_OK); /* nobody has it */
    check_taken(&k, 4000);
    ck_assert_int_eq(take_for(&k, DS_NO_BATCH, 3000, false, true), DS_OK); /* from nothing */
    check_taken(&k, DS_NO_BATCH);
    kit_close(&k);
}
END_TEST

START_TEST(what_could_not_be_loaded_is_given_up)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(take_for(&k, 3000, 4000, true, false), DS_OK);
    ck_assert_int_eq(ds_kept_version(k.kept), DS_NO_BATCH);
    ds_keyed_store_drop(k.store, k.stage, 0);
    ck_assert_int_eq(take_for(&k, 3000, 4000, false, false), DS_ERR_LOST);
    ck_assert_ptr_null(k.kept);
    ck_assert_int_eq(take_for(&k, 3000, 4000, true, false), DS_OK); /* from elsewhere */
    ds_kept_stand(k.kept, 3000);
    apply(&k, k.stage, 0, 4000);
    ck_assert_int_eq(take_for(&k, 3000, 4000, true, false), DS_OK); /* it is not loaded again */
    check_taken(&k, 4000);
    kit_close(&k);
}
END_TEST

START_TEST(a_partition_is_collected_once_for_a_save)
{
    kit k;
    bool whole = false;
    kit_open_at_4000(&k);
    ck_assert(ds_keyed_store_collects(k.store, k.stage, 0, 7, &whole));
    ck_assert(whole); /* it began empty: nothing is there to which changes could be added */
    ck_assert(!ds_keyed_store_collects(k.store, k.stage, 0, 7, &whole));
    ck_assert(!ds_keyed_store_collects(k.store, k.stage, 0, 6, &whole));
    ck_assert(ds_keyed_store_collects(k.store, k.stage, 0, 8, &whole));
    ck_assert(!whole);
    ds_keyed_store_not_saved(k.store, k.stage->id, 0);
    ck_assert(ds_keyed_store_collects(k.store, k.stage, 0, 10, &whole));
    ck_assert(whole);
    ck_assert(ds_keyed_store_collects(k.store, k.stage, 1, 7, &whole)); /* another one */
    ds_keyed_store_not_saved(k.store, 99, 0);
    ds_keyed_store_not_saved(k.store, k.stage->id, 99);
    ck_assert_int_eq(take_for(&k, 5000, 6000, true, false), DS_OK);
    ds_kept_stand(k.kept, 5000);
    check_taken(&k, 5000);
    ck_assert(ds_keyed_store_collects(k.store, k.stage, 0, 11, &whole));
    ck_assert(!whole); /* changes since its chain */
    kit_close(&k);
}
END_TEST

/* ---- several windows in one stage ---- */

typedef struct joined {
    uint32_t rows;
    int64_t sum[2]; /* of the counts of both sides */
} joined;

/* Takes the rows on their way to the sink: n, and the counts of both windows. */
static ds_status take_rows(void *arg, const ds_node *root, const ds_heap *heap,
                           const ds_partition_rows *rows, uint32_t n_partitions, uint32_t n_columns,
                           ds_error *error)
{
    joined *got = arg;
    (void)heap, (void)error;
    ck_assert_int_eq(root->kind, DS_NODE_SINK);
    ck_assert_uint_eq(n_partitions, 1);
    ck_assert_uint_eq(n_columns, 3);
    got->rows += rows[0].n_rows;
    for (uint32_t i = 0; i < rows[0].n_rows; i++)
        for (int side = 0; side < 2; side++)
            got->sum[side] += rows[0].columns[1 + side]->ints[i];
    return DS_OK;
}

static ds_status run(kit *k, const ds_stage *stage, int64_t batch_ms, const ds_piece_bytes *pieces,
                     uint32_t n, joined *got)
{
    *got = (joined){0};
    ds_arena *arena = ds_arena_new(NULL);
    ds_due due;
    ds_plan_due(k->p.plan, arena, batch_ms, &due);
    ds_frame frame;
    ds_frame_out out = {.arg = got, .shuffle = take_rows};
    ds_frame_init(&frame, k->p.plan, stage, &due, batch_ms, 0, NULL, &out);
    ds_status status = ds_stage_reduce(&frame, k->kept, pieces, n, &k->error);
    if (status == DS_OK)
        status = ds_frame_finish(&frame);
    ds_frame_fini(&frame);
    ds_arena_free(arena);
    return status;
}

/* Partials of the keys 1 .. 3, each counted once. */
static size_t write_counts(ds_arena *arena, void *to)
{
    ds_column *keys = ds_column_new(arena, DS_TYPE(DS_INT), 3);
    ds_column *counts = ds_column_new(arena, DS_TYPE(DS_INT), 3);
    for (int i = 0; i < 3; i++) {
        keys->ints[i] = i + 1;
        counts->ints[i] = 1;
    }
    const ds_column *columns[] = {keys, counts};
    ck_assert_uint_le(ds_piece_size(NULL, columns, 2, 3), 1024);
    return ds_piece_write(to, NULL, columns, 2, 3);
}

/* A task that failed when one window had its batch already: run again, that one passes it over. */
START_TEST(each_window_takes_its_batch_once)
{
    kit k;
    kit_open(&k);
    plan_close(&k.p);
#define WINDOW(name, source)                                                                       \
    "'" name "': { 'from': '" source "', 'window': { 'size': '3s', 'slide': '1s' },"               \
    "  'group_by': ['n'], 'aggregate': { '" name "n': 'count()' } }"
    k.p = plan_well("'a': { 'type': 'queue', 'schema': { 'n': 'int' }, 'batches': [ [] ] }",
                    WINDOW("w", "a") "," WINDOW(
                        "x", "a") ", 'j': { 'from': 'w', 'join': { 'with': 'x', 'on': ['n'] } }",
                    "j");
    const ds_stage *stage = plan_stage(k.p.plan, "w", DS_NODE_GROUP);
    ck_assert_uint_eq(stage->n_inputs, 2);
    k.kept = ds_kept_new(stage, &k.budget);
    ds_arena *arena = ds_arena_new(NULL);
    char *bytes = ds_arena_alloc(arena, 1024);
    size_t length = write_counts(arena, bytes);
    const ds_piece_bytes good[] = {{.bytes = bytes, .length = length, .input = 0},
                                   {.bytes = bytes, .length = length, .input = 1}};
    const ds_piece_bytes bad[] = {{.bytes = bytes, .length = length, .input = 0},
                                  {.bytes = bytes, .length = length - 1, .input = 1}};
    const ds_piece_bytes disordered[] = {{.bytes = bytes, .length = length, .input = 1},
                                         {.bytes = bytes, .length = length, .input = 0}};
    const ds_piece_bytes of_none[] = {{.bytes = bytes, .length = length, .input = 2}};
    joined got;
    ck_assert_int_eq(run(&k, stage, 1000, good, 2, &got), DS_OK);
    ck_assert(got.rows == 3 && got.sum[0] == 3 && got.sum[1] == 3);
    ck_assert_int_eq(run(&k, stage, 2000, disordered, 2, &got), DS_ERR_PROTOCOL);
    ck_assert_int_eq(run(&k, stage, 2000, of_none, 1, &got), DS_ERR_PROTOCOL);
    ck_assert_int_eq(run(&k, stage, 2000, bad, 2, &got), DS_ERR_PROTOCOL);
    ck_assert_int_eq(ds_kept_version(k.kept), 1000); /* the first window stands at 2000 */
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(run(&k, stage, 2000, good, 2, &got), DS_OK);
        ck_assert(got.rows == 3 && got.sum[0] == 6 && got.sum[1] == 6);
        ck_assert_int_eq(ds_kept_version(k.kept), 2000);
    }
    ck_assert_int_eq(run(&k, stage, 1000, good, 2, &got), DS_ERR_INTERNAL);
    ck_assert_int_eq(run(&k, stage, 4000, good, 1, &got), DS_OK); /* one side has no rows */
    ck_assert(got.rows == 3 && got.sum[0] == 6 && got.sum[1] == 3);
    ds_kept_free(k.kept);
    ds_arena_free(arena);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("keyed_store", each_window_takes_its_batch_once, partitions_stand_at_a_batch,
          partitions_are_apart, a_partition_begins_anew, a_partition_in_use_is_not_lost,
          a_batch_in_between_was_given_up, a_chain_is_wanted_only_where_nothing_better_is,
          a_replay_of_what_was_applied_does_nothing, what_could_not_be_loaded_is_given_up,
          a_partition_is_collected_once_for_a_save)
