/*
 * What the formats share: the decoder, the records it is given, the rows it makes.
 *
 * Each format is one ds_format_ops. Its `decode` calls ds_decode_records with a function for
 * one record, which is inlined into the loop: there is no call through a pointer per record.
 * A record's function puts values into row n_rows of the wanted columns and returns true; or
 * it reports what is wrong with ds_record_bad and returns false, and the row is used again.
 */
#ifndef DS_COLUMNAR_FORMAT_INTERNAL_H
#define DS_COLUMNAR_FORMAT_INTERNAL_H

#include "columnar/digits.h"
#include "columnar/format.h"
#include "columnar/format_lines.h"

#define DS_ALWAYS_INLINE static inline __attribute__((always_inline))
#define DS_COLD __attribute__((noinline, cold))
#define DS_LIKELY(x) __builtin_expect(!!(x), 1)
#define DS_UNLIKELY(x) __builtin_expect(!!(x), 0)

typedef struct ds_format_ops {
    bool strict; /* bytes that are not UTF-8, and NUL, make a record bad */
    /* Checks spec and fills format->schema and ->plan. */
    ds_status (*prepare)(ds_arena *arena, const ds_format_spec *spec, ds_format *format,
                         ds_error *error);
    /* The format's own part of a decoder; both may be NULL. */
    void *(*state_new)(const ds_format *format);
    void (*state_free)(void *state);
    /* Fills the chunk being made with rows, until it is full or the input is empty. */
    void (*decode)(ds_decoder *decoder);
} ds_format_ops;

struct ds_format {
    const ds_format_ops *ops;
    ds_schema schema;
    const void *plan;           /* the format's own; in the arena */
    const ds_mark_bytes *marks; /* what is to be marked in the input; NULL: nothing */
    uint32_t record_limit;
    bool header;
    char delimiter;
};

struct ds_decoder {
    const ds_format *format;
    bool *wanted;
    ds_bad_fn bad;
    void *bad_arg;
    void *state; /* the format's own */
    ds_decoder_counts counts;
    bool header_is_next; /* the next record is no row, but names the fields */

    /* The input. */
    ds_lines lines;
    ds_heap *heap;
    uint32_t buffer;  /* of the input in the heap */
    int64_t position; /* of the next line */

    /* The chunk being made. */
    ds_arena *arena;
    ds_column **columns; /* NULL: not wanted; their length is `capacity` until they are full */
    int64_t *positions;
    uint32_t n_rows, capacity;

    ds_buffer scratch; /* repaired or unescaped text on its way to the heap */
    ds_buffer detail;  /* what is wrong with a record */
    ds_buffer shown;
};

/* One record: a line without its end, in valid UTF-8. */
typedef struct ds_record {
    const char *text; /* the input's, or a repaired copy of it */
    const char *end;
    const char *limit;     /* bytes may be read up to here: end or beyond */
    const ds_marks *marks; /* of the text; NULL: there are none */
    uint32_t buffer;       /* the place of text in the heap */
    uint32_t offset;
    uint32_t raw_start; /* the line in the input */
    uint32_t raw_length;
} ds_record;

extern const ds_format_ops ds_format_text, ds_format_json, ds_format_csv, ds_format_combined,
    ds_format_logfmt, ds_format_regex;

/* csv: takes a record as the header. DS_ERR_DATA if it does not do. */
ds_status ds_csv_header(ds_decoder *decoder, const ds_record *record, ds_error *error);
/* csv: what the records that follow are counted for: the header is bad, and why. */
void ds_csv_header_bad(ds_decoder *decoder, const char *why);
/* csv: forgets the header. */
void ds_csv_header_forget(ds_decoder *decoder);

/* Counts the record as bad and tells whoever asked; always false. */
DS_COLD __attribute__((format(printf, 4, 5))) bool ds_record_bad(ds_decoder *decoder,
                                                                 const ds_record *record,
                                                                 ds_bad_reason reason,
                                                                 const char *format, ...);

/* Text as it is shown in such a sentence: quoted, escaped, cut if long. Valid until the next
 * call. */
const char *ds_record_shown(ds_decoder *decoder, const char *text, size_t length);

/* The type with its article: "an int". */
const char *ds_type_phrase(ds_type type);

/* Copies fields (one or more, of known types, no name twice) into arena. */
ds_status ds_format_copy_schema(ds_arena *arena, const ds_schema *from, ds_schema *to,
                                ds_error *error);

/* The slow halves of ds_next_record. */
bool ds_line_is_blank(const char *text, size_t length);
DS_COLD void ds_record_too_long(ds_decoder *decoder, const ds_record *record);
/* Checks or repairs the record's text. False: it was bad. */
bool ds_record_check_text(ds_decoder *decoder, ds_record *record);

