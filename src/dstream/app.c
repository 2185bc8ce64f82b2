/*
 * Loading an app file, in passes: --set on a copy of the file's tree; variables and shapes
 * (app_check.h); names, graph, rows (app_build.h); the canonical tree. Every pass reports all
 * it finds, and goes on with what is left.
 */
#include "dstream/app.h"

#include "dstream/app_build.h"
#include "dstream/app_canonical.h"
#include "dstream/app_check.h"
#include "dstream/app_set.h"
#include "dstream/plan.h"

#include <stdlib.h>
#include <string.h>

#define VARIABLES_LIMIT DS_JSON_SOURCE_BYTES               /* bytes that variables may add */
#define CANONICAL_LIMIT ((size_t)8 * DS_JSON_SOURCE_BYTES) /* numbers may become longer */

static void report_repeated(const ds_json_source *source, ds_diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < ds_json_source_n_repeated(source); i++) {
        ds_buffer path = {0};
        ds_json_place again, first;
        ds_json_source_repeated(source, i, &path, &again, &first);
        ds_diag_error_place(diagnostics, ds_buffer_text(&path), again,
                            "repeated key (it stands at %u:%u already)", first.line, first.column);
        ds_buffer_fini(&path);
    }
}

/* Applies all --set to tree; returns their paths (each is the caller's to free). */
static char **apply_sets(json_t *tree, const ds_app_options *options, ds_diagnostics *diagnostics,
                         uint32_t *n_paths)
{
    char **paths = ds_calloc(options->n_sets + 1, sizeof *paths);
    *n_paths = 0;
    for (uint32_t i = 0; i < options->n_sets; i++) {
        char *path = ds_app_set(tree, options->sets[i], diagnostics);
        if (path != NULL)
            paths[(*n_paths)++] = path;
    }
    return paths;
}

/* Takes what a test gives out of the tree of a canonical text, the only place where it may
 * stand. A new reference, checked; NULL if there is none. */
static json_t *take_given(ds_app_check *check, json_t *tree)
{
    json_t *given = json_incref(json_object_get(tree, DS_APP_GIVEN));
    if (given == NULL)
        return NULL;
    json_object_del(tree, DS_APP_GIVEN);
    ds_buffer_append_text(&check->path, DS_APP_GIVEN);
    json_t *checked =
        ds_app_check_value(check, ds_shape_key(&ds_test_shape, "input")->shape, given);
    check->path.length = 0;
    json_decref(given);
    return checked;
}

/* The checked tree, a new reference; null if the file is no object. *given: see take_given. */
static json_t *check_tree(const ds_json_source *source, const ds_app_options *options,
                          bool variables, ds_diagnostics *diagnostics, json_t **given)
{
    uint32_t n_paths;
    json_t *tree = json_deep_copy(ds_json_source_root(source));
    char **paths = apply_sets(tree, options, diagnostics, &n_paths);
    ds_app_check check = {
        .diagnostics = diagnostics,
        .expand = variables,
        .variables = {options->getenv, options->getenv_arg, VARIABLES_LIMIT},
        .set = (const char *const *)paths,
        .n_set = n_paths,
    };
    *given = variables ? NULL : take_given(&check, tree);
    json_t *checked = ds_app_check_value(&check, &ds_app_shape, tree);
    ds_buffer_fini(&check.path);
    json_decref(tree);
    for (uint32_t i = 0; i < n_paths; i++)
        free(paths[i]);
    free(paths);
    return checked;
}

static void build(ds_app_builder *builder, bool need_sinks)
{
    ds_app_build_settings(builder);
    ds_app_build_functions(builder);
    ds_app_build_sources(builder);
    ds_app_build_streams(builder);
    ds_app_build_graph(builder);
    ds_app_check_snapshots(builder);
    ds_app_build_sinks(builder, need_sinks);
    ds_app_build_tests(builder);
    ds_app_check_use(builder);
}

static ds_status load(const ds_json_source *source, const ds_app_options *options, bool variables,
                      ds_diagnostics *diagnostics, ds_app **app)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_app *made = DS_ARENA_NEW(arena, ds_app);
    made->arena = arena;
    report_repeated(source, diagnostics);
    json_t *given;
    made->tree = check_tree(source, options, variables, diagnostics, &given);
    ds_app_builder builder = {.app = made,
                              .arena = arena,
                              .source = source,
                              .variables = variables,
                              .diagnostics = diagnostics};
    if (json_is_object(made->tree))
        build(&builder, options->need_sinks);
    if (json_is_object(made->tree) && given != NULL)
        ds_app_build_given(&builder, given);
    uint32_t errors = ds_diagnostics_errors(diagnostics);
    if (errors == 0) {
        made->json = ds_app_canonical_tree(made->tree);
        if (given != NULL)
            json_object_set(made->json, DS_APP_GIVEN, given);
        json_decref(given);
        *app = made;
        return DS_OK;
    }
    json_decref(given);
    if (json_is_object(made->tree))
        ds_plan_check(made, diagnostics); /* expressions too, as far as that makes sense */
    errors = ds_diagnostics_errors(diagnostics);
    ds_app_free(made);
    *app = NULL;
    return ds_diagnostics_usage(diagnostics) == errors ? DS_ERR_USAGE : DS_ERR_APP;
}

ds_status ds_app_load(const ds_json_source *source, const ds_app_options *options,
                      ds_diagnostics *diagnostics, ds_app **app)
{
    static const ds_app_options none = {0};
    return load(source, options != NULL ? options : &none, true, diagnostics, app);
}

ds_status ds_app_from_canonical(const char *text, size_t length, ds_app **app, ds_error *error)
{
    static const ds_app_options none = {0};
    ds_json_source *source;
    *app = NULL;
    DS_TRY(ds_json_source_new_limited("plan", text, length, CANONICAL_LIMIT, &source, error));
    ds_diagnostics *diagnostics = ds_diagnostics_new(source);
    ds_status status = load(source, &none, false, diagnostics, app);
    if (status != DS_OK) {
        ds_buffer problems = {0};
        ds_diagnostics_print(diagnostics, &problems);
        const char *first = ds_buffer_text(&problems);
        ds_error_set(error, status, "%.*s", (int)strcspn(first, "\n"), first);
        ds_buffer_fini(&problems);
    }
    ds_diagnostics_free(diagnostics);
    ds_json_source_free(source);
    return status;
}

void ds_app_free(ds_app *app)
{
    if (app == NULL)
        return;
    json_decref(app->json);
    json_decref(app->tree);
    json_decref(app->given);
    ds_arena_free(app->arena);
}
