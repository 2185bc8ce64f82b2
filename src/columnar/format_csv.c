/*
 * The format `csv`: RFC 4180 without line breaks inside quotes.
 *
 * A record is first split into fields, so that what is wrong with its quotes or the number of
 * its fields is told before what is wrong with a value; then the columns' fields are read.
 * With a header the columns are found by name, without one field i is column i.
 */
#include "columnar/format_scan.h"
#include "columnar/format_value.h"

#include <stdlib.h>

#define NO_FIELD UINT32_MAX

typedef struct csv_field {
    const char *text;
    uint32_t length;
    bool quoted;
    bool doubled; /* has quotes that stand twice */
} csv_field;

typedef struct csv_state {
    uint32_t n_fields;  /* that a record has to have */
    uint32_t *field_of; /* the field of each column */
    csv_field *fields;  /* of one record; room for one more than n_fields */
    uint32_t room;
    char *header_bad; /* why all records count as bad; NULL: they do not */
} csv_state;

static ds_status prepare(ds_arena *arena, const ds_format_spec *spec, ds_format *format,
                         ds_error *error)
{
    DS_TRY(ds_format_text_schema(arena, &spec->schema, "csv", &format->schema, error));
    char delimiter = spec->delimiter == 0 ? ',' : spec->delimiter;
    if ((signed char)delimiter <= 0 || delimiter == '"' || delimiter == '\r' || delimiter == '\n')
        return ds_error_set(error, DS_ERR_APP,
                            "the delimiter has to be an ASCII character, "
                            "and neither a quote nor a line end");
    format->delimiter = delimiter;
    format->header = spec->header;
    return DS_OK;
}

static void make_room(csv_state *state, uint32_t n_fields)
{
    if (n_fields <= state->room)
        return;
    state->room = n_fields > state->room * 2 ? n_fields : state->room * 2;
    state->fields = ds_realloc(state->fields, state->room, sizeof *state->fields);
}

static void *state_new(const ds_format *format)
{
    csv_state *state = ds_calloc(1, sizeof *state);
    uint32_t n = format->schema.n_fields;
    state->n_fields = n;
    state->field_of = ds_alloc(n * sizeof *state->field_of);
    for (uint32_t i = 0; i < n; i++)
        state->field_of[i] = i;
    make_room(state, n + 1);
    return state;
}

static void state_free(void *arg)
{
    csv_state *state = arg;
    free(state->field_of);
    free(state->fields);
    free(state->header_bad);
    free(state);
}

/* Splitting. */

/* Reads a quoted field whose quote is at p. Returns what is behind it; NULL: it has no end. */
static const char *split_quoted(const char *p, const ds_record *record, csv_field *field)
{
    const char *from = ++p;
    bool doubled = false;
    for (;; p += 2) {
        p = ds_scan_for(p, record->end, record->limit, '"');
        if (p == record->end)
            return NULL;
        if (p + 1 == record->end || p[1] != '"')
            break;
        doubled = true;
    }
    *field = (csv_field){from, (uint32_t)(p - from), true, doubled};
    return p + 1;
}

/* Reads one field at p. Returns its end (a delimiter or the record's end), or NULL with *why. */
DS_ALWAYS_INLINE const char *split_one(const char *p, const ds_record *record, char delimiter,
                                       csv_field *field, const char **why)
{
    if (p < record->end && *p == '"') {
        p = split_quoted(p, record, field);
        if (p == NULL)
            *why = "a quote that does not end";
        else if (p < record->end && *p != delimiter)
            p = NULL, *why = "text behind a closing quote";
        return p;
    }
    const char *from = p;
    p = ds_scan_either(p, record->end, record->limit, delimiter, '"');
    *field = (csv_field){from, (uint32_t)(p - from), false, false};
    if (p < record->end && *p == '"')
        p = NULL, *why = "a quote inside a field that does not begin with one";
    return p;
}

