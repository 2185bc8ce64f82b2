/*
 * Events wait in a mailbox; who holds `turn` takes them out and steps with them. Who adds one and
 * finds the turn taken leaves: whoever has it looks into the mailbox again after he gave it up, and
 * so sees what was added before it was tried. That goes on for a few rounds only, as others may
 * bring events for ever: then the own thread is woken, which waits for the turn.
 *
 * The own thread sleeps until `awake_us`. If a step by another makes the deadline come earlier, it
 * is nudged, and looks again.
 */
#include "exec/turns.h"

#include "base/assert.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ROUNDS 8 /* that a thread steps for others */

struct ds_turns {
    ds_turns_work work;
    ds_mailbox *mailbox;
    atomic_uint n_long; /* events that the own thread was woken for */
    pthread_mutex_t turn;
    int64_t awake_us; /* of the turn */
};

ds_turns *ds_turns_new(const ds_turns_work *work)
{
    ds_turns *turns = ds_calloc(1, sizeof *turns);
    turns->work = *work;
    turns->mailbox = ds_mailbox_new();
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
    pthread_mutex_destroy(&turns->turn);
    free(turns);
}

void ds_turns_post(ds_turns *turns, ds_mail *item)
{
    atomic_fetch_add(&turns->n_long, 1);
    ds_mailbox_post(turns->mailbox, item);
}

/* False if somebody else has the turn. */
static bool step_now(ds_turns *turns)
{
    if (pthread_mutex_trylock(&turns->turn) != 0)
        return false;
    step(turns);
    int64_t deadline_us = turns->work.deadline_us(turns->work.arg);
    bool earlier = deadline_us < turns->awake_us;
    if (earlier)
        turns->awake_us = deadline_us;
    pthread_mutex_unlock(&turns->turn);
    if (earlier)
        ds_mailbox_nudge(turns->mailbox);
    return true;
}

void ds_turns_do(ds_turns *turns, ds_mail *item)
{
    ds_mailbox_add(turns->mailbox, item);
    for (int round = 0; round < ROUNDS && atomic_load(&turns->n_long) == 0; round++)
        if (!step_now(turns) || ds_mailbox_waiting(turns->mailbox) == 0)
            return;
    ds_mailbox_nudge(turns->mailbox);
}

void ds_turns_wait(ds_turns *turns)
{
    pthread_mutex_lock(&turns->turn);
    atomic_store(&turns->n_long, 0); /* before they are taken: one that comes now wakes us again */
    step(turns);
    turns->work.step(turns->work.arg, NULL);
    int64_t until_us = turns->awake_us = turns->work.deadline_us(turns->work.arg);
    pthread_mutex_unlock(&turns->turn);
    ds_mailbox_wait(turns->mailbox, until_us);
}

void ds_turns_lock(ds_turns *turns)
{
    pthread_mutex_lock(&turns->turn);
}

void ds_turns_unlock(ds_turns *turns)
{
    pthread_mutex_unlock(&turns->turn);
}
