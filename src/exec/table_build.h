/*
 * From the bytes of a version of a table to what tasks look rows up in: its records are decoded
 * once, carried through the clauses that stand between the table and its joins, and held by key.
 */
#ifndef DS_EXEC_TABLE_BUILD_H
#define DS_EXEC_TABLE_BUILD_H

#include "dstream/op_broadcast.h"
#include "exec/task_source.h"

/* What a build needs of an executor (all borrowed). */
typedef struct ds_table_builder {
    const ds_plan *plan;
    ds_peers *peers;
    ds_budget *budget; /* of the executor: charged for the result as long as it lives */
} ds_table_builder;

/* The node that reads a source; NULL if no sink needs it. */
const ds_node *ds_table_node(const ds_plan *plan, const ds_app_source *source);

/*
 * Decodes the records that inputs name; bad ones, and rows that are dropped, go to letters (NULL:
 * nobody keeps any). *broadcasts becomes, by node id, what each join with this
 * table looks rows up in (free it). Counts and overflows go to *result, samples of bad records to
 * arena. DS_ERR_DATA under "fail"; DS_ERR_LOST if bytes cannot be had; DS_ERR_NO_MEMORY if it does
 * not fit: *broadcasts is NULL then.
 */
ds_status ds_table_build(const ds_table_builder *builder, const ds_node *source,
                         const ds_input *inputs, uint32_t n_inputs, ds_dead_letters *letters,
                         ds_arena *arena, ds_task_result *result, ds_broadcast ***broadcasts,
                         ds_error *error);
void ds_table_broadcasts_free(const ds_plan *plan, ds_broadcast **broadcasts);

#endif
