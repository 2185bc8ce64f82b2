#include "scheduler/speculation.h"

#include "base/assert.h"

#include <stddef.h>
#include <stdlib.h>

/* Brings the value that is at a place of the sorted list there, with none that is larger before it.
 * There may be very many, and only the middle is asked for. */
static void settle(int64_t *values, ptrdiff_t n, ptrdiff_t place)
{
    ptrdiff_t from = 0, to = n - 1;
    while (from < to) {
        const int64_t pivot = values[from + (to - from) / 2];
        ptrdiff_t i = from, j = to;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i > j)
                break;
            int64_t value = values[i];
            values[i++] = values[j];
            values[j--] = value;
        }
        if (place <= j)
            to = j;
        else if (place >= i)
            from = i;
        else
            return;
    }
}

static int64_t largest(const int64_t *values, uint32_t n)
{
    int64_t most = values[0];
    for (uint32_t i = 1; i < n; i++)
        most = values[i] > most ? values[i] : most;
    return most;
}

/* How long the tasks took that are done: the one in the middle. */
static int64_t median_us(const ds_batch_stage *stage)
{
    DS_ASSERT(stage->n_done > 0 && stage->n_done <= stage->n_tasks);
    int64_t *took = ds_calloc(stage->n_done, sizeof *took);
    uint32_t n = 0;
    for (uint32_t p = 0; p < stage->n_tasks && n < stage->n_done; p++)
        if (stage->tasks[p].state == DS_TASK_DONE)
            took[n++] = stage->tasks[p].took_us;
    settle(took, n, n / 2);
    int64_t median = n % 2 == 1 ? took[n / 2] : (largest(took, n / 2) + took[n / 2]) / 2;
    free(took);
    return median;
}

static bool is_slower(const ds_batch_task *task, int64_t now_us, int64_t than_us)
{
    return task->state == DS_TASK_RUNNING && !task->copied && now_us - task->handed_us > than_us;
}

static bool any_slower(const ds_batch_stage *stage, int64_t now_us, int64_t than_us)
{
    for (uint32_t p = 0; p < stage->n_tasks; p++)
        if (is_slower(&stage->tasks[p], now_us, than_us))
            return true;
    return false;
}

uint32_t ds_speculation_find(const ds_app_speculation *settings, const ds_batch_stage *stage,
                             int64_t now_us, uint32_t *slow, uint32_t most)
{
    uint32_t enough = (uint32_t)(settings->quantile * stage->n_tasks);
    int64_t least_us = settings->min_runtime_ms * 1000;
    if (stage->n_done == 0 || stage->n_done < enough || !any_slower(stage, now_us, least_us))
        return 0;
    double limit = settings->multiplier * (double)median_us(stage);
    int64_t limit_us = limit < (double)(INT64_MAX / 2) ? (int64_t)limit : INT64_MAX / 2;
    if (limit_us < least_us)
        limit_us = least_us;
    uint32_t n = 0;
    for (uint32_t p = 0; p < stage->n_tasks && n < most; p++)
        if (is_slower(&stage->tasks[p], now_us, limit_us))
            slow[n++] = p;
    return n;
}
