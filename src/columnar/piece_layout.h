/*
 * The layout of pieces, for those who write and read them; the format is in piece.h.
 *
 * Every part begins at a multiple of 8 and is padded with zeros, so equal rows give equal bytes:
 * values under a null are written as zero, and bits behind the length are clear. A piece without
 * rows has headers only.
 *
 * In version 2 ints and timestamps (not those in lists) may be without their high bytes: `spared`
 * says without how many (0, 4, 6, 7 or 8), and the sign of what is left stands for them. All 8 are
 * left out where all values are zero, but not in the first column: so a piece is as long as its
 * rows are many. Version 1 has zero there.
 *
 * A view of more than 12 bytes has buffer 0 and the place of its text counted from the first
 * byte of the piece; the text of a column lies right behind its views.
 */
#ifndef DS_COLUMNAR_PIECE_LAYOUT_H
#define DS_COLUMNAR_PIECE_LAYOUT_H

#include "columnar/piece.h"

#define DS_PIECE_MAGIC UINT32_C(0x65695073) /* "sPie" */
#define DS_PIECE_VERSION 1u
#define DS_PIECE_NARROW 2u /* the version with ints in fewer bytes */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pieces are memory as it is");

typedef struct ds_piece_header {
    uint32_t magic;
    uint16_t version, n_columns;
    uint32_t n_rows, flags;
    uint64_t length; /* of the whole piece */
} ds_piece_header;

typedef struct ds_piece_column {
    uint8_t kind, element, has_validity, spared; /* bytes of each int that are left out */
    uint32_t text_bytes;                         /* of a string column, or of a list's strings */
} ds_piece_column;

typedef struct ds_piece_child {
    uint32_t length;
    uint8_t has_validity, zero[3];
} ds_piece_child;

_Static_assert(sizeof(ds_piece_header) == 24 && sizeof(ds_piece_column) == 8, "fixed layout");
_Static_assert(sizeof(ds_piece_child) == 8 && sizeof(ds_view) == 16, "fixed layout");

static inline size_t ds_piece_padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

#endif
