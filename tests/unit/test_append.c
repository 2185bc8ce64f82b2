/* Appends: what a crash at any byte leaves is completed, and no byte of somebody else is lost. */
#include "checkpoint/append.h"

#include "base/log.h"
#include "unit/scratch_dir.h"

#include <signal.h>
#include <sys/resource.h>
#include <xxhash.h>

#define BEFORE "{\"n\":0}\n"
#define ONE "{\"n\":1}\n{\"n\":2}\n"
#define TWO "{\"n\":3}\n"
#define WHOLE BEFORE ONE TWO
#define N_BEFORE (sizeof BEFORE - 1)
#define N_ADDED (sizeof ONE TWO - 1)

typedef struct kit {
    scratch_dir d;
    ds_arena *arena;
    ds_commit_append append[2];
    ds_commit commit;
    ds_append_end ends[2];
    bool moved, lost[2];
    ds_error error;
} kit;

static void stage(kit *k, ds_commit_append *append, const char *name, const char *text)
{
    scratch_write(&k->d, name, text);
    append->parts[append->n_parts++] =
        (ds_commit_file){.staged = ds_arena_strdup(k->arena, scratch_path(&k->d, name)),
                         .length = strlen(text),
                         .checksum = XXH3_64bits(text, strlen(text))};
}

