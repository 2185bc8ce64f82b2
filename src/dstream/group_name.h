/* The key of a group, for messages. */
#ifndef DS_DSTREAM_GROUP_NAME_H
#define DS_DSTREAM_GROUP_NAME_H

#include "dstream/frame.h"

#define DS_GROUP_NAME 160 /* room for a name */

/* Writes `the group k = "v"` of a table of node's stream (long values are cut), or `the total` of
 * one without keys, with a NUL. */
void ds_group_name(ds_frame *frame, const ds_node *node, ds_groups *groups, uint32_t id,
                   char name[DS_GROUP_NAME]);

#endif
