#include "dstream/app_build.h"

#include "dstream/address.h"

#include <string.h>

/* The columns of a `rate` source. */
static ds_field rate_fields[] = {
    {"value", {.kind = DS_INT, .element = 0}},
    {"timestamp", {.kind = DS_TIMESTAMP, .element = 0}},
};

/* ---- schema ---- */

/* True if path names parts between dots: user.id. */
static bool is_json_path(const char *path)
{
    size_t length = strlen(path);
    return length > 0 && path[0] != '.' && path[length - 1] != '.' && strstr(path, "..") == NULL;
}

static void check_field(ds_app_builder *builder, const ds_app_source *source, ds_type type,
                        const char *json_path, const char *path)
{
    bool json = source->type != DS_SOURCE_QUEUE && source->spec.kind == DS_FORMAT_JSON;
    if (json_path != NULL && !json)
        ds_diag_error_key(builder->diagnostics, ds_app_path(builder, path, "path"),
                          "\"path\" belongs to format json");
    else if (json_path != NULL && !is_json_path(json_path))
        ds_diag_error(builder->diagnostics, ds_app_path(builder, path, "path"),
                      "must be names with dots between: \"user.id\"");
    if (type.kind == DS_LIST && source->type != DS_SOURCE_QUEUE && !json)
        ds_diag_error(builder->diagnostics, path, "a column of this format cannot be a list");
}

/* Reads the schema of the file into source->spec.schema. False if a column is wrong. */
static bool read_schema(ds_app_builder *builder, ds_app_source *source, json_t *schema)
{
    size_t n = json_object_size(schema);
    const char *path = ds_app_path(builder, source->path, "schema");
    ds_field *fields = DS_ARENA_ARRAY(builder->arena, ds_field, n + 1);
    const char **paths = DS_ARENA_ARRAY(builder->arena, const char *, n + 1);
    uint32_t count = 0;
    bool good = true;
    for (void *i = json_object_iter(schema); i != NULL; i = json_object_iter_next(schema, i)) {
        const char *name = json_object_iter_key(i);
        json_t *value = json_object_iter_value(i);
        json_t *type_name = json_is_object(value) ? ds_shape_get(value, "type") : value;
        ds_type type = DS_TYPE(DS_STRING);
        good = json_is_string(type_name) && good;
        if (json_is_string(type_name))
            ds_type_parse(json_string_value(type_name), &type);
        paths[count] = ds_app_text_copy(builder, json_string_value(ds_shape_get(value, "path")));
        check_field(builder, source, type, paths[count], ds_app_path(builder, path, name));
        fields[count++] = (ds_field){ds_app_text_copy(builder, name), type};
    }
    source->spec.schema = (ds_schema){fields, count};
    source->spec.paths = paths;
    return good;
}

/* ---- the types ---- */

static void read_address(ds_app_builder *builder, ds_app_source *source, json_t *object)
{
    bool connect = json_object_get(object, "connect") != NULL;
    source->listen = json_object_get(object, "listen") != NULL;
    const char *key = source->listen ? "listen" : "connect";
    if (connect == source->listen)
        ds_diag_error_key(builder->diagnostics,
                          connect ? ds_app_path(builder, source->path, "listen") : source->path,
                          "a socket has either \"connect\" or \"listen\"");
    const char *text = json_string_value(ds_shape_get(object, key));
    const char *fault =
        text != NULL ? ds_address_parse(builder->arena, text, &source->host, &source->port) : NULL;
    if (fault != NULL)
        ds_diag_error(builder->diagnostics, ds_app_path(builder, source->path, key), "%s", fault);
}

