/*
 * The table of operators and of the functions that decide between values.
 *
 * and, or, case, if, coalesce and nullif have no kernel: bind and the program know them, as
 * they run their parts for some rows only. Operators stand in the table under names that no
 * user can write as a function's: symbols, reserved words, words with blanks.
 */
#include "columnar/expr_tree.h"
#include "columnar/operators.h"

#include <string.h>

/* not, is null. */

#define KERNEL(name)                                                                               \
    static void name(ds_eval *ev, const void *bound, const ds_column *const *args,                 \
                     uint32_t n_args, ds_column *out)

KERNEL(not_bools)
{
    (void)bound;
    ds_column_init(out, ev->arena, out->type, ev->n);
    for (size_t w = 0; w < ds_bitmap_words(ev->n); w++)
        out->bits[w] = ~args[0]->bits[w];
    ds_eval_strict(ev, args, n_args, out);
}

static bool resolve_not(ds_resolve *r)
{
    r->result = DS_TYPE(DS_BOOL);
    r->kernel = not_bools;
    return ds_resolve_want(r, 0, DS_BOOL);
}

static void null_bits(ds_eval *ev, const ds_column *arg, uint64_t flip, ds_column *out)
{
    ds_column_init(out, ev->arena, out->type, ev->n);
    for (size_t w = 0; w < ds_bitmap_words(ev->n); w++)
        out->bits[w] = (arg->validity == NULL ? 0 : ~arg->validity[w]) ^ flip;
}

KERNEL(is_null)
{
    (void)bound;
    (void)n_args;
    null_bits(ev, args[0], 0, out);
}

KERNEL(is_not_null)
{
    (void)bound;
    (void)n_args;
    null_bits(ev, args[0], ~(uint64_t)0, out);
}

static bool resolve_is_null(ds_resolve *r)
{
    r->result = DS_TYPE(DS_BOOL);
    r->kernel = strcmp(r->name, "is null") == 0 ? is_null : is_not_null;
    return true;
}

/* if, coalesce, nullif: types only. */

static bool resolve_if(ds_resolve *r)
{
    return ds_resolve_want(r, 0, DS_BOOL) && ds_resolve_common(r, 1, &r->result);
}

static bool resolve_coalesce(ds_resolve *r)
{
    return ds_resolve_common(r, 0, &r->result);
}

static bool resolve_nullif(ds_resolve *r)
{
    r->result = r->types[0]; /* whether they compare is found out with the = of its body */
    return true;
}

/* greatest, least. */

/* Takes rows of arg into out where arg is not null, and out is null or `better` holds. */
#define TAKE(better, store)                                                                        \
    do {                                                                                           \
        for (uint32_t i = 0; i < ev->n; i++)                                                       \
            if (!ds_column_is_null(arg, i) && (ds_column_is_null(out, i) || (better))) {           \
                store;                                                                             \
                ds_bit_set(out->validity, i);                                                      \
            }                                                                                      \
    } while (0)

static void take_ints(ds_eval *ev, bool greatest, const ds_column *arg, ds_column *out)
{
    if (greatest)
        TAKE(arg->ints[i] > out->ints[i], out->ints[i] = arg->ints[i]);
    else
        TAKE(arg->ints[i] < out->ints[i], out->ints[i] = arg->ints[i]);
}

static void take_floats(ds_eval *ev, bool greatest, const ds_column *arg, ds_column *out)
{
    if (greatest)
        TAKE(arg->floats[i] > out->floats[i], out->floats[i] = arg->floats[i]);
    else
        TAKE(arg->floats[i] < out->floats[i], out->floats[i] = arg->floats[i]);
}

static void take_text(ds_eval *ev, bool greatest, const ds_column *arg, ds_column *out)
{
    if (greatest)
        TAKE(ds_view_compare(ev->heap, &arg->views[i], &out->views[i]) > 0,
             out->views[i] = arg->views[i]);
    else
        TAKE(ds_view_compare(ev->heap, &arg->views[i], &out->views[i]) < 0,
             out->views[i] = arg->views[i]);
}

static void take_bools(ds_eval *ev, bool greatest, const ds_column *arg, ds_column *out)
{
    TAKE(ds_bit_get(arg->bits, i) == greatest, ds_bit_put(out->bits, i, ds_bit_get(arg->bits, i)));
}

static void take_better(ds_eval *ev, bool greatest, const ds_column *arg, ds_column *out)
{
    switch (out->type.kind) {
    case DS_BOOL: take_bools(ev, greatest, arg, out); break;
    case DS_FLOAT: take_floats(ev, greatest, arg, out); break;
    case DS_STRING: take_text(ev, greatest, arg, out); break;
    default: take_ints(ev, greatest, arg, out); break;
    }
}

