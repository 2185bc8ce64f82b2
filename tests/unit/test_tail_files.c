/* The files of a `tail`, decided without any file: what is found, and what is given then. */
#include "scheduler/tail_files.h"

#include "unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000)

typedef struct kit {
    ds_tail_files tail;
    ds_sighting list[DS_FOLLOW_FILES];
    uint32_t n;
    int64_t now_us;
    char given[1000]; /* "1:0-10 2:0-5" */
} kit;

static void open_kit(kit *k, bool at_end)
{
    memset(k, 0, sizeof *k);
    ds_tail_files_init(&k->tail, "in", at_end);
    k->now_us = SECOND;
}

static void close_kit(kit *k)
{
    ds_tail_files_fini(&k->tail);
}

/* A file of so many bytes in whole lines, and so many behind them. The inode is the first letter.
 */
static ds_sighting *sight(kit *k, uint64_t number, const char *path, uint64_t complete,
                          uint64_t behind)
{
    ds_sighting *s = &k->list[k->n++];
    *s = (ds_sighting){.what = DS_SIGHT_SEEN,
                       .number = number,
                       .path = path,
                       .id = {.device = 1, .inode = (uint64_t)path[0], .head = 7, .head_bytes = 3},
                       .same_head = true,
                       .named = true,
                       .size = complete + behind,
                       .complete = complete,
                       .pid = 12,
                       .fd = 3};
    return s;
}

static void see(kit *k, bool final)
{
    const ds_sightings seen = {k->list, k->n, 0};
    ds_tail_files_see(&k->tail, &seen, k->now_us, final);
    k->n = 0;
}

/* What is given, in ranges of up to `most` bytes. */
static const char *take(kit *k, uint64_t most)
{
    ds_input input;
    char *at = k->given;
    *at = '\0';
    bool more = ds_tail_files_more(&k->tail);
    while (ds_tail_files_take(&k->tail, most, &input)) {
        ck_assert_int_eq(input.kind, DS_INPUT_TAIL);
        ck_assert_uint_le(input.to - input.from, most);
        ck_assert(input.tail.stop == 0 || input.tail.stop >= input.to);
        at += sprintf(at, "%s%" PRIu64 ":%" PRIu64 "-%" PRIu64 "%s%s", at == k->given ? "" : " ",
                      input.tail.number, input.from, input.to, input.tail.starts ? "s" : "",
                      input.tail.stop == input.to ? "e" : "");
        ck_assert_uint_eq(input.position, input.from);
    }
    ck_assert_int_eq(more, k->given[0] != '\0');
    ck_assert_uint_eq(ds_tail_files_behind(&k->tail), 0);
    return k->given;
}

static uint64_t found(kit *k, const char *path, uint64_t complete, uint64_t behind)
{
    uint64_t number = k->tail.next_number;
    sight(k, 0, path, complete, behind);
    see(k, false);
    return number;
}

static void grown(kit *k, uint64_t number, const char *path, uint64_t complete, uint64_t behind)
{
    sight(k, number, path, complete, behind);
    see(k, false);
}

START_TEST(whole_lines_are_given)
{
    kit k;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 10, 3);
    ck_assert_uint_eq(ds_tail_files_behind(&k.tail), 10);
    ck_assert_str_eq(take(&k, 100), "1:0-10s");
    grown(&k, a, "a", 10, 5); /* the line behind grows */
    ck_assert_str_eq(take(&k, 100), "");
    grown(&k, a, "a", 20, 1);
    ck_assert_str_eq(take(&k, 100), "1:10-20");
    grown(&k, a, "a", 20, 1);
    ck_assert_str_eq(take(&k, 100), "");
    close_kit(&k);
}
END_TEST

START_TEST(much_is_given_in_parts_and_older_files_first)
{
    kit k;
    open_kit(&k, false);
    sight(&k, 0, "b", 25, 0);
    sight(&k, 0, "a", 7, 0);
    see(&k, false);
    ck_assert_str_eq(take(&k, 10), "1:0-10s 1:10-20 1:20-25 2:0-7s");
    ds_input input;
    found(&k, "c", 9, 0);
    ck_assert(ds_tail_files_take(&k.tail, 4, &input));
    ck_assert_str_eq(input.path, "c");
    ck_assert_uint_eq(input.tail.id.inode, 'c');
    ck_assert(input.tail.pid == 12 && input.tail.fd == 3);
    ck_assert_uint_eq(ds_tail_files_behind(&k.tail), 5);
    close_kit(&k);
}
END_TEST

