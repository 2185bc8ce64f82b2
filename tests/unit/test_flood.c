/* Connections that bring much at a time: told of late, and nothing of them left behind. */
#include "inbox.h"

#include "receiver/flood.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 5
#define PLENTY ((int64_t)64 << 20)
#define MIB ((size_t)1 << 20)

/* An intake that listens, on this thread, with clients that it has let in. */
typedef struct kit {
    ds_poller poller;
    ds_block_sink sink;
    ds_intake *intake;
    char room[65536];
    uint16_t port;
    int clients[CLIENTS];
} kit;

static bool reserve(void *arg, uint64_t id, uint64_t capacity, ds_block_room *room)
{
    kit *k = arg;
    (void)id;
    ck_assert_uint_le(capacity, sizeof k->room);
    *room = (ds_block_room){k->room, 0, sizeof k->room};
    return true;
}

static void give_back(void *arg, uint64_t id, const ds_block_room *room)
{
    (void)arg, (void)id, (void)room;
}

static void state(void *arg, uint64_t id, ds_receiver_phase phase, ds_status status,
                  const char *message)
{
    kit *k = arg;
    (void)id;
    ck_assert_int_eq(phase, DS_RECEIVER_RUNNING);
    ck_assert_int_eq(status, DS_OK);
    const char *colon = strrchr(message, ':');
    if (colon != NULL && strstr(message, "listening") != NULL)
        k->port = (uint16_t)atoi(colon + 1);
}

/* Serves what is ready until there are so many connections. */
static void let_in(kit *k, uint32_t n)
{
    while (k->intake->n_connections < n) {
        ds_poller_wait(&k->poller, INT64_MAX);
        ds_poller_dispatch(&k->poller);
    }
}

static void kit_open(kit *k)
{
    ds_receiver_spec spec = {.receiver_id = 1,
                             .kind = DS_RECEIVE_LISTEN,
                             .host = "127.0.0.1",
                             .record_limit = 100,
                             .block_bytes = 65536};
    k->sink = (ds_block_sink){.arg = k, .reserve = reserve, .give_back = give_back, .state = state};
    ck_assert_int_eq(ds_poller_init(&k->poller, NULL), DS_OK);
    k->intake = ds_intake_new(&k->poller, &k->sink, &spec);
    ck_assert_uint_gt(k->port, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(k->port)};
    for (uint32_t i = 0; i < CLIENTS; i++) {
        k->clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(k->clients[i], (struct sockaddr *)&at, sizeof at), 0);
        let_in(k, i + 1);
    }
}

static void kit_close(kit *k)
{
    ds_intake_free(k->intake);
    ds_poller_fini(&k->poller);
    for (int i = 0; i < CLIENTS; i++)
        close(k->clients[i]);
    free(k);
}

static kit *new_kit(void)
{
    kit *k = ds_calloc(1, sizeof *k);
    kit_open(k);
    return k;
}

static int mark_of(const ds_connection *c)
{
    int mark = 0;
    socklen_t n = sizeof mark;
    ck_assert_int_eq(getsockopt(c->watch.fd, SOL_SOCKET, SO_RCVLOWAT, &mark, &n), 0);
    return mark;
}

/* As if so much had been read, without an end. */
static void flood(ds_connection *c)
{
    ds_flood_note(c, MIB, MIB);
    ds_flood_note(c, MIB, MIB);
}

/* Sends a line to the first connection, and waits until its socket has it. */
static void send_line(kit *k)
{
    int there = 0;
    ck_assert_int_eq(send(k->clients[0], "line\n", 5, MSG_NOSIGNAL), 5);
    while (there < 5)
        ck_assert_int_eq(ioctl(k->intake->connections->watch.fd, FIONREAD, &there), 0);
}

/* How many descriptors are ready now. */
static int ready(kit *k)
{
    ds_poller_wait(&k->poller, 0);
    return k->poller.n_events;
}

