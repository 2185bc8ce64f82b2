/*
 * What connections hold of records that have not ended, within bounds.
 *
 * The beginning of a record waits in memory of its connection, up to limits.record of it: of many
 * clients together that may be more than there is. So only so many connections of a receiver at a
 * time (spec.long_records) have a place for a long one, more than DS_SHORT_CARRY bytes; the others
 * are read in small pieces, up to that length, and wait then until a place is free. Those with
 * short records never notice. A place is given back when the record has its end, or the connection.
 */
#ifndef DS_RECEIVER_LONG_RECORDS_H
#define DS_RECEIVER_LONG_RECORDS_H

#include "receiver/intake.h"

#define DS_SHORT_CARRY ((size_t)1024)

/* How many bytes may be read from a connection now, at most *length; 0: it has to wait for a place
 * (and the intake is `crowded`). */
size_t ds_long_records_allow(ds_connection *connection, size_t length);

/* Something was read: takes a place, or gives it back. */
void ds_long_records_note(ds_connection *connection);

/* The connection is closed. */
void ds_long_records_leave(ds_connection *connection);

/* True if somebody waits for a place and one is free. */
bool ds_long_records_has_room(const ds_intake *intake);

/* Lets those who wait read on, as many as there are places. */
void ds_long_records_resume(ds_intake *intake);

#endif
