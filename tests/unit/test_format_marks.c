/* The maps of marks, as vectors make them, against bytes looked at one by one. */
#include "columnar/format_lines.h"
#include "columnar/text_simd.h"

#include "base/random.h"
#include "unit/unit.h"

#include <stdlib.h>

static const ds_mark_bytes all_kinds[] = {
    {.special = "\"\\", .controls = true},
    {.special = "\"\\", .separator = ' '},
    {.special = "\""},
    {.special = "\"=#", .controls = true, .separator = ';'},
};

/* Any bytes, of which one in `rarity` is one that might be marked. */
static void fill(char *bytes, uint32_t n, uint32_t rarity, ds_random *random)
{
    static const char often[] = "\n\"\\ =;#\x1f\x01\r\x82\xaa\x8a\xdc";
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = ds_random_below(random, rarity) == 0
                       ? often[ds_random_below(random, sizeof often - 1)]
                       : (char)(ds_random_below(random, 300) == 0 ? ds_random_below(random, 256)
                                                                  : 'a' + i % 26);
}

static bool is_special(const ds_mark_bytes *which, char c)
{
    return c == '\n' || (c != '\0' && strchr(which->special, c) != NULL) ||
           (which->controls && (unsigned char)c < 0x20);
}

static bool bit(const uint64_t *map, uint32_t at)
{
    return map[at / 64] >> at % 64 & 1;
}

/* Everything a pass says about bytes[from, to) that it went over. */
static void expect_marks(const ds_mark_bytes *which, const char *bytes, uint32_t from, uint32_t to,
                         const ds_marks *marks, const uint32_t *ends, uint32_t n_ends)
{
    uint32_t n = 0;
    bool plain = true, alike = true; /* an assertion for each byte would take long */
    ck_assert_ptr_eq(marks->from, bytes + from);
    for (uint32_t i = from; i < to; i++) {
        char c = bytes[i];
        plain = plain && (signed char)c > 0;
        alike = alike && bit(marks->special, i - from) == is_special(which, c);
        if (which->separator != '\0')
            alike =
                alike && bit(marks->separators, i - from) == (c == '\n' || c == which->separator);
        if (c == '\n')
            alike = alike && n < n_ends && ends[n++] == i;
    }
    ck_assert(alike);
    ck_assert_uint_eq(n, n_ends);
    ck_assert_int_eq(marks->plain, plain);
}

/* From a byte on, the next mark is the next marked one, or the end. */
static void expect_next(const ds_mark_bytes *which, const char *bytes, uint32_t from, uint32_t to,
                        const ds_marks *marks)
{
    uint32_t next = to, step = to - from < 1000 ? 1 : 37;
    bool alike = true;
    for (uint32_t i = to; i-- > from;) {
        if (is_special(which, bytes[i]))
            next = i;
        if (i % step == 0)
            alike = alike && ds_mark_next(marks, marks->special, bytes + i) == bytes + next;
    }
    ck_assert(alike);
}

static void mark_all(const ds_mark_bytes *which, const char *bytes, uint32_t n)
{
    static ds_marks marks;
    static uint32_t ends[DS_LINE_ENDS + 1];
    ds_mark_fn *mark = ds_mark_best(which);
    if (mark == NULL)
        return; /* not on this processor */
    for (uint32_t at = 0; at < n;) {
        uint32_t from = at;
        uint32_t to = n - at < DS_WINDOW_BYTES ? n : at + DS_WINDOW_BYTES;
        uint32_t n_ends = mark(which, bytes, &at, to, &marks, ends);
        ck_assert_uint_gt(at, from);
        ck_assert_uint_le(at, to);
        ck_assert_uint_le(n_ends, DS_LINE_ENDS);
        expect_marks(which, bytes, from, at, &marks, ends, n_ends);
        expect_next(which, bytes, from, at, &marks);
    }
}

static void mark_all_kinds(const char *bytes, uint32_t n)
{
    for (size_t kind = 0; kind < sizeof all_kinds / sizeof *all_kinds; kind++)
        mark_all(&all_kinds[kind], bytes, n);
}

START_TEST(marks_are_where_the_bytes_are)
{
    ds_random random;
    ds_random_init(&random, 11);
    for (uint32_t rarity = 1; rarity < 3000; rarity = rarity * 3 + 1)
        for (uint32_t n = 1; n < 400; n = n < 140 ? n + 1 : n * 2) {
            char *bytes = malloc(n); /* so that reading too far is noticed */
            fill(bytes, n, rarity, &random);
            mark_all_kinds(bytes, n);
            free(bytes);
        }
}
END_TEST

START_TEST(windows_are_marked_to_their_ends)
{
    enum { N = 2 * 65536 + 77 };
    ds_random random;
    ds_random_init(&random, 12);
    char *bytes = malloc(N);
    for (uint32_t rarity = 2; rarity < 20000; rarity *= 20) {
        fill(bytes, N, rarity, &random);
        mark_all_kinds(bytes, N);
    }
    memset(bytes, '\n', N); /* more line ends than there is room for */
    mark_all_kinds(bytes, N);
    memset(bytes, 'x', N);
    mark_all_kinds(bytes, N);
    free(bytes);
}
END_TEST

START_TEST(without_vectors_there_are_no_marks)
{
    ds_simd_limit(DS_SIMD_PLAIN);
    ck_assert_ptr_null(ds_mark_best(&all_kinds[0]));
    ds_simd_limit(DS_SIMD_AVX2);
}
END_TEST

/* Lines of nothing but x, and their marks. */
static void cut_lines(const char *bytes, uint32_t n)
{
    ds_lines lines = {0};
    uint32_t at = 0;
    bool alike = true;
    ds_lines_open(&lines, bytes, n, &all_kinds[0]);
    while (ds_lines_more(&lines))
        for (; lines.next < lines.n_ends; lines.next++) {
            const char *from = bytes + at, *end = memchr(from, '\n', n - at);
            const ds_marks *marks = lines.marks;
            end = end == NULL ? bytes + n : end;
            alike = alike && lines.start == at && bytes + lines.ends[lines.next] == end;
            if (marks != NULL)
                alike = alike && ds_mark_next(marks, marks->special, from) == end;
            at = (uint32_t)(end - bytes) + 1;
            lines.start = at;
        }
    ck_assert(alike);
    ck_assert_uint_ge(at, n);
    ds_lines_fini(&lines);
}

START_TEST(lines_of_all_lengths_have_marks)
{
    enum { N = 400000 };
    static const uint32_t most[] = {2, 60, 300, 5000, 80000, 200000};
    ds_random random;
    ds_random_init(&random, 13);
    char *bytes = malloc(N);
    for (int round = 0; round < 30; round++) {
        memset(bytes, 'x', N);
        for (uint32_t at = 0; at < N; at++) {
            at += (uint32_t)ds_random_below(&random, most[round % 6]);
            if (at < N)
                bytes[at] = '\n';
        }
        cut_lines(bytes, N);
        cut_lines(bytes, N - 1 - (uint32_t)ds_random_below(&random, 70000));
    }
    free(bytes);
}
END_TEST

UNIT_MAIN("format marks", marks_are_where_the_bytes_are, windows_are_marked_to_their_ends,
          without_vectors_there_are_no_marks, lines_of_all_lengths_have_marks)
