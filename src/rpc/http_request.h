/* The head of an HTTP request: where it ends, and what it asks for. Pure. */
#ifndef DS_RPC_HTTP_REQUEST_H
#define DS_RPC_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define DS_HTTP_PATH_BYTES 256u

/* The length of a head with its empty line, or 0 if that is not among these bytes. */
size_t ds_http_head_length(const char *head, size_t length);

/* Takes the request line at the front of a head apart: returns 200 with the path (without what
 * stands behind `?`) and whether only the head of the answer is wanted, or the status to refuse it
 * with: 400 for what is no request of HTTP/1.x for a path, 405 for another method than GET and
 * HEAD. head is changed. */
int ds_http_read_request(char *head, size_t length, bool *head_only,
                         char path[static DS_HTTP_PATH_BYTES]);

#endif
