/* The folder of saved data: what a crash left behind goes, and nothing else. */
#include "checkpoint/kept_folder.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

static bool is_there(const scratch_dir *d, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/kept/%s", d->path, name);
    return access(path, F_OK) == 0;
}

START_TEST(what_goes_and_what_stays)
{
    scratch_dir d;
    ds_error error;
    scratch_open(&d);
    char folder[512];
    snprintf(folder, sizeof folder, "%s/kept", d.path);
    ck_assert_int_eq(ds_kept_folder_open(folder, NULL, &error), DS_OK); /* it is made */
    scratch_write(&d, "kept/1-7-1.kept", "a");
    scratch_write(&d, "kept/2-7-1.kept", "b");
    scratch_write(&d, "kept/2-7-1-1.kept", "c");
    scratch_write(&d, "kept/notes.txt", "of a person");
    ds_saved_part parts[] = {{.path = "2-7-1.kept"}, {.path = "2-7-1.kept"}};
    ds_recovered_stream stream = {.stream = "s", .signature = "", .parts = parts, .n_parts = 2};
    const ds_recovered_kept kept = {.save = 2, .streams = &stream, .n_streams = 1};
    ck_assert_int_eq(ds_kept_folder_open(folder, &kept, &error), DS_OK);
    ck_assert(!is_there(&d, "1-7-1.kept"));
    ck_assert(is_there(&d, "2-7-1.kept"));
    ck_assert(!is_there(&d, "2-7-1-1.kept"));
    ck_assert(is_there(&d, "notes.txt"));
    ck_assert_int_eq(ds_kept_folder_open(folder, NULL, &error), DS_OK);
    ck_assert(!is_there(&d, "2-7-1.kept"));
    scratch_close(&d);
}
END_TEST

START_TEST(a_folder_that_cannot_be)
{
    scratch_dir d;
    ds_error error;
    scratch_open(&d);
    scratch_write(&d, "kept", "in the way");
    char folder[512];
    snprintf(folder, sizeof folder, "%s/kept", d.path);
    ck_assert_int_eq(ds_kept_folder_open(folder, NULL, &error), DS_ERR_IO);
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("kept_folder", what_goes_and_what_stays, a_folder_that_cannot_be)
