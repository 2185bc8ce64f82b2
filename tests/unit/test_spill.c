/* Bytes on disk: ranges, limits, what is left behind, full disks, folders that cannot be used. */
#include "base/spill.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u

static void fill(char *bytes, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(seed + i * 7);
}

static void put(ds_spill *spill, uint64_t at, size_t n, unsigned seed)
{
    char bytes[20000];
    ds_error error;
    ck_assert_uint_le(n, sizeof bytes);
    fill(bytes, n, seed);
    ck_assert_int_eq(ds_spill_write(spill, at, bytes, n, &error), DS_OK);
}

static void expect(ds_spill *spill, uint64_t at, size_t n, unsigned seed)
{
    char bytes[20000], read[20000];
    ds_error error;
    fill(bytes, n, seed);
    ck_assert_int_eq(ds_spill_read(spill, at, read, n, &error), DS_OK);
    ck_assert_mem_eq(bytes, read, n);
}

static uint64_t disk_of(const ds_spill *spill)
{
    struct stat about;
    ck_assert_int_eq(fstat(ds_spill_fd(spill), &about), 0);
    return (uint64_t)about.st_blocks * 512;
}

START_TEST(what_is_written_is_read)
{
    scratch_dir d;
    scratch_open(&d);
    ds_spill *spill = ds_spill_new(d.path, 1 << 20);
    ck_assert_int_ge(ds_spill_fd(spill), 0);
    ck_assert_uint_eq(ds_spill_size(spill), 1 << 20);
    uint64_t a, b;
    ck_assert_int_eq(ds_spill_take(spill, 10000, &a, NULL), DS_OK);
    ck_assert_int_eq(ds_spill_take(spill, 1, &b, NULL), DS_OK);
    ck_assert_uint_eq(a % PAGE, 0);
    ck_assert_uint_eq(b % PAGE, 0);
    put(spill, a, 10000, 1);
    put(spill, b, 1, 2);
    put(spill, a + 5000, 100, 3);
    expect(spill, a, 5000, 1);
    expect(spill, a + 5000, 100, 3);
    expect(spill, b, 1, 2);
    ck_assert_uint_eq(ds_spill_used(spill), 3 * PAGE + PAGE);
    ck_assert_uint_eq(ds_spill_written(spill), 10101);
    ds_spill_free(spill);
    scratch_close(&d);
}
END_TEST

START_TEST(nothing_has_a_name)
{
    scratch_dir d;
    scratch_open(&d);
    char inner[sizeof d.path + 16];
    snprintf(inner, sizeof inner, "%s/inner", d.path);
    ck_assert_int_eq(mkdir(inner, 0700), 0);
    ds_spill *spill = ds_spill_new(inner, 1 << 20);
    uint64_t at;
    ck_assert_int_eq(ds_spill_take(spill, 100, &at, NULL), DS_OK);
    put(spill, at, 100, 1);
    ck_assert_int_eq(rmdir(inner), 0); /* it is empty */
    expect(spill, at, 100, 1);
    ds_spill_free(spill);
    scratch_close(&d);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_not_made)
{
    scratch_dir d;
    scratch_open(&d);
    ds_spill *spill = ds_spill_new(scratch_path(&d, "a/b"), 1 << 20);
    uint64_t at;
    ck_assert_int_eq(ds_spill_take(spill, 100, &at, NULL), DS_OK); /* it is elsewhere */
    put(spill, at, 100, 1);
    expect(spill, at, 100, 1);
    ck_assert_int_eq(scratch_entries(&d, ""), 0);
    ds_spill_free(spill);
    scratch_close(&d);
}
END_TEST

START_TEST(disk_is_given_back)
{
    scratch_dir d;
    scratch_open(&d);
    ds_spill *spill = ds_spill_new(d.path, 1 << 20);
    uint64_t a, b, c;
    ck_assert_int_eq(ds_spill_take(spill, 16384, &a, NULL), DS_OK);
    ck_assert_int_eq(ds_spill_take(spill, 16384, &b, NULL), DS_OK);
    put(spill, a, 16384, 1);
    put(spill, b, 16384, 2);
    uint64_t both = disk_of(spill);
    ds_spill_trim(spill, a, 16384, 4097); /* two pages of four stay */
    ck_assert_uint_eq(ds_spill_used(spill), 6 * PAGE);
    expect(spill, a, 4097, 1);
    ds_spill_trim(spill, a, 4097, 4097); /* nothing changes */
    ds_spill_give(spill, a, 4097);
    ck_assert_uint_eq(ds_spill_used(spill), 4 * PAGE);
    ck_assert_uint_lt(disk_of(spill), both);
    expect(spill, b, 16384, 2);
    ck_assert_int_eq(ds_spill_take(spill, 100, &c, NULL), DS_OK);
    ck_assert_uint_eq(c, a); /* the lowest place again, and nothing of what was there */
    char byte = 1;
    ck_assert_int_eq(ds_spill_read(spill, c, &byte, 1, NULL), DS_OK);
    ck_assert_int_eq(byte, 0);
    ds_spill_free(spill);
    scratch_close(&d);
}
END_TEST

