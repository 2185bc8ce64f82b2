/*
 * How a channel lives.
 *
 * Two aio loops run over the stream. The receive loop is the only source of calls to the
 * user: it has one read in flight, or its callback runs, or it has ended. So calls come one
 * at a time and in order, and `end`, which is its last act, comes exactly once. Whoever wants
 * the channel gone (the peer by closing, a broken frame, a full queue, the owner) only closes
 * the stream; the read in flight then fails, or the callback that runs finds `closed` set when
 * it wants to read on, and the loop ends.
 *
 * A read takes what has arrived, up to the buffer's size, so that many small frames cost one
 * system call. A frame longer than the buffer makes it grow to that frame's size, which was
 * checked before, and no more; it shrinks again behind it.
 *
 * Sending has two buffers: `going` is being written, `waiting` collects what is queued
 * meanwhile, and they change places when the first is done. So many small frames are again
 * one system call, and no frame needs an allocation of its own.
 *
 * A completed operation is reported by another thread of nng, and to wake it costs more than the
 * write. So what is small is first written by an operation that reports nothing: nng does it on the
 * calling thread, if the system takes the bytes at once, as it nearly always does. If not, that
 * operation is taken back (nothing of it was written then), and one that reports takes its place.
 * Not over TLS, which has begun to encrypt what it was given.
 *
 * The lock guards `closed` and everything about sending. It is held while an operation is
 * started: nng completes none on the calling thread (its callbacks are dispatched), and an
 * operation started on a closed stream would never complete at all. No call to the user is
 * made with it held. It is the innermost of our locks; who holds it takes no other.
 *
 * ds_channel_free waits for both callbacks to return (nng_aio_stop), which is why neither it
 * nor a lock that a callback takes may be held by who calls it.
 */
#include "rpc/channel.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "rpc/message.h"

#include <nng/transport/ipc/ipc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 << 10)
#define KEPT_BYTES ((size_t)256 << 10) /* a send buffer that grew larger is not kept */
#define SMALL_BYTES ((size_t)64 << 10) /* the system mostly has room for so much */

struct ds_channel {
    nng_stream *stream;
    const ds_channel_ops *ops;
    void *arg;

    nng_aio *reading;
    unsigned char *in; /* this and the next three belong to the receive loop */
    size_t in_capacity;
    size_t in_length;
    _Atomic size_t most_message; /* bytes; 0: none is allowed */

    pthread_mutex_t lock;
    bool closed;
    bool sending; /* a write is in flight */
    nng_aio *writing;
    nng_aio *trying; /* reports nothing; NULL: over TLS */
    ds_buffer going;
    size_t gone; /* bytes of going that were written */
    ds_buffer waiting;
    size_t queue_bytes;
};

bool ds_stream_is_ours(ds_transport transport, nng_stream *stream)
{
    uint64_t uid;
    DS_ASSERT(transport != DS_TRANSPORT_INPROC);
    if (transport == DS_TRANSPORT_TCP || transport == DS_TRANSPORT_TLS)
        return true;
    return nng_stream_get_uint64(stream, NNG_OPT_IPC_PEER_UID, &uid) == 0 && uid == geteuid();
}

/* Closes the stream, once; lock held. */
static void shut(ds_channel *channel)
{
    if (!channel->closed)
        nng_stream_close(channel->stream);
    channel->closed = true;
}

/* Receiving */

/* Starts the next read, or returns false because the channel is closed. */
static bool read_more(ds_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    bool open = !channel->closed;
    if (open) {
        nng_iov iov = {.iov_buf = channel->in + channel->in_length,
                       .iov_len = channel->in_capacity - channel->in_length};
        nng_aio_set_iov(channel->reading, 1, &iov);
        nng_stream_recv(channel->stream, channel->reading);
    }
    pthread_mutex_unlock(&channel->lock);
    return open;
}