static uint64_t inode_of(kit *k, const char *name)
{
    struct stat st;
    return stat(scratch_path(&k->d, name), &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static void add_append(kit *k, const char *path, uint64_t base)
{
    ds_commit_append *append = &k->append[k->commit.n_appends++];
    *append = (ds_commit_append){.path = ds_arena_strdup(k->arena, scratch_path(&k->d, path)),
                                 .base = {base, 0}};
    append->parts = DS_ARENA_ARRAY(k->arena, ds_commit_file, 8);
}

/* Two parts that are to be added to `out`, which holds BEFORE. */
static void kit_open(kit *k)
{
    memset(k, 0, sizeof *k);
    ds_log_setup(DS_LOG_OFF, false, "test");
    scratch_open(&k->d);
    k->arena = ds_arena_new(NULL);
    k->commit = (ds_commit){.batch_ms = 5000, .appends = k->append};
    scratch_write(&k->d, "out", BEFORE);
    add_append(k, "out", N_BEFORE);
    k->append[0].base.inode = inode_of(k, "out");
    stage(k, &k->append[0], "one", ONE);
    stage(k, &k->append[0], "two", TWO);
}

static void kit_close(kit *k)
{
    ds_arena_free(k->arena);
    scratch_close(&k->d);
}

static ds_status run(kit *k)
{
    k->error.message[0] = '\0';
    return ds_append_files(&k->commit, true, k->ends, &k->moved, k->lost, &k->error);
}

/* It is done, and `out` holds this. */
static void check_done(kit *k, const char *expected)
{
    ds_status status = run(k);
    ck_assert_msg(status == DS_OK, "%s", k->error.message);
    ck_assert(!k->moved);
    scratch_holds(&k->d, "out", expected);
    ck_assert(!scratch_exists(&k->d, "one"));
    ck_assert(!scratch_exists(&k->d, "two"));
}

/* Nothing was added: the file is so long. */
static void check_moved(kit *k, uint64_t length)
{
    ck_assert_int_eq(run(k), DS_OK);
    ck_assert(k->moved);
    ck_assert_uint_eq(k->ends[0].length, length);
    ck_assert(scratch_exists(&k->d, "one"));
    ck_assert(scratch_exists(&k->d, "two"));
}

static void check_refused(kit *k, const char *holds)
{
    ck_assert_int_eq(run(k), DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(k->error.message, "/out: something else wrote to it"));
    scratch_holds(&k->d, "out", holds);
    ck_assert(scratch_exists(&k->d, "one"));
}

static void write_n(kit *k, const char *text, size_t n)
{
    scratch_write_bytes(&k->d, "out", text, n);
}

/* ---- the ordinary way ---- */

START_TEST(parts_are_added_in_order)
{
    for (int durable = 0; durable < 2; durable++) {
        kit k;
        kit_open(&k);
        ck_assert_int_eq(ds_append_files(&k.commit, durable, k.ends, &k.moved, k.lost, &k.error),
                         DS_OK);
        ck_assert(!k.moved);
        ck_assert_uint_eq(k.ends[0].length, N_BEFORE);
        scratch_holds(&k.d, "out", WHOLE);
        ck_assert_int_eq(scratch_entries(&k.d, ""), 2); /* and the mark */
        ck_assert(!k.lost[0]);
        kit_close(&k);
    }
}
END_TEST

START_TEST(nothing_to_add)
{
    kit k;
    kit_open(&k);
    k.commit.n_appends = 0;
    k.moved = true;
    ck_assert_int_eq(run(&k), DS_OK);
    ck_assert(!k.moved);
    scratch_holds(&k.d, "out", BEFORE);
    kit_close(&k);
}
END_TEST

START_TEST(a_new_file)
{
    kit k;
    kit_open(&k);
    unlink(scratch_path(&k.d, "out"));
    check_moved(&k, 0);
    k.append[0].base = k.ends[0];
    check_done(&k, ONE TWO);
    kit_close(&k);
}
END_TEST

/* Parts larger than any buffer, compared and copied. */
START_TEST(large_parts)
{
    kit k;
    kit_open(&k);
    ds_buffer big = {0};
    while (big.length < 600000)
        ds_buffer_printf(&big, "{\"n\":%zu}\n", big.length);
    k.append[0].n_parts = 0;
    stage(&k, &k.append[0], "one", ds_buffer_text(&big));
    stage(&k, &k.append[0], "two", TWO);
    ds_buffer whole = {0};
    ds_buffer_printf(&whole, "%s%s%s", BEFORE, ds_buffer_text(&big), TWO);
    write_n(&k, whole.data, N_BEFORE + 300000);
    k.append[0].begun = true;
    check_done(&k, ds_buffer_text(&whole));
    ds_buffer_fini(&big);
    ds_buffer_fini(&whole);
    kit_close(&k);
}
END_TEST

/* ---- crashes ---- */

/* The file as it was at any byte, and the same with zeros behind that were to be written. */
START_TEST(any_half_is_completed)
{
    for (size_t n = 0; n <= N_ADDED; n++) {
        for (size_t zeros = 0; zeros <= N_ADDED - n; zeros++) {
            kit k;
            char text[sizeof WHOLE] = {0};
            kit_open(&k);
            memcpy(text, WHOLE, N_BEFORE + n);
            write_n(&k, text, N_BEFORE + n + zeros);
            k.append[0].begun = true;
            check_done(&k, WHOLE);
            ck_assert_int_eq(run(&k), DS_OK); /* once more */
            scratch_holds(&k.d, "out", WHOLE);
            kit_close(&k);
        }
    }
}
END_TEST

/* Pages come to the disk in any order. */
START_TEST(holes_are_filled)
{
    for (size_t hole = 0; hole < N_ADDED; hole++) {
        kit k;
        char text[] = WHOLE;
        kit_open(&k);
        text[N_BEFORE + hole] = '\0';
        write_n(&k, text, sizeof text - 1);
        k.append[0].begun = true;
        check_done(&k, WHOLE);
        kit_close(&k);
    }
}
END_TEST

/* Staged files are removed when all is on the disk: if one is missing all was. */
START_TEST(a_crash_while_staged_files_are_removed)
{
    for (int missing = 1; missing < 4; missing++) {
        kit k;
        kit_open(&k);
        write_n(&k, WHOLE, sizeof WHOLE - 1);
        if ((missing & 1) != 0)
            unlink(scratch_path(&k.d, "one"));
        if ((missing & 2) != 0)
            unlink(scratch_path(&k.d, "two"));
        k.append[0].begun = true;
        check_done(&k, WHOLE);
        ck_assert(scratch_exists(&k.d, "one.placed"));
        write_n(&k, "", 0); /* begun anew since: nothing is to be added to that */
        check_done(&k, "");
        kit_close(&k);
    }
}
END_TEST

/* Removed by somebody before all was in the file: the batch has to run again. */
START_TEST(staged_files_that_are_lost)
{
    static const char *const holds[] = {BEFORE, BEFORE ONE, "",
                                        BEFORE "{\"n\":7}\n{\"n\":8}\n{\"n\":9}\n", NULL};
    for (int missing = 1; missing < 4; missing++) {
        for (size_t i = 0; i < sizeof holds / sizeof *holds; i++) {
            kit k;
            kit_open(&k);
            for (int part = 0; part < 2; part++)
                if ((missing >> part & 1) != 0)
                    unlink(scratch_path(&k.d, part == 0 ? "one" : "two"));
            if (holds[i] != NULL)
                scratch_write(&k.d, "out", holds[i]);
            else
                unlink(scratch_path(&k.d, "out"));
            k.append[0].begun = i % 2 == 0 || missing == 2;
            ck_assert_int_eq(run(&k), DS_OK);
            ck_assert(k.lost[0] && !k.moved);
            scratch_holds(&k.d, "out", holds[i] != NULL ? holds[i] : "");
            ck_assert_int_eq(scratch_entries(&k.d, ""), 1);
            kit_close(&k);
        }
    }
}
END_TEST

/* One of two is lost: the other one is done. */
START_TEST(one_of_two_is_lost)
{
    kit k;
    kit_open(&k);
    add_append(&k, "more", 0);
    stage(&k, &k.append[1], "three", TWO);
    scratch_write(&k.d, "more", "");
    k.append[1].base.inode = inode_of(&k, "more");
    unlink(scratch_path(&k.d, "one"));
    ck_assert_int_eq(run(&k), DS_OK);
    ck_assert(k.lost[0] && !k.lost[1] && !k.moved);
    scratch_holds(&k.d, "out", BEFORE);
    scratch_holds(&k.d, "more", TWO);
    kit_close(&k);
}
END_TEST

/* The first file of two is done; the second one fails and is tried again. */
START_TEST(one_of_two_fails)
{
    kit k;
    kit_open(&k);
    add_append(&k, "folder/more", 0);
    stage(&k, &k.append[1], "three", TWO);
    ck_assert_int_eq(run(&k), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "cannot open "));
    scratch_holds(&k.d, "out", WHOLE);
    mkdir(scratch_path(&k.d, "folder"), 0777);
    k.append[0].begun = k.append[1].begun = true;
    check_done(&k, WHOLE);
    scratch_holds(&k.d, "folder/more", TWO);
    kit_close(&k);
}
END_TEST

/* A file that may not grow any more: it is cut back to whole rows, and goes on when it can. */
START_TEST(a_full_disk)
{
    kit k;
    kit_open(&k);
    struct rlimit before, limit;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = N_BEFORE + 3;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ds_status status = run(&k);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_int_eq(status, DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "cannot write "));
    scratch_holds(&k.d, "out", BEFORE);
    k.append[0].begun = true;
    check_done(&k, WHOLE);
    kit_close(&k);
}
END_TEST

