/* Saved data is looked at before it is used: cut short, a flipped bit, gone. */
#include "checkpoint/kept_check.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

#include <xxhash.h>

static scratch_dir d;
static char text[] = "abcdefghij";
static ds_saved_part parts[3];
static ds_recovered_stream stream = {"words", "{}", parts, 3, 3};
static const ds_recovered_kept kept = {.save = 2, .streams = &stream, .n_streams = 1};
static ds_kept_found found;
static ds_error error;

static void set(int i, const char *file, uint64_t offset, uint64_t length)
{
    parts[i] = (ds_saved_part){.path = file,
                               .offset = offset,
                               .length = length,
                               .checksum = XXH3_64bits(text + offset, length)};
}

static ds_status check(void)
{
    return ds_kept_check(scratch_path(&d, "kept"), &kept, &found, &error);
}

static void begin(void)
{
    scratch_open(&d);
    ck_assert_int_eq(mkdir(scratch_path(&d, "kept"), 0700), 0);
    scratch_write(&d, "kept/1-7-1.kept", text);
    scratch_write(&d, "kept/2-7-1.kept", text);
    set(0, "1-7-1.kept", 0, 4);
    set(1, "1-7-1.kept", 4, 6);
    set(2, "2-7-1.kept", 2, 3);
}

START_TEST(all_is_there)
{
    begin();
    ck_assert_int_eq(check(), DS_OK);
    ck_assert_uint_eq(found.n_parts, 3);
    ck_assert_uint_eq(found.bytes, 13);
    ck_assert_uint_eq(found.damaged, 0);
    stream.n_parts = 0;
    ck_assert_int_eq(check(), DS_OK);
    stream.n_parts = 3;
    scratch_close(&d);
}
END_TEST

/* Only bits of a part matter. */
START_TEST(every_flipped_bit)
{
    begin();
    for (size_t at = 0; at < 10; at++) {
        char changed[] = "abcdefghij";
        changed[at] ^= (char)(1 << at % 8);
        scratch_write_bytes(&d, "kept/2-7-1.kept", changed, 10);
        bool in_part = at >= 2 && at < 5;
        ck_assert_int_eq(check(), in_part ? DS_ERR_IO : DS_OK);
        ck_assert_uint_eq(found.damaged, in_part);
        if (in_part) {
            ck_assert_ptr_nonnull(strstr(error.message, "stream words"));
            ck_assert_ptr_nonnull(strstr(error.message, "kept/2-7-1.kept"));
            ck_assert_ptr_nonnull(strstr(error.message, "2+3"));
        }
    }
    scratch_close(&d);
}
END_TEST

START_TEST(cut_short_gone_and_no_file)
{
    begin();
    scratch_write_bytes(&d, "kept/1-7-1.kept", text, 9);
    ck_assert_int_eq(check(), DS_ERR_IO);
    ck_assert_uint_eq(found.n_parts, 2);
    ck_assert_ptr_nonnull(strstr(error.message, "cut short"));
    unlink(scratch_path(&d, "kept/1-7-1.kept"));
    ck_assert_int_eq(check(), DS_ERR_IO);
    ck_assert_uint_eq(found.damaged, 2);
    ck_assert_ptr_nonnull(strstr(error.message, "No such file"));
    ck_assert_int_eq(mkdir(scratch_path(&d, "kept/1-7-1.kept"), 0700), 0);
    ck_assert_int_eq(check(), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "it is no file"));
    parts[2].offset = UINT64_MAX - 1;
    ck_assert_int_eq(check(), DS_ERR_IO);
    ck_assert_uint_eq(found.damaged, 3);
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("kept_check", all_is_there, every_flipped_bit, cut_short_gone_and_no_file)
