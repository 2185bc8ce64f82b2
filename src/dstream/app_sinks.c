#include "dstream/app_build.h"

#include <stdlib.h>
#include <string.h>

/* The folder's name without what makes no difference: "./", "//" and a "/" at the end. */
static const char *plain_path(ds_app_builder *builder, const char *dir)
{
    char *plain = ds_arena_strdup(builder->arena, dir), *out = plain;
    for (const char *p = dir; *p != '\0';) {
        bool at_start = p == dir || p[-1] == '/';
        if (at_start && p[0] == '.' && (p[1] == '/' || p[1] == '\0'))
            p += p[1] == '/' ? 2 : 1;
        else if (*p == '/' && p != dir && p[-1] == '/')
            p++;
        else
            *out++ = *p++;
    }
    while (out > plain + 1 && out[-1] == '/')
        out--;
    *out = '\0';
    return plain;
}

static void check_folders(ds_app_builder *builder)
{
    const ds_app *app = builder->app;
    json_t *seen = json_object();
    for (uint32_t i = 0; i < app->n_sinks; i++) {
        const ds_app_sink *sink = &app->sinks[i];
        if (sink->dir == NULL)
            continue;
        const char *dir = plain_path(builder, sink->dir);
        const char *first = json_string_value(json_object_get(seen, dir));
        if (first != NULL)
            ds_diag_error(builder->diagnostics, ds_app_path(builder, sink->path, "dir"),
                          "the sink \"%s\" writes to this folder already", first);
        else
            json_object_set_new(seen, dir, json_string(sink->name));
    }
    json_decref(seen);
}

static void read_sink(ds_app_builder *builder, ds_app_sink *sink, const json_t *object)
{
    const ds_shape *shape = &ds_sink_shape;
    int type = ds_shape_selected(shape, 0, object);
    sink->from = ds_app_text_copy(builder, json_string_value(ds_shape_get(object, "from")));
    if (sink->from != NULL)
        ds_app_resolve(builder, ds_app_path(builder, sink->path, "from"), false, sink->from, false);
    sink->format = (ds_row_format)ds_shape_choice(ds_shape_key(shape, "format")->shape,
                                                  ds_shape_string(shape, object, "format"));
    sink->limit = -1;
    if (ds_shape_get(object, "limit") != NULL)
        sink->limit = ds_shape_number(shape, object, "limit");
    if (type < 0)
        return;
    sink->type = (ds_sink_type)type;
    if (sink->type == DS_SINK_FILE)
        sink->dir = ds_app_text_copy(builder, json_string_value(ds_shape_get(object, "dir")));
    if (sink->type == DS_SINK_FILE && sink->format == DS_ROWS_TABLE)
        ds_diag_error(builder->diagnostics, ds_app_path(builder, sink->path, "format"),
                      "\"table\" belongs to type console; a file is json or csv");
}

void ds_app_build_sinks(ds_app_builder *builder, bool needed)
{
    ds_app *app = builder->app;
    json_t *map = ds_shape_get(app->tree, "sinks");
    const char **names = ds_app_names(builder, map, &app->n_sinks);
    app->sinks = DS_ARENA_ARRAY(builder->arena, ds_app_sink, app->n_sinks + 1);
    for (uint32_t i = 0; i < app->n_sinks; i++) {
        ds_app_sink *sink = &app->sinks[i];
        sink->name = ds_app_text_copy(builder, names[i]);
        sink->path = ds_app_path(builder, "sinks", sink->name);
        read_sink(builder, sink, json_object_get(map, sink->name));
    }
    check_folders(builder);
    if (needed && app->n_sinks == 0 && !json_is_null(json_object_get(app->tree, "sinks")))
        ds_diag_error_key(builder->diagnostics, "sinks",
                          "missing: an app needs at least one sink to run");
}
