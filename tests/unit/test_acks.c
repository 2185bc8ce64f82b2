/* Acknowledgements: peers are told how many of their lines are durable, and nothing else. */
#include "receiver/ack.h"

#include "unit/inbox.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLENTY ((int64_t)64 << 20)

/* ---- marks ---- */

START_TEST(lines_of_durable_blocks_are_safe)
{
    ds_ack ack = {0};
    ds_ack_mark(&ack, 1, 0); /* none of its lines */
    ds_ack_mark(&ack, 2, 5);
    ds_ack_mark(&ack, 3, 5);
    ds_ack_mark(&ack, 4, 9);
    ck_assert(!ds_ack_waits(&ack));
    ds_ack_durable(&ack, 1);
    ck_assert_uint_eq(ack.safe, 0);
    ds_ack_durable(&ack, 3);
    ck_assert_uint_eq(ack.safe, 5);
    ck_assert(ds_ack_waits(&ack));
    ds_ack_durable(&ack, 100);
    ck_assert_uint_eq(ack.safe, 9);
    ck_assert(!ds_ack_complete(&ack, 9));
    ck_assert(ds_ack_complete(&ack, 0));
}
END_TEST

START_TEST(few_marks_for_many_blocks)
{
    ds_ack ack = {0};
    for (uint64_t i = 1; i <= 100; i++)
        ds_ack_mark(&ack, i, 2 * i);
    for (uint64_t i = 1; i <= 100; i++) {
        ds_ack_durable(&ack, i);
        ck_assert_uint_le(ack.safe, 2 * i); /* never too early */
        ck_assert(i >= DS_ACK_MARKS || ack.safe == 2 * i);
    }
    ck_assert_uint_eq(ack.safe, 200);
}
END_TEST

static uint64_t read_numbers(int fd)
{
    char text[4096];
    uint64_t last = 0;
    ssize_t n;
    while ((n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT)) > 0) {
        text[n] = '\0';
        char *end = strrchr(text, '\n'), *begin = text;
        if (end == NULL)
            continue;
        *end = '\0';
        begin = strrchr(text, '\n');
        last = strtoull(begin == NULL ? text : begin + 1, NULL, 10);
    }
    return last;
}

START_TEST(who_does_not_read_hears_the_newest_later)
{
    int fds[2], small = 1;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    ds_ack ack = {0};
    uint64_t n = 0;
    do {
        n++;
        ds_ack_mark(&ack, n, n);
        ds_ack_durable(&ack, n);
        ck_assert_int_eq(ds_ack_write(&ack, fds[0]), 0);
    } while (!ds_ack_waits(&ack));
    for (uint64_t more = n + 100; n < more;) {
        n++;
        ds_ack_mark(&ack, n, n);
        ds_ack_durable(&ack, n);
        ck_assert_int_eq(ds_ack_write(&ack, fds[0]), 0);
    }
    uint64_t last = read_numbers(fds[1]);
    ck_assert_uint_lt(last, n);
    ck_assert_int_eq(ds_ack_write(&ack, fds[0]), 0);
    ck_assert(ds_ack_complete(&ack, n));
    ck_assert_uint_eq(read_numbers(fds[1]), n);
    close(fds[1]);
    ds_ack_mark(&ack, n + 1, n + 1);
    ds_ack_durable(&ack, n + 1);
    ck_assert_int_eq(ds_ack_write(&ack, fds[0]), EPIPE);
    close(fds[0]);
}
END_TEST

/* ---- over sockets ---- */

typedef struct acking {
    inbox in;
    uint16_t port;
} acking;

static void open_acking(acking *a, bool header)
{
    inbox_open(&a->in, PLENTY);
    const ds_receiver_spec spec = {.receiver_id = 1,
                                   .kind = DS_RECEIVE_LISTEN,
                                   .name = "access",
                                   .host = "127.0.0.1",
                                   .record_limit = 100,
                                   .block_bytes = 65536,
                                   .header = header,
                                   .ack = true};
    ds_receivers_add(a->in.receivers, &spec);
    INBOX_WAIT(&a->in, a->in.of[1].said[DS_RECEIVER_RUNNING] == 1);
    pthread_mutex_lock(&a->in.lock);
    a->port = (uint16_t)atoi(strrchr(a->in.of[1].message, ':') + 1);
    pthread_mutex_unlock(&a->in.lock);
}

