/*
 * An executor's end: one channel, dialed once.
 *
 * ds_client_open tries until its time is over: it dials, knocks, proves that it holds the secret,
 * and waits for the server's proof (rpc/handshake.h). What fails on the way is tried again after a
 * pause, as the driver may just be starting, but for what will not get better: another version,
 * another secret. Every try has a channel of its
 * own; once one was answered the client is open, and when that channel ends it is lost, for
 * good.
 *
 * The lock guards the fields that the channel's callbacks share with the user's threads; no
 * call is made with it held. It and the channel's lock are never held together.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "rpc/channel.h"
#include "rpc/handshake.h"
#include "rpc/link_inproc.h"
#include "rpc/tls.h"

#include <errno.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/transport/tcp/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAUSE_US 10000      /* between two tries */
#define TLS_PAUSE_US 250000 /* the same where each costs some milliseconds of work */

typedef enum answer {
    NO_ANSWER,
    WELCOME,
    OTHER_VERSION,
    REFUSED,  /* our proof */
    IMPOSTOR, /* the proof we got is none */
    TOO_LATE  /* it would be: the try is given up, or the channel ended without one */
} answer;

struct ds_client {
    ds_inproc_wire *inproc; /* or NULL; then nothing of what follows is used */
    ds_url address;
    ds_link_fn fn;
    void *arg;
    ds_secret secret;
    const ds_tls *tls; /* while it is opened */
    ds_channel *channel;
    ds_handshake handshake; /* of the channel's calls */
    atomic_bool quiet;      /* nothing is reported any more */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    answer answer;
    bool ended; /* the channel is */
    bool cut;   /* the try was, by the deadline, before there was an answer or an end */
    uint64_t pings, pongs;
};

/* What the channel reports */

static void report(ds_client *client, ds_link_event_kind kind, const void *bytes, size_t length)
{
    ds_link_event event = {.kind = kind, .bytes = bytes, .length = length};
    if (!atomic_load(&client->quiet))
        client->fn(client->arg, &event);
}

static answer answer_of(ds_handshake_state state, ds_frame_kind kind)
{
    switch (state) {
    case DS_HANDSHAKE_DONE: return WELCOME;
    case DS_HANDSHAKE_OTHER_VERSION: return OTHER_VERSION;
    case DS_HANDSHAKE_WRONG: return REFUSED;
    default: return kind == DS_FRAME_ANSWER ? IMPOSTOR : NO_ANSWER;
    }
}

/* A frame of one who has not proved yet who he is. */
static bool on_proving(ds_client *client, ds_frame_kind kind, const void *bytes, size_t length)
{
    ds_handshake_frame out;
    ds_handshake_state state = ds_handshake_take(&client->handshake, kind, bytes, length, &out);
    if (out.length > 0)
        ds_channel_send(client->channel, out.kind, out.bytes, out.length);
    if (state == DS_HANDSHAKE_UNDER_WAY)
        return true;
    if (state == DS_HANDSHAKE_DONE)
        ds_channel_admit(client->channel, DS_MESSAGE_LIMIT);
    pthread_mutex_lock(&client->lock);
    bool first = client->answer == NO_ANSWER;
    if (first)
        client->answer = answer_of(state, kind);
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
    return first && state == DS_HANDSHAKE_DONE;
}

static bool on_pong(ds_client *client, const void *bytes, size_t length)
{
    uint64_t number;
    if (length != sizeof number)
        return false;
    memcpy(&number, bytes, sizeof number);
    pthread_mutex_lock(&client->lock);
    if (client->pongs < number)
        client->pongs = number;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
    return true;
}

static bool on_frame(void *arg, ds_frame_kind kind, const void *bytes, size_t length)
{
    ds_client *client = arg;
    if (client->handshake.state != DS_HANDSHAKE_DONE)
        return on_proving(client, kind, bytes, length);
    switch (kind) {
    case DS_FRAME_MESSAGE: report(client, DS_LINK_MESSAGE, bytes, length); return true;
    case DS_FRAME_PONG: return on_pong(client, bytes, length);
    default: return false; /* BYE too closes the channel */
    }
}

static void on_end(void *arg, bool broken)
{
    ds_client *client = arg;
    (void)broken;
    pthread_mutex_lock(&client->lock);
    client->ended = true;
    bool lost = client->answer == WELCOME;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
    if (lost)
        report(client, DS_LINK_LOST, NULL, 0);
}

static const ds_channel_ops channel_ops = {.frame = on_frame, .end = on_end};

/* Opening */

