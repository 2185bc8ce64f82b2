/*
 * Any bytes as what a stranger says, cut into frames: it reads nothing that is not there, says at
 * most one frame for each it took, and nobody who does not hold the secret is taken for one who
 * does, however he begins. The first byte chooses whom the bytes are for.
 */
#include "base/assert.h"
#include "rpc/handshake.h"
#include "rpc/message.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void say(ds_handshake *handshake, const uint8_t *bytes, size_t length)
{
    ds_frame frame;
    unsigned taken = 0;
    while (length >= DS_FRAME_HEADER && ds_frame_read(bytes, DS_MESSAGE_LIMIT, &frame) &&
           frame.length <= length - DS_FRAME_HEADER) {
        ds_handshake_frame out;
        ds_handshake_state state =
            ds_handshake_take(handshake, frame.kind, bytes + DS_FRAME_HEADER, frame.length, &out);
        taken++;
        DS_ASSERT(out.length <= sizeof out.bytes);
        DS_ASSERT(state != DS_HANDSHAKE_DONE);
        if (state != DS_HANDSHAKE_UNDER_WAY)
            break;
        bytes += DS_FRAME_HEADER + frame.length;
        length -= DS_FRAME_HEADER + frame.length;
    }
    DS_ASSERT(taken <= 2 || handshake->state == DS_HANDSHAKE_BROKEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const uint8_t nonce[DS_NONCE_BYTES] = "a nonce";
    ds_handshake handshake;
    ds_handshake_frame knock;
    ds_secret secret = ds_secret_random();
    if (length == 0)
        return 0;
    if ((bytes[0] & 1) != 0)
        ds_handshake_dial(&handshake, &secret, nonce, &knock);
    else
        ds_handshake_listen(&handshake, &secret, 7, nonce);
    say(&handshake, bytes + 1, length - 1);
    return 0;
}
