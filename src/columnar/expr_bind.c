/*
 * Names, types and functions: an expression gets its meaning in place, from the leaves up.
 *
 * There are three places (ds_bind_place). In a plain scope names are columns. In a stream's
 * aggregate clause names are the keys and aggregate calls become columns behind them; inside
 * an aggregate's arguments names are the columns of the rows.
 */
#include "columnar/expr_bind.h"
#include "columnar/expr_lex.h"

#include "base/assert.h"
#include "base/nearest.h"
#include "columnar/user_functions.h"

#include <stdio.h>
#include <string.h>

/* Names. */

static const ds_schema *row_columns(const ds_binder *binder)
{
    return binder->place == DS_BIND_PLAIN ? binder->scope->columns
                                          : binder->scope->aggregates->rows;
}

static const char *const *row_qualifiers(const ds_binder *binder)
{
    return binder->place == DS_BIND_PLAIN ? binder->scope->qualifiers
                                          : binder->scope->aggregates->row_qualifiers;
}

static const ds_alias *find_alias(const ds_binder *binder, const char *name)
{
    bool plain = binder->place == DS_BIND_PLAIN;
    const ds_scope *scope = binder->scope;
    const ds_alias *aliases = plain ? scope->aliases : scope->aggregates->row_aliases;
    uint32_t n = plain ? scope->n_aliases : scope->aggregates->n_row_aliases;
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(aliases[i].name, name) == 0)
            return &aliases[i];
    return NULL;
}

/* A column of the rows by its full name, or as parent.column; -1 if there is none. */
static int find_column(const ds_binder *binder, const ds_schema *columns, const ds_expr *name)
{
    int found = ds_schema_find(columns, name->name);
    if (found >= 0)
        return found;
    const ds_alias *alias = find_alias(binder, name->name);
    if (alias != NULL && alias->why_not == NULL)
        return (int)alias->column;
    const char *const *qualifiers = row_qualifiers(binder);
    if (name->qualifier_length == 0 || qualifiers == NULL)
        return -1;
    const char *rest = name->name + name->qualifier_length + 1;
    for (uint32_t i = 0; i < columns->n_fields; i++)
        if (qualifiers[i] != NULL && strlen(qualifiers[i]) == name->qualifier_length &&
            memcmp(qualifiers[i], name->name, name->qualifier_length) == 0 &&
            strcmp(columns->fields[i].name, rest) == 0)
            return (int)i;
    return -1;
}

static const char *nearest_column(ds_binder *binder, const ds_schema *columns, const char *name)
{
    const char **names = DS_ARENA_ARRAY(binder->arena, const char *, columns->n_fields + 1);
    for (uint32_t i = 0; i < columns->n_fields; i++)
        names[i] = columns->fields[i].name;
    return ds_nearest_name(name, names, columns->n_fields);
}

/* state.x names the old value of a column, in the "set" of a stream's state. */
static bool no_state(ds_binder *binder, const ds_expr *name)
{
    if (binder->place == DS_BIND_PLAIN || !binder->scope->aggregates->state)
        return ds_bind_fail(binder, name, "%s can stand only in \"set\" of \"state\"", name->name);
    if (binder->place == DS_BIND_INSIDE)
        return ds_bind_fail(binder, name,
                            "%s is the old state of a key, which cannot stand inside an aggregate",
                            name->name);
    const char *near = nearest_column(binder, binder->scope->aggregates->keys, name->name);
    if (near != NULL && strncmp(near, "state.", 6) == 0)
        return ds_bind_fail(binder, name, "\"set\" has no column \"%s\" (did you mean %s?)",
                            name->name + 6, near);
    return ds_bind_fail(binder, name, "\"set\" has no column \"%s\"", name->name + 6);
}

static const ds_function *find_function(const ds_binder *binder, const char *name)
{
    const ds_function *function = ds_function_find(name);
    return function != NULL ? function : ds_user_function_find(binder->scope->functions, name);
}

static const ds_aggregate *find_aggregate(const ds_binder *binder, const char *name)
{
    const ds_aggregate *aggregate = ds_aggregate_find(name);
    return aggregate != NULL ? aggregate : ds_user_aggregate_find(binder->scope->functions, name);
}

