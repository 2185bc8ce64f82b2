/* Aggregate calls within expressions: each becomes a column behind the group's keys. */
#include "columnar/aggregate.h"
#include "columnar/expr_bind.h"

#include "base/assert.h"
#include "base/buffer.h"

#include <string.h>

#define MAX_WRITTEN 4u /* arguments of an aggregate as written; its hook knows the real number */

static bool same_call(const ds_agg_call *a, const ds_agg_call *b)
{
    if (a->aggregate != b->aggregate || a->n_args != b->n_args ||
        (a->filter == NULL) != (b->filter == NULL))
        return false;
    if (a->quantile != b->quantile || a->top != b->top ||
        a->separator_length != b->separator_length ||
        (a->separator_length > 0 && memcmp(a->separator, b->separator, a->separator_length) != 0))
        return false;
    for (uint32_t i = 0; i < a->n_args; i++)
        if (!ds_expr_same(a->args[i], b->args[i]))
            return false;
    return a->filter == NULL || ds_expr_same(a->filter, b->filter);
}

/* The index of a call in the scope, which keeps one of equal calls. */
static uint32_t keep_call(ds_binder *binder, const ds_agg_call *call)
{
    ds_agg_scope *scope = binder->scope->aggregates;
    for (uint32_t i = 0; i < scope->n_calls; i++)
        if (same_call(&scope->calls[i], call))
            return i;
    if (scope->n_calls == scope->capacity) {
        uint32_t capacity = scope->capacity == 0 ? 8 : scope->capacity * 2;
        ds_agg_call *calls = DS_ARENA_ARRAY(binder->arena, ds_agg_call, capacity);
        if (scope->n_calls > 0)
            memcpy(calls, scope->calls, scope->n_calls * sizeof *calls);
        scope->calls = calls;
        scope->capacity = capacity;
    }
    scope->calls[scope->n_calls] = *call;
    return scope->n_calls++;
}

static bool check_place(ds_binder *binder, const ds_aggregate *aggregate, const ds_expr *call)
{
    if (binder->place == DS_BIND_INSIDE)
        return ds_bind_fail(binder, call, "%s() cannot stand inside another aggregate",
                            aggregate->name);
    if (binder->place == DS_BIND_PLAIN)
        return ds_bind_fail(binder, call, "%s() is an aggregate, which cannot stand in \"%s\"",
                            aggregate->name,
                            binder->scope->place == NULL ? "this" : binder->scope->place);
    if (call->star && strcmp(aggregate->name, "count") != 0)
        return ds_bind_fail(binder, call, "only count takes *: %s", aggregate->usage);
    if (call->n_args > MAX_WRITTEN)
        return ds_bind_fail(binder, call, "%s has too many arguments: %s", aggregate->name,
                            aggregate->usage);
    return true;
}

/* Binds an argument or a filter to the rows. */
static bool bind_inside(ds_binder *binder, ds_expr *expr)
{
    ds_binder inside = *binder;
    inside.place = DS_BIND_INSIDE;
    bool bound = ds_bind_node(&inside, expr);
    if (bound && expr->type.kind == DS_INTERVAL)
        bound = ds_bind_fail(&inside, expr, "intervals cannot be aggregated");
    return bound;
}

static bool bind_filter(ds_binder *binder, ds_expr **filter)
{
    if (!bind_inside(binder, *filter))
        return false;
    if ((*filter)->type.kind == DS_NULL_TYPE)
        return ds_bind_convert(binder, filter, DS_TYPE(DS_BOOL));
    if ((*filter)->type.kind != DS_BOOL)
        return ds_bind_fail(binder, *filter, "filter wants a condition (bool), this is %s",
                            ds_type_with_article(binder->arena, (*filter)->type));
    return true;
}

static bool bind_parts(ds_binder *binder, ds_expr *call)
{
    for (uint32_t i = 0; i < call->n_args; i++)
        if (!bind_inside(binder, call->args[i]))
            return false;
    return call->filter == NULL || bind_filter(binder, &call->filter);
}

/* Types of the arguments, which literals are taken out, the type of the result. */
static bool resolve(ds_binder *binder, const ds_aggregate *aggregate, ds_expr *expr,
                    ds_agg_call *call)
{
    ds_resolve r;
    ds_bind_resolve_init(binder, &r, aggregate->name, expr->args, expr->n_args);
    for (uint32_t i = 0; i < expr->n_args && i < 2; i++)
        call->args[i] = expr->args[i];
    bool resolved = aggregate->resolve(&r, call);
    if (!ds_bind_resolve_done(binder, &r, resolved, expr, expr->args))
        return false;
    if (r.result.kind != DS_NULL_TYPE)
        call->type = r.result;
    DS_ASSERT(call->n_args <= expr->n_args && call->n_args <= 2);
    for (uint32_t i = 0; i < call->n_args; i++) {
        call->args[i] = expr->args[i];
        call->arg_types[i] = expr->args[i]->type;
    }
    return true;
}

static const char *text_of(ds_binder *binder, const ds_expr *call)
{
    ds_buffer text = {0};
    ds_expr_print(call, &text);
    const char *copy = ds_arena_strndup(binder->arena, text.data, text.length);
    ds_buffer_fini(&text);
    return copy;
}

bool ds_bind_aggregate(ds_binder *binder, const ds_aggregate *aggregate, ds_expr *expr)
{
    if (!check_place(binder, aggregate, expr))
        return false;
    ds_agg_call call = {.aggregate = aggregate, .n_args = expr->n_args < 2 ? expr->n_args : 2};
    if (!bind_parts(binder, expr) || !resolve(binder, aggregate, expr, &call))
        return false;
    call.filter = expr->filter;
    uint32_t index = keep_call(binder, &call);
    expr->name = text_of(binder, expr);
    expr->kind = DS_EXPR_COLUMN;
    expr->column = binder->scope->aggregates->keys->n_fields + index;
    expr->from_aggregate = true;
    expr->type = call.type;
    expr->args = NULL;
    expr->n_args = 0;
    expr->filter = NULL;
    return true;
}
