/*
 * + - * / % and unary minus, for ints, floats, timestamps and intervals.
 *
 * Ints: a block of 64 rows is computed in full, and one flag tells whether any of them went
 * wrong. Only then the rows are looked at one by one: a failure counts where the row is
 * selected and not null (under a null lies any number).
 * Floats: computed in full; what is not finite becomes null.
 */
#include "columnar/expr_tree.h"
#include "columnar/operand.h"
#include "columnar/operators.h"
#include "columnar/text.h"

#include <math.h>

/* Fails the rows of a block that are selected, not null, and wrong. */
#define FAIL_ROWS(ev, out, from, count, wrong)                                                     \
    for (uint32_t i = 0; i < (count); i++)                                                         \
        if ((wrong) && !ds_column_is_null((out), (from) + i))                                      \
    ds_eval_fail((ev), (from) + i)

/* Ints and times. */

static inline uint64_t add_flags(int64_t a, int64_t b, int64_t *sum)
{
    uint64_t s = (uint64_t)a + (uint64_t)b;
    *sum = (int64_t)s;
    return ((uint64_t)a ^ s) & ((uint64_t)b ^ s); /* both signs differ from the sum's */
}

static inline uint64_t subtract_flags(int64_t a, int64_t b, int64_t *difference)
{
    uint64_t d = (uint64_t)a - (uint64_t)b;
    *difference = (int64_t)d;
    return ((uint64_t)a ^ (uint64_t)b) & ((uint64_t)a ^ d);
}

static inline uint64_t multiply_flags(int64_t a, int64_t b, int64_t *product)
{
    return (uint64_t)__builtin_mul_overflow(a, b, product) << 63;
}

/* A timestamp's range is narrower than an int's. */
static inline uint64_t beyond_years(int64_t t)
{
    return ((uint64_t)t - (uint64_t)DS_TIMESTAMP_MIN >
            (uint64_t)DS_TIMESTAMP_MAX - (uint64_t)DS_TIMESTAMP_MIN)
               ? (uint64_t)1 << 63
               : 0;
}

static inline uint64_t later_flags(int64_t t, int64_t interval, int64_t *sum)
{
    uint64_t flags = add_flags(t, interval, sum);
    return flags | beyond_years(*sum);
}

static inline uint64_t earlier_flags(int64_t t, int64_t interval, int64_t *difference)
{
    uint64_t flags = subtract_flags(t, interval, difference);
    return flags | beyond_years(*difference);
}

/* The sign bit of flags(a, b, &result) tells that the result is wrong. */
#define INT_KERNEL(name, flags)                                                                    \
    static inline uint64_t name##_block(const int64_t *restrict a, const int64_t *restrict b,      \
                                        int64_t *restrict out, uint32_t count)                     \
    {                                                                                              \
        uint64_t wrong = 0;                                                                        \
        for (uint32_t i = 0; i < count; i++)                                                       \
            wrong |= flags(a[i], b[i], &out[i]);                                                   \
        return wrong >> 63;                                                                        \
    }                                                                                              \
    static void name(ds_eval *ev, const void *bound, const ds_column *const *args,                 \
                     uint32_t n_args, ds_column *out)                                              \
    {                                                                                              \
        const ds_operands *operands = bound;                                                       \
        ds_side left = ds_side_of(operands->left, args[0]);                                        \
        ds_side right = ds_side_of(operands->right, args[1]);                                      \
        ds_column_init(out, ev->arena, out->type, ev->n);                                          \
        ds_eval_strict(ev, args, n_args, out);                                                     \
        for (uint32_t block = 0; block * DS_BLOCK < ev->n; block++) {                              \
            const int64_t *a = ds_side_ints(left, block), *b = ds_side_ints(right, block);         \
            uint32_t from = block * DS_BLOCK, count = ds_block_rows(block, ev->n);                 \
            int64_t *to = out->ints + from, result;                                                \
            uint64_t wrong = count == DS_BLOCK ? name##_block(a, b, to, DS_BLOCK)                  \
                                               : name##_block(a, b, to, count);                    \
            if (wrong != 0)                                                                        \
                FAIL_ROWS(ev, out, from, count, flags(a[i], b[i], &result) >> 63);                 \
        }                                                                                          \
    }

INT_KERNEL(add_ints, add_flags)
INT_KERNEL(subtract_ints, subtract_flags)
INT_KERNEL(multiply_ints, multiply_flags)
INT_KERNEL(add_interval, later_flags)
INT_KERNEL(subtract_interval, earlier_flags)