static void resize_in(ds_channel *channel, size_t capacity)
{
    size_t least = channel->most_message > 0 ? READ_BYTES : DS_FRAME_HEADER + DS_FRAME_SMALL;
    if (capacity < least)
        capacity = least;
    if (capacity == channel->in_capacity)
        return;
    channel->in = ds_realloc(channel->in, capacity, 1);
    channel->in_capacity = capacity;
}

/* Takes whole frames from the front of the buffer and makes room for the next. False if one
 * breaks a rule. */
static bool take_frames(ds_channel *channel)
{
    size_t at = 0, need = 0;
    while (channel->in_length - at >= DS_FRAME_HEADER) {
        const unsigned char *header = channel->in + at;
        size_t most = channel->most_message;
        ds_frame frame;
        if (!ds_frame_read(header, most, &frame) || (frame.kind == DS_FRAME_MESSAGE && most == 0))
            return false;
        need = DS_FRAME_HEADER + frame.length;
        if (channel->in_length - at < need)
            break;
        if (!channel->ops->frame(channel->arg, frame.kind, header + DS_FRAME_HEADER, frame.length))
            return false;
        at += need;
        need = 0;
    }
    channel->in_length -= at;
    memmove(channel->in, channel->in + at, channel->in_length);
    if (channel->in_length <= READ_BYTES)
        resize_in(channel, need);
    return true;
}

static void on_read(void *arg)
{
    ds_channel *channel = arg;
    int rv = nng_aio_result(channel->reading);
    bool good = rv == 0, broken = rv == NNG_ECRYPTO || rv == NNG_EPEERAUTH;
    if (good) {
        channel->in_length += nng_aio_count(channel->reading);
        good = take_frames(channel);
        broken = !good;
    }
    if (!good)
        ds_channel_close(channel);
    if (!good || !read_more(channel))
        channel->ops->end(channel->arg, broken);
}

/* Sending; lock held in all of these */

static void begin_write(ds_channel *channel, nng_aio *aio)
{
    nng_iov iov = {.iov_buf = channel->going.data + channel->gone,
                   .iov_len = channel->going.length - channel->gone};
    nng_aio_set_iov(aio, 1, &iov);
    nng_stream_send(channel->stream, aio);
}

/* Writes what the system takes without waiting. False if that was all, or the connection is gone;
 * true if an operation that reports has to go on. */
static bool write_at_once(ds_channel *channel)
{
    if (channel->trying == NULL || channel->going.length > SMALL_BYTES)
        return true;
    begin_write(channel, channel->trying);
    nng_aio_cancel(channel->trying); /* without effect if it is done */
    nng_aio_wait(channel->trying);
    int rv = nng_aio_result(channel->trying);
    if (rv == 0)
        channel->gone += nng_aio_count(channel->trying);
    else if (rv != NNG_ECANCELED)
        shut(channel);
    return !channel->closed && channel->gone < channel->going.length;
}

static void empty(ds_buffer *buffer)
{
    buffer->length = 0;
    if (buffer->capacity > KEPT_BYTES)
        ds_buffer_fini(buffer);
}

/* Begins to write what waits, if anything does. */
static void write_waiting(ds_channel *channel)
{
    ds_buffer written = channel->going;
    empty(&written);
    channel->going = channel->waiting;
    channel->waiting = written;
    channel->gone = 0;
    channel->sending = channel->going.length > 0 && write_at_once(channel);
    if (channel->sending)
        begin_write(channel, channel->writing);
}

static void on_written(void *arg)
{
    ds_channel *channel = arg;
    pthread_mutex_lock(&channel->lock);
    if (nng_aio_result(channel->writing) != 0)
        shut(channel);
    if (!channel->closed) {
        channel->gone += nng_aio_count(channel->writing);
        if (channel->gone < channel->going.length)
            begin_write(channel, channel->writing);
        else
            write_waiting(channel);
    }
    pthread_mutex_unlock(&channel->lock);
}

