/* The checkpoint folder: files that roll, a lock, and what is left of both after a crash. */
#include "checkpoint/metadata.h"

#include "unit/journal_kit.h"
#include "unit/scratch_dir.h"

#include <signal.h>
#include <sys/resource.h>
#include <xxhash.h>

typedef struct kit {
    journal_kit j;
    scratch_dir d;
    ds_metadata *m;
    ds_recovered *recovered;
    ds_error error;
} kit;

static void kit_open(kit *k)
{
    *k = (kit){.m = NULL};
    journal_open(&k->j, JOURNAL_APP("x", ""));
    scratch_open(&k->d);
}

static void close_metadata(kit *k)
{
    ds_metadata_close(k->m);
    ds_recovered_free(k->recovered);
    k->m = NULL;
    k->recovered = NULL;
}

static void kit_close(kit *k)
{
    close_metadata(k);
    scratch_close(&k->d);
    journal_close(&k->j);
}

/* Opens the folder anew and reads what is there. */
static ds_status reopen(kit *k, int64_t retain)
{
    close_metadata(k);
    k->error.message[0] = '\0';
    ck_assert_int_eq(ds_metadata_open(scratch_path(&k->d, "state"), retain, &k->m, &k->error),
                     DS_OK);
    return ds_metadata_recover(k->m, k->j.plan, &k->recovered, &k->error);
}

/* Appends the whole record with this newest batch time. */
static ds_status append_whole(kit *k, int64_t last_ms)
{
    k->j.text.length = 0;
    k->j.last_ms = last_ms;
    journal_whole(&k->j);
    return ds_metadata_append(k->m, k->j.text.data, k->j.text.length, true, true, &k->error);
}

/* Appends a delta: a batch that was allotted. */
static ds_status append_batch(kit *k, int64_t time_ms)
{
    ds_batch *batch = ds_batch_new(k->j.plan, time_ms);
    k->j.text.length = 0;
    ds_journal_allotted(&k->j.text, k->j.plan, batch);
    ds_batch_free(batch);
    return ds_metadata_append(k->m, k->j.text.data, k->j.text.length, false, true, &k->error);
}

START_TEST(a_fresh_folder)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert_ptr_null(k.recovered);
    ck_assert(scratch_exists(&k.d, "state/lock"));
    ck_assert_int_eq(append_batch(&k, 2000), DS_ERR_IO); /* a whole record comes first */
    ck_assert_int_eq(append_whole(&k, 1000), DS_OK);
    ck_assert_int_eq(append_batch(&k, 2000), DS_OK);
    ck_assert_int_eq(append_batch(&k, 3000), DS_OK);
    ck_assert_int_eq(scratch_entries(&k.d, "state/metadata"), 1);
    ck_assert(scratch_exists(&k.d, "state/metadata/0000000001.jsonl"));
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert_int_eq(k.recovered->last_ms, 3000);
    ck_assert_uint_eq(k.recovered->n_batches, 2);
    kit_close(&k);
}
END_TEST

START_TEST(files_roll_and_old_ones_go)
{
    kit k;
    kit_open(&k);
    reopen(&k, 2);
    for (int64_t i = 1; i <= 6; i++)
        ck_assert_int_eq(append_whole(&k, i * 1000), DS_OK);
    ck_assert_int_eq(scratch_entries(&k.d, "state/metadata"), 3); /* the newest, and two old ones */
    ck_assert(scratch_exists(&k.d, "state/metadata/0000000006.jsonl"));
    ck_assert(scratch_exists(&k.d, "state/metadata/0000000004.jsonl"));
    ck_assert_int_eq(reopen(&k, 0), DS_OK);
    ck_assert_int_eq(k.recovered->last_ms, 6000);
    append_whole(&k, 7000);
    ck_assert_int_eq(scratch_entries(&k.d, "state/metadata"), 1);
    ck_assert(scratch_exists(&k.d, "state/metadata/0000000007.jsonl"));
    kit_close(&k);
}
END_TEST

