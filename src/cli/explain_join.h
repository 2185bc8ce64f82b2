/* What `dstream explain` says of exchanges and joins, and of sizes. */
#ifndef DS_CLI_EXPLAIN_JOIN_H
#define DS_CLI_EXPLAIN_JOIN_H

#include "dstream/plan.h"

/* "24 bytes a row and its text": rows of these columns. of: "row", "key and pane". */
void ds_explain_size(const ds_type *types, uint32_t n_types, const char *of);

/* A list of columns by name: "user, day". */
void ds_explain_columns(const ds_schema *schema, const uint32_t *columns, uint32_t n);

/* True for an exchange that a join reads. */
bool ds_explain_is_side(const ds_node *node);

/* How an exchange spreads rows: "by user". */
void ds_explain_to(const ds_node *node);
/* Where an exchange is a root: what it brings together, and why. */
void ds_explain_exchange(const ds_node *node);
/* Where the rows of an exchange are in their partitions already. */
void ds_explain_here(const ds_node *node);
void ds_explain_join(const ds_node *node);

/* A join with a table (op_broadcast.h), where rows pass through it. */
void ds_explain_lookup(const ds_node *join);
/* Where the rows of the table end: what every executor holds. */
void ds_explain_held(const ds_node *join);

#endif
