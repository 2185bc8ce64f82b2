/*
 * The format `regex`: a regular expression is searched for in each record, and its named groups
 * are the columns, in the order of the groups.
 *
 * A group that took no part is null. Where several groups have one name ("(?J)"), the first of
 * them that took part counts. A record in which nothing is found is bad, and so is one for
 * which the search was given up (regex.h), so that no pattern holds up the app.
 */
#include "columnar/format_marked.h"
#include "columnar/format_value.h"
#include "columnar/regex.h"
#include "columnar/regex_cut_marked.h"

#include <stdlib.h>

#define COLUMNS_MAX 1000u /* as in a schema */
#define NO_COLUMN UINT32_MAX

typedef struct regex_plan {
    const ds_regex *regex;
    const ds_regex_cut *cut; /* the same, for most text; NULL: it is not so simple */
    uint32_t *groups;        /* those of column 0, of column 1, … */
    uint32_t *ends;          /* of each column's groups, an index of groups */
} regex_plan;

typedef struct regex_state {
    ds_matcher matcher;
    const ds_regex_cut *cut; /* that may be used, or NULL */
    size_t *places;          /* it found */
    ds_steady *before;       /* for it */
    const char **parts;      /* as places, of a marked line */
    ds_cut_habit habit;
} regex_state;

/* The columns of a pattern, strings but for those that `types` has, and which of them each
 * group belongs to. */
static ds_status find_columns(ds_arena *arena, const ds_regex *regex, const ds_schema *types,
                              ds_schema *columns, uint32_t *column_of, ds_error *error)
{
    *columns = (ds_schema){DS_ARENA_ARRAY(arena, ds_field, COLUMNS_MAX), 0};
    for (uint32_t group = 1; group <= ds_regex_groups(regex); group++) {
        const char *name = ds_regex_group_name(regex, group);
        int column = name != NULL ? ds_schema_find(columns, name) : -1;
        column_of[group] = column >= 0 ? (uint32_t)column : columns->n_fields;
        if (name == NULL)
            column_of[group] = NO_COLUMN;
        if (name == NULL || column >= 0)
            continue;
        if (columns->n_fields == COLUMNS_MAX)
            return ds_error_set(error, DS_ERR_APP, "more than %u named groups", COLUMNS_MAX);
        int typed = ds_schema_find(types, name);
        columns->fields[columns->n_fields++] =
            (ds_field){name, typed >= 0 ? types->fields[typed].type : DS_TYPE(DS_STRING)};
    }
    if (columns->n_fields == 0)
        return ds_error_set(error, DS_ERR_APP,
                            "the regular expression has no named group, as \"(?<name>…)\"");
    for (uint32_t i = 0; i < types->n_fields; i++)
        if (ds_schema_find(columns, types->fields[i].name) < 0)
            return ds_error_set(error, DS_ERR_APP, "the regular expression has no group \"%s\"",
                                types->fields[i].name);
    return DS_OK;
}

/* Sorts the groups by their columns. */
static void sort_groups(ds_arena *arena, const uint32_t *column_of, uint32_t n_columns,
                        regex_plan *plan)
{
    uint32_t n_groups = ds_regex_groups(plan->regex);
    plan->groups = DS_ARENA_ARRAY(arena, uint32_t, n_groups);
    plan->ends = DS_ARENA_ARRAY(arena, uint32_t, n_columns + 1);
    for (uint32_t group = 1; group <= n_groups; group++)
        if (column_of[group] != NO_COLUMN)
            plan->ends[column_of[group] + 1]++;
    for (uint32_t i = 0; i < n_columns; i++)
        plan->ends[i + 1] += plan->ends[i];
    /* Now ends[i] is where column i begins; counted up below to where it ends. */
    for (uint32_t group = 1; group <= n_groups; group++)
        if (column_of[group] != NO_COLUMN)
            plan->groups[plan->ends[column_of[group]]++] = group;
}