/* Waits for a change; lock held. False if the time has come. */
static bool wait_until(ds_client *client, int64_t deadline_us)
{
    struct timespec ts = {.tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000};
    return pthread_cond_timedwait(&client->changed, &client->lock, &ts) == 0;
}

static int set_tls(nng_stream_dialer *dialer, const ds_url *address, const ds_tls *tls)
{
    char host[DS_ADDRESS_URL], port[DS_ADDRESS_URL];
    ds_url_host(address, host, port);
    nng_tls_config *config = ds_tls_config(tls, host);
    int rv = nng_stream_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
    nng_tls_config_free(config);
    return rv;
}

static int dial(const ds_client *client, int64_t deadline_us, nng_stream **stream)
{
    const ds_url *address = &client->address;
    nng_stream_dialer *dialer;
    nng_aio *aio;
    int64_t left_ms = (deadline_us - ds_clock_mono_us()) / 1000;
    int rv = nng_stream_dialer_alloc(&dialer, address->real);
    if (rv != 0)
        return rv;
    if (address->transport == DS_TRANSPORT_TLS)
        rv = set_tls(dialer, address, client->tls);
    if (rv == 0 && ds_url_is_tcp(address))
        rv = nng_stream_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true);
    if (rv == 0)
        rv = nng_aio_alloc(&aio, NULL, NULL);
    if (rv == 0) {
        nng_aio_set_timeout(aio, left_ms > 0 ? (nng_duration)left_ms : 1);
        nng_stream_dialer_dial(dialer, aio);
        nng_aio_wait(aio);
        rv = nng_aio_result(aio);
        *stream = rv == 0 ? nng_aio_get_output(aio, 0) : NULL;
        nng_aio_free(aio);
    }
    nng_stream_dialer_free(dialer);
    return rv;
}

/* Knocks over a new channel and waits for the answer. */
static answer knock(ds_client *client, nng_stream *stream, int64_t deadline_us)
{
    uint8_t nonce[DS_NONCE_BYTES];
    ds_handshake_frame out;
    ds_random_bytes(nonce, sizeof nonce);
    ds_handshake_dial(&client->handshake, &client->secret, nonce, &out);
    client->answer = NO_ANSWER; /* there is no channel, so nobody else looks */
    client->ended = false;
    client->channel = ds_channel_new(stream, client->address.transport, DS_LINK_QUEUE_BYTES,
                                     &channel_ops, client);
    ds_channel_start(client->channel);
    ds_channel_send(client->channel, out.kind, out.bytes, out.length);

    pthread_mutex_lock(&client->lock);
    while (client->answer == NO_ANSWER && !client->ended && wait_until(client, deadline_us))
        ;
    client->cut = client->answer == NO_ANSWER && !client->ended;
    if (client->answer == NO_ANSWER)
        client->answer = TOO_LATE;
    answer got = client->answer;
    pthread_mutex_unlock(&client->lock);
    return got;
}

/* Why it ended without an answer. */
static ds_status explain(const ds_client *client, ds_error *error)
{
    char host[DS_ADDRESS_URL], port[DS_ADDRESS_URL];
    if (client->address.transport == DS_TRANSPORT_TLS && !client->cut) {
        ds_url_host(&client->address, host, port);
        return ds_tls_explain(client->tls, host, port, client->address.url, error);
    }
    return ds_error_set(error, DS_ERR_UNAVAILABLE,
                        "nobody answers at %s: connected, but there is no answer",
                        client->address.url);
}

/* One try. DS_ERR_UNAVAILABLE is worth another. */
static ds_status try_open(ds_client *client, int64_t deadline_us, ds_error *error)
{
    const char *url = client->address.url;
    nng_stream *stream;
    int rv = dial(client, deadline_us, &stream);
    if (rv != 0)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "nobody answers at %s: %s", url,
                            nng_strerror(rv));
    if (!ds_stream_is_ours(client->address.transport, stream)) {
        nng_stream_free(stream);
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "%s belongs to another user", url);
    }
    switch (knock(client, stream, deadline_us)) {
    case WELCOME: return DS_OK;
    case OTHER_VERSION:
        return ds_error_set(error, DS_ERR_PROTOCOL, "%s is of another version of dstream", url);
    case REFUSED:
        return ds_error_set(error, DS_ERR_APP,
                            client->secret.given
                                ? "%s does not take our secret: it holds another one, or none"
                                : "%s wants a secret (DSTREAM_SECRET or --secret-file)",
                            url);
    case IMPOSTOR:
        return ds_error_set(error, DS_ERR_APP, "%s does not prove that it holds our secret", url);
    default: return explain(client, error);
    }
}

