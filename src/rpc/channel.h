/*
 * Channels: frames in both directions over one connection.
 *
 * A channel owns a byte stream of nng and cuts it into frames. Both ends of a link use it;
 * what the frames mean is theirs (rpc/link_server.c and rpc/link_client.c).
 */
#ifndef DS_RPC_CHANNEL_H
#define DS_RPC_CHANNEL_H

#include "rpc/frame.h"
#include "rpc/link.h"
#include "rpc/url.h"

#include <nng/nng.h>
#include <stdbool.h>

/* True if what is behind a new stream may talk to us: where the transport tells, it must be
 * of our user. */
bool ds_stream_is_ours(ds_transport transport, nng_stream *stream);

typedef struct ds_channel ds_channel;

/* What a channel reports, one call at a time, from threads of nng, with no lock held. */
typedef struct ds_channel_ops {
    /* A whole frame; bytes are borrowed during the call. False if it breaks a rule: then the
     * channel closes. */
    bool (*frame)(void *arg, ds_frame_kind kind, const void *bytes, size_t length);
    /* The connection is gone or was closed (broken: as what came broke a rule). Comes exactly once
     * and last. */
    void (*end)(void *arg, bool broken);
} ds_channel_ops;

/* Makes a channel over stream (taken), which is of that transport; ops and arg are borrowed. At
 * most queue_bytes wait to be sent. Nothing is reported before ds_channel_start. */
ds_channel *ds_channel_new(nng_stream *stream, ds_transport transport, size_t queue_bytes,
                           const ds_channel_ops *ops, void *arg);
/* Begins to receive: from here on `end` comes sooner or later. */
void ds_channel_start(ds_channel *channel);
/* Allows messages of up to so many bytes; none are at first. Any thread. */
void ds_channel_admit(ds_channel *channel, size_t most);

/* Queues a frame (copied) and never blocks. Without effect once the channel is closed; closes
 * it if too much waits. Any thread. */
void ds_channel_send(ds_channel *channel, ds_frame_kind kind, const void *bytes, size_t length);
/* The same for what has time: it leaves with the next frame, or when ds_channel_flush says so. */
void ds_channel_send_later(ds_channel *channel, ds_frame_kind kind, const void *bytes,
                           size_t length);
void ds_channel_flush(ds_channel *channel);
/* Closes the connection at once; `end` follows from another thread. Any thread, and again. */
void ds_channel_close(ds_channel *channel);
/* Closes, waits for running calls to return and frees. Not from a call of ops; no other thread
 * may use the channel. */
void ds_channel_free(ds_channel *channel);

/* To be called before the library is used for a transport: ds_link_fini then ends it. Any thread.
 */
void ds_channels_used(ds_transport transport);

#endif
