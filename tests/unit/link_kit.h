/*
 * What the tests of links share: a box that collects events, and peers made by hand from
 * plain sockets.
 *
 * Nothing here sleeps: every wait ends with what it waits for, or fails after 10 s.
 */
#ifndef DS_TESTS_LINK_KIT_H
#define DS_TESTS_LINK_KIT_H

#include "base/memory.h"
#include "rpc/channel.h"
#include "rpc/handshake.h"
#include "rpc/link_limits.h"

#include "unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define KIT_WAIT_S 10

/* The library counts references with atomics of its own, which the thread sanitizer does not
 * see as it is not compiled with it: it takes the last holder, who destroys the mutex of a
 * dialer, for a racing one. */
#ifdef __SANITIZE_THREAD__
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:pthread_mutex_destroy\n";
}
#endif

/* The events of one end, in order. */

typedef struct kit_event {
    ds_link_event_kind kind;
    uint64_t peer;
    char *bytes; /* owned */
    size_t length;
} kit_event;

typedef struct kit_box {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    kit_event *events;
    size_t n, capacity;
    size_t taken; /* by kit_next */
} kit_box;

static inline void kit_box_init(kit_box *box)
{
    memset(box, 0, sizeof *box);
    pthread_mutex_init(&box->lock, NULL);
    pthread_cond_init(&box->changed, NULL);
}

static inline void kit_box_fini(kit_box *box)
{
    for (size_t i = 0; i < box->n; i++)
        free(box->events[i].bytes);
    free(box->events);
    pthread_mutex_destroy(&box->lock);
    pthread_cond_destroy(&box->changed);
}

static inline void kit_collect(void *arg, const ds_link_event *event)
{
    kit_box *box = arg;
    pthread_mutex_lock(&box->lock);
    if (box->n == box->capacity) {
        box->capacity = box->capacity * 2 + 16;
        box->events = ds_realloc(box->events, box->capacity, sizeof *box->events);
    }
    char *copy = event->length > 0 ? ds_strndup(event->bytes, event->length) : NULL;
    box->events[box->n++] = (kit_event){event->kind, event->peer, copy, event->length};
    pthread_cond_broadcast(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

static inline struct timespec kit_deadline(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += KIT_WAIT_S;
    return ts;
}

/* The next event of the box, which must come. */
static inline kit_event kit_take(kit_box *box)
{
    struct timespec deadline = kit_deadline();
    pthread_mutex_lock(&box->lock);
    int rv = 0;
    while (box->taken == box->n && rv == 0)
        rv = pthread_cond_timedwait(&box->changed, &box->lock, &deadline);
    ck_assert_msg(box->taken < box->n, "no event came");
    kit_event event = box->events[box->taken++];
    pthread_mutex_unlock(&box->lock);
    return event;
}

/* And be of this kind. */
static inline kit_event kit_next(kit_box *box, ds_link_event_kind kind)
{
    kit_event event = kit_take(box);
    ck_assert_int_eq(event.kind, kind);
    return event;
}

/* The next event must be a message with this text. */
static inline void kit_expect_text(kit_box *box, const char *text)
{
    kit_event event = kit_next(box, DS_LINK_MESSAGE);
    ck_assert_uint_eq(event.length, strlen(text));
    ck_assert_mem_eq(event.bytes, text, event.length);
}

static inline size_t kit_count(kit_box *box)
{
    pthread_mutex_lock(&box->lock);
    size_t n = box->n;
    pthread_mutex_unlock(&box->lock);
    return n;
}

/* Links */

static inline const char *kit_name_url(const char *scheme)
{
    static char url[128];
    static unsigned counter;
    snprintf(url, sizeof url, "%s://dstream-test-%d-%u", scheme, (int)getpid(), counter++);
    return url;
}

/* One url of each transport; a new one each time. */
#define KIT_TRANSPORTS 4
#define KIT_INPROC 1
static inline const char *kit_url(int transport)
{
    switch (transport) {
    case 0: return kit_name_url("abstract");
    case KIT_INPROC: return kit_name_url("inproc");
    case 2: return "tcp://127.0.0.1:0";
    default: return "tcp://localhost:0";
    }
}

/* The same but for inproc, where a callback may come from within a call that sends. */
static inline const char *kit_socket_url(int transport)
{
    return kit_url(transport == KIT_INPROC ? 0 : transport);
}

static inline ds_server *kit_server(const char *url, kit_box *box)
{
    ds_server *server = NULL;
    ds_error error = {0};
    ck_assert_msg(ds_server_open(url, kit_collect, box, &server, &error) == DS_OK, "%s",
                  error.message);
    return server;
}

static inline ds_client *kit_client(const ds_server *server, kit_box *box)
{
    ds_client *client = NULL;
    ds_error error = {0};
    ck_assert_msg(ds_client_open(ds_server_url(server), KIT_WAIT_S * 1000, kit_collect, box,
                                 &client, &error) == DS_OK,
                  "%s", error.message);
    return client;
}

static inline void kit_send_text(ds_server *server, uint64_t peer, const char *text)
{
    ds_server_send(server, peer, text, strlen(text));
}

/* Peers made by hand */

static inline socklen_t kit_sockaddr(const char *url, struct sockaddr_storage *address)
{
    memset(address, 0, sizeof *address);
    if (strncmp(url, "tcp://", 6) == 0) {
        struct sockaddr_in *in = (struct sockaddr_in *)address;
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof *in;
    }
    struct sockaddr_un *un = (struct sockaddr_un *)address;
    const char *name = url + strlen("abstract://");
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + 1, name, strlen(name));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static inline void kit_limit_waits(int fd)
{
    struct timeval tv = {.tv_sec = KIT_WAIT_S};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv), 0);
}

