/* Receivers over real sockets of this host: what comes in, what is said, who has to wait. */
#include "inbox.h"

#include "base/random.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLENTY ((int64_t)64 << 20)

static ds_receiver_spec spec_of(ds_receiver_kind kind, uint16_t port)
{
    return (ds_receiver_spec){.receiver_id = 1,
                              .kind = kind,
                              .name = "access",
                              .host = "127.0.0.1",
                              .port = port,
                              .record_limit = 100,
                              .block_bytes = 65536};
}

/* A bound socket of 127.0.0.1; it refuses until listen() is called. */
static int make_server(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, n), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void send_bytes(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        ck_assert_int_gt(n, 0);
        bytes += n;
        length -= (size_t)n;
    }
}

static void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* Adds a receiver that listens on a free port; returns the port. */
static uint16_t start_listening(inbox *in, ds_receiver_spec spec)
{
    ds_receivers_add(in->receivers, &spec);
    inbox_of *of = &in->of[spec.receiver_id];
    INBOX_WAIT(in, of->said[DS_RECEIVER_RUNNING] == 1);
    pthread_mutex_lock(&in->lock);
    const char *colon = strrchr(of->message, ':');
    ck_assert_ptr_nonnull(colon);
    int port = atoi(colon + 1);
    char expected[64];
    snprintf(expected, sizeof expected, "listening on 127.0.0.1:%d", port);
    ck_assert_str_eq(of->message, expected);
    pthread_mutex_unlock(&in->lock);
    ck_assert_int_gt(port, 0);
    return (uint16_t)port;
}

/* ------------------------------------------------------------------- connect */

START_TEST(connects_again_after_a_hang_up)
{
    inbox in;
    uint16_t port;
    int server = make_server(&port);
    ck_assert_int_eq(listen(server, 5), 0);
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_CONNECT, port);
    ds_receivers_add(in.receivers, &spec);
    int peer = accept(server, NULL, NULL);
    send_text(peer, "a\nb\npart");
    close(peer);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_RETRYING] == 1);
    peer = accept(server, NULL, NULL);
    send_text(peer, "c\n");
    close(peer);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_RETRYING] == 2);
    inbox_cut(&in, 1);
    inbox_assert_bytes(&in, 1, "a\nb\npart\nc\n");
    ck_assert_uint_eq(in.of[1].cut_short, 1);
    ck_assert_int_eq(in.of[1].said[DS_RECEIVER_RUNNING], 2);
    inbox_stop(&in, 1);
    inbox_assert_last(&in, 1, DS_OK, "stopped");
    close(server);
    inbox_close(&in);
}
END_TEST

START_TEST(tries_until_the_peer_is_there)
{
    inbox in;
    uint16_t port;
    int server = make_server(&port);
    char message[100];
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_CONNECT, port);
    ds_receivers_add(in.receivers, &spec);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_RETRYING] == 2);
    snprintf(message, sizeof message,
             "cannot connect to 127.0.0.1:%d: Connection refused; trying again", port);
    inbox_assert_last(&in, 1, DS_ERR_UNAVAILABLE, message);
    ck_assert_int_eq(listen(server, 5), 0);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_RUNNING] == 1);
    snprintf(message, sizeof message, "connected to 127.0.0.1:%d", port);
    inbox_assert_last(&in, 1, DS_OK, message);
    close(server);
    inbox_close(&in);
}
END_TEST

START_TEST(refused_with_until_idle)
{
    inbox in;
    uint16_t port;
    int server = make_server(&port);
    char message[100];
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_CONNECT, port);
    spec.until_idle = true;
    spec.idle_ms = 1000;
    ds_receivers_add(in.receivers, &spec);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_FAILED] == 1);
    snprintf(message, sizeof message, "cannot connect to 127.0.0.1:%d: Connection refused", port);
    inbox_assert_last(&in, 1, DS_ERR_UNAVAILABLE, message);
    ck_assert_int_eq(in.of[1].said[DS_RECEIVER_RETRYING], 0);
    close(server);
    inbox_close(&in);
}
END_TEST

