/*
 * The results of a window of which only the first n are wanted ("order_by": "n desc", "limit":
 * 100), by the result of one call: as the top 100 of 100,000 keys. Mostly a row is behind the worst
 * one that is kept so far. That is known from its call alone; so only of the few others the keys
 * and the rest of the row are made. Where there are many keys, what is known of that call is kept
 * from slide to slide (window_ranks.h), and all others are not looked at.
 */
#ifndef DS_DSTREAM_FIRST_GROUPS_H
#define DS_DSTREAM_FIRST_GROUPS_H

#include "dstream/frame.h"
#include "dstream/window.h"

/* True if rows of this group go nowhere but to such an order, and nobody can tell which of those
 * that are left out were made. */
bool ds_first_groups_wanted(const ds_frame *frame, const ds_node *node);

/* Pushes the results of the window (which slides) that may be among the first. */
ds_status ds_first_groups_push(ds_frame *frame, const ds_node *node, ds_window *window);

#endif
