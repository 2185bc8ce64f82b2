/* Network addresses as the app file writes them: "host:port", "[::1]:9999". Pure; any thread. */
#ifndef DS_DSTREAM_ADDRESS_H
#define DS_DSTREAM_ADDRESS_H

#include "base/arena.h"

/* Reads host:port; the host, without brackets, goes into arena. A port is 1 to 65535. Returns
 * NULL, or a sentence about what is wrong. Names are not looked up. */
const char *ds_address_parse(ds_arena *arena, const char *text, const char **host, uint16_t *port);

/* True for 127.0.0.0/8, ::1 and localhost. */
bool ds_address_is_loopback(const char *host);

#endif
