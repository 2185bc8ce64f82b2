/*
 * Rows as a text table for a person:
 *
 *     status  path      kb
 *     ------  ------  ----
 *        200  /        2.0
 *        404  /x      null
 *
 * The cells' texts are made once, one after the other; then the widths of the columns are
 * known, and the lines are put together.
 */
#include "base/assert.h"
#include "columnar/format.h"
#include "columnar/text.h"

#include <stdlib.h>

#define CELL_WIDTH 80u /* code points; what is cut ends with "..." */

typedef struct cell {
    size_t end;     /* of its text; it begins where the one before ends */
    uint32_t width; /* code points */
} cell;

typedef struct table {
    const ds_schema *schema;
    ds_buffer text;
    ds_buffer scratch;
    cell *cells; /* the header's, then row by row */
    size_t n_cells;
    uint32_t *widths; /* of the columns */
} table;

/* The bytes of one character of valid UTF-8. */
static size_t character_bytes(const char *text, size_t length)
{
    size_t n = 1;
    while (n < length && ((unsigned char)text[n] & 0xC0) == 0x80)
        n++;
    return n;
}

/* The number of a control character (C0, DEL, C1), or 0 if the character is none or NUL. */
static unsigned control_of(const char *text, size_t n)
{
    unsigned first = (unsigned char)text[0];
    if (n == 1 && (first < 0x20 || first == 0x7F))
        return first;
    if (n == 2 && first == 0xC2 && (unsigned char)text[1] < 0xA0)
        return (unsigned char)text[1];
    return 0;
}

static uint32_t append_control(ds_buffer *out, unsigned control)
{
    static const char letters[] = "abtnvfr"; /* 7 to 13 */
    bool has_letter = control >= 8 && control <= 13 && control != 11;
    size_t before = out->length;
    if (has_letter)
        ds_buffer_printf(out, "\\%c", letters[control - 7]);
    else
        ds_buffer_printf(out, "\\u%04x", control);
    return (uint32_t)(out->length - before);
}

/* Appends text with control characters escaped; returns how many code points it became. */
static uint32_t append_safely(ds_buffer *out, const char *text, size_t length)
{
    uint32_t width = 0;
    while (length > 0) {
        size_t n = character_bytes(text, length);
        unsigned control = control_of(text, n);
        if (control != 0 || *text == '\0') {
            width += append_control(out, control);
        } else {
            ds_buffer_append(out, text, n);
            width++;
        }
        text += n;
        length -= n;
    }
    return width;
}

/* The number of bytes of the first `count` code points. */
static size_t bytes_of(const char *text, size_t length, size_t count)
{
    size_t at = 0;
    for (; count > 0 && at < length; count--)
        at += character_bytes(text + at, length - at);
    return at;
}

static void add_cell(table *t, const char *text, size_t length)
{
    size_t kept = bytes_of(text, length, CELL_WIDTH);
    cell *to = &t->cells[t->n_cells];
    uint32_t *column_width = &t->widths[t->n_cells % t->schema->n_fields];
    to->width = append_safely(&t->text, text, kept);
    if (kept < length) {
        ds_buffer_append_text(&t->text, "...");
        to->width += 3;
    }
    to->end = t->text.length;
    if (to->width > *column_width)
        *column_width = to->width;
    t->n_cells++;
}

static void add_value(table *t, const ds_heap *heap, const ds_column *column, uint32_t row)
{
    if (column->type.kind == DS_STRING && !ds_column_is_null(column, row)) {
        const ds_view *view = &column->views[row];
        add_cell(t, ds_view_bytes(heap, view), view->length);
        return;
    }
    t->scratch.length = 0;
    ds_json_value(&t->scratch, heap, column, row);
    const char *text = t->scratch.data;
    bool quoted = text[0] == '"'; /* a timestamp */
    add_cell(t, text + quoted, t->scratch.length - (quoted ? 2 : 0));
}

static void add_rows(table *t, const ds_heap *heap, const ds_chunk *chunk)
{
    DS_ASSERT(chunk->n_columns == t->schema->n_fields);
    for (uint32_t row = 0; row < chunk->n_rows; row++)
        for (uint32_t i = 0; i < chunk->n_columns; i++)
            add_value(t, heap, chunk->columns[i], row);
}

static void append_times(ds_buffer *out, char c, size_t n)
{
    memset(ds_buffer_reserve(out, n), c, n);
    out->length += n;
}

static bool is_right_aligned(ds_type type)
{
    return type.kind == DS_INT || type.kind == DS_FLOAT;
}

/* Appends the cells from..from + n_columns as a line. */
static void append_line(ds_buffer *out, const table *t, size_t from)
{
    uint32_t n = t->schema->n_fields;
    for (uint32_t i = 0; i < n; i++) {
        const cell *c = &t->cells[from + i];
        size_t start = from + i == 0 ? 0 : c[-1].end, padding = t->widths[i] - c->width;
        bool right = is_right_aligned(t->schema->fields[i].type);
        if (i > 0)
            append_times(out, ' ', 2);
        if (right)
            append_times(out, ' ', padding);
        ds_buffer_append(out, t->text.data + start, c->end - start);
        if (!right && i + 1 < n) /* nothing stands behind the last */
            append_times(out, ' ', padding);
    }
    ds_buffer_append_char(out, '\n');
}

static void append_rule(ds_buffer *out, const table *t)
{
    for (uint32_t i = 0; i < t->schema->n_fields; i++) {
        if (i > 0)
            append_times(out, ' ', 2);
        append_times(out, '-', t->widths[i]);
    }
    ds_buffer_append_char(out, '\n');
}

void ds_rows_table(ds_buffer *out, const ds_schema *schema, const ds_heap *heap,
                   const ds_chunk *chunks, uint32_t n_chunks)
{
    size_t n_rows = 1, n_fields = schema->n_fields;
    if (n_fields == 0)
        return;
    for (uint32_t i = 0; i < n_chunks; i++)
        n_rows += chunks[i].n_rows;
    table t = {.schema = schema,
               .cells = ds_calloc(n_rows * n_fields, sizeof *t.cells),
               .widths = ds_calloc(n_fields, sizeof *t.widths)};
    for (size_t i = 0; i < n_fields; i++)
        add_cell(&t, schema->fields[i].name, strlen(schema->fields[i].name));
    for (uint32_t i = 0; i < n_chunks; i++)
        add_rows(&t, heap, &chunks[i]);
    for (size_t row = 0; row < n_rows; row++) {
        append_line(out, &t, row * n_fields);
        if (row == 0)
            append_rule(out, &t);
    }
    free(t.cells);
    free(t.widths);
    ds_buffer_fini(&t.text);
    ds_buffer_fini(&t.scratch);
}
