/*
 * Rows that are gathered over many chunks before they leave a task: what the shuffle writers
 * of whole rows (window, console) keep. Text is not copied, unless that is wanted: views stay
 * valid as long as what they refer to (ds_frame_settle).
 */
#ifndef DS_DSTREAM_ROW_BUFFER_H
#define DS_DSTREAM_ROW_BUFFER_H

#include "dstream/frame.h"

typedef struct ds_row_buffer ds_row_buffer;

/* Makes a buffer of rows with the given types; charges budget. Free it. */
ds_row_buffer *ds_row_buffer_new(const ds_type *types, uint32_t n_columns, ds_budget *budget);
void ds_row_buffer_free(ds_row_buffer *buffer);

/* From now on text is copied, and the copies are added to heap (of the task). */
void ds_row_buffer_own(ds_row_buffer *buffer, ds_heap *heap);
/* Copies the text of the rows so far, likewise. */
void ds_row_buffer_settle(ds_row_buffer *buffer, ds_heap *heap);

/* Appends all rows of a chunk. columns[i] is the chunk's column for column i of the buffer. With
 * positions (NULL: none, for all chunks then) the rows come out in their order. */
void ds_row_buffer_add(ds_row_buffer *buffer, const ds_column *const *columns,
                       const int64_t *positions, uint32_t n_rows);

/* The rows so far: columns that stay valid until the next call on the buffer. */
uint32_t ds_row_buffer_rows(ds_row_buffer *buffer, ds_column **columns);
/* How many rows there are. */
uint32_t ds_row_buffer_count(const ds_row_buffer *buffer);
/* What it holds: memory, and the text that it will be when the rows leave. */
size_t ds_row_buffer_bytes(const ds_row_buffer *buffer);
void ds_row_buffer_clear(ds_row_buffer *buffer);

/* Reads pieces one after the other and pushes their rows as rows of node, in order; positions
 * count up from *position. Pieces hold the wanted columns of node, in their order. */
ds_status ds_rows_replay(ds_frame *frame, const ds_node *node, const ds_piece_bytes *bytes,
                         int64_t *position, ds_error *error);

#endif
