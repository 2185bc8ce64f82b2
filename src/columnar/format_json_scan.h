/*
 * A scanner of JSON text: finds where values end and checks every byte of them, without
 * making anything of them. Values in values are followed with a stack of bits, one for each
 * level, not by recursion.
 */
#ifndef DS_COLUMNAR_FORMAT_JSON_SCAN_H
#define DS_COLUMNAR_FORMAT_JSON_SCAN_H

#include "base/buffer.h"
#include "columnar/format_scan.h"

#include <stddef.h>

#define DS_JSON_DEPTH 512u /* levels of objects and lists in a record */

typedef enum ds_json_kind {
    DS_JSON_NULL,
    DS_JSON_FALSE,
    DS_JSON_TRUE,
    DS_JSON_INT,    /* a number without fraction and exponent */
    DS_JSON_NUMBER, /* any other */
    DS_JSON_STRING,
    DS_JSON_LIST,
    DS_JSON_OBJECT,
} ds_json_kind;

typedef struct ds_json_token {
    ds_json_kind kind;
    bool escaped;      /* a string with backslashes */
    const char *start; /* strings: without quotes */
    const char *end;
} ds_json_token;

typedef struct ds_json_scanner {
    const char *end;   /* of the text */
    const char *limit; /* bytes may be read up to here */
    const char *error; /* what is wrong, once a function returned NULL */
} ds_json_scanner;

/* Passes over white space. */
static inline const char *ds_json_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

/* Scans one value at p (any kind, whatever is in it), `depth` levels being open around it.
 * Returns what is behind it, or NULL with scanner->error. */
const char *ds_json_value_scan(ds_json_scanner *scanner, const char *p, unsigned depth,
                               ds_json_token *token);

/* The slow half of ds_json_string_scan: p is at the first backslash or control character. */
const char *ds_json_string_scan_slow(ds_json_scanner *scanner, const char *p);

/* Scans a string whose quote is before p. Returns what is behind the closing one, or NULL. */
static inline const char *ds_json_string_scan(ds_json_scanner *scanner, const char *p,
                                              ds_json_token *token)
{
    token->kind = DS_JSON_STRING;
    token->start = p;
    token->escaped = false;
    p = ds_scan_json(p, scanner->end, scanner->limit);
    if (p == scanner->end || *p != '"') {
        p = ds_json_string_scan_slow(scanner, p);
        if (p == NULL)
            return NULL;
        token->escaped = true;
    }
    token->end = p;
    return p + 1;
}

/* As ds_json_value_scan; a string, which most values are, takes no call. */
static inline const char *ds_json_value_scan_fast(ds_json_scanner *scanner, const char *p,
                                                  unsigned depth, ds_json_token *token)
{
    if (p < scanner->end && *p == '"')
        return ds_json_string_scan(scanner, p + 1, token);
    return ds_json_value_scan(scanner, p, depth, token);
}

/* Appends the text of a scanned string to out, its escapes replaced. False if it has \u0000 or
 * half a surrogate pair. */
bool ds_json_unescape(ds_buffer *out, const char *text, size_t length);

#endif
