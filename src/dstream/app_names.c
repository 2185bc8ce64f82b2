/* Names and paths: what all parts of the second pass share. */
#include "dstream/app_build.h"

#include "base/json_path.h"
#include "dstream/app_check.h"

#include <stdlib.h>
#include <string.h>

static const char *take_path(ds_app_builder *builder, ds_buffer *path)
{
    const char *copy = ds_arena_strndup(builder->arena, ds_buffer_text(path), path->length);
    ds_buffer_fini(path);
    return copy;
}

const char *ds_app_path(ds_app_builder *builder, const char *parent, const char *key)
{
    ds_buffer path = {0};
    ds_buffer_append_text(&path, parent);
    ds_json_path_key(&path, key, strlen(key));
    return take_path(builder, &path);
}

const char *ds_app_path_at(ds_app_builder *builder, const char *parent, size_t index)
{
    return ds_arena_printf(builder->arena, "%s[%zu]", parent, index);
}

const char *ds_app_text_copy(ds_app_builder *builder, const char *text)
{
    return text != NULL ? ds_arena_strdup(builder->arena, text) : NULL;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **ds_app_names(ds_app_builder *builder, const json_t *map, uint32_t *n)
{
    *n = 0;
    const char **names = DS_ARENA_ARRAY(builder->arena, const char *, json_object_size(map) + 1);
    json_t *object = (json_t *)(uintptr_t)map; /* iterators take no const */
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i))
        names[(*n)++] = json_object_iter_key(i);
    qsort(names, *n, sizeof *names, by_text);
    return names;
}

static int compare_node(const void *name, const void *node)
{
    return strcmp(name, ((const ds_app_node *)node)->name);
}

ds_app_node *ds_app_find(const ds_app_builder *builder, const char *name)
{
    if (builder->n_nodes == 0)
        return NULL;
    return bsearch(name, builder->nodes, builder->n_nodes, sizeof *builder->nodes, compare_node);
}

ds_app_node *ds_app_resolve(ds_app_builder *builder, const char *path, bool key, const char *name,
                            bool sources_only)
{
    ds_app_node *node = ds_app_find(builder, name);
    if (node != NULL && (!sources_only || node->source != NULL))
        return node;
    const char **names = ds_calloc(builder->n_nodes + 1, sizeof *names);
    size_t n = 0;
    for (uint32_t i = 0; i < builder->n_nodes; i++)
        if (!sources_only || builder->nodes[i].source != NULL)
            names[n++] = builder->nodes[i].name;
    ds_buffer near = {0};
    ds_append_nearest(builder->diagnostics, &near, name, names, n);
    (key ? ds_diag_error_key : ds_diag_error)(builder->diagnostics, path, "no %s \"%.130s\"%s",
                                              sources_only ? "source" : "source or stream", name,
                                              ds_buffer_text(&near));
    ds_buffer_fini(&near);
    free(names);
    return NULL;
}
