/* The functions of lists (app-format, section 6). */
#include "columnar/text_kernel.h"

/* Copies values from one column to places of another of the same type, without validity. */
static void copy_value(ds_column *to, uint32_t at, const ds_column *from, uint32_t i)
{
    switch (to->type.kind) {
    case DS_BOOL: ds_bit_put(to->bits, at, ds_bit_get(from->bits, i)); break;
    case DS_STRING: to->views[at] = from->views[i]; break;
    default: to->ints[at] = from->ints[i]; break;
    }
}

static DS_KERNEL(array)
{
    ds_column_init(out, ev->arena, out->type, ev->n);
    bool fits = (uint64_t)ev->n * n_args <= DS_LIST_CALL_LIMIT;
    ds_column *child =
        ds_column_new(ev->arena, ds_type_element(out->type), fits ? ev->n * n_args : 0);
    out->child = child;
    if (child->type.kind == DS_BOOL)
        memset(child->bits, 0, ds_bitmap_words(child->length) * 8);
    for (uint32_t i = 0; i < ev->n; i++) {
        out->offsets[i + 1] = fits ? (i + 1) * n_args : 0;
        if (!fits)
            ds_eval_fail(ev, i);
    }
    for (uint32_t a = 0; a < n_args && fits; a++) {
        if (args[a]->validity != NULL)
            ds_column_need_validity(child, ev->arena);
        for (uint32_t i = 0; i < ev->n; i++) {
            copy_value(child, i * n_args + a, args[a], i);
            if (ds_column_is_null(args[a], i))
                ds_bit_clear(child->validity, i * n_args + a);
        }
    }
}

static bool resolve_array(ds_resolve *r)
{
    ds_type element;
    if (!ds_resolve_common(r, 0, &element))
        return false;
    if (element.kind == DS_NULL_TYPE)
        return ds_resolve_fail(r, -1,
                               "a list of nothing but null has no type, write "
                               "cast(null as int) or another");
    if (element.kind == DS_LIST || element.kind == DS_INTERVAL)
        return ds_resolve_fail(r, 0, "a list cannot hold values of type %s", ds_type_name(element));
    r->result = DS_LIST_OF(element.kind);
    r->kernel = array;
    return true;
}

static DS_KERNEL(element)
{
    const ds_column *child = args[0]->child;
    ds_kernel_begin_zero(ev, args, n_args, out);
    ds_kernel_own_validity(ev, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        uint32_t first = args[0]->offsets[row], length = args[0]->offsets[row + 1] - first;
        int64_t n = args[1]->ints[row];
        if (n < 1 || n > (int64_t)length || ds_column_is_null(child, first + (uint32_t)n - 1))
            ds_bit_clear(out->validity, row);
        else
            copy_value(out, row, child, first + (uint32_t)n - 1);
    }
}

static DS_KERNEL(size)
{
    ds_kernel_begin(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->ints[i] = (int64_t)args[0]->offsets[i + 1] - args[0]->offsets[i];
}

/*
 * Sorting: the numbers of a list's elements are brought in order by merging runs, which keeps
 * equal ones as they were; then all lists are gathered at once.
 */
typedef struct sorter {
    const ds_heap *heap;
    const ds_column *child;
    uint32_t *order, *spare;
} sorter;

/* True if element a comes behind element b; nulls come last. */
static bool is_behind(const sorter *s, uint32_t a, uint32_t b)
{
    const ds_column *c = s->child;
    if (c->validity != NULL && (!ds_bit_get(c->validity, a) || !ds_bit_get(c->validity, b)))
        return !ds_bit_get(c->validity, a) && ds_bit_get(c->validity, b);
    switch (c->type.kind) {
    case DS_BOOL: return ds_bit_get(c->bits, a) && !ds_bit_get(c->bits, b);
    case DS_FLOAT: return c->floats[a] > c->floats[b];
    case DS_STRING: return ds_view_compare(s->heap, &c->views[a], &c->views[b]) > 0;
    default: return c->ints[a] > c->ints[b];
    }
}

/* Merges order[from, middle) and order[middle, to). */
static void merge(const sorter *s, uint32_t from, uint32_t middle, uint32_t to)
{
    if (!is_behind(s, s->order[middle - 1], s->order[middle]))
        return; /* in order already */
    memcpy(s->spare + from, s->order + from, (to - from) * sizeof *s->order);
    uint32_t left = from, right = middle;
    for (uint32_t at = from; at < to; at++) {
        bool take_right =
            left == middle || (right < to && is_behind(s, s->spare[left], s->spare[right]));
        s->order[at] = s->spare[take_right ? right++ : left++];
    }
}

static void sort_range(const sorter *s, uint32_t from, uint32_t to)
{
    for (uint32_t width = 1; width < to - from; width *= 2)
        for (uint32_t at = from; to - at > width; at += 2 * width) {
            uint32_t end = to - at > 2 * width ? at + 2 * width : to;
            merge(s, at, at + width, end);
            if (end == to)
                break;
        }
}

static DS_KERNEL(array_sort)
{
    const ds_column *lists = args[0];
    uint32_t total = lists->child->length;
    ds_kernel_begin(ev, args, n_args, out);
    memcpy(out->offsets, lists->offsets, ((size_t)ev->n + 1) * sizeof *out->offsets);
    sorter s = {.heap = ev->heap, .child = lists->child};
    s.order = ds_arena_alloc(ev->arena, total * sizeof *s.order);
    s.spare = ds_arena_alloc(ev->arena, total * sizeof *s.spare);
    for (uint32_t i = 0; i < total; i++)
        s.order[i] = i;
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        sort_range(&s, lists->offsets[row], lists->offsets[row + 1]);
    }
    out->child = ds_column_gather(ev->arena, lists->child, s.order, total);
}

