/* Looking at a checkpoint folder: what its records say together, and what is damaged. */
#include "checkpoint/view.h"

#include "base/buffer.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

static scratch_dir scratch;

static void open_folder(void)
{
    scratch_open(&scratch);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "metadata"), 0777), 0);
}

static FILE *open_file(int number)
{
    char name[60];
    snprintf(name, sizeof name, "metadata/%010d.jsonl", number);
    FILE *file = fopen(scratch_path(&scratch, name), "a");
    ck_assert_ptr_nonnull(file);
    return file;
}

/* Adds a record, with its checksum, to a file; broken: with another one. */
static void add(int number, const char *record, bool broken)
{
    char body[4096];
    snprintf(body, sizeof body, "{%s", record);
    for (char *c = body; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    FILE *file = open_file(number);
    fprintf(file, "%s,\"check\":\"%016" PRIx64 "\"}\n", body,
            (uint64_t)XXH3_64bits(body, strlen(body)) + broken);
    fclose(file);
}

static void add_bytes(int number, const char *bytes)
{
    FILE *file = open_file(number);
    fputs(bytes, file);
    fclose(file);
}

#define WHOLE                                                                                      \
    "'record':'whole','format':1,'app':'x','last_batch_ms':1000,'sources':{"                       \
    "'f':{'files':[{'name':'a','taken':3}]},'t':{'followed':[{'number':7,'taken':1}]},"            \
    "'r':{'next':5},'q':{'next':0}},'batches':[]"

static ds_checkpoint_view look(void)
{
    ds_checkpoint_view view;
    ds_error error;
    ck_assert_msg(ds_checkpoint_view_read(scratch.path, &view, &error) == DS_OK, "%s",
                  error.message);
    return view;
}

static void is(const json_t *value, const char *expected)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '"' ? '\'' : *c;
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(records_are_taken_together)
{
    open_folder();
    add(3, WHOLE, false);
    add(3,
        "'record':'allotted','batch_ms':2000,'sources':{'f':[{'file':'in/a','from':3,'to':9},"
        "{'file':'in/b','from':0,'to':4}],'t':[{'number':7,'file':'l','from':1,'to':8}],"
        "'r':[{'first_row':5,'end_row':25}],'q':[{'list':0}]}",
        false);
    add(3, "'record':'allotted','batch_ms':3000,'sources':{}", false);
    add(3, "'record':'prepared','batch_ms':3000,'files':[]", false);
    add(3, "'record':'committed','batch_ms':2000", false);
    ds_checkpoint_view view = look();
    ck_assert_uint_eq(view.n_files, 1);
    ck_assert_uint_eq(view.files[0].records, 5);
    ck_assert_int_eq(view.files[0].first_ms, 2000);
    ck_assert_int_eq(view.files[0].last_ms, 3000);
    is(json_object_get(view.state, "last_batch_ms"), "3000");
    is(json_object_get(view.state, "batches"), "[{'batch_ms':3000,'files':[],'sources':{}}]");
    is(json_object_get(view.state, "sources"),
       "{'f':{'files':[{'name':'a','taken':9},{'name':'b','taken':4}]},'q':{'next':1},"
       "'r':{'next':25},'t':{'followed':[{'number':7,'taken':8}]}}");
    ck_assert_ptr_null(json_object_get(view.state, "check"));
    ds_checkpoint_view_fini(&view);
    scratch_close(&scratch);
}
END_TEST

/* Batches that changed what is kept stay until a save covers them; chains grow, or begin anew. */
START_TEST(saves)
{
    open_folder();
    add(1, WHOLE, false);
    add(1, "'record':'allotted','batch_ms':2000,'sources':{}", false);
    add(1, "'record':'prepared','batch_ms':2000,'files':[]", false);
    add(1, "'record':'committed','batch_ms':2000,'retained':true", false);
    add(1, "'record':'allotted','batch_ms':3000,'sources':{}", false);
    add(1, "'record':'committed','batch_ms':3000,'retained':true", false);
    add(1,
        "'record':'saved','batch_ms':2000,'save':4,'streams':[{'stream':'w','keeps':'x','parts':["
        "{'partition':0,'whole':true,'bytes':1},{'partition':1,'whole':true,'bytes':2}]}]",
        false);
    ds_checkpoint_view view = look();
    is(json_object_get(view.state, "batches"), "[{'batch_ms':3000,'committed':true,'sources':{}}]");
    ds_checkpoint_view_fini(&view);
    add(1,
        "'record':'saved','batch_ms':3000,'save':5,'streams':[{'stream':'w','keeps':'x','parts':["
        "{'partition':0,'whole':false,'bytes':3},{'partition':1,'whole':true,'bytes':4}]},"
        "{'stream':'w','keeps':'y','parts':[]}]",
        false);
    view = look();
    is(json_object_get(view.state, "batches"), "[]");
    is(json_object_get(view.state, "kept"),
       "{'batch_ms':3000,'save':5,'streams':[{'keeps':'x','parts':["
       "{'bytes':1,'partition':0,'whole':true},{'bytes':3,'partition':0,'whole':false},"
       "{'bytes':4,'partition':1,'whole':true}],'stream':'w'},"
       "{'keeps':'y','parts':[],'stream':'w'}]}");
    ds_checkpoint_view_fini(&view);
    scratch_close(&scratch);
}
END_TEST

START_TEST(the_newest_counts)
{
    open_folder();
    add(10, WHOLE, false);
    add(9, "'record':'whole','app':'old','batches':[]", false);
    ds_checkpoint_view view = look();
    ck_assert_uint_eq(view.n_files, 2);
    ck_assert_uint_eq(view.files[0].number, 9);
    is(json_object_get(view.state, "app"), "'x'");
    ck_assert_int_eq(view.files[1].first_ms, INT64_MIN);
    ds_checkpoint_view_fini(&view);
    scratch_close(&scratch);
}
END_TEST

/* What a crash leaves is cut short; what holds no more amid others is damaged. */
START_TEST(cut_short_and_damaged)
{
    open_folder();
    add(1, WHOLE, false);
    add_bytes(1, "{'record'");
    add(2, WHOLE, false);
    add(2, "'record':'committed','batch_ms':1", true);
    add(2, "'record':'committed','batch_ms':2", false);
    add(3, WHOLE, true);
    ds_checkpoint_view view = look();
    ck_assert_uint_eq(view.files[0].cut_bytes, 9);
    ck_assert_uint_eq(view.files[0].damaged, 0);
    ck_assert_uint_ne(view.files[1].damaged, 0);
    ck_assert_uint_eq(view.files[1].records, 1);
    ck_assert_int_eq(view.files[1].last_ms, INT64_MIN);
    ck_assert(view.files[2].unreadable);
    ck_assert_ptr_null(view.state);
    ds_checkpoint_view_fini(&view);
    scratch_close(&scratch);
}
END_TEST

/* Records whose checksum holds, and that no driver writes, change what they can. */
START_TEST(records_that_mean_nothing)
{
    static const char *const odd[] = {
        "'record':'allotted','batch_ms':2000,'sources':{'q':[{'list':9223372036854775807}]}",
        "'record':'allotted','batch_ms':2000,'sources':{'q':[{'list':-2}]}",
        "'record':'allotted','batch_ms':2000,'sources':{'q':7,'f':[7,{'file':7}],'gone':[{}]}",
        "'record':'prepared','batch_ms':7",
        "'record':7",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        open_folder();
        add(1, WHOLE, false);
        ds_checkpoint_view before = look();
        add(1, odd[i], false);
        ds_checkpoint_view view = look();
        ck_assert_uint_eq(view.files[0].records, 2);
        const json_t *was = json_object_get(json_object_get(before.state, "sources"), "q");
        const json_t *is = json_object_get(json_object_get(view.state, "sources"), "q");
        ck_assert_msg(json_equal(was, is), "%s", odd[i]);
        ds_checkpoint_view_fini(&before);
        ds_checkpoint_view_fini(&view);
        scratch_close(&scratch);
    }
}
END_TEST

START_TEST(no_checkpoint)
{
    open_folder();
    ds_checkpoint_view view;
    ds_error error;
    add_bytes(1, "");
    ck_assert_int_eq(ds_checkpoint_view_read("/nonexistent", &view, &error), DS_ERR_NO_INPUT);
    ds_checkpoint_view_fini(&view);
    view = look();
    ck_assert(view.files[0].unreadable);
    ds_checkpoint_view_fini(&view);
    scratch_close(&scratch);
}
END_TEST

UNIT_MAIN("view", records_are_taken_together, saves, the_newest_counts, cut_short_and_damaged,
          records_that_mean_nothing, no_checkpoint)