START_TEST(one_driver_at_a_time)
{
    kit k;
    kit_open(&k);
    reopen(&k, 3);
    ds_metadata *other;
    ds_error error;
    ck_assert_int_eq(ds_metadata_open(scratch_path(&k.d, "state"), 3, &other, &error),
                     DS_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(error.message, "is in use by another dstream"));
    close_metadata(&k);
    ck_assert_int_eq(ds_metadata_open(scratch_path(&k.d, "state"), 3, &other, &error), DS_OK);
    ds_metadata_close(other);
    ds_metadata_close(NULL);
    kit_close(&k);
}
END_TEST

START_TEST(folders_that_cannot_be)
{
    kit k;
    kit_open(&k);
    scratch_write(&k.d, "state", "a file");
    ck_assert_int_eq(ds_metadata_open(scratch_path(&k.d, "state"), 3, &k.m, &k.error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "Not a directory"));
    k.m = NULL;
    kit_close(&k);
}
END_TEST

/* A crash amid the writing of a new file leaves the one before, and perhaps something aside. */
START_TEST(what_a_crash_leaves_aside)
{
    kit k;
    kit_open(&k);
    reopen(&k, 3);
    append_whole(&k, 1000);
    append_batch(&k, 2000);
    scratch_write(&k.d, "state/metadata/0000000002.jsonl.tmp", "{\"record\":\"wh");
    scratch_write(&k.d, "state/metadata/notes.txt", "not ours");
    scratch_write(&k.d, "state/metadata/9.jsonl", "not ours");
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert_int_eq(k.recovered->last_ms, 2000);
    ck_assert_int_eq(append_whole(&k, 5000), DS_OK); /* over what was aside */
    ck_assert(!scratch_exists(&k.d, "state/metadata/0000000002.jsonl.tmp"));
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert_int_eq(k.recovered->last_ms, 5000);
    ck_assert(scratch_exists(&k.d, "state/metadata/notes.txt"));
    kit_close(&k);
}
END_TEST

/* A delta that was cut short did not happen; the next start goes on in a new file. */
START_TEST(a_torn_delta)
{
    kit k;
    kit_open(&k);
    reopen(&k, 3);
    append_whole(&k, 1000);
    append_batch(&k, 2000);
    append_batch(&k, 3000);
    size_t length;
    char *text = scratch_read(&k.d, "state/metadata/0000000001.jsonl", &length);
    close_metadata(&k);
    scratch_write_bytes(&k.d, "state/metadata/0000000001.jsonl", text, length - 10);
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert_int_eq(k.recovered->last_ms, 2000);
    ck_assert_ptr_nonnull(k.recovered->warning);
    ck_assert_int_eq(append_batch(&k, 4000), DS_ERR_IO); /* never behind a torn line */
    ck_assert_int_eq(append_whole(&k, 2000), DS_OK);
    ck_assert_int_eq(append_batch(&k, 4000), DS_OK);
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert_int_eq(k.recovered->last_ms, 4000);
    ck_assert_ptr_null(k.recovered->warning);
    free(text);
    kit_close(&k);
}
END_TEST

/* A crash leaves no such file, so a file before it may be out of date: nothing is passed over. */
START_TEST(a_damaged_first_record_alone)
{
    kit k;
    kit_open(&k);
    reopen(&k, 3);
    append_whole(&k, 1000);
    append_batch(&k, 2000);
    append_whole(&k, 2000);
    size_t length;
    char *text = scratch_read(&k.d, "state/metadata/0000000002.jsonl", &length);
    close_metadata(&k);
    const size_t lengths[] = {length / 2, 0};
    for (size_t i = 0; i < 2; i++) {
        scratch_write_bytes(&k.d, "state/metadata/0000000002.jsonl", text, lengths[i]);
        ck_assert_int_eq(reopen(&k, 3), DS_ERR_APP);
        ck_assert_ptr_null(k.recovered);
        ck_assert_ptr_nonnull(strstr(k.error.message, "0000000002.jsonl"));
        ck_assert_ptr_nonnull(strstr(k.error.message, "To start anew"));
    }
    free(text);
    kit_close(&k);
}
END_TEST

