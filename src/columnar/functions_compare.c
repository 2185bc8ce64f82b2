/*
 * = != < <= > >= and is [not] distinct from.
 *
 * All of them come from two questions, equal and less: a > b is b < a, a <= b is not b < a
 * (floats are never NaN), and so on. A kernel answers its question for 64 rows at a time as
 * a word; the common end turns it around and adds the nulls.
 */
#include "columnar/compare.h"
#include "columnar/expr_tree.h"
#include "columnar/operand.h"
#include "columnar/operators.h"
#include "columnar/text.h"

#include "base/assert.h"

#include <string.h>

typedef enum nulls { NULL_IF_ANY, DISTINCT } nulls;

typedef struct comparison {
    const char *name;
    ds_compare_op op;
    bool swap;   /* the sides */
    bool negate; /* the answer */
    nulls nulls;
} comparison;

static const comparison comparisons[] = {
    {"=", DS_COMPARE_EQUAL, false, false, NULL_IF_ANY},
    {"!=", DS_COMPARE_EQUAL, false, true, NULL_IF_ANY},
    {"<", DS_COMPARE_LESS, false, false, NULL_IF_ANY},
    {">", DS_COMPARE_LESS, true, false, NULL_IF_ANY},
    {"<=", DS_COMPARE_LESS, true, true, NULL_IF_ANY},
    {">=", DS_COMPARE_LESS, false, true, NULL_IF_ANY},
    {"is distinct from", DS_COMPARE_EQUAL, false, true, DISTINCT},
    {"is not distinct from", DS_COMPARE_EQUAL, false, false, DISTINCT},
};

typedef struct bound_comparison {
    const comparison *what;
    ds_compare_fn compare; /* numbers and times */
    const ds_operands *operands;
    ds_needle needle; /* text with a literal on the right, after swapping */
    bool needle_left;
} bound_comparison;

/* The ends: from the answers for values to the result with nulls. */

static void finish_strict(ds_eval *ev, const comparison *what, const ds_column *const *args,
                          ds_column *out)
{
    if (what->negate)
        for (size_t w = 0; w < ds_bitmap_words(ev->n); w++)
            out->bits[w] = ~out->bits[w];
    ds_eval_strict(ev, args, 2, out);
}

static uint64_t valid_word(const ds_column *column, size_t w)
{
    return column == NULL || column->validity == NULL ? ~(uint64_t)0 : column->validity[w];
}

static void finish_distinct(ds_eval *ev, const comparison *what, const ds_column *const *args,
                            ds_column *out)
{
    for (size_t w = 0; w < ds_bitmap_words(ev->n); w++) {
        uint64_t a = valid_word(args[0], w), b = valid_word(args[1], w);
        uint64_t same = (a & b & out->bits[w]) | (~a & ~b);
        out->bits[w] = what->negate ? ~same : same;
    }
}

static void finish(ds_eval *ev, const comparison *what, const ds_column *const *args,
                   ds_column *out)
{
    if (what->nulls == DISTINCT)
        finish_distinct(ev, what, args, out);
    else
        finish_strict(ev, what, args, out);
}

/* The kernels. */

static void compare_numbers(ds_eval *ev, const void *bound, const ds_column *const *args,
                            uint32_t n_args, ds_column *out)
{
    (void)n_args;
    const bound_comparison *c = bound;
    ds_side left = ds_side_of(c->operands->left, args[0]);
    ds_side right = ds_side_of(c->operands->right, args[1]);
    ds_side a = c->what->swap ? right : left, b = c->what->swap ? left : right;
    ds_column_init(out, ev->arena, out->type, ev->n);
    for (uint32_t block = 0; block * DS_BLOCK < ev->n; block++)
        out->bits[block] =
            c->compare(ds_side_ints(a, block), ds_side_ints(b, block), ds_block_rows(block, ev->n));
    finish(ev, c->what, args, out);
}

