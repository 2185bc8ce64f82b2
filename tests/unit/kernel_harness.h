/*
 * Runs one function over rows given as text, and compares its result as text:
 *
 *     check("substr", "sii", "[['hello', 2, 3], [null, 1, 1]]", "['ell',null]");
 *
 * Types are letters: s string, i int, f float, b bool, t timestamp (as RFC 3339), n the
 * literal null; a capital is a literal, of which the first row counts; [ before a letter makes
 * a list. Single quotes stand for double ones. In what is expected, `error` is a failed row.
 *
 * Every call is run twice, the second time with every other row only selected: that must not
 * change the selected ones.
 */
#ifndef DS_TESTS_KERNEL_HARNESS_H
#define DS_TESTS_KERNEL_HARNESS_H

#include "columnar/function.h"
#include "columnar/text.h"

#include "unit/unit.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>

#define HARNESS_ARGS DS_MAX_ARGS

typedef struct harness {
    ds_arena *arena;
    ds_heap heap;
    ds_type types[HARNESS_ARGS], wanted[HARNESS_ARGS];
    ds_literal literals[HARNESS_ARGS];
    const ds_column *columns[HARNESS_ARGS];
    ds_resolve resolve;
    ds_buffer text;
} harness;

static inline const ds_function *harness_find(const char *name)
{
    static const ds_function *const tables[] = {ds_functions_text, ds_functions_regex,
                                                ds_functions_time, ds_functions_list};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const ds_function *f = tables[t]; f->name != NULL; f++)
            if (strcmp(f->name, name) == 0)
                return f;
    ck_abort_msg("no function %s", name);
    return NULL;
}

static inline void harness_init(harness *h)
{
    memset(h, 0, sizeof *h);
    h->arena = ds_arena_new(NULL);
    ds_heap_init(&h->heap, h->arena);
}

static inline void harness_fini(harness *h)
{
    ds_heap_fini(&h->heap);
    ds_arena_free(h->arena);
    ds_buffer_fini(&h->text);
}

