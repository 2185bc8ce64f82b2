/*
 * Where the rows of a join are already: streams keyed alike join without another shuffle.
 *
 * Private to this folder.
 */
#ifndef DS_DSTREAM_PLAN_FUSE_H
#define DS_DSTREAM_PLAN_FUSE_H

#include "columnar/keys.h"
#include "dstream/planner.h"

/* What brought the rows of one side of a join to the partitions of just its keys. */
typedef struct ds_keys_maker {
    const ds_node
        *node; /* a group, a state, a join or a window; NULL: they are not in such partitions */
    bool any_order;                /* a window, which takes the keys as they are given */
    uint32_t columns[DS_MAX_KEYS]; /* of node: the keys of the join */
    uint32_t order[DS_MAX_KEYS];   /* the maker's i-th key is key order[i] of the join */
} ds_keys_maker;

/* Finds the maker of a side of a join, given its exchange: above it, with nothing between them that
 * changes the keys. */
ds_keys_maker ds_keys_maker_find(const ds_node *exchange);

/* True if both sides can be where they are, as far as the order of their keys counts. */
bool ds_keys_makers_agree(const ds_keys_maker *left, const ds_keys_maker *right, uint32_t n_keys);

/* Lets a window put its rows together by the keys of a join. */
void ds_window_take_keys(ds_planner *planner, const ds_keys_maker *window, uint32_t n_keys);

#endif
