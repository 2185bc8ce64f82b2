/*
 * The lines of a metadata file (docs/checkpoint.md), before anything is made of them: each is one
 * JSON object that ends with a checksum of the bytes before it.
 */
#ifndef DS_CHECKPOINT_JOURNAL_LINES_H
#define DS_CHECKPOINT_JOURNAL_LINES_H

#include "base/json_source.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The next line of a text that ends at end, without its end; moves *at. False: there is none. */
bool ds_journal_next(const char **at, const char *end, const char **line, size_t *length);

/* Whether a line ends with its checksum: a write that was cut short does not leave such a one. */
bool ds_journal_holds(const char *line, size_t length);

/* The object of a line, to be freed; NULL if its checksum does not hold or it is no object. */
json_t *ds_journal_line(const char *line, size_t length);

/* Appends an object (taken over) as one line. */
void ds_journal_write(ds_buffer *out, json_t *object);

#endif
