/* The clauses of each stream by itself; app_graph.c looks at the streams together. */
#include "dstream/app_build.h"

#include <string.h>

ds_app_text ds_app_read_text(ds_app_builder *builder, const char *parent, const json_t *object,
                             const char *key)
{
    const char *text = json_string_value(ds_shape_get(object, key));
    if (text == NULL)
        return (ds_app_text){0};
    return (ds_app_text){ds_app_text_copy(builder, text), ds_app_path(builder, parent, key)};
}

const char **ds_app_read_names(ds_app_builder *builder, const json_t *value, uint32_t *n)
{
    bool list = json_is_array(value);
    *n = list ? (uint32_t)json_array_size(value) : json_is_string(value);
    const char **names = DS_ARENA_ARRAY(builder->arena, const char *, *n + 1);
    for (uint32_t i = 0; i < *n; i++)
        names[i] =
            ds_app_text_copy(builder, json_string_value(list ? json_array_get(value, i) : value));
    return names;
}

ds_app_item *ds_app_read_items(ds_app_builder *builder, json_t *map, const char *path, uint32_t *n)
{
    ds_app_item *items = DS_ARENA_ARRAY(builder->arena, ds_app_item, json_object_size(map) + 1);
    *n = 0;
    for (void *i = json_object_iter(map); i != NULL; i = json_object_iter_next(map, i)) {
        const char *name = json_object_iter_key(i);
        const char *text = json_string_value(json_object_iter_value(i));
        if (text != NULL && strcmp(name, "*") != 0)
            items[(*n)++] = (ds_app_item){
                ds_app_text_copy(builder, name),
                {ds_app_text_copy(builder, text), ds_app_path(builder, path, name)},
            };
    }
    return items;
}

/* "*": true first, and true nowhere else. */
static void check_star(ds_app_builder *builder, ds_app_stream *stream, json_t *map,
                       const char *path)
{
    void *first = json_object_iter(map);
    for (void *i = first; i != NULL; i = json_object_iter_next(map, i)) {
        const char *name = json_object_iter_key(i);
        json_t *value = json_object_iter_value(i);
        bool star = strcmp(name, "*") == 0;
        if (star && i == first && json_is_true(value))
            stream->select_all = true;
        else if (json_is_null(value))
            continue; /* reported already */
        else if (star && !json_is_true(value))
            ds_diag_error(builder->diagnostics, ds_app_path(builder, path, name),
                          "\"*\" stands for all columns: its value must be true");
        else if (star)
            ds_diag_error_key(builder->diagnostics, ds_app_path(builder, path, name),
                              "\"*\" must be the first entry");
        else if (json_is_boolean(value))
            ds_diag_error(builder->diagnostics, ds_app_path(builder, path, name),
                          "must be an expression (a string), not %s",
                          json_is_true(value) ? "true" : "false");
    }
}

static void read_select(ds_app_builder *builder, ds_app_stream *stream, json_t *object)
{
    json_t *map = ds_shape_get(object, "select");
    if (map == NULL)
        return;
    const char *path = ds_app_path(builder, stream->path, "select");
    stream->has_select = true;
    check_star(builder, stream, map, path);
    stream->select = ds_app_read_items(builder, map, path, &stream->n_select);
}

static void read_flat_map(ds_app_builder *builder, ds_app_stream *stream, json_t *object)
{
    json_t *map = ds_shape_get(object, "flat_map");
    uint32_t n;
    const char *path = ds_app_path(builder, stream->path, "flat_map");
    ds_app_item *items = ds_app_read_items(builder, map, path, &n);
    if (n == 1)
        stream->flat_map = items[0];
    else if (json_object_get(map, "*") != NULL)
        ds_diag_error_key(builder->diagnostics, ds_app_path(builder, path, "*"),
                          "\"*\" is no column");
}