/* a / b and a % b where b may be 0 (null), and the one quotient that does not fit. */
#define DIVISION_KERNEL(name, by_minus_one, operation, can_fail)                                   \
    static void name(ds_eval *ev, const void *bound, const ds_column *const *args,                 \
                     uint32_t n_args, ds_column *out)                                              \
    {                                                                                              \
        const ds_operands *operands = bound;                                                       \
        ds_side left = ds_side_of(operands->left, args[0]);                                        \
        ds_side right = ds_side_of(operands->right, args[1]);                                      \
        ds_column_init(out, ev->arena, out->type, ev->n);                                          \
        ds_eval_strict(ev, args, n_args, out);                                                     \
        for (uint32_t row = 0; row < ev->n; row++) {                                               \
            int64_t a = ds_side_int(left, row), b = ds_side_int(right, row);                       \
            if (b > 0 || b < -1) {                                                                 \
                out->ints[row] = a operation b;                                                    \
            } else if (b == -1) {                                                                  \
                out->ints[row] = by_minus_one;                                                     \
                if (can_fail && a == INT64_MIN && !ds_column_is_null(out, row))                    \
                    ds_eval_fail(ev, row);                                                         \
            } else {                                                                               \
                out->ints[row] = 0;                                                                \
                ds_column_need_validity(out, ev->arena);                                           \
                ds_bit_clear(out->validity, row);                                                  \
            }                                                                                      \
        }                                                                                          \
    }

DIVISION_KERNEL(divide_ints, (int64_t) - (uint64_t)a, /, true)
DIVISION_KERNEL(modulo_ints, 0, %, false)

static void negate_ints(ds_eval *ev, const void *bound, const ds_column *const *args,
                        uint32_t n_args, ds_column *out)
{
    (void)bound;
    ds_column_init(out, ev->arena, out->type, ev->n);
    ds_eval_strict(ev, args, n_args, out);
    bool wrong = false;
    for (uint32_t i = 0; i < ev->n; i++) {
        out->ints[i] = (int64_t) - (uint64_t)args[0]->ints[i];
        wrong |= args[0]->ints[i] == INT64_MIN;
    }
    if (wrong)
        FAIL_ROWS(ev, out, 0, ev->n, args[0]->ints[i] == INT64_MIN);
}

/* Floats. */

#define FLOAT_KERNEL(name, expression)                                                             \
    static inline void name##_block(const double *restrict a, const double *restrict b,            \
                                    double *restrict out, uint32_t count)                          \
    {                                                                                              \
        for (uint32_t i = 0; i < count; i++)                                                       \
            out[i] = expression;                                                                   \
    }                                                                                              \
    static void name(ds_eval *ev, const void *bound, const ds_column *const *args,                 \
                     uint32_t n_args, ds_column *out)                                              \
    {                                                                                              \
        const ds_operands *operands = bound;                                                       \
        ds_side left = ds_side_of(operands->left, args[0]);                                        \
        ds_side right = ds_side_of(operands->right, args[1]);                                      \
        ds_column_init(out, ev->arena, out->type, ev->n);                                          \
        ds_eval_strict(ev, args, n_args, out);                                                     \
        for (uint32_t block = 0; block * DS_BLOCK < ev->n; block++) {                              \
            const double *a = ds_side_floats(left, block), *b = ds_side_floats(right, block);      \
            uint32_t count = ds_block_rows(block, ev->n);                                          \
            double *to = out->floats + block * DS_BLOCK;                                           \
            if (count == DS_BLOCK)                                                                 \
                name##_block(a, b, to, DS_BLOCK);                                                  \
            else                                                                                   \
                name##_block(a, b, to, count);                                                     \
        }                                                                                          \
        ds_eval_finite(ev, out);                                                                   \
    }

FLOAT_KERNEL(add_floats, a[i] + b[i])
FLOAT_KERNEL(subtract_floats, a[i] - b[i])
FLOAT_KERNEL(multiply_floats, a[i] * b[i])
FLOAT_KERNEL(divide_floats, a[i] / b[i])
FLOAT_KERNEL(modulo_floats, fmod(a[i], b[i]))

