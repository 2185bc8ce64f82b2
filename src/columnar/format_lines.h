/*
 * The input of a decoder, cut into lines.
 *
 * Newlines are searched for a window of 64 KiB at a time, which is then still in the cache
 * when its lines are decoded. The same goes for the question whether a window is plain ASCII,
 * which spares its lines all checks of UTF-8.
 */
#ifndef DS_COLUMNAR_FORMAT_LINES_H
#define DS_COLUMNAR_FORMAT_LINES_H

#include "columnar/format_marks.h"

/*
 * Appends the places of the newlines in bytes[*from, to) to ends, which has room for `room`
 * (>= 64) of them; stops early, with *from behind the last byte looked at, when fewer than 64
 * are left. Returns how many were found.
 */
typedef uint32_t ds_newlines_fn(const char *bytes, uint32_t *from, uint32_t to, uint32_t *ends,
                                uint32_t room);

ds_newlines_fn ds_newlines_plain;
/* The fastest one for this processor. */
ds_newlines_fn *ds_newlines_best(void);

typedef struct ds_lines {
    const char *bytes; /* borrowed */
    uint32_t length;
    uint32_t start;   /* of the next line */
    uint32_t scanned; /* the newlines before it are known */
    uint32_t next;    /* of the known ends */
    uint32_t n_ends;
    bool plain;            /* the lines whose ends are known are ASCII without NUL */
    const ds_marks *marks; /* of these lines; NULL: there are none */
    ds_newlines_fn *newlines;
    const ds_mark_bytes *which;
    ds_mark_fn *mark;                /* NULL: no marks */
    ds_marks *room;                  /* for them; NULL until it is needed */
    uint32_t ends[DS_LINE_ENDS + 1]; /* the last line of the input may end without a newline */
} ds_lines;

/* Begins with bytes (borrowed; less than 4 GiB - 64 KiB). lines: zeros, or used before. which: what
 * to mark (borrowed), or NULL. */
void ds_lines_open(ds_lines *lines, const char *bytes, uint32_t length, const ds_mark_bytes *which);

/* Frees what it has, not itself. */
void ds_lines_fini(ds_lines *lines);

/* Finds the ends of more lines once all known ones are used. False at the end. */
bool ds_lines_more(ds_lines *lines);

/* How many lines are left, if all of their ends are known; else UINT32_MAX. */
uint32_t ds_lines_left(const ds_lines *lines);

#endif
