/*
 * Variables in the strings of the app file: ${NAME}, ${NAME:-default}, ${NAME:?message}, and
 * $${ for a literal ${.
 */
#ifndef DS_DSTREAM_VARIABLES_H
#define DS_DSTREAM_VARIABLES_H

#include "base/buffer.h"
#include "base/error.h"

typedef struct ds_variables {
    const char *(*getenv)(const char *name, void *arg); /* NULL: the environment */
    void *arg;
    size_t left; /* bytes that values may still add: a limit on what a file can grow to */
} ds_variables;

/* True if text holds a ${ (literal ones too): if expanding changes it. */
bool ds_variables_in(const char *text);

/* True if text is one variable and nothing else: then it takes the type of its key. */
bool ds_variables_whole(const char *text);

/*
 * Appends text with its variables replaced. DS_ERR_APP with a message if one is not set or
 * wrongly written: bytes [*offset, *offset + *length) of text are it. A value is taken as it
 * is: a ${ in it means nothing. Reads the environment: not beside setenv.
 */
ds_status ds_variables_expand(ds_variables *variables, const char *text, ds_buffer *out,
                              uint32_t *offset, uint32_t *length, ds_error *error);

#endif
