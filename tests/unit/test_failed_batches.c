/* What is known of batches that were given up stays, in bounds. */
#include "checkpoint/failed_batches.h"

#include "unit/journal_kit.h"

START_TEST(the_newest_stay)
{
    ds_failed_batches failed = {0};
    char text[32];
    for (unsigned i = 0; i < DS_FAILED_MOST + 5; i++) {
        snprintf(text, sizeof text, "{\"batch_ms\":%u}", i);
        ds_failed_add(&failed, text);
    }
    ck_assert_uint_eq(failed.n, DS_FAILED_MOST);
    ck_assert_str_eq(failed.texts[0], "{\"batch_ms\":5}");
    snprintf(text, sizeof text, "{\"batch_ms\":%u}", DS_FAILED_MOST + 4);
    ck_assert_str_eq(failed.texts[failed.n - 1], text);
    ds_failed_fini(&failed);
    ck_assert_uint_eq(failed.n, 0);
}
END_TEST

START_TEST(bytes_are_bounded)
{
    ds_failed_batches failed = {0};
    char *half = ds_calloc(1, DS_FAILED_BYTES), *large = ds_calloc(1, 2 * DS_FAILED_BYTES);
    memset(half, 'h', DS_FAILED_BYTES / 2);
    memset(large, 'l', 2 * DS_FAILED_BYTES - 1);
    ds_failed_add(&failed, half);
    ds_failed_add(&failed, half);
    ck_assert_uint_eq(failed.n, 2);
    ds_failed_add(&failed, half);
    ck_assert_uint_eq(failed.n, 2);
    ds_failed_add(&failed, large); /* the newest is kept, whatever it is */
    ck_assert_uint_eq(failed.n, 1);
    ds_failed_batches copy = {0};
    ds_failed_add_all(&copy, &failed);
    ck_assert_str_eq(copy.texts[0], large);
    ds_failed_fini(&copy);
    ds_failed_add(&failed, "{}");
    ck_assert_uint_eq(failed.n, 1);
    ck_assert_uint_eq(failed.bytes, 2);
    ds_failed_fini(&failed);
    free(half);
    free(large);
}
END_TEST

/* From one whole record to the next. */
START_TEST(they_stand_in_whole_records)
{
    journal_kit k;
    journal_open(&k, JOURNAL_APP("x", ""));
    ds_batch *batch = journal_batch(&k, 3000);
    journal_file(batch, "in/a", 5, 9);
    char *text = ds_journal_describe(k.plan, batch, "so");
    ck_assert_ptr_nonnull(strstr(text, "\"inputs\":{\"f\":[{"));
    ds_failed_batches failed = {0};
    ds_failed_add(&failed, text);
    ds_failed_add(&failed, "{\"batch_ms\":4000,\"reason\":\"of a version before\"}");
    ds_journal_state state = {.plan = k.plan, .epoch = 1, .failed = &failed};
    k.text.length = 0;
    ds_journal_whole(&k.text, &state);
    journal_read(&k);
    ck_assert_uint_eq(k.recovered->failed.n, 2);
    ck_assert_str_eq(k.recovered->failed.texts[0], text);
    ck_assert_str_eq(k.recovered->failed.texts[1], failed.texts[1]);
    ck_assert_uint_eq(k.recovered->n_batches, 0);
    ds_failed_fini(&failed);
    free(text);
    journal_close(&k);
}
END_TEST

UNIT_MAIN("failed_batches", the_newest_stay, bytes_are_bounded, they_stand_in_whole_records)
