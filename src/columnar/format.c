/*
 * What all formats have in common: formats and decoders come and go here, chunks are begun
 * and finished, and records that are bad in any format are found (too long, not UTF-8).
 */
#include "columnar/format.h"

#include "base/assert.h"
#include "columnar/format_internal.h"
#include "columnar/text.h"

#include <stdlib.h>

#define DEFAULT_RECORD_LIMIT ((uint32_t)64 << 10)
#define READ_AHEAD 16 /* bytes behind a repaired record that scanners may read */
#define SHOWN_BYTES ((size_t)60)

static const ds_format_ops *const all_ops[] = {
    [DS_FORMAT_TEXT] = &ds_format_text,     [DS_FORMAT_JSON] = &ds_format_json,
    [DS_FORMAT_CSV] = &ds_format_csv,       [DS_FORMAT_COMBINED] = &ds_format_combined,
    [DS_FORMAT_LOGFMT] = &ds_format_logfmt, [DS_FORMAT_REGEX] = &ds_format_regex,
};

static const char *const reason_names[DS_BAD_REASONS] = {
    [DS_BAD_TOO_LONG] = "too_long", [DS_BAD_SYNTAX] = "syntax",
    [DS_BAD_TYPE] = "type",         [DS_BAD_RANGE] = "range",
    [DS_BAD_FIELDS] = "fields",     [DS_BAD_ENCODING] = "encoding",
    [DS_BAD_HEADER] = "header",     [DS_BAD_MATCH_LIMIT] = "match_limit",
};

const char *ds_bad_reason_name(ds_bad_reason reason)
{
    DS_ASSERT(reason < DS_BAD_REASONS);
    return reason_names[reason];
}

/* Formats. */

ds_status ds_format_copy_schema(ds_arena *arena, const ds_schema *from, ds_schema *to,
                                ds_error *error)
{
    if (from->n_fields == 0)
        return ds_error_set(error, DS_ERR_APP, "the schema has no columns");
    *to = (ds_schema){.fields = DS_ARENA_ARRAY(arena, ds_field, from->n_fields)};
    for (uint32_t i = 0; i < from->n_fields; i++) {
        const ds_field *field = &from->fields[i];
        uint8_t kind = field->type.kind == DS_LIST ? field->type.element : field->type.kind;
        if (kind < DS_BOOL || kind > DS_TIMESTAMP)
            return ds_error_set(error, DS_ERR_APP, "column \"%s\" cannot be of type %s",
                                field->name, ds_type_name(field->type));
        if (ds_schema_find(to, field->name) >= 0)
            return ds_error_set(error, DS_ERR_APP, "column \"%s\" is there twice", field->name);
        to->fields[i].name = ds_arena_strdup(arena, field->name);
        to->fields[i].type = field->type;
        to->n_fields++;
    }
    return DS_OK;
}

ds_status ds_format_new(ds_arena *arena, const ds_format_spec *spec, const ds_format **format,
                        ds_error *error)
{
    DS_ASSERT((size_t)spec->kind < sizeof all_ops / sizeof *all_ops);
    ds_format *made = DS_ARENA_NEW(arena, ds_format);
    made->ops = all_ops[spec->kind];
    made->record_limit = spec->record_limit == 0 ? DEFAULT_RECORD_LIMIT : spec->record_limit;
    DS_TRY(made->ops->prepare(arena, spec, made, error));
    *format = made;
    return DS_OK;
}

const ds_schema *ds_format_schema(const ds_format *format)
{
    return &format->schema;
}

/* Decoders. */

ds_decoder *ds_decoder_new(const ds_format *format, const bool *wanted, ds_bad_fn bad,
                           void *bad_arg)
{
    ds_decoder *decoder = ds_calloc(1, sizeof *decoder);
    decoder->format = format;
    decoder->bad = bad;
    decoder->bad_arg = bad_arg;
    decoder->header_is_next = format->header;
    decoder->wanted = ds_alloc(format->schema.n_fields * sizeof *decoder->wanted);
    for (uint32_t i = 0; i < format->schema.n_fields; i++)
        decoder->wanted[i] = wanted == NULL || wanted[i];
    if (format->ops->state_new != NULL)
        decoder->state = format->ops->state_new(format);
    return decoder;
}

void ds_decoder_free(ds_decoder *decoder)
{
    if (decoder == NULL)
        return;
    if (decoder->state != NULL)
        decoder->format->ops->state_free(decoder->state);
    free(decoder->wanted);
    ds_lines_fini(&decoder->lines);
    ds_buffer_fini(&decoder->scratch);
    ds_buffer_fini(&decoder->detail);
    ds_buffer_fini(&decoder->shown);
    free(decoder);
}

