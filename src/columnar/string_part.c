/* Kernels for parts of a text (string_kernels.h). Parts refer to the text they are cut from. */
#include "columnar/string_kernels.h"
#include "columnar/text.h"
#include "columnar/white_space.h"

DS_KERNEL(ds_string_length)
{
    ds_kernel_begin(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        ds_text text = ds_text_of(ev, args[0], i);
        out->ints[i] = (int64_t)ds_utf8_length(text.bytes, text.length);
    }
}

static inline void trim(ds_eval *ev, const ds_column *const *args, ds_column *out, bool start,
                        bool end)
{
    ds_kernel_begin(ev, args, 1, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        const ds_view *view = &args[0]->views[i];
        const char *bytes = ds_view_bytes(ev->heap, view);
        uint32_t from = 0, to = view->length;
        while (start && from < to && ds_is_white(bytes[from]))
            from++;
        while (end && to > from && ds_is_white(bytes[to - 1]))
            to--;
        out->views[i] =
            to - from == view->length ? *view : ds_view_part(ev->heap, view, from, to - from);
    }
}

DS_KERNEL(ds_string_trim)
{
    trim(ev, args, out, true, true);
}

DS_KERNEL(ds_string_ltrim)
{
    trim(ev, args, out, true, false);
}

DS_KERNEL(ds_string_rtrim)
{
    trim(ev, args, out, false, true);
}

/* The code points from (counted from 0) up to but not including to. */
static inline ds_view between(const ds_eval *ev, const ds_view *view, uint64_t from, uint64_t to)
{
    if (from == 0 && to >= view->length)
        return *view;
    const char *bytes = ds_view_bytes(ev->heap, view);
    uint32_t first = ds_utf8_skip(bytes, view->length, from);
    uint32_t length = ds_utf8_skip(bytes + first, view->length - first, to - from);
    return ds_view_part(ev->heap, view, first, length);
}

DS_KERNEL(ds_string_substr)
{
    ds_kernel_begin(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        int64_t from = args[1]->ints[i], to = INT64_MAX;
        if (n_args == 3 && __builtin_add_overflow(from, args[2]->ints[i], &to))
            to = args[2]->ints[i] < 0 ? INT64_MIN : INT64_MAX;
        from = from < 1 ? 1 : from;
        to = to < from ? from : to;
        out->views[i] = between(ev, &args[0]->views[i], (uint64_t)from - 1, (uint64_t)to - 1);
    }
}

static uint64_t not_negative(int64_t n)
{
    return n < 0 ? 0 : (uint64_t)n;
}

DS_KERNEL(ds_string_left)
{
    ds_kernel_begin(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->views[i] = between(ev, &args[0]->views[i], 0, not_negative(args[1]->ints[i]));
}

DS_KERNEL(ds_string_right)
{
    ds_kernel_begin(ev, args, n_args, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        const ds_view *view = &args[0]->views[i];
        uint32_t from = ds_utf8_skip_back(ds_view_bytes(ev->heap, view), view->length,
                                          not_negative(args[1]->ints[i]));
        out->views[i] = ds_view_part(ev->heap, view, from, view->length - from);
    }
}

/* Writes length bytes of pad, over and over. */
static void put_padding(char *to, uint64_t length, ds_text pad)
{
    uint64_t done = length < pad.length ? length : pad.length;
    memcpy(to, pad.bytes, done);
    while (done < length) {
        uint64_t n = length - done < done ? length - done : done;
        memcpy(to + done, to, n);
        done += n;
    }
}

static void pad_row(ds_text_out *made, uint32_t row, ds_text text, uint64_t missing, ds_text pad,
                    bool left)
{
    uint64_t points = ds_utf8_length(pad.bytes, pad.length);
    uint64_t padding = UINT64_MAX; /* too long, as every code point has a byte */
    if (missing <= DS_TEXT_LIMIT)
        padding =
            missing / points * pad.length + ds_utf8_skip(pad.bytes, pad.length, missing % points);
    uint64_t total = padding == UINT64_MAX ? padding : padding + text.length;
    char *bytes = ds_text_begin(made, row, total);
    if (bytes == NULL)
        return;
    put_padding(left ? bytes : bytes + text.length, padding, pad);
    memcpy(left ? bytes + padding : bytes, text.bytes, text.length);
    ds_text_end(made, row, (uint32_t)total);
}

static void pad(ds_eval *ev, const ds_column *const *args, ds_column *out, bool left)
{
    ds_kernel_begin_zero(ev, args, 3, out);
    ds_text_out made = ds_text_out_of(ev, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        const ds_view *view = &args[0]->views[row];
        ds_text text = ds_text_of(ev, args[0], row), padding = ds_text_of(ev, args[2], row);
        uint64_t points = ds_utf8_length(text.bytes, text.length);
        uint64_t wanted = not_negative(args[1]->ints[row]);
        if (wanted <= points)
            out->views[row] = between(ev, view, 0, wanted);
        else if (padding.length == 0)
            out->views[row] = *view;
        else
            pad_row(&made, row, text, wanted - points, padding, left);
    }
}

DS_KERNEL(ds_string_lpad)
{
    pad(ev, args, out, true);
}

DS_KERNEL(ds_string_rpad)
{
    pad(ev, args, out, false);
}
