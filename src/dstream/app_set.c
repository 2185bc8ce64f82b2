/*
 * The path is walked through the shapes and the tree at once: the shapes know which keys
 * there are, the tree which streams and elements.
 */
#include "dstream/app_set.h"

#include "base/json_path.h"
#include "base/memory.h"
#include "dstream/app_check.h"

#include <stdlib.h>
#include <string.h>

typedef struct walk {
    ds_diagnostics *diagnostics;
    const ds_shape *shape; /* of the value reached; NULL: any value (in a row) */
    json_t *parent, *value;
    ds_buffer path; /* so far */
    ds_json_step step;
    ds_buffer scratch;
} walk;

static void suggest(walk *w, const char *what, const char *const *names, size_t n)
{
    ds_buffer near = {0};
    ds_append_nearest(w->diagnostics, &near, w->step.key, names, n);
    ds_diag_usage(w->diagnostics, ds_buffer_text(&w->path), "%s%s", what, ds_buffer_text(&near));
    ds_buffer_fini(&near);
}

static bool complain(walk *w, const char *message)
{
    ds_diag_usage(w->diagnostics, ds_buffer_text(&w->path), "%s", message);
    return false;
}

/* Steps to a key of an object of the tables; if more steps follow, makes an optional object. */
static bool step_key(walk *w, bool last)
{
    const ds_key *key = ds_shape_key(w->shape, w->step.key);
    if (key == NULL) {
        const char *names[64];
        size_t n = 0;
        for (const ds_key *k = w->shape->keys; k->name != NULL && n < 64; k++)
            names[n++] = k->name;
        suggest(w, "unknown key", names, n);
        return false;
    }
    if ((key->flags & DS_KEY_LATER) != 0)
        return complain(w, "not available yet");
    if (key->shape->hidden)
        return complain(w, "a secret does not belong on a command line, which everybody can read");
    w->shape = key->shape;
    w->value = json_object_get(w->parent, key->name);
    bool object = w->shape->kind == DS_SHAPE_OBJECT ||
                  (w->shape->kind == DS_SHAPE_EITHER && w->shape->other->kind == DS_SHAPE_OBJECT);
    if (w->value == NULL && !last && object) {
        w->value = json_object();
        json_object_set_new(w->parent, key->name, w->value);
    }
    return w->value != NULL || last || complain(w, "is not in the file");
}

/* Steps to an entry of a map, which has to be there. */
static bool step_entry(walk *w)
{
    w->value = json_object_get(w->parent, w->step.key);
    w->shape = w->shape->item;
    if (w->value != NULL)
        return true;
    size_t n = 0;
    const char **names = ds_calloc(json_object_size(w->parent) + 1, sizeof *names);
    for (void *i = json_object_iter(w->parent); i != NULL; i = json_object_iter_next(w->parent, i))
        names[n++] = json_object_iter_key(i);
    suggest(w, "there is none of this name in the file", names, n);
    free(names);
    return false;
}

static bool step_index(walk *w)
{
    w->value = json_array_get(w->parent, w->step.index);
    w->shape = w->shape != NULL ? w->shape->item : NULL;
    return w->value != NULL || complain(w, "there is no element of this index in the file");
}

/* Steps to a value of a row, or to what is in a value of a row: of no known shape. */
static bool step_cell(walk *w, bool last)
{
    w->shape = NULL;
    w->value = json_object_get(w->parent, w->step.key);
    return w->value != NULL || last || complain(w, "is not in the file");
}

/* Takes the branch of EITHER that the value is of, or the one that has parts. */
static void choose_branch(walk *w)
{
    if (w->shape == NULL || w->shape->kind != DS_SHAPE_EITHER)
        return;
    const ds_shape *branch = ds_shape_branch(w->shape, w->value);
    w->shape = branch != NULL ? branch : w->shape->other;
}

/* Goes one step down, from w->value to one of its parts. */
static bool step_into(walk *w, bool last)
{
    choose_branch(w);
    w->parent = w->value;
    ds_shape_kind kind = w->shape != NULL ? w->shape->kind : DS_SHAPE_ROW;
    if (w->step.is_index)
        ds_json_path_index(&w->path, w->step.index);
    else
        ds_json_path_key(&w->path, w->step.key, w->step.key_length);
    bool list = json_is_array(w->parent) && (kind == DS_SHAPE_LIST || w->shape == NULL);
    if (list && w->step.is_index)
        return step_index(w);
    if (!json_is_object(w->parent) || w->step.is_index)
        return complain(w, "what stands there in the file has no such part");
    if (kind == DS_SHAPE_OBJECT)
        return step_key(w, last);
    if (kind == DS_SHAPE_MAP)
        return step_entry(w);
    return kind == DS_SHAPE_ROW ? step_cell(w, last)
                                : complain(w, "what stands there in the file has no such part");
}

/* The value as JSON if it is such and fits, else as a string; NULL if it is not UTF-8. */
static json_t *read_text(const walk *w, const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (value != NULL && (w->shape == NULL || ds_shape_takes(w->shape, value)))
        return value;
    json_decref(value);
    return json_string(text);
}

static char *put(walk *w, const char *text)
{
    json_t *value = read_text(w, text);
    if (value == NULL) {
        complain(w, "the value is not UTF-8");
        return NULL;
    }
    if (w->step.is_index)
        json_array_set(w->parent, w->step.index, value);
    else
        json_object_set(w->parent, w->step.key, value);
    const char *path = ds_buffer_text(&w->path);
    ds_diag_replaced(w->diagnostics, path, json_string_value(value), true);
    json_decref(value);
    return ds_strdup(path);
}

char *ds_app_set(json_t *tree, const char *set, ds_diagnostics *diagnostics)
{
    walk w = {.diagnostics = diagnostics, .shape = &ds_app_shape, .value = tree};
    const char *p = set;
    bool known = strchr(set, '=') != NULL;
    char *path = NULL;
    if (!known)
        ds_diag_usage(diagnostics, set, "is not written as path=value");
    while (known && ds_json_path_next(&p, '=', &w.step, &w.scratch))
        known = step_into(&w, *p == '=');
    if (known && *p == '=' && p > set)
        path = put(&w, p + 1);
    else if (known)
        ds_diag_usage(diagnostics, set, "the path cannot be read");
    ds_buffer_fini(&w.path);
    ds_buffer_fini(&w.scratch);
    return path;
}
