/* What the tests of rows share: rows from JSON text, in a task's arena and heap. */
#ifndef DS_TESTS_ROWS_FIXTURE_H
#define DS_TESTS_ROWS_FIXTURE_H

#include "columnar/format.h"
#include "columnar/rows.h"

#include "unit/unit.h"

#include <string.h>

#define MAX_COLUMNS 8

typedef struct fixture {
    ds_arena *arena;
    ds_heap heap;
    ds_field fields[MAX_COLUMNS];
    ds_schema schema;
    json_t *json;
    ds_chunk *chunks;
    uint32_t n_chunks;
    size_t bad_row;
    const char *bad_column;
    ds_error error;
} fixture;

/* columns: "name:type name:type". */
static inline void fixture_init(fixture *f, const char *columns)
{
    *f = (fixture){.arena = ds_arena_new(NULL), .bad_row = 77, .bad_column = "?"};
    ds_heap_init(&f->heap, f->arena);
    f->schema.fields = f->fields;
    char *save = NULL, *text = ds_arena_strdup(f->arena, columns);
    for (char *at = text; (at = strtok_r(at, " ", &save)) != NULL; at = NULL) {
        char *type = strchr(at, ':');
        ck_assert_ptr_nonnull(type);
        *type++ = '\0';
        ds_field *field = &f->fields[f->schema.n_fields++];
        field->name = at;
        ck_assert_msg(ds_type_parse(type, &field->type), "type %s", type);
    }
}

static inline void fixture_fini(fixture *f)
{
    json_decref(f->json);
    ds_heap_fini(&f->heap);
    ds_arena_free(f->arena);
}

static inline json_t *parse_json(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
    ck_assert_msg(json != NULL, "%s in %s", error.text, text);
    return json;
}

static inline ds_status load(fixture *f, const char *rows, int64_t first_position)
{
    json_decref(f->json);
    f->json = parse_json(rows);
    return ds_rows_from_json(f->arena, &f->heap, &f->schema, f->json, first_position, &f->chunks,
                             &f->n_chunks, &f->bad_row, &f->bad_column, &f->error);
}

static inline void load_well(fixture *f, const char *rows)
{
    ds_status status = load(f, rows, 0);
    ck_assert_msg(status == DS_OK, "%s", f->error.message);
}

/* All rows in a format; in the arena. */
static inline char *written(fixture *f, ds_row_format format)
{
    ds_buffer out = {0};
    for (uint32_t i = 0; i < f->n_chunks; i++)
        ds_rows_write(&out, format, &f->schema, &f->heap, &f->chunks[i]);
    char *text = ds_arena_strndup(f->arena, ds_buffer_text(&out), out.length);
    ds_buffer_fini(&out);
    return text;
}

#endif
