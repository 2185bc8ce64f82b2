#include "exec/dead_letters.h"

#include "base/assert.h"
#include "columnar/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct ds_dead_letters {
    ds_sink_context context;
    const ds_sink_plan *sink;
    size_t record_limit;
    ds_staged_file *file; /* NULL: there are none yet */
    uint64_t n;
    ds_buffer text; /* repaired, or of rows */
};

ds_dead_letters *ds_dead_letters_new(const ds_plan *plan, const ds_sink_context *context)
{
    if (plan->dead_letters == DS_NO_SINK)
        return NULL;
    ds_dead_letters *letters = ds_calloc(1, sizeof *letters);
    letters->context = *context;
    letters->sink = plan->sinks[plan->dead_letters];
    letters->record_limit = (size_t)plan->app->limits_record;
    return letters;
}

void ds_dead_letters_free(ds_dead_letters *letters, bool reported)
{
    if (letters == NULL)
        return;
    if (letters->file != NULL && !reported)
        ds_staged_file_discard(letters->file);
    ds_staged_file_free(letters->file);
    ds_buffer_fini(&letters->text);
    free(letters);
}

/* ---- texts ---- */

/* Any bytes as a JSON string: what is not UTF-8 is replaced. Returns whether something was. */
static bool put_text(ds_dead_letters *letters, ds_buffer *out, const char *key, const char *bytes,
                     size_t length)
{
    ds_buffer *repaired = &letters->text;
    repaired->length = 0;
    bool replaced = ds_utf8_repair(repaired, bytes, length) > 0;
    ds_buffer_printf(out, "\"%s\":", key);
    ds_json_string(out, repaired->data, repaired->length);
    return replaced;
}

static void put_base64(ds_buffer *out, const char *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = (const unsigned char *)bytes;
    char *to = ds_buffer_reserve(out, (length + 2) / 3 * 4);
    for (size_t i = 0; i < length; i += 3, to += 4) {
        uint32_t three = (uint32_t)in[i] << 16;
        three |= i + 1 < length ? (uint32_t)in[i + 1] << 8 : 0;
        three |= i + 2 < length ? (uint32_t)in[i + 2] : 0;
        to[0] = digits[three >> 18];
        to[1] = digits[three >> 12 & 63];
        to[2] = i + 1 < length ? digits[three >> 6 & 63] : '=';
        to[3] = i + 2 < length ? digits[three & 63] : '=';
    }
    out->length += (length + 2) / 3 * 4;
}

/* As much of a record as is kept: not a half of its last character. */
static size_t kept_length(const ds_dead_letters *letters, const char *record, size_t length)
{
    if (length <= letters->record_limit)
        return length;
    size_t kept = letters->record_limit;
    for (int i = 0; i < 3 && kept > 0 && ((unsigned char)record[kept] & 0xC0) == 0x80; i++)
        kept--;
    return kept;
}

/* ---- letters ---- */

/* Begins a letter, with its time. */
static ds_status begin(ds_dead_letters *letters, ds_buffer **out, ds_error *error)
{
    DS_ASSERT(letters->file != NULL || letters->n == 0);
    if (letters->file == NULL)
        DS_TRY(ds_sink_stage(letters->sink, &letters->context, &letters->file, error));
    *out = ds_staged_file_buffer(letters->file);
    char time[DS_TIMESTAMP_TEXT];
    size_t n = ds_format_timestamp(letters->context.task->batch_ms * 1000, time);
    ds_buffer_printf(*out, "{\"time\":\"%.*s\",", (int)n, time);
    letters->n++;
    return DS_OK;
}

static void put_position(ds_dead_letters *letters, ds_buffer *out, const ds_dead_letter *letter)
{
    DS_ASSERT(letter->file != NULL || letter->number > 0);
    ds_buffer_append_text(out, ",\"position\":{");
    if (letter->file != NULL) {
        put_text(letters, out, "file", letter->file, strlen(letter->file));
        ds_buffer_append_char(out, ',');
    }
    if (letter->number > 0)
        ds_buffer_printf(out, "\"record\":%" PRIu64 "}", letter->number);
    else
        ds_buffer_printf(out, "\"offset\":%" PRIu64 "}", letter->offset);
}

