/*
 * One thread polls the door and all connections. A connection goes one way:
 *
 *     reading   until the empty line behind its head
 *     asked     until the answer is handed in, or is late
 *     writing   until it is sent
 *     leaving   our side is shut; what the client still sends is passed over until it closes, so
 * that no reset takes the answer away from it
 *
 * and every state has a deadline. Why not nng's own server: in nng 1.5.2 it gives a connection no
 * time limit and has no limit of connections, so that idle ones take all descriptors of the driver
 * (docs/rationale.md).
 *
 * The lock guards the connections: the thread holds it but when it polls and when it calls the
 * user, and whoever answers takes it to put the answer in its place.
 */
#include "rpc/http.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "rpc/http_request.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64
#define ACCEPT_PAUSE_US 100000 /* after an accept failed, mostly for want of descriptors */

typedef enum state { FREE, READING, ASKED, WRITING, LEAVING } state;

typedef struct connection {
    state state;
    int fd;
    uint64_t number; /* of the connection, and of its request */
    int64_t deadline_us;
    bool head_only; /* HEAD */
    size_t length;  /* of head */
    char head[DS_HTTP_HEAD_BYTES];
    ds_buffer out;
    size_t sent;
} connection;

struct ds_http {
    ds_http_fn fn;
    void *arg;
    ds_http_answer late;
    int door, wake;    /* a listening socket; an eventfd */
    int64_t accept_us; /* not before */
    pthread_t thread;
    pthread_mutex_t lock;
    bool stopping;
    uint64_t last; /* number of the newest connection */
    connection connections[DS_HTTP_CONNECTIONS];
};

static const struct {
    int status;
    const char *text;
} status_texts[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {431, "Request Header Fields Too Large"},
    {503, "Service Unavailable"},
};

static const char *status_text(int status)
{
    for (size_t i = 0; i < sizeof status_texts / sizeof *status_texts; i++)
        if (status_texts[i].status == status)
            return status_texts[i].text;
    return "Unknown";
}

static void set_deadline(connection *c, int ms)
{
    c->deadline_us = ds_clock_mono_us() + (int64_t)ms * 1000;
}

static void hang_up(connection *c)
{
    DS_ASSERT(c->state != FREE);
    close(c->fd);
    ds_buffer_fini(&c->out);
    c->state = FREE;
}

/* ---- answers ---- */

static void leave(connection *c)
{
    shutdown(c->fd, SHUT_WR);
    c->state = LEAVING;
    set_deadline(c, 1000);
}

static void write_some(connection *c)
{
    while (c->sent < c->out.length) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.length - c->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            hang_up(c);
            return;
        }
        c->sent += (size_t)n;
    }
    leave(c);
}

static void answer(connection *c, const ds_http_answer *a)
{
    c->state = WRITING;
    c->sent = c->out.length = 0;
    set_deadline(c, DS_HTTP_CLIENT_MS);
    ds_buffer_printf(&c->out,
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "Cache-Control: no-store\r\nConnection: close\r\n%s\r\n",
                     a->status, status_text(a->status), a->type, a->length,
                     a->status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!c->head_only)
        ds_buffer_append(&c->out, a->bytes, a->length);
    write_some(c);
}

static void refuse(connection *c, int status)
{
    const char *text = status_text(status);
    char body[64];
    int n = snprintf(body, sizeof body, "%s\n", text);
    const ds_http_answer a = {status, "text/plain; charset=utf-8", body, (size_t)n};
    answer(c, &a);
}

void ds_http_reply(ds_http *http, uint64_t request, const ds_http_answer *a)
{
    pthread_mutex_lock(&http->lock);
    for (size_t i = 0; i < DS_HTTP_CONNECTIONS; i++)
        if (http->connections[i].state == ASKED && http->connections[i].number == request)
            answer(&http->connections[i], a);
    pthread_mutex_unlock(&http->lock);
    const uint64_t one = 1;
    ssize_t n = write(http->wake, &one, sizeof one); /* what is polled for has changed */
    DS_ASSERT(n == sizeof one);
}

/* ---- requests ---- */

/* The head is there. Called with the lock, which is let go while the user is asked: then the
 * connection may be answered, but not be closed. */
