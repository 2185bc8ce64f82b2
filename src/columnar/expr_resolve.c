/*
 * Calls of functions and operators while expressions are bound: the resolve hook, the
 * conversions it asks for, and folding.
 *
 * A call of a built-in function with nothing but literals becomes a literal: its kernel runs once
 * over a single row. So hooks see -1 or 60 * 60 as literals too. What fails (an overflow)
 * stays a call, as it may stand where no row ever comes.
 */
#include "columnar/expr_bind.h"

#include "base/assert.h"
#include "columnar/text.h"

#include <stdio.h>
#include <string.h>

bool ds_bind_fail(ds_binder *binder, const ds_expr *at, const char *format, ...)
{
    char message[sizeof binder->error->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return ds_expr_fail(binder->error, at->offset, at->length, "%s", message);
}

void ds_bind_resolve_init(ds_binder *binder, ds_resolve *r, const char *name, ds_expr *const *args,
                          uint32_t n_args)
{
    ds_arena *arena = binder->arena;
    ds_type *types = DS_ARENA_ARRAY(arena, ds_type, n_args), *wanted;
    ds_literal *literals = DS_ARENA_ARRAY(arena, ds_literal, n_args);
    wanted = DS_ARENA_ARRAY(arena, ds_type, n_args);
    for (uint32_t i = 0; i < n_args; i++) {
        types[i] = wanted[i] = args[i]->type;
        if (args[i]->kind == DS_EXPR_LITERAL)
            literals[i] = args[i]->literal;
    }
    *r = (ds_resolve){.name = name,
                      .arena = arena,
                      .types = types,
                      .literals = literals,
                      .n_args = n_args,
                      .args = (const ds_expr *const *)args,
                      .wanted = wanted,
                      .wrong_arg = -1};
}

bool ds_bind_resolve_done(ds_binder *binder, const ds_resolve *r, bool resolved, const ds_expr *at,
                          ds_expr **args)
{
    if (!resolved) {
        bool has_arg = r->wrong_arg >= 0 && (uint32_t)r->wrong_arg < r->n_args;
        return ds_bind_fail(binder, has_arg ? args[r->wrong_arg] : at, "%s", r->message);
    }
    for (uint32_t i = 0; i < r->n_args; i++)
        if (!ds_bind_convert(binder, &args[i], r->wanted[i]))
            return false;
    return true;
}

/* A literal of another type in the place of one (which may be shared, and stays). */
static ds_expr *literal_as(ds_binder *binder, const ds_expr *from, ds_type type)
{
    ds_expr *literal = ds_expr_node(binder->arena, DS_EXPR_LITERAL, 0);
    *literal = *from;
    literal->type = type;
    return literal;
}

static bool convert_literal(ds_binder *binder, ds_expr **arg, ds_type wanted)
{
    ds_expr *literal = literal_as(binder, *arg, wanted);
    const ds_literal *from = &(*arg)->literal;
    if (!from->is_null && wanted.kind == DS_FLOAT) {
        literal->literal.real = (double)from->integer;
        literal->literal.integer = 0;
    } else if (!from->is_null && wanted.kind == DS_TIMESTAMP) {
        if (!ds_parse_timestamp(from->text, from->length, &literal->literal.integer))
            return ds_bind_fail(binder, *arg,
                                "this is not a timestamp: it should look like "
                                "'2026-01-01T00:00:00Z'");
        literal->literal.text = NULL;
        literal->literal.length = 0;
    }
    ds_expr_seal(literal);
    *arg = literal;
    return true;
}

bool ds_bind_convert(ds_binder *binder, ds_expr **arg, ds_type wanted)
{
    const ds_expr *from = *arg;
    if (ds_type_equal(from->type, wanted))
        return true;
    if (from->type.kind == DS_NULL_TYPE && from->kind != DS_EXPR_LITERAL) {
        ds_expr *null = literal_as(binder, from, wanted); /* nothing but nulls can come of it */
        *null = (ds_expr){.kind = DS_EXPR_LITERAL,
                          .type = wanted,
                          .offset = from->offset,
                          .length = from->length,
                          .height = 1,
                          .literal = {.is_literal = true, .is_null = true}};
        ds_expr_seal(null);
        *arg = null;
        return true;
    }
    if (from->kind == DS_EXPR_LITERAL)
        return convert_literal(binder, arg, wanted);
    DS_ASSERT(from->type.kind == DS_INT && wanted.kind == DS_FLOAT);
    *arg = ds_bind_call(binder, "cast to float", from, arg, 1);
    return true;
}

static bool can_fold(const ds_expr *call)
{
    if (call->n_args == 0 || call->kernel == NULL || call->user)
        return false;
    if (call->type.kind == DS_LIST || call->type.kind == DS_NULL_TYPE)
        return false;
    for (uint32_t i = 0; i < call->n_args; i++)
        if (call->args[i]->kind != DS_EXPR_LITERAL)
            return false;
    return true;
}

/* The only value of a column as a literal; text is copied to arena. */
static ds_literal literal_of(ds_arena *arena, const ds_heap *heap, const ds_column *column)
{
    ds_literal literal = {.is_literal = true, .is_null = ds_column_is_null(column, 0)};
    if (literal.is_null)
        return literal;
    switch (column->type.kind) {
    case DS_BOOL: literal.boolean = ds_bit_get(column->bits, 0); break;
    case DS_FLOAT: literal.real = column->floats[0]; break;
    case DS_STRING: {
        const ds_view *view = &column->views[0];
        literal.text = ds_arena_strndup(arena, ds_view_bytes(heap, view), view->length);
        literal.length = view->length;
        break;
    }
    default: literal.integer = column->ints[0]; break;
    }
    return literal;
}

/* Runs a call over one row. False if it fails. */
static bool evaluate(ds_arena *arena, ds_arena *scratch, const ds_expr *call, ds_literal *result)
{
    ds_heap heap;
    ds_heap_init(&heap, scratch);
    const ds_column **args = DS_ARENA_ARRAY(scratch, const ds_column *, call->n_args);
    for (uint32_t i = 0; i < call->n_args; i++) {
        const ds_literal *literal = &call->args[i]->literal;
        uint32_t buffer = literal->text == NULL ? 0 : ds_heap_add(&heap, literal->text);
        if (!call->literals_bound || literal->is_null)
            args[i] = ds_literal_column(scratch, call->args[i]->type, literal, 1, buffer, 0);
    }
    uint64_t selected = 1, errors = 0;
    ds_eval ev = {
        .arena = scratch, .heap = &heap, .n = 1, .selected = &selected, .errors = &errors};
    ds_column out = {.type = call->type, .length = 1};
    call->kernel(&ev, call->bound, args, call->n_args, &out);
    if (errors == 0)
        *result = literal_of(arena, &heap, &out);
    ds_heap_fini(&heap);
    return errors == 0;
}

static void fold(ds_binder *binder, ds_expr *call)
{
    ds_arena *scratch = ds_arena_new(NULL);
    ds_literal result;
    if (evaluate(binder->arena, scratch, call, &result)) {
        call->kind = DS_EXPR_LITERAL;
        call->literal = result;
        call->args = NULL;
        call->n_args = 0;
        call->height = 1;
    }
    ds_arena_free(scratch);
}

bool ds_bind_resolve(ds_binder *binder, ds_expr *call)
{
    ds_resolve r;
    ds_bind_resolve_init(binder, &r, call->function->name, call->args, call->n_args);
    r.function = call->function;
    bool resolved = call->function->resolve(&r);
    if (!ds_bind_resolve_done(binder, &r, resolved, call, call->args))
        return false;
    call->type = r.result;
    call->kernel = r.kernel;
    call->bound = r.bound;
    call->literals_bound = r.literals_bound;
    if (can_fold(call))
        fold(binder, call);
    ds_expr_seal(call);
    return true;
}

ds_expr *ds_bind_call(ds_binder *binder, const char *name, const ds_expr *at, ds_expr **args,
                      uint32_t n_args)
{
    ds_expr *call = ds_expr_node(binder->arena, DS_EXPR_CALL, n_args);
    if (n_args > 0)
        memcpy(call->args, args, n_args * sizeof *args);
    call->name = name;
    call->function = ds_function_find(name);
    call->offset = at->offset;
    call->length = at->length;
    call->height = at->height;
    DS_ASSERT(call->function != NULL);
    return ds_bind_resolve(binder, call) ? call : NULL;
}
