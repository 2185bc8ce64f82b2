#include "dstream/app_build.h"

#include <string.h>

/* A name has 255 bytes; `.NAME.dstream` is the staging folder. */
#define FILE_NAME_MAX 246u

/* A path without what makes no difference: "./", "//" and a "/" at the end. */
static const char *plain_path(ds_app_builder *builder, const char *path)
{
    char *plain = ds_arena_strdup(builder->arena, path), *out = plain;
    for (const char *p = path; *p != '\0';) {
        bool at_start = p == path || p[-1] == '/';
        if (at_start && p[0] == '.' && (p[1] == '/' || p[1] == '\0'))
            p += p[1] == '/' ? 2 : 1;
        else if (*p == '/' && p != path && p[-1] == '/')
            p++;
        else
            *out++ = *p++;
    }
    while (out > plain + 1 && out[-1] == '/')
        out--;
    *out = '\0';
    return plain;
}

/* Two sinks cannot have the same folder, or the same file; nor can the dead letters. */
static void check_places(ds_app_builder *builder)
{
    const ds_app *app = builder->app;
    json_t *seen = json_object();
    if (app->dead_letters != NULL)
        json_object_set_new(seen, plain_path(builder, app->dead_letters), json_null());
    for (uint32_t i = 0; i < app->n_sinks; i++) {
        const ds_app_sink *sink = &app->sinks[i];
        const char *place = sink->dir != NULL ? sink->dir : sink->file;
        if (place == NULL)
            continue;
        place = plain_path(builder, place);
        const char *key = sink->dir != NULL ? "dir" : "path";
        const json_t *first = json_object_get(seen, place);
        if (json_is_null(first))
            ds_diag_error(builder->diagnostics, ds_app_path(builder, sink->path, key),
                          "the dead letters go to this file");
        else if (first != NULL)
            ds_diag_error(builder->diagnostics, ds_app_path(builder, sink->path, key),
                          "the sink \"%s\" writes to this %s already", json_string_value(first),
                          sink->dir != NULL ? "folder" : "file");
        else
            json_object_set_new(seen, place, json_string(sink->name));
    }
    json_decref(seen);
}

/* A path that names a file, and leaves room for the name of its staging folder. */
static void check_file_path(ds_app_builder *builder, const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash == NULL ? file : slash + 1;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        ds_diag_error(builder->diagnostics, path, "names a folder; it must name a file");
    else if (strlen(name) > FILE_NAME_MAX)
        ds_diag_error(builder->diagnostics, path, "the file's name is longer than %u bytes",
                      FILE_NAME_MAX);
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
    if (sink->type == DS_SINK_APPEND)
        sink->file = ds_app_text_copy(builder, json_string_value(ds_shape_get(object, "path")));
    if (sink->file != NULL)
        check_file_path(builder, sink->file, ds_app_path(builder, sink->path, "path"));
    if (sink->type != DS_SINK_CONSOLE && sink->format == DS_ROWS_TABLE)
        ds_diag_error(builder->diagnostics, ds_app_path(builder, sink->path, "format"),
                      "\"table\" belongs to type console; a file is json or csv");
}

/* Where bad records go, and which sources have some. */
static void build_dead_letters(ds_app_builder *builder)
{
    ds_app *app = builder->app;
    bool used = false;
    app->dead_letters =
        ds_app_text_copy(builder, json_string_value(ds_shape_get(app->tree, "dead_letters")));
    if (app->dead_letters != NULL)
        check_file_path(builder, app->dead_letters, "dead_letters");
    for (uint32_t i = 0; i < app->n_sources; i++) {
        const ds_app_source *source = &app->sources[i];
        if (source->on_error != DS_ON_ERROR_DEAD_LETTER)
            continue;
        used = true;
        if (json_object_get(app->tree, "dead_letters") == NULL)
            ds_diag_error(builder->diagnostics, ds_app_path(builder, source->path, "on_error"),
                          "needs \"dead_letters\" in the app: the path of the file for them");
    }
    if (app->dead_letters != NULL && !used)
        ds_diag_warning(builder->diagnostics, "dead_letters",
                        "no source says \"on_error\": \"dead_letter\": nothing goes there");
}

void ds_app_build_sinks(ds_app_builder *builder, bool needed)
{
    ds_app *app = builder->app;
    build_dead_letters(builder);
    json_t *map = ds_shape_get(app->tree, "sinks");
    const char **names = ds_app_names(builder, map, &app->n_sinks);
    app->sinks = DS_ARENA_ARRAY(builder->arena, ds_app_sink, app->n_sinks + 1);
    for (uint32_t i = 0; i < app->n_sinks; i++) {
        ds_app_sink *sink = &app->sinks[i];
        sink->name = ds_app_text_copy(builder, names[i]);
        sink->path = ds_app_path(builder, "sinks", sink->name);
        read_sink(builder, sink, json_object_get(map, sink->name));
    }
    check_places(builder);
    if (needed && app->n_sinks == 0 && !json_is_null(json_object_get(app->tree, "sinks")))
        ds_diag_error_key(builder->diagnostics, "sinks",
                          "missing: an app needs at least one sink to run");
}
