#include "exec/shuffle.h"

#include "base/assert.h"
#include "columnar/piece.h"

#include <string.h>

#define SHUFFLE_MAGIC 0x66687364u /* "dshf" */
#define PIECE_ALIGN ((uint64_t)64)

typedef struct extent {
    uint64_t offset, length;
} extent;

typedef struct header {
    uint32_t magic;
    uint32_t n_partitions;
    extent pieces[];
} header;

static uint64_t aligned(uint64_t n)
{
    return (n + PIECE_ALIGN - 1) & ~(PIECE_ALIGN - 1);
}

static uint64_t header_bytes(uint32_t n_partitions)
{
    return sizeof(header) + (uint64_t)n_partitions * sizeof(extent);
}

/* Clears up to the next piece: a range holds nothing of what was there before. Returns where. */
static uint64_t pad(char *to, uint64_t at)
{
    memset(to + at, 0, aligned(at) - at);
    return aligned(at);
}

static uint64_t piece_bytes(const ds_heap *heap, const ds_partition_rows *rows, uint32_t n_columns)
{
    if (rows->n_rows == 0)
        return 0;
    return ds_piece_size(heap, (const ds_column *const *)rows->columns, n_columns, rows->n_rows);
}

ds_status ds_shuffle_write(ds_store *store, ds_batch_ranges *ranges, int64_t batch_ms,
                           const ds_heap *heap, const ds_partition_rows *rows,
                           uint32_t n_partitions, uint32_t n_columns, ds_ref *ref, ds_error *error)
{
    uint64_t total = aligned(header_bytes(n_partitions));
    for (uint32_t p = 0; p < n_partitions; p++)
        total += aligned(piece_bytes(heap, &rows[p], n_columns));
    if (!ds_batch_ranges_take(ranges, batch_ms, total, &ref->offset))
        return ds_error_set(error, DS_ERR_NO_MEMORY,
                            "the block store is full: %llu bytes for a shuffle do not fit "
                            "(executors.memory sets its size)",
                            (unsigned long long)total);
    ref->length = total;
    char *to = ds_store_bytes(store, ref->offset);
    header *head = (header *)to;
    head->magic = SHUFFLE_MAGIC;
    head->n_partitions = n_partitions;
    uint64_t at = pad(to, header_bytes(n_partitions));
    for (uint32_t p = 0; p < n_partitions; p++) {
        head->pieces[p] = (extent){at, 0};
        if (rows[p].n_rows > 0)
            head->pieces[p].length =
                ds_piece_write(to + at, heap, (const ds_column *const *)rows[p].columns, n_columns,
                               rows[p].n_rows);
        at = pad(to, at + head->pieces[p].length);
    }
    DS_ASSERT(at == total);
    return DS_OK;
}

ds_status ds_shuffle_piece(const char *bytes, uint64_t length, uint32_t n_partitions,
                           uint32_t partition, ds_piece_bytes *piece, ds_error *error)
{
    DS_ASSERT(partition < n_partitions);
    const header *head = (const header *)bytes;
    if (length < header_bytes(n_partitions) || head->magic != SHUFFLE_MAGIC ||
        head->n_partitions != n_partitions)
        return ds_error_set(error, DS_ERR_PROTOCOL, "a range in a store is not a shuffle output");
    extent at = head->pieces[partition];
    if (at.offset > length || at.length > length - at.offset || at.offset % PIECE_ALIGN != 0)
        return ds_error_set(error, DS_ERR_PROTOCOL, "a shuffle output has a piece outside of it");
    *piece = (ds_piece_bytes){bytes + at.offset, (size_t)at.length};
    return DS_OK;
}
