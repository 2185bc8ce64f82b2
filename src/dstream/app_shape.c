#include "dstream/app_shape.h"

#include "base/assert.h"
#include "dstream/units.h"

#include <stdlib.h>
#include <string.h>

const ds_key *ds_shape_key(const ds_shape *object, const char *name)
{
    for (const ds_key *key = object->keys; key->name != NULL; key++)
        if (strcmp(key->name, name) == 0)
            return key;
    return NULL;
}

int ds_shape_choice(const ds_shape *choice, const char *name)
{
    for (int i = 0; choice->choices[i].name != NULL; i++)
        if (strcmp(choice->choices[i].name, name) == 0)
            return i;
    return -1;
}

bool ds_shape_takes(const ds_shape *shape, const json_t *value)
{
    switch (shape->kind) {
    case DS_SHAPE_BOOL: return json_is_boolean(value);
    case DS_SHAPE_INT: return json_is_integer(value);
    case DS_SHAPE_FLOAT: return json_is_number(value);
    case DS_SHAPE_OBJECT:
    case DS_SHAPE_MAP:
    case DS_SHAPE_ROW: return json_is_object(value);
    case DS_SHAPE_LIST: return json_is_array(value);
    case DS_SHAPE_EITHER:
        return ds_shape_takes(shape->item, value) || ds_shape_takes(shape->other, value);
    default: return json_is_string(value);
    }
}

const ds_shape *ds_shape_branch(const ds_shape *shape, const json_t *value)
{
    if (shape->kind == DS_SHAPE_EITHER)
        shape = ds_shape_takes(shape->item, value) ? shape->item : shape->other;
    return ds_shape_takes(shape, value) ? shape : NULL;
}

const char *ds_shape_text(const ds_shape *shape)
{
    if (shape->noun != NULL)
        return shape->noun;
    static const char *const texts[] = {
        [DS_SHAPE_BOOL] = "true or false",
        [DS_SHAPE_INT] = "a whole number",
        [DS_SHAPE_FLOAT] = "a number",
        [DS_SHAPE_TEXT] = "a string",
        [DS_SHAPE_NAME] = "a name (a string)",
        [DS_SHAPE_EXPRESSION] = "an expression (a string)",
        [DS_SHAPE_DURATION] = "a duration such as \"10s\" (ms, s, m, h, d)",
        [DS_SHAPE_SIZE] = "a size such as \"64KiB\" (B, KiB, MiB, GiB)",
        [DS_SHAPE_TYPE] = "a column type (a string)",
        [DS_SHAPE_CHOICE] = "a string",
        [DS_SHAPE_OBJECT] = "an object",
        [DS_SHAPE_MAP] = "an object",
        [DS_SHAPE_LIST] = "a list",
        [DS_SHAPE_ROW] = "an object (a row)",
        [DS_SHAPE_EITHER] = "",
    };
    return texts[shape->kind];
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ds_name_follows(ds_name_rule rule, const char *text)
{
    if (rule == DS_NAMES_ANY)
        return true;
    size_t length = strlen(text);
    if (rule == DS_NAMES_COLUMN)
        return length > 0 && length <= DS_COLUMN_MAX;
    if (!is_letter(text[0]) || length > DS_NAME_MAX)
        return false;
    for (size_t i = 1; i < length; i++) {
        char c = text[i];
        bool fits = is_letter(c) || (c >= '0' && c <= '9') || c == '_' ||
                    (c == '-' && rule == DS_NAMES_DASHED);
        if (!fits)
            return false;
    }
    return true;
}

const char *ds_name_rule_text(ds_name_rule rule)
{
    static const char *const texts[] = {
        [DS_NAMES_ANY] = "any text",
        [DS_NAMES_WORD] = "letters, digits and _, starting with a letter, at most 128",
        [DS_NAMES_DASHED] = "letters, digits, _ and -, starting with a letter, at most 128",
        [DS_NAMES_COLUMN] = "a text of 1 to 1000 bytes",
    };
    return texts[rule];
}

int ds_shape_selected(const ds_shape *object, unsigned selector, const json_t *value)
{
    const char *name = object->selectors[selector];
    if (name == NULL)
        return -1;
    const ds_key *key = ds_shape_key(object, name);
    DS_ASSERT(key != NULL && key->shape->kind == DS_SHAPE_CHOICE);
    const json_t *chosen = json_object_get(value, name);
    if (json_is_string(chosen))
        return ds_shape_choice(key->shape, json_string_value(chosen));
    if (chosen != NULL || key->fallback == NULL)
        return -1;
    return ds_shape_choice(key->shape, key->fallback);
}

static bool allowed_by(const ds_key *key, unsigned selector, int choice)
{
    return key->only[selector] == 0 || choice < 0 || (key->only[selector] >> choice & 1) != 0;
}

bool ds_key_allowed(const ds_shape *object, const ds_key *key, const int selected[2])
{
    if (!allowed_by(key, 0, selected[0]))
        return false;
    if (object->selectors[1] == NULL || allowed_by(key, 1, selected[1]))
        return true;
    return !allowed_by(ds_shape_key(object, object->selectors[1]), 0, selected[0]);
}

bool ds_key_required(const ds_key *key, const int selected[2])
{
    bool optional = selected[1] >= 0 && (key->flags & DS_KEY_OPTIONAL_WITH(selected[1])) != 0;
    return (key->flags & DS_KEY_REQUIRED) != 0 && !optional;
}

json_t *ds_shape_get(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

static int64_t number_of(const ds_shape *shape, const char *text)
{
    int64_t number = 0;
    if (shape->kind == DS_SHAPE_DURATION)
        ds_duration_parse(text, &number);
    else if (shape->kind == DS_SHAPE_SIZE)
        ds_size_parse(text, &number);
    else if (shape->kind == DS_SHAPE_BOOL)
        number = strcmp(text, "true") == 0;
    else
        number = strtoll(text, NULL, 10);
    return number;
}

int64_t ds_shape_number(const ds_shape *object_shape, const json_t *object, const char *name)
{
    const ds_key *key = ds_shape_key(object_shape, name);
    DS_ASSERT(key != NULL);
    const json_t *value = ds_shape_get(object, name);
    if (json_is_integer(value))
        return json_integer_value(value);
    if (json_is_boolean(value))
        return json_is_true(value);
    const char *text = json_is_string(value) ? json_string_value(value) : key->fallback;
    return text != NULL ? number_of(key->shape, text) : 0;
}

double ds_shape_float(const ds_shape *object_shape, const json_t *object, const char *name)
{
    const ds_key *key = ds_shape_key(object_shape, name);
    DS_ASSERT(key != NULL && key->shape->kind == DS_SHAPE_FLOAT);
    const json_t *value = ds_shape_get(object, name);
    if (json_is_number(value))
        return json_number_value(value);
    return key->fallback != NULL ? strtod(key->fallback, NULL) : 0;
}

const char *ds_shape_string(const ds_shape *object_shape, const json_t *object, const char *name)
{
    const ds_key *key = ds_shape_key(object_shape, name);
    DS_ASSERT(key != NULL);
    const json_t *value = ds_shape_get(object, name);
    return json_is_string(value) ? json_string_value(value) : key->fallback;
}
