/* The record of what a partition keeps (kept.h), for those who change it (kept.c) and who save and
 * load it (kept_save.c). */
#ifndef DS_DSTREAM_KEPT_RECORD_H
#define DS_DSTREAM_KEPT_RECORD_H

#include "dstream/kept.h"

/* What one root of the stage keeps; nothing, if it is neither a window nor a state. */
typedef struct ds_kept_root {
    int64_t version_ms;
    ds_window *groups;    /* of a group node */
    ds_row_window *rows;  /* of a window node */
    ds_kept_state *state; /* of a state node */
    uint32_t n_parts;     /* of the chain so far; 0: it has to begin with a whole */
} ds_kept_root;

struct ds_kept {
    const ds_stage *stage; /* borrowed */
    ds_budget *budget;     /* borrowed, may be NULL */
    uint32_t n_roots;
    ds_kept_root roots[]; /* by input of the stage */
};

#endif
