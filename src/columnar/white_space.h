/* Where ASCII white space is in a text, as bits. */
#ifndef DS_COLUMNAR_WHITE_SPACE_H
#define DS_COLUMNAR_WHITE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

/* Text is looked at in windows of this many bytes: their bits fit a small array. */
#define DS_WHITE_WINDOW 4096u
#define DS_WHITE_READ 16u

/*
 * Fills masks with one bit for each byte from `from` (a multiple of the window) to `to` (at
 * most a window behind it): set for white space, and for what is behind `to` in the last word.
 * At least DS_WHITE_READ bytes at text have to be readable, even if `to` is less.
 */
typedef void (*ds_white_fn)(const char *text, uint32_t from, uint32_t to, uint64_t *masks);

/* The fastest version this processor runs (text_simd.h). */
ds_white_fn ds_white_masks(void);

/* Blank, tab, line feed, vertical tab, form feed, carriage return. */
static inline bool ds_is_white(char c)
{
    return c == ' ' || (unsigned char)(c - '\t') <= '\r' - '\t';
}

#endif
