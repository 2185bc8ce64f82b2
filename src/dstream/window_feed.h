/* The way of a batch's rows into a window of groups (window.h). */
#ifndef DS_DSTREAM_WINDOW_FEED_H
#define DS_DSTREAM_WINDOW_FEED_H

#include "dstream/frame.h"
#include "dstream/window.h"

/* Adds the partials in these pieces to the open pane of a window, which the frame's batch belongs
 * to. Fails if a piece cannot be read; some rows may have been added then. */
ds_status ds_window_feed(ds_frame *frame, const ds_node *node, ds_window *window,
                         const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error);

#endif
