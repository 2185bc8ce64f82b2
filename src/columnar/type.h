/*
 * Column types of the app file (app-format, section 1): bool, int, float, string,
 * timestamp, and lists of these.
 */
#ifndef DS_COLUMNAR_TYPE_H
#define DS_COLUMNAR_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ds_kind {
    DS_NULL_TYPE, /* the type of the literal null before its context gives it one */
    DS_BOOL,
    DS_INT,       /* int64_t */
    DS_FLOAT,     /* double, never NaN or infinite */
    DS_STRING,    /* UTF-8 */
    DS_TIMESTAMP, /* int64_t microseconds since 1970-01-01T00:00:00Z, years 1 to 9999 */
    DS_INTERVAL,  /* int64_t microseconds; only inside expressions, never a column */
    DS_LIST,
} ds_kind;

typedef struct ds_type {
    uint8_t kind;    /* a ds_kind */
    uint8_t element; /* the ds_kind of a list's elements, else 0 */
} ds_type;

#define DS_TYPE(k) ((ds_type){(uint8_t)(k), 0})
#define DS_LIST_OF(k) ((ds_type){DS_LIST, (uint8_t)(k)})

static inline bool ds_type_equal(ds_type a, ds_type b)
{
    return a.kind == b.kind && a.element == b.element;
}

static inline ds_type ds_type_element(ds_type list)
{
    return DS_TYPE(list.element);
}

/* The name as written in the app file: "int", "list<string>". Static; never NULL. */
const char *ds_type_name(ds_type type);

/* Reads such a name (exact, no blanks). False if it is none. */
bool ds_type_parse(const char *name, ds_type *type);

#endif
