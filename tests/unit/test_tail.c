/* Growing files in a real folder: rotation, truncation, deletion, restarts; each line once. */
#include "base/random.h"
#include "unit/tail_kit.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

START_TEST(lines_are_read_when_they_are_whole)
{
    tail_kit k;
    tail_open(&k, "log", false);
    ck_assert_int_eq(ds_tail_due_us(k.tail), INT64_MAX);
    ds_tail_notice(k.tail, k.now_us); /* nothing was asked for */
    ck_assert_int_eq(ds_tail_due_us(k.tail), INT64_MAX);
    tail_expect(&k, ""); /* it is not there yet */
    ck_assert_int_gt(ds_tail_due_us(k.tail), k.now_us - 1000000);
    ck_assert_int_lt(ds_tail_due_us(k.tail), k.now_us + 60000000);
    tail_append(&k, "log", "a\nb\nc");
    tail_expect(&k, "a b ");
    tail_expect(&k, "");
    tail_append(&k, "log", "c");
    tail_expect(&k, "");
    tail_append(&k, "log", "c\nd");
    tail_expect(&k, "ccc ");
    k.most = 3;
    tail_append(&k, "log", "dd\neeeeeeee\nf\n\n");
    tail_expect(&k, "ddd eeeeeeee f  ");
    tail_close(&k);
}
END_TEST

START_TEST(several_files_and_folders)
{
    tail_kit k;
    tail_open(&k, "*/app-[0-9].log", false);
    ck_assert_int_eq(mkdir(scratch_path(&k.d, "y"), 0755), 0);
    tail_append(&k, "y/app-1.log", "y1\n");
    tail_append(&k, "y/app-x.log", "no\n");
    tail_append(&k, "y/.app-1.log", "no\n");
    ck_assert_int_eq(mkdir(scratch_path(&k.d, "y/app-2.log"), 0755), 0);
    ck_assert_int_eq(mkfifo(scratch_path(&k.d, "y/app-3.log"), 0644), 0);
    tail_expect(&k, "y1 ");
    ck_assert_int_eq(mkdir(scratch_path(&k.d, "x"), 0755), 0);
    tail_append(&k, "x/app-2.log", "x2\n");
    tail_append(&k, "x/app-1.log", "x1\n");
    tail_append(&k, "y/app-1.log", "y2\n");
    tail_expect(&k, "y2 x1 x2 ");
    ck_assert_int_eq(symlink("app-1.log", scratch_path(&k.d, "x/app-7.log")), 0);
    ck_assert_int_eq(link(scratch_path(&k.d, "x/app-2.log"), scratch_path(&k.d, "y/app-0.log")), 0);
    ck_assert_int_eq(symlink("nowhere", scratch_path(&k.d, "x/app-8.log")), 0);
    tail_append(&k, "x/app-1.log", "x3\n");
    tail_expect(&k, "x3 "); /* a second name is not a second file */
    tail_close(&k);
}
END_TEST

START_TEST(rotation_by_rename)
{
    for (int all = 0; all < 2; all++) { /* the pattern matches the rotated file, too; or not */
        tail_kit k;
        tail_open(&k, all ? "log*" : "log", false);
        tail_append(&k, "log", "a\nb");
        tail_expect(&k, "a ");
        tail_rename(&k, "log", "log.1");
        tail_append(&k, "log.1", "b\nc\n"); /* by who has it open still */
        tail_append(&k, "log", "d\n");
        tail_expect(&k, "bb c d ");
        tail_append(&k, "log.1", "e\nlast");
        tail_append(&k, "log", "f\n");
        tail_expect(&k, "e f ");
        k.now_us += DS_TAIL_QUIET_US;
        tail_expect(&k, "last ");
        k.now_us += DS_TAIL_QUIET_US;
        tail_expect(&k, "");
        ck_assert_uint_eq(k.files.n, all ? 2 : 1);
        tail_rename(&k, "log.1", "log.2");
        tail_rename(&k, "log", "log.1");
        tail_expect(&k, "");
        tail_append(&k, "log", "g\n");
        tail_expect(&k, "g ");
        ck_assert_uint_eq(k.files.lost_bytes + k.files.begun_again, 0);
        tail_close(&k);
    }
}
END_TEST

