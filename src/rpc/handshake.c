#include "rpc/handshake.h"

#include "base/assert.h"

#include <string.h>

#define VERSION_BYTES 4u
#define EPOCH_BYTES 8u
#define KNOCK_BYTES (VERSION_BYTES + DS_NONCE_BYTES)
#define CHALLENGE_BYTES (VERSION_BYTES + EPOCH_BYTES + DS_NONCE_BYTES)
#define PROOF_BYTES DS_SECRET_BYTES
#define ANSWER_BYTES (VERSION_BYTES + DS_SECRET_BYTES)
#define ROLE_BYTES 16u

static const uint8_t our_version[VERSION_BYTES] = {DS_LINK_VERSION};
static const char dialer_role[ROLE_BYTES] = "dialer proves",
                  listener_role[ROLE_BYTES] = "listener proves";

/* ---- what is said ---- */

static void put(ds_handshake_frame *out, const void *bytes, size_t length)
{
    DS_ASSERT(out->length + length <= sizeof out->bytes);
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

static void begin(ds_handshake_frame *out, ds_frame_kind kind)
{
    *out = (ds_handshake_frame){.kind = kind};
}

static void begin_with_version(ds_handshake_frame *out, ds_frame_kind kind)
{
    begin(out, kind);
    put(out, our_version, sizeof our_version);
}

static void encode_epoch(uint64_t epoch, uint8_t *bytes)
{
    for (unsigned i = 0; i < EPOCH_BYTES; i++)
        bytes[i] = (uint8_t)(epoch >> (8 * i));
}

static uint64_t decode_epoch(const uint8_t *bytes)
{
    uint64_t epoch = 0;
    for (unsigned i = 0; i < EPOCH_BYTES; i++)
        epoch |= (uint64_t)bytes[i] << (8 * i);
    return epoch;
}

static void sign(const ds_handshake *h, const char *role, uint8_t *proof)
{
    uint8_t bytes[ROLE_BYTES + VERSION_BYTES + EPOCH_BYTES + 2 * DS_NONCE_BYTES];
    uint8_t *at = bytes;
    memcpy(at, role, ROLE_BYTES);
    memcpy(at += ROLE_BYTES, our_version, VERSION_BYTES);
    encode_epoch(h->epoch, at += VERSION_BYTES);
    memcpy(at += EPOCH_BYTES, h->dialer, DS_NONCE_BYTES);
    memcpy(at + DS_NONCE_BYTES, h->listener, DS_NONCE_BYTES);
    ds_secret_sign(&h->secret, bytes, sizeof bytes, proof);
}

static bool proves(const ds_handshake *h, const char *role, const uint8_t *proof)
{
    uint8_t right[DS_SECRET_BYTES];
    sign(h, role, right);
    return ds_secret_same(right, proof);
}

void ds_handshake_listen(ds_handshake *h, const ds_secret *secret, uint64_t epoch,
                         const uint8_t *nonce)
{
    *h = (ds_handshake){.listens = true, .secret = *secret, .epoch = epoch};
    memcpy(h->listener, nonce, DS_NONCE_BYTES);
}

void ds_handshake_dial(ds_handshake *h, const ds_secret *secret, const uint8_t *nonce,
                       ds_handshake_frame *out)
{
    *h = (ds_handshake){.state = DS_HANDSHAKE_UNDER_WAY, .secret = *secret};
    memcpy(h->dialer, nonce, DS_NONCE_BYTES);
    begin_with_version(out, DS_FRAME_KNOCK);
    put(out, nonce, DS_NONCE_BYTES);
}

/* ---- what is heard ---- */

/* Every first frame of an end, of whatever version, begins with the version. */
static bool says_other_version(const uint8_t *bytes, size_t length)
{
    return length >= VERSION_BYTES && memcmp(bytes, our_version, VERSION_BYTES) != 0;
}

static ds_handshake_state take_knock(ds_handshake *h, const uint8_t *bytes, size_t length,
                                     ds_handshake_frame *out)
{
    uint8_t epoch[EPOCH_BYTES];
    if (says_other_version(bytes, length)) {
        begin_with_version(out, DS_FRAME_ANSWER);
        return DS_HANDSHAKE_OTHER_VERSION;
    }
    if (length != KNOCK_BYTES)
        return DS_HANDSHAKE_BROKEN;
    memcpy(h->dialer, bytes + VERSION_BYTES, DS_NONCE_BYTES);
    begin_with_version(out, DS_FRAME_CHALLENGE);
    encode_epoch(h->epoch, epoch);
    put(out, epoch, sizeof epoch);
    put(out, h->listener, DS_NONCE_BYTES);
    return DS_HANDSHAKE_UNDER_WAY;
}

static ds_handshake_state take_challenge(ds_handshake *h, const uint8_t *bytes, size_t length,
                                         ds_handshake_frame *out)
{
    uint8_t proof[PROOF_BYTES];
    if (says_other_version(bytes, length))
        return DS_HANDSHAKE_OTHER_VERSION;
    if (length != CHALLENGE_BYTES || h->epoch != 0)
        return DS_HANDSHAKE_BROKEN;
    h->epoch = decode_epoch(bytes + VERSION_BYTES);
    memcpy(h->listener, bytes + VERSION_BYTES + EPOCH_BYTES, DS_NONCE_BYTES);
    if (h->epoch == 0)
        return DS_HANDSHAKE_BROKEN;
    sign(h, dialer_role, proof);
    begin(out, DS_FRAME_PROOF);
    put(out, proof, sizeof proof);
    return DS_HANDSHAKE_UNDER_WAY;
}

static ds_handshake_state take_proof(const ds_handshake *h, const uint8_t *bytes, size_t length,
                                     ds_handshake_frame *out)
{
    uint8_t proof[DS_SECRET_BYTES];
    if (length != PROOF_BYTES)
        return DS_HANDSHAKE_BROKEN;
    if (!proves(h, dialer_role, bytes)) {
        begin_with_version(out, DS_FRAME_REFUSAL);
        return DS_HANDSHAKE_WRONG;
    }
    sign(h, listener_role, proof);
    begin_with_version(out, DS_FRAME_ANSWER);
    put(out, proof, sizeof proof);
    return DS_HANDSHAKE_DONE;
}

static ds_handshake_state take_answer(const ds_handshake *h, const uint8_t *bytes, size_t length)
{
    if (says_other_version(bytes, length))
        return DS_HANDSHAKE_OTHER_VERSION;
    if (length != ANSWER_BYTES || h->epoch == 0) /* it has not seen a proof */
        return DS_HANDSHAKE_BROKEN;
    return proves(h, listener_role, bytes + VERSION_BYTES) ? DS_HANDSHAKE_DONE
                                                           : DS_HANDSHAKE_BROKEN;
}

static ds_handshake_state take_at_listener(ds_handshake *h, ds_frame_kind kind,
                                           const uint8_t *bytes, size_t length,
                                           ds_handshake_frame *out)
{
    if (h->state == DS_HANDSHAKE_NEW && kind == DS_FRAME_KNOCK)
        return take_knock(h, bytes, length, out);
    if (h->state == DS_HANDSHAKE_UNDER_WAY && kind == DS_FRAME_PROOF)
        return take_proof(h, bytes, length, out);
    return DS_HANDSHAKE_BROKEN;
}

static ds_handshake_state take_at_dialer(ds_handshake *h, ds_frame_kind kind, const uint8_t *bytes,
                                         size_t length, ds_handshake_frame *out)
{
    if (h->state != DS_HANDSHAKE_UNDER_WAY)
        return DS_HANDSHAKE_BROKEN;
    switch (kind) {
    case DS_FRAME_CHALLENGE: return take_challenge(h, bytes, length, out);
    case DS_FRAME_ANSWER: return take_answer(h, bytes, length);
    case DS_FRAME_REFUSAL:
        return length == VERSION_BYTES && h->epoch != 0 ? DS_HANDSHAKE_WRONG : DS_HANDSHAKE_BROKEN;
    default: return DS_HANDSHAKE_BROKEN;
    }
}

ds_handshake_state ds_handshake_take(ds_handshake *h, ds_frame_kind kind, const void *bytes,
                                     size_t length, ds_handshake_frame *out)
{
    *out = (ds_handshake_frame){.length = 0};
    h->state = h->listens ? take_at_listener(h, kind, bytes, length, out)
                          : take_at_dialer(h, kind, bytes, length, out);
    return h->state;
}
