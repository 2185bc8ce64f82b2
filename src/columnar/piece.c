/*
 * The format is in piece.h. Every part begins at a multiple of 8 and is padded with zeros, so
 * equal rows give equal bytes: values under a null are written as zero, and bits behind the
 * length are clear. A piece without rows has headers only.
 *
 * A view of more than 12 bytes has buffer 0 and the place of its text counted from the first
 * byte of the piece; the text of a column lies right behind its views. The reader checks that
 * the place is inside that text, that the prefix is the text's, and that a short view is zero
 * behind its text: views are compared and hashed by all their bytes. It does not check that
 * text is UTF-8; no kernel's safety depends on that.
 */
#include "columnar/piece.h"

#include "base/assert.h"

#define MAGIC UINT32_C(0x65695073) /* "sPie" */
#define VERSION 1u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pieces are memory as it is");

typedef struct piece_header {
    uint32_t magic;
    uint16_t version, n_columns;
    uint32_t n_rows, flags;
    uint64_t length; /* of the whole piece */
} piece_header;

typedef struct column_header {
    uint8_t kind, element, has_validity, zero;
    uint32_t text_bytes; /* of a string column, or of a list's strings */
} column_header;

typedef struct child_header {
    uint32_t length;
    uint8_t has_validity, zero[3];
} child_header;

_Static_assert(sizeof(piece_header) == 24 && sizeof(column_header) == 8, "fixed layout");
_Static_assert(sizeof(child_header) == 8 && sizeof(ds_view) == 16, "fixed layout");

static size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

/* ---- Writing ---- */

/* Where parts go. Without a base nothing is written: that measures. */
typedef struct out {
    char *base;
    size_t at;
    const ds_heap *heap;
} out;

static void *put(out *o, size_t bytes)
{
    char *part = o->base == NULL ? NULL : o->base + o->at;
    if (part != NULL && padded(bytes) != bytes)
        memset(part + padded(bytes) - 8, 0, 8);
    o->at += padded(bytes);
    return part;
}

/* Writes bits [from, from + n) of a bitmap, with zeros behind. */
static void put_bits(out *o, const uint64_t *bits, size_t from, size_t n)
{
    size_t words = ds_bitmap_words(n), shift = from % 64, last = (from + n - 1) / 64;
    uint64_t *to = put(o, words * 8);
    if (to == NULL || n == 0)
        return;
    for (size_t i = 0; i < words; i++) {
        size_t at = from / 64 + i;
        uint64_t word = bits[at] >> shift;
        if (shift != 0 && at < last)
            word |= bits[at + 1] << (64 - shift);
        to[i] = word;
    }
    if (n % 64 != 0)
        to[words - 1] &= ((uint64_t)1 << (n % 64)) - 1;
}