/* What socket and stdin have in common: the log, and blocks. */
static void read_receiver(ds_app_builder *builder, ds_app_source *source, json_t *object)
{
    const ds_app *app = builder->app;
    bool checkpoint = app->checkpoint_dir != NULL, given = json_object_get(object, "log") != NULL;
    source->log = given ? ds_shape_number(&ds_source_shape, object, "log") != 0 : checkpoint;
    source->ack = ds_shape_number(&ds_source_shape, object, "ack") != 0;
    if (source->log && !checkpoint)
        ds_diag_error(builder->diagnostics, ds_app_path(builder, source->path, "log"),
                      "needs a checkpoint.dir, where the log is");
    if (source->ack && !source->log)
        ds_diag_error(builder->diagnostics, ds_app_path(builder, source->path, "ack"),
                      "needs the log (checkpoint.dir, and not \"log\": false): without it nothing "
                      "that was received is safe");
    source->replicas = (uint32_t)ds_shape_number(&ds_source_shape, object, "replicas");
    source->block_interval_ms = ds_shape_number(&ds_source_shape, object, "block_interval");
    if (source->block_interval_ms <= app->interval_ms)
        return;
    if (json_object_get(object, "block_interval") != NULL)
        ds_diag_error(builder->diagnostics, ds_app_path(builder, source->path, "block_interval"),
                      "is longer than batch.interval: blocks are cut at every batch");
    source->block_interval_ms = app->interval_ms;
}

static void read_delimiter(ds_app_builder *builder, ds_app_source *source, json_t *object)
{
    const char *text = ds_shape_string(&ds_source_shape, object, "delimiter");
    unsigned char c = (unsigned char)text[0];
    source->spec.delimiter = text[0];
    if (c >= 0x7F || (c < 0x20 && c != '\t') || c == '"')
        ds_diag_error(builder->diagnostics, ds_app_path(builder, source->path, "delimiter"),
                      "must be one ASCII character, other than a quote or a line end");
}

/* Makes the format of a source of records; its schema is then the format's. */
static void read_format(ds_app_builder *builder, ds_app_source *source, json_t *object)
{
    int format = ds_shape_selected(&ds_source_shape, 1, object);
    if (format < 0)
        return;
    uint32_t errors = ds_diagnostics_errors(builder->diagnostics);
    json_t *schema = ds_shape_get(object, "schema");
    source->spec.kind = (ds_format_kind)format;
    source->spec.header = ds_shape_number(&ds_source_shape, object, "header") != 0;
    source->spec.record_limit = (uint32_t)builder->app->limits_record;
    read_delimiter(builder, source, object);
    bool good = read_schema(builder, source, schema);
    bool regex = format == DS_FORMAT_REGEX;
    bool needed = format == DS_FORMAT_JSON || format == DS_FORMAT_CSV || format == DS_FORMAT_LOGFMT;
    good = (!regex || ds_app_read_regex(builder, source, object)) && good;
    good = (regex || needed == (schema != NULL)) && good;
    if (!good || ds_diagnostics_errors(builder->diagnostics) > errors)
        return;
    ds_error error;
    if (ds_format_new(builder->arena, &source->spec, &source->format, &error) == DS_OK) {
        source->schema = *ds_format_schema(source->format);
        source->spec.schema = source->schema;
        return;
    }
    source->format = NULL;
    const char *key = regex ? "regex" : schema != NULL ? "schema" : "format";
    ds_diag_error(builder->diagnostics, ds_app_path(builder, source->path, key), "%s",
                  error.message);
}

static void read_queue(ds_app_builder *builder, ds_app_source *source, json_t *object)
{
    json_t *schema = ds_shape_get(object, "schema"), *batches = ds_shape_get(object, "batches");
    source->batches = batches;
    if (!read_schema(builder, source, schema) || schema == NULL)
        return;
    source->schema = source->spec.schema;
    const char *path = ds_app_path(builder, source->path, "batches");
    const json_t *file = builder->variables ? ds_json_source_root(builder->source) : NULL;
    const json_t *original =
        json_object_get(json_object_get(json_object_get(file, "sources"), source->name), "batches");
    for (size_t i = 0; i < json_array_size(batches); i++)
        ds_app_check_rows(builder, &source->schema, json_array_get(batches, i),
                          json_array_get(original, i), ds_app_path_at(builder, path, i));
}

static void read_files(ds_app_builder *builder, ds_app_source *source, json_t *object)
{
    source->dir = ds_app_text_copy(builder, ds_shape_string(&ds_source_shape, object, "dir"));
    source->pattern =
        ds_app_text_copy(builder, ds_shape_string(&ds_source_shape, object, "pattern"));
    source->new_files_only = ds_shape_number(&ds_source_shape, object, "new_files_only") != 0;
}

