/* Which of this host's addresses another host is reached from. */
#ifndef DS_RPC_ROUTE_H
#define DS_RPC_ROUTE_H

#include "base/error.h"

/* Makes an address to listen at, with any free port and the scheme of url, by which who is at url
 * can reach this process: that of the interface by which url is reached from here. Looks names up.
 * Sends nothing. out has room for DS_ADDRESS_URL bytes (rpc/url.h). DS_ERR_UNAVAILABLE if there is
 * no way to url; DS_ERR_USAGE if url is no tcp address. */
ds_status ds_route_back(const char *url, char *out, ds_error *error);

#endif
