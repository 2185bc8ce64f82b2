#include "exec/pace.h"

#include <time.h>

#define BYTES_OF_LOOK (UINT64_C(8) << 10)
#define BITE_NS INT64_C(100000)
/* Times what was worked, so that a tenth of a core is for this; half as many after this time, after
 * twice it, and so on. */
#define PAUSES 9
#define PATIENCE_NS INT64_C(2000000000)
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
    pace->began_ns = now_ns(CLOCK_MONOTONIC);
    pace->since_ns = pace->began_ns; /* as if there had been one: it begins with pauses */
    pace->worked_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    pace->bytes = 0;
}

/* How many times as long as it worked it has to pause. */
static int64_t pauses(ds_pace *pace)
{
    uint64_t tasks = atomic_load_explicit(&pace->tasks, memory_order_relaxed);
    int64_t now = now_ns(CLOCK_MONOTONIC), most = PAUSES;
    if (tasks != pace->seen) {
        pace->seen = tasks;
        pace->since_ns = now;
    }
    if (now - pace->since_ns >= IDLE_NS)
        return 0;
    for (int64_t patience = PATIENCE_NS; most > 0 && now - pace->began_ns >= patience;
         patience *= 2)
        most /= 2;
    return most;
}

void ds_pace_step(ds_pace *pace, uint64_t bytes)
{
    if (pace == NULL || (pace->bytes += bytes) < BYTES_OF_LOOK)
        return;
    pace->bytes = 0;
    int64_t worked = now_ns(CLOCK_THREAD_CPUTIME_ID) - pace->worked_ns;
    if (worked < BITE_NS)
        return;
    bool hurry = atomic_load_explicit(&pace->hurry, memory_order_relaxed);
    int64_t pause = hurry ? 0 : pauses(pace) * worked;
    const struct timespec time = {0, (long)(pause < MOST_PAUSE_NS ? pause : MOST_PAUSE_NS)};
    if (pause > 0)
        nanosleep(&time, NULL);
    pace->worked_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
}
