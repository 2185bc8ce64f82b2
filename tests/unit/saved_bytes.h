/* Bytes in memory that something is saved to and loaded from (base/saved.h). */
#ifndef DS_TESTS_SAVED_BYTES_H
#define DS_TESTS_SAVED_BYTES_H

#include "base/buffer.h"
#include "base/saved.h"

#include <string.h>

typedef struct saved_bytes {
    ds_buffer buffer;
    size_t at; /* of reading */
} saved_bytes;

static inline ds_status saved_append(void *arg, const void *from, size_t length, ds_error *error)
{
    (void)error;
    ds_buffer_append(&((saved_bytes *)arg)->buffer, from, length);
    return DS_OK;
}

static inline ds_status saved_next(void *arg, void *to, size_t length, ds_error *error)
{
    saved_bytes *b = arg;
    if (length > b->buffer.length - b->at)
        return ds_error_set(error, DS_ERR_PROTOCOL, "cut off");
    memcpy(to, b->buffer.data + b->at, length);
    b->at += length;
    return DS_OK;
}

static inline ds_save_to saved_to(saved_bytes *b)
{
    return (ds_save_to){.arg = b, .write = saved_append};
}

static inline ds_load_from saved_from(saved_bytes *b)
{
    b->at = 0;
    return (ds_load_from){b, saved_next};
}

#endif
