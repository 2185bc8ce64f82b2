/* What an executor from outside has to see of the app's folders. */
#include "base/claim.h"
#include "checkpoint/commit.h"
#include "exec/join_check.h"
#include "unit/plan_unit.h"
#include "unit/scratch_dir.h"

#include <fcntl.h>

#define EPOCH 0xE1

typedef struct kit {
    scratch_dir d;
    planned p;
    ds_error error;
} kit;

/* An app with a file sink in the folder `out`, and one that appends to `out.json`. */
static void kit_open(kit *k, const char *stream)
{
    memset(k, 0, sizeof *k);
    scratch_open(&k->d);
    char *app = NULL;
    ck_assert_int_gt(
        asprintf(&app,
                 "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' }, 'sources': { 'r': { "
                 "'type': 'rate', 'rows_per_second': 1 } }, 'streams': { 's': { 'from': 'r', %s } "
                 "}, 'sinks': { 'f': { 'from': 's', 'type': 'file', 'dir': '%s/a/out' }, 'g': { "
                 "'from': 's', 'type': 'append', 'path': '%s/out.json' } } }",
                 stream, k->d.path, k->d.path),
        0);
    k->p = plan_whole(app, NULL);
    ck_assert_msg(k->p.plan != NULL, "%s", k->p.app.said.data);
    free(app);
    mkdir(scratch_path(&k->d, ".out.json.dstream"), 0700); /* as the driver does */
    ds_commit_make_staging(k->p.plan);
}

static void kit_close(kit *k)
{
    plan_close(&k->p);
    scratch_close(&k->d);
}

static void mark(kit *k, uint64_t epoch)
{
    int fd = open(scratch_path(&k->d, "ck/lock"), O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ds_claim_write(fd, epoch, "lock", NULL), DS_OK);
    close(fd);
}

static ds_status check(kit *k, bool checkpoint)
{
    return ds_join_check(k->p.plan, checkpoint ? scratch_path(&k->d, "ck/kept") : "", EPOCH,
                         &k->error);
}

#define KEEPS "'state': { 'key': ['value'], 'set': { 'n': 'count()' } }"
#define KEEPS_NOTHING "'where': 'value > 0'"

#define CHECK_REFUSED(checkpoint, text)                                                            \
    do {                                                                                           \
        ck_assert_int_eq(check(&k, checkpoint), DS_ERR_IO);                                        \
        ck_assert_msg(strstr(k.error.message, text) != NULL, "%s", k.error.message);               \
    } while (0)

START_TEST(the_checkpoint_folder)
{
    kit k;
    kit_open(&k, KEEPS);
    CHECK_REFUSED(true, "ck was removed or replaced");
    mkdir(scratch_path(&k.d, "ck"), 0700);
    CHECK_REFUSED(true, "ck was removed or replaced");
    scratch_write_bytes(&k.d, "ck/lock", "", 0);
    CHECK_REFUSED(true, "ck was removed or replaced");
    mark(&k, EPOCH + 1);
    CHECK_REFUSED(true, "ck was removed or replaced");
    scratch_write_bytes(&k.d, "ck/lock", "this is something else", 22);
    CHECK_REFUSED(true, "ck was removed or replaced");
    mark(&k, EPOCH);
    ck_assert_int_eq(check(&k, true), DS_OK); /* what was saved is made again */
    scratch_write_bytes(&k.d, "ck/kept", "", 0);
    if (geteuid() != 0)
        CHECK_REFUSED(true, "cannot write to");
    ck_assert_int_eq(check(&k, false), DS_OK);
    kit_close(&k);
}
END_TEST

/* Who writes files has to see it, since it tells where the driver is; not to write there. */
START_TEST(a_checkpoint_that_tasks_do_not_touch)
{
    kit k;
    kit_open(&k, KEEPS_NOTHING);
    CHECK_REFUSED(true, "ck was removed or replaced");
    mkdir(scratch_path(&k.d, "ck"), 0700);
    mark(&k, EPOCH);
    scratch_write_bytes(&k.d, "ck/kept", "", 0);
    ck_assert_int_eq(check(&k, true), DS_OK);
    kit_close(&k);
}
END_TEST

START_TEST(tasks_that_write_no_files)
{
    planned p = plan_whole(
        "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' }, 'sources': { 'r': { 'type': "
        "'rate', 'rows_per_second': 1 } }, 'sinks': { 'c': { 'from': 'r', 'type': 'console' } } }",
        NULL);
    ck_assert_msg(p.plan != NULL, "%s", p.app.said.data);
    ck_assert_int_eq(ds_join_check(p.plan, "nowhere/kept", EPOCH, NULL), DS_OK);
    plan_close(&p);
}
END_TEST

START_TEST(folders_of_sinks)
{
    kit k;
    kit_open(&k, KEEPS_NOTHING);
    ck_assert_int_eq(check(&k, false), DS_OK);
    ck_assert_int_eq(rmdir(scratch_path(&k.d, "a/out/.dstream-x")), 0);
    CHECK_REFUSED(false, ".dstream-x: No such file"); /* the driver made it, somewhere else */
    ck_assert_int_eq(rmdir(scratch_path(&k.d, "a/out")), 0);
    CHECK_REFUSED(false, ".dstream-x: No such file");
    scratch_write_bytes(&k.d, "a/out", "", 0);
    CHECK_REFUSED(false, "Not a directory");
    ck_assert_int_eq(remove(scratch_path(&k.d, "a/out")), 0);
    ds_commit_make_staging(k.p.plan);
    ck_assert_int_eq(check(&k, false), DS_OK);
    ck_assert_int_eq(remove(scratch_path(&k.d, ".out.json.dstream")), 0);
    CHECK_REFUSED(false, ".out.json.dstream: No such file"); /* it is not the driver's folder */
    ck_assert_ptr_nonnull(strstr(k.error.message, "under the same path"));
    kit_close(&k);
}
END_TEST

UNIT_MAIN("join_check", the_checkpoint_folder, a_checkpoint_that_tasks_do_not_touch,
          tasks_that_write_no_files, folders_of_sinks)
