/*
 * The format `logfmt`: key=value pairs with white space between them.
 *
 *     level=info msg="user \"ann\" came in" ms=12 debug
 *
 * A key goes to its `=` or to the next white space (then it is null, as with nothing behind
 * the `=`); a value begins with a quote and goes to the next one that is not escaped, or goes to
 * the next white space. So a `=` in a value is part of it, and a pair without a key is a pair that
 * nobody asks for. A quote anywhere else makes the record bad, whichever columns are wanted.
 *
 * A record is first cut into pairs. Each pair of a column's key is noted in that column's cell;
 * the last one stays. Then the cells become values.
 */
#include "columnar/format_key.h"
#include "columnar/format_scan.h"
#include "columnar/format_value.h"

#include <stdlib.h>

#define NO_COLUMN UINT32_MAX

typedef struct logfmt_plan {
    ds_key_ends *ends; /* of the columns' names */
    uint32_t *lengths;
    uint32_t *table; /* columns by the hash of their names; NO_COLUMN: none */
    uint32_t mask;
} logfmt_plan;

/* What the record says about one column so far. */
typedef struct logfmt_cell {
    const char *text; /* NULL: null */
    uint32_t length;
    bool escaped; /* has backslashes before quotes or backslashes */
} logfmt_cell;

typedef struct logfmt_state {
    logfmt_cell *cells;
} logfmt_state;

static ds_status prepare(ds_arena *arena, const ds_format_spec *spec, ds_format *format,
                         ds_error *error)
{
    DS_TRY(ds_format_text_schema(arena, &spec->schema, "logfmt", &format->schema, error));
    uint32_t n = format->schema.n_fields, room = 4;
    while (room < 2 * n)
        room *= 2;
    logfmt_plan *plan = DS_ARENA_NEW(arena, logfmt_plan);
    plan->ends = DS_ARENA_ARRAY(arena, ds_key_ends, n);
    plan->lengths = DS_ARENA_ARRAY(arena, uint32_t, n);
    plan->table = DS_ARENA_ARRAY(arena, uint32_t, room);
    plan->mask = room - 1;
    memset(plan->table, 0xFF, room * sizeof *plan->table);
    for (uint32_t i = 0; i < n; i++) {
        const char *name = format->schema.fields[i].name;
        plan->lengths[i] = (uint32_t)strlen(name);
        plan->ends[i] = ds_key_ends_of(name, plan->lengths[i], name + plan->lengths[i]);
        uint32_t slot = ds_key_hash(plan->ends[i], plan->lengths[i]);
        while (plan->table[slot & plan->mask] != NO_COLUMN)
            slot++;
        plan->table[slot & plan->mask] = i;
    }
    format->plan = plan;
    return DS_OK;
}

static void *state_new(const ds_format *format)
{
    logfmt_state *state = ds_calloc(1, sizeof *state);
    state->cells = ds_calloc(format->schema.n_fields, sizeof *state->cells);
    return state;
}

static void state_free(void *arg)
{
    logfmt_state *state = arg;
    free(state->cells);
    free(state);
}

/* The column of that name, or NO_COLUMN. */
static inline uint32_t find_column(const ds_format *format, const char *key, uint32_t length,
                                   const char *limit)
{
    const logfmt_plan *plan = format->plan;
    ds_key_ends ends = ds_key_ends_of(key, length, limit);
    for (uint32_t slot = ds_key_hash(ends, length);; slot++) {
        uint32_t column = plan->table[slot & plan->mask];
        if (column == NO_COLUMN ||
            ds_key_equal(format->schema.fields[column].name, plan->ends[column],
                         plan->lengths[column], key, ends, length))
            return column;
    }
}

/* Cutting. */

/* The end of a key or a bare value: white space, a quote, or (of a key) a `=`. */
DS_ALWAYS_INLINE const char *scan_word(const char *p, const ds_record *record, bool key)
{
    for (;; p++) {
        p = ds_scan_logfmt(p, record->end, record->limit);
        if (p == record->end || ds_is_space(*p) || *p == '"' || (*p == '=' && key))
            return p;
    }
}

/* Reads a quoted value whose quote is at p. Returns what is behind it; NULL: it has no end. */
DS_ALWAYS_INLINE const char *take_quoted(const char *p, const ds_record *record, logfmt_cell *cell)
{
    const char *from = ++p;
    cell->escaped = false;
    for (;; p += 2) {
        p = ds_scan_either(p, record->end, record->limit, '"', '\\');
        if (p == record->end)
            return NULL;
        if (*p == '"')
            break;
        if (record->end - p < 2)
            return NULL;
        if (p[1] != '"' && p[1] != '\\')
            p--; /* stays, and takes nothing with it */
        else
            cell->escaped = true;
    }
    cell->text = from;
    cell->length = (uint32_t)(p - from);
    return p + 1;
}

