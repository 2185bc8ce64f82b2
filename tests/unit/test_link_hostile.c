/* Links and what no peer of ours does: garbage, silence, floods, other versions. */
#include "rpc/message.h"

#include "unit/link_kit.h"

#include <sys/wait.h>

/* The urls that plain sockets can reach. */
static const char *plain_url(int i)
{
    return i == 0 ? kit_name_url("abstract") : "tcp://127.0.0.1:0";
}
#define PLAIN_URLS 2

static const ds_secret none = {.given = false};

typedef struct door {
    kit_box box;
    ds_server *server;
    const char *url;
} door;

static void door_open(door *d, const char *url)
{
    kit_box_init(&d->box);
    d->server = kit_server(url, &d->box);
    d->url = ds_server_url(d->server);
}

static void door_open_limited(door *d, const char *url, ds_link_limits limits)
{
    kit_box_init(&d->box);
    static const ds_link_options options = {.epoch = 0};
    ck_assert_int_eq(
        ds_server_open_limited(url, &options, &limits, kit_collect, &d->box, &d->server, NULL),
        DS_OK);
    d->url = ds_server_url(d->server);
}

/* A client of ours still gets in, and is the only one who ever did. */
static void door_still_works(door *d)
{
    kit_box box;
    kit_box_init(&box);
    ds_client *client = kit_client(d->server, &box);
    uint64_t peer = kit_next(&d->box, DS_LINK_OPENED).peer;
    kit_send_text(d->server, peer, "welcome");
    kit_expect_text(&box, "welcome");
    ck_assert_uint_eq(kit_count(&d->box), d->box.taken);
    ds_client_free(client);
    kit_next(&d->box, DS_LINK_LOST);
    kit_box_fini(&box);
}

static void door_close(door *d)
{
    ds_server_free(d->server);
    kit_box_fini(&d->box);
    ds_link_fini();
}

/* Strangers at the door */

/* A connection that is gone before it was greeted has shut doors for good elsewhere. */
START_TEST(connecting_and_going_leaves_the_door_open)
{
    door d;
    door_open(&d, plain_url(_i));
    for (int i = 0; i < 200; i++)
        close(kit_connect(d.url));
    door_still_works(&d);
    door_close(&d);
}
END_TEST

START_TEST(garbage_is_shut_out)
{
    static const char *const garbage[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "01234567",
    };
    door d;
    door_open(&d, plain_url(_i));
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = kit_connect(d.url);
        kit_write(fd, garbage[i], strlen(garbage[i]));
        kit_expect_closed(fd);
    }
    door_still_works(&d);
    door_close(&d);
}
END_TEST

/* What a `req` and a `pair` socket of nng's patterns say first. */
START_TEST(greetings_of_other_protocols_are_shut_out)
{
    static const char greetings[][8] = {{0, 'S', 'P', 0, 0, 0x30, 0, 0},
                                        {0, 'S', 'P', 0, 0, 0x10, 0, 0}};
    door d;
    door_open(&d, plain_url(_i));
    for (int i = 0; i < 2; i++) {
        int fd = kit_connect(d.url);
        kit_write(fd, greetings[i], sizeof greetings[i]);
        kit_expect_closed(fd);
    }
    door_still_works(&d);
    door_close(&d);
}
END_TEST

START_TEST(the_first_frame_must_be_a_good_knock)
{
    static const struct {
        unsigned kind;
        uint32_t length;
    } wrong[] = {
        {DS_FRAME_KNOCK, 0},
        {DS_FRAME_KNOCK, 3},
        {DS_FRAME_KNOCK, 5},
        {DS_FRAME_KNOCK, DS_FRAME_SMALL},
        {DS_FRAME_KNOCK, DS_FRAME_SMALL + 1},
        {DS_FRAME_ANSWER, 4},
        {DS_FRAME_CHALLENGE, 44},
        {DS_FRAME_PROOF, 32},
        {DS_FRAME_REFUSAL, 4},
        {DS_FRAME_MESSAGE, 0},
        {DS_FRAME_MESSAGE, 4},
        {DS_FRAME_MESSAGE, 1u << 20},
        {DS_FRAME_PING, 8},
        {DS_FRAME_PONG, 8},
        {DS_FRAME_BYE, 0},
        {DS_FRAME_KINDS, 0},
        {0, 0},
        {255, 0},
    };
    door d;
    door_open(&d, plain_url(_i));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        static const char zeros[DS_FRAME_SMALL + 1];
        int fd = kit_connect(d.url);
        kit_write_header(fd, wrong[i].kind, wrong[i].length);
        kit_write(fd, zeros, wrong[i].length < sizeof zeros ? wrong[i].length : sizeof zeros);
        kit_expect_closed(fd);
    }
    door_still_works(&d);
    door_close(&d);
}
END_TEST

