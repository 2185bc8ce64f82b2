/*
 * Kernels that split text (string_kernels.h). No text is copied: the elements are views into the
 * text that is split, or hold it inline.
 *
 * split(s) is what counts words, and made for speed: white space becomes a bit for each byte, an
 * edge is where a bit differs from the one before, and edges are alternately where a part
 * begins and where it ends. A part that fits a view inline is made by one load of 16 bytes
 * and a mask, without a branch on its length. Where 16 bytes would reach behind the text, they
 * come from a copy of its end.
 */
#include "columnar/string_kernels.h"
#include "columnar/white_space.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

/* A text to split, with what is needed to make views of its parts. */
typedef struct source {
    const char *bytes;
    uint32_t length;
    uint32_t buffer, offset; /* if it is long */
    uint32_t tail_from;      /* parts from here on are read from tail */
    char tail[2 * DS_WHITE_READ];
} source;

static inline void source_init(source *s, const ds_eval *ev, const ds_view *view)
{
    s->length = view->length;
    if (view->length <= DS_INLINE_BYTES) {
        memcpy(s->tail, view->inlined, DS_INLINE_BYTES);
        memset(s->tail + DS_INLINE_BYTES, 0, sizeof s->tail - DS_INLINE_BYTES);
        s->bytes = s->tail;
        s->tail_from = s->buffer = s->offset = 0;
        return;
    }
    s->bytes = ds_view_bytes(ev->heap, view);
    s->buffer = view->ref.buffer;
    s->offset = view->ref.offset;
    memset(s->tail, 0, sizeof s->tail);
    if (s->length >= DS_WHITE_READ) {
        s->tail_from = s->length - DS_WHITE_READ;
        memcpy(s->tail, s->bytes + s->tail_from, DS_WHITE_READ);
    } else {
        s->tail_from = 0;
        memcpy(s->tail, s->bytes, 8);
        memcpy(s->tail + s->length - 8, s->bytes + s->length - 8, 8);
        s->bytes = s->tail; /* so that 16 bytes can be read */
    }
}

/* A view of up to 12 bytes of which 16 can be read. */
static inline ds_view short_view(const char *bytes, uint32_t length)
{
#if defined(__x86_64__)
    static const char ones[2 * DS_INLINE_BYTES + 4] = {
        -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    };
    __m128i mask = _mm_loadu_si128((const void *)(ones + DS_INLINE_BYTES - length));
    __m128i text = _mm_and_si128(_mm_loadu_si128((const void *)bytes), mask);
    text = _mm_or_si128(_mm_slli_si128(text, 4), _mm_cvtsi32_si128((int)length));
    ds_view view;
    _mm_storeu_si128((void *)&view, text);
    return view;
#else
    return ds_view_cut(bytes, length, 0, 0);
#endif
}

/* What views of parts are made from, by value: so it stays in registers while views are stored. */
typedef struct maker {
    const char *bytes;
    uintptr_t here, tail; /* add the place of a byte: its address in the text, in the tail */
    uint32_t tail_from, buffer, offset;
} maker;

static inline ds_view *put_part(ds_view *at, maker m, uint32_t from, uint32_t to)
{
    uint32_t length = to - from;
    if (length <= DS_INLINE_BYTES) {
        *at = short_view((const char *)((from <= m.tail_from ? m.here : m.tail) + from), length);
    } else {
        at->length = length;
        memcpy(at->ref.prefix, m.bytes + from, sizeof at->ref.prefix);
        at->ref.buffer = m.buffer;
        at->ref.offset = m.offset + from;
    }
    return at + 1;
}

/* Puts the parts that end in one window, and returns where the next one goes; *begun is where
 * the part begins that goes on behind the window, if *inside. */
static inline ds_view *split_window(ds_view *put, maker m, uint32_t at, uint32_t words,
                                    const uint64_t *masks, uint32_t *begun, bool *inside)
{
    uint32_t begin = *begun;
    uint64_t before = !*inside; /* 1: the byte before is white, or there is none */
    for (uint32_t w = 0; w < words; w++, at += 64) {
        uint64_t edges = masks[w] ^ (masks[w] << 1 | before);
        bool within = before == 0;
        before = masks[w] >> 63;
        if (within && edges != 0) {
            put = put_part(put, m, begin, at + (uint32_t)__builtin_ctzll(edges));
            edges &= edges - 1;
        }
        while (edges != 0) {
            begin = at + (uint32_t)__builtin_ctzll(edges);
            edges &= edges - 1;
            if (edges == 0)
                break;
            put = put_part(put, m, begin, at + (uint32_t)__builtin_ctzll(edges));
            edges &= edges - 1;
        }
    }
    *begun = begin;
    *inside = before == 0;
    return put;
}

