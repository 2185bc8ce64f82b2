/*
 * The clock that batch times follow: the system's, which may be set.
 *
 * Forwards it is followed at once. Backwards by little it is waited for, as batch times only go up:
 * until it has come to where it was, it says what the system's says. By more than
 * DS_CLOCK_BACK_MS nobody wants to wait: it goes on from where it was, at the pace of the monotonic
 * clock, until the system's has caught up.
 */
#ifndef DS_SCHEDULER_BATCH_CLOCK_H
#define DS_SCHEDULER_BATCH_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define DS_CLOCK_BACK_MS INT64_C(60000)

typedef struct ds_batch_clock { /* all zero: it was not read yet */
    bool started;
    bool paced;                   /* it goes on by itself since ... */
    int64_t base_us, base_ms;     /* ... the monotonic clock said this, and it said that */
    int64_t newest_us, newest_ms; /* when it said the most, and what */
} ds_batch_clock;

/* What it says, when the monotonic clock and the system's say this. True in *jumped if it has just
 * begun to go on by itself. */
int64_t ds_batch_clock_read(ds_batch_clock *clock, int64_t now_us, int64_t wall_ms, bool *jumped);

/* It goes on from time_ms, by itself, if that is more than a little later than what it says. True
 * if so. */
bool ds_batch_clock_begin(ds_batch_clock *clock, int64_t now_us, int64_t time_ms);

/* When it will say time_ms, on the monotonic clock, if it goes on by itself; else INT64_MAX. */
int64_t ds_batch_clock_when_us(const ds_batch_clock *clock, int64_t time_ms);

#endif
