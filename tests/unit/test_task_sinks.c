/* Sinks of tasks: staged files, rows for the console, and what is left of them when a task fails.
 */
#include "unit/engine.h"
#include "unit/scratch_dir.h"

#include <xxhash.h>

/* An app whose sinks are written by the only task of an ordered stream; %s is the folder. */
#define APP(sinks)                                                                                 \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' }, %s"                               \
    "'sources': { 'in': { 'type': 'queue', 'schema': { 'n': 'int', 's': 'string' },"               \
    "'batches': [ [ { 'n': 2, 's': 'b' }, { 'n': 1, 's': 'a \\'q\\'' }, { 'n': 3 } ], [],"         \
    "             [ { 'n': 4, 's': 'd' } ] ] } },"                                                 \
    "'streams': { 'o': { 'from': 'in', 'order_by': 'n' } }, 'sinks': { " sinks " } }"
#define FILE_SINK(name, format)                                                                    \
    "'" name "': { 'from': 'o', 'type': 'file', 'dir': '%s/" name "', 'format': '" format "' }"
#define CONSOLE(name, more) "'" name "': { 'from': 'o', 'type': 'console' " more " }"

typedef struct kit {
    scratch_dir d;
    engine e;
} kit;

static void kit_open(kit *k, const char *app)
{
    char *text = NULL;
    scratch_open(&k->d);
    /* The first %s is for more keys, each further one for the folder. */
    ck_assert_int_gt(asprintf(&text, app, "", k->d.path, k->d.path, k->d.path), 0);
    engine_open_app(&k->e, text);
    free(text);
}

static void kit_close(kit *k)
{
    engine_close(&k->e);
    scratch_close(&k->d);
}

static const ds_output *output_of(const kit *k, const char *sink, uint32_t n)
{
    for (uint32_t i = 0; i < k->e.commit.n_bytes; i++)
        if (k->e.commit.bytes[i].target == engine_sink(&k->e, sink) && n-- == 0)
            return &k->e.commit.bytes[i];
    return NULL;
}

/* The text of a console in the last batch. */
static void check_console(kit *k, const char *sink, const char *expected)
{
    const ds_output *output = output_of(k, sink, 0);
    ck_assert_ptr_null(output_of(k, sink, 1));
    ck_assert_int_eq(output != NULL, expected[0] != '\0');
    if (output == NULL)
        return;
    char *text = ds_strndup(ds_store_bytes(k->e.store, output->ref.offset), output->length);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(output->length, output->ref.length);
    free(text);
}

START_TEST(files_are_staged)
{
    kit k;
    kit_open(&k, APP(FILE_SINK("a", "json") "," FILE_SINK("b", "csv")));
    engine_batch(&k.e);
    ck_assert_uint_eq(k.e.commit.n_files, 2);
    const ds_commit_file *a = &k.e.commit.files[0], *b = &k.e.commit.files[1];
    /* Epoch (with a checkpoint), batch, sink, stage, partition and attempt make the name: the
     * second run's. */
    ck_assert_str_eq(a->staged, scratch_path(&k.d, "a/.dstream-x/once-1000-a-1-0-1"));
    ck_assert_str_eq(b->staged, scratch_path(&k.d, "b/.dstream-x/once-1000-b-1-0-1"));
    ck_assert_uint_eq(a->rows, 3);
    scratch_holds(&k.d, "a/.dstream-x/once-1000-a-1-0-1",
                  "{\"n\":1,\"s\":\"a \\\"q\\\"\"}\n{\"n\":2,\"s\":\"b\"}\n{\"n\":3,\"s\":null}\n");
    size_t length;
    char *text = scratch_read(&k.d, "b/.dstream-x/once-1000-b-1-0-1", &length);
    ck_assert_uint_eq(length, b->length);
    ck_assert_uint_eq(b->checksum, XXH3_64bits(text, length));
    free(text);
    engine_batch(&k.e); /* no rows: nothing at all */
    ck_assert_uint_eq(k.e.commit.n_files, 0);
    ck_assert_int_eq(scratch_entries(&k.d, "a/.dstream-x"), 2); /* of the two attempts before */
    kit_close(&k);
}
END_TEST

START_TEST(rows_for_the_console)
{
    kit k;
    kit_open(
        &k,
        APP(CONSOLE("c", "") "," CONSOLE("d", ", 'format': 'csv', 'limit': 2") "," CONSOLE(
            "t",
            ", 'format': 'table'") "," CONSOLE("z",
                                               ", 'limit': 0") "," CONSOLE("u",
                                                                           ", 'format': 'table', "
                                                                           "'limit': 1")));
    engine_batch(&k.e);
    check_console(&k, "c",
                  "{\"n\":1,\"s\":\"a \\\"q\\\"\"}\n{\"n\":2,\"s\":\"b\"}\n{\"n\":3,\"s\":null}\n");
    const ds_output *d = output_of(&k, "d", 0);
    ck_assert_uint_eq(d->rows, 2);
    check_console(&k, "z", "");
    ck_assert_uint_eq(output_of(&k, "t", 0)->rows, 3);
    ck_assert_uint_eq(output_of(&k, "u", 0)->rows, 1);
    ck_assert_ptr_null(strstr(ds_store_bytes(k.e.store, output_of(&k, "u", 0)->ref.offset), "| 2"));
    engine_batch(&k.e);
    check_console(&k, "c", "");
    engine_batch(&k.e); /* the limit is for each batch */
    check_console(&k, "c", "{\"n\":4,\"s\":\"d\"}\n");
    ck_assert_uint_eq(output_of(&k, "u", 0)->rows, 1);
    kit_close(&k);
}
END_TEST

/* A sink that cannot be written fails the task, and no file of any sink is left. */
START_TEST(nothing_is_left_of_a_failed_task)
{
    kit k;
    kit_open(&k, APP(FILE_SINK("a", "json") "," CONSOLE("c", "")));
    k.e.once = true;
    engine_batch(&k.e);
    uint64_t offset, needed = (k.e.batch->stages[0].tasks[0].outputs[0].length + 63) / 64 * 64;
    unlink(k.e.commit.files[0].staged);
    engine_forget_batch(&k.e);
    /* Now there is room for the rows on their way, and none for the console's. */
    ck_assert_int_eq(ds_batch_ranges_take(k.e.ranges, 77, ENGINE_STORE - needed, &offset, NULL),
                     DS_OK);
    k.e.next_list = 0;
    ck_assert_int_eq(engine_try(&k.e), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(k.e.message, "the block store is full"));
    ck_assert_int_eq(scratch_entries(&k.d, "a/.dstream-x"), 0);
    ds_batch_ranges_release(k.e.ranges, 77);
    kit_close(&k);
}
END_TEST

START_TEST(a_folder_that_cannot_be_made)
{
    kit k;
    kit_open(&k, APP(FILE_SINK("a", "json") "," FILE_SINK("b", "json")));
    k.e.once = true;
    scratch_write(&k.d, "b", "in the way");
    ck_assert_int_eq(engine_try(&k.e), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.e.message, "/b/.dstream-x/"));
    ck_assert_int_eq(scratch_entries(&k.d, "a/.dstream-x"), 0);
    unlink(scratch_path(&k.d, "b"));
    ck_assert_int_eq(engine_try(&k.e), DS_OK);
    kit_close(&k);
}
END_TEST

UNIT_MAIN("task_sinks", files_are_staged, rows_for_the_console, nothing_is_left_of_a_failed_task,
          a_folder_that_cannot_be_made)
