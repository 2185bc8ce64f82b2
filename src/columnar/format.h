/*
 * Record formats: bytes of a block to columns, and rows to bytes.
 *
 * A format is made once from the app file and immutable. A decoder belongs to one task: it
 * is given a run of bytes that starts at a record and gives out chunks until it is empty.
 * The contract of every format is app-format, section 3.
 */
#ifndef DS_COLUMNAR_FORMAT_H
#define DS_COLUMNAR_FORMAT_H

#include "base/buffer.h"
#include "base/error.h"
#include "columnar/column.h"
#include "columnar/schema.h"

typedef enum ds_format_kind {
    DS_FORMAT_TEXT,
    DS_FORMAT_JSON,
    DS_FORMAT_CSV,
    DS_FORMAT_COMBINED,
    DS_FORMAT_LOGFMT,
    DS_FORMAT_REGEX,
} ds_format_kind;

/* What the app file says about a source's format. */
typedef struct ds_format_spec {
    ds_format_kind kind;
    ds_schema schema;         /* json, csv, logfmt: the columns; regex: types of some of them */
    const char *const *paths; /* json: paths[i] NULL or "user.id" */
    bool header;              /* csv */
    char delimiter;           /* csv; 0 for the default */
    const char *regex;        /* regex: the pattern */
    uint32_t record_limit;    /* limits.record, bytes without the line end; 0: 64 KiB */
} ds_format_spec;

/* Why a record is bad. The names are in docs and in the app's progress output. */
typedef enum ds_bad_reason {
    DS_BAD_TOO_LONG,    /* longer than limits.record */
    DS_BAD_SYNTAX,      /* not valid JSON, quotes, not a log line */
    DS_BAD_TYPE,        /* a value that does not fit its column's type */
    DS_BAD_RANGE,       /* a number out of range */
    DS_BAD_FIELDS,      /* csv: too few or too many fields */
    DS_BAD_ENCODING,    /* json: bytes that are not UTF-8, NUL, half a surrogate pair */
    DS_BAD_HEADER,      /* csv: the header lacks a column; every record behind it counts */
    DS_BAD_MATCH_LIMIT, /* regex: the search was given up */
    DS_BAD_REASONS
} ds_bad_reason;

const char *ds_bad_reason_name(ds_bad_reason reason); /* "too_long", "syntax", ... */

/* Receives each bad record: raw bytes (borrowed during the call), its offset in the input
 * given to ds_decoder_open, and a sentence about what is wrong. */
typedef void (*ds_bad_fn)(void *arg, ds_bad_reason reason, const char *record, size_t length,
                          uint64_t offset, const char *detail);

typedef struct ds_format ds_format;

/* Makes a format in arena. DS_ERR_APP if the schema does not suit (lists, no columns). */
ds_status ds_format_new(ds_arena *arena, const ds_format_spec *spec, const ds_format **format,
                        ds_error *error);

/* The columns that records of this format have. */
const ds_schema *ds_format_schema(const ds_format *format);

typedef struct ds_decoder ds_decoder;

/* Makes a decoder that gives out the columns wanted[i] (NULL: all); the others are NULL in
 * its chunks, but records are checked in full all the same. bad may be NULL. Free it. */
ds_decoder *ds_decoder_new(const ds_format *format, const bool *wanted, ds_bad_fn bad,
                           void *bad_arg);
void ds_decoder_free(ds_decoder *decoder);

/* Header of the records that follow (csv with header: true; others ignore it): a whole line
 * without its end. Without it the first record of the next input is the header. It holds for
 * all inputs until the next call; line NULL forgets it, so that the next input brings its own.
 * DS_ERR_DATA with the missing column's name if it lacks one; the records behind it then count
 * as DS_BAD_HEADER. A header in the input is a line that counts in the positions, but no record. */
ds_status ds_decoder_header(ds_decoder *decoder, const char *line, size_t length, ds_error *error);

/*
 * Begins a run of records: `bytes` stay borrowed until the decoder is empty and views refer
 * to them through heap (to which they are added) as long as the task lives. Records end with
 * \n (a \r before it is dropped); the last needs no end. first_position is the position of
 * the first record; each further line (bad records and blank lines too) counts one up.
 */
void ds_decoder_open(ds_decoder *decoder, ds_heap *heap, const char *bytes, size_t length,
                     int64_t first_position);

/*
 * Decodes up to DS_CHUNK_ROWS good records into *chunk, whose columns and positions live in
 * arena. False when nothing is left (the chunk is empty then).
 */
bool ds_decoder_next(ds_decoder *decoder, ds_arena *arena, ds_chunk *chunk);

/* Counters since the decoder was made. */
typedef struct ds_decoder_counts {
    uint64_t records; /* good ones */
    uint64_t bad[DS_BAD_REASONS];
    uint64_t replaced; /* invalid UTF-8 parts and NULs that became U+FFFD */
} ds_decoder_counts;
void ds_decoder_count(const ds_decoder *decoder, ds_decoder_counts *counts);

/* Writers: rows to the bytes of a file or of the console. */
typedef enum ds_row_format { DS_ROWS_JSON, DS_ROWS_CSV, DS_ROWS_TABLE } ds_row_format;

/* Appends rows of chunk: JSON objects, one a line, or CSV lines (no header line). */
void ds_rows_write(ds_buffer *out, ds_row_format format, const ds_schema *schema,
                   const ds_heap *heap, const ds_chunk *chunk);
/* Appends an aligned text table with a header line over all rows of several chunks (control
 * characters escaped, cells cut after 80 code points). */
void ds_rows_table(ds_buffer *out, const ds_schema *schema, const ds_heap *heap,
                   const ds_chunk *chunks, uint32_t n_chunks);

#endif
