/* Bulk: ranges come whole and right, or not at all, whatever the other end does. */
#include "exec/bulk_client.h"
#include "exec/bulk_server.h"

#include "base/random.h"
#include "rpc/link.h"
#include "unit/link_kit.h"

#include <pthread.h>

#define STORE ((uint64_t)3 << 20)
#define OWNER UINT64_C(7)
#define SOON_MS 50 /* for what is expected to fail by time */

static const ds_secret key = {.given = true, .key = {1, 2, 3, [31] = 4}};
static const ds_secret other_key = {.given = true, .key = {1, 2, 3, [31] = 5}};
static const ds_link_options options = {.secret = &key};

/* A store that is one run of bytes which all differ from their neighbours. */
typedef struct memory {
    char *bytes;
    _Atomic int holds;
} memory;

static memory new_memory(void)
{
    memory m = {.bytes = ds_alloc(STORE)};
    ds_random random;
    ds_random_init(&random, 1);
    for (uint64_t i = 0; i < STORE; i += 8) {
        uint64_t eight = ds_random_next(&random);
        memcpy(m.bytes + i, &eight, 8);
    }
    return m;
}

static const char *hold(void *arg, const ds_ref *ref)
{
    memory *m = arg;
    if (ref->executor_id != OWNER || ref->offset > STORE || ref->length > STORE - ref->offset)
        return NULL;
    m->holds++;
    return m->bytes + ref->offset;
}

static void let_go(void *arg)
{
    memory *m = arg;
    m->holds--;
}

static ds_bulk_server *open_server(const char *url, memory *m, const ds_secret *with_key)
{
    const ds_bulk_source source = {m, hold, let_go};
    ds_bulk_server *server = NULL;
    ds_error error;
    ck_assert_msg(ds_bulk_server_open(url, &options, &source, &server, &error) == DS_OK, "%s",
                  error.message);
    if (with_key != NULL)
        ds_bulk_server_set_key(server, with_key);
    return server;
}

static ds_bulk_client *new_client(int wait_ms)
{
    ds_bulk_client *client = ds_bulk_client_new(wait_ms);
    ds_bulk_client_set_key(client, &key);
    return client;
}

/* Fetches one range, which must come. */
static void check_range(ds_bulk_client *client, const char *url, const memory *m, uint64_t offset,
                        uint64_t length)
{
    char *to = ds_alloc(length + 1);
    to[length] = 'x';
    ds_bulk_item item = {{OWNER, offset, length}, to};
    ds_error error;
    ck_assert_msg(ds_bulk_client_fetch(client, url, &item, 1, &error) == DS_OK, "%s",
                  error.message);
    ck_assert(memcmp(to, m->bytes + offset, length) == 0);
    ck_assert_int_eq(to[length], 'x');
    free(to);
}

static void expect_lost(ds_bulk_client *client, const char *url, ds_ref ref, const char *why)
{
    char *to = ds_alloc(ref.length <= STORE ? ref.length : 1);
    ds_bulk_item item = {ref, to};
    ds_error error;
    ck_assert_int_eq(ds_bulk_client_fetch(client, url, &item, 1, &error), DS_ERR_LOST);
    ck_assert_msg(strstr(error.message, why) != NULL, "\"%s\" does not say \"%s\"", error.message,
                  why);
    free(to);
}

static const ds_ref small_ref = {OWNER, 100, 10};

/* With every transport. */
START_TEST(ranges_of_all_sizes_come)
{
    memory m = new_memory();
    ds_bulk_server *server = open_server(kit_socket_url(_i), &m, &key);
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    const char *url = ds_bulk_server_url(server);
    check_range(client, url, &m, 0, 1);
    check_range(client, url, &m, 3, 4097);
    check_range(client, url, &m, STORE - 1, 1);
    check_range(client, url, &m, 17, DS_FETCH_LIMIT - 1);
    check_range(client, url, &m, 64, DS_FETCH_LIMIT);
    check_range(client, url, &m, 65, DS_FETCH_LIMIT + 1);
    check_range(client, url, &m, 0, STORE);
    ds_bulk_client_free(client);
    ds_bulk_server_free(server);
    ck_assert_int_eq(m.holds, 0);
    free(m.bytes);
}
END_TEST

