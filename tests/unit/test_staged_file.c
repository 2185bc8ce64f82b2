/* Files written aside. */
#include "exec/staged_file.h"

#include "unit/scratch_dir.h"

#include <signal.h>
#include <sys/resource.h>
#include <xxhash.h>

START_TEST(completed_files_stay)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    ds_staged_file *file;
    const char *folder = scratch_path(&d, "deep/folder");
    ck_assert_int_eq(ds_staged_file_new(folder, "one", true, &file, &error), DS_OK);
    ck_assert_str_eq(ds_staged_file_path(file), scratch_path(&d, "deep/folder/one"));
    ds_buffer_append_text(ds_staged_file_buffer(file), "hello ");
    ck_assert_int_eq(ds_staged_file_drain(file, &error), DS_OK);
    scratch_holds(&d, "deep/folder/one", ""); /* little waits */
    ds_buffer_append_text(ds_staged_file_buffer(file), "world\n");
    uint64_t length, checksum;
    ck_assert_int_eq(ds_staged_file_complete(file, true, &length, &checksum, &error), DS_OK);
    ck_assert_uint_eq(length, 12);
    ck_assert_uint_eq(checksum, XXH3_64bits("hello world\n", 12));
    ds_staged_file_free(file);
    scratch_holds(&d, "deep/folder/one", "hello world\n");
    scratch_close(&d);
}
END_TEST

START_TEST(others_are_removed)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    ds_staged_file *file;
    ck_assert_int_eq(ds_staged_file_new(d.path, "one", true, &file, &error), DS_OK);
    ck_assert(scratch_exists(&d, "one"));
    ds_buffer_append_text(ds_staged_file_buffer(file), "never seen");
    ds_staged_file_free(file);
    ck_assert(!scratch_exists(&d, "one"));
    ds_staged_file_free(NULL);
    scratch_close(&d);
}
END_TEST

START_TEST(completed_and_not_taken)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    ds_staged_file *file;
    uint64_t length, checksum;
    ck_assert_int_eq(ds_staged_file_new(d.path, "one", true, &file, &error), DS_OK);
    ck_assert_int_eq(ds_staged_file_complete(file, false, &length, &checksum, &error), DS_OK);
    ds_staged_file_discard(file);
    ds_staged_file_free(file);
    ck_assert(!scratch_exists(&d, "one"));
    scratch_close(&d);
}
END_TEST

/* A file of an attempt that died is begun anew under the same name. */
START_TEST(what_was_there_is_overwritten)
{
    scratch_dir d;
    scratch_open(&d);
    scratch_write(&d, "one", "something long from before");
    ds_error error;
    ds_staged_file *file;
    uint64_t length, checksum;
    ck_assert_int_eq(ds_staged_file_new(d.path, "one", true, &file, &error), DS_OK);
    ds_buffer_append_text(ds_staged_file_buffer(file), "new");
    ck_assert_int_eq(ds_staged_file_complete(file, false, &length, &checksum, &error), DS_OK);
    ds_staged_file_free(file);
    scratch_holds(&d, "one", "new");
    scratch_close(&d);
}
END_TEST

START_TEST(large_files_are_drained)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    ds_staged_file *file;
    ck_assert_int_eq(ds_staged_file_new(d.path, "large", true, &file, &error), DS_OK);
    XXH3_state_t *sum = XXH3_createState();
    XXH3_64bits_reset(sum);
    for (int i = 0; i < 100000; i++) {
        char row[32];
        int n = snprintf(row, sizeof row, "row number %d\n", i);
        ds_buffer_append(ds_staged_file_buffer(file), row, (size_t)n);
        XXH3_64bits_update(sum, row, (size_t)n);
        ck_assert_int_eq(ds_staged_file_drain(file, &error), DS_OK);
        ck_assert_uint_lt(ds_staged_file_buffer(file)->length, 512 << 10);
    }
    uint64_t length, checksum;
    ck_assert_int_eq(ds_staged_file_complete(file, false, &length, &checksum, &error), DS_OK);
    ck_assert_uint_eq(checksum, XXH3_64bits_digest(sum));
    XXH3_freeState(sum);
    ds_staged_file_free(file);
    size_t there;
    free(scratch_read(&d, "large", &there));
    ck_assert_uint_eq(there, length);
    scratch_close(&d);
}
END_TEST

START_TEST(says_what_cannot_be_done)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    ds_staged_file *file = NULL;
    scratch_write(&d, "file", "x");
    ck_assert_int_eq(ds_staged_file_new(scratch_path(&d, "file"), "one", true, &file, &error),
                     DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "cannot create"));
    ck_assert_ptr_nonnull(strstr(error.message, "file/one"));
    ck_assert_int_eq(ds_staged_file_new("/proc/none", "one", true, &file, &error), DS_ERR_IO);
    scratch_close(&d);
}
END_TEST

/* No room left: the error says so, and nothing is left behind. */
START_TEST(a_full_disk)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    ds_staged_file *file;
    ck_assert_int_eq(ds_staged_file_new(d.path, "one", true, &file, &error), DS_OK);
    memset(ds_buffer_reserve(ds_staged_file_buffer(file), 1 << 20), 'x', 1 << 20);
    ds_staged_file_buffer(file)->length += 1 << 20;
    struct rlimit limit = {100000, 100000};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(ds_staged_file_drain(file, &error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "cannot write"));
    uint64_t length, checksum;
    ck_assert_int_eq(ds_staged_file_complete(file, false, &length, &checksum, &error), DS_ERR_IO);
    ds_staged_file_free(file);
    ck_assert(!scratch_exists(&d, "one"));
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("staged_file", completed_files_stay, others_are_removed, completed_and_not_taken,
          what_was_there_is_overwritten, large_files_are_drained, says_what_cannot_be_done,
          a_full_disk)
