#include "exec/shuffle.h"

#include "base/assert.h"
#include "columnar/piece.h"

#include <stdlib.h>
#include <string.h>

#define SHUFFLE_MAGIC 0x66687364u /* "dshf" */
#define CONTINUES_MAGIC                                                                            \
    0x63687364u /* "dshc": all rows go on where those of the range before ended */
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

uint64_t ds_shuffle_header_bytes(uint32_t n_partitions)
{
    return sizeof(header) + (uint64_t)n_partitions * sizeof(extent);
}

/* The pieces of a range, before they are written. */
typedef struct planned {
    uint64_t *sizes; /* by partition */
    uint8_t *spared; /* by partition and column (ds_piece_size_narrow) */
    uint32_t n_partitions, n_columns;
} planned;

static uint8_t *spared_of(const planned *plan, const ds_partition_rows *rows, uint32_t partition)
{
    return rows->narrow ? plan->spared + (size_t)partition * plan->n_columns : NULL;
}

static uint64_t piece_bytes(const planned *plan, const ds_heap *heap, const ds_partition_rows *rows,
                            uint32_t partition)
{
    const ds_column *const *columns = (const ds_column *const *)rows->columns;
    uint8_t *spared = spared_of(plan, rows, partition);
    if (rows->n_rows == 0)
        return 0;
    if (spared != NULL)
        return ds_piece_size_narrow(heap, columns, plan->n_columns, rows->n_rows, spared);
    return ds_piece_size(heap, columns, plan->n_columns, rows->n_rows);
}

ds_status ds_store_put_piece(ds_store *store, uint64_t offset, size_t size, const ds_heap *heap,
                             const ds_column *const *columns, uint32_t n_columns, uint32_t n_rows,
                             const uint8_t *spared, ds_error *error)
{
    if (!ds_store_is_on_disk(store, offset)) {
        ds_piece_write_narrow(ds_store_bytes(store, offset), heap, columns, n_columns, n_rows,
                              spared);
        return DS_OK;
    }
    void *piece = ds_alloc(size);
    ds_piece_write_narrow(piece, heap, columns, n_columns, n_rows, spared);
    ds_status status = ds_store_put(store, offset, piece, size, error);
    free(piece);
    return status;
}

/* Clears up to the next piece: a range holds nothing of what was there before. */
static ds_status pad(ds_store *store, uint64_t from, uint64_t end, ds_error *error)
{
    static const char zeros[PIECE_ALIGN];
    return from == end ? DS_OK : ds_store_put(store, from, zeros, end - from, error);
}

/* The header of a range: where the pieces will be. */
static ds_status put_header(ds_store *store, const ds_ref *ref, const uint64_t *sizes,
                            uint32_t n_partitions, bool continues, ds_error *error)
{
    size_t size = ds_shuffle_header_bytes(n_partitions);
    header *head = ds_alloc(size);
    head->magic = continues ? CONTINUES_MAGIC : SHUFFLE_MAGIC;
    head->n_partitions = n_partitions;
    uint64_t at = aligned(size);
    for (uint32_t p = 0; p < n_partitions; p++) {
        head->pieces[p] = (extent){at, sizes[p]};
        at += aligned(sizes[p]);
    }
    DS_ASSERT(at == ref->length);
    ds_status status = ds_store_put(store, ref->offset, head, size, error);
    free(head);
    if (status == DS_OK)
        status = pad(store, ref->offset + size, ref->offset + aligned(size), error);
    return status;
}

static ds_status put_pieces(ds_store *store, const ds_ref *ref, const ds_heap *heap,
                            const ds_partition_rows *rows, const planned *plan, ds_error *error)
{
    const uint64_t *sizes = plan->sizes;
    uint32_t n_partitions = plan->n_partitions;
    bool continues = n_partitions == 1 && rows[0].continues;
    DS_TRY(put_header(store, ref, sizes, n_partitions, continues, error));
    uint64_t at = ref->offset + aligned(ds_shuffle_header_bytes(n_partitions));
    for (uint32_t p = 0; p < n_partitions; p++) {
        if (sizes[p] == 0)
            continue;
        DS_TRY(ds_store_put_piece(store, at, sizes[p], heap,
                                  (const ds_column *const *)rows[p].columns, plan->n_columns,
                                  rows[p].n_rows, spared_of(plan, &rows[p], p), error));
        DS_TRY(pad(store, at + sizes[p], at + aligned(sizes[p]), error));
        at += aligned(sizes[p]);
    }
    DS_ASSERT(at == ref->offset + ref->length);
    return DS_OK;
}

ds_status ds_shuffle_write(ds_store *store, ds_batch_ranges *ranges, int64_t batch_ms,
                           const ds_heap *heap, const ds_partition_rows *rows,
                           uint32_t n_partitions, uint32_t n_columns, ds_ref *ref, ds_error *error)
{
    DS_ASSERT(n_partitions > 0);
    planned plan = {ds_calloc(n_partitions, sizeof *plan.sizes), ds_calloc(n_partitions, n_columns),
                    n_partitions, n_columns};
    ref->length = aligned(ds_shuffle_header_bytes(n_partitions));
    ds_status status = DS_OK;
    for (uint32_t p = 0; p < n_partitions; p++) {
        plan.sizes[p] = piece_bytes(&plan, heap, &rows[p], p);
        ref->length += aligned(plan.sizes[p]);
        if (plan.sizes[p] > UINT32_MAX) /* a long text that stands in very many rows */
            status = ds_error_set(error, DS_ERR_NO_MEMORY,
                                  "%llu bytes of rows made of one record or chunk are too many",
                                  (unsigned long long)plan.sizes[p]);
    }
    if (status == DS_OK)
        status = ds_batch_ranges_take(ranges, batch_ms, ref->length, &ref->offset, error);
    if (status == DS_OK)
        status = put_pieces(store, ref, heap, rows, &plan, error);
    free(plan.sizes);
    free(plan.spared);
    return status;
}

