/*
 * abs sign round floor ceil sqrt ln log10 exp power mod.
 *
 * round(x, n) rounds the exact binary value, half away from zero: 2.675 lies below its half,
 * so round(2.675, 2) is 2.67. Mostly x * 10^n tells on which side of the half x lies; where the
 * product is the half itself, its rounding error (by fma, exact) tells. Where 10^n or the
 * product are no exact numbers the decimal digits of x are written out and looked at.
 */
#include "columnar/expr_tree.h"
#include "columnar/operators.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL(name)                                                                               \
    static void name(ds_eval *ev, const void *bound, const ds_column *const *args,                 \
                     uint32_t n_args, ds_column *out)

static void start(ds_eval *ev, const ds_column *const *args, uint32_t n_args, ds_column *out)
{
    ds_column_init(out, ev->arena, out->type, ev->n);
    ds_eval_strict(ev, args, n_args, out);
}

static void fail(ds_eval *ev, const ds_column *out, uint64_t row)
{
    if (!ds_column_is_null(out, row))
        ds_eval_fail(ev, (uint32_t)row);
}

/* Float functions: null where the result is not finite. */

#define FLOAT_FUNCTION(name, expression)                                                           \
    KERNEL(name##_floats)                                                                          \
    {                                                                                              \
        (void)bound;                                                                               \
        start(ev, args, n_args, out);                                                              \
        memset(out->floats, 0, ev->n * sizeof *out->floats);                                       \
        ds_for_selected(ev, i)                                                                     \
        {                                                                                          \
            double x = args[0]->floats[i], y = args[n_args - 1]->floats[i];                        \
            (void)y;                                                                               \
            out->floats[i] = expression;                                                           \
        }                                                                                          \
        ds_eval_finite(ev, out);                                                                   \
    }                                                                                              \
    static bool resolve_##name(ds_resolve *r)                                                      \
    {                                                                                              \
        r->result = DS_TYPE(DS_FLOAT);                                                             \
        r->kernel = name##_floats;                                                                 \
        return ds_resolve_want(r, 0, DS_FLOAT) && ds_resolve_want(r, r->n_args - 1, DS_FLOAT);     \
    }

FLOAT_FUNCTION(sqrt, sqrt(x))
FLOAT_FUNCTION(ln, log(x))
FLOAT_FUNCTION(log10, log10(x))
FLOAT_FUNCTION(exp, exp(x))
FLOAT_FUNCTION(power, pow(x, y))

/* abs, sign. */

KERNEL(abs_ints)
{
    (void)bound;
    start(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        int64_t x = args[0]->ints[i];
        out->ints[i] = x < 0 ? (int64_t) - (uint64_t)x : x;
        if (x == INT64_MIN)
            fail(ev, out, i);
    }
}

KERNEL(abs_floats)
{
    (void)bound;
    start(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->floats[i] = fabs(args[0]->floats[i]);
}

KERNEL(sign_ints)
{
    (void)bound;
    start(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->ints[i] = (args[0]->ints[i] > 0) - (args[0]->ints[i] < 0);
}

KERNEL(sign_floats)
{
    (void)bound;
    start(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->floats[i] = (args[0]->floats[i] > 0) - (args[0]->floats[i] < 0);
}

/* The type of a number argument, int for a null; false with a message for anything else. */
static bool number_type(ds_resolve *r, ds_kind *kind)
{
    *kind = r->types[0].kind == DS_FLOAT ? DS_FLOAT : DS_INT;
    if (r->types[0].kind != DS_INT && r->types[0].kind != DS_FLOAT &&
        r->types[0].kind != DS_NULL_TYPE)
        return ds_resolve_want(r, 0, DS_FLOAT);
    r->wanted[0] = ds_type_of(*kind);
    return true;
}

static bool resolve_same(ds_resolve *r, ds_kernel ints, ds_kernel floats)
{
    ds_kind kind;
    if (!number_type(r, &kind))
        return false;
    r->result = ds_type_of(kind);
    r->kernel = kind == DS_FLOAT ? floats : ints;
    return true;
}

static bool resolve_abs(ds_resolve *r)
{
    return resolve_same(r, abs_ints, abs_floats);
}

static bool resolve_sign(ds_resolve *r)
{
    return resolve_same(r, sign_ints, sign_floats);
}

/* round, floor, ceil to int. */

#define TO_INT(name, expression)                                                                   \
    KERNEL(name)                                                                                   \
    {                                                                                              \
        (void)bound;                                                                               \
        start(ev, args, n_args, out);                                                              \
        for (uint32_t i = 0; i < ev->n; i++) {                                                     \
            double x = expression(args[0]->floats[i]);                                             \
            bool fits = x >= -0x1p63 && x < 0x1p63;                                                \
            out->ints[i] = fits ? (int64_t)x : 0;                                                  \
            if (!fits)                                                                             \
                fail(ev, out, i);                                                                  \
        }                                                                                          \
    }

TO_INT(round_to_int, round) /* half away from zero */
TO_INT(floor_to_int, floor)
TO_INT(ceil_to_int, ceil)

KERNEL(same_ints)
{
    (void)ev;
    (void)bound;
    (void)n_args;
    *out = *args[0];
}

static bool resolve_to_int(ds_resolve *r, ds_kernel kernel)
{
    ds_kind kind;
    if (!number_type(r, &kind))
        return false;
    r->result = DS_TYPE(DS_INT);
    r->kernel = kind == DS_FLOAT ? kernel : same_ints;
    return true;
}

static bool resolve_floor(ds_resolve *r)
{
    return resolve_to_int(r, floor_to_int);
}

static bool resolve_ceil(ds_resolve *r)
{
    return resolve_to_int(r, ceil_to_int);
}

/* round(x, n). */

/* Rounds to tens, hundreds ...: digits < 0. False if the result does not fit. */
static bool round_int(int64_t x, int64_t digits, int64_t *result)
{
    if (digits < -19) {
        *result = 0;
        return true;
    }
    uint64_t unit = 1, magnitude = x < 0 ? -(uint64_t)x : (uint64_t)x;
    for (int64_t i = digits; i < 0; i++)
        unit *= 10; /* 10^19 fits in 64 bits */
    uint64_t rest = magnitude % unit;
    magnitude -= rest;
    if (rest >= unit - rest && __builtin_add_overflow(magnitude, unit, &magnitude))
        return false;
    *result = (int64_t)(x < 0 ? -magnitude : magnitude);
    return magnitude <= (uint64_t)INT64_MAX + (x < 0);
}

KERNEL(round_ints)
{
    (void)bound;
    start(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        out->ints[i] = args[0]->ints[i];
        if (args[1]->ints[i] < 0 && !round_int(args[0]->ints[i], args[1]->ints[i], &out->ints[i]))
            fail(ev, out, i);
    }
}

/* Room for all digits of any float: 309 before the point, 1074 behind it, and a carry. */
#define DIGITS 1400
#define MOST_PLACES 1074

/* Adds one at the last of n decimal digits; digits[-1] takes the carry. */
static void count_up(char *digits, size_t n)
{
    while (n > 0 && digits[n - 1] == '9')
        digits[--n] = '0';
    digits[(ptrdiff_t)n - 1]++;
}

/* By the exact decimal digits: cuts them behind the place, up if the next is 5 or more. */
static double round_digits(double x, int places)
{
    char text[DIGITS + 32], *digits = text + 1;
    int behind = places < 0 ? 0 : MOST_PLACES; /* digits behind the point */
    text[0] = '0';
    int length = snprintf(digits, DIGITS, "%.*f", behind, fabs(places < 0 ? trunc(x) : x));
    size_t point = (size_t)(behind > 0 ? length - behind - 1 : length);
    if (behind > 0)
        memmove(digits + point, digits + point + 1, (size_t)behind);
    if (places < 0 && (size_t)-places > point)
        return copysign(0.0, x);
    size_t kept = (size_t)((ptrdiff_t)point + places);
    if (digits[kept] >= '5')
        count_up(digits, kept);
    snprintf(digits + kept, 32, "e%d", -places);
    return copysign(strtod(text, NULL), x);
}

/* For a power of ten that is exact, and |x| * power below 2^52. */
static double round_scaled(double x, double power)
{
    double scaled = fabs(x) * power, below = floor(scaled), from_half = scaled - (below + 0.5);
    bool up = from_half > 0 || (from_half == 0 && fma(fabs(x), power, -scaled) >= 0);
    return copysign((below + up) / power, x);
}

static double round_float(double x, int64_t places)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (!isfinite(x) || places >= MOST_PLACES || (places >= 0 && fabs(x) >= 0x1p52))
        return x;
    if (places < -309)
        return copysign(0.0, x);
    if (places >= 0 && places <= 22 && fabs(x) * powers[places] < 0x1p52)
        return round_scaled(x, powers[places]);
    return round_digits(x, (int)places);
}

KERNEL(round_floats)
{
    (void)bound;
    start(ev, args, n_args, out);
    memset(out->floats, 0, ev->n * sizeof *out->floats);
    ds_for_selected(ev, i) if (!ds_column_is_null(out, i)) out->floats[i] =
        round_float(args[0]->floats[i], args[1]->ints[i]);
    ds_eval_finite(ev, out);
}

static bool resolve_round(ds_resolve *r)
{
    if (r->n_args == 1)
        return resolve_to_int(r, round_to_int);
    return ds_resolve_want(r, 1, DS_INT) && resolve_same(r, round_ints, round_floats);
}

const ds_function ds_functions_math[] = {
    {"abs", 1, 1, resolve_abs, "abs(x)"},
    {"sign", 1, 1, resolve_sign, "sign(x)"},
    {"round", 1, 2, resolve_round, "round(x[, n])"},
    {"floor", 1, 1, resolve_floor, "floor(x)"},
    {"ceil", 1, 1, resolve_ceil, "ceil(x)"},
    {"sqrt", 1, 1, resolve_sqrt, "sqrt(x)"},
    {"ln", 1, 1, resolve_ln, "ln(x)"},
    {"log10", 1, 1, resolve_log10, "log10(x)"},
    {"exp", 1, 1, resolve_exp, "exp(x)"},
    {"power", 2, 2, resolve_power, "power(x, y)"},
    {"mod", 2, 2, ds_resolve_modulo, "mod(x, y)"},
    {0},
};