START_TEST(files_begin_at_their_end_only_at_the_first_look)
{
    kit k;
    open_kit(&k, true);
    uint64_t a = found(&k, "a", 10, 3);
    ck_assert_str_eq(take(&k, 100), "");
    found(&k, "b", 4, 0);
    ck_assert_str_eq(take(&k, 100), "2:0-4s");
    grown(&k, a, "a", 20, 0);
    ck_assert_str_eq(take(&k, 100), "1:10-20");
    close_kit(&k);
    open_kit(&k, true); /* files that appeared while nobody looked are new, too */
    k.tail.seen = true;
    found(&k, "a", 10, 0);
    ck_assert_str_eq(take(&k, 100), "1:0-10s");
    close_kit(&k);
}
END_TEST

/* A file that was rotated away is read on; its last line needs no end once it is quiet. */
START_TEST(a_renamed_file_is_read_to_its_end)
{
    kit k;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 10, 3);
    ck_assert_str_eq(take(&k, 100), "1:0-10s");
    k.now_us += 60 * SECOND; /* being quiet does not end the line of a file in its place */
    grown(&k, a, "a", 10, 3);
    ck_assert_str_eq(take(&k, 100), "");
    sight(&k, a, "a.1", 10, 5)->named = false;
    sight(&k, 0, "b", 6, 0);
    see(&k, false);
    ck_assert_str_eq(take(&k, 100), "2:0-6s");
    k.now_us += DS_TAIL_QUIET_US - 1;
    sight(&k, a, "a.1", 10, 5)->named = false;
    see(&k, false);
    ck_assert_str_eq(take(&k, 100), "");
    k.now_us += 1;
    sight(&k, a, "a.1", 10, 5)->named = false;
    see(&k, false);
    ck_assert_str_eq(take(&k, 3), "1:10-13 1:13-15e");
    sight(&k, a, "a.1", 15, 0)->named = false;
    see(&k, false); /* and it is let go */
    ck_assert_uint_eq(k.tail.n, 1);
    ck_assert_uint_eq(k.tail.files[0].number, 2);
    ck_assert_uint_eq(k.tail.lost_bytes, 0);
    close_kit(&k);
}
END_TEST

/* Who writes it gets its time from the rename on, however long nothing was written before. */
START_TEST(a_renamed_file_is_not_quiet_at_once)
{
    for (int named = 0; named < 2; named++) {
        kit k;
        open_kit(&k, false);
        uint64_t a = found(&k, "a", 10, 3);
        take(&k, 100);
        k.now_us += 100 * DS_TAIL_QUIET_US;
        for (int i = 0; i < 2; i++) {
            sight(&k, a, "a.1", 10, 3)->named = named;
            see(&k, false);
            ck_assert_str_eq(take(&k, 100), "");
            k.now_us += DS_TAIL_QUIET_US / 2;
        }
        sight(&k, a, "a.1", 10, 3)->named = named;
        see(&k, false);
        ck_assert_str_eq(take(&k, 100), "1:10-13e");
        close_kit(&k);
    }
}
END_TEST

START_TEST(what_still_grows_is_not_quiet)
{
    kit k;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 10, 0);
    take(&k, 100);
    for (uint64_t i = 1; i < 10; i++) {
        k.now_us += DS_TAIL_QUIET_US / 2;
        sight(&k, a, "a.1", 10, i)->named = false;
        see(&k, false);
        ck_assert_str_eq(take(&k, 100), "");
    }
    sight(&k, a, "a.1", 20, 0)->named = false;
    see(&k, false);
    ck_assert_str_eq(take(&k, 100), "1:10-20");
    close_kit(&k);
}
END_TEST

/* When somebody goes on writing behind a record that had no end, another one starts there. */
START_TEST(a_record_without_an_end_ends)
{
    kit k;
    open_kit(&k, false);
    sight(&k, 0, "a", 10, 3);
    see(&k, true);
    ck_assert_str_eq(take(&k, 100), "1:0-13se");
    ck_assert(k.tail.files[0].cut);
    grown(&k, 1, "a", 13, 2); /* nothing but more of it */
    ck_assert_str_eq(take(&k, 100), "");
    grown(&k, 1, "a", 30, 2);
    ck_assert_str_eq(take(&k, 10), "1:13-23s 1:23-30");
    ck_assert(!k.tail.files[0].cut);
    close_kit(&k);
}
END_TEST

