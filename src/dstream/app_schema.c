/*
 * `dstream schema`: the JSON Schema (draft 2020-12) of the app file, for editors.
 *
 * Made from the tables that check a file, so it knows the same keys. It says a little less than
 * they do (no names across objects, no expressions), and any value may also be a string with a
 * variable in it. What an object takes only with some `type` or `format` becomes a rule "if the
 * type is this, then not these keys, and these are needed".
 */
#include "base/assert.h"
#include "base/memory.h"
#include "dstream/app_keys.h"

#include <stdlib.h>
#include <string.h>

#define VARIABLE "#/$defs/variable"

static json_t *schema_of(const ds_shape *shape, json_t *defs);

static json_t *type_named(const char *name)
{
    return json_pack("{s:s}", "type", name);
}

static json_t *reference_to(const char *id)
{
    json_t *reference = json_object();
    char *target = ds_calloc(strlen(id) + 10, 1);
    strcat(strcpy(target, "#/$defs/"), id);
    json_object_set_new(reference, "$ref", json_string(target));
    free(target);
    return reference;
}

static json_t *or_variable(json_t *schema)
{
    return json_pack("{s:[o, {s:s}]}", "anyOf", schema, "$ref", VARIABLE);
}

static json_t *text_like(const char *pattern)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static json_t *names_schema(ds_name_rule rule)
{
    switch (rule) {
    case DS_NAMES_WORD: return text_like("^[A-Za-z][A-Za-z0-9_]*$");
    case DS_NAMES_DASHED: return text_like("^[A-Za-z][A-Za-z0-9_-]*$");
    case DS_NAMES_COLUMN: return json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
    case DS_NAMES_ANY: break;
    }
    return type_named("string");
}

static json_t *int_schema(const ds_shape *shape)
{
    json_t *schema = type_named("integer");
    json_object_set_new(schema, "minimum", json_integer(shape->min));
    if (shape->max < INT64_MAX)
        json_object_set_new(schema, "maximum", json_integer(shape->max));
    return or_variable(schema);
}

static json_t *float_schema(const ds_shape *shape)
{
    return or_variable(json_pack("{s:s, s:I, s:I}", "type", "number", "minimum",
                                 (json_int_t)shape->min, "maximum", (json_int_t)shape->max));
}

/* The choices of this version, each with its meaning. */
static json_t *choice_schema(const ds_shape *shape)
{
    json_t *choices = json_array();
    for (const ds_choice *c = shape->choices; c->name != NULL; c++)
        if (!c->later)
            json_array_append_new(
                choices, json_pack("{s:s, s:s*}", "const", c->name, "description", c->doc));
    json_array_append_new(choices, json_pack("{s:s}", "$ref", VARIABLE));
    return json_pack("{s:o}", "anyOf", choices);
}

static void set_limits(json_t *schema, const ds_shape *shape, const char *least, const char *most)
{
    if (shape->min > 0)
        json_object_set_new(schema, least, json_integer(shape->min));
    if (shape->max > 0)
        json_object_set_new(schema, most, json_integer(shape->max));
}

static json_t *map_schema(const ds_shape *shape, json_t *defs)
{
    json_t *schema = type_named("object");
    json_object_set_new(schema, "propertyNames", names_schema(shape->names));
    json_object_set_new(schema, "additionalProperties", schema_of(shape->item, defs));
    set_limits(schema, shape, "minProperties", "maxProperties");
    return schema;
}

static json_t *list_schema(const ds_shape *shape, json_t *defs)
{
    json_t *schema = type_named("array");
    json_object_set_new(schema, "items", schema_of(shape->item, defs));
    set_limits(schema, shape, "minItems", "maxItems");
    return schema;
}

/* ---- objects ---- */

static json_t *key_schema(const ds_key *key, json_t *defs)
{
    json_t *schema = schema_of(key->shape, defs);
    if (key->doc != NULL)
        json_object_set_new(schema, "description", json_string(key->doc));
    if (key->fallback == NULL)
        return schema;
    bool plain = key->shape->kind == DS_SHAPE_INT || key->shape->kind == DS_SHAPE_FLOAT ||
                 key->shape->kind == DS_SHAPE_BOOL;
    json_object_set_new(schema, "default",
                        plain ? json_loads(key->fallback, JSON_DECODE_ANY, NULL)
                              : json_string(key->fallback));
    return schema;
}

/* What follows for the other keys from one choice of a selector. */
static json_t *consequence(const ds_shape *shape, const int selected[2])
{
    json_t *forbidden = json_object(), *required = json_array();
    for (const ds_key *key = shape->keys; key->name != NULL; key++) {
        bool depends = (key->only[0] | key->only[1]) != 0 && (key->flags & DS_KEY_LATER) == 0;
        bool decided = selected[1] >= 0 || key->only[1] == 0;
        if (depends && !ds_key_allowed(shape, key, selected))
            json_object_set_new(forbidden, key->name, json_false());
        else if (depends && decided && ds_key_required(key, selected))
            json_array_append_new(required, json_string(key->name));
    }
    json_t *then = json_pack("{s:o}", "properties", forbidden);
    if (json_array_size(required) > 0)
        json_object_set(then, "required", required);
    json_decref(required);
    return then;
}

