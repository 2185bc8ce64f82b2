/* Folders and pieces of files: what is listed, and that each record is in one piece. */
#include "receiver/files.h"

#include "base/random.h"
#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of its own for each test, emptied and removed by hand. */
static char dir[] = "/tmp/dstream-files-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *bytes, size_t length)
{
    FILE *file = fopen(path_of(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

static void make_dir(void)
{
    strcpy(strrchr(dir, '-'), "-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

/* ------------------------------------------------------------------- listing */

typedef struct listing {
    ds_buffer names; /* each with a space behind it */
    uint64_t size;
    int64_t mtime_us;
} listing;

static void note(void *arg, const ds_file_info *file)
{
    listing *l = arg;
    ds_buffer_printf(&l->names, "%s ", file->name);
    l->size += file->size;
    l->mtime_us = file->mtime_us;
}

static void assert_list(const char *pattern, const char *names)
{
    listing l = {0};
    ck_assert_int_eq(ds_files_list(dir, pattern, note, &l, NULL), DS_OK);
    ck_assert_str_eq(ds_buffer_text(&l.names), names);
    ds_buffer_fini(&l.names);
}

START_TEST(lists_what_matches)
{
    static const char *const names[] = {"b.log", "a.log",     "c.txt",   ".hidden.log",
                                        "d.tmp", "e.log.tmp", "f.tmp.x", "A.log"};
    make_dir();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        write_file(names[i], "x\n", 2);
    ck_assert_int_eq(mkdir(path_of("folder.log"), 0700), 0);
    ck_assert_int_eq(mkfifo(path_of("pipe.log"), 0600), 0);
    ck_assert_int_eq(symlink("a.log", path_of("link.log")), 0);
    ck_assert_int_eq(symlink("nowhere", path_of("dangling.log")), 0);
    ck_assert_int_eq(symlink("loop.log", path_of("loop.log")), 0);
    assert_list("*", "A.log a.log b.log c.txt f.tmp.x link.log ");
    assert_list("*.log", "A.log a.log b.log link.log ");
    assert_list("[ab].log", "a.log b.log ");
    assert_list("?.txt", "c.txt ");
    assert_list(".*", "");
    assert_list("*.tmp", "");
    assert_list("none", "");
    unlink(path_of("pipe.log"));
    rmdir(path_of("folder.log"));
    unlink(path_of("link.log"));
    unlink(path_of("dangling.log"));
    unlink(path_of("loop.log"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    assert_list("*", "");
    rmdir(dir);
}
END_TEST

START_TEST(tells_size_and_time)
{
    make_dir();
    write_file("a", "12345", 5);
    struct timespec times[2] = {{1, 0}, {1700000000, 123456789}};
    ck_assert_int_eq(utimensat(AT_FDCWD, path_of("a"), times, 0), 0);
    listing l = {0};
    ck_assert_int_eq(ds_files_list(dir, "*", note, &l, NULL), DS_OK);
    ck_assert_uint_eq(l.size, 5);
    ck_assert_int_eq(l.mtime_us, 1700000000123456);
    ds_buffer_fini(&l.names);
    unlink(path_of("a"));
    rmdir(dir);
}
END_TEST

START_TEST(a_folder_that_is_not_there)
{
    ds_error error;
    listing l = {0};
    make_dir();
    ck_assert_int_eq(ds_files_list(path_of("no"), "*", note, &l, &error), DS_ERR_NO_INPUT);
    ck_assert_ptr_nonnull(strstr(error.message, "No such file"));
    write_file("plain", "", 0);
    ck_assert_int_eq(ds_files_list(path_of("plain"), "*", note, &l, &error), DS_ERR_NO_INPUT);
    unlink(path_of("plain"));
    rmdir(dir);
}
END_TEST

/* ------------------------------------------------------------------- pieces */

static ds_buffer buffer;

static ds_file_piece read_piece(uint64_t from, uint64_t to, uint32_t limit)
{
    ds_file_piece piece;
    ds_error error;
    ck_assert_int_eq(ds_file_piece_read(path_of("f"), from, to, limit, &buffer, &piece, &error),
                     DS_OK);
    return piece;
}

static void assert_piece(uint64_t from, uint64_t to, uint64_t offset, const char *text)
{
    ds_file_piece piece = read_piece(from, to, 100);
    ck_assert_uint_eq(piece.length, strlen(text));
    ck_assert_mem_eq(piece.bytes, text, strlen(text));
    if (piece.length > 0)
        ck_assert_uint_eq(piece.offset, offset);
}

static void clean_up(void)
{
    unlink(path_of("f"));
    rmdir(dir);
    ds_buffer_fini(&buffer);
}

START_TEST(pieces_hold_the_records_that_start_there)
{
    make_dir();
    write_file("f", "aa\nbb\n\ncc", 9);
    assert_piece(0, 9, 0, "aa\nbb\n\ncc");
    assert_piece(0, 1, 0, "aa\n");
    assert_piece(0, 3, 0, "aa\n");
    assert_piece(0, 4, 0, "aa\nbb\n");
    assert_piece(1, 3, 0, "");
    assert_piece(2, 4, 3, "bb\n");
    assert_piece(3, 4, 3, "bb\n");
    assert_piece(4, 6, 0, "");
    assert_piece(4, 7, 6, "\n");
    assert_piece(6, 7, 6, "\n");
    assert_piece(7, 8, 7, "cc");
    assert_piece(8, 9, 0, "");
    assert_piece(5, 5, 0, "");
    assert_piece(0, 0, 0, "");
    clean_up();
}
END_TEST

/* Which records of a range: "offset text". */
static void assert_range(ds_file_range range, uint64_t offset, const char *text)
{
    int fd = open(path_of("f"), O_RDONLY);
    ds_file_piece piece;
    range.record_limit = 100;
    ck_assert_int_eq(ds_file_range_read(fd, "f", &range, &buffer, &piece, NULL), DS_OK);
    ck_assert_uint_eq(piece.length, strlen(text));
    ck_assert_mem_eq(piece.bytes, text, strlen(text));
    if (piece.length > 0)
        ck_assert_uint_eq(piece.offset, offset);
    close(fd);
}

START_TEST(a_record_starts_where_it_is_said_to_start)
{
    make_dir();
    write_file("f", "aa\nbb\n\r\ncc", 10);
    assert_range((ds_file_range){.from = 1, .to = 3, .starts = true}, 1, "a\n");
    assert_range((ds_file_range){.from = 4, .to = 5, .starts = true}, 4, "b\n");
    assert_range((ds_file_range){.from = 0, .to = 3, .starts = true}, 0, "aa\n");
    /* But for the end of the record before it. */
    assert_range((ds_file_range){.from = 2, .to = 6, .starts = true}, 3, "bb\n");
    assert_range((ds_file_range){.from = 2, .to = 3, .starts = true}, 0, "");
    assert_range((ds_file_range){.from = 6, .to = 10, .starts = true}, 8, "cc");
    assert_range((ds_file_range){.from = 6, .to = 7, .starts = true}, 6, "\r\n");
    /* At the beginning of a file an empty line is a line. */
    write_file("f", "\nx\n", 3);
    assert_range((ds_file_range){.from = 0, .to = 3, .starts = true}, 0, "\nx\n");
    clean_up();
}
END_TEST

START_TEST(a_file_ends_where_it_is_said_to_end)
{
    make_dir();
    write_file("f", "aa\nbbbbbb\ncc", 12);
    assert_range((ds_file_range){.from = 0, .to = 6, .stop = 6}, 0, "aa\nbbb");
    assert_range((ds_file_range){.from = 0, .to = 4, .stop = 6}, 0, "aa\nbbb");
    assert_range((ds_file_range){.from = 4, .to = 6, .stop = 6}, 0, "");
    assert_range((ds_file_range){.from = 0, .to = 4, .stop = 12}, 0, "aa\nbbbbbb\n");
    assert_range((ds_file_range){.from = 6, .to = 9, .starts = true}, 6, "bbb\n");
    assert_range((ds_file_range){.from = 0, .to = 4, .stop = 2}, 0, "aa\nb"); /* nonsense */
    int fd = open(path_of("f"), O_RDONLY);
    ds_file_piece piece;
    ds_file_range range = {.from = 3, .to = 13, .record_limit = 5};
    ck_assert_int_eq(ds_file_range_read(fd, "f", &range, &buffer, &piece, NULL), DS_ERR_IO);
    close(fd);
    clean_up();
}
END_TEST

START_TEST(a_record_over_the_limit_is_cut)
{
    make_dir();
    char bytes[40];
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes + 36, "\nab\n", 4);
    write_file("f", bytes, sizeof bytes);
    ds_file_piece piece = read_piece(0, 10, 5); /* to + limit + 1: over the limit anyway */
    ck_assert_uint_eq(piece.length, 16);
    ck_assert_uint_eq(read_piece(10, 20, 5).length, 0);
    ck_assert_uint_eq(read_piece(16, 37, 5).length, 0);
    piece = read_piece(20, 40, 5);
    ck_assert_uint_eq(piece.length, 3);
    ck_assert_uint_eq(piece.offset, 37);
    /* a record of exactly the limit with \r\n, of which only one byte is within the piece */
    write_file("f", "a\n12345\r\nz\n", 11);
    piece = read_piece(2, 3, 5);
    ck_assert_uint_eq(piece.length, 7);
    ck_assert_mem_eq(piece.bytes, "12345\r\n", 7);
    clean_up();
}
END_TEST

/* The records of random files, cut at random places, are those of the whole file. */
typedef struct whole {
    char bytes[6000];
    size_t length;
} whole;

static void make_whole(whole *w, ds_random *random, uint64_t longest)
{
    w->length = (size_t)ds_random_below(random, sizeof w->bytes);
    uint64_t left = 0;
    for (size_t i = 0; i < w->length; i++) {
        if (left == 0)
            left = 1 + ds_random_below(random, longest);
        w->bytes[i] = --left == 0 ? '\n' : (char)ds_random_next(random);
    }
}

/* Checks one piece against the next bytes of the file; returns where they end. */
static size_t check_piece(const whole *w, size_t at, uint64_t from, uint64_t to, uint32_t limit)
{
    ds_file_piece piece = read_piece(from, to, limit);
    if (piece.length == 0)
        return at;
    if (piece.offset != at) { /* only the rest of an over-long record may be left out */
        ck_assert_uint_gt(piece.offset, at);
        ck_assert_ptr_eq(memchr(w->bytes + at, '\n', piece.offset - 1 - at), NULL);
        ck_assert_int_ne(w->bytes[at - 1], '\n');
    }
    ck_assert_uint_ge(piece.offset, from);
    ck_assert_uint_lt(piece.offset, to);
    ck_assert_mem_eq(piece.bytes, w->bytes + piece.offset, piece.length);
    size_t end = piece.offset + piece.length;
    if (end < w->length && w->bytes[end - 1] != '\n') { /* cut: then it is too long */
        const char *last = memrchr(w->bytes, '\n', end);
        size_t start = last == NULL ? 0 : (size_t)(last + 1 - w->bytes);
        ck_assert_uint_gt(end - start, (size_t)limit + 1);
    }
    return end;
}

START_TEST(each_record_is_in_one_piece)
{
    static whole w;
    ds_random random;
    ds_random_init(&random, 3);
    make_dir();
    for (int round = 0; round < 200; round++) {
        uint32_t limit = 1 + (uint32_t)ds_random_below(&random, 300);
        make_whole(&w, &random, 1 + ds_random_below(&random, 500));
        write_file("f", w.bytes, w.length);
        uint64_t most = 1 + ds_random_below(&random, 700);
        size_t at = 0;
        for (uint64_t from = 0, to; from < w.length; from = to) {
            to = from + 1 + ds_random_below(&random, most);
            to = to < w.length ? to : w.length;
            at = check_piece(&w, at, from, to, limit);
        }
        const char *rest = at < w.length ? memchr(w.bytes + at, '\n', w.length - at) : NULL;
        ck_assert(rest == NULL || rest + 1 == w.bytes + w.length);
        ck_assert(at == w.length || w.bytes[at - 1] != '\n');
    }
    clean_up();
}
END_TEST

START_TEST(a_long_tail_is_read_on)
{
    static char bytes[100000];
    make_dir();
    memset(bytes, 'x', sizeof bytes);
    bytes[0] = '\n';
    bytes[70000] = '\n';
    write_file("f", bytes, sizeof bytes);
    ds_file_piece piece = read_piece(0, 2, 1 << 20);
    ck_assert_uint_eq(piece.length, 70001);
    piece = read_piece(70000, sizeof bytes, 1 << 20);
    ck_assert_uint_eq(piece.length, sizeof bytes - 70001);
    clean_up();
}
END_TEST

START_TEST(files_that_changed)
{
    ds_file_piece piece;
    ds_error error;
    make_dir();
    write_file("f", "abc\n", 4);
    ck_assert_int_eq(ds_file_piece_read(path_of("f"), 0, 5, 100, &buffer, &piece, &error),
                     DS_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "has shrunk"));
    ck_assert_int_eq(ds_file_piece_read(path_of("f"), 6, 9, 100, &buffer, &piece, &error),
                     DS_ERR_IO);
    ck_assert_int_eq(ds_file_piece_read(path_of("g"), 0, 5, 100, &buffer, &piece, &error),
                     DS_ERR_NO_INPUT);
    ck_assert_int_eq(ds_file_piece_read(path_of("f/x"), 0, 5, 100, &buffer, &piece, &error),
                     DS_ERR_NO_INPUT);
    ck_assert_int_eq(ds_file_piece_read(dir, 0, 5, 100, &buffer, &piece, &error), DS_ERR_IO);
    ck_assert_int_eq(mkfifo(path_of("pipe"), 0600), 0);
    ck_assert_int_eq(ds_file_piece_read(path_of("pipe"), 0, 5, 100, &buffer, &piece, &error),
                     DS_ERR_IO);
    unlink(path_of("pipe"));
    clean_up();
}
END_TEST

UNIT_MAIN("files", lists_what_matches, tells_size_and_time, a_folder_that_is_not_there,
          pieces_hold_the_records_that_start_there, a_record_starts_where_it_is_said_to_start,
          a_file_ends_where_it_is_said_to_end, a_record_over_the_limit_is_cut,
          each_record_is_in_one_piece, a_long_tail_is_read_on, files_that_changed)