START_TEST(gives_up_on_a_peer_never_reached)
{
    inbox in;
    uint16_t port;
    int server = make_server(&port);
    char message[100];
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_CONNECT, port);
    spec.give_up_ms = 150;
    ds_receivers_add(in.receivers, &spec);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_FAILED] == 1);
    snprintf(message, sizeof message,
             "cannot connect to 127.0.0.1:%d for 150 ms: Connection refused", port);
    inbox_assert_last(&in, 1, DS_ERR_UNAVAILABLE, message);
    ck_assert_int_ge(in.of[1].said[DS_RECEIVER_RETRYING], 1);
    close(server);
    inbox_close(&in);
}
END_TEST

/* With until_idle it ends when the peer hangs up, or has nothing more to say. */
static void check_until_idle(bool hang_up, const char *bytes, uint64_t cut_short)
{
    inbox in;
    uint16_t port;
    int server = make_server(&port);
    ck_assert_int_eq(listen(server, 5), 0);
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_CONNECT, port);
    spec.until_idle = true;
    spec.idle_ms = hang_up ? 100000 : 100;
    ds_receivers_add(in.receivers, &spec);
    int peer = accept(server, NULL, NULL);
    send_text(peer, bytes);
    if (hang_up)
        close(peer);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_ENDED] == 1);
    inbox_assert_bytes(&in, 1, "a\nb\n");
    ck_assert_int_eq(in.of[1].status, DS_OK);
    ck_assert_uint_eq(in.of[1].cut_short, cut_short);
    if (!hang_up)
        close(peer);
    close(server);
    inbox_close(&in);
}

START_TEST(until_idle_ends)
{
    check_until_idle(true, "a\nb", 1);
    check_until_idle(true, "a\nb\n", 0);
    check_until_idle(false, "a\nb\n", 0);
}
END_TEST

START_TEST(a_host_that_does_not_resolve)
{
    inbox in;
    static const ds_receiver_kind kinds[] = {DS_RECEIVE_CONNECT, DS_RECEIVE_LISTEN};
    inbox_open(&in, PLENTY);
    for (uint64_t i = 0; i < 2; i++) {
        ds_receiver_spec spec = spec_of(kinds[i], 9);
        spec.receiver_id = i;
        spec.host = "no host has this name";
        ds_receivers_add(in.receivers, &spec);
        INBOX_WAIT(&in, in.of[i].said[DS_RECEIVER_FAILED] == 1);
        ck_assert_int_eq(in.of[i].status, DS_ERR_UNAVAILABLE);
        ck_assert_ptr_nonnull(strstr(in.of[i].message, "cannot resolve \"no host has this name\""));
    }
    inbox_close(&in);
}
END_TEST

/* ------------------------------------------------------------------- listen */

#define CLIENTS 100
#define EACH 50

/* Sends the records of 100 clients in random turns, some in two halves. */
static void send_interleaved(const int *clients, uint64_t seed)
{
    ds_random random;
    int next[CLIENTS] = {0};
    bool half[CLIENTS] = {false};
    ds_random_init(&random, seed);
    for (int left = CLIENTS * EACH; left > 0;) {
        size_t c = (size_t)ds_random_below(&random, CLIENTS);
        char record[40];
        if (next[c] == EACH)
            continue;
        snprintf(record, sizeof record, "%d %d some more\n", (int)c, next[c]);
        bool in_two = !half[c] && ds_random_below(&random, 3) == 0;
        size_t from = half[c] ? 5 : 0;
        size_t to = in_two ? 5 : strlen(record);
        send_bytes(clients[c], record + from, to - from);
        half[c] = in_two;
        next[c] += !in_two;
        left -= !in_two;
    }
}