/* Names that come and go between two looks are told. */
START_TEST(many_rotations_between_two_looks)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\n");
    tail_expect(&k, "a ");
    for (int i = 0; i < 5; i++) {
        char from[20], to[20], line[20];
        for (int n = 4; n > 0; n--) {
            snprintf(from, sizeof from, "log.%d", n);
            snprintf(to, sizeof to, "log.%d", n + 1);
            if (scratch_exists(&k.d, from))
                tail_rename(&k, from, to);
        }
        tail_rename(&k, "log", "log.1");
        snprintf(line, sizeof line, "line%d\n", i);
        tail_append(&k, "log", line);
    }
    tail_expect(&k, "line0 line1 line2 line3 line4 ");
    tail_close(&k);
}
END_TEST

/* The same when somebody looks now and then, and nobody asks: what is deleted was opened. */
START_TEST(files_are_held_before_they_are_asked_for)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\n");
    tail_expect(&k, "a ");
    ck_assert_int_ge(ds_tail_poll_fd(k.tail), 0);
    for (int i = 0; i < 4; i++) {
        char line[20];
        snprintf(line, sizeof line, "line%d\n", i);
        unlink(scratch_path(&k.d, "log"));
        tail_append(&k, "log", line);
        k.now_us += 2000000;
        ck_assert_int_le(ds_tail_due_us(k.tail), k.now_us);
        ds_tail_notice(k.tail, k.now_us);
    }
    unlink(scratch_path(&k.d, "log"));
    tail_expect(&k, "line0 line1 line2 line3 ");
    ck_assert_uint_eq(k.lost, 0);
    tail_close(&k);
}
END_TEST

/* Where names are not told they are looked at: all that is there is found. */
START_TEST(nobody_tells)
{
    tail_kit k;
    struct rlimit limit, none = {0, 0};
    tail_open(&k, "log*", false);
    ds_tail_free(k.tail);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none.rlim_max = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    k.tail = ds_tail_new(k.glob, 100);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(ds_tail_poll_fd(k.tail), -1);
    tail_append(&k, "log", "a\n");
    tail_expect(&k, "a ");
    tail_rename(&k, "log", "log.1");
    tail_append(&k, "log", "b\n");
    tail_append(&k, "log.1", "c\n");
    k.now_us = ds_tail_due_us(k.tail);
    ds_tail_notice(k.tail, k.now_us);
    ck_assert_int_gt(ds_tail_due_us(k.tail), k.now_us);
    unlink(scratch_path(&k.d, "log"));
    tail_expect(&k, "c b ");
    tail_close(&k);
}
END_TEST

START_TEST(copy_and_truncate)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\nb\nc\n");
    tail_expect(&k, "a b c ");
    ck_assert_int_eq(truncate(scratch_path(&k.d, "log"), 0), 0);
    tail_expect(&k, "");
    ck_assert_uint_eq(k.files.begun_again, 1);
    tail_append(&k, "log", "d\n");
    tail_expect(&k, "d ");
    /* It has grown beyond where it was by the time of the next look. */
    ck_assert_int_eq(truncate(scratch_path(&k.d, "log"), 0), 0);
    tail_append(&k, "log", "e\nf\ng\nh\n");
    tail_expect(&k, "e f g h ");
    ck_assert_uint_eq(k.files.begun_again, 2);
    ck_assert_uint_eq(k.files.lost_bytes, 0);
    /* Lines that were found, and not given yet. */
    tail_append(&k, "log", "i\nj\n");
    tail_see(&k, false);
    ck_assert_int_eq(truncate(scratch_path(&k.d, "log"), 0), 0);
    tail_expect(&k, "");
    ck_assert_uint_eq(k.files.lost_bytes, 4);
    tail_close(&k);
}
END_TEST

START_TEST(written_anew_in_place)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\nb\nc\n");
    tail_expect(&k, "a b c ");
    scratch_write(&k.d, "log", "x\ny\nz\n"); /* of the same length */
    tail_expect(&k, "x y z ");
    ck_assert_uint_eq(k.files.begun_again, 1);
    /* Also when all that was remembered of it was a part of a line. */
    scratch_write(&k.d, "log", "");
    tail_expect(&k, "");
    tail_append(&k, "log", "u");
    tail_expect(&k, "");
    scratch_write(&k.d, "log", "v\n");
    tail_expect(&k, "v ");
    tail_close(&k);
}
END_TEST

