/*
 * A queue of events from many threads to one loop, with a deadline to wait for.
 *
 * Items are intrusive: a ds_mail stands first in each event. Order is kept. The number of
 * waiting items is bounded by what may be in flight: each sender posts what it was asked for; who
 * posts without being asked looks at ds_mailbox_waiting first.
 */
#ifndef DS_BASE_MAILBOX_H
#define DS_BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ds_mail {
    struct ds_mail *next;
} ds_mail;

typedef struct ds_mailbox ds_mailbox;

/* An empty one; free with ds_mailbox_free. */
ds_mailbox *ds_mailbox_new(void);
/* Items still in it are the caller's to take first. */
void ds_mailbox_free(ds_mailbox *mailbox);

/* Puts an item in; the mailbox has it until it is taken. Any thread. */
void ds_mailbox_post(ds_mailbox *mailbox, ds_mail *item);

/* The same, without waking anybody: who puts it in sees to it that it is taken. */
void ds_mailbox_add(ds_mailbox *mailbox, ds_mail *item);

/* Ends the wait of who waits, or else the next one, as if its time had come. Any thread. */
void ds_mailbox_nudge(ds_mailbox *mailbox);

/* How many items wait. Any thread. */
size_t ds_mailbox_waiting(ds_mailbox *mailbox);

/* Takes all items, oldest first (a list, NULL if none); waits for one until deadline_us
 * (monotonic; INT64_MAX: for ever). One thread. */
ds_mail *ds_mailbox_take(ds_mailbox *mailbox, int64_t deadline_us);

/* Waits likewise, and takes nothing. One thread. */
void ds_mailbox_wait(ds_mailbox *mailbox, int64_t deadline_us);

#endif
