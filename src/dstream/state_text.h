/*
 * The long values of a state: text (and lists, as bytes) that do not fit a view.
 *
 * A log in buffers: values are appended, each behind the number of the key that it belongs to,
 * and dropped by counting. A buffer of which more than half was dropped is written anew: what
 * is alive moves to the end of the log, and its keys are told by their numbers. So the work is
 * in proportion to what was dropped, and nothing is ever done to the whole. Nothing moves or
 * is freed but in ds_state_text_tidy: until then all views stay valid. One thread.
 */
#ifndef DS_DSTREAM_STATE_TEXT_H
#define DS_DSTREAM_STATE_TEXT_H

#include "columnar/column.h"

typedef struct ds_text_buffer {
    uint32_t size, used, dropped; /* bytes */
    bool wasteful;                /* is in the list of those that are to be tidied */
} ds_text_buffer;

typedef struct ds_state_text {
    ds_heap heap; /* the buffers; NULL: a number to give out again */
    ds_text_buffer *buffers;
    uint32_t *unused, *wasteful; /* numbers of buffers */
    uint32_t buffers_room, unused_room, wasteful_room;
    uint32_t n_unused, n_wasteful;
    uint32_t tail; /* the buffer that is being filled; UINT32_MAX: none */
    uint32_t next_size;
    uint32_t exported; /* where in a heap the last export put them */
    size_t bytes;
    ds_budget *budget;
} ds_state_text;

/* Prepares an empty log that charges budget (borrowed, may be NULL). */
void ds_state_text_init(ds_state_text *text, ds_budget *budget);
void ds_state_text_fini(ds_state_text *text);

/* A view of a copy of bytes for key number id; a short one holds them itself. */
ds_view ds_state_text_put(ds_state_text *text, uint32_t id, const char *bytes, uint32_t length);
/* Counts the value of a view as dropped. */
void ds_state_text_drop(ds_state_text *text, const ds_view *view);
/* Says that a value belongs to another number from now on. */
void ds_state_text_renumber(ds_state_text *text, const ds_view *view, uint32_t id);

/* Where a key keeps the view whose value is at this place, or NULL if it was dropped. */
typedef ds_view *(*ds_text_owner_fn)(void *arg, uint32_t id, uint32_t buffer, uint32_t offset);
/* Writes wasteful buffers anew and frees them. */
void ds_state_text_tidy(ds_state_text *text, ds_text_owner_fn owner, void *arg);

/* Adds the buffers to a task's heap, once (asked again it finds them there). Long views then
 * need the result added to their buffer. */
uint32_t ds_state_text_export(ds_state_text *text, ds_heap *heap);

/* The bytes of a view of the log. */
static inline const char *ds_state_text_bytes(const ds_state_text *text, const ds_view *view)
{
    return ds_view_bytes(&text->heap, view);
}

#endif
