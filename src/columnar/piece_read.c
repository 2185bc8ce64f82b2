/*
 * Reading pieces (piece_layout.h): first the places of all parts, which have to lie in the bytes,
 * then the values of the rows that are taken.
 *
 * The reader checks that the place of a text is inside the text of its column, that the prefix is
 * the text's, and that a short view is zero behind its text: views are compared and hashed by all
 * their bytes. It does not check that text is UTF-8; no kernel's safety depends on that.
 */
#include "base/assert.h"
#include "columnar/narrow.h"
#include "columnar/piece_layout.h"

/* The values of a column, or of a list's child. */
typedef struct values {
    ds_type type;
    uint32_t length;
    uint32_t bytes;           /* of each value, if it is a word; 8: none are left out */
    const uint64_t *validity; /* NULL: no nulls */
    const void *first;
    size_t text; /* place of the text in the piece */
    uint32_t text_bytes;
} values;

typedef struct part {
    values own;
    values child; /* of a list */
} part;

struct ds_piece {
    const char *base;
    uint32_t buffer; /* in the heap */
    uint32_t n_rows, n_columns;
    part parts[];
};

static ds_status wrong(uint32_t column, ds_error *error, const char *what)
{
    return ds_error_set(error, DS_ERR_PROTOCOL, "piece: column %u: %s", column, what);
}

/* ---- places ---- */

typedef struct in {
    const char *base;
    size_t at, length;
    bool narrow;
    uint32_t column; /* being read, for messages */
    ds_error *error;
} in;

/* The next bytes, or NULL if there are fewer. */
static const void *next(in *i, uint64_t bytes)
{
    if (bytes > i->length - i->at)
        return NULL;
    const char *bytes_there = i->base + i->at;
    size_t step = ds_piece_padded((size_t)bytes);
    i->at = step > i->length - i->at ? i->length : i->at + step;
    return bytes_there;
}

static ds_status find_validity(in *i, bool has_validity, values *v)
{
    if (!has_validity)
        return DS_OK;
    v->validity = next(i, ds_bitmap_words(v->length) * 8);
    return v->validity == NULL ? wrong(i->column, i->error, "validity is cut off") : DS_OK;
}

static ds_status find_scalars(in *i, bool has_validity, values *v)
{
    DS_TRY(find_validity(i, has_validity, v));
    uint64_t n = v->length;
    if (v->type.kind == DS_STRING) {
        v->first = next(i, n * sizeof(ds_view));
        v->text = i->at;
        if (v->first == NULL || next(i, v->text_bytes) == NULL)
            return wrong(i->column, i->error, "text is cut off");
        return DS_OK;
    }
    if (v->text_bytes != 0)
        return wrong(i->column, i->error, "text in a column without text");
    v->first = next(i, v->type.kind == DS_BOOL ? ds_bitmap_words(n) * 8 : n * v->bytes);
    return v->first == NULL ? wrong(i->column, i->error, "values are cut off") : DS_OK;
}

static ds_status find_list(in *i, bool has_validity, part *p)
{
    uint32_t n = p->own.length;
    DS_TRY(find_validity(i, has_validity, &p->own));
    const uint32_t *offsets = next(i, ((uint64_t)n + 1) * sizeof *offsets);
    const ds_piece_child *child = offsets == NULL ? NULL : next(i, sizeof *child);
    if (child == NULL)
        return wrong(i->column, i->error, "offsets are cut off");
    if (child->has_validity > 1 || child->zero[0] != 0 || child->zero[1] != 0 ||
        child->zero[2] != 0)
        return wrong(i->column, i->error, "a wrong list header");
    if (offsets[0] != 0 || offsets[n] != child->length)
        return wrong(i->column, i->error, "offsets that decrease or do not fit");
    p->own.first = offsets;
    p->child = (values){.type = ds_type_element(p->own.type),
                        .length = child->length,
                        .bytes = 8,
                        .text_bytes = p->own.text_bytes};
    return find_scalars(i, child->has_validity != 0, &p->child);
}

/* Whether a column may be without so many bytes of its values. */
static bool may_spare(const in *i, ds_type type, uint32_t spared)
{
    if (spared == 0)
        return true;
    return i->narrow && (type.kind == DS_INT || type.kind == DS_TIMESTAMP) &&
           (spared == 4 || spared == 6 || spared == 7 || (spared == 8 && i->column > 0));
}

