/*
 * join: rows of two sides with the same keys meet; left, right and full joins also give the rows of
 * one side or of both that no other row meets.
 *
 * The node has two parents, an exchange for each side (op_exchange.h), and lives in the stage in
 * which the rows of both are in the partitions of their keys. Once all roots of the stage have made
 * their rows, the task joins: the rows of the smaller side go to a table (join_table.h), and those
 * of the other are looked up. Results are made and pushed a chunk at a time, however many there are
 * of one key.
 *
 * Where the smaller side is too large for the memory that there is, its rows are taken as far as it
 * goes, all rows of the other side are looked up, and so on with the next ones. The other side
 * remembers meanwhile, in a bit for each row, which of its rows have been met.
 *
 * A null among the keys meets nothing.
 */
#ifndef DS_DSTREAM_OP_JOIN_H
#define DS_DSTREAM_OP_JOIN_H

#include "dstream/join_table.h"
#include "dstream/op_exchange.h"
#include "dstream/op_group.h"
#include "dstream/row_buffer.h"

enum { DS_LEFT_SIDE, DS_RIGHT_SIDE };

typedef struct ds_join_column { /* of the output */
    bool is_key;                /* column: which key; it is of the side that has the row */
    uint8_t side;
    uint32_t column; /* of that side's schema */
} ds_join_column;

typedef struct ds_join_plan {
    ds_join_type type;
    uint32_t n_keys;
    uint32_t *keys[2]; /* by side: the columns, in the order in which they are hashed */
    ds_type *key_types;
    ds_join_column *columns;
    const char **qualifiers; /* of the output's columns, as in ds_scope; and one NULL more */
    ds_alias *aliases;       /* of its keys */
    uint32_t n_aliases;
    /* What of each side the output needs, keys included, in the order of its columns. */
    uint32_t *wanted[2];
    ds_type *wanted_types[2];
    uint32_t n_wanted[2];
    /* The source of the table that the rows of one side are made of, and which every executor holds
     * (op_broadcast.h); NULL: none. */
    const ds_node *table;
    int table_side;
} ds_join_plan;

/* ---- plan ---- */

/* The join clause of a stream over its two sides (left_name is NULL for a union): types and names
 * of keys, the output's columns. exchanges[side] becomes the exchange of each side with its
 * schema. NULL on errors. */
ds_join_plan *ds_join_plan_new(ds_planner *planner, const ds_app_stream *stream,
                               const ds_schema *const sides[2], const char *left_name,
                               ds_exchange_plan *exchanges[2], ds_schema exchanged[2],
                               ds_schema *output);

/* Marks the columns of both sides that are needed for the wanted ones of the output. */
void ds_join_plan_want(ds_planner *planner, const ds_node *node);

/* Puts the keys in another order: order[i] becomes key i. */
void ds_join_plan_reorder(ds_planner *planner, const ds_node *node, const uint32_t *order);

/* True if rows of that side come out without a partner. */
bool ds_join_keeps(const ds_join_plan *plan, int side);

/* ---- run ---- */

/* One table and the rows that are looked up in it, for one task. */
typedef struct ds_join_probe ds_join_probe;

/* The table holds the rows of `side`, each with the columns of that side's exchange. keeps_table:
 * it is to be remembered which of them are met. All is borrowed. Free it. */
ds_join_probe *ds_join_probe_new(ds_frame *frame, const ds_node *node, const ds_join_table *table,
                                 int side, bool keeps_table);
void ds_join_probe_free(ds_join_probe *probe);

/* Looks up the rows of a chunk of the other side, and pushes the results as rows of the node. Rows
 * without a partner come out if alone says so; met (NULL, or a bit for each row) remembers those
 * that have one, and rows marked in it are not alone. May be called amid a chunk of the frame's
 * root. */
void ds_join_probe_push(ds_join_probe *probe, const ds_chunk *chunk, uint64_t *met, bool alone);

/* Rows of a side that is in its partitions already: kept until the stage's roots are done. */
void ds_join_push(ds_frame *frame, const ds_node *node, uint32_t side, const ds_chunk *chunk);
void ds_join_state_free(void *state);
/* Copies the text of what is kept so, if its state has any: as for ds_frame_settle. */
bool ds_join_settle(const ds_node *node, void *state, ds_frame *frame);

/* Joins, once the roots are done. pieces[side] are those of a side whose exchange is a root. */
typedef struct ds_join_pieces {
    const ds_piece_bytes *pieces;
    uint32_t n;
} ds_join_pieces;
ds_status ds_join_reduce(ds_frame *frame, const ds_node *node, const ds_join_pieces pieces[2],
                         ds_error *error);

#endif