static void ask(ds_http *http, connection *c)
{
    char path[DS_HTTP_PATH_BYTES];
    int status = ds_http_read_request(c->head, c->length, &c->head_only, path);
    if (status != 200) {
        refuse(c, status);
        return;
    }
    c->state = ASKED;
    set_deadline(c, DS_HTTP_ANSWER_MS);
    uint64_t number = c->number;
    pthread_mutex_unlock(&http->lock);
    bool known = http->fn(http->arg, number, path);
    pthread_mutex_lock(&http->lock);
    if (!known && c->state == ASKED && c->number == number)
        refuse(c, 404);
}

static void read_some(ds_http *http, connection *c)
{
    ssize_t n = recv(c->fd, c->head + c->length, sizeof c->head - c->length, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        hang_up(c);
        return;
    }
    c->length += (size_t)n;
    if (ds_http_head_length(c->head, c->length) > 0)
        ask(http, c);
    else if (c->length == sizeof c->head)
        refuse(c, 431);
}

/* What comes behind a request is passed over. */
static void pass_over(connection *c)
{
    char waste[4096];
    ssize_t n = recv(c->fd, waste, sizeof waste, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        hang_up(c);
}

/* ---- the door ---- */

/* A place for one more: a free one, that of the oldest that has not sent its request, or that of
 * the oldest. */
static connection *make_place(ds_http *http)
{
    connection *oldest = NULL;
    for (size_t i = 0; i < DS_HTTP_CONNECTIONS; i++) {
        connection *c = &http->connections[i];
        if (c->state == FREE)
            return c;
        bool earlier =
            oldest == NULL || (c->state == READING) > (oldest->state == READING) ||
            ((c->state == READING) == (oldest->state == READING) && c->number < oldest->number);
        if (earlier)
            oldest = c;
    }
    hang_up(oldest);
    return oldest;
}

static void let_in(ds_http *http)
{
    int fd = accept4(http->door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EINTR && errno != EAGAIN && errno != ECONNABORTED)
            http->accept_us = ds_clock_mono_us() + ACCEPT_PAUSE_US;
        return;
    }
    connection *c = make_place(http);
    c->state = READING;
    c->fd = fd;
    c->number = ++http->last;
    c->head_only = false;
    c->length = c->sent = 0;
    set_deadline(c, DS_HTTP_CLIENT_MS);
}

/* ---- the thread ---- */

static short wanted(const connection *c)
{
    return c->state == WRITING ? POLLOUT : c->state == ASKED ? 0 : POLLIN;
}

/* What is over time is told so, or closed. */
static void sweep(ds_http *http, int64_t now_us)
{
    for (size_t i = 0; i < DS_HTTP_CONNECTIONS; i++) {
        connection *c = &http->connections[i];
        if (c->state == FREE || c->deadline_us > now_us)
            continue;
        if (c->state == ASKED)
            answer(c, &http->late);
        else
            hang_up(c);
    }
}

/* Fills in what to poll for, by connection, and behind them the door and the eventfd. Returns for
 * how long, in ms. */
static int prepare(ds_http *http, struct pollfd *fds)
{
    int64_t now_us = ds_clock_mono_us();
    sweep(http, now_us);
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < DS_HTTP_CONNECTIONS; i++) {
        const connection *c = &http->connections[i];
        fds[i] = (struct pollfd){.fd = c->state != FREE ? c->fd : -1, .events = wanted(c)};
        if (c->state != FREE && c->deadline_us < next_us)
            next_us = c->deadline_us;
    }
    bool pausing = http->accept_us > now_us;
    if (pausing && http->accept_us < next_us)
        next_us = http->accept_us;
    fds[DS_HTTP_CONNECTIONS] = (struct pollfd){.fd = pausing ? -1 : http->door, .events = POLLIN};
    fds[DS_HTTP_CONNECTIONS + 1] = (struct pollfd){.fd = http->wake, .events = POLLIN};
    return next_us == INT64_MAX ? -1 : (int)((next_us - now_us + 999) / 1000);
}