START_TEST(a_hundred_clients)
{
    inbox in;
    int clients[CLIENTS], next[CLIENTS] = {0};
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_interval_ms = 2;
    uint16_t port = start_listening(&in, spec);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = dial(port);
    send_interleaved(clients, 5);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    INBOX_WAIT(&in, in.of[1].records == CLIENTS * EACH);
    inbox_stop(&in, 1);
    ck_assert_uint_eq(in.of[1].cut_short, 0);
    ck_assert_uint_eq(in.of[1].records, CLIENTS * EACH);
    for (char *line = (char *)(uintptr_t)ds_buffer_text(&in.of[1].bytes), *end; *line != '\0';
         line = end + 1) {
        int client, number;
        end = strchr(line, '\n');
        *end = '\0';
        ck_assert_int_eq(sscanf(line, "%d %d some more", &client, &number), 2);
        ck_assert_int_eq(number, next[client]);
        next[client]++;
    }
    inbox_close(&in);
}
END_TEST

START_TEST(a_hang_up_in_mid_record)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_interval_ms = 1;
    int client = dial(start_listening(&in, spec));
    send_text(client, "whole\nhal");
    close(client);
    INBOX_WAIT(&in, in.of[1].records == 2);
    inbox_assert_bytes(&in, 1, "whole\nhal\n");
    ck_assert_uint_eq(in.of[1].cut_short, 1);
    inbox_close(&in);
}
END_TEST

START_TEST(a_reset_is_a_hang_up)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.until_idle = true;
    spec.idle_ms = 500;
    spec.block_interval_ms = 1;
    int client = dial(start_listening(&in, spec));
    send_text(client, "whole\n");
    INBOX_WAIT(&in, in.of[1].records == 1);
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(client);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_ENDED] == 1);
    inbox_assert_bytes(&in, 1, "whole\n");
    inbox_close(&in);
}
END_TEST

START_TEST(listening_until_idle)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.until_idle = true;
    spec.idle_ms = 500;
    uint16_t port = start_listening(&in, spec);
    int a = dial(port), b = dial(port);
    send_text(a, "a\n");
    send_text(b, "b");
    close(a);
    close(b);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_ENDED] == 1);
    ck_assert_uint_eq(in.of[1].records, 2);
    ck_assert_uint_eq(in.of[1].cut_short, 1);
    inbox_close(&in);
}
END_TEST

/* Whether nobody comes, or somebody does who says nothing more. */
START_TEST(listening_until_silence)
{
    for (int clients = 0; clients < 3; clients++) {
        inbox in;
        int fds[2];
        inbox_open(&in, PLENTY);
        ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
        spec.until_idle = true;
        spec.idle_ms = clients == 0 ? 20 : 500; /* they have to be in time */
        uint16_t port = start_listening(&in, spec);
        for (int i = 0; i < clients; i++) {
            fds[i] = dial(port);
            send_text(fds[i], "a\nb");
        }
        INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_ENDED] == 1);
        ck_assert_int_eq(in.of[1].status, DS_OK);
        ck_assert_uint_eq(in.of[1].records, (uint64_t)clients * 2);
        for (int i = 0; i < clients; i++)
            close(fds[i]);
        inbox_close(&in);
    }
}
END_TEST

START_TEST(a_port_in_use)
{
    inbox in;
    uint16_t port;
    char message[100];
    int server = make_server(&port);
    ck_assert_int_eq(listen(server, 5), 0);
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, port);
    ds_receivers_add(in.receivers, &spec);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_FAILED] == 1);
    snprintf(message, sizeof message, "127.0.0.1:%d is in use by another process", port);
    inbox_assert_last(&in, 1, DS_ERR_UNAVAILABLE, message);
    ck_assert_int_eq(in.of[1].said[DS_RECEIVER_RUNNING], 0);
    close(server);
    inbox_close(&in);
}
END_TEST