START_TEST(many_items_come_at_once)
{
    enum { N = 300 };
    memory m = new_memory();
    ds_bulk_server *server = open_server(kit_name_url("abstract"), &m, &key);
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    ds_bulk_item items[N];
    for (uint64_t i = 0; i < N; i++) {
        uint64_t length = i % 7 == 0 ? 0 : i * i; /* empty ones among them */
        items[i] = (ds_bulk_item){{OWNER, i * 1000, length}, ds_alloc(length)};
    }
    ck_assert_int_eq(ds_bulk_client_fetch(client, ds_bulk_server_url(server), items, N, NULL),
                     DS_OK);
    for (uint64_t i = 0; i < N; i++) {
        ck_assert(memcmp(items[i].to, m.bytes + i * 1000, items[i].ref.length) == 0);
        free(items[i].to);
    }
    ds_bulk_client_free(client);
    ds_bulk_server_free(server);
    free(m.bytes);
}
END_TEST

START_TEST(more_comes_than_the_window_holds)
{
    enum { N = 6 };
    memory m = new_memory();
    ds_bulk_server *server = open_server(kit_name_url("abstract"), &m, &key);
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    ds_bulk_item items[N];
    ck_assert_uint_gt(N * STORE, DS_BULK_WINDOW * (uint64_t)DS_FETCH_LIMIT);
    for (int i = 0; i < N; i++)
        items[i] = (ds_bulk_item){{OWNER, 0, STORE}, ds_calloc(1, STORE)};
    ck_assert_int_eq(ds_bulk_client_fetch(client, ds_bulk_server_url(server), items, N, NULL),
                     DS_OK);
    for (int i = 0; i < N; i++) {
        ck_assert(memcmp(items[i].to, m.bytes, STORE) == 0);
        free(items[i].to);
    }
    ds_bulk_client_free(client);
    ds_bulk_server_free(server);
    free(m.bytes);
}
END_TEST

START_TEST(nothing_is_fetched_from_nowhere)
{
    ds_bulk_client *client = new_client(SOON_MS);
    ds_bulk_item empty[] = {{{OWNER, 0, 0}, NULL}, {{OWNER, 9, 0}, NULL}};
    ck_assert_int_eq(ds_bulk_client_fetch(client, "abstract://nobody", NULL, 0, NULL), DS_OK);
    ck_assert_int_eq(ds_bulk_client_fetch(client, "abstract://nobody", empty, 2, NULL), DS_OK);
    ds_bulk_client_free(client);
}
END_TEST

START_TEST(ranges_outside_are_lost_and_the_rest_goes_on)
{
    memory m = new_memory();
    ds_bulk_server *server = open_server(kit_socket_url(_i), &m, &key);
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    const char *url = ds_bulk_server_url(server);
    const ds_ref outside[] = {{OWNER, STORE, 1},      {OWNER, STORE - 5, 6},
                              {OWNER, UINT64_MAX, 2}, {OWNER, STORE + DS_FETCH_LIMIT, 10},
                              {OWNER + 1, 0, 8},      {0, 0, 8}};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        expect_lost(client, url, outside[i], "no such bytes");
        check_range(client, url, &m, 8, 8);
    }
    ds_bulk_client_free(client);
    ds_bulk_server_free(server);
    ck_assert_int_eq(m.holds, 0);
    free(m.bytes);
}
END_TEST

START_TEST(nothing_is_given_without_the_key)
{
    memory m = new_memory();
    ds_bulk_server *server = open_server(kit_socket_url(_i), &m, NULL);
    const char *url = ds_bulk_server_url(server);
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    expect_lost(client, url, small_ref, "does not take our secret"); /* there is none yet */
    ds_bulk_server_set_key(server, &other_key);
    expect_lost(client, url, small_ref, "does not take our secret");
    ds_bulk_server_set_key(server, &key);
    check_range(client, url, &m, 100, 10); /* over a new connection */
    ds_bulk_client_free(client);
    ds_bulk_server_free(server);
    free(m.bytes);
}
END_TEST

/* ---- strangers ---- */

static void send_message(int fd, const ds_message *message)
{
    ds_buffer out = {0};
    ds_message_encode(&out, message);
    kit_write_frame(fd, DS_FRAME_MESSAGE, out.data, (uint32_t)out.length);
    ds_buffer_fini(&out);
}

