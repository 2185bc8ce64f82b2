/* The records of a state: private to the state_*.c files. */
#ifndef DS_DSTREAM_STATE_RECORD_H
#define DS_DSTREAM_STATE_RECORD_H

#include "base/buffer.h"
#include "dstream/state.h"
#include "dstream/state_index.h"
#include "dstream/state_text.h"

/*
 * A record: [order, if there is a time-out] head, keys, values. A column takes 8 bytes, or 16
 * for a view: of text, or of the bytes of a list (state_columns.c).
 */
typedef struct ds_state_order { /* of the times at which keys were last seen */
    int64_t seen_ms;
    uint32_t before, after; /* DS_NO_ID: none */
} ds_state_order;

typedef struct ds_state_head {
    uint32_t hash;    /* the low half of the key's */
    uint32_t nulls[]; /* bit f of word f / 32: field f is null */
} ds_state_head;

typedef struct ds_state_field {
    ds_type type;
    uint32_t offset; /* in the record, bytes */
} ds_state_field;

struct ds_state {
    const ds_state_spec *spec;
    ds_budget *budget;
    ds_state_field *fields; /* keys, then values */
    uint32_t n_fields;
    uint32_t *views; /* the fields that are views */
    uint32_t n_views;
    uint32_t head, record_bytes; /* where the head begins; the size of a record */

    unsigned char **segments; /* of 1 << shift records; the first may be smaller */
    uint32_t segments_room, n_segments, shift, first_records;
    uint64_t *used;                   /* bit i: number i is in use, or ended in this batch */
    uint64_t *unsaved;                /* bit i: what has number i changed since it was saved */
    uint32_t used_room, unsaved_room; /* equal */
    bool any_unsaved;
    uint32_t limit;          /* all numbers in use are below */
    uint32_t n_used;         /* bits */
    uint32_t lowest;         /* no number below is free */
    uint32_t n_freed;        /* numbers since the batch began */
    uint32_t oldest, newest; /* the ends of the order */

    uint32_t *changed, *ended;
    uint32_t n_changed, changed_room, n_ended, ended_room;
    ds_state_index index;
    ds_state_text text;
    ds_buffer scratch; /* the bytes of a list */
};

static inline unsigned char *ds_state_record(const ds_state *state, uint32_t id)
{
    size_t in_segment = id & (((uint32_t)1 << state->shift) - 1);
    return state->segments[id >> state->shift] + in_segment * state->record_bytes;
}

static inline ds_state_order *ds_state_order_of(const ds_state *state, uint32_t id)
{
    return (ds_state_order *)(void *)ds_state_record(state, id);
}

static inline ds_state_head *ds_state_head_of(const ds_state *state, unsigned char *record)
{
    return (ds_state_head *)(void *)(record + state->head);
}

static inline bool ds_state_is_view(ds_type type)
{
    return type.kind == DS_STRING || type.kind == DS_LIST;
}

static inline bool ds_state_in_use(const ds_state *state, uint32_t id)
{
    return id < state->limit && ds_bit_get(state->used, id);
}

static inline void ds_state_mark(ds_state *state, uint32_t id)
{
    ds_bit_set(state->unsaved, id);
    state->any_unsaved = true;
}

/* Keys that have ended are out of the order and look as if they stood in it alone; so do those that
 * are being loaded. */
static inline bool ds_state_is_out(const ds_state *state, uint32_t id)
{
    return ds_state_order_of(state, id)->before == id;
}

/* For loading: makes the limit one more; takes a number below it that is free. */
void ds_state_raise_limit(ds_state *state);
void ds_state_use_number(ds_state *state, uint32_t id);

/* Writes rows' values of fields [first, first + n_fields) to the records ids (passing over
 * DS_NEW_KEY), whose values they replace; marks those that change. Returns how many were too long
 * and became null. */
uint32_t ds_state_write_fields(ds_state *state, uint32_t first, uint32_t n_fields,
                               const ds_heap *heap, const ds_column *const *columns,
                               const uint32_t *ids, uint32_t n);
/* Makes columns of fields [first, first + n_fields), or NULL where `wanted` (by column; NULL: all)
 * says so. */
void ds_state_read_fields(ds_state *state, uint32_t first, uint32_t n_fields, const bool *wanted,
                          ds_arena *arena, ds_heap *heap, const uint32_t *ids, uint32_t n,
                          ds_column **columns);
/* Clears same[i] where the key of ids[i] (which may be DS_NEW_KEY) is not that of row from + i. */
void ds_state_compare_keys(const ds_state *state, const ds_heap *heap, const ds_column *const *keys,
                           uint32_t from, uint32_t n, const uint32_t *ids, bool *same);

/* Puts a key into the order: behind `before` (DS_NO_ID: as the first); and takes it out. */
void ds_state_link(ds_state *state, uint32_t id, uint32_t before);
void ds_state_unlink(ds_state *state, uint32_t id);

#endif