START_TEST(listens_on_ipv6)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.host = "::1";
    ds_receivers_add(in.receivers, &spec);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_RUNNING] + in.of[1].said[DS_RECEIVER_FAILED] == 1);
    const char *start =
        in.of[1].over ? "cannot listen on [::1]:0: " : "listening on [::1]:"; /* no IPv6 here */
    ck_assert_int_eq(strncmp(in.of[1].message, start, strlen(start)), 0);
    inbox_close(&in);
}
END_TEST

/* As many descriptors as the system lets us have. */
static rlim_t raise_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

START_TEST(more_clients_than_the_limit_wait)
{
    enum { MORE = DS_RECEIVER_CLIENTS + 5 };
    inbox in;
    static int clients[MORE];
    if (raise_descriptors() < 2 * MORE + 50)
        return;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_interval_ms = 1;
    uint16_t port = start_listening(&in, spec);
    for (uint64_t i = 0; i < MORE; i++) {
        clients[i] = dial(port);
        send_text(clients[i], "x\n");
        if (i % 50 == 49 && i < DS_RECEIVER_CLIENTS) /* the backlog is not to overflow */
            INBOX_WAIT(&in, in.of[1].records == i + 1);
    }
    INBOX_WAIT(&in, in.of[1].records == DS_RECEIVER_CLIENTS);
    send_text(clients[0], "y\n"); /* the last are not even read now */
    INBOX_WAIT(&in, in.of[1].records == DS_RECEIVER_CLIENTS + 1);
    for (uint64_t i = 0; i < MORE - DS_RECEIVER_CLIENTS; i++)
        close(clients[i]);
    INBOX_WAIT(&in, in.of[1].records == MORE + 1);
    for (uint64_t i = MORE - DS_RECEIVER_CLIENTS; i < MORE; i++)
        close(clients[i]);
    inbox_close(&in);
}
END_TEST

START_TEST(accepts_again_when_there_are_descriptors)
{
    inbox in;
    struct rlimit before, none;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_interval_ms = 1;
    uint16_t port = start_listening(&in, spec);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_RETRYING] == 1);
    ck_assert_ptr_nonnull(strstr(in.of[1].message, "Too many open files; trying again"));
    setrlimit(RLIMIT_NOFILE, &before);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_RUNNING] == 2);
    send_text(client, "x\n");
    INBOX_WAIT(&in, in.of[1].records == 1);
    close(client);
    inbox_close(&in);
}
END_TEST

/* ------------------------------------------------------------------- credits */

#define BIG ((size_t)32 << 20) /* more than the buffers of a connection hold */

static char *make_big(void)
{
    char *bytes = ds_alloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        bytes[i] = i % 64 == 63 ? '\n' : 'a';
    return bytes;
}

/* Sends until the system takes no more; returns how much it took. */
static size_t send_until_blocked(int fd, const char *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = send(fd, bytes + done, length - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            ck_assert_int_eq(errno, EAGAIN);
            break;
        }
        done += (size_t)n;
    }
    return done;
}

START_TEST(without_credit_the_sender_waits)
{
    inbox in;
    char *big = make_big();
    inbox_open(&in, 2 * 65536);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_interval_ms = 5;
    int client = dial(start_listening(&in, spec));
    size_t sent = send_until_blocked(client, big, BIG);
    INBOX_WAIT(&in, in.of[1].refused > 0);
    sent += send_until_blocked(client, big + sent, BIG - sent);
    ck_assert_uint_lt(sent, BIG);
    uint64_t refused = in.of[1].refused;
    for (uint64_t tick = 1; tick <= 20; tick++) /* rounds of the thread: it does not ask again */
        inbox_cut(&in, tick);
    ck_assert_uint_eq(in.of[1].refused, refused);
    ck_assert_uint_le(in.of[1].bytes.length, 2 * 65536);
    inbox_credit(&in, 100); /* too little for a block */
    inbox_cut(&in, 21);
    ck_assert_uint_eq(in.of[1].refused, refused + 1);
    inbox_credit(&in, 2 * (int64_t)BIG);
    send_bytes(client, big + sent, BIG - sent);
    close(client);
    INBOX_WAIT(&in, in.of[1].records == BIG / 64);
    inbox_stop(&in, 1);
    ck_assert_uint_eq(in.of[1].bytes.length, BIG);
    ck_assert_mem_eq(in.of[1].bytes.data, big, BIG);
    ck_assert_uint_le(in.of[1].longest, 65536);
    free(big);
    inbox_close(&in);
}
END_TEST