static inline json_t *harness_json(const char *text)
{
    char *copy = ds_strdup(text);
    for (char *c = copy; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    json_error_t error;
    json_t *json = json_loads(copy, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    ck_assert_msg(json != NULL, "%s: %s", text, error.text);
    free(copy);
    return json;
}

static inline uint8_t harness_kind(char letter)
{
    switch (tolower(letter)) {
    case 's': return DS_STRING;
    case 'i': return DS_INT;
    case 'f': return DS_FLOAT;
    case 'b': return DS_BOOL;
    case 't': return DS_TIMESTAMP;
    case 'v': return DS_INTERVAL;
    default: return DS_NULL_TYPE;
    }
}

static inline void harness_put(harness *h, ds_column *column, uint32_t row, const json_t *value)
{
    if (value == NULL || json_is_null(value)) {
        ds_column_need_validity(column, h->arena);
        ds_bit_clear(column->validity, row);
    }
    switch (column->type.kind) {
    case DS_STRING:
        column->views[row] =
            ds_view_copy(&h->heap, json_is_string(value) ? json_string_value(value) : "",
                         (uint32_t)json_string_length(value));
        break;
    case DS_BOOL: ds_bit_put(column->bits, row, json_is_true(value)); break;
    case DS_FLOAT: column->floats[row] = json_number_value(value); break;
    case DS_TIMESTAMP:
        column->ints[row] = 0;
        if (json_is_string(value))
            ck_assert(ds_parse_timestamp(json_string_value(value), json_string_length(value),
                                         &column->ints[row]));
        break;
    default: column->ints[row] = json_integer_value(value); break;
    }
}

static inline void harness_put_list(harness *h, ds_column *column, const json_t *rows, size_t arg)
{
    size_t total = 0, i;
    const json_t *row, *element;
    json_array_foreach(rows, i, row) total += json_array_size(json_array_get(row, arg));
    column->child = ds_column_new(h->arena, ds_type_element(column->type), (uint32_t)total);
    uint32_t at = 0;
    json_array_foreach(rows, i, row)
    {
        const json_t *list = json_array_get(row, arg);
        if (!json_is_array(list)) {
            ds_column_need_validity(column, h->arena);
            ds_bit_clear(column->validity, i);
        }
        size_t e;
        json_array_foreach(list, e, element) harness_put(h, column->child, at++, element);
        column->offsets[i + 1] = at;
    }
}

static inline const ds_column *harness_column(harness *h, ds_type type, const json_t *rows,
                                              size_t arg)
{
    uint32_t n = (uint32_t)json_array_size(rows);
    if (type.kind == DS_NULL_TYPE)
        return ds_column_nulls(h->arena, type, n);
    ds_column *column = ds_column_new(h->arena, type, n);
    if (type.kind == DS_LIST) {
        harness_put_list(h, column, rows, arg);
        return column;
    }
    for (uint32_t i = 0; i < n; i++)
        harness_put(h, column, i, json_array_get(json_array_get(rows, i), arg));
    return column;
}

static inline void harness_literal(harness *h, uint32_t arg)
{
    const ds_column *column = h->columns[arg];
    ds_literal *literal = &h->literals[arg];
    *literal = (ds_literal){.is_literal = true, .is_null = ds_column_is_null(column, 0)};
    switch (column->type.kind) {
    case DS_STRING:
        literal->text = ds_view_bytes(&h->heap, &column->views[0]);
        literal->length = column->views[0].length;
        break;
    case DS_BOOL: literal->boolean = ds_bit_get(column->bits, 0); break;
    case DS_FLOAT: literal->real = column->floats[0]; break;
    case DS_NULL_TYPE: literal->is_null = true; break;
    default: literal->integer = column->ints[0]; break;
    }
}

/* Makes the columns and resolves; false as the hook says. */
static inline bool harness_resolve(harness *h, const char *name, const char *types,
                                   const json_t *rows)
{
    uint32_t n = 0;
    for (const char *c = types; *c != '\0'; c++, n++) {
        bool list = *c == '[';
        c += list;
        h->types[n] = list ? DS_LIST_OF(harness_kind(*c)) : DS_TYPE(harness_kind(*c));
        h->wanted[n] = h->types[n];
        h->columns[n] = harness_column(h, h->types[n], rows, n);
        if (isupper(*c) || *c == 'n')
            harness_literal(h, n);
    }
    const ds_function *function = harness_find(name);
    ck_assert_str_ne(function->usage, "");
    ck_assert_uint_ge(n, function->min_args);
    ck_assert_uint_le(n, function->max_args);
    h->resolve = (ds_resolve){.name = name,
                              .arena = h->arena,
                              .types = h->types,
                              .literals = h->literals,
                              .n_args = n,
                              .wanted = h->wanted,
                              .wrong_arg = -1};
    if (!function->resolve(&h->resolve))
        return false;
    ck_assert_ptr_nonnull((void *)(uintptr_t)h->resolve.kernel);
    ck_assert_uint_ne(h->resolve.result.kind, DS_NULL_TYPE);
    for (uint32_t i = 0; i < n; i++) { /* the conversions that are asked for */
        if (ds_type_equal(h->wanted[i], h->types[i]))
            continue;
        if (h->types[i].kind == DS_INT && h->wanted[i].kind == DS_FLOAT) {
            ds_column *floats = ds_column_new(h->arena, DS_TYPE(DS_FLOAT), h->columns[i]->length);
            floats->validity = h->columns[i]->validity;
            for (uint32_t row = 0; row < floats->length; row++)
                floats->floats[row] = (double)h->columns[i]->ints[row];
            h->columns[i] = floats;
        } else {
            ck_assert_uint_eq(h->types[i].kind, DS_NULL_TYPE);
            h->columns[i] = ds_column_nulls(h->arena, h->wanted[i], h->columns[i]->length);
        }
    }
    return true;
}

/* Runs the resolved function over n rows; what is selected and failed is the caller's. */
static inline ds_column *harness_run(harness *h, uint32_t n, const uint64_t *selected,
                                     uint64_t *errors)
{
    ds_eval ev = {
        .arena = h->arena, .heap = &h->heap, .n = n, .selected = selected, .errors = errors};
    memset(errors, 0, ds_bitmap_words(n) * 8);
    ds_column *out = ds_arena_calloc(h->arena, 1, sizeof *out);
    out->type = h->resolve.result;
    out->length = n;
    h->resolve.kernel(&ev, h->resolve.bound, h->columns, h->resolve.n_args, out);
    ck_assert(ds_type_equal(out->type, h->resolve.result));
    ck_assert_uint_eq(out->length, n);
    if (out->type.kind == DS_LIST) {
        ck_assert_uint_eq(out->offsets[0], 0);
        for (uint32_t i = 0; i < n; i++)
            ck_assert_uint_le(out->offsets[i], out->offsets[i + 1]);
        ck_assert_uint_ge(out->child->length, out->offsets[n]);
        ck_assert_uint_eq(out->child->type.kind, out->type.element);
    }
    return out;
}

/* Runs over all rows or, with every two, every second one, and writes the result. */
static inline const char *harness_text(harness *h, uint32_t n, bool half)
{
    size_t words = ds_bitmap_words(n);
    uint64_t *selected = ds_arena_calloc(h->arena, words, 8);
    uint64_t *errors = ds_arena_calloc(h->arena, words, 8);
    for (uint32_t i = half; i < n; i += 1 + half)
        ds_bit_set(selected, i);
    const ds_column *out = harness_run(h, n, selected, errors);
    h->text.length = 0;
    for (uint32_t i = half; i < n; i += 1 + half) {
        ds_buffer_append_text(&h->text, i == half ? "" : ",");
        if (ds_bit_get(errors, i))
            ds_buffer_append_text(&h->text, "error");
        else
            ds_json_value(&h->text, &h->heap, out, i);
    }
    for (uint32_t i = 0; i < n && half; i += 2) {
        ck_assert_msg(!ds_bit_get(errors, i), "a row that is not selected failed");
        if (out->type.kind == DS_STRING) /* views are valid everywhere */
            (void)*(const volatile char *)ds_view_bytes(&h->heap, &out->views[i]);
    }
    return ds_buffer_text(&h->text);
}

/* expected: the rows in [ ], or one text for all of them together. */
static inline void check(const char *name, const char *types, const char *rows_text,
                         const char *expected_text)
{
    harness h;
    harness_init(&h);
    json_t *rows = harness_json(rows_text);
    uint32_t n = (uint32_t)json_array_size(rows);
    ck_assert_msg(harness_resolve(&h, name, types, rows), "%s %s: %s", name, rows_text,
                  h.resolve.message);
    ds_buffer expected = {0};
    for (const char *c = expected_text; *c != '\0'; c++)
        ds_buffer_append_char(&expected, *c == '\'' ? '"' : *c);
    ds_buffer all = {0};
    ds_buffer_printf(&all, "[%s]", harness_text(&h, n, false));
    if (strcmp(ds_buffer_text(&all), ds_buffer_text(&expected)) != 0)
        ck_abort_msg("%s %s\n gave %s\n not  %s", name, rows_text, all.data, expected.data);
    /* Two of each row: the second run sees the second ones only. */
    json_t *twice = json_array();
    for (uint32_t i = 0; i < 2 * n; i++)
        json_array_append(twice, json_array_get(rows, i / 2));
    harness again;
    harness_init(&again);
    ck_assert(harness_resolve(&again, name, types, twice));
    all.length = 0;
    ds_buffer_printf(&all, "[%s]", harness_text(&again, 2 * n, true));
    ck_assert_str_eq(ds_buffer_text(&all), expected.data);
    harness_fini(&again);
    json_decref(twice);
    ds_buffer_fini(&all);
    ds_buffer_fini(&expected);
    json_decref(rows);
    harness_fini(&h);
}

/* The hook refuses, and its message holds a part. */
static inline void refused(const char *name, const char *types, const char *row, const char *part)
{
    harness h;
    harness_init(&h);
    json_t *rows = harness_json(row);
    ck_assert_msg(!harness_resolve(&h, name, types, rows), "%s %s", name, row);
    ck_assert_msg(strstr(h.resolve.message, part) != NULL, "%s: %s", name, h.resolve.message);
    size_t length = strlen(h.resolve.message);
    ck_assert(length > 0 && h.resolve.message[length - 1] != '.');
    ck_assert_int_lt(h.resolve.wrong_arg, (int)h.resolve.n_args);
    json_decref(rows);
    harness_fini(&h);
}

#endif
