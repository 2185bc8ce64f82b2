/* The functions of an app file: texts and their places, names, types, and what is wrong. */
#include "base/files.h"
#include "lua/definition.h"

#include "unit/plan_unit.h"
#include "unit/scratch_dir.h"

#define BEFORE "{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },\n'functions': { "
#define AFTER " },\n'sources': { 'in': { 'type': 'rate', 'rows_per_second': 1 } },\n'streams': { "

static loaded load(const char *functions, const char *streams)
{
    ds_buffer text = {0};
    ds_buffer_append_text(&text, BEFORE);
    ds_buffer_append_text(&text, functions);
    ds_buffer_append_text(&text, AFTER);
    ds_buffer_append_text(&text, streams);
    ds_buffer_append_text(&text, " },\n'sinks': {} }");
    loaded l = unit_load(ds_buffer_text(&text));
    ds_buffer_fini(&text);
    return l;
}

/* Expects exactly one error, with this text. */
static void refused(const char *functions, const char *part)
{
    loaded l = load(functions, "");
    ck_assert_msg(l.app == NULL, "%s is fine", functions);
    ck_assert_msg(strstr(l.said.data, part) != NULL, "%s\nsays %s", functions, l.said.data);
    ck_assert_uint_eq(ds_diagnostics_errors(l.diagnostics), 1);
    unit_unload(&l);
}

START_TEST(forms_of_a_text)
{
    loaded l = load("'a': { 'lua': 'function(x) return x end', 'args': ['int'], 'returns': 'int' },"
                    "'b': { 'lua': ['local n = 1', 'return function(x)', 'return x end'],"
                    "       'returns': 'list<string>', 'file': 'b.lua' },"
                    "'C3_': { 'lua': 'function C3_() end', 'args': [], 'returns': 'timestamp' }",
                    "");
    ck_assert_msg(l.app != NULL, "%s", l.said.data);
    ck_assert_uint_eq(l.app->n_functions, 3);
    const ds_lua_definition *c = &l.app->functions[0], *a = &l.app->functions[1],
                            *b = &l.app->functions[2];
    ck_assert_str_eq(a->text, "function(x) return x end\n");
    ck_assert_str_eq(a->place, "functions.a");
    ck_assert(a->n_args == 1 && a->args[0].kind == DS_INT && a->returns.kind == DS_INT);
    ck_assert_str_eq(b->text, "local n = 1\nreturn function(x)\nreturn x end\n");
    ck_assert_str_eq(b->place, "b.lua");
    ck_assert(b->args == NULL && ds_type_equal(b->returns, DS_LIST_OF(DS_STRING)));
    ck_assert_str_eq(c->name, "C3_");
    ck_assert(c->args != NULL && c->n_args == 0 && !c->aggregate);
    ck_assert_int_eq(l.app->lua_instructions, 1000000);
    ck_assert_int_eq(l.app->lua_memory, 16 << 20);
    unit_unload(&l);
}
END_TEST

/* What executors get has the texts in it, and gives the same functions and the same hash. */
START_TEST(the_canonical_text_has_it_all)
{
    scratch_dir dir;
    scratch_open(&dir);
    scratch_write(&dir, "f.lua", "\nfunction f(x)\n  return x + 1 -- \xc3\xa4\nend");
    char *text = unit_quoted(BEFORE "'f': { 'lua': 'f.lua', 'returns': 'int' }" AFTER
                                    "'s': { 'from': 'in', 'select': { 'x': 'F(value)' } } },"
                                    "'sinks': {} }");
    ds_json_source *source;
    ds_error error;
    ck_assert_int_eq(
        ds_json_source_new(scratch_path(&dir, "app.json"), text, strlen(text), &source, &error),
        DS_OK);
    ds_diagnostics *diagnostics = ds_diagnostics_new(source);
    ds_app *app, *again;
    ck_assert_int_eq(ds_app_load(source, NULL, diagnostics, &app), DS_OK);
    ck_assert_str_eq(app->functions[0].place, "f.lua");
    ck_assert_str_eq(app->functions[0].text, "\nfunction f(x)\n  return x + 1 -- \xc3\xa4\nend\n");
    char *canonical = ds_app_canonical(app);
    scratch_close(&dir); /* nobody opens it again */
    ck_assert_int_eq(ds_app_from_canonical(canonical, strlen(canonical), &again, &error), DS_OK);
    ck_assert_str_eq(again->functions[0].place, "f.lua");
    ck_assert_str_eq(again->functions[0].text, app->functions[0].text);
    char *twice = ds_app_canonical(again);
    ck_assert_str_eq(canonical, twice);
    ds_plan *plan;
    ck_assert_int_eq(ds_plan_new(again, NULL, diagnostics, &plan), DS_OK);
    ds_plan_free(plan);
    free(twice);
    free(canonical);
    ds_app_free(again);
    ds_app_free(app);
    ds_diagnostics_free(diagnostics);
    ds_json_source_free(source);
    free(text);
}
END_TEST