START_TEST(who_brings_much_without_an_end_floods)
{
    kit *k = new_kit();
    ds_connection *c = k->intake->connections;
    ds_flood_note(c, MIB, MIB);
    ds_flood_note(c, MIB, MIB - 1); /* it was found empty */
    ds_flood_note(c, MIB, MIB);
    ck_assert(!c->floods);
    ck_assert_int_eq(mark_of(c), 1);
    ck_assert_int_eq(ds_flood_deadline(k->intake), DS_NEVER);
    size_t most = ds_flood_most(c);
    ds_flood_note(c, MIB, MIB);
    ck_assert(c->floods);
    ck_assert_int_gt(mark_of(c), 65536);
    ck_assert_uint_gt(ds_flood_most(c), most);
    ck_assert_int_gt(ds_flood_deadline(k->intake), k->poller.now_us);
    ck_assert_int_le(ds_intake_deadline(k->intake), ds_flood_deadline(k->intake));
    kit_close(k);
}
END_TEST

START_TEST(what_is_below_the_mark_is_read_by_a_tick)
{
    kit *k = new_kit();
    ds_connection *c = k->intake->connections;
    send_line(k);
    ck_assert_int_eq(ready(k), 1);
    flood(c);
    ck_assert_int_eq(ready(k), 0);
    ds_flood_tick(k->intake); /* it was read lately */
    ck_assert_uint_eq(k->intake->cutter.records, 0);
    ds_flood_tick(k->intake);
    ck_assert_uint_eq(k->intake->cutter.records, 1);
    ck_assert(!c->floods); /* a line is no flood */
    ck_assert_int_eq(mark_of(c), 1);
    ck_assert_int_eq(ds_flood_deadline(k->intake), DS_NEVER);
    send_line(k);
    ck_assert_int_eq(ready(k), 1);
    kit_close(k);
}
END_TEST

START_TEST(of_whom_a_tick_finds_nothing_is_no_flood)
{
    kit *k = new_kit();
    ds_connection *c = k->intake->connections;
    flood(c);
    ds_flood_tick(k->intake);
    ck_assert(c->floods);
    ds_flood_tick(k->intake);
    ck_assert(!c->floods);
    kit_close(k);
}
END_TEST

START_TEST(a_drain_reads_what_is_below_the_mark)
{
    kit *k = new_kit();
    ds_connection *c = k->intake->connections;
    flood(c);
    send_line(k);
    ds_flood_drain(k->intake);
    ck_assert_uint_eq(k->intake->cutter.records, 1);
    ck_assert(c->floods);
    kit_close(k);
}
END_TEST

START_TEST(who_waits_for_room_is_not_read)
{
    kit *k = new_kit();
    ds_connection *c = k->intake->connections;
    flood(c);
    send_line(k);
    ds_poller_unwatch(&k->poller, &c->watch);
    k->intake->stalled = true;
    ck_assert_int_eq(ds_flood_deadline(k->intake), DS_NEVER);
    ds_flood_drain(k->intake);
    ds_flood_tick(k->intake);
    ds_flood_tick(k->intake);
    ck_assert_uint_eq(k->intake->cutter.records, 0);
    ck_assert(c->floods);
    kit_close(k);
}
END_TEST

START_TEST(with_a_rate_there_are_no_floods)
{
    kit *k = new_kit();
    ds_connection *c = k->intake->connections;
    flood(c);
    ds_intake_rate(k->intake, 1000);
    ds_flood_note(c, MIB, MIB);
    ck_assert(!c->floods);
    ck_assert_int_eq(mark_of(c), 1);
    flood(c);
    ck_assert(!c->floods);
    kit_close(k);
}
END_TEST

/* A few at a time; who is closed, or says no more, makes room. */
START_TEST(a_few_flood_at_a_time)
{
    kit *k = new_kit();
    for (ds_connection *c = k->intake->connections; c != NULL; c = c->next)
        flood(c);
    ck_assert_uint_eq(k->intake->n_floods, CLIENTS - 1);
    ds_connection_close(k->intake->connections);
    ck_assert_uint_eq(k->intake->n_floods, CLIENTS - 2);
    ds_connection *last = k->intake->connections;
    while (last->next != NULL)
        last = last->next;
    ck_assert(!last->floods);
    flood(last);
    ck_assert(last->floods);
    ck_assert_uint_eq(k->intake->n_floods, CLIENTS - 1);
    ds_flood_leave(last);
    ds_flood_leave(last);
    ck_assert_uint_eq(k->intake->n_floods, CLIENTS - 2);
    kit_close(k);
}
END_TEST