/* With steps behind it the file before says too little: batches would be run again. */
START_TEST(a_damaged_first_record_with_more_behind)
{
    kit k;
    kit_open(&k);
    reopen(&k, 3);
    append_whole(&k, 1000);
    append_whole(&k, 1000);
    append_batch(&k, 2000);
    size_t length;
    char *text = scratch_read(&k.d, "state/metadata/0000000002.jsonl", &length);
    text[20] ^= 1;
    close_metadata(&k);
    scratch_write_bytes(&k.d, "state/metadata/0000000002.jsonl", text, length);
    ck_assert_int_eq(reopen(&k, 3), DS_ERR_APP);
    ck_assert_ptr_null(k.recovered);
    ck_assert_ptr_nonnull(strstr(k.error.message, "0000000002.jsonl"));
    free(text);
    kit_close(&k);
}
END_TEST

/* Written by a later version: what an older file says is out of date. */
START_TEST(a_later_version)
{
    kit k;
    kit_open(&k);
    reopen(&k, 3);
    append_whole(&k, 1000);
    close_metadata(&k);
    /* With a checksum that holds: XXH3-64 of what stands before it. */
    const char body[] = "{\"record\":\"whole\",\"format\":3";
    char line[200];
    snprintf(line, sizeof line, "%s,\"check\":\"%016llx\"}\n", body,
             (unsigned long long)XXH3_64bits(body, sizeof body - 1));
    scratch_write(&k.d, "state/metadata/0000000002.jsonl", line);
    ck_assert_int_eq(reopen(&k, 3), DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(k.error.message, "format 3 of the checkpoint is not known here"));
    kit_close(&k);
}
END_TEST

/* No room: the error says so, and once there is room a whole record goes on. */
START_TEST(a_full_disk)
{
    kit k;
    kit_open(&k);
    reopen(&k, 3);
    ck_assert_int_eq(append_whole(&k, 1000), DS_OK);
    size_t length;
    free(scratch_read(&k.d, "state/metadata/0000000001.jsonl", &length));
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {length + 20, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(append_batch(&k, 2000), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "cannot write"));
    limit.rlim_cur = 20;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(append_whole(&k, 2000), DS_ERR_IO);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    ck_assert_int_eq(append_batch(&k, 2000), DS_ERR_IO); /* only a whole record may follow */
    ck_assert_int_eq(append_whole(&k, 2000), DS_OK);
    ck_assert_int_eq(append_batch(&k, 3000), DS_OK);
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert_int_eq(k.recovered->last_ms, 3000);
    kit_close(&k);
}
END_TEST

/* What is written into a file that nobody can open is not written: it says so. */
START_TEST(a_file_that_is_removed)
{
    kit k;
    kit_open(&k);
    reopen(&k, 3);
    append_whole(&k, 1000);
    ck_assert_int_eq(remove(scratch_path(&k.d, "state/metadata/0000000001.jsonl")), 0);
    ck_assert_int_eq(append_batch(&k, 2000), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "was removed"));
    ck_assert_int_eq(rmdir(scratch_path(&k.d, "state/metadata")), 0);
    ck_assert_int_eq(append_whole(&k, 2000), DS_OK); /* it has all that counts */
    ck_assert_int_eq(append_batch(&k, 3000), DS_OK);
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert_int_eq(k.recovered->last_ms, 3000);
    kit_close(&k);
}
END_TEST

