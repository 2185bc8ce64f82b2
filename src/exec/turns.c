/*
 * Events wait in a mailbox; who holds `turn` takes them out and steps with them. Who adds one and
 * finds the turn taken leaves: whoever has it looks into the mailbox again after he gave it up, and
 * so sees what was added before it was tried. That goes on for a few rounds only, as others may
 * bring events for ever: then the own thread is woken, which waits for the turn.
 *
 * The own thread sleeps on a timer of the system, the alarm. A step by another that changes the
 * deadline sets it anew, and nobody has to wake for that: a busy executor has a deadline for its
 * results with every few tasks, and nearly always they have left before. Who wants the own thread
 * awake counts in `n_long` and lets the alarm ring at once; as others may set it to a later time
 * meanwhile, everybody who sets it looks at `n_long` behind that.
 */
#include "exec/turns.h"

#include "base/assert.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ROUNDS 8 /* that a thread steps for others */

struct ds_turns {
    ds_turns_work work;
    ds_mailbox *mailbox;
    atomic_uint n_long; /* so often the own thread was woken, since it looked last */
    int alarm;          /* a timerfd */
    pthread_mutex_t turn;
    int64_t alarm_us; /* when it was to ring, but for those who want it at once; of the turn */
};

ds_turns *ds_turns_new(const ds_turns_work *work)
{
    ds_turns *turns = ds_calloc(1, sizeof *turns);
    turns->work = *work;
    turns->mailbox = ds_mailbox_new();
    turns->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    DS_ASSERT(turns->alarm >= 0);
    turns->alarm_us = INT64_MAX;
    pthread_mutex_init(&turns->turn, NULL);
    return turns;
}

/* Steps with all that waits; the turn is held. */
static void step(ds_turns *turns)
{
    ds_mail *items = ds_mailbox_take(turns->mailbox, 0);
    if (items != NULL)
        turns->work.step(turns->work.arg, items);
}

void ds_turns_free(ds_turns *turns)
{
    if (turns == NULL)
        return;
    step(turns);
    ds_mailbox_free(turns->mailbox);
    close(turns->alarm);
    pthread_mutex_destroy(&turns->turn);
    free(turns);
}

/* A time that is over: at once. INT64_MAX: never. */
static void ring_at(const ds_turns *turns, int64_t time_us)
{
    struct itimerspec at = {.it_value = {0}};
    if (time_us <= 0)
        at.it_value.tv_nsec = 1;
    else if (time_us != INT64_MAX)
        at.it_value = (struct timespec){time_us / 1000000, time_us % 1000000 * 1000};
    int failed = timerfd_settime(turns->alarm, TFD_TIMER_ABSTIME, &at, NULL);
    DS_ASSERT(failed == 0);
}

static void wake(ds_turns *turns)
{
    atomic_fetch_add(&turns->n_long, 1);
    ring_at(turns, 0);
}

/* The turn is held. */
static void set_alarm(ds_turns *turns, int64_t time_us)
{
    turns->alarm_us = time_us;
    ring_at(turns, time_us);
    if (atomic_load(&turns->n_long) != 0)
        ring_at(turns, 0);
}

void ds_turns_post(ds_turns *turns, ds_mail *item)
{
    ds_mailbox_add(turns->mailbox, item);
    wake(turns);
}

/* False if somebody else has the turn. */
static bool step_now(ds_turns *turns)
{
    if (pthread_mutex_trylock(&turns->turn) != 0)
        return false;
    step(turns);
    int64_t deadline_us = turns->work.deadline_us(turns->work.arg);
    if (deadline_us != turns->alarm_us)
        set_alarm(turns, deadline_us);
    pthread_mutex_unlock(&turns->turn);
    return true;
}

void ds_turns_do(ds_turns *turns, ds_mail *item)
{
    ds_mailbox_add(turns->mailbox, item);
    for (int round = 0; round < ROUNDS && atomic_load(&turns->n_long) == 0; round++)
        if (!step_now(turns) || ds_mailbox_waiting(turns->mailbox) == 0)
            return;
    wake(turns);
}

void ds_turns_wait(ds_turns *turns)
{
    uint64_t rung;
    pthread_mutex_lock(&turns->turn);
    atomic_store(&turns->n_long, 0); /* before they are taken: one that comes now wakes us again */
    step(turns);
    turns->work.step(turns->work.arg, NULL);
    set_alarm(turns, turns->work.deadline_us(turns->work.arg));
    pthread_mutex_unlock(&turns->turn);
    if (ds_mailbox_waiting(turns->mailbox) > 0)
        return; /* somebody found the turn taken */
    ssize_t n = read(turns->alarm, &rung, sizeof rung);
    DS_ASSERT(n == sizeof rung || n < 0); /* woken by a signal */
}

void ds_turns_lock(ds_turns *turns)
{
    pthread_mutex_lock(&turns->turn);
}

void ds_turns_unlock(ds_turns *turns)
{
    pthread_mutex_unlock(&turns->turn);
}
