/*
 * The shuffle: what one map task writes for a stage, in one range of the store.
 *
 *     magic u32, n_partitions u32, (u64 offset, u64 length)[n_partitions], pieces (piece.h),
 *     each at a multiple of 64
 *
 * Offsets are from the beginning of the range; a partition without rows has no bytes. A reduce
 * task is given one such range for each map task (by reference, in the order of the map
 * partitions) and takes the piece of its own partition out of each. The bytes are never
 * copied; everything is checked before it is believed.
 */
#ifndef DS_EXEC_SHUFFLE_H
#define DS_EXEC_SHUFFLE_H

#include "dstream/frame.h"
#include "dstream/op_group.h"
#include "exec/batch_ranges.h"
#include "rpc/message.h"

/* Writes the rows of all partitions into a range of the store, taken for batch_ms.
 * DS_ERR_NO_MEMORY if the store is full. Sets offset and length of *ref. */
ds_status ds_shuffle_write(ds_store *store, ds_batch_ranges *ranges, int64_t batch_ms,
                           const ds_heap *heap, const ds_partition_rows *rows,
                           uint32_t n_partitions, uint32_t n_columns, ds_ref *ref, ds_error *error);

/* The piece of one partition in such a range (length 0: none). DS_ERR_PROTOCOL if the range is
 * no such thing. */
ds_status ds_shuffle_piece(const char *bytes, uint64_t length, uint32_t n_partitions,
                           uint32_t partition, ds_piece_bytes *piece, ds_error *error);

#endif