/* Where it ends is decided once, even if it takes several batches to get there. */
START_TEST(a_record_ends_where_it_was_found_to_end)
{
    kit k;
    ds_input input;
    open_kit(&k, false);
    sight(&k, 0, "a", 10, 10);
    see(&k, true);
    ck_assert(ds_tail_files_take(&k.tail, 12, &input));
    ck_assert_uint_eq(input.tail.stop, 20);
    grown(&k, 1, "a", 50, 0);
    ck_assert(ds_tail_files_take(&k.tail, 100, &input));
    ck_assert(input.from == 12 && input.to == 20 && input.tail.stop == 20);
    ck_assert_str_eq(take(&k, 100), "1:20-50s");
    close_kit(&k);
}
END_TEST

START_TEST(a_file_that_was_cut_off_begins_again)
{
    kit k;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 100, 0);
    found(&k, "b", 5, 0);
    take(&k, 1000);
    grown(&k, a, "a", 40, 2);
    ck_assert_str_eq(take(&k, 1000), "3:0-40s");
    ck_assert_uint_eq(k.tail.begun_again, 1);
    ck_assert_uint_eq(k.tail.lost_bytes, 0);
    ck_assert_uint_eq(k.tail.n, 2);
    /* Cut off behind what was given it goes on: there is nothing to begin again with. */
    grown(&k, 3, "a", 40, 0);
    ck_assert_str_eq(take(&k, 1000), "");
    ck_assert_uint_eq(k.tail.begun_again, 1);
    close_kit(&k);
}
END_TEST

START_TEST(what_was_found_and_is_cut_off_is_lost)
{
    kit k;
    ds_input input;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 100, 10);
    ck_assert(ds_tail_files_take(&k.tail, 30, &input));
    grown(&k, a, "a", 20, 0);
    ck_assert_uint_eq(k.tail.lost_bytes, 80);
    ck_assert_str_eq(take(&k, 1000), "2:0-20s");
    close_kit(&k);
}
END_TEST

START_TEST(a_file_that_was_written_anew_begins_again)
{
    kit k;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 100, 0);
    take(&k, 1000);
    ds_sighting *s = sight(&k, a, "a", 200, 0);
    s->same_head = false;
    s->id.head = 8;
    see(&k, false);
    ck_assert_uint_eq(k.tail.begun_again, 1);
    ck_assert_uint_eq(k.tail.files[0].id.head, 8);
    ck_assert_str_eq(take(&k, 1000), "2:0-200s");
    close_kit(&k);
}
END_TEST

START_TEST(a_file_that_is_gone_is_dropped)
{
    kit k;
    ds_input input;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 100, 10), b = found(&k, "b", 5, 0);
    ck_assert(ds_tail_files_take(&k.tail, 30, &input));
    sight(&k, a, "a", 0, 0)->what = DS_SIGHT_GONE;
    see(&k, false);
    ck_assert_uint_eq(k.tail.lost_bytes, 80);
    ck_assert_str_eq(take(&k, 1000), "2:0-5s");
    ck_assert_uint_eq(k.tail.n, 1);
    sight(&k, b, "b", 0, 0)->what = DS_SIGHT_GONE;
    see(&k, false);
    ck_assert_uint_eq(k.tail.n, 0);
    ck_assert_uint_eq(k.tail.lost_bytes, 80);
    close_kit(&k);
}
END_TEST

/* What batches have yet to read stays open, so it stays in the question. */
START_TEST(files_in_use_stay)
{
    kit k;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 10, 0);
    take(&k, 100);
    ds_tail_files_given(&k.tail, a, 3000);
    ds_tail_files_given(&k.tail, a, 2000); /* batches of a checkpoint come in any order */
    ds_tail_files_given(&k.tail, 99, 3000);
    ds_tail_files_hold(&k.tail, INT64_MAX, 3000);
    k.now_us += 2 * DS_TAIL_QUIET_US;
    for (int i = 0; i < 3; i++) {
        sight(&k, a, "a", 10, 0)->named = false;
        see(&k, false);
        k.now_us += DS_TAIL_QUIET_US;
    }
    ds_arena *arena = ds_arena_new(NULL);
    ds_follow_request request = ds_tail_files_ask(&k.tail, arena);
    ck_assert_uint_eq(request.n_files, 1);
    ck_assert_uint_eq(request.files[0].number, a);
    ck_assert_uint_eq(request.files[0].taken, 10);
    ck_assert_str_eq(request.files[0].path, "a");
    ds_tail_files_hold(&k.tail, INT64_MAX, 3001);
    sight(&k, a, "a", 10, 0)->named = false;
    see(&k, false);
    ck_assert_uint_eq(ds_tail_files_ask(&k.tail, arena).n_files, 0);
    ds_arena_free(arena);
    close_kit(&k);
}
END_TEST

