/*
 * What the fuzz targets of the formats share: any bytes are decoded as one input, with all columns
 * wanted, with none, and with all kinds of vector instructions. The counts must be the same, and so
 * must be the rows; every value must be one that its type may have.
 */
#ifndef DS_FUZZ_FORMAT_H
#define DS_FUZZ_FORMAT_H

#include "base/assert.h"
#include "columnar/format.h"
#include "columnar/text.h"
#include "columnar/text_simd.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check_value(const ds_heap *heap, const ds_column *column, uint32_t row)
{
    if (ds_column_is_null(column, row) && column->type.kind != DS_STRING)
        return;
    switch (column->type.kind) {
    case DS_FLOAT: DS_ASSERT(isfinite(column->floats[row])); break;
    case DS_TIMESTAMP:
        DS_ASSERT(column->ints[row] >= DS_TIMESTAMP_MIN && column->ints[row] <= DS_TIMESTAMP_MAX);
        break;
    case DS_STRING: {
        const ds_view *view = &column->views[row];
        size_t valid;
        DS_ASSERT(ds_utf8_invalid(ds_view_bytes(heap, view), view->length, &valid) == 0);
        break;
    }
    case DS_LIST:
        DS_ASSERT(column->offsets[row + 1] <= column->child->length);
        for (uint32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++)
            check_value(heap, column->child, i);
        break;
    default: break;
    }
}

static inline void check_chunk(const ds_heap *heap, const ds_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->n_columns; i++) {
        if (chunk->columns[i] == NULL)
            continue;
        DS_ASSERT(chunk->columns[i]->length == chunk->n_rows);
        for (uint32_t row = 0; row < chunk->n_rows; row++)
            check_value(heap, chunk->columns[i], row);
    }
    for (uint32_t row = 1; row < chunk->n_rows; row++)
        DS_ASSERT(chunk->positions[row] > chunk->positions[row - 1]);
}

typedef struct fuzz_bad {
    const char *input;
    size_t size;
    uint64_t count;
} fuzz_bad;

static inline void note_bad(void *arg, ds_bad_reason reason, const char *record, size_t length,
                            uint64_t offset, const char *detail)
{
    fuzz_bad *bad = arg;
    DS_ASSERT(reason < DS_BAD_REASONS && detail[0] != '\0');
    DS_ASSERT(record == bad->input + offset && length <= bad->size - offset);
    bad->count++;
}

/* rows: NULL, or they are appended there as JSON. */
static inline void fuzz_decode_rows(const ds_format *format, const bool *wanted, const char *bytes,
                                    size_t size, ds_decoder_counts *counts, ds_buffer *rows_text)
{
    ds_arena *task = ds_arena_new(NULL), *arena = ds_arena_new(NULL);
    fuzz_bad bad = {.input = bytes, .size = size};
    ds_decoder *decoder = ds_decoder_new(format, wanted, note_bad, &bad);
    ds_heap heap;
    ds_heap_init(&heap, task);
    ds_decoder_open(decoder, &heap, bytes, size, 0);
    ds_chunk chunk;
    uint64_t rows = 0, all_bad = 0;
    while (ds_decoder_next(decoder, arena, &chunk)) {
        check_chunk(&heap, &chunk);
        if (rows_text != NULL)
            ds_rows_write(rows_text, DS_ROWS_JSON, ds_format_schema(format), &heap, &chunk);
        rows += chunk.n_rows;
        ds_arena_reset(arena);
    }
    ds_decoder_count(decoder, counts);
    for (int i = 0; i < DS_BAD_REASONS; i++)
        all_bad += counts->bad[i];
    DS_ASSERT(rows == counts->records && all_bad == bad.count);
    ds_decoder_free(decoder);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    ds_arena_free(task);
}

static inline void fuzz_decode(const ds_format *format, const bool *wanted, const char *bytes,
                               size_t size, ds_decoder_counts *counts)
{
    fuzz_decode_rows(format, wanted, bytes, size, counts, NULL);
}

/* The rows are the same, whatever vector instructions there are. */
static inline void fuzz_levels(const ds_format *format, const char *bytes, size_t size)
{
    ds_buffer best = {0}, less = {0};
    ds_decoder_counts of_best, of_less;
    fuzz_decode_rows(format, NULL, bytes, size, &of_best, &best);
    for (ds_simd level = DS_SIMD_PLAIN; level < DS_SIMD_AVX2; level++) {
        ds_simd_limit(level);
        less.length = 0;
        fuzz_decode_rows(format, NULL, bytes, size, &of_less, &less);
        DS_ASSERT(memcmp(&of_best, &of_less, sizeof of_best) == 0);
        DS_ASSERT(best.length == less.length &&
                  (best.length == 0 || memcmp(best.data, less.data, best.length) == 0));
    }
    ds_simd_limit(DS_SIMD_AVX2);
    ds_buffer_fini(&best);
    ds_buffer_fini(&less);
}

/* The lines count the same together, where decoders may read far behind a record and keep
 * what they know of the one before, as one by one. Not for formats with a header. */
static inline void fuzz_each_alone(const ds_format_spec *spec, const uint8_t *data, size_t size)
{
    ds_arena *plan = ds_arena_new(NULL);
    const ds_format *format;
    DS_ASSERT(ds_format_new(plan, spec, &format, NULL) == DS_OK);
    ds_decoder_counts together, one, sum = {0};
    const char *text = (const char *)data, *end = text + size;
    fuzz_decode(format, NULL, text, size, &together);
    for (const char *line = text; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop == NULL ? end : stop + 1;
        fuzz_decode(format, NULL, line, (size_t)(stop - line), &one);
        sum.records += one.records;
        sum.replaced += one.replaced;
        for (int i = 0; i < DS_BAD_REASONS; i++)
            sum.bad[i] += one.bad[i];
        line = stop;
    }
    DS_ASSERT(memcmp(&together, &sum, sizeof sum) == 0);
    ds_arena_free(plan);
}

static inline int fuzz_format(const ds_format_spec *spec, const uint8_t *data, size_t size)
{
    static const bool none[16];
    ds_arena *plan = ds_arena_new(NULL);
    const ds_format *format;
    ds_decoder_counts with_all, with_none;
    DS_ASSERT(ds_format_new(plan, spec, &format, NULL) == DS_OK);
    fuzz_decode(format, NULL, (const char *)data, size, &with_all);
    fuzz_decode(format, none, (const char *)data, size, &with_none);
    DS_ASSERT(memcmp(&with_all, &with_none, sizeof with_all) == 0);
    fuzz_levels(format, (const char *)data, size);
    ds_arena_free(plan);
    return 0;
}

#endif
