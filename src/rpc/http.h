/*
 * A small HTTP server, for what the app tells of itself.
 *
 * GET and HEAD of a path, one request for each connection, answered by whoever has the figures:
 * the function is told of a request and hands the answer in later, from any thread. So nothing
 * waits for a client, and a client that waits for somebody who has stopped working is told so.
 *
 * Whoever connects may send anything at any speed, and costs at most this: DS_HTTP_CONNECTIONS
 * connections (one more, and the oldest that is still to send its request is closed, or else the
 * oldest), DS_HTTP_HEAD_BYTES of request, DS_HTTP_CLIENT_MS to send it and as long again to take
 * the answer.
 */
#ifndef DS_RPC_HTTP_H
#define DS_RPC_HTTP_H

#include "base/error.h"

#include <stdint.h>

#define DS_HTTP_CONNECTIONS 32u
#define DS_HTTP_HEAD_BYTES 8192u
#define DS_HTTP_CLIENT_MS 5000
#define DS_HTTP_ANSWER_MS 2000 /* for an answer; then the client is told 503 */

typedef struct ds_http ds_http;

typedef struct ds_http_answer {
    int status;        /* 200, 404, 503 */
    const char *type;  /* of the body: "application/json"; borrowed for ever */
    const void *bytes; /* borrowed during the call */
    size_t length;
} ds_http_answer;

/* A request for a path (without what stands behind `?`; borrowed during the call). From the
 * server's thread: it must not block. False: there is no such path (404). */
typedef bool (*ds_http_fn)(void *arg, uint64_t request, const char *path);

/* Listens at host:port and starts the thread. late: the answer to a request that nobody answered
 * in time (copied). DS_ERR_UNAVAILABLE if the address is in use or not to be had. */
ds_status ds_http_open(const char *host, uint16_t port, const ds_http_answer *late, ds_http_fn fn,
                       void *arg, ds_http **http, ds_error *error);

/* Answers a request; without effect if it is gone, or answered. Any thread; does not block. */
void ds_http_reply(ds_http *http, uint64_t request, const ds_http_answer *answer);

/* Closes all connections, ends the thread and frees. NULL is allowed. */
void ds_http_close(ds_http *http);

#endif
