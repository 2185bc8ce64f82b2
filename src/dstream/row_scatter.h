/*
 * Rows on their way to the partitions of a stage: what the first halves of exchanges and windows by
 * key keep until they leave a task, and where each of them goes.
 */
#ifndef DS_DSTREAM_ROW_SCATTER_H
#define DS_DSTREAM_ROW_SCATTER_H

#include "dstream/row_buffer.h"

typedef struct ds_row_scatter ds_row_scatter;

/* Makes an empty one for rows with the types of the input; charges budget. Free it. */
ds_row_scatter *ds_row_scatter_new(const ds_stage_input *input, ds_budget *budget);
void ds_row_scatter_free(ds_row_scatter *scatter);

/* Appends rows; partitions[i] is where row i goes. Text is not copied: views stay valid as long as
 * the task. */
void ds_row_scatter_add(ds_row_scatter *scatter, const ds_column *const *columns,
                        const uint32_t *partitions, uint32_t n_rows);

/* As above, to the partitions of the hash of keys. */
void ds_row_scatter_by_key(ds_row_scatter *scatter, const ds_frame *frame,
                           const ds_column *const *columns, const ds_column *const *keys,
                           uint32_t n_keys, uint32_t n_partitions, uint32_t n_rows);

/* How many rows were ever added. */
uint64_t ds_row_scatter_total(const ds_row_scatter *scatter);
size_t ds_row_scatter_bytes(const ds_row_scatter *scatter);

/* Hands all rows out as pieces for node, the root of a later stage, and forgets them. */
ds_status ds_row_scatter_flush(ds_row_scatter *scatter, ds_frame *frame, const ds_node *node,
                               ds_error *error);

#endif
