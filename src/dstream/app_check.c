#include "dstream/app_check.h"
#include "base/nearest.h"

#include "base/json_path.h"
#include "columnar/type.h"
#include "dstream/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY_ERRORS 500u /* more are not shown anyway */

static const char *path_of(ds_app_check *check)
{
    return ds_buffer_text(&check->path);
}

/* ---- words ---- */

/* As a person would have written it. */
static void describe_real(double value, char text[static 64])
{
    snprintf(text, 64, "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, 64, "%.17g", value);
    if (strpbrk(text, ".e") == NULL)
        strcat(text, ".0");
}

void ds_json_describe(const json_t *value, char text[static 64])
{
    const char *string = json_string_value(value);
    switch (json_typeof(value)) {
    case JSON_STRING: {
        int n = (int)strnlen(string, 40);
        while (n > 0 && ((unsigned char)string[n] & 0xC0) == 0x80) /* cut at a whole character */
            n--;
        snprintf(text, 64, "\"%.*s%s\"", n, string, string[n] != '\0' ? "…" : "");
        break;
    }
    case JSON_INTEGER: snprintf(text, 64, "%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL: describe_real(json_real_value(value), text); break;
    case JSON_TRUE: snprintf(text, 64, "true"); break;
    case JSON_FALSE: snprintf(text, 64, "false"); break;
    case JSON_NULL: snprintf(text, 64, "null"); break;
    case JSON_OBJECT: snprintf(text, 64, "an object"); break;
    case JSON_ARRAY: snprintf(text, 64, "a list"); break;
    }
}

void ds_append_nearest(const ds_diagnostics *diagnostics, ds_buffer *out, const char *name,
                       const char *const *candidates, size_t n)
{
    if (ds_diagnostics_errors(diagnostics) > MANY_ERRORS)
        return;
    const char *nearest = ds_nearest_name(name, candidates, n);
    if (nearest != NULL)
        ds_buffer_printf(out, " (did you mean \"%s\"?)", nearest);
}

static json_t *wrong_type(ds_app_check *check, const ds_shape *shape, const json_t *value)
{
    char text[64] = "this";
    if (!shape->hidden)
        ds_json_describe(value, text);
    ds_diag_error(check->diagnostics, path_of(check), "must be %s, not %s", ds_shape_text(shape),
                  text);
    return json_null();
}

/* ---- limits ---- */

static void limit_text(const ds_shape *shape, int64_t value, char text[static DS_UNIT_TEXT])
{
    if (shape->kind == DS_SHAPE_DURATION)
        ds_duration_format(value, text);
    else if (shape->kind == DS_SHAPE_SIZE)
        ds_size_format(value, text);
    else
        snprintf(text, DS_UNIT_TEXT, "%" PRId64, value);
}

/* Reports a value that does not lie between min and max, but below or above. */
static bool out_of_range(ds_app_check *check, const ds_shape *shape, bool below,
                         const json_t *value)
{
    char shown[64], least[DS_UNIT_TEXT], most[DS_UNIT_TEXT];
    ds_json_describe(value, shown);
    limit_text(shape, shape->min, least);
    limit_text(shape, shape->max, most);
    if (shape->min == shape->max)
        ds_diag_error(check->diagnostics, path_of(check), "must be %s, not %s", least, shown);
    else if (below)
        ds_diag_error(check->diagnostics, path_of(check), "must be %s or more, not %s", least,
                      shown);
    else
        ds_diag_error(check->diagnostics, path_of(check), "must be at most %s, not %s", most,
                      shown);
    return false;
}

/* True if the number lies between min and max; reports it otherwise. */
static bool in_range(ds_app_check *check, const ds_shape *shape, int64_t number,
                     const json_t *value)
{
    return (number >= shape->min && number <= shape->max) ||
           out_of_range(check, shape, number < shape->min, value);
}

static bool float_in_range(ds_app_check *check, const ds_shape *shape, const json_t *value)
{
    double number = json_number_value(value);
    return (number >= (double)shape->min && number <= (double)shape->max) ||
           out_of_range(check, shape, number < (double)shape->min, value);
}

static bool enough_entries(ds_app_check *check, const ds_shape *shape, size_t n)
{
    int64_t most = shape->max > 0 ? shape->max : INT64_MAX;
    const char *entries = shape->kind == DS_SHAPE_MAP ? "entry" : "element";
    if (shape->min == shape->max && (int64_t)n != shape->min && shape->max > 0)
        ds_diag_error(check->diagnostics, path_of(check), "must have exactly %" PRId64 " %s",
                      shape->min, entries);
    else if ((int64_t)n < shape->min)
        ds_diag_error(check->diagnostics, path_of(check), "is empty: needs at least one %s",
                      entries);
    else if ((int64_t)n > most)
        ds_diag_error(check->diagnostics, path_of(check), "has %zu entries; at most %" PRId64, n,
                      most);
    else
        return true;
    return false;
}

/* ---- strings ---- */

static bool check_choice(ds_app_check *check, const ds_shape *shape, const char *text)
{
    int choice = ds_shape_choice(shape, text);
    if (choice >= 0 && !shape->choices[choice].later)
        return true;
    if (choice >= 0) {
        ds_diag_error(check->diagnostics, path_of(check), "\"%s\" is not available yet", text);
        return false;
    }
    const char *names[32];
    size_t n = 0;
    ds_buffer known = {0};
    for (const ds_choice *c = shape->choices; c->name != NULL && n < 32; c++) {
        names[n++] = c->name;
        if (!c->later)
            ds_buffer_printf(&known, "%s%s", known.length > 0 ? ", " : "", c->name);
    }
    ds_buffer near = {0};
    ds_append_nearest(check->diagnostics, &near, text, names, n);
    ds_diag_error(check->diagnostics, path_of(check), "\"%.60s\" is not one of %s%s", text,
                  ds_buffer_text(&known), ds_buffer_text(&near));
    ds_buffer_fini(&known);
    ds_buffer_fini(&near);
    return false;
}

static bool check_type_name(ds_app_check *check, const char *text)
{
    static const char *const names[] = {
        "bool",       "int",       "float",       "string",       "timestamp",
        "list<bool>", "list<int>", "list<float>", "list<string>", "list<timestamp>",
    };
    ds_type type;
    if (ds_type_parse(text, &type))
        return true;
    ds_buffer near = {0};
    ds_append_nearest(check->diagnostics, &near, text, names, sizeof names / sizeof *names);
    ds_diag_error(check->diagnostics, path_of(check),
                  "\"%.60s\" is not a type: bool, int, float, string, timestamp or list<…>%s", text,
                  ds_buffer_text(&near));
    ds_buffer_fini(&near);
    return false;
}

static bool check_text(ds_app_check *check, const ds_shape *shape, const char *text)
{
    int64_t length = (int64_t)strlen(text);
    if (shape->max == 0 || (length >= shape->min && length <= shape->max))
        return true;
    if (length == 0)
        ds_diag_error(check->diagnostics, path_of(check), "is empty");
    else if (shape->max == 1)
        ds_diag_error(check->diagnostics, path_of(check), "must be %s", ds_shape_text(shape));
    else
        ds_diag_error(check->diagnostics, path_of(check), "is longer than %" PRId64 " bytes",
                      shape->max);
    return false;
}

static bool check_name(ds_app_check *check, ds_name_rule rule, const char *text, bool key)
{
    if (ds_name_follows(rule, text))
        return true;
    (key ? ds_diag_error_key : ds_diag_error)(check->diagnostics, path_of(check),
                                              "\"%.60s\" cannot be a name: %s", text,
                                              ds_name_rule_text(rule));
    return false;
}

/* Checks a string's content against a shape that takes strings. */
static bool check_content(ds_app_check *check, const ds_shape *shape, const json_t *value)
{
    const char *text = json_string_value(value);
    int64_t number = 0;
    switch (shape->kind) {
    case DS_SHAPE_TEXT: return check_text(check, shape, text);
    case DS_SHAPE_NAME: return check_name(check, shape->names, text, false);
    case DS_SHAPE_TYPE: return check_type_name(check, text);
    case DS_SHAPE_CHOICE: return check_choice(check, shape, text);
    case DS_SHAPE_EXPRESSION:
        if (text[strspn(text, " \t\r\n")] != '\0')
            return true;
        ds_diag_error(check->diagnostics, path_of(check), "is empty");
        return false;
    default: break;
    }
    bool read = shape->kind == DS_SHAPE_DURATION ? ds_duration_parse(text, &number)
                                                 : ds_size_parse(text, &number);
    if (!read)
        json_decref(wrong_type(check, shape, value));
    return read && in_range(check, shape, number, value);
}

/* ---- variables ---- */

static bool given_by_set(ds_app_check *check)
{
    const char *path = path_of(check);
    for (uint32_t i = 0; i < check->n_set; i++) {
        size_t n = strlen(check->set[i]);
        if (strncmp(path, check->set[i], n) == 0 &&
            (path[n] == '\0' || path[n] == '.' || path[n] == '['))
            return true;
    }
    return false;
}

static bool expands(ds_app_check *check, const json_t *value)
{
    return check->expand && json_is_string(value) && ds_variables_in(json_string_value(value)) &&
           !given_by_set(check);
}

/* A new string with the variables of value replaced, or NULL after reporting why not. */
static json_t *expand(ds_app_check *check, const json_t *value)
{
    ds_buffer out = {0};
    uint32_t offset = 0, length = 0;
    ds_error error;
    json_t *expanded = NULL;
    const char *path = path_of(check);
    if (ds_variables_expand(&check->variables, json_string_value(value), &out, &offset, &length,
                            &error) != DS_OK)
        ds_diag_error_in(check->diagnostics, path, offset, length, "%s", error.message);
    else if ((expanded = json_stringn(ds_buffer_text(&out), out.length)) == NULL)
        ds_diag_error(check->diagnostics, path, "the value of a variable is not UTF-8");
    else
        ds_diag_replaced(check->diagnostics, path, json_string_value(expanded), false);
    ds_buffer_fini(&out);
    return expanded;
}

/* A float as JSON writes it, or NULL. */
static json_t *as_float(const char *text)
{
    json_t *number = json_loads(text, JSON_DECODE_ANY, NULL);
    if (json_is_number(number))
        return number;
    json_decref(number);
    return NULL;
}

/* The bool or number that a string which was one variable stands for, or NULL. */
static json_t *as_number(const ds_shape *shape, const char *text)
{
    if (shape->kind == DS_SHAPE_EITHER)
        shape = shape->item;
    if (shape->kind == DS_SHAPE_BOOL && strcmp(text, "true") == 0)
        return json_true();
    if (shape->kind == DS_SHAPE_BOOL && strcmp(text, "false") == 0)
        return json_false();
    if (shape->kind == DS_SHAPE_FLOAT)
        return as_float(text);
    size_t sign = text[0] == '-' || text[0] == '+';
    size_t digits = strspn(text + sign, "0123456789");
    if (shape->kind != DS_SHAPE_INT || digits == 0 || text[sign + digits] != '\0')
        return NULL;
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    return errno == 0 ? json_integer(number) : NULL;
}

/* ---- objects, maps, lists ---- */

static json_t *check_plain(ds_app_check *check, const ds_shape *shape, json_t *value);

static size_t push_key(ds_app_check *check, const char *key)
{
    size_t before = check->path.length;
    ds_json_path_key(&check->path, key, strlen(key));
    return before;
}

static void pop(ds_app_check *check, size_t before)
{
    check->path.length = before;
}

static void unknown_key(ds_app_check *check, const ds_shape *shape, const char *name)
{
    for (const char *const *later = ds_app_later_keys; *later != NULL; later++) {
        if (strcmp(*later, name) == 0) {
            ds_diag_error_key(check->diagnostics, path_of(check), "\"%s\" is not available yet",
                              name);
            return;
        }
    }
    const char *names[64];
    size_t n = 0;
    for (const ds_key *key = shape->keys; key->name != NULL && n < 64; key++)
        names[n++] = key->name;
    ds_buffer near = {0};
    ds_append_nearest(check->diagnostics, &near, name, names, n);
    ds_diag_error_key(check->diagnostics, path_of(check), "unknown key \"%.60s\"%s", name,
                      ds_buffer_text(&near));
    ds_buffer_fini(&near);
}

/* Says whose key it is when it stands in an object of another type or format. */
static void misplaced_key(ds_app_check *check, const ds_shape *shape, const ds_key *key,
                          const json_t *object, const int selected[2])
{
    unsigned by = key->only[0] == 0 || selected[0] < 0 || (key->only[0] >> selected[0] & 1) != 0;
    const ds_key *selector = ds_shape_key(shape, shape->selectors[by]);
    ds_buffer owners = {0};
    for (unsigned i = 0; selector->shape->choices[i].name != NULL; i++)
        if ((key->only[by] >> i & 1) != 0)
            ds_buffer_printf(&owners, "%s%s", owners.length > 0 ? ", " : "",
                             selector->shape->choices[i].name);
    ds_diag_error_key(check->diagnostics, path_of(check), "\"%s\" belongs to %s %s, not to %s",
                      key->name, selector->name, ds_buffer_text(&owners),
                      ds_shape_string(shape, object, selector->name));
    ds_buffer_fini(&owners);
}

/* Checks which keys may stand together and which have to, once all values are known. */
static void check_presence(ds_app_check *check, const ds_shape *shape, json_t *object)
{
    int selected[2] = {ds_shape_selected(shape, 0, object), ds_shape_selected(shape, 1, object)};
    if (shape->selectors[0] != NULL && selected[0] < 0)
        selected[1] = -1; /* without a type nothing is known */
    for (const ds_key *key = shape->keys; key->name != NULL; key++) {
        bool there = json_object_get(object, key->name) != NULL;
        bool allowed = ds_key_allowed(shape, key, selected);
        bool decided =
            (key->only[0] == 0 || selected[0] >= 0) && (key->only[1] == 0 || selected[1] >= 0);
        size_t before = push_key(check, key->name);
        if (there && !allowed) {
            misplaced_key(check, shape, key, object, selected);
            json_object_set_new(object, key->name, json_null());
        } else if (!there && allowed && decided && ds_key_required(key, selected)) {
            ds_diag_error_key(check->diagnostics, path_of(check), "missing: \"%s\" is needed here",
                              key->name);
        }
        pop(check, before);
    }
}

static json_t *check_member(ds_app_check *check, const ds_shape *shape, const char *name,
                            json_t *value)
{
    const ds_key *key = ds_shape_key(shape, name);
    if (key == NULL) {
        unknown_key(check, shape, name);
        return json_null();
    }
    if ((key->flags & DS_KEY_LATER) != 0) {
        ds_diag_error_key(check->diagnostics, path_of(check), "\"%s\" is not available yet", name);
        return json_null();
    }
    bool expand_here = check->expand;
    check->expand = expand_here && (key->flags & DS_KEY_NO_VARIABLES) == 0;
    json_t *checked = ds_app_check_value(check, key->shape, value);
    check->expand = expand_here;
    return checked;
}

static void check_object(ds_app_check *check, const ds_shape *shape, json_t *object)
{
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
        size_t before = push_key(check, json_object_iter_key(i));
        json_t *checked =
            check_member(check, shape, json_object_iter_key(i), json_object_iter_value(i));
        json_object_iter_set_new(object, i, checked);
        pop(check, before);
    }
    check_presence(check, shape, object);
}

static json_t *check_item(ds_app_check *check, const ds_shape *shape, json_t *value)
{
    json_t *checked = ds_app_check_value(check, shape->item, value);
    if (shape->item->kind != DS_SHAPE_OBJECT || !json_is_null(checked))
        return checked;
    json_decref(checked);
    return json_object();
}

static bool check_map(ds_app_check *check, const ds_shape *shape, json_t *map)
{
    bool good = enough_entries(check, shape, json_object_size(map));
    for (void *i = json_object_iter(map); i != NULL && good; i = json_object_iter_next(map, i)) {
        const char *name = json_object_iter_key(i);
        size_t before = push_key(check, name);
        good = check_name(check, shape->names, name, true) || strlen(name) <= DS_NAME_MAX;
        json_object_iter_set_new(map, i, check_item(check, shape, json_object_iter_value(i)));
        pop(check, before);
    }
    return good;
}

static bool check_list(ds_app_check *check, const ds_shape *shape, json_t *list)
{
    if (!enough_entries(check, shape, json_array_size(list)))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t before = check->path.length;
        ds_json_path_index(&check->path, i);
        json_array_set_new(list, i, check_item(check, shape, json_array_get(list, i)));
        pop(check, before);
    }
    return true;
}

