/*
 * Rows as JSON objects and as CSV lines. (The text table is in rows_table.c.)
 *
 * CSV is RFC 4180 with \n as the line end. A null is an empty field, so the empty string is
 * ""; a text of nothing but white space is quoted too, as a line of it alone would be blank.
 */
#include "base/assert.h"
#include "columnar/format.h"
#include "columnar/format_scan.h"
#include "columnar/text.h"

#include <stdlib.h>

/* The text of a value that is no string and no list, at `to`, which has room for any. */
static size_t scalar_text(char *to, const ds_column *column, uint32_t row)
{
    switch ((ds_kind)column->type.kind) {
    case DS_BOOL:
        memcpy(to, ds_bit_get(column->bits, row) ? "true " : "false", 5);
        return ds_bit_get(column->bits, row) ? 4 : 5;
    case DS_FLOAT: return ds_format_float(column->floats[row], to);
    case DS_TIMESTAMP: return ds_format_timestamp(column->ints[row], to);
    default: return ds_format_int(column->ints[row], to);
    }
}

/* Values whose text has a limit are written into room that is made once for a row. */
static bool is_short(const ds_column *column)
{
    return column->type.kind != DS_STRING && column->type.kind != DS_LIST;
}

/* Room for the short values of a row, with quotes, what separates them, and the end of the row. */
static size_t row_room(const ds_schema *schema)
{
    return (size_t)schema->n_fields * (DS_TIMESTAMP_TEXT + 3) + 3;
}

/* JSON. */

/* A string or a list. */
static void json_value(ds_buffer *out, const ds_heap *heap, const ds_column *column, uint32_t row)
{
    if (ds_column_is_null(column, row)) {
        ds_buffer_append(out, "null", 4);
    } else if (column->type.kind == DS_STRING) {
        const ds_view *view = &column->views[row];
        ds_json_string(out, ds_view_bytes(heap, view), view->length);
    } else {
        ds_json_value(out, heap, column, row);
    }
}

/* What stands before the values of each column: {"a": or ,"b": one after the other in text,
 * the i-th up to ends[i]. */
typedef struct json_keys {
    ds_buffer text;
    size_t *ends;
} json_keys;

static void make_keys(json_keys *keys, const ds_schema *schema)
{
    *keys = (json_keys){.ends = ds_alloc(schema->n_fields * sizeof *keys->ends)};
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        const char *name = schema->fields[i].name;
        ds_buffer_append_char(&keys->text, i == 0 ? '{' : ',');
        ds_json_string(&keys->text, name, strlen(name));
        ds_buffer_append_char(&keys->text, ':');
        keys->ends[i] = keys->text.length;
    }
}

/* A value of fixed width, at `at`, which has room for any. Returns what is behind it. */
static char *put_json_scalar(char *at, const ds_column *column, uint32_t row)
{
    bool quoted = column->type.kind == DS_TIMESTAMP;
    if (ds_column_is_null(column, row)) {
        memcpy(at, "null", 4);
        return at + 4;
    }
    if (quoted)
        *at++ = '"';
    at += scalar_text(at, column, row);
    if (quoted)
        *at++ = '"';
    return at;
}

static void write_json(ds_buffer *out, const ds_schema *schema, const ds_heap *heap,
                       const ds_chunk *chunk)
{
    json_keys keys;
    make_keys(&keys, schema);
    size_t room = row_room(schema) + keys.text.length;
    for (uint32_t row = 0; row < chunk->n_rows; row++) {
        char *at = ds_buffer_reserve(out, room);
        size_t from = 0;
        for (uint32_t i = 0; i < schema->n_fields; i++) {
            const ds_column *column = chunk->columns[i];
            memcpy(at, keys.text.data + from, keys.ends[i] - from);
            at += keys.ends[i] - from;
            from = keys.ends[i];
            if (is_short(column)) {
                at = put_json_scalar(at, column, row);
                continue;
            }
            out->length = (size_t)(at - out->data);
            json_value(out, heap, column, row);
            at = ds_buffer_reserve(out, room);
        }
        if (schema->n_fields == 0)
            *at++ = '{';
        memcpy(at, "}\n", 2);
        out->length = (size_t)(at + 2 - out->data);
    }
    free(keys.ends);
    ds_buffer_fini(&keys.text);
}

/* CSV. */

static bool needs_quotes(const char *text, size_t length)
{
    bool blank = true; /* the empty text, too */
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r')
            return true;
        blank = blank && (c == ' ' || (c >= '\t' && c <= '\f'));
    }
    return blank;
}

static void csv_text(ds_buffer *out, const char *text, size_t length)
{
    if (!needs_quotes(text, length)) {
        ds_buffer_append(out, text, length);
        return;
    }
    ds_buffer_append_char(out, '"');
    for (const char *end = text + length; text < end;) {
        const char *quote = ds_scan_for(text, end, end, '"');
        ds_buffer_append(out, text, (size_t)(quote - text));
        if (quote < end)
            ds_buffer_append(out, "\"\"", 2);
        text = quote + 1;
    }
    ds_buffer_append_char(out, '"');
}

/* A string or a list. */
static void csv_value(ds_buffer *out, const ds_heap *heap, const ds_column *column, uint32_t row,
                      ds_buffer *scratch)
{
    if (ds_column_is_null(column, row))
        return;
    if (column->type.kind == DS_STRING) {
        const ds_view *view = &column->views[row];
        csv_text(out, ds_view_bytes(heap, view), view->length);
        return;
    }
    scratch->length = 0;
    ds_json_value(scratch, heap, column, row);
    csv_text(out, scratch->data, scratch->length);
}

static void write_csv(ds_buffer *out, const ds_schema *schema, const ds_heap *heap,
                      const ds_chunk *chunk)
{
    ds_buffer scratch = {0};
    size_t room = row_room(schema);
    for (uint32_t row = 0; row < chunk->n_rows; row++) {
        char *at = ds_buffer_reserve(out, room);
        for (uint32_t i = 0; i < schema->n_fields; i++) {
            const ds_column *column = chunk->columns[i];
            if (i > 0)
                *at++ = ',';
            if (is_short(column)) {
                at += ds_column_is_null(column, row) ? 0 : scalar_text(at, column, row);
                continue;
            }
            out->length = (size_t)(at - out->data);
            csv_value(out, heap, column, row, &scratch);
            at = ds_buffer_reserve(out, room);
        }
        *at++ = '\n';
        out->length = (size_t)(at - out->data);
    }
    ds_buffer_fini(&scratch);
}

void ds_rows_write(ds_buffer *out, ds_row_format format, const ds_schema *schema,
                   const ds_heap *heap, const ds_chunk *chunk)
{
    DS_ASSERT(chunk->n_columns == schema->n_fields);
    switch (format) {
    case DS_ROWS_JSON: write_json(out, schema, heap, chunk); break;
    case DS_ROWS_CSV: write_csv(out, schema, heap, chunk); break;
    case DS_ROWS_TABLE: ds_rows_table(out, schema, heap, chunk, 1); break;
    }
}
