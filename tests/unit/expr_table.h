/*
 * A small table, and expressions evaluated over it: for the tests of expressions.
 *
 *     row   i          j     f       g      b      c      s                       t             l
 *     0     1          2     1.5     0.5    true   true   'apple'                 2026-01-01 [1,2]
 *     1     -2         3     -2.5    0.0    false  true   ''                      1970-01-01    []
 *     2     null       5     null    2.0    null   null   null                    null null 3 2^63
 * - 1   -1    1e308   1e308  true   null   'a text of many bytes'  9999-12-31    [3,null] 4     0
 * 0     0.0     -0.0   false  null   'ähre'                  0001-01-01    [1,2] 5     7 null
 * 100.25  null   true   false  '100%'                  2026-01-01 +1s [7]
 *
 * and u (text 'Apple', 'a%', null, ...), n (an int column that is null throughout).
 */
#ifndef DS_TESTS_EXPR_TABLE_H
#define DS_TESTS_EXPR_TABLE_H

#include "base/buffer.h"
#include "columnar/expr.h"
#include "columnar/text.h"
#include "unit/unit.h"

#include <inttypes.h>
#include <string.h>

#define TABLE_ROWS 6u
#define TABLE_COLUMNS 11u
#define DAY_2026 INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

typedef struct expr_table {
    ds_arena *arena;
    ds_heap heap;
    ds_schema schema;
    ds_chunk chunk;
    uint64_t selected, errors, faults;
    const ds_user_functions *functions; /* NULL: none */
    ds_expr_error error;
    ds_buffer text;
} expr_table;

static inline ds_column *table_column(expr_table *table, ds_kind kind, uint64_t valid)
{
    ds_column *column = ds_column_new(table->arena, DS_TYPE(kind), TABLE_ROWS);
    column->validity = DS_ARENA_ARRAY(table->arena, uint64_t, 1);
    *column->validity = valid;
    return column;
}

static inline ds_column *table_ints(expr_table *table, ds_kind kind, uint64_t valid,
                                    const int64_t *values)
{
    ds_column *column = table_column(table, kind, valid);
    memcpy(column->ints, values, TABLE_ROWS * sizeof *values);
    return column;
}

static inline ds_column *table_floats(expr_table *table, uint64_t valid, const double *values)
{
    ds_column *column = table_column(table, DS_FLOAT, valid);
    memcpy(column->floats, values, TABLE_ROWS * sizeof *values);
    return column;
}

static inline ds_column *table_bools(expr_table *table, uint64_t valid, uint64_t bits)
{
    ds_column *column = table_column(table, DS_BOOL, valid);
    *column->bits = bits;
    return column;
}

static inline ds_column *table_texts(expr_table *table, uint64_t valid, const char *const *values)
{
    ds_column *column = table_column(table, DS_STRING, valid);
    for (uint32_t i = 0; i < TABLE_ROWS; i++)
        column->views[i] = ds_view_copy(&table->heap, values[i], (uint32_t)strlen(values[i]));
    return column;
}

static inline ds_column *table_lists(expr_table *table)
{
    static const int64_t elements[] = {1, 2, 3, 0, 1, 2, 7};
    static const uint32_t offsets[] = {0, 2, 2, 2, 4, 6, 7};
    ds_column *column = ds_column_new(table->arena, DS_LIST_OF(DS_INT), TABLE_ROWS);
    memcpy(column->offsets, offsets, sizeof offsets);
    column->validity = DS_ARENA_ARRAY(table->arena, uint64_t, 1);
    *column->validity = 0x3b;
    column->child = ds_column_new(table->arena, DS_TYPE(DS_INT), 7);
    memcpy(column->child->ints, elements, sizeof elements);
    column->child->validity = DS_ARENA_ARRAY(table->arena, uint64_t, 1);
    *column->child->validity = 0x77;
    return column;
}

static inline void table_open(expr_table *table)
{
    static const int64_t i[] = {1, -2, 99, INT64_MAX, 0, 7}, j[] = {2, 3, 5, -1, 0, 99};
    static const int64_t t[] = {DAY_2026,          0, 5, DS_TIMESTAMP_MAX, DS_TIMESTAMP_MIN,
                                DAY_2026 + 1000000};
    static const double f[] = {1.5, -2.5, 99, 1e308, 0.0, 100.25};
    static const double g[] = {0.5, 0.0, 2.0, 1e308, -0.0, 99};
    static const char *const s[] = {"apple", "", "", "a text of many bytes", "\xc3\xa4hre", "100%"};
    static const char *const u[] = {"Apple", "a%", "", "a text of many bytez", "\xc3\xa4hre", ""};
    static ds_field fields[] = {
        {"i", {DS_INT, 0}},    {"j", {DS_INT, 0}},       {"f", {DS_FLOAT, 0}},
        {"g", {DS_FLOAT, 0}},  {"b", {DS_BOOL, 0}},      {"c", {DS_BOOL, 0}},
        {"s", {DS_STRING, 0}}, {"t", {DS_TIMESTAMP, 0}}, {"l", {DS_LIST, DS_INT}},
        {"u", {DS_STRING, 0}}, {"n", {DS_INT, 0}},
    };
    *table = (expr_table){.arena = ds_arena_new(NULL)};
    ds_heap_init(&table->heap, table->arena);
    table->schema = (ds_schema){fields, TABLE_COLUMNS};
    const ds_column **columns = DS_ARENA_ARRAY(table->arena, const ds_column *, TABLE_COLUMNS);
    columns[0] = table_ints(table, DS_INT, 0x3b, i);
    columns[1] = table_ints(table, DS_INT, 0x1f, j);
    columns[2] = table_floats(table, 0x3b, f);
    columns[3] = table_floats(table, 0x1f, g);
    columns[4] = table_bools(table, 0x3b, 0x2d);
    columns[5] = table_bools(table, 0x23, 0x1f);
    columns[6] = table_texts(table, 0x3b, s);
    columns[7] = table_ints(table, DS_TIMESTAMP, 0x3b, t);
    columns[8] = table_lists(table);
    columns[9] = table_texts(table, 0x1b, u);
    columns[10] = table_ints(table, DS_INT, 0, i);
    table->chunk = (ds_chunk){.n_rows = TABLE_ROWS, .n_columns = TABLE_COLUMNS, .columns = columns};
    table->selected = 0x3f;
}