/* Those that only committed batches may need leave half of the room to others, the oldest first. */
START_TEST(files_of_committed_batches_leave_room)
{
    kit k;
    open_kit(&k, false);
    const uint32_t n = DS_FOLLOW_FILES / 2 + 10;
    ck_assert_uint_eq(k.tail.room, DS_FOLLOW_FILES / 2);
    for (uint32_t i = 1; i <= n; i++) {
        ds_tail_files_given(&k.tail, found(&k, "a", 10, 0), i < 5 ? 1000 : 2000);
        take(&k, 100);
    }
    ds_tail_files_hold(&k.tail, 2000, 1000);
    k.now_us += 2 * DS_TAIL_QUIET_US;
    for (int i = 0; i < 2; i++) {
        for (uint32_t f = 1; f <= n; f++)
            sight(&k, f, "a", 10, 0)->named = false;
        see(&k, false);
        ck_assert_uint_eq(k.tail.n,
                          i == 0 ? n : n - 4); /* who lost its name may still be written */
        k.now_us += DS_TAIL_QUIET_US;
    }
    ds_tail_files_hold(&k.tail, 3000, 1000);
    see(&k, false);
    ck_assert_uint_eq(k.tail.n, DS_FOLLOW_FILES / 2);
    ds_tail_files_hold(&k.tail, 3000, 3000);
    see(&k, false);
    ck_assert_uint_eq(k.tail.n, 0);
    close_kit(&k);
}
END_TEST

/* What a restart has to know: other names, and files that began again. */
START_TEST(what_is_news)
{
    kit k;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 10, 0);
    take(&k, 100);
    grown(&k, a, "a", 20, 0);
    ck_assert(!k.tail.news);
    grown(&k, a, "b", 20, 0);
    ck_assert(k.tail.news);
    k.tail.news = false;
    grown(&k, a, "b", 5, 0);
    ck_assert(k.tail.news);
    close_kit(&k);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_waits)
{
    kit k;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 10, 0);
    for (int i = 0; i < 3; i++) {
        ds_sighting *s = sight(&k, a, "a", 0, 0);
        s->what = DS_SIGHT_UNREADABLE;
        s->why = "no";
        see(&k, false);
        ck_assert_str_eq(take(&k, 100), "");
    }
    grown(&k, a, "a", 20, 0);
    ck_assert_str_eq(take(&k, 100), "1:0-20s");
    ds_sighting *s = sight(&k, 0, "new", 0, 0);
    s->what = DS_SIGHT_UNREADABLE;
    s->why = "no";
    see(&k, false);
    ck_assert_uint_eq(k.tail.n, 1);
    close_kit(&k);
}
END_TEST

static void away(kit *k, uint64_t number, const char *path)
{
    sight(k, number, path, 0, 0)->what = DS_SIGHT_AWAY;
    see(k, false);
}

START_TEST(a_file_whose_folder_is_away_keeps_its_position)
{
    kit k;
    open_kit(&k, false);
    uint64_t a = found(&k, "a", 10, 0);
    take(&k, 100);
    for (int i = 0; i < 3; i++) {
        k.now_us += DS_FOLLOW_AWAY_US / 4;
        away(&k, a, "a");
        ds_sighting *s = sight(&k, a, "a", 0, 0); /* between two scans */
        s->what = DS_SIGHT_UNREADABLE;
        s->why = "no";
        see(&k, false);
        ck_assert_str_eq(take(&k, 100), "");
        ck_assert_ptr_nonnull(ds_tail_files_find(&k.tail, a));
        ck_assert_uint_eq(ds_tail_files_away(&k.tail), 1);
    }
    ck_assert_uint_eq(k.tail.shown, 1); /* it is told once */
    grown(&k, a, "a", 20, 0);
    ck_assert_str_eq(take(&k, 100), "1:10-20");
    k.now_us += DS_FOLLOW_AWAY_US; /* it counts from the last time that it was there */
    away(&k, a, "a");
    ck_assert_uint_eq(k.tail.n, 1);
    ds_tail_files_given(&k.tail, a, 1000);
    ds_tail_files_hold(&k.tail, 1000, 1000);
    k.now_us += DS_FOLLOW_AWAY_US;
    away(&k, a, "a");
    ck_assert_uint_eq(k.tail.n, 1);
    ck_assert_ptr_null(ds_tail_files_find(&k.tail, a)); /* it is gone */
    ck_assert_uint_eq(ds_tail_files_away(&k.tail), 0);
    ds_tail_files_hold(&k.tail, 2000, 2000);
    see(&k, false);
    ck_assert_uint_eq(k.tail.n, 0);
    ck_assert_ptr_null(ds_tail_files_find(&k.tail, a));
    ck_assert_uint_eq(k.tail.lost_bytes, 0);
    close_kit(&k);
}
END_TEST