static void read_table(ds_app_builder *builder, ds_app_source *source, json_t *object)
{
    source->file = ds_app_text_copy(builder, ds_shape_string(&ds_source_shape, object, "path"));
    source->reload_ms = ds_shape_number(&ds_source_shape, object, "reload");
}

static void read_tail(ds_app_builder *builder, ds_app_source *source, json_t *object)
{
    source->glob = ds_app_text_copy(builder, ds_shape_string(&ds_source_shape, object, "path"));
    source->start_at_end =
        strcmp(ds_shape_string(&ds_source_shape, object, "start_at"), "end") == 0;
}

static void read_source(ds_app_builder *builder, ds_app_source *source, json_t *object)
{
    int type = ds_shape_selected(&ds_source_shape, 0, object);
    int on_error = ds_shape_choice(ds_shape_key(&ds_source_shape, "on_error")->shape,
                                   ds_shape_string(&ds_source_shape, object, "on_error"));
    if (type < 0)
        return;
    source->type = (ds_source_type)type;
    source->on_error = (ds_on_error)on_error;
    source->max_rate = ds_shape_number(&ds_source_shape, object, "max_rate");
    switch (source->type) {
    case DS_SOURCE_SOCKET:
        read_address(builder, source, object);
        read_receiver(builder, source, object);
        break;
    case DS_SOURCE_FILES: read_files(builder, source, object); break;
    case DS_SOURCE_TAIL: read_tail(builder, source, object); break;
    case DS_SOURCE_STDIN: read_receiver(builder, source, object); break;
    case DS_SOURCE_TABLE: read_table(builder, source, object); break;
    case DS_SOURCE_RATE:
        source->rows_per_second = ds_shape_number(&ds_source_shape, object, "rows_per_second");
        source->schema = (ds_schema){rate_fields, 2};
        return;
    case DS_SOURCE_QUEUE: read_queue(builder, source, object); return;
    }
    read_format(builder, source, object);
}

/* Standard input can be read by one source only. */
static void check_stdin(ds_app_builder *builder)
{
    const ds_app_source *first = NULL;
    for (uint32_t i = 0; i < builder->app->n_sources; i++) {
        const ds_app_source *source = &builder->app->sources[i];
        if (source->type != DS_SOURCE_STDIN)
            continue;
        if (first != NULL)
            ds_diag_error_key(builder->diagnostics, source->path,
                              "\"%s\" reads standard input already", first->name);
        else
            first = source;
    }
}

/* The host of standard input, and of an address to listen on, is the driver's. */
static void check_has_executors(ds_app_builder *builder)
{
    const ds_app *app = builder->app;
    for (uint32_t i = 0; i < app->n_sources && app->executors_count == 0; i++) {
        const ds_app_source *source = &app->sources[i];
        if (source->type == DS_SOURCE_STDIN || source->listen)
            ds_diag_error_key(builder->diagnostics, source->path,
                              "%s, which only executors that the driver starts can: set "
                              "executors.count to 1 or more",
                              source->listen ? "listens" : "reads standard input");
    }
}

void ds_app_build_sources(ds_app_builder *builder)
{
    ds_app *app = builder->app;
    json_t *map = ds_shape_get(app->tree, "sources");
    const char **names = ds_app_names(builder, map, &app->n_sources);
    app->sources = DS_ARENA_ARRAY(builder->arena, ds_app_source, app->n_sources + 1);
    for (uint32_t i = 0; i < app->n_sources; i++) {
        ds_app_source *source = &app->sources[i];
        source->name = ds_app_text_copy(builder, names[i]);
        source->path = ds_app_path(builder, "sources", source->name);
        read_source(builder, source, json_object_get(map, source->name));
    }
    check_stdin(builder);
    if (json_object_get(ds_shape_get(app->tree, "executors"), "listen") != NULL)
        check_has_executors(builder); /* else 0 is wrong anyway */
}
