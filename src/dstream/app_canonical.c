/*
 * The canonical text: what the plan's hash is made of and what executors are sent.
 *
 * The checked tree without `tests` and `$schema`, keys sorted by name but where their order
 * counts (columns), without blanks. Defaults are not filled in, so that the text of an app
 * does not change when a later version has more keys.
 */
#include "dstream/app_canonical.h"

#include "base/assert.h"
#include "base/memory.h"
#include "dstream/app_keys.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *canonical(const ds_shape *shape, json_t *value);

/* The shape of an entry, and whether it belongs to the plan. NULL: any value. */
static const ds_shape *entry_shape(const ds_shape *shape, const char *name, bool *keep)
{
    *keep = true;
    if (shape == NULL || shape->kind != DS_SHAPE_OBJECT)
        return shape != NULL ? shape->item : NULL;
    const ds_key *key = ds_shape_key(shape, name);
    *keep = key != NULL && (key->flags & DS_KEY_NOT_CANONICAL) == 0;
    return *keep ? key->shape : NULL;
}

static json_t *canonical_object(const ds_shape *shape, json_t *object)
{
    size_t n = 0;
    const char **names = ds_calloc(json_object_size(object) + 1, sizeof *names);
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i))
        names[n++] = json_object_iter_key(i);
    if (shape == NULL || !shape->ordered)
        qsort(names, n, sizeof *names, by_text);
    json_t *copy = json_object();
    for (size_t i = 0; i < n; i++) {
        bool keep;
        const ds_shape *entry = entry_shape(shape, names[i], &keep);
        if (keep)
            json_object_set_new(copy, names[i],
                                canonical(entry, json_object_get(object, names[i])));
    }
    free(names);
    return copy;
}

static json_t *canonical_list(const ds_shape *shape, json_t *list)
{
    json_t *copy = json_array();
    for (size_t i = 0; i < json_array_size(list); i++)
        json_array_append_new(
            copy, canonical(shape != NULL ? shape->item : NULL, json_array_get(list, i)));
    return copy;
}

static json_t *canonical(const ds_shape *shape, json_t *value)
{
    const ds_shape *branch = shape != NULL ? ds_shape_branch(shape, value) : NULL;
    if (json_is_object(value))
        return canonical_object(branch, value);
    if (json_is_array(value))
        return canonical_list(branch, value);
    return json_incref(value);
}

json_t *ds_app_canonical_tree(json_t *tree)
{
    return canonical(&ds_app_shape, tree);
}

static char *dump(const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17));
    DS_ASSERT(text != NULL);
    return text;
}

char *ds_app_canonical(const ds_app *app)
{
    return dump(app->json);
}

char *ds_app_canonical_test(const ds_app *app, const ds_app_test *test)
{
    json_t *json = json_copy(app->json);
    json_object_set(json, DS_APP_GIVEN, (json_t *)(uintptr_t)test->input);
    char *text = dump(json);
    json_decref(json);
    return text;
}
