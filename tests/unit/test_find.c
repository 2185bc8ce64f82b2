/* Search and comparison kernels: the fast ways against the plain ones. */
#include "base/random.h"
#include "columnar/compare.h"
#include "columnar/find.h"
#include "columnar/find_rows.h"
#include "columnar/text_simd.h"
#include "unit/unit.h"

#include <string.h>

START_TEST(finds)
{
    const char *text = "the quick brown fox jumps over the lazy dog";
    size_t n = strlen(text);
    ck_assert_ptr_eq(ds_find(text, n, "the", 3), text);
    ck_assert_ptr_eq(ds_find(text, n, "dog", 3), text + n - 3);
    ck_assert_ptr_eq(ds_find(text, n, "q", 1), text + 4);
    ck_assert_ptr_eq(ds_find(text, n, "", 0), text);
    ck_assert_ptr_eq(ds_find(text, n, text, n), text);
    ck_assert_ptr_eq(ds_find("", 0, "", 0), (const char *)"");
    ck_assert_ptr_null(ds_find(text, n, "cat", 3));
    ck_assert_ptr_null(ds_find(text, 2, "the", 3));
    ck_assert_ptr_null(ds_find("", 0, "a", 1));
}
END_TEST

/* Texts over two letters, so that there are many near misses; at the end of their memory. */
static void find_as_memmem(ds_simd level)
{
    ds_random random;
    ds_simd_limit(level);
    ds_random_init(&random, 1);
    for (int round = 0; round < 20000; round++) {
        size_t n = ds_random_below(&random, 80), m = ds_random_below(&random, 8);
        if (round % 100 == 0)
            m = 250 + ds_random_below(&random, 20), n = m + ds_random_below(&random, 80);
        char *text = malloc(n + 1), needle[300];
        for (size_t i = 0; i < n; i++)
            text[i] = "ab"[ds_random_below(&random, 2)];
        for (size_t i = 0; i < m; i++)
            needle[i] =
                n >= m && round % 3 == 0 ? text[n - m + i] : "ab"[ds_random_below(&random, 2)];
        char *exact = malloc(n > 0 ? n : 1);
        memcpy(exact, text, n);
        ck_assert_ptr_eq(ds_find(exact, n, needle, m), memmem(exact, n, needle, m));
        free(exact);
        free(text);
    }
    ds_simd_limit(DS_SIMD_AVX2);
}

START_TEST(finds_as_memmem)
{
    find_as_memmem(DS_SIMD_PLAIN);
    find_as_memmem(DS_SIMD_SSE2);
    find_as_memmem(DS_SIMD_AVX2);
}
END_TEST

/* Rows of a few letters and line ends, some of them with nothing between them, some out of order,
 * in two buffers, short and long: each must be found as if it were alone. */
START_TEST(finds_rows_as_each_alone)
{
    enum { ROWS = 300, BYTES = 20000 };
    static const char needles[][6] = {"a", "ab", "\n", "b\na", "abab", "aaaaa", ""};
    ds_random random;
    ds_random_init(&random, 3);
    char *texts[2] = {malloc(BYTES), malloc(BYTES)};
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    for (int t = 0; t < 2; t++) {
        for (int i = 0; i < BYTES; i++)
            texts[t][i] = "abccccc\n"[ds_random_below(&random, 8)];
        ds_heap_add(&heap, texts[t]);
    }
    for (int round = 0; round < 300; round++) {
        ds_view views[ROWS];
        uint64_t bits[(ROWS + 63) / 64] = {0};
        uint32_t at = 0, buffer = 0, longest = round % 3 == 0 ? 20 : 60;
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t length = (uint32_t)ds_random_below(&random, longest);
            if (ds_random_below(&random, 20) == 0)
                buffer = 1 - buffer, at = (uint32_t)ds_random_below(&random, BYTES / 2);
            at += (uint32_t)ds_random_below(&random, round % 2 == 0 ? 2 : 30);
            at = at + length > BYTES ? 0 : at;
            views[i] = ds_view_at(texts[buffer] + at, length, buffer, at);
            at += length;
        }
        const char *needle = needles[round % 7];
        uint32_t m = (uint32_t)strlen(needle);
        ds_find_rows(&heap, views, ROWS, needle, m, bits);
        for (uint32_t i = 0; i < ROWS; i++)
            ck_assert_int_eq(ds_bit_get(bits, i), memmem(ds_view_bytes(&heap, &views[i]),
                                                         views[i].length, needle, m) != NULL);
    }
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    free(texts[0]);
    free(texts[1]);
}
END_TEST

START_TEST(compares_as_the_plain_way)
{
    static const ds_kind kinds[] = {DS_INT, DS_FLOAT};
    ds_random random;
    ds_random_init(&random, 2);
    int64_t ints[2][64];
    double floats[2][64];
    for (int round = 0; round < 200; round++) {
        uint32_t count = round % 2 == 0 ? 64 : (uint32_t)ds_random_below(&random, 65);
        for (int i = 0; i < 64; i++)
            for (int side = 0; side < 2; side++) {
                ints[side][i] = (int64_t)(ds_random_next(&random) >> (round % 63));
                ints[side][i] = i % 3 == 0 ? ints[0][i] : -ints[side][i];
                floats[side][i] = (double)ints[side][i] / 3;
                if (i % 7 == 0)
                    floats[side][i] = side == 0 ? 0.0 : -0.0;
            }
        for (int k = 0; k < 2; k++)
            for (int op = DS_COMPARE_EQUAL; op <= DS_COMPARE_LESS; op++) {
                const void *a = k == 0 ? (void *)ints[0] : (void *)floats[0];
                const void *b = k == 0 ? (void *)ints[1] : (void *)floats[1];
                uint64_t fast = ds_compare_find((ds_compare_op)op, kinds[k])(a, b, count);
                uint64_t plain = ds_compare_plain((ds_compare_op)op, kinds[k])(a, b, count);
                ck_assert_uint_eq(fast, plain);
                ck_assert(count == 64 || fast >> count == 0);
                for (uint32_t i = 0; i < count; i++) {
                    bool less = k == 0 ? ints[0][i] < ints[1][i] : floats[0][i] < floats[1][i];
                    bool equal = k == 0 ? ints[0][i] == ints[1][i] : floats[0][i] == floats[1][i];
                    ck_assert_int_eq(fast >> i & 1, op == DS_COMPARE_LESS ? less : equal);
                }
            }
    }
}
END_TEST

UNIT_MAIN("find", finds, finds_as_memmem, finds_rows_as_each_alone, compares_as_the_plain_way)