static void extreme(ds_eval *ev, const void *bound, const ds_column *const *args, uint32_t n_args,
                    ds_column *out)
{
    *out = *ds_column_nulls(ev->arena, out->type, ev->n);
    for (uint32_t i = 0; i < n_args; i++)
        take_better(ev, *(const bool *)bound, args[i], out);
}

static bool resolve_extreme(ds_resolve *r)
{
    static const bool truths[] = {false, true};
    if (!ds_resolve_common(r, 0, &r->result))
        return false;
    if (r->result.kind == DS_LIST || r->result.kind == DS_INTERVAL)
        return ds_resolve_fail(r, -1, "%s cannot compare %ss", r->name, ds_type_name(r->result));
    r->kernel = extreme;
    r->bound = &truths[strcmp(r->name, "greatest") == 0];
    return true;
}

/* The times of the batch and the window. */

static void fill_time(ds_eval *ev, int64_t us, ds_column *out)
{
    ds_column_init(out, ev->arena, out->type, ev->n);
    for (uint32_t i = 0; i < ev->n; i++)
        out->ints[i] = us;
}

#define TIME(name)                                                                                 \
    KERNEL(name)                                                                                   \
    {                                                                                              \
        (void)bound;                                                                               \
        (void)args;                                                                                \
        (void)n_args;                                                                              \
        fill_time(ev, ev->name##_us, out);                                                         \
    }                                                                                              \
    static bool resolve_##name(ds_resolve *r)                                                      \
    {                                                                                              \
        r->result = DS_TYPE(DS_TIMESTAMP);                                                         \
        r->kernel = name;                                                                          \
        return true;                                                                               \
    }

TIME(batch_time)
TIME(window_start)
TIME(window_end)

KERNEL(timed_out)
{
    (void)bound;
    (void)args;
    (void)n_args;
    ds_column_init(out, ev->arena, out->type, ev->n);
    memset(out->bits, ev->timed_out ? 0xff : 0, ds_bitmap_words(ev->n) * 8);
}

static bool resolve_timed_out(ds_resolve *r)
{
    r->result = DS_TYPE(DS_BOOL);
    r->kernel = timed_out;
    return true;
}

#define MANY DS_MAX_ARGS
#define ANY_NUMBER UINT32_MAX

const ds_function ds_functions_logic[] = {
    {"+", 2, 2, ds_resolve_add, "a + b"},
    {"-", 2, 2, ds_resolve_subtract, "a - b"},
    {"*", 2, 2, ds_resolve_multiply, "a * b"},
    {"/", 2, 2, ds_resolve_divide, "a / b"},
    {"%", 2, 2, ds_resolve_modulo, "a % b"},
    {"unary -", 1, 1, ds_resolve_negate, "-a"},
    {"=", 2, 2, ds_resolve_compare, "a = b"},
    {"!=", 2, 2, ds_resolve_compare, "a != b"},
    {"<", 2, 2, ds_resolve_compare, "a < b"},
    {"<=", 2, 2, ds_resolve_compare, "a <= b"},
    {">", 2, 2, ds_resolve_compare, "a > b"},
    {">=", 2, 2, ds_resolve_compare, "a >= b"},
    {"is distinct from", 2, 2, ds_resolve_compare, "a is distinct from b"},
    {"is not distinct from", 2, 2, ds_resolve_compare, "a is not distinct from b"},
    {"is null", 1, 1, resolve_is_null, "a is null"},
    {"is not null", 1, 1, resolve_is_null, "a is not null"},
    {"not", 1, 1, resolve_not, "not a"},
    {"in", 2, ANY_NUMBER, ds_resolve_in, "a in (b, ...)"},
    {"like", 2, 2, ds_resolve_like, "a like 'pattern'"},
    {"||", 2, ANY_NUMBER, ds_resolve_concat, "a || b"},
    {"cast to bool", 1, 1, ds_resolve_cast, "cast(x as bool)"},
    {"cast to int", 1, 1, ds_resolve_cast, "cast(x as int)"},
    {"cast to float", 1, 1, ds_resolve_cast, "cast(x as float)"},
    {"cast to string", 1, 1, ds_resolve_cast, "cast(x as string)"},
    {"cast to timestamp", 1, 1, ds_resolve_cast, "cast(x as timestamp)"},
    {"if", 3, 3, resolve_if, "if(c, a, b)"},
    {"coalesce", 1, MANY, resolve_coalesce, "coalesce(a, ...)"},
    {"nullif", 2, 2, resolve_nullif, "nullif(x, y)"},
    {"greatest", 1, MANY, resolve_extreme, "greatest(a, ...)"},
    {"least", 1, MANY, resolve_extreme, "least(a, ...)"},
    {"batch_time", 0, 0, resolve_batch_time, "batch_time()"},
    {"window_start", 0, 0, resolve_window_start, "window_start()"},
    {"window_end", 0, 0, resolve_window_end, "window_end()"},
    {"timed_out", 0, 0, resolve_timed_out, "timed_out()"},
    {0},
};
