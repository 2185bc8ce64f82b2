/* What is done between the two functions is counted under a name, if callgrind looks on. */
#ifndef DS_TESTS_COUNTED_H
#define DS_TESTS_COUNTED_H

#include <stdio.h>

#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#endif
#endif
#ifndef CALLGRIND_ZERO_STATS
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

static char counted_name[64];

/* level may be "". */
static inline void count_begin(const char *level, const char *what)
{
    snprintf(counted_name, sizeof counted_name, "%s%s%s", level, level[0] == '\0' ? "" : " ", what);
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

static inline void count_end(void)
{
    CALLGRIND_DUMP_STATS_AT(counted_name);
    CALLGRIND_STOP_INSTRUMENTATION;
}

/* The control of a batch of 64 tasks, see control_path.c. */
void count_control(void);

#endif
