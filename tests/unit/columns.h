/*
 * Columns from text and back, so that tests can be read:
 *
 *     desk d; desk_open(&d);
 *     ds_column *c = column_of(&d, DS_TYPE(DS_INT), "1 null 3");
 *     ck_assert_str_eq(text_of(&d, c), "1 null 3");
 *
 * Values are separated by one blank. Strings stand as they are, or in '…' when they hold a
 * blank or are empty; lists in [ ]; timestamps are microseconds.
 */
#ifndef DS_TESTS_COLUMNS_H
#define DS_TESTS_COLUMNS_H

#include "base/buffer.h"
#include "columnar/column.h"
#include "unit/unit.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct desk {
    ds_arena *arena;
    ds_heap heap;
} desk;

static inline void desk_open(desk *d)
{
    d->arena = ds_arena_new(NULL);
    ds_heap_init(&d->heap, d->arena);
}

static inline void desk_close(desk *d)
{
    ds_heap_fini(&d->heap);
    ds_arena_free(d->arena);
}

typedef struct token {
    const char *text;
    uint32_t length;
    bool is_null;
} token;

static inline bool next_token(const char **at, token *t)
{
    const char *p = *at;
    while (*p == ' ')
        p++;
    if (*p == '\0' || *p == ']')
        return false;
    if (*p == '\'') {
        t->text = ++p;
        while (*p != '\'')
            p++;
        *t = (token){t->text, (uint32_t)(p - t->text), false};
        p++;
    } else if (*p == '[') {
        t->text = p;
        while (*p++ != ']')
            ;
        *t = (token){t->text, (uint32_t)(p - t->text), false};
    } else {
        t->text = p;
        while (*p != ' ' && *p != '\0' && *p != ']')
            p++;
        *t = (token){t->text, (uint32_t)(p - t->text), false};
        t->is_null = t->length == 4 && memcmp(t->text, "null", 4) == 0;
    }
    *at = p;
    return true;
}

static inline uint32_t count_tokens(const char *text)
{
    uint32_t n = 0;
    for (token t; next_token(&text, &t);)
        n++;
    return n;
}

static inline void put_value(desk *d, ds_column *column, uint32_t row, const token *t)
{
    char number[64];
    snprintf(number, sizeof number, "%.*s", (int)(t->length < 63 ? t->length : 63), t->text);
    switch (column->type.kind) {
    case DS_BOOL: ds_bit_put(column->bits, row, !t->is_null && *t->text == 't'); break;
    case DS_FLOAT: column->floats[row] = t->is_null ? 0 : strtod(number, NULL); break;
    case DS_STRING:
        column->views[row] = ds_view_copy(&d->heap, t->text, t->is_null ? 0 : t->length);
        break;
    default: column->ints[row] = t->is_null ? 77 : strtoll(number, NULL, 10); break;
    }
}

static inline ds_column *column_of(desk *d, ds_type type, const char *text)
{
    uint32_t n = count_tokens(text), row = 0, total = 0;
    ds_column *column = ds_column_new(d->arena, type, n);
    if (type.kind == DS_BOOL)
        memset(column->bits, 0, ds_bitmap_words(n) * 8);
    char *elements = ds_arena_calloc(d->arena, strlen(text) + n + 2, 1);
    for (token t; next_token(&text, &t); row++) {
        if (t.is_null) {
            ds_column_need_validity(column, d->arena);
            ds_bit_clear(column->validity, row);
        }
        if (type.kind == DS_LIST) {
            char *end = elements + strlen(elements);
            if (!t.is_null)
                sprintf(end, "%.*s ", (int)t.length - 2, t.text + 1);
            total += count_tokens(end);
            column->offsets[row + 1] = total;
        } else {
            put_value(d, column, row, &t);
        }
    }
    if (type.kind == DS_LIST)
        column->child = column_of(d, ds_type_element(type), elements);
    return column;
}

static inline void print_float(ds_buffer *out, double x)
{
    char text[64];
    snprintf(text, sizeof text, "%.15g", x);
    if (strtod(text, NULL) != x)
        snprintf(text, sizeof text, "%.17g", x);
    ds_buffer_append_text(out, text);
}

static inline void print_value(ds_buffer *out, const ds_heap *heap, const ds_column *column,
                               uint32_t row)
{
    if (ds_column_is_null(column, row)) {
        ds_buffer_append_text(out, "null");
        return;
    }
    switch (column->type.kind) {
    case DS_BOOL:
        ds_buffer_append_text(out, ds_bit_get(column->bits, row) ? "true" : "false");
        break;
    case DS_FLOAT: print_float(out, column->floats[row]); break;
    case DS_STRING: {
        const ds_view *view = &column->views[row];
        const char *bytes = ds_view_bytes(heap, view);
        bool quote = view->length == 0 || memchr(bytes, ' ', view->length) != NULL;
        ds_buffer_append_text(out, quote ? "'" : "");
        ds_buffer_append(out, bytes, view->length);
        ds_buffer_append_text(out, quote ? "'" : "");
        break;
    }
    case DS_LIST:
        ds_buffer_append_char(out, '[');
        for (uint32_t e = column->offsets[row]; e < column->offsets[row + 1]; e++) {
            if (e > column->offsets[row])
                ds_buffer_append_char(out, ' ');
            print_value(out, heap, column->child, e);
        }
        ds_buffer_append_char(out, ']');
        break;
    default: ds_buffer_printf(out, "%" PRId64, column->ints[row]); break;
    }
}

/* The column as text, in the desk's arena. */
static inline const char *text_of(desk *d, const ds_column *column)
{
    ds_buffer out = {0};
    for (uint32_t row = 0; row < column->length; row++) {
        if (row > 0)
            ds_buffer_append_char(&out, ' ');
        print_value(&out, &d->heap, column, row);
    }
    const char *text = ds_arena_strndup(d->arena, ds_buffer_text(&out), out.length);
    ds_buffer_fini(&out);
    return text;
}

#endif
