/* Values as JSON (text.h). */
#include "base/assert.h"
#include "columnar/text.h"

/* What a byte needs in a JSON string: 0 nothing, 'u' \u00XX, else the letter behind a \. */
static const char escapes[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b',         't',           'n', 'u',
    'f', 'r', 'u', 'u', 'u', 'u', 'u', 'u', 'u',         'u',           'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\',
};

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Bits set for bytes below n (exact for the first such byte): a borrow reaches the top bit. */
static uint64_t bytes_below(uint64_t word, uint64_t n)
{
    return (word - EACH(n)) & ~word & EACH(0x80);
}

/* How many bytes need no escape. */
static size_t clean_length(const char *text, size_t length)
{
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        if ((bytes_below(word, 0x20) | bytes_below(word ^ EACH('"'), 1) |
             bytes_below(word ^ EACH('\\'), 1)) != 0)
            break;
    }
    while (at < length && escapes[(uint8_t)text[at]] == 0)
        at++;
    return at;
}

static void put_escape(ds_buffer *out, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\', escapes[byte], '0', '0', digits[byte >> 4], digits[byte & 15]};
    ds_buffer_append(out, text, text[1] == 'u' ? 6 : 2);
}

void ds_json_string(ds_buffer *out, const char *text, size_t length)
{
    ds_buffer_reserve(out, length + 2);
    ds_buffer_append_char(out, '"');
    for (;;) {
        size_t clean = clean_length(text, length);
        ds_buffer_append(out, text, clean);
        if (clean == length)
            break;
        put_escape(out, (uint8_t)text[clean]);
        text += clean + 1;
        length -= clean + 1;
    }
    ds_buffer_append_char(out, '"');
}

static void put_float(ds_buffer *out, double value)
{
    out->length += ds_format_float(value, ds_buffer_reserve(out, DS_FLOAT_TEXT));
}

static void put_int(ds_buffer *out, int64_t value)
{
    out->length += ds_format_int(value, ds_buffer_reserve(out, 24));
}

static void put_timestamp(ds_buffer *out, int64_t us)
{
    char *at = ds_buffer_reserve(out, DS_TIMESTAMP_TEXT + 2);
    size_t n = ds_format_timestamp(us, at + 1);
    at[0] = '"';
    at[n + 1] = '"';
    out->length += n + 2;
}

static void put_list(ds_buffer *out, const ds_heap *heap, const ds_column *column, uint32_t row)
{
    ds_buffer_append_char(out, '[');
    for (uint32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
        if (i > column->offsets[row])
            ds_buffer_append_char(out, ',');
        ds_json_value(out, heap, column->child, i);
    }
    ds_buffer_append_char(out, ']');
}

void ds_json_value(ds_buffer *out, const ds_heap *heap, const ds_column *column, uint32_t row)
{
    if (ds_column_is_null(column, row)) {
        ds_buffer_append(out, "null", 4);
        return;
    }
    switch ((ds_kind)column->type.kind) {
    case DS_NULL_TYPE: ds_buffer_append(out, "null", 4); return;
    case DS_BOOL:
        ds_buffer_append_text(out, ds_bit_get(column->bits, row) ? "true" : "false");
        return;
    case DS_INT:
    case DS_INTERVAL: put_int(out, column->ints[row]); return;
    case DS_FLOAT: put_float(out, column->floats[row]); return;
    case DS_TIMESTAMP: put_timestamp(out, column->ints[row]); return;
    case DS_STRING: {
        const ds_view *view = &column->views[row];
        ds_json_string(out, ds_view_bytes(heap, view), view->length);
        return;
    }
    case DS_LIST: put_list(out, heap, column, row); return;
    }
    DS_UNREACHABLE();
}
