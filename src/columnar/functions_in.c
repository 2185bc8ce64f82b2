/*
 * x in (literals): the set is made when the app is loaded. Small sets are compared one by
 * one, 64 rows at a time; larger ones are looked up, numbers in a sorted array and text in a
 * hash table. (Items that are no literals never come here: bind compares them with =.)
 *
 * A row that is in the set is true; else it is null if x or any item is null; else false.
 */
#include "columnar/compare.h"
#include "columnar/expr_tree.h"
#include "columnar/operand.h"
#include "columnar/operators.h"
#include "columnar/text.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SMALL 8u

typedef struct in_set {
    bool has_null;
    uint32_t n;
    ds_compare_fn equal;   /* numbers, small sets */
    const int64_t *blocks; /* DS_BLOCK copies of each */
    const void *sorted;    /* numbers, large sets: n int64_t or double */
    const ds_needle *needles;
    const uint32_t *slots; /* text, large sets: index of a needle + 1, 0 if free */
    uint32_t mask;         /* of the slots */
    bool truths[2];        /* bools: false, true */
} in_set;

static void finish(ds_eval *ev, const in_set *set, const ds_column *x, ds_column *out)
{
    ds_eval_strict(ev, &x, 1, out);
    if (!set->has_null)
        return;
    ds_column_need_validity(out, ev->arena);
    for (size_t w = 0; w < ds_bitmap_words(ev->n); w++)
        out->validity[w] &= out->bits[w];
}

static void in_few_numbers(ds_eval *ev, const void *bound, const ds_column *const *args,
                           uint32_t n_args, ds_column *out)
{
    (void)n_args;
    const in_set *set = bound;
    ds_side x = ds_side_of(NULL, args[0]);
    ds_column_init(out, ev->arena, out->type, ev->n);
    for (uint32_t block = 0; block * DS_BLOCK < ev->n; block++) {
        uint64_t word = 0;
        for (uint32_t i = 0; i < set->n; i++)
            word |= set->equal(ds_side_ints(x, block), set->blocks + i * DS_BLOCK,
                               ds_block_rows(block, ev->n));
        out->bits[block] = word;
    }
    finish(ev, set, args[0], out);
}

