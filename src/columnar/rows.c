/* Rows from JSON objects. How rows are compared with such is in rows_compare.c. */
#include "columnar/rows.h"

#include "base/assert.h"
#include "columnar/text.h"

#include <stdlib.h>

#define SHOWN_BYTES 60

/* What is filled at the moment. */
typedef struct loader {
    ds_arena *arena;
    ds_heap *heap;
    const ds_schema *schema;
    ds_column **columns; /* of the chunk being made; of full length */
    ds_error *error;
    const char *bad_column;
} loader;

static const char *article(ds_type type)
{
    return type.kind == DS_INT ? "an" : "a";
}

static ds_status wrong_type(loader *l, const ds_field *field, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    l->bad_column = field->name;
    ds_status status = ds_error_set(l->error, DS_ERR_APP, "%.*s%s is not %s %s (column %s)",
                                    SHOWN_BYTES, text == NULL ? "the value" : text,
                                    text != NULL && strlen(text) > SHOWN_BYTES ? "..." : "",
                                    article(field->type), ds_type_name(field->type), field->name);
    free(text);
    return status;
}

static void put_null(loader *l, ds_column *column, uint32_t at)
{
    ds_column_need_validity(column, l->arena);
    ds_bit_clear(column->validity, at);
    if (column->type.kind == DS_BOOL)
        ds_bit_clear(column->bits, at);
    else if (column->type.kind == DS_LIST)
        column->offsets[at + 1] = column->offsets[at];
    else
        memset((char *)column->values + at * ds_type_width(column->type), 0,
               ds_type_width(column->type));
}

static bool put_string(loader *l, ds_column *column, uint32_t at, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (text == NULL || length > UINT32_MAX)
        return false;
    if (column->type.kind == DS_TIMESTAMP)
        return ds_parse_timestamp(text, length, &column->ints[at]);
    column->views[at] = ds_view_copy(l->heap, text, (uint32_t)length);
    return true;
}

/* False: the value is not of the column's type. */
static bool put_scalar(loader *l, ds_column *column, uint32_t at, const json_t *value)
{
    if (json_is_null(value)) {
        put_null(l, column, at);
        return true;
    }
    switch ((ds_kind)column->type.kind) {
    case DS_BOOL: ds_bit_put(column->bits, at, json_is_true(value)); return json_is_boolean(value);
    case DS_INT: column->ints[at] = json_integer_value(value); return json_is_integer(value);
    case DS_FLOAT: column->floats[at] = json_number_value(value); return json_is_number(value);
    default: return put_string(l, column, at, value);
    }
}

static bool put_list(loader *l, ds_column *column, uint32_t at, const json_t *value)
{
    uint32_t end = column->offsets[at];
    size_t n = json_array_size(value);
    if (!json_is_array(value))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!put_scalar(l, column->child, end++, json_array_get(value, i)))
            return false;
    column->offsets[at + 1] = end;
    return true;
}

static ds_status put_row(loader *l, uint32_t at, json_t *row)
{
    const char *key;
    json_t *value;
    l->bad_column = NULL;
    if (!json_is_object(row))
        return ds_error_set(l->error, DS_ERR_APP, "a row has to be an object");
    json_object_foreach(row, key, value)
    {
        if (ds_schema_find(l->schema, key) >= 0)
            continue;
        l->bad_column = key;
        return ds_error_set(l->error, DS_ERR_APP, "there is no column \"%s\"", key);
    }
    for (uint32_t i = 0; i < l->schema->n_fields; i++) {
        const ds_field *field = &l->schema->fields[i];
        ds_column *column = l->columns[i];
        value = json_object_get(row, field->name);
        bool ok = true;
        if (value == NULL || json_is_null(value))
            put_null(l, column, at);
        else
            ok = field->type.kind == DS_LIST ? put_list(l, column, at, value)
                                             : put_scalar(l, column, at, value);
        if (!ok)
            return wrong_type(l, field, value);
    }
    return DS_OK;
}

/* How many elements the lists of one column have in rows from .. from + n. */
static uint32_t count_elements(const json_t *rows, size_t from, uint32_t n, const char *name)
{
    size_t total = 0;
    for (size_t i = from; i < from + n; i++)
        total += json_array_size(json_object_get(json_array_get(rows, i), name));
    DS_ASSERT(total <= UINT32_MAX);
    return (uint32_t)total;
}

static void begin_columns(loader *l, const json_t *rows, size_t from, uint32_t n)
{
    l->columns = DS_ARENA_ARRAY(l->arena, ds_column *, l->schema->n_fields);
    for (uint32_t i = 0; i < l->schema->n_fields; i++) {
        const ds_field *field = &l->schema->fields[i];
        ds_column *column = ds_column_new(l->arena, field->type, n);
        if (field->type.kind == DS_LIST)
            column->child = ds_column_new(l->arena, ds_type_element(field->type),
                                          count_elements(rows, from, n, field->name));
        l->columns[i] = column;
    }
}

ds_status ds_rows_from_json(ds_arena *arena, ds_heap *heap, const ds_schema *schema,
                            const json_t *rows, int64_t first_position, ds_chunk **chunks,
                            uint32_t *n_chunks, size_t *bad_row, const char **bad_column,
                            ds_error *error)
{
    loader l = {.arena = arena, .heap = heap, .schema = schema, .error = error};
    size_t n_rows = json_array_size(rows), at = 0;
    if (!json_is_array(rows))
        return ds_error_set(error, DS_ERR_APP, "rows have to be a list of objects");
    *n_chunks = (uint32_t)((n_rows + DS_CHUNK_ROWS - 1) / DS_CHUNK_ROWS);
    *chunks = DS_ARENA_ARRAY(arena, ds_chunk, *n_chunks);
    for (uint32_t c = 0; c < *n_chunks; c++) {
        uint32_t n = n_rows - at < DS_CHUNK_ROWS ? (uint32_t)(n_rows - at) : DS_CHUNK_ROWS;
        int64_t *positions = ds_arena_alloc(arena, n * sizeof *positions);
        begin_columns(&l, rows, at, n);
        for (uint32_t i = 0; i < n; i++, at++) {
            positions[i] = first_position + (int64_t)at;
            ds_status status = put_row(&l, i, json_array_get(rows, at));
            if (status == DS_OK)
                continue;
            if (bad_row != NULL)
                *bad_row = at;
            if (bad_column != NULL)
                *bad_column = l.bad_column;
            return status;
        }
        (*chunks)[c] = (ds_chunk){.n_rows = n,
                                  .n_columns = schema->n_fields,
                                  .columns = (const ds_column *const *)l.columns,
                                  .positions = positions};
    }
    return DS_OK;
}
