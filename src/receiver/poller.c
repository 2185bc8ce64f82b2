#include "receiver/poller.h"

#include "base/assert.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

ds_status ds_poller_init(ds_poller *poller, ds_error *error)
{
    *poller = (ds_poller){.now_us = ds_clock_mono_us()};
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0)
        return ds_error_set(error, DS_ERR_IO, "cannot make an epoll descriptor: %s",
                            strerror(errno));
    return DS_OK;
}

void ds_poller_fini(ds_poller *poller)
{
    close(poller->epoll_fd);
    poller->epoll_fd = -1;
}

int ds_poller_watch(ds_poller *poller, ds_watch *watch, uint32_t events)
{
    DS_ASSERT(!watch->watched && watch->ready != NULL);
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) == 0) {
        watch->always = false;
    } else if (errno == EPERM) {
        watch->always = true;
        watch->next_always = poller->always;
        poller->always = watch;
    } else {
        return errno;
    }
    watch->watched = true;
    return 0;
}

static void forget_always(ds_poller *poller, ds_watch *watch)
{
    ds_watch **link = &poller->always;
    while (*link != watch)
        link = &(*link)->next_always;
    *link = watch->next_always;
}

void ds_poller_unwatch(ds_poller *poller, ds_watch *watch)
{
    if (!watch->watched)
        return;
    watch->watched = false;
    if (watch->always) {
        forget_always(poller, watch);
        return;
    }
    epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = 0; i < poller->n_events; i++)
        if (poller->events[i].data.ptr == watch)
            poller->events[i].data.ptr = NULL;
}

/* Milliseconds to wait, rounded up: a timer that fires early would be asked again at once. */
static int timeout_ms(const ds_poller *poller, int64_t until_us)
{
    if (poller->always != NULL)
        return 0;
    if (until_us == INT64_MAX)
        return -1;
    int64_t left = until_us - ds_clock_mono_us();
    if (left <= 0)
        return 0;
    int64_t ms = left / 1000 + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void ds_poller_wait(ds_poller *poller, int64_t until_us)
{
    int n = epoll_wait(poller->epoll_fd, poller->events, DS_POLLER_EVENTS,
                       timeout_ms(poller, until_us));
    DS_ASSERT(n >= 0 || errno == EINTR);
    poller->n_events = n > 0 ? n : 0;
    poller->now_us = ds_clock_mono_us();
}

void ds_poller_dispatch(ds_poller *poller)
{
    for (int i = 0; i < poller->n_events; i++) {
        ds_watch *watch = poller->events[i].data.ptr;
        if (watch != NULL)
            watch->ready(watch);
    }
    poller->n_events = 0;
    for (ds_watch *watch = poller->always, *next; watch != NULL; watch = next) {
        next = watch->next_always; /* it may stop watching itself, but no other */
        watch->ready(watch);
    }
}