static void compare_bools(ds_eval *ev, const void *bound, const ds_column *const *args,
                          uint32_t n_args, ds_column *out)
{
    (void)n_args;
    const bound_comparison *c = bound;
    const uint64_t *a = args[c->what->swap]->bits, *b = args[!c->what->swap]->bits;
    ds_column_init(out, ev->arena, out->type, ev->n);
    for (size_t w = 0; w < ds_bitmap_words(ev->n); w++)
        out->bits[w] = c->what->op == DS_COMPARE_EQUAL ? ~(a[w] ^ b[w]) : ~a[w] & b[w];
    finish(ev, c->what, args, out);
}

/* Order of text by its first four bytes, which mostly decide, then all. */
static int order_text(uint32_t prefix_a, uint32_t prefix_b, const char *a, uint32_t a_length,
                      const char *b, uint32_t b_length)
{
    if (prefix_a != prefix_b)
        return prefix_a < prefix_b ? -1 : 1;
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

static uint32_t prefix_of(const ds_view *view)
{
    const unsigned char *c = (const unsigned char *)view->inlined;
    return (uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 | (uint32_t)c[2] << 8 | c[3];
}

static bool text_less(const ds_heap *heap, const ds_view *a, const ds_view *b)
{
    return order_text(prefix_of(a), prefix_of(b), ds_view_bytes(heap, a), a->length,
                      ds_view_bytes(heap, b), b->length) < 0;
}

/* Answers for each row, collected in words. */
#define ROWS_TO_BITS(ev, out, answer)                                                              \
    for (uint32_t from = 0; from < (ev)->n; from += 64) {                                          \
        uint64_t word = 0;                                                                         \
        uint32_t count = (ev)->n - from < 64 ? (ev)->n - from : 64;                                \
        for (uint32_t i = 0; i < count; i++)                                                       \
            word |= (uint64_t)(answer) << i;                                                       \
        (out)->bits[from / 64] = word;                                                             \
    }

static void compare_text(ds_eval *ev, const void *bound, const ds_column *const *args,
                         uint32_t n_args, ds_column *out)
{
    (void)n_args;
    const bound_comparison *c = bound;
    const ds_view *a = args[c->what->swap]->views, *b = args[!c->what->swap]->views;
    ds_column_init(out, ev->arena, out->type, ev->n);
    if (c->what->op == DS_COMPARE_EQUAL)
        ROWS_TO_BITS(ev, out, ds_view_equal(ev->heap, &a[from + i], &b[from + i]))
    else
        ROWS_TO_BITS(ev, out, text_less(ev->heap, &a[from + i], &b[from + i]))
    finish(ev, c->what, args, out);
}

/* As compare_text, with a literal on one side. */
static void compare_needle(ds_eval *ev, const void *bound, const ds_column *const *args,
                           uint32_t n_args, ds_column *out)
{
    (void)n_args;
    const bound_comparison *c = bound;
    const ds_needle *needle = &c->needle;
    const ds_view *views = args[c->needle_left ? 1 : 0]->views;
    bool needle_first = c->needle_left != c->what->swap;
    ds_view as_view = ds_view_at(needle->text, needle->length, 0, 0);
    uint32_t prefix = prefix_of(&as_view);
    ds_column_init(out, ev->arena, out->type, ev->n);
    if (c->what->op == DS_COMPARE_EQUAL)
        ROWS_TO_BITS(ev, out, ds_needle_equal(ev->heap, &views[from + i], needle))
    else
        for (uint32_t from = 0; from < ev->n; from += 64) {
            uint64_t word = 0;
            for (uint32_t i = 0; i < 64 && from + i < ev->n; i++) {
                const ds_view *view = &views[from + i];
                int order = order_text(prefix_of(view), prefix, ds_view_bytes(ev->heap, view),
                                       view->length, needle->text, needle->length);
                word |= (uint64_t)(needle_first ? order > 0 : order < 0) << i;
            }
            out->bits[from / 64] = word;
        }
    finish(ev, c->what, args, out);
}

static bool lists_equal(ds_eval *ev, const ds_column *a, const ds_column *b, uint32_t row)
{
    return ds_bit_get(ev->selected, row) && ds_value_equal(ev->heap, a, row, ev->heap, b, row);
}

/* Lists are equal element by element; null elements equal each other. */
static void compare_lists(ds_eval *ev, const void *bound, const ds_column *const *args,
                          uint32_t n_args, ds_column *out)
{
    (void)n_args;
    const bound_comparison *c = bound;
    ds_column_init(out, ev->arena, out->type, ev->n);
    ROWS_TO_BITS(ev, out, lists_equal(ev, args[0], args[1], from + i))
    finish(ev, c->what, args, out);
}

/* The hook. */

static bool is_literal_text(const ds_resolve *r, uint32_t i)
{
    return r->types[i].kind == DS_STRING && r->literals[i].is_literal && !r->literals[i].is_null;
}

/* The type that both sides are compared as. */
static bool common_type(ds_resolve *r, ds_type *type)
{
    for (uint32_t i = 0; i < 2; i++)
        if (is_literal_text(r, i) && r->types[1 - i].kind == DS_TIMESTAMP) {
            *type = r->wanted[i] = DS_TYPE(DS_TIMESTAMP);
            return true;
        }
    if (!ds_resolve_common(r, 0, type))
        return ds_resolve_fail(r, -1, "%s cannot compare %s, %s, with %s, %s", r->name,
                               ds_resolve_shown(r, 0), ds_type_with_article(r->arena, r->types[0]),
                               ds_resolve_shown(r, 1), ds_type_with_article(r->arena, r->types[1]));
    if (type->kind == DS_INTERVAL)
        return ds_resolve_fail(r, -1, "intervals cannot be compared, only added to timestamps");
    if (type->kind == DS_NULL_TYPE)
        *type = r->wanted[0] = r->wanted[1] = DS_TYPE(DS_INT);
    return true;
}

static bool has_null_literal(const ds_resolve *r)
{
    return (r->literals[0].is_literal && r->literals[0].is_null) ||
           (r->literals[1].is_literal && r->literals[1].is_null);
}

static void bind_text(ds_resolve *r, bound_comparison *c)
{
    r->kernel = compare_text;
    if (is_literal_text(r, 0) == is_literal_text(r, 1) || has_null_literal(r))
        return;
    c->needle_left = is_literal_text(r, 0);
    const ds_literal *literal = &r->literals[c->needle_left ? 0 : 1];
    c->needle = ds_needle_of(literal->text, literal->length);
    r->kernel = compare_needle;
    r->literals_bound = true;
}

bool ds_resolve_compare(ds_resolve *r)
{
    ds_type type;
    if (!common_type(r, &type))
        return false;
    bound_comparison *c = DS_ARENA_NEW(r->arena, bound_comparison);
    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++)
        if (strcmp(r->name, comparisons[i].name) == 0)
            c->what = &comparisons[i];
    DS_ASSERT(c->what != NULL);
    if (type.kind == DS_LIST && c->what->op != DS_COMPARE_EQUAL)
        return ds_resolve_fail(r, -1, "lists compare with = only");
    r->result = DS_TYPE(DS_BOOL);
    r->bound = c;
    if (has_null_literal(r) && c->what->nulls == NULL_IF_ANY) {
        r->kernel = ds_kernel_null;
        return true;
    }
    switch (type.kind) {
    case DS_BOOL: r->kernel = compare_bools; break;
    case DS_LIST: r->kernel = compare_lists; break;
    case DS_STRING: bind_text(r, c); break;
    default:
        r->kernel = compare_numbers;
        c->compare = ds_compare_find(c->what->op, type.kind);
        c->operands = ds_operands_bind(r, type.kind);
        break;
    }
    return true;
}
