/*
 * Rows compared with what a test expects.
 *
 * That floats are equal within a tolerance makes "equal" no equivalence, so rows cannot just
 * be sorted and compared. They are sorted and cut into classes by everything that compares
 * exactly. Within a class the rows are matched: first in the order of their floats, which
 * nearly always does; what is left over then by augmenting paths (Kuhn's algorithm), so that
 * a row is called missing only if no way of pairing the rows up has a partner for it.
 */
#include "columnar/rows.h"
#include "columnar/text.h"

#include <math.h>
#include <stdlib.h>

#define RELATIVE 1e-9
#define ABSOLUTE 1e-12
#define SHOWN_ROWS 10u
#define PATH_ROWS 10000u /* classes with more rows are only matched in order */
#define NO_ROW SIZE_MAX

/* One value; the only place but for constants that has such. */
typedef struct value {
    ds_kind kind;
    bool loose; /* a number of a column in which numbers need not be equal exactly */
    union {
        bool truth;
        int64_t number; /* int, timestamp */
        double real;
        struct {
            const char *text;
            size_t length;
        };
        struct {
            struct value *elements;
            size_t n_elements;
        };
    };
} value;

typedef struct row {
    value *values; /* of the compared columns */
    uint32_t n_values;
    size_t index; /* in the order in which it came */
    size_t match; /* the row of the other side, in sorted order; or NO_ROW */
    size_t seen;  /* the last search that came by */
} row;

typedef struct rows {
    row *rows;
    size_t n;
} rows;

typedef struct comparison {
    ds_arena *arena;
    const ds_schema *schema;
    const ds_heap *heap;
    uint32_t *columns; /* the compared ones */
    bool *loose;       /* of each of these */
    uint32_t n_columns;
    rows expected, actual;
} comparison;

/* Values. */

static value value_of_json(ds_arena *arena, ds_type type, const json_t *json);

static value list_of_json(ds_arena *arena, ds_type type, const json_t *json)
{
    value list = {.kind = DS_LIST};
    list.n_elements = json_array_size(json);
    list.elements = DS_ARENA_ARRAY(arena, value, list.n_elements);
    for (size_t i = 0; i < list.n_elements; i++)
        list.elements[i] = value_of_json(arena, ds_type_element(type), json_array_get(json, i));
    return list;
}

/* What does not fit the column's type stays what it is, and equals no value of the column. */
static value value_of_json(ds_arena *arena, ds_type type, const json_t *json)
{
    value made = {.kind = DS_NULL_TYPE};
    switch (json_typeof(json)) {
    case JSON_TRUE:
    case JSON_FALSE:
        made.kind = DS_BOOL;
        made.truth = json_is_true(json);
        break;
    case JSON_INTEGER:
        made.kind = DS_INT;
        made.number = json_integer_value(json);
        break;
    case JSON_REAL:
        made.kind = DS_FLOAT;
        made.real = json_real_value(json);
        break;
    case JSON_STRING:
        made.text = json_string_value(json);
        made.length = json_string_length(json);
        made.kind = DS_STRING;
        int64_t us;
        if (type.kind == DS_TIMESTAMP && ds_parse_timestamp(made.text, made.length, &us))
            made = (value){.kind = DS_TIMESTAMP, .number = us};
        break;
    case JSON_ARRAY: return list_of_json(arena, type, json);
    case JSON_OBJECT: made.kind = DS_INTERVAL; break; /* equals no value of a column */
    case JSON_NULL: break;
    }
    return made;
}

static value value_of_column(ds_arena *arena, const ds_heap *heap, const ds_column *column,
                             uint32_t at)
{
    value made = {.kind = (ds_kind)column->type.kind};
    if (ds_column_is_null(column, at))
        return (value){.kind = DS_NULL_TYPE};
    switch (made.kind) {
    case DS_BOOL: made.truth = ds_bit_get(column->bits, at); break;
    case DS_FLOAT: made.real = column->floats[at]; break;
    case DS_STRING:
        made.text = ds_view_bytes(heap, &column->views[at]);
        made.length = column->views[at].length;
        break;
    case DS_LIST: {
        uint32_t from = column->offsets[at];
        made.n_elements = column->offsets[at + 1] - from;
        made.elements = DS_ARENA_ARRAY(arena, value, made.n_elements);
        for (uint32_t i = 0; i < made.n_elements; i++)
            made.elements[i] = value_of_column(arena, heap, column->child, from + i);
        break;
    }
    default: made.number = column->ints[at]; break;
    }
    return made;
}

static bool is_number(const value *v)
{
    return v->kind == DS_INT || v->kind == DS_FLOAT;
}

static double as_real(const value *v)
{
    return v->kind == DS_INT ? (double)v->number : v->real;
}