/* As good as gone, whether that shows by the length or, after a crash, by the bytes. */
START_TEST(a_staged_file_that_is_damaged)
{
    static const char *const spoilt[] = {"", "short", TWO "x", "{\"n\":4}\n"};
    for (size_t i = 0; i < sizeof spoilt / sizeof *spoilt; i++)
        for (int again = strlen(spoilt[i]) == strlen(TWO); again < 3; again++) {
            kit k;
            kit_open(&k);
            scratch_write(&k.d, "two", spoilt[i]);
            k.append[0].begun = again == 1;
            k.commit.again = again == 2;
            ck_assert_int_eq(run(&k), DS_OK);
            ck_assert(k.lost[0] && !k.moved);
            scratch_holds(&k.d, "out", BEFORE);
            ck_assert(!scratch_exists(&k.d, "one") && !scratch_exists(&k.d, "two"));
            kit_close(&k);
        }
}
END_TEST

/* ---- others ---- */

START_TEST(the_first_time_it_is_measured)
{
    kit k;
    kit_open(&k);
    k.append[0].base.length = DS_APPEND_UNKNOWN;
    check_moved(&k, N_BEFORE);
    k.append[0].base = k.ends[0];
    check_done(&k, WHOLE);
    kit_close(&k);
}
END_TEST

