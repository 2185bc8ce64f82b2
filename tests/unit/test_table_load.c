/* Reading the file of a table: its blocks, what is the same, what cannot be used. */
#include "unit/table_kit.h"

#include <fcntl.h>

#define CSV "'format': 'csv', 'header': true, 'schema': { 'id': 'int', 'name': 'string' }"
#define JSON "'format': 'json', 'schema': { 'n': 'int' }"

START_TEST(a_file_becomes_a_block)
{
    table_kit t;
    table_open(&t, JSON, "", "t");
    table_write(&t, "{\"n\":1}\n\n{\"n\":2}");
    table_loads(&t, 1);
    ck_assert_str_eq(table_text(&t), "|{\"n\":1}\n\n{\"n\":2}");
    ck_assert(!t.loaded.same);
    ck_assert_uint_eq(t.loaded.result.rows_in, 2);
    ck_assert_uint_eq(t.loaded.stamp.size, 16);
    ck_assert_uint_eq(t.loaded.inputs[0].header, 0);
    ck_assert_uint_eq(ds_tables_count(t.tables, NULL), 1);
    table_close(&t);
}
END_TEST

START_TEST(an_empty_file_is_an_empty_table)
{
    table_kit t;
    table_open(&t, JSON, "", "t");
    table_write(&t, "");
    table_loads(&t, 1);
    ck_assert_uint_eq(t.loaded.n_inputs, 0);
    ck_assert_uint_eq(t.loaded.result.rows_in, 0);
    table_write(&t, "\n  \n");
    table_loads(&t, 2);
    ck_assert_uint_eq(t.loaded.result.rows_in, 0);
    table_close(&t);
}
END_TEST

/* Each block can be decoded by itself: it begins with the header. */
START_TEST(every_block_has_the_header)
{
    table_kit t;
    ds_buffer text = {0};
    table_open(&t, CSV, "", "t");
    t.p.app.app->limits_block = 100;
    ds_buffer_append_text(&text, "\n\xEF\xBB\xBFid,name,more\r\n");
    for (int i = 0; i < 50; i++)
        ds_buffer_printf(&text, "%d,n%d,x\n", i, i);
    table_write(&t, ds_buffer_text(&text));
    table_loads(&t, 1);
    ck_assert_uint_eq(t.loaded.result.rows_in, 50);
    ck_assert_uint_gt(t.loaded.n_inputs, 4);
    uint64_t line = 2;
    for (uint32_t i = 0; i < t.loaded.n_inputs; i++) {
        const ds_input *input = &t.loaded.inputs[i];
        const char *bytes = ds_store_bytes(t.store, input->ref.offset);
        ck_assert_uint_eq(input->header, strlen("\xEF\xBB\xBFid,name,more\r\n"));
        ck_assert_mem_eq(bytes, ds_buffer_text(&text) + 1, input->header);
        ck_assert_uint_eq(input->position, line);
        line += input->to - input->from;
    }
    ck_assert_uint_eq(line, 52);
    ds_buffer_fini(&text);
    table_close(&t);
}
END_TEST

START_TEST(bad_records_are_counted_once_and_shown)
{
    table_kit t;
    table_open(&t, CSV, "", "t");
    table_write(&t, "id,name\n1,a\nx,b\n2,c\n3\n");
    table_loads(&t, 1);
    ck_assert_uint_eq(t.loaded.result.rows_in, 2);
    ck_assert_uint_eq(t.loaded.result.bad[DS_BAD_TYPE], 1);
    ck_assert_uint_eq(t.loaded.result.bad[DS_BAD_FIELDS], 1);
    ck_assert_uint_eq(t.loaded.result.n_samples, 2);
    ck_assert_str_eq(t.loaded.result.samples[0].where, "record 3");

    /* The tasks that read it in every batch do not count again. */
    ds_task task = {.batch_ms = 1000,
                    .stage = plan_stage(t.p.plan, "t", DS_NODE_SOURCE)->id,
                    .inputs = t.loaded.inputs,
                    .n_inputs = t.loaded.n_inputs};
    t.env.ranges = ds_batch_ranges_new(t.store);
    ds_scratch scratch = {0};
    ds_task_result result;
    ds_task_run(&t.env, &task, &scratch, t.arena, &result);
    ck_assert_int_eq(result.status, DS_OK);
    ck_assert_uint_eq(result.rows_in + result.bytes_in + result.n_samples, 0);
    ck_assert_uint_eq(result.bad[DS_BAD_TYPE], 0);
    ck_assert_uint_eq(result.outputs[0].rows, 2);
    ds_scratch_fini(&scratch);
    ds_batch_ranges_release(t.env.ranges, 1000);
    ds_batch_ranges_free(t.env.ranges);
    table_close(&t);
}
END_TEST

