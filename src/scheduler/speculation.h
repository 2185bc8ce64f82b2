/*
 * Which tasks are so slow that they get a second copy elsewhere (the original's speculation): once
 * a part of the stage's tasks is done (quantile), those that have taken longer than a multiple of
 * the median of these, and longer than a least time. A stage of one task has none.
 */
#ifndef DS_SCHEDULER_SPECULATION_H
#define DS_SCHEDULER_SPECULATION_H

#include "scheduler/batch.h"

/* The partitions of running tasks of a stage that are slow and have no copy, at most `most`; in
 * order. Costs in proportion to the tasks of the stage, if any of them may be slow. */
uint32_t ds_speculation_find(const ds_app_speculation *settings, const ds_batch_stage *stage,
                             int64_t now_us, uint32_t *slow, uint32_t most);

#endif
