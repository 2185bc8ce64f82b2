/* Places in the log of received blocks, in the journal. */
#include "unit/journal_kit.h"

#include <inttypes.h>
#include <xxhash.h>

static ds_input logged(uint64_t receiver_id, uint64_t offset, uint64_t first, uint64_t records)
{
    return (ds_input){.kind = DS_INPUT_BLOCK,
                      .ref = {3, 64, 100},
                      .from = first,
                      .to = first + records,
                      .position = first,
                      .header = 9,
                      .path = "state/log/s/x.log",
                      .log = {receiver_id, 2, offset}};
}

static void check_logged(const ds_input *got, const ds_input *expected)
{
    ck_assert_int_eq(got->kind, DS_INPUT_LOG);
    ck_assert_uint_eq(got->ref.executor_id, 0);
    ck_assert_uint_eq(got->ref.length, expected->ref.length);
    ck_assert_uint_eq(got->from, expected->from);
    ck_assert_uint_eq(got->to, expected->to);
    ck_assert_uint_eq(got->position, expected->position);
    ck_assert_uint_eq(got->header, expected->header);
    ck_assert_int_eq(ds_log_place_compare(&got->log, &expected->log), 0);
    ck_assert_str_eq(got->path, ""); /* the driver knows the folder */
}

START_TEST(blocks_of_the_log_come_back)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    journal_whole(&k);
    ds_batch *batch = journal_batch(&k, 2000);
    const ds_input one = logged(7, 32, 5, 3);
    ds_input two = logged(7, 196, 8, 0);
    two.header = 0;
    ds_input_use_log(&two); /* as if it were one of a restart before */
    ck_assert_int_eq(two.kind, DS_INPUT_LOG);
    journal_allot(batch, JOURNAL_S, one);
    journal_allot(batch, JOURNAL_S, two);
    ds_journal_allotted(&k.text, k.plan, batch);
    journal_read(&k);
    const ds_recovered_batch *b = k.recovered->batches;
    ck_assert(!b[0].has_blocks);
    ck_assert_uint_eq(b[0].allotments[0].n_inputs, 2);
    check_logged(&b[0].allotments[0].inputs[0], &one);
    check_logged(&b[0].allotments[0].inputs[1], &two);
    const ds_recovered_source *s = journal_source(&k, "s");
    ck_assert_uint_eq(s->records, 8);
    ck_assert_int_eq(ds_log_place_compare(&s->log, &two.log), 0);
    ck_assert_int_eq(ds_recovered_check(k.recovered, k.plan, "state", &k.error), DS_OK);
    journal_close(&k);
}
END_TEST

START_TEST(one_block_that_is_not_in_the_log_is_gone)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    ds_batch *batch = journal_batch(&k, 2000);
    journal_allot(batch, JOURNAL_S, logged(7, 32, 5, 3));
    journal_allot(batch, JOURNAL_S, (ds_input){.kind = DS_INPUT_BLOCK, .ref = {1, 0, 9}});
    journal_whole(&k);
    journal_read(&k);
    ck_assert(k.recovered->batches[0].has_blocks);
    journal_close(&k);
}
END_TEST

START_TEST(positions_of_a_whole_record)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    k.intakes[JOURNAL_S].records = 12;
    k.intakes[JOURNAL_S].log_taken = (ds_log_place){4, 5, 6};
    k.intakes[JOURNAL_S].log_end = (ds_log_place){9, 9, 9}; /* reported, and in no batch */
    journal_whole(&k);
    journal_read(&k);
    const ds_recovered_source *s = journal_source(&k, "s");
    ck_assert_uint_eq(s->records, 12);
    ck_assert_int_eq(ds_log_place_compare(&s->log, &(ds_log_place){4, 5, 6}), 0);
    ck_assert_uint_eq(journal_source(&k, "f")->log.receiver_id, 0);
    journal_close(&k);
}
END_TEST

/* Reads a whole record, and behind it an allotted one with this input. */
static void read_input(journal_kit *k, const char *input)
{
    ds_buffer line = {0};
    char *text = unit_quoted(input);
    ds_buffer_printf(&line, "{\"record\":\"allotted\",\"batch_ms\":2000,\"sources\":{\"s\":[{%s}]}",
                     text);
    uint64_t check = XXH3_64bits(line.data, line.length);
    ds_buffer_printf(&line, ",\"check\":\"%016" PRIx64 "\"}\n", check);
    k->text.length = 0;
    journal_whole(k);
    ds_buffer_append(&k->text, line.data, line.length);
    journal_read_bytes(k, k->text.data, k->text.length);
    ds_buffer_fini(&line);
    free(text);
}

#define PLACE "'log':'0000000003-000001.log','log_offset':32"
#define REST "'length':100,'first_record':5,'records':3"

START_TEST(places_that_mean_nothing)
{
    static const char *const wrong[] = {
        "'log':'0000000003-000001.log'," REST,
        "'log':'../../etc/passwd','log_offset':32," REST,
        "'log':'3-1.log','log_offset':32," REST,
        "'log':7,'log_offset':32," REST,
        "'log':'0000000003-000001.log','log_offset':-1," REST,
        PLACE ",'first_record':5,'records':3",
        PLACE ",'length':100,'records':3",
        PLACE ",'length':100,'first_record':5",
        PLACE ",'length':100,'first_record':5,'records':101",
        PLACE ",'length':9223372036854775807,'first_record':5,'records':3",
        PLACE ",'length':100,'first_record':9223372036854775807,'records':3",
        PLACE ",'length':-1,'first_record':5,'records':0",
        PLACE "," REST ",'header':101",
        PLACE "," REST ",'header':4294967296",
    };
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    read_input(&k, PLACE "," REST ",'header':100");
    ck_assert_msg(k.status == DS_OK, "%s", k.error.message);
    ck_assert_uint_eq(k.recovered->n_batches, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        read_input(&k, wrong[i]);
        ck_assert_msg(k.status == DS_ERR_IO, "%s", wrong[i]);
    }
    journal_close(&k);
}
END_TEST

UNIT_MAIN("journal_log", blocks_of_the_log_come_back, one_block_that_is_not_in_the_log_is_gone,
          positions_of_a_whole_record, places_that_mean_nothing)
