/*
 * The rows of one key partition of a window of whole rows: pieces (piece.h), oldest first, each of
 * a batch. One thread. Times are milliseconds since 1970.
 */
#ifndef DS_DSTREAM_ROW_WINDOW_H
#define DS_DSTREAM_ROW_WINDOW_H

#include "base/memory.h"
#include "base/saved.h"
#include "columnar/column.h"

typedef struct ds_row_window ds_row_window;

/* Makes an empty one that charges budget (borrowed, may be NULL). */
ds_row_window *ds_row_window_new(ds_budget *budget);
void ds_row_window_free(ds_row_window *window);

/* Memory for a piece that is going to be added; or not. */
void *ds_row_window_alloc(ds_row_window *window, size_t length);
void ds_row_window_forget(ds_row_window *window, void *bytes, size_t length);
/* Adds a piece (takes it) of the batch at batch_ms, not before the last one. */
void ds_row_window_add(ds_row_window *window, int64_t batch_ms, void *bytes, size_t length);
/* Drops the pieces of batches up to oldest_ms. */
void ds_row_window_drop(ds_row_window *window, int64_t oldest_ms);

typedef struct ds_window_piece {
    int64_t batch_ms;
    size_t length;
    void *bytes;
} ds_window_piece;

/* The pieces, by number from 0, oldest first. Borrowed until the next change. */
uint32_t ds_row_window_count(const ds_row_window *window);
const ds_window_piece *ds_row_window_piece(const ds_row_window *window, uint32_t i);

/* ---- As bytes: frames of a part (kept.h) ---- */

/* True if something came or went since it was last saved or loaded. */
bool ds_row_window_changed(const ds_row_window *window);
/* True if no piece that was there then is there any more. */
bool ds_row_window_outran(const ds_row_window *window);
/* Puts the frames of all pieces, or of those that came since it was last saved or loaded. */
ds_status ds_row_window_save(ds_row_window *window, bool whole, ds_saver *saver, ds_error *error);
/* Takes the frames up to the end; first what was loaded before goes, if these are of all pieces.
 * types: of the columns. version_ms: the batch it stands at. Never trusts the bytes:
 * DS_ERR_PROTOCOL; then it may only be freed. */
ds_status ds_row_window_load(ds_row_window *window, bool whole, int64_t version_ms,
                             const ds_type *types, uint32_t n_types, ds_loader *loader,
                             ds_error *error);

#endif