static bool no_column(ds_binder *binder, const ds_expr *name, const ds_schema *columns)
{
    if (name->qualifier_length == strlen("state") && memcmp(name->name, "state.", 6) == 0)
        return no_state(binder, name);
    const ds_alias *alias = find_alias(binder, name->name);
    if (alias != NULL)
        return ds_bind_fail(binder, name, "%s", alias->why_not);
    const ds_function *function = find_function(binder, name->name);
    const ds_aggregate *aggregate = find_aggregate(binder, name->name);
    if (ds_expr_plain_name(name->name) && (function != NULL || aggregate != NULL))
        return ds_bind_fail(binder, name, "no column \"%s\" here (the function is written %s)",
                            name->name, function != NULL ? function->usage : aggregate->usage);
    const char *near = nearest_column(binder, columns, name->name);
    if (near != NULL)
        return ds_bind_fail(binder, name, "no column \"%s\" here (did you mean \"%s\"?)",
                            name->name, near);
    return ds_bind_fail(binder, name, "no column \"%s\" here", name->name);
}

/* In a stream's aggregate clause only keys can be named outside of aggregates. */
static bool find_key(ds_binder *binder, const ds_expr *name, int *key)
{
    const ds_schema *keys = binder->scope->aggregates->keys, *rows = row_columns(binder);
    *key = ds_schema_find(keys, name->name);
    if (*key >= 0)
        return true;
    int row = find_column(binder, rows, name);
    if (row < 0)
        return no_column(binder, name, rows);
    *key = ds_schema_find(keys, rows->fields[row].name);
    if (*key >= 0)
        return true;
    bool state = binder->scope->aggregates->state;
    return ds_bind_fail(binder, name,
                        "\"%s\" is neither a key nor inside an aggregate: add it to %s, "
                        "or write an aggregate such as max(%s)",
                        name->name, state ? "\"key\"" : "group_by", name->name);
}

static bool bind_name(ds_binder *binder, ds_expr *expr)
{
    const ds_schema *columns = row_columns(binder);
    int index;
    if (binder->place == DS_BIND_RESULT) {
        if (!find_key(binder, expr, &index))
            return false;
        columns = binder->scope->aggregates->keys;
    } else {
        index = find_column(binder, columns, expr);
        if (index < 0)
            return no_column(binder, expr, columns);
    }
    expr->kind = DS_EXPR_COLUMN;
    expr->column = (uint32_t)index;
    expr->name = columns->fields[index].name;
    expr->type = columns->fields[index].type;
    return true;
}

/* Functions. */

typedef struct name_list {
    ds_arena *arena;
    const char **names;
    size_t n, capacity;
} name_list;

static void add_name(name_list *list, const char *name)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        const char **names = DS_ARENA_ARRAY(list->arena, const char *, capacity);
        if (list->n > 0)
            memcpy(names, list->names, list->n * sizeof *names);
        list->names = names;
        list->capacity = capacity;
    }
    list->names[list->n++] = name;
}

static void add_function(const ds_function *function, void *arg)
{
    add_name(arg, function->name);
}

static void add_aggregate(const ds_aggregate *aggregate, void *arg)
{
    add_name(arg, aggregate->name);
}

static void add_user_functions(name_list *list, const ds_user_functions *functions)
{
    for (uint32_t i = 0; functions != NULL && i < functions->n_functions; i++)
        add_name(list, functions->functions[i]->name);
    for (uint32_t i = 0; functions != NULL && i < functions->n_aggregates; i++)
        add_name(list, functions->aggregates[i]->name);
}

static bool no_function(ds_binder *binder, const ds_expr *call)
{
    ds_expr at = {.offset = call->offset, .length = call->name_length};
    name_list list = {.arena = binder->arena};
    ds_function_each(add_function, &list);
    ds_aggregate_each(add_aggregate, &list);
    add_user_functions(&list, binder->scope->functions);
    const char *near = ds_nearest_name(call->name, list.names, list.n);
    if (near != NULL)
        return ds_bind_fail(binder, &at, "no function \"%s\" (did you mean \"%s\"?)", call->name,
                            near);
    return ds_bind_fail(binder, &at, "no function \"%s\"", call->name);
}

