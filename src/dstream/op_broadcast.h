/*
 * A join with a table: every executor holds the rows of the table by key, and the rows of the other
 * side are looked up as they pass, in whatever stage they are made. Nothing is shuffled.
 *
 * The node is a join (op_join.h) whose plan names a table; the exchanges before it only hand rows
 * on. It is joined so if one side is a table, or what from, flat_map, where and select make of one
 * without batch_time(), and no row of that side comes out without a partner.
 *
 * The rows of the table's side do not depend on the batch. So they are made once for each version
 * of the table, by a frame that reads the table and nothing else: there they end in a broadcast,
 * which does not change any more once it is finished, and is shared by all tasks of the executor.
 */
#ifndef DS_DSTREAM_OP_BROADCAST_H
#define DS_DSTREAM_OP_BROADCAST_H

#include "dstream/op_join.h"

typedef struct ds_broadcast ds_broadcast;

/* ---- plan ---- */

/* Lets a join be one with a table, if it can be: rows[side] are the nodes before its exchanges. */
void ds_broadcast_choose(ds_join_plan *join, ds_exchange_plan *const exchanges[2],
                         const ds_node *const rows[2]);

/* True for a join with a table. */
static inline bool ds_node_is_broadcast(const ds_node *node)
{
    return node->kind == DS_NODE_JOIN && node->join->table != NULL;
}

/* The node that gives the rows which are looked up. */
static inline const ds_node *ds_broadcast_stream(const ds_node *join)
{
    return join->parents[!join->join->table_side];
}

/* Marks, by node id, what reads when the table of this source is read for its broadcasts. */
void ds_broadcast_reads(const ds_plan *plan, const ds_node *source, bool *reads);

/* ---- run ---- */

/* An empty one for the table's side of a join. Charges budget (borrowed). Free it. */
ds_broadcast *ds_broadcast_new(const ds_node *join, ds_budget *budget);
void ds_broadcast_free(ds_broadcast *broadcast);

/* All rows came: from now on any number of threads may look them up. heap is that of the frame that
 * made the rows. */
void ds_broadcast_finish(ds_broadcast *broadcast, const ds_heap *heap);

/* How many rows it has. */
uint32_t ds_broadcast_rows(const ds_broadcast *broadcast);
/* The memory that it holds. */
size_t ds_broadcast_bytes(const ds_broadcast *broadcast);

/* Rows of a side: those of the table go to the frame's broadcast of this node if the frame reads
 * the table, and those of the other are looked up in it. */
void ds_broadcast_push(ds_frame *frame, const ds_node *node, uint32_t side, const ds_chunk *chunk);

#endif
