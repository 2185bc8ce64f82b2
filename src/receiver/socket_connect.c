/*
 * The TCP client. It tries the addresses of its host in turn; when all have failed it waits,
 * 100 ms at first and up to 5 s, and tries again. A connection that brought bytes, or lasted
 * longer than the wait before it, starts the waits from 100 ms again: a peer that only accepts
 * and hangs up is not dialled ten times a second for ever.
 */
#include "receiver/address.h"
#include "receiver/intake.h"
#include "receiver/socket.h"

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_WAIT_US ((int64_t)100 * 1000)
#define LAST_WAIT_US ((int64_t)5000 * 1000)
#define ATTEMPT_US ((int64_t)5000 * 1000)

typedef struct dialer {
    ds_watch watch; /* of a socket that is connecting */
    ds_intake *intake;
    struct addrinfo *addresses;
    const struct addrinfo *address; /* being tried */
    char name[DS_ADDRESS_TEXT];
    int64_t started_us, connected_us;
    int64_t wait_us;
    int64_t retry_us;   /* when to try again */
    int64_t attempt_us; /* when the attempt takes too long */
    bool reached;       /* at least once */
    int error;          /* errno of the last attempt */
} dialer;

static void attempt(ds_intake *intake);

static int64_t give_up_us(const ds_intake *intake)
{
    const dialer *d = intake->own;
    if (d->reached || intake->spec.give_up_ms <= 0)
        return DS_NEVER;
    return d->started_us + (int64_t)intake->spec.give_up_ms * 1000;
}

static void hang_up(ds_intake *intake)
{
    dialer *d = intake->own;
    d->attempt_us = DS_NEVER;
    if (d->watch.fd < 0)
        return;
    ds_poller_unwatch(intake->poller, &d->watch);
    close(d->watch.fd);
    d->watch.fd = -1;
}

static void retry_later(ds_intake *intake)
{
    dialer *d = intake->own;
    d->retry_us = intake->poller->now_us + d->wait_us;
    d->wait_us = d->wait_us * 2 < LAST_WAIT_US ? d->wait_us * 2 : LAST_WAIT_US;
}

/* An address cannot be reached: the next one, or later again, or never. */
static void refused(ds_intake *intake, int error)
{
    dialer *d = intake->own;
    hang_up(intake);
    d->error = error;
    d->address = d->address->ai_next;
    if (d->address != NULL) {
        attempt(intake);
    } else if (intake->spec.until_idle) {
        ds_intake_end(intake, DS_RECEIVER_FAILED, DS_ERR_UNAVAILABLE, "cannot connect to %s: %s",
                      d->name, strerror(error));
    } else {
        ds_intake_say(intake, DS_RECEIVER_RETRYING, DS_ERR_UNAVAILABLE,
                      "cannot connect to %s: %s; trying again", d->name, strerror(error));
        retry_later(intake);
    }
}

/* A port that the system chose for us while dialling it: TCP then connects with itself. */
static bool is_self(int fd)
{
    struct sockaddr_storage ours = {0}, theirs = {0};
    socklen_t n = sizeof ours, m = sizeof theirs;
    return getsockname(fd, (struct sockaddr *)&ours, &n) == 0 &&
           getpeername(fd, (struct sockaddr *)&theirs, &m) == 0 && n == m &&
           memcmp(&ours, &theirs, n) == 0;
}

static void connected(ds_intake *intake)
{
    dialer *d = intake->own;
    int fd = d->watch.fd;
    if (is_self(fd)) {
        refused(intake, ECONNREFUSED);
        return;
    }
    ds_poller_unwatch(intake->poller, &d->watch);
    ds_socket_keep_alive(fd);
    int failed = ds_connection_open(intake, fd);
    if (failed != 0) {
        refused(intake, failed);
        return;
    }
    d->watch.fd = -1;
    d->attempt_us = DS_NEVER;
    d->reached = true;
    d->connected_us = intake->bytes_at_us = intake->poller->now_us;
    ds_intake_say(intake, DS_RECEIVER_RUNNING, DS_OK, "connected to %s", d->name);
}