static void put_record(ds_dead_letters *letters, ds_buffer *out, const char *record, size_t length)
{
    size_t kept = kept_length(letters, record, length);
    DS_ASSERT(kept <= length && kept <= letters->record_limit);
    bool replaced = put_text(letters, out, "record", record, kept);
    if (replaced) {
        ds_buffer_append_text(out, ",\"base64\":\"");
        put_base64(out, record, kept);
        ds_buffer_append_char(out, '"');
    }
    if (kept < length)
        ds_buffer_printf(out, ",\"length\":%zu", length);
}

ds_status ds_dead_letters_record(ds_dead_letters *letters, const ds_dead_letter *letter,
                                 ds_error *error)
{
    DS_ASSERT(letter->reason < DS_BAD_REASONS);
    ds_buffer *out;
    DS_TRY(begin(letters, &out, error));
    ds_buffer_printf(out, "\"source\":\"%s\"", letter->source); /* letters, digits and _ */
    put_position(letters, out, letter);
    ds_buffer_printf(out, ",\"reason\":\"%s\",", ds_bad_reason_name(letter->reason));
    put_text(letters, out, "detail", letter->detail, strlen(letter->detail));
    if (letter->header != NULL) {
        ds_buffer_append_char(out, ',');
        put_text(letters, out, "header", letter->header, letter->header_length);
    }
    ds_buffer_append_char(out, ',');
    put_record(letters, out, letter->record, letter->length);
    ds_buffer_append_text(out, "}\n");
    return ds_staged_file_drain(letters->file, error);
}

/* Writes rows as JSON, one a line, without columns that are NULL. */
static void write_rows(ds_buffer *out, const ds_schema *schema, const ds_heap *heap,
                       const ds_chunk *chunk)
{
    ds_field *fields = ds_calloc(schema->n_fields + 1, sizeof *fields);
    const ds_column **columns = ds_calloc(schema->n_fields + 1, sizeof(ds_column *));
    uint32_t n = 0;
    for (uint32_t c = 0; c < schema->n_fields; c++) {
        if (chunk->columns[c] == NULL)
            continue;
        fields[n] = schema->fields[c];
        columns[n++] = chunk->columns[c];
    }
    const ds_schema known = {fields, n};
    const ds_chunk rows = {chunk->n_rows, n, columns, NULL};
    ds_rows_write(out, DS_ROWS_JSON, &known, heap, &rows);
    free(fields);
    free(columns);
}

ds_status ds_dead_letters_rows(ds_dead_letters *letters, const char *stream, ds_drop_reason reason,
                               const ds_schema *schema, const ds_heap *heap, const ds_chunk *chunk,
                               ds_error *error)
{
    static const char *const reasons[] = {
        [DS_DROP_OVERFLOW] = "\"overflow\",\"detail\":"
                             "\"a result in its flat_map, where or select is out of range\"",
        [DS_DROP_FUNCTION] = "\"function\",\"detail\":"
                             "\"a function in its flat_map, where or select failed\"",
    };
    DS_ASSERT(chunk->n_rows > 0 && reason < sizeof reasons / sizeof *reasons);
    letters->text.length = 0;
    write_rows(&letters->text, schema, heap, chunk);
    const char *row = ds_buffer_text(&letters->text);
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        size_t length = strcspn(row, "\n"); /* strings have none: they are escaped */
        ds_buffer *out;
        DS_TRY(begin(letters, &out, error));
        ds_buffer_printf(out, "\"stream\":\"%s\",\"reason\":%s,\"row\":", stream, reasons[reason]);
        ds_buffer_append(out, row, length);
        ds_buffer_append_text(out, "}\n");
        DS_TRY(ds_staged_file_drain(letters->file, error));
        row += length + 1;
    }
    DS_ASSERT(row == letters->text.data + letters->text.length);
    return DS_OK;
}

ds_status ds_dead_letters_finish(ds_dead_letters *letters, ds_arena *arena, ds_output *outputs,
                                 uint32_t *n_outputs, ds_error *error)
{
    if (letters == NULL || letters->n == 0)
        return DS_OK;
    DS_TRY(ds_sink_staged(letters->sink, &letters->context, letters->file, letters->n, arena,
                          &outputs[*n_outputs], error));
    (*n_outputs)++;
    return DS_OK;
}