/* Moved away it is not ours, nor is another one in its place; back again it is. */
START_TEST(a_folder_that_is_removed)
{
    kit k;
    kit_open(&k);
    reopen(&k, 3);
    append_whole(&k, 1000);
    ck_assert_int_eq(rename(scratch_path(&k.d, "state"), scratch_path(&k.d, "away")), 0);
    ck_assert_int_eq(append_batch(&k, 2000), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "was removed or replaced"));
    ck_assert_int_eq(append_whole(&k, 2000), DS_ERR_IO);
    ck_assert(!scratch_exists(&k.d, "state"));
    ck_assert_int_eq(mkdir(scratch_path(&k.d, "state"), 0700), 0);
    scratch_write(&k.d, "state/lock", "");
    ck_assert_int_eq(append_whole(&k, 2000), DS_ERR_IO);
    ck_assert_int_eq(scratch_entries(&k.d, "state"), 1);
    ck_assert_int_eq(remove(scratch_path(&k.d, "state/lock")), 0);
    ck_assert_int_eq(rmdir(scratch_path(&k.d, "state")), 0);
    ck_assert_int_eq(rename(scratch_path(&k.d, "away"), scratch_path(&k.d, "state")), 0);
    ck_assert_int_eq(append_whole(&k, 2000), DS_OK);
    ck_assert_int_eq(append_batch(&k, 3000), DS_OK);
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert_int_eq(k.recovered->last_ms, 3000);
    kit_close(&k);
}
END_TEST

/* Executors look for the epoch; it is written over that of the run before. */
START_TEST(whose_the_folder_is)
{
    kit k;
    kit_open(&k);
    for (uint64_t epoch = 7; epoch < 9; epoch++) {
        reopen(&k, 3);
        ck_assert_int_eq(ds_metadata_check(k.m, &k.error), DS_OK);
        ck_assert_int_eq(ds_metadata_mark(k.m, epoch, &k.error), DS_OK);
        size_t length;
        char *text = scratch_read(&k.d, "state/lock", &length);
        ck_assert_uint_eq(length, 17);
        ck_assert_uint_eq(strtoull(text, NULL, 16), epoch);
        free(text);
    }
    ck_assert_int_eq(rename(scratch_path(&k.d, "state"), scratch_path(&k.d, "away")), 0);
    ck_assert_int_eq(ds_metadata_check(k.m, &k.error), DS_ERR_IO);
    kit_close(&k);
}
END_TEST

/* Nothing is made before it is known that the start may go on. */
START_TEST(a_refused_start_makes_nothing)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(mkdir(scratch_path(&k.d, "state"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path(&k.d, "state/kept"), 0700), 0);
    scratch_write(&k.d, "state/kept/1-abc-1.kept", "x");
    ck_assert_int_eq(ds_metadata_open(scratch_path(&k.d, "state"), 3, &k.m, &k.error), DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(k.error.message, "its metadata is gone"));
    ck_assert_int_eq(scratch_entries(&k.d, "state"), 1);
    k.m = NULL;
    scratch_write(&k.d, "state/lock", "0000000000000007\n");
    ck_assert_int_eq(reopen(&k, 3), DS_ERR_APP);
    ck_assert_int_eq(scratch_entries(&k.d, "state"), 2);
    ck_assert_int_eq(remove(scratch_path(&k.d, "state/kept/1-abc-1.kept")), 0);
    ck_assert_int_eq(reopen(&k, 3), DS_OK);
    ck_assert(!scratch_exists(&k.d, "state/metadata"));
    ck_assert_int_eq(ds_metadata_mark(k.m, 7, &k.error), DS_OK);
    ck_assert(scratch_exists(&k.d, "state/metadata"));
    kit_close(&k);
}
END_TEST

UNIT_MAIN("metadata", a_fresh_folder, files_roll_and_old_ones_go, one_driver_at_a_time,
          folders_that_cannot_be, what_a_crash_leaves_aside, a_torn_delta,
          a_damaged_first_record_alone, a_damaged_first_record_with_more_behind, a_later_version,
          a_full_disk, a_file_that_is_removed, a_folder_that_is_removed, whose_the_folder_is,
          a_refused_start_makes_nothing)
