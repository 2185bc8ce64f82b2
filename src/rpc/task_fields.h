/*
 * How tasks and their results are written, and what they are made of: the messages of which there
 * are most. Descriptions as in wire.h; message.c has those of the messages themselves.
 */
#ifndef DS_RPC_TASK_FIELDS_H
#define DS_RPC_TASK_FIELDS_H

#include "rpc/message.h"
#include "rpc/wire.h"

/* A text of a message, and a ds_status. */
void ds_text_field(ds_wire *wire, const char **value);
void ds_status_field(ds_wire *wire, uint32_t *value);

/* The list that m->items and m->n_items are. */
#define DS_LIST_FIELD(wire, m, items, n_items, fn)                                                 \
    ds_wire_list((wire), &(m)->items, &(m)->n_items, DS_MESSAGE_LIST_LIMIT, sizeof *(m)->items,    \
                 (fn))

/* Where bytes of a store are, and where a block is in the log; whole, without flags. */
void ds_ref_fields(ds_wire *wire, ds_ref *ref);
void ds_log_place_fields(ds_wire *wire, ds_log_place *place);

/* Items of lists: a ds_input, a ds_saved_part, a ds_task, a ds_task_result. The last two leave out
 * what the one before them in the message has, too. */
void ds_input_fields(ds_wire *wire, void *item);
void ds_saved_part_fields(ds_wire *wire, void *item);
void ds_task_fields(ds_wire *wire, void *item);
void ds_result_fields(ds_wire *wire, void *item);

#endif
