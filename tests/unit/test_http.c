/* The HTTP server over real sockets of this host: good clients, and what others may try. */
#include "rpc/http.h"

#include "unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const ds_http_answer late = {503, "text/plain", "too late", 8};

/* A server that answers /now at once, /later when the test says so, and /never not at all. */
typedef struct site {
    ds_http *http;
    uint16_t port;
    pthread_mutex_t lock;
    uint64_t later; /* the newest request for it */
    unsigned asked;
} site;

static bool on_request(void *arg, uint64_t request, const char *path)
{
    site *s = arg;
    pthread_mutex_lock(&s->lock);
    s->asked++;
    if (strcmp(path, "/later") == 0)
        s->later = request;
    pthread_mutex_unlock(&s->lock);
    const ds_http_answer now = {200, "text/plain", "it works", 8};
    if (strcmp(path, "/now") == 0)
        ds_http_reply(s->http, request, &now);
    return strcmp(path, "/now") == 0 || strcmp(path, "/later") == 0 || strcmp(path, "/never") == 0;
}

static uint16_t free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, n), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static void open_site(site *s)
{
    ds_error error;
    *s = (site){.port = free_port(), .lock = PTHREAD_MUTEX_INITIALIZER};
    ck_assert_int_eq(ds_http_open("127.0.0.1", s->port, &late, on_request, s, &s->http, &error),
                     DS_OK);
}

static int dial(const site *s)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(s->port)};
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void put(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the other side has had enough */
        bytes += n;
        length -= (size_t)n;
    }
}

/* All that comes until the other side closes. */
static const char *get(int fd)
{
    static char text[65536];
    size_t length = 0;
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&ready, 1, 20000), 1);
        ssize_t n = recv(fd, text + length, sizeof text - 1 - length, 0);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    text[length] = '\0';
    close(fd);
    return text;
}

static const char *ask(const site *s, const char *request)
{
    int fd = dial(s);
    put(fd, request, strlen(request));
    return get(fd);
}

static void assert_status(const char *answer, int status)
{
    char expected[32];
    snprintf(expected, sizeof expected, "HTTP/1.1 %d ", status);
    ck_assert_msg(strncmp(answer, expected, strlen(expected)) == 0, "%.100s", answer);
    ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
}