static ds_status prepare(ds_arena *arena, const ds_format_spec *spec, ds_format *format,
                         ds_error *error)
{
    regex_plan *plan = DS_ARENA_NEW(arena, regex_plan);
    ds_schema columns;
    ds_error wrong;
    size_t at = 0;
    if (ds_regex_compile(arena, spec->regex, strlen(spec->regex), &plan->regex, &at, &wrong) !=
        DS_OK)
        return ds_error_set(error, DS_ERR_APP,
                            "the regular expression is wrong at its byte %zu: %s", at + 1,
                            wrong.message);
    uint32_t *column_of = DS_ARENA_ARRAY(arena, uint32_t, ds_regex_groups(plan->regex) + 1);
    DS_TRY(find_columns(arena, plan->regex, &spec->schema, &columns, column_of, error));
    DS_TRY(ds_format_text_schema(arena, &columns, "regex", &format->schema, error));
    sort_groups(arena, column_of, columns.n_fields, plan);
    plan->cut =
        ds_regex_cut_compile(arena, spec->regex, strlen(spec->regex), ds_regex_groups(plan->regex));
    format->plan = plan;
    if (plan->cut != NULL)
        format->marks = ds_regex_cut_marks(plan->cut);
    return DS_OK;
}

static void *state_new(const ds_format *format)
{
    const regex_plan *plan = format->plan;
    regex_state *state = ds_calloc(1, sizeof *state);
    ds_matcher_init(&state->matcher, plan->regex);
    state->cut = ds_regex_cut_allowed() ? plan->cut : NULL;
    state->places =
        ds_calloc(2 * ((size_t)ds_regex_groups(plan->regex) + 1), sizeof *state->places);
    state->parts = ds_calloc(2 * ((size_t)ds_regex_groups(plan->regex) + 1), sizeof *state->parts);
    if (state->cut != NULL)
        state->before = ds_calloc(ds_regex_cut_runs(state->cut), sizeof *state->before);
    return state;
}

static void state_free(void *arg)
{
    regex_state *state = arg;
    ds_matcher_fini(&state->matcher);
    free(state->places);
    free(state->parts);
    free(state->before);
    free(state);
}

/* The text of a column's first group that took part; false if none did. */
DS_ALWAYS_INLINE bool group_text(const regex_plan *plan, const size_t *places, uint32_t column,
                                 size_t *from, size_t *to)
{
    for (uint32_t i = column > 0 ? plan->ends[column - 1] : 0; i < plan->ends[column]; i++)
        if (ds_places_group(places, plan->groups[i], from, to))
            return true;
    return false;
}

/* As ds_record_view; nobody can foresee whether a group is short. */
DS_ALWAYS_INLINE ds_view view_of(const ds_record *record, const char *text, uint32_t length)
{
    if (DS_UNLIKELY(record->limit - text < (ptrdiff_t)sizeof(ds_view)))
        return ds_record_view(record, text, length);
    uint32_t offset = record->offset + (uint32_t)(text - record->text);
    return ds_view_of_any(text, length, record->buffer, offset);
}

DS_ALWAYS_INLINE bool put_groups(ds_decoder *decoder, const ds_record *record, const size_t *places)
{
    const ds_format *format = decoder->format;
    for (uint32_t i = 0; i < format->schema.n_fields; i++) {
        size_t from, to;
        ds_bad_reason reason;
        if (!group_text(format->plan, places, i, &from, &to)) {
            ds_put_null(decoder, i);
            continue;
        }
        const char *text = record->text + from;
        uint32_t length = (uint32_t)(to - from);
        if (format->schema.fields[i].type.kind == DS_STRING)
            ds_put_view(decoder, i, view_of(record, text, length));
        else if (DS_UNLIKELY(!ds_put_scalar(decoder, i, text, length, &reason)))
            return ds_bad_value(decoder, record, i, text, length, reason);
    }
    return true;
}

