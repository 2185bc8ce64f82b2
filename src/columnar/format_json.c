/*
 * The format `json`: one object a line.
 *
 * The keys that the schema names form a tree: a column without a path is a leaf of its root,
 * "user.id" a leaf under the node `user`. The record's objects are walked along with it: at a
 * key that the tree does not have, the value is scanned and forgotten; where the tree goes on,
 * so does the walk; all without recursion and without keeping anything but one cell for each
 * column. What does not fit a column is only noted in its cell, as of a repeated key the last
 * one counts; whether it makes the record bad shows when the object is at its end.
 */
#include "columnar/format_internal.h"
#include "columnar/format_json_guide.h"
#include "columnar/format_json_scan.h"
#include "columnar/format_key.h"
#include "columnar/format_marked.h"
#include "columnar/text.h"

#include <stdlib.h>

#define PATH_PARTS 64u

typedef struct json_node {
    const char *key;
    uint32_t length;
    ds_key_ends ends;        /* of the key */
    struct json_node *above; /* NULL at the root */
    struct json_node *below; /* the first child */
    struct json_node *beside;
    struct json_node **table; /* children by the hash of their keys; NULL: no child */
    uint32_t table_mask;
    uint32_t *columns; /* the columns that are read here, then those of all nodes below */
    uint32_t n_columns, n_all_columns;
} json_node;

typedef enum cell_state { CELL_SET, CELL_MISSING, CELL_NULL, CELL_BAD } cell_state;

/* What the record says about one column so far. */
typedef struct json_cell {
    ds_bad_reason reason; /* CELL_BAD */
    const char *start, *end;
} json_cell;

typedef struct json_state {
    uint8_t *states;   /* a cell_state for each column, up to n_words words of eight */
    uint64_t *missing; /* the states before anything is read */
    uint32_t n_words;
    json_cell *cells;
    uint32_t *list_room; /* for each column of lists: how many elements fit in its child */
    uint32_t n_columns;
    ds_json_guide guide;
} json_state;

/* The tree of keys. */

static inline json_node *find_child(const json_node *node, const char *key, uint32_t length,
                                    const char *limit)
{
    ds_key_ends ends = ds_key_ends_of(key, length, limit);
    for (uint32_t slot = ds_key_hash(ends, length);; slot++) {
        json_node *child = node->table[slot & node->table_mask];
        if (child == NULL ||
            ds_key_equal(child->key, child->ends, child->length, key, ends, length))
            return child;
    }
}

/* The child of that key, made if it is new. */
static json_node *need_child(ds_arena *arena, json_node *node, const char *key, uint32_t length)
{
    for (json_node *child = node->below; child != NULL; child = child->beside)
        if (child->length == length && memcmp(child->key, key, length) == 0)
            return child;
    json_node *child = DS_ARENA_NEW(arena, json_node);
    child->key = ds_arena_strndup(arena, key, length);
    child->length = length;
    child->ends = ds_key_ends_of(child->key, length, child->key + length);
    child->above = node;
    child->beside = node->below;
    node->below = child;
    return child;
}

static void add_number(ds_arena *arena, uint32_t **numbers, uint32_t *n, uint32_t number)
{
    uint32_t *more = DS_ARENA_ARRAY(arena, uint32_t, *n + 1);
    if (*n > 0)
        memcpy(more, *numbers, *n * sizeof *more);
    more[(*n)++] = number;
    *numbers = more;
}

/* Goes from the root to the node of a path, made where it is new. NULL: not a path. */
static json_node *need_path(ds_arena *arena, json_node *root, const char *path)
{
    json_node *node = root;
    for (uint32_t parts = 0; parts < PATH_PARTS; parts++) {
        size_t length = strcspn(path, ".");
        if (length == 0)
            return NULL;
        node = need_child(arena, node, path, (uint32_t)length);
        if (path[length] == '\0')
            return node;
        path += length + 1;
    }
    return NULL;
}

/* The next node in an order in which parents come before children. */
static json_node *next_node(json_node *node)
{
    if (node->below != NULL)
        return node->below;
    while (node != NULL && node->beside == NULL)
        node = node->above;
    return node == NULL ? NULL : node->beside;
}

