#include "base/mailbox.h"

#include "base/clock.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct ds_mailbox {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    ds_mail *first, **last;
    size_t waiting;
    bool nudged;
};

ds_mailbox *ds_mailbox_new(void)
{
    ds_mailbox *mailbox = ds_calloc(1, sizeof *mailbox);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&mailbox->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->last = &mailbox->first;
    return mailbox;
}

void ds_mailbox_free(ds_mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    pthread_cond_destroy(&mailbox->filled);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

static void append(ds_mailbox *mailbox, ds_mail *item)
{
    item->next = NULL;
    *mailbox->last = item;
    mailbox->last = &item->next;
    mailbox->waiting++;
}

void ds_mailbox_post(ds_mailbox *mailbox, ds_mail *item)
{
    pthread_mutex_lock(&mailbox->lock);
    append(mailbox, item);
    pthread_cond_signal(&mailbox->filled);
    pthread_mutex_unlock(&mailbox->lock);
}

void ds_mailbox_add(ds_mailbox *mailbox, ds_mail *item)
{
    pthread_mutex_lock(&mailbox->lock);
    append(mailbox, item);
    pthread_mutex_unlock(&mailbox->lock);
}

void ds_mailbox_nudge(ds_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    mailbox->nudged = true;
    pthread_cond_signal(&mailbox->filled);
    pthread_mutex_unlock(&mailbox->lock);
}

size_t ds_mailbox_waiting(ds_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    size_t waiting = mailbox->waiting;
    pthread_mutex_unlock(&mailbox->lock);
    return waiting;
}

/* Waits for a signal or the deadline; false when the deadline has passed. */
static bool wait_until(ds_mailbox *mailbox, int64_t deadline_us)
{
    if (deadline_us == INT64_MAX) {
        pthread_cond_wait(&mailbox->filled, &mailbox->lock);
        return true;
    }
    struct timespec until = {.tv_sec = deadline_us / 1000000,
                             .tv_nsec = deadline_us % 1000000 * 1000};
    return pthread_cond_timedwait(&mailbox->filled, &mailbox->lock, &until) == 0;
}

/* Waits for an item or the deadline; lock held. */
static void wait_for_mail(ds_mailbox *mailbox, int64_t deadline_us)
{
    while (mailbox->first == NULL && !mailbox->nudged && deadline_us > ds_clock_mono_us())
        if (!wait_until(mailbox, deadline_us))
            break;
    mailbox->nudged = false;
}

void ds_mailbox_wait(ds_mailbox *mailbox, int64_t deadline_us)
{
    pthread_mutex_lock(&mailbox->lock);
    wait_for_mail(mailbox, deadline_us);
    pthread_mutex_unlock(&mailbox->lock);
}

ds_mail *ds_mailbox_take(ds_mailbox *mailbox, int64_t deadline_us)
{
    pthread_mutex_lock(&mailbox->lock);
    if (deadline_us > 0)
        wait_for_mail(mailbox, deadline_us);
    ds_mail *items = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    mailbox->waiting = 0;
    pthread_mutex_unlock(&mailbox->lock);
    return items;
}