START_TEST(deleted_and_replaced)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\nb");
    tail_expect(&k, "a ");
    int writer = open(scratch_path(&k.d, "log"), O_WRONLY | O_APPEND);
    unlink(scratch_path(&k.d, "log"));
    tail_expect(&k, "");
    ck_assert_int_eq(write(writer, "b\nc\n", 4), 4);
    close(writer);
    tail_append(&k, "log", "d\n");
    tail_expect(&k, "bb c d ");
    /* A new file is put in its place. */
    tail_append(&k, "aside", "e\nf\n");
    tail_rename(&k, "aside", "log");
    tail_expect(&k, "e f ");
    k.now_us += DS_TAIL_QUIET_US;
    tail_expect(&k, "");
    ck_assert_uint_eq(k.files.n, 1);
    ck_assert_uint_eq(k.files.lost_bytes + k.files.begun_again, 0);
    tail_close(&k);
}
END_TEST

START_TEST(the_end_of_what_is_there)
{
    tail_kit k;
    tail_open(&k, "*.log", true);
    tail_append(&k, "a.log", "old\nunfini");
    tail_expect(&k, "");
    tail_append(&k, "a.log", "shed\nnew\n");
    tail_append(&k, "b.log", "first\n");
    tail_expect(&k, "unfinished new first ");
    tail_close(&k);
}
END_TEST

START_TEST(nothing_comes_after)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\nb");
    tail_batch(&k, true);
    ck_assert_str_eq(ds_buffer_text(&k.lines), "a b ");
    tail_restart(&k);
    tail_append(&k, "log", "\nc\nd");
    tail_expect(&k, "c "); /* the end of a line that was taken without one is not a line */
    tail_append(&k, "log", "d\r\ne\r");
    k.lines.length = 0;
    tail_batch(&k, true);
    ck_assert_str_eq(ds_buffer_text(&k.lines), "dd\r e\r ");
    tail_append(&k, "log", "\nf\n");
    tail_expect(&k, "f ");
    tail_append(&k, "log", "g");
    k.lines.length = 0;
    tail_batch(&k, true);
    tail_append(&k, "log", "h\n"); /* but more of it is another record */
    tail_batch(&k, false);
    ck_assert_str_eq(ds_buffer_text(&k.lines), "g h ");
    tail_close(&k);
}
END_TEST

START_TEST(lines_beyond_the_limit)
{
    tail_kit k;
    char text[200];
    tail_open(&k, "log", false);
    k.most = 20;
    memset(text, 'x', sizeof text);
    text[52] = '\0'; /* two more than the limit: it is too long, whatever comes */
    tail_append(&k, "log", text);
    tail_batch(&k, false);
    ck_assert_uint_eq(k.lines.length, 53);
    tail_append(&k, "log", text);
    tail_expect(&k, "");
    tail_append(&k, "log", "\nb\n");
    tail_expect(&k, "b ");
    text[51] = '\0';
    tail_append(&k, "log", text);
    tail_expect(&k, "");
    tail_close(&k);
}
END_TEST

/* ---- restarts ---- */

START_TEST(restarts_go_on_where_they_were)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\nb\n");
    tail_expect(&k, "a b ");
    tail_restart(&k);
    tail_append(&k, "log", "c\n");
    tail_expect(&k, "c ");
    /* It was rotated meanwhile, twice. */
    tail_append(&k, "log", "d\n");
    tail_rename(&k, "log", "log.2");
    tail_append(&k, "log", "e\n");
    tail_rename(&k, "log", "log.1");
    tail_append(&k, "log", "f\n");
    tail_restart(&k);
    tail_expect(&k, "d f "); /* that log.1 was a log, too, nobody was there to see */
    ck_assert_uint_eq(k.files.lost_bytes + k.files.begun_again, 0);
    tail_close(&k);
}
END_TEST