START_TEST(a_knock_may_come_in_pieces)
{
    static const unsigned char knock[DS_FRAME_HEADER + 36] = {
        36, 0, 0, 0, DS_FRAME_KNOCK, 'd', 's', 1, DS_LINK_VERSION};
    door d;
    door_open(&d, plain_url(_i));
    int fd = kit_connect(d.url);
    for (size_t i = 0; i < sizeof knock; i++)
        kit_write(fd, knock + i, 1);
    ck_assert_uint_eq(kit_read_header(fd, DS_FRAME_CHALLENGE), 44);
    close(fd);
    door_still_works(&d);
    door_close(&d);
}
END_TEST

START_TEST(other_versions_are_told_ours)
{
    door d;
    unsigned char version[4];
    door_open(&d, plain_url(_i));
    int fd = kit_connect(d.url);
    kit_knock(fd, DS_LINK_VERSION + 1);
    ck_assert_uint_eq(kit_read_header(fd, DS_FRAME_ANSWER), 4);
    kit_read(fd, version, sizeof version);
    ck_assert_uint_eq(version[0], DS_LINK_VERSION);
    kit_expect_closed(fd);
    door_still_works(&d);
    door_close(&d);
}
END_TEST

/* Silence */

START_TEST(who_does_not_knock_is_closed_in_time)
{
    door d;
    door_open_limited(&d, plain_url(_i),
                      (ds_link_limits){.queue_bytes = 1u << 20, .pending = 100, .knock_ms = 50});
    int fds[100];
    for (int i = 0; i < 100; i++) {
        fds[i] = kit_connect(d.url);
        kit_write(fds[i], "\4\0", (size_t)i % 3);
    }
    for (int i = 0; i < 100; i++)
        kit_expect_closed(fds[i]);
    door_still_works(&d);
    door_close(&d);
}
END_TEST

START_TEST(the_silent_cannot_fill_the_door)
{
    door d;
    door_open_limited(&d, plain_url(_i),
                      (ds_link_limits){.queue_bytes = 1u << 20, .pending = 4, .knock_ms = 600000});
    int fds[50];
    for (int i = 0; i < 50; i++)
        fds[i] = kit_connect(d.url);
    for (int i = 0; i < 46; i++) /* the oldest go first */
        kit_expect_closed(fds[i]);
    for (int i = 46; i < 50; i++) {
        char byte;
        ck_assert_int_eq(recv(fds[i], &byte, 1, MSG_DONTWAIT), -1);
        ck_assert_int_eq(errno, EAGAIN);
    }
    door_still_works(&d);
    for (int i = 46; i < 50; i++)
        close(fds[i]);
    door_close(&d);
}
END_TEST

START_TEST(who_does_not_go_after_goodbye_is_closed_in_time)
{
    door d;
    door_open_limited(&d, plain_url(_i),
                      (ds_link_limits){.queue_bytes = 1u << 20, .pending = 4, .knock_ms = 400});
    int fd = kit_connect_in(d.url);
    uint64_t peer = kit_next(&d.box, DS_LINK_OPENED).peer;
    ds_server_close_peer(d.server, peer, true);
    ck_assert_uint_eq(kit_read_header(fd, DS_FRAME_BYE), 0);
    kit_write_frame(fd, DS_FRAME_MESSAGE, "still here", 10);
    kit_expect_text(&d.box, "still here");
    kit_next(&d.box, DS_LINK_LOST);
    kit_expect_closed(fd);
    door_close(&d);
}
END_TEST

/* Peers that were let in */

START_TEST(broken_frames_close_a_peer)
{
    static const struct {
        unsigned kind;
        uint32_t length;
    } wrong[] = {
        {DS_FRAME_MESSAGE, DS_MESSAGE_LIMIT + 1},
        {DS_FRAME_MESSAGE, UINT32_MAX},
        {DS_FRAME_KNOCK, 4},
        {DS_FRAME_ANSWER, 4},
        {DS_FRAME_PONG, 8},
        {DS_FRAME_BYE, 0},
        {DS_FRAME_PING, DS_FRAME_SMALL + 1},
        {DS_FRAME_KINDS, 0},
        {0, 0},
    };
    door d;
    door_open(&d, plain_url(_i));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int fd = kit_connect_in(d.url);
        kit_next(&d.box, DS_LINK_OPENED);
        kit_write_frame(fd, DS_FRAME_MESSAGE, "good", 4);
        kit_write_header(fd, wrong[i].kind, wrong[i].length);
        kit_write(fd, "\1\0\0\0\0\0\0\0", wrong[i].length < 8 ? wrong[i].length : 8);
        kit_expect_text(&d.box, "good");
        kit_next(&d.box, DS_LINK_LOST);
        kit_expect_closed(fd);
    }
    door_still_works(&d);
    door_close(&d);
}
END_TEST

