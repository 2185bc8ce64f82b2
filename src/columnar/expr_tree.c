#include "columnar/expr_tree.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

ds_expr *ds_expr_node(ds_arena *arena, ds_expr_kind kind, uint32_t n_args)
{
    ds_expr *expr = DS_ARENA_NEW(arena, ds_expr);
    expr->kind = kind;
    expr->n_args = n_args;
    if (n_args > 0)
        expr->args = DS_ARENA_ARRAY(arena, ds_expr *, n_args);
    return expr;
}

/* Mixes bytes into an id. */
static void mix(uint64_t id[2], const void *bytes, size_t length)
{
    XXH128_hash_t part = XXH3_128bits_withSeed(bytes, length, id[0]);
    uint64_t parts[4] = {id[0], id[1], part.low64, part.high64};
    XXH128_hash_t all = XXH3_128bits(parts, sizeof parts);
    id[0] = all.low64;
    id[1] = all.high64;
}

static void mix_literal(uint64_t id[2], const ds_literal *literal)
{
    uint64_t real;
    memcpy(&real, &literal->real, sizeof real);
    uint64_t fields[] = {literal->is_null, literal->boolean, (uint64_t)literal->integer, real,
                         literal->length};
    mix(id, fields, sizeof fields);
    if (literal->length > 0)
        mix(id, literal->text, literal->length);
}

void ds_expr_seal(ds_expr *expr)
{
    uint32_t head[] = {(uint32_t)expr->kind, expr->type.kind, expr->type.element, expr->n_args,
                       expr->column};
    expr->id[0] = expr->id[1] = 0;
    mix(expr->id, head, sizeof head);
    if (expr->kind == DS_EXPR_LITERAL)
        mix_literal(expr->id, &expr->literal);
    if (expr->kind == DS_EXPR_CALL)
        mix(expr->id, expr->function->name, strlen(expr->function->name));
    for (uint32_t i = 0; i < expr->n_args; i++)
        mix(expr->id, expr->args[i]->id, sizeof expr->id);
}

bool ds_expr_fail(ds_expr_error *error, uint32_t offset, uint32_t length, const char *format, ...)
{
    if (error == NULL)
        return false;
    error->offset = offset;
    error->length = length > 0 ? length : 1;
    va_list args;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    return false;
}

ds_type ds_expr_type(const ds_expr *expr)
{
    return expr->type;
}

int ds_expr_column(const ds_expr *expr)
{
    return expr->kind == DS_EXPR_COLUMN ? (int)expr->column : -1;
}

void ds_expr_columns(const ds_expr *expr, bool *wanted)
{
    if (expr->kind == DS_EXPR_COLUMN && !expr->from_aggregate)
        wanted[expr->column] = true;
    for (uint32_t i = 0; i < expr->n_args; i++)
        ds_expr_columns(expr->args[i], wanted);
}

void ds_expr_calls(const ds_expr *expr, uint32_t n_keys, bool *used)
{
    if (expr->kind == DS_EXPR_COLUMN && expr->from_aggregate)
        used[expr->column - n_keys] = true;
    for (uint32_t i = 0; i < expr->n_args; i++)
        ds_expr_calls(expr->args[i], n_keys, used);
}

bool ds_expr_uses_functions(const ds_expr *expr)
{
    if (expr->user)
        return true;
    for (uint32_t i = 0; i < expr->n_args; i++)
        if (ds_expr_uses_functions(expr->args[i]))
            return true;
    return false;
}

bool ds_expr_uses_time(const ds_expr *expr)
{
    static const char *const names[] = {"batch_time", "window_start", "window_end", "timed_out"};
    if (expr->kind == DS_EXPR_CALL)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (strcmp(expr->name, names[i]) == 0)
                return true;
    for (uint32_t i = 0; i < expr->n_args; i++)
        if (ds_expr_uses_time(expr->args[i]))
            return true;
    return false;
}

ds_column *ds_literal_column(ds_arena *arena, ds_type type, const ds_literal *literal, uint32_t n,
                             uint32_t buffer, uint32_t offset)
{
    if (literal->is_null)
        return ds_column_nulls(arena, type, n);
    ds_column *column = ds_column_new(arena, type, n);
    switch (type.kind) {
    case DS_BOOL: memset(column->bits, literal->boolean ? 0xff : 0, ds_bitmap_words(n) * 8); break;
    case DS_FLOAT:
        for (uint32_t i = 0; i < n; i++)
            column->floats[i] = literal->real;
        break;
    case DS_STRING: {
        ds_view view = ds_view_at(literal->text, literal->length, buffer, offset);
        for (uint32_t i = 0; i < n; i++)
            column->views[i] = view;
        break;
    }
    case DS_INT:
    case DS_TIMESTAMP:
    case DS_INTERVAL:
        for (uint32_t i = 0; i < n; i++)
            column->ints[i] = literal->integer;
        break;
    default: DS_UNREACHABLE();
    }
    return column;
}

const char *ds_type_with_article(ds_arena *arena, ds_type type)
{
    switch (type.kind) {
    case DS_NULL_TYPE: return "null";
    case DS_BOOL: return "a bool";
    case DS_INT: return "an int";
    case DS_FLOAT: return "a float";
    case DS_STRING: return "a string";
    case DS_TIMESTAMP: return "a timestamp";
    case DS_INTERVAL: return "an interval";
    default: return ds_arena_printf(arena, "a %s", ds_type_name(type));
    }
}