static bool check_count(ds_binder *binder, const ds_expr *call, const ds_function *function)
{
    if (call->n_args >= function->min_args && call->n_args <= function->max_args)
        return true;
    char takes[64];
    if (function->min_args == function->max_args)
        snprintf(takes, sizeof takes, "%u", function->min_args);
    else if (function->max_args >= DS_MAX_ARGS)
        snprintf(takes, sizeof takes, "at least %u", function->min_args);
    else
        snprintf(takes, sizeof takes, "%u to %u", function->min_args, function->max_args);
    bool one = function->min_args == 1 && strlen(takes) == 1;
    return ds_bind_fail(binder, call, "%s takes %s argument%s, here are %u: %s", function->name,
                        takes, one ? "" : "s", call->n_args, function->usage);
}

/* window_start() and window_end() have a value only behind a window. */
static bool check_window(ds_binder *binder, const ds_expr *call)
{
    if (strcmp(call->name, "window_start") != 0 && strcmp(call->name, "window_end") != 0)
        return true;
    if (binder->place == DS_BIND_INSIDE)
        return ds_bind_fail(binder, call,
                            "%s() cannot stand inside an aggregate: a row may belong to several "
                            "windows",
                            call->name);
    if (!binder->scope->allow_window)
        return ds_bind_fail(binder, call, "%s() can stand only after \"window\", in its own stream",
                            call->name);
    return true;
}

/* timed_out() has a value only for the results of a state. */
static bool check_timed_out(ds_binder *binder, const ds_expr *call)
{
    if (strcmp(call->name, "timed_out") != 0)
        return true;
    if (binder->place == DS_BIND_INSIDE)
        return ds_bind_fail(binder, call,
                            "timed_out() cannot stand inside an aggregate: a key that times out "
                            "has no rows");
    if (!binder->scope->allow_timed_out)
        return ds_bind_fail(binder, call,
                            "timed_out() can stand only in \"set\" and \"having\" of a stream "
                            "with \"state\"");
    return true;
}

static bool bind_args(ds_binder *binder, ds_expr *expr)
{
    for (uint32_t i = 0; i < expr->n_args; i++)
        if (!ds_bind_node(binder, expr->args[i]))
            return false;
    return true;
}

/* Bodies of sugar. */

static ds_expr *body_node(ds_binder *binder, ds_expr_kind kind, const ds_expr *of, uint32_t n_args)
{
    ds_expr *body = ds_expr_node(binder->arena, kind, n_args);
    body->offset = of->offset;
    body->length = of->length;
    body->height = of->height;
    body->type = of->type;
    return body;
}

static ds_expr *compare(ds_binder *binder, const char *operator, const ds_expr * at, ds_expr *a,
                        ds_expr *b)
{
    ds_expr *args[] = {a, b};
    return ds_bind_call(binder, operator, at, args, 2);
}

/* if(c, a, b) and coalesce(...): the args as they are, evaluated in another way. */
static bool body_same_args(ds_binder *binder, ds_expr *expr, ds_expr_kind kind)
{
    ds_expr *body = body_node(binder, kind, expr, 0);
    body->args = expr->args;
    body->n_args = expr->n_args;
    ds_expr_seal(body);
    expr->body = body;
    return true;
}

/* nullif(x, y): case when x = y then null else x end. */
static bool body_nullif(ds_binder *binder, ds_expr *expr)
{
    ds_expr *body = body_node(binder, DS_EXPR_CASE, expr, 3);
    body->args[0] = compare(binder, "=", expr, expr->args[0], expr->args[1]);
    if (body->args[0] == NULL)
        return false;
    body->args[1] = body_node(binder, DS_EXPR_LITERAL, expr, 0);
    body->args[1]->literal = (ds_literal){.is_literal = true, .is_null = true};
    ds_expr_seal(body->args[1]);
    body->args[2] = expr->args[0];
    ds_expr_seal(body);
    expr->body = body;
    return true;
}

