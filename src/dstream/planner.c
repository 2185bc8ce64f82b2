#include "dstream/planner.h"
#include "base/nearest.h"

#include <stdio.h>
#include <string.h>

static ds_expr *report(ds_planner *planner, const char *path, const ds_expr_error *error)
{
    ds_diag_error_in(planner->diagnostics, path, error->offset, error->length, "%s",
                     error->message);
    return NULL;
}

/* Parses and binds one expression; errors go to the diagnostics and give NULL. */
static ds_expr *bind(ds_planner *planner, const ds_app_text *text, const ds_scope *given)
{
    ds_expr_error error;
    ds_expr *expr = NULL;
    ds_scope scope = *given;
    scope.functions = planner->functions;
    if (scope.qualifiers != NULL) {
        scope.aliases = planner->aliases;
        scope.n_aliases = planner->n_aliases;
    }
    if (ds_expr_parse(planner->arena, text->text, strlen(text->text), &expr, &error) != DS_OK)
        return report(planner, text->path, &error);
    if (ds_expr_bind(planner->arena, expr, &scope, &error) != DS_OK)
        return report(planner, text->path, &error);
    planner->uses_time = planner->uses_time || ds_expr_uses_time(expr);
    return expr;
}

static void report_whole(ds_planner *planner, const ds_app_text *text, const char *message)
{
    ds_diag_error_in(planner->diagnostics, text->path, 0, (uint32_t)strlen(text->text), "%s",
                     message);
}

ds_expr *ds_planner_bind_column(ds_planner *planner, const ds_app_text *text, const ds_scope *scope)
{
    ds_expr *expr = bind(planner, text, scope);
    if (expr == NULL)
        return NULL;
    ds_type type = ds_expr_type(expr);
    if (type.kind == DS_NULL_TYPE || (type.kind == DS_LIST && type.element == DS_NULL_TYPE)) {
        report_whole(planner, text,
                     "null has no type here: write cast(null as int) or another type");
        return NULL;
    }
    if (type.kind == DS_INTERVAL) {
        report_whole(planner, text, "an interval cannot be a column: add it to a timestamp");
        return NULL;
    }
    return expr;
}

ds_expr *ds_planner_bind_condition(ds_planner *planner, const ds_app_text *text,
                                   const ds_scope *scope)
{
    ds_expr *expr = bind(planner, text, scope);
    if (expr == NULL)
        return NULL;
    ds_type type = ds_expr_type(expr);
    if (type.kind != DS_BOOL && type.kind != DS_NULL_TYPE) {
        char message[128];
        snprintf(message, sizeof message, "%s wants a bool, this is of type %s", scope->place,
                 ds_type_name(type));
        report_whole(planner, text, message);
        return NULL;
    }
    return expr;
}

static void parse_only(ds_planner *planner, const ds_app_text *text)
{
    ds_expr_error error;
    ds_expr *expr;
    if (text->text != NULL &&
        ds_expr_parse(planner->arena, text->text, strlen(text->text), &expr, &error) != DS_OK)
        report(planner, text->path, &error);
}

void ds_planner_syntax(ds_planner *planner, const ds_app_stream *stream)
{
    parse_only(planner, &stream->flat_map.expr);
    parse_only(planner, &stream->where);
    for (uint32_t i = 0; i < stream->n_select; i++)
        parse_only(planner, &stream->select[i].expr);
    for (uint32_t i = 0; i < stream->n_aggregate; i++)
        parse_only(planner, &stream->aggregate[i].expr);
    for (uint32_t i = 0; stream->state != NULL && i < stream->state->n_set; i++)
        parse_only(planner, &stream->state->set[i].expr);
    if (stream->state != NULL)
        parse_only(planner, &stream->state->remove_when);
    parse_only(planner, &stream->having);
}

const char *const *ds_planner_qualifiers(ds_planner *planner, const char *parent,
                                         uint32_t n_columns)
{
    const char **names = DS_ARENA_ARRAY(planner->arena, const char *, n_columns + 1);
    for (uint32_t i = 0; i < n_columns; i++)
        names[i] = parent;
    return names;
}

ds_schema ds_planner_schema(ds_planner *planner, uint32_t n)
{
    return (ds_schema){DS_ARENA_ARRAY(planner->arena, ds_field, n), n};
}

static const char *nearest(ds_planner *planner, const char *name, const ds_schema *schema)
{
    const char **names = DS_ARENA_ARRAY(planner->arena, const char *, schema->n_fields + 1);
    for (uint32_t i = 0; i < schema->n_fields; i++)
        names[i] = schema->fields[i].name;
    return ds_nearest_name(name, names, schema->n_fields);
}

void ds_planner_no_column(ds_planner *planner, const char *path, const char *name,
                          const ds_schema *schema)
{
    const char *near = nearest(planner, name, schema);
    if (near != NULL)
        ds_diag_error(planner->diagnostics, path, "no column \"%s\" here (did you mean \"%s\"?)",
                      name, near);
    else
        ds_diag_error(planner->diagnostics, path, "no column \"%s\" here", name);
}

void ds_planner_no_column_of(ds_planner *planner, const char *path, const char *name,
                             const char *parent, const ds_schema *schema)
{
    const char *near = nearest(planner, name, schema);
    if (near != NULL)
        ds_diag_error(planner->diagnostics, path,
                      "no column \"%s\" in \"%s\" (did you mean \"%s\"?)", name, parent, near);
    else
        ds_diag_error(planner->diagnostics, path, "no column \"%s\" in \"%s\"", name, parent);
}