void ds_decoder_count(const ds_decoder *decoder, ds_decoder_counts *counts)
{
    *counts = decoder->counts;
}

ds_status ds_decoder_header(ds_decoder *decoder, const char *line, size_t length, ds_error *error)
{
    if (!decoder->format->header)
        return DS_OK;
    if (line == NULL) {
        ds_csv_header_forget(decoder);
        return DS_OK;
    }
    if (length > decoder->format->record_limit) {
        ds_csv_header_bad(decoder, "the header is longer than limits.record");
        return ds_error_set(error, DS_ERR_DATA, "the header is longer than limits.record");
    }
    if (length > 0 && line[length - 1] == '\r')
        length--;
    ds_buffer repaired = {0};
    decoder->counts.replaced += ds_utf8_repair(&repaired, line, length);
    const char *text = ds_buffer_text(&repaired), *end = text + repaired.length;
    ds_record record = {.text = text, .end = end, .limit = end};
    ds_status status = ds_csv_header(decoder, &record, error);
    ds_buffer_fini(&repaired);
    return status;
}

void ds_decoder_open(ds_decoder *decoder, ds_heap *heap, const char *bytes, size_t length,
                     int64_t first_position)
{
    DS_ASSERT(length < UINT32_MAX);
    ds_lines_open(&decoder->lines, bytes, (uint32_t)length, decoder->format->marks);
    decoder->heap = heap;
    decoder->buffer = ds_heap_add(heap, bytes);
    decoder->position = first_position;
}

/* Begins a chunk with room for as many rows as there may be. */
static void begin_chunk(ds_decoder *decoder, ds_arena *arena)
{
    ds_lines *lines = &decoder->lines;
    if (lines->next == lines->n_ends && lines->start < lines->length)
        ds_lines_more(lines);
    uint32_t left = ds_lines_left(lines);
    const ds_schema *schema = &decoder->format->schema;
    decoder->arena = arena;
    decoder->n_rows = 0;
    decoder->capacity = left < DS_CHUNK_ROWS ? left : DS_CHUNK_ROWS;
    decoder->positions = ds_arena_alloc(arena, decoder->capacity * sizeof *decoder->positions);
    decoder->columns = DS_ARENA_ARRAY(arena, ds_column *, schema->n_fields);
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        ds_type type = schema->fields[i].type;
        if (!decoder->wanted[i])
            continue;
        decoder->columns[i] = ds_column_new(arena, type, decoder->capacity);
        if (type.kind == DS_LIST)
            decoder->columns[i]->child = ds_column_new(arena, ds_type_element(type), 0);
    }
}

static void finish_chunk(ds_decoder *decoder, ds_chunk *chunk)
{
    uint32_t n_columns = decoder->format->schema.n_fields;
    for (uint32_t i = 0; i < n_columns; i++) {
        ds_column *column = decoder->columns[i];
        if (column == NULL)
            continue;
        column->length = decoder->n_rows;
        if (column->type.kind == DS_LIST) /* while it is made its length is its capacity, too */
            column->child->length = column->offsets[decoder->n_rows];
    }
    decoder->counts.records += decoder->n_rows;
    *chunk = (ds_chunk){.n_rows = decoder->n_rows,
                        .n_columns = n_columns,
                        .columns = (const ds_column *const *)decoder->columns,
                        .positions = decoder->positions};
}

bool ds_decoder_next(ds_decoder *decoder, ds_arena *arena, ds_chunk *chunk)
{
    begin_chunk(decoder, arena);
    decoder->format->ops->decode(decoder);
    finish_chunk(decoder, chunk);
    return chunk->n_rows > 0;
}

/* Records. */

bool ds_line_is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!ds_is_space(text[i]))
            return false;
    return true;
}

/* A row that was begun may have left nulls behind: the next one starts without. */
static void restore_validity(ds_decoder *decoder)
{
    if (decoder->n_rows >= decoder->capacity)
        return;
    for (uint32_t i = 0; i < decoder->format->schema.n_fields; i++) {
        ds_column *column = decoder->columns[i];
        if (column != NULL && column->validity != NULL)
            ds_bit_set(column->validity, decoder->n_rows);
    }
}

bool ds_record_bad(ds_decoder *decoder, const ds_record *record, ds_bad_reason reason,
                   const char *format, ...)
{
    restore_validity(decoder);
    decoder->counts.bad[reason]++;
    if (decoder->bad == NULL)
        return false;
    ds_error text;
    va_list args;
    va_start(args, format);
    ds_error_vset(&text, DS_ERR_DATA, format, args);
    va_end(args);
    decoder->bad(decoder->bad_arg, reason, decoder->lines.bytes + record->raw_start,
                 record->raw_length, record->raw_start, text.message);
    return false;
}

