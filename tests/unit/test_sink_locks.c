/* Who writes where: one driver for each folder, and for each file that grows. */
#include "checkpoint/sink_locks.h"

#include "unit/plan_unit.h"
#include "unit/scratch_dir.h"

#define APP                                                                                        \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"                                  \
    "'sources': { 'f': { 'type': 'stdin' } },"                                                     \
    "'sinks': { 'a': { 'from': 'f', 'type': 'append', 'path': '%s/log' },"                         \
    "           'b': { 'from': 'f', 'type': 'file', 'dir': '%s/out/dir' },"                        \
    "           'c': { 'from': 'f', 'type': 'console' } } }"

typedef struct kit {
    scratch_dir d;
    planned p;
    ds_error error;
} kit;

static void kit_open(kit *k)
{
    scratch_open(&k->d);
    char *app = NULL;
    ck_assert_int_gt(asprintf(&app, APP, k->d.path, k->d.path), 0);
    k->p = plan_whole(app, NULL);
    ck_assert_msg(k->p.plan != NULL, "%s", k->p.app.said.data);
    free(app);
}

static void kit_close(kit *k)
{
    plan_close(&k->p);
    scratch_close(&k->d);
}

static void check_taken(kit *k, const char *what)
{
    ds_sink_locks *locks = ds_sink_locks_new(k->p.plan);
    ck_assert_int_eq(ds_sink_locks_take(locks, NULL, &k->error), DS_ERR_UNAVAILABLE);
    ck_assert_msg(strstr(k->error.message, what) != NULL, "%s", k->error.message);
    ds_sink_locks_free(locks);
}

START_TEST(a_file_is_locked_from_the_start)
{
    kit k;
    kit_open(&k);
    ds_sink_locks *locks = ds_sink_locks_new(k.p.plan);
    ck_assert_int_eq(ds_sink_locks_take(locks, NULL, &k.error), DS_OK);
    ck_assert(!scratch_exists(&k.d, "log")); /* it need not be there */
    check_taken(&k, "sink a: the file ");
    check_taken(&k, "/log is in use by another dstream");
    ck_assert(scratch_exists(&k.d, ".log.dstream"));                    /* the loser leaves it */
    ck_assert_int_eq(ds_sink_locks_take(locks, NULL, &k.error), DS_OK); /* it is ours */
    ds_sink_locks_free(locks);
    ck_assert_int_eq(scratch_entries(&k.d, ""), 0);
    kit_close(&k);
}
END_TEST

/* What a crash left in the staging folder stays there, and its lock is gone. */
START_TEST(a_folder_that_was_left_behind)
{
    kit k;
    kit_open(&k);
    mkdir(scratch_path(&k.d, ".log.dstream"), 0777);
    scratch_write(&k.d, ".log.dstream/staged", "x");
    ds_sink_locks *locks = ds_sink_locks_new(k.p.plan);
    ck_assert_int_eq(ds_sink_locks_take(locks, NULL, &k.error), DS_OK);
    ds_sink_locks_free(locks);
    ck_assert(scratch_exists(&k.d, ".log.dstream/staged"));
    kit_close(&k);
}
END_TEST

/* Somebody removed the folder: a second driver makes another, which the first one lets be. */
START_TEST(a_folder_that_was_removed)
{
    kit k;
    kit_open(&k);
    ds_sink_locks *first = ds_sink_locks_new(k.p.plan), *second = ds_sink_locks_new(k.p.plan);
    ck_assert_int_eq(ds_sink_locks_take(first, NULL, &k.error), DS_OK);
    rmdir(scratch_path(&k.d, ".log.dstream"));
    ck_assert_int_eq(ds_sink_locks_take(first, NULL, &k.error), DS_OK);
    ck_assert(!scratch_exists(&k.d, ".log.dstream"));
    ck_assert_int_eq(ds_sink_locks_take(second, NULL, &k.error), DS_OK);
    ck_assert_int_eq(ds_sink_locks_take(first, NULL, &k.error), DS_ERR_UNAVAILABLE);
    ds_sink_locks_free(first);
    check_taken(&k, "sink a");
    ds_sink_locks_free(second);
    kit_close(&k);
}
END_TEST

/* Its own executors make it again: it is locked again. */
START_TEST(a_folder_that_was_replaced)
{
    kit k;
    kit_open(&k);
    ds_sink_locks *locks = ds_sink_locks_new(k.p.plan);
    ck_assert_int_eq(ds_sink_locks_take(locks, NULL, &k.error), DS_OK);
    rename(scratch_path(&k.d, ".log.dstream"), scratch_path(&k.d, "away"));
    mkdir(scratch_path(&k.d, ".log.dstream"), 0777);
    ck_assert_int_eq(ds_sink_locks_take(locks, NULL, &k.error), DS_OK);
    check_taken(&k, "sink a");
    ds_sink_locks_free(locks);
    ck_assert(!scratch_exists(&k.d, ".log.dstream"));
    kit_close(&k);
}
END_TEST

/* Opens two apps, of which one knows the file of the other as `link`. */
static void open_two(kit *one, kit *two, const char *link)
{
    kit_open(one);
    kit_open(two);
    if (link != NULL)
        ck_assert_int_eq(symlink(link, scratch_path(&two->d, "log")), 0);
}

