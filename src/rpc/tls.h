/*
 * TLS for links: certificates, as texts that were read once.
 *
 * Both ends have a certificate and verify the other's: its signature by one of the authorities,
 * its dates, and, at the dialer, its name, which is the host of the address or one that is given.
 * nng's TLS (Mbed TLS, version 1.2 of the protocol) does the work. It tells of a failure that it
 * failed; ds_tls_explain finds out why.
 */
#ifndef DS_RPC_TLS_H
#define DS_RPC_TLS_H

#include "base/error.h"

#include <stdbool.h>

/* Paths of PEM files (borrowed), and a name. */
typedef struct ds_tls_files {
    const char *cert; /* ours, and those between it and the authority */
    const char *key;  /* of it, not encrypted */
    const char *ca;   /* authorities */
    const char *name; /* of those who are dialed; NULL: the host of their address */
} ds_tls_files;

typedef struct ds_tls ds_tls;

/* Reads and checks the files. DS_ERR_NO_INPUT or DS_ERR_IO if one cannot be read, DS_ERR_APP with a
 * sentence if one is not what it should be, is out of date, or they do not fit together. */
ds_status ds_tls_load(const ds_tls_files *files, ds_tls **tls, ds_error *error);
/* NULL is fine. Links that were opened with it go on. */
void ds_tls_free(ds_tls *tls);

/* Connects to host (a name or an address without brackets) and port as a dialer, to find out why
 * there is no TLS with who is there; waits at most some seconds. Sets *error to DS_ERR_APP if its
 * certificate is the reason, else to DS_ERR_UNAVAILABLE. Returns the status. */
ds_status ds_tls_explain(const ds_tls *tls, const char *host, const char *port, const char *url,
                         ds_error *error);

/* For links: puts the certificates into a new configuration of nng's, which the caller frees. host
 * as above; NULL: for a listener. */
struct nng_tls_config;
struct nng_tls_config *ds_tls_config(const ds_tls *tls, const char *host);

#endif