/* Cuts the record, if its text allows that. */
DS_ALWAYS_INLINE ds_match search(ds_decoder *decoder, const ds_record *record,
                                 const size_t **places)
{
    regex_state *state = decoder->state;
    if (state->cut != NULL && decoder->lines.plain &&
        record->limit - record->end >= (ptrdiff_t)DS_CUT_BEHIND) {
        *places = state->places;
        return ds_regex_cut_run(state->cut, record->text, record->end, state->places, state->before)
                   ? DS_MATCH_FOUND
                   : DS_MATCH_NONE;
    }
    *places = state->matcher.places;
    size_t length = (size_t)(record->end - record->text);
    return ds_matcher_search(&state->matcher, record->text, length, 0, false);
}

DS_ALWAYS_INLINE bool decode_record(ds_decoder *decoder, const ds_record *record)
{
    const size_t *places;
    ds_match match = search(decoder, record, &places);
    if (DS_LIKELY(match == DS_MATCH_FOUND))
        return put_groups(decoder, record, places);
    if (match == DS_MATCH_LIMIT)
        return ds_record_bad(decoder, record, DS_BAD_MATCH_LIMIT,
                             "the regular expression takes too many steps or too much memory");
    return ds_record_bad(decoder, record, DS_BAD_SYNTAX, "the regular expression does not match");
}

/*
 * Lines that are cut by their marks. Each column has one group, which takes part.
 */

/* As ds_put_scalar; ints of up to eight digits take no branch that hangs on their length. */
DS_MARKED DS_ALWAYS_INLINE bool put_marked(ds_decoder *decoder, uint32_t column, const char *text,
                                           uint32_t length)
{
    ds_bad_reason reason;
    uint64_t digits = ds_digits_padded(text, length);
    bool is_int = decoder->format->schema.fields[column].type.kind == DS_INT;
    if (DS_UNLIKELY(!is_int || length - 1 >= 8 || !ds_digits_are(digits)))
        return ds_put_scalar(decoder, column, text, length, &reason);
    ds_put_int(decoder, column, (int64_t)ds_digits_value(digits));
    return true;
}

DS_MARKED DS_ALWAYS_INLINE bool put_cut(ds_decoder *decoder, const char **parts)
{
    const ds_format *format = decoder->format;
    const uint32_t *groups = ((const regex_plan *)format->plan)->groups;
    for (uint32_t i = 0; i < format->schema.n_fields; i++) {
        const char *text = parts[2 * (size_t)groups[i]];
        uint32_t length = (uint32_t)(parts[2 * (size_t)groups[i] + 1] - text);
        if (format->schema.fields[i].type.kind != DS_STRING) {
            if (!put_marked(decoder, i, text, length))
                return false;
        } else if (decoder->columns[i] != NULL) {
            decoder->columns[i]->views[decoder->n_rows] = ds_marked_view(decoder, text, length);
        }
    }
    return true;
}

_Static_assert(DS_MARKED_BEHIND >= DS_CUT_MARKED_BEHIND, "a marked line may be cut");

DS_MARKED static void decode_cut(ds_decoder *decoder)
{
    regex_state *state = decoder->state;
    const ds_marks *marks = decoder->lines.marks;
    const char *text, *end;
    while (ds_marked_line(decoder, &text, &end)) {
        if (DS_UNLIKELY(end == text || ds_is_space(*text))) /* it may be blank */
            return;
        if (DS_UNLIKELY(end[-1] == '\r')) {
            if (!ds_regex_cut_marks_returns(state->cut))
                return;
            end--;
        }
        if (DS_UNLIKELY(!ds_regex_cut_run_marked(state->cut, marks, text, end, state->parts,
                                                 &state->habit)) ||
            DS_UNLIKELY(!put_cut(decoder, state->parts)))
            return;
        ds_marked_take(decoder);
    }
}

static void decode(ds_decoder *decoder)
{
    ds_decode_marked(decoder, decode_cut, decode_record);
}

const ds_format_ops ds_format_regex = {
    .prepare = prepare,
    .state_new = state_new,
    .state_free = state_free,
    .decode = decode,
};
