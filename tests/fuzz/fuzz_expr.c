/*
 * Arbitrary text as an expression: parsed, bound plainly and as an aggregate clause, printed,
 * read back, compiled and run over a small chunk. The first byte chooses the selected rows.
 */
#include "base/assert.h"
#include "base/buffer.h"
#include "columnar/expr.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 70u
#define COLUMNS 8u

static ds_field fields[COLUMNS] = {
    {"i", {DS_INT, 0}},       {"j", {DS_INT, 0}},          {"f", {DS_FLOAT, 0}},
    {"b", {DS_BOOL, 0}},      {"s", {DS_STRING, 0}},       {"t", {DS_TIMESTAMP, 0}},
    {"l", {DS_LIST, DS_INT}}, {"m", {DS_LIST, DS_STRING}},
};

typedef struct world {
    ds_arena *arena;
    ds_heap heap;
    ds_schema schema;
    const ds_column *columns[COLUMNS];
    ds_chunk chunk;
    uint64_t selected[2], errors[2];
} world;

static void fill(world *w, ds_column *column, uint32_t n)
{
    static const char *const texts[] = {"",    "a",  "apple pie",           "ein längerer Text",
                                        "%_%", "12", "2026-01-01T00:00:00Z"};
    static const int64_t ints[] = {0, 1, -1, 7, INT64_MAX, INT64_MIN, 1000000007};
    static const double floats[] = {0.0, -0.0, 1.5, -2.5, 1e308, 5e-324, 1e15};
    for (uint32_t i = 0; i < n; i++) {
        const char *text = texts[i % 7];
        switch (column->type.kind) {
        case DS_BOOL: ds_bit_put(column->bits, i, i % 3 == 0); break;
        case DS_FLOAT: column->floats[i] = floats[i % 7]; break;
        case DS_STRING:
            column->views[i] = ds_view_copy(&w->heap, text, (uint32_t)strlen(text));
            break;
        case DS_TIMESTAMP: column->ints[i] = (int64_t)i * 1000000000000; break;
        default: column->ints[i] = ints[i % 7]; break;
        }
    }
}

static ds_column *make(world *w, ds_type type, uint32_t n)
{
    ds_column *column = ds_column_new(w->arena, type, n);
    ds_column_need_validity(column, w->arena);
    for (uint32_t i = 3; i < n; i += 5)
        ds_bit_clear(column->validity, i);
    if (type.kind != DS_LIST) {
        fill(w, column, n);
        return column;
    }
    for (uint32_t i = 0; i < n; i++)
        column->offsets[i + 1] = column->offsets[i] + i % 4;
    column->child = make(w, ds_type_element(type), column->offsets[n]);
    return column;
}

static void open_world(world *w, uint8_t choice)
{
    *w = (world){.arena = ds_arena_new(NULL), .schema = {fields, COLUMNS}};
    ds_heap_init(&w->heap, w->arena);
    for (uint32_t i = 0; i < COLUMNS; i++)
        w->columns[i] = make(w, fields[i].type, ROWS);
    w->chunk = (ds_chunk){.n_rows = ROWS, .n_columns = COLUMNS, .columns = w->columns};
    for (uint32_t i = 0; i < ROWS; i++)
        if (choice == 0 || i % (choice % 8u + 1) != 0)
            ds_bit_set(w->selected, i);
}

static void close_world(world *w)
{
    ds_heap_fini(&w->heap);
    ds_arena_free(w->arena);
}

/* What is printed before bind reads back as the same text. */
static void read_back(ds_arena *arena, const ds_expr *expr)
{
    ds_buffer first = {0}, second = {0};
    ds_expr *again;
    ds_expr_print(expr, &first);
    if (first.length < 100000 &&
        ds_expr_parse(arena, first.data, first.length, &again, NULL) == DS_OK) {
        ds_expr_print(again, &second);
        DS_ASSERT(first.length == second.length &&
                  memcmp(first.data, second.data, first.length) == 0);
    }
    ds_buffer_fini(&first);
    ds_buffer_fini(&second);
}

static volatile uint32_t sink; /* so that values are really read */

static void check_column(const world *w, const ds_column *column, uint32_t n)
{
    DS_ASSERT(column->length == n);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (column->type.kind == DS_STRING && column->views[i].length > 0)
            sum += (uint8_t)*ds_view_bytes(&w->heap, &column->views[i]);
        if (column->type.kind == DS_LIST)
            DS_ASSERT(column->offsets[i] <= column->offsets[i + 1]);
        sum += ds_column_is_null(column, i);
    }
    sink = sink + sum;
    if (column->type.kind == DS_LIST)
        check_column(w, column->child, column->child->length);
}

static void run(world *w, ds_expr *expr)
{
    ds_program *program = ds_program_new(w->arena, &expr, 1);
    ds_eval ev = {.arena = w->arena,
                  .heap = &w->heap,
                  .selected = w->selected,
                  .errors = w->errors,
                  .batch_time_us = 1,
                  .window_start_us = 2,
                  .window_end_us = 3};
    const ds_column *out;
    ds_program_run(program, &ev, &w->chunk, &out);
    DS_ASSERT(ds_type_equal(out->type, ds_expr_type(expr)));
    check_column(w, out, ROWS);
    for (size_t i = 0; i < 2; i++)
        DS_ASSERT((w->errors[i] & ~w->selected[i]) == 0);
}

static void bind_as_aggregate(world *w, ds_expr *expr)
{
    ds_agg_scope aggregates = {.rows = &w->schema, .keys = &(ds_schema){fields, 2}};
    ds_scope scope = {.columns = aggregates.keys, .aggregates = &aggregates};
    ds_expr_error error;
    if (ds_expr_bind(w->arena, expr, &scope, &error) != DS_OK)
        return;
    for (uint32_t i = 0; i < aggregates.n_calls; i++) {
        ds_agg_call *call = &aggregates.calls[i];
        for (uint32_t a = 0; a < call->n_args; a++)
            run(w, call->args[a]);
        if (call->filter != NULL)
            run(w, call->filter);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    world w;
    open_world(&w, data[0]);
    const char *text = (const char *)data + 1;
    ds_scope scope = {.columns = &w.schema, .allow_window = true, .place = "where"};
    ds_expr *expr;
    ds_expr_error error = {0};
    if (ds_expr_parse(w.arena, text, size - 1, &expr, &error) != DS_OK) {
        DS_ASSERT(error.length > 0 && error.offset <= size && error.message[0] != '\0');
        ds_order_item *items;
        uint32_t n_items;
        (void)ds_order_parse(w.arena, text, size - 1, &items, &n_items, &error);
    } else {
        read_back(w.arena, expr);
        if (ds_expr_bind(w.arena, expr, &scope, &error) == DS_OK)
            run(&w, expr);
        else if (ds_expr_parse(w.arena, text, size - 1, &expr, &error) == DS_OK)
            bind_as_aggregate(&w, expr);
    }
    close_world(&w);
    return 0;
}