START_TEST(the_limit_holds)
{
    scratch_dir d;
    ds_error error;
    scratch_open(&d);
    ds_spill *spill = ds_spill_new(d.path, 3 * PAGE + 17); /* whole pages count */
    ck_assert_uint_eq(ds_spill_size(spill), 3 * PAGE);
    uint64_t a, b;
    ck_assert_int_eq(ds_spill_take(spill, 3 * PAGE + 1, &a, &error), DS_ERR_NO_MEMORY);
    ck_assert_int_eq(ds_spill_take(spill, UINT64_MAX, &a, &error), DS_ERR_NO_MEMORY);
    ck_assert_int_eq(ds_spill_take(spill, 2 * PAGE, &a, &error), DS_OK);
    ck_assert_int_eq(ds_spill_take(spill, PAGE + 1, &b, &error), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, "4097 bytes do not fit on disk beside the 8192"));
    ck_assert_ptr_nonnull(strstr(error.message, "limits.spill"));
    ck_assert_int_eq(ds_spill_take(spill, PAGE, &b, &error), DS_OK);
    ds_spill_free(spill);
    scratch_close(&d);
}
END_TEST

static void expect_none(ds_spill *spill, const char *why)
{
    uint64_t at;
    ds_error error;
    if (spill != NULL) {
        ck_assert_int_eq(ds_spill_fd(spill), -1);
        ck_assert_uint_eq(ds_spill_size(spill), 0);
    }
    ck_assert_int_eq(ds_spill_take(spill, 1, &at, &error), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, "nothing can be spilled to disk"));
    ck_assert_msg(strstr(error.message, why) != NULL, "%s", error.message);
    ds_spill_free(spill);
}

START_TEST(without_a_file_there_is_no_room)
{
    expect_none(NULL, "there is no file");
    expect_none(ds_spill_new("/tmp", 0), "limits.spill allows nothing");
    expect_none(ds_spill_new("/tmp", 4095), "limits.spill allows nothing");
    expect_none(ds_spill_new("/dev/null", 1 << 20), "/dev/null");
}
END_TEST

START_TEST(temporary_folders_are_tried_in_turn)
{
    scratch_dir d;
    scratch_open(&d);
    setenv("TMPDIR", d.path, 1);
    ds_spill *spill = ds_spill_new(NULL, 1 << 20);
    ck_assert_int_ge(ds_spill_fd(spill), 0);
    ds_spill_free(spill);
    setenv("TMPDIR", "/proc/self/nothing", 1); /* cannot be used: the next one */
    spill = ds_spill_new(NULL, 1 << 20);
    ck_assert_int_ge(ds_spill_fd(spill), 0);
    ds_spill_free(spill);
    unsetenv("TMPDIR");
    spill = ds_spill_new(NULL, 1 << 20);
    ck_assert_int_ge(ds_spill_fd(spill), 0);
    ds_spill_free(spill);
    scratch_close(&d);
}
END_TEST

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_limit_of_the_process_is_a_limit)
{
    scratch_dir d;
    scratch_open(&d);
    signal(SIGXFSZ, SIG_IGN);
    limit_files(10 * PAGE + 5);
    ds_spill *spill = ds_spill_new(d.path, 1 << 30);
    ck_assert_uint_eq(ds_spill_size(spill), 10 * PAGE);
    /* It is named where it is in the way, and not limits.spill. */
    uint64_t at;
    ds_error error;
    ck_assert_int_eq(ds_spill_take(spill, 11 * PAGE, &at, &error), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, "ulimit -f"));
    ck_assert_ptr_null(strstr(error.message, "limits.spill"));
    ds_spill_free(spill);
    limit_files(100);
    spill = ds_spill_new(d.path, 1 << 30);
    ck_assert_int_eq(ds_spill_take(spill, 1, &at, &error), DS_ERR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, "ulimit -f"));
    ds_spill_free(spill);
    scratch_close(&d);
}
END_TEST

/* As a disk that is full: the write fails, and works when there is room again. */
START_TEST(a_write_that_fails_says_so)
{
    scratch_dir d;
    ds_error error;
    char bytes[2 * PAGE] = {0};
    scratch_open(&d);
    signal(SIGXFSZ, SIG_IGN);
    ds_spill *spill = ds_spill_new(d.path, 1 << 20);
    uint64_t at;
    ck_assert_int_eq(ds_spill_take(spill, sizeof bytes, &at, NULL), DS_OK);
    limit_files(PAGE);
    ck_assert_int_eq(ds_spill_write(spill, at, bytes, sizeof bytes, &error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, d.path));
    ck_assert_ptr_nonnull(strstr(error.message, "ulimit -f"));
    limit_files(1 << 20);
    ck_assert_int_eq(ds_spill_write(spill, at, bytes, sizeof bytes, &error), DS_OK);
    ds_spill_free(spill);
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("spill", what_is_written_is_read, nothing_has_a_name,
          a_folder_that_is_not_there_is_not_made, disk_is_given_back, the_limit_holds,
          without_a_file_there_is_no_room, temporary_folders_are_tried_in_turn,
          a_limit_of_the_process_is_a_limit, a_write_that_fails_says_so)
