/*
 * Addresses of links: the URLs that rpc/link.h allows, taken apart and checked.
 *
 *     abstract://NAME      letters, digits, '.', '_', '-'; at most 64
 *     inproc://NAME        the same; within this process, without a socket (rpc/link_inproc.h)
 *     tls+tcp://HOST:PORT  the same over TLS
 *     tcp://HOST:PORT      HOST is an IPv4 address, [an IPv6 address], a name or, to listen
 *                          everywhere, *
 */
#ifndef DS_RPC_URL_H
#define DS_RPC_URL_H

#include "base/error.h"

#include <stdbool.h>

#define DS_ADDRESS_NAME 64u /* bytes of a name */
#define DS_ADDRESS_URL 160u

typedef enum ds_transport {
    DS_TRANSPORT_ABSTRACT,
    DS_TRANSPORT_INPROC,
    DS_TRANSPORT_TCP,
    DS_TRANSPORT_TLS
} ds_transport;

typedef struct ds_url {
    ds_transport transport;
    char url[DS_ADDRESS_URL];  /* for people and for dialing again */
    char real[DS_ADDRESS_URL]; /* for the messaging library; not inproc */
    bool local;                /* it leads nowhere but to this host */
} ds_url;

/* Takes url (borrowed) apart. DS_ERR_USAGE with a sentence if it is none of the above; a tcp
 * port of 0 is allowed only when listening. */
ds_status ds_url_parse(const char *url, bool listening, ds_url *address, ds_error *error);

/* True for both kinds of tcp. */
bool ds_url_is_tcp(const ds_url *address);
/* Takes host (without brackets) and port out of a tcp address, each into DS_ADDRESS_URL bytes. */
void ds_url_host(const ds_url *address, char *host, char *port);

/* DS_ERR_APP with a sentence if the address leads beyond this host and there is no secret. */
ds_status ds_url_check_secret(const ds_url *address, bool has_secret, ds_error *error);

/* An address to listen at, at the same host as url but at any free port; out has room for
 * DS_ADDRESS_URL bytes. "" if url (checked before) is no tcp address. */
void ds_url_any_port(const char *url, char *out);
/* An address of a process that listens everywhere on a host, as it is reached from here; via is an
 * address by which something on that host is reached from here. Others are copied as they are. */
void ds_url_reach(const char *url, const char *via, char *out);

/* Puts the real port of a tcp address that had port 0. */
void ds_url_set_port(ds_url *address, unsigned port);

#endif