/* As split, of a record without quotes that does not lie at the end of the input; else 0. */
DS_ALWAYS_INLINE uint32_t split_plain(csv_state *state, const ds_record *record, char delimiter)
{
#ifdef DS_SCAN_HAS_BITS
    uint32_t n = 0, last = state->room - 1;
    const char *from = record->text, *end = record->end;
    if (record->limit - end < 64)
        return 0;
    for (const char *at = from; at < end; at += 64) {
        uint64_t ends, quotes, within = ~UINT64_C(0);
        ds_scan_bits(at, delimiter, '"', &ends, &quotes);
        if (end - at < 64)
            within >>= 64 - (end - at);
        if (DS_UNLIKELY((quotes & within) != 0))
            return 0;
        for (ends &= within; ends != 0; ends &= ends - 1) {
            const char *stop = at + __builtin_ctzll(ends);
            state->fields[n < last ? n : last] = (csv_field){from, (uint32_t)(stop - from), 0, 0};
            from = stop + 1;
            n++;
        }
    }
    state->fields[n < last ? n : last] = (csv_field){from, (uint32_t)(end - from), 0, 0};
    return n + 1;
#else
    (void)state, (void)record, (void)delimiter;
    return 0;
#endif
}

/*
 * Splits a record into fields; those behind the first `room` are checked and counted, but not
 * kept. Returns how many there are, or 0 with *why.
 */
static uint32_t split(csv_state *state, const ds_record *record, char delimiter, const char **why)
{
    uint32_t n = 0, last = state->room - 1;
    const char *p = record->text;
    for (;;) {
        p = split_one(p, record, delimiter, &state->fields[n < last ? n : last], why);
        if (p == NULL)
            return 0;
        n++;
        if (p == record->end)
            return n;
        p++;
    }
}

/* The text of a field with doubled quotes, in scratch. */
static uint32_t undouble(ds_buffer *scratch, const csv_field *field)
{
    char *to = ds_buffer_reserve(scratch, field->length);
    uint32_t length = 0;
    for (uint32_t i = 0; i < field->length; i++) {
        to[length++] = field->text[i];
        i += field->text[i] == '"';
    }
    return length;
}

/* The header. */

void ds_csv_header_forget(ds_decoder *decoder)
{
    csv_state *state = decoder->state;
    free(state->header_bad);
    state->header_bad = NULL;
    decoder->header_is_next = true;
}

void ds_csv_header_bad(ds_decoder *decoder, const char *why)
{
    csv_state *state = decoder->state;
    free(state->header_bad);
    state->header_bad = ds_strdup(why);
    decoder->header_is_next = false;
}

static bool has_name(ds_buffer *scratch, const csv_field *field, const char *name)
{
    const char *text = field->text;
    uint32_t length = field->length;
    if (field->doubled) {
        scratch->length = 0;
        length = undouble(scratch, field);
        text = scratch->data;
    }
    return length == strlen(name) && memcmp(text, name, length) == 0;
}

/* The last field of that name. */
static uint32_t find_name(ds_buffer *scratch, const csv_state *state, const char *name)
{
    for (uint32_t i = state->n_fields; i > 0; i--)
        if (has_name(scratch, &state->fields[i - 1], name))
            return i - 1;
    return NO_FIELD;
}

static uint32_t count_of(const ds_record *record, char c)
{
    uint32_t n = 0;
    for (const char *p = record->text; p < record->end; p++)
        n += *p == c;
    return n;
}