/* Serves a connection for which something happened, if it still is what was polled for. */
static void serve(ds_http *http, connection *c, const struct pollfd *happened)
{
    if (happened->revents == 0 || c->state == FREE || c->fd != happened->fd)
        return;
    if (c->state == READING)
        read_some(http, c);
    else if (c->state == WRITING)
        write_some(c);
    else if (c->state == LEAVING)
        pass_over(c);
    else if ((happened->revents & (POLLERR | POLLHUP)) != 0)
        hang_up(c); /* nobody waits for the answer any more */
}

static void *run(void *arg)
{
    ds_http *http = arg;
    struct pollfd fds[DS_HTTP_CONNECTIONS + 2];
    uint64_t count;
    pthread_setname_np(pthread_self(), "http");
    pthread_mutex_lock(&http->lock);
    while (!http->stopping) {
        int timeout = prepare(http, fds);
        pthread_mutex_unlock(&http->lock);
        poll(fds, DS_HTTP_CONNECTIONS + 2, timeout);
        pthread_mutex_lock(&http->lock);
        for (size_t i = 0; i < DS_HTTP_CONNECTIONS; i++)
            serve(http, &http->connections[i], &fds[i]);
        if (fds[DS_HTTP_CONNECTIONS + 1].revents != 0 && read(http->wake, &count, sizeof count) < 0)
            DS_ASSERT(errno == EAGAIN || errno == EINTR);
        if (fds[DS_HTTP_CONNECTIONS].revents != 0)
            let_in(http);
    }
    for (size_t i = 0; i < DS_HTTP_CONNECTIONS; i++)
        if (http->connections[i].state != FREE)
            hang_up(&http->connections[i]);
    pthread_mutex_unlock(&http->lock);
    return NULL;
}

/* ---- life ---- */

/* Returns 0 or an errno; the socket is in *fd. */
static int open_door(const struct addrinfo *a, int *fd)
{
    const int on = 1;
    *fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return errno;
    if (setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(*fd, a->ai_addr, a->ai_addrlen) == 0 && listen(*fd, BACKLOG) == 0)
        return 0;
    int failed = errno;
    close(*fd);
    return failed;
}

static ds_status listen_at(const char *host, uint16_t port, int *fd, ds_error *error)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    const struct addrinfo hints = {.ai_family = strchr(host, ':') != NULL ? AF_INET6 : AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int wrong = getaddrinfo(host, service, &hints, &list);
    if (wrong != 0)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "%s: %s", host, gai_strerror(wrong));
    int failed = EADDRNOTAVAIL;
    for (const struct addrinfo *a = list; a != NULL && failed != 0; a = a->ai_next)
        failed = open_door(a, fd);
    freeaddrinfo(list);
    if (failed == EADDRINUSE)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "%s:%u is in use by another process", host,
                            port);
    if (failed != 0)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "cannot listen on %s:%u: %s", host, port,
                            strerror(failed));
    return DS_OK;
}

ds_status ds_http_open(const char *host, uint16_t port, const ds_http_answer *late, ds_http_fn fn,
                       void *arg, ds_http **result, ds_error *error)
{
    int door = -1;
    DS_TRY(listen_at(host, port, &door, error));
    ds_http *http = ds_calloc(1, sizeof *http);
    char *body = ds_alloc(late->length + 1);
    memcpy(body, late->bytes, late->length);
    http->fn = fn;
    http->arg = arg;
    http->late = (ds_http_answer){late->status, late->type, body, late->length};
    http->door = door;
    http->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&http->lock, NULL);
    int failed = http->wake < 0 ? errno : pthread_create(&http->thread, NULL, run, http);
    if (failed == 0) {
        *result = http;
        return DS_OK;
    }
    close(door);
    if (http->wake >= 0)
        close(http->wake);
    free(body);
    free(http);
    return ds_error_set(error, DS_ERR_IO, "cannot start the HTTP server: %s", strerror(failed));
}

void ds_http_close(ds_http *http)
{
    if (http == NULL)
        return;
    pthread_mutex_lock(&http->lock);
    http->stopping = true;
    pthread_mutex_unlock(&http->lock);
    const uint64_t one = 1;
    ssize_t n = write(http->wake, &one, sizeof one);
    DS_ASSERT(n == sizeof one);
    pthread_join(http->thread, NULL);
    close(http->door);
    close(http->wake);
    pthread_mutex_destroy(&http->lock);
    free((void *)(uintptr_t)http->late.bytes);
    free(http);
}
