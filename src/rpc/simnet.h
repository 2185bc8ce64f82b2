/*
 * A simulated network: one server and many clients in one thread, in virtual time.
 *
 * It stands where rpc/link.h stands in a real process, for simulations and tests: the same
 * events, but handed out one at a time to whoever asks, in an order that depends on the seed
 * and the calls alone. It knows no clock; every call is given the time, which never goes
 * back.
 *
 * Of each connection the events keep their order, in each direction, but for two faults:
 * a message may arrive a second time, later; and a connection may be lost, which swallows
 * what is in flight, all of it or only the last part, for each direction on its own.
 *
 * Not thread-safe.
 */
#ifndef DS_RPC_SIMNET_H
#define DS_RPC_SIMNET_H

#include "rpc/link.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ds_simnet ds_simnet;

/* All zero: a perfect network, on which everything arrives at the time it is sent. */
typedef struct ds_simnet_faults {
    uint32_t delay_max_us;  /* of each message, even from 0 */
    double duplicate;       /* the probability that a message arrives twice */
    double lose_connection; /* the probability, at each message sent, that the connection ends */
} ds_simnet_faults;

/* Makes a network; the same seed, faults (copied) and calls give the same events. */
ds_simnet *ds_simnet_new(uint64_t seed, const ds_simnet_faults *faults);
void ds_simnet_free(ds_simnet *net);

/* Changes the faults for what is sent from now on. */
void ds_simnet_set_faults(ds_simnet *net, const ds_simnet_faults *faults);

/* Connects a new client. Returns the peer's id, never used twice, from 1. The client may send
 * at once; the server gets OPENED first (unless the connection is lost before). */
uint64_t ds_simnet_connect(ds_simnet *net, int64_t now_us);

/* Sends a message (copied) of at most DS_MESSAGE_LIMIT bytes. Without effect if the connection
 * is lost or there is none. As on a real link, the connection is lost if more than
 * DS_LINK_QUEUE_BYTES are under way in a direction (each message counts some bytes more). */
void ds_simnet_send_to_client(ds_simnet *net, uint64_t peer, const void *bytes, size_t length,
                              int64_t now_us);
void ds_simnet_send_to_server(ds_simnet *net, uint64_t peer, const void *bytes, size_t length,
                              int64_t now_us);

/* Closes a connection: both sides get LOST. With flush everything in flight arrives before,
 * as with ds_server_close_peer; without, as with a killed process, it is swallowed, all of it
 * (always on a perfect network) or the last part. */
void ds_simnet_close(ds_simnet *net, uint64_t peer, bool flush, int64_t now_us);

/* The time of the next delivery; INT64_MAX if nothing is under way. */
int64_t ds_simnet_next_us(const ds_simnet *net);

typedef struct ds_simnet_delivery {
    bool to_server; /* else to the client of event.peer */
    ds_link_event
        event; /* peer is set at clients too; bytes are borrowed until the next delivery */
} ds_simnet_delivery;

/* Takes the next event that is due at now_us. False if there is none. */
bool ds_simnet_deliver(ds_simnet *net, int64_t now_us, ds_simnet_delivery *out);

#endif