START_TEST(files_that_are_away_make_room)
{
    kit k;
    open_kit(&k, false);
    for (uint32_t i = 0; i < DS_FOLLOW_FILES; i++)
        found(&k, "a", 1, 0);
    away(&k, 1, "a");
    away(&k, 2, "a");
    ds_tail_files_given(&k.tail, 1, 1000);
    ds_tail_files_hold(&k.tail, 1000, 1000);
    for (int i = 0; i < 2; i++) {
        found(&k, "b", 1, 0);
        ck_assert_uint_eq(k.tail.n, DS_FOLLOW_FILES);
        ck_assert_uint_eq(k.tail.next_number, DS_FOLLOW_FILES + 2);
    }
    ck_assert_uint_eq(k.tail.files[0].number, 1);
    ck_assert_uint_eq(k.tail.files[1].number, 3);
    close_kit(&k);
}
END_TEST

START_TEST(there_is_a_limit)
{
    kit k;
    open_kit(&k, false);
    for (uint32_t i = 0; i < DS_FOLLOW_FILES + 5; i++)
        found(&k, "a", 1, 0);
    ck_assert_uint_eq(k.tail.n, DS_FOLLOW_FILES);
    const ds_sightings seen = {k.list, 0, 7};
    ds_tail_files_see(&k.tail, &seen, k.now_us, false);
    ck_assert_uint_eq(k.tail.beyond, 7);
    close_kit(&k);
}
END_TEST

static ds_tail_file recovered(uint64_t number, const char *path, uint64_t taken)
{
    return (ds_tail_file){.number = number,
                          .path = (char *)(uintptr_t)path,
                          .id = {1, (uint64_t)path[0], 7, 3},
                          .size = taken,
                          .taken = taken};
}

START_TEST(positions_come_back)
{
    kit k;
    open_kit(&k, false);
    ds_tail_file a = recovered(4, "a", 10), b = recovered(2, "b", 5);
    ds_tail_files_recover(&k.tail, &a);
    ds_tail_files_recover(&k.tail, &b);
    a.taken = 20; /* what a batch was given later */
    a.cut = true;
    ds_tail_files_recover(&k.tail, &a);
    ck_assert_uint_eq(k.tail.n, 2);
    ck_assert_uint_eq(k.tail.files[0].number, 2);
    ck_assert_str_eq(take(&k, 100), ""); /* nothing is given before it was found */
    k.tail.seen = true;
    sight(&k, 2, "b", 8, 0);
    sight(&k, 4, "a.1", 30, 0);
    see(&k, false);
    ck_assert_str_eq(take(&k, 100), "2:5-8 4:20-30s");
    ck_assert(k.tail.files[1].moved && !k.tail.files[0].moved);
    ck_assert_uint_eq(found(&k, "c", 1, 0), 5);
    close_kit(&k);
}
END_TEST

/* A file that began again before the end is in the checkpoint under both numbers. */
START_TEST(a_number_takes_the_place_of_an_older_one)
{
    kit k;
    open_kit(&k, false);
    ds_tail_file a = recovered(1, "a", 100), b = recovered(2, "b", 5), again = recovered(3, "a", 7);
    ds_tail_files_recover(&k.tail, &a);
    ds_tail_files_recover(&k.tail, &b);
    ds_tail_files_recover(&k.tail, &again);
    ck_assert_uint_eq(k.tail.n, 2);
    ck_assert_uint_eq(k.tail.files[0].number, 2);
    ck_assert_uint_eq(k.tail.files[1].number, 3);
    ck_assert_uint_eq(k.tail.files[1].taken, 7);
    close_kit(&k);
}
END_TEST

UNIT_MAIN("tail_files", whole_lines_are_given, much_is_given_in_parts_and_older_files_first,
          files_begin_at_their_end_only_at_the_first_look, a_renamed_file_is_read_to_its_end,
          a_renamed_file_is_not_quiet_at_once, what_still_grows_is_not_quiet,
          a_record_without_an_end_ends, a_record_ends_where_it_was_found_to_end,
          a_file_that_was_cut_off_begins_again, what_was_found_and_is_cut_off_is_lost,
          a_file_that_was_written_anew_begins_again, a_file_that_is_gone_is_dropped,
          files_in_use_stay, files_of_committed_batches_leave_room, what_is_news,
          a_file_that_cannot_be_read_waits, a_file_whose_folder_is_away_keeps_its_position,
          files_that_are_away_make_room, there_is_a_limit, positions_come_back,
          a_number_takes_the_place_of_an_older_one)
