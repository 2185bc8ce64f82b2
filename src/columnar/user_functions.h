/*
 * Functions of the user's own, from wherever they come: entries like those of the built-in
 * tables, found by name behind them.
 *
 * A kernel of such a function may fail for any row. It says so with ds_eval_fault, which keeps
 * these rows apart from overflows, and tells why with ds_fault_note.
 */
#ifndef DS_COLUMNAR_USER_FUNCTIONS_H
#define DS_COLUMNAR_USER_FUNCTIONS_H

#include "columnar/aggregate.h"

/* Names are in lower case, and none is that of a built-in function. Aggregates say `user`. */
struct ds_user_functions {
    const ds_function *const *functions;
    uint32_t n_functions;
    const ds_aggregate *const *aggregates;
    uint32_t n_aggregates;
};

/* The function or aggregate of a lower-case name, or NULL. functions may be NULL. */
const ds_function *ds_user_function_find(const ds_user_functions *functions, const char *name);
const ds_aggregate *ds_user_aggregate_find(const ds_user_functions *functions, const char *name);

/* Why a function of the user's own cannot have that lower-case name ("a reserved word"), or NULL.
 */
const char *ds_user_function_clash(const char *name);

/* Marks a selected row as failed by a user's function. */
void ds_eval_fault(ds_eval *ev, uint32_t row);

/* ---- why ---- */

#define DS_FAULT_NOTES 4u
#define DS_FAULT_TEXT 256

/* Some failures to show: different ones, the first few. */
typedef struct ds_fault_notes {
    uint32_t n;
    struct ds_fault_note {
        char function[DS_FAULT_TEXT];
        char message[DS_FAULT_TEXT];
    } notes[DS_FAULT_NOTES];
} ds_fault_notes;

/* Makes notes (borrowed, may be NULL) those of the calling thread, and returns what was. */
ds_fault_notes *ds_fault_notes_use(ds_fault_notes *notes);

/* Notes that a function failed, in the calling thread's notes if it has any. */
void ds_fault_note(const char *function, const char *message);

#endif