static void make_table(ds_arena *arena, json_node *node)
{
    uint32_t n = 0, size = 2;
    for (json_node *child = node->below; child != NULL; child = child->beside)
        n++;
    while (size < n * 2)
        size *= 2;
    node->table_mask = size - 1;
    node->table = DS_ARENA_ARRAY(arena, json_node *, size);
    for (json_node *child = node->below; child != NULL; child = child->beside) {
        uint32_t slot = ds_key_hash(child->ends, child->length);
        while (node->table[slot & node->table_mask] != NULL)
            slot++;
        node->table[slot & node->table_mask] = child;
    }
}

static ds_status prepare(ds_arena *arena, const ds_format_spec *spec, ds_format *format,
                         ds_error *error)
{
    DS_TRY(ds_format_copy_schema(arena, &spec->schema, &format->schema, error));
    json_node *root = DS_ARENA_NEW(arena, json_node);
    json_node **leaves = DS_ARENA_ARRAY(arena, json_node *, format->schema.n_fields);
    for (uint32_t i = 0; i < format->schema.n_fields; i++) {
        const char *path = spec->paths == NULL ? NULL : spec->paths[i];
        const char *name = format->schema.fields[i].name;
        leaves[i] = path == NULL ? need_child(arena, root, name, (uint32_t)strlen(name))
                                 : need_path(arena, root, path);
        if (leaves[i] == NULL)
            return ds_error_set(error, DS_ERR_APP, "column \"%s\": path \"%s\" %s", name, path,
                                "is not a list of 1 to 64 keys with dots between them");
        add_number(arena, &leaves[i]->columns, &leaves[i]->n_columns, i);
    }
    for (json_node *node = root; node != NULL; node = next_node(node)) {
        make_table(arena, node);
        node->n_all_columns = node->n_columns;
    }
    for (uint32_t i = 0; i < format->schema.n_fields; i++)
        for (json_node *node = leaves[i]->above; node != NULL; node = node->above)
            add_number(arena, &node->columns, &node->n_all_columns, i);
    static const ds_mark_bytes marks = {.special = "\"\\", .controls = true};
    format->plan = root;
    format->marks = &marks;
    return DS_OK;
}

static void *state_new(const ds_format *format)
{
    json_state *state = ds_calloc(1, sizeof *state);
    uint32_t n = format->schema.n_fields;
    state->n_columns = n;
    state->n_words = (n + 7) / 8;
    state->states = ds_calloc(state->n_words, 8);
    state->missing = ds_calloc(state->n_words, 8);
    memset(state->missing, CELL_MISSING, n);
    state->cells = ds_calloc(n, sizeof *state->cells);
    state->list_room = ds_calloc(n, sizeof *state->list_room);
    return state;
}

static void state_free(void *arg)
{
    json_state *state = arg;
    free(state->states);
    free(state->missing);
    free(state->cells);
    free(state->list_room);
    free(state);
}

/* Values. Each returns true, or false with *reason. */

static bool read_int(const ds_json_token *token, int64_t *value, ds_bad_reason *reason)
{
    const char *text = token->start;
    *reason = DS_BAD_TYPE;
    return token->kind == DS_JSON_INT &&
           ds_field_int(text, (size_t)(token->end - text), value, reason);
}

static bool read_float(const ds_json_token *token, double *value, ds_bad_reason *reason)
{
    const char *text = token->start;
    *reason = DS_BAD_TYPE;
    return (token->kind == DS_JSON_INT || token->kind == DS_JSON_NUMBER) &&
           ds_field_float(text, (size_t)(token->end - text), value, reason);
}

static bool read_bool(const ds_json_token *token, bool *value, ds_bad_reason *reason)
{
    *reason = DS_BAD_TYPE;
    *value = token->kind == DS_JSON_TRUE;
    return token->kind == DS_JSON_TRUE || token->kind == DS_JSON_FALSE;
}

/* The text of a string: in the record, or unescaped in scratch. */
static bool read_text(ds_decoder *decoder, const ds_json_token *token, const char **text,
                      uint32_t *length, ds_bad_reason *reason)
{
    *reason = DS_BAD_TYPE;
    if (token->kind != DS_JSON_STRING)
        return false;
    *text = token->start;
    *length = (uint32_t)(token->end - token->start);
    if (!token->escaped)
        return true;
    ds_buffer *scratch = &decoder->scratch;
    scratch->length = 0;
    *reason = DS_BAD_ENCODING;
    if (!ds_json_unescape(scratch, *text, *length))
        return false;
    *text = ds_buffer_text(scratch);
    *length = (uint32_t)scratch->length;
    return true;
}

