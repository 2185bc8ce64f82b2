/* What tests expect of a stream, checked once its columns are known. */
#include "base/json_path.h"
#include "dstream/app_check.h"
#include "dstream/planner.h"

#include <stdlib.h>
#include <string.h>

static void unknown_column(ds_diagnostics *diagnostics, const ds_schema *schema, const char *path,
                           const char *name)
{
    const char **names = ds_calloc(schema->n_fields + 1, sizeof *names);
    for (uint32_t i = 0; i < schema->n_fields; i++)
        names[i] = schema->fields[i].name;
    ds_buffer near = {0};
    ds_append_nearest(diagnostics, &near, name, names, schema->n_fields);
    ds_diag_error_key(diagnostics, path, "no column \"%.60s\"%s", name, ds_buffer_text(&near));
    ds_buffer_fini(&near);
    free(names);
}

static void check_row(ds_diagnostics *diagnostics, const ds_schema *schema, json_t *row,
                      ds_buffer *path)
{
    for (void *i = json_object_iter(row); i != NULL; i = json_object_iter_next(row, i)) {
        const char *name = json_object_iter_key(i);
        if (ds_schema_find(schema, name) >= 0)
            continue;
        size_t before = path->length;
        ds_json_path_key(path, name, strlen(name));
        unknown_column(diagnostics, schema, ds_buffer_text(path), name);
        path->length = before;
    }
}

static void check_rows(ds_diagnostics *diagnostics, const ds_schema *schema, const json_t *rows,
                       ds_buffer *path)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        size_t before = path->length;
        ds_json_path_index(path, i);
        check_row(diagnostics, schema, json_array_get(rows, i), path);
        path->length = before;
    }
}

void ds_plan_check_tests(const ds_app *app, ds_diagnostics *diagnostics, const char *stream,
                         const ds_schema *schema)
{
    ds_buffer path = {0};
    for (uint32_t t = 0; t < app->n_tests; t++) {
        const json_t *entries = json_object_get(app->tests[t].expect, stream);
        path.length = 0;
        ds_buffer_printf(&path, "%s.expect", app->tests[t].path);
        ds_json_path_key(&path, stream, strlen(stream));
        for (size_t i = 0; i < json_array_size(entries); i++) {
            size_t before = path.length;
            ds_json_path_index(&path, i);
            check_rows(diagnostics, schema, json_array_get(entries, i), &path);
            path.length = before;
        }
    }
    ds_buffer_fini(&path);
}
