#include "exec/task_faults.h"

void ds_task_faults_take(ds_task_result *result, const ds_frame *frame, const ds_fault_notes *notes,
                         ds_arena *arena)
{
    result->overflow_rows = frame->overflow_rows;
    result->overflow_values = frame->overflow_values;
    result->function_rows = frame->function_rows;
    result->function_values = frame->function_values;
    ds_bad_sample *samples = DS_ARENA_ARRAY(arena, ds_bad_sample, result->n_samples + notes->n + 1);
    for (uint32_t i = 0; i < result->n_samples; i++)
        samples[i] = result->samples[i];
    for (uint32_t i = 0; i < notes->n; i++)
        samples[result->n_samples++] =
            (ds_bad_sample){DS_SAMPLE_FUNCTION, ds_arena_strdup(arena, notes->notes[i].function),
                            ds_arena_strdup(arena, notes->notes[i].message)};
    result->samples = samples;
}

ds_status ds_task_faults_check(const ds_frame *frame, const ds_fault_notes *notes, ds_error *error)
{
    const char *stream = frame->stage->root->stream;
    if (frame->function_fatal > 0)
        return ds_error_set(error, DS_ERR_DATA,
                            "function %s failed: %s; a source of stream %s, or above it, says "
                            "\"on_error\": \"fail\"",
                            notes->notes[0].function, notes->notes[0].message, stream);
    if (frame->overflow_fatal == 0)
        return DS_OK;
    return ds_error_set(error, DS_ERR_DATA,
                        "%llu rows made of %s overflow in an expression, and a source that they "
                        "come from says \"on_error\": \"fail\"",
                        (unsigned long long)frame->overflow_fatal, stream);
}