START_TEST(restarts_find_every_rotated_file_of_the_pattern)
{
    tail_kit k;
    tail_open(&k, "log*", false);
    tail_append(&k, "log", "a\n");
    tail_expect(&k, "a ");
    tail_append(&k, "log", "b\n");
    tail_rename(&k, "log", "log.2");
    tail_append(&k, "log", "c\n");
    tail_rename(&k, "log", "log.1");
    tail_append(&k, "log", "d\n");
    tail_restart(&k);
    tail_expect(&k, "b d c ");
    tail_close(&k);
}
END_TEST

START_TEST(restarts_notice_what_is_gone_or_other)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\nb\n");
    tail_see(&k, false); /* found, not read */
    unlink(scratch_path(&k.d, "log"));
    tail_restart(&k);
    tail_expect(&k, "");
    ck_assert_uint_eq(k.files.lost_bytes, 4);
    ck_assert_uint_eq(k.files.n, 0);
    tail_append(&k, "log", "c\nd\n");
    tail_expect(&k, "c d ");
    scratch_write(&k.d, "log", "e\nf\ng\n");
    tail_restart(&k);
    tail_expect(&k, "e f g ");
    ck_assert_uint_eq(k.files.begun_again, 1);
    ck_assert_int_eq(truncate(scratch_path(&k.d, "log"), 2), 0);
    tail_restart(&k);
    tail_expect(&k, "e ");
    ck_assert_uint_eq(k.files.begun_again, 2);
    tail_close(&k);
}
END_TEST

START_TEST(another_device_number_is_the_same_file)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\n");
    tail_expect(&k, "a ");
    k.files.files[0].id.device++; /* as after a boot */
    tail_restart(&k);
    tail_append(&k, "log", "b\n");
    tail_expect(&k, "b ");
    ck_assert_uint_eq(k.files.n, 1);
    tail_close(&k);
}
END_TEST

/* ---- what cannot be read ---- */

static const char *why_of(const ds_sightings *seen)
{
    return seen->n == 1 && seen->list[0].what == DS_SIGHT_UNREADABLE ? seen->list[0].why : "";
}

START_TEST(permissions_go_and_come_back)
{
    tail_kit k;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\n");
    if (geteuid() == 0) { /* root may read everything */
        ck_assert_int_eq(chown(k.d.path, 65534, 65534), 0);
        ck_assert_int_eq(chown(scratch_path(&k.d, "log"), 65534, 65534), 0);
        ck_assert_int_eq(seteuid(65534), 0);
    }
    chmod(scratch_path(&k.d, "log"), 0);
    ck_assert_str_ne(why_of(tail_see(&k, false)), "");
    ck_assert_uint_eq(tail_see(&k, false)->n, 0); /* it is told once */
    chmod(scratch_path(&k.d, "log"), 0600);
    tail_expect(&k, "a ");
    chmod(scratch_path(&k.d, "log"), 0200);
    tail_append(&k, "log", "b\n");
    ck_assert_str_ne(why_of(tail_see(&k, false)), "");
    tail_expect(&k, "");
    tail_restart(&k);
    ck_assert_str_ne(why_of(tail_see(&k, false)), "");
    chmod(scratch_path(&k.d, "log"), 0600);
    tail_expect(&k, "b ");
    ck_assert_uint_eq(k.files.lost_bytes + k.files.begun_again, 0);
    if (geteuid() != getuid())
        ck_assert_int_eq(seteuid(getuid()), 0);
    tail_close(&k);
}
END_TEST

/* A regular file whose first bytes nobody can read is no other file. */
START_TEST(a_read_error_says_nothing_about_a_file)
{
    static const char path[] = "/proc/self/mem";
    ds_tail *tail = ds_tail_new(path, 100);
    ds_follow_request request = {.all = true};
    const ds_sightings *seen = ds_tail_look(tail, &request, 1000000);
    ck_assert_uint_eq(seen->n, 1);
    ck_assert_int_eq(seen->list[0].what, DS_SIGHT_SEEN);
    ds_followed known = {.number = 1, .path = path, .id = seen->list[0].id};
    known.id.head_bytes = 3;
    request = (ds_follow_request){.files = &known, .n_files = 1};
    for (int i = 0; i < 2; i++) /* the file that is held open, and one that is to be found */
        for (int look = 0; look < 2; look++) {
            seen = ds_tail_look(tail, &request, 2000000);
            ck_assert_str_ne(why_of(seen), "");
            ck_assert_ptr_nonnull(strstr(why_of(seen), "Input/output error"));
            if (i == 0 && look == 1) {
                ds_tail_free(tail);
                tail = ds_tail_new(path, 100);
                request.all = true;
            }
        }
    ds_tail_free(tail);
}
END_TEST

