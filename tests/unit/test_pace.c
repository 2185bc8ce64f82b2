/* Work beside the tasks, in bites. A pause is a voluntary change of threads. */
#include "exec/pace.h"

#include "unit/unit.h"

#include <sys/resource.h>
#include <time.h>

#define BITE INT64_C(200000)

static int64_t worked_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Whether it makes a pause after so much work, and so many bytes, if a task began meanwhile. */
static bool pauses(ds_pace *pace, bool task, int64_t work, uint64_t bytes)
{
    struct rusage before, after;
    if (task)
        ds_pace_task(pace);
    pace->worked_ns = worked_ns() - work;
    getrusage(RUSAGE_THREAD, &before);
    ds_pace_step(pace, bytes);
    getrusage(RUSAGE_THREAD, &after);
    return after.ru_nvcsw > before.ru_nvcsw;
}

START_TEST(pauses_after_a_bite)
{
    ds_pace pace = {0};
    ds_pace_begin(&pace);
    ck_assert(pauses(&pace, true, BITE, 1 << 20));
    ck_assert_int_gt(worked_ns() - pace.worked_ns, 0);
    ck_assert_int_lt(worked_ns() - pace.worked_ns, BITE);
    ck_assert(!pauses(&pace, true, -BITE, 1 << 20)); /* it has worked too little, */
    ck_assert(!pauses(&pace, true, BITE, 100));      /* or is not known to have worked more */
    ck_assert(!pauses(&pace, true, BITE, 100));
    ck_assert(pauses(&pace, true, BITE, 8 << 10));
}
END_TEST

START_TEST(no_pauses_without_tasks)
{
    ds_pace pace = {0};
    ds_pace_begin(&pace);
    pace.since_ns -= INT64_C(3600000000000);
    ck_assert(!pauses(&pace, false, BITE, 1 << 20));
    ck_assert(pauses(&pace, true, BITE, 1 << 20));
}
END_TEST

START_TEST(no_pauses_after_a_long_time)
{
    ds_pace pace = {0};
    ds_pace_begin(&pace);
    pace.began_ns -= INT64_C(3000000000);
    ck_assert(pauses(&pace, true, BITE, 1 << 20)); /* shorter ones */
    pace.began_ns -= INT64_C(3600000000000);
    ck_assert(!pauses(&pace, true, BITE, 1 << 20));
    ds_pace_begin(&pace);
    ck_assert(pauses(&pace, true, BITE, 1 << 20));
}
END_TEST

START_TEST(no_pauses_in_a_hurry)
{
    ds_pace pace = {0};
    ds_pace_begin(&pace);
    ds_pace_hurry(&pace);
    ck_assert(!pauses(&pace, true, BITE, 1 << 20));
}
END_TEST

START_TEST(nobody_s_pace)
{
    ds_pace_begin(NULL);
    ds_pace_hurry(NULL);
    for (int i = 0; i < 100; i++)
        ds_pace_step(NULL, UINT64_MAX / 2);
}
END_TEST

UNIT_MAIN("pace", pauses_after_a_bite, no_pauses_without_tasks, no_pauses_after_a_long_time,
          no_pauses_in_a_hurry, nobody_s_pace)
