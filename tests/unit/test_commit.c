/* Commits: staged files take their places, however often and from wherever it is begun again. */
#include "checkpoint/commit.h"
#include "checkpoint/placed_check.h"

#include "unit/journal_kit.h"
#include "unit/scratch_dir.h"

#include <xxhash.h>

#define APP                                                                                        \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"                                  \
    "'sources': { 'f': { 'type': 'stdin' } },"                                                     \
    "'sinks': { 'a': { 'from': 'f', 'type': 'file', 'dir': '%s/out' },"                            \
    "           'b': { 'from': 'f', 'type': 'file', 'dir': '%s/more/deep' },"                      \
    "           'c': { 'from': 'f', 'type': 'console' } } }"

typedef struct kit {
    scratch_dir d;
    planned p;
    ds_arena *arena;
    ds_commit commit;
    bool lost[16];
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
    k->arena = ds_arena_new(NULL);
    k->commit = (ds_commit){.batch_ms = 5000};
    k->commit.files = DS_ARENA_ARRAY(k->arena, ds_commit_file, 16);
}

static void kit_close(kit *k)
{
    ds_arena_free(k->arena);
    plan_close(&k->p);
    scratch_close(&k->d);
}

static const char *kept_path(kit *k, const char *name)
{
    return ds_arena_strdup(k->arena, scratch_path(&k->d, name));
}

/* Makes a staged file that goes to folder/part-0000n.json. */
static void stage(kit *k, uint32_t sink, const char *staged, const char *folder, int part)
{
    scratch_write(&k->d, staged, staged);
    k->commit.files[k->commit.n_files++] =
        (ds_commit_file){.sink = sink,
                         .staged = kept_path(k, staged),
                         .folder = kept_path(k, folder),
                         .name = ds_arena_printf(k->arena, "part-%05d.json", part),
                         .length = strlen(staged),
                         .checksum = XXH3_64bits(staged, strlen(staged))};
}

/* Two files of one sink, one of another. */
static void stage_all(kit *k)
{
    mkdir(scratch_path(&k->d, "out"), 0777);
    mkdir(scratch_path(&k->d, "out/.dstream-x"), 0777);
    k->commit.n_files = 0;
    stage(k, 0, "out/.dstream-x/one", "out/5000", 0);
    stage(k, 0, "out/.dstream-x/two", "out/5000", 1);
    stage(k, 1, "out/.dstream-x/three", "more/deep/5000", 0);
}

static void check_in_place(kit *k)
{
    scratch_holds(&k->d, "out/5000/part-00000.json", "out/.dstream-x/one");
    scratch_holds(&k->d, "out/5000/part-00001.json", "out/.dstream-x/two");
    scratch_holds(&k->d, "out/5000/_SUCCESS", "");
    scratch_holds(&k->d, "more/deep/5000/part-00000.json", "out/.dstream-x/three");
    scratch_holds(&k->d, "more/deep/5000/_SUCCESS", "");
    ck_assert_int_eq(scratch_entries(&k->d, "out/5000"), 3);
    ck_assert_int_eq(scratch_entries(&k->d, "more/deep/5000"), 2);
    ck_assert_int_eq(scratch_entries(&k->d, "out/.dstream-x"), 2); /* marks */
    ck_assert(scratch_exists(&k->d, "out/.dstream-x/one.placed"));
}

START_TEST(files_take_their_places)
{
    for (int durable = 0; durable < 2; durable++) {
        kit k;
        kit_open(&k);
        stage_all(&k);
        ck_assert_int_eq(ds_commit_files(&k.commit, durable, k.lost, &k.error), DS_OK);
        check_in_place(&k);
        ck_assert_int_eq(ds_commit_files(&k.commit, durable, k.lost, &k.error), DS_OK); /* again */
        check_in_place(&k);
        kit_close(&k);
    }
}
END_TEST