START_TEST(anything_else_closes_the_connection)
{
    memory m = new_memory();
    ds_bulk_server *server = open_server("tcp://127.0.0.1:0", &m, &key);
    const char *url = ds_bulk_server_url(server);
    int fd = kit_connect_proving(url, &key);
    kit_write_frame(fd, DS_FRAME_MESSAGE, "GET / HTTP/1.1\r\n", 16);
    kit_expect_closed(fd);

    fd = kit_connect_proving(url, &key);
    ds_message beat = {.type = DS_MSG_HEARTBEAT};
    send_message(fd, &beat);
    kit_expect_closed(fd);

    fd = kit_connect_proving(url, &key);
    ds_message answer = {.type = DS_MSG_FETCHED};
    send_message(fd, &answer);
    kit_expect_closed(fd);

    ds_message fetch = {.type = DS_MSG_FETCH};
    fetch.fetch.ref = small_ref;
    ds_buffer out = {0};
    ds_message_encode(&out, &fetch);
    uint32_t too_many = DS_FETCH_LIMIT + 1;
    memcpy(out.data + out.length - 8, &too_many, sizeof too_many);
    fd = kit_connect_proving(url, &key);
    kit_write_frame(fd, DS_FRAME_MESSAGE, out.data, (uint32_t)out.length);
    kit_expect_closed(fd);
    ds_buffer_fini(&out);
    ck_assert_int_eq(m.holds, 0);

    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    check_range(client, url, &m, 0, 1000);
    ds_bulk_client_free(client);
    ds_bulk_server_free(server);
    free(m.bytes);
}
END_TEST

/* ---- servers that misbehave: made by hand ---- */

typedef struct wrong {
    ds_server *link;
    void (*answer)(struct wrong *w, uint64_t peer, const ds_msg_fetch *fetch);
    kit_box box; /* gets a copy of what came */
} wrong;

static void on_wrong(void *arg, const ds_link_event *event)
{
    wrong *w = arg;
    if (event->kind != DS_LINK_MESSAGE)
        return;
    ds_arena *arena = ds_arena_new(NULL);
    ds_message message;
    ck_assert_int_eq(ds_message_decode(arena, event->bytes, event->length, &message, NULL), DS_OK);
    ck_assert_int_eq(message.type, DS_MSG_FETCH);
    if (w->answer != NULL)
        w->answer(w, event->peer, &message.fetch);
    ds_arena_free(arena);
    kit_collect(&w->box, event);
}

static void open_wrong(wrong *w, void (*answer)(wrong *, uint64_t, const ds_msg_fetch *))
{
    w->answer = answer;
    kit_box_init(&w->box);
    ck_assert_int_eq(
        ds_server_open_with(kit_name_url("abstract"), &options, on_wrong, w, &w->link, NULL),
        DS_OK);
}

static void close_wrong(wrong *w)
{
    ds_server_free(w->link);
    kit_box_fini(&w->box);
}

static void send_answer(wrong *w, uint64_t peer, uint64_t number, uint32_t status,
                        const char *bytes, uint32_t n)
{
    ds_message answer = {.type = DS_MSG_FETCHED};
    answer.fetched = (ds_msg_fetched){number, status, bytes, n};
    ds_buffer out = {0};
    ds_message_encode(&out, &answer);
    ds_server_send(w->link, peer, out.data, out.length);
    ds_buffer_fini(&out);
}

static void answer_short(wrong *w, uint64_t peer, const ds_msg_fetch *fetch)
{
    send_answer(w, peer, fetch->number, DS_OK, "short", 5);
}

static void answer_with_rubbish(wrong *w, uint64_t peer, const ds_msg_fetch *fetch)
{
    (void)fetch;
    ds_server_send(w->link, peer, "rubbish", 7);
}

/* Answers that nobody asked for, and then the right one twice. */
static void answer_too_much(wrong *w, uint64_t peer, const ds_msg_fetch *fetch)
{
    send_answer(w, peer, fetch->number + 1000, DS_OK, "0123456789", 10);
    send_answer(w, peer, 0, DS_ERR_LOST, NULL, 0);
    send_answer(w, peer, fetch->number, DS_OK, "0123456789", 10);
    send_answer(w, peer, fetch->number, DS_OK, "xxxxxxxxxx", 10);
}

