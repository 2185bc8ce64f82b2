/* Stand-ins for what function.c will define; weak, so that the real ones win. */
#include "columnar/function.h"

#include <stdarg.h>
#include <stdio.h>

#define WEAK __attribute__((weak))

WEAK bool ds_resolve_fail(ds_resolve *r, int wrong_arg, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->message, sizeof r->message, format, args);
    va_end(args);
    r->wrong_arg = wrong_arg;
    return false;
}

WEAK bool ds_resolve_want(ds_resolve *r, uint32_t i, ds_kind kind)
{
    if (r->types[i].kind == kind)
        return true;
    if (r->types[i].kind == DS_NULL_TYPE || (r->types[i].kind == DS_INT && kind == DS_FLOAT)) {
        r->wanted[i] = DS_TYPE((uint8_t)kind);
        return true;
    }
    return ds_resolve_fail(r, (int)i, "%s needs %s here, not %s", r->name,
                           ds_type_name(DS_TYPE((uint8_t)kind)), ds_type_name(r->types[i]));
}

WEAK bool ds_resolve_common(ds_resolve *r, uint32_t first, ds_type *common)
{
    *common = DS_TYPE(DS_NULL_TYPE);
    for (uint32_t i = first; i < r->n_args; i++) {
        ds_type type = r->types[i];
        if (type.kind == DS_NULL_TYPE || ds_type_equal(type, *common) ||
            (type.kind == DS_INT && common->kind == DS_FLOAT))
            continue;
        if (common->kind != DS_NULL_TYPE && !(type.kind == DS_FLOAT && common->kind == DS_INT))
            return ds_resolve_fail(r, (int)i, "%s cannot take %s and %s", r->name,
                                   ds_type_name(*common), ds_type_name(type));
        *common = type;
    }
    for (uint32_t i = first; i < r->n_args; i++)
        r->wanted[i] = *common;
    return true;
}

WEAK void ds_eval_strict(ds_eval *ev, const ds_column *const *args, uint32_t n_args, ds_column *out)
{
    size_t words = ds_bitmap_words(ev->n);
    out->validity = NULL;
    for (uint32_t i = 0; i < n_args; i++) {
        if (args[i]->validity == NULL)
            continue;
        if (out->validity == NULL) {
            out->validity = ds_arena_alloc(ev->arena, words * 8);
            ds_bitmap_fill(out->validity, ev->n);
        }
        for (size_t w = 0; w < words; w++)
            out->validity[w] &= args[i]->validity[w];
    }
}
