/*
 * x like 'pattern': `_` is one code point, `%` any run of any characters, nothing else is
 * special.
 *
 * The pattern is taken apart when the app is loaded, into pieces between the `%`. What
 * people mostly write has no `_` and at most one piece, and is a plain equality, a test of
 * the start or the end, or a search. In general the first piece has to match at the start,
 * the last at the end, and each of the others at the first place where it does behind the one
 * before: taking the first place never loses a match, so nothing is tried twice and a search
 * costs at most the text's length times the pattern's.
 */
#include "columnar/compare.h"
#include "columnar/expr_tree.h"
#include "columnar/find.h"
#include "columnar/find_rows.h"
#include "columnar/operators.h"

#include <string.h>

typedef struct piece {
    const char *text;
    uint32_t length;
    uint32_t code_points;
    bool has_any; /* contains _ */
} piece;

typedef struct like {
    piece *pieces; /* between the %: n + 1 pieces for n of them, empty ones too */
    uint32_t n_pieces;
    ds_needle needle; /* of the only piece that matters in the simple forms */
} like;

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The byte behind the code point at text. */
static const char *next_point(const char *text, const char *end)
{
    do
        text++;
    while (text < end && is_continuation(*text));
    return text;
}

/* Where a piece that matches at text ends, or NULL. */
static const char *match_at(const piece *p, const char *text, const char *end)
{
    if (!p->has_any) {
        if ((size_t)(end - text) < p->length || memcmp(text, p->text, p->length) != 0)
            return NULL;
        return text + p->length;
    }
    for (uint32_t i = 0; i < p->length; i++) {
        if (text == end)
            return NULL;
        if (p->text[i] == '_')
            text = next_point(text, end);
        else if (*text++ != p->text[i])
            return NULL;
    }
    return text;
}

/* Where the first match of a piece ends, or NULL. */
static const char *match_somewhere(const piece *p, const char *text, const char *end)
{
    if (!p->has_any) {
        const char *found = ds_find(text, (size_t)(end - text), p->text, p->length);
        return found == NULL ? NULL : found + p->length;
    }
    for (;; text = next_point(text, end)) {
        const char *behind = match_at(p, text, end);
        if (behind != NULL || text == end)
            return behind;
    }
}

/* True if a piece matches the last of text; text ends at end. */
static bool match_end(const piece *p, const char *text, const char *end)
{
    const char *at = end;
    for (uint32_t i = 0; i < p->code_points; i++) {
        if (at == text)
            return false;
        do
            at--;
        while (at > text && is_continuation(*at));
    }
    return match_at(p, at, end) == end;
}

static bool match(const like *l, const char *text, const char *end)
{
    const char *at = match_at(&l->pieces[0], text, end);
    if (at == NULL)
        return false;
    if (l->n_pieces == 1)
        return at == end;
    for (uint32_t i = 1; i + 1 < l->n_pieces; i++) {
        at = match_somewhere(&l->pieces[i], at, end);
        if (at == NULL)
            return false;
    }
    return match_end(&l->pieces[l->n_pieces - 1], at, end);
}

/* One kernel for each form; `answer` is asked for selected rows with view and bytes. */
#define LIKE_KERNEL(name, answer)                                                                  \
    static void name(ds_eval *ev, const void *bound, const ds_column *const *args,                 \
                     uint32_t n_args, ds_column *out)                                              \
    {                                                                                              \
        (void)n_args;                                                                              \
        const like *l = bound;                                                                     \
        ds_column_init(out, ev->arena, out->type, ev->n);                                          \
        memset(out->bits, 0, ds_bitmap_words(ev->n) * 8);                                          \
        ds_for_selected(ev, row)                                                                   \
        {                                                                                          \
            const ds_view *view = &args[0]->views[row];                                            \
            if (answer)                                                                            \
                ds_bit_set(out->bits, row);                                                        \
        }                                                                                          \
        ds_eval_strict(ev, args, 1, out);                                                          \
    }

static bool starts_with(const ds_heap *heap, const ds_view *view, const ds_needle *needle)
{
    return view->length >= needle->length &&
           memcmp(ds_view_bytes(heap, view), needle->text, needle->length) == 0;
}

