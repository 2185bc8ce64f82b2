/*
 * The open pane of a window as rows of bytes: what of it is saved, part by part, and loaded.
 *
 * Since the last part panes may have closed, each after some of its groups changed: the log has
 * these rows, as they were when their pane closed, so that a copy of the window can do the same as
 * the window did: take the rows, close the pane, and let as many parts of panes go. Its states
 * then come about in the same way, to the last bit. What a log has to say is in proportion to what
 * came in; and once everything has gone that was there at the last part, the window itself says
 * less.
 *
 * Rows that are loaded wait until all parts are there, or their pane closes: a group is in
 * several of them, and the last row counts. Groups get their numbers in the order in which they
 * first appear.
 */
#ifndef DS_DSTREAM_WINDOW_OPEN_H
#define DS_DSTREAM_WINDOW_OPEN_H

#include "columnar/aggregate.h"
#include "dstream/window.h"

/* u32 how many, u32 0, the number of each group in the open pane (u32, ascending; and a 0 if there
 * is an odd number of them), a piece of their partials. */
typedef struct ds_pane_rows {
    char *bytes; /* owned */
    size_t size;
} ds_pane_rows;

/* Of partial columns of n groups. */
ds_pane_rows ds_pane_rows_make(const ds_heap *heap, const ds_column *const *columns,
                               uint32_t n_columns, const uint32_t *numbers, uint32_t n);

/* A pane whose rows follow. */
typedef struct ds_pane_head {
    int64_t end;       /* INT64_MIN: there is no open pane */
    uint64_t gone;     /* parts of panes that went before it closed, since the last part */
    uint32_t n_groups; /* all of them, with those that are not among the rows */
    uint32_t fresh;    /* 1: it began after the last part; what was there of an open pane goes */
} ds_pane_head;

/* ---- The log ---- */

typedef struct ds_logged_pane {
    ds_pane_head head;
    uint32_t rows_end; /* its rows are those behind the pane's before, up to this one */
} ds_logged_pane;

typedef struct ds_window_log {
    bool on;             /* something was saved or loaded: changes count from there */
    bool outrun;         /* nothing of that is there any more, for long: nothing is logged */
    bool fresh;          /* the open pane began since */
    uint64_t saved_gone; /* parts that had gone then */
    uint64_t saved_parts;
    ds_logged_pane *panes;
    ds_pane_rows *rows;
    uint32_t n_panes, n_rows, panes_room, rows_room;
} ds_window_log;

/* Notes rows of the open pane, which closes: those of the groups from .. from + n, whose partials
 * these are, that changed; and that the pane closed. For a log that is on. */
void ds_window_log_rows(ds_window *window, const ds_heap *heap, ds_column *const *partials,
                        uint32_t from, uint32_t n);
void ds_window_log_pane(ds_window *window);
/* After parts have gone. */
void ds_window_log_gone(ds_window *window);
/* Everything is saved, or loaded: empties the log, and it is on. */
void ds_window_log_begin(ds_window *window);
void ds_window_log_free(ds_window *window);
size_t ds_window_log_bytes(const ds_window *window);

/* ---- What waits ---- */

typedef struct ds_window_waiting {
    ds_pane_rows *rows;
    uint32_t n_rows, rows_room;
    uint32_t n_groups;
    bool again; /* some group is in several of them */
} ds_window_waiting;

/* Adds rows (taken, also if it fails). DS_ERR_PROTOCOL if they are none. */
ds_status ds_window_wait(ds_window *window, ds_pane_rows rows, ds_error *error);
void ds_window_wait_clear(ds_window *window);
/* Makes the open pane of the rows, which go; false if some of their keys are equal. */
bool ds_window_wait_end(ds_window *window);

#endif
