/* What of a plan is needed: nodes, and columns of them. */
#ifndef DS_DSTREAM_PLAN_NEEDS_H
#define DS_DSTREAM_PLAN_NEEDS_H

#include "dstream/plan.h"
#include "dstream/planner.h"

/* Keeps only the nodes that sinks need, numbers them anew and links children. */
void ds_plan_prune(ds_plan *plan);

/* From the sinks up: says of each node which of its columns are wanted, and whether the order of
 * its rows is. */
void ds_plan_propagate(ds_planner *planner, const ds_plan *plan);

#endif