START_TEST(one_that_waits_does_not_stop_another)
{
    inbox in;
    inbox_open(&in, 65536 + 1000); /* a room for one of them, and little more */
    ds_receiver_spec large = spec_of(DS_RECEIVE_LISTEN, 0), small = large;
    small.receiver_id = 2;
    small.block_bytes = 500;
    large.block_bytes = 100000; /* never granted */
    int a = dial(start_listening(&in, large)), b = dial(start_listening(&in, small));
    send_text(a, "a\n");
    INBOX_WAIT(&in, in.of[1].refused == 1);
    send_text(b, "b\n");
    INBOX_WAIT(&in, in.of[2].asked == 1);
    inbox_cut(&in, 1);
    inbox_assert_bytes(&in, 1, "");
    inbox_assert_bytes(&in, 2, "b\n");
    inbox_credit(&in, 100000);
    INBOX_WAIT(&in, in.of[1].asked == in.of[1].refused + 1);
    close(a);
    close(b);
    inbox_close(&in);
}
END_TEST

START_TEST(a_hang_up_without_credit_loses_nothing)
{
    inbox in;
    inbox_open(&in, 600);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_bytes = 512;
    spec.block_interval_ms = 1;
    uint16_t port = start_listening(&in, spec);
    int client = dial(port);
    char line[100];
    memset(line, 'x', sizeof line);
    line[98] = '\n';
    for (int i = 0; i < 10; i++)
        send_bytes(client, line, 99);
    send_text(client, "tail");
    close(client);
    INBOX_WAIT(&in, in.of[1].refused > 0);
    ck_assert_uint_lt(in.of[1].records, 11);
    inbox_credit(&in, PLENTY);
    INBOX_WAIT(&in, in.of[1].records == 11);
    ck_assert_uint_eq(in.of[1].cut_short, 1);
    inbox_close(&in);
}
END_TEST

START_TEST(a_stop_without_credit_says_what_is_dropped)
{
    inbox in;
    inbox_open(&in, 1000);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_bytes = 1000;
    spec.block_interval_ms = 1;
    int client = dial(start_listening(&in, spec));
    char lines[960];
    memset(lines, 'x', sizeof lines);
    for (size_t i = 99; i < 950; i += 100)
        lines[i] = '\n';
    lines[949] = '\n';
    send_bytes(client, lines, 955); /* a tail of 5 bytes */
    INBOX_WAIT(&in, in.of[1].records == 10);
    send_text(client, "more");
    INBOX_WAIT(&in, in.of[1].refused > 0);
    inbox_stop(&in, 1);
    inbox_assert_last(&in, 1, DS_OK,
                      "stopped; the last records of 1 connections were dropped for want of room");
    close(client);
    inbox_close(&in);
}
END_TEST

/* ------------------------------------------------------------------- cuts and ends */

START_TEST(a_stop_reports_what_was_read)
{
    inbox in;
    inbox_open(&in, PLENTY);
    int client = dial(start_listening(&in, spec_of(DS_RECEIVE_LISTEN, 0)));
    send_text(client, "a\nhalf");
    INBOX_WAIT(&in, in.of[1].asked == 1); /* it is about to read */
    inbox_stop(&in, 1);
    inbox_assert_bytes(&in, 1, "a\nhalf\n");
    ck_assert_uint_eq(in.of[1].cut_short, 1);
    inbox_assert_events(&in, "B1 E1 ");
    inbox_assert_last(&in, 1, DS_OK, "stopped");
    char byte;
    ck_assert_int_eq(recv(client, &byte, 1, 0), 0); /* closed */
    close(client);
    inbox_close(&in);
}
END_TEST