void ds_record_too_long(ds_decoder *decoder, const ds_record *record)
{
    ds_record_bad(decoder, record, DS_BAD_TOO_LONG,
                  "%u bytes are more than the %u that a record may have (limits.record)",
                  record->raw_length, decoder->format->record_limit);
    if (decoder->header_is_next)
        ds_csv_header_bad(decoder, "the header is longer than limits.record");
}

bool ds_record_check_text(ds_decoder *decoder, ds_record *record)
{
    size_t length = (size_t)(record->end - record->text), valid = 0;
    if (ds_utf8_invalid(record->text, length, &valid) == 0)
        return true;
    if (decoder->format->ops->strict)
        return ds_record_bad(decoder, record, DS_BAD_ENCODING, "byte %zu is %s", valid + 1,
                             record->text[valid] == '\0' ? "NUL" : "not valid UTF-8");
    ds_buffer *scratch = &decoder->scratch;
    scratch->length = 0;
    decoder->counts.replaced += ds_utf8_repair(scratch, record->text, length);
    uint32_t repaired = (uint32_t)scratch->length;
    char *copy =
        ds_heap_text(decoder->heap, repaired + READ_AHEAD, &record->buffer, &record->offset);
    memcpy(copy, scratch->data, repaired);
    memset(copy + repaired, 0, READ_AHEAD);
    record->text = copy;
    record->end = copy + repaired;
    record->limit = record->end + READ_AHEAD;
    record->marks = NULL;
    return true;
}

const char *ds_record_shown(ds_decoder *decoder, const char *text, size_t length)
{
    if (decoder->bad == NULL)
        return ""; /* nobody asks */
    size_t cut = length;
    if (cut > SHOWN_BYTES)
        for (cut = SHOWN_BYTES; cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80; cut--)
            ;
    decoder->shown.length = 0;
    ds_json_string(&decoder->shown, text, cut);
    if (cut < length)
        ds_buffer_append_text(&decoder->shown, "...");
    return ds_buffer_text(&decoder->shown);
}

const char *ds_type_phrase(ds_type type)
{
    static const char *const phrases[] = {
        [DS_NULL_TYPE] = "null",    [DS_BOOL] = "a bool",     [DS_INT] = "an int",
        [DS_FLOAT] = "a float",     [DS_STRING] = "a string", [DS_TIMESTAMP] = "a timestamp",
        [DS_INTERVAL] = "interval", [DS_LIST] = "a list",
    };
    return phrases[type.kind];
}

/* Values. */

void ds_put_null_slow(ds_decoder *decoder, ds_column *column)
{
    uint32_t row = decoder->n_rows;
    ds_column_need_validity(column, decoder->arena);
    ds_bit_clear(column->validity, row);
    switch (column->type.kind) {
    case DS_BOOL: ds_bit_clear(column->bits, row); break;
    case DS_STRING: column->views[row] = (ds_view){0}; break;
    case DS_LIST: column->offsets[row + 1] = column->offsets[row]; break;
    default: column->ints[row] = 0; break;
    }
}

bool ds_field_int_slow(const char *text, size_t length, int64_t *value, ds_bad_reason *reason)
{
    bool overflow = false;
    if (ds_parse_int(text, length, value, &overflow))
        return true;
    *reason = overflow ? DS_BAD_RANGE : DS_BAD_TYPE;
    return false;
}

/* [+-]? (digits [. digits?] | . digits) [exponent] */
static bool has_float_shape(const char *text, size_t length)
{
    const char *end = text + length, *from;
    size_t digits = 0;
    text += text < end && (*text == '+' || *text == '-');
    for (; text < end && *text >= '0' && *text <= '9'; text++)
        digits++;
    if (text < end && *text == '.')
        for (text++; text < end && *text >= '0' && *text <= '9'; text++)
            digits++;
    if (digits == 0 || text == end)
        return digits > 0;
    if (*text != 'e' && *text != 'E')
        return false;
    text++;
    text += text < end && (*text == '+' || *text == '-');
    for (from = text; text < end && *text >= '0' && *text <= '9'; text++)
        ;
    return text == end && text > from;
}

bool ds_field_float(const char *text, size_t length, double *value, ds_bad_reason *reason)
{
    if (ds_parse_float(text, length, value))
        return true;
    *reason = has_float_shape(text, length) ? DS_BAD_RANGE : DS_BAD_TYPE;
    return false;
}
