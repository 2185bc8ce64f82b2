/* The fast searches against the plain ones, at every alignment and length. */
#include "columnar/format_lines.h"
#include "columnar/format_scan.h"

#include "unit/unit.h"

#include <string.h>

/* A small generator, so that a failure comes again. */
static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Bytes of which one in `rarity` is special. */
static void fill(char *bytes, size_t n, uint32_t rarity, uint32_t *state)
{
    static const char special[] = "\n\"\\,\x1f\x01 =";
    for (size_t i = 0; i < n; i++)
        bytes[i] = next_random(state) % rarity == 0 ? special[next_random(state) % 8]
                                                    : (char)(0x20 + next_random(state) % 0xe0);
}

/* All newlines of a range, by one of the searches, in portions of `room`. */
static uint32_t find_all(ds_newlines_fn *newlines, const char *bytes, uint32_t n, uint32_t *ends,
                         uint32_t room)
{
    uint32_t from = 0, count = 0;
    while (from < n)
        count += newlines(bytes, &from, n, ends + count, room);
    ck_assert_uint_eq(from, n);
    return count;
}

START_TEST(newlines_are_found_alike)
{
    enum { N = 3000 };
    static uint32_t plain[N + 64], fast[N + 64];
    uint32_t state = 7;
    for (uint32_t rarity = 1; rarity < 200; rarity = rarity * 2 + 1)
        for (uint32_t n = 0; n < N; n = n < 200 ? n + 1 : n * 3 / 2) {
            char *bytes = malloc(n + 1);
            fill(bytes, n, rarity, &state);
            uint32_t room = 64 + next_random(&state) % 100;
            uint32_t count = find_all(ds_newlines_plain, bytes, n, plain, room);
            ck_assert_uint_eq(find_all(ds_newlines_best(), bytes, n, fast, room), count);
            ck_assert_mem_eq(plain, fast, count * sizeof *plain);
            free(bytes);
        }
}
END_TEST

START_TEST(nothing_but_newlines_fits_the_room)
{
    char bytes[1000];
    uint32_t ends[1000 + 64];
    memset(bytes, '\n', sizeof bytes);
    ck_assert_uint_eq(find_all(ds_newlines_best(), bytes, 1000, ends, 64), 1000);
    for (uint32_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(ends[i], i);
    uint32_t from = 0;
    ck_assert_uint_le(ds_newlines_best()(bytes, &from, 1000, ends, 100), 100);
}
END_TEST

START_TEST(bytes_are_found_alike)
{
    uint32_t state = 99;
    for (int round = 0; round < 20000; round++) {
        size_t n = next_random(&state) % 80, behind = next_random(&state) % 40;
        char *bytes = malloc(n + behind + 1);
        fill(bytes, n + behind, 1 + next_random(&state) % 60, &state);
        const char *end = bytes + n, *limit = end + behind;
        const char *from = bytes + (n == 0 ? 0 : next_random(&state) % n);
        ck_assert_ptr_eq(ds_scan_either(from, end, limit, '"', ','),
                         ds_scan_either_plain(from, end, '"', ','));
        ck_assert_ptr_eq(ds_scan_for(from, end, limit, '\\'),
                         ds_scan_either_plain(from, end, '\\', '\\'));
        ck_assert_ptr_eq(ds_scan_json(from, end, limit), ds_scan_json_plain(from, end));
        ck_assert_ptr_eq(ds_scan_logfmt(from, end, limit), ds_scan_logfmt_plain(from, end));
        free(bytes);
    }
}
END_TEST

static uint32_t count_lines(const char *bytes, uint32_t n)
{
    static ds_lines lines;
    uint32_t count = 0;
    ds_lines_open(&lines, bytes, n, NULL);
    while (ds_lines_more(&lines)) {
        ck_assert_uint_le(lines.n_ends, DS_LINE_ENDS + 1);
        for (; lines.next < lines.n_ends; lines.next++, count++) {
            ck_assert_uint_ge(lines.ends[lines.next], lines.start);
            lines.start = lines.ends[lines.next] + 1;
        }
    }
    ck_assert_uint_eq(ds_lines_left(&lines), 0);
    return count;
}

START_TEST(lines_of_any_length_are_cut)
{
    enum { N = 300000 };
    char *bytes = malloc(N);
    memset(bytes, 'x', N);
    ck_assert_uint_eq(count_lines(bytes, 0), 0);
    ck_assert_uint_eq(count_lines(bytes, N), 1); /* longer than a window */
    bytes[N - 1] = '\n';
    ck_assert_uint_eq(count_lines(bytes, N), 1);
    bytes[70000] = '\n';
    ck_assert_uint_eq(count_lines(bytes, N), 2);
    memset(bytes, '\n', N);
    ck_assert_uint_eq(count_lines(bytes, N), N);
    bytes[N - 1] = 'x';
    ck_assert_uint_eq(count_lines(bytes, N), N);
    free(bytes);
}
END_TEST

START_TEST(a_window_knows_whether_it_is_plain)
{
    static ds_lines lines;
    ds_lines_open(&lines, "abc\nd\xC3\xA9\n", 8, NULL);
    ck_assert(ds_lines_more(&lines));
    ck_assert(!lines.plain);
    ds_lines_open(&lines, "abc\nde", 6, NULL);
    ck_assert(ds_lines_more(&lines));
    ck_assert(lines.plain);
    ck_assert_uint_eq(ds_lines_left(&lines), 2);
}
END_TEST

UNIT_MAIN("format scan", newlines_are_found_alike, nothing_but_newlines_fits_the_room,
          bytes_are_found_alike, lines_of_any_length_are_cut, a_window_knows_whether_it_is_plain)
