#include "checkpoint/journal_lines.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define CHECK_TAIL (sizeof ",\"check\":\"0123456789abcdef\"}" - 1)

bool ds_journal_next(const char **at, const char *end, const char **line, size_t *length)
{
    DS_ASSERT(*at <= end);
    if (*at == end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = *at;
    *length = (size_t)((stop == NULL ? end : stop) - *at);
    *at = stop == NULL ? end : stop + 1;
    return true;
}

bool ds_journal_holds(const char *line, size_t length)
{
    if (length < CHECK_TAIL + 2)
        return false;
    size_t body = length - CHECK_TAIL;
    char expected[CHECK_TAIL + 1];
    snprintf(expected, sizeof expected, ",\"check\":\"%016" PRIx64 "\"}",
             (uint64_t)XXH3_64bits(line, body));
    return memcmp(line + body, expected, CHECK_TAIL) == 0;
}

json_t *ds_journal_line(const char *line, size_t length)
{
    if (!ds_journal_holds(line, length))
        return NULL;
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    if (object != NULL && json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

void ds_journal_write(ds_buffer *out, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    DS_ASSERT(text != NULL);
    size_t length = strlen(text);
    DS_ASSERT(length > 2 && text[length - 1] == '}');
    text[length - 1] = '\0';
    ds_buffer_printf(out, "%s,\"check\":\"%016" PRIx64 "\"}\n", text,
                     (uint64_t)XXH3_64bits(text, length - 1));
    free(text);
    json_decref(object);
}