static bool read_view(ds_decoder *decoder, const ds_record *record, const ds_json_token *token,
                      bool wanted, ds_view *view, ds_bad_reason *reason)
{
    const char *text;
    uint32_t length;
    if (!read_text(decoder, token, &text, &length, reason))
        return false;
    if (wanted)
        *view = token->escaped ? ds_view_copy(decoder->heap, text, length)
                               : ds_record_view(record, text, length);
    return true;
}

static bool read_timestamp(ds_decoder *decoder, const ds_json_token *token, int64_t *us,
                           ds_bad_reason *reason)
{
    const char *text;
    uint32_t length;
    if (!read_text(decoder, token, &text, &length, reason))
        return false;
    *reason = DS_BAD_TYPE;
    return ds_parse_timestamp(text, length, us);
}

/* Reads a value that is no list into place `row` of `to` (NULL: only checks it). */
DS_ALWAYS_INLINE bool read_scalar(ds_decoder *decoder, const ds_record *record, ds_kind kind,
                                  const ds_json_token *token, ds_column *to, uint32_t row,
                                  ds_bad_reason *reason)
{
    ds_view view = {0};
    int64_t number = 0;
    double real = 0;
    bool truth = false, ok;
    switch (kind) {
    case DS_BOOL:
        ok = read_bool(token, &truth, reason);
        if (ok && to != NULL)
            ds_bit_put(to->bits, row, truth);
        return ok;
    case DS_FLOAT:
        ok = read_float(token, &real, reason);
        if (ok && to != NULL)
            to->floats[row] = real;
        return ok;
    case DS_STRING:
        ok = read_view(decoder, record, token, to != NULL, &view, reason);
        if (ok && to != NULL)
            to->views[row] = view;
        return ok;
    default:
        ok = kind == DS_INT ? read_int(token, &number, reason)
                            : read_timestamp(decoder, token, &number, reason);
        if (ok && to != NULL)
            to->ints[row] = number;
        return ok;
    }
}

/* Lists. */

/* Makes the child of a column of lists twice as large. */
static void grow_child(ds_decoder *decoder, ds_column *child, uint32_t room, uint32_t used)
{
    ds_column old = *child;
    ds_column_init(child, decoder->arena, old.type, room);
    size_t bytes =
        old.type.kind == DS_BOOL ? ds_bitmap_words(used) * 8 : used * ds_type_width(old.type);
    if (bytes > 0)
        memcpy(child->values, old.values, bytes);
    if (old.validity == NULL)
        return;
    ds_column_need_validity(child, decoder->arena);
    memcpy(child->validity, old.validity, ds_bitmap_words(used) * 8);
}

static void set_element_null(ds_decoder *decoder, ds_column *child, uint32_t at)
{
    ds_column_need_validity(child, decoder->arena);
    ds_bit_clear(child->validity, at);
    if (child->type.kind == DS_BOOL)
        ds_bit_clear(child->bits, at);
    else
        memset((char *)child->values + at * ds_type_width(child->type), 0,
               ds_type_width(child->type));
}

/* Reads one element into place `at` of the column's child. */
static bool read_element(ds_decoder *decoder, const ds_record *record, uint32_t column, uint32_t at,
                         const ds_json_token *token, ds_bad_reason *reason)
{
    json_state *state = decoder->state;
    ds_column *list = decoder->columns[column], *child = list == NULL ? NULL : list->child;
    ds_kind kind = decoder->format->schema.fields[column].type.element;
    if (child != NULL && at == state->list_room[column]) {
        state->list_room[column] = at < 32 ? 64 : at * 2;
        grow_child(decoder, child, state->list_room[column], at);
    }
    if (token->kind == DS_JSON_NULL) {
        if (child != NULL)
            set_element_null(decoder, child, at);
        return true;
    }
    if (child != NULL && child->validity != NULL)
        ds_bit_set(child->validity, at);
    return read_scalar(decoder, record, kind, token, child, at, reason);
}