/* Renamed, cut, written to: the bytes of others stay, and rows go behind them. */
START_TEST(a_file_that_was_changed)
{
    static const struct {
        const char *holds; /* NULL: it was renamed */
        const char *after;
    } cases[] = {{NULL, ONE TWO},
                 {"", ONE TWO},
                 {"{}\n", "{}\n" ONE TWO},
                 {"half a", "half a\n" ONE TWO},
                 {BEFORE "more\n", BEFORE "more\n" ONE TWO},
                 {WHOLE, WHOLE ONE TWO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit k;
        kit_open(&k);
        if (cases[i].holds == NULL)
            rename(scratch_path(&k.d, "out"), scratch_path(&k.d, "out.1"));
        else
            scratch_write(&k.d, "out", cases[i].holds);
        uint64_t length = strlen(cases[i].after) - N_ADDED;
        check_moved(&k, length);
        k.append[0].base = k.ends[0];
        check_done(&k, cases[i].after);
        if (cases[i].holds == NULL)
            scratch_holds(&k.d, "out.1", BEFORE);
        kit_close(&k);
    }
}
END_TEST

/* The same when the batch may have been begun, and the file is shorter than before it. */
START_TEST(a_file_that_was_cut_after_a_crash)
{
    kit k;
    kit_open(&k);
    k.append[0].begun = true;
    scratch_write(&k.d, "out", "{}\n");
    check_moved(&k, 3);
    k.append[0].base = k.ends[0];
    k.append[0].begun = false;
    check_done(&k, "{}\n" ONE TWO);
    kit_close(&k);
}
END_TEST

/* Only its last byte is gone: ending that line makes it as long as it was. */
START_TEST(a_file_that_was_cut_by_a_byte)
{
    for (int begun = 0; begun < 2; begun++) {
        kit k;
        kit_open(&k);
        k.append[0].begun = begun == 1;
        write_n(&k, BEFORE, N_BEFORE - 1);
        check_done(&k, WHOLE);
        kit_close(&k);
    }
}
END_TEST

/* A renamed file is of no use where the batch cannot be added any more: that which has the name now
 * is measured. */
START_TEST(a_renamed_file_that_was_cut)
{
    for (int replaced = 0; replaced < 2; replaced++) {
        kit k;
        kit_open(&k);
        write_n(&k, BEFORE, 3);
        rename(scratch_path(&k.d, "out"), scratch_path(&k.d, "out.1"));
        if (replaced)
            scratch_write(&k.d, "out", "{}\n");
        k.append[0].begun = true;
        check_moved(&k, replaced ? 3 : 0);
        ck_assert_uint_eq(k.ends[0].inode, inode_of(&k, "out"));
        k.append[0].base = k.ends[0];
        k.append[0].begun = false;
        check_done(&k, replaced ? "{}\n" ONE TWO : ONE TWO);
        scratch_holds(&k.d, "out.1", "{\"n");
        kit_close(&k);
    }
}
END_TEST

START_TEST(others_wrote_where_the_batch_belongs)
{
    static const char *const wrong[] = {BEFORE "other\n",            /* instead of it */
                                        BEFORE "{\"n\":1}\nother\n", /* behind a half */
                                        BEFORE
                                        "{\"n\":1}\n{\"n\":2}\n{\"n\":4}\n", /* as long as it */
                                        BEFORE "{\"n\":1}\n{\"n\":2}\n{\"n\":4}\nother\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kit k;
        kit_open(&k);
        k.append[0].begun = true;
        scratch_write(&k.d, "out", wrong[i]);
        check_refused(&k, wrong[i]);
        rename(scratch_path(&k.d, "out"), scratch_path(&k.d, "away")); /* as it says */
        check_moved(&k, 0);                                            /* now there is a new one */
        k.append[0].base = k.ends[0];
        k.append[0].begun = false;
        check_done(&k, ONE TWO);
        scratch_holds(&k.d, "away", wrong[i]);
        kit_close(&k);
    }
}
END_TEST

/* Renamed after a crash: the batch is completed where it was begun, wherever that stopped. */
START_TEST(a_half_in_a_renamed_file)
{
    for (int replaced = 0; replaced < 2; replaced++) {
        for (size_t n = 0; n <= N_ADDED; n += 3) {
            kit k;
            kit_open(&k);
            write_n(&k, WHOLE, N_BEFORE + n);
            rename(scratch_path(&k.d, "out"), scratch_path(&k.d, "out.1"));
            if (replaced)
                scratch_write(&k.d, "out", "{\"n\":7}\n{\"n\":8}\n{\"n\":9}\n");
            k.append[0].begun = true;
            ck_assert_int_eq(run(&k), DS_OK);
            ck_assert(!k.moved);
            scratch_holds(&k.d, "out.1", WHOLE);
            ck_assert(!scratch_exists(&k.d, "one"));
            if (replaced)
                scratch_holds(&k.d, "out", "{\"n\":7}\n{\"n\":8}\n{\"n\":9}\n");
            kit_close(&k);
        }
    }
}
END_TEST

/* The renamed file is not there any more (compressed, say): another has its name, or none. */
START_TEST(a_half_in_a_file_that_is_gone)
{
    static const char *const now[] = {"", "{}\n", "{\"n\":7}\n{\"n\":8}\n{\"n\":9}\n"};
    for (size_t i = 0; i < 3; i++) {
        kit k;
        char text[100];
        kit_open(&k);
        scratch_write(&k.d, "new", now[i]);
        rename(scratch_path(&k.d, "new"), scratch_path(&k.d, "out"));
        k.append[0].begun = true;
        check_moved(&k, strlen(now[i]));
        k.append[0].base = k.ends[0];
        k.append[0].begun = false;
        snprintf(text, sizeof text, "%s%s%s", now[i], ONE, TWO);
        check_done(&k, text);
        kit_close(&k);
    }
}
END_TEST

/* All of the batch is there, and others wrote behind it. */
START_TEST(others_wrote_behind_the_batch)
{
    kit k;
    kit_open(&k);
    k.append[0].begun = true;
    scratch_write(&k.d, "out", WHOLE "other\n");
    check_done(&k, WHOLE "other\n");
    kit_close(&k);
}
END_TEST

/* One file is as it was left and the other not: the first is done at once. */
START_TEST(one_of_two_was_changed)
{
    kit k;
    kit_open(&k);
    add_append(&k, "more", 7);
    stage(&k, &k.append[1], "three", TWO);
    ck_assert_int_eq(run(&k), DS_OK);
    ck_assert(k.moved);
    ck_assert_uint_eq(k.ends[0].length, N_BEFORE);
    ck_assert_uint_eq(k.ends[1].length, 0);
    scratch_holds(&k.d, "out", WHOLE);
    k.append[0].begun = true;
    k.append[1].base = k.ends[1];
    check_done(&k, WHOLE);
    scratch_holds(&k.d, "more", TWO);
    kit_close(&k);
}
END_TEST

START_TEST(what_is_no_file)
{
    kit k;
    kit_open(&k);
    unlink(scratch_path(&k.d, "out"));
    ck_assert_int_eq(mkfifo(scratch_path(&k.d, "out"), 0666), 0);
    ck_assert_int_eq(run(&k), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "/out: it is not a regular file"));
    unlink(scratch_path(&k.d, "out"));
    mkdir(scratch_path(&k.d, "out"), 0777);
    ck_assert_int_eq(run(&k), DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(k.error.message, "/out"));
    kit_close(&k);
}
END_TEST

UNIT_MAIN("append", a_half_in_a_renamed_file, a_half_in_a_file_that_is_gone,
          parts_are_added_in_order, nothing_to_add, a_new_file, large_parts, any_half_is_completed,
          holes_are_filled, a_crash_while_staged_files_are_removed, staged_files_that_are_lost,
          one_of_two_is_lost, one_of_two_fails, a_full_disk, a_staged_file_that_is_damaged,
          the_first_time_it_is_measured, a_file_that_was_changed, a_file_that_was_cut_after_a_crash,
          a_file_that_was_cut_by_a_byte, a_renamed_file_that_was_cut,
          others_wrote_where_the_batch_belongs, others_wrote_behind_the_batch,
          one_of_two_was_changed, what_is_no_file)