/* Connects a plain socket to a tcp or abstract url. */
static inline int kit_connect(const char *url)
{
    struct sockaddr_storage address;
    socklen_t length = kit_sockaddr(url, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    kit_limit_waits(fd);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, length), 0);
    return fd;
}

/* Sends all bytes; a peer that has closed is no mistake. */
static inline void kit_write(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += n;
        length -= (size_t)n;
    }
}

/* Reads exactly length bytes. */
static inline void kit_read(int fd, void *bytes, size_t length)
{
    ck_assert_int_eq(recv(fd, bytes, length, MSG_WAITALL), (ssize_t)length);
}

/* The other end must close the connection; what it sent before is passed over. */
static inline void kit_expect_closed(int fd)
{
    char bytes[4096];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        ;
    ck_assert_msg(n == 0 || errno == ECONNRESET, "the connection was not closed");
    close(fd);
}

static inline void kit_write_header(int fd, unsigned kind, uint32_t length)
{
    unsigned char header[DS_FRAME_HEADER] = {(unsigned char)length,
                                             (unsigned char)(length >> 8),
                                             (unsigned char)(length >> 16),
                                             (unsigned char)(length >> 24),
                                             (unsigned char)kind,
                                             'd',
                                             's',
                                             1};
    kit_write(fd, header, sizeof header);
}

static inline void kit_write_frame(int fd, unsigned kind, const void *bytes, uint32_t length)
{
    kit_write_header(fd, kind, length);
    kit_write(fd, bytes, length);
}

/* A KNOCK of a version, with a nonce of zeros. */
static inline void kit_knock(int fd, uint8_t version)
{
    unsigned char bytes[4 + DS_NONCE_BYTES] = {version};
    kit_write_frame(fd, DS_FRAME_KNOCK, bytes, sizeof bytes);
}

/* Reads the header of a frame and checks its kind. Returns its length. */
static inline uint32_t kit_read_header(int fd, unsigned kind)
{
    unsigned char header[DS_FRAME_HEADER];
    kit_read(fd, header, sizeof header);
    ck_assert_uint_eq(header[4], kind);
    return header[0] | (uint32_t)header[1] << 8 | (uint32_t)header[2] << 16 |
           (uint32_t)header[3] << 24;
}

/* Reads a frame of the handshake and gives it to our side of it, whose answer is sent. */
static inline ds_handshake_state kit_shake(int fd, ds_handshake *handshake, unsigned kind)
{
    unsigned char bytes[DS_FRAME_SMALL];
    ds_handshake_frame out;
    uint32_t length = kit_read_header(fd, kind);
    ck_assert_uint_le(length, sizeof bytes);
    kit_read(fd, bytes, length);
    ds_handshake_state state =
        ds_handshake_take(handshake, (ds_frame_kind)kind, bytes, length, &out);
    if (out.length > 0)
        kit_write_frame(fd, out.kind, out.bytes, (uint32_t)out.length);
    return state;
}

/* Connects by hand and says what a dialer says first. */
static inline int kit_connect_knocking(const char *url, const ds_secret *secret,
                                       ds_handshake *handshake)
{
    static const uint8_t nonce[DS_NONCE_BYTES] = "of a dialer made by hand";
    ds_handshake_frame out;
    int fd = kit_connect(url);
    ds_handshake_dial(handshake, secret, nonce, &out);
    kit_write_frame(fd, out.kind, out.bytes, (uint32_t)out.length);
    return fd;
}

/* Connects by hand and is let in, with a secret. */
static inline int kit_connect_proving(const char *url, const ds_secret *secret)
{
    ds_handshake handshake;
    int fd = kit_connect_knocking(url, secret, &handshake);
    ck_assert_int_eq(kit_shake(fd, &handshake, DS_FRAME_CHALLENGE), DS_HANDSHAKE_UNDER_WAY);
    ck_assert_int_eq(kit_shake(fd, &handshake, DS_FRAME_ANSWER), DS_HANDSHAKE_DONE);
    return fd;
}

/* The same without one. */
static inline int kit_connect_in(const char *url)
{
    ds_secret none = ds_secret_of_text(NULL);
    return kit_connect_proving(url, &none);
}

/* Runs the tests of each with _i from 0 to n_urls - 1, and those of once. */
static inline int kit_run(const char *name, int n_urls, const TTest *const *each, size_t n_each,
                          const TTest *const *once, size_t n_once)
{
    TCase *tcase = unit_case(name, 60);
    for (size_t i = 0; i < n_each; i++)
        tcase_add_loop_test(tcase, each[i], 0, n_urls);
    for (size_t i = 0; i < n_once; i++)
        tcase_add_test(tcase, once[i]);
    return unit_run_case(tcase, name);
}

#endif
