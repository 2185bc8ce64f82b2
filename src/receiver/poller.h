/*
 * The poller: tells which descriptors can be read or written, by epoll.
 *
 * epoll takes no regular files; those are always ready, so while one is watched the poller
 * does not wait. Who is stalled stops watching: there is no busy loop. Not thread-safe.
 */
#ifndef DS_RECEIVER_POLLER_H
#define DS_RECEIVER_POLLER_H

#include "base/error.h"

#include <stdint.h>
#include <sys/epoll.h>

#define DS_POLLER_EVENTS 32 /* in one round: commands never wait longer than for so many reads */

/* What one descriptor is watched for; part of a larger struct. */
typedef struct ds_watch {
    int fd; /* borrowed */
    void (*ready)(struct ds_watch *watch);
    bool watched;
    bool always; /* a descriptor that epoll does not take */
    struct ds_watch *next_always;
} ds_watch;

typedef struct ds_poller {
    int epoll_fd;
    int64_t now_us; /* of the monotonic clock, read once a round */
    ds_watch *always;
    struct epoll_event events[DS_POLLER_EVENTS];
    int n_events;
} ds_poller;

/* Watches nothing yet. DS_ERR_IO if there are no descriptors left. One thread. */
ds_status ds_poller_init(ds_poller *poller, ds_error *error);
void ds_poller_fini(ds_poller *poller);

/* Starts to watch for EPOLLIN or EPOLLOUT. Returns 0, or an errno if it cannot be watched. */
int ds_poller_watch(ds_poller *poller, ds_watch *watch, uint32_t events);

/* Stops watching, before the descriptor is closed; its `ready` is not called any more, not even
 * in this round. Without effect if it is not watched. */
void ds_poller_unwatch(ds_poller *poller, ds_watch *watch);

/* Waits until something is ready or the time `until_us` has come (INT64_MAX: for ever). */
void ds_poller_wait(ds_poller *poller, int64_t until_us);

/* Calls `ready` of all that the last wait found. */
void ds_poller_dispatch(ds_poller *poller);

#endif
