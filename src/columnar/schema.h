/* The names and types of a dataset's columns, in order. Immutable once made. */
#ifndef DS_COLUMNAR_SCHEMA_H
#define DS_COLUMNAR_SCHEMA_H

#include "columnar/type.h"

typedef struct ds_field {
    const char *name; /* borrowed from the arena of the plan */
    ds_type type;
} ds_field;

typedef struct ds_schema {
    ds_field *fields;
    uint32_t n_fields;
} ds_schema;

/* The index of a column by its exact name, or -1. */
int ds_schema_find(const ds_schema *schema, const char *name);

#endif
