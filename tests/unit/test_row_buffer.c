/* Buffers of whole rows: chunks in, whole columns out; and rows from pieces. */
#include "dstream/row_buffer.h"

#include "unit/columns.h"

static void add(ds_row_buffer *buffer, desk *d, const ds_type *types, const char *const *texts,
                uint32_t n_columns)
{
    const ds_column *columns[8];
    for (uint32_t c = 0; c < n_columns; c++)
        columns[c] = column_of(d, types[c], texts[c]);
    ds_row_buffer_add(buffer, columns, NULL, columns[0]->length);
}

START_TEST(chunks_are_joined)
{
    desk d;
    desk_open(&d);
    static const ds_type types[] = {DS_TYPE(DS_INT),      DS_TYPE(DS_STRING),    DS_TYPE(DS_BOOL),
                                    DS_TYPE(DS_FLOAT),    DS_TYPE(DS_TIMESTAMP), DS_LIST_OF(DS_INT),
                                    DS_LIST_OF(DS_STRING)};
    static const char *const first[] = {
        "1 2",   "a 'a text that is longer'", "true null", "1.5 2", "null 1000", "[1 2] null",
        "[a] []"};
    static const char *const second[] = {
        "null", "''", "false", "null", "7", "[null 3]", "['some longer text' b]"};
    static const char *const expected[] = {"1 2 null",
                                           "a 'a text that is longer' ''",
                                           "true null false",
                                           "1.5 2 null",
                                           "null 1000 7",
                                           "[1 2] null [null 3]",
                                           "[a] [] ['some longer text' b]"};
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_row_buffer *buffer = ds_row_buffer_new(types, 7, &budget);
    ds_column *columns[7];
    ck_assert_uint_eq(ds_row_buffer_rows(buffer, columns), 0);
    for (int round = 0; round < 3; round++) {
        add(buffer, &d, types, first, 7);
        ds_row_buffer_add(buffer, NULL, NULL, 0);
        add(buffer, &d, types, second, 7);
        ck_assert_uint_eq(ds_row_buffer_rows(buffer, columns), 3);
        for (int c = 0; c < 7; c++)
            ck_assert_str_eq(text_of(&d, columns[c]), expected[c]);
        ck_assert_uint_gt(ds_row_buffer_bytes(buffer), 0);
        ds_row_buffer_clear(buffer);
        ck_assert_uint_eq(ds_row_buffer_rows(buffer, columns), 0);
    }
    ds_row_buffer_free(buffer);
    ds_row_buffer_free(NULL);
    ck_assert_int_eq(budget.used_bytes, 0);
    desk_close(&d);
}
END_TEST

/* Bitmaps are joined at any bit, with and without nulls on either side. */
START_TEST(bits_are_joined_anywhere)
{
    desk d;
    desk_open(&d);
    static const ds_type types[] = {DS_TYPE(DS_BOOL), DS_TYPE(DS_INT)};
    for (uint32_t first = 1; first < 140; first += 23) {
        ds_row_buffer *buffer = ds_row_buffer_new(types, 2, NULL);
        uint32_t total = 0;
        for (uint32_t n = first; n < first + 5; n++) {
            ds_column *bits = ds_column_new(d.arena, types[0], n);
            ds_column *ints = ds_column_new(d.arena, types[1], n);
            if (n % 2 == 0)
                ds_column_need_validity(ints, d.arena);
            for (uint32_t i = 0; i < n; i++) {
                ds_bit_put(bits->bits, i, (total + i) % 3 == 0);
                ints->ints[i] = total + i;
                if (n % 2 == 0 && (total + i) % 5 == 0)
                    ds_bit_clear(ints->validity, i);
            }
            const ds_column *columns[] = {bits, ints};
            ds_row_buffer_add(buffer, columns, NULL, n);
            total += n;
        }
        ds_column *columns[2];
        ck_assert_uint_eq(ds_row_buffer_rows(buffer, columns), total);
        uint32_t row = 0;
        for (uint32_t n = first; n < first + 5; n++) {
            for (uint32_t i = 0; i < n; i++, row++) {
                ck_assert_int_eq(ds_bit_get(columns[0]->bits, row), row % 3 == 0);
                ck_assert_int_eq(columns[1]->ints[row], row);
                ck_assert_int_eq(ds_column_is_null(columns[1], row), n % 2 == 0 && row % 5 == 0);
            }
        }
        ds_row_buffer_free(buffer);
    }
    desk_close(&d);
}
END_TEST

