#include "scheduler/batch_clock.h"

#include "base/assert.h"

static void go_on(ds_batch_clock *clock, int64_t now_us, int64_t time_ms)
{
    DS_ASSERT(time_ms >= clock->newest_ms);
    clock->paced = true;
    clock->base_us = clock->newest_us = now_us;
    clock->base_ms = clock->newest_ms = time_ms;
}

/* What it says by itself. */
static int64_t paced_ms(const ds_batch_clock *clock, int64_t now_us)
{
    DS_ASSERT(clock->paced && now_us >= clock->base_us);
    return clock->base_ms + (now_us - clock->base_us) / 1000;
}

int64_t ds_batch_clock_read(ds_batch_clock *clock, int64_t now_us, int64_t wall_ms, bool *jumped)
{
    *jumped = clock->started && !clock->paced && wall_ms < clock->newest_ms - DS_CLOCK_BACK_MS;
    if (*jumped)
        go_on(clock, now_us, clock->newest_ms + (now_us - clock->newest_us) / 1000);
    if (clock->paced && wall_ms < paced_ms(clock, now_us))
        wall_ms = paced_ms(clock, now_us);
    else
        clock->paced = false;
    if (!clock->started || wall_ms >= clock->newest_ms) {
        clock->newest_ms = wall_ms;
        clock->newest_us = now_us;
    }
    clock->started = true;
    return wall_ms;
}

bool ds_batch_clock_begin(ds_batch_clock *clock, int64_t now_us, int64_t time_ms)
{
    DS_ASSERT(clock->started);
    if (time_ms <= clock->newest_ms + DS_CLOCK_BACK_MS)
        return false;
    go_on(clock, now_us, time_ms);
    return true;
}

int64_t ds_batch_clock_when_us(const ds_batch_clock *clock, int64_t time_ms)
{
    if (!clock->paced)
        return INT64_MAX;
    return clock->base_us + (time_ms - clock->base_ms) * 1000;
}
