#include "exec/bulk_server.h"

#include "base/assert.h"
#include "base/log.h"
#include "rpc/link.h"
#include "rpc/route.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ds_bulk_server {
    ds_bulk_source source;
    pthread_mutex_t lock; /* guards what follows */
    ds_server *link;
    uint32_t n_clients;
    bool warned;
};

/* Copies the bytes into an answer while the source holds them. */
static void encode_answer(const ds_bulk_server *server, const ds_msg_fetch *fetch, ds_buffer *out)
{
    ds_message answer = {.type = DS_MSG_FETCHED};
    answer.fetched = (ds_msg_fetched){.number = fetch->number, .status = DS_ERR_LOST};
    const char *bytes = server->source.hold(server->source.arg, &fetch->ref);
    DS_ASSERT(bytes == NULL || fetch->ref.length <= DS_FETCH_LIMIT);
    if (bytes != NULL) {
        answer.fetched.status = DS_OK;
        answer.fetched.bytes = bytes;
        answer.fetched.n_bytes = (uint32_t)fetch->ref.length;
    }
    ds_message_encode(out, &answer);
    if (bytes != NULL && server->source.let_go != NULL)
        server->source.let_go(server->source.arg);
}

/* The link may report peers before ds_server_open has returned it. */
static ds_server *link_of(ds_bulk_server *server)
{
    pthread_mutex_lock(&server->lock);
    ds_server *link = server->link;
    pthread_mutex_unlock(&server->lock);
    return link;
}

static void turn_away(ds_bulk_server *server, uint64_t peer, const char *why)
{
    pthread_mutex_lock(&server->lock);
    bool first = !server->warned;
    server->warned = true;
    pthread_mutex_unlock(&server->lock);
    ds_server *link = link_of(server);
    if (first)
        ds_log_warn("%s: a connection was closed: %s", ds_server_url(link), why);
    ds_server_close_peer(link, peer, false);
}

static void on_message(ds_bulk_server *server, const ds_link_event *event)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_message message;
    ds_error error;
    ds_status status = ds_message_decode(arena, event->bytes, event->length, &message, &error);
    if (status == DS_OK && message.type == DS_MSG_FETCH) {
        ds_buffer out = {0};
        encode_answer(server, &message.fetch, &out);
        ds_server_send(link_of(server), event->peer, out.data, out.length);
        ds_buffer_fini(&out);
    } else {
        turn_away(server, event->peer, "it sent something else than a request of this app");
    }
    ds_arena_free(arena);
}

/* Counts a connection. False if it is one too many. */
static bool count_client(ds_bulk_server *server, int32_t more)
{
    pthread_mutex_lock(&server->lock);
    DS_ASSERT(more > 0 || server->n_clients > 0);
    server->n_clients += (uint32_t)more;
    bool fits = server->n_clients <= DS_BULK_CLIENTS;
    pthread_mutex_unlock(&server->lock);
    return fits;
}

static void on_link(void *arg, const ds_link_event *event)
{
    ds_bulk_server *server = arg;
    switch (event->kind) {
    case DS_LINK_OPENED:
        if (!count_client(server, 1))
            turn_away(server, event->peer, "there are too many");
        break;
    case DS_LINK_MESSAGE: on_message(server, event); break;
    case DS_LINK_LOST: count_client(server, -1); break;
    }
}

ds_status ds_bulk_server_open(const char *url, const ds_link_options *options,
                              const ds_bulk_source *source, ds_bulk_server **result,
                              ds_error *error)
{
    ds_secret locked = ds_secret_random();
    locked.given = options->secret != NULL && options->secret->given;
    ds_link_options own = *options;
    own.secret = &locked;
    own.introduced = false;
    ds_bulk_server *server = ds_calloc(1, sizeof *server);
    server->source = *source;
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_lock(&server->lock);
    ds_status status = ds_server_open_with(url, &own, on_link, server, &server->link, error);
    pthread_mutex_unlock(&server->lock);
    if (status == DS_OK)
        *result = server;
    else
        ds_bulk_server_free(server);
    return status;
}

void ds_bulk_server_set_key(ds_bulk_server *server, const ds_secret *key)
{
    ds_server_set_secret(link_of(server), key);
}

ds_secret ds_bulk_key(const ds_secret *secret, const uint8_t *welcome_key)
{
    return ds_secret_for(secret, "bulk", welcome_key, DS_TOKEN_BYTES);
}

const char *ds_bulk_server_url(const ds_bulk_server *server)
{
    return ds_server_url(server->link);
}

void ds_bulk_server_free(ds_bulk_server *server)
{
    if (server == NULL)
        return;
    ds_server_free(server->link);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

ds_status ds_bulk_url(const char *driver_url, char *url, ds_error *error)
{
    uint64_t random;
    if (strstr(driver_url, "tcp://") != NULL)
        return ds_route_back(driver_url, url, error);
    ds_random_bytes(&random, sizeof random);
    snprintf(url, DS_BULK_URL, "abstract://dstream-%d-bulk-%016" PRIx64, (int)getpid(), random);
    return DS_OK;
}