/* The cost of lists is in proportion to their elements, however many chunks they came in. */
START_TEST(lists_of_many_chunks)
{
    desk d;
    desk_open(&d);
    static const ds_type types[] = {DS_LIST_OF(DS_INT)};
    ds_row_buffer *buffer = ds_row_buffer_new(types, 1, NULL);
    ds_column *child = ds_column_new(d.arena, DS_TYPE(DS_INT), 2000);
    ds_column *list = ds_column_new(d.arena, types[0], 1000);
    for (uint32_t i = 0; i < 2000; i++)
        child->ints[i] = i;
    for (uint32_t i = 0; i <= 1000; i++)
        list->offsets[i] = 2 * i;
    list->child = child;
    const ds_column *columns[] = {list};
    for (int i = 0; i < 500; i++)
        ds_row_buffer_add(buffer, columns, NULL, 1000);
    size_t before = ds_row_buffer_bytes(buffer);
    ds_column *joined[1];
    ck_assert_uint_eq(ds_row_buffer_rows(buffer, joined), 500000);
    ck_assert_uint_lt(ds_row_buffer_bytes(buffer) - before, 16 << 20);
    for (uint32_t row = 0; row < 500000; row += 999) {
        ck_assert_uint_eq(joined[0]->offsets[row], 2 * row);
        ck_assert_int_eq(joined[0]->child->ints[2 * row + 1], 2 * (row % 1000) + 1);
    }
    ck_assert_uint_eq(joined[0]->offsets[500000], 1000000);
    ds_row_buffer_free(buffer);
    desk_close(&d);
}
END_TEST

/* No columns, but rows: what a count() over a window of rows keeps. */
START_TEST(rows_without_columns)
{
    ds_row_buffer *buffer = ds_row_buffer_new(NULL, 0, NULL);
    ds_row_buffer_add(buffer, NULL, NULL, 5);
    ds_row_buffer_add(buffer, NULL, NULL, 7);
    ck_assert_uint_eq(ds_row_buffer_rows(buffer, NULL), 12);
    ds_row_buffer_free(buffer);
}
END_TEST

/* Rows of one position stay in the order in which they came. */
START_TEST(positions_put_rows_in_order)
{
    desk d;
    desk_open(&d);
    static const ds_type types[] = {DS_TYPE(DS_STRING), DS_LIST_OF(DS_INT), DS_TYPE(DS_BOOL)};
    static const int64_t first[] = {0, 2, 2}, second[] = {1, 2, 5}, third[] = {6, 7};
    ds_row_buffer *buffer = ds_row_buffer_new(types, 3, NULL);
    const ds_column *one[] = {column_of(&d, types[0], "a c d"),
                              column_of(&d, types[1], "[1] [3] [4 5]"),
                              column_of(&d, types[2], "true null false")};
    const ds_column *two[] = {column_of(&d, types[0], "b e f"),
                              column_of(&d, types[1], "[2] null [6]"),
                              column_of(&d, types[2], "true true false")};
    const ds_column *three[] = {column_of(&d, types[0], "g h"), column_of(&d, types[1], "[] [7]"),
                                column_of(&d, types[2], "null true")};
    ds_row_buffer_add(buffer, one, first, 3);
    ds_row_buffer_add(buffer, two, second, 3);
    ds_row_buffer_add(buffer, three, third, 2);
    ds_column *columns[3];
    ck_assert_uint_eq(ds_row_buffer_rows(buffer, columns), 8);
    ck_assert_str_eq(text_of(&d, columns[0]), "a b c d e f g h");
    ck_assert_str_eq(text_of(&d, columns[1]), "[1] [2] [3] [4 5] null [6] [] [7]");
    ck_assert_str_eq(text_of(&d, columns[2]), "true true null false true false null true");
    ds_row_buffer_clear(buffer);
    ds_row_buffer_add(buffer, two, second, 3);
    ck_assert_uint_eq(ds_row_buffer_rows(buffer, columns), 3);
    ck_assert_str_eq(text_of(&d, columns[0]), "b e f");
    ds_row_buffer_free(buffer);
    desk_close(&d);
}
END_TEST

UNIT_MAIN("row_buffer", positions_put_rows_in_order, chunks_are_joined, bits_are_joined_anywhere,
          lists_of_many_chunks, rows_without_columns)