START_TEST(nothing_to_do)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(ds_commit_files(&k.commit, true, k.lost, &k.error), DS_OK);
    ck_assert_int_eq(scratch_entries(&k.d, ""), 0); /* no folder for a time without rows */
    kit_close(&k);
}
END_TEST

/* The steps of that commit, done by hand up to the n-th: a crash behind it. */
static void do_steps(kit *k, int n)
{
    static const char *const renames[][2] = {
        {"out/.dstream-x/one", "out/5000/part-00000.json"},
        {"out/.dstream-x/two", "out/5000/part-00001.json"},
        {"out/.dstream-x/three", "more/deep/5000/part-00000.json"}};
    for (int step = 0; step < n; step++) {
        switch (step) {
        case 0: mkdir(scratch_path(&k->d, "out/5000"), 0777); break;
        case 1:
        case 2:
            rename(scratch_path(&k->d, renames[step - 1][0]),
                   scratch_path(&k->d, renames[step - 1][1]));
            break;
        case 3: scratch_write(&k->d, "out/5000/_SUCCESS", ""); break;
        case 4: mkdir(scratch_path(&k->d, "more"), 0777); break;
        case 5: mkdir(scratch_path(&k->d, "more/deep"), 0777); break;
        case 6: mkdir(scratch_path(&k->d, "more/deep/5000"), 0777); break;
        case 7:
            rename(scratch_path(&k->d, renames[2][0]), scratch_path(&k->d, renames[2][1]));
            break;
        default: scratch_write(&k->d, "more/deep/5000/_SUCCESS", ""); break;
        }
    }
}

START_TEST(every_crash_point_is_rolled_forward)
{
    for (int n = 0; n <= 9; n++) {
        kit k;
        kit_open(&k);
        stage_all(&k);
        do_steps(&k, n);
        k.commit.again = true;
        ck_assert_int_eq(ds_commit_files(&k.commit, true, k.lost, &k.error), DS_OK);
        check_in_place(&k);
        kit_close(&k);
    }
}
END_TEST

/* It is not what was written: by its length, or, in a commit after a crash, by its bytes. */
START_TEST(a_staged_file_is_damaged)
{
    static const char *const spoilt[] = {"", "out/.dstream-x/t", "out/.dstream-x/two more",
                                         "out/.dstream-x/tvo"};
    for (size_t i = 0; i < sizeof spoilt / sizeof *spoilt; i++)
        for (int again = i == 3; again < 2; again++) {
            kit k;
            kit_open(&k);
            stage_all(&k);
            scratch_write(&k.d, "out/.dstream-x/two", spoilt[i]);
            k.commit.again = again != 0;
            ck_assert_int_eq(ds_commit_files(&k.commit, true, k.lost, &k.error), DS_OK);
            ck_assert(k.lost[0] && k.lost[1] && !k.lost[2]);
            ck_assert(!scratch_exists(&k.d, "out/5000/part-00001.json"));
            ck_assert(!scratch_exists(&k.d, "out/.dstream-x/one"));
            ck_assert(!scratch_exists(&k.d, "out/.dstream-x/two"));
            scratch_holds(&k.d, "more/deep/5000/_SUCCESS", "");
            kit_close(&k);
        }
}
END_TEST

/* A staged file that is gone and does not stand in its place: its folder is lost, and is made anew;
 * others are done. */
START_TEST(a_staged_file_vanished)
{
    static const char *const stands[] = {NULL, "another length"};
    for (size_t i = 0; i < 2; i++) {
        kit k;
        kit_open(&k);
        stage_all(&k);
        mkdir(scratch_path(&k.d, "out/5000"), 0777);
        unlink(scratch_path(&k.d, "out/.dstream-x/two"));
        if (stands[i] != NULL)
            scratch_write(&k.d, "out/5000/part-00001.json", stands[i]);
        for (int again = 0; again < 2; again++) {
            ck_assert_int_eq(ds_commit_files(&k.commit, true, k.lost, &k.error), DS_OK);
            ck_assert(k.lost[0] && k.lost[1] && !k.lost[2]);
            ck_assert_int_eq(scratch_entries(&k.d, "out/5000"), 0);
            ck_assert(!scratch_exists(&k.d, "out/.dstream-x/one"));
            ck_assert(scratch_exists(&k.d, "more/deep/5000/_SUCCESS"));
        }
        kit_close(&k);
    }
}
END_TEST

