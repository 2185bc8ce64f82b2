/*
 * Pieces: rows in one compact run of bytes, the only form in which they outlive a task or
 * leave a process (shuffle pieces, panes, cached rows). The bytes in memory are the bytes on
 * the wire: little-endian, every part at a multiple of 8, checked in full before use.
 *
 *     magic u32, version u16, n_columns u16, n_rows u32, flags u32, length u64,
 *     per column: kind u8, element u8, has_validity u8, spared u8, text_bytes u32,
 *     then per column: validity words, values, (string: text; list: child count, child)
 *
 * Strings are Arrow views whose buffer is the piece itself. One piece may hold more rows than
 * a chunk: the reader cuts it, or takes rows in parts.
 *
 * A narrow piece has ints in as few bytes as the largest of their column needs. Whoever reads it
 * gets them in memory of the arena, and not where they lie: it is for rows that are read once, and
 * in parts.
 */
#ifndef DS_COLUMNAR_PIECE_H
#define DS_COLUMNAR_PIECE_H

#include "base/error.h"
#include "columnar/column.h"

/* Bytes that ds_piece_write will need for these columns (all of n_rows). */
size_t ds_piece_size(const ds_heap *heap, const ds_column *const *columns, uint32_t n_columns,
                     uint32_t n_rows);

/* Writes a piece to `to`, which has ds_piece_size bytes and is aligned to 8. Returns the size. */
size_t ds_piece_write(void *to, const ds_heap *heap, const ds_column *const *columns,
                      uint32_t n_columns, uint32_t n_rows);

/* The same for a narrow piece: ds_piece_size_narrow looks at all values, and says in spared (one
 * for each column) how they are to be written. */
size_t ds_piece_size_narrow(const ds_heap *heap, const ds_column *const *columns,
                            uint32_t n_columns, uint32_t n_rows, uint8_t *spared);
size_t ds_piece_write_narrow(void *to, const ds_heap *heap, const ds_column *const *columns,
                             uint32_t n_columns, uint32_t n_rows, const uint8_t *spared);

/* How many rows a piece says that it has; 0 if it is none. Its first DS_PIECE_HEAD bytes do. */
#define DS_PIECE_HEAD ((size_t)24)
uint32_t ds_piece_rows(const void *bytes, size_t length);

/*
 * Opens a piece for reading: makes columns (in arena) of all its rows. Fixed-width values (of one
 * that is not narrow) refer to `bytes`, which stay borrowed; the bytes are added to heap and string
 * views are rewritten to refer to them. Never trusts the bytes: DS_ERR_PROTOCOL if anything does
 * not fit or the types differ from `types` (n_types of them).
 */
ds_status ds_piece_read(ds_arena *arena, ds_heap *heap, const void *bytes, size_t length,
                        const ds_type *types, uint32_t n_types, ds_column **columns,
                        uint32_t *n_rows, ds_error *error);

/* A piece of which rows are taken in parts, so that one larger than memory can be read. */
typedef struct ds_piece ds_piece;

/* Opens a piece (in arena): checks that all its parts are there. The bytes stay borrowed, and are
 * added to heap. DS_ERR_PROTOCOL as above. */
ds_status ds_piece_open(ds_arena *arena, ds_heap *heap, const void *bytes, size_t length,
                        const ds_type *types, uint32_t n_types, ds_piece **piece, ds_error *error);
/* How many rows it has. */
uint32_t ds_piece_length(const ds_piece *piece);
/* Makes columns (in arena) of the rows from .. from + n; from is a multiple of 64. Checks their
 * values: DS_ERR_PROTOCOL. */
ds_status ds_piece_take(const ds_piece *piece, ds_arena *arena, uint32_t from, uint32_t n,
                        ds_column **columns, ds_error *error);

#endif