START_TEST(counters_survive_a_stop)
{
    inbox in;
    char line[300];
    inbox_open(&in, PLENTY);
    int client = dial(start_listening(&in, spec_of(DS_RECEIVE_LISTEN, 0)));
    memset(line, 'x', sizeof line);
    send_bytes(client, line, sizeof line);
    INBOX_WAIT(&in, in.of[1].asked == 1);
    inbox_stop(&in, 1);
    ck_assert_uint_eq(in.of[1].too_long, 1);
    ck_assert_uint_eq(in.of[1].blocks, 1);
    ck_assert_uint_eq(in.of[1].records, 0);
    close(client);
    inbox_close(&in);
}
END_TEST

START_TEST(blocks_come_before_their_tick)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    int a = dial(start_listening(&in, spec));
    spec.receiver_id = 2;
    int b = dial(start_listening(&in, spec));
    inbox_cut(&in, 1); /* nothing there: nothing reported */
    send_text(a, "a\n");
    INBOX_WAIT(&in, in.of[1].asked == 1);
    send_text(b, "b\n");
    INBOX_WAIT(&in, in.of[2].asked == 1);
    inbox_cut(&in, 2);
    send_text(a, "c\n");
    INBOX_WAIT(&in, in.of[1].asked == 2); /* new room only with new records */
    ds_receivers_stop_one(in.receivers, 1);
    ds_receivers_stop_one(in.receivers, 77);
    inbox_cut(&in, 3);
    inbox_assert_events(&in, "T1 B1 B2 T2 B1 E1 T3 ");
    inbox_assert_bytes(&in, 1, "a\nc\n");
    ds_receivers_stop_one(in.receivers, 1); /* over already */
    inbox_cut(&in, 4);
    close(a);
    close(b);
    inbox_close(&in);
}
END_TEST

START_TEST(idle_receivers_hold_no_room)
{
    inbox in;
    inbox_open(&in, PLENTY);
    int client = dial(start_listening(&in, spec_of(DS_RECEIVE_LISTEN, 0)));
    send_text(client, "half a record");
    INBOX_WAIT(&in, in.rooms == 1);
    inbox_cut(&in, 1);
    ck_assert_int_eq(in.rooms, 0);
    inbox_assert_events(&in, "T1 ");
    send_text(client, ", and the rest\n");
    INBOX_WAIT(&in, in.rooms == 1);
    inbox_cut(&in, 2);
    inbox_assert_bytes(&in, 1, "half a record, and the rest\n");
    close(client);
    inbox_close(&in);
}
END_TEST

START_TEST(the_interval_cuts_and_full_blocks_are_cut)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_bytes = 1000;
    spec.block_interval_ms = 1;
    int client = dial(start_listening(&in, spec));
    send_text(client, "a\n");
    INBOX_WAIT(&in, in.of[1].blocks == 1);
    send_text(client, "b\n");
    INBOX_WAIT(&in, in.of[1].blocks == 2);
    for (int i = 0; i < 1000; i++)
        send_text(client, "0123456789\n");
    INBOX_WAIT(&in, in.of[1].records == 1002);
    ck_assert_uint_le(in.of[1].longest, 1000);
    ck_assert_uint_ge(in.of[1].blocks, 2 + 11);
    close(client);
    inbox_close(&in);
}
END_TEST