static bool ends_with(const ds_heap *heap, const ds_view *view, const ds_needle *needle)
{
    return view->length >= needle->length &&
           memcmp(ds_view_bytes(heap, view) + (view->length - needle->length), needle->text,
                  needle->length) == 0;
}

static bool contains(const ds_heap *heap, const ds_view *view, const ds_needle *needle)
{
    return ds_find(ds_view_bytes(heap, view), view->length, needle->text, needle->length) != NULL;
}

static bool matches(const ds_heap *heap, const ds_view *view, const like *l)
{
    const char *text = ds_view_bytes(heap, view);
    return match(l, text, text + view->length);
}

LIKE_KERNEL(like_exact, ds_needle_equal(ev->heap, view, &l->needle))
LIKE_KERNEL(like_start, starts_with(ev->heap, view, &l->needle))
LIKE_KERNEL(like_end, ends_with(ev->heap, view, &l->needle))
LIKE_KERNEL(like_contains_each, contains(ev->heap, view, &l->needle))
LIKE_KERNEL(like_any, matches(ev->heap, view, l))

/* Unless few rows are selected all are searched, as that is cheaper than to leave some out. */
static void like_contains(ds_eval *ev, const void *bound, const ds_column *const *args,
                          uint32_t n_args, ds_column *out)
{
    const like *l = bound;
    if (ds_bitmap_count(ev->selected, ev->n) < ev->n / 4) {
        like_contains_each(ev, bound, args, n_args, out);
        return;
    }
    ds_column_init(out, ev->arena, out->type, ev->n);
    memset(out->bits, 0, ds_bitmap_words(ev->n) * 8);
    ds_find_rows(ev->heap, args[0]->views, ev->n, l->needle.text, l->needle.length, out->bits);
    ds_eval_strict(ev, args, 1, out);
}

static void add_piece(like *l, const char *text, uint32_t length)
{
    piece p = {.text = text, .length = length};
    for (uint32_t i = 0; i < length; i++) {
        p.has_any |= text[i] == '_';
        p.code_points += !is_continuation(text[i]);
    }
    l->pieces[l->n_pieces++] = p;
}

static void take_apart(like *l, ds_arena *arena, const char *text, uint32_t length)
{
    l->pieces = DS_ARENA_ARRAY(arena, piece, (size_t)length + 1);
    uint32_t from = 0;
    for (uint32_t i = 0; i < length; i++)
        if (text[i] == '%') {
            add_piece(l, text + from, i - from);
            from = i + 1;
        }
    add_piece(l, text + from, length - from);
}

static bool is_empty(const like *l, uint32_t i)
{
    return l->pieces[i].length == 0;
}

/* The kernel for the simple forms, whose piece goes to *only; else the general one. */
static ds_kernel kernel_for(const like *l, uint32_t *only)
{
    for (uint32_t i = 0; i < l->n_pieces; i++)
        if (l->pieces[i].has_any)
            return like_any;
    *only = 0;
    if (l->n_pieces == 1)
        return like_exact;
    if (l->n_pieces == 2 && is_empty(l, 1))
        return like_start;
    *only = 1;
    if (l->n_pieces == 2 && is_empty(l, 0))
        return like_end;
    if (l->n_pieces == 3 && is_empty(l, 0) && is_empty(l, 2))
        return like_contains;
    return like_any;
}

bool ds_resolve_like(ds_resolve *r)
{
    if (!ds_resolve_want(r, 0, DS_STRING) || !ds_resolve_want(r, 1, DS_STRING))
        return false;
    const ds_literal *pattern = &r->literals[1];
    if (!pattern->is_literal)
        return ds_resolve_fail(r, 1, "the pattern of like has to be a literal, such as '%%.html'");
    r->result = DS_TYPE(DS_BOOL);
    r->kernel = ds_kernel_null;
    if (pattern->is_null)
        return true;
    like *l = DS_ARENA_NEW(r->arena, like);
    take_apart(l, r->arena, pattern->text, pattern->length);
    uint32_t only = 0;
    r->kernel = kernel_for(l, &only);
    l->needle = ds_needle_of(l->pieces[only].text, l->pieces[only].length);
    r->bound = l;
    r->literals_bound = !r->literals[0].is_literal;
    return true;
}