static ds_status find_column(in *i, const ds_piece_column *header, ds_type type, uint32_t n_rows,
                             part *p)
{
    if (header->kind != type.kind || header->element != type.element)
        return wrong(i->column, i->error, "not of the type that is wanted");
    if (header->has_validity > 1 || !may_spare(i, type, header->spared))
        return wrong(i->column, i->error, "a wrong header");
    *p = (part){.own = {.type = type,
                        .length = n_rows,
                        .bytes = 8u - header->spared,
                        .text_bytes = header->text_bytes}};
    if (n_rows == 0)
        return DS_OK;
    return type.kind == DS_LIST ? find_list(i, header->has_validity != 0, p)
                                : find_scalars(i, header->has_validity != 0, &p->own);
}

static ds_status find_header(in *i, uint32_t n_types, const ds_piece_header **found)
{
    const ds_piece_header *header = *found = next(i, sizeof *header);
    if (header == NULL)
        return ds_error_set(i->error, DS_ERR_PROTOCOL, "piece: too short");
    i->narrow = header->version == DS_PIECE_NARROW;
    if (header->magic != DS_PIECE_MAGIC || header->flags != 0 ||
        (header->version != DS_PIECE_VERSION && !i->narrow))
        return ds_error_set(i->error, DS_ERR_PROTOCOL, "piece: not one of this version");
    if (header->length != i->length || i->length > UINT32_MAX)
        return ds_error_set(i->error, DS_ERR_PROTOCOL, "piece: a wrong length");
    if (header->n_columns != n_types)
        return ds_error_set(i->error, DS_ERR_PROTOCOL, "piece: %u columns, not %u",
                            header->n_columns, n_types);
    return DS_OK;
}

ds_status ds_piece_open(ds_arena *arena, ds_heap *heap, const void *bytes, size_t length,
                        const ds_type *types, uint32_t n_types, ds_piece **result, ds_error *error)
{
    DS_ASSERT((uintptr_t)bytes % 8 == 0);
    in i = {.base = bytes, .length = length, .error = error};
    const ds_piece_header *header;
    DS_TRY(find_header(&i, n_types, &header));
    const ds_piece_column *headers = next(&i, n_types * sizeof *headers);
    if (headers == NULL)
        return ds_error_set(error, DS_ERR_PROTOCOL, "piece: too short");
    ds_piece *piece = ds_arena_alloc(arena, sizeof *piece + n_types * sizeof piece->parts[0]);
    piece->base = bytes;
    piece->n_rows = header->n_rows;
    piece->n_columns = n_types;
    for (i.column = 0; i.column < n_types; i.column++)
        DS_TRY(find_column(&i, &headers[i.column], types[i.column], header->n_rows,
                           &piece->parts[i.column]));
    if (i.at != length)
        return ds_error_set(error, DS_ERR_PROTOCOL, "piece: bytes behind the last column");
    piece->buffer = ds_heap_add(heap, bytes);
    *result = piece;
    return DS_OK;
}

uint32_t ds_piece_length(const ds_piece *piece)
{
    return piece->n_rows;
}

uint32_t ds_piece_rows(const void *bytes, size_t length)
{
    const ds_piece_header *header = bytes;
    return length >= sizeof *header && header->magic == DS_PIECE_MAGIC ? header->n_rows : 0;
}

/* ---- values ---- */

typedef struct out {
    const ds_piece *piece;
    ds_arena *arena;
    uint32_t column; /* for messages */
    ds_error *error;
} out;

/* The values of a piece are only ever read; ds_column has no const members. */
static void *in_place(const void *bytes)
{
    return (void *)(uintptr_t)bytes;
}

static bool short_view_fits(const ds_view *view)
{
    unsigned __int128 bytes;
    memcpy(&bytes, view, sizeof bytes);
    return bytes >> 32 >> (8 * view->length) == 0; /* its length comes first */
}

static bool long_view_fits(const char *base, const ds_view *view, size_t text, size_t text_bytes)
{
    size_t offset = view->ref.offset;
    return view->ref.buffer == 0 && offset >= text && offset - text <= text_bytes &&
           view->length <= text_bytes - (offset - text) &&
           memcmp(view->ref.prefix, base + offset, 4) == 0;
}

static ds_status take_strings(const out *o, const values *v, uint32_t at, ds_column *column)
{
    uint32_t n = column->length;
    const ds_view *from = (const ds_view *)v->first + at;
    column->views = ds_arena_alloc(o->arena, (size_t)n * sizeof *column->views);
    for (uint32_t row = 0; row < n; row++) {
        ds_view view = from[row];
        if (view.length <= DS_INLINE_BYTES) {
            if (!short_view_fits(&view))
                return wrong(o->column, o->error, "a short string with bytes behind it");
        } else {
            if (!long_view_fits(o->piece->base, &view, v->text, v->text_bytes))
                return wrong(o->column, o->error, "a string outside its text");
            view.ref.buffer = o->piece->buffer;
        }
        column->views[row] = view;
    }
    return DS_OK;
}