static void close_two(kit *one, kit *two)
{
    kit_close(one);
    kit_close(two);
}

static ds_status take(ds_sink_locks *locks, ds_error *error)
{
    return ds_sink_locks_take(locks, NULL, error);
}

/* The name that it leads to is locked, whether or not the file is there. */
START_TEST(a_symbolic_link)
{
    kit one, two;
    char link[300];
    open_two(&one, &two, NULL);
    snprintf(link, sizeof link, "%s/log", one.d.path);
    ck_assert_int_eq(symlink(link, scratch_path(&two.d, "between")), 0);
    ck_assert_int_eq(symlink("between", scratch_path(&two.d, "log")), 0);
    ds_sink_locks *first = ds_sink_locks_new(one.p.plan);
    ck_assert_int_eq(take(first, &one.error), DS_OK);
    check_taken(&two, "/log is in use by another dstream");
    ds_sink_locks_free(first);
    ds_sink_locks *second = ds_sink_locks_new(two.p.plan);
    ck_assert_int_eq(take(second, &two.error), DS_OK);
    ck_assert_int_eq(take(second, &two.error), DS_OK);
    check_taken(&one, "/log is in use by another dstream");
    unlink(scratch_path(&two.d, "between")); /* it leads elsewhere now */
    ck_assert_int_eq(symlink("elsewhere", scratch_path(&two.d, "between")), 0);
    ck_assert_int_eq(take(second, &two.error), DS_OK);
    ck_assert(scratch_exists(&two.d, ".elsewhere.dstream"));
    ck_assert_int_eq(scratch_entries(&one.d, ""), 0);
    ds_sink_locks_free(second);
    ck_assert_int_eq(scratch_entries(&two.d, ""), 2);
    close_two(&one, &two);
}
END_TEST

START_TEST(links_that_lead_in_a_circle)
{
    kit one, two;
    open_two(&one, &two, "log");
    ds_sink_locks *locks = ds_sink_locks_new(two.p.plan);
    ck_assert_int_eq(take(locks, &two.error), DS_OK); /* who writes will tell */
    ds_sink_locks_free(locks);
    close_two(&one, &two);
}
END_TEST

/* The file itself is locked, under any name; another one with its name is locked in its place. */
START_TEST(a_hard_link)
{
    static const bool none[] = {false, false, false};
    kit one, two;
    open_two(&one, &two, NULL);
    scratch_write(&one.d, "log", "x");
    char file[300];
    snprintf(file, sizeof file, "%s", scratch_path(&one.d, "log"));
    ck_assert_int_eq(link(file, scratch_path(&two.d, "log")), 0);
    ds_sink_locks *first = ds_sink_locks_new(one.p.plan), *second = ds_sink_locks_new(two.p.plan);
    ck_assert_int_eq(take(first, &one.error), DS_OK);
    check_taken(&two, "/log is in use by another dstream");
    ck_assert_int_eq(ds_sink_locks_take(second, none, &two.error), DS_OK); /* it runs already */
    ck_assert_int_eq(rename(file, scratch_path(&one.d, "log.1")), 0);
    ck_assert_int_eq(take(second, &two.error), DS_ERR_UNAVAILABLE); /* until it is looked at */
    scratch_write(&one.d, "log", "y");
    ck_assert_int_eq(ds_sink_locks_take(first, none, &one.error), DS_OK);
    ck_assert_int_eq(take(second, &two.error), DS_OK); /* it is in nobody's way any more */
    ds_sink_locks_free(first);
    ds_sink_locks_free(second);
    close_two(&one, &two);
}
END_TEST

START_TEST(a_file_whose_folder_is_gone)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(rmdir(k.d.path), 0);
    ds_sink_locks *locks = ds_sink_locks_new(k.p.plan);
    ck_assert_int_eq(ds_sink_locks_take(locks, NULL, &k.error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "sink a: cannot make the folder "));
    ds_sink_locks_free(locks);
    mkdir(k.d.path, 0777);
    kit_close(&k);
}
END_TEST

/* The folder of a file sink is locked when it is there: by the commit that makes it. */
START_TEST(folders_are_locked_when_they_are_there)
{
    kit k;
    kit_open(&k);
    static const bool make[] = {false, true, false};
    ds_sink_locks *locks = ds_sink_locks_new(k.p.plan);
    ck_assert_int_eq(ds_sink_locks_take(locks, NULL, &k.error), DS_OK);
    ck_assert(!scratch_exists(&k.d, "out"));
    ck_assert_int_eq(ds_sink_locks_take(locks, make, &k.error), DS_OK);
    ck_assert(scratch_exists(&k.d, "out/dir"));
    rmdir(scratch_path(&k.d, ".log.dstream")); /* out of the way */
    check_taken(&k, "sink b: the folder ");
    ds_sink_locks_free(locks);
    ck_assert(scratch_exists(&k.d, "out/dir"));
    kit_close(&k);
}
END_TEST

UNIT_MAIN("sink_locks", a_file_is_locked_from_the_start, a_folder_that_was_left_behind,
          a_folder_that_was_removed, a_folder_that_was_replaced, a_symbolic_link,
          links_that_lead_in_a_circle, a_hard_link, a_file_whose_folder_is_gone,
          folders_are_locked_when_they_are_there)