START_TEST(a_bad_record_under_fail)
{
    table_kit t;
    table_open(&t, CSV ", 'on_error': 'fail'", "", "t");
    table_write(&t, "id,name\n1,a\nx,b\n");
    table_refused(&t, DS_ERR_DATA, "source t: bad record: record 3: ");
    ck_assert_uint_eq(ds_store_used(t.store), 0);
    table_close(&t);
}
END_TEST

/* The same file, by its stamp or by its bytes, is not another version. */
START_TEST(what_is_the_same)
{
    table_kit t;
    table_open(&t, JSON, "", "t");
    table_write(&t, "{\"n\":1}\n");
    table_loads(&t, 1);
    table_known(&t);
    uint64_t used = ds_store_used(t.store);

    table_loads(&t, 2);
    ck_assert(t.loaded.same);
    ck_assert_uint_eq(t.loaded.n_inputs, 0);

    ck_assert_int_eq(remove(scratch_path(&t.dir, "table")), 0);
    table_write(&t, "{\"n\":1}\n");
    table_loads(&t, 2);
    ck_assert(t.loaded.same); /* another file with the same bytes */
    table_known(&t);
    ck_assert_uint_eq(ds_store_used(t.store), used);

    table_write(&t, "{\"n\":1}\n{\"n\":1}\n");
    table_loads(&t, 2);
    ck_assert(!t.loaded.same);
    ck_assert_uint_eq(t.loaded.result.rows_in, 2);
    table_known(&t);
    table_write(&t, "");
    table_loads(&t, 3);
    ck_assert(!t.loaded.same);
    table_known(&t);
    table_loads(&t, 4);
    ck_assert(t.loaded.same);
    table_close(&t);
}
END_TEST

/* The clock of a file system has ticks: what changed a moment ago may change once more in the
 * same tick, so its stamp does not count yet. */
START_TEST(a_young_file_is_read_again)
{
    table_kit t;
    table_open(&t, JSON, "", "t");
    table_write(&t, "{\"n\":1}\n");
    t.now_us = 0;
    table_loads(&t, 1);
    ck_assert_uint_eq(t.loaded.stamp.inode, 0);
    ck_assert_uint_eq(t.loaded.stamp.size, 8);
    ck_assert_int_gt(t.loaded.stamp.modified_ns, 0);
    table_known(&t);

    /* Other bytes under the same stamp, as after a change within a tick. */
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    const char *path = scratch_path(&t.dir, "table");
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    table_loads(&t, 2);
    ck_assert(t.loaded.same);
    table_known(&t);
    table_write(&t, "{\"n\":2}\n");
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    table_loads(&t, 2);
    ck_assert(!t.loaded.same);
    table_close(&t);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
    table_kit t;
    table_open(&t, JSON, "", "t");
    table_refused(&t, DS_ERR_NO_INPUT, "No such file");
    ck_assert_int_eq(mkdir(scratch_path(&t.dir, "table"), 0700), 0);
    table_refused(&t, DS_ERR_IO, "not a regular file");
    ck_assert_int_eq(rmdir(scratch_path(&t.dir, "table")), 0);
    ck_assert_int_eq(mkfifo(scratch_path(&t.dir, "table"), 0700), 0);
    table_refused(&t, DS_ERR_IO, "not a regular file"); /* and it does not wait */
    ck_assert_uint_eq(ds_tables_count(t.tables, NULL), 0);
    table_close(&t);
}
END_TEST

START_TEST(files_that_hold_something_else)
{
    table_kit t;
    table_open(&t, CSV, "", "t");
    table_write(&t, "");
    table_refused(&t, DS_ERR_DATA, "has no header");
    table_write(&t, "id;name\n1;a\n");
    table_refused(&t, DS_ERR_DATA, "\"id\"");
    table_write(&t, "id,name\nx,a\ny,b\n");
    table_refused(&t, DS_ERR_DATA, "none of the 2 records");
    table_write(&t, "id,name\n");
    table_loads(&t, 1); /* it has no rows, and that is fine */
    ck_assert_uint_eq(t.loaded.result.rows_in, 0);
    ck_assert_uint_eq(ds_tables_count(t.tables, NULL), 1);
    table_close(&t);
}
END_TEST