/* Whoever waits for a folder takes it away, or some of its files: it was there. */
START_TEST(a_folder_that_was_taken)
{
    for (int all = 0; all < 2; all++) {
        kit k;
        kit_open(&k);
        stage_all(&k);
        ck_assert_int_eq(ds_commit_files(&k.commit, true, k.lost, &k.error), DS_OK);
        unlink(scratch_path(&k.d, "out/5000/part-00000.json"));
        if (all) {
            unlink(scratch_path(&k.d, "out/5000/part-00001.json"));
            unlink(scratch_path(&k.d, "out/5000/_SUCCESS"));
            rmdir(scratch_path(&k.d, "out/5000"));
        } else {
            unlink(scratch_path(&k.d, "out/.dstream-x/one.placed")); /* _SUCCESS says it as well */
        }
        k.commit.again = true;
        ck_assert_int_eq(ds_commit_files(&k.commit, true, k.lost, &k.error), DS_OK);
        ck_assert(!k.lost[0] && !k.lost[1] && !k.lost[2]);
        ck_assert(scratch_exists(&k.d, "out/5000") == !all);
        ck_assert(!scratch_exists(&k.d, "out/5000/part-00000.json"));
        kit_close(&k);
    }
}
END_TEST

START_TEST(a_folder_cannot_be_made)
{
    kit k;
    kit_open(&k);
    stage_all(&k);
    scratch_write(&k.d, "out/5000", "in the way");
    ck_assert_int_eq(ds_commit_files(&k.commit, false, k.lost, &k.error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "out/5000"));
    unlink(scratch_path(&k.d, "out/5000"));
    ck_assert_int_eq(ds_commit_files(&k.commit, false, k.lost, &k.error), DS_OK); /* tried again */
    check_in_place(&k);
    kit_close(&k);
}
END_TEST

#define DAY INT64_C(86400000)
#define EPOCH UINT64_C(0x2a00000001)

/* What no commit will take is removed at the start; what a recovered one needs is not, nor what may
 * be of use to another checkpoint. */
START_TEST(clean_up)
{
    kit k;
    kit_open(&k);
    stage_all(&k);
    static const char *const names[] = {"2a00000001-5000-a-0-0-0", "2a00000002-6000-a-0-0-0.placed",
                                        "once-5000-a-0-0-0"};
    static const char *const others[] = {".hidden", "2ab00000001-5000-a-0-0-0",
                                         "2b00000001-1-a-0-0-0.placed", "one.placed"};
    char path[100];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "out/.dstream-x/%s", names[i]);
        scratch_write(&k.d, path, "x");
    }
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "out/.dstream-x/%s", others[i]);
        scratch_write(&k.d, path, "x");
    }
    scratch_write(&k.d, "out/.dstream-y", "of another app");
    ds_recovered_batch batch = {.time_ms = 5000, .prepared = true, .commit = k.commit};
    ds_recovered keep = {.batches = &batch, .n_batches = 1, .epoch = EPOCH};
    struct stat st;
    ck_assert_int_eq(stat(scratch_path(&k.d, "out/.dstream-y"), &st), 0);
    const int64_t now_ms = (int64_t)st.st_mtime * 1000;
    ds_commit_clean(k.p.plan, &keep, EPOCH, now_ms + (DS_STAGED_DAYS - 1) * DAY);
    ck_assert_int_eq(scratch_entries(&k.d, "out/.dstream-x"), 7);
    ds_commit_clean(k.p.plan, &keep, 0, now_ms + (DS_STAGED_DAYS + 1) * DAY);
    ck_assert_int_eq(scratch_entries(&k.d, "out/.dstream-x"), 5); /* what is wanted, and hidden */
    ck_assert(scratch_exists(&k.d, "out/.dstream-x/one.placed"));
    ck_assert(scratch_exists(&k.d, "out/.dstream-y"));
    unlink(scratch_path(&k.d, "out/.dstream-x/one.placed"));
    ck_assert_int_eq(ds_commit_files(&k.commit, true, k.lost, &k.error), DS_OK);
    unlink(scratch_path(&k.d, "out/.dstream-x/.hidden"));
    ds_commit_clean(k.p.plan, NULL, EPOCH, now_ms + (DS_STAGED_DAYS + 1) * DAY);
    ck_assert(!scratch_exists(&k.d, "out/.dstream-x")); /* empty: it goes, too */
    ck_assert(scratch_exists(&k.d, "out/5000/_SUCCESS"));
    ds_commit_clean(k.p.plan, NULL, EPOCH, now_ms); /* nothing there */
    kit_close(&k);
}
END_TEST

