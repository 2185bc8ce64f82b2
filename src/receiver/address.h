/* Host names and ports to socket addresses, and back to text. */
#ifndef DS_RECEIVER_ADDRESS_H
#define DS_RECEIVER_ADDRESS_H

#include "base/error.h"

#include <netdb.h>
#include <stdint.h>
#include <sys/socket.h>

#define DS_ADDRESS_TEXT 300

/* Finds the TCP addresses of a host; free with freeaddrinfo. A host that is not a numeric
 * address is asked from the system, which can take seconds. listen: "" and "*" are every IPv4
 * address of this host. DS_ERR_UNAVAILABLE if it does not resolve. */
ds_status ds_address_resolve(const char *host, uint16_t port, bool listen, struct addrinfo **list,
                             ds_error *error);

/* Writes "127.0.0.1:9999" or "[::1]:9999". text has DS_ADDRESS_TEXT bytes. */
void ds_address_text(char *text, const struct sockaddr *address, socklen_t length);

/* The same of a host as the app names it: "localhost:9999". */
void ds_address_name(char *text, const char *host, uint16_t port);

#endif
