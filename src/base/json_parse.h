/*
 * The parser behind json_source.h: text to a jansson tree, and the place of each value.
 */
#ifndef DS_BASE_JSON_PARSE_H
#define DS_BASE_JSON_PARSE_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

#define DS_JSON_DEPTH 2048u   /* as jansson's own limit */
#define DS_JSON_REPEATED 100u /* how many repeated keys are remembered */
#define DS_JSON_NO_KEY UINT32_MAX

/* One value. Entries stand in the order of the text: the first child of a container is the
 * entry behind it, and the next sibling of entry i is entry i's `after`. */
typedef struct ds_json_entry {
    uint32_t key;   /* offset of the quote before its key; DS_JSON_NO_KEY in lists */
    uint32_t value; /* offset of its first byte */
    uint32_t after; /* index of the first entry that is not inside it */
} ds_json_entry;

typedef struct ds_json_index {
    ds_json_entry *entries; /* owned; entry 0 is the whole document */
    uint32_t n, capacity;
    uint32_t repeated[DS_JSON_REPEATED]; /* entries whose key their object had already */
    uint32_t n_repeated;
} ds_json_index;

typedef struct ds_json_fault {
    size_t at; /* offset of what is wrong */
    char message[160];
} ds_json_fault;

/*
 * Parses text (length bytes, less than 4 GiB, then a NUL): exactly what RFC 8259 allows, less
 * \u0000 and half surrogate pairs, integers of 64 bits only. Of a repeated key the first value
 * stays in the tree, all are in the index. Gives back a new reference, and fills index (free
 * its entries); or NULL and *fault.
 */
json_t *ds_json_parse(const char *text, size_t length, ds_json_index *index, ds_json_fault *fault);

/* Decodes one character of a string that was parsed, at *at; moves *at behind it. Writes one
 * to four bytes and returns how many; 0 at the closing quote. */
size_t ds_json_decode(const char **at, char out[static 4]);

#endif