/* Reads the value behind a `=`. Returns what is behind it, or NULL with *why. */
DS_ALWAYS_INLINE const char *take_value(const char *p, const ds_record *record, logfmt_cell *cell,
                                        const char **why)
{
    if (p < record->end && *p == '"') {
        p = take_quoted(p, record, cell);
        if (p == NULL)
            *why = "a quote that does not end";
        else if (p < record->end && !ds_is_space(*p))
            p = NULL, *why = "text behind a closing quote";
        return p;
    }
    const char *from = p;
    p = scan_word(p, record, false);
    *cell = (logfmt_cell){p > from ? from : NULL, (uint32_t)(p - from), false};
    return p;
}

/* Cuts the record into pairs and notes those of columns. Returns NULL, or what is wrong. */
DS_ALWAYS_INLINE const char *cut(ds_decoder *decoder, const ds_record *record)
{
    logfmt_cell *cells = ((logfmt_state *)decoder->state)->cells;
    const char *p = record->text, *why = NULL;
    for (;;) {
        while (p < record->end && ds_is_space(*p))
            p++;
        if (p == record->end)
            return NULL;
        const char *key = p;
        p = scan_word(p, record, true);
        uint32_t length = (uint32_t)(p - key);
        logfmt_cell cell = {NULL, 0, false};
        if (p < record->end && *p == '=') {
            p = take_value(p + 1, record, &cell, &why);
            if (DS_UNLIKELY(p == NULL))
                return why;
        }
        if (DS_UNLIKELY(p < record->end && *p == '"'))
            return "a quote inside a key or a value";
        uint32_t column = find_column(decoder->format, key, length, record->limit);
        if (column != NO_COLUMN)
            cells[column] = cell;
    }
}

/* Rows. */

/* The text of a cell with its escapes taken out, in the heap. */
static ds_view unescape(ds_decoder *decoder, const logfmt_cell *cell)
{
    ds_buffer *scratch = &decoder->scratch;
    scratch->length = 0;
    char *to = ds_buffer_reserve(scratch, cell->length);
    uint32_t length = 0;
    for (uint32_t i = 0; i < cell->length; i++) {
        const char *c = cell->text + i;
        if (*c == '\\' && i + 1 < cell->length && (c[1] == '"' || c[1] == '\\'))
            i++;
        to[length++] = cell->text[i];
    }
    return ds_view_copy(decoder->heap, to, length);
}

static inline void put_text(ds_decoder *decoder, const ds_record *record, uint32_t column,
                            const logfmt_cell *cell)
{
    if (decoder->columns[column] == NULL)
        return;
    ds_put_view(decoder, column,
                cell->escaped ? unescape(decoder, cell)
                              : ds_record_view(record, cell->text, cell->length));
}

DS_ALWAYS_INLINE bool put_cell(ds_decoder *decoder, const ds_record *record, uint32_t column,
                               const logfmt_cell *cell)
{
    ds_bad_reason reason;
    if (cell->text == NULL)
        ds_put_null(decoder, column);
    else if (decoder->format->schema.fields[column].type.kind == DS_STRING)
        put_text(decoder, record, column, cell);
    else if (DS_UNLIKELY(!ds_put_scalar(decoder, column, cell->text, cell->length, &reason)))
        return ds_bad_value(decoder, record, column, cell->text, cell->length, reason);
    return true;
}

DS_ALWAYS_INLINE bool decode_record(ds_decoder *decoder, const ds_record *record)
{
    logfmt_cell *cells = ((logfmt_state *)decoder->state)->cells;
    uint32_t n = decoder->format->schema.n_fields;
    memset(cells, 0, n * sizeof *cells);
    const char *why = cut(decoder, record);
    if (DS_UNLIKELY(why != NULL))
        return ds_record_bad(decoder, record, DS_BAD_SYNTAX, "%s", why);
    for (uint32_t i = 0; i < n; i++)
        if (!put_cell(decoder, record, i, &cells[i]))
            return false;
    return true;
}

static void decode(ds_decoder *decoder)
{
    ds_decode_records(decoder, false, decode_record);
}

const ds_format_ops ds_format_logfmt = {
    .prepare = prepare,
    .state_new = state_new,
    .state_free = state_free,
    .decode = decode,
};
