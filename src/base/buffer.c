#include "base/buffer.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ds_buffer_fini(ds_buffer *buffer)
{
    free(buffer->data);
    *buffer = (ds_buffer){0};
}

char *ds_buffer_reserve(ds_buffer *buffer, size_t n)
{
    size_t need;
    DS_ASSERT(!__builtin_add_overflow(buffer->length, n, &need));
    if (need > buffer->capacity || buffer->data == NULL) {
        size_t capacity = buffer->capacity * 2 > need ? buffer->capacity * 2 : need;
        if (capacity < 64)
            capacity = 64;
        buffer->data = ds_realloc(buffer->data, capacity, 1);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void ds_buffer_append(ds_buffer *buffer, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    memcpy(ds_buffer_reserve(buffer, n), bytes, n);
    buffer->length += n;
}

void ds_buffer_append_char(ds_buffer *buffer, char c)
{
    *ds_buffer_reserve(buffer, 1) = c;
    buffer->length++;
}

void ds_buffer_append_text(ds_buffer *buffer, const char *text)
{
    ds_buffer_append(buffer, text, strlen(text));
}

/* What does not fit into the room there is is written a second time. */
void ds_buffer_printf(ds_buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char *to = ds_buffer_reserve(buffer, 1);
    size_t room = buffer->capacity - buffer->length;
    int n = vsnprintf(to, room, format, args);
    va_end(args);
    DS_ASSERT(n >= 0);
    if ((size_t)n >= room)
        vsnprintf(ds_buffer_reserve(buffer, (size_t)n + 1), (size_t)n + 1, format, again);
    va_end(again);
    buffer->length += (size_t)n;
}

const char *ds_buffer_text(ds_buffer *buffer)
{
    *ds_buffer_reserve(buffer, 1) = '\0';
    return buffer->data;
}
