/* The log writer: blocks are handed on when they are durable, in order, whatever the disk does. */
#include "receiver/log_writer.h"

#include "receiver/block_log_read.h"
#include "unit/inbox.h"
#include "unit/scratch_dir.h"

#include <signal.h>
#include <sys/resource.h>

#define ROOM ((size_t)100000) /* of a block */

typedef struct logging {
    inbox in;
    scratch_dir d;
    ds_log_writer *writer;
    ds_block_sink sink;
    uint64_t next[INBOX_RECEIVERS];
} logging;

static void open_logging(logging *l, int64_t credit)
{
    *l = (logging){.writer = NULL};
    scratch_open(&l->d);
    inbox_open(&l->in, credit);
    const ds_block_sink sink = {.arg = &l->in,
                                .reserve = inbox_reserve,
                                .report = inbox_report,
                                .give_back = inbox_give_back,
                                .state = inbox_state,
                                .cut_done = inbox_cut_done};
    l->writer = ds_log_writer_new(&sink);
    l->sink = ds_log_writer_sink(l->writer);
}

static void close_logging(logging *l)
{
    ds_log_writer_free(l->writer);
    inbox_close(&l->in);
    scratch_close(&l->d);
}

static void add(logging *l, uint64_t id, const char *folder)
{
    ds_error error;
    ck_assert_int_eq(ds_log_writer_add(l->writer, id, scratch_path(&l->d, folder), 0, &error),
                     DS_OK);
}

/* Reports a block of one record. */
static void report(logging *l, uint64_t id, const char *text)
{
    ds_block_room room;
    ck_assert(l->sink.reserve(l->sink.arg, id, ROOM, &room));
    memcpy(room.bytes, text, strlen(text));
    const ds_block block = {
        .block_id = ++l->next[id], .offset = room.offset, .length = strlen(text), .records = 1};
    l->sink.report(l->sink.arg, id, &room, &block);
}

static void say(logging *l, uint64_t id, ds_receiver_phase phase)
{
    l->sink.state(l->sink.arg, id, phase, DS_OK, "it says so");
}

static void check_log(logging *l, const char *folder, size_t n_blocks)
{
    ds_log_found found;
    ds_error error;
    const ds_log_place nowhere = {0};
    ck_assert_int_eq(ds_block_log_scan(scratch_path(&l->d, folder), &nowhere, 0, &found, &error),
                     DS_OK);
    ck_assert_uint_eq(found.n_blocks, n_blocks);
    for (size_t i = 0; i < n_blocks; i++)
        ck_assert_uint_eq(found.blocks[i].block_id, i + 1);
    ds_log_found_fini(&found);
}

#define SMALL ((size_t)20000)
#define LARGE ((size_t)90000)

/* A block that is so long. */
static void report_bytes(logging *l, uint64_t id, size_t length)
{
    char *text = ds_alloc(length + 1);
    memset(text, 'x', length);
    text[length - 1] = '\n';
    text[length] = '\0';
    report(l, id, text);
    free(text);
}

/* Check writes to a file, too: a limit leaves it enough. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(blocks_are_in_the_log_before_they_are_reported)
{
    logging l;
    open_logging(&l, 10 * ROOM);
    add(&l, 1, "one");
    for (int i = 0; i < 5; i++) {
        report(&l, 1, "a line\n");
        INBOX_WAIT(&l.in, l.in.of[1].blocks == (uint64_t)i + 1);
        check_log(&l, "one", (size_t)i + 1);
    }
    inbox_assert_bytes(&l.in, 1, "a line\na line\na line\na line\na line\n");
    close_logging(&l);
}
END_TEST

/* Nothing is received that could not be logged; nor is a folder made. */
START_TEST(a_folder_that_is_not_to_be_seen)
{
    logging l;
    ds_error error;
    open_logging(&l, 10 * ROOM);
    ck_assert_int_eq(ds_log_writer_add(l.writer, 1, scratch_path(&l.d, "ck/log/s"), 7, &error),
                     DS_ERR_NO_INPUT);
    ck_assert_ptr_nonnull(strstr(error.message, "/ck was removed or replaced"));
    ck_assert(!scratch_exists(&l.d, "ck"));
    close_logging(&l);
}
END_TEST