/* Reads a list, which has been scanned before. */
static bool read_list(ds_decoder *decoder, const ds_record *record, uint32_t column,
                      const ds_json_token *token, ds_bad_reason *reason)
{
    ds_column *list = decoder->columns[column];
    uint32_t at = list == NULL ? 0 : list->offsets[decoder->n_rows];
    *reason = DS_BAD_TYPE;
    if (token->kind != DS_JSON_LIST)
        return false;
    ds_json_scanner scanner = {.end = token->end, .limit = record->limit};
    const char *p = ds_json_space(token->start + 1, scanner.end);
    while (*p != ']') {
        ds_json_token element;
        p = ds_json_value_scan(&scanner, p, 1, &element);
        if (!read_element(decoder, record, column, at++, &element, reason))
            return false;
        p = ds_json_space(p, scanner.end);
        if (*p == ',')
            p = ds_json_space(p + 1, scanner.end);
    }
    if (list != NULL)
        list->offsets[decoder->n_rows + 1] = at;
    return true;
}

/* Cells. */

static inline void set_cell(ds_decoder *decoder, const ds_record *record, uint32_t column,
                            const ds_json_token *token)
{
    json_state *state = decoder->state;
    json_cell *cell = &state->cells[column];
    ds_type type = decoder->format->schema.fields[column].type;
    bool ok;
    if (token->kind == DS_JSON_NULL) {
        state->states[column] = CELL_NULL;
        return;
    }
    if (type.kind == DS_LIST)
        ok = read_list(decoder, record, column, token, &cell->reason);
    else
        ok = read_scalar(decoder, record, type.kind, token, decoder->columns[column],
                         decoder->n_rows, &cell->reason);
    state->states[column] = ok ? CELL_SET : CELL_BAD;
    if (!ok) {
        cell->start = token->start - (token->kind == DS_JSON_STRING);
        cell->end = token->end + (token->kind == DS_JSON_STRING);
    }
}

/* A key of the tree came (again): what was read at its node and below counts no more. */
static inline void forget_cells(json_state *state, const json_node *node)
{
    for (uint32_t i = 0; i < node->n_all_columns; i++)
        state->states[node->columns[i]] = CELL_MISSING;
}

DS_COLD static bool bad_cell(ds_decoder *decoder, const ds_record *record, uint32_t column)
{
    const json_state *state = decoder->state;
    const json_cell *cell = &state->cells[column];
    const ds_field *field = &decoder->format->schema.fields[column];
    size_t length = (size_t)(cell->end - cell->start);
    const char *shown = ds_record_shown(decoder, cell->start, length);
    if (cell->reason == DS_BAD_ENCODING)
        return ds_record_bad(decoder, record, cell->reason,
                             "column %s has \\u0000 or half a surrogate pair: %s", field->name,
                             shown);
    return ds_record_bad(decoder, record, cell->reason, "%s is %s %s (column %s)", shown,
                         cell->reason == DS_BAD_RANGE ? "out of range for" : "not",
                         ds_type_phrase(field->type), field->name);
}

/* A loop, as there is mostly one word. */
DS_ALWAYS_INLINE void forget_all_cells(json_state *state)
{
    for (uint32_t i = 0; i < state->n_words; i++)
        memcpy(state->states + i * 8, &state->missing[i], 8);
}

DS_ALWAYS_INLINE bool all_cells_are_set(const json_state *state)
{
    uint64_t any = 0, word;
    for (uint32_t i = 0; i < state->n_words; i++) {
        memcpy(&word, state->states + i * 8, 8);
        any |= word;
    }
    return any == 0;
}

/* The object was read to its end: makes a row of the cells. */
__attribute__((noinline)) static bool finish_row(ds_decoder *decoder, const ds_record *record)
{
    const json_state *state = decoder->state;
    for (uint32_t i = 0; i < state->n_columns; i++)
        if (DS_UNLIKELY(state->states[i] == CELL_BAD))
            return bad_cell(decoder, record, i);
    for (uint32_t i = 0; i < state->n_columns; i++)
        if (state->states[i] != CELL_SET)
            ds_put_null(decoder, i);
    return true;
}

/* The walk. */

static const char *fail(ds_json_scanner *scanner, const char *error)
{
    scanner->error = error;
    return NULL;
}