#define LOOKUP_KERNEL(name, ctype, member)                                                         \
    static bool name##_has(const in_set *set, ctype value)                                         \
    {                                                                                              \
        const ctype *sorted = set->sorted;                                                         \
        uint32_t low = 0, high = set->n;                                                           \
        while (low < high) {                                                                       \
            uint32_t middle = (low + high) / 2;                                                    \
            if (sorted[middle] < value)                                                            \
                low = middle + 1;                                                                  \
            else                                                                                   \
                high = middle;                                                                     \
        }                                                                                          \
        return low < set->n && sorted[low] == value;                                               \
    }                                                                                              \
    static void name(ds_eval *ev, const void *bound, const ds_column *const *args,                 \
                     uint32_t n_args, ds_column *out)                                              \
    {                                                                                              \
        (void)n_args;                                                                              \
        ds_column_init(out, ev->arena, out->type, ev->n);                                          \
        memset(out->bits, 0, ds_bitmap_words(ev->n) * 8);                                          \
        ds_for_selected(ev, row) if (name##_has(bound, args[0]->member[row]))                      \
            ds_bit_set(out->bits, row);                                                            \
        finish(ev, bound, args[0], out);                                                           \
    }

LOOKUP_KERNEL(in_ints, int64_t, ints)
LOOKUP_KERNEL(in_floats, double, floats)

static bool text_among(const in_set *set, const ds_heap *heap, const ds_view *view)
{
    for (uint32_t i = 0; i < set->n; i++)
        if (ds_needle_equal(heap, view, &set->needles[i]))
            return true;
    return false;
}

static bool text_looked_up(const in_set *set, const ds_heap *heap, const ds_view *view)
{
    uint64_t hash = XXH3_64bits(ds_view_bytes(heap, view), view->length);
    for (uint32_t at = (uint32_t)hash;; at++) {
        uint32_t slot = set->slots[at & set->mask];
        if (slot == 0)
            return false;
        if (ds_needle_equal(heap, view, &set->needles[slot - 1]))
            return true;
    }
}

static void in_text(ds_eval *ev, const void *bound, const ds_column *const *args, uint32_t n_args,
                    ds_column *out)
{
    (void)n_args;
    const in_set *set = bound;
    ds_column_init(out, ev->arena, out->type, ev->n);
    memset(out->bits, 0, ds_bitmap_words(ev->n) * 8);
    ds_for_selected(ev, row)
    {
        const ds_view *view = &args[0]->views[row];
        if (set->slots != NULL ? text_looked_up(set, ev->heap, view)
                               : text_among(set, ev->heap, view))
            ds_bit_set(out->bits, row);
    }
    finish(ev, set, args[0], out);
}

static void in_bools(ds_eval *ev, const void *bound, const ds_column *const *args, uint32_t n_args,
                     ds_column *out)
{
    (void)n_args;
    const in_set *set = bound;
    ds_column_init(out, ev->arena, out->type, ev->n);
    for (size_t w = 0; w < ds_bitmap_words(ev->n); w++)
        out->bits[w] = (set->truths[true] ? args[0]->bits[w] : 0) |
                       (set->truths[false] ? ~args[0]->bits[w] : 0);
    finish(ev, set, args[0], out);
}

/* Making the set. */

static int order_ints(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int order_floats(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value of a literal item as 8 bytes of kind. */
static int64_t number_of(const ds_resolve *r, uint32_t i, ds_kind kind)
{
    const ds_literal *literal = &r->literals[i];
    int64_t value = literal->integer;
    if (r->types[i].kind == DS_STRING) /* what does not parse is an error of bind */
        ds_parse_timestamp(literal->text, literal->length, &value);
    if (kind == DS_FLOAT) {
        double real = r->types[i].kind == DS_INT ? (double)literal->integer : literal->real;
        memcpy(&value, &real, sizeof value);
    }
    return value;
}

static void bind_numbers(ds_resolve *r, in_set *set, ds_kind kind)
{
    int64_t *numbers = DS_ARENA_ARRAY(r->arena, int64_t, r->n_args);
    for (uint32_t i = 1; i < r->n_args; i++)
        if (!r->literals[i].is_null)
            numbers[set->n++] = number_of(r, i, kind);
    if (set->n > SMALL) {
        qsort(numbers, set->n, sizeof *numbers, kind == DS_FLOAT ? order_floats : order_ints);
        set->sorted = numbers;
        r->kernel = kind == DS_FLOAT ? in_floats : in_ints;
        return;
    }
    int64_t *blocks = DS_ARENA_ARRAY(r->arena, int64_t, SMALL * DS_BLOCK);
    for (uint32_t i = 0; i < set->n; i++)
        for (uint32_t row = 0; row < DS_BLOCK; row++)
            blocks[i * DS_BLOCK + row] = numbers[i];
    set->blocks = blocks;
    set->equal = ds_compare_find(DS_COMPARE_EQUAL, kind);
    r->kernel = in_few_numbers;
}

static void bind_text(ds_resolve *r, in_set *set)
{
    ds_needle *needles = DS_ARENA_ARRAY(r->arena, ds_needle, r->n_args);
    for (uint32_t i = 1; i < r->n_args; i++)
        if (!r->literals[i].is_null)
            needles[set->n++] = ds_needle_of(r->literals[i].text, r->literals[i].length);
    set->needles = needles;
    r->kernel = in_text;
    if (set->n <= SMALL)
        return;
    uint32_t n_slots = 32;
    while (n_slots < 2 * set->n)
        n_slots *= 2;
    uint32_t *slots = DS_ARENA_ARRAY(r->arena, uint32_t, n_slots);
    set->mask = n_slots - 1;
    for (uint32_t i = 0; i < set->n; i++) {
        uint32_t at = (uint32_t)XXH3_64bits(needles[i].text, needles[i].length);
        while (slots[at & set->mask] != 0)
            at++;
        slots[at & set->mask] = i + 1;
    }
    set->slots = slots;
}

static bool common_type(ds_resolve *r, ds_type *type)
{
    if (r->types[0].kind != DS_TIMESTAMP)
        return ds_resolve_common(r, 0, type);
    *type = r->types[0];
    for (uint32_t i = 1; i < r->n_args; i++) {
        ds_kind kind = r->types[i].kind;
        if (kind != DS_TIMESTAMP && kind != DS_STRING && kind != DS_NULL_TYPE)
            return ds_resolve_fail(r, (int)i, "in wants timestamps here, %s is %s",
                                   ds_resolve_shown(r, i),
                                   ds_type_with_article(r->arena, r->types[i]));
        r->wanted[i] = *type;
    }
    return true;
}

bool ds_resolve_in(ds_resolve *r)
{
    ds_type type;
    if (!common_type(r, &type))
        return false;
    if (type.kind == DS_INTERVAL)
        return ds_resolve_fail(r, -1, "intervals cannot be compared, only added to timestamps");
    in_set *set = DS_ARENA_NEW(r->arena, in_set);
    for (uint32_t i = 1; i < r->n_args; i++)
        set->has_null |= r->literals[i].is_null;
    r->result = DS_TYPE(DS_BOOL);
    r->bound = set;
    r->literals_bound = true;
    if (type.kind == DS_STRING) {
        bind_text(r, set);
    } else if (type.kind == DS_BOOL) {
        for (uint32_t i = 1; i < r->n_args; i++)
            if (!r->literals[i].is_null)
                set->truths[r->literals[i].boolean] = true;
        r->kernel = in_bools;
    } else if (type.kind == DS_LIST || type.kind == DS_NULL_TYPE) {
        r->kernel = ds_kernel_null; /* the only literal of these types is null */
    } else {
        bind_numbers(r, set, type.kind);
    }
    return true;
}