/* Replaces the variables in the values of a row; their types are looked at when the columns
 * are known. */
static json_t *expand_deep(ds_app_check *check, json_t *value)
{
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        size_t before = check->path.length;
        ds_json_path_index(&check->path, i);
        json_array_set_new(value, i, expand_deep(check, json_array_get(value, i)));
        pop(check, before);
    }
    void *iter = json_is_object(value) ? json_object_iter(value) : NULL;
    for (; iter != NULL; iter = json_object_iter_next(value, iter)) {
        size_t before = push_key(check, json_object_iter_key(iter));
        json_object_iter_set_new(value, iter, expand_deep(check, json_object_iter_value(iter)));
        pop(check, before);
    }
    json_t *expanded = expands(check, value) ? expand(check, value) : json_incref(value);
    return expanded != NULL ? expanded : json_null();
}

/* ---- any value ---- */

static json_t *check_plain(ds_app_check *check, const ds_shape *shape, json_t *value)
{
    const ds_shape *branch = ds_shape_branch(shape, value);
    if (branch == NULL)
        return wrong_type(check, shape, value);
    bool good = true;
    switch (branch->kind) {
    case DS_SHAPE_BOOL: break;
    case DS_SHAPE_INT: good = in_range(check, branch, json_integer_value(value), value); break;
    case DS_SHAPE_FLOAT: good = float_in_range(check, branch, value); break;
    case DS_SHAPE_OBJECT: check_object(check, branch, value); break;
    case DS_SHAPE_MAP: good = check_map(check, branch, value); break;
    case DS_SHAPE_LIST: good = check_list(check, branch, value); break;
    case DS_SHAPE_ROW: return expand_deep(check, value);
    default: good = check_content(check, branch, value);
    }
    return good ? json_incref(value) : json_null();
}

json_t *ds_app_check_value(ds_app_check *check, const ds_shape *shape, json_t *value)
{
    if (shape->hidden)
        ds_diag_hide(check->diagnostics, path_of(check));
    if (!expands(check, value))
        return check_plain(check, shape, value);
    json_t *expanded = expand(check, value);
    if (expanded == NULL)
        return json_null();
    if (ds_variables_whole(json_string_value(value))) {
        json_t *number = as_number(shape, json_string_value(expanded));
        if (number != NULL) {
            json_decref(expanded);
            expanded = number;
        }
    }
    json_t *checked = check_plain(check, shape, expanded);
    json_decref(expanded);
    return checked;
}
