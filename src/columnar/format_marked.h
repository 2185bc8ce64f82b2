/*
 * Records that are read by their marks alone.
 *
 * Most lines of an input have the shape that nearly all have. Where a window is marked and is plain
 * ASCII, a format may try each line in a loop of its own first, which knows that shape only, checks
 * all of it by marks and whole words, and puts values straight into the columns. Whatever does not
 * fit is left, before it counts as anything, to the function that reads any record and says what
 * is wrong with it; so such a loop must take nothing that this function would not read in just the
 * same way. It may leave values behind in the row being made.
 *
 * Loads need no bounds: DS_MARKED_BEHIND bytes may be read behind the end of such a line.
 */
#ifndef DS_COLUMNAR_FORMAT_MARKED_H
#define DS_COLUMNAR_FORMAT_MARKED_H

#include "columnar/format_internal.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define DS_MARKED_BEHIND 64u

/* Marks are made where there is AVX2: so the loops over them may use what comes with it. */
#if defined(__x86_64__)
#include <immintrin.h>
#define DS_MARKED __attribute__((target("avx2,bmi,bmi2")))
#else
#define DS_MARKED
#endif

/* Whether there are lines that may be read so. */
static inline bool ds_marked_lines(const ds_decoder *decoder)
{
    const ds_lines *lines = &decoder->lines;
    return lines->marks != NULL && lines->plain && lines->next < lines->n_ends;
}

/* The next line, which is not taken yet. False: there is none, or it has to be read otherwise. */
DS_ALWAYS_INLINE bool ds_marked_line(const ds_decoder *decoder, const char **text, const char **end)
{
    const ds_lines *lines = &decoder->lines;
    if (lines->next == lines->n_ends || decoder->n_rows == decoder->capacity)
        return false;
    uint32_t start = lines->start, behind = lines->ends[lines->next];
    *text = lines->bytes + start;
    *end = lines->bytes + behind;
    return behind - start <= decoder->format->record_limit &&
           lines->length - behind >= DS_MARKED_BEHIND;
}

/* The line became row n_rows. */
DS_ALWAYS_INLINE void ds_marked_take(ds_decoder *decoder)
{
    ds_lines *lines = &decoder->lines;
    decoder->positions[decoder->n_rows++] = decoder->position++;
    lines->start = lines->ends[lines->next++] + 1;
}

/* Fills the chunk: `run` takes lines as long as it can, `one` any record (both constants). */
DS_ALWAYS_INLINE void ds_decode_marked(ds_decoder *decoder, void (*run)(ds_decoder *decoder),
                                       ds_record_fn *one)
{
    ds_record record;
    while (decoder->n_rows < decoder->capacity) {
        if (ds_marked_lines(decoder))
            run(decoder);
        if (decoder->n_rows == decoder->capacity || !ds_next_record(decoder, false, &record))
            return;
        if (!one(decoder, &record))
            continue;
        decoder->positions[decoder->n_rows] = decoder->position - 1;
        decoder->n_rows++;
    }
}

#if defined(__SSE2__)
/* What a view of so many bytes keeps of the text (from its second word on), and of its length,
 * nothing, its buffer and its offset. 13: it is longer than what is kept inline. */
extern const uint32_t ds_marked_keep[DS_INLINE_BYTES + 2][8];
#endif

/* A view of text, of which 16 bytes may be read. No branch: whether a text is short is what cannot
 * be foreseen. */
DS_ALWAYS_INLINE ds_view ds_view_of_any(const char *text, uint32_t length, uint32_t buffer,
                                        uint32_t offset)
{
#if defined(__SSE2__)
    const uint32_t(*keep)[8] = &ds_marked_keep[length < 13 ? length : 13];
    __m128i bytes = _mm_slli_si128(_mm_loadu_si128((const void *)text), 4);
    __m128i place = _mm_setr_epi32((int)length, 0, (int)buffer, (int)offset);
    bytes = _mm_and_si128(bytes, _mm_load_si128((const void *)*keep));
    place = _mm_and_si128(place, _mm_load_si128((const void *)(*keep + 4)));
    __m128i made = _mm_or_si128(bytes, place);
    ds_view view;
    memcpy(&view, &made, sizeof view);
    return view;
#else
    return ds_view_at(text, length, buffer, offset);
#endif
}

/* A view of text in the input, the same. */
DS_MARKED DS_ALWAYS_INLINE ds_view ds_marked_view(const ds_decoder *decoder, const char *text,
                                                  uint32_t length)
{
    return ds_view_of_any(text, length, decoder->buffer, (uint32_t)(text - decoder->lines.bytes));
}

#endif