/* "if `type` is this (and `format` that, or not given if it is the default)". */
static json_t *condition(const ds_shape *shape, const int selected[2])
{
    json_t *properties = json_object(), *required = json_array();
    for (int s = 0; s < 2; s++) {
        const ds_key *key =
            shape->selectors[s] != NULL ? ds_shape_key(shape, shape->selectors[s]) : NULL;
        if (key == NULL || selected[s] < 0 || !ds_key_allowed(shape, key, selected))
            continue;
        const char *choice = key->shape->choices[selected[s]].name;
        json_object_set_new(properties, key->name, json_pack("{s:s}", "const", choice));
        if (key->fallback == NULL || strcmp(key->fallback, choice) != 0)
            json_array_append_new(required, json_string(key->name));
    }
    return json_pack("{s:o, s:o}", "properties", properties, "required", required);
}

static void add_rule(json_t *rules, const ds_shape *shape, int first, int second)
{
    int selected[2] = {first, second};
    json_t *then = consequence(shape, selected);
    json_array_append_new(rules,
                          json_pack("{s:o, s:o}", "if", condition(shape, selected), "then", then));
}

/* The rules of one choice of the first selector: by itself, and with each of the second; where
 * the second cannot stand, one rule is all. */
static void add_rules(json_t *rules, const ds_shape *shape, int first)
{
    int alone[2] = {first, -1};
    const ds_key *second =
        shape->selectors[1] != NULL ? ds_shape_key(shape, shape->selectors[1]) : NULL;
    bool both = second != NULL && ds_key_allowed(shape, second, alone);
    add_rule(rules, shape, first, both ? -1 : 0);
    for (int i = 0; both && second->shape->choices[i].name != NULL; i++)
        if (!second->shape->choices[i].later)
            add_rule(rules, shape, first, i);
}

static json_t *rules_of(const ds_shape *shape)
{
    json_t *rules = json_array();
    const ds_choice *types = ds_shape_key(shape, shape->selectors[0])->shape->choices;
    for (int i = 0; types[i].name != NULL; i++)
        if (!types[i].later)
            add_rules(rules, shape, i);
    return rules;
}

static json_t *object_schema(const ds_shape *shape, json_t *defs)
{
    json_t *properties = json_object(), *required = json_array();
    for (const ds_key *key = shape->keys; key->name != NULL; key++) {
        if ((key->flags & DS_KEY_LATER) != 0)
            continue;
        json_object_set_new(properties, key->name, key_schema(key, defs));
        if ((key->flags & DS_KEY_REQUIRED) != 0 && (key->only[0] | key->only[1]) == 0)
            json_array_append_new(required, json_string(key->name));
    }
    json_t *schema = json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties,
                               "required", required, "additionalProperties", 0);
    if (shape->selectors[0] != NULL)
        json_object_set_new(schema, "allOf", rules_of(shape));
    return schema;
}

/* An object with an id is described once, among the definitions. */
static json_t *named_object(const ds_shape *shape, json_t *defs)
{
    if (shape->id == NULL)
        return object_schema(shape, defs);
    if (json_object_get(defs, shape->id) == NULL)
        json_object_set_new(defs, shape->id, object_schema(shape, defs));
    return reference_to(shape->id);
}

static json_t *schema_of(const ds_shape *shape, json_t *defs)
{
    switch (shape->kind) {
    case DS_SHAPE_BOOL: return or_variable(type_named("boolean"));
    case DS_SHAPE_INT: return int_schema(shape);
    case DS_SHAPE_FLOAT: return float_schema(shape);
    case DS_SHAPE_TEXT: {
        json_t *schema = type_named("string");
        if (shape->min > 0)
            json_object_set_new(schema, "minLength", json_integer(1));
        return schema;
    }
    case DS_SHAPE_NAME: return or_variable(names_schema(shape->names));
    case DS_SHAPE_EXPRESSION: return text_like("[^ \\t\\r\\n]");
    case DS_SHAPE_DURATION: return or_variable(text_like("^[0-9]+(ms|s|m|h|d)$"));
    case DS_SHAPE_SIZE: return or_variable(text_like("^[0-9]+(B|KiB|MiB|GiB)$"));
    case DS_SHAPE_TYPE:
        return or_variable(text_like("^(bool|int|float|string|timestamp|"
                                     "list<(bool|int|float|string|timestamp)>)$"));
    case DS_SHAPE_CHOICE: return choice_schema(shape);
    case DS_SHAPE_OBJECT: return named_object(shape, defs);
    case DS_SHAPE_MAP: return map_schema(shape, defs);
    case DS_SHAPE_LIST: return list_schema(shape, defs);
    case DS_SHAPE_ROW: return type_named("object");
    case DS_SHAPE_EITHER:
        return json_pack("{s:[o, o]}", "anyOf", schema_of(shape->item, defs),
                         schema_of(shape->other, defs));
    }
    DS_UNREACHABLE();
}

char *ds_app_json_schema(void)
{
    json_t *defs = json_object();
    json_object_set_new(defs, "variable", text_like("\\$\\{"));
    json_t *root = json_object();
    json_object_set_new(root, "$schema",
                        json_string("https://json-schema.org/draft/2020-12/schema"));
    json_object_set_new(root, "title", json_string("dstream app file, version 1"));
    json_object_update_new(root, object_schema(&ds_app_shape, defs));
    json_object_set_new(root, "$defs", defs);
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    DS_ASSERT(text != NULL);
    return text;
}