static inline bool ds_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Gives the next record that is to be decoded. False at the end of the input. */
DS_ALWAYS_INLINE bool ds_next_record(ds_decoder *decoder, bool keeps_blank, ds_record *record)
{
    ds_lines *lines = &decoder->lines;
    for (;;) {
        if (DS_UNLIKELY(lines->next == lines->n_ends) && !ds_lines_more(lines))
            return false;
        uint32_t start = lines->start, end = lines->ends[lines->next++];
        lines->start = end + 1;
        decoder->position++;
        const char *text = lines->bytes + start;
        if (end > start && lines->bytes[end - 1] == '\r' && end < lines->length)
            end--;
        uint32_t length = end - start;
        if (!keeps_blank && (length == 0 || DS_UNLIKELY(ds_is_space(*text))) &&
            ds_line_is_blank(text, length))
            continue;
        *record = (ds_record){.text = text,
                              .end = text + length,
                              .limit = lines->bytes + lines->length,
                              .marks = lines->marks,
                              .buffer = decoder->buffer,
                              .offset = start,
                              .raw_start = start,
                              .raw_length = length};
        if (DS_UNLIKELY(length > decoder->format->record_limit)) {
            ds_record_too_long(decoder, record);
            continue;
        }
        if (DS_UNLIKELY(!lines->plain) && !ds_record_check_text(decoder, record))
            continue;
        return true;
    }
}

typedef bool ds_record_fn(ds_decoder *decoder, const ds_record *record);

/* Fills the chunk: `one` must be a constant. */
DS_ALWAYS_INLINE void ds_decode_records(ds_decoder *decoder, bool keeps_blank, ds_record_fn *one)
{
    ds_record record;
    while (decoder->n_rows < decoder->capacity && ds_next_record(decoder, keeps_blank, &record)) {
        if (!one(decoder, &record))
            continue;
        decoder->positions[decoder->n_rows] = decoder->position - 1;
        decoder->n_rows++;
    }
}

/* A view of a part of the record. */
static inline ds_view ds_record_view(const ds_record *record, const char *text, uint32_t length)
{
    static const unsigned char keep[2 * DS_INLINE_BYTES] = {255, 255, 255, 255, 255, 255,
                                                            255, 255, 255, 255, 255, 255};
    uint32_t offset = record->offset + (uint32_t)(text - record->text);
    if (length > DS_INLINE_BYTES || DS_UNLIKELY(record->limit - text < (int)DS_INLINE_BYTES))
        return ds_view_at(text, length, record->buffer, offset);
    ds_view view; /* always 12 bytes, masked: no loop over a few bytes */
    uint64_t low, low_mask;
    uint32_t high, high_mask;
    memcpy(&low, text, 8);
    memcpy(&high, text + 8, 4);
    memcpy(&low_mask, keep + DS_INLINE_BYTES - length, 8);
    memcpy(&high_mask, keep + DS_INLINE_BYTES - length + 8, 4);
    low &= low_mask;
    high &= high_mask;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t words[2] = {length | low << 32, low >> 32 | (uint64_t)high << 32};
    memcpy(&view, words, sizeof view);
#else
    view.length = length;
    memcpy(view.inlined, &low, 8);
    memcpy(view.inlined + 8, &high, 4);
#endif
    return view;
}

/* Puts a value into the row being made; nothing if the column is not wanted. */
static inline void ds_put_view(ds_decoder *decoder, uint32_t column, ds_view view)
{
    if (decoder->columns[column] != NULL)
        decoder->columns[column]->views[decoder->n_rows] = view;
}

static inline void ds_put_int(ds_decoder *decoder, uint32_t column, int64_t value)
{
    if (decoder->columns[column] != NULL)
        decoder->columns[column]->ints[decoder->n_rows] = value;
}

static inline void ds_put_float(ds_decoder *decoder, uint32_t column, double value)
{
    if (decoder->columns[column] != NULL)
        decoder->columns[column]->floats[decoder->n_rows] = value;
}

static inline void ds_put_bool(ds_decoder *decoder, uint32_t column, bool value)
{
    if (decoder->columns[column] != NULL)
        ds_bit_put(decoder->columns[column]->bits, decoder->n_rows, value);
}

/* Makes a column's value in the row being made null. */
void ds_put_null_slow(ds_decoder *decoder, ds_column *column);
static inline void ds_put_null(ds_decoder *decoder, uint32_t column)
{
    ds_column *to = decoder->columns[column];
    if (to == NULL)
        return;
    if (to->validity != NULL && to->type.kind == DS_STRING) {
        ds_bit_clear(to->validity, decoder->n_rows);
        memset(&to->views[decoder->n_rows], 0, sizeof *to->views);
    } else {
        ds_put_null_slow(decoder, to);
    }
}

/* An int as in ds_parse_int; the usual short ones without a call. */
bool ds_field_int_slow(const char *text, size_t length, int64_t *value, ds_bad_reason *reason);
static inline bool ds_field_int(const char *text, size_t length, int64_t *value,
                                ds_bad_reason *reason)
{
    uint64_t number;
    if (DS_UNLIKELY(length - 1 >= DS_DIGITS_MOST || !ds_digits_read(text, length, &number)))
        return ds_field_int_slow(text, length, value, reason);
    *value = (int64_t)number;
    return true;
}

/* A float as in ds_parse_float; *reason tells a wrong shape from one out of range. */
bool ds_field_float(const char *text, size_t length, double *value, ds_bad_reason *reason);

#endif
