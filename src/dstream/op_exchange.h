/*
 * An exchange: whole rows that are brought to the partitions of a stage. By key, for a join: all
 * rows of a key come to one partition, and ints that meet floats become floats. Or one after the
 * other, for `repartition`: every partition gets as many.
 *
 * First half, in the stages of the parent: rows are kept (row_scatter.h) and leave in pieces. Rows
 * that a join by key cannot match and does not want are left out. Second half, where it is a root:
 * the join reads the pieces itself (op_join.h); those of `repartition` are replayed.
 *
 * Where the rows of the parent are in the partitions of their keys already, the exchange of a join
 * is no root, and only hands rows on (`here`).
 */
#ifndef DS_DSTREAM_OP_EXCHANGE_H
#define DS_DSTREAM_OP_EXCHANGE_H

#include "dstream/frame.h"
#include "dstream/planner.h"

typedef struct ds_exchange_plan {
    uint32_t *keys; /* columns, in the order in which they are hashed; NULL: one after the other */
    uint32_t n_keys;
    bool *to_float;        /* by column: ints that become floats; NULL: none */
    bool drops_null_keys;  /* rows with a null among the keys are of no use */
    bool here;             /* the parent's rows are in their partitions already */
    uint32_t n_partitions; /* without keys */
} ds_exchange_plan;

/* By key; keys (given) are columns of rows, types the types that they shall have. *output becomes
 * the schema behind it. */
ds_exchange_plan *ds_exchange_by_key(ds_planner *planner, const ds_schema *rows,
                                     const uint32_t *keys, const ds_type *types, uint32_t n_keys,
                                     ds_schema *output);
/* `repartition`. */
ds_exchange_plan *ds_exchange_evenly(ds_planner *planner, uint32_t n_partitions);

/* First half; flush hands the rows out. */
void ds_exchange_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk);

#endif