/* One descriptor is left: the file is held, and others cannot open it yet. */
START_TEST(a_new_file_that_cannot_be_read_at_once)
{
    tail_kit k;
    struct rlimit all, few;
    tail_open(&k, "log", false);
    tail_expect(&k, "");
    tail_append(&k, "log", "a\nb\n");
    int free_one = dup(0);
    close(free_one);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
    few = all;
    few.rlim_cur = (rlim_t)free_one + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    ck_assert_str_eq(why_of(tail_see(&k, false)), "Too many open files");
    ck_assert_uint_eq(tail_see(&k, false)->n, 0); /* it is told once, */
    unlink(scratch_path(&k.d, "log"));            /* and held */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
    tail_expect(&k, "a b ");
    tail_close(&k);
}
END_TEST

/* Files that come and go while no descriptor is left are opened when there is one. */
START_TEST(rotations_while_nothing_can_be_opened)
{
    tail_kit k;
    struct rlimit all, none;
    tail_open(&k, "log", false);
    tail_append(&k, "log", "a\n");
    tail_expect(&k, "a ");
    for (int i = 2; i > 0; i--) {
        tail_rename(&k, "log", i == 2 ? "log.2" : "log.1");
        tail_append(&k, "log", i == 2 ? "b\n" : "c\n");
    }
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
    none = all;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 9; i++) {
        tail_see(&k, false);
        k.now_us += 1000000;
    }
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
    tail_expect(&k, "b c ");
    tail_close(&k);
}
END_TEST

/* ---- folders that are away ---- */

static void begin_in_folder(tail_kit *k, const char *pattern)
{
    tail_open(k, pattern, false);
    ck_assert_int_eq(mkdir(scratch_path(&k->d, "logs"), 0755), 0);
    tail_append(k, "logs/log", "a\nb\n");
    tail_expect(k, "a b ");
}

START_TEST(a_folder_is_away_for_a_while)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        tail_kit k;
        begin_in_folder(&k, restarts ? "l*/log" : "logs/log");
        tail_rename(&k, "logs", "away");
        if (restarts)
            tail_restart(&k);
        for (int i = 0; i < 3; i++) {
            tail_expect(&k, "");
            k.now_us += 2 * DS_TAIL_QUIET_US;
        }
        ck_assert_uint_eq(k.files.n, 1);
        ck_assert_str_eq(k.files.files[0].path, scratch_path(&k.d, "logs/log"));
        ck_assert_int_eq(k.files.files[0].away_us != 0, restarts);
        tail_append(&k, "away/log", "c\n");
        tail_expect(&k, restarts ? "" : "c ");
        tail_rename(&k, "away", "logs");
        tail_expect(&k, restarts ? "c " : "");
        tail_append(&k, "logs/log", "d\n");
        tail_expect(&k, "d ");
        ck_assert_uint_eq(k.files.n, 1);
        ck_assert_int_eq(k.files.files[0].away_us, 0);
        ck_assert_uint_eq(k.files.lost_bytes + k.files.begun_again, 0);
        tail_close(&k);
    }
}
END_TEST

START_TEST(a_folder_is_away_for_good)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        tail_kit k;
        begin_in_folder(&k, "logs/log");
        tail_rename(&k, "logs", "away");
        if (restarts)
            tail_restart(&k);
        tail_expect(&k, "");
        k.beside = true;
        k.now_us += DS_FOLLOW_AWAY_US - 1000000;
        tail_expect(&k, "");
        ck_assert_uint_eq(k.files.n, 1);
        for (int i = 0; i < 3; i++) {
            k.now_us += 2 * DS_TAIL_QUIET_US;
            tail_expect(&k, "");
        }
        ck_assert_uint_eq(k.files.n, 0);
        tail_close(&k);
    }
}
END_TEST

