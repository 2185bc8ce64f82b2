/* The plan-time half of sinks: what the app file says of one, and where its tasks write aside.
 * Private to this folder. */
#ifndef DS_DSTREAM_PLAN_SINKS_H
#define DS_DSTREAM_PLAN_SINKS_H

#include "dstream/plan.h"

/* The plan of a sink of the app; texts are the app's or live in arena. Cheap. */
ds_sink_plan ds_sink_plan_of(ds_arena *arena, const ds_app *app, const ds_app_sink *sink);

/* Adds the sink of the dead letters, if some source of the app has any. */
void ds_plan_add_dead_letters(ds_plan *plan);

#endif
