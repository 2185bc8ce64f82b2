/* The last pass of planning: nodes are put into stages. Private to this folder. */
#ifndef DS_DSTREAM_PLAN_STAGES_H
#define DS_DSTREAM_PLAN_STAGES_H

#include "dstream/planner.h"

/* Makes the stages of a plan whose nodes are complete: sets node->stage and node->input. */
void ds_plan_make_stages(ds_planner *planner, ds_plan *plan);

#endif