static int dial(const acking *a)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(a->port)};
    struct timeval patience = {.tv_sec = DEADLINE_S};
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void send_text(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static inbox_of reported(acking *a)
{
    pthread_mutex_lock(&a->in.lock);
    inbox_of of = a->in.of[1];
    pthread_mutex_unlock(&a->in.lock);
    return of;
}

/* Cuts until so many records were reported; the number of blocks so far. */
static uint64_t cut_until(acking *a, uint64_t records)
{
    static uint64_t tick = 0;
    while (reported(a).records < records)
        inbox_cut(&a->in, ++tick);
    return reported(a).blocks;
}

static void expect(int fd, const char *text)
{
    char got[100] = "";
    size_t n = 0;
    while (n < strlen(text)) {
        ssize_t more = recv(fd, got + n, strlen(text) - n, 0);
        ck_assert_msg(more > 0, "\"%s\" and no more, not \"%s\"", got, text);
        n += (size_t)more;
    }
    ck_assert_str_eq(got, text);
}

static void expect_end(int fd)
{
    char byte;
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

START_TEST(peers_are_told_of_their_own_lines)
{
    acking a;
    open_acking(&a, false);
    int one = dial(&a), two = dial(&a);
    send_text(one, "a\nb\npart");
    send_text(two, "c\n");
    uint64_t block = cut_until(&a, 3);
    char byte;
    ck_assert_int_eq(recv(one, &byte, 1, MSG_DONTWAIT), -1); /* not yet */
    ds_receivers_durable(a.in.receivers, 1, block);
    expect(one, "2\n");
    expect(two, "1\n");
    send_text(one, "ial\n\n");
    block = cut_until(&a, 5);
    ds_receivers_durable(a.in.receivers, 1, block);
    expect(one, "4\n");
    close(one);
    close(two);
    inbox_stop(&a.in, 1);
    inbox_close(&a.in);
}
END_TEST

START_TEST(an_orderly_end)
{
    acking a;
    open_acking(&a, false);
    int fd = dial(&a);
    send_text(fd, "a\nb\nlast");
    shutdown(fd, SHUT_WR);
    uint64_t block = cut_until(&a, 3);
    ds_receivers_durable(a.in.receivers, 1, block);
    expect(fd, "3\n");
    expect_end(fd);
    inbox_stop(&a.in, 1);
    inbox_assert_bytes(&a.in, 1, "a\nb\nlast\n");
    inbox_close(&a.in);
}
END_TEST

/* What is not whole when the app stops is sent again: it is not taken, and not told. */
START_TEST(a_stop_waits_until_all_is_told)
{
    acking a;
    open_acking(&a, false);
    int fd = dial(&a);
    send_text(fd, "a\nb\n");
    uint64_t block = cut_until(&a, 2);
    send_text(fd, "c\npart");
    cut_until(&a, 3);
    ds_receivers_stop_one(a.in.receivers, 1);
    ds_receivers_durable(a.in.receivers, 1, block);
    expect(fd, "2\n");
    pthread_mutex_lock(&a.in.lock);
    ck_assert(!a.in.of[1].over);
    pthread_mutex_unlock(&a.in.lock);
    ds_receivers_durable(a.in.receivers, 1, block + 10);
    expect(fd, "3\n");
    expect_end(fd);
    INBOX_WAIT(&a.in, a.in.of[1].over);
    inbox_assert_bytes(&a.in, 1, "a\nb\nc\n");
    ck_assert_uint_eq(a.in.of[1].cut_short, 0);
    inbox_close(&a.in);
}
END_TEST

START_TEST(a_stop_does_not_wait_for_ever)
{
    acking a;
    open_acking(&a, false);
    int fd = dial(&a);
    send_text(fd, "a\n");
    cut_until(&a, 1);
    inbox_stop(&a.in, 1); /* nothing is ever durable */
    expect_end(fd);
    inbox_close(&a.in);
}
END_TEST

START_TEST(lines_that_are_dropped_count)
{
    acking a;
    open_acking(&a, false);
    int fd = dial(&a);
    char text[70000];
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - 3, "\nb", 3);
    send_text(fd, "a\n");
    send_text(fd, text);
    send_text(fd, "\n");
    uint64_t block = cut_until(&a, 2);
    ds_receivers_durable(a.in.receivers, 1, block);
    expect(fd, "3\n");
    close(fd);
    inbox_stop(&a.in, 1);
    inbox_close(&a.in);
}
END_TEST

START_TEST(headers_do_not_count)
{
    acking a;
    open_acking(&a, true);
    int fd = dial(&a);
    send_text(fd, "\nx,y\n1,2\n3,4\n");
    uint64_t block = cut_until(&a, 2);
    ds_receivers_durable(a.in.receivers, 1, block);
    expect(fd, "2\n");
    close(fd);
    inbox_stop(&a.in, 1);
    inbox_close(&a.in);
}
END_TEST

UNIT_MAIN("acks", lines_of_durable_blocks_are_safe, few_marks_for_many_blocks,
          who_does_not_read_hears_the_newest_later, peers_are_told_of_their_own_lines,
          an_orderly_end, a_stop_waits_until_all_is_told, a_stop_does_not_wait_for_ever,
          lines_that_are_dropped_count, headers_do_not_count)
