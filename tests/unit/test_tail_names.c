/* The names that a glob matches, also when folders cannot be looked at for a moment. */
#include "receiver/tail_names.h"

#include "unit/scratch_dir.h"

#include <sys/resource.h>

/* The names (without their folder), sorted. */
static const char *names_of(const ds_tail_names *names)
{
    static char text[200];
    char *at = text;
    *at = '\0';
    for (uint32_t i = 0; i < names->n; i++)
        at += sprintf(at, "%s ", strrchr(names->list[i].path, '/') + 1);
    return text;
}

static void find_without_descriptors(ds_tail_names *names, const char *pattern)
{
    struct rlimit all, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
    none = all;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ds_tail_names_find(names, pattern);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
}

START_TEST(names_stay_when_nobody_can_look)
{
    scratch_dir d;
    ds_tail_names names = {0};
    char pattern[200];
    struct stat st;
    scratch_open(&d);
    snprintf(pattern, sizeof pattern, "%s/l*", d.path);
    scratch_write(&d, "lb", "");
    scratch_write(&d, "la", "");
    ds_tail_names_find(&names, pattern);
    ck_assert_str_eq(names_of(&names), "la lb ");
    find_without_descriptors(&names, pattern);
    ck_assert_str_eq(names_of(&names), "la lb ");
    ck_assert_int_eq(stat(scratch_path(&d, "lb"), &st), 0);
    ck_assert_str_eq(ds_tail_names_of(&names, st.st_dev, st.st_ino, NULL), scratch_path(&d, "lb"));
    remove(scratch_path(&d, "la"));
    scratch_write(&d, "lc", "");
    find_without_descriptors(&names, pattern);
    ck_assert_str_eq(names_of(&names), "la lb ");
    ds_tail_names_find(&names, pattern);
    ck_assert_str_eq(names_of(&names), "lb lc ");
    ds_tail_names_fini(&names);
    find_without_descriptors(&names, pattern);
    ck_assert_uint_eq(names.n, 0);
    ds_tail_names_fini(&names);
    scratch_close(&d);
}
END_TEST

/* What can be looked at is as it is now. */
START_TEST(a_folder_that_is_not_ours_to_see)
{
    scratch_dir d;
    ds_tail_names names = {0};
    char pattern[200];
    scratch_open(&d);
    snprintf(pattern, sizeof pattern, "%s/*/l*", d.path);
    mkdir(scratch_path(&d, "x"), 0755);
    mkdir(scratch_path(&d, "y"), 0755);
    chmod(d.path, 0755);
    scratch_write(&d, "x/la", "");
    scratch_write(&d, "y/lb", "");
    ds_tail_names_find(&names, pattern);
    ck_assert_str_eq(names_of(&names), "la lb ");
    chmod(scratch_path(&d, "x"), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    ds_tail_names_find(&names, pattern);
    ck_assert_str_eq(names_of(&names), "lb ");
    if (geteuid() != getuid())
        ck_assert_int_eq(seteuid(getuid()), 0);
    chmod(scratch_path(&d, "x"), 0755);
    ds_tail_names_fini(&names);
    scratch_close(&d);
}
END_TEST

static void count_folder(void *arg, const char *folder)
{
    (void)folder;
    ++*(int *)arg;
}

START_TEST(folders_of_a_pattern)
{
    scratch_dir d;
    char pattern[200];
    int n = 0;
    scratch_open(&d);
    snprintf(pattern, sizeof pattern, "%s/*/l*", d.path);
    mkdir(scratch_path(&d, "x"), 0755);
    mkdir(scratch_path(&d, "y"), 0755);
    scratch_write(&d, "z", "");
    ds_tail_names_folders(pattern, count_folder, &n);
    ck_assert_int_eq(n, 2);
    ck_assert_str_eq(ds_tail_names_last(pattern), "l*");
    ds_tail_names_folders("l*", count_folder, &n);
    ck_assert_int_eq(n, 3);
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("tail_names", names_stay_when_nobody_can_look, a_folder_that_is_not_ours_to_see,
          folders_of_a_pattern)