START_TEST(files_that_are_too_large)
{
    table_kit t;
    char *text = ds_calloc(TABLE_STORE, 1);
    table_open(&t, "'format': 'text'", "", "t");
    memset(text, 'a', TABLE_STORE / 2 + 1);
    for (size_t i = 99; i < TABLE_STORE / 2; i += 100)
        text[i] = '\n';
    table_write(&t, text);
    table_refused(&t, DS_ERR_NO_MEMORY, "executors.memory");

    /* It would fit, but the store is full of other things. */
    uint64_t offset;
    text[TABLE_STORE / 4] = '\0';
    table_write(&t, text);
    ck_assert(ds_store_take(t.store, TABLE_STORE - TABLE_STORE / 8, &offset));
    table_refused(&t, DS_ERR_NO_MEMORY, "block store");
    ds_store_give(t.store, offset, TABLE_STORE - TABLE_STORE / 8);
    ck_assert_uint_eq(ds_store_used(t.store), 0);
    table_loads(&t, 1);

    /* Nor may it take more memory to decode than there is. */
    ds_budget_init(&t.budget, NULL, 1000);
    table_refused(&t, DS_ERR_NO_MEMORY, "memory limit");
    ds_budget_init(&t.budget, NULL, 0);
    free(text);
    table_close(&t);
}
END_TEST

START_TEST(the_rows_of_a_test)
{
    table_kit t;
    table_open(&t, CSV, "", "t");
    ds_app_source *source = &t.p.app.app->sources[1];
    json_t *lists = json_pack("[[s, s, s], []]", "id,name", "1,a", "x");
    source->batches = lists;
    table_loads(&t, 1);
    ck_assert_uint_eq(t.loaded.n_inputs, 1);
    ck_assert_uint_eq(t.loaded.inputs[0].kind, DS_INPUT_QUEUE);
    ck_assert_uint_eq(t.loaded.result.rows_in, 1);
    ck_assert_uint_eq(t.loaded.result.bad[DS_BAD_FIELDS], 1);
    json_decref(lists);
    source->batches = lists = json_array();
    table_loads(&t, 2);
    ck_assert_uint_eq(t.loaded.n_inputs, 0);
    json_decref(lists);
    table_close(&t);
}
END_TEST

/* ---- versions ---- */

START_TEST(versions_are_dropped_with_those_before)
{
    table_kit t;
    table_open(&t, JSON, "", "t");
    for (uint64_t v = 1; v <= 3; v++) {
        char text[32];
        snprintf(text, sizeof text, "{\"n\":%d}\n", (int)v);
        table_write(&t, text);
        table_loads(&t, v);
    }
    uint64_t used = ds_store_used(t.store);
    ck_assert_uint_eq(ds_tables_count(t.tables, NULL), 3);
    ds_tables_drop(t.tables, 1, 2);
    ck_assert_uint_eq(ds_tables_count(t.tables, NULL), 1);
    ck_assert_uint_eq(ds_store_used(t.store), used / 3);
    ds_tables_drop(t.tables, 1, 2); /* told twice */
    ck_assert_uint_eq(ds_tables_count(t.tables, NULL), 1);
    ds_tables_clear(t.tables);
    ck_assert_uint_eq(ds_store_used(t.store), 0);
    table_close(&t);
}
END_TEST

START_TEST(versions_of_others)
{
    table_kit t;
    table_open(&t, JSON, "", "t");
    ds_input block = {.kind = DS_INPUT_BLOCK, .ref = {99, 0, 64}};
    ds_tables_add(t.tables, 1, 5, &block, 1, NULL);
    ds_tables_add(t.tables, 1, 5, &block, 1, NULL); /* told twice */
    ds_tables_add(t.tables, 0, 5, NULL, 0, NULL);
    ds_tables_add(t.tables, 77, 1, NULL, 0, NULL); /* no such source */
    ck_assert_uint_eq(ds_tables_count(t.tables, NULL), 2);
    ds_tables_drop(t.tables, 1, 5);
    ds_tables_add(t.tables, 1, 5, &block, 1, NULL); /* a copy that comes late */
    ds_tables_drop(t.tables, 77, 1);
    ck_assert_uint_eq(ds_tables_count(t.tables, NULL), 1);
    ck_assert_uint_eq(ds_store_used(t.store), 0);
    table_close(&t);
}
END_TEST

UNIT_MAIN("table_load", a_file_becomes_a_block, an_empty_file_is_an_empty_table,
          every_block_has_the_header, bad_records_are_counted_once_and_shown,
          a_bad_record_under_fail, what_is_the_same, a_young_file_is_read_again,
          files_that_cannot_be_read, files_that_hold_something_else, files_that_are_too_large,
          the_rows_of_a_test, versions_are_dropped_with_those_before, versions_of_others)
