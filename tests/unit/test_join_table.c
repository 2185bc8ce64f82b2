/* The held side of a join: rows by key, in parts, with nulls, of another heap. */
#include "dstream/join_table.h"

#include "unit/columns.h"

#define INT DS_TYPE(DS_INT)
#define STRING DS_TYPE(DS_STRING)

static const uint32_t first_two[] = {0, 1};

/* All rows of one key as text: "0 3 4", or "none". */
static const char *chain_of(desk *d, const ds_join_table *table, uint32_t row)
{
    ds_buffer text = {0};
    for (uint32_t at = row; at != DS_NO_ROW; at = ds_join_table_next(table, at))
        ds_buffer_printf(&text, "%s%u", text.length > 0 ? " " : "", at);
    const char *copy = ds_arena_strdup(d->arena, text.length > 0 ? ds_buffer_text(&text) : "none");
    ds_buffer_fini(&text);
    return copy;
}

static void add(ds_join_table *table, desk *d, const ds_type *types, const char *const *texts,
                uint32_t n)
{
    const ds_column **columns = DS_ARENA_ARRAY(d->arena, const ds_column *, n);
    for (uint32_t c = 0; c < n; c++)
        columns[c] = column_of(d, types[c], texts[c]);
    ds_join_table_add(table, columns, first_two, columns[0]->length);
}

START_TEST(rows_by_key)
{
    desk d;
    desk_open(&d);
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    static const ds_type types[] = {INT, STRING, DS_LIST_OF(DS_INT)};
    ds_join_table *table = ds_join_table_new(types, 2, &d.heap, &budget);
    static const char *const one[] = {"1 2 1 null 1", "a b a a 'a longer text than fits'",
                                      "[1] [2] [] null [5 6]"};
    static const char *const two[] = {"1 2 2", "a null b", "[7] [8] [9]"};
    add(table, &d, types, one, 3);
    add(table, &d, types, two, 3);
    ds_join_table_add(table, NULL, first_two, 0);
    ck_assert_uint_eq(ds_join_table_rows(table), 8);
    ck_assert_uint_gt(ds_join_table_bytes(table), 0);
    ck_assert_ptr_eq(ds_join_table_heap(table), &d.heap);

    const ds_column *keys[] = {column_of(&d, INT, "1 2 1 3 null 2 1"),
                               column_of(&d, STRING, "a b 'a longer text than fits' a a null b")};
    uint32_t rows[7];
    ds_join_table_find(table, &d.heap, keys, 7, rows);
    static const char *const chains[] = {"0 2 5", "1 7", "4", "none", "none", "none", "none"};
    for (int i = 0; i < 7; i++)
        ck_assert_str_eq(chain_of(&d, table, rows[i]), chains[i]);

    static const uint32_t all[] = {7, 0, 4, 3, 6};
    ds_column *lists = ds_join_table_column(table, d.arena, 2, types[2], all, 5, 0);
    ck_assert_str_eq(text_of(&d, lists), "[9] [1] [5 6] null [8]");
    ds_column *texts = ds_join_table_column(table, d.arena, 1, types[1], all, 5, 0);
    ck_assert_str_eq(text_of(&d, texts), "b a 'a longer text than fits' a null");
    ds_join_table_free(table);
    ds_join_table_free(NULL);
    ck_assert_int_eq(budget.used_bytes, 0);
    desk_close(&d);
}
END_TEST

/* A table that many tasks share has a heap of its own. */
START_TEST(text_of_another_heap)
{
    desk theirs, ours;
    desk_open(&theirs);
    desk_open(&ours);
    static const ds_type types[] = {STRING, STRING};
    static const char *const rows[] = {"'key number one of all' x", "'the first long value' y"};
    ds_join_table *table = ds_join_table_new(types, 1, &theirs.heap, NULL);
    add(table, &theirs, types, rows, 2);
    const ds_column *key = column_of(&ours, STRING, "'another long key' 'key number one of all'");
    uint32_t found[2];
    ds_join_table_find(table, &ours.heap, &key, 2, found);
    ck_assert_uint_eq(found[0], DS_NO_ROW);
    ck_assert_uint_eq(found[1], 0);
    uint32_t base = ours.heap.n_buffers;
    for (uint32_t i = 0; i < theirs.heap.n_buffers; i++)
        ds_heap_add(&ours.heap, theirs.heap.buffers[i]);
    static const uint32_t both[] = {1, 0};
    ck_assert_str_eq(
        text_of(&ours, ds_join_table_column(table, ours.arena, 1, STRING, both, 2, base)),
        "y 'the first long value'");
    ds_join_table_free(table);
    desk_close(&theirs);
    desk_close(&ours);
}
END_TEST

/* Very many rows, in parts larger than a chunk: each is found, and in the order it came. */
START_TEST(more_rows_than_a_chunk)
{
    enum { ROWS = 3 * DS_CHUNK_ROWS + 77, KEYS = 1000, PARTS = 3 };
    desk d;
    desk_open(&d);
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    const ds_type type = INT;
    ds_join_table *table = ds_join_table_new(&type, 1, &d.heap, &budget);
    for (int p = 0; p < PARTS; p++) {
        ds_column *column = ds_column_new(d.arena, type, ROWS);
        for (int i = 0; i < ROWS; i++)
            column->ints[i] = (p * ROWS + i) % KEYS;
        const ds_column **columns = DS_ARENA_ARRAY(d.arena, const ds_column *, 1);
        columns[0] = column;
        ds_join_table_add(table, columns, first_two, ROWS);
    }
    ds_column *keys = ds_column_new(d.arena, type, KEYS + 1);
    for (int k = 0; k <= KEYS; k++)
        keys->ints[k] = k;
    const ds_column *const asked = keys;
    uint32_t first[KEYS + 1];
    ds_join_table_find(table, &d.heap, &asked, KEYS + 1, first);
    ck_assert_uint_eq(first[KEYS], DS_NO_ROW);
    for (uint32_t k = 0; k < KEYS; k++) {
        uint32_t expected = k;
        for (uint32_t row = first[k]; row != DS_NO_ROW; row = ds_join_table_next(table, row)) {
            ck_assert_uint_eq(row, expected);
            expected += KEYS;
        }
        ck_assert_uint_ge(expected, PARTS * ROWS);
    }
    ds_join_table_free(table);
    ck_assert_int_eq(budget.used_bytes, 0);
    desk_close(&d);
}
END_TEST

UNIT_MAIN("join_table", rows_by_key, text_of_another_heap, more_rows_than_a_chunk)