static void put_bools(out *o, const ds_column *column, size_t from, size_t n)
{
    uint64_t *to = o->base == NULL ? NULL : (uint64_t *)(o->base + o->at);
    put_bits(o, column->bits, from, n);
    if (to == NULL || column->validity == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        if (ds_column_is_null(column, from + i))
            ds_bit_clear(to, i);
}

static void put_words(out *o, const ds_column *column, size_t from, size_t n)
{
    int64_t *to = put(o, n * 8);
    if (to == NULL || n == 0)
        return;
    memcpy(to, column->ints + from, n * 8);
    if (column->validity == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        if (ds_column_is_null(column, from + i))
            to[i] = 0;
}

static size_t text_size(const ds_column *column, size_t from, size_t n)
{
    size_t bytes = 0;
    for (size_t i = from; i < from + n; i++)
        if (column->views[i].length > DS_INLINE_BYTES && !ds_column_is_null(column, i))
            bytes += column->views[i].length;
    return bytes;
}

/* Returns the bytes of text. */
static size_t put_strings(out *o, const ds_column *column, size_t from, size_t n)
{
    ds_view *to = put(o, n * sizeof *to);
    size_t place = o->at, bytes = text_size(column, from, n);
    char *text = put(o, bytes);
    if (to == NULL)
        return bytes;
    for (size_t i = 0; i < n; i++) {
        const ds_view *view = &column->views[from + i];
        if (ds_column_is_null(column, from + i)) {
            memset(&to[i], 0, sizeof to[i]);
        } else if (view->length <= DS_INLINE_BYTES) {
            to[i] = *view;
        } else {
            memcpy(text, ds_view_bytes(o->heap, view), view->length);
            to[i] = ds_view_at(text, view->length, 0, (uint32_t)place);
            text += view->length;
            place += view->length;
        }
    }
    return bytes;
}

/* Writes validity and values of a column that is not a list; returns the bytes of text. */
static size_t put_scalars(out *o, const ds_column *column, size_t from, size_t n)
{
    if (column->validity != NULL)
        put_bits(o, column->validity, from, n);
    switch (column->type.kind) {
    case DS_BOOL: put_bools(o, column, from, n); return 0;
    case DS_STRING: return put_strings(o, column, from, n);
    default: put_words(o, column, from, n); return 0;
    }
}

static size_t put_list(out *o, const ds_column *column, uint32_t n)
{
    if (column->validity != NULL)
        put_bits(o, column->validity, 0, n);
    uint32_t from = column->offsets[0], length = column->offsets[n] - from;
    uint32_t *offsets = put(o, ((size_t)n + 1) * sizeof *offsets);
    if (offsets != NULL)
        for (size_t i = 0; i <= n; i++)
            offsets[i] = column->offsets[i] - from;
    child_header *child = put(o, sizeof *child);
    if (child != NULL)
        *child = (child_header){.length = length, .has_validity = column->child->validity != NULL};
    return put_scalars(o, column->child, from, length);
}

static size_t put_piece(out *o, const ds_column *const *columns, uint32_t n_columns,
                        uint32_t n_rows)
{
    piece_header *header = put(o, sizeof *header);
    column_header *headers = put(o, n_columns * sizeof *headers);
    for (uint32_t c = 0; c < n_columns; c++) {
        const ds_column *column = columns[c];
        DS_ASSERT(column->length >= n_rows);
        bool list = column->type.kind == DS_LIST;
        size_t text = n_rows == 0 ? 0
                      : list      ? put_list(o, column, n_rows)
                                  : put_scalars(o, column, 0, n_rows);
        if (headers != NULL)
            headers[c] = (column_header){.kind = column->type.kind,
                                         .element = column->type.element,
                                         .has_validity = n_rows > 0 && column->validity != NULL,
                                         .text_bytes = (uint32_t)text};
    }
    if (header != NULL)
        *header = (piece_header){.magic = MAGIC,
                                 .version = VERSION,
                                 .n_columns = (uint16_t)n_columns,
                                 .n_rows = n_rows,
                                 .length = o->at};
    return o->at;
}

size_t ds_piece_size(const ds_heap *heap, const ds_column *const *columns, uint32_t n_columns,
                     uint32_t n_rows)
{
    out o = {.heap = heap};
    return put_piece(&o, columns, n_columns, n_rows);
}

size_t ds_piece_write(void *to, const ds_heap *heap, const ds_column *const *columns,
                      uint32_t n_columns, uint32_t n_rows)
{
    DS_ASSERT((uintptr_t)to % 8 == 0 && n_columns <= UINT16_MAX);
    out o = {.base = to, .heap = heap};
    size_t size = put_piece(&o, columns, n_columns, n_rows);
    DS_ASSERT(size <= UINT32_MAX);
    return size;
}

/* ---- Reading ---- */

typedef struct in {
    const char *base;
    size_t at, length;
    ds_arena *arena;
    uint32_t buffer; /* of the piece in the heap */
    uint32_t column; /* being read, for messages */
    ds_error *error;
} in;

static ds_status wrong(in *i, const char *what)
{
    return ds_error_set(i->error, DS_ERR_PROTOCOL, "piece: column %u: %s", i->column, what);
}

/* The next bytes, or NULL if there are fewer. */
static const void *take(in *i, uint64_t bytes)
{
    if (bytes > i->length - i->at)
        return NULL;
    const char *part = i->base + i->at;
    size_t step = padded((size_t)bytes);
    i->at = step > i->length - i->at ? i->length : i->at + step;
    return part;
}

/* The values of a piece are only ever read; ds_column has no const members. */
static void *in_place(const void *part)
{
    return (void *)(uintptr_t)part;
}

static bool short_view_fits(const ds_view *view)
{
    static const char zeros[DS_INLINE_BYTES];
    uint32_t length = view->length;
    return memcmp(view->inlined + length, zeros, DS_INLINE_BYTES - length) == 0;
}

static bool long_view_fits(const in *i, const ds_view *view, size_t text, size_t text_bytes)
{
    size_t offset = view->ref.offset;
    return view->ref.buffer == 0 && offset >= text && offset - text <= text_bytes &&
           view->length <= text_bytes - (offset - text) &&
           memcmp(view->ref.prefix, i->base + offset, 4) == 0;
}

static ds_status take_strings(in *i, ds_column *column, uint32_t text_bytes)
{
    uint32_t n = column->length;
    const ds_view *from = take(i, (uint64_t)n * sizeof *from);
    size_t text = i->at;
    if (from == NULL || take(i, text_bytes) == NULL)
        return wrong(i, "text is cut off");
    column->views = ds_arena_alloc(i->arena, (size_t)n * sizeof *column->views);
    for (uint32_t row = 0; row < n; row++) {
        ds_view view = from[row];
        if (view.length <= DS_INLINE_BYTES) {
            if (!short_view_fits(&view))
                return wrong(i, "a short string with bytes behind it");
        } else {
            if (!long_view_fits(i, &view, text, text_bytes))
                return wrong(i, "a string outside its text");
            view.ref.buffer = i->buffer;
        }
        column->views[row] = view;
    }
    return DS_OK;
}

static ds_status take_scalars(in *i, ds_column *column, bool has_validity, uint32_t text_bytes)
{
    size_t words = ds_bitmap_words(column->length);
    if (has_validity) {
        const void *validity = take(i, words * 8);
        if (validity == NULL)
            return wrong(i, "validity is cut off");
        column->validity = in_place(validity);
    }
    if (column->type.kind == DS_STRING)
        return take_strings(i, column, text_bytes);
    if (text_bytes != 0)
        return wrong(i, "text in a column without text");
    const void *values =
        take(i, column->type.kind == DS_BOOL ? words * 8 : (uint64_t)column->length * 8);
    if (values == NULL)
        return wrong(i, "values are cut off");
    column->values = in_place(values);
    return DS_OK;
}

static ds_status take_list(in *i, ds_column *column, bool has_validity, uint32_t text_bytes)
{
    uint32_t n = column->length;
    if (has_validity) {
        const void *validity = take(i, ds_bitmap_words(n) * 8);
        if (validity == NULL)
            return wrong(i, "validity is cut off");
        column->validity = in_place(validity);
    }
    const uint32_t *offsets = take(i, ((uint64_t)n + 1) * sizeof *offsets);
    const child_header *child = offsets == NULL ? NULL : take(i, sizeof *child);
    if (child == NULL)
        return wrong(i, "offsets are cut off");
    if (child->has_validity > 1 || child->zero[0] != 0 || child->zero[1] != 0 ||
        child->zero[2] != 0)
        return wrong(i, "a wrong list header");
    bool fits = offsets[0] == 0 && offsets[n] == child->length;
    for (uint32_t row = 0; row < n; row++)
        fits &= offsets[row] <= offsets[row + 1];
    if (!fits)
        return wrong(i, "offsets that decrease or do not fit");
    column->offsets = in_place(offsets);
    column->child = DS_ARENA_NEW(i->arena, ds_column);
    column->child->type = ds_type_element(column->type);
    column->child->length = child->length;
    return take_scalars(i, column->child, child->has_validity != 0, text_bytes);
}

static ds_status take_column(in *i, const column_header *header, ds_type type, uint32_t n_rows,
                             ds_column **column)
{
    if (header->kind != type.kind || header->element != type.element)
        return wrong(i, "not of the type that is wanted");
    if (header->has_validity > 1 || header->zero != 0)
        return wrong(i, "a wrong header");
    if (n_rows == 0) {
        *column = ds_column_new(i->arena, type, 0);
        if (type.kind == DS_LIST)
            (*column)->child = ds_column_new(i->arena, ds_type_element(type), 0);
        return DS_OK;
    }
    *column = DS_ARENA_NEW(i->arena, ds_column);
    (*column)->type = type;
    (*column)->length = n_rows;
    if (type.kind == DS_LIST)
        return take_list(i, *column, header->has_validity != 0, header->text_bytes);
    return take_scalars(i, *column, header->has_validity != 0, header->text_bytes);
}

static ds_status take_header(in *i, uint32_t n_types, const piece_header **header)
{
    *header = take(i, sizeof **header);
    if (*header == NULL)
        return ds_error_set(i->error, DS_ERR_PROTOCOL, "piece: too short");
    if ((*header)->magic != MAGIC || (*header)->version != VERSION || (*header)->flags != 0)
        return ds_error_set(i->error, DS_ERR_PROTOCOL, "piece: not one of this version");
    if ((*header)->length != i->length || i->length > UINT32_MAX)
        return ds_error_set(i->error, DS_ERR_PROTOCOL, "piece: a wrong length");
    if ((*header)->n_columns != n_types)
        return ds_error_set(i->error, DS_ERR_PROTOCOL, "piece: %u columns, not %u",
                            (*header)->n_columns, n_types);
    return DS_OK;
}

uint32_t ds_piece_rows(const void *bytes, size_t length)
{
    const piece_header *header = bytes;
    return length >= sizeof *header && header->magic == MAGIC ? header->n_rows : 0;
}

ds_status ds_piece_read(ds_arena *arena, ds_heap *heap, const void *bytes, size_t length,
                        const ds_type *types, uint32_t n_types, ds_column **columns,
                        uint32_t *n_rows, ds_error *error)
{
    DS_ASSERT((uintptr_t)bytes % 8 == 0);
    in i = {.base = bytes, .length = length, .arena = arena, .error = error};
    const piece_header *header;
    DS_TRY(take_header(&i, n_types, &header));
    const column_header *headers = take(&i, n_types * sizeof *headers);
    if (headers == NULL)
        return ds_error_set(error, DS_ERR_PROTOCOL, "piece: too short");
    i.buffer = ds_heap_add(heap, bytes);
    for (i.column = 0; i.column < n_types; i.column++)
        DS_TRY(take_column(&i, &headers[i.column], types[i.column], header->n_rows,
                           &columns[i.column]));
    if (i.at != length)
        return ds_error_set(error, DS_ERR_PROTOCOL, "piece: bytes behind the last column");
    *n_rows = header->n_rows;
    return DS_OK;
}
