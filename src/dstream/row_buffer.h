/*
 * Rows that are gathered over many chunks before they leave a task: what the shuffle writers
 * of whole rows (window, console) keep. Text is not copied: views stay valid as long as the
 * task.
 */
#ifndef DS_DSTREAM_ROW_BUFFER_H
#define DS_DSTREAM_ROW_BUFFER_H

#include "dstream/frame.h"

typedef struct ds_row_buffer ds_row_buffer;

/* Makes a buffer of rows with the given types; charges budget. Free it. */
ds_row_buffer *ds_row_buffer_new(const ds_type *types, uint32_t n_columns, ds_budget *budget);
void ds_row_buffer_free(ds_row_buffer *buffer);

/* Appends all rows of a chunk. columns[i] is the chunk's column for column i of the buffer. With
 * positions (NULL: none, for all chunks then) the rows come out in their order. */
void ds_row_buffer_add(ds_row_buffer *buffer, const ds_column *const *columns,
                       const int64_t *positions, uint32_t n_rows);

/* The rows so far: columns that stay valid until the next call on the buffer. */
uint32_t ds_row_buffer_rows(ds_row_buffer *buffer, ds_column **columns);
size_t ds_row_buffer_bytes(const ds_row_buffer *buffer);
void ds_row_buffer_clear(ds_row_buffer *buffer);

/* Reads pieces one after the other and pushes their rows as rows of node, in order; positions
 * count up from *position. Pieces hold the wanted columns of node, in their order. */
ds_status ds_rows_replay(ds_frame *frame, const ds_node *node, const void *bytes, size_t length,
                         int64_t *position, ds_error *error);

#endif
