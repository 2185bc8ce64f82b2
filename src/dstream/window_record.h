/*
 * The record of a window (window.h), for those who change it (window.c) and who save and load it
 * (window_save.c).
 */
#ifndef DS_DSTREAM_WINDOW_RECORD_H
#define DS_DSTREAM_WINDOW_RECORD_H

#include "columnar/agg_state.h"
#include "columnar/keys.h"
#include "dstream/slide_combine.h"
#include "dstream/window.h"
#include "dstream/window_open.h"
#include "dstream/window_ranks.h"

#define DS_PART_KEYS 16384u               /* of a part, at most */
#define DS_PART_BYTES ((size_t)256 << 20) /* of a part of more than one key */
#define DS_WINDOW_NEVER INT64_MIN

/* A pane, or a part of it that is not too large for a piece. */
typedef struct ds_window_part {
    int64_t end;
    uint32_t n;
    uint32_t slot; /* buffer of the piece in the text store */
    uint32_t *ids; /* of its keys in the window */
    char *bytes;   /* the piece */
    size_t size;
} ds_window_part;

/* What becomes of one call. */
typedef struct ds_call_plan {
    bool subtracts;
    bool kept;            /* its columns are in the pieces */
    uint32_t n_columns;   /* of its partial */
    uint32_t first;       /* place of the first among all partials */
    uint32_t first_kept;  /* and in a piece */
    uint32_t combined;    /* number in the queues */
    ds_agg_state running; /* if it subtracts */
} ds_call_plan;

/* States that were loaded: their text stays until the last pane is gone that was there then. */
typedef struct ds_window_blob {
    int64_t until;
    uint32_t slot;
    char *bytes;
    size_t size;
} ds_window_blob;

struct ds_window {
    const ds_window_spec *spec;
    const ds_group_spec *group;
    ds_budget *budget;
    bool single; /* the window is one pane */
    int64_t now; /* the last slide */
    ds_groups *open;
    int64_t open_end; /* NEVER: nothing in it */
    ds_window_log log;
    ds_window_waiting waiting; /* the open pane, while parts are loaded */
    uint32_t n_partials;       /* columns */
    /* Not for a single pane: */
    ds_call_plan *plans;
    uint32_t n_kept; /* columns of a piece */
    ds_type *kept_types;
    ds_keys *keys;
    uint32_t *panes_of; /* by key: parts that have it */
    uint32_t *live;     /* keys of the window, in no order */
    uint32_t *place;    /* by key: where in live */
    uint32_t n_live, panes_room, live_room, place_room;
    ds_slide_combine *queues; /* NULL: no call needs them */
    ds_window_ranks *ranks;   /* NULL: nobody wants the first ones */
    ds_window_part *parts;    /* oldest first, from first_part on */
    uint32_t first_part, n_parts, parts_room;
    uint32_t n_panes;
    uint64_t gone;      /* parts that were here */
    ds_text_store text; /* lends the pieces */
    ds_heap reader;     /* for reading a piece at its slot */
    uint32_t *free_slots;
    uint32_t n_free_slots, n_slots, slots_room;
    ds_window_blob *blobs; /* text of loaded queues, lent like that of parts */
    uint32_t n_blobs, blobs_room;
    ds_arena *scratch;
    uint64_t operations, operations_before;
    ds_window_work work;
};

/* True if the batch at this time has a pane that a window has, and when that ends. Without one,
 * *end is when the gap ends. */
bool ds_pane_end(const ds_window_spec *spec, int64_t batch_ms, int64_t *end);
/* The open pane ends. */
void ds_window_close_pane(ds_window *window);
/* The n oldest parts go. */
void ds_window_drop_parts(ds_window *window, uint64_t n);
/* A slot of the text store for a piece. */
uint32_t ds_window_new_slot(ds_window *window);
/* A new part behind the others, not filled. */
ds_window_part *ds_window_new_part(ds_window *window);
/* The kept columns of a part in scratch, whose text is at its slot of the text store. NULL if its
 * bytes are none. */
ds_column **ds_window_read_part(ds_window *window, const ds_window_part *p);
/* Makes room for what is kept by key. */
void ds_window_grow_keys(ds_window *window);
/* Adds the kept columns of a part to the running states. */
void ds_window_run_in(ds_window *window, const ds_window_part *p, ds_column **kept);

#endif
