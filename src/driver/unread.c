/*
 * What was saved of a key partition, and its owner cannot load.
 *
 * Batches cannot go on without it, and nothing but damage proves that it is gone: a disk that is
 * away for a moment, a folder that somebody moved, an executor without descriptors, or one that
 * does not see the folder, come to an end. So it is tried again, with growing waits, for as long as
 * it takes; by another executor if there is one that can, or has not tried.
 *
 * Bytes that are wrong, or a file that is not in the folder although that is the right one, are
 * damage, if they stay so for a while, whoever looks. With a checkpoint the app ends then, as it
 * would not have started: nothing wrong was output, and what is damaged can be put back. Without
 * one there is nothing to begin with again: the partition begins anew, which is counted.
 */
#include "base/assert.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>

#define WAIT_US INT64_C(10000) /* doubled */
#define WAIT_MOST_US INT64_C(2000000)
#define WAIT_DOUBLINGS 8u
#define SHOWN_EVERY_US INT64_C(10000000)
#define MOVES_AFTER_US INT64_C(1000000)
#define DAMAGED_TRIES 5u
#define DAMAGED_AFTER_US INT64_C(10000000)
#define BLIND_US                                                                                   \
    INT64_C(60000000) /* who could not read something is not given more for so long                \
                       */

/* ---- who ---- */

bool ds_driver_is_blind(const ds_driver *d, const ds_executor_entry *entry)
{
    return entry->unread_us != 0 && d->now_us - entry->unread_us < BLIND_US;
}

static bool can_take(const void *arg, const ds_executor_entry *entry)
{
    return !ds_driver_is_blind(arg, entry);
}

ds_executor_entry *ds_driver_best_owner(const ds_driver *d)
{
    const ds_choice *choice = &d->registry.by_owned;
    ds_executor_entry *best = ds_choice_best(choice, UINT32_MAX, can_take, d);
    return best != NULL ? best : ds_choice_best(choice, UINT32_MAX, NULL, NULL);
}

/* True if nothing of the partition is with its owner yet, in any stage. */
static bool is_nowhere(const ds_driver *d, uint32_t partition)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        if (d->keyed[s] != NULL && partition < d->plan->stages[s].n_partitions &&
            (d->keyed[s][partition].busy || d->keyed[s][partition].loaded))
            return false;
    return true;
}

/* Another executor gets it that has not failed lately, if there is one: then it is not the disk. */
static bool move(ds_driver *d, ds_executor_entry *from, uint32_t partition)
{
    DS_ASSERT(d->owners[partition] == from->id);
    ds_executor_entry *to = ds_driver_best_owner(d);
    if (to == NULL || to == from || ds_driver_is_blind(d, to) || !is_nowhere(d, partition))
        return false;
    ds_log_warn("key partition %u goes from executor %" PRIu64 " to executor %" PRIu64
                ", which may be able to read what was saved of it",
                partition, from->id, to->id);
    ds_registry_disown(&d->registry, from);
    ds_registry_own(&d->registry, to);
    d->owners[partition] = to->id;
    return true;
}

/* ---- when ---- */

static void show(ds_driver *d, const ds_executor_entry *from, const ds_task_result *result)
{
    if (d->unread_shown_us != 0 && d->now_us - d->unread_shown_us < SHOWN_EVERY_US)
        return;
    d->unread_shown_us = d->now_us;
    ds_log_warn("stream %s waits, as executor %" PRIu64 " cannot read what was saved, and it is "
                "tried again until it can: %s",
                d->plan->stages[result->stage].root->stream, from->id, result->message);
}

static void wait_for_it(ds_driver *d, ds_keyed *k)
{
    DS_ASSERT(k->unread > 0 && d->config.saves);
    uint32_t doublings = k->unread - 1 < WAIT_DOUBLINGS ? k->unread - 1 : WAIT_DOUBLINGS;
    int64_t wait_us = WAIT_US << doublings;
    k->not_before_us = d->now_us + (wait_us < WAIT_MOST_US ? wait_us : WAIT_MOST_US);
    if (!k->behind) { /* so that it is looked at when that has passed */
        k->behind = true;
        d->n_behind++;
    }
}

/* True if it is proven. */
static bool is_damaged(const ds_driver *d, ds_keyed *k, const ds_task_result *result)
{
    if (result->status != DS_ERR_LOST) {
        k->damaged = 0;
        return false;
    }
    if (k->damaged++ == 0)
        k->damaged_since_us = d->now_us;
    return k->damaged >= DAMAGED_TRIES && d->now_us - k->damaged_since_us >= DAMAGED_AFTER_US;
}

static void give_up(ds_driver *d, const ds_task_result *result)
{
    ds_keyed *k = &d->keyed[result->stage][result->partition];
    char why[DS_ERROR_TEXT];
    snprintf(why, sizeof why, "stream %s: %s", d->plan->stages[result->stage].root->stream,
             result->message);
    if (d->config.checkpoint) {
        snprintf(why, sizeof why,
                 "stream %s: %s; windows and state would begin anew: put it back and start the app "
                 "again",
                 d->plan->stages[result->stage].root->stream, result->message);
        ds_driver_end(d, DS_ERR_IO, why);
        return;
    }
    ds_log_error("%s", why);
    k->unread = k->damaged = 0;
    ds_driver_drop_chain(d, result->stage, result->partition);
}

bool ds_driver_unread(ds_driver *d, ds_executor_entry *from, const ds_task_result *result)
{
    ds_keyed *k = &d->keyed[result->stage][result->partition];
    DS_ASSERT(!k->busy);
    bool unread = result->status == DS_ERR_NO_INPUT || result->status == DS_ERR_LOST;
    if (!unread || k->loaded || !ds_chains_has(&d->chains, result->stage, result->partition))
        return false;
    if (k->unread++ == 0)
        k->unread_since_us = d->now_us;
    from->unread_us = d->now_us;
    show(d, from, result);
    wait_for_it(d, k);
    if (is_damaged(d, k, result))
        give_up(d, result);
    else if (d->now_us - k->unread_since_us >= MOVES_AFTER_US)
        move(d, from, result->partition);
    return true;
}

void ds_driver_could_read(const ds_driver *d, ds_executor_entry *from, ds_keyed *k)
{
    if (k->loaded || k->stands_ms == DS_NO_BATCH)
        return;
    DS_ASSERT(d->now_us >= from->unread_us);
    from->unread_us = 0;
    k->unread = k->damaged = 0;
}
