/* Reading the pieces that a task is given, a chunk of rows at a time, wherever they are. */
#ifndef DS_DSTREAM_PIECES_H
#define DS_DSTREAM_PIECES_H

#include "dstream/frame.h"

/* Takes rows (at most a chunk) of a piece; the columns are gone when it returns. */
typedef ds_status (*ds_take_rows_fn)(void *arg, const ds_column *const *columns, uint32_t n);

/* Hands the rows of pieces of a root to take, in order. Stops at the first failure, of take or of a
 * piece that cannot be read or is none (DS_ERR_PROTOCOL). */
ds_status ds_pieces_each(ds_frame *frame, const ds_node *root, const ds_piece_bytes *pieces,
                         uint32_t n_pieces, ds_take_rows_fn take, void *arg, ds_error *error);

#endif
