/* Links between a server and its clients, over every transport. */
#include "rpc/message.h"

#include "unit/link_kit.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

/* A server and a client at one address, each with its box. */
typedef struct pair {
    kit_box at_server, at_client;
    ds_server *server;
    ds_client *client;
    uint64_t peer;
} pair;

static void pair_open(pair *p, const char *url)
{
    kit_box_init(&p->at_server);
    kit_box_init(&p->at_client);
    p->server = kit_server(url, &p->at_server);
    p->client = kit_client(p->server, &p->at_client);
    p->peer = kit_next(&p->at_server, DS_LINK_OPENED).peer;
}

static void pair_close(pair *p)
{
    ds_client_free(p->client);
    ds_server_free(p->server);
    kit_box_fini(&p->at_server);
    kit_box_fini(&p->at_client);
    ds_link_fini();
}

START_TEST(messages_go_both_ways)
{
    pair p;
    pair_open(&p, kit_url(_i));
    ck_assert_uint_gt(p.peer, 0);
    ds_client_send(p.client, "hello", 5);
    kit_event event = kit_next(&p.at_server, DS_LINK_MESSAGE);
    ck_assert_uint_eq(event.peer, p.peer);
    ck_assert_uint_eq(event.length, 5);
    ck_assert_mem_eq(event.bytes, "hello", 5);
    kit_send_text(p.server, p.peer, "hello yourself");
    kit_expect_text(&p.at_client, "hello yourself");
    ck_assert_uint_eq(p.at_client.events[0].peer, 0);
    pair_close(&p);
}
END_TEST

/* Many small messages, of lengths that change, so that frames meet buffer ends everywhere. */

#define MANY 10000

static size_t many_length(uint32_t i)
{
    return 4 + i * 7 % 301;
}

static void make_many(char *bytes, uint32_t i)
{
    memset(bytes, (int)(i % 251), many_length(i));
    memcpy(bytes, &i, sizeof i);
}

static void check_many(kit_box *box)
{
    char expected[512];
    for (uint32_t i = 0; i < MANY; i++) {
        kit_event event = kit_next(box, DS_LINK_MESSAGE);
        make_many(expected, i);
        ck_assert_uint_eq(event.length, many_length(i));
        ck_assert_mem_eq(event.bytes, expected, event.length);
    }
}

static void *send_many_to_server(void *arg)
{
    pair *p = arg;
    char bytes[512];
    for (uint32_t i = 0; i < MANY; i++) {
        make_many(bytes, i);
        ds_client_send(p->client, bytes, many_length(i));
    }
    return NULL;
}

START_TEST(messages_keep_their_order)
{
    pair p;
    pthread_t thread;
    char bytes[512];
    pair_open(&p, kit_url(_i));
    pthread_create(&thread, NULL, send_many_to_server, &p);
    for (uint32_t i = 0; i < MANY; i++) {
        make_many(bytes, i);
        ds_server_send(p.server, p.peer, bytes, many_length(i));
    }
    check_many(&p.at_client);
    check_many(&p.at_server);
    pthread_join(thread, NULL);
    pair_close(&p);
}
END_TEST

START_TEST(what_has_time_leaves_with_the_next)
{
    pair p;
    pair_open(&p, kit_url(_i));
    ds_server_send_later(p.server, p.peer, "first", 5);
    ds_server_send_later(p.server, p.peer, "second", 6);
    kit_send_text(p.server, p.peer, "third");
    kit_expect_text(&p.at_client, "first");
    kit_expect_text(&p.at_client, "second");
    kit_expect_text(&p.at_client, "third");
    ds_server_flush(p.server, p.peer); /* nothing */
    ds_server_send_later(p.server, p.peer, "fourth", 6);
    ds_server_flush(p.server, p.peer);
    kit_expect_text(&p.at_client, "fourth");
    ds_server_send_later(p.server, p.peer, "last", 4);
    ds_server_close_peer(p.server, p.peer, true);
    kit_expect_text(&p.at_client, "last");
    ds_server_send_later(p.server, p.peer, "late", 4); /* to nobody */
    ds_server_flush(p.server, p.peer);
    pair_close(&p);
}
END_TEST