START_TEST(half_a_message_is_not_reported)
{
    door d;
    door_open(&d, plain_url(_i));
    int fd = kit_connect_in(d.url);
    kit_next(&d.box, DS_LINK_OPENED);
    kit_write_header(fd, DS_FRAME_MESSAGE, DS_MESSAGE_LIMIT);
    kit_write(fd, "beginning", 9);
    close(fd);
    kit_next(&d.box, DS_LINK_LOST);
    door_close(&d);
}
END_TEST

START_TEST(pings_come_back)
{
    door d;
    char bytes[DS_FRAME_SMALL];
    door_open(&d, plain_url(_i));
    int fd = kit_connect_in(d.url);
    kit_next(&d.box, DS_LINK_OPENED);
    kit_write_frame(fd, DS_FRAME_PING, "12345678", 8);
    ck_assert_uint_eq(kit_read_header(fd, DS_FRAME_PONG), 8);
    kit_read(fd, bytes, 8);
    ck_assert_mem_eq(bytes, "12345678", 8);
    close(fd);
    kit_next(&d.box, DS_LINK_LOST);
    door_close(&d);
}
END_TEST

START_TEST(who_does_not_read_is_lost)
{
    door d;
    size_t length = 256u << 10;
    door_open_limited(&d, plain_url(_i),
                      (ds_link_limits){.queue_bytes = 2u << 20, .pending = 4, .knock_ms = 5000});
    char *bytes = ds_calloc(1, length);
    int deaf = kit_connect_in(d.url);
    uint64_t peer = kit_next(&d.box, DS_LINK_OPENED).peer;
    for (int i = 0; i < 100; i++) /* far more than sockets and queue hold together */
        ds_server_send(d.server, peer, bytes, length);
    ck_assert_uint_eq(kit_next(&d.box, DS_LINK_LOST).peer, peer);
    ds_server_send(d.server, peer, bytes, length);
    kit_expect_closed(deaf);
    door_still_works(&d);
    door_close(&d);
    free(bytes);
}
END_TEST

/* Pings are answered into the same queue: who only asks is lost too. */
START_TEST(who_pings_without_reading_is_lost)
{
    door d;
    door_open_limited(&d, plain_url(_i),
                      (ds_link_limits){.queue_bytes = 64u << 10, .pending = 4, .knock_ms = 5000});
    int fd = kit_connect_in(d.url);
    kit_next(&d.box, DS_LINK_OPENED);
    for (int i = 0; i < 1000000 && kit_count(&d.box) == d.box.taken; i++)
        kit_write_frame(fd, DS_FRAME_PING, "12345678", 8);
    kit_next(&d.box, DS_LINK_LOST);
    close(fd);
    door_close(&d);
}
END_TEST

/* Other users, as far as this one may become one */

static noreturn void connect_as_nobody(const char *url, int ready)
{
    char byte;
    if (read(ready, &byte, 1) != 1 || setgid(65534) != 0 || setuid(65534) != 0)
        _exit(2);
    int fd = kit_connect(url);
    kit_knock(fd, DS_LINK_VERSION);
    if (recv(fd, &byte, 1, 0) > 0)
        _exit(3); /* it was answered */
    ds_client *client;
    ds_error error = {0};
    if (ds_client_open(url, 50, kit_collect, NULL, &client, &error) != DS_ERR_UNAVAILABLE ||
        strstr(error.message, "another user") == NULL)
        _exit(4);
    _exit(0);
}

START_TEST(other_users_are_shut_out)
{
    int ready[2], status = 0;
    if (geteuid() != 0)
        return; /* only root can become somebody else */
    const char *url = kit_name_url("abstract");
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork(); /* before this process has touched the library */
    if (child == 0)
        connect_as_nobody(url, ready[0]);
    door d;
    door_open(&d, url);
    ck_assert_int_eq(write(ready[1], "g", 1), 1);
    waitpid(child, &status, 0);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    door_still_works(&d);
    door_close(&d);
    close(ready[0]);
    close(ready[1]);
}
END_TEST