/* The bytes of a joined list. */
static uint64_t joined_length(const ds_column *child, uint32_t from, uint32_t to, ds_text separator)
{
    uint64_t length = 0, n = 0;
    for (uint32_t e = from; e < to; e++) {
        if (ds_column_is_null(child, e))
            continue;
        length += child->views[e].length;
        n++;
    }
    return n == 0 ? 0 : length + (n - 1) * separator.length;
}

static void put_joined(char *at, const ds_eval *ev, const ds_column *child, uint32_t from,
                       uint32_t to, ds_text separator)
{
    bool first = true;
    for (uint32_t e = from; e < to; e++) {
        if (ds_column_is_null(child, e))
            continue;
        if (!first) {
            memcpy(at, separator.bytes, separator.length);
            at += separator.length;
        }
        first = false;
        ds_text text = ds_text_of(ev, child, e);
        memcpy(at, text.bytes, text.length);
        at += text.length;
    }
}

static DS_KERNEL(array_join)
{
    const ds_column *lists = args[0];
    ds_kernel_begin_zero(ev, args, n_args, out);
    ds_text_out made = ds_text_out_of(ev, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        uint32_t from = lists->offsets[row], to = lists->offsets[row + 1];
        ds_text separator = ds_text_of(ev, args[1], row);
        uint64_t length = joined_length(lists->child, from, to, separator);
        char *bytes = ds_text_begin(&made, row, length);
        if (bytes == NULL)
            continue;
        put_joined(bytes, ev, lists->child, from, to, separator);
        ds_text_end(&made, row, (uint32_t)length);
    }
}

/* Argument 0 has to be a list; null counts as one of strings if any_type. */
static bool want_list(ds_resolve *r, bool any_type)
{
    if (r->types[0].kind == DS_LIST)
        return true;
    if (r->types[0].kind != DS_NULL_TYPE)
        return ds_resolve_fail(r, 0, "%s needs a list, not %s", r->name, ds_type_name(r->types[0]));
    if (!any_type)
        return ds_resolve_fail(r, 0, "%s of null has no type", r->name);
    r->wanted[0] = DS_LIST_OF(DS_STRING);
    return true;
}

static bool resolve_element(ds_resolve *r)
{
    r->result = ds_type_element(r->types[0]);
    r->kernel = element;
    return want_list(r, false) && ds_resolve_want(r, 1, DS_INT);
}

static bool resolve_size(ds_resolve *r)
{
    r->result = DS_TYPE(DS_INT);
    r->kernel = size;
    return want_list(r, true);
}

static bool resolve_array_sort(ds_resolve *r)
{
    r->result = r->types[0];
    r->kernel = array_sort;
    return want_list(r, false);
}

static bool resolve_array_join(ds_resolve *r)
{
    r->result = DS_TYPE(DS_STRING);
    r->kernel = array_join;
    if (!want_list(r, true) || !ds_resolve_want(r, 1, DS_STRING))
        return false;
    if (r->wanted[0].element != DS_STRING)
        return ds_resolve_fail(r, 0, "array_join needs a list<string>, not %s",
                               ds_type_name(r->types[0]));
    return true;
}

const ds_function ds_functions_list[] = {
    {"array", 1, DS_MAX_ARGS, resolve_array, "array(x, …)"},
    {"element", 2, 2, resolve_element, "element(l, n)"},
    {"size", 1, 1, resolve_size, "size(l)"},
    {"array_sort", 1, 1, resolve_array_sort, "array_sort(l)"},
    {"array_join", 2, 2, resolve_array_join, "array_join(l, sep)"},
    {NULL, 0, 0, NULL, NULL},
};
