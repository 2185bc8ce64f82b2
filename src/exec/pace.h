/*
 * The pace of work beside the tasks: small bites, with pauses between them as long as tasks run.
 *
 * What is saved beside the tasks may be as large as it likes, and a batch that waits for a core
 * waits until the system takes it from whoever has it: milliseconds, also where that one is nice.
 * So it is given back after each bite, before somebody wants it. Where no task began or ended
 * for a while nobody is held up, and there are no pauses. And they become shorter with time: what
 * is as large as that has to come to an end, too.
 */
#ifndef DS_EXEC_PACE_H
#define DS_EXEC_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ds_pace {
    _Atomic uint64_t tasks; /* that were begun, and ended */
    atomic_bool hurry;
    uint64_t seen; /* tasks, when it was looked at last */
    int64_t since_ns;
    int64_t began_ns;
    int64_t worked_ns; /* CPU time of the thread at the end of the last pause */
    uint64_t bytes;    /* since the clock was looked at */
} ds_pace;

/* A zeroed one is ready. Of these functions pace may be NULL where it says so. */

/* A task begins, or ends. Any thread. */
void ds_pace_task(ds_pace *pace);
/* No pauses from now on. Any thread; or NULL. */
void ds_pace_hurry(ds_pace *pace);

/* Here the thread that works begins: one at a time. NULL: there will be no pauses. */
void ds_pace_begin(ds_pace *pace);
/* It has done so many bytes more: makes a pause if it is time. Costs nothing, mostly. Or NULL. */
void ds_pace_step(ds_pace *pace, uint64_t bytes);

#endif