START_TEST(clients_with_headers)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.header = true;
    spec.block_interval_ms = 1;
    uint16_t port = start_listening(&in, spec);
    int a = dial(port), b = dial(port);
    send_text(a, "k,v\n1,2\n");
    INBOX_WAIT(&in, in.of[1].records == 1);
    send_text(b, "k,v\r\n");
    send_text(b, "3,4\r\n");
    INBOX_WAIT(&in, in.of[1].records == 2);
    inbox_assert_bytes(&in, 1, "1,2\n3,4\r\n");
    ck_assert_str_eq(ds_buffer_text(&in.of[1].header), "k,v\n");
    close(a);
    close(b);
    inbox_close(&in);
}
END_TEST

/* ------------------------------------------------------------------- long records */

#define LONG 5000

/* Only so many clients hold much of a record; others wait, and those with short ones do not. */
static void check_places(bool by_closing)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.record_limit = 8000;
    spec.block_interval_ms = 1;
    spec.long_records = 2;
    uint16_t port = start_listening(&in, spec);
    int clients[10], small = dial(port);
    char half[LONG];
    memset(half, 'x', sizeof half);
    for (int i = 0; i < 10; i++) {
        clients[i] = dial(port);
        send_bytes(clients[i], half, sizeof half);
    }
    for (int i = 1; i <= 50; i++) {
        send_text(small, "small\n");
        INBOX_WAIT(&in, in.of[1].records == (uint64_t)i);
    }
    for (int i = 0; i < 10; i++) {
        if (!by_closing)
            send_text(clients[i], "!\n");
        close(clients[i]);
    }
    INBOX_WAIT(&in, in.of[1].records == 60);
    inbox_stop(&in, 1);
    ck_assert_uint_eq(in.of[1].cut_short, by_closing ? 10 : 0);
    ck_assert_uint_eq(in.of[1].bytes.length, 50 * 6 + 10 * (LONG + (by_closing ? 1 : 2)));
    ck_assert_uint_eq(in.of[1].too_long, 0);
    close(small);
    inbox_close(&in);
}

START_TEST(long_records_wait_for_a_place)
{
    check_places(false);
    check_places(true);
}
END_TEST

/* Records that are too long need no place for ever, either. */
START_TEST(records_without_end_leave_their_place)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.record_limit = 8000;
    spec.block_interval_ms = 1;
    spec.long_records = 1;
    uint16_t port = start_listening(&in, spec);
    int clients[5];
    static char endless[100000];
    memset(endless, 'x', sizeof endless);
    for (int i = 0; i < 5; i++) {
        clients[i] = dial(port);
        send_bytes(clients[i], endless, sizeof endless);
    }
    for (int i = 4; i >= 0; i--)
        send_text(clients[i], "\nend\n");
    INBOX_WAIT(&in, in.of[1].records == 5 && in.of[1].too_long == 5);
    for (int i = 0; i < 5; i++)
        close(clients[i]);
    inbox_stop(&in, 1);
    inbox_close(&in);
}
END_TEST

/* ------------------------------------------------------------------- rates */

START_TEST(a_rate_is_kept_until_it_is_changed)
{
    inbox in;
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_interval_ms = 1;
    spec.rate = 1;
    uint16_t port = start_listening(&in, spec);
    int client = dial(port);
    char lines[4 * 5000 + 1];
    for (int i = 0; i < 5000; i++)
        snprintf(lines + 4 * i, 5, "abc\n");
    send_bytes(client, lines, sizeof lines - 1);
    INBOX_WAIT(&in, in.of[1].records > 0);
    inbox_cut(&in, 1);
    ck_assert_uint_lt(in.of[1].records, 1000); /* that would take minutes */
    ds_receivers_rate(in.receivers, 7, 9);     /* nobody's */
    ds_receivers_rate(in.receivers, 1, 0);
    INBOX_WAIT(&in, in.of[1].records == 5000);
    close(client);
    inbox_stop(&in, 1);
    inbox_close(&in);
}
END_TEST

