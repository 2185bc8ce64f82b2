/*
 * Frames: how the bytes of a connection are cut.
 *
 *     offset  bytes
 *          0      4  length of what follows the header, little-endian
 *          4      1  kind
 *          5      3  the mark "ds\x01": the version of this form
 *
 * No frame but a message is longer than DS_FRAME_SMALL. Pure; any thread.
 */
#ifndef DS_RPC_FRAME_H
#define DS_RPC_FRAME_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define DS_FRAME_HEADER 8u
#define DS_FRAME_SMALL 64u

typedef enum ds_frame_kind {
    DS_FRAME_KNOCK = 1, /* rpc/handshake.h; this and the next are the same in every version */
    DS_FRAME_ANSWER,
    DS_FRAME_MESSAGE,   /* a message of the user */
    DS_FRAME_PING,      /* have you got everything up to here? with any 8 bytes */
    DS_FRAME_PONG,      /* yes; with the same bytes */
    DS_FRAME_BYE,       /* server: this was the last; close */
    DS_FRAME_CHALLENGE, /* rpc/handshake.h */
    DS_FRAME_PROOF,
    DS_FRAME_REFUSAL,
    DS_FRAME_KINDS
} ds_frame_kind;

typedef struct ds_frame {
    ds_frame_kind kind;
    size_t length; /* of what follows the header */
} ds_frame;

/* Reads a header of DS_FRAME_HEADER bytes. False if it breaks a rule; a message may have up to
 * most_message bytes. */
bool ds_frame_read(const unsigned char *header, size_t most_message, ds_frame *frame);
/* Appends a frame. */
void ds_frame_append(ds_buffer *out, ds_frame_kind kind, const void *bytes, size_t length);

#endif