static bool make_body(ds_binder *binder, ds_expr *call)
{
    if (call->kind != DS_EXPR_CALL)
        return true;
    if (strcmp(call->name, "if") == 0)
        return body_same_args(binder, call, DS_EXPR_CASE);
    if (strcmp(call->name, "coalesce") == 0)
        return body_same_args(binder, call, DS_EXPR_COALESCE);
    if (strcmp(call->name, "nullif") == 0)
        return body_nullif(binder, call);
    return true;
}

static bool bind_call(ds_binder *binder, ds_expr *expr)
{
    const ds_function *function = find_function(binder, expr->name);
    if (function == NULL) {
        const ds_aggregate *aggregate = find_aggregate(binder, expr->name);
        return aggregate != NULL ? ds_bind_aggregate(binder, aggregate, expr)
                                 : no_function(binder, expr);
    }
    if (expr->star)
        return ds_bind_fail(binder, expr, "only count takes *: %s", function->usage);
    if (expr->filter != NULL)
        return ds_bind_fail(binder, expr->filter, "filter restricts aggregates, %s is none",
                            function->name);
    if (!check_count(binder, expr, function) || !check_window(binder, expr) ||
        !check_timed_out(binder, expr) || !bind_args(binder, expr))
        return false;
    expr->function = function;
    expr->user = ds_function_find(expr->name) == NULL;
    return ds_bind_resolve(binder, expr) && make_body(binder, expr);
}

/* x between a and b: x >= a and x <= b. */
static bool bind_between(ds_binder *binder, ds_expr *expr)
{
    static const char *const operators[] = {">=", "<="};
    if (!bind_args(binder, expr))
        return false;
    expr->type = DS_TYPE(DS_BOOL);
    expr->body = body_node(binder, DS_EXPR_AND, expr, 2);
    for (uint32_t i = 0; i < 2; i++) {
        expr->body->args[i] = compare(binder, operators[i], expr, expr->args[0], expr->args[i + 1]);
        if (expr->body->args[i] == NULL)
            return false;
    }
    ds_expr_seal(expr->body);
    return true;
}

/* x in (...): the literals as one set, then x = item for each of the others, joined by or. */
static bool bind_in(ds_binder *binder, ds_expr *expr)
{
    if (!bind_args(binder, expr))
        return false;
    ds_expr *x = expr->args[0];
    expr->type = DS_TYPE(DS_BOOL);
    ds_expr *body = body_node(binder, DS_EXPR_OR, expr, expr->n_args);
    ds_expr **set = DS_ARENA_ARRAY(binder->arena, ds_expr *, expr->n_args);
    uint32_t n_set = 1, n = 0;
    set[0] = x;
    for (uint32_t i = 1; i < expr->n_args; i++)
        if (expr->args[i]->kind == DS_EXPR_LITERAL && x->kind != DS_EXPR_LITERAL)
            set[n_set++] = expr->args[i];
    if (n_set > 1 && (body->args[n++] = ds_bind_call(binder, "in", expr, set, n_set)) == NULL)
        return false;
    for (uint32_t i = 1; i < expr->n_args; i++) {
        if (expr->args[i]->kind == DS_EXPR_LITERAL && x->kind != DS_EXPR_LITERAL)
            continue;
        body->args[n] = compare(binder, "=", expr, x, expr->args[i]);
        if (body->args[n++] == NULL)
            return false;
    }
    body->n_args = n;
    ds_expr_seal(body);
    expr->body = body;
    return true;
}

static bool bind_logic(ds_binder *binder, ds_expr *expr)
{
    if (!bind_args(binder, expr))
        return false;
    expr->type = DS_TYPE(DS_BOOL);
    ds_resolve r;
    ds_bind_resolve_init(binder, &r, expr->kind == DS_EXPR_AND ? "and" : "or", expr->args,
                         expr->n_args);
    bool resolved = true;
    for (uint32_t i = 0; i < expr->n_args && resolved; i++)
        resolved = ds_resolve_want(&r, i, DS_BOOL);
    return ds_bind_resolve_done(binder, &r, resolved, expr, expr->args);
}

