/* Deleting files beside all else. */
#include "cli/drop_files.c" /* the room of the program has no library */

#include "cli/disk.c"
#include "unit/scratch_dir.h"

#define FILES 40

/* How many more may be deleted. */
static bool is_left(void *arg)
{
    int *left = arg;
    return (*left)-- > 0;
}

static void write_files(scratch_dir *d)
{
    char name[20];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%d.kept", i);
        scratch_write(d, name, "saved");
    }
}

START_TEST(all_are_gone_at_the_end)
{
    scratch_dir d;
    scratch_open(&d);
    write_files(&d);
    int left = FILES;
    ds_dropper *dropper = ds_dropper_new(is_left, &left);
    const char *first[] = {strdup(scratch_path(&d, "0.kept")), "/no/such/file"};
    ds_dropper_add(dropper, first, 2);
    free((char *)(uintptr_t)first[0]);
    for (int i = 1; i < FILES - 1; i++) {
        char name[20];
        snprintf(name, sizeof name, "%d.kept", i);
        const char *path = scratch_path(&d, name);
        ds_dropper_add(dropper, &path, 1); /* copied */
    }
    ds_dropper_stop(dropper);
    ck_assert_int_eq(scratch_entries(&d, "."), 1);
    ck_assert(scratch_exists(&d, "39.kept"));
    scratch_close(&d);
}
END_TEST

/* What has their names by then may be somebody else's. */
START_TEST(none_is_deleted_that_is_not_ours)
{
    scratch_dir d;
    scratch_open(&d);
    write_files(&d);
    int left = 3;
    ds_dropper *dropper = ds_dropper_new(is_left, &left);
    for (int i = 0; i < FILES; i++) {
        char name[20];
        snprintf(name, sizeof name, "%d.kept", i);
        const char *path = scratch_path(&d, name);
        ds_dropper_add(dropper, &path, 1);
    }
    ds_dropper_stop(dropper);
    ck_assert_int_eq(scratch_entries(&d, "."), FILES - 3);
    scratch_close(&d);
}
END_TEST

START_TEST(without_a_file_there_is_no_thread)
{
    ds_dropper *dropper = ds_dropper_new(is_left, NULL);
    ck_assert_ptr_null(dropper->thread);
    ck_assert_uint_eq(ds_dropper_waiting(dropper), 0);
    ds_dropper_stop(dropper);
    ds_dropper_stop(NULL);
}
END_TEST

UNIT_MAIN("drop_files", all_are_gone_at_the_end, none_is_deleted_that_is_not_ours,
          without_a_file_there_is_no_thread)
