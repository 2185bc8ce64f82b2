/*
 * What the tests of the formats share: one input goes through a decoder, the good rows come
 * back as JSON lines, the bad records as lines "reason offset raw-record: detail". Every
 * input is decoded twice, with all columns and with none: what counts must be the same. And all
 * must be the same with less vector instructions.
 */
#ifndef DS_TESTS_FORMAT_FIXTURE_H
#define DS_TESTS_FORMAT_FIXTURE_H

#include "base/random.h"
#include "columnar/format.h"
#include "columnar/text_simd.h"

#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#define MAX_COLUMNS 8

typedef struct decoded {
    ds_decoder_counts counts;
    ds_buffer rows;      /* JSON lines */
    ds_buffer bad;       /* the bad records */
    ds_buffer positions; /* "1,2,5" */
    ds_status header;    /* of ds_decoder_header */
} decoded;

/* A spec from "name type" pairs, as "name:type name:type@path". */
typedef struct fixture_spec {
    ds_format_spec spec;
    char text[256];
    ds_field fields[MAX_COLUMNS];
    const char *paths[MAX_COLUMNS];
} fixture_spec;

static inline ds_format_spec *make_spec(fixture_spec *made, ds_format_kind kind,
                                        const char *columns)
{
    memset(made, 0, sizeof *made);
    snprintf(made->text, sizeof made->text, "%s", columns);
    made->spec.kind = kind;
    made->spec.schema.fields = made->fields;
    made->spec.paths = made->paths;
    uint32_t n = 0;
    for (char *at = made->text, *save = NULL; (at = strtok_r(at, " ", &save)) != NULL; at = NULL) {
        char *type = strchr(at, ':');
        ck_assert_ptr_nonnull(type);
        *type++ = '\0';
        char *path = strchr(type, '@');
        if (path != NULL)
            *path++ = '\0';
        ck_assert_uint_lt(n, MAX_COLUMNS);
        made->fields[n].name = at;
        made->paths[n] = path;
        ck_assert_msg(ds_type_parse(type, &made->fields[n].type), "type %s", type);
        n++;
    }
    made->spec.schema.n_fields = n;
    return &made->spec;
}

static inline void note_bad(void *arg, ds_bad_reason reason, const char *record, size_t length,
                            uint64_t offset, const char *detail)
{
    ds_buffer_printf(arg, "%s %llu ", ds_bad_reason_name(reason), (unsigned long long)offset);
    ds_buffer_append(arg, record, length);
    ds_buffer_printf(arg, ": %s\n", detail);
}

static inline void check_chunk(const ds_chunk *chunk, const ds_schema *schema, bool wanted)
{
    ck_assert_uint_le(chunk->n_rows, DS_CHUNK_ROWS);
    ck_assert_uint_eq(chunk->n_columns, schema->n_fields);
    for (uint32_t i = 0; i < chunk->n_columns; i++) {
        const ds_column *column = chunk->columns[i];
        ck_assert_int_eq(column != NULL, wanted);
        if (column == NULL)
            continue;
        ck_assert_uint_eq(column->length, chunk->n_rows);
        ck_assert(ds_type_equal(column->type, schema->fields[i].type));
        if (column->type.kind == DS_LIST)
            ck_assert_uint_eq(column->child->length, column->offsets[chunk->n_rows]);
    }
}

/* Decodes one input; header: NULL or the header that goes before it. */
static inline decoded run_decoder(const ds_format_spec *spec, bool all, const char *header,
                                  const char *input, size_t length)
{
    decoded out = {.header = DS_OK};
    ds_error error;
    ds_arena *plan = ds_arena_new(NULL), *task = ds_arena_new(NULL), *arena = ds_arena_new(NULL);
    const ds_format *format;
    ck_assert_msg(ds_format_new(plan, spec, &format, &error) == DS_OK, "%s", error.message);
    const ds_schema *schema = ds_format_schema(format);
    bool none[16] = {false};
    ds_decoder *decoder = ds_decoder_new(format, all ? NULL : none, note_bad, &out.bad);
    char *exact = malloc(length + (length == 0)); /* so that reading too far is noticed */
    memcpy(exact, input, length);
    ds_heap heap;
    ds_heap_init(&heap, task);
    if (header != NULL)
        out.header = ds_decoder_header(decoder, header, strlen(header), NULL);
    ds_decoder_open(decoder, &heap, exact, length, 100);
    ds_chunk chunk;
    while (ds_decoder_next(decoder, arena, &chunk)) {
        check_chunk(&chunk, schema, all);
        for (uint32_t i = 0; i < chunk.n_rows; i++)
            ds_buffer_printf(&out.positions, "%lld,", (long long)chunk.positions[i]);
        if (all)
            ds_rows_write(&out.rows, DS_ROWS_JSON, schema, &heap, &chunk);
    }
    ck_assert_uint_eq(chunk.n_rows, 0);
    ds_decoder_count(decoder, &out.counts);
    ds_decoder_free(decoder);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    ds_arena_free(task);
    ds_arena_free(plan);
    free(exact);
    return out;
}