START_TEST(answers)
{
    site s;
    open_site(&s);
    ck_assert_str_eq(ask(&s, "GET /now HTTP/1.1\r\nHost: x\r\n\r\n"),
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n"
                     "Cache-Control: no-store\r\nConnection: close\r\n\r\nit works");
    const char *head = ask(&s, "HEAD /now HTTP/1.0\r\n\r\n");
    assert_status(head, 200);
    ck_assert_str_eq(strstr(head, "\r\n\r\n"), "\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(head, "Content-Length: 8\r\n"));
    assert_status(ask(&s, "GET /now?name=a&b HTTP/1.1\nHost: x\n\n"), 200);
    assert_status(ask(&s, "GET /then HTTP/1.1\r\n\r\n"), 404);
    assert_status(ask(&s, "GET /now/ HTTP/1.1\r\n\r\n"), 404);
    ds_http_close(s.http);
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
    site s;
    open_site(&s);
    int fd = dial(&s);
    const char *request = "GET /now HTTP/1.1\r\nHost: x\r\n\r\n";
    for (size_t i = 0; i < strlen(request); i++)
        put(fd, request + i, 1);
    assert_status(get(fd), 200);
    ds_http_close(s.http);
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
    site s;
    open_site(&s);
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"GET /now\r\n\r\n", 400},
        {"get /now HTTP/1.1\r\n\r\n", 400},
        {"GET now HTTP/1.1\r\n\r\n", 400},
        {"GET http://x/now HTTP/1.1\r\n\r\n", 400},
        {"GET /now HTTP/2.0\r\n\r\n", 400},
        {"GET /now HTTP/1.1 x\r\n\r\n", 400},
        {"GET /n\xC3\xA4w HTTP/1.1\r\n\r\n", 400},
        {"POST /now HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405},
        {"DELETE /now HTTP/1.1\r\n\r\n", 405},
        {"GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404},
        {"GET /%6eow HTTP/1.1\r\n\r\n", 404},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(ask(&s, bad[i].text), bad[i].status);
    int fd = dial(&s);
    put(fd, "GET /no\0w HTTP/1.1\r\n\r\n", 22);
    assert_status(get(fd), 400);
    char path[2000];
    memset(path, 'a', sizeof path);
    memcpy(path, "GET /", 5);
    strcpy(path + sizeof path - 20, " HTTP/1.1\r\n\r\n");
    assert_status(ask(&s, path), 400);
    ck_assert_uint_eq(s.asked, 2);
    ds_http_close(s.http);
}
END_TEST

START_TEST(a_head_has_a_limit)
{
    site s;
    open_site(&s);
    static char text[DS_HTTP_HEAD_BYTES + 5000];
    memset(text, 'x', sizeof text);
    memcpy(text, "GET /now HTTP/1.1\r\nX: ", 22);
    int fd = dial(&s);
    put(fd, text, sizeof text);
    assert_status(get(fd), 431);
    /* One byte less than the limit is fine. */
    memcpy(text + DS_HTTP_HEAD_BYTES - 4, "\r\n\r\n", 4);
    fd = dial(&s);
    put(fd, text, DS_HTTP_HEAD_BYTES);
    assert_status(get(fd), 200);
    ds_http_close(s.http);
}
END_TEST

START_TEST(an_answer_may_come_later)
{
    site s;
    open_site(&s);
    int fd = dial(&s);
    put(fd, "GET /later HTTP/1.1\r\n\r\n", 23);
    uint64_t request = 0;
    while (request == 0) { /* on the server's thread */
        pthread_mutex_lock(&s.lock);
        request = s.later;
        pthread_mutex_unlock(&s.lock);
        poll(NULL, 0, 1);
    }
    const ds_http_answer yes = {200, "text/plain", "yes", 3}, no = {404, "text/plain", "no", 2};
    ds_http_reply(s.http, request + 1, &no); /* nobody's */
    ds_http_reply(s.http, request, &yes);
    ds_http_reply(s.http, request, &no); /* it has its answer */
    const char *answer = get(fd);
    assert_status(answer, 200);
    ck_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\nyes");
    ds_http_close(s.http);
}
END_TEST

START_TEST(who_does_not_answer_is_told_of)
{
    site s;
    open_site(&s);
    const char *answer = ask(&s, "GET /never HTTP/1.1\r\n\r\n");
    assert_status(answer, 503);
    ck_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\ntoo late");
    ds_http_close(s.http);
}
END_TEST

/* Those who say nothing are closed when others come, and whoever asks is served. */
START_TEST(silent_clients_take_nobodys_place)
{
    site s;
    open_site(&s);
    int silent[3 * DS_HTTP_CONNECTIONS];
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        silent[i] = dial(&s);
        put(silent[i], "GET /no", 7);
        if (i % 10 == 0)
            assert_status(ask(&s, "GET /now HTTP/1.1\r\n\r\n"), 200);
    }
    assert_status(ask(&s, "GET /now HTTP/1.1\r\n\r\n"), 200);
    for (size_t i = 0; i < 2 * DS_HTTP_CONNECTIONS; i++)
        ck_assert_str_eq(get(silent[i]), "");
    ds_http_close(s.http);
    for (size_t i = 2 * DS_HTTP_CONNECTIONS; i < sizeof silent / sizeof *silent; i++)
        ck_assert_str_eq(get(silent[i]), "");
}
END_TEST

START_TEST(closing_leaves_nobody_waiting)
{
    site s;
    open_site(&s);
    int asked = dial(&s), silent = dial(&s);
    put(asked, "GET /never HTTP/1.1\r\n\r\n", 23);
    ds_http_close(s.http);
    get(asked);
    get(silent);
    /* The port is free again. */
    ds_error error;
    ck_assert_int_eq(ds_http_open("127.0.0.1", s.port, &late, on_request, &s, &s.http, &error),
                     DS_OK);
    ds_http *second = NULL;
    ck_assert_int_eq(ds_http_open("127.0.0.1", s.port, &late, on_request, &s, &second, &error),
                     DS_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(error.message, "is in use by another process"));
    ck_assert_int_eq(
        ds_http_open("no.such.host.invalid", 80, &late, on_request, &s, &second, &error),
        DS_ERR_UNAVAILABLE);
    ds_http_close(s.http);
    ds_http_close(NULL);
}
END_TEST

UNIT_MAIN("http", answers, a_request_may_come_byte_by_byte, what_is_no_request_is_refused,
          a_head_has_a_limit, an_answer_may_come_later, who_does_not_answer_is_told_of,
          silent_clients_take_nobodys_place, closing_leaves_nobody_waiting)