START_TEST(the_newest_output)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(ds_commit_newest(k.p.plan), 0);
    mkdir(scratch_path(&k.d, "out"), 0777);
    mkdir(scratch_path(&k.d, "out/5000"), 0777);
    mkdir(scratch_path(&k.d, "out/12000"), 0777);
    mkdir(scratch_path(&k.d, "out/99999x"), 0777);
    mkdir(scratch_path(&k.d, "out/+77777"), 0777);
    mkdir(scratch_path(&k.d, "out/99999999999999999999999"), 0777);
    ck_assert_int_eq(ds_commit_newest(k.p.plan), 12000);
    mkdir(scratch_path(&k.d, "more"), 0777);
    mkdir(scratch_path(&k.d, "more/deep"), 0777);
    mkdir(scratch_path(&k.d, "more/deep/13000"), 0777);
    ck_assert_int_eq(ds_commit_newest(k.p.plan), 13000);
    kit_close(&k);
}
END_TEST

/* Before anything is read it is known that the folders can be written to. */
START_TEST(folders_are_looked_at_before_the_start)
{
    kit k;
    kit_open(&k);
    ck_assert_int_eq(ds_commit_prepare(k.p.plan, &k.error), DS_OK); /* they can be made */
    ck_assert_int_eq(scratch_entries(&k.d, ""), 0);
    scratch_write(&k.d, "more", "a file");
    ck_assert_int_eq(ds_commit_prepare(k.p.plan, &k.error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "sink b cannot be written"));
    kit_close(&k);
}
END_TEST

/* ---- append sinks ---- */

#define APPEND_APP                                                                                 \
    "{ 'version': 1, 'name': 'x', 'batch': { 'interval': '1s' },"                                  \
    "'sources': { 'f': { 'type': 'stdin' } },"                                                     \
    "'sinks': { 'a': { 'from': 'f', 'type': 'append', 'path': '%s/out/log' } } }"

static void append_open(kit *k)
{
    memset(k, 0, sizeof *k);
    scratch_open(&k->d);
    char *app = NULL;
    ck_assert_int_gt(asprintf(&app, APPEND_APP, k->d.path), 0);
    k->p = plan_whole(app, NULL);
    ck_assert_msg(k->p.plan != NULL, "%s", k->p.app.said.data);
    free(app);
    k->arena = ds_arena_new(NULL);
}

START_TEST(files_are_looked_at_before_the_start)
{
    kit k;
    append_open(&k);
    ck_assert_int_eq(ds_commit_prepare(k.p.plan, &k.error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "sink a cannot append to "));
    ck_assert_ptr_nonnull(strstr(k.error.message, "there is no such folder: make it first"));
    mkdir(scratch_path(&k.d, "out"), 0777);
    ck_assert_int_eq(ds_commit_prepare(k.p.plan, &k.error), DS_OK);
    ck_assert_int_eq(scratch_entries(&k.d, "out"), 0);
    mkdir(scratch_path(&k.d, "out/log"), 0777);
    ck_assert_int_eq(ds_commit_prepare(k.p.plan, &k.error), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "it is not a regular file"));
    rmdir(scratch_path(&k.d, "out/log"));
    scratch_write(&k.d, "out/log", "rows\n");
    ck_assert_int_eq(ds_commit_prepare(k.p.plan, &k.error), DS_OK);
    kit_close(&k);
}
END_TEST