static bool has_real(const value *v)
{
    if (v->kind != DS_LIST)
        return v->kind == DS_FLOAT;
    for (size_t i = 0; i < v->n_elements; i++)
        if (v->elements[i].kind == DS_FLOAT)
            return true;
    return false;
}

static void set_loose(value *v)
{
    v->loose = true;
    for (size_t i = 0; v->kind == DS_LIST && i < v->n_elements; i++)
        v->elements[i].loose = true;
}

static int order_of_bytes(const value *a, const value *b)
{
    size_t least = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->text, b->text, least);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* Ints of a column with loose numbers are compared as floats, so that this is an order. */
static int order_of_numbers(const value *a, const value *b)
{
    if (!a->loose)
        return (a->number > b->number) - (a->number < b->number);
    double x = as_real(a), y = as_real(b);
    return (x > y) - (x < y);
}

/* An order of all values of a column; without `loosely` numbers of loose columns are equal. */
static int order_of_values(const value *a, const value *b, bool loosely)
{
    if (is_number(a) && is_number(b))
        return a->loose && !loosely ? 0 : order_of_numbers(a, b);
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case DS_BOOL: return (int)a->truth - (int)b->truth;
    case DS_TIMESTAMP: return (a->number > b->number) - (a->number < b->number);
    case DS_STRING: return order_of_bytes(a, b);
    case DS_LIST:
        if (a->n_elements != b->n_elements)
            return a->n_elements < b->n_elements ? -1 : 1;
        for (size_t i = 0; i < a->n_elements; i++) {
            int order = order_of_values(&a->elements[i], &b->elements[i], loosely);
            if (order != 0)
                return order;
        }
        return 0;
    default: return 0;
    }
}

static bool near(const value *a, const value *b)
{
    if (a->kind == DS_LIST && b->kind == DS_LIST && a->n_elements == b->n_elements) {
        for (size_t i = 0; i < a->n_elements; i++)
            if (!near(&a->elements[i], &b->elements[i]))
                return false;
        return true;
    }
    if (!is_number(a) || !is_number(b))
        return order_of_values(a, b, true) == 0;
    if (a->kind == DS_INT && b->kind == DS_INT)
        return a->number == b->number;
    double x = as_real(a), y = as_real(b), size = fmax(fabs(x), fabs(y));
    return x == y || fabs(x - y) <= fmax(ABSOLUTE, RELATIVE * size);
}

/* Rows. */

static int order_of_rows(const row *a, const row *b, bool loosely)
{
    for (uint32_t i = 0; i < a->n_values; i++) {
        int order = order_of_values(&a->values[i], &b->values[i], loosely);
        if (order != 0)
            return order;
    }
    return 0;
}

static bool rows_near(const row *a, const row *b)
{
    for (uint32_t i = 0; i < a->n_values; i++)
        if (!near(&a->values[i], &b->values[i]))
            return false;
    return true;
}

