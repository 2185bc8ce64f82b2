#include "exec/pace.h"

#include <time.h>

#define BYTES_OF_LOOK (UINT64_C(8) << 10)
#define BITE_NS INT64_C(100000)
#define PAUSES 4 /* times what was worked: a fifth of a core is for this */
#define MOST_PAUSE_NS INT64_C(50000000)
#define IDLE_NS INT64_C(5000000) /* without a task: nobody is in the way */

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void ds_pace_task(ds_pace *pace)
{
    atomic_fetch_add_explicit(&pace->tasks, 1, memory_order_relaxed);
}

void ds_pace_hurry(ds_pace *pace)
{
    if (pace != NULL)
        atomic_store_explicit(&pace->hurry, true, memory_order_relaxed);
}

void ds_pace_begin(ds_pace *pace)
{
    if (pace == NULL)
        return;
    pace->seen = atomic_load_explicit(&pace->tasks, memory_order_relaxed);
    pace->since_ns = now_ns(CLOCK_MONOTONIC); /* as if there had been one: it begins with pauses */
    pace->worked_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    pace->bytes = 0;
}

static bool is_in_the_way(ds_pace *pace)
{
    uint64_t tasks = atomic_load_explicit(&pace->tasks, memory_order_relaxed);
    int64_t now = now_ns(CLOCK_MONOTONIC);
    if (tasks != pace->seen) {
        pace->seen = tasks;
        pace->since_ns = now;
    }
    return now - pace->since_ns < IDLE_NS;
}

void ds_pace_step(ds_pace *pace, uint64_t bytes)
{
    if (pace == NULL || (pace->bytes += bytes) < BYTES_OF_LOOK)
        return;
    pace->bytes = 0;
    int64_t worked = now_ns(CLOCK_THREAD_CPUTIME_ID) - pace->worked_ns;
    if (worked < BITE_NS)
        return;
    int64_t pause = PAUSES * worked < MOST_PAUSE_NS ? PAUSES * worked : MOST_PAUSE_NS;
    const struct timespec time = {0, (long)pause};
    if (!atomic_load_explicit(&pace->hurry, memory_order_relaxed) && is_in_the_way(pace))
        nanosleep(&time, NULL);
    pace->worked_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
}
