/*
 * The TCP server: takes up to DS_RECEIVER_CLIENTS clients at a time, and fewer where the process
 * may have few descriptors: its tasks need some for files. More wait in the system's backlog, as
 * the listening socket is not watched meanwhile; nor is it for a while after the system refused to
 * accept (no descriptors left).
 */
#include "receiver/address.h"
#include "receiver/intake.h"
#include "receiver/socket.h"

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel takes as many as its own limit allows */
#define ACCEPTS 16   /* in one go */
#define FIRST_WAIT_US ((int64_t)100 * 1000)
#define LAST_WAIT_US ((int64_t)5000 * 1000)

typedef struct listener {
    ds_watch watch;
    ds_intake *intake;
    char name[DS_ADDRESS_TEXT]; /* with the real port */
    int64_t wait_us;
    int64_t accept_us; /* when to accept again after a refusal */
    uint32_t most;     /* clients at a time */
    bool refused;
} listener;

#define SPARE_DESCRIPTORS 64u /* for the store, the driver's link, files of tasks, ... */

static uint32_t most_clients(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur >= DS_RECEIVER_CLIENTS + SPARE_DESCRIPTORS)
        return DS_RECEIVER_CLIENTS;
    /* Of very few, half. */
    uint32_t all = (uint32_t)limit.rlim_cur;
    return all > 2 * SPARE_DESCRIPTORS ? all - SPARE_DESCRIPTORS : all / 2;
}

/* Watches for clients, or stops to, as the state has it. */
static int watch_or_not(ds_intake *intake)
{
    listener *l = intake->own;
    bool wanted = intake->n_connections < l->most && l->accept_us == DS_NEVER;
    if (!wanted)
        ds_poller_unwatch(intake->poller, &l->watch);
    else if (!l->watch.watched)
        return ds_poller_watch(intake->poller, &l->watch, EPOLLIN);
    return 0;
}

static void say_running(ds_intake *intake)
{
    listener *l = intake->own;
    ds_intake_say(intake, DS_RECEIVER_RUNNING, DS_OK, "listening on %s", l->name);
}

static void accept_failed(ds_intake *intake, int error)
{
    listener *l = intake->own;
    l->accept_us = intake->poller->now_us + l->wait_us;
    l->wait_us = l->wait_us * 2 < LAST_WAIT_US ? l->wait_us * 2 : LAST_WAIT_US;
    if (!l->refused)
        ds_intake_say(intake, DS_RECEIVER_RETRYING, DS_ERR_UNAVAILABLE,
                      "cannot accept a client on %s: %s; trying again", l->name, strerror(error));
    l->refused = true;
}

static void accepted(ds_intake *intake, int fd)
{
    listener *l = intake->own;
    ds_socket_keep_alive(fd);
    int failed = ds_connection_open(intake, fd);
    if (failed != 0) {
        close(fd);
        accept_failed(intake, failed);
        return;
    }
    l->wait_us = FIRST_WAIT_US;
    intake->bytes_at_us = intake->poller->now_us;
    if (l->refused)
        say_running(intake);
    l->refused = false;
}

/* Errors of the system, not of the one client that was to be accepted. */
static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_client(ds_watch *watch)
{
    listener *l = (listener *)(void *)watch; /* its first member */
    ds_intake *intake = l->intake;
    for (int i = 0; i < ACCEPTS && l->accept_us == DS_NEVER && intake->n_connections < l->most;
         i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            accepted(intake, fd);
        else if (is_shortage(errno))
            accept_failed(intake, errno);
        else
            break;
    }
    watch_or_not(intake);
}

/* IPv4 is preferred: "localhost" is then found by clients that try either. */
static const struct addrinfo *choose(const struct addrinfo *list)
{
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        if (a->ai_family == AF_INET)
            return a;
    return list;
}

/* Returns 0 or an errno; the socket is in l->watch.fd. */
static int open_socket(listener *l, const struct addrinfo *a)
{
    const int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    l->watch.fd = fd;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        return errno;
    struct sockaddr_storage real;
    socklen_t n = sizeof real;
    if (getsockname(fd, (struct sockaddr *)&real, &n) != 0)
        return errno;
    ds_address_text(l->name, (struct sockaddr *)&real, n);
    return 0;
}

static void start_failed(ds_intake *intake, int error)
{
    char name[DS_ADDRESS_TEXT];
    ds_address_name(name, intake->spec.host, intake->spec.port);
    if (error == EADDRINUSE)
        ds_intake_end(intake, DS_RECEIVER_FAILED, DS_ERR_UNAVAILABLE,
                      "%s is in use by another process", name);
    else
        ds_intake_end(intake, DS_RECEIVER_FAILED, DS_ERR_UNAVAILABLE, "cannot listen on %s: %s",
                      name, strerror(error));
}

static void start(ds_intake *intake)
{
    listener *l = ds_calloc(1, sizeof *l);
    intake->own = l;
    l->intake = intake;
    l->watch = (ds_watch){.fd = -1, .ready = on_client};
    l->most = most_clients();
    l->wait_us = FIRST_WAIT_US;
    l->accept_us = DS_NEVER;
    struct addrinfo *list;
    ds_error error;
    if (ds_address_resolve(intake->spec.host, intake->spec.port, true, &list, &error) != DS_OK) {
        ds_intake_end(intake, DS_RECEIVER_FAILED, error.status, "%s", error.message);
        return;
    }
    int failed = open_socket(l, choose(list));
    freeaddrinfo(list);
    if (failed == 0)
        failed = watch_or_not(intake);
    if (failed != 0)
        start_failed(intake, failed);
    else
        say_running(intake);
}

static void ended(ds_intake *intake, ds_connection *connection)
{
    listener *l = intake->own;
    ds_connection_close(connection);
    intake->bytes_at_us = intake->poller->now_us;
    if (watch_or_not(intake) != 0)
        l->accept_us = intake->poller->now_us + FIRST_WAIT_US;
}

/* Clients that are not read, or not let in, may have much to say. */
static int64_t idle_us(const ds_intake *intake)
{
    const listener *l = intake->own;
    bool hears = !intake->stalled && !intake->paused && l->accept_us == DS_NEVER;
    if (!intake->spec.until_idle || !hears)
        return DS_NEVER;
    return intake->bytes_at_us + (int64_t)intake->spec.idle_ms * 1000;
}

static int64_t deadline(const ds_intake *intake)
{
    const listener *l = intake->own;
    int64_t idle = idle_us(intake);
    return idle < l->accept_us ? idle : l->accept_us;
}

static void timer(ds_intake *intake)
{
    listener *l = intake->own;
    int64_t now = intake->poller->now_us;
    if (idle_us(intake) <= now) {
        ds_intake_end(intake, DS_RECEIVER_ENDED, DS_OK, "nothing came to %s for %d ms", l->name,
                      intake->spec.idle_ms);
    } else if (l->accept_us <= now) {
        l->accept_us = DS_NEVER;
        intake->bytes_at_us = now;
        if (watch_or_not(intake) != 0)
            l->accept_us = now + FIRST_WAIT_US;
    }
}

static void close_listener(ds_intake *intake)
{
    listener *l = intake->own;
    ds_poller_unwatch(intake->poller, &l->watch);
    if (l->watch.fd >= 0)
        close(l->watch.fd);
    free(l);
}

const ds_intake_ops ds_socket_listen_ops = {
    .start = start, .ended = ended, .deadline = deadline, .timer = timer, .close = close_listener};