static void on_writable(ds_watch *watch)
{
    dialer *d = (dialer *)(void *)watch; /* its first member */
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    if (error == 0)
        connected(d->intake);
    else
        refused(d->intake, error);
}

/* Dials d->address. */
static void attempt(ds_intake *intake)
{
    dialer *d = intake->own;
    const struct addrinfo *a = d->address;
    d->retry_us = DS_NEVER;
    d->watch.fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = d->watch.fd < 0 ? errno : 0;
    if (error == 0 && connect(d->watch.fd, a->ai_addr, a->ai_addrlen) != 0)
        error = errno;
    if (error == EINPROGRESS) {
        d->attempt_us = intake->poller->now_us + ATTEMPT_US;
        error = ds_poller_watch(intake->poller, &d->watch, EPOLLOUT);
        if (error == 0)
            return;
    }
    if (error == 0)
        connected(intake);
    else
        refused(intake, error);
}

static void start(ds_intake *intake)
{
    dialer *d = ds_calloc(1, sizeof *d);
    intake->own = d;
    d->intake = intake;
    d->watch = (ds_watch){.fd = -1, .ready = on_writable};
    d->started_us = intake->poller->now_us;
    d->wait_us = FIRST_WAIT_US;
    d->retry_us = d->attempt_us = DS_NEVER;
    ds_address_name(d->name, intake->spec.host, intake->spec.port);
    ds_error error;
    if (ds_address_resolve(intake->spec.host, intake->spec.port, false, &d->addresses, &error) !=
        DS_OK) {
        ds_intake_end(intake, DS_RECEIVER_FAILED, error.status, "%s", error.message);
        return;
    }
    d->address = d->addresses;
    attempt(intake);
}

static void ended(ds_intake *intake, ds_connection *connection)
{
    dialer *d = intake->own;
    int error = connection->error;
    if (connection->received || intake->poller->now_us - d->connected_us > d->wait_us)
        d->wait_us = FIRST_WAIT_US;
    ds_connection_close(connection);
    if (intake->over)
        return;
    const char *why = error != 0 ? strerror(error) : "closed by the peer";
    if (intake->spec.until_idle) {
        ds_intake_end(intake, DS_RECEIVER_ENDED, DS_OK, "connection to %s: %s", d->name, why);
        return;
    }
    ds_intake_say(intake, DS_RECEIVER_RETRYING, DS_ERR_UNAVAILABLE,
                  "connection to %s: %s; connecting again", d->name, why);
    retry_later(intake);
}

static int64_t idle_us(const ds_intake *intake)
{
    bool reading = intake->connections != NULL && !intake->stalled && !intake->paused;
    if (!intake->spec.until_idle || !reading)
        return DS_NEVER;
    return intake->bytes_at_us + (int64_t)intake->spec.idle_ms * 1000;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline(const ds_intake *intake)
{
    const dialer *d = intake->own;
    return earlier(earlier(d->retry_us, d->attempt_us),
                   earlier(give_up_us(intake), idle_us(intake)));
}

static void timer(ds_intake *intake)
{
    dialer *d = intake->own;
    int64_t now = intake->poller->now_us;
    if (idle_us(intake) <= now) {
        ds_intake_end(intake, DS_RECEIVER_ENDED, DS_OK, "nothing came from %s for %d ms", d->name,
                      intake->spec.idle_ms);
    } else if (give_up_us(intake) <= now) {
        hang_up(intake);
        ds_intake_end(intake, DS_RECEIVER_FAILED, DS_ERR_UNAVAILABLE,
                      "cannot connect to %s for %d ms: %s", d->name, intake->spec.give_up_ms,
                      strerror(d->error != 0 ? d->error : ETIMEDOUT));
    } else if (d->attempt_us <= now) {
        refused(intake, ETIMEDOUT);
    } else if (d->retry_us <= now) {
        d->address = d->addresses;
        attempt(intake);
    }
}

static void close_dialer(ds_intake *intake)
{
    dialer *d = intake->own;
    hang_up(intake);
    if (d->addresses != NULL)
        freeaddrinfo(d->addresses);
    free(d);
}

const ds_intake_ops ds_socket_connect_ops = {
    .start = start, .ended = ended, .deadline = deadline, .timer = timer, .close = close_dialer};
