/*
 * cast(x as type): one kernel for each pair of types. Numbers that do not fit are overflows
 * of their rows; text that does not fit gives null.
 */
#include "columnar/expr_tree.h"
#include "columnar/operators.h"
#include "columnar/text.h"

#include "base/assert.h"

#include <string.h>

static void start(ds_eval *ev, const ds_column *const *args, ds_column *out)
{
    ds_column_init(out, ev->arena, out->type, ev->n);
    ds_eval_strict(ev, args, 1, out);
}

/* Marks a row as failed unless it is null anyway. */
static void fail(ds_eval *ev, const ds_column *out, uint32_t row)
{
    if (!ds_column_is_null(out, row))
        ds_eval_fail(ev, row);
}

#define CAST(name)                                                                                 \
    static void name(ds_eval *ev, const void *bound, const ds_column *const *args,                 \
                     uint32_t n_args, ds_column *out)

/* x as what it is already, maybe under another type. */
CAST(same)
{
    (void)ev;
    (void)bound;
    (void)n_args;
    ds_type type = out->type;
    *out = *args[0];
    out->type = type;
}

CAST(int_to_float)
{
    (void)bound;
    (void)n_args;
    start(ev, args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->floats[i] = (double)args[0]->ints[i];
}

CAST(float_to_int)
{
    (void)bound;
    (void)n_args;
    start(ev, args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        double x = args[0]->floats[i];
        bool fits = x >= -0x1p63 && x < 0x1p63;
        out->ints[i] = fits ? (int64_t)x : 0;
        if (!fits)
            fail(ev, out, i);
    }
}

CAST(int_to_bool)
{
    (void)bound;
    (void)n_args;
    start(ev, args, out);
    memset(out->bits, 0, ds_bitmap_words(ev->n) * 8);
    for (uint32_t i = 0; i < ev->n; i++)
        out->bits[i / 64] |= (uint64_t)(args[0]->ints[i] != 0) << (i % 64);
}

CAST(bool_to_int)
{
    (void)bound;
    (void)n_args;
    start(ev, args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->ints[i] = ds_bit_get(args[0]->bits, i);
}

CAST(int_to_timestamp)
{
    (void)bound;
    (void)n_args;
    start(ev, args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        out->ints[i] = args[0]->ints[i];
        if (out->ints[i] < DS_TIMESTAMP_MIN || out->ints[i] > DS_TIMESTAMP_MAX)
            fail(ev, out, i);
    }
}

/* To text: only for rows that are wanted; the others are empty. */
#define TO_TEXT(name, size, format)                                                                \
    CAST(name)                                                                                     \
    {                                                                                              \
        (void)bound;                                                                               \
        (void)n_args;                                                                              \
        start(ev, args, out);                                                                      \
        memset(out->views, 0, ev->n * sizeof *out->views);                                         \
        ds_for_selected(ev, row)                                                                   \
        {                                                                                          \
            char text[size];                                                                       \
            if (!ds_column_is_null(out, row))                                                      \
                out->views[row] = ds_view_copy(ev->heap, text, (uint32_t)(format));                \
        }                                                                                          \
    }

TO_TEXT(int_to_string, 24, ds_format_int(args[0]->ints[row], text))
TO_TEXT(float_to_string, DS_FLOAT_TEXT, ds_format_float(args[0]->floats[row], text))
TO_TEXT(timestamp_to_string, DS_TIMESTAMP_TEXT, ds_format_timestamp(args[0]->ints[row], text))

CAST(bool_to_string)
{
    (void)bound;
    (void)n_args;
    start(ev, args, out);
    ds_view no = ds_view_at("false", 5, 0, 0), yes = ds_view_at("true", 4, 0, 0);
    for (uint32_t i = 0; i < ev->n; i++)
        out->views[i] = ds_bit_get(args[0]->bits, i) ? yes : no;
}

/* From text: rows whose text does not parse become null. */
#define FROM_TEXT(name, ctype, parse, store)                                                       \
    CAST(name)                                                                                     \
    {                                                                                              \
        (void)bound;                                                                               \
        (void)n_args;                                                                              \
        start(ev, args, out);                                                                      \
        memset(out->values, 0, ds_bitmap_words(ev->n) * (out->type.kind == DS_BOOL ? 8 : 0));      \
        ds_for_selected(ev, row)                                                                   \
        {                                                                                          \
            const ds_view *view = &args[0]->views[row];                                            \
            const char *text = ds_view_bytes(ev->heap, view);                                      \
            ctype value;                                                                           \
            if (!ds_column_is_null(out, row) && parse) {                                           \
                store;                                                                             \
            } else {                                                                               \
                ds_column_need_validity(out, ev->arena);                                           \
                ds_bit_clear(out->validity, row);                                                  \
            }                                                                                      \
        }                                                                                          \
    }

FROM_TEXT(string_to_int, int64_t, ds_parse_int(text, view->length, &value, NULL),
          out->ints[row] = value)
FROM_TEXT(string_to_float, double, ds_parse_float(text, view->length, &value),
          out->floats[row] = value)
FROM_TEXT(string_to_bool, bool, ds_parse_bool(text, view->length, &value),
          ds_bit_put(out->bits, row, value))
FROM_TEXT(string_to_timestamp, int64_t, ds_parse_timestamp(text, view->length, &value),
          out->ints[row] = value)

static const struct {
    ds_kind from, to;
    ds_kernel kernel;
} casts[] = {
    {DS_INT, DS_FLOAT, int_to_float},         {DS_FLOAT, DS_INT, float_to_int},
    {DS_INT, DS_BOOL, int_to_bool},           {DS_BOOL, DS_INT, bool_to_int},
    {DS_INT, DS_TIMESTAMP, int_to_timestamp}, {DS_TIMESTAMP, DS_INT, same},
    {DS_INT, DS_STRING, int_to_string},       {DS_FLOAT, DS_STRING, float_to_string},
    {DS_BOOL, DS_STRING, bool_to_string},     {DS_TIMESTAMP, DS_STRING, timestamp_to_string},
    {DS_STRING, DS_INT, string_to_int},       {DS_STRING, DS_FLOAT, string_to_float},
    {DS_STRING, DS_BOOL, string_to_bool},     {DS_STRING, DS_TIMESTAMP, string_to_timestamp},
};

static ds_kernel kernel_for(ds_kind from, ds_kind to)
{
    if (from == to || from == DS_NULL_TYPE)
        return same;
    for (size_t i = 0; i < sizeof casts / sizeof *casts; i++)
        if (casts[i].from == from && casts[i].to == to)
            return casts[i].kernel;
    return NULL;
}

bool ds_resolve_cast(ds_resolve *r)
{
    const char *to_name = r->name + strlen("cast to ");
    ds_type from = r->types[0], to;
    bool known = ds_type_parse(to_name, &to);
    DS_ASSERT(known); /* the parser takes no other */
    if (from.kind == DS_NULL_TYPE)
        r->wanted[0] = to;
    r->result = to;
    r->kernel = kernel_for(from.kind, to.kind);
    if (r->kernel == NULL)
        return ds_resolve_fail(r, 0, "%s is %s, which cannot be cast to %s", ds_resolve_shown(r, 0),
                               ds_type_with_article(r->arena, from), to_name);
    return true;
}