/* Brings the values of a case (every second arg from `first` on, and the last) to one type. */
static bool common_values(ds_binder *binder, ds_expr *expr, uint32_t first, ds_expr **to)
{
    uint32_t n = (expr->n_args - first) / 2 + 1;
    ds_expr **values = DS_ARENA_ARRAY(binder->arena, ds_expr *, n);
    for (uint32_t i = 0; i < n; i++)
        values[i] = expr->args[i + 1 == n ? expr->n_args - 1 : first + 2 * i];
    ds_resolve r;
    ds_bind_resolve_init(binder, &r, "case", values, n);
    bool resolved = ds_resolve_common(&r, 0, &expr->type);
    if (!ds_bind_resolve_done(binder, &r, resolved, expr, values))
        return false;
    for (uint32_t i = 0; i < n; i++)
        to[i + 1 == n ? 2 * n - 2 : 2 * i + 1] = values[i];
    return true;
}

static bool bind_case(ds_binder *binder, ds_expr *expr)
{
    if (!bind_args(binder, expr))
        return false;
    ds_resolve r;
    ds_bind_resolve_init(binder, &r, "case", expr->args, expr->n_args);
    bool resolved = true;
    for (uint32_t i = 0; i + 1 < expr->n_args && resolved; i += 2)
        resolved = ds_resolve_want(&r, i, DS_BOOL);
    return ds_bind_resolve_done(binder, &r, resolved, expr, expr->args) &&
           common_values(binder, expr, 1, expr->args);
}

/* case x when a then v ... end: case when x = a then v ... end. */
static bool bind_case_of(ds_binder *binder, ds_expr *expr)
{
    if (!bind_args(binder, expr))
        return false;
    ds_expr *body = body_node(binder, DS_EXPR_CASE, expr, expr->n_args - 1);
    if (!common_values(binder, expr, 2, body->args))
        return false;
    for (uint32_t i = 1; i + 1 < expr->n_args; i += 2) {
        body->args[i - 1] = compare(binder, "=", expr->args[i], expr->args[0], expr->args[i]);
        if (body->args[i - 1] == NULL)
            return false;
    }
    body->type = expr->type;
    ds_expr_seal(body);
    expr->body = body;
    return true;
}

bool ds_bind_node(ds_binder *binder, ds_expr *expr)
{
    static bool (*const binds[])(ds_binder *, ds_expr *) = {
        [DS_EXPR_NAME] = bind_name,       [DS_EXPR_CALL] = bind_call,
        [DS_EXPR_AND] = bind_logic,       [DS_EXPR_OR] = bind_logic,
        [DS_EXPR_CASE] = bind_case,       [DS_EXPR_CASE_OF] = bind_case_of,
        [DS_EXPR_BETWEEN] = bind_between, [DS_EXPR_IN] = bind_in,
    };
    if (expr->kind != DS_EXPR_LITERAL) {
        DS_ASSERT(expr->kind < sizeof binds / sizeof *binds && binds[expr->kind] != NULL);
        if (!binds[expr->kind](binder, expr))
            return false;
    }
    ds_expr_seal(expr);
    return true;
}

ds_status ds_expr_bind(ds_arena *arena, ds_expr *expr, const ds_scope *scope, ds_expr_error *error)
{
    ds_binder binder = {.arena = arena,
                        .scope = scope,
                        .place = scope->aggregates == NULL ? DS_BIND_PLAIN : DS_BIND_RESULT,
                        .error = error};
    uint32_t n_calls = scope->aggregates == NULL ? 0 : scope->aggregates->n_calls;
    bool bound = ds_bind_node(&binder, expr);
    if (bound && expr->type.kind == DS_INTERVAL)
        bound = ds_bind_fail(&binder, expr,
                             "an interval is no value of its own: add it to a timestamp");
    if (bound)
        return DS_OK;
    if (scope->aggregates != NULL)
        scope->aggregates->n_calls = n_calls; /* those of this expression are forgotten */
    return DS_ERR_APP;
}
