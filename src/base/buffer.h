/*
 * A growable run of bytes: for text that is put together and for messages.
 * Not thread-safe. A zeroed ds_buffer is an empty one.
 */
#ifndef DS_BASE_BUFFER_H
#define DS_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

typedef struct ds_buffer {
    char *data; /* owned; not terminated, but see ds_buffer_text */
    size_t length;
    size_t capacity;
} ds_buffer;

/* Frees the bytes and leaves an empty buffer. */
void ds_buffer_fini(ds_buffer *buffer);

/* Makes room for n more bytes and returns where they go; the length does not change. */
char *ds_buffer_reserve(ds_buffer *buffer, size_t n);

/* Appends n bytes. */
void ds_buffer_append(ds_buffer *buffer, const void *bytes, size_t n);
void ds_buffer_append_char(ds_buffer *buffer, char c);
void ds_buffer_append_text(ds_buffer *buffer, const char *text);
void ds_buffer_printf(ds_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Ends the bytes with a NUL that does not count, and returns them (borrowed). */
const char *ds_buffer_text(ds_buffer *buffer);

#endif
