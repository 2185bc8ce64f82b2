/*
 * Floods: connections that bring more than is read at once, for some time.
 *
 * Whoever waits for a socket is woken for each segment that comes, and interrupts the tasks that
 * share its core to read a little: that costs more than to copy it. So a connection that went on
 * for FLOOD bytes without being found empty is only told of, and read, by as many at a time: its
 * socket gets a low-water mark (SO_RCVLOWAT). What lies below the mark is read when the connection
 * was not for a tick of a millisecond, and before a batch's cut, so that nothing is left behind. A
 * connection of which a tick brings no more than a read is none any more, nor is one with a rate.
 *
 * A few connections of a receiver at a time may be floods: in a round of the poller all that are
 * ready are read, and commands wait for that.
 */
#ifndef DS_RECEIVER_FLOOD_H
#define DS_RECEIVER_FLOOD_H

#include "receiver/intake.h"

/* How many bytes of a connection are to be read at once, at most. */
size_t ds_flood_most(const ds_connection *connection);

/* A read asked for so many bytes, and got `length`; 0: there was nothing. */
void ds_flood_note(ds_connection *connection, size_t asked, size_t length);

/* The connection is closed, has ended, or waits for something other than room. */
void ds_flood_leave(ds_connection *connection);

/* When ds_flood_tick is to be called, in us of the poller's clock. */
int64_t ds_flood_deadline(const ds_intake *intake);

/* Reads the connections that were not read since the last tick. */
void ds_flood_tick(ds_intake *intake);

/* Reads all of them, once. */
void ds_flood_drain(ds_intake *intake);

#endif
