/*
 * The dead letters of one task: bad records of sources with "on_error": "dead_letter", one JSON
 * object a line, for people and for those who read them again:
 *
 *     {"time":"2026-01-01T00:00:10Z","source":"access","position":{"file":"in/a","offset":1234},
 *      "reason":"type","detail":"...","record":"..."}
 *
 * `time` is the batch time (of a table: when it was read); `position` is {"record":n} for records
 * that were received, {"file":..., "record":n} for those of a table. `record`
 * is the raw record without its line end. If it is not valid UTF-8, "base64" has its bytes, too; of
 * one over limits.record there are that many bytes, and "length" says how long it is, as far as
 * it was read; "header" is that of a csv file or connection. A row that was dropped
 * (reason "overflow" or "function") has "stream" in place of source and position, and "row", an
 * object, in place of the record.
 *
 * They are staged and appended like the rows of a sink of type append (plan.h: dead_letters).
 */
#ifndef DS_EXEC_DEAD_LETTERS_H
#define DS_EXEC_DEAD_LETTERS_H

#include "exec/task_sinks.h"

typedef struct ds_dead_letters ds_dead_letters;

/* A bad record. All borrowed. */
typedef struct ds_dead_letter {
    const char *source;
    const char *file;        /* NULL: it was received */
    uint64_t number, offset; /* of the record, from 1; if that is 0 its offset in the file */
    ds_bad_reason reason;
    const char *detail;
    const char *header; /* of a csv file or connection; NULL: none */
    size_t header_length;
    const char *record;
    size_t length;
} ds_dead_letter;

/* NULL if the plan has no dead letters. The context is copied, what it points to borrowed. */
ds_dead_letters *ds_dead_letters_new(const ds_plan *plan, const ds_sink_context *context);
/* Removes the staged file, unless it was finished and is reported. NULL is allowed. */
void ds_dead_letters_free(ds_dead_letters *letters, bool reported);

/* Writes one record. DS_ERR_IO. */
ds_status ds_dead_letters_record(ds_dead_letters *letters, const ds_dead_letter *letter,
                                 ds_error *error);
/* Writes rows of a stream that were dropped; columns that are NULL are left out. DS_ERR_IO. */
ds_status ds_dead_letters_rows(ds_dead_letters *letters, const char *stream, ds_drop_reason reason,
                               const ds_schema *schema, const ds_heap *heap, const ds_chunk *chunk,
                               ds_error *error);

/* Completes the file; appends one output if there are any letters. Texts go to arena. DS_ERR_IO. */
ds_status ds_dead_letters_finish(ds_dead_letters *letters, ds_arena *arena, ds_output *outputs,
                                 uint32_t *n_outputs, ds_error *error);

#endif