/* Where in a range the piece of one partition is (length 0: there is none), and whether its rows go
 * on where the range before ended; header: the first ds_shuffle_header_bytes of the range, or all
 * of it if it is shorter. DS_ERR_PROTOCOL if the range is no such thing. */
static ds_status find_piece(const char *header_text, const ds_ref *range, uint32_t n_partitions,
                            uint32_t partition, ds_ref *piece, bool *continues, ds_error *error)
{
    DS_ASSERT(partition < n_partitions);
    const header *head = (const header *)header_text;
    if (range->offset % PIECE_ALIGN != 0 || range->length < ds_shuffle_header_bytes(n_partitions) ||
        (head->magic != SHUFFLE_MAGIC && head->magic != CONTINUES_MAGIC) ||
        head->n_partitions != n_partitions)
        return ds_error_set(error, DS_ERR_PROTOCOL, "a range in a store is not a shuffle output");
    extent at = head->pieces[partition];
    if (at.offset > range->length || at.length > range->length - at.offset ||
        at.offset % PIECE_ALIGN != 0)
        return ds_error_set(error, DS_ERR_PROTOCOL, "a shuffle output has a piece outside of it");
    *piece = (ds_ref){range->executor_id, range->offset + at.offset, at.length};
    *continues = head->magic == CONTINUES_MAGIC;
    return DS_OK;
}

/* The beginnings of all ranges. */
static ds_status read_headers(ds_peers *peers, const ds_input *inputs, uint32_t n_inputs,
                              uint32_t n_partitions, ds_arena *arena, ds_budget *budget,
                              const char **headers, ds_error *error)
{
    ds_ref *refs = DS_ARENA_ARRAY(arena, ds_ref, n_inputs + 1);
    for (uint32_t i = 0; i < n_inputs; i++) {
        if (inputs[i].kind != DS_INPUT_PIECES)
            return ds_error_set(error, DS_ERR_PROTOCOL, "a reduce task was given no pieces");
        refs[i] = inputs[i].ref;
        if (refs[i].length > ds_shuffle_header_bytes(n_partitions))
            refs[i].length = ds_shuffle_header_bytes(n_partitions);
    }
    return ds_peers_read(peers, refs, n_inputs, arena, budget, headers, error);
}

/* Makes all pieces be there, or only those that are mapped, if the others have too many bytes. */
static ds_status find_bytes(ds_peers *peers, ds_arena *arena, ds_budget *budget,
                            uint64_t load_bytes, ds_shuffle_pieces *pieces, ds_error *error)
{
    const char **bytes = DS_ARENA_ARRAY(arena, const char *, pieces->n + 1);
    uint64_t elsewhere = 0;
    for (uint32_t i = 0; i < pieces->n; i++) {
        bytes[i] = ds_peers_mapped(peers, &pieces->refs[i]);
        elsewhere += bytes[i] == NULL ? pieces->refs[i].length : 0;
    }
    if (elsewhere > 0 && elsewhere <= load_bytes)
        DS_TRY(ds_peers_read(peers, pieces->refs, pieces->n, arena, budget, bytes, error));
    for (uint32_t i = 0; i < pieces->n; i++)
        pieces->list[i].bytes = bytes[i];
    return DS_OK;
}

uint32_t ds_shuffle_pieces_add(ds_shuffle_pieces *pieces, ds_arena *arena, const ds_ref *ref)
{
    if (pieces->n_refs == pieces->room) {
        ds_ref *refs = DS_ARENA_ARRAY(arena, ds_ref, pieces->room * 2 + 1);
        memcpy(refs, pieces->refs, pieces->n_refs * sizeof *refs);
        pieces->refs = refs;
        pieces->room = pieces->room * 2 + 1;
    }
    pieces->refs[pieces->n_refs] = *ref;
    return pieces->n_refs++;
}

ds_status ds_shuffle_read(ds_peers *peers, const ds_input *inputs, uint32_t n_inputs,
                          uint32_t n_partitions, uint32_t partition, ds_arena *arena,
                          ds_budget *budget, uint64_t load_bytes, ds_shuffle_pieces *pieces,
                          ds_error *error)
{
    const char **headers = DS_ARENA_ARRAY(arena, const char *, n_inputs + 1);
    DS_TRY(read_headers(peers, inputs, n_inputs, n_partitions, arena, budget, headers, error));
    *pieces = (ds_shuffle_pieces){.list = DS_ARENA_ARRAY(arena, ds_piece_bytes, n_inputs + 1),
                                  .refs = DS_ARENA_ARRAY(arena, ds_ref, n_inputs + 1),
                                  .room = n_inputs + 1};
    for (uint32_t i = 0; i < n_inputs; i++) {
        ds_ref *ref = &pieces->refs[pieces->n];
        bool continues = false;
        DS_TRY(find_piece(headers[i], &inputs[i].ref, n_partitions, partition, ref, &continues,
                          error));
        if (ref->length == 0)
            continue;
        pieces->list[pieces->n] = (ds_piece_bytes){.length = (size_t)ref->length,
                                                   .input = inputs[i].input,
                                                   .number = pieces->n,
                                                   .continues = continues};
        pieces->n++;
    }
    pieces->n_refs = pieces->n;
    return find_bytes(peers, arena, budget, load_bytes, pieces, error);
}
