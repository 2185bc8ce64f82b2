/*
 * Functions of the user's own.
 *
 * The text of a function is part of the app: the driver reads it once, and puts it into the checked
 * tree, so that the canonical text has it. Executors get it with the plan and open no file.
 */
#include "dstream/app_build.h"

#include "base/files.h"
#include "columnar/text.h"
#include "columnar/user_functions.h"
#include "lua/definition.h"

#include <string.h>

#define TEXTS ((size_t)4 << 20) /* bytes of all texts together */

/* ---- what may stand in the file ---- */

#define END_OF_KEYS                                                                                \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const ds_shape boolean = {.kind = DS_SHAPE_BOOL};
static const ds_shape column_type = {.kind = DS_SHAPE_TYPE};
static const ds_shape line = {.kind = DS_SHAPE_TEXT, .noun = "a line (a string)"};
static const ds_shape lines = {.kind = DS_SHAPE_LIST, .min = 1, .item = &line};
static const ds_shape text = {.kind = DS_SHAPE_TEXT, .min = 1};
static const ds_shape file_name = {.kind = DS_SHAPE_TEXT, .min = 1, .max = 3500};
static const ds_shape lua = {.kind = DS_SHAPE_EITHER,
                             .noun =
                                 "the path of a .lua file, or Lua (a string, or a list of lines)",
                             .item = &text,
                             .other = &lines};
static const ds_shape args = {
    .kind = DS_SHAPE_LIST, .noun = "a list of column types", .max = 64, .item = &column_type};

static const ds_key function_keys[] = {
    {"lua", &lua, DS_KEY_REQUIRED, {0, 0}, NULL, "The path of a .lua file, or Lua itself."},
    {"args", &args, 0, {0, 0}, NULL, "The types of its arguments; any number of any types."},
    {"returns", &column_type, DS_KEY_REQUIRED, {0, 0}, NULL, "The type of its result."},
    {"aggregate", &boolean, 0, {0, 0}, "false", "It is a table of init, update, merge, finish."},
    {"file", &file_name, 0, {0, 0}, NULL, "What messages call a text that stands in the app."},
    END_OF_KEYS,
};
static const ds_shape function_shape = {.kind = DS_SHAPE_OBJECT,
                                        .id = "function",
                                        .noun = "an object (a function)",
                                        .keys = function_keys};
const ds_shape ds_functions_shape = {.kind = DS_SHAPE_MAP,
                                     .names = DS_NAMES_WORD,
                                     .noun = "an object of named functions",
                                     .max = 1000,
                                     .item = &function_shape};

/* ---- names ---- */

static const char *lower(ds_app_builder *builder, const char *name)
{
    char *copy = ds_arena_strdup(builder->arena, name);
    for (char *c = copy; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    return copy;
}

/* Names of functions are read in any case. */
static void check_name(ds_app_builder *builder, const char *path, const char *name,
                       uint32_t n_before)
{
    if (!ds_name_follows(DS_NAMES_WORD, name))
        return; /* reported already */
    const char *clash = ds_user_function_clash(lower(builder, name));
    if (clash != NULL)
        ds_diag_error_key(builder->diagnostics, path, "\"%s\" is %s: take another name", name,
                          clash);
    for (uint32_t i = 0; i < n_before; i++)
        if (strcmp(lower(builder, builder->app->functions[i].name), lower(builder, name)) == 0)
            ds_diag_error_key(builder->diagnostics, path,
                              "\"%s\" is also called \"%s\", as names of functions are read in any "
                              "case",
                              name, builder->app->functions[i].name);
}

/* ---- texts ---- */

/* Relative to the folder of the app file. */
static const char *path_of(ds_app_builder *builder, const char *file)
{
    const char *app = ds_json_source_name(builder->source), *slash = strrchr(app, '/');
    if (file[0] == '/' || slash == NULL)
        return file;
    return ds_arena_printf(builder->arena, "%.*s/%s", (int)(slash - app), app, file);
}

static bool is_path(const char *given)
{
    size_t length = strlen(given);
    return length > 4 && strcmp(given + length - 4, ".lua") == 0 && strchr(given, '\n') == NULL;
}

static bool read_text(ds_app_builder *builder, const char *path, const char *file, ds_buffer *out)
{
    ds_error error;
    size_t valid;
    if (ds_read_file(path_of(builder, file), DS_LUA_TEXT, out, &error) != DS_OK) {
        ds_diag_error(builder->diagnostics, path, "%s", error.message);
        return false;
    }
    if (ds_utf8_invalid(out->data, out->length, &valid) == 0)
        return true;
    ds_diag_error(builder->diagnostics, path, "%s is no text: byte %zu is not UTF-8", file,
                  valid + 1);
    return false;
}

static void join_lines(const json_t *list, ds_buffer *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        ds_buffer_append_text(out, one != NULL ? one : "");
        ds_buffer_append_char(out, '\n');
    }
}