static void queue(ds_channel *channel, ds_frame_kind kind, const void *bytes, size_t length)
{
    DS_ASSERT(length <= (kind == DS_FRAME_MESSAGE ? DS_MESSAGE_LIMIT : DS_FRAME_SMALL));
    size_t queued = channel->waiting.length + channel->going.length - channel->gone;
    if (!channel->closed && queued + DS_FRAME_HEADER + length > channel->queue_bytes)
        shut(channel);
    if (!channel->closed)
        ds_frame_append(&channel->waiting, kind, bytes, length);
}

static void flush(ds_channel *channel)
{
    if (!channel->closed && !channel->sending && channel->waiting.length > 0)
        write_waiting(channel);
}

void ds_channel_send(ds_channel *channel, ds_frame_kind kind, const void *bytes, size_t length)
{
    pthread_mutex_lock(&channel->lock);
    queue(channel, kind, bytes, length);
    flush(channel);
    pthread_mutex_unlock(&channel->lock);
}

void ds_channel_send_later(ds_channel *channel, ds_frame_kind kind, const void *bytes,
                           size_t length)
{
    pthread_mutex_lock(&channel->lock);
    queue(channel, kind, bytes, length);
    pthread_mutex_unlock(&channel->lock);
}

void ds_channel_flush(ds_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    flush(channel);
    pthread_mutex_unlock(&channel->lock);
}

/* Life */

static nng_aio *new_aio(void (*callback)(void *), void *arg)
{
    nng_aio *aio;
    int rv = nng_aio_alloc(&aio, callback, arg);
    DS_ASSERT(rv == 0); /* it fails for want of memory only */
    return aio;
}

ds_channel *ds_channel_new(nng_stream *stream, ds_transport transport, size_t queue_bytes,
                           const ds_channel_ops *ops, void *arg)
{
    ds_channel *channel = ds_calloc(1, sizeof *channel);
    channel->stream = stream;
    channel->queue_bytes = queue_bytes;
    channel->ops = ops;
    channel->arg = arg;
    channel->reading = new_aio(on_read, channel);
    channel->writing = new_aio(on_written, channel);
    if (transport != DS_TRANSPORT_TLS)
        channel->trying = new_aio(NULL, NULL);
    resize_in(channel, 0);
    pthread_mutex_init(&channel->lock, NULL);
    return channel;
}

void ds_channel_admit(ds_channel *channel, size_t most)
{
    DS_ASSERT(most <= DS_MESSAGE_LIMIT);
    channel->most_message = most;
}

void ds_channel_start(ds_channel *channel)
{
    bool open = read_more(channel);
    DS_ASSERT(open);
}

void ds_channel_close(ds_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    shut(channel);
    pthread_mutex_unlock(&channel->lock);
}

void ds_channel_free(ds_channel *channel)
{
    if (channel == NULL)
        return;
    ds_channel_close(channel);
    nng_aio_stop(channel->reading);
    nng_aio_stop(channel->writing);
    nng_aio_free(channel->reading);
    nng_aio_free(channel->writing);
    nng_aio_free(channel->trying);
    nng_stream_free(channel->stream);
    pthread_mutex_destroy(&channel->lock);
    ds_buffer_fini(&channel->going);
    ds_buffer_fini(&channel->waiting);
    free(channel->in);
    free(channel);
}

/* ---- the library ---- */

static atomic_bool used, used_tls;

void ds_channels_used(ds_transport transport)
{
    atomic_store(&used, true);
    if (transport == DS_TRANSPORT_TLS)
        atomic_store(&used_tls, true);
}

/* It starts threads and takes memory when it is used first, and must not be ended before. With TLS
 * it is not ended at all: it frees connections of TLS on a thread of its own, for which nobody can
 * wait, and aborts the process if that meets its end (nng 1.5.2). */
void ds_link_fini(void)
{
    if (atomic_exchange(&used, false) && !atomic_load(&used_tls))
        nng_fini();
}
