/*
 * The shuffle: what one map task writes for a stage, in one range of the store.
 *
 *     magic u32, n_partitions u32, (u64 offset, u64 length)[n_partitions], pieces (piece.h),
 *     each at a multiple of 64
 *
 * The magic number is another one if the rows go on where those of the range before, of the same
 * task, ended: a sorted run has many ranges. Offsets are from the beginning of the range; a
 * partition without rows has no bytes. A reduce task is given one such range for each map task (by
 * reference, in the order of the map partitions) and takes the piece of its own partition out of
 * each: first the beginnings of all, which say where the pieces are, then the pieces. So what
 * cannot be mapped but has to be fetched takes two rounds, and only the bytes of the one partition
 * travel. What is mapped is never copied. Everything is checked before it is believed.
 */
#ifndef DS_EXEC_SHUFFLE_H
#define DS_EXEC_SHUFFLE_H

#include "dstream/frame.h"
#include "dstream/op_group.h"
#include "exec/batch_ranges.h"
#include "exec/peers.h"

/* Writes columns as a piece of `size` bytes (ds_piece_size, or ds_piece_size_narrow, which gave
 * spared; else that is NULL) to a place in a taken range of the store. DS_ERR_IO if it is on disk
 * and that fails. */
ds_status ds_store_put_piece(ds_store *store, uint64_t offset, size_t size, const ds_heap *heap,
                             const ds_column *const *columns, uint32_t n_columns, uint32_t n_rows,
                             const uint8_t *spared, ds_error *error);

/* Writes the rows of all partitions into a range of the store, taken for batch_ms.
 * DS_ERR_NO_MEMORY if the store is full, DS_ERR_IO as above. Sets offset and length of *ref. */
ds_status ds_shuffle_write(ds_store *store, ds_batch_ranges *ranges, int64_t batch_ms,
                           const ds_heap *heap, const ds_partition_rows *rows,
                           uint32_t n_partitions, uint32_t n_columns, ds_ref *ref, ds_error *error);

/* How many bytes at the beginning of such a range say where its pieces are. */
uint64_t ds_shuffle_header_bytes(uint32_t n_partitions);

/* The pieces of one partition: by number, and where they are. */
typedef struct ds_shuffle_pieces {
    ds_piece_bytes *list;
    uint32_t n;
    ds_ref *refs; /* also of pieces that were added, and are not in the list */
    uint32_t n_refs, room;
} ds_shuffle_pieces;

/* Adds where a piece is that the task made itself; refs move in arena. Returns its number. */
uint32_t ds_shuffle_pieces_add(ds_shuffle_pieces *pieces, ds_arena *arena, const ds_ref *ref);

/* Finds the pieces of one partition in the ranges that inputs name (all of the kind PIECES), in
 * their order, empty ones left out. Those that are not mapped here are copied into arena if they
 * have load_bytes at most together; else they are left where they are, without bytes
 * (ds_peers_copy). Errors as ds_peers_read, and DS_ERR_PROTOCOL. */
ds_status ds_shuffle_read(ds_peers *peers, const ds_input *inputs, uint32_t n_inputs,
                          uint32_t n_partitions, uint32_t partition, ds_arena *arena,
                          ds_budget *budget, uint64_t load_bytes, ds_shuffle_pieces *pieces,
                          ds_error *error);

#endif
