#include "checkpoint/journal_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_MOST (INT64_MAX / 4)

bool ds_journal_number(const json_t *object, const char *key, uint64_t *to)
{
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > NUMBER_MOST)
        return false;
    *to = (uint64_t)number;
    return true;
}

bool ds_journal_time(const json_t *object, const char *key, int64_t *to)
{
    uint64_t value;
    if (!ds_journal_number(object, key, &value))
        return false;
    *to = (int64_t)value;
    return true;
}

bool ds_journal_bits(const json_t *object, const char *key, uint64_t *to)
{
    const json_t *value = json_object_get(object, key);
    *to = (uint64_t)json_integer_value(value);
    return json_is_integer(value);
}

bool ds_journal_hex(const json_t *object, const char *key, uint64_t *to)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && strlen(text) == 16 && sscanf(text, "%" SCNx64, to) == 1;
}

/* Bytes from their hex digits; NULL if they are none, or hold a NUL. */
static const char *from_hex(ds_arena *arena, const char *hex)
{
    size_t length = strlen(hex) / 2;
    if (strspn(hex, "0123456789abcdef") != 2 * length)
        return NULL;
    char *text = ds_arena_calloc(arena, length + 1, 1);
    for (size_t i = 0; i < length; i++) {
        unsigned byte = 0;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1 || byte == 0)
            return NULL;
        text[i] = (char)byte;
    }
    return text;
}

const char *ds_journal_text(ds_arena *arena, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *hex = json_string_value(json_object_get(value, "hex"));
    if (hex != NULL)
        return from_hex(arena, hex);
    return json_is_string(value) ? ds_arena_strdup(arena, json_string_value(value)) : NULL;
}

const char *ds_journal_kind(const json_t *record)
{
    const char *kind = json_string_value(json_object_get(record, "record"));
    return kind == NULL ? "" : kind;
}

void ds_journal_drop_words(json_t *record)
{
    json_object_del(record, "record");
    json_object_del(record, "check");
}
