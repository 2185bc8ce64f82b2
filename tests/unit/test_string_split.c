/* split: its rules, and that every version of it agrees on random text. */
#include "base/random.h"
#include "columnar/text_kernel.h"
#include "columnar/text_simd.h"
#include "columnar/white_space.h"

#include "unit/kernel_harness.h"

#define LONG "morethantwelvebytes"

START_TEST(split_at_white_space)
{
    check("split", "s",
          "[['a bc  def'], [''], ['   '], [' a '], ['\\t\\n\\u000b\\f\\r x\\ty'], ['one'],"
          " ['" LONG " b " LONG "2'], ['é\\u00a0€ 😀'], [null],"
          " ['123456789012 1234567890123 12345678901'], ['\\u0001 \\u001f \\u007f']]",
          "[['a','bc','def'],[],[],['a'],['x','y'],['one'],['" LONG "','b','" LONG "2'],"
          "['é\xC2\xA0€','😀'],null,['123456789012','1234567890123','12345678901'],"
          "['\\u0001','\\u001f','\x7f']]");
    check("split", "n", "[[null]]", "[null]");
    refused("split", "i", "[[1]]", "int");
}
END_TEST

START_TEST(split_at_a_separator)
{
    check("split", "ss",
          "[['a,b,,c', ','], ['', ','], [',', ','], ['abc', ','], ['a::b:c', '::'], ['aaaa', 'aa'],"
          " ['é€😀', ''], ['', ''], ['" LONG "," LONG "', ','], ['a b', ' '], [null, ','],"
          " ['a', null], ['a€b', '€']]",
          "[['a','b','','c'],[''],['',''],['abc'],['a','b:c'],['','',''],['é','€','😀'],[],"
          "['" LONG "','" LONG "'],['a','b'],null,null,['a','b']]");
}
END_TEST

static bool is_view_of(const ds_heap *heap, const ds_view *view, const char *text, uint32_t length)
{
    if (view->length != length || memcmp(ds_view_bytes(heap, view), text, length) != 0)
        return false;
    ds_view expected = ds_view_at(text, length, 0, 0); /* zero behind the text, or the prefix */
    return memcmp(view, &expected, length <= DS_INLINE_BYTES ? sizeof expected : 8) == 0;
}

/* What split(s) has to give, by its definition. */
static bool is_row_split(const ds_heap *heap, const ds_column *out, uint32_t row, const char *text,
                         uint32_t length)
{
    uint32_t element = out->offsets[row];
    for (uint32_t at = 0; at < length;) {
        if (ds_is_white(text[at])) {
            at++;
            continue;
        }
        uint32_t from = at;
        while (at < length && !ds_is_white(text[at]))
            at++;
        if (element == out->offsets[row + 1] ||
            !is_view_of(heap, &out->child->views[element++], text + from, at - from))
            return false;
    }
    return element == out->offsets[row + 1];
}

/* A column of random texts, each in memory of its own, so that a read behind it shows. */
static ds_column *random_texts(harness *h, ds_random *random, uint32_t n, char **texts)
{
    static const char alphabet[] = "abc  \t\n\xC3\xA9\x08\x0e\x1f!";
    ds_column *column = ds_column_new(h->arena, DS_TYPE(DS_STRING), n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t most = i % 50 == 0 ? 9000 : i % 7 == 0 ? 300 : i % 2 == 0 ? 20 : 80;
        uint32_t length = (uint32_t)ds_random_below(random, most);
        uint64_t kinds = 1 + ds_random_below(random, sizeof alphabet - 1);
        texts[i] = ds_alloc(length);
        for (uint32_t c = 0; c < length; c++)
            texts[i][c] = alphabet[ds_random_below(random, kinds)];
        uint32_t buffer = length > DS_INLINE_BYTES ? ds_heap_add(&h->heap, texts[i]) : 0;
        column->views[i] = ds_view_at(texts[i], length, buffer, 0);
    }
    return column;
}