/* What is deleted with its folder does not come back; nor is a folder with others in it away. */
START_TEST(a_folder_is_gone)
{
    for (int deleted = 0; deleted < 2; deleted++) {
        tail_kit k;
        begin_in_folder(&k, "logs/log");
        if (deleted) {
            unlink(scratch_path(&k.d, "logs/log"));
            ck_assert_int_eq(rmdir(scratch_path(&k.d, "logs")), 0);
        } else {
            tail_rename(&k, "logs", "away");
            ck_assert_int_eq(mkdir(scratch_path(&k.d, "logs"), 0755), 0);
        }
        for (int i = 0; i < 3; i++) {
            tail_expect(&k, "");
            k.now_us += 2 * DS_TAIL_QUIET_US;
        }
        ck_assert_uint_eq(k.files.n, 0);
        tail_close(&k);
    }
}
END_TEST

START_TEST(too_many_files)
{
    tail_kit k;
    char name[20];
    tail_open(&k, "f*", false);
    for (uint32_t i = 0; i < DS_FOLLOW_FILES + 3; i++) {
        snprintf(name, sizeof name, "f%04u", i);
        tail_append(&k, name, "x\n");
    }
    ck_assert_uint_eq(tail_see(&k, false)->beyond, 3);
    tail_batch(&k, false);
    ck_assert_uint_eq(k.lines.length, 2 * DS_FOLLOW_FILES);
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "f%04u", i);
        unlink(scratch_path(&k.d, name));
    }
    k.now_us += 3 * DS_TAIL_QUIET_US;
    tail_expect(&k, "");
    tail_expect(&k, "");
    k.now_us += 2 * DS_TAIL_QUIET_US;
    tail_expect(&k, ""); /* they are let go, */
    tail_expect(&k, ""); /* closed, */
    tail_expect(&k, "x x ");
    ck_assert_uint_eq(tail_see(&k, false)->beyond, 1);
    tail_close(&k);
}
END_TEST

/* ---- what is looked at is what is told ---- */

/* A file that did not change for long is not looked into again. This program is one. */
START_TEST(files_that_stay_as_they_are)
{
    char path[500];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    ck_assert_int_gt(n, 0);
    path[n] = '\0';
    ds_tail *tail = ds_tail_new(path, 100);
    ds_follow_request request = {.all = true};
    const ds_sightings *seen = ds_tail_look(tail, &request, 1000000);
    ck_assert_uint_eq(seen->n, 1);
    ds_sighting first = seen->list[0];
    ds_followed known = {.number = 1, .path = path, .id = first.id, .taken = 0};
    request = (ds_follow_request){.files = &known, .n_files = 1};
    for (int i = 0; i < 3; i++) {
        seen = ds_tail_look(tail, &request, 1000000 + i);
        ck_assert_uint_eq(seen->n, 1);
        ck_assert_uint_eq(seen->list[0].number, 1);
        ck_assert(seen->list[0].same_head && seen->list[0].named);
        ck_assert_uint_eq(seen->list[0].size, first.size);
        ck_assert_uint_eq(seen->list[0].complete, first.complete);
        ck_assert_uint_eq(seen->list[0].id.head, first.id.head);
    }
    known.taken = first.size; /* given to its end */
    ck_assert_uint_eq(ds_tail_look(tail, &request, 1000010)->list[0].complete, first.size);
    known.id.head++; /* and if it were another */
    ck_assert(!ds_tail_look(tail, &request, 1000020)->list[0].same_head);
    ds_tail_free(tail);
}
END_TEST

/* ---- a writer that does it all ---- */

typedef struct writer {
    tail_kit k;
    ds_random random;
    uint32_t written; /* lines */
    int old;          /* a descriptor of a file that was rotated away, or -1 */
} writer;

static uint32_t chance(writer *w, uint32_t n)
{
    return (uint32_t)ds_random_below(&w->random, n);
}