/* Reads `"key":` at p; *child becomes the tree's node for it, or NULL. */
DS_ALWAYS_INLINE const char *walk_key(ds_decoder *decoder, ds_json_scanner *scanner, const char *p,
                                      const json_node *node, json_node **child)
{
    ds_json_token key;
    if (p == scanner->end || *p != '"')
        return fail(scanner, "a key is missing");
    p = ds_json_string_scan(scanner, p + 1, &key);
    if (p == NULL)
        return NULL;
    p = ds_json_space(p, scanner->end);
    if (p == scanner->end || *p != ':')
        return fail(scanner, "no colon behind a key");
    const char *text;
    uint32_t length;
    ds_bad_reason reason;
    *child = NULL;
    if (DS_LIKELY(!key.escaped))
        *child = find_child(node, key.start, (uint32_t)(key.end - key.start), scanner->limit);
    else if (read_text(decoder, &key, &text, &length, &reason))
        *child = find_child(node, text, length, text + length);
    return ds_json_space(p + 1, scanner->end);
}

/* Behind a value: closes objects that end here, passes over a comma. *node becomes NULL once
 * the outermost object is closed. */
DS_ALWAYS_INLINE const char *walk_after(ds_json_scanner *scanner, const char *p,
                                        const json_node **node, unsigned *depth)
{
    for (;;) {
        p = ds_json_space(p, scanner->end);
        if (p == scanner->end)
            return fail(scanner, "an object without an end");
        if (*p == ',')
            return ds_json_space(p + 1, scanner->end);
        if (*p != '}')
            return fail(scanner, "no comma between two values");
        p++;
        (*depth)--;
        *node = (*node)->above;
        if (*node == NULL)
            return p;
    }
}

/* Puts a value into the columns of its node, if it has one. */
DS_ALWAYS_INLINE void set_cells(ds_decoder *decoder, const ds_record *record, const json_node *node,
                                const ds_json_token *token)
{
    for (uint32_t i = 0; node != NULL && i < node->n_columns; i++)
        set_cell(decoder, record, node->columns[i], token);
}

/* Reads the value at p, which belongs to a node of the tree. *node becomes that node if the
 * walk goes on inside of the value. */
DS_ALWAYS_INLINE const char *walk_value(ds_decoder *decoder, ds_json_scanner *scanner,
                                        const ds_record *record, const char *p, json_node *child,
                                        const json_node **node, unsigned *depth)
{
    ds_json_token token = {.kind = DS_JSON_OBJECT, .start = p, .end = p + 1};
    bool inside = child->below != NULL && p < scanner->end && *p == '{';
    if (child->below != NULL)
        forget_cells(decoder->state, child);
    if (!inside) {
        p = ds_json_value_scan_fast(scanner, p, *depth, &token);
        if (p == NULL)
            return NULL;
    }
    set_cells(decoder, record, child, &token);
    ((json_state *)decoder->state)->guide.from = token.end;
    if (!inside)
        return walk_after(scanner, p, node, depth);
    *node = child;
    (*depth)++;
    p = ds_json_space(p + 1, scanner->end);
    return p < scanner->end && *p == '}' ? walk_after(scanner, p, node, depth) : p;
}

typedef enum lead { LED_NOWHERE, LED_BEHIND_VALUE, LED_TO_END, LED_ASTRAY } lead;

/* The column of a node that is read by nothing else and holds strings, or -1. */
static int32_t text_column(const ds_decoder *decoder, const json_node *node)
{
    if (node == NULL || node->n_columns != 1)
        return -1;
    uint32_t column = node->columns[0];
    return decoder->format->schema.fields[column].type.kind == DS_STRING ? (int32_t)column : -1;
}

/* The value that a step leads to, at p, whatever it is. Returns what is behind its text, or NULL.
 */
__attribute__((noinline)) static const char *led_value(ds_decoder *decoder,
                                                       ds_json_scanner *scanner,
                                                       const ds_record *record,
                                                       const ds_json_step *step, const char *p)
{
    ds_json_token token;
    p = step->string ? ds_json_string_scan(scanner, p, &token)
                     : ds_json_value_scan(scanner, p, 1, &token);
    if (p == NULL)
        return NULL;
    set_cells(decoder, record, step->node, &token);
    return token.end;
}

