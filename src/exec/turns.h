/*
 * Who steps a control: one thread at a time, and mostly the one that has the news.
 *
 * To hand an event to a sleeping thread costs more than most events do. So whoever comes with one
 * steps the control himself if nobody else is at it, and leaves the event to who is otherwise. The
 * control's own thread sleeps meanwhile; it is there for the time that passes, for events that
 * may take long, and as the last resort. Events keep their order.
 */
#ifndef DS_EXEC_TURNS_H
#define DS_EXEC_TURNS_H

#include "base/mailbox.h"

#include <stdint.h>

typedef struct ds_turns ds_turns;

/* Both are called by one thread at a time. */
typedef struct ds_turns_work {
    void *arg;
    /* Steps with events, the oldest first, which it takes over; NULL: time has passed. */
    void (*step)(void *arg, ds_mail *items);
    /* When time has to pass (monotonic us); INT64_MAX: never. */
    int64_t (*deadline_us)(void *arg);
} ds_turns_work;

/* work is copied. Free with ds_turns_free. */
ds_turns *ds_turns_new(const ds_turns_work *work);
/* When nobody comes any more; what is left goes through step first. */
void ds_turns_free(ds_turns *turns);

/* An event for the control's own thread: it may take long. Any thread. */
void ds_turns_post(ds_turns *turns, ds_mail *item);
/* A short one: is stepped with by the caller, or by who is at it. Any thread that holds no lock
 * which a step could want. */
void ds_turns_do(ds_turns *turns, ds_mail *item);

/* Steps with what is there, lets time pass, and waits for the next event for this thread, or the
 * deadline. The control's own thread. */
void ds_turns_wait(ds_turns *turns);

/* To look at the control beside all steps. */
void ds_turns_lock(ds_turns *turns);
void ds_turns_unlock(ds_turns *turns);

#endif
