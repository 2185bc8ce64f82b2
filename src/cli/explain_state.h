/* What `dstream explain` says of state and snapshots. */
#ifndef DS_CLI_EXPLAIN_STATE_H
#define DS_CLI_EXPLAIN_STATE_H

#include "dstream/plan.h"

/* What a state node keeps, by which key, for how long, and about how large. */
void ds_explain_state(const ds_node *node);
/* A snapshot, where its state is. */
void ds_explain_snapshot(const ds_node *node);

#endif
