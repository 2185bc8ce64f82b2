/*
 * The handshake: both ends of a new connection prove that they hold the same secret.
 *
 *     dialer                                       listener
 *       KNOCK      version, nonce D          ->
 *                                            <-      CHALLENGE  version, epoch, nonce L
 *       PROOF      sign("dialer ...")        ->
 *                                            <-      ANSWER     version, sign("listener ...")
 *
 * What is signed (HMAC-SHA256 under the secret's key) is the role, the version, the epoch and
 * both nonces. Each end makes its nonce anew, so that what was said on another connection is
 * worth nothing here; the roles differ, so that nobody gets in by saying back what he hears.
 * The dialer proves first: who only connects learns nothing about the secret. The secret
 * itself never leaves its process. Without one the same is said, under a key that everybody
 * knows.
 *
 * Any other frame, or one of another size, ends the connection without a word. A listener of
 * another version says so in an ANSWER of its version alone; one that does not take the proof
 * in a REFUSAL.
 *
 * This is about who is at the other end when a connection begins. What is said later is
 * protected from others on the way by TLS only.
 *
 * Pure: nonces are given, frames are taken and returned. Not thread-safe.
 */
#ifndef DS_RPC_HANDSHAKE_H
#define DS_RPC_HANDSHAKE_H

#include "rpc/frame.h"
#include "rpc/secret.h"

#define DS_LINK_VERSION 2u
#define DS_NONCE_BYTES 32u

typedef enum ds_handshake_state {
    DS_HANDSHAKE_NEW,       /* listener: no KNOCK yet */
    DS_HANDSHAKE_UNDER_WAY, /* the other end is to speak */
    DS_HANDSHAKE_DONE,      /* the other end holds the secret */
    DS_HANDSHAKE_BROKEN,    /* it broke a rule, or its proof is none */
    DS_HANDSHAKE_WRONG,     /* listener: its proof is of another secret; dialer: it was refused */
    DS_HANDSHAKE_OTHER_VERSION,
} ds_handshake_state;

typedef struct ds_handshake {
    ds_handshake_state state;
    bool listens;
    ds_secret secret;
    uint64_t epoch;
    uint8_t dialer[DS_NONCE_BYTES], listener[DS_NONCE_BYTES];
} ds_handshake;

/* A frame to send; length 0: none. */
typedef struct ds_handshake_frame {
    ds_frame_kind kind;
    size_t length;
    uint8_t bytes[DS_FRAME_SMALL];
} ds_handshake_frame;

/* Begins at a listener. nonce: DS_NONCE_BYTES, used once; epoch: a number of this listener. */
void ds_handshake_listen(ds_handshake *handshake, const ds_secret *secret, uint64_t epoch,
                         const uint8_t *nonce);
/* Begins at a dialer; out receives the first frame. */
void ds_handshake_dial(ds_handshake *handshake, const ds_secret *secret, const uint8_t *nonce,
                       ds_handshake_frame *out);
/* Takes what the other end says. Returns the new state; out receives what to say then. Once it
 * is neither NEW nor UNDER_WAY, every frame is too much: BROKEN. */
ds_handshake_state ds_handshake_take(ds_handshake *handshake, ds_frame_kind kind, const void *bytes,
                                     size_t length, ds_handshake_frame *out);

#endif
