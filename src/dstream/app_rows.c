/* Rows in the app file, checked by the columns they are to have. */
#include "dstream/app_build.h"

#include "base/json_path.h"
#include "columnar/text.h"
#include "dstream/app_check.h"
#include "dstream/variables.h"

#include <stdlib.h>
#include <string.h>

bool ds_app_check_column(ds_app_builder *builder, const ds_schema *schema, const char *name,
                         const char *path)
{
    if (ds_schema_find(schema, name) >= 0)
        return true;
    const char **names = ds_calloc(schema->n_fields + 1, sizeof *names);
    for (uint32_t i = 0; i < schema->n_fields; i++)
        names[i] = schema->fields[i].name;
    ds_buffer near = {0};
    ds_append_nearest(builder->diagnostics, &near, name, names, schema->n_fields);
    ds_diag_error_key(builder->diagnostics, path, "no column \"%.60s\"%s", name,
                      ds_buffer_text(&near));
    ds_buffer_fini(&near);
    free(names);
    return false;
}

static bool fits(ds_type type, const json_t *value)
{
    int64_t us;
    if (json_is_null(value))
        return true;
    switch (type.kind) {
    case DS_BOOL: return json_is_boolean(value);
    case DS_INT: return json_is_integer(value);
    case DS_FLOAT: return json_is_number(value);
    case DS_STRING: return json_is_string(value);
    case DS_TIMESTAMP:
        return json_is_string(value) &&
               ds_parse_timestamp(json_string_value(value), json_string_length(value), &us);
    case DS_LIST:
        for (size_t i = 0; i < json_array_size(value); i++)
            if (!fits(ds_type_element(type), json_array_get(value, i)))
                return false;
        return json_is_array(value);
    default: return false;
    }
}

/* What the string that was one variable stands for in a column of the type, or NULL. */
static json_t *as_type(ds_type type, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    int64_t integer;
    double real;
    bool boolean;
    if (type.kind == DS_INT && ds_parse_int(text, length, &integer, NULL))
        return json_integer(integer);
    if (type.kind == DS_FLOAT && ds_parse_float(text, length, &real))
        return json_real(real);
    if (type.kind == DS_BOOL && ds_parse_bool(text, length, &boolean))
        return json_boolean(boolean);
    return NULL;
}

static void check_cell(ds_app_builder *builder, const ds_field *field, json_t *row,
                       const json_t *original, const char *path)
{
    const json_t *value = json_object_get(row, field->name);
    if (fits(field->type, value))
        return;
    const char *before = json_string_value(json_object_get(original, field->name));
    if (before != NULL && json_is_string(value) && ds_variables_whole(before)) {
        json_t *converted = as_type(field->type, value);
        if (converted != NULL) {
            json_object_set_new(row, field->name, converted);
            return;
        }
    }
    char shown[64];
    ds_json_describe(value, shown);
    ds_diag_error(builder->diagnostics, path, "%s does not fit the type %s%s", shown,
                  ds_type_name(field->type),
                  field->type.kind == DS_TIMESTAMP ? " (RFC 3339: \"2026-01-01T00:00:00Z\")" : "");
}

static void check_row(ds_app_builder *builder, const ds_schema *schema, json_t *row,
                      const json_t *original, ds_buffer *path)
{
    for (void *i = json_object_iter(row); i != NULL; i = json_object_iter_next(row, i)) {
        const char *name = json_object_iter_key(i);
        size_t before = path->length;
        ds_json_path_key(path, name, strlen(name));
        const char *at = ds_buffer_text(path);
        if (ds_app_check_column(builder, schema, name, at))
            check_cell(builder, &schema->fields[ds_schema_find(schema, name)], row, original, at);
        path->length = before;
    }
}

void ds_app_check_rows(ds_app_builder *builder, const ds_schema *schema, json_t *rows,
                       const json_t *original, const char *path)
{
    ds_buffer at = {0};
    ds_buffer_append_text(&at, path);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        size_t before = at.length;
        ds_json_path_index(&at, i);
        if (json_is_object(row))
            check_row(builder, schema, row, json_array_get(original, i), &at);
        at.length = before;
    }
    ds_buffer_fini(&at);
}