/* The string that a step leads to, at p. Where it ends, if it is as most are; else NULL. */
DS_ALWAYS_INLINE const char *led_string(ds_decoder *decoder, const ds_record *record,
                                        const ds_marks *marks, const ds_json_step *step,
                                        const char *p)
{
    const char *end = marks != NULL ? ds_mark_next(marks, marks->special, p)
                                    : ds_scan_json(p, record->end, record->limit);
    if (DS_UNLIKELY(*end != '"')) /* there are DS_GLUE_BYTES behind the record */
        return NULL;
    if (step->node == NULL)
        return end;
    if (DS_UNLIKELY(step->text_column < 0))
        return NULL;
    ((json_state *)decoder->state)->states[step->text_column] = CELL_SET;
    ds_put_view(decoder, (uint32_t)step->text_column,
                ds_record_view(record, p, (uint32_t)(end - p)));
    return end;
}

/*
 * Reads as much of the record as the guide leads through. *at becomes the place that was reached:
 * right behind a value or behind everything. LED_ASTRAY: a value is not JSON. marks: the record's,
 * or the constant NULL if it has none.
 */
DS_ALWAYS_INLINE lead follow(ds_decoder *decoder, ds_json_scanner *scanner, const ds_record *record,
                             const ds_marks *marks, const char **at)
{
    ds_json_guide *guide = &((json_state *)decoder->state)->guide;
    const ds_json_step *step = guide->steps;
    const char *p = record->text, *end = record->end;
    uint32_t left = record->limit - end >= (ptrdiff_t)DS_GLUE_BYTES ? guide->n_steps : 0;
    guide->learning = false;
    for (; left > 0 && ds_json_glue_at(step, p); left--, step++) {
        const char *value = p + step->length, *behind = NULL;
        if (DS_LIKELY(step->string)) {
            behind = led_string(decoder, record, marks, step, value);
        } else if (step->last) {
            if (value != end)
                break;
            *at = end;
            return LED_TO_END;
        } else if (*value == '"' || ds_is_space(*value)) {
            break;
        }
        if (behind == NULL)
            behind = led_value(decoder, scanner, record, step, value);
        if (DS_UNLIKELY(behind == NULL))
            return LED_ASTRAY;
        p = behind;
    }
    uint32_t n = (uint32_t)(step - guide->steps);
    ds_json_guide_learn(guide, n, p);
    *at = n > 0 && step[-1].string ? p + 1 : p;
    return n > 0 ? LED_BEHIND_VALUE : LED_NOWHERE;
}

/* Reads the object that the record has to be, from p on, where the guide led. Returns what is
 * behind it. */
DS_ALWAYS_INLINE const char *walk(ds_decoder *decoder, ds_json_scanner *scanner,
                                  const ds_record *record, lead led, const char *p)
{
    ds_json_guide *guide = &((json_state *)decoder->state)->guide;
    const json_node *node = decoder->format->plan;
    unsigned depth = 1;
    if (led == LED_ASTRAY)
        return NULL;
    if (led == LED_BEHIND_VALUE) {
        p = walk_after(scanner, p, &node, &depth);
    } else {
        p = ds_json_space(record->text, scanner->end);
        if (p == scanner->end || *p != '{')
            return fail(scanner, "not an object");
        p = ds_json_space(p + 1, scanner->end);
        if (p < scanner->end && *p == '}')
            return p + 1;
    }
    while (p != NULL && node != NULL) {
        json_node *child;
        ds_json_token passed_over;
        p = walk_key(decoder, scanner, p, node, &child);
        if (p == NULL)
            break;
        bool string = p < scanner->end && *p == '"';
        if (child != NULL && child->below != NULL)
            ds_json_guide_stop(guide);
        ds_json_guide_add(guide, p + string, string, false, child, text_column(decoder, child));
        if (child != NULL) {
            p = walk_value(decoder, scanner, record, p, child, &node, &depth);
        } else {
            p = ds_json_value_scan_fast(scanner, p, depth, &passed_over);
            if (p != NULL) {
                guide->from = passed_over.end;
                p = walk_after(scanner, p, &node, &depth);
            }
        }
    }
    return p;
}

/* Whether a guide leads to the end, past strings only, and each column is set by a step. */
static bool is_direct(json_state *state)
{
    const ds_json_guide *guide = &state->guide;
    if (guide->n_steps == 0 || !guide->steps[guide->n_steps - 1].last)
        return false;
    forget_all_cells(state);
    for (uint32_t i = 0; i + 1 < guide->n_steps; i++) {
        const ds_json_step *step = &guide->steps[i];
        if (!step->string || (step->node != NULL && step->text_column < 0))
            return false;
        if (step->node != NULL)
            state->states[step->text_column] = CELL_SET;
    }
    return all_cells_are_set(state);
}