/* Bits [at, at + n): in place where they begin with a word, else moved there. */
static uint64_t *take_bits(const out *o, const uint64_t *bits, uint32_t at, uint32_t n)
{
    if (bits == NULL || at % 64 == 0)
        return bits == NULL ? NULL : in_place(bits + at / 64);
    size_t words = ds_bitmap_words(n), last = ((size_t)at + n - 1) / 64;
    uint64_t *moved = ds_arena_alloc(o->arena, words * 8 + 8);
    for (size_t w = 0; w < words; w++) {
        size_t from = at / 64 + w;
        moved[w] = bits[from] >> (at % 64);
        if (from < last)
            moved[w] |= bits[from + 1] << (64 - at % 64);
    }
    return moved;
}

/* Words [at, at + n): in place, or in full in the arena. */
static void *take_words(const out *o, const values *v, uint32_t at, uint32_t n)
{
    const char *from = (const char *)v->first + (size_t)at * v->bytes;
    if (v->bytes == 8)
        return in_place(from);
    int64_t *words = ds_arena_alloc(o->arena, (size_t)n * sizeof *words);
    ds_narrow_get(words, from, n, v->bytes);
    return words;
}

static ds_status take_scalars(const out *o, const values *v, uint32_t at, uint32_t n,
                              ds_column *column)
{
    *column = (ds_column){.type = v->type, .length = n};
    column->validity = take_bits(o, v->validity, at, n);
    if (v->type.kind == DS_STRING)
        return take_strings(o, v, at, column);
    if (v->type.kind == DS_BOOL)
        column->bits = take_bits(o, v->first, at, n);
    else
        column->values = take_words(o, v, at, n);
    return DS_OK;
}

static ds_status take_lists(const out *o, const part *p, uint32_t at, uint32_t n, ds_column *column)
{
    *column = (ds_column){.type = p->own.type, .length = n};
    column->validity = take_bits(o, p->own.validity, at, n);
    const uint32_t *offsets = (const uint32_t *)p->own.first + at;
    bool fits = offsets[n] <= p->child.length;
    for (uint32_t row = 0; row < n; row++)
        fits &= offsets[row] <= offsets[row + 1];
    if (!fits)
        return wrong(o->column, o->error, "offsets that decrease or do not fit");
    column->offsets = in_place(offsets);
    if (offsets[0] != 0) { /* only the elements of these rows are taken */
        column->offsets = ds_arena_alloc(o->arena, ((size_t)n + 1) * sizeof *offsets);
        for (uint32_t row = 0; row <= n; row++)
            column->offsets[row] = offsets[row] - offsets[0];
    }
    column->child = DS_ARENA_NEW(o->arena, ds_column);
    return take_scalars(o, &p->child, offsets[0], offsets[n] - offsets[0], column->child);
}

static ds_column *no_rows(const out *o, ds_type type)
{
    ds_column *column = ds_column_new(o->arena, type, 0);
    if (type.kind == DS_LIST)
        column->child = ds_column_new(o->arena, ds_type_element(type), 0);
    return column;
}

ds_status ds_piece_take(const ds_piece *piece, ds_arena *arena, uint32_t from, uint32_t n,
                        ds_column **columns, ds_error *error)
{
    DS_ASSERT(from % 64 == 0 && from <= piece->n_rows && n <= piece->n_rows - from);
    out o = {.piece = piece, .arena = arena, .error = error};
    for (o.column = 0; o.column < piece->n_columns; o.column++) {
        const part *p = &piece->parts[o.column];
        if (n == 0) {
            columns[o.column] = no_rows(&o, p->own.type);
            continue;
        }
        ds_column *column = columns[o.column] = DS_ARENA_NEW(arena, ds_column);
        DS_TRY(p->own.type.kind == DS_LIST ? take_lists(&o, p, from, n, column)
                                           : take_scalars(&o, &p->own, from, n, column));
    }
    return DS_OK;
}

ds_status ds_piece_read(ds_arena *arena, ds_heap *heap, const void *bytes, size_t length,
                        const ds_type *types, uint32_t n_types, ds_column **columns,
                        uint32_t *n_rows, ds_error *error)
{
    ds_piece *piece;
    DS_TRY(ds_piece_open(arena, heap, bytes, length, types, n_types, &piece, error));
    *n_rows = piece->n_rows;
    return ds_piece_take(piece, arena, 0, piece->n_rows, columns, error);
}