START_TEST(the_end_of_a_flood_is_told_at_once)
{
    kit *k = new_kit();
    flood(k->intake->connections);
    send_line(k);
    ck_assert_int_eq(shutdown(k->clients[0], SHUT_WR), 0);
    while (k->intake->n_connections == CLIENTS) {
        ds_poller_wait(&k->poller, INT64_MAX);
        ds_poller_dispatch(&k->poller);
    }
    ck_assert_uint_eq(k->intake->cutter.records, 1);
    ck_assert_uint_eq(k->intake->n_floods, 0);
    kit_close(k);
}
END_TEST

/* ---- the thread of the receivers ---- */

static int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static uint16_t start_listening(inbox *in, int block_interval_ms)
{
    ds_receiver_spec spec = {.receiver_id = 1,
                             .kind = DS_RECEIVE_LISTEN,
                             .host = "127.0.0.1",
                             .record_limit = 100,
                             .block_bytes = 300000,
                             .block_interval_ms = block_interval_ms};
    ds_receivers_add(in->receivers, &spec);
    INBOX_WAIT(in, in->of[1].said[DS_RECEIVER_RUNNING] == 1);
    return (uint16_t)atoi(strrchr(in->of[1].message, ':') + 1);
}

/* Numbered lines of about so many bytes in all. */
static ds_buffer numbered(size_t bytes)
{
    ds_buffer text = {0};
    for (unsigned i = 0; text.length < bytes; i++)
        ds_buffer_printf(&text, "%u of a flood that goes on\n", i);
    return text;
}

static void send_all(int fd, const ds_buffer *text)
{
    for (size_t at = 0; at < text->length;) {
        ssize_t n = send(fd, text->data + at, text->length - at, MSG_NOSIGNAL);
        ck_assert_int_gt(n, 0);
        at += (size_t)n;
    }
}

/* Its peer stays, and says nothing more. */
START_TEST(a_flood_is_read_to_its_last_line)
{
    inbox in;
    inbox_open(&in, PLENTY);
    int fd = dial(start_listening(&in, 1));
    ds_buffer text = numbered(20 * MIB);
    for (int i = 0; i < 2; i++) {
        in.of[1].bytes.length = 0; /* nothing is on its way */
        send_all(fd, &text);
        INBOX_WAIT(&in, in.of[1].bytes.length >= text.length);
        ck_assert_uint_eq(in.of[1].bytes.length, text.length);
        ck_assert_int_eq(memcmp(in.of[1].bytes.data, text.data, text.length), 0);
        inbox_credit(&in, (int64_t)text.length);
    }
    close(fd);
    ds_buffer_fini(&text);
    inbox_close(&in);
}
END_TEST

typedef struct sending {
    int fd;
    ds_buffer text;
} sending;

static void *send_it(void *arg)
{
    sending *it = arg;
    send_all(it->fd, &it->text);
    return NULL;
}

/* Credit comes bit by bit: the sender is slowed, and what waits for it is a flood. */
START_TEST(a_flood_waits_for_credit)
{
    inbox in;
    inbox_open(&in, 300000);
    sending it = {dial(start_listening(&in, 1)), numbered(20 * MIB)};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, send_it, &it), 0);
    const inbox_of *of = &in.of[1];
    for (bool all = false; !all;) {
        INBOX_WAIT(&in, in.credit < 300000 || of->bytes.length == it.text.length);
        inbox_credit(&in, 300000);
        pthread_mutex_lock(&in.lock);
        all = of->bytes.length == it.text.length;
        pthread_mutex_unlock(&in.lock);
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(memcmp(of->bytes.data, it.text.data, it.text.length), 0);
    close(it.fd);
    ds_buffer_fini(&it.text);
    inbox_close(&in);
}
END_TEST

UNIT_MAIN("flood", who_brings_much_without_an_end_floods, what_is_below_the_mark_is_read_by_a_tick,
          of_whom_a_tick_finds_nothing_is_no_flood, a_drain_reads_what_is_below_the_mark,
          who_waits_for_room_is_not_read, with_a_rate_there_are_no_floods, a_few_flood_at_a_time,
          the_end_of_a_flood_is_told_at_once, a_flood_is_read_to_its_last_line,
          a_flood_waits_for_credit)