static inline void decoded_fini(decoded *d)
{
    ds_buffer_fini(&d->rows);
    ds_buffer_fini(&d->bad);
    ds_buffer_fini(&d->positions);
}

static inline void expect_same(decoded *d, decoded *other, bool rows)
{
    ck_assert_mem_eq(&d->counts, &other->counts, sizeof d->counts);
    ck_assert_str_eq(ds_buffer_text(&d->bad), ds_buffer_text(&other->bad));
    ck_assert_str_eq(ds_buffer_text(&d->positions), ds_buffer_text(&other->positions));
    if (rows)
        ck_assert_str_eq(ds_buffer_text(&d->rows), ds_buffer_text(&other->rows));
}

static inline decoded decode_bytes(const ds_format_spec *spec, const char *header,
                                   const char *input, size_t length)
{
    decoded d = run_decoder(spec, true, header, input, length);
    decoded none = run_decoder(spec, false, header, input, length);
    expect_same(&d, &none, false);
    decoded_fini(&none);
    for (ds_simd level = DS_SIMD_PLAIN; level < DS_SIMD_AVX2; level++) {
        ds_simd_limit(level);
        decoded less = run_decoder(spec, true, header, input, length);
        expect_same(&d, &less, true);
        decoded_fini(&less);
    }
    ds_simd_limit(DS_SIMD_AVX2);
    return d;
}

/* Decodes and compares rows and bad records. */
static inline void expect_bytes(const ds_format_spec *spec, const char *header, const char *input,
                                size_t length, const char *rows, const char *bad)
{
    decoded d = decode_bytes(spec, header, input, length);
    ck_assert_str_eq(ds_buffer_text(&d.rows), rows);
    ck_assert_str_eq(ds_buffer_text(&d.bad), bad);
    decoded_fini(&d);
}

static inline void expect(const ds_format_spec *spec, const char *input, const char *rows,
                          const char *bad)
{
    expect_bytes(spec, NULL, input, strlen(input), rows, bad);
}

/* One record that has to be bad for that reason. */
static inline void expect_reason(const ds_format_spec *spec, const char *input, size_t length,
                                 ds_bad_reason reason)
{
    decoded d = decode_bytes(spec, NULL, input, length);
    ck_assert_msg(d.counts.bad[reason] == 1 && d.counts.records == 0, "%s: %s%s", input,
                  ds_buffer_text(&d.rows), ds_buffer_text(&d.bad));
    decoded_fini(&d);
}

static inline void expect_bad(const ds_format_spec *spec, const char *input, ds_bad_reason reason)
{
    expect_reason(spec, input, strlen(input), reason);
}

static inline ds_status refused(const ds_format_spec *spec, const char *needle)
{
    ds_arena *arena = ds_arena_new(NULL);
    const ds_format *format;
    ds_error error = {.status = DS_OK};
    ds_status status = ds_format_new(arena, spec, &format, &error);
    ck_assert_msg(strstr(error.message, needle) != NULL, "%s", error.message);
    ds_arena_free(arena);
    return status;
}

/* ---- Records together and alone ---- */

/* Changes, cuts or leaves out a byte of the line; bytes: what it may become. */
static inline void spoil(ds_buffer *line, ds_random *random, const char *bytes)
{
    size_t at = ds_random_below(random, line->length);
    switch (ds_random_below(random, 3)) {
    case 0: line->data[at] = bytes[ds_random_below(random, strlen(bytes))]; break;
    case 1: line->length = at; break;
    default: memmove(line->data + at, line->data + at + 1, line->length - at - 1); line->length--;
    }
}

/* What the lines give one by one, each in an input of its own, at its end. */
static inline decoded decode_alone(const ds_format_spec *spec, const char *text)
{
    decoded all = {0};
    for (const char *line = text, *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        decoded one = run_decoder(spec, true, NULL, line, (size_t)(end - line) + 1);
        const char *bad = ds_buffer_text(&one.bad), *behind = strstr(bad, " 0 ");
        ds_buffer_append_text(&all.rows, ds_buffer_text(&one.rows));
        if (behind != NULL)
            ds_buffer_printf(&all.bad, "%.*s %d %s", (int)(behind - bad), bad, (int)(line - text),
                             behind + 3);
        decoded_fini(&one);
    }
    return all;
}

/* The lines give the same together, where decoders may read far behind a record and keep what they
 * know of the one before. */
static inline void expect_as_alone(const ds_format_spec *spec, ds_buffer *text)
{
    decoded alone = decode_alone(spec, ds_buffer_text(text));
    decoded together = decode_bytes(spec, NULL, text->data, text->length);
    ck_assert_str_eq(ds_buffer_text(&together.rows), ds_buffer_text(&alone.rows));
    ck_assert_str_eq(ds_buffer_text(&together.bad), ds_buffer_text(&alone.bad));
    decoded_fini(&alone);
    decoded_fini(&together);
}

#endif