START_TEST(what_follows_a_block_stays_behind_it)
{
    logging l;
    open_logging(&l, 10 * ROOM);
    add(&l, 1, "one");
    add(&l, 2, "two");
    report(&l, 1, "a\n");
    report(&l, 2, "b\n");
    l.sink.cut_done(l.sink.arg, 7);
    report(&l, 2, "c\n");
    say(&l, 1, DS_RECEIVER_ENDED);
    l.sink.cut_done(l.sink.arg, 8);
    report(&l, 2, "d\n");
    say(&l, 2, DS_RECEIVER_ENDED);
    INBOX_WAIT(&l.in, l.in.of[2].over);
    inbox_assert_events(&l.in, "B1 B2 T7 B2 E1 T8 B2 E2 ");
    check_log(&l, "one", 1);
    check_log(&l, "two", 3);
    close_logging(&l);
}
END_TEST

START_TEST(without_a_log_nothing_waits)
{
    logging l;
    open_logging(&l, 10 * ROOM);
    report(&l, 1, "a\n");
    l.sink.cut_done(l.sink.arg, 1);
    say(&l, 1, DS_RECEIVER_ENDED);
    inbox_assert_events(&l.in, "B1 T1 E1 ");
    add(&l, 2, "two");
    report(&l, 3, "c\n");
    inbox_assert_bytes(&l.in, 3, "c\n");
    l.sink.cut_done(l.sink.arg, 2); /* may have blocks of a log before it */
    INBOX_WAIT(&l.in, strstr(ds_buffer_text(&l.in.events), "T2 ") != NULL);
    close_logging(&l);
}
END_TEST

START_TEST(a_full_disk_is_told_once_and_nothing_is_lost)
{
    logging l;
    open_logging(&l, 5 * ROOM);
    limit_files(3 * SMALL + 1000);
    add(&l, 1, "one");
    say(&l, 1, DS_RECEIVER_RUNNING);
    for (int i = 0; i < 5; i++)
        report_bytes(&l, 1, LARGE);
    ds_block_room room; /* what waits holds its room: no more is read */
    ck_assert(!l.sink.reserve(l.sink.arg, 1, ROOM, &room));
    say(&l, 1, DS_RECEIVER_ENDED);
    l.sink.cut_done(l.sink.arg, 3); /* the next batch need not wait */
    INBOX_WAIT(&l.in, strstr(ds_buffer_text(&l.in.events), "T3 ") != NULL);
    INBOX_WAIT(&l.in, l.in.of[1].said[DS_RECEIVER_RETRYING] == 1);
    pthread_mutex_lock(&l.in.lock);
    ck_assert_int_eq(l.in.of[1].status, DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(l.in.of[1].message, "nothing more is read until it can"));
    ck_assert_uint_eq(l.in.of[1].blocks, 0);
    pthread_mutex_unlock(&l.in.lock);
    limit_files(RLIM_INFINITY);
    INBOX_WAIT(&l.in, l.in.of[1].over);
    ck_assert_uint_eq(l.in.of[1].blocks, 5);
    ck_assert_int_eq(l.in.of[1].said[DS_RECEIVER_RETRYING], 1);
    check_log(&l, "one", 5);
    close_logging(&l);
}
END_TEST

START_TEST(what_fits_goes_on)
{
    logging l;
    open_logging(&l, 10 * ROOM);
    limit_files(3 * SMALL + 1000); /* three blocks */
    add(&l, 1, "one");
    for (int i = 0; i < 5; i++)
        report_bytes(&l, 1, SMALL);
    INBOX_WAIT(&l.in, l.in.of[1].blocks == 3);
    INBOX_WAIT(&l.in, l.in.of[1].said[DS_RECEIVER_RETRYING] == 1);
    limit_files(RLIM_INFINITY);
    INBOX_WAIT(&l.in, l.in.of[1].blocks == 5);
    INBOX_WAIT(&l.in, l.in.of[1].said[DS_RECEIVER_RUNNING] == 1);
    check_log(&l, "one", 5);
    close_logging(&l);
}
END_TEST

START_TEST(what_waits_at_the_end_gives_its_room_back)
{
    logging l;
    open_logging(&l, 10 * ROOM);
    limit_files(3 * SMALL + 1000);
    add(&l, 1, "one");
    for (int i = 0; i < 5; i++)
        report_bytes(&l, 1, LARGE);
    close_logging(&l); /* looks at the rooms */
    limit_files(RLIM_INFINITY);
}
END_TEST

UNIT_MAIN("log_writer", blocks_are_in_the_log_before_they_are_reported,
          what_follows_a_block_stays_behind_it, without_a_log_nothing_waits,
          a_full_disk_is_told_once_and_nothing_is_lost, what_fits_goes_on,
          what_waits_at_the_end_gives_its_room_back, a_folder_that_is_not_to_be_seen)