START_TEST(texts_that_are_wrong)
{
    refused("'f': { 'lua': 'none.lua', 'returns': 'int' }",
            "app.json:2:30: functions.f.lua: cannot open none.lua");
    refused("'f': { 'lua': 'x = = 1', 'returns': 'int' }",
            "functions.f.lua: functions.f:1: unexpected symbol near '='");
    refused(
        "'f': { 'lua': ['local x = 1', 'return x'], 'returns': 'int' }",
        "functions.f.lua: functions.f: it must return a function, or set a global of the name f");
    refused("'f': { 'lua': 'return {}', 'returns': 'int', 'aggregate': true }",
            "functions.f: the aggregate has no function init");
    refused("'f': { 'lua': 'while true do end', 'returns': 'int' }",
            "it takes more than 1000000 instructions (limits.lua_instructions)");
    refused("'f': { 'lua': '', 'returns': 'int' }", "functions.f.lua: ");
    refused("'f': { 'lua': 5, 'returns': 'int' }", "must be the path of a .lua file, or Lua");
    refused("'f': { 'lua': [], 'returns': 'int' }", "functions.f.lua: ");
    refused("'f': { 'returns': 'int' }", "functions.f.lua: missing");
    refused("'f': { 'lua': 'function() end' }", "functions.f.returns: missing");
    refused("'f': { 'lua': 'function() end', 'returns': 'integer' }", "functions.f.returns: ");
    refused("'f': { 'lua': 'function() end', 'returns': 'int', 'args': ['x'] }",
            "functions.f.args[0]: ");
    refused("'f': { 'lua': 'function() end', 'returns': 'int', 'arg': [] }",
            "did you mean \"args\"?");
    refused("'f': { 'lua': 'return {}', 'returns': 'int', 'aggregate': true,"
            "       'args': ['int', 'int', 'int'] }",
            "functions.f.args: an aggregate has at most two arguments");
    refused("'f': 5", "functions.f: must be an object (a function)");
}
END_TEST

