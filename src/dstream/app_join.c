/* The join clause of a stream; what its columns are is the planner's to find (op_join.h). */
#include "dstream/app_build.h"

/* "on": ["k"]: the same names on both sides. */
static void read_columns(ds_app_builder *builder, ds_app_join *join, const json_t *on,
                         const char *path)
{
    for (size_t i = 0; i < json_array_size(on); i++) {
        const char *name = json_string_value(json_array_get(on, i));
        if (name == NULL)
            continue;
        join->left[join->n_on] = join->right[join->n_on] = ds_app_text_copy(builder, name);
        join->paths[join->n_on++] = ds_app_path_at(builder, path, i);
    }
}

/* "on": {"user": "id"}: the left name, then the right one. */
static void read_pairs(ds_app_builder *builder, ds_app_join *join, json_t *on, const char *path)
{
    for (void *i = json_object_iter(on); i != NULL; i = json_object_iter_next(on, i)) {
        const char *right = json_string_value(json_object_iter_value(i));
        if (right == NULL)
            continue;
        join->left[join->n_on] = ds_app_text_copy(builder, json_object_iter_key(i));
        join->right[join->n_on] = ds_app_text_copy(builder, right);
        join->paths[join->n_on++] = ds_app_path(builder, path, json_object_iter_key(i));
    }
}

const ds_app_join *ds_app_build_join(ds_app_builder *builder, const ds_app_stream *stream,
                                     const json_t *object)
{
    const json_t *value = ds_shape_get(object, "join");
    if (value == NULL)
        return NULL;
    ds_arena *arena = builder->arena;
    ds_app_join *join = DS_ARENA_NEW(arena, ds_app_join);
    json_t *on = ds_shape_get(value, "on");
    size_t n = json_is_array(on) ? json_array_size(on) : json_object_size(on);
    join->left = DS_ARENA_ARRAY(arena, const char *, n + 1);
    join->right = DS_ARENA_ARRAY(arena, const char *, n + 1);
    join->paths = DS_ARENA_ARRAY(arena, const char *, n + 1);
    const char *path = ds_app_path(builder, ds_app_path(builder, stream->path, "join"), "on");
    if (json_is_array(on))
        read_columns(builder, join, on, path);
    else
        read_pairs(builder, join, on, path);
    join->with = ds_app_text_copy(builder, ds_shape_string(&ds_join_shape, value, "with"));
    const ds_key *type = ds_shape_key(&ds_join_shape, "type");
    int choice = ds_shape_choice(type->shape, ds_shape_string(&ds_join_shape, value, "type"));
    join->type = choice < 0 ? DS_JOIN_INNER : (ds_join_type)choice;
    return join;
}