/* A first half comes, and then the peer hangs up. */
static void answer_once_and_leave(wrong *w, uint64_t peer, const ds_msg_fetch *fetch)
{
    static char zeros[DS_FETCH_LIMIT];
    if (fetch->ref.offset == 0)
        send_answer(w, peer, fetch->number, DS_OK, zeros, (uint32_t)fetch->ref.length);
    else
        ds_server_close_peer(w->link, peer, false);
}

START_TEST(wrong_answers_are_not_believed)
{
    static const struct {
        void (*answer)(wrong *w, uint64_t peer, const ds_msg_fetch *fetch);
        const char *why;
    } cases[] = {{answer_short, "another number of bytes"},
                 {answer_with_rubbish, "something that is no answer"},
                 {NULL, "no answer came in time"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wrong w;
        open_wrong(&w, cases[i].answer);
        ds_bulk_client *client = new_client(cases[i].answer == NULL ? SOON_MS : DS_BULK_WAIT_MS);
        expect_lost(client, ds_server_url(w.link), small_ref, cases[i].why);
        expect_lost(client, ds_server_url(w.link), small_ref, cases[i].why);
        ds_bulk_client_free(client);
        close_wrong(&w);
    }
}
END_TEST

START_TEST(answers_that_nobody_asked_for_are_passed_over)
{
    wrong w;
    open_wrong(&w, answer_too_much);
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    for (int i = 0; i < 3; i++) {
        char to[11] = "";
        ds_bulk_item item = {small_ref, to};
        ck_assert_int_eq(ds_bulk_client_fetch(client, ds_server_url(w.link), &item, 1, NULL),
                         DS_OK);
        ck_assert_str_eq(to, "0123456789");
    }
    ds_bulk_client_free(client);
    close_wrong(&w);
}
END_TEST

START_TEST(a_peer_that_goes_in_the_middle_is_lost)
{
    wrong w;
    open_wrong(&w, answer_once_and_leave);
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    expect_lost(client, ds_server_url(w.link), (ds_ref){OWNER, 0, 3 * DS_FETCH_LIMIT},
                "the connection was lost");
    ds_bulk_client_free(client);
    close_wrong(&w);
}
END_TEST

START_TEST(the_next_fetch_connects_again)
{
    memory m = new_memory();
    const char *url = kit_name_url("abstract");
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    for (int i = 0; i < 3; i++) {
        ds_bulk_server *server = open_server(url, &m, &key);
        check_range(client, url, &m, 5, 5000);
        ds_bulk_server_free(server);
    }
    ds_bulk_client_free(client);
    client = new_client(SOON_MS);
    expect_lost(client, url, small_ref, "nobody answers");
    ds_bulk_client_free(client);
    free(m.bytes);
}
END_TEST

START_TEST(an_address_that_is_none_is_refused_at_once)
{
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    expect_lost(client, "tcp://user@192.0.2.1:80", small_ref, "the host is none");
    expect_lost(client, "rubbish", small_ref, "is not an address");
    ds_bulk_client_free(client);
}
END_TEST

/* ---- threads ---- */

typedef struct fetcher {
    pthread_t thread;
    ds_bulk_client *client;
    const char *url;
    const memory *memory;
    uint64_t seed;
    ds_status status;
    char why[DS_ERROR_TEXT];
} fetcher;

static void *fetch_small(void *arg)
{
    fetcher *f = arg;
    char to[16];
    ds_bulk_item item = {small_ref, to};
    ds_error error = {.message = ""};
    f->status = ds_bulk_client_fetch(f->client, f->url, &item, 1, &error);
    memcpy(f->why, error.message, sizeof f->why);
    return NULL;
}

/* Fetches under way, and those that are dialing, end when the address is dropped. */
START_TEST(dropped_addresses_let_their_fetches_go)
{
    wrong w;
    open_wrong(&w, NULL);
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    fetcher asking = {.client = client, .url = ds_server_url(w.link)};
    pthread_create(&asking.thread, NULL, fetch_small, &asking);
    kit_next(&w.box, DS_LINK_MESSAGE); /* it has asked */
    ds_bulk_client_drop(client, asking.url);
    pthread_join(asking.thread, NULL);
    ck_assert_int_eq(asking.status, DS_ERR_LOST);
    ck_assert_ptr_nonnull(strstr(asking.why, "it is gone"));

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* listens and never answers */
    const char *url = kit_name_url("abstract");
    struct sockaddr_storage address;
    socklen_t length = kit_sockaddr(url, &address);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(fd, 10), 0);
    fetcher dialing = {.client = client, .url = url};
    pthread_create(&dialing.thread, NULL, fetch_small, &dialing);
    int accepted = accept(fd, NULL, NULL); /* it dials */
    ds_bulk_client_drop(client, url);
    pthread_join(dialing.thread, NULL);
    ck_assert_int_eq(dialing.status, DS_ERR_LOST);
    close(accepted);
    close(fd);
    ds_bulk_client_drop(client, "abstract://never-heard-of");
    ds_bulk_client_free(client);
    close_wrong(&w);
}
END_TEST

