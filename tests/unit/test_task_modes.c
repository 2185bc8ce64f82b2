/* What leaves tasks of batches that run again, and what they change. */
#include "unit/engine.h"
#include "unit/scratch_dir.h"

#include <dirent.h>

typedef struct kit {
    scratch_dir d;
    engine e;
} kit;

/* Bad records, rows to a file and to the console, a window, and what is made of its results in a
 * second stage that keeps something. */
static void kit_open(kit *k)
{
    char *text = NULL;
    scratch_open(&k->d);
    ck_assert_int_gt(
        asprintf(&text,
                 "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"
                 "'dead_letters': '%s/dead',"
                 "'sources': { 'in': { 'type': 'stdin', 'format': 'json', 'schema': { 'n': 'int' },"
                 "  'on_error': 'dead_letter' } },"
                 "'streams': {"
                 "  'w': { 'from': 'in', 'window': { 'size': '10s', 'slide': '1s' },"
                 "         'group_by': ['n'], 'aggregate': { 'c': 'count()' } },"
                 "  'v': { 'from': 'w', 'window': { 'size': '10s', 'slide': '1s' },"
                 "         'group_by': ['c'], 'aggregate': { 'd': 'count()' } } },"
                 "'sinks': { 'a': { 'from': 'in', 'type': 'file', 'dir': '%s/out' },"
                 "           'b': { 'from': 'w', 'type': 'file', 'dir': '%s/w' },"
                 "           'c': { 'from': 'v', 'type': 'console', 'format': 'json' },"
                 "           'd': { 'from': 'v', 'type': 'console', 'format': 'table' } } }",
                 k->d.path, k->d.path, k->d.path),
        0);
    engine_open_app(&k->e, text);
    free(text);
    ck_assert_uint_eq(k->e.plan->n_stages, 5); /* two of them bring rows to a console */
    ck_assert(k->e.plan->stages[1].keyed && k->e.plan->stages[2].keyed);
}

static void kit_close(kit *k)
{
    engine_close(&k->e);
    scratch_close(&k->d);
}

/* What the console got in the last batch, as JSON. */
static void check_console(kit *k, const char *expected)
{
    char text[200] = "";
    size_t length = 0;
    for (uint32_t i = 0; i < k->e.commit.n_bytes; i++) {
        const ds_output *output = &k->e.commit.bytes[i];
        if (output->target != engine_sink(&k->e, "c"))
            continue;
        ck_assert_uint_lt(length + output->length, sizeof text);
        memcpy(text + length, ds_store_range(k->e.store, output->ref.offset, output->length),
               output->length);
        length += output->length;
    }
    ck_assert_str_eq(text, expected);
}

/* Nothing of the last batch goes anywhere, and nothing was written. */
static void check_silent(kit *k)
{
    ck_assert_uint_eq(k->e.commit.n_files, 0);
    ck_assert_uint_eq(k->e.commit.n_appends, 0);
    ck_assert_uint_eq(k->e.commit.n_bytes, 0);
    ck_assert_ptr_null(opendir(scratch_path(&k->d, "out")));
    ck_assert_ptr_null(opendir(scratch_path(&k->d, "w")));
    ck_assert_ptr_null(opendir(scratch_path(&k->d, "dead")));
}

/* Those of the console are as the last one. */
static void set_modes(kit *k, uint8_t source, uint8_t window, uint8_t second)
{
    k->e.modes[3] = k->e.modes[4] = second;
    k->e.modes[0] = source;
    k->e.modes[1] = window;
    k->e.modes[2] = second;
}

START_TEST(a_muted_batch_changes_what_is_kept_and_nothing_else)
{
    kit k;
    kit_open(&k);
    set_modes(&k, DS_TASK_MUTED, DS_TASK_MUTED, DS_TASK_MUTED);
    engine_feed(&k.e, "in", "{'n':1}\nnonsense\n{'n':2}\n{'n':2}");
    engine_batch(&k.e);
    check_silent(&k);
    ck_assert_uint_gt(k.e.batch->stages[2].n_inputs, 0); /* it had pieces */
    set_modes(&k, DS_TASK_NORMAL, DS_TASK_NORMAL, DS_TASK_NORMAL);
    engine_feed(&k.e, "in", "{'n':1}\n{'n':1}\nnonsense");
    engine_batch(&k.e);
    /* Counts were 1 and 2, and are 3 and 2 now. */
    check_console(&k, "{\"c\":1,\"d\":1}\n{\"c\":2,\"d\":2}\n{\"c\":3,\"d\":1}\n");
    ck_assert_uint_eq(k.e.batch->dead_letters, 1);
    ck_assert_uint_gt(k.e.commit.n_files, 0);
    kit_close(&k);
}
END_TEST

START_TEST(a_replay_gives_nothing_to_later_stages)
{
    kit k;
    kit_open(&k);
    set_modes(&k, DS_TASK_MUTED, DS_TASK_REPLAY, DS_TASK_REPLAY);
    engine_feed(&k.e, "in", "{'n':1}\n{'n':2}\n{'n':2}");
    engine_batch(&k.e);
    check_silent(&k);
    ck_assert_uint_gt(k.e.batch->stages[1].n_inputs, 0);
    ck_assert_uint_eq(k.e.batch->stages[2].n_inputs, 0);
    set_modes(&k, DS_TASK_NORMAL, DS_TASK_NORMAL, DS_TASK_NORMAL);
    engine_feed(&k.e, "in", "{'n':1}\n{'n':1}");
    engine_batch(&k.e);
    check_console(&k, "{\"c\":2,\"d\":1}\n{\"c\":3,\"d\":1}\n");
    kit_close(&k);
}
END_TEST

/* A source's own task may be replayed, too: it just has no effect. */
START_TEST(a_replay_of_a_source_has_no_effect)
{
    kit k;
    kit_open(&k);
    set_modes(&k, DS_TASK_REPLAY, DS_TASK_NORMAL, DS_TASK_NORMAL);
    engine_feed(&k.e, "in", "{'n':1}\nnonsense");
    engine_batch(&k.e);
    check_silent(&k);
    ck_assert_uint_eq(k.e.batch->stages[1].n_inputs, 0);
    kit_close(&k);
}
END_TEST

START_TEST(there_is_no_other_mode)
{
    kit k;
    kit_open(&k);
    k.e.once = true;
    set_modes(&k, DS_TASK_REPLAY + 1, 0, 0);
    engine_feed(&k.e, "in", "{'n':1}");
    ck_assert_int_eq(engine_try(&k.e), DS_ERR_PROTOCOL);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("task_modes", a_muted_batch_changes_what_is_kept_and_nothing_else,
          a_replay_gives_nothing_to_later_stages, a_replay_of_a_source_has_no_effect,
          there_is_no_other_mode)