/* By class, then by floats, then as they came. */
static int compare_rows(const void *x, const void *y)
{
    const row *a = x, *b = y;
    int order = order_of_rows(a, b, false);
    if (order == 0)
        order = order_of_rows(a, b, true);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static int compare_indexes(const void *x, const void *y)
{
    const row *a = x, *b = y;
    return (a->index > b->index) - (a->index < b->index);
}

static ds_status name_columns(comparison *c, const json_t *expected, ds_error *error)
{
    json_t *first = json_array_get(expected, 0);
    const char *key;
    json_t *ignored;
    c->columns = DS_ARENA_ARRAY(c->arena, uint32_t, c->schema->n_fields + 1);
    c->loose = DS_ARENA_ARRAY(c->arena, bool, c->schema->n_fields + 1);
    json_object_foreach(first, key, ignored)
    {
        if (ds_schema_find(c->schema, key) < 0)
            return ds_error_set(error, DS_ERR_APP, "there is no column \"%s\"", key);
    }
    for (uint32_t i = 0; i < c->schema->n_fields; i++)
        if (first == NULL || json_object_get(first, c->schema->fields[i].name) != NULL)
            c->columns[c->n_columns++] = i;
    return DS_OK;
}

static ds_status read_expected_row(comparison *c, json_t *object, row *to, ds_error *error)
{
    const char *key;
    json_t *json;
    if (!json_is_object(object))
        return ds_error_set(error, DS_ERR_APP, "expected row %zu is not an object", to->index + 1);
    json_object_foreach(object, key, json)
    {
        if (ds_schema_find(c->schema, key) < 0)
            return ds_error_set(error, DS_ERR_APP, "there is no column \"%s\"", key);
    }
    to->values = DS_ARENA_ARRAY(c->arena, value, c->n_columns);
    to->n_values = c->n_columns;
    bool same = json_object_size(object) == c->n_columns;
    for (uint32_t i = 0; i < c->n_columns && same; i++) {
        const ds_field *field = &c->schema->fields[c->columns[i]];
        json = json_object_get(object, field->name);
        same = json != NULL;
        if (!same)
            break;
        to->values[i] = value_of_json(c->arena, field->type, json);
        c->loose[i] |= field->type.kind == DS_FLOAT || field->type.element == DS_FLOAT ||
                       has_real(&to->values[i]);
    }
    return same ? DS_OK
                : ds_error_set(error, DS_ERR_APP,
                               "expected row %zu names other columns than the first one",
                               to->index + 1);
}

static ds_status read_expected(comparison *c, const json_t *expected, ds_error *error)
{
    if (!json_is_array(expected))
        return ds_error_set(error, DS_ERR_APP, "expected rows have to be a list of objects");
    DS_TRY(name_columns(c, expected, error));
    c->expected.n = json_array_size(expected);
    c->expected.rows = DS_ARENA_ARRAY(c->arena, row, c->expected.n);
    for (size_t i = 0; i < c->expected.n; i++) {
        c->expected.rows[i] = (row){.index = i, .match = NO_ROW};
        DS_TRY(read_expected_row(c, json_array_get(expected, i), &c->expected.rows[i], error));
    }
    return DS_OK;
}

static void read_actual(comparison *c, const ds_chunk *chunks, uint32_t n_chunks)
{
    size_t n = 0;
    for (uint32_t i = 0; i < n_chunks; i++)
        n += chunks[i].n_rows;
    c->actual = (rows){.rows = DS_ARENA_ARRAY(c->arena, row, n)};
    for (uint32_t i = 0; i < n_chunks; i++)
        for (uint32_t at = 0; at < chunks[i].n_rows; at++) {
            row *to = &c->actual.rows[c->actual.n];
            *to = (row){.index = c->actual.n++, .match = NO_ROW, .n_values = c->n_columns};
            to->values = DS_ARENA_ARRAY(c->arena, value, c->n_columns);
            for (uint32_t k = 0; k < c->n_columns; k++)
                to->values[k] =
                    value_of_column(c->arena, c->heap, chunks[i].columns[c->columns[k]], at);
        }
}

static void mark_loose(comparison *c, rows *side)
{
    for (size_t i = 0; i < side->n; i++)
        for (uint32_t k = 0; k < c->n_columns; k++)
            if (c->loose[k])
                set_loose(&side->rows[i].values[k]);
}

/* Matching. */

/* The rows of one class: places from .. to in the sorted rows. */
typedef struct range {
    size_t from, to;
} range;

static void match(comparison *c, size_t expected, size_t actual)
{
    c->expected.rows[expected].match = actual;
    c->actual.rows[actual].match = expected;
}

static void match_in_order(comparison *c, range expected, range actual)
{
    size_t i = expected.from, j = actual.from;
    while (i < expected.to && j < actual.to) {
        const row *e = &c->expected.rows[i], *a = &c->actual.rows[j];
        if (rows_near(e, a))
            match(c, i++, j++);
        else if (order_of_rows(e, a, true) < 0)
            i++;
        else
            j++;
    }
}

/* Finds a partner for an expected row; partners already given away look for another one. */
static bool find_partner(comparison *c, size_t expected, range actual, size_t search)
{
    for (size_t j = actual.from; j < actual.to; j++) {
        row *a = &c->actual.rows[j];
        if (a->seen == search || !rows_near(&c->expected.rows[expected], a))
            continue;
        a->seen = search;
        if (a->match == NO_ROW || find_partner(c, a->match, actual, search)) {
            match(c, expected, j);
            return true;
        }
    }
    return false;
}

static void match_class(comparison *c, range expected, range actual)
{
    match_in_order(c, expected, actual);
    if (actual.to - actual.from > PATH_ROWS || expected.to - expected.from > PATH_ROWS)
        return;
    for (size_t i = expected.from; i < expected.to; i++)
        if (c->expected.rows[i].match == NO_ROW)
            find_partner(c, i, actual, i + 1);
}

static size_t class_end(const rows *side, size_t from)
{
    size_t to = from + 1;
    while (to < side->n && order_of_rows(&side->rows[from], &side->rows[to], false) == 0)
        to++;
    return to;
}

static void match_all(comparison *c)
{
    size_t i = 0, j = 0;
    qsort(c->expected.rows, c->expected.n, sizeof(row), compare_rows);
    qsort(c->actual.rows, c->actual.n, sizeof(row), compare_rows);
    while (i < c->expected.n && j < c->actual.n) {
        int order = order_of_rows(&c->expected.rows[i], &c->actual.rows[j], false);
        size_t i_end = order <= 0 ? class_end(&c->expected, i) : i;
        size_t j_end = order >= 0 ? class_end(&c->actual, j) : j;
        if (order == 0)
            match_class(c, (range){i, i_end}, (range){j, j_end});
        i = i_end;
        j = j_end;
    }
    qsort(c->expected.rows, c->expected.n, sizeof(row), compare_indexes);
    qsort(c->actual.rows, c->actual.n, sizeof(row), compare_indexes);
}

/* The difference as text. */

static void write_value(ds_buffer *out, const value *v)
{
    char text[DS_TIMESTAMP_TEXT];
    switch (v->kind) {
    case DS_BOOL: ds_buffer_append_text(out, v->truth ? "true" : "false"); break;
    case DS_INT: ds_buffer_append(out, text, ds_format_int(v->number, text)); break;
    case DS_FLOAT: ds_buffer_append(out, text, ds_format_float(v->real, text)); break;
    case DS_STRING: ds_json_string(out, v->text, v->length); break;
    case DS_TIMESTAMP: ds_json_string(out, text, ds_format_timestamp(v->number, text)); break;
    case DS_LIST:
        ds_buffer_append_char(out, '[');
        for (size_t i = 0; i < v->n_elements; i++) {
            ds_buffer_append_text(out, i == 0 ? "" : ", ");
            write_value(out, &v->elements[i]);
        }
        ds_buffer_append_char(out, ']');
        break;
    case DS_INTERVAL: ds_buffer_append_text(out, "{...}"); break;
    case DS_NULL_TYPE: ds_buffer_append_text(out, "null"); break;
    }
}

static void write_row(ds_buffer *out, const comparison *c, const row *r)
{
    ds_buffer_append_char(out, '{');
    for (uint32_t i = 0; i < r->n_values; i++) {
        const char *name = c->schema->fields[c->columns[i]].name;
        ds_buffer_append_text(out, i == 0 ? "" : ", ");
        ds_json_string(out, name, strlen(name));
        ds_buffer_append_text(out, ": ");
        write_value(out, &r->values[i]);
    }
    ds_buffer_append_char(out, '}');
}

static size_t count_unmatched(const rows *side)
{
    size_t n = 0;
    for (size_t i = 0; i < side->n; i++)
        n += side->rows[i].match == NO_ROW;
    return n;
}

static void write_unmatched(ds_buffer *out, const comparison *c, const rows *side, const char *what)
{
    size_t n = count_unmatched(side), shown = 0;
    if (n == 0)
        return;
    ds_buffer_printf(out, "%zu %s row%s:\n", n, what, n == 1 ? "" : "s");
    for (size_t i = 0; i < side->n && shown < SHOWN_ROWS; i++) {
        if (side->rows[i].match != NO_ROW)
            continue;
        ds_buffer_append_text(out, "  ");
        write_row(out, c, &side->rows[i]);
        ds_buffer_append_char(out, '\n');
        shown++;
    }
    if (shown < n)
        ds_buffer_printf(out, "  ... and %zu more\n", n - shown);
}

/* The first place at which the rows differ, which is at most the number of either. */
static size_t first_difference(const comparison *c)
{
    size_t i = 0;
    while (i < c->expected.n && i < c->actual.n &&
           rows_near(&c->expected.rows[i], &c->actual.rows[i]))
        i++;
    return i;
}

static void write_order(ds_buffer *out, const comparison *c, size_t at)
{
    ds_buffer_printf(out, "the rows are right, but in another order; row %zu\n  should be ",
                     at + 1);
    write_row(out, c, &c->expected.rows[at]);
    ds_buffer_append_text(out, "\n  but is    ");
    write_row(out, c, &c->actual.rows[at]);
    ds_buffer_append_char(out, '\n');
}

static void compare(comparison *c, bool ordered, ds_rows_difference *difference)
{
    ds_buffer out = {0};
    size_t at = first_difference(c);
    if (at < c->expected.n || at < c->actual.n) {
        match_all(c);
        write_unmatched(&out, c, &c->expected, "missing");
        write_unmatched(&out, c, &c->actual, "unexpected");
        if (out.length == 0 && ordered)
            write_order(&out, c, at);
    }
    difference->equal = out.length == 0;
    difference->text = ds_arena_strndup(c->arena, ds_buffer_text(&out), out.length);
    ds_buffer_fini(&out);
}

ds_status ds_rows_compare(ds_arena *arena, const ds_schema *schema, const ds_heap *heap,
                          const ds_chunk *chunks, uint32_t n_chunks, const json_t *expected,
                          bool ordered, ds_rows_difference *difference, ds_error *error)
{
    comparison c = {.arena = arena, .schema = schema, .heap = heap};
    DS_TRY(read_expected(&c, expected, error));
    read_actual(&c, chunks, n_chunks);
    mark_loose(&c, &c.expected);
    mark_loose(&c, &c.actual);
    compare(&c, ordered, difference);
    return DS_OK;
}