static void *fetch_much(void *arg)
{
    fetcher *f = arg;
    ds_random random;
    ds_random_init(&random, f->seed);
    for (int i = 0; i < 8 && f->status == DS_OK; i++) {
        ds_bulk_item items[5];
        size_t n = 1 + ds_random_below(&random, 5);
        for (size_t k = 0; k < n; k++) {
            uint64_t length = ds_random_below(&random, k == 0 ? 3 << 20 : 5000);
            uint64_t offset = ds_random_below(&random, STORE - length);
            items[k] = (ds_bulk_item){{OWNER, offset, length}, ds_alloc(length)};
        }
        f->status = ds_bulk_client_fetch(f->client, f->url, items, n, NULL);
        for (size_t k = 0; k < n; k++) {
            if (memcmp(items[k].to, f->memory->bytes + items[k].ref.offset, items[k].ref.length))
                f->status = DS_ERR_INTERNAL;
            free(items[k].to);
        }
    }
    return NULL;
}

START_TEST(many_threads_share_connections)
{
    enum { THREADS = 8, SERVERS = 2 };
    memory m = new_memory();
    ds_bulk_server *servers[SERVERS];
    for (int i = 0; i < SERVERS; i++)
        servers[i] = open_server(kit_socket_url(_i), &m, &key);
    ds_bulk_client *client = new_client(DS_BULK_WAIT_MS);
    fetcher fetchers[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        fetchers[i] = (fetcher){.client = client,
                                .url = ds_bulk_server_url(servers[i % SERVERS]),
                                .memory = &m,
                                .seed = i};
        pthread_create(&fetchers[i].thread, NULL, fetch_much, &fetchers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(fetchers[i].thread, NULL);
        ck_assert_int_eq(fetchers[i].status, DS_OK);
    }
    ds_bulk_client_free(client);
    for (int i = 0; i < SERVERS; i++)
        ds_bulk_server_free(servers[i]);
    ck_assert_int_eq(m.holds, 0);
    free(m.bytes);
}
END_TEST

/* ---- addresses ---- */

START_TEST(addresses_follow_the_drivers)
{
    char a[DS_BULK_URL], b[DS_BULK_URL];
    ck_assert_int_eq(ds_bulk_url("tcp://127.0.0.1:7077", a, NULL), DS_OK);
    ck_assert_str_eq(a, "tcp://127.0.0.1:0");
    ck_assert_int_eq(ds_bulk_url("abstract://dstream-1-2", a, NULL), DS_OK);
    ck_assert_int_eq(ds_bulk_url("abstract://dstream-1-2", b, NULL), DS_OK);
    ck_assert(strncmp(a, "abstract://dstream-", 19) == 0);
    ck_assert_str_ne(a, b);
    memory m = {0};
    ds_bulk_server_free(open_server(a, &m, NULL)); /* it is one */
}
END_TEST

int main(void)
{
    const TTest *const each[] = {ranges_of_all_sizes_come,
                                 ranges_outside_are_lost_and_the_rest_goes_on,
                                 nothing_is_given_without_the_key, many_threads_share_connections};
    const TTest *const once[] = {many_items_come_at_once,
                                 more_comes_than_the_window_holds,
                                 nothing_is_fetched_from_nowhere,
                                 anything_else_closes_the_connection,
                                 wrong_answers_are_not_believed,
                                 answers_that_nobody_asked_for_are_passed_over,
                                 a_peer_that_goes_in_the_middle_is_lost,
                                 the_next_fetch_connects_again,
                                 an_address_that_is_none_is_refused_at_once,
                                 dropped_addresses_let_their_fetches_go,
                                 addresses_follow_the_drivers};
    return kit_run("bulk", 3, each, sizeof each / sizeof *each, once, sizeof once / sizeof *once);
}