static void fill(char *bytes, size_t length, unsigned seed)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)((i * 2654435761u + seed) >> 13);
}

START_TEST(messages_reach_the_limit)
{
    static const size_t lengths[] = {
        0, 1, 65528, 65529, 1 << 20, DS_MESSAGE_LIMIT - 1, DS_MESSAGE_LIMIT};
    size_t n = sizeof lengths / sizeof *lengths;
    pair p;
    pair_open(&p, kit_url(_i));
    char *bytes = ds_alloc(DS_MESSAGE_LIMIT);
    for (unsigned i = 0; i < n; i++) {
        fill(bytes, lengths[i], i);
        ds_client_send(p.client, bytes, lengths[i]);
        ds_server_send(p.server, p.peer, bytes, lengths[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        fill(bytes, lengths[i], i);
        kit_event a = kit_next(&p.at_server, DS_LINK_MESSAGE);
        kit_event b = kit_next(&p.at_client, DS_LINK_MESSAGE);
        ck_assert_uint_eq(a.length, lengths[i]);
        ck_assert_uint_eq(b.length, lengths[i]);
        ck_assert(lengths[i] == 0 || memcmp(a.bytes, bytes, lengths[i]) == 0);
        ck_assert(lengths[i] == 0 || memcmp(b.bytes, bytes, lengths[i]) == 0);
    }
    free(bytes);
    pair_close(&p);
}
END_TEST

START_TEST(a_client_that_goes_is_lost)
{
    pair p;
    pair_open(&p, kit_url(_i));
    ds_client_send(p.client, "last words", 10);
    ck_assert(ds_client_flush(p.client, KIT_WAIT_S * 1000));
    ds_client_free(p.client);
    p.client = NULL;
    kit_expect_text(&p.at_server, "last words");
    ck_assert_uint_eq(kit_next(&p.at_server, DS_LINK_LOST).peer, p.peer);
    kit_send_text(p.server, p.peer, "too late");
    ds_server_close_peer(p.server, p.peer, true);
    ds_server_close_peer(p.server, p.peer, false);
    pair_close(&p);
}
END_TEST

START_TEST(a_closed_peer_is_lost_on_both_sides)
{
    pair p;
    pair_open(&p, kit_url(_i));
    ds_server_close_peer(p.server, p.peer, false);
    ck_assert_uint_eq(kit_next(&p.at_server, DS_LINK_LOST).peer, p.peer);
    kit_next(&p.at_client, DS_LINK_LOST);
    ds_client_send(p.client, "too late", 8);
    ck_assert(!ds_client_flush(p.client, KIT_WAIT_S * 1000));
    pair_close(&p);
}
END_TEST

/* Closing with a flush delivers everything first, also what does not fit into a socket. */
START_TEST(a_flushed_peer_has_everything)
{
    pair p;
    size_t length = 4u << 20;
    char *bytes = ds_alloc(length);
    pair_open(&p, kit_url(_i));
    for (unsigned i = 0; i < 8; i++) {
        fill(bytes, length, i);
        ds_server_send(p.server, p.peer, bytes, length);
    }
    kit_send_text(p.server, p.peer, "rejected");
    ds_server_close_peer(p.server, p.peer, true);
    kit_send_text(p.server, p.peer, "not sent any more");
    ds_server_close_peer(p.server, p.peer, true);
    for (unsigned i = 0; i < 8; i++) {
        fill(bytes, length, i);
        kit_event event = kit_next(&p.at_client, DS_LINK_MESSAGE);
        ck_assert_uint_eq(event.length, length);
        ck_assert(memcmp(event.bytes, bytes, length) == 0);
    }
    kit_expect_text(&p.at_client, "rejected");
    kit_next(&p.at_client, DS_LINK_LOST);
    kit_next(&p.at_server, DS_LINK_LOST);
    free(bytes);
    pair_close(&p);
}
END_TEST

START_TEST(nothing_is_reported_after_free)
{
    pair p;
    pair_open(&p, kit_url(_i));
    kit_box others[3];
    ds_client *clients[3];
    for (int i = 0; i < 3; i++) {
        kit_box_init(&others[i]);
        clients[i] = kit_client(p.server, &others[i]);
        kit_next(&p.at_server, DS_LINK_OPENED);
        ds_client_send(clients[i], "x", 1);
        kit_next(&p.at_server, DS_LINK_MESSAGE);
    }
    ds_server_free(p.server);
    p.server = NULL;
    size_t reported = kit_count(&p.at_server);
    for (int i = 0; i < 3; i++) {
        kit_next(&others[i], DS_LINK_LOST);
        ds_client_free(clients[i]);
        kit_box_fini(&others[i]);
    }
    kit_next(&p.at_client, DS_LINK_LOST);
    ck_assert_uint_eq(kit_count(&p.at_server), reported);
    pair_close(&p);
}
END_TEST

START_TEST(ids_are_never_used_twice)
{
    pair p;
    uint64_t last = 0;
    pair_open(&p, kit_url(0));
    for (int i = 0; i < 20; i++) {
        ck_assert_uint_gt(p.peer, last);
        last = p.peer;
        ds_client_free(p.client);
        kit_next(&p.at_server, DS_LINK_LOST);
        p.client = kit_client(p.server, &p.at_client);
        p.peer = kit_next(&p.at_server, DS_LINK_OPENED).peer;
    }
    pair_close(&p);
}
END_TEST

START_TEST(sending_to_nobody_has_no_effect)
{
    pair p;
    pair_open(&p, kit_url(0));
    kit_send_text(p.server, 0, "x");
    kit_send_text(p.server, p.peer + 1, "x");
    ds_server_close_peer(p.server, 0, false);
    ds_server_close_peer(p.server, p.peer + 1, true);
    kit_send_text(p.server, p.peer, "y");
    kit_expect_text(&p.at_client, "y");
    pair_close(&p);
}
END_TEST

/* Callbacks that use the link, and that take their time */

typedef struct echo {
    ds_server *server;
    atomic_uint lost;
} echo;

static void echo_back(void *arg, const ds_link_event *event)
{
    echo *e = arg;
    if (event->kind == DS_LINK_MESSAGE)
        ds_server_send(e->server, event->peer, event->bytes, event->length);
    else if (event->kind == DS_LINK_LOST)
        atomic_fetch_add(&e->lost, 1);
}

static void say_goodbye(void *arg, const ds_link_event *event)
{
    echo *e = arg;
    if (event->kind == DS_LINK_MESSAGE) {
        ds_server_send(e->server, event->peer, "bye", 3);
        ds_server_close_peer(e->server, event->peer, event->length > 1);
    }
}

START_TEST(a_callback_may_close_its_peer)
{
    echo e = {0};
    kit_box box;
    kit_box_init(&box);
    ck_assert_int_eq(ds_server_open(kit_url(_i), say_goodbye, &e, &e.server, NULL), DS_OK);
    ds_client *client = kit_client(e.server, &box);
    ds_client_send(client, "flush", 5);
    kit_expect_text(&box, "bye");
    kit_next(&box, DS_LINK_LOST);
    ds_client_free(client);
    client = kit_client(e.server, &box);
    ds_client_send(client, "x", 1);
    while (kit_take(&box).kind != DS_LINK_LOST)
        ;
    ds_client_free(client);
    ds_server_free(e.server);
    kit_box_fini(&box);
    ds_link_fini();
}
END_TEST

#define ECHO_CLIENTS 8
#define ECHO_ROUNDS 200

typedef struct echo_client {
    const ds_server *server;
    unsigned number;
} echo_client;

static void *talk_to_echo(void *arg)
{
    echo_client *me = arg;
    kit_box box;
    kit_box_init(&box);
    ds_client *client = kit_client(me->server, &box);
    for (unsigned i = 0; i < ECHO_ROUNDS; i++) {
        char text[32];
        snprintf(text, sizeof text, "%u/%u", me->number, i);
        ds_client_send(client, text, strlen(text));
        if (me->number % 2 == 0) /* the others run ahead */
            kit_expect_text(&box, text);
    }
    if (me->number % 4 != 1) /* and one in four leaves early */
        ck_assert(ds_client_flush(client, KIT_WAIT_S * 1000));
    ds_client_free(client);
    kit_box_fini(&box);
    return NULL;
}

START_TEST(many_clients_in_many_threads)
{
    echo e = {0};
    ds_error error;
    pthread_t threads[ECHO_CLIENTS];
    echo_client clients[ECHO_CLIENTS];
    ck_assert_int_eq(ds_server_open(kit_url(_i), echo_back, &e, &e.server, &error), DS_OK);
    for (unsigned i = 0; i < ECHO_CLIENTS; i++) {
        clients[i] = (echo_client){e.server, i};
        pthread_create(&threads[i], NULL, talk_to_echo, &clients[i]);
    }
    for (unsigned i = 0; i < ECHO_CLIENTS; i++)
        pthread_join(threads[i], NULL);
    ds_server_free(e.server);
    ck_assert_uint_le(atomic_load(&e.lost), ECHO_CLIENTS);
    ds_link_fini();
}
END_TEST

/* A callback that waits until it is let go. */
typedef struct gate {
    kit_box box;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside, open, left;
} gate;

static void gate_set(gate *g, bool *flag)
{
    pthread_mutex_lock(&g->lock);
    *flag = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void gate_wait(gate *g, const bool *flag)
{
    struct timespec deadline = kit_deadline();
    int rv = 0;
    pthread_mutex_lock(&g->lock);
    while (!*flag && rv == 0)
        rv = pthread_cond_timedwait(&g->changed, &g->lock, &deadline);
    ck_assert(*flag);
    pthread_mutex_unlock(&g->lock);
}

static void stop_at_gate(void *arg, const ds_link_event *event)
{
    gate *g = arg;
    kit_collect(&g->box, event);
    if (event->kind != DS_LINK_MESSAGE)
        return;
    gate_set(g, &g->inside);
    gate_wait(g, &g->open);
    gate_set(g, &g->left);
}

static void gate_open(gate *g, ds_server **server, kit_box *at_client, ds_client **client)
{
    ds_error error;
    memset(g, 0, sizeof *g);
    kit_box_init(&g->box);
    kit_box_init(at_client);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    ck_assert_int_eq(ds_server_open(kit_url(0), stop_at_gate, g, server, &error), DS_OK);
    *client = kit_client(*server, at_client);
    ds_client_send(*client, "enter", 5);
    gate_wait(g, &g->inside);
}

START_TEST(closing_a_peer_does_not_wait_for_its_callback)
{
    gate g;
    ds_server *server;
    ds_client *client;
    kit_box at_client;
    gate_open(&g, &server, &at_client, &client);
    uint64_t peer = kit_next(&g.box, DS_LINK_OPENED).peer;
    ds_server_close_peer(server, peer, false);
    kit_send_text(server, peer, "gone");
    kit_next(&at_client, DS_LINK_LOST);
    ck_assert(!g.left);
    gate_set(&g, &g.open);
    kit_next(&g.box, DS_LINK_MESSAGE);
    ck_assert_uint_eq(kit_next(&g.box, DS_LINK_LOST).peer, peer);
    ds_client_free(client);
    ds_server_free(server);
    kit_box_fini(&g.box);
    kit_box_fini(&at_client);
    ds_link_fini();
}
END_TEST

/* More than the system has room for is sent while nobody reads, then it is read. */
START_TEST(a_peer_that_stood_still_gets_all)
{
    enum { N = 3000, BYTES = 4000 };
    gate g;
    ds_server *server;
    ds_client *client;
    kit_box at_client;
    gate_open(&g, &server, &at_client, &client);
    char *bytes = ds_alloc(BYTES);
    for (unsigned i = 0; i < N; i++) {
        fill(bytes, BYTES, i);
        ds_client_send(client, bytes, BYTES - i % 7);
    }
    gate_set(&g, &g.open);
    kit_next(&g.box, DS_LINK_OPENED);
    kit_next(&g.box, DS_LINK_MESSAGE);
    for (unsigned i = 0; i < N; i++) {
        kit_event event = kit_next(&g.box, DS_LINK_MESSAGE);
        fill(bytes, BYTES, i);
        ck_assert_uint_eq(event.length, BYTES - i % 7);
        ck_assert_mem_eq(event.bytes, bytes, event.length);
    }
    free(bytes);
    ds_client_free(client);
    ds_server_free(server);
    kit_box_fini(&g.box);
    kit_box_fini(&at_client);
    ds_link_fini();
}
END_TEST

typedef struct freeing {
    ds_server *server;
    gate *gate;
} freeing;

static void *free_server(void *arg)
{
    freeing *f = arg;
    ds_server_free(f->server);
    ck_assert(f->gate->left); /* it has waited for the callback */
    return NULL;
}

START_TEST(free_waits_for_a_running_callback)
{
    gate g;
    freeing f = {.gate = &g};
    ds_client *client;
    kit_box at_client;
    pthread_t thread;
    gate_open(&g, &f.server, &at_client, &client);
    pthread_create(&thread, NULL, free_server, &f);
    kit_next(&at_client, DS_LINK_LOST); /* free has begun */
    size_t reported = kit_count(&g.box);
    gate_set(&g, &g.open);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(kit_count(&g.box), reported);
    ds_client_free(client);
    kit_box_fini(&g.box);
    kit_box_fini(&at_client);
    ds_link_fini();
}
END_TEST

/* Within a process what one end sends is the other's callback. */

typedef struct talk {
    ds_server *server;
    ds_client *client;
    uint64_t peer;
    int depth, deepest, rounds;
    size_t lost;
} talk;

static void enter(talk *t)
{
    if (++t->depth > t->deepest)
        t->deepest = t->depth;
}

static void answer_as_server(void *arg, const ds_link_event *event)
{
    talk *t = arg;
    enter(t);
    t->peer = event->peer;
    t->lost += event->kind == DS_LINK_LOST;
    if (event->kind == DS_LINK_MESSAGE)
        ds_server_send(t->server, event->peer, event->bytes, event->length);
    t->depth--;
}

static void answer_as_client(void *arg, const ds_link_event *event)
{
    talk *t = arg;
    enter(t);
    t->lost += event->kind == DS_LINK_LOST;
    if (event->kind == DS_LINK_MESSAGE && ++t->rounds < 1000)
        ds_client_send(t->client, event->bytes, event->length);
    t->depth--;
}

START_TEST(answers_within_a_process_do_not_nest)
{
    talk t = {0};
    const char *url = kit_name_url("inproc");
    ck_assert_int_eq(ds_server_open(url, answer_as_server, &t, &t.server, NULL), DS_OK);
    ck_assert_int_eq(ds_client_open(url, 0, answer_as_client, &t, &t.client, NULL), DS_OK);
    ck_assert_uint_eq(t.peer, 1); /* OPENED */
    ds_client_send(t.client, "again", 5);
    ck_assert_int_eq(t.rounds, 1000);
    ck_assert_int_eq(t.deepest, 2);
    ds_server_close_peer(t.server, t.peer, true);
    ck_assert_uint_eq(t.lost, 2);
    ds_client_send(t.client, "late", 4);
    ds_server_send(t.server, t.peer, "late", 4);
    ck_assert_int_eq(t.rounds, 1000);
    ds_client_free(t.client);
    ds_server_free(t.server);
    ck_assert_uint_eq(t.lost, 2);
    ds_link_fini(); /* the library was never used */
}
END_TEST

START_TEST(a_secret_counts_within_a_process)
{
    kit_box box;
    ds_server *server;
    ds_client *client;
    ds_error error;
    const ds_secret ours = ds_secret_of_text("ours"), theirs = ds_secret_of_text("theirs");
    const ds_link_options with = {.secret = &ours}, other = {.secret = &theirs};
    const char *url = kit_name_url("inproc");
    kit_box_init(&box);
    ck_assert_int_eq(ds_server_open_with(url, &with, kit_collect, &box, &server, NULL), DS_OK);
    ck_assert_int_eq(ds_client_open_with(url, &other, 10, kit_collect, &box, &client, &error),
                     DS_ERR_APP);
    ck_assert_int_eq(ds_client_open(url, 10, kit_collect, &box, &client, &error), DS_ERR_APP);
    ds_server_set_secret(server, &theirs);
    ck_assert_int_eq(ds_client_open_with(url, &other, 10, kit_collect, &box, &client, &error),
                     DS_OK);
    ds_server_free(server);
    ck_assert_uint_eq(kit_count(&box), 2); /* OPENED at the server, LOST at the client */
    ds_client_free(client);
    kit_box_fini(&box);
}
END_TEST

/* Opening */

static ds_status try_server(const char *url, ds_error *error)
{
    ds_server *server;
    return ds_server_open(url, kit_collect, NULL, &server, error);
}

START_TEST(an_address_can_be_had_once)
{
    pair p;
    ds_error error;
    char expected[256];
    pair_open(&p, kit_url(_i));
    ck_assert_int_eq(try_server(ds_server_url(p.server), &error), DS_ERR_UNAVAILABLE);
    snprintf(expected, sizeof expected, "%s is in use%s", ds_server_url(p.server),
             _i == KIT_INPROC ? "" : " by another process");
    ck_assert_str_eq(error.message, expected);
    pair_close(&p);
}
END_TEST

START_TEST(an_address_is_free_again_after_free)
{
    pair p;
    char url[DS_ADDRESS_URL];
    pair_open(&p, kit_url(_i));
    snprintf(url, sizeof url, "%s", ds_server_url(p.server));
    ds_client_free(p.client);
    ds_server_free(p.server);
    p.server = kit_server(url, &p.at_server);
    ck_assert_str_eq(ds_server_url(p.server), url);
    p.client = kit_client(p.server, &p.at_client);
    pair_close(&p);
}
END_TEST

START_TEST(the_url_has_the_real_port)
{
    kit_box box;
    kit_box_init(&box);
    ds_server *server = kit_server("tcp://127.0.0.1:0", &box);
    const char *url = ds_server_url(server);
    ck_assert_int_eq(strncmp(url, "tcp://127.0.0.1:", 16), 0);
    ck_assert_int_gt(atoi(url + 16), 0);
    ds_server_free(server);
    ds_link_fini();
    kit_box_fini(&box);
}
END_TEST

START_TEST(wrong_urls_are_usage_errors)
{
    ds_client *client;
    ds_error error;
    ck_assert_int_eq(try_server("tcp://0.0.0.0:0", &error), DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(error.message, "need a shared secret"));
    ck_assert_int_eq(ds_client_open("tcp://example.org:99", 0, kit_collect, NULL, &client, &error),
                     DS_ERR_APP);
    ck_assert_int_eq(ds_client_open("tcp://a@b:99", 0, kit_collect, NULL, &client, &error),
                     DS_ERR_USAGE);
    ck_assert_int_eq(ds_client_open("tcp://127.0.0.1:0", 0, kit_collect, NULL, &client, &error),
                     DS_ERR_USAGE);
    ds_link_fini();
}
END_TEST

START_TEST(a_door_that_is_not_there_is_unavailable)
{
    ds_client *client = NULL;
    ds_error error;
    kit_box box;
    kit_box_init(&box);
    char url[DS_ADDRESS_URL];
    ds_server *server = kit_server(kit_url(_i), &box); /* for an address that is free */
    snprintf(url, sizeof url, "%s", ds_server_url(server));
    ds_server_free(server);
    ck_assert_int_eq(ds_client_open(url, 50, kit_collect, &box, &client, &error),
                     DS_ERR_UNAVAILABLE);
    ck_assert_int_eq(strncmp(error.message, "nobody answers at ", 18), 0);
    ck_assert_ptr_nonnull(strstr(error.message, url));
    ck_assert_ptr_null(client);
    ck_assert_uint_eq(kit_count(&box), 0);
    ds_link_fini();
    kit_box_fini(&box);
}
END_TEST

typedef struct early {
    char *url;
    kit_box box;
    ds_client *client;
} early;

static void *open_early(void *arg)
{
    early *e = arg;
    ck_assert_int_eq(
        ds_client_open(e->url, KIT_WAIT_S * 1000, kit_collect, &e->box, &e->client, NULL), DS_OK);
    return NULL;
}

START_TEST(a_client_may_be_early)
{
    early e = {.url = ds_strdup(kit_url(0))};
    kit_box box;
    pthread_t thread;
    kit_box_init(&box);
    kit_box_init(&e.box);
    pthread_create(&thread, NULL, open_early, &e);
    ds_client *other; /* whose failure takes the time in which the first one tries */
    ck_assert_int_eq(ds_client_open(kit_url(0), 60, kit_collect, NULL, &other, NULL),
                     DS_ERR_UNAVAILABLE);
    ds_server *server = kit_server(e.url, &box);
    kit_next(&box, DS_LINK_OPENED);
    pthread_join(thread, NULL);
    ds_client_free(e.client);
    ds_server_free(server);
    kit_box_fini(&box);
    kit_box_fini(&e.box);
    free(e.url);
    ds_link_fini();
}
END_TEST

/* Processes. The child is forked before this process has touched the library. */

static noreturn void live_until_killed(const char *url, int go)
{
    char byte;
    kit_box box;
    ds_client *client;
    kit_box_init(&box);
    if (read(go, &byte, 1) == 1 &&
        ds_client_open(url, KIT_WAIT_S * 1000, kit_collect, &box, &client, NULL) == DS_OK) {
        ds_client_send(client, "alive", 5);
        for (;;)
            pause();
    }
    _exit(1);
}

START_TEST(a_killed_process_is_lost_at_once)
{
    int go[2];
    kit_box box;
    kit_box_init(&box);
    const char *url = kit_url(0);
    ck_assert_int_eq(pipe(go), 0);
    pid_t child = fork();
    if (child == 0)
        live_until_killed(url, go[0]);
    ds_server *server = kit_server(url, &box);
    ck_assert_int_eq(write(go[1], "g", 1), 1);
    uint64_t peer = kit_next(&box, DS_LINK_OPENED).peer;
    kit_expect_text(&box, "alive");
    kill(child, SIGKILL);
    ck_assert_uint_eq(kit_next(&box, DS_LINK_LOST).peer, peer);
    waitpid(child, NULL, 0);
    close(go[0]);
    close(go[1]);
    ds_server_free(server);
    kit_box_fini(&box);
    ds_link_fini();
}
END_TEST

static int count_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

START_TEST(no_descriptor_is_left_behind)
{
    int before = count_descriptors();
    for (int i = 0; i < KIT_TRANSPORTS; i++) {
        pair p;
        pair_open(&p, kit_url(i));
        ds_client_send(p.client, "x", 1);
        kit_next(&p.at_server, DS_LINK_MESSAGE);
        pair_close(&p);
    }
    ck_assert_int_eq(count_descriptors(), before);
}
END_TEST

int main(void)
{
    const TTest *const each_transport[] = {
        messages_go_both_ways,
        messages_keep_their_order,
        what_has_time_leaves_with_the_next,
        messages_reach_the_limit,
        a_client_that_goes_is_lost,
        a_closed_peer_is_lost_on_both_sides,
        a_flushed_peer_has_everything,
        nothing_is_reported_after_free,
        a_callback_may_close_its_peer,
        many_clients_in_many_threads,
        an_address_can_be_had_once,
        an_address_is_free_again_after_free,
        a_door_that_is_not_there_is_unavailable,
    };
    const TTest *const once[] = {
        ids_are_never_used_twice,
        sending_to_nobody_has_no_effect,
        closing_a_peer_does_not_wait_for_its_callback,
        a_peer_that_stood_still_gets_all,
        free_waits_for_a_running_callback,
        the_url_has_the_real_port,
        wrong_urls_are_usage_errors,
        a_client_may_be_early,
        a_killed_process_is_lost_at_once,
        no_descriptor_is_left_behind,
        answers_within_a_process_do_not_nest,
        a_secret_counts_within_a_process,
    };
    return kit_run("link", KIT_TRANSPORTS, each_transport,
                   sizeof each_transport / sizeof *each_transport, once,
                   sizeof once / sizeof *once);
}