START_TEST(files_that_are_wrong)
{
    char functions[300];
    scratch_dir dir;
    scratch_open(&dir);
    static const struct {
        const char *name, *bytes, *says;
    } files[] = {
        {"latin.lua", "return '\xe4'", "latin.lua is no text: byte 9 is not UTF-8"},
        {"code.lua", "\033LJ\002", "wrong mode"},
        {"folder.lua", NULL, "folder.lua"},
        {"lines.lua", "\n\nfunction f(\n", "lines.lua:4: "},
        {"fails.lua", "\nerror('no')", "fails.lua:2: no"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ds_error error;
        const char *path = scratch_path(&dir, files[i].name);
        if (files[i].bytes == NULL)
            ck_assert_int_eq(ds_make_folders(path, &error), DS_OK);
        snprintf(functions, sizeof functions, "'f': { 'lua': '%s', 'returns': 'int' }", path);
        if (files[i].bytes != NULL)
            scratch_write(&dir, files[i].name, files[i].bytes);
        refused(functions, files[i].says);
    }
    char *text = ds_alloc(DS_LUA_TEXT + 2);
    memset(text, ' ', DS_LUA_TEXT + 1);
    text[DS_LUA_TEXT + 1] = '\0';
    scratch_write(&dir, "large.lua", text);
    snprintf(functions, sizeof functions, "'f': { 'lua': '%s', 'returns': 'int' }",
             scratch_path(&dir, "large.lua"));
    refused(functions, "large.lua");
    free(text);
    scratch_close(&dir);
}
END_TEST

START_TEST(names)
{
#define NAMED(name) "'" name "': { 'lua': 'function() end', 'returns': 'int' }"
    refused(NAMED("Length"),
            "functions.Length: \"Length\" is a built-in function: take another name");
    refused(NAMED("median"), "\"median\" is a built-in aggregate");
    refused(NAMED("case"), "\"case\" is a reserved word");
    refused(NAMED("timed_out"), "a built-in function");
    refused(NAMED("coalesce"), "a built-in function");
    refused(NAMED("a-b"), "letters, digits and _");
    refused(NAMED("1a"), "letters, digits and _");
    refused(NAMED("twice") "," NAMED("Twice"), "\"twice\" is also called \"Twice\"");
}
END_TEST

/* Where the types of arguments are wrong, calls are not found wrong because of that. */
START_TEST(wrong_types_are_told_once)
{
    static const char *const lists[] = {"1", "'x'", "'int', 1", "1, 'int'"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char functions[200];
        snprintf(functions, sizeof functions,
                 "'f': { 'lua': 'function() end', 'returns': 'int', 'args': [%s] }", lists[i]);
        loaded l = load(functions, "'s': { 'from': 'in', 'select': { 'x': 'f(value)' } }");
        ck_assert_ptr_null(l.app);
        ck_assert_msg(ds_diagnostics_errors(l.diagnostics) == 1, "%s", l.said.data);
        ck_assert_msg(strstr(l.said.data, "functions.f.args[") != NULL, "%s", l.said.data);
        unit_unload(&l);
    }
}
END_TEST

/* Calls are checked like those of built-in functions, and others are known by name. */
START_TEST(calls)
{
    static const char *const functions =
        "'score': { 'lua': 'function(x) return x end', 'args': ['float'], 'returns': 'float' },"
        "'mean': { 'lua': 'local function f() end return {init = f, update = f, merge = f}',"
        "          'args': ['float'], 'returns': 'float', 'aggregate': true }";
    static const char *const wrong[][2] = {
        {"'select': { 'x': 'scor(value)' }", "no function \"scor\" (did you mean \"score\"?)"},
        {"'select': { 'x': 'score(timestamp)' }", "score wants float, \"timestamp\" is timestamp"},
        {"'select': { 'x': 'score()' }", "score takes 1 argument, here are 0: score(float)"},
        {"'select': { 'x': 'mean(value)' }",
         "mean() is an aggregate, which cannot stand in \"select\""},
        {"'aggregate': { 'x': 'mean(timestamp)' }", "mean wants float"},
        {"'aggregate': { 'x': 'mean(value, value)' }", "mean() takes one argument"},
        {"'aggregate': { 'x': 'meen(value)' }", "did you mean \"mean\"?"},
        {"'order_by': 'scored'", "no column \"scored\""},
        {"'where': 'score(value)'", "where wants a bool, this is of type float"},
        {"'flat_map': { 'x': 'score(value)' }", "flat_map wants a list"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char stream[200];
        snprintf(stream, sizeof stream, "'s': { 'from': 'in', %s }", wrong[i][0]);
        loaded l = load(functions, stream);
        ds_plan *plan;
        ck_assert_ptr_nonnull(l.app);
        ck_assert_int_eq(ds_plan_new(l.app, NULL, l.diagnostics, &plan), DS_ERR_APP);
        l.said.length = 0;
        ds_diagnostics_print(l.diagnostics, &l.said);
        ds_buffer_text(&l.said);
        ck_assert_msg(strstr(l.said.data, wrong[i][1]) != NULL, "%s", l.said.data);
        unit_unload(&l);
    }
    loaded l = load(functions, "'s': { 'from': 'in', 'select': { 'x': 'Score(value + 1)' } },"
                               "'t': { 'from': 's', 'aggregate': { 'm': 'MEAN(x) + 1' },"
                               "       'having': 'score(m) > 0', 'order_by': 'score(m)' }");
    ds_plan *plan;
    ck_assert_int_eq(ds_plan_new(l.app, NULL, l.diagnostics, &plan), DS_OK);
    ck_assert_uint_eq(ds_plan_find(plan, "t")->schema->fields[0].type.kind, DS_FLOAT);
    ds_plan_free(plan);
    unit_unload(&l);
}
END_TEST

UNIT_MAIN("app_functions", forms_of_a_text, the_canonical_text_has_it_all, texts_that_are_wrong,
          files_that_are_wrong, names, wrong_types_are_told_once, calls)
