/* Comparisons of up to 64 rows into the bits of a word: for comparison operators and in. */
#ifndef DS_COLUMNAR_COMPARE_H
#define DS_COLUMNAR_COMPARE_H

#include "columnar/column.h"

/* Compares a[i] with b[i] for count (<= 64) rows: bit i of the result; the bits behind are 0.
 * The values are int64_t or double. Pure. */
typedef uint64_t (*ds_compare_fn)(const void *a, const void *b, uint32_t count);

typedef enum ds_compare_op { DS_COMPARE_EQUAL, DS_COMPARE_LESS } ds_compare_op;

/* The fastest way on this machine for kind (DS_FLOAT, or anything kept in an int64_t). */
ds_compare_fn ds_compare_find(ds_compare_op op, ds_kind kind);
/* The way that every machine has: the reference. */
ds_compare_fn ds_compare_plain(ds_compare_op op, ds_kind kind);

/* A text that views are compared with again and again. */
typedef struct ds_needle {
    const char *text; /* borrowed */
    uint32_t length;
    uint64_t words[2]; /* the bytes of its view; the second only if it is inline */
} ds_needle;

static inline ds_needle ds_needle_of(const char *text, uint32_t length)
{
    ds_needle needle = {.text = text, .length = length};
    ds_view view = ds_view_at(text, length, 0, 0);
    memcpy(needle.words, &view, sizeof needle.words);
    return needle;
}

/* Equality of a view with the needle. No branch if that is short, as nobody can foresee which rows
 * have it; else the first 8 bytes decide nearly always. */
static inline bool ds_needle_equal(const ds_heap *heap, const ds_view *view,
                                   const ds_needle *needle)
{
    uint64_t words[2];
    memcpy(words, view, sizeof words);
    if (needle->length <= DS_INLINE_BYTES)
        return ((words[0] ^ needle->words[0]) | (words[1] ^ needle->words[1])) == 0;
    return words[0] == needle->words[0] &&
           memcmp(ds_view_bytes(heap, view), needle->text, needle->length) == 0;
}

#endif