static inline void table_close(expr_table *table)
{
    ds_buffer_fini(&table->text);
    ds_heap_fini(&table->heap);
    ds_arena_free(table->arena);
}

static inline ds_expr *table_bind(expr_table *table, const char *text)
{
    ds_scope scope = {.columns = &table->schema,
                      .allow_window = true,
                      .place = "where",
                      .functions = table->functions};
    ds_expr *expr;
    if (ds_expr_parse(table->arena, text, strlen(text), &expr, &table->error) != DS_OK ||
        ds_expr_bind(table->arena, expr, &scope, &table->error) != DS_OK)
        return NULL;
    return expr;
}

static inline void table_show(ds_buffer *out, const ds_heap *heap, const ds_column *column,
                              uint32_t row)
{
    if (ds_column_is_null(column, row)) {
        ds_buffer_append_text(out, "null");
        return;
    }
    switch (column->type.kind) {
    case DS_BOOL: ds_buffer_append_text(out, ds_bit_get(column->bits, row) ? "T" : "F"); break;
    case DS_FLOAT: ds_buffer_printf(out, "%.15g", column->floats[row]); break;
    case DS_STRING:
        ds_buffer_append(out, ds_view_bytes(heap, &column->views[row]), column->views[row].length);
        break;
    case DS_LIST:
        ds_buffer_append_char(out, '[');
        for (uint32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
            table_show(out, heap, column->child, i);
            if (i + 1 < column->offsets[row + 1])
                ds_buffer_append_char(out, ',');
        }
        ds_buffer_append_char(out, ']');
        break;
    default: ds_buffer_printf(out, "%" PRId64, column->ints[row]); break;
    }
}

/* Runs a program of one expression; "-" for rows that are not selected, "!" for failed ones. */
static inline const char *table_run(expr_table *table, ds_expr *expr)
{
    ds_program *program = ds_program_new(table->arena, &expr, 1);
    ds_eval ev = {.arena = table->arena,
                  .heap = &table->heap,
                  .selected = &table->selected,
                  .errors = &table->errors,
                  .batch_time_us = 1000000,
                  .window_start_us = 2000000,
                  .window_end_us = 3000000};
    const ds_column *out;
    table->errors = 0;
    ds_program_run(program, &ev, &table->chunk, &out);
    table->faults = ev.faults == NULL ? 0 : *ev.faults;
    ck_assert_uint_eq(table->faults & ~table->errors, 0);
    ck_assert_uint_eq(out->length, TABLE_ROWS);
    ck_assert(ds_type_equal(out->type, ds_expr_type(expr)));
    ck_assert_uint_eq(table->errors & ~table->selected, 0);
    table->text.length = 0;
    for (uint32_t row = 0; row < TABLE_ROWS; row++) {
        if (row > 0)
            ds_buffer_append_char(&table->text, '|');
        if (!(table->selected >> row & 1))
            ds_buffer_append_char(&table->text, '-');
        else if (table->errors >> row & 1)
            ds_buffer_append_char(&table->text, '!');
        else
            table_show(&table->text, &table->heap, out, row);
    }
    return ds_buffer_text(&table->text);
}

static inline const char *table_eval(expr_table *table, const char *text)
{
    ds_expr *expr = table_bind(table, text);
    ck_assert_msg(expr != NULL, "%s: %s", text, table->error.message);
    return table_run(table, expr);
}

/* Expects the values of the six rows. */
#define EXPECT(table, expression, values)                                                          \
    do {                                                                                           \
        const char *got_ = table_eval((table), (expression));                                      \
        ck_assert_msg(strcmp(got_, (values)) == 0, "%s: %s, should be %s", (expression), got_,     \
                      (values));                                                                   \
    } while (0)

/* Expects an error with this text in it, under the bytes [at, at + n). */
#define EXPECT_ERROR(table, expression, at, n, part)                                               \
    do {                                                                                           \
        ck_assert_msg(table_bind((table), (expression)) == NULL, "%s: no error", (expression));    \
        ck_assert_msg(strstr((table)->error.message, (part)) != NULL, "%s: %s", (expression),      \
                      (table)->error.message);                                                     \
        ck_assert_msg((table)->error.offset == (at) && (table)->error.length == (n),               \
                      "%s: %s at %u, %u", (expression), (table)->error.message,                    \
                      (table)->error.offset, (table)->error.length);                               \
    } while (0)

#endif
