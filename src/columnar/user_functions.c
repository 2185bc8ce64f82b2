#include "columnar/user_functions.h"

#include "columnar/expr_lex.h"

#include <stdio.h>
#include <string.h>

const ds_function *ds_user_function_find(const ds_user_functions *functions, const char *name)
{
    for (uint32_t i = 0; functions != NULL && i < functions->n_functions; i++)
        if (strcmp(functions->functions[i]->name, name) == 0)
            return functions->functions[i];
    return NULL;
}

const ds_aggregate *ds_user_aggregate_find(const ds_user_functions *functions, const char *name)
{
    for (uint32_t i = 0; functions != NULL && i < functions->n_aggregates; i++)
        if (strcmp(functions->aggregates[i]->name, name) == 0)
            return functions->aggregates[i];
    return NULL;
}

const char *ds_user_function_clash(const char *name)
{
    if (!ds_expr_plain_name(name))
        return "a reserved word";
    if (ds_function_find(name) != NULL)
        return "a built-in function";
    return ds_aggregate_find(name) != NULL ? "a built-in aggregate" : NULL;
}

void ds_eval_fault(ds_eval *ev, uint32_t row)
{
    if (ev->faults == NULL)
        ev->faults = ds_arena_calloc(ev->arena, ds_bitmap_words(ev->n), 8);
    ds_eval_fail(ev, row);
    ev->faults[row >> 6] |= ev->selected[row >> 6] & ((uint64_t)1 << (row & 63));
}

/* Kernels and states of aggregates work deep below the task that they work for. */
static _Thread_local ds_fault_notes *current;

ds_fault_notes *ds_fault_notes_use(ds_fault_notes *notes)
{
    ds_fault_notes *before = current;
    current = notes;
    return before;
}

void ds_fault_note(const char *function, const char *message)
{
    ds_fault_notes *notes = current;
    if (notes == NULL || notes->n == DS_FAULT_NOTES)
        return;
    struct ds_fault_note *note = &notes->notes[notes->n];
    snprintf(note->function, sizeof note->function, "%s", function);
    snprintf(note->message, sizeof note->message, "%s", message);
    for (uint32_t i = 0; i < notes->n; i++)
        if (strcmp(notes->notes[i].function, note->function) == 0 &&
            strcmp(notes->notes[i].message, note->message) == 0)
            return;
    notes->n++;
}