static void read_window(ds_app_builder *builder, ds_app_stream *stream, json_t *object)
{
    json_t *window = ds_shape_get(object, "window");
    if (window == NULL)
        return;
    json_t *whole = json_object();
    if (json_is_string(window))
        json_object_set(whole, "size", window);
    else
        json_object_update(whole, window);
    stream->has_window = true;
    stream->window_path = ds_app_path(builder, stream->path, "window");
    stream->window_size_ms = ds_shape_number(&ds_window_shape, whole, "size");
    stream->window_slide_ms = ds_shape_number(&ds_window_shape, whole, "slide");
    if (json_object_get(whole, "slide") == NULL)
        stream->window_slide_ms = stream->window_size_ms;
    json_decref(whole);
}

/* Keys of one name, or a key and an aggregate of one name, would be two columns of one name. */
static void check_keys(ds_app_builder *builder, const ds_app_stream *stream, const json_t *object)
{
    const char *path = ds_app_path(builder, stream->path, "group_by");
    const json_t *keys = ds_shape_get(object, "group_by");
    json_t *seen = json_object();
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *name = json_string_value(json_array_get(keys, i));
        if (name == NULL)
            continue;
        if (json_object_get(seen, name) != NULL)
            ds_diag_error(builder->diagnostics, ds_app_path_at(builder, path, i),
                          "\"%s\" is a key already", name);
        json_object_set_new(seen, name, json_true());
    }
    for (uint32_t i = 0; i < stream->n_aggregate; i++)
        if (json_object_get(seen, stream->aggregate[i].name) != NULL)
            ds_diag_error_key(builder->diagnostics, stream->aggregate[i].expr.path,
                              "\"%s\" is a key of group_by already", stream->aggregate[i].name);
    json_decref(seen);
}

static void read_groups(ds_app_builder *builder, ds_app_stream *stream, json_t *object)
{
    json_t *keys = ds_shape_get(object, "group_by"), *map = ds_shape_get(object, "aggregate");
    if (keys != NULL) {
        stream->has_group_by = true;
        stream->group_by = ds_app_read_names(builder, keys, &stream->n_group_by);
    }
    if (map != NULL) {
        const char *path = ds_app_path(builder, stream->path, "aggregate");
        stream->has_aggregate = true;
        stream->aggregate = ds_app_read_items(builder, map, path, &stream->n_aggregate);
        if (json_object_get(map, "*") != NULL)
            ds_diag_error_key(builder->diagnostics, ds_app_path(builder, path, "*"),
                              "\"*\" stands in select only");
    }
    check_keys(builder, stream, object);
}

static void read_stream(ds_app_builder *builder, ds_app_stream *stream, json_t *object)
{
    stream->from = ds_app_read_names(builder, ds_shape_get(object, "from"), &stream->n_from);
    stream->join = ds_app_build_join(builder, stream, object);
    read_flat_map(builder, stream, object);
    stream->where = ds_app_read_text(builder, stream->path, object, "where");
    read_select(builder, stream, object);
    read_window(builder, stream, object);
    read_groups(builder, stream, object);
    stream->distinct = ds_shape_number(&ds_stream_shape, object, "distinct") != 0;
    stream->state = ds_app_build_state(builder, stream, ds_shape_get(object, "state"));
    stream->snapshot = ds_shape_number(&ds_stream_shape, object, "snapshot") != 0;
    stream->having = ds_app_read_text(builder, stream->path, object, "having");
    stream->order_by = ds_app_read_text(builder, stream->path, object, "order_by");
    stream->limit = -1;
    if (ds_shape_get(object, "limit") != NULL)
        stream->limit = ds_shape_number(&ds_stream_shape, object, "limit");
    stream->repartition = ds_shape_number(&ds_stream_shape, object, "repartition");
    stream->cache = ds_shape_number(&ds_stream_shape, object, "cache") != 0;
}

void ds_app_build_streams(ds_app_builder *builder)
{
    ds_app *app = builder->app;
    json_t *map = ds_shape_get(app->tree, "streams");
    const char **names = ds_app_names(builder, map, &app->n_streams);
    app->streams = DS_ARENA_ARRAY(builder->arena, ds_app_stream, app->n_streams + 1);
    for (uint32_t i = 0; i < app->n_streams; i++) {
        ds_app_stream *stream = &app->streams[i];
        stream->name = ds_app_text_copy(builder, names[i]);
        stream->path = ds_app_path(builder, "streams", stream->name);
        read_stream(builder, stream, json_object_get(map, stream->name));
    }
}
