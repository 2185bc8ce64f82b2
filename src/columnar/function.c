/* The tables of functions, and what resolve hooks and kernels share. */
#include "columnar/function.h"

#include "base/buffer.h"
#include "columnar/expr_lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN 48u /* bytes of an argument's text in messages */

static const ds_function *const tables[] = {
    ds_functions_logic, ds_functions_math, ds_functions_text,
    ds_functions_regex, ds_functions_time, ds_functions_list,
};

const ds_function *ds_function_find(const char *name)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const ds_function *f = tables[t]; f->name != NULL; f++)
            if (strcmp(f->name, name) == 0)
                return f;
    return NULL;
}

void ds_function_each(void (*fn)(const ds_function *function, void *arg), void *arg)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const ds_function *f = tables[t]; f->name != NULL; f++)
            if (ds_expr_plain_name(f->name))
                fn(f, arg);
}

bool ds_resolve_fail(ds_resolve *r, int wrong_arg, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->message, sizeof r->message, format, args);
    va_end(args);
    r->wrong_arg = wrong_arg;
    return false;
}

const char *ds_resolve_shown(const ds_resolve *r, uint32_t i)
{
    if (r->args == NULL)
        return ds_arena_printf(r->arena, "argument %u", i + 1);
    const ds_expr *arg = r->args[i];
    if (arg->kind == DS_EXPR_COLUMN && !arg->from_aggregate)
        return ds_arena_printf(r->arena, "\"%s\"", arg->name);
    ds_buffer text = {0};
    ds_expr_print(arg, &text);
    const char *shown = text.length <= SHOWN ? ds_arena_strndup(r->arena, text.data, text.length)
                                             : ds_arena_printf(r->arena, "argument %u", i + 1);
    ds_buffer_fini(&text);
    return shown;
}

bool ds_resolve_want(ds_resolve *r, uint32_t i, ds_kind kind)
{
    static const char *const wants[] = {
        [DS_NULL_TYPE] = "null",    [DS_BOOL] = "a condition (bool)",
        [DS_INT] = "an int",        [DS_FLOAT] = "a number",
        [DS_STRING] = "a string",   [DS_TIMESTAMP] = "a timestamp",
        [DS_INTERVAL] = "interval", [DS_LIST] = "a list",
    };
    ds_type type = r->types[i];
    if (type.kind == kind)
        return true;
    if (type.kind == DS_NULL_TYPE || (type.kind == DS_INT && kind == DS_FLOAT)) {
        r->wanted[i] = ds_type_of(kind);
        return true;
    }
    return ds_resolve_fail(r, (int)i, "%s wants %s, %s is %s", r->name, wants[kind],
                           ds_resolve_shown(r, i), ds_type_with_article(r->arena, type));
}

static bool is_number(ds_type type)
{
    return type.kind == DS_INT || type.kind == DS_FLOAT;
}

bool ds_resolve_common(ds_resolve *r, uint32_t first, ds_type *common)
{
    uint32_t from = first; /* the argument that gave the type */
    *common = DS_TYPE(DS_NULL_TYPE);
    for (uint32_t i = first; i < r->n_args; i++) {
        ds_type type = r->types[i];
        if (type.kind == DS_NULL_TYPE || ds_type_equal(type, *common))
            continue;
        if (common->kind == DS_NULL_TYPE) {
            *common = type;
            from = i;
        } else if (is_number(type) && is_number(*common)) {
            *common = DS_TYPE(DS_FLOAT);
        } else {
            return ds_resolve_fail(r, (int)i, "%s wants values of one type: %s is %s, %s is %s",
                                   r->name, ds_resolve_shown(r, from),
                                   ds_type_with_article(r->arena, r->types[from]),
                                   ds_resolve_shown(r, i), ds_type_with_article(r->arena, type));
        }
    }
    for (uint32_t i = first; i < r->n_args; i++)
        r->wanted[i] = *common;
    return true;
}

void ds_eval_strict(ds_eval *ev, const ds_column *const *args, uint32_t n_args, ds_column *out)
{
    size_t words = ds_bitmap_words(ev->n);
    out->validity = NULL;
    for (uint32_t i = 0; i < n_args; i++) {
        if (args[i] == NULL || args[i]->validity == NULL)
            continue;
        if (out->validity == NULL) {
            out->validity = ds_arena_alloc(ev->arena, words * 8);
            memcpy(out->validity, args[i]->validity, words * 8);
            continue;
        }
        for (size_t w = 0; w < words; w++)
            out->validity[w] &= args[i]->validity[w];
    }
}

void ds_kernel_null(ds_eval *ev, const void *bound, const ds_column *const *args, uint32_t n_args,
                    ds_column *out)
{
    (void)bound;
    (void)args;
    (void)n_args;
    *out = *ds_column_nulls(ev->arena, out->type, ev->n);
}

/* True if any of 64 (or fewer) values has an exponent of all ones. */
static bool any_not_finite(const double *values, uint32_t n)
{
    const uint64_t magnitude = UINT64_MAX >> 1, one = UINT64_C(1) << 52;
    uint64_t overflow = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        overflow |= (bits & magnitude) + one;
    }
    return overflow >> 63;
}

void ds_eval_finite(ds_eval *ev, ds_column *out)
{
    for (uint32_t at = 0; at < ev->n; at += 64) {
        uint32_t count = ev->n - at < 64 ? ev->n - at : 64;
        if (count == 64 ? !any_not_finite(out->floats + at, 64)
                        : !any_not_finite(out->floats + at, count))
            continue;
        ds_column_need_validity(out, ev->arena);
        for (uint32_t i = at; i < at + count; i++)
            if (!__builtin_isfinite(out->floats[i]))
                ds_bit_clear(out->validity, i);
    }
}
