/* a || b || ...: strings, or lists of one type; null if any is null. */
#include "columnar/expr_tree.h"
#include "columnar/operators.h"

#include <string.h>

#define TEXT_LIMIT ((uint64_t)16 << 20) /* bytes of one result; beyond it is an overflow */

static ds_view join(ds_eval *ev, const ds_column *const *args, uint32_t n_args, uint64_t row)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < n_args; i++)
        total += args[i]->views[row].length;
    if (total > TEXT_LIMIT) {
        ds_eval_fail(ev, (uint32_t)row);
        return ds_view_at("", 0, 0, 0);
    }
    char inlined[DS_INLINE_BYTES];
    uint32_t length = (uint32_t)total, buffer = 0, offset = 0;
    char *text =
        length <= DS_INLINE_BYTES ? inlined : ds_heap_text(ev->heap, length, &buffer, &offset);
    char *to = text;
    for (uint32_t i = 0; i < n_args; i++) {
        const ds_view *view = &args[i]->views[row];
        memcpy(to, ds_view_bytes(ev->heap, view), view->length);
        to += view->length;
    }
    return ds_view_at(text, length, buffer, offset);
}

static void concat_text(ds_eval *ev, const void *bound, const ds_column *const *args,
                        uint32_t n_args, ds_column *out)
{
    (void)bound;
    ds_column_init(out, ev->arena, out->type, ev->n);
    ds_eval_strict(ev, args, n_args, out);
    memset(out->views, 0, ev->n * sizeof *out->views);
    ds_for_selected(ev, row) if (!ds_column_is_null(out, row)) out->views[row] =
        join(ev, args, n_args, row);
}

/* All elements of all args one list after the other; then each result is a gather of them. */
static ds_column *join_children(ds_eval *ev, const ds_column *const *args, uint32_t n_args,
                                uint32_t *starts)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < n_args; i++) {
        starts[i] = total;
        total += args[i]->child->length;
    }
    ds_column *all = ds_column_new(ev->arena, args[0]->child->type, total);
    if (total > 0)
        ds_column_need_validity(all, ev->arena);
    size_t width = ds_type_width(all->type);
    for (uint32_t i = 0; i < n_args; i++) {
        const ds_column *child = args[i]->child;
        if (width > 0 && child->length > 0)
            memcpy((char *)all->values + starts[i] * width, child->values, child->length * width);
        for (uint32_t e = 0; e < child->length; e++) {
            if (width == 0)
                ds_bit_put(all->bits, starts[i] + e, ds_bit_get(child->bits, e));
            ds_bit_put(all->validity, starts[i] + e, !ds_column_is_null(child, e));
        }
    }
    return all;
}

static void concat_lists(ds_eval *ev, const void *bound, const ds_column *const *args,
                         uint32_t n_args, ds_column *out)
{
    (void)bound;
    uint32_t *starts = DS_ARENA_ARRAY(ev->arena, uint32_t, n_args), total = 0;
    ds_column *all = join_children(ev, args, n_args, starts);
    uint32_t *elements = DS_ARENA_ARRAY(ev->arena, uint32_t, (size_t)all->length + 1);
    ds_column_init(out, ev->arena, out->type, ev->n);
    ds_eval_strict(ev, args, n_args, out);
    for (uint32_t row = 0; row < ev->n; row++) {
        for (uint32_t i = 0; i < n_args && !ds_column_is_null(out, row); i++)
            for (uint32_t e = args[i]->offsets[row]; e < args[i]->offsets[row + 1]; e++)
                elements[total++] = starts[i] + e;
        out->offsets[row + 1] = total;
    }
    out->child = ds_column_gather(ev->arena, all, elements, total);
}

bool ds_resolve_concat(ds_resolve *r)
{
    ds_type common;
    for (uint32_t i = 0; i < r->n_args; i++) {
        ds_kind kind = r->types[i].kind;
        if (kind != DS_STRING && kind != DS_LIST && kind != DS_NULL_TYPE)
            return ds_resolve_fail(r, (int)i, "|| wants strings or lists, %s is %s (use cast)",
                                   ds_resolve_shown(r, i),
                                   ds_type_with_article(r->arena, r->types[i]));
    }
    if (!ds_resolve_common(r, 0, &common))
        return false;
    if (common.kind == DS_NULL_TYPE) {
        common = DS_TYPE(DS_STRING);
        for (uint32_t i = 0; i < r->n_args; i++)
            r->wanted[i] = common;
    }
    r->result = common;
    r->kernel = common.kind == DS_LIST ? concat_lists : concat_text;
    return true;
}