/* The record is not as the one before, or not JSON. */
__attribute__((noinline)) static bool decode_rest(ds_decoder *decoder, ds_json_scanner *scanner,
                                                  const ds_record *record, lead led, const char *p)
{
    json_state *state = decoder->state;
    p = walk(decoder, scanner, record, led, p);
    if (p != NULL && ds_json_space(p, record->end) != record->end)
        p = fail(scanner, "more behind the object");
    if (DS_UNLIKELY(p == NULL))
        return ds_record_bad(decoder, record, DS_BAD_SYNTAX, "not valid JSON: %s", scanner->error);
    ds_json_guide_add(&state->guide, record->end, false, true, NULL, -1);
    bool made = finish_row(decoder, record);
    state->guide.is_direct = is_direct(state);
    return made;
}

DS_ALWAYS_INLINE bool decode_record(ds_decoder *decoder, const ds_record *record)
{
    json_state *state = decoder->state;
    ds_json_scanner scanner = {.end = record->end, .limit = record->limit};
    const char *p = record->text;
    forget_all_cells(state);
    lead led = DS_LIKELY(record->marks != NULL)
                   ? follow(decoder, &scanner, record, record->marks, &p)
                   : follow(decoder, &scanner, record, NULL, &p);
    if (DS_UNLIKELY(led != LED_TO_END))
        return decode_rest(decoder, &scanner, record, led, p);
    return DS_LIKELY(all_cells_are_set(state)) || finish_row(decoder, record);
}

/* Where the values of a guide's steps go in this chunk; NULL: nowhere. */
static void find_targets(const ds_decoder *decoder, const ds_json_guide *guide, ds_view **targets)
{
    for (uint32_t i = 0; i + 1 < guide->n_steps; i++) {
        const ds_json_step *step = &guide->steps[i];
        const ds_column *to = step->node == NULL ? NULL : decoder->columns[step->text_column];
        targets[i] = to == NULL ? NULL : to->views;
    }
}

/* As ds_json_glue_at. */
DS_MARKED DS_ALWAYS_INLINE bool glue_at(const ds_json_step *step, const char *p)
{
#if defined(__x86_64__)
    const void *glue = step->glue, *text = p;
    __m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256(text), _mm256_loadu_si256(glue));
    return (~(uint32_t)_mm256_movemask_epi8(same) & step->mask) == 0;
#else
    return ds_json_glue_at(step, p);
#endif
}

/* Reads a record all of which the guide leads through; as `follow`, with fewer questions. */
DS_MARKED DS_ALWAYS_INLINE bool take_direct(ds_decoder *decoder, ds_json_guide *guide,
                                            ds_view *const *targets, const char *p, const char *end)
{
    const ds_marks *marks = decoder->lines.marks;
    ds_json_step *step = guide->steps;
    uint32_t row = decoder->n_rows;
    for (uint32_t left = guide->n_steps - 1; left > 0; left--, step++, targets++) {
        if (DS_UNLIKELY(!glue_at(step, p)))
            return false;
        const char *value = p + step->length;
        /* the next glue begins with a quote */
        p = ds_steady_end(&step->length_before, value, ds_mark_next(marks, marks->special, value));
        if (*targets != NULL)
            (*targets)[row] = ds_marked_view(decoder, value, (uint32_t)(p - value));
    }
    return glue_at(step, p) && p + step->length == end;
}

DS_MARKED static void decode_direct(ds_decoder *decoder)
{
    ds_json_guide *guide = &((json_state *)decoder->state)->guide;
    ds_view *targets[DS_GUIDE_STEPS];
    const char *text, *end;
    if (!guide->is_direct)
        return;
    find_targets(decoder, guide, targets);
    while (ds_marked_line(decoder, &text, &end) &&
           take_direct(decoder, guide, targets, text, end - (end > text && end[-1] == '\r')))
        ds_marked_take(decoder);
}

static void decode(ds_decoder *decoder)
{
    json_state *state = decoder->state;
    memset(state->list_room, 0, state->n_columns * sizeof *state->list_room);
    ds_decode_marked(decoder, decode_direct, decode_record);
}

const ds_format_ops ds_format_json = {
    .strict = true,
    .prepare = prepare,
    .state_new = state_new,
    .state_free = state_free,
    .decode = decode,
};