ds_status ds_csv_header(ds_decoder *decoder, const ds_record *record, ds_error *error)
{
    csv_state *state = decoder->state;
    const ds_schema *schema = &decoder->format->schema;
    ds_record header = *record;
    ds_error text = {.status = DS_OK};
    ds_csv_header_forget(decoder);
    if (header.end - header.text >= 3 && memcmp(header.text, "\xEF\xBB\xBF", 3) == 0)
        header.text += 3; /* a byte order mark is no part of the first name */
    make_room(state, count_of(&header, decoder->format->delimiter) + 2);
    const char *why = NULL;
    state->n_fields = split(state, &header, decoder->format->delimiter, &why);
    if (state->n_fields == 0)
        ds_error_set(&text, DS_ERR_DATA, "the header has %s", why);
    for (uint32_t i = 0; i < schema->n_fields && text.status == DS_OK; i++) {
        state->field_of[i] = find_name(&decoder->scratch, state, schema->fields[i].name);
        if (state->field_of[i] == NO_FIELD)
            ds_error_set(&text, DS_ERR_DATA, "the header has no column \"%s\"",
                         schema->fields[i].name);
    }
    decoder->header_is_next = false;
    if (text.status == DS_OK)
        return DS_OK;
    ds_csv_header_bad(decoder, text.message);
    return ds_error_set(error, DS_ERR_DATA, "%s", text.message);
}

/* Rows. */

static void put_text(ds_decoder *decoder, const ds_record *record, const csv_field *field,
                     uint32_t column)
{
    if (decoder->columns[column] == NULL)
        return;
    if (!field->doubled) {
        ds_put_view(decoder, column, ds_record_view(record, field->text, field->length));
        return;
    }
    decoder->scratch.length = 0;
    uint32_t length = undouble(&decoder->scratch, field);
    ds_put_view(decoder, column, ds_view_copy(decoder->heap, decoder->scratch.data, length));
}

DS_COLD static bool bad_value(ds_decoder *decoder, const ds_record *record, uint32_t column,
                              const csv_field *field, ds_bad_reason reason)
{
    const csv_state *state = decoder->state;
    const ds_field *of = &decoder->format->schema.fields[column];
    return ds_record_bad(
        decoder, record, reason, "field %u %s is %s %s (column %s)", state->field_of[column] + 1,
        ds_record_shown(decoder, field->text, field->length),
        reason == DS_BAD_RANGE ? "out of range for" : "not", ds_type_phrase(of->type), of->name);
}

/* Reads one column's field into the row being made. */
static inline bool put_field(ds_decoder *decoder, const ds_record *record, uint32_t column,
                             const csv_field *field)
{
    ds_bad_reason reason;
    if (field->length == 0 && !field->quoted)
        ds_put_null(decoder, column);
    else if (decoder->format->schema.fields[column].type.kind == DS_STRING)
        put_text(decoder, record, field, column);
    else if (!ds_put_scalar(decoder, column, field->text, field->length, &reason))
        return bad_value(decoder, record, column, field, reason);
    return true;
}

DS_ALWAYS_INLINE bool decode_record(ds_decoder *decoder, const ds_record *record)
{
    csv_state *state = decoder->state;
    const char *why = NULL;
    if (DS_UNLIKELY(decoder->header_is_next)) {
        ds_csv_header(decoder, record, NULL);
        return false;
    }
    if (DS_UNLIKELY(state->header_bad != NULL))
        return ds_record_bad(decoder, record, DS_BAD_HEADER, "%s", state->header_bad);
    uint32_t n = split_plain(state, record, decoder->format->delimiter);
    if (n == 0)
        n = split(state, record, decoder->format->delimiter, &why);
    if (DS_UNLIKELY(n == 0))
        return ds_record_bad(decoder, record, DS_BAD_SYNTAX, "field with %s", why);
    if (DS_UNLIKELY(n != state->n_fields))
        return ds_record_bad(decoder, record, DS_BAD_FIELDS, "%u fields instead of %u", n,
                             state->n_fields);
    for (uint32_t i = 0; i < decoder->format->schema.n_fields; i++)
        if (!put_field(decoder, record, i, &state->fields[state->field_of[i]]))
            return false;
    return true;
}

static void decode(ds_decoder *decoder)
{
    ds_decode_records(decoder, false, decode_record);
}

const ds_format_ops ds_format_csv = {
    .prepare = prepare,
    .state_new = state_new,
    .state_free = state_free,
    .decode = decode,
};