static void pause_until(int64_t time_us)
{
    struct timespec ts = {.tv_sec = time_us / 1000000, .tv_nsec = time_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
        ;
}

/* How much a try that failed tells of why. */
typedef enum telling { NOTHING, NOBODY_REACHED, CUT_SHORT, ALL } telling;

static telling telling_of(const ds_client *client)
{
    if (client->channel == NULL)
        return NOBODY_REACHED;
    return client->cut ? CUT_SHORT : ALL;
}

/* Of many tries the last one that tells most is told. */
static ds_status open_until(ds_client *client, int64_t deadline_us, ds_error *error)
{
    const int64_t pause_us =
        client->address.transport == DS_TRANSPORT_TLS ? TLS_PAUSE_US : PAUSE_US;
    ds_error why = {.message = ""}, now;
    telling most = NOTHING;
    for (;;) {
        ds_status status = try_open(client, deadline_us, &now);
        int64_t now_us = ds_clock_mono_us();
        if (status == DS_OK)
            return DS_OK;
        if (telling_of(client) >= most) {
            most = telling_of(client);
            why = now;
        }
        ds_channel_free(client->channel);
        client->channel = NULL;
        if (status != DS_ERR_UNAVAILABLE || now_us + pause_us >= deadline_us)
            return ds_error_set(error, status, "%s", why.message);
        pause_until(now_us + pause_us);
    }
}

static ds_client *new_client(ds_link_fn fn, void *arg)
{
    ds_client *client = ds_calloc(1, sizeof *client);
    client->fn = fn;
    client->arg = arg;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&client->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&client->lock, NULL);
    return client;
}

static ds_status connect_until(ds_client *client, int64_t deadline_us, ds_error *error)
{
    if (client->address.transport == DS_TRANSPORT_INPROC)
        return ds_inproc_dial(client->address.url, &client->secret, deadline_us, client->fn,
                              client->arg, &client->inproc, error);
    ds_channels_used(client->address.transport);
    return open_until(client, deadline_us, error);
}

ds_status ds_client_open_with(const char *url, const ds_link_options *options, int timeout_ms,
                              ds_link_fn fn, void *arg, ds_client **client, ds_error *error)
{
    int64_t deadline_us = ds_clock_mono_us() + (int64_t)timeout_ms * 1000;
    ds_client *c = new_client(fn, arg);
    if (options->secret != NULL)
        c->secret = *options->secret;
    ds_status status = ds_url_parse(url, false, &c->address, error);
    if (status == DS_OK)
        status = ds_url_check_secret(&c->address, c->secret.given, error);
    c->tls = options->tls;
    if (status == DS_OK && c->address.transport == DS_TRANSPORT_TLS && c->tls == NULL)
        status = ds_error_set(error, DS_ERR_APP,
                              "%s needs certificates (--tls-ca, --tls-cert, --tls-key)", url);
    if (status == DS_OK)
        status = connect_until(c, deadline_us, error);
    if (status == DS_OK)
        *client = c;
    else
        ds_client_free(c);
    return status;
}

ds_status ds_client_open(const char *url, int timeout_ms, ds_link_fn fn, void *arg,
                         ds_client **client, ds_error *error)
{
    static const ds_link_options none = {.epoch = 0};
    return ds_client_open_with(url, &none, timeout_ms, fn, arg, client, error);
}

void ds_client_send(ds_client *client, const void *bytes, size_t length)
{
    if (client->inproc != NULL)
        ds_inproc_send(client->inproc, bytes, length);
    else
        ds_channel_send(client->channel, DS_FRAME_MESSAGE, bytes, length);
}

bool ds_client_flush(ds_client *client, int timeout_ms)
{
    int64_t deadline_us = ds_clock_mono_us() + (int64_t)timeout_ms * 1000;
    if (client->inproc != NULL)
        return ds_inproc_flush(client->inproc, deadline_us);
    pthread_mutex_lock(&client->lock);
    uint64_t number = ++client->pings;
    pthread_mutex_unlock(&client->lock);
    ds_channel_send(client->channel, DS_FRAME_PING, &number, sizeof number);

    pthread_mutex_lock(&client->lock);
    while (client->pongs < number && !client->ended && wait_until(client, deadline_us))
        ;
    bool all = client->pongs >= number;
    pthread_mutex_unlock(&client->lock);
    return all;
}

void ds_client_free(ds_client *client)
{
    if (client == NULL)
        return;
    atomic_store(&client->quiet, true);
    ds_inproc_free(client->inproc);
    ds_channel_free(client->channel);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    free(client);
}
