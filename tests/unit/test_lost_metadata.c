/* A checkpoint whose metadata is gone is no new one. */
#include "checkpoint/lost_metadata.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

#include <string.h>
#include <sys/stat.h>

static void make(scratch_dir *d, const char *name)
{
    ck_assert_int_eq(mkdir(scratch_path(d, name), 0700), 0);
}

static void is_new(scratch_dir *d, const char *dir)
{
    ds_error error = {.message = ""};
    ck_assert_msg(ds_lost_metadata_check(scratch_path(d, dir), &error) == DS_OK, "%s",
                  error.message);
}

static void is_lost(scratch_dir *d, const char *dir, const char *what)
{
    ds_error error = {.message = ""};
    ck_assert_int_eq(ds_lost_metadata_check(scratch_path(d, dir), &error), DS_ERR_APP);
    ck_assert_msg(strstr(error.message, "its metadata is gone") != NULL, "%s", error.message);
    ck_assert_msg(strstr(error.message, what) != NULL, "%s", error.message);
    ck_assert_msg(strstr(error.message, "To start anew") != NULL, "%s", error.message);
}

/* Each step of a first start may be its last. */
START_TEST(what_a_first_start_leaves)
{
    scratch_dir d;
    scratch_open(&d);
    is_new(&d, "ck");
    make(&d, "ck");
    is_new(&d, "ck");
    make(&d, "ck/metadata");
    is_new(&d, "ck");
    ck_assert(!ds_lost_metadata_was_claimed(scratch_path(&d, "ck")));
    scratch_write(&d, "ck/lock", "");
    is_new(&d, "ck");
    ck_assert(!ds_lost_metadata_was_claimed(scratch_path(&d, "ck")));
    scratch_write(&d, "ck/lock", "0000000000000007\n");
    is_new(&d, "ck");
    ck_assert(ds_lost_metadata_was_claimed(scratch_path(&d, "ck")));
    make(&d, "ck/log");
    make(&d, "ck/log/s");
    make(&d, "ck/kept");
    is_new(&d, "ck");
    scratch_write(&d, "ck/metadata/0000000001.jsonl.tmp", "{");
    is_new(&d, "ck");
    scratch_close(&d);
}
END_TEST

START_TEST(what_says_so)
{
    scratch_dir d;
    scratch_open(&d);
    make(&d, "ck");
    make(&d, "ck/log");
    make(&d, "ck/log/s");
    make(&d, "ck/kept");
    scratch_write(&d, "ck/kept/notes.txt", "not ours");
    scratch_write(&d, "ck/log/notes.txt", "not ours");
    scratch_write(&d, "ck/log/s/notes.txt", "not ours");
    scratch_write(&d, "ck/lock", "0000000000000007\n");
    is_new(&d, "ck");
    scratch_write(&d, "ck/log/s/0000000001-000001.log", "x");
    is_lost(&d, "ck", "log/");
    scratch_write(&d, "ck/lock", ""); /* a log that was put into a new folder */
    is_new(&d, "ck");
    scratch_write(&d, "ck/kept/1-abc-1.kept", "x");
    is_lost(&d, "ck", "kept/");
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("lost_metadata", what_a_first_start_leaves, what_says_so)
