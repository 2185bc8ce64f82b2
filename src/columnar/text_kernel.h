/*
 * What kernels over text share: walking rows, parts of a view without a copy, making new text
 * and lists of text within limits.
 *
 * Limits: one value of text has at most DS_TEXT_LIMIT bytes, and the text that one call makes
 * for one chunk at most DS_TEXT_CALL_LIMIT; likewise the elements of the lists one call makes.
 * A row beyond them fails as by an overflow. So no expression, whatever its arguments, takes
 * memory without bound before the budget is looked at between two chunks.
 */
#ifndef DS_COLUMNAR_TEXT_KERNEL_H
#define DS_COLUMNAR_TEXT_KERNEL_H

#include "columnar/function.h"

#define DS_TEXT_LIMIT ((uint32_t)16 << 20)
#define DS_TEXT_CALL_LIMIT ((uint64_t)256 << 20)
#define DS_LIST_CALL_LIMIT ((uint32_t)16 << 20)

#define DS_UNUSED __attribute__((unused))

/* The head of a kernel's definition or prototype. */
#define DS_KERNEL(name)                                                                            \
    void name(ds_eval *ev, DS_UNUSED const void *bound, DS_UNUSED const ds_column *const *args,    \
              DS_UNUSED uint32_t n_args, ds_column *out)

/* Rows that are selected and, as far as out's validity says so already, not null. */
static inline uint64_t ds_live_word(const ds_eval *ev, const ds_column *out, uint32_t word)
{
    return ev->selected[word] & (out->validity == NULL ? ~UINT64_C(0) : out->validity[word]);
}

/* Runs what follows for each of them, with its number in row (a uint32_t declared before). */
#define DS_EACH_LIVE(ev, out, row)                                                                 \
    for (uint32_t row##_word = 0; row##_word < (uint32_t)ds_bitmap_words((ev)->n); row##_word++)   \
        for (uint64_t row##_left = ds_live_word((ev), (out), row##_word);                          \
             row##_left != 0 &&                                                                    \
             (row = row##_word * 64 + (uint32_t)__builtin_ctzll(row##_left), true);                \
             row##_left &= row##_left - 1)

/* Makes out's values and its validity "null if any argument is null". */
static inline void ds_kernel_begin(ds_eval *ev, const ds_column *const *args, uint32_t n_args,
                                   ds_column *out)
{
    ds_column_init(out, ev->arena, out->type, ev->n);
    ds_eval_strict(ev, args, n_args, out);
}

/* The same, with values all zero (empty views, too), for kernels that skip rows. */
void ds_kernel_begin_zero(ds_eval *ev, const ds_column *const *args, uint32_t n_args,
                          ds_column *out);

/* Gives out a validity bitmap of its own, so that rows can be made null. */
void ds_kernel_own_validity(ds_eval *ev, ds_column *out);

/* Fails a row unless it is null. */
static inline void ds_kernel_fail(ds_eval *ev, const ds_column *out, uint32_t row)
{
    if (!ds_column_is_null(out, row))
        ds_eval_fail(ev, row);
}

/* The bytes of a value of text; borrowed from the column or the heap. */
typedef struct ds_text {
    const char *bytes;
    uint32_t length;
} ds_text;

static inline ds_text ds_text_of(const ds_eval *ev, const ds_column *column, uint32_t row)
{
    const ds_view *view = &column->views[row];
    return (ds_text){ds_view_bytes(ev->heap, view), view->length};
}

/* As ds_view_at, without calls for short text: loads overlap, and stay within the text. */
static inline ds_view ds_view_cut(const char *bytes, uint32_t length, uint32_t buffer,
                                  uint32_t offset)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t low = 0, high = 0;
    if (length > DS_INLINE_BYTES)
        return ds_view_at(bytes, length, buffer, offset);
    if (length >= 8) {
        uint32_t end;
        memcpy(&low, bytes, 8);
        memcpy(&end, bytes + length - 4, 4);
        high = (uint64_t)end >> (8 * (12 - length));
    } else if (length >= 4) {
        uint32_t start, end;
        memcpy(&start, bytes, 4);
        memcpy(&end, bytes + length - 4, 4);
        low = start | (uint64_t)end << (8 * (length - 4));
    } else if (length > 0) {
        low = (uint64_t)(uint8_t)bytes[0] |
              (uint64_t)(uint8_t)bytes[length / 2] << (length / 2 * 8) |
              (uint64_t)(uint8_t)bytes[length - 1] << ((length - 1) * 8);
    }
    uint64_t words[2] = {length | low << 32, low >> 32 | high << 32};
    ds_view view;
    memcpy(&view, words, sizeof view);
    return view;
#else
    return ds_view_at(bytes, length, buffer, offset);
#endif
}

/* The length bytes at `from` within a view, as a view that refers to the same buffer. */
static inline ds_view ds_view_part(const ds_heap *heap, const ds_view *whole, uint32_t from,
                                   uint32_t length)
{
    return ds_view_cut(ds_view_bytes(heap, whole) + from, length, whole->ref.buffer,
                       whole->ref.offset + from);
}

/* Makes the text of one column, value after value. */
typedef struct ds_text_out {
    ds_eval *ev;
    ds_column *out;
    uint64_t left; /* bytes this call may still make */
    char *bytes;   /* of the value that is being made */
    uint32_t buffer, offset;
    char small[DS_INLINE_BYTES];
} ds_text_out;

static inline ds_text_out ds_text_out_of(ds_eval *ev, ds_column *out)
{
    return (ds_text_out){.ev = ev, .out = out, .left = DS_TEXT_CALL_LIMIT};
}

/* Room for a value of length bytes; NULL if that is beyond a limit: the row has failed, and
 * its view has to be some other one. */
char *ds_text_begin(ds_text_out *text, uint32_t row, uint64_t length);

/* The value, with all its bytes written, becomes that of the row. */
static inline void ds_text_end(ds_text_out *text, uint32_t row, uint32_t length)
{
    text->out->views[row] = ds_view_cut(text->bytes, length, text->buffer, text->offset);
}

/* Makes a column of lists of text, row after row. */
typedef struct ds_list_out {
    ds_eval *ev;
    ds_column *out;
    ds_view *views; /* the elements so far */
    uint32_t count, capacity;
    uint32_t row; /* the next one */
} ds_list_out;

/* Begins with room for about `expected` elements; out's values and validity are there. */
ds_list_out ds_list_begin(ds_eval *ev, ds_column *out, uint64_t expected);

/* Makes room for more elements; false if that is beyond the limit. */
bool ds_list_grow(ds_list_out *list, uint64_t more);

static inline bool ds_list_reserve(ds_list_out *list, uint64_t more)
{
    return list->count + more <= list->capacity || ds_list_grow(list, more);
}

/* All rows before `row` that are not ended yet end here (they are empty). */
void ds_list_skip_to(ds_list_out *list, uint32_t row);

/* Ends the list of a row; with failed, takes its elements back and fails the row. */
void ds_list_end_row(ds_list_out *list, uint32_t row, uint32_t first, bool failed);

/* Ends all rows and gives out its child. */
void ds_list_finish(ds_list_out *list);

/* Where the n-th code point (from 0) begins, or length if there are not as many. */
uint32_t ds_utf8_skip(const char *text, uint32_t length, uint64_t n);

/* Where the last n code points begin. */
uint32_t ds_utf8_skip_back(const char *text, uint32_t length, uint64_t n);

/* How many bytes the character at text has. */
static inline uint32_t ds_utf8_width(const char *text, uint32_t left)
{
    uint8_t lead = (uint8_t)*text;
    uint32_t width = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return width < left ? width : left;
}

#endif
