/* The clauses "state" and "snapshot" of a stream. */
#include "dstream/app_build.h"

#include "dstream/variables.h"

#include <string.h>

/* ---- names ---- */

/* Keys of one name, or a key and an entry of set, would be two columns of one name. */
static void check_names(ds_app_builder *builder, const ds_app_state *state)
{
    const char *path = ds_app_path(builder, state->path, "key");
    for (uint32_t k = 0; k < state->n_keys; k++) {
        if (state->keys[k] == NULL)
            continue;
        for (uint32_t i = 0; i < k; i++)
            if (state->keys[i] != NULL && strcmp(state->keys[i], state->keys[k]) == 0)
                ds_diag_error(builder->diagnostics, ds_app_path_at(builder, path, k),
                              "\"%s\" is a key already", state->keys[k]);
        for (uint32_t i = 0; i < state->n_set; i++) {
            const ds_app_item *item = &state->set[i];
            if (strcmp(item->name, state->keys[k]) == 0)
                ds_diag_error_key(builder->diagnostics, item->expr.path,
                                  "\"%s\" is a key of the state already", item->name);
            else if (strncmp(state->keys[k], "state.", 6) == 0 &&
                     strcmp(item->name, state->keys[k] + 6) == 0)
                ds_diag_error(builder->diagnostics, ds_app_path_at(builder, path, k),
                              "\"%s\" is the old value of a column of \"set\", and cannot be a "
                              "key's name, too",
                              state->keys[k]);
        }
    }
}

/* Clauses that make other rows of the rows of a batch, too. */
static void check_company(ds_app_builder *builder, const ds_app_stream *stream)
{
    const struct {
        const char *key;
        bool there;
    } others[] = {{"window", stream->has_window},
                  {"group_by", stream->has_group_by},
                  {"aggregate", stream->has_aggregate},
                  {"distinct", stream->distinct}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].there)
            ds_diag_error_key(builder->diagnostics,
                              ds_app_path(builder, stream->path, others[i].key),
                              "cannot stand in one stream with \"state\": put it into a stream of "
                              "its own");
}

/* ---- initial ---- */

static const json_t *initial_in_file(const ds_app_builder *builder, const ds_app_stream *stream)
{
    const json_t *file = builder->variables ? ds_json_source_root(builder->source) : NULL;
    const json_t *of = json_object_get(json_object_get(file, "streams"), stream->name);
    return json_object_get(json_object_get(of, "state"), "initial");
}

/* A string that was one variable takes the type of its column, which is not known here: it is
 * marked. What looks like a mark in the file is none. */
static void mark_variables(ds_app_builder *builder, const ds_app_stream *stream,
                           const ds_app_state *state, json_t *rows)
{
    const json_t *original = initial_in_file(builder, stream);
    const char *path = ds_app_path(builder, state->path, "initial");
    for (size_t r = 0; builder->variables && r < json_array_size(rows); r++) {
        json_t *row = json_array_get(rows, r);
        for (void *i = json_object_iter(row); i != NULL; i = json_object_iter_next(row, i)) {
            const char *name = json_object_iter_key(i);
            json_t *value = json_object_iter_value(i);
            const json_t *before = json_object_get(json_array_get(original, r), name);
            if (json_is_object(value))
                ds_diag_error(builder->diagnostics,
                              ds_app_path(builder, ds_app_path_at(builder, path, r), name),
                              "an object is no value of a column");
            else if (json_is_string(value) && json_is_string(before) &&
                     ds_variables_whole(json_string_value(before)))
                json_object_iter_set_new(row, i, json_pack("{sO}", DS_APP_VARIABLE, value));
        }
    }
}

const ds_app_state *ds_app_build_state(ds_app_builder *builder, const ds_app_stream *stream,
                                       json_t *object)
{
    if (object == NULL)
        return NULL;
    ds_app_state *state = DS_ARENA_NEW(builder->arena, ds_app_state);
    state->path = ds_app_path(builder, stream->path, "state");
    state->keys = ds_app_read_names(builder, ds_shape_get(object, "key"), &state->n_keys);
    json_t *set = ds_shape_get(object, "set");
    const char *path = ds_app_path(builder, state->path, "set");
    state->set = ds_app_read_items(builder, set, path, &state->n_set);
    if (json_object_get(set, "*") != NULL)
        ds_diag_error_key(builder->diagnostics, ds_app_path(builder, path, "*"),
                          "\"*\" stands in select only");
    state->remove_when = ds_app_read_text(builder, state->path, object, "remove_when");
    if (ds_shape_get(object, "timeout") != NULL)
        state->timeout_ms = ds_shape_number(&ds_state_shape, object, "timeout");
    const char *emit = ds_shape_string(&ds_state_shape, object, "emit");
    state->emit_all = emit != NULL && strcmp(emit, "all") == 0;
    json_t *initial = ds_shape_get(object, "initial");
    mark_variables(builder, stream, state, initial);
    state->initial = initial;
    check_names(builder, state);
    check_company(builder, stream);
    return state;
}

/* ---- snapshot ---- */

static void check_snapshot(ds_app_builder *builder, const ds_app_stream *stream)
{
    const char *path = ds_app_path(builder, stream->path, "snapshot");
    if (stream->n_from != 1) {
        ds_diag_error_key(builder->diagnostics, path,
                          "a snapshot is of one stream: \"from\" names %u", stream->n_from);
        return;
    }
    const ds_app_node *parent =
        stream->from[0] == NULL ? NULL : ds_app_find(builder, stream->from[0]);
    if (parent != NULL && (parent->stream == NULL || parent->stream->state == NULL))
        ds_diag_error(builder->diagnostics, ds_app_path(builder, stream->path, "from"),
                      "\"%s\" has no \"state\" that there could be a snapshot of", parent->name);
}

void ds_app_check_snapshots(ds_app_builder *builder)
{
    for (uint32_t s = 0; s < builder->app->n_streams; s++)
        if (builder->app->streams[s].snapshot)
            check_snapshot(builder, &builder->app->streams[s]);
}