static void negate_floats(ds_eval *ev, const void *bound, const ds_column *const *args,
                          uint32_t n_args, ds_column *out)
{
    (void)bound;
    ds_column_init(out, ev->arena, out->type, ev->n);
    ds_eval_strict(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->floats[i] = -args[0]->floats[i];
}

/* t1 - t2 in seconds. */
static void subtract_timestamps(ds_eval *ev, const void *bound, const ds_column *const *args,
                                uint32_t n_args, ds_column *out)
{
    const ds_operands *operands = bound;
    ds_side left = ds_side_of(operands->left, args[0]);
    ds_side right = ds_side_of(operands->right, args[1]);
    ds_column_init(out, ev->arena, out->type, ev->n);
    ds_eval_strict(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        uint64_t us = (uint64_t)ds_side_int(left, i) - (uint64_t)ds_side_int(right, i);
        out->floats[i] = (double)(int64_t)us / 1e6;
    }
}

/* Hooks. */

static bool is_null_literal(const ds_resolve *r, uint32_t i)
{
    return r->literals[i].is_literal && r->literals[i].is_null;
}

/* Names the kernel of an operator; a literal null makes every row null. */
static bool use(ds_resolve *r, ds_kind result, ds_kernel kernel, ds_kind operands)
{
    r->result = ds_type_of(result);
    r->kernel = is_null_literal(r, 0) || is_null_literal(r, 1) ? ds_kernel_null : kernel;
    r->bound = ds_operands_bind(r, operands);
    return true;
}

static bool is_number_or_null(ds_type type)
{
    return type.kind == DS_INT || type.kind == DS_FLOAT || type.kind == DS_NULL_TYPE;
}

static bool resolve_numbers(ds_resolve *r, ds_kernel ints, ds_kernel floats)
{
    for (uint32_t i = 0; i < 2; i++)
        if (!is_number_or_null(r->types[i]))
            return ds_resolve_fail(r, (int)i, "%s wants numbers, %s is %s", r->name,
                                   ds_resolve_shown(r, i),
                                   ds_type_with_article(r->arena, r->types[i]));
    bool is_float = r->types[0].kind == DS_FLOAT || r->types[1].kind == DS_FLOAT;
    ds_kind kind = is_float ? DS_FLOAT : DS_INT;
    r->wanted[0] = r->wanted[1] = ds_type_of(kind);
    return use(r, kind, is_float ? floats : ints, kind);
}

static bool is_pair(const ds_resolve *r, ds_kind left, ds_kind right)
{
    return r->types[0].kind == left && r->types[1].kind == right;
}

/* True for a timestamp and an interval, one of which may be null. */
static bool is_time_pair(ds_resolve *r, uint32_t time, uint32_t interval)
{
    ds_kind t = r->types[time].kind, i = r->types[interval].kind;
    if ((t != DS_TIMESTAMP && t != DS_NULL_TYPE) || (i != DS_INTERVAL && i != DS_NULL_TYPE) ||
        t == i)
        return false;
    r->wanted[time] = DS_TYPE(DS_TIMESTAMP);
    r->wanted[interval] = DS_TYPE(DS_INTERVAL);
    return true;
}

static bool is_time(ds_type type)
{
    return type.kind == DS_TIMESTAMP || type.kind == DS_INTERVAL;
}

static bool fail_times(ds_resolve *r)
{
    return ds_resolve_fail(r, -1,
                           "%s cannot take %s and %s: with times there are t + interval '5m', "
                           "t - interval '5m' and t1 - t2",
                           r->name, ds_type_with_article(r->arena, r->types[0]),
                           ds_type_with_article(r->arena, r->types[1]));
}

bool ds_resolve_add(ds_resolve *r)
{
    if (is_time_pair(r, 0, 1) || is_time_pair(r, 1, 0))
        return use(r, DS_TIMESTAMP, add_interval, DS_INT);
    if (is_time(r->types[0]) || is_time(r->types[1]))
        return fail_times(r);
    return resolve_numbers(r, add_ints, add_floats);
}

bool ds_resolve_subtract(ds_resolve *r)
{
    if (is_pair(r, DS_NULL_TYPE, DS_TIMESTAMP))
        r->wanted[0] = DS_TYPE(DS_TIMESTAMP);
    if (r->wanted[0].kind == DS_TIMESTAMP && r->types[1].kind == DS_TIMESTAMP)
        return use(r, DS_FLOAT, subtract_timestamps, DS_INT);
    if (is_time_pair(r, 0, 1))
        return use(r, DS_TIMESTAMP, subtract_interval, DS_INT);
    if (is_time(r->types[0]) || is_time(r->types[1]))
        return fail_times(r);
    return resolve_numbers(r, subtract_ints, subtract_floats);
}

bool ds_resolve_multiply(ds_resolve *r)
{
    return resolve_numbers(r, multiply_ints, multiply_floats);
}

bool ds_resolve_divide(ds_resolve *r)
{
    return resolve_numbers(r, divide_ints, divide_floats);
}

bool ds_resolve_modulo(ds_resolve *r)
{
    return resolve_numbers(r, modulo_ints, modulo_floats);
}

bool ds_resolve_negate(ds_resolve *r)
{
    ds_type type = r->types[0];
    if (!is_number_or_null(type))
        return ds_resolve_fail(r, 0, "- wants a number, %s is %s", ds_resolve_shown(r, 0),
                               ds_type_with_article(r->arena, type));
    ds_kind kind = type.kind == DS_FLOAT ? DS_FLOAT : DS_INT;
    r->wanted[0] = r->result = ds_type_of(kind);
    r->kernel = kind == DS_FLOAT ? negate_floats : negate_ints;
    return true;
}