/* Doors that are not ours, for clients */

typedef struct fake_door {
    int fd;
    char url[128];
} fake_door;

static void fake_open(fake_door *fake, int i)
{
    struct sockaddr_storage address;
    snprintf(fake->url, sizeof fake->url, "%s", plain_url(i));
    socklen_t length = kit_sockaddr(fake->url, &address);
    fake->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    kit_limit_waits(fake->fd);
    ck_assert_int_eq(bind(fake->fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(fake->fd, 16), 0);
    if (i == 0)
        return;
    length = sizeof address;
    ck_assert_int_eq(getsockname(fake->fd, (struct sockaddr *)&address, &length), 0);
    snprintf(fake->url, sizeof fake->url, "tcp://127.0.0.1:%u",
             ntohs(((struct sockaddr_in *)&address)->sin_port));
}

/* Takes the next connection. */
static int fake_accept(const fake_door *fake)
{
    int fd = accept(fake->fd, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    kit_limit_waits(fd);
    return fd;
}

/* Takes the next connection and does with it what a server does. */
static int fake_let_in(const fake_door *fake, const ds_secret *secret, ds_handshake_state end)
{
    static const uint8_t nonce[DS_NONCE_BYTES] = "of a listener made by hand";
    ds_handshake handshake;
    int fd = fake_accept(fake);
    ds_handshake_listen(&handshake, secret, 7, nonce);
    ck_assert_int_eq(kit_shake(fd, &handshake, DS_FRAME_KNOCK), DS_HANDSHAKE_UNDER_WAY);
    ck_assert_int_eq(kit_shake(fd, &handshake, DS_FRAME_PROOF), end);
    return fd;
}

typedef struct opening {
    const char *url;
    int timeout_ms;
    kit_box box;
    ds_client *client;
    ds_status status;
    ds_error error;
    pthread_t thread;
} opening;

static void *run_opening(void *arg)
{
    opening *o = arg;
    o->status = ds_client_open(o->url, o->timeout_ms, kit_collect, &o->box, &o->client, &o->error);
    return NULL;
}

static void opening_start(opening *o, const fake_door *fake, int timeout_ms)
{
    *o = (opening){.url = fake->url, .timeout_ms = timeout_ms};
    kit_box_init(&o->box);
    pthread_create(&o->thread, NULL, run_opening, o);
}

static void opening_end(opening *o, fake_door *fake)
{
    ds_client_free(o->client);
    kit_box_fini(&o->box);
    close(fake->fd);
    ds_link_fini();
}

START_TEST(a_door_that_is_silent_is_unavailable)
{
    fake_door fake;
    opening o;
    fake_open(&fake, _i);
    opening_start(&o, &fake, 300);
    int fd = fake_accept(&fake);
    kit_expect_closed(fd); /* the client has given up */
    pthread_join(o.thread, NULL);
    ck_assert_int_eq(o.status, DS_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(o.error.message, "there is no answer"));
    ck_assert_ptr_null(o.client);
    ck_assert_uint_eq(kit_count(&o.box), 0);
    opening_end(&o, &fake);
}
END_TEST

START_TEST(a_door_of_another_version_is_not_tried_again)
{
    fake_door fake;
    opening o;
    fake_open(&fake, _i);
    opening_start(&o, &fake, KIT_WAIT_S * 1000);
    int fd = fake_accept(&fake);
    kit_write_frame(fd, DS_FRAME_ANSWER, (const char[4]){DS_LINK_VERSION + 1}, 4);
    kit_expect_closed(fd);
    pthread_join(o.thread, NULL);
    ck_assert_int_eq(o.status, DS_ERR_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(o.error.message, "another version"));
    ck_assert_uint_eq(kit_count(&o.box), 0);
    opening_end(&o, &fake);
}
END_TEST

START_TEST(a_door_that_answers_garbage_is_tried_again)
{
    fake_door fake;
    opening o;
    fake_open(&fake, _i);
    opening_start(&o, &fake, KIT_WAIT_S * 1000);
    int fd = fake_accept(&fake);
    kit_write(fd, "HTTP/1.1 400 Bad Request\r\n", 26);
    kit_expect_closed(fd);
    fd = fake_accept(&fake);
    kit_write_frame(fd, DS_FRAME_MESSAGE, "", 0); /* before any answer */
    kit_expect_closed(fd);
    fd = fake_accept(&fake);
    close(fd);
    fd = fake_let_in(&fake, &none, DS_HANDSHAKE_DONE);
    pthread_join(o.thread, NULL);
    ck_assert_int_eq(o.status, DS_OK);
    kit_write_frame(fd, DS_FRAME_MESSAGE, "well", 4);
    kit_expect_text(&o.box, "well");
    kit_write_frame(fd, DS_FRAME_ANSWER, (const char[36]){DS_LINK_VERSION}, 36); /* a second one */
    kit_next(&o.box, DS_LINK_LOST);
    kit_expect_closed(fd);
    opening_end(&o, &fake);
}
END_TEST

START_TEST(a_client_whose_server_does_not_read_is_lost)
{
    fake_door fake;
    opening o;
    fake_open(&fake, _i);
    opening_start(&o, &fake, KIT_WAIT_S * 1000);
    int fd = fake_let_in(&fake, &none, DS_HANDSHAKE_DONE);
    pthread_join(o.thread, NULL);
    ck_assert_int_eq(o.status, DS_OK);
    char *bytes = ds_calloc(1, DS_MESSAGE_LIMIT);
    ck_assert(!ds_client_flush(o.client, 20)); /* nobody answers that */
    ck_assert_uint_eq(kit_count(&o.box), 0);
    for (size_t sent = 0; sent <= DS_LINK_QUEUE_BYTES + 4 * DS_MESSAGE_LIMIT;
         sent += DS_MESSAGE_LIMIT)
        ds_client_send(o.client, bytes, DS_MESSAGE_LIMIT);
    kit_next(&o.box, DS_LINK_LOST);
    ck_assert(!ds_client_flush(o.client, KIT_WAIT_S * 1000));
    free(bytes);
    close(fd);
    opening_end(&o, &fake);
}
END_TEST

/* Secrets */

static ds_secret ours(void)
{
    return ds_secret_of_text("ours");
}

static void door_open_secret(door *d, const char *url)
{
    ds_secret secret = ours();
    ds_link_options options = {.secret = &secret, .epoch = 7};
    kit_box_init(&d->box);
    ck_assert_int_eq(ds_server_open_with(url, &options, kit_collect, &d->box, &d->server, NULL),
                     DS_OK);
    d->url = ds_server_url(d->server);
}

static ds_status open_client(const char *url, const ds_secret *secret, kit_box *box,
                             ds_client **client, ds_error *error)
{
    ds_link_options options = {.secret = secret};
    return ds_client_open_with(url, &options, KIT_WAIT_S * 1000, kit_collect, box, client, error);
}

/* Somebody who holds the secret gets in, and is the first to do so. */
static void door_takes_ours(door *d)
{
    kit_box box;
    ds_client *client;
    ds_secret secret = ours();
    kit_box_init(&box);
    ck_assert_int_eq(open_client(d->url, &secret, &box, &client, NULL), DS_OK);
    uint64_t peer = kit_next(&d->box, DS_LINK_OPENED).peer;
    kit_send_text(d->server, peer, "welcome");
    kit_expect_text(&box, "welcome");
    ck_assert_uint_eq(kit_count(&d->box), d->box.taken);
    ds_client_free(client);
    kit_next(&d->box, DS_LINK_LOST);
    kit_box_fini(&box);
}

START_TEST(a_client_with_another_secret_is_told)
{
    static const char *const wrong[] = {"theirs", NULL};
    door d;
    door_open_secret(&d, plain_url(_i));
    for (int i = 0; i < 2; i++) {
        ds_client *client;
        ds_error error = {0};
        ds_secret secret = ds_secret_of_text(wrong[i]);
        ck_assert_int_eq(open_client(d.url, &secret, NULL, &client, &error), DS_ERR_APP);
        ck_assert_ptr_nonnull(
            strstr(error.message, i == 0 ? "does not take our secret" : "wants a secret"));
    }
    door_takes_ours(&d);
    ck_assert_uint_ge(ds_server_strangers(d.server), 1); /* the last may be counted later */
    door_close(&d);
}
END_TEST

START_TEST(a_client_with_a_secret_wants_it_proved)
{
    door d;
    ds_client *client;
    ds_error error = {0};
    ds_secret secret = ours();
    door_open(&d, plain_url(_i));
    ck_assert_int_eq(open_client(d.url, &secret, NULL, &client, &error), DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(error.message, "another one, or none"));
    door_still_works(&d);
    door_close(&d);
}
END_TEST

START_TEST(nobody_gets_in_without_a_proof)
{
    static const struct {
        ds_frame_kind kind;
        uint32_t length;
    } instead[] = {
        {DS_FRAME_MESSAGE, 5}, {DS_FRAME_MESSAGE, 1u << 20}, {DS_FRAME_PING, 8},
        {DS_FRAME_PROOF, 0},   {DS_FRAME_PROOF, 31},         {DS_FRAME_PROOF, 33},
        {DS_FRAME_KNOCK, 36},  {DS_FRAME_PROOF, 32},
    };
    static const char zeros[DS_FRAME_SMALL];
    door d;
    door_open_secret(&d, plain_url(_i));
    for (size_t i = 0; i < sizeof instead / sizeof *instead; i++) {
        ds_handshake handshake;
        int fd = kit_connect_knocking(d.url, &none, &handshake);
        kit_write_frame(fd, instead[i].kind, zeros,
                        instead[i].length < sizeof zeros ? instead[i].length : sizeof zeros);
        kit_expect_closed(fd);
    }
    door_takes_ours(&d);
    door_close(&d);
}
END_TEST

/* Two connections at once: what one of them is asked is answered on the other. */
START_TEST(a_proof_is_good_on_its_own_connection)
{
    door d;
    ds_handshake one, other;
    ds_handshake_frame proof;
    unsigned char challenge[44];
    ds_secret secret = ours();
    door_open_secret(&d, plain_url(_i));
    int fd = kit_connect_knocking(d.url, &secret, &one);
    int fd2 = kit_connect_knocking(d.url, &secret, &other);
    ck_assert_uint_eq(kit_read_header(fd, DS_FRAME_CHALLENGE), sizeof challenge);
    kit_read(fd, challenge, sizeof challenge);
    ck_assert_int_eq(
        ds_handshake_take(&one, DS_FRAME_CHALLENGE, challenge, sizeof challenge, &proof),
        DS_HANDSHAKE_UNDER_WAY);
    kit_write_frame(fd2, proof.kind, proof.bytes, (uint32_t)proof.length);
    ck_assert_uint_eq(kit_read_header(fd2, DS_FRAME_CHALLENGE), sizeof challenge);
    kit_read(fd2, challenge, sizeof challenge);
    ck_assert_uint_eq(kit_read_header(fd2, DS_FRAME_REFUSAL), 4);
    kit_expect_closed(fd2);
    close(fd);
    door_takes_ours(&d);
    door_close(&d);
}
END_TEST

START_TEST(a_second_proof_closes_a_peer)
{
    door d;
    ds_secret secret = ours();
    door_open_secret(&d, plain_url(_i));
    int fd = kit_connect_proving(d.url, &secret);
    kit_next(&d.box, DS_LINK_OPENED);
    kit_write_frame(fd, DS_FRAME_PROOF, secret.key, sizeof secret.key);
    kit_next(&d.box, DS_LINK_LOST);
    kit_expect_closed(fd);
    door_close(&d);
}
END_TEST

START_TEST(a_proof_that_drips_in_too_slowly_is_none)
{
    door d;
    ds_secret secret = ours();
    ds_link_options options = {.secret = &secret};
    ds_link_limits limits = {.queue_bytes = 1u << 20, .pending = 4, .knock_ms = 60};
    kit_box_init(&d.box);
    ck_assert_int_eq(ds_server_open_limited(plain_url(_i), &options, &limits, kit_collect, &d.box,
                                            &d.server, NULL),
                     DS_OK);
    d.url = ds_server_url(d.server);
    ds_handshake handshake;
    int fd = kit_connect_knocking(d.url, &secret, &handshake);
    kit_write_header(fd, DS_FRAME_PROOF, 32);
    kit_write(fd, "12345", 5);
    kit_expect_closed(fd);
    ck_assert_uint_eq(kit_count(&d.box), 0);
    ck_assert_uint_eq(ds_server_strangers(d.server), 1);
    door_close(&d);
}
END_TEST

START_TEST(a_new_secret_holds_for_who_comes_later)
{
    door d;
    kit_box box;
    ds_client *client;
    ds_secret locked = ds_secret_random(), secret = ours();
    ds_link_options options = {.secret = &locked};
    kit_box_init(&d.box);
    kit_box_init(&box);
    ck_assert_int_eq(
        ds_server_open_with(plain_url(_i), &options, kit_collect, &d.box, &d.server, NULL), DS_OK);
    d.url = ds_server_url(d.server);
    ck_assert_int_eq(open_client(d.url, &secret, &box, &client, NULL), DS_ERR_APP);
    ds_server_set_secret(d.server, &secret);
    door_takes_ours(&d);
    kit_box_fini(&box);
    door_close(&d);
}
END_TEST

/* Doors that pretend to hold the secret */

typedef struct proving {
    const char *url;
    ds_status status;
    ds_error error;
    pthread_t thread;
} proving;

static void *run_proving(void *arg)
{
    proving *p = arg;
    ds_client *client;
    ds_secret secret = ours();
    p->status = open_client(p->url, &secret, NULL, &client, &p->error);
    return NULL;
}

START_TEST(a_door_that_proves_nothing_is_not_trusted)
{
    fake_door fake;
    unsigned char challenge[44] = {DS_LINK_VERSION, 0, 0, 0, 1}, bytes[DS_FRAME_SMALL];
    fake_open(&fake, _i);
    proving p = {.url = fake.url};
    pthread_create(&p.thread, NULL, run_proving, &p);
    int fd = fake_accept(&fake);
    kit_read(fd, bytes, kit_read_header(fd, DS_FRAME_KNOCK));
    kit_write_frame(fd, DS_FRAME_CHALLENGE, challenge, sizeof challenge);
    kit_read(fd, bytes + 4, kit_read_header(fd, DS_FRAME_PROOF));
    bytes[0] = DS_LINK_VERSION;
    bytes[1] = bytes[2] = bytes[3] = 0;
    kit_write_frame(fd, DS_FRAME_ANSWER, bytes, 36); /* what it has just heard */
    kit_expect_closed(fd);
    pthread_join(p.thread, NULL);
    ck_assert_int_eq(p.status, DS_ERR_APP);
    ck_assert_ptr_nonnull(strstr(p.error.message, "does not prove"));
    close(fake.fd);
    ds_link_fini();
}
END_TEST

/* Introductions */

static void door_open_introduced(door *d, const char *url, int knock_ms, int admit_ms,
                                 unsigned unadmitted)
{
    static const ds_link_options options = {.introduced = true};
    ds_link_limits limits = {.queue_bytes = 1u << 20,
                             .pending = 8,
                             .knock_ms = knock_ms,
                             .admit_ms = admit_ms,
                             .unadmitted = unadmitted};
    kit_box_init(&d->box);
    ck_assert_int_eq(
        ds_server_open_limited(url, &options, &limits, kit_collect, &d->box, &d->server, NULL),
        DS_OK);
    d->url = ds_server_url(d->server);
}

START_TEST(a_peer_may_say_one_thing_until_it_is_admitted)
{
    door d;
    door_open_introduced(&d, plain_url(_i), KIT_WAIT_S * 1000, KIT_WAIT_S * 1000, 0);
    int fd = kit_connect_in(d.url);
    kit_next(&d.box, DS_LINK_OPENED);
    kit_write_frame(fd, DS_FRAME_MESSAGE, "hello", 5);
    kit_expect_text(&d.box, "hello");
    kit_write_frame(fd, DS_FRAME_MESSAGE, "and", 3);
    kit_next(&d.box, DS_LINK_LOST);
    kit_expect_closed(fd);
    fd = kit_connect_in(d.url);
    uint64_t peer = kit_next(&d.box, DS_LINK_OPENED).peer;
    kit_write_frame(fd, DS_FRAME_MESSAGE, "hello", 5);
    kit_expect_text(&d.box, "hello");
    ds_server_admit(d.server, peer);
    char *bytes = ds_calloc(1, 1u << 20);
    kit_write_frame(fd, DS_FRAME_MESSAGE, bytes, 1u << 20);
    ck_assert_uint_eq(kit_next(&d.box, DS_LINK_MESSAGE).length, 1u << 20);
    free(bytes);
    close(fd);
    kit_next(&d.box, DS_LINK_LOST);
    door_close(&d);
}
END_TEST

START_TEST(an_introduction_is_short)
{
    door d;
    door_open_introduced(&d, plain_url(_i), KIT_WAIT_S * 1000, KIT_WAIT_S * 1000, 0);
    int fd = kit_connect_in(d.url);
    kit_next(&d.box, DS_LINK_OPENED);
    kit_write_header(fd, DS_FRAME_MESSAGE, DS_LINK_FIRST_BYTES + 1);
    kit_next(&d.box, DS_LINK_LOST);
    kit_expect_closed(fd);
    door_close(&d);
}
END_TEST

START_TEST(who_does_not_introduce_himself_is_closed_in_time)
{
    door d;
    door_open_introduced(&d, plain_url(_i), 1000, KIT_WAIT_S * 1000, 0);
    int silent = kit_connect_in(d.url);
    kit_next(&d.box, DS_LINK_OPENED);
    kit_next(&d.box, DS_LINK_LOST);
    kit_expect_closed(silent);
    door_close(&d);
}
END_TEST

START_TEST(who_is_not_admitted_is_closed_in_time)
{
    door d;
    door_open_introduced(&d, plain_url(_i), KIT_WAIT_S * 1000, 1000, 0);
    int ignored = kit_connect_in(d.url);
    kit_next(&d.box, DS_LINK_OPENED);
    kit_write_frame(ignored, DS_FRAME_MESSAGE, "hello", 5);
    kit_expect_text(&d.box, "hello");
    kit_next(&d.box, DS_LINK_LOST);
    kit_expect_closed(ignored);
    door_close(&d);
}
END_TEST

START_TEST(not_too_many_wait_to_be_admitted)
{
    door d;
    int fds[4];
    door_open_introduced(&d, plain_url(_i), KIT_WAIT_S * 1000, KIT_WAIT_S * 1000, 3);
    for (int i = 0; i < 4; i++) {
        fds[i] = kit_connect_in(d.url);
        kit_next(&d.box, DS_LINK_OPENED);
        kit_write_frame(fds[i], DS_FRAME_MESSAGE, "hello", 5);
        if (i < 3)
            kit_expect_text(&d.box, "hello");
    }
    kit_next(&d.box, DS_LINK_LOST);
    kit_expect_closed(fds[3]);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    for (int i = 0; i < 3; i++)
        kit_next(&d.box, DS_LINK_LOST);
    door_close(&d);
}
END_TEST

/* Floods */

START_TEST(a_flood_is_let_in_drop_by_drop)
{
    static const ds_link_options options = {.epoch = 1};
    ds_link_limits limits = {
        .queue_bytes = 1u << 20, .pending = 8, .knock_ms = KIT_WAIT_S * 1000, .strangers = 500};
    door d;
    kit_box_init(&d.box);
    ck_assert_int_eq(ds_server_open_limited(plain_url(_i), &options, &limits, kit_collect, &d.box,
                                            &d.server, NULL),
                     DS_OK);
    d.url = ds_server_url(d.server);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 1000; i++) {
        int fd = kit_connect(d.url);
        kit_write(fd, "garbage!", 8);
        kit_expect_closed(fd);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    ck_assert_uint_ge(ds_server_strangers(d.server), 990); /* the last may be counted later */
    /* 62 at once, the others at 500 a second */
    ck_assert_int_ge((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000,
                     1700);
    door_still_works(&d);
    door_close(&d);
}
END_TEST

int main(void)
{
    const TTest *const each[] = {
        connecting_and_going_leaves_the_door_open,
        garbage_is_shut_out,
        greetings_of_other_protocols_are_shut_out,
        the_first_frame_must_be_a_good_knock,
        a_knock_may_come_in_pieces,
        other_versions_are_told_ours,
        a_client_with_another_secret_is_told,
        a_client_with_a_secret_wants_it_proved,
        nobody_gets_in_without_a_proof,
        a_proof_is_good_on_its_own_connection,
        a_second_proof_closes_a_peer,
        a_proof_that_drips_in_too_slowly_is_none,
        a_new_secret_holds_for_who_comes_later,
        a_door_that_proves_nothing_is_not_trusted,
        a_peer_may_say_one_thing_until_it_is_admitted,
        an_introduction_is_short,
        who_does_not_introduce_himself_is_closed_in_time,
        who_is_not_admitted_is_closed_in_time,
        not_too_many_wait_to_be_admitted,
        a_flood_is_let_in_drop_by_drop,
        who_does_not_knock_is_closed_in_time,
        the_silent_cannot_fill_the_door,
        who_does_not_go_after_goodbye_is_closed_in_time,
        broken_frames_close_a_peer,
        half_a_message_is_not_reported,
        pings_come_back,
        who_does_not_read_is_lost,
        who_pings_without_reading_is_lost,
        a_door_that_is_silent_is_unavailable,
        a_door_of_another_version_is_not_tried_again,
        a_door_that_answers_garbage_is_tried_again,
        a_client_whose_server_does_not_read_is_lost,
    };
    const TTest *const once[] = {
        other_users_are_shut_out,
    };
    return kit_run("link_hostile", PLAIN_URLS, each, sizeof each / sizeof *each, once,
                   sizeof once / sizeof *once);
}