/* Outputs are in their place only after their commit was noted. */
START_TEST(marks_that_the_checkpoint_does_not_know)
{
    static const struct {
        const char *name;
        bool known;
    } marks[] = {{"2a00000002-5000-a-0-0-0.placed", true},  /* prepared */
                 {"2a00000002-4000-a-0-0-0.placed", true},  /* and done */
                 {"2a00000002-6000-a-0-0-0.placed", false}, /* only allotted */
                 {"2a00000002-6000-a-0-0-0", true},         /* staged, no mark */
                 {"2a00000002-7000-a-0-0-0.placed", false}, /* never heard of */
                 {"2ab00000002-7000-a-0-0-0.placed", true}, /* of another checkpoint */
                 {"once-7000-a-0-0-0.placed", true},        {"7000.placed", true}};
    kit k;
    kit_open(&k);
    stage_all(&k);
    ds_recovered_batch batches[] = {{.time_ms = 5000, .prepared = true}, {.time_ms = 6000}};
    ds_recovered r = {.batches = batches, .n_batches = 2, .epoch = EPOCH, .last_ms = 6000};
    ck_assert_int_eq(ds_recovered_check_placed(&r, k.p.plan, "state", &k.error), DS_OK);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        char path[100];
        snprintf(path, sizeof path, "out/.dstream-x/%s", marks[i].name);
        scratch_write(&k.d, path, "");
        ds_status status = ds_recovered_check_placed(&r, k.p.plan, "state", &k.error);
        ck_assert_msg(status == (marks[i].known ? DS_OK : DS_ERR_APP), "%s", marks[i].name);
        if (!marks[i].known)
            ck_assert_ptr_nonnull(strstr(k.error.message, "it lacks the commit of batch 1970-"));
        unlink(scratch_path(&k.d, path));
    }
    kit_close(&k);
}
END_TEST

/* The staging folder stays: it is the lock. */
START_TEST(clean_up_of_appends)
{
    kit k;
    append_open(&k);
    mkdir(scratch_path(&k.d, "out"), 0777);
    mkdir(scratch_path(&k.d, "out/.log.dstream"), 0777);
    scratch_write(&k.d, "out/.log.dstream/kept", "x");
    scratch_write(&k.d, "out/.log.dstream/2a00000007-1-orphan", "x");
    ds_commit_file part = {.staged = kept_path(&k, "out/.log.dstream/kept"), .length = 1};
    ds_commit_append append = {.parts = &part, .n_parts = 1};
    ds_recovered_batch batch = {.prepared = true};
    batch.commit = (ds_commit){.appends = &append, .n_appends = 1};
    ds_recovered keep = {.batches = &batch, .n_batches = 1};
    ds_commit_clean(k.p.plan, &keep, EPOCH, 0);
    ck_assert_int_eq(scratch_entries(&k.d, "out/.log.dstream"), 1);
    ck_assert(scratch_exists(&k.d, "out/.log.dstream/kept"));
    ds_commit_clean(k.p.plan, NULL, EPOCH, 0);
    ck_assert_int_eq(scratch_entries(&k.d, "out/.log.dstream"), 1); /* of somebody else */
    kit_close(&k);
}
END_TEST

UNIT_MAIN("commit", files_are_looked_at_before_the_start, marks_that_the_checkpoint_does_not_know,
          clean_up_of_appends, files_take_their_places, nothing_to_do,
          every_crash_point_is_rolled_forward, a_staged_file_vanished, a_staged_file_is_damaged,
          a_folder_that_was_taken, a_folder_cannot_be_made, clean_up, the_newest_output,
          folders_are_looked_at_before_the_start)