/* False if there are too many parts. */
static bool split_white(ds_list_out *list, const source *s, ds_white_fn white_masks)
{
    uint64_t masks[DS_WHITE_WINDOW / 64];
    maker m = {.bytes = s->bytes,
               .here = (uintptr_t)s->bytes,
               .tail = (uintptr_t)s->tail - s->tail_from,
               .tail_from = s->tail_from,
               .buffer = s->buffer,
               .offset = s->offset};
    uint32_t begun = 0;
    bool inside = false;
    for (uint32_t at = 0; at < s->length;) {
        uint32_t to = s->length - at < DS_WHITE_WINDOW ? s->length : at + DS_WHITE_WINDOW;
        if (!ds_list_reserve(list, (to - at) / 2 + 2))
            return false;
        white_masks(s->bytes, at, to, masks);
        ds_view *put = list->views + list->count;
        put = split_window(put, m, at, (to - at + 63) / 64, masks, &begun, &inside);
        if (inside && to == s->length) /* it ended with the last bit of a word */
            put = put_part(put, m, begun, to);
        list->count = (uint32_t)(put - list->views);
        at = to;
    }
    return true;
}

/* The bytes of the rows to split. */
static uint64_t live_bytes(const ds_eval *ev, const ds_column *texts, const ds_column *out)
{
    uint64_t bytes = 0;
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        bytes += texts->views[row].length;
    }
    return bytes;
}

DS_KERNEL(ds_string_split_white)
{
    ds_kernel_begin(ev, args, n_args, out);
    ds_white_fn white_masks = ds_white_masks();
    /* Words of a usual length fit at once. */
    ds_list_out list =
        ds_list_begin(ev, out, live_bytes(ev, args[0], out) / 5 + DS_WHITE_WINDOW / 2);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        source s;
        source_init(&s, ev, &args[0]->views[row]);
        ds_list_skip_to(&list, row);
        uint32_t first = list.count;
        bool fine = split_white(&list, &s, white_masks);
        ds_list_end_row(&list, row, first, !fine);
    }
    ds_list_finish(&list);
}

static bool split_characters(ds_list_out *list, ds_text text)
{
    if (!ds_list_reserve(list, text.length))
        return false;
    for (uint32_t at = 0; at < text.length;) {
        uint32_t width = ds_utf8_width(text.bytes + at, text.length - at);
        list->views[list->count++] = ds_view_cut(text.bytes + at, width, 0, 0);
        at += width;
    }
    return true;
}

static bool split_at(ds_list_out *list, const ds_eval *ev, const ds_view *view, ds_text separator)
{
    const char *bytes = ds_view_bytes(ev->heap, view);
    uint32_t from = 0;
    for (;;) {
        if (!ds_list_reserve(list, 1))
            return false;
        const char *found =
            ds_string_find(bytes + from, view->length - from, separator.bytes, separator.length);
        uint32_t to = found == NULL ? view->length : (uint32_t)(found - bytes);
        list->views[list->count++] = ds_view_part(ev->heap, view, from, to - from);
        if (found == NULL)
            return true;
        from = to + separator.length;
    }
}

DS_KERNEL(ds_string_split)
{
    ds_kernel_begin(ev, args, n_args, out);
    ds_list_out list = ds_list_begin(ev, out, live_bytes(ev, args[0], out) / 8 + ev->n);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        ds_text separator = ds_text_of(ev, args[1], row);
        ds_list_skip_to(&list, row);
        uint32_t first = list.count;
        bool fine = separator.length == 0 ? split_characters(&list, ds_text_of(ev, args[0], row))
                                          : split_at(&list, ev, &args[0]->views[row], separator);
        ds_list_end_row(&list, row, first, !fine);
    }
    ds_list_finish(&list);
}

/* The n-th part, from 1; false if there are not as many. */
static bool find_part(ds_text text, ds_text separator, int64_t n, uint32_t *from, uint32_t *to)
{
    if (separator.length == 0) {
        *from = ds_utf8_skip(text.bytes, text.length, (uint64_t)n - 1);
        *to = *from;
        if (*from < text.length)
            *to += ds_utf8_width(text.bytes + *from, text.length - *from);
        return *from < text.length;
    }
    for (*from = 0;; n--) {
        const char *found = ds_string_find(text.bytes + *from, text.length - *from, separator.bytes,
                                           separator.length);
        *to = found == NULL ? text.length : (uint32_t)(found - text.bytes);
        if (n == 1)
            return true;
        if (found == NULL)
            return false;
        *from = *to + separator.length;
    }
}

DS_KERNEL(ds_string_split_part)
{
    ds_kernel_begin_zero(ev, args, n_args, out);
    ds_kernel_own_validity(ev, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        const ds_view *view = &args[0]->views[row];
        ds_text separator = ds_text_of(ev, args[1], row);
        int64_t n = args[2]->ints[row];
        uint32_t from, to;
        if (n >= 1 && find_part(ds_text_of(ev, args[0], row), separator, n, &from, &to))
            out->views[row] = ds_view_part(ev->heap, view, from, to - from);
        else
            ds_bit_clear(out->validity, row);
    }
}