/* All connections together have the rate, and none is left out. */
START_TEST(many_connections_share_a_rate)
{
    inbox in;
    int clients[CLIENTS];
    inbox_open(&in, PLENTY);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_interval_ms = 1;
    spec.rate = 5000;
    uint16_t port = start_listening(&in, spec);
    char lines[2 * 50 + 1];
    for (int i = 0; i < 50; i++)
        snprintf(lines + 2 * i, 3, "x\n");
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = dial(port);
        send_bytes(clients[i], lines, sizeof lines - 1);
    }
    INBOX_WAIT(&in, in.of[1].records == CLIENTS * 50);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    inbox_stop(&in, 1);
    ck_assert_uint_eq(in.of[1].records, CLIENTS * 50);
    ck_assert_uint_eq(in.of[1].cut_short, 0);
    inbox_close(&in);
}
END_TEST

/* One that has no credit and no tokens goes on when it has both. */
START_TEST(rates_and_credit_together)
{
    inbox in;
    inbox_open(&in, 0);
    ds_receiver_spec spec = spec_of(DS_RECEIVE_LISTEN, 0);
    spec.block_bytes = 200;
    spec.rate = 1000;
    uint16_t port = start_listening(&in, spec);
    int client = dial(port);
    char lines[10 * 300 + 1];
    for (int i = 0; i < 300; i++)
        snprintf(lines + 10 * i, 11, "%09d\n", i);
    send_bytes(client, lines, sizeof lines - 1);
    close(client);
    INBOX_WAIT(&in, in.of[1].refused > 0);
    pthread_mutex_lock(&in.lock);
    in.credit = PLENTY;
    pthread_mutex_unlock(&in.lock);
    ds_receivers_credit(in.receivers);
    for (uint64_t tick = 1, records = 0; records < 300; tick++) {
        inbox_cut(&in, tick); /* what the rate let in so far */
        pthread_mutex_lock(&in.lock);
        records = in.of[1].records;
        pthread_mutex_unlock(&in.lock);
    }
    inbox_stop(&in, 1);
    inbox_assert_bytes(&in, 1, lines);
    inbox_close(&in);
}
END_TEST

START_TEST(stopping_all_reports_nothing)
{
    inbox in;
    inbox_open(&in, PLENTY);
    int client = dial(start_listening(&in, spec_of(DS_RECEIVE_LISTEN, 0)));
    send_text(client, "a\n");
    INBOX_WAIT(&in, in.of[1].asked == 1);
    ds_receivers_stop(in.receivers);
    ck_assert_int_eq(in.rooms, 0);
    ck_assert_uint_eq(in.of[1].blocks, 0);
    ck_assert_int_eq(in.of[1].said[DS_RECEIVER_ENDED], 0);
    close(client);
}
END_TEST

UNIT_MAIN("receivers", connects_again_after_a_hang_up, tries_until_the_peer_is_there,
          refused_with_until_idle, gives_up_on_a_peer_never_reached, until_idle_ends,
          a_host_that_does_not_resolve, a_hundred_clients, a_hang_up_in_mid_record,
          a_reset_is_a_hang_up, listening_until_idle, listening_until_silence, a_port_in_use,
          listens_on_ipv6, more_clients_than_the_limit_wait,
          accepts_again_when_there_are_descriptors, without_credit_the_sender_waits,
          one_that_waits_does_not_stop_another, a_hang_up_without_credit_loses_nothing,
          a_stop_without_credit_says_what_is_dropped, a_stop_reports_what_was_read,
          counters_survive_a_stop, blocks_come_before_their_tick, idle_receivers_hold_no_room,
          the_interval_cuts_and_full_blocks_are_cut, clients_with_headers,
          long_records_wait_for_a_place, records_without_end_leave_their_place,
          a_rate_is_kept_until_it_is_changed, many_connections_share_a_rate,
          rates_and_credit_together, stopping_all_reports_nothing)