START_TEST(all_versions_agree)
{
    static const ds_simd levels[] = {DS_SIMD_PLAIN, DS_SIMD_SSE2, DS_SIMD_AVX2};
    enum { ROWS = 2000 };
    for (size_t l = 0; l < 3; l++) {
        ds_simd_limit(levels[l]);
        ds_random random;
        ds_random_init(&random, 41);
        harness h;
        harness_init(&h);
        char *texts[ROWS];
        json_t *none = json_pack("[[s]]", "");
        ck_assert(harness_resolve(&h, "split", "s", none));
        h.columns[0] = random_texts(&h, &random, ROWS, texts);
        uint64_t selected[ROWS / 64 + 1], errors[ROWS / 64 + 1];
        ds_bitmap_fill(selected, ROWS);
        const ds_column *out = harness_run(&h, ROWS, selected, errors);
        for (uint32_t i = 0; i < ROWS; i++)
            ck_assert(is_row_split(&h.heap, out, i, texts[i], h.columns[0]->views[i].length));
        for (uint32_t i = 0; i < ROWS; i++)
            free(texts[i]);
        json_decref(none);
        harness_fini(&h);
    }
    ds_simd_limit(DS_SIMD_AVX2);
}
END_TEST

START_TEST(masks_agree_at_every_length)
{
    static const ds_simd levels[] = {DS_SIMD_PLAIN, DS_SIMD_SSE2, DS_SIMD_AVX2};
    ds_random random;
    ds_random_init(&random, 42);
    for (uint32_t length = 1; length < 300; length++) {
        size_t readable = length < DS_WHITE_READ ? DS_WHITE_READ : length;
        char *text = ds_alloc(readable);
        for (size_t i = 0; i < readable; i++)
            text[i] = (char)ds_random_below(&random, i % 2 == 0 ? 256 : 40);
        for (size_t l = 0; l < 3; l++) {
            uint64_t masks[8] = {0};
            ds_simd_limit(levels[l]);
            ds_white_masks()(text, 0, length, masks);
            bool fine = true;
            for (uint32_t i = 0; i < (length + 63) / 64 * 64; i++)
                fine &= ds_bit_get(masks, i) == (i >= length || ds_is_white(text[i]));
            ck_assert(fine);
        }
        free(text);
    }
    ds_simd_limit(DS_SIMD_AVX2);
}
END_TEST

START_TEST(only_selected_rows_are_split)
{
    harness h;
    harness_init(&h);
    json_t *rows = harness_json("[['a b'], ['c d'], [null], ['e f']]");
    ck_assert(harness_resolve(&h, "split", "s", rows));
    uint64_t selected = 2, errors;
    const ds_column *out = harness_run(&h, 4, &selected, &errors);
    ck_assert_uint_eq(out->child->length, 2);
    ck_assert(ds_column_is_null(out, 2));
    selected = 0;
    ck_assert_uint_eq(harness_run(&h, 4, &selected, &errors)->child->length, 0);
    ck_assert_uint_eq(harness_run(&h, 0, &selected, &errors)->child->length, 0);
    json_decref(rows);
    harness_fini(&h);
}
END_TEST

START_TEST(the_number_of_parts_is_limited)
{
    /* Two rows of 9 million parts each: the first fits. */
    enum { LENGTH = 18000000 };
    harness h;
    harness_init(&h);
    json_t *rows = harness_json("[['', ''], ['', ''], ['a b', ' ']]");
    char *text = ds_alloc(LENGTH);
    for (uint32_t i = 0; i < LENGTH; i += 2) {
        text[i] = 'a';
        text[i + 1] = ' ';
    }
    uint32_t buffer = ds_heap_add(&h.heap, text);
    const char *const types[] = {"s", "ss"};
    for (int way = 0; way < 2; way++) {
        ck_assert(harness_resolve(&h, "split", types[way], rows));
        ds_view *views = h.columns[0]->views;
        views[0] = views[1] = ds_view_at(text, way == 0 ? LENGTH : LENGTH / 2, buffer, 0);
        uint64_t selected = 7, errors;
        const ds_column *out = harness_run(&h, 3, &selected, &errors);
        ck_assert_uint_eq(errors, 2);
        ck_assert_uint_eq(out->offsets[1], LENGTH / 2);
        ck_assert_uint_eq(out->offsets[2], LENGTH / 2);
        ck_assert_uint_eq(out->offsets[3], LENGTH / 2 + 2);
    }
    free(text);
    json_decref(rows);
    harness_fini(&h);
}
END_TEST

UNIT_MAIN("string_split", split_at_white_space, split_at_a_separator, all_versions_agree,
          masks_agree_at_every_length, only_selected_rows_are_split, the_number_of_parts_is_limited)
