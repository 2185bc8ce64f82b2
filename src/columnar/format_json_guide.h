/*
 * The guide of the json decoder: how the record before was written.
 *
 * The records of a source are mostly written by one program: the same keys in the same order, with
 * the same spaces. So the bytes between two values of the outermost object, such as `", "user": "`,
 * are kept as *glue*, with the node of the key. While the next record has the same glue in the same
 * places, its keys are neither scanned nor looked up; where it differs it is read on in the usual
 * way, which makes the guide anew from there.
 *
 * Nothing is believed that was not checked: glue was valid JSON where it stood, and stands at the
 * same place of the grammar again, as it counts only behind glue that did, and behind a value that
 * is a string or none as the one was that it was taken from. Values are checked as ever.
 */
#ifndef DS_COLUMNAR_FORMAT_JSON_GUIDE_H
#define DS_COLUMNAR_FORMAT_JSON_GUIDE_H

#include "columnar/format_json_scan.h"
#include "columnar/steady.h"

#include <string.h>

#define DS_GLUE_BYTES 32u  /* longer glue ends a guide */
#define DS_GUIDE_STEPS 64u /* values of a record that it leads to */

/* Glue and the value behind it. */
typedef struct ds_json_step {
    char glue[DS_GLUE_BYTES]; /* zeros behind it; with the quotes of strings */
    uint32_t length, mask;    /* mask: `length` bits */
    bool string;              /* the value is one */
    bool last;                /* the glue ends the record, there is no value */
    const void *node;         /* the caller's, for the key; NULL: nobody wants the value */
    int32_t text_column;      /* the caller's: strings go to this column; -1: not so simple */
    ds_steady length_before;  /* of the string */
} ds_json_step;

typedef struct ds_json_guide {
    uint32_t n_steps;
    bool learning;    /* steps are being added */
    bool is_direct;   /* it leads through a whole record of strings, which set all columns */
    const char *from; /* where the next glue begins */
    ds_json_step steps[DS_GUIDE_STEPS];
} ds_json_guide;

/* Whether the step's glue stands at p, where DS_GLUE_BYTES bytes may be read. It has no line end in
 * it, and the record is followed by one: so it ends within the record. */
static inline bool ds_json_glue_at(const ds_json_step *step, const char *p)
{
#if defined(__SSE2__)
    __m128i low =
        _mm_cmpeq_epi8(_mm_loadu_si128((const void *)p), _mm_loadu_si128((const void *)step->glue));
    __m128i high = _mm_cmpeq_epi8(_mm_loadu_si128((const void *)(p + 16)),
                                  _mm_loadu_si128((const void *)(step->glue + 16)));
    uint32_t same = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
    return (~same & step->mask) == 0;
#else
    return memcmp(p, step->glue, step->length) == 0;
#endif
}

/* From step n_steps on the guide is made anew, of glue that begins at p. */
static inline void ds_json_guide_learn(ds_json_guide *guide, uint32_t n_steps, const char *p)
{
    guide->n_steps = n_steps;
    guide->is_direct = false;
    guide->from = p;
    guide->learning = true;
}

/* The way goes where a guide cannot lead. */
static inline void ds_json_guide_stop(ds_json_guide *guide)
{
    guide->learning = false;
}

/* Adds a step whose glue ends at p. */
static inline void ds_json_guide_add(ds_json_guide *guide, const char *p, bool string, bool last,
                                     const void *node, int32_t text_column)
{
    size_t length = (size_t)(p - guide->from);
    if (!guide->learning)
        return;
    if (length > DS_GLUE_BYTES || length == 0 || guide->n_steps == DS_GUIDE_STEPS ||
        memchr(guide->from, '\r', length) != NULL) {
        guide->learning = false;
        return;
    }
    ds_json_step *step = &guide->steps[guide->n_steps++];
    memset(step->glue, 0, sizeof step->glue);
    memcpy(step->glue, guide->from, length);
    step->length = (uint32_t)length;
    step->mask = UINT32_MAX >> (DS_GLUE_BYTES - length);
    step->string = string;
    step->last = last;
    step->node = node;
    step->text_column = text_column;
    step->length_before = (ds_steady){0};
}

#endif