/* The text of a function, ended by a line end: so it is never taken for a path. Its place in
 * messages goes to the tree, too. False if there is none. */
static bool find_text(ds_app_builder *builder, json_t *object, const char *path,
                      ds_lua_definition *function, ds_buffer *out)
{
    const json_t *given = ds_shape_get(object, "lua");
    const char *string = json_string_value(given);
    const char *file = json_string_value(ds_shape_get(object, "file"));
    if (given == NULL)
        return false;
    if (string != NULL && is_path(string)) {
        if (file != NULL)
            ds_diag_error_key(builder->diagnostics, ds_app_path(builder, path, "file"),
                              "the text has a file of its own");
        function->place = ds_app_text_copy(builder, string);
        json_object_set_new(object, "file", json_string(string));
        if (!read_text(builder, ds_app_path(builder, path, "lua"), string, out))
            return false;
    } else {
        function->place = file != NULL
                              ? ds_app_text_copy(builder, file)
                              : ds_arena_printf(builder->arena, "functions.%s", function->name);
        if (string != NULL)
            ds_buffer_append_text(out, string);
        else
            join_lines(given, out);
    }
    if (out->length == 0 || out->data[out->length - 1] != '\n')
        ds_buffer_append_char(out, '\n');
    return true;
}

static void keep_text(ds_app_builder *builder, json_t *object, const char *path,
                      ds_lua_definition *function, size_t *total)
{
    ds_buffer found = {0};
    const char *at = ds_app_path(builder, path, "lua");
    if (find_text(builder, object, path, function, &found)) {
        function->text = ds_arena_strndup(builder->arena, found.data, found.length);
        *total += found.length;
        if (found.length > DS_LUA_TEXT + 1)
            ds_diag_error(builder->diagnostics, at, "has more than %zu bytes", DS_LUA_TEXT);
        else if (*total > TEXTS)
            ds_diag_error(builder->diagnostics, at, "all functions have more than %zu bytes",
                          TEXTS);
        json_object_set_new(object, "lua", json_string(function->text));
    }
    ds_buffer_fini(&found);
}

/* ---- the whole ---- */

static bool read_types(ds_app_builder *builder, const json_t *object, ds_lua_definition *function)
{
    const json_t *list = ds_shape_get(object, "args");
    const char *returns = json_string_value(ds_shape_get(object, "returns"));
    uint32_t n = (uint32_t)json_array_size(list);
    ds_type *types = DS_ARENA_ARRAY(builder->arena, ds_type, n + 1);
    function->returns =
        DS_TYPE(DS_INT); /* if it is wrong: what calls it is looked at all the same */
    bool fine = returns != NULL && ds_type_parse(returns, &function->returns);
    bool known = true; /* if one is wrong: calls are not checked against it */
    for (uint32_t i = 0; i < n; i++) {
        const char *type = json_string_value(json_array_get(list, i));
        known = type != NULL && ds_type_parse(type, &types[i]) && known;
    }
    fine = fine && known;
    function->args = list != NULL && known ? types : NULL;
    function->n_args = n;
    return fine;
}

/* Loads it once, to tell what is wrong before anything runs. */
static void try_text(ds_app_builder *builder, const char *path, const ds_lua_definition *function)
{
    const ds_lua_limits limits = {builder->app->lua_instructions, builder->app->lua_memory};
    char message[DS_LUA_MESSAGE];
    if (!ds_lua_try(function, &limits, message))
        ds_diag_error(builder->diagnostics, ds_app_path(builder, path, "lua"), "%s", message);
}

static void read_function(ds_app_builder *builder, ds_lua_definition *function, json_t *object,
                          const char *path, size_t *total)
{
    bool fine = read_types(builder, object, function);
    function->aggregate = ds_shape_number(&function_shape, object, "aggregate") != 0;
    if (function->aggregate && function->n_args > 2)
        ds_diag_error(builder->diagnostics, ds_app_path(builder, path, "args"),
                      "an aggregate has at most two arguments");
    keep_text(builder, object, path, function, total);
    if (fine && builder->variables && !ds_diagnostics_wrong_under(builder->diagnostics, path))
        try_text(builder, path, function);
}

void ds_app_build_functions(ds_app_builder *builder)
{
    ds_app *app = builder->app;
    json_t *map = ds_shape_get(app->tree, "functions");
    uint32_t n;
    size_t total = 0;
    const char **names = ds_app_names(builder, map, &n);
    app->functions = DS_ARENA_ARRAY(builder->arena, ds_lua_definition, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        ds_lua_definition *function = &app->functions[app->n_functions];
        const char *path = ds_app_path(builder, "functions", names[i]);
        function->name = ds_app_text_copy(builder, names[i]);
        check_name(builder, path, names[i], i);
        read_function(builder, function, json_object_get(map, names[i]), path, &total);
        app->n_functions++;
    }
}