/* Appends lines in portions that end anywhere; the last one ends with its line. */
static void write_lines(writer *w, int fd)
{
    ds_buffer text = {0};
    for (uint32_t n = chance(w, 8); n > 0; n--)
        ds_buffer_printf(&text, "%u%.*s\n", w->written++, (int)chance(w, 30),
                         "------------------------------");
    size_t at = 0;
    while (at < text.length) {
        size_t n = 1 + chance(w, (uint32_t)(text.length - at));
        ck_assert_int_eq(write(fd, text.data + at, n), (ssize_t)n);
        at += n;
        if (chance(w, 3) == 0)
            tail_batch(&w->k, false);
    }
    ds_buffer_fini(&text);
}

static int open_log(writer *w)
{
    return open(scratch_path(&w->k.d, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void rotate(writer *w, int *log)
{
    static const char *const names[] = {"log", "log.1", "log.2", "log.3"};
    unlink(scratch_path(&w->k.d, "log.3"));
    for (int i = 3; i > 0; i--)
        rename(scratch_path(&w->k.d, names[i - 1]), scratch_path(&w->k.d, names[i]));
    if (w->old >= 0)
        close(w->old);
    w->old = *log;
    *log = open_log(w);
}

/* Nobody writes into a file that was rotated away so long ago. */
static void pass_time(writer *w)
{
    w->k.now_us += 2 * DS_TAIL_QUIET_US;
    if (w->old >= 0)
        close(w->old);
    w->old = -1;
}

/* Every line once; their order within a file is that of the file. */
static void check_lines(writer *w)
{
    uint8_t *came = calloc(w->written + 1, 1);
    const char *at = ds_buffer_text(&w->k.lines);
    uint32_t n = 0;
    for (; *at != '\0'; n++) {
        char *end;
        unsigned long line = strtoul(at, &end, 10);
        ck_assert_msg(line < w->written && came[line]++ == 0, "line %lu came twice", line);
        at = strchr(at, ' ') + 1;
    }
    ck_assert_uint_eq(n, w->written);
    free(came);
}

static void write_and_read(uint64_t seed)
{
    writer w = {.old = -1};
    ds_random_init(&w.random, seed);
    tail_open(&w.k, chance(&w, 2) ? "log" : "log*", false);
    w.k.most = 1 + chance(&w, 60);
    w.k.by_path = chance(&w, 2);
    int log = open_log(&w);
    tail_batch(&w.k, false);
    for (int i = 0; i < 60; i++) {
        uint32_t what = chance(&w, 16);
        if (what == 0)
            rotate(&w, &log);
        else if (what == 1 && !w.k.by_path)
            tail_batch(&w.k, false), tail_restart(&w.k), tail_batch(&w.k, false);
        else if (what == 2)
            pass_time(&w);
        else if (what < 5 && w.old >= 0)
            write_lines(&w, w.old);
        else if (what < 12)
            write_lines(&w, log);
        tail_batch(&w.k, false);
    }
    tail_batch(&w.k, true);
    check_lines(&w);
    ck_assert_uint_eq(w.k.lost + w.k.files.lost_bytes + w.k.files.begun_again, 0);
    close(log);
    if (w.old >= 0)
        close(w.old);
    tail_close(&w.k);
}

START_TEST(every_line_once)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        write_and_read(seed);
}
END_TEST

UNIT_MAIN("tail", nobody_tells, lines_are_read_when_they_are_whole, several_files_and_folders,
          rotation_by_rename, many_rotations_between_two_looks,
          files_are_held_before_they_are_asked_for, copy_and_truncate, written_anew_in_place,
          deleted_and_replaced, the_end_of_what_is_there, nothing_comes_after,
          lines_beyond_the_limit, restarts_go_on_where_they_were,
          restarts_find_every_rotated_file_of_the_pattern, restarts_notice_what_is_gone_or_other,
          another_device_number_is_the_same_file, permissions_go_and_come_back,
          a_read_error_says_nothing_about_a_file, a_new_file_that_cannot_be_read_at_once,
          rotations_while_nothing_can_be_opened, a_folder_is_away_for_a_while,
          a_folder_is_away_for_good, a_folder_is_gone, too_many_files, files_that_stay_as_they_are,
          every_line_once)
