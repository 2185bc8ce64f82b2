/* Kernels that make new text (string_kernels.h), within the limits of text_kernel.h. */
#include "columnar/string_kernels.h"

#define EACH(byte) (UINT64_C(0x0101010101010101) * (uint64_t)(byte))

/* 0x20 in each byte that is one of the 26 letters from `first` on: what changes its case. */
static inline uint64_t case_bits(uint64_t word, char first)
{
    uint64_t low = word & EACH(0x7f);
    uint64_t from_first = low + EACH(0x80 - first);
    uint64_t behind_last = low + EACH(0x7f - (first + 25));
    return (from_first & ~behind_last & ~word & EACH(0x80)) >> 2;
}

static inline uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline ds_view short_case(const ds_view *view, char first)
{
    uint64_t words[2];
    memcpy(words, view, sizeof words);
    uint32_t start;
    memcpy(&start, view->inlined, sizeof start);
    start ^= (uint32_t)case_bits(start, first);
    words[1] ^= case_bits(words[1], first);
    ds_view changed = {.length = view->length};
    memcpy(changed.inlined, &start, sizeof start);
    memcpy(changed.inlined + sizeof start, &words[1], sizeof words[1]);
    return changed;
}

static bool has_case(ds_text text, char first)
{
    uint64_t any = case_bits(load8(text.bytes + text.length - 8), first);
    for (uint32_t at = 0; at + 8 <= text.length; at += 8)
        any |= case_bits(load8(text.bytes + at), first);
    return any != 0;
}

/* For 8 bytes and more; the last word overlaps. */
static void put_case(char *to, ds_text text, char first)
{
    uint32_t at = 0;
    for (;;) {
        uint64_t word = load8(text.bytes + at);
        word ^= case_bits(word, first);
        memcpy(to + at, &word, sizeof word);
        if (at + 8 == text.length)
            break;
        at = at + 16 <= text.length ? at + 8 : text.length - 8;
    }
}

static inline void change_case(ds_eval *ev, const ds_column *const *args, ds_column *out,
                               char first)
{
    ds_kernel_begin_zero(ev, args, 1, out);
    ds_text_out made = ds_text_out_of(ev, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        const ds_view *view = &args[0]->views[row];
        if (view->length <= DS_INLINE_BYTES) {
            out->views[row] = short_case(view, first);
            continue;
        }
        ds_text text = ds_text_of(ev, args[0], row);
        char *bytes;
        if (!has_case(text, first)) {
            out->views[row] = *view;
        } else if ((bytes = ds_text_begin(&made, row, text.length)) != NULL) {
            put_case(bytes, text, first);
            ds_text_end(&made, row, text.length);
        }
    }
}

DS_KERNEL(ds_string_lower)
{
    change_case(ev, args, out, 'A');
}

DS_KERNEL(ds_string_upper)
{
    change_case(ev, args, out, 'a');
}

static uint64_t count_of(ds_text text, ds_text part)
{
    const char *at = text.bytes, *end = text.bytes + text.length;
    uint64_t count = 0;
    while ((at = ds_string_find(at, (uint32_t)(end - at), part.bytes, part.length)) != NULL) {
        at += part.length;
        count++;
    }
    return count;
}

static void put_replaced(char *to, ds_text text, ds_text part, ds_text by)
{
    const char *at = text.bytes, *end = text.bytes + text.length, *found;
    while ((found = ds_string_find(at, (uint32_t)(end - at), part.bytes, part.length)) != NULL) {
        memcpy(to, at, (size_t)(found - at));
        to += found - at;
        memcpy(to, by.bytes, by.length);
        to += by.length;
        at = found + part.length;
    }
    memcpy(to, at, (size_t)(end - at));
}

DS_KERNEL(ds_string_replace)
{
    ds_kernel_begin_zero(ev, args, n_args, out);
    ds_text_out made = ds_text_out_of(ev, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        ds_text text = ds_text_of(ev, args[0], row), part = ds_text_of(ev, args[1], row),
                by = ds_text_of(ev, args[2], row);
        uint64_t count = part.length == 0 ? 0 : count_of(text, part);
        if (count == 0) {
            out->views[row] = args[0]->views[row];
            continue;
        }
        uint64_t length = text.length - count * part.length + count * by.length;
        char *bytes = ds_text_begin(&made, row, length);
        if (bytes == NULL)
            continue;
        put_replaced(bytes, text, part, by);
        ds_text_end(&made, row, (uint32_t)length);
    }
}

DS_KERNEL(ds_string_concat)
{
    ds_kernel_begin_zero(ev, args, n_args, out);
    ds_text_out made = ds_text_out_of(ev, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        uint64_t length = 0;
        for (uint32_t i = 0; i < n_args; i++)
            length += args[i]->views[row].length;
        char *bytes = ds_text_begin(&made, row, length);
        if (bytes == NULL)
            continue;
        for (uint32_t i = 0; i < n_args; i++) {
            ds_text part = ds_text_of(ev, args[i], row);
            memcpy(bytes, part.bytes, part.length);
            bytes += part.length;
        }
        ds_text_end(&made, row, (uint32_t)length);
    }
}
