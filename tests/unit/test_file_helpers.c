/* Folders and whole files. */
#include "base/files.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

START_TEST(makes_folders_above)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    const char *deep = scratch_path(&d, "a/b/c");
    ck_assert_int_eq(ds_make_folders(deep, &error), DS_OK);
    ck_assert(scratch_exists(&d, "a/b/c"));
    ck_assert_int_eq(ds_make_folders(deep, &error), DS_OK); /* again */
    ck_assert_int_eq(ds_make_folders(scratch_path(&d, "x//y/"), &error), DS_OK);
    ck_assert(scratch_exists(&d, "x/y"));
    ck_assert_int_eq(ds_make_folders("/", NULL), DS_OK);
    ck_assert_int_eq(ds_make_folders(".", NULL), DS_OK);
    scratch_close(&d);
}
END_TEST

START_TEST(says_why_there_is_no_folder)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    scratch_write(&d, "file", "x");
    ck_assert_int_eq(ds_make_folders(scratch_path(&d, "file"), &error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "file: Not a directory"));
    ck_assert_int_eq(ds_make_folders(scratch_path(&d, "file/below"), &error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "Not a directory"));
    ck_assert_int_eq(ds_make_folders("", &error), DS_ERR_IO);
    scratch_close(&d);
}
END_TEST

START_TEST(syncs_folders)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    ck_assert_int_eq(ds_sync_folder(d.path, &error), DS_OK);
    ck_assert_int_eq(ds_sync_folder(scratch_path(&d, "none"), &error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "none: No such file"));
    scratch_write(&d, "file", "x");
    ck_assert_int_eq(ds_sync_folder(scratch_path(&d, "file"), &error), DS_ERR_IO);
    scratch_close(&d);
}
END_TEST

START_TEST(reads_whole_files)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    ds_buffer out = {0};
    scratch_write(&d, "empty", "");
    scratch_write(&d, "some", "text");
    ck_assert_int_eq(ds_read_file(scratch_path(&d, "empty"), 10, &out, &error), DS_OK);
    ck_assert_uint_eq(out.length, 0);
    ck_assert_int_eq(ds_read_file(scratch_path(&d, "some"), 4, &out, &error), DS_OK);
    ck_assert_int_eq(ds_read_file(scratch_path(&d, "some"), 4, &out, &error), DS_OK);
    ck_assert_str_eq(ds_buffer_text(&out), "texttext"); /* appended */

    ds_buffer large = {0};
    memset(ds_buffer_reserve(&large, 300001), 'z', 300000);
    large.data[300000] = '\0';
    scratch_write(&d, "large", large.data);
    out.length = 0;
    ck_assert_int_eq(ds_read_file(scratch_path(&d, "large"), 300000, &out, &error), DS_OK);
    ck_assert_uint_eq(out.length, 300000);
    ck_assert_mem_eq(out.data, large.data, 300000);
    ds_buffer_fini(&large);
    ds_buffer_fini(&out);
    scratch_close(&d);
}
END_TEST

START_TEST(says_why_a_file_cannot_be_read)
{
    scratch_dir d;
    scratch_open(&d);
    ds_error error;
    ds_buffer out = {0};
    ck_assert_int_eq(ds_read_file(scratch_path(&d, "none"), 10, &out, &error), DS_ERR_NO_INPUT);
    ck_assert_ptr_nonnull(strstr(error.message, "none: No such file"));
    ck_assert_int_eq(ds_read_file(d.path, 10, &out, &error), DS_ERR_IO);
    scratch_write(&d, "long", "12345");
    ck_assert_int_eq(ds_read_file(scratch_path(&d, "long"), 4, &out, &error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "more than 4 bytes"));
    ck_assert_int_eq(ds_read_file(scratch_path(&d, "long"), 4, &out, NULL), DS_ERR_IO);
    ds_buffer_fini(&out);
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("file_helpers", makes_folders_above, says_why_there_is_no_folder, syncs_folders,
          reads_whole_files, says_why_a_file_cannot_be_read)
