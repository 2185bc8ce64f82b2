#include "columnar/text_kernel.h"

#include "base/assert.h"

void ds_kernel_begin_zero(ds_eval *ev, const ds_column *const *args, uint32_t n_args,
                          ds_column *out)
{
    ds_kernel_begin(ev, args, n_args, out);
    if (out->type.kind == DS_BOOL)
        memset(out->bits, 0, ds_bitmap_words(ev->n) * 8);
    else
        memset(out->values, 0,
               ((size_t)ev->n + (out->type.kind == DS_LIST)) * ds_type_width(out->type));
}

void ds_kernel_own_validity(ds_eval *ev, ds_column *out)
{
    size_t words = ds_bitmap_words(ev->n);
    uint64_t *own = ds_arena_alloc(ev->arena, words * 8);
    if (out->validity == NULL)
        ds_bitmap_fill(own, ev->n);
    else
        memcpy(own, out->validity, words * 8);
    out->validity = own;
}

char *ds_text_begin(ds_text_out *text, uint32_t row, uint64_t length)
{
    if (length <= DS_INLINE_BYTES)
        return text->bytes = text->small;
    if (length > DS_TEXT_LIMIT || length > text->left) {
        ds_kernel_fail(text->ev, text->out, row);
        return NULL;
    }
    text->left -= length;
    text->bytes = ds_heap_text(text->ev->heap, (uint32_t)length, &text->buffer, &text->offset);
    return text->bytes;
}

ds_list_out ds_list_begin(ds_eval *ev, ds_column *out, uint64_t expected)
{
    ds_list_out list = {.ev = ev, .out = out};
    if (expected > DS_LIST_CALL_LIMIT)
        expected = DS_LIST_CALL_LIMIT;
    list.capacity = (uint32_t)expected;
    list.views = ds_arena_alloc(ev->arena, (size_t)list.capacity * sizeof *list.views);
    return list;
}

bool ds_list_grow(ds_list_out *list, uint64_t more)
{
    uint64_t need = list->count + more;
    if (need > DS_LIST_CALL_LIMIT)
        return false;
    uint64_t capacity = (uint64_t)list->capacity * 2;
    capacity = capacity < need ? need : capacity;
    capacity = capacity > DS_LIST_CALL_LIMIT ? DS_LIST_CALL_LIMIT : capacity;
    ds_view *views = ds_arena_alloc(list->ev->arena, capacity * sizeof *views);
    memcpy(views, list->views, list->count * sizeof *views);
    list->views = views;
    list->capacity = (uint32_t)capacity;
    return true;
}

void ds_list_skip_to(ds_list_out *list, uint32_t row)
{
    while (list->row < row)
        list->out->offsets[++list->row] = list->count;
}

void ds_list_end_row(ds_list_out *list, uint32_t row, uint32_t first, bool failed)
{
    DS_ASSERT(list->row == row && first <= list->count);
    if (failed) {
        list->count = first;
        ds_kernel_fail(list->ev, list->out, row);
    }
    list->out->offsets[++list->row] = list->count;
}

void ds_list_finish(ds_list_out *list)
{
    ds_list_skip_to(list, list->ev->n);
    ds_column *child = ds_arena_calloc(list->ev->arena, 1, sizeof *child);
    child->type = DS_TYPE(DS_STRING);
    child->length = list->count;
    child->views = list->views;
    list->out->child = child;
}

static uint32_t starts_in(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
    uint64_t inner = (word >> 7) & (~word >> 6) & UINT64_C(0x0101010101010101);
    return 8 - (uint32_t)((inner * UINT64_C(0x0101010101010101)) >> 56);
}

static bool is_start(char c)
{
    return ((uint8_t)c & 0xC0) != 0x80;
}

uint32_t ds_utf8_skip(const char *text, uint32_t length, uint64_t n)
{
    uint32_t at = 0;
    if (n >= length)
        return length;
    for (; n >= 8 && length - at >= 8; at += 8)
        n -= starts_in(text + at);
    for (; at < length; at++) {
        if (!is_start(text[at]))
            continue;
        if (n == 0)
            break;
        n--;
    }
    return at;
}

uint32_t ds_utf8_skip_back(const char *text, uint32_t length, uint64_t n)
{
    uint32_t at = length;
    if (n >= length)
        return 0;
    for (; n >= 8 && at >= 8; at -= 8)
        n -= starts_in(text + at - 8);
    while (n > 0 && at > 0)
        n -= is_start(text[--at]);
    return at;
}
